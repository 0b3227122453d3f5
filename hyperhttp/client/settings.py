"""The constructor's options, checked once and turned into what requests need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hyperhttp._version import __version__
from hyperhttp.client.credentials import auth_of, netrc_of
from hyperhttp.client.hooks import hooks_of
from hyperhttp.client.options import CLIENT_OPTIONS, check_names
from hyperhttp.config import UNSET, Limits, Timeout
from hyperhttp.exceptions import InvalidURL
from hyperhttp.message.cookies import Cookies
from hyperhttp.message.headers import Headers, check_value
from hyperhttp.message.url import URL
from hyperhttp.network.tls import TLSOptions
from hyperhttp.pool.proxies import ProxyMap

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hyperhttp.client.options import ClientOptions
    from hyperhttp.errors.circuit_breaker import DomainCircuitBreakerManager
    from hyperhttp.errors.rate_limit import RateLimiter

__all__ = ["DEFAULT_TIMEOUT", "Settings", "http2_of", "redirects_of"]

#: Seconds for each phase where nothing else is said.
DEFAULT_TIMEOUT: Final = Timeout(30.0)
#: Bytes of decoded content kept in memory where nothing else is said.
DEFAULT_MAX_RESPONSE_SIZE: Final = 1 << 30
#: Decoded bytes per encoded byte, beyond the first MiB; honest content stays far below.
DEFAULT_MAX_RATIO: Final = 250.0
#: Seconds an answer of the name service is kept.
DEFAULT_DNS_TTL: Final = 60.0

_DEFAULT_LIMITS: Final = Limits()
_DEFAULT_TLS: Final = TLSOptions()


class Settings:
    """What a client was told, in the form its requests need it."""

    def __init__(self, options: ClientOptions) -> None:
        # Here and not above: the machinery of plugins is for those who make a client.
        from hyperhttp.plugins.manager import compile_plugins

        check_names(options, CLIENT_OPTIONS, "a client")
        get: Callable[..., Any] = options.get
        self.given = options
        self.plugins = compile_plugins(get("plugins"))
        self.trust_env = bool(get("trust_env", True))
        self.base_url = _base_url(get("base_url"))
        self.params = get("params")
        self.headers = self._headers(get("headers"), get("user_agent"))
        cookies = get("cookies")
        self.cookies = cookies if isinstance(cookies, Cookies) else Cookies(cookies)
        self.auth = auth_of(get("auth"), self.plugins.auth_schemes)
        self.netrc = netrc_of(trust_env=self.trust_env)
        self.timeout = _timeout(get("timeout", UNSET), get("connect_timeout"))
        self.limits = _limits(options)
        self.http2 = http2_of(get("http2", True))
        self.max_redirects, self.downgrade = redirects_of(
            get("follow_redirects", False), _count(get("max_redirects", 20))
        )
        self.redirect_limit = _count(get("max_redirects", 20))
        self.tls = _tls(options, trust_env=self.trust_env)
        self.connectors = self.plugins.proxy_connectors
        schemes = {scheme: connector.default_port for scheme, connector in self.connectors.items()}
        self.proxies = ProxyMap(get("proxies"), trust_env=self.trust_env, schemes=schemes)
        self.proxy_schemes = schemes
        self.hooks = hooks_of(get("event_hooks"))
        self.breaker = _breaker(get("circuit_breaker_manager"))
        self.limiter = _limiter(get("rate_limit"))
        self.delay = _seconds("happy_eyeballs_delay", get("happy_eyeballs_delay", 0.25))
        self.dns_ttl = _seconds("dns_ttl", get("dns_ttl", DEFAULT_DNS_TTL))
        self.resolver = get("resolver")
        self.policy = get("address_policy")
        self.max_size = _size("max_response_size", get("max_response_size", DEFAULT_MAX_RESPONSE_SIZE))
        ratio = get("max_decompression_ratio", DEFAULT_MAX_RATIO)
        self.max_ratio = None if ratio is None else _number("max_decompression_ratio", ratio)
        self.transport: Any = get("transport")
        self.mounts: Mapping[str, Any] | None = get("mounts")
        self.uds: str | None = get("uds")
        self.local_address: str | None = get("local_address")

    def _headers(self, given: Any, user_agent: str | None) -> Headers:
        headers = Headers.from_fields([(b"User-Agent", f"hyperhttp/{__version__}".encode()), (b"Accept", b"*/*")])
        accept = self.plugins.accept_encoding
        if accept:
            headers["Accept-Encoding"] = accept
        if given is not None:
            headers.update(given)
        if user_agent is not None:
            check_value(b"User-Agent", user_agent)
            headers["User-Agent"] = user_agent
        return headers


def redirects_of(value: Any, limit: int) -> tuple[int, bool]:
    """How many redirects to follow, and whether to leave https for them.

    Raises:
        ValueError: it is neither a boolean nor ``"downgrade"``.
    """
    if value is True or value is False:
        return (limit if value else 0), False
    if value == "downgrade":
        return limit, True
    msg = f"follow_redirects= takes True, False or 'downgrade', not {value!r}"
    raise ValueError(msg)


def _breaker(value: Any) -> DomainCircuitBreakerManager | None:
    if value is not None and not (hasattr(value, "admit") and hasattr(value, "record")):
        msg = f"circuit_breaker_manager= takes a DomainCircuitBreakerManager, not {value!r}"
        raise TypeError(msg)
    return value  # type: ignore[no-any-return]  # fits by its shape


def _limiter(value: Any) -> RateLimiter | None:
    if value is None:
        return None
    from hyperhttp.errors.rate_limit import RateLimiter  # most clients have no limit

    return RateLimiter.of(value)


def _base_url(value: Any) -> URL | None:
    if value is None or value == "":
        return None
    url = URL(value)
    if not url.host or url.scheme not in ("http", "https", "ws", "wss"):
        msg = f"base_url needs a scheme and a host: {url.redacted!r}"
        raise InvalidURL(msg)
    if not url.path.endswith("/"):
        url = url.copy_with(path=url.path + "/")
    return url


def _timeout(value: Any, connect: float | None) -> Timeout:
    timeout = DEFAULT_TIMEOUT if value is UNSET else Timeout.of(value)
    return timeout if connect is None else Timeout(timeout, connect=connect)


def _limits(options: ClientOptions) -> Limits:
    given = {name: value for name, value in options.items() if name in Limits.__match_args__}
    return Limits(**given) if given else _DEFAULT_LIMITS  # type: ignore[arg-type]  # checked by Limits


def _tls(options: ClientOptions, *, trust_env: bool) -> Any:
    context = options.get("ssl_context")
    if context is None:
        if "verify" not in options and "cert" not in options and trust_env:
            return _DEFAULT_TLS
        tls = TLSOptions(options.get("verify", True), options.get("cert"), trust_env)
        if "verify" in options or "cert" in options:
            tls.check_files()
        return tls
    if "cert" in options or options.get("verify", True) is not True:
        msg = "give either ssl_context= or verify= and cert=, not both"
        raise TypeError(msg)
    if not hasattr(context, "wrap_bio"):
        msg = f"ssl_context= takes an ssl.SSLContext, not {type(context).__name__}"
        raise TypeError(msg)
    return context


def http2_of(value: Any) -> Any:
    """What may be spoken.

    Raises:
        ValueError: it is none of the three values.
    """
    if value is not True and value is not False and value != "prior-knowledge":
        msg = f"http2= takes True, False or 'prior-knowledge', not {value!r}"
        raise ValueError(msg)
    return value


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        msg = f"max_redirects= takes a number of redirects, not {value!r}"
        raise ValueError(msg)
    return value


def _seconds(name: str, value: Any) -> float:
    return _number(name, value, " of seconds")


def _number(name: str, value: Any, unit: str = "") -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        msg = f"{name}= takes a number{unit} that is not negative, not {value!r}"
        raise ValueError(msg)
    return float(value)


def _size(name: str, value: Any) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 0):
        msg = f"{name}= takes a number of bytes or None, not {value!r}"
        raise ValueError(msg)
    return value
