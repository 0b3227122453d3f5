"""Content piece by piece: in order, in bounded memory, and the connection is free at the end."""

from __future__ import annotations

import hashlib
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.testing.scripted import Send

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory


def sound(client: Any) -> bool:
    """Nothing is in use."""
    return all(counts["in_use"] == 0 for counts in client.raw.get_pool_stats().values())


@pytest.mark.parametrize("path", ["/bytes/500000", "/stream-bytes/500000"])
@pytest.mark.parametrize("size", [None, 1000, 65_536, 1_000_000])
async def test_pieces_add_up(face: Any, origin: Origin, path: str, size: int | None) -> None:
    async with face.client() as client:
        whole = await client.read(await client.get(f"{origin.url}{path}?seed=1"))
        response = await client.get(f"{origin.url}{path}?seed=1", stream=True)
        pieces = [piece async for piece in client.iter_bytes(response, size)]
        assert b"".join(pieces) == whole
        if size is not None:
            assert {len(piece) for piece in pieces[:-1]} <= {size}
        assert all(pieces)
        assert response.num_bytes_downloaded == 500_000
        assert sound(client)
    assert len({request.connection_id for request in origin.requests}) == 1


async def test_an_iteration_gives_its_connection_back(face: Any, origin: Origin) -> None:
    async with face.client(max_connections=1, timeout=2) as client:
        for _ in range(3):
            response = await client.get(origin.url + "/stream-bytes/300000", stream=True)
            async for _ in client.iter_bytes(response):
                pass
    assert len({request.connection_id for request in origin.requests}) == 1


async def test_iterating_consumes(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/bytes/10", stream=True)
        assert [piece async for piece in client.iter_bytes(response)]
        for _ in range(2):
            with pytest.raises(hyperhttp.StreamConsumed, match="read"):
                await client.read(response)
            with pytest.raises(hyperhttp.StreamConsumed):
                [piece async for piece in client.iter_bytes(response)]


async def test_what_was_read_may_be_iterated_again_and_again(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/bytes/1000", stream=True)
        content = await client.read(response)
        assert await client.read(response) is content
        for _ in range(2):
            assert b"".join([piece async for piece in client.iter_bytes(response, 300)]) == content


async def test_content_before_reading_says_what_to_call(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/json", stream=True)
        for look in (lambda: response.content, lambda: response.text, lambda: response.json()):
            with pytest.raises(hyperhttp.ResponseNotRead, match=r"read\(\)"):
                look()


async def test_a_closed_response_says_so(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/bytes/1000000", stream=True)
        await client.aclose(response)
        await client.aclose(response)
        with pytest.raises(hyperhttp.StreamClosed):
            await client.read(response)
        assert sound(client)


async def test_the_block_of_stream_ends_the_response(face: Any, origin: Origin) -> None:
    async with face.client(max_connections=1, timeout=2) as client:
        for _ in range(3):
            async with client.stream("GET", origin.url + "/stream-bytes/10000000") as response:
                async for _ in client.iter_bytes(response):
                    break
            assert sound(client)
        with pytest.raises(KeyError):
            async with client.stream("GET", origin.url + "/stream-bytes/10000000") as response:
                raise KeyError
        assert sound(client)


async def test_stream_true_leaves_the_content_on_the_wire(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/bytes/2000000", stream=True)
        assert response.num_bytes_downloaded < 2_000_000
        assert not sound(client)
        response = await client.get(origin.url + "/bytes/2000000", stream=False)
        assert len(response.content) == 2_000_000


async def test_the_default_of_each_face_is_its_own(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/bytes/10")
        if face.is_blocking:
            assert len(response.content) == 10
        else:
            with pytest.raises(hyperhttp.ResponseNotRead):
                response.content  # noqa: B018


async def test_lines_come_without_their_ends(face: Any, scripted: ScriptedServerFactory) -> None:
    content = b"one\ntwo\r\nthree\n\nfive\rsix\r\nlast"
    server = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content[:9]])
    drip = Send(content, piece=3, pause=0.002)
    server = scripted([[b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content), drip]])
    async with face.client() as client:
        response = await client.get(server.url, stream=True)
        lines = [line async for line in client.iter_lines(response)]
    assert lines == content.decode().splitlines()


async def test_lines_arrive_when_they_are_complete(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/stream/5", stream=True)
        lines = [line async for line in client.iter_lines(response)]
    assert len(lines) == 5
    assert all(line.startswith("{") for line in lines)


async def test_lines_before_one_that_is_too_long_are_not_lost(face: Any, scripted: ScriptedServerFactory) -> None:
    content = b"one\ntwo\n" + b"x" * (64 * 1024 * 1024 + 1)
    server = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content])
    async with face.client(max_response_size=None) as client:
        response = await client.get(server.url, stream=True)
        await client.read(response)  # one piece, in which the lines come
        lines = client.iter_lines(response)
        assert [await anext(lines), await anext(lines)] == ["one", "two"]
        with pytest.raises(hyperhttp.DecodingError, match="67108864 characters"):
            await anext(lines)


async def test_characters_are_never_cut(face: Any, scripted: ScriptedServerFactory) -> None:
    content = "日本語😀".encode() * 20
    server = scripted(
        [[b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content), Send(content, piece=5, pause=0.001)]]
    )
    async with face.client() as client:
        response = await client.get(server.url, stream=True)
        assert "".join([text async for text in client.iter_text(response)]) == content.decode()


async def test_a_slow_reader_stops_the_server(face: Any, scripted: ScriptedServerFactory) -> None:
    sent = 0

    def handler(connection: Any, _: int) -> None:
        nonlocal sent
        connection.read_request()
        connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(800):
            connection.sendall(b"10000\r\n" + b"a" * 65536 + b"\r\n")
            sent += 65536

    server = scripted(handler)
    async with face.client(timeout=5) as client:
        response = await client.get(server.url, stream=True)
        async for _ in client.iter_bytes(response):
            break
        await face.sleep(0.2)
        assert sent < 30_000_000
        await client.aclose(response)


@pytest.mark.parametrize("path", ["/bytes/8000000", "/stream-bytes/8000000"])
async def test_a_large_download_is_streamed_in_little_memory(face: Any, origin: Origin, path: str) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + path, stream=True)
        digest = hashlib.sha256()
        largest = 0
        tracemalloc.start()
        try:
            async for piece in client.iter_bytes(response):
                digest.update(piece)
                largest = max(largest, len(piece))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert largest < 2_000_000
    assert peak < 4_000_000  # the origin runs in this process too
    assert response.num_bytes_downloaded == 8_000_000


async def test_the_content_of_a_large_download_is_right(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        expected = (await client.json(await client.get(origin.url + "/bytes/3000000/sha256?seed=5")))["sha256"]
        content = await client.read(await client.get(origin.url + "/bytes/3000000?seed=5"))
    assert hashlib.sha256(content).hexdigest() == expected


async def test_trailers_are_there_after_the_content(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/trailers?X-Mine=yes", stream=True)
        content = await client.read(response)
        assert response.trailers["x-mine"] == "yes"
        assert response.trailers["x-checksum"] == hashlib.sha256(content).hexdigest()
        assert "x-mine" not in response.headers


async def test_an_iteration_that_is_left_and_closed_spoils_nothing(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        for number in range(5):
            response = await client.get(origin.url + "/stream-bytes/500000", stream=True)
            async for _ in client.iter_bytes(response):
                break
            await client.aclose(response)
            shown = await client.json(await client.get(f"{origin.url}/get?n={number}"))
            assert shown["args"] == {"n": str(number)}
