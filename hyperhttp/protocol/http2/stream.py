"""One request and its response on an HTTP/2 connection (RFC 9113 section 5.1), and who listens to them.

A stream is a record of where both directions stand; what moves it is `H2Connection`. A client's stream is
opened by its HEADERS and lives until both sides have ended or one has reset it, so the states of section 5.1
reduce to two
facts: what may still come (`phase`), and whether we have ended (`send_closed`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from hyperhttp.exceptions import HyperHTTPError
    from hyperhttp.protocol.events import Field, ResponseHead

__all__ = [
    "ENDED",
    "EXPECTS_CONTENT",
    "EXPECTS_HEAD",
    "HEAD_REQUEST",
    "ORDINARY",
    "TUNNEL",
    "ConnectionListener",
    "H2Stream",
    "StreamListener",
    "expected_content",
    "semantics_of",
]

# What may still come on a stream.
EXPECTS_HEAD: Final = 0
EXPECTS_CONTENT: Final = 1
ENDED: Final = 2

# Which rules hold for the content of a response (RFC 9110 section 6.4.1).
ORDINARY: Final = 0
HEAD_REQUEST: Final = 1
TUNNEL: Final = 2


class StreamListener(Protocol):
    """Hears what happens on one stream.

    The methods are called from within `H2Connection.receive_data` (and `connection_lost`). They must not
    raise; they may call the connection. For a response the order is: any number of `receive_informational`,
    `receive_head`, any number of `receive_data`, possibly `receive_trailers`. It is complete with the call
    whose `end_stream` is true, or with `receive_trailers`. A small response that arrives in one chunk makes
    two calls, head and content, before `receive_data` returns, so that whoever is woken by the first finds
    the second done.

    A response may be complete while the request is not (`H2Stream.send_closed` is false). The stream stays
    open, and counts, until the request is ended or given up: `H2Connection.reset_stream` with NO_ERROR.
    """

    def receive_informational(self, head: ResponseHead) -> None:
        """An interim response (1xx) came."""

    def receive_head(self, head: ResponseHead, end_stream: bool) -> None:
        """The final response began; with `end_stream` it has no content."""

    def receive_data(self, data: bytes, end_stream: bool) -> None:
        """Content came; `H2Connection.acknowledge` it when it has been consumed, unless the stream ended.

        After `H2Connection.receive_into` it is in the buffer already, and `data` is empty.
        """

    def receive_trailers(self, fields: list[Field]) -> None:
        """The trailer section came and ended the response."""

    def receive_reset(self, error: HyperHTTPError, unprocessed: bool) -> None:
        """The stream is over before its response was complete, and nothing more will be called.

        Args:
            error: why; an exception of its own for each stream.
            unprocessed: the peer has not acted on the request, so it may be sent again whatever its method.
        """

    def window_opened(self) -> None:
        """More content may be sent after `H2Connection.send_data` took less than it was given.

        Also called when the response is complete and the peer wants no more of the request (RFC 9113 section
        8.1): `H2Stream.send_closed` is true then.
        """


class ConnectionListener(Protocol):
    """Hears what concerns a connection as a whole; called like a `StreamListener`."""

    def settings_changed(self) -> None:
        """The peer's SETTINGS came: the capacity may have risen or fallen."""

    def goaway_received(self) -> None:
        """The peer is closing; streams it will not process have been told already."""

    def ping_acknowledged(self, data: bytes) -> None:
        """The answer to `H2Connection.ping` came, with its eight bytes."""


class H2Stream:
    """Where one stream stands.

    Attributes:
        stream_id: its number.
        listener: who hears about it.
        buffer: where its content goes, or None for to the listener.
        filled: bytes in `buffer`.
        send_closed: we have sent all, or the peer wants no more; what is sent now is dropped.
        phase: `EXPECTS_HEAD`, `EXPECTS_CONTENT` or `ENDED`.
        send_window: bytes of content the peer allows on this stream; may be negative (section 6.9.2).
        receive_left: bytes of content the peer may still send.
        consumed: bytes taken by the reader that the peer has not been told about.
        content_left: bytes that Content-Length promises still, or None.
        semantics: `ORDINARY`, `HEAD_REQUEST` or `TUNNEL`.
        interim_responses: 1xx responses so far.
    """

    __slots__ = (
        "buffer",
        "consumed",
        "content_left",
        "filled",
        "interim_responses",
        "listener",
        "phase",
        "receive_left",
        "semantics",
        "send_closed",
        "send_window",
        "stream_id",
    )

    def __init__(
        self, stream_id: int, listener: StreamListener, send_window: int, receive_window: int, semantics: int
    ) -> None:
        self.stream_id = stream_id
        self.listener = listener
        self.send_window = send_window
        self.receive_left = receive_window
        self.semantics = semantics
        self.send_closed = False
        self.phase = EXPECTS_HEAD
        self.buffer: memoryview | None = None
        self.filled = self.consumed = 0
        self.content_left: int | None = None
        self.interim_responses = 0

    @property
    def is_ended(self) -> bool:
        """Whether the peer has ended its side, by END_STREAM or otherwise."""
        return self.phase == ENDED

    def __repr__(self) -> str:
        phase = ("waiting for a head", "receiving content", "ended")[self.phase]
        return f"<H2Stream {self.stream_id}: {phase}{'' if self.send_closed else ', sending'}>"


def semantics_of(method: bytes) -> int:
    """Which rules hold for the content of a response to `method`."""
    if method == b"HEAD":
        return HEAD_REQUEST
    return TUNNEL if method == b"CONNECT" else ORDINARY


def expected_content(semantics: int, status: int, content_length: int | None) -> int | None:
    """Bytes of content that must follow a head, or None for any number (RFC 9113 section 8.1.1)."""
    if semantics == HEAD_REQUEST or status in {204, 304}:
        return 0
    if semantics == TUNNEL and status < 300:
        return None
    return content_length
