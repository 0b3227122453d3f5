"""What goes on behind a stale response that was given: it is confirmed, or replaced (RFC 5861 section 3)."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import hyperhttp

if TYPE_CHECKING:
    from hyperhttp import Response
    from hyperhttp_cache.entry import Entry
    from hyperhttp_cache.transport import Serving

__all__ = ["renew"]

logger = logging.getLogger("hyperhttp.cache")


async def renew(serving: Serving, entries: list[Entry]) -> None:
    """Confirm or replace what is stored; what fails is logged, and leaves it as it is."""
    url = serving.request.url.redacted
    try:
        requested_at = time.time()
        response = await serving.send(serving.conditional(entries))
        try:
            await _renew_by(serving, response, entries, requested_at)
        finally:
            response.give_up()
    except hyperhttp.ClientClosed:
        logger.debug("%s was not confirmed: the client was closed", url)
    except hyperhttp.HyperHTTPError as error:
        level = logging.DEBUG if serving.cache.closed else logging.WARNING
        logger.log(level, "%s could not be confirmed, and stays stale: %s", url, error)
    except Exception:
        logger.exception("%s could not be confirmed, and stays stale", url)


async def _renew_by(serving: Serving, response: Response, entries: list[Entry], requested_at: float) -> None:
    now = time.time()
    if response.status_code >= 500:
        msg = f"the origin answered {response.status_code}"
        raise hyperhttp.HTTPStatusError(msg, request=serving.request, response=response)
    found = serving.policy.confirm(entries, response, requested_at, now)
    if found.entry is not None:
        await serving.ask(serving.storage.put, serving.key, found.entry, found.outdated)
    elif found.again:
        await serving.forget(found.outdated)
    else:  # whatever it is, what is stored is not what the origin would send now (RFC 9111 section 4.3.3)
        outdated = [entry.id for entry in entries]
        is_kept = await serving.keep(response, outdated, requested_at, now)
        if is_kept and not await _read(response, serving.cache.max_content):
            await serving.forget(outdated)


async def _read(response: Response, limit: int) -> bool:
    """Read the content, so that it is stored; False where it is larger than what is stored."""
    size = 0
    async for piece in response.aiter_raw():
        size += len(piece)
        if size > limit:
            return False
    return True
