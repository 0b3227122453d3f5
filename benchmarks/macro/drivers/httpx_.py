"""httpx: one client, limits as wide as the load, HTTP/2 through its extra (h2)."""

from __future__ import annotations

import httpx

from drivers import CHUNK, Driver, check


class Async(Driver):
    distributions = ("httpx", "httpcore", "h11", "h2")

    def options(self) -> dict[str, object]:
        target = self.target
        limits = httpx.Limits(max_connections=target.connections, max_keepalive_connections=target.connections)
        verify = target.ssl_context() if target.tls else True
        # The default of 5 s would end the wide scenarios with PoolTimeout.
        return {"limits": limits, "verify": verify, "http2": target.http2, "timeout": 120.0}

    async def open(self) -> None:
        self.client = httpx.AsyncClient(**self.options())

    async def one(self, url: str) -> int:
        response = await self.client.get(url)
        check(response.status_code)
        return len(response.content)

    async def stream(self, url: str) -> int:
        length = 0
        async with self.client.stream("GET", url) as response:
            check(response.status_code)
            async for piece in response.aiter_bytes(CHUNK):
                length += len(piece)
        return length

    async def close(self) -> None:
        await self.client.aclose()


class Blocking(Async):
    def open(self) -> None:
        self.client = httpx.Client(**self.options())

    def one(self, url: str) -> int:
        response = self.client.get(url)
        check(response.status_code)
        return len(response.content)

    def stream(self, url: str) -> int:
        length = 0
        with self.client.stream("GET", url) as response:
            check(response.status_code)
            for piece in response.iter_bytes(CHUNK):
                length += len(piece)
        return length

    def close(self) -> None:
        self.client.close()
