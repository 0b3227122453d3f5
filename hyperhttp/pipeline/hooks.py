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
        await _call(hook, request, call)
    call.route = call.find_route(request.url)  # a hook may have sent it somewhere else
    call.head = None
    call.now = call.pool.network.now()  # what the hooks took is not the server's
    response = await send(call)
    try:
        for hook in tuple(hooks.get("response", ())):
            replaced = await _call(hook, response, call)
            if isinstance(replaced, Response) and replaced is not response:
                response = _replace(response, replaced, request)
    except BaseException:
        response._give_up()
        raise
    return response


async def _call(hook: Callable[[Any], Any], argument: Any, call: Call) -> Any:
    result = hook(argument)
    if not hasattr(result, "__await__"):
        return result
    try:
        return await result
    except RuntimeError as error:
        if call.read.drive is None or "no running event loop" not in str(error):
            raise
        msg = "SyncClient was given an async hook that waits: use a plain function, or the asynchronous Client"
        raise RuntimeError(msg) from error


def _replace(old: Response, new: Response, request: Request) -> Response:
    old._give_up()
    if new._request is None:
        new._request = request
    new._options = old._options
    return new
