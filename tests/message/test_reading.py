"""A response that nobody holds any more frees its connection, on both faces and wherever that happens."""

from __future__ import annotations

import asyncio
import gc
import threading
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp import Client
from hyperhttp.message.reading import ReadOptions, StreamGuard, hurry

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.testing.origin import Origin

pytestmark = pytest.mark.usefixtures("no_leaks")

LARGE = "/stream-bytes/3000000"


class Stream:
    """Content on its way; counts how often it was dropped."""

    def __init__(self, *, is_open: bool) -> None:
        self.is_open = is_open
        self.drops = 0

    def drop(self) -> None:
        self.drops += 1


def test_only_a_stream_that_comes_from_a_network_can_be_hurried() -> None:
    class Network(Stream):
        until = 0.0

        def hurry(self, until: float) -> None:
            self.until = until

    made_here: Any = Stream(is_open=True)
    hurry(made_here, 1.0)
    stream: Any = Network(is_open=True)
    hurry(stream, 1.0)
    assert stream.until == 1.0


@pytest.mark.parametrize(("is_open", "drops"), [(True, 1), (False, 0)])
async def test_a_guard_that_goes_drops_what_is_still_open(is_open: bool, drops: int) -> None:
    stream: Any = Stream(is_open=is_open)
    guard = StreamGuard(stream)
    assert stream.drops == 0
    del guard
    gc.collect()
    assert stream.drops == drops


async def test_what_was_closed_in_between_is_left_alone() -> None:
    stream: Any = Stream(is_open=True)
    guard = StreamGuard(stream)
    stream.is_open = False
    del guard
    assert stream.drops == 0


async def test_options_are_what_they_were_given() -> None:
    options = ReadOptions({}, 5, 2.0)
    assert (options.codings, options.max_size, options.max_ratio) == ({}, 5, 2.0)
    assert (options.drive, options.json) == (None, None)


# -- with a server -----------------------------------------------------------------------------------------------


def in_use(client: Any) -> int:
    """Connections, or streams of shared ones, that somebody has."""
    rows = client.get_pool_stats().values()
    return sum(row.get("streams", row["in_use"]) for row in rows)


async def until(face: Any, condition: Callable[[], Any]) -> None:
    """Wait for what happens soon."""
    for _ in range(500):
        if condition():
            return
        await face.sleep(0.002)
    raise AssertionError("it does not come true")


@pytest.fixture(params=["http1", "http2"])
def there(request: pytest.FixtureRequest, hyperhttp_origin: Origin, hyperhttp_http2_origin: Origin) -> Any:
    """Where the origin is, and what a client needs for it."""
    server = hyperhttp_origin if request.param == "http1" else hyperhttp_http2_origin
    server.clear()
    return server.url, {"timeout": 5, "http2": "prior-knowledge" if request.param == "http2" else False}


async def test_a_response_that_is_dropped_unread_frees_its_connection(face: Any, there: Any) -> None:
    url, options = there
    async with face.client(max_connections=1, **options) as client:
        for _ in range(2):
            response = await client.get(url + LARGE, stream=True)
            assert in_use(client.raw) == 1
            del response
            gc.collect()
            await until(face, lambda: in_use(client.raw) == 0)
        assert await client.text(await client.get(url + "/base64/aGVsbG8="))


async def test_a_response_that_is_dropped_half_read_frees_its_connection(face: Any, there: Any) -> None:
    url, options = there
    async with face.client(max_connections=1, **options) as client:
        response = await client.get(url + LARGE, stream=True)
        pieces = client.iter_bytes(response, 1000)
        assert len(await anext(pieces)) == 1000
        del response, pieces
        gc.collect()
        await until(face, lambda: in_use(client.raw) == 0)


async def test_an_iterator_is_as_good_a_hold_as_its_response(face: Any, there: Any) -> None:
    url, options = there
    async with face.client(**options) as client:
        response = await client.get(url + "/stream-bytes/300000", stream=True)
        pieces = client.iter_bytes(response)
        del response
        gc.collect()
        await face.sleep(0.005)
        assert sum([len(piece) async for piece in pieces]) == 300_000


async def test_a_response_that_was_read_leaves_its_connection_to_others(face: Any, origin: Origin) -> None:
    before = origin.connections.opened
    async with face.client() as client:
        for _ in range(3):
            response = await client.get(origin.url + "/bytes/100000", stream=True)
            await client.read(response)
            del response
            gc.collect()
            await face.sleep(0)
        assert origin.connections.opened == before + 1


async def test_a_response_that_is_part_of_a_cycle_is_found_too(face: Any, there: Any) -> None:
    url, options = there
    async with face.client(max_connections=1, **options) as client:
        response: Any = await client.get(url + LARGE, stream=True)
        response.myself = response
        del response
        gc.collect()
        await until(face, lambda: in_use(client.raw) == 0)


async def test_it_may_be_dropped_in_any_thread(face: Any, there: Any) -> None:
    url, options = there
    async with face.client(max_connections=1, **options) as client:
        held = [await client.get(url + LARGE, stream=True)]
        thread = threading.Thread(target=held.clear)
        thread.start()
        thread.join(5)
        await until(face, lambda: in_use(client.raw) == 0)


async def test_it_may_be_dropped_after_its_client_was_closed(face: Any, there: Any) -> None:
    url, options = there
    async with face.client(**options) as client:
        response = await client.get(url + LARGE, stream=True)
    del response
    gc.collect()
    await face.sleep(0)


def test_it_may_be_dropped_after_its_loop_was_closed(hyperhttp_origin: Origin) -> None:
    client = Client()

    async def ask() -> Any:
        return await client.get(hyperhttp_origin.url + LARGE)

    response = asyncio.run(ask())
    del response
    gc.collect()
    asyncio.run(client.close())
