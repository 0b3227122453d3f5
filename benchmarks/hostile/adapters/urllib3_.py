"""urllib3 (over http.client): blocking, HTTP/1.1. No cookie jar; its total time does not count the content."""

from __future__ import annotations

import urllib3

from adapters import PIECE, Answer, Base, Settings


class Adapter(Base):
    distributions = ("urllib3",)
    http2 = False
    cookies = False
    total = False

    def __init__(self, settings: Settings) -> None:
        timeout = urllib3.Timeout(total=settings.total, connect=settings.read, read=settings.read)
        self.pool = urllib3.PoolManager(timeout=timeout, ca_certs=settings.cafile if settings.tls else None)
        self.redirects = settings.redirects

    def request(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        response = self.pool.request(method, url, headers=headers or None, body=body, redirect=self.redirects)
        return response.status, list(response.headers.items()), response.data

    def first_piece(self, url: str):
        response = self.pool.request("GET", url, preload_content=False)
        next(response.stream(PIECE))
        return response.close

    def close(self) -> None:
        self.pool.clear()
