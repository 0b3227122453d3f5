"""The way of one request, stage by stage, outermost first.

1. `redirects`: each hop is a request of its own.
2. `authentication`: a challenge is answered within its hop.
3. `cookies`: from the jar to the request.
4. `hooks`: once per network attempt, after everything that changes the request.
5. `exchange`: pool, connection, response; or `transports`, where some are mounted.

A stage with nothing to do is left out when a call starts: a plain GET walks `exchange` alone.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from hyperhttp.pipeline.authentication import authenticate
from hyperhttp.pipeline.cookies import carry_cookies
from hyperhttp.pipeline.exchange import exchange
from hyperhttp.pipeline.hooks import run_hooks
from hyperhttp.pipeline.redirects import follow_redirects
from hyperhttp.pipeline.transports import deliver

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from hyperhttp.message.response import Response
    from hyperhttp.pipeline.call import Call

__all__ = ["exchange", "send"]


def send(call: Call) -> Coroutine[Any, Any, Response]:
    """The call's way through the stages it needs."""
    stage: Callable[[Call], Awaitable[Response]] = exchange
    if call.find_transport is not None:
        stage = deliver
    if call.hooks is not None or call.listeners is not None:
        stage = partial(run_hooks, send=stage)
    if call.jar is not None:
        stage = partial(carry_cookies, send=stage)
    if call.auth is not None:
        stage = partial(authenticate, send=stage)
    if call.max_redirects:
        stage = partial(follow_redirects, send=stage)
    return stage(call)  # type: ignore[return-value]  # every stage is a coroutine function
