"""HTTP/2 inside a CONNECT tunnel: the proxy sees one tunnel, the origin one connection."""

from __future__ import annotations

import selectors
import socket
import ssl
from typing import TYPE_CHECKING, Any

import pytest

from tests.behaviour.http2.test_peer import Peer, Server, in_use

if TYPE_CHECKING:
    from hyperhttp.testing.scripted import ScriptedConnection, ScriptedServer, ScriptedServerFactory

pytestmark = pytest.mark.usefixtures("no_leaks")


def relay(connection: ScriptedConnection, _: int) -> None:
    """Answer CONNECT, then pass bytes on in both directions until one side closes."""
    head = connection.read_until(b"\r\n\r\n")
    method, target, _version = head.split(b"\r\n")[0].split(b" ")
    assert method == b"CONNECT"
    host, _, port = target.rpartition(b":")
    with (
        socket.create_connection((host.decode(), int(port)), timeout=5) as origin,
        selectors.DefaultSelector() as selector,
    ):
        connection.sendall(b"HTTP/1.1 200 Connection Established\r\n\r\n")
        selector.register(connection.sock, selectors.EVENT_READ, origin)
        selector.register(origin, selectors.EVENT_READ, connection.sock)
        while True:
            for key, _events in selector.select(5):
                data = key.fileobj.recv(65_536)
                if not data:
                    return
                if isinstance(key.fileobj, ssl.SSLSocket):  # what TLS holds back does not show on the socket
                    data += key.fileobj.recv(key.fileobj.pending()) if key.fileobj.pending() else b""
                key.data.sendall(data)


def tunnels(proxy: ScriptedServer) -> int:
    """Tunnels that were opened."""
    return len(proxy.connections)


async def test_http2_is_negotiated_inside_a_tunnel(face: Any, scripted: ScriptedServerFactory) -> None:
    server = Server(scripted, Peer.serve, tls=True)
    proxy = scripted(relay)
    async with face.client(proxies=proxy.url, **server.options) as client:
        response = await client.get(server.url + "/path")
        assert (response.http_version, await client.read(response)) == ("HTTP/2", b"ok")
        count = 5 if face.is_blocking else 30
        responses = await face.together(*[client.post(f"{server.url}/{n}", content=b"x") for n in range(count)])
        assert {response.http_version for response in responses} == {"HTTP/2"}
        for response in responses:
            await client.read(response)
        assert in_use(client) == 0
    assert (tunnels(proxy), len(server.peers)) == (1, 1)
    assert server.peers[0].asked[0].fields[":authority"] == server.url.removeprefix("https://")


async def test_a_cold_burst_makes_one_tunnel(face: Any, scripted: ScriptedServerFactory) -> None:
    server = Server(scripted, Peer.serve, tls=True)
    proxy = scripted(relay)
    async with face.client(proxies=proxy.url, **server.options) as client:
        responses = await face.together(*[client.get(f"{server.url}/{n}") for n in range(20)])
        assert [response.status_code for response in responses] == [200] * 20
    assert (tunnels(proxy), len(server.peers)) == (1, 1)


async def test_http1_inside_a_tunnel_when_asked_for(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"], tls=True, alpn=["h2", "http/1.1"])
    proxy = scripted(relay)
    async with face.client(proxies=proxy.url, ssl_context=server.ssl_context(), timeout=5) as client:
        response = await client.get(server.url, http2=False)
        assert (response.http_version, await client.read(response)) == ("HTTP/1.1", b"ok")


async def test_a_proxy_is_spoken_to_in_http1_whatever_the_origin_speaks(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = Server(scripted, Peer.serve, tls=True)
    proxy = scripted(relay, tls=True, alpn=["h2", "http/1.1"])
    options = server.options | {"proxies": f"https://127.0.0.1:{proxy.port}"}
    async with face.client(**options) as client:
        response = await client.get(server.url)
        assert (response.http_version, await client.read(response)) == ("HTTP/2", b"ok")
    assert tunnels(proxy) == 1


async def test_a_goaway_inside_a_tunnel_makes_another_tunnel(face: Any, scripted: ScriptedServerFactory) -> None:
    def leaves(peer: Peer) -> None:
        peer.goaway(peer.request().stream - 1)
        peer.rest()

    server = Server(scripted, leaves, Peer.serve, tls=True)
    proxy = scripted(relay)
    async with face.client(proxies=proxy.url, **server.options) as client:
        assert await client.read(await client.post(server.url, content=b"x")) == b"ok"
    assert (tunnels(proxy), len(server.peers)) == (2, 2)


async def test_routes_by_proxy_are_connections_of_their_own(face: Any, scripted: ScriptedServerFactory) -> None:
    server = Server(scripted, Peer.serve, tls=True)
    proxy = scripted(relay)
    async with face.client(**server.options) as client:
        await client.read(await client.get(server.url))
        await client.read(await client.get(server.url, proxy=proxy.url))
        await client.read(await client.get(server.url))
    assert (tunnels(proxy), [len(peer.asked) for peer in server.peers]) == (1, [2, 1])
