"""Connections whose protocol was changed, by hand and as WebSockets."""

import asyncio
from importlib import import_module
from inspect import isawaitable
from threading import Thread

import pytest

from hyperhttp.testing import Expect, ReadRequest
from hyperhttp_httpx.network import protocol_asked_for

HEADERS = {"Connection": "Upgrade", "Upgrade": "echo"}
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello"


async def settle(result):
    return await result if isawaitable(result) else result


async def test_the_address_of_the_server_is_known(side, origin):
    async with side.client() as client:
        stream = (await client.get(f"{origin.url}/get")).extensions["network_stream"]

    assert stream.get_extra_info("server_addr") == ("127.0.0.1", origin.port)
    assert stream.get_extra_info("ssl_object") is None


async def test_a_connection_that_was_not_changed_is_not_there_to_be_read(side, origin):
    async with side.client() as client:
        stream = (await client.get(f"{origin.url}/get", headers=HEADERS)).extensions["network_stream"]
        with pytest.raises(RuntimeError, match="did not change the protocol"):
            await settle(stream.read(1))
        await side.close(stream)


@pytest.mark.parametrize("scheme", ["http", "ws"])
async def test_bytes_go_both_ways_after_a_change(side, hyperhttp_scripted_server, scheme):
    server = hyperhttp_scripted_server.by_connection([[ReadRequest(), SWITCHED, Expect(b"ping"), b"pong"]])
    async with side.client() as client:
        url = server.url.replace("http", scheme)
        async with client.stream("GET", url, headers=HEADERS) as response:
            assert response.status_code == 101
            stream = response.extensions["network_stream"]
            assert await settle(stream.read(2)) == b"he"
            assert await settle(stream.read(100)) == b"llo"
            await settle(stream.write(b"ping"))
            assert await settle(stream.read(100, 5)) == b"pong"
            assert await settle(stream.read(100, 5)) == b""
            await side.close(stream)

    assert b"Upgrade: echo\r\n" in server.requests[0]


async def test_failures_are_those_of_the_lower_half(side, hyperhttp_scripted_server):
    server = hyperhttp_scripted_server.by_connection([[ReadRequest(), SWITCHED, Expect(b"never")]])
    core = import_module(side.peer.__name__.replace("httpx", "httpcore"))
    async with side.client() as client, client.stream("GET", server.url, headers=HEADERS) as response:
        stream = response.extensions["network_stream"]
        await settle(stream.read(100))
        with pytest.raises(core.ReadTimeout):
            await settle(stream.read(100, 0.05))
        await side.close(stream)
        with pytest.raises((core.WriteError, core.ReadError)):
            await settle(stream.write(b"late"))


def test_a_request_asks_for_one_protocol_by_name(peer):
    def asked(method="GET", **headers):
        return protocol_asked_for(peer.Request(method, "http://a/", headers=headers))

    assert asked(Connection="keep-alive, Upgrade", Upgrade="websocket") == "websocket"
    assert asked(Connection="Upgrade") is None
    assert asked(Upgrade="websocket") is None
    assert asked("POST", Connection="Upgrade", Upgrade="websocket") is None


@pytest.fixture
def echo_server():
    """A WebSocket server of another library."""
    sync = pytest.importorskip("websockets.sync.server", reason="needs websockets")

    def echo(connection):
        for message in connection:
            connection.send(message)

    with sync.serve(echo, "127.0.0.1", 0) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"ws://127.0.0.1:{server.socket.getsockname()[1]}/"
        server.shutdown()
        thread.join()


async def test_a_websocket_of_httpx2_works(echo_server):
    import httpx2

    from hyperhttp_httpx import HyperTransport

    async with httpx2.AsyncClient(transport=HyperTransport()) as client, client.websocket(echo_server) as socket:
        for text in ("one", "two" * 10_000):
            await socket.send_text(text)
            assert await asyncio.wait_for(socket.receive_text(), 20) == text


def test_a_blocking_websocket_of_httpx2_works(echo_server):
    import httpx2

    from hyperhttp_httpx import SyncHyperTransport

    with httpx2.Client(transport=SyncHyperTransport()) as client, client.websocket(echo_server) as socket:
        for text in ("one", "two" * 10_000):
            socket.send_text(text)
            assert socket.receive_text(timeout=20) == text
