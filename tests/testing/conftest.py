"""Independent clients for the origin's own tests: http.client, raw sockets, and h2."""

from __future__ import annotations

import http.client
import json
import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import h2.config
import h2.connection
import h2.errors
import h2.events
import pytest

from hyperhttp.testing.exchange import Exchange
from hyperhttp.testing.messages import Fields, ReceivedRequest, Reply
from hyperhttp.testing.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 10.0


@pytest.fixture(scope="session")
def shared_origin() -> Iterator[Origin]:
    with Origin() as origin:
        yield origin


@pytest.fixture(scope="session")
def shared_http2_origin() -> Iterator[Origin]:
    with Origin(http2=True) as origin:
        yield origin


@pytest.fixture
def origin(shared_origin: Origin) -> Iterator[Origin]:
    shared_origin.clear()
    yield shared_origin
    assert shared_origin.errors == []


@pytest.fixture
def http2_origin(shared_http2_origin: Origin) -> Iterator[Origin]:
    shared_http2_origin.clear()
    yield shared_http2_origin
    assert shared_http2_origin.errors == []


@dataclass
class Answer:
    """A response as http.client saw it."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


def fetch_once(
    origin: Origin,
    path: str,
    *,
    method: str = "GET",
    body: Any = None,
    headers: dict[str, str] | None = None,
    **options: Any,
) -> Answer:
    connection = http.client.HTTPConnection("127.0.0.1", origin.port, timeout=PATIENCE)
    try:
        connection.request(method, path, body=body, headers=headers or {}, **options)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


@pytest.fixture
def fetch(origin: Origin) -> Any:
    """``fetch(path, method=, body=, headers=)`` on a connection of its own."""
    return lambda path, **options: fetch_once(origin, path, **options)


@dataclass
class RawAnswer:
    """What a raw socket received until the end, and how that end came."""

    data: bytes
    end: str  # "closed", "reset" or "timeout"

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]


def converse(address: tuple[str, int], data: bytes, *, patience: float = PATIENCE) -> RawAnswer:
    """Send bytes and receive until the other side closes."""
    with socket.create_connection(address, timeout=patience) as sock:
        sock.sendall(data)
        received = bytearray()
        end = "closed"
        try:
            while piece := sock.recv(65536):
                received += piece
        except TimeoutError:
            end = "timeout"
        except ConnectionResetError:
            end = "reset"
        return RawAnswer(bytes(received), end)


@pytest.fixture
def raw(origin: Origin) -> Any:
    """``raw(bytes, patience=)`` on a connection of its own."""
    return lambda data, **options: converse(("127.0.0.1", origin.port), data, **options)


@dataclass
class StreamAnswer:
    """What an HTTP/2 stream received."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    interim: list[int] = field(default_factory=list)
    body: bytearray = field(default_factory=bytearray)
    trailers: dict[str, str] = field(default_factory=dict)
    ended: bool = False
    reset: int | None = None

    def json(self) -> Any:
        return json.loads(self.body)


class H2Client:
    """A blocking HTTP/2 client on the h2 package; flow-control windows are opened as data is read."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(PATIENCE)
        self.sock = sock
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(header_encoding="utf-8"))
        self.h2.initiate_connection()
        self.streams: dict[int, StreamAnswer] = {}
        self.goaway: h2.events.ConnectionTerminated | None = None
        self.closed = ""
        self.acknowledge = True
        self.flush()

    def flush(self) -> None:
        if data := self.h2.data_to_send():
            self.sock.sendall(data)

    def start(self, path: str, *, method: str = "GET", headers: dict[str, str] | None = None, end: bool = True) -> int:
        stream_id = self.h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":scheme", "https"), (":authority", "origin.test"), (":path", path)]
        self.h2.send_headers(stream_id, [*pseudo, *(headers or {}).items()], end_stream=end)
        self.streams[stream_id] = StreamAnswer()
        self.flush()
        return stream_id

    def send(self, stream_id: int, data: bytes, *, end: bool = True) -> None:
        """Send content, reading window updates whenever a window is shut."""
        while data and self.streams[stream_id].reset is None:
            room = min(self.h2.local_flow_control_window(stream_id), self.h2.max_outbound_frame_size)
            if not room:
                self.pump()
                continue
            self.h2.send_data(stream_id, data[:room])
            data = data[room:]
            self.flush()
        if end and self.streams[stream_id].reset is None:
            self.h2.end_stream(stream_id)
            self.flush()

    def pump(self) -> bool:
        """Receive once; False when the connection is over."""
        try:
            data = self.sock.recv(65536)
            for event in self.h2.receive_data(data):
                self._take(event)
            self.flush()
        except ConnectionError:
            self.closed = "reset"
            return False
        self.closed = "" if data else "closed"
        return bool(data)

    def _take(self, event: Any) -> None:
        answer = self.streams.get(getattr(event, "stream_id", None) or 0)
        if isinstance(event, h2.events.ConnectionTerminated):
            self.goaway = event
        elif answer is None:
            return
        elif isinstance(event, h2.events.InformationalResponseReceived):
            answer.interim.append(int(dict(event.headers)[":status"]))
        elif isinstance(event, h2.events.ResponseReceived):
            answer.headers = dict(event.headers)
            answer.status = int(answer.headers[":status"])
        elif isinstance(event, h2.events.DataReceived):
            answer.body += event.data
            if self.acknowledge:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, h2.events.TrailersReceived):
            answer.trailers = dict(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            answer.ended = True
        elif isinstance(event, h2.events.StreamReset):
            answer.reset = int(event.error_code)

    def wait(self, stream_id: int) -> StreamAnswer:
        """Receive until the stream is over, or the connection."""
        answer = self.streams[stream_id]
        while not answer.ended and answer.reset is None and self.pump():
            pass
        return answer

    def get(self, path: str, **options: Any) -> StreamAnswer:
        return self.wait(self.start(path, **options))


@pytest.fixture
def h2_client(http2_origin: Origin) -> Iterator[H2Client]:
    """A client on TLS with ALPN."""
    context = http2_origin.ssl_context(alpn=["h2"])
    plain = socket.create_connection(("127.0.0.1", http2_origin.https_port), timeout=PATIENCE)
    with context.wrap_socket(plain, server_hostname="localhost") as sock:
        assert sock.selected_alpn_protocol() == "h2"
        yield H2Client(sock)


@pytest.fixture
def h2c_client(http2_origin: Origin) -> Iterator[H2Client]:
    """A client in clear, with prior knowledge."""
    with socket.create_connection(("127.0.0.1", http2_origin.port), timeout=PATIENCE) as sock:
        yield H2Client(sock)


class RecordedExchange(Exchange):
    """An exchange in memory: content comes from a list, and what is sent is written down."""

    garbage = b"garbage"
    leftover = b"leftover"
    idle_notice = b"notice"

    def __init__(
        self,
        target: str = "/",
        *,
        method: str = "GET",
        headers: list[tuple[str, str]] | None = None,
        content: list[bytes] | None = None,
        notes: dict[str, Any] | None = None,
    ) -> None:
        fields = Fields(headers or [("Host", "origin.test")])
        super().__init__(ReceivedRequest(method, target, "HTTP/1.1", fields), {} if notes is None else notes)
        self.pieces = list(content or [])
        self.sent: list[Any] = []

    async def read(self) -> bytes:
        data = self.pieces.pop(0) if self.pieces else b""
        self.request.receive(data)
        self.request.is_complete = not self.pieces
        return data

    async def send_interim(self, status: int, fields: Any) -> None:
        self.sent.append(("interim", status))

    async def send_head(self, reply: Reply, length: int | None) -> None:
        self.head_sent = True
        self.sent.append(("head", reply.status, length))

    async def write(self, data: bytes) -> None:
        self.sent.append(data)

    async def finish(self, trailers: Any = ()) -> None:
        self.sent.append(("end", list(trailers)))

    async def send_raw(self, data: bytes) -> None:
        self.sent.append(("raw", data))

    async def stall(self, seconds: float) -> None:
        self.sent.append(("stall", seconds))

    def close(self) -> None:
        self.sent.append("close")

    def reset(self) -> None:
        self.sent.append("reset")

    def reset_stream(self, error_code: int) -> None:
        self.sent.append(("reset_stream", error_code))

    async def send_goaway(self, *, served: bool) -> None:
        self.sent.append(("goaway", served))


@pytest.fixture
def exchange() -> type[RecordedExchange]:
    """The class of exchanges in memory."""
    return RecordedExchange
