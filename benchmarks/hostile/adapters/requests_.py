"""requests (over urllib3 and http.client): blocking, HTTP/1.1. No option for the time of a whole request."""

from __future__ import annotations

import requests

from adapters import PIECE, Answer, Base, Settings


class Adapter(Base):
    distributions = ("requests", "urllib3")
    http2 = False
    total = False

    def __init__(self, settings: Settings) -> None:
        self.session = requests.Session()
        if settings.tls:
            self.session.verify = settings.cafile
        if settings.proxy:
            self.session.proxies = {"http": settings.proxy}
        self.options = {"timeout": settings.read, "allow_redirects": settings.redirects}

    def request(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> Answer:
        response = self.session.request(method, url, headers=headers, data=body, **self.options)
        return response.status_code, list(response.headers.items()), response.content

    def first_piece(self, url: str):
        response = self.session.get(url, stream=True, **self.options)
        next(response.iter_content(PIECE))
        return response.close

    def close(self) -> None:
        self.session.close()
