"""One exchange at a time over HTTP/1.1: what is told to whom, in which order, and what is left behind."""

from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

from hyperhttp.client.drive import drive
from hyperhttp.config import Timeout
from hyperhttp.connection.base import GONE, IN_USE
from hyperhttp.connection.http1 import HTTP1Connection
from hyperhttp.connection.stream import HIGH_WATER, ContentStream
from hyperhttp.exceptions import (
    ClientClosed,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
    TotalTimeout,
    WriteError,
    WriteTimeout,
)
from hyperhttp.message.content import encode_content
from hyperhttp.network.base import NEVER
from hyperhttp.network.blocking import BlockingChannel, BlockingNetwork
from tests.memory import MemoryChannel, MemoryNetwork, Releases, memory_lane, turns

HEAD = b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"
SMALL = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PATIENT = Timeout(None)


class Talk:
    """A connection, its pool's side, and the peer."""

    def __init__(self) -> None:
        self.channel = MemoryChannel()
        self.network = MemoryNetwork()
        self.released = Releases()
        self.connection = HTTP1Connection(self.channel, self.network, memory_lane(), self.released)
        self.connection.place = IN_USE

    @property
    def busy(self) -> bool:
        return self.connection in self.network.watch.busy

    def send(self, method: str = "GET", timeout: Timeout = PATIENT, total_at: float = NEVER) -> Any:
        self.connection.owner = self
        return self.connection.send(method, HEAD, timeout, total_at, time.monotonic())

    def upload(self, timeout: Timeout = PATIENT, total_at: float = NEVER, **content: Any) -> asyncio.Task[Any]:
        self.connection.owner = self
        work = self.connection.send_content("POST", HEAD, encode_content(**content), timeout, total_at)
        return asyncio.ensure_future(work)

    def later(self, seconds: float) -> None:
        """Let the watch look so many seconds from now."""
        self.network.watch.look(time.monotonic() + seconds)


@pytest.fixture
async def talk() -> Talk:
    return Talk()


# -- a response in one piece ---------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [[SMALL], [SMALL[:-1], SMALL[-1:]]])
async def test_who_gets_the_connection_next_is_not_woken_by_what_ended_on_it(talk: Talk, pieces: list[bytes]) -> None:
    """Another thread has it as soon as it is given back: its waits must not be taken for those of the one before."""
    later: list[Any] = []

    def give_to_another(connection: Any) -> None:
        later.append(talk.send())
        connection._writable = talk.channel.new_wait()
        later.append(connection._writable)

    wait = talk.send()
    talk.connection._release = give_to_another
    talk.channel.feed(pieces[0])
    if len(pieces) > 1:
        _, stream, _ = await wait
        wait = stream._source.wait_for_content()
        talk.channel.feed(pieces[1])
    assert wait.done()
    assert [each.done() for each in later] == [False, False]


async def test_a_whole_response_wakes_the_caller_and_gives_the_connection_back_first(talk: Talk) -> None:
    wait = talk.send()
    seen: list[Any] = []
    talk.connection._release = lambda connection: seen.append((connection.owner, wait.done()))
    talk.channel.feed(SMALL)
    head, content, at = await wait
    assert (head.status_code, content, talk.channel.sent) == (200, b"ok", HEAD)
    assert at == talk.connection.read_at
    assert seen == [(None, False)], "free again before its caller goes on"
    assert not talk.busy


async def test_one_connection_serves_one_after_the_other(talk: Talk) -> None:
    for number in range(1, 4):
        wait = talk.send()
        assert (talk.connection.uses, talk.connection.has_room()) == (number, False)
        talk.channel.feed(SMALL)
        assert (await wait)[1] == b"ok"
        assert (len(talk.released), talk.connection.has_room()) == (number, True)


@pytest.mark.parametrize(
    ("response", "reusable"),
    [
        (SMALL, True),
        (SMALL.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"), False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (SMALL + b"HTTP/1.1 200 OK\r\n\r\n", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nX", False),
    ],
)
async def test_what_the_pool_is_told_about_using_it_again(talk: Talk, response: bytes, reusable: bool) -> None:
    wait = talk.send()
    talk.channel.feed(response)
    await wait
    assert talk.released.reusable == [reusable]


async def test_interim_responses_are_signs_of_life_and_no_answer(talk: Talk) -> None:
    wait = talk.send()
    talk.channel.feed(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    assert not wait.done()
    talk.channel.feed(b"HTTP/1.1 100 Continue\r\n\r\n" + SMALL)
    assert (await wait)[0].status_code == 200


# -- content that comes later ---------------------------------------------------------------------------------


async def stream_of(talk: Talk, response: bytes, **options: Any) -> ContentStream:
    wait = talk.send(**options)
    talk.channel.feed(response)
    stream = (await wait)[1]
    assert isinstance(stream, ContentStream)
    return stream


async def test_content_that_comes_later_is_a_stream_and_its_end_gives_the_connection_back(talk: Talk) -> None:
    stream = await stream_of(talk, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab")
    assert (stream.length, stream.received, len(talk.released), talk.busy) == (6, 2, 0, True)
    reading = asyncio.ensure_future(stream.receive_all())
    await turns()
    talk.channel.feed(b"cd", b"ef")
    assert (len(talk.released), talk.busy, stream.ended) == (1, False, True), "before the reader runs"
    assert await reading == b"abcdef"
    assert talk.released.reusable == [True]


async def test_trailers_come_with_the_end(talk: Talk) -> None:
    stream = await stream_of(talk, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n")
    talk.channel.feed(b"0\r\nX-Sum: 7\r\n\r\n")
    assert await stream.receive_all() == b"ok"
    assert [tuple(field[:2]) for field in stream.trailers] == [(b"X-Sum", b"7")]


async def test_content_until_close_ends_with_the_connection(talk: Talk) -> None:
    stream = await stream_of(talk, b"HTTP/1.1 200 OK\r\n\r\nall there")
    talk.channel.feed(b" is")
    talk.channel.eof()
    assert await stream.receive_all() == b"all there is"
    assert not any(talk.released.reusable)


@pytest.mark.parametrize("framing", [b"Content-Length: 10", b"Transfer-Encoding: chunked"])
async def test_a_truncated_response_is_an_error_after_what_came(talk: Talk, framing: bytes) -> None:
    stream = await stream_of(talk, b"HTTP/1.1 200 OK\r\n" + framing + b"\r\n\r\n2\r\nok\r\n")
    talk.channel.eof()
    assert await stream.receive(), "what came is delivered"
    with pytest.raises(RemoteProtocolError, match="closed the connection") as caught:
        await stream.receive()
    assert caught.value.host == "example.com"
    assert not any(talk.released.reusable)


async def test_bytes_behind_the_content_retire_the_connection(talk: Talk) -> None:
    stream = await stream_of(talk, b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nab")
    talk.channel.feed(b"cdefHTTP/1.1 200 OK\r\n\r\n")
    assert await stream.receive_all() == b"abcdef"
    assert talk.released.reusable == [False]


# -- a slow reader --------------------------------------------------------------------------------------------


async def test_a_slow_reader_stops_the_peer_and_goes_on_later(talk: Talk) -> None:
    stream = await stream_of(talk, b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n")
    piece = b"x" * 100_000
    talk.channel.feed(*[piece] * 9)
    assert not talk.channel.reading
    assert HIGH_WATER < stream.received < HIGH_WATER + 2 * len(piece), "the rest waits in the socket"
    total = 0
    while data := await stream.receive():
        total += len(data)
        await turns()
    assert (total, talk.channel.reading) == (900_000, True)


async def test_a_connection_goes_back_to_the_pool_reading(talk: Talk) -> None:
    """The piece that fills the buffer may be the last; the next exchange must not find reading stopped."""
    stream = await stream_of(talk, b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n")
    talk.channel.feed(b"x" * 200_000, b"x" * 100_000)
    assert talk.released.reusable == [True]
    assert talk.channel.reading
    assert len(await stream.receive_all()) == 300_000
    wait = talk.send()
    talk.channel.feed(SMALL)
    assert (await wait)[1] == b"ok"


async def test_reading_everything_after_a_pause_goes_on(talk: Talk) -> None:
    stream = await stream_of(talk, b"HTTP/1.1 200 OK\r\nContent-Length: 600000\r\n\r\n")
    talk.channel.feed(*[b"x" * 100_000] * 6)
    assert not talk.channel.reading
    assert len(await asyncio.wait_for(stream.receive_all(), 1)) == 600_000


async def test_giving_up_a_paused_stream_closes_the_connection(talk: Talk) -> None:
    stream = await stream_of(talk, b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n")
    talk.channel.feed(*[b"x" * 300_000] * 3)
    stream.close()
    assert (talk.channel.aborted, talk.busy, len(talk.released)) == (True, False, 1)


# -- large content, straight into place ------------------------------------------------------------------------


async def test_large_content_goes_into_its_buffer(talk: Talk) -> None:
    talk.channel.can_fill = True
    stream = await stream_of(talk, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc")
    reading = asyncio.ensure_future(stream.receive_all())
    await turns()
    talk.channel.fill(b"d" * 50_000)
    assert (len(talk.released), talk.busy) == (0, True)
    talk.channel.fill(b"e" * 49_997)
    assert await reading == b"abc" + b"d" * 50_000 + b"e" * 49_997
    assert (talk.released.reusable, stream.received) == ([True], 100_000)


async def test_bytes_behind_a_filled_buffer_retire_the_connection(talk: Talk) -> None:
    talk.channel.can_fill = True
    stream = await stream_of(talk, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    reading = asyncio.ensure_future(stream.receive_all())
    await turns()
    talk.channel.fill(b"x" * 100_000, more=True)
    assert len(await reading) == 100_000
    assert talk.released.reusable == [False]


async def test_a_connection_that_breaks_while_a_buffer_is_filled_is_an_error(talk: Talk) -> None:
    talk.channel.can_fill = True
    stream = await stream_of(talk, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    reading = asyncio.ensure_future(stream.receive_all())
    await turns()
    talk.channel.fill(b"x" * 60_000)
    talk.channel.eof()
    with pytest.raises(RemoteProtocolError, match="40000 bytes before the end"):
        await reading


# -- sending content ------------------------------------------------------------------------------------------


async def test_content_in_memory_is_written_in_pieces_while_the_peer_takes_them(talk: Talk) -> None:
    talk.channel.write_paused = True
    uploading = talk.upload(content=b"x" * 600_000)
    await turns()
    assert len(talk.channel.sent) == len(HEAD) + 262_144
    talk.channel.resume_writing()
    await turns()
    assert len(talk.channel.sent) == len(HEAD) + 600_000
    talk.channel.feed(SMALL)
    assert (await uploading)[0].status_code == 200
    assert talk.released.reusable == [True]


async def test_streamed_content_is_chunked(talk: Talk) -> None:
    uploading = talk.upload(content=iter([b"ab", b"", b"cde"]))
    await turns(10)
    assert talk.channel.sent.removeprefix(HEAD).startswith(b"2\r\nab\r\n")
    talk.channel.feed(SMALL)
    await uploading


@pytest.mark.parametrize(("length", "word"), [(4, "fewer"), (2, "more")])
async def test_content_of_another_length_than_it_said_is_an_error(talk: Talk, length: int, word: str) -> None:
    content = encode_content(content=iter([b"abc"]))
    content.length = length
    talk.connection.owner = talk
    with pytest.raises(WriteError, match=f"{word} bytes than its length"):
        await talk.connection.send_content("POST", HEAD, content, PATIENT, NEVER)


@pytest.mark.parametrize("content", [b"x" * 600_000, [b"x" * 300_000] * 3], ids=["memory", "stream"])
async def test_an_early_answer_ends_the_upload_and_the_connection(talk: Talk, content: Any) -> None:
    talk.channel.write_paused = True
    uploading = talk.upload(content=content if isinstance(content, bytes) else iter(content))
    await turns(10)
    talk.channel.feed(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
    head, content, _ = await uploading
    assert (head.status_code, content) == (413, b"")
    assert talk.released.reusable == [False]
    assert len(talk.channel.sent) < 400_000


async def test_an_early_answer_with_content_can_be_read(talk: Talk) -> None:
    talk.channel.write_paused = True
    uploading = talk.upload(content=b"x" * 600_000)
    await turns()
    talk.channel.feed(b"HTTP/1.1 413 Too Large\r\nContent-Length: 4\r\n\r\nto")
    stream = (await uploading)[1]
    talk.channel.feed(b"o!")
    assert await stream.receive_all() == b"too!"
    assert talk.released.reusable == [False]


async def test_a_source_that_fails_is_closed_and_its_error_comes_out(talk: Talk) -> None:
    def source() -> Any:
        yield b"a"
        raise RuntimeError("disk")

    with pytest.raises(RuntimeError, match="disk"):
        await talk.upload(content=source())


# -- deadlines ------------------------------------------------------------------------------------------------


async def test_read_bounds_the_wait_for_the_head(talk: Talk) -> None:
    wait = talk.send(timeout=Timeout(None, read=5.0))
    assert talk.network.watch.when <= time.monotonic() + 5
    talk.later(4.9)
    assert not wait.done()
    talk.later(5.1)
    with pytest.raises(ReadTimeout, match=r"example\.com:80 sent nothing for 5 s .* response head") as caught:
        await wait
    assert (caught.value.phase, caught.value.limit) == ("response head", 5.0)
    assert (talk.channel.aborted, talk.busy, len(talk.released)) == (True, False, 1)


async def test_read_bounds_the_wait_for_content(talk: Talk) -> None:
    options = {"timeout": Timeout(None, read=5.0)}
    stream = await stream_of(talk, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", **options)
    talk.later(60)
    assert stream.error is None, "nobody waits: it is the reader who is slow"
    reading = asyncio.ensure_future(stream.receive())
    await turns()
    talk.later(5.1)
    with pytest.raises(ReadTimeout, match="response content"):
        await reading


async def test_total_bounds_the_whole_call_even_if_nobody_reads(talk: Talk) -> None:
    options = {"total_at": time.monotonic() + 10}
    stream = await stream_of(talk, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", **options)
    talk.later(10.1)
    with pytest.raises(TotalTimeout, match=r"example\.com:80 reached its total timeout"):
        await stream.receive()
    assert talk.channel.aborted


async def test_write_bounds_the_wait_for_room(talk: Talk) -> None:
    talk.channel.write_paused = True
    uploading = talk.upload(Timeout(None, write=3.0, read=1.0), content=b"x" * 600_000)
    await turns()
    talk.later(2.9)
    assert not uploading.done()
    talk.later(3.1)
    with pytest.raises(WriteTimeout, match="took no bytes for 3 s"):
        await uploading
    assert talk.channel.aborted


async def test_the_wait_for_the_head_begins_when_the_content_is_sent(talk: Talk) -> None:
    talk.channel.write_paused = True
    uploading = talk.upload(Timeout(None, read=1.0), content=b"x" * 100_000)
    await turns()
    talk.later(50)
    assert not uploading.done()
    talk.channel.resume_writing()
    await turns()
    talk.later(1.1)
    with pytest.raises(ReadTimeout):
        await uploading


async def test_an_idle_connection_has_no_deadline(talk: Talk) -> None:
    wait = talk.send(timeout=Timeout(1.0), total_at=time.monotonic() + 1)
    talk.channel.feed(SMALL)
    await wait
    talk.later(1e6)
    assert not talk.channel.closed


# -- the end in every state ------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["idle", "head", "content", "upload"])
@pytest.mark.parametrize("end", ["eof", "lost", "broken", "abort"])
async def test_whoever_waits_hears_of_the_end_once(talk: Talk, state: str, end: str) -> None:
    wait: Any = None
    if state in ("head", "content"):
        wait = talk.send()
    if state == "content":
        talk.channel.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n")
        wait = asyncio.ensure_future((await wait)[1].receive())
    if state == "upload":
        talk.channel.write_paused = True
        wait = talk.upload(content=b"x" * 600_000)
    await turns()
    error = ConnectionResetError(104, "reset by peer")
    ends: dict[str, Any] = {
        "eof": talk.channel.eof,
        "lost": talk.channel.lose,
        "broken": lambda: talk.channel.lose(error),
        "abort": lambda: talk.connection.abort(ClientClosed()),
    }
    ends[end]()
    if wait is not None:
        with pytest.raises((ReadError, RemoteProtocolError, ClientClosed)) as caught:
            await asyncio.wait_for(wait, 1)
        assert str(caught.value)
        assert end != "broken" or caught.value.__cause__ is error
    talk.connection.place = GONE
    assert (talk.channel.closed, talk.busy, talk.connection.reusable) == (True, False, False)
    assert talk.released.reusable
    assert not any(talk.released.reusable)


async def test_bytes_on_an_idle_connection_retire_it(talk: Talk) -> None:
    wait = talk.send()
    talk.channel.feed(SMALL)
    await wait
    talk.channel.feed(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    assert talk.channel.closed
    assert talk.released.reusable == [True, False]


async def test_broken_bytes_end_it_with_the_host_in_the_error(talk: Talk) -> None:
    wait = talk.send()
    talk.channel.feed(b"SSH-2.0-OpenSSH_9.6\r\n")
    with pytest.raises(RemoteProtocolError, match=r"not an HTTP/1\.1 response") as caught:
        await wait
    assert caught.value.host == "example.com"
    assert talk.channel.closed


async def test_a_response_that_came_with_the_connection_is_no_answer_to_the_first_request() -> None:
    """A server that speaks first (TLS delivers it with its handshake) is at fault, not the caller."""
    channel, released = MemoryChannel(), Releases()
    channel._kept = [b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"]
    connection = HTTP1Connection(channel, MemoryNetwork(), memory_lane(), released)
    assert not connection.reusable
    with pytest.raises((ReadError, RemoteProtocolError)):
        await connection.send("GET", HEAD, PATIENT, NEVER, time.monotonic())


# -- content that waits --------------------------------------------------------------------------------------


def hold(talk: Talk, timeout: Timeout = PATIENT, total_at: float = NEVER, **content: Any) -> asyncio.Task[Any]:
    talk.connection.owner = talk
    work = talk.connection.send_content("POST", HEAD, encode_content(**content), timeout, total_at, expect=True)
    return asyncio.ensure_future(work)


async def test_content_waits_for_100_and_for_nothing_else(talk: Talk) -> None:
    task = hold(talk, content=b"content")
    await turns()
    talk.channel.feed(b"HTTP/1.1 103 Early Hints\r\n\r\n")
    talk.later(0.5)
    await turns()
    assert talk.channel.sent == HEAD
    talk.channel.feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    await turns()
    assert talk.channel.sent == HEAD + b"content"
    talk.channel.feed(SMALL)
    assert (await task)[1] == b"ok"
    assert talk.connection.reusable


async def test_patience_with_a_silent_server_ends(talk: Talk) -> None:
    task = hold(talk, content=b"content")
    await turns()
    assert 0 < (talk.connection.remaining() or 0) <= 1
    talk.later(1.1)
    await turns()
    assert talk.channel.sent == HEAD + b"content"
    talk.channel.feed(b"HTTP/1.1 100 Continue\r\n\r\n" + SMALL)  # it comes late, and is a sign of life
    assert (await task)[1] == b"ok"
    assert talk.connection.reusable


async def test_a_final_response_takes_the_place_of_the_content(talk: Talk) -> None:
    task = hold(talk, content=b"content")
    await turns()
    talk.channel.feed(SMALL)
    assert (await task)[1] == b"ok"
    assert talk.channel.sent == HEAD
    assert not talk.connection.reusable


async def test_the_limit_of_the_call_counts_while_content_waits(talk: Talk) -> None:
    task = hold(talk, total_at=time.monotonic() + 0.5, content=b"content")
    await turns()
    talk.later(0.6)
    with pytest.raises(TotalTimeout):
        await task
    assert not talk.busy


@pytest.mark.parametrize("chunked", [False, True])
def test_a_connection_whose_answer_a_thread_hears_while_it_writes_serves_nobody_else(chunked: bool) -> None:
    """Or another thread would write its request into the middle of this one."""
    ours, peer = socket.socketpair()
    network, released = BlockingNetwork(), Releases()
    ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    connection = HTTP1Connection(BlockingChannel(network, ours, "peer"), network, memory_lane(), released)
    released.connections.clear()
    limits = Timeout(5, write=0.2)
    with peer:
        peer.sendall(SMALL)  # an answer to a request of which nothing has been read
        if chunked:
            content = encode_content(content=bytes(2_000_000))
            assert content is not None
            content.length = None
            drive(connection.send_content("POST", HEAD, content, limits, NEVER))
        else:
            connection.send("POST", HEAD + bytes(2_000_000), limits, NEVER, time.monotonic())
    assert released.reusable == [False]
    connection.abort()
