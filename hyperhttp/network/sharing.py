"""One blocking socket that several threads wait on at once: what HTTP/2 needs of a blocking client.

There is no reader thread. Of the threads that wait, one reads for all; when its own wait is over it wakes another, which
takes its place. `SharedChannel.lock` guards the protocol engine and the socket's calls, all of which are non-blocking;
nobody holds it while waiting, so a thread that waits for room and a thread that waits for bytes never wait for each other.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.exceptions import ReadError
from hyperhttp.network.blocking_channel import BlockingChannel

if TYPE_CHECKING:
    from collections.abc import Generator

    from hyperhttp.network.base import Patient
    from hyperhttp.network.blocking_channel import BlockingHome

__all__ = ["SharedChannel", "SharedWait"]

_CHUNK: Final = 65_536
_ROUND: Final = 4 * _CHUNK  # bytes handed to the system at once of what was left over
#: Unsent bytes from which on senders wait.
_HIGH_WATER: Final = 262_144


class SharedWait:
    """A wait of one thread on a channel that others wait on too."""

    __slots__ = ("_bell", "_channel", "_error", "_result", "is_done", "patient")

    def __init__(self, channel: SharedChannel, patient: Patient) -> None:
        self._channel = channel
        self._bell = threading.Lock()
        self._bell.acquire()
        self._result: Any = None
        self._error: BaseException | None = None
        self.is_done = False
        self.patient = patient

    def done(self) -> bool:
        """Whether it was set."""
        return self.is_done

    def cancel(self) -> bool:
        """Nobody waits any more."""
        cancelled = not self.is_done
        self.is_done = True
        return cancelled

    def exception(self) -> BaseException | None:
        """What it failed with."""
        return self._error

    def set_result(self, result: Any) -> None:
        """Give it its value and wake its thread."""
        self._result = result
        self.is_done = True
        self.ring()

    def set_exception(self, exception: BaseException) -> None:
        """Make it fail and wake its thread."""
        self._error = exception
        self.is_done = True
        self.ring()

    def ring(self) -> None:
        """Wake its thread: it is done, or its turn to read."""
        with contextlib.suppress(RuntimeError):  # woken twice
            self._bell.release()

    def sleep(self, seconds: float | None) -> bool:
        """Wait for `ring`; False where the time passes first."""
        return self._bell.acquire(timeout=-1 if seconds is None else seconds)

    def __await__(self) -> Generator[Any, None, Any]:
        if not self.is_done:
            self._channel.wait_for(self)
        if self._error is not None:
            raise self._error
        return self._result
        yield  # type: ignore[unreachable]  # makes this a generator


class SharedChannel(BlockingChannel):
    """A connected socket for many exchanges.

    Attributes:
        guard: the lock.
        high_water: unsent bytes from which on senders wait; 0 where nobody may come to send what was left over.
    """

    __slots__ = ("_nudge", "_outgoing", "_paused", "_reading", "_waiting", "guard", "high_water")

    def __init__(self, network: BlockingHome, sock: socket.socket, peer: str) -> None:
        super().__init__(network, sock, peer)
        sock.settimeout(0)
        self.guard = threading.RLock()
        self._reading: Any = threading.RLock()  # which knows whose turn it is
        self._waiting: set[SharedWait] = set()
        self._outgoing = bytearray()
        self._paused = False
        self.high_water = _HIGH_WATER
        # Tells the thread that reads for all that another one has left bytes over: it waits for nothing but bytes otherwise.
        self._nudge = socket.socketpair()
        for end in self._nudge:
            end.setblocking(False)

    @property
    def lock(self) -> Any:
        """Guards the engine and the socket's calls."""
        return self.guard

    def new_shared_wait(self, patient: Patient) -> SharedWait:
        """A wait of the calling thread, with the limits of `patient`."""
        return SharedWait(self, patient)

    def wait_for(self, wait: SharedWait) -> None:
        """Return when `wait` is done: read for all, or sleep while somebody else does."""
        try:
            while not wait.is_done:
                if self._outgoing:
                    self._drain(wait)
                elif self._reading.acquire(blocking=False):
                    self._read_for(wait)
                else:
                    self._sleep(wait)
        except BaseException:
            if self._reading._is_owned():  # interrupted between taking the turn to read and using it
                self._reading.release()
            raise
        finally:
            # It may have been this thread's turn to read just when its wait was over: then the turn is passed on.
            if self._waiting and self._reading.acquire(blocking=False):
                self._pass_on(wait)

    def _sleep(self, wait: SharedWait) -> None:
        self._waiting.add(wait)
        try:
            # Whoever reads may have stopped before we were in the set; then nobody would wake us.
            if self._reading.acquire(blocking=False):
                self._read_for(wait)
            elif not wait.is_done and not wait.sleep(wait.patient.remaining()):
                with self.guard:
                    wait.patient.check(time.monotonic() + 0.001)
        finally:
            self._waiting.discard(wait)

    def _read_for(self, wait: SharedWait) -> None:
        """Read until `wait` is done; the reading lock is ours, and goes to somebody else afterwards."""
        try:
            poll = select.poll()
            poll.register(self._sock, select.POLLIN)
            poll.register(self._nudge[0], select.POLLIN)
            while not wait.is_done and not self._outgoing:
                ready = poll.poll(self._patience(wait))
                if self.closed:
                    raise ValueError("closed")
                with self.guard:
                    self._heard(ready, wait)
        except (OSError, ValueError) as error:
            with self.guard:
                self._broke(error)
            if not wait.is_done:
                wait.set_exception(ReadError(f"the connection to {self.peer} was closed"))
        finally:
            self._pass_on(wait)

    def _heard(self, ready: list[tuple[int, int]], wait: SharedWait) -> None:
        if not ready:
            self._check(wait)
        nudged = self._nudge[0].fileno()
        for fd, _ in ready:
            if fd == nudged:
                with contextlib.suppress(BlockingIOError):
                    self._nudge[0].recv(64)
            else:
                self._receive(wait)

    def _patience(self, wait: SharedWait) -> float | None:
        """Milliseconds until something is due, for whoever waits or for the connection."""
        limits = [wait.patient.remaining(), self._receiver.remaining() if self._receiver is not None else None]
        return min((limit * 1000 for limit in limits if limit is not None), default=None)

    def _check(self, wait: SharedWait) -> None:
        now = time.monotonic() + 0.001
        wait.patient.check(now)
        if self._receiver is not None and not self.closed:
            self._receiver.check(now)

    def _receive(self, wait: SharedWait | None = None) -> None:
        """Take all that has come, so that nothing is left inside TLS when the next poll begins.

        With `wait` no more than until that is done, or the thread that waits would read what others download.
        """
        try:
            self._receive_until(wait)
        except BaseException as error:
            if not isinstance(error, Exception):
                self.interrupted()
            raise

    def interrupted(self) -> None:
        """Ctrl-C came in the middle of a message: what comes next would be taken for something else. Called under `lock`."""
        self._broke(ConnectionAbortedError("it was interrupted in the middle of a message"))

    def _receive_until(self, wait: SharedWait | None) -> None:
        receiver = self._receiver
        while receiver is not None and not self.closed and not self._paused:
            try:
                data = self._sock.recv(_CHUNK)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                self._broke(error)
                return
            if not data:
                receiver.receive_eof()
                return
            receiver.receive_data(data)
            if wait is not None and wait.is_done and not self._has_rest():
                return

    def _has_rest(self) -> bool:
        """TLS holds bytes that no poll would tell of."""
        return self._tls and not self.closed and bool(self._sock.pending())  # type: ignore[attr-defined]  # an SSLSocket

    def _hear_last_words(self) -> None:
        """A peer that has closed said why before it did; our failed write must not hide that."""
        receiver = self._receiver
        with contextlib.suppress(OSError):
            while receiver is not None and not self.closed and (data := self._sock.recv(_CHUNK)):
                receiver.receive_data(data)

    def _broke(self, error: Exception) -> None:
        receiver = self._receiver
        if receiver is not None and not self.closed:
            self.closed = True
            receiver.connection_lost(error)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send what the system takes at once; the rest goes when it has room. Called under `lock`."""
        if self._outgoing:
            self._outgoing += data
        else:
            sent = self._send(data)
            if sent < len(data):
                self._outgoing += memoryview(data)[sent:]
                self._wake_reader()
        self.write_paused = len(self._outgoing) > self.high_water

    def pause_reading(self) -> None:
        """Leave what comes in the socket; TLS has bytes of its own, which are taken before the next wait."""
        self._paused = True

    def resume_reading(self) -> None:
        """Take what comes again, beginning with what is there. Called under `lock`."""
        self._paused = False
        self._receive()

    def _wake_reader(self) -> None:
        with contextlib.suppress(OSError):
            self._nudge[1].send(b"!")

    def close(self) -> None:
        """Close the socket; whoever waits on it hears of it."""
        super().close()
        self._wake_reader()
        for end in self._nudge:
            end.close()

    abort = close

    def detach(self) -> None:
        """Close this process's descriptors without a word to the peer."""
        super().detach()
        for end in self._nudge:
            end.close()

    def _send(self, data: bytes | bytearray | memoryview) -> int:
        view = memoryview(data)
        sent = 0
        try:
            while sent < len(view):
                sent += self._sock.send(view[sent:])
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except OSError as error:
            self._hear_last_words()
            self._broke(error)
            return len(view)
        finally:
            view.release()
        return sent

    def _drain(self, wait: SharedWait) -> None:
        """Wait for room and send what is left over; answers are heard meanwhile, unless somebody else reads."""
        reads = self._reading.acquire(blocking=False)
        try:
            self._drain_and_read(wait, select.POLLOUT | (select.POLLIN if reads else 0))
        except (OSError, ValueError) as error:
            with self.guard:
                self._broke(error)
            if not wait.is_done:
                wait.set_exception(ReadError(f"the connection to {self.peer} was closed"))
        finally:
            if reads:
                self._pass_on(wait)

    def _drain_and_read(self, wait: SharedWait, events: int) -> None:
        poll = select.poll()
        poll.register(self._sock, events)
        while self._outgoing and not wait.is_done:
            if self._paused:
                poll.modify(self._sock, select.POLLOUT)  # what comes stays where it is
            ready = poll.poll(self._patience(wait))
            with self.guard:
                if not ready:
                    self._check(wait)
                    return
                if events & ready[0][1] & select.POLLIN:
                    self._receive(wait)
                pending = bytes(memoryview(self._outgoing)[:_ROUND])  # not all of it: each round would copy the rest
                del self._outgoing[: self._send(pending)]
                self._writable()

    def _pass_on(self, wait: SharedWait) -> None:
        """Stop reading for all; the next of those who wait goes on with it."""
        self._reading.release()
        following = next((other for other in tuple(self._waiting) if other is not wait and not other.is_done), None)
        if following is not None:
            following.ring()

    def _writable(self) -> None:
        if self.write_paused and len(self._outgoing) <= self.high_water // 2:
            self.write_paused = False
            if self._receiver is not None:
                self._receiver.write_resumed()

    def is_alive(self) -> bool:
        """Still open, after what has come on an idle connection was heard: settings, pings, a goodbye."""
        if not self.guard.acquire(blocking=False):
            return not self.closed  # somebody is reading right now
        try:
            self._receive()
            return not self.closed
        except (OSError, ValueError):
            return False
        finally:
            self.guard.release()
