"""Requests as the test origin received them, and replies as its endpoints make them.

The words are those of RFC 9110: a message has fields and content. Nothing here comes from the client under
test: an origin that shared code with it would share its mistakes. Field names and values are text, one
character per byte (latin-1), so that whatever a peer sent can be looked at.
"""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

__all__ = ["BodyWriter", "Field", "Fields", "ReceivedRequest", "Reply", "RequestLog", "Write", "json_reply"]

Field: TypeAlias = tuple[str, str]
Write: TypeAlias = Callable[[bytes], Awaitable[None]]
BodyWriter: TypeAlias = Callable[[Write], Awaitable[None]]

# What a log keeps of all bodies together: a long test run must not look like a leak of the client.
KEPT_BYTES_IN_ALL = 16 * 1024 * 1024


class Fields(Mapping[str, str]):
    """Field lines in the order they came; names compare without case (RFC 9110 section 5.1).

    Attributes:
        raw: the lines as they came, duplicates and spelling included.
    """

    __slots__ = ("raw",)

    def __init__(self, raw: Iterable[Field] = ()) -> None:
        self.raw: list[Field] = list(raw)

    def __getitem__(self, name: str) -> str:
        values = self.get_list(name)
        if not values:
            raise KeyError(name)
        return ", ".join(values)

    def __iter__(self) -> Iterator[str]:
        return iter({name.lower(): None for name, _ in self.raw})

    def __len__(self) -> int:
        return len({name.lower() for name, _ in self.raw})

    def __repr__(self) -> str:
        return f"Fields({self.raw!r})"

    def get_list(self, name: str) -> list[str]:
        """The values of all lines of that name, in order."""
        wanted = name.lower()
        return [value for key, value in self.raw if key.lower() == wanted]

    def tokens(self, name: str) -> list[str]:
        """The members of a comma-separated field, lower-case (RFC 9110 section 5.6.1)."""
        members = (member.strip().lower() for value in self.get_list(name) for member in value.split(","))
        return [member for member in members if member]


@dataclass(slots=True)
class ReceivedRequest:
    """One request as it came over the wire.

    Attributes:
        method: as sent, case kept.
        target: the request target as sent; on HTTP/2 the value of ``:path``.
        http_version: ``"HTTP/1.0"``, ``"HTTP/1.1"`` or ``"HTTP/2"``.
        headers: the field lines; on HTTP/2 ``:authority`` is shown as ``host``.
        scheme: ``"http"`` or ``"https"``, by the listener that took it.
        client: address of the peer.
        connection_id: number of the connection, from 1, in the order they were accepted.
        stream_id: the HTTP/2 stream, else None.
        body_length: bytes of content received so far, whether kept or not.
        is_complete: the whole content has been read.
        trailers: trailer fields of the request.
        keep: at most this many bytes of the content are kept for ``body``.
    """

    method: str
    target: str
    http_version: str
    headers: Fields
    scheme: str = "http"
    client: str = "127.0.0.1"
    connection_id: int = 0
    stream_id: int | None = None
    body_length: int = 0
    is_complete: bool = False
    trailers: Fields = field(default_factory=Fields)
    keep: int = 1024 * 1024
    _kept: bytearray = field(default_factory=bytearray, repr=False)

    @property
    def body(self) -> bytes:
        """The content, or its first ``keep`` bytes when there was more (see ``body_length``)."""
        return bytes(self._kept)

    @property
    def raw_path(self) -> str:
        """The path as sent, still encoded."""
        return (self.target if self.target.startswith("/") else urlsplit(self.target).path).partition("?")[0]

    @property
    def path(self) -> str:
        """The path, percent-decoded."""
        return unquote(self.raw_path)

    @property
    def query(self) -> str:
        """The query as sent, without the question mark."""
        return self.target.partition("?")[2]

    @property
    def args(self) -> list[tuple[str, str]]:
        """The pairs of the query, decoded."""
        return parse_qsl(self.query, keep_blank_values=True)

    @property
    def url(self) -> str:
        """The target URI put together again (RFC 9110 section 7.1)."""
        if not self.target.startswith("/"):
            return self.target
        return f"{self.scheme}://{self.headers.get('host', '')}{self.target}"

    @property
    def text(self) -> str:
        """The content as UTF-8 text."""
        return self.body.decode("utf-8", "replace")

    def json(self) -> Any:
        """The content as JSON.

        Raises:
            ValueError: it is not JSON.
        """
        return json.loads(self._kept)

    def receive(self, data: bytes) -> None:
        """Count a piece of content and keep what there is room for."""
        self.body_length += len(data)
        room = self.keep - len(self._kept)
        if room > 0:
            self._kept += data[:room]

    @property
    def kept_bytes(self) -> int:
        """How much of the content is held in memory, in bytes."""
        return len(self._kept)


class RequestLog:
    """The last requests an origin received, bounded in number and in bytes; safe between threads."""

    def __init__(self, limit: int) -> None:
        self._requests: deque[ReceivedRequest] = deque(maxlen=limit)
        self._lock = threading.Lock()

    def append(self, request: ReceivedRequest) -> None:
        """Take a request in, and let the oldest go if their bodies fill too much memory."""
        with self._lock:
            self._requests.append(request)
            self._trim()

    def _trim(self) -> None:
        # Nearly always nothing is kept at all; the sum is looked at only now and then.
        if len(self._requests) % 16:
            return
        kept = sum(request.kept_bytes for request in self._requests)
        while kept > KEPT_BYTES_IN_ALL:
            kept -= self._requests.popleft().kept_bytes

    def snapshot(self) -> list[ReceivedRequest]:
        """The requests kept, oldest first, as a list of its own."""
        with self._lock:
            return list(self._requests)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._requests.clear()


@dataclass(slots=True)
class Reply:
    """What an endpoint answers.

    Attributes:
        status: final status code.
        fields: field lines, as they shall be sent.
        body: the content, or a coroutine function that writes it piece by piece to the function it is given.
        length: length of written content in bytes when it is known; None sends it chunked (on HTTP/1.0: until
            the connection closes). Not used for bytes, whose length is known.
        trailers: trailer fields; they make HTTP/1.1 use the chunked coding.
        interim: 1xx responses to send before, as status and fields.
        reason: reason phrase; None takes the usual one.
        close: end the connection after this reply and say so.
    """

    status: int = 200
    fields: list[Field] = field(default_factory=list)
    body: bytes | BodyWriter = b""
    length: int | None = None
    trailers: list[Field] = field(default_factory=list)
    interim: list[tuple[int, list[Field]]] = field(default_factory=list)
    reason: str | None = None
    close: bool = False

    async def collect(self) -> bytes:
        """The whole content in memory, whichever way it is made."""
        if isinstance(self.body, bytes):
            return self.body
        pieces: list[bytes] = []

        async def keep(data: bytes) -> None:
            pieces.append(data)

        await self.body(keep)
        return b"".join(pieces)


def json_reply(value: object, *, status: int = 200, fields: Iterable[Field] = ()) -> Reply:
    """A reply whose content is JSON, sorted and indented as httpbin's is."""
    content = json.dumps(value, indent=2, sort_keys=True, ensure_ascii=True).encode() + b"\n"
    return Reply(status, [("Content-Type", "application/json"), *fields], content)
