"""What retries report: subclass `ErrorTelemetry` for your own metrics, or take its counters as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from hyperhttp._naming import peer_name
from hyperhttp._pickling import refuse_copies
from hyperhttp.utils.locks import new_lock

if TYPE_CHECKING:
    from typing import Self

    from hyperhttp.errors.retry import RetryState

__all__ = ["OUTCOMES", "ErrorTelemetry", "Outcome", "TelemetrySnapshot"]

Outcome: TypeAlias = Literal["success", "retry", "fail"]

#: What may come of an attempt: a response to keep, another attempt, or the end without one.
OUTCOMES: Final = ("success", "retry", "fail")
#: Hosts that are counted by name; further ones share the name ``"*"``.
MAX_HOSTS: Final = 1024


@dataclass(frozen=True, slots=True)
class TelemetrySnapshot:
    """The counters at one moment.

    Attributes:
        outcomes: attempts by ``"success"``, ``"retry"`` and ``"fail"``.
        categories: failed attempts by category; those without one are not here.
        hosts: attempts by ``host:port`` and outcome.
    """

    outcomes: dict[str, int]
    categories: dict[str, int]
    hosts: dict[str, dict[str, int]]

    @property
    def attempts(self) -> int:
        """All attempts."""
        return sum(self.outcomes.values())


class ErrorTelemetry:
    """Told of every attempt of a client; counts them by category, host and outcome.

    One object may serve several clients and threads. A subclass need not call this class's ``__init__``, nor its
    `record_attempt` unless it wants the counters.
    """

    _lock: Any
    _counts: dict[tuple[str, str, str], int]
    _hosts: set[str]

    __getstate__ = refuse_copies

    def __new__(cls, *_: Any, **__: Any) -> Self:
        """Here and not in ``__init__``, which subclasses replace."""
        self = super().__new__(cls)
        self._lock = new_lock()
        self._counts = {}
        self._hosts = set()
        return self

    def record_attempt(self, retry_state: RetryState, outcome: Outcome) -> None:
        """An attempt has ended.

        Args:
            retry_state: the call so far; it changes with further attempts.
            outcome: ``"success"``: there is a response to keep; ``"retry"``: another attempt follows; ``"fail"``: the
                call ends with an error, or with a response that says the server failed.
        """
        category = "" if outcome == "success" else str(retry_state.category or "")
        host = peer_name(retry_state.host, retry_state.port)
        with self._lock:
            if host not in self._hosts:
                if len(self._hosts) >= MAX_HOSTS:
                    host = "*"
                self._hosts.add(host)
            key = (host, outcome, category)
            self._counts[key] = self._counts.get(key, 0) + 1

    def snapshot(self) -> TelemetrySnapshot:
        """The counters as they are."""
        with self._lock:
            counts = self._counts.copy()
        outcomes = dict.fromkeys(OUTCOMES, 0)
        categories: dict[str, int] = {}
        hosts: dict[str, dict[str, int]] = {}
        for (host, outcome, category), number in counts.items():
            outcomes[outcome] = outcomes.get(outcome, 0) + number
            if category:
                categories[category] = categories.get(category, 0) + number
            by_outcome = hosts.setdefault(host, dict.fromkeys(OUTCOMES, 0))
            by_outcome[outcome] = by_outcome.get(outcome, 0) + number
        return TelemetrySnapshot(outcomes, categories, hosts)

    def reset(self) -> None:
        """Begin again at zero."""
        with self._lock:
            self._counts = {}
            self._hosts = set()
