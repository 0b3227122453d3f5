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
    from collections.abc import Awaitable, Generator, Mapping

    from hyperhttp.message.content import JsonCodec
    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response
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
    "PluginError",
    "ProxyConnector",
    "ProxyError",
    "ProxySelector",
    "Resolver",
    "Transport",
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
    `connection` and `close` are plain, since opening and cleaning up never wait for a listener.
    An object that is not a subclass fits too, if it has at least one of the methods.
    """

    __slots__ = ()

    def request(self, request: Request) -> Awaitable[None] | None:
        """A request is about to be sent: once per attempt, retries and redirect hops included."""

    def response(self, response: Response) -> Awaitable[Response | None] | Response | None:
        """A response head arrived; the content may still be on its way. May return a replacement."""

    def error(self, request: Request, error: Exception) -> Awaitable[None] | None:
        """An attempt ended without a response."""

    def retry(
        self, request: Request, attempt: int, delay: float, cause: Exception | Response
    ) -> Awaitable[None] | None:
        """The request will be sent again after `delay` seconds; `attempt` counts from 1."""

    def redirect(self, response: Response, request: Request) -> Awaitable[None] | None:
        """A redirect will be followed: `request` is the next one."""

    def connection(self, event: ConnectionEvent) -> None:
        """A connection was opened, taken from the pool again, or closed."""

    def close(self) -> None:
        """The client was closed; nothing will follow."""


class ConnectionEvent(Protocol):
    """What `EventListener.connection` is told."""

    @property
    def kind(self) -> str:
        """``"opened"``, ``"reused"`` or ``"closed"``."""
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
