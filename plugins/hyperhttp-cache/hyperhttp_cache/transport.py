"""The cache as a transport: it stands in front of the network and lets through what it cannot answer."""

from __future__ import annotations

import logging
import time
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import hyperhttp
from hyperhttp_cache.entry import key_of
from hyperhttp_cache.policy import FAILURES, Policy, request_directives
from hyperhttp_cache.storage import MemoryStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hyperhttp import Request, Response
    from hyperhttp.plugins import Onward
    from hyperhttp_cache.entry import Entry
    from hyperhttp_cache.storage import Storage

__all__ = ["CacheTransport"]

logger = logging.getLogger("hyperhttp.cache")

#: Requests that are a matter between their sender and the origin.
_OWN_CONDITIONS: Final = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range")

#: Bytes of content that are stored of one response where nothing else is said.
MAX_CONTENT: Final = 16 * 1024 * 1024


class CacheTransport:
    """An HTTP cache (RFC 9111) for `hyperhttp.Client` and `hyperhttp.SyncClient`: ``Client(transport=CacheTransport())``.

    Responses say what was done in their extensions: ``from_cache``, and ``cache``: ``"hit"``, ``"confirmed"`` (the origin
    was asked and knows nothing newer), ``"stale"`` (the origin could not be asked), ``"miss"``, ``"bypass"``.

    Args:
        storage: where responses are kept; in memory by default. One that is given is not closed with the client.
        shared: whether the cache serves several users: then private responses are not stored, nor those to requests with
            Authorization that do not allow it.
        max_content: bytes of content that are stored of one response at most; larger ones pass through.
        stale_if_error: seconds for which a stale response may stand for one that cannot be had, where neither the request
            nor the response says.
        transport: what answers instead of the network.
    """

    def __init__(
        self,
        storage: Storage | None = None,
        *,
        shared: bool = True,
        max_content: int = MAX_CONTENT,
        stale_if_error: float = 0.0,
        transport: Any = None,
    ) -> None:
        self.storage: Storage = MemoryStorage() if storage is None else storage
        self._owns_storage = storage is None
        self._policy = Policy(shared=shared, stale_if_error=stale_if_error)
        self._max_content = max_content
        self._transport = transport

    async def send(self, request: Request) -> Response:
        """Not for a cache: the client calls `send_onward`.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("a cache has nothing to send by itself: give it to a client with transport=")

    async def send_onward(self, request: Request, onward: Onward) -> Response:
        """Answer a request from the storage, or send it on and store what comes."""
        return await _Serving(self, request, onward).run()

    def close(self) -> None:
        """Close what the cache was made with: its own storage, and the transport behind it."""
        if self._owns_storage:
            self.storage.close()
        if self._transport is not None:
            self._transport.close()


class _Serving:
    """One request on its way through the cache."""

    def __init__(self, cache: CacheTransport, request: Request, onward: Onward) -> None:
        self._cache = cache
        self._policy = cache._policy
        self._storage = cache.storage
        self._request = request
        self._onward = onward
        self._key = key_of(request)

    async def run(self) -> Response:
        request = self._request
        if request.method not in ("GET", "HEAD") or request.content is not None:
            return await self._write_through()
        extensions = request.extensions
        if extensions.get("cache") is False or extensions.get("upgrade") or _has_conditions(request):
            return _marked(await self._send(request), "bypass")
        now = time.time()
        entries = [entry for entry in await self._ask(self._storage.get, self._key) or () if entry.serves(request)]
        entry = self._policy.usable(request, entries, now)
        if entry is not None:
            return self._served(entry, "hit", now)
        if "only-if-cached" in request_directives(request):  # section 5.2.1.7
            return _marked(self._onward.response(504, [(b"Content-Length", b"0")], reason="Gateway Timeout"), "miss")
        return await self._refresh(entries)

    async def _write_through(self) -> Response:
        response = _marked(await self._send(self._request), "bypass")
        if self._policy.invalidates(self._request, response):
            await self._forget(None)
        return response

    async def _refresh(self, entries: list[Entry]) -> Response:
        """Ask the origin, with conditions where something is stored."""
        request = self._request
        if entries:
            request = copy(request)
            request.headers.update(self._policy.conditions(entries))
        requested_at = time.time()
        try:
            response = await self._send(request)
        except hyperhttp.TransportError:
            entry = self._policy.usable_after_failure(self._request, entries, time.time())
            if entry is None:
                raise
            return self._served(entry, "stale", time.time())
        now = time.time()
        if response.status_code in FAILURES:
            entry = self._policy.usable_after_failure(self._request, entries, now)
            if entry is not None:
                response.give_up()
                return self._served(entry, "stale", now)
        if not entries:
            return await self._stored(response, (), requested_at, now)
        found = self._policy.confirm(entries, response, requested_at, now)
        if found.entry is not None:
            response.give_up()
            await self._ask(self._storage.put, self._key, found.entry, found.outdated)
            return self._served(found.entry, "confirmed", now)
        if found.again:
            response.give_up()
            await self._forget(found.outdated)
            return await self._refresh([])
        return await self._stored(response, found.outdated, requested_at, now)

    async def _stored(self, response: Response, outdated: Collection[str], requested_at: float, now: float) -> Response:
        """The response, which will be stored when all of its content has been read."""
        response.request = self._request
        entry = self._policy.storable(self._request, response, requested_at, now)
        limit = self._cache._max_content
        length = response.headers.get("content-length", "")
        if entry is None or (length.isascii() and length.isdigit() and int(length) > limit):
            if outdated:
                await self._forget(outdated)
            return _marked(response, "miss")

        async def done(content: bytes) -> None:
            await self._ask(self._storage.put, self._key, replace(entry, content=content), outdated)

        await self._onward.keep(response, limit, done)
        return _marked(response, "miss")

    def _served(self, entry: Entry, how: str, now: float) -> Response:
        age = str(int(entry.age(now))).encode("ascii")
        headers = [field for field in entry.headers if field[0].lower() != b"age"]
        response = self._onward.response(
            entry.status_code,
            [*headers, (b"Age", age)],
            entry.content,
            reason=entry.reason,
            http_version=entry.http_version,
        )
        return _marked(response, how)

    async def _send(self, request: Request) -> Response:
        return await self._onward.send(request, self._cache._transport)

    async def _forget(self, ids: Collection[str] | None) -> None:
        await self._ask(self._storage.remove, self._key, ids)

    async def _ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Ask the storage; one that fails is as good as none."""
        try:
            if self._storage.blocks:
                return await self._onward.call(function, *arguments)
            return function(*arguments)
        except Exception:
            logger.exception("the storage of the cache failed")
            return None


def _has_conditions(request: Request) -> bool:
    return any(name in request.headers for name in _OWN_CONDITIONS)


def _marked(response: Response, how: str) -> Response:
    response.extensions["from_cache"] = how in ("hit", "confirmed", "stale")
    response.extensions["cache"] = how
    return response
