"""Every way from a client to a target through proxies of others: squid, with TLS and without, and tinyproxy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from tests.behaviour.http2.counterparts.conftest import free_ports
from tests.behaviour.proxies.conftest import CREDENTIALS, heads, tap

if TYPE_CHECKING:
    from hyperhttp.testing import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory
    from tests.behaviour.proxies.conftest import ProxyServer

pytestmark = [pytest.mark.usefixtures("no_leaks"), pytest.mark.needs("squid", "tinyproxy")]

#: The proxies: the fixture, the port, the scheme of its URL.
WAYS = [
    pytest.param(("squid", "open", "http"), id="squid"),
    pytest.param(("squid", "tls", "https"), id="squid-tls"),
    pytest.param(("tinyproxy", "open", "http"), id="tinyproxy"),
]


@pytest.fixture
def proxy_url(request: pytest.FixtureRequest) -> str:
    """The URL of one of the proxies."""
    fixture, port, scheme = request.param
    server: ProxyServer = request.getfixturevalue(fixture)
    return server.url(port, scheme=scheme)


def free_port() -> int:
    (port,) = free_ports(1)
    return port


@pytest.mark.parametrize("proxy_url", WAYS, indirect=True)
@pytest.mark.parametrize(("tls", "version"), [(False, "HTTP/1.1"), (True, "HTTP/2")], ids=["http", "https"])
async def test_every_row_of_the_table(
    face: Any, target: Origin, trust: Any, proxy_url: str, tls: bool, version: str
) -> None:
    url = target.https_url if tls else target.url
    async with face.client(proxies=proxy_url, **trust) as client:
        # First what cannot be sent twice: tinyproxy closes after each answer without saying so.
        response = await client.post(f"{url}/anything?q=1", content=face.pieces(b"a" * 50_000, b"b" * 50_000))
        assert (await client.json(response))["data"] == "a" * 50_000 + "b" * 50_000
        response = await client.get(f"{url}/bytes/200000")
        assert (response.status_code, response.http_version) == (200, version)
        assert len(await client.read(response)) == 200_000
        assert (await client.head(f"{url}/get")).status_code == 200
    assert [request.target for request in target.requests] == ["/anything?q=1", "/bytes/200000", "/get"]
    assert {"via" in request.headers for request in target.requests} == {not tls}, "who forwards says so"


@pytest.mark.parametrize("proxy_url", WAYS, indirect=True)
async def test_a_tunnel_is_kept_and_used_again(face: Any, target: Origin, trust: Any, proxy_url: str) -> None:
    async with face.client(proxies=proxy_url, **trust) as client:
        for _ in range(3):
            response = await client.get(f"{target.https_url}/get", http2=False)
            assert response.http_version == "HTTP/1.1"
            await client.read(response)
        assert [row["total"] for row in client.raw.get_pool_stats().values()] == [1]
    assert len({request.client for request in target.requests}) == 1


async def test_requests_for_http_are_in_absolute_form(
    face: Any, squid: ProxyServer, target: Origin, scripted: ScriptedServerFactory
) -> None:
    wire = scripted(tap(squid.ports["open"]))
    async with face.client(proxies=wire.url, timeout=20) as client:
        await client.read(await client.get(f"{target.url}/get?q=1#part"))
        await client.read(await client.get(f"{target.url}/get"))
    first, second = heads(wire.connections[0])
    authority = target.url.removeprefix("http://")
    assert first.startswith(f"get {target.url}/get?q=1 http/1.1\r\nhost: {authority}\r\n")
    assert second.startswith(f"get {target.url}/get http/1.1\r\n")
    assert len(wire.connections) == 1, "the connection to the proxy is kept"


async def test_requests_for_https_begin_with_connect(
    face: Any, squid: ProxyServer, target: Origin, trust: Any, scripted: ScriptedServerFactory
) -> None:
    wire = scripted(tap(squid.ports["open"]))
    async with face.client(proxies=wire.url, headers={"X-Key": "k", "User-Agent": "me"}, **trust) as client:
        await client.read(await client.get(f"{target.https_url}/get"))
    (head,) = heads(wire.connections[0])
    authority = target.https_url.removeprefix("https://")
    assert head == f"connect {authority} http/1.1\r\nhost: {authority}", "what is for the target is not for the proxy"


async def test_the_proxy_of_one_scheme_serves_no_other(
    face: Any, squid: ProxyServer, target: Origin, trust: Any
) -> None:
    dead = f"http://127.0.0.1:{free_port()}"
    async with face.client(proxies={"http": squid.url(), "https": None}, **trust) as client:
        await client.get(f"{target.url}/get")
        await client.get(f"{target.https_url}/get")
    assert ["via" in request.headers for request in target.requests] == [True, False]
    async with face.client(proxies={"http": dead, "https": squid.url()}, **trust) as client:
        assert (await client.get(f"{target.https_url}/get")).status_code == 200
        with pytest.raises(hyperhttp.ConnectError):
            await client.get(f"{target.url}/get")


async def test_plain_http_through_a_proxy_is_http1_whatever_was_asked_for(
    face: Any, squid: ProxyServer, target: Origin
) -> None:
    async with face.client(http2="prior-knowledge", timeout=20) as client:
        response = await client.get(f"{target.url}/get", proxy=squid.url())
        assert (response.status_code, response.http_version) == (200, "HTTP/1.1")
        response = await client.get(f"{target.url}/get")
        assert (response.status_code, response.http_version) == (200, "HTTP/2")


# -- refusals ----------------------------------------------------------------------------------------------------


async def test_what_a_proxy_forbids(face: Any, squid: ProxyServer) -> None:
    async with face.client(proxies=squid.url(), timeout=20) as client:
        response = await client.get("http://forbidden.test/")
        assert response.status_code == 403, "it answers in the target's place"
        with pytest.raises(hyperhttp.ProxyError, match=r"refused the tunnel to forbidden\.test:443: 403") as caught:
            await client.get("https://forbidden.test/")
        assert caught.value.phase == "tunnel"


@pytest.mark.parametrize("proxy_url", WAYS, indirect=True)
async def test_a_target_nobody_listens_at(face: Any, trust: Any, proxy_url: str) -> None:
    where = f"127.0.0.1:{free_port()}"
    async with face.client(proxies=proxy_url, **trust) as client:
        response = await client.get(f"http://{where}/")
        assert response.status_code in (500, 502, 503)
        with pytest.raises(hyperhttp.ProxyError, match=f"refused the tunnel to {where}: 50"):
            await client.get(f"https://{where}/")
        assert all(row["in_use"] == 0 for row in client.raw.get_pool_stats().values())


@pytest.mark.parametrize("path", ["/get", "https"])
async def test_a_proxy_nobody_listens_at(face: Any, target: Origin, trust: Any, path: str) -> None:
    url = target.https_url if path == "https" else target.url + path
    port = free_port()
    async with face.client(proxies=f"http://{CREDENTIALS}@127.0.0.1:{port}", **trust) as client:
        with pytest.raises(hyperhttp.ConnectError, match=str(port)) as caught:
            await client.get(url)
    assert "s3cret" not in str(caught.value)
    assert target.requests == []


# -- TLS ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_a_proxy_whose_certificate_nobody_vouches_for_hears_nothing(
    face: Any, squid: ProxyServer, target: Origin, tls: bool
) -> None:
    url = target.https_url if tls else target.url
    async with face.client(
        proxies=squid.url("tls_basic", CREDENTIALS, "https"), verify=target.ca_pem, timeout=20
    ) as client:
        with pytest.raises(hyperhttp.TLSError):
            await client.get(f"{url}/get")
    assert target.requests == []


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_the_name_of_a_proxy_is_checked(
    face: Any, squid: ProxyServer, target: Origin, trust: Any, tls: bool
) -> None:
    url = target.https_url if tls else target.url
    async with face.client(proxies=f"https://127.0.0.1:{squid.ports['tls']}", **trust) as client:
        with pytest.raises(hyperhttp.TLSError):
            await client.get(f"{url}/get")
    assert target.requests == []


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_the_targets_certificate_is_checked_inside_the_tunnel(
    face: Any, squid: ProxyServer, target: Origin, proxy_authority: Any, tmp_path: Any, scheme: str
) -> None:
    only = tmp_path / "only-the-proxy.pem"
    only.write_bytes(proxy_authority.cert_pem.bytes())
    url = squid.url("tls" if scheme == "https" else "open", scheme=scheme)
    async with face.client(proxies=url, verify=str(only), timeout=20) as client:
        with pytest.raises(hyperhttp.TLSError):
            await client.get(f"{target.https_url}/get")
    assert target.requests == []


async def test_verify_false_is_for_both(face: Any, squid: ProxyServer, target: Origin) -> None:
    async with face.client(proxies=f"https://127.0.0.1:{squid.ports['tls']}", verify=False, timeout=20) as client:
        response = await client.get(f"{target.https_url}/get")
        assert (response.status_code, response.http_version) == (200, "HTTP/2")


# -- per request, per environment --------------------------------------------------------------------------------


async def test_the_proxy_of_a_call(face: Any, squid: ProxyServer, tinyproxy: ProxyServer, target: Origin) -> None:
    async with face.client(proxies=squid.url(), timeout=20) as client:
        await client.read(await client.get(f"{target.url}/get"))
        await client.read(await client.get(f"{target.url}/get", proxy=tinyproxy.url()))
        await client.read(await client.get(f"{target.url}/get", proxy=None))
        await client.read(await client.get(f"{target.url}/get"))
    passed = [request.headers.get("via", "nobody") for request in target.requests]
    assert ["squid" in via for via in passed] == [True, False, False, True]
    assert ["tinyproxy" in via for via in passed] == [False, True, False, False]


async def test_the_environment_chooses_by_scheme(
    face: Any, squid: ProxyServer, target: Origin, trust: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", squid.url("basic", CREDENTIALS))
    monkeypatch.setenv("HTTPS_PROXY", squid.url("tls", scheme="https"))
    async with face.client(**trust) as client:
        assert (await client.get(f"{target.url}/get")).status_code == 200
        response = await client.get(f"{target.https_url}/get")
        assert (response.status_code, response.http_version) == (200, "HTTP/2")
    assert ["via" in request.headers for request in target.requests] == [True, False]


async def test_each_hop_of_a_redirect_finds_its_own_proxy(
    face: Any, squid: ProxyServer, target: Origin, other_target: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    other_target.clear()
    monkeypatch.setenv("http_proxy", squid.url())
    monkeypatch.setenv("no_proxy", f"127.0.0.1:{other_target.port}")
    async with face.client(follow_redirects=True, timeout=20) as client:
        response = await client.get(f"{target.url}/redirect-to", params={"url": f"{other_target.url}/get"})
        assert (response.status_code, str(response.url)) == (200, f"{other_target.url}/get")
    assert "via" in target.requests[0].headers
    assert "via" not in other_target.requests[0].headers
