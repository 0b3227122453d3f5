"""Exchanges, connections and pool together, under whatever peers and callers do, in any order.

Seeded random walks over memory: callers ask, read, break off and are cancelled; peers answer in pieces, early, late or
never, reset, close and change their settings; transports get stuck. At the end everybody must have an answer or an
error, and nothing may be left: no exchange, no open stream, no deadline, no connection that is neither idle nor gone.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, SettingsAcknowledged, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from hyperhttp.config import Limits, Timeout
from hyperhttp.connection.http1 import HTTP1Connection
from hyperhttp.connection.http2 import HTTP2Connection
from hyperhttp.connection.route import Route
from hyperhttp.exceptions import HyperHTTPError
from hyperhttp.message.cookies import Cookies
from hyperhttp.message.request import Request
from hyperhttp.message.response import ReadOptions
from hyperhttp.network.base import NEVER
from hyperhttp.network.failures import AddressFailures
from hyperhttp.pipeline.call import Call
from hyperhttp.pipeline.exchange import exchange
from hyperhttp.pool.pool import ConnectionPool
from tests.memory import MemoryChannel, MemoryNetwork, turns

TLS: Any = object()
ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 300000\r\n\r\n" + b"x" * 300_000,
    b"HTTP/1.1 103 x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\nuntil close",
]


class Peer:
    """An HTTP/1.1 server on one channel."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.channel = MemoryChannel()
        self.out = b""

    def connect(self, network: MemoryNetwork, lane: Any, release: Any) -> Any:
        return HTTP1Connection(self.channel, network, lane, release)

    def act(self, *, finish: bool = False) -> None:
        channel, connection = self.channel, self.channel.receiver
        if channel.closed:
            return
        if not self.out and connection.owner is not None and not connection.is_idle and not connection.began:
            self.out = ANSWERS[0] if finish else self.chance.choice(ANSWERS)
        size = len(self.out) if finish else self.chance.choice([1, 5, 40, 100_000, 400_000])
        data, self.out = self.out[:size], self.out[size:]
        if data:
            channel.feed(data)
        elif finish and connection.owner is not None and connection.began and channel.reading and not channel._kept:
            channel.eof()

    def leave(self) -> None:
        if not self.channel.closed:
            lost = [None, ConnectionResetError(104, "reset")]
            self.channel.eof() if self.chance.random() < 0.3 else self.channel.lose(self.chance.choice(lost))

    def toggle_writing(self, *, paused: bool) -> None:
        self.channel.write_paused = paused
        if not paused and not self.channel.closed:
            self.channel.receiver.write_resumed()

    def check_end(self) -> None:
        assert not self.channel.receiver.owner or self.channel.closed


class H2Peer(Peer):
    """An HTTP/2 server on one channel, by the `h2` package, which objects to whatever the client may not do."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__(chance)
        self.channel.alpn = "h2"
        self.server = H2Connection(H2Configuration(client_side=False, header_encoding=None))
        self.server.initiate_connection()
        self.heard = 0
        self.pending = 1  # settings the client has not acknowledged; h2 cannot tell two apart
        self.streams: dict[int, int | None] = {}  # open streams: content still to send, None before the head
        self.left = False

    def connect(self, network: MemoryNetwork, lane: Any, release: Any) -> Any:
        return HTTP2Connection(self.channel, network, lane, release)

    def act(self, *, finish: bool = False) -> None:
        self._hear()
        if self.left or self.channel.closed:
            return
        try:
            self._finish() if finish else self._step()
        except ProtocolError:
            pass  # what this server wanted to do is not allowed any more
        self.out += self.server.data_to_send()
        size = len(self.out) if finish else self.chance.choice([len(self.out), 5, 30])
        data, self.out = self.out[:size], self.out[size:]
        if data:
            self.channel.feed(data)

    def leave(self) -> None:
        self.left = True
        super().leave()

    def _hear(self) -> None:
        data = self.channel.sent[self.heard :]
        self.heard += len(data)
        for event in self.server.receive_data(data) if data and not self.left else ():
            if isinstance(event, RequestReceived):
                self.streams[event.stream_id] = None
            elif isinstance(event, DataReceived) and event.stream_id in self.streams:
                self.server.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, StreamReset):
                self.streams.pop(event.stream_id, None)
            elif isinstance(event, SettingsAcknowledged):
                self.pending -= 1

    def _set(self, **settings: int) -> None:
        if not self.pending:
            self.pending += 1
            self.server.update_settings({SettingCodes[name]: value for name, value in settings.items()})

    def _send(self, stream: int, pieces: int) -> None:
        left = self.streams[stream] or 0
        for _ in range(pieces):
            size = min(left, self.server.local_flow_control_window(stream), 16_384)
            if size > 0:
                self.server.send_data(stream, b"x" * size)
                left -= size
        self.streams[stream] = left
        if not left:
            del self.streams[stream]
            self.server.end_stream(stream)

    def _step(self) -> None:
        chance, server = self.chance, self.server
        choice = chance.random()
        if self.streams and choice < 0.85:
            stream = chance.choice(list(self.streams))
            if choice < 0.05:
                server.reset_stream(stream, chance.choice([0, 2, 7, 8]))
                del self.streams[stream]
            elif self.streams[stream] is not None:
                self._send(stream, chance.choice([1, 4, 60]))
            elif choice < 0.15:
                server.send_headers(stream, [(b":status", b"103")])
            else:
                self.streams[stream] = chance.choice([0, 10, 70_000, 2_000_000])
                server.send_headers(stream, [(b":status", b"200")])
        elif choice < 0.9:
            self._set(INITIAL_WINDOW_SIZE=chance.choice([0, 1000, 65_535, 200_000]))
        elif choice < 0.95:
            self._set(MAX_CONCURRENT_STREAMS=chance.choice([0, 1, 3, 100]))
        else:
            server.ping(b"12345678")

    def _finish(self) -> None:
        self._set(INITIAL_WINDOW_SIZE=65_535, MAX_CONCURRENT_STREAMS=100)
        for stream in list(self.streams):
            if self.streams[stream] is None:
                self.server.send_headers(stream, [(b":status", b"200")])
            self._send(stream, 200)

    def check_end(self) -> None:
        connection = self.channel.receiver
        assert not connection.exchanges
        assert not connection.writable
        assert self.channel.closed or (connection.in_use, connection.engine.open_streams) == (0, 0)


class Walk:
    """One pool, its peers and its callers."""

    def __init__(self, seed: int, kind: type[Peer]) -> None:
        self.chance = random.Random(seed)
        self.kind = kind
        self.network = MemoryNetwork()
        self.peers: list[Peer] = []
        self.callers: list[asyncio.Task[None]] = []
        self.errors: list[HyperHTTPError] = []
        self.failures = AddressFailures()
        self.pool = ConnectionPool(self.network, self, Limits(max_connections=self.chance.choice([1, 2, 4])))
        is_h2 = kind is H2Peer
        self.route = Route("https" if is_h2 else "http", "a.example", 443, tls=TLS if is_h2 else None, http2=is_h2)

    async def dial(self, lane: Any, release: Any, deadline: float, total_at: float) -> Any:
        await asyncio.sleep(0)
        self.peers.append(self.kind(self.chance))
        return self.peers[-1].connect(self.network, lane, release)

    async def call(self) -> None:
        chance = self.chance
        method = chance.choice(["GET", "GET", "PUT", "POST"])
        bodies = [b"x" * 10, b"x" * 400_000, iter([b"a" * 50_000] * 4)]
        request = Request(method, "https://a.example/", content=None if method == "GET" else chance.choice(bodies))
        read = ReadOptions({}, None, None)
        stream = chance.random() < 0.6
        arguments: Any = (self.pool, request, self.route, None, Timeout(None), NEVER, 0.0, read, Cookies(), stream)
        try:
            response = await exchange(Call(*arguments))
            if stream and chance.random() < 0.5:
                await response.aread()
            elif stream:
                async for _ in response.aiter_bytes():
                    if chance.random() < 0.2:
                        break
                    await asyncio.sleep(0)
            await response.aclose()
        except HyperHTTPError as error:
            self.errors.append(error)

    def step(self) -> None:
        chance, choice = self.chance, self.chance.random()
        if choice < 0.2 or not self.peers:
            self.callers.append(asyncio.ensure_future(self.call()))
        elif choice < 0.75:
            chance.choice(self.peers).act()
        elif choice < 0.8:
            chance.choice(self.callers).cancel()
        elif choice < 0.83:
            chance.choice(self.peers).leave()
        elif choice < 0.88:
            chance.choice(self.peers).toggle_writing(paused=chance.random() < 0.5)

    async def finish(self) -> None:
        for _ in range(600):
            if all(caller.done() for caller in self.callers):
                return
            for peer in self.peers:
                peer.toggle_writing(paused=False)
                peer.act(finish=True)
            await turns(4)
        raise AssertionError("a caller waits for ever")

    def check_end(self) -> None:
        for caller in self.callers:
            assert caller.cancelled() or caller.exception() is None
        assert all(str(error) and error.request is not None for error in self.errors)
        for peer in self.peers:
            peer.check_end()
        idle = [connection for lane in self.pool.lanes.values() for connection in lane.idle]
        assert self.pool._total == len(idle)
        assert all(connection.reusable and connection.channel.reading for connection in idle)
        waiting = [each for each in self.network.watch.busy if not isinstance(each, HTTP2Connection)]
        assert not waiting, "a deadline that is nobody's"


@pytest.mark.parametrize("kind", [Peer, H2Peer], ids=["http1", "http2"])
@pytest.mark.parametrize("seed", [*range(20), 75, 184])
async def test_everybody_gets_an_answer_or_an_error_and_nothing_is_left(seed: int, kind: type[Peer]) -> None:
    walk = Walk(seed, kind)
    try:
        for _ in range(150):
            walk.step()
            await turns(walk.chance.randrange(4))
        await walk.finish()
        await turns(6)
        walk.check_end()
    finally:
        for caller in walk.callers:
            caller.cancel()
        await turns(4)
