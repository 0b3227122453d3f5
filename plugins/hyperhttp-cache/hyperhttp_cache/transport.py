"""The cache as a transport: it stands in front of the network and lets through what it cannot answer."""

from __future__ import annotations

import logging
import time
from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import hyperhttp
from hyperhttp_cache.entry import key_of
from hyperhttp_cache.parts import is_for_part, part_of, whole_of
from hyperhttp_cache.policy import FAILURES, Policy, request_directives
from hyperhttp_cache.revalidation import renew
from hyperhttp_cache.sqlite import ForeignDatabaseError
from hyperhttp_cache.storage import MemoryStorage

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from hyperhttp import Request, Response
    from hyperhttp.plugins import Onward
    from hyperhttp_cache.entry import Entry
    from hyperhttp_cache.parts import Part
    from hyperhttp_cache.storage import Storage

__all__ = ["CacheTransport", "Serving"]

logger = logging.getLogger("hyperhttp.cache")

#: Requests that are a matter between their sender and the origin.
_OWN_CONDITIONS: Final = ("if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range", "range")

#: The origin could not be reached, or has failed: what a stale response may stand for (RFC 5861 section 4). Not what was
#: wrong here, such as a request that may not be sent, nor a certificate that is not trusted.
_FAILED: Final = (
    hyperhttp.ConnectError,
    hyperhttp.ConnectTimeout,
    hyperhttp.ReadError,
    hyperhttp.ReadTimeout,
    hyperhttp.RemoteProtocolError,
    hyperhttp.WriteError,
    hyperhttp.WriteTimeout,
)

#: Bytes of content that are stored of one response where nothing else is said.
MAX_CONTENT: Final = 16 * 1024 * 1024


class CacheTransport:
    """An HTTP cache (RFC 9111) for `hyperhttp.Client` and `hyperhttp.SyncClient`: ``Client(transport=CacheTransport())``.

    Responses say what was done in their extensions: ``from_cache``, and ``cache``: ``"hit"``, ``"confirmed"`` (the origin
    was asked and knows nothing newer), ``"revalidating"`` (it is stale, and the origin is being asked behind it),
    ``"stale"`` (the origin could not be asked), ``"miss"``, ``"bypass"``.

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
        self.max_content = max_content
        self._transport = transport
        self.closed = False

    async def send(self, request: Request) -> Response:
        """Not for a cache: the client calls `send_onward`.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError("a cache has nothing to send by itself: give it to a client with transport=")

    async def send_onward(self, request: Request, onward: Onward) -> Response:
        """Answer a request from the storage, or send it on and store what comes."""
        return await Serving(self, request, onward).run()

    def close(self) -> None:
        """Close what the cache was made with: its own storage, and the transport behind it."""
        self.closed = True
        if self._owns_storage:
            self.storage.close()
        if self._transport is not None:
            self._transport.close()


class Serving:
    """One request on its way through the cache."""

    def __init__(self, cache: CacheTransport, request: Request, onward: Onward) -> None:
        self.cache = cache
        self.policy = cache._policy
        self.storage = cache.storage
        self.request = request
        self._onward = onward
        self.key = key_of(request)

    async def run(self) -> Response:
        """The answer: from the storage, or from the origin."""
        request = self.request
        if request.method not in ("GET", "HEAD") or request.content is not None:
            return await self._write_through()
        extensions = request.extensions
        if extensions.get("cache") is False or extensions.get("upgrade"):
            return _marked(await self.send(request), "bypass")
        conditions = [name for name in _OWN_CONDITIONS if name in request.headers]
        if conditions:
            return await self._run_conditional(conditions)
        now = time.time()
        entries = await self._entries()
        entry = self.policy.usable(request, entries, now)
        if entry is not None:
            return self._served(entry, "hit", now)
        if "only-if-cached" in request_directives(request):
            return self._not_cached()
        entry = self.policy.usable_meanwhile(request, entries, now)
        if entry is not None and self._begin_renewal(entry, entries):
            return self._served(entry, "revalidating", now)
        return await self._refresh(entries)

    async def _run_conditional(self, conditions: list[str]) -> Response:
        """What the request has conditions for is between it and the origin, but for a part of what is stored and fresh."""
        request = self.request
        if is_for_part(conditions):
            now = time.time()
            entry = self.policy.usable(request, await self._entries(), now)
            part = None if entry is None else part_of(entry, request)
            if entry is not None and part is not None:
                return self._served(entry, "hit", now, part)
        if "only-if-cached" in request_directives(request):
            return self._not_cached()
        return _marked(await self.send(request), "bypass")

    async def _entries(self) -> list[Entry]:
        """What is stored and may serve the request, fresh or not."""
        return [entry for entry in await self.ask(self.storage.get, self.key) or () if entry.serves(self.request)]

    def _not_cached(self) -> Response:
        """Nothing is stored, and the origin must not be asked (section 5.2.1.7)."""
        return _marked(self._onward.response(504, [(b"Content-Length", b"0")], reason="Gateway Timeout"), "miss")

    async def _write_through(self) -> Response:
        response = _marked(await self.send(self.request), "bypass")
        if self.policy.invalidates(self.request, response):
            await self.forget(None)
        return response

    async def _refresh(self, entries: list[Entry]) -> Response:
        """Ask the origin, with conditions where something is stored."""
        requested_at = time.time()
        try:
            response = await self.send(self.conditional(entries))
        except _FAILED as error:
            entry = self.policy.usable_after_failure(self.request, entries, time.time())
            if entry is None or isinstance(error, hyperhttp.AddressNotAllowed):
                raise
            return self._served(entry, "stale", time.time())
        now = time.time()
        if response.status_code in FAILURES:
            entry = self.policy.usable_after_failure(self.request, entries, now)
            if entry is not None:
                response.give_up()
                return self._served(entry, "stale", now)
        if not entries:
            await self.keep(response, (), requested_at, now)
            return _marked(response, "miss")
        found = self.policy.confirm(entries, response, requested_at, now)
        if found.entry is not None:
            response.give_up()
            await self.ask(self.storage.put, self.key, found.entry, found.outdated)
            return self._served(found.entry, "confirmed", now)
        if found.again:
            response.give_up()
            await self.forget(found.outdated)
            return await self._refresh([])
        await self.keep(response, found.outdated, requested_at, now)
        return _marked(response, "miss")

    def conditional(self, entries: list[Entry]) -> Request:
        """The request, with conditions where something is stored."""
        request = self.request
        if entries:
            request = copy(request)
            request.headers.update(self.policy.conditions(entries))
        return request

    async def keep(self, response: Response, outdated: Collection[str], requested_at: float, now: float) -> bool:
        """Have the response stored when all of its content has been read; False where it must not be."""
        response.request = self.request
        entry = self.policy.storable(self.request, response, requested_at, now)
        limit = self.cache.max_content
        length = response.headers.get("content-length", "")
        if entry is None or (length.isascii() and length.isdigit() and int(length) > limit):
            if outdated:
                await self.forget(outdated)
            return False

        async def done(content: bytes) -> None:
            await self.ask(self.storage.put, self.key, replace(entry, content=content), outdated)

        await self._onward.keep(response, limit, done)
        return True

    # -- behind a response that was given (RFC 5861 section 3) -------------------------------------------------------

    def _begin_renewal(self, entry: Entry, entries: list[Entry]) -> bool:
        """Confirm what is stored in the background; False where there is none, and the origin is asked at once."""
        cache, request = self.cache, copy(self.request)  # its caller may change it meanwhile

        async def run(onward: Onward) -> None:
            await renew(Serving(cache, request, onward), entries)

        return self._onward.start((cache, self.key, entry.id), run)

    # -- both --------------------------------------------------------------------------------------------------------

    def _served(self, entry: Entry, how: str, now: float, part: Part | None = None) -> Response:
        status, reason, headers, content = whole_of(entry) if part is None else part.cut(entry)
        response = self._onward.response(
            status,
            [*headers, (b"Age", str(int(entry.age(now))).encode("ascii"))],
            content,
            reason=reason,
            http_version=entry.http_version,
        )
        return _marked(response, how)

    async def send(self, request: Request) -> Response:
        """What the origin says."""
        return await self._onward.send(request, self.cache._transport)

    async def forget(self, ids: Collection[str] | None) -> None:
        """Remove entries of this URL: those with these ids, or all."""
        await self.ask(self.storage.remove, self.key, ids)

    async def ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Ask the storage; one that fails is as good as none."""
        try:
            if self.storage.blocks:
                return await self._onward.call(function, *arguments)
            return function(*arguments)
        except ForeignDatabaseError:
            raise  # it will never be of use, and whoever named the file wants to know
        except Exception:
            logger.exception("the storage of the cache failed")
            return None


def _marked(response: Response, how: str) -> Response:
    response.extensions["from_cache"] = how in ("hit", "confirmed", "revalidating", "stale")
    response.extensions["cache"] = how
    return response
