"""HyperHTTP without asyncio."""

from __future__ import annotations

import hyperhttp
from adapters import PIECE, Answer, Base, Settings
from adapters.hyperhttp_ import options


class Adapter(Base):
    distributions = ("hyperhttp",)

    def __init__(self, settings: Settings) -> None:
        self.client = hyperhttp.SyncClient(**options(settings))

    def request(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        response = self.client.request(method, url, headers=headers, content=body)
        return response.status_code, list(response.headers.multi_items()), response.content

    def first_piece(self, url: str):
        context = self.client.stream("GET", url)
        response = context.__enter__()
        next(iter(response.iter_bytes(PIECE)))
        return lambda: context.__exit__(None, None, None)

    def close(self) -> None:
        self.client.close()
