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
        line = jar.header_for(request.url)
        if line is not None:
            own = request.headers.get("cookie")
            request.headers["Cookie"] = line if own is None else f"{own}; {line}"
            call.head = None
    return await send(call)
