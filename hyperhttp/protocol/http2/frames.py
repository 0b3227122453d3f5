"""Frame layouts of HTTP/2 (RFC 9113 sections 4 and 6): numbers, and the writing of what a client sends.

Reading is done where frames are understood, straight from the received chunk; no object is made per frame.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from hyperhttp.protocol.http2.errors import ConnectionFault, ErrorCode

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ACK",
    "CONTINUATION",
    "DATA",
    "END_HEADERS",
    "END_STREAM",
    "FRAME_HEADER",
    "FRAME_HEADER_SIZE",
    "GOAWAY",
    "HAS_PRIORITY",
    "HEADERS",
    "MAX_STREAM_ID",
    "MAX_WINDOW",
    "PADDED",
    "PING",
    "PREFACE",
    "PRIORITY",
    "PUSH_PROMISE",
    "RST_STREAM",
    "SETTINGS",
    "WINDOW_UPDATE",
    "frame",
    "goaway_frame",
    "headers_frames",
    "ping_frame",
    "rst_stream_frame",
    "settings_frame",
    "strip_padding",
    "window_update_frame",
]

#: What a client sends first of all (section 3.4); a SETTINGS frame follows.
PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

#: Length (24 bits) and type (8 bits) in one number, flags, stream identifier (section 4.1).
FRAME_HEADER: Final = Struct(">LBL")
FRAME_HEADER_SIZE: Final = 9

# Types (section 6).
DATA: Final = 0x0
HEADERS: Final = 0x1
PRIORITY: Final = 0x2
RST_STREAM: Final = 0x3
SETTINGS: Final = 0x4
PUSH_PROMISE: Final = 0x5
PING: Final = 0x6
GOAWAY: Final = 0x7
WINDOW_UPDATE: Final = 0x8
CONTINUATION: Final = 0x9

# Flags.
END_STREAM: Final = 0x1
ACK: Final = 0x1
END_HEADERS: Final = 0x4
PADDED: Final = 0x8
HAS_PRIORITY: Final = 0x20

MAX_STREAM_ID: Final = 2**31 - 1
MAX_WINDOW: Final = 2**31 - 1

_PRIORITY_SIZE: Final = 5
_LONG: Final = Struct(">L")
_SETTING: Final = Struct(">HL")


def frame(frame_type: int, flags: int, stream_id: int, payload: bytes) -> bytes:
    """Any frame at all."""
    return FRAME_HEADER.pack(len(payload) << 8 | frame_type, flags, stream_id) + payload


def settings_frame(settings: Iterable[tuple[int, int]]) -> bytes:
    """SETTINGS (section 6.5) with (identifier, value) pairs."""
    return frame(SETTINGS, 0, 0, b"".join([_SETTING.pack(*setting) for setting in settings]))


def ping_frame(data: bytes, *, ack: bool = False) -> bytes:
    """PING (section 6.7); `data` is eight bytes."""
    return frame(PING, ACK if ack else 0, 0, data)


def rst_stream_frame(stream_id: int, code: int) -> bytes:
    """RST_STREAM (section 6.4)."""
    return frame(RST_STREAM, 0, stream_id, _LONG.pack(code))


def goaway_frame(last_stream_id: int, code: int, debug_data: bytes = b"") -> bytes:
    """GOAWAY (section 6.8)."""
    return frame(GOAWAY, 0, 0, _LONG.pack(last_stream_id) + _LONG.pack(code) + debug_data)


def window_update_frame(stream_id: int, increment: int) -> bytes:
    """WINDOW_UPDATE (section 6.9); stream 0 is the connection."""
    return frame(WINDOW_UPDATE, 0, stream_id, _LONG.pack(increment))


def headers_frames(stream_id: int, block: bytes, max_frame_size: int, *, end_stream: bool) -> list[bytes]:
    """HEADERS, and as many CONTINUATION frames as the peer's frame size asks for (sections 6.2, 6.10)."""
    flags = END_STREAM if end_stream else 0
    if len(block) <= max_frame_size:
        return [FRAME_HEADER.pack(len(block) << 8 | HEADERS, flags | END_HEADERS, stream_id), block]
    frames = [frame(HEADERS, flags, stream_id, block[:max_frame_size])]
    for start in range(max_frame_size, len(block), max_frame_size):
        last = END_HEADERS if start + max_frame_size >= len(block) else 0
        frames.append(frame(CONTINUATION, last, stream_id, block[start : start + max_frame_size]))
    return frames


def strip_padding(data: bytes | memoryview, start: int, end: int, flags: int) -> tuple[int, int]:
    """Where the content of a DATA or HEADERS frame begins and ends; priority (5.3.2) is skipped.

    Raises:
        ConnectionFault: the padding is longer than the frame (sections 6.1, 6.2).
    """
    padding = 0
    if flags & PADDED and start < end:
        padding = data[start]
    start += (1 if flags & PADDED else 0) + (_PRIORITY_SIZE if flags & HAS_PRIORITY else 0)
    if start > end:
        raise ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "the server sent a frame that is too short")
    if start + padding > end:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the server sent a frame with more padding than content")
    return start, end - padding
