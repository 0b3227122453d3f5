"""Content in both directions: what a peer sends through us, and what it reads from us.

Iterators are classes, not generators: leaving one early leaves nothing suspended behind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hyperhttp

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from typing import Self

    from hyperhttp_httpx.trace import Trace

__all__ = ["AsyncBody", "AsyncUpload", "SyncBody", "SyncUpload"]


class AsyncUpload:
    """A request's stream, sent once: what a peer reads again it does not read the same way twice."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._iterator: AsyncIterator[bytes] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        if self._iterator is None:
            self._iterator = aiter(self._stream)
        return await anext(self._iterator)


class SyncUpload:
    """The same for blocking streams."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._iterator: Iterator[bytes] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        if self._iterator is None:
            self._iterator = iter(self._stream)
        return next(self._iterator)


class Body:
    """A response's content as it was sent; the peer decodes it.

    Args:
        response: what it belongs to.
        peer: whose exceptions are raised.
        request: the peer's request.
        trace: told how it goes.
    """

    def __init__(self, response: hyperhttp.Response, peer: Any, request: Any, trace: Trace) -> None:
        self._response = response
        self._peer = peer
        self._request = request
        self._trace = trace


class AsyncBody(Body):
    """Content on asyncio."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _AsyncPieces(self)

    async def aclose(self) -> None:
        """Give up what was not read; the connection is free again."""
        await self._response.aclose()
        await self._trace.atell("response_closed.complete")


class SyncBody(Body):
    """Content on blocking sockets."""

    def __iter__(self) -> Iterator[bytes]:
        return _SyncPieces(self)

    def close(self) -> None:
        """Give up what was not read; the connection is free again."""
        self._response.close()
        self._trace.tell("response_closed.complete")


class _AsyncPieces:
    def __init__(self, body: AsyncBody) -> None:
        self._body = body
        self._pieces: AsyncIterator[bytes] | None = None

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        body = self._body
        if self._pieces is None:
            await body._trace.atell("receive_response_body.started")
            self._pieces = body._response.aiter_raw()
        try:
            return await anext(self._pieces)
        except StopAsyncIteration:
            await body._trace.atell("receive_response_body.complete")
            raise
        except hyperhttp.HyperHTTPError as error:
            await body._trace.atell("receive_response_body.failed", exception=error)
            raise body._peer.translate(error, body._request) from error


class _SyncPieces:
    def __init__(self, body: SyncBody) -> None:
        self._body = body
        self._pieces: Iterator[bytes] | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        body = self._body
        if self._pieces is None:
            body._trace.tell("receive_response_body.started")
            self._pieces = body._response.iter_raw()
        try:
            return next(self._pieces)
        except StopIteration:
            body._trace.tell("receive_response_body.complete")
            raise
        except hyperhttp.HyperHTTPError as error:
            body._trace.tell("receive_response_body.failed", exception=error)
            raise body._peer.translate(error, body._request) from error
