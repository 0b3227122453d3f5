"""wreq (Rust, after rnet): one client. It has no cap on connections, so wide loads wait on a semaphore."""

from __future__ import annotations

import asyncio
from pathlib import Path

import wreq
from wreq.blocking import Client as BlockingClient

from drivers import Driver, check


class Async(Driver):
    distributions = ("wreq",)

    def options(self) -> dict[str, object]:
        return {"tls_verify": Path(self.target.cafile)} if self.target.cafile else {}

    async def open(self) -> None:
        self.client = wreq.Client(**self.options())
        self.places = asyncio.Semaphore(self.target.connections)
        if self.target.concurrency > self.target.connections and not self.target.http2:
            self.one = self.one_at_most

    async def one(self, url: str) -> int:
        response = await self.client.get(url)
        check(response.status.as_int())
        return len(await response.bytes())

    async def one_at_most(self, url: str) -> int:
        async with self.places:
            return await Async.one(self, url)

    async def close(self) -> None:
        self.client = None


class Blocking(Async):
    def open(self) -> None:
        self.client = BlockingClient(**self.options())

    def one(self, url: str) -> int:
        response = self.client.get(url)
        check(response.status.as_int())
        return len(response.bytes())

    def close(self) -> None:
        self.client = None
