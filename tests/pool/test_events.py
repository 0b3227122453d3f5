"""What listeners of a pool are told, and that none of them can do harm."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from hyperhttp.message.timing import ConnectionInfo
from hyperhttp.pool.events import CLOSED, OPENED, REUSED, ConnectionEvent, tell
from tests.memory import StubConnection, memory_lane


@pytest.mark.parametrize("kind", [OPENED, REUSED, CLOSED])
@pytest.mark.parametrize(("multiplexed", "version"), [(False, "HTTP/1.1"), (True, "HTTP/2")])
def test_an_event_names_kind_origin_and_version(kind: str, multiplexed: bool, version: str) -> None:
    heard: list[ConnectionEvent] = []
    tell((heard.append,), kind, StubConnection(memory_lane("h.example", "https"), None, multiplexed=multiplexed))
    assert heard == [ConnectionEvent(kind, "h.example", 443, version)]
    assert (heard[0].kind, heard[0].host, heard[0].port, heard[0].http_version) == (kind, "h.example", 443, version)


def test_every_listener_hears_the_same_event_in_order() -> None:
    heard: list[Any] = []
    listeners = (lambda event: heard.append((1, event)), lambda event: heard.append((2, event)))
    tell(listeners, OPENED, StubConnection(memory_lane(), None))
    assert [number for number, _ in heard] == [1, 2]
    assert heard[0][1] is heard[1][1]


def test_a_listener_that_fails_is_logged_and_the_others_still_hear(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: ConnectionEvent) -> None:
        raise KeyError("of the listener")

    heard: list[ConnectionEvent] = []
    with caplog.at_level(logging.ERROR, logger="hyperhttp"):
        tell((broken, heard.append), CLOSED, StubConnection(memory_lane("h.example"), None))
    assert [event.kind for event in heard] == ["closed"]
    assert [(record.name, record.levelname) for record in caplog.records] == [("hyperhttp", "ERROR")]
    assert "h.example" in caplog.text
    assert "KeyError: 'of the listener'" in caplog.text


def test_what_is_no_error_of_the_listener_comes_out() -> None:
    def interrupted(_: ConnectionEvent) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tell((interrupted,), OPENED, StubConnection(memory_lane(), None))


async def test_a_pool_tells_of_each_connection_that_opens_and_closes_once(house: Any) -> None:
    here = house(max_keepalive_connections=1)
    heard: list[ConnectionEvent] = []
    here.pool.listeners = (heard.append,)
    first, second = await here.open(here.a), await here.open(here.b)
    assert [(event.kind, event.host, event.http_version) for event in heard] == [
        ("opened", "a.example", "HTTP/1.1"),
        ("opened", "b.example", "HTTP/1.1"),
    ]
    heard.clear()
    first.finish()
    assert heard == []
    first.lose()
    first.lose()
    second.lose()
    second.finish()
    assert [(event.kind, event.host) for event in heard] == [("closed", "a.example"), ("closed", "b.example")]


async def test_a_pool_that_closes_tells_of_its_idle_connections(house: Any) -> None:
    here = house()
    heard: list[ConnectionEvent] = []
    here.pool.listeners = (heard.append,)
    connection = await here.open(here.a)
    connection.finish()
    await here.pool.close()
    assert [event.kind for event in heard] == ["opened", "closed"]


async def test_a_pool_tells_those_who_ask_that_a_connection_has_nothing_to_do(house: Any) -> None:
    here = house(max_keepalive_connections=1)
    heard: list[str] = []
    here.pool.listeners = here.pool.idlers = (lambda event: heard.append(f"{event.host} {event.kind}"),)
    first = await here.open(here.a)
    here.pool.release(first)
    assert here.pool.take(first.lane, 0.0) is first
    here.pool.release(first)
    await here.pool.close()
    assert heard == ["a.example opened", "a.example idle", "a.example idle", "a.example closed"]


def test_an_event_says_what_is_known_of_the_connection() -> None:
    connection: Any = StubConnection(memory_lane("h.example", "https"), None)
    connection.info = ConnectionInfo(7, "192.0.2.1", "http://proxy:3128", "TLSv1.3", "h2", 0.1, 0.2, 0.3)
    connection.uses = 4
    heard: list[ConnectionEvent] = []
    tell((heard.append,), CLOSED, connection)
    (event,) = heard
    assert event[4:] == (7, "192.0.2.1", "http://proxy:3128", "TLSv1.3", "h2", 0.1, 0.2, 0.3, 4)


@pytest.mark.parametrize(
    ("kind", "heard"), [(OPENED, ["hook", "listener"]), (CLOSED, ["hook", "listener"]), (REUSED, ["listener"])]
)
def test_hooks_hear_before_listeners_and_only_of_what_they_are_for(kind: str, heard: list[str]) -> None:
    told: list[str] = []

    def hook(_: Any) -> None:
        told.append("hook")

    hooks = {"connect": [hook], "close": [hook]}
    tell((lambda _: told.append("listener"),), kind, StubConnection(memory_lane(), None), hooks)
    assert told == heard


def test_an_async_listener_is_logged_and_not_forgotten_awaiting(caplog: pytest.LogCaptureFixture) -> None:
    async def waits(_: Any) -> None: ...

    tell((waits,), OPENED, StubConnection(memory_lane(), None))
    assert "must be plain functions" in caplog.text
