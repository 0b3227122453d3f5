"""The last stage where plugins or the caller have mounted transports: some URLs go their way, the others over the network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperhttp.exceptions import HyperHTTPError, TotalTimeout
from hyperhttp.pipeline.exchange import exchange, load

if TYPE_CHECKING:
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
            call.total_at, transport.send(request), lambda: _overdue(request, call, started)
        )
    except HyperHTTPError as error:
        if error.request is None:
            error.request = request
        raise
    response.elapsed = response.elapsed or clock() - started
    response._options = call.read
    if response._request is None:
        response._request = request
    if call.jar is not None and "set-cookie" in response.headers:
        call.jar.extract(request.url, [value for name, value in response.headers.raw if name.lower() == b"set-cookie"])
    if not call.stream:
        await load(response)
    return response


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
