"""Many requests on one connection: how many, in which order, and whose answer is whose (RFC 9113 section 5.1.2)."""

from __future__ import annotations

import asyncio
import hashlib
import random
import time
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Client, Timeout
from hyperhttp.testing import Origin
from tests.behaviour.http2.test_peer import (
    MAX_STREAMS,
    REFUSED_STREAM,
    Peer,
    Server,
    eventually,
    in_use,
    opened,
    signal,
)

if TYPE_CHECKING:
    from hyperhttp.testing.scripted import ScriptedServerFactory

pytestmark = pytest.mark.usefixtures("no_leaks")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def h2_origin(hyperhttp_http2_origin: Origin) -> Any:
    """The HTTP/2 origin of the run, with nothing left of earlier tests."""
    hyperhttp_http2_origin.clear()
    yield hyperhttp_http2_origin
    hyperhttp_http2_origin.drop_connections()
    assert hyperhttp_http2_origin.errors == []


@pytest.mark.parametrize("tls", [True, False])
async def test_a_cold_burst_makes_one_handshake(face: Any, h2_origin: Origin, tls: bool) -> None:
    count = 30 if face.is_blocking else 100
    url = h2_origin.https_url if tls else h2_origin.url
    before = h2_origin.connections.opened
    options: dict[str, Any] = {"ssl_context": h2_origin.ssl_context()} if tls else {"http2": "prior-knowledge"}
    async with face.client(timeout=10, **options) as client:
        responses = await face.together(*[client.get(f"{url}/get?n={number}") for number in range(count)])
        for number, response in enumerate(responses):
            assert (await client.json(response))["args"] == {"n": str(number)}
        assert (opened(client), in_use(client)) == (1, 0)
    assert h2_origin.connections.opened - before == 1
    assert len({request.connection_id for request in h2_origin.requests}) == 1


async def test_a_cold_burst_to_a_server_of_http1_opens_what_it_needs(face: Any, origin: Origin) -> None:
    before = origin.connections.opened
    async with face.client(ssl_context=origin.ssl_context(), max_connections=5, timeout=10) as client:
        responses = await face.together(*[client.get(f"{origin.https_url}/delay/0.02?n={n}") for n in range(10)])
        for number, response in enumerate(responses):
            assert (await client.json(response))["args"] == {"n": str(number)}
    assert 2 <= origin.connections.opened - before <= 5


async def test_a_cold_burst_to_a_host_that_is_not_there_fails_at_once(face: Any) -> None:
    started = time.monotonic()
    async with face.client(timeout=5) as client:
        tasks = [face.start(client.get("https://127.0.0.1:1/")) for _ in range(8)]
        errors = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(error) for error in errors} == {hyperhttp.ConnectError}
        assert client.raw.get_pool_stats() == {}
    assert time.monotonic() - started < 2


async def test_whoever_made_the_handshake_may_be_cancelled_and_the_others_go_on(
    scripted: ScriptedServerFactory,
) -> None:
    server = Server(scripted, Peer.serve, tls=True)
    for turn in range(8):
        async with Client(**server.options) as client:
            tasks = [asyncio.ensure_future(client.get(server.url)) for _ in range(6)]
            await asyncio.sleep(0.0005 * turn)
            tasks[0].cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert [type(result).__name__ for result in results[1:]] == ["Response"] * 5


async def test_a_limit_of_one_stream_makes_a_queue(face: Any, scripted: ScriptedServerFactory) -> None:
    most = []

    def script(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        answered = 1
        while True:
            stream = peer.request().stream
            most.append(len(peer.asked) - answered)
            peer.answer(stream)
            answered += 1

    server = Server(scripted, script, settings={MAX_STREAMS: 1})
    async with face.client(max_connections=1, **server.options) as client:
        await client.get(server.url)  # by now its settings are known
        count = 8 if face.is_blocking else 30
        responses = await face.together(*[client.get(f"{server.url}/{n}") for n in range(count)])
        assert {response.status_code for response in responses} == {200}
    assert set(most) == {1}
    assert len(server.peers) == 1


async def test_a_queue_on_one_stream_is_served_in_order(scripted: ScriptedServerFactory) -> None:
    server = Server(scripted, Peer.serve, settings={MAX_STREAMS: 1})
    async with Client(max_connections=1, **server.options) as client:
        await client.get(server.url)
        await asyncio.gather(*[client.get(f"{server.url}/{number}") for number in range(20)])
    assert server.asked[1:] == [f"/{number}" for number in range(20)]


@pytest.mark.parametrize(("cap", "limit"), [(3, 1), (2, 4)])
async def test_more_requests_than_streams_open_other_connections_within_the_caps(
    face: Any, h2_origin: Origin, cap: int, limit: int
) -> None:
    with Origin(http2=True, max_streams=limit) as origin:
        async with face.client(max_connections_per_host=cap, http2="prior-knowledge", timeout=10) as client:
            await client.read(await client.get(origin.url + "/get"))
            responses = await face.together(
                *[client.get(f"{origin.url}/delay/0.02?n={number}") for number in range(16)]
            )
            for number, response in enumerate(responses):
                assert (await client.json(response))["args"] == {"n": str(number)}
            assert in_use(client) == 0
        assert 2 <= origin.connections.opened <= cap
        assert origin.connections.refused == 0, "it never met a request too many"


@pytest.mark.parametrize("tls", [True, False])
async def test_a_cold_burst_keeps_to_a_small_limit_that_is_not_known_yet(face: Any, tls: bool) -> None:
    """A server built on the `h2` package ends the connection when a stream too many comes."""
    with Origin(http2=True, max_streams=4) as origin:
        options: dict[str, Any] = {"ssl_context": origin.ssl_context()} if tls else {"http2": "prior-knowledge"}
        async with face.client(max_connections=1, timeout=5, **options) as client:
            url = origin.https_url if tls else origin.url
            responses = await face.together(*[client.get(f"{url}/get?n={number}") for number in range(20)])
            for number, response in enumerate(responses):
                assert (await client.json(response))["args"] == {"n": str(number)}


async def test_what_a_server_refuses_of_a_cold_burst_is_sent_again(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        first = peer.request()
        deadline = time.monotonic() + 0.1
        peer.connection.settimeout(0.1)
        try:
            while time.monotonic() < deadline:
                peer.reset(peer.request().stream, REFUSED_STREAM)
        except TimeoutError:
            pass
        peer.connection.settimeout(5)
        peer.answer(first.stream)
        peer.serve()

    server = Server(scripted, script, settings={MAX_STREAMS: 1})
    async with face.client(max_connections=1, **server.options) as client:
        responses = await face.together(*[client.post(f"{server.url}/{n}", stream=False) for n in range(10)])
        assert [response.status_code for response in responses] == [200] * 10
        assert in_use(client) == 0


async def test_a_limit_lowered_below_what_is_open_lets_the_open_finish_and_holds_the_rest(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    lowered = signal()
    go = signal()
    seen: list[int] = []

    def script(peer: Peer) -> None:
        streams = [peer.request().stream for _ in range(3)]
        peer.settled({MAX_STREAMS: 1})
        lowered.set()
        assert go.wait(5)
        for stream in reversed(streams):
            peer.ping()
            seen.append(len(peer.asked))
            peer.answer(stream)
        peer.serve()

    server = Server(scripted, script, settings={MAX_STREAMS: 10})
    async with face.client(max_connections=1, **server.options) as client:
        first = [face.start(client.get(f"{server.url}/first/{n}", stream=False)) for n in range(3)]
        await eventually(lowered.is_set)
        later = [face.start(client.get(f"{server.url}/later/{n}", stream=False)) for n in range(2)]
        await asyncio.sleep(0.05)
        go.set()
        responses = await asyncio.wait_for(asyncio.gather(*first, *later), 5)
        assert [response.status_code for response in responses] == [200] * 5
        assert in_use(client) == 0
    assert seen == [3, 3, 3], "nothing new while one or more were open"
    assert len(server.peers) == 1


@pytest.mark.parametrize("start", [0, 1])
async def test_a_limit_that_rises_lets_the_waiting_go_on(
    face: Any, scripted: ScriptedServerFactory, start: int
) -> None:
    known = signal()
    waiting = signal()

    def script(peer: Peer) -> None:
        first = peer.request()
        peer.settled({MAX_STREAMS: start})
        known.set()
        assert waiting.wait(5)
        peer.settings({MAX_STREAMS: 50})
        streams = [peer.request().stream for _ in range(4)]
        for stream in [*streams, first.stream]:
            peer.answer(stream)
        peer.rest()

    server = Server(scripted, script)
    async with face.client(max_connections=1, **server.options) as client:
        first = face.start(client.get(server.url + "/first"))
        await eventually(known.is_set)
        later = [face.start(client.get(f"{server.url}/{n}")) for n in range(4)]
        await asyncio.sleep(0.05)
        assert len(server.asked) == 1
        waiting.set()
        assert [r.status_code for r in await asyncio.wait_for(asyncio.gather(first, *later), 5)] == [200] * 5
    assert len(server.peers) == 1


async def test_a_server_that_allows_no_stream_is_a_pool_timeout_not_a_hang(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.settled({MAX_STREAMS: 0})
        peer.answer(stream)
        peer.rest()

    server = Server(scripted, script)
    options = server.options | {"timeout": Timeout(5, pool=0.2)}
    async with face.client(max_connections=1, **options) as client:
        await client.get(server.url)
        try:
            response = await client.get(server.url)
        except hyperhttp.PoolTimeout as error:
            assert error.request is not None  # noqa: PT017 - either is fine
        else:
            assert response.status_code == 200
            assert len(server.peers) == 2, "another connection was tried"
        assert in_use(client) in (0, 1)


async def test_settings_that_come_late_are_not_waited_for(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        peer.connection.read_exactly(24)
        request = peer.request()
        peer.settings({})
        peer.is_polite = True
        peer.answer(request.stream)
        peer.rest()

    server = Server(scripted, script, settings=None)
    async with face.client(**server.options) as client:
        assert (await client.get(server.url)).status_code == 200


async def test_answers_find_their_requests_in_whatever_order_they_come(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    count = 5 if face.is_blocking else 16

    def script(peer: Peer) -> None:
        requests = [peer.request() for _ in range(count)]
        chance = random.Random(1)
        chance.shuffle(requests)
        for request in requests:
            peer.head(request.stream, 200, ("x-path", request.path))
        pieces = [request for request in requests for _ in range(5)]
        chance.shuffle(pieces)
        for request in pieces:
            peer.data(request.stream, request.path.encode() * 100)
        for request in requests:
            peer.data(request.stream, b"", end=True)
        peer.rest()

    server = Server(scripted, script, tls=True)
    async with face.client(**server.options) as client:
        responses = await face.together(*[client.get(f"{server.url}/{n}", stream=False) for n in range(count)])
        for number, response in enumerate(responses):
            path = f"/{number}"
            assert response.headers["x-path"] == path
            assert response.content == path.encode() * 500


async def test_64_tasks_never_get_each_others_answers(h2_origin: Origin) -> None:
    sizes = [0, 1, 200, 5_000, 70_000, 300_000]

    async def work(number: int) -> None:
        chance = random.Random(number)
        for _ in range(4):
            content = chance.randbytes(chance.choice(sizes))
            if chance.random() < 0.5:
                response = await client.post(url + "/sha256", content=content)
                assert (await response.ajson())["sha256"] == hashlib.sha256(content).hexdigest()
            else:
                response = await client.post(url + "/echo", content=content, headers={"Content-Type": f"x/{number}"})
                assert response.headers["content-type"] == f"x/{number}"
                assert await response.aread() == content

    url = h2_origin.https_url
    before = h2_origin.connections.opened
    async with Client(ssl_context=h2_origin.ssl_context(), timeout=20) as client:
        await asyncio.gather(*map(work, range(64)))
        assert client.get_pool_stats()[url.removeprefix("https://")]["in_use"] == 0
    assert h2_origin.connections.opened - before == 1


async def test_a_connection_serves_more_requests_than_it_has_room_for_one_after_another(
    face: Any, h2_origin: Origin
) -> None:
    async with face.client(ssl_context=h2_origin.ssl_context(), timeout=5) as client:
        for number in range(30):
            response = await client.get(f"{h2_origin.https_url}/get?n={number}")
            assert (await client.json(response))["args"] == {"n": str(number)}
        assert opened(client) == 1
    assert [request.stream_id for request in h2_origin.requests] == [2 * number + 1 for number in range(30)]


async def test_a_maximum_age_holds_for_shared_connections(face: Any, scripted: ScriptedServerFactory) -> None:
    server = Server(scripted, Peer.serve)
    async with face.client(max_connection_age=1.0, **server.options) as client:
        await client.get(server.url)
        await face.sleep(1.1)
        await client.get(server.url)
        await client.get(server.url)
    assert [len(peer.asked) for peer in server.peers][:2] == [1, 2]


async def test_idle_connections_expire(face: Any, scripted: ScriptedServerFactory) -> None:
    server = Server(scripted, Peer.serve)
    async with face.client(keepalive_expiry=0.03, **server.options) as client:
        await client.get(server.url)
        await face.sleep(0.06)
        await client.get(server.url)
    assert [len(peer.asked) for peer in server.peers] == [1, 1]
