"""pyreqwest (Rust: reqwest, hyper): asyncio."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from pyreqwest.client import ClientBuilder
from pyreqwest.proxy import ProxyBuilder

from adapters import PIECE, Answer, Base, Settings


class Adapter(Base):
    distributions = ("pyreqwest",)
    is_async = True

    def __init__(self, settings: Settings) -> None:
        read, total = timedelta(seconds=settings.read), timedelta(seconds=settings.total)
        builder = ClientBuilder().timeout(total).read_timeout(read).connect_timeout(read).pool_timeout(read)
        builder = builder.default_cookie_store(True).follow_redirects(settings.redirects)
        if settings.tls:
            builder = builder.add_root_certificate_pem(Path(settings.cafile).read_bytes())
        if settings.http2:
            builder = builder.http2(True)
        if settings.proxy:
            builder = builder.proxy(ProxyBuilder.http(settings.proxy))
        self.client = builder.build()

    async def request(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        builder = self.client.request(method, url).headers(headers)
        response = await (builder if body is None else builder.body_bytes(body)).build().send()
        content = bytes(await response.bytes())
        return response.status, [(str(name), str(value)) for name, value in response.headers.items()], content

    async def first_piece(self, url: str):
        context = self.client.get(url).build_streamed()
        response = await context.__aenter__()
        await response.body_reader.read(PIECE)
        return lambda: context.__aexit__(None, None, None)

    async def close(self) -> None:
        await self.client.close()
