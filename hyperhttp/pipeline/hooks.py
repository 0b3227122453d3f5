"""Event hooks, once per network attempt (the last stage before the exchange)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from hyperhttp.message.response import Response
from hyperhttp.pipeline.exchange import load
from hyperhttp.pipeline.origins import leave_origin, note_changes, note_content
from hyperhttp.pipeline.watching import Watch

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hyperhttp.message.request import Request
    from hyperhttp.pipeline.call import Call

__all__ = ["call_hook", "run_hooks", "tell", "tell_retry"]


async def run_hooks(call: Call, send: Callable[[Call], Awaitable[Response]]) -> Response:
    """Call the request hooks, send, call the response hooks.

    A request hook may change the request; a response hook may return another response. What a hook raises comes out.
    Listeners stand next to the wire: they see the request after the hooks, and the response before them.
    """
    listeners = call.listeners
    done = tuple((call.hooks or {}).get("done", ()))
    if listeners is None or not (listeners.finish or done):
        return await _attempt(call, send)
    watch = Watch(listeners, call.request, done)
    try:
        response = await _attempt(call, send, watch)
    except BaseException as error:
        watch.over(error)
        raise
    watch.settle()
    return response


async def _attempt(call: Call, send: Callable[[Call], Awaitable[Response]], watch: Watch | None = None) -> Response:
    request = call.request
    before, fields, content = request.url, request.headers.raw, request._content
    await tell(call, "request", request)
    if request.url is not before:  # a hook has sent it somewhere else
        call.route = call.find_route(request.url)
        if request.url.origin != before.origin:
            leave_origin(call, request, fields, content)
    note_changes(call, fields, request.headers.raw, jar=True)
    note_content(call, content, fields)
    if request._content is not None and "expect" in request.headers:
        from hyperhttp.pipeline.expecting import expect_continue  # rarely asked for

        send = partial(expect_continue, send=send)
    call.head = None
    call.now = call.pool.network.now()  # what the hooks took is not the server's
    stream = call.stream
    listeners = () if call.listeners is None else call.listeners.response
    if listeners:
        call.stream = True  # they hear of the head as soon as it is there
    try:
        response = await send(call)
    except Exception as error:
        await tell(call, "error", request, error)
        raise
    finally:
        call.stream = stream
    if watch is not None:
        watch.follow(response)
    try:
        for listener in listeners:
            response = _chosen(response, await call_hook(listener, response), request)
        if listeners and not stream:
            await _load(call, response)
        for hook in tuple((call.hooks or {}).get("response", ())):
            response = _chosen(response, await call_hook(hook, response), request)
    except BaseException:
        response.give_up()
        raise
    return response


async def _load(call: Call, response: Response) -> None:
    """Read the content of a call that wants it read; where that fails, the attempt has."""
    try:
        await load(response)
    except Exception as error:
        await tell(call, "error", call.request, error)
        raise


async def tell(call: Call, event: str, *arguments: Any) -> None:
    """Call the hooks of an event, then the listeners; what one of them raises comes out."""
    for hook in tuple((call.hooks or {}).get(event, ())):
        await call_hook(hook, *arguments)
    if call.listeners is not None:
        for listener in getattr(call.listeners, event):
            await call_hook(listener, *arguments)


async def tell_retry(call: Call, request: Request, attempt: int, delay: float, cause: Exception | Response) -> None:
    """Tell that a request will be sent again; does nothing where nobody listens.

    Args:
        call: whose hooks and listeners are told.
        request: what will be sent again.
        attempt: the number of the retry, from 1.
        delay: seconds until then.
        cause: the error, or the response with the status, that it is sent again for.
    """
    if call.hooks is not None or call.listeners is not None:
        await tell(call, "retry", request, attempt, delay, cause)


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
    new.attempts = old.attempts
    return new
