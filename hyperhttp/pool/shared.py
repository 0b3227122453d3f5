"""A pool that threads share: the same books, behind a lock that is never held while bytes move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperhttp.connection.base import GONE, IN_USE, NEW
from hyperhttp.pool.lane import NOTHING, Waiter, given_to
from hyperhttp.pool.pool import ConnectionPool

if TYPE_CHECKING:
    from hyperhttp.config import Limits
    from hyperhttp.connection.base import Connection
    from hyperhttp.connection.route import Route
    from hyperhttp.network.base import Network
    from hyperhttp.pool.lane import Lane

__all__ = ["SharedPool"]

_SWEEP_EVERY = 1.0  # seconds between looks for expired connections, as nobody calls back between requests


class SharedPool(ConnectionPool):
    """See `ConnectionPool`; each of its plain methods is atomic here."""

    def __init__(self, network: Network, dialer: Any, limits: Limits) -> None:
        super().__init__(network, dialer, limits)
        self._lock = network.new_lock()
        self._next_sweep = 0.0
        self._served: Waiter | None = None  # who was taken out of the line last
        self._catch_up: Any = getattr(network, "catch_up", None)

    def take(self, lane: Lane, now: float) -> Connection | None:
        """An idle connection that can be used, at once."""
        connection: Connection | None = None
        try:
            while True:
                with self._lock:
                    connection = self._next(lane, now)
                if connection is None or (connection.multiplexed and connection.place == IN_USE):
                    return connection
                # Outside of the lock: looking may mean reading from it.
                usable = connection.expires_at > now and connection.channel.is_alive()
                if usable and (not connection.multiplexed or self._start_sharing(connection)):
                    return connection
                self._retire(connection)
        except BaseException:
            if connection is not None:
                self._take_back(connection)
            raise

    def _take_back(self, connection: Connection) -> None:
        """The thread that was taking it was interrupted."""
        with self._lock:
            if connection.multiplexed and connection.place == IN_USE:
                self._return(connection)
                return
            if connection in connection.lane.shared:
                connection.lane.shared.remove(connection)
            self._retire(connection)

    def _next(self, lane: Lane, now: float) -> Connection | None:
        """Room on a connection in use, or an idle one that has to be looked at."""
        connection = self._take_shared(lane, now) if lane.shared else None
        idle = lane.idle
        if connection is not None or not idle:
            return connection
        connection = idle[-1]  # not `pop`: Ctrl-C may come after any call, before what it gives is kept
        del idle[-1]
        connection.place = IN_USE
        if connection.multiplexed:
            connection.place = NEW  # looking at it may hear of settings: it is in nobody's hands yet
            lane.settling = connection  # until it has been looked at, nobody opens another one
        if not idle:
            del self._idle_lanes[lane]
        return connection

    def lane(self, route: Any) -> Lane:
        """The lane of a route."""
        with self._lock:
            return super().lane(route)

    def release(self, connection: Connection, ended: int = 0) -> None:
        """An exchange ended, or the connection did."""
        try:
            with self._lock:
                ConnectionPool.release(self, connection, ended)
        except BaseException:
            self._mend(connection)
            raise
        if connection.read_at > self._next_sweep:
            self._next_sweep = connection.read_at + _SWEEP_EVERY
            self.sweep()

    def _mend(self, connection: Connection) -> None:
        """Ctrl-C came while a connection was given back: it must not stay in nobody's hands, nor a waiter out of line."""
        with self._lock:
            waiter, self._served = self._served, None
            if waiter is not None and given_to(waiter.wait) is connection:
                return
            if waiter is not None and not waiter.wait.done() and waiter not in waiter.lane.waiters:
                waiter.lane.waiters.appendleft(waiter)
                self._waiting += 1
            if connection.place == IN_USE and not connection.multiplexed:
                self._retire(connection)

    def _pop(self, waiter: Waiter) -> None:
        self._served = waiter
        super()._pop(waiter)

    def _admit(self, lane: Lane, timeout: float | None, total_at: float) -> Any:
        if self._catch_up is not None:
            self._catch_up()
        given: Any = NOTHING
        lane = self.lane(lane.route)
        try:
            with self._lock:
                newest = self._numbers
                try:
                    given = super()._admit(lane, timeout, total_at)
                except BaseException:
                    self._leave_line(lane, newest)
                    raise
        except BaseException:
            self._undo(given, lane)
            raise
        return given

    def line_up(self, route: Route, timeout: float | None, total_at: float, now: float) -> None:
        """Nobody stands in line outside of `acquire`, which leaves nothing behind when Ctrl-C comes."""

    def _leave_line(self, lane: Lane, newest: int) -> None:
        """Ctrl-C came just when somebody had their place in line."""
        for waiter in [each for each in self.lane(lane.route).waiters if each.number > newest]:
            self.leave(waiter)

    async def acquire(
        self,
        lane: Lane,
        timeout: float | None,
        connect_timeout: float | None,
        total_at: float,
        opener: object = None,
        place: Waiter | None = None,
    ) -> Connection:
        """A connection of the lane; Ctrl-C at any moment leaves nothing behind."""
        given: Any = place or self._admit(lane, timeout, total_at)
        try:
            while isinstance(given, Waiter):
                waiter = given
                try:
                    given = await waiter.wait
                except BaseException:
                    self.leave(waiter)  # and once more by `_undo`, should Ctrl-C come in the middle of it
                    raise
                if given is not None and not (given.place == IN_USE and given.channel.is_alive()):
                    given = self._replace_dead(given, waiter)
            lane = self.lane(lane.route)
        except BaseException:
            self._undo(given, lane)
            raise
        if given is not None:
            connection: Connection = given
            return connection
        return await self._open(lane, connect_timeout, total_at, opener)

    def _undo(self, given: Any, lane: Lane) -> None:
        """Whoever was given this was interrupted."""
        if given is NOTHING:
            return
        if given is None:
            self._dial_failed(self.lane(lane.route))
        elif isinstance(given, Waiter):
            self.leave(given)
        else:
            self._take_back(given)

    def _replace_dead(self, connection: Connection, waiter: Any) -> Any:
        with self._lock:
            return super()._replace_dead(connection, waiter)

    def _take_all(self, lane: Lane) -> list[Connection]:
        with self._lock:
            return super()._take_all(lane)

    def _start_sharing(self, connection: Connection) -> bool:
        with self._lock:
            connection.lane.settling = None
            started = super()._start_sharing(connection)
            if started:
                connection.place = IN_USE
            if started and self._waiting:
                self._share(connection)
                while self._grant(connection.lane):
                    pass  # those who came meanwhile could not open another one: now they may
            return started

    def _dialed(self, lane: Lane, connection: Connection) -> None:
        try:
            with self._lock:
                super()._dialed(lane, connection)
        except BaseException:
            if connection.place == NEW:
                lane.dialing -= 1
            self._take_back(connection)
            raise

    def _dial_failed(self, lane: Lane, error: BaseException | None = None) -> None:
        with self._lock:
            super()._dial_failed(lane, error)

    def _return(self, connection: Connection) -> None:
        with self._lock:
            super()._return(connection)

    def _retire(self, connection: Connection) -> None:
        with self._lock:
            if connection.place == GONE:
                return
            lane = connection.lane
            try:
                self._close(connection)
            except BaseException:
                connection.place = GONE
                connection.channel.close()
                raise
            finally:
                # Here and not by a call, before which Ctrl-C may come: the place would never be free again.
                lane.total -= 1
                self._total -= 1
                if self._waiting:
                    self._grant(lane)
                self._forget_empty(lane)

    def _freed(self, lane: Lane) -> None:
        with self._lock:
            super()._freed(lane)

    def leave(self, waiter: Any) -> None:
        """A waiter stopped waiting."""
        with self._lock:
            if not waiter.left:
                waiter.left = True
                super().leave(waiter)

    def sweep(self) -> None:
        """Close idle connections whose time has passed."""
        with self._lock:
            super().sweep()

    def stats(self) -> dict[str, dict[str, int]]:
        """Connections by ``host:port``."""
        with self._lock:
            return super().stats()

    def _close_books(self) -> list[Connection]:
        # What is busy is stopped outside of the lock: its own lock comes first everywhere else.
        with self._lock:
            return super()._close_books()
