"""Hypercorn, an ASGI server on `h2`: it ends a connection on which a stream too many is opened."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

import pytest

import hyperhttp
from tests.behaviour.http2.test_peer import in_use, opened

MIB = 1024 * 1024


async def test_many_requests_at_once_share_a_connection(face: Any, hypercorn: Any) -> None:
    count = 5 if face.is_blocking else 60
    async with face.client(**hypercorn.options) as client:
        responses = await face.together(*[client.get(f"{hypercorn.url}/{n}") for n in range(count)])
        for number, response in enumerate(responses):
            assert (response.http_version, response.headers["x-version"]) == ("HTTP/2", "2")
            assert await client.read(response) == b"/%d" % number
        assert (opened(client), in_use(client)) == (1, 0)


async def test_a_cold_burst_keeps_to_its_limit_of_streams(face: Any, hypercorn: Any) -> None:
    url = hypercorn.others["few streams"]
    count = 5 if face.is_blocking else 30
    async with face.client(max_connections=1, **hypercorn.options) as client:
        responses = await face.together(*[client.get(f"{url}/{n}") for n in range(count)])
        for number, response in enumerate(responses):
            assert await client.read(response) == b"/%d" % number
        assert opened(client) == 1


async def test_prior_knowledge(face: Any, hypercorn: Any) -> None:
    async with face.client(http2="prior-knowledge", timeout=5) as client:
        response = await client.get(hypercorn.others["clear"] + "/clear")
        assert (response.headers["x-version"], await client.read(response)) == ("2", b"/clear")


async def test_large_content_goes_up_and_comes_down(face: Any, hypercorn: Any) -> None:
    content = bytes(range(256)) * 4096 * 4
    async with face.client(**hypercorn.options) as client:
        response = await client.post(hypercorn.url + "/sha256", content=content)
        assert await client.read(response) == hashlib.sha256(content).hexdigest().encode()
        response = await client.get(hypercorn.url + "/bytes?256")
        assert await client.read(response) == content
        assert (opened(client), in_use(client)) == (1, 0)


@pytest.mark.parametrize("streamed", [False, True])
async def test_content_that_is_echoed_while_it_goes_up_comes_back_whole(
    face: Any, hypercorn: Any, streamed: bool
) -> None:
    content = bytes(range(256)) * 2000
    async with face.client(**hypercorn.options) as client:
        body = face.pieces(*[content[at : at + 30_000] for at in range(0, 512_000, 30_000)]) if streamed else content
        response = await client.post(hypercorn.url + "/echo", content=body)
        assert await client.read(response) == content


async def test_responses_left_early_do_not_hurt_the_connection(face: Any, hypercorn: Any) -> None:
    async with face.client(**hypercorn.options) as client:
        for path in ("/endless", "/bytes?500") * 3:
            async with client.stream("GET", hypercorn.url + path) as response:
                async for _piece in client.iter_bytes(response):
                    break
        assert await client.read(await client.get(hypercorn.url + "/after")) == b"/after"
        assert (opened(client), in_use(client)) == (1, 0)


async def test_cancelled_requests_do_not_hurt_the_connection(hypercorn: Any) -> None:
    async with hyperhttp.Client(**hypercorn.options) as client:
        await (await client.get(hypercorn.url + "/first")).aread()
        tasks = [asyncio.ensure_future(client.get(hypercorn.url + "/delay?1")) for _ in range(20)]
        await asyncio.sleep(0.05)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await (await client.get(hypercorn.url + "/after")).aread() == b"/after"
        stats = client.get_pool_stats()[hypercorn.url.removeprefix("https://")]
        assert (stats["total"], stats["streams"]) == (1, 0)


async def test_an_application_that_fails_is_a_response_or_a_typed_error_and_no_more(face: Any, hypercorn: Any) -> None:
    async with face.client(**hypercorn.options) as client:
        try:
            response = await client.get(hypercorn.url + "/fail")
        except hyperhttp.TransportError as error:
            assert error.request is not None  # noqa: PT017 - either is fine
        else:
            assert response.status_code == 500
            await client.read(response)
        assert await client.read(await client.get(hypercorn.url + "/after")) == b"/after"


async def test_slow_and_quick_requests_beside_each_other(face: Any, hypercorn: Any) -> None:
    async with face.client(**hypercorn.options) as client:
        slow = face.start(client.get(hypercorn.url + "/delay?0.3"))
        await asyncio.sleep(0.05)
        for _ in range(5):
            assert await client.read(await client.get(hypercorn.url + "/quick")) == b"/quick"
        assert not slow.done()
        assert await client.read(await slow) == b"0.3"
