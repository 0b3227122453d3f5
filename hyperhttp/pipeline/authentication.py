"""Drive an authentication flow: requests out, responses in (RFC 9110 section 11)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from hyperhttp.auth.base import ContentHash
from hyperhttp.message.attempt import Attempt
from hyperhttp.message.content import Content
from hyperhttp.pipeline.origins import note_changes, note_content

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from hyperhttp.auth.base import Auth
    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response
    from hyperhttp.pipeline.call import Call

__all__ = ["authenticate", "drain", "hash_content", "load_content"]


async def authenticate(call: Call, send: Callable[[Call], Awaitable[Response]]) -> Response:
    """Let the call's scheme sign the request, and answer challenges as long as it wants to.

    A request to another origin than the one the credentials were given for passes unsigned.
    """
    auth = call.auth
    if auth is None or call.request.url.origin != call.origin:
        call.auth = None  # what was left behind does not come back when a later hop does (CVE-2024-45336)
        return await send(call)
    await load_content(call)
    unsigned, content = call.request.headers.raw, call.request._content
    flow = auth.auth_flow(call.request)
    if not hasattr(flow, "send"):
        msg = f"{type(auth).__name__}.auth_flow must be a plain generator function, neither async nor without a yield"
        raise TypeError(msg)
    try:
        call.request = await _first_request(flow, auth, call)
        while True:
            call.route = call.find_route(call.request.url)  # a flow may ask another origin, for a token
            call.head = None
            note_changes(call, unsigned, call.request.headers.raw)
            note_content(call, content, unsigned)
            response = await send(call)
            following = await _next_request(flow, response, call, read=getattr(auth, "requires_response_body", False))
            if following is None:
                return response
            now = call.pool.network.now()
            call.attempts += (Attempt.of("authentication", call.request, response, now - call.now),)
            call.request = following
            call.now = now
    finally:
        flow.close()


async def _first_request(flow: Generator[Any, Any, None], auth: Auth, call: Call) -> Request:
    request = next(flow, None)
    if type(request) is ContentHash:
        request = flow.send(await hash_content(call, request.algorithm))
    if request is None:
        msg = f"{type(auth).__name__}.auth_flow yielded no request"
        raise RuntimeError(msg)
    return cast("Request", request)


async def _next_request(
    flow: Generator[Any, Any, None], response: Response, call: Call, *, read: bool
) -> Request | None:
    """What the flow wants to send after `response`; None when it is content with it."""
    try:
        if read:
            await response._load()
        following = flow.send(response)
        await drain(response)
        if type(following) is ContentHash:
            following = flow.send(await hash_content(call, following.algorithm))
    except StopIteration:
        return None
    except BaseException:
        response.give_up()
        raise
    return cast("Request", following)


async def hash_content(call: Call, algorithm: str) -> str:
    """The hash of content that is read for it, piece by piece, and can be read again, in hexadecimal digits."""
    import hashlib  # loads OpenSSL, which most requests over http do without

    content = call.request._content
    digest = hashlib.new(algorithm, usedforsecurity=False)
    if content is not None:
        in_worker = call.pool.network.call
        content.rewind()
        try:
            while piece := await content.next_chunk(in_worker):
                await in_worker(digest.update, piece)
        finally:
            content.close()
    return digest.hexdigest()


async def load_content(call: Call) -> None:
    """Take streamed content into memory, where the call's scheme signs it."""
    request = call.request
    content = request._content
    if content is None or content.data is not None or not getattr(call.auth, "requires_request_body", False):
        return
    if request.url.origin != call.origin:
        return
    content.rewind()
    pieces = []
    try:
        while piece := await content.next_chunk(call.pool.network.call):
            pieces.append(piece)
    finally:
        content.close()
    request._content = Content(b"".join(pieces))
    request.headers.pop("transfer-encoding", None)
    request.headers["Content-Length"] = str(request._content.length)


async def drain(response: Response) -> None:
    """Read what is left of a challenge's content, so that its connection serves the next request."""
    if response._content is None and response._stream is not None and not response._consumed:
        length = response.headers.get("content-length", "")
        if length.isdigit() and int(length) <= 65536:
            await response._load()
        else:
            response.give_up()
