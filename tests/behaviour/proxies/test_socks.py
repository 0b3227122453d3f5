"""SOCKS proxies by the plugin, on both faces: real servers, and a scripted one for what they do not do.

No server in a distribution is known to speak SOCKS4a, so that one is played here, as the protocol's description says.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.network.addresses import Address
from hyperhttp.testing import Origin
from tests.behaviour.http2.counterparts.conftest import free_ports
from tests.behaviour.proxies.conftest import CREDENTIALS, relay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperhttp.testing.scripted import ScriptedConnection, ScriptedServer, ScriptedServerFactory
    from tests.behaviour.proxies.conftest import ProxyServer

pytest.importorskip("hyperhttp_socks")
pytestmark = pytest.mark.usefixtures("no_leaks")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Table:
    """A resolver that knows what it is told, and notes what it is asked."""

    def __init__(self, **hosts: list[str]) -> None:
        self.hosts = {name.replace("_", "."): addresses for name, addresses in hosts.items()}
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> list[Address]:
        self.asked.append(host)
        if host not in self.hosts:
            raise hyperhttp.DNSError(f"no such host: {host}", host=host, port=port, phase="dns")
        families = {True: socket.AF_INET6, False: socket.AF_INET}
        return [Address(families[":" in ip], ip, port) for ip in self.hosts[host]]


def free_port() -> int:
    (port,) = free_ports(1)
    return port


@pytest.fixture
def ipv6_target() -> Iterator[Origin]:
    """An origin that only an IPv6 address leads to."""
    with Origin(host="::1") as origin:
        yield origin


# -- real servers ------------------------------------------------------------------------------------------------


@pytest.mark.needs("microsocks")
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize(("name", "credentials"), [("open", ""), ("open", CREDENTIALS), ("login", CREDENTIALS)])
async def test_socks5_serves_http_and_https(
    face: Any, microsocks: ProxyServer, target: Origin, trust: Any, scheme: str, name: str, credentials: str
) -> None:
    async with face.client(proxies=microsocks.url(name, credentials, scheme), **trust) as client:
        for url, version in ((target.url, "HTTP/1.1"), (target.https_url, "HTTP/2")):
            for _ in range(2):
                response = await client.post(f"{url}/anything", content=b"x" * 100_000)
                assert (response.status_code, response.http_version) == (200, version)
                assert len((await client.json(response))["data"]) == 100_000
        assert {row["total"] for row in client.raw.get_pool_stats().values()} == {1}, "tunnels are kept"
    for request in target.requests:
        assert request.target == "/anything", "the target is spoken to as if there were no proxy"
        assert "proxy-authorization" not in request.headers
        assert "authorization" not in request.headers


@pytest.mark.needs("danted")
@pytest.mark.parametrize("scheme", ["socks4", "socks5", "socks5h"])
async def test_dante_serves_http_and_https(
    face: Any, dante: ProxyServer, target: Origin, trust: Any, scheme: str
) -> None:
    async with face.client(proxies=dante.url(scheme=scheme), **trust) as client:
        response = await client.get(f"{target.url}/get")
        assert (response.status_code, response.http_version) == (200, "HTTP/1.1")
        response = await client.get(f"{target.https_url}/bytes/100000")
        assert (response.http_version, len(await client.read(response))) == ("HTTP/2", 100_000)


@pytest.mark.needs("danted")
async def test_socks4_sends_a_user_name_and_no_password(face: Any, dante: ProxyServer, target: Origin) -> None:
    async with face.client(timeout=20) as client:
        response = await client.get(f"{target.url}/get", proxy=dante.url("open", "alice", "socks4"))
        assert response.status_code == 200
        with pytest.raises(hyperhttp.ProxyError, match="SOCKS4 has no passwords") as caught:
            await client.get(f"{target.url}/get", proxy=dante.url("open", CREDENTIALS, "socks4"))
    assert "s3cret" not in str(caught.value)


@pytest.mark.needs("microsocks")
@pytest.mark.parametrize("credentials", ["", "alice:wrong", "mallory:s3cret"])
async def test_wrong_credentials_are_a_proxy_error_without_them(
    face: Any, microsocks: ProxyServer, target: Origin, credentials: str
) -> None:
    async with face.client(proxies=microsocks.url("login", credentials, "socks5h"), timeout=20) as client:
        with pytest.raises(hyperhttp.ProxyError, match="does not accept") as caught:
            await client.get(f"{target.url}/get")
        assert client.raw.get_pool_stats() == {}
    error = caught.value
    assert (error.phase, error.host) == ("login", "127.0.0.1")
    assert not any(secret in f"{error!r}{error}" for secret in ("wrong", "s3cret", "mallory", "alice"))
    assert target.requests == []


@pytest.mark.needs("microsocks", "danted")
@pytest.mark.parametrize(
    ("server", "scheme"),
    [
        ("microsocks", "socks5"),
        ("microsocks", "socks5h"),
        ("dante", "socks4"),
        ("dante", "socks5"),
        ("dante", "socks5h"),
    ],
)
async def test_a_target_that_refuses_is_a_proxy_error(
    face: Any, request: pytest.FixtureRequest, server: str, scheme: str
) -> None:
    proxy: ProxyServer = request.getfixturevalue(server)
    where = f"127.0.0.1:{free_port()}"
    async with face.client(proxies=proxy.url(scheme=scheme), timeout=20) as client:
        with pytest.raises(hyperhttp.ProxyError, match=f"refused the tunnel to {where}: ") as caught:
            await client.get(f"http://{where}/")
    reasons = "rejected, or the target cannot be reached" if scheme == "socks4" else "connection refused"
    assert reasons in str(caught.value)
    assert caught.value.phase == "tunnel"


@pytest.mark.needs("danted")
@pytest.mark.parametrize("scheme", ["socks4", "socks5"])
async def test_a_target_the_rules_forbid_is_a_proxy_error(face: Any, dante: ProxyServer, scheme: str) -> None:
    async with face.client(proxies=dante.url(scheme=scheme), timeout=20) as client:
        with pytest.raises(hyperhttp.ProxyError, match=r"rules do not allow|rejected"):
            await client.get("http://127.0.0.1:9/")


@pytest.mark.needs("microsocks")
@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
async def test_ipv6_targets(face: Any, microsocks: ProxyServer, ipv6_target: Origin, scheme: str) -> None:
    async with face.client(proxies=microsocks.url(scheme=scheme), timeout=20) as client:
        response = await client.get(f"{ipv6_target.url}/get")
        assert response.status_code == 200
    assert ipv6_target.requests[-1].headers["host"] == f"[::1]:{ipv6_target.port}"


@pytest.mark.needs("microsocks")
@pytest.mark.parametrize(("scheme", "asked"), [("socks5", ["localhost"]), ("socks5h", [])])
async def test_the_scheme_says_who_resolves_names(
    face: Any, microsocks: ProxyServer, target: Origin, scheme: str, asked: list[str]
) -> None:
    table = Table(localhost=["127.0.0.1"])
    async with face.client(proxies=microsocks.url(scheme=scheme), resolver=table, timeout=20) as client:
        response = await client.get(f"http://localhost:{target.port}/get")
        assert response.status_code == 200
    assert table.asked == asked


@pytest.mark.needs("microsocks")
async def test_the_addresses_of_a_name_are_tried_until_the_proxy_reaches_one(
    face: Any, microsocks: ProxyServer, target: Origin
) -> None:
    table = Table(many_test=["::1", "127.0.0.9", "127.0.0.1"])
    async with face.client(proxies=microsocks.url(scheme="socks5"), resolver=table, timeout=20) as client:
        response = await client.get(f"http://many.test:{target.port}/get")
        assert response.status_code == 200
        with pytest.raises(hyperhttp.ProxyError, match="connection refused"):
            await client.get(f"http://many.test:{free_port()}/get")


@pytest.mark.needs("danted")
async def test_socks4_takes_the_ipv4_address_of_a_name(face: Any, dante: ProxyServer, target: Origin) -> None:
    table = Table(both_test=["::1", "127.0.0.1"], six_test=["::1"])
    async with face.client(proxies=dante.url(scheme="socks4"), resolver=table, timeout=20) as client:
        response = await client.get(f"http://both.test:{target.port}/get")
        assert response.status_code == 200
        with pytest.raises(hyperhttp.ProxyError, match="SOCKS4 has no IPv6 addresses"):
            await client.get(f"http://six.test:{target.port}/get")


@pytest.mark.needs("microsocks")
async def test_the_address_policy_sees_what_is_resolved_here(face: Any, scripted: Any, microsocks: ProxyServer) -> None:
    policy = hyperhttp.AddressPolicy(allow=["127.0.0.1/32"], deny=["127.0.0.0/8"])
    table = Table(inside_test=["127.0.0.2"])
    async with face.client(
        proxies=microsocks.url(scheme="socks5"), resolver=table, address_policy=policy, timeout=20
    ) as client:
        with pytest.raises(hyperhttp.AddressNotAllowed):
            await client.get("http://inside.test/")


@pytest.mark.needs("microsocks")
@pytest.mark.parametrize("name", ["http_proxy", "ALL_PROXY"])
async def test_the_environment_may_name_a_socks_proxy(
    face: Any, microsocks: ProxyServer, target: Origin, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, f"socks5h://127.0.0.1:{free_port()}")
    async with face.client(timeout=20) as client:
        with pytest.raises(hyperhttp.ConnectError):
            await client.get(f"{target.url}/get")
    monkeypatch.setenv(name, microsocks.url(scheme="socks5h"))
    async with face.client(timeout=20) as client:
        response = await client.get(f"{target.url}/get")
        assert response.status_code == 200


# -- what real servers do not do ---------------------------------------------------------------------------------


async def test_socks4a_leaves_the_name_to_the_proxy(
    face: Any, scripted: ScriptedServerFactory, target: Origin, trust: Any
) -> None:
    def serve(connection: ScriptedConnection, _: int) -> None:
        head = connection.read_exactly(8)
        assert head[:2] == b"\x04\x01"
        assert head[4:7] == b"\0\0\0"
        assert head[7] != 0
        users.append(connection.read_until(b"\0")[:-1])
        names.append(connection.read_until(b"\0")[:-1].decode())
        relay(connection, names[-1], int.from_bytes(head[2:4], "big"), b"\0\x5a" + bytes(6))

    users: list[bytes] = []
    names: list[str] = []
    table = Table()
    proxy = scripted(serve)
    async with face.client(proxies=f"socks4a://alice@127.0.0.1:{proxy.port}", resolver=table, **trust) as client:
        response = await client.get(f"http://localhost:{target.port}/get")
        assert response.status_code == 200
        response = await client.get(f"{target.https_url}/get")
        assert (response.status_code, response.http_version) == (200, "HTTP/2")
    assert (users, names, table.asked) == ([b"alice"] * 2, ["localhost"] * 2, [])


@pytest.mark.parametrize("scheme", ["socks4a", "socks5h"])
@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
        b"\xff" * 100_000,
        b"\x05\x00\x05\x00\x00\x01" + bytes(6) + OK,
        b"\x00\x5a" + bytes(6) + OK,
        b"\x05",
        b"",
    ],
    ids=["HTTP", "noise", "too early", "SOCKS4 too early", "cut short", "nothing"],
)
async def test_garbage_of_a_proxy_is_a_proxy_error(
    face: Any, scripted: ScriptedServerFactory, scheme: str, said: bytes
) -> None:
    def serve(connection: ScriptedConnection, _: int) -> None:
        connection.recv()
        connection.sendall(said)

    proxy = scripted(serve, repeat=True)
    async with face.client(proxies=f"{scheme}://alice@127.0.0.1:{proxy.port}", timeout=20) as client:
        with pytest.raises(hyperhttp.ProxyError) as caught:
            await client.get("http://example.com/")
        assert client.raw.get_pool_stats() == {}
    assert "alice" not in str(caught.value)
    assert f"127.0.0.1:{proxy.port}" in str(caught.value)
    assert (caught.value.host, caught.value.port) == ("127.0.0.1", proxy.port)


async def test_a_wrong_password_is_tried_neither_with_every_address_nor_again(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def serve(connection: ScriptedConnection, _: int) -> None:
        connection.recv()
        connection.sendall(b"\x05\x02")
        connection.recv()
        connection.sendall(b"\x01\x01")

    proxy: ScriptedServer = scripted(serve)
    table = Table(many_test=["127.0.0.1", "127.0.0.2", "127.0.0.3"])
    url = f"socks5://{CREDENTIALS}@127.0.0.1:{proxy.port}"
    async with face.client(proxies=url, resolver=table, retry=3, timeout=20) as client:
        with pytest.raises(hyperhttp.ProxyError, match="does not accept this user name and password"):
            await client.get("http://many.test/")
    assert len(proxy.connections) == 1


async def test_a_proxy_that_says_nothing_runs_into_the_timeout(face: Any, scripted: ScriptedServerFactory) -> None:
    def serve(connection: ScriptedConnection, _: int) -> None:
        connection.recv()
        connection.wait_for_eof(10)

    proxy = scripted(serve)
    timeout = hyperhttp.Timeout(20, connect=0.2)
    async with face.client(proxies=f"socks5h://127.0.0.1:{proxy.port}", timeout=timeout) as client:
        with pytest.raises(hyperhttp.ConnectTimeout):
            await client.get("http://example.com/")


@pytest.mark.parametrize("scheme", ["socks4", "socks4a", "socks5", "socks5h"])
@pytest.mark.parametrize("where", ["client", "call", "environment"])
async def test_without_the_plugin_the_error_says_what_to_install(
    face: Any, monkeypatch: pytest.MonkeyPatch, scheme: str, where: str
) -> None:
    url = f"{scheme}://alice:hunter2@127.0.0.1:1"
    if where == "environment":
        monkeypatch.setenv("ALL_PROXY", url)

    async def ask() -> None:
        async with face.client(plugins=[], **({"proxies": url} if where == "client" else {})) as client:
            await client.get("http://127.0.0.1:1/", **({"proxy": url} if where == "call" else {}))

    with pytest.raises(hyperhttp.ProxyError, match=r"pip install 'hyperhttp\[socks\]'") as caught:
        await ask()
    assert "hunter2" not in str(caught.value)
