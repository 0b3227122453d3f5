"""A run of bytes as a source of choices, so that a fuzzer that changes bytes changes what is done."""

from __future__ import annotations

from typing import TypeVar

__all__ = ["Supply", "cut"]

_Choice = TypeVar("_Choice")


class Supply:
    """Gives numbers, choices and strings from `data`; zeros and empty strings when it is used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def __bool__(self) -> bool:
        return self._at < len(self._data)

    def byte(self) -> int:
        """The next byte."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def choice(self, options: list[_Choice]) -> _Choice:
        """One of them, by the next byte."""
        return options[self.byte() % len(options)]

    def take(self, size: int) -> bytes:
        """As many bytes, or what is left."""
        start = min(self._at, len(self._data))
        self._at = start + size
        return self._data[start : start + size]

    def line(self) -> bytes:
        """What is there up to the next ``|``, a byte that seeds are easily written with."""
        rest = self._data[self._at :]
        piece = rest.partition(b"|")[0]
        self._at += len(piece) + 1
        return piece

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self._data))

    def text(self) -> str:
        """What is there up to the next ``|``, as text in which every byte is some character."""
        return as_text(self.line())


def as_text(data: bytes) -> str:
    """UTF-8, and a lone surrogate for every byte that is none."""
    return data.decode("utf-8", "surrogateescape")


def cut(data: bytes, seed: int) -> list[bytes]:
    """`data` in pieces whose sizes follow from `seed`: as a whole, one byte each, or anything between."""
    if seed == 0:
        return [data]
    if seed == 1:
        return [data[at : at + 1] for at in range(len(data))]
    pieces = []
    at, state = 0, seed
    while at < len(data):
        state = (state * 1103515245 + 12345) & 0x7FFFFFFF
        size = 1 + (state >> 16) % (seed % 64 + 1)
        pieces.append(data[at : at + size])
        at += size
    return pieces
