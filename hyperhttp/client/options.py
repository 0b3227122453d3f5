"""The options of a client and of a request: their types, and what becomes of a misspelt one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterable, Callable, Iterable, Mapping, Sequence
    from ssl import SSLContext
    from typing import IO

    from hyperhttp.auth.base import Auth
    from hyperhttp.config import Timeout
    from hyperhttp.errors.circuit_breaker import DomainCircuitBreakerManager
    from hyperhttp.errors.rate_limit import RateLimit, RateLimiter
    from hyperhttp.errors.retry import RetryPolicy
    from hyperhttp.errors.telemetry import ErrorTelemetry
    from hyperhttp.message.cookies import Cookies
    from hyperhttp.message.headers import HeaderTypes
    from hyperhttp.message.multipart import MultipartEncoder
    from hyperhttp.message.progress import ProgressTypes
    from hyperhttp.message.url import URL
    from hyperhttp.network.policy import AddressPolicy
    from hyperhttp.network.resolver import Resolver
    from hyperhttp.pool.proxy import ProxyTypes

__all__ = [
    "CLIENT_OPTIONS",
    "REQUEST_OPTIONS",
    "SENDING_OPTIONS",
    "ClientOptions",
    "RequestOptions",
    "check_names",
]

AuthTypes: TypeAlias = "Auth | tuple[str | bytes, str | bytes] | str"
CookieTypes: TypeAlias = "Cookies | Mapping[str, str] | Sequence[tuple[str, str]]"
ContentTypes: TypeAlias = (
    "bytes | bytearray | memoryview | str | Iterable[bytes] | AsyncIterable[bytes] | IO[bytes] | MultipartEncoder"
)
Hooks: TypeAlias = "Mapping[str, Sequence[Callable[..., Any]] | Callable[..., Any]]"
Redirects: TypeAlias = "bool | Literal['downgrade']"
RetryTypes: TypeAlias = "RetryPolicy | int | None"
TimeoutTypes: TypeAlias = "float | Timeout | None"


class ClientOptions(TypedDict, total=False):
    """What `Client` and `SyncClient` take; see `Client` for what each means."""

    base_url: str | URL | None
    headers: HeaderTypes | None
    cookies: CookieTypes | None
    params: Any
    auth: AuthTypes | None
    timeout: TimeoutTypes
    connect_timeout: float | None
    max_connections: int | None
    max_connections_per_host: int | None
    max_keepalive_connections: int | None
    keepalive_expiry: float | None
    max_connection_age: float | None
    http2: bool | Literal["prior-knowledge"]
    follow_redirects: Redirects
    max_redirects: int
    verify: bool | str | os.PathLike[str]
    cert: Any
    ssl_context: SSLContext | None
    proxies: ProxyTypes | Mapping[str, ProxyTypes | None] | None
    trust_env: bool
    retry: RetryTypes
    retry_policy: RetryTypes
    circuit_breaker_manager: DomainCircuitBreakerManager | None
    rate_limit: RateLimiter | RateLimit | float | None
    telemetry: ErrorTelemetry | None
    event_hooks: Hooks | None
    user_agent: str | None
    happy_eyeballs_delay: float
    dns_ttl: float
    resolver: Resolver | str | None
    address_policy: AddressPolicy | None
    max_response_size: int | None
    max_decompression_ratio: float | None
    transport: Any
    mounts: Mapping[str, Any] | None
    uds: str | None
    local_address: str | None
    plugins: Sequence[object] | None


class RequestOptions(TypedDict, total=False):
    """What every request method takes besides method and URL."""

    params: Any
    headers: HeaderTypes | None
    cookies: CookieTypes | None
    content: ContentTypes | None
    data: Any
    json: Any
    files: Any
    auth: AuthTypes | None
    timeout: TimeoutTypes
    follow_redirects: Redirects
    http2: bool | Literal["prior-knowledge"]
    retry: RetryTypes
    event_hooks: Hooks | None
    proxy: ProxyTypes | None
    stream: bool
    progress: ProgressTypes | None
    extensions: Mapping[str, Any] | None


CLIENT_OPTIONS = frozenset(ClientOptions.__annotations__)
REQUEST_OPTIONS = frozenset(RequestOptions.__annotations__)
#: Options that are about sending, not about what is sent.
SENDING_OPTIONS = frozenset({"auth", "event_hooks", "follow_redirects", "http2", "proxy", "retry", "stream", "timeout"})


def check_names(given: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    """Refuse an option nobody knows, naming the nearest one.

    Raises:
        TypeError: there is one.
    """
    unknown = [name for name in given if name not in known]
    if unknown:
        from difflib import get_close_matches  # for those who misspell

        nearest = get_close_matches(unknown[0], known, n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else ""
        msg = f"{what} has no option {unknown[0]!r}{hint}"
        raise TypeError(msg)
