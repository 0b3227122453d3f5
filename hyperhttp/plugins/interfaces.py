"""What a plugin implements: the types of the values it hands to a registry.

Most are protocols: an object fits by its shape and need not inherit from anything. What a lower layer
already names is re-exported from there, so that a plugin package imports `hyperhttp.plugins` and nothing
deeper. Nothing here is called on the way of a request; the objects themselves are.

Sections that shape the types: RFC 9110 8.4 (content codings), 11 (authentication), RFC 1928 (SOCKS, whose
handshake a proxy connector speaks), RFC 8305 (what a resolver's answer is used for).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, Protocol

from hyperhttp.auth.base import Auth
from hyperhttp.exceptions import DecodingError, PluginError, ProxyError
from hyperhttp.message.coding import ContentCoding, Decoder

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable, Mapping

    from hyperhttp.message.content import JsonCodec
    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response
    from hyperhttp.message.timing import ConnectionInfo
    from hyperhttp.message.url import URL
    from hyperhttp.network.addresses import Address
    from hyperhttp.network.base import Network
    from hyperhttp.network.resolver import Resolver

__all__ = [
    "DIRECT",
    "HOOK_PREFIX",
    "HYPERHTTP_PLUGIN_API",
    "PROJECT",
    "Address",
    "Auth",
    "Challenge",
    "ConnectionEvent",
    "ContentCoding",
    "Decoder",
    "DecodingError",
    "EventListener",
    "JsonCodec",
    "Network",
    "Onward",
    "PluginError",
    "ProxyConnector",
    "ProxyError",
    "ProxySelector",
    "Resolver",
    "Transport",
    "UpgradedStream",
]

HYPERHTTP_PLUGIN_API: Final = 1
"""The version of the plugin API."""

PROJECT: Final = "hyperhttp"
"""Name of the pluggy project and of the entry-point group."""

HOOK_PREFIX: Final = "hyperhttp_register_"
"""A hook's name is this and the name of its argument."""

DIRECT: Final = "direct://"
"""What a `ProxySelector` answers for "without a proxy, and ask nobody else"."""


_ELSEWHERE: Final = {
    "Address": "hyperhttp.network.addresses",
    "JsonCodec": "hyperhttp.message.content",
    "Network": "hyperhttp.network.base",
    "Resolver": "hyperhttp.network.resolver",
}


def __getattr__(name: str) -> Any:
    """Types of lower layers, from modules that registering a plugin need not load."""
    if name in _ELSEWHERE:
        return getattr(import_module(_ELSEWHERE[name]), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


class Challenge(Protocol):
    """One challenge of a WWW-Authenticate or Proxy-Authenticate field (RFC 9110 11.3)."""

    @property
    def scheme(self) -> str:
        """The auth-scheme, in lower case."""
        ...

    @property
    def token68(self) -> str | None:
        """The token68 form of the challenge, such as Negotiate's; None where there are parameters."""
        ...

    @property
    def params(self) -> Mapping[str, str]:
        """The auth-params, names in lower case, values unquoted."""
        ...


class ProxyConnector(Protocol):
    """How a connection to a target is had through a proxy of one URL scheme.

    It is a protocol without sockets: bytes out, bytes in. So the same connector serves `Client` and
    `SyncClient`, and its tests need no network.

    Attributes:
        default_port: The proxy's port where its URL names none.
        tls: Whether the connection to the proxy itself is TLS.
        resolves_locally: Whether the target's name is resolved here and the address handed to the
            handshake (``socks5``), not left to the proxy (``socks5h``).
        forwards: Whether requests for ``http`` targets go to the proxy as they are, in absolute-form
            (RFC 9112 3.2.2), without a handshake.

    Where names are resolved here, the target's addresses are tried in their order: a `ProxyError` whose ``phase`` is
    ``"tunnel"`` means that this one cannot be reached, any other that none can. A connector may have a further
    attribute, ``ipv4_only``, for a protocol that knows no other addresses.
    """

    default_port: int
    tls: bool
    resolves_locally: bool
    forwards: bool

    def handshake(self, proxy: URL, host: str, port: int) -> Generator[bytes, bytes, bytes]:
        """Speak to the proxy until the connection leads to the target.

        Each ``yield data`` sends `data` (``b""``: nothing) and gives back the next bytes received; ``b""``
        means that the proxy has closed the connection.

        Args:
            proxy: The proxy's URL; credentials, if any, are in its `username` and `password`.
            host: The target's name or IP address, without brackets.
            port: The target's port.

        Returns:
            Bytes received after the end of the handshake. There should be none, since the target waits for
            the client to speak first; a proxy that sends some is refused.

        Raises:
            ProxyError: the proxy refused, or does not speak the protocol. The message holds no secret.
        """
        ...


class ProxySelector(Protocol):
    """Says which proxy serves a URL: a PAC file, the system's settings, a rotation."""

    def select(self, url: URL) -> str | None:
        """The proxy's URL, `DIRECT` for none, or None when this selector has no opinion.

        It is called once per request and hop and must not block.
        """
        ...


class EventListener:
    """What happens inside one client, told to a plugin. Subclass it and override what you need.

    A method that is not overridden costs nothing. `request`, `response`, `error`, `retry` and `redirect`
    may be plain or ``async`` (an ``async`` one that really waits cannot serve a `SyncClient`);
    the others are plain, since nothing that begins, ends or cleans up waits for a listener. What one of the
    first five raises comes out of the call, what one of the others raises is logged. An object that is not
    a subclass fits too, if it has at least one of the methods.
    """

    __slots__ = ()

    def begin(self, request: Request) -> None:
        """A call of the client begins with this request: before its first attempt, once for all of them."""

    def request(self, request: Request) -> Awaitable[None] | None:
        """A request is about to be sent: once per attempt, retries and redirect hops included."""

    def unanswered(
        self, request: Request, connection: ConnectionInfo | None, error: BaseException, again: bool
    ) -> None:
        """A request had a connection, and no head came over it.

        Where `again` is true, the connection was dead and the request is sent at once over another one, as part of the
        same attempt: there is no further `request` for it. Header fields may still be changed here. An error that is no
        Exception means that the caller wanted no more.
        """

    def response(self, response: Response) -> Awaitable[Response | None] | Response | None:
        """A response head arrived; the content may still be on its way. May return a replacement."""

    def error(self, request: Request, error: Exception) -> Awaitable[None] | None:
        """An attempt failed: no response came, or its content broke off while the call itself was reading it."""

    def finish(self, request: Request, response: Response | None, error: BaseException | None) -> None:
        """An attempt is over, content included; called once for every `request`.

        Without an error, the content was read to its end, or the rest was given up or forgotten. `response` is
        None where no head had come, and where the response was forgotten and is no more. An error that is no
        Exception (asyncio's CancelledError, KeyboardInterrupt) means that the caller wanted no more.
        """

    def retry(
        self, request: Request, attempt: int, delay: float, cause: Exception | Response
    ) -> Awaitable[None] | None:
        """The request will be sent again after `delay` seconds; `attempt` counts from 1."""

    def redirect(self, response: Response, request: Request) -> Awaitable[None] | None:
        """A redirect will be followed: `request` is the next one."""

    def end(self, request: Request, response: Response | None, error: BaseException | None) -> None:
        """A call gives its caller the response, or fails with the error; called once for every `begin`.

        The content may still be on its way. `request` is the one the call began with.
        """

    def connection(self, event: ConnectionEvent) -> None:
        """A connection was opened, taken from the pool again, or closed."""

    def idle(self, event: ConnectionEvent) -> None:
        """A connection has nothing to do any more and waits in the pool; `connection` tells when it is used again."""

    def close(self) -> None:
        """The client was closed; nothing will follow."""


class ConnectionEvent(Protocol):
    """What `EventListener.connection` is told."""

    @property
    def kind(self) -> str:
        """``"opened"``, ``"reused"`` or ``"closed"``; ``"idle"`` in `EventListener.idle`."""
        ...

    @property
    def host(self) -> str:
        """Host of the origin."""
        ...

    @property
    def port(self) -> int:
        """Port of the origin."""
        ...

    @property
    def http_version(self) -> str:
        """``"HTTP/1.1"`` or ``"HTTP/2"``."""
        ...

    @property
    def id(self) -> int:
        """A number no other connection of this process has."""
        ...

    @property
    def peer(self) -> str:
        """The address it was connected to: the proxy's where there is one; the path of a Unix socket."""
        ...

    @property
    def proxy(self) -> str | None:
        """The proxy's URL without credentials."""
        ...

    @property
    def tls_version(self) -> str | None:
        """Such as ``"TLSv1.3"``; None without TLS."""
        ...

    @property
    def alpn(self) -> str | None:
        """The protocol chosen in the handshake."""
        ...

    @property
    def dns(self) -> float:
        """Seconds of looking up the name."""
        ...

    @property
    def connect(self) -> float:
        """Seconds until the peer took the connection, a proxy's own handshake included."""
        ...

    @property
    def tls(self) -> float:
        """Seconds of TLS handshakes."""
        ...

    @property
    def uses(self) -> int:
        """Requests that were begun on it before this moment."""
        ...


class Transport(Protocol):
    """Sends requests in its own way: to an application in memory, into a recording, over another protocol."""

    async def send(self, request: Request) -> Response:
        """The response to one request. Redirects, auth, retries and cookies are the client's business.

        Serving a `SyncClient` too, it must not really suspend there.
        """
        ...

    def close(self) -> None:
        """Free what the transport holds. Called once, when the client is closed; does not wait."""
        ...


class Onward(Protocol):
    """The way from a transport to the network, for one that stands in front of it: a cache, a recorder, a gate.

    A transport with a method ``async def send_onward(self, request: Request, onward: Onward) -> Response`` has that
    called instead of `Transport.send`. It answers by itself, or with what `send` gives.
    """

    async def send(self, request: Request, transport: Any = None) -> Response:
        """Send a request over the network, or through another transport; the content is still on its way.

        It has the limits, the proxies and the connections of the call that is being served; its cookies are kept.
        """
        ...

    def response(
        self,
        status_code: int,
        headers: Iterable[tuple[bytes, bytes]],
        encoded: bytes = b"",
        *,
        reason: str = "",
        http_version: str = "HTTP/1.1",
    ) -> Response:
        """A response made here, whose content is decoded by its Content-Encoding when it is read."""
        ...

    async def keep(self, response: Response, limit: int, done: Callable[[bytes], Awaitable[None]]) -> None:
        """Have `done` awaited with the content of an unread response, as it was sent, once all of it has been read.

        It is not called for content that breaks off, is given up, or has more than `limit` bytes.
        """
        ...

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function that blocks: in a worker thread on asyncio, directly for a `SyncClient`."""
        ...

    def start(self, key: Any, work: Callable[[Onward], Coroutine[Any, Any, None]]) -> bool:
        """Run something beside the call, which may be over before: until the client is closed, and a second then.

        While something of the same `key` runs for this client, nothing more of it is begun. `work` gets a way onward of its
        own, whose limits begin now, and deals with its own errors. False where nothing can run beside a call: for a
        `SyncClient`, which has no hidden threads, or when the client is closed.
        """
        ...


class UpgradedStream(Protocol):
    """Bytes both ways, after a server has agreed to another protocol: ``response.extensions["upgraded"]``.

    A request asks for it with ``extensions={"upgrade": "websocket"}`` (or another name of RFC 9110 7.8 that RFC 8441
    serves too). The stream is there where the answer was 101 over HTTP/1.1 or 2xx over HTTP/2. It keeps its place in the
    pool until it is closed, or dropped. Of the call's limits none counts any more; each method has its own. On a
    `SyncClient` nothing here suspends, and one thread may receive while another sends.
    """

    @property
    def http_version(self) -> str:
        """``"HTTP/1.1"`` or ``"HTTP/2"``."""
        ...

    @property
    def at_eof(self) -> bool:
        """Everything that will ever come has been received."""
        ...

    @property
    def is_closed(self) -> bool:
        """Nothing can be sent any more."""
        ...

    @property
    def congested(self) -> bool:
        """More was written than the peer takes: `send` and `drain` would wait."""
        ...

    async def receive(self, timeout: float | None = None) -> bytes:
        """The bytes that have come, or the next ones; ``b""`` at the end.

        Not to receive makes the peer wait: what is kept meanwhile is bounded. Cancelled or timed out, nothing is lost.

        Args:
            timeout: Seconds; None for no limit.

        Raises:
            ReadTimeout: nothing came in time; the stream can be used on.
            ReadError, RemoteProtocolError, ClientClosed: what the connection broke with.
        """
        ...

    async def send(self, data: bytes, timeout: float | None = None) -> None:
        """Send all of `data`, and wait until no more than a bounded rest of it is on this side.

        Cancelled or timed out while it waits, everything is still sent, in order.

        Args:
            data: Bytes.
            timeout: Seconds; None for no limit.

        Raises:
            WriteTimeout: the peer did not take enough in time.
            WriteError, ReadError, RemoteProtocolError, ClientClosed: the connection is closed or broken.
        """
        ...

    def write(self, data: bytes) -> None:
        """Send `data` without waiting. Look at `congested` first, or memory is the only bound."""
        ...

    async def drain(self, timeout: float | None = None) -> None:
        """Wait as `send` does."""
        ...

    def close(self) -> None:
        """Close in order: what was written is sent first. Does not wait; calling it again does nothing."""
        ...

    def abort(self) -> None:
        """Close at once. Calling it again does nothing."""
        ...
