"""The options of httpx's own transports, and what of a request's extensions becomes an option of ours."""

from __future__ import annotations

import ssl
from typing import Any, Final

import hyperhttp

__all__ = ["client_options", "sending_extensions", "timeout_of"]

#: What the peer's client does, with the options it was given itself.
_PEERS_OWN: Final = frozenset(
    {
        "auth", "base_url", "connect_timeout", "cookies", "event_hooks", "follow_redirects", "headers", "max_redirects",
        "max_response_size", "max_decompression_ratio", "params", "proxies", "ssl_context", "timeout", "transport",
        "user_agent",
    }
)  # fmt: skip


class NoCookies(hyperhttp.Cookies):
    """A jar that keeps nothing: cookies are the peer's business."""

    def extract(self, *_: Any, **__: Any) -> None:
        """Leave them to the peer."""


def client_options(
    *,
    verify: Any,
    cert: Any,
    trust_env: bool,
    http1: bool,
    http2: bool,
    limits: Any,
    proxy: Any,
    uds: str | None,
    local_address: str | None,
    options: dict[str, Any],
) -> dict[str, Any]:
    """Options of `hyperhttp.Client` for those of a transport.

    Raises:
        TypeError: an option belongs to the peer's client.
        ValueError: neither protocol may be spoken, or a part of the proxy's settings cannot be followed.
    """
    foreign = sorted(_PEERS_OWN & options.keys())
    if foreign:
        msg = f"{foreign[0]}= is not an option of the transport: give it to the client that uses the transport"
        raise TypeError(msg)
    if not (http1 or http2):
        raise ValueError("http1=False and http2=False leave nothing to speak")
    result: dict[str, Any] = {
        "cookies": NoCookies(),
        "trust_env": trust_env,
        "http2": http2 if http1 else "prior-knowledge",
        **options,
    }
    if isinstance(verify, ssl.SSLContext):
        result["ssl_context"] = verify
    else:
        result["verify"] = verify
    if limits is not None:
        for name in ("max_connections", "max_keepalive_connections", "keepalive_expiry"):
            result[name] = getattr(limits, name)
    given = {"cert": cert, "proxies": _proxy_url(proxy), "uds": uds, "local_address": local_address}
    result.update({name: value for name, value in given.items() if value is not None})
    return result


def _proxy_url(proxy: Any) -> str | None:
    """The URL, credentials included, of what httpx takes as a proxy: a URL in either form, or its `Proxy`."""
    if proxy is None:
        return None
    if not hasattr(proxy, "url"):
        return str(proxy)
    if proxy.headers:
        raise ValueError(
            "headers of their own for a proxy are not supported: give credentials with auth= or in its URL"
        )
    if getattr(proxy, "ssl_context", None) is not None:
        raise ValueError("a TLS context of its own for a proxy is not supported: verify= is for both")
    url = hyperhttp.URL(str(proxy.url))
    if proxy.auth is not None:
        username, password = proxy.auth
        url = url.copy_with(username=username, password=password)
    return str(url)


def timeout_of(extensions: dict[str, Any]) -> hyperhttp.Timeout:
    """The limits of a request; ``total`` is an addition of ours to the four phases of httpx."""
    given = extensions.get("timeout") or {}
    phases = {name: given.get(name) for name in ("connect", "read", "write", "pool", "total")}
    return hyperhttp.Timeout(**{name: None if value is None else max(value, 1e-9) for name, value in phases.items()})


def sending_extensions(extensions: dict[str, Any]) -> dict[str, Any]:
    """What a request says of its target and of the name in the TLS handshake; both packages take text and bytes."""
    found: dict[str, Any] = {name: extensions[name] for name in ("target", "sni_hostname") if name in extensions}
    name = found.get("sni_hostname")
    if isinstance(name, bytes):
        found["sni_hostname"] = name.decode("ascii", "backslashreplace")
    elif name == "":
        del found["sni_hostname"]  # as if there were none
    return found
