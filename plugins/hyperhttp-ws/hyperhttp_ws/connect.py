"""Opening a WebSocket: the handshake as a request of a client, with its cookies, auth, proxies, TLS and limits."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any, Final

from hyperhttp import (
    Client,
    HyperHTTPError,
    ProtocolError,
    Response,
    SyncClient,
    Timeout,
    WebSocketHandshakeError,
)
from hyperhttp_ws.address import handshake_url
from hyperhttp_ws.deflate import PerMessageDeflate
from hyperhttp_ws.framing import Framing
from hyperhttp_ws.handshake import Handshake
from hyperhttp_ws.options import ConnectOptions, WebSocketOptions, check_names, check_values
from hyperhttp_ws.session import KeepAlive, Session
from hyperhttp_ws.sockets import SyncWebSocket, WebSocket, run

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from types import TracebackType

    from hyperhttp import URL
    from hyperhttp.plugins import UpgradedStream

__all__ = ["Connector", "open_websocket"]

#: Options that the request of the handshake takes as they are.
_OF_REQUEST: Final = ("params", "cookies", "auth", "follow_redirects", "proxy", "http2", "timeout")
#: Options of the client that `WebSocket.connect` makes.
_OF_CLIENT: Final = ("verify", "cert", "ssl_context")
#: Bytes of a refusal's content that are kept.
_MAX_REFUSAL: Final = 65_536


class Connector:
    """A WebSocket that is about to be opened: ``await`` it, or use it in ``async with`` (or ``with``, without a client)."""

    def __init__(self, url: str | URL, options: Mapping[str, Any], client: Client | None) -> None:
        self._url = url
        self._options = options
        self._client = client
        self._socket: WebSocket | None = None
        self._twin: SyncWebSocket | None = None

    @classmethod
    def alone(cls, url: str | URL, options: ConnectOptions) -> Connector:
        """With a client of its own.

        Raises:
            TypeError: an option is unknown.
            ValueError: a limit is none.
        """
        check_names(options, ConnectOptions, "WebSocket.connect()")
        check_values(options)
        return cls(url, options, None)

    @classmethod
    def of_client(cls, client: Client, url: str | URL, options: WebSocketOptions) -> Connector:
        """With the connections and settings of a client.

        Raises:
            TypeError: an option is unknown.
            ValueError: a limit is none.
        """
        check_names(options, WebSocketOptions, "websocket()")
        check_values(options)
        return cls(url, options, client)

    async def _connect(self) -> WebSocket:
        if self._client is not None:
            return _attended(WebSocket(*await _open(self._client, self._url, self._options), None))
        client = Client(**self._client_options())
        try:
            return _attended(WebSocket(*await _open(client, self._url, self._options), client))
        except BaseException:
            await client.close()
            raise

    def _connect_blocking(self) -> SyncWebSocket:
        if self._client is not None:
            msg = "a WebSocket of the asynchronous Client is opened with 'async with'; SyncClient.websocket() blocks"
            raise TypeError(msg)
        client = SyncClient(**self._client_options())
        try:
            return SyncWebSocket(*run(_open(client, self._url, self._options)), client)
        except BaseException:
            client.close()
            raise

    def _client_options(self) -> Any:
        return {name: self._options[name] for name in _OF_CLIENT if name in self._options}

    def __await__(self) -> Generator[Any, None, WebSocket]:
        return self._connect().__await__()

    async def __aenter__(self) -> WebSocket:
        self._socket = await self._connect()
        return self._socket

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._socket is not None:
            await self._socket.__aexit__(kind, error, trace)

    def __enter__(self) -> SyncWebSocket:
        self._twin = self._connect_blocking()
        return self._twin

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._twin is not None:
            self._twin.__exit__(kind, error, trace)


def open_websocket(client: SyncClient, url: str | URL, options: WebSocketOptions) -> SyncWebSocket:
    """Open a WebSocket with the connections and settings of a blocking client.

    Raises:
        TypeError: an option is unknown.
        ValueError: a limit is none.
        WebSocketError, TransportError: as `WebSocket.connect`.
    """
    check_names(options, WebSocketOptions, "websocket()")
    check_values(options)
    return SyncWebSocket(*run(_open(client, url, options)), None)


async def _open(
    client: Client | SyncClient, url: str | URL, options: Mapping[str, Any]
) -> tuple[Session, Response, str | None]:
    """Shake hands; on a blocking client nothing here suspends."""
    target = handshake_url(url, client.base_url)
    handshake = Handshake(options.get("headers"), options.get("subprotocols"), options.get("extensions"))
    given = {name: options[name] for name in _OF_REQUEST if name in options}
    wanted: dict[str, Any] = {"upgrade": "websocket"}
    if "http2" not in given:
        wanted["http2"] = "if-open"
    try:
        response = await _settle(
            client.request("GET", target, headers=handshake.headers, extensions=wanted, stream=True, **given)
        )
    except ProtocolError as error:
        msg = f"the WebSocket handshake failed: {error}"
        raise WebSocketHandshakeError(msg, request=error.request, host=error.host, port=error.port) from error
    stream: UpgradedStream | None = response.extensions.get("upgraded")
    if stream is None:
        raise await _refusal(response, is_blocking=isinstance(client, SyncClient))
    try:
        subprotocol, extensions = handshake.check(response)
    except BaseException as error:
        stream.abort()
        if isinstance(error, WebSocketHandshakeError):
            error.response = _kept(response, b"")
        raise
    timeout = Timeout.of(options["timeout"]) if "timeout" in options else client.timeout
    session = Session(
        stream,
        Framing(extensions, options.get("max_message_size", PerMessageDeflate.limit)),
        name=target.origin.partition("//")[2],
        keep_alive=KeepAlive(options.get("ping_interval", 20.0), options.get("ping_timeout", 20.0)),
        write_timeout=timeout.write,
        close_timeout=options.get("close_timeout", 10.0),
    )
    return session, response, subprotocol


def _attended(socket: WebSocket) -> WebSocket:
    socket._session.attend()
    return socket


async def _settle(value: Any) -> Any:
    """What a call of either face comes to."""
    return await value if isawaitable(value) else value


async def _refusal(response: Response, *, is_blocking: bool) -> WebSocketHandshakeError:
    """The error that tells of an answer that is no agreement, with the beginning of its content."""
    content = b""
    try:
        content = await _beginning(response, is_blocking=is_blocking)
    except HyperHTTPError:
        pass  # the status says enough
    finally:
        response.give_up()
    said = f"{response.status_code} {response.reason}".rstrip()
    url = response.url
    shown = f": {content[:200]!r}" if content else ""
    msg = f"{url.origin.partition('//')[2]} refused the WebSocket handshake with {said}{shown}"
    error = WebSocketHandshakeError(msg, request=response.request, host=url.host, port=url.effective_port)
    error.response = _kept(response, content)
    return error


async def _beginning(response: Response, *, is_blocking: bool) -> bytes:
    """The first bytes of a content; no more are read, however many there are."""
    content = bytearray()
    pieces: Any = response.iter_bytes() if is_blocking else response.aiter_bytes()
    end: Any = object()
    while len(content) < _MAX_REFUSAL:
        piece = next(pieces, end) if is_blocking else await anext(pieces, end)
        if piece is end:
            break
        content += piece
    return bytes(content[:_MAX_REFUSAL])


def _kept(response: Response, content: bytes) -> Response:
    """A response that needs no connection any more."""
    kept = Response(response.status_code, response.headers, content, response.reason, response.request)
    kept.http_version = response.http_version
    return kept
