"""aiohttp: asyncio, HTTP/1.1."""

from __future__ import annotations

import aiohttp

from adapters import PIECE, Answer, Base, Settings


class Adapter(Base):
    distributions = ("aiohttp", "yarl", "multidict")
    is_async = True
    http2 = False

    def __init__(self, settings: Settings) -> None:
        timeout = aiohttp.ClientTimeout(
            total=settings.total, connect=settings.read, sock_connect=settings.read, sock_read=settings.read
        )
        connector = aiohttp.TCPConnector(ssl=settings.context() if settings.tls else True)
        self.session = aiohttp.ClientSession(timeout=timeout, connector=connector)
        self.options = {"allow_redirects": settings.redirects, "proxy": settings.proxy or None}

    async def request(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        async with self.session.request(method, url, headers=headers, data=body, **self.options) as response:
            content = await response.read()
            return response.status, list(response.headers.items()), content

    async def first_piece(self, url: str):
        context = self.session.get(url)
        response = await context.__aenter__()
        await response.content.read(PIECE)
        return lambda: context.__aexit__(None, None, None)

    async def close(self) -> None:
        await self.session.close()
