"""The last stage: a connection, the request on it, the response from it; and when it is sent again."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest

from hyperhttp.config import Limits, Timeout
from hyperhttp.connection.http1 import HTTP1Connection
from hyperhttp.connection.http2 import HTTP2Connection
from hyperhttp.connection.route import Route
from hyperhttp.exceptions import (
    ClientClosed,
    ConnectError,
    DecodingError,
    LocalProtocolError,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
)
from hyperhttp.message.cookies import Cookies
from hyperhttp.message.request import Request
from hyperhttp.message.response import ReadOptions
from hyperhttp.network.failures import AddressFailures
from hyperhttp.pipeline.exchange import exchange, render_head
from hyperhttp.pool.pool import ConnectionPool
from hyperhttp.pool.proxies import Proxy
from tests.memory import MemoryChannel, MemoryNetwork, turns

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Servers:
    """Opens connections over memory, one after the other.

    Attributes:
        channels: all that were opened.
        refuse: raised by the next dial, instead.
    """

    def __init__(self, *, h2: bool = False) -> None:
        self.h2 = h2
        self.network = MemoryNetwork()
        self.channels: list[MemoryChannel] = []
        self.connections: list[Any] = []
        self.refuse: BaseException | None = None
        self.failures = AddressFailures()

    async def dial(self, lane: Any, release: Any, deadline: float, total_at: float) -> Any:
        if self.refuse is not None:
            raise self.refuse
        channel = MemoryChannel("h2" if self.h2 else None)
        self.channels.append(channel)
        kind = HTTP2Connection if self.h2 else HTTP1Connection
        self.connections.append(kind(channel, self.network, lane, release))
        if self.h2:
            channel.feed(bytes.fromhex("000000 04 00 00000000"))
        return self.connections[-1]


class Play:
    """Calls on a pool whose servers are played by the test."""

    def __init__(self, new_call: Any, *, h2: bool = False) -> None:
        self.servers = Servers(h2=h2)
        self.pool = ConnectionPool(self.servers.network, self.servers, Limits())
        self.new_call = new_call
        self.route = Route("https" if h2 else "http", "a.example", 443 if h2 else 80)

    def call(self, method: str = "GET", **options: Any) -> Any:
        call = self.new_call(method, f"{self.route.scheme}://a.example/path", **options)
        call.pool, call.route = self.pool, self.route
        return call

    async def start(self, method: str = "GET", **options: Any) -> asyncio.Task[Any]:
        task = asyncio.ensure_future(exchange(self.call(method, **options)))
        await turns(6)
        return task

    async def warm(self) -> MemoryChannel:
        """A connection that has served one request and is idle."""
        task = await self.start()
        self.servers.channels[-1].feed(OK)
        await task
        self.servers.channels[-1].written.clear()
        return self.servers.channels[-1]


@pytest.fixture
def play(new_call: Any) -> Play:
    return Play(new_call)


@pytest.fixture
def play2(new_call: Any) -> Play:
    return Play(new_call, h2=True)


# -- there and back ------------------------------------------------------------------------------------------------


async def test_a_request_and_its_response(play: Play) -> None:
    task = await play.start("GET", headers={"X-One": "1"})
    channel = play.servers.channels[0]
    assert channel.sent == b"GET /path HTTP/1.1\r\nHost: a.example\r\nX-One: 1\r\n\r\n"
    channel.feed(b"HTTP/1.1 404 Not Here\r\nContent-Length: 2\r\nX-A: b\r\n\r\nok")
    response = await task
    assert (response.status_code, response.reason, response.http_version) == (404, "Not Here", "HTTP/1.1")
    assert (response.headers["x-a"], await response.aread(), str(response.url)) == ("b", b"ok", "http://a.example/path")
    assert 0 <= response.elapsed < 1
    assert play.pool.stats()["a.example:80"] == {"idle": 1, "in_use": 0, "total": 1}


async def test_small_content_travels_with_its_head(play: Play) -> None:
    task = await play.start("POST", content=b"x" * 1000)
    channel = play.servers.channels[0]
    assert len(channel.written) == 1
    assert channel.sent.endswith(b"\r\n\r\n" + b"x" * 1000)
    channel.feed(OK)
    await task


async def test_content_in_memory_may_be_chunked_if_the_caller_says_so(play: Play) -> None:
    headers = {"Transfer-Encoding": "chunked"}
    task = await play.start("POST", content=b"hello", headers=headers)
    channel = play.servers.channels[0]
    assert channel.sent.endswith(b"\r\n\r\n5\r\nhello\r\n0\r\n\r\n")
    channel.feed(OK)
    await task


async def test_the_content_of_a_call_that_does_not_stream_is_there(play: Play) -> None:
    task = await play.start(stream=False)
    play.servers.channels[0].feed(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
    await turns()
    assert not task.done()
    play.servers.channels[0].feed(b"cd")
    assert (await task).content == b"abcd"


async def test_content_that_cannot_be_loaded_gives_the_connection_up(play: Play) -> None:
    call = play.call(stream=False)
    call.read = ReadOptions({}, 3, None)
    task = asyncio.ensure_future(exchange(call))
    await turns(6)
    play.servers.channels[0].feed(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
    with pytest.raises(DecodingError):
        await task
    assert play.servers.channels[0].aborted


async def test_cookies_of_the_response_go_into_the_jar(play: Play) -> None:
    jar = Cookies()
    task = await play.start(jar=jar)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nset-cookie: a=1\r\nSet-Cookie: b=2; Domain=evil.example\r\n\r\n"
    play.servers.channels[0].feed(head)
    await task
    assert dict(jar) == {"a": "1"}


async def test_a_request_that_says_close_is_the_last_on_its_connection(play: Play) -> None:
    task = await play.start(headers={"Connection": "Close"})
    play.servers.channels[0].feed(OK)
    await task
    assert play.servers.channels[0].closed
    assert play.pool.stats() == {}


async def test_an_error_of_the_way_there_carries_the_request(play: Play) -> None:
    play.servers.refuse = ConnectError("refused")
    with pytest.raises(ConnectError) as caught:
        await (await play.start())
    assert caught.value.request is not None
    assert caught.value.request.method == "GET"


async def test_an_error_that_several_calls_share_is_told_to_each_with_its_own_request(play: Play) -> None:
    shared = ConnectError("refused", host="a.example")
    shared.__cause__ = OSError("below")
    play.servers.refuse = shared
    errors = [caught_by.value for caught_by in [await failure(play), await failure(play)]]
    assert errors[0] is shared
    assert errors[1] is not shared
    assert errors[1].request is not shared.request
    assert (str(errors[1]), errors[1].host, errors[1].__cause__) == ("refused", "a.example", shared.__cause__)


async def failure(play: Play) -> pytest.ExceptionInfo[ConnectError]:
    with pytest.raises(ConnectError) as caught:
        await (await play.start())
    return caught


async def test_a_cancelled_call_closes_its_connection_and_leaves_no_trace(play: Play) -> None:
    task = await play.start()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert play.servers.channels[0].aborted
    assert (play.pool.stats(), play.pool._total, play.servers.network.watch.busy) == ({}, 0, set())


async def test_a_response_that_is_not_read_keeps_its_connection_until_it_is_closed(play: Play) -> None:
    task = await play.start()
    play.servers.channels[0].feed(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\nab")
    response = await task
    assert play.pool.stats()["a.example:80"]["in_use"] == 1
    await response.aclose()
    assert play.pool.stats() == {}


# -- sent again ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"])
@pytest.mark.parametrize("end", ["eof", "lost", "reset"])
async def test_a_request_that_meets_a_stale_connection_is_sent_again_once(play: Play, method: str, end: str) -> None:
    stale = await play.warm()
    task = await play.start(method)
    assert stale.sent.startswith(method.encode())
    {"eof": stale.eof, "lost": stale.lose, "reset": lambda: stale.lose(ConnectionResetError())}[end]()
    await turns(6)
    fresh = play.servers.channels[1]
    assert fresh.sent == stale.sent
    fresh.feed(OK if method != "HEAD" else OK[:-2])
    assert (await task).status_code == 200


async def test_it_is_sent_again_only_once(play: Play) -> None:
    stale = await play.warm()
    task = await play.start()
    stale.lose()
    await turns(6)
    play.servers.channels[1].lose()
    with pytest.raises((ReadError, RemoteProtocolError)) as caught:
        await task
    assert len(play.servers.channels) == 2
    assert caught.value.request is not None


@pytest.mark.parametrize("method", ["POST", "PATCH", "CONNECT-IT", "get"])
async def test_what_is_not_idempotent_is_not_sent_again(play: Play, method: str) -> None:
    stale = await play.warm()
    task = await play.start(method)
    stale.lose()
    with pytest.raises((ReadError, RemoteProtocolError)):
        await task
    assert len(play.servers.channels) == 1


async def test_a_new_connection_that_breaks_is_an_error(play: Play) -> None:
    task = await play.start()
    play.servers.channels[0].lose()
    with pytest.raises((ReadError, RemoteProtocolError)):
        await task
    assert len(play.servers.channels) == 1


async def test_after_the_first_byte_of_a_response_nothing_is_sent_again(play: Play) -> None:
    stale = await play.warm()
    task = await play.start()
    stale.feed(b"H")
    stale.lose()
    with pytest.raises((ReadError, RemoteProtocolError)):
        await task
    assert len(play.servers.channels) == 1


async def test_a_timeout_is_not_sent_again(play: Play) -> None:
    await play.warm()
    call = play.call()
    call.timeout = Timeout(None, read=0.01)
    task = asyncio.ensure_future(exchange(call))
    await turns(6)
    import time

    play.servers.network.watch.look(time.monotonic() + 1)
    with pytest.raises(ReadTimeout):
        await task
    assert len(play.servers.channels) == 1


async def test_content_that_cannot_be_had_twice_is_not_sent_again(play: Play) -> None:
    stale = await play.warm()
    task = await play.start("PUT", content=iter([b"once"]))
    await turns(6)
    stale.lose()
    with pytest.raises((ReadError, RemoteProtocolError)):
        await task
    assert len(play.servers.channels) == 1


async def test_content_in_memory_is_sent_again_whole(play: Play) -> None:
    stale = await play.warm()
    task = await play.start("PUT", content=b"x" * 100_000)
    stale.lose()
    await turns(8)
    assert play.servers.channels[1].sent == stale.sent
    play.servers.channels[1].feed(OK)
    assert (await task).status_code == 200


async def test_a_closed_client_is_not_asked_again(play: Play) -> None:
    await play.warm()
    task = await play.start()
    play.pool.shut()
    with pytest.raises(ClientClosed):
        await task


# -- HTTP/2 ------------------------------------------------------------------------------------------------------


def refused(stream: int) -> bytes:
    return bytes.fromhex("000004 03 00") + struct.pack(">II", stream, 7)


def answered(stream: int) -> bytes:
    return bytes.fromhex("000001 01 05") + struct.pack(">I", stream) + b"\x88"


async def test_a_refused_stream_is_sent_again_whatever_its_method(play2: Play) -> None:
    task = await play2.start("POST", content=b"x")
    channel = play2.servers.channels[0]
    channel.feed(refused(1))
    await turns(8)
    channel.feed(answered(3))
    assert (await task).status_code == 200
    assert len(play2.servers.channels) == 1


async def test_a_server_that_refuses_for_ever_is_asked_six_times(play2: Play) -> None:
    task = await play2.start()
    for number in range(20):
        if task.done():
            break
        play2.servers.channels[0].feed(refused(2 * number + 1))
        await turns(8)
    with pytest.raises(RemoteProtocolError, match="REFUSED_STREAM"):
        await task
    assert number == 6
    assert play2.pool.stats()["a.example:443"]["in_use"] == 0


async def test_a_request_above_the_last_stream_of_a_goaway_goes_to_a_new_connection(play2: Play) -> None:
    task = await play2.start("POST", content=b"x")
    play2.servers.channels[0].feed(bytes.fromhex("000008 07 00 00000000 00000000 00000000"))
    await turns(8)
    play2.servers.channels[1].feed(answered(1))
    assert (await task).status_code == 200


async def test_many_calls_share_one_connection(play2: Play) -> None:
    tasks = [await play2.start() for _ in range(10)]
    assert len(play2.servers.channels) == 1
    for number in range(10):
        play2.servers.channels[0].feed(answered(2 * number + 1))
    assert {(await task).http_version for task in tasks} == {"HTTP/2"}


# -- heads ---------------------------------------------------------------------------------------------------------


def head(method: str = "GET", url: str = "http://a.example/x?y", route: Any = None, **options: Any) -> bytes:
    return render_head(Request(method, url, **options), route or Route("http", "a.example", 80))


def test_host_is_first_and_only_added_where_the_caller_gave_none() -> None:
    assert head() == b"GET /x?y HTTP/1.1\r\nHost: a.example\r\n\r\n"
    assert head(headers={"hOST": "b"}) == b"GET /x?y HTTP/1.1\r\nhOST: b\r\n\r\n"
    request = Request("GET", "http://a.example:81/")
    render_head(request, Route("http", "a.example", 81))
    assert "host" not in request.headers, "it may be sent elsewhere next time"


@pytest.mark.parametrize(
    ("tunnel", "line"), [(False, b"GET http://a.example/x?y HTTP/1.1"), (True, b"GET /x?y HTTP/1.1")]
)
def test_a_proxy_gets_the_absolute_form_and_its_credentials_unless_there_is_a_tunnel(tunnel: bool, line: bytes) -> None:
    proxy = Proxy.parse("http://u:p@proxy.example")
    said = head(route=Route("http", "a.example", 80, proxy=proxy, tunnel=tunnel))
    assert said.startswith(line + b"\r\n")
    assert (b"Proxy-Authorization: Basic dTpw\r\n" in said) != tunnel


def test_credentials_of_the_callers_own_go_to_the_proxy_once_and_never_through_a_tunnel() -> None:
    own = {"proxy-AUTHORIZATION": "Basic b3du"}
    for proxy in (Proxy.parse("http://u:p@proxy.example"), Proxy.parse("http://proxy.example")):
        said = head(headers=own, route=Route("http", "a.example", 80, proxy=proxy)).lower()
        assert (said.count(b"proxy-authorization"), b"basic b3du" in said) == (1, True)
        with pytest.raises(LocalProtocolError, match="tunnel") as caught:
            head(headers=own, route=Route("http", "a.example", 80, proxy=proxy, tunnel=True))
        assert "b3du" not in str(caught.value)


def test_an_answer_to_the_proxys_challenge_replaces_the_callers_own_credentials() -> None:
    request = Request("GET", "http://a.example/", headers={"Proxy-Authorization": "Basic b3du"})
    route = Route("http", "a.example", 80, proxy=Proxy.parse("http://u:p@proxy.example"))
    said = render_head(request, route, b"Digest answer")
    assert (said.count(b"Proxy-Authorization"), b"Proxy-Authorization: Digest answer" in said) == (1, True)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"headers": {"Content-Length": "5"}}, "no content"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "given"),
        ({"headers": {"Content-Length": "4"}, "content": b"hello"}, "5 bytes"),
        ({"headers": {"Content-Length": "+5"}, "content": b"hello"}, "invalid Content-Length"),
        ({"headers": {"Content-Length": "٥"}, "content": b"hello"}, "invalid Content-Length"),
        (
            {"headers": [("Content-Length", "5"), ("Content-Length", "5")], "content": b"hello"},
            "invalid Content-Length",
        ),
        ({"headers": [("Content-Length", "5"), ("Transfer-Encoding", "chunked")], "content": b"hello"}, "both given"),
        ({"headers": {"Transfer-Encoding": "gzip, chunked"}, "content": b"x"}, "can only be 'chunked'"),
        ({"headers": {"Transfer-Encoding": "identity"}, "content": b"x"}, "can only be 'chunked'"),
    ],
)
def test_fields_that_would_frame_the_content_otherwise_are_refused(options: Any, word: str) -> None:
    with pytest.raises(LocalProtocolError, match=word):
        head("POST", **options)


@pytest.mark.parametrize("method", ["GE T", "GET\r\nX: y", "", "GÉT", "GET\0"])
def test_a_method_that_is_no_token_is_refused_before_anything_is_sent(method: str) -> None:
    request = Request("GET", "http://a.example/")
    request.method = method
    with pytest.raises(LocalProtocolError):
        render_head(request, Route("http", "a.example", 80))
