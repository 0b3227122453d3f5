"""niquests (over urllib3.future): blocking here. Its total time does not count the content."""

from __future__ import annotations

import niquests

from adapters import PIECE, Answer, Base, Settings


class Adapter(Base):
    distributions = ("niquests", "urllib3-future", "jh2")
    total = False

    def __init__(self, settings: Settings) -> None:
        self.session = niquests.Session()
        if settings.tls:
            self.session.verify = settings.cafile
        if settings.proxy:
            self.session.proxies = {"http": settings.proxy}
        timeout = (settings.read, settings.read, settings.total)
        self.options = {"timeout": timeout, "allow_redirects": settings.redirects}

    def request(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        response = self.session.request(method, url, headers=headers, data=body, **self.options)
        return response.status_code, list(response.headers.items()), response.content

    def first_piece(self, url: str):
        response = self.session.get(url, stream=True, **self.options)
        next(response.iter_content(PIECE))
        return response.close

    def close(self) -> None:
        self.session.close()
