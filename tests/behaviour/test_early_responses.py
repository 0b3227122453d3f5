"""A final response that comes while the content is still being sent reaches the caller (RFC 9112 section 9.3)."""

from __future__ import annotations

import io
import time
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.testing.scripted import Close, Expect, Sleep

if TYPE_CHECKING:
    from pathlib import Path

    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

REFUSAL = b"HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 7\r\n\r\ntoo big"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BIG = 8 * 1024 * 1024


def contents(face: Any, folder: Path) -> dict[str, Any]:
    """Content of every kind, each larger than what the system buffers."""
    path = folder / "big"
    path.write_bytes(b"f" * BIG)
    return {
        "bytes": {"content": b"b" * BIG},
        "pieces": {"content": face.pieces(*[b"p" * 65536] * (BIG // 65536))},
        "small pieces": {"content": face.pieces(*[b"p" * 4096] * (BIG // 4096))},
        "file": {"content": io.BytesIO(b"f" * BIG)},
        "path": {"content": path},
        "form": {"data": {"field": "d" * BIG}},
        "json": {"json": {"value": "j" * BIG}},
        "multipart": {"files": {"file": ("big", b"m" * BIG)}},
        "multipart from a path": {"files": {"file": path}},
        "chunked bytes": {"content": b"c" * BIG, "headers": {"Transfer-Encoding": "chunked"}},
    }


KINDS = (
    "bytes", "pieces", "small pieces", "file", "path", "form", "json", "multipart", "multipart from a path",
    "chunked bytes",
)  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
async def test_a_413_during_an_upload_reaches_the_caller(
    face: Any, scripted: ScriptedServerFactory, tmp_path: Path, kind: str
) -> None:
    server = scripted.by_connection([[Expect(b"\r\n\r\n"), REFUSAL, Sleep(0.05), Close()], [Expect(b"\r\n\r\n"), OK]])
    async with face.client(timeout=5) as client:
        response = await client.post(server.url, **contents(face, tmp_path)[kind])
        assert response.status_code == 413
        assert await client.read(response) == b"too big"
        assert client.raw.get_pool_stats() == {}
        assert (await client.get(server.url)).status_code == 200


@pytest.mark.parametrize("kind", ["bytes", "pieces", "small pieces", "path"])
async def test_a_413_of_a_real_server_reaches_the_caller(face: Any, origin: Origin, tmp_path: Path, kind: str) -> None:
    async with face.client(timeout=5) as client:
        response = await client.post(origin.url + "/early-413", **contents(face, tmp_path)[kind])
        assert response.status_code == 413
        assert await client.read(response) == b"too much content\n"
        assert client.raw.get_pool_stats() == {}


async def test_a_413_reaches_the_caller_over_tls(face: Any, scripted: ScriptedServerFactory) -> None:
    def handler(connection: Any, _: int) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.sendall(REFUSAL)
        connection.wait_for_eof(3)

    server = scripted(handler, tls=True)
    async with face.client(timeout=5, ssl_context=server.ssl_context()) as client:
        response = await client.post(server.url, content=b"b" * BIG)
        assert response.status_code == 413
        assert await client.read(response) == b"too big"


async def test_a_response_with_content_that_is_still_coming_ends_the_upload(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    script = [Expect(b"\r\n\r\n"), REFUSAL[:-4], Sleep(0.1), REFUSAL[-4:], Sleep(0.1), Close()]
    server = scripted.by_connection([script])
    async with face.client(timeout=5) as client:
        response = await client.post(server.url, content=b"b" * BIG)
        assert response.status_code == 413
        assert await client.read(response) == b"too big"
        assert client.raw.get_pool_stats() == {}


@pytest.mark.parametrize("size", [1024, 65536])
async def test_an_upload_stops_although_the_server_goes_on_reading(
    face: Any, scripted: ScriptedServerFactory, size: int
) -> None:
    received = []

    def handler(connection: Any, _: int) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.sendall(REFUSAL)
        connection.wait_for_eof(3)
        received.append(len(connection.received))

    server = scripted(handler)
    async with face.client(timeout=5) as client:
        pieces = face.pieces(*[b"p" * size] * 200, pause=0.003)
        response = await client.post(server.url, content=pieces)
        assert response.status_code == 413
    assert server.wait_closed()
    assert received[0] < 100 * size


@pytest.mark.parametrize("kind", ["bytes", "pieces"])
@pytest.mark.parametrize("secure", [False, True])
async def test_a_server_that_answers_and_then_neither_reads_nor_closes_does_not_hold_the_caller(
    face: Any, scripted: ScriptedServerFactory, tmp_path: Path, kind: str, secure: bool
) -> None:
    def handler(connection: Any, _: int) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.sleep(0.1)  # the client has filled every buffer by now
        connection.sendall(REFUSAL)
        connection.sleep(3)

    server = scripted(handler, tls=secure)
    options = {"ssl_context": server.ssl_context()} if secure else {}
    async with face.client(timeout=4, **options) as client:
        started = time.monotonic()
        response = await client.post(server.url, **contents(face, tmp_path)[kind])
        assert response.status_code == 413
        assert await client.read(response) == b"too big"
        assert client.raw.get_pool_stats() == {}
    # What was not sent is not worth waiting for: the connection is gone, and closing the client takes no time.
    assert time.monotonic() - started < 2.5


async def test_an_early_success_does_not_leave_half_a_request_on_a_reused_connection(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def handler(connection: Any, index: int) -> None:
        if index:
            connection.read_request()
        else:
            connection.read_until(b"\r\n\r\n")
        connection.sendall(OK)
        connection.wait_for_eof(3)

    server = scripted(handler)
    async with face.client(timeout=5) as client:
        assert await client.read(await client.post(server.url, content=b"b" * BIG)) == b"ok"
        assert await client.read(await client.get(server.url)) == b"ok"
    assert len(server.connections) == 2


async def test_a_server_that_hangs_up_during_an_upload_without_an_answer_is_an_error(face: Any, origin: Origin) -> None:
    async with face.client(timeout=5) as client:
        with pytest.raises(hyperhttp.TransportError) as caught:
            await client.post(f"{origin.url}/post?fault=close-during-upload", content=b"b" * BIG)
        assert isinstance(caught.value, (hyperhttp.WriteError, hyperhttp.ReadError, hyperhttp.RemoteProtocolError))
        assert client.raw.get_pool_stats() == {}


async def test_an_upload_stops_at_once_when_its_response_came_during_a_pause(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    if face.is_blocking:
        pytest.skip("a blocking iterator cannot be interrupted")

    async def pieces() -> Any:
        import asyncio

        yield b"first"
        await asyncio.sleep(30)
        yield b"never"

    server = scripted.by_connection([[Expect(b"first"), REFUSAL, Sleep(0.1)]])
    started = time.monotonic()
    async with face.client(timeout=5) as client:
        assert (await client.post(server.url, content=pieces())).status_code == 413
    assert time.monotonic() - started < 2


async def test_a_body_that_fails_surfaces_its_own_error_and_the_connection_is_closed(face: Any, origin: Origin) -> None:
    def broken() -> Any:
        yield b"first"
        raise KeyError("from the caller's own iterator")

    async with face.client(timeout=5) as client:
        with pytest.raises(KeyError, match="own iterator"):
            await client.post(origin.url + "/post", content=broken())
        assert client.raw.get_pool_stats() == {}
        await client.get(origin.url + "/get")  # the origin has seen all of the broken request by now


@pytest.mark.parametrize("length", [3, 30])
async def test_content_that_is_not_as_long_as_announced_is_an_error(face: Any, origin: Origin, length: int) -> None:
    async with face.client(timeout=5) as client:
        with pytest.raises(hyperhttp.HyperHTTPError, match="bytes"):
            await client.post(
                origin.url + "/post",
                content=face.pieces(b"12345", b"67890"),
                headers={"Content-Length": str(length)},
            )
        assert client.raw.get_pool_stats() == {}
        await client.get(origin.url + "/get")  # the origin has seen all of the broken request by now
