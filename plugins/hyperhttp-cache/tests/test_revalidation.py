"""stale-while-revalidate (RFC 5861 section 3), over real sockets."""

import asyncio
import logging
import threading

import pytest

import hyperhttp
from hyperhttp.testing import Reply
from hyperhttp_cache import CacheTransport

PATIENT = "max-age=60, stale-while-revalidate=600"


def reply(content=b"content", cache_control=PATIENT, **fields):
    named = [(name.replace("_", "-"), value) for name, value in fields.items()]
    return Reply(200, [("Cache-Control", cache_control), *named], content)


@pytest.fixture
async def client(storage):
    async with hyperhttp.Client(transport=CacheTransport(storage)) as client:
        yield client
    assert len(asyncio.all_tasks()) == 1


async def get(client, url, **options):
    response = await client.get(url, **options)
    await response.aread()
    return response


async def how(client, url, **options):
    return (await get(client, url, **options)).extensions["cache"]


async def at_rest(client):
    """Whatever runs behind calls has ended."""
    (pool,) = client._core.pools
    while pool.beside:
        await asyncio.sleep(0.002)


async def test_what_is_stale_is_served_and_confirmed_behind_it(client, serve, origin, clock):
    def confirm(exchange):
        known = exchange.headers.get("if-none-match") == '"v1"'
        return Reply(304, [("ETag", '"v1"'), ("X-New", "1")]) if known else reply(ETag='"v1"')

    url = serve("swr", confirm)
    await get(client, url)
    clock.move(100)
    response = await get(client, url)
    assert (response.content, response.extensions["cache"]) == (b"content", "revalidating")
    assert response.extensions["from_cache"] is True
    assert int(response.headers["age"]) >= 100
    assert "x-new" not in response.headers
    await at_rest(client)
    assert origin.requests[-1].headers["if-none-match"] == '"v1"'
    response = await get(client, url)
    assert (response.extensions["cache"], response.headers["x-new"]) == ("hit", "1")
    assert len(origin.requests) == 2


async def test_what_has_changed_is_stored_behind_it(client, storage, serve, origin, clock):
    url = serve("new", reply(b"old", ETag='"1"'), reply(b"new" * 100_000, ETag='"2"'))
    await get(client, url)
    clock.move(100)
    assert (await get(client, url)).content == b"old"
    await at_rest(client)
    response = await get(client, url)
    assert (response.content, response.extensions["cache"]) == (b"new" * 100_000, "hit")
    assert len(storage.get(url)) == 1
    assert len(origin.requests) == 2


async def test_the_origin_is_asked_once_however_many_are_served(client, serve, origin, clock):
    url = serve("once", reply(ETag='"1"'))
    await get(client, url)
    clock.move(100)
    origin.faults.add("stall-head", path="/cached/once")
    assert set(await asyncio.gather(*[how(client, url) for _ in range(20)])) == {"revalidating"}
    while len(origin.requests) < 2:
        await asyncio.sleep(0.002)
    assert await how(client, url) == "revalidating"
    assert len(origin.requests) == 2


async def test_variants_are_confirmed_one_by_one(client, serve, origin, clock):
    url = serve("vary", lambda exchange: reply(exchange.headers["accept-language"].encode(), Vary="Accept-Language"))
    for expected in ("miss", "revalidating", "hit"):
        for language in ("de", "en"):
            response = await get(client, url, headers={"Accept-Language": language})
            assert (response.content, response.extensions["cache"]) == (language.encode(), expected)
        if expected == "miss":
            clock.move(100)
        else:
            await at_rest(client)
    assert len(origin.requests) == 4


@pytest.mark.parametrize(
    ("cache_control", "asked", "age", "expected"),
    [
        (PATIENT, "", 100, "revalidating"),
        (PATIENT, "", 700, "miss"),
        ("max-age=60", "", 100, "miss"),
        ("max-age=60, stale-while-revalidate=0", "", 100, "miss"),
        ("max-age=60, stale-while-revalidate=soon", "", 100, "miss"),
        (PATIENT + ", must-revalidate", "", 100, "miss"),
        (PATIENT + ", proxy-revalidate", "", 100, "miss"),
        (PATIENT, "no-cache", 100, "miss"),
        (PATIENT, "max-age=50", 100, "miss"),
        (PATIENT, "max-age=500", 100, "revalidating"),
        (PATIENT, "min-fresh=1", 100, "miss"),
        (PATIENT, "max-stale=10", 100, "miss"),
        (PATIENT, "max-stale=90", 100, "hit"),
        (PATIENT, "only-if-cached", 100, "miss"),
    ],
)
async def test_response_and_request_say_how_stale_is_too_stale(
    client, serve, clock, cache_control, asked, age, expected
):
    url = serve("directives", reply(cache_control=cache_control))
    await get(client, url)
    clock.move(age)
    assert await how(client, url, headers={"Cache-Control": asked} if asked else {}) == expected
    await at_rest(client)


@pytest.mark.parametrize("fault", ["503", "reset"])
async def test_what_cannot_be_confirmed_stays_and_is_told_of(client, serve, origin, clock, caplog, fault):
    url = serve("failing", reply(b"old"), Reply(503))
    await get(client, url)
    clock.move(100)
    if fault == "reset":
        origin.faults.add("reset", path="/cached/failing", times=2)  # the first is replaced silently
    with caplog.at_level(logging.WARNING, "hyperhttp.cache"):
        assert await how(client, url) == "revalidating"
        await at_rest(client)
    (record,) = caplog.records
    assert (record.levelname, url in record.getMessage()) == ("WARNING", True)
    assert ("the origin answered 503" in record.getMessage()) is (fault == "503")
    assert await how(client, url) == "revalidating"  # tried again with the next call
    await at_rest(client)
    clock.move(1000)
    assert (await get(client, url)).status_code == 503


async def test_what_is_gone_is_not_served_again(client, storage, serve, clock):
    url = serve("gone", reply(b"old"), Reply(404))
    await get(client, url)
    clock.move(100)
    assert await how(client, url) == "revalidating"
    await at_rest(client)
    assert storage.get(url) == []
    assert (await get(client, url)).status_code == 404


async def test_what_has_become_too_large_to_be_stored_is_forgotten(storage, serve, clock):
    async def produce(write):
        for _ in range(1000):
            await write(bytes(1000))

    large = Reply(200, [("Cache-Control", PATIENT)], produce)
    url = serve("large", reply(b"old"), large)
    async with hyperhttp.Client(transport=CacheTransport(storage, max_content=4000)) as client:
        await get(client, url)
        clock.move(100)
        assert await how(client, url) == "revalidating"
        await at_rest(client)
        assert storage.get(url) == []
        assert all(counts["in_use"] == 0 for counts in client.get_pool_stats().values())


async def test_an_error_of_the_storage_or_of_a_program_is_told_of(serve, clock, caplog):
    class Behind:
        broken = False

        async def send(self, request):
            if self.broken:
                raise ZeroDivisionError("a bug")
            return hyperhttp.Response(200, {"Cache-Control": PATIENT}, b"old", request=request)

        def close(self):
            pass

    behind = Behind()
    async with hyperhttp.Client(transport=CacheTransport(transport=behind)) as client:
        await get(client, "http://nowhere.test/")
        clock.move(100)
        behind.broken = True
        assert await how(client, "http://nowhere.test/") == "revalidating"
        await at_rest(client)
    assert "a bug" in caplog.text


async def test_closing_the_client_ends_what_runs_behind_it(storage, serve, origin, clock, caplog):
    url = serve("closing", reply(b"old"))
    client = hyperhttp.Client(transport=CacheTransport(storage))
    await get(client, url)
    clock.move(100)
    origin.faults.add("stall-head", path="/cached/closing")
    assert await how(client, url) == "revalidating"
    while len(origin.requests) < 2:
        await asyncio.sleep(0.002)
    await client.close()
    assert len(asyncio.all_tasks()) == 1
    assert storage.get(url)[0].content == b"old"
    assert [record for record in caplog.records if record.name == "hyperhttp.cache"] == []


async def test_closing_the_client_at_once_leaves_nothing(storage, serve, clock):
    url = serve("at-once", reply(b"old"))
    async with hyperhttp.Client(transport=CacheTransport(storage)) as client:
        await get(client, url)
        clock.move(100)
        assert await how(client, url) == "revalidating"
    assert len(asyncio.all_tasks()) == 1


def test_a_loop_that_ends_under_it_leaves_nothing(serve, origin, clock):
    url = serve("loop", reply(b"old"))
    client = hyperhttp.Client(transport=CacheTransport())

    async def program():
        await get(client, url)
        clock.move(100)
        return await how(client, url)

    assert asyncio.run(program()) == "revalidating"  # its end cancels what runs
    assert asyncio.run(program()) == "revalidating"
    asyncio.run(client.close())


async def test_the_caller_may_change_its_request_or_be_cancelled_meanwhile(client, serve, origin, clock):
    url = serve("changed", lambda exchange: reply(exchange.headers.get("x-mine", "").encode()))
    request = client.build_request("GET", url, headers={"X-Mine": "one"})
    await (await client.send(request)).aread()
    clock.move(100)
    response = await client.send(request)
    request.headers["X-Mine"] = "two"
    assert response.extensions["cache"] == "revalidating"
    await response.aclose()
    await at_rest(client)
    assert (await get(client, url)).content == b"one"


def test_without_a_loop_the_origin_is_asked_at_once(storage, serve, origin, clock):
    url = serve("blocking", reply(b"old"), reply(b"new"))
    with hyperhttp.SyncClient(transport=CacheTransport(storage)) as client:
        before = threading.enumerate()
        client.get(url)
        clock.move(100)
        response = client.get(url)
        assert (response.content, response.extensions["cache"]) == (b"new", "miss")
        assert threading.enumerate() == before
    assert len(origin.requests) == 2
