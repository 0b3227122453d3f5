"""Content that is copied while it is read: what a transport that stores responses keeps of it.

Nothing is read ahead and nothing twice. The copy is complete or there is none: content that breaks off, is given up or is
larger than the limit leaves nothing behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperhttp.message.reading import hurry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from hyperhttp.message.reading import Stream
    from hyperhttp.message.response import Response

    Done = Callable[[bytes], Awaitable[None]]

__all__ = ["keep_content"]


async def keep_content(response: Response, limit: int, done: Done) -> None:
    """Have `done` awaited with the content as it was sent, once all of it has arrived; at once where it has already.

    Args:
        response: unread.
        limit: bytes; `done` is never called with more.
        done: what it raises comes out of whatever read the last byte.
    """
    encoded = response._encoded
    if encoded is None and response._stream is None and "content-encoding" not in response.headers:
        encoded = response._content  # made by hand: what was sent is what is read
    if encoded is not None:
        if len(encoded) <= limit:
            await done(encoded)
        return
    stream = response._stream
    if stream is not None:
        response._stream = kept = KeptStream(stream, limit, done)
        if response._guard is not None:
            response._guard._stream = kept


class KeptStream:
    """Content on its way, and the copy of what has come so far."""

    __slots__ = ("_copy", "_done", "_limit", "_size", "_stream")

    def __init__(self, stream: Stream, limit: int, done: Done) -> None:
        self._stream = stream
        self._limit = limit
        self._done = done
        self._size = 0
        self._copy: list[bytes] | None = []

    @property
    def ended(self) -> bool:
        """The last byte has arrived."""
        return self._stream.ended

    @property
    def ended_at(self) -> float:
        """The moment of the last byte."""
        return self._stream.ended_at

    @property
    def received(self) -> int:
        """Bytes that have arrived."""
        return self._stream.received

    @property
    def trailers(self) -> Sequence[tuple[Any, ...]]:
        """Fields that came after the content."""
        return self._stream.trailers

    @property
    def is_open(self) -> bool:
        """More may come."""
        return self._stream.is_open

    def hurry(self, until: float) -> None:
        """Let nobody wait for the rest any longer than that."""
        hurry(self._stream, until)

    async def receive(self) -> bytes:
        """The next bytes; empty at the end, when the copy has been handed over."""
        data = await self._stream.receive()
        if data:
            self._keep(data)
        else:
            await self._finish()
        return data

    async def receive_all(self, limit: int | None = None) -> bytes:
        """All that is left."""
        data = await self._stream.receive_all(limit)
        self._keep(data)
        await self._finish()
        return data

    def close(self) -> None:
        """Give up the rest, and the copy."""
        self._copy = None
        self._stream.close()

    def drop(self) -> None:
        """The same, soon, from wherever it is called."""
        self._copy = None
        self._stream.drop()

    def _keep(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limit:
            self._copy = None
        if self._copy is not None:
            self._copy.append(data)

    async def _finish(self) -> None:
        copy, self._copy = self._copy, None
        if copy is not None:
            await self._done(b"".join(copy))
