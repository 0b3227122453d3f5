"""primp (Rust): one client. It has no cap on connections, so wide loads wait on a semaphore."""

from __future__ import annotations

import asyncio

import primp

from drivers import Driver, check


class Async(Driver):
    distributions = ("primp",)

    async def open(self) -> None:
        self.client = primp.AsyncClient(ca_cert_file=self.target.cafile)
        self.places = asyncio.Semaphore(self.target.connections)
        if self.target.concurrency > self.target.connections and not self.target.http2:
            self.one = self.one_at_most

    async def one(self, url: str) -> int:
        response = await self.client.get(url)
        check(response.status_code)
        return len(await response.aread())

    async def one_at_most(self, url: str) -> int:
        async with self.places:
            return await Async.one(self, url)

    async def close(self) -> None:
        self.client = None


class Blocking(Driver):
    distributions = ("primp",)

    def open(self) -> None:
        self.client = primp.Client(ca_cert_file=self.target.cafile)

    def one(self, url: str) -> int:
        response = self.client.get(url)
        check(response.status_code)
        return len(response.content)

    def close(self) -> None:
        self.client = None
