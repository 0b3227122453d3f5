"""Who waits, and who is next: nobody is overtaken, nobody is forgotten, and nobody waits for what is free."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hyperhttp.connection.route import Route
from hyperhttp.exceptions import ConnectError, PoolTimeout, TotalTimeout
from hyperhttp.network.base import NEVER
from tests.memory import turns

# -- limits and the line -------------------------------------------------------------------------------------


async def test_who_comes_when_all_are_busy_waits_and_is_served_in_order(house: Any) -> None:
    here = house(max_connections=1)
    connection = await here.open(here.a)
    asking = [here.ask(here.a) for _ in range(3)]
    for each in asking:
        await turns()
        assert not each.done()
        connection.finish()
        assert await each is connection
    assert here.dialer.count == 1


async def test_the_limit_of_one_host_does_not_hold_another(house: Any) -> None:
    here = house(max_connections_per_host=1)
    await here.open(here.a)
    waiting = here.ask(here.a)
    await turns()
    assert await here.open(here.b)
    assert not waiting.done()
    waiting.cancel()


async def test_an_idle_connection_of_another_host_makes_room(house: Any) -> None:
    here = house(max_connections=1)
    old = await here.open(here.a)
    old.finish()
    await here.open(here.b)
    assert old.closings == 1
    assert here.stats() == (0, 1, 1)


async def test_a_connection_that_becomes_free_makes_room_for_an_older_waiter_of_another_host(
    house: Any,
) -> None:
    here = house(max_connections=1)
    connection = await here.open(here.a)
    older, younger = here.ask(here.b), here.ask(here.a)
    await turns()
    connection.finish()
    await turns()
    assert connection.closings == 1
    assert here.dialer.dials[0].succeed() is await older
    assert not younger.done()
    younger.cancel()


async def test_nothing_is_kept_of_a_host_that_was_evicted(house: Any) -> None:
    """A crawler visits a million hosts; lanes without connections must not stay (and show in the statistics)."""
    here = house(max_connections=1)
    for number in range(20):
        (await here.open(Route("http", f"h{number}.example", 80))).finish()
    assert len(here.pool.lanes) == 1
    assert len(here.pool.stats()) == 1


async def test_nothing_is_kept_of_a_host_whose_only_waiter_gave_up(house: Any) -> None:
    here = house(max_connections=1)
    await here.open(here.a)
    waiting = here.ask(here.b)
    await turns()
    waiting.cancel()
    await turns()
    assert set(here.pool.lanes) == {here.a}


async def test_the_pool_timeout_says_what_to_change(house: Any, clock: Any) -> None:
    here = house(max_connections=1)
    await here.open(here.a)
    asking = here.ask(here.a, timeout=2.0)
    await turns()
    (wait, deadline, _) = here.network.waits[-1]
    assert deadline == 1002.0
    clock.time += 2.0
    here.network.expire(wait)
    with pytest.raises(PoolTimeout, match=r"a\.example:80 within 2 s \(1 open, pool limit 1\)") as caught:
        await asking
    assert (caught.value.phase, caught.value.elapsed) == ("pool", 2.0)


async def test_total_that_ends_in_the_line_is_called_by_its_name(house: Any, clock: Any) -> None:
    here = house(max_connections=1)
    await here.open(here.a)
    asking = here.ask(here.a, timeout=2.0, total_at=1001.0)
    await turns()
    clock.time += 1.0
    here.network.expire(here.network.waits[-1][0])
    with pytest.raises(TotalTimeout, match="waiting for a free connection"):
        await asking


# -- what is given up -----------------------------------------------------------------------------------------


async def test_a_waiter_cancelled_after_it_was_served_passes_it_on(house: Any) -> None:
    here = house(max_connections=1)
    connection = await here.open(here.a)
    first, second = here.ask(here.a), here.ask(here.a)
    await turns()
    connection.finish()
    first.cancel()  # it has the connection already, and has not run since
    assert await second is connection


async def test_a_waiter_cancelled_after_it_may_open_passes_that_on(house: Any) -> None:
    here = house(max_connections=1)
    connection = await here.open(here.a)
    first, second = here.ask(here.a), here.ask(here.a)
    await turns()
    connection.lose()
    first.cancel()
    await turns()
    assert here.dialer.dials[0].succeed() is await second


async def test_a_cancelled_dial_frees_its_place(house: Any) -> None:
    here = house(max_connections=1)
    first, second = here.ask(here.a), here.ask(here.a)
    await turns()
    first.cancel()
    await turns()
    assert here.dialer.dials[0].succeed() is await second
    assert here.stats() == (0, 1, 1)


async def test_a_failed_dial_lets_the_next_one_try(house: Any) -> None:
    here = house(max_connections=1)
    first, second = here.ask(here.a), here.ask(here.a)
    await turns()
    here.dialer.dials[0].fail(ConnectError("refused"))
    await turns()
    with pytest.raises(ConnectError):
        await first
    assert here.dialer.dials[0].succeed() is await second


async def test_a_waiter_whose_connection_died_on_the_way_keeps_its_place_in_the_line(house: Any) -> None:
    here = house(max_connections=1)
    connection = await here.open(here.a)
    first, second = here.ask(here.a), here.ask(here.a)
    await turns()
    connection.finish()
    connection.channel.alive = False
    await turns(10)
    assert len(here.dialer.dials) == 1
    opened = here.dialer.dials[0].succeed()
    await turns()
    assert first.done(), "it asked first"
    assert first.result() is opened
    second.cancel()


async def test_a_lane_that_was_emptied_while_looking_for_a_connection_is_made_anew(house: Any) -> None:
    here = house()
    connection = await here.open(here.a)
    connection.finish()
    connection.channel.alive = False
    asking = asyncio.ensure_future(here.pool.acquire(here.pool.lane(here.a), None, None, NEVER))
    await turns()
    opened = here.dialer.dials[0].succeed()
    assert await asking is opened
    assert opened.lane is here.pool.lane(here.a)
    assert (opened.lane.total, opened.lane.dialing, here.pool._total) == (1, 0, 1)


async def test_a_waiter_that_gives_up_late_does_not_take_the_new_lane_away(house: Any) -> None:
    here = house(max_connections=1)
    held = await here.open(here.b)

    async def persistent() -> Any:
        try:
            return await here.get(here.a)
        except PoolTimeout:
            return await here.get(here.a)

    first, second = asyncio.ensure_future(persistent()), here.ask(here.a)
    await turns()
    for wait, _, _ in tuple(here.network.waits):
        here.network.expire(wait)
    await turns()
    assert isinstance(second.exception(), PoolTimeout)
    held.lose()
    await turns()
    opened = here.dialer.dials[0].succeed()
    assert await first is opened
    assert (opened.lane.total, opened.lane.dialing, here.pool._total) == (1, 0, 1)
    opened.lose()
    assert (here.pool._total, here.pool.lanes) == (0, {})


async def test_many_dead_waiters_are_forgotten_before_it_is_their_turn(house: Any) -> None:
    here = house(max_connections=1)
    await here.open(here.a)
    waiting = [here.ask(here.a) for _ in range(400)]
    await turns()
    for each in waiting[:-1]:
        each.cancel()
    await turns()
    assert len(here.pool.lane(here.a).waiters) < 200
    assert len(here.pool._line) < 200
    waiting[-1].cancel()
