from __future__ import annotations

import pytest
from hyperframe.frame import (
    ContinuationFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from hyperhttp.protocol.http2 import frames
from hyperhttp.protocol.http2.errors import ConnectionFault, ErrorCode


def read(data: bytes) -> Frame:
    """One frame, as an independent implementation reads it."""
    frame, size = Frame.parse_frame_header(memoryview(data[:9]))
    assert len(data) == 9 + size
    frame.parse_body(memoryview(data[9:]))
    return frame


def test_settings() -> None:
    frame = read(frames.settings_frame([(2, 0), (4, 1000)]))
    assert isinstance(frame, SettingsFrame)
    assert frame.settings == {2: 0, 4: 1000}


def test_ping_and_its_answer() -> None:
    frame = read(frames.ping_frame(b"12345678"))
    assert isinstance(frame, PingFrame)
    assert (frame.opaque_data, set(frame.flags)) == (b"12345678", set())
    assert set(read(frames.ping_frame(b"12345678", ack=True)).flags) == {"ACK"}


def test_rst_stream() -> None:
    frame = read(frames.rst_stream_frame(5, 8))
    assert isinstance(frame, RstStreamFrame)
    assert (frame.stream_id, frame.error_code) == (5, 8)


def test_goaway() -> None:
    frame = read(frames.goaway_frame(7, 11, b"why"))
    assert isinstance(frame, GoAwayFrame)
    assert (frame.last_stream_id, frame.error_code, frame.additional_data) == (7, 11, b"why")


def test_window_update() -> None:
    frame = read(frames.window_update_frame(3, 70_000))
    assert isinstance(frame, WindowUpdateFrame)
    assert (frame.stream_id, frame.window_increment) == (3, 70_000)


def test_a_block_that_fits_is_one_frame() -> None:
    frame = read(b"".join(frames.headers_frames(1, b"block", 5, end_stream=True)))
    assert isinstance(frame, HeadersFrame)
    assert (frame.data, set(frame.flags)) == (b"block", {"END_STREAM", "END_HEADERS"})


@pytest.mark.parametrize("size", [6, 10, 11])
def test_a_larger_block_is_continued(size: int) -> None:
    block = bytes(range(size))
    parts = [read(part) for part in frames.headers_frames(1, block, 5, end_stream=True)]
    assert isinstance(parts[0], HeadersFrame)
    assert all(isinstance(part, ContinuationFrame) for part in parts[1:])
    assert b"".join(part.data for part in parts) == block  # type: ignore[attr-defined]
    assert [("END_HEADERS" in part.flags) for part in parts] == [False] * (len(parts) - 1) + [True]
    assert [("END_STREAM" in part.flags) for part in parts] == [True] + [False] * (len(parts) - 1)


@pytest.mark.parametrize(
    ("payload", "flags", "content"),
    [
        (b"\x00abc", frames.PADDED, b"abc"),
        (b"\x02abcPP", frames.PADDED, b"abc"),
        (b"\x02PP", frames.PADDED, b""),
        (b"\0\0\0\x03\x10abc", frames.HAS_PRIORITY, b"abc"),
        (b"\x01\0\0\0\x03\x10abcP", frames.PADDED | frames.HAS_PRIORITY, b"abc"),
    ],
)
def test_padding_and_priority_are_taken_off(payload: bytes, flags: int, content: bytes) -> None:
    start, end = frames.strip_padding(b"xx" + payload + b"yy", 2, 2 + len(payload), flags)
    assert (b"xx" + payload)[start:end] == content


@pytest.mark.parametrize(
    ("payload", "flags", "code"),
    [
        (b"\x01", frames.PADDED, ErrorCode.PROTOCOL_ERROR),
        (b"\x04abc", frames.PADDED, ErrorCode.PROTOCOL_ERROR),
        (b"", frames.PADDED, ErrorCode.FRAME_SIZE_ERROR),
        (b"\0\0\0\x03", frames.HAS_PRIORITY, ErrorCode.FRAME_SIZE_ERROR),
        (b"\x01\0\0\0\x03\x10", frames.PADDED | frames.HAS_PRIORITY, ErrorCode.PROTOCOL_ERROR),
    ],
)
def test_padding_longer_than_the_frame_ends_the_connection(payload: bytes, flags: int, code: ErrorCode) -> None:
    with pytest.raises(ConnectionFault) as caught:
        frames.strip_padding(payload + b"\xff" * 20, 0, len(payload), flags)
    assert caught.value.code == code
