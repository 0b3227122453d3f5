"""A rate limit before attempts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hyperhttp import CircuitBreakerOpen, ConnectError, HTTPStatusError, RateLimitExceeded, Response
from hyperhttp.connection.stream import ContentStream
from hyperhttp.errors.circuit_breaker import DomainCircuitBreakerManager
from hyperhttp.errors.rate_limit import RateLimit, RateLimiter
from hyperhttp.pipeline.pacing import pace
from tests.memory import Source

START = 1000.0
LIMITED = {"Retry-After": "5"}


@pytest.fixture
def new_paced(new_call: Any) -> Any:
    """Makes calls on one network, with one limiter."""
    first = new_call("GET", "http://a.example/x")

    def new_paced(limiter: RateLimiter) -> Any:
        made = new_call("GET", "http://a.example/x")
        made.pool = first.pool
        made.limiter = limiter
        return made

    return new_paced


async def test_a_call_without_a_limit_is_sent(new_call: Any, stage: Any) -> None:
    assert (await pace(new_call(), stage(Response(200)))).status_code == 200


async def test_a_request_waits_for_its_turn_and_begins_then(new_paced: Any, stage: Any) -> None:
    limiter = RateLimiter(RateLimit(4))
    moments = []
    for _ in range(3):
        call = new_paced(limiter)
        call.now = 7.0
        await pace(call, stage(Response(200)))
        moments.append((call.pool.network.time, call.now))
    assert moments == [(START, 7.0), (START + 0.25, START + 0.25), (START + 0.5, START + 0.5)]


async def test_a_request_whose_turn_is_too_late_is_refused(new_paced: Any, stage: Any) -> None:
    limiter = RateLimiter(RateLimit(1))
    await pace(new_paced(limiter), stage(Response(200)))
    call, send = new_paced(limiter), stage(Response(200))
    call.total_at = START + 0.5
    with pytest.raises(RateLimitExceeded) as caught:
        await pace(call, send)
    assert (caught.value.request, caught.value.remaining, send.seen) == (call.request, 1.0, [])


async def test_a_request_that_is_cancelled_while_it_waits_gives_its_turn_back(new_paced: Any, stage: Any) -> None:
    limiter = RateLimiter(RateLimit(1))
    await pace(new_paced(limiter), stage(Response(200)))
    call = new_paced(limiter)
    waiting = asyncio.Event()

    async def sleep(seconds: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    call.pool.network.sleep = sleep
    task = asyncio.ensure_future(pace(call, stage(Response(200))))
    await waiting.wait()
    assert limiter.snapshot(START)["a.example:80"].waiting == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert limiter.snapshot(START)["a.example:80"].waiting == 0
    assert limiter.snapshot(START)["a.example:80"].delay == 1.0


async def test_a_response_is_learnt_from(new_paced: Any, stage: Any) -> None:
    limiter = RateLimiter(RateLimit(learn=True))
    await pace(new_paced(limiter), stage(Response(429, headers=LIMITED)))
    call = new_paced(limiter)
    await pace(call, stage(Response(200)))
    assert call.pool.network.time == START + 5.0


async def test_a_response_that_a_hook_refuses_is_learnt_from_too(new_paced: Any, stage: Any) -> None:
    limiter = RateLimiter(RateLimit(learn=True))
    refused = HTTPStatusError("refused", response=Response(503, headers=LIMITED))
    with pytest.raises(HTTPStatusError):
        await pace(new_paced(limiter), stage(refused))
    assert limiter.snapshot(START)["a.example:80"].delay == 5.0
    with pytest.raises(HTTPStatusError):
        await pace(new_paced(RateLimiter(RateLimit(learn=True))), stage(HTTPStatusError("by hand")))


async def test_other_errors_pass(new_paced: Any, stage: Any) -> None:
    with pytest.raises(ConnectError):
        await pace(new_paced(RateLimiter(RateLimit(learn=True))), stage(ConnectError("refused")))


async def test_nobody_waits_for_a_host_whose_circuit_is_open(new_paced: Any, stage: Any) -> None:
    limiter = RateLimiter(RateLimit(1))
    call, send = new_paced(limiter), stage(Response(200))
    call.breaker = DomainCircuitBreakerManager(1)
    call.breaker.record(call.breaker.admit("a.example", 80, START), Response(500), START)
    with pytest.raises(CircuitBreakerOpen) as caught:
        await pace(call, send)
    assert caught.value.request is call.request
    assert limiter.snapshot(START) == {}, "no turn was taken"
    assert send.seen == []


async def test_a_limiter_that_fails_leaves_no_response_open(new_paced: Any, stage: Any) -> None:
    class Broken(RateLimiter):
        def learn(self, *arguments: Any) -> None:
            raise LookupError

    limiter = Broken(RateLimit(4, learn=True))
    assert limiter.learns
    source: Any = Source()
    response: Any = Response(200)
    response._content, response._stream = None, ContentStream(source, 2)
    with pytest.raises(LookupError):
        await pace(new_paced(limiter), stage(response))
    assert source.calls == ["abandon"]
