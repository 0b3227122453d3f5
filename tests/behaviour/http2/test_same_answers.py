"""The same request gets the same response, whether it travels in HTTP/1.1, in TLS, or in HTTP/2."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Headers

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.testing.origin import Origin

WIRES = ("HTTP/1.1", "HTTP/1.1 over TLS", "HTTP/2 over TLS", "HTTP/2 in clear")


@pytest.fixture
def h2_origin(hyperhttp_http2_origin: Origin) -> Any:
    """The HTTP/2 origin of the run, with nothing left of earlier tests."""
    hyperhttp_http2_origin.clear()
    yield hyperhttp_http2_origin
    hyperhttp_http2_origin.drop_connections()
    assert hyperhttp_http2_origin.errors == []


def url_and_options(origin: Origin, wire: str) -> tuple[str, dict[str, Any]]:
    """Where to, and how."""
    options: dict[str, Any] = {"timeout": 5, "user_agent": "same"}
    if "TLS" in wire:
        options["ssl_context"] = origin.ssl_context()
    options["http2"] = {"HTTP/2 over TLS": True, "HTTP/2 in clear": "prior-knowledge"}.get(wire, False)
    return (origin.https_url if "TLS" in wire else origin.url), options


REQUESTS: dict[str, tuple[str, str, Callable[[Any], dict[str, Any]]]] = {
    "get": ("GET", "/get?a=1&b=%C3%A4", lambda face: {}),
    "fields": ("GET", "/headers", lambda face: {"headers": [("X-Two", "a"), ("X-Two", "b"), ("X-Empty", "")]}),
    "cookies": ("GET", "/cookies", lambda face: {"cookies": {"a": "1", "b": "2"}}),
    "basic": ("GET", "/basic-auth/user/secret", lambda face: {"auth": ("user", "secret")}),
    "bytes": ("POST", "/post", lambda face: {"content": b"some bytes"}),
    "text": ("PUT", "/put", lambda face: {"content": "t\u00e4xt"}),
    "nothing": ("POST", "/post", lambda face: {}),
    "empty": ("POST", "/post", lambda face: {"content": b""}),
    "json": ("POST", "/post", lambda face: {"json": {"a": [1, None, "\u00e4"]}}),
    "form": ("POST", "/post", lambda face: {"data": {"a": "1", "b": "& ="}}),
    "pieces": ("POST", "/echo", lambda face: {"content": face.pieces(b"one", b"two", b"three")}),
    "file": ("PATCH", "/patch", lambda face: {"content": io.BytesIO(b"file content")}),
    "large": ("POST", "/sha256", lambda face: {"content": b"large" * 200_000}),
    "delete": ("DELETE", "/delete", lambda face: {}),
    "options": ("OPTIONS", "/get", lambda face: {}),
    "head": ("HEAD", "/bytes/1000?seed=1", lambda face: {}),
    "no content": ("GET", "/status/204", lambda face: {}),
    "not modified": ("GET", "/range/10", lambda face: {"headers": {"If-None-Match": '"range10"'}}),
    "partial": ("GET", "/range/100", lambda face: {"headers": {"Range": "bytes=10-19"}}),
    "an error": ("GET", "/status/418", lambda face: {}),
    "random": ("GET", "/bytes/200000?seed=1", lambda face: {}),
    "without a length": ("GET", "/stream-bytes/200000?seed=1", lambda face: {}),
    "gzip": ("GET", "/coded/gzip?numbytes=5000", lambda face: {}),
    "two codings": ("GET", "/coded/gzip,deflate?numbytes=5000", lambda face: {}),
    "lines": ("GET", "/stream/5", lambda face: {}),
    "trailers": ("GET", "/trailers?X-More=yes", lambda face: {}),
    "early hints": ("GET", "/early-hints?count=3", lambda face: {}),
    "redirects": ("GET", "/redirect/3", lambda face: {"follow_redirects": True}),
    "a redirect": ("GET", "/redirect/1", lambda face: {}),
    "set-cookie": ("GET", "/response-headers?Set-Cookie=a%3D1&Set-Cookie=b%3D2", lambda face: {}),
}
#: Response fields that tell one moment, connection or wire from another.
VOLATILE = {"date", "connection", "keep-alive", "transfer-encoding", "content-length"}


def plain(content: bytes, url: str) -> bytes:
    """Content without what names its own origin."""
    host = url.split("//")[1]
    return (
        content.replace(url.encode(), b"<origin>")
        .replace(host.encode(), b"<host>")
        .replace(b'"Transfer-Encoding": "chunked"', b"")
        .replace(b'"::1"', b'"127.0.0.1"')
    )


async def seen_by(face: Any, origin: Origin, wire: str, name: str) -> dict[str, Any]:
    """What a caller gets to see."""
    method, path, make = REQUESTS[name]
    url, options = url_and_options(origin, wire)
    async with face.client(**options) as client:
        response = await client.request(method, url + path, **make(face))
        content = await client.read(response)
        assert response.http_version == wire.split(" ", maxsplit=1)[0]
        return {
            "status": response.status_code,
            "fields": sorted(
                (key.lower(), value.replace(url, "<origin>"))
                for key, value in response.headers.multi_items()
                if key.lower() not in VOLATILE
            ),
            "content": content if method == "HEAD" or name in ("random", "without a length") else None,
            "text": sorted(line.strip(b", ") for line in plain(content, url).splitlines() if line.strip(b", ")),
            "path": response.url.path,
            "history": [step.status_code for step in response.history],
            "trailers": sorted((key.lower(), value) for key, value in (response.trailers or Headers()).multi_items()),
            "cookies": dict(client.raw.cookies),
            "charset": response.encoding,
        }


@pytest.mark.parametrize("name", REQUESTS)
async def test_every_wire_gives_the_same_response(face: Any, h2_origin: Origin, name: str) -> None:
    expected = await seen_by(face, h2_origin, WIRES[0], name)
    for wire in WIRES[1:]:
        assert await seen_by(face, h2_origin, wire, name) == expected, wire


@pytest.mark.parametrize("name", REQUESTS)
async def test_every_wire_sends_the_same_request(face: Any, h2_origin: Origin, name: str) -> None:
    method, path, make = REQUESTS[name]
    sent = []
    for wire in WIRES:
        url, options = url_and_options(h2_origin, wire)
        h2_origin.clear()
        async with face.client(**options) as client:
            await client.read(await client.request(method, url + path, **make(face)))
        sent.append(
            [
                (
                    request.method,
                    request.target,
                    sorted(
                        (key.lower(), value.replace(url.split("//")[1], "<host>"))
                        for key, value in request.headers.raw
                        if key.lower() not in {"connection", "transfer-encoding"}
                    ),
                    request.body,
                )
                for request in h2_origin.requests
            ]
        )
    assert sent[1:] == sent[:1] * 3


FAULTS: dict[str, type[hyperhttp.HyperHTTPError]] = {
    "reset": hyperhttp.TransportError,
    "close-before-response": hyperhttp.TransportError,
    "truncate": hyperhttp.TransportError,
    "short-content": hyperhttp.RemoteProtocolError,
    "garbage": hyperhttp.RemoteProtocolError,
    "interim-flood": hyperhttp.RemoteProtocolError,
    "stall-head": hyperhttp.ReadTimeout,
    "stall-body": hyperhttp.ReadTimeout,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("wire", WIRES)
async def test_every_wire_reports_the_same_faults(face: Any, h2_origin: Origin, wire: str, fault: str) -> None:
    url, options = url_and_options(h2_origin, wire)
    async with face.client(**(options | {"timeout": hyperhttp.Timeout(5, read=0.15)})) as client:
        with pytest.raises(FAULTS[fault]) as caught:
            await client.read(await client.post(f"{url}/post?fault={fault}", content=b"content"))
        error = caught.value
        assert error.request is not None
        assert str(error)
        assert error.kind
        response = await client.get(url + "/get", timeout=5)
        assert (await client.json(response))["args"] == {}
