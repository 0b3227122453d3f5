"""A budget for retries: however many calls fail, the server gets only so much more than it would have got anyway.

Retries help against failures of some requests and do harm against the failure of a server: with three retries each, a
server in trouble gets four times its load. A budget is a bucket of tokens. Each retry takes one; each call puts a
fraction of one back, and some drip in by the clock, so that a client with few calls may retry as well.
"""

from __future__ import annotations

from typing import Any, Final

from hyperhttp._pickling import refuse_copies
from hyperhttp.utils.locks import new_lock

__all__ = ["RetryBudget"]


class RetryBudget:
    """How much may be retried by one client, or by all that share it; safe to share between threads.

    In any time of `t` seconds with `n` calls there are at most ``capacity + ratio * n + per_second * t`` retries.

    Args:
        ratio: retries earned by each call; 0.2 allows a fifth more load in the long run.
        per_second: retries earned by each second, as long as there is less left than a second earns.
        capacity: retries that may be saved up, and that there are at the beginning.

    Raises:
        ValueError: a number is negative.
    """

    __getstate__ = refuse_copies

    def __init__(self, *, ratio: float = 0.2, per_second: float = 10.0, capacity: float = 100.0) -> None:
        given: dict[str, Any] = {"ratio": ratio, "per_second": per_second, "capacity": capacity}
        for name, value in given.items():
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
                msg = f"{name}= takes a number that is not negative, not {value!r}"
                raise ValueError(msg)
        self.ratio: Final = float(ratio)
        self.per_second: Final = float(per_second)
        self.capacity: Final = float(capacity)
        self._tokens = self.capacity
        self._seen_at: float | None = None
        self._lock = new_lock()

    @property
    def left(self) -> int:
        """Retries that are paid for."""
        return int(self._tokens)

    def deposit(self) -> None:
        """A call has begun."""
        with self._lock:
            self._tokens = min(self._tokens + self.ratio, self.capacity)

    def withdraw(self, now: float) -> bool:
        """Take what one retry costs; False where there is not enough.

        Args:
            now: seconds of a clock that only goes forward.
        """
        with self._lock:
            self._drip(now)
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def _drip(self, now: float) -> None:
        """What the clock has earned since the last look, up to what one second earns, or to one retry."""
        if self._seen_at is not None and now > self._seen_at:
            most = min(max(self.per_second, 1.0), self.capacity)
            earned = (now - self._seen_at) * self.per_second
            self._tokens = max(self._tokens, min(self._tokens + earned, most))
        self._seen_at = now if self._seen_at is None else max(now, self._seen_at)

    def __repr__(self) -> str:
        return (
            f"RetryBudget(ratio={self.ratio:g}, per_second={self.per_second:g}, capacity={self.capacity:g}, "
            f"left={self.left})"
        )
