"""aiohttp: one session with a connector as wide as the load."""

from __future__ import annotations

import aiohttp

from drivers import CHUNK, Driver, check


class Async(Driver):
    distributions = ("aiohttp", "yarl", "multidict")

    async def open(self) -> None:
        context = self.target.ssl_context() if self.target.tls else True
        connector = aiohttp.TCPConnector(limit=self.target.connections, ssl=context)
        self.session = aiohttp.ClientSession(connector=connector)

    async def one(self, url: str) -> int:
        async with self.session.get(url) as response:
            check(response.status)
            return len(await response.read())

    async def stream(self, url: str) -> int:
        length = 0
        async with self.session.get(url) as response:
            check(response.status)
            async for piece in response.content.iter_chunked(CHUNK):
                length += len(piece)
        return length

    async def close(self) -> None:
        await self.session.close()
