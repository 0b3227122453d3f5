"""The contract of a scheme, for those who write their own."""

from __future__ import annotations

from hyperhttp import Auth
from hyperhttp.message.request import Request
from hyperhttp.message.response import Response


def test_the_base_sends_the_request_as_it_is() -> None:
    request = Request("GET", "http://example.com/")
    flow = Auth().auth_flow(request)
    assert next(flow) is request
    assert "authorization" not in request.headers
    try:
        flow.send(Response(401))
    except StopIteration:
        return
    raise AssertionError("one request and no more")


def test_nothing_is_loaded_unless_a_scheme_says_so() -> None:
    assert (Auth.requires_request_body, Auth.requires_response_body, Auth.requires_response) == (False, False, False)


def test_a_scheme_of_ones_own_overrides_one_method() -> None:
    class Key(Auth):
        def auth_flow(self, request: Request):  # type: ignore[no-untyped-def]
            request.headers["X-Api-Key"] = "k"
            response = yield request
            if response.status_code == 401:
                request.headers["X-Api-Key"] = "k2"
                yield request

    request = Request("GET", "http://example.com/")
    flow = Key().auth_flow(request)
    assert next(flow).headers["X-Api-Key"] == "k"
    assert flow.send(Response(401)).headers["X-Api-Key"] == "k2"
