"""One SyncClient, many threads: nothing lost, nothing mixed up, caps kept; Ctrl-C leaves the pool sound."""

from __future__ import annotations

import asyncio
import hashlib
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import SyncClient, Timeout
from hyperhttp.testing.scripted import ReadRequest, Stall

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

pytestmark = pytest.mark.usefixtures("no_leaks")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """What `work` returned in each of so many threads that began together."""
    barrier = threading.Barrier(count)

    def run(number: int) -> Any:
        barrier.wait(10)
        return work(number)

    with ThreadPoolExecutor(count) as executor:
        return list(executor.map(run, range(count)))


def assert_sound(client: SyncClient) -> None:
    """Nothing is in use and the numbers add up."""
    for counts in client.get_pool_stats().values():
        assert counts["in_use"] == 0
        assert counts["idle"] == counts["total"] >= 0


@pytest.mark.parametrize("limit", [None, 8])
async def test_64_threads_lose_nothing_and_mix_nothing_up(origin: Origin, limit: int | None) -> None:
    sizes = [0, 1, 100, 5_000, 70_000, 300_000]

    def work(number: int) -> int:
        chance = random.Random(number)
        done = 0
        for _ in range(8):
            content = chance.randbytes(chance.choice(sizes))
            response = client.post(origin.url + "/echo", content=content, headers={"Content-Type": f"x/{number}"})
            assert response.headers["content-type"] == f"x/{number}"
            assert hashlib.sha256(response.content).digest() == hashlib.sha256(content).digest()
            done += 1
        return done

    with SyncClient(max_connections=limit, timeout=30) as client:
        assert sum(in_threads(64, work)) == 64 * 8
        assert_sound(client)
        assert sum(counts["total"] for counts in client.get_pool_stats().values()) <= (limit or 64)


async def test_threads_that_stream_share_a_client(origin: Origin) -> None:
    def work(number: int) -> str:
        url = f"{origin.url}/bytes/200000?seed={number}"
        digest = hashlib.sha256()
        with client.stream("GET", url) as response:
            for piece in response.iter_bytes(10_000):
                digest.update(piece)
        return digest.hexdigest()

    with SyncClient(timeout=30) as client:
        together = in_threads(16, work)
        assert together == [work(number) for number in range(16)]
        assert_sound(client)


async def test_the_cap_is_kept_by_threads(scripted: ScriptedServerFactory) -> None:
    open_now: list[int] = []
    lock = threading.Lock()
    peak = 0

    def handler(connection: Any, index: int) -> None:
        nonlocal peak
        while connection.read_request():
            with lock:
                open_now.append(index)
                peak = max(peak, len(open_now))
            connection.sleep(0.005)
            with lock:
                open_now.remove(index)
            connection.sendall(OK)

    server = scripted(handler)
    with SyncClient(max_connections=3, timeout=10) as client:
        in_threads(20, lambda _: client.get(server.url))
        assert_sound(client)
    assert peak == 3
    assert len(server.connections) == 3


async def test_waiting_threads_are_served_in_order(scripted: ScriptedServerFactory) -> None:
    server = scripted([[OK]], repeat=True)
    with SyncClient(max_connections=1, timeout=10) as client:
        held = client.get(server.url + "/held", stream=True)
        blocker = client.stream("GET", server.url)
        assert held.read() == b"ok"
        threads = []
        with blocker as response:
            # `response` has arrived whole, so its connection is free: the first thread takes it.
            assert response.status_code == 200
        for number in range(6):
            thread = threading.Thread(target=client.get, args=(f"{server.url}/{number}",))
            thread.start()
            threads.append(thread)
            time.sleep(0.02)
        for thread in threads:
            thread.join(5)
    targets = [request.split(b" ")[1] for request in server.requests[2:]]
    assert targets == [b"/%d" % number for number in range(6)]


async def test_many_failures_at_once_leave_no_slot_behind(scripted: ScriptedServerFactory) -> None:
    server = scripted.by_connection([[b""]], repeat=True)
    refused = scripted([OK])
    refused.close()

    def work(number: int) -> str:
        try:
            client.get(server.url if number % 2 else f"http://127.0.0.1:{refused.port}/")
        except hyperhttp.TransportError as error:
            return type(error).__name__
        return "no error"

    with SyncClient(max_connections=4, timeout=10) as client:
        assert set(in_threads(24, work)) == {"ConnectError", "RemoteProtocolError"}
        assert client.get_pool_stats() == {}


async def test_waiters_that_give_up_while_others_are_served_lose_no_slot(origin: Origin) -> None:
    def work(number: int) -> bool:
        chance = random.Random(number)
        try:
            for _ in range(6):
                limit = Timeout(5, pool=chance.choice([0.001, 0.005, 5]))
                client.get(origin.url + "/delay/0.002", timeout=limit)
        except hyperhttp.PoolTimeout:
            return False
        return True

    with SyncClient(max_connections=2, timeout=10) as client:
        in_threads(24, work)
        assert_sound(client)
        for _ in range(3):
            assert client.get(origin.url + "/get").status_code == 200


async def test_closing_ends_the_calls_of_other_threads(scripted: ScriptedServerFactory) -> None:
    server = scripted.by_connection([[ReadRequest(), Stall(10)]])
    client = SyncClient(timeout=10)
    with ThreadPoolExecutor(1) as executor:
        running = executor.submit(client.get, server.url)
        while not server.requests:
            time.sleep(0.005)
        started = time.monotonic()
        client.close()
        with pytest.raises((hyperhttp.ClientClosed, hyperhttp.TransportError)):
            running.result(5)
    assert time.monotonic() - started < 2


async def test_closing_ends_the_calls_of_other_threads_over_tls(scripted: ScriptedServerFactory) -> None:
    server = scripted.by_connection([[ReadRequest(), Stall(10)]], tls=True)
    client = SyncClient(timeout=4, ssl_context=server.ssl_context())
    with ThreadPoolExecutor(1) as executor:
        running = executor.submit(client.get, server.url)
        while not server.requests:
            time.sleep(0.005)
        started = time.monotonic()
        client.close()
        with pytest.raises((hyperhttp.ClientClosed, hyperhttp.TransportError)):
            running.result(5)
    assert time.monotonic() - started < 2


async def test_closing_refuses_threads_that_wait_in_line(scripted: ScriptedServerFactory) -> None:
    server = scripted.by_connection([[ReadRequest(), Stall(10)]])
    client = SyncClient(timeout=10, max_connections=1)
    with ThreadPoolExecutor(3) as executor:
        running = [executor.submit(client.get, server.url) for _ in range(3)]
        while not server.requests:
            time.sleep(0.005)
        time.sleep(0.05)
        client.close()
        for call in running:
            with pytest.raises((hyperhttp.ClientClosed, hyperhttp.TransportError)):
                call.result(5)


SCRIPTS: dict[str, Any] = {
    "head": [ReadRequest(), Stall(5)],
    "content": [ReadRequest(), b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", Stall(5)],
    "large content": [ReadRequest(), b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nhalf", Stall(5)],
}


@pytest.mark.parametrize("phase", ["head", "content", "large content", "queue", "handshake"])
def test_ctrl_c_inside_a_request_leaves_the_pool_sound(scripted: ScriptedServerFactory, phase: str) -> None:
    script = SCRIPTS.get(phase, SCRIPTS["head"])
    if phase == "handshake":
        script = [Stall(5)]
    server = scripted.by_connection([script, [ReadRequest(), OK]])
    before = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    client = SyncClient(timeout=5, max_connections=1, verify=False)
    holder = None

    def hold() -> None:
        with pytest.raises(hyperhttp.HyperHTTPError):
            client.get(server.url)

    timer = threading.Timer(0.15, lambda: signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT))
    try:
        if phase == "queue":
            holder = threading.Thread(target=hold)
            holder.start()
            while not server.requests:
                time.sleep(0.005)
        timer.start()
        started = time.monotonic()
        with pytest.raises(KeyboardInterrupt):
            client.get(f"https://127.0.0.1:{server.port}/" if phase == "handshake" else server.url)
        assert time.monotonic() - started < 2
        if holder is None:
            assert client.get_pool_stats() == {}
            assert client.get(server.url).content == b"ok"
            assert_sound(client)
        else:
            (counts,) = client.get_pool_stats().values()
            assert counts == {"idle": 0, "in_use": 1, "total": 1}
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
        client.close()
        if holder is not None:
            holder.join(5)


async def test_a_sync_client_works_inside_a_running_loop(origin: Origin) -> None:
    assert asyncio.get_running_loop().is_running()
    with SyncClient() as client:
        assert client.get(origin.url + "/get").status_code == 200
    assert hyperhttp.get(origin.url + "/get").status_code == 200


async def test_a_sync_client_starts_no_thread_and_no_loop(origin: Origin) -> None:
    before = set(threading.enumerate())
    with SyncClient() as client:
        client.get(origin.url + "/get")
        client.post(origin.url + "/post", content=iter([b"a", b"b"]))
        assert set(threading.enumerate()) == before
