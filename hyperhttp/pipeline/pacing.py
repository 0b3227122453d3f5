"""A rate limit before each network attempt: outside of the circuit breaker, inside retries and authentication.

A request waits before its hooks run, so that what they sign is fresh when it is sent. Where a circuit breaker would refuse
it, it does so before the request waits, and again after that.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperhttp.exceptions import CircuitBreakerOpen, HTTPStatusError, RateLimitExceeded

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hyperhttp.errors.rate_limit import RateLimiter
    from hyperhttp.message.response import Response
    from hyperhttp.network.base import Network
    from hyperhttp.pipeline.call import Call

__all__ = ["pace"]


async def pace(call: Call, send: Callable[[Call], Awaitable[Response]]) -> Response:
    """Wait for the request's turn and send it; learn from the response where that is wanted.

    Raises:
        RateLimitExceeded: its turn is later than the limit or the call's total timeout allow; nothing was sent.
        CircuitBreakerOpen: the host failed too often lately; nothing was sent.
    """
    limiter = call.limiter
    if limiter is None:
        return await send(call)
    network = call.pool.network
    url = call.request.url
    host, port = url.host, url.effective_port
    try:
        if call.breaker is not None:
            call.breaker.check(host, port, network.now())
        if await _wait(limiter, host, port, network, call.total_at):
            call.now = network.now()  # the phases of the attempt begin here
    except (CircuitBreakerOpen, RateLimitExceeded) as error:
        error.request = call.request
        raise
    if not limiter.learns:
        return await send(call)
    try:
        response = await send(call)
    except HTTPStatusError as error:  # from a hook that calls raise_for_status()
        if error.response is not None:
            limiter.learn(host, port, error.response, network.now())
        raise
    try:
        limiter.learn(host, port, response, network.now())
    except BaseException:  # a limiter of the user's
        response.give_up()
        raise
    return response


async def _wait(limiter: RateLimiter, host: str, port: int, network: Network, total_at: float) -> bool:
    """Whether the request had to wait for its turn."""
    turn = limiter.reserve(host, port, network.now(), total_at)
    if turn is None:
        return False
    try:
        while delay := limiter.due(turn, network.now()):
            await network.sleep(delay)
    except BaseException:
        limiter.give_up(turn, network.now())
        raise
    return True
