"""Each phase has its limit, the whole call has one, and each says which one passed."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Timeout
from hyperhttp.testing.scripted import Expect, ReadRequest, Send, Stall

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BIG = b"x" * (16 * 1024 * 1024)


@contextmanager
def takes(seconds: float, most: float = 2.5) -> Iterator[None]:
    """The block ends not before `seconds` and not much later."""
    started = time.monotonic()
    yield
    elapsed = time.monotonic() - started
    assert seconds * 0.9 <= elapsed < seconds + most


def check(error: hyperhttp.TimeoutException, host: str, *words: str) -> None:
    """A timeout says who, what, and how long, and is the builtin one too."""
    text = str(error)
    assert isinstance(error, TimeoutError)
    assert host in text
    assert any(character.isdigit() for character in text.replace(host, "")), text
    assert error.request is not None
    assert error.phase
    for word in words:
        assert word in text


@contextmanager
def full_listener() -> Iterator[int]:
    """A port whose queue of connections is full: a further connect gets no answer."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = listener.getsockname()[1]
    fillers = []
    for _ in range(8):
        filler = socket.socket()
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.1", port))
        fillers.append(filler)
    time.sleep(0.05)
    try:
        yield port
    finally:
        for filler in fillers:
            filler.close()
        listener.close()


async def test_read_bounds_the_wait_for_the_head(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted.by_connection([[ReadRequest(), Stall(3)]])
    async with face.client(timeout=Timeout(read=0.15)) as client:
        with takes(0.15), pytest.raises(hyperhttp.ReadTimeout) as caught:
            await client.get(server.url)
        check(caught.value, f"127.0.0.1:{server.port}", "0.15", "head")
        assert client.raw.get_pool_stats() == {}


@pytest.mark.parametrize("how", ["read", "iterate"])
@pytest.mark.parametrize("length", [100, 1_000_000])
async def test_read_bounds_the_wait_for_content(
    face: Any, scripted: ScriptedServerFactory, how: str, length: int
) -> None:
    script = [ReadRequest(), b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nhalf" % length, Stall(3)]
    server = scripted.by_connection([script])
    async with face.client(timeout=Timeout(read=0.15)) as client:
        response = await client.get(server.url, stream=True)
        with takes(0.15), pytest.raises(hyperhttp.ReadTimeout) as caught:  # noqa: PT012
            if how == "read":
                await client.read(response)
            else:
                async for _ in client.iter_bytes(response):
                    pass
        assert f"127.0.0.1:{server.port}" in str(caught.value)
        assert "content" in str(caught.value)
        assert client.raw.get_pool_stats() == {}


async def test_read_bounds_each_wait_and_not_their_sum(face: Any, scripted: ScriptedServerFactory) -> None:
    slow = Send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nslow", piece=5, pause=0.2)
    server = scripted.by_connection([[ReadRequest(), slow]])
    async with face.client(timeout=Timeout(read=1.0)) as client:
        with takes(1.2):
            assert await client.read(await client.get(server.url)) == b"slow"


async def test_total_ends_a_dripping_head(face: Any, scripted: ScriptedServerFactory) -> None:
    drip = Send(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 1000, piece=1, pause=0.02)
    server = scripted.by_connection([[ReadRequest(), drip]])
    async with face.client(timeout=Timeout(5, total=0.3)) as client:
        with takes(0.3), pytest.raises(hyperhttp.TotalTimeout) as caught:
            await client.get(server.url)
        check(caught.value, f"127.0.0.1:{server.port}", "total", "s after the request was sent")


@pytest.mark.parametrize("how", ["read", "iterate"])
async def test_total_ends_a_dripping_body(face: Any, scripted: ScriptedServerFactory, how: str) -> None:
    drip = Send(b"a" * 1000, piece=1, pause=0.02)
    server = scripted.by_connection([[ReadRequest(), b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", drip]])
    async with face.client(timeout=Timeout(5, total=0.3)) as client:
        with takes(0.3), pytest.raises(hyperhttp.TotalTimeout):  # noqa: PT012
            response = await client.get(server.url, stream=True)
            if how == "read":
                await client.read(response)
            else:
                async for _ in client.iter_bytes(response):
                    pass
        assert client.raw.get_pool_stats() == {}


async def test_total_covers_redirects(face: Any, origin: Origin) -> None:
    @origin.route("/slow-redirect/{n}")
    async def slow_redirect(exchange: Any) -> Any:
        from hyperhttp.testing.messages import Reply

        await asyncio.sleep(0.1)
        return Reply(302, [("Location", f"/slow-redirect/{int(exchange.parameters['n']) + 1}")], b"on")

    async with face.client(follow_redirects=True, timeout=Timeout(5, total=0.35)) as client:
        with takes(0.35), pytest.raises(hyperhttp.TotalTimeout):
            await client.get(origin.url + "/slow-redirect/1")


async def test_total_ends_an_upload_nobody_takes(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted(lambda connection, _: connection.read_until(b"\r\n\r\n") and connection.sleep(2))
    async with face.client(timeout=Timeout(5, total=0.3)) as client:
        with takes(0.3), pytest.raises(hyperhttp.TotalTimeout):
            await client.post(server.url, content=BIG)
        assert client.raw.get_pool_stats() == {}


@pytest.mark.parametrize("http2", [False, "prior-knowledge"])
async def test_total_ends_an_upload_that_is_produced_slowly(
    face: Any, origin: Origin, hyperhttp_http2_origin: Origin, http2: Any
) -> None:
    server = hyperhttp_http2_origin if http2 else origin
    async with face.client(timeout=Timeout(5, total=0.3), http2=http2) as client:
        with takes(0.3), pytest.raises(hyperhttp.TotalTimeout) as caught:
            await client.post(server.url + "/anything", content=face.pieces(*[b"piece"] * 200, pause=0.05))
        check(caught.value, server.url.partition("//")[2], "total")
        assert (await client.get(server.url + "/get", timeout=20)).status_code == 200, "the client goes on"


@pytest.mark.parametrize("http2", [False, "prior-knowledge"])
def test_a_plain_iterator_is_asked_for_nothing_after_the_total_timeout(
    origin: Origin, hyperhttp_http2_origin: Origin, http2: Any
) -> None:
    server = hyperhttp_http2_origin if http2 else origin
    events: list[str] = []

    def pieces() -> Iterator[bytes]:
        try:
            yield b"first"
            time.sleep(0.3)  # nobody can interrupt this
            events.append("second")
            yield b"second"
            events.append("third")
            yield b"third"
        finally:
            events.append("closed")

    client = hyperhttp.SyncClient(timeout=Timeout(5, total=0.1), http2=http2)
    with client, takes(0.3), pytest.raises(hyperhttp.TotalTimeout, match="while waiting for the request content"):
        client.post(server.url + "/anything", content=pieces())
    assert events == ["second", "closed"]


async def test_total_cannot_be_stretched_by_a_server_that_reads_slowly(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def handler(connection: Any, _: int) -> None:
        for _ in range(300):
            if not connection.recv(32768):
                return
            connection.sleep(0.005)

    server = scripted(handler)
    async with face.client(timeout=Timeout(5, total=0.4)) as client:
        with takes(0.4), pytest.raises(hyperhttp.TotalTimeout):
            await client.post(server.url, content=BIG)


@pytest.mark.parametrize("kind", ["bytes", "pieces"])
async def test_write_bounds_the_wait_for_a_server_that_takes_nothing(
    face: Any, scripted: ScriptedServerFactory, kind: str
) -> None:
    server = scripted(lambda connection, _: connection.read_until(b"\r\n\r\n") and connection.sleep(2))
    content = BIG if kind == "bytes" else face.pieces(*[b"p" * 65536] * 256)
    async with face.client(timeout=Timeout(5, write=0.2)) as client:
        with takes(0.2), pytest.raises(hyperhttp.WriteTimeout) as caught:
            await client.post(server.url, content=content)
        check(caught.value, "127.0.0.1", "0.2")
        assert client.raw.get_pool_stats() == {}


async def test_the_wait_for_a_response_begins_when_the_content_is_sent(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted([OK])
    async with face.client(timeout=Timeout(read=0.2)) as client:
        response = await client.post(server.url, content=face.pieces(*[b"p"] * 6, pause=0.05))
        assert response.status_code == 200


async def test_pool_bounds_the_wait_for_a_connection(face: Any, origin: Origin) -> None:
    async with face.client(max_connections=1, timeout=Timeout(5, pool=0.15)) as client:
        held = await client.get(origin.url + "/drip?numbytes=5&duration=2", stream=True)
        with takes(0.15), pytest.raises(hyperhttp.PoolTimeout) as caught:
            await client.get(origin.url + "/get")
        check(caught.value, f"127.0.0.1:{origin.port}", "max_connections")
        await client.aclose(held)
        assert (await client.get(origin.url + "/get")).status_code == 200


async def test_total_that_passes_in_the_queue_is_a_total_timeout(face: Any, origin: Origin) -> None:
    async with face.client(max_connections=1, timeout=Timeout(5, total=0.2)) as client:
        held = await client.get(origin.url + "/drip?numbytes=5&duration=2", stream=True, timeout=5)
        with takes(0.2), pytest.raises(hyperhttp.TotalTimeout):
            await client.get(origin.url + "/get")
        await client.aclose(held)


async def test_connect_bounds_the_wait_for_tcp(face: Any) -> None:
    with full_listener() as port:
        async with face.client(timeout=Timeout(5, connect=0.2)) as client:
            with takes(0.2), pytest.raises(hyperhttp.ConnectTimeout) as caught:
                await client.get(f"http://127.0.0.1:{port}/")
            check(caught.value, f"127.0.0.1:{port}", "0.2")
            assert client.raw.get_pool_stats() == {}


async def test_connect_bounds_the_tls_handshake(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted.by_connection([[Stall(3)]])
    async with face.client(timeout=Timeout(5, connect=0.2), verify=False) as client:
        with takes(0.2), pytest.raises(hyperhttp.ConnectTimeout) as caught:
            await client.get(f"https://127.0.0.1:{server.port}/")
        check(caught.value, f"127.0.0.1:{server.port}")
        assert client.raw.get_pool_stats() == {}


async def test_total_that_passes_while_connecting_is_a_total_timeout(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted.by_connection([[Stall(3)]])
    async with face.client(timeout=Timeout(5, total=0.2), verify=False) as client:
        with takes(0.2), pytest.raises(hyperhttp.TotalTimeout):
            await client.get(f"https://127.0.0.1:{server.port}/")


async def test_a_total_that_has_passed_already_ends_the_call_at_once(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted.by_connection([[ReadRequest(), Stall(2)]])
    async with face.client() as client:
        with takes(0.0), pytest.raises(hyperhttp.TotalTimeout):
            await client.get(server.url, timeout=Timeout(5, total=0.000001))


async def test_connect_timeout_is_an_option_of_its_own(face: Any) -> None:
    with full_listener() as port:
        async with face.client(timeout=5, connect_timeout=0.2) as client:
            with takes(0.2), pytest.raises(hyperhttp.ConnectTimeout):
                await client.get(f"http://127.0.0.1:{port}/")


async def test_a_number_sets_the_four_phases(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted.by_connection([[ReadRequest(), Stall(3)], [ReadRequest(), Stall(3)]])
    async with face.client(timeout=5.0) as client:
        assert client.raw.timeout == Timeout(connect=5.0, read=5.0, write=5.0, pool=5.0)
        with takes(0.15), pytest.raises(hyperhttp.ReadTimeout):
            await client.get(server.url, timeout=0.15)


async def test_none_switches_every_limit_off_for_one_call(face: Any, origin: Origin) -> None:
    async with face.client(timeout=0.1) as client:
        response = await client.get(origin.url + "/delay/0.3", timeout=None)
        assert response.status_code == 200


async def test_a_slow_hook_does_not_eat_the_time_of_the_server(face: Any, origin: Origin) -> None:
    async def pause(_: Any) -> None:
        await face.sleep(0.9)

    async with face.client(timeout=Timeout(read=0.7), event_hooks={"request": [pause]}) as client:
        for _ in range(2):
            response = await client.get(origin.url + "/delay/0.05")
            assert response.status_code == 200
            assert response.elapsed < 0.85
            await client.read(response)


async def test_a_slow_reader_is_not_a_slow_server(face: Any, origin: Origin) -> None:
    async with face.client(timeout=Timeout(read=0.6)) as client:
        response = await client.get(origin.url + "/bytes/3000000", stream=True)
        size = 0
        async for piece in client.iter_bytes(response, 1_500_000):
            size += len(piece)
            await face.sleep(0.8)
        assert size == 3_000_000


async def test_no_timer_of_a_past_request_strikes_an_idle_connection(face: Any, origin: Origin) -> None:
    async with face.client(timeout=Timeout(read=0.8, total=0.9)) as client:
        await client.read(await client.get(origin.url + "/get"))
        await face.sleep(1.1)
        await client.read(await client.get(origin.url + "/get"))
    connections = {request.connection_id for request in origin.requests}
    assert len(connections) == 1


async def test_a_timeout_shows_no_secret(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted.by_connection([[Expect(b"\r\n\r\n"), Stall(3)]])
    url = f"http://user:hunter2@127.0.0.1:{server.port}/?q=1"
    async with face.client(timeout=Timeout(read=0.1), headers={"X-Api-Key": "hunter2"}) as client:
        with pytest.raises(hyperhttp.ReadTimeout) as caught:
            await client.get(url, headers={"Authorization": "Bearer hunter2"}, cookies={"session": "hunter2"})
    error = caught.value
    for text in (str(error), repr(error), repr(error.request), repr(error.request.headers), repr(error.request.url)):
        assert "hunter2" not in text
