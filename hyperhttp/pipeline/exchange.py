"""The last stage: take a connection, send the request, give the response its content.

A request that meets a connection the server had already closed is sent again, once and silently, on a fresh one, where
that is safe: nothing of a response had arrived, and the method is idempotent (RFC 9110 section 9.2.2, RFC 9112
section 9.3.1).
"""

from __future__ import annotations

import time
from copy import copy
from typing import TYPE_CHECKING, Any

from hyperhttp.connection.overdue import UnansweredError, locate, waits_for_continue
from hyperhttp.connection.stream import ContentStream
from hyperhttp.exceptions import (
    HyperHTTPError,
    LocalProtocolError,
    ReadError,
    ReadTimeout,
    RemoteProtocolError,
    TransportError,
    WriteError,
)
from hyperhttp.message.attempt import Attempt
from hyperhttp.message.extensions import forwarded_target, request_target, tls_name
from hyperhttp.message.reading import StreamGuard
from hyperhttp.message.response import Response
from hyperhttp.pipeline.upgrade import prepare_upgrade, switch_protocols, upgrade_fields
from hyperhttp.pipeline.watching import tell_all
from hyperhttp.pool.events import OPENED, REUSED, tell
from hyperhttp.protocol.events import CONTENT_ENCODING, SET_COOKIE
from hyperhttp.protocol.http1.writer import write_fields, write_request_line

if TYPE_CHECKING:
    from hyperhttp.connection.http2_exchange import HTTP2Exchange
    from hyperhttp.message.headers import Headers
    from hyperhttp.message.request import Request
    from hyperhttp.message.timing import ConnectionInfo
    from hyperhttp.pipeline.call import PlainCall
    from hyperhttp.pool.lane import Waiter
    from hyperhttp.protocol.events import ResponseHead

    _Answer = tuple[ResponseHead, bytes | ContentStream, float]

__all__ = ["absolute_form", "exchange", "load", "render_head"]

#: In-memory content up to this size travels in the same write as the head.
_JOIN = 65_536

#: What a connection ends with that the server had closed already.
_BROKEN = (ReadError, WriteError, RemoteProtocolError)
#: What an address that takes connections and serves nothing makes of a request.
_FAILED = (*_BROKEN, ReadTimeout)
#: Times a request is sent again that servers have said they did not process.
_MAX_REFUSALS = 5

_now = time.monotonic
_blank = object.__new__


async def exchange(call: PlainCall) -> Response:
    """Send the call's request once and give its response.

    Raises:
        TransportError: no connection, or the exchange failed.
        LocalProtocolError: the request cannot be sent as it is.
    """
    pool = call.pool
    request = call.request
    data, last, protocol = call.head, False, ""
    if data is None:
        data, last, protocol = _first_head(call)
    lane = pool.lanes.get(call.route) or pool.lane(call.route)
    began = call.now
    connection: Any = pool.take(lane, began)
    if connection is None:
        place = pool.line_up(call.route, call.timeout.pool, call.total_at, began)
        if place is not None:
            try:
                await place.wait  # not in `_acquire`: thousands may stand in line, and each frame costs memory
            except BaseException as error:  # noqa: BLE001 - cancelled, interrupted or too late: it leaves the line
                pool.leave(place)
                raise _final(error, request) from error.__cause__
        connection = await _acquire(call, place)
    tries = 0.0
    while True:
        started, serving = call.now, None
        if pool.listeners and connection.uses:
            tell(pool.listeners, REUSED, connection)
        try:
            if protocol:
                head, content, at = await switch_protocols(connection, call, data, protocol)
                break
            if connection.multiplexed:
                serving = connection.exchange(connection, call.timeout, call.total_at, started)
                head, content, at = await serving.run(request)
                break
            connection.owner = call
            if last:
                connection.retire_at = 0.0
            if request._content is None:
                head, content, at = await connection.send(request.method, data, call.timeout, call.total_at, started)
            else:
                head, content, at = await _send_content(connection, call, data)
            break
        except BaseException as error:  # noqa: BLE001 - cancelled, interrupted or failed: nothing is left behind
            tries += _weight(error)
            data = _resend(error, connection, call, data, tries, serving)
        connection = await _acquire(call, fresh=not connection.multiplexed)
    try:
        response = _new_response(call, head, content, at, started, began, connection.info)
    except BaseException:
        _abandon(connection, call, content)
        raise
    if not call.stream and not response._take_plain():
        await load(response)
    return response


def _first_head(call: PlainCall) -> tuple[bytes, bool, str]:
    """The head, whether the request is the last on its connection, and the protocol it asks to switch to."""
    request = call.request
    protocol = ""
    if request._extensions:
        name = tls_name(request)
        if name is not None:
            call.route = call.route.named(name)
        protocol = prepare_upgrade(call)
    data = render_head(request, call.route)
    return data, "close" in request.headers.get("connection", "").lower(), protocol  # RFC 9112 section 9.6


def _new_response(
    call: PlainCall,
    head: ResponseHead,
    content: Any,
    at: float,
    started: float,
    began: float,
    info: ConnectionInfo | None,
) -> Response:
    response: Response = _blank(Response)
    response.status_code = head.status_code
    response.reason = head.reason
    response.http_version = head.http_version
    response.elapsed = at - started
    response._connection = info
    response._request = call.request
    response._fields = head.fields
    response._options = call.read
    if type(content) is bytes:
        response._encoded = content
        response._plain = True
    elif not isinstance(content, ContentStream):
        response._encoded = b""
        response.extensions["upgraded"] = content
    else:
        response._stream = content
        response._guard = StreamGuard(content)
        response._head_at = at
    flags = head.flags
    if flags:
        if flags & CONTENT_ENCODING:
            response._coded = True
            response._plain = False
        if flags & SET_COOKIE and call.jar is not None:
            values = [field[1] for field in head.fields if field[0].lower() == b"set-cookie"]
            call.jar.extract(call.request.url, values)
    if call.attempts:
        response.attempts = call.attempts
    if started is not began or call.request._content is not None:
        _note_phases(response, call, began, started)
    return response


def _note_phases(response: Response, call: PlainCall, began: float, started: float) -> None:
    """Keep what `Response.timing` cannot know otherwise: the wait for a connection, and what sending the content took."""
    waited = started is not began
    opened = waited and call.opened
    queue = max(started - began, 0.0)
    info = response._connection
    if opened and info is not None:
        queue = max(queue - info.dns - info.connect - info.tls, 0.0)
    content = call.request._content
    send = 0.0 if content is None else max(content.sent_at - started, 0.0)  # of this sending, or of an earlier one
    response._phases = (queue, opened, min(send, response.elapsed))


def render_head(request: Request, route: Any, authorization: bytes | None = None) -> bytes:
    """Request line and field lines as bytes, with the empty line.

    Args:
        request: what is sent.
        route: the way to its origin.
        authorization: credentials for a proxy that forwards it, where they are others than those for Basic.

    Raises:
        LocalProtocolError: method, target or framing fields cannot be sent.
    """
    url = request.url
    headers = request.headers
    check_framing(headers, request)
    fields = list(headers._fields)
    if request._content is None and "expect" in headers:
        fields = [field for field in fields if field[0].lower() != b"expect"]  # RFC 9110 section 10.1.1
    if "host" not in headers:
        # Not into the request's own fields: the same request may be sent to another host next time.
        fields.insert(0, (b"Host", url.host_header.encode("ascii")))
    target = url.target if not request._extensions else request_target(request)
    proxy = route.proxy
    if proxy is not None and not route.tunnel:
        target = absolute_form(request)
        if "proxy-authorization" not in headers:
            authorization = authorization or proxy.authorization
        elif authorization is not None:  # an answer to the proxy's challenge, which the caller's own did not satisfy
            fields = [field for field in fields if field[0].lower() != b"proxy-authorization"]
        if authorization is not None:
            fields.append((b"Proxy-Authorization", authorization))
    elif proxy is not None and "proxy-authorization" in headers:
        msg = (
            "Proxy-Authorization was given for a request that travels through a tunnel: the origin would read it, not the "
            "proxy; give the credentials with the proxy, as http://user:password@host or hyperhttp.Proxy(url, auth=...)"
        )
        raise LocalProtocolError(msg)
    if request._extensions:
        fields = upgrade_fields(request, fields)
    line = write_request_line(request.method.encode("latin-1", "replace"), target.encode("ascii"))
    return line + write_fields(fields) + b"\r\n"


def absolute_form(request: Request) -> str:
    """The target of a request that a proxy forwards (RFC 9112 section 3.2.2), without a zone, which is this host's alone.

    Raises:
        LocalProtocolError: the request names a target of its own that a proxy cannot forward.
    """
    url = request.url
    target = url.target if not request._extensions else forwarded_target(request)
    return f"{url.scheme}://{url.host_header}{target}"


def check_framing(headers: Headers, request: Request) -> None:
    """Refuse header fields that would frame the content in another way than it is sent.

    Raises:
        LocalProtocolError: they do.
    """
    coding = headers.get("transfer-encoding")
    lengths = headers.get_list("content-length")
    content = request._content
    if coding is not None:
        if lengths:
            msg = "Content-Length and Transfer-Encoding were both given"
            raise LocalProtocolError(msg)
        if coding.lower() != "chunked":
            msg = f"Transfer-Encoding can only be 'chunked', not {coding[:40]!r}"
            raise LocalProtocolError(msg)
        if content is None:
            msg = "Transfer-Encoding was given for a request without content"
            raise LocalProtocolError(msg)
        content.length = None
        return
    if not lengths:
        if content is not None:
            msg = "the Content-Length field of a request with content was removed"
            raise LocalProtocolError(msg)
        return
    if len(lengths) > 1 or not lengths[0].isascii() or not lengths[0].isdigit():
        msg = f"invalid Content-Length: {', '.join(lengths)[:40]!r}"
        raise LocalProtocolError(msg)
    length = int(lengths[0])
    if content is None:
        if length:
            msg = f"Content-Length is {length} but the request has no content"
            raise LocalProtocolError(msg)
    elif content.length is None:
        content.length = length  # the caller knows how much a stream will give; it is held to it
    elif content.length != length:
        msg = f"Content-Length is {length} but the content has {content.length} bytes"
        raise LocalProtocolError(msg)


def _abandon(connection: Any, call: PlainCall, content: Any) -> None:
    """Nobody gets the response: it was interrupted, or a jar of the user's failed."""
    if connection.owner is call:
        connection.abort()
    elif isinstance(content, ContentStream):
        content.close()  # its connection serves others too


async def _acquire(call: PlainCall, place: Waiter | None = None, *, fresh: bool = False) -> Any:
    pool = call.pool
    timeout = call.timeout
    lane = pool.lane(call.route)
    take = pool.open if fresh else pool.acquire
    try:
        connection = await take(lane, timeout.pool, timeout.connect, call.total_at, call, place)
    except HyperHTTPError as error:
        if error.request is not None and error.request is not call.request:
            own = copy(error)  # a look-up or a handshake that several calls were waiting for
            own.request = call.request
            raise own from error.__cause__
        error.request = call.request
        raise
    try:
        call.now = _now()
        call.opened = connection.opener is call
        if call.opened:
            connection.opener = None
            hooks = getattr(call, "connect_hooks", None)
            if hooks:
                tell(hooks, OPENED, connection)
    except BaseException:  # Ctrl-C
        pool.release(connection, 1) if connection.multiplexed else connection.abort()
        raise
    return connection


async def _send_content(connection: Any, call: PlainCall, data: bytes) -> _Answer:
    """Send a request with content; what is small and in memory travels with the head."""
    request = call.request
    content = request._content
    expect = waits_for_continue(request)
    if content is not None and (expect or content.data is None or len(content.data) > _JOIN or content.length is None):
        content.rewind()
        sent: _Answer = await connection.send_content(
            request.method, data, content, call.timeout, call.total_at, expect=expect
        )
        return sent
    if content is not None and content.data is not None:
        data += content.data
    answer: _Answer = await connection.send(request.method, data, call.timeout, call.total_at, call.now)
    return answer


def _resend(
    error: BaseException, connection: Any, call: PlainCall, data: bytes, tries: float, serving: HTTP2Exchange | None
) -> bytes:
    """The head to send on another connection; raises what the caller gets to see where that may not be."""
    if connection.owner is call:
        connection.abort()  # failed, cancelled or interrupted: whatever is still ours is closed
    elif serving is not None:
        serving.cancel()  # Ctrl-C may have come before it could do that itself
    elif connection.multiplexed and not call.request._extensions:
        call.pool.release(connection, 1)  # or before there was one
    failure = error.error if isinstance(error, UnansweredError) else error
    if isinstance(failure, TransportError) and failure.host == connection.channel.peer:
        locate(failure, connection.lane)  # the network knows addresses
    if connection.uses <= 1 and isinstance(failure, _FAILED):
        _note_failure(failure, connection, call)
    again = _may_resend(error, connection, call.request, tries)
    told = getattr(getattr(call, "listeners", None), "unanswered", ())
    if told and again and isinstance(error, UnansweredError) and not error.was_sent:
        told = ()  # the connection has taken no request: this is still the first sending
    if told:
        tell_all(told, call.request, connection.info, failure, again)
    if not again:
        raise _final(error, call.request) from error.__cause__
    call.attempts += (Attempt.of("replay", call.request, failure, _now() - call.now),)
    if isinstance(error, UnansweredError) and error.needs_http1:
        call.route = call.route.without_http2()
    elif not told:
        return data
    return render_head(call.request, call.route, getattr(call, "proxy_authorization", None))


def _note_failure(failure: HyperHTTPError, connection: Any, call: PlainCall) -> None:
    """A fresh connection has failed: other addresses of the name are tried before this one for a while."""
    end = call.route if call.route.proxy is None else call.route.proxy
    failure.address = connection.channel.peer
    call.pool.dialer.failures.note(connection.channel.peer, end.port, _now())


def _weight(error: BaseException) -> float:
    """How much of a try it was; a server that takes nothing must not be asked for ever."""
    if not isinstance(error, UnansweredError):
        return 1
    if error.others_served:
        return 0  # it leaves after so many requests, and others were in front: each round serves one of them at least
    return 1 if error.was_sent else 0.25  # what never left this side is hardly a try


def _may_resend(error: BaseException, connection: Any, request: Request, tries: float) -> bool:
    """Nothing of a response had come, and sending again is safe."""
    content = request._content
    if content is not None and not content.can_send:
        return False
    if isinstance(error, UnansweredError):
        if error.surely_unprocessed:
            return tries <= _MAX_REFUSALS
    elif connection.multiplexed or connection.began or not isinstance(error, _BROKEN):
        return False
    # On a connection that has served others before, the likeliest cause is that the server had closed it already.
    return tries == 1 and connection.uses > 1 and request.is_idempotent


def _final(error: BaseException, request: Request) -> BaseException:
    """What the caller gets to see."""
    if isinstance(error, UnansweredError):
        error.error.unprocessed = error.surely_unprocessed
        error = error.error
    if isinstance(error, HyperHTTPError) and error.request is None:
        error.request = request
    return error


async def load(response: Response) -> None:
    """Read the content; where that fails, give the connection up."""
    if response._take_plain():
        return
    try:
        await response._load()
    except BaseException:
        response.give_up()
        raise
