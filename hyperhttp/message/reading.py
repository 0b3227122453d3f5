"""How a response's content is read: the options of its client, and what it needs of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence

    from hyperhttp.message.coding import ContentCoding
    from hyperhttp.message.response import Response

__all__ = ["PassedStream", "ReadOptions", "Stream", "StreamGuard", "hurry", "put_before"]


class Stream(Protocol):
    """Content on its way, as a connection gives it."""

    @property
    def ended(self) -> bool:
        """The last byte has arrived."""

    @property
    def ended_at(self) -> float:
        """The moment of that; 0 until then."""

    @property
    def received(self) -> int:
        """Bytes that have arrived so far."""

    @property
    def trailers(self) -> Sequence[tuple[Any, ...]]:
        """Fields after the content."""

    @property
    def is_open(self) -> bool:
        """More may come."""

    async def receive(self) -> bytes:
        """The next bytes; empty at the end."""

    async def receive_all(self, limit: int | None = None) -> bytes:
        """All that is left."""

    def close(self) -> None:
        """Give up the rest."""

    def drop(self) -> None:
        """The same, soon, from wherever it is called."""


def hurry(stream: Stream, until: float) -> None:
    """Let whoever reads wait until that moment at the latest, where the stream comes from a network."""
    if hasattr(stream, "hurry"):
        stream.hurry(until)


class PassedStream:
    """Content on its way that passes through somebody's hands; what that does to it is for subclasses to say."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

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
        """The next bytes; empty at the end."""
        return await self._stream.receive()

    async def receive_all(self, limit: int | None = None) -> bytes:
        """All that is left."""
        return await self._stream.receive_all(limit)

    def close(self) -> None:
        """Give up the rest."""
        self._stream.close()

    def drop(self) -> None:
        """The same, soon, from wherever it is called."""
        self._stream.drop()


def put_before(response: Response, stream: Stream) -> None:
    """Let the content of a response be read through another stream, which has the one before it inside."""
    response._stream = stream
    if response._guard is not None:
        response._guard._stream = stream


class ReadOptions:
    """How a client reads content: shared by all its responses.

    Attributes:
        codings: content codings by name.
        max_size: bytes of decoded content that may be kept in memory, or None.
        max_ratio: decoded bytes per encoded byte, or None.
        drive: runs a coroutine on a blocking client; None on an asynchronous one.
        json: loads JSON from bytes.
        json_as: loads JSON as a type, where the client's codec can.
    """

    __slots__ = ("codings", "drive", "json", "json_as", "max_ratio", "max_size")

    def __init__(
        self,
        codings: Mapping[str, ContentCoding],
        max_size: int | None,
        max_ratio: float | None,
        drive: Callable[[Coroutine[Any, Any, Any]], Any] | None = None,
        json: Callable[[bytes], Any] | None = None,
        json_as: Callable[[bytes, Any], Any] | None = None,
    ) -> None:
        self.codings = codings
        self.max_size = max_size
        self.max_ratio = max_ratio
        self.drive = drive
        self.json = json
        self.json_as = json_as


class StreamGuard:
    """Held by a response and by nothing else: when both are dropped before the content was read, the connection is freed."""

    __slots__ = ("_stream",)

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __del__(self) -> None:
        if self._stream.is_open:
            self._stream.drop()
