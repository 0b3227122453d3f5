"""One request and its reply, whichever protocol carries them.

Endpoints and faults are written against :class:`Exchange` alone; ``http1`` and ``http2`` implement it.
A reply is sent in the order of RFC 9110 section 6: interim responses, head, content, trailers.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cached_property
from http import HTTPStatus
from time import time
from typing import TYPE_CHECKING, Any, ClassVar

from hyperhttp.testing.messages import Field, Fields, ReceivedRequest, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["BadRequestError", "Exchange", "has_no_content", "reason_of", "respond", "standard_fields"]

# An endpoint that wants the whole content in memory gets at most this much.
MAX_BUFFERED_BODY = 64 * 1024 * 1024

_REASONS = {status.value: status.phrase for status in HTTPStatus} | {103: "Early Hints", 425: "Too Early"}


class BadRequestError(Exception):
    """The request cannot be served as it is; answered with ``status`` and the message as content."""

    def __init__(self, status: int, message: str, fields: Sequence[Field] = ()) -> None:
        super().__init__(message)
        self.status = status
        self.fields = list(fields)

    def reply(self) -> Reply:
        """The answer that says so."""
        content = f"{self}\n".encode()
        return Reply(self.status, [("Content-Type", "text/plain; charset=utf-8"), *self.fields], content)


class Exchange(ABC):
    """One request being answered.

    Attributes:
        request: what was received.
        body: the content, once ``read_all`` has been called; endpoints that stream call ``read``.
        parameters: the parts of the path the route names.
        notes: a scratch table that lives as long as the origin (nonces, counters).
        was_continued: a 100 (Continue) has been sent.
        head_sent: the final head has been sent, so the status can change no more.
        garbage: bytes that are not this protocol.
        leftover: bytes that no request asked for, sent after a response by ``fault=extra-bytes``.
        idle_notice: how this protocol says that an idle connection is about to close.
        pace: seconds between single bytes on the wire (HTTP/1.1 only); 0.0 sends at full speed.
    """

    garbage: ClassVar[bytes]
    leftover: ClassVar[bytes]
    idle_notice: ClassVar[bytes]

    def __init__(self, request: ReceivedRequest, notes: dict[str, Any]) -> None:
        self.request = request
        self.notes = notes
        self.parameters: dict[str, str] = {}
        self.body = b""
        self.was_continued = False
        self.head_sent = False
        self.pace = 0.0

    @cached_property
    def path(self) -> str:
        """The decoded path."""
        return self.request.path

    @cached_property
    def args(self) -> list[tuple[str, str]]:
        """The pairs of the query."""
        return self.request.args if "?" in self.request.target else []

    @property
    def headers(self) -> Fields:
        """The request's fields."""
        return self.request.headers

    @property
    def expects_continue(self) -> bool:
        """The client waits for a 100 (Continue) before it sends the content (RFC 9110 section 10.1.1)."""
        return not self.was_continued and "100-continue" in self.headers.tokens("expect")

    def arg(self, name: str, default: str = "") -> str:
        """The last value of a query parameter."""
        return next((value for key, value in reversed(self.args) if key == name), default)

    def number(self, name: str, default: float, *, most: float) -> float:
        """A query parameter as a number between 0 and ``most``.

        Raises:
            BadRequestError: it is not a number.
        """
        text = self.arg(name)
        if not text:
            return default
        try:
            return min(max(float(text), 0.0), most)
        except ValueError:
            raise BadRequestError(400, f"{name} must be a number, not {text!r}") from None

    async def read_all(self) -> bytes:
        """The whole content of the request, kept in ``body``.

        Raises:
            BadRequestError: it is longer than this origin buffers.
        """
        pieces: list[bytes] = []
        size = 0
        while data := await self.read():
            size += len(data)
            if size > MAX_BUFFERED_BODY:
                raise BadRequestError(413, f"content of more than {MAX_BUFFERED_BODY} bytes; use /sha256 or /upload")
            pieces.append(data)
        self.body = b"".join(pieces)
        return self.body

    @abstractmethod
    async def read(self) -> bytes:
        """The next piece of the request's content, ``b""`` at its end; sends 100 (Continue) if it is due."""

    @abstractmethod
    async def send_interim(self, status: int, fields: Sequence[Field]) -> None:
        """Send a 1xx response."""

    @abstractmethod
    async def send_head(self, reply: Reply, length: int | None) -> None:
        """Send the final head; ``length`` is the content's in bytes, None when it is not known."""

    @abstractmethod
    async def write(self, data: bytes) -> None:
        """Send a piece of content, waiting until the client takes it."""

    @abstractmethod
    async def finish(self, trailers: Sequence[Field] = ()) -> None:
        """End the content."""

    @abstractmethod
    async def send_raw(self, data: bytes) -> None:
        """Put bytes on the connection as they are."""

    async def read_raw(self) -> bytes:
        """The next bytes on the connection behind the request, ``b""`` at their end: after 101 they are another protocol's.

        Raises:
            BadRequestError: this protocol has no such bytes.
        """
        raise BadRequestError(501, "the connection is not a stream of bytes here")

    @abstractmethod
    async def stall(self, seconds: float) -> None:
        """Do nothing until the client goes away or the time is over."""

    @abstractmethod
    def close(self) -> None:
        """Close the connection as soon as what was written has gone out."""

    @abstractmethod
    def reset(self) -> None:
        """Close the connection at once, with a TCP reset."""

    @abstractmethod
    def reset_stream(self, error_code: int) -> None:
        """HTTP/2: RST_STREAM (RFC 9113 section 6.4). HTTP/1.1 has no streams: ``reset``."""

    @abstractmethod
    async def send_goaway(self, *, served: bool) -> None:
        """HTTP/2: GOAWAY that includes this stream or leaves it out (section 6.8). HTTP/1.1: nothing."""


async def respond(exchange: Exchange, reply: Reply) -> None:
    """Send a reply from its interim responses to its trailers."""
    for status, fields in reply.interim:
        await exchange.send_interim(status, fields)
    if isinstance(reply.body, bytes):
        await exchange.send_head(reply, None if reply.trailers else len(reply.body))
        await exchange.write(reply.body)
    else:
        await exchange.send_head(reply, None if reply.trailers else reply.length)
        if exchange.request.method != "HEAD":
            await reply.body(exchange.write)
    await exchange.finish(reply.trailers)


def has_no_content(method: str, status: int) -> bool:
    """Whether a response has no content whatever its fields say (RFC 9110 section 6.4.1)."""
    return method == "HEAD" or status in (204, 304) or 100 <= status < 200


def reason_of(status: int) -> str:
    """The usual reason phrase, empty for an unknown code."""
    return _REASONS.get(status, "")


_date: tuple[int, str] = (0, "")


def standard_fields() -> list[Field]:
    """Date and Server (RFC 9110 sections 6.6.1 and 10.2.4)."""
    global _date
    now = int(time())
    if _date[0] != now:
        from email.utils import formatdate  # once a second at most; keeps `import hyperhttp.testing` cheap

        _date = (now, formatdate(now, usegmt=True))
    return [("Date", _date[1]), ("Server", "hyperhttp-testing")]
