"""A call may be cancelled anywhere: nothing stays behind, and nobody else notices."""

from __future__ import annotations

import asyncio
import gc
import random
import warnings
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Client
from hyperhttp.testing.scripted import Expect, ReadRequest, Stall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

pytestmark = pytest.mark.usefixtures("no_leaks")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BIG = b"x" * (8 * 1024 * 1024)


def in_use(client: Client) -> int:
    """Connections that are in use or being opened."""
    return sum(counts["in_use"] for counts in client.get_pool_stats().values())


@pytest.fixture
def complaints() -> Any:
    """What the loop was told about exceptions that nobody caught."""
    heard: list[dict[str, Any]] = []
    yield heard
    assert heard == []


async def cancel_after(work: Any, seconds: float) -> None:
    """Start, wait, cancel, and see that the cancellation comes out."""
    task = asyncio.ensure_future(work)
    await asyncio.sleep(seconds)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def pieces(count: int, pause: float) -> Any:
    """Content that takes its time."""
    for _ in range(count):
        yield b"p" * 1000
        await asyncio.sleep(pause)


@pytest.mark.parametrize("point", ["tls", "upload", "large upload", "head", "body", "large body", "slow content"])
async def test_a_cancelled_call_gives_its_connection_up(
    scripted: ScriptedServerFactory, complaints: list[Any], point: str
) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    script: dict[str, Any] = {
        "tls": [Stall(3)],
        "upload": [Expect(b"\r\n\r\n"), ReadRequest(), Stall(3)],
        "large upload": lambda connection, _: connection.read_until(b"\r\n\r\n") and connection.sleep(1),
        "head": [ReadRequest(), Stall(3)],
        "body": [ReadRequest(), b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf", Stall(3)],
        "large body": [ReadRequest(), b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhalf", Stall(3)],
        "slow content": [ReadRequest(), Stall(3)],
    }
    server = scripted(script[point]) if callable(script[point]) else scripted.by_connection([script[point]])
    fine = scripted([OK])
    async with Client(max_connections=1, verify=False, timeout=10) as client:

        async def call() -> None:
            if point == "tls":
                await client.get(f"https://127.0.0.1:{server.port}/")
            elif point == "large upload":
                await client.post(server.url, content=BIG)
            elif point in ("upload", "slow content"):
                await client.post(server.url, content=pieces(1000, 0.001))
            else:
                await (await client.get(server.url)).aread()

        await cancel_after(call(), 0.1)
        assert client.get_pool_stats() == {}
        assert await (await client.get(fine.url)).aread() == b"ok"
    asyncio.get_running_loop().set_exception_handler(None)


async def test_a_cancelled_call_is_gone_for_the_server_too(scripted: ScriptedServerFactory) -> None:
    seen = []

    def handler(connection: Any, _: int) -> None:
        connection.read_request()
        seen.append(connection.wait_for_eof(2))

    server = scripted(handler)
    async with Client(timeout=5) as client:
        await cancel_after(client.get(server.url), 0.05)
        await asyncio.to_thread(server.wait_closed)
        assert seen == [True]


async def test_a_cancelled_waiter_leaves_the_line_to_the_others(origin: Origin) -> None:
    async with Client(max_connections=1, timeout=5) as client:
        tasks = [asyncio.ensure_future(client.get(origin.url + "/delay/0.2")) for _ in range(10)]
        await asyncio.sleep(0.01)
        for task in tasks[1::2]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(result, hyperhttp.Response) for result in results] == [True, False] * 5
        assert in_use(client) == 0


async def test_a_waiter_cancelled_after_it_was_woken_passes_its_turn_on(origin: Origin) -> None:
    async with Client(max_connections=1, timeout=10) as client:
        held = await client.get(origin.url + "/drip?numbytes=2&duration=0.3")
        first = asyncio.ensure_future(client.get(origin.url + "/get?first"))
        second = asyncio.ensure_future(client.get(origin.url + "/get?second"))
        await asyncio.sleep(0.02)
        await held.aclose()  # wakes the first
        first.cancel()  # before it could run
        with pytest.raises(asyncio.CancelledError):
            await first
        assert (await second).status_code == 200
        assert in_use(client) == 0


async def test_a_waiter_cancelled_with_a_connection_in_hand_gives_it_back(origin: Origin) -> None:
    async with Client(max_connections=1, timeout=10) as client:
        await (await client.get(origin.url + "/get")).aread()
        held = asyncio.ensure_future(client.get(origin.url + "/delay/0.05"))
        await asyncio.sleep(0.01)
        first = asyncio.ensure_future(client.get(origin.url + "/get"))
        second = asyncio.ensure_future(client.get(origin.url + "/get"))
        held.add_done_callback(lambda _: first.cancel())
        assert (await second).status_code == 200
        await asyncio.gather(held, first, return_exceptions=True)
        assert in_use(client) == 0


@pytest.mark.parametrize("secure", [False, True])
async def test_calls_cancelled_at_random_moments_leave_nothing_behind(
    origin: Origin, complaints: list[Any], secure: bool
) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    chance = random.Random(4711)
    base = origin.https_url if secure else origin.url
    body = chance.randbytes(100_000)
    async with Client(max_connections=8, timeout=20, ssl_context=origin.ssl_context()) as client:

        async def call() -> None:
            kind = chance.randrange(5)
            if kind == 0:
                await (await client.get(base + "/bytes/100000")).aread()
            elif kind == 1:
                await (await client.post(base + "/echo", content=body)).aread()
            elif kind == 2:
                await client.post(base + "/sha256", content=pieces(3, 0.0))
            elif kind == 3:
                async with client.stream("GET", base + "/stream-bytes/50000") as response:
                    async for _ in response.aiter_bytes():
                        pass
            else:
                await client.get(base + "/get", follow_redirects=True, auth=("a", "b"))

        for _ in range(12 if secure else 40):
            tasks = [asyncio.ensure_future(call()) for _ in range(25)]
            for task in tasks:
                if chance.random() < 0.8:
                    loop.call_later(chance.random() * 0.02, task.cancel)
            await asyncio.gather(*tasks, return_exceptions=True)
            failed = [task.exception() for task in tasks if not task.cancelled() and task.exception()]
            assert failed == []
        assert in_use(client) == 0
        assert sum(counts["total"] for counts in client.get_pool_stats().values()) <= 8
        response = await client.get(base + "/get")
        assert response.status_code == 200
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gc.collect()
    assert [str(warning.message) for warning in caught] == []
    loop.set_exception_handler(None)


async def test_calls_cancelled_at_every_step_leave_nothing_behind(origin: Origin) -> None:
    async with Client(max_connections=2, timeout=5) as client:
        for steps in range(40):
            task = asyncio.ensure_future(client.get(origin.url + "/bytes/3000"))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert in_use(client) == 0
        assert await (await client.get(origin.url + "/bytes/3000")).aread()


@pytest.mark.parametrize("moment", ["before the first step", "in line for a connection"])
async def test_content_of_a_call_that_never_began_stays_its_owners(
    scripted: ScriptedServerFactory, origin: Origin, tmp_path: Path, moment: str
) -> None:
    """What the caller has opened is the caller's; what the client opens, it opens when the first bytes are sent."""
    path = tmp_path / "file"
    path.write_bytes(b"of a file")
    begun: list[str] = []

    def plain() -> Iterator[bytes]:
        begun.append("plain")
        yield b"of an iterator"

    async def asynchronous() -> AsyncIterator[bytes]:
        begun.append("asynchronous")
        yield b"of an async one"

    held = scripted(lambda connection, _: connection.read_request() and connection.wait_for_eof(20))
    server = origin.url if moment == "before the first step" else held.url
    with path.open("rb") as file:
        contents: list[Any] = [file, plain(), asynchronous(), path]
        async with Client(max_connections=1) as client:
            holder = asyncio.ensure_future(client.get(held.url))
            await asyncio.sleep(0)
            for content in contents:
                task = asyncio.ensure_future(client.post(server + "/anything", content=content))
                for _ in range(0 if server == origin.url else 10):
                    await asyncio.sleep(0)
                task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await task
            assert begun == []
            assert not file.closed
            await cancel_after(holder, 0)
            sent = [await (await client.post(origin.url + "/anything", content=each)).ajson() for each in contents]
    assert [each["data"] for each in sent] == ["of a file", "of an iterator", "of an async one", "of a file"]


async def test_a_timeout_of_asyncio_works_around_a_call(origin: Origin) -> None:
    async with Client() as client:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await client.get(origin.url + "/delay/0.4")
        assert client.get_pool_stats() == {}


async def test_a_task_group_that_fails_cancels_its_calls(origin: Origin) -> None:
    async def fail() -> None:
        await asyncio.sleep(0.03)
        raise KeyError("one of the group")

    async def run_group() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(client.get(origin.url + "/delay/0.4"))
            group.create_task(fail())

    async with Client() as client:
        with pytest.raises(ExceptionGroup):
            await run_group()
        assert in_use(client) == 0


async def test_cancelling_one_lookup_does_not_cancel_the_others(origin: Origin) -> None:
    async with Client() as client:
        url = f"http://localhost:{origin.port}/get"
        tasks = [asyncio.ensure_future(client.get(url)) for _ in range(3)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[0], asyncio.CancelledError)
        assert [result.status_code for result in results[1:]] == [200, 200]  # type: ignore[union-attr]


async def test_breaking_out_of_an_iteration_and_closing_frees_the_connection(origin: Origin) -> None:
    async with Client(max_connections=1, timeout=2) as client:
        for _ in range(3):
            response = await client.get(origin.url + "/stream-bytes/1000000")
            async for _ in response.aiter_bytes():
                break
            await response.aclose()
            assert in_use(client) == 0
