"""Small changes to bytes: what the runner uses where atheris is not installed, and what CI repeats exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

__all__ = ["TOKENS", "mutant"]

#: Bytes that mean something to one parser or another.
TOKENS = [
    *(bytes([byte]) for byte in b'\0\t\n\r "#%&\'()*+,-./0:;<=>?@[\\]_`{|}~\x1f\x7f\x80\xff'),
    b"\r\n", b"\r\n\r\n", b"\n\n", b"\r\r", b" \t", b'\\"', b"\xc3\xa9", b"\xed\xa0\x80", b"\xef\xbb\xbf", b"\xe2\x80\xa8",
    b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Connection: close\r\n", b"0\r\n\r\n", b"HTTP/1.1 100 \r\n\r\n",
    b"ffffffffffffffff", b"18446744073709551616", b"99999999999999999999", b"-1", b"0x1", b"1e9", b"\xd9\xa1",
    b"\0\0\0\x04\0\0\0\0\0", b"\0\0\x08\x06\0\0\0\0\0\0\0\0\0\0\0\0\0", b"\x3f\xe1\x1f", b"\x7f\xff\xff\xff", b"\x88", b"\xbe",
    b"//", b"/../", b"/./", b"%2e", b"%2F", b"%00", b"%", b"@", b"xn--", b"[::1]", b":80", b"127.0.0.1", b"0x7f.1", b"\xe3\x80\x82",
    b"__Host-", b"; Domain=", b"; Path=/", b"; Secure", b"; Expires=", b"; Max-Age=", b"Thu, 01 Jan 1970 00:00:00 GMT",
    b"Digest ", b"realm=", b"nonce=", b"qop=auth", b'="', b"Basic ", b"Negotiate ", b"=", b"==",
    b"data:", b"id:", b"event:", b"retry:", b"\n\ndata: x\n\n", b"rel=", b'; rel="next"', b"<", b">", b";w=", b";q=", b";r=",
    b";t=",
]  # fmt: skip

_BITS = [1 << bit for bit in range(8)]


def mutant(chance: Random, seeds: Sequence[bytes], limit: int = 4096) -> bytes:
    """One of the seeds after a few changes, at most `limit` bytes of it."""
    data = bytearray(chance.choice(seeds))
    for _ in range(chance.choice((1, 1, 2, 3, 5, 8))):
        _change(chance, data, seeds)
    return bytes(data[:limit])


def _change(chance: Random, data: bytearray, seeds: Sequence[bytes]) -> None:
    at = chance.randrange(len(data) + 1)
    size = chance.choice((0, 1, 1, 2, 4, 8, 30))
    kind = chance.randrange(8)
    if kind == 0:
        data[at:at] = chance.choice(TOKENS)
    elif kind == 1:
        data[at : at + size] = chance.choice(TOKENS)
    elif kind == 2:
        del data[at : at + size]
    elif kind == 3:
        data[at:at] = data[at : at + size] * chance.choice((1, 1, 2, 40))
    elif kind == 4:
        other = chance.choice(seeds)
        start = chance.randrange(len(other) + 1)
        data[at:at] = other[start : start + chance.choice((1, 8, 60))]
    elif kind == 5 and at < len(data):
        data[at] ^= chance.choice(_BITS)
    elif kind == 6 and at < len(data):
        data[at] = chance.randrange(256)
    else:
        data[at : at + size] = chance.randbytes(size)
