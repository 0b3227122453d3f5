"""Requests to an ASGI application in this process, on the client's own event loop (ASGI 3.0).

The application runs beside the caller: content streams to it as it asks for it and from it as it sends it, with
backpressure both ways. The content of a response ends when the application has returned, so that what it does after
its answer is done when the content has been read, and what it raises then is raised to the reader.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any, Final, Literal
from urllib.parse import unquote_to_bytes

from hyperhttp.exceptions import ConnectError, RemoteProtocolError, TotalTimeout
from hyperhttp.network.base import NEVER
from hyperhttp.transports.streams import PulledStream, host_field, new_response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response
    from hyperhttp.network.base import Cancellable, Network, Wait

__all__ = ["ASGITransport"]

#: Bytes an application may be ahead of the reader.
_HIGH_WATER: Final = 262_144
#: Seconds an application gets to return when the client is closed.
_REQUEST_PATIENCE: Final = 1.0
#: Seconds its shutdown gets.
_LIFESPAN_PATIENCE: Final = 10.0

_VERSIONS: Final = {"1.0": "HTTP/1.0", "1.1": "HTTP/1.1", "2": "HTTP/2"}


class ASGITransport:
    """Sends requests to an ASGI application; for `Client`, which has an event loop. It belongs to one client at a time.

    Args:
        app: the application.
        raise_app_exceptions: what it raises comes out of the call, or of reading the content; where False, it is
            answered with status 500, as a server would.
        root_path: where the application is mounted.
        client: address and port that the application is told of its client.
        http_version: ``"1.1"``, ``"1.0"`` or ``"2"``, as the application is told.
        lifespan: whether startup and shutdown are sent to it; ``"auto"`` for applications that may not know them.

    Example::

        async with hyperhttp.Client(transport=hyperhttp.ASGITransport(app), base_url="http://app") as client:
            response = await client.get("/")
    """

    def __init__(
        self,
        app: Callable[..., Awaitable[None]],
        *,
        raise_app_exceptions: bool = True,
        root_path: str = "",
        client: tuple[str, int] | None = ("127.0.0.1", 123),
        http_version: str = "1.1",
        lifespan: bool | Literal["auto"] = False,
    ) -> None:
        if http_version not in _VERSIONS:
            msg = f"http_version= takes one of {', '.join(map(repr, _VERSIONS))}, not {http_version!r}"
            raise ValueError(msg)
        self.app = app
        self.raise_app_exceptions = raise_app_exceptions
        self.root_path = root_path
        self.client = client
        self.http_version = http_version
        self.lifespan = lifespan
        self._lifespans: weakref.WeakKeyDictionary[Any, Lifespan] = weakref.WeakKeyDictionary()
        self._exchanges: set[Exchange] = set()

    async def send(self, request: Request) -> Response:
        """Needs to know on which network the client lives: clients call `send_over`."""
        msg = "an ASGITransport works within a client: pass it as transport= or in mounts="
        raise TypeError(msg)

    async def send_over(self, request: Request, network: Network, total_at: float) -> Response:
        """The application's response, as soon as its head is there."""
        state: dict[str, Any] | None = None
        if self.lifespan:
            state = await self._start_lifespan(network)
        return await Exchange(self, request, network, total_at).run(self._scope(request, state))

    async def _start_lifespan(self, network: Network) -> dict[str, Any]:
        lifespan = self._lifespans.get(network)
        if lifespan is None:
            lifespan = self._lifespans[network] = Lifespan(self.app, network, required=self.lifespan is True)
        await lifespan.start()
        return dict(lifespan.state)

    def _scope(self, request: Request, state: dict[str, Any] | None) -> dict[str, Any]:
        url = request.url
        path = url.path or "/"
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": self.http_version,
            "method": request.method.upper(),
            "scheme": url.scheme,
            "path": unquote_to_bytes(path).decode("utf-8", "replace"),
            "raw_path": path.encode("ascii"),
            "query_string": (url.query or "").encode("ascii"),
            "root_path": self.root_path,
            "headers": [(name.lower(), value) for name, value in host_field(request)],
            "server": (url.host, url.effective_port),
            "client": self.client,
            "extensions": {"http.response.trailers": {}},
        }
        if state is not None:
            scope["state"] = state
        return scope

    def close(self) -> None:
        """Tell the application that its clients are gone, and that it may shut down."""
        for exchange in tuple(self._exchanges):
            exchange.disconnect()
        for lifespan in tuple(self._lifespans.values()):
            lifespan.stop()


class Exchange:
    """One request and its response.

    Args:
        transport: whose application and settings.
        request: what is sent.
        network: where the application runs.
        total_at: moment at which the call is over.
    """

    def __init__(self, transport: ASGITransport, request: Request, network: Network, total_at: float) -> None:
        self._transport = transport
        self._request = request
        self._network = network
        self._total_at = total_at
        self._task: Cancellable | None = None
        self._waits: list[Wait] = []
        self._head: tuple[int, list[tuple[bytes, bytes]]] | None = None
        self._has_trailers = False
        self._pieces: list[bytes] = []
        self._size = 0
        self._is_complete = False  # the last piece was sent
        self._is_over = False  # the application has returned
        self._is_read = False  # the request's content was handed over
        self._error: BaseException | None = None
        self._is_gone = False
        self._stream = PulledStream(self._pull, self.disconnect, network.call_safely)

    async def run(self, scope: dict[str, Any]) -> Response:
        """Start the application and give its response's head.

        Raises:
            RemoteProtocolError: the application returned without an answer.
            Exception: what it raised.
        """
        if self._request._content is not None:
            self._request._content.rewind()
        self._task = self._network.start(self._serve(scope), _REQUEST_PATIENCE)
        self._transport._exchanges.add(self)
        try:
            while self._head is None and not self._is_over:
                await self._wait(self._total_at)
        except BaseException:
            self.disconnect()
            self._task.cancel()
            raise
        if self._head is None:
            return self._without_head()
        status, fields = self._head
        version = _VERSIONS[self._transport.http_version]
        return new_response(self._request, status, fields, self._stream, http_version=version)

    def _without_head(self) -> Response:
        error = self._error
        if not self._transport.raise_app_exceptions:
            fields = [(b"Content-Type", b"text/plain; charset=utf-8"), (b"Content-Length", b"21")]
            return new_response(self._request, 500, fields, b"Internal Server Error")
        if error is None:
            msg = "the application returned without sending a response"
            raise RemoteProtocolError(msg, request=self._request)
        raise error

    # -- the application's side --------------------------------------------------------------------------------------

    async def _serve(self, scope: dict[str, Any]) -> None:
        try:
            await self._transport.app(scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 - the caller gets it
            self._error = error
        finally:
            self._is_over = True
            self._transport._exchanges.discard(self)
            if self._request._content is not None:
                self._request._content.close()
            self._change()

    async def _receive(self) -> dict[str, Any]:
        """What the application asks for: content, then the end."""
        content = self._request._content
        if not self._is_read and not self._is_gone:
            if content is None or content.data is not None:
                self._is_read = True
                return _body(b"" if content is None else bytes(content.data or b""), more=False)
            data = await content.next_chunk(self._network.call)
            self._is_read = not data
            return _body(data, more=bool(data))
        while not self._is_gone and not self._is_complete:
            await self._wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        """What the application says.

        Raises:
            OSError: nobody reads it any more.
            RuntimeError: it is not what may come next.
        """
        kind = message["type"]
        if self._is_gone:
            msg = "the client has closed the connection"
            raise OSError(msg)
        if kind == "http.response.start" and self._head is None:
            self._head = (
                message["status"],
                [(bytes(name), bytes(value)) for name, value in message.get("headers", ())],
            )
            self._has_trailers = bool(message.get("trailers", False))
        elif kind == "http.response.body" and self._head is not None and not self._is_complete:
            await self._take(bytes(message.get("body", b"")), more=bool(message.get("more_body", False)))
        elif kind == "http.response.trailers" and self._has_trailers and self._is_complete:
            self._stream.trailers = [*self._stream.trailers, *message.get("headers", ())]
        else:
            msg = f"the application sent {kind!r} where that may not come"
            raise RuntimeError(msg)
        self._change()

    async def _take(self, data: bytes, *, more: bool) -> None:
        if data:
            self._pieces.append(data)
            self._size += len(data)
        self._is_complete = not more
        self._change()
        while more and self._size > _HIGH_WATER and not self._is_gone:
            await self._wait()

    # -- the reader's side -------------------------------------------------------------------------------------------

    async def _pull(self) -> bytes | None:
        while not self._pieces:
            if self._is_over:
                self._check_end()
                return None
            await self._wait(self._total_at)
        data = b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        self._change()
        return data

    def _check_end(self) -> None:
        """The application has returned: whether that was in order."""
        if self._error is not None and (self._transport.raise_app_exceptions or not self._is_complete):
            raise self._failure(self._error)
        if not self._is_complete:
            msg = "the application returned before its response was complete"
            raise RemoteProtocolError(msg, request=self._request)

    def _failure(self, error: BaseException) -> BaseException:
        if self._transport.raise_app_exceptions:
            return error
        broken = RemoteProtocolError("the application failed before its response was complete", request=self._request)
        broken.__cause__ = error
        return broken

    def disconnect(self) -> None:
        """Nobody reads on: the application is told when it asks, or when it sends."""
        self._is_gone = True
        self._pieces.clear()
        self._transport._exchanges.discard(self)
        self._change()

    # -- waiting -----------------------------------------------------------------------------------------------------

    async def _wait(self, deadline: float = NEVER) -> None:
        """Until something has changed."""
        wait = self._network.new_wait(deadline, self._overdue)
        self._waits.append(wait)
        await wait

    def _change(self) -> None:
        waits, self._waits = self._waits, []
        for wait in waits:
            if not wait.done():
                wait.set_result(None)

    def _overdue(self) -> TotalTimeout:
        msg = f"the application did not answer {self._request.url.redacted} before the call's total timeout"
        return TotalTimeout(msg, request=self._request, host=self._request.url.host, phase="transport")


class Lifespan:
    """The life of an application on one event loop.

    Args:
        app: the application.
        network: where it runs.
        required: it must know what a lifespan is.

    Attributes:
        state: what it has put there.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], network: Network, *, required: bool) -> None:
        self._app = app
        self._network = network
        self._required = required
        self._is_started = self._is_told = self._is_ready = self._is_stopping = False
        self._failure: str | None = None
        self._error: Exception | None = None
        self._waits: list[Wait] = []
        self.state: dict[str, Any] = {}

    async def start(self) -> None:
        """Return when the application is ready.

        Raises:
            ConnectError: it is not and will not be.
        """
        if not self._is_started:
            self._is_started = True
            self._network.start(self._run(), _LIFESPAN_PATIENCE)
        while not self._is_ready:
            await self._wait()
        if self._failure is not None:
            msg = f"the application did not start: {self._failure}"
            raise ConnectError(msg, phase="startup") from self._error

    def stop(self) -> None:
        """Let the application shut down; closing the network waits for it."""
        self._is_stopping = True
        self._change()

    async def _run(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 - whoever waits for the start gets it
            self._failed(error)
        self._is_ready = True
        self._change()

    def _failed(self, error: Exception) -> None:
        if self._is_ready:
            from logging import getLogger

            getLogger("hyperhttp").error("the application failed to shut down", exc_info=error)
        elif self._required and self._failure is None:
            self._failure = f"{type(error).__name__}: {error}"
            self._error = error

    async def _receive(self) -> dict[str, Any]:
        if not self._is_told:
            self._is_told = True
            return {"type": "lifespan.startup"}
        while not self._is_stopping:
            await self._wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "lifespan.startup.failed":
            self._failure = message.get("message") or "it gave no reason"
        if message["type"].startswith("lifespan.startup."):
            self._is_ready = True
            self._change()

    async def _wait(self) -> None:
        wait = self._network.new_wait(NEVER, ConnectError)
        self._waits.append(wait)
        await wait

    def _change(self) -> None:
        waits, self._waits = self._waits, []
        for wait in waits:
            if not wait.done():
                wait.set_result(None)


def _body(data: bytes, *, more: bool) -> dict[str, Any]:
    return {"type": "http.request", "body": data, "more_body": more}
