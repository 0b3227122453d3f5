"""Every exception HyperHTTP raises, in one tree.

::

    HyperHTTPError
    ├── TransportError                  the exchange with the peer failed
    │   ├── ConnectError                no connection could be opened
    │   │   ├── DNSError                the host name could not be resolved
    │   │   ├── ProxyError              the proxy refused or failed
    │   │   └── AddressNotAllowed       the address policy forbids the peer
    │   ├── TLSError                    the handshake or the certificate failed
    │   ├── ReadError                   the connection broke while reading
    │   ├── WriteError                  the connection broke while writing
    │   ├── ProtocolError
    │   │   ├── LocalProtocolError      we were asked to send something invalid   (also ValueError)
    │   │   └── RemoteProtocolError     the peer sent something invalid
    │   └── TimeoutException            a limit of ``Timeout`` passed             (also TimeoutError)
    │       ├── ConnectTimeout
    │       ├── ReadTimeout
    │       ├── WriteTimeout
    │       ├── PoolTimeout
    │       └── TotalTimeout
    ├── HTTPStatusError                 ``raise_for_status()`` met a 4xx or 5xx
    ├── TooManyRedirects
    ├── RetryError                      the last attempt of several failed too
    ├── CircuitBreakerOpen              the host is left alone for a while
    ├── RateLimitExceeded               the request's turn is too far away
    ├── DecodingError                   the content does not follow its coding
    ├── DownloadError                   the file that came is not the one that was asked for
    ├── InvalidURL                                                                (also ValueError)
    ├── StreamError                     the content is not where it was looked for
    │   ├── StreamConsumed
    │   ├── ResponseNotRead
    │   └── StreamClosed
    ├── ClientClosed
    ├── PluginError
    └── WebSocketError
        ├── WebSocketHandshakeError
        ├── WebSocketClosed
        ├── WebSocketProtocolError
        ├── WebSocketMessageTypeError
        └── WebSocketDecodeError

An exception is created once, by the layer that knows the fact; its message says what failed, for which host, in which phase and
after how long, and holds no secret. ``retryable`` says whether sending again may help, not whether it is safe (RFC 9110, 9.2.2).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from hyperhttp._naming import peer_name

if TYPE_CHECKING:
    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response

__all__ = [
    "AddressNotAllowed",
    "CircuitBreakerOpen",
    "ClientClosed",
    "ConnectError",
    "ConnectTimeout",
    "DNSError",
    "DecodingError",
    "DownloadError",
    "HTTPStatusError",
    "HyperHTTPError",
    "InvalidURL",
    "LocalProtocolError",
    "PluginError",
    "PoolTimeout",
    "ProtocolError",
    "ProxyError",
    "RateLimitExceeded",
    "ReadError",
    "ReadTimeout",
    "RemoteProtocolError",
    "ResponseNotRead",
    "RetryError",
    "StreamClosed",
    "StreamConsumed",
    "StreamError",
    "TLSError",
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
]


class HyperHTTPError(Exception):
    """Base class of every exception of this library.

    Attributes:
        kind: Stable name of the kind of failure, in snake case, for programs, logs and metrics.
        retryable: Whether the same request may succeed if it is sent again.
        request: The request that failed, where there is one.
        host: Host name or address of the peer.
        port: Port of the peer.
        address: Address that was connected to, where one was and it is known.
        phase: What was being done, such as ``"pool"``, ``"dns"``, ``"connect"``, ``"tls"`` or ``"read"``.
        elapsed: Seconds spent until the failure.
        limit: The limit that was passed, in seconds for time and bytes for sizes.
        unprocessed: The server has said, or it is otherwise certain, that it did not process the request.
        summary: The sentence ``str()`` falls back to when no message was given.
    """

    kind: ClassVar[str] = "error"
    retryable: bool = False
    address: str | None = None
    unprocessed: bool = False
    summary: ClassVar[str] = "the request failed"

    def __init__(
        self,
        message: str = "",
        *,
        request: Request | None = None,
        host: str | None = None,
        port: int | None = None,
        phase: str | None = None,
        elapsed: float | None = None,
        limit: float | None = None,
    ) -> None:
        # One argument at most: OSError, a base of TimeoutException, takes two for (errno, strerror).
        super().__init__(message)
        self.request = request
        self.host = host
        self.port = port
        self.phase = phase
        self.elapsed = elapsed
        self.limit = limit
        if not message:
            self.args = (self.summary + self._details(),)

    def __str__(self) -> str:
        return (str(self.args[0]) if self.args else "") or self.summary

    def __copy__(self) -> HyperHTTPError:
        from hyperhttp._pickling import rebuild  # here and below: few programs pickle exceptions

        return rebuild(type(self), self.args, self.__dict__, {})

    def __reduce__(self) -> tuple[Any, ...]:
        from hyperhttp._pickling import pack, rebuild

        return rebuild, pack(self)

    def _details(self) -> str:
        facts = [peer_name(self.host, self.port)] if self.host else []
        if self.phase:
            facts.append(f"phase {self.phase}")
        if self.elapsed is not None:
            facts.append(f"after {round(self.elapsed, 3)} s")
        if self.limit is not None:
            facts.append(f"limit {self.limit:g}")
        return f" ({', '.join(facts)})" if facts else ""


class TransportError(HyperHTTPError):
    """The exchange with the peer failed below the level of status codes."""

    kind = "transport_error"
    retryable = True
    summary = "the exchange with the peer failed"


class ConnectError(TransportError):
    """No connection to the peer could be opened."""

    kind = "connect_error"
    summary = "the connection could not be opened"


class DNSError(ConnectError):
    """The host name could not be resolved to an address."""

    kind = "dns_error"
    summary = "the host name could not be resolved"


class ProxyError(ConnectError):
    """The proxy refused the request, or failed before it reached the origin."""

    kind = "proxy_error"
    summary = "the proxy failed"


class AddressNotAllowed(ConnectError):
    """The client's address policy forbids the address the host name leads to."""

    kind = "address_not_allowed"
    retryable = False
    summary = "the address policy does not allow this peer"


class TLSError(TransportError):
    """The TLS handshake failed, or the peer's certificate was not accepted."""

    kind = "tls_error"
    retryable = False
    summary = "the TLS handshake failed"


class ReadError(TransportError):
    """The connection broke while something was being received."""

    kind = "read_error"
    summary = "the connection broke while reading"


class WriteError(TransportError):
    """The connection broke while something was being sent."""

    kind = "write_error"
    summary = "the connection broke while writing"


class ProtocolError(TransportError):
    """One of the two sides does not follow the protocol."""

    kind = "protocol_error"
    retryable = False
    summary = "the protocol was violated"


class LocalProtocolError(ProtocolError, ValueError):
    """The caller asked for something that must not be sent, such as a line break in a header."""

    kind = "local_protocol_error"
    summary = "the request may not be sent like this"


class RemoteProtocolError(ProtocolError):
    """The peer sent something the protocol does not allow."""

    kind = "remote_protocol_error"
    summary = "the peer violated the protocol"


class TimeoutException(TransportError, TimeoutError):
    """A limit of :class:`hyperhttp.Timeout` passed; the subclass says which."""

    kind = "timeout"
    summary = "a time limit passed"


class ConnectTimeout(TimeoutException):
    """Resolving, connecting and the TLS handshake took longer than ``Timeout.connect``."""

    kind = "connect_timeout"
    summary = "the connection was not opened in time"


class ReadTimeout(TimeoutException):
    """The peer sent nothing for as long as ``Timeout.read``."""

    kind = "read_timeout"
    summary = "the peer sent nothing in time"


class WriteTimeout(TimeoutException):
    """The peer took nothing for as long as ``Timeout.write``."""

    kind = "write_timeout"
    summary = "the peer took no data in time"


class PoolTimeout(TimeoutException):
    """No connection became free within ``Timeout.pool``."""

    kind = "pool_timeout"
    summary = "no connection became free in time"


class TotalTimeout(TimeoutException):
    """The whole call, redirects, retries and content included, took longer than ``Timeout.total``."""

    kind = "total_timeout"
    retryable = False  # the time for retries is spent as well
    summary = "the call took longer than it was given"


class HTTPStatusError(HyperHTTPError):
    """The response has a 4xx or 5xx status code and ``raise_for_status()`` was called.

    Attributes:
        response: The response, whose content may still be unread.
    """

    kind = "http_status"
    summary = "the response is an error"

    def __init__(
        self, message: str = "", *, response: Response | None = None, request: Request | None = None, **context: Any
    ) -> None:
        super().__init__(message, request=request, **context)
        self.response: Response = response  # type: ignore[assignment]  # None only where somebody made it by hand


class TooManyRedirects(HyperHTTPError):
    """More redirects came than ``max_redirects`` allows."""

    kind = "too_many_redirects"
    summary = "too many redirects"


class RetryError(HyperHTTPError):
    """The request was retried and the last attempt failed as well.

    Attributes:
        original_exception: The failure of the last attempt, also the ``__cause__``.
        attempts: How many times the request was sent, the first time included.
        history: What came of the attempts before the last, as `Response.attempts`.
    """

    kind = "retry_error"
    summary = "the request failed after all retries"
    history: tuple[Any, ...] = ()

    def __init__(
        self, message: str = "", *, original_exception: BaseException | None = None, attempts: int = 0, **context: Any
    ) -> None:
        super().__init__(message, **context)
        self.original_exception = original_exception
        self.attempts = attempts


class CircuitBreakerOpen(HyperHTTPError):
    """The host failed too often lately, so nothing was sent.

    Attributes:
        host: The host that is left alone.
        remaining: Seconds until a request is let through as a probe.
    """

    kind = "circuit_breaker_open"
    unprocessed = True
    summary = "the circuit breaker is open"

    def __init__(self, message: str = "", *, host: str | None = None, remaining: float = 0.0, **context: Any) -> None:
        super().__init__(message, host=host, **context)
        self.remaining = remaining


class RateLimitExceeded(HyperHTTPError):
    """The client's rate limit for the host has no turn for the request in time, so nothing was sent.

    Attributes:
        remaining: Seconds until the turn the request would have had.
    """

    kind = "rate_limit_exceeded"
    unprocessed = True
    summary = "the rate limit has no turn in time"

    def __init__(self, message: str = "", *, remaining: float = 0.0, **context: Any) -> None:
        super().__init__(message, **context)
        self.remaining = remaining


class DecodingError(HyperHTTPError):
    """The content does not follow its content coding, ends early, or exceeds a limit when decoded."""

    kind = "decoding_error"
    summary = "the content could not be decoded"


class DownloadError(HyperHTTPError):
    """A download does not have the length or the digest it should have, or its server breaks the rules of ranges."""

    kind = "download_error"
    summary = "the download is not what was asked for"


class InvalidURL(HyperHTTPError, ValueError):
    """The URL cannot be understood, or two readers might understand it differently."""

    kind = "invalid_url"
    summary = "the URL is not valid"


class StreamError(HyperHTTPError):
    """The content was used in a way its state does not allow."""

    kind = "stream_error"
    summary = "the content is not available in this state"


class StreamConsumed(StreamError):
    """The content was already iterated over and was not kept."""

    kind = "stream_consumed"
    summary = "the content has already been consumed; read it once with read() or aread() to keep it"


class ResponseNotRead(StreamError):
    """The content was asked for before it was read."""

    kind = "response_not_read"
    summary = "the content has not been read yet; call `await response.aread()` (or `response.read()`) first"


class StreamClosed(StreamError):
    """The response was closed before its content was read."""

    kind = "stream_closed"
    summary = "the response was closed before its content was read"


class ClientClosed(HyperHTTPError):
    """The client was used after it was closed."""

    kind = "client_closed"
    summary = "the client has been closed; make a new one"


class PluginError(HyperHTTPError):
    """A plugin could not be loaded, or what it registered cannot be used."""

    kind = "plugin_error"
    summary = "a plugin could not be used"


class WebSocketError(HyperHTTPError):
    """Base class of WebSocket failures."""

    kind = "websocket_error"
    summary = "the WebSocket failed"


class WebSocketHandshakeError(WebSocketError):
    """The server did not agree to open a WebSocket.

    Attributes:
        response: What it answered, with the beginning of its content; None where it was no response.
    """

    response: Response | None = None
    kind = "websocket_handshake_error"
    summary = "the WebSocket handshake failed"


class WebSocketClosed(WebSocketError):
    """The WebSocket is closed.

    Attributes:
        code: Close code (RFC 6455, Section 7.4); 1006 when the connection was lost without one.
        reason: Reason the peer gave, possibly empty.
    """

    kind = "websocket_closed"
    summary = "the WebSocket is closed"

    def __init__(self, message: str = "", *, code: int = 1006, reason: str = "", **context: Any) -> None:
        super().__init__(message, **context)
        self.code = code
        self.reason = reason


class WebSocketProtocolError(WebSocketError):
    """The peer, or the URL given, does not follow RFC 6455."""

    kind = "websocket_protocol_error"
    summary = "the WebSocket protocol was violated"


class WebSocketMessageTypeError(WebSocketError):
    """Text was expected and binary arrived, or the reverse."""

    kind = "websocket_message_type_error"
    summary = "the WebSocket message is of the other type"


class WebSocketDecodeError(WebSocketError):
    """A WebSocket message is not valid UTF-8 or JSON."""

    kind = "websocket_decode_error"
    summary = "the WebSocket message could not be decoded"
