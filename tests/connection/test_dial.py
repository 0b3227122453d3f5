"""From a route to a connection: over memory for the decisions, over real sockets for the ways."""

from __future__ import annotations

import asyncio
import select
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.client.drive import drive
from hyperhttp.connection.dial import Dialer
from hyperhttp.connection.http1 import HTTP1Connection
from hyperhttp.connection.http2 import HTTP2Connection
from hyperhttp.connection.http2_shared import SharedHTTP2Connection
from hyperhttp.connection.route import Route
from hyperhttp.connection.tunnel import HTTPProxyConnector
from hyperhttp.exceptions import (
    AddressNotAllowed,
    ConnectError,
    ConnectTimeout,
    DNSError,
    ProxyError,
    TLSError,
    TotalTimeout,
)
from hyperhttp.network.addresses import Address
from hyperhttp.network.aio import AioNetwork
from hyperhttp.network.base import NEVER
from hyperhttp.network.blocking import BlockingNetwork
from hyperhttp.network.policy import AddressPolicy
from hyperhttp.network.tls import TLSOptions
from hyperhttp.pool.lane import Lane
from hyperhttp.pool.proxies import Proxy
from hyperhttp.testing.scripted import Close, ReadRequest, Stall
from tests.memory import MemoryChannel, MemoryNetwork, Releases

if TYPE_CHECKING:
    from collections.abc import Coroutine

    from hyperhttp.testing.scripted import ScriptedServer

CONNECTORS = {"http": HTTPProxyConnector(tls=False), "https": HTTPProxyConnector(tls=True)}


class Names:
    """A resolver that knows what it is told."""

    def __init__(self, **known: list[str]) -> None:
        self.known = {name.replace("_", "."): hosts for name, hosts in known.items()}
        self.asked: list[str] = []
        self.forgotten: list[str] = []

    async def resolve(self, host: str, port: int) -> list[Address]:
        self.asked.append(host)
        if host not in self.known:
            raise DNSError(f"no such host {host}", host=host)
        families = [socket.AF_INET6 if ":" in ip else socket.AF_INET for ip in self.known[host]]
        return [Address(family, ip, port) for family, ip in zip(families, self.known[host], strict=True)]

    def invalidate(self, host: str, port: int | None = None) -> None:
        self.forgotten.append(host)


class Context:
    """Stands for an SSLContext where none is used."""

    def __init__(self) -> None:
        self.offers: list[list[str]] = []

    def set_alpn_protocols(self, offer: list[str]) -> None:
        self.offers.append(offer)


def dialer(network: Any, names: Names | None = None, **options: Any) -> Dialer:
    names = names or Names(example_com=["192.0.2.1"], localhost=["127.0.0.1"])
    return Dialer(network, names, delay=0.25, connectors=CONNECTORS, **options)


def dial(network: Any, route: Route, names: Names | None = None, **options: Any) -> Coroutine[Any, Any, Any]:
    deadline = options.pop("deadline", NEVER)
    total_at = options.pop("total_at", NEVER)
    return dialer(network, names, **options).dial(Lane(route), Releases(), deadline, total_at)


# -- decisions ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("alpn", "http2", "kind"),
    [
        (None, True, HTTP1Connection),
        ("http/1.1", True, HTTP1Connection),
        ("h2", True, HTTP2Connection),
        (None, "prior-knowledge", HTTP2Connection),
        (None, False, HTTP1Connection),
    ],
)
async def test_the_handshake_decides_what_is_spoken(alpn: str | None, http2: Any, kind: Any) -> None:
    network = MemoryNetwork(MemoryChannel(alpn))
    connection = await dial(network, Route("https", "example.com", 443, tls=Context(), http2=http2))
    assert type(connection) is kind


@pytest.mark.parametrize(
    ("http2", "offer"),
    [(True, ["h2", "http/1.1"]), (False, ["http/1.1"]), ("prior-knowledge", ["h2"])],
)
async def test_what_a_route_may_speak_is_what_is_offered(http2: Any, offer: list[str]) -> None:
    context: Any = Context()
    network = MemoryNetwork(MemoryChannel())
    await dial(network, Route("https", "example.com", 443, tls=context, http2=http2))
    assert network.connected[0]["offer"] == tuple(offer)
    assert context.offers == [], "others may be in the middle of a handshake with the same context"
    assert network.connected[0]["tls"] is context
    assert network.connected[0]["server_name"] == "example.com"


async def test_addresses_are_resolved_ordered_and_named() -> None:
    names = Names(example_com=["192.0.2.1", "192.0.2.2", "2001:db8::1"])
    network = MemoryNetwork(MemoryChannel())
    await dial(network, Route("http", "example.com", 8080, local_address="127.0.0.2"), names)
    (made,) = network.connected
    assert [address.host for address in made["addresses"]] == ["2001:db8::1", "192.0.2.1", "192.0.2.2"]
    assert (made["name"], made["delay"], made["local_address"]) == ("example.com:8080", 0.25, "127.0.0.2")
    assert (made["tls"], made["server_name"]) == (None, None)


@pytest.mark.parametrize("host", ["192.0.2.7", "2001:db8::7"])
async def test_a_literal_is_not_looked_up(host: str) -> None:
    names, network = Names(), MemoryNetwork(MemoryChannel())
    await dial(network, Route("http", host, 80), names)
    assert names.asked == []
    assert [address.host for address in network.connected[0]["addresses"]] == [host]


async def test_addresses_that_take_no_connection_are_looked_up_anew_next_time() -> None:
    names = Names(example_com=["192.0.2.1"])
    with pytest.raises(ConnectError):
        await dial(MemoryNetwork(ConnectError("refused")), Route("http", "example.com", 80), names)
    assert names.forgotten == ["example.com"]


async def test_a_refused_connection_names_the_host_and_not_its_address() -> None:
    refused = ConnectError("refused", host="192.0.2.1")
    with pytest.raises(ConnectError) as caught:
        await dial(MemoryNetwork(refused), Route("http", "example.com", 80))
    assert caught.value.host == "example.com"


@pytest.mark.parametrize(
    "answer", [[], OSError("no route"), socket.gaierror(socket.EAI_AGAIN, "try again"), TimeoutError()]
)
async def test_a_resolver_that_finds_nothing_is_a_dns_error_whoever_it_is(answer: Any) -> None:
    class Own:
        async def resolve(self, host: str, port: int) -> list[Address]:
            if isinstance(answer, list):
                return answer
            raise answer

    own: Any = Own()
    with pytest.raises(DNSError, match=r"example\.com") as caught:
        await dial(MemoryNetwork(), Route("http", "example.com", 80), own)
    assert (caught.value.host, caught.value.phase) == ("example.com", "dns")


async def test_addresses_that_served_nothing_are_tried_last() -> None:
    names = Names(example_com=["192.0.2.1", "192.0.2.2"])
    refused = TLSError("reset")
    refused.address = "192.0.2.1"
    network = MemoryNetwork(refused, MemoryChannel())
    dialer = Dialer(network, names, delay=0.25)
    lane = Lane(Route("http", "example.com", 80))
    with pytest.raises(TLSError):
        await dialer.dial(lane, print, NEVER, NEVER)
    await dialer.dial(lane, print, NEVER, NEVER)
    assert [[each.host[-1] for each in made["addresses"]] for made in network.connected] == [["1", "2"], ["2", "1"]]


async def test_the_policy_is_asked_after_resolution_and_before_connecting() -> None:
    names, network = Names(example_com=["127.0.0.1"]), MemoryNetwork()
    for host in ("example.com", "127.0.0.1", "::ffff:127.0.0.1"):
        with pytest.raises(AddressNotAllowed):
            await dial(network, Route("http", host, 80), names, policy=AddressPolicy.public_only())
    assert network.connected == []


async def test_a_unix_socket_takes_the_place_of_the_address() -> None:
    names, network, context = Names(), MemoryNetwork(MemoryChannel()), Context()
    await dial(network, Route("https", "example.com", 443, tls=context, uds="/run/x.sock"), names)
    offer = ("http/1.1",)
    assert network.connected == [{"path": "/run/x.sock", "tls": context, "server_name": "example.com", "offer": offer}]
    assert names.asked == []


@pytest.mark.parametrize(("total", "kind"), [(NEVER, ConnectTimeout), (0.0, TotalTimeout)])
async def test_a_deadline_that_passes_is_called_by_its_name(total: float, kind: Any) -> None:
    with pytest.raises(kind, match=r"example\.com:80") as caught:
        await dial(MemoryNetwork(), Route("http", "example.com", 80), deadline=0.0, total_at=total)
    assert (caught.value.host, caught.value.port, caught.value.phase) == ("example.com", 80, "connect")


async def test_requests_for_http_go_to_the_proxy_without_a_tunnel() -> None:
    network = MemoryNetwork(MemoryChannel())
    names = Names(proxy_example=["192.0.2.9"])
    route = Route("http", "example.com", 80, proxy=Proxy.parse("http://proxy.example:3128"))
    assert isinstance(await dial(network, route, names), HTTP1Connection)
    assert names.asked == ["proxy.example"], "the target's name is left to the proxy"
    assert network.connected[0]["addresses"][0].port == 3128


async def test_a_tunnel_that_fails_leaves_no_channel_open() -> None:
    channel = MemoryChannel()
    channel._kept = [b"HTTP/1.1 403 Forbidden\r\n\r\n"]
    route = Route("https", "example.com", 443, tls=Context(), proxy=Proxy.parse("http://192.0.2.9"), tunnel=True)
    with pytest.raises(ProxyError, match="403"):
        await dial(MemoryNetwork(channel), route)
    assert channel.aborted


async def test_tls_to_the_origin_begins_inside_the_tunnel_with_its_name() -> None:
    channel, context, outer = MemoryChannel(), Context(), Context()
    channel._kept = [b"HTTP/1.1 200 OK\r\n\r\n"]
    proxy = Proxy.parse("https://proxy.example")
    route = Route("https", "example.com", 443, tls=context, proxy=proxy, proxy_tls=outer, tunnel=True, http2=True)
    network = MemoryNetwork(channel)
    await dial(network, route, Names(proxy_example=["192.0.2.9"]))
    assert network.connected[0]["tls"] is outer
    assert network.connected[0]["server_name"] == "proxy.example"
    assert channel.tls == [(context, "example.com", "example.com:443", ("h2", "http/1.1"))]
    assert network.connected[0]["offer"] == ("http/1.1",)


# -- real sockets ------------------------------------------------------------------------------------------------


class Ways:
    """Dials on one of the networks, and speaks HTTP/1.1 over what it gets."""

    def __init__(self, name: str) -> None:
        self.name = name

    def get(self, route: Route, **options: Any) -> bytes:
        """The answer to one GET, in a loop or a thread of its own."""
        if self.name == "blocking":
            return drive(self._get(BlockingNetwork(), route, options))

        async def run() -> bytes:
            return await self._get(AioNetwork(asyncio.get_running_loop()), route, options)

        return asyncio.run(run())

    async def _get(self, network: Any, route: Route, options: dict[str, Any]) -> bytes:
        from hyperhttp.config import Timeout

        options.setdefault("deadline", time.monotonic() + 5)
        try:
            connection = await dial(network, route, **options)
            self.kind = type(connection)
            if not isinstance(connection, HTTP1Connection):
                return b""
            head = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
            answer = await connection.send("GET", head, Timeout(5.0), NEVER, time.monotonic())
            content: bytes = answer[1]
            return content
        finally:
            await asyncio.sleep(0) if self.name == "asyncio" else None
            self.left = set(network.channels)
            await network.close()


@pytest.fixture(params=["asyncio", "blocking"])
def ways(request: pytest.FixtureRequest) -> Ways:
    return Ways(request.param)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def relay(target: ScriptedServer) -> Any:
    """A proxy's handler that opens tunnels to one server, whatever they ask for."""

    def handle(connection: Any, index: int) -> None:
        connection.read_request()
        with socket.create_connection((target.host, target.port)) as upstream:
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            while True:
                pending = isinstance(connection.sock, ssl.SSLSocket) and connection.sock.pending()
                ready = select.select([connection.sock, upstream], [], [], 0 if pending else 5)[0]
                if pending or connection.sock in ready:
                    data = connection.recv()
                    if not data:
                        return
                    upstream.sendall(data)
                if upstream in ready:
                    data = upstream.recv(65536)
                    if not data:
                        return
                    connection.sendall(data)

    return handle


def test_plain(ways: Ways, scripted: Any) -> None:
    server = scripted([OK])
    assert ways.get(Route("http", "localhost", server.port)) == b"ok"


def test_tls(ways: Ways, scripted: Any) -> None:
    server = scripted([OK], tls=True)
    assert ways.get(Route("https", "localhost", server.port, tls=server.ssl_context())) == b"ok"


def test_tls_options_are_made_into_a_context(ways: Ways, scripted: Any) -> None:
    server = scripted([OK], tls=True)
    options: Any = TLSOptions(verify=server.ca_pem)
    assert ways.get(Route("https", "localhost", server.port, tls=options)) == b"ok"


def test_a_certificate_of_nobody_known_is_refused(ways: Ways, scripted: Any) -> None:
    server = scripted([OK], tls=True)
    options: Any = TLSOptions()
    with pytest.raises(TLSError, match="localhost") as caught:
        ways.get(Route("https", "localhost", server.port, tls=options))
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("outer", [False, True], ids=["http-proxy", "https-proxy"])
def test_tls_through_a_tunnel(ways: Ways, scripted: Any, outer: bool) -> None:
    server = scripted([OK], tls=True)
    proxy = scripted(relay(server), tls=outer)
    route = Route(
        "https",
        "localhost",
        server.port,
        tls=server.ssl_context(),
        proxy=Proxy.parse(f"{'https' if outer else 'http'}://localhost:{proxy.port}"),
        proxy_tls=proxy.ssl_context() if outer else None,
        tunnel=True,
    )
    assert ways.get(route) == b"ok"


@pytest.mark.parametrize("outer", [False, True], ids=["http-proxy", "https-proxy"])
def test_a_certificate_of_nobody_known_is_refused_inside_a_tunnel(ways: Ways, scripted: Any, outer: bool) -> None:
    server = scripted([OK], tls=True)
    proxy = scripted(relay(server), tls=outer)
    options: Any = TLSOptions()
    route = Route(
        "https",
        "localhost",
        server.port,
        tls=options,
        proxy=Proxy.parse(f"{'https' if outer else 'http'}://localhost:{proxy.port}"),
        proxy_tls=proxy.ssl_context() if outer else None,
        tunnel=True,
    )
    with pytest.raises(TLSError, match="localhost") as caught:
        ways.get(route)
    assert caught.value.__cause__ is not None


def test_http2_through_a_tunnel(ways: Ways, scripted: Any) -> None:
    server = scripted(lambda connection, _: connection.wait_for_eof(2), tls=True, alpn=["h2"])
    proxy = scripted(relay(server))
    proxies = Proxy.parse(f"http://localhost:{proxy.port}")
    route = Route("https", "localhost", server.port, tls=server.ssl_context(), proxy=proxies, tunnel=True, http2=True)
    ways.get(route)
    assert ways.kind is (SharedHTTP2Connection if ways.name == "blocking" else HTTP2Connection)


@pytest.mark.parametrize("tls", [False, True], ids=["proxy", "tls"])
def test_a_silent_peer_is_given_up_at_the_deadline(ways: Ways, scripted: Any, tls: bool) -> None:
    server = scripted(lambda connection, _: connection.wait_for_eof(2))
    proxy = None if tls else Proxy.parse(f"http://127.0.0.1:{server.port}")
    context = scripted([], tls=True).ssl_context()
    route = Route("https", "localhost", server.port, tls=context, proxy=proxy, tunnel=not tls)
    started = time.monotonic()
    with pytest.raises(ConnectTimeout, match="no connection to localhost"):
        ways.get(route, deadline=started + 0.15)
    assert time.monotonic() - started < 1


def test_a_refused_connection_names_the_peer(ways: Ways, scripted: Any) -> None:
    server = scripted([])
    server.close()
    with pytest.raises(ConnectError, match=f"localhost:{server.port}") as caught:
        ways.get(Route("http", "localhost", server.port))
    assert isinstance(caught.value.__cause__, OSError)


def test_nothing_is_left_open_by_a_failed_dial(ways: Ways, scripted: Any) -> None:
    """The server sees each connection end."""
    server = scripted.by_connection([[ReadRequest(), b"HTTP/1.1 500 x\r\n\r\n", Stall(5)]])
    route = Route("https", "example.com", 443, proxy=Proxy.parse(f"http://127.0.0.1:{server.port}"), tunnel=True)
    before = threading.active_count()
    with pytest.raises(ProxyError, match="500"):
        ways.get(route)
    assert server.wait_closed(5)
    deadline = time.monotonic() + 5
    while threading.active_count() > before:  # the server's own thread is over a moment later
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("peer", ["no-tls", "unknown", "silent", "gone"])
def test_a_failed_handshake_leaves_nothing_in_the_network(ways: Ways, scripted: Any, peer: str) -> None:
    """Memory held per failed handshake adds up (CVE-2025-47279)."""
    scripts: dict[str, Any] = {
        "no-tls": b"hello, no TLS here",
        "silent": Stall(2),
        "gone": Close(),
        "unknown": Stall(2),
    }
    server = scripted.by_connection([scripts[peer]], tls=peer == "unknown")
    options: Any = TLSOptions()
    started = time.monotonic()
    with pytest.raises((TLSError, ConnectTimeout)):
        ways.get(Route("https", "localhost", server.port, tls=options), deadline=started + 0.2)
    assert ways.left == set()
    assert time.monotonic() - started < 1.5, "closing the network waits for nobody"
