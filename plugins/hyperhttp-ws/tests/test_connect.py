"""Opening handshakes over real sockets, on both faces: refusals, settings of the client, proxies, TLS, HTTP/2."""

import asyncio
import json
import select
import socket as sockets
import ssl
import threading

import pytest

import hyperhttp
from hyperhttp.testing import Close, Stall

from .conftest import echo


def header_echo(connection):
    connection.send(json.dumps([connection.request.path, list(connection.request.headers.raw_items())]))


async def fields_of(socket):
    path, fields = await socket.recv_json()
    return path, {name.lower(): value for name, value in fields}


# -- refusals ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [200, 204, 302, 400, 401, 403, 404, 426, 500, 503])
async def test_a_refusal_tells_status_fields_and_content(face, hyperhttp_scripted_server, status):
    content = b"" if status == 204 else b"no WebSocket here"
    length = b"" if status == 204 else b"Content-Length: %d\r\n" % len(content)
    head = b"HTTP/1.1 %d Because\r\nX-Why: so\r\nLocation: /other\r\n" % status
    server = hyperhttp_scripted_server([head + length + b"\r\n" + content])
    with pytest.raises(
        hyperhttp.WebSocketHandshakeError, match=f"refused the WebSocket handshake with {status} Because"
    ) as caught:
        async with face.connect(server.url):
            pass
    error = caught.value
    assert error.response.status_code == status
    assert error.response.headers["x-why"] == "so"
    assert error.response.content == content
    assert error.request.url == hyperhttp.URL(server.url)
    assert (error.host, error.port) == ("127.0.0.1", server.port)


async def test_no_more_than_the_beginning_of_a_refusal_is_read(face, hyperhttp_scripted_server):
    server = hyperhttp_scripted_server([[b"HTTP/1.1 500 No\r\n\r\n" + bytes(200_000), Stall(10)]])
    async with face.client() as client:
        with pytest.raises(hyperhttp.WebSocketHandshakeError) as caught:
            async with face.connect(server.url, client):
                pass
        assert caught.value.response.content == bytes(65536)
        assert client.get_pool_stats() == {}


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param(b"", id="no Upgrade"),
        pytest.param(b"Upgrade: h2c\r\nConnection: Upgrade\r\n", id="another protocol"),
        pytest.param(b"Upgrade: websocket\r\nConnection: Upgrade\r\n", id="no Accept"),
        pytest.param(b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n", id="wrong Accept"),
    ],
)
async def test_a_101_that_does_not_fit_is_refused(face, hyperhttp_scripted_server, fields):
    server = hyperhttp_scripted_server([[b"HTTP/1.1 101 Switching Protocols\r\n" + fields + b"\r\n", Stall(10)]])
    async with face.client() as client:
        with pytest.raises(hyperhttp.WebSocketHandshakeError):
            async with face.connect(server.url, client):
                pass
        assert client.get_pool_stats() == {}


@pytest.mark.parametrize(
    "fields",
    [b"Sec-WebSocket-Protocol: other\r\n", b"Sec-WebSocket-Extensions: mystery\r\n"],
    ids=["subprotocol", "extension"],
)
async def test_what_was_not_offered_is_refused(face, raw, fields):
    url = raw(lambda connection: connection.recv(), fields=fields)
    with pytest.raises(hyperhttp.WebSocketHandshakeError, match="not offered") as caught:
        async with face.connect(url, subprotocols=["mine"]):
            pass
    assert caught.value.response.status_code == 101


async def test_a_connection_that_cannot_be_had_is_a_transport_error(face):
    with sockets.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(hyperhttp.ConnectError):
        async with face.connect(f"ws://127.0.0.1:{port}/"):
            pass


async def test_a_server_that_hangs_up_is_an_error(face, hyperhttp_scripted_server):
    with pytest.raises((hyperhttp.WebSocketHandshakeError, hyperhttp.TransportError)):
        async with face.connect(hyperhttp_scripted_server([Close()], repeat=True).url):
            pass


@pytest.mark.parametrize("url", ["ftp://localhost/", "/relative", "ws://localhost/#x"])
async def test_a_url_that_leads_nowhere_is_refused_when_it_is_opened(face, url):
    with pytest.raises(hyperhttp.WebSocketProtocolError):
        async with face.connect(url):
            pass


def test_misspelt_options_are_refused_at_once(echo_url):
    with pytest.raises(TypeError, match="did you mean 'subprotocols'"):
        hyperhttp.WebSocket.connect(echo_url, subprotocol=["a"])
    with hyperhttp.SyncClient() as client, pytest.raises(TypeError, match="ping_interval"):
        client.websocket(echo_url, ping_intervall=1)
    with pytest.raises(ValueError, match="max_message_size"):
        hyperhttp.Client().websocket(echo_url, max_message_size=0)


async def test_the_handshake_has_time_limits(face, hyperhttp_scripted_server):
    server = hyperhttp_scripted_server([[Stall(10)]], repeat=True)
    with pytest.raises(hyperhttp.ReadTimeout):
        async with face.connect(server.url, timeout=hyperhttp.Timeout(read=0.1)):
            pass
    with pytest.raises(hyperhttp.TotalTimeout):
        async with face.connect(server.url, timeout=hyperhttp.Timeout(total=0.1)):
            pass


async def test_the_limits_of_the_handshake_do_not_bound_what_follows(face, serve):
    release = threading.Event()

    def handler(connection):
        release.wait(10)
        connection.send("late")

    async with face.connect(serve(handler), timeout=hyperhttp.Timeout(1.0, total=1.2)) as socket:
        with pytest.raises(hyperhttp.ReadTimeout, match="no message"):
            await socket.recv(timeout=1.4)
        release.set()
        assert await socket.recv() == "late"


async def test_a_handshake_can_be_cancelled(hyperhttp_scripted_server):
    server = hyperhttp_scripted_server([[Stall(10)]])
    async with hyperhttp.Client() as client:
        task = asyncio.ensure_future(client.websocket(server.url)._connect())
        while not server.requests:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.get_pool_stats() == {}


# -- settings of the client --------------------------------------------------------------------------------------


async def test_fields_parameters_and_the_clients_own_fields_are_sent(face, serve):
    async with (
        face.client(headers={"X-Client": "yes"}, params={"a": "1"}, user_agent="mine/1.0") as client,
        face.connect(
            serve(header_echo) + "/x", client, headers={"Origin": "https://o.example"}, params={"b": "2"}
        ) as socket,
    ):
        path, fields = await fields_of(socket)
    assert path == "/x?a=1&b=2"
    assert fields["x-client"] == "yes"
    assert fields["user-agent"] == "mine/1.0"
    assert fields["origin"] == "https://o.example"
    assert fields["connection"] == "Upgrade"
    assert fields["upgrade"] == "websocket"


async def test_cookies_travel_both_ways(face, serve):
    def add_cookie(connection, request, response):
        response.headers["Set-Cookie"] = "from-server=2; Path=/"

    url = serve(header_echo, process_response=add_cookie)
    async with face.client(cookies={"client": "1"}) as client:
        async with face.connect(url, client, cookies={"call": "3"}) as socket:
            _, fields = await fields_of(socket)
        assert set(fields["cookie"].split("; ")) == {"client=1", "call=3"}
        assert client.cookies.get("from-server") == "2"
        async with face.connect(url, client) as socket:
            _, fields = await fields_of(socket)
        assert set(fields["cookie"].split("; ")) == {"client=1", "from-server=2"}


async def test_basic_auth_is_carried(face, serve):
    url = serve(header_echo)
    async with face.client(auth=("user", "pass")) as client:
        async with face.connect(url, client) as socket:
            _, fields = await fields_of(socket)
        assert fields["authorization"] == "Basic dXNlcjpwYXNz"
        async with face.connect(url, client, auth=None) as socket:
            _, fields = await fields_of(socket)
        assert "authorization" not in fields
    async with face.connect(url.replace("://", "://user:pass@")) as socket:
        _, fields = await fields_of(socket)
    assert fields["authorization"] == "Basic dXNlcjpwYXNz"


async def test_a_challenge_is_answered(face, serve):
    def challenge(connection, request):
        if not request.headers.get("Authorization", "").startswith("Digest "):
            response = connection.respond(401, "who?\n")
            response.headers["WWW-Authenticate"] = 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'
            return response
        return None

    url = serve(header_echo, process_request=challenge)
    async with face.connect(url + "/x", auth=hyperhttp.DigestAuth("user", "pass")) as socket:
        _, fields = await fields_of(socket)
    assert 'username="user"' in fields["authorization"]
    assert 'uri="/x"' in fields["authorization"]


async def test_subprotocols_are_negotiated(face, serve, echo_url):
    url = serve(echo, subprotocols=["superchat", "chat"])
    async with face.connect(url, subprotocols=["chat"]) as socket:
        assert socket.subprotocol == "chat"
    async with face.connect(echo_url, subprotocols=["chat"]) as socket:
        assert socket.subprotocol is None


async def test_a_redirect_is_followed_where_that_is_asked_for(face, serve):
    target = serve(header_echo)

    def redirect(connection, request):
        response = connection.respond(302, "there\n")
        response.headers["Location"] = target.replace("ws://", "http://") + "/there"
        return response

    url = serve(echo, process_request=redirect)
    with pytest.raises(hyperhttp.WebSocketHandshakeError, match="302"):
        async with face.connect(url):
            pass
    async with face.connect(url, follow_redirects=True, auth=("user", "pass")) as socket:
        path, fields = await fields_of(socket)
    assert path == "/there"
    assert "authorization" not in fields  # it is another origin
    assert str(socket.url).endswith("/there")


async def test_hooks_see_the_handshake(face, echo_url):
    seen = []
    hooks = {
        "request": [lambda request: seen.append(request.method)],
        "response": [lambda response: seen.append(response.status_code)],
    }
    async with face.client(event_hooks=hooks) as client, face.connect(echo_url, client) as socket:
        await socket.send_text("x")
        assert await socket.recv() == "x"
    assert seen == ["GET", 101]


async def test_it_keeps_its_place_in_the_pool_until_it_is_closed(face, echo_url):
    async with face.client(max_connections=1, timeout=hyperhttp.Timeout(pool=0.1)) as client:
        async with face.connect(echo_url, client):
            (stats,) = client.get_pool_stats().values()
            assert stats == {"idle": 0, "in_use": 1, "total": 1}
            with pytest.raises(hyperhttp.PoolTimeout):
                async with face.connect(echo_url, client):
                    pass
        assert client.get_pool_stats() == {}
        async with face.connect(echo_url, client) as socket:
            await socket.send_text("x")
            assert await socket.recv() == "x"


async def test_a_client_that_is_closed_takes_its_sockets_along(face, echo_url):
    client = hyperhttp.SyncClient() if face.is_blocking else hyperhttp.Client()
    socket = client.websocket(echo_url)
    if not face.is_blocking:
        socket = await socket
        waiting = asyncio.ensure_future(socket.recv())
        await asyncio.sleep(0.01)
        await client.close()
        with pytest.raises(hyperhttp.WebSocketClosed) as caught:
            await waiting
    else:
        waiting = face.start(_receive(socket))
        await asyncio.sleep(0.05)
        client.close()
        with pytest.raises(hyperhttp.WebSocketClosed) as caught:
            await waiting
    assert caught.value.code == 1006


async def _receive(socket):
    return socket.recv()


def test_a_socket_of_the_asynchronous_client_does_not_block(echo_url):
    with pytest.raises(TypeError, match="async with"), hyperhttp.Client().websocket(echo_url):
        pass


def test_the_twin_of_an_asynchronous_client_blocks(echo_url):
    with hyperhttp.Client(base_url=echo_url) as client, client.websocket("/x") as socket:
        socket.send_text("x")
        assert socket.recv() == "x"


async def test_a_hundred_sockets_at_a_time(face, echo_url):
    sockets_open = []

    async def talk(number):
        async with face.connect(echo_url, client) as socket:
            sockets_open.append(socket)
            for turn in range(5):
                await socket.send_text(f"{number}.{turn}")
                assert await socket.recv() == f"{number}.{turn}"

    async with face.client(max_connections=None) as client:
        if face.is_blocking:
            threads = [threading.Thread(target=lambda number=number: _drive(talk(number))) for number in range(100)]
            for thread in threads:
                thread.start()
            for thread in threads:
                await asyncio.to_thread(thread.join)
        else:
            await asyncio.gather(*(talk(number) for number in range(100)))
        assert len(sockets_open) == 100
        assert client.get_pool_stats() == {}


def _drive(work):
    from .conftest import run_ready

    run_ready(work)


# -- TLS and proxies -----------------------------------------------------------------------------------------------


@pytest.fixture
def secure_echo(serve, authority):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    return serve(echo, ssl=context)


async def test_over_tls(face, secure_echo, ca_pem):
    async with face.connect(secure_echo, verify=ca_pem) as socket:
        await socket.send_bytes(bytes(300_000))
        assert await socket.recv() == bytes(300_000)
    async with face.connect(secure_echo, ssl_context=ssl.create_default_context(cafile=ca_pem)) as socket:
        await socket.send_text("x")
        assert await socket.recv() == "x"
    async with face.connect(secure_echo, verify=False) as socket:
        await socket.send_text("x")
        assert await socket.recv() == "x"


async def test_a_certificate_nobody_vouches_for_is_refused(face, secure_echo):
    with pytest.raises(hyperhttp.TLSError):
        async with face.connect(secure_echo):
            pass


def relay(connection, index, seen):
    """A proxy that opens tunnels, and forwards nothing."""
    request = connection.read_request()
    line = request.split(b"\r\n")[0].decode()
    seen.append(line)
    method, target, _ = line.split()
    if method != "CONNECT":
        connection.sendall(b"HTTP/1.1 405 Only CONNECT\r\nContent-Length: 0\r\n\r\n")
        return
    host, _, port = target.rpartition(":")
    with sockets.create_connection((host, int(port))) as upstream:
        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        ends = {connection.sock: upstream, upstream: connection.sock}
        while True:
            for end in select.select(list(ends), [], [], 20)[0]:
                data = end.recv(65536)
                if not data:
                    return
                ends[end].sendall(data)


async def test_through_a_proxy_in_clear_and_with_tls(face, hyperhttp_scripted_server, echo_url, secure_echo, ca_pem):
    seen = []
    proxy = hyperhttp_scripted_server(lambda connection, index: relay(connection, index, seen))
    for url in (echo_url, secure_echo):
        async with face.connect(url, proxy=proxy.url, verify=ca_pem) as socket:
            await socket.send_text("x")
            assert await socket.recv() == "x"
    targets = [url.partition("//")[2] for url in (echo_url, secure_echo)]
    assert seen == [f"CONNECT {target} HTTP/1.1" for target in targets]
    async with face.client(proxies=proxy.url) as client, face.connect(echo_url, client) as socket:
        await socket.send_text("x")
        assert await socket.recv() == "x"
    assert len(seen) == 3


async def test_through_a_proxy_that_speaks_tls(face, hyperhttp_scripted_server, secure_echo, authority, ca_pem):
    """TLS within TLS, where bytes may wait in a buffer that no socket tells of."""
    seen = []
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    def proxy(connection, index):
        connection.start_tls(context)
        relay(connection, index, seen)

    server = hyperhttp_scripted_server(proxy)
    async with face.connect(secure_echo, proxy=f"https://localhost:{server.port}", verify=ca_pem) as socket:
        for size in (10, 100_000, 10, 1_000_000):
            await socket.send_bytes(bytes(size))
            assert await socket.recv(timeout=10) == bytes(size)
    assert seen[0].startswith("CONNECT localhost:")


# -- HTTP/2 ----------------------------------------------------------------------------------------------------------


async def test_over_http2_by_negotiation(face, hypercorn_server, ca_pem):
    async with face.client(verify=ca_pem) as client:
        async with face.connect(hypercorn_server.secure, client, http2=True) as socket:
            assert socket.http_version == "HTTP/2"
            assert socket.response.status_code == 200
            for message in ("hello", "", b"\x00\x01", "x" * 3_000_000, bytes(3_000_000)):
                await (socket.send_text(message) if isinstance(message, str) else socket.send_bytes(message))
                assert await socket.recv() == message
            (stats,) = client.get_pool_stats().values()
            assert (stats["in_use"], stats["streams"]) == (1, 1)
        (stats,) = client.get_pool_stats().values()
        assert (stats["idle"], stats["streams"]) == (1, 0)


async def test_over_http2_by_prior_knowledge(face, hypercorn_server):
    async with (
        face.client(http2="prior-knowledge") as client,
        face.connect(hypercorn_server.clear + "/headers?subprotocol=chat", client, subprotocols=["chat"]) as socket,
    ):
        assert socket.http_version == "HTTP/2"
        assert socket.subprotocol == "chat"
        heard = await socket.recv_json()
        assert heard["version"] == "2"
        assert "sec-websocket-key" not in heard["headers"]
        assert "upgrade" not in heard["headers"]


async def test_http2_is_used_by_itself_only_where_a_connection_is_open(face, hypercorn_server, ca_pem):
    async with face.client(verify=ca_pem) as client:
        async with face.connect(hypercorn_server.secure, client) as socket:
            assert socket.http_version == "HTTP/1.1"
        response = client.get(hypercorn_server.secure.replace("wss", "https"))
        if not face.is_blocking:
            response = await response
            await response.aread()
        assert response.http_version == "HTTP/2"
        async with face.connect(hypercorn_server.secure, client) as socket:
            assert socket.http_version == "HTTP/2"
        async with face.connect(hypercorn_server.secure, client, http2=False) as socket:
            assert socket.http_version == "HTTP/1.1"


async def test_cookies_and_auth_travel_over_http2(face, hypercorn_server, ca_pem):
    async with (
        face.client(verify=ca_pem, cookies={"a": "1"}, auth=("user", "pass")) as client,
        face.connect(hypercorn_server.secure + "/headers", client, http2=True, headers={"X-Test": "yes"}) as socket,
    ):
        heard = (await socket.recv_json())["headers"]
    assert heard["cookie"] == "a=1"
    assert heard["authorization"] == "Basic dXNlcjpwYXNz"
    assert heard["x-test"] == "yes"


async def test_a_refusal_over_http2(face, hypercorn_server, ca_pem):
    async with face.client(verify=ca_pem) as client:
        with pytest.raises(hyperhttp.WebSocketHandshakeError, match="403") as caught:
            async with face.connect(hypercorn_server.secure + "/refuse", client, http2=True):
                pass
        assert caught.value.response.status_code == 403
        assert caught.value.response.http_version == "HTTP/2"
        async with face.connect(hypercorn_server.secure, client) as socket:  # the connection is as good as before
            assert socket.http_version == "HTTP/2"


async def test_the_server_closes_over_http2(face, hypercorn_server, ca_pem):
    url = hypercorn_server.secure + "/close?code=4001&reason=bye"
    async with face.client(verify=ca_pem) as client, face.connect(url, client, http2=True) as socket:
        with pytest.raises(hyperhttp.WebSocketClosed) as caught:
            await socket.recv()
        assert (caught.value.code, caught.value.reason) == (4001, "bye")


async def test_several_sockets_share_an_http2_connection(face, hypercorn_server, ca_pem):
    from contextlib import AsyncExitStack

    async with face.client(verify=ca_pem) as client, AsyncExitStack() as stack:
        first = await stack.enter_async_context(face.connect(hypercorn_server.secure, client, http2=True))
        others = [await stack.enter_async_context(face.connect(hypercorn_server.secure, client)) for _ in range(5)]
        for number, socket in enumerate([first, *others]):
            await socket.send_text(str(number))
        for number, socket in reversed(list(enumerate([first, *others]))):
            assert await socket.recv() == str(number)
        (stats,) = client.get_pool_stats().values()
        assert (stats["total"], stats["streams"]) == (1, 6)


async def test_a_server_that_does_not_offer_it_over_http2_is_asked_over_http11(face, hyperhttp_http2_origin):
    origin = hyperhttp_http2_origin
    url = origin.https_url.replace("https", "wss") + "/ws/echo"
    async with face.client(verify=origin.ca_pem) as client, face.connect(url, client, http2=True) as socket:
        assert socket.http_version == "HTTP/1.1"
        await socket.send_text("x")
        assert await socket.recv() == "x"


async def test_insisting_on_http2_where_it_is_not_offered_is_an_error(face, hyperhttp_http2_origin):
    async with face.client(http2="prior-knowledge") as client:
        with pytest.raises(hyperhttp.WebSocketHandshakeError, match="RFC 8441"):
            async with face.connect(hyperhttp_http2_origin.url.replace("http", "ws") + "/ws/echo", client):
                pass
