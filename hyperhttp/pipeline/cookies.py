"""Cookies from the jar to the request; the way back is one test in the exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hyperhttp.message.response import Response
    from hyperhttp.pipeline.call import Call

__all__ = ["carry_cookies"]


async def carry_cookies(call: Call, send: Callable[[Call], Awaitable[Response]]) -> Response:
    """Add what the jar holds for the request's URL to its Cookie field."""
    jar = call.jar
    if jar:
        request = call.request
        own = [field[1] for field in request.headers.raw if field[0].lower() == b"cookie"]
        line = jar.header_for(request.url, own=b"; ".join(own) if own else None)
        if line is not None:
            request.headers["Cookie"] = line
            call.head = None
    return await send(call)
