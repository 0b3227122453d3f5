"""One connected stream on asyncio: a protocol that hands bytes straight to its receiver."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
import time
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from hyperhttp.exceptions import ConnectError, TLSError
from hyperhttp.network.tls import tls_error

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from ssl import SSLContext

    from hyperhttp.network.base import Patient, Receiver, Wait

__all__ = ["AioChannel", "OfferGate", "new_view"]

#: Seconds a TLS peer gets for its close_notify before the transport is aborted.
_CLOSE_GRACE: Final = 1.0
#: Seconds a peer that does not read gets for what was written before the end.
_LINGER: Final = 30.0
#: Bytes of the buffer that all channels of a network share: what asyncio's TLS decrypts at once, and a record more.
_VIEW_SIZE: Final = 294_912
#: Bytes up to which a copy is cheaper than many small views.
_SMALL: Final = 65_536
_new_poll: Final = getattr(select, "poll", None)  # Windows has none
_NOTHING: Final = memoryview(b"")


class AioHome(Protocol):
    """The network a channel belongs to."""

    loop: asyncio.AbstractEventLoop
    channels: set[AioChannel]
    offers: OfferGate

    @property
    def received(self) -> memoryview:
        """A buffer for all channels whose receivers keep nothing of what they are given."""


class OfferGate:
    """Lets handshakes with one context of the caller's go on together while they offer the same.

    ALPN belongs to the context, asyncio reads it some time after it was told to begin, and a context cannot be copied: a
    handshake that offers something else waits until the others are over.
    """

    def __init__(self) -> None:
        self._running: dict[SSLContext, tuple[tuple[str, ...], int]] = {}
        self._waiting: list[asyncio.Future[None]] = []

    async def enter(self, context: SSLContext, offer: tuple[str, ...]) -> None:
        """Wait for handshakes with other offers, then put this one in force."""
        while (running := self._running.get(context)) is not None and running[0] != offer:
            turn = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            await turn
        self._running[context] = (offer, 1 if running is None else running[1] + 1)
        context.set_alpn_protocols(list(offer))

    def leave(self, context: SSLContext) -> None:
        """A handshake is over."""
        offer, count = self._running.pop(context)
        if count > 1:
            self._running[context] = (offer, count - 1)
            return
        waiting, self._waiting = self._waiting, []
        for turn in waiting:
            if not turn.done():
                turn.set_result(None)


class AioChannel(asyncio.Protocol):
    """One connected stream: an asyncio protocol that hands bytes straight to its receiver."""

    __slots__ = (
        "_early",
        "_gone",
        "_network",
        "_poll",
        "_receiver",
        "_sock",
        "_transport",
        "alpn",
        "closed",
        "connected_at",
        "data_received",
        "new_wait",
        "peer",
        "soon",
        "write",
        "write_paused",
    )

    def __init__(self, network: AioHome, sock: socket.socket | None, peer: str) -> None:
        self._network = network
        self._sock = sock
        self._poll: Any = None
        self._transport: asyncio.Transport | None = None
        self._receiver: Receiver | None = None
        self._early: list[bytes] = []
        self._gone: asyncio.Future[None] | None = None
        self.alpn: str | None = None
        self.peer = peer
        self.connected_at = time.monotonic()
        self.write_paused = False
        self.closed = False
        # Bound once, so that each read and write costs one call less. `data_received` is a slot for the same reason.
        self.data_received: Callable[[bytes], None] = self._early.append  # type: ignore[assignment]  # a slot, on purpose
        self.write: Callable[[bytes | bytearray | memoryview], None] = _not_connected
        self.new_wait: Callable[[], Wait] = network.loop.create_future
        self.soon: Callable[[Callable[[], None]], object] = network.loop.call_soon

    # -- what asyncio calls ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The transport is ready."""
        self._transport = cast("asyncio.Transport", transport)
        self.write = self._transport.write
        self._network.channels.add(self)
        tls = transport.get_extra_info("ssl_object")
        self.alpn = tls.selected_alpn_protocol() if tls is not None else None

    def eof_received(self) -> None:
        """The peer closed its side; so do we, after the receiver has heard of it."""
        if self._receiver is None:
            return
        if self._is_cut_off():
            # RFC 9112 section 9.8: without the closing alert, the end of the stream may be an attacker's.
            self._receiver.connection_lost(ConnectionResetError("the peer closed TLS without a closing alert"))
        else:
            self._receiver.receive_eof()

    def _is_cut_off(self) -> bool:
        """Whether TLS ends here without the peer having said so."""
        tls = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        if tls is None:
            return False
        try:
            return bool(tls.read(1))  # nothing can be read any more: empty after the alert, an error without it
        except (OSError, ValueError):
            return True

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

    # -- what the core calls -----------------------------------------------------------------------------------------

    @property
    def is_connected(self) -> bool:
        """A transport owns the socket."""
        return self._transport is not None

    lock = None

    @property
    def tls_version(self) -> str | None:
        """Such as ``"TLSv1.3"``; None without TLS."""
        tls = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        return None if tls is None else cast("str | None", tls.version())

    def share(self) -> AioChannel:
        """One loop, one thread: a channel is shared as it is."""
        return self

    def new_shared_wait(self, patient: Patient) -> Wait:
        """A future like any other."""
        return self.new_wait()

    def attach(self, receiver: Receiver) -> None:
        """Feed `receiver` from now on."""
        self._receiver = receiver
        early, self._early = self._early, []
        self.data_received = receiver.receive_data
        if self._transport is not None:
            # Also where it is the same: uvloop keeps the bound method of the protocol it was given.
            takes_views = getattr(receiver, "takes_views", False)
            self._transport.set_protocol(_Viewer(self) if takes_views else self)
        for data in early:
            receiver.receive_data(data)
        if self.closed:
            receiver.connection_lost(None)

    def listen(self) -> None:
        """The loop listens all the time; content waits for it to tell that the stream has broken.

        Whoever went on writing would be told by asyncio's log, until the loop has its turn.
        """
        transport: Any = self._transport
        below: Any = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None) or transport
        if below is not None and below.is_closing():
            self.write_paused = True

    def receive_into(self, view: memoryview) -> bool:
        """Fill `view` straight from the socket, then tell the receiver; one copy less for large content."""
        if self._transport is None or self._receiver is None or self._is_tls():
            return False
        self._transport.set_protocol(_Filler(self, self._transport, self._receiver, view))
        return True

    def call_safely(self, callback: Callable[[], None]) -> None:
        """Call back in the loop's thread; nobody minds where the loop is closed."""
        with contextlib.suppress(RuntimeError):
            self._network.loop.call_soon_threadsafe(callback)

    def is_alive(self) -> bool:
        """Not closed, and nothing waits in the socket that would answer a question nobody has asked.

        The loop may have had no time to read it: a program that asks again at once leaves it none, and a peer that sends
        more than it was asked for would answer the next request with the rest (response queue poisoning).
        """
        transport = self._transport
        if self.closed or transport is None or transport.is_closing():
            return False
        poll = self._poll
        if poll is not None and not poll.poll(0):
            return True
        return self._is_silent()

    def _is_silent(self) -> bool:
        sock = self._sock
        if sock is None:
            return True
        if self._poll is None and _new_poll is not None:  # the first look: the next ones cost half as much
            self._poll = poll = _new_poll()
            poll.register(sock, select.POLLIN)
        try:
            # Frames of a connection that many share may come at any time.
            return bool(sock.recv(1, socket.MSG_PEEK)) and getattr(self._receiver, "multiplexed", False)
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
            self._transport.set_protocol(self)  # what is read now must not go where a receiver is just looking
            self._transport.close()
            if self.write_paused:
                self._network.loop.call_later(_LINGER, self.abort)

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
                try:
                    lost(None)
                except Exception:  # noqa: BLE001, S110 - the interpreter may be half gone, and nobody can be told
                    pass
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

    async def start_tls(
        self, context: SSLContext, server_name: str, name: str, offer: tuple[str, ...] | None = None
    ) -> None:
        """Speak TLS over this stream from now on."""
        transport = self._transport
        if transport is None:
            msg = "the connection is closed"
            raise ConnectError(msg)
        self.data_received = self._early.append
        self._receiver = None
        _mend_force_close(transport)
        try:
            secured = await self._handshake(transport, context, server_name, offer)
        except (OSError, EOFError) as error:
            self.abort()
            self._network.channels.discard(self)  # asyncio does not tell a protocol whose handshake failed
            host, _, port = name.rpartition(":")
            raise tls_error(error, host or server_name, int(port) if port.isdigit() else None) from error
        except BaseException:
            self.abort()
            self._network.channels.discard(self)
            raise
        if secured is None:
            msg = f"the connection closed during the TLS handshake with {name}"
            raise TLSError(msg, host=server_name, phase="tls")
        self._transport = secured
        self.write = secured.write
        tls = secured.get_extra_info("ssl_object")
        self.alpn = tls.selected_alpn_protocol() if tls is not None else None

    async def _handshake(
        self, transport: asyncio.Transport, context: SSLContext, server_name: str, offer: tuple[str, ...] | None
    ) -> asyncio.Transport | None:
        loop = self._network.loop
        if offer is None:
            return await loop.start_tls(transport, self, context, server_hostname=server_name)
        gate = self._network.offers
        await gate.enter(context, offer)
        try:
            return await loop.start_tls(transport, self, context, server_hostname=server_name)
        finally:
            gate.leave(context)

    async def send_beside(self, sending: Coroutine[Any, Any, None], until: Wait) -> asyncio.Task[None] | None:
        """Run `sending` as a task until it ends or `until` is set; what goes on is returned."""
        task = self._network.loop.create_task(sending)
        try:
            await asyncio.wait((task, cast("asyncio.Future[Any]", until)), return_when=asyncio.FIRST_COMPLETED)
        except BaseException:
            task.cancel()
            raise
        return None if task.done() else task

    async def send_while(self, sending: Coroutine[Any, Any, None], until: Wait) -> None:
        """Run `sending` as a task until it ends or `until` is set."""
        task = self._network.loop.create_task(sending)
        future = cast("asyncio.Future[Any]", until)
        try:
            await asyncio.wait((task, future), return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not task.done():
                task.add_done_callback(_retrieve)
                task.cancel()
        if task.done():
            task.result()

    def _is_tls(self) -> bool:
        return self._transport is not None and self._transport.get_extra_info("ssl_object") is not None


class _Viewer(asyncio.BufferedProtocol):
    """Stands in for a channel whose receiver keeps nothing of what it is given: all is read into one buffer.

    asyncio's TLS makes an object of each record else, and joins them. A loop reads for one channel at a time, and the
    receiver is done before the next one is read for.
    """

    __slots__ = (
        "_channel",
        "_view",
        "connection_lost",
        "eof_received",
        "get_buffer",
        "pause_writing",
        "resume_writing",
    )

    def __init__(self, channel: AioChannel) -> None:
        self._channel = channel
        self._view = view = channel._network.received
        self.get_buffer: Callable[[int], memoryview] = lambda _hint: view  # type: ignore[assignment]  # a slot, on purpose
        self.pause_writing = channel.pause_writing  # type: ignore[method-assign]
        self.resume_writing = channel.resume_writing  # type: ignore[method-assign]
        self.eof_received = channel.eof_received  # type: ignore[method-assign]
        self.connection_lost = channel.connection_lost  # type: ignore[method-assign]

    def buffer_updated(self, nbytes: int) -> None:
        view: Any = self._view[:nbytes]
        self._channel.data_received(view.tobytes() if nbytes <= _SMALL else view)


def new_view() -> memoryview:
    """Make what `AioHome.received` is."""
    return memoryview(bytearray(_VIEW_SIZE))


class _Filler(asyncio.BufferedProtocol):
    """Stands in for a channel while the socket writes into a buffer of the receiver's."""

    __slots__ = ("_channel", "_receiver", "_transport", "_view", "pause_writing", "resume_writing")

    def __init__(self, channel: AioChannel, transport: asyncio.Transport, receiver: Receiver, view: memoryview) -> None:
        self._channel = channel
        self._transport = transport
        self._receiver = receiver
        self._view = view
        self.pause_writing = channel.pause_writing  # type: ignore[method-assign]
        self.resume_writing = channel.resume_writing  # type: ignore[method-assign]

    def get_buffer(self, sizehint: int) -> memoryview:
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


def _retrieve(task: asyncio.Task[None]) -> None:
    """What a cancelled task ends with is of no interest."""
    if not task.cancelled():
        task.exception()


def _ignore(_data: bytes) -> None:
    """Bytes after the end."""


def _not_connected(_data: bytes | bytearray | memoryview) -> None:
    msg = "the channel is not connected"
    raise ConnectError(msg)


def _mend_force_close(transport: Any) -> None:
    """Let a handshake fail inside TLS: CPython up to 3.11.7 hands `_abort` an argument there that it does not take."""
    abort = getattr(getattr(transport, "_ssl_protocol", None), "_abort", None)
    if abort is not None and getattr(getattr(abort, "__code__", None), "co_argcount", 0) == 1:
        transport._force_close = lambda _error: transport.abort()
