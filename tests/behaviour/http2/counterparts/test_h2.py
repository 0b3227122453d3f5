"""The `h2` package as a server, which checks every frame it gets and gives up at the first that is wrong."""

from __future__ import annotations

import asyncio
import hashlib
import random
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.testing import Origin
from tests.behaviour.http2.test_peer import in_use, opened

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("no_leaks")

MIB = 1024 * 1024


@pytest.fixture
def h2() -> Iterator[Origin]:
    """An origin that speaks HTTP/2 through `h2`; nothing it got may have been wrong."""
    with Origin(http2=True, tls=True) as origin:
        yield origin
        assert origin.errors == []
        assert origin.connections.refused == 0, "h2 found fault with a frame"


def options(origin: Origin) -> dict[str, Any]:
    """What a client needs."""
    return {"ssl_context": origin.ssl_context(), "timeout": 10.0}


async def test_concurrent_requests_of_every_kind(face: Any, h2: Origin) -> None:
    content = random.Random(1).randbytes(100_000)
    url = h2.https_url

    async def one(number: int) -> None:
        kind = number % 5
        if kind == 0:
            response = await client.get(f"{url}/get?n={number}", headers={"X-Number": str(number)})
            assert (await client.json(response))["headers"]["X-Number"] == str(number)
        elif kind == 1:
            response = await client.post(url + "/sha256", content=content[number:])
            assert (await client.json(response))["sha256"] == hashlib.sha256(content[number:]).hexdigest()
        elif kind == 2:
            response = await client.get(f"{url}/bytes/{number * 1000}")
            assert len(await client.read(response)) == number * 1000
        elif kind == 3:
            response = await client.get(url + "/trailers")
            await client.read(response)
            assert "x-checksum" in response.trailers
        else:
            response = await client.post(url + "/echo?stream=1", content=face.pieces(b"a" * 1000, b"b" * 1000))
            assert await client.read(response) == b"a" * 1000 + b"b" * 1000

    async with face.client(**options(h2)) as client:
        await face.together(*[one(number) for number in range(5 if face.is_blocking else 50)])
        assert (opened(client), in_use(client)) == (1, 0)


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 65_535, 65_536, 1_000_000, 10 * MIB])
async def test_content_of_any_size_goes_up_and_comes_down(face: Any, h2: Origin, size: int) -> None:
    content = random.Random(size).randbytes(size)
    async with face.client(**options(h2)) as client:
        response = await client.post(h2.https_url + "/echo", content=content)
        assert await client.read(response) == content


async def test_resets_in_both_directions(face: Any, h2: Origin) -> None:
    url = h2.https_url
    async with face.client(**options(h2)) as client:
        for _ in range(5):
            async with client.stream("GET", f"{url}/drip?duration=5&numbytes=100") as response:
                assert response.status_code == 200
            with pytest.raises(hyperhttp.RemoteProtocolError, match="INTERNAL_ERROR"):
                await client.read(await client.post(url + "/post?fault=reset-stream-body"))
            with pytest.raises(hyperhttp.RemoteProtocolError, match="ENHANCE_YOUR_CALM"):
                await client.post(url + "/post?fault=enhance-your-calm")
            response = await client.post(url + f"/post?fault=refused-stream&fault_times=1&n={_}", content=b"again")
            assert (await client.json(response))["data"] == "again"
        assert (opened(client), in_use(client)) == (1, 0)


async def test_its_goodbyes_lose_nothing(face: Any, h2: Origin) -> None:
    url = h2.https_url
    async with face.client(**options(h2)) as client:
        for number in range(4):
            response = await client.post(f"{url}/post?fault=goaway&fault_times=1&n={number}", content=b"one")
            assert (await client.json(response))["data"] == "one"
            response = await client.post(f"{url}/post?fault=goaway-after&n={number}", content=b"two")
            assert (await client.json(response))["data"] == "two"
        assert in_use(client) == 0


async def test_fields_of_every_kind_survive_its_tables(face: Any, h2: Origin) -> None:
    """HPACK both ways: many names, long values, repeated and changing ones, secrets."""
    chance = random.Random(2)
    async with face.client(**options(h2)) as client:
        for _ in range(30):
            headers = {
                f"X-{chance.randrange(40)}": "".join(chance.choices("abc!~ ÿ", k=chance.randrange(200))).strip()
                for _ in range(chance.randrange(20))
            }
            headers["Authorization"] = f"Bearer {chance.random()}"
            response = await client.get(h2.https_url + "/headers", headers=headers)
            got = {name.lower(): value for name, value in (await client.json(response))["headers"].items()}
            for name, value in headers.items():
                assert got[name.lower()].encode("latin-1", "ignore") == value.encode("latin-1", "ignore"), name
        assert opened(client) == 1


async def test_hundreds_of_requests_one_after_another_and_all_at_once(h2: Origin) -> None:
    async with hyperhttp.Client(**options(h2)) as client:

        async def one(number: int) -> None:
            response = await client.get(f"{h2.https_url}/get?n={number}")
            assert (await response.ajson())["args"] == {"n": str(number)}

        for number in range(100):
            await one(number)
        await asyncio.gather(*map(one, range(300)))
        assert client.get_pool_stats()[h2.https_url.removeprefix("https://")]["total"] <= 4
