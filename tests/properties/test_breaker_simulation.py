"""Breakers and rate limits on a virtual clock, under everything that can happen in any order.

The breaker: attempts begin, succeed, fail, are cancelled or never heard of again. No two probes are under way at once,
it never opens before its threshold, and closes only after so many probes have succeeded one after the other.

The rate limit: requests come in crowds, wait, give up, and the server asks for pauses. No more than
``rate * t + burst`` requests begin in any `t` seconds, and they begin in the order in which they came.
"""

from __future__ import annotations

import heapq
import itertools
import math
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from hyperhttp import CircuitBreakerOpen, ConnectError, RateLimitExceeded, Response
from hyperhttp.errors.circuit import CLOSED, HALF_OPEN, OPEN
from hyperhttp.errors.circuit_breaker import CircuitTransition, DomainCircuitBreakerManager, Ticket
from hyperhttp.errors.rate_fields import Quota
from hyperhttp.errors.rate_limit import RateLimit, RateLimiter

briefly = settings(deadline=None, max_examples=60, stateful_step_count=60, database=None)
HOST = ("a.example", 443)


# -- the breaker -----------------------------------------------------------------------------------------


class Attempt:
    """An attempt that has not ended."""

    def __init__(self, ticket: Ticket, began: float, probe: bool) -> None:
        self.ticket = ticket
        self.began = began
        self.probe = probe


class Breaker(RuleBasedStateMachine):
    """A breaker, its requests, and a second opinion on what it must do."""

    @initialize(
        threshold=st.integers(1, 4),
        successes=st.integers(1, 3),
        recovery=st.sampled_from([0.0, 1.0, 30.0]),
        lease=st.sampled_from([2.0, 60.0]),
    )
    def begin(self, threshold: int, successes: int, recovery: float, lease: float) -> None:
        self.now = 1000.0
        self.heard: list[CircuitTransition] = []
        self.breaker = DomainCircuitBreakerManager(
            threshold, recovery, successes, probe_timeout=lease, observers=[self.heard.append]
        )
        self.attempts: list[Attempt] = []
        self.seen = 0
        self.failures = self.probes_in_a_row = 0
        self.opened_at = -math.inf
        self.epoch = 0  # grows with each transition: attempts of an earlier one say nothing

    @rule(seconds=st.sampled_from([0.0, 0.4, 1.0, 7.0, 30.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def ask(self) -> None:
        before = self.breaker.state(*HOST)
        rules = self.breaker.rules
        live = [each for each in self.attempts if each.probe and self.now - each.began < rules.probe_timeout]
        remaining = None
        try:
            ticket = self.breaker.admit(*HOST, self.now)
        except CircuitBreakerOpen as error:
            remaining = error.remaining
        if remaining is not None:
            assert before != CLOSED
            assert 0.0 <= remaining <= rules.recovery_timeout
            assert live or (before == OPEN and self.now < self.opened_at + rules.recovery_timeout)
            return
        if before != CLOSED:
            assert not live, "two probes at once"
            assert self.now >= self.opened_at + rules.recovery_timeout, "a probe before its time"
            for lost in self.attempts:
                lost.probe = False
        self.attempts.append(Attempt(ticket, self.now, before != CLOSED))
        self.note(None)

    def pick(self, number: int) -> Attempt:
        return self.attempts.pop(number % len(self.attempts))

    def counts(self, attempt: Attempt) -> bool:
        """Whether its end may say something: it is the probe, or the circuit has stayed closed since it began."""
        state = self.breaker.state(*HOST)
        return attempt.probe if state == HALF_OPEN else state == CLOSED and attempt.ticket.turn == self.epoch

    @precondition(lambda self: self.attempts)
    @rule(number=st.integers(0, 50))
    def succeed(self, number: int) -> None:
        attempt = self.pick(number)
        if self.counts(attempt):
            self.failures = 0
            self.probes_in_a_row += attempt.probe
        self.breaker.record(attempt.ticket, Response(200), self.now)
        self.note(attempt)

    @precondition(lambda self: self.attempts)
    @rule(number=st.integers(0, 50))
    def fail(self, number: int) -> None:
        attempt = self.pick(number)
        counts = self.counts(attempt)
        self.failures += counts
        self.breaker.record(attempt.ticket, ConnectError("refused"), self.now)
        self.note(attempt if counts else None)

    @precondition(lambda self: self.attempts)
    @rule(number=st.integers(0, 50))
    def cancel(self, number: int) -> None:
        state = self.breaker.state(*HOST)
        self.breaker.record(self.pick(number).ticket, KeyboardInterrupt(), self.now)
        assert self.breaker.state(*HOST) == state, "cancellation is neither"

    def note(self, attempt: Attempt | None) -> None:
        """Hold what was heard against what may happen."""
        for each in self.heard[self.seen :]:
            self.seen += 1
            if each.after == OPEN:
                assert attempt is not None
                assert attempt.probe or self.failures >= self.breaker.rules.failure_threshold, "opened too early"
                self.opened_at = self.now
                self.probes_in_a_row = 0
            elif each.after == HALF_OPEN:
                assert each.before == OPEN
                self.probes_in_a_row = 0
            else:
                assert each.before == HALF_OPEN
                assert self.probes_in_a_row == self.breaker.rules.success_threshold, "closed too early"
                self.failures = 0
                for old in self.attempts:
                    old.probe = False
                self.epoch = self.breaker.store.load(HOST).turn  # type: ignore[union-attr]

    @invariant()
    def failures_that_reach_the_threshold_open_it(self) -> None:
        if hasattr(self, "breaker") and self.breaker.state(*HOST) == CLOSED:
            assert self.failures < self.breaker.rules.failure_threshold


TestBreaker = Breaker.TestCase
TestBreaker.settings = briefly


# -- the rate limit --------------------------------------------------------------------------------------


class Crowd:
    """Requests that sleep as long as they are told, on a clock that jumps to the next one."""

    def __init__(self, limit: RateLimit) -> None:
        self.limiter = RateLimiter(limit)
        self.limit = limit
        self.now = 0.0
        self.numbers = itertools.count()
        self.sleeping: list[tuple[float, int, Any]] = []
        self.begun: list[tuple[float, int]] = []
        self.given_up: set[int] = set()

    def come(self) -> None:
        number = next(self.numbers)
        turn = self.limiter.reserve(*HOST, self.now)
        if turn is None:
            self.begun.append((self.now, number))
        else:
            self.look(number, turn)

    def look(self, number: int, turn: Any) -> None:
        delay = self.limiter.due(turn, self.now)
        if delay:
            heapq.heappush(self.sleeping, (self.now + delay, number, turn))
        else:
            self.begun.append((self.now, number))

    def pass_time(self, until: float) -> None:
        while self.sleeping and self.sleeping[0][0] <= until:
            self.now, number, turn = heapq.heappop(self.sleeping)
            if number not in self.given_up:
                self.look(number, turn)
        self.now = max(self.now, until)

    def give_up(self, number: int) -> None:
        for _, each, turn in self.sleeping:
            if each == number and number not in self.given_up:
                self.given_up.add(number)
                self.limiter.give_up(turn, self.now)

    def check(self) -> None:
        """Hold what has happened against the limit and the order of coming."""
        order = [number for _, number in self.begun]
        assert order == sorted(order), "somebody overtook"
        if self.limit.rate is not None:
            times = [at for at, _ in self.begun]
            for first, last in itertools.combinations(range(len(times)), 2):
                allowed = (times[last] - times[first]) / self.limit.interval + self.limit.burst
                assert last - first + 1 <= allowed + 1e-6, "more than rate * t + burst"


limits = st.builds(
    RateLimit,
    rate=st.sampled_from([0.5, 1.0, 3.0, 10.0]),
    burst=st.integers(1, 4),
    learn=st.just(True),
)
steps = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.integers(1, 8)),
        st.tuples(st.just("wait"), st.sampled_from([0.0, 0.1, 0.33, 1.0, 2.5, 20.0])),
        st.tuples(st.just("give up"), st.integers(0, 40)),
        st.tuples(st.just("give up all"), st.just(0)),
        st.tuples(st.just("pause"), st.sampled_from([0.2, 1.5, 6.0])),
        st.tuples(
            st.just("quota"),
            st.builds(
                Quota,
                remaining=st.integers(0, 5),
                reset=st.sampled_from([0.5, 3.0]),
                size=st.sampled_from([None, 2, 5]),
                window=st.sampled_from([None, 2.0]),
            ),
        ),
    ),
    max_size=30,
)


def do(crowd: Crowd, action: str, value: Any) -> None:
    if action == "come":
        for _ in range(value):
            crowd.come()
    elif action == "wait":
        crowd.pass_time(crowd.now + value)
    elif action == "give up":
        crowd.give_up(value)
    elif action == "give up all":
        for _, number, _ in list(crowd.sleeping):
            crowd.give_up(number)
    else:
        bucket = crowd.limiter._bucket(*HOST, crowd.now)
        assert bucket is not None
        bucket.learn(value if action == "quota" else None, value if action == "pause" else None, crowd.now)


@settings(briefly, max_examples=300)
@given(limits, steps)
def test_no_more_than_the_rate_and_the_burst_and_nobody_overtakes(limit: RateLimit, script: list[Any]) -> None:
    crowd = Crowd(limit)
    for action, value in script:
        do(crowd, action, value)
    crowd.check()
    crowd.pass_time(crowd.now + 10_000)
    crowd.check()
    done = {number for _, number in crowd.begun}
    assert done | crowd.given_up == set(range(next(crowd.numbers))), "somebody waits for ever"
    assert not done & crowd.given_up


@settings(briefly, max_examples=100)
@given(limits, steps, st.sampled_from([0.5, 6.0]))
def test_nothing_begins_in_a_pause(limit: RateLimit, script: list[Any], pause: float) -> None:
    crowd = Crowd(limit)
    for action, value in script:
        do(crowd, action, value)
    begun = len(crowd.begun)
    do(crowd, "pause", pause)
    do(crowd, "come", 3)
    crowd.pass_time(crowd.now + pause * 0.99)
    due_before = [number for at, number in crowd.begun[begun:] if at < crowd.now]
    assert due_before == []


@settings(briefly, max_examples=100)
@given(limits, st.integers(1, 60), st.randoms(use_true_random=False))
def test_turns_that_nobody_wants_are_put_back(limit: RateLimit, count: int, random: Any) -> None:
    crowd = Crowd(limit)
    do(crowd, "come", count)
    numbers = [number for _, number, _ in crowd.sleeping]
    random.shuffle(numbers)
    for number in numbers:
        crowd.give_up(number)
    assert crowd.limiter.snapshot(crowd.now)["a.example:443"].waiting == 0
    assert crowd.limiter.snapshot(crowd.now)["a.example:443"].delay <= limit.interval + 1e-9


@settings(briefly, max_examples=100)
@given(limits, st.integers(20, 60))
def test_who_stood_behind_those_that_gave_up_moves_up(limit: RateLimit, count: int) -> None:
    crowd = Crowd(limit)
    do(crowd, "come", count + limit.burst)
    last = count + limit.burst - 1
    wait = crowd.limiter.snapshot(0.0)["a.example:443"].delay
    for number in range(last):
        crowd.give_up(number)
    crowd.pass_time(1e6)
    (at,) = [at for at, number in crowd.begun if number == last]
    assert at <= max(1.0, wait / 8) + limit.interval + 1e-6
    crowd.check()


@settings(briefly, max_examples=100)
@given(limits, st.integers(1, 40), st.integers(0, 100))
def test_a_turn_that_is_too_late_is_refused_and_not_taken(limit: RateLimit, count: int, eighths: int) -> None:
    intervals = (2 * eighths + 1) / 16  # never close to a whole number of them
    patience = intervals * limit.interval
    limiter = RateLimiter(limit)
    taken = 0
    for _ in range(count):
        with suppress(RateLimitExceeded):
            limiter.reserve(*HOST, 0.0, patience)
            taken += 1
    assert taken == min(count, math.floor(intervals) + limit.burst)
