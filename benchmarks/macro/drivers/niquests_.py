"""niquests: one session. Not `multiplexed=True`, which is 10 to 20 % slower here, on HTTP/2 too."""

from __future__ import annotations

import niquests

from drivers import CHUNK, Driver, check


class Async(Driver):
    distributions = ("niquests", "urllib3-future", "jh2")

    def options(self) -> dict[str, object]:
        return {"pool_maxsize": self.target.connections, "disable_http3": True}

    async def open(self) -> None:
        self.session = niquests.AsyncSession(**self.options())
        if self.target.cafile:
            self.session.verify = self.target.cafile

    async def one(self, url: str) -> int:
        response = await self.session.get(url)
        check(response.status_code)
        return len(response.content)

    async def stream(self, url: str) -> int:
        length = 0
        async with await self.session.get(url, stream=True) as response:
            check(response.status_code)
            async for piece in await response.iter_content(CHUNK):
                length += len(piece)
        return length

    async def close(self) -> None:
        await self.session.close()


class Blocking(Async):
    def open(self) -> None:
        self.session = niquests.Session(**self.options())
        if self.target.cafile:
            self.session.verify = self.target.cafile

    def one(self, url: str) -> int:
        response = self.session.get(url)
        check(response.status_code)
        return len(response.content)

    def stream(self, url: str) -> int:
        with self.session.get(url, stream=True) as response:
            check(response.status_code)
            return sum(map(len, response.iter_content(CHUNK)))

    def close(self) -> None:
        self.session.close()
