"""A target and a TLS name of a request's own, on the wire and in the handshake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.testing.tls import shared_authority
from tests.behaviour.proxies.conftest import relay

if TYPE_CHECKING:
    import ssl

FINE = b"HTTP/1.1 204 No Content\r\n\r\n"


class Named:
    """A server with one certificate, for ``app.example`` alone, that notes which names it is asked for."""

    def __init__(self, factory: Any, tmp_path: Any, **options: Any) -> None:
        self.names: list[str | None] = []
        context = shared_authority().server_context(names=["app.example"], **options)
        context.sni_callback = self._note
        self.server = factory([FINE], repeat=True, tls=context)
        self.url = self.server.url.replace("localhost", "127.0.0.1")
        self.ca = str(shared_authority().write_pem(tmp_path / "ca.pem"))

    def _note(self, _: ssl.SSLSocket, name: str | None, __: ssl.SSLContext) -> None:
        self.names.append(name)


@pytest.fixture
def named(hyperhttp_scripted_server: Any, tmp_path: Any) -> Named:
    return Named(hyperhttp_scripted_server, tmp_path)


# -- sni_hostname ---------------------------------------------------------------------------------------------------


async def test_the_server_is_asked_for_and_verified_by_the_name(face: Any, named: Named) -> None:
    async with face.client(verify=named.ca) as client:
        with pytest.raises(hyperhttp.TLSError, match=r"not for '127\.0\.0\.1'"):
            await client.get(named.url)
        response = await client.get(named.url, extensions={"sni_hostname": "app.example"})
    assert response.status_code == 204
    assert named.names == [None, "app.example"]
    assert f"Host: {named.url.removeprefix('https://').rstrip('/')}".encode() in named.server.requests[0]


async def test_a_certificate_that_is_not_for_the_name_is_refused(face: Any, named: Named) -> None:
    async with face.client(verify=named.ca) as client:
        with pytest.raises(hyperhttp.TLSError, match=r"not for 'other\.example'"):
            await client.get(named.url, extensions={"sni_hostname": "other.example"})
    assert named.names == ["other.example"]


async def test_a_connection_under_one_name_serves_no_request_for_another(face: Any, named: Named) -> None:
    async with face.client(verify=named.ca) as client:
        for _ in range(2):
            await client.get(named.url, extensions={"sni_hostname": "app.example"})
        assert named.names == ["app.example"], "the second was sent over the same connection"
        with pytest.raises(hyperhttp.TLSError):
            await client.get(named.url)
        with pytest.raises(hyperhttp.TLSError):
            await client.get(named.url, extensions={"sni_hostname": "other.example"})
    assert len(named.server.requests) == 2


async def test_behind_a_proxy_it_is_the_name_of_the_origin(
    face: Any, named: Named, hyperhttp_scripted_server: Any
) -> None:
    def tunnel(connection: Any, _: int) -> None:
        connection.read_request()
        relay(connection, "127.0.0.1", named.server.port, b"HTTP/1.1 200 OK\r\n\r\n")

    proxy = hyperhttp_scripted_server(tunnel)
    async with face.client(verify=named.ca, proxies=proxy.url) as client:
        response = await client.get(named.url, extensions={"sni_hostname": "app.example"})
    assert response.status_code == 204
    assert named.names == ["app.example"]


async def test_over_http2_too(face: Any, hyperhttp_http2_origin: Any) -> None:
    url = hyperhttp_http2_origin.https_url.replace("localhost", "127.0.0.1") + "/get"
    async with face.client(verify=hyperhttp_http2_origin.ca_pem) as client:
        response = await client.get(url, extensions={"sni_hostname": "localhost"})
        assert response.http_version == "HTTP/2"
        with pytest.raises(hyperhttp.TLSError, match=r"not for 'other\.example'"):
            await client.get(url, extensions={"sni_hostname": "other.example"})


async def test_without_tls_the_name_is_nobodys(face: Any, origin: Any) -> None:
    async with face.client() as client:
        response = await client.get(f"{origin.url}/get", extensions={"sni_hostname": "app.example"}, stream=False)
        await client.get(f"{origin.url}/get", stream=False)
        assert client.raw.get_pool_stats()[f"127.0.0.1:{origin.port}"]["total"] == 1
    assert response.status_code == 200


async def test_a_redirect_to_another_host_is_verified_by_its_own_name(
    face: Any, named: Named, hyperhttp_scripted_server: Any
) -> None:
    moved = f"HTTP/1.1 302 Found\r\nLocation: {named.url}\r\nContent-Length: 0\r\n\r\n".encode()
    first = hyperhttp_scripted_server([moved], tls=True)
    async with face.client(verify=named.ca, follow_redirects=True) as client:
        with pytest.raises(hyperhttp.TLSError, match=r"not for '127\.0\.0\.1'"):
            await client.get(first.url, extensions={"sni_hostname": "localhost"})


# -- target ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", "/%7euser?raw=|"), ("OPTIONS", b"*"), ("GET", "http://elsewhere.example/x"), ("GET", "../up")],
)
async def test_the_target_is_sent_as_it_is(
    face: Any, hyperhttp_scripted_server: Any, method: str, target: str | bytes
) -> None:
    server = hyperhttp_scripted_server([FINE])
    async with face.client() as client:
        await client.request(method, f"{server.url}/path", extensions={"target": target})
    text = target if isinstance(target, str) else target.decode()
    assert server.requests[0].startswith(f"{method} {text} HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n".encode())


async def test_over_http2_the_target_is_a_path(face: Any, hyperhttp_http2_origin: Any) -> None:
    url = f"{hyperhttp_http2_origin.https_url}/get"
    async with face.client(verify=hyperhttp_http2_origin.ca_pem) as client:
        response = await client.get(url, extensions={"target": "/anything/raw?x"})
        assert (await client.json(response))["url"].endswith("/anything/raw?x")
        with pytest.raises(hyperhttp.LocalProtocolError, match="over HTTP/2"):
            await client.get(url, extensions={"target": "http://elsewhere.example/"})
        assert (await client.get(url)).status_code == 200, "the connection is as it was"


@pytest.mark.parametrize("target", ["/a b", "/a\r\nX: y", "", "/#fragment", 1])
async def test_a_target_that_would_break_the_request_is_refused(face: Any, origin: Any, target: Any) -> None:
    before = len(origin.requests)
    async with face.client() as client:
        with pytest.raises(hyperhttp.LocalProtocolError, match="target"):
            await client.get(f"{origin.url}/get", extensions={"target": target})
    assert len(origin.requests) == before


async def test_a_proxy_that_forwards_gets_the_target_behind_the_host(face: Any, hyperhttp_scripted_server: Any) -> None:
    proxy = hyperhttp_scripted_server([FINE], repeat=True)
    async with face.client(proxies=proxy.url) as client:
        await client.get("http://far.example/path", extensions={"target": "/raw|"})
        await client.request("OPTIONS", "http://far.example/path", extensions={"target": "*"})
        with pytest.raises(hyperhttp.LocalProtocolError, match="begins with a slash"):
            await client.get("http://far.example/", extensions={"target": "http://internal.example/"})
    lines = [request.partition(b"\r\n")[0] for request in proxy.requests]
    assert lines == [b"GET http://far.example/raw| HTTP/1.1", b"OPTIONS http://far.example HTTP/1.1"]


async def test_digest_signs_the_target_that_is_sent(face: Any, hyperhttp_scripted_server: Any) -> None:
    asks = b'HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\nContent-Length: 0\r\n\r\n'
    server = hyperhttp_scripted_server([asks, FINE])
    async with face.client(auth=hyperhttp.DigestAuth("user", "secret")) as client:
        await client.get(f"{server.url}/path", extensions={"target": "/raw"})
    assert b'uri="/raw"' in server.requests[1]


async def test_a_redirect_goes_where_it_says(face: Any, hyperhttp_scripted_server: Any) -> None:
    server = hyperhttp_scripted_server([b"HTTP/1.1 302 Found\r\nLocation: /next\r\nContent-Length: 0\r\n\r\n", FINE])
    async with face.client(follow_redirects=True) as client:
        await client.get(f"{server.url}/path", extensions={"target": "/raw"})
    assert [request.split(b" ")[1] for request in server.requests] == [b"/raw", b"/next"]
