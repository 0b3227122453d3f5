"""One connected socket in the calling thread: a wait reads from it until the receiver's callback sets the wait."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

from hyperhttp.exceptions import HyperHTTPError, ReadError, WriteError, WriteTimeout
from hyperhttp.network.tls_in_tls import InnerTLS

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from ssl import SSLContext

    from hyperhttp.network.base import Patient, Receiver, Wait

__all__ = ["BlockingChannel", "BlockingHome", "BlockingWait", "shut_down"]

_CHUNK: Final = 65_536
#: Kernel timeouts exist where struct timeval is two native longs; elsewhere Python's own are used.
_KERNEL_TIMEOUTS: Final = hasattr(socket, "SO_RCVTIMEO") and not hasattr(socket, "SIO_RCVALL")
#: Writes longer than this listen for an early answer while they wait for room.
_LONG_WRITE: Final = 32_768
#: Take what there is room for, and do not wait; where there is no such flag, a write may wait for longer than its limit.
_AT_ONCE: Final[int] = getattr(socket, "MSG_DONTWAIT", 0)


class BlockingHome(Protocol):
    """The network a channel belongs to."""

    channels: set[BlockingChannel]

    def call_safely(self, callback: Callable[[], None]) -> None:
        """Call back where no lock is held."""

    def shared(self, sock: socket.socket, peer: str) -> BlockingChannel:
        """A channel for several threads at a time."""

    def secure(
        self,
        sock: socket.socket,
        context: SSLContext,
        server_name: str,
        name: str,
        offer: tuple[str, ...] | None = None,
    ) -> ssl.SSLSocket:
        """Wrap a connected socket in TLS."""


class BlockingWait:
    """A wait that reads from its channel until somebody sets it."""

    __slots__ = ("_channel", "_done", "_error", "_result")

    def __init__(self, channel: BlockingChannel) -> None:
        self._channel = channel
        self._done = False
        self._result: Any = None
        self._error: BaseException | None = None

    def done(self) -> bool:
        """Whether it was set."""
        return self._done

    def cancel(self) -> bool:
        """Nobody waits any more."""
        cancelled = not self._done
        self._done = True
        return cancelled

    def exception(self) -> BaseException | None:
        """What it failed with."""
        return self._error

    def set_result(self, result: Any) -> None:
        """Give it its value."""
        self._result = result
        self._done = True

    def set_exception(self, exception: BaseException) -> None:
        """Make it fail."""
        self._error = exception
        self._done = True

    def __await__(self) -> Generator[Any, None, Any]:
        if not self._done:
            self._channel.pump(self)
        if self._error is not None:
            raise self._error
        return self._result
        yield  # type: ignore[unreachable]  # makes this a generator


class BlockingChannel:
    """One connected socket."""

    __slots__ = (
        "_kernel_timeout",
        "_network",
        "_poll",
        "_receiver",
        "_sock",
        "_timeout",
        "_tls",
        "_view",
        "alpn",
        "closed",
        "connected_at",
        "peer",
        "write_paused",
    )

    def __init__(
        self, network: BlockingHome, sock: socket.socket, peer: str, connected_at: float | None = None
    ) -> None:
        self._network = network
        self._sock = sock
        self._receiver: Receiver | None = None
        self._timeout: float | None = None
        self._tls = isinstance(sock, (ssl.SSLSocket, InnerTLS))
        self._kernel_timeout = _KERNEL_TIMEOUTS and not self._tls
        self._poll: Any = None
        self._view: memoryview | None = None
        self.alpn: str | None = sock.selected_alpn_protocol() if isinstance(sock, (ssl.SSLSocket, InnerTLS)) else None
        self.peer = peer
        self.connected_at = time.monotonic() if connected_at is None else connected_at
        self.write_paused = False
        self.closed = False
        sock.settimeout(None)
        network.channels.add(self)

    @property
    def lock(self) -> Any:
        """One thread at a time has it."""
        return None

    @property
    def tls_version(self) -> str | None:
        """Such as ``"TLSv1.3"``; None without TLS."""
        return self._sock.version() if isinstance(self._sock, (ssl.SSLSocket, InnerTLS)) else None

    def share(self) -> BlockingChannel:
        """The same socket for several threads at a time."""
        self._network.channels.discard(self)
        return self._network.shared(self._sock, self.peer)

    def new_shared_wait(self, patient: Patient) -> Wait:
        """Only a shared channel has them."""
        raise NotImplementedError

    def attach(self, receiver: Receiver) -> None:
        """Feed `receiver` from now on."""
        self._receiver = receiver

    def soon(self, callback: Callable[[], None]) -> None:
        """There is no loop: now."""
        callback()

    def new_wait(self) -> Wait:
        """A wait on this channel."""
        return BlockingWait(self)

    # -- reading -----------------------------------------------------------------------------------------------------

    def pump(self, wait: BlockingWait) -> None:
        """Read and feed the receiver until `wait` is set."""
        receiver = self._receiver
        if receiver is None:
            raise ReadError("the connection is not in use")
        while not wait._done:
            timeout = receiver.remaining()
            try:
                if timeout != self._timeout:
                    self._set_timeout(timeout)  # fails where another thread has closed the client
                if self._view is not None:
                    self._fill(self._view, receiver)
                    continue
                data = self._sock.recv(_CHUNK)
            except (BlockingIOError, TimeoutError):
                receiver.check(time.monotonic() + 0.001)
                continue
            except ssl.SSLWantReadError:
                continue
            except (OSError, ValueError) as error:
                self._lost(error, wait)
                return
            if data:
                receiver.receive_data(data)
            else:
                receiver.receive_eof()
                if not wait._done:
                    wait.set_exception(ReadError(f"the connection to {self.peer} was closed"))

    def receive_into(self, view: memoryview) -> bool:
        """Fill `view` straight from the socket, then tell the receiver."""
        self._view = view
        return True

    def _fill(self, view: memoryview, receiver: Receiver) -> None:
        size = self._sock.recv_into(view)
        if size == 0:
            self._view = None
            receiver.receive_eof()
        elif size == len(view):
            self._view = None
            receiver.buffer_filled(more=False)  # a look comes before the next use
        else:
            self._view = view[size:]
            receiver.buffer_grew(size)

    def _lost(self, error: Exception, wait: BlockingWait) -> None:
        receiver = self._receiver
        self.closed = True
        if receiver is not None:
            receiver.connection_lost(error)
        if not wait._done:  # another thread has ended the exchange just before it began to wait
            lost = ReadError(f"the connection to {self.peer} was closed")
            lost.__cause__ = error
            wait.set_exception(lost)

    def _set_timeout(self, timeout: float | None) -> None:
        self._timeout = timeout
        if timeout is not None:
            timeout = max(timeout, 0.001)
        if not self._kernel_timeout:
            self._sock.settimeout(timeout)
            return
        seconds = 0.0 if timeout is None else timeout
        value = struct.pack("ll", int(seconds), int(seconds % 1 * 1_000_000))
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, value)

    def call_safely(self, callback: Callable[[], None]) -> None:
        """There is no loop: now, or as soon as this thread is done with what it is doing."""
        self._network.call_safely(callback)

    def is_alive(self) -> bool:
        """Whether nothing has come on an idle connection: neither its end nor bytes that belong to no request."""
        if self.closed:
            return False
        try:
            if not self._tls:
                return not (self._poll or self._new_poll()).poll(0)
            return not self._readable(0) or self._only_tls_records()
        except (OSError, ValueError):
            return False

    def _only_tls_records(self) -> bool:
        """Readable, but only with what TLS says to itself, such as a session ticket."""
        self._timeout = -1.0
        self._sock.settimeout(0)
        try:
            self._sock.recv(1)
        except ssl.SSLWantReadError:
            return True
        except OSError:
            return False
        return False

    def _readable(self, timeout: float) -> bool:
        if self._tls and self._sock.pending():  # type: ignore[attr-defined]  # an SSLSocket
            return True
        return bool((self._poll or self._new_poll()).poll(timeout * 1000))

    def _new_poll(self) -> Any:
        self._poll = poll = select.poll()
        poll.register(self._sock, select.POLLIN)
        return poll

    # -- writing -----------------------------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of `data`; an answer that comes meanwhile is heard."""
        try:
            if not self._tls and len(data) <= _LONG_WRITE:
                try:
                    sent = self._sock.send(data, _AT_ONCE)
                except BlockingIOError:
                    sent = 0
                if sent < len(data):
                    self._write_rest(memoryview(data)[sent:])
            else:
                self._write_rest(memoryview(data))
        except HyperHTTPError:
            raise
        except OSError as error:
            self._write_failed(error)
        except ValueError as error:  # another thread has closed it, and there is nothing to poll
            self._write_failed(OSError(str(error)))

    def _write_rest(self, data: memoryview) -> None:
        """Send while listening: a server may answer, and close, before it has taken everything."""
        receiver = self._receiver
        sock = self._sock
        self._timeout = -1.0
        sock.settimeout(0)
        events = select.POLLIN | select.POLLOUT
        try:
            while data:
                wanted = events
                try:
                    data = data[sock.send(data) :]
                    continue
                except (BlockingIOError, ssl.SSLWantWriteError):
                    pass
                except ssl.SSLWantReadError:
                    wanted = select.POLLIN  # TLS has to hear something first; room to write would not help
                limit = receiver.write_limit() if receiver is not None else None
                happened = _poll(sock, wanted, limit)
                if not happened and self._write_timed_out(limit):
                    return
                if happened & ~select.POLLOUT and not self._listen():
                    events = select.POLLOUT
        finally:
            with contextlib.suppress(OSError):
                sock.settimeout(None)

    def _listen(self) -> bool:
        """Take what the peer has sent; False when it will send nothing more."""
        receiver = self._receiver
        try:
            data = self._sock.recv(_CHUNK)
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return True
        if receiver is not None and data:
            receiver.receive_data(data)
        return bool(data)

    def _write_timed_out(self, limit: float | None) -> bool:
        """The peer took nothing for too long: True where the receiver has said what that means."""
        receiver = self._receiver
        if receiver is not None:
            receiver.check(time.monotonic() + 0.001)
            if receiver.has_answer():
                return True
        raise WriteTimeout(f"{self.peer} took no bytes for {limit:g} s", host=self.peer, phase="write", limit=limit)

    def _write_failed(self, error: OSError) -> None:
        """A server that refuses an upload answers and closes; our failed write must not hide its answer."""
        receiver = self._receiver
        with contextlib.suppress(OSError):
            self._sock.settimeout(0.2)
            self._timeout = -1.0
            while receiver is not None and (data := self._sock.recv(_CHUNK)):
                receiver.receive_data(data)
                if receiver.has_answer():
                    return
        if receiver is not None and receiver.has_answer():
            return
        if receiver is not None:
            receiver.connection_lost(error)
        else:
            raise WriteError(f"the connection to {self.peer} broke: {error}", host=self.peer, phase="write") from error

    def listen(self) -> None:
        """Hear what has come, without waiting: an answer to what is still being sent."""
        if self.closed:
            return
        try:
            if not self._readable(0):
                return
            self._timeout = -1.0
            self._sock.settimeout(0)
            try:
                self._listen()
            finally:
                with contextlib.suppress(OSError):
                    self._sock.settimeout(None)
        except (OSError, ValueError) as error:  # a ValueError where another thread has closed it just now
            if self._receiver is not None:
                self._receiver.connection_lost(error)

    # -- the rest of the interface -----------------------------------------------------------------------------------

    def pause_reading(self) -> None:
        """Nobody reads unless somebody waits: there is nothing to pause."""

    def resume_reading(self) -> None:
        """The twin of `pause_reading`."""

    def close(self) -> None:
        """Close the socket."""
        if not self.closed or self._sock.fileno() >= 0:
            self.closed = True
            self._network.channels.discard(self)
            shut_down(self._sock)
            self._sock.close()

    abort = close

    def detach(self) -> None:
        """Close this process's descriptor without a word to the peer: the connection may be a parent's."""
        self.closed = True
        with contextlib.suppress(OSError):
            self._sock.close()

    async def start_tls(
        self, context: SSLContext, server_name: str, name: str, offer: tuple[str, ...] | None = None
    ) -> None:
        """Speak TLS over this stream from now on."""
        self._network.channels.discard(self)
        sock = self._network.secure(self._sock, context, server_name, name, offer)
        self._sock = sock
        self._tls = True
        self._kernel_timeout = False
        self._poll = None
        self._timeout = -1.0
        self.alpn = sock.selected_alpn_protocol()
        self._network.channels.add(self)

    async def send_beside(self, sending: Coroutine[Any, Any, None], until: Wait) -> None:
        """There is no beside: run `sending` to its end."""
        await sending

    async def send_while(self, sending: Coroutine[Any, Any, None], until: Wait) -> None:
        """Run `sending` to its end, which it finds early where an answer comes."""
        await sending


def shut_down(sock: socket.socket | InnerTLS) -> None:
    """End the connection, below TLS as well: a thread that waits on the socket must hear of it."""
    with contextlib.suppress(OSError):
        if isinstance(sock, ssl.SSLSocket):
            socket.socket.shutdown(sock, socket.SHUT_RDWR)
        else:
            sock.shutdown(socket.SHUT_RDWR)


def _poll(sock: socket.socket, events: int, seconds: float | None) -> int:
    """Wait for one of the events; what happened, or 0 once the time has passed."""
    poll = select.poll()
    poll.register(sock, events)
    ready = poll.poll(None if seconds is None else seconds * 1000)
    return ready[0][1] if ready else 0
