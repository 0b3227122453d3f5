"""pycurl (C: libcurl): a handle per thread, for handles must not be shared."""

from __future__ import annotations

import pycurl

from drivers import Driver, check


class Blocking(Driver):
    distributions = ("pycurl",)
    per_worker = True

    def open(self) -> None:
        target, self.curl = self.target, pycurl.Curl()
        if target.cafile:
            self.curl.setopt(pycurl.CAINFO, target.cafile)
        version = pycurl.CURL_HTTP_VERSION_2TLS if target.http2 else pycurl.CURL_HTTP_VERSION_1_1
        self.curl.setopt(pycurl.HTTP_VERSION, version)

    def one(self, url: str) -> int:
        self.curl.setopt(pycurl.URL, url)
        body = self.curl.perform_rb()
        check(self.curl.getinfo(pycurl.RESPONSE_CODE))
        return len(body)

    def stream(self, url: str) -> int:
        lengths = [0]

        def write(piece: bytes) -> None:
            lengths[0] += len(piece)

        self.curl.setopt(pycurl.URL, url)
        self.curl.setopt(pycurl.WRITEFUNCTION, write)
        self.curl.perform()
        check(self.curl.getinfo(pycurl.RESPONSE_CODE))
        return lengths[0]

    def close(self) -> None:
        self.curl.close()
