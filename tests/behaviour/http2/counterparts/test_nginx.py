"""nginx: concurrency, large bodies both ways, resets, its goodbyes after so many requests."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from tests.behaviour.http2.test_peer import in_use, opened

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin

pytestmark = pytest.mark.needs("nginx")

MIB = 1024 * 1024


async def test_many_requests_at_once_share_a_connection(face: Any, nginx: Any, origin: Origin) -> None:
    count = 5 if face.is_blocking else 60
    async with face.client(**nginx.options) as client:
        responses = await face.together(*[client.get(f"{nginx.url}/get?n={n}") for n in range(count)])
        for number, response in enumerate(responses):
            assert response.http_version == "HTTP/2"
            assert (await client.json(response))["args"] == {"n": str(number)}
        assert (opened(client), in_use(client)) == (1, 0)


async def test_large_content_goes_up_and_comes_down(face: Any, nginx: Any, origin: Origin) -> None:
    content = bytes(range(256)) * 4096 * 20
    async with face.client(**nginx.options) as client:
        response = await client.post(nginx.url + "/sha256", content=content)
        assert (await client.json(response))["sha256"] == hashlib.sha256(content).hexdigest()
        pieces = face.pieces(*[content[at : at + 50_000] for at in range(0, 2_000_000, 50_000)])
        response = await client.post(nginx.url + "/sha256", content=pieces)
        assert (await client.json(response))["sha256"] == hashlib.sha256(content[:2_000_000]).hexdigest()
        response = await client.get(nginx.url + "/files/large")
        assert await client.read(response) == content
        assert (opened(client), in_use(client)) == (1, 0)


async def test_large_content_both_ways_at_once(face: Any, nginx: Any, origin: Origin) -> None:
    content = bytes(range(256)) * 4096 * 2

    async def up() -> str:
        return (await client.json(await client.post(nginx.url + "/sha256", content=content)))["sha256"]

    async def down() -> int:
        return len(await client.read(await client.get(nginx.url + "/files/large")))

    async with face.client(**nginx.options) as client:
        results = await face.together(up(), down(), up(), down())
        assert results == [hashlib.sha256(content).hexdigest(), 20 * MIB] * 2
        assert opened(client) == 1


async def test_responses_left_early_do_not_hurt_the_connection(face: Any, nginx: Any, origin: Origin) -> None:
    async with face.client(**nginx.options) as client:
        for _ in range(10):
            async with client.stream("GET", nginx.url + "/files/large") as response:
                async for _piece in client.iter_bytes(response):
                    break
        assert (await client.json(await client.get(nginx.url + "/get")))["args"] == {}
        assert (opened(client), in_use(client)) == (1, 0)


async def test_cancelled_requests_do_not_hurt_the_connection(nginx: Any, origin: Origin) -> None:
    async with hyperhttp.Client(**nginx.options) as client:
        await (await client.get(nginx.url + "/get")).aread()
        for _ in range(3):
            tasks = [asyncio.ensure_future(client.get(nginx.url + "/delay/1")) for _ in range(10)]
            await asyncio.sleep(0.03)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        await (await client.get(nginx.url + "/get")).aread()
        stats = client.get_pool_stats()[nginx.url.removeprefix("https://")]
        assert (stats["total"], stats["streams"]) == (1, 0)


async def test_its_goodbye_after_so_many_requests_loses_none(face: Any, nginx: Any, origin: Origin) -> None:
    url = nginx.others["few requests"]
    count = 5 if face.is_blocking else 20
    async with face.client(**nginx.options) as client:
        for turn in range(3):
            responses = await face.together(
                *[client.post(f"{url}/post?n={n}", content=b"%d" % n) for n in range(count)]
            )
            for number, response in enumerate(responses):
                assert (await client.json(response))["data"] == str(number), turn
        for number in range(12):
            assert (await client.json(await client.get(f"{url}/get?n={number}")))["args"] == {"n": str(number)}
        assert in_use(client) == 0
    assert len([request for request in origin.requests if request.method == "POST"]) == 3 * count, "none twice"


async def test_its_limit_of_streams_is_kept(face: Any, nginx: Any, origin: Origin) -> None:
    url = nginx.others["few streams"]
    count = 5 if face.is_blocking else 30
    async with face.client(max_connections=1, **nginx.options) as client:
        responses = await face.together(*[client.get(f"{url}/get?n={n}") for n in range(count)])
        for number, response in enumerate(responses):
            assert (await client.json(response))["args"] == {"n": str(number)}
        assert opened(client) == 1


async def test_without_http2_it_is_spoken_to_in_http1(face: Any, nginx: Any, origin: Origin) -> None:
    async with face.client(**nginx.options) as client:
        assert (await client.get(nginx.others["http1"] + "/get")).http_version == "HTTP/1.1"


async def test_content_it_finds_too_large_is_refused_with_413(face: Any, nginx: Any, origin: Origin) -> None:
    async with face.client(**nginx.options) as client:
        for content in (bytes(5 * MIB), face.pieces(*[bytes(50_000)] * 40)):
            response = await client.post(nginx.url + "/sha256/small", content=content)
            assert response.status_code == 413
            assert b"413" in await client.read(response)
        assert (await client.json(await client.get(nginx.url + "/get")))["args"] == {}


async def test_an_idle_connection_it_has_closed_is_not_used(face: Any, nginx: Any, origin: Origin) -> None:
    url = nginx.others["short-lived"]
    async with face.client(**nginx.options) as client:
        await client.read(await client.get(url + "/get"))
        await face.sleep(1.3)
        response = await client.post(url + "/post", content=b"not lost")
        assert (await client.json(response))["data"] == "not lost"


async def test_heads_and_empty_responses(face: Any, nginx: Any, origin: Origin) -> None:
    async with face.client(**nginx.options) as client:
        response = await client.head(nginx.url + "/files/large")
        assert (response.headers["content-length"], await client.read(response)) == (str(20 * MIB), b"")
        assert await client.read(await client.get(nginx.url + "/status/204")) == b""
        response = await client.get(nginx.url + "/files/large", headers={"Range": "bytes=256-511"})
        assert (response.status_code, await client.read(response)) == (206, bytes(range(256)))
        response = await client.get(nginx.url + "/gzip")
        assert (await client.json(response))["gzipped"] is True
