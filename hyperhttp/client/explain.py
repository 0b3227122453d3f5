"""What a request would do, and which setting decided each part of it: nothing is sent, and no secret is shown."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from hyperhttp.client.credentials import auth_of
from hyperhttp.client.options import REQUEST_OPTIONS, check_names
from hyperhttp.client.settings import http2_of, redirects_of
from hyperhttp.config import Timeout
from hyperhttp.network.tls import TLSOptions, describe_trust
from hyperhttp.plugins.interfaces import DIRECT
from hyperhttp.pool.proxies import Proxy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hyperhttp.client.core import ClientCore
    from hyperhttp.message.request import Request
    from hyperhttp.message.url import URL

__all__ = ["Decision", "Explanation", "explain"]


class Decision(NamedTuple):
    """One part of what a request would do.

    Attributes:
        value: what was decided; None for nothing.
        rule: the setting that decided.
    """

    value: Any
    rule: str

    def __str__(self) -> str:
        return f"{'none' if self.value is None else self.value}  ({self.rule})"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a request would do, and why. Its ``str`` is a table; neither shows a secret.

    Attributes:
        url: The absolute URL, without a password.
        transport: What sends it: a transport, or None for the network.
        proxy: The proxy's URL without credentials; None for a direct connection.
        proxy_auth: Whether there are credentials for it.
        trust: Whose certificates are believed; None without TLS.
        certificate: The client certificate; None for none.
        auth: The scheme that signs the request; None for none.
        http2: What may be spoken: True, False or ``"prior-knowledge"``.
        address: What is connected to instead of the host: a Unix socket; None for the host itself.
        local_address: The address to connect from.
        resolver: What looks up names.
        policy: Which addresses may be connected to; None for all.
        timeout: The limits of the phases.
        limits: The limits of the pool.
        redirects: How many redirects are followed; 0 for none.
        pool: What a connection must have in common with this request to serve it.
    """

    url: str
    transport: Decision
    proxy: Decision
    proxy_auth: Decision
    trust: Decision
    certificate: Decision
    auth: Decision
    http2: Decision
    address: Decision
    local_address: Decision
    resolver: Decision
    policy: Decision
    timeout: Decision
    limits: Decision
    redirects: Decision
    pool: str

    def __str__(self) -> str:
        return "\n".join(f"{each.name:<14} {getattr(self, each.name)}" for each in fields(self))


def explain(core: ClientCore, url: str | URL, options: dict[str, Any]) -> Explanation:
    """What a GET for a URL with these options would do.

    Raises:
        TypeError: an option is unknown or of the wrong type.
        InvalidURL: the URL cannot be requested.
    """
    check_names(options, REQUEST_OPTIONS, "a request")
    made: dict[str, Any] = {name: options[name] for name in ("params", "headers", "cookies") if name in options}
    request = core.build_request("GET", url, made)
    target = request.url
    settings, given = core.settings, core.settings.given
    proxy, proxy_rule = _proxy(core, target, options)
    secure = target.scheme == "https"
    http2 = _option(options, given, "http2", settings.http2)
    http2_of(http2.value)
    resolver = settings.resolver or settings.plugins.default_resolver or "system"
    return Explanation(
        url=target.redacted,
        transport=Decision(*core.transports.explain(target)),
        proxy=Decision(None if proxy is None else str(proxy), proxy_rule),
        proxy_auth=_proxy_auth(proxy),
        trust=_trust(settings.tls) if secure else Decision(None, f"{target.scheme}:// has no TLS to the origin"),
        certificate=_certificate(settings.tls) if secure else Decision(None, f"{target.scheme}:// has no TLS"),
        auth=_auth(core, request, options),
        http2=http2,
        address=_given(given, "uds", settings.uds),
        local_address=_given(given, "local_address", settings.local_address),
        resolver=_given(given, "resolver", resolver if isinstance(resolver, str) else type(resolver).__name__),
        policy=_given(given, "address_policy", settings.policy),
        timeout=_timeout(core, options),
        limits=Decision(settings.limits, _names(given, settings.limits.__match_args__)),
        redirects=_redirects(core, options),
        pool=_pool(core, target, proxy, http2.value),
    )


def _proxy(core: ClientCore, url: URL, options: Mapping[str, Any]) -> tuple[Proxy | None, str]:
    settings = core.settings
    if "proxy" in options:
        own = options["proxy"]
        return None if own is None else Proxy.parse(own, settings.proxy_schemes), "proxy= of the call"
    if settings.given.get("proxies") is None:
        for name, selector in zip(settings.plugins.proxy_selectors, core._selectors, strict=True):
            chosen = selector.select(url)
            if chosen is not None:
                proxy = None if chosen == DIRECT else Proxy.parse(chosen, settings.proxy_schemes)
                return proxy, f"the proxy selector {name!r} of a plugin"
    decision = settings.proxies.explain(url)
    rule = decision.rule if decision.error is None else f"{decision.rule}: {decision.error}"
    return decision.proxy, rule


def _proxy_auth(proxy: Proxy | None) -> Decision:
    if proxy is None:
        return Decision(None, "there is no proxy")
    if proxy.credentials is None:
        return Decision(None, "the proxy's URL has no credentials")
    return Decision("credentials", "the proxy's URL" if proxy.auth is None else "auth= of the Proxy")


def _trust(tls: Any) -> Decision:
    if not isinstance(tls, TLSOptions):
        return Decision("the context's own roots", "ssl_context=")
    return Decision(*describe_trust(tls))


def _certificate(tls: Any) -> Decision:
    if not isinstance(tls, TLSOptions):
        return Decision("the context's own, if it has one", "ssl_context=")
    cert = tls.cert
    path = cert[0] if isinstance(cert, tuple) else cert
    return Decision(path, "the default" if cert is None else "cert=")


def _auth(core: ClientCore, request: Request, options: Mapping[str, Any]) -> Decision:
    """In the order in which a request asks; the schemes' names, and nothing of what they know."""
    settings = core.settings
    if "auth" in options:
        auth = auth_of(options["auth"], settings.plugins.auth_schemes)
        return Decision(None if auth is None else type(auth).__name__, "auth= of the call")
    if "authorization" in request.headers:
        scheme = request.headers["authorization"].partition(" ")
        return Decision(scheme[0] if scheme[2] else "a credential", "the Authorization field")
    if request.url.userinfo:
        return Decision("BasicAuth", "the URL")
    if core.auth is not None:
        return Decision(type(core.auth).__name__, "auth= of the client")
    netrc = settings.netrc
    if netrc is not None and (found := netrc.auth_for(request.url.host)) is not None:
        return Decision(type(found).__name__, f"netrc: {netrc.path}")
    return Decision(None, "nobody names any" if netrc is None else f"nobody names any; not in {netrc.path} either")


def _timeout(core: ClientCore, options: Mapping[str, Any]) -> Decision:
    if "timeout" in options:
        return Decision(Timeout.of(options["timeout"]), "timeout= of the call")
    return Decision(core.timeout, _names(core.settings.given, ("timeout", "connect_timeout")))


def _redirects(core: ClientCore, options: Mapping[str, Any]) -> Decision:
    settings = core.settings
    if "follow_redirects" in options:
        return Decision(
            redirects_of(options["follow_redirects"], settings.redirect_limit)[0], "follow_redirects= of the call"
        )
    return Decision(settings.max_redirects, _names(settings.given, ("follow_redirects", "max_redirects")))


def _pool(core: ClientCore, url: URL, proxy: Proxy | None, http2: Any) -> str:
    """The key of the pool in words; the route it stands for is the one that requests take."""
    route = core._route(url, proxy, http2)
    parts = [f"{route.scheme}://{route.name}"]
    if proxy is not None:
        parts.append(f"{'a tunnel through' if route.tunnel else 'requests to'} {proxy}")
    if route.tls is not None:
        parts.append("TLS as above")
    if route.uds is not None:
        parts.append(f"the Unix socket {route.uds}")
    if route.local_address is not None:
        parts.append(f"from {route.local_address}")
    spoken = {True: "HTTP/2 or HTTP/1.1", False: "HTTP/1.1", "prior-knowledge": "HTTP/2"}[route.http2]
    return ", ".join([*parts, spoken if route.tls is not None or route.http2 is not True else "HTTP/1.1"])


def _option(options: Mapping[str, Any], given: Mapping[str, Any], name: str, value: Any) -> Decision:
    if name in options:
        return Decision(options[name], f"{name}= of the call")
    return _given(given, name, value)


def _given(given: Mapping[str, Any], name: str, value: Any) -> Decision:
    return Decision(value, f"{name}= of the client" if given.get(name) is not None else "the default")


def _names(given: Mapping[str, Any], names: Any) -> str:
    found = [f"{name}=" for name in names if name in given]
    return f"{', '.join(found)} of the client" if found else "the default"
