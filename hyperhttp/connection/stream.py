"""The content of a response while it arrives.

A connection feeds it from its callbacks; whoever reads the response takes from it. It is the same object for HTTP/1.1
and HTTP/2 and for both faces. What arrives is kept up to a bound, then the source is asked to stop reading: a slow
reader stops the peer, not the other way round.
"""

from __future__ import annotations

import time
from io import BufferedReader, BytesIO, RawIOBase
from typing import TYPE_CHECKING, Any, Final, Protocol

from hyperhttp.exceptions import DecodingError, ReadError
from hyperhttp.network.base import keep_blocks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from hyperhttp.network.base import Channel, Wait
    from hyperhttp.protocol.events import Field

__all__ = ["HIGH_WATER", "ContentSource", "ContentStream"]

#: Bytes kept for a reader that does not read before the source is asked to stop.
HIGH_WATER: Final = 262_144
#: Bytes from which on it pays to let the socket write content to its final place.
_LARGE: Final = 65_536
#: Bytes up to which a length is believed before the content is there (CVE-2025-13836 was a client that believed any).
_LARGEST: Final = 16_777_216
#: Freed blocks up to this size stay with the process for a while, once there was a large content.
_KEPT: Final = 16_777_216

_now = time.monotonic


class _Anything(RawIOBase):
    """Reads as whatever the memory it is asked to read to holds: bytes that are about to be written need no zeros first.

    Writing them costs as much as writing the content itself, and takes the memory before the peer has sent anything.
    """

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # what its one caller gives it
        return len(buffer)


class ContentSource(Protocol):
    """What a content stream needs from its connection."""

    @property
    def can_fill(self) -> bool:
        """Whether `fill_buffer` is worth asking."""

    @property
    def channel(self) -> Channel:
        """What it comes over."""

    def wait_for_content(self) -> Wait:
        """Something to await until the stream has been fed, has ended or has failed."""

    def fill_buffer(self, view: memoryview) -> bool:
        """Put the next ``len(view)`` bytes, which end the content, into `view`; False where that cannot be."""

    def pause_content(self) -> None:
        """Stop taking content from the peer."""

    def content_taken(self, size: int, *, resume: bool) -> None:
        """The reader took `size` bytes; with `resume` the peer may go on."""

    def abandon(self) -> None:
        """The rest is not wanted."""


class ContentStream:
    """Content on its way from a connection to a reader.

    Attributes:
        ended: the last byte has arrived (some of it may not have been taken yet).
        error: why the content broke off, if it did.
        received: bytes that have arrived so far, in transfer-decoded form.
        length: bytes announced, or None.
        trailers: fields that came after the content.
        ended_at: the moment of the last byte; 0 until then.
    """

    __slots__ = (
        "_chunks",
        "_collecting",
        "_limit",
        "_lock",
        "_paused",
        "_size",
        "_source",
        "ended",
        "ended_at",
        "error",
        "length",
        "received",
        "trailers",
    )

    def __init__(
        self, source: ContentSource, length: int | None = None, lock: AbstractContextManager[Any] | None = None
    ) -> None:
        # Whoever feeds holds the lock already; a reader in another thread takes it to take what was fed.
        self._lock = lock
        self._source: ContentSource | None = source
        self._chunks: list[bytes] = []
        self._size = 0
        self._paused = False
        self._collecting = False
        self._limit: int | None = None
        self.ended = False
        self.ended_at = 0.0
        self.error: Exception | None = None
        self.received = 0
        self.length = length
        self.trailers: Sequence[Field] = ()

    # -- what the connection calls -----------------------------------------------------------------------------------

    def feed(self, data: bytes) -> bool:
        """Take bytes from the connection; says whether a waiting reader should be woken."""
        size = len(data)
        self._chunks.append(data)
        self._size += size
        self.received += size
        if self._collecting:
            if self._source is not None:
                self._source.content_taken(size, resume=False)  # or a window would close before all is there
            return self._limit is not None and self._size > self._limit
        if self._size > HIGH_WATER and not self._paused and self._source is not None:
            self._paused = True
            self._source.pause_content()
        return True

    def finish(self, trailers: Sequence[Field] = ()) -> None:
        """The content is complete."""
        self.trailers = trailers
        self.ended = True
        self.ended_at = _now()
        source, self._source = self._source, None
        if self._paused and source is not None:
            self._paused = False
            source.content_taken(0, resume=True)  # or the connection would go back to its pool without reading

    def fail(self, error: Exception) -> None:
        """The content breaks off here."""
        if self.error is None and not self.ended:
            self.error = error
        self._source = None

    # -- what the reader calls ---------------------------------------------------------------------------------------

    @property
    def has_news(self) -> bool:
        """There is something a reader would not wait for."""
        if self.ended or self.error is not None or self._source is None:
            return True
        return bool(self._chunks) and (not self._collecting or (self._limit is not None and self._size > self._limit))

    @property
    def is_open(self) -> bool:
        """More may come, and giving up would cost the connection."""
        return self._source is not None

    def hurry(self, until: float) -> None:
        """Let nobody wait for the rest any longer than that, whatever the call allows."""
        source: Any = self._source
        if source is not None:
            source._total_at = min(source._total_at, until)  # looked at with each wait

    async def receive(self) -> bytes:
        """The bytes that are there, or the next ones; empty at the end.

        Raises:
            HyperHTTPError: what the connection failed with.
        """
        while not self._chunks:
            if self.error is not None:
                raise self.error
            if self.ended and not self._chunks:  # another thread may just have fed both
                return b""
            await self._wait()
        if self._lock is None:
            return self._take()
        with self._lock:
            return self._take()

    def _take(self) -> bytes:
        chunks, self._chunks = self._chunks, []
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._taken(len(data))
        return data

    async def receive_all(self, limit: int | None = None) -> bytes:
        """All that is left, in one piece, with one wake-up.

        Args:
            limit: bytes; more is an error, and no more than that is kept in memory.

        Raises:
            DecodingError: more than `limit` bytes come or are announced.
            HyperHTTPError: what the connection failed with.
        """
        self._limit = limit
        if limit is not None and self.length is not None and self.length > limit:
            self._refuse(limit)
        try:
            if self._lock is None:
                self._start_collecting()
            else:
                with self._lock:
                    self._start_collecting()
            length = self.length
            if (
                length is not None
                and self.received == self._size
                and _LARGE <= length - self._size <= _LARGEST
                and not self.ended
            ):
                content = await self._receive_into_buffer(length)
                if content is not None:
                    return content
            while not self.ended:
                if self.error is not None:
                    raise self.error
                if limit is not None and self._size > limit:
                    self._refuse(limit)
                await self._wait()
        except BaseException:
            self.close()
            raise
        finally:
            self._collecting = False
        if limit is not None and self._size > limit:
            self._refuse(limit)
        chunks, self._chunks = self._chunks, []
        self._size = 0
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _start_collecting(self) -> None:
        self._collecting = True
        if self._source is not None:
            paused, self._paused = self._paused, False
            self._source.content_taken(self._size, resume=paused)

    async def _receive_into_buffer(self, length: int) -> bytes | None:
        """Content of known length, written by the socket to where it will stay; None where the source cannot do that."""
        source = self._source
        if source is None:
            return None
        keep_blocks(_KEPT)
        if not source.can_fill:
            return None
        # A BytesIO that was made as long as it gets gives its bytes away without copying them.
        buffer = BytesIO(BufferedReader(_Anything(), 1).read(length))
        at = self._size
        with buffer.getbuffer() as view, view[at:] as rest:
            if not source.fill_buffer(rest):
                return None
            view[:at] = b"".join(self._chunks)
            self._chunks.clear()
            self._size = 0
            while not self.ended:
                if self.error is not None:
                    raise self.error
                await self._wait()
        self.received = length
        return buffer.getvalue()

    def take_over(self) -> list[bytes]:
        """What has come and was not taken; this stream is not fed any more."""
        chunks, self._chunks = self._chunks, []
        self._size = 0
        self._source = None
        return chunks

    def close(self) -> None:
        """Give up the rest."""
        source, self._source = self._source, None
        self._chunks.clear()
        self._size = 0
        if source is not None:
            source.abandon()

    def drop(self) -> None:
        """Give up the rest, from wherever this is called."""
        source = self._source
        if source is not None:
            source.channel.call_safely(self.close)

    async def _wait(self) -> None:
        source = self._source
        if source is not None:
            await source.wait_for_content()
        elif not self.ended and self.error is None:  # or another thread has fed the end since it was looked at
            msg = "the response was closed before its content was read"
            raise ReadError(msg)

    def _taken(self, size: int) -> None:
        self._size -= size
        source = self._source
        if source is not None:
            resume, self._paused = self._paused, False
            source.content_taken(size, resume=resume)

    def _refuse(self, limit: int) -> None:
        self.close()
        msg = f"the content is larger than max_response_size ({limit} bytes)"
        raise DecodingError(msg, limit=limit)
