"""Both packages on both faces: each test of the transports is written once and runs four times."""

import contextlib
import os
from importlib import import_module
from inspect import isawaitable

import pytest

from hyperhttp_httpx import HyperTransport, SyncHyperTransport


async def settle(result):
    return await result if isawaitable(result) else result


class Side:
    """One package on one face.

    Attributes:
        peer: the package.
        is_async: the face.
    """

    def __init__(self, peer, face):
        self.peer = import_module(peer)
        self.is_async = face == "asyncio"

    def transport(self, **options):
        return (HyperTransport if self.is_async else SyncHyperTransport)(**options)

    @contextlib.asynccontextmanager
    async def client(self, *, client_options=None, **options):
        kind = self.peer.AsyncClient if self.is_async else self.peer.Client
        client = kind(transport=self.transport(**options), **(client_options or {}))
        try:
            yield Wrapped(self, client)
        finally:
            await settle(client.aclose() if self.is_async else client.close())

    async def handle(self, transport, request):
        return await settle(
            transport.handle_async_request(request) if self.is_async else transport.handle_request(request)
        )

    async def read(self, response):
        return await settle(response.aread() if self.is_async else response.read())

    async def close(self, thing):
        await settle(thing.aclose() if self.is_async else thing.close())

    async def pieces(self, response):
        """The raw pieces as they come."""
        if self.is_async:
            async for piece in response.aiter_raw():
                yield piece
        else:
            for piece in response.iter_raw():
                yield piece

    def upload(self, *pieces):
        async def asynchronous():
            for piece in pieces:
                yield piece

        return asynchronous() if self.is_async else iter(pieces)


class Wrapped:
    """A client whose requests are awaited on both faces; `raw` is the client itself."""

    def __init__(self, side, raw):
        self.side = side
        self.raw = raw

    async def request(self, method, url, **options):
        return await settle(self.raw.request(method, url, **options))

    async def get(self, url, **options):
        return await self.request("GET", url, **options)

    async def post(self, url, **options):
        return await self.request("POST", url, **options)

    @contextlib.asynccontextmanager
    async def stream(self, method, url, **options):
        if self.side.is_async:
            async with self.raw.stream(method, url, **options) as response:
                yield response
        else:
            with self.raw.stream(method, url, **options) as response:
                yield response


@pytest.fixture(params=["httpx", "httpx2"])
def peer(request):
    return import_module(request.param)


@pytest.fixture(params=["asyncio", "blocking"])
def side(request, peer):
    return Side(peer.__name__, request.param)


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in tuple(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def origin(hyperhttp_http2_origin):
    """The origin of the run; HTTP/1.1 in clear, HTTP/2 over TLS."""
    hyperhttp_http2_origin.clear()
    yield hyperhttp_http2_origin
    assert hyperhttp_http2_origin.errors == []
