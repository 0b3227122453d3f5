"""aiosonic: one client, a pool as wide as the load, connections not recycled after 1000 requests."""

from __future__ import annotations

import aiosonic
from aiosonic.connectors import TCPConnector
from aiosonic.pools import PoolConfig
from aiosonic.timeout import Timeouts

from drivers import Driver, check


class Async(Driver):
    distributions = ("aiosonic",)

    async def open(self) -> None:
        target = self.target
        self.options = {"ssl": target.ssl_context()} if target.tls else {}
        config = PoolConfig(size=target.connections, max_conn_requests=None)
        # The default of 60 s for a whole request would end the wide scenarios.
        timeouts = Timeouts(request_timeout=600)
        connector = TCPConnector(pool_configs={":default": config}, timeouts=timeouts, http2=target.http2)
        self.client = aiosonic.HTTPClient(connector, http2=target.http2)

    async def one(self, url: str) -> int:
        response = await self.client.get(url, **self.options)
        check(response.status_code)
        return len(await response.content())

    async def close(self) -> None:
        await self.client.connector.cleanup()
