"""HyperHTTP: an HTTP client for asyncio and for threads, fast, strict and open to plugins.

`Client` is the asynchronous face, `SyncClient` the blocking one; `get` and its siblings are one-shot calls.
"""

from hyperhttp._version import __version__
from hyperhttp.auth.base import Auth
from hyperhttp.auth.basic import BasicAuth
from hyperhttp.auth.bearer import BearerAuth
from hyperhttp.auth.digest import DigestAuth
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
    HTTPStatusError,
    HyperHTTPError,
    InvalidURL,
    LocalProtocolError,
    PluginError,
    PoolTimeout,
    ProtocolError,
    ProxyError,
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
from hyperhttp.message.multipart import MultipartEncoder, MultipartFile
from hyperhttp.message.request import Request
from hyperhttp.message.response import Response
from hyperhttp.message.url import URL
from hyperhttp.network.policy import AddressPolicy

__all__ = [
    "URL",
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
    "Cookies",
    "DNSError",
    "DecodingError",
    "DigestAuth",
    "HTTPStatusError",
    "Headers",
    "HyperHTTPError",
    "InvalidURL",
    "Limits",
    "LocalProtocolError",
    "MultipartEncoder",
    "MultipartFile",
    "PluginError",
    "PoolTimeout",
    "ProtocolError",
    "ProxyError",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
    "Request",
    "Response",
    "ResponseNotRead",
    "RetryError",
    "StreamClosed",
    "StreamConsumed",
    "StreamError",
    "SyncClient",
    "TLSError",
    "Timeout",
    "TimeoutException",
    "TooManyRedirects",
    "TotalTimeout",
    "TransportError",
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
