"""requests: one session, an adapter as wide as the load."""

from __future__ import annotations

import requests
from requests.adapters import HTTPAdapter

from drivers import CHUNK, Driver, check


class Blocking(Driver):
    distributions = ("requests", "urllib3")

    def open(self) -> None:
        self.session = requests.Session()
        for prefix in ("http://", "https://"):
            self.session.mount(prefix, HTTPAdapter(pool_maxsize=self.target.connections))
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
