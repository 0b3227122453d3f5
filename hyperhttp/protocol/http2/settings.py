"""Settings (RFC 9113 section 6.5): what we announce, and what the peer announced.

Parameters the RFC does not define are ignored; values it forbids end the connection with the code it names.
"""

from __future__ import annotations

from dataclasses import dataclass
from struct import Struct
from typing import Final

from hyperhttp.protocol.http2.errors import ConnectionFault, ErrorCode
from hyperhttp.protocol.http2.frames import MAX_WINDOW

__all__ = ["DEFAULT_WINDOW", "HEADER_TABLE_SIZE", "INITIAL_WINDOW_SIZE", "H2Config", "PeerSettings"]

HEADER_TABLE_SIZE: Final = 0x1
ENABLE_PUSH: Final = 0x2
MAX_CONCURRENT_STREAMS: Final = 0x3
INITIAL_WINDOW_SIZE: Final = 0x4
MAX_FRAME_SIZE: Final = 0x5
MAX_HEADER_LIST_SIZE: Final = 0x6
ENABLE_CONNECT_PROTOCOL: Final = 0x8  # RFC 8441

DEFAULT_WINDOW: Final = 65_535
DEFAULT_FRAME_SIZE: Final = 16_384
_LARGEST_FRAME_SIZE: Final = 2**24 - 1
_SETTING: Final = Struct(">HL")


@dataclass(frozen=True, slots=True)
class H2Config:
    """Our side of a connection.

    Raises:
        ValueError: a window or the frame size is outside what the RFC allows.

    Attributes:
        stream_window: bytes a peer may send on one stream before the reader has taken any; bounds the memory
            of an unread response.
        connection_window: bytes in flight on all streams together; refilled on arrival, so a response nobody
            reads does not stall the others.
        max_frame_size: largest frame payload we take. Larger frames do not make transfers faster here: one
            costs about a microsecond, and what is not complete has to be kept.
        max_header_list_size: bytes of one header or trailer section, decoded and counted as RFC 7541 section
            4.1 does; the same bound holds for the compressed bytes.
        max_header_fields: fields of one section.
        header_table_size: bytes the peer may use for its HPACK table.
        max_interim_responses: 1xx responses before a final one.
        assumed_streams: streams we open at once before the peer's SETTINGS are there (section 5.1.2 knows no
            limit then, yet servers refuse what exceeds theirs).
        unannounced_streams: streams we open at once when the peer's SETTINGS name no limit.
        control_budget: frames without content (PING, SETTINGS, empty DATA...) we take in advance; each frame
            with content adds eight.
        max_replies: answers to such frames we hold unsent at once.
    """

    stream_window: int = 2 * 1024 * 1024
    connection_window: int = 16 * 1024 * 1024
    max_frame_size: int = DEFAULT_FRAME_SIZE
    max_header_list_size: int = 64 * 1024
    max_header_fields: int = 256
    header_table_size: int = 4096
    max_interim_responses: int = 100
    assumed_streams: int = 100
    unannounced_streams: int = 1000
    control_budget: int = 10_000
    max_replies: int = 1000

    def __post_init__(self) -> None:
        if not 1 <= self.stream_window <= MAX_WINDOW:
            raise ValueError("stream_window must be between 1 and 2^31-1")
        if not DEFAULT_WINDOW <= self.connection_window <= MAX_WINDOW:
            raise ValueError("connection_window must be between 65535 and 2^31-1")  # it can only be widened
        if not DEFAULT_FRAME_SIZE <= self.max_frame_size <= _LARGEST_FRAME_SIZE:
            raise ValueError("max_frame_size must be between 16384 and 2^24-1")

    def announced(self) -> list[tuple[int, int]]:
        """The parameters of our SETTINGS frame."""
        settings = [
            (ENABLE_PUSH, 0),
            (INITIAL_WINDOW_SIZE, self.stream_window),
            (MAX_HEADER_LIST_SIZE, self.max_header_list_size),
            (HEADER_TABLE_SIZE, self.header_table_size),
        ]
        if self.max_frame_size != DEFAULT_FRAME_SIZE:
            settings.append((MAX_FRAME_SIZE, self.max_frame_size))
        return settings


class PeerSettings:
    """What the peer has announced, or the initial values until then.

    Attributes:
        header_table_size: bytes our HPACK encoder may use.
        max_concurrent_streams: streams we may have open.
        initial_window_size: bytes we may send on a new stream.
        max_frame_size: largest frame payload the peer takes.
        max_header_list_size: largest header section the peer takes (advisory), or None.
        enable_connect_protocol: extended CONNECT may be used (RFC 8441).
    """

    __slots__ = (
        "enable_connect_protocol",
        "header_table_size",
        "initial_window_size",
        "max_concurrent_streams",
        "max_frame_size",
        "max_header_list_size",
    )

    def __init__(self, assumed_streams: int) -> None:
        self.header_table_size = 4096
        self.max_concurrent_streams = assumed_streams
        self.initial_window_size = DEFAULT_WINDOW
        self.max_frame_size = DEFAULT_FRAME_SIZE
        self.max_header_list_size: int | None = None
        self.enable_connect_protocol = False

    def update(self, payload: bytes) -> list[int]:
        """Take over the payload of a SETTINGS frame; the identifiers in it, in order.

        Raises:
            ConnectionFault: its length or a value is not allowed (section 6.5.2).
        """
        if len(payload) % _SETTING.size:
            raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "the server sent a SETTINGS frame of a wrong size")
        identifiers = []
        for identifier, value in _SETTING.iter_unpack(payload):
            self._set(identifier, value)
            identifiers.append(identifier)
        return identifiers

    def _set(self, identifier: int, value: int) -> None:
        if identifier == HEADER_TABLE_SIZE:
            self.header_table_size = value
        elif identifier == ENABLE_PUSH and value:
            raise _not_allowed("ENABLE_PUSH", value)  # a server may only send 0
        elif identifier == MAX_CONCURRENT_STREAMS:
            self.max_concurrent_streams = value
        elif identifier == INITIAL_WINDOW_SIZE:
            if value > MAX_WINDOW:
                raise _not_allowed("INITIAL_WINDOW_SIZE", value, ErrorCode.FLOW_CONTROL_ERROR)
            self.initial_window_size = value
        elif identifier == MAX_FRAME_SIZE:
            if not DEFAULT_FRAME_SIZE <= value <= _LARGEST_FRAME_SIZE:
                raise _not_allowed("MAX_FRAME_SIZE", value)
            self.max_frame_size = value
        elif identifier == MAX_HEADER_LIST_SIZE:
            self.max_header_list_size = value
        elif identifier == ENABLE_CONNECT_PROTOCOL:
            if value > 1 or value < self.enable_connect_protocol:  # may not be taken back (RFC 8441 section 3)
                raise _not_allowed("ENABLE_CONNECT_PROTOCOL", value)
            self.enable_connect_protocol = bool(value)


def _not_allowed(name: str, value: int, code: ErrorCode = ErrorCode.PROTOCOL_ERROR) -> ConnectionFault:
    return ConnectionFault(code, f"the server announced a setting that is not allowed: {name} = {value}")
