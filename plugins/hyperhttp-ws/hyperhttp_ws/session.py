"""An open WebSocket, in one text for both faces: over the stream of a blocking client nothing here suspends.

There is no task and no thread beside the caller's. Whoever receives answers pings, sends the keep-alive pings that are due,
and notices that the peer is gone. While nobody does, a timer does so on asyncio, and keeps the messages that come for whoever
receives next.
"""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

from hyperhttp import (
    HyperHTTPError,
    ReadTimeout,
    WebSocketClosed,
    WebSocketDecodeError,
    WebSocketError,
    WebSocketProtocolError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hyperhttp.plugins import UpgradedStream
    from hyperhttp_ws.attending import Attendant
    from hyperhttp_ws.framing import Framing, MessageData

__all__ = ["KeepAlive", "Session"]

_NEVER: Final = math.inf
#: Messages that a failed send takes out of the way to find out how the peer has closed.
_KEPT: Final = 16
#: Times that what is there already is looked at after a deadline: a peer that never stops talking must not move it.
_OVERTIME: Final = 2
#: Bytes of messages that are kept while nobody receives, when nothing more is heard.
_MOST: Final = 262_144
#: Seconds within which what the peer says is heard while nobody receives.
_TICK: Final = 5.0
#: Seconds that a look which is due is left to whoever receives.
_INSTANT: Final = 0.02
_PAYLOAD: Final = b"keep-alive"

_now = time.monotonic


class KeepAlive:
    """When to ask a silent peer for a sign of life, and when to give it up.

    Args:
        interval: seconds of silence before a ping; None sends none.
        timeout: seconds the peer has to say anything then; None gives it for ever.
    """

    def __init__(self, interval: float | None, timeout: float | None) -> None:
        self._interval = _NEVER if interval is None else interval
        self._timeout = timeout
        self._heard_at = _now()
        self._asked_at = 0.0

    def heard(self) -> None:
        """Bytes came."""
        self._heard_at = _now()
        self._asked_at = 0.0

    @property
    def is_on(self) -> bool:
        """Pings are sent at all."""
        return self._interval < _NEVER

    @property
    def tick(self) -> float:
        """Seconds between looks at what has come."""
        return min(self._interval, _TICK)

    @property
    def due(self) -> float:
        """The moment of the next ping, or of giving up."""
        if self._asked_at:
            return _NEVER if self._timeout is None else self._asked_at + self._timeout
        return self._heard_at + self._interval

    def ask(self) -> bool:
        """A ping is due; False where the last one was not answered in time."""
        if self._asked_at:
            return False
        self._asked_at = _now()
        return True

    def __str__(self) -> str:
        return f"{self._timeout:g} s after a ping"


class Session:
    """Messages over an upgraded stream.

    Args:
        stream: the stream.
        framing: what was agreed in the handshake.
        name: the peer, for messages.
        keep_alive: its pings.
        write_timeout: seconds the peer may take nothing of what is sent.
        close_timeout: seconds the peer has to answer a Close frame.

    Attributes:
        close_code, close_reason: how it was closed; None and empty while it is open.
        latency: seconds between the last ping of `ping` and its pong, or None.
    """

    def __init__(
        self,
        stream: UpgradedStream,
        framing: Framing,
        *,
        name: str,
        keep_alive: KeepAlive,
        write_timeout: float | None,
        close_timeout: float | None,
    ) -> None:
        self.stream = stream
        self.name = name
        self.close_code: int | None = None
        self.close_reason = ""
        self.latency: float | None = None
        self._framing = framing
        self._keep_alive = keep_alive
        self._write_timeout = write_timeout
        self._close_timeout = close_timeout
        self._lock = threading.RLock()  # one thread may receive while another sends
        self._kept: deque[MessageData] = deque()
        self._pings: dict[bytes, float] = {}
        self._cause: Exception | None = None
        self._fault: WebSocketError | None = None
        self._why = ""
        self._receiving = False
        self._closing = False
        self._attendant: Attendant | None = None

    # -- receiving ---------------------------------------------------------------------------------------------------

    async def receive(self, timeout: float | None = None) -> MessageData:
        """The next message."""
        with self._lock:
            if self._receiving:
                msg = "another recv() is waiting already: one task, or thread, receives at a time"
                raise RuntimeError(msg)
            self._receiving = True
        try:
            deadline = _NEVER if timeout is None else _now() + timeout
            late = 0
            while (message := self._pull()) is None:
                self._check_open()
                late += _now() >= deadline
                if late > _OVERTIME or not await self._next_bytes(deadline):
                    msg = f"no message from {self.name} within {timeout:g} s"
                    raise ReadTimeout(msg, phase="websocket", limit=timeout)
            return message
        finally:
            self._receiving = False

    def _pull(self) -> MessageData | None:
        """The next message of what has come; frames that are no messages are dealt with."""
        with self._lock:
            if self._kept:
                return self._kept.popleft()
            message = self._framing.pull()
            self._react()
            return message

    async def _next_bytes(self, deadline: float) -> bool:
        """Wait for bytes, keeping the connection alive meanwhile; False once the deadline has passed."""
        due = _NEVER if self._closing else self._keep_alive.due
        limit = min(deadline, due)
        now = _now()
        try:
            data = await self.stream.receive(None if limit == _NEVER else max(limit - now, 0.0))
        except ReadTimeout:
            if deadline <= due:
                return False
            self._ask_for_life()
            return True
        except HyperHTTPError as error:
            self._end(1006, "", str(error), error)
            return True
        self._hear(data)
        return True

    def _hear(self, data: bytes) -> None:
        """Bytes came; none at the end."""
        with self._lock:
            if data:
                self._keep_alive.heard()
                self._framing.receive_data(data)
            elif self.close_code is None:
                self._end(1006, "", "the connection ended without a Close frame")

    def _react(self) -> None:
        """Answer what the peer has said besides messages."""
        framing = self._framing
        for payload in framing.pongs:
            sent_at = self._pings.pop(payload, None)
            if sent_at is not None:
                self.latency = _now() - sent_at
        framing.pongs = []
        if framing.peer_close is not None and self.close_code is None:
            code, reason = framing.peer_close
            if not (self.stream.at_eof and self.stream.http_version == "HTTP/2"):  # it has ended the stream already
                self._write_last(framing.close(code))
            self._end(code, reason, "the peer closed it")
        elif framing.fault is not None and self.close_code is None:
            self._fail(*framing.fault)
        elif framing.pong is not None and not self.stream.congested and self.close_code is None:
            self._write_last(framing.answer_ping())

    def _fail(self, code: int, what: str) -> None:
        """Fail the connection (RFC 6455 section 7.1.7): say why, and close."""
        self._write_last(self._framing.close(code, what[:80]))
        msg = f"{self.name}: {what}"
        if code == 1007:
            self._fault = WebSocketDecodeError(msg)
        elif code != 1009:
            self._fault = WebSocketProtocolError(msg)
        self._end(code, what, what)

    def _ask_for_life(self) -> None:
        with self._lock:
            if self._keep_alive.ask():
                if not self.stream.congested and self.close_code is None:
                    self._write_last(self._framing.ping(_PAYLOAD))
            else:
                self._end(1006, "", f"the peer said nothing within {self._keep_alive}")
                self.stream.abort()

    # -- while nobody receives, on asyncio ---------------------------------------------------------------------------

    def attend(self) -> None:
        """Keep the connection alive, and notice its end, also while nobody receives; until it is closed."""
        if self._keep_alive.is_on:
            from hyperhttp_ws.attending import Attendant  # which needs a loop

            self._attendant = Attendant(self)

    def look_after(self) -> float | None:
        """Do what is due unless somebody receives, and so does it; seconds until the next look, None for never."""
        if not self._is_open() or self._closing:
            return None
        if not self._receiving and not self._listen():
            return (
                self._keep_alive.tick
            )  # what the peer says cannot be heard until somebody receives: it cannot be asked either
        if not self._is_open():
            return None
        if not self._receiving and self._keep_alive.due <= _now():
            self._ask_for_life()
        soonest = max(self._keep_alive.due - _now(), _INSTANT)
        return min(soonest, self._keep_alive.tick) if self._is_open() else None

    def _listen(self) -> bool:
        """Take in what has come, answer it, and keep messages; False where too much is kept, or on its way to the peer."""
        while len(self._kept) < _KEPT and sum(map(len, self._kept)) < _MOST:
            if self._keep_message():
                continue
            data = self._poll() if self._is_open() else None
            if data is None:
                return not self.stream.congested
            self._hear(data)
        return False

    def _poll(self) -> bytes | None:
        """What has come; None where nothing has, so that one would have to wait for it."""
        waiting = self.stream.receive()
        try:
            waiting.send(None)
        except StopIteration as stop:
            data: bytes = stop.value
            return data
        except HyperHTTPError as error:
            self._end(1006, "", str(error), error)
            return None
        waiting.close()  # as a caller that was cancelled: nothing is lost
        return None

    # -- sending -----------------------------------------------------------------------------------------------------

    async def send(self, data: MessageData, *, final: bool = True) -> None:
        """Send a message, or a part of one; it is handed over whole before this waits."""
        await self._send(lambda: self._framing.message(data, final=final))

    async def ping(self, payload: bytes = b"") -> None:
        """Send a ping."""

        def render() -> list[bytes]:
            data = self._framing.ping(payload)
            while len(self._pings) >= _KEPT:
                del self._pings[next(iter(self._pings))]
            self._pings[payload] = _now()
            return [data]

        await self._send(render)

    async def _send(self, render: Callable[[], Iterable[bytes]]) -> None:
        try:
            with self._lock:
                self._check_open()
                if self._closing:
                    raise self._closed_error()
                pieces = render()
                self._write_last(self._framing.answer_ping())
                for piece in pieces:
                    self.stream.write(piece)
                waits = self.stream.congested
            await self.stream.drain(self._write_timeout)
            if waits:
                self._check_open()  # it may have ended meanwhile, with what was written
        except WebSocketError:
            raise
        except HyperHTTPError as error:
            if isinstance(error, TimeoutError):
                raise
            await self._find_end(error)
            self._check_open()
            raise

    async def _find_end(self, error: Exception) -> None:
        """The connection takes nothing more: look for the Close frame in what had come before."""
        while self.close_code is None and len(self._kept) < _KEPT:
            if not self._keep_message() and not await self._next_bytes(0.0):
                break
        self._end(1006, "", str(error), error)

    def _keep_message(self) -> bool:
        """Put the next message of what has come away, for whoever receives; False where there is none."""
        with self._lock:
            kept, self._kept = self._kept, deque()
            message = self._pull()
            self._kept = kept
            if message is not None:
                self._kept.append(message)
        return message is not None

    def _write_last(self, data: bytes) -> None:
        """Send what must not make anybody wait; it does not matter whether it arrives."""
        try:
            if data:
                self.stream.write(data)
        except HyperHTTPError:
            pass  # whoever receives finds out how the connection ended

    # -- closing -----------------------------------------------------------------------------------------------------

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close in order: say so, and wait until the peer has agreed."""
        with self._lock:
            if self.close_code is None and not self._closing:
                self._closing = True
                self._write_last(self._framing.close(code, reason))
        deadline = _NEVER if self._close_timeout is None else _now() + self._close_timeout
        late = 0
        try:
            while self._is_open() and late <= _OVERTIME:
                if self._pull() is not None or not self._is_open():
                    continue  # what comes until then is for nobody
                late += _now() >= deadline
                if not await self._next_bytes(deadline):
                    break
        finally:
            if self._is_open():
                self.abort("the peer did not answer the Close frame")
            self._free()

    def abort(self, why: str = "it was given up") -> None:
        """Close at once, without a word."""
        self._end(1006, "", why)
        self.stream.abort()

    def _end(self, code: int, reason: str, why: str, cause: Exception | None = None) -> None:
        with self._lock:
            if self.close_code is None:
                self.close_code, self.close_reason = code, reason
                self._why, self._cause = why, cause
                if self._attendant is not None:
                    self._attendant.stop()
                    self._attendant = None
                self._free()

    def _free(self) -> None:
        """Give the connection back; both have said what they had to say, or cannot any more."""
        if self.stream.http_version == "HTTP/2":
            # RST_STREAM and not END_STREAM: servers forget a stream with their Close frame, and take DATA for an error.
            self.stream.abort()
        else:
            self.stream.close()

    def _is_open(self) -> bool:
        return self.close_code is None

    def _check_open(self) -> None:
        """Raise what the end of the connection is for its user; a fault of the peer's once, then that it is closed."""
        with self._lock:
            fault, self._fault = self._fault, None
        if fault is not None:
            raise fault
        if self.close_code is not None:
            raise self._closed_error() from self._cause

    def _closed_error(self) -> WebSocketClosed:
        if self.close_code is None:
            return WebSocketClosed(f"the WebSocket to {self.name} is being closed", code=1000)
        said = f"{self.close_code}{f' {self.close_reason!r}' if self.close_reason else ''}"
        why = f": {self._why}" if self._why and self._why != self.close_reason else ""
        msg = f"the WebSocket to {self.name} is closed ({said}){why}"
        return WebSocketClosed(msg, code=self.close_code, reason=self.close_reason)
