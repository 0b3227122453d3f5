"""Many exchanges over one HTTP/2 connection (RFC 9113).

The connection feeds bytes to the engine and writes what the engine has to say, once per turn of the loop however many
requests were made in it. Each exchange listens to its own stream, has its own deadlines and its own wait: none of them
wakes, blocks or fails another.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.connection.base import NEW
from hyperhttp.connection.stream import ContentStream
from hyperhttp.exceptions import (
    HyperHTTPError,
    LocalProtocolError,
    ReadError,
    ReadTimeout,
    TotalTimeout,
    WriteError,
    WriteTimeout,
)
from hyperhttp.network.base import NEVER
from hyperhttp.protocol.http2 import H2Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.config import Timeout
    from hyperhttp.message.content import Content
    from hyperhttp.message.request import Request
    from hyperhttp.network.base import Channel, Network, Wait
    from hyperhttp.protocol.events import Field, ResponseHead
    from hyperhttp.protocol.http2 import H2Stream

__all__ = ["HTTP2Connection", "HTTP2Exchange", "UnansweredError"]

#: Seconds without a byte from the peer after which a busy connection asks for a sign of life.
_PING_AFTER: Final = 15.0
#: Seconds the peer has to give it.
_PING_WITHIN: Final = 15.0
#: Seconds between renewals of what control frames may cost.
_BUDGET_EVERY: Final = 10.0

_now = time.monotonic


class UnansweredError(Exception):
    """An exchange failed before any of its response: it may be sent again.

    Attributes:
        error: what to raise if it is not.
        surely_unprocessed: the peer said, or could not but have left, the request untouched.
    """

    def __init__(self, error: HyperHTTPError, *, surely_unprocessed: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.surely_unprocessed = surely_unprocessed


class HTTP2Connection:
    """A connection that serves many exchanges at once.

    Attributes:
        lane: the pool's place for it.
        in_use: exchanges that have it, begun or about to begin.
        reusable: it takes further exchanges.
        lost: it broke.
        expires_at, retire_at, read_at, place, uses: as of `HTTP1Connection`.
    """

    multiplexed = True
    owner = None
    began = False
    http_version = "HTTP/2"

    def __init__(
        self,
        channel: Channel,
        network: Network,
        lane: Any,
        release: Callable[[Any], None],
        config: Any = None,
    ) -> None:
        self.channel = channel
        self.lane = lane
        self.network = network
        self.watch = network.watch
        self.engine = H2Connection(config, self)
        self.scheme = b"https" if lane.route.scheme == "https" else b"http"
        self._release = release
        self._flushing = False
        self._pinged_at = NEVER
        self._renew_at = _now() + _BUDGET_EVERY
        self.exchanges: set[HTTP2Exchange] = set()
        self.in_use = 0
        self.uses = 0
        self.lost = False
        self.place = NEW
        self.made_at = self.read_at = _now()
        self.expires_at = self.retire_at = NEVER
        self.writable: list[Wait] = []
        self._receive = self.engine.receive_data
        self._out = self.engine._out
        self.engine.initiate()  # before anything that has come already is answered
        channel.attach(self)
        self.flush()

    @property
    def reusable(self) -> bool:
        """It takes further exchanges."""
        return not self.channel.closed and not self.engine.is_retired

    def has_room(self) -> bool:
        """One more exchange can begin."""
        return self.in_use < self.engine.peer.max_concurrent_streams and self.reusable

    # -- what the pool and the exchanges ask ------------------------------------------------------------------------------

    def open(self, exchange: HTTP2Exchange, request: Request, *, end_stream: bool) -> H2Stream:
        """Begin a request; it is written with all others of this turn."""
        url = request.url
        fields: Any = request._fields if request._headers is None else request._headers._fields
        host = request._headers.get("host") if request._headers is not None else None
        authority = (host or url.host_header).encode("ascii")
        now = _now()
        if now - self.read_at > _PING_AFTER and self._pinged_at == NEVER:
            self._ping(now)  # idle for long: it may be dead, and only an answer would tell
        stream = self.engine.open_stream(
            exchange,
            request.method.encode("ascii"),
            authority,
            url.target.encode("ascii"),
            fields,
            end_stream=end_stream,
            scheme=self.scheme,
        )
        self.uses += 1
        if not self.exchanges:
            self.watch.busy.add(self)
            self.arm(now + _PING_AFTER)
        self.exchanges.add(exchange)
        return stream

    def done(self, exchange: HTTP2Exchange) -> None:
        """An exchange is over, whichever way."""
        if exchange.over:
            return
        exchange.over = True
        self.watch.busy.discard(exchange)
        self.exchanges.discard(exchange)
        if not self.exchanges:
            self.watch.busy.discard(self)
        self.in_use -= 1
        self._release(self)

    def give_back(self) -> None:
        """A place that was taken and never used."""
        self.in_use -= 1
        self._release(self)

    def arm(self, at: float) -> None:
        """Look at the deadlines at `at` at the latest."""
        if at < self.watch.when:
            self.watch.arm(at)

    def flush_soon(self) -> None:
        """Write at the end of this turn of the loop."""
        if not self._flushing:
            self._flushing = True
            self.channel.soon(self.flush)

    def flush(self) -> None:
        """Write what the engine has to say."""
        self._flushing = False
        if self._out and not self.channel.closed:
            self.channel.write(self.engine.data_to_send())

    # -- what the channel tells -------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes) -> None:
        """Bytes from the peer."""
        self.read_at = _now()
        self._pinged_at = NEVER
        self._receive(data)
        if self._out:
            self.flush()
        if self.engine.closed:
            self.abort()

    def buffer_grew(self, size: int) -> None:
        """Frames cannot go straight into a buffer."""

    def buffer_filled(self, *, more: bool) -> None:  # noqa: ARG002
        """Frames cannot go straight into a buffer."""

    def receive_eof(self) -> None:
        """The peer closed."""
        self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """The channel is gone."""
        if error is None:
            self.abort()
            return
        lost = ReadError(
            f"the connection to {self.lane.name} broke: {str(error) or type(error).__name__}",
            host=self.lane.name,
        )
        lost.__cause__ = error
        self.abort(lost)

    def write_resumed(self) -> None:
        """The peer takes bytes again: whoever waited goes on."""
        waits, self.writable = self.writable, []
        for wait in waits:
            if not wait.done():
                wait.set_result(None)

    def remaining(self) -> float | None:
        """Each exchange has limits of its own."""
        return None

    def write_limit(self) -> float | None:
        """Each exchange has limits of its own."""
        return None

    def has_answer(self) -> bool:
        """Answers do not end the connection's writing."""
        return False

    # -- what the engine tells --------------------------------------------------------------------------------------------

    def settings_changed(self) -> None:
        """The peer may take more or fewer streams now."""
        self._release(self)

    def goaway_received(self) -> None:
        """The peer is leaving: no new exchange, the present ones go on."""
        self._release(self)

    def ping_acknowledged(self, data: bytes) -> None:
        """A sign of life."""

    # -- life -------------------------------------------------------------------------------------------------------------

    def check(self, now: float) -> float:
        """Ask a silent peer for a sign of life; give it up when none comes."""
        if now >= self._renew_at:
            self._renew_at = now + _BUDGET_EVERY
            self.engine.renew_budget()
        if self._pinged_at < NEVER:
            if now >= self._pinged_at + _PING_WITHIN:
                self.abort(ReadError(f"{self.lane.name} has stopped answering", host=self.lane.name))
                return NEVER
            return self._pinged_at + _PING_WITHIN
        if now >= self.read_at + _PING_AFTER:
            self._ping(now)
            self.flush()
            return now + _PING_WITHIN
        return self.read_at + _PING_AFTER

    def _ping(self, now: float) -> None:
        self._pinged_at = now
        self.engine.ping()
        self.arm(now + _PING_WITHIN)

    def abort(self, error: Exception | None = None) -> None:
        """Close at once; every exchange hears of it."""
        if self._out and not self.channel.closed:
            self.channel.write(self.engine.data_to_send())
            self.channel.close()
        else:
            self.channel.abort()
        self.watch.busy.discard(self)
        self.lost = True
        self.engine.connection_lost(lambda: self._failure(error))
        self.write_resumed()
        for exchange in tuple(self.exchanges):
            exchange.receive_reset(self._failure(error), unprocessed=False)
        self._release(self)

    def _failure(self, error: Exception | None) -> HyperHTTPError:
        if self.engine.error is not None:
            error = self.engine.error
        failure = (
            type(error)(str(error))
            if isinstance(error, HyperHTTPError)
            else ReadError(f"the connection to {self.lane.name} was closed")
        )
        failure.host = self.lane.name
        if error is not None:
            failure.__cause__ = error.__cause__
        return failure

    def close(self) -> None:
        """Say goodbye and close."""
        self.watch.busy.discard(self)
        if not self.channel.closed:
            self.engine.close()
            self.flush()
        self.channel.close()


class HTTP2Exchange:
    """One request and its response: the listener of a stream, and the source of its content."""

    __slots__ = (
        "_at",
        "_connection",
        "_content",
        "_error",
        "_first",
        "_head",
        "_read_timeout",
        "_since",
        "_total_at",
        "_waiter",
        "_window",
        "_write_since",
        "_write_timeout",
        "ended",
        "over",
        "stream",
        "unprocessed",
    )

    def __init__(self, connection: HTTP2Connection, timeout: Timeout, total_at: float, now: float) -> None:
        self._connection = connection
        self._read_timeout = NEVER if timeout.read is None else timeout.read
        self._write_timeout = NEVER if timeout.write is None else timeout.write
        self._total_at = total_at
        self._since = now
        self._write_since = 0.0
        self._waiter: Wait | None = None
        self._window: Wait | None = None
        self._head: ResponseHead | None = None
        self._first: bytes | None = None
        self._content: ContentStream | None = None
        self._error: HyperHTTPError | None = None
        self._at = now
        self.ended = False
        self.over = False
        self.unprocessed = False
        self.stream: H2Stream | None = None

    async def run(self, request: Request) -> tuple[ResponseHead, bytes | ContentStream, float]:
        """Send the request and give its response's head, with the content or a stream of it.

        Raises:
            UnansweredError: no byte of a response came; it may be sent again.
            HyperHTTPError: anything else that failed.
        """
        connection = self._connection
        content = request.content
        try:
            try:
                self.stream = connection.open(self, request, end_stream=content is None)
            except LocalProtocolError as error:
                if connection.engine.can_open:
                    raise
                raise UnansweredError(error, surely_unprocessed=True) from error
            self._waiter = connection.channel.new_wait()
            connection.watch.busy.add(self)
            connection.arm(min(self._since + self._read_timeout, self._total_at))
            connection.flush_soon()
            if content is not None:
                await self._send_content(content)
            if self._waiter is not None:
                await self._waiter
        except BaseException:
            self.cancel()
            raise
        return self._result()

    def _result(self) -> tuple[ResponseHead, bytes | ContentStream, float]:
        head = self._head
        if head is None:
            error = self._error or ReadError("the exchange ended without a response")
            if self.unprocessed or self._connection.lost:
                raise UnansweredError(error, surely_unprocessed=self.unprocessed) from error.__cause__
            raise error
        if self._content is not None:
            return head, self._content, self._at
        if self.ended:
            return head, self._first or b"", self._at
        self._content = ContentStream(self, head.content_length)
        if self._error is not None:
            self._content.fail(self._error)
        elif self._first is not None:
            self._content.feed(self._first)
        return head, self._content, self._at

    # -- sending ------------------------------------------------------------------------------------------------------------

    async def _send_content(self, content: Content) -> None:
        if content.data is not None:
            await self._send(content.data, end_stream=True)
            return
        content.rewind()
        waiter = self._waiter
        if waiter is not None:
            await self._connection.channel.send_while(self._send_source(content), waiter)
        if self.stream is not None and not self.stream.send_closed and self._head is not None:
            # The answer came before the content ended: nobody reads the rest.
            self._connection.engine.send_data(self.stream, b"", end_stream=True)
            self._connection.flush_soon()

    async def _send_source(self, content: Content) -> None:
        length = content.length
        sent = 0
        try:
            while data := await content.next_chunk(self._connection.network.call):
                sent += len(data)
                if length is not None and sent > length:
                    break
                await self._send(data)
                if self._stopped():
                    return
        finally:
            content.close()
        if length is not None and sent != length:
            msg = f"the request content has {'more' if sent > length else 'fewer'} bytes than its length says ({length})"
            raise WriteError(msg, host=self._connection.lane.name, phase="write")
        await self._send(b"", end_stream=True)

    async def _send(self, data: bytes, *, end_stream: bool = False) -> None:
        stream = self.stream
        if stream is None:
            return
        connection = self._connection
        rest: bytes | memoryview = data
        while not self._stopped():
            taken = connection.engine.send_data(stream, rest, end_stream=end_stream)
            connection.flush_soon()
            if taken == len(rest):
                break
            rest = memoryview(rest)[taken:]
            self._window = connection.channel.new_wait()
            await self._wait_to_send(self._window)
        if connection.channel.write_paused and not self._stopped():
            wait = connection.channel.new_wait()
            connection.writable.append(wait)
            await self._wait_to_send(wait)

    async def _wait_to_send(self, wait: Wait) -> None:
        self._write_since = _now()
        self._connection.arm(min(self._write_since + self._write_timeout, self._total_at))
        try:
            await wait
        finally:
            self._write_since = 0.0
            self._since = _now()

    def _stopped(self) -> bool:
        return self.over or self._error is not None or (self.stream is not None and self.stream.send_closed)

    # -- what the engine tells ------------------------------------------------------------------------------------------------

    def receive_informational(self, head: ResponseHead) -> None:  # noqa: ARG002 - nobody has asked for it
        """1xx: a sign of life, and no more."""
        self._since = _now()

    def receive_head(self, head: ResponseHead, end_stream: bool) -> None:
        """The final response began."""
        self._head = head
        self._at = _now()
        if end_stream:
            self._end()
        self._wake()

    def receive_data(self, data: bytes, end_stream: bool) -> None:
        """Content."""
        content = self._content
        if content is None:
            if self._first is None:
                self._first = data
                if end_stream:
                    self._end()
                return
            content = self._content = ContentStream(
                self, self._head.content_length if self._head is not None else None
            )
            content.feed(self._first)
        wake = content.feed(data)
        if end_stream:
            self._end()
            content.finish()
            wake = True
        if wake:
            self._wake()

    def receive_trailers(self, fields: list[Field]) -> None:
        """The end, with trailers."""
        self._end()
        if self._content is None and self._head is not None:
            self._content = ContentStream(self, self._head.content_length)
            if self._first is not None:
                self._content.feed(self._first)
        if self._content is not None:
            self._content.finish(fields)
        self._wake()

    def receive_reset(self, error: HyperHTTPError, unprocessed: bool) -> None:
        """The stream broke off."""
        if self.over:
            return
        error.host = error.host or self._connection.lane.name
        self._error = error
        self.unprocessed = unprocessed
        if self._content is not None:
            self._content.fail(error)
        self._connection.done(self)
        self._wake()
        self.window_opened()

    def window_opened(self) -> None:
        """More may be sent."""
        window, self._window = self._window, None
        if window is not None and not window.done():
            window.set_result(None)

    def _end(self) -> None:
        self.ended = True
        self._connection.done(self)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # -- what the content stream asks -------------------------------------------------------------------------------------------

    def wait_for_content(self) -> Wait:
        """Something to await until the stream has been fed."""
        self._since = now = _now()
        self._waiter = waiter = self._connection.channel.new_wait()
        self._connection.arm(min(now + self._read_timeout, self._total_at))
        return waiter

    def fill_buffer(self, view: memoryview) -> bool:  # noqa: ARG002 - frames come between
        """Frames cannot go straight into a buffer."""
        return False

    def pause_content(self) -> None:
        """The stream's window is the bound."""

    def content_taken(self, size: int, *, resume: bool) -> None:  # noqa: ARG002 - there was no pause
        """The reader took `size` bytes: the peer may send as many more."""
        if self.stream is not None and size:
            self._connection.engine.acknowledge(self.stream, size)
            if self._connection._out:
                self._connection.flush_soon()

    def abandon(self) -> None:
        """The rest is not wanted."""
        self.cancel()

    def cancel(self) -> None:
        """End the stream early; the connection goes on (RFC 9113 section 8.1: RST_STREAM with CANCEL)."""
        if self.over:
            return
        if self.stream is not None:
            self._connection.engine.reset_stream(self.stream)
            self._connection.flush()
        self._connection.done(self)

    # -- deadlines ----------------------------------------------------------------------------------------------------------------

    def check(self, now: float) -> float:
        """Let an overdue exchange fail; say when to look again."""
        name = self._connection.lane.name
        at = self._total_at
        if at <= now:
            self.abort(
                TotalTimeout(
                    f"the call to {name} took longer than its total timeout", host=name, phase=self._phase()
                )
            )
            return NEVER
        if self._write_since:
            limit = self._write_since + self._write_timeout
            if limit <= now:
                self.abort(
                    WriteTimeout(
                        f"{name} took no bytes for {self._write_timeout:g} s",
                        host=name,
                        phase="write",
                        limit=self._write_timeout,
                    )
                )
                return NEVER
            return min(at, limit)
        if self._waiter is not None:
            limit = self._since + self._read_timeout
            if limit <= now:
                msg = (
                    f"{name} sent nothing for {self._read_timeout:g} s while waiting for the {self._phase()}"
                )
                self.abort(ReadTimeout(msg, host=name, phase=self._phase(), limit=self._read_timeout))
                return NEVER
            return min(at, limit)
        return at

    def _phase(self) -> str:
        return "response head" if self._head is None else "response content"

    def abort(self, error: Exception | None = None) -> None:
        """Give up with `error`."""
        waiter, self._waiter = self._waiter, None
        window, self._window = self._window, None
        failure = error or ReadError(
            f"the connection to {self._connection.lane.name} was closed", host=self._connection.lane.name
        )
        if isinstance(failure, HyperHTTPError):
            self._error = failure
        if self._content is not None:
            self._content.fail(failure)
        for wait in (waiter, window):
            if wait is not None and not wait.done():
                wait.set_exception(failure)
        self.cancel()
