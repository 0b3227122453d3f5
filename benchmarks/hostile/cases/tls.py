"""TLS: whom a client believes, and where content without a length ends."""

from __future__ import annotations

from case import Case, Facts, every, refused

from hyperhttp.testing.scripts import Drop

SECTION = "TLS"
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def unasked(facts: Facts) -> str | None:
    """No request may have reached the server."""
    return "the request was sent" if facts.seen else None


def certificate(kind: str, does: str) -> Case:
    """A certificate that must not be believed."""
    return Case(
        f"tls-{kind}", SECTION, "RFC 9110 4.3.4", does, {"/": HELLO}, every(refused, unasked), tls=kind, last=False
    )


CASES = (
    certificate("wrong-host", "a certificate for another host"),
    certificate("expired", "a certificate that has expired"),
    certificate("self-signed", "a certificate nobody vouches for"),
    Case("tls-truncated-close", SECTION, "RFC 9112 9.8", "content without length, cut off without close_notify",
         {"/": [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello", Drop()]}, refused, tls="good"),
    Case("tls-truncated-length", SECTION, "RFC 9112 8", "5 of 10 bytes, cut off without close_notify",
         {"/": [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", Drop()]}, refused, tls="good"),
    Case("tls-is-plain", SECTION, "RFC 8446 6.2", "answers a TLS handshake in clear",
         {}, refused, tls="none", last=False),
    Case("tls-silent", SECTION, "Timeouts", "accepts the connection, and never answers the handshake",
         {}, refused, tls="silent", last=False),
)  # fmt: skip
