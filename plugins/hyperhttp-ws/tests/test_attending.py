"""Keep-alive while nobody receives, on asyncio, against raw connections."""

import asyncio
import gc
import struct
import threading

import pytest
from wsproto.events import CloseConnection, Ping, Pong

import hyperhttp

from .test_framing import BINARY, CLOSE, PING, PONG, TEXT, frame
from .test_session import Peer, until


def attendants():
    """Timers that look after WebSockets."""
    return [
        each for each in asyncio.get_running_loop()._scheduled if not each.cancelled() and "Attendant" in repr(each)
    ]


async def test_pings_are_sent_and_answered_while_nobody_receives(raw):
    pongs = []

    def converse(connection):
        peer = Peer(connection)
        for _ in range(3):
            ping = peer.next(Ping)
            connection.sendall(frame(PONG, bytes(ping.payload)) + frame(TEXT, b"kept"))
        connection.sendall(frame(PING, b"mine"))
        pongs.append(bytes(peer.next(Pong).payload))
        connection.sendall(frame(CLOSE, struct.pack("!H", peer.next(CloseConnection).code)))

    async with hyperhttp.WebSocket.connect(raw(converse), ping_interval=0.05, ping_timeout=10) as socket:
        await until(lambda: pongs)
        assert pongs == [b"mine"]
        assert not socket.is_closed
        assert [await socket.recv() for _ in range(3)] == ["kept"] * 3
        assert len(attendants()) == 1
    assert socket.close_code == 1000
    assert attendants() == []


async def test_a_dead_peer_is_noticed_while_nobody_receives(raw):
    release = threading.Event()
    url = raw(lambda connection: release.wait(20))
    async with hyperhttp.Client() as client:
        socket = await client.websocket(url, ping_interval=0.05, ping_timeout=0.1)
        await until(lambda: socket.is_closed)
        assert socket.close_code == 1006
        assert client.get_pool_stats() == {}
        assert attendants() == []
        for call in (socket.recv, lambda: socket.send_text("x")):
            with pytest.raises(hyperhttp.WebSocketClosed, match=r"0\.1 s after a ping"):
                await call()
    release.set()


@pytest.mark.parametrize("end", ["close", "drop"])
async def test_the_end_is_noticed_while_nobody_receives_and_nothing_before_it_is_lost(raw, end):
    closing = frame(CLOSE, struct.pack("!H", 4000)) if end == "close" else b""

    def converse(connection):
        connection.sendall(frame(TEXT, b"1") + frame(BINARY, b"2") + closing)
        if closing:
            Peer(connection).next(CloseConnection)

    async with hyperhttp.WebSocket.connect(raw(converse), ping_interval=0.05) as socket:
        await until(lambda: socket.is_closed)
        assert socket.close_code == (4000 if closing else 1006)
        assert [await socket.recv(), await socket.recv()] == ["1", b"2"]
        with pytest.raises(hyperhttp.WebSocketClosed):
            await socket.recv()
    assert attendants() == []


async def test_a_fault_that_nobody_received_is_told_once(raw):
    def converse(connection):
        connection.sendall(frame(TEXT, b"fine") + frame(0x3))
        Peer(connection).next(CloseConnection)

    async with hyperhttp.WebSocket.connect(raw(converse), ping_interval=0.05) as socket:
        await until(lambda: socket.is_closed)
        assert await socket.recv() == "fine"
        with pytest.raises(hyperhttp.WebSocketProtocolError):
            await socket.recv()
        with pytest.raises(hyperhttp.WebSocketClosed):
            await socket.recv()


async def test_a_peer_that_sends_more_than_is_kept_waits_and_is_not_given_up(raw):
    def converse(connection):
        for _ in range(100):
            connection.sendall(frame(BINARY, bytes(100_000)))
        peer = Peer(connection)
        connection.sendall(frame(CLOSE, struct.pack("!H", peer.next(CloseConnection).code)))

    async with hyperhttp.WebSocket.connect(raw(converse), ping_interval=0.02, ping_timeout=0.02) as socket:
        session = socket._session
        await until(lambda: len(session._kept) == 3)
        for _ in range(20):
            await asyncio.sleep(0.005)
            assert session.look_after() is not None  # as the timer does
        assert sum(map(len, session._kept)) == 300_000
        assert not socket.is_closed
        assert [len(await socket.recv()) for _ in range(100)] == [100_000] * 100


async def test_without_pings_there_is_no_timer_and_cancelling_leaves_none(raw):
    release = threading.Event()
    url = raw(lambda connection: release.wait(20))
    async with hyperhttp.WebSocket.connect(url, ping_interval=None, close_timeout=0.05):
        assert attendants() == []

    async def program():
        async with hyperhttp.WebSocket.connect(url):
            assert len(attendants()) == 1
            await asyncio.sleep(60)

    task = asyncio.create_task(program())
    await until(attendants)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert attendants() == []
    release.set()


async def test_a_socket_that_is_dropped_leaves_no_timer(raw):
    release = threading.Event()
    async with hyperhttp.Client() as client:
        socket = await client.websocket(raw(lambda connection: release.wait(20)))
        assert len(attendants()) == 1
        with pytest.warns(ResourceWarning, match="unclosed"):
            del socket
        gc.collect()
        await until(lambda: not attendants())
    release.set()


async def test_a_client_that_is_closed_ends_it(raw):
    release = threading.Event()
    url = raw(lambda connection: release.wait(20))
    client = hyperhttp.Client()
    socket = await client.websocket(url, ping_interval=0.02)
    await client.close()
    await until(lambda: socket.is_closed)
    assert socket.close_code == 1006
    assert attendants() == []
    release.set()
