"""The bridges to other packages: what those take, ours are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import httpx2

import hyperhttp
from hyperhttp_cache import CacheTransport, MemoryStorage, SQLiteStorage, Storage
from hyperhttp_httpx import HyperTransport, SyncHyperTransport
from hyperhttp_requests import HyperAdapter

if TYPE_CHECKING:
    import requests


def clients_take_the_transports() -> None:
    httpx.AsyncClient(transport=HyperTransport(), mounts={"all://": HyperTransport(http2=False)})
    httpx2.AsyncClient(transport=HyperTransport(limits=httpx2.Limits(max_connections=3)))
    httpx.Client(transport=SyncHyperTransport(proxy="http://proxy.test", retries=2))
    httpx2.Client(transport=SyncHyperTransport(address_policy=hyperhttp.AddressPolicy.public_only()))


def each_face_has_its_transport() -> None:
    httpx.AsyncClient(transport=SyncHyperTransport())  # type: ignore[arg-type]
    httpx2.Client(transport=HyperTransport())  # type: ignore[arg-type]


def sessions_take_the_adapter(session: requests.Session) -> None:
    session.mount("https://", HyperAdapter(max_connections=3))
    session.mount("https://", HyperAdapter)  # type: ignore[arg-type]


def caches_take_storages() -> None:
    storages: list[Storage] = [MemoryStorage(), SQLiteStorage("cache.db")]
    hyperhttp.Client(transport=CacheTransport(storages[0], shared=False))
    CacheTransport("cache.db")  # type: ignore[arg-type]
