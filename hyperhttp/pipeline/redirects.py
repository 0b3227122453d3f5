"""Follow redirects (RFC 9110 section 15.4), and leave behind what must not cross origins.

A redirect is a sentence of a server about where to go; it is believed as far as the address, never as far as
credentials: to another origin neither Authorization nor Cookie nor Proxy-Authorization travels, nor what a flow or a hook
has set for the old one, fields or content, not even when a later hop leads back. Only ``http`` and ``https`` are followed,
and from ``https`` to ``http`` only when asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperhttp.exceptions import InvalidURL, RemoteProtocolError, StreamConsumed, TooManyRedirects
from hyperhttp.message.extensions import redirected
from hyperhttp.message.headers import Headers
from hyperhttp.message.request import Request
from hyperhttp.pipeline.exchange import load
from hyperhttp.pipeline.hooks import tell
from hyperhttp.pipeline.origins import CONTENT_FIELDS, with_content_of, without_changes

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from hyperhttp.message.content import Content
    from hyperhttp.message.response import Response
    from hyperhttp.message.url import URL
    from hyperhttp.pipeline.call import Call

__all__ = ["follow_redirects", "redirect_request"]

_SECRET_FIELDS: Final = frozenset({b"authorization", b"cookie", b"cookie2", b"proxy-authorization"})


async def follow_redirects(call: Call, send: Callable[[Call], Awaitable[Response]]) -> Response:
    """Send, and send on, until the response is no redirect.

    Raises:
        TooManyRedirects: there were more than `max_redirects`.
        RemoteProtocolError: the target cannot or must not be followed.
    """
    history: list[Response] = []
    stream, call.stream = call.stream, True  # what a redirect carries is not read, however much it is
    while True:
        response = await send(call)
        if not response.is_redirect:
            response.history = history
            if not stream:
                await load(response)
            return response
        if len(history) >= call.max_redirects:
            response.give_up()
            msg = f"more than {call.max_redirects} redirects, the last one from {response.url.redacted}"
            raise TooManyRedirects(msg, request=response.request)
        try:
            request = redirect_request(response, downgrade=call.downgrade, changed=call.changed, replaced=call.replaced)
            await _finish(response, call)
        except BaseException:
            response.give_up()
            raise
        if call.hooks is not None or call.listeners is not None:
            await tell(call, "redirect", response, request)
        history.append(response)
        call.attempts = ()
        if request.url.origin != response.request.url.origin:
            call.changed = call.replaced = None
        elif call.replaced is not None and request._content is None:
            call.replaced = (None, ())  # it was left behind here, and does not come back
        call.request = request
        call.route = call.find_route(request.url)
        call.head = None
        call.now = call.pool.network.now()


def redirect_request(
    response: Response,
    *,
    downgrade: bool = False,
    changed: Mapping[bytes, Sequence[tuple[bytes, bytes]]] | None = None,
    replaced: tuple[Content | None, Sequence[tuple[bytes, bytes]]] | None = None,
) -> Request:
    """The request a redirect asks for.

    Args:
        response: a 3xx with a Location field.
        downgrade: from https to http is allowed.
        changed: fields that flows and hooks have set for the origin of the response, with the lines before.
        replaced: the content that was there before them, with its fields, where they have set another.

    Raises:
        RemoteProtocolError: Location is no URL that may be followed.
        StreamConsumed: the content has to be sent again and cannot be.
    """
    request = response.request
    url = _target(response, request.url)
    if url.scheme == "http" and request.url.scheme == "https" and not downgrade:
        msg = f"the redirect from {request.url.redacted} leaves https; pass follow_redirects='downgrade' to allow that"
        raise RemoteProtocolError(msg, request=request)
    method = _method(response.status_code, request.method)
    dropped: frozenset[bytes] = frozenset({b"host", b"cookie"})
    fields, content = request.headers.raw, request._content
    if url.origin != request.url.origin:
        dropped |= _SECRET_FIELDS
        fields = without_changes(fields, changed or {})
        if replaced is not None and content is not None:
            content, fields = replaced[0], with_content_of(replaced, fields)
    if method != request.method:
        dropped |= CONTENT_FIELDS
    fields = [field for field in fields if field[0].lower() not in dropped]
    following = Request.lazy(method, url, ())
    following._headers = Headers.from_fields(fields)
    if method == request.method and content is not None:
        if not content.can_send:
            msg = f"the redirect to {url.redacted} asks for the content again, and it cannot be sent twice"
            raise StreamConsumed(msg, request=request)
        following._content = content
    if request._extensions:
        following._extensions = redirected(request._extensions, same_host=url.host == request.url.host)
    return following


def _target(response: Response, base: URL) -> URL:
    location = response.headers.get_list("location")[0]
    try:
        url = base.join(location)
    except InvalidURL as error:
        msg = f"the redirect from {base.redacted} has an invalid Location: {error}"
        raise RemoteProtocolError(msg, request=response.request) from error
    if url.scheme not in ("http", "https", base.scheme) or not url.host:
        msg = f"the redirect from {base.redacted} leads to {url.scheme!r}, which is not followed"
        raise RemoteProtocolError(msg, request=response.request)
    if url.userinfo:
        url = url.copy_with(userinfo=None)  # credentials are not taken from a server
    if base.fragment and not url.fragment:
        url = url.copy_with(fragment=base.fragment)  # RFC 9110 section 10.2.2
    return url


def _method(status: int, method: str) -> str:
    """303 turns everything but HEAD into GET; 301 and 302 turn only POST, as all clients do (RFC 9110 section 15.4)."""
    if status == 303 and method != "HEAD":
        return "GET"
    if status in (301, 302) and method == "POST":
        return "GET"
    return method


async def _finish(response: Response, call: Call) -> None:
    """Read a small rest, so that the connection can be used again; drop a large one."""
    if call.stream and response._stream is not None:
        length = response.headers.get("content-length")
        if length is None or not length.isdigit() or int(length) > 65536:
            response.give_up()
            return
        response._encoded = await response._stream.receive_all(65536)
        response._consumed = False
