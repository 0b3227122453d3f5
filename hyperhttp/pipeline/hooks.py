"""Event hooks, once per network attempt (the last stage before the exchange)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperhttp.message.response import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hyperhttp.message.request import Request
    from hyperhttp.pipeline.call import Call

__all__ = ["run_hooks"]


async def run_hooks(call: Call, send: Callable[[Call], Awaitable[Response]]) -> Response:
    """Call the request hooks, send, call the response hooks.

    A request hook may change the request; a response hook may return another response. What a hook raises comes out.
    """
    hooks = call.hooks or {}
    request = call.request
    for hook in tuple(hooks.get("request", ())):
        await _call(hook, request)
    if request.url.origin != call.origin:
        call.route = call.find_route(request.url)  # the hook sent it somewhere else
    call.head = None
    call.now = call.pool.network.now()  # what the hooks took is not the server's
    response = await send(call)
    try:
        for hook in tuple(hooks.get("response", ())):
            replaced = await _call(hook, response)
            if isinstance(replaced, Response) and replaced is not response:
                response = _replace(response, replaced, request)
    except BaseException:
        response._give_up()
        raise
    return response


async def _call(hook: Callable[[Any], Any], argument: Any) -> Any:
    result = hook(argument)
    if hasattr(result, "__await__"):
        result = await result
    return result


def _replace(old: Response, new: Response, request: Request) -> Response:
    old._give_up()
    if new._request is None:
        new._request = request
    new._options = old._options
    return new
