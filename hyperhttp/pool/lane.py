"""What a pool knows of one route, and who waits for it."""

from __future__ import annotations

import time
from collections import deque
from typing import TYPE_CHECKING, Any, Final, Protocol

from hyperhttp.exceptions import PoolTimeout, TotalTimeout
from hyperhttp.network.base import NEVER

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hyperhttp.connection.base import Connection
    from hyperhttp.connection.route import Route
    from hyperhttp.network.base import Wait
    from hyperhttp.network.failures import AddressFailures

__all__ = ["NOTHING", "Dialer", "Lane", "Line", "Waiter", "count", "given_to", "over_in_line", "too_long_in_line"]

_now = time.monotonic


class Dialer(Protocol):
    """Opens connections."""

    #: Addresses that took a connection and then failed.
    failures: AddressFailures

    async def dial(self, lane: Lane, release: Any, deadline: float, total_at: float) -> Any:
        """A connection for the lane's route, ready for its first request."""


class Line(Protocol):
    """Where a waiter stands."""

    def books(self) -> str:
        """How many connections there are, for the error of who waited for too long."""


class Lane:
    """What the pool knows of one route."""

    __slots__ = (
        "dialing",
        "host",
        "idle",
        "is_multiplexed",
        "name",
        "port",
        "route",
        "settling",
        "shared",
        "total",
        "waiters",
    )

    def __init__(self, route: Route) -> None:
        self.route = route
        self.name = route.name
        self.host = route.host
        self.port = route.port
        self.idle: list[Connection] = []
        self.total = 0  # idle, in use and being opened
        self.waiters: deque[Waiter] = deque()
        self.shared: list[Connection] = []  # multiplexed connections in use
        self.dialing = 0
        self.settling: Connection | None = (
            None  # a new multiplexed one that has not said yet how many requests it takes
        )
        # Whether its connections serve many requests at once; None until the first handshake has decided. Until then, and where
        # it is so, one connection is opened at a time: a burst needs one handshake, not a hundred.
        self.is_multiplexed: bool | None = (
            None if route.http2 and (route.tls is not None or route.http2 is not True) else False
        )


class Waiter:
    """A request in line. Its wait is given a connection, or None: the right to open one.

    It is what its network watches as well: of thousands that wait, each object costs memory.
    """

    __slots__ = ("in_line", "lane", "left", "line", "number", "started", "timeout", "total_at", "wait")

    wait: Wait

    def __init__(
        self, number: int, lane: Lane, line: Line, started: float, timeout: float | None, total_at: float
    ) -> None:
        self.number = number
        self.lane = lane
        self.line = line
        self.started = started
        self.timeout = timeout
        self.total_at = total_at
        self.in_line = False
        self.left = False  # it gave up, and what it was given went to somebody else

    @property
    def deadline(self) -> float:
        """The moment at which it has waited for long enough."""
        return self.total_at if self.timeout is None else min(self.started + self.timeout, self.total_at)

    def check(self, now: float) -> float:
        """Fail the wait once its time has passed."""
        if self.wait.done():
            return NEVER
        if now < self.deadline:
            return self.deadline
        self.wait.set_exception(self.expired())
        return NEVER

    def expired(self) -> Exception:
        """The error of who waited for too long."""
        now = _now()
        waited = now - self.started
        if now >= self.total_at:
            return over_in_line(self.lane, waited)
        return too_long_in_line(self.lane, waited, self.timeout, self.line.books())

    def abort(self, error: Exception | None = None) -> None:
        """The client is closing."""
        if not self.wait.done():
            self.wait.set_exception(error or self.expired())


NOTHING: Final[Any] = object()


def given_to(wait: Wait) -> Any:
    """What a wait was given before its owner was cancelled, or `NOTHING`."""
    future: Any = wait
    if not future.done() or future.cancelled() or future.exception() is not None:
        return NOTHING
    return future.result()


def count(lanes: Iterable[Lane]) -> dict[str, dict[str, int]]:
    """Connections by ``host:port``: idle, in use (being opened included), in all; streams where they are multiplexed."""
    stats: dict[str, dict[str, int]] = {}
    for lane in lanes:
        entry = stats.setdefault(lane.name, {"idle": 0, "in_use": 0, "total": 0})
        if lane.is_multiplexed:
            entry["streams"] = entry.get("streams", 0) + sum(connection.in_use for connection in lane.shared)
        entry["idle"] += len(lane.idle)
        entry["in_use"] += lane.total - len(lane.idle)
        entry["total"] += lane.total
    return stats


def over_in_line(lane: Lane, waited: float) -> TotalTimeout:
    """The error of a call that was over before it had a connection."""
    msg = f"the call to {lane.name} reached its total timeout after {waited:.3g} s of waiting for a free connection"
    return TotalTimeout(msg, host=lane.host, port=lane.port, phase="pool", elapsed=waited)


def too_long_in_line(lane: Lane, waited: float, limit: float | None, books: str) -> PoolTimeout:
    """The error of a call that waited longer than `limit`; `books` says how many connections there are."""
    msg = f"no free connection to {lane.name} within {waited:.3g} s ({books}): raise max_connections or Timeout.pool"
    return PoolTimeout(msg, host=lane.host, port=lane.port, phase="pool", elapsed=waited, limit=limit)
