"""Many exchanges over one HTTP/2 connection (RFC 9113).

The connection feeds bytes to the engine and writes what the engine has to say, once per turn of the loop however many
requests were made in it. Each exchange listens to its own stream, has its own deadlines and its own wait: none of them
wakes, blocks or fails another.
"""

from __future__ import annotations

import time
from copy import copy
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.connection.base import NEW
from hyperhttp.connection.http2_exchange import HTTP2Exchange
from hyperhttp.connection.overdue import locate
from hyperhttp.exceptions import HyperHTTPError, ReadError
from hyperhttp.message.extensions import http2_path
from hyperhttp.network.base import NEVER
from hyperhttp.protocol.http2 import ErrorCode, H2Connection

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.connection.stream import ContentStream
    from hyperhttp.message.request import Request
    from hyperhttp.message.timing import ConnectionInfo
    from hyperhttp.network.base import Channel, Network, Wait
    from hyperhttp.protocol.events import ResponseHead
    from hyperhttp.protocol.http2 import H2Stream

__all__ = ["HTTP2Connection"]

#: Seconds without a byte from the peer after which a busy connection asks for a sign of life.
_PING_AFTER: Final = 15.0
#: The same for an idle one: so that the boxes between do not forget it, and a dead peer is found before a request is.
_PING_IDLE_AFTER: Final = 45.0
#: Seconds the peer has to give it.
_PING_WITHIN: Final = 15.0
#: Seconds that frames for streams which were left early may be those that were on their way.
_LATE_PATIENCE: Final = 15.0
#: Seconds a peer has to show that it reads, after that.
_LATE_WITHIN: Final = 30.0
_READING: Final = b"reading?"
#: Seconds between renewals of what control frames may cost.
_BUDGET_EVERY: Final = 10.0
#: Bytes of content that are not left for the end of the turn.
_LARGE_WRITE: Final = 65_536

_now = time.monotonic


class HTTP2Connection:
    """A connection that serves many exchanges at once.

    Attributes:
        lane: the pool's place for it.
        in_use: exchanges that have it, begun or about to begin.
        reusable: it takes further exchanges.
        lost: it broke.
        expires_at, retire_at, read_at, place, uses, info, opener: as of `HTTP1Connection`.
    """

    multiplexed = True
    owner = None
    began = False
    http_version = "HTTP/2"
    takes_views = True
    exchange = HTTP2Exchange  # so that the pipeline loads nothing of HTTP/2 before a connection speaks it

    def __init__(
        self,
        channel: Channel,
        network: Network,
        lane: Any,
        release: Callable[..., None],
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
        self._doubted_at = 0.0
        self._late = 0
        self._late_since = self._asked_at = NEVER
        self._renew_at = _now() + _BUDGET_EVERY
        self.exchanges: set[HTTP2Exchange] = set()
        self.in_use = 0
        self.info: ConnectionInfo | None = None
        self.opener: object = None
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
        self.watch.busy.add(self)  # as long as it lives: it pings while it is idle too
        self.arm(self.made_at + _PING_AFTER)

    @property
    def reusable(self) -> bool:
        """It takes further exchanges."""
        return not self.channel.closed and not self.engine._refusal and self._doubted_at != self._pinged_at

    @property
    def is_settled(self) -> bool:
        """The peer has said how many streams it takes."""
        return not self.engine._expects_settings

    def has_room(self) -> bool:
        """One more exchange can begin; only the first before the peer has said how many it takes."""
        if self.engine._expects_settings:
            return self.in_use < 1 and self.reusable
        return self.in_use < self.engine.peer.max_concurrent_streams and self.reusable

    # -- what the pool and the exchanges ask -------------------------------------------------------------------------

    def open(self, exchange: HTTP2Exchange, request: Request, *, end_stream: bool, protocol: str = "") -> H2Stream:
        """Begin a request; it is written with all others of this turn. With `protocol` it is an extended CONNECT (RFC 8441)."""
        url = request.url
        fields: Any = request._fields if request._headers is None else request._headers._fields
        host = request._headers.get("host") if request._headers is not None else None
        authority = (host or url.host_header).encode("ascii")
        if protocol:
            fields = [field for field in fields if field[0].lower() != b"sec-websocket-key"]  # RFC 8441 section 5
        target = url.target
        if request._extensions:
            target = http2_path(request)
        now = _now()
        if now - self.read_at > _PING_AFTER and self._pinged_at == NEVER:
            self._ping(now)  # idle for long: it may be dead, and only an answer would tell
        stream = self.engine.open_stream(
            exchange,
            b"CONNECT" if protocol else request.method.encode("ascii"),
            authority,
            target.encode("ascii"),
            fields,
            end_stream=end_stream,
            scheme=self.scheme,
            protocol=protocol.encode("ascii"),
        )
        self.uses += 1
        if not self.exchanges:
            self.arm(now + _PING_AFTER)
        self.exchanges.add(exchange)
        return stream

    def done(self, exchange: HTTP2Exchange) -> None:
        """An exchange is over, whichever way."""
        if exchange.over:
            return
        exchange.over = True
        exchange.stop_sending()
        self.watch.busy.discard(exchange)
        self.exchanges.discard(exchange)
        self._release(self, 1)

    def arm(self, at: float) -> None:
        """Look at the deadlines at `at` at the latest."""
        if at < self.watch.when:
            self.watch.arm(at)

    def result_of(self, exchange: HTTP2Exchange) -> tuple[ResponseHead, bytes | ContentStream, float]:
        """What an exchange has come to."""
        return exchange.result()

    def new_wait(self, exchange: HTTP2Exchange) -> Wait:
        """Something an exchange awaits."""
        return self.channel.new_wait()

    def send_data(self, stream: H2Stream, data: bytes | memoryview, *, end_stream: bool) -> int:
        """Send content, as much as the windows allow; gives the number of bytes taken."""
        taken = self.engine.send_data(stream, data, end_stream=end_stream)
        if taken < _LARGE_WRITE:
            self.flush_soon()
        else:
            self.flush()  # now, so that a peer that takes no more is noticed before the next piece
            if self.channel.lock is None:
                self.channel.listen()  # or that the stream has broken
        return taken

    def acknowledge(self, stream: H2Stream, size: int) -> None:
        """The reader took `size` bytes of content."""
        self.engine.acknowledge(stream, size)
        if self._out:
            self.flush_soon()

    def reset(self, stream: H2Stream, *, answered: bool = False) -> None:
        """End a stream early; `answered` where its response is complete and its request is not."""
        self.engine.reset_stream(stream, ErrorCode.NO_ERROR if answered else ErrorCode.CANCEL)
        self.flush_soon()

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

    # -- what the channel tells --------------------------------------------------------------------------------------

    def receive_data(self, data: bytes | memoryview) -> None:
        """Bytes from the peer; a view is not used after this returns."""
        self.read_at = _now()
        self._pinged_at = NEVER
        self._receive(data)
        if self.engine.late != self._late:
            self._receive_late()
        if self._out:
            self.flush()
        if self.engine.closed:
            self.abort()

    def buffer_grew(self, size: int) -> None:
        """Frames cannot go straight into a buffer."""

    def buffer_filled(self, *, more: bool) -> None:
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
            host=self.lane.host,
            port=self.lane.port,
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
        """Seconds until the peer is to be asked for a sign of life, or has failed to give it."""
        return max(self._next_check() - _now(), 0.0)

    def _next_check(self) -> float:
        at = self._asked_at + _LATE_WITHIN
        if self._pinged_at < NEVER:
            return min(self._pinged_at + _PING_WITHIN, at)
        return min(self.read_at + (_PING_AFTER if self.exchanges else _PING_IDLE_AFTER), at)

    def write_limit(self) -> float | None:
        """Each exchange has limits of its own."""
        return None

    def has_answer(self) -> bool:
        """Answers do not end the connection's writing."""
        return False

    # -- what the engine tells ---------------------------------------------------------------------------------------

    def settings_changed(self) -> None:
        """The peer may take more or fewer streams now."""
        self._release(self)
        if self.writable:
            self.write_resumed()  # somebody may wait to hear what the peer offers

    def goaway_received(self) -> None:
        """The peer is leaving: no new exchange, the present ones go on."""
        self._release(self)

    def ping_acknowledged(self, data: bytes) -> None:
        """A sign of life; and if we had asked, of reading."""
        self._late_since = self._asked_at = NEVER

    def _receive_late(self) -> None:
        """Frames came for streams that were left early. If that goes on, does the peer read that they were?

        It is alive, so it would not be asked otherwise, and one that never reads could send in small pieces for ever.
        """
        self._late = self.engine.late
        now = self.read_at
        self._late_since = min(self._late_since, now)
        if self._asked_at == NEVER and now - self._late_since >= _LATE_PATIENCE:
            self._asked_at = now
            self.engine.ping(_READING)
            self.arm(now + _LATE_WITHIN)

    # -- life --------------------------------------------------------------------------------------------------------

    def check(self, now: float) -> float:
        """Ask a silent peer for a sign of life; give it up when none comes."""
        if now >= self._renew_at:
            self._renew_at = now + _BUDGET_EVERY
            self.engine.renew_budget()
        at = self._next_check()
        if now < at:
            return at
        if self._asked_at + _LATE_WITHIN <= now:
            self.abort(ReadError(f"{self.lane.name} does not read", host=self.lane.host, port=self.lane.port))
            return NEVER
        if self._pinged_at < NEVER:
            self.abort(ReadError(f"{self.lane.name} has stopped answering", host=self.lane.host, port=self.lane.port))
            return NEVER
        self._ping(now)
        self.flush()
        return self._next_check()

    def ask(self, now: float, patience: float) -> None:
        """Ask for a sign of life if there was none for so long: an exchange is half way to its limit."""
        if self._pinged_at == NEVER and now - self.read_at >= patience:
            self._ping(now)
            self.flush()

    def doubt(self) -> None:
        """An exchange has failed for want of an answer; until the peer gives a sign of life, nobody else waits for it."""
        if self._pinged_at < NEVER:
            self._doubted_at = self._pinged_at

    def _ping(self, now: float) -> None:
        self._pinged_at = now
        self.engine.ping()
        self.arm(now + _PING_WITHIN)

    def abort(self, error: Exception | None = None) -> None:
        """Close at once; every exchange hears of it."""
        if self._out and not self.channel.closed and not self.channel.write_paused:
            self.channel.write(self.engine.data_to_send())
            self.channel.close()
        else:  # also where the peer takes nothing any more: it would never take the goodbye
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
            copy(error)
            if isinstance(error, HyperHTTPError)
            else ReadError(f"the connection to {self.lane.name} was closed")
        )
        locate(failure, self.lane)
        if error is not None:
            failure.__cause__ = error.__cause__
        return failure

    def close(self) -> None:
        """Say goodbye and close; exchanges that are still there hear of it."""
        self.watch.busy.discard(self)
        if self.lost:
            self.channel.close()
            return  # `abort` is telling the exchanges why
        if not self.channel.closed:
            self.engine.close()
            self.flush()
        self.channel.close()
        for exchange in tuple(self.exchanges):
            exchange.receive_reset(self._failure(None), unprocessed=False)
