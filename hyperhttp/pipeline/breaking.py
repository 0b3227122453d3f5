"""A circuit breaker around each network attempt: inside retries and authentication, outside cookies and hooks.

An attempt that is refused was none: no hook hears of it and nothing is sent. The refusal is not one of the errors that
retries are for, so it ends them at once, and the caller sees `CircuitBreakerOpen`; a retry policy may decide otherwise
(``retry_on_exception``).

What counts is what comes of sending: an error, a response whose status is one, or a response and what comes of its content:
read to its end or given up it is a success, broken off a failure. The host is the one the request names, though a hook may
send it elsewhere: an address that a hook chooses is a detail of reaching that host.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import ref

from hyperhttp.exceptions import CircuitBreakerOpen, HyperHTTPError
from hyperhttp.message.reading import PassedStream, put_before

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hyperhttp.errors.circuit_breaker import DomainCircuitBreakerManager, Ticket
    from hyperhttp.message.reading import Stream
    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response
    from hyperhttp.pipeline.call import Call

__all__ = ["guard"]


async def guard(call: Call, send: Callable[[Call], Awaitable[Response]]) -> Response:
    """Ask the breaker, send, and tell it what came of it.

    Raises:
        CircuitBreakerOpen: the host failed too often lately; nothing was sent.
    """
    breaker = call.breaker
    if breaker is None:
        return await send(call)
    clock = call.pool.network.now
    request = call.request
    url = request.url
    try:
        ticket = breaker.admit(url.host, url.effective_port, clock())
    except CircuitBreakerOpen as error:
        error.request = request
        raise
    try:
        response = await send(call)
    except BaseException as error:  # cancelled or not: a probe never keeps its place
        if _is_foreign(error, call, request):
            breaker.release(ticket, clock())
        else:
            breaker.record(ticket, error, clock())
        raise
    stream = response._stream
    if stream is None or stream.ended or not hasattr(breaker, "heard"):  # one of the user's may know of heads alone
        breaker.record(ticket, response, clock())
    elif breaker.heard(ticket, response, clock()):
        put_before(response, JudgedStream(stream, breaker, ticket, clock, response))
    return response


def _is_foreign(error: BaseException, call: Call, request: Request) -> bool:
    """Whether it is about a request that a hook has sent to somebody else."""
    if not isinstance(error, HyperHTTPError) or call.find_transport is not None:
        return False
    return error.request is not None and error.request is not request and error.request is not call.request


class JudgedStream(PassedStream):
    """Content on its way, and a breaker that is told what came of it.

    Args:
        stream: the content.
        breaker: is told, once.
        ticket: of the attempt.
        clock: gives the moment.
        response: whose content it is. A reference would make a circle, and a forgotten response would keep its connection.
    """

    __slots__ = ("_breaker", "_clock", "_is_judged", "_response", "_ticket", "_was_cancelled")

    def __init__(
        self,
        stream: Stream,
        breaker: DomainCircuitBreakerManager,
        ticket: Ticket,
        clock: Callable[[], float],
        response: Response,
    ) -> None:
        super().__init__(stream)
        self._breaker = breaker
        self._ticket = ticket
        self._clock = clock
        self._response = ref(response)
        self._is_judged = False
        self._was_cancelled = False

    @property
    def is_open(self) -> bool:
        """More may come, or nobody has come for what is there."""
        return self._stream.is_open or not self._is_judged

    def hurry(self, until: float) -> None:
        """Let nobody wait for the rest any longer than that; that it was too slow for such haste says nothing."""
        self._is_good()
        super().hurry(until)

    async def receive(self) -> bytes:
        """The next bytes; empty at the end."""
        try:
            data = await self._stream.receive()
        except BaseException as error:
            self._is_bad(error)
            raise
        if not data:
            self._is_good()
        return data

    async def receive_all(self, limit: int | None = None) -> bytes:
        """All that is left."""
        try:
            data = await self._stream.receive_all(limit)
        except BaseException as error:
            self._is_bad(error)
            raise
        self._is_good()
        return data

    def close(self) -> None:
        """Give up the rest."""
        self._stream.close()
        if not self._was_cancelled:
            self._is_good()

    def drop(self) -> None:
        """The same, soon, from wherever it is called."""
        if self._stream.is_open:
            self._stream.drop()
        if not self._is_judged and not self._was_cancelled:
            self._is_judged = True
            self._breaker.forget(self._ticket)

    def _is_good(self) -> None:
        if self._is_judged:
            return
        self._is_judged = True
        response = self._response()
        if response is None:
            self._breaker.forget(self._ticket)
        else:
            self._breaker.record(self._ticket, response, self._clock())

    def _is_bad(self, error: BaseException) -> None:
        if self._is_judged:
            return
        if isinstance(error, Exception):
            self._is_judged = True
        else:  # one that was cancelled may be asked again; a probe leaves its place meanwhile
            self._was_cancelled = True
        self._breaker.record(self._ticket, error, self._clock())
