"""Digest for proxies: against squid, and against scripted ones for what squid does not do."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import DigestAuth, Proxy
from hyperhttp.testing.digest import Challenge, NonceBook, parse_credentials, verify
from tests.behaviour.proxies.conftest import CREDENTIALS, PASSWORD, USER, heads, tap

if TYPE_CHECKING:
    from hyperhttp.testing import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory
    from tests.behaviour.proxies.conftest import ProxyServer

pytestmark = pytest.mark.usefixtures("no_leaks")
needs_squid = pytest.mark.needs("squid")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def demand(*challenges: str, content: bytes = b"", close: bool = False) -> bytes:
    fields = "".join(f"Proxy-Authenticate: {each}\r\n" for each in challenges)
    more = "Connection: close\r\n" if close else ""
    return (
        f"HTTP/1.1 407 Who Are You\r\n{fields}{more}Content-Length: {len(content)}\r\n\r\n".encode("latin-1") + content
    )


def digest(nonce: str = "n", **params: str) -> str:
    given = {"realm": '"proxy"', "nonce": f'"{nonce}"', "qop": '"auth"', "algorithm": "SHA-256"} | params
    return "Digest " + ", ".join(f"{name}={value}" for name, value in given.items())


def given(request: bytes) -> dict[str, str]:
    """The parameters of a request's Proxy-Authorization."""
    found = re.search(rb"\r\nProxy-Authorization: ([^\r]*)\r\n", request)
    return parse_credentials(found[1].decode()) if found else {}


def kinds(requests: list[bytes]) -> list[str]:
    return [
        found[1].decode() if (found := re.search(rb"\r\nProxy-Authorization: (\w+)", request)) else ""
        for request in requests
    ]


@pytest.fixture(params=["url", "auth"])
def make_proxy(request: pytest.FixtureRequest) -> Any:
    """Credentials in the URL, which go out as Basic first; or as DigestAuth, which go out when asked for."""
    if request.param == "url":
        return lambda url, pair=CREDENTIALS: url.replace("//", f"//{pair}@")
    return lambda url, pair=CREDENTIALS: Proxy(url, auth=DigestAuth(*pair.split(":")))


# -- squid -------------------------------------------------------------------------------------------------------


@needs_squid
@pytest.mark.parametrize("port", ["digest", "either"])
async def test_squid_is_answered(
    face: Any, squid: ProxyServer, target: Origin, trust: Any, make_proxy: Any, port: str
) -> None:
    async with face.client(proxies=make_proxy(squid.url(port)), **trust) as client:
        for _ in range(3):
            response = await client.get(f"{target.url}/get?q=1")
            assert (response.status_code, await client.read(response) != b"") == (200, True)
        response = await client.post(f"{target.url}/anything", content=b"x" * 100_000)
        assert len((await client.json(response))["data"]) == 100_000
        response = await client.get(f"{target.https_url}/get")
        assert (response.status_code, response.http_version) == (200, "HTTP/2")
        response = await client.get(f"{target.https_url}/get", http2=False)
        assert response.status_code == 200
    assert len(target.requests) == 6
    for request in target.requests:
        assert "proxy-authorization" not in request.headers
        assert "authorization" not in request.headers


@needs_squid
async def test_the_first_request_is_asked_and_the_others_need_not_be(
    face: Any, squid: ProxyServer, target: Origin, trust: Any, scripted: ScriptedServerFactory
) -> None:
    wire = scripted(tap(squid.ports["digest"]))
    async with face.client(proxies=Proxy(wire.url, auth=DigestAuth(USER, PASSWORD)), **trust) as client:
        for _ in range(2):
            await client.read(await client.get(f"{target.url}/get"))
        await client.read(await client.get(f"{target.https_url}/get"))
    seen = [head for connection in wire.connections for head in heads(connection)]
    assert [head.partition(" ")[0] for head in seen] == ["get", "get", "get", "connect"]
    assert [re.findall(r"proxy-authorization: (\w+)", head) for head in seen] == [[], *[["digest"]] * 3]
    assert [re.findall(r"nc=(\w+)", head) for head in seen[1:]] == [["00000001"], ["00000002"], ["00000003"]]
    assert f'uri="{target.url}/get"' in seen[1], "as it stands in the request line"
    assert f'uri="{target.https_url.removeprefix("https://")}"' in seen[3]


@needs_squid
@pytest.mark.parametrize("pair", ["alice:wrong", "mallory:s3cret"])
async def test_wrong_credentials_end_in_the_407(
    face: Any, squid: ProxyServer, target: Origin, trust: Any, make_proxy: Any, pair: str
) -> None:
    async with face.client(proxies=make_proxy(squid.url("digest"), pair), **trust) as client:
        response = await client.get(f"{target.url}/get")
        assert response.status_code == 407
        await client.read(response)
        with pytest.raises(hyperhttp.ProxyError, match=r"refused the tunnel .*: 407") as caught:
            await client.get(f"{target.https_url}/get")
        assert all(row["in_use"] == 0 for row in client.raw.get_pool_stats().values())
        assert "s3cret" not in f"{caught.value!r}{client.raw!r}"
        assert "wrong" not in f"{caught.value!r}{client.raw!r}"
    assert target.requests == []


@needs_squid
async def test_a_call_may_name_it(face: Any, squid: ProxyServer, target: Origin, trust: Any, make_proxy: Any) -> None:
    proxy = make_proxy(squid.url("digest"))
    async with face.client(**trust) as client:
        for url in (target.url, target.https_url):
            assert (await client.get(f"{url}/get", proxy=proxy)).status_code == 200
            response = await client.get(f"{url}/get")
            assert response.status_code == 200
    assert ["via" in request.headers for request in target.requests] == [True, False, False, False]


@needs_squid
async def test_many_at_a_time(face: Any, squid: ProxyServer, target: Origin, make_proxy: Any) -> None:
    async with face.client(proxies=make_proxy(squid.url("digest")), timeout=20) as client:
        responses = await face.together(*[client.get(f"{target.url}/get?{number}") for number in range(12)])
        assert [response.status_code for response in responses] == [200] * 12


@needs_squid
async def test_digest_for_the_proxy_and_digest_for_the_target(
    face: Any, squid: ProxyServer, target: Origin, trust: Any, make_proxy: Any
) -> None:
    auth = DigestAuth("bob", "other")
    async with face.client(proxies=make_proxy(squid.url("digest")), auth=auth, **trust) as client:
        for url in (target.url, target.https_url):
            response = await client.get(f"{url}/digest-auth/auth/bob/other")
            assert response.status_code == 200
    users = [parse_credentials(request.headers.get("authorization", "")).get("username") for request in target.requests]
    assert users == [None, "bob"] * 2


@needs_squid
async def test_a_redirect_from_a_tunnel_to_http_is_answered_too(
    face: Any, squid: ProxyServer, target: Origin, trust: Any, make_proxy: Any
) -> None:
    async with face.client(proxies=make_proxy(squid.url("digest")), follow_redirects="downgrade", **trust) as client:
        response = await client.get(f"{target.https_url}/redirect-to", params={"url": f"{target.url}/get"})
        assert (response.status_code, str(response.url)) == (200, f"{target.url}/get")


# -- what is said and when ---------------------------------------------------------------------------------------


async def test_basic_goes_first_where_the_url_holds_the_credentials(face: Any, scripted: ScriptedServerFactory) -> None:
    proxy = scripted([demand(digest()), OK, OK])
    async with face.client(proxies=proxy.url.replace("//", f"//{CREDENTIALS}@"), timeout=20) as client:
        for _ in range(2):
            assert await client.read(await client.get("http://example.com/")) == b"ok"
    assert kinds(proxy.requests) == ["Basic", "Digest", "Digest"]


async def test_the_password_is_never_sent_with_digest_auth(face: Any, scripted: ScriptedServerFactory) -> None:
    proxy = scripted([demand("Basic realm=x"), demand("Basic realm=x", digest()), OK])
    url = Proxy(proxy.url, auth=DigestAuth(USER, PASSWORD))
    async with face.client(proxies=url, timeout=20) as client:
        assert (await client.get("http://example.com/")).status_code == 407
        assert (await client.get("http://example.com/")).status_code == 200
    assert kinds(proxy.requests) == ["", "", "Digest"]


async def test_a_proxy_that_accepts_basic_is_not_asked_again(face: Any, scripted: ScriptedServerFactory) -> None:
    proxy = scripted([OK, OK])
    async with face.client(proxies=proxy.url.replace("//", f"//{CREDENTIALS}@"), timeout=20) as client:
        for _ in range(2):
            await client.read(await client.get("http://example.com/"))
    assert kinds(proxy.requests) == ["Basic", "Basic"]


@pytest.mark.parametrize("close", [False, True])
@pytest.mark.parametrize("content", [b"", b"who?" * 1000])
async def test_connect_is_answered_on_another_connection(
    face: Any, scripted: ScriptedServerFactory, make_proxy: Any, close: bool, content: bytes
) -> None:
    proxy = scripted([demand(digest(), close=close, content=content), b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n"])
    async with face.client(proxies=make_proxy(proxy.url), timeout=20) as client:
        with pytest.raises(hyperhttp.ProxyError, match="403"):
            await client.get("https://example.com/")
    assert kinds(proxy.requests)[1] == "Digest"
    assert given(proxy.requests[1])["uri"] == "example.com:443"
    assert len(proxy.connections) == 2


async def test_a_stale_nonce_is_replaced(face: Any, scripted: ScriptedServerFactory, make_proxy: Any) -> None:
    proxy = scripted([demand(digest("a")), OK, demand(digest("b", stale="true")), OK, OK])
    async with face.client(proxies=make_proxy(proxy.url), timeout=20) as client:
        for _ in range(3):
            assert await client.read(await client.get("http://example.com/")) == b"ok"
    used = [(each.get("nonce"), each.get("nc")) for each in map(given, proxy.requests)][1:]
    assert used == [("a", "00000001"), ("a", "00000002"), ("b", "00000001"), ("b", "00000002")]


@pytest.mark.parametrize("url", ["http://example.com/", "https://example.com/"])
async def test_a_proxy_that_says_stale_for_ever_is_not_asked_for_ever(
    face: Any, scripted: ScriptedServerFactory, make_proxy: Any, url: str
) -> None:
    proxy = scripted([demand(digest(stale="true"))], repeat=True)
    async with face.client(proxies=make_proxy(proxy.url), timeout=20) as client:
        if url.startswith("https"):
            with pytest.raises(hyperhttp.ProxyError, match="407"):
                await client.get(url)
        else:
            assert (await client.get(url)).status_code == 407
    assert len(proxy.requests) == 4


@pytest.mark.parametrize(
    "challenge", ["", "Digest", 'Digest realm="r"', "Negotiate", digest(algorithm="ODD"), digest(qop='"strange"')]
)
async def test_a_challenge_nobody_can_answer_is_the_answer(
    face: Any, scripted: ScriptedServerFactory, make_proxy: Any, challenge: str
) -> None:
    proxy = scripted([demand(challenge)], repeat=True)
    async with face.client(proxies=make_proxy(proxy.url), timeout=20) as client:
        response = await client.get("http://example.com/")
        assert response.status_code == 407
    assert len(proxy.requests) == 1


async def test_nextnonce_is_heeded(face: Any, scripted: ScriptedServerFactory, make_proxy: Any) -> None:
    renewed = OK.replace(b"\r\n\r\n", b'\r\nProxy-Authentication-Info: nextnonce="b"\r\n\r\n')
    proxy = scripted([demand(digest("a")), renewed, OK])
    async with face.client(proxies=make_proxy(proxy.url), timeout=20) as client:
        for _ in range(2):
            await client.read(await client.get("http://example.com/"))
    assert [given(request).get("nonce") for request in proxy.requests][1:] == ["a", "b"]


async def test_without_credentials_a_407_is_the_answer(face: Any, scripted: ScriptedServerFactory) -> None:
    proxy = scripted([demand(digest())], repeat=True)
    async with face.client(proxies=proxy.url, auth=DigestAuth(USER, PASSWORD), timeout=20) as client:
        assert (await client.get("http://example.com/")).status_code == 407
    assert kinds(proxy.requests) == [""], "credentials for the target are not for the proxy"


async def test_a_407_of_an_origin_gets_nothing(
    face: Any, scripted: ScriptedServerFactory, make_proxy: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin = scripted([demand(digest())], repeat=True)
    async with face.client(proxies={"https": make_proxy("http://127.0.0.1:1")}, timeout=20) as client:
        assert (await client.get(origin.url)).status_code == 407
    assert kinds(origin.requests) == [""]


async def test_another_proxy_learns_nothing(face: Any, scripted: ScriptedServerFactory) -> None:
    one, other = scripted([demand(digest("one")), OK]), scripted([OK, demand(digest("other")), OK])
    auth = DigestAuth(USER, PASSWORD)
    async with face.client(timeout=20) as client:
        await client.read(await client.get("http://example.com/", proxy=Proxy(one.url, auth=auth)))
        proxy = Proxy(other.url, auth=auth)
        await client.read(await client.get("http://example.com/", proxy=proxy))
        await client.read(await client.get("http://example.com/", proxy=proxy))
    assert [given(request).get("nonce") for request in one.requests] == [None, "one"]
    assert [given(request).get("nonce") for request in other.requests] == [None, None, "other"]


# -- content, hooks, attempts ------------------------------------------------------------------------------------


async def test_content_is_sent_again(face: Any, scripted: ScriptedServerFactory, make_proxy: Any) -> None:
    proxy = scripted([demand(digest()), OK])
    async with face.client(proxies=make_proxy(proxy.url), timeout=20) as client:
        assert (await client.post("http://example.com/", content=b"content")).status_code == 200
    assert [request.endswith(b"\r\n\r\ncontent") for request in proxy.requests] == [True, True]


async def test_content_that_cannot_be_sent_again_is_an_error_once(
    face: Any, scripted: ScriptedServerFactory, make_proxy: Any
) -> None:
    proxy = scripted([demand(digest()), OK])
    async with face.client(proxies=make_proxy(proxy.url), timeout=20) as client:
        with pytest.raises(hyperhttp.StreamConsumed, match="cannot be sent twice"):
            await client.post("http://example.com/", content=face.pieces(b"a", b"b"))
        response = await client.post("http://example.com/", content=face.pieces(b"a", b"b"))
        assert response.status_code == 200
    assert kinds(proxy.requests)[1] == "Digest"


@pytest.mark.parametrize("streamed", [False, True], ids=["in memory", "file"])
async def test_auth_int_covers_the_content(
    face: Any, scripted: ScriptedServerFactory, make_proxy: Any, tmp_path: Any, streamed: bool
) -> None:
    book = NonceBook()
    server = Challenge("proxy", USER, PASSWORD, algorithm="SHA-256", qop="auth-int")
    (tmp_path / "content").write_bytes(b"content")
    content = tmp_path / "content" if streamed else b"content"
    proxy = scripted([demand(server.header(book.issue())), OK])
    async with face.client(proxies=make_proxy(proxy.url), timeout=20) as client:
        assert (await client.post("http://example.com/x", content=content)).status_code == 200
    parameters, target = given(proxy.requests[1]), "http://example.com/x"
    verdict = verify(server, parameters, method="POST", target=target, body=b"content", nonces=book)
    assert verdict.problem == ""


async def test_content_that_can_be_read_once_is_never_read_for_its_hash(
    face: Any, scripted: ScriptedServerFactory, make_proxy: Any
) -> None:
    asks = demand(digest(qop='"auth-int"'))
    proxy = scripted([asks, OK, asks])
    async with face.client(proxies=make_proxy(proxy.url), timeout=20) as client:
        assert (await client.get("http://example.com/")).status_code == 200
        response = await client.post("http://example.com/", content=face.pieces(b"con", b"tent"))
        assert response.status_code == 407
    assert proxy.requests[2].endswith(b"\r\n\r\n3\r\ncon\r\n4\r\ntent\r\n0\r\n\r\n")


async def test_hooks_see_neither_the_challenge_nor_the_credentials(
    face: Any, scripted: ScriptedServerFactory, make_proxy: Any
) -> None:
    proxy = scripted([demand(digest()), OK])
    seen: list[Any] = []
    hooks = {
        "request": [lambda request: seen.append("proxy-authorization" in request.headers)],
        "response": [lambda response: seen.append(response.status_code)],
    }
    async with face.client(proxies=make_proxy(proxy.url), event_hooks=hooks, timeout=20) as client:
        response = await client.get("http://example.com/")
        assert "proxy-authorization" not in response.request.headers
        assert [(each.cause, each.status_code) for each in response.attempts] == [("authentication", 407)]
    assert seen == [False, 200]


class Before:
    """A transport in front of the network, such as a cache, that passes everything on."""

    async def send(self, request: Any) -> Any:
        raise RuntimeError("send_onward is called instead")

    async def send_onward(self, request: Any, onward: Any) -> Any:
        return await onward.send(request)

    def close(self) -> None:
        """Holds nothing."""


async def test_a_transport_before_the_network_does_not_keep_the_proxy_from_its_answer(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    proxy = scripted([demand(digest()), OK])
    url = Proxy(proxy.url, auth=DigestAuth(USER, PASSWORD))
    async with face.client(proxies=url, transport=Before(), timeout=20) as client:
        response = await client.get("http://example.com/")
        assert (response.status_code, len(response.attempts)) == (200, 1)
    assert kinds(proxy.requests) == ["", "Digest"]
