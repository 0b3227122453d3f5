r"""A raw socket server that sends exactly what a test says, for responses no real server would send.

The short form answers one request per item, in the order requests arrive, on whichever connection:

    with ScriptedServer([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"]) as server:
        ...  # the client is promised five bytes and gets three, then the connection closes

An item may also be a list of steps, ``[b"HTTP/1.1 200", Sleep(0.1), b" OK\r\n\r\n", Reset()]``. After the
last item the connection is closed. ``ScriptedServer.by_connection`` gives each connection its script, which
may speak first. The long form is a function: ``ScriptedServer(handler)`` calls ``handler(connection, i)``.

Everything runs in threads that end with the server, so it serves blocking and asyncio tests alike.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias

from hyperhttp.testing.scripts import (
    Close,
    Drop,
    Expect,
    ReadRequest,
    Reset,
    Script,
    ScriptedConnection,
    Send,
    Sleep,
    Stall,
    Step,
    play,
)

if TYPE_CHECKING:
    from types import TracebackType

__all__ = [
    "Close",
    "Drop",
    "Expect",
    "Handler",
    "ReadRequest",
    "Reset",
    "Script",
    "ScriptedConnection",
    "ScriptedServer",
    "ScriptedServerFactory",
    "Send",
    "Sleep",
    "Stall",
    "Step",
]

Handler: TypeAlias = Callable[[ScriptedConnection, int], object]

_WATCH_SECONDS: Final = 0.5
_JOIN_SECONDS: Final = 10.0


class _Exchanges:
    """A handler that answers each request with the next item."""

    def __init__(self, items: Sequence[Script], *, repeat: bool) -> None:
        self._items = list(items)
        self._repeat = repeat
        self._position = 0
        self._lock = threading.Lock()

    def __call__(self, connection: ScriptedConnection, index: int) -> None:
        is_over = False
        while not (is_over or connection.is_closed) and connection.read_request():
            with self._lock:
                item: Script | None = None
                if self._items and (self._repeat or self._position < len(self._items)):
                    item = self._items[self._position % len(self._items)]
                self._position += 1
                is_over = not self._repeat and self._position >= len(self._items)
            if item is not None:
                play(item, connection)


class _PerConnection:
    """A handler that gives each connection its script."""

    def __init__(self, scripts: Sequence[Script], *, repeat: bool) -> None:
        self._scripts = list(scripts)
        self._repeat = repeat

    def __call__(self, connection: ScriptedConnection, index: int) -> None:
        if self._repeat and self._scripts:
            index %= len(self._scripts)
        if index < len(self._scripts):
            play(self._scripts[index], connection)


class ScriptedServer:
    """A server on a loopback port that follows a script; a context manager, plain or async.

    Args:
        script: a function called with each connection and its number from 0, or one item per request:
            bytes, or a list of bytes and steps.
        repeat: begin again when the items are used up.
        tls: ``True`` for a certificate for localhost by the shared test authority, or a context of your own.
        alpn: protocols offered with ``tls=True``.
        host: the address to listen on.
        timeout: seconds each wait for the client may take; then the connection is closed.

    Attributes:
        requests: what ``read_request`` returned, in order, over all connections.
        connections: every connection accepted, in order.
        errors: what handlers raised; leaving the ``with`` block raises the first of them.
    """

    def __init__(
        self,
        script: Handler | Sequence[Script] = (),
        *,
        repeat: bool = False,
        tls: bool | ssl.SSLContext = False,
        alpn: Sequence[str] = (),
        host: str = "127.0.0.1",
        timeout: float = 10.0,
    ) -> None:
        if isinstance(script, bytes | bytearray | str):
            raise TypeError("the script is a list of answers: [b'HTTP/1.1 200 OK...']")
        self._handler: Handler = script if callable(script) else _Exchanges(script, repeat=repeat)
        self._tls = tls
        self._alpn = alpn
        self._host = host
        self._timeout = timeout
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._threads: list[threading.Thread] = []
        self._listener: socket.socket | None = None
        self._wake: socket.socket | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._context: ssl.SSLContext | None = None
        self._port = 0
        self.requests: list[bytes] = []
        self.connections: list[ScriptedConnection] = []
        self.errors: list[BaseException] = []

    @classmethod
    def by_connection(cls, scripts: Sequence[Script], *, repeat: bool = False, **options: Any) -> ScriptedServer:
        """A server whose first connection follows the first script, and so on; later ones are closed at once.

        Nothing is read unless the script says so, with ``ReadRequest()`` or ``Expect(...)``.
        """
        return cls(_PerConnection(scripts, repeat=repeat), **options)

    # Life.

    def start(self) -> Self:
        """Start to listen."""
        if self._listener is not None:
            raise RuntimeError("this server is already running")
        if self._tls is True:
            from hyperhttp.testing.tls import shared_authority  # trustme is needed only for this

            self._context = shared_authority().server_context(alpn=self._alpn)
        elif isinstance(self._tls, ssl.SSLContext):
            self._context = self._tls
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._listener = socket.create_server((self._host, 0), family=family, backlog=256)
        self._port = self._listener.getsockname()[1]
        receiver, self._wake = socket.socketpair()
        self._stopping.clear()
        self._start_thread(self._accept, self._listener, receiver)
        return self

    def close(self) -> None:
        """Stop listening, end every connection and every thread.

        Raises:
            RuntimeError: a handler does not return although its connection is gone.
        """
        if self._listener is None or self._wake is None:
            return
        self._stopping.set()
        self._wake.close()
        deadline = monotonic() + _JOIN_SECONDS
        self._threads[0].join(_JOIN_SECONDS)  # the acceptor first: it starts the others
        for connection in self.connections:
            connection.interrupt()
        for thread in self._threads:
            thread.join(max(deadline - monotonic(), 0.0))
        late = [thread for thread in self._threads if thread.is_alive()]
        self._listener = self._wake = None
        self._threads.clear()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None
        if late:
            raise RuntimeError(f"{len(late)} handlers of a ScriptedServer still run after its end")

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if error is None and self.errors:
            raise self.errors[0]

    async def __aenter__(self) -> Self:
        return self.start()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    # Where it is, and how to trust it.

    @property
    def host(self) -> str:
        """The address it listens on."""
        return self._host

    @property
    def port(self) -> int:
        """The port it listens on; still known after the end, for tests of refused connections."""
        if not self._port:
            raise RuntimeError("this server was never started: use it in a with statement")
        return self._port

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``, or ``https://localhost:port``."""
        if self._tls:
            return f"https://localhost:{self.port}"
        return f"http://[{self._host}]:{self.port}" if ":" in self._host else f"http://{self._host}:{self.port}"

    @property
    def ca_pem(self) -> str:
        """Path of a file with the certificate of the test authority; it goes when the server closes."""
        from hyperhttp.testing.tls import shared_authority

        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="hyperhttp-scripted-")
        return str(shared_authority().write_pem(Path(self._folder.name) / "ca.pem"))

    def ssl_context(self, *, alpn: Sequence[str] = ()) -> ssl.SSLContext:
        """A client's TLS context that trusts the test authority and nothing else."""
        from hyperhttp.testing.tls import shared_authority

        return shared_authority().client_context(alpn=alpn)

    def wait_closed(self, timeout: float = 5.0) -> bool:
        """Wait until every connection accepted so far is over; whether that came true in time."""
        deadline = monotonic() + timeout
        return all(connection.over.wait(max(deadline - monotonic(), 0.0)) for connection in list(self.connections))

    # The threads.

    def _start_thread(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args, name="hyperhttp-scripted", daemon=False)
        with self._lock:
            self._threads = [
                *self._threads[:1],
                *(old for old in self._threads[1:] if old.is_alive()),
                thread,
            ]
        thread.start()

    def _accept(self, listener: socket.socket, receiver: socket.socket) -> None:
        with listener, receiver, selectors.DefaultSelector() as selector:
            selector.register(listener, selectors.EVENT_READ)
            selector.register(receiver, selectors.EVENT_READ)
            while not self._stopping.is_set() and threading.main_thread().is_alive():
                ready = [key.fileobj for key, _ in selector.select(_WATCH_SECONDS)]
                if listener in ready and not self._stopping.is_set():
                    self._accept_one(listener)

    def _accept_one(self, listener: socket.socket) -> None:
        try:
            raw, _ = listener.accept()
        except OSError:
            return  # the client left while it waited
        connection = ScriptedConnection(raw, len(self.connections), self._stopping, self.requests, self._timeout)
        self.connections.append(connection)
        self._start_thread(self._serve, connection)

    def _serve(self, connection: ScriptedConnection) -> None:
        try:
            if self._context is not None:
                connection.start_tls(self._context)
            self._handler(connection, connection.index)
        except (OSError, EOFError) as error:
            connection.error = error  # the client left or took too long: that is for the test to judge
        except BaseException as error:  # noqa: BLE001 - raised again in the test's own thread
            self.errors.append(error)
        finally:
            connection.close()
            connection.over.set()


class ScriptedServerFactory:
    """Makes running servers and closes them together; what the pytest fixture gives."""

    def __init__(self) -> None:
        self._stack = ExitStack()

    def __call__(
        self,
        script: Handler | Sequence[Script] = (),
        *,
        repeat: bool = False,
        tls: bool | ssl.SSLContext = False,
        alpn: Sequence[str] = (),
        host: str = "127.0.0.1",
        timeout: float = 10.0,
    ) -> ScriptedServer:
        """A running :class:`ScriptedServer` with these parameters."""
        server = ScriptedServer(script, repeat=repeat, tls=tls, alpn=alpn, host=host, timeout=timeout)
        return self._stack.enter_context(server)

    def by_connection(self, scripts: Sequence[Script], **options: Any) -> ScriptedServer:
        """A running server made by :meth:`ScriptedServer.by_connection`."""
        return self._stack.enter_context(ScriptedServer.by_connection(scripts, **options))

    def close(self) -> None:
        """Close all servers, and raise the first error of a handler."""
        self._stack.close()
