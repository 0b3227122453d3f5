"""Hedged requests, on a network whose delays are a test's decision."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import hyperhttp
from hyperhttp import Response
from hyperhttp.errors.retry import HedgePolicy, RetryPolicy
from hyperhttp.network.aio import AioNetwork
from hyperhttp.pipeline.hedging import can_hedge, send_hedged


class Slow:
    """A last stage whose answers come when the test says so.

    Attributes:
        calls: the calls it was given.
        answers: a future for each.
    """

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.answers: list[asyncio.Future[Response]] = []
        self.begun = asyncio.Event()
        self.cancelled: list[int] = []

    async def __call__(self, call: Any) -> Response:
        number = len(self.calls)
        self.calls.append(call)
        self.answers.append(asyncio.get_running_loop().create_future())
        self.begun.set()
        try:
            return await self.answers[number]
        except asyncio.CancelledError:
            self.cancelled.append(number)
            raise

    async def has(self, number: int) -> None:
        """Wait until there are so many."""
        while len(self.calls) < number:
            self.begun.clear()
            await self.begun.wait()


def hedged(new_call: Any, **options: Any) -> Any:
    call = new_call(**options)
    call.pool.network = AioNetwork(asyncio.get_running_loop())
    return call


def policy(delay: float = 0.001, max_hedges: int = 1) -> RetryPolicy:
    return RetryPolicy(hedge=HedgePolicy(delay, max_hedges))


def rich(now: float) -> bool:
    return True


async def test_an_answer_in_time_is_the_only_one(new_call: Any) -> None:
    call, send = hedged(new_call), Slow()
    task = asyncio.ensure_future(send_hedged(call, send, policy(delay=30), rich))
    await send.has(1)
    send.answers[0].set_result(Response(200))
    assert (await task).attempts == ()
    assert len(send.calls) == 1
    assert send.calls[0].request is call.request


async def test_the_first_answer_wins_and_the_other_request_is_cancelled(new_call: Any) -> None:
    call, send = hedged(new_call, headers={"X": "1"}), Slow()
    task = asyncio.ensure_future(send_hedged(call, send, policy(), rich))
    await send.has(2)
    answer = Response(200)
    send.calls[1].route = "the way of the second"
    send.answers[1].set_result(answer)
    assert await task is answer
    await asyncio.sleep(0)
    assert send.cancelled == [0]
    assert [(each.cause, each.status_code, each.error) for each in answer.attempts] == [("hedge", None, None)]
    assert call.attempts == answer.attempts
    assert call.request is send.calls[1].request
    assert call.route == "the way of the second"
    assert send.calls[0].request is not send.calls[1].request
    assert send.calls[1].request.headers["X"] == "1"


async def test_an_answer_that_comes_too_late_is_given_up(new_call: Any) -> None:
    call, send = hedged(new_call), Slow()
    task = asyncio.ensure_future(send_hedged(call, send, policy(), rich))
    await send.has(2)
    late, first = Response(200), Response(200)
    send.answers[0].set_result(first)
    send.answers[1].set_result(late)
    won = await task
    await asyncio.sleep(0)
    assert {first._closed, late._closed} == {True, False}
    assert not won._closed


async def test_a_failure_before_the_delay_is_the_calls(new_call: Any) -> None:
    call, send = hedged(new_call), Slow()
    task = asyncio.ensure_future(send_hedged(call, send, policy(delay=30), rich))
    await send.has(1)
    send.answers[0].set_exception(hyperhttp.ReadError("x"))
    with pytest.raises(hyperhttp.ReadError):
        await task
    assert len(send.calls) == 1


async def test_one_that_fails_leaves_it_to_the_other(new_call: Any) -> None:
    call, send = hedged(new_call), Slow()
    task = asyncio.ensure_future(send_hedged(call, send, policy(max_hedges=5), rich))
    await send.has(2)
    send.answers[0].set_exception(hyperhttp.ReadError("first"))
    await asyncio.sleep(0.005)
    begun = len(send.calls)
    send.answers[begun - 1].set_result(Response(200))
    assert (await task).status_code == 200
    assert len(send.calls) == begun  # a failure is no reason for one more


async def test_when_all_fail_the_last_failure_comes_out(new_call: Any) -> None:
    call, send = hedged(new_call), Slow()
    task = asyncio.ensure_future(send_hedged(call, send, policy(), rich))
    await send.has(2)
    send.answers[0].set_exception(hyperhttp.ReadError("first"))
    await asyncio.sleep(0.005)
    send.answers[1].set_exception(hyperhttp.ReadTimeout("second"))
    with pytest.raises(hyperhttp.ReadTimeout):
        await task
    assert call.request is send.calls[1].request


async def test_no_more_than_allowed_and_no_more_than_paid_for(new_call: Any) -> None:
    for hedges, budget, expected in ((2, 9, 3), (9, 1, 2), (9, 0, 1)):
        call, send = hedged(new_call), Slow()
        left = [True] * budget

        def pay(now: float, left: list[bool] = left) -> bool:
            return bool(left and left.pop())

        task = asyncio.ensure_future(send_hedged(call, send, policy(max_hedges=hedges), pay))
        await send.has(expected)
        await asyncio.sleep(0.01)
        assert len(send.calls) == expected
        send.answers[0].set_result(Response(200))
        await task


async def test_cancellation_reaches_all(new_call: Any) -> None:
    call, send = hedged(new_call), Slow()
    task = asyncio.ensure_future(send_hedged(call, send, policy(max_hedges=2), rich))
    await send.has(3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert sorted(send.cancelled) == [0, 1, 2]


def test_only_what_may_be_under_way_twice_is_hedged(new_call: Any, tmp_path: Any) -> None:
    (tmp_path / "file").write_bytes(b"x")
    assert can_hedge(new_call(), policy())
    assert can_hedge(new_call("PUT", content=b"x"), policy())
    assert can_hedge(new_call("POST", content=b"x", headers={"Idempotency-Key": "k"}), policy())
    assert not can_hedge(new_call("POST", content=b"x"), policy())
    assert not can_hedge(new_call("PUT", content=tmp_path / "file"), policy())
    assert not can_hedge(new_call("PUT", content=iter([b"x"])), policy())
