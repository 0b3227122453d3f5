"""A network without sockets: bytes in, bytes out, and every moment chosen by the test.

`MemoryNetwork` hands out `MemoryChannel`s; a test plays the peer with `feed`, `eof` and `lose`, and looks at
`written`. Waits are futures of the running loop. Nothing happens by itself: deadlines pass when the test calls
`look` with a moment, callbacks of `soon` run when the loop turns, callbacks of `later` when the test says so.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from hyperhttp.connection.base import GONE, NEW
from hyperhttp.connection.route import Route
from hyperhttp.network.base import NEVER
from hyperhttp.network.failures import AddressFailures
from hyperhttp.pool.lane import Lane

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable


class MemoryWatch:
    """Remembers when somebody wants to be looked at."""

    def __init__(self) -> None:
        self.busy: set[Any] = set()
        self.when = NEVER

    def arm(self, when: float) -> None:
        self.when = when

    def look(self, now: float) -> None:
        """Let what is overdue at `now` fail."""
        self.when = NEVER
        self.when = min([each.check(now) for each in tuple(self.busy)], default=NEVER)


class MemoryChannel:
    """One end of a stream whose other end is the test."""

    lock: Any = None

    def __init__(self, alpn: str | None = None) -> None:
        self.alpn = alpn
        self.peer = "192.0.2.1"
        self.connected_at = 0.0
        self.tls_version = None if alpn is None else "TLSv1.3"
        self.write_paused = False
        self.closed = False
        self.aborted = False
        self.alive = True
        self.reading = True
        self.can_fill = False
        self.written: list[bytes] = []
        self.view: memoryview | None = None
        self.receiver: Any = None
        self.tls: list[tuple[Any, ...]] = []
        self._kept: list[bytes] = []

    # -- what the test does ----------------------------------------------------------------------------------

    def feed(self, *pieces: bytes) -> None:
        """Bytes from the peer; kept back while reading is paused, as a socket would."""
        self._kept += pieces
        self._deliver()

    def eof(self) -> None:
        """The peer closes in order."""
        self.receiver.receive_eof()

    def lose(self, error: Exception | None = None) -> None:
        """The stream breaks."""
        self.closed = True
        self.receiver.connection_lost(error)

    def fill(self, data: bytes, *, more: bool = False) -> None:
        """Put bytes where `receive_into` was told to."""
        assert self.view is not None
        view, rest = self.view, self.view[len(data) :]
        view[: len(data)] = data
        self.view = rest if len(rest) else None
        if len(rest):
            self.receiver.buffer_grew(len(data))
        else:
            self.receiver.buffer_filled(more=more)

    def resume_writing(self) -> None:
        """The peer takes bytes again."""
        self.write_paused = False
        self.receiver.write_resumed()

    @property
    def sent(self) -> bytes:
        """Everything written so far."""
        return b"".join(self.written)

    def _deliver(self) -> None:
        while self._kept and self.reading and not self.closed:
            self.receiver.receive_data(self._kept.pop(0))

    # -- what the core calls ---------------------------------------------------------------------------------

    def attach(self, receiver: Any) -> None:
        self.receiver = receiver
        self._deliver()

    def share(self) -> MemoryChannel:
        return self

    def write(self, data: Any) -> None:
        assert not self.closed, "written to a closed channel"
        self.written.append(bytes(data))

    def soon(self, callback: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(callback)

    def new_wait(self) -> Any:
        return asyncio.get_running_loop().create_future()

    def new_shared_wait(self, patient: Any) -> Any:
        return self.new_wait()

    def listen(self) -> None:
        pass

    def call_safely(self, callback: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(callback)

    def receive_into(self, view: memoryview) -> bool:
        if self.can_fill:
            self.view = view
        return self.can_fill

    def is_alive(self) -> bool:
        return self.alive and not self.closed

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True
        if self._kept:
            asyncio.get_running_loop().call_soon(self._deliver)

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.closed = self.aborted = True

    def detach(self) -> None:
        self.closed = True

    async def start_tls(self, context: Any, server_name: str, *more: Any, **options: Any) -> None:
        self.tls.append((context, server_name, *more, *options.values()))

    async def send_beside(self, sending: Coroutine[Any, Any, None], until: Any) -> Any:
        task = asyncio.ensure_future(sending)
        try:
            await asyncio.wait((task, until), return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            task.cancel()
            raise
        return None if task.done() else task

    async def send_while(self, sending: Coroutine[Any, Any, None], until: Any) -> None:
        task = asyncio.ensure_future(sending)
        try:
            await asyncio.wait((task, until), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if not task.cancelled():
            task.result()


class MemoryNetwork:
    """Hands out channels.

    Attributes:
        channels: what `connect` gives next; a `BaseException` among them is raised.
        connected: the keywords of each `connect`, its addresses under ``"addresses"``.
        timers: what `later` was asked for, and has not run yet.
        waits: futures with deadlines, with what to raise when these pass.
    """

    def __init__(self, *channels: MemoryChannel | BaseException, time: float = 1000.0) -> None:
        self.watch = MemoryWatch()
        self.channels = list(channels)
        self.connected: list[dict[str, Any]] = []
        self.timers: list[tuple[float, Callable[[], None]]] = []
        self.waits: list[tuple[Any, float, Callable[[], Exception]]] = []
        self.time = time
        self.is_closed = False

    def now(self) -> float:
        return self.time

    async def connect(self, addresses: Iterable[Any], **options: Any) -> MemoryChannel:
        self.connected.append({"addresses": list(addresses), **options})
        return self._next()

    async def connect_unix(self, path: str, **options: Any) -> MemoryChannel:
        self.connected.append({"path": path, **options})
        return self._next()

    def _next(self) -> MemoryChannel:
        channel = self.channels.pop(0)
        if isinstance(channel, BaseException):
            raise channel
        return channel

    async def within(self, deadline: float, work: Coroutine[Any, Any, Any], expired: Callable[[], Exception]) -> Any:
        if deadline <= self.time:
            work.close()
            raise expired()
        return await work

    def call_safely(self, callback: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(callback)

    def start(self, work: Coroutine[Any, Any, None], patience: float) -> Any:
        return asyncio.get_running_loop().create_task(work)

    async def first(self, start: Callable[[int], Any], delay: float, discard: Callable[[Any], None]) -> Any:
        return await start(0)

    async def sleep(self, seconds: float) -> None:
        self.time += seconds
        await asyncio.sleep(0)

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return function(*arguments)

    async def share(self, key: Any, factory: Callable[[], Awaitable[Any]]) -> Any:
        return await factory()

    def new_wait(self, deadline: float, expire: Callable[[], Exception]) -> Any:
        future = asyncio.get_running_loop().create_future()
        self.waits.append((future, deadline, expire))
        return future

    def new_queued_wait(self, deadline: float, queued: Any) -> Any:
        return self.new_wait(deadline, queued.expired)

    def expire(self, future: Any) -> None:
        """Let the deadline of one wait pass."""
        expire = next(expire for each, _, expire in self.waits if each is future)
        if not future.done():
            future.set_exception(expire())

    def later(self, when: float, callback: Callable[[], None]) -> None:
        self.timers.append((when, callback))

    def run_timers(self, until: float) -> None:
        """Run the callbacks that are due by `until`, the earliest first."""
        while due := [timer for timer in self.timers if timer[0] <= until]:
            first = min(due, key=lambda timer: timer[0])
            self.timers.remove(first)
            first[1]()

    def new_lock(self) -> Any:
        return contextlib.nullcontext()

    async def close(self) -> None:
        self.is_closed = True

    def forget(self) -> None:
        self.is_closed = True


def memory_lane(host: str = "example.com", scheme: str = "http") -> Lane:
    """A lane of no pool."""
    return Lane(Route(scheme, host, 443 if scheme == "https" else 80))


class Releases:
    """A pool's side of `release`: counts, and looks at the connection at that very moment."""

    def __init__(self) -> None:
        self.connections: list[Any] = []
        self.reusable: list[bool] = []
        self.ended = 0

    def __call__(self, connection: Any, ended: int = 0) -> None:
        self.connections.append(connection)
        self.reusable.append(connection.reusable)
        self.ended += ended

    def __len__(self) -> int:
        return len(self.connections)


async def turns(count: int = 3) -> None:
    """Let the loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


class Source:
    """A connection that writes down what it is asked."""

    def __init__(self, *, fills: bool = False) -> None:
        self.fills = self.can_fill = fills
        self.taken = 0
        self.calls: list[str] = []
        self.view: memoryview | None = None
        self.wait: Any = None
        self._total_at = NEVER

    def wait_for_content(self) -> Any:
        self.wait = asyncio.get_running_loop().create_future()
        return self.wait

    def wake(self) -> None:
        wait, self.wait = self.wait, None
        if wait is not None:
            wait.set_result(None)

    def fill_buffer(self, view: memoryview) -> bool:
        self.view = view if self.fills else None
        return self.fills

    def pause_content(self) -> None:
        self.calls.append("pause")

    def content_taken(self, size: int, *, resume: bool) -> None:
        self.taken += size
        if resume:
            self.calls.append("resume")

    def abandon(self) -> None:
        self.calls.append("abandon")


# -- for pools -------------------------------------------------------------------------------------------------


class StubChannel:
    """What a pool asks of a channel."""

    def __init__(self) -> None:
        self.closed = False
        self.alive = True

    def is_alive(self) -> bool:
        return self.alive and not self.closed


class StubConnection:
    """A connection that does what the test says.

    Attributes:
        capacity: exchanges it serves at once, where it is multiplexed.
        is_settled: the peer has said so.
        retired: it takes no further exchange (GOAWAY, or ``Connection: close``).
        closings: how often it was closed.
    """

    def __init__(self, lane: Any, release: Any, *, multiplexed: bool = False, now: float = 0.0) -> None:
        self.channel = StubChannel()
        self.http_version = "HTTP/2" if multiplexed else "HTTP/1.1"
        self.lane = lane
        self.multiplexed = multiplexed
        self.place = NEW
        self.uses = 0
        self.in_use = 0 if multiplexed else 1
        self.made_at = self.read_at = now
        self.expires_at = self.retire_at = NEVER
        self.owner: object | None = None
        self.info = None
        self.opener: object = None
        self.began = False
        self.capacity = 100
        self.is_settled = True
        self.retired = False
        self.closings = 0
        self._release = release

    @property
    def reusable(self) -> bool:
        return not self.retired and not self.channel.closed

    def has_room(self) -> bool:
        if not self.multiplexed:
            return self.reusable and self.owner is None
        return self.reusable and self.in_use < (self.capacity if self.is_settled else 1)

    def finish(self) -> None:
        """One exchange is over."""
        self._release(self, 1 if self.multiplexed else 0)

    def lose(self) -> None:
        """The peer closes it."""
        self.channel.closed = True
        self._release(self)

    def change(self, *, capacity: int | None = None, retired: bool = False) -> None:
        """SETTINGS or GOAWAY from the peer."""
        self.is_settled = True
        self.capacity = self.capacity if capacity is None else capacity
        self.retired = self.retired or retired
        self._release(self)

    def discard(self) -> None:
        """It never came into a pool."""
        self.place = GONE
        self.close()

    def close(self) -> None:
        self.closings += 1
        self.channel.closed = True

    def abort(self, error: Exception | None = None) -> None:
        self.lose()


class Dial:
    """A connection being opened."""

    def __init__(self, lane: Any, release: Any, deadline: float, total_at: float) -> None:
        self.lane = lane
        self.release = release
        self.deadline = deadline
        self.total_at = total_at
        self.result: asyncio.Future[StubConnection] = asyncio.get_running_loop().create_future()

    def succeed(
        self, *, multiplexed: bool = False, capacity: int = 100, settled: bool = True, now: float = 0.0
    ) -> StubConnection:
        connection = StubConnection(self.lane, self.release, multiplexed=multiplexed, now=now)
        connection.is_settled = settled
        connection.capacity = capacity
        self.result.set_result(connection)
        return connection

    def fail(self, error: Exception) -> None:
        self.result.set_exception(error)


class HandDialer:
    """Opens a connection when the test says so.

    Attributes:
        dials: those under way, the oldest first.
        count: how many were begun.
    """

    def __init__(self) -> None:
        self.dials: list[Dial] = []
        self.count = 0
        self.failures = AddressFailures()

    async def dial(self, lane: Any, release: Any, deadline: float, total_at: float) -> StubConnection:
        dial = Dial(lane, release, deadline, total_at)
        self.dials.append(dial)
        self.count += 1
        try:
            return await dial.result
        except asyncio.CancelledError:
            if dial.result.done() and not dial.result.cancelled() and dial.result.exception() is None:
                dial.result.result().discard()  # opened in the very moment, as a real dialer would close it
            raise
        finally:
            self.dials.remove(dial)
