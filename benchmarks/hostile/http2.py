"""The server's end of HTTP/2 connections, made of frames: nothing is checked, everything can be sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import hpack

if TYPE_CHECKING:
    from hyperhttp.testing.scripts import ScriptedConnection

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
STATUS_200: Final = b"\x88"  # the entry of the static table
Fields = Iterable[tuple[bytes, bytes]]


class NotHTTP2(Exception):
    """The client did not choose HTTP/2."""


def frame(kind: int, stream: int, payload: bytes = b"", flags: int = 0, *, length: int | None = None) -> bytes:
    """A frame; `length` says another length than it has."""
    size = len(payload) if length is None else length
    return size.to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def settings(*pairs: tuple[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, b"".join(key.to_bytes(2, "big") + value.to_bytes(4, "big") for key, value in pairs))


def literal(name: bytes, value: bytes) -> bytes:
    """A field line in HPACK, without indexing and without Huffman coding."""
    return b"\x00" + string(name) + string(value)


def block(fields: Fields, *, status: bytes = STATUS_200) -> bytes:
    """The field block of a response."""
    return status + b"".join(literal(name, value) for name, value in fields)


def string(value: bytes) -> bytes:
    """A string in HPACK."""
    size = len(value)
    if size < 127:
        return bytes([size]) + value
    size, prefix = size - 127, b"\x7f"
    while size > 127:
        prefix += bytes([size & 127 | 128])
        size >>= 7
    return prefix + bytes([size]) + value


class Peer:
    """One connection."""

    def __init__(self, connection: ScriptedConnection, opening: bytes | None) -> None:
        self.connection = connection
        self.send = connection.sendall
        self.decoder = hpack.Decoder()
        self.streams: list[int] = []
        begin = connection.read_exactly(len(PREFACE))
        if begin != PREFACE:
            raise NotHTTP2
        self.send(settings() if opening is None else opening)

    def request(self) -> tuple[int, list[tuple[str, str]], int]:
        """The next request's stream, fields and size; content is not waited for."""
        while True:
            kind, flags, stream, payload = self.read()
            if kind == SETTINGS and not flags & ACK:
                self.send(frame(SETTINGS, 0, flags=ACK))
            elif kind == PING and not flags & ACK:
                self.send(frame(PING, 0, payload, ACK))
            elif kind == HEADERS and stream not in self.streams:
                return self._opened(flags, stream, payload)

    def _opened(self, flags: int, stream: int, payload: bytes) -> tuple[int, list[tuple[str, str]], int]:
        if flags & PADDED:
            payload = payload[1 : len(payload) - payload[0]]
        if flags & 32:
            payload = payload[5:]
        while not flags & END_HEADERS:
            _, flags, _, more = self.read()
            payload += more
        self.streams.append(stream)
        fields = self.decoder.decode(payload)
        return stream, [(as_text(name), as_text(value)) for name, value in fields], len(payload)

    def read(self) -> tuple[int, int, int, bytes]:
        """A frame."""
        head = self.connection.read_exactly(9)
        payload = self.connection.read_exactly(int.from_bytes(head[:3], "big"))
        return head[3], head[4], int.from_bytes(head[5:], "big"), payload

    def respond(self, stream: int, body: bytes, fields: Fields = ()) -> None:
        """A proper response."""
        self.head(stream, fields)
        self.data(stream, body)

    def head(self, stream: int, fields: Fields = (), flags: int = END_HEADERS) -> None:
        """HEADERS with status 200."""
        self.send(frame(HEADERS, stream, block(fields), flags))

    def data(self, stream: int, body: bytes, flags: int = END_STREAM) -> None:
        """DATA."""
        self.send(frame(DATA, stream, body, flags))

    def flood(self, piece: bytes, limit: int = 256 * 1024 * 1024, pause: float = 0.0) -> None:
        """The same bytes until the client closes, or so many are sent; then silence."""
        many = piece if pause else piece * max(1, 65536 // len(piece))
        sent = 0
        while sent < limit:
            self.send(many)
            sent += len(many)
            if pause:
                self.connection.sleep(pause)
        self.connection.stall()


def as_text(value: bytes | str) -> str:
    """What hpack gives, as text."""
    return value if isinstance(value, str) else value.decode("latin-1")
