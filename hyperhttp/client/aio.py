"""The asynchronous face."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, Unpack

from hyperhttp._pickling import refuse_copies
from hyperhttp.client.blocking import SyncClient
from hyperhttp.client.core import ClientCore
from hyperhttp.client.websockets import websockets
from hyperhttp.exceptions import ClientClosed
from hyperhttp.pool.pool import ConnectionPool

if TYPE_CHECKING:
    import asyncio
    import os
    from collections.abc import Callable, Coroutine
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
    from hyperhttp_ws import Connector as WebSocketConnector
    from hyperhttp_ws import WebSocketOptions

__all__ = ["Client"]


class Client:
    """An HTTP client for asyncio.

    Making one starts nothing and needs no running loop. Used from several loops, it keeps a pool for each. ``with
    Client(...)`` gives a `SyncClient` with the same settings.

    Args:
        base_url: what relative URLs extend.
        headers: sent with every request; names given per request win.
        cookies: sent with every request; what servers set is kept with them.
        params: added to every query.
        auth: an `Auth`, a pair for Basic, or a text such as ``"digest user:password"``.
        timeout: seconds for each phase, or a `Timeout`; 30 by default, None for no limit.
        connect_timeout: seconds for connecting, above `timeout`.
        max_connections: open at one time; None for no limit.
        max_connections_per_host: open to one host at one time.
        max_keepalive_connections: idle connections kept per host.
        keepalive_expiry: seconds an idle connection is kept.
        max_connection_age: seconds after which a connection takes no further request.
        http2: True negotiates HTTP/2 where a server offers it, False does not, ``"prior-knowledge"`` speaks nothing else.
        follow_redirects: False, True, or ``"downgrade"`` to follow from https to http as well.
        max_redirects: followed in one call at most.
        verify: True for certifi's roots, ``"system"`` for those of the system, the path of other roots, or False to trust anybody.
        cert: a client certificate: a path, or (certificate, key), or (certificate, key, password).
        ssl_context: instead of `verify` and `cert`.
        proxies: a URL or a `Proxy`, or several by scheme and host.
        trust_env: whether the environment's proxies and certificates count, and a netrc file.
        retry: a `hyperhttp.errors.retry.RetryPolicy`, or a number of retries; None for none.
        retry_policy: another name of `retry`.
        telemetry: told of every attempt; see `hyperhttp.errors.telemetry`.
        circuit_breaker_manager: leaves hosts alone that keep failing; see `hyperhttp.errors.circuit_breaker`.
        rate_limit: requests per second and host, a `hyperhttp.errors.rate_limit.RateLimit`, or a `RateLimiter` to share.
        event_hooks: functions by event: ``"request"``, ``"response"``, ``"error"``, ``"done"``, ``"retry"``,
            ``"redirect"``, ``"connect"`` and ``"close"``.
        user_agent: instead of ``hyperhttp/<version>``.
        happy_eyeballs_delay: seconds before the next address is tried beside the first; 0 races at once.
        dns_ttl: seconds an answer of the name service is kept.
        resolver: a `Resolver`, or the name of one that a plugin brings.
        address_policy: which addresses may be connected to.
        max_response_size: bytes of decoded content that are read into memory; None for no limit.
        max_decompression_ratio: decoded bytes per encoded byte; None for no limit.
        transport: what sends all requests instead of the network: an object with ``async def send(request)`` and ``close()``.
        mounts: transports by URL pattern, such as ``all://*.example.com``; None is the network. The most specific decides,
            before `transport`.
        uds: path of a Unix socket to connect to instead of the host.
        local_address: address to connect from.
        plugins: which to use: None for all that are installed, a list of names or objects, or an empty list.

    Raises:
        TypeError: an option is unknown or of the wrong type.
        ValueError: a value is out of range.
        PluginError: a plugin cannot be used.
    """

    __getstate__ = refuse_copies

    def __init__(self, **options: Unpack[ClientOptions]) -> None:
        self._core = ClientCore(options, stream=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._running_loop: Callable[[], asyncio.AbstractEventLoop]
        self._pool: ConnectionPool | None = None

    # -- requests ----------------------------------------------------------------------------------------------------

    async def request(self, method: str, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """Send a request.

        Args:
            method: any token; sent as given.
            url: absolute, or relative to `base_url`.
            **options: see `RequestOptions`.

        Returns:
            The response as soon as its head is there; its content is read with ``await response.aread()``.

        Raises:
            TransportError: the exchange failed; see its subclasses for how.
            TypeError, ValueError: the request cannot be sent; nothing was.
        """
        return await self._core.start(self._here(), method, url, options)  # type: ignore[arg-type]  # a TypedDict is a dict

    async def get(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """GET (RFC 9110 section 9.3.1); see `request`."""
        return await self._core.start(self._here(), "GET", url, options)  # type: ignore[arg-type]

    async def head(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """HEAD; see `request`."""
        return await self._core.start(self._here(), "HEAD", url, options)  # type: ignore[arg-type]

    async def options(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """OPTIONS; see `request`."""
        return await self._core.start(self._here(), "OPTIONS", url, options)  # type: ignore[arg-type]

    async def delete(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """DELETE; see `request`."""
        return await self._core.start(self._here(), "DELETE", url, options)  # type: ignore[arg-type]

    async def post(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """POST; see `request`."""
        return await self._core.start(self._here(), "POST", url, options)  # type: ignore[arg-type]

    async def put(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """PUT; see `request`."""
        return await self._core.start(self._here(), "PUT", url, options)  # type: ignore[arg-type]

    async def patch(self, url: str | URL, **options: Unpack[RequestOptions]) -> Response:
        """PATCH; see `request`."""
        return await self._core.start(self._here(), "PATCH", url, options)  # type: ignore[arg-type]

    def stream(self, method: str, url: str | URL, **options: Unpack[RequestOptions]) -> StreamContext:
        """``async with client.stream("GET", url) as response``: the connection is free again at the end of the block."""
        options["stream"] = True
        return StreamContext(self.request(method, url, **options))

    def websocket(self, url: str | URL, **options: Unpack[WebSocketOptions]) -> WebSocketConnector:
        """Open a WebSocket: ``async with client.websocket("wss://...") as socket``, or ``await`` it. Needs ``hyperhttp[ws]``."""
        return websockets().Connector.of_client(self, url, options)  # type: ignore[no-any-return]  # it may not be installed

    def build_request(self, method: str, url: str | URL, **options: Unpack[RequestOptions]) -> Request:
        """A request with the client's defaults, for `send`."""
        return self._core.build_request(method, url, options)  # type: ignore[arg-type]  # a TypedDict is a dict

    async def send(self, request: Request, **options: Unpack[RequestOptions]) -> Response:
        """Send a request made by `build_request` or by hand; `options` such as auth, timeout, stream."""
        pool = self._here()
        return await self._core.send(pool, self._core.adopt(request, options), options)  # type: ignore[arg-type]

    async def download(
        self, url: str | URL, target: str | os.PathLike[str], **options: Unpack[DownloadOptions]
    ) -> Download:
        """Save what a URL gives as a file: resumed, verified, and there whole or not at all.

        Args:
            url: absolute, or relative to `base_url`.
            target: the file, or a folder for the name that the server suggests, of which one plain part is left.
            **options: see `DownloadOptions`.

        Raises:
            DownloadError: it does not have the length or the digest it should have.
            HTTPStatusError: the response is an error, or a redirect that is not followed.
            OSError: the file cannot be written.
            TransportError: the transfer failed; the next download of this URL to this place asks for the rest.
        """
        from hyperhttp.client.download import download  # few programs download files

        return await download(self._core, self._enter_loop(), url, target, options)

    def sse(self, url: str | URL, **options: Unpack[SSEOptions]) -> EventSource:
        """Server-sent events, through reconnections (HTML standard, section 9.2).

        ``async with client.sse(url) as events: async for event in events: ...``

        Args:
            url: absolute, or relative to `base_url`.
            **options: see `SSEOptions`.
        """
        from hyperhttp.client.sse import EventSource  # for those who listen to them

        return EventSource(self._core, self._enter_loop, url, options)

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

    async def close(self) -> None:
        """Close every connection; returns when they are gone. Calling it again does nothing."""
        self._pool = None
        for pool in self._core.close():
            if self._running_loop() is getattr(pool.network, "loop", None):
                await pool.close()
            else:
                pool.closed = True
                pool.network.forget()
        self._core.say_goodbye()

    aclose = close

    async def __aenter__(self) -> Self:
        if self._core.closed:
            raise ClientClosed
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __enter__(self) -> SyncClient:
        if self._core.closed:
            raise ClientClosed
        self._twin = SyncClient(**self._core.settings.given)
        return self._twin

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._twin.close()

    def _here(self) -> ConnectionPool:
        """The pool of the running loop."""
        pool = self._pool
        if pool is None or pool.closed or pool.network.loop is not self._running_loop():  # type: ignore[attr-defined]
            return self._enter_loop()
        return pool

    def _enter_loop(self) -> ConnectionPool:
        """The pool of the running loop; pools of loops that are closed are dropped."""
        # Here and not above: importing asyncio is for those who use it.
        from hyperhttp.network.aio import AioNetwork, get_running_loop

        core = self._core
        self._running_loop = get_running_loop
        loop = get_running_loop()
        with core.lock:  # threads with loops of their own may share a client
            if core.closed:
                raise ClientClosed
            pool = self._pool_of(loop)
            if pool is None:
                pool = core.new_pool(AioNetwork(loop), ConnectionPool)
            self._loop, self._pool = loop, pool
        return pool

    def _pool_of(self, loop: asyncio.AbstractEventLoop) -> ConnectionPool | None:
        """The pool of a loop; pools of loops that are closed are dropped on the way."""
        found = None
        for pool in tuple(self._core.pools):
            home: Any = pool.network
            if home.loop.is_closed():
                self._core.pools.remove(pool)
                pool.closed = True
                home.forget()
            elif home.loop is loop and not pool.closed:
                found = pool
        return found

    def __del__(self, _warn: Any = warnings.warn) -> None:
        core = getattr(self, "_core", None)
        if core is not None and not core.closed and any(pool.lanes for pool in core.pools):
            _warn(
                f"unclosed {self!r}: call 'await client.close()' or use 'async with'",
                ResourceWarning,
                source=self,
            )
            core.forget()

    def __repr__(self) -> str:
        base = f" base_url={self.base_url.redacted!r}" if self.base_url is not None else ""
        return f"<hyperhttp.Client{base}{' closed' if self._core.closed else ''}>"


class StreamContext:
    """A response for the length of a block."""

    def __init__(self, sending: Coroutine[Any, Any, Response]) -> None:
        self._sending = sending
        self._response: Response | None = None

    async def __aenter__(self) -> Response:
        self._response = await self._sending
        return self._response

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._response is not None:
            await self._response.aclose()
