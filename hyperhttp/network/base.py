"""What the rest of the core may wait for, and nothing else.

Everything that waits is written once as ``async def`` over these interfaces. `hyperhttp.network.aio` implements them
with asyncio; `hyperhttp.network.blocking` with sockets in the calling thread, where each awaitable finishes at once,
so that one ``send(None)`` runs a whole request. Moments are seconds of the monotonic clock.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from hyperhttp.utils import locks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator, Sequence
    from contextlib import AbstractContextManager
    from ssl import SSLContext

    from hyperhttp.network.addresses import Address

__all__ = [
    "NEVER",
    "Cancellable",
    "Channel",
    "Network",
    "Patient",
    "Queued",
    "Receiver",
    "Wait",
    "Watch",
    "Watched",
    "fail",
    "keep_blocks",
    "new_lock",
]

T = TypeVar("T")

#: The moment of a limit that is switched off.
NEVER: Final = math.inf


class Wait(Protocol):
    """Something that will be set once: an `asyncio.Future`, or its blocking twin."""

    def done(self) -> bool:
        """Whether it was set or given up."""

    def set_result(self, result: Any, /) -> None:
        """Give it its value; it must not be done."""

    def set_exception(self, exception: BaseException, /) -> None:
        """Make the wait fail; it must not be done."""

    def cancel(self) -> bool:
        """Nobody waits any more; does nothing where it is done."""

    def exception(self) -> BaseException | None:
        """What it failed with; asking says that somebody knows of it."""

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait for the value."""


def fail(wait: Wait | None, error: BaseException) -> None:
    """Make a wait fail unless it is done; it does not matter whether anybody still waits."""
    if wait is not None and not wait.done():
        wait.set_exception(error)
        wait.exception()  # or asyncio would complain of an error that a cancelled caller never asked for


class Cancellable(Protocol):
    """Something that runs beside its caller."""

    def cancel(self) -> bool:
        """Stop it."""


class Watched(Protocol):
    """Somebody with deadlines: asked now and then, instead of owning timers."""

    def check(self, now: float) -> float:
        """Let what is overdue fail, and say when to look again (`NEVER` for not at all)."""

    def abort(self, error: Exception | None = None) -> None:
        """Stop at once: the client is closing."""


class Queued(Watched, Protocol):
    """Somebody in a queue, with a deadline of their own."""

    def expired(self) -> Exception:
        """What the wait fails with once its time has passed."""


class Patient(Watched, Protocol):
    """Somebody who waits with a limit of their own."""

    def remaining(self) -> float | None:
        """Seconds that the present wait may still take; None for no limit."""


class Watch(Protocol):
    """One lazily armed timer for everybody who is busy on one network."""

    #: Who has deadlines at present.
    busy: set[Watched]
    #: The moment of the next look.
    when: float

    def arm(self, when: float) -> None:
        """Look at `when` at the latest; only called with a moment before the present one."""


class Receiver(Watched, Protocol):
    """What a channel feeds: a connection."""

    def receive_data(self, data: bytes) -> None:
        """Bytes from the peer."""

    def buffer_grew(self, size: int) -> None:
        """`Channel.receive_into` has put `size` more bytes into the buffer."""

    def buffer_filled(self, *, more: bool) -> None:
        """`Channel.receive_into` has filled the buffer; bytes come by `receive_data` again, and `more` are waiting."""

    def receive_eof(self) -> None:
        """The peer will send nothing more."""

    def connection_lost(self, error: Exception | None) -> None:
        """The channel is gone; `error` is None where it was closed in order."""

    def write_resumed(self) -> None:
        """The peer takes bytes again."""

    def remaining(self) -> float | None:
        """Seconds that the present wait for bytes may still take; None for no limit."""

    def write_limit(self) -> float | None:
        """Seconds that a write may wait for the peer to take bytes; None for no limit."""

    def has_answer(self) -> bool:
        """Whether the response to what is being sent has begun: nothing more need be sent."""


class Channel(Protocol):
    """A connected byte stream that feeds its receiver."""

    #: The protocol chosen by ALPN; None without TLS or without a choice.
    alpn: str | None
    #: The peer's address as it was connected to.
    peer: str
    #: The moment the peer took the connection, before any handshake.
    connected_at: float
    #: More was written than the peer takes; wait for `Receiver.write_resumed`.
    write_paused: bool
    #: No byte will pass any more.
    closed: bool

    @property
    def lock(self) -> Any:
        """Guards what threads share; None where only one thread is about."""

    @property
    def tls_version(self) -> str | None:
        """Such as ``"TLSv1.3"``; None without TLS."""

    def share(self) -> Channel:
        """The same stream for several exchanges at a time; this one is not used any more."""

    def new_shared_wait(self, patient: Patient) -> Wait:
        """A wait of one of several; only on channels that `lock` says threads share."""

    def attach(self, receiver: Receiver) -> None:
        """Say who is fed from now on; what came before is delivered at once."""

    def write(self, data: bytes | bytearray | memoryview, /) -> None:
        """Send bytes: on asyncio they are buffered, on blocking sockets this returns when the system has them."""

    def soon(self, callback: Callable[[], None], /) -> object:
        """Call back at the end of this turn of the loop; at once where there is no loop."""

    def new_wait(self) -> Wait:
        """Something to await until a callback of the receiver sets it."""

    def listen(self) -> None:
        """Hear what has come, where nobody hears it otherwise: an answer to what is still being sent."""

    def receive_into(self, view: memoryview) -> bool:
        """Let the next ``len(view)`` bytes go into `view` instead of `Receiver.receive_data`; False where that cannot be."""

    def call_safely(self, callback: Callable[[], None]) -> None:
        """Call back soon, from wherever this is called: a garbage collector asks for no convenient place."""

    def is_alive(self) -> bool:
        """Whether a channel that was idle can be used: still open, and nothing came from the peer."""

    def pause_reading(self) -> None:
        """Stop taking bytes from the peer."""

    def resume_reading(self) -> None:
        """Take bytes again."""

    def close(self) -> None:
        """Close in order; idempotent, never waits."""

    def abort(self) -> None:
        """Close at once; idempotent, never waits."""

    def detach(self) -> None:
        """Close without the help of a loop that no longer runs, or of a parent process."""

    async def start_tls(
        self, context: SSLContext, server_name: str, name: str, offer: tuple[str, ...] | None = None
    ) -> None:
        """Speak TLS over this stream from now on."""

    async def send_beside(self, sending: Coroutine[Any, Any, None], until: Wait) -> Cancellable | None:
        """Run `sending` until it ends or `until` is set; where there is a loop it goes on after that, and is returned."""

    async def send_while(self, sending: Coroutine[Any, Any, None], until: Wait) -> None:
        """Run `sending`, but no longer than until `until` is set; what it raises comes out."""


class Network(Protocol):
    """How to reach the world."""

    @property
    def watch(self) -> Watch:
        """Who looks after deadlines."""

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
        """Open a channel to the first address that answers, racing them (RFC 8305).

        Args:
            addresses: in the order in which they are tried.
            name: host and port as the user knows them, for messages.
            delay: seconds before the next address is tried beside those that have not answered.
            local_address: address to bind to.
            tls: speak TLS with this context.
            server_name: the name to ask for and to verify (SNI).
            offer: protocols to offer by ALPN with a context that others use for other offers; None leaves it as it is.

        Raises:
            ConnectError: no address took the connection.
            TLSError: the handshake failed.
        """

    async def connect_unix(
        self, path: str, *, tls: SSLContext | None, server_name: str | None, offer: tuple[str, ...] | None = None
    ) -> Channel:
        """Open a channel to a Unix socket."""

    async def within(self, deadline: float, work: Coroutine[Any, Any, T], expired: Callable[[], Exception]) -> T:
        """Run `work` until it ends, or until the deadline where there is a loop to notice it."""

    def call_safely(self, callback: Callable[[], None]) -> None:
        """Call back soon, from wherever this is called: another thread, or a garbage collector."""

    def start(self, work: Coroutine[Any, Any, None], patience: float) -> Cancellable:
        """Run something beside the caller; only where there is a loop.

        Args:
            work: what to run; it handles its own errors.
            patience: seconds that closing the network waits for its end before it is cancelled.

        Raises:
            TypeError: there is no loop.
        """

    async def sleep(self, seconds: float) -> None:
        """Wait."""

    async def first(
        self, start: Callable[[int], Coroutine[Any, Any, T] | None], delay: float, discard: Callable[[T], None]
    ) -> T:
        """The result of the first of several runs of the same work; the others are cancelled.

        A run that fails is out of the race; the error of the last one comes out. On blocking sockets, where nothing
        runs beside anything, there is one run.

        Args:
            start: gives the run of a number, counted from 0; None where no further one shall begin.
            delay: seconds without a result after which the next run begins.
            discard: takes the result of a run that was too late.
        """

    async def call(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run something that blocks: in a worker thread on asyncio, directly on blocking sockets."""

    async def share(self, key: Any, factory: Callable[[], Awaitable[T]]) -> T:
        """Let all concurrent callers with the same key share one run of `factory`."""

    def new_wait(self, deadline: float, expire: Callable[[], Exception]) -> Wait:
        """Something to await until somebody else sets it, or until the deadline passes."""

    def new_queued_wait(self, deadline: float, queued: Queued) -> Wait:
        """The same for somebody who watches it, and leaves `watch` when it is over: thousands of these cost less."""

    def later(self, when: float, callback: Callable[[], None]) -> None:
        """Call back at `when` where there is a loop to do so; blocking clients sweep when they are used."""

    def now(self) -> float:
        """The monotonic clock, seconds."""

    def new_lock(self) -> AbstractContextManager[Any]:
        """A reentrant lock where threads share a pool."""

    async def close(self) -> None:
        """Return when every channel is closed and no task or thread is left."""

    def forget(self) -> None:
        """Drop every channel without waiting: the loop is closed, or this process is a fork of the owner."""


def new_lock() -> AbstractContextManager[Any]:
    """A lock for what threads may begin at the same time, such as the first use of a client; free after a fork."""
    return locks.new_lock()


@cache
def keep_blocks(size: int) -> None:
    """Let the C library reuse the memory of blocks up to `size` bytes instead of returning it to the system each time.

    glibc maps a block above 128 KiB, unmaps it when it is freed, and gives the top of its heap back too; until it has seen a
    larger block freed, whose size becomes the new limit (mallopt(3), M_MMAP_THRESHOLD). One block that is never touched
    teaches it that. Without it each content is written to fresh pages, and faulting them in costs more than the transfer
    (benchmarks/README.md, "Large bodies"): half of the time that a response of 100 KB takes on asyncio.
    """
    bytes(size)
