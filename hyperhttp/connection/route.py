"""Which connections may serve which requests.

Two requests share a connection only when everything that decides where it leads and whom it trusts is the same: scheme,
host, port, proxy, TLS options, local address. Leaving one out of the key is how a request has travelled over a
connection that was opened without verification (CVE-2024-35195).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hyperhttp._records import Record

if TYPE_CHECKING:
    from ssl import SSLContext

__all__ = ["Route"]

#: Names remembered for one way; connections under a name that is forgotten are not found again.
_MAX_NAMES: Final = 256


class Route(Record):
    """The way to an origin. Compared by identity: the client keeps one for each distinct set of values.

    Attributes:
        scheme: ``"http"`` or ``"https"``.
        host: ASCII, without brackets.
        port: the effective port.
        tls: the context that authenticates the origin; None for ``http``.
        proxy: the proxy the connection goes through, or None.
        proxy_tls: the context that authenticates an ``https`` proxy.
        tunnel: the proxy is asked for a tunnel (CONNECT); otherwise requests are sent to it in absolute form.
        http2: what may be spoken: ``True`` negotiates, ``False`` is HTTP/1.1 only, ``"prior-knowledge"`` is HTTP/2 at once.
        uds: path of a Unix socket that replaces the address.
        local_address: address to bind to.
        tls_name: the name that the origin is asked for and verified by, where it is not the host.
    """

    __slots__ = (
        "_http1",
        "_named",
        "_tunnelled",
        "host",
        "http2",
        "local_address",
        "port",
        "proxy",
        "proxy_tls",
        "scheme",
        "tls",
        "tls_name",
        "tunnel",
        "uds",
    )

    scheme: str
    host: str
    port: int
    tls: SSLContext | None
    proxy: Any
    proxy_tls: SSLContext | None
    tunnel: bool
    http2: bool | str
    uds: str | None
    local_address: str | None
    tls_name: str | None

    def __init__(
        self,
        scheme: str,
        host: str,
        port: int,
        tls: SSLContext | None = None,
        proxy: Any = None,
        proxy_tls: SSLContext | None = None,
        tunnel: bool = False,
        http2: bool | str = False,
        uds: str | None = None,
        local_address: str | None = None,
        tls_name: str | None = None,
    ) -> None:
        self._fill(scheme, host, port, tls, proxy, proxy_tls, tunnel, http2, uds, local_address, tls_name)

    __eq__ = object.__eq__
    __hash__ = object.__hash__

    def without_http2(self) -> Route:
        """The same way, spoken in HTTP/1.1; always the same route, so that its connections are found again."""
        if self.http2 is False:
            return self
        return self._variant("_http1", http2=False)

    def tunnelled(self) -> Route:
        """The same way, through a tunnel where there is a proxy: for what a proxy would not forward."""
        if self.proxy is None or self.tunnel:
            return self
        return self._variant("_tunnelled", tunnel=True)

    def named(self, tls_name: str) -> Route:
        """The same way to a server that is asked for, and verified, by another name; without TLS there is no other name."""
        if self.tls is None or self.tls_name == tls_name:
            return self
        variants: dict[str, Route] | None = getattr(self, "_named", None)
        if variants is None or len(variants) >= _MAX_NAMES:
            variants = {}
            object.__setattr__(self, "_named", variants)
        variant = variants.get(tls_name)
        if variant is None:
            variant = variants[tls_name] = self.__replace__(tls_name=tls_name)
        return variant

    def _variant(self, name: str, **changes: Any) -> Route:
        variant: Route | None = getattr(self, name, None)
        if variant is None:
            variant = self.__replace__(**changes)
            object.__setattr__(self, name, variant)
        return variant

    @property
    def name(self) -> str:
        """``host:port``, IPv6 in brackets: the key of `get_pool_stats` and the name in messages."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
