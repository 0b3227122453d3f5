"""What a pool knows of one route, and what a wait was given."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hyperhttp.connection.route import Route
from hyperhttp.exceptions import ClientClosed, PoolTimeout, TotalTimeout
from hyperhttp.network.base import NEVER
from hyperhttp.network.blocking import ThreadWait
from hyperhttp.pool import lane as lane_module
from hyperhttp.pool.lane import NOTHING, Lane, Waiter, count, given_to, over_in_line, too_long_in_line

TLS: Any = object()


class Books:
    def books(self) -> str:
        return "3 open"


@pytest.mark.parametrize(
    ("route", "is_multiplexed"),
    [
        (Route("http", "a.example", 80), False),
        (Route("http", "a.example", 80, http2=True), False),  # nothing to negotiate with in clear text
        (Route("http", "a.example", 80, http2="prior-knowledge"), None),
        (Route("https", "a.example", 443, tls=TLS, http2=False), False),
        (Route("https", "a.example", 443, tls=TLS, http2=True), None),
    ],
)
def test_whether_many_share_its_connections_is_known_or_has_to_be_seen(route: Route, is_multiplexed: Any) -> None:
    assert Lane(route).is_multiplexed is is_multiplexed


def test_a_lane_begins_empty_and_is_called_by_its_host() -> None:
    lane = Lane(Route("http", "2001:db8::1", 8080))
    assert (lane.name, lane.host, lane.port) == ("[2001:db8::1]:8080", "2001:db8::1", 8080)
    assert (lane.idle, lane.total, lane.dialing, lane.shared, list(lane.waiters)) == ([], 0, 0, [], [])


async def test_what_a_future_was_given() -> None:
    loop = asyncio.get_running_loop()
    pending, given, cancelled, failed = [loop.create_future() for _ in range(4)]
    given.set_result("connection")
    cancelled.cancel()
    failed.set_exception(ValueError())
    assert [given_to(wait) for wait in (pending, given, cancelled, failed)] == [NOTHING, "connection", NOTHING, NOTHING]


def test_what_a_thread_was_given() -> None:
    pending, given, right, cancelled, failed = [ThreadWait(NEVER, ValueError) for _ in range(5)]
    given.set_result("connection")
    right.set_result(None)
    cancelled.cancel()
    failed.set_exception(ValueError())
    found = [given_to(wait) for wait in (pending, given, right, cancelled, failed)]
    assert found == [NOTHING, "connection", None, NOTHING, NOTHING]


def test_a_waiter_knows_its_place() -> None:
    lane, wait = Lane(Route("http", "a.example", 80)), ThreadWait(NEVER, ValueError)
    waiter = Waiter(7, lane, Books(), 1000.0, 5.0, NEVER)
    waiter.wait = wait
    assert (waiter.number, waiter.lane, waiter.wait, waiter.in_line) == (7, lane, wait, False)


@pytest.mark.parametrize(
    ("timeout", "total_at", "deadline"),
    [(5.0, NEVER, 1005.0), (None, 1003.0, 1003.0), (5.0, 1002.0, 1002.0), (None, NEVER, NEVER)],
)
async def test_a_waiter_fails_once_its_time_has_passed(
    monkeypatch: pytest.MonkeyPatch, timeout: Any, total_at: float, deadline: float
) -> None:
    waiter = Waiter(7, Lane(Route("http", "a.example", 80)), Books(), 1000.0, timeout, total_at)
    waiter.wait = asyncio.get_running_loop().create_future()
    assert waiter.deadline == deadline
    if deadline == NEVER:
        return
    assert waiter.check(deadline - 0.5) == deadline
    assert not waiter.wait.done()
    monkeypatch.setattr(lane_module, "_now", lambda: deadline)
    assert waiter.check(deadline) == NEVER
    expected = TotalTimeout if deadline == total_at else PoolTimeout
    with pytest.raises(expected, match=f"{deadline - 1000:g} s"):
        await waiter.wait
    assert waiter.check(deadline) == NEVER, "nothing to watch any more"


async def test_who_waits_hears_that_the_client_is_closing() -> None:
    waiter = Waiter(7, Lane(Route("http", "a.example", 80)), Books(), 1000.0, None, NEVER)
    waiter.wait = asyncio.get_running_loop().create_future()
    waiter.abort(ClientClosed())
    waiter.abort(ClientClosed())
    with pytest.raises(ClientClosed):
        await waiter.wait


def test_lanes_of_one_name_are_counted_together() -> None:
    first, second = Lane(Route("http", "a.example", 80)), Lane(Route("http", "a.example", 80, uds="/run/a"))
    shared = Lane(Route("https", "b.example", 443, tls=TLS, http2=True))
    first.total, first.idle = 3, [object()]  # type: ignore[list-item]  # counted, not looked at
    second.total = 1
    shared.total, shared.is_multiplexed = 1, True
    assert count([first, second, shared]) == {
        "a.example:80": {"idle": 1, "in_use": 3, "total": 4},
        "b.example:443": {"idle": 0, "in_use": 1, "total": 1, "streams": 0},
    }


def test_who_waited_too_long_is_told_for_what_and_what_to_do() -> None:
    lane = Lane(Route("http", "a.example", 80))
    late = too_long_in_line(lane, 2.0, 1.5, "3 open, pool limit 3")
    assert "no free connection to a.example:80 within 2 s (3 open, pool limit 3): raise max_connections" in str(late)
    assert (late.host, late.port, late.phase, late.elapsed, late.limit) == ("a.example", 80, "pool", 2.0, 1.5)
    over = over_in_line(lane, 2.0)
    assert "reached its total timeout after 2 s of waiting for a free connection" in str(over)
    assert (over.host, over.phase, over.elapsed) == ("a.example", "pool", 2.0)
