"""One blocking socket that several threads wait on at once: what HTTP/2 needs of a blocking client.

There is no reader thread. Of the threads that wait, one reads for all; when its own wait is over it wakes another, which
takes its place. `SharedChannel.lock` guards the protocol engine and the socket's calls, all of which are non-blocking;
nobody holds it while waiting, so a thread that waits for room and a thread that waits for bytes never wait for each other.

A thread alone on its socket, which is the rule, pays for none of that: it makes no bell to be woken by, polls with an object
that is made once, and takes what has come with one read. Whoever closes the socket shuts it down, which wakes all who wait on
it; the descriptor is closed by the last who leaves, or its number might be another connection's while somebody still uses it.
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
from hyperhttp.network.blocking_channel import BlockingChannel, shut_down

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from hyperhttp.network.base import Patient
    from hyperhttp.network.blocking_channel import BlockingHome

__all__ = ["SharedChannel", "SharedWait"]

_CHUNK: Final = 65_536
_ROUND: Final = 4 * _CHUNK  # bytes handed to the system at once of what was left over
#: Milliseconds of a wait in which nobody asks how long it may be: what is near answers sooner, and limits are not finer.
_SOON: Final = 1
#: Bytes of a TLS record at most (RFC 8446 section 5.1). A read of fewer has emptied its record: nothing is left inside TLS.
_RECORD: Final = 16_384
#: Unsent bytes from which on senders wait.
_HIGH_WATER: Final = 262_144


class SharedWait:
    """A wait of one thread on a channel that others wait on too."""

    __slots__ = ("_bell", "_channel", "_error", "_result", "is_done", "patient")

    def __init__(self, channel: SharedChannel, patient: Patient) -> None:
        self._channel = channel
        self._bell: Any = None
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
        if self._bell is not None:
            self.ring()

    def set_exception(self, exception: BaseException) -> None:
        """Make it fail and wake its thread."""
        self._error = exception
        self.is_done = True
        self.ring()

    def hang_bell(self) -> None:
        """From now on `ring` is heard. Whether it is done has to be looked at afterwards, not before."""
        if self._bell is None:
            bell = threading.Lock()
            bell.acquire()
            self._bell = bell

    def ring(self) -> None:
        """Wake its thread, if it sleeps or is about to: it is done, or its turn to read."""
        if self._bell is not None:
            with contextlib.suppress(RuntimeError):  # woken twice
                self._bell.release()

    def sleep(self, seconds: float | None) -> bool:
        """Wait for `ring`; False where the time passes first."""
        woken: bool = self._bell.acquire(timeout=-1 if seconds is None else seconds)
        return woken

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

    __slots__ = (
        "_ending",
        "_fd",
        "_is_shallow",
        "_look",
        "_nudge",
        "_outgoing",
        "_paused",
        "_reading",
        "_recv",
        "_turns",
        "_users",
        "_waiting",
        "guard",
        "high_water",
    )

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
        self._users: set[Any] = set()  # who is inside a call of the socket or about to be, each with a mark of its own
        self._ending = False
        self._fd = sock.fileno()
        self._is_shallow = not self._tls or isinstance(sock, ssl.SSLSocket)  # one layer of TLS at most
        self._recv: Any = sock.read if isinstance(sock, ssl.SSLSocket) else sock.recv
        self._turns: Any = select.poll()  # of whoever reads for all
        self._turns.register(sock, select.POLLIN)
        self._turns.register(self._nudge[0], select.POLLIN)
        self._look: Any = select.poll()  # of whoever has the lock and does not wait
        self._look.register(sock, select.POLLIN)

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
            self._left(wait)
            if self._reading._is_owned():  # interrupted between taking the turn to read and using it
                self._reading.release()
            raise
        finally:
            # It may have been this thread's turn to read just when its wait was over: then the turn is passed on.
            try:
                if self._waiting and self._reading.acquire(blocking=False):
                    self._pass_on(wait)
            except BaseException:  # Ctrl-C, maybe between taking the turn and passing it on
                if self._reading._is_owned() or self._reading.acquire(blocking=False):
                    self._pass_on(wait)
                raise

    def _sleep(self, wait: SharedWait) -> None:
        wait.hang_bell()
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
        is_soon = True
        try:
            self._users.add(wait)
            while not wait.is_done and not self._outgoing:
                if self.closed:
                    raise ValueError("closed")
                patience = _SOON if is_soon else self._patience(wait)
                is_soon = False
                ready = self._turns.poll(patience)
                with self.guard:
                    self._heard(ready, wait, patience)
        except (OSError, ValueError) as error:
            self._failed(wait, error)
        finally:
            self._left(wait)
            self._pass_on(wait)

    def _failed(self, wait: SharedWait, error: Exception) -> None:
        with self.guard:
            self._broke(error)
        if not wait.is_done:
            wait.set_exception(ReadError(f"the connection to {self.peer} was closed"))

    def _heard(self, ready: list[tuple[int, int]], wait: SharedWait, patience: float | None) -> None:
        for fd, _ in ready:
            if fd == self._fd:
                self._receive(wait)
            else:
                with contextlib.suppress(BlockingIOError):
                    self._nudge[0].recv(64)
        if not ready or patience == 0:  # or who hears of others all the time would wait for ever
            self._check(wait)

    def _patience(self, wait: SharedWait) -> float | None:
        """Milliseconds until something is due, for whoever waits or for the connection."""
        limit = wait.patient.remaining()
        other = None if self._receiver is None else self._receiver.remaining()
        if limit is None or (other is not None and other < limit):
            limit = other
        return None if limit is None else limit * 1000

    def _check(self, wait: SharedWait) -> None:
        now = time.monotonic() + 0.001
        if not wait.is_done:
            wait.patient.check(now)
        if self._receiver is not None and not self.closed:
            self._receiver.check(now)

    def _receive(self, wait: SharedWait | None = None) -> None:
        """Take what has come, so that nothing is left inside TLS when the next poll begins.

        With `wait` no more than until that is done, or the thread that waits would read what others download. Its poll says
        what else there is; without, all is taken.
        """
        receiver, taken = self._receiver, 0
        try:
            while receiver is not None and not self.closed and not self._paused:
                try:
                    data = self._recv(_CHUNK)
                except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                    return
                except OSError as error:
                    self._broke(error)
                    return
                if not data:
                    receiver.receive_eof()
                    return
                taken += len(data)
                receiver.receive_data(data)
                if wait is not None and self._is_enough(wait, taken):
                    return
        except BaseException as error:
            if not isinstance(error, Exception):
                self.interrupted()
            raise

    def interrupted(self) -> None:
        """Ctrl-C came in the middle of a message: what comes next would be taken for something else. Called under `lock`."""
        self._users.discard(self)
        self._broke(ConnectionAbortedError("it was interrupted in the middle of a message"))

    def _is_enough(self, wait: SharedWait, taken: int) -> bool:
        """Nothing is left inside TLS, and `wait` is done or its poll may say whether there is more."""
        if taken < _RECORD and self._is_shallow:
            return True
        return wait.is_done and not (self._tls and not self.closed and self._sock.pending())  # type: ignore[attr-defined]

    def _hear_last_words(self) -> None:
        """A peer that has closed said why before it did; our failed write must not hide that."""
        receiver = self._receiver
        with contextlib.suppress(OSError):
            while receiver is not None and not self.closed and (data := self._recv(_CHUNK)):
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
            if sent == len(data):
                return
            self._outgoing += memoryview(data)[sent:]
            if not self._reading._is_owned():
                self._wake_reader()
        self.write_paused = len(self._outgoing) > self.high_water

    def pause_reading(self) -> None:
        """Leave what comes in the socket; TLS has bytes of its own, which are taken before the next wait."""
        self._paused = True

    def resume_reading(self) -> None:
        """Take what comes again, beginning with what is there. Called under `lock`."""
        self._paused = False
        with self._used():
            self._receive()

    def _wake_reader(self) -> None:
        with self._used(), contextlib.suppress(OSError):
            self._nudge[1].send(b"!")

    # -- the end -----------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _used(self) -> Iterator[None]:
        """Keep the descriptors open meanwhile, if they are."""
        mark = object()
        try:
            self._users.add(mark)
            yield
        finally:
            self._left(mark)

    def _left(self, mark: object) -> None:
        """A user has left; the last one closes what is to be closed."""
        self._users.discard(mark)
        if self._ending:
            self._close_unused()

    def close(self) -> None:
        """Shut the socket down: whoever waits on it hears of it. Its descriptor is closed as soon as nobody uses it."""
        self.closed = self._ending = True
        with self._used():
            if self._sock.fileno() >= 0:
                shut_down(self._sock)
                self._wake_reader()

    abort = close

    def _close_unused(self) -> None:
        # Who comes adds its mark before it looks whether this is closed; here it is the other way round: one sees the other.
        if not self._users:
            self._network.channels.discard(self)
            self._close_descriptors()

    def _close_descriptors(self) -> None:
        with contextlib.suppress(OSError):
            self._sock.close()
        for end in self._nudge:
            end.close()

    def detach(self) -> None:
        """Close this process's descriptors without a word to the peer."""
        self.closed = self._ending = True
        self._close_descriptors()

    # -- what was left over ------------------------------------------------------------------------------------------

    def _send(self, data: bytes | bytearray | memoryview) -> int:
        """Hand to the system what it takes; the number of bytes. Called under `lock`."""
        size = len(data)
        sent = 0
        try:
            self._users.add(self)  # of the writers there is one at a time
            if self.closed:
                return size
            sent = self._sock.send(data)
            while sent < size:
                sent += self._sock.send(memoryview(data)[sent:])
        except (BlockingIOError, ssl.SSLWantWriteError, ssl.SSLWantReadError):
            pass
        except OSError as error:
            with self._used():
                self._hear_last_words()
            self._broke(error)
            return size
        finally:
            self._users.discard(self)
            if self._ending:
                self._close_unused()
        return sent

    def _drain(self, wait: SharedWait) -> None:
        """Wait for room and send what is left over; answers are heard meanwhile, unless somebody else reads."""
        reads = self._reading.acquire(blocking=False)
        try:
            self._users.add(wait)
            self._drain_and_read(wait, select.POLLOUT | (select.POLLIN if reads else 0))
        except (OSError, ValueError) as error:
            self._failed(wait, error)
        finally:
            self._left(wait)
            if reads:
                self._pass_on(wait)

    def _drain_and_read(self, wait: SharedWait, events: int) -> None:
        if self.closed:
            raise ValueError("closed")
        poll = select.poll()
        poll.register(self._sock, events)
        while self._outgoing and not wait.is_done and not self.closed:
            if self._paused:
                poll.modify(self._sock, select.POLLOUT)  # what comes stays where it is
            patience = self._patience(wait)
            ready = poll.poll(patience)
            with self.guard:
                if not ready or patience == 0:
                    self._check(wait)
                if not ready:
                    return
                if events & ready[0][1] & select.POLLIN:
                    self._receive(wait)
                pending = bytes(memoryview(self._outgoing)[:_ROUND])  # not all of it: each round would copy the rest
                del self._outgoing[: self._send(pending)]
                self._writable()

    def _pass_on(self, wait: SharedWait) -> None:
        """Stop reading for all; the next of those who wait goes on with it."""
        self._reading.release()
        if not self._waiting:
            return
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
        try:
            if not self._look.poll(0):
                return not self.closed
        except RuntimeError:  # another thread is looking right now
            return not self.closed
        return self._hear_all()

    def _hear_all(self) -> bool:
        guard: Any = self.guard
        if guard._is_owned():
            return not self.closed
        try:
            if not guard.acquire(blocking=False):
                return not self.closed  # somebody is reading right now
            with self._used():
                self._receive()
            return not self.closed
        except (OSError, ValueError):
            return False
        finally:
            if guard._is_owned():  # not asked whether it was taken: Ctrl-C may have come just then
                guard.release()
