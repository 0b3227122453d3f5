"""WebSockets as a type checker sees them. Read by mypy and pyright, never run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_type

import hyperhttp
from hyperhttp import Client, Response, SyncClient, WebSocket, WebSocketHandshakeError
from hyperhttp_ws import Connector, PerMessageDeflate, SyncWebSocket

if TYPE_CHECKING:
    from hyperhttp.plugins import UpgradedStream

ADDRESS = "ws://127.0.0.1/"


async def asynchronous(client: Client) -> None:
    assert_type(hyperhttp.WebSocket.connect(ADDRESS), Connector)
    async with WebSocket.connect(ADDRESS, subprotocols=["a"], verify=False, timeout=5.0) as socket:
        assert_type(socket, WebSocket)
        assert_type(await socket.recv(), str | bytes)
        assert_type(await socket.recv(timeout=1.0), str | bytes)
        assert_type(await socket.recv_text(), str)
        assert_type(await socket.recv_bytes(), bytes)
        assert_type(await socket.recv_json(), Any)
        await socket.send_text("a", final=False)
        await socket.send_bytes(memoryview(b"a"))
        await socket.send_json({"a": 1}, dumps=str)
        await socket.ping(b"a")
        async for message in socket:
            assert_type(message, str | bytes)
        assert_type(socket.subprotocol, str | None)
        assert_type(socket.close_code, int | None)
        assert_type(socket.response, Response)
        await socket.close(1000, "a")
    assert_type(await client.websocket(ADDRESS, extensions=[PerMessageDeflate()]), WebSocket)
    async with client.websocket(ADDRESS, max_message_size=1, ping_interval=None) as socket:
        assert_type(socket, WebSocket)
    async with await client.websocket(ADDRESS, http2=True) as socket:
        assert_type(socket, WebSocket)


def blocking(client: SyncClient) -> None:
    assert_type(client.websocket(ADDRESS, headers={"Origin": "a"}), SyncWebSocket)
    with client.websocket(ADDRESS) as socket:
        assert_type(socket.recv(), str | bytes)
        assert_type(socket.recv_text(timeout=1.0), str)
        for message in socket:
            assert_type(message, str | bytes)
        socket.close()
    with WebSocket.connect(ADDRESS) as twin:
        assert_type(twin, SyncWebSocket)


def refused(error: WebSocketHandshakeError) -> None:
    assert_type(error.response, Response | None)


async def upgraded(stream: UpgradedStream) -> None:
    assert_type(await stream.receive(1.0), bytes)
    await stream.send(b"a", timeout=1.0)
    stream.write(b"a")
    assert_type(stream.at_eof, bool)
    stream.close()


async def mistakes(client: Client, twin: SyncClient) -> None:
    client.websocket(ADDRESS, subprotocol="a")  # type: ignore[call-arg]
    twin.websocket(ADDRESS, verify=False)  # type: ignore[call-arg]
    async with client.websocket(ADDRESS) as socket:
        await socket.send_text(b"a")  # type: ignore[arg-type]
