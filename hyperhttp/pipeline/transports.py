"""The last stage where plugins or the caller have mounted transports: some URLs go their way, the others over the network."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from hyperhttp.exceptions import HyperHTTPError, TotalTimeout
from hyperhttp.pipeline.exchange import exchange, load
from hyperhttp.pipeline.onward import Onward

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response
    from hyperhttp.pipeline.call import Call

__all__ = ["deliver"]


async def deliver(call: Call) -> Response:
    """Send the request through the transport that is mounted for its URL, or over the network."""
    request = call.request
    transport = call.find_transport(request.url) if call.find_transport is not None else None
    if transport is None:
        return await exchange(call)
    clock = call.pool.network.now
    started = clock()
    try:
        response: Response = await call.pool.network.within(
            call.total_at, _sending(transport, call), lambda: _overdue(request, call, started)
        )
    except HyperHTTPError as error:
        if error.request is None:
            error.request = request
        raise
    response.elapsed = response.elapsed or clock() - started
    response._options = call.read
    if response._request is None:
        response._request = request
    if call.attempts:
        response.attempts = call.attempts
    if call.jar is not None and not hasattr(transport, "send_onward") and "set-cookie" in response.headers:
        call.jar.extract(request.url, [value for name, value in response.headers.raw if name.lower() == b"set-cookie"])
    if not call.stream:
        await load(response)
    return response


def _sending(transport: Any, call: Call) -> Coroutine[Any, Any, Response]:
    """The exchange; a transport of this process is told where its caller lives, one before the network the way there."""
    if hasattr(transport, "send_onward"):
        way: Callable[[Call], Awaitable[Response]] = deliver
        if call.proxied:
            from hyperhttp.pipeline.forwarding import answer_proxy  # for those who have a proxy

            way = partial(answer_proxy, send=deliver)
        return transport.send_onward(call.request, Onward(call, way))  # type: ignore[no-any-return]
    send_over = getattr(transport, "send_over", None)
    if send_over is None:
        return transport.send(call.request)  # type: ignore[no-any-return]  # what the interface says
    return send_over(call.request, call.pool.network, call.total_at)  # type: ignore[no-any-return]


def _overdue(request: Request, call: Call, started: float) -> TotalTimeout:
    elapsed = call.pool.network.now() - started
    url = request.url
    return TotalTimeout(
        f"the transport for {url.redacted} had no response after {elapsed:.3g} s, when the call's total timeout was reached",
        request=request,
        host=url.host,
        port=url.effective_port,
        phase="transport",
        elapsed=elapsed,
    )
