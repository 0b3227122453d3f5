"""What a transport gets that stands in front of the network instead of in its place: a cache, a recorder, a gate."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.exceptions import InvalidURL
from hyperhttp.message.headers import Headers
from hyperhttp.message.response import Response
from hyperhttp.network.base import NEVER
from hyperhttp.pipeline.keeping import keep_content

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Iterable

    from hyperhttp.message.request import Request
    from hyperhttp.pipeline.call import Call

__all__ = ["Onward"]

#: Seconds that closing a client waits for what runs beside calls: it may be writing down what it has got.
_PATIENCE: Final = 1.0


class Onward:
    """The way from a transport to the network, for the length of one `send_onward`.

    Args:
        call: the call the transport serves.
        send: the stage that delivers.
    """

    __slots__ = ("_call", "_send")

    def __init__(self, call: Call, send: Callable[[Call], Awaitable[Response]]) -> None:
        self._call = call
        self._send = send

    async def send(self, request: Request, transport: Any = None) -> Response:
        """Send a request over the network, or through another transport.

        It has the limits, the proxies and the connections of the call that is being served; its cookies are kept.

        Args:
            request: the one that is to be served, or another.
            transport: what answers instead of the network.

        Returns:
            The response, its content still on its way.

        Raises:
            InvalidURL: the network serves http and https only.
            TransportError: the exchange failed.
        """
        before = self._call
        if transport is None and request.url.scheme not in ("http", "https"):
            msg = f"no transport for {request.url.scheme}:// URLs; http and https are served"
            raise InvalidURL(msg, request=request)
        call = copy(before)
        call.request = request
        call.stream = True
        call.now = before.pool.network.now()
        known = call.attempts
        call.find_transport = None if transport is None else lambda _: transport
        if request is not before.request:
            call.head = None
            call.route = before.find_route(request.url)
        try:
            return await self._send(call)
        finally:
            before.attempts += call.attempts[len(known) :]  # of the call that is served, however this ends

    def response(
        self,
        status_code: int,
        headers: Iterable[tuple[bytes, bytes]],
        encoded: bytes = b"",
        *,
        reason: str = "",
        http_version: str = "HTTP/1.1",
    ) -> Response:
        """A response made here, to the request that is being served.

        Args:
            status_code: three digits.
            headers: header fields.
            encoded: the content as it would have been sent: what Content-Encoding says is undone when it is read.
            reason: the reason phrase.
            http_version: what it says it came by.
        """
        response = Response(status_code, reason=reason, request=self._call.request)
        response.http_version = http_version
        response._headers = Headers(list(headers))
        response._coded = "content-encoding" in response._headers
        response._content = None
        response._encoded = encoded
        response._options = self._call.read
        return response

    async def keep(self, response: Response, limit: int, done: Callable[[bytes], Awaitable[None]]) -> None:
        """Have `done` awaited with a response's content, as it was sent, once all of it has been read (now, if it is here).

        Content that breaks off, is given up or is larger than `limit` is not kept, and `done` is not called.

        Args:
            response: what `send` gave, unread.
            limit: bytes.
            done: what it raises comes out of whatever read the last byte.
        """
        await keep_content(response, limit, done)

    def start(self, key: Any, work: Callable[[Onward], Coroutine[Any, Any, None]]) -> bool:
        """Run something beside the call, which may be over before: until the client is closed, and a second then.

        Args:
            key: while something of the same key runs for this client, nothing more of it is begun.
            work: gets a way onward of its own, whose limits begin now. It deals with its own errors.

        Returns:
            Whether it runs. False where nothing can run beside a call: for a `SyncClient`, or when the client is closed.
        """
        before = self._call
        pool = before.pool
        if before.read.drive is not None or pool.closed:
            return False
        if key not in pool.beside:
            call = copy(before)
            call.attempts = ()
            call.connect_hooks = ()
            call.now = now = pool.network.now()
            call.total_at = NEVER if call.timeout.total is None else now + call.timeout.total
            pool.beside.add(key)
            pool.network.start(_run(pool.beside, key, work, Onward(call, self._send)), _PATIENCE)
        return True

    async def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run a function that blocks: in a worker thread on asyncio, directly for a `SyncClient`."""
        return await self._call.pool.network.call(function, *arguments)


async def _run(
    running: set[Any], key: Any, work: Callable[[Onward], Coroutine[Any, Any, None]], onward: Onward
) -> None:
    try:
        await work(onward)  # made here: a task that is cancelled before it begins leaves nothing that was never awaited
    finally:
        running.discard(key)
