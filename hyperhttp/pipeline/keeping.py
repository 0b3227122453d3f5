"""Content that is copied while it is read: what a transport that stores responses keeps of it.

Nothing is read ahead and nothing twice. The copy is complete or there is none: content that breaks off, is given up or is
larger than the limit leaves nothing behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperhttp.message.reading import PassedStream, put_before

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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
        put_before(response, KeptStream(stream, limit, done))


class KeptStream(PassedStream):
    """Content on its way, and the copy of what has come so far."""

    __slots__ = ("_copy", "_done", "_limit", "_size")

    def __init__(self, stream: Stream, limit: int, done: Done) -> None:
        super().__init__(stream)
        self._limit = limit
        self._done = done
        self._size = 0
        self._copy: list[bytes] | None = []

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
