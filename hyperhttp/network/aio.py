"""asyncio: protocol callbacks feed the receiver, one timer watches everybody.

A future per wait and nothing else: no task and no timer per request. Tasks exist only while addresses race, while a
streamed body is being sent, and while a shared look-up runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time
from asyncio import get_running_loop
from contextvars import copy_context
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from hyperhttp.exceptions import ConnectError, TLSError
from hyperhttp.network.addresses import Race
from hyperhttp.network.aio_channel import AioChannel, OfferGate, new_view
from hyperhttp.network.aio_watch import AioWatch, Guard
from hyperhttp.network.base import NEVER, keep_blocks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
    from concurrent.futures import ThreadPoolExecutor
    from ssl import SSLContext

    from hyperhttp.network.addresses import Address
    from hyperhttp.network.base import Channel, Queued, Wait

__all__ = ["AioChannel", "AioNetwork", "get_running_loop"]

T = TypeVar("T")

_CANCEL_GRACE: Final = 1.0  # seconds a cancelled task gets to clean up
_WORKERS: Final = 8  # threads for name look-ups and file reads
_BLOCK: Final = 1_048_576  # bytes; more than asyncio reads at once (256 KiB)


class AioNetwork:
    """asyncio on one loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        keep_blocks(_BLOCK)
        self.loop = loop
        self.watch = AioWatch(loop)
        self.channels: set[AioChannel] = set()
        self.now = time.monotonic
        self._executor: ThreadPoolExecutor | None = None
        self._shared: dict[Any, asyncio.Task[Any]] = {}
        self._timers: set[asyncio.TimerHandle] = set()
        self._beside: dict[asyncio.Task[None], float] = {}
        self.offers = OfferGate()
        self._process = os.getpid()

    @cached_property
    def received(self) -> memoryview:
        """Where channels read to whose receivers keep nothing of it."""
        return new_view()

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
        sock, peer = await self._first_socket(addresses, name, delay, local_address)
        try:
            return await self._wrap(sock, peer, tls, server_name, name, offer)
        except TLSError as error:
            error.address = peer
            raise

    async def connect_unix(
        self, path: str, *, tls: SSLContext | None, server_name: str | None, offer: tuple[str, ...] | None = None
    ) -> Channel:
        """Open a channel to a Unix socket."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.setblocking(False)
        try:
            await self.loop.sock_connect(sock, path)
            return await self._wrap(sock, path, tls, server_name, path, offer)
        except OSError as error:
            sock.close()
            msg = f"cannot connect to {path}: {error.strerror or error}"
            raise ConnectError(msg, host=path, phase="connect") from error
        except BaseException:
            sock.close()
            raise

    async def _wrap(
        self,
        sock: socket.socket,
        peer: str,
        tls: SSLContext | None,
        server_name: str | None,
        name: str,
        offer: tuple[str, ...] | None,
    ) -> AioChannel:
        channel = AioChannel(self, sock, peer)
        try:
            await self.loop.create_connection(lambda: channel, sock=sock)
        except BaseException:
            if not channel.is_connected:
                sock.close()  # no transport owns it yet
            channel.abort()
            raise
        if tls is not None:
            await channel.start_tls(tls, server_name or name, name, offer)
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
            sock.setblocking(False)
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
                winner = _winner(done, running, race, errors)
                if winner is not None:
                    return winner
        finally:
            _give_up(running)

    async def within(self, deadline: float, work: Coroutine[Any, Any, T], expired: Callable[[], Exception]) -> T:
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

    def call_safely(self, callback: Callable[[], None]) -> None:
        """Call back soon, from wherever this is called."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody minds
            self.loop.call_soon_threadsafe(callback)

    def start(self, work: Coroutine[Any, Any, None], patience: float) -> asyncio.Task[None]:
        """Run something beside the caller, until the network is closed at the latest."""
        task = self.loop.create_task(work)
        self._beside[task] = patience
        task.add_done_callback(lambda done: self._beside.pop(done, None))
        return task

    async def _end_beside(self) -> None:
        """Let what runs beside come to its end, each as long as it was given."""
        started = time.monotonic()
        while self._beside:
            soonest = started + min(self._beside.values())
            await asyncio.wait(tuple(self._beside), timeout=max(soonest - time.monotonic(), 0.0))
            now = time.monotonic()
            overdue = [task for task, patience in self._beside.items() if now - started >= patience]
            for task in overdue:
                task.cancel()
                del self._beside[task]
            if overdue:
                await asyncio.wait(overdue, timeout=_CANCEL_GRACE)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    async def first(
        self, start: Callable[[int], Coroutine[Any, Any, T] | None], delay: float, discard: Callable[[T], None]
    ) -> T:
        """The result of the first of several runs of the same work, begun `delay` seconds apart."""
        running: set[asyncio.Task[T]] = set()
        number = 0
        error: BaseException | None = None
        try:
            while True:
                # After a failure nothing new begins: what to do about it is for somebody else to decide.
                work = start(number) if error is None else None
                if work is not None:
                    running.add(self.loop.create_task(work))
                    number += 1
                timeout = None if work is None else delay
                done, _ = await asyncio.wait(running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                winner = next((task for task in done if not task.cancelled() and task.exception() is None), None)
                if winner is not None:
                    running.discard(winner)
                    return winner.result()
                running -= done
                for task in done:
                    error = asyncio.CancelledError() if task.cancelled() else task.exception()
                if error is not None and not running:
                    raise error
        finally:
            for task in running:
                task.add_done_callback(lambda late: _discard_late(late, discard))
                task.cancel()

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run something that blocks in a worker thread, which sees the caller's context variables."""
        if self._executor is None:
            from concurrent.futures import ThreadPoolExecutor

            self._executor = ThreadPoolExecutor(_WORKERS, thread_name_prefix="hyperhttp")
        return await self.loop.run_in_executor(self._executor, partial(copy_context().run, function, *arguments))

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
            guard = Guard(self.watch, future, deadline, expire)
            self.watch.busy.add(guard)
            future.add_done_callback(guard.done)
            if deadline < self.watch.when:
                self.watch.arm(deadline)
        return future

    def new_queued_wait(self, deadline: float, queued: Queued) -> Wait:
        """A future; the watch looks after who waits for it."""
        if deadline < NEVER:
            self.watch.busy.add(queued)
            if deadline < self.watch.when:
                self.watch.arm(deadline)
        return self.loop.create_future()

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
        if self._beside:
            await self._end_beside()
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
        """Drop every channel; without the loop where it is closed, or the parent's of this process."""
        channels = tuple(self.channels)
        self.channels.clear()
        if not self.loop.is_closed():
            self._stop()
        if self.loop.is_closed() or self._process != os.getpid():
            for channel in channels:
                channel.detach()
        else:
            # A loop that did not hear of it would take the next socket of the same number for this one.
            self.call_safely(partial(_abort_all, channels))
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=False, cancel_futures=True)

    def _stop(self) -> None:
        self.watch.disarm()
        timers, self._timers = self._timers, set()
        for timer in timers:
            timer.cancel()


def _abort_all(channels: Iterable[AioChannel]) -> None:
    for channel in channels:
        channel.abort()


async def _run(factory: Callable[[], Awaitable[T]]) -> T:
    return await factory()


def _winner(
    done: Iterable[asyncio.Task[tuple[socket.socket, str]]],
    running: dict[asyncio.Task[tuple[socket.socket, str]], int],
    race: Race,
    errors: list[OSError],
) -> tuple[socket.socket, str] | None:
    """The first of the attempts that ended with a connection; the failed ones let the next address start."""
    for task in done:
        index = running.pop(task)
        error = task.exception()
        if error is None:
            return task.result()
        if not isinstance(error, OSError):
            raise error
        errors.append(error)
        race.failed(index, time.monotonic())
    return None


def _give_up(running: Iterable[asyncio.Task[tuple[socket.socket, str]]]) -> None:
    """Cancel the attempts that lost the race; what one of them may still open is closed when it ends."""
    for task in running:
        task.add_done_callback(_close_late)
        task.cancel()


def _close_late(task: asyncio.Task[tuple[socket.socket, str]]) -> None:
    if not task.cancelled() and task.exception() is None:
        task.result()[0].close()


def _discard_late(task: asyncio.Task[T], discard: Callable[[T], None]) -> None:
    if not task.cancelled() and task.exception() is None:
        discard(task.result())


def _refused(name: str, addresses: Sequence[Address], errors: list[OSError]) -> ConnectError:
    # The errno and not the text: asyncio puts a sentence of its own there.
    said = (os.strerror(error.errno) if error.errno else str(error) for error in errors)
    reasons = ", ".join(dict.fromkeys(said)) or "no address"
    tried = ", ".join(address.host for address in addresses[:4])
    return ConnectError(
        f"cannot connect to {name} ({tried}): {reasons}",
        host=addresses[0].host,
        port=addresses[0].port,
        phase="connect",
    )


def _seconds_until(deadline: float) -> float | None:
    return None if deadline == NEVER else max(0.0, deadline - time.monotonic())
