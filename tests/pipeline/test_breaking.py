"""A circuit breaker around attempts."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from hyperhttp import CircuitBreakerOpen, ConnectError, ReadError, Response
from hyperhttp.errors.circuit_breaker import DomainCircuitBreakerManager
from hyperhttp.message.reading import StreamGuard, hurry
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


# -- content that is still on its way ------------------------------------------------------------------------


class Coming:
    """Content whose pieces, and whose end, a test decides."""

    def __init__(self, *pieces: bytes | BaseException) -> None:
        self.pieces = list(pieces)
        self.ended = False
        self.ended_at = 0.0
        self.received = 0
        self.trailers = ()
        self.is_open = True
        self.until = 0.0

    async def receive(self) -> bytes:
        piece = self.pieces.pop(0)
        if isinstance(piece, BaseException):
            raise piece
        self.is_open = bool(piece)
        return piece

    async def receive_all(self, limit: int | None = None) -> bytes:
        pieces = []
        while piece := await self.receive():
            pieces.append(piece)
        return b"".join(pieces)

    def hurry(self, until: float) -> None:
        self.until = until

    def close(self) -> None:
        self.is_open = False

    drop = close


def coming(*pieces: bytes | BaseException, status: int = 200) -> Response:
    response = Response(status)
    response._content = None
    response._stream = Coming(*pieces)
    response._guard = StreamGuard(response._stream)
    return response


@pytest.fixture
def probed(call: Any) -> Any:
    """A call whose host has failed once and may be probed."""
    breaker = call.breaker
    breaker.record(breaker.admit("a.example", 80, 0.0), Response(500), 0.0)
    call.pool.network.time += 30.0
    return call


def state(call: Any) -> str:
    return str(call.breaker.state("a.example", 80))


async def test_content_that_breaks_off_is_a_failure(call: Any, stage: Any) -> None:
    for read in ("aread", "iterate"):
        call.breaker.reset("a.example", 80)
        response = await guard(call, stage(coming(b"some", ReadError("reset"))))
        assert state(call) == "closed", "nothing is known yet"
        with pytest.raises(ReadError):
            await (response.aread() if read == "aread" else anext(pieces_after_first(response)))
        assert state(call) == "open"


async def pieces_after_first(response: Response) -> Any:
    pieces = response.aiter_raw()
    await anext(pieces)
    async for piece in pieces:
        yield piece


async def test_a_probe_succeeds_with_its_content(probed: Any, stage: Any) -> None:
    response = await guard(probed, stage(coming(b"some", b"")))
    assert state(probed) == "half_open"
    assert await response.aread() == b"some"
    assert state(probed) == "closed"


async def test_a_probe_fails_with_its_content(probed: Any, stage: Any) -> None:
    response = await guard(probed, stage(coming(ReadError("reset"))))
    with pytest.raises(ReadError):
        await response.aread()
    assert state(probed) == "open"


async def test_content_that_is_given_up_was_good(probed: Any, stage: Any) -> None:
    response = await guard(probed, stage(coming(b"some")))
    await response.aclose()
    assert state(probed) == "closed"


async def test_content_that_is_forgotten_was_good_when_the_next_attempt_begins(probed: Any, stage: Any) -> None:
    response = await guard(probed, stage(coming(b"some")))
    del response
    gc.collect()
    assert state(probed) == "half_open"
    await guard(probed, stage(Response(200)))
    assert state(probed) == "closed"


async def test_a_reader_who_is_cancelled_says_nothing(probed: Any, stage: Any) -> None:
    response = await guard(probed, stage(coming(asyncio.CancelledError())))
    with pytest.raises(asyncio.CancelledError):
        await anext(response.aiter_raw())
    await response.aclose()
    assert state(probed) == "half_open"
    probed.breaker.check("a.example", 80, probed.pool.network.time)  # its place is free


async def test_who_was_cancelled_and_reads_on_may_still_meet_the_failure(call: Any, stage: Any) -> None:
    response = await guard(call, stage(coming(asyncio.CancelledError(), ReadError("reset"))))
    pieces = response.aiter_raw()
    with pytest.raises(asyncio.CancelledError):
        await anext(pieces)
    with pytest.raises(ReadError):
        await anext(pieces)
    assert state(call) == "open"


async def test_haste_of_this_side_is_no_failure(probed: Any, stage: Any) -> None:
    response = await guard(probed, stage(coming(ReadError("too slow for the haste"))))
    stream: Any = response._stream
    hurry(stream, 5.0)
    assert stream._stream.until == 5.0
    with pytest.raises(ReadError):
        await stream.receive_all()
    assert state(probed) == "closed"


async def test_a_status_that_is_a_failure_waits_for_no_content(call: Any, stage: Any) -> None:
    response = await guard(call, stage(coming(b"some", b"", status=503)))
    assert state(call) == "open"
    assert await response.aread() == b"some"


async def test_a_breaker_of_the_users_may_know_of_heads_alone(call: Any, stage: Any) -> None:
    class Simple:
        def __init__(self) -> None:
            self.told: list[Any] = []

        def admit(self, host: str, port: int, now: float) -> str:
            return "ticket"

        def record(self, ticket: str, outcome: Any, now: float) -> None:
            self.told.append(outcome)

    call.breaker = Simple()
    response = await guard(call, stage(coming(b"some", b"")))
    assert call.breaker.told == [response]
