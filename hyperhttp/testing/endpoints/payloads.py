"""Endpoints that make content: coded, random, streamed, dripped, ranged."""

from __future__ import annotations

import asyncio
import functools
import gzip as gzip_module
import hashlib
import importlib
import json
import random
import re
import zlib
from typing import TYPE_CHECKING

from hyperhttp.testing.endpoints.inspection import view
from hyperhttp.testing.endpoints.routing import Routes
from hyperhttp.testing.exchange import BadRequestError, Exchange
from hyperhttp.testing.messages import Reply, Write, json_reply

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CODINGS", "encode", "pseudo_random", "routes"]

routes = Routes()
_PIECE = 64 * 1024
MAX_BYTES = 2 * 1024 * 1024 * 1024


def _gzip(data: bytes) -> bytes:
    return gzip_module.compress(data, mtime=0)


def _deflate_raw(data: bytes) -> bytes:
    worker = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return worker.compress(data) + worker.flush()


def _with_library(names: tuple[str, ...], data: bytes) -> bytes:
    """Compress with the first of some optional modules; they are not needed for anything else."""
    for name in names:
        try:
            module = importlib.import_module(name)
        except ImportError:
            continue
        compress: Callable[[bytes], bytes] = module.compress
        return compress(data)
    raise BadRequestError(501, f"none of {', '.join(names)} is installed here")


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": zlib.compress,
    "deflate-raw": _deflate_raw,
    "br": functools.partial(_with_library, ("brotli", "brotlicffi")),
    "zstd": functools.partial(_with_library, ("compression.zstd", "backports.zstd", "zstandard")),
    "identity": bytes,
}


def encode(data: bytes, codings: list[str]) -> bytes:
    """Apply content codings in order (RFC 9110 section 8.4).

    Raises:
        BadRequestError: with 400 for a name that is not known, with 501 when its library is missing.
    """
    for coding in codings:
        if coding not in CODINGS:
            raise BadRequestError(400, f"unknown content coding {coding!r}; known are {', '.join(CODINGS)}")
        data = CODINGS[coding](data)
    return data


def _coded_view(exchange: Exchange, coding: str, flag: str) -> Reply:
    content = json.dumps(view(exchange, "headers", "method", "origin") | {flag: True}, indent=2, sort_keys=True)
    label = "deflate" if coding == "deflate-raw" else coding
    fields = [("Content-Type", "application/json"), ("Content-Encoding", label), ("Vary", "Accept-Encoding")]
    return Reply(200, fields, encode(content.encode() + b"\n", [coding]))


@routes.add("/gzip")
def gzip(exchange: Exchange) -> Reply:
    """JSON coded with gzip; ?members=2 splits it over several gzip members."""
    members = int(exchange.number("members", 1, most=100))
    reply = _coded_view(exchange, "gzip", "gzipped")
    if members > 1 and isinstance(reply.body, bytes):
        plain = gzip_module.decompress(reply.body)
        size = -(-len(plain) // members)
        reply.body = b"".join(_gzip(plain[at : at + size]) for at in range(0, len(plain), size))
    return reply


@routes.add("/deflate")
def deflate(exchange: Exchange) -> Reply:
    """JSON coded with deflate, in the zlib format the standard asks for."""
    return _coded_view(exchange, "deflate", "deflated")


@routes.add("/deflate-raw")
def deflate_raw(exchange: Exchange) -> Reply:
    """JSON coded with deflate without the zlib format, as some servers wrongly send it."""
    return _coded_view(exchange, "deflate-raw", "deflated")


@routes.add("/brotli")
def brotli(exchange: Exchange) -> Reply:
    """JSON coded with Brotli; 501 when no library for it is installed."""
    return _coded_view(exchange, "br", "brotli")


@routes.add("/zstd")
def zstd(exchange: Exchange) -> Reply:
    """JSON coded with Zstandard; 501 when no library for it is installed."""
    return _coded_view(exchange, "zstd", "zstd")


@routes.add("/coded/{codings}")
def coded(exchange: Exchange) -> Reply:
    """?numbytes= zeros (1000) through a comma-separated chain of codings; a small bomb if they are many."""
    codings = [name.strip() for name in exchange.parameters["codings"].split(",") if name.strip()]
    size = int(exchange.number("numbytes", 1000, most=128 * 1024 * 1024))
    label = ", ".join("deflate" if name == "deflate-raw" else name for name in codings)
    fields = [("Content-Type", "application/octet-stream"), ("Content-Encoding", label)]
    return Reply(200, fields, encode(bytes(size), codings))


def pseudo_random(seed: str) -> Callable[[int], bytes]:
    """A source of bytes that are the same for the same seed; without a seed they differ every time."""
    return random.Random(seed or None).randbytes


def _count(exchange: Exchange, name: str = "n", most: int = MAX_BYTES) -> int:
    text = exchange.parameters[name]
    if not re.fullmatch("[0-9]{1,12}", text) or int(text) > most:
        raise BadRequestError(400, f"{text!r} must be a number up to {most}")
    return int(text)


def _random_reply(exchange: Exchange, *, length: int | None, size: int, piece: int) -> Reply:
    source = pseudo_random(exchange.arg("seed"))

    async def produce(write: Write) -> None:
        for at in range(0, size, piece):
            await write(source(min(piece, size - at)))

    return Reply(200, [("Content-Type", "application/octet-stream")], produce, length)


@routes.add("/bytes/{n}")
def random_bytes(exchange: Exchange) -> Reply:
    """Sends n random bytes with Content-Length; the same ones for the same ?seed=."""
    size = _count(exchange)
    return _random_reply(exchange, length=size, size=size, piece=_PIECE)


@routes.add("/stream-bytes/{n}")
def stream_bytes(exchange: Exchange) -> Reply:
    """Sends n random bytes without Content-Length, in pieces of ?chunk_size= (10240) bytes."""
    size = _count(exchange)
    piece = max(int(exchange.number("chunk_size", 10240, most=16 * 1024 * 1024)), 1)
    return _random_reply(exchange, length=None, size=size, piece=piece)


@routes.add("/stream/{n}")
def stream_json(exchange: Exchange) -> Reply:
    """Sends n lines of JSON, one chunk each."""
    count = _count(exchange, most=100_000)
    shown = view(exchange, "args", "headers", "origin", "url")

    async def produce(write: Write) -> None:
        for number in range(count):
            await write(json.dumps(shown | {"id": number}, sort_keys=True).encode() + b"\n")

    return Reply(200, [("Content-Type", "application/json")], produce)


@routes.add("/drip")
async def drip(exchange: Exchange) -> Reply:
    """?numbytes= stars (10) over ?duration= seconds (2) after ?delay= seconds, with status ?code= (200)."""
    size = int(exchange.number("numbytes", 10, most=10 * 1024 * 1024))
    duration = exchange.number("duration", 2.0, most=60.0)
    delay = exchange.number("delay", 0.0, most=60.0)
    code = int(exchange.number("code", 200, most=599))

    async def produce(write: Write) -> None:
        for _ in range(size):
            await write(b"*")
            await asyncio.sleep(duration / size)

    if code < 200:
        raise BadRequestError(400, "?code= must be a final status code")
    await asyncio.sleep(delay)
    return Reply(code, [("Content-Type", "application/octet-stream")], produce, size)


@routes.add("/sse")
def server_sent_events(exchange: Exchange) -> Reply:
    """?count= server-sent events (10), ?delay= seconds (0) apart."""
    count = int(exchange.number("count", 10, most=100_000))
    delay = exchange.number("delay", 0.0, most=10.0)

    async def produce(write: Write) -> None:
        for number in range(count):
            await write(f'id: {number}\nevent: ping\ndata: {{"id": {number}}}\n\n'.encode())
            if delay:
                await asyncio.sleep(delay)

    fields = [("Content-Type", "text/event-stream"), ("Cache-Control", "no-store")]
    return Reply(200, fields, produce)


def _requested_range(exchange: Exchange, size: int, etag: str) -> tuple[int, int] | None:
    """First and last position of the one range asked for, None for the whole (RFC 9110 section 14.2).

    Raises:
        BadRequestError: with 416 when the range lies outside.
    """
    match = re.fullmatch(r"bytes=\s*([0-9]*)-([0-9]*)\s*", exchange.headers.get("range", ""))
    condition = exchange.headers.get("if-range")
    if match is None or match.groups() == ("", "") or (condition is not None and condition != etag):
        return None
    first, last = match.groups()
    if not first:  # the last so many bytes
        start, end = max(size - int(last), 0), size - 1
    else:
        start, end = int(first), min(int(last or size), size - 1)
        if last and int(last) < int(first):
            return None
    if start > end:
        raise BadRequestError(416, "the range lies outside", [("Content-Range", f"bytes */{size}")])
    return start, end


@routes.add("/range/{n}")
def ranged(exchange: Exchange) -> Reply:
    """Sends n letters of which a range may be asked for, with ETag and If-Range."""
    size = _count(exchange, most=100 * 1024 * 1024)
    etag = f'"range{size}"'
    fields = [("Content-Type", "application/octet-stream"), ("ETag", etag), ("Accept-Ranges", "bytes")]
    if exchange.headers.get("if-none-match") == etag:
        return Reply(304, fields)
    span = _requested_range(exchange, size, etag)
    start, end = span or (0, size - 1)
    if span:
        fields.append(("Content-Range", f"bytes {start}-{end}/{size}"))
    letters = b"abcdefghijklmnopqrstuvwxyz" * (_PIECE // 26 + 2)

    async def produce(write: Write) -> None:
        for at in range(start, end + 1, _PIECE):
            offset = at % 26
            await write(letters[offset : offset + min(_PIECE, end + 1 - at)])

    return Reply(206 if span else 200, fields, produce, end + 1 - start)


def checksum_of_bytes(size: int, seed: str) -> str:
    """The SHA-256 of what /bytes/{size}?seed={seed} sends, for a client to compare with."""
    source = pseudo_random(seed)
    digest = hashlib.sha256()
    for at in range(0, size, _PIECE):
        digest.update(source(min(_PIECE, size - at)))
    return digest.hexdigest()


@routes.add("/bytes/{n}/sha256")
def random_bytes_checksum(exchange: Exchange) -> Reply:
    """The SHA-256 of what /bytes/{n} sends for the same ?seed=."""
    size = _count(exchange)
    return json_reply({"sha256": checksum_of_bytes(size, exchange.arg("seed")), "length": size})
