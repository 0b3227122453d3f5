"""The manager of circuits: what counts, who is told, and that nothing is lost between threads."""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
from typing import Any

import pytest

from hyperhttp import (
    CircuitBreakerOpen,
    ConnectError,
    HTTPStatusError,
    LocalProtocolError,
    PoolTimeout,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
    Response,
    TLSError,
    TotalTimeout,
)
from hyperhttp.errors.categories import ErrorCategory
from hyperhttp.errors.circuit import CLOSED, HALF_OPEN, OPEN, Circuit
from hyperhttp.errors.circuit_breaker import (
    DEFAULT_CATEGORIES,
    CircuitTransition,
    DomainCircuitBreakerManager,
    HostCircuit,
    MemoryCircuitStore,
)

HOST = ("a.example", 443)


def manager(
    threshold: int = 1, recovery: float = 30.0, successes: int = 1, **options: Any
) -> DomainCircuitBreakerManager:
    return DomainCircuitBreakerManager(threshold, recovery, successes, **options)


def attempt(breaker: DomainCircuitBreakerManager, outcome: Any, now: float = 0.0, host: tuple[str, int] = HOST) -> None:
    breaker.record(breaker.admit(*host, now), outcome, now)


def test_the_defaults_are_the_documented_ones() -> None:
    breaker = DomainCircuitBreakerManager()
    assert breaker.rules == (5, 30.0, 2, 60.0)
    assert breaker.categories == DEFAULT_CATEGORIES == {"CONNECTION", "TIMEOUT", "SERVER", "TRANSIENT"}
    assert repr(breaker) == (
        "DomainCircuitBreakerManager(failure_threshold=5, recovery_timeout=30, success_threshold=2, probe_timeout=60)"
    )


@pytest.mark.parametrize(
    "outcome",
    [
        ConnectError("refused"),
        ReadTimeout("slow"),
        TotalTimeout("slow"),
        ReadError("reset"),
        HTTPStatusError("bad", response=Response(503)),
        ConnectionResetError("from a transport of somebody else"),
        Response(500),
        Response(503),
        Response(408),
    ],
    ids=repr,
)
def test_failures_of_the_host_open_the_circuit(outcome: Any) -> None:
    breaker = manager()
    attempt(breaker, outcome)
    assert breaker.state(*HOST) == OPEN


@pytest.mark.parametrize("status", [200, 204, 301, 400, 401, 404, 429])
def test_a_response_that_is_no_failure_is_a_success(status: int) -> None:
    breaker = manager(threshold=2)
    attempt(breaker, ConnectError("refused"))
    attempt(breaker, Response(status))
    attempt(breaker, ConnectError("refused"))
    assert breaker.state(*HOST) == CLOSED, "the failures were not consecutive"
    attempt(breaker, HTTPStatusError("a hook has called raise_for_status()", response=Response(status)))
    attempt(breaker, ConnectError("refused"))
    assert breaker.state(*HOST) == CLOSED


@pytest.mark.parametrize(
    "outcome",
    [
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        ValueError("a hook's"),
        LocalProtocolError("ours"),
        RemoteProtocolError("not counted by default"),
        TLSError("not counted by default"),
        PoolTimeout("our own pool", phase="pool"),
        TotalTimeout("in our own pool", phase="pool"),
        HTTPStatusError("made by hand"),
    ],
    ids=repr,
)
def test_what_says_nothing_about_the_host_is_neither(outcome: BaseException) -> None:
    breaker = manager(threshold=2)
    attempt(breaker, ConnectError("refused"))
    attempt(breaker, outcome)
    assert breaker.snapshot()["a.example:443"].failures == 1
    attempt(breaker, ConnectError("refused"))
    assert breaker.state(*HOST) == OPEN

    ticket = breaker.admit(*HOST, 30.0)
    breaker.record(ticket, outcome, 31.0)
    assert breaker.snapshot(31.0)["a.example:443"] == HostCircuit(HALF_OPEN, 2, 0, 0.0, is_probing=False)
    attempt(breaker, Response(200), 31.0)
    assert breaker.state(*HOST) == CLOSED


def test_content_on_its_way_decides_unless_the_status_has() -> None:
    breaker = DomainCircuitBreakerManager(1)
    ticket = breaker.admit("a.example", 80, 0.0)
    assert breaker.heard(ticket, Response(200), 0.0)
    assert breaker.heard(ticket, Response(404), 0.0)
    assert breaker.snapshot() == {}
    assert not breaker.heard(ticket, Response(503), 0.0)
    assert breaker.state("a.example", 80) == "open"


def test_a_probe_whose_content_nobody_read_counts_with_the_next_attempt() -> None:
    breaker = DomainCircuitBreakerManager(1, 30.0, 1)
    breaker.record(breaker.admit("a.example", 80, 0.0), Response(503), 0.0)
    ticket = breaker.admit("a.example", 80, 30.0)
    assert breaker.heard(ticket, Response(200), 31.0)
    breaker.forget(ticket)
    assert breaker.state("a.example", 80) == "half_open"
    breaker.admit("a.example", 80, 32.0)
    assert breaker.state("a.example", 80) == "closed"


def test_categories_may_be_chosen() -> None:
    breaker = manager(categories=["rate_limit", "TLS"])
    attempt(breaker, ConnectError("refused"))
    attempt(breaker, Response(500))
    assert breaker.state(*HOST) == CLOSED
    attempt(breaker, Response(429))
    assert breaker.state(*HOST) == OPEN


def test_an_open_circuit_refuses_with_host_port_and_seconds() -> None:
    breaker = manager()
    attempt(breaker, ConnectError("refused"), now=10.0)
    with pytest.raises(CircuitBreakerOpen) as caught:
        breaker.admit(*HOST, 12.5)
    error = caught.value
    assert (error.host, error.port, error.remaining, error.phase) == ("a.example", 443, 27.5, "circuit_breaker")
    assert "a.example:443" in str(error)
    assert "another 27.5 s" in str(error)
    assert error.unprocessed
    assert pickle.loads(pickle.dumps(error)).remaining == 27.5


def test_the_second_probe_is_refused_without_a_promise() -> None:
    breaker = manager()
    attempt(breaker, ConnectError("refused"))
    breaker.admit(*HOST, 30.0)
    with pytest.raises(CircuitBreakerOpen, match="until the request that probes it") as caught:
        breaker.admit(*HOST, 30.0)
    assert caught.value.remaining == 0.0


def test_checking_takes_no_probe() -> None:
    breaker = manager()
    breaker.check(*HOST, 0.0)
    attempt(breaker, ConnectError("refused"))
    with pytest.raises(CircuitBreakerOpen):
        breaker.check(*HOST, 29.0)
    breaker.check(*HOST, 30.0)
    assert breaker.state(*HOST) == OPEN
    breaker.admit(*HOST, 30.0)
    with pytest.raises(CircuitBreakerOpen):
        breaker.check(*HOST, 30.0)


def test_hosts_and_ports_have_circuits_of_their_own() -> None:
    breaker = manager()
    attempt(breaker, ConnectError("refused"))
    assert breaker.state("a.example") == OPEN
    for other in (("a.example", 8443), ("b.example", 443)):
        attempt(breaker, Response(200), host=other)
        assert breaker.state(*other) == CLOSED
    attempt(breaker, ConnectError("refused"), host=("::1", 80))
    assert sorted(breaker.snapshot()) == ["[::1]:80", "a.example:443"]


def test_a_snapshot_shows_what_is_known() -> None:
    breaker = manager(threshold=2, successes=2)
    assert breaker.snapshot() == {}
    attempt(breaker, ConnectError("refused"), now=10.0)
    assert breaker.snapshot(10.0)["a.example:443"] == HostCircuit(CLOSED, 1, 0, 0.0, is_probing=False)
    attempt(breaker, ConnectError("refused"), now=11.0)
    assert breaker.snapshot(21.0)["a.example:443"] == HostCircuit(OPEN, 2, 0, 20.0, is_probing=False)
    assert breaker.snapshot(50.0)["a.example:443"] == HostCircuit(OPEN, 2, 0, 0.0, is_probing=False)
    ticket = breaker.admit(*HOST, 50.0)
    assert breaker.snapshot(51.0)["a.example:443"] == HostCircuit(HALF_OPEN, 2, 0, 0.0, is_probing=True)
    breaker.record(ticket, Response(200), 52.0)
    assert breaker.snapshot(52.0)["a.example:443"] == HostCircuit(HALF_OPEN, 2, 1, 0.0, is_probing=False)


def test_observers_hear_of_every_transition() -> None:
    heard: list[CircuitTransition] = []
    breaker = manager(threshold=2, observers=[heard.append])
    attempt(breaker, Response(502), now=1.0)
    assert heard == []
    attempt(breaker, ReadTimeout("slow"), now=2.0)
    attempt(breaker, ConnectError("refused"), now=32.0)
    attempt(breaker, Response(200), now=62.0)
    assert heard == [
        CircuitTransition(*HOST, CLOSED, OPEN, 2.0, 2, ErrorCategory.TIMEOUT),
        CircuitTransition(*HOST, OPEN, HALF_OPEN, 32.0, 2, None),
        CircuitTransition(*HOST, HALF_OPEN, OPEN, 32.0, 3, ErrorCategory.CONNECTION),
        CircuitTransition(*HOST, OPEN, HALF_OPEN, 62.0, 3, None),
        CircuitTransition(*HOST, HALF_OPEN, CLOSED, 62.0, 0, None),
    ]


def test_an_observer_that_fails_harms_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def fail(transition: CircuitTransition) -> None:
        raise RuntimeError("observer")

    heard: list[CircuitTransition] = []
    breaker = manager(observers=[fail])
    breaker.observers.append(heard.append)
    with caplog.at_level(logging.ERROR, "hyperhttp"):
        attempt(breaker, ConnectError("refused"))
    assert len(heard) == 1
    assert "an observer failed" in caplog.text


def test_an_observer_may_ask_and_act() -> None:
    breaker = manager()
    breaker.observers.append(lambda each: breaker.reset(each.host, each.port) if each.after == OPEN else None)
    attempt(breaker, ConnectError("refused"))
    assert breaker.state(*HOST) == CLOSED


def test_a_circuit_may_be_closed_by_hand() -> None:
    breaker = manager()
    attempt(breaker, ConnectError("refused"))
    ticket = breaker.admit(*HOST, 30.0)
    breaker.reset(*HOST)
    assert breaker.state(*HOST) == CLOSED
    breaker.record(ticket, ConnectError("refused"), 31.0)
    assert breaker.state(*HOST) == CLOSED, "the probe of before no longer counts"


class BrokenStore:
    def load(self, key: Any) -> Circuit | None:
        raise OSError("the disk is gone")

    def replace(self, key: Any, old: Circuit | None, new: Circuit) -> bool:
        raise OSError("the disk is gone")

    def items(self) -> Any:
        return ()


def test_a_store_that_fails_stops_no_request(caplog: pytest.LogCaptureFixture) -> None:
    breaker = manager(store=BrokenStore())
    with caplog.at_level(logging.ERROR, "hyperhttp"):
        for outcome in (ConnectError("refused"), Response(200), Response(500)):
            attempt(breaker, outcome)
    assert "the disk is gone" in caplog.text


class StoreThatFailsLater(MemoryCircuitStore):
    def replace(self, key: Any, old: Circuit | None, new: Circuit) -> bool:
        if new.state == HALF_OPEN:
            raise OSError("the disk is full")
        return super().replace(key, old, new)


def test_a_probe_that_cannot_be_written_down_passes(caplog: pytest.LogCaptureFixture) -> None:
    breaker = manager(store=StoreThatFailsLater())
    attempt(breaker, ConnectError("refused"))
    with caplog.at_level(logging.ERROR, "hyperhttp"):
        ticket = breaker.admit(*HOST, 30.0)
    breaker.record(ticket, Response(200), 30.0)
    assert breaker.state(*HOST) == OPEN, "what nobody wrote down cannot count"


class CountingStore(MemoryCircuitStore):
    """Counts what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = 0
        self.replaced = 0

    def load(self, key: Any) -> Circuit | None:
        self.loads += 1
        return super().load(key)

    def replace(self, key: Any, old: Circuit | None, new: Circuit) -> bool:
        self.replaced += 1
        return super().replace(key, old, new)


@pytest.mark.parametrize("known", [False, True])
def test_a_request_to_a_host_that_is_well_costs_two_look_ups_and_no_lock(known: bool) -> None:
    store = CountingStore()
    breaker = manager(threshold=2, store=store)
    if known:
        attempt(breaker, ConnectError("refused"))
        attempt(breaker, Response(200))
        store.loads = store.replaced = 0
    store._lock.acquire()  # whoever wanted it would wait for ever
    try:
        attempt(breaker, Response(200))
    finally:
        store._lock.release()
    assert (store.loads, store.replaced) == (2, 0)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"failure_threshold": 0}, "failure_threshold"),
        ({"failure_threshold": 2.5}, "failure_threshold"),
        ({"failure_threshold": True}, "failure_threshold"),
        ({"recovery_timeout": -1}, "recovery_timeout"),
        ({"recovery_timeout": float("nan")}, "recovery_timeout"),
        ({"recovery_timeout": "30"}, "recovery_timeout"),
        ({"success_threshold": 0}, "success_threshold"),
        ({"probe_timeout": 0}, "probe_timeout"),
        ({"categories": ["BROKEN"]}, "BROKEN"),
    ],
)
def test_an_argument_out_of_range_is_refused(options: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        DomainCircuitBreakerManager(**options)


def test_one_string_is_no_list_of_categories() -> None:
    with pytest.raises(TypeError):
        DomainCircuitBreakerManager(categories="SERVER")


# -- threads ---------------------------------------------------------------------------------------------


def in_threads(count: int, work: Any) -> None:
    barrier = threading.Barrier(count)
    errors: list[BaseException] = []

    def run() -> None:
        barrier.wait()
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_of_many_threads_one_probes() -> None:
    breaker = manager()
    for number in range(20):
        now = number * 100.0
        attempt(breaker, ConnectError("refused"), now)
        admitted: list[Any] = []

        def probe(now: float = now + 30.0, admitted: list[Any] = admitted) -> None:
            try:
                admitted.append(breaker.admit(*HOST, now))
            except CircuitBreakerOpen:
                pass

        in_threads(8, probe)
        assert len(admitted) == 1
        breaker.record(admitted[0], Response(200), now + 31.0)
        assert breaker.state(*HOST) == CLOSED


def test_no_failure_is_lost_between_threads() -> None:
    heard: list[CircuitTransition] = []
    breaker = manager(threshold=8 * 250 + 1, observers=[heard.append])

    def fail() -> None:
        for _ in range(250):
            attempt(breaker, ConnectError("refused"))

    in_threads(8, fail)
    assert breaker.snapshot()["a.example:443"].failures == 2000
    assert heard == []
    attempt(breaker, ConnectError("refused"))
    assert [each.after for each in heard] == [OPEN]
