"""From a route to a connection that is ready for its first request: resolve, connect, tunnel, TLS, ALPN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from hyperhttp.connection.http1 import HTTP1Connection
from hyperhttp.connection.laps import Laps
from hyperhttp.connection.tunnel import pass_through
from hyperhttp.exceptions import ConnectError, ConnectTimeout, HyperHTTPError, ProxyError, TLSError, TotalTimeout
from hyperhttp.network.addresses import order_addresses, parse_ip_literal
from hyperhttp.network.failures import AddressFailures
from hyperhttp.network.resolver import lookup_failed, no_address
from hyperhttp.network.tls import TLSOptions, cached_context, server_name, ssl_context

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from ssl import SSLContext

    from hyperhttp.auth.proxy_digest import ProxySigner
    from hyperhttp.connection.http2 import HTTP2Connection
    from hyperhttp.connection.route import Route
    from hyperhttp.network.addresses import Address
    from hyperhttp.network.base import Channel, Network
    from hyperhttp.network.policy import AddressPolicy
    from hyperhttp.network.resolver import Resolver

__all__ = ["Dialer"]

#: What is offered by ALPN (RFC 7301), by what a route may speak.
_OFFERS: Final[dict[bool | str, tuple[str, ...]]] = {
    True: ("h2", "http/1.1"),
    False: ("http/1.1",),
    "prior-knowledge": ("h2",),
}


class Dialer:
    """Opens the connections of one client on one network.

    Args:
        network: where to.
        resolver: turns names into addresses.
        delay: seconds before the next address is tried beside the first (RFC 8305).
        policy: which addresses may be connected to; None for all.
        connectors: how to speak to a proxy, by its URL's scheme.

    Attributes:
        failures: addresses that took a connection and then failed.
    """

    def __init__(
        self,
        network: Network,
        resolver: Resolver,
        *,
        delay: float,
        policy: AddressPolicy | None = None,
        connectors: Mapping[str, Any] | None = None,
    ) -> None:
        self.network = network
        self.resolver = resolver
        self._delay = delay
        self._policy = policy
        self._connectors = connectors or {}
        self.failures = AddressFailures()

    async def dial(
        self, lane: Any, release: Callable[..., None], deadline: float, total_at: float
    ) -> HTTP1Connection | HTTP2Connection:
        """A connection for the lane's route.

        Args:
            lane: the pool's place for it.
            release: called when the connection is free or gone.
            deadline: the moment to give up connecting.
            total_at: the moment at which the whole call is over.

        Raises:
            DNSError, ConnectError, ConnectTimeout, TLSError, ProxyError: it could not be opened.
        """
        route: Route = lane.route
        started = self.network.now()
        limit = min(deadline, total_at)

        def expired() -> Exception:
            now = self.network.now()
            elapsed = now - started
            if now >= total_at:
                msg = f"the call to {route.name} reached its total timeout after {elapsed:.3g} s of connecting"
                return TotalTimeout(msg, host=route.host, port=route.port, phase="connect", elapsed=elapsed)
            msg = f"no connection to {route.name} within {elapsed:.3g} s"
            return ConnectTimeout(msg, host=route.host, port=route.port, phase="connect", elapsed=elapsed)

        laps = Laps(self.network.now)
        channel = await self.network.within(limit, self._open(route, limit, laps), expired)
        info = laps.describe(channel, route)
        kind: type[Any] = HTTP1Connection
        if channel.alpn == "h2" or route.http2 == "prior-knowledge":
            channel = channel.share()
            kind = _kind_of_http2(shared=channel.lock is not None)
        connection: HTTP1Connection | HTTP2Connection = kind(channel, self.network, lane, release)
        connection.info = info
        return connection

    async def _open(self, route: Route, deadline: float, laps: Laps) -> Channel:
        """A channel to the origin; every moment until it is there is a lap of its own kind."""
        if route.uds is not None:
            context = await self._context(route.tls, laps, route.http2)
            name = server_name(route.tls_name or route.host) if context is not None else None
            offer = _own_offer(route.tls, route.http2)
            channel = await self.network.connect_unix(route.uds, tls=context, server_name=name, offer=offer)
            _end_connecting(laps, channel, context)
            return channel
        if route.proxy is not None:
            return await self._open_through_proxy(route, deadline, laps)
        context = await self._context(route.tls, laps, route.http2)
        offer = _own_offer(route.tls, route.http2)
        asked = route.tls_name or route.host
        return await self._connect(route.host, route.port, context, route.local_address, offer, laps, asked)

    async def _open_through_proxy(self, route: Route, deadline: float, laps: Laps) -> Channel:
        connector = self._connectors[route.proxy.scheme]
        targets = [route.host]
        if route.tunnel and connector.resolves_locally:
            targets = [address.host for address in await self._resolve(route.host, route.port, laps)]
            if getattr(connector, "ipv4_only", False):
                targets = [host for host in targets if ":" not in host] or targets[:1]
        while len(targets) > 1:
            try:
                return await self._open_tunnel(route, connector, targets.pop(0), deadline, laps)
            except ProxyError as error:
                if error.phase != "tunnel":
                    raise  # it is not about this address
        return await self._open_tunnel(route, connector, targets[0], deadline, laps)

    async def _open_tunnel(self, route: Route, connector: Any, target: str, deadline: float, laps: Laps) -> Channel:
        """A way to the target; where the proxy asks for credentials in another form, it is asked again."""
        credentials = (
            route.proxy.credentials if route.tunnel and getattr(connector, "answers_challenges", False) else None
        )
        if credentials is None:
            return await self._try_tunnel(route, connector, target, deadline, laps)
        signer = credentials.begin()
        while True:
            try:
                return await self._try_tunnel(route, connector, target, deadline, laps, signer)
            except ProxyError:
                if not signer.sends_again:
                    raise

    async def _try_tunnel(
        self, route: Route, connector: Any, target: str, deadline: float, laps: Laps, *signer: ProxySigner
    ) -> Channel:
        """A connection to the proxy, through it to the target if the route says so, with TLS where it belongs."""
        proxy = route.proxy
        context = await self._context(route.proxy_tls, laps) if connector.tls else None
        offer = _own_offer(route.proxy_tls, http2=False)
        channel = await self._connect(proxy.host, proxy.port, context, route.local_address, offer, laps, proxy.host)
        try:
            if route.tunnel:
                handshake = connector.handshake(proxy.url, target, route.port, *signer)
                await pass_through(channel, handshake, deadline, host=proxy.host, port=proxy.port)
                laps.lap("connect")
            origin = await self._context(route.tls, laps, route.http2)
            if origin is not None:
                asked = server_name(route.tls_name or route.host)
                await channel.start_tls(origin, asked, route.name, _own_offer(route.tls, route.http2))
                laps.lap("tls")
        except BaseException as error:
            channel.abort()
            if isinstance(error, ProxyError):
                error.address = channel.peer
            raise
        return channel

    async def _connect(
        self,
        host: str,
        port: int,
        context: SSLContext | None,
        local: str | None,
        offer: tuple[str, ...] | None,
        laps: Laps,
        asked: str,
    ) -> Channel:
        addresses = await self._resolve(host, port, laps)
        if self.failures.moments:
            addresses = self.failures.order(addresses, self.network.now())
        name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            channel = await self.network.connect(
                addresses,
                name=name,
                delay=self._delay,
                local_address=local,
                tls=context,
                server_name=server_name(asked) if context is not None else None,
                offer=offer,
            )
        except (ConnectError, ConnectTimeout) as error:
            error.host = host  # the network knows addresses
            invalidate = getattr(self.resolver, "invalidate", None)
            if invalidate is not None:
                invalidate(host, port)
            raise
        except TLSError as error:
            if error.address is not None:
                self.failures.note(error.address, port, self.network.now())
            raise
        _end_connecting(laps, channel, context)
        return channel

    async def _resolve(self, host: str, port: int, laps: Laps) -> Sequence[Address]:
        literal = parse_ip_literal(host, port)
        if literal is not None:
            addresses: Sequence[Address] = [literal]
        else:
            try:
                addresses = await self.resolver.resolve(host, port)
            except HyperHTTPError:
                raise
            except OSError as error:  # of a resolver of the caller's, as are no addresses at all
                raise lookup_failed(host, port, error) from error
            if not addresses:
                raise no_address(host, port)
            laps.lap("dns")
        if self._policy is not None:
            addresses = self._policy.permitted(addresses, host)
        return order_addresses(addresses) if len(addresses) > 1 else addresses

    async def _context(self, tls: Any, laps: Laps, http2: bool | str = False) -> SSLContext | None:
        """The TLS context of a route; the first of its kind is built off the event loop."""
        if tls is None:
            return None
        offer = _OFFERS[http2]
        if isinstance(tls, TLSOptions):
            context = cached_context(tls, offer)
            if context is None:
                context = await self.network.call(ssl_context, tls, offer)
            laps.lap("tls")
            return context
        return cast("SSLContext", tls)


def _kind_of_http2(*, shared: bool) -> type[HTTP2Connection]:
    """Loaded with the first connection that speaks it: to many programs nobody does."""
    if shared:
        from hyperhttp.connection.http2_shared import SharedHTTP2Connection

        return SharedHTTP2Connection
    from hyperhttp.connection.http2 import HTTP2Connection

    return HTTP2Connection


def _end_connecting(laps: Laps, channel: Channel, context: SSLContext | None) -> None:
    """A channel is there, with its first handshake behind it where there is a context."""
    laps.lap("connect", channel.connected_at)
    if context is not None:
        laps.lap("tls")


def _own_offer(tls: Any, http2: bool | str) -> tuple[str, ...] | None:
    """What to offer with a caller's own context; ours are made for what they offer."""
    return None if tls is None or isinstance(tls, TLSOptions) else _OFFERS[http2]
