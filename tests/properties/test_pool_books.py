"""The pool's books under everything that can happen, in any order (RISKS: "Pool slots lost ...").

A seeded random walk: requests come, end, are cancelled and time out; handshakes succeed, as HTTP/1.1 or as HTTP/2,
and fail; peers close, go away and change their limits. After each step the books must agree with what is really
there, nobody may wait for what is free, and nobody may have overtaken.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from hyperhttp.config import Limits
from hyperhttp.connection.base import GONE, IDLE, IN_USE
from hyperhttp.connection.route import Route
from hyperhttp.exceptions import ConnectError, HyperHTTPError
from hyperhttp.network.base import NEVER
from hyperhttp.pool import pool as pool_module
from hyperhttp.pool.pool import ConnectionPool
from tests.memory import HandDialer, MemoryNetwork, StubConnection, turns

TLS: Any = object()


class Request:
    """One request of the walk."""

    def __init__(self, walk: Walk, number: int, route: Route) -> None:
        self.number = number
        self.route = route
        self.connection: StubConnection | None = None
        self.task = asyncio.ensure_future(self._run(walk))

    async def _run(self, walk: Walk) -> None:
        lane = walk.pool.lane(self.route)
        self.connection = walk.pool.take(lane, walk.time) or await walk.pool.acquire(lane, None, None, NEVER)
        assert self.connection.lane.route is self.route, "a connection to somewhere else"
        self.connection.owner = self


class Walk:
    """A pool, its users and its peers."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.time = 1000.0
        self.network = MemoryNetwork()
        self.dialer = HandDialer()
        choose = self.random.choice
        self.limits = Limits(
            max_connections=choose([1, 2, 3, 5, None]),
            max_connections_per_host=choose([1, 2, None]),
            max_keepalive_connections=choose([0, 1, 2, None]),
            keepalive_expiry=choose([0, 1.0, 30.0, None]),
            max_connection_age=choose([None, None, 20.0]),
        )
        self.pool = ConnectionPool(self.network, self.dialer, self.limits)
        plain = [Route("http", f"h{number}.example", 80) for number in range(2)]
        self.routes = [*plain, Route("https", "s.example", 443, tls=TLS, http2=True)]
        self.requests: list[Request] = []
        self.connections: list[StubConnection] = []
        self.lines: dict[Any, list[Any]] = {}  # who waited at the last look
        self.count = 0

    # -- what may happen -------------------------------------------------------------------------------------

    def begin(self) -> None:
        for _ in range(self.random.choice([1, 1, 1, 4])):
            self.count += 1
            self.requests.append(Request(self, self.count, self.random.choice(self.routes)))

    def end(self) -> None:
        if request := self._any([each for each in self.requests if each.connection is not None]):
            connection = request.connection
            request.connection = None
            self.requests.remove(request)
            if connection.place == GONE:  # its exchange has failed with it
                return
            connection.owner = None
            connection.read_at = self.time
            if self.random.random() < 0.2 and not connection.multiplexed:
                connection.retired = True
            connection.finish()

    def cancel(self) -> None:
        if request := self._any([each for each in self.requests if each.connection is None]):
            request.task.cancel()

    def serve_and_cancel(self) -> None:
        """The moment between being served and noticing it."""
        self.random.choice([self.end, self.dial, self.refuse, self.lose])()
        for _ in range(2):
            self.cancel()

    def time_out(self) -> None:
        if waiting := self._any([wait for wait, _, _ in self.network.waits if not wait.done()]):
            self.network.expire(waiting)

    def dial(self) -> None:
        if dial := self._any(self._open_dials()):
            multiplexed = dial.lane.route.http2 is True and self.random.random() < 0.7
            capacity = self.random.choice([1, 2, 3])
            settled = self.random.random() < 0.5
            made = dial.succeed(multiplexed=multiplexed, capacity=capacity, settled=settled, now=self.time)
            self.connections.append(made)

    def refuse(self) -> None:
        if dial := self._any(self._open_dials()):
            dial.fail(ConnectError("refused"))

    def lose(self) -> None:
        if connection := self._any([each for each in self.connections if each.place in (IDLE, IN_USE)]):
            holders = [each for each in self.requests if each.connection is connection]
            self.requests = [each for each in self.requests if each not in holders]
            connection.channel.closed = True
            for _ in holders:
                connection.finish()  # each exchange hears of it, and gives its place back
            connection.lose()

    def die_silently(self) -> None:
        if connection := self._any([each for each in self.connections if each.place == IDLE]):
            connection.channel.alive = False

    def change(self) -> None:
        if connection := self._any(self._shared()):
            connection.change(capacity=self.random.choice([0, 1, 2, 3, 10]))

    def go_away(self) -> None:
        if connection := self._any(self._shared()):
            connection.change(retired=True)

    def pass_time(self) -> None:
        self.time += self.random.choice([0.5, 2.0, 40.0])
        self.network.run_timers(self.time)

    def _shared(self) -> list[StubConnection]:
        return [each for each in self.connections if each.multiplexed and each.place in (IDLE, IN_USE)]

    def _open_dials(self) -> list[Any]:
        return [dial for dial in self.dialer.dials if not dial.result.done()]

    def _any(self, things: Any) -> Any:
        return self.random.choice(things) if things else None

    # -- what must hold --------------------------------------------------------------------------------------

    def check(self) -> None:
        finished = [each for each in self.requests if each.task.done() and each.connection is None]
        for request in finished:
            self.requests.remove(request)
            if not request.task.cancelled() and (error := request.task.exception()) is not None:
                assert isinstance(error, HyperHTTPError), error
        self.connections = [each for each in self.connections if each.place != GONE or each.closings != 1]
        self._check_connections()
        for lane in self.pool.lanes.values():
            self._check_lane(lane)
        assert sum(lane.total for lane in self.pool.lanes.values()) == self.pool._total
        assert self.pool._total <= self.pool._max
        with_idle = {lane for lane in self.pool.lanes.values() if lane.idle}
        assert set(self.pool._idle_lanes) == with_idle

    def _check_connections(self) -> None:
        for connection in self.connections:
            assert connection.closings <= 1, "closed twice"
            assert connection.place in (IDLE, IN_USE), "gone and not closed"
            holders = sum(request.connection is connection for request in self.requests)
            if connection.multiplexed:
                assert connection.in_use == holders >= 0
            else:
                assert holders == (connection.place == IN_USE), "one at a time"
            assert (connection in connection.lane.idle) == (connection.place == IDLE)
            if connection in connection.lane.shared:
                assert connection.place == IN_USE
                assert connection.in_use

    def _check_lane(self, lane: Any) -> None:
        mine = [each for each in self.connections if each.lane is lane]
        dialing = [dial for dial in self.dialer.dials if dial.lane is lane]
        assert len(lane.idle) == sum(each.place == IDLE for each in mine)
        assert lane.total == len(mine) + len(dialing)
        assert lane.dialing == len(dialing)
        assert lane.total <= self.pool._max_per_lane
        self._check_line(lane, mine)

    def _check_line(self, lane: Any, mine: list[StubConnection]) -> None:
        alive = [waiter for waiter in lane.waiters if not waiter.wait.done()]
        if alive:
            assert not lane.idle, "somebody waits beside an idle connection"
            room = [each for each in lane.shared if each.has_room() and self.time < each.retire_at]
            assert not room, "somebody waits beside room on a shared connection"
            may_open = lane.total < self.pool._max_per_lane
            unsettled = any(not each.is_settled for each in mine if each.multiplexed)
            may_open = may_open and not ((lane.dialing or unsettled) and lane.is_multiplexed is not False)
            has_room = self.pool._total < self.pool._max or bool(self.pool._idle_lanes)
            assert not (may_open and has_room), "somebody waits although a connection could be opened"
        assert lane.total or alive, "an empty lane was kept"
        numbers = [waiter.number for waiter in alive]
        assert numbers == sorted(numbers)
        waits = [(waiter.number, waiter.wait) for waiter in self.lines.get(lane, ())]
        served = [number for number, wait in waits if wait.done() and _was_set(wait)]
        assert not served or not alive or max(served) < numbers[0], "somebody has overtaken"
        self.lines[lane] = alive

    async def settle(self) -> None:
        """Let everything end; the books must be empty then."""
        for _ in range(200):
            if not self.requests:
                break
            self.dial()
            self.end()
            await turns()
            self.check()
            if not self._open_dials() and not any(each.connection for each in self.requests):
                self.change()  # a peer that allowed nothing may allow more
        assert not self.requests, "somebody is never served"
        await self.pool.close()
        assert self.pool._total == 0
        assert all(not lane.total for lane in self.pool.lanes.values())


def _was_set(wait: Any) -> bool:
    return not wait.cancelled() and wait.exception() is None


@pytest.mark.parametrize("seed", [*range(50), 1081, 2321])
async def test_the_books_agree_with_what_is_there(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    walk = Walk(seed)
    monkeypatch.setattr(pool_module, "_now", lambda: walk.time)
    steps = [
        *[walk.begin] * 5, *[walk.end] * 4, *[walk.dial] * 5, walk.cancel, walk.serve_and_cancel, walk.time_out,
        walk.refuse, walk.lose, walk.die_silently, walk.change, walk.go_away, walk.pass_time,
    ]  # fmt: skip
    taken: list[str] = []
    try:
        for _ in range(160):
            step = walk.random.choice(steps)
            taken.append(step.__name__)
            step()
            await turns(8)
            walk.check()
        await walk.settle()
    except AssertionError as error:
        error.add_note(f"{walk.limits}\nafter {len(taken)} steps, the last ones: {', '.join(taken[-8:])}")
        raise
    finally:
        for request in walk.requests:
            request.task.cancel()
        await turns()
