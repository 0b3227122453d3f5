"""HyperHTTP, on asyncio."""

from __future__ import annotations

import hyperhttp
from adapters import PIECE, Answer, Base, Settings


def options(settings: Settings) -> dict[str, object]:
    """Options of a client."""
    given: dict[str, object] = {"timeout": hyperhttp.Timeout(settings.read, total=settings.total)}
    if settings.tls:
        given["verify"] = settings.cafile
    if settings.redirects:
        # `True` stays away from http after https, and that would be no test of what is sent there.
        given["follow_redirects"] = "downgrade" if settings.tls else True
    if settings.proxy:
        given["proxies"] = settings.proxy
    return given


class Adapter(Base):
    distributions = ("hyperhttp",)
    is_async = True

    def __init__(self, settings: Settings) -> None:
        self.client = hyperhttp.Client(**options(settings))

    async def request(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        response = await self.client.request(method, url, headers=headers, content=body)
        content = await response.aread()
        return response.status_code, list(response.headers.multi_items()), content

    async def first_piece(self, url: str):
        context = self.client.stream("GET", url)
        response = await context.__aenter__()
        await anext(aiter(response.aiter_bytes(PIECE)))
        return lambda: context.__aexit__(None, None, None)

    async def close(self) -> None:
        await self.client.close()
