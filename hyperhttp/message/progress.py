"""Telling somebody how far a transfer has come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from hyperhttp.message.sources import Source

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.message.sources import Call

__all__ = ["ProgressTypes", "WatchedSource", "report"]

ProgressTypes: TypeAlias = "Callable[[int, int | None], Any]"
"""``progress(done, total)``: bytes so far, and bytes there will be, or None. Plain or ``async``."""

#: Bytes of content in memory between two reports.
_PIECE = 262_144


async def report(progress: ProgressTypes, done: int, total: int | None) -> None:
    """Call it, and await what it gives to await."""
    result = progress(done, total)
    if hasattr(result, "__await__"):
        await result


class WatchedSource(Source):
    """Content that tells how much of it was taken to be sent.

    A piece counts once the next one is asked for: the connection has taken it by then. Sent again, the content begins at 0.

    Args:
        content: what is sent.
        progress: is told.
    """

    __slots__ = ("_content", "_progress")

    def __init__(self, content: bytes | Source, progress: Any) -> None:
        if not callable(progress):
            msg = f"progress= takes a function of two numbers, not {type(progress).__name__}"
            raise TypeError(msg)
        if isinstance(content, Source):
            super().__init__(content.length, replayable=content.replayable, needs_async=content.needs_async)
        else:
            super().__init__(len(content), replayable=True)
        self._content = content
        self._progress = progress

    async def _read(self, call: Call) -> bytes:
        await report(self._progress, self._given, self.length)
        content = self._content
        if isinstance(content, Source):
            return await content.next_chunk(call)
        return content[self._given : self._given + _PIECE]

    def _reset(self) -> None:
        if isinstance(self._content, Source):
            self._content.rewind()

    def _release(self) -> None:
        if isinstance(self._content, Source):
            self._content.close()
