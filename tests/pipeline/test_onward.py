"""What a transport before the network can do with a request."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.exceptions import InvalidURL, ReadError
from hyperhttp.message.request import Request
from hyperhttp.message.response import Response
from hyperhttp.pipeline.onward import Onward
from hyperhttp.pipeline.transports import deliver


class Gate:
    """Stands before what answers; does what it is given."""

    def __init__(self, call: Any, act: Any) -> None:
        self.act = act
        call.find_transport = lambda url: self

    async def send_onward(self, request: Request, onward: Onward) -> Response:
        response: Response = await self.act(request, onward)
        return response


class Answering:
    def __init__(self, response: Response) -> None:
        self.response = response
        self.requests: list[Request] = []

    async def send(self, request: Request) -> Response:
        self.requests.append(request)
        return self.response


async def test_a_request_goes_on_to_the_stage_that_delivers(new_call: Any, stage: Any) -> None:
    call = new_call(url="http://a.example/")
    call.stream, call.head = False, b"rendered"
    last = stage(Response(200))
    assert (await Onward(call, last).send(call.request)).status_code == 200
    assert last.requests == [call.request]


async def test_the_call_that_is_served_stays_as_it_was(new_call: Any) -> None:
    call = new_call(url="http://a.example/")
    call.stream, call.head, find = False, b"rendered", call.find_transport
    seen: list[Any] = []

    async def send(inner: Any) -> Response:
        seen.append(inner)
        return Response(200)

    other = Request("GET", "http://b.example/")
    await Onward(call, send).send(other)
    assert (call.stream, call.head, call.find_transport) == (False, b"rendered", find)
    inner = seen[0]
    assert (inner.request, inner.stream, inner.head, inner.route.host) == (other, True, None, "b.example")
    assert (inner.timeout, inner.total_at, inner.jar, inner.pool) == (call.timeout, call.total_at, call.jar, call.pool)


async def test_another_transport_may_answer_instead_of_the_network(new_call: Any) -> None:
    call = new_call(url="http://a.example/")
    behind = Answering(Response(201))
    Gate(call, lambda request, onward: onward.send(request, behind))
    assert (await deliver(call)).status_code == 201
    assert behind.requests == [call.request]


async def test_the_network_serves_no_other_schemes(new_call: Any, stage: Any) -> None:
    call = new_call()
    with pytest.raises(InvalidURL, match="ftp://"):
        await Onward(call, stage(Response())).send(Request("GET", "ftp://a.example/"))


async def test_a_response_made_here_is_read_as_one_from_the_network(new_call: Any) -> None:
    call = new_call(url="http://a.example/")
    fields = [(b"X-One", b"1"), (b"Content-Encoding", b"none-such")]

    async def act(request: Request, onward: Onward) -> Response:
        return onward.response(203, fields, b"abc", reason="Made", http_version="HTTP/2")

    Gate(call, act)
    response = await deliver(call)
    assert (response.status_code, response.reason, response.http_version) == (203, "Made", "HTTP/2")
    assert response.headers.raw == fields
    assert response.request is call.request
    assert [piece async for piece in response.aiter_raw()] == [b"abc"]


async def test_a_response_made_here_is_decoded_by_its_fields(new_call: Any) -> None:
    import zlib

    from hyperhttp.message.coding import DEFLATE

    call = new_call()
    call.read.codings = {"deflate": DEFLATE}
    response = Onward(call, deliver).response(200, [(b"Content-Encoding", b"deflate")], zlib.compress(b"abc"))
    assert await response.aread() == b"abc"


async def test_content_of_a_response_is_kept(new_call: Any) -> None:
    call = new_call()
    kept: list[bytes] = []

    async def done(content: bytes) -> None:
        kept.append(content)

    onward = Onward(call, deliver)
    response = onward.response(200, [], b"abc")
    await onward.keep(response, 3, done)
    assert kept == [b"abc"]


async def test_what_blocks_runs_where_the_network_says(new_call: Any) -> None:
    assert await Onward(new_call(), deliver).call(divmod, 7, 2) == (3, 1)


async def test_cookies_of_what_is_made_here_are_old_and_stay_out_of_the_jar(new_call: Any, jar: Any) -> None:
    call = new_call(jar=jar)

    async def act(request: Request, onward: Onward) -> Response:
        return onward.response(200, [(b"Set-Cookie", b"a=1")])

    Gate(call, act)
    await deliver(call)
    assert not jar


async def test_attempts_of_the_request_it_sends_are_those_of_the_call_that_is_served(new_call: Any) -> None:
    call = new_call(url="http://a.example/")
    call.attempts = ("before",)

    async def send(inner: Any) -> Response:
        inner.attempts += ("replay",)
        if len(inner.attempts) > 2:
            raise ReadError("broke")
        return Response(200)

    await Onward(call, send).send(call.request)
    assert call.attempts == ("before", "replay")
    with pytest.raises(ReadError):
        await Onward(call, send).send(call.request)
    assert call.attempts == ("before", "replay", "replay")
