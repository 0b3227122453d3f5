"""nghttpd, the server of nghttp2: few streams, uploads echoed as they come, early responses, trailers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import hyperhttp
from tests.behaviour.http2.test_peer import in_use, opened

pytestmark = pytest.mark.needs("nghttpd")

MIB = 1024 * 1024


async def test_many_requests_at_once_share_a_connection(face: Any, nghttpd: Any) -> None:
    count = 5 if face.is_blocking else 60
    async with face.client(max_connections=1, **nghttpd.options) as client:
        responses = await face.together(*[client.get(f"{nghttpd.url}/file{n % 20}") for n in range(count)])
        for number, response in enumerate(responses):
            assert response.http_version == "HTTP/2"
            expected = f"file {number % 20} ".encode() * (number % 20 * 100 + 1)
            assert await client.read(response) == expected
        assert (opened(client), in_use(client)) == (1, 0)


async def test_its_trailers_arrive(face: Any, nghttpd: Any) -> None:
    async with face.client(**nghttpd.options) as client:
        response = await client.get(nghttpd.url + "/index.html")
        assert await client.read(response) == b"<p>index</p>"
        assert dict(response.trailers) == {"x-trailer": "end"}


async def test_large_content_comes_down(face: Any, nghttpd: Any) -> None:
    async with face.client(**nghttpd.options) as client:
        response = await client.get(nghttpd.url + "/large")
        assert await client.read(response) == bytes(range(256)) * 4096 * 20


@pytest.mark.parametrize("size", [0, 10, 100_000, MIB])
@pytest.mark.parametrize("streamed", [False, True])
async def test_content_that_is_echoed_while_it_goes_up_comes_back_whole(
    face: Any, nghttpd: Any, size: int, streamed: bool
) -> None:
    content = (bytes(range(256)) * (size // 256 + 1))[:size]
    async with face.client(**nghttpd.options) as client:
        body = face.pieces(*[content[at : at + 30_000] for at in range(0, size, 30_000)]) if streamed else content
        response = await client.post(nghttpd.url + "/echo", content=body)
        assert await client.read(response) == content
        assert (opened(client), in_use(client)) == (1, 0)


async def test_an_early_response_reaches_the_caller(face: Any, nghttpd: Any) -> None:
    url = nghttpd.others["early"]
    async with face.client(**nghttpd.options) as client:
        for _ in range(2):
            response = await client.post(url + "/index.html", content=bytes(5 * MIB))
            assert response.status_code in (200, 404)
            await client.read(response)
        response = await client.get(url + "/file1")
        assert response.status_code == 200
        await client.read(response)
        assert in_use(client) == 0


async def test_responses_left_early_do_not_hurt_the_connection(face: Any, nghttpd: Any) -> None:
    async with face.client(**nghttpd.options) as client:
        for _ in range(20):
            async with client.stream("GET", nghttpd.url + "/large") as response:
                async for _piece in client.iter_bytes(response):
                    break
        assert await client.read(await client.get(nghttpd.url + "/index.html")) == b"<p>index</p>"
        assert (opened(client), in_use(client)) == (1, 0)


async def test_cancelled_requests_do_not_hurt_the_connection(nghttpd: Any) -> None:
    async def call() -> None:
        await (await client.get(nghttpd.url + "/large")).aread()

    async with hyperhttp.Client(max_connections=1, **nghttpd.options) as client:
        await (await client.get(nghttpd.url + "/index.html")).aread()
        tasks = [asyncio.ensure_future(call()) for _ in range(15)]
        await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await (await client.get(nghttpd.url + "/index.html")).aread() == b"<p>index</p>"
        stats = client.get_pool_stats()[nghttpd.url.removeprefix("https://")]
        assert (stats["total"], stats["streams"]) == (1, 0)


async def test_what_is_not_there_and_heads(face: Any, nghttpd: Any) -> None:
    async with face.client(**nghttpd.options) as client:
        response = await client.get(nghttpd.url + "/missing")
        assert response.status_code == 404
        await client.read(response)
        response = await client.head(nghttpd.url + "/large")
        assert (response.headers["content-length"], await client.read(response)) == (str(20 * MIB), b"")
