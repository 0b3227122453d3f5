"""Connections that changed their protocol: bytes both ways, on both faces, over real sockets."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.connection.http1 import HTTP1Connection
from hyperhttp.connection.stream import HIGH_WATER
from hyperhttp.connection.upgraded import HTTP1Upgrade, Upgraded
from hyperhttp.exceptions import ClientClosed, ReadError, ReadTimeout, StreamClosed, WriteError, WriteTimeout
from hyperhttp.testing import Origin
from tests.conftest import run_ready
from tests.memory import MemoryChannel, MemoryNetwork, Releases, memory_lane, turns

if TYPE_CHECKING:
    from hyperhttp.plugins import UpgradedStream

HEAD = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\nX-Test: yes\r\n\r\n"
ASK = {"extensions": {"upgrade": "echo"}}


def switching(converse: Any, *, early: bytes = b"") -> Any:
    """A script that switches and then does what a function says."""

    def script(connection: Any, index: int) -> None:
        connection.read_request()
        connection.sendall(HEAD + early)
        converse(connection)

    return script


def echo(connection: Any) -> None:
    while data := connection.recv():
        connection.sendall(data)


async def upgraded(client: Any, server: Any, **options: Any) -> Any:
    response = await client.get(server.url, **{**ASK, **options})
    assert response.status_code == 101
    return response.extensions["upgraded"]


async def received(stream: Any, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = await stream.receive(10)
        assert piece, "it ended"
        data += piece
    return data


async def test_bytes_go_both_ways(face: Any, scripted: Any) -> None:
    server = scripted(switching(echo))
    async with face.client() as client:
        response = await client.get(server.url, **ASK)
        assert (response.status_code, response.reason) == (101, "Switching Protocols")
        assert response.headers["x-test"] == "yes"
        stream: UpgradedStream = response.extensions["upgraded"]
        assert isinstance(stream, Upgraded)
        for data in (b"hello", b"\x00" * 300_000, b"again"):
            await stream.send(data)
            assert await received(stream, len(data)) == data
        assert stream.http_version == "HTTP/1.1"
        assert not stream.is_closed
        assert not stream.at_eof
        assert "open" in repr(stream)
        stream.close()
        assert stream.is_closed
        assert "closed" in repr(stream)
    head = server.requests[0].lower()
    assert b"\r\nconnection: upgrade\r\nupgrade: echo\r\n" in head


async def test_what_comes_with_the_head_is_not_lost(face: Any, scripted: Any) -> None:
    server = scripted(switching(echo, early=b"first"))
    async with face.client() as client:
        stream = await upgraded(client, server)
        assert await received(stream, 5) == b"first"
        await stream.send(b"second")
        assert await received(stream, 6) == b"second"
        stream.close()


async def test_the_content_of_the_response_is_empty(face: Any, scripted: Any) -> None:
    async with face.client() as client:
        response = await client.get(scripted(switching(echo)).url, **ASK)
        assert await client.read(response) == b""
        assert response.extensions["upgraded"].is_closed is False
        response.extensions["upgraded"].close()


async def test_closing_the_response_closes_the_stream(face: Any, scripted: Any) -> None:
    async with face.client() as client:
        async with client.stream("GET", scripted(switching(echo)).url, **ASK) as response:
            stream = response.extensions["upgraded"]
        assert stream.is_closed
        assert client.raw.get_pool_stats() == {}


async def test_the_place_in_the_pool_is_taken_until_it_is_closed(face: Any, scripted: Any) -> None:
    server = scripted(switching(echo))
    async with face.client(max_connections=1, timeout=hyperhttp.Timeout(pool=0.05)) as client:
        stream = await upgraded(client, server)
        assert client.raw.get_pool_stats() == {f"127.0.0.1:{server.port}": {"idle": 0, "in_use": 1, "total": 1}}
        with pytest.raises(hyperhttp.PoolTimeout):
            await client.get(server.url)
        stream.close()
        stream.close()
        assert client.raw.get_pool_stats() == {}
        (await upgraded(client, server)).close()


async def test_a_stream_that_is_dropped_closes_its_connection(face: Any, scripted: Any) -> None:
    server = scripted(switching(echo))
    async with face.client() as client:
        stream = await upgraded(client, server)
        del stream
        gc.collect()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert client.raw.get_pool_stats() == {}


async def test_the_end_of_the_peer_is_the_end(face: Any, scripted: Any) -> None:
    server = scripted(switching(lambda connection: connection.sendall(b"last")))
    async with face.client() as client:
        stream = await upgraded(client, server)
        assert await received(stream, 4) == b"last"
        assert await stream.receive(10) == b""
        assert await stream.receive(10) == b""
        assert stream.at_eof
        stream.close()
        assert client.raw.get_pool_stats() == {}


async def test_a_reset_is_an_error_after_what_came(face: Any) -> None:
    with Origin() as origin:
        headers = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version": "13"}
        options = {"headers": headers, "extensions": {"upgrade": "websocket"}}
        async with face.client() as client:
            response = await client.get(origin.url + "/ws/echo", **options)
            stream = response.extensions["upgraded"]
            origin.drop_connections(reset=True)
            with pytest.raises(ReadError, match="broke"):
                await stream.receive(10)
            with pytest.raises(ReadError):
                await stream.send(b"x")
            stream.close()


async def test_a_wait_that_takes_too_long_costs_nothing(face: Any, scripted: Any) -> None:
    async with face.client() as client:
        stream = await upgraded(client, scripted(switching(echo)))
        for _ in range(3):
            with pytest.raises(ReadTimeout, match=r"sent nothing for 0\.02 s") as caught:
                await stream.receive(0.02)
            assert caught.value.limit == 0.02
        await stream.send(b"x")
        assert await stream.receive(10) == b"x"
        stream.close()


async def test_limits_of_the_request_do_not_count_any_more(face: Any, scripted: Any) -> None:
    timeout = hyperhttp.Timeout(1.0, total=1.2)
    async with face.client(timeout=timeout) as client:
        stream = await upgraded(client, scripted(switching(echo)))
        with pytest.raises(ReadTimeout, match=r"1\.4 s"):
            await stream.receive(1.4)
        await stream.send(b"x")
        assert await stream.receive(10) == b"x"
        stream.close()


async def test_the_end_wakes_whoever_waits(face: Any, scripted: Any) -> None:
    async with face.client() as client:
        stream = await upgraded(client, scripted(switching(echo)))
        waiting = [face.start(stream.receive()) for _ in range(2)]
        await asyncio.sleep(0.05)
        stream.close()
        assert await asyncio.gather(*waiting) == [b"", b""]


async def test_closing_the_client_wakes_whoever_waits(face: Any, scripted: Any) -> None:
    client = face.client()
    stream = await upgraded(client, scripted(switching(echo)))
    waiting = face.start(stream.receive())
    await asyncio.sleep(0.05)
    await client.close()
    with pytest.raises(ClientClosed):
        await waiting
    with pytest.raises(ClientClosed):
        await stream.send(b"x")


async def test_several_may_wait_and_each_byte_goes_to_one(face: Any, scripted: Any) -> None:
    async with face.client() as client:
        stream = await upgraded(client, scripted(switching(echo)))
        waiting = {face.start(stream.receive()) for _ in range(3)}
        await asyncio.sleep(0.02)
        for number in range(3):
            await stream.send(b"%d" % number)
            done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            assert [task.result() for task in done] == [b"%d" % number]
        stream.close()


async def test_a_slow_reader_makes_the_peer_wait(face: Any, scripted: Any) -> None:
    sent = [0]

    def flood(connection: Any) -> None:
        try:
            for _ in range(1000):
                connection.sendall(bytes(65_536))
                sent[0] += 65_536
        except OSError:
            pass

    async with face.client() as client:
        stream = await upgraded(client, scripted(switching(flood)))
        assert await stream.receive(10)
        before = -1
        while before != sent[0]:
            before = sent[0]
            await asyncio.sleep(0.1)
        assert before < 1000 * 65_536
        assert stream._upgrade._size <= HIGH_WATER + 300_000
        size = 0
        while size < 40 * 65_536:
            size += len(await stream.receive(10))
            assert stream._upgrade._size <= HIGH_WATER + 300_000
        stream.abort()


async def test_a_peer_that_takes_nothing_stops_the_sender(face: Any, scripted: Any) -> None:
    release = threading.Event()
    server = scripted(switching(lambda connection: release.wait(20) and echo(connection)))
    async with face.client() as client:
        stream = await upgraded(client, server)
        size = 0
        error: WriteTimeout | None = None
        while error is None and size < 1000 * 65_536:
            size += 65_536
            try:
                await stream.send(bytes(65_536), 0.1)
            except WriteTimeout as timeout:
                error = timeout
        assert error is not None
        assert error.phase == "write"
        assert "took no bytes" in str(error)
        assert stream.congested
        release.set()
        assert len(await received(stream, size)) == size  # nothing of it was lost
        await stream.drain(10)
        assert not stream.congested
        stream.close()


async def test_closing_in_order_sends_what_was_written(scripted: Any) -> None:
    """On asyncio bytes may be left when it is closed; a blocking sender has waited for all of them."""
    heard: list[int] = []

    def count(connection: Any) -> None:
        time.sleep(0.1)
        size = 0
        while data := connection.recv():
            size += len(data)
        heard.append(size)

    async with hyperhttp.Client() as client:
        response = await client.get(scripted(switching(count)).url, **ASK)
        stream = response.extensions["upgraded"]
        stream.write(bytes(8 << 20))
        stream.close()
        with pytest.raises(WriteError, match="closed"):
            stream.write(b"late")
        deadline = time.monotonic() + 10
        while not heard and time.monotonic() < deadline:
            await asyncio.sleep(0.01)
    assert heard == [8 << 20]


def test_one_thread_receives_while_another_sends(scripted: Any) -> None:
    with hyperhttp.SyncClient() as client:
        stream = client.get(scripted(switching(echo)).url, **ASK).extensions["upgraded"]
        size = 4 << 20

        def send() -> None:
            for _ in range(64):
                run_ready(stream.send(bytes(size // 64), 20))

        sender = threading.Thread(target=send)
        sender.start()
        got = 0
        while got < size:
            got += len(run_ready(stream.receive(20)))
        sender.join()
        assert got == size
        stream.close()


async def test_a_cancelled_wait_takes_no_bytes(scripted: Any) -> None:
    async with hyperhttp.Client() as client:
        stream = (await client.get(scripted(switching(echo)).url, **ASK)).extensions["upgraded"]
        data = b""
        for turn in range(20):
            waiting = asyncio.ensure_future(stream.receive())
            await asyncio.sleep(0)
            await stream.send(b"x")
            await asyncio.sleep(0.001 * (turn % 3))
            waiting.cancel()
            (result,) = await asyncio.gather(waiting, return_exceptions=True)
            data += result if isinstance(result, bytes) else b""
        assert data + await received(stream, 20 - len(data)) == b"x" * 20
        stream.close()


async def test_over_tls_with_bytes_behind_the_head(face: Any, hyperhttp_origin: Any) -> None:
    headers = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", "Sec-WebSocket-Version": "13"}
    options = {"headers": headers, "extensions": {"upgrade": "websocket"}}
    async with face.client(verify=hyperhttp_origin.ca_pem) as client:
        response = await client.get(hyperhttp_origin.https_url + "/ws/echo", **options)
        stream = response.extensions["upgraded"]
        await stream.send(b"\x81\x85\0\0\0\0hello")
        assert await received(stream, 7) == b"\x81\x05hello"
        stream.close()


async def test_a_refusal_is_a_response_like_any_other(face: Any, scripted: Any) -> None:
    server = scripted([b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno"], repeat=True)
    async with face.client() as client:
        response = await client.get(server.url, **ASK)
        assert await client.read(response) == b"no"
        assert "upgraded" not in response.extensions
        stats = client.raw.get_pool_stats()
        assert stats == {f"127.0.0.1:{server.port}": {"idle": 1, "in_use": 0, "total": 1}}


# -- without sockets --------------------------------------------------------------------------------------------


class Switched:
    """An HTTP/1.1 connection after its 101, with its channel in the hands of the test."""

    def __init__(self) -> None:
        self.channel = MemoryChannel()
        self.network = MemoryNetwork()
        self.released = Releases()
        self.connection = HTTP1Connection(self.channel, self.network, memory_lane(), self.released)

    async def upgrade(self) -> HTTP1Upgrade:
        waiter = self.connection.send("GET", b"GET", hyperhttp.Timeout(None), float("inf"), 0.0, "echo")
        self.connection.owner = self
        self.channel.feed(HEAD + b"early")
        _, stream, _ = await waiter
        return HTTP1Upgrade(self.connection, self.network, stream)


async def test_reading_stops_at_the_bound_and_goes_on() -> None:
    switched = Switched()
    upgrade = await switched.upgrade()
    assert await upgrade.receive() == b"early"
    for _ in range(6):
        switched.channel.feed(bytes(65_536))
    assert not switched.channel.reading
    assert len(await upgrade.receive()) == 5 * 65_536
    await turns()
    assert switched.channel.reading
    assert len(await upgrade.receive()) == 65_536


async def test_it_is_no_connection_of_requests_any_more() -> None:
    switched = Switched()
    upgrade = await switched.upgrade()
    assert switched.channel.receiver is upgrade
    assert switched.connection not in switched.network.watch.busy
    assert not switched.connection.reusable
    assert len(switched.released) == 0
    upgrade.close()
    upgrade.abort()
    assert switched.channel.closed
    assert not switched.channel.aborted
    assert switched.network.watch.busy == set()
    assert switched.released.connections == [switched.connection]


async def test_a_lost_connection_is_given_back_and_its_bytes_can_be_read() -> None:
    switched = Switched()
    upgrade = await switched.upgrade()
    switched.channel.feed(b" bird")
    switched.channel.lose(ConnectionResetError("gone"))
    assert switched.released.connections
    assert await upgrade.receive() == b"early bird"
    with pytest.raises(ReadError, match="gone"):
        await upgrade.receive()
    with pytest.raises(ReadError, match="gone"):
        upgrade.write(b"x")


async def test_waiting_for_room_ends_with_room_with_time_and_with_the_connection() -> None:
    switched = Switched()
    upgrade = await switched.upgrade()
    switched.channel.write_paused = True
    waits = [asyncio.ensure_future(upgrade.drain()) for _ in range(2)]
    await turns()
    switched.channel.resume_writing()
    await asyncio.gather(*waits)

    switched.channel.write_paused = True
    late = asyncio.ensure_future(upgrade.drain(5.0))
    await turns()
    switched.network.watch.look(time.monotonic() + 6)
    with pytest.raises(WriteTimeout):
        await late

    lost = asyncio.ensure_future(upgrade.drain())
    await turns()
    switched.channel.lose(ConnectionResetError("gone"))
    with pytest.raises(ReadError):
        await lost
    assert switched.network.watch.busy == set()


async def test_an_unasked_switch_is_refused(face: Any, scripted: Any) -> None:
    async with face.client() as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="not asked for"):
            await client.get(scripted(switching(echo)).url)
        with pytest.raises(hyperhttp.RemoteProtocolError, match="not asked for"):
            await client.get(scripted(switching(echo)).url, headers={"Connection": "Upgrade", "Upgrade": "echo"})
        with pytest.raises(hyperhttp.RemoteProtocolError, match="not asked for"):
            await client.get(scripted(switching(echo)).url, extensions={"upgrade": "other"})


async def test_a_closed_response_has_no_content(face: Any, scripted: Any) -> None:
    async with face.client() as client:
        response = await client.get(scripted(switching(echo)).url, stream=True, **ASK)
        await client.aclose(response)
        with pytest.raises(StreamClosed):
            await client.read(response)


def test_the_peer_hears_of_the_end_at_once(scripted: Any) -> None:
    ended = threading.Event()

    def wait_for_the_end(connection: Any) -> None:
        while connection.recv():
            pass
        ended.set()

    with hyperhttp.SyncClient() as client:
        stream = client.get(scripted(switching(wait_for_the_end)).url, **ASK).extensions["upgraded"]
        stream.close()
        assert ended.wait(10)
