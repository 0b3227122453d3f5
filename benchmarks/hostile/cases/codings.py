"""Content codings: bombs, and content that is not what it says (RFC 9110 section 8.4)."""

from __future__ import annotations

import gzip
import zlib
from functools import cache

from case import Case, Facts, Judge, refused, refused_or

SECTION = "Content codings"
BOMB = "Decompression bombs (urllib3 CVE-2025-66418, CVE-2025-66471 and kin)"
CODED = "RFC 9110 8.4"
PLAIN = b"hello, hello, hello, hello, hello"
GOOD = gzip.compress(PLAIN, mtime=0)
MIB = 1024 * 1024


@cache
def bomb(layers: int) -> bytes:
    """256 MiB of zeros, coded so many times."""
    if layers > 1:
        return gzip.compress(bomb(layers - 1), mtime=0)
    coder = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join([*(coder.compress(bytes(MIB)) for _ in range(256)), coder.flush()])


class Coded:
    """Content in a coding, made when it is needed."""

    def __init__(self, layers: int) -> None:
        self.layers = layers

    def prepare(self) -> None:
        """Make it, before anybody waits for it."""
        bomb(self.layers)

    def play(self, connection) -> None:  # type: ignore[no-untyped-def]
        """Send it."""
        data = bomb(self.layers)
        codings = b", ".join([b"gzip"] * self.layers)
        head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (codings, len(data))
        connection.sendall(head + data)


def coded(name: str, coding: bytes, data: bytes, rule: str, does: str, judge: Judge = refused) -> Case:
    """Content that says it is in a coding."""
    answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s" % (coding, len(data), data)
    return Case(name, SECTION, rule, does, {"/": answer}, judge)


def not_inflated(facts: Facts) -> str | None:
    """Not the whole of it: an error, or the content as it was sent."""
    step = facts.hostile
    return None if "error" in step or step["length"] < 16 * MIB else f"inflated {step['length'] // MIB} MiB"


def exploding(name: str, layers: int, does: str) -> Case:
    """A bomb."""
    return Case(name, SECTION, BOMB, does, {"/": Coded(layers)}, not_inflated)


ten = PLAIN
for _ in range(10):
    ten = gzip.compress(ten, mtime=0)

CASES = (
    exploding("gzip-bomb", 1, "256 MiB in 255 KiB"),
    exploding("gzip-bomb-twice", 2, "256 MiB coded twice, in less than 1 KiB"),
    exploding("gzip-bomb-ten-times", 10, "256 MiB coded ten times"),
    coded("gzip-ten-times", b", ".join([b"gzip"] * 10), ten, BOMB,
          "33 bytes coded ten times: an error, or the content, decoded or not",
          refused_or(PLAIN, ten)),
    coded("gzip-ten-thousand-names", b", ".join([b"gzip"] * 10_000), GOOD, BOMB,
          "ten thousand codings named: an error, or the content as it was sent",
          refused_or(GOOD)),
    coded("gzip-truncated", b"gzip", GOOD[:-12], CODED, "gzip content without its end"),
    coded("gzip-without-trailer", b"gzip", GOOD[:-8], CODED, "gzip content without its checksum"),
    coded("gzip-wrong-checksum", b"gzip", GOOD[:-8] + bytes(4) + GOOD[-4:], CODED, "a wrong checksum"),
    coded("gzip-is-plain", b"gzip", PLAIN, CODED, "says gzip, is not: an error, or the content as it was sent",
          refused_or(PLAIN)),
    coded("gzip-then-garbage", b"gzip", GOOD + b"garbage", "RFC 1952 2.2",
          "bytes after the end: an error, or the content without them", refused_or(PLAIN)),
    coded("coding-unknown-name", b"gzipp", GOOD, CODED, "a coding nobody knows: an error, or the content as it was sent",
          refused_or(GOOD)),
    coded("deflate-truncated", b"deflate", zlib.compress(PLAIN)[:-8], CODED, "deflate content without its end"),
)  # fmt: skip
