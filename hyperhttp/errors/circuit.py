"""The state machine of a circuit breaker: values in, values out.

A circuit is closed (requests pass), open (none does), or half open (one at a time does, as a probe). Nothing here keeps
state, reads a clock or knows of HTTP: `hyperhttp.errors.circuit_breaker` does, and a store keeps the circuits.
"""

from __future__ import annotations

from typing import Final, Literal, NamedTuple, TypeAlias

__all__ = [
    "CLOSED",
    "CONTENT_PATIENCE",
    "HALF_OPEN",
    "NEW",
    "OPEN",
    "Circuit",
    "CircuitState",
    "Rules",
    "admit",
    "fail",
    "heard",
    "release",
    "succeed",
]

CircuitState: TypeAlias = Literal["closed", "open", "half_open"]

CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half_open"

#: Seconds from the head of a response that the rest of a probe keeps others from probing.
CONTENT_PATIENCE: Final = 5.0


class Circuit(NamedTuple):
    """What is known of one host and port.

    Attributes:
        state: closed, open or half open.
        failures: consecutive ones, while closed; those that opened it, while open.
        successes: consecutive probes that succeeded, while half open.
        since: moment of the last transition, seconds of the monotonic clock.
        turn: grows with each transition and each probe. An attempt keeps the turn it began in, and what comes of it counts
            only while that turn lasts: an answer that took until after the next probe says nothing new.
        probe_at: moment at which the present probe began; None without one.
        version: differs after each replacement; for stores that compare and swap.
    """

    state: CircuitState = CLOSED
    failures: int = 0
    successes: int = 0
    since: float = 0.0
    turn: int = 0
    probe_at: float | None = None
    version: int = 0


#: A circuit nothing has happened to.
NEW: Final = Circuit()


class Rules(NamedTuple):
    """When a circuit opens and closes.

    Attributes:
        failure_threshold: consecutive failures that open it.
        recovery_timeout: seconds from there to the first probe.
        success_threshold: consecutive probes that close it.
        probe_timeout: seconds after which a probe that nobody has heard of again is taken for lost.
    """

    failure_threshold: int
    recovery_timeout: float
    success_threshold: int
    probe_timeout: float


def admit(circuit: Circuit, rules: Rules, now: float) -> tuple[Circuit, float | None]:
    """Ask whether an attempt may begin.

    Returns:
        The circuit after that, and None where it may: then the circuit's turn is the attempt's. Otherwise the seconds until
        asking again is of use; 0.0 while a probe is under way, whose end nobody can tell.
    """
    if circuit.state == CLOSED:
        return circuit, None
    if circuit.state == OPEN:
        # A moment in the future is another process's idea of the clock: it must not keep the host shut for longer.
        remaining = min(circuit.since + rules.recovery_timeout - now, rules.recovery_timeout)
        if remaining > 0:
            return circuit, remaining
        return Circuit(HALF_OPEN, circuit.failures, 0, now, circuit.turn + 1, now, circuit.version), None
    if circuit.probe_at is not None and now - circuit.probe_at < rules.probe_timeout:
        return circuit, 0.0
    return circuit._replace(turn=circuit.turn + 1, probe_at=now), None


def heard(circuit: Circuit, turn: int, rules: Rules, now: float) -> Circuit:
    """The circuit after the head of a response has come to an attempt of `turn`, whose content is still on its way.

    A probe is not over before its content; but that may last as long as its reader likes, or for ever, so that others need
    not wait for it.
    """
    if turn != circuit.turn or circuit.probe_at is None:
        return circuit
    return circuit._replace(probe_at=now + min(CONTENT_PATIENCE, rules.probe_timeout) - rules.probe_timeout)


def succeed(circuit: Circuit, turn: int, rules: Rules, now: float) -> Circuit:
    """The circuit after an attempt of `turn` succeeded; the same object where that changes nothing."""
    if turn != circuit.turn:
        return circuit
    if circuit.state == CLOSED:
        return circuit._replace(failures=0) if circuit.failures else circuit
    if circuit.state == OPEN or circuit.probe_at is None:
        return circuit
    successes = circuit.successes + 1
    if successes < rules.success_threshold:
        return circuit._replace(successes=successes, probe_at=None)
    return Circuit(CLOSED, since=now, turn=turn + 1, version=circuit.version)


def fail(circuit: Circuit, turn: int, rules: Rules, now: float) -> Circuit:
    """The circuit after an attempt of `turn` failed."""
    if turn != circuit.turn:
        return circuit
    if circuit.state == CLOSED:
        failures = circuit.failures + 1
        if failures < rules.failure_threshold:
            return circuit._replace(failures=failures)
        return Circuit(OPEN, failures, since=now, turn=turn + 1, version=circuit.version)
    if circuit.state == OPEN or circuit.probe_at is None:
        return circuit
    return Circuit(OPEN, circuit.failures + 1, since=now, turn=turn + 1, version=circuit.version)


def release(circuit: Circuit, turn: int) -> Circuit:
    """The circuit after an attempt of `turn` ended in a way that says nothing about the host: the next may probe."""
    if turn != circuit.turn or circuit.probe_at is None:
        return circuit
    return circuit._replace(probe_at=None)
