"""Connections are shared within limits, handed out in order, and given up when their time has come."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Timeout
from hyperhttp.testing.scripted import ReadRequest, Stall

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def idle_of(client: Any) -> int:
    """Idle connections in all."""
    return sum(counts["idle"] for counts in client.raw.get_pool_stats().values())


async def test_a_connection_is_used_again(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        for _ in range(5):
            await client.read(await client.get(origin.url + "/get"))
        assert client.raw.get_pool_stats() == {f"127.0.0.1:{origin.port}": {"idle": 1, "in_use": 0, "total": 1}}
    assert len({request.connection_id for request in origin.requests}) == 1


async def test_a_small_response_nobody_reads_gives_its_connection_back(face: Any, origin: Origin) -> None:
    async with face.client(max_connections=1, timeout=10) as client:
        for _ in range(5):
            await client.get(origin.url + "/get", stream=True)
    assert len({request.connection_id for request in origin.requests}) == 1


async def test_statistics_show_what_is_in_use(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        name = f"127.0.0.1:{origin.port}"
        first = await client.get(origin.url + "/drip?numbytes=3&duration=1", stream=True)
        second = await client.get(origin.url + "/drip?numbytes=3&duration=3", stream=True)
        assert client.raw.get_pool_stats()[name] == {"idle": 0, "in_use": 2, "total": 2}
        await client.read(first)
        assert client.raw.get_pool_stats()[name] == {"idle": 1, "in_use": 1, "total": 2}
        await client.aclose(second)
        assert client.raw.get_pool_stats()[name] == {"idle": 1, "in_use": 0, "total": 1}


@pytest.mark.parametrize("option", ["max_connections", "max_connections_per_host"])
async def test_no_more_connections_than_allowed(face: Any, origin: Origin, option: str) -> None:
    before = origin.connections.opened
    async with face.client(**{option: 3}) as client:
        responses = await face.together(*[client.get(origin.url + "/delay/0.01") for _ in range(12)])
        assert [response.status_code for response in responses] == [200] * 12
    assert origin.connections.opened - before == 3


async def test_waiters_are_served_in_the_order_they_came(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([OK], repeat=True)
    async with face.client(max_connections=1, timeout=5) as client:
        held = scripted.by_connection([[ReadRequest(), b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", Stall(3)]])
        response = await client.get(held.url, stream=True)
        calls = []
        for number in range(5):
            calls.append(face.start(client.get(f"{server.url}/{number}")))
            await asyncio.sleep(0.02)
        await client.aclose(response)
        await asyncio.gather(*calls)
    assert [request.split(b" ")[1] for request in server.requests] == [b"/%d" % number for number in range(5)]


async def test_an_idle_connection_of_another_host_makes_room(face: Any, scripted: ScriptedServerFactory) -> None:
    first, second = scripted([OK], repeat=True), scripted([OK], repeat=True)
    async with face.client(max_connections=1, timeout=2) as client:
        for server in (first, second, first):
            await client.read(await client.get(server.url))
        assert list(client.raw.get_pool_stats()) == [f"127.0.0.1:{first.port}"]


async def test_a_host_at_its_limit_does_not_hold_up_another(face: Any, scripted: ScriptedServerFactory) -> None:
    busy, free = scripted.by_connection([[ReadRequest(), Stall(3)]]), scripted([OK], repeat=True)
    async with face.client(max_connections_per_host=1, max_connections=3, timeout=2) as client:
        calls = [face.start(client.get(busy.url)) for _ in range(3)]
        await asyncio.sleep(0.05)
        started = time.monotonic()
        await client.read(await client.get(free.url, timeout=10))
        assert time.monotonic() - started < 1.5
        if not face.is_blocking:
            for call in calls:
                call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)


@pytest.mark.parametrize(("kept", "left"), [(0, 0), (2, 2), (None, 4)])
async def test_no_more_idle_connections_than_allowed_are_kept(
    face: Any, origin: Origin, kept: int | None, left: int
) -> None:
    async with face.client(max_keepalive_connections=kept) as client:
        await face.together(*[client.get(origin.url + "/delay/0.4") for _ in range(4)])
        if kept:
            await face.sleep(1.1)  # those above the limit are kept for a moment, for the next burst
            await client.get(origin.url + "/get")  # a blocking pool looks around when it is used
        assert idle_of(client) == left


async def test_an_idle_connection_expires(face: Any, origin: Origin) -> None:
    async with face.client(keepalive_expiry=0.8) as client:
        await client.get(origin.url + "/get")
        await client.get(origin.url + "/get")
        await face.sleep(1.0)
        await client.get(origin.url + "/get")
    ids = [request.connection_id for request in origin.requests]
    assert ids[0] == ids[1] != ids[2]


async def test_expired_connections_are_closed_without_being_asked_for(origin: Origin) -> None:
    async with hyperhttp.Client(keepalive_expiry=0.05) as client:
        await client.get(origin.url + "/get")
        await asyncio.sleep(0.2)
        assert client.get_pool_stats() == {}


async def test_a_connection_retires_at_its_age(face: Any, origin: Origin) -> None:
    async with face.client(max_connection_age=0.15) as client:
        for _ in range(5):
            await client.get(origin.url + "/get")
            await face.sleep(0.06)
    assert len({request.connection_id for request in origin.requests}) >= 2


async def test_a_server_that_says_how_long_it_keeps_is_believed(face: Any, scripted: ScriptedServerFactory) -> None:
    answer = b"HTTP/1.1 200 OK\r\nKeep-Alive: timeout=1, max=1\r\nContent-Length: 2\r\n\r\nok"
    server = scripted([answer, OK])
    async with face.client() as client:
        await client.get(server.url)
        assert (await client.get(server.url)).status_code == 200


async def test_different_trust_never_shares_a_connection(face: Any, origin: Origin) -> None:
    async with face.client(verify=False) as careless:
        await careless.get(origin.https_url + "/get")
        async with face.client() as careful:
            with pytest.raises(hyperhttp.TLSError):
                await careful.get(origin.https_url + "/get")


async def test_names_of_one_host_are_kept_apart(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        await client.get(origin.url + "/get")
        await client.get(f"http://localhost:{origin.port}/get")
        await client.get(f"http://LOCALHOST:{origin.port}/get")
        assert set(client.raw.get_pool_stats()) == {f"127.0.0.1:{origin.port}", f"localhost:{origin.port}"}


async def test_a_refused_connection_frees_its_slot(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([OK])
    server.close()
    async with face.client(max_connections=1, timeout=10) as client:
        for _ in range(5):
            with pytest.raises(hyperhttp.ConnectError):
                await client.get(server.url)
        assert client.raw.get_pool_stats() == {}


async def test_a_burst_uses_every_freed_connection(face: Any, origin: Origin) -> None:
    async with face.client(max_connections=4, timeout=10) as client:
        count = 20 if face.is_blocking else 200
        responses = await face.together(*[client.get(origin.url + "/get") for _ in range(count)])
        assert len(responses) == count
        (counts,) = client.raw.get_pool_stats().values()
        assert counts["in_use"] == 0
        assert counts["total"] <= 4


async def test_an_unlimited_pool_opens_what_is_needed(face: Any, origin: Origin) -> None:
    async with face.client(max_connections=None) as client:
        await face.together(*[client.get(origin.url + "/delay/0.4") for _ in range(4)])
        (counts,) = client.raw.get_pool_stats().values()
        assert counts["total"] == 4


async def test_a_large_response_that_is_dropped_unread_gives_its_slot_back(face: Any, origin: Origin) -> None:
    async with face.client(max_connections=1, timeout=10) as client:
        for _ in range(3):
            await client.get(origin.url + "/bytes/3000000", stream=True)
            gc.collect()
        assert (await client.get(origin.url + "/get")).status_code == 200


async def test_an_open_response_holds_its_slot_until_it_is_closed(face: Any, origin: Origin) -> None:
    async with face.client(max_connections=1, timeout=Timeout(5, pool=0.1)) as client:
        async with client.stream("GET", origin.url + "/drip?numbytes=5&duration=1") as response:
            assert response.status_code == 200
            with pytest.raises(hyperhttp.PoolTimeout):
                await client.get(origin.url + "/get")
        assert (await client.get(origin.url + "/get")).status_code == 200
