"""The small interface everything else waits on: both networks have all of it, with the same names."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import Any

import pytest

from hyperhttp.network import base
from hyperhttp.network.aio import AioNetwork
from hyperhttp.network.aio_channel import AioChannel
from hyperhttp.network.blocking import BlockingNetwork
from hyperhttp.network.blocking_channel import BlockingChannel, BlockingWait
from tests.memory import MemoryChannel, MemoryNetwork


def members(protocol: Any) -> set[str]:
    names = {name for name in vars(protocol) if not name.startswith("_")}
    return names | set(protocol.__annotations__)


@pytest.mark.parametrize("kind", [BlockingNetwork, MemoryNetwork])
def test_a_network_has_everything_a_network_has(kind: Any) -> None:
    network = kind()
    missing = {name for name in members(base.Network) if not hasattr(network, name)}
    assert not missing


async def test_so_has_the_one_of_a_loop() -> None:
    network = AioNetwork(asyncio.get_running_loop())
    missing = {name for name in members(base.Network) if not hasattr(network, name)}
    assert not missing
    await network.close()


@pytest.mark.parametrize("kind", [AioChannel, BlockingChannel, MemoryChannel])
def test_a_channel_has_everything_a_channel_has(kind: Any) -> None:
    made = MemoryChannel() if kind is MemoryChannel else kind
    missing = {name for name in members(base.Channel) if not hasattr(made, name)}
    assert missing <= ({"new_shared_wait"} if kind is MemoryChannel else set())


@pytest.mark.parametrize("kind", [AioNetwork, BlockingNetwork])
def test_what_waits_waits_on_both(kind: Any) -> None:
    for name, function in vars(base.Network).items():
        if inspect.iscoroutinefunction(function):
            assert inspect.iscoroutinefunction(getattr(kind, name)), name


def test_never_is_later_than_any_moment() -> None:
    assert base.NEVER > 1e300


def test_a_lock_can_be_held_by_one_thread_only() -> None:
    lock: Any = base.new_lock()
    seen: list[bool] = []
    with lock:
        thread = threading.Thread(target=lambda: seen.append(lock.acquire(blocking=False)))
        thread.start()
        thread.join()
    assert seen == [False]


async def test_failing_a_wait_is_safe_whether_anybody_waits_or_not() -> None:
    """Nobody may be told of an exception that was never retrieved."""
    complaints: list[Any] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: complaints.append(context))
    future = loop.create_future()
    base.fail(future, ValueError("x"))
    base.fail(future, ValueError("y"))
    base.fail(None, ValueError("z"))
    assert str(future.exception()) == "x"
    lonely = loop.create_future()
    base.fail(lonely, ValueError("nobody"))
    del lonely
    await asyncio.sleep(0)
    assert complaints == []


def test_failing_a_blocking_wait_raises_where_it_is_awaited() -> None:
    channel: Any = None
    wait: Any = BlockingWait(channel)
    base.fail(wait, ValueError("x"))
    with pytest.raises(ValueError, match="x"):
        next(wait.__await__())
