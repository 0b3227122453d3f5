"""When calls and attempts begin and end, told to listeners: whichever way they end, and each exactly once.

An attempt is over when the last byte of its content has been read, when the rest is given up, or when it fails or is
cancelled before that. A response that is simply forgotten is found by the garbage collector, which may run in the middle
of anything; its listeners are told at the client's next attempt instead, or when the client is closed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import ref

from hyperhttp.message.reading import PassedStream, put_before
from hyperhttp.pool.events import refuse_waiting

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hyperhttp.message.reading import Stream
    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response
    from hyperhttp.pipeline.call import Call

__all__ = ["Watch", "tell_all", "tell_forgotten", "watch_call"]


async def watch_call(call: Call, send: Callable[[Call], Awaitable[Response]]) -> Response:
    """Tell listeners that a call begins, and how it ended; redirects, rounds of authentication and retries lie between."""
    listeners = call.listeners
    request = call.request
    tell_all(listeners.begin, request)
    try:
        response = await send(call)
    except BaseException as error:
        tell_all(listeners.end, request, None, error)
        raise
    tell_all(listeners.end, request, response, None)
    return response


class Watch:
    """An eye on one attempt, until the listeners have heard of its end.

    Args:
        listeners: those of the client.
        request: what is sent.
        done: functions of the caller's that are told like them.
    """

    __slots__ = ("_done", "_listeners", "_request", "_response", "_told")

    def __init__(self, listeners: Any, request: Request, done: tuple[Callable[..., Any], ...] = ()) -> None:
        self._done = done
        self._listeners = listeners
        self._request = request
        self._response: Callable[[], Response | None] = _no_response
        self._told = False
        tell_forgotten(listeners)

    @property
    def is_over(self) -> bool:
        """The listeners have been told."""
        return self._told

    def follow(self, response: Response) -> None:
        """The head is there: the attempt lasts as long as its content."""
        if response._stream is None or response._content is not None:  # the call may have read it already
            self._response = lambda: response
        else:
            # A reference would make a circle, and a forgotten response would keep its connection for longer.
            self._response = ref(response)
            put_before(response, WatchedStream(response._stream, self))

    def settle(self) -> None:
        """The response is about to be handed out: where no content is on its way any more, that was it."""
        response = self._response()
        if response is None or response._stream is None or response._content is not None:
            self.over(None)

    def over(self, error: BaseException | None) -> None:
        """Tell the listeners, unless they know."""
        if not self._told:
            self._told = True
            tell_all((*self._listeners.finish, *self._done), self._request, self._response(), error)

    def forgotten(self) -> None:
        """The same, from the garbage collector: a listener's locks may be held by the very thread it has interrupted."""
        self._listeners.forgotten.append(self)


def tell_forgotten(listeners: Any) -> None:
    """Tell the listeners of the ends that were found by the garbage collector."""
    forgotten = listeners.forgotten
    while forgotten:
        forgotten.popleft().over(None)


class WatchedStream(PassedStream):
    """Content on its way, and an attempt that is over with it."""

    __slots__ = ("_watch",)

    def __init__(self, stream: Stream, watch: Watch) -> None:
        super().__init__(stream)
        self._watch = watch

    @property
    def is_open(self) -> bool:
        """More may come, or nobody has come for what is there."""
        return self._stream.is_open or not self._watch.is_over

    async def receive(self) -> bytes:
        """The next bytes; empty at the end."""
        try:
            data = await self._stream.receive()
        except Exception as error:  # one that was cancelled may be asked again
            self._watch.over(error)
            raise
        if not data:
            self._watch.over(None)
        return data

    async def receive_all(self, limit: int | None = None) -> bytes:
        """All that is left."""
        try:
            data = await self._stream.receive_all(limit)
        except BaseException as error:
            self._watch.over(error)
            raise
        self._watch.over(None)
        return data

    def close(self) -> None:
        """Give up the rest."""
        self._stream.close()
        self._watch.over(None)

    def drop(self) -> None:
        """The same, soon, from wherever it is called."""
        if self._stream.is_open:
            self._stream.drop()
        if not self._watch.is_over:
            self._watch.forgotten()


def _no_response() -> None:
    """No head has come."""


def tell_all(listeners: tuple[Callable[..., None], ...], *arguments: Any) -> None:
    """Call each; one that fails is logged and harms neither the others nor the call."""
    for listener in listeners:
        try:
            refuse_waiting(listener(*arguments))
        except Exception:
            from logging import getLogger

            getLogger("hyperhttp").exception("a listener failed")
