"""Retries in a world that fails at random, on a clock that only moves when somebody waits.

Whatever servers do and policies say: no call makes more attempts than it may, no sleep reaches the deadline, nothing
unsafe is sent twice, and all calls of a client together stay within its budget.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

import hyperhttp
from hyperhttp import Request, Response
from hyperhttp.client.drive import drive
from hyperhttp.config import Timeout
from hyperhttp.errors.budget import RetryBudget
from hyperhttp.errors.retry import RetryPolicy, was_sent
from hyperhttp.errors.telemetry import ErrorTelemetry
from hyperhttp.message.reading import ReadOptions
from hyperhttp.network.base import NEVER
from hyperhttp.pipeline.call import Call
from hyperhttp.pipeline.retries import Retries, send_with_retries
from hyperhttp.utils.backoff import DecorrelatedJitterBackoff, ExponentialBackoff

ERRORS: dict[str, Any] = {
    "refused": lambda: hyperhttp.ConnectError("refused"),
    "reset": lambda: hyperhttp.ReadError("reset"),
    "late": lambda: hyperhttp.ReadTimeout("late"),
    "broken": lambda: hyperhttp.RemoteProtocolError("nonsense"),
    "over": lambda: hyperhttp.TotalTimeout("over"),
}

outcomes = st.one_of(
    st.sampled_from(sorted(ERRORS)),
    st.sampled_from([200, 404, 429, 500, 503]),
    st.tuples(st.sampled_from([429, 503]), st.integers(0, 300)),
)
attempts = st.tuples(outcomes, st.floats(0, 5))
backoffs = st.one_of(
    st.builds(ExponentialBackoff, base=st.floats(0, 2), factor=st.floats(1, 4), max_backoff=st.floats(0, 60)),
    st.builds(DecorrelatedJitterBackoff, base=st.floats(0, 2), max_backoff=st.floats(0, 60)),
)
policies = st.builds(
    RetryPolicy,
    max_retries=st.integers(0, 6),
    backoff_strategy=backoffs,
    respect_retry_after=st.booleans(),
    max_retry_after=st.floats(0, 200),
    methods=st.one_of(st.none(), st.just(["GET", "POST"])),
)
budgets = st.builds(
    RetryBudget, ratio=st.floats(0, 1), per_second=st.floats(0, 3), capacity=st.integers(0, 10).map(float)
)
calls = st.tuples(
    st.sampled_from(["GET", "POST"]), st.one_of(st.none(), st.floats(0, 60)), st.lists(attempts, min_size=1, max_size=8)
)


class World:
    """A network without peers; time passes in sleeps and in attempts."""

    def __init__(self) -> None:
        self.time = 0.0
        self.sleeps: list[tuple[float, float]] = []

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.sleeps.append((self.time, self.time + seconds))
        self.time += seconds


class Server:
    """The stages below: attempts end as they were drawn; the last one stays as it is."""

    def __init__(self, world: World, script: list[Any]) -> None:
        self.world = world
        self.script = script
        self.came: list[tuple[float, Any]] = []

    async def __call__(self, call: Any) -> Response:
        outcome, seconds = self.script[min(len(self.came), len(self.script) - 1)]
        self.world.time += seconds
        result: Any
        if isinstance(outcome, str):
            result = ERRORS[outcome]()
        else:
            status, wish = outcome if isinstance(outcome, tuple) else (outcome, None)
            result = Response(status, headers={} if wish is None else {"Retry-After": str(wish)}, request=call.request)
        self.came.append((self.world.time, result))
        if isinstance(result, Exception):
            raise result
        return result


def make_call(world: World, method: str, total: float | None, retries: Retries) -> Any:
    request = Request(method, "http://a.example/")
    pool: Any = SimpleNamespace(network=world)
    total_at = NEVER if total is None else world.time + total
    read = ReadOptions({}, None, None)
    call: Any = Call(pool, request, None, None, Timeout(None), total_at, world.time, read, None, True)  # type: ignore[arg-type]
    call.find_route = lambda url: None
    call.auth = call.hooks = call.listeners = call.find_transport = None
    call.retry, call.reads = retries, False
    return call


def run(call: Any, server: Server) -> Response | hyperhttp.HyperHTTPError:
    try:
        return drive(send_with_retries(call, server))
    except hyperhttp.HyperHTTPError as error:
        return error


@settings(max_examples=300, deadline=None)
@given(policies, budgets, st.lists(calls, min_size=1, max_size=8))
def test_no_call_does_what_it_may_not(policy: RetryPolicy, budget: RetryBudget, work: list[Any]) -> None:
    world, telemetry = World(), ErrorTelemetry()
    retries = Retries(policy, budget, telemetry)
    made = 0
    for number, (method, total, script) in enumerate(work, 1):
        call, server = make_call(world, method, total, retries), Server(world, script)
        world.sleeps.clear()
        end = run(call, server)

        assert 1 <= len(server.came) <= policy.max_retries + 1
        assert len(call.attempts) == len(world.sleeps) == len(server.came) - 1
        assert all(until < call.total_at for _, until in world.sleeps)
        check_safety(policy, method, server.came)
        check_waits(policy, server.came, world.sleeps)
        check_end(end, server.came)

        made += len(world.sleeps)
        allowed = budget.capacity + budget.ratio * number + budget.per_second * world.time
        assert made <= allowed + 1e-6
    counts = telemetry.snapshot().outcomes
    assert counts["retry"] == made
    assert counts["success"] + counts["fail"] == len(work)


def check_safety(policy: RetryPolicy, method: str, came: list[Any]) -> None:
    """What may have been processed is not sent again, unless that does no harm."""
    for _, outcome in came[:-1]:
        assert policy.wants(outcome)
        if method == "POST" and policy.methods is None:
            assert isinstance(outcome, Exception)
            assert not was_sent(outcome)


def check_waits(policy: RetryPolicy, came: list[Any], sleeps: list[Any]) -> None:
    """A wish is granted to the second, or the call ends; without one the strategy's cap holds."""
    strategy: Any = policy.backoff_strategy
    for (at, outcome), (begun, until) in zip(came, sleeps, strict=False):
        assert begun == at
        wish = None if isinstance(outcome, Exception) else outcome.headers.get("retry-after")
        if policy.respect_retry_after and wish not in (None, "0"):
            assert until == at + float(wish)
            assert float(wish) <= policy.max_retry_after
        else:
            assert until - at <= strategy.max_backoff + 1e-9


def check_end(end: Any, came: list[Any]) -> None:
    """The last response, the last error, or the error that says how often."""
    last = came[-1][1]
    if isinstance(end, hyperhttp.RetryError):
        assert end.original_exception is last
        assert end.attempts == len(came) > 1
    else:
        assert end is last
        assert len(came) == 1 or not isinstance(last, Exception) or isinstance(last, hyperhttp.TotalTimeout)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(1, 40))
def test_an_outage_costs_the_server_a_fifth_more_and_not_a_multiple(max_retries: int, rate: int) -> None:
    """A minute of an outage at a steady rate: beyond the savings, retries are a fifth of the calls, or ten a second."""
    world = World()
    policy = RetryPolicy(max_retries, backoff_strategy=ExponentialBackoff(base=0.0))
    budget = RetryBudget()
    retries = Retries(policy, budget, None)
    sent = number = 0
    while world.time < 60:
        number += 1
        server = Server(world, [(503, 0.0)])
        run(make_call(world, "GET", None, retries), server)
        sent += len(server.came)
        world.time += 1 / rate
    assert sent - number <= budget.capacity + 0.2 * number + 10 * 60 + 1
