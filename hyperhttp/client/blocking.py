"""The blocking face: the same calls, driven to their end in the calling thread."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Unpack

from hyperhttp._pickling import refuse_copies
from hyperhttp.client.core import ClientCore
from hyperhttp.client.drive import drive
from hyperhttp.client.websockets import websockets
from hyperhttp.exceptions import ClientClosed
from hyperhttp.pool.shared import SharedPool

if TYPE_CHECKING:
    import os
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from hyperhttp.auth.base import Auth
    from hyperhttp.client.download import Download, DownloadOptions
    from hyperhttp.client.explain import Explanation
    from hyperhttp.client.options import ClientOptions, RequestOptions
    from hyperhttp.client.sse import EventSource, SSEOptions
    from hyperhttp.config import Timeout
    from hyperhttp.message.cookies import Cookies
    from hyperhttp.message.headers import Headers
    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response
    from hyperhttp.message.url import URL
    from hyperhttp.pool.pool import ConnectionPool
    from hyperhttp_ws import SyncWebSocket, WebSocketOptions

__all__ = ["SyncClient", "delete", "get", "head", "options", "patch", "post", "put", "request", "stream"]


class SyncClient:
    """An HTTP client that blocks: no event loop, no hidden thread, safe to share between threads.

    Takes the options of `Client`; its methods and errors are the same, without ``await``. The content of a response is read before
    a call returns, unless ``stream=True``.

    Raises:
        TypeError: an option is unknown or of the wrong type.
        ValueError: a value is out of range.
        PluginError: a plugin cannot be used.
    """

    __getstate__ = refuse_copies

    def __init__(self, **options: Unpack[ClientOptions]) -> None:
        self._core = ClientCore(options, stream=False, drive=drive)
        self._pool: ConnectionPool | None = None

    # -- requests ----------------------------------------------------------------------------------------------------

    def request(self, method: str, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """Send a request.

        Args:
            method: any token; sent as given.
            url: absolute, or relative to `base_url`.
            **options: see `RequestOptions`.

        Returns:
            The response, its content read unless ``stream=True``.

        Raises:
            TransportError: the exchange failed; see its subclasses for how.
            TypeError, ValueError: the request cannot be sent; nothing was.
        """
        return drive(self._core.start(self._here(), method, url, options))  # type: ignore[arg-type]  # a TypedDict is a dict

    def get(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """GET (RFC 9110 section 9.3.1); see `request`."""
        return drive(self._core.start(self._here(), "GET", url, options))  # type: ignore[arg-type]

    def head(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """HEAD; see `request`."""
        return drive(self._core.start(self._here(), "HEAD", url, options))  # type: ignore[arg-type]

    def options(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """OPTIONS; see `request`."""
        return drive(self._core.start(self._here(), "OPTIONS", url, options))  # type: ignore[arg-type]

    def delete(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """DELETE; see `request`."""
        return drive(self._core.start(self._here(), "DELETE", url, options))  # type: ignore[arg-type]

    def post(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """POST; see `request`."""
        return drive(self._core.start(self._here(), "POST", url, options))  # type: ignore[arg-type]

    def put(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """PUT; see `request`."""
        return drive(self._core.start(self._here(), "PUT", url, options))  # type: ignore[arg-type]

    def patch(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """PATCH; see `request`."""
        return drive(self._core.start(self._here(), "PATCH", url, options))  # type: ignore[arg-type]

    def stream(self, method: str, url: str | URL, **options: Unpack[RequestOptions]) -> StreamContext:
        """``with client.stream("GET", url) as response``: the connection is free again at the end of the block."""
        options["stream"] = True
        return StreamContext(lambda: self.request(method, url, **options))

    def websocket(self, url: str | URL, **options: Unpack[WebSocketOptions]) -> SyncWebSocket:
        """Open a WebSocket: ``with client.websocket("wss://...") as socket``. Needs ``hyperhttp[ws]``."""
        return websockets().open_websocket(self, url, options)  # type: ignore[no-any-return]  # it may not be installed

    def build_request(self, method: str, url: str | URL, **options: Unpack[RequestOptions]) -> Request:
        """A request with the client's defaults, for `send`."""
        return self._core.build_request(method, url, options)  # type: ignore[arg-type]  # a TypedDict is a dict

    def send(self, request: Request, **options: Unpack[RequestOptions]) -> Response:
        """Send a request made by `build_request` or by hand; `options` such as auth, timeout, stream."""
        pool = self._here()
        return drive(self._core.send(pool, self._core.adopt(request, options), options))  # type: ignore[arg-type]

    def download(self, url: str | URL, target: str | os.PathLike[str], **options: Unpack[DownloadOptions]) -> Download:
        """Save what a URL gives as a file: resumed, verified, and there whole or not at all; see `Client.download`.

        Args:
            url: absolute, or relative to `base_url`.
            target: the file, or a folder for the name that the server suggests, of which one plain part is left.
            **options: see `DownloadOptions`.
        """
        from hyperhttp.client.download import download  # few programs download files

        return drive(download(self._core, self._open_pool(), url, target, options))

    def sse(self, url: str | URL, **options: Unpack[SSEOptions]) -> EventSource:
        """Server-sent events, through reconnections (HTML standard, section 9.2).

        ``with client.sse(url) as events: for event in events: ...``

        Args:
            url: absolute, or relative to `base_url`.
            **options: see `SSEOptions`.
        """
        from hyperhttp.client.sse import EventSource  # for those who listen to them

        return EventSource(self._core, self._open_pool, url, options)

    # -- settings ----------------------------------------------------------------------------------------------------

    @property
    def headers(self) -> Headers:
        """Sent with every request; changes count from the next one."""
        return self._core.headers

    @property
    def cookies(self) -> Cookies:
        """The jar."""
        return self._core.cookies

    @property
    def auth(self) -> Auth | None:
        """The scheme that signs requests; assign to change it."""
        return self._core.auth

    @auth.setter
    def auth(self, value: Auth | tuple[str, str] | None) -> None:
        self._core.auth = value

    @property
    def timeout(self) -> Timeout:
        """The default limits; assign to change them."""
        return self._core.timeout

    @timeout.setter
    def timeout(self, value: float | Timeout | None) -> None:
        self._core.timeout = value

    @property
    def event_hooks(self) -> dict[str, list[Callable[..., Any]]]:
        """Hooks by event; the lists may be changed at any time."""
        return self._core.event_hooks

    @property
    def listeners(self) -> tuple[object, ...]:
        """Who hears of what happens in this client: listeners of its plugins, and those that were added."""
        return self._core._listeners.objects

    def add_listener(self, listener: object) -> None:
        """Have a `hyperhttp.plugins.EventListener` told of the calls that begin from now on; twice is once.

        Raises:
            PluginError: it has none of the methods, or one of them would have to be awaited where nothing waits.
        """
        from hyperhttp.client.listening import join_listener  # mostly they are a plugin's, and there from the start

        join_listener(self._core, listener)

    def remove_listener(self, listener: object) -> None:
        """Tell a listener of no further calls, one of a plugin too; it hears the end of those that have begun."""
        from hyperhttp.client.listening import leave_listener  # the same

        leave_listener(self._core, listener)

    @property
    def base_url(self) -> URL | None:
        """What relative URLs extend."""
        return self._core.settings.base_url

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._core.closed

    def get_pool_stats(self) -> dict[str, dict[str, int]]:
        """Connections by ``host:port``: ``{"idle": n, "in_use": n, "total": n}``."""
        return self._core.stats()

    def explain(self, url: str | URL, **options: Unpack[RequestOptions]) -> Explanation:
        """What a GET with these options would do, and which setting decided: proxy, trust, credentials, limits, transport.

        Nothing is sent. ``print(client.explain(url))`` is a table without secrets, fit for a bug report.
        """
        from hyperhttp.client.explain import explain  # asked for by people, not by programs

        return explain(self._core, url, options)  # type: ignore[arg-type]  # a TypedDict is a dict

    # -- life --------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Close every connection. Calling it again does nothing."""
        self._pool = None
        for pool in self._core.close():
            drive(pool.close())
        self._core.say_goodbye()

    def __enter__(self) -> Self:
        if self._core.closed:
            raise ClientClosed
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _here(self) -> ConnectionPool:
        """The pool."""
        pool = self._pool
        return self._open_pool() if pool is None or pool.closed else pool

    def _open_pool(self) -> ConnectionPool:
        # Here and not above: importing ssl and select is for those who use them.
        from hyperhttp.network.blocking import BlockingNetwork

        core = self._core
        with core.lock:
            if core.closed:
                raise ClientClosed
            pool = self._pool
            if pool is None or pool.closed:
                pool = self._pool = core.new_pool(BlockingNetwork(), SharedPool)
        return pool

    def __del__(self, _warn: Any = warnings.warn) -> None:
        core = getattr(self, "_core", None)
        if core is not None and not core.closed and any(pool.lanes for pool in core.pools):
            _warn(f"unclosed {self!r}: call 'client.close()' or use 'with'", ResourceWarning, source=self)
            core.forget()

    def __repr__(self) -> str:
        base = f" base_url={self.base_url.redacted!r}" if self.base_url is not None else ""
        return f"<hyperhttp.SyncClient{base}{' closed' if self._core.closed else ''}>"


class StreamContext:
    """A response for the length of a block; `close` runs at its end."""

    def __init__(self, send: Callable[[], Response], close: Callable[[], None] | None = None) -> None:
        self._send = send
        self._close = close
        self._response: Response | None = None

    def __enter__(self) -> Response:
        try:
            self._response = self._send()
        except BaseException:
            self._finish()
            raise
        return self._response

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if self._response is not None:
                self._response.close()
        finally:
            self._finish()

    def _finish(self) -> None:
        if self._close is not None:
            self._close()


def request(method: str, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """Send one request with a client of its own; see `SyncClient.request`."""
    options["stream"] = False  # the client is closed when this returns
    with SyncClient() as client:
        return client.request(method, url, **options)


def stream(method: str, url: str | URL, **options: Unpack[RequestOptions]) -> StreamContext:
    """``with hyperhttp.stream("GET", url) as response``: one request with a client of its own, its content read as it comes."""
    client = SyncClient()
    options["stream"] = True
    return StreamContext(lambda: client.request(method, url, **options), client.close)


def get(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """GET with a client of its own; see `request`."""
    return request("GET", url, **options)


def head(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """HEAD with a client of its own; see `request`."""
    return request("HEAD", url, **options)


def options(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """OPTIONS with a client of its own; see `request`."""
    return request("OPTIONS", url, **options)


def delete(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """DELETE with a client of its own; see `request`."""
    return request("DELETE", url, **options)


def post(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """POST with a client of its own; see `request`."""
    return request("POST", url, **options)


def put(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """PUT with a client of its own; see `request`."""
    return request("PUT", url, **options)


def patch(url: str | URL, **options: Unpack[RequestOptions]) -> Response:
    """PATCH with a client of its own; see `request`."""
    return request("PATCH", url, **options)
