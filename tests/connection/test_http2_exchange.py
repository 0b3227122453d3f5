"""One exchange among many: what it sends, what it hears, how long it waits, and how it ends."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from hyperhttp.config import Timeout
from hyperhttp.connection.overdue import UnansweredError
from hyperhttp.connection.stream import ContentStream
from hyperhttp.exceptions import (
    HyperHTTPError,
    LocalProtocolError,
    ReadTimeout,
    RemoteProtocolError,
    TotalTimeout,
    WriteError,
    WriteTimeout,
)
from hyperhttp.protocol.http2 import ErrorCode
from tests.memory import turns

DATA, HEADERS, RST_STREAM, INITIAL_WINDOW_SIZE, PING = 0, 1, 3, 4, 6
END_STREAM = 1


def content_of(frames: list[Any], stream: int = 1) -> bytes:
    return b"".join(frame[3] for frame in frames if frame[0] == DATA and frame[2] == stream)


def later(h2: Any, seconds: float) -> None:
    """Let the watch look so many seconds from now, with the connection itself at ease."""
    h2.connection.read_at = time.monotonic() + seconds
    h2.network.watch.look(time.monotonic() + seconds)


async def test_a_request_says_what_it_wants(h2: Any) -> None:
    task = await h2.ask("GET", headers={"X-One": "1", "Connection": "keep-alive", "Host": "other.example"})
    (frame,) = h2.heard()
    fields = dict(h2.decoder.decode(frame[3]))
    assert fields == {
        ":method": "GET",
        ":scheme": "https",
        ":authority": "other.example",
        ":path": "/path?q=1",
        "x-one": "1",
    }
    assert frame[1] & END_STREAM
    task.cancel()


async def test_a_response_without_content_is_there_with_its_head(h2: Any) -> None:
    task = await h2.ask("HEAD")
    h2.head(1, 204, ("x-a", "b"), end=True)
    head, content, at = await task
    assert (head.status_code, head.http_version, content) == (204, "HTTP/2", b"")
    assert at <= time.monotonic()


async def test_small_content_comes_in_one_piece_with_its_head(h2: Any) -> None:
    task = await h2.ask()
    h2.head(1)
    h2.data(1, b"small", end=True)
    assert (await task)[1] == b"small"


async def test_interim_responses_are_no_answer(h2: Any) -> None:
    task = await h2.ask()
    h2.head(1, 103, ("link", "</a>"))
    await turns()
    assert not task.done()
    h2.head(1, 200, end=True)
    assert (await task)[0].status_code == 200


@pytest.mark.parametrize("pieces", [0, 1, 2])
async def test_trailers_end_the_content(h2: Any, pieces: int) -> None:
    task = await h2.ask()
    h2.head(1)
    for _ in range(pieces):
        h2.data(1, b"ab")
    h2.trailers(1, ("x-sum", "7"))
    stream = (await task)[1]
    assert isinstance(stream, ContentStream)
    assert await stream.receive_all() == b"ab" * pieces
    assert [tuple(field[:2]) for field in stream.trailers] == [(b"x-sum", b"7")]
    assert h2.released.ended == 1


# -- sending ---------------------------------------------------------------------------------------------------


async def test_content_in_memory_follows_its_head_and_ends_the_request(h2: Any) -> None:
    task = await h2.ask("POST", content=b"x" * 40_000)
    frames = h2.heard()
    assert content_of(frames) == b"x" * 40_000
    assert [bool(frame[1] & END_STREAM) for frame in frames] == [False, False, False, True]
    h2.head(1, end=True)
    await task


async def test_empty_content_ends_the_request(h2: Any) -> None:
    task = await h2.ask("POST", content=b"")
    assert h2.heard()[-1][1] & END_STREAM
    h2.head(1, end=True)
    await task


async def test_content_waits_for_the_windows_of_the_peer(converse: Any) -> None:
    h2 = converse({INITIAL_WINDOW_SIZE: 10})
    task = await h2.ask("POST", content=b"0123456789abcdef")
    assert content_of(h2.heard()) == b"0123456789"
    h2.window(1, 4)
    await turns()
    assert content_of(h2.heard()) == b"abcd"
    h2.window(1, 40)
    await turns()
    frames = h2.heard()
    assert (content_of(frames), frames[-1][1]) == (b"ef", END_STREAM)
    h2.head(1, end=True)
    await task


async def test_a_window_below_zero_is_no_fault(converse: Any) -> None:
    h2 = converse({INITIAL_WINDOW_SIZE: 10})
    task = await h2.ask("POST", content=b"0123456789abcdef")
    h2.settings({INITIAL_WINDOW_SIZE: 0})  # ten bytes are out: the window is at minus ten
    h2.window(1, 12)
    await turns()
    assert content_of(h2.heard()) == b"0123456789ab"
    h2.window(1, 100)
    await turns()
    h2.head(1, end=True)
    assert (await task)[0].status_code == 200


async def test_streamed_content_ends_with_its_source(h2: Any) -> None:
    task = await h2.ask("POST", content=iter([b"ab", b"cd"]))
    await turns(10)
    frames = h2.heard()
    assert content_of(frames) == b"abcd"
    assert [frame[1] & END_STREAM for frame in frames][-1]
    h2.head(1, end=True)
    await task


@pytest.mark.parametrize(("length", "word"), [(4, "fewer"), (2, "more")])
async def test_content_of_another_length_than_it_said_resets_the_stream(h2: Any, length: int, word: str) -> None:
    task = await h2.ask("POST", content=iter([b"abc"]), headers={"Content-Length": str(length)})
    task.cancel()
    await turns()
    from hyperhttp.message.request import Request

    request = Request("POST", "https://example.com/", content=iter([b"abc"]))
    assert request.content is not None
    request.content.length = length
    with pytest.raises(WriteError, match=f"{word} bytes than its length"):
        await h2.exchange().run(request)
    await turns()
    assert (3, ErrorCode.CANCEL) in h2.resets()
    assert h2.connection.reusable


@pytest.mark.parametrize("content", [b"x" * 200_000, [b"x" * 50_000] * 4], ids=["memory", "stream"])
async def test_an_early_answer_ends_the_upload_and_frees_the_stream(h2: Any, content: Any) -> None:
    task = await h2.ask("POST", content=content if isinstance(content, bytes) else iter(content))
    await turns(10)
    h2.heard()
    h2.head(1, 413)
    h2.data(1, b"too much", end=True)
    head, answer, _ = await task
    assert head.status_code == 413
    assert (answer if isinstance(answer, bytes) else await answer.receive_all()) == b"too much"
    await turns()
    assert h2.resets() == [(1, ErrorCode.NO_ERROR)]
    assert (h2.connection.engine.open_streams, h2.released.ended) == (0, 1)


async def test_an_answer_may_begin_before_content_in_memory_is_sent(converse: Any) -> None:
    """A server that answers while it reads, to a client that does not read while it sends, stops both."""
    h2 = converse({INITIAL_WINDOW_SIZE: 5})
    task = await h2.ask("POST", content=b"0123456789")
    h2.head(1)
    await turns(4)
    assert task.done(), "the answer can be read while the rest is sent"
    stream = (await task)[1]
    h2.window(1, 100)
    await turns(4)
    assert content_of(h2.heard()) == b"0123456789"
    h2.data(1, b"echo", end=True)
    assert await stream.receive_all() == b"echo"


@pytest.mark.parametrize("complete", [True, False])
async def test_an_answer_ends_the_wait_for_a_stuck_transport(h2: Any, complete: bool) -> None:
    h2.channel.write_paused = True
    task = await h2.ask("POST", content=b"x")
    h2.head(1, 413, end=complete)
    await turns()
    assert task.done(), "no deadline looks after an exchange that is over"
    assert (await task)[0].status_code == 413
    assert h2.connection.writable == []


async def test_a_source_that_fails_resets_the_stream(h2: Any) -> None:
    def source() -> Any:
        yield b"a"
        raise RuntimeError("disk")

    task = await h2.ask("POST", content=source())
    with pytest.raises(RuntimeError, match="disk"):
        await task
    await turns()
    assert h2.resets() == [(1, ErrorCode.CANCEL)]
    assert (h2.released.ended, h2.connection.reusable) == (1, True)


async def test_what_may_not_be_sent_is_refused_and_costs_no_place(h2: Any) -> None:
    from hyperhttp.message.request import Request

    request = Request("GET", "https://example.com/")
    request.headers._fields.append((b"bad name", b"x"))
    with pytest.raises(LocalProtocolError):
        await h2.exchange().run(request)
    assert (h2.released.ended, h2.connection.reusable, h2.heard()) == (1, True, [])


# -- giving up -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["head", "upload", "source"])
async def test_a_cancelled_exchange_resets_its_stream_and_frees_its_place(h2: Any, when: str) -> None:
    forever: Any = asyncio.Event()

    async def source() -> Any:
        yield b"a"
        await forever.wait()

    options: Any = {"head": {}, "upload": {"content": b"x" * 200_000}, "source": {"content": source()}}
    task = await h2.ask("POST", **options[when])
    await turns(4)
    h2.heard()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await turns()
    assert h2.resets() == [(1, ErrorCode.CANCEL)]
    assert (h2.released.ended, h2.connection.exchanges, h2.connection.engine.open_streams) == (1, set(), 0)
    assert h2.connection.reusable
    assert h2.network.watch.busy <= {h2.connection}


async def test_content_that_is_not_wanted_resets_its_stream(h2: Any) -> None:
    task = await h2.ask()
    h2.head(1)
    stream = (await task)[1]
    stream.close()
    stream.close()
    await turns()
    assert h2.resets() == [(1, ErrorCode.CANCEL)]
    assert h2.released.ended == 1
    h2.data(1, b"still on its way")
    assert h2.connection.reusable


async def test_a_stream_reset_in_the_middle_of_its_content_is_an_error_after_what_came(h2: Any) -> None:
    task = await h2.ask()
    h2.head(1)
    stream = (await task)[1]
    h2.data(1, b"half")
    h2.reset(1, ErrorCode.INTERNAL_ERROR)
    assert await stream.receive() == b"half"
    with pytest.raises(RemoteProtocolError):
        await stream.receive()
    assert h2.released.ended == 1


async def test_content_of_another_length_than_announced_is_an_error(h2: Any) -> None:
    task = await h2.ask()
    h2.head(1, 200, ("content-length", "10"))
    stream = (await task)[1]
    h2.data(1, b"short", end=True)
    with pytest.raises(RemoteProtocolError, match="Content-Length"):
        await stream.receive_all()


# -- straight into a buffer ------------------------------------------------------------------------------------


async def begin_large(h2: Any, *early: bytes, size: int = 100_000, **options: Any) -> asyncio.Task[bytes]:
    """Somebody reads all of a response whose head has come, with its length."""
    task = await h2.ask(**options)
    h2.head(1, 200, ("content-length", str(size)))
    for piece in early:
        h2.data(1, piece)
    stream = (await task)[1]
    reading = asyncio.ensure_future(stream.receive_all())
    await turns()
    return reading


@pytest.mark.parametrize("early", [(), (b"abc",), (b"abc", b"de")])
async def test_content_of_known_length_is_copied_once(h2: Any, early: tuple[bytes, ...]) -> None:
    reading = await begin_large(h2, *early)
    assert h2.connection.engine._streams[1].buffer is not None
    begun = b"".join(early)
    h2.data(1, b"x" * 50_000)
    h2.data(1, b"y" * (50_000 - len(begun)), end=True)
    assert await reading == begun + b"x" * 50_000 + b"y" * (50_000 - len(begun))
    assert h2.released.ended == 1


async def test_trailers_end_content_in_a_buffer_too(h2: Any) -> None:
    task = await h2.ask()
    h2.head(1, 200, ("content-length", "100000"))
    stream = (await task)[1]
    reading = asyncio.ensure_future(stream.receive_all())
    await turns()
    h2.data(1, b"x" * 100_000)
    h2.trailers(1, ("x-checksum", "1"))
    assert await reading == b"x" * 100_000
    assert [field[:2] for field in stream.trailers] == [(b"x-checksum", b"1")]


async def test_content_larger_than_the_window_gets_no_buffer_and_all_of_it_comes(h2: Any) -> None:
    """What a length claims is not believed beyond what the window lets come anyway."""
    window = h2.connection.engine.config.stream_window
    reading = await begin_large(h2, size=window + 1)
    assert h2.connection.engine._streams[1].buffer is None
    h2.data(1, b"x" * window)
    h2.data(1, b"x", end=True)
    assert await reading == b"x" * (window + 1)


@pytest.mark.parametrize("end", ["reset", "short", "long", "broken"])
async def test_content_that_breaks_off_in_its_buffer_is_an_error(h2: Any, end: str) -> None:
    reading = await begin_large(h2)
    h2.data(1, b"x" * 50_000)
    ends: dict[str, Any] = {
        "reset": lambda: h2.reset(1, ErrorCode.INTERNAL_ERROR),
        "short": lambda: h2.data(1, b"x", end=True),
        "long": lambda: h2.data(1, b"x" * 60_000),
        "broken": h2.channel.lose,
    }
    ends[end]()
    with pytest.raises(HyperHTTPError):
        await asyncio.wait_for(reading, 1)
    assert h2.released.ended == 1


async def test_a_reader_that_gives_up_leaves_no_buffer_behind(h2: Any) -> None:
    reading = await begin_large(h2)
    h2.data(1, b"x" * 50_000)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    h2.data(1, b"x" * 10_000)  # was on its way
    assert h2.connection.reusable
    await turns()
    assert h2.resets() == [(1, ErrorCode.CANCEL)]


async def test_bytes_in_a_buffer_are_signs_of_life(h2: Any) -> None:
    reading = await begin_large(h2, timeout=Timeout(None, read=5.0))
    exchange = next(iter(h2.connection.exchanges))
    exchange._since -= 4.0
    h2.data(1, b"x" * 50_000)
    later(h2, 3.0)
    assert not reading.done()
    later(h2, 5.1)
    with pytest.raises(ReadTimeout, match="response content"):
        await reading


# -- deadlines -------------------------------------------------------------------------------------------------


async def test_read_bounds_the_wait_for_the_head(h2: Any) -> None:
    task = await h2.ask(timeout=Timeout(None, read=5.0))
    later(h2, 4.9)
    assert not task.done()
    later(h2, 5.1)
    with pytest.raises(ReadTimeout, match="sent nothing for 5 s while waiting for the response head") as caught:
        await task
    assert (caught.value.phase, caught.value.limit) == ("response head", 5.0)
    await turns()
    assert h2.resets() == [(1, ErrorCode.CANCEL)]
    assert h2.released.ended == 1


@pytest.mark.parametrize("alive", [True, False])
async def test_half_way_to_its_limit_a_silent_peer_is_asked_for_a_sign_of_life(h2: Any, alive: bool) -> None:
    """A connection whose peer is gone must not have the next request wait in vain too."""
    task = await h2.ask(timeout=Timeout(None, read=5.0))
    started = h2.connection.read_at
    h2.heard()
    h2.network.watch.look(started + 2.4)
    assert PING not in [frame[0] for frame in h2.heard()]
    h2.network.watch.look(started + 2.6)
    assert [frame[0] for frame in h2.heard()] == [PING]
    h2.network.watch.look(started + 4.9)
    assert h2.heard() == [], "once is enough"
    if alive:
        h2.frame(PING, 1, 0, b"liveness")
    h2.network.watch.look(started + 5.1)
    with pytest.raises(ReadTimeout):
        await task
    assert h2.connection.reusable is alive


async def test_a_peer_that_speaks_is_not_asked(h2: Any) -> None:
    task = await h2.ask(timeout=Timeout(None, read=5.0))
    h2.heard()
    h2.connection.read_at += 2.0
    h2.network.watch.look(h2.connection.read_at + 0.6)
    assert h2.heard() == []
    task.cancel()


async def test_read_bounds_each_wait_for_content(h2: Any) -> None:
    task = await h2.ask(timeout=Timeout(None, read=0.2))
    h2.head(1)
    stream = (await task)[1]
    reading = asyncio.ensure_future(stream.receive_all())
    await turns()
    for _ in range(4):
        await asyncio.sleep(0.06)
        h2.data(1, b"x")
        h2.network.watch.look(time.monotonic())
        assert not reading.done(), "bytes come all the time"
    later(h2, 0.25)
    with pytest.raises(ReadTimeout, match="response content"):
        await reading


async def test_a_reader_that_does_not_read_is_no_read_timeout(h2: Any) -> None:
    task = await h2.ask(timeout=Timeout(None, read=0.2))
    h2.head(1)
    stream = (await task)[1]
    later(h2, 60)
    h2.data(1, b"here", end=True)
    assert await stream.receive_all() == b"here"


async def test_total_bounds_the_call_even_if_nobody_reads(h2: Any) -> None:
    task = await h2.ask(total_at=time.monotonic() + 10)
    h2.head(1)
    stream = (await task)[1]
    later(h2, 10.1)
    with pytest.raises(TotalTimeout, match="reached its total timeout"):
        await stream.receive()


async def test_write_bounds_the_wait_for_a_window(converse: Any) -> None:
    h2 = converse({INITIAL_WINDOW_SIZE: 0})
    task = await h2.ask("POST", Timeout(None, write=3.0, read=1.0), content=b"x")
    later(h2, 2.9)
    assert not task.done()
    later(h2, 3.1)
    with pytest.raises(WriteTimeout, match="took no bytes for 3 s"):
        await task
    await turns()
    assert (h2.released.ended, h2.connection.reusable) == (1, True)


@pytest.mark.parametrize(
    ("limits", "kind"), [({"write": 3.0}, WriteTimeout), ({"total": True}, TotalTimeout), ({}, HyperHTTPError)]
)
async def test_a_stuck_transport_ends_in_a_timeout(h2: Any, limits: dict[str, Any], kind: Any) -> None:
    h2.channel.write_paused = True
    total_at = time.monotonic() + 3 if limits.pop("total", False) else float("inf")
    task = await h2.ask("POST", Timeout(None, **limits), total_at, content=b"x")
    if kind is HyperHTTPError:
        h2.reset(1, ErrorCode.INTERNAL_ERROR)
    else:
        later(h2, 3.1)
    with pytest.raises(kind):
        await asyncio.wait_for(task, 2)
    assert h2.connection.writable == []
    assert h2.released.ended == 1


async def test_a_slow_source_is_no_read_timeout(h2: Any) -> None:
    more: Any = asyncio.Event()

    async def source() -> Any:
        yield b"a"
        await more.wait()
        yield b"b"

    task = await h2.ask("POST", Timeout(None, read=1.0), content=source())
    await turns(4)
    later(h2, 30)
    assert not task.done(), "the peer cannot answer what was not sent"
    more.set()
    await turns(10)
    later(h2, 31.5)
    await turns()
    assert task.done(), "now it is the peer who is slow"
    with pytest.raises(ReadTimeout):
        await task


async def test_an_exchange_without_any_response_byte_may_be_sent_again_if_the_connection_dies(h2: Any) -> None:
    task = await h2.ask()
    h2.channel.lose()
    with pytest.raises(UnansweredError) as caught:
        await task
    assert not caught.value.surely_unprocessed


async def test_a_request_that_never_left_was_surely_not_processed(h2: Any) -> None:
    exchange = h2.exchange()
    from hyperhttp.message.request import Request

    task = asyncio.ensure_future(exchange.run(Request("GET", "https://example.com/")))
    await asyncio.sleep(0)  # it is open, and what is said in this turn is not written yet
    h2.channel.lose()
    with pytest.raises(UnansweredError) as caught:
        await task
    assert caught.value.surely_unprocessed


async def test_content_waits_for_100_and_for_nothing_else(h2: Any) -> None:
    task = await h2.ask("POST", content=b"content", headers={"Expect": "100-continue"})
    h2.heard()
    h2.head(1, 103)
    h2.window(1, 100)
    later(h2, 0.5)
    await turns(4)
    assert h2.heard() == []
    h2.head(1, 100)
    await turns(4)
    assert [frame[3] for frame in h2.heard()] == [b"content"]
    h2.head(1, end=True)
    assert (await task)[0].status_code == 200


async def test_patience_with_a_silent_server_ends(h2: Any) -> None:
    task = await h2.ask("POST", content=b"content", headers={"Expect": "100-continue"})
    assert 0 < task.exchange.remaining() <= 1
    h2.heard()
    later(h2, 1.1)
    await turns(4)
    assert [frame[3] for frame in h2.heard()] == [b"content"]
    h2.head(1, end=True)
    await task


async def test_a_final_response_takes_the_place_of_the_content(h2: Any) -> None:
    task = await h2.ask("POST", content=b"content", headers={"Expect": "100-continue"})
    h2.heard()
    h2.head(1, 413)
    head, stream, _ = await task
    assert head.status_code == 413
    h2.data(1, b"too big", end=True)
    assert await stream.receive_all() == b"too big"
    assert h2.resets() == [(1, 0)]


async def test_the_limit_of_the_call_counts_while_content_waits(h2: Any) -> None:
    task = await h2.ask("POST", total_at=time.monotonic() + 0.5, content=b"x", headers={"Expect": "100-continue"})
    later(h2, 0.6)
    with pytest.raises(TotalTimeout):
        await task


# -- what another thread may do in between: played by `open`, which returns when it has happened --------------------


def meanwhile(h2: Any, happens: Any) -> None:
    """Let something happen between the opening of a stream, or the failure to open one, and what its exchange does next."""
    opening = h2.connection.open

    def open_and(*arguments: Any, **options: Any) -> Any:
        try:
            return opening(*arguments, **options)
        finally:
            happens()

    h2.connection.open = open_and


async def test_an_exchange_that_is_over_at_once_is_watched_by_nobody(h2: Any) -> None:
    meanwhile(h2, lambda: h2.head(1, 204, end=True))
    task = await h2.ask()
    assert (await task)[0].status_code == 204
    assert h2.network.watch.busy == {h2.connection}


async def test_room_that_comes_a_moment_too_late_is_no_fault_of_the_request(converse: Any) -> None:
    h2 = converse({3: 1})
    first = await h2.ask()
    meanwhile(h2, lambda: h2.head(1, 204, end=True))
    second = await h2.ask()
    with pytest.raises(UnansweredError) as caught:
        await second
    assert caught.value.surely_unprocessed
    await first


async def test_a_100_that_comes_before_anybody_waits_for_it_is_heard(h2: Any) -> None:
    meanwhile(h2, lambda: h2.head(1, 100))
    task = await h2.ask("POST", content=b"content", headers={"Expect": "100-continue"})
    assert content_of(h2.heard()) == b"content"
    task.cancel()


async def test_content_that_stalls_is_noticed_while_the_rest_of_the_request_waits(converse: Any) -> None:
    h2 = converse({INITIAL_WINDOW_SIZE: 0})
    task = await h2.ask("POST", content=bytes(100_000), timeout=Timeout(None, read=5.0))
    h2.head(1, 200)
    _, content, _ = await task
    reading = asyncio.ensure_future(content.receive())
    await turns()
    later(h2, 3.0)
    assert not reading.done()
    later(h2, 6.0)
    with pytest.raises(ReadTimeout, match="response content"):
        await reading


async def test_a_connection_that_ends_before_a_wait_for_room_begins_is_not_waited_for(h2: Any) -> None:
    task = await h2.ask("POST", content=bytes(10))
    h2.channel.write_paused = True
    exchange, waits = task.exchange, []
    exchange.stream.send_closed = False

    def new_wait(_: Any) -> Any:
        waits.append(asyncio.get_running_loop().create_future())
        if len(waits) == 2:
            h2.connection.abort()
        return waits[-1]

    h2.connection.new_wait = new_wait
    await asyncio.wait_for(exchange._send(b"more"), 5)
    assert len(waits) == 2
    with pytest.raises(UnansweredError):
        await task
