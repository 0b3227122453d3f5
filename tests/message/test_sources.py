from __future__ import annotations

import asyncio
import gzip
import io
import os
import sys
import tempfile
import threading
from pathlib import Path

import pytest

from hyperhttp.exceptions import LocalProtocolError, StreamConsumed
from hyperhttp.message.sources import CHUNK_SIZE, Chunks, FileSource, PathSource, Source, source_of

DATA = bytes(range(256)) * 1000


async def call_here(function, *args):
    return function(*args)


async def call_in_thread(function, *args):
    return await asyncio.get_running_loop().run_in_executor(None, function, *args)


async def read(source, call=call_here):
    chunks = []
    while chunk := await source.next_chunk(call):
        chunks.append(chunk)
    return b"".join(chunks)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


class AsyncBytes:
    """A file as aiofiles and anyio make them."""

    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    async def read(self, size: int = -1) -> bytes:
        await asyncio.sleep(0)
        return self._file.read(size)


class Again:
    """An iterable that is no iterator."""

    def __iter__(self):
        return iter([DATA[:10], b"", DATA[10:]])


class AgainAsync:
    def __aiter__(self):
        return numbers()


async def numbers():
    yield DATA[:10]
    await asyncio.sleep(0)
    yield b""
    yield bytearray(DATA[10:])


@pytest.fixture
def path(tmp_path) -> Path:
    file = tmp_path / "data.bin"
    file.write_bytes(DATA)
    return file


@pytest.mark.parametrize(
    ("value", "data"),
    [
        (b"bytes", b"bytes"),
        (bytearray(b"array"), b"array"),
        (memoryview(b"a view")[2:], b"view"),
        (memoryview(DATA)[::2], DATA[::2]),
        ("té€", "té€".encode()),
        ([b"one", bytearray(b"two")], b"onetwo"),
        ((), b""),
        (io.BytesIO(b"in memory"), b"in memory"),
    ],
)
def test_what_is_in_memory_is_bytes_at_once(value, data):
    assert source_of(value) == data


def test_a_memory_file_is_taken_from_its_position():
    file = io.BytesIO(b"0123456789")
    file.seek(4)
    assert source_of(file) == b"456789"


STREAMS = {
    "path": lambda path: path,
    "open file": lambda path: path.open("rb"),
    "unbuffered file": lambda path: path.open("rb", buffering=0),
    "generator": lambda path: (DATA[start : start + 100_000] for start in range(0, len(DATA), 100_000)),
    "iterable": lambda path: Again(),
    "async file": lambda path: AsyncBytes(DATA),
    "async generator": lambda path: numbers(),
    "async iterable": lambda path: AgainAsync(),
}
#              length     replayable needs_async
FACTS = {
    "path": (len(DATA), True, False),
    "open file": (len(DATA), True, False),
    "unbuffered file": (len(DATA), True, False),
    "generator": (None, False, False),
    "iterable": (None, True, False),
    "async file": (None, False, True),
    "async generator": (None, False, True),
    "async iterable": (None, True, True),
}


@pytest.fixture(params=list(STREAMS))
def stream(request, path):
    value = STREAMS[request.param](path)
    yield request.param, source_of(value)
    if hasattr(value, "close"):
        value.close()


@pytest.mark.parametrize("call", [call_here, call_in_thread])
async def test_every_stream_gives_its_bytes_and_says_what_it_is(stream, call):
    name, source = stream
    assert isinstance(source, Source)
    assert (source.length, source.replayable, source.needs_async) == FACTS[name]
    assert not source.started
    assert await read(source, call) == DATA
    assert source.started


async def test_a_stream_can_be_produced_again_or_says_that_it_cannot(stream):
    _, source = stream
    source.rewind()  # nothing was produced: nothing happens
    assert await source.next_chunk(call_here)
    source.close()
    if not source.replayable:
        with pytest.raises(StreamConsumed, match="cannot be produced again"):
            source.rewind()
        return
    for _ in range(2):
        source.rewind()
        assert not source.started
        assert await read(source) == DATA


async def test_reading_past_the_end_is_an_error_and_not_an_empty_content(stream):
    _, source = stream
    await read(source)
    with pytest.raises(StreamConsumed):
        await source.next_chunk(call_here)


async def test_closing_before_anything_was_produced_spoils_nothing(stream):
    _, source = stream
    source.close()
    source.rewind()
    assert await read(source) == DATA


async def test_a_stream_that_was_closed_half_way_gives_no_more(stream):
    _, source = stream
    await source.next_chunk(call_here)
    source.close()
    with pytest.raises(StreamConsumed):
        await source.next_chunk(call_here)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts descriptors in /proc")
async def test_a_path_is_opened_late_and_closed_always(path):
    before = open_descriptors()
    source = PathSource(path, 1000)
    assert open_descriptors() == before
    await source.next_chunk(call_here)
    assert open_descriptors() == before + 1
    source.close()
    assert open_descriptors() == before
    source.rewind()
    await read(source)
    assert open_descriptors() == before


async def test_files_are_read_in_chunks_where_blocking_is_allowed(path):
    threads, sizes = set(), []

    def spy(function, *args):
        threads.add(threading.current_thread())
        chunk = function(*args)
        sizes.append(len(chunk))
        return chunk

    async def call(function, *args):
        return await call_in_thread(spy, function, *args)

    with path.open("rb") as file:
        for source in (PathSource(path, 100_000), FileSource(file, 100_000)):
            sizes.clear()
            assert await read(source, call) == DATA
            assert sizes == [100_000, 100_000, 56_000, 0]
    assert threading.main_thread() not in threads


async def test_iterators_are_advanced_where_blocking_is_allowed():
    threads = []

    def blocking():
        threads.append(threading.current_thread())
        yield b"x"
        threads.append(threading.current_thread())

    assert await read(source_of(blocking()), call_in_thread) == b"x"
    assert len(threads) == 2
    assert threading.main_thread() not in threads


async def test_a_generator_that_is_given_up_is_closed():
    ended = []

    def generate():
        try:
            yield b"one"
            yield b"two"
        finally:
            ended.append(True)

    source = source_of(generate())
    await source.next_chunk(call_here)
    source.close()
    assert ended == [True]


async def test_an_error_of_an_iterator_comes_through():
    def generate():
        yield b"one"
        raise ZeroDivisionError

    source = source_of(generate())
    assert await source.next_chunk(call_in_thread) == b"one"
    with pytest.raises(ZeroDivisionError):
        await source.next_chunk(call_in_thread)


@pytest.mark.parametrize("items", [["text"], [1], [None], [b"fine", "text"]])
async def test_an_iterator_of_anything_but_bytes_is_a_type_error(items):
    async def generate():
        for item in items:
            yield item

    for value in (iter(items), generate()):
        with pytest.raises(TypeError, match="must be produced as bytes"):
            await read(source_of(value))
    with pytest.raises(TypeError, match="must be produced as bytes"):
        source_of(items)


async def test_a_file_is_sent_from_its_position_and_rewinds_to_it(path):
    with path.open("rb") as file:
        file.seek(1000)
        source = source_of(file)
        assert source.length == len(DATA) - 1000
        assert await read(source) == DATA[1000:]
        source.rewind()
        assert await read(source) == DATA[1000:]
        assert not file.closed


async def test_a_read_nobody_waited_for_does_not_shift_what_is_read_after_rewinding(path):
    entered, release = threading.Event(), threading.Event()

    class Slow(io.FileIO):
        is_slow = True

        def read(self, size=-1):
            if self.is_slow:
                Slow.is_slow = False
                entered.set()
                release.wait(10)
            return super().read(size)

    with Slow(path) as file:
        source = FileSource(file, 100_000)
        waiting = asyncio.ensure_future(source.next_chunk(call_in_thread))
        await asyncio.to_thread(entered.wait, 10)
        waiting.cancel()
        await asyncio.wait([waiting])
        source.rewind()
        chunk = await source.next_chunk(call_in_thread)
        release.set()  # now the old read moves the position
        await asyncio.sleep(0.05)
        assert chunk + await read(source, call_in_thread) == DATA


async def test_a_path_closed_while_a_thread_reads_it_is_closed_by_that_thread(path, monkeypatch):
    entered, release, files = threading.Event(), threading.Event(), []

    def slow_open(self, mode):
        entered.set()
        release.wait(10)
        files.append(open(os.fspath(self), mode))  # noqa: PTH123, SIM115
        return files[0]

    source = PathSource(path)
    monkeypatch.setattr(Path, "open", slow_open)
    waiting = asyncio.ensure_future(source.next_chunk(call_in_thread))
    await asyncio.to_thread(entered.wait, 10)
    waiting.cancel()
    await asyncio.wait([waiting])
    source.close()
    release.set()
    for _ in range(100):
        if files and files[0].closed:
            break
        await asyncio.sleep(0.02)
    assert files[0].closed


@pytest.mark.parametrize("kind", ["path", "file"])
async def test_a_file_that_grows_is_cut_and_one_that_shrinks_is_an_error(path, kind):
    with path.open("rb") as file:
        source = source_of(path if kind == "path" else file)
        with path.open("ab") as more:
            more.write(b"more")
        assert await read(source) == DATA
        source.rewind()
        os.truncate(path, 1000)
        with pytest.raises(LocalProtocolError, match="256000 bytes, but has 1000"):
            await read(source)


@pytest.mark.parametrize(("promised", "match"), [(9, "has 10 or more"), (11, "has 10")])
async def test_a_length_that_was_promised_is_held_to(promised, match):
    source = source_of(iter([b"12345", b"67890"]))
    source.length = promised
    with pytest.raises(LocalProtocolError, match=match):
        await read(source)


def test_text_files_are_refused_before_anything_is_sent(path):
    with path.open(encoding="latin-1") as file, pytest.raises(TypeError, match="binary mode"):
        source_of(file)
    with pytest.raises(TypeError, match="binary mode"):
        source_of(io.StringIO("text"))
    with tempfile.NamedTemporaryFile("w+") as file, pytest.raises(TypeError, match="binary mode"):
        source_of(file)


@pytest.mark.parametrize("value", [None, 1, 1.5, {"a": 1}, object(), {"a": 1}.items])
def test_what_cannot_be_content_is_a_type_error(value):
    with pytest.raises(TypeError, match="cannot be sent as content"):
        source_of(value)


def test_a_path_without_a_file_is_an_error_at_once(tmp_path):
    with pytest.raises(FileNotFoundError):
        source_of(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        source_of(tmp_path)


async def test_temporary_files_know_their_length():
    with tempfile.NamedTemporaryFile() as named, tempfile.SpooledTemporaryFile() as spooled:
        for file in (named, spooled):
            file.write(DATA)
            file.seek(6)
            source = source_of(file)
            assert source.length == len(DATA) - 6
            assert await read(source) == DATA[6:]


async def test_the_length_of_a_compressed_file_is_not_that_of_the_file_on_disk(tmp_path):
    packed = tmp_path / "data.gz"
    packed.write_bytes(gzip.compress(DATA))
    with gzip.open(packed) as file:
        source = source_of(file)
        assert source.length is None
        assert await read(source) == DATA
        source.rewind()
        assert await read(source) == DATA


async def test_a_pipe_has_no_length_and_serves_once():
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as file:
        source = source_of(file)
        assert (source.length, source.replayable) == (None, False)
        os.write(writer, b"through the pipe")
        os.close(writer)
        assert await read(source) == b"through the pipe"


async def test_an_empty_file_has_length_zero(tmp_path):
    empty = tmp_path / "empty"
    empty.touch()
    with empty.open("rb") as file:
        for source in (source_of(empty), source_of(file)):
            assert source.length == 0
            assert await read(source) == b""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
async def test_a_file_that_says_it_is_empty_and_is_not_has_no_length():
    with Path("/proc/self/status").open("rb") as file:
        for source in (source_of(Path("/proc/self/status")), source_of(file)):
            assert source.length is None
            assert (await read(source)).startswith(b"Name:")


def test_chunks_iterate_over_what_needs_no_loop(path):
    assert b"".join(Chunks(source_of(path))) == DATA
    chunks = Chunks(PathSource(path, 100_000))
    assert [len(chunk) for chunk in chunks] == [100_000, 100_000, 56_000]
    assert list(chunks) == []
    with pytest.raises(TypeError, match="async for"):
        next(Chunks(source_of(numbers())))
    assert source_of(chunks) is chunks.source


async def test_chunks_iterate_asynchronously_over_anything():
    assert b"".join([chunk async for chunk in Chunks(source_of(numbers()))]) == DATA
    assert b"".join([chunk async for chunk in Chunks(source_of(Again()))]) == DATA


def test_chunks_refuse_a_file_that_waits_although_it_does_not_look_like_it():
    class Sneaky(Source):
        async def _read(self, call):
            await asyncio.sleep(0)
            return b""

    with pytest.raises(TypeError, match="event loop"):
        next(Chunks(Sneaky()))


def test_the_default_chunk_is_a_megabyte():
    assert CHUNK_SIZE == 1024 * 1024
