"""Blocking sockets in the calling thread. Nothing here suspends: each awaitable has its value when it is awaited.

A wait reads from its socket until the receiver's callback sets it, so a request costs one ``send`` and one ``recv``, as it
would by hand. Where nothing else needs it the socket has no Python-level timeout, because that costs a ``poll`` before
each call; the limit is the kernel's (SO_RCVTIMEO), which costs nothing.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Any, TypeVar

from hyperhttp.exceptions import ClientClosed, ConnectError, HyperHTTPError, TLSError
from hyperhttp.network.addresses import Race
from hyperhttp.network.base import NEVER, new_lock
from hyperhttp.network.blocking_channel import BlockingChannel, shut_down
from hyperhttp.network.sharing import SharedChannel
from hyperhttp.network.tls import tls_error
from hyperhttp.network.tls_in_tls import InnerTLS

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator, Sequence
    from contextlib import AbstractContextManager
    from ssl import SSLContext

    from hyperhttp.network.addresses import Address
    from hyperhttp.network.base import Cancellable, Channel, Queued, Wait, Watched

__all__ = ["BlockingChannel", "BlockingNetwork"]

T = TypeVar("T")

_offering = new_lock()  # of all contexts; a child process must not find it held by a thread of its parent


class ThreadWait:
    """A wait of one thread that another sets."""

    __slots__ = ("_cancelled", "_deadline", "_done", "_error", "_expire", "_lock", "_result")

    def __init__(self, deadline: float, expire: Callable[[], Exception]) -> None:
        self._deadline = deadline
        self._expire = expire
        self._lock = threading.Lock()
        self._lock.acquire()
        self._cancelled = False
        self._done = False
        self._result: Any = None
        self._error: BaseException | None = None

    def done(self) -> bool:
        """Whether it was set."""
        return self._done

    def cancelled(self) -> bool:
        """Whether it ended without having been set."""
        return self._cancelled

    def exception(self) -> BaseException | None:
        """What it failed with."""
        return self._error

    def result(self) -> Any:
        """Its value."""
        return self._result

    def cancel(self) -> bool:
        """Its thread does not wait any more."""
        if self._done:
            return False
        self._cancelled = self._done = True
        return True

    def set_result(self, result: Any) -> None:
        """Give it its value and wake its thread."""
        self._result = result
        self._done = True
        self._lock.release()

    def set_exception(self, exception: BaseException) -> None:
        """Make it fail and wake its thread."""
        self._error = exception
        self._done = True
        self._lock.release()

    def __await__(self) -> Generator[Any, None, Any]:
        timeout = -1.0 if self._deadline == NEVER else max(self._deadline - time.monotonic(), 0.0)
        if not self._lock.acquire(timeout=timeout):
            raise self._expire()
        if self._error is not None:
            raise self._error
        return self._result
        yield  # type: ignore[unreachable]  # makes this a generator


class NoWatch:
    """Blocking sockets watch their own deadlines."""

    __slots__ = ("busy", "when")

    def __init__(self) -> None:
        self.busy: set[Watched] = set()
        self.when = -NEVER

    def arm(self, when: float) -> None:
        """Never called: no moment is before the one that has passed."""


class BlockingNetwork:
    """Sockets in the calling thread."""

    def __init__(self) -> None:
        self.watch = NoWatch()
        self.channels: set[BlockingChannel] = set()
        self.now = time.monotonic
        self._deadlines = threading.local()
        self._opening: set[socket.socket | InnerTLS] = set()  # what is not a channel yet
        self._ended = threading.Event()
        self._locks: list[Any] = []
        self._late: deque[Callable[[], None]] = deque()

    def new_lock(self) -> AbstractContextManager[Any]:
        """A lock for the books of a pool that threads share."""
        lock = threading.RLock()
        self._locks.append(lock)
        return lock

    async def connect(
        self,
        addresses: Sequence[Address],
        *,
        name: str,
        delay: float,
        local_address: str | None = None,
        tls: SSLContext | None = None,
        server_name: str | None = None,
        offer: tuple[str, ...] | None = None,
    ) -> Channel:
        """Open a channel to the first address that answers."""
        sock, peer = self._first_socket(addresses, name, delay, local_address)
        connected_at = time.monotonic()
        try:
            if tls is not None:
                sock = self.secure(sock, tls, server_name or name, name, offer)
        except TLSError as error:
            error.address = peer
            raise
        return BlockingChannel(self, sock, peer, connected_at)

    async def connect_unix(
        self, path: str, *, tls: SSLContext | None, server_name: str | None, offer: tuple[str, ...] | None = None
    ) -> Channel:
        """Open a channel to a Unix socket."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with self._within_reach(sock):
                sock.settimeout(self._left())
                sock.connect(path)
        except BaseException as error:
            sock.close()
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                msg = f"cannot connect to {path}: {error.strerror or error}"
                raise ConnectError(msg, host=path, phase="connect") from error
            raise
        connected_at = time.monotonic()
        if tls is not None:
            sock = self.secure(sock, tls, server_name or path, path, offer)
        return BlockingChannel(self, sock, path, connected_at)

    def shared(self, sock: socket.socket, peer: str) -> SharedChannel:
        """A channel for several threads at a time."""
        return SharedChannel(self, sock, peer)

    def secure(
        self,
        sock: socket.socket,
        context: SSLContext,
        server_name: str,
        name: str,
        offer: tuple[str, ...] | None = None,
    ) -> ssl.SSLSocket:
        """Wrap a connected socket in TLS; it is closed where that fails."""
        host, _, port = name.rpartition(":")
        secured: Any = sock
        try:
            sock.settimeout(self._left())
            with _offering:  # ALPN belongs to the context; the socket takes it over when it is made
                if offer is not None:
                    context.set_alpn_protocols(list(offer))
                secured = _wrap(sock, context, server_name)
            with self._within_reach(secured):
                secured.do_handshake()
        except BaseException as error:
            secured.close()
            if isinstance(error, (OSError, EOFError)) and not isinstance(error, TimeoutError):
                raise tls_error(error, host or server_name, int(port) if port.isdigit() else None) from error
            raise
        return secured  # type: ignore[no-any-return]  # an SSLSocket by now

    def _first_socket(
        self, addresses: Sequence[Address], name: str, delay: float, local: str | None
    ) -> tuple[socket.socket, str]:
        if len(addresses) > 1:
            return self._race(addresses, name, delay, local)
        sock = _new_socket(addresses[0], local)
        try:
            with self._within_reach(sock):
                sock.settimeout(self._left())
                sock.connect(addresses[0].sockaddr)
        except BaseException as error:
            sock.close()
            if isinstance(error, OSError) and not isinstance(error, TimeoutError):
                raise _refused(name, addresses, [error]) from error
            raise
        return sock, addresses[0].host

    def _race(
        self, addresses: Sequence[Address], name: str, delay: float, local: str | None
    ) -> tuple[socket.socket, str]:
        """Happy Eyeballs (RFC 8305) with non-blocking connects and one poll."""
        race = Race(len(addresses), delay)
        attempts: dict[int, tuple[socket.socket, int]] = {}
        errors: list[OSError] = []
        race.start(time.monotonic())
        try:
            while True:
                for index in race.due(time.monotonic()):
                    _start_attempt(addresses[index], index, local, attempts, race, errors)
                if not attempts and race.next_start is None:
                    raise _refused(name, addresses, errors)
                winner = _winner(self._connected(attempts, race), attempts, race, errors)
                if winner is not None:
                    return winner[0], addresses[winner[1]].host
        finally:
            for sock, _ in attempts.values():
                sock.close()

    def _connected(self, attempts: dict[int, tuple[socket.socket, int]], race: Race) -> list[int]:
        """Descriptors of attempts that ended, by the next start or the deadline."""
        poll = select.poll()
        for fd in attempts:
            poll.register(fd, select.POLLOUT)
        now = time.monotonic()
        left = self._left()
        start = race.next_start
        waits = [wait for wait in (left, None if start is None else max(start - now, 0.0)) if wait is not None]
        with self._within_reach(*[sock for sock, _ in attempts.values()]):
            ready = [fd for fd, _ in poll.poll(min(waits) * 1000 if waits else None)]
        self._left()  # raises once the deadline has passed
        return ready

    async def within(self, deadline: float, work: Coroutine[Any, Any, T], expired: Callable[[], Exception]) -> T:
        """Run `work`; what it opens finds the deadline in this thread. One within another can only be earlier."""
        outer = getattr(self._deadlines, "at", NEVER)
        self._deadlines.at = min(deadline, outer)
        try:
            return await work
        except TimeoutError as error:
            if isinstance(error, HyperHTTPError) or (outer < deadline and time.monotonic() >= outer):
                raise  # who has set the earlier deadline says what it means
            raise expired() from error
        except HyperHTTPError as error:
            if self._ended.is_set() and not isinstance(error, ClientClosed):
                raise ClientClosed from error  # which is why it failed
            raise
        finally:
            self._deadlines.at = outer

    def _left(self) -> float | None:
        """Seconds until this thread's deadline.

        Raises:
            TimeoutError: it has passed.
            ClientClosed: another thread has closed the client.
        """
        if self._ended.is_set():
            raise ClientClosed
        at = getattr(self._deadlines, "at", NEVER)
        if at == NEVER:
            return None
        left: float = at - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    @contextlib.contextmanager
    def _within_reach(self, *sockets: socket.socket | InnerTLS) -> Iterator[None]:
        """Where `close` finds sockets that are waited for."""
        self._opening.update(sockets)
        try:
            self._left()  # it may have been closed before it could find them
            yield
        finally:
            self._opening.difference_update(sockets)

    def call_safely(self, callback: Callable[[], None]) -> None:
        """Call back: now, or where this thread is in the middle of something, as a garbage collector may be, when it is not."""
        locks = [*self._locks, *[channel.lock for channel in tuple(self.channels) if channel.lock is not None]]
        if any(lock._is_owned() for lock in locks):
            self._late.append(callback)
        else:
            callback()

    def catch_up(self) -> None:
        """Call back what had to wait."""
        while self._late:
            with contextlib.suppress(IndexError):  # another thread was faster
                self._late.popleft()()

    def start(self, work: Coroutine[Any, Any, None], patience: float) -> Cancellable:
        """There is no beside."""
        work.close()
        msg = "this needs an event loop, which SyncClient has not: use the asynchronous Client"
        raise TypeError(msg)

    async def sleep(self, seconds: float) -> None:
        """Wait, until the client is closed at most."""
        self._ended.wait(seconds)

    async def first(
        self, start: Callable[[int], Coroutine[Any, Any, T] | None], delay: float, discard: Callable[[T], None]
    ) -> T:
        """The result of one run: there is one thread, and it waits for it."""
        work = start(0)
        if work is None:
            msg = "there is nothing to run"
            raise RuntimeError(msg)
        return await work

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Call it."""
        return function(*arguments)

    async def share(self, key: Any, factory: Callable[[], Awaitable[T]]) -> T:
        """Run it: two threads that look up the same name at once do so twice."""
        return await factory()

    def new_wait(self, deadline: float, expire: Callable[[], Exception]) -> Wait:
        """A wait that another thread sets."""
        return ThreadWait(deadline, expire)

    def new_queued_wait(self, deadline: float, queued: Queued) -> Wait:
        """A wait that another thread sets; it knows its own deadline."""
        return ThreadWait(deadline, queued.expired)

    def later(self, when: float, callback: Callable[[], None]) -> None:
        """Nobody is there to call back; the pool sweeps when it is used."""

    async def close(self) -> None:
        """Close every channel, and let threads know that are opening one or sleep."""
        self._ended.set()
        for sock in tuple(self._opening):
            shut_down(sock)
        for channel in tuple(self.channels):
            channel.close()

    def forget(self) -> None:
        """Drop every channel without a word to the peers."""
        for channel in tuple(self.channels):
            channel.detach()
        self.channels.clear()


def _wrap(sock: socket.socket, context: SSLContext, server_name: str) -> ssl.SSLSocket | InnerTLS:
    if isinstance(sock, ssl.SSLSocket):
        return InnerTLS(sock, context, server_name)
    try:
        return context.wrap_socket(
            sock, server_hostname=server_name, do_handshake_on_connect=False, suppress_ragged_eofs=False
        )
    except OSError as error:
        _close_half_made(error)
        raise


def _close_half_made(error: OSError) -> None:
    """Close what ``wrap_socket`` leaves open where the peer resets the connection while it looks: the descriptor is in there."""
    trace = error.__traceback__
    while trace is not None:
        made = trace.tb_frame.f_locals.get("self")
        if isinstance(made, ssl.SSLSocket):
            made.close()
        trace = trace.tb_next


def _winner(
    ready: list[int], attempts: dict[int, tuple[socket.socket, int]], race: Race, errors: list[OSError]
) -> tuple[socket.socket, int] | None:
    """The first of the attempts that ended with a connection; the failed ones let the next address start."""
    for fd in ready:
        sock, index = attempts.pop(fd)
        code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
        if code == 0:
            return sock, index
        sock.close()
        errors.append(_os_error(code))
        race.failed(index, time.monotonic())
    return None


def _new_socket(address: Address, local: str | None) -> socket.socket:
    sock = socket.socket(address.family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if local is not None:
            sock.bind((local, 0))
    except BaseException:
        sock.close()
        raise
    return sock


def _start_attempt(
    address: Address,
    index: int,
    local: str | None,
    attempts: dict[int, tuple[socket.socket, int]],
    race: Race,
    errors: list[OSError],
) -> None:
    try:
        sock = _new_socket(address, local)
    except OSError as error:
        errors.append(error)
        race.failed(index, time.monotonic())
        return
    sock.setblocking(False)
    attempts[sock.fileno()] = (sock, index)
    try:
        sock.connect(address.sockaddr)
    except BlockingIOError:
        pass
    except OSError as error:
        del attempts[sock.fileno()]
        sock.close()
        errors.append(error)
        race.failed(index, time.monotonic())


def _os_error(code: int) -> OSError:
    import os

    return OSError(code, os.strerror(code))


def _refused(name: str, addresses: Sequence[Address], errors: list[OSError]) -> ConnectError:
    reasons = ", ".join(dict.fromkeys(error.strerror or str(error) for error in errors)) or "no address"
    tried = ", ".join(address.host for address in addresses[:4])
    return ConnectError(
        f"cannot connect to {name} ({tried}): {reasons}",
        host=addresses[0].host,
        port=addresses[0].port,
        phase="connect",
    )
