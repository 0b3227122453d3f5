"""HyperHTTP: an HTTP client for asyncio and for threads, fast, strict and open to plugins.

`Client` is the asynchronous face, `SyncClient` the blocking one; `get` and its siblings are one-shot calls.
"""

from typing import TYPE_CHECKING, Any

from hyperhttp._version import __version__
from hyperhttp.auth.base import Auth
from hyperhttp.auth.basic import BasicAuth
from hyperhttp.client.aio import Client
from hyperhttp.client.blocking import (
    SyncClient,
    delete,
    get,
    head,
    options,
    patch,
    post,
    put,
    request,
    stream,
)
from hyperhttp.config import Limits, Timeout
from hyperhttp.exceptions import (
    AddressNotAllowed,
    CircuitBreakerOpen,
    ClientClosed,
    ConnectError,
    ConnectTimeout,
    DecodingError,
    DNSError,
    DownloadError,
    HTTPStatusError,
    HyperHTTPError,
    InvalidURL,
    LocalProtocolError,
    PluginError,
    PoolTimeout,
    ProtocolError,
    ProxyError,
    RateLimitExceeded,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
    ResponseNotRead,
    RetryError,
    StreamClosed,
    StreamConsumed,
    StreamError,
    TimeoutException,
    TLSError,
    TooManyRedirects,
    TotalTimeout,
    TransportError,
    WebSocketClosed,
    WebSocketDecodeError,
    WebSocketError,
    WebSocketHandshakeError,
    WebSocketMessageTypeError,
    WebSocketProtocolError,
    WriteError,
    WriteTimeout,
)
from hyperhttp.message.cookies import Cookies
from hyperhttp.message.headers import Headers
from hyperhttp.message.request import Request
from hyperhttp.message.response import Response
from hyperhttp.message.timing import ConnectionInfo, Timing
from hyperhttp.message.url import URL
from hyperhttp.pool.proxy import Proxy

if TYPE_CHECKING:
    from hyperhttp.auth.bearer import BearerAuth
    from hyperhttp.auth.digest import DigestAuth
    from hyperhttp.auth.netrc import NetrcAuth
    from hyperhttp.client.download import Download
    from hyperhttp.client.sse import EventSource
    from hyperhttp.message.multipart import MultipartEncoder, MultipartFile
    from hyperhttp.message.sse import ServerSentEvent
    from hyperhttp.network.policy import AddressPolicy
    from hyperhttp.plugins.har import HarRecorder
    from hyperhttp.transports.asgi import ASGITransport
    from hyperhttp.transports.mock import MockTransport
    from hyperhttp.transports.wsgi import WSGITransport

if TYPE_CHECKING:
    # Not in __all__: without the plugin, hyperhttp-ws, there is no such name.
    from hyperhttp_ws import WebSocket as WebSocket

__all__ = [
    "URL",
    "ASGITransport",
    "AddressNotAllowed",
    "AddressPolicy",
    "Auth",
    "BasicAuth",
    "BearerAuth",
    "CircuitBreakerOpen",
    "Client",
    "ClientClosed",
    "ConnectError",
    "ConnectTimeout",
    "ConnectionInfo",
    "Cookies",
    "DNSError",
    "DecodingError",
    "DigestAuth",
    "Download",
    "DownloadError",
    "EventSource",
    "HTTPStatusError",
    "HarRecorder",
    "Headers",
    "HyperHTTPError",
    "InvalidURL",
    "Limits",
    "LocalProtocolError",
    "MockTransport",
    "MultipartEncoder",
    "MultipartFile",
    "NetrcAuth",
    "PluginError",
    "PoolTimeout",
    "ProtocolError",
    "Proxy",
    "ProxyError",
    "RateLimitExceeded",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
    "Request",
    "Response",
    "ResponseNotRead",
    "RetryError",
    "ServerSentEvent",
    "StreamClosed",
    "StreamConsumed",
    "StreamError",
    "SyncClient",
    "TLSError",
    "Timeout",
    "TimeoutException",
    "Timing",
    "TooManyRedirects",
    "TotalTimeout",
    "TransportError",
    "WSGITransport",
    "WebSocketClosed",
    "WebSocketDecodeError",
    "WebSocketError",
    "WebSocketHandshakeError",
    "WebSocketMessageTypeError",
    "WebSocketProtocolError",
    "WriteError",
    "WriteTimeout",
    "__version__",
    "delete",
    "get",
    "head",
    "options",
    "patch",
    "post",
    "put",
    "request",
    "stream",
]


#: What only some programs need, and the modules that have it.
_LATER = {
    "ASGITransport": "transports.asgi",
    "AddressPolicy": "network.policy",
    "BearerAuth": "auth.bearer",
    "DigestAuth": "auth.digest",
    "Download": "client.download",
    "EventSource": "client.sse",
    "HarRecorder": "plugins.har",
    "MockTransport": "transports.mock",
    "MultipartEncoder": "message.multipart",
    "MultipartFile": "message.multipart",
    "NetrcAuth": "auth.netrc",
    "ServerSentEvent": "message.sse",
    "WSGITransport": "transports.wsgi",
}


def __getattr__(name: str) -> Any:
    """What not every program needs, on first use; `WebSocket` comes from its plugin."""
    if name in _LATER:
        from importlib import import_module

        value = globals()[name] = getattr(import_module(f"hyperhttp.{_LATER[name]}"), name)
        return value
    if name == "WebSocket":
        from hyperhttp.client.websockets import websockets

        return websockets().WebSocket
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
