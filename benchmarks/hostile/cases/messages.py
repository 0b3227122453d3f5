"""HTTP/2: malformed responses (RFC 9113 section 8)."""

from __future__ import annotations

from typing import Any

from case import Case, Judge, never, refused
from http2 import END_HEADERS, END_STREAM, HEADERS, Peer, frame, literal

SECTION = "HTTP/2: messages"
OK = literal(b":status", b"200")


def malformed(name: str, fields: bytes, rule: str, does: str, body: bytes = b"hello", judge: Judge = refused) -> Case:
    """A field block, and content."""

    def play(peer: Peer, stream: int) -> None:
        peer.send(frame(HEADERS, stream, fields, END_HEADERS))
        peer.data(stream, body)

    return Case(f"h2-{name}", SECTION, rule, does, {"/": play}, judge, http2=True)


def trailed(name: str, fields: bytes, flags: int, rule: str, does: str) -> Case:
    """A trailer section that is none."""

    def play(peer: Peer, stream: int) -> Any:
        peer.head(stream)
        peer.data(stream, b"hello", 0)
        peer.send(frame(HEADERS, stream, fields, END_HEADERS | flags))
        if not flags:
            peer.data(stream, b"")

    return Case(f"h2-{name}", SECTION, rule, does, {"/": play}, refused, http2=True)


LINE = "RFC 9113 8.2.1"
PSEUDO = "RFC 9113 8.3"
LENGTH = "RFC 9113 8.1.1"

CASES = (
    malformed("name-upper-case", OK + literal(b"X-Upper", b"a"), LINE, "a name in upper case"),
    malformed("name-blank", OK + literal(b"x a", b"a"), LINE, "a blank in a name"),
    malformed("name-colon", OK + literal(b"x:a", b"a"), LINE, "a colon in a name"),
    malformed("value-lf", OK + literal(b"x-a", b"a\nset-cookie: b=c"), f"{LINE} (h2 CVE-2025-57804)", "LF in a value"),
    malformed("value-cr", OK + literal(b"x-a", b"a\rb"), LINE, "CR in a value"),
    malformed("value-nul", OK + literal(b"x-a", b"a\0b"), LINE, "NUL in a value"),
    malformed("connection-field", OK + literal(b"connection", b"close"), "RFC 9113 8.2.2", "a Connection field"),
    malformed("transfer-encoding", OK + literal(b"transfer-encoding", b"chunked"), "RFC 9113 8.2.2",
              "a Transfer-Encoding field", b"5\r\nhello\r\n0\r\n\r\n"),
    malformed("status-missing", literal(b"x-a", b"b"), PSEUDO, "no :status"),
    malformed("status-twice", OK + OK, PSEUDO, "two :status"),
    malformed("status-late", literal(b"x-a", b"b") + OK, PSEUDO, ":status behind a field"),
    malformed("status-letters", literal(b":status", b"2OO"), PSEUDO, "a status that is no number"),
    malformed("status-101", literal(b":status", b"101"), "RFC 9113 8.6", "101, which HTTP/2 has not"),
    malformed("request-field", OK + literal(b":path", b"/"), PSEUDO, "a pseudo-header field of requests"),
    malformed("length-too-large", OK + literal(b"content-length", b"10"), LENGTH, "says 10 bytes, sends 5"),
    malformed("length-too-small", OK + literal(b"content-length", b"3"), LENGTH, "says 3 bytes, sends 5"),
    malformed("lengths-differ", OK + literal(b"content-length", b"5") + literal(b"content-length", b"7"), LENGTH,
              "two lengths"),
    malformed("length-plus", OK + literal(b"content-length", b"+5"), LENGTH, "a length with a sign"),
    malformed("204-with-content", literal(b":status", b"204"), "RFC 9110 15.3.5", "content after 204: not delivered",
              b"smuggled", never(b"smuggled")),
    trailed("trailers-with-status", OK, END_STREAM, "RFC 9113 8.1", "a :status in the trailers"),
    trailed("trailers-without-end", literal(b"x-a", b"b"), 0, "RFC 9113 8.1", "trailers without END_STREAM, and the end after"),
)  # fmt: skip
