"""Content codings and charsets: all of it or an error, and never a bomb."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

TEXT = b"all members, in order; " * 500
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def raw_deflate(data: bytes) -> bytes:
    """DEFLATE without the zlib wrapper."""
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def coded(content: bytes, *codings: bytes) -> bytes:
    """A response with content that is coded already."""
    fields = b"".join(b"Content-Encoding: " + coding + b"\r\n" for coding in codings)
    return b"HTTP/1.1 200 OK\r\n" + fields + b"Content-Length: %d\r\n\r\n" % len(content) + content


GOOD = {
    "gzip": (gzip.compress(TEXT), [b"gzip"]),
    "x-gzip": (gzip.compress(TEXT), [b"x-gzip"]),
    "upper case": (gzip.compress(TEXT), [b"GZip"]),
    "two members": (gzip.compress(TEXT[:100]) + gzip.compress(TEXT[100:]), [b"gzip"]),
    "member and zero padding": (gzip.compress(TEXT) + b"\0" * 40, [b"gzip"]),
    "empty first member": (gzip.compress(b"") + gzip.compress(TEXT), [b"gzip"]),
    "deflate": (zlib.compress(TEXT), [b"deflate"]),
    "raw deflate": (raw_deflate(TEXT), [b"deflate"]),
    "identity": (TEXT, [b"identity"]),
    "twice in one field": (gzip.compress(zlib.compress(TEXT)), [b"deflate, gzip"]),
    "twice in two fields": (gzip.compress(zlib.compress(TEXT)), [b"deflate", b"gzip"]),
    "five": (gzip.compress(gzip.compress(gzip.compress(gzip.compress(gzip.compress(TEXT))))), [b"gzip, gzip, gzip, gzip, gzip"]),
    "with identity between": (gzip.compress(TEXT), [b"identity, gzip, identity"]),
    "unknown is left alone": (TEXT, [b"x-unknown"]),
}  # fmt: skip

BAD = {
    "truncated gzip": (gzip.compress(TEXT)[:-10], [b"gzip"]),
    "gzip without its trailer": (gzip.compress(TEXT)[:-8], [b"gzip"]),
    "corrupt gzip": (gzip.compress(TEXT)[:30] + b"\xff" * 20 + gzip.compress(TEXT)[50:], [b"gzip"]),
    "wrong checksum": (gzip.compress(TEXT)[:-8] + b"\0" * 8, [b"gzip"]),
    "garbage after gzip": (gzip.compress(TEXT) + b"garbage", [b"gzip"]),
    "not gzip at all": (TEXT, [b"gzip"]),
    "truncated deflate": (zlib.compress(TEXT)[:-6], [b"deflate"]),
    "garbage after deflate": (zlib.compress(TEXT) + b"garbage", [b"deflate"]),
    "truncated raw deflate": (raw_deflate(TEXT)[:-3], [b"deflate"]),
    "truncated second member": (gzip.compress(TEXT) + gzip.compress(TEXT)[:-4], [b"gzip"]),
    "truncated inside a chain": (gzip.compress(zlib.compress(TEXT)[:-6]), [b"deflate, gzip"]),
    "six codings": (TEXT, [b"gzip, gzip, gzip, gzip, gzip, gzip"]),
    "fifty codings": (TEXT, [b"gzip"] * 50),
}


async def content_of(client: Any, response: Any, how: str) -> bytes:
    """The decoded content, in one piece or piece by piece."""
    if how == "read":
        return await client.read(response)
    size = {"iterate": None, "one byte": 1, "sevens": 7000}[how]
    return b"".join([piece async for piece in client.iter_bytes(response, size)])


@pytest.mark.parametrize("how", ["read", "iterate", "sevens"])
@pytest.mark.parametrize("name", GOOD)
async def test_content_is_decoded_whole(face: Any, scripted: ScriptedServerFactory, name: str, how: str) -> None:
    content, codings = GOOD[name]
    server = scripted([coded(content, *codings), OK])
    async with face.client() as client:
        response = await client.get(server.url, stream=True)
        assert await content_of(client, response, how) == TEXT
        assert await client.read(await client.get(server.url)) == b"ok"
    assert len(server.connections) == 1


@pytest.mark.parametrize("how", ["read", "iterate"])
@pytest.mark.parametrize("size", [1_000, 1_000_000])
async def test_bytes_downloaded_are_counted_before_decoding(
    face: Any, scripted: ScriptedServerFactory, size: int, how: str
) -> None:
    content = gzip.compress(bytes(range(256)) * (size // 256), compresslevel=0)
    server = scripted([coded(content, b"gzip")])
    async with face.client() as client:
        response = await client.get(server.url, stream=True)
        await content_of(client, response, how)
        assert response.num_bytes_downloaded == len(content)


@pytest.mark.parametrize("how", ["read", "iterate"])
@pytest.mark.parametrize("name", BAD)
async def test_content_that_does_not_follow_its_coding_is_an_error(
    face: Any, scripted: ScriptedServerFactory, name: str, how: str
) -> None:
    content, codings = BAD[name]
    server = scripted([coded(content, *codings)])
    async with face.client() as client:
        with pytest.raises(hyperhttp.DecodingError) as caught:
            await content_of(client, await client.get(server.url, stream=True), how)
        assert str(caught.value)
        assert all(counts["in_use"] == 0 for counts in client.raw.get_pool_stats().values())


@pytest.mark.parametrize("coding", ["gzip", "deflate", "deflate-raw", "brotli", "zstd"])
async def test_the_codings_of_a_real_server_are_decoded(face: Any, origin: Origin, coding: str) -> None:
    names = {"brotli": "br", "deflate-raw": "deflate"}
    async with face.client() as client:
        response = await client.get(f"{origin.url}/{coding}")
        assert response.headers["content-encoding"] == names.get(coding, coding)
        assert isinstance(await client.json(response), dict)


async def test_raw_content_is_what_was_sent(face: Any, scripted: ScriptedServerFactory) -> None:
    content = gzip.compress(TEXT)
    server = scripted([coded(content, b"gzip")])
    async with face.client() as client:
        response = await client.get(server.url, stream=True)
        assert b"".join([piece async for piece in client.iter_raw(response)]) == content


@pytest.mark.parametrize("codings", [1, 3])
async def test_a_bomb_is_stopped_when_it_is_read(face: Any, scripted: ScriptedServerFactory, codings: int) -> None:
    bomb = gzip.compress(b"\0" * 20_000_000)
    for _ in range(codings - 1):
        bomb = gzip.compress(bomb)
    server = scripted([coded(bomb, *[b"gzip"] * codings)])
    async with face.client(max_response_size=1_000_000) as client:
        tracemalloc.start()
        try:
            with pytest.raises(hyperhttp.DecodingError):
                await client.read(await client.get(server.url))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 8_000_000


async def test_the_ratio_of_a_chain_is_limited_by_default(face: Any, scripted: ScriptedServerFactory) -> None:
    bomb = gzip.compress(gzip.compress(b"\0" * 30_000_000))
    server = scripted([coded(bomb, b"gzip", b"gzip")])
    async with face.client() as client:
        with pytest.raises(hyperhttp.DecodingError):
            await client.read(await client.get(server.url))


async def test_a_bomb_that_is_streamed_stays_small_in_memory(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([coded(gzip.compress(b"\0" * 20_000_000), b"gzip")])
    async with face.client(max_response_size=1000, max_decompression_ratio=None) as client:
        response = await client.get(server.url, stream=True)
        size = largest = 0
        async for piece in client.iter_bytes(response):
            size += len(piece)
            largest = max(largest, len(piece))
    assert size == 20_000_000
    assert largest <= 4 * 1024 * 1024


async def test_a_bomb_that_is_given_up_is_not_inflated(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([coded(gzip.compress(b"\0" * 40_000_000), b"gzip")])
    async with face.client() as client:
        response = await client.get(server.url, stream=True)
        tracemalloc.start()
        await client.aclose(response)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
        tracemalloc.stop()


async def test_honest_content_may_be_as_large_as_allowed(face: Any, origin: Origin) -> None:
    async with face.client(max_response_size=100_000) as client:
        assert len(await client.read(await client.get(origin.url + "/bytes/100000"))) == 100_000
        with pytest.raises(hyperhttp.DecodingError, match="max_response_size"):
            await client.read(await client.get(origin.url + "/bytes/100001"))
        with pytest.raises(hyperhttp.DecodingError, match="max_response_size"):
            await client.read(await client.get(origin.url + "/stream-bytes/100001"))
        assert all(counts["in_use"] == 0 for counts in client.raw.get_pool_stats().values())


@pytest.mark.parametrize(
    ("content_type", "content", "text"),
    [
        (b"text/plain; charset=utf-8", "naïve 日本".encode(), "naïve 日本"),
        (b"text/plain", "naïve 日本".encode(), "naïve 日本"),
        (b"text/plain; charset=ISO-8859-1", b"na\xefve", "naïve"),
        (b'text/plain; charset="latin1"', b"na\xefve", "naïve"),
        (b"text/html; charset=shift_jis", "日本".encode("shift_jis"), "日本"),
        (b"text/plain; charset=bogus", b"plain", "plain"),
        (b"text/plain; charset=", b"plain", "plain"),
        (b"text/plain; charset=zlib", b"plain", "plain"),
        (b"text/plain; charset=idna", b"plain", "plain"),
        (b"text/plain", b"\xff\xff broken", "\ufffd\ufffd broken"),
        (b"", b"plain", "plain"),
    ],
)
async def test_text_never_fails(
    face: Any, scripted: ScriptedServerFactory, content_type: bytes, content: bytes, text: str
) -> None:
    field = b"Content-Type: " + content_type + b"\r\n" if content_type else b""
    answer = b"HTTP/1.1 200 OK\r\n" + field + b"Content-Length: %d\r\n\r\n" % len(content) + content
    server = scripted([answer], repeat=True)
    async with face.client() as client:
        assert await client.text(await client.get(server.url)) == text
        response = await client.get(server.url, stream=True)
        assert "".join([piece async for piece in client.iter_text(response, 2)]) == text


async def test_the_encoding_may_be_overruled(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nna\xefve"])
    async with face.client() as client:
        response = await client.get(server.url)
        await client.read(response)
        response.encoding = "latin-1"
        assert response.text == "naïve"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
async def test_json_is_found_in_every_unicode(face: Any, scripted: ScriptedServerFactory, encoding: str) -> None:
    content = '{"日": [1, null]}'.encode(encoding)
    server = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content])
    async with face.client() as client:
        assert await client.json(await client.get(server.url)) == {"日": [1, None]}


async def test_what_is_no_json_is_a_value_error(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/html")
        with pytest.raises(ValueError):
            await client.json(response)
