"""How long to wait before the next attempt: pure functions of what came before and of a source of randomness."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Backoff", "DecorrelatedJitterBackoff", "ExponentialBackoff"]


class Backoff(Protocol):
    """What `RetryPolicy(backoff_strategy=...)` takes; write your own with this one method."""

    def delay(self, retry: int, previous: float, random: Callable[[], float]) -> float:
        """Seconds to wait.

        Args:
            retry: the number of the retry that follows, from 1.
            previous: what this method gave before the last retry of the same call; 0.0 before the first.
            random: gives numbers of [0, 1), evenly spread.
        """
        ...


@dataclass(frozen=True, slots=True)
class ExponentialBackoff:
    """`base` seconds, and `factor` times as long with every retry.

    Attributes:
        base: seconds before the first retry.
        factor: what each further wait is multiplied by.
        max_backoff: seconds that no wait exceeds.
        jitter: take a random point in the second half of each wait, so that clients that failed together do not come
            back together.

    Raises:
        ValueError: a number is negative, or `factor` is less than 1.
    """

    base: float = 0.1
    factor: float = 2.0
    max_backoff: float = 30.0
    jitter: bool = True

    def __post_init__(self) -> None:
        _check("base", self.base)
        _check("factor", self.factor, least=1.0)
        _check("max_backoff", self.max_backoff)

    def delay(self, retry: int, previous: float, random: Callable[[], float]) -> float:
        """Seconds to wait before a retry, the first of which is number 1."""
        try:
            full = min(self.base * self.factor ** (retry - 1), self.max_backoff)
        except OverflowError:
            full = self.max_backoff
        return full * (1 + random()) / 2 if self.jitter else full


@dataclass(frozen=True, slots=True)
class DecorrelatedJitterBackoff:
    """Between `base` and three times the last wait, at random: clients drift apart more with every retry.

    Attributes:
        base: seconds that no wait falls below.
        max_backoff: seconds that no wait exceeds.

    Raises:
        ValueError: a number is negative.
    """

    base: float = 0.1
    max_backoff: float = 30.0

    def __post_init__(self) -> None:
        _check("base", self.base)
        _check("max_backoff", self.max_backoff)

    def delay(self, retry: int, previous: float, random: Callable[[], float]) -> float:
        """Seconds to wait before a retry, after a wait of `previous` seconds."""
        most = max(previous, self.base) * 3
        return min(self.base + (most - self.base) * random(), self.max_backoff)


def _check(name: str, value: Any, least: float = 0.0) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not least <= value < float("inf"):
        msg = f"{name}= takes a number of at least {least:g}, not {value!r}"
        raise ValueError(msg)
