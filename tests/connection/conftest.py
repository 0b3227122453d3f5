"""The server of an HTTP/2 conversation, played by hand with the independent `hpack` package."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import hpack
import pytest

from hyperhttp.config import Timeout
from hyperhttp.connection.http2 import HTTP2Connection
from hyperhttp.connection.http2_exchange import HTTP2Exchange
from hyperhttp.message.request import Request
from hyperhttp.network.base import NEVER
from tests.memory import MemoryChannel, MemoryNetwork, Releases, memory_lane, turns

if TYPE_CHECKING:
    import asyncio

PATIENT = Timeout(None)
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE = range(9)
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 3, 4


class H2Talk:
    """A connection, its pool's side, and a server that says what the test says."""

    def __init__(self, settings: dict[int, int] | None = None) -> None:
        self.channel = MemoryChannel("h2")
        self.network = MemoryNetwork()
        self.released = Releases()
        self.connection = HTTP2Connection(self.channel, self.network, memory_lane(scheme="https"), self.released)
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self._read = 0
        if settings is not None:
            self.settings(settings)
            self.frame(SETTINGS, 1, 0)
        self.heard()

    # -- the caller's side -----------------------------------------------------------------------------------

    def exchange(self, timeout: Timeout = PATIENT, total_at: float = NEVER) -> HTTP2Exchange:
        """One that has its place, as the pool would have given it."""
        self.connection.in_use += 1
        return HTTP2Exchange(self.connection, timeout, total_at, self.connection.read_at)

    async def ask(
        self, method: str = "GET", timeout: Timeout = PATIENT, total_at: float = NEVER, **options: Any
    ) -> asyncio.Task[Any]:
        """A request on its way."""
        import asyncio

        exchange = self.exchange(timeout, total_at)
        request = Request(method, "https://example.com/path?q=1", **options)
        task = asyncio.ensure_future(exchange.run(request))
        task.exchange = exchange  # type: ignore[attr-defined]
        await turns(4)
        return task

    # -- the server's side -----------------------------------------------------------------------------------

    def frame(self, kind: int, flags: int, stream: int, payload: bytes = b"") -> None:
        head = struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream)
        self.channel.feed(head + payload)

    def settings(self, settings: dict[int, int]) -> None:
        self.frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", *item) for item in settings.items()))

    def head(self, stream: int, status: int = 200, *fields: tuple[str, str], end: bool = False) -> None:
        block = self.encoder.encode([(":status", str(status)), *fields])
        self.frame(HEADERS, 4 | end, stream, block)

    def trailers(self, stream: int, *fields: tuple[str, str]) -> None:
        self.frame(HEADERS, 5, stream, self.encoder.encode(list(fields)))

    def data(self, stream: int, data: bytes, *, end: bool = False) -> None:
        for start in range(0, max(len(data), 1), 16_384):
            piece = data[start : start + 16_384]
            self.frame(DATA, int(end and start + 16_384 >= len(data)), stream, piece)

    def reset(self, stream: int, code: int) -> None:
        self.frame(RST_STREAM, 0, stream, struct.pack(">I", code))

    def goaway(self, last: int, code: int = 0) -> None:
        self.frame(GOAWAY, 0, 0, struct.pack(">II", last, code))

    def window(self, stream: int, increment: int) -> None:
        self.frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))

    def heard(self) -> list[tuple[int, int, int, bytes]]:
        """Frames that have come since: type, flags, stream, payload."""
        data = self.channel.sent.removeprefix(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        frames, at = [], self._read
        while at < len(data):
            size = int.from_bytes(data[at : at + 3], "big")
            stream = int.from_bytes(data[at + 5 : at + 9], "big")
            frames.append((data[at + 3], data[at + 4], stream, data[at + 9 : at + 9 + size]))
            at += 9 + size
        self._read = at
        return frames

    def resets(self) -> list[tuple[int, int]]:
        """Stream and code of each RST_STREAM that has come since."""
        return [(frame[2], int.from_bytes(frame[3], "big")) for frame in self.heard() if frame[0] == RST_STREAM]


@pytest.fixture
async def h2() -> H2Talk:
    """A conversation whose settings have been exchanged."""
    return H2Talk({})


@pytest.fixture
async def converse() -> Any:
    """Begins a conversation with the server's settings; None for a server that has not spoken yet."""
    return H2Talk
