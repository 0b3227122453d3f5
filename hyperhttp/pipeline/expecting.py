"""A server that knows no expectations is asked without one (RFC 9110 sections 10.1.1 and 15.5.18)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperhttp.message.attempt import Attempt

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hyperhttp.message.response import Response
    from hyperhttp.pipeline.call import Call

__all__ = ["expect_continue"]


async def expect_continue(call: Call, send: Callable[[Call], Awaitable[Response]]) -> Response:
    """Send, and after 417 (Expectation Failed) send once more, without the Expect field.

    That status says nothing of the request: only that somebody on the way does not know what to do with the field.
    """
    response = await send(call)
    request = call.request
    content = request._content
    if response.status_code != 417 or content is None or not content.can_send or "expect" not in request.headers:
        return response
    response.give_up()
    now = call.pool.network.now()
    call.attempts += (Attempt.of("expectation", request, response, now - call.now),)
    del request.headers["Expect"]
    call.head = None
    call.now = now
    return await send(call)
