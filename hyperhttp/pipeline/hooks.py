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
    listeners = call.listeners
    request = call.request
    for hook in tuple(hooks.get("request", ())):
        await _call(hook, request, call)
    if listeners is not None:
        for listener, waits in listeners.request:
            await listener(request) if waits else listener(request)
    call.route = call.find_route(request.url)  # a hook may have sent it somewhere else
    call.head = None
    call.now = call.pool.network.now()  # what the hooks took is not the server's
    try:
        response = await send(call)
    except Exception as error:
        if listeners is not None:
            for listener, waits in listeners.error:
                await listener(request, error) if waits else listener(request, error)
        raise
    try:
        return await _respond(call, response)
    except BaseException:
        response.give_up()
        raise


async def _respond(call: Call, response: Response) -> Response:
    """Let hooks and listeners see the response; each may put another in its place."""
    for hook in tuple((call.hooks or {}).get("response", ())):
        response = _chosen(response, await _call(hook, response, call), call.request)
    if call.listeners is not None:
        for listener, waits in call.listeners.response:
            replaced = await listener(response) if waits else listener(response)
            response = _chosen(response, replaced, call.request)
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


def _chosen(old: Response, new: Any, request: Request) -> Response:
    if not isinstance(new, Response) or new is old:
        return old
    old.give_up()
    if new._request is None:
        new._request = request
    new._options = old._options
    return new
