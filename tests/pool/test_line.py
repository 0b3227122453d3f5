"""Who is next: by age, among those whose lane has room."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hyperhttp.connection.route import Route
from hyperhttp.network.base import NEVER
from hyperhttp.pool.lane import Lane, Waiter
from hyperhttp.pool.line import WaitingLine


class Line:
    """A waiting line whose waiters a test brings in and sends away."""

    def __init__(self, max_per_lane: int | None = None) -> None:
        self.line = WaitingLine(max_per_lane)

    def lane(self, name: str) -> Lane:
        route = Route("http", f"{name}.example", 80)
        return self.line.lanes.setdefault(route, Lane(route))

    def join(self, lane: Lane, *, in_line: bool | None = None) -> Waiter:
        """Somebody comes: into the queue of its lane, and into the pool's where the lane has room."""
        line = self.line
        line._numbers += 1
        wait = asyncio.get_running_loop().create_future()
        waiter = Waiter(line._numbers, lane, wait, 0.0, None, NEVER)
        lane.waiters.append(waiter)
        line._waiting += 1
        if in_line if in_line is not None else line._may_open(lane):
            waiter.in_line = True
            line._line.append(waiter)
        return waiter

    def leave(self, waiter: Waiter) -> None:
        """Somebody gives up."""
        waiter.wait.cancel()
        self.line._dead += 1

    def numbers(self) -> list[int]:
        """Who stands in the pool's line, dead ones included."""
        return [waiter.number for waiter in self.line._line]

    def books(self) -> tuple[int, int]:
        return self.line._waiting, self.line._dead


@pytest.fixture
async def here() -> Line:
    return Line()


@pytest.mark.parametrize(
    ("limit", "total", "may"), [(None, 1000, True), (2, 0, True), (2, 1, True), (2, 2, False), (2, 3, False)]
)
async def test_a_lane_may_open_as_many_connections_as_its_limit_says(limit: int | None, total: int, may: bool) -> None:
    here = Line(limit)
    lane = here.lane("a")
    lane.total = total
    assert here.line._may_open(lane) is may


@pytest.mark.parametrize(("multiplexed", "may"), [(None, False), (True, False), (False, True)])
async def test_while_a_handshake_may_give_room_to_many_nobody_else_begins_one(
    here: Line, multiplexed: bool | None, may: bool
) -> None:
    lane = here.lane("a")
    lane.is_multiplexed = multiplexed
    assert here.line._may_open(lane)
    lane.dialing = 1
    assert here.line._may_open(lane) is may


async def test_the_oldest_that_still_waits_is_the_first_of_its_lane(here: Line) -> None:
    lane = here.lane("a")
    assert here.line._first(lane.waiters) is None
    one, two, three = (here.join(lane) for _ in range(3))
    assert here.line._first(lane.waiters) is one
    assert here.line._first(lane.waiters) is one, "looking takes nobody away"
    here.leave(one)
    here.leave(two)
    assert here.line._first(lane.waiters) is three
    assert list(lane.waiters) == [three]
    assert here.books() == (1, 0)


async def test_those_who_gave_up_behind_a_living_one_stay_until_they_come_to_the_head(here: Line) -> None:
    lane = here.lane("a")
    one, two, three = (here.join(lane) for _ in range(3))
    here.leave(two)
    assert here.line._first(lane.waiters) is one
    assert list(lane.waiters) == [one, two, three]
    assert here.books() == (3, 1)
    here.line._pop(one)
    assert list(lane.waiters) == [two, three] or list(lane.waiters) == [three]
    assert here.line._first(lane.waiters) is three
    assert here.books() == (1, 0)


async def test_the_oldest_of_all_lanes_is_next(here: Line) -> None:
    a, b = here.lane("a"), here.lane("b")
    first, second = here.join(b), here.join(a)
    assert here.line._next_in_line() is first
    here.line._pop(first)
    assert here.line._next_in_line() is second
    here.line._pop(second)
    assert here.line._next_in_line() is None
    assert (here.books(), here.numbers()) == ((0, 0), [])


async def test_who_gave_up_is_passed_over_in_the_pools_line(here: Line) -> None:
    a, b = here.lane("a"), here.lane("b")
    first, second = here.join(a), here.join(b)
    here.leave(first)
    assert here.line._next_in_line() is second
    assert here.numbers() == [2]


async def test_a_waiter_whose_lane_has_become_full_leaves_the_pools_line_but_not_its_lanes() -> None:
    here = Line(1)
    a, b = here.lane("a"), here.lane("b")
    first, second = here.join(a), here.join(b)
    a.total = 1
    assert here.line._next_in_line() is second
    assert (first.in_line, here.numbers(), list(a.waiters)) == (False, [2], [first])


async def test_when_its_lane_has_room_again_it_gets_its_old_place_back() -> None:
    here = Line(1)
    a, b = here.lane("a"), here.lane("b")
    a.total = 1
    old = here.join(a)
    young = here.join(b)
    assert (old.in_line, here.numbers()) == (False, [2])
    here.line._line_up(a)
    assert here.numbers() == [2], "its lane is still full"
    a.total = 0
    here.line._line_up(a)
    here.line._line_up(a)
    assert (old.in_line, here.numbers()) == (True, [1, 2]), "once, and before the younger one"
    assert here.line._next_in_line() is old
    here.line._pop(old)
    assert here.line._next_in_line() is young


async def test_a_lane_nobody_waits_for_lines_up_nobody(here: Line) -> None:
    lane = here.lane("a")
    here.leave(here.join(lane, in_line=False))
    here.line._line_up(lane)
    assert (here.numbers(), here.books()) == ([], (0, 0))


async def test_waiters_line_up_by_age_whatever_the_order_they_come_in() -> None:
    here = Line(1)
    lanes = [here.lane(name) for name in "abcde"]
    for lane in lanes:
        lane.total = 1
        here.join(lane)
    for number in (2, 0, 4, 1, 3):
        lanes[number].total = 0
        here.line._line_up(lanes[number])
    assert here.numbers() == [1, 2, 3, 4, 5]


async def test_the_next_of_a_lane_lines_up_when_the_first_is_served() -> None:
    here = Line(2)
    a, b = here.lane("a"), here.lane("b")
    a.total = 2
    one, two = here.join(a), here.join(a)
    three = here.join(b)
    a.total = 0
    here.line._line_up(a)
    assert here.numbers() == [1, 3]
    here.line._pop(one)
    assert (two.in_line, here.numbers()) == (True, [2, 3]), "older than who has stood there all the time"
    here.line._pop(three)
    assert (here.numbers(), list(b.waiters), here.books()) == ([2], [], (1, 0))


async def test_forgetting_the_dead_leaves_the_living_in_order(here: Line) -> None:
    a, b = here.lane("a"), here.lane("b")
    waiters = [here.join((a, b)[number % 2]) for number in range(10)]
    for waiter in waiters[:7]:
        here.leave(waiter)
    assert here.books() == (10, 7)
    here.line._forget_dead()
    assert here.books() == (3, 0)
    assert here.numbers() == [8, 9, 10]
    assert [waiter.number for waiter in a.waiters] == [9]
    assert [waiter.number for waiter in b.waiters] == [8, 10]
    served: list[Any] = []
    while (waiter := here.line._next_in_line()) is not None:
        here.line._pop(waiter)
        served.append(waiter.number)
    assert served == [8, 9, 10]
