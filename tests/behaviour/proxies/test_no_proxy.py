"""NO_PROXY end to end: which requests reach the proxy, and which go straight to the host."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.network.addresses import Address

if TYPE_CHECKING:
    from hyperhttp.testing.scripted import ScriptedServer, ScriptedServerFactory

BY_PROXY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nproxy"
DIRECT = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ndirect"


class Loopback:
    """Every name is this host."""

    async def resolve(self, host: str, port: int) -> list[Address]:
        return [Address(socket.AF_INET, "127.0.0.1", port)]


FOR_PROXIES = {"Proxy-Authorization": "Basic c2VjcmV0"}


@pytest.fixture
def proxy(scripted: ScriptedServerFactory) -> ScriptedServer:
    return scripted([BY_PROXY], repeat=True)


@pytest.fixture
def host(scripted: ScriptedServerFactory) -> ScriptedServer:
    return scripted([DIRECT], repeat=True)


@pytest.mark.parametrize(
    ("no_proxy", "name", "who"),
    [
        ("api.internal", "api.internal", "direct"),
        ("API.Internal", "api.internal", "direct"),
        ("api.internal", "api.internal.", "direct"),
        ("api.internal", "x.api.internal", "proxy"),
        ("api.internal", "xapi.internal", "proxy"),
        ("api.internal", "api.internal.evil.test", "proxy"),
        (".corp", "svc.corp", "direct"),
        (".corp", "a.b.corp", "direct"),
        (".corp", "corp", "proxy"),
        (".corp", "notcorp", "proxy"),
        (".corp", "x.notcorp", "proxy"),
        ("*.corp", "svc.corp", "direct"),
        ("*.corp", "corp", "proxy"),
        ("127.0.0.1", "127.0.0.1", "direct"),
        ("127.0.0.1", "localhost", "proxy"),
        ("localhost", "127.0.0.1", "proxy"),
        ("localhost", "localhost", "direct"),
        ("127.0.0.0/8", "127.0.0.1", "direct"),
        ("127.0.0.0/30", "127.0.0.1", "direct"),
        ("127.0.0.4/30", "127.0.0.1", "proxy"),
        ("10.0.0.0/8", "11.9.8.7", "proxy"),
        ("host.local:{port}", "host.local", "direct"),
        ("host.local:1", "host.local", "proxy"),
        ("127.0.0.1:{port}", "127.0.0.1", "direct"),
        ("127.0.0.1:1", "127.0.0.1", "proxy"),
        ("*", "anything.test", "direct"),
        ("*", "127.0.0.1", "direct"),
        ("a.test, b.test ,c.test", "b.test", "direct"),
        ("a.test b.test", "b.test", "direct"),
        ("", "a.test", "proxy"),
        (",, ,", "a.test", "proxy"),
        ("xn--bcher-kva.example", "bücher.example", "direct"),
        ("bücher.example", "xn--bcher-kva.example", "direct"),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
async def test_who_is_asked(
    face: Any,
    proxy: ScriptedServer,
    host: ScriptedServer,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    no_proxy: str,
    name: str,
    who: str,
) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv(variable, no_proxy.format(port=host.port))
    async with face.client(resolver=Loopback(), timeout=20) as client:
        response = await client.get(f"http://{name}:{host.port}/")
        assert await client.text(response) == who
    assert (len(proxy.requests), len(host.requests)) == ((1, 0) if who == "proxy" else (0, 1))


@pytest.mark.parametrize("no_proxy", ["*", "127.0.0.1"])
async def test_a_proxy_by_argument_is_asked_whatever_no_proxy_says(
    face: Any, proxy: ScriptedServer, host: ScriptedServer, monkeypatch: pytest.MonkeyPatch, no_proxy: str
) -> None:
    monkeypatch.setenv("no_proxy", no_proxy)
    async with face.client(proxies=proxy.url) as client:
        assert await client.text(await client.get(host.url)) == "proxy"
    async with face.client() as client:
        assert await client.text(await client.get(host.url, proxy=proxy.url)) == "proxy"


async def test_https_is_excepted_too(
    face: Any, proxy: ScriptedServer, scripted: ScriptedServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure = scripted([DIRECT], repeat=True, tls=True)
    monkeypatch.setenv("https_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "localhost")
    async with face.client(ssl_context=secure.ssl_context()) as client:
        assert await client.text(await client.get(secure.url)) == "direct"
    assert proxy.requests == []


async def test_an_ipv6_address_and_its_zone(face: Any, proxy: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A zone is no part of a name, so it matches no suffix (CVE-2025-22870)."""
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", ".corp")
    async with face.client() as client:
        assert await client.text(await client.get("http://[::1%25x.corp]/")) == "proxy"
        assert await client.text(await client.get("http://[::1]:8080/")) == "proxy"
    lines = [request.split(b"\r\n")[0] for request in proxy.requests]
    assert lines == [b"GET http://[::1]/ HTTP/1.1", b"GET http://[::1]:8080/ HTTP/1.1"]


@pytest.mark.parametrize("by", ["NO_PROXY", "proxies=", "proxy=None"])
async def test_credentials_of_the_client_for_its_proxies_do_not_go_straight_to_an_origin(
    face: Any, proxy: ScriptedServer, host: ScriptedServer, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    monkeypatch.setenv("NO_PROXY" if by == "NO_PROXY" else "OTHER", "127.0.0.1")
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    settings: dict[str, Any] = {"proxies": {"all": proxy.url, "http://127.0.0.1": None}} if by == "proxies=" else {}
    call: dict[str, Any] = {"proxy": None} if by == "proxy=None" else {}
    async with face.client(headers=FOR_PROXIES, **settings) as client:
        for _ in range(2):
            assert await client.text(await client.get(host.url, **call)) == "direct"
        assert await client.text(await client.get("http://app.test/")) == "proxy"
        request = client.raw.build_request("GET", host.url)
        await client.send(request, **call)
        assert "proxy-authorization" in request.headers, "the caller's own is left as it is"
    assert [b"Basic c2VjcmV0" in each for each in host.requests] == [False] * 3
    assert [b"Basic c2VjcmV0" in each for each in proxy.requests] == [True]


async def test_credentials_that_were_given_for_a_request_are_sent_with_it(
    face: Any, proxy: ScriptedServer, host: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    async with face.client() as client:
        await client.get(host.url, headers=FOR_PROXIES)
    monkeypatch.delenv("HTTP_PROXY")
    async with face.client(headers=FOR_PROXIES) as client:  # has no proxy that they could be for
        await client.get(host.url)
    assert [b"Basic c2VjcmV0" in each for each in host.requests] == [True, True]
