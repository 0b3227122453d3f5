"""Event hooks, once per network attempt (the last stage before the exchange)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperhttp.message.response import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hyperhttp.message.request import Request
    from hyperhttp.pipeline.call import Call

__all__ = ["call_hook", "run_hooks"]


async def run_hooks(call: Call, send: Callable[[Call], Awaitable[Response]]) -> Response:
    """Call the request hooks, send, call the response hooks.

    A request hook may change the request; a response hook may return another response. What a hook raises comes out.
    """
    hooks = call.hooks or {}
    listeners = call.listeners
    request = call.request
    before = request.url
    for hook in tuple(hooks.get("request", ())):
        await call_hook(hook, request)
    if listeners is not None:
        for listener in listeners.request:
            await call_hook(listener, request)
    if request.url is not before:  # a hook has sent it somewhere else
        call.route = call.find_route(request.url)
    call.head = None
    call.now = call.pool.network.now()  # what the hooks took is not the server's
    try:
        response = await send(call)
    except Exception as error:
        if listeners is not None:
            for listener in listeners.error:
                await call_hook(listener, request, error)
        raise
    try:
        return await _respond(call, response)
    except BaseException:
        response.give_up()
        raise


async def _respond(call: Call, response: Response) -> Response:
    """Let hooks and listeners see the response; each may put another in its place."""
    for hook in tuple((call.hooks or {}).get("response", ())):
        response = _chosen(response, await call_hook(hook, response), call.request)
    if call.listeners is not None:
        for listener in call.listeners.response:
            response = _chosen(response, await call_hook(listener, response), call.request)
    return response


async def call_hook(hook: Callable[..., Any], *arguments: Any) -> Any:
    """Call it, and await what it gives to await: an async function, or a plain one that calls such a function."""
    result = hook(*arguments)
    return await result if hasattr(result, "__await__") else result


def _chosen(old: Response, new: Any, request: Request) -> Response:
    if not isinstance(new, Response) or new is old:
        return old
    old.give_up()
    if new._request is None:
        new._request = request
    new._options = old._options
    return new
