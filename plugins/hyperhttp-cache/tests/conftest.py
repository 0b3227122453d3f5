import contextlib
import time
from inspect import isawaitable

import pytest

import hyperhttp
from hyperhttp.testing import exchange
from hyperhttp_cache import CacheTransport, MemoryStorage, SQLiteStorage


class Clock:
    """The wall clock, moved by as many seconds as a test says."""

    def __init__(self, monkeypatch):
        self.moved = 0.0
        real = time.time
        monkeypatch.setattr(time, "time", lambda: real() + self.moved)
        monkeypatch.setattr(exchange, "time", time.time)  # what the origin calls Date

    def move(self, seconds):
        self.moved += seconds


@pytest.fixture
def clock(monkeypatch):
    return Clock(monkeypatch)


@pytest.fixture(params=["memory", "sqlite"])
def storage(request, tmp_path):
    """A storage of each kind."""
    storage = MemoryStorage() if request.param == "memory" else SQLiteStorage(tmp_path / "cache.db")
    yield storage
    storage.close()


@pytest.fixture
def origin(hyperhttp_http2_origin):
    hyperhttp_http2_origin.clear()
    yield hyperhttp_http2_origin
    assert hyperhttp_http2_origin.errors == []


@pytest.fixture
def serve(origin):
    """Adds an endpoint that answers with what a test gives it; gives its URL."""

    def add(name, *replies):
        left = list(replies)

        @origin.route(f"/cached/{name}", methods=("GET", "HEAD", "POST", "PUT"))
        def endpoint(exchange):
            reply = left.pop(0) if len(left) > 1 else left[0]
            return reply(exchange) if callable(reply) else reply

        return f"{origin.url}/cached/{name}"

    return add


async def settle(result):
    return await result if isawaitable(result) else result


class Face:
    """One face of a client with a cache."""

    def __init__(self, name):
        self.is_async = name == "asyncio"

    @contextlib.asynccontextmanager
    async def client(self, storage=None, *, options=None, **cache_options):
        kind = hyperhttp.Client if self.is_async else hyperhttp.SyncClient
        client = kind(transport=CacheTransport(storage, **cache_options), **(options or {}))
        try:
            yield Wrapped(self, client)
        finally:
            await settle(client.close())


class Wrapped:
    """A client whose calls are awaited on both faces."""

    def __init__(self, face, raw):
        self.face = face
        self.raw = raw

    async def request(self, method, url, **options):
        """A response with its content read, and what the cache says of it."""
        response = await settle(self.raw.request(method, url, **options))
        if not options.get("stream"):
            await self.read(response)
        return response

    async def get(self, url, **options):
        return await self.request("GET", url, **options)

    async def how(self, url, **options):
        """What the cache says of a GET."""
        return (await self.get(url, **options)).extensions["cache"]

    async def read(self, response):
        return await response.aread() if self.face.is_async else response.read()

    async def close(self, response):
        await settle(response.aclose() if self.face.is_async else response.close())

    async def pieces(self, response):
        if self.face.is_async:
            async for piece in response.aiter_bytes():
                yield piece
        else:
            for piece in response.iter_bytes():
                yield piece


@pytest.fixture(params=["asyncio", "blocking"])
def face(request):
    return Face(request.param)
