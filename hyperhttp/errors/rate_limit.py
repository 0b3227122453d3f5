"""How fast requests may follow each other: a token bucket per host and port, first come first served.

It decides and remembers; waiting is the pipeline's. A call reserves its turn when it comes, so that calls are served in order
whatever loops and threads they live in, and nobody has to wake anybody: each sleeps until its own moment comes.
"""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hyperhttp._naming import peer_name
from hyperhttp._pickling import refuse_copies
from hyperhttp.errors.rate_fields import read_quota
from hyperhttp.errors.retry_after import retry_after_of
from hyperhttp.exceptions import RateLimitExceeded
from hyperhttp.utils.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hyperhttp.errors.rate_fields import Quota
    from hyperhttp.message.response import Response

__all__ = ["HostRate", "RateLimit", "RateLimiter", "Turn"]

#: Two resets this far apart are of the same quota: servers give whole seconds.
_SAME_RESET: Final = 1.5
#: Hosts from which on those that nothing is known of any more are looked for.
_FIRST_SWEEP: Final = 256
#: Seconds a call that waits sleeps at least before it looks whether it can move up.
_LOOK_AGAIN: Final = 1.0


@dataclass(frozen=True, slots=True)
class RateLimit:
    """How many requests a host gets.

    In any `t` seconds no more than ``rate / per * t + burst`` requests begin.

    Attributes:
        rate: requests in `per` seconds, in the long run; None for no limit but what the server says (`learn`).
        per: the seconds `rate` is for.
        burst: requests that may begin at once after a pause.
        max_wait: seconds a call waits for its turn at most; 0 to fail at once, None to wait as long as the call's total
            timeout allows.
        learn: keep to what the server says of itself, in Retry-After (on 429 and 503), RateLimit, RateLimit-Policy and
            the X-RateLimit fields.
        max_pause: seconds a server may stop requests for, whatever it says.

    Raises:
        ValueError: a value is out of range, or there is neither a rate nor something to learn.
    """

    rate: float | None = None
    per: float = 1.0
    burst: int = 1
    max_wait: float | None = None
    learn: bool = False
    max_pause: float = 300.0

    def __post_init__(self) -> None:
        if self.rate is None and not self.learn:
            msg = "a RateLimit needs a rate, or learn=True"
            raise ValueError(msg)
        for name in ("rate", "per"):
            _check(name, getattr(self, name), positive=True)
        for name in ("max_wait", "max_pause"):
            _check(name, getattr(self, name))
        if not _is_count(self.burst):
            msg = f"burst= takes a number of requests, at least one, not {self.burst!r}"
            raise ValueError(msg)

    @property
    def interval(self) -> float:
        """Seconds from one request to the next, in the long run."""
        return 0.0 if self.rate is None else self.per / self.rate


class Level(NamedTuple):
    """What a bucket holds; a value, so that it can be put back.

    Attributes:
        last: the last turn given.
        next: when the bucket would be full again (the "theoretical arrival time" of GCRA, ITU-T I.371).
        not_before: nobody's turn comes before.
        left: turns the server still gives until `until`; None where it has not said.
        until: when that quota ends.
        quota: turns in the next one; None where it has not said.
        window: seconds the next one lasts.
    """

    last: float = -math.inf
    next: float = -math.inf
    not_before: float = -math.inf
    left: int | None = None
    until: float = -math.inf
    quota: int | None = None
    window: float | None = None


def take(level: Level, limit: RateLimit, now: float) -> tuple[float, Level]:
    """The next turn, `now` at the earliest, and the level after it."""
    interval = limit.interval
    at = max(now, level.last, level.not_before, level.next - (limit.burst - 1) * interval)
    left, until = level.left, level.until
    if left is not None and (left == 0 or at >= until):
        at = max(at, until)
        left, until = _next_quota(level, at)
    if left is not None:
        left -= 1
    return at, Level(at, max(at, level.next) + interval, level.not_before, left, until, level.quota, level.window)


def _next_quota(level: Level, at: float) -> tuple[int | None, float]:
    if not level.quota or not level.window:
        return None, level.until
    return level.quota, level.until + level.window * (math.floor((at - level.until) / level.window) + 1)


def learned(level: Level, quota: Quota, now: float, max_pause: float) -> Level:
    """The level after a server has said how much it still takes."""
    size = level.quota if quota.size is None else quota.size
    window = level.window if quota.window is None else quota.window
    if quota.remaining is None or quota.reset is None:
        if level.left is None and size and window:
            return level._replace(left=size - 1, until=now + min(window, max_pause), quota=size, window=window)
        return level._replace(quota=size, window=window)
    left, until = quota.remaining, now + min(quota.reset, max_pause)
    if level.left is not None and now < level.until and abs(until - level.until) < _SAME_RESET:
        left = min(left, level.left)  # what was sent since is not in the server's figure
        until = max(until, level.until)
    return level._replace(left=left, until=until, quota=size, window=window)


class Slot:
    """A moment at which a request may begin. Moments stay; the calls that have them may move up."""

    __slots__ = ("after", "at", "before", "previous", "turn")

    def __init__(self, turn: Turn, at: float, before: Level, after: Level, previous: Slot | None) -> None:
        self.turn: Turn | None = turn  # None once it was used, or its call has given up
        self.at = at
        self.before = before
        self.after = after
        self.previous = previous


class Turn:
    """The place of a call that has to wait."""

    __slots__ = ("bound", "bucket", "latest", "slot")

    def __init__(self, bucket: Bucket, latest: float, bound: str) -> None:
        self.bucket = bucket
        self.latest = latest
        self.bound = bound
        self.slot: Slot


class Bucket:
    """One host's bucket and the calls that wait for their turn, oldest first."""

    __slots__ = ("level", "limit", "name", "slots")

    def __init__(self, name: tuple[str, int], limit: RateLimit) -> None:
        self.name = name
        self.limit = limit
        self.level = Level()
        self.slots: deque[Slot] = deque()

    def reserve(self, now: float, total_at: float) -> Turn | None:
        """The turn of a call that comes now; None where it need not wait."""
        at, after = take(self.level, self.limit, now)
        latest, bound = self._latest(now, total_at)
        if at > now and at > latest:
            raise self._refusal(at - now, bound)
        before, self.level = self.level, after
        if at <= now:
            return None
        turn = Turn(self, latest, bound)
        self._append(turn, at, before)
        return turn

    def due(self, turn: Turn, now: float) -> float:
        """Seconds until the call should ask again; 0.0 when it may begin.

        One that has to wait for long asks now and then, and moves up where those before it have given up.
        """
        slot = turn.slot
        while (free := slot.previous) is not None and free.turn is None and free.at > now:
            slot.turn, free.turn = None, turn
            turn.slot = slot = free
        if slot.at <= now or slot.at > turn.latest:
            slot.turn = None
        self._trim(now)
        if slot.at > turn.latest:
            raise self._refusal(slot.at - now, turn.bound)
        delay = max(slot.at - now, 0.0)
        return delay if delay <= _LOOK_AGAIN else max(_LOOK_AGAIN, delay / 8)

    def give_up(self, turn: Turn, now: float) -> None:
        """The call does not wait any more; does nothing where its turn has come."""
        if turn.slot.turn is turn:
            turn.slot.turn = None
            self._trim(now)

    def learn(self, quota: Quota | None, pause: float | None, now: float) -> None:
        """Keep to what the server says; who waits already does so too, later than before but never sooner."""
        future = [slot for slot in self.slots if slot.at > now]
        base = future[0].before if future else self.level
        level = base if quota is None else learned(base, quota, now, self.limit.max_pause)
        if pause is not None:
            until = now + min(pause, self.limit.max_pause)
            level = level._replace(not_before=max(level.not_before, until))
        if future and level.left == base.left and level.not_before <= future[0].at:
            return  # nothing tighter than what they keep to already
        self.level = level
        self.slots.clear()
        for slot in future:
            if slot.turn is not None:
                before = self.level
                at, self.level = take(before, self.limit, slot.at)
                self._append(slot.turn, at, before)

    def is_idle(self, now: float) -> bool:
        """Whether nothing would be lost if the bucket were forgotten."""
        level = self.level
        return not self.slots and max(level.next, level.not_before, level.until) <= now

    def _append(self, turn: Turn, at: float, before: Level) -> None:
        turn.slot = Slot(turn, at, before, self.level, self.slots[-1] if self.slots else None)
        self.slots.append(turn.slot)

    def _trim(self, now: float) -> None:
        """Forget what is over at the front, and put back what nobody wants at the end."""
        slots = self.slots
        while slots and slots[0].turn is None and slots[0].at <= now:
            slots.popleft()
            if slots:
                slots[0].previous = None
        while slots and slots[-1].turn is None and slots[-1].at > now and slots[-1].after is self.level:
            self.level = slots.pop().before

    def _latest(self, now: float, total_at: float) -> tuple[float, str]:
        """The moment until which a call waits, and what says so."""
        wait = self.limit.max_wait
        if wait is None or now + wait > total_at:
            return total_at, "total timeout"
        return now + wait, f"max_wait of {wait:g} s"

    def _refusal(self, seconds: float, bound: str) -> RateLimitExceeded:
        msg = f"the turn of this request to {peer_name(*self.name)} is {seconds:.3g} s away, which its {bound} does not allow"
        host, port = self.name
        return RateLimitExceeded(
            msg, host=host, port=port, remaining=seconds, phase="rate_limit", limit=self.limit.max_wait
        )


@dataclass(frozen=True, slots=True)
class HostRate:
    """A host as `RateLimiter.snapshot` shows it.

    Attributes:
        waiting: calls that wait for their turn.
        delay: seconds until the turn of a call that came now.
        left: requests the server still takes; None where it has not said.
    """

    waiting: int
    delay: float
    left: int | None


class RateLimiter:
    """Rate limits of many hosts, each with a bucket of its own. May be shared by clients, threads and event loops.

    Args:
        limit: for every host and port that `hosts` does not name; a number stands for ``RateLimit(number)``. None: no limit.
        hosts: limits by ``"host"`` or ``"host:port"``.

    Raises:
        TypeError, ValueError: a limit is none.
    """

    __getstate__ = refuse_copies

    def __init__(
        self,
        limit: RateLimit | float | None = None,
        *,
        hosts: Mapping[str, RateLimit | float | None] | None = None,
    ) -> None:
        self._limit = _limit_of(limit)
        self._limits = {name.lower(): _limit_of(value) for name, value in (hosts or {}).items()}
        self._buckets: dict[tuple[str, int], Bucket] = {}
        self._sweep_at = _FIRST_SWEEP
        self._lock = new_lock()
        #: Whether responses are worth looking at.
        self.learns: Final = any(each is not None and each.learn for each in (self._limit, *self._limits.values()))

    @classmethod
    def of(cls, value: RateLimiter | RateLimit | float) -> RateLimiter:
        """What ``rate_limit=`` stands for.

        Raises:
            TypeError, ValueError: it is none of these.
        """
        return value if isinstance(value, cls) else cls(value)  # type: ignore[arg-type]  # checked there

    def limit_for(self, host: str, port: int) -> RateLimit | None:
        """The limit of a host and port."""
        if self._limits:
            for name in (peer_name(host, port), host):
                if name in self._limits:
                    return self._limits[name]
        return self._limit

    def reserve(self, host: str, port: int, now: float, total_at: float = math.inf) -> Turn | None:
        """Take the next turn, in the order of asking.

        Returns:
            None where the call may begin at once; otherwise what `due` has to be asked with until it says 0.0.

        Raises:
            RateLimitExceeded: the turn is later than `RateLimit.max_wait` or `total_at` allow; none was taken.
        """
        with self._lock:
            bucket = self._bucket(host, port, now)
            return None if bucket is None else bucket.reserve(now, total_at)

    def due(self, turn: Turn, now: float) -> float:
        """Seconds after which to ask again; 0.0 when it is the call's turn.

        Raises:
            RateLimitExceeded: the server has asked for a pause, and now the turn is too late.
        """
        with self._lock:
            return turn.bucket.due(turn, now)

    def give_up(self, turn: Turn, now: float) -> None:
        """The call does not wait any more."""
        with self._lock:
            turn.bucket.give_up(turn, now)

    def learn(self, host: str, port: int, response: Response, now: float) -> None:
        """Look at what a response says about limits; does nothing where the host's limit does not say ``learn``."""
        limit = self.limit_for(host, port)
        if limit is None or not limit.learn:
            return
        pause = retry_after_of(response, time.time) if response.status_code in (429, 503) else None
        quota = read_quota(response.headers)
        if pause is None and quota is None:
            return
        with self._lock:
            bucket = self._bucket(host, port, now)
            if bucket is not None:
                bucket.learn(quota, pause, now)

    def snapshot(self, now: float | None = None) -> dict[str, HostRate]:
        """Hosts by ``host:port``.

        Args:
            now: a moment of the monotonic clock; the present one by default.
        """
        moment = time.monotonic() if now is None else now
        with self._lock:
            return {peer_name(*key): _shown(bucket, moment) for key, bucket in self._buckets.items()}

    def _bucket(self, host: str, port: int, now: float) -> Bucket | None:
        key = (host, port)
        bucket = self._buckets.get(key)
        if bucket is None:
            limit = self.limit_for(host, port)
            if limit is None:
                return None
            if len(self._buckets) >= self._sweep_at:
                self._sweep(now)
            bucket = self._buckets[key] = Bucket(key, limit)
        return bucket

    def _sweep(self, now: float) -> None:
        """Forget hosts whose buckets are full: a new one is no different. The others are too few to matter, or needed."""
        for key in [key for key, bucket in self._buckets.items() if bucket.is_idle(now)]:
            del self._buckets[key]
        self._sweep_at = max(_FIRST_SWEEP, 2 * len(self._buckets))

    def __repr__(self) -> str:
        hosts = f", hosts={self._limits!r}" if self._limits else ""
        return f"{type(self).__name__}({self._limit!r}{hosts})"


def _shown(bucket: Bucket, now: float) -> HostRate:
    level = bucket.level
    waiting = sum(slot.turn is not None for slot in bucket.slots)
    left = level.left if level.left is not None and now < level.until else None
    return HostRate(waiting, take(level, bucket.limit, now)[0] - now, left)


def _limit_of(value: Any) -> RateLimit | None:
    if value is None or isinstance(value, RateLimit):
        return value
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return RateLimit(value)
    msg = f"a rate limit is a RateLimit or a number of requests per second, not {value!r}"
    raise TypeError(msg)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check(name: str, value: Any, *, positive: bool = False) -> None:
    if value is None:
        return
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not (value > 0 if positive else value >= 0) or value == math.inf:
        msg = f"{name}= takes a finite number {'above zero' if positive else 'that is not negative'}, not {value!r}"
        raise ValueError(msg)
