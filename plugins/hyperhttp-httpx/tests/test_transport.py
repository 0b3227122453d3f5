"""The transports over real sockets, in the manner of the packages' own tests of theirs."""

import asyncio
import gzip
import io
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import hyperhttp
from hyperhttp.plugins import Address
from hyperhttp.testing import ReadRequest, Reply, Reset, Stall
from hyperhttp.testing.tls import shared_authority
from hyperhttp_httpx import HyperTransport, SyncHyperTransport

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize("version", ["HTTP/1.1", "HTTP/2"])
async def test_a_response_is_the_peers_with_status_version_fields_and_content(side, origin, version):
    base = origin.https_url if version == "HTTP/2" else origin.url
    async with side.client(verify=origin.ssl_context()) as client:
        response = await client.get(f"{base}/get?a=1")

    assert type(response) is side.peer.Response
    assert (response.status_code, response.reason_phrase, response.http_version) == (200, "OK", version)
    assert response.json()["args"] == {"a": "1"}
    assert response.headers["content-type"] == "application/json"
    assert response.elapsed.total_seconds() > 0
    assert isinstance(response.extensions["hyperhttp"], hyperhttp.Response)


async def test_http2_can_be_left_out_and_spoken_unasked(side, origin):
    async with side.client(verify=origin.ssl_context(), http2=False) as client:
        assert (await client.get(f"{origin.https_url}/get")).http_version == "HTTP/1.1"
    async with side.client(http1=False) as client:
        assert (await client.get(f"{origin.url}/get")).http_version == "HTTP/2"


def test_a_transport_is_of_the_peers_base_class(side):
    base = side.peer.AsyncBaseTransport if side.is_async else side.peer.BaseTransport

    assert isinstance(side.transport(), base)


async def test_one_transport_serves_both_packages(origin):
    import httpx
    import httpx2

    async with HyperTransport() as transport:
        for package in (httpx, httpx2):
            response = await transport.handle_async_request(package.Request("GET", f"{origin.url}/get"))
            assert type(response) is package.Response
            assert b"origin" in await response.aread()


async def test_requests_go_out_with_their_fields_in_their_order_and_spelling(side, hyperhttp_scripted_server):
    server = hyperhttp_scripted_server([OK])
    fields = [("X-Zebra", "1"), ("x-ANT", "2"), ("X-Zebra", "3"), ("User-Agent", "mine")]
    async with side.client() as client:
        await client.get(f"{server.url}/a%2Fb?q=%20x", headers=fields)

    lines = server.requests[0].decode().split("\r\n")
    assert lines[0] == "GET /a%2Fb?q=%20x HTTP/1.1"
    assert lines[1] == f"Host: 127.0.0.1:{server.port}"
    own = [line for line in lines if line.startswith(("X-Zebra", "x-ANT", "User-Agent"))]
    assert [line for line in own if line[0] in "xX"] == ["X-Zebra: 1", "x-ANT: 2", "X-Zebra: 3"]
    assert "User-Agent: mine" in own
    assert sum(line.lower().startswith(("user-agent", "accept:", "accept-encoding")) for line in lines) == 3


async def test_responses_come_in_with_their_fields_in_their_order_and_spelling(side, hyperhttp_scripted_server):
    server = hyperhttp_scripted_server(
        [b"HTTP/1.1 299 Quite Fine\r\nX-b: 1\r\nx-A: 2\r\nX-b: 3\r\nContent-Length: 0\r\n\r\n"]
    )
    async with side.client() as client:
        response = await client.get(server.url)

    assert response.headers.raw == [(b"X-b", b"1"), (b"x-A", b"2"), (b"X-b", b"3"), (b"Content-Length", b"0")]
    assert (response.status_code, response.reason_phrase) == (299, "Quite Fine")


@pytest.mark.parametrize("secure", [False, True], ids=["http1", "http2"])
@pytest.mark.parametrize("kind", ["bytes", "pieces", "json", "form", "multipart", "nothing"])
async def test_content_of_every_kind_arrives(side, origin, secure, kind):
    pieces = [bytes([65 + number % 26]) * 10_000 for number in range(30)]
    options = {
        "bytes": {"content": b"".join(pieces)},
        "pieces": {"content": side.upload(*pieces)},
        "json": {"json": {"a": [1, 2]}},
        "form": {"data": {"a": "1"}},
        "multipart": {"data": {"a": "1"}, "files": {"f": ("name.txt", io.BytesIO(b"file"))}},
        "nothing": {},
    }[kind]
    async with side.client(verify=origin.ssl_context()) as client:
        got = (await client.post(f"{origin.https_url if secure else origin.url}/anything", **options)).json()

    if kind in ("bytes", "pieces"):
        assert got["data"] == b"".join(pieces).decode()
    elif kind == "json":
        assert got["json"] == {"a": [1, 2]}
    else:
        assert got["form"] == ({} if kind == "nothing" else {"a": "1"})
        assert got["files"] == ({"f": "file"} if kind == "multipart" else {})
    headers = got["headers"]
    assert ("Transfer-Encoding" in headers) == (kind == "pieces" and not secure)
    assert ("Content-Length" in headers) == (kind != "pieces")


async def test_content_of_a_length_that_was_said_is_not_chunked(side, origin):
    async with side.client() as client:
        response = await client.post(
            f"{origin.url}/anything", content=side.upload(b"ab", b"c"), headers={"Content-Length": "3"}
        )

    assert response.json()["data"] == "abc"
    assert "Transfer-Encoding" not in response.json()["headers"]


async def test_what_producing_content_raises_comes_out_as_it_is(side, origin):
    class Stuck:
        def __iter__(self):
            yield b"first"
            raise LookupError("mine")

        async def __aiter__(self):
            yield b"first"
            raise LookupError("mine")

    class Asynchronous:
        __aiter__ = Stuck.__aiter__

    async with side.client() as client:
        with pytest.raises(LookupError, match="mine"):
            await client.post(f"{origin.url}/anything", content=Asynchronous() if side.is_async else Stuck())
        assert (await client.get(f"{origin.url}/get")).status_code == 200


@pytest.mark.parametrize("secure", [False, True], ids=["http1", "http2"])
async def test_content_is_there_while_the_rest_is_still_to_come(side, origin, secure):
    seen = threading.Event()

    @origin.route("/httpx/slowly")
    def slowly(exchange):
        async def produce(write):
            await write(b"first")
            while not seen.is_set():
                await asyncio.sleep(0.005)
            await write(b"second")

        return Reply(200, body=produce)

    async with side.client(verify=origin.ssl_context()) as client:
        base = origin.https_url if secure else origin.url
        async with client.stream("GET", f"{base}/httpx/slowly") as response:
            pieces = side.pieces(response)
            assert await anext(pieces) == b"first"
            seen.set()
            assert b"".join([piece async for piece in pieces]) == b"second"


async def test_decoding_is_left_to_the_peer(side, origin):
    async with side.client() as client:
        async with client.stream("GET", f"{origin.url}/gzip") as response:
            raw = b"".join([piece async for piece in side.pieces(response)])
        decoded = (await client.get(f"{origin.url}/gzip")).text

    assert b'"gzipped"' in gzip.decompress(raw)
    assert '"gzipped"' in decoded


async def test_redirects_are_left_to_the_peer(side, origin):
    async with side.client() as client:
        response = await client.get(f"{origin.url}/redirect/2")
        assert (response.status_code, len(response.history)) == (302, 0)
        response = await client.get(f"{origin.url}/redirect/2", follow_redirects=True)
        assert (response.status_code, len(response.history)) == (200, 2)


async def test_cookies_are_left_to_the_peer(side, origin):
    async with side.client() as client:
        await client.get(f"{origin.url}/cookies/set?a=1")
        assert (await client.get(f"{origin.url}/cookies")).json()["cookies"] == {"a": "1"}
        assert origin.requests[-1].headers.get_list("cookie") == ["a=1"]
        client.raw.cookies.clear()
        assert (await client.get(f"{origin.url}/cookies")).json()["cookies"] == {}


async def test_authentication_is_left_to_the_peer(side, origin):
    url = origin.url.replace("://", "://user:pass@")
    async with side.client() as client:
        assert (await client.get(f"{url}/basic-auth/user/pass")).status_code == 200
    transport = side.transport()
    response = await side.handle(transport, side.peer.Request("GET", f"{url}/basic-auth/user/pass"))
    await side.read(response)
    await side.close(transport)

    assert response.status_code == 401
    assert "authorization" not in origin.requests[-1].headers


async def test_a_connection_is_used_again(side, origin):
    before = origin.connections.opened
    async with side.client() as client:
        for _ in range(3):
            await client.get(f"{origin.url}/get")

    assert origin.connections.opened == before + 1


# -- limits of time -------------------------------------------------------------------------------------------


async def test_waiting_for_a_response_is_limited(side, origin):
    async with side.client() as client:
        with pytest.raises(side.peer.ReadTimeout, match="sent nothing") as caught:
            await client.get(f"{origin.url}/delay/9", timeout=side.peer.Timeout(30, read=0.05))

    assert str(caught.value.request.url) == f"{origin.url}/delay/9"
    assert isinstance(caught.value.__cause__, hyperhttp.ReadTimeout)


async def test_waiting_for_content_is_limited(side, origin):
    async with side.client() as client:
        with pytest.raises(side.peer.ReadTimeout) as caught:
            await client.get(f"{origin.url}/bytes/1000?fault=stall-body", timeout=side.peer.Timeout(30, read=0.05))

    assert caught.value.request.method == "GET"


async def test_connecting_is_limited(side, hyperhttp_scripted_server):
    server = hyperhttp_scripted_server.by_connection([[Stall()]])
    async with side.client() as client:
        with pytest.raises(side.peer.ConnectTimeout):
            await client.get(f"https://127.0.0.1:{server.port}/", timeout=side.peer.Timeout(30, connect=0.05))


async def test_waiting_for_a_free_connection_is_limited(side, origin):
    limits = side.peer.Limits(max_connections=1)
    async with side.client(limits=limits) as client, client.stream("GET", f"{origin.url}/stream-bytes/5000000"):
        with pytest.raises(side.peer.PoolTimeout):
            await client.get(f"{origin.url}/get", timeout=side.peer.Timeout(30, pool=0.05))


async def test_the_whole_exchange_can_be_limited(side, origin):
    async with side.client() as client:
        with pytest.raises(side.peer.TimeoutException) as caught:
            await client.get(f"{origin.url}/delay/9", extensions={"timeout": {"total": 0.05}})

    assert isinstance(caught.value.__cause__, hyperhttp.TotalTimeout)


# -- failures -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("script", "name"),
    [
        ([ReadRequest(), Reset()], "ReadError"),
        ([ReadRequest(), b"no HTTP at all\r\n\r\n"], "RemoteProtocolError"),
        ([ReadRequest(), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab"], "RemoteProtocolError"),
        ([ReadRequest(), b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"], "RemoteProtocolError"),
        ([ReadRequest()], "RemoteProtocolError"),
    ],
    ids=["reset", "garbage", "truncated", "ambiguous", "nothing"],
)
async def test_failures_are_the_peers(side, hyperhttp_scripted_server, script, name):
    server = hyperhttp_scripted_server.by_connection([script, [ReadRequest(), OK]])
    async with side.client() as client:
        with pytest.raises(side.peer.TransportError) as caught:
            await client.get(server.url)
        assert (await client.get(server.url)).status_code == 200

    own = (getattr(side.peer, name), side.peer.ReadError)
    assert isinstance(caught.value, own)
    assert caught.value.request.url.port == server.port
    assert isinstance(caught.value.__cause__, hyperhttp.TransportError)
    assert str(caught.value) == str(caught.value.__cause__)


async def test_a_refused_connection_is_the_peers_error(side, hyperhttp_scripted_server):
    server = hyperhttp_scripted_server([OK])
    server.close()
    async with side.client() as client:
        with pytest.raises(side.peer.ConnectError, match="refused"):
            await client.get(server.url)


async def test_a_certificate_nobody_trusts_is_a_failure_to_connect(side, origin):
    async with side.client() as client:
        with pytest.raises(side.peer.ConnectError) as caught:
            await client.get(origin.https_url)
        assert isinstance(caught.value.__cause__, hyperhttp.TLSError)
    async with side.client(verify=False) as client:
        assert (await client.get(f"{origin.https_url}/get")).status_code == 200


async def test_what_may_not_be_sent_is_refused(side, origin):
    async with side.client(verify=origin.ca_pem) as client:
        with pytest.raises(side.peer.LocalProtocolError):
            await client.get(f"{origin.url}/get", headers=[(b"X-Broken", b"a\r\nb: c")])
        for name, value in (
            ("target", b"/a b"),
            ("target", "/\r\n"),
            ("sni_hostname", "a/b"),
            ("sni_hostname", b"\xff"),
        ):
            with pytest.raises(side.peer.LocalProtocolError, match=name):
                await client.get(f"{origin.https_url}/get", extensions={name: value})
        for extensions in ({"target": b"http://elsewhere.example/"}, {"target": b"*"}):
            with pytest.raises(side.peer.LocalProtocolError, match="over HTTP/2"):
                await client.get(f"{origin.https_url}/get", extensions=extensions)

    assert origin.requests == []


@pytest.mark.parametrize(
    ("method", "target"), [("GET", b"/raw|path?x"), ("OPTIONS", b"*"), ("GET", b"http://elsewhere.example/x")]
)
async def test_a_target_is_sent_as_it_is_and_as_the_peers_own_transport_sends_it(
    side, hyperhttp_scripted_server, method, target
):
    server = hyperhttp_scripted_server([b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"], repeat=True)
    own = side.peer.AsyncHTTPTransport() if side.is_async else side.peer.HTTPTransport()
    async with side.client() as client:
        await client.request(method, f"{server.url}/path", extensions={"target": target})
    await side.handle(own, side.peer.Request(method, f"{server.url}/path", extensions={"target": target}))
    await side.close(own)

    ours, theirs = (request.partition(b"\r\n")[0] for request in server.requests)
    assert ours == theirs == method.encode() + b" " + target + b" HTTP/1.1"


async def test_over_http2_a_target_is_a_path(side, origin):
    async with side.client(verify=origin.ca_pem) as client:
        response = await client.get(f"{origin.https_url}/get", extensions={"target": b"/anything/raw?x"})

    assert response.http_version == "HTTP/2"
    assert response.json()["url"].endswith("/anything/raw?x")


@pytest.mark.parametrize("name", ["localhost", b"localhost"])
async def test_the_server_is_asked_for_and_verified_by_the_name_that_is_given(side, name, hyperhttp_scripted_server):
    names = []
    context = shared_authority().server_context(names=["localhost"])
    context.sni_callback = lambda _socket, asked, _context: names.append(asked)
    server = hyperhttp_scripted_server([b"HTTP/1.1 204 No Content\r\n\r\n"], repeat=True, tls=context)
    url = server.url.replace("localhost", "127.0.0.1")

    async with side.client(verify=shared_authority().client_context()) as client:
        with pytest.raises(side.peer.ConnectError, match=r"not for '127\.0\.0\.1'"):
            await client.get(url)
        with pytest.raises(side.peer.ConnectError, match=r"not for 'other\.example'"):
            await client.get(url, extensions={"sni_hostname": "other.example"})
        assert (await client.get(url, extensions={"sni_hostname": name})).status_code == 204
        with pytest.raises(side.peer.ConnectError, match=r"not for '127\.0\.0\.1'"):
            await client.get(url)  # it does not meet the connection that was opened under the other name

    assert names == [None, "other.example", "localhost", None]


async def test_an_empty_name_is_none(side, origin):
    async with side.client(verify=origin.ca_pem) as client:
        assert (await client.get(f"{origin.https_url}/get", extensions={"sni_hostname": ""})).status_code == 200


@pytest.mark.parametrize("url", ["ftp://example.com/", "//example.com/"])
async def test_other_schemes_are_refused_in_the_peers_words(side, url):
    transport = side.transport()
    with pytest.raises(side.peer.UnsupportedProtocol, match="protocol"):
        await side.handle(transport, side.peer.Request("GET", url))
    await side.close(transport)


async def test_a_closed_transport_says_so(side, origin):
    transport = side.transport()
    await side.close(transport)
    with pytest.raises(RuntimeError, match="closed"):
        await side.handle(transport, side.peer.Request("GET", origin.url))


class Flaky:
    """A resolver that fails for a number of times."""

    def __init__(self, failures):
        self.left = failures

    async def resolve(self, host, port):
        self.left -= 1
        if self.left >= 0:
            raise hyperhttp.DNSError("not now")
        return [Address(socket.AF_INET, "127.0.0.1", port)]


async def test_connecting_is_tried_again_as_often_as_asked(side, origin):
    url = f"http://app.test:{origin.port}/get"
    async with side.client(resolver=Flaky(1), retries=1) as client:
        assert (await client.post(url.replace("get", "post"), content=side.upload(b"a"))).status_code == 200
    async with side.client(resolver=Flaky(1)) as client:
        with pytest.raises(side.peer.ConnectError, match="not now"):
            await client.get(url)
    refused = hyperhttp.AddressPolicy.public_only()
    async with side.client(address_policy=refused, retries=9) as client:  # nothing to be had by trying again
        with pytest.raises(side.peer.ConnectError, match="address"):
            await client.get(f"{origin.url}/get")


# -- life -----------------------------------------------------------------------------------------------------


async def test_leaving_content_unread_frees_the_connection(side, origin):
    limits = side.peer.Limits(max_connections=1)
    async with side.client(limits=limits) as client:
        for _ in range(3):
            async with client.stream("GET", f"{origin.url}/stream-bytes/5000000") as response:
                assert response.status_code == 200
        assert (await client.get(f"{origin.url}/get")).status_code == 200


async def test_a_transport_can_be_used_by_itself(side, origin):
    transport = side.transport()
    response = await side.handle(transport, side.peer.Request("GET", f"{origin.url}/bytes/10"))
    assert len(await side.read(response)) == 10
    await side.close(response)
    await side.close(transport)


def test_a_transport_may_meet_several_event_loops(peer, origin):
    transport = HyperTransport()

    async def main():
        response = await transport.handle_async_request(peer.Request("GET", f"{origin.url}/get"))
        await response.aread()
        return response.status_code

    assert [asyncio.run(main()) for _ in range(3)] == [200, 200, 200]
    asyncio.run(transport.aclose())


@pytest.mark.parametrize("secure", [False, True], ids=["http1", "http2"])
async def test_cancelling_leaves_nothing_behind(peer, origin, secure):
    base = origin.https_url if secure else origin.url
    transport = HyperTransport(verify=origin.ssl_context(), limits=peer.Limits(max_connections=1))
    async with peer.AsyncClient(transport=transport) as client:
        before = len(origin.requests)
        task = asyncio.create_task(client.get(f"{base}/delay/9"))
        while len(origin.requests) == before:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert all(each["in_use"] == 0 for each in transport._client.get_pool_stats().values())
        assert (await client.get(f"{base}/get")).status_code == 200
        tasks = asyncio.all_tasks()

    assert tasks == {asyncio.current_task()}


async def test_many_requests_share_one_http2_connection(peer, origin):
    before = origin.connections.opened
    async with peer.AsyncClient(transport=HyperTransport(verify=origin.ssl_context())) as client:
        responses = await asyncio.gather(*[client.get(f"{origin.https_url}/get?n={n}") for n in range(20)])

    assert [response.json()["args"]["n"] for response in responses] == [str(n) for n in range(20)]
    assert origin.connections.opened == before + 1


def test_threads_share_a_blocking_transport(peer, origin):
    with peer.Client(transport=SyncHyperTransport()) as client, ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda n: client.get(f"{origin.url}/get?n={n}").json()["args"]["n"], range(40)))

    assert got == [str(n) for n in range(40)]


# -- proxies --------------------------------------------------------------------------------------------------


async def test_a_proxy_of_the_peer_is_used_with_its_credentials(side, hyperhttp_scripted_server):
    server = hyperhttp_scripted_server([OK])
    proxy = side.peer.Proxy(server.url, auth=("user", "p@ss"))
    async with side.client(proxy=proxy) as client:
        await client.get("http://app.test/x")

    request = server.requests[0]
    assert request.startswith(b"GET http://app.test/x HTTP/1.1\r\n")
    assert b"Proxy-Authorization: Basic dXNlcjpwQHNz\r\n" in request


async def test_a_proxy_of_the_environment_is_used_unless_told_not_to(
    side, hyperhttp_scripted_server, origin, monkeypatch
):
    server = hyperhttp_scripted_server([OK])
    monkeypatch.setenv("HTTP_PROXY", server.url)
    async with side.client() as client:
        await client.get("http://app.test/x")
    async with side.client(trust_env=False) as client:
        assert (await client.get(f"{origin.url}/get")).status_code == 200

    assert len(server.requests) == 1
