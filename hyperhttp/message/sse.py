"""Server-sent events: the event stream of the HTML standard, section 9.2, read piece by piece.

Text is UTF-8, lines end in CR, LF or both, and an event is over at its empty line; what is left at the end of the stream is no
event. An event that is still growing is kept up to a limit, so that a server cannot fill the memory with one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.exceptions import DecodingError, RemoteProtocolError
from hyperhttp.message.pieces import Bytes, Pieces
from hyperhttp.message.text import parse_content_type

if TYPE_CHECKING:
    from hyperhttp.message.response import Response

__all__ = ["MAX_EVENT_SIZE", "EventDecoder", "Events", "ServerSentEvent", "check_type"]

#: Bytes of one event where nothing else is said.
MAX_EVENT_SIZE: Final = 1024 * 1024

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")
_RETRY: Final = re.compile("[0-9]{1,18}").fullmatch
_BOM: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event.

    Attributes:
        data: its lines, joined with line feeds.
        event: its type; ``"message"`` where the server has given none.
        id: the last id the server has given, with this event or an earlier one; what to resume after.
        retry: milliseconds to wait before reconnecting, where the server said so in this event.
    """

    data: str
    event: str = "message"
    id: str = ""
    retry: int | None = None

    def json(self) -> Any:
        """The data as JSON.

        Raises:
            ValueError: it is not JSON.
        """
        from hyperhttp.message.content import default_json_codec  # for those whose events are JSON

        return default_json_codec().loads(self.data.encode())


class EventDecoder:
    """Bytes in, events out.

    Args:
        last_id: the id of the last event of the stream before, where this one goes on from there.
        limit: bytes of one event.

    Attributes:
        last_id: the id of the last event, given or inherited.
        retry: milliseconds to wait before reconnecting; None where the server has said nothing.
        error: what the bytes behind the last event are not: what was complete before them is given first, so that
            how the network cut the stream does not decide what comes out.
    """

    def __init__(self, last_id: str = "", limit: int | None = MAX_EVENT_SIZE) -> None:
        self.last_id = last_id
        self.retry: int | None = None
        self.error: DecodingError | None = None
        self._limit = limit
        self._line = bytearray()  # the beginning of a line
        self._after_cr = False
        self._at_start = True
        self._size = 0  # of the data of this event
        self._id = last_id
        self._event = ""
        self._data: list[str] = []
        self._own_retry: int | None = None

    def feed(self, data: bytes) -> list[ServerSentEvent]:
        """The events that these bytes complete.

        Raises:
            DecodingError: an event is larger than the limit. Where others are complete before it, they are given, and
                `error` says what is raised from then on.
        """
        if self.error is not None:
            raise self.error
        if not data:
            return []
        if self._after_cr and data[0] == 0x0A:
            data = data[1:]  # the line was over at the CR before it
        self._after_cr = data.endswith(b"\r")
        events: list[ServerSentEvent] = []
        try:
            self._read(data, events)
        except DecodingError as error:
            self.error = error
            if not events:
                raise
        return events

    def _read(self, data: bytes, events: list[ServerSentEvent]) -> None:
        *ended, rest = _LINE_END.split(data)
        for piece in ended:
            self._extend(piece)
            event = self._take_line()
            if event is not None:
                events.append(event)
        self._extend(rest)

    def _extend(self, piece: bytes) -> None:
        self._line += piece
        if self._limit is not None and self._size + len(self._line) > self._limit:
            msg = f"a server-sent event is larger than the {self._limit} bytes allowed by max_event_size"
            raise DecodingError(msg, limit=self._limit)

    def _take_line(self) -> ServerSentEvent | None:
        line = bytes(self._line)
        self._line.clear()
        if self._at_start:
            self._at_start = False
            line = line.removeprefix(_BOM)
        if not line:
            return self._dispatch()
        name, _, value = line.decode("utf-8", "replace").partition(":")
        if name == "data":
            self._size += len(line)  # the only lines that are kept
        self._take_field(name, value.removeprefix(" "))
        return None

    def _take_field(self, name: str, value: str) -> None:
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id":
            if "\0" not in value:
                self._id = value
        elif name == "retry" and _RETRY(value):
            self.retry = self._own_retry = int(value)

    def _dispatch(self) -> ServerSentEvent | None:
        self.last_id = self._id
        data, self._data = self._data, []
        event, self._event = self._event, ""
        retry, self._own_retry = self._own_retry, None
        self._size = 0
        if not data:
            return None
        return ServerSentEvent("\n".join(data), event or "message", self._id, retry)


class Events(Pieces):
    """The events of a response."""

    def __init__(self, response: Response, limit: int | None, last_id: str = "") -> None:
        super().__init__(response)
        self._bytes = Bytes(response, None)
        self._ready: list[ServerSentEvent] = []  # the next one last
        self.decoder = EventDecoder(last_id, limit)
        check_type(response)

    async def _advance(self) -> ServerSentEvent | None:
        while not self._ready:
            data = b"" if self.decoder.error is not None else await self._bytes._next()
            if not data and self.decoder.error is None:
                return None
            try:
                self._ready = self.decoder.feed(data)[::-1]
            except DecodingError as error:
                self._response.blame(error)
                self._response.give_up()
                raise
        return self._ready.pop()


def check_type(response: Response) -> None:
    """Refuse what is no event stream: nothing would ever come out of it.

    Raises:
        RemoteProtocolError: Content-Type names another type.
    """
    content_type = response.headers.get("content-type", "")
    if parse_content_type(content_type)[0] == "text/event-stream":
        return
    response.give_up()
    url = response._request.url if response._request is not None else None
    where = f"{url.redacted}: " if url is not None else ""
    shown = repr(content_type[:80]) if content_type else "content without a type"
    msg = f"{where}the server sent {shown} with status {response.status_code}, not a text/event-stream"
    host, port = (None, None) if url is None else (url.host, url.effective_port)
    raise RemoteProtocolError(msg, request=response._request, host=host, port=port)
