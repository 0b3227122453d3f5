"""A circuit breaker per host and port: a host that keeps failing is left alone for a while.

It decides and remembers; it neither waits nor reads a clock, except for what a user looks at (`snapshot`). The pipeline
asks it before each attempt (`admit`) and tells it what came of it (`record`, at first perhaps `heard`), with the moment.

The way of a request to a host that is well is a look-up before and a look-up after it, without a lock. Everything else
is compare and swap on a store, which several threads may share, and with `hyperhttp.errors.circuit_sqlite` several processes.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hyperhttp._naming import peer_name
from hyperhttp._pickling import refuse_copies
from hyperhttp.errors.categories import ErrorCategory, categories_of, classify
from hyperhttp.errors.circuit import (
    CLOSED,
    NEW,
    OPEN,
    Circuit,
    CircuitState,
    Rules,
    admit,
    fail,
    heard,
    release,
    succeed,
)
from hyperhttp.errors.circuit_store import CircuitStore, MemoryCircuitStore
from hyperhttp.exceptions import CircuitBreakerOpen, HTTPStatusError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hyperhttp.errors.circuit_store import Key
    from hyperhttp.message.response import Response

__all__ = [
    "DEFAULT_CATEGORIES",
    "CircuitStore",
    "CircuitTransition",
    "DomainCircuitBreakerManager",
    "HostCircuit",
    "MemoryCircuitStore",
    "Ticket",
]

#: What counts as a failure of the host unless a manager is told otherwise.
DEFAULT_CATEGORIES: Final = frozenset(
    {ErrorCategory.CONNECTION, ErrorCategory.TIMEOUT, ErrorCategory.SERVER, ErrorCategory.TRANSIENT}
)

#: The turn of an attempt whose store failed: nothing it brings can count.
_NO_TURN: Final = -1


class Ticket(NamedTuple):
    """The permission for one attempt.

    Attributes:
        key: host and port.
        turn: when it was given; see `Circuit.turn`.
    """

    key: Key
    turn: int


@dataclass(frozen=True, slots=True)
class CircuitTransition:
    """A circuit changed its state, in this process.

    Attributes:
        host: whose circuit.
        port: of the host.
        before: its state until now.
        after: its state from now on.
        at: the moment, seconds of the monotonic clock.
        failures: consecutive failures that led here; 0 where it closed.
        category: what the last failure was; None where none led here.
    """

    host: str
    port: int
    before: CircuitState
    after: CircuitState
    at: float
    failures: int
    category: ErrorCategory | None


@dataclass(frozen=True, slots=True)
class HostCircuit:
    """A circuit as `DomainCircuitBreakerManager.snapshot` shows it.

    Attributes:
        state: ``"closed"``, ``"open"`` or ``"half_open"``.
        failures: consecutive failures.
        successes: consecutive probes that succeeded.
        remaining: seconds until a request is let through as a probe; 0.0 where one may be, or is under way.
        is_probing: whether a probe is under way.
    """

    state: CircuitState
    failures: int
    successes: int
    remaining: float
    is_probing: bool


class DomainCircuitBreakerManager:
    """Circuit breakers, one per host and port. May be shared by clients, threads and event loops.

    Args:
        failure_threshold: consecutive failures that open a circuit.
        recovery_timeout: seconds an open circuit refuses everything; then single requests pass as probes.
        success_threshold: consecutive probes that close it again.
        categories: names of the categories that count as failures; see `hyperhttp.errors.categories`. A response of another
            category counts as a success, because the host gave it; an error of another counts as neither.
        store: where circuits are kept; by default in memory, for 1024 hosts.
        observers: called with each `CircuitTransition` that this process brings about, in the thread or on the loop that did.
            One that fails is logged. The list is `observers` and may be changed at any time.
        probe_timeout: seconds after which a probe that was never heard of again no longer keeps others from probing.

    Raises:
        TypeError, ValueError: an argument is none of that.
    """

    __getstate__ = refuse_copies

    def __init__(
        self,
        failure_threshold: int = 5,
        recovery_timeout: float = 30.0,
        success_threshold: int = 2,
        categories: Iterable[str] = DEFAULT_CATEGORIES,
        *,
        store: CircuitStore | None = None,
        observers: Iterable[Callable[[CircuitTransition], object]] = (),
        probe_timeout: float = 60.0,
    ) -> None:
        self.rules: Final = Rules(
            _count("failure_threshold", failure_threshold),
            _seconds("recovery_timeout", recovery_timeout, least=0.0),
            _count("success_threshold", success_threshold),
            _seconds("probe_timeout", probe_timeout),
        )
        self.categories: Final = categories_of(categories)
        self.store: Final[CircuitStore] = MemoryCircuitStore() if store is None else store
        self.observers = list(observers)
        self._forgotten: deque[Ticket] = deque()

    # -- the way of an attempt ---------------------------------------------------------------------------------------

    def admit(self, host: str, port: int, now: float) -> Ticket:
        """Let an attempt begin; `record` must be told what came of it.

        Raises:
            CircuitBreakerOpen: it may not.
        """
        while self._forgotten:
            self._succeeded(self._forgotten.popleft(), now)
        key = (host, port)
        circuit = self._load(key)
        if circuit is None:
            return Ticket(key, 0)
        if circuit.state == CLOSED:
            return Ticket(key, circuit.turn)
        turn, remaining = self._ask(key, now)
        if remaining is not None:
            raise self._refusal(key, remaining)
        return Ticket(key, turn)

    def check(self, host: str, port: int, now: float) -> None:
        """Whether `admit` would refuse; nothing is taken.

        Raises:
            CircuitBreakerOpen: it would.
        """
        key = (host, port)
        circuit = self._load(key)
        if circuit is not None and circuit.state != CLOSED:
            remaining = admit(circuit, self.rules, now)[1]
            if remaining is not None:
                raise self._refusal(key, remaining)

    def heard(self, ticket: Ticket, response: Response, now: float) -> bool:
        """Say that the head of a response has come to an attempt, and that its content is on the way.

        Returns:
            Whether that decides nothing yet: then `record` must be told what came of the content, or `forget` that nobody
            read it. A response whose status is a failure is one already.
        """
        category = classify(response)
        if category in self.categories:
            self._failed(ticket, category, now)
            return False
        circuit = self._load(ticket.key)
        if circuit is not None and circuit.probe_at is not None:
            self._change(ticket.key, lambda circuit: heard(circuit, ticket.turn, self.rules, now), now)
        return True

    def forget(self, ticket: Ticket) -> None:
        """Say that the rest of a good response will not be read, from wherever: a garbage collector must wait for no lock.

        It counts as a success, when the next attempt is let in.
        """
        self._forgotten.append(ticket)

    def record(self, ticket: Ticket, outcome: Response | BaseException, now: float) -> None:
        """Say what came of an attempt.

        A response is a failure of the host if its category counts, else a success. An exception is a failure if its
        category counts. Everything else is neither, and lets the next one probe: cancellation, an exception of a hook,
        a wait for a connection of this client's own pool. An `HTTPStatusError` is what its response is.
        """
        if isinstance(outcome, HTTPStatusError) and outcome.response is not None:
            outcome = outcome.response
        if isinstance(outcome, BaseException):
            is_about_host = isinstance(outcome, Exception) and getattr(outcome, "phase", None) != "pool"
            category = classify(outcome) if is_about_host else None
            if category in self.categories:
                self._failed(ticket, category, now)
            else:
                self.release(ticket, now)
            return
        category = classify(outcome)
        if category in self.categories:
            self._failed(ticket, category, now)
        else:
            self._succeeded(ticket, now)

    def _succeeded(self, ticket: Ticket, now: float) -> None:
        circuit = self._load(ticket.key)
        if circuit is not None and (circuit.failures or circuit.state != CLOSED):
            self._change(ticket.key, lambda circuit: succeed(circuit, ticket.turn, self.rules, now), now)

    def release(self, ticket: Ticket, now: float) -> None:
        """Say that what came of an attempt tells nothing about the host."""
        self._change(ticket.key, lambda circuit: release(circuit, ticket.turn), now)

    def _failed(self, ticket: Ticket, category: ErrorCategory | None, now: float) -> None:
        self._change(ticket.key, lambda circuit: fail(circuit, ticket.turn, self.rules, now), now, category)

    # -- looking -----------------------------------------------------------------------------------------------------

    def state(self, host: str, port: int = 443) -> CircuitState:
        """The state of a host's circuit; an open one stays so until a request asks it again after `recovery_timeout`."""
        circuit = self.store.load((host, port))
        return CLOSED if circuit is None else circuit.state

    def snapshot(self, now: float | None = None) -> dict[str, HostCircuit]:
        """Circuits by ``host:port``. A host that never failed is not in it.

        Args:
            now: a moment of the monotonic clock; the present one by default.
        """
        moment = time.monotonic() if now is None else now
        return {peer_name(*key): self._shown(circuit, moment) for key, circuit in self.store.items()}

    def reset(self, host: str, port: int = 443) -> None:
        """Close a host's circuit by hand; what is under way there no longer counts."""
        now = time.monotonic()
        self._change((host, port), lambda circuit: Circuit(CLOSED, since=now, turn=circuit.turn + 1), now)

    def _shown(self, circuit: Circuit, now: float) -> HostCircuit:
        is_probing = circuit.probe_at is not None and now - circuit.probe_at < self.rules.probe_timeout
        remaining = (admit(circuit, self.rules, now)[1] or 0.0) if circuit.state == OPEN else 0.0
        return HostCircuit(circuit.state, circuit.failures, circuit.successes, remaining, is_probing)

    # -- the store ---------------------------------------------------------------------------------------------------

    def _load(self, key: Key) -> Circuit | None:
        try:
            return self.store.load(key)
        except Exception:
            from logging import getLogger  # here and below: it is rarely needed

            getLogger("hyperhttp").exception("the store of circuits failed at %s", peer_name(*key))
            return None

    def _ask(self, key: Key, now: float) -> tuple[int, float | None]:
        """The turn that was given, and the seconds to wait where none was."""
        remaining: float | None = None

        def decide(circuit: Circuit) -> Circuit:
            nonlocal remaining
            following, remaining = admit(circuit, self.rules, now)
            return following

        circuit = self._change(key, decide, now)
        return (_NO_TURN, None) if circuit is None else (circuit.turn, remaining)

    def _change(
        self, key: Key, decide: Callable[[Circuit], Circuit], now: float, category: ErrorCategory | None = None
    ) -> Circuit | None:
        """Replace a circuit by what `decide` makes of it; None where the store fails."""
        try:
            while True:
                kept = self.store.load(key)
                before = NEW if kept is None else kept
                after = decide(before)
                if after is before:
                    return before
                if self.store.replace(key, kept, after):
                    break
        except Exception:
            from logging import getLogger

            getLogger("hyperhttp").exception("the store of circuits failed at %s", peer_name(*key))
            return None
        if after.state != before.state and self.observers:
            self._tell(CircuitTransition(*key, before.state, after.state, now, after.failures, category))
        return after

    def _tell(self, transition: CircuitTransition) -> None:
        """Tell every observer; one that fails harms neither the others nor the request."""
        for observer in tuple(self.observers):
            try:
                observer(transition)
            except Exception:
                from logging import getLogger

                getLogger("hyperhttp").exception("an observer failed at %r", transition)

    def _refusal(self, key: Key, remaining: float) -> CircuitBreakerOpen:
        name = peer_name(*key)
        then = f"for another {remaining:.3g} s" if remaining else "until the request that probes it has its answer"
        return CircuitBreakerOpen(
            f"{name} has failed too often lately and is left alone {then}; nothing was sent",
            host=key[0],
            port=key[1],
            remaining=remaining,
            phase="circuit_breaker",
        )

    def __repr__(self) -> str:
        rules = ", ".join(f"{name}={value:g}" for name, value in self.rules._asdict().items())
        return f"{type(self).__name__}({rules})"


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        msg = f"{name}= takes a number, at least one, not {value!r}"
        raise ValueError(msg)
    return value


def _seconds(name: str, value: Any, least: float = 0.001) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= least:
        msg = f"{name}= takes a number of seconds, at least {least:g}, not {value!r}"
        raise ValueError(msg)
    return float(value)
