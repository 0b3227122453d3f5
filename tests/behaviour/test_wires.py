"""The same promises on every wire: HTTP/1.1 in clear, HTTP/1.1 over TLS, HTTP/2."""

from __future__ import annotations

import asyncio
import hashlib
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Timeout
from tests.behaviour.http2.test_peer import eventually

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin

CONTENT = bytes(range(256)) * 1200


class Wire:
    """A way to speak to the origin.

    Attributes:
        url: where it is.
        options: what a client needs for it.
        version: what responses say.
    """

    def __init__(self, name: str, origin: Origin) -> None:
        self.url = origin.url if name == "http" else origin.https_url
        self.options: dict[str, Any] = {} if name == "http" else {"ssl_context": origin.ssl_context()}
        self.options["http2"] = name == "http2"
        self.version = "HTTP/2" if name == "http2" else "HTTP/1.1"


@pytest.fixture(params=["http", "tls", "http2"])
def wire(request: pytest.FixtureRequest, hyperhttp_http2_origin: Origin) -> Wire:
    """The wires, one after the other."""
    hyperhttp_http2_origin.clear()
    return Wire(request.param, hyperhttp_http2_origin)


def in_use(client: Any) -> int:
    """Connections in use."""
    return sum(counts["in_use"] for counts in client.raw.get_pool_stats().values())


async def test_the_protocol_is_what_was_negotiated(face: Any, wire: Wire) -> None:
    async with face.client(**wire.options) as client:
        response = await client.get(wire.url + "/get")
        assert response.http_version == wire.version
        assert response.status_code == 200
        assert (await client.json(response))["url"] == wire.url + "/get"


@pytest.mark.parametrize("size", [0, 1, 16_384, 16_385, 65_535, 65_536, 300_000, 3_000_000])
async def test_content_of_any_size_comes_back(face: Any, wire: Wire, size: int) -> None:
    content = (CONTENT * 10)[:size]
    async with face.client(timeout=10, **wire.options) as client:
        for _ in range(2):
            response = await client.post(wire.url + "/echo", content=content)
            assert await client.read(response) == content
        assert in_use(client) == 0


async def test_content_is_streamed_both_ways(face: Any, wire: Wire) -> None:
    pieces = [CONTENT[at : at + 10_000] for at in range(0, len(CONTENT), 10_000)]
    async with face.client(timeout=10, **wire.options) as client:
        shown = await client.json(await client.post(wire.url + "/sha256", content=face.pieces(*pieces)))
        assert shown["sha256"] == hashlib.sha256(CONTENT).hexdigest()
        async with client.stream("GET", wire.url + "/stream-bytes/500000") as response:
            assert sum([len(piece) async for piece in client.iter_bytes(response, 10_000)]) == 500_000
        assert in_use(client) == 0


async def test_many_calls_at_once_are_not_mixed_up(face: Any, wire: Wire) -> None:
    async def call(number: int) -> None:
        content = b"%d," % number * (number * 100)
        response = await client.post(f"{wire.url}/echo?{number}", content=content)
        assert await client.read(response) == content

    async with face.client(timeout=20, **wire.options) as client:
        await face.together(*[call(number) for number in range(30)])
        assert in_use(client) == 0


async def test_head_and_empty_statuses(face: Any, wire: Wire) -> None:
    async with face.client(**wire.options) as client:
        assert await client.read(await client.head(wire.url + "/bytes/100")) == b""
        assert (await client.get(wire.url + "/status/204")).status_code == 204
        assert (await client.get(wire.url + "/status/304")).status_code == 304
        assert len(await client.read(await client.get(wire.url + "/bytes/100"))) == 100


async def test_redirects_cookies_and_auth(face: Any, wire: Wire) -> None:
    async with face.client(follow_redirects=True, auth=("u", "p"), **wire.options) as client:
        response = await client.get(wire.url + "/cookies/set/a/1")
        assert (await client.json(response))["cookies"] == {"a": "1"}
        assert (await client.get(wire.url + "/basic-auth/u/p")).status_code == 200
        assert (await client.get(wire.url + "/redirect/3")).status_code == 200


async def test_codings_and_trailers(face: Any, wire: Wire) -> None:
    async with face.client(**wire.options) as client:
        assert (await client.json(await client.get(wire.url + "/gzip")))["gzipped"] is True
        response = await client.get(wire.url + "/trailers", stream=True)
        content = await client.read(response)
        assert response.trailers["x-checksum"] == hashlib.sha256(content).hexdigest()


async def test_early_hints_come_first(face: Any, wire: Wire) -> None:
    async with face.client(**wire.options) as client:
        assert (await client.get(wire.url + "/early-hints?count=5")).status_code == 200


async def test_an_early_413_reaches_the_caller(face: Any, wire: Wire) -> None:
    async with face.client(timeout=5, **wire.options) as client:
        response = await client.post(wire.url + "/early-413", content=b"x" * 4_000_000)
        assert response.status_code == 413
        assert await client.read(response) == b"too much content\n"
        response = await client.post(wire.url + "/early-413", content=face.pieces(*[b"x" * 65_536] * 60))
        assert response.status_code == 413
        assert (await client.get(wire.url + "/get")).status_code == 200


async def test_read_and_total_limits_hold(face: Any, wire: Wire) -> None:
    async with face.client(**wire.options) as client:
        with pytest.raises(hyperhttp.ReadTimeout):
            await client.get(wire.url + "/delay/2", timeout=Timeout(read=0.1))
        with pytest.raises(hyperhttp.TotalTimeout):
            await client.read(
                await client.get(wire.url + "/drip?numbytes=100&duration=2", timeout=Timeout(5, total=0.2))
            )
        assert in_use(client) == 0
        assert (await client.get(wire.url + "/get")).status_code == 200


@pytest.mark.parametrize("fault", ["truncate", "short-content", "reset-body"])
async def test_truncated_content_is_an_error(face: Any, wire: Wire, fault: str) -> None:
    async with face.client(timeout=5, **wire.options) as client:
        with pytest.raises(hyperhttp.TransportError):
            await client.read(await client.get(f"{wire.url}/bytes/100000?fault={fault}"))
        assert in_use(client) == 0
        assert (await client.get(wire.url + "/get")).status_code == 200


@pytest.mark.parametrize("fault", ["garbage", "close-before-response", "interim-flood"])
async def test_a_server_that_misbehaves_is_a_typed_error(face: Any, wire: Wire, fault: str) -> None:
    async with face.client(timeout=5, **wire.options) as client:
        with pytest.raises(hyperhttp.TransportError):
            await client.post(f"{wire.url}/post?fault={fault}", content=b"x")
        assert in_use(client) == 0


@pytest.mark.parametrize("fault", ["extra-bytes", "late-408", "close-idle", "goaway-after"])
async def test_what_follows_a_response_spoils_nothing(face: Any, wire: Wire, fault: str) -> None:
    async with face.client(timeout=5, **wire.options) as client:
        for number in range(3):
            await client.read(await client.get(f"{wire.url}/get?fault={fault}&fault_seconds=0.01"))
            await face.sleep(0.15)
            shown = await client.json(await client.get(f"{wire.url}/get?n={number}"))
            assert shown["args"] == {"n": str(number)}


async def test_a_connection_is_shared_or_used_again(face: Any, wire: Wire, hyperhttp_http2_origin: Origin) -> None:
    async with face.client(**wire.options) as client:
        for _ in range(4):
            await client.read(await client.get(wire.url + "/get"))
    assert len({request.connection_id for request in hyperhttp_http2_origin.requests}) == 1


async def test_leaving_content_unread_spoils_nothing(face: Any, wire: Wire) -> None:
    async with face.client(timeout=5, **wire.options) as client:
        for _ in range(3):
            async with client.stream("GET", wire.url + "/stream-bytes/2000000") as response:
                async for _ in client.iter_bytes(response):
                    break
            assert in_use(client) == 0
            assert (await client.get(wire.url + "/get")).status_code == 200


async def test_cancelled_calls_leave_nothing_behind(wire: Wire) -> None:
    async with hyperhttp.Client(timeout=10, **wire.options) as client:
        for round_number in range(30):
            tasks = [asyncio.ensure_future(client.post(wire.url + "/echo", content=CONTENT)) for _ in range(5)]
            await asyncio.sleep(round_number * 0.0007)
            for task in tasks[:4]:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            assert isinstance(results[4], hyperhttp.Response), results[4]
            assert await results[4].aread() == CONTENT
        await eventually(lambda: not any(counts["in_use"] for counts in client.get_pool_stats().values()))
