"""The state machine of a breaker, move by move; tests/properties/test_breaker_simulation.py walks it at random."""

from __future__ import annotations

from hyperhttp.errors.circuit import (
    CLOSED,
    CONTENT_PATIENCE,
    HALF_OPEN,
    NEW,
    OPEN,
    Circuit,
    Rules,
    admit,
    fail,
    heard,
    release,
    succeed,
)

RULES = Rules(failure_threshold=3, recovery_timeout=30.0, success_threshold=2, probe_timeout=60.0)
OPENED = Circuit(OPEN, failures=3, since=100.0, turn=1, version=7)


def probing(now: float = 130.0) -> Circuit:
    """A circuit that has just let its first probe through."""
    return admit(OPENED, RULES, now)[0]


def test_a_new_circuit_lets_everything_through() -> None:
    assert admit(NEW, RULES, 5.0) == (NEW, None)


def test_consecutive_failures_open_it_at_the_threshold() -> None:
    circuit = NEW
    for failures in (1, 2):
        circuit = fail(circuit, 0, RULES, 100.0)
        assert (circuit.state, circuit.failures) == (CLOSED, failures)
    circuit = fail(circuit, 0, RULES, 101.0)
    assert (circuit.state, circuit.failures, circuit.since, circuit.turn) == (OPEN, 3, 101.0, 1)


def test_a_success_in_between_starts_the_count_anew() -> None:
    circuit = fail(fail(NEW, 0, RULES, 1.0), 0, RULES, 1.0)
    assert succeed(circuit, 0, RULES, 2.0) == NEW


def test_a_success_of_a_circuit_without_failures_changes_nothing() -> None:
    assert succeed(NEW, 0, RULES, 1.0) is NEW


def test_an_open_circuit_says_how_long_it_stays_so() -> None:
    assert admit(OPENED, RULES, 100.0) == (OPENED, 30.0)
    assert admit(OPENED, RULES, 129.0) == (OPENED, 1.0)


def test_another_clock_cannot_keep_it_open_for_longer() -> None:
    assert admit(OPENED._replace(since=1e9), RULES, 100.0)[1] == 30.0


def test_after_the_recovery_one_probe_passes_and_no_second_one() -> None:
    circuit, remaining = admit(OPENED, RULES, 130.0)
    assert remaining is None
    assert circuit == Circuit(HALF_OPEN, failures=3, since=130.0, turn=2, probe_at=130.0, version=7)
    assert admit(circuit, RULES, 131.0) == (circuit, 0.0)


def test_successful_probes_close_it_one_after_the_other() -> None:
    circuit = succeed(probing(), 2, RULES, 131.0)
    assert (circuit.state, circuit.successes, circuit.probe_at) == (HALF_OPEN, 1, None)
    circuit, remaining = admit(circuit, RULES, 131.0)
    assert (remaining, circuit.turn) == (None, 3)
    circuit = succeed(circuit, 3, RULES, 132.0)
    assert circuit == Circuit(CLOSED, since=132.0, turn=4, version=7)


def test_a_probe_that_fails_opens_it_again() -> None:
    circuit = fail(succeed(probing(), 2, RULES, 131.0), 2, RULES, 131.5)
    assert circuit.state == HALF_OPEN, "that probe has had its say"
    circuit = fail(admit(circuit, RULES, 132.0)[0], 3, RULES, 133.0)
    assert (circuit.state, circuit.since, circuit.failures, circuit.successes) == (OPEN, 133.0, 4, 0)


def test_a_probe_that_says_nothing_frees_its_place() -> None:
    circuit = release(probing(), 2)
    assert (circuit.state, circuit.probe_at) == (HALF_OPEN, None)
    assert admit(circuit, RULES, 130.0)[1] is None
    assert release(circuit, 2) is circuit


def test_a_probe_that_is_never_heard_of_again_is_lost_after_a_while() -> None:
    circuit = probing()
    assert admit(circuit, RULES, 189.9)[1] == 0.0
    following, remaining = admit(circuit, RULES, 190.0)
    assert (remaining, following.turn, following.probe_at) == (None, 3, 190.0)
    for late in (succeed(following, 2, RULES, 191.0), fail(following, 2, RULES, 191.0), release(following, 2)):
        assert late is following, "the lost probe no longer has a say"


def test_a_probe_whose_content_takes_long_keeps_others_for_a_while_only() -> None:
    circuit = heard(probing(), 2, RULES, 180.0)
    assert admit(circuit, RULES, 180.0 + CONTENT_PATIENCE - 0.1) == (circuit, 0.0)
    following, remaining = admit(circuit, RULES, 180.0 + CONTENT_PATIENCE)
    assert (remaining, following.turn, following.probe_at) == (None, 3, 185.0)
    assert succeed(circuit, 2, RULES, 181.0).successes == 1
    assert fail(circuit, 2, RULES, 181.0).state == OPEN


def test_a_probe_never_keeps_others_for_longer_than_its_timeout() -> None:
    hasty = RULES._replace(probe_timeout=2.0)
    assert heard(probing(), 2, hasty, 131.0).probe_at == 131.0


def test_a_head_says_nothing_about_a_circuit_without_that_probe() -> None:
    assert heard(NEW, 0, RULES, 1.0) is NEW
    assert heard(probing(), 1, RULES, 131.0) == probing()


def test_what_began_before_a_transition_does_not_count_after_it() -> None:
    for circuit in (OPENED, probing(), Circuit(CLOSED, since=140.0, turn=4)):
        assert fail(circuit, 0, RULES, 141.0) is circuit
        assert succeed(circuit, 0, RULES, 141.0) is circuit
        assert release(circuit, 0) is circuit


def test_an_open_circuit_has_no_attempts_that_could_end() -> None:
    assert fail(OPENED, 1, RULES, 101.0) is OPENED
    assert succeed(OPENED, 1, RULES, 101.0) is OPENED
