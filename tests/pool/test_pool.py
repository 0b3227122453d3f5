"""The pool's books: who is served by what, who is next, and that nothing is lost on the way."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hyperhttp.connection.base import GONE, IDLE, IN_USE
from hyperhttp.exceptions import ClientClosed
from hyperhttp.network.base import NEVER
from tests.memory import turns

# -- one connection ------------------------------------------------------------------------------------------


async def test_a_connection_that_was_given_back_is_taken_again(house: Any) -> None:
    here = house()
    connection = await here.open(here.a)
    assert here.stats() == (0, 1, 1)
    connection.finish()
    assert (here.stats(), connection.place) == ((1, 0, 1), IDLE)
    assert await here.get(here.a) is connection
    assert (here.dialer.count, connection.place) == (1, IN_USE)


async def test_the_connection_given_back_last_is_taken_first(house: Any) -> None:
    here = house()
    first, second = await here.open(here.a), await here.open(here.a)
    second.finish()
    first.finish()
    assert await here.get(here.a) is first


async def test_a_connection_that_may_not_be_used_again_is_closed(house: Any) -> None:
    here = house()
    connection = await here.open(here.a)
    connection.retired = True
    connection.finish()
    assert (connection.closings, connection.place, here.pool.lanes) == (1, GONE, {})


async def test_giving_back_twice_counts_once(house: Any) -> None:
    here = house()
    connection = await here.open(here.a)
    connection.lose()
    connection.lose()
    connection.finish()
    assert (here.pool._total, connection.closings) == (0, 1)


async def test_an_idle_connection_that_died_is_not_taken(house: Any) -> None:
    here = house()
    connection = await here.open(here.a)
    connection.finish()
    connection.channel.alive = False
    asking = here.ask(here.a)
    await turns()
    assert connection.closings == 1
    assert here.dialer.dials[0].succeed() is await asking


async def test_an_idle_connection_that_is_closed_leaves_the_books(house: Any) -> None:
    here = house()
    connection = await here.open(here.a)
    connection.finish()
    connection.lose()
    assert (here.stats(), here.pool.lanes, here.pool._idle_lanes) == ((0, 0, 0), {}, {})


async def test_a_fresh_connection_is_opened_after_a_stale_one_and_its_neighbours_go(house: Any) -> None:
    here = house()
    neighbours = [await here.open(here.a) for _ in range(3)]
    for each in neighbours:
        each.finish()
    asking = asyncio.ensure_future(here.pool.open(here.pool.lane(here.a), None, None, NEVER))
    await turns()
    assert [each.closings for each in neighbours] == [1, 1, 1]
    assert here.dialer.dials[0].succeed() is await asking
    assert here.stats() == (0, 1, 1)


# -- time ----------------------------------------------------------------------------------------------------


async def test_an_idle_connection_expires(house: Any, clock: Any) -> None:
    here = house(keepalive_expiry=5.0)
    connection = await here.open(here.a)
    connection.finish()
    clock.time += 5.0
    here.network.run_timers(clock.time)
    assert (connection.closings, here.stats(), here.network.timers) == (1, (0, 0, 0), [])


async def test_an_expired_connection_is_not_taken_even_if_no_timer_ran(house: Any, clock: Any) -> None:
    here = house(keepalive_expiry=5.0)
    connection = await here.open(here.a)
    connection.finish()
    clock.time += 5.0
    assert here.pool.take(here.pool.lane(here.a), clock.time) is None
    assert connection.closings == 1


async def test_a_connection_past_its_age_is_retired_after_its_exchange(house: Any, clock: Any) -> None:
    here = house(max_connection_age=60.0)
    connection = await here.open(here.a)
    clock.time = connection.read_at = 1059.0
    connection.finish()
    assert connection.expires_at == 1060.0, "its age ends it before keepalive_expiry"
    assert await here.get(here.a) is connection
    clock.time = connection.read_at = 1061.0
    connection.finish()
    assert (connection.closings, here.stats()) == (1, (0, 0, 0))


async def test_idle_connections_beyond_those_to_keep_go_soon(house: Any, clock: Any) -> None:
    here = house(max_keepalive_connections=1)
    first, second = await here.open(here.a), await here.open(here.a)
    first.finish()
    second.finish()
    assert here.stats() == (2, 0, 2), "for a moment: with more requests at a time they are wanted again"
    clock.time += 1.5
    here.network.run_timers(clock.time)
    assert (first.closings, second.closings) == (1, 0), "the one that was used longest ago"


async def test_with_none_to_keep_each_is_closed_at_once(house: Any) -> None:
    here = house(max_keepalive_connections=0)
    connection = await here.open(here.a)
    connection.finish()
    assert (connection.closings, here.stats()) == (1, (0, 0, 0))


async def test_bursts_do_not_pile_up_sweeps(house: Any, clock: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each burst asks for a sooner sweep; what it takes the place of must not go on beside it for ever."""
    here = house(max_keepalive_connections=1, keepalive_expiry=10.0)
    sweeps: list[float] = []
    plain = here.pool.sweep
    monkeypatch.setattr(here.pool, "sweep", lambda: (sweeps.append(clock.time), plain()))
    for _ in range(50):
        for each in [await here.open(here.a) for _ in range(3)]:
            each.read_at = clock.time
            each.finish()
        clock.time += 2.0
        here.network.run_timers(clock.time)
    assert len(here.network.timers) <= 10, "no more than one per burst within keepalive_expiry"
    assert len(sweeps) <= 100, "two per burst: of the surplus, and of the rest"


# -- connections that many share ------------------------------------------------------------------------------


async def test_a_burst_to_an_unknown_host_makes_one_handshake(house: Any) -> None:
    here = house()
    asking = [here.ask(here.c) for _ in range(100)]
    await turns()
    assert len(here.dialer.dials) == 1
    connection = here.dialer.dials[0].succeed(multiplexed=True)
    assert {id(each) for each in await asyncio.gather(*asking)} == {id(connection)}
    assert (connection.in_use, here.dialer.count) == (100, 1)
    assert here.pool.stats() == {"c.example:443": {"idle": 0, "in_use": 1, "total": 1, "streams": 100}}


async def test_when_the_handshake_decides_for_http1_all_others_may_open(house: Any) -> None:
    here = house(max_connections=3)
    asking = [here.ask(here.c) for _ in range(4)]
    await turns()
    here.dialer.dials[0].succeed()
    await turns()
    assert len(here.dialer.dials) == 2
    for each in asking:
        each.cancel()


async def test_who_waited_for_the_handshake_may_open_in_place_of_an_idle_connection(house: Any) -> None:
    here = house(max_connections=2)
    idle = await here.open(here.b)
    first, second = here.ask(here.c), here.ask(here.c)
    await turns()
    idle.finish()
    here.dialer.dials[0].succeed()
    await turns()
    assert first.done()
    assert idle.closings == 1
    assert here.dialer.dials[0].succeed() is await second


async def test_a_full_connection_lets_the_rest_wait_in_order_and_open_another(house: Any) -> None:
    here = house(max_connections_per_host=1)
    connection = await here.open(here.c, multiplexed=True, capacity=2)
    second = await here.get(here.c)
    assert second is connection
    third, fourth = here.ask(here.c), here.ask(here.c)
    await turns()
    connection.finish()
    await turns()
    assert (third.done(), fourth.done(), connection.in_use) == (True, False, 2)
    connection.change(capacity=3)
    assert await fourth is connection
    assert connection.in_use == 3


async def test_the_rest_of_a_burst_waits_until_the_peer_has_said_how_many_it_takes(house: Any) -> None:
    here = house()
    asking = [here.ask(here.c) for _ in range(4)]
    await turns()
    connection = here.dialer.dials[0].succeed(multiplexed=True, settled=False)
    await turns()
    assert [each.done() for each in asking] == [True, False, False, False]
    connection.change(capacity=2)
    await turns()
    assert [each.done() for each in asking] == [True, True, False, False]
    assert len(here.dialer.dials) == 1, "now it is known that one is not enough"
    for each in asking:
        each.cancel()


async def test_a_connection_that_goes_before_its_peer_has_spoken_holds_nobody_back(house: Any) -> None:
    here = house(max_connections=2)
    full = await here.open(here.c, multiplexed=True, capacity=1)
    unsettled = await here.open(here.c, multiplexed=True, settled=False)
    unsettled.finish()
    assert (await here.open(here.b)).lane.route is here.b
    assert unsettled.closings == 1, "it made room"
    waiting = here.ask(here.c)
    await turns()
    full.lose()
    await turns()
    assert len(here.dialer.dials) == 1
    assert here.dialer.dials[0].succeed(multiplexed=True) is await waiting


async def test_a_lowered_limit_holds_new_exchanges_back_and_ends_none(house: Any) -> None:
    here = house(max_connections_per_host=1)
    connection = await here.open(here.c, multiplexed=True)
    assert await here.get(here.c) is connection
    connection.change(capacity=1)
    asking = here.ask(here.c)
    await turns()
    connection.finish()
    await turns()
    assert not asking.done()
    connection.finish()
    assert await asking is connection


async def test_a_connection_that_goes_away_finishes_its_exchanges_and_a_new_one_is_opened(house: Any) -> None:
    here = house()
    old = await here.open(here.c, multiplexed=True)
    assert await here.get(here.c) is old
    old.change(retired=True)
    new = await here.open(here.c, multiplexed=True)
    old.finish()
    assert (new is old, old.closings) == (False, 0)
    old.finish()
    assert (old.closings, here.stats()) == (1, (0, 1, 1))


async def test_a_peer_that_allows_no_exchange_at_all_does_not_upset_the_books(house: Any) -> None:
    here = house(max_connections_per_host=1)
    connection = await here.open(here.c, multiplexed=True)
    connection.change(capacity=0)
    asking = here.ask(here.c)
    await turns()
    connection.finish()
    await turns()
    assert connection.in_use == 0, "nobody got what is not there"
    assert not asking.done() or asking.result() is not connection
    asking.cancel()


async def test_a_shared_connection_is_idle_when_its_last_exchange_ends(house: Any) -> None:
    here = house()
    connection = await here.open(here.c, multiplexed=True)
    assert await here.get(here.c) is connection
    connection.finish()
    assert here.stats() == (0, 1, 1)
    connection.finish()
    assert (here.stats(), here.pool.lane(here.c).shared, connection.place) == ((1, 0, 1), [], IDLE)
    assert await here.get(here.c) is connection
    assert (connection.in_use, connection.place) == (1, IN_USE)


# -- the end -------------------------------------------------------------------------------------------------


async def test_closing_ends_the_idle_the_busy_the_dialing_and_the_waiting(house: Any) -> None:
    here = house(max_connections=3)
    idle, busy = await here.open(here.a), await here.open(here.b)
    idle.finish()
    here.network.watch.busy.add(busy)
    asking = [here.ask(here.b) for _ in range(4)]
    await turns()
    assert (len(here.dialer.dials), idle.closings) == (2, 1), "the idle one made room for the second"
    dials = list(here.dialer.dials)
    await here.pool.close()
    late = [dial.succeed() for dial in dials]
    for each in asking:
        with pytest.raises(ClientClosed):
            await each
    assert [each.closings for each in (busy, *late)] == [1, 1, 1]
    assert (here.network.is_closed, here.pool._total, here.stats()) == (True, 0, (0, 0, 0))


async def test_a_closed_pool_refuses(house: Any) -> None:
    here = house()
    await here.pool.close()
    with pytest.raises(ClientClosed):
        await here.get(here.a)


async def test_a_connection_given_back_to_a_closed_pool_is_closed(house: Any) -> None:
    here = house()
    connection = await here.open(here.a)
    here.pool.shut()
    connection.finish()
    assert (connection.closings, here.pool._total) == (1, 0)
