"""Counters by category, host and outcome."""

from __future__ import annotations

import threading
from typing import Any

from hyperhttp import ReadTimeout, Request, Response
from hyperhttp.errors.retry import RetryState
from hyperhttp.errors.telemetry import MAX_HOSTS, ErrorTelemetry


def state_of(outcome: Response | Exception, url: str = "https://a.example/x") -> RetryState:
    request = Request("GET", url)
    state = RetryState(request, started_at=0.0, total_at=10.0)
    state.note(outcome, request, 1.0)
    return state


def test_attempts_are_counted_by_outcome_category_and_host() -> None:
    telemetry = ErrorTelemetry()
    telemetry.record_attempt(state_of(Response(503)), "retry")
    telemetry.record_attempt(state_of(ReadTimeout("late")), "retry")
    telemetry.record_attempt(state_of(Response(404)), "success")
    telemetry.record_attempt(state_of(Response(503), "http://b.example:8080"), "fail")
    snapshot = telemetry.snapshot()
    assert snapshot.attempts == 4
    assert snapshot.outcomes == {"success": 1, "retry": 2, "fail": 1}
    assert snapshot.categories == {"SERVER": 2, "TIMEOUT": 1}
    assert snapshot.hosts == {
        "a.example:443": {"success": 1, "retry": 2, "fail": 0},
        "b.example:8080": {"success": 0, "retry": 0, "fail": 1},
    }


def test_a_snapshot_does_not_change() -> None:
    telemetry = ErrorTelemetry()
    before = telemetry.snapshot()
    telemetry.record_attempt(state_of(Response(200)), "success")
    assert before.attempts == 0
    assert telemetry.snapshot().attempts == 1


def test_reset_begins_again() -> None:
    telemetry = ErrorTelemetry()
    telemetry.record_attempt(state_of(Response(200)), "success")
    telemetry.reset()
    assert telemetry.snapshot().hosts == {}


def test_hosts_without_end_share_one_counter() -> None:
    telemetry = ErrorTelemetry()
    for number in range(MAX_HOSTS + 50):
        telemetry.record_attempt(state_of(Response(200), f"http://h{number}.example"), "success")
    snapshot = telemetry.snapshot()
    assert snapshot.attempts == MAX_HOSTS + 50
    assert snapshot.hosts["*"]["success"] == 50
    assert len(snapshot.hosts) == MAX_HOSTS + 1


def test_threads_lose_nothing() -> None:
    telemetry, state = ErrorTelemetry(), state_of(Response(503))

    def work() -> None:
        for _ in range(5000):
            telemetry.record_attempt(state, "fail")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert telemetry.snapshot().categories == {"SERVER": 20_000}


def test_a_subclass_may_forget_its_parents_constructor() -> None:
    class Mine(ErrorTelemetry):
        def __init__(self, name: str) -> None:
            self.name = name
            self.seen: list[Any] = []

        def record_attempt(self, retry_state: RetryState, outcome: Any) -> None:
            super().record_attempt(retry_state, outcome)
            self.seen.append(outcome)

    telemetry = Mine("mine")
    telemetry.record_attempt(state_of(Response(200)), "success")
    assert telemetry.seen == ["success"]
    assert telemetry.snapshot().attempts == 1
