"""The two faces of an open WebSocket: `WebSocket` for asyncio, `SyncWebSocket` for threads."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any, Final, TypeVar, Unpack

from hyperhttp import WebSocketClosed, WebSocketDecodeError, WebSocketMessageTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from types import TracebackType
    from typing import Self

    from hyperhttp import URL, Response
    from hyperhttp_ws.connect import Connector
    from hyperhttp_ws.framing import MessageData
    from hyperhttp_ws.options import ConnectOptions
    from hyperhttp_ws.session import Session

__all__ = ["SyncWebSocket", "WebSocket", "run"]

T = TypeVar("T")

#: Codes of an end that is no failure: closed, going away, closed without a code.
_ENDS_WELL: Final = frozenset({1000, 1001, 1005})
_MAX_REASON: Final = 123


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine over the stream of a blocking client, where nothing suspends."""
    try:
        work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    work.close()
    msg = "a WebSocket of the asynchronous Client was used without await"
    raise RuntimeError(msg)


class _Socket:
    """What both faces share: what can be asked without waiting.

    Attributes:
        response: the server's answer to the handshake.
        subprotocol: the one the server has chosen, or None.
    """

    _warns = True

    def __init__(self, session: Session, response: Response, subprotocol: str | None, client: Any) -> None:
        self.response = response
        self.subprotocol = subprotocol
        self._session = session
        self._client = client  # made for this WebSocket, and closed with it; or None

    @property
    def url(self) -> URL:
        """Where it leads, as the handshake's HTTP URL."""
        return self.response.url

    @property
    def http_version(self) -> str:
        """``"HTTP/1.1"``, or ``"HTTP/2"`` where it is one stream of a connection (RFC 8441)."""
        return self._session.stream.http_version

    @property
    def is_closed(self) -> bool:
        """Nothing can be sent any more."""
        return self._session.close_code is not None

    @property
    def close_code(self) -> int | None:
        """How it was closed (RFC 6455 section 7.4), 1006 without a Close frame; None while it is open."""
        return self._session.close_code

    @property
    def close_reason(self) -> str:
        """The reason the peer gave, possibly empty."""
        return self._session.close_reason

    @property
    def latency(self) -> float | None:
        """Seconds between the last `ping` and its pong; None before there was one."""
        return self._session.latency

    def __repr__(self) -> str:
        state = "open" if self.close_code is None else f"closed ({self.close_code})"
        return f"<{type(self).__name__} to {self._session.name}, {state}>"

    def __del__(self, _warn: Any = warnings.warn) -> None:
        session = getattr(self, "_session", None)
        if session is not None and session.close_code is None and not session.stream.is_closed:
            _warn(f"unclosed {self!r}: close() it, or use it in a with block", ResourceWarning, source=self)


def _text(message: MessageData) -> str:
    if isinstance(message, str):
        return message
    msg = f"text was expected, and a binary message of {len(message)} bytes came"
    raise WebSocketMessageTypeError(msg)


def _bytes(message: MessageData) -> bytes:
    if isinstance(message, bytes):
        return message
    msg = f"binary was expected, and a text message of {len(message)} characters came"
    raise WebSocketMessageTypeError(msg)


def _json(message: MessageData, loads: Callable[[Any], Any] | None) -> Any:
    try:
        return (loads or json.loads)(message)
    except ValueError as error:  # broken JSON, and broken UTF-8 in a binary message
        msg = f"the message is not JSON: {error}"
        raise WebSocketDecodeError(msg) from error


def _dumped(value: Any, dumps: Callable[[Any], Any] | None) -> str:
    if dumps is None:
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text: Any = dumps(value)
    return text if isinstance(text, str) else bytes(text).decode("utf-8")


def _checked_text(data: Any) -> str:
    if isinstance(data, str):
        return data
    msg = f"send_text() takes str, not {type(data).__name__}"
    raise TypeError(msg)


def _checked_bytes(data: Any) -> bytes:
    if isinstance(data, (bytes, bytearray, memoryview)):
        return bytes(data)
    msg = f"send_bytes() takes bytes, not {type(data).__name__}"
    raise TypeError(msg)


def _checked_close(code: int, reason: str | None) -> tuple[int, str]:
    """Code and reason of a Close frame.

    Raises:
        ValueError: they cannot be sent (RFC 6455 sections 5.5.1 and 7.4).
    """
    if code not in (1000, 1001, 1002, 1003, *range(1007, 1015)) and not 3000 <= code <= 4999:
        msg = f"a Close frame carries 1000 to 1003, 1007 to 1014 or 3000 to 4999, not {code}"
        raise ValueError(msg)
    reason = reason or ""
    if len(reason.encode()) > _MAX_REASON:
        msg = f"the reason of a Close frame has at most {_MAX_REASON} bytes"
        raise ValueError(msg)
    return code, reason


class WebSocket(_Socket):
    """An open WebSocket on asyncio; `connect`, or `Client.websocket`, opens one.

    One task receives at a time; any number may send. A task that is cancelled while it receives or sends loses nothing
    and breaks nothing.
    """

    @staticmethod
    def connect(url: str | URL, **options: Unpack[ConnectOptions]) -> Connector:
        """Open a WebSocket with a client of its own.

        ``await`` it, or use it in ``async with``; in a plain ``with`` it gives a `SyncWebSocket`.

        Args:
            url: ``ws://`` or ``wss://``.
            **options: see `ConnectOptions`.

        Raises:
            WebSocketProtocolError: the URL cannot be one of a WebSocket. Like the following, raised when it is awaited.
            WebSocketHandshakeError: the server refused; its `response` says how.
            TransportError: there was no connection, or it broke.
        """
        from hyperhttp_ws.connect import Connector

        return Connector.alone(url, options)

    async def recv(self, *, timeout: float | None = None) -> str | bytes:
        """The next complete message: `str` for text, `bytes` for binary.

        Args:
            timeout: seconds; None waits as long as the connection lives. One that passes costs nothing.

        Raises:
            ReadTimeout: nothing came in time.
            WebSocketClosed: there are no more messages; its code and reason say why. 1009: one was too large.
            WebSocketProtocolError: the peer broke the protocol; the WebSocket is closed.
            WebSocketDecodeError: a text is not UTF-8, or cannot be inflated; the WebSocket is closed.
        """
        return await self._session.receive(timeout)

    async def recv_text(self, *, timeout: float | None = None) -> str:
        """The next message, which must be text; see `recv`.

        Raises:
            WebSocketMessageTypeError: it is binary.
        """
        return _text(await self._session.receive(timeout))

    async def recv_bytes(self, *, timeout: float | None = None) -> bytes:
        """The next message, which must be binary; see `recv`.

        Raises:
            WebSocketMessageTypeError: it is text.
        """
        return _bytes(await self._session.receive(timeout))

    async def recv_json(self, *, loads: Callable[[Any], Any] | None = None, timeout: float | None = None) -> Any:
        """The next message as JSON, text or binary; see `recv`.

        Raises:
            WebSocketDecodeError: it is not JSON. The WebSocket stays open.
        """
        return _json(await self._session.receive(timeout), loads)

    async def send_text(self, data: str, *, final: bool = True) -> None:
        """Send a text message; without `final` only a part of one, which further calls continue.

        Returns when all but a bounded rest has been taken by the peer.

        Raises:
            WebSocketClosed: it is closed.
            WriteTimeout: the peer took nothing for too long.
        """
        await self._session.send(_checked_text(data), final=final)

    async def send_bytes(self, data: bytes | bytearray | memoryview, *, final: bool = True) -> None:
        """Send a binary message, or a part of one; see `send_text`."""
        await self._session.send(_checked_bytes(data), final=final)

    async def send_json(self, value: Any, *, dumps: Callable[[Any], str | bytes] | None = None) -> None:
        """Send a value as JSON in a text message; see `send_text`."""
        await self._session.send(_dumped(value, dumps))

    async def ping(self, payload: bytes = b"") -> None:
        """Send a ping of at most 125 bytes; its pong is noticed by whoever receives, and gives `latency`."""
        await self._session.ping(bytes(payload))

    async def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close: tell the peer, wait until it agrees, free the connection. Calling it again does nothing.

        Raises:
            ValueError: code or reason cannot be sent.
        """
        checked = _checked_close(code, reason)
        try:
            await self._session.close(*checked)
        finally:
            client, self._client = self._client, None
            if client is not None:
                await client.close()

    async def abort(self) -> None:
        """Free the connection without telling the peer."""
        self._session.abort()
        client, self._client = self._client, None
        if client is not None:
            await client.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str | bytes:
        """The next message; the end of the iteration is the end of the connection, in order."""
        try:
            return await self._session.receive()
        except WebSocketClosed as closed:
            if closed.code in _ENDS_WELL:
                raise StopAsyncIteration from None
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, Exception):
            await self.close(1000 if error is None else 1011)
        else:
            await self.abort()  # cancelled or interrupted: no more waiting


class SyncWebSocket(_Socket):
    """An open WebSocket that blocks; `SyncClient.websocket`, or ``with WebSocket.connect(...)``, opens one.

    The methods of `WebSocket`, without ``await``. One thread may receive while others send.
    """

    def recv(self, *, timeout: float | None = None) -> str | bytes:
        """The next complete message; see `WebSocket.recv`."""
        return run(self._session.receive(timeout))

    def recv_text(self, *, timeout: float | None = None) -> str:
        """The next message, which must be text."""
        return _text(run(self._session.receive(timeout)))

    def recv_bytes(self, *, timeout: float | None = None) -> bytes:
        """The next message, which must be binary."""
        return _bytes(run(self._session.receive(timeout)))

    def recv_json(self, *, loads: Callable[[Any], Any] | None = None, timeout: float | None = None) -> Any:
        """The next message as JSON."""
        return _json(run(self._session.receive(timeout)), loads)

    def send_text(self, data: str, *, final: bool = True) -> None:
        """Send a text message, or a part of one; see `WebSocket.send_text`."""
        run(self._session.send(_checked_text(data), final=final))

    def send_bytes(self, data: bytes | bytearray | memoryview, *, final: bool = True) -> None:
        """Send a binary message, or a part of one."""
        run(self._session.send(_checked_bytes(data), final=final))

    def send_json(self, value: Any, *, dumps: Callable[[Any], str | bytes] | None = None) -> None:
        """Send a value as JSON in a text message."""
        run(self._session.send(_dumped(value, dumps)))

    def ping(self, payload: bytes = b"") -> None:
        """Send a ping of at most 125 bytes; see `WebSocket.ping`."""
        run(self._session.ping(bytes(payload)))

    def close(self, code: int = 1000, reason: str | None = None) -> None:
        """Close in order; see `WebSocket.close`."""
        checked = _checked_close(code, reason)
        try:
            run(self._session.close(*checked))
        finally:
            client, self._client = self._client, None
            if client is not None:
                client.close()

    def abort(self) -> None:
        """Free the connection without telling the peer."""
        self._session.abort()
        client, self._client = self._client, None
        if client is not None:
            client.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> str | bytes:
        """The next message; the end of the iteration is the end of the connection, in order."""
        try:
            return run(self._session.receive())
        except WebSocketClosed as closed:
            if closed.code in _ENDS_WELL:
                raise StopIteration from None
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None or isinstance(error, Exception):
            self.close(1000 if error is None else 1011)
        else:
            self.abort()
