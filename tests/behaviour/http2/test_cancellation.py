"""Whoever gives up gives up alone: RST_STREAM, and the connection goes on (RFC 9113 section 5.4.2, 8.1)."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Client, Timeout
from hyperhttp.testing.http2 import frame
from tests.behaviour.http2.test_peer import (
    CANCEL,
    DATA,
    INITIAL_WINDOW,
    MAX_STREAMS,
    NO_ERROR,
    PING,
    RST_STREAM,
    WINDOW_UPDATE,
    Peer,
    Server,
    eventually,
    in_use,
    opened,
    signal,
)

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

pytestmark = pytest.mark.usefixtures("no_leaks")

BIG = b"b" * 4_000_000


def answers_all_but(*silent: str) -> Any:
    """A script that answers whatever comes, except on these paths."""

    def script(peer: Peer) -> None:
        while True:
            request = peer.request()
            if request.path == "/half":
                peer.head(request.stream)
                peer.data(request.stream, b"half")
            elif request.path not in silent:
                peer.answer(request.stream)

    return script


@pytest.mark.parametrize("point", ["/head", "/half", "/upload", "/slow-upload"])
async def test_a_cancelled_call_resets_its_stream_and_no_more(scripted: ScriptedServerFactory, point: str) -> None:
    async def endless() -> Any:
        while True:
            yield b"piece"
            await asyncio.sleep(0.01)

    async def call() -> None:
        content: dict[str, Any] = {"/upload": {"content": BIG}, "/slow-upload": {"content": endless()}}.get(point, {})
        response = await client.request("POST" if content else "GET", server.url + point, **content)
        await response.aread()

    server = Server(scripted, answers_all_but("/head", "/upload", "/slow-upload"), tls=True)
    async with Client(**server.options) as client:
        await (await client.get(server.url)).aread()
        task = asyncio.ensure_future(call())
        await eventually(lambda: point in server.asked)
        await asyncio.sleep(0.03)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await (await client.get(server.url)).aread() == b"ok"
        await eventually(lambda: server.resets)
        name = server.url.removeprefix("https://")
        assert client.get_pool_stats()[name] == {"idle": 1, "in_use": 0, "total": 1, "streams": 0}
    assert server.resets == [(3, CANCEL)]
    assert len(server.peers) == 1


@pytest.mark.parametrize("how", ["close", "leave", "break"])
async def test_leaving_a_response_early_resets_its_stream(face: Any, scripted: ScriptedServerFactory, how: str) -> None:
    server = Server(scripted, answers_all_but())
    async with face.client(**server.options) as client:
        if how == "close":
            await client.aclose(await client.get(server.url + "/half", stream=True))
        elif how == "leave":
            async with client.stream("GET", server.url + "/half") as response:
                assert response.status_code == 200
        else:
            async with client.stream("GET", server.url + "/half") as response:
                async for piece in client.iter_bytes(response):
                    assert piece == b"half"
                    break
        assert in_use(client) == 0
        assert await client.read(await client.get(server.url)) == b"ok"
        assert opened(client) == 1
    assert server.resets == [(1, CANCEL)]
    assert len(server.peers) == 1


async def test_what_comes_after_a_reset_is_ignored_and_counted(face: Any, scripted: ScriptedServerFactory) -> None:
    """The field section must be decoded and the content given back to the connection's window (section 5.1)."""
    size = 1_600_000

    def opened_by(peer: Peer) -> int:
        return 65_535 + sum(
            int.from_bytes(got.payload, "big") for got in peer.heard if (got.kind, got.stream) == (WINDOW_UPDATE, 0)
        )

    def script(peer: Peer) -> None:
        sent = 0
        for _ in range(12):
            stream = peer.request().stream
            peer.head(stream, 200, ("x-new-in-the-table", f"value {stream}"))
            peer.data(stream, b"begin")
            peer.until(RST_STREAM, stream)
            sent += size + 5
            while opened_by(peer) < sent:
                peer.read()
            peer.data(stream, bytes(size))
            peer.trailers(stream, ("x-trailer", "late"))
        stream = peer.request().stream
        peer.head(stream, 200, ("x-new-in-the-table", "value 23"))
        peer.data(stream, b"fine", end=True)
        peer.rest()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        for _ in range(12):
            await client.aclose(await client.get(server.url, stream=True))
        response = await client.get(server.url)
        assert (response.headers["x-new-in-the-table"], await client.read(response)) == ("value 23", b"fine")
    assert len(server.peers) == 1


@pytest.mark.parametrize("tls", [False, True])
async def test_a_server_that_never_hears_of_a_reset_cannot_send_for_ever(
    scripted: ScriptedServerFactory, tls: bool
) -> None:
    """It obeys no window and reads nothing; on asyncio what it sends is read, whoever wants it."""
    stood: list[int] = []

    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream)
        peer.data(stream, b"begin")
        if peer.index:
            peer.data(stream, b"", end=True)
            peer.rest()
            return
        stood.append(peer.flood(frame(DATA, stream, bytes(16_384)), 64))

    server = Server(scripted, script, tls=tls)
    async with Client(**server.options) as client:
        await (await client.get(server.url, stream=True)).aclose()
        await eventually(lambda: stood, 10.0)
        assert stood[0] < 32 * 1024 * 1024, "a window of 2 MiB, and what the buffers on the way hold"
        await eventually(lambda: not client.get_pool_stats())
        assert await (await client.get(server.url)).aread() == b"begin"
    assert len(server.peers) == 2


async def test_a_stream_that_was_given_up_makes_room_for_another(face: Any, scripted: ScriptedServerFactory) -> None:
    server = Server(scripted, answers_all_but(), settings={MAX_STREAMS: 1})
    async with face.client(max_connections=1, **server.options) as client:
        await client.read(await client.get(server.url))
        for _ in range(5):
            await client.aclose(await client.get(server.url + "/half", stream=True))
        assert await client.read(await client.get(server.url)) == b"ok"


async def test_a_request_cancelled_before_it_was_sent_leaves_no_trace(scripted: ScriptedServerFactory) -> None:
    server = Server(scripted, Peer.serve)
    async with Client(**server.options) as client:
        await (await client.get(server.url)).aread()
        task = asyncio.ensure_future(client.get(server.url + "/cancelled"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await (await client.get(server.url)).aread() == b"ok"
        assert client.get_pool_stats()[server.url.removeprefix("http://")]["streams"] == 0


async def test_cancelled_anywhere_hundreds_of_times_nothing_is_lost(hyperhttp_http2_origin: Origin) -> None:
    origin = hyperhttp_http2_origin
    chance = random.Random(5)

    async def call(number: int) -> None:
        if number % 3 == 0:
            response = await client.post(origin.https_url + "/sha256", content=b"x" * chance.randrange(300_000))
        elif number % 3 == 1:
            response = await client.get(f"{origin.https_url}/bytes/{chance.randrange(400_000)}")
        else:
            response = await client.get(f"{origin.https_url}/delay/0.0{chance.randrange(5)}")
        await response.aread()

    async def cancelled(number: int) -> None:
        task = asyncio.ensure_future(call(number))
        await asyncio.sleep(chance.random() * 0.03)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task

    async with Client(ssl_context=origin.ssl_context(), timeout=10) as client:
        for batch in range(5):
            await asyncio.gather(*[cancelled(60 * batch + number) for number in range(60)])
        await asyncio.gather(*map(call, range(20)))
        stats = client.get_pool_stats()[origin.https_url.removeprefix("https://")]
        assert (stats["in_use"], stats["streams"]) == (0, 0)
        assert stats["total"] <= 2
    origin.drop_connections()


# -- timeouts --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "timeout", "error"),
    [
        ("/head", Timeout(5, read=0.1), hyperhttp.ReadTimeout),
        ("/half", Timeout(5, read=0.1), hyperhttp.ReadTimeout),
        ("/head", Timeout(5, total=0.1), hyperhttp.TotalTimeout),
        ("/half", Timeout(5, total=0.1), hyperhttp.TotalTimeout),
    ],
)
async def test_a_timeout_ends_its_own_stream_only(
    face: Any, scripted: ScriptedServerFactory, path: str, timeout: Timeout, error: type[Exception]
) -> None:
    go = signal()

    def script(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        asked = {}
        while len(asked) < 2:
            request = peer.request()
            asked[request.path] = request.stream
            if request.path == "/half":
                peer.head(request.stream)
                peer.data(request.stream, b"half")
        peer.until(RST_STREAM, asked[path])
        peer.answer(asked["/sibling"], b"sibling")
        go.set()
        peer.serve()

    async def late() -> None:
        started = time.monotonic()
        with pytest.raises(error) as caught:
            await client.read(await client.get(server.url + path, timeout=timeout))
        assert 0.09 < time.monotonic() - started < 4
        assert caught.value.request is not None

    async def sibling() -> bytes:
        return await client.read(await client.get(server.url + "/sibling"))

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        await client.read(await client.get(server.url))
        _, content = await face.together(late(), sibling())
        assert content == b"sibling"
        assert await client.read(await client.get(server.url)) == b"ok"
        assert (opened(client), in_use(client)) == (1, 0)
    assert [code for _, code in server.resets] == [CANCEL]


async def test_a_dripping_stream_reaches_its_total_timeout(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream)
        peer.connection.settimeout(0.02)
        for _ in range(200):
            peer.data(stream, b"*")
            with contextlib.suppress(TimeoutError):
                while peer.read().kind != RST_STREAM:
                    pass
                return

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.TotalTimeout):
            await client.read(await client.get(server.url, timeout=Timeout(5, read=0.2, total=0.3)))


async def test_content_that_keeps_coming_is_no_read_timeout(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream)
        for _ in range(6):
            peer.connection.sleep(0.05)
            peer.data(stream, b"*")
        peer.data(stream, b"", end=True)
        peer.rest()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        response = await client.get(server.url, timeout=Timeout(5, read=0.15))
        assert await client.read(response) == b"******"


# -- early answers ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["bytes", "pieces"])
@pytest.mark.parametrize("window", [0, 65_535])
async def test_an_early_answer_ends_the_upload_and_keeps_the_connection(
    face: Any, scripted: ScriptedServerFactory, kind: str, window: int
) -> None:
    def script(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        stream = peer.request().stream
        peer.ping()
        peer.head(stream, 413)
        peer.data(stream, b"too big", end=True)
        peer.reset(stream, NO_ERROR)
        peer.serve()

    server = Server(scripted, script, settings={INITIAL_WINDOW: window})
    async with face.client(**server.options) as client:
        await client.read(await client.get(server.url))
        content = BIG if kind == "bytes" else face.pieces(*[b"p" * 65_536] * 60)
        response = await client.post(server.url, content=content)
        assert (response.status_code, await client.read(response)) == (413, b"too big")
        assert await client.read(await client.get(server.url)) == b"ok"
        assert (opened(client), in_use(client)) == (1, 0)
    peer = server.peers[0]
    assert len(peer.content.get(3, b"")) <= 65_535
    assert all(code == NO_ERROR for _, code in peer.resets())
    assert not any(got.kind == DATA and got.flags & 1 and got.stream == 3 for got in peer.heard)


async def test_an_early_answer_without_a_reset_ends_the_upload_too(face: Any, scripted: ScriptedServerFactory) -> None:
    """Nobody reads the rest: the client says so itself, with NO_ERROR."""

    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream, 413)
        peer.data(stream, b"too big", end=True)
        peer.until(RST_STREAM)
        peer.serve()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        response = await client.post(server.url, content=BIG)
        assert (response.status_code, await client.read(response)) == (413, b"too big")
        assert await client.read(await client.get(server.url)) == b"ok"
    assert server.resets == [(1, NO_ERROR)]


async def test_an_early_answer_of_a_real_server_reaches_the_caller(face: Any, hyperhttp_http2_origin: Origin) -> None:
    origin = hyperhttp_http2_origin
    async with face.client(ssl_context=origin.ssl_context(), timeout=5) as client:
        for _ in range(3):
            response = await client.post(origin.https_url + "/early-413", content=BIG)
            assert (response.status_code, await client.read(response)) == (413, b"too much content\n")
        assert opened(client) == 1
    origin.drop_connections()


# -- life signs ------------------------------------------------------------------------------------------------


async def test_a_ping_is_answered_while_nothing_is_going_on(scripted: ScriptedServerFactory) -> None:
    answered = signal()

    def script(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        peer.connection.sleep(0.05)
        peer.ping()
        answered.set()
        peer.rest()

    server = Server(scripted, script)
    async with Client(**server.options) as client:
        await (await client.get(server.url)).aread()
        await eventually(answered.is_set)
    assert [got.payload for got in server.peers[0].heard if got.kind == PING] == [b"see here"]


async def test_frames_that_came_while_the_loop_was_busy_do_not_cost_the_connection(
    scripted: ScriptedServerFactory,
) -> None:
    """Bytes on an idle connection are poison in HTTP/1.1, and everyday life in HTTP/2."""
    said = signal()

    def script(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        peer.connection.sleep(0.02)
        peer.frame(PING, 0, b"anybody?")
        said.set()
        peer.serve()

    server = Server(scripted, script)
    async with Client(**server.options) as client:
        await (await client.get(server.url)).aread()
        assert said.wait(2)  # the loop does nothing else meanwhile
        time.sleep(0.01)
        assert await (await client.get(server.url)).aread() == b"ok"
    assert len(server.peers) == 1


async def test_what_came_while_a_blocking_client_did_nothing_is_dealt_with_before_the_next_request(
    scripted: ScriptedServerFactory,
) -> None:
    said = signal()

    def script(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        peer.settings({MAX_STREAMS: 7})
        peer.frame(PING, 0, b"anybody?")
        said.set()
        peer.answer(peer.request().stream)
        peer.rest()

    server = Server(scripted, script)
    with hyperhttp.SyncClient(**server.options) as client:
        client.get(server.url).read()
        await eventually(said.is_set)
        assert client.get(server.url).read() == b"ok"
    kinds = [(got.kind, got.flags) for got in server.peers[0].heard]
    assert (PING, 1) in kinds
    assert len(server.peers) == 1


async def test_a_busy_connection_to_a_dead_peer_is_found_out(
    face: Any, scripted: ScriptedServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that neither answers nor acknowledges a PING is gone, whatever timeouts the caller has switched off."""
    monkeypatch.setattr("hyperhttp.connection.http2._PING_AFTER", 0.05)
    monkeypatch.setattr("hyperhttp.connection.http2._PING_WITHIN", 0.05)

    def script(peer: Peer) -> None:
        peer.request()
        peer.is_polite = False
        peer.rest()

    server = Server(scripted, script)
    async with face.client(**(server.options | {"timeout": Timeout(None)})) as client:
        asked = face.start(client.get(server.url))
        with pytest.raises(hyperhttp.TransportError, match="stopped answering"):
            await asyncio.wait_for(asked, 2)
        assert client.raw.get_pool_stats() == {}
    assert [got.kind for got in server.peers[0].heard].count(PING) == 1


async def test_a_busy_connection_to_a_slow_but_living_peer_goes_on(
    face: Any, scripted: ScriptedServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperhttp.connection.http2._PING_AFTER", 0.05)
    monkeypatch.setattr("hyperhttp.connection.http2._PING_WITHIN", 0.1)

    def script(peer: Peer) -> None:
        stream = peer.request().stream
        for _ in range(1 if face.is_blocking else 4):
            peer.until(PING)
        peer.answer(stream)
        peer.rest()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        assert await client.read(await client.get(server.url)) == b"ok"


async def test_idle_connections_are_kept_alive_by_pings(
    scripted: ScriptedServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperhttp.connection.http2._PING_AFTER", 0.05)
    monkeypatch.setattr("hyperhttp.connection.http2._PING_IDLE_AFTER", 0.05)
    monkeypatch.setattr("hyperhttp.connection.http2._PING_WITHIN", 0.5)
    pinged = signal()

    def script(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        peer.until(PING)
        pinged.set()
        peer.rest()

    server = Server(scripted, script)
    async with Client(**server.options) as client:
        await (await client.get(server.url)).aread()
        await eventually(pinged.is_set, 1)


async def test_an_idle_connection_to_a_dead_peer_is_not_used(
    face: Any, scripted: ScriptedServerFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A peer that vanished without a word costs an idempotent request a moment, not its read timeout."""
    monkeypatch.setattr("hyperhttp.connection.http2._PING_AFTER", 0.05)
    monkeypatch.setattr("hyperhttp.connection.http2._PING_WITHIN", 0.05)

    def vanishes(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        peer.is_polite = False
        peer.rest()

    server = Server(scripted, vanishes, Peer.serve)
    async with face.client(**server.options) as client:
        await client.read(await client.get(server.url))
        await face.sleep(0.12)
        started = time.monotonic()
        assert await client.read(await client.get(server.url)) == b"ok"
        assert time.monotonic() - started < 4
    assert len(server.peers) == 2


async def test_a_jar_that_fails_gives_up_its_stream_alone(face: Any, scripted: ScriptedServerFactory) -> None:
    class Broken(hyperhttp.Cookies):
        def extract(self, *arguments: Any, **options: Any) -> Any:
            raise LookupError

    def script(peer: Peer) -> None:
        peer.head(peer.request().stream, 200, ("set-cookie", "a=b"))
        peer.until(RST_STREAM)
        peer.answer(peer.request().stream)
        peer.rest()

    server = Server(scripted, script)
    async with face.client(cookies=Broken(), **server.options) as client:
        with pytest.raises(LookupError):
            await client.get(server.url, stream=True)
        assert in_use(client) == 0
        assert await client.read(await client.get(server.url)) == b"ok"
    assert server.resets == [(1, CANCEL)]
