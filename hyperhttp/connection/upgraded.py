"""What a connection becomes when both sides agree on another protocol: bytes both ways, and no more.

After 101 (Switching Protocols) on HTTP/1.1 (RFC 9110 section 7.8), or 2xx to an extended CONNECT on HTTP/2 (RFC 8441),
whoever asked for the upgrade gets an `Upgraded`. It keeps the connection's place in the pool until it is closed. What
arrives is kept up to a bound, then the peer is made to wait; each wait has its own limit, and one that passes leaves the
stream as it is.
"""

from __future__ import annotations

import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from hyperhttp.connection.stream import HIGH_WATER
from hyperhttp.exceptions import ReadError, ReadTimeout, WriteError, WriteTimeout
from hyperhttp.network.base import NEVER, fail

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from hyperhttp.connection.http1 import HTTP1Connection
    from hyperhttp.connection.stream import ContentStream
    from hyperhttp.network.base import Channel, Network, Wait

__all__ = ["HTTP1Upgrade", "Upgrade", "Upgraded"]

_now = time.monotonic


class Patience:
    """How long one wait may take: an asyncio timer looks at it, or the thread that waits."""

    __slots__ = ("_deadline", "_expired", "wait")

    def __init__(self, deadline: float, expired: Callable[[], Exception]) -> None:
        self._deadline = deadline
        self._expired = expired
        self.wait: Wait | None = None

    def remaining(self) -> float | None:
        """Seconds that are left; None for no limit."""
        return None if self._deadline == NEVER else max(self._deadline - _now(), 0.0)

    def check(self, now: float) -> float:
        """Let the wait fail once its time has passed; nothing else is lost."""
        if self.wait is None or self.wait.done():
            return NEVER
        if now < self._deadline:
            return self._deadline
        fail(self.wait, self._expired())
        return NEVER

    def abort(self, error: Exception | None = None) -> None:
        """The client is closing."""
        fail(self.wait, error or self._expired())


class Upgrade:
    """The side of an upgraded stream that its connection feeds. Threads share it behind the channel's lock.

    Attributes:
        name: the peer, for messages.
        ended: the peer will send nothing more.
        closed: nothing can be sent or received any more, except what has arrived.
        error: why it broke, if it did.
    """

    http_version = "HTTP/1.1"

    def __init__(self, channel: Channel, network: Network, lane: Any) -> None:
        self.channel = channel
        self.name: str = lane.name
        self.ended = False
        self.closed = False
        self.error: Exception | None = None
        self.lock: AbstractContextManager[Any] = channel.lock or nullcontext()
        self._lane = lane
        self._watch = network.watch
        self._chunks: list[bytes] = []
        self._size = 0
        self._paused = False
        self._readers: list[Wait] = []
        self._writers: list[Wait] = []
        if channel.lock is not None:
            # Nobody sends later what is left over here: whoever sends waits until the system has all of it.
            channel.high_water = 0  # type: ignore[attr-defined]  # of channels that threads share

    # -- what the connection tells -----------------------------------------------------------------------------------

    def feed(self, data: bytes) -> None:
        """Bytes from the peer."""
        self._chunks.append(data)
        self._size += len(data)
        if self._size > HIGH_WATER and not self._paused:
            self._paused = True
            self._pause()
        _wake(self._readers)

    def end(self, error: Exception | None = None) -> None:
        """The peer will send nothing more; with `error` it broke off."""
        self.ended = True
        if error is not None and self.error is None and not self.closed:
            self.error = error
            self._finish()
        _wake(self._readers)
        _wake(self._writers)

    def room(self) -> None:
        """The peer takes bytes again."""
        _wake(self._writers)

    # -- what its user asks ------------------------------------------------------------------------------------------

    @property
    def congested(self) -> bool:
        """More was written than the peer takes."""
        return self.channel.write_paused and not self.closed

    async def receive(self, timeout: float | None = None) -> bytes:
        """What is there, or what comes next; empty at the end."""
        deadline = NEVER if timeout is None else _now() + timeout
        while True:
            with self.lock:
                if self._chunks:
                    return self._take()
                if self.error is not None:
                    raise self.error
                if self.ended or self.closed:
                    return b""
                patience = self._wait_in(self._readers, deadline, lambda: self._nothing_came(timeout))
            await self._sit_out(patience, self._readers)

    async def drain(self, timeout: float | None = None) -> None:
        """Wait until the peer has taken what was written, but for a bounded rest."""
        deadline = NEVER if timeout is None else _now() + timeout
        while True:
            with self.lock:
                if self.error is not None:
                    raise self.error
                if not self.congested:
                    return
                patience = self._wait_in(self._writers, deadline, lambda: self._nothing_taken(timeout))
                self._announce(patience.wait)
            await self._sit_out(patience, self._writers)

    def write(self, data: bytes) -> None:
        """Hand bytes over, without waiting."""
        with self.lock:
            if self.error is not None:
                raise self.error
            if self.closed:
                msg = f"the upgraded connection to {self.name} is closed"
                raise WriteError(msg, host=self._lane.host, port=self._lane.port, phase="write")
            self._write(data)

    def close(self) -> None:
        """Close in order: what was written is sent first."""
        self._shut(self._close)

    def abort(self, error: Exception | None = None) -> None:
        """Close at once; whoever waits hears of it."""
        if error is not None and not self.closed:
            self.error = self.error or error
        self._shut(self._abort)

    def _shut(self, how: Callable[[], None]) -> None:
        with self.lock:
            if not self.closed:
                self.closed = True
                how()
                self._finish()
            _wake(self._readers)
            _wake(self._writers)

    # -- waiting -----------------------------------------------------------------------------------------------------

    def _take(self) -> bytes:
        chunks, self._chunks = self._chunks, []
        size, self._size = self._size, 0
        paused, self._paused = self._paused, False
        self._taken(size, resume=paused)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _wait_in(self, line: list[Wait], deadline: float, expired: Callable[[], Exception]) -> Patience:
        patience = Patience(deadline, expired)
        patience.wait = wait = self.channel.new_shared_wait(patience)
        line.append(wait)
        if deadline < NEVER:
            self._watch.busy.add(patience)
            if deadline < self._watch.when:
                self._watch.arm(deadline)
        return patience

    async def _sit_out(self, patience: Patience, line: list[Wait]) -> None:
        wait = patience.wait
        if wait is None:
            return
        try:
            await wait
        finally:
            self._watch.busy.discard(patience)
            with self.lock:
                if wait in line:
                    line.remove(wait)
                self._renounce(wait)

    def _nothing_came(self, limit: float | None) -> ReadTimeout:
        msg = f"{self.name} sent nothing for {limit or 0:g} s on an upgraded connection"
        return ReadTimeout(msg, host=self._lane.host, port=self._lane.port, phase="read", limit=limit)

    def _nothing_taken(self, limit: float | None) -> WriteTimeout:
        msg = f"{self.name} took no bytes for {limit or 0:g} s on an upgraded connection"
        return WriteTimeout(msg, host=self._lane.host, port=self._lane.port, phase="write", limit=limit)

    # -- what the versions of HTTP do differently --------------------------------------------------------------------

    def _write(self, data: bytes) -> None:
        self.channel.write(data)

    def _announce(self, wait: Wait | None) -> None:
        """Somebody waits for room."""

    def _renounce(self, wait: Wait) -> None:
        """Nobody waits any more."""

    def _pause(self) -> None:
        """Let the peer wait."""

    def _taken(self, size: int, *, resume: bool) -> None:
        """The reader took `size` bytes; with `resume` the peer may go on."""

    def _close(self) -> None:
        raise NotImplementedError

    def _abort(self) -> None:
        raise NotImplementedError

    def _finish(self) -> None:
        """Give the connection's place back; called once, or again to no effect."""


class HTTP1Upgrade(Upgrade):
    """The whole of an HTTP/1.1 connection: the receiver of its channel in the place of its reader of responses."""

    def __init__(self, connection: HTTP1Connection, network: Network, stream: ContentStream) -> None:
        self._connection = connection
        connection.owner = self
        super().__init__(connection.hand_over(), network, connection.lane)
        self._watch.busy.add(self)
        for data in stream.take_over():
            self.feed(data)
        if stream.ended or stream.error is not None:
            self.end(stream.error)
        self.channel.attach(self)
        self.channel.is_alive()  # what TLS has already read is not in the socket any more: take it now

    def receive_data(self, data: bytes) -> None:
        """Bytes from the peer."""
        self.feed(data)

    def buffer_grew(self, size: int) -> None:
        """Nobody asks for a buffer to be filled."""

    def buffer_filled(self, *, more: bool) -> None:
        """Nobody asks for a buffer to be filled."""

    def receive_eof(self) -> None:
        """The peer will send nothing more."""
        self.end()

    def connection_lost(self, error: Exception | None) -> None:
        """The channel is gone."""
        if error is not None:
            said = str(error) or type(error).__name__
            lost = ReadError(f"the connection to {self.name} broke: {said}", host=self._lane.host, port=self._lane.port)
            lost.__cause__ = error
            self.end(lost)
        self.closed = True
        self.end()
        self._finish()

    def write_resumed(self) -> None:
        """The peer takes bytes again."""
        self.room()

    def remaining(self) -> float | None:
        """Each wait has its own limit."""
        return None

    def write_limit(self) -> float | None:
        """Each wait has its own limit."""
        return None

    def has_answer(self) -> bool:
        """There is no answer that would end the sending."""
        return False

    def check(self, now: float) -> float:
        """No deadline of its own; it is watched so that the client can close it."""
        return NEVER

    def _pause(self) -> None:
        self.channel.pause_reading()

    def _taken(self, size: int, *, resume: bool) -> None:
        if resume:
            self.channel.resume_reading()

    def _close(self) -> None:
        self.channel.close()

    def _abort(self) -> None:
        self.channel.abort()

    def _finish(self) -> None:
        self._watch.busy.discard(self)
        self._connection.give_back()


class Upgraded:
    """Bytes both ways over a connection that has changed its protocol; what a plugin gets, and closes.

    On a blocking client nothing here suspends, and one thread may receive while another sends. Dropped unclosed, it
    closes the connection.
    """

    __slots__ = ("_upgrade",)

    def __init__(self, upgrade: Upgrade) -> None:
        self._upgrade = upgrade

    @property
    def http_version(self) -> str:
        """``"HTTP/1.1"`` or ``"HTTP/2"``: what the upgrade was asked for in."""
        return self._upgrade.http_version

    @property
    def at_eof(self) -> bool:
        """Everything that will ever come has been received."""
        upgrade = self._upgrade
        return (upgrade.ended or upgrade.closed) and not upgrade._chunks

    @property
    def is_closed(self) -> bool:
        """Nothing can be sent any more."""
        return self._upgrade.closed

    @property
    def congested(self) -> bool:
        """More was written than the peer takes: `send` would wait."""
        return self._upgrade.congested

    async def receive(self, timeout: float | None = None) -> bytes:
        """The bytes that have come, or the next ones; ``b""`` at the end. Any number of callers may wait.

        Args:
            timeout: seconds; None for no limit. One that passes costs nothing: call again.

        Raises:
            ReadTimeout: nothing came in time.
            ReadError, RemoteProtocolError, ClientClosed: what the connection broke with.
        """
        return await self._upgrade.receive(timeout)

    async def send(self, data: bytes, timeout: float | None = None) -> None:
        """Send all of `data`, and wait until no more than a bounded rest of it is on this side.

        Cancelled or timed out while it waits, everything is still sent, in order.

        Args:
            data: bytes.
            timeout: seconds; None for no limit.

        Raises:
            WriteTimeout: the peer did not take enough in time.
            WriteError, ReadError, ClientClosed: the connection is closed or broken.
        """
        self._upgrade.write(data)
        await self._upgrade.drain(timeout)

    async def drain(self, timeout: float | None = None) -> None:
        """Wait until the peer has taken what was written, but for a bounded rest; see `send`."""
        await self._upgrade.drain(timeout)

    def write(self, data: bytes) -> None:
        """Send `data` without waiting; look at `congested` first, or memory is the only bound.

        Raises:
            WriteError, ReadError, ClientClosed: the connection is closed or broken.
        """
        self._upgrade.write(data)

    def close(self) -> None:
        """Close in order: what was written is sent first. Does not wait; calling it again does nothing."""
        self._upgrade.close()

    def abort(self) -> None:
        """Close at once. Calling it again does nothing."""
        self._upgrade.abort()

    def __del__(self) -> None:
        upgrade = getattr(self, "_upgrade", None)
        if upgrade is not None and not upgrade.closed:
            upgrade.channel.call_safely(upgrade.abort)

    def __repr__(self) -> str:
        state = "closed" if self.is_closed else "open"
        return f"<Upgraded {self.http_version} connection to {self._upgrade.name}, {state}>"


def _wake(line: list[Wait]) -> None:
    """Wake whoever waits in a line, which is empty then."""
    waits = line[:]
    line.clear()
    for wait in waits:
        if not wait.done():
            wait.set_result(None)
