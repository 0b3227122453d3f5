"""The line of a pool: who waits for a connection, oldest first.

Each lane has the queue of its own waiters; those whose lane has room but whose pool has not stand in the pool's line as well.
Waiters that gave up are left where they stand until they come to the head, or until half of the line is dead.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

from hyperhttp.network.base import NEVER
from hyperhttp.pool.lane import Lane

if TYPE_CHECKING:
    from hyperhttp.connection.route import Route
    from hyperhttp.pool.lane import Waiter

__all__ = ["WaitingLine"]


class WaitingLine:
    """The queues of a pool; see `hyperhttp.pool.pool.ConnectionPool` for what they are served with."""

    def __init__(self, max_per_lane: int | None, watched: Any) -> None:
        self.lanes: dict[Route, Lane] = {}
        self._max_per_lane = NEVER if max_per_lane is None else max_per_lane
        self._watched = watched  # who the network looks after
        self._numbers = 0
        self._line: deque[Waiter] = deque()  # waiters whose lane has room but the pool has not
        self._waiting = 0  # entries in lanes' queues, dead ones included
        self._dead = 0

    def lane(self, route: Route) -> Lane:
        """The lane of a route, made on first use."""
        lane = self.lanes.get(route)
        if lane is None:
            lane = self.lanes[route] = Lane(route)
        return lane

    def _may_open(self, lane: Lane) -> bool:
        """Only the pool's own limit keeps the lane from opening a connection."""
        busy = lane.dialing or lane.settling is not None
        return lane.total < self._max_per_lane and not (busy and lane.is_multiplexed is not False)

    def _forget_dead(self) -> None:
        self._line = deque(waiter for waiter in self._line if not waiter.wait.done())
        self._waiting = 0
        for lane in self.lanes.values():
            if lane.waiters:
                lane.waiters = deque(waiter for waiter in lane.waiters if not waiter.wait.done())
                self._waiting += len(lane.waiters)
        self._dead = 0

    def _first(self, line: deque[Waiter]) -> Waiter | None:
        """The oldest living waiter of a queue, left in its place."""
        while line:
            waiter = line[0]
            if not waiter.wait.done():
                return waiter
            line.popleft()
            if line is not self._line:
                self._waiting -= 1
                self._dead -= 1
        return None

    def _line_up(self, lane: Lane) -> None:
        """Let the oldest waiter of a lane that may open a connection stand in the pool's line."""
        own = self._first(lane.waiters)
        if own is not None and not own.in_line and self._may_open(lane):
            self._queue_in_order(own)

    def _next_in_line(self) -> Waiter | None:
        """The oldest waiter whose lane still has room."""
        while (waiter := self._first(self._line)) is not None:
            if self._may_open(waiter.lane):
                return waiter
            self._line.popleft()
            waiter.in_line = False
        return None

    def _queue_in_order(self, waiter: Waiter) -> None:
        """Put a waiter whose host was full among those who wait for the pool, by age."""
        line = self._line
        at = next((index for index, other in enumerate(line) if other.number > waiter.number), len(line))
        line.insert(at, waiter)
        waiter.in_line = True

    def _pop(self, waiter: Waiter) -> None:
        """Take a waiter that is being served out of both queues; it is the first living one of each it is in."""
        self._watched.discard(waiter)
        if waiter.lane.waiters and waiter.lane.waiters[0] is waiter:
            waiter.lane.waiters.popleft()
        else:
            waiter.lane.waiters.remove(waiter)
        self._waiting -= 1
        if waiter.in_line:
            waiter.in_line = False
            if self._line and self._line[0] is waiter:
                self._line.popleft()
            else:
                self._line.remove(waiter)
        self._line_up(waiter.lane)
