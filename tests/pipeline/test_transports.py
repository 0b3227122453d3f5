"""The last stage with transports mounted: what they get, and what is made of their responses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.exceptions import ConnectError, HyperHTTPError, ReadError
from hyperhttp.message.request import Request
from hyperhttp.message.response import Response
from hyperhttp.pipeline.transports import deliver

if TYPE_CHECKING:
    from hyperhttp.message.cookies import Cookies


class Transport:
    """Answers with what it was given, or raises it; time passes meanwhile."""

    def __init__(self, answer: Response | BaseException, call: Any, takes: float = 0.0) -> None:
        self.answer = answer
        self.call = call
        self.takes = takes
        self.requests: list[Request] = []
        self.urls: list[str] = []
        call.find_transport = self._find

    def _find(self, url: Any) -> Transport:
        self.urls.append(str(url))
        return self

    async def send(self, request: Request) -> Response:
        self.requests.append(request)
        self.call.pool.network.time += self.takes
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer


class Stream:
    """Content on its way from a transport."""

    ended = False
    received = 0
    trailers = ()
    is_open = True

    def __init__(self, content: bytes | BaseException) -> None:
        self.content = content
        self.closings = 0

    async def receive(self) -> bytes:
        return await self.receive_all()

    async def receive_all(self, limit: int | None = None) -> bytes:
        if isinstance(self.content, BaseException):
            raise self.content
        content, self.content = self.content, b""
        return content

    def close(self) -> None:
        self.closings += 1
        self.is_open = False

    def drop(self) -> None:
        self.close()


def streamed(content: bytes | BaseException) -> tuple[Response, Stream]:
    response, stream = Response(200), Stream(content)
    response._content = None
    response._stream = stream  # type: ignore[assignment]
    return response, stream


async def test_the_transport_of_the_url_gets_the_request(new_call: Any) -> None:
    call = new_call("PUT", "http://a.example/path?q=1", content=b"data", headers={"X-One": "1"})
    transport = Transport(answer := Response(201), call)
    assert await deliver(call) is answer
    assert transport.requests == [call.request]
    assert transport.urls == ["http://a.example/path?q=1"]


@pytest.mark.parametrize("find", [None, lambda _: None])
async def test_without_one_the_request_goes_over_the_network(new_call: Any, find: Any) -> None:
    call = new_call()
    call.find_transport = find
    call.pool.closed = True
    with pytest.raises(HyperHTTPError):  # it got as far as the pool
        await deliver(call)


async def test_a_response_that_names_no_request_answers_this_one(new_call: Any) -> None:
    call = new_call()
    Transport(Response(200), call)
    response = await deliver(call)
    assert response.request is call.request
    assert str(response.url) == "http://a.example/"


async def test_a_response_that_names_its_request_keeps_it(new_call: Any) -> None:
    call = new_call()
    other = Request("GET", "http://b.example/")
    Transport(Response(200, request=other), call)
    assert (await deliver(call)).request is other


async def test_the_time_it_took_is_measured_unless_the_transport_says_it(new_call: Any) -> None:
    call = new_call()
    Transport(Response(200), call, takes=1.5)
    assert (await deliver(call)).elapsed == 1.5
    answer = Response(200)
    answer.elapsed = 0.25
    Transport(answer, call, takes=1.5)
    assert (await deliver(call)).elapsed == 0.25


async def test_content_is_read_as_the_client_reads_it(new_call: Any) -> None:
    call = new_call()
    call.read.json = lambda data: ["codec", data]
    Transport(Response(200, content=b"{}"), call)
    assert (await deliver(call)).json() == ["codec", b"{}"]


async def test_cookies_come_into_the_jar(new_call: Any, jar: Cookies) -> None:
    call = new_call(url="http://a.example/", jar=jar)
    fields = [("Set-Cookie", "one=1"), ("SET-COOKIE", "two=2; Path=/deep"), ("Cookie", "three=3")]
    Transport(Response(200, headers=fields), call)
    await deliver(call)
    assert jar.header_for("http://a.example/") == "one=1"
    assert jar.header_for("http://a.example/deep") == "two=2; one=1"


async def test_without_a_jar_cookies_are_left_in_the_response(new_call: Any) -> None:
    call = new_call(jar=None)
    Transport(Response(200, headers={"Set-Cookie": "one=1"}), call)
    assert (await deliver(call)).headers["set-cookie"] == "one=1"


@pytest.mark.parametrize("stream", [True, False])
async def test_content_that_is_still_on_its_way_is_read_unless_it_is_to_be_streamed(
    new_call: Any, stream: bool
) -> None:
    call = new_call(stream=stream)
    answer, source = streamed(b"content")
    Transport(answer, call)
    response = await deliver(call)
    assert source.content == (b"content" if stream else b"")
    assert await response.aread() == b"content"


async def test_where_reading_fails_the_rest_is_given_up(new_call: Any) -> None:
    call = new_call(stream=False)
    answer, source = streamed(ReadError("it broke"))
    Transport(answer, call)
    with pytest.raises(ReadError) as caught:
        await deliver(call)
    assert source.closings == 1
    assert caught.value.request is call.request


async def test_an_error_of_ours_is_told_which_request_it_is_about(new_call: Any) -> None:
    call = new_call()
    Transport(ConnectError("no"), call)
    with pytest.raises(ConnectError) as caught:
        await deliver(call)
    assert caught.value.request is call.request


async def test_an_error_that_knows_its_request_keeps_it(new_call: Any) -> None:
    call = new_call()
    other = Request("GET", "http://b.example/")
    Transport(ConnectError("no", request=other), call)
    with pytest.raises(ConnectError) as caught:
        await deliver(call)
    assert caught.value.request is other


@pytest.mark.parametrize("error", [KeyError("of the transport"), KeyboardInterrupt()])
async def test_any_other_error_comes_out_as_it_is(new_call: Any, error: BaseException) -> None:
    call = new_call()
    Transport(error, call)
    with pytest.raises(type(error)) as caught:
        await deliver(call)
    assert caught.value is error
