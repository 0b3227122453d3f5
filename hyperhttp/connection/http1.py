"""One exchange at a time over one HTTP/1.1 connection (RFC 9112).

The connection is the receiver of its channel and the reader of its responses in one object, so that a response that
arrives whole travels from the socket to the waiting caller in three calls. The moment it is complete the connection
goes back to its pool, before the caller has even been scheduled.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.connection.base import NEW, give_up_unowned
from hyperhttp.connection.overdue import CONTINUE_PATIENCE, length_error, read_timeout, total_timeout, write_timeout
from hyperhttp.connection.stream import ContentStream
from hyperhttp.exceptions import ReadError, RemoteProtocolError, WriteError
from hyperhttp.network.base import NEVER, fail
from hyperhttp.protocol.http1.reader import ResponseReader
from hyperhttp.protocol.http1.writer import LAST_CHUNK, write_chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hyperhttp.config import Timeout
    from hyperhttp.message.content import Content
    from hyperhttp.message.timing import ConnectionInfo
    from hyperhttp.network.base import Channel, Network, Wait
    from hyperhttp.protocol.events import Field, ResponseHead

__all__ = ["HTTP1Connection"]

#: Bytes of an in-memory body written at once; between two pieces the peer's answer can be heard.
_PIECE: Final = 262_144
#: In-memory bodies up to this size travel in the same write as the head.
_JOIN: Final = 65_536

_now = time.monotonic


class HTTP1Connection(ResponseReader):
    """A connection in its pool or in one exchange.

    Attributes:
        lane: the pool's place for it.
        uses: exchanges begun on it.
        expires_at: moment after which it is not used again.
        retire_at: moment at which it is too old for another request.
        read_at: moment of the last bytes.
        owner: the exchange that has it now; None in the pool.
        info: what is known of it since it was opened.
        opener: who asked for it to be opened, until that one has it.
        place: where the pool has put it: in use, idle or gone.
    """

    __slots__ = (
        "_early",
        "_go_at",
        "_network",
        "_read_timeout",
        "_release",
        "_sent_at",
        "_since",
        "_stream",
        "_total_at",
        "_waiter",
        "_watch",
        "_writable",
        "_write_since",
        "_write_timeout",
        "channel",
        "expires_at",
        "info",
        "lane",
        "made_at",
        "multiplexed",
        "opener",
        "owner",
        "place",
        "read_at",
        "retire_at",
        "uses",
    )

    is_settled = can_fill = True
    in_use = 1
    http_version = "HTTP/1.1"

    def __init__(self, channel: Channel, network: Network, lane: Any, release: Callable[..., None]) -> None:
        super().__init__()
        self.channel = channel
        self.lane = lane
        self._network = network
        self._watch = network.watch
        self._release = release
        self._waiter: Wait | None = None
        self._writable: Wait | None = None
        self._stream: ContentStream | None = None
        self._since = self._sent_at = 0.0
        self._write_since = 0.0
        self._read_timeout = self._write_timeout = self._total_at = self._go_at = NEVER
        self._early = False
        self.owner: object | None = None
        self.info: ConnectionInfo | None = None
        self.opener: object = None
        self.uses = 0
        self.place = NEW
        self.multiplexed = False  # a slot: an attribute of the class costs several times as much to look up
        self.made_at = self.read_at = _now()
        self.expires_at = self.retire_at = NEVER
        channel.attach(self)

    def has_room(self) -> bool:
        """It serves one at a time."""
        return self.owner is None

    # -- the exchange ------------------------------------------------------------------------------------------------

    def send(
        self,
        method: str,
        data: bytes,
        timeout: Timeout,
        total_at: float,
        now: float,
        switch: str | None = None,
    ) -> Wait:
        """Send a whole request; the wait gives (head, content or stream, moment the head was there).

        Args:
            method: the request's method.
            data: head and content.
            timeout: read and write limits.
            total_at: moment at which the whole call is over.
            now: the moment.
            switch: protocol named in an Upgrade field.
        """
        if not self.reusable:
            msg = f"{self.lane.name} closed the connection, or spoke, before the request was sent"
            raise ReadError(msg, host=self.lane.host, port=self.lane.port)
        self.expect_response(method, switch)
        self.uses += 1
        read = timeout.read
        write = timeout.write
        self._read_timeout = NEVER if read is None else read
        self._write_timeout = NEVER if write is None else write
        self._total_at = at = total_at
        self._since = self._sent_at = now
        self._early = True  # a thread that writes for long may hear the answer before all is written
        if read is not None and now + read < at:
            at = now + read
        watch = self._watch
        watch.busy.add(self)
        if at < watch.when:
            watch.arm(at)
        self._waiter = waiter = self.channel.new_wait()
        self.channel.write(data)
        self._early = False
        return waiter

    async def send_content(
        self,
        method: str,
        head: bytes,
        content: Content,
        timeout: Timeout,
        total_at: float,
        switch: str | None = None,
        *,
        expect: bool = False,
    ) -> Any:
        """Send a request whose content does not travel with its head, and wait for the response's head.

        A final response that comes while the content is still being sent, or with `expect` is still held back, ends the
        sending (RFC 9112 section 9.3): the response is delivered and the connection is not used again.
        """
        now = _now()
        waiter = self.send(method, head, timeout, total_at, now, switch)
        self._since = NEVER  # the wait for the response begins when the request is sent
        if expect:
            await self._hold(waiter)
        if expect and waiter.done():
            content.sent_at = _now()
        elif content.data is not None:
            whole = content.data if content.length is not None else write_chunk(content.data) + LAST_CHUNK
            await self._send_pieces(memoryview(whole), waiter)
        else:
            await self.channel.send_while(self._send_chunks(content, waiter), waiter)
        if content.data is not None:
            content.sent_at = _now()
        if not waiter.done():
            self._since = _now()
            self._watch_until(min(self._since + self._read_timeout, self._total_at))
        return await waiter

    async def _hold(self, waiter: Wait) -> None:
        """Wait for 100 (Continue), a final response, or the end of patience (RFC 9110 section 10.1.1)."""
        self._early = True  # who answers now will not read the content: the connection is out of step
        self._go_at = _now() + min(CONTINUE_PATIENCE, self._read_timeout)
        self._write_since = NEVER
        self._watch_until(min(self._go_at, self._total_at))
        self._writable = self.channel.new_wait()
        try:
            if not waiter.done():
                await self._writable
        finally:
            self._writable = None
            self._go_at = NEVER
        self._early = waiter.done()

    def _stop_holding(self) -> None:
        self._go_at = NEVER
        self.write_resumed()

    async def _send_pieces(self, data: memoryview, waiter: Wait) -> None:
        self._early = True  # until the last byte is written, a response that arrives is early
        for start in range(0, len(data), _PIECE):
            self.channel.listen()
            if waiter.done():
                return
            self.channel.write(data[start : start + _PIECE])
            if self.channel.write_paused:
                await self._wait_writable()
        self._early = waiter.done()

    async def _send_chunks(self, content: Content, waiter: Wait) -> None:
        chunked, turn, sent = content.length is None, content.turn, 0
        self._early = True
        try:
            while data := await content.next_chunk(self._network.call):
                self.channel.listen()
                if self._total_at <= _now():  # who produces it may block, and hears of no deadline
                    self.abort(total_timeout(self.lane, "request content", _now() - self._sent_at))
                if waiter.done():
                    return
                sent += len(data)
                if not chunked:
                    self._check_length(content, sent)
                self.channel.write(write_chunk(data) if chunked else data)
                if self.channel.write_paused:
                    await self._wait_writable()
        finally:
            content.close(turn)
        self._check_length(content, sent, ended=True)
        if chunked:
            self.channel.write(LAST_CHUNK)
        content.sent_at = _now()
        self._early = False

    def _check_length(self, content: Content, sent: int, *, ended: bool = False) -> None:
        """More or fewer bytes than announced would put the connection out of step."""
        length = content.length
        if length is not None and (sent > length or (ended and sent != length)):
            raise length_error(self.lane, length, more=sent > length)

    async def _wait_writable(self) -> None:
        self._write_since = _now()
        self._watch_until(min(self._write_since + self._write_timeout, self._total_at))
        self._writable = self.channel.new_wait()
        try:
            await self._writable
        finally:
            self._writable = None

    def _watch_until(self, at: float) -> None:
        if at < self._watch.when:
            self._watch.arm(at)

    # -- what the reader found ---------------------------------------------------------------------------------------

    def response_received(self, head: ResponseHead, content: bytes) -> None:
        """A whole response in one piece: back to the pool, then wake the caller."""
        waiter, writable = self._waiter, self._writable
        self._waiter = None
        self.read_at = at = _now()
        self._watch.busy.discard(self)
        if self._early:
            self.reusable = False
        self.owner = None
        try:
            self._release(self)  # from here on another thread may use the connection: its waits are not ours
        except BaseException:
            give_up_unowned(self)
            raise
        if waiter is not None and not waiter.done():
            waiter.set_result((head, content, at))
        if writable is not None and not writable.done():
            writable.set_result(None)

    def head_continues(self) -> None:
        """Bytes came: the wait for the next ones begins."""
        self.read_at = _now()

    def head_received(self, head: ResponseHead) -> None:
        """Content will follow: the caller gets a stream."""
        waiter, self._waiter = self._waiter, None
        self.read_at = at = _now()
        self._stream = stream = ContentStream(self, head.content_length)
        if waiter is not None and not waiter.done():
            waiter.set_result((head, stream, at))
        if self._writable is not None:
            self.write_resumed()

    def interim_received(self, head: ResponseHead) -> None:
        """1xx: a sign of life; 100 lets content go that waits for it."""
        self.read_at = _now()
        if self._go_at < NEVER and head.status_code == 100:
            self._stop_holding()

    def content_received(self, data: bytes) -> None:
        """Feed the stream, wake its reader."""
        self.read_at = _now()
        stream = self._stream
        if stream is not None and stream.feed(data):
            self._wake()

    def content_ended(self, trailers: Sequence[Field]) -> None:
        """The last byte: back to the pool, then wake the reader."""
        stream, self._stream = self._stream, None
        waiter, self._waiter = self._waiter, None
        self._watch.busy.discard(self)
        if self._early:
            self.reusable = False
        self.owner = None
        if stream is not None:
            stream.finish(trailers)
        try:
            self._release(self)  # see `response_received`
        except BaseException:
            give_up_unowned(self)
            raise
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def response_failed(self, error: RemoteProtocolError) -> None:
        """The peer broke the protocol or left too early."""
        error.host, error.port = self.lane.host, self.lane.port
        error.args = (f"{self.lane.name}: {error}",)
        self.abort(error)

    def surplus_received(self) -> None:
        """A byte on an idle connection retires it."""
        self.abort()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # -- what the channel tells --------------------------------------------------------------------------------------

    def receive_eof(self) -> None:
        """The peer closed: an end, an early end, or the end of an idle connection."""
        super().receive_eof()
        self.abort()

    def connection_lost(self, error: Exception | None) -> None:
        """The channel is gone."""
        if self.owner is not None and error is None:
            super().receive_eof()
        self.abort(self._lost(error) if error is not None else None)

    def write_resumed(self) -> None:
        """The peer takes bytes again."""
        if self._writable is not None and not self._writable.done():
            self._writable.set_result(None)

    def remaining(self) -> float | None:
        """Seconds that the present wait may still take."""
        if self._go_at < NEVER:
            return max(min(self._go_at, self._total_at) - _now(), 0.0)
        if self._total_at == NEVER:
            return None if self._read_timeout == NEVER else self._read_timeout
        return max(min(self._read_timeout, self._total_at - _now()), 0.0)

    def write_limit(self) -> float | None:
        """Seconds that a write may wait."""
        limit = min(self._write_timeout, self._total_at - _now() if self._total_at < NEVER else NEVER)
        return None if limit == NEVER else max(limit, 0.0)

    def has_answer(self) -> bool:
        """Whether the response has begun."""
        return self._waiter is None

    # -- deadlines ---------------------------------------------------------------------------------------------------

    def check(self, now: float) -> float:
        """Let an overdue exchange fail; say when to look again."""
        at = self._total_at
        if at <= now:
            self.abort(total_timeout(self.lane, self._phase(), now - self._sent_at))
            return NEVER
        if self._writable is not None:
            if self._go_at <= now:
                self._stop_holding()
                return at
            limit = self._write_since + self._write_timeout
            if limit <= now:
                self.abort(write_timeout(self.lane, self._write_timeout))
                return NEVER
            at = min(at, limit, self._go_at)
        elif self._waiter is not None:
            limit = max(self._since, min(self.read_at, now)) + self._read_timeout
            if limit <= now:
                self.abort(read_timeout(self.lane, self._phase(), self._read_timeout))
                return NEVER
            at = min(at, limit)
        return at

    def _phase(self) -> str:
        if self._writable is not None:
            return "request content"
        return "response content" if self._stream is not None else "response head"

    # -- what the content stream asks --------------------------------------------------------------------------------

    def wait_for_content(self) -> Wait:
        """Something to await until the stream has been fed."""
        self._since = now = _now()
        self._waiter = waiter = self.channel.new_wait()
        self._watch_until(min(now + self._read_timeout, self._total_at))
        return waiter

    def fill_buffer(self, view: memoryview) -> bool:
        """Let the rest of the content go straight into `view`, where it has a known length and that is it."""
        if self.left != len(view):
            return False
        return self.channel.receive_into(view)

    def buffer_grew(self, size: int) -> None:
        """A part of the buffer was filled."""
        self.read_at = _now()
        self.skip_content(size)

    def buffer_filled(self, *, more: bool) -> None:
        """The content is complete; bytes beyond it answer no request."""
        self.read_at = _now()
        if more:
            self.reusable = False
        self.finish_content()

    def pause_content(self) -> None:
        """The reader is slow: let the peer wait."""
        self.channel.pause_reading()

    def content_taken(self, size: int, *, resume: bool) -> None:
        """The reader took something."""
        if resume:
            self.channel.resume_reading()

    def abandon(self) -> None:
        """The rest of the content is not wanted: the connection is out of step and ends here."""
        self.abort()

    # -- the end -----------------------------------------------------------------------------------------------------

    def abort(self, error: Exception | None = None) -> None:
        """Close at once; whoever waits gets `error`."""
        self.stop_reading()
        self._watch.busy.discard(self)
        self.channel.abort()
        waiter, self._waiter = self._waiter, None
        writable, self._writable = self._writable, None
        stream, self._stream = self._stream, None
        self.owner = None
        self._release(self)
        host, port = self.lane.host, self.lane.port
        failure = error or ReadError(f"the connection to {self.lane.name} was closed", host=host, port=port)
        if stream is not None:
            stream.fail(failure)
        fail(waiter, failure)
        fail(writable, failure)

    def hand_over(self) -> Channel:
        """Give the channel to the protocol that was switched to; the place in the pool is taken until `give_back`."""
        self._watch.busy.discard(self)
        self._waiter = self._stream = None
        self.channel = channel = self.channel.share()
        return channel

    def give_back(self) -> None:
        """The protocol that was switched to has ended."""
        self.stop_reading()
        self.owner = None
        self._release(self)

    def close(self) -> None:
        """Close in order; at once where content is left that nobody wants any more."""
        self.stop_reading()
        if self._early or (self.channel.write_paused and not self.channel.closed):
            self.channel.abort()
        else:
            self.channel.close()

    def _lost(self, error: Exception) -> Exception:
        kind = WriteError if isinstance(error, BrokenPipeError) else ReadError
        lane = self.lane
        what = f"the connection to {lane.name} broke: {str(error) or type(error).__name__}"
        lost = kind(what, host=lane.host, port=lane.port, phase=self._phase())
        lost.__cause__ = error
        return lost
