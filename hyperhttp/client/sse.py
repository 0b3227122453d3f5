"""A source of server-sent events that connects again where its stream breaks off (HTML standard, section 9.2).

After a break it waits as long as the server has asked for, longer while it fails, and says with Last-Event-ID where it was.
What does not get better by asking again ends it: 204 in silence, any other status or type with an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hyperhttp._pickling import refuse_copies
from hyperhttp.client.options import REQUEST_OPTIONS, SENDING_OPTIONS, RequestOptions, check_names
from hyperhttp.client.refusals import refuse
from hyperhttp.exceptions import (
    CircuitBreakerOpen,
    HyperHTTPError,
    RateLimitExceeded,
    RetryError,
    TotalTimeout,
    TransportError,
)
from hyperhttp.message.headers import Headers
from hyperhttp.message.request import IDEMPOTENT_METHODS
from hyperhttp.message.sse import MAX_EVENT_SIZE, Events, ServerSentEvent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType
    from typing import Self

    from hyperhttp.client.core import ClientCore
    from hyperhttp.message.response import Response
    from hyperhttp.message.url import URL
    from hyperhttp.pool.pool import ConnectionPool

__all__ = ["EventSource", "SSEOptions"]

_OWN: Final = frozenset({"last_event_id", "max_event_size", "max_failures", "method", "reconnect", "retry_delay"})
#: Statuses that pass: a server that is being started anew, or has too much to do.
_PASSING: Final = frozenset({429, 500, 502, 503, 504})
_LONGEST_BACKOFF: Final = 60.0
_LONGEST_DELAY: Final = 86_400.0  # whatever a server says


class SSEOptions(RequestOptions, total=False):
    """What ``client.sse`` takes: the options of a request, and these.

    Attributes:
        method: ``"GET"`` unless said otherwise.
        last_event_id: where to go on from, as an earlier source has left it.
        reconnect: whether to connect again where the stream ends or breaks off; by default for idempotent methods.
        retry_delay: seconds to wait before that, until the server says otherwise; 3 by default. They double with each
            failure in a row, up to a minute.
        max_failures: failures in a row after which the last one is raised; None, the default, for no limit.
        max_event_size: bytes of one event; 1 MiB by default, None for no limit.
    """

    last_event_id: str
    max_event_size: int | None
    max_failures: int | None
    method: str
    reconnect: bool
    retry_delay: float


class EventSource:
    """Events from a URL, as an iterator of `ServerSentEvent`, asynchronous or blocking as the client it comes from.

    It connects when the first event is wanted. Leave it through ``async with`` (or ``with``), or close it.

    Attributes:
        last_event_id: of the last event; what another source goes on from.
        retry_delay: seconds before the next attempt.
        failures: in a row, since an event came.
        response: of the present connection; None before the first.
    """

    __getstate__ = refuse_copies

    def __init__(
        self,
        core: ClientCore,
        get_pool: Callable[[], ConnectionPool],
        url: str | URL,
        options: Mapping[str, Any],
    ) -> None:
        check_names(options, REQUEST_OPTIONS - {"stream"} | _OWN, "a source of events")
        method = options.get("method", "GET")
        self._core = core
        self._get_pool = get_pool
        self._url = url
        self._method = method
        self._building = {name: value for name, value in options.items() if name not in SENDING_OPTIONS | _OWN}
        self._sending = {name: value for name, value in options.items() if name in SENDING_OPTIONS}
        self._reconnect = bool(options.get("reconnect", method in IDEMPOTENT_METHODS))
        self._max_failures: int | None = options.get("max_failures")
        self._limit: int | None = options.get("max_event_size", MAX_EVENT_SIZE)
        self._events: Events | None = None
        self._has_connected = False
        self._closed = False
        self._wait = 0.0
        self.last_event_id: str = options.get("last_event_id", "")
        self.retry_delay: float = options.get("retry_delay", 3.0)
        self.failures = 0
        self.response: Response | None = None

    # -- both faces --------------------------------------------------------------------------------------------------

    def __aiter__(self) -> Self:
        self._check_face(is_async=True)
        return self

    async def __anext__(self) -> ServerSentEvent:
        event = await self._advance()
        if event is None:
            raise StopAsyncIteration
        return event

    async def __aenter__(self) -> Self:
        self._check_face(is_async=True)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    async def aclose(self) -> None:
        """End it; its connection is free again."""
        self._end()

    def __iter__(self) -> Self:
        self._check_face(is_async=False)
        return self

    def __next__(self) -> ServerSentEvent:
        self._check_face(is_async=False)
        event: ServerSentEvent | None = self._core.read.drive(self._advance())  # type: ignore[misc]  # a blocking client's
        if event is None:
            raise StopIteration
        return event

    def __enter__(self) -> Self:
        self._check_face(is_async=False)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def close(self) -> None:
        """End it; its connection is free again."""
        self._end()

    def _check_face(self, *, is_async: bool) -> None:
        if is_async is (self._core.read.drive is None):
            return
        face, instead = ("SyncClient", "`for` and `with`") if is_async else ("Client", "`async for` and `async with`")
        msg = f"this source of events comes from {face}: use {instead}"
        raise RuntimeError(msg)

    def _end(self) -> None:
        self._closed = True
        self._drop()

    def _drop(self) -> None:
        self._events = None
        if self.response is not None:
            self.response.give_up()

    # -- the stream --------------------------------------------------------------------------------------------------

    async def _advance(self) -> ServerSentEvent | None:
        """The next event; None when there will be no more."""
        while not self._closed:
            if self._events is None:
                await self._connect()
                continue
            try:
                event = await self._events._advance()
            except TransportError as error:
                self._broke_off(error)
                continue
            self._take_over(self._events)
            if event is not None:
                self.failures = 0
                return event
            self._broke_off(None)
        return None

    def _take_over(self, events: Events) -> None:
        decoder = events.decoder
        self.last_event_id = decoder.last_id
        if decoder.retry is not None:
            self.retry_delay = min(decoder.retry / 1000, _LONGEST_DELAY)

    def _broke_off(self, error: TransportError | None) -> None:
        """The stream has ended, or failed: connect again later, unless that is not wanted.

        Raises:
            TransportError: it is not, and the stream has failed.
        """
        if self._events is not None:
            self._take_over(self._events)
        self._drop()
        if self._reconnect and not isinstance(error, TotalTimeout) and self._may_fail():
            return
        self._closed = True
        if error is not None:
            raise error

    def _may_fail(self) -> bool:
        """Count a failure, and say how long to wait; False where there were too many."""
        self.failures += 1
        if self._max_failures is not None and self.failures > self._max_failures:
            return False
        self._wait = self.retry_delay
        if self.failures > 1:
            backoff = min(self.retry_delay * 2 ** min(self.failures - 1, 30), _LONGEST_BACKOFF)
            self._wait = max(self.retry_delay, backoff)
        return True

    async def _connect(self) -> None:
        """Open the stream, or see that there is none for the moment.

        Raises:
            HTTPStatusError: the server has none.
            RemoteProtocolError: what it has is no event stream.
            TransportError: it could not be asked.
        """
        pool = self._get_pool()
        wait, self._wait = self._wait, 0.0
        if wait:
            await pool.network.sleep(wait)
            if self._closed:  # meanwhile, by somebody else
                return
        try:
            response = await self._send(pool)
        except HyperHTTPError as error:
            if self._has_connected and self._reconnect and _passes(error) and self._may_fail():
                return
            self._closed = True
            raise
        self.response = response
        if self._closed:
            self._drop()
        elif response.status_code == 204:
            self._end()
        elif response.status_code != 200:
            await self._refused(response)
        else:
            self._closed = True  # unless it is one
            self._events = Events(response, self._limit, self.last_event_id)
            self._closed = False
            self._has_connected = True

    async def _send(self, pool: ConnectionPool) -> Response:
        headers = Headers({"Accept": "text/event-stream", "Cache-Control": "no-store"})
        headers.update(self._building.get("headers") or {})
        if self.last_event_id and self.last_event_id.isprintable():
            headers["Last-Event-ID"] = self.last_event_id.encode()  # type: ignore[assignment]  # in UTF-8, whatever it holds
        request = self._core.build_request(self._method, self._url, {**self._building, "headers": headers})
        return await self._core.send(pool, request, {**self._sending, "stream": True})

    async def _refused(self, response: Response) -> None:
        """Neither a stream nor the end of all.

        Raises:
            HTTPStatusError: unless it will pass.
        """
        passing = self._has_connected and response.status_code in _PASSING and self._reconnect
        if passing and self._may_fail():
            response.give_up()
            return
        self._closed = True
        await refuse(response, "a stream of events")


def _passes(error: BaseException | None) -> bool:
    """Whether connecting may succeed later, after an error like this."""
    if isinstance(error, RetryError):  # the client has tried it again by itself, and that was not enough
        error = error.original_exception
    if isinstance(error, CircuitBreakerOpen | RateLimitExceeded):
        return True
    return isinstance(error, HyperHTTPError) and error.retryable
