"""Header fields: from the wire, from a caller, looked up, merged."""

from __future__ import annotations

from timing import case

FIELDS = [
    (b"Server", b"nginx/1.22.1"),
    (b"Date", b"Mon, 06 Jan 2025 10:00:00 GMT"),
    (b"Content-Type", b"application/json"),
    (b"Content-Length", b"200"),
    (b"Connection", b"keep-alive"),
    (b"ETag", b'"677b9a10-c8"'),
    (b"Cache-Control", b"max-age=3600, public"),
    (b"Vary", b"Accept-Encoding"),
    (b"Accept-Ranges", b"bytes"),
]
GIVEN = {
    "Accept": "application/json",
    "Authorization": "Bearer abcdefghijklmnop",
    "User-Agent": "example/1.0",
    "X-Request-Id": "4bf92f3577b34da6",
}
MORE = {"Accept": "text/html", "X-Trace": "1"}


@case("headers, from the wire and one look", "hyperhttp")
def wire():
    from hyperhttp import Headers

    return lambda: Headers.from_fields(FIELDS)["content-type"]


@case("headers, from the wire and one look", "httpx")
def httpx_wire():
    from httpx import Headers

    return lambda: Headers(FIELDS)["content-type"]


@case("headers, from the wire and one look", "multidict (C)")
def multidict_wire():
    from multidict import CIMultiDict

    return lambda: CIMultiDict([(n.decode(), v.decode("utf-8", "surrogateescape")) for n, v in FIELDS])["content-type"]


@case("headers, from the wire, nobody looks", "hyperhttp")
def unseen():
    from hyperhttp import Headers

    return lambda: Headers.from_fields(FIELDS)


@case("headers, from a mapping", "hyperhttp")
def given():
    from hyperhttp import Headers

    return lambda: Headers(GIVEN)


@case("headers, from a mapping", "httpx")
def httpx_given():
    from httpx import Headers

    return lambda: Headers(GIVEN)


@case("headers, from a mapping", "multidict (C)")
def multidict_given():
    from multidict import CIMultiDict

    return lambda: CIMultiDict(GIVEN)


@case("headers, from a mapping", "urllib3")
def urllib3_given():
    from urllib3 import HTTPHeaderDict

    return lambda: HTTPHeaderDict(GIVEN)


def looking(headers):
    def call():
        for _ in range(100):
            headers["content-type"]
            headers.get("x-missing")

    return call


@case("headers, a look that finds and one that does not", "hyperhttp", operations=100)
def look():
    from hyperhttp import Headers

    return looking(Headers.from_fields(FIELDS))


@case("headers, a look that finds and one that does not", "httpx", operations=100)
def httpx_look():
    from httpx import Headers

    return looking(Headers(FIELDS))


@case("headers, a look that finds and one that does not", "multidict (C)", operations=100)
def multidict_look():
    from multidict import CIMultiDict

    return looking(CIMultiDict([(n.decode(), v.decode()) for n, v in FIELDS]))


@case("headers, copy and update with two", "hyperhttp")
def merge():
    from hyperhttp import Headers

    return merging(Headers(GIVEN))


@case("headers, copy and update with two", "httpx")
def httpx_merge():
    from httpx import Headers

    return merging(Headers(GIVEN))


@case("headers, copy and update with two", "multidict (C)")
def multidict_merge():
    from multidict import CIMultiDict

    return merging(CIMultiDict(GIVEN))


def merging(base):
    def call():
        merged = base.copy()
        merged.update(MORE)
        return merged

    return call
