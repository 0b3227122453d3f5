"""The timer that watches everybody on one asyncio network: one handle, whatever the number of requests."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.network.base import NEVER

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from hyperhttp.network.base import Watched

__all__ = ["AioWatch", "Guard"]

_TICK: Final = 0.005  # seconds; deadlines closer together than this share one look


class AioWatch:
    """The timer of one network."""

    __slots__ = ("_loop", "_timer", "busy", "when")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self.busy: set[Watched] = set()
        self.when = NEVER

    def arm(self, when: float) -> None:
        """Look at `when` at the latest."""
        if self._timer is not None:
            self._timer.cancel()
        self.when = when
        self._timer = self._loop.call_later(max(when - time.monotonic(), _TICK), self._look)

    def disarm(self) -> None:
        """Own no timer any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self.when = NEVER

    def _look(self) -> None:
        self._timer = None
        self.when = NEVER
        now = time.monotonic()
        soonest = min([watched.check(now) for watched in tuple(self.busy)], default=NEVER)
        if soonest < self.when:
            self.arm(soonest)


class Guard:
    """The deadline of one wait in a queue."""

    __slots__ = ("_deadline", "_expire", "_future", "_watch")

    def __init__(
        self, watch: AioWatch, future: asyncio.Future[Any], deadline: float, expire: Callable[[], Exception]
    ) -> None:
        self._watch = watch
        self._future = future
        self._deadline = deadline
        self._expire = expire

    def check(self, now: float) -> float:
        """Fail the wait once its time has passed."""
        if self._future.done():
            return NEVER
        if now < self._deadline:
            return self._deadline
        self._future.set_exception(self._expire())
        return NEVER

    def abort(self, error: Exception | None = None) -> None:
        """The client is closing."""
        if not self._future.done():
            self._future.set_exception(error or self._expire())

    def done(self, _: asyncio.Future[Any]) -> None:
        """The wait is over: nothing to guard any more."""
        self._watch.busy.discard(self)
