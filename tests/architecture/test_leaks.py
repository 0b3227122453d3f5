"""Requests leave nothing behind: no task, thread or socket, and no object more for each of them."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from typing import Any

import pytest

import hyperhttp

pytestmark = pytest.mark.usefixtures("no_leaks")

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Test: leaks\r\n\r\nhello"
CUT_SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"
REQUESTS = 1000
AT_ONCE = 10
#: Objects of one type that may come and go; a leak would be a thousand.
NOISE = 50


def census() -> Counter[str]:
    """How many objects of each type there are."""
    gc.collect()
    return Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())


def grown(before: Counter[str]) -> dict[str, int]:
    now = census()
    return {name: now[name] - before[name] for name in now if now[name] - before[name] > NOISE}


async def test_a_thousand_requests_leave_no_object(face: Any, scripted: Any) -> None:
    server = scripted([ANSWER], repeat=True)

    async def ask(count: int) -> None:
        for _ in range(count):
            assert await client.read(await client.get(server.url)) == b"hello"

    async with face.client() as client:
        await ask(100)
        before = census()
        await ask(REQUESTS)
        assert grown(before) == {}


async def test_a_thousand_requests_at_once_share_few_connections(face: Any, scripted: Any) -> None:
    server = scripted([ANSWER], repeat=True)

    async def ask(count: int) -> None:
        for _ in range(count):
            response = await client.get(server.url, headers={"X-Test": "leaks"})
            assert await client.read(response) == b"hello"

    async with face.client(max_connections=4) as client:
        await face.together(*(ask(10) for _ in range(AT_ONCE)))
        before = census()
        await face.together(*(ask(REQUESTS // AT_ONCE) for _ in range(AT_ONCE)))
        assert grown(before) == {}
        assert client.raw.get_pool_stats() == {f"127.0.0.1:{server.port}": {"idle": 4, "in_use": 0, "total": 4}}
    assert len(server.connections) == 4


async def test_requests_that_fail_leave_no_object_and_no_connection(face: Any, scripted: Any) -> None:
    def cut_short(connection: Any, index: int) -> None:
        connection.read_request()
        connection.sendall(CUT_SHORT)

    server = scripted(cut_short)

    async def fail(count: int) -> None:
        for _ in range(count):
            with pytest.raises(hyperhttp.TransportError):
                await client.read(await client.get(server.url))

    async with face.client() as client:
        await fail(20)
        server.connections.clear()
        before = census()
        await fail(REQUESTS // AT_ONCE)
        server.connections.clear()
        assert grown(before) == {}
        assert all(counts["total"] == 0 for counts in client.raw.get_pool_stats().values())


async def test_responses_given_up_half_way_leave_no_connection(face: Any, scripted: Any) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"
    server = scripted([head + b"x" * 1000], repeat=True)
    async with face.client() as client:
        for _ in range(20):
            async with client.stream("GET", server.url) as response:
                assert response.status_code == 200
        assert all(counts["total"] == 0 for counts in client.raw.get_pool_stats().values())
        assert await asyncio.to_thread(server.wait_closed)  # not here: the loop has to close them
