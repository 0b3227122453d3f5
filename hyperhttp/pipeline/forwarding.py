"""Credentials on requests that a proxy forwards: Basic unasked, an answer where it asks for Digest (RFC 9110 section 11.7).

It is the connection's business, not the request's: event hooks see neither a challenge of the proxy nor the credentials
for it, as they do not see what opens a tunnel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperhttp.exceptions import StreamConsumed
from hyperhttp.message.attempt import Attempt
from hyperhttp.pipeline.authentication import drain, hash_content
from hyperhttp.pipeline.exchange import absolute_form, render_head

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hyperhttp.auth.proxy_digest import ProxySigner
    from hyperhttp.message.response import Response
    from hyperhttp.pipeline.call import Call

__all__ = ["answer_proxy"]


async def answer_proxy(call: Call, send: Callable[[Call], Awaitable[Response]]) -> Response:
    """Sign what goes to a proxy that forwards it, and answer its challenges. All else passes as it is.

    Raises:
        StreamConsumed: the content has to be sent again and cannot be; what the proxy asked for is remembered.
    """
    route = call.route
    call.proxy_authorization = None
    if route.proxy is None or route.tunnel or route.proxy.credentials is None or _is_mounted(call):
        return await send(call)
    content = call.request.content
    signer: ProxySigner = route.proxy.credentials.begin(can_sign=content is None or content.replayable)
    while True:
        request = call.request
        data = b"" if content is None else content.data or b""
        target = absolute_form(request)
        hashed = ""
        if signer.content_algorithm and content is not None and content.data is None:
            hashed = await hash_content(call, signer.content_algorithm)
        authorization = signer.authorization(request.method, target, data, hashed)
        if authorization is not route.proxy.authorization:  # Basic, or nothing, is in every head for this proxy
            call.head = render_head(request, route, authorization)
            call.proxy_authorization = authorization
        response = await send(call)
        try:
            if not await _shall_send_again(response, call, signer):
                return response
        except BaseException:
            response.give_up()
            raise
        now = call.pool.network.now()
        call.attempts += (Attempt.of("authentication", request, response, now - call.now),)
        call.now = now


async def _shall_send_again(response: Response, call: Call, signer: ProxySigner) -> bool:
    """Whether the proxy asks for other credentials and they can be given."""
    request = call.request
    content = request.content
    fields = response.headers.raw
    if response.status_code != 407 or not signer.heed(fields, can_sign=content is None or content.replayable):
        signer.accept(fields)
        return False
    if content is not None and not content.can_send:
        msg = f"the proxy {call.route.proxy} asks for credentials, and the content cannot be sent twice to give them"
        raise StreamConsumed(msg, request=request)
    await drain(response)
    return True


def _is_mounted(call: Call) -> bool:
    return call.find_transport is not None and call.find_transport(call.request.url) is not None
