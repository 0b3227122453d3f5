"""A circuit breaker around attempts."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hyperhttp import CircuitBreakerOpen, ConnectError, Response
from hyperhttp.errors.circuit_breaker import DomainCircuitBreakerManager
from hyperhttp.pipeline.breaking import guard


@pytest.fixture
def call(new_call: Any) -> Any:
    made = new_call("GET", "http://a.example/x")
    made.breaker = DomainCircuitBreakerManager(1, 30.0, 1)
    return made


async def test_a_call_without_a_breaker_is_sent(new_call: Any, stage: Any) -> None:
    assert (await guard(new_call(), stage(Response(200)))).status_code == 200


async def test_what_comes_of_an_attempt_is_recorded(call: Any, stage: Any) -> None:
    await guard(call, stage(Response(200)))
    assert call.breaker.state("a.example", 80) == "closed"
    await guard(call, stage(Response(500)))
    assert call.breaker.state("a.example", 80) == "open"


async def test_an_error_is_recorded_and_comes_out(call: Any, stage: Any) -> None:
    error = ConnectError("refused")
    with pytest.raises(ConnectError) as caught:
        await guard(call, stage(error))
    assert caught.value is error
    assert call.breaker.state("a.example", 80) == "open"


async def test_an_open_circuit_refuses_and_sends_nothing(call: Any, stage: Any) -> None:
    await guard(call, stage(Response(500)))
    send = stage(Response(200))
    with pytest.raises(CircuitBreakerOpen) as caught:
        await guard(call, send)
    assert send.seen == []
    assert caught.value.request is call.request
    assert (caught.value.host, caught.value.port, caught.value.remaining) == ("a.example", 80, 30.0)


async def test_after_the_recovery_a_request_probes(call: Any, stage: Any) -> None:
    await guard(call, stage(Response(500)))
    call.pool.network.time += 30.0
    assert (await guard(call, stage(Response(200)))).status_code == 200
    assert call.breaker.state("a.example", 80) == "closed"


async def test_a_probe_that_is_cancelled_frees_its_place(call: Any, stage: Any) -> None:
    await guard(call, stage(Response(500)))
    call.pool.network.time += 30.0
    with pytest.raises(asyncio.CancelledError):
        await guard(call, stage(asyncio.CancelledError()))
    assert call.breaker.state("a.example", 80) == "half_open"
    await guard(call, stage(Response(200)))
    assert call.breaker.state("a.example", 80) == "closed"


async def test_a_hook_that_sends_the_request_elsewhere_does_not_change_whose_circuit_it_is(call: Any) -> None:
    async def send(call: Any) -> Response:
        call.request.url = "http://10.0.0.1:8080/x"
        return Response(503)

    await guard(call, send)
    assert list(call.breaker.snapshot()) == ["a.example:80"]


async def test_an_error_about_a_request_of_a_hooks_own_says_nothing(call: Any, stage: Any, new_call: Any) -> None:
    elsewhere = new_call("GET", "http://b.example/").request
    with pytest.raises(ConnectError):
        await guard(call, stage(ConnectError("refused", request=elsewhere)))
    assert call.breaker.snapshot() == {}
    with pytest.raises(ConnectError):
        await guard(call, stage(ConnectError("refused", request=call.request)))
    assert call.breaker.state("a.example", 80) == "open"


async def test_what_a_mounted_transport_raises_is_about_the_host(call: Any, stage: Any, new_call: Any) -> None:
    call.find_transport = lambda url: None
    with pytest.raises(ConnectError):
        await guard(call, stage(ConnectError("refused", request=new_call().request)))
    assert call.breaker.state("a.example", 80) == "open"
