"""The steps a scripted server can take, and the connection they act on."""

from __future__ import annotations

import re
import socket
import ssl
import struct
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Final, Protocol, TypeAlias, cast

__all__ = [
    "Close",
    "Drop",
    "Expect",
    "ReadRequest",
    "Reset",
    "Script",
    "ScriptedConnection",
    "Send",
    "Sleep",
    "Stall",
    "Step",
    "play",
]

_PIECE: Final = 64 * 1024
_LINGER_SECONDS: Final = 1.0
_UNWRAP_SECONDS: Final = 0.2
_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]+)[ \t]*\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r\n]*chunked[ \t]*\r\n", re.IGNORECASE)
_EXPECT = re.compile(rb"\r\nexpect:[ \t]*100-continue[ \t]*\r\n", re.IGNORECASE)


class Step(Protocol):
    """One thing a script does."""

    def play(self, connection: ScriptedConnection) -> None:
        """Do it."""


Script: TypeAlias = "bytes | Step | Sequence[bytes | Step]"


def play(script: Script, connection: ScriptedConnection) -> None:
    """Take the steps of a script, until its end or the connection's."""
    if connection.is_closed:
        return
    if isinstance(script, bytes):
        connection.sendall(script)
    elif isinstance(script, Sequence):
        for step in cast("Sequence[bytes | Step]", script):
            _take(step, connection)
    else:
        script.play(connection)


def _take(step: bytes | Step, connection: ScriptedConnection) -> None:
    if not connection.is_closed:
        connection.sendall(step) if isinstance(step, bytes) else step.play(connection)


@dataclass(frozen=True, slots=True)
class Send:
    """Send bytes; ``piece`` bytes at a time, ``pause`` seconds apart, if these are given."""

    data: bytes
    piece: int = 0
    pause: float = 0.0

    def play(self, connection: ScriptedConnection) -> None:
        """Do it."""
        size = self.piece or max(len(self.data), 1)
        for at in range(0, len(self.data), size):
            connection.sendall(self.data[at : at + size])
            if self.pause:
                connection.sleep(self.pause)


@dataclass(frozen=True, slots=True)
class ReadRequest:
    """Read one request, its content included."""

    def play(self, connection: ScriptedConnection) -> None:
        """Do it."""
        connection.read_request()


@dataclass(frozen=True, slots=True)
class Expect:
    """Read up to and including these bytes."""

    until: bytes

    def play(self, connection: ScriptedConnection) -> None:
        """Do it."""
        connection.read_until(self.until)


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait so many seconds; the end of the server ends it."""

    seconds: float

    def play(self, connection: ScriptedConnection) -> None:
        """Do it."""
        connection.sleep(self.seconds)


@dataclass(frozen=True, slots=True)
class Stall:
    """Send nothing more until the client closes, ``seconds`` are over, or the server ends; then reset."""

    seconds: float = 60.0

    def play(self, connection: ScriptedConnection) -> None:
        """Do it."""
        connection.stall(self.seconds)


@dataclass(frozen=True, slots=True)
class Close:
    """Close in order: with TLS a close_notify, then FIN; what the client still sends is read for a moment."""

    def play(self, connection: ScriptedConnection) -> None:
        """Do it."""
        connection.close()


@dataclass(frozen=True, slots=True)
class Drop:
    """FIN without the close_notify of TLS: a truncation attack (RFC 8446 section 6.1)."""

    def play(self, connection: ScriptedConnection) -> None:
        """Do it."""
        connection.drop()


@dataclass(frozen=True, slots=True)
class Reset:
    """Close with a TCP reset."""

    def play(self, connection: ScriptedConnection) -> None:
        """Do it."""
        connection.reset()


class ScriptedConnection:
    """The server's end of a connection; acts like a socket, and can read whole requests.

    Attributes:
        sock: the socket itself, an ``ssl.SSLSocket`` once TLS has been started.
        index: number of the connection, from 0.
        received: every byte that has been received.
        error: the failure that ended the connection, such as a client that left; None when there was none.
        over: set when the server is done with the connection.
        is_closed: this end has been closed.
    """

    def __init__(
        self,
        raw: socket.socket,
        index: int,
        stopping: threading.Event,
        requests: list[bytes],
        timeout: float,
    ) -> None:
        self.sock = raw
        self.index = index
        self.received = bytearray()
        self.error: Exception | None = None
        self.over = threading.Event()
        self.is_closed = False
        self._buffer = bytearray()
        self._stopping = stopping
        self._requests = requests
        raw.settimeout(timeout)

    def start_tls(self, context: ssl.SSLContext) -> None:
        """Become a TLS server; everything after goes through it."""
        # The handshake is a step of its own, so that a failed one leaves a socket to close in order.
        sock = context.wrap_socket(self.sock, server_side=True, do_handshake_on_connect=False)
        self.sock = sock
        sock.do_handshake()

    # As a socket.

    def recv(self, size: int = _PIECE) -> bytes:
        """Up to so many bytes, ``b""`` when the client has closed its side."""
        if self._buffer:
            data = bytes(self._buffer[:size])
            del self._buffer[:size]
            return data
        data = self.sock.recv(size)
        self.received += data
        return data

    def sendall(self, data: bytes) -> None:
        """Send all of these bytes."""
        self.sock.sendall(data)

    def settimeout(self, timeout: float | None) -> None:
        """Seconds each wait for the client may take."""
        self.sock.settimeout(timeout)

    def shutdown(self, how: int) -> None:
        """Close one direction."""
        self.sock.shutdown(how)

    # More than a socket.

    def read_until(self, end: bytes) -> bytes:
        """Everything up to and including ``end``.

        Raises:
            EOFError: the client closed before it came.
        """
        data = bytearray()
        while (at := data.find(end)) < 0:
            piece = self.recv()
            if not piece:
                raise EOFError(f"the client closed before {end!r} came; so far {bytes(data[-200:])!r}")
            data += piece
        at += len(end)
        self._buffer[:0] = data[at:]
        return bytes(data[:at])

    def read_exactly(self, size: int) -> bytes:
        """Exactly so many bytes.

        Raises:
            EOFError: the client closed before.
        """
        data = bytearray()
        while len(data) < size:
            piece = self.recv(size - len(data))
            if not piece:
                raise EOFError(f"the client closed after {len(data)} of {size} bytes")
            data += piece
        return bytes(data)

    def read_request(self) -> bytes:
        """One HTTP/1 request, head and content; ``b""`` when the client closed instead of sending one.

        The content is found by Content-Length or the chunked coding. A request that expects a 100 (Continue)
        is returned without its content.

        Raises:
            EOFError: the client closed in the middle.
        """
        first = self.recv()
        if not first:
            return b""
        self._buffer[:0] = first
        request = self.read_until(b"\r\n\r\n")
        if not _EXPECT.search(request):
            if match := _LENGTH.search(request):
                request += self.read_exactly(int(match[1]))
            elif _CHUNKED.search(request):
                request += self._read_chunked()
        self._requests.append(request)
        return request

    def _read_chunked(self) -> bytes:
        data = b""
        while True:
            line = self.read_until(b"\r\n")
            data += line
            size = int(line.split(b";")[0], 16)
            if not size:
                break
            data += self.read_exactly(size + 2)
        while line != b"\r\n":
            line = self.read_until(b"\r\n")
            data += line
        return data

    def sleep(self, seconds: float) -> None:
        """Wait; the end of the server ends it."""
        self._stopping.wait(seconds)

    def stall(self, seconds: float = 60.0) -> None:
        """Read and say nothing until the client closes or the time is over, then reset."""
        self.wait_for_eof(seconds)
        self.reset()

    def wait_for_eof(self, seconds: float = 5.0) -> bool:
        """Read until the client closes; whether it did in time."""
        deadline = monotonic() + seconds
        before = self.sock.gettimeout()
        try:
            while (left := deadline - monotonic()) > 0 and not self._stopping.is_set():
                self.sock.settimeout(left)
                if not self.recv():
                    return True
        except TimeoutError:
            return False
        except OSError:
            return True
        finally:
            if self.sock.fileno() >= 0:
                self.sock.settimeout(before)
        return False

    def close(self) -> None:
        """Close in order, reading what still comes for a moment so that the last bytes sent are not lost."""
        if self.is_closed:
            return
        self.is_closed = True
        try:
            if isinstance(self.sock, ssl.SSLSocket):
                self.sock.settimeout(_UNWRAP_SECONDS)
                self.sock = self.sock.unwrap()
        except (OSError, ValueError):
            pass  # the client does not answer the close_notify, or there was no handshake
        self._finish()

    def drop(self) -> None:
        """FIN, without a close_notify."""
        self.is_closed = True
        self._finish()

    def _finish(self) -> None:
        try:
            socket.socket.shutdown(self.sock, socket.SHUT_WR)
            deadline = monotonic() + _LINGER_SECONDS
            while (left := deadline - monotonic()) > 0 and not self._stopping.is_set():
                self.sock.settimeout(left)
                data = socket.socket.recv(self.sock, _PIECE)
                if not data:
                    break
        except (OSError, ValueError):
            pass  # the client has gone already
        self.sock.close()

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.is_closed = True
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass  # closed already
        self.sock.close()

    def interrupt(self) -> None:
        """Wake a handler that waits for the client; called from another thread when the server ends."""
        try:
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)
        except OSError:
            pass  # not connected any more
