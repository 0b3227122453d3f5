"""HyperHTTP as it comes: no option is set, except where the load is wider than the default limits."""

from __future__ import annotations

import hyperhttp
from drivers import CHUNK, Driver, check

DEFAULT_CONNECTIONS = 100  # Client(max_connections=...)


class Async(Driver):
    def options(self) -> dict[str, object]:
        target, options = self.target, {}
        if target.cafile:
            options["ssl_context"] = target.ssl_context()
        if target.connections > DEFAULT_CONNECTIONS:
            options["max_connections"] = options["max_keepalive_connections"] = target.connections
        return options

    async def open(self) -> None:
        self.client = hyperhttp.Client(**self.options())

    async def one(self, url: str) -> int:
        response = await self.client.get(url)
        check(response.status_code)
        return len(await response.aread())

    async def stream(self, url: str) -> int:
        length = 0
        async with self.client.stream("GET", url) as response:
            check(response.status_code)
            async for piece in response.aiter_bytes(CHUNK):
                length += len(piece)
        return length

    async def close(self) -> None:
        await self.client.close()


class AsyncSized(Async):
    """With the limits set to the load, as the other drivers' are."""

    def options(self) -> dict[str, object]:
        connections = self.target.connections
        return super().options() | {
            "max_connections": connections,
            "max_keepalive_connections": connections,
        }


class Blocking(Async):
    def open(self) -> None:
        self.client = hyperhttp.SyncClient(**self.options())

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
