"""Hedged requests: a second one is sent when the first takes long, and the answer that comes first is taken.

Dean and Barroso, "The Tail at Scale" (2013): where one server of many is slow now and then, a few requests more cut the
longest waits to a fraction. Each runs on a copy of the call, so that hooks and schemes see requests of their own.
"""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from hyperhttp.message.attempt import Attempt
from hyperhttp.pipeline.call import Call, PlainCall

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Any

    from hyperhttp.errors.retry import RetryPolicy
    from hyperhttp.message.response import Response

__all__ = ["can_hedge", "send_hedged"]


def can_hedge(call: Call, policy: RetryPolicy) -> bool:
    """Whether the request may be under way more than once at a time."""
    content = call.request._content
    return policy.may_repeat(call.request) and (content is None or content.data is not None)


async def send_hedged(
    call: Call, send: Callable[[Call], Awaitable[Response]], policy: RetryPolicy, pay: Callable[[float], bool]
) -> Response:
    """The first response of up to ``policy.hedge.max_hedges + 1`` requests; the others are cancelled.

    Args:
        call: what is sent; afterwards it is in the state of the one that won, or of the last that failed.
        send: the stages below.
        policy: how many, and how far apart.
        pay: whether the budget allows another one, at a moment.
    """
    hedge: Any = policy.hedge
    network = call.pool.network
    pristine = copy(call.request)
    twins: list[tuple[Call, float]] = []

    def start(number: int) -> Coroutine[Any, Any, tuple[Call, Response]] | None:
        now = network.now()
        if number > hedge.max_hedges or (number and not pay(now)):
            return None
        twin = copy(call)
        twin.now = now
        if number:
            twin.request = copy(pristine)
        twins.append((twin, now))
        return run(twin)

    async def run(twin: Call) -> tuple[Call, Response]:
        try:
            return twin, await send(twin)
        except Exception:
            call.request = twin.request
            call.attempts = twin.attempts
            raise

    winner, response = await network.first(start, hedge.delay, lambda late: late[1].give_up())
    _adopt(call, winner)
    if len(twins) > 1:
        now = network.now()
        call.attempts += tuple(
            Attempt.of("hedge", twin.request, None, now - at) for twin, at in twins if twin is not winner
        )
        response.attempts = call.attempts
    return response


def _adopt(call: Call, winner: Call) -> None:
    for name in (*PlainCall.__slots__, *Call.__slots__):
        if hasattr(winner, name):
            setattr(call, name, getattr(winner, name))
