"""A pool with what it needs, and users of it; a test moves the clock."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from hyperhttp.config import Limits
from hyperhttp.connection.route import Route
from hyperhttp.network.base import NEVER
from hyperhttp.pool import lane as lane_module
from hyperhttp.pool import pool as pool_module
from hyperhttp.pool.pool import ConnectionPool
from tests.memory import HandDialer, MemoryNetwork, StubConnection, turns

TLS: Any = object()  # a route with TLS may turn out to be multiplexed


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(pool_module, "_now", clock)
    monkeypatch.setattr(lane_module, "_now", clock)
    return clock


class House:
    """A pool with what it needs, and users of it."""

    def __init__(self, clock: Clock, **limits: Any) -> None:
        self.clock = clock
        self.network = MemoryNetwork()
        self.dialer = HandDialer()
        self.pool = ConnectionPool(self.network, self.dialer, Limits(**limits))
        self.a = Route("http", "a.example", 80)
        self.b = Route("http", "b.example", 80)
        self.c = Route("https", "c.example", 443, tls=TLS, http2=True)

    async def get(self, route: Route, *, timeout: float | None = None, total_at: float = NEVER) -> Any:
        """A connection, as the last stage of the pipeline takes it."""
        lane = self.pool.lane(route)
        connection = self.pool.take(lane, self.clock.time)
        return connection or await self.pool.acquire(lane, timeout, None, total_at)

    def ask(self, route: Route, **options: Any) -> asyncio.Task[Any]:
        return asyncio.ensure_future(self.get(route, **options))

    async def open(self, route: Route, **options: Any) -> StubConnection:
        """A connection opened for a request that has it now."""
        asking = self.ask(route)
        await turns()
        if not asking.done():
            self.dialer.dials[-1].succeed(now=self.clock.time, **options)
        return await asking

    def stats(self) -> tuple[int, int, int]:
        """Idle, in use, total over all lanes."""
        rows = self.pool.stats().values()
        return tuple(sum(row[key] for row in rows) for key in ("idle", "in_use", "total"))  # type: ignore[return-value]


@pytest.fixture
def house(clock: Clock) -> Any:
    return lambda **limits: House(clock, **limits)
