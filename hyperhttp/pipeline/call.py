"""What flows down the pipeline: one call with everything that was decided for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hyperhttp.auth.base import Auth
    from hyperhttp.config import Timeout
    from hyperhttp.connection.route import Route
    from hyperhttp.errors.circuit_breaker import DomainCircuitBreakerManager
    from hyperhttp.errors.rate_limit import RateLimiter
    from hyperhttp.message.attempt import Attempt
    from hyperhttp.message.content import Content
    from hyperhttp.message.cookies import Cookies
    from hyperhttp.message.reading import ReadOptions
    from hyperhttp.message.request import Request
    from hyperhttp.message.url import URL
    from hyperhttp.pool.pool import ConnectionPool

__all__ = ["Call", "PlainCall"]


class PlainCall:
    """What the last stage needs of a call: all there is of one without options.

    Attributes:
        pool: where connections come from.
        request: what is sent next.
        route: the way to its origin.
        head: the rendered head, or None where it must be rendered from the request.
        timeout: limits of the phases.
        total_at: moment at which the call is over.
        now: moment at which this attempt began.
        read: how content is read.
        jar: cookies to send and to keep, or None.
        stream: the content is left on the wire.
        opened: the connection of the present attempt was opened for it.
        attempts: what was sent for the present hop and did not give its response.
    """

    __slots__ = (
        "attempts",
        "head",
        "jar",
        "now",
        "opened",
        "pool",
        "read",
        "request",
        "route",
        "stream",
        "timeout",
        "total_at",
    )

    attempts: tuple[Attempt, ...]
    head: bytes | None
    jar: Cookies | None
    now: float
    opened: bool
    pool: ConnectionPool
    read: ReadOptions
    request: Request
    route: Route
    stream: bool
    timeout: Timeout
    total_at: float


class Call(PlainCall):
    """One call of a client, with everything a stage may ask for.

    Attributes:
        origin: the origin the call began with.
        find_transport: the transport mounted for a URL, where there are any.
        listeners: plugins' listeners, or None.
        find_route: the way to a URL, for redirects.
        connect_hooks: functions of this call alone that are told of a connection opened for it.
        reads: the content is read before the call returns, by whichever stage comes first to the last response.
        retry: what decides on further attempts, or None.
        proxy_authorization: credentials in the head for a proxy that forwards it, or None.
        proxied: requests may go through a proxy that wants credentials.
        breaker: refuses attempts to hosts that keep failing, or None.
        limiter: says when attempts may begin, or None.
        auth: the scheme that signs requests to the origin the call began with.
        changed: fields that flows and hooks have set for the present origin, by name in lower case, with the lines that
            the caller gave; or None.
        replaced: the content that the caller gave, with the fields that describe it, where flows or hooks have put something
            else in its place for the present origin; or None.
        hooks: functions by event, or None.
        max_redirects: redirects followed at most; 0 for none.
        downgrade: redirects from https to http are followed.
        is_async: functions of the user may be awaited.
    """

    __slots__ = (
        "auth",
        "breaker",
        "changed",
        "connect_hooks",
        "downgrade",
        "find_route",
        "find_transport",
        "hooks",
        "is_async",
        "limiter",
        "listeners",
        "max_redirects",
        "origin",
        "proxied",
        "proxy_authorization",
        "reads",
        "replaced",
        "retry",
    )

    def __init__(
        self,
        pool: ConnectionPool,
        request: Request,
        route: Route,
        head: bytes | None,
        timeout: Timeout,
        total_at: float,
        now: float,
        read: ReadOptions,
        jar: Cookies | None,
        stream: bool,
    ) -> None:
        self.pool = pool
        self.request = request
        self.route = route
        self.head = head
        self.timeout = timeout
        self.total_at = total_at
        self.now = now
        self.read = read
        self.jar = jar
        self.stream = stream
        self.attempts = ()
        self.changed: Mapping[bytes, Sequence[tuple[bytes, bytes]]] | None = None
        self.replaced: tuple[Content | None, Sequence[tuple[bytes, bytes]]] | None = None

    find_route: Callable[[URL], Route]
    find_transport: Callable[[URL], Any] | None
    listeners: Any
    origin: str
    proxied: bool
    proxy_authorization: bytes | None
    reads: bool
    retry: Any
    breaker: DomainCircuitBreakerManager | None
    limiter: RateLimiter | None
    connect_hooks: Sequence[Callable[[Any], Any]]
    auth: Auth | None
    hooks: dict[str, list[Callable[[Any], Any]]] | None
    max_redirects: int
    downgrade: bool
    is_async: bool
