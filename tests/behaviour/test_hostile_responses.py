"""What a broken or hostile server sends: a typed error within the limits, and a connection nobody uses again."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.protocol.events import ResponseHead
from hyperhttp.protocol.http1 import head as head_module
from hyperhttp.testing.scripted import Send, Stall

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"

#: Responses that two readers could read differently, or not at all (RFC 9112 sections 2.2, 5 and 6).
REFUSED = {
    "length and chunked": b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
    "list of different lengths": b"Content-Length: 3, 4\r\n\r\nabcd",
    "length with a plus": b"Content-Length: +3\r\n\r\nabc",
    "length with a minus": b"Content-Length: -3\r\n\r\nabc",
    "length in hexadecimal": b"Content-Length: 0x3\r\n\r\nabc",
    "length with an underscore": b"Content-Length: 1_0\r\n\r\n0123456789",
    "length in Arabic digits": b"Content-Length: \xd9\xa3\r\n\r\nabc",
    "endless digits": b"Content-Length: " + b"9" * 5000 + b"\r\n\r\nabc",
    "unknown transfer coding": b"Transfer-Encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "chunked not last": b"Transfer-Encoding: chunked, gzip\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "chunk size with a plus": b"Transfer-Encoding: chunked\r\n\r\n+3\r\nabc\r\n0\r\n\r\n",
    "chunk size with 0x": b"Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
    "chunk line ends in LF": b"Transfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n",
    "chunk data without CRLF": b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcXX0\r\n\r\n",
    "negative chunk": b"Transfer-Encoding: chunked\r\n\r\n-1\r\nabc\r\n0\r\n\r\n",
    "endless chunk size": b"Transfer-Encoding: chunked\r\n\r\n" + b"0" * 100_000,
    "endless chunk extension": b"Transfer-Encoding: chunked\r\n\r\n3;" + b"x" * 1_000_000,
    "endless trailers": b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"x: y\r\n" * 100_000,
    "blank before the colon": b"X-A : b\r\nContent-Length: 2\r\n\r\nok",
    "line without colon": b"nonsense\r\nContent-Length: 2\r\n\r\nok",
    "empty name": b": b\r\nContent-Length: 2\r\n\r\nok",
    "NUL in a value": b"X-A: b\0c\r\nContent-Length: 2\r\n\r\nok",
    "CR in a value": b"X-A: b\rc\r\nContent-Length: 2\r\n\r\nok",
    "lines end in LF": b"X-A: b\nContent-Length: 2\n\nok\r\n\r\n",
    "endless head": b"X-A: " + b"a" * 300_000,
    "endless fields": b"a:b\r\n" * 60_000,
}

#: Whole answers that do not even begin well.
GARBAGE = {
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "HTTP/0.9": b"<html>hello</html>",
    "HTTP/2 frames": b"\x00\x00\x12\x04\x00\x00\x00\x00\x00" + b"\0" * 18,
    "version 3": b"HTTP/3.0 200 OK\r\n\r\n",
    "two digits": b"HTTP/1.1 20 OK\r\nContent-Length: 0\r\n\r\n",
    "four digits": b"HTTP/1.1 2000 OK\r\nContent-Length: 0\r\n\r\n",
    "status zero": b"HTTP/1.1 000 OK\r\nContent-Length: 0\r\n\r\n",
    "no blank": b"HTTP/1.1200 OK\r\nContent-Length: 0\r\n\r\n",
    "blank line first, then text": b"\r\n\r\nhello\r\n\r\n",
}


@pytest.mark.parametrize("head", REFUSED.values(), ids=REFUSED.keys())
async def test_an_ambiguous_response_is_refused_and_its_connection_closed(
    face: Any, scripted: ScriptedServerFactory, head: bytes
) -> None:
    server = scripted([[b"HTTP/1.1 200 OK\r\n" + head, Stall(2)], OK])
    async with face.client(timeout=5) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError) as caught:
            await client.read(await client.get(server.url))
        assert str(caught.value)
        assert client.raw.get_pool_stats() == {}
        assert await client.read(await client.get(server.url)) == b"ok"
    assert len(server.connections) == 2


@pytest.mark.parametrize("answer", GARBAGE.values(), ids=GARBAGE.keys())
async def test_what_is_not_http_is_a_protocol_error(face: Any, scripted: ScriptedServerFactory, answer: bytes) -> None:
    server = scripted([answer])
    async with face.client(timeout=5) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.get(server.url)
        assert client.raw.get_pool_stats() == {}


@pytest.mark.parametrize("size", [10, 70_000, 400_000])
@pytest.mark.parametrize("framing", ["length", "chunked", "none"])
async def test_bytes_after_a_response_never_become_the_next_one(
    face: Any, scripted: ScriptedServerFactory, size: int, framing: str
) -> None:
    heads = {
        "length": b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (size, b"a" * size),
        "chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (size, b"a" * size),
        "none": b"HTTP/1.1 204 No Content\r\n\r\n",
    }
    server = scripted([heads[framing] + POISON, OK, OK])
    async with face.client() as client:
        first = await client.read(await client.get(server.url))
        second = await client.read(await client.get(server.url))
    assert first == (b"" if framing == "none" else b"a" * size)
    assert second == b"ok"
    assert len(server.connections) == 2


async def test_content_of_a_response_to_head_never_becomes_the_next_response(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted([POISON, OK])
    async with face.client() as client:
        await client.head(server.url)
        assert await client.read(await client.get(server.url)) == b"ok"


class Poisoner:
    """A handler: answers, and on the first connection says something more as soon as the answer is there."""

    def __init__(self, poison: bytes) -> None:
        self._poison = poison
        self.is_answered, self.is_said = threading.Event(), threading.Event()

    def __call__(self, connection: Any, index: int) -> None:
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what was said has arrived
        while connection.read_request():
            connection.sendall(OK)
            if not index:
                self.is_answered.wait(10)
                connection.sendall(self._poison)
                self.is_said.set()


@pytest.mark.parametrize("poison", [POISON, b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n", b"\r\n"])
async def test_bytes_on_an_idle_connection_retire_it(face: Any, scripted: ScriptedServerFactory, poison: bytes) -> None:
    handler = Poisoner(poison)
    server = scripted(handler)
    async with face.client() as client:
        assert await client.read(await client.get(server.url)) == b"ok"
        handler.is_answered.set()
        await asyncio.to_thread(handler.is_said.wait, 10)
        assert await client.read(await client.get(server.url)) == b"ok"
    assert len(server.connections) == 2


async def test_bytes_that_came_while_the_program_was_busy_retire_an_idle_connection(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    handler = Poisoner(POISON)
    server = scripted(handler)
    async with face.client() as client:
        assert await client.read(await client.get(server.url)) == b"ok"
        handler.is_answered.set()
        handler.is_said.wait(10)  # the loop does not turn
        assert await client.read(await client.get(server.url)) == b"ok"


async def test_endless_interim_responses_are_cut_off(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([[b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 10_000, Stall(2)]])
    async with face.client(timeout=5) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="interim"):
            await client.get(server.url)


@pytest.mark.parametrize("count", [1, 3, 50])
async def test_interim_responses_come_before_the_real_one(face: Any, origin: Origin, count: int) -> None:
    async with face.client() as client:
        response = await client.get(f"{origin.url}/early-hints?count={count}")
        assert response.status_code == 200
        assert (await client.json(response))["early-hints"] == count


async def test_interim_responses_of_past_exchanges_are_not_kept(face: Any, origin: Origin) -> None:
    head_module._heads.clear()  # what repeats is kept on purpose, within its own limit
    async with face.client() as client:
        for _ in range(20):
            await client.read(await client.get(f"{origin.url}/early-hints?count=20"))
        gc.collect()
        kept = sum(type(thing) is ResponseHead for thing in gc.get_objects())
    assert kept < 60


async def test_a_folded_field_is_unfolded_and_leaves_the_content_alone(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted([b"HTTP/1.1 200 OK\r\nX-A: b\r\n  c\r\nContent-Length: 2\r\n\r\nok"])
    async with face.client() as client:
        response = await client.get(server.url)
        assert response.headers["x-a"].split() == ["b", "c"]  # RFC 9112 section 5.2
        assert "\n" not in response.headers["x-a"]
        assert await client.read(response) == b"ok"


async def test_switching_protocols_that_nobody_asked_for_is_refused(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", OK])
    async with face.client(timeout=5) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="101"):
            await client.get(server.url)
        assert client.raw.get_pool_stats() == {}


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" + b"a" * 70_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" + b"a" * 10,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhalf",
    ],
)
@pytest.mark.parametrize("how", ["read", "iterate"])
async def test_a_truncated_body_is_an_error_and_never_a_short_success(
    face: Any, scripted: ScriptedServerFactory, answer: bytes, how: str
) -> None:
    server = scripted([answer])
    async with face.client(timeout=5) as client:
        with pytest.raises(hyperhttp.TransportError) as caught:  # noqa: PT012
            response = await client.get(server.url, stream=True)
            if how == "read":
                await client.read(response)
            else:
                async for _ in client.iter_bytes(response):
                    pass
        assert isinstance(caught.value, (hyperhttp.RemoteProtocolError, hyperhttp.ReadError))
        assert client.raw.get_pool_stats() == {}


@pytest.mark.parametrize("fault", ["truncate", "reset-body", "garbage-body"])
async def test_a_body_that_breaks_off_is_a_transport_error(face: Any, origin: Origin, fault: str) -> None:
    async with face.client(timeout=5) as client:
        with pytest.raises(hyperhttp.TransportError):
            await client.read(await client.get(f"{origin.url}/bytes/200000?fault={fault}"))
        assert client.raw.get_pool_stats() == {}


async def test_content_until_close_is_read_to_the_end(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([[b"HTTP/1.1 200 OK\r\n\r\n", Send(b"all of it", piece=3, pause=0.01)]], repeat=False)
    async with face.client() as client:
        assert await client.read(await client.get(server.url)) == b"all of it"
        assert client.raw.get_pool_stats() == {}


async def test_an_http_1_0_response_ends_its_connection(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([[b"HTTP/1.0 200 OK\r\n\r\nold"], OK])
    async with face.client(timeout=5) as client:
        # The server of this script does not close after its first answer: the second request ends the wait.
        response = await client.get(server.url, stream=True)
        assert response.http_version == "HTTP/1.0"
        await client.aclose(response)
        assert await client.read(await client.get(server.url)) == b"ok"
    assert len(server.connections) == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Length: 1000\r\nETag: x\r\n\r\n",
        b"HTTP/1.1 304 Not Modified\r\nContent-Encoding: gzip\r\nContent-Length: 1000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Encoding: gzip\r\n\r\n",
    ],
)
async def test_a_response_without_content_keeps_its_connection(
    face: Any, scripted: ScriptedServerFactory, answer: bytes
) -> None:
    server = scripted([answer, OK])
    async with face.client(timeout=5) as client:
        assert await client.read(await client.get(server.url)) == b""
        assert await client.read(await client.get(server.url)) == b"ok"
    assert len(server.connections) == 1


@pytest.mark.parametrize(
    "fields",
    [b"Content-Length: 1000", b"Transfer-Encoding: chunked", b"Content-Length: 9\r\nContent-Encoding: gzip", b"X: y"],
)
async def test_a_response_to_head_has_no_content_whatever_it_says(
    face: Any, scripted: ScriptedServerFactory, fields: bytes
) -> None:
    server = scripted([b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\n", OK])
    async with face.client(timeout=5) as client:
        assert await client.read(await client.head(server.url)) == b""
        assert await client.read(await client.get(server.url)) == b"ok"
    assert len(server.connections) == 1


async def test_a_huge_announced_length_allocates_nothing_in_advance(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 900000000000000000\r\n\r\nab"])
    async with face.client(timeout=5, max_response_size=None) as client:
        with pytest.raises((hyperhttp.TransportError, hyperhttp.DecodingError)):
            await client.read(await client.get(server.url))


async def test_an_error_message_shows_no_more_of_a_hostile_response_than_a_glimpse(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted([b"HTTP/1.1 200 OK\r\n" + b"secret\x1b[31m" * 1000 + b"\r\n\r\n"])
    async with face.client(timeout=5) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError) as caught:
            await client.get(server.url)
    assert len(str(caught.value)) < 400
    assert "\x1b" not in str(caught.value)


async def test_an_endless_body_stops_at_max_response_size(face: Any, scripted: ScriptedServerFactory) -> None:
    def endless(connection: Any, _: int) -> None:
        connection.read_request()
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not connection.is_closed:
            connection.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")

    server = scripted(endless)
    async with face.client(timeout=5, max_response_size=200_000) as client:
        with pytest.raises(hyperhttp.DecodingError, match="max_response_size"):
            await client.read(await client.get(server.url))
        assert client.raw.get_pool_stats() == {}


async def test_a_redirect_with_an_endless_body_is_followed_without_reading_it(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def endless(connection: Any, index: int) -> None:
        connection.read_request()
        if index:
            connection.sendall(OK)
            return
        connection.sendall(b"HTTP/1.1 302 Found\r\nLocation: /next\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not connection.is_closed:
            connection.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")

    server = scripted(endless)
    async with face.client(timeout=10, follow_redirects=True, max_response_size=50_000_000) as client:
        started = time.monotonic()
        assert await client.read(await client.get(server.url)) == b"ok"
    assert time.monotonic() - started < 8
