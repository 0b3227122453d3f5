"""Request content that is produced piece by piece.

In come files, paths, iterables and asynchronous iterables; out come chunks of bytes, by
``await next_chunk(call)``, where ``call(function, *args)`` runs a function that may block: in a worker thread
on asyncio, at once on blocking sockets. So a disk or a generator never holds up an event loop, and memory
stays at one chunk, whatever the size.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import (
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
)
from itertools import chain
from pathlib import Path
from typing import IO, Any, Final, TypeAlias

from hyperhttp.exceptions import LocalProtocolError, StreamConsumed

__all__ = ["CHUNK_SIZE", "Call", "Chunks", "FileSource", "PathSource", "Source", "source_of"]

Call: TypeAlias = Callable[..., Awaitable[Any]]
"""``await call(function, *args)`` runs a function that may block, and gives what it returns."""

CHUNK_SIZE: Final = 1024 * 1024
"""Bytes read from a file at a time: worth a change of thread, and little memory."""

# Their end is found by decompressing everything, and their fileno() is that of the compressed file.
_COMPRESSED: Final = frozenset({"gzip", "bz2", "lzma", "zipfile"})
_CONSUMED: Final = "the request content was produced already and cannot be produced again: give bytes or a path"


class Source:
    """Bytes produced piece by piece: the base of every stream that is sent.

    Attributes:
        length: How many bytes there will be; None when that is not known. It is held to: a file that grew is
            cut there, anything else that differs is an error.
        replayable: Whether it can be produced again, after `rewind`.
        needs_async: Whether producing it may wait on an event loop, so that blocking code cannot send it.
        started: Whether anything was produced since the beginning or the last `rewind`.
    """

    __slots__ = ("_ended", "_given", "length", "needs_async", "replayable", "started")

    def __init__(self, length: int | None = None, *, replayable: bool = False, needs_async: bool = False) -> None:
        self.length = length
        self.replayable = replayable
        self.needs_async = needs_async
        self.started = False
        self._given = 0
        self._ended = False

    async def next_chunk(self, call: Call) -> bytes:
        """The next bytes; ``b""`` once, at the end.

        Raises:
            StreamConsumed: the end was met before; `rewind` comes first.
            LocalProtocolError: there are fewer or more bytes than `length`.
            TypeError: what is produced is not bytes.
        """
        if self._ended:
            raise StreamConsumed(_CONSUMED)
        self.started = True
        chunk = await self._read(call)
        self._given += len(chunk)
        self._ended |= not chunk
        length = self.length
        if length is not None and (self._given > length or (not chunk and self._given < length)):
            message = f"the content was said to have {length} bytes, but has {self._given}"
            raise LocalProtocolError(f"{message} or more" if chunk else message)
        return chunk

    def rewind(self) -> None:
        """Go back to the beginning; nothing happens when nothing was produced yet.

        Raises:
            StreamConsumed: it cannot be produced again.
        """
        if not self.started:
            return
        if not self.replayable:
            raise StreamConsumed(_CONSUMED)
        self._reset()
        self._given = 0
        self.started = self._ended = False

    def close(self) -> None:
        """Free what producing holds, without waiting; nothing happens when nothing was produced yet."""
        if self.started:
            self._ended = True
            self._release()

    async def _read(self, call: Call) -> bytes:
        raise NotImplementedError

    def _reset(self) -> None:
        self._release()

    def _release(self) -> None:
        """Let go of what `_read` opened."""


class PathSource(Source):
    """The file at a path, opened when the first bytes are wanted and closed in every case.

    Raises:
        OSError: there is no such file.
    """

    __slots__ = ("_chunk_size", "_handle", "_path")

    def __init__(self, path: str | os.PathLike[str], chunk_size: int = CHUNK_SIZE) -> None:
        self._path = Path(path)
        self._chunk_size = chunk_size
        self._handle: _Handle | None = None
        length, is_regular = _path_extent(self._path)
        super().__init__(length, replayable=is_regular)

    async def _read(self, call: Call) -> bytes:
        handle = self._handle
        if handle is None:
            handle = self._handle = _Handle(self._path)
        chunk: bytes = await call(handle.read, self._chunk_size if self.length is None else self._room())
        if not chunk:
            self._release()
        return chunk

    def _room(self) -> int:
        return min(self._chunk_size, (self.length or 0) - self._given)

    def _release(self) -> None:
        if self._handle is not None:
            self._handle.let_go()
            self._handle = None


class _Handle:
    """An open file between a thread that reads it and a loop that may give up waiting.

    Whoever is the last to need it closes it. Each side writes its own flag before it reads the other's, so
    one of them sees that it is the last, and closing twice is harmless: no lock is needed.
    """

    __slots__ = ("_busy", "_file", "_given_up", "_path")

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._busy = False
        self._given_up = False

    def read(self, size: int) -> bytes:
        """Runs where blocking is allowed."""
        self._busy = True
        try:
            if self._given_up or size <= 0:
                return b""
            if self._file is None:
                self._file = self._path.open("rb")
                _ask_for_read_ahead(self._file)
            return self._file.read(size)
        finally:
            self._busy = False
            if self._given_up:
                self._close()

    def let_go(self) -> None:
        self._given_up = True
        if not self._busy:
            self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()


class FileSource(Source):
    """A binary file somebody else opened and will close, from its present position on."""

    __slots__ = ("_chunk_size", "_file", "_start")

    def __init__(self, file: IO[bytes], chunk_size: int = CHUNK_SIZE) -> None:
        self._start, length = _file_extent(file)
        super().__init__(length, replayable=self._start is not None)
        self._file = file
        self._chunk_size = chunk_size

    async def _read(self, call: Call) -> bytes:
        size = self._chunk_size if self.length is None else min(self._chunk_size, self.length - self._given)
        position = None if self._start is None else self._start + self._given
        chunk: bytes = await call(self._read_at, position, size)
        return chunk

    def _read_at(self, position: int | None, size: int) -> bytes:
        """Runs where blocking is allowed."""
        file = self._file
        if size <= 0:
            return b""
        if position is None:
            return _as_bytes(file.read(size))
        if position == self._start:
            _ask_for_read_ahead(file)
        while True:
            if file.tell() != position:
                file.seek(position)
            chunk = _as_bytes(file.read(size))
            # A read somebody gave up waiting for may have come in between and moved the position.
            if file.tell() == position + len(chunk):
                return chunk

    def _reset(self) -> None:
        """Nothing: the first read goes to the start by itself."""


class _AsyncFileSource(Source):
    """A file whose ``read`` is a coroutine function, as those of aiofiles and anyio."""

    __slots__ = ("_chunk_size", "_file")

    def __init__(self, file: Any, chunk_size: int) -> None:
        super().__init__(needs_async=True)
        self._file = file
        self._chunk_size = chunk_size

    async def _read(self, call: Call) -> bytes:
        return _as_bytes(await self._file.read(self._chunk_size))


class _IterableSource(Source):
    """An iterable of bytes. Its iterator is advanced where blocking is allowed; an iterator serves once."""

    __slots__ = ("_iterable", "_iterator")

    def __init__(self, iterable: Iterable[bytes]) -> None:
        super().__init__(replayable=not isinstance(iterable, Iterator))
        self._iterable = iterable
        self._iterator: Iterator[bytes] | None = None

    async def _read(self, call: Call) -> bytes:
        if self._iterator is None:
            self._iterator = chain.from_iterable((self._iterable,))  # iter() is called by the first next()
        # StopIteration must not come out of there: neither a coroutine nor a future can carry it.
        chunk: bytes = await call(_first_chunk, self._iterator)
        return chunk

    def _release(self) -> None:
        self._iterator = None
        if isinstance(self._iterable, Generator):
            try:
                self._iterable.close()
            except ValueError:
                pass  # it is running, in a thread nobody waits for any more


class _AsyncIterableSource(Source):
    """An asynchronous iterable of bytes; an iterator serves once."""

    __slots__ = ("_iterable", "_iterator")

    def __init__(self, iterable: AsyncIterable[bytes]) -> None:
        super().__init__(replayable=not isinstance(iterable, AsyncIterator), needs_async=True)
        self._iterable = iterable
        self._iterator: AsyncIterator[bytes] | None = None

    async def _read(self, call: Call) -> bytes:
        if self._iterator is None:
            self._iterator = aiter(self._iterable)
        async for item in self._iterator:
            if chunk := _as_bytes(item):
                return chunk
        return b""

    def _release(self) -> None:
        self._iterator = None  # the event loop ends an async generator that was dropped


def source_of(value: Any, chunk_size: int = CHUNK_SIZE) -> bytes | Source:
    """What is in memory as bytes, anything else as a `Source`.

    Args:
        value: Bytes of any kind, str (sent as UTF-8), a path object, a binary file, a file of an asynchronous
            library, an iterable or asynchronous iterable of bytes, or a `MultipartEncoder`.
        chunk_size: Bytes read from a file at a time.

    Raises:
        OSError: there is no file at the path.
        TypeError: it is nothing of the kind, or a file in text mode.
    """
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value)
    if isinstance(value, Source):
        return value
    if isinstance(value, Chunks):
        return value.source
    if isinstance(value, os.PathLike):
        return PathSource(os.fsdecode(value), chunk_size)
    if hasattr(value, "read"):
        return _source_of_file(value, chunk_size)
    if isinstance(value, AsyncIterable):
        return _AsyncIterableSource(value)
    if isinstance(value, list | tuple):
        return b"".join([_as_bytes(item) for item in value])
    if isinstance(value, Iterable) and not isinstance(value, Mapping):
        return _IterableSource(value)
    message = (
        f"{type(value).__name__} cannot be sent as content; "
        "give bytes, str, a path, a binary file, or an iterable or async iterable of bytes"
    )
    raise TypeError(message)


class Chunks:
    """Iterator, plain and asynchronous, over a source; what blocks blocks right here."""

    __slots__ = ("source",)

    def __init__(self, source: Source) -> None:
        self.source = source

    def __iter__(self) -> Chunks:
        return self

    def __aiter__(self) -> Chunks:
        return self

    def __next__(self) -> bytes:
        if self.source.needs_async:
            raise TypeError("this content waits on an event loop: use `async for`, or send it with Client")
        step = self.__anext__()
        try:
            step.send(None)
        except StopIteration as stop:
            chunk: bytes = stop.value
            return chunk
        except StopAsyncIteration:
            raise StopIteration from None
        step.close()
        raise TypeError("this content waits on an event loop although it looked as if it did not")

    async def __anext__(self) -> bytes:
        if self.source._ended:
            raise StopAsyncIteration
        if chunk := await self.source.next_chunk(_call_here):
            return chunk
        raise StopAsyncIteration


def _source_of_file(file: Any, chunk_size: int) -> bytes | Source:
    if isinstance(file, io.TextIOBase) or isinstance(getattr(file, "file", None), io.TextIOBase):
        raise TypeError('the file is open in text mode; open it in binary mode: open(path, "rb")')
    if type(file) is io.BytesIO:
        return file.read()
    from inspect import iscoroutinefunction

    if iscoroutinefunction(file.read):
        return _AsyncFileSource(file, chunk_size)
    return FileSource(file, chunk_size)


def _path_extent(path: Path) -> tuple[int | None, bool]:
    """Length of what is at a path, as far as it is known, and whether it can be read again."""
    info = path.stat()
    if stat.S_ISDIR(info.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(info.st_mode):
        return None, False
    if info.st_size:
        return info.st_size, True
    with path.open("rb") as file:  # the files of /proc say 0 and have content
        return None if file.read(1) else 0, True


def _file_extent(file: IO[bytes]) -> tuple[int | None, int | None]:
    """Where an open file starts, None when it cannot seek, and its length as far as it is known."""
    try:
        start = file.tell()
        if type(file).__module__ in _COMPRESSED:
            return start, None
        file.seek(0, os.SEEK_END)
        length = file.tell() - start
        file.seek(start)
        if length <= 0:
            length = -1 if file.read(1) else 0
            file.seek(start)
    except (AttributeError, OSError, ValueError):
        return None, None
    return start, None if length < 0 else length


def _ask_for_read_ahead(file: IO[bytes]) -> None:
    try:
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
    except (AttributeError, OSError, ValueError):
        pass  # not on this system, or not a file of the system


def _first_chunk(iterator: Iterator[bytes]) -> bytes:
    return next((chunk for item in iterator if (chunk := _as_bytes(item))), b"")


def _as_bytes(chunk: Any) -> bytes:
    if isinstance(chunk, bytes):
        return chunk
    if isinstance(chunk, bytearray | memoryview):
        return bytes(chunk)
    raise TypeError(f"content must be produced as bytes, not {type(chunk).__name__}")


async def _call_here(function: Callable[..., Any], *args: Any) -> Any:
    return function(*args)
