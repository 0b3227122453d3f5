"""Content in pieces: bytes, text and lines, as an iterator that serves both faces.

Iterators are classes, not generators: leaving one early leaves nothing suspended behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from hyperhttp.exceptions import HyperHTTPError
from hyperhttp.message.text import LineSplitter, TextDecoder

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from typing import Self

    from hyperhttp.message.coding import CodingChain

__all__ = ["Bytes", "Lines", "Pieces", "Text", "drive_ready"]


class Readable(Protocol):
    """What an iterator needs of its response."""

    @property
    def encoding(self) -> str:
        """The charset of its text."""

    def give_up(self) -> None:
        """The rest is not wanted."""

    def blame(self, error: HyperHTTPError) -> None:
        """Say in an error which request it is about."""

    def start_iteration(self, *, raw: bool) -> bytes | None:
        """Begin; the whole content where it has been read before."""

    async def next_piece(self) -> bytes:
        """The next encoded bytes; empty at the end."""

    def new_chain(self) -> CodingChain | None:
        """What decodes it; None where nothing is to be decoded."""


def drive_ready(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine over content that is in hand: it cannot wait."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    coroutine.close()
    msg = "the content is still on its way"
    raise RuntimeError(msg)


class Pieces:
    """An iterator over content, asynchronous and blocking in one."""

    drive: Callable[[Coroutine[Any, Any, Any]], Any] = staticmethod(drive_ready)

    def __init__(self, response: Readable) -> None:
        self._response = response
        self._started = False

    def __aiter__(self) -> Self:
        return self

    def __iter__(self) -> Self:
        return self

    async def __anext__(self) -> Any:
        piece = await self._advance()
        if piece is None:
            raise StopAsyncIteration
        return piece

    def __next__(self) -> Any:
        piece = self.drive(self._advance())
        if piece is None:
            raise StopIteration
        return piece

    async def _advance(self) -> Any:
        """The next piece; None at the end."""
        raise NotImplementedError


class Bytes(Pieces):
    """Bytes, decoded or raw, as they come or in pieces of one size."""

    def __init__(self, response: Readable, size: int | None, *, raw: bool = False) -> None:
        super().__init__(response)
        if size is not None and size < 1:
            msg = f"chunk_size must be at least 1, not {size}"
            raise ValueError(msg)
        self._size = size
        self._raw = raw
        self._held = bytearray()
        self._chain: CodingChain | None = None
        self._pieces: Iterator[bytes] = iter(())
        self._ended = False

    async def _advance(self) -> bytes | None:
        if self._size is None:
            return await self._next() or None
        held = self._held
        while len(held) < self._size and (piece := await self._next()):
            held += piece
        result = bytes(held[: self._size])
        del held[: self._size]
        return result or None

    async def _next(self) -> bytes:
        """The next decoded bytes; empty at the end only."""
        if not self._started:
            self._start()
        try:
            while not (piece := next(self._pieces, b"")) and not self._ended:
                await self._fill()
        except HyperHTTPError as error:
            self._response.blame(error)
            self._response.give_up()
            raise
        return piece

    async def _fill(self) -> None:
        encoded = await self._response.next_piece()
        if not encoded:
            self._ended = True
            if self._chain is not None:
                self._chain.finish()
        elif self._chain is None:
            self._pieces = iter((encoded,))
        else:
            self._pieces = self._chain.decode(encoded)

    def _start(self) -> None:
        self._started = True
        response = self._response
        content = response.start_iteration(raw=self._raw)
        if content is not None:
            self._pieces = iter((content,) if content else ())
            self._ended = True
        elif not self._raw:
            self._chain = response.new_chain()


class Text(Pieces):
    """Text in pieces."""

    def __init__(self, response: Readable, size: int | None) -> None:
        super().__init__(response)
        if size is not None and size < 1:
            msg = f"chunk_size must be at least 1, not {size}"
            raise ValueError(msg)
        self._size = size
        self._bytes = Bytes(response, None)
        self._decoder: TextDecoder | None = None
        self._text = ""
        self._place = 0  # what is before it was given; taking it off each time would be quadratic
        self._later: list[str] = []  # what came behind the text
        self._left = 0  # characters that were not given
        self._ended = False

    async def _advance(self) -> str | None:
        size = self._size
        while not self._ended and self._left < (size or 1):
            self._later.append(await self._next())
            self._left += len(self._later[-1])
        if size is None or len(self._text) - self._place < size:
            self._text = "".join([self._text[self._place :], *self._later])
            self._later.clear()
            self._place = 0
        start = self._place
        piece = self._text[start:] if size is None else self._text[start : start + size]
        self._place = start + len(piece)
        self._left -= len(piece)
        return piece or None

    async def _next(self) -> str:
        if self._decoder is None:
            self._decoder = TextDecoder(self._response.encoding)
        data = await self._bytes._next()
        if data:
            return self._decoder.decode(data)
        self._ended = True
        return self._decoder.finish()


class Lines(Pieces):
    """Text in lines."""

    def __init__(self, response: Readable) -> None:
        super().__init__(response)
        self._text = Text(response, None)
        self._splitter = LineSplitter()
        self._lines: list[str] = []
        self._ended = False

    async def _advance(self) -> str | None:
        while not self._lines and not self._ended:
            text = "" if self._splitter.too_long else await self._text._advance()
            try:
                lines = self._splitter.finish() if text is None else self._splitter.split(text)
            except HyperHTTPError as error:
                self._response.blame(error)
                self._response.give_up()
                raise
            self._ended = text is None
            self._lines = lines[::-1]
        return self._lines.pop() if self._lines else None
