"""Endless or explosive input."""

from __future__ import annotations

import gzip
import time
import tracemalloc
import zlib
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.network.resolver import CachingResolver
from hyperhttp.testing.scripted import Stall
from tests.behaviour.http2.test_peer import WINDOW_UPDATE, Peer, Server, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperhttp.testing.scripted import ScriptedServerFactory

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
MIB = 1024 * 1024
SIZE = 60_000  # bytes: about what a head may hold


@contextmanager
def little_memory(limit: int) -> Iterator[None]:
    """The block holds no more than so many bytes at any moment."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit


@contextmanager
def little_work(seconds: float = 0.7) -> Iterator[None]:
    """The block takes a fraction of what quadratic work would."""
    started = time.process_time()
    yield
    assert time.process_time() - started < seconds


async def assert_cut_off(face: Any, scripted: ScriptedServerFactory, answer: bytes) -> None:
    """It ends early, with a typed error and without memory."""
    server = scripted([[answer, Stall(3)], OK])
    async with face.client(timeout=5) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.read(await client.get(server.url))
        assert client.raw.get_pool_stats() == {}
        assert await client.read(await client.get(server.url)) == b"ok"


async def test_cve_2021_3737_endless_interim_responses_are_cut_off(
    face: Any, scripted: ScriptedServerFactory, protocol: str
) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        for _ in range(1000):
            peer.head(stream, 103)
        peer.serve()

    if protocol == "HTTP/1.1":
        await assert_cut_off(face, scripted, b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000)
        return
    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.get(server.url)
        assert await client.read(await client.get(server.url)) == b"ok"


@pytest.mark.parametrize(
    "fields", [b"X: " + b"a" * MIB, b"a: b\r\n" * 100_000, b"Set-Cookie: a=b\r\n" * 50_000, b"\r" * MIB]
)
async def test_cve_2023_38039_endless_fields_are_cut_off(
    face: Any, scripted: ScriptedServerFactory, fields: bytes
) -> None:
    await assert_cut_off(face, scripted, b"HTTP/1.1 200 OK\r\n" + fields)


@pytest.mark.parametrize("extension", [b"2;" + b"x" * MIB, b"1;" + b"x" * 4000 + b"\r\na\r\n", b"0" * MIB])
async def test_cve_2023_39326_chunk_extensions_are_cut_off(
    face: Any, scripted: ScriptedServerFactory, extension: bytes
) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    await assert_cut_off(face, scripted, head + extension * (2 * MIB // len(extension)))


async def test_cve_2026_22815_trailers_are_cut_off(face: Any, scripted: ScriptedServerFactory) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n"
    await assert_cut_off(face, scripted, head + b"a: b\r\n" * 200_000)


def coded(content: bytes, *codings: bytes, status: bytes = b"200 OK", more: bytes = b"") -> bytes:
    """A response with coded content."""
    names = b", ".join(codings)
    head = b"HTTP/1.1 %b\r\nContent-Encoding: %b\r\n%bContent-Length: %d\r\n\r\n"
    return head % (status, names, more, len(content)) + content


def bomb(size: int = 32 * MIB) -> bytes:
    """Few bytes that become many."""
    return gzip.compress(bytes(size))


@pytest.mark.parametrize("coding", [b"gzip", b"deflate"])
async def test_cve_2022_32206_a_bomb_does_not_go_off(
    face: Any, scripted: ScriptedServerFactory, protocol: str, coding: bytes
) -> None:
    content = bomb() if coding == b"gzip" else zlib.compress(bytes(32 * MIB))

    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream, 200, ("content-encoding", coding.decode()))
        peer.data(stream, content, end=True)
        peer.serve()

    server: Any = scripted([coded(content, coding)]) if protocol == "HTTP/1.1" else Server(scripted, script)
    speaks = False if protocol == "HTTP/1.1" else "prior-knowledge"
    async with face.client(timeout=10, http2=speaks, max_response_size=MIB) as client:
        with little_memory(8 * MIB), pytest.raises(hyperhttp.DecodingError):
            await client.read(await client.get(server.url))


async def test_a_bomb_is_stopped_without_any_setting_by_its_ratio(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([coded(gzip.compress(bomb(64 * MIB)), b"gzip", b"gzip")])
    async with face.client(timeout=10) as client:
        with little_memory(32 * MIB), pytest.raises(hyperhttp.DecodingError):
            await client.read(await client.get(server.url))


@pytest.mark.parametrize("count", [6, 100, 5000])
async def test_cve_2025_66418_a_chain_of_codings_has_an_end(
    face: Any, scripted: ScriptedServerFactory, count: int
) -> None:
    server = scripted([coded(gzip.compress(b"x"), *[b"gzip"] * count)])
    async with face.client(timeout=5) as client:
        with little_work(), pytest.raises((hyperhttp.DecodingError, hyperhttp.RemoteProtocolError)):
            await client.read(await client.get(server.url))


async def test_cve_2025_66471_a_stream_inflates_no_more_than_is_read(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted([coded(bomb(), b"gzip")])
    async with face.client(timeout=10, max_decompression_ratio=None) as client:
        with little_memory(8 * MIB):
            response = await client.get(server.url, stream=True)
            count = 0
            async for piece in client.iter_bytes(response, 1000):
                assert len(piece) <= 1000
                count += len(piece)
                if count >= 100_000:
                    break
            await client.aclose(response)


async def test_cve_2026_21441_a_bomb_in_a_redirect_is_not_inflated(face: Any, scripted: ScriptedServerFactory) -> None:
    moved = coded(bomb(64 * MIB), b"gzip", status=b"302 Found", more=b"Location: /next\r\n")
    server = scripted([moved, OK])
    async with face.client(timeout=10, follow_redirects=True) as client:
        with little_memory(4 * MIB), little_work(1.0):
            assert await client.read(await client.get(server.url)) == b"ok"


async def test_cve_2026_44432_a_bomb_that_is_given_up_is_not_inflated(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted([coded(bomb(64 * MIB), b"gzip"), OK])
    async with face.client(timeout=10) as client:
        with little_memory(4 * MIB), little_work(1.0):
            await client.aclose(await client.get(server.url, stream=True))
        assert await client.read(await client.get(server.url)) == b"ok"


async def test_cve_2025_13836_no_memory_is_taken_for_what_is_only_announced(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 90000000000\r\n\r\nab"])
    async with face.client(timeout=5, max_response_size=None) as client:
        with little_memory(4 * MIB), pytest.raises((hyperhttp.TransportError, hyperhttp.DecodingError)):
            await client.read(await client.get(server.url))


URLS = [
    "http://" + "@" * 200_000, "http://" + "a@" * 100_000 + "h/", "http://h/" + "%" * 200_000, "http://h/" + "../" * 60_000,
    "http://h/?" + "a&" * 100_000, "http://h/?" + "%zz" * 60_000, "http://[" + ":" * 200_000 + "]/", "http:" + "/" * 200_000,
]  # fmt: skip


@pytest.mark.parametrize("url", URLS, ids=range(len(URLS)))
def test_cve_2021_33503_a_url_takes_linear_time(url: str) -> None:
    with little_work():
        try:
            parsed = hyperhttp.URL(url)
            assert len(str(parsed.join("../x")) + parsed.redacted + parsed.target) > 0
        except hyperhttp.InvalidURL:
            pass


@pytest.mark.parametrize(
    "host",
    ["ü" * 100_000, "\u0300" * 50_000, "a." * 100_000, "xn--" + "a" * 100_000, "xn--" + "9" * 5000, "\u0130." * 9000],
)
def test_cve_2024_3651_an_international_name_takes_linear_time(host: str) -> None:
    with little_work():
        try:
            assert hyperhttp.URL(f"http://{host}/").host
        except hyperhttp.InvalidURL:
            pass


async def look_at(face: Any, scripted: ScriptedServerFactory, field: bytes, status: bytes = b"302 Found") -> None:
    """Receive a field, look at all that is made of it, and ask again."""
    server = scripted([b"HTTP/1.1 " + status + b"\r\n" + field + b"\r\nContent-Length: 2\r\n\r\nok", OK])
    async with face.client(follow_redirects=True, timeout=3, auth=hyperhttp.DigestAuth("user", "secret")) as client:
        with little_work():
            try:
                response = await client.get(server.url)
                await client.text(response)
                assert len(response.links) >= 0
                assert len(response.cookies) >= 0
                await client.get(server.url)
            except hyperhttp.HyperHTTPError:
                pass


@pytest.mark.parametrize(
    "field",
    [
        b"X: a" + b" \t" * (SIZE // 2) + b"b", b"Content-Type: text/plain" + b";" * SIZE,
        b'Content-Type: a/b; charset="' + b"\\" * SIZE,
        b"Link: " + b"<" * SIZE, b"Link: <a>" + b";" * SIZE, b'Link: <a>; rel="' + b'\\"' * (SIZE // 2),
        b"Location: " + b"../" * (SIZE // 3),
        b"Connection: " + b"a," * (SIZE // 2), b"Keep-Alive: " + b"timeout=" * (SIZE // 8), b"Retry-After: " + b"1" * SIZE,
    ],
    ids=range(10),
)  # fmt: skip
async def test_cve_2023_24807_a_field_takes_linear_time(
    face: Any, scripted: ScriptedServerFactory, field: bytes
) -> None:
    await look_at(face, scripted, field)


@pytest.mark.parametrize(
    "cookie",
    [
        b'a="' + b"\\" * SIZE, b'a="' + b'\\"' * (SIZE // 2), b"a=" + b" " * SIZE + b"b", b"a=b" + b";" * SIZE,
        b"a=b; Expires=" + b"1" * SIZE, b"a=b; Expires=" + b"1:" * (SIZE // 2), b"a=b; Domain=" + b"a." * (SIZE // 2),
    ],
    ids=range(7),
)  # fmt: skip
async def test_cve_2024_7592_a_cookie_takes_linear_time(
    face: Any, scripted: ScriptedServerFactory, cookie: bytes
) -> None:
    await look_at(face, scripted, b"Set-Cookie: " + cookie, b"200 OK")


@pytest.mark.parametrize(
    "challenge",
    [
        b"," * SIZE, b"Basic " + b"," * SIZE, b'Basic realm="' + b"\\" * SIZE, b"Basic a=" + b" " * SIZE + b"b",
        b"a " * (SIZE // 2), b"Digest " + b"a=b," * (SIZE // 4), b'Digest realm="' + b'\\"' * (SIZE // 2) + b'", nonce=n',
        b"Basic " + b"=" * SIZE,
        b'Digest realm=r, nonce=n, domain="' + b"/a " * (SIZE // 3) + b'"',
    ],
    ids=range(9),
)  # fmt: skip
async def test_cve_2020_8492_a_challenge_takes_linear_time(
    face: Any, scripted: ScriptedServerFactory, challenge: bytes
) -> None:
    await look_at(face, scripted, b"WWW-Authenticate: " + challenge, b"401 Unauthorized")


async def test_cve_2025_69229_very_many_chunks_take_linear_time(face: Any, scripted: ScriptedServerFactory) -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server = scripted([head + b"1\r\na\r\n" * 100_000 + b"0\r\n\r\n"])
    async with face.client(timeout=10) as client:
        with little_work(2.5):
            assert len(await client.read(await client.get(server.url))) == 100_000


async def test_cve_2026_34513_the_dns_cache_has_an_end(names: Any) -> None:
    clock: Any = type("Clock", (), {"now": staticmethod(time.monotonic)})()
    clock.share = lambda key, factory: factory()
    cache = CachingResolver(names, clock, max_entries=50)
    for number in range(200):
        await cache.resolve(f"n{number}.test", 80)
    assert len(cache._entries) == 50
    assert CachingResolver(names, clock)._max_entries <= 4096


async def test_cve_2024_24750_content_that_nobody_reads_does_not_pile_up(
    face: Any, scripted: ScriptedServerFactory, protocol: str
) -> None:
    def endless(connection: Any, _: int) -> None:
        connection.read_request()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while not connection.is_closed:
            connection.sendall(bytes(65_536))

    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream)
        peer.data(stream, bytes(60_000))
        peer.ping()
        updates = [got.payload for got in peer.heard if (got.kind, got.stream) == (WINDOW_UPDATE, stream)]
        granted.append(sum(int.from_bytes(each, "big") for each in updates))
        peer.rest()

    granted: list[int] = []
    if protocol == "HTTP/1.1":
        server: Any = scripted(endless)
        async with face.client(timeout=5) as client:
            response = await client.get(server.url, stream=True)
            with little_memory(4 * MIB):
                await face.sleep(0.3)
            await client.aclose(response)
            assert client.raw.get_pool_stats() == {}
        return
    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        response = await client.get(server.url, stream=True)
        if not face.is_blocking:  # where somebody listens in between; a thread that does nothing cannot grant anything
            await eventually(lambda: granted)
        await client.aclose(response)
    assert granted in ([], [0]), "what is not read makes no room for more"
