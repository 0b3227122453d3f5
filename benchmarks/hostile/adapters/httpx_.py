"""httpx: asyncio. It has no option for the time of a whole request."""

from __future__ import annotations

import httpx

from adapters import PIECE, Answer, Base, Settings


class Adapter(Base):
    distributions = ("httpx", "httpcore", "h11", "h2")
    is_async = True
    total = False

    def __init__(self, settings: Settings) -> None:
        self.client = httpx.AsyncClient(
            timeout=settings.read,
            verify=settings.context() if settings.tls else True,
            http2=settings.http2,
            follow_redirects=settings.redirects,
            proxy=settings.proxy or None,
        )

    async def request(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        response = await self.client.request(method, url, headers=headers, content=body)
        return response.status_code, list(response.headers.multi_items()), response.content

    async def first_piece(self, url: str):
        context = self.client.stream("GET", url)
        response = await context.__aenter__()
        await anext(aiter(response.aiter_bytes(PIECE)))
        return lambda: context.__aexit__(None, None, None)

    async def close(self) -> None:
        await self.client.aclose()
