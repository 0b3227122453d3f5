"""The Huffman code of HPACK (RFC 7541 section 5.2 and Appendix B).

The code is canonical: codes of one length are consecutive numbers in the order of their symbols. So the table
of the appendix follows from the 257 lengths alone, and that is all that is written down here.

Decoding walks one byte at a time through a machine whose states are the inner nodes of the code tree. A
transition is worked out when it is met for the first time and kept for the process: about 60 ns per byte
afterwards, and at most 256 x 256 transitions in all, however hostile the input.
"""

from __future__ import annotations

from typing import Final

__all__ = ["HuffmanError", "decode", "encode"]

#: Bits per symbol, 0 to 255 and then EOS (RFC 7541 Appendix B).
_LENGTHS: Final = (
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28,
    28, 28, 28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7,
    7, 7, 7, 15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21,
    23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24,
    21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26, 30,
)  # fmt: skip
_EOS: Final = 256
_LONGEST_PADDING: Final = 7


class HuffmanError(ValueError):
    """The bytes are not a string in this code."""


def encode(data: bytes) -> bytes:
    """`data` in the Huffman code, padded with the first bits of EOS."""
    bits = "".join([_BITS[byte] for byte in data])
    if not bits:
        return b""
    bits += "1" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def decode(data: bytes) -> bytes:
    """The string that `data` encodes.

    Raises:
        HuffmanError: EOS appears, or the padding is longer than seven bits or not made of ones (RFC 7541
            5.2).
    """
    state = _START
    pieces = []
    for byte in data:
        piece, state = state[byte]
        pieces.append(piece)
    if not state.may_end:
        raise HuffmanError("the padding of a Huffman string is wrong")
    return b"".join(pieces)


class _State(dict[int, "tuple[bytes, _State]"]):
    """An inner node of the code tree; maps the next byte to the symbols it completes and the state after it.

    Attributes:
        children: what a 0 and a 1 lead to: another inner node, or a symbol.
        may_end: whether the bits that led here from the root are acceptable padding.
    """

    __slots__ = ("children", "may_end")

    def __init__(self, *, may_end: bool) -> None:
        super().__init__()
        self.children: list[_State | int | None] = [None, None]
        self.may_end = may_end

    def __missing__(self, byte: int) -> tuple[bytes, _State]:
        state = self
        symbols = bytearray()
        for shift in range(7, -1, -1):
            child = state.children[byte >> shift & 1]
            if isinstance(child, _State):
                state = child
                continue
            if child is None or child == _EOS:
                raise HuffmanError("a Huffman string holds the end-of-string symbol")
            symbols.append(child)
            state = _START
        transition = self[byte] = (bytes(symbols), state)
        return transition


def _canonical_codes() -> list[str]:
    """The codes of all symbols as strings of 0 and 1."""
    codes = [""] * len(_LENGTHS)
    code = 0
    for length in range(min(_LENGTHS), max(_LENGTHS) + 1):
        for symbol, symbol_length in enumerate(_LENGTHS):
            if symbol_length == length:
                codes[symbol] = f"{code:0{length}b}"
                code += 1
        code <<= 1
    return codes


def _code_tree(codes: list[str]) -> _State:
    root = _State(may_end=True)
    for symbol, code in enumerate(codes):
        node = root
        for depth, bit in enumerate(code[:-1], 1):
            child = node.children[int(bit)]
            if not isinstance(child, _State):
                child = _State(may_end=depth <= _LONGEST_PADDING and "0" not in code[:depth])
                node.children[int(bit)] = child
            node = child
        node.children[int(code[-1])] = symbol
    return root


_BITS: Final = _canonical_codes()
_START: Final = _code_tree(_BITS)
