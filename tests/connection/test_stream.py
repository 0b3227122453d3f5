"""Content on its way: fed by a connection, taken by a reader, bounded in between."""

from __future__ import annotations

import asyncio
import random
import resource
from pathlib import Path

import pytest

from hyperhttp.connection.stream import HIGH_WATER, ContentStream
from hyperhttp.exceptions import DecodingError, ReadError
from tests.memory import Source, turns

STATM = Path("/proc/self/statm")


def feed(stream: ContentStream, source: Source, data: bytes) -> None:
    if stream.feed(data):
        source.wake()


async def test_what_is_there_comes_at_once_and_in_one_piece() -> None:
    source = Source()
    stream = ContentStream(source)
    stream.feed(b"ab")
    stream.feed(b"cd")
    assert await stream.receive() == b"abcd"
    assert (source.taken, stream.received, stream.is_open) == (4, 4, True)


async def test_a_reader_waits_for_the_next_bytes() -> None:
    source = Source()
    stream = ContentStream(source)
    reading = asyncio.ensure_future(stream.receive())
    await turns()
    assert not reading.done()
    feed(stream, source, b"x")
    assert await reading == b"x"


async def test_the_end_is_empty_and_stays_empty() -> None:
    stream = ContentStream(Source())
    stream.feed(b"x")
    stream.finish([(b"a", b"b")])
    assert [await stream.receive() for _ in range(3)] == [b"x", b"", b""]
    assert (stream.ended, stream.is_open, stream.trailers) == (True, False, [(b"a", b"b")])


async def test_an_error_comes_after_the_bytes_before_it_and_stays() -> None:
    stream = ContentStream(Source())
    stream.feed(b"half")
    stream.fail(ReadError("broke"))
    assert await stream.receive() == b"half"
    for _ in range(2):
        with pytest.raises(ReadError, match="broke"):
            await stream.receive()


async def test_only_the_first_error_counts_and_none_after_the_end() -> None:
    stream = ContentStream(Source())
    stream.fail(ReadError("first"))
    stream.fail(ReadError("second"))
    with pytest.raises(ReadError, match="first"):
        await stream.receive_all()
    done = ContentStream(Source())
    done.finish()
    done.fail(ReadError("late"))
    assert await done.receive_all() == b""


async def test_too_much_for_a_slow_reader_pauses_once_and_goes_on_when_taken() -> None:
    source = Source()
    stream = ContentStream(source)
    stream.feed(b"x" * HIGH_WATER)
    assert source.calls == []
    stream.feed(b"x")
    stream.feed(b"x")
    assert source.calls == ["pause"]
    assert len(await stream.receive()) == HIGH_WATER + 2
    assert source.calls == ["pause", "resume"]


async def test_the_end_of_paused_content_leaves_the_source_going() -> None:
    source = Source()
    stream = ContentStream(source)
    stream.feed(b"x" * (HIGH_WATER + 1))
    stream.finish()
    assert source.calls == ["pause", "resume"]
    assert len(await stream.receive_all()) == HIGH_WATER + 1


async def test_collecting_does_not_pause_and_wakes_the_reader_once() -> None:
    source = Source()
    stream = ContentStream(source)
    reading = asyncio.ensure_future(stream.receive_all())
    await turns()
    wait = source.wait
    for _ in range(5):
        assert not stream.feed(b"x" * HIGH_WATER)
    assert source.wait is wait
    stream.finish()
    source.wake()
    assert len(await reading) == 5 * HIGH_WATER
    assert source.calls == []
    assert source.taken == 5 * HIGH_WATER, "or the window of the peer would close"


async def test_collecting_takes_what_waited_and_goes_on_after_a_pause() -> None:
    source = Source()
    stream = ContentStream(source)
    stream.feed(b"x" * (HIGH_WATER + 1))
    reading = asyncio.ensure_future(stream.receive_all())
    await turns()
    assert source.calls == ["pause", "resume"]
    assert source.taken == HIGH_WATER + 1
    stream.finish()
    source.wake()
    assert len(await reading) == HIGH_WATER + 1


@pytest.mark.parametrize("length", [None, 100])
async def test_more_than_the_limit_is_refused_and_the_rest_given_up(length: int | None) -> None:
    source = Source()
    stream = ContentStream(source, length)
    reading = asyncio.ensure_future(stream.receive_all(10))
    await turns()
    if length is None:
        feed(stream, source, b"x" * 6)
        await turns()
        assert not reading.done()
        feed(stream, source, b"x" * 6)
    with pytest.raises(DecodingError, match="max_response_size"):
        await reading
    assert source.calls == ["abandon"]
    assert not stream.is_open


async def test_exactly_the_limit_is_allowed() -> None:
    stream = ContentStream(Source())
    stream.feed(b"x" * 10)
    stream.finish()
    assert await stream.receive_all(10) == b"x" * 10


async def test_more_than_the_limit_in_the_last_piece_is_refused_too() -> None:
    stream = ContentStream(Source())
    stream.feed(b"x" * 11)
    stream.finish()
    with pytest.raises(DecodingError):
        await stream.receive_all(10)


async def test_a_cancelled_reader_gives_the_rest_up() -> None:
    source = Source()
    stream = ContentStream(source)
    reading = asyncio.ensure_future(stream.receive_all())
    await turns()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert source.calls == ["abandon"]


async def test_closing_gives_up_once_and_reading_afterwards_is_an_error() -> None:
    source = Source()
    stream = ContentStream(source)
    stream.feed(b"x")
    stream.close()
    stream.close()
    assert source.calls == ["abandon"]
    for read in (stream.receive, stream.receive_all):
        with pytest.raises(ReadError, match="closed before its content was read"):
            await read()


async def test_closing_after_the_end_gives_nothing_up() -> None:
    source = Source()
    stream = ContentStream(source)
    stream.finish()
    stream.close()
    assert source.calls == []


# -- straight into a buffer -------------------------------------------------------------------------------------


async def test_large_content_is_written_to_where_it_stays() -> None:
    source = Source(fills=True)
    stream = ContentStream(source, 100_000)
    stream.feed(b"abc")
    reading = asyncio.ensure_future(stream.receive_all())
    await turns()
    assert source.view is not None
    assert len(source.view) == 99_997
    source.view[:] = b"x" * 99_997
    stream.finish()
    source.wake()
    assert await reading == b"abc" + b"x" * 99_997
    assert stream.received == 100_000


@pytest.mark.skipif(not STATM.exists(), reason="the system does not say what is resident")
async def test_a_length_alone_takes_no_memory() -> None:
    """Pages are taken as content comes; what a peer only claims costs nothing."""

    def resident() -> int:
        return int(STATM.read_text().split()[1]) * resource.getpagesize()

    streams = [ContentStream(Source(fills=True), 16_000_000) for _ in range(8)]
    before = resident()
    readers = [asyncio.ensure_future(stream.receive_all()) for stream in streams]
    await turns()
    assert resident() - before < 32_000_000
    for reader in readers:
        reader.cancel()
    await turns()


@pytest.mark.parametrize("length", [None, 1000, 900_000_000_000])
async def test_small_content_unknown_lengths_and_lies_get_no_buffer(length: int | None) -> None:
    source = Source(fills=True)
    stream = ContentStream(source, length)
    reading = asyncio.ensure_future(stream.receive_all())
    await turns()
    assert source.view is None
    reading.cancel()
    await turns()


async def test_content_that_was_read_in_part_gets_no_buffer() -> None:
    source = Source(fills=True)
    stream = ContentStream(source, 100_000)
    stream.feed(b"abc")
    assert await stream.receive() == b"abc"
    reading = asyncio.ensure_future(stream.receive_all())
    await turns()
    assert source.view is None
    stream.feed(b"x" * 99_997)
    stream.finish()
    source.wake()
    assert len(await reading) == 99_997


async def test_a_buffer_that_cannot_be_filled_to_its_end_is_an_error() -> None:
    source = Source(fills=True)
    stream = ContentStream(source, 100_000)
    reading = asyncio.ensure_future(stream.receive_all())
    await turns()
    stream.fail(ReadError("broke"))
    source.wake()
    with pytest.raises(ReadError, match="broke"):
        await reading


@pytest.mark.parametrize("seed", range(20))
async def test_what_is_fed_comes_out_whole_however_it_is_read(seed: int) -> None:
    chance = random.Random(seed)
    source = Source()
    stream = ContentStream(source)
    content = chance.randbytes(chance.randrange(700_000))
    received = bytearray()
    open_at_once = 0

    async def read() -> None:
        while data := await stream.receive():
            received.extend(data)
            for _ in range(chance.randrange(3)):
                await asyncio.sleep(0)
        received.extend(await stream.receive_all())

    reading = asyncio.ensure_future(read())
    at = 0
    while at < len(content):
        size = chance.randrange(1, 200_000)
        feed(stream, source, content[at : at + size])
        at += size
        open_at_once = max(open_at_once, stream._size)
        while source.calls.count("pause") > source.calls.count("resume"):
            await asyncio.sleep(0)
        if chance.random() < 0.5:
            await asyncio.sleep(0)
    stream.finish()
    source.wake()
    await reading
    assert received == content
    assert open_at_once <= HIGH_WATER + 200_000


async def test_whoever_is_in_a_hurry_waits_no_longer_than_that() -> None:
    source = Source()
    stream = ContentStream(source)
    stream.hurry(5.0)
    stream.hurry(7.0)
    assert source._total_at == 5.0
    stream.finish()
    stream.hurry(1.0)
    assert source._total_at == 5.0, "nobody waits any more"


async def test_the_end_that_another_thread_feeds_just_before_a_wait_is_an_end() -> None:
    source = Source()
    stream = ContentStream(source)
    wait = stream._wait()  # the reader has seen nothing, and is about to wait
    stream.feed(b"last")
    stream.finish()
    await wait
    assert await stream.receive() == b"last"
    assert await stream.receive() == b""


async def test_a_failure_that_another_thread_notes_just_before_a_wait_is_raised() -> None:
    stream = ContentStream(Source())
    wait = stream._wait()
    stream.fail(ReadError("broke"))
    await wait
    with pytest.raises(ReadError, match="broke"):
        await stream.receive()
