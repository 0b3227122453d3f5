"""Credentials for proxies: to the proxy they are for, and to nobody else; looked at on the wire."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from tests.behaviour.proxies.conftest import CREDENTIALS, heads, tap

if TYPE_CHECKING:
    from hyperhttp.testing import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory
    from tests.behaviour.proxies.conftest import ProxyServer

pytestmark = [pytest.mark.usefixtures("no_leaks"), pytest.mark.needs("squid", "tinyproxy")]

BASIC = f"proxy-authorization: basic {base64.b64encode(CREDENTIALS.encode()).decode().lower()}"

WAYS = [
    pytest.param(("squid", "basic", "http"), id="squid"),
    pytest.param(("squid", "tls_basic", "https"), id="squid-tls"),
    pytest.param(("tinyproxy", "basic", "http"), id="tinyproxy"),
]


@pytest.fixture
def proxy(request: pytest.FixtureRequest) -> Any:
    """Makes the URL of one of the proxies with some credentials."""
    fixture, port, scheme = request.param
    server: ProxyServer = request.getfixturevalue(fixture)
    return lambda credentials: server.url(port, credentials, scheme)


def show_no_secret(error: BaseException) -> None:
    text = f"{error} {error!r} {error.__cause__!r}"
    assert not any(secret in text for secret in ("s3cret", "wrong", BASIC.rpartition(" ")[2]))


@pytest.mark.parametrize("proxy", WAYS, indirect=True)
async def test_basic_is_sent_unasked(face: Any, target: Origin, trust: Any, proxy: Any) -> None:
    async with face.client(proxies=proxy(CREDENTIALS), **trust) as client:
        response = await client.get(f"{target.url}/get")
        assert response.status_code == 200
        response = await client.get(f"{target.https_url}/get")
        assert (response.status_code, response.http_version) == (200, "HTTP/2")
        assert "s3cret" not in f"{client.raw!r} {response.request.headers!r} {response.headers!r}"
    for request in target.requests:
        assert "proxy-authorization" not in request.headers
        assert "authorization" not in request.headers


@pytest.mark.parametrize("proxy", WAYS, indirect=True)
@pytest.mark.parametrize("credentials", ["", "alice:wrong"], ids=["none", "wrong"])
async def test_a_407_is_a_response_or_a_proxy_error(
    face: Any, target: Origin, trust: Any, proxy: Any, credentials: str
) -> None:
    async with face.client(proxies=proxy(credentials), **trust) as client:
        response = await client.get(f"{target.url}/get")
        assert response.status_code in (401, 407)  # the first is what some versions of tinyproxy say to wrong ones
        await client.read(response)
        with pytest.raises(hyperhttp.ProxyError, match=r"refused the tunnel .*: 40[17]") as caught:
            await client.get(f"{target.https_url}/get")
        assert all(row["in_use"] == 0 for row in client.raw.get_pool_stats().values())
    show_no_secret(caught.value)
    assert target.requests == []


async def test_for_http_they_are_on_each_request_to_the_proxy(
    face: Any, squid: ProxyServer, target: Origin, scripted: ScriptedServerFactory
) -> None:
    wire = scripted(tap(squid.ports["basic"]))
    async with face.client(proxies=wire.url.replace("//", f"//{CREDENTIALS}@"), timeout=20) as client:
        for path in ("/get", "/bytes/10"):
            await client.read(await client.get(target.url + path))
    assert [head.count(BASIC) for head in heads(wire.connections[0])] == [1, 1]
    assert "s3cret" not in bytes(wire.connections[0].received).decode(), "what is sent is the field, not the URL"


@pytest.mark.parametrize("tls", [False, True], ids=["proxy", "TLS proxy"])
async def test_for_https_they_are_on_connect_alone(
    face: Any, squid: ProxyServer, target: Origin, trust: Any, scripted: ScriptedServerFactory, tls: bool
) -> None:
    wire = scripted(tap(squid.ports["basic"]), tls=tls)
    async with face.client(proxies=wire.url.replace("//", f"//{CREDENTIALS}@"), **trust) as client:
        for http2 in (True, False):
            response = await client.get(f"{target.https_url}/get", http2=http2)
            assert response.status_code == 200
    assert len(wire.connections) == 2
    for connection in wire.connections:
        (head,) = heads(connection)
        assert head.startswith("connect ")
        assert head.count(BASIC) == 1
    assert {"proxy-authorization" in request.headers for request in target.requests} == {False}


async def test_a_redirect_from_http_to_https_carries_none_into_the_tunnel(
    face: Any, squid: ProxyServer, target: Origin, trust: Any
) -> None:
    url = squid.url("basic", CREDENTIALS)
    async with face.client(proxies=url, follow_redirects=True, **trust) as client:
        response = await client.get(f"{target.url}/redirect-to", params={"url": f"{target.https_url}/get"})
        assert (response.status_code, str(response.url)) == (200, f"{target.https_url}/get")
        assert "proxy-authorization" not in response.request.headers
    assert {"proxy-authorization" in request.headers for request in target.requests} == {False}


async def test_a_redirect_to_a_host_without_proxy_carries_none(
    face: Any, squid: ProxyServer, target: Origin, other_target: Origin
) -> None:
    other_target.clear()
    proxies = {"all": squid.url("basic", CREDENTIALS), f"http://127.0.0.1:{other_target.port}": None}
    async with face.client(proxies=proxies, follow_redirects=True, timeout=20) as client:
        await client.get(f"{target.url}/redirect-to", params={"url": f"{other_target.url}/get"})
    assert "proxy-authorization" not in other_target.requests[0].headers


async def test_a_proxy_that_is_another_gets_its_own(
    face: Any, squid: ProxyServer, target: Origin, scripted: ScriptedServerFactory
) -> None:
    one, other = scripted(tap(squid.ports["basic"])), scripted(tap(squid.ports["open"]))
    async with face.client(proxies=one.url.replace("//", f"//{CREDENTIALS}@"), timeout=20) as client:
        await client.read(await client.get(f"{target.url}/get"))
        await client.read(await client.get(f"{target.url}/get", proxy=other.url))
        await client.read(await client.get(f"{target.url}/get", proxy=other.url.replace("//", "//bob:b@")))
    assert BASIC in heads(one.connections[0])[0]
    assert not any(BASIC in head for connection in other.connections for head in heads(connection))
    assert [head.count("proxy-authorization") for each in other.connections for head in heads(each)] == [0, 1]


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_a_connection_made_with_credentials_serves_nobody_without_them(
    face: Any, squid: ProxyServer, target: Origin, trust: Any, tls: bool
) -> None:
    url = f"{target.https_url if tls else target.url}/get"
    async with face.client(**trust) as client:

        async def status(credentials: str) -> int:
            try:
                response = await client.get(url, proxy=squid.url("basic", credentials))
            except hyperhttp.ProxyError as error:
                return 407 if ": 407" in str(error) else 0
            await client.read(response)
            code: int = response.status_code
            return code

        assert await status(CREDENTIALS) == 200
        assert [await status(other) for other in ("", "alice:wrong", "mallory:s3cret")] == [407] * 3
        assert await status(CREDENTIALS) == 200
    clients = [request.client for request in target.requests]
    assert len(clients) == 2
    if tls:
        assert len(set(clients)) == 1, "the tunnel of the first request was there for the last"


async def test_the_environment_may_hold_them(
    face: Any, squid: ProxyServer, target: Origin, trust: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", squid.url("basic", CREDENTIALS))
    async with face.client(**trust) as client:
        assert (await client.get(f"{target.url}/get")).status_code == 200
        assert (await client.get(f"{target.https_url}/get")).status_code == 200


async def test_those_of_the_target_and_of_the_proxy_are_kept_apart(
    face: Any, squid: ProxyServer, target: Origin, trust: Any
) -> None:
    async with face.client(proxies=squid.url("basic", CREDENTIALS), auth=("bob", "other"), **trust) as client:
        for url in (target.url, target.https_url):
            assert (await client.get(f"{url}/basic-auth/bob/other")).status_code == 200
    assert {"proxy-authorization" in request.headers for request in target.requests} == {False}


async def test_a_field_of_the_callers_own_never_travels_through_the_tunnel(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    proxy = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
    own = {"Proxy-Authorization": "Basic b3du"}
    async with face.client(proxies=proxy.url, headers=own, timeout=20) as client:
        with pytest.raises(hyperhttp.LocalProtocolError, match="tunnel") as caught:
            await client.get("https://example.com/")
        assert "b3du" not in f"{caught.value} {caught.value!r}"
        assert (await client.get("http://example.com/")).status_code == 200
    assert [request.lower().count(b"proxy-authorization: basic b3du") for request in proxy.requests] == [1]
