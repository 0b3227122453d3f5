"""One request and its response on a connection that many share (RFC 9113 section 8.1).

An exchange listens to its stream, is the source of its content, and has its own deadlines and its own wait: no other exchange
wakes, blocks or fails it.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from hyperhttp.connection.overdue import (
    CONTINUE_PATIENCE,
    UnansweredError,
    length_error,
    locate,
    read_timeout,
    total_timeout,
    waits_for_continue,
    write_timeout,
)
from hyperhttp.connection.stream import ContentStream
from hyperhttp.exceptions import HyperHTTPError, ReadError
from hyperhttp.network.base import NEVER, fail
from hyperhttp.protocol.http2 import ErrorCode, NoStreamError

if TYPE_CHECKING:
    from hyperhttp.config import Timeout
    from hyperhttp.connection.http2 import HTTP2Connection
    from hyperhttp.message.content import Content
    from hyperhttp.message.request import Request
    from hyperhttp.network.base import Cancellable, Channel, Wait
    from hyperhttp.protocol.events import Field, ResponseHead
    from hyperhttp.protocol.http2 import H2Stream

__all__ = ["HTTP2Exchange"]

#: Bytes of content that are handed to the connection at once.
_PIECE: Final = 262_144

_now = time.monotonic


class HTTP2Exchange:
    """One request and its response: the listener of a stream, and the source of its content."""

    __slots__ = (
        "_asked",
        "_at",
        "_connection",
        "_content",
        "_error",
        "_first",
        "_go_at",
        "_head",
        "_read_timeout",
        "_sender",
        "_sent_at",
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

    protocol = ""  # that an extended CONNECT asks for

    def __init__(self, connection: HTTP2Connection, timeout: Timeout, total_at: float, now: float) -> None:
        self._connection = connection
        self._read_timeout = NEVER if timeout.read is None else timeout.read
        self._write_timeout = NEVER if timeout.write is None else timeout.write
        self._total_at = total_at
        self._since = self._sent_at = now
        self._write_since = self._go_at = self._asked = 0.0
        self._waiter: Wait | None = None
        self._window: Wait | None = None
        self._head: ResponseHead | None = None
        self._first: bytes | None = None
        self._content: ContentStream | None = None
        self._error: HyperHTTPError | None = None
        self._at = now
        self._sender: Cancellable | None = None
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
        content = request._content
        # Before the request is out: on a blocking client another thread may read the answer at any moment.
        try:
            self._waiter = waiter = connection.new_wait(self)
            connection.watch.busy.add(self)
            if content is not None and waits_for_continue(request):
                self._go_at = NEVER
            try:
                end_stream = content is None and not self.protocol
                self.stream = connection.open(self, request, end_stream=end_stream, protocol=self.protocol)
            except NoStreamError as error:
                if connection.engine.error is not None:  # the peer broke the protocol before anything was asked of it
                    raise connection._failure(None) from error
                lane = connection.lane
                msg = f"{lane.name} takes no requests on the connections it accepts"
                refused = ReadError(msg, host=lane.host, port=lane.port)
                raise UnansweredError(
                    refused, surely_unprocessed=True, was_sent=False, others_served=connection.engine.left_served
                ) from error
            connection.arm((self._since + min(self._since + self._read_timeout, self._total_at)) / 2)
            connection.flush_soon()
            if content is not None:
                self._since = NEVER  # the wait for the response begins when the request is sent
                if not waits_for_continue(request) or await self._hold():  # the word may have come already
                    await self._send_content(content, waiter)
                self._since = content.sent_at = _now()
                connection.arm((self._since + min(self._since + self._read_timeout, self._total_at)) / 2)
            await waiter
        except BaseException:
            self.cancel()
            raise
        return connection.result_of(self)

    def result(self) -> tuple[ResponseHead, bytes | ContentStream, float]:
        """What `run` gives, once there is something to give; threads look at it under the connection's lock."""
        head = self._head
        if head is None:
            error = self._error or ReadError("the exchange ended without a response")
            if getattr(error, "error_code", None) == ErrorCode.HTTP_1_1_REQUIRED:
                raise UnansweredError(error, surely_unprocessed=True, needs_http1=True)
            if self.unprocessed or self._connection.lost:
                raise UnansweredError(
                    error, surely_unprocessed=self.unprocessed, others_served=self._connection.engine.left_served
                ) from error.__cause__
            raise error
        if self._content is not None:
            return head, self._content, self._at
        if self.ended:
            return head, self._first or b"", self._at
        self._content = ContentStream(self, head.content_length, self._connection.channel.lock)
        if self._error is not None:
            self._content.fail(self._error)
        elif self._first is not None:
            self._content.feed(self._first)
        return head, self._content, self._at

    @property
    def channel(self) -> Channel:
        """What the content comes over."""
        return self._connection.channel

    # -- sending -----------------------------------------------------------------------------------------------------

    async def _hold(self) -> bool:
        """Wait for 100 (Continue), a final response, or the end of patience; whether to send (RFC 9110 section 10.1.1)."""
        patience = _now() + min(CONTINUE_PATIENCE, self._read_timeout)
        self._connection.arm(min(patience, self._total_at))
        while True:
            self._window = window = self._connection.new_wait(self)  # before, or a word in between would be missed
            if self._go_at:
                self._go_at = patience
            if not self._go_at or self._head is not None or self._stopped():
                break
            await window
        self._window = None
        self._go_at = 0.0
        return self._head is None and not self._stopped()

    def _stop_holding(self) -> None:
        self._go_at = 0.0
        self.window_opened()

    async def _send_content(self, content: Content, waiter: Wait) -> None:
        stream = self.stream
        sent = 0
        if stream is not None and content.data is not None and len(content.data) <= _PIECE // 4:
            sent = self._connection.send_data(stream, content.data, end_stream=True)
            if sent == len(content.data) and not self._connection.channel.write_paused:
                return  # in the same write as the head, mostly
        content.rewind()
        # The answer may begin before the request has ended: both go on, each at its own pace (RFC 9113 section 8.1). It may
        # even have begun by now, where another thread reads.
        self._sender = await self._connection.channel.send_beside(self._send_all(content, sent), waiter)

    async def _send_pieces(self, data: memoryview) -> None:
        """Content in memory, no more of it at a time than a stuck peer may cost."""
        last = max(len(data) - _PIECE, 0)
        for start in range(0, len(data), _PIECE) if data else (0,):
            await self._send(data[start : start + _PIECE], end_stream=start >= last)

    async def _send_all(self, content: Content, sent: int) -> None:
        try:
            if content.data is not None:
                await self._send_pieces(memoryview(content.data)[sent:])
            else:
                await self._send_source(content)
        except Exception as error:  # noqa: BLE001 - whoever waits for the response gets it
            self._failed_to_send(error)

    def _failed_to_send(self, error: Exception) -> None:
        if not self.over:
            self.abort(error)

    async def _send_source(self, content: Content) -> None:
        length, turn = content.length, content.turn
        sent = 0
        try:
            while data := await content.next_chunk(self._connection.network.call):
                sent += len(data)
                if length is not None and sent > length:
                    break
                if self._total_at <= _now():  # who produces it may block, and hears of no deadline
                    self.abort(total_timeout(self._connection.lane, "request content", _now() - self._sent_at))
                await self._send(data)
                if self._stopped():
                    return
        finally:
            content.close(turn)
        if length is not None and sent != length:
            raise length_error(self._connection.lane, length, more=sent > length)
        await self._send(b"", end_stream=True)

    async def _send(self, data: bytes | memoryview, *, end_stream: bool = False) -> None:
        stream = self.stream
        if stream is None:
            return
        connection = self._connection
        rest: bytes | memoryview = data
        while not self._stopped():
            self._window = window = connection.new_wait(self)  # before, or an opening in between would be missed
            taken = connection.send_data(stream, rest, end_stream=end_stream)
            if taken == len(rest):
                self._window = None
                break
            rest = memoryview(rest)[taken:]
            await self._wait_to_send(window)
        if end_stream and self._head is not None:
            return  # answered and all handed over: when it leaves is nobody's concern any more
        if connection.channel.write_paused and not self.over and self._error is None:
            wait = connection.new_wait(self)
            connection.writable.append(wait)
            self._window = wait  # so that a reset, an answer and the deadlines wake it too
            try:
                if self._need_not_wait():
                    return  # resumed or broken off since it was looked at, by another thread
                await self._wait_to_send(wait)
            finally:
                if wait in connection.writable:
                    connection.writable.remove(wait)

    def _need_not_wait(self) -> bool:
        return not self._connection.channel.write_paused or self.over or self._error is not None

    async def _wait_to_send(self, wait: Wait) -> None:
        self._write_since = _now()
        self._connection.arm(self._look_at())
        try:
            await wait
        finally:
            self._write_since = 0.0

    def _stopped(self) -> bool:
        return self.over or self._error is not None or (self.stream is not None and self.stream.send_closed)

    # -- what the engine tells ---------------------------------------------------------------------------------------

    def _heard(self) -> None:
        """A sign of life; while the request is being sent no answer is waited for yet."""
        if self._since != NEVER:
            self._since = _now()

    def receive_informational(self, head: ResponseHead) -> None:
        """1xx: a sign of life; 100 lets content go that waits for it."""
        self._heard()
        if self._go_at and head.status_code == 100:
            self._stop_holding()

    def receive_head(self, head: ResponseHead, end_stream: bool) -> None:
        """The final response began."""
        self._head = head
        self._at = _now()
        if end_stream:
            self._end()
        self._wake()
        self.window_opened()  # who has handed everything over need not wait for the transport any longer

    def receive_data(self, data: bytes, end_stream: bool) -> None:
        """Content."""
        if self._since != NEVER:
            self._since = _now()
        content = self._content
        if content is None:
            if self._first is None:
                self._first = data
                if end_stream:
                    self._end()
                return
            content = self._content = ContentStream(
                self, self._head.content_length if self._head is not None else None, self._connection.channel.lock
            )
            content.feed(self._first)
        wake = data and content.feed(data)
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
            self._content = ContentStream(self, self._head.content_length, self._connection.channel.lock)
            if self._first is not None:
                self._content.feed(self._first)
        if self._content is not None:
            self._content.finish(fields)
        self._wake()

    def receive_reset(self, error: HyperHTTPError, unprocessed: bool) -> None:
        """The stream broke off."""
        if self.over:
            return
        locate(error, self._connection.lane)
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

    def stop_sending(self) -> None:
        """What is left of the request is not wanted any more."""
        sender, self._sender = self._sender, None
        if sender is not None:
            sender.cancel()

    def _end(self) -> None:
        self.ended = True
        stream = self.stream
        if stream is not None and not stream.send_closed:
            # The answer is complete and the request is not: nobody reads the rest of it (RFC 9113 section 8.1).
            self._connection.reset(stream, answered=True)
        self.window_opened()  # whoever still sends is done with it
        self._connection.done(self)

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # -- what the content stream asks --------------------------------------------------------------------------------

    def wait_for_content(self) -> Wait:
        """Something to await until the stream has been fed."""
        self._since = now = _now()
        self._waiter = waiter = self._connection.new_wait(self)
        self._connection.arm((now + min(now + self._read_timeout, self._total_at)) / 2)
        if self._content is not None and self._content.has_news:
            self._wake()  # another thread has fed it since it was looked at
        return waiter

    @property
    def can_fill(self) -> bool:
        """Content may go straight into a buffer: one that takes no more memory than the stream's window might.

        Not where threads share the connection: one of them would write to the buffer of another that has given up.
        """
        stream = self.stream
        left = None if stream is None or self.channel.lock is not None else stream.content_left
        return left is not None and stream is not None and left <= stream.receive_left

    def fill_buffer(self, view: memoryview) -> bool:
        """Let the rest of the content go straight into `view`."""
        return self.stream is not None and self._connection.engine.receive_into(self.stream, view)

    def pause_content(self) -> None:
        """The stream's window is the bound."""

    def content_taken(self, size: int, *, resume: bool) -> None:
        """The reader took `size` bytes: the peer may send as many more."""
        if self.stream is not None and size:
            self._connection.acknowledge(self.stream, size)

    def abandon(self) -> None:
        """The rest is not wanted."""
        self.cancel()

    def cancel(self) -> None:
        """End the stream early; the connection goes on (RFC 9113 section 8.1: RST_STREAM with CANCEL)."""
        if self.over:
            return
        if self.stream is not None:
            self._connection.reset(self.stream)
        self._connection.done(self)

    def remaining(self) -> float | None:
        """Seconds that the present wait may still take; a thread that waits asks."""
        at = min(self._go_at, self._total_at) if self._go_at else self._look_at()
        return None if at == NEVER else max(at - _now(), 0.0)

    # -- deadlines ---------------------------------------------------------------------------------------------------

    def check(self, now: float) -> float:
        """Let an overdue exchange fail; say when to look again."""
        lane = self._connection.lane
        at = self._total_at
        if at <= now:
            self._connection.doubt()
            self.abort(total_timeout(lane, self._phase(), now - self._sent_at))
            return NEVER
        if self._go_at:
            if self._go_at > now:
                return min(at, self._go_at)
            self._stop_holding()
            return at
        if self._write_since and self._write_since + self._write_timeout <= now:
            self._connection.doubt()
            self.abort(write_timeout(lane, self._write_timeout))
            return NEVER
        if self._waiter is not None and self._since + self._read_timeout <= now:
            self._connection.doubt()
            self.abort(read_timeout(lane, self._phase(), self._read_timeout))
            return NEVER
        return self._half_way(now) if self._write_since or self._waiter is not None else at

    def _look_at(self) -> float:
        """When something is to be done about the present wait: half way to its end, and there."""
        since = self._write_since
        end = self._total_at
        if since:
            end = min(end, since + self._write_timeout)
        if self._waiter is not None or not since:  # both, where the answer has begun before all is sent
            at = self._since + self._read_timeout
            end = min(end, at)
        since = since or self._since
        half = (since + end) / 2
        return half if half < end and self._asked != since else end

    def _half_way(self, now: float) -> float:
        """Half of the patience is over: if the peer has been silent, is it there at all? Say when to look again."""
        at = self._look_at()
        if at > now:
            return at
        since = self._asked = self._write_since or self._since
        self._connection.ask(now, (now - since) / 2)
        return self._look_at()

    def _phase(self) -> str:
        return "response head" if self._head is None else "response content"

    def abort(self, error: Exception | None = None) -> None:
        """Give up with `error`."""
        waiter, self._waiter = self._waiter, None
        window, self._window = self._window, None
        failure = error or ReadError(
            f"the connection to {self._connection.lane.name} was closed",
            host=self._connection.lane.host,
            port=self._connection.lane.port,
        )
        if isinstance(failure, HyperHTTPError):
            self._error = failure
        if self._content is not None:
            self._content.fail(failure)
        fail(waiter, failure)
        fail(window, failure)
        self.cancel()
