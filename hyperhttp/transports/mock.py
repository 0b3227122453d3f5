"""Answers made up for tests, behind the same pipeline as answers of servers.

Redirects, cookies, authentication, retries, hooks, decoding, limits and streaming work over it as over a network: only the
exchange itself is replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import TYPE_CHECKING, Any

from hyperhttp._pickling import refuse_copies
from hyperhttp.exceptions import HyperHTTPError
from hyperhttp.message.response import Response
from hyperhttp.network.base import new_lock
from hyperhttp.transports.routes import MockCall, MockRoute, StreamedReply, as_reply, recorded
from hyperhttp.transports.streams import PulledStream, host_field, new_response, read_content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hyperhttp.message.headers import HeaderTypes
    from hyperhttp.message.request import Request
    from hyperhttp.network.base import Network
    from hyperhttp.transports.routes import PatternTypes

__all__ = ["MockTransport", "UnexpectedRequest"]


class UnexpectedRequest(AssertionError):  # noqa: N818 - a request, said of a test
    """A request that no route is for. Not a `HyperHTTPError`: nothing that handles those may hide it from a test."""


class MockTransport:
    """Answers requests without a network.

    Args:
        handler: gets each request and returns its `Response`, at once or to be awaited; or routes, as `MockRoute` or as
            ``(pattern, reply)`` or ``(method, pattern, reply)``; or nothing, where routes are added afterwards. The first
            route that matches answers.

    Attributes:
        routes: the routes, in the order in which they are asked.
        calls: all requests that were answered.

    Example::

        mock = hyperhttp.MockTransport()
        route = mock.get("https://api.example.com/users/*", json={"name": "Ada"})
        with hyperhttp.SyncClient(transport=mock) as client:
            assert client.get("https://api.example.com/users/1").json() == {"name": "Ada"}
        assert route.call_count == 1
    """

    __getstate__ = refuse_copies

    def __init__(self, handler: Callable[[Request], Any] | Iterable[Any] | None = None) -> None:
        self._handler = handler if callable(handler) else None
        self.routes: list[MockRoute] = []
        self.calls: list[MockCall] = []
        self._lock = new_lock()
        if handler is not None and not callable(handler):
            self.routes += [_as_route(item) for item in handler]

    # -- routes ------------------------------------------------------------------------------------------------------

    def route(
        self,
        method: str | Sequence[str] | None = None,
        url: PatternTypes = None,
        reply: Any = None,
        *,
        params: Mapping[str, str] | None = None,
        match_headers: HeaderTypes | None = None,
        times: int | None = None,
        **answer: Any,
    ) -> MockRoute:
        """Add a route.

        Args:
            method: a method, several, or None for any.
            url: see `MockRoute`.
            reply: a response, a status, an error to raise, a handler, or several of these for one request after the
                other.
            params: parameters a request must have.
            match_headers: fields a request must have.
            times: how many requests are answered.
            **answer: instead of `reply`, what the response is made of: ``status_code``, ``json``, ``text``, ``html``,
                ``content`` (bytes, or an iterable of them that is sent piece by piece), ``headers``.

        Raises:
            TypeError: both `reply` and parts of an answer were given.
        """
        if reply is not None and answer:
            msg = f"give either a reply or {', '.join(answer)}"
            raise TypeError(msg)
        given = as_reply(**answer) if reply is None else reply
        route = MockRoute(method, url, given, params=params, headers=match_headers, times=times)
        self.routes.append(route)
        return route

    def get(self, url: PatternTypes = None, reply: Any = None, **options: Any) -> MockRoute:
        """A route for GET; see `route`."""
        return self.route("GET", url, reply, **options)

    def head(self, url: PatternTypes = None, reply: Any = None, **options: Any) -> MockRoute:
        """A route for HEAD; see `route`."""
        return self.route("HEAD", url, reply, **options)

    def options(self, url: PatternTypes = None, reply: Any = None, **options: Any) -> MockRoute:
        """A route for OPTIONS; see `route`."""
        return self.route("OPTIONS", url, reply, **options)

    def post(self, url: PatternTypes = None, reply: Any = None, **options: Any) -> MockRoute:
        """A route for POST; see `route`."""
        return self.route("POST", url, reply, **options)

    def put(self, url: PatternTypes = None, reply: Any = None, **options: Any) -> MockRoute:
        """A route for PUT; see `route`."""
        return self.route("PUT", url, reply, **options)

    def patch(self, url: PatternTypes = None, reply: Any = None, **options: Any) -> MockRoute:
        """A route for PATCH; see `route`."""
        return self.route("PATCH", url, reply, **options)

    def delete(self, url: PatternTypes = None, reply: Any = None, **options: Any) -> MockRoute:
        """A route for DELETE; see `route`."""
        return self.route("DELETE", url, reply, **options)

    def clear(self) -> None:
        """Forget the calls; the routes stay."""
        self.calls.clear()
        for route in self.routes:
            route.calls.clear()

    def assert_all_called(self) -> None:
        """Fail unless a request came for every route.

        Raises:
            AssertionError: for some none came; they are named.
        """
        unused = [repr(route) for route in self.routes if not route.called]
        if unused:
            msg = f"no request came for {', '.join(unused)}"
            raise AssertionError(msg)

    # -- what a client asks ------------------------------------------------------------------------------------------

    async def send(self, request: Request) -> Response:
        """Needs to know on which network the client lives: clients call `send_over`."""
        msg = "a MockTransport works within a client: pass it as transport= or in mounts="
        raise TypeError(msg)

    async def send_over(self, request: Request, network: Network, _total_at: float) -> Response:
        """The answer to a request.

        Raises:
            UnexpectedRequest: no route is for it.
            Exception: what the answer is, or what the handler raised.
        """
        seen = recorded(request, host_field(request), await read_content(request, network.call))
        call = MockCall(seen)
        with self._lock:  # threads that ask at the same time get one reply each
            route = None if self._handler is not None else self._find(seen)
            reply = self._handler if route is None else route.next_reply()
            self.calls.append(call)
            if route is not None:
                route.calls.append(call)
        response = call.response = _as_received(await _resolve(reply, seen), request)
        return response

    def _find(self, request: Request) -> MockRoute:
        for route in self.routes:
            if route.matches(request):
                return route
        known = "".join(f"\n  {route!r}" for route in self.routes) or " none"
        msg = f"no route is for {request.method} {request.url.redacted}; there are:{known}"
        raise UnexpectedRequest(msg)

    def close(self) -> None:
        """Nothing: it can be given to another client, and its calls are still there."""

    def __repr__(self) -> str:
        kind = "handler" if self._handler is not None else f"{len(self.routes)} routes"
        return f"<MockTransport {kind}, {len(self.calls)} calls>"


def _as_route(item: Any) -> MockRoute:
    if isinstance(item, MockRoute):
        return item
    if isinstance(item, tuple) and len(item) in (2, 3):
        return MockRoute(None, *item) if len(item) == 2 else MockRoute(*item)
    msg = f"a route is a MockRoute, (pattern, reply) or (method, pattern, reply), not {item!r}"
    raise TypeError(msg)


async def _resolve(reply: Any, request: Request) -> Response | StreamedReply:
    """The response that a reply stands for."""
    if callable(reply) and not isinstance(reply, type):
        reply = reply(request)
        if hasattr(reply, "__await__"):
            reply = await reply
    if isinstance(reply, type) and issubclass(reply, BaseException):
        reply = reply()
    if isinstance(reply, BaseException):
        raise copy(reply) if isinstance(reply, HyperHTTPError) else reply  # each request has one of its own
    if isinstance(reply, int):
        return Response(reply)
    if isinstance(reply, Mapping):
        reply = as_reply(json=reply)(request)
    if isinstance(reply, (str, bytes)):
        return Response(content=reply)
    if not isinstance(reply, (Response, StreamedReply)):
        msg = f"a handler returns a Response, not {type(reply).__name__}"
        raise TypeError(msg)
    return reply


def _as_received(reply: Response | StreamedReply, request: Request) -> Response:
    """The response as it would come from a network: read once, decoded on the way."""
    response = reply if isinstance(reply, Response) else reply.response
    content: bytes | PulledStream | None = response._content
    if isinstance(reply, StreamedReply):
        content = PulledStream(_puller(reply.source))
    if content is None:
        return response  # it comes from a network already
    made = new_response(
        request,
        response.status_code,
        response.headers.raw,
        content,
        reason=response.reason or None,
        http_version=response.http_version,
    )
    made._extensions = response._extensions
    return made


def _puller(source: Any) -> Callable[[], Any]:
    """Gives the pieces of an iterable, plain or asynchronous."""
    if hasattr(source, "__aiter__"):
        iterator = source.__aiter__()

        async def pull_async() -> bytes | None:
            try:
                return bytes(await iterator.__anext__())
            except StopAsyncIteration:
                return None

        return pull_async
    plain: Iterator[bytes] = iter(source)

    async def pull() -> bytes | None:
        piece = next(plain, None)
        return None if piece is None else bytes(piece)

    return pull
