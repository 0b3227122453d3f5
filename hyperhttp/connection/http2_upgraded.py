"""A stream of an HTTP/2 connection after its extended CONNECT was accepted (RFC 8441): bytes both ways in DATA frames."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from hyperhttp.connection.http2_exchange import HTTP2Exchange
from hyperhttp.connection.overdue import UnansweredError
from hyperhttp.connection.upgraded import Upgrade, Upgraded
from hyperhttp.exceptions import RemoteProtocolError

if TYPE_CHECKING:
    from hyperhttp.config import Timeout
    from hyperhttp.connection.http2 import HTTP2Connection
    from hyperhttp.connection.stream import ContentStream
    from hyperhttp.exceptions import HyperHTTPError
    from hyperhttp.message.request import Request
    from hyperhttp.network.base import Wait
    from hyperhttp.protocol.events import Field, ResponseHead

__all__ = ["HTTP2Opening", "HTTP2Upgrade", "open_stream"]


async def open_stream(
    connection: HTTP2Connection, request: Request, protocol: str, timeout: Timeout, total_at: float, now: float
) -> tuple[ResponseHead, Any, float]:
    """Ask for `protocol` on a stream of its own.

    Returns:
        The head of the answer, an `Upgraded` or the content of a refusal, and the moment it came.

    Raises:
        UnansweredError: the server does not offer it, or nothing came.
        HyperHTTPError: anything else that failed.
    """
    opening = HTTP2Opening(connection, timeout, total_at, now, protocol)
    head, content, at = await opening.ask(request)
    if 200 <= head.status_code < 300:
        return head, Upgraded(HTTP2Upgrade(opening, content)), at
    return head, content, at


class HTTP2Opening(HTTP2Exchange):
    """An extended CONNECT and its answer; it waits for the server's settings, which say whether that may be asked.

    Attributes:
        protocol: what is asked for.
    """

    __slots__ = ("protocol",)

    def __init__(
        self, connection: HTTP2Connection, timeout: Timeout, total_at: float, now: float, protocol: str
    ) -> None:
        super().__init__(connection, timeout, total_at, now)
        self.protocol = protocol

    async def ask(self, request: Request) -> tuple[ResponseHead, bytes | ContentStream, float]:
        """As `run`, once the server has said what it offers."""
        try:
            await self._settle()
        except BaseException:
            self.cancel()
            raise
        return await self.run(request)

    async def _settle(self) -> None:
        connection = self._connection
        connection.watch.busy.add(self)
        connection.arm(min(self._since + self._read_timeout, self._total_at))
        if not connection.is_settled:
            await self._hear_settings()
        if connection.is_settled and connection.engine.peer.enable_connect_protocol:
            return
        lane = connection.lane
        if not connection.reusable:
            raise UnansweredError(connection._failure(None), surely_unprocessed=True, was_sent=False)
        msg = f"{lane.name} does not offer {self.protocol!r} over HTTP/2 (RFC 8441)"
        error = RemoteProtocolError(msg, host=lane.host, port=lane.port)
        if lane.route.http2 == "prior-knowledge":
            raise error
        raise UnansweredError(error, surely_unprocessed=True, was_sent=False, needs_http1=True)

    async def _hear_settings(self) -> None:
        connection = self._connection
        while True:
            self._waiter = wait = connection.new_wait(self)
            connection.writable.append(wait)  # whose waits are set when settings come, and when the connection ends
            try:
                if connection.is_settled or not connection.reusable:  # looked at last: another thread may be reading
                    return
                await wait
            finally:
                if wait in connection.writable:
                    connection.writable.remove(wait)


class HTTP2Upgrade(Upgrade):
    """The listener of a stream in the place of its exchange; the windows of HTTP/2 are its bounds.

    Args:
        exchange: the one whose head was 2xx.
        content: what it gave as the content.
    """

    http_version = "HTTP/2"

    def __init__(self, exchange: HTTP2Exchange, content: bytes | ContentStream) -> None:
        connection = exchange._connection
        self._exchange = exchange
        self._connection = connection
        stream: Any = exchange.stream  # it has one: it was answered
        self._stream = stream
        self._outgoing: deque[memoryview] = deque()
        super().__init__(connection.channel, connection.network, connection.lane)
        with self.lock:
            stream.listener = self  # from now on
            connection.watch.busy.discard(exchange)  # its deadlines were those of the handshake
            if isinstance(content, bytes):
                if content:
                    self.feed(content)
                self.end()
            else:
                for data in content.take_over():
                    self.feed(data)
                if content.ended or content.error is not None:
                    self.end(content.error)
            self.closed = exchange.over

    # -- what the engine tells ---------------------------------------------------------------------------------------

    def receive_informational(self, head: ResponseHead) -> None:
        """The head was there before."""

    def receive_head(self, head: ResponseHead, end_stream: bool) -> None:
        """The head was there before."""

    def receive_data(self, data: bytes, end_stream: bool) -> None:
        """Bytes from the peer."""
        if data:
            self.feed(data)
        if end_stream:
            self.end()

    def receive_trailers(self, fields: list[Field]) -> None:
        """The peer has ended its side; trailers mean nothing here."""
        self.end()

    def receive_reset(self, error: HyperHTTPError, unprocessed: bool) -> None:
        """The stream broke off."""
        if not self.closed:
            error.host, error.port = self._lane.host, self._lane.port
            self.end(error)
            self.closed = True

    def window_opened(self) -> None:
        """More may be sent."""
        self._pump()
        if not self.congested:
            self.room()

    # -- what the user's side asks -----------------------------------------------------------------------------------

    @property
    def congested(self) -> bool:
        """More was written than the windows, or the connection, allow."""
        return not self.closed and (bool(self._outgoing) or self.channel.write_paused)

    def _write(self, data: bytes) -> None:
        self._outgoing.append(memoryview(data))
        if len(self._outgoing) == 1:
            self._pump()

    def _pump(self) -> None:
        """Give the connection as much as the windows allow, in order."""
        while self._outgoing and not self.closed:
            data = self._outgoing[0]
            taken = self._connection.send_data(self._stream, data, end_stream=False)
            if taken < len(data):
                self._outgoing[0] = data[taken:]
                return
            self._outgoing.popleft()

    def _announce(self, wait: Wait | None) -> None:
        if wait is not None:
            self._connection.writable.append(wait)  # a window wakes it too, and it looks again

    def _renounce(self, wait: Wait) -> None:
        if wait in self._connection.writable:
            self._connection.writable.remove(wait)

    def _taken(self, size: int, *, resume: bool) -> None:
        if not self.ended and not self.closed:
            self._connection.acknowledge(self._stream, size)

    def _close(self) -> None:
        """End our side; where the peer has not ended its own, nobody would read it (RFC 8441 section 5)."""
        if self._outgoing:
            self._abort()
        elif self.ended:
            # Not a frame with END_STREAM: servers that have forgotten a stream they ended take DATA for an error.
            self._connection.reset(self._stream, answered=True)
        else:
            self._connection.send_data(self._stream, b"", end_stream=True)
            self._connection.reset(self._stream)

    def _abort(self) -> None:
        self._outgoing.clear()
        self._connection.reset(self._stream)

    def _finish(self) -> None:
        self._outgoing.clear()
        self._connection.done(self._exchange)
