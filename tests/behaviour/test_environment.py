"""What the environment decides, and that an explicit argument always beats it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def proxy(scripted: ScriptedServerFactory) -> Any:
    """A proxy that answers every request itself."""
    return scripted([OK], repeat=True)


@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
async def test_the_environment_names_a_proxy(face: Any, proxy: Any, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, proxy.url)
    async with face.client() as client:
        assert await client.read(await client.get("http://example.com/path?q=1")) == b"ok"
        stats = client.raw.get_pool_stats()
    assert proxy.requests[0].startswith(b"GET http://example.com/path?q=1 HTTP/1.1\r\nHost: example.com\r\n")
    assert len(stats) == 1


async def test_the_environment_is_not_asked_where_it_is_not_trusted(
    face: Any, origin: Origin, proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    async with face.client(trust_env=False) as client:
        assert (await client.get(origin.url + "/get")).status_code == 200
    assert proxy.requests == []


@pytest.mark.parametrize("no_proxy", ["127.0.0.1", "127.0.0.0/8", "*", "example.com,127.0.0.1"])
async def test_no_proxy_leaves_hosts_out(
    face: Any, origin: Origin, proxy: Any, monkeypatch: pytest.MonkeyPatch, no_proxy: str
) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", no_proxy)
    async with face.client() as client:
        assert (await client.get(origin.url + "/get")).status_code == 200
    assert proxy.requests == []


async def test_an_empty_no_proxy_leaves_nobody_out(face: Any, proxy: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    monkeypatch.setenv("no_proxy", "")
    async with face.client() as client:
        await client.get("http://example.com/")
    assert len(proxy.requests) == 1


async def test_an_argument_beats_the_environment(
    face: Any, origin: Origin, proxy: Any, scripted: ScriptedServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = scripted([OK], repeat=True)
    monkeypatch.setenv("http_proxy", other.url)
    async with face.client(proxies=proxy.url) as client:
        await client.get("http://example.com/")
        assert (await client.get(origin.url + "/get", proxy=None)).status_code == 200
    async with face.client() as client:
        await client.get("http://example.com/", proxy=proxy.url)
    assert len(proxy.requests) == 2
    assert other.requests == []


async def test_an_environment_that_makes_no_sense_is_told_and_not_followed(
    face: Any, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "[::1, 10.0.0.0/99, %%, *.*.x,,, ,")
    async with face.client() as client:
        assert (await client.get(origin.url + "/get")).status_code == 200


async def test_credentials_of_a_proxy_go_to_the_proxy(face: Any, proxy: Any) -> None:
    url = proxy.url.replace("//", "//user:pass@")
    async with face.client(proxies=url) as client:
        await client.get("http://example.com/")
        assert "pass" not in repr(client.raw)
    head = proxy.requests[0].lower()
    assert b"proxy-authorization: basic dxnlcjpwyxnz\r\n" in head
    assert b"\r\nauthorization:" not in head


async def test_credentials_of_a_proxy_do_not_enter_the_tunnel(face: Any, scripted: ScriptedServerFactory) -> None:
    def handler(connection: Any, _: int) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
        from hyperhttp.testing.tls import shared_authority

        connection.start_tls(shared_authority().server_context())
        connection.read_request()
        connection.sendall(OK)

    server = scripted(handler)
    target = scripted([OK], tls=True)
    async with face.client(
        proxies=server.url.replace("//", "//user:pass@"), ssl_context=target.ssl_context(), timeout=3
    ) as client:
        assert await client.read(await client.get("https://localhost:1/inside")) == b"ok"
    outside, inside = bytes(server.connections[0].received[:300]).lower(), server.requests[0].lower()
    assert outside.startswith(b"connect localhost:1 http/1.1\r\nhost: localhost:1\r\n")
    assert b"proxy-authorization: basic" in outside
    assert inside.startswith(b"get /inside http/1.1\r\n")
    assert b"proxy-authorization" not in inside


async def test_a_proxy_that_refuses_the_tunnel_is_a_proxy_error(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"])
    async with face.client(proxies=server.url.replace("//", "//user:hunter2@"), timeout=3) as client:
        with pytest.raises(hyperhttp.ProxyError, match="407") as caught:
            await client.get("https://example.com/")
        assert "hunter2" not in str(caught.value)
        assert client.raw.get_pool_stats() == {}


async def test_bytes_after_the_answer_to_connect_are_refused(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([b"HTTP/1.1 200 Connected\r\n\r\nearly bytes", b""])
    async with face.client(proxies=server.url, timeout=3) as client:
        with pytest.raises(hyperhttp.ProxyError):
            await client.get("https://example.com/")
