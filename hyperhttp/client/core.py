"""What both faces share: settings, routes, and the start of each call. No loop, no thread, no socket.

A request without options to a URL that was seen before costs three look-ups here: its parsed URL, its route and its
rendered head are remembered until a default changes.
"""

from __future__ import annotations

import os
import time
import weakref
from copy import copy
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.client.credentials import auth_of, credentials_for, without_proxy_credentials
from hyperhttp.client.hooks import hooks_of, hooks_of_call, merge_hooks
from hyperhttp.client.mounts import Transports, close_quietly
from hyperhttp.client.options import REQUEST_OPTIONS, SENDING_OPTIONS, check_names
from hyperhttp.client.settings import Settings, http2_of, redirects_of
from hyperhttp.config import Timeout
from hyperhttp.connection.dial import Dialer
from hyperhttp.connection.route import Route
from hyperhttp.exceptions import InvalidURL
from hyperhttp.message.headers import Headers
from hyperhttp.message.reading import ReadOptions
from hyperhttp.message.request import EXPECTING_CONTENT, Request
from hyperhttp.message.url import URL
from hyperhttp.network.base import NEVER, new_lock
from hyperhttp.network.resolver import CachingResolver
from hyperhttp.pipeline import exchange, send
from hyperhttp.pipeline.call import Call, PlainCall
from hyperhttp.pipeline.exchange import render_head
from hyperhttp.pipeline.watching import tell_forgotten
from hyperhttp.plugins.interfaces import DIRECT
from hyperhttp.plugins.logs import with_log
from hyperhttp.pool.proxy import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping
    from typing import Literal

    from hyperhttp.auth.base import Auth
    from hyperhttp.client.hooks import HooksByEvent
    from hyperhttp.client.options import ClientOptions
    from hyperhttp.client.retrying import Retrying
    from hyperhttp.message.response import Response
    from hyperhttp.network.base import Network
    from hyperhttp.pipeline.retries import Retries
    from hyperhttp.pool.pool import ConnectionPool

__all__ = ["ClientCore"]

_MAX_TARGETS: Final = 4096  # URLs remembered with their rendered heads
_MAX_ROUTES: Final = 4096

_now = time.monotonic
_blank = object.__new__


class Target:
    """A URL as it is requested again and again."""

    __slots__ = ("heads", "route", "url")

    def __init__(self, url: URL, route: Route) -> None:
        self.url = url
        self.route = route
        self.heads: dict[str, tuple[bytes, list[tuple[bytes, bytes]]]] = {}


class ClientCore:
    """Settings, routes and calls of one client.

    Args:
        options: the constructor's.
        stream: whether content is left on the wire unless a call says otherwise.
        drive: runs coroutines on a blocking client.
    """

    def __init__(
        self,
        options: ClientOptions,
        *,
        stream: bool,
        drive: Callable[[Coroutine[Any, Any, Any]], Any] | None = None,
    ) -> None:
        settings = self.settings = Settings(options)
        self.headers = settings.headers
        self.cookies = settings.cookies
        self.closed = False
        self._told = False
        self._auth = settings.auth
        self._timeout = settings.timeout
        self._hooks = settings.hooks
        self._stream = stream
        self._total = settings.timeout.total
        self._codec = codec = settings.plugins.json_codec
        self.read = ReadOptions(
            settings.plugins.content_codings,
            settings.max_size,
            settings.max_ratio,
            drive,
            codec.loads if codec else None,
            getattr(codec, "loads_as", None),
        )
        self._routes: dict[tuple[Any, ...], Route] = {}
        self._targets: dict[str, Target] = {}
        self._version = self.headers._version
        self._listeners = listeners = with_log(settings.plugins.create_listeners())
        self._attempts = listeners.follow_calls
        self._selectors = [make() for make in settings.plugins.proxy_selectors.values()]
        self.transports = Transports(settings.plugins.transports, settings.transport, settings.mounts)
        self._retrying: Retrying | None = None
        self._retries = self._retries_by_default()
        self._plain = self._is_plain()
        self.pools: list[ConnectionPool] = []
        self.lock = new_lock()
        _cores.add(self)

    # -- settings that may change ------------------------------------------------------------------------------------

    @property
    def auth(self) -> Auth | None:
        """The scheme that signs requests unless a call names its own."""
        return self._auth

    @auth.setter
    def auth(self, value: Any) -> None:
        self._auth = auth_of(value, self.settings.plugins.auth_schemes)
        self._plain = self._is_plain()

    @property
    def timeout(self) -> Timeout:
        """The limits of calls that name none."""
        return self._timeout

    @timeout.setter
    def timeout(self, value: float | Timeout | None) -> None:
        self._timeout = Timeout.of(value)
        self._total = self._timeout.total

    @property
    def event_hooks(self) -> HooksByEvent:
        """Hooks by event; the lists may be changed at any time."""
        if self._hooks is None:
            self.event_hooks = {}
        return self._hooks  # type: ignore[return-value]  # set by now

    @event_hooks.setter
    def event_hooks(self, value: Mapping[str, Any] | None) -> None:
        self._hooks = hooks_of(value)
        self._plain = self._is_plain()
        for pool in self.pools:
            pool.hooks = self._hooks

    def _is_plain(self) -> bool:
        """Whether a call without options needs nothing but its exchange."""
        settings = self.settings
        return (
            self._auth is None
            and settings.netrc is None
            and not settings.proxies.has_credentials
            and self._hooks is None
            and self._retries is None
            and settings.breaker is None
            and settings.limiter is None
            and not settings.max_redirects
            and settings.params is None
            and not self._attempts
            and not self.transports
            and not self._selectors
            and not any(name in self.headers for name in ("connection", "proxy-authorization"))
        )

    # -- calls -------------------------------------------------------------------------------------------------------

    def start(
        self, pool: ConnectionPool, method: str, url: str | URL, options: dict[str, Any]
    ) -> Coroutine[Any, Any, Response]:
        """The coroutine of a call.

        Raises:
            TypeError: an option is unknown or of the wrong type.
            InvalidURL, LocalProtocolError: the request cannot be sent.
        """
        if options or not self._plain or self.cookies._domains or type(url) is not str or type(method) is not str:
            return self._start_full(pool, method, url, options)
        if self.headers._version != self._version:
            self._targets.clear()
            self._version = self.headers._version
            self._plain = self._is_plain()
            return self._start_full(pool, method, url, options)
        target = self._targets.get(url)
        if target is None:
            target = self._target(url)
            if target.url.userinfo:
                return self._start_full(pool, method, url, options)
        head = target.heads.get(method) or self._render(target, method)
        # What the constructors of both would do, without two calls on the way of every request.
        request: Request = _blank(Request)
        request.method = method
        request._url = target.url
        request._fields = head[1]
        request._content = None
        call: PlainCall = _blank(PlainCall)
        call.pool = pool
        call.request = request
        call.route = target.route
        call.head = head[0]
        call.timeout = self._timeout
        call.now = now = _now()
        call.total_at = NEVER if self._total is None else now + self._total
        call.read = self.read
        call.jar = self.cookies
        call.stream = self._stream
        call.attempts = ()
        return exchange(call)

    def _start_full(
        self, pool: ConnectionPool, method: str, url: str | URL, options: dict[str, Any]
    ) -> Coroutine[Any, Any, Response]:
        return self.send(pool, self.build_request(method, url, options), options)

    def build_request(self, method: str, url: str | URL, options: dict[str, Any]) -> Request:
        """A request with the client's defaults and the call's options, ready to be sent or changed.

        Raises:
            TypeError: an option is unknown or of the wrong type.
            InvalidURL, LocalProtocolError: the request cannot be sent.
        """
        if type(method) is not str:
            msg = f"the method must be a str, not {type(method).__name__}"
            raise TypeError(msg)
        if options:
            check_names(options, REQUEST_OPTIONS, "a request")
        resolved = self.resolve(url)
        if self.settings.params is not None:
            resolved = resolved.merge_params(self.settings.params)
        headers = self.headers.copy()
        if options.get("headers") is not None:
            headers.update(options["headers"])
        get = options.get
        return Request(
            method,
            resolved,
            params=get("params"),
            headers=headers,
            cookies=get("cookies"),
            content=get("content"),
            data=get("data"),
            json=get("json"),
            files=get("files"),
            extensions=get("extensions"),
            json_codec=self._codec,
            progress=get("progress"),
        )

    def adopt(self, request: Request, options: dict[str, Any]) -> Request:
        """A request made by hand, with its URL made absolute.

        Raises:
            TypeError: an option is unknown, or belongs to making a request.
            InvalidURL: the URL cannot be requested.
        """
        check_names(options, SENDING_OPTIONS, "send()")
        request.url = self.resolve(request.url)
        return copy(request) if self._attempts else request  # listeners tell calls that send the same one apart by it

    def send(self, pool: ConnectionPool, request: Request, options: dict[str, Any]) -> Coroutine[Any, Any, Response]:
        """The coroutine of a call that sends `request`."""
        settings = self.settings
        get = options.get
        if self.read.drive is not None and request._content is not None and request._content.needs_async:
            msg = "SyncClient cannot send asynchronous content: pass a plain iterable, or use the asynchronous Client"
            raise TypeError(msg)
        timeout = self._timeout if "timeout" not in options else Timeout.of(options["timeout"])
        now = _now()
        find_route = self._find_route(options)
        call = Call(
            pool,
            request,
            find_route(request.url),
            None,
            timeout,
            NEVER if timeout.total is None else now + timeout.total,
            now,
            self.read,
            self.cookies,
            bool(get("stream", self._stream)),
        )
        if call.route.proxy is None and (self._selectors or not settings.proxies.is_direct):
            call.request = without_proxy_credentials(request, self.headers)
        call.origin = request.url.origin
        call.find_route = find_route
        call.auth = self._auth_for(request, options)
        own_hooks = hooks_of_call(get("event_hooks"))
        call.hooks = merge_hooks(self._hooks, own_hooks)
        call.connect_hooks = own_hooks["connect"] if own_hooks is not None else ()
        call.listeners = self._listeners if self._attempts or (call.hooks and call.hooks["done"]) else None
        call.find_transport = self.transports.find if self.transports else None
        call.retry = self._retries if "retry" not in options else self._retries_for(options["retry"])
        call.reads = not call.stream
        call.proxied = settings.proxies.has_credentials or bool(self._selectors) or get("proxy") is not None
        call.breaker = settings.breaker
        call.limiter = settings.limiter
        if "follow_redirects" in options:
            call.max_redirects, call.downgrade = redirects_of(options["follow_redirects"], settings.redirect_limit)
        else:
            call.max_redirects, call.downgrade = settings.max_redirects, settings.downgrade
        return send(call)

    def _auth_for(self, request: Request, options: dict[str, Any]) -> Auth | None:
        if "auth" in options:
            return auth_of(options["auth"], self.settings.plugins.auth_schemes)
        return credentials_for(request, self._auth, self.settings.netrc)

    def _retries_by_default(self) -> Retries | None:
        given = self.settings.given
        if given.get("retry") is None and given.get("retry_policy") is None and given.get("telemetry") is None:
            return None
        from hyperhttp.client.retrying import Retrying  # most clients never retry

        self._retrying = Retrying(given, blocking=self.read.drive is not None)
        return self._retrying.default

    def _retries_for(self, value: Any) -> Retries | None:
        if self._retrying is None:
            if value is None or value is False:
                return None
            from hyperhttp.client.retrying import Retrying

            self._retrying = Retrying(self.settings.given, blocking=self.read.drive is not None)
        return self._retrying.of(value)

    # -- where to ----------------------------------------------------------------------------------------------------

    def resolve(self, url: str | URL) -> URL:
        """The absolute URL: against `base_url`, whose path a relative one extends.

        Raises:
            InvalidURL: it is relative and there is no `base_url`, or its scheme is not served.
        """
        parsed = URL.parse_cached(url) if type(url) is str else URL(url)
        base = self.settings.base_url
        if parsed.is_relative:
            if base is None:
                msg = f"the URL {parsed.redacted!r} is relative: give the client a base_url, or start it with http:// or https://"
                raise InvalidURL(msg)
            parsed = _extend(base, parsed)
        if parsed.scheme not in ("http", "https") and not self.transports.serves(parsed):
            msg = f"no transport for {parsed.scheme}:// URLs; http and https are served"
            raise InvalidURL(msg)
        return parsed

    def find_route(self, url: URL) -> Route:
        """The way to a URL by the client's own settings."""
        return self._route(url, self._proxy_for(url), self.settings.http2)

    def _proxy_for(self, url: URL) -> Proxy | None:
        """By `proxies=`, else by the first plugin with an opinion, else by the environment."""
        settings = self.settings
        if self._selectors and settings.given.get("proxies") is None:
            for selector in self._selectors:
                chosen = selector.select(url)
                if chosen is not None:
                    return None if chosen == DIRECT else Proxy.parse(chosen, settings.proxy_schemes)
        return settings.proxies.for_url(url)

    def _find_route(self, options: dict[str, Any]) -> Callable[[URL], Route]:
        if "proxy" not in options and "http2" not in options:
            return self.find_route
        http2 = http2_of(options.get("http2", self.settings.http2))
        if "proxy" not in options:
            return lambda url: self._route(url, self._proxy_for(url), http2)
        given = options["proxy"]
        proxy = None if given is None else Proxy.parse(given, self.settings.proxy_schemes)
        return lambda url: self._route(url, proxy, http2)

    def _route(self, url: URL, proxy: Proxy | None, http2: bool | Literal["prior-knowledge"]) -> Route:
        key = (url.scheme, url.host, url.effective_port, proxy, http2)
        route = self._routes.get(key)
        if route is None:
            settings = self.settings
            secure = url.scheme == "https"
            tunnel = proxy is not None and (secure or not settings.connectors[proxy.scheme].forwards)
            if len(self._routes) >= _MAX_ROUTES:
                self._routes.clear()
            route = self._routes[key] = Route(
                url.scheme,
                url.host,
                url.effective_port,
                settings.tls if secure else None,
                proxy,
                settings.tls if proxy is not None else None,
                tunnel,
                http2 if proxy is None or tunnel else False,  # whoever forwards is spoken to in HTTP/1.1
                settings.uds,
                settings.local_address,
            )
        return route

    def _target(self, url: str) -> Target:
        parsed = self.resolve(url)
        target = Target(parsed, self.find_route(parsed))
        if len(self._targets) >= _MAX_TARGETS:
            self._targets.clear()
        if not parsed.userinfo:
            self._targets[url] = target
        return target

    def _render(self, target: Target, method: str) -> tuple[bytes, list[tuple[bytes, bytes]]]:
        """The head of a request with nothing but the client's defaults."""
        url = target.url
        fields = [(b"Host", url.host_header.encode("ascii")), *self.headers.raw]
        if method in EXPECTING_CONTENT:
            fields.append((b"Content-Length", b"0"))
        request = Request.lazy(method, url, fields)
        request._headers = Headers.from_fields(fields)
        head = (render_head(request, target.route), fields)
        if len(target.heads) < 16:
            target.heads[method] = head
        return head

    # -- networks ----------------------------------------------------------------------------------------------------

    def new_pool(self, network: Network, kind: type[ConnectionPool]) -> ConnectionPool:
        """A pool on a network, with this client's limits, resolver and policy."""
        settings = self.settings
        resolver = settings.resolver
        if resolver is None or isinstance(resolver, str):
            name = resolver or settings.plugins.default_resolver or "system"
            if name not in settings.plugins.resolvers:
                msg = f"no resolver {name!r}; there are: {', '.join(settings.plugins.resolvers) or 'none'}"
                raise ValueError(msg)
            resolver = CachingResolver(settings.plugins.resolvers[name](network), network, ttl=settings.dns_ttl)
        dialer = Dialer(network, resolver, delay=settings.delay, policy=settings.policy, connectors=settings.connectors)
        pool = kind(network, dialer, settings.limits)
        pool.listeners = self._listeners.connection
        pool.idlers = self._listeners.idle
        pool.hooks = self._hooks
        self.pools.append(pool)
        return pool

    def stats(self) -> dict[str, dict[str, int]]:
        """Connections by ``host:port``, over all networks."""
        stats: dict[str, dict[str, int]] = {}
        for pool in self.pools:
            for name, counts in pool.stats().items():
                entry = stats.setdefault(name, dict.fromkeys(counts, 0))
                for key, value in counts.items():
                    entry[key] = entry.get(key, 0) + value
        return stats

    def close(self) -> list[ConnectionPool]:
        """No call begins any more; gives the pools that have to be closed."""
        pools, self.pools = self.pools, []
        if not self.closed:
            self.closed = True
            self.transports.close()
        return pools

    def say_goodbye(self) -> None:
        """The last that listeners hear; the pools are closed."""
        told, self._told = self._told, True
        if not told:
            tell_forgotten(self._listeners)
            for listener in self._listeners.close:
                close_quietly(listener)

    def forget(self) -> None:
        """Drop every pool without waiting: after a fork, or when nobody holds the client any more."""
        pools, self.pools = self.pools, []
        for pool in pools:
            pool.closed = True
            pool.network.forget()


def _extend(base: URL, relative: URL) -> URL:
    """A relative URL below a base: its path is appended, whether it begins with a slash or not."""
    text = str(relative)
    if relative.host:
        msg = f"the URL {relative.redacted!r} names a host; below a base_url only paths are relative"
        raise InvalidURL(msg)
    if not text or text[0] in "?#":
        return base.join(relative)
    return base.join("./" + text.lstrip("/"))


_cores: weakref.WeakSet[ClientCore] = weakref.WeakSet()


def _after_fork() -> None:
    """A child process shares no connection with its parent."""
    for core in tuple(_cores):
        core.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
