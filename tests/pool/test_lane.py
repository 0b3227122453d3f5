"""A lane as it begins, and what a wait was given before its owner was cancelled."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hyperhttp.connection.route import Route
from hyperhttp.network.base import NEVER
from hyperhttp.network.blocking import ThreadWait
from hyperhttp.pool.lane import NOTHING, Lane, Waiter, given_to

TLS: Any = object()


def test_a_lane_begins_empty_and_knows_where_it_leads() -> None:
    route = Route("http", "a.example", 8080)
    lane = Lane(route)
    assert (lane.route, lane.name, lane.host, lane.port) == (route, route.name, "a.example", 8080)
    assert (lane.total, lane.dialing, lane.idle, lane.shared, list(lane.waiters)) == (0, 0, [], [], [])


@pytest.mark.parametrize(
    ("options", "is_multiplexed"),
    [
        ({}, False),
        ({"http2": False}, False),
        ({"http2": True}, False),  # in clear only by prior knowledge
        ({"http2": "prior-knowledge"}, None),
        ({"tls": TLS, "http2": False}, False),
        ({"tls": TLS, "http2": True}, None),
        ({"tls": TLS, "http2": "prior-knowledge"}, None),
    ],
)
def test_only_where_http2_may_be_spoken_the_first_handshake_has_to_decide(
    options: dict[str, Any], is_multiplexed: bool | None
) -> None:
    assert Lane(Route("https", "a.example", 443, **{"http2": False, **options})).is_multiplexed is is_multiplexed


def test_two_lanes_share_nothing() -> None:
    first, second = Lane(Route("http", "a.example", 80)), Lane(Route("http", "a.example", 80))
    first.idle.append(TLS)
    first.shared.append(TLS)
    first.waiters.append(TLS)
    assert (second.idle, second.shared, len(second.waiters)) == ([], [], 0)


def test_a_waiter_stands_in_no_line_at_first() -> None:
    lane, wait = Lane(Route("http", "a.example", 80)), TLS
    waiter = Waiter(7, lane, wait, 1000.0, 5.0, NEVER)
    assert (waiter.number, waiter.lane, waiter.wait) == (7, lane, wait)
    assert (waiter.started, waiter.timeout, waiter.total_at, waiter.in_line) == (1000.0, 5.0, NEVER, False)


def expired() -> Exception:
    return TimeoutError()


@pytest.fixture(params=["future", "thread"])
async def wait(request: pytest.FixtureRequest) -> Any:
    """A wait of either face."""
    if request.param == "future":
        return asyncio.get_running_loop().create_future()
    return ThreadWait(NEVER, expired)


async def test_a_wait_that_was_given_nothing(wait: Any) -> None:
    assert given_to(wait) is NOTHING


@pytest.mark.parametrize("value", [None, "a connection"])
async def test_a_wait_that_was_given_something(wait: Any, value: Any) -> None:
    wait.set_result(value)
    assert given_to(wait) is value


async def test_a_wait_that_was_cancelled_first(wait: Any) -> None:
    wait.cancel()
    assert given_to(wait) is NOTHING
    wait.cancel()
    assert given_to(wait) is NOTHING, "to be cancelled twice is not to be given the right to open a connection"


async def test_a_wait_that_was_given_something_before_it_was_cancelled(wait: Any) -> None:
    wait.set_result("a connection")
    wait.cancel()
    assert given_to(wait) == "a connection"


async def test_a_wait_that_failed(wait: Any) -> None:
    wait.set_exception(TimeoutError())
    assert given_to(wait) is NOTHING
