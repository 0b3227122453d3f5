"""No client at all: what the standard library's share of starting up costs."""

from __future__ import annotations

from drivers import Driver


class Async(Driver):
    async def open(self) -> None:
        pass

    async def close(self) -> None:
        pass
