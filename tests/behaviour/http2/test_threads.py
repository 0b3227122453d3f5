"""One blocking client, one HTTP/2 connection, many threads: nothing lost, nothing mixed up, nobody left waiting."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import SyncClient, Timeout
from hyperhttp.connection.http2_shared import SharedHTTP2Connection
from tests.behaviour.http2.test_peer import DATA, END_STREAM, INITIAL_WINDOW, RST_STREAM, Peer, Server, signal

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

pytestmark = pytest.mark.usefixtures("no_leaks")


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work` returned or raised in each of so many threads that began together."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Any:
        barrier.wait(10)
        try:
            return work(number)
        except hyperhttp.HyperHTTPError as error:
            return error

    with ThreadPoolExecutor(count) as executor:
        return list(executor.map(run, range(count)))


def counts(client: SyncClient) -> tuple[int, int]:
    """Connections in all, and in use."""
    stats = client.get_pool_stats().values()
    return sum(each["total"] for each in stats), sum(each["in_use"] for each in stats)


@pytest.fixture
def h2_origin(hyperhttp_http2_origin: Origin) -> Any:
    """The HTTP/2 origin of the run, with nothing left of earlier tests."""
    hyperhttp_http2_origin.clear()
    yield hyperhttp_http2_origin
    hyperhttp_http2_origin.drop_connections()
    assert hyperhttp_http2_origin.errors == []


def sized(path: str) -> bytes:
    """What the scripted server answers on a path ``/thread/turn/size``."""
    size = int(path.rsplit("/", 1)[1])
    return (hashlib.sha256(path.encode()).digest() * (size // 32 + 1))[:size]


def answers_by_path(peer: Peer) -> None:
    """A script that answers each request with content of its own."""
    while True:
        request = peer.request()
        content = sized(request.path)
        peer.head(request.stream, 200, ("content-length", str(len(content))))
        peer.data(request.stream, content, end=True)


@pytest.mark.parametrize("tls", [False, True])
async def test_32_threads_share_one_connection_for_1600_requests(scripted: ScriptedServerFactory, tls: bool) -> None:
    server = Server(scripted, answers_by_path, tls=tls)
    with SyncClient(**(server.options | {"timeout": 10.0})) as client:

        def work(number: int) -> int:
            chance = random.Random(number)
            for turn in range(50):
                path = f"/{number}/{turn}/{chance.choice((0, 1, 200, 5_000))}"
                response = client.get(server.url + path)
                assert (response.http_version, response.content) == ("HTTP/2", sized(path))
            return number

        assert in_threads(32, work) == list(range(32))
        assert counts(client) == (1, 0)
    assert len(server.peers) == 1
    assert len(server.asked) == 1600


async def test_16_threads_never_get_each_others_answers(h2_origin: Origin) -> None:
    sizes = [0, 1, 200, 5_000, 70_000, 300_000]
    url = h2_origin.https_url
    before = h2_origin.connections.opened
    with SyncClient(ssl_context=h2_origin.ssl_context(), timeout=10) as client:

        def work(number: int) -> int:
            chance = random.Random(number)
            for _ in range(10):
                content = chance.randbytes(chance.choice(sizes))
                response = client.post(url + "/echo", content=content, headers={"Content-Type": f"x/{number}"})
                assert response.headers["content-type"] == f"x/{number}"
                assert response.content == content
            return number

        assert in_threads(16, work) == list(range(16))
        assert counts(client) == (1, 0)
    assert h2_origin.connections.opened - before == 1


async def test_a_cold_burst_of_threads_makes_one_handshake(scripted: ScriptedServerFactory) -> None:
    server = Server(scripted, answers_by_path, tls=True)
    with SyncClient(**server.options) as client:
        results = in_threads(32, lambda number: client.get(f"{server.url}/{number}/0/100").content)
        assert results == [sized(f"/{number}/0/100") for number in range(32)]
    assert len(server.peers) == 1


async def test_a_warm_burst_of_threads_uses_the_connection_that_is_there(scripted: ScriptedServerFactory) -> None:
    server = Server(scripted, answers_by_path)
    barrier = threading.Barrier(8)
    with SyncClient(**server.options) as client:

        def work(number: int) -> int:
            for turn in range(20):
                barrier.wait(10)  # nobody is busy in this moment: the connection is idle
                assert client.get(f"{server.url}/{number}/{turn}/10").status_code == 200
            return number

        assert in_threads(8, work) == list(range(8))
    assert len(server.peers) == 1


async def test_threads_that_stream_slowly_and_threads_that_do_not_share_a_connection(h2_origin: Origin) -> None:
    url = h2_origin.https_url
    with SyncClient(ssl_context=h2_origin.ssl_context(), timeout=5) as client:

        def work(number: int) -> int:
            if number % 2:
                return sum(len(client.get(f"{url}/bytes/20000").content) for _ in range(10))
            size = 0
            with client.stream("GET", f"{url}/bytes/3000000") as response:
                for piece in response.iter_bytes(500_000):
                    size += len(piece)
                    time.sleep(0.01)
            return size

        assert in_threads(8, work) == [3_000_000, 200_000] * 4
        assert counts(client) == (1, 0)


async def test_threads_whose_requests_time_out_do_not_hurt_the_others(scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        asked = [peer.request() for _ in range(8)]
        late = {request.stream for request in asked if request.path == "/late"}
        while {stream for stream, _ in peer.resets()} != late:
            peer.read()
        for request in asked:
            if request.stream not in late:
                peer.answer(request.stream)
        peer.serve()

    server = Server(scripted, script)
    with SyncClient(**server.options) as client:

        def work(number: int) -> Any:
            if number % 2:
                return client.get(server.url + "/late", timeout=Timeout(5, read=0.1 + number / 100))
            return client.get(server.url + "/fine").content

        results = in_threads(8, work)
        assert results[::2] == [b"ok"] * 4
        assert [type(result) for result in results[1::2]] == [hyperhttp.ReadTimeout] * 4
        assert counts(client) == (1, 0)
        assert client.get(server.url).content == b"ok"
    assert {code for _, code in server.resets} == {8}


async def test_the_turn_to_read_is_passed_on_in_whatever_order_answers_come(scripted: ScriptedServerFactory) -> None:
    rounds = 12
    count = 6

    def script(peer: Peer) -> None:
        chance = random.Random(3)
        for _ in range(rounds):
            streams = [peer.request().stream for _ in range(count)]
            chance.shuffle(streams)
            for stream in streams:
                peer.head(stream)
                peer.connection.sleep(0.002)
                peer.data(stream, b"ok", end=True)
                peer.connection.sleep(0.002)
        peer.rest()

    server = Server(scripted, script)
    barrier = threading.Barrier(count)
    with SyncClient(max_connections=1, **server.options) as client:

        def work(_: int) -> list[bytes]:
            contents = []
            for _turn in range(rounds):
                barrier.wait(10)
                contents.append(client.get(server.url, timeout=2).content)
            return contents

        assert in_threads(count, work) == [[b"ok"] * rounds] * count


async def test_an_answer_that_comes_while_another_thread_is_busy_sending_is_not_missed(
    scripted: ScriptedServerFactory,
) -> None:
    rounds = 5
    stuck = 12 * 1024 * 1024

    def script(peer: Peer) -> None:
        peer.window(0, 2**30)
        for _ in range(rounds):
            asked = {}
            while len(asked) < 2:
                request = peer.request()
                asked[request.path] = request.stream
            peer.connection.sleep(0.05)  # by now the sender has filled what the system buffers
            peer.answer(asked["/small"], b"small")
            peer.connection.sleep(0.05)
            peer.content.clear()
            while True:
                got = peer.read()
                if got.kind == DATA and got.flags & END_STREAM:
                    break
            peer.answer(asked["/large"], b"large")
        peer.rest()

    server = Server(scripted, script, settings={INITIAL_WINDOW: 2**30})
    content = bytes(stuck)
    barrier = threading.Barrier(2)
    with SyncClient(max_connections=1, **server.options) as client:

        def work(number: int) -> list[Any]:
            results: list[Any] = []
            for _ in range(rounds):
                barrier.wait(10)
                if number:
                    results.append(client.post(server.url + "/large", content=content, timeout=5).content)
                else:
                    began = time.monotonic()
                    assert client.get(server.url + "/small", timeout=5).content == b"small"
                    results.append(time.monotonic() - began)
            return results

        small, large = in_threads(2, work)
        assert large == [b"large"] * rounds
        assert max(small) < 1


@pytest.mark.parametrize("tls", [False, True])
async def test_closing_ends_busy_threads_at_once(scripted: ScriptedServerFactory, tls: bool) -> None:
    def script(peer: Peer) -> None:
        while True:
            request = peer.request()
            if request.path == "/half":
                peer.head(request.stream, 200, ("content-length", "100"))
                peer.data(request.stream, b"half")

    server = Server(scripted, script, tls=tls)
    client = SyncClient(**(server.options | {"timeout": None}))
    busy = signal()

    def work(number: int) -> Any:
        if number == 5:
            while len(server.asked) < 5:
                time.sleep(0.002)
            time.sleep(0.05)
            busy.set()
            began = time.monotonic()
            client.close()
            return time.monotonic() - began
        if number == 0:
            return client.get(server.url + "/half")
        return client.post(server.url + "/upload", content=bytes(1_000_000) if number == 1 else b"")

    *errors, seconds = in_threads(6, work)
    assert seconds < 2
    assert [type(error) for error in errors] == [hyperhttp.ClientClosed] * 5
    with pytest.raises(hyperhttp.ClientClosed):
        client.get(server.url)
    await server.ended()


async def test_closing_beside_threads_that_go_on_asking_never_hangs(scripted: ScriptedServerFactory) -> None:
    server = Server(scripted, answers_by_path)
    for turn in range(10):
        client = SyncClient(**server.options)

        def work(number: int, client: SyncClient = client) -> Any:
            if number == 6:
                time.sleep(0.01)
                return client.close()
            for at in range(10_000):
                client.get(f"{server.url}/{number}/{at}/50")
            return None

        began = time.monotonic()
        *errors, closed = in_threads(7, work)
        assert closed is None
        assert [type(error) for error in errors] == [hyperhttp.ClientClosed] * 6, turn
        assert time.monotonic() - began < 2


async def test_a_connection_that_dies_tells_every_thread(scripted: ScriptedServerFactory) -> None:
    def dies(peer: Peer) -> None:
        for _ in range(8):
            peer.request()
        peer.connection.reset()

    server = Server(scripted, dies, Peer.serve)
    with SyncClient(**(server.options | {"timeout": None})) as client:
        began = time.monotonic()
        errors = in_threads(8, lambda _: client.post(server.url).content)
        assert time.monotonic() - began < 2
        assert all(isinstance(error, hyperhttp.TransportError) for error in errors)
        assert len({id(error) for error in errors}) == 8
        assert client.get(server.url).content == b"ok"


async def test_a_goaway_beside_busy_threads_loses_nothing(scripted: ScriptedServerFactory) -> None:
    def leaves(peer: Peer) -> None:
        for number in range(20):
            request = peer.request()
            if number == 19:
                peer.goaway(request.stream)
            peer.answer(request.stream, request.path.encode())
        peer.rest()

    server = Server(scripted, leaves)
    with SyncClient(**server.options) as client:

        def work(number: int) -> int:
            for turn in range(20):
                path = f"/{number}/{turn}"
                assert client.post(server.url + path).content == path.encode()
            return number

        assert in_threads(6, work) == list(range(6))


async def test_streams_left_early_by_many_threads_are_reset(scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        while True:
            request = peer.request()
            peer.head(request.stream)
            peer.data(request.stream, b"first")

    server = Server(scripted, script)
    with SyncClient(**server.options) as client:

        def work(_: int) -> int:
            for _turn in range(10):
                with client.stream("GET", server.url) as response:
                    assert next(iter(response.iter_bytes())) == b"first"
            return 1

        assert in_threads(8, work) == [1] * 8
        assert counts(client) == (1, 0)
    await server.ended()
    assert sorted(stream for stream, _ in server.resets) == [2 * number + 1 for number in range(80)]
    assert sum(got.kind == RST_STREAM for got in server.peers[0].heard) == 80


def test_an_answer_that_begins_before_the_upload_does_not_swallow_it(
    h2_origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one thread hands over its content, another reads its answer's head."""
    write = SharedHTTP2Connection.flush_soon

    def write_slowly(connection: SharedHTTP2Connection) -> None:
        write(connection)
        time.sleep(0.1)  # as a busy machine may let the thread rest here

    pieces = [b"a" * 1000, b"b" * 1000]
    with SyncClient(ssl_context=h2_origin.ssl_context(), timeout=5.0) as client:
        client.get(f"{h2_origin.https_url}/get")
        with ThreadPoolExecutor(1) as executor:
            reader = executor.submit(client.get, f"{h2_origin.https_url}/delay/0.5")
            deadline = time.monotonic() + 3
            while counts(client) != (1, 1) and time.monotonic() < deadline:
                time.sleep(0.005)
            monkeypatch.setattr(SharedHTTP2Connection, "flush_soon", write_slowly)
            response = client.post(f"{h2_origin.https_url}/echo?stream=1", content=iter(pieces))
            assert response.content == b"".join(pieces)
            assert reader.result().status_code == 200
