"""The listening sockets of an origin and the connections that come in on them.

Lives on the origin's event loop. Each connection is a task; closing aborts the transports, ends the tasks and
returns when the sockets are gone.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hyperhttp.testing.http1 import MAX_HEAD_SIZE, PREFACE_HEAD, HTTP1Connection
from hyperhttp.testing.site import Peer, Site

if TYPE_CHECKING:
    import ssl

__all__ = ["Listeners"]

_BACKLOG = 1024
_HANDSHAKE_SECONDS = 10.0
_SHUTDOWN_SECONDS = 1.0


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # what it accepts inherits it
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener


def _bind_both() -> list[socket.socket]:
    """Sockets on 127.0.0.1 and, where there is IPv6, on ::1 with the same port."""
    last: list[socket.socket] = []
    for _ in range(8):  # the port that was free on one address may be taken on the other
        first = _bind("127.0.0.1", 0)
        last = [first]
        try:
            return [first, _bind("::1", first.getsockname()[1])]
        except OSError:
            if not _has_ipv6():
                return last
            first.close()
    return [_bind("127.0.0.1", 0)]


def _has_ipv6() -> bool:
    try:
        _bind("::1", 0).close()
    except OSError:
        return False
    return True


@dataclass(slots=True)
class _Connection:
    """A socket that was accepted, and its stream once there is one."""

    sock: socket.socket
    writer: asyncio.StreamWriter | None = None


class Listeners:
    """Accepts connections and serves them."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._sockets: list[socket.socket] = []
        self._acceptors: set[asyncio.Task[None]] = set()
        self._connections: dict[asyncio.Task[None], _Connection] = {}

    def open(self, host: str, port: int, context: ssl.SSLContext | None, *, also_ipv6: bool = False) -> int:
        """Start to listen; returns the port."""
        sockets = _bind_both() if also_ipv6 else [_bind(host, port)]
        for listener in sockets:
            listener.listen(_BACKLOG)
            self._sockets.append(listener)
            self._acceptors.add(asyncio.get_running_loop().create_task(self._accept(listener, context)))
        found: int = sockets[0].getsockname()[1]
        return found

    async def _accept(self, listener: socket.socket, context: ssl.SSLContext | None) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listener)
            except OSError:
                await asyncio.sleep(0.05)  # out of descriptors, or the client left while it waited
                continue
            connection = _Connection(sock)
            task = loop.create_task(self._serve(connection, address[0], context))
            self._connections[task] = connection
            task.add_done_callback(self._forget)
            counters = self._site.counters
            counters.opened += 1
            counters.open += 1
            counters.peak = max(counters.peak, counters.open)

    def _forget(self, task: asyncio.Task[None]) -> None:
        connection = self._connections.pop(task)
        self._site.counters.open -= 1
        if connection.writer is None:
            connection.sock.close()
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._site.errors.append(error)

    async def _serve(self, connection: _Connection, address: str, context: ssl.SSLContext | None) -> None:
        counters = self._site.counters
        number = counters.opened
        try:
            reader, writer = await _open_stream(connection.sock, context)
        except OSError:
            counters.failed_handshakes += 1
            return
        connection.writer = writer
        counters.tls += context is not None
        peer = Peer(number, "http" if context is None else "https", address)
        try:
            await self._speak(reader, writer, peer)
        except (OSError, EOFError, asyncio.LimitOverrunError):
            pass  # the client left, or sent a line without end
        finally:
            writer.close()
            try:
                await writer.wait_closed()
            except OSError:
                pass

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, peer: Peer) -> None:
        """Choose the protocol: by ALPN, or by the preface of prior knowledge (RFC 9113 section 3)."""
        tls: ssl.SSLObject | None = writer.get_extra_info("ssl_object")
        first = b""
        if tls is None or tls.selected_alpn_protocol() != "h2":
            if not await HTTP1Connection(reader, writer, self._site, peer).serve():
                return
            first = PREFACE_HEAD
        from hyperhttp.testing.http2 import HTTP2Connection  # h2 is needed only by those who speak HTTP/2

        self._site.counters.http2 += 1
        await HTTP2Connection(reader, writer, self._site, peer).serve(first)

    def drop_connections(self, *, reset: bool) -> None:
        """Abort every connection."""
        for connection in self._connections.values():
            if reset:
                connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            if connection.writer is not None:
                connection.writer.transport.abort()

    async def close(self) -> None:
        """Stop listening and end every connection."""
        self.drop_connections(reset=False)
        tasks = [*self._acceptors, *self._connections]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for listener in self._sockets:
            listener.close()
        for _ in range(3):
            await asyncio.sleep(0)  # transports of unfinished handshakes let go of their sockets in the next turns
        self._acceptors.clear()
        self._sockets.clear()


async def _open_stream(
    sock: socket.socket, context: ssl.SSLContext | None
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A stream pair over an accepted socket, after the TLS handshake if there is one."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(limit=MAX_HEAD_SIZE, loop=loop)
    protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
    options: dict[str, Any] = {}
    if context is not None:
        options = {"ssl": context, "ssl_handshake_timeout": _HANDSHAKE_SECONDS}
        options["ssl_shutdown_timeout"] = _SHUTDOWN_SECONDS
    transport, _ = await loop.connect_accepted_socket(lambda: protocol, sock, **options)
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)
