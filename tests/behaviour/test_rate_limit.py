"""Requests to a host follow each other no faster than they may, in the order in which they came."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import CircuitBreakerOpen, RateLimitExceeded, Timeout
from hyperhttp.errors.circuit_breaker import DomainCircuitBreakerManager
from hyperhttp.errors.rate_limit import RateLimit, RateLimiter
from hyperhttp.errors.retry import RetryPolicy
from hyperhttp.utils.backoff import ExponentialBackoff

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin

pytestmark = pytest.mark.usefixtures("no_leaks")

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"
FAILED = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
#: A clock may be read a little before its tick.
GRAIN = 0.002


class Log:
    """When requests began and what they asked for."""

    def __init__(self) -> None:
        self.moments: list[float] = []
        self.paths: list[str] = []
        self.hooks = {"request": [self._note]}

    def _note(self, request: Any) -> None:
        self.moments.append(time.monotonic())
        self.paths.append(request.url.path)


async def test_requests_are_spaced(face: Any, origin: Origin) -> None:
    limit = RateLimit(25, burst=2)
    log = Log()
    async with face.client(rate_limit=limit, event_hooks=log.hooks) as client:
        began = time.monotonic()
        for _ in range(6):
            assert (await client.get(origin.url + "/get")).status_code == 200
    assert time.monotonic() - began >= 4 * 0.04 - GRAIN
    assert len(origin.requests) == 6


async def test_a_burst_does_not_wait(face: Any, origin: Origin) -> None:
    async with face.client(rate_limit=RateLimit(1, per=600, burst=20, max_wait=0)) as client:
        for _ in range(20):
            await client.get(origin.url + "/get")
        with pytest.raises(RateLimitExceeded):
            await client.get(origin.url + "/get")


async def test_a_crowd_is_served_in_the_order_of_coming(origin: Origin) -> None:
    limit = RateLimit(20, burst=3)
    log = Log()
    async with hyperhttp.Client(rate_limit=limit, event_hooks=log.hooks) as client:
        await asyncio.gather(*[client.get(f"{origin.url}/anything/{number}") for number in range(10)])
    assert log.paths == [f"/anything/{number}" for number in range(10)]
    assert log.moments[-1] - log.moments[0] >= 7 / 20 - GRAIN


async def test_thousands_of_calls_keep_to_the_limit_together(origin: Origin) -> None:
    count, rate, burst = 2000, 2000, 500
    log = Log()
    async with hyperhttp.Client(rate_limit=RateLimit(rate, burst=burst), event_hooks=log.hooks) as client:
        responses = await asyncio.gather(*(client.get(f"{origin.url}/get?{number}") for number in range(count)))
    assert {response.status_code for response in responses} == {200}
    assert sorted(log.moments) == log.moments
    assert len(log.moments) == count
    ahead = lowest = 0.0
    for number, moment in enumerate(log.moments):  # of any two of them, what began in between fits rate and burst
        level = number - rate * (moment - log.moments[0])
        lowest = min(lowest, level)
        ahead = max(ahead, level - lowest)
    assert ahead <= burst - 1 + rate * GRAIN


async def test_threads_share_a_limit(origin: Origin) -> None:
    limit = RateLimit(100, burst=4)
    with hyperhttp.SyncClient(rate_limit=limit) as client, ThreadPoolExecutor(16) as threads:
        began = time.monotonic()
        statuses = list(threads.map(lambda _: client.get(origin.url + "/get").status_code, range(32)))
        took = time.monotonic() - began
    assert statuses == [200] * 32
    assert took >= 28 / 100 - GRAIN


async def test_faces_and_clients_share_a_limiter(origin: Origin) -> None:
    limiter = RateLimiter(RateLimit(1, per=600, burst=2, max_wait=0))
    with hyperhttp.SyncClient(rate_limit=limiter) as client:
        client.get(origin.url + "/get")
    async with hyperhttp.Client(rate_limit=limiter) as other:
        await other.get(origin.url + "/get")
        with pytest.raises(RateLimitExceeded):
            await other.get(origin.url + "/get")


async def test_a_limit_may_raise_instead_of_waiting(face: Any, origin: Origin) -> None:
    seen: list[Any] = []
    options: dict[str, Any] = {
        "rate_limit": RateLimit(1, per=600, max_wait=0),
        "event_hooks": {"request": [seen.append]},
    }
    async with face.client(**options) as client:
        await client.get(origin.url + "/get")
        with pytest.raises(RateLimitExceeded) as caught:
            await client.get(origin.url + "/other")
    error = caught.value
    assert 500 < error.remaining <= 600
    assert error.request is not None
    assert error.request.url.path == "/other"
    assert (len(origin.requests), len(seen)) == (1, 1), "nothing was sent and no hook was called"


async def test_nobody_waits_for_a_turn_after_the_total_timeout(face: Any, origin: Origin) -> None:
    async with face.client(rate_limit=RateLimit(1, per=600), timeout=Timeout(30.0, total=20.0)) as client:
        await client.get(origin.url + "/get")
        began = time.monotonic()
        with pytest.raises(RateLimitExceeded, match="total timeout"):
            await client.get(origin.url + "/get")
        assert time.monotonic() - began < 10, "it is known at once"


async def test_the_wait_is_not_the_servers(face: Any, scripted: Any) -> None:
    server = scripted([OK, OK])
    async with face.client(rate_limit=RateLimit(1, per=1.2), timeout=Timeout(1.0)) as client:
        await client.get(server.url)
        response = await client.get(server.url)
        assert await client.read(response) == b"ok", "1.2 s in line are not 1.0 s of reading"


async def test_a_call_that_is_cancelled_in_line_leaves_it(origin: Origin) -> None:
    limiter = RateLimiter(RateLimit(1, per=600))
    async with hyperhttp.Client(rate_limit=limiter) as client:
        await client.get(origin.url + "/get")
        calls = [asyncio.ensure_future(client.get(origin.url + "/get")) for _ in range(50)]
        await asyncio.sleep(0)
        (host,) = limiter.snapshot().values()
        assert host.waiting == 50
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        (host,) = limiter.snapshot().values()
    assert host.waiting == 0
    assert host.delay <= 600, "their turns are free again"
    assert len(origin.requests) == 1


async def test_each_hop_of_a_redirect_takes_a_turn(face: Any, origin: Origin) -> None:
    async with face.client(rate_limit=RateLimit(1, per=600, burst=3, max_wait=0), follow_redirects=True) as client:
        assert (await client.get(origin.url + "/redirect/2")).status_code == 200
        with pytest.raises(RateLimitExceeded):
            await client.get(origin.url + "/get")


async def test_each_attempt_takes_a_turn(face: Any, scripted: Any) -> None:
    server = scripted([FAILED, FAILED, OK])
    log = Log()
    limit = RateLimit(20)
    policy = RetryPolicy(max_retries=3, backoff_strategy=ExponentialBackoff(base=0.0001, jitter=False))
    async with face.client(rate_limit=limit, retry=policy, event_hooks=log.hooks) as client:
        began = time.monotonic()
        assert (await client.get(server.url)).status_code == 200
        assert time.monotonic() - began >= 0.1 - GRAIN
    assert len(log.moments) == 3


async def test_a_limit_is_learnt_from_retry_after(face: Any, scripted: Any) -> None:
    server = scripted([BUSY, OK])
    async with face.client(rate_limit=RateLimit(learn=True)) as client:
        assert (await client.get(server.url)).status_code == 429
        began = time.monotonic()
        assert (await client.get(server.url)).status_code == 200
    assert time.monotonic() - began > 0.8


async def test_a_limit_is_learnt_from_rate_limit_fields(face: Any, scripted: Any) -> None:
    head = b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nRateLimit: "a";r=%d;t=300\r\n\r\nok'
    server = scripted([head % 2, head % 1, head % 0])
    async with face.client(rate_limit=RateLimit(learn=True, max_wait=0)) as client:
        for _ in range(3):
            assert (await client.get(server.url)).status_code == 200
        with pytest.raises(RateLimitExceeded) as caught:
            await client.get(server.url)
    assert 250 < caught.value.remaining <= 300


@pytest.mark.parametrize("moment", [False, True], ids=["seconds", "moment"])
async def test_a_limit_is_learnt_from_fields_without_a_specification(face: Any, scripted: Any, moment: bool) -> None:
    reset = int(time.time()) + 200 if moment else 200
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-RateLimit-Remaining: %d\r\nX-RateLimit-Reset: %d\r\n\r\nok"
    server = scripted([head % (1, reset), head % (0, reset)])
    async with face.client(rate_limit=RateLimit(learn=True, max_wait=0)) as client:
        for _ in range(2):
            assert (await client.get(server.url)).status_code == 200
        with pytest.raises(RateLimitExceeded) as caught:
            await client.get(server.url)
    assert 150 < caught.value.remaining <= 200


async def test_no_field_stops_requests_for_longer_than_the_limit_allows(face: Any, scripted: Any) -> None:
    endless = b"X-RateLimit-Remaining: 0\r\nX-RateLimit-Reset: 999999999999999\r\n\r\nok"
    server = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n" + endless])
    async with face.client(rate_limit=RateLimit(learn=True, max_wait=0, max_pause=60.0)) as client:
        await client.get(server.url)
        with pytest.raises(RateLimitExceeded) as caught:
            await client.get(server.url)
    assert 50 < caught.value.remaining <= 60


async def test_who_stands_in_line_is_not_sent_to_a_host_that_fails_meanwhile(scripted: Any) -> None:
    held = threading.Event()

    def fail(connection: Any, index: int) -> None:
        while connection.read_request():
            held.wait(20)
            connection.sendall(FAILED)

    server = scripted(fail)
    breaker = DomainCircuitBreakerManager(1, 600.0)
    limiter = RateLimiter(RateLimit(1, per=1.5))
    async with hyperhttp.Client(rate_limit=limiter, circuit_breaker_manager=breaker) as client:
        calls = [asyncio.ensure_future(client.get(server.url)) for _ in range(2)]
        await asyncio.sleep(0)
        held.set()
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert outcomes[0].status_code == 503
        assert isinstance(outcomes[1], CircuitBreakerOpen)
        (before,) = limiter.snapshot(0.0).values()
        with pytest.raises(CircuitBreakerOpen):
            await client.get(server.url)
        (after,) = limiter.snapshot(0.0).values()
        assert after == before, "it does not stand in line to hear that"
    assert len(server.requests) == 1


async def test_a_number_is_a_rate(face: Any, origin: Origin) -> None:
    async with face.client(rate_limit=50) as client:
        began = time.monotonic()
        for _ in range(3):
            await client.get(origin.url + "/get")
        assert time.monotonic() - began >= 0.04 - GRAIN


async def test_what_is_no_limit_is_refused_when_the_client_is_made(face: Any) -> None:
    with pytest.raises(TypeError, match="rate limit"):
        face.client(rate_limit="10/s")
    with pytest.raises(TypeError, match="circuit_breaker_manager"):
        face.client(circuit_breaker_manager=5)
