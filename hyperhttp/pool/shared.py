"""A pool that threads share: the same books, behind a lock that is never held while bytes move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperhttp.connection.base import IN_USE
from hyperhttp.pool.pool import ConnectionPool

if TYPE_CHECKING:
    from hyperhttp.config import Limits
    from hyperhttp.connection.base import Connection
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

    def take(self, lane: Lane, now: float) -> Connection | None:
        """An idle connection that can be used, at once."""
        while True:
            with self._lock:
                connection = self._take_shared(lane, now) if lane.shared else None
                if connection is not None:
                    return connection
                idle = lane.idle
                if not idle:
                    return None
                connection = idle.pop()
                if not idle:
                    del self._idle_lanes[lane]
                connection.place = IN_USE
                if connection.multiplexed:
                    lane.settling = connection  # until it has been looked at, nobody opens another one
            if self._is_usable(connection, now) and (not connection.multiplexed or self._start_sharing(connection)):
                return connection

    def _is_usable(self, connection: Connection, now: float) -> bool:
        """Look at an idle connection, outside of the lock: that may mean reading from it. It is retired where it is dead."""
        try:
            usable = connection.expires_at > now and connection.channel.is_alive(now - connection.read_at)
        except BaseException:
            self._retire(connection)
            raise
        if not usable:
            self._retire(connection)
        return usable

    def lane(self, route: Any) -> Lane:
        """The lane of a route."""
        with self._lock:
            return super().lane(route)

    def release(self, connection: Connection, ended: int = 0) -> None:
        """An exchange ended, or the connection did."""
        with self._lock:
            ConnectionPool.release(self, connection, ended)
        if connection.read_at > self._next_sweep:
            self._next_sweep = connection.read_at + _SWEEP_EVERY
            self.sweep()

    def _admit(self, lane: Lane, timeout: float | None, total_at: float) -> Any:
        with self._lock:
            return super()._admit(lane, timeout, total_at)

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
            if started and self._waiting:
                self._share(connection)
            return started

    def _dialed(self, lane: Lane, connection: Connection) -> None:
        with self._lock:
            super()._dialed(lane, connection)

    def _dial_failed(self, lane: Lane) -> None:
        with self._lock:
            super()._dial_failed(lane)

    def _return(self, connection: Connection) -> None:
        with self._lock:
            super()._return(connection)

    def _retire(self, connection: Connection) -> None:
        with self._lock:
            super()._retire(connection)

    def _freed(self, lane: Lane) -> None:
        with self._lock:
            super()._freed(lane)

    def _gave_up(self, waiter: Any) -> None:
        with self._lock:
            super()._gave_up(waiter)

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
