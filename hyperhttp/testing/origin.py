"""A real HTTP origin on the loopback interface, for tests, demonstrations and documentation.

It runs on an event loop in a thread of its own, so it serves blocking and asyncio clients alike, and answers
httpbin's endpoints over HTTP/1.1, over TLS, and over HTTP/2 when asked to.

    with Origin() as origin:
        urllib.request.urlopen(origin.url + "/get")
"""

from __future__ import annotations

import asyncio
import importlib.util
import ipaddress
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Self

from hyperhttp.testing.background import BackgroundLoop
from hyperhttp.testing.endpoints.routing import Endpoint, Routes
from hyperhttp.testing.listeners import Listeners
from hyperhttp.testing.site import ConnectionCounters, Site

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

    from hyperhttp.testing.faults import FaultPlan
    from hyperhttp.testing.messages import ReceivedRequest

__all__ = ["Origin", "running"]

_PATIENCE = 20.0


class Origin:
    """An HTTP server on ephemeral loopback ports; a context manager, plain or async.

    Args:
        host: address of the clear listener.
        port: its port; 0 takes a free one.
        tls: start the TLS listener at once, not when ``https_url`` is first asked for. Needs ``trustme``.
        http2: speak HTTP/2 too: by ALPN with TLS, by prior knowledge in clear. Needs ``h2``.
        max_streams: how many HTTP/2 streams a client may have open on one connection.
        verify_client: demand a client certificate with TLS (see ``client_cert``).
        record_requests: how many requests ``requests`` remembers.
        record_body: how many bytes of each one's content.

    Raises:
        ImportError: a package this needs is missing; the message says which.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: bool = False,
        http2: bool = False,
        max_streams: int = 100,
        verify_client: bool = False,
        record_requests: int = 1000,
        record_body: int = 1024 * 1024,
    ) -> None:
        if http2 and importlib.util.find_spec("h2") is None:
            raise ImportError("Origin(http2=True) needs h2: pip install h2")
        self._host = host
        self._port = port
        self._is_eager = tls
        self._verify_client = verify_client
        self._site = Site(
            http2=http2,
            record_requests=record_requests,
            record_body=record_body,
            max_streams=max_streams,
        )
        self._listeners = Listeners(self._site)
        self._loop: BackgroundLoop | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._http_port = 0
        self._https_port = 0

    # Life: start, stop, and both kinds of ``with``.

    def start(self) -> Self:
        """Start serving; returns when connections are accepted."""
        loop = self._launch()
        try:
            loop.start().result(_PATIENCE)
            loop.submit(self._open()).result(_PATIENCE)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop serving, close every connection, and wait until the thread is gone."""
        if self._loop is not None:
            self._loop.stop().result(_PATIENCE)
            self._clean_up(self._loop)

    async def start_async(self) -> Self:
        """As :meth:`start`, without blocking the running loop."""
        loop = self._launch()
        try:
            await asyncio.shield(asyncio.wrap_future(loop.start()))
            await asyncio.shield(asyncio.wrap_future(loop.submit(self._open())))
        except BaseException:
            self.stop()
            raise
        return self

    async def stop_async(self) -> None:
        """As :meth:`stop`, without blocking the running loop."""
        if self._loop is not None:
            await asyncio.shield(asyncio.wrap_future(self._loop.stop()))
            self._clean_up(self._loop)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    async def __aenter__(self) -> Self:
        return await self.start_async()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop_async()

    def _launch(self) -> BackgroundLoop:
        if self._loop is not None:
            raise RuntimeError("this origin is already running")
        self._loop = BackgroundLoop("hyperhttp-origin", self._listeners.close)
        return self._loop

    async def _open(self) -> None:
        self._http_port = self._listeners.open(self._host, self._port, None)
        if self._is_eager:
            await self._open_tls()

    async def _open_tls(self) -> None:
        from hyperhttp.testing.tls import shared_authority  # trustme is needed only from here on

        if not self._https_port:
            alpn = ["h2", "http/1.1"] if self._site.http2 else ["http/1.1"]
            context = shared_authority().server_context(alpn=alpn, verify_client=self._verify_client)
            self._https_port = self._listeners.open("127.0.0.1", 0, context, also_ipv6=True)

    def _clean_up(self, loop: BackgroundLoop) -> None:
        loop.join()
        self._loop = None
        self._http_port = self._https_port = 0
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def _running_loop(self) -> BackgroundLoop:
        if self._loop is None or not self._loop.is_running:
            raise RuntimeError("this origin is not running: use it in a with statement, or call start()")
        return self._loop

    # Where it is.

    @property
    def port(self) -> int:
        """The port of the clear listener."""
        self._running_loop()
        return self._http_port

    @property
    def https_port(self) -> int:
        """The port of the TLS listener, which is started if it was not yet."""
        loop = self._running_loop()
        if not self._https_port:
            loop.submit(self._open_tls()).result(_PATIENCE)
        return self._https_port

    @property
    def url(self) -> str:
        """``http://127.0.0.1:port``, without a slash at the end."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self.port}"

    @property
    def https_url(self) -> str:
        """``https://localhost:port``; the same port answers on 127.0.0.1 and, where there is IPv6, on ::1."""
        return f"https://localhost:{self.https_port}"

    # What a client needs to trust it.

    @property
    def ca_pem(self) -> str:
        """Path of a file with the certificate of the authority to trust; it goes when the origin stops."""
        from hyperhttp.testing.tls import shared_authority

        path = self._file("ca.pem")
        return str(path if path.exists() else shared_authority().write_pem(path))

    @property
    def client_cert(self) -> str:
        """Path of a file with a private key and a client certificate this origin accepts."""
        from hyperhttp.testing.tls import shared_authority

        path = self._file("client.pem")
        return str(path if path.exists() else shared_authority().write_client_certificate(path))

    def ssl_context(self, *, alpn: Sequence[str] = ()) -> ssl.SSLContext:
        """A client's TLS context that trusts this origin and nothing else."""
        from hyperhttp.testing.tls import shared_authority

        return shared_authority().client_context(alpn=alpn)

    def _file(self, name: str) -> Path:
        self._running_loop()
        if self._folder is None:
            self._folder = tempfile.TemporaryDirectory(prefix="hyperhttp-origin-")
        return Path(self._folder.name) / name

    # What it saw and what it does wrong.

    @property
    def http2(self) -> bool:
        """Whether HTTP/2 is spoken."""
        return self._site.http2

    @property
    def is_tls_open(self) -> bool:
        """Whether the TLS listener has been started."""
        return self._https_port != 0

    @property
    def requests(self) -> list[ReceivedRequest]:
        """The last requests received, oldest first, in the order their heads arrived."""
        return self._site.log.snapshot()

    @property
    def connections(self) -> ConnectionCounters:
        """Counters of connections and requests; they go on counting."""
        return self._site.counters

    @property
    def errors(self) -> list[Exception]:
        """What endpoints raised; each was answered with 500."""
        return self._site.errors

    @property
    def faults(self) -> FaultPlan:
        """What the next requests shall meet; see :mod:`hyperhttp.testing.faults`."""
        return self._site.faults

    def clear(self) -> None:
        """Forget recorded requests, planned faults, errors and what endpoints noted; routes stay."""
        self._site.log.clear()
        self._site.faults.clear()
        self._site.errors.clear()
        self._site.notes.clear()

    def drop_connections(self, *, reset: bool = False) -> None:
        """Close every open connection now, in use or idle, without announcing it.

        Args:
            reset: with a TCP reset.
        """

        async def drop() -> None:
            self._listeners.drop_connections(reset=reset)

        self._running_loop().submit(drop()).result(_PATIENCE)

    def route(
        self, template: str, *, methods: Iterable[str] = ("GET",), is_streaming: bool = False
    ) -> Callable[[Endpoint], Endpoint]:
        """Decorate an endpoint of your own: ``@origin.route("/hello/{name}")``.

        It is called with an :class:`~hyperhttp.testing.exchange.Exchange`, on the origin's thread, and
        returns a :class:`~hyperhttp.testing.messages.Reply`; it may be ``async``.
        """
        routes = Routes()

        def register(endpoint: Endpoint) -> Endpoint:
            routes.add(template, methods=methods, is_streaming=is_streaming)(endpoint)
            for route in routes:
                self._site.router.add(route)
            return endpoint

        return register


@contextmanager
def running(
    *, tls: bool | None = None, http2: bool | None = None, host: str = "127.0.0.1", port: int = 0
) -> Iterator[Origin]:
    """An origin with everything that is installed, for demonstrations and documentation.

    Args:
        tls: serve TLS; None does if ``trustme`` is installed.
        http2: speak HTTP/2; None does if ``h2`` is installed.
        host: address of the clear listener.
        port: its port; 0 takes a free one.
    """
    ipaddress.ip_address(host)  # only an address: a name could lead anywhere
    origin = Origin(
        host=host,
        port=port,
        tls=importlib.util.find_spec("trustme") is not None if tls is None else tls,
        http2=importlib.util.find_spec("h2") is not None if http2 is None else http2,
    )
    with origin:
        yield origin
