"""A kept-alive connection that the server had closed: sent again where that is safe, once, and silently."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.testing.scripted import Reset

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def kills_second(*, reset: bool = False, answer: bytes = b"") -> Any:
    """Each connection answers once; a second request on it is read and the connection ends."""

    def handler(connection: Any, _: int) -> None:
        if not connection.read_request():
            return
        connection.sendall(OK)
        if connection.read_request():
            if answer:
                connection.sendall(answer)
            if reset:
                Reset().play(connection)

    return handler


@pytest.mark.parametrize("reset", [False, True])
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE", "PUT", "TRACE"])
async def test_an_idempotent_request_on_a_killed_connection_is_sent_again(
    face: Any, scripted: ScriptedServerFactory, method: str, reset: bool
) -> None:
    server = scripted(kills_second(reset=reset))
    async with face.client(timeout=5) as client:
        await client.read(await client.get(server.url + "/first"))
        response = await client.request(method, server.url + "/second")
        assert response.status_code == 200
        await client.read(response)
    assert [request.split(b" ")[1] for request in server.requests] == [b"/first", b"/second", b"/second"]
    assert len(server.connections) == 2


@pytest.mark.parametrize("method", ["POST", "PATCH", "LOCK"])
async def test_a_request_that_is_not_idempotent_is_never_sent_twice(
    face: Any, scripted: ScriptedServerFactory, method: str
) -> None:
    server = scripted(kills_second())
    async with face.client(timeout=5) as client:
        await client.read(await client.get(server.url))
        with pytest.raises(hyperhttp.TransportError):
            await client.request(method, server.url, content=b"once")
        assert client.raw.get_pool_stats() == {}
    assert len(server.requests) == 2


async def test_a_fresh_connection_that_dies_is_an_error_at_once(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([b"", OK])
    server_that_closes = scripted.by_connection([[b""], [b""]])
    async with face.client(timeout=5) as client:
        with pytest.raises(hyperhttp.TransportError) as caught:
            await client.get(server_that_closes.url)
        assert caught.value.request is not None
    assert server.connections == []
    assert len(server_that_closes.connections) == 1


async def test_a_request_is_sent_again_only_once(face: Any, scripted: ScriptedServerFactory) -> None:
    def handler(connection: Any, index: int) -> None:
        if connection.read_request() and index == 0:
            connection.sendall(OK)
            connection.read_request()

    server = scripted(handler)
    async with face.client(timeout=5) as client:
        await client.read(await client.get(server.url))
        with pytest.raises(hyperhttp.TransportError):
            await client.get(server.url)
    assert len(server.requests) == 3


async def test_nothing_is_sent_again_once_a_byte_of_the_response_came(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted(kills_second(answer=b"HTTP/1.1 2"))
    async with face.client(timeout=5) as client:
        await client.read(await client.get(server.url))
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.get(server.url)
    assert len(server.requests) == 2


async def test_nothing_is_sent_again_after_an_interim_response(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted(kills_second(answer=b"HTTP/1.1 103 Early Hints\r\n\r\n"))
    async with face.client(timeout=5) as client:
        await client.read(await client.get(server.url))
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.get(server.url)
    assert len(server.requests) == 2


@pytest.mark.parametrize("size", [5, 100_000])
async def test_content_in_memory_or_in_a_file_is_sent_again(
    face: Any, scripted: ScriptedServerFactory, size: int
) -> None:
    server = scripted(kills_second())
    async with face.client(timeout=5) as client:
        for content in (b"x" * size, io.BytesIO(b"x" * size)):
            await client.read(await client.get(server.url))
            response = await client.put(server.url, content=content)
            assert response.status_code == 200
            await client.read(response)
    bodies = [request.partition(b"\r\n\r\n")[2] for request in server.requests]
    assert bodies.count(b"x" * size) == 4
    assert set(bodies) == {b"", b"x" * size}


async def test_content_that_cannot_be_replayed_is_not_sent_again(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted(kills_second())
    async with face.client(timeout=5) as client:
        await client.read(await client.get(server.url))
        with pytest.raises(hyperhttp.TransportError):
            await client.put(server.url, content=face.pieces(b"one", b"two"))
    assert len(server.requests) == 2


async def test_connections_the_server_closed_while_idle_are_never_used(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        await client.read(await client.get(origin.url + "/get"))
        origin.drop_connections()
        deadline = time.monotonic() + 5
        while origin.connections.open:
            assert time.monotonic() < deadline
            await face.sleep(0.005)
        await face.sleep(0.05)
        response = await client.post(origin.url + "/post", content=b"not lost")
        assert (await client.json(response))["data"] == "not lost"
    assert len([request for request in origin.requests if request.method == "POST"]) == 1


async def test_a_close_that_was_announced_is_heeded(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok", OK])
    async with face.client() as client:
        await client.read(await client.get(server.url))
        assert client.raw.get_pool_stats() == {}
        await client.read(await client.post(server.url))
    assert len(server.connections) == 2


async def test_a_close_that_the_request_announced_is_heeded(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([OK, OK])
    async with face.client() as client:
        await client.read(await client.get(server.url, headers={"Connection": "close"}))
        assert client.raw.get_pool_stats() == {}
        await client.read(await client.get(server.url))
    assert len(server.connections) == 2


async def test_many_stale_connections_cost_one_resend(face: Any, scripted: ScriptedServerFactory) -> None:
    def handler(connection: Any, index: int) -> None:
        while connection.read_request():
            if index >= 5:
                connection.sendall(OK)
            else:
                connection.sendall(OK)
                connection.read_request()
                return

    server = scripted(handler)
    async with face.client(timeout=5) as client:
        responses = [await client.get(server.url, stream=True) for _ in range(1)]
        await face.together(*[client.get(server.url) for _ in range(4)])
        for response in responses:
            await client.read(response)
        response = await client.get(server.url)
        assert response.status_code == 200
