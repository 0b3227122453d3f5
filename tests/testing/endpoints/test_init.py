from __future__ import annotations

import pytest

from hyperhttp.testing.endpoints import default_router

# The paths of httpbin that a client's documentation and tests rely on, and our own.
PATHS = [
    "/get",
    "/post",
    "/put",
    "/patch",
    "/delete",
    "/anything",
    "/anything/{rest*}",
    "/headers",
    "/ip",
    "/user-agent",
    "/status/{codes}",
    "/response-headers",
    "/redirect/{n}",
    "/relative-redirect/{n}",
    "/absolute-redirect/{n}",
    "/redirect-to",
    "/cookies",
    "/cookies/set",
    "/cookies/set/{name}/{value}",
    "/cookies/delete",
    "/basic-auth/{user}/{password}",
    "/hidden-basic-auth/{user}/{password}",
    "/bearer",
    "/digest-auth/{qop}/{user}/{password}",
    "/digest-auth/{qop}/{user}/{password}/{algorithm}",
    "/gzip",
    "/deflate",
    "/brotli",
    "/zstd",
    "/deflate-raw",
    "/encoding/{charset}",
    "/html",
    "/json",
    "/xml",
    "/robots.txt",
    "/image/png",
    "/bytes/{n}",
    "/stream-bytes/{n}",
    "/range/{n}",
    "/stream/{n}",
    "/delay/{seconds}",
    "/drip",
    "/etag/{etag}",
    "/cache",
    "/cache/{seconds}",
    "/uuid",
    "/base64/{value}",
    "/links/{n}/{i}",
    "/forms/post",
    "/sse",
    "/upload",
    "/sha256",
    "/trailers",
    "/early-hints",
    "/expect",
    "/early-413",
    "/echo",
]


@pytest.mark.parametrize("path", PATHS)
def test_the_endpoint_is_there_and_described(path: str) -> None:
    routes = [route for route in default_router().routes if route.template == path]
    assert len(routes) == 1
    assert (routes[0].endpoint.__doc__ or "").strip()
