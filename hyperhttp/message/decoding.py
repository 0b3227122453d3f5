"""Content that has arrived whole and is decoded into memory (RFC 9110, Section 8.4).

The work is a `CodingChain`'s. Added is what only content in hand allows: plain gzip takes one call of zlib, and
content that inflates further than ordinary content does is weighed before more of it is kept, so that a
bomb that its ratio would refuse in the end does not fill the memory on the way there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperhttp.exceptions import DecodingError

if TYPE_CHECKING:
    from hyperhttp.message.coding import CodingChain

__all__ = ["decode_all"]

LIGHT: Final = 8 * 1024 * 1024
"""Bytes decoded into memory before anybody asks how far the rest inflates."""

LIGHT_RATIO: Final = 32
"""The same for each byte received. Weighing costs the work a second time; text reaches a ratio of 20."""


def decode_all(chain: CodingChain | None, data: bytes, max_size: int | None = None) -> bytes:
    """Decode content that has arrived whole; one call of zlib for plain gzip.

    Args:
        chain: A chain nothing was fed to yet; None when there is nothing to decode.
        data: The encoded content.
        max_size: Most bytes it may decode to; None for no limit but the chain's ratio.

    Raises:
        DecodingError: the content does not follow its coding, ends early, or passes a limit.
    """
    if chain is None:
        _check_size(len(data), max_size)
        return data
    if not data:
        return b""
    light = max(LIGHT, LIGHT_RATIO * len(data))
    pieces: list[bytes] = []
    if len(chain._decoders) == 1:
        decoder = chain._decoders[0]
        chain._received = len(data)
        limit = _least(light, max_size, chain._allowance())
        # One byte more than allowed is asked for, so that passing the limit shows.
        output = decoder.decode(data, limit + 1)
        if len(output) <= limit and not decoder.pending:
            decoder.finish()
            return output
        chain._count(0, len(output))
        pieces.append(output)
        rest = chain.decode(b"")
    else:
        rest = chain.decode(data)
    size = sum(map(len, pieces))
    _check_size(size, max_size)
    is_weighed = False
    while True:
        if size > light and not is_weighed:
            _weigh(chain.again(), data, max_size)
            is_weighed = True
        piece = next(rest, b"")
        if not piece:
            break
        pieces.append(piece)
        size += len(piece)
        _check_size(size, max_size)
    chain.finish()
    return b"".join(pieces)


def _least(light: int, max_size: int | None, allowance: int | None) -> int:
    least = light
    if max_size is not None and max_size < least:
        least = max_size
    return allowance if allowance is not None and allowance < least else least


def _weigh(chain: CodingChain, data: bytes, max_size: int | None) -> None:
    """Decode without keeping anything: what is refused in the end is refused here."""
    size = 0
    for piece in chain.decode(data):
        size += len(piece)
        _check_size(size, max_size)


def _check_size(size: int, max_size: int | None) -> None:
    if max_size is not None and size > max_size:
        message = f"the content has more than the {max_size} bytes that may be kept in memory"
        raise DecodingError(message, limit=max_size)
