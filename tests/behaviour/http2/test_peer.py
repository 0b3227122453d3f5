"""The server these tests play by hand: frames as they are, field sections by the independent `hpack` package.

A test writes what happens on one connection as a plain function, which runs in a thread of a scripted server:

    def answer(peer):
        stream = peer.request().stream
        peer.head(stream)
        peer.data(stream, b"ok", end=True)

    server = Server(scripted, answer)
    async with face.client(**server.options) as client: ...

What this module tests is that such a server is one: the `h2` package's client understands it.
"""

from __future__ import annotations

import asyncio
import struct
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import h2.connection
import h2.events
import hpack

from hyperhttp.testing.http2 import frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.testing.scripted import ScriptedConnection, ScriptedServerFactory

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
(
    DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION,
) = range(10)  # fmt: skip
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
TABLE_SIZE, PUSH, MAX_STREAMS, INITIAL_WINDOW, FRAME_SIZE, LIST_SIZE = range(1, 7)
(
    NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR,
    REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM, INADEQUATE_SECURITY, HTTP_1_1_REQUIRED,
) = range(14)  # fmt: skip


class Frame(NamedTuple):
    """One frame from the client."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> int:
        """The error code of an RST_STREAM or GOAWAY frame."""
        return int.from_bytes(self.payload[4:8] if self.kind == GOAWAY else self.payload, "big")


class Asked(NamedTuple):
    """The head of a request."""

    stream: int
    fields: dict[str, str]
    is_whole: bool

    @property
    def path(self) -> str:
        """Its `:path`."""
        return self.fields[":path"]

    @property
    def method(self) -> str:
        """Its `:method`."""
        return self.fields[":method"]


class Peer:
    """The server's end of one HTTP/2 connection, moved by hand.

    Attributes:
        index: number of the connection, from 0.
        heard: every frame of the client's, in order.
        asked: the heads of the client's requests, in order.
        content: content received, by stream.
        is_polite: settings and pings are acknowledged.
    """

    def __init__(self, connection: ScriptedConnection, index: int, settings: dict[int, int] | None) -> None:
        self.connection = connection
        self.index = index
        self.heard: list[Frame] = []
        self.asked: list[Asked] = []
        self.content: dict[int, bytearray] = {}
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder(max_header_list_size=10_000_000)
        connection.sock.setsockopt(6, 1, 1)  # TCP_NODELAY: frames go out as they are made
        self._waiting: list[Asked] = []
        self.is_polite = settings is not None
        if settings is not None:
            self.begin(settings)

    # -- what it says ----------------------------------------------------------------------------------------

    def begin(self, settings: dict[int, int]) -> None:
        """Hear the preface, send the settings."""
        assert self.connection.read_exactly(len(PREFACE)) == PREFACE
        self.settings(settings)
        self.is_polite = True

    def frame(self, kind: int, stream: int, payload: bytes = b"", flags: int = 0) -> None:
        """Any frame."""
        self.connection.sendall(frame(kind, stream, payload, flags=flags))

    def settings(self, settings: dict[int, int]) -> None:
        """SETTINGS."""
        self.frame(SETTINGS, 0, b"".join(struct.pack(">HI", *setting) for setting in settings.items()))

    def head(self, stream: int, status: int = 200, *fields: tuple[str, str], end: bool = False) -> None:
        """A field section that begins with `:status`."""
        block = self.encoder.encode([(":status", str(status)), *fields])
        self.frame(HEADERS, stream, block, END_HEADERS | end)

    def trailers(self, stream: int, *fields: tuple[str, str]) -> None:
        """A field section that ends the stream."""
        self.frame(HEADERS, stream, self.encoder.encode(list(fields)), END_HEADERS | END_STREAM)

    def data(self, stream: int, data: bytes, *, end: bool = False) -> None:
        """DATA, in as many frames as it takes; windows are the test's business."""
        pieces = [data[at : at + 16_384] for at in range(0, len(data), 16_384)] or [b""]
        last = len(pieces) - 1
        self.connection.sendall(
            b"".join(
                frame(DATA, stream, piece, flags=int(end and number == last)) for number, piece in enumerate(pieces)
            )
        )

    def answer(self, stream: int, content: bytes = b"ok", status: int = 200) -> None:
        """A whole response."""
        self.head(stream, status)
        self.data(stream, content, end=True)

    def reset(self, stream: int, code: int) -> None:
        """RST_STREAM."""
        self.frame(RST_STREAM, stream, struct.pack(">I", code))

    def goaway(self, last: int, code: int = NO_ERROR, debug: bytes = b"") -> None:
        """GOAWAY."""
        self.frame(GOAWAY, 0, struct.pack(">II", last, code) + debug)

    def window(self, stream: int, increment: int) -> None:
        """WINDOW_UPDATE."""
        self.frame(WINDOW_UPDATE, stream, struct.pack(">I", increment))

    # -- what it hears ---------------------------------------------------------------------------------------

    def read(self) -> Frame:
        """The next frame.

        Raises:
            EOFError: the client has closed.
        """
        head = self.connection.read_exactly(9)
        size = int.from_bytes(head[:3], "big")
        got = Frame(head[3], head[4], int.from_bytes(head[5:], "big"), self.connection.read_exactly(size))
        self.heard.append(got)
        if self.is_polite and got.kind in (SETTINGS, PING) and not got.flags & ACK:
            self.frame(got.kind, 0, got.payload if got.kind == PING else b"", ACK)
        elif got.kind == HEADERS:
            self._open(got)
        elif got.kind == DATA:
            self.content.setdefault(got.stream, bytearray()).extend(got.payload)
        return got

    def _open(self, got: Frame) -> None:
        block = got.payload
        flags = got.flags
        while not flags & END_HEADERS:
            more = self.read()
            assert more.kind == CONTINUATION
            block += more.payload
            flags = more.flags
        request = Asked(got.stream, dict(self.decoder.decode(block)), bool(got.flags & END_STREAM))
        self.asked.append(request)
        self._waiting.append(request)

    def request(self) -> Asked:
        """The next request's head."""
        while not self._waiting:
            self.read()
        return self._waiting.pop(0)

    def until(self, kind: int, stream: int | None = None) -> Frame:
        """Read on up to the next frame of this kind that is no acknowledgement."""
        while True:
            got = self.read()
            if got.kind == kind and stream in (None, got.stream) and not (kind in (SETTINGS, PING) and got.flags & ACK):
                return got

    def settled(self, settings: dict[int, int]) -> None:
        """Announce other settings and wait until the client has taken them."""
        self.settings(settings)
        self.ping()

    def ping(self) -> None:
        """Wait until the client has dealt with all that was sent so far."""
        self.frame(PING, 0, b"see here")
        while self.read()[:2] != (PING, ACK):
            pass

    def whole(self, stream: int, *, generous: bool = True) -> bytes:
        """A request's whole content; `generous` opens the windows again by all that comes."""
        if next(request for request in self.asked if request.stream == stream).is_whole:
            return b""
        while not any(got.kind == DATA and got.stream == stream and got.flags & END_STREAM for got in self.heard):
            got = self.read()
            if generous and got.kind == DATA and got.payload:
                self.window(0, len(got.payload))
                if not got.flags & END_STREAM:
                    self.window(got.stream, len(got.payload))
        return bytes(self.content[stream])

    def serve(self, content: bytes = b"ok") -> None:
        """Answer whatever comes until the client closes."""
        while True:
            self.answer(self.request().stream, content)

    def rest(self, seconds: float = 3.0) -> list[Frame]:
        """What the client still says before it closes, which it must do in time."""
        first = len(self.heard)
        self.connection.settimeout(seconds)
        try:
            while True:
                self.read()
        except TimeoutError:
            raise AssertionError("the client did not close the connection") from None
        except (OSError, EOFError):
            return self.heard[first:]

    def resets(self) -> list[tuple[int, int]]:
        """Stream and code of each RST_STREAM so far."""
        return [(got.stream, got.code) for got in self.heard if got.kind == RST_STREAM]

    def flood(self, data: bytes, megabytes: int = 32) -> int:
        """Send the same again and again, until the client closes or gave in to so much; bytes it stood."""
        sent = 0
        piece = data * max(65_536 // len(data), 1)
        try:
            while sent < megabytes * 1024 * 1024:
                self.connection.sendall(piece)
                sent += len(piece)
        except OSError:
            pass
        return sent


class Server:
    """A scripted server whose connections are all played by the same function, or each by its own.

    Args:
        scripted: the fixture.
        script: called with each connection's `Peer`; or one function per connection, the last for all others.
        settings: what it announces; None leaves preface and settings to the script.
        tls: HTTP/2 by ALPN; else in clear.
    """

    def __init__(
        self,
        scripted: ScriptedServerFactory,
        *script: Callable[[Peer], object],
        settings: dict[int, int] | None = {},  # noqa: B006 - never changed
        tls: bool = False,
    ) -> None:
        self.peers: list[Peer] = []
        self._script = script
        self._settings = settings
        self.raw = scripted(self._play, tls=tls, alpn=["h2"] if tls else ())
        self.url = self.raw.url
        self.options: dict[str, Any] = {"timeout": 5.0}
        self.options |= {"ssl_context": self.raw.ssl_context()} if tls else {"http2": "prior-knowledge"}

    def _play(self, connection: ScriptedConnection, index: int) -> None:
        peer = Peer(connection, index, self._settings)
        self.peers.append(peer)
        self._script[min(index, len(self._script) - 1)](peer)

    @property
    def asked(self) -> list[str]:
        """Paths of all requests, connection by connection."""
        return [request.path for peer in self.peers for request in peer.asked]

    @property
    def resets(self) -> list[tuple[int, int]]:
        """Stream and code of each RST_STREAM that was heard."""
        return [reset for peer in self.peers for reset in peer.resets()]

    async def ended(self, seconds: float = 5.0) -> None:
        """Return when every connection is over."""
        assert await asyncio.to_thread(self.raw.wait_closed, seconds), "a connection is still open"


async def eventually(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Return when the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        await asyncio.sleep(0.002)


def in_use(client: Any) -> int:
    """Connections of a `FaceClient` that are in use or being opened."""
    return sum(counts["in_use"] for counts in client.raw.get_pool_stats().values())


def opened(client: Any) -> int:
    """Connections that a `FaceClient` has."""
    return sum(counts["total"] for counts in client.raw.get_pool_stats().values())


def signal() -> threading.Event:
    """What a script waits for and a test sets, or the other way round; a script must not wait for ever."""
    return threading.Event()


# -- the server is one -----------------------------------------------------------------------------------------


def test_an_independent_client_understands_the_server(scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        request = peer.request()
        assert (request.method, request.path, request.is_whole) == ("POST", "/path", False)
        assert peer.whole(request.stream) == b"content"
        peer.head(request.stream, 200, ("x-field", "value"))
        peer.data(request.stream, b"answer")
        peer.trailers(request.stream, ("x-trailer", "end"))

    import socket

    server = Server(scripted, script, settings={MAX_STREAMS: 7})
    client = h2.connection.H2Connection()
    client.initiate_connection()
    client.send_headers(1, [(":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", "/path")])
    client.send_data(1, b"content", end_stream=True)
    events: list[Any] = []
    with socket.create_connection(("127.0.0.1", server.raw.port), timeout=3) as sock:
        sock.sendall(client.data_to_send())
        while not any(isinstance(event, h2.events.StreamEnded) for event in events):
            events += client.receive_data(sock.recv(65_536))
            sock.sendall(client.data_to_send())
    assert client.remote_settings.max_concurrent_streams == 7
    kinds = [type(event) for event in events]
    assert h2.events.TrailersReceived in kinds
    assert b"".join(event.data for event in events if isinstance(event, h2.events.DataReceived)) == b"answer"
