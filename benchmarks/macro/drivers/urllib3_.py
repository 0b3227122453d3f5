"""urllib3: one pool manager as wide as the load."""

from __future__ import annotations

import urllib3

from drivers import CHUNK, Driver, check


class Blocking(Driver):
    distributions = ("urllib3",)

    def open(self) -> None:
        self.pool = urllib3.PoolManager(maxsize=self.target.connections, ca_certs=self.target.cafile)

    def one(self, url: str) -> int:
        response = self.pool.request("GET", url)
        check(response.status)
        return len(response.data)

    def stream(self, url: str) -> int:
        response = self.pool.request("GET", url, preload_content=False)
        check(response.status)
        length = sum(map(len, response.stream(CHUNK)))
        response.release_conn()
        return length

    def close(self) -> None:
        self.pool.clear()
