"""Cookies from the jar to the request; the way back is one test in the exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperhttp.config import UNSET

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response
    from hyperhttp.pipeline.call import Call

__all__ = ["carry_cookies", "refresh_cookies"]


async def carry_cookies(call: Call, send: Callable[[Call], Awaitable[Response]]) -> Response:
    """Add what the jar holds for the request's URL to its Cookie field."""
    jar = call.jar
    if jar or (jar is not None and call.request._own_cookie is not UNSET):
        refresh_cookies(call, call.request)
    return await send(call)


def refresh_cookies(call: Call, request: Request) -> None:
    """Make the Cookie field what the jar holds for the request's URL, beside what the caller wrote into it."""
    jar = call.jar
    if jar is not None:
        own = own_cookie(request)
        line = jar.header_for(request.url, own=own)
        if line is not None:
            request.headers["Cookie"] = line
            call.head = None
        elif own is None and "cookie" in request.headers:
            del request.headers["Cookie"]  # the jar's, from an earlier sending
            call.head = None


def own_cookie(request: Request) -> bytes | None:
    """What the caller wrote into the Cookie field, apart from what the jar has added in an earlier sending."""
    if request._own_cookie is UNSET:
        lines = [field[1] for field in request.headers.raw if field[0].lower() == b"cookie"]
        request._own_cookie = b"; ".join(lines) if lines else None
    return request._own_cookie
