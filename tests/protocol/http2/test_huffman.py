from __future__ import annotations

import pytest
from hpack.huffman import HuffmanEncoder
from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH

from hyperhttp.protocol.http2.huffman import HuffmanError, decode, encode

_INDEPENDENT = HuffmanEncoder(REQUEST_CODES, REQUEST_CODES_LENGTH)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", ""),
        (b"www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"),
        (b"no-cache", "a8eb10649cbf"),
        (b"Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"),
    ],
)
def test_examples_of_rfc_7541(text: bytes, code: str) -> None:
    assert encode(text).hex() == code
    assert decode(bytes.fromhex(code)) == text


@pytest.mark.parametrize("byte", range(256))
def test_every_symbol_has_the_code_of_appendix_b(byte: int) -> None:
    text = bytes((byte,)) * 3
    assert encode(text) == _INDEPENDENT.encode(text)
    assert decode(encode(text)) == text


def test_long_strings_survive_the_round_trip() -> None:
    text = bytes(range(256)) * 40
    assert decode(encode(text)) == text


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("ff", "eight bits of padding"),
        ("1fff", "a whole byte of padding after 'a'"),
        ("18", "padding with zeros after 'a'"),
        ("3fffffff", "end of string in the middle"),
        ("fffffffc", "end of string as the first symbol"),
    ],
)
def test_bad_padding_and_end_of_string_are_refused(code: str, why: str) -> None:
    with pytest.raises(HuffmanError):
        decode(bytes.fromhex(code))
