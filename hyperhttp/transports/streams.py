"""What transports have in common: a response whose content somebody in this process produces."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.exceptions import DecodingError, HyperHTTPError, ReadError, RemoteProtocolError
from hyperhttp.message.headers import Headers
from hyperhttp.message.reading import StreamGuard
from hyperhttp.message.response import Response

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from hyperhttp.message.request import Request

__all__ = ["PulledStream", "host_field", "new_response", "read_content", "reason_of"]

#: Statuses and methods whose responses have no content (RFC 9110 section 6.4.1).
_WITHOUT_CONTENT: Final = frozenset({204, 205, 304})

_now = time.monotonic
_blank = object.__new__


class PulledStream:
    """Content that is asked for piece by piece; what a `Response` reads.

    Args:
        pull: gives the next piece, which may be empty; None at the end.
        close: called once, when the content has ended or is not wanted any more.
        call_safely: runs `close` where a response is forgotten, perhaps in another thread.

    Attributes:
        ended: the last byte has been taken.
        ended_at: the moment of that.
        received: bytes taken so far.
        trailers: fields after the content.
        length: bytes that Content-Length announces; other than so many are an error.
        is_discarded: nobody gets what is produced, as in an answer to HEAD.
    """

    def __init__(
        self,
        pull: Callable[[], Awaitable[bytes | None]],
        close: Callable[[], None] | None = None,
        call_safely: Callable[[Callable[[], None]], None] | None = None,
    ) -> None:
        self._pull = pull
        self._close = close
        self._call_safely = call_safely
        self._is_closed = False
        self.length: int | None = None
        self.is_discarded = False
        self.ended = False
        self.ended_at = 0.0
        self.received = 0
        self.trailers: Sequence[tuple[Any, ...]] = ()

    @property
    def is_open(self) -> bool:
        """More may come."""
        return not self._is_closed

    async def receive(self) -> bytes:
        """The next bytes; empty at the end.

        Raises:
            ReadError: it was closed.
            RemoteProtocolError: there are more or fewer bytes than announced.
        """
        if self.ended:
            return b""
        if self._is_closed:
            msg = "the response was closed before its content was read"
            raise ReadError(msg)
        try:
            piece = await self._next()
        except BaseException:
            self.close()
            raise
        if piece is None:
            self.ended = True
            self.ended_at = _now()
            self.close()
            return b""
        return piece

    async def _next(self) -> bytes | None:
        piece = await self._pull()
        while piece is not None and (not piece or self.is_discarded):
            piece = await self._pull()
        self.received += len(piece or b"")
        length = self.length
        if length is not None and (self.received > length or (piece is None and self.received != length)):
            more = "more" if self.received > length else "fewer"
            msg = f"the content has {more} bytes than Content-Length says ({self.received} of {length})"
            raise RemoteProtocolError(msg)
        return piece

    async def receive_all(self, limit: int | None = None) -> bytes:
        """All that is left.

        Raises:
            DecodingError: there are more than `limit` bytes.
        """
        pieces: list[bytes] = []
        size = 0
        while piece := await self.receive():
            size += len(piece)
            if limit is not None and size > limit:
                self.close()
                msg = f"the content is larger than max_response_size ({limit} bytes)"
                raise DecodingError(msg, limit=limit)
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Give up the rest."""
        self._is_closed = True
        close, self._close = self._close, None
        if close is not None:
            close()

    def drop(self) -> None:
        """The same, where a response is forgotten."""
        if self._call_safely is None:
            self.close()
        else:
            self._call_safely(self.close)


def new_response(
    request: Request,
    status_code: int,
    fields: Iterable[tuple[bytes, bytes]],
    content: bytes | PulledStream,
    *,
    reason: str | None = None,
    http_version: str = "HTTP/1.1",
) -> Response:
    """A response as it comes from a network: its content, not decoded yet, waits to be read."""
    response: Response = _blank(Response)
    response.status_code = status_code
    response.http_version = http_version
    response.reason = reason if reason is not None else "" if http_version == "HTTP/2" else reason_of(status_code)
    response._request = request
    headers = response._headers = Headers(list(fields))
    response._coded = "content-encoding" in headers
    if request.method == "HEAD" or status_code in _WITHOUT_CONTENT or status_code < 200:
        if isinstance(content, PulledStream):
            content.is_discarded = True
        else:
            content = b""
    if isinstance(content, bytes):
        response._encoded = content
        return response
    length = headers.get("content-length", "")
    if length.isascii() and length.isdigit() and not content.is_discarded:
        content.length = int(length)
    response._stream = content
    response._guard = StreamGuard(content)
    response._head_at = _now()
    return response


def reason_of(status_code: int) -> str:
    """The phrase that usually stands behind a status."""
    from http import HTTPStatus  # here and not above: only transports without a network need it

    try:
        return HTTPStatus(status_code).phrase
    except ValueError:
        return ""


def host_field(request: Request) -> list[tuple[bytes, bytes]]:
    """The fields of a request as a server sees them, Host among them."""
    fields = request.headers.raw
    if "host" in request.headers:
        return fields
    return [(b"Host", request.url.host_header.encode("ascii")), *fields]


async def read_content(request: Request, call: Callable[..., Awaitable[Any]]) -> bytes:
    """All that a request carries, in memory.

    Args:
        request: whose.
        call: runs what blocks.

    Raises:
        HyperHTTPError: the content cannot be produced, or not again.
    """
    content = request._content
    if content is None:
        return b""
    if content.data is not None:
        return bytes(content.data)
    content.rewind()
    pieces = []
    try:
        while piece := await content.next_chunk(call):
            pieces.append(piece)
    except HyperHTTPError as error:
        error.request = error.request or request
        raise
    finally:
        content.close()
    data = b"".join(pieces)
    if content.length is not None and content.length != len(data):
        msg = f"the request content has {len(data)} bytes and its length says {content.length}"
        raise RemoteProtocolError(msg, request=request)
    return data
