"""The connections of one client on one network: which serves whom, and who is next.

Each route has a lane: its idle connections, its waiters and a count. Taking an idle connection or giving one back costs
a few attribute accesses, whatever the number of connections, requests and hosts. Who cannot be served at once waits in
line; whatever becomes free goes to the oldest waiter that can use it, so nobody overtakes. Every change of state happens
in a plain method: between two awaits the books are always balanced, and a cancelled caller finds them so.
"""

from __future__ import annotations

import time
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.connection.base import GONE, IDLE, IN_USE, NEW
from hyperhttp.exceptions import ClientClosed
from hyperhttp.network.base import NEVER
from hyperhttp.pool.events import CLOSED, LEFT_IDLE, OPENED, tell
from hyperhttp.pool.lane import NOTHING, Waiter, count, given_to
from hyperhttp.pool.line import WaitingLine

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hyperhttp.config import Limits
    from hyperhttp.connection.base import Connection
    from hyperhttp.connection.route import Route
    from hyperhttp.network.base import Network
    from hyperhttp.pool.events import ConnectionEvent
    from hyperhttp.pool.lane import Dialer, Lane

__all__ = ["ConnectionPool"]

#: Waiters that gave up are left in the line until they reach its head, or until this many and half of it are dead.
_DEAD_WAITERS: Final = 64
#: Seconds that idle connections beyond the number to keep may be taken again: closing them at once would be a lot of work.
_SURPLUS_EXPIRY: Final = 1.0

_now = time.monotonic


class ConnectionPool(WaitingLine):
    """Connections by route, within limits.

    Args:
        network: where connections live.
        dialer: opens them.
        limits: how many, and for how long.
    """

    def __init__(self, network: Network, dialer: Dialer, limits: Limits) -> None:
        super().__init__(limits.max_connections_per_host, network.watch.busy)
        self.network = network
        self.closed = False
        self.beside: set[Any] = set()  # keys of what runs beside calls
        self.listeners: tuple[Callable[[ConnectionEvent], None], ...] = ()
        self.idlers: tuple[Callable[[ConnectionEvent], None], ...] = ()  # told of those with nothing to do
        self.hooks: Mapping[str, Sequence[Callable[[ConnectionEvent], Any]]] | None = None
        self.dialer = dialer
        self._max = NEVER if limits.max_connections is None else limits.max_connections
        self._max_idle = NEVER if limits.max_keepalive_connections is None else limits.max_keepalive_connections
        self._expiry = NEVER if limits.keepalive_expiry is None else limits.keepalive_expiry
        self._max_age = NEVER if limits.max_connection_age is None else limits.max_connection_age
        self._total = 0
        self._idle_lanes: OrderedDict[Lane, None] = OrderedDict()  # lanes with idle connections, longest first
        self._sweep_at = NEVER

    # -- taking ------------------------------------------------------------------------------------------------------

    def take(self, lane: Lane, now: float) -> Connection | None:
        """An idle connection that can be used, at once; None if there is none."""
        if lane.shared:
            connection = self._take_shared(lane, now)
            if connection is not None:
                return connection
        idle = lane.idle
        while idle:
            connection = idle.pop()
            if not idle:
                del self._idle_lanes[lane]
            connection.place = IN_USE
            if connection.expires_at > now and connection.channel.is_alive():
                if connection.multiplexed and not self._start_sharing(connection):
                    continue
                return connection
            self._retire(connection)
        return None

    def _take_shared(self, lane: Lane, now: float) -> Connection | None:
        """Room on a multiplexed connection that is in use."""
        for connection in lane.shared:
            if connection.has_room() and now < connection.retire_at:
                connection.in_use += 1
                return connection
        return None

    def _start_sharing(self, connection: Connection) -> bool:
        """A multiplexed connection was idle and has its first user again."""
        if not connection.has_room():
            self._retire(connection)
            return False
        connection.in_use += 1
        connection.lane.shared.append(connection)
        return True

    async def acquire(
        self,
        lane: Lane,
        timeout: float | None,
        connect_timeout: float | None,
        total_at: float,
        opener: object = None,
        place: Waiter | None = None,
    ) -> Connection:
        """A connection of the lane: idle, new, or as soon as one is free.

        Args:
            lane: where to.
            timeout: seconds to wait in line; None for as long as it takes.
            connect_timeout: seconds a new connection may take.
            total_at: moment at which the whole call is over.
            opener: whose `Connection.opener` a new connection is.
            place: from `line_up`, once its turn has come.

        Raises:
            PoolTimeout: the line was too long.
            ConnectError, ConnectTimeout, TLSError: a new connection could not be opened.
        """
        given = place or self._admit(lane, timeout, total_at)
        while isinstance(given, Waiter):
            waiter = given
            try:
                given = await waiter.wait
            except BaseException:
                self.leave(waiter)
                raise
            if given is not None and not (given.place == IN_USE and given.channel.is_alive()):
                given = self._replace_dead(given, waiter)
        if given is not None:
            return given
        return await self._open(self.lane(lane.route), connect_timeout, total_at, opener)

    def _replace_dead(self, connection: Connection, waiter: Waiter) -> Connection | Waiter | None:
        """What a waiter gets for a connection that died on its way to it: nobody overtakes it for that."""
        lane = waiter.lane
        if connection.multiplexed:
            self.release(connection, 1)
            left = None if waiter.timeout is None else max(waiter.started + waiter.timeout - _now(), 0.0)
            return self._admit(lane, left, waiter.total_at)
        if connection.place == IN_USE:  # its place in the books becomes the right to open another one
            self._close(connection)
            lane.dialing += 1
            return None
        again = self._new_waiter(waiter.number, self.lane(lane.route), waiter.started, waiter.timeout, waiter.total_at)
        again.lane.waiters.appendleft(again)
        self._waiting += 1
        self._grant(again.lane)
        return again

    def _admit(self, lane: Lane, timeout: float | None, total_at: float) -> Connection | Waiter | None:
        """An idle connection, a place in the line, or None: the right to open a connection."""
        if self.closed:
            raise ClientClosed
        lane = self.lane(lane.route)  # a lane that was empty for a moment has been replaced
        connection = self.take(lane, _now())
        if connection is not None:
            return connection
        lane = self.lane(lane.route)  # looking for one may have emptied it
        return None if self._reserve(lane) else self._enqueue(lane, timeout, total_at, _now())

    def line_up(self, route: Route, timeout: float | None, total_at: float, now: float) -> Waiter | None:
        """A place in the line for a caller that awaits its `Waiter.wait` itself; None where `acquire` need not wait.

        Whoever stops waiting before its turn has come calls `leave`.
        """
        lane = self.lane(route)
        if self.closed or self._can_open(lane):
            return None
        return self._enqueue(lane, timeout, total_at, now)

    async def open(self, lane: Lane, *arguments: Any) -> Connection:
        """A connection that has served nobody yet, for a request that met a stale one; arguments as of `acquire`."""
        for connection in self._take_all(lane):
            # Its neighbours were idle for as long: they are stale too more often than not.
            self._retire(connection)
        return await self.acquire(lane, *arguments)

    def _take_all(self, lane: Lane) -> list[Connection]:
        idle, lane.idle = lane.idle, []
        self._idle_lanes.pop(lane, None)
        for connection in idle:
            connection.place = IN_USE
        return idle

    def _take_one(self, lane: Lane, connection: Connection) -> None:
        lane.idle.remove(connection)
        connection.place = IN_USE
        if not lane.idle:
            self._idle_lanes.pop(lane, None)

    def _can_open(self, lane: Lane) -> bool:
        """Whether there is room for another connection, and nobody who came before waits for it."""
        room = self._total < self._max or self._idle_lanes
        return bool(room) and self._may_open(lane) and self._first(lane.waiters) is None

    def _reserve(self, lane: Lane) -> bool:
        """Take the right to open a connection, closing somebody's idle one if that makes room."""
        if not self._can_open(lane):
            return False
        if self._total >= self._max:
            self._evict()
        self._total += 1
        lane.total += 1
        lane.dialing += 1
        return True

    async def _open(self, lane: Lane, connect_timeout: float | None, total_at: float, opener: object) -> Connection:
        try:
            deadline = NEVER if connect_timeout is None else _now() + connect_timeout
            connection: Connection = await self.dialer.dial(lane, self.release, deadline, total_at)
        except BaseException as error:
            self._dial_failed(lane, error)
            raise
        connection.retire_at = connection.made_at + self._max_age
        connection.opener = opener
        if self.closed:
            lane.dialing -= 1
            self._retire(connection)
            raise ClientClosed
        self._dialed(lane, connection)
        return connection

    def _dial_failed(self, lane: Lane, error: BaseException | None = None) -> None:
        """Let the next one try; all of them, where a first attempt has not even told what is spoken there."""
        lane.dialing -= 1
        if lane.is_multiplexed is None and isinstance(error, Exception):
            lane.is_multiplexed = False
        self._freed(lane)
        while self._waiting and self._grant(lane):
            pass

    def _dialed(self, lane: Lane, connection: Connection) -> None:
        """A connection is open; those who waited to see what it speaks go on."""
        lane.dialing -= 1
        connection.place = IN_USE
        lane.is_multiplexed = connection.multiplexed
        if self.listeners or self.hooks:
            tell(self.listeners, OPENED, connection, self.hooks)
        if connection.multiplexed:
            connection.in_use += 1
            lane.shared.append(connection)
            if connection.is_settled:
                self._share(connection)
            else:
                lane.settling = connection
        while self._waiting and self._grant(lane):
            pass

    def _share(self, connection: Connection) -> None:
        """Let waiters of its lane have the room of a multiplexed connection."""
        lane = connection.lane
        while connection.has_room() and (waiter := self._first(lane.waiters)) is not None:
            self._pop(waiter)
            connection.in_use += 1
            waiter.wait.set_result(connection)

    def _evict(self) -> bool:
        """Close the idle connection that has been idle for longest."""
        lane = next(iter(self._idle_lanes), None)
        if lane is None:
            return False
        connection = lane.idle[0]
        self._take_one(lane, connection)
        self._close(connection)
        lane.total -= 1
        self._total -= 1
        self._forget_empty(lane)
        return True

    # -- giving back -------------------------------------------------------------------------------------------------

    def release(self, connection: Connection, ended: int = 0) -> None:
        """An exchange ended, or the connection did. May be called again for a connection that is gone.

        Args:
            connection: whose.
            ended: exchanges on a multiplexed connection that gave their places back.
        """
        if ended:
            connection.in_use -= ended
        place = connection.place
        if place == NEW:
            return  # whoever opens it will see
        lane = connection.lane
        if connection.multiplexed and self._release_shared(connection, lane):
            return
        if not connection.reusable or self.closed or connection.read_at >= connection.retire_at:
            if place == IDLE:
                self._take_one(lane, connection)
            self._retire(connection)
            return
        if place != IN_USE:
            return
        if connection.multiplexed and not connection.has_room():
            self._retire(connection)
            return
        if self._waiting and self._hand_over(connection, lane):
            return
        idle = lane.idle
        if len(idle) >= self._max_idle:
            if not self._max_idle:
                self._retire(connection)
                return
            self._trim(idle[len(idle) - int(self._max_idle)], connection.read_at)
        expires_at = min(connection.read_at + self._expiry, connection.retire_at)
        connection.expires_at = expires_at
        connection.place = IDLE
        if not idle:
            self._idle_lanes[lane] = None
        idle.append(connection)
        if expires_at < self._sweep_at:
            self._schedule_sweep(expires_at)
        if self.idlers:
            tell(self.idlers, LEFT_IDLE, connection)

    def _trim(self, surplus: Connection, now: float) -> None:
        """One more is idle than is kept: the one that was used longest ago goes, unless it is needed very soon."""
        surplus.expires_at = min(surplus.expires_at, now + _SURPLUS_EXPIRY)
        if surplus.expires_at < self._sweep_at:
            self._schedule_sweep(surplus.expires_at)

    def _release_shared(self, connection: Connection, lane: Lane) -> bool:
        """Books of a multiplexed connection; False where it is to be treated as one that nobody uses."""
        if lane.settling is connection and (connection.is_settled or not connection.reusable):
            lane.settling = None
            if self._waiting:
                self._share(connection)
                while self._grant(lane):
                    pass
        if connection.place != IN_USE or (connection.channel.closed and connection not in lane.shared):
            return connection.place == GONE
        if self._waiting:
            self._share(connection)
        is_open = connection.reusable and connection.read_at < connection.retire_at
        if connection in lane.shared and (not is_open or not connection.in_use):
            lane.shared.remove(connection)
            if not is_open and self._waiting:
                self._grant(lane)
        return bool(connection.in_use) and not connection.channel.closed

    def _return(self, connection: Connection) -> None:
        """A connection that was given to a waiter cannot be used any more, or is not wanted."""
        self.release(connection, 1 if connection.multiplexed else 0)

    def _retire(self, connection: Connection) -> None:
        if connection.place == GONE:
            return
        self._close(connection)
        self._freed(connection.lane)

    def _close(self, connection: Connection) -> None:
        connection.place = GONE
        if connection.lane.settling is connection:
            connection.lane.settling = None
        connection.close()
        if self.listeners or self.hooks:
            tell(self.listeners, CLOSED, connection, self.hooks)

    def _freed(self, lane: Lane) -> None:
        """A connection or the right to open one is gone: somebody else may open one."""
        lane.total -= 1
        self._total -= 1
        if self._waiting:
            self._grant(lane)
        self._forget_empty(lane)

    def _forget_empty(self, lane: Lane) -> None:
        """A lane without connections and waiters is made anew when it is needed."""
        if not lane.total and self._first(lane.waiters) is None and self.lanes.get(lane.route) is lane:
            del self.lanes[lane.route]

    # -- the line ----------------------------------------------------------------------------------------------------

    def _enqueue(self, lane: Lane, timeout: float | None, total_at: float, now: float) -> Waiter:
        self._numbers += 1
        waiter = self._new_waiter(self._numbers, lane, now, timeout, total_at)
        lane.waiters.append(waiter)
        self._waiting += 1
        self._line_up(lane)
        return waiter

    def _new_waiter(self, number: int, lane: Lane, started: float, timeout: float | None, total_at: float) -> Waiter:
        waiter = Waiter(number, lane, self, started, timeout, total_at)
        waiter.wait = self.network.new_queued_wait(waiter.deadline, waiter)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """A waiter was cancelled or timed out; what it was given in the meantime goes to the next one."""
        self._watched.discard(waiter)
        given = given_to(waiter.wait)
        if given is NOTHING:
            waiter.wait.cancel()
            self._dead += 1
            self._grant(waiter.lane)  # the next of its lane may be able to use what it could not
            self._forget_empty(waiter.lane)
            if self._dead > _DEAD_WAITERS and self._dead * 2 > self._waiting:
                self._forget_dead()
        elif given is None:
            self._dial_failed(waiter.lane)
        elif given.place != GONE:
            self._return(given)

    def _hand_over(self, connection: Connection, lane: Lane) -> bool:
        """Give a connection that became free to the oldest waiter of its lane, unless an older one waits for room."""
        own = self._first(lane.waiters)
        other = self._next_in_line()
        if other is not None and other.lane is not lane and (own is None or other.number < own.number):
            self._retire(connection)
            return True
        if own is None:
            return False
        self._pop(own)
        own.wait.set_result(connection)
        return True

    def _grant(self, lane: Lane) -> bool:
        """Room for one connection: let the oldest waiter that can use it open one."""
        self._line_up(lane)
        waiter = self._next_in_line()
        if waiter is None or (self._total >= self._max and not self._evict()):
            return False
        self._pop(waiter)
        waiter.lane.total += 1
        waiter.lane.dialing += 1
        self._total += 1
        waiter.wait.set_result(None)
        return True

    def books(self) -> str:
        """How many connections there are, for the error of who waited for too long."""
        most = "" if self._max == NEVER else f", pool limit {self._max}"
        return f"{self._total} open{most}"

    # -- expiry, statistics, the end ---------------------------------------------------------------------------------

    def _schedule_sweep(self, when: float) -> None:
        self._sweep_at = when
        self.network.later(when, lambda: self._sweep_if_due(when))

    def _sweep_if_due(self, when: float) -> None:
        if when == self._sweep_at:  # a sooner sweep has not taken its place
            self.sweep()

    def sweep(self) -> None:
        """Close idle connections whose time has passed."""
        self._sweep_at = NEVER
        now = _now()
        soonest = NEVER
        for lane in tuple(self.lanes.values()):
            for connection in [each for each in lane.idle if each.expires_at <= now]:
                self._take_one(lane, connection)
                self._retire(connection)
            soonest = min([soonest, *[connection.expires_at for connection in lane.idle]])
        if soonest < NEVER and not self.closed:
            self._schedule_sweep(soonest)

    def stats(self) -> dict[str, dict[str, int]]:
        """Connections by ``host:port``: idle, in use (being opened included) and in all."""
        return count(tuple(self.lanes.values()))

    def shut(self) -> None:
        """Close what is idle, stop what is busy, refuse who waits."""
        for connection in self._close_books():  # a connection before its exchanges: they all hear the same
            connection.abort(ClientClosed())
        for exchange in tuple(self.network.watch.busy):
            exchange.abort(ClientClosed())

    def _close_books(self) -> list[Connection]:
        """Refuse who waits and close what is idle; gives the multiplexed connections that are in use."""
        self.closed = True
        shared = [connection for lane in self.lanes.values() for connection in lane.shared]
        for lane in tuple(self.lanes.values()):
            waiters, lane.waiters = lane.waiters, deque()
            for waiter in waiters:
                self._watched.discard(waiter)
                if not waiter.wait.done():
                    waiter.wait.set_exception(ClientClosed())
            for connection in self._take_all(lane):
                self._close(connection)
                lane.total -= 1
                self._total -= 1
        self._line.clear()
        self._waiting = 0
        return shared

    async def close(self) -> None:
        """Return when every connection is closed."""
        self.shut()
        await self.network.close()
