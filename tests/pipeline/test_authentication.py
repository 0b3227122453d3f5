"""Authentication flows: requests out, responses in, and nothing to whom it was not given."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp import Auth, BasicAuth
from hyperhttp.connection.stream import ContentStream
from hyperhttp.message.request import Request
from hyperhttp.message.response import Response
from hyperhttp.pipeline.authentication import authenticate
from tests.memory import Source


class Flow(Auth):
    """A scheme made of a function."""

    def __init__(self, flow: Any, *, body: bool = False, response: bool = False) -> None:
        self.auth_flow = flow  # type: ignore[method-assign]
        self.requires_request_body = body
        self.requires_response_body = response


def streaming(status: int, length: int | None = None) -> tuple[Any, Any]:
    """A response whose content is still on its way, and its source."""
    source = Source()
    response = Response(status, headers={} if length is None else {"Content-Length": str(length)})
    response._content = None
    response._stream = ContentStream(source, length)
    return response, source


async def test_a_scheme_signs_the_request(new_call: Any, stage: Any) -> None:
    call, send = new_call(auth=BasicAuth("u", "p")), stage(Response(200))
    call.head = b"rendered"
    assert (await authenticate(call, send)).status_code == 200
    assert send.fields("Authorization") == ["Basic dTpw"]
    assert call.head is None


async def test_a_challenge_is_answered_with_the_same_request(new_call: Any, stage: Any) -> None:
    def flow(request: Request) -> Any:
        response = yield request
        assert response.status_code == 401
        request.headers["Authorization"] = "answer"
        response = yield request
        assert response.status_code == 200

    call = new_call(auth=Flow(flow))
    last = Response(200)
    send = stage(Response(401), last)
    assert await authenticate(call, send) is last
    assert send.fields("Authorization") == [None, "answer"]
    assert send.requests[0] is send.requests[1]


async def test_another_origin_gets_no_credentials_not_even_on_the_way_back(new_call: Any, stage: Any) -> None:
    call, send = new_call(auth=BasicAuth("u", "p")), stage(Response(200))
    call.request.url = "http://b.example/"
    await authenticate(call, send)
    call.request = Request("GET", "http://a.example/again")
    await authenticate(call, send)
    assert send.fields("Authorization") == [None, None]


@pytest.mark.parametrize("url", ["https://a.example/", "http://a.example:8080/", "http://sub.a.example/"])
async def test_scheme_port_and_subdomain_make_another_origin(new_call: Any, stage: Any, url: str) -> None:
    call, send = new_call(auth=BasicAuth("u", "p")), stage(Response(200))
    call.request.url = url
    await authenticate(call, send)
    assert send.fields("Authorization") == [None]


async def test_a_flow_may_ask_another_origin(new_call: Any, stage: Any) -> None:
    """A token is fetched where tokens are given, not from the server of the request."""

    def flow(request: Request) -> Any:
        token = yield Request("POST", "http://tokens.example/", data={"secret": "x"})
        request.headers["Authorization"] = f"Bearer {token.text}"
        yield request

    call = new_call(auth=Flow(flow, response=True))
    send = stage(Response(200, content=b"t0k"), Response(200))
    await authenticate(call, send)
    assert [seen[:2] for seen in send.seen] == [("POST", "http://tokens.example/"), ("GET", "http://a.example/")]
    assert [route.host for route in send.routes] == ["tokens.example", "a.example"]
    assert send.fields("Authorization") == [None, "Bearer t0k"]


async def test_content_is_loaded_for_a_scheme_that_signs_it(new_call: Any, stage: Any) -> None:
    def flow(request: Request) -> Any:
        assert request.content is not None
        request.headers["X-Sum"] = str(len(request.content.data or b""))
        yield request

    call = new_call("POST", content=iter([b"ab", b"cde"]), auth=Flow(flow, body=True))
    send = stage(Response(200))
    await authenticate(call, send)
    assert send.fields("X-Sum") == ["5"]
    assert send.fields("Content-Length") == ["5"]
    assert send.fields("Transfer-Encoding") == [None]


async def test_a_small_challenge_is_read_so_that_its_connection_lives(new_call: Any, stage: Any) -> None:
    challenge, source = streaming(401, 4)
    challenge._stream.feed(b"text")
    challenge._stream.finish()

    def flow(request: Request) -> Any:
        yield request
        yield request

    await authenticate(new_call(auth=Flow(flow)), stage(challenge, Response(200)))
    assert challenge.content == b"text"
    assert source.calls == []


@pytest.mark.parametrize("length", [None, 100_000])
async def test_a_large_challenge_is_given_up(new_call: Any, stage: Any, length: int | None) -> None:
    challenge, source = streaming(401, length)

    def flow(request: Request) -> Any:
        yield request
        yield request

    await authenticate(new_call(auth=Flow(flow)), stage(challenge, Response(200)))
    assert source.calls == ["abandon"]


async def test_a_flow_that_raises_gives_the_response_up_and_is_closed(new_call: Any, stage: Any) -> None:
    challenge, source = streaming(401, 4)
    ended: list[bool] = []

    def flow(request: Request) -> Any:
        try:
            yield request
            raise PermissionError("no credentials")
        finally:
            ended.append(True)

    with pytest.raises(PermissionError):
        await authenticate(new_call(auth=Flow(flow)), stage(challenge))
    assert (source.calls, ended) == (["abandon"], [True])


async def test_a_failed_exchange_closes_the_flow(new_call: Any, stage: Any) -> None:
    ended: list[bool] = []

    def flow(request: Request) -> Any:
        try:
            yield request
        finally:
            ended.append(True)

    with pytest.raises(ConnectionError):
        await authenticate(new_call(auth=Flow(flow)), stage(ConnectionError()))
    assert ended == [True]


async def test_the_last_response_is_left_unread_for_the_caller(new_call: Any, stage: Any) -> None:
    last, source = streaming(200, 4)
    assert await authenticate(new_call(auth=BasicAuth("u", "p")), stage(last)) is last
    assert last._content is None
    assert source.calls == []


async def test_a_scheme_that_only_has_the_shape_is_enough(new_call: Any, stage: Any) -> None:
    class Shaped:
        def auth_flow(self, request: Request) -> Any:
            request.headers["Authorization"] = "shaped"
            yield request

    send = stage(Response(200))
    await authenticate(new_call(auth=Shaped()), send)
    assert send.fields("Authorization") == ["shaped"]


async def test_a_flow_that_yields_nothing_or_cannot_be_driven_is_a_clear_error(new_call: Any, stage: Any) -> None:
    async def asynchronous(request: Request) -> Any:
        yield request

    def nothing(request: Request) -> Any:
        yield from ()

    for flow in (asynchronous, nothing):
        with pytest.raises((TypeError, RuntimeError), match=r"auth_flow|flow"):
            await authenticate(new_call(auth=Flow(flow)), stage(Response(200)))
