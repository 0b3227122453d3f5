"""What a status says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.exceptions import HTTPStatusError
from hyperhttp.message.request import Request
from hyperhttp.message.response import Response
from hyperhttp.message.status import Status

KINDS = ["is_informational", "is_success", "is_client_error", "is_server_error", "is_error"]


@pytest.mark.parametrize(
    ("code", "kinds"),
    [
        (100, {"is_informational"}),
        (199, {"is_informational"}),
        (200, {"is_success"}),
        (299, {"is_success"}),
        (304, set()),
        (400, {"is_client_error", "is_error"}),
        (499, {"is_client_error", "is_error"}),
        (500, {"is_server_error", "is_error"}),
        (599, {"is_server_error", "is_error"}),
    ],
)
def test_a_status_is_of_its_kind(code: int, kinds: set[str]) -> None:
    response: Any = Response(code)
    assert isinstance(response, Status)
    assert {kind for kind in KINDS if getattr(response, kind)} == kinds


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_says_where_to_go(code: int) -> None:
    assert Response(code, headers={"Location": "/"}).is_redirect
    assert not Response(code).is_redirect
    assert not Response(300, headers={"Location": "/"}).is_redirect


def test_an_error_is_raised_with_request_and_response() -> None:
    request = Request("GET", "http://user:s3cret@a.example/x")
    response = Response(404, reason="Not Found", content=b"gone", request=request)
    with pytest.raises(HTTPStatusError, match=r"404 Not Found for GET http://.*a\.example/x: b'gone'") as caught:
        response.raise_for_status()
    assert (caught.value.request, caught.value.response) == (request, response)
    assert "s3cret" not in str(caught.value)
    assert Response(204).raise_for_status().status_code == 204
