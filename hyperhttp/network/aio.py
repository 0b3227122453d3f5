"""asyncio: protocol callbacks feed the receiver, one timer watches everybody.

A future per wait and nothing else: no task and no timer per request. Tasks exist only while addresses race, while a
streamed body is being sent, and while a shared look-up runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from asyncio import get_running_loop
from typing import TYPE_CHECKING, Any, TypeVar, cast

from hyperhttp.exceptions import ConnectError, TLSError
from hyperhttp.network.addresses import Race
from hyperhttp.network.base import NEVER
from hyperhttp.network.tls import tls_error

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
    from concurrent.futures import ThreadPoolExecutor
    from ssl import SSLContext

    from hyperhttp.network.addresses import Address
    from hyperhttp.network.base import Receiver, Wait, Watched

__all__ = ["AioChannel", "AioNetwork", "get_running_loop"]

T = TypeVar("T")

_TICK = 0.005  # seconds; deadlines closer together than this share one look
_CLOSE_GRACE = 1.0  # seconds a TLS peer gets for its close_notify before the transport is aborted
_BLOCKED = (
    0.001  # seconds; after a longer pause the program may have kept the loop from reading what came meanwhile
)
_NOTHING = memoryview(b"")
_WORKERS = 8  # threads for name look-ups and file reads


class AioWatch:
    """The timer of one network."""

    __slots__ = ("_loop", "_timer", "busy", "when")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self.busy: set[Watched] = set()
        self.when = NEVER

    def arm(self, when: float) -> None:
        """Look at `when` at the latest."""
        if self._timer is not None:
            self._timer.cancel()
        self.when = when
        self._timer = self._loop.call_later(max(when - time.monotonic(), _TICK), self._look)

    def disarm(self) -> None:
        """Own no timer any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.when = NEVER

    def _look(self) -> None:
        self._timer = None
        self.when = NEVER
        now = time.monotonic()
        soonest = min([watched.check(now) for watched in tuple(self.busy)], default=NEVER)
        if soonest < self.when:
            self.arm(soonest)


class AioChannel(asyncio.Protocol):
    """One connected stream: an asyncio protocol that hands bytes straight to its receiver."""

    __slots__ = (
        "_early",
        "_gone",
        "_network",
        "_receiver",
        "_sock",
        "_transport",
        "alpn",
        "closed",
        "data_received",
        "new_wait",
        "peer",
        "soon",
        "write",
        "write_paused",
    )

    def __init__(self, network: AioNetwork, sock: socket.socket | None, peer: str) -> None:
        self._network = network
        self._sock = sock
        self._transport: asyncio.Transport | None = None
        self._receiver: Receiver | None = None
        self._early: list[bytes] = []
        self._gone: asyncio.Future[None] | None = None
        self.alpn: str | None = None
        self.peer = peer
        self.write_paused = False
        self.closed = False
        # Bound once, so that each read and write costs one call less. `data_received` is a slot for the same reason.
        self.data_received: Callable[[bytes], None] = self._early.append  # type: ignore[assignment]  # a slot, on purpose
        self.write: Callable[[bytes | bytearray | memoryview], None] = _not_connected
        self.new_wait: Callable[[], Wait] = network.loop.create_future
        self.soon: Callable[[Callable[[], None]], object] = network.loop.call_soon

    # -- what asyncio calls -------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is ready."""
        self._transport = cast("asyncio.Transport", transport)
        self.write = self._transport.write
        self._network.channels.add(self)
        tls = transport.get_extra_info("ssl_object")
        self.alpn = tls.selected_alpn_protocol() if tls is not None else None

    def eof_received(self) -> None:
        """The peer closed its side; so do we, after the receiver has heard of it."""
        if self._receiver is not None:
            self._receiver.receive_eof()

    def connection_lost(self, exc: Exception | None) -> None:
        """The transport is gone."""
        if isinstance(exc, (BrokenPipeError, ConnectionResetError)) and self.alpn is None:
            self._read_last_words()
        self.closed = True
        self._network.channels.discard(self)
        if self._receiver is not None:
            self._receiver.connection_lost(exc)
        self._transport = None
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def pause_writing(self) -> None:
        """The write buffer is full."""
        self.write_paused = True

    def resume_writing(self) -> None:
        """The write buffer has room."""
        self.write_paused = False
        if self._receiver is not None:
            self._receiver.write_resumed()

    def _read_last_words(self) -> None:
        """A server that refuses an upload answers and closes; our failed write must not hide its answer."""
        if self._sock is None or self._receiver is None or self._is_tls():
            return
        with contextlib.suppress(OSError):
            while data := self._sock.recv(65536):
                self._receiver.receive_data(data)

    # -- what the core calls ------------------------------------------------------------------------------------------

    def attach(self, receiver: Receiver) -> None:
        """Feed `receiver` from now on."""
        self._receiver = receiver
        early, self._early = self._early, []
        self.data_received = receiver.receive_data
        if self._transport is not None:
            self._transport.set_protocol(self)  # uvloop keeps the bound method of the protocol it was given
        for data in early:
            receiver.receive_data(data)
        if self.closed:
            receiver.connection_lost(None)

    def receive_into(self, view: memoryview) -> bool:
        """Fill `view` straight from the socket, then tell the receiver; one copy less for large content."""
        if self._transport is None or self._receiver is None or self._is_tls():
            return False
        self._transport.set_protocol(_Filler(self, self._transport, self._receiver, view))
        return True

    def is_alive(self, idle: float) -> bool:
        """Not closed, and nothing waits in the socket that the loop has had no time to read."""
        if self.closed or self._transport is None or self._transport.is_closing():
            return False
        return idle < _BLOCKED or self._is_silent()

    def _is_silent(self) -> bool:
        try:
            return self._sock is None or self._sock.recv(1, socket.MSG_PEEK) is None
        except BlockingIOError:
            return True
        except OSError:
            return False

    def pause_reading(self) -> None:
        """Stop reading from the socket."""
        if self._transport is not None and not self.closed:
            self._transport.pause_reading()

    def resume_reading(self) -> None:
        """Read from the socket again."""
        if self._transport is not None and not self.closed:
            self._transport.resume_reading()

    def close(self) -> None:
        """Close in order: what was written is sent first."""
        if self._transport is not None and not self.closed:
            self.closed = True
            self._receiver = None  # closing TLS reads what is left, and nobody wants to hear of it
            self.data_received = _ignore
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self.closed = True
            self._transport.abort()

    def detach(self) -> None:
        """Close the socket without the loop."""
        self.closed = True
        transport, self._transport = self._transport, None
        # A transport of a closed loop cannot call back; what its callback would do is done here, so that neither a
        # descriptor nor a ResourceWarning is left behind.
        while transport is not None:
            inner = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
            lost = getattr(transport, "_call_connection_lost", None)
            if inner is None and lost is not None:
                self._receiver = None
                with contextlib.suppress(Exception):
                    lost(None)
            elif hasattr(transport, "_closed"):
                transport._closed = True
            transport = inner
        if self._sock is not None:
            self._sock.close()

    async def wait_closed(self) -> None:
        """Return when the transport is gone."""
        if self in self._network.channels:
            self._gone = self._network.loop.create_future()
            try:
                await asyncio.wait_for(self._gone, _CLOSE_GRACE)
            except TimeoutError:
                self.abort()
                await asyncio.sleep(0)

    async def start_tls(self, context: SSLContext, server_name: str) -> None:
        """Speak TLS over this stream from now on."""
        transport = self._transport
        if transport is None:
            msg = "the connection is closed"
            raise ConnectError(msg)
        loop = self._network.loop
        self.data_received = self._early.append
        self._receiver = None
        try:
            secured = await loop.start_tls(transport, self, context, server_hostname=server_name)
        except (OSError, EOFError) as error:
            self.abort()
            raise tls_error(error, server_name, 0) from error
        except BaseException:
            self.abort()
            raise
        if secured is None:
            msg = f"the connection closed during the TLS handshake with {server_name}"
            raise TLSError(msg, host=server_name, phase="tls")
        self._transport = secured
        self.write = secured.write
        tls = secured.get_extra_info("ssl_object")
        self.alpn = tls.selected_alpn_protocol() if tls is not None else None

    async def send_while(self, sending: Coroutine[Any, Any, None], until: Wait) -> None:
        """Run `sending` as a task until it ends or `until` is set."""
        task = self._network.loop.create_task(sending)
        future = cast("asyncio.Future[Any]", until)
        try:
            await asyncio.wait((task, future), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if not task.cancelled():
            task.result()

    def _is_tls(self) -> bool:
        return self._transport is not None and self._transport.get_extra_info("ssl_object") is not None


class _Filler(asyncio.BufferedProtocol):
    """Stands in for a channel while the socket writes into a buffer of the receiver's."""

    __slots__ = ("_channel", "_receiver", "_transport", "_view", "pause_writing", "resume_writing")

    def __init__(
        self, channel: AioChannel, transport: asyncio.Transport, receiver: Receiver, view: memoryview
    ) -> None:
        self._channel = channel
        self._transport = transport
        self._receiver = receiver
        self._view = view
        self.pause_writing = channel.pause_writing  # type: ignore[method-assign]
        self.resume_writing = channel.resume_writing  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - what is missing is what is wanted
        return self._view

    def buffer_updated(self, nbytes: int) -> None:
        if nbytes == len(self._view):
            self._view = _NOTHING
            self._transport.set_protocol(self._channel)
            self._receiver.buffer_filled(more=not self._channel._is_silent())
        else:
            self._view = self._view[nbytes:]
            self._receiver.buffer_grew(nbytes)

    def eof_received(self) -> None:
        self._channel.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._view = _NOTHING
        self._channel.connection_lost(exc)


class AioNetwork:
    """asyncio on one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.watch = AioWatch(loop)
        self.channels: set[AioChannel] = set()
        self.now = time.monotonic
        self._executor: ThreadPoolExecutor | None = None
        self._shared: dict[Any, asyncio.Task[Any]] = {}
        self._timers: set[asyncio.TimerHandle] = set()

    async def connect(
        self,
        addresses: Sequence[Address],
        *,
        name: str,
        delay: float,
        local_address: str | None = None,
        tls: SSLContext | None = None,
        server_name: str | None = None,
    ) -> AioChannel:
        """Open a channel to the first address that answers."""
        sock, peer = await self._first_socket(addresses, name, delay, local_address)
        return await self._wrap(sock, peer, tls, server_name, name)

    async def connect_unix(self, path: str, *, tls: SSLContext | None, server_name: str | None) -> AioChannel:
        """Open a channel to a Unix socket."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)  # noqa: FBT003
        try:
            await self.loop.sock_connect(sock, path)
            return await self._wrap(sock, path, tls, server_name, path)
        except OSError as error:
            sock.close()
            msg = f"cannot connect to {path}: {error.strerror or error}"
            raise ConnectError(msg, host=path, phase="connect") from error
        except BaseException:
            sock.close()
            raise

    async def _wrap(
        self, sock: socket.socket, peer: str, tls: SSLContext | None, server_name: str | None, name: str
    ) -> AioChannel:
        channel = AioChannel(self, sock, peer)
        try:
            await self.loop.create_connection(
                lambda: channel, sock=sock, ssl=tls, server_hostname=server_name if tls else None
            )
        except (OSError, EOFError) as error:
            sock.close()
            host, _, port = name.rpartition(":")
            if tls is not None:
                raise tls_error(error, host, int(port) if port.isdigit() else 0) from error
            msg = f"cannot connect to {name}: {error}"
            raise ConnectError(msg, host=host, phase="connect") from error
        except BaseException:
            sock.close()
            raise
        return channel

    async def _first_socket(
        self, addresses: Sequence[Address], name: str, delay: float, local: str | None
    ) -> tuple[socket.socket, str]:
        if len(addresses) == 1:
            try:
                return await self._open(addresses[0], local)
            except OSError as error:
                raise _refused(name, addresses, [error]) from error
        return await self._race(addresses, name, delay, local)

    async def _open(self, address: Address, local: str | None) -> tuple[socket.socket, str]:
        sock = socket.socket(address.family, socket.SOCK_STREAM)
        try:
            sock.setblocking(False)  # noqa: FBT003
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if local is not None:
                sock.bind((local, 0))
            await self.loop.sock_connect(sock, address.sockaddr)
        except BaseException:
            sock.close()
            raise
        return sock, address.host

    async def _race(
        self, addresses: Sequence[Address], name: str, delay: float, local: str | None
    ) -> tuple[socket.socket, str]:
        race = Race(len(addresses), delay)
        running: dict[asyncio.Task[tuple[socket.socket, str]], int] = {}
        errors: list[OSError] = []
        race.start(time.monotonic())
        try:
            while True:
                for index in race.due(time.monotonic()):
                    running[self.loop.create_task(self._open(addresses[index], local))] = index
                if not running:
                    raise _refused(name, addresses, errors)
                moment = race.next_start
                timeout = None if moment is None else max(0.0, moment - time.monotonic())
                done, _ = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    index = running.pop(task)
                    error = task.exception()
                    if error is None:
                        return task.result()
                    if not isinstance(error, OSError):
                        raise error
                    errors.append(error)
                    race.failed(index, time.monotonic())
        finally:
            _give_up(running)

    async def within(
        self, deadline: float, work: Coroutine[Any, Any, T], expired: Callable[[], Exception]
    ) -> T:
        """Run `work` until it ends or the deadline passes."""
        if deadline == NEVER:
            return await work
        try:
            async with asyncio.timeout(_seconds_until(deadline)) as limit:
                return await work
        except TimeoutError as error:
            if limit.expired():
                raise expired() from error
            raise

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run something that blocks in a worker thread."""
        if self._executor is None:
            from concurrent.futures import ThreadPoolExecutor

            self._executor = ThreadPoolExecutor(_WORKERS, thread_name_prefix="hyperhttp")
        return await self.loop.run_in_executor(self._executor, lambda: function(*arguments))

    async def share(self, key: Any, factory: Callable[[], Awaitable[T]]) -> T:
        """One run for all callers; a caller that is cancelled does not cancel it for the others."""
        task = self._shared.get(key)
        if task is None:
            task = self.loop.create_task(_run(factory))
            self._shared[key] = task
            task.add_done_callback(lambda done: self._shared_done(key, done))
        return cast("T", await asyncio.shield(task))

    def _shared_done(self, key: Any, task: asyncio.Task[Any]) -> None:
        self._shared.pop(key, None)
        if not task.cancelled():
            task.exception()  # retrieved here: every waiter may have been cancelled

    def new_wait(self, deadline: float, expire: Callable[[], Exception]) -> Wait:
        """A future with a deadline; the watch looks after it."""
        future = self.loop.create_future()
        if deadline < NEVER:
            guard = _Guard(self.watch, future, deadline, expire)
            self.watch.busy.add(guard)
            future.add_done_callback(guard.done)
            if deadline < self.watch.when:
                self.watch.arm(deadline)
        return future

    def later(self, when: float, callback: Callable[[], None]) -> None:
        """Call back at `when`, unless the network is closed before."""

        def run() -> None:
            self._timers.discard(timer)
            callback()

        timer = self.loop.call_later(max(0.0, when - time.monotonic()), run)
        self._timers.add(timer)

    def new_lock(self) -> contextlib.nullcontext[None]:
        """One loop, one thread: nothing to lock."""
        return contextlib.nullcontext()

    async def close(self) -> None:
        """Close every channel and return when the transports are gone."""
        self._stop()
        channels = tuple(self.channels)
        for channel in channels:
            channel.close()
        if channels:
            await asyncio.gather(*[channel.wait_closed() for channel in channels])
        for task in tuple(self._shared.values()):
            task.cancel()
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)

    def forget(self) -> None:
        """Drop every channel without the loop."""
        if not self.loop.is_closed():
            self._stop()
        for channel in tuple(self.channels):
            channel.detach()
        self.channels.clear()
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)

    def _stop(self) -> None:
        self.watch.disarm()
        timers, self._timers = self._timers, set()
        for timer in timers:
            timer.cancel()


class _Guard:
    """The deadline of one wait in a queue."""

    __slots__ = ("_deadline", "_expire", "_future", "_watch")

    def __init__(
        self, watch: AioWatch, future: asyncio.Future[Any], deadline: float, expire: Callable[[], Exception]
    ) -> None:
        self._watch = watch
        self._future = future
        self._deadline = deadline
        self._expire = expire

    def check(self, now: float) -> float:
        if self._future.done():
            return NEVER
        if now < self._deadline:
            return self._deadline
        self._future.set_exception(self._expire())
        return NEVER

    def abort(self, error: Exception | None = None) -> None:
        if not self._future.done():
            self._future.set_exception(error or self._expire())

    def done(self, _: asyncio.Future[Any]) -> None:
        self._watch.busy.discard(self)


async def _run(factory: Callable[[], Awaitable[T]]) -> T:
    return await factory()


def _give_up(running: Iterable[asyncio.Task[tuple[socket.socket, str]]]) -> None:
    """Cancel the attempts that lost the race; what one of them may still open is closed when it ends."""
    for task in running:
        task.add_done_callback(_close_late)
        task.cancel()


def _close_late(task: asyncio.Task[tuple[socket.socket, str]]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result()[0].close()


def _refused(name: str, addresses: Sequence[Address], errors: list[OSError]) -> ConnectError:
    reasons = ", ".join(dict.fromkeys(error.strerror or str(error) for error in errors)) or "no address"
    tried = ", ".join(address.host for address in addresses[:4])
    return ConnectError(
        f"cannot connect to {name} ({tried}): {reasons}",
        host=addresses[0].host,
        port=addresses[0].port,
        phase="connect",
    )


def _seconds_until(deadline: float) -> float | None:
    return None if deadline == NEVER else max(0.0, deadline - time.monotonic())


def _ignore(_data: bytes) -> None:
    """Bytes after the end."""


def _not_connected(_data: bytes | bytearray | memoryview) -> None:
    msg = "the channel is not connected"
    raise ConnectError(msg)
