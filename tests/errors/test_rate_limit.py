"""Token buckets, turn by turn; tests/properties/test_breaker_simulation.py plays them at random."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import pytest

from hyperhttp import RateLimitExceeded, Response
from hyperhttp.errors.rate_limit import HostRate, RateLimit, RateLimiter

HOST = ("a.example", 443)


def response(status: int = 200, **fields: str) -> Response:
    return Response(status, headers={name.replace("_", "-"): value for name, value in fields.items()})


def delays(limiter: RateLimiter, count: int, now: float = 0.0) -> list[float]:
    """How long requests have to wait that come at the same moment."""
    turns = [limiter.reserve(*HOST, now) for _ in range(count)]
    return [0.0 if turn is None else round(turn.slot.at - now, 6) for turn in turns]


# -- the limit -------------------------------------------------------------------------------------------


def test_a_limit_spaces_requests() -> None:
    assert delays(RateLimiter(RateLimit(4)), 4) == [0.0, 0.25, 0.5, 0.75]
    assert delays(RateLimiter(RateLimit(30, per=60)), 3) == [0.0, 2.0, 4.0]


def test_a_burst_begins_at_once_and_fills_up_again() -> None:
    limiter = RateLimiter(RateLimit(1, burst=3))
    assert delays(limiter, 4) == [0.0, 0.0, 0.0, 1.0]
    assert delays(limiter, 2, now=3.0) == [0.0, 0.0]
    assert delays(limiter, 4, now=100.0) == [0.0, 0.0, 0.0, 1.0], "more than the burst is not saved up"


def test_a_turn_is_waited_for_in_looks_that_become_shorter() -> None:
    limiter = RateLimiter(RateLimit(0.05))
    assert limiter.reserve(*HOST, 0.0) is None
    turn = limiter.reserve(*HOST, 0.0)
    looks = [limiter.due(turn, now) for now in (0.0, 4.0, 12.0, 18.9, 19.5, 20.0)]  # type: ignore[arg-type]
    assert looks == [2.5, 2.0, 1.0, 1.0, 0.5, 0.0]


def test_a_turn_that_was_taken_is_not_put_back() -> None:
    limiter = RateLimiter(RateLimit(1))
    limiter.reserve(*HOST, 0.0)
    turn = limiter.reserve(*HOST, 0.0)
    assert turn is not None
    assert limiter.due(turn, 1.0) == 0.0
    limiter.give_up(turn, 1.0)
    assert delays(limiter, 1, now=1.0) == [1.0]


def test_a_turn_nobody_wants_goes_to_the_next_who_comes() -> None:
    limiter = RateLimiter(RateLimit(1))
    turns = [limiter.reserve(*HOST, 0.0) for _ in range(4)]
    limiter.give_up(turns[2], 0.5)  # type: ignore[arg-type]
    assert limiter.snapshot(0.5)["a.example:443"].waiting == 2
    limiter.give_up(turns[3], 0.5)  # type: ignore[arg-type]
    assert limiter.snapshot(0.5)["a.example:443"] == HostRate(1, 1.5, None)
    assert delays(limiter, 1, now=0.5) == [1.5]


def test_who_stands_behind_moves_up_to_turns_that_are_still_to_come() -> None:
    limiter = RateLimiter(RateLimit(1))
    _, first, second, third = (limiter.reserve(*HOST, 0.0) for _ in range(4))
    assert first is not None
    assert second is not None
    assert third is not None
    limiter.give_up(first, 0.5)
    assert limiter.due(third, 0.6) == 1.0, "two before it: one is free, one is not"
    assert third.slot.at == 3.0
    assert limiter.due(second, 0.7) == pytest.approx(0.3), "second moves to 1.0"
    limiter.due(third, 0.8)
    assert third.slot.at == 2.0
    assert limiter.due(second, 1.0) == 0.0
    assert limiter.due(third, 2.0) == 0.0
    assert delays(limiter, 1, now=2.0) == [1.0]


def test_a_turn_whose_moment_has_passed_is_not_taken_up() -> None:
    limiter = RateLimiter(RateLimit(0.5))
    _, first, second, third = (limiter.reserve(*HOST, 0.0) for _ in range(4))
    limiter.give_up(first, 1.9)  # type: ignore[arg-type]
    assert limiter.due(second, 2.1) == 1.0, "the turn at 2.0 is over; two at 2.1 and 4.0 would be too close"  # type: ignore[arg-type]
    assert second is not None
    assert second.slot.at == 4.0
    assert third is not None
    assert third.slot.at == 6.0


# -- too late --------------------------------------------------------------------------------------------


def test_max_wait_zero_fails_at_once() -> None:
    limiter = RateLimiter(RateLimit(2, burst=2, max_wait=0))
    assert delays(limiter, 2) == [0.0, 0.0]
    with pytest.raises(RateLimitExceeded) as caught:
        limiter.reserve(*HOST, 0.0)
    error = caught.value
    assert (error.host, error.port, error.remaining, error.limit) == ("a.example", 443, 0.5, 0)
    assert (error.kind, error.phase, error.retryable, error.unprocessed) == (
        "rate_limit_exceeded", "rate_limit", False, True,
    )  # fmt: skip
    assert str(error) == (
        "the turn of this request to a.example:443 is 0.5 s away, which its max_wait of 0 s does not allow"
    )
    assert limiter.reserve(*HOST, 0.5) is None, "the turn that was refused was not taken"
    assert pickle.loads(pickle.dumps(error)).remaining == copy.copy(error).remaining == 0.5


def test_the_total_timeout_bounds_the_wait() -> None:
    limiter = RateLimiter(RateLimit(1))
    limiter.reserve(*HOST, 0.0, total_at=0.0)
    assert limiter.reserve(*HOST, 0.0, total_at=1.0) is not None
    with pytest.raises(RateLimitExceeded, match="total timeout does not allow"):
        limiter.reserve(*HOST, 0.0, total_at=1.9)


@pytest.mark.parametrize(("total_at", "named"), [(2.0, "total timeout"), (9.0, "max_wait of 5 s")])
def test_the_shorter_of_two_bounds_is_named(total_at: float, named: str) -> None:
    limiter = RateLimiter(RateLimit(1, per=60, max_wait=5))
    limiter.reserve(*HOST, 0.0, total_at)
    with pytest.raises(RateLimitExceeded, match=named):
        limiter.reserve(*HOST, 0.0, total_at)


# -- hosts -----------------------------------------------------------------------------------------------


def test_hosts_and_ports_have_buckets_of_their_own() -> None:
    limiter = RateLimiter(1)
    for host in (HOST, ("a.example", 80), ("b.example", 443)):
        assert limiter.reserve(*host, 0.0) is None
        assert limiter.reserve(*host, 0.0) is not None
    assert set(limiter.snapshot(0.0)) == {"a.example:443", "a.example:80", "b.example:443"}


def test_hosts_may_have_limits_of_their_own() -> None:
    own = RateLimit(2, learn=True)
    limiter = RateLimiter(hosts={"A.example": own, "a.example:80": 3, "free.example": None})
    assert limiter.limit_for("a.example", 443) is own
    assert limiter.limit_for("a.example", 80) == RateLimit(3)
    assert limiter.limit_for("b.example", 443) is None
    assert limiter.reserve("b.example", 443, 0.0) is None
    assert limiter.snapshot(0.0) == {}
    assert limiter.learns
    assert RateLimiter(5, hosts={"free.example": None}).limit_for("free.example", 1) is None
    assert repr(RateLimiter(5)) == f"RateLimiter({RateLimit(5)!r})"


def test_hosts_whose_bucket_is_full_are_forgotten() -> None:
    limiter = RateLimiter(1)
    for number in range(2000):
        limiter.reserve(f"h{number}", 80, number * 0.1)
    assert len(limiter.snapshot(200.0)) < 300
    assert limiter.reserve("h1999", 80, 200.0) is not None


def test_a_snapshot_of_now() -> None:
    limiter = RateLimiter(0.001)
    limiter.reserve(*HOST, 0.0)
    assert limiter.snapshot()["a.example:443"].waiting == 0


# -- learning --------------------------------------------------------------------------------------------


def learner(**options: Any) -> RateLimiter:
    return RateLimiter(RateLimit(learn=True, **options))


@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_stops_everybody(status: int) -> None:
    limiter = learner()
    assert delays(limiter, 3) == [0.0, 0.0, 0.0], "without a rate nothing is held back until the server says so"
    limiter.learn(*HOST, response(status, Retry_After="5"), 1.0)
    assert delays(limiter, 2, now=1.0) == [5.0, 5.0]
    assert delays(limiter, 1, now=6.0) == [0.0]


def test_retry_after_may_be_a_date() -> None:
    limiter = learner()
    fields = {"Date": "Sun, 06 Nov 1994 08:49:37 GMT", "Retry_After": "Sun, 06 Nov 1994 08:49:40 GMT"}
    limiter.learn(*HOST, response(503, **fields), 0.0)
    assert delays(limiter, 1) == [3.0]


@pytest.mark.parametrize("status", [200, 301, 500])
def test_retry_after_of_another_status_is_about_something_else(status: int) -> None:
    limiter = learner()
    limiter.learn(*HOST, response(status, Retry_After="5"), 0.0)
    assert delays(limiter, 1) == [0.0]


def test_a_server_cannot_stop_requests_for_ever() -> None:
    limiter = learner(max_pause=10.0)
    limiter.learn(*HOST, response(429, Retry_After="99999999"), 0.0)
    assert delays(limiter, 1) == [10.0]
    limiter = learner(max_pause=10.0)
    limiter.learn(*HOST, response(RateLimit='"a";r=0;t=99999999'), 0.0)
    assert delays(limiter, 1) == [10.0]


def test_who_waits_already_moves_back_and_stays_in_order() -> None:
    limiter = learner(rate=1)
    _, first, second, third = (limiter.reserve(*HOST, 0.0) for _ in range(4))
    limiter.give_up(second, 0.1)  # type: ignore[arg-type]
    limiter.learn(*HOST, response(429, Retry_After="10"), 0.5)
    assert first is not None
    assert third is not None
    assert (first.slot.at, third.slot.at) == (10.5, 11.5)
    assert delays(limiter, 1, now=0.5) == [12.0]
    assert limiter.due(first, 1.0) > 0


def test_a_pause_may_make_a_turn_too_late() -> None:
    limiter = learner(rate=1, max_wait=2.0)
    limiter.reserve(*HOST, 0.0)
    turn = limiter.reserve(*HOST, 0.0)
    assert turn is not None
    limiter.learn(*HOST, response(429, Retry_After="10"), 0.5)
    with pytest.raises(RateLimitExceeded) as caught:
        limiter.due(turn, 1.0)
    assert caught.value.remaining == 9.5
    assert limiter.snapshot(1.0)["a.example:443"] == HostRate(0, 9.5, None)


def test_no_more_requests_than_the_server_has_left() -> None:
    limiter = learner()
    limiter.learn(*HOST, response(RateLimit='"a";r=2;t=10'), 0.0)
    assert limiter.snapshot(0.0)["a.example:443"] == HostRate(0, 0.0, 2)
    assert delays(limiter, 4) == [0.0, 0.0, 10.0, 10.0], "how many there will be after that it has not said"


def test_the_next_quota_is_kept_to_where_the_server_has_said_how_large_it_is() -> None:
    limiter = learner()
    fields = {"RateLimit": '"a";r=1;t=5', "RateLimit_Policy": '"a";q=2;w=10'}
    limiter.learn(*HOST, response(**fields), 0.0)
    assert delays(limiter, 6) == [0.0, 5.0, 5.0, 15.0, 15.0, 25.0]


def test_a_policy_alone_begins_a_quota() -> None:
    limiter = learner()
    limiter.learn(*HOST, response(RateLimit_Policy='"a";q=3;w=10'), 0.0)
    assert delays(limiter, 4) == [0.0, 0.0, 10.0, 10.0], "the request it answers was one of the three"
    limiter.learn(*HOST, response(RateLimit_Policy='"a";q=3;w=10'), 1.0)
    assert limiter.snapshot(1.0)["a.example:443"].waiting == 2


def test_what_was_sent_since_is_not_in_the_servers_figure() -> None:
    limiter = learner()
    limiter.learn(*HOST, response(RateLimit='"a";r=5;t=10'), 0.0)
    assert delays(limiter, 3) == [0.0] * 3
    limiter.learn(*HOST, response(RateLimit='"a";r=4;t=10'), 0.2)  # the answer to the first of the three
    assert limiter.snapshot(0.2)["a.example:443"].left == 2
    limiter.learn(*HOST, response(RateLimit='"a";r=1;t=10'), 0.3)  # somebody else uses the quota too
    assert limiter.snapshot(0.3)["a.example:443"].left == 1
    limiter.learn(*HOST, response(RateLimit='"a";r=5;t=10'), 10.5)  # a new one
    assert limiter.snapshot(10.5)["a.example:443"].left == 5


def test_news_that_is_not_tighter_leaves_those_who_wait_alone() -> None:
    limiter = learner(rate=1)
    limiter.learn(*HOST, response(RateLimit='"a";r=9;t=60'), 0.0)
    turns = [limiter.reserve(*HOST, 0.0) for _ in range(3)]
    slots = [turn.slot for turn in turns if turn is not None]
    limiter.learn(*HOST, response(RateLimit='"a";r=8;t=60'), 0.1)
    assert [turn.slot for turn in turns if turn is not None] == slots
    limiter.learn(*HOST, response(RateLimit='"a";r=1;t=60'), 0.2)
    assert [turn.slot.at for turn in turns if turn is not None] == pytest.approx([1.0, 60.2])


def test_a_limit_that_does_not_learn_hears_nothing() -> None:
    limiter = RateLimiter(RateLimit(1))
    limiter.learn(*HOST, response(429, Retry_After="50"), 0.0)
    assert not limiter.learns
    assert limiter.snapshot(0.0) == {}


# -- arguments -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({}, "rate"),
        ({"rate": 0}, "rate"),
        ({"rate": -1}, "rate"),
        ({"rate": True}, "rate"),
        ({"rate": float("inf")}, "rate"),
        ({"rate": 1, "per": 0}, "per"),
        ({"rate": 1, "burst": 0}, "burst"),
        ({"rate": 1, "burst": 1.5}, "burst"),
        ({"rate": 1, "burst": True}, "burst"),
        ({"rate": 1, "max_wait": -1}, "max_wait"),
        ({"rate": 1, "max_pause": float("nan")}, "max_pause"),
    ],
)
def test_an_argument_out_of_range_is_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        RateLimit(**options)


def test_what_is_no_limit_is_refused() -> None:
    for wrong in ("10/s", True, object()):
        with pytest.raises(TypeError, match="rate limit"):
            RateLimiter.of(wrong)  # type: ignore[arg-type]


def test_a_limiter_is_made_of_what_a_client_takes() -> None:
    limiter = RateLimiter(3)
    assert RateLimiter.of(limiter) is limiter
    assert RateLimiter.of(3).limit_for(*HOST) == RateLimiter.of(RateLimit(3)).limit_for(*HOST) == RateLimit(3)


# -- threads ---------------------------------------------------------------------------------------------


def test_threads_never_get_the_same_turn() -> None:
    limiter = RateLimiter(1000)
    barrier = threading.Barrier(8)
    turns: list[Any] = []

    def come() -> None:
        barrier.wait()
        for _ in range(100):
            turns.append(limiter.reserve(*HOST, 0.0))

    threads = [threading.Thread(target=come) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    moments = sorted(0.0 if turn is None else turn.slot.at for turn in turns)
    assert moments == pytest.approx([number / 1000 for number in range(800)])
