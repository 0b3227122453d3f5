"""The way of one request, stage by stage, outermost first.

1. `redirects`: each hop is a request of its own.
2. `retries`: each hop is sent again on its own, with whatever is below; hedged requests run side by side here.
3. `authentication`: a challenge is answered within its attempt.
4. `pacing`: each network attempt waits for its turn under a rate limit.
5. `breaking`: none is made to a host that keeps failing.
6. `cookies`: from the jar to the request.
7. `hooks`: once per network attempt, after everything that changes the request.
8. `expecting`: what a server refuses only because it knows no expectations is sent without one.
9. `forwarding`: credentials for a proxy that forwards requests, and answers to its challenges.
10. `exchange`: pool, connection, response; or `transports`, where some are mounted.

Around all of them, `watching` tells listeners of the call's begin and end.

A stage with nothing to do is left out when a call starts: a plain GET walks `exchange` alone.
"""

from __future__ import annotations

from copy import copy
from functools import partial
from typing import TYPE_CHECKING, Any

from hyperhttp.pipeline.authentication import authenticate
from hyperhttp.pipeline.cookies import carry_cookies
from hyperhttp.pipeline.exchange import exchange
from hyperhttp.pipeline.hooks import run_hooks
from hyperhttp.pipeline.redirects import follow_redirects
from hyperhttp.pipeline.transports import deliver
from hyperhttp.pipeline.watching import watch_call

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
    if call.proxied:
        from hyperhttp.pipeline.forwarding import answer_proxy  # for those who have a proxy

        stage = partial(answer_proxy, send=stage)
    has_hooks = call.hooks is not None or call.listeners is not None
    if call.request._content is not None and "expect" in call.request.headers:
        call.request = copy(call.request)  # it may lose the field; the caller's own expects as much the next time
        if not has_hooks:  # they may expect something too, so that this is asked after them
            from hyperhttp.pipeline.expecting import expect_continue  # rarely asked for

            stage = partial(expect_continue, send=stage)
    if has_hooks:
        stage = partial(run_hooks, send=stage)
    if call.jar is not None:
        stage = partial(carry_cookies, send=stage)
    if call.breaker is not None or call.limiter is not None:
        stage = _restrained(call, stage)
    if call.auth is not None:
        stage = partial(authenticate, send=stage)
    if call.retry is not None:
        from hyperhttp.pipeline.retries import send_with_retries  # off by default, and then not even imported

        stage = partial(send_with_retries, send=stage)
    if call.max_redirects:
        stage = partial(follow_redirects, send=stage)
    if call.listeners is not None and (call.listeners.begin or call.listeners.end):
        stage = partial(watch_call, send=stage)
    return stage(call)  # type: ignore[return-value]  # every stage is a coroutine function


def _restrained(call: Call, stage: Callable[[Call], Awaitable[Response]]) -> Callable[[Call], Awaitable[Response]]:
    """The stages that hold attempts back, around those below."""
    if call.breaker is not None:
        from hyperhttp.pipeline.breaking import guard  # off by default, and then not even imported

        stage = partial(guard, send=stage)
    if call.limiter is not None:
        from hyperhttp.pipeline.pacing import pace

        stage = partial(pace, send=stage)
    return stage
