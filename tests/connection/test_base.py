"""What the pool needs of a connection: both kinds have all of it."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.connection import base
from hyperhttp.connection.http1 import HTTP1Connection
from hyperhttp.connection.http2 import HTTP2Connection
from tests.memory import MemoryChannel, MemoryNetwork, Releases, StubConnection, memory_lane


def test_the_four_places_are_four() -> None:
    assert len({base.NEW, base.IN_USE, base.IDLE, base.GONE}) == 4


@pytest.mark.parametrize("kind", [HTTP1Connection, HTTP2Connection])
async def test_a_connection_has_what_the_pool_looks_at(kind: Any) -> None:
    connection = kind(MemoryChannel(), MemoryNetwork(), memory_lane(), Releases())
    for name in (*base.Connection.__annotations__, "reusable", "multiplexed", "has_room", "close", "abort"):
        assert hasattr(connection, name), name
    assert connection.place == base.NEW
    assert connection.has_room()
    assert connection.reusable
    connection.close()
    assert not connection.reusable


async def test_the_stub_of_these_tests_has_it_too() -> None:
    stub = StubConnection(memory_lane(), Releases())
    for name in base.Connection.__annotations__:
        assert hasattr(stub, name), name


@pytest.mark.parametrize(
    ("place", "owner", "given_up"),
    [(base.IN_USE, None, True), (base.IN_USE, object(), False), (base.IDLE, None, False), (base.GONE, None, False)],
)
async def test_only_a_connection_in_nobodys_hands_is_given_up(place: int, owner: object, given_up: bool) -> None:
    connection = HTTP1Connection(MemoryChannel(), MemoryNetwork(), memory_lane(), Releases())  # type: ignore[arg-type]
    connection.place, connection.owner = place, owner
    base.give_up_unowned(connection)
    assert connection.channel.closed is given_up
    connection.abort()
