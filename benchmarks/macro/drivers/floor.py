"""The least Python that can do the exchange: what every client is measured against, not a client.

No URL, no pool, no head parsing beyond the blank line, no timeouts, nothing checked but the number of bytes.
"""

from __future__ import annotations

import asyncio
import functools
import socket
from collections import deque
from typing import TYPE_CHECKING

from drivers import Driver, Target

if TYPE_CHECKING:
    import ssl


# asyncio reads into blocks of 256 KiB, each of which glibc maps and unmaps until it has seen a larger one freed. A client that
# has freed one is spared that, so the floor must be too.
bytes(1 << 20)


def request_of(target: Target) -> bytes:
    """A GET as short as one can be."""
    return f"GET {target.path} HTTP/1.1\r\nHost: 127.0.0.1:{target.port}\r\n\r\n".encode()


class Exchange(asyncio.Protocol):
    """One connection: a prebuilt request, a `find` for the blank line, bytes counted, a future."""

    def __init__(self, target: Target) -> None:
        self.request = request_of(target)
        self.size = target.size
        self.left = 0
        self.started = False
        self.future = asyncio.get_running_loop().create_future
        self.waiter: asyncio.Future[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.write = transport.write

    def data_received(self, data: bytes) -> None:
        if self.started:
            self.left -= len(data)
        else:
            self.started = True
            self.left = data.find(b"\r\n\r\n") + 4 + self.size - len(data)
        if not self.left:
            self.waiter.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.waiter is not None and not self.waiter.done():
            self.waiter.set_exception(exc or ConnectionResetError("closed"))


class Async(Driver):
    """A connection of its own for every worker."""

    per_worker = True
    probes = False

    async def open(self) -> None:
        self.exchange = await connect(self.target)
        self.size = self.target.size

    async def one(self, url: str) -> int:
        exchange = self.exchange
        exchange.started = False
        exchange.waiter = waiter = exchange.future()
        exchange.write(exchange.request)
        await waiter
        return self.size

    stream = one

    async def close(self) -> None:
        self.exchange.transport.close()


class BodyExchange(Exchange):
    """The same, and keeps what it receives."""

    pieces: list[bytes]

    def data_received(self, data: bytes) -> None:
        if self.started:
            self.pieces.append(data)
            self.left -= len(data)
        else:
            self.started = True
            head = data.find(b"\r\n\r\n") + 4
            self.pieces = [data[head:]]
            self.left = head + self.size - len(data)
        if not self.left:
            self.waiter.set_result(None)


class AsyncBody(Async):
    """Hands the body over as one `bytes`: the floor of a client that returns what it received."""

    async def open(self) -> None:
        self.exchange = await connect(self.target, BodyExchange)
        self.size = self.target.size

    async def one(self, url: str) -> int:
        await Async.one(self, url)
        return len(b"".join(self.exchange.pieces))


class AsyncPooled(Driver):
    """A bounded number of connections and a queue of waiters, for more tasks than connections."""

    probes = False

    async def open(self) -> None:
        self.unopened = self.target.connections
        self.free: list[Exchange] = []
        self.waiting: deque[asyncio.Future[Exchange]] = deque()
        self.future = asyncio.get_running_loop().create_future
        self.size = self.target.size

    async def one(self, url: str) -> int:
        if self.free:
            exchange = self.free.pop()
        elif self.unopened:
            self.unopened -= 1
            exchange = await connect(self.target)
        else:
            place = self.future()
            self.waiting.append(place)
            exchange = await place
        exchange.started = False
        exchange.waiter = waiter = self.future()
        exchange.write(exchange.request)
        await waiter
        if self.waiting:
            self.waiting.popleft().set_result(exchange)
        else:
            self.free.append(exchange)
        return self.size

    async def close(self) -> None:
        for exchange in self.free:
            exchange.transport.close()


async def connect(target: Target, kind: type[Exchange] = Exchange) -> Exchange:
    """Open one connection to the origin."""
    context = context_of(target) if target.tls else None
    loop = asyncio.get_running_loop()
    _, exchange = await loop.create_connection(lambda: kind(target), "127.0.0.1", target.port, ssl=context)
    return exchange


@functools.cache
def context_of(target: Target) -> ssl.SSLContext:
    """One TLS context for all connections."""
    return target.ssl_context()


class Blocking(Driver):
    """A socket of its own for every thread."""

    per_worker = True
    probes = False

    def open(self) -> None:
        target = self.target
        self.sock = socket.create_connection(("127.0.0.1", target.port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if target.tls:
            self.sock = context_of(target).wrap_socket(self.sock, server_hostname="127.0.0.1")
        self.request = request_of(target)
        self.size = target.size
        self.buffer = bytearray(min(target.size + 64 * 1024, 1 << 20))
        self.send, self.receive = self.sock.sendall, self.sock.recv_into

    def one(self, url: str) -> int:
        self.send(self.request)
        received = self.receive(self.buffer)
        left = self.buffer.find(b"\r\n\r\n") + 4 + self.size - received
        while left:
            received = self.receive(self.buffer)
            if not received:
                raise ConnectionResetError("closed")
            left -= received
        return self.size

    stream = one

    def close(self) -> None:
        self.sock.close()
