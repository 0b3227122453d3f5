"""http.client of the standard library: a connection per thread, for it knows no pool."""

from __future__ import annotations

import http.client

from drivers import CHUNK, Driver, check


class Blocking(Driver):
    per_worker = True

    def open(self) -> None:
        target = self.target
        if target.tls:
            context = target.ssl_context()
            self.connection = http.client.HTTPSConnection("127.0.0.1", target.port, context=context)
        else:
            self.connection = http.client.HTTPConnection("127.0.0.1", target.port)
        self.prefix = len(target.base)

    def one(self, url: str) -> int:
        self.connection.request("GET", url[self.prefix :])
        response = self.connection.getresponse()
        check(response.status)
        return len(response.read())

    def stream(self, url: str) -> int:
        self.connection.request("GET", url[self.prefix :])
        response = self.connection.getresponse()
        check(response.status)
        return sum(map(len, iter(lambda: response.read(CHUNK), b"")))

    def close(self) -> None:
        self.connection.close()
