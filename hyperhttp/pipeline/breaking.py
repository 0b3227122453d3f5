"""A circuit breaker around each network attempt: inside retries and authentication, outside cookies and hooks.

An attempt that is refused was none: no hook hears of it and nothing is sent. The refusal is not one of the errors that
retries are for, so it ends them at once, and the caller sees `CircuitBreakerOpen`; a retry policy may decide otherwise
(``retry_on_exception``).

What counts is what comes of sending: an error, or a response as soon as its head is there. The host is the one the request
names, though a hook may send it elsewhere: an address that a hook chooses is a detail of reaching that host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperhttp.exceptions import CircuitBreakerOpen, HyperHTTPError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response
    from hyperhttp.pipeline.call import Call

__all__ = ["guard"]


async def guard(call: Call, send: Callable[[Call], Awaitable[Response]]) -> Response:
    """Ask the breaker, send, and tell it what came of it.

    Raises:
        CircuitBreakerOpen: the host failed too often lately; nothing was sent.
    """
    breaker = call.breaker
    if breaker is None:
        return await send(call)
    clock = call.pool.network.now
    request = call.request
    url = request.url
    try:
        ticket = breaker.admit(url.host, url.effective_port, clock())
    except CircuitBreakerOpen as error:
        error.request = request
        raise
    try:
        response = await send(call)
    except BaseException as error:  # cancelled or not: a probe never keeps its place
        if _is_foreign(error, call, request):
            breaker.release(ticket, clock())
        else:
            breaker.record(ticket, error, clock())
        raise
    breaker.record(ticket, response, clock())
    return response


def _is_foreign(error: BaseException, call: Call, request: Request) -> bool:
    """Whether it is about a request that a hook has sent to somebody else."""
    if not isinstance(error, HyperHTTPError) or call.find_transport is not None:
        return False
    return error.request is not None and error.request is not request and error.request is not call.request
