"""Frames that carry responses: HEADERS, CONTINUATION and DATA (RFC 9113 sections 6.1, 6.2, 6.10, 8.1).

The two functions every response passes, `_receive_headers` and `_receive_data`, do nothing on their straight
way that can be done elsewhere; what is unusual leaves it early.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperhttp.protocol.events import ResponseHead
from hyperhttp.protocol.http2 import frames
from hyperhttp.protocol.http2.control import ControlFrames
from hyperhttp.protocol.http2.errors import ConnectionFault, ErrorCode, StreamFault
from hyperhttp.protocol.http2.fields import PUBLIC_BITS, read_trailers
from hyperhttp.protocol.http2.stream import ENDED, EXPECTS_CONTENT, EXPECTS_HEAD, H2Stream, expected_content

if TYPE_CHECKING:
    from hyperhttp.protocol.http2.state import UnfinishedBlock

__all__ = ["MessageFrames"]

_PADDED_OR_PRIORITY: Final = frames.PADDED | frames.HAS_PRIORITY


class MessageFrames(ControlFrames):
    """What to do about each part of a response."""

    __slots__ = ()

    def _receive_headers(self, flags: int, stream_id: int, data: bytes | memoryview, start: int, end: int) -> None:
        """A HEADERS frame between `start` and `end` of `data`."""
        if flags & _PADDED_OR_PRIORITY:
            start, end = frames.strip_padding(data, start, end, flags)
        block = bytes(data[start:end])
        if flags & frames.END_HEADERS:
            self._receive_block(stream_id, block, flags & frames.END_STREAM != 0)
        else:
            self._charge()
            self._continuation = (stream_id, flags & frames.END_STREAM != 0, [block], len(block))
            self._restricted = True

    def _receive_continuation(
        self, unfinished: UnfinishedBlock, frame_type: int, flags: int, stream_id: int, payload: bytes
    ) -> None:
        """The frame after an unfinished header block, which must go on with it (section 6.10)."""
        began_on, end_stream, fragments, size = unfinished
        if frame_type != frames.CONTINUATION or stream_id != began_on:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the server interrupted a header block")
        fragments.append(payload)
        # Bounded in bytes and in number, or it could go on for ever (CVE-2023-45288, CVE-2024-27316 and
        # others). What has not been decoded is lost to both sides' tables, so the connection has to end.
        limit = self.config.max_header_list_size
        size += len(payload)
        if len(fragments) > 2 + limit // 1024 or size > limit:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "the server sends a header block without end")
        self._continuation = (began_on, end_stream, fragments, size)
        if flags & frames.END_HEADERS:
            self._continuation = None
            self._restricted = False
            self._receive_block(stream_id, b"".join(fragments), end_stream)

    def _receive_block(self, stream_id: int, block: bytes, end_stream: bool) -> None:
        """A complete header block: in most cases the head of a response."""
        stream = self._streams.get(stream_id)
        if stream is None or stream.phase != EXPECTS_HEAD:
            self._receive_later_block(stream_id, stream, block, end_stream)
            return
        try:
            status, fields, bits, length = self._heads.read(block)
            head = ResponseHead("HTTP/2", status, "", fields.copy(), bits & PUBLIC_BITS, length)
            if status < 200:
                self._receive_interim(stream, head, end_stream)
                return
            left = expected_content(stream.semantics, status, length)
            if end_stream and left:
                raise _wrong_length(left)
        except StreamFault as fault:
            self._fail_stream(stream, fault)
            return
        self._useful += 1
        stream.content_left = left
        stream.phase = EXPECTS_CONTENT
        if end_stream:
            self._end_receiving(stream)
        stream.listener.receive_head(head, end_stream)

    def _receive_interim(self, stream: H2Stream, head: ResponseHead, end_stream: bool) -> None:
        stream.interim_responses += 1
        if end_stream:
            raise StreamFault(ErrorCode.PROTOCOL_ERROR, "the server ended a response with an interim status code")
        if stream.interim_responses > self.config.max_interim_responses:
            raise StreamFault(
                ErrorCode.ENHANCE_YOUR_CALM,
                f"the server sent more than {self.config.max_interim_responses} interim responses",
            )
        stream.listener.receive_informational(head)

    def _receive_later_block(self, stream_id: int, stream: H2Stream | None, block: bytes, end_stream: bool) -> None:
        """A header block after the head of the response, or after its end.

        It is decoded in every case: the next block builds on the table that this one leaves.
        """
        entries = self._decoder.decode(block)
        if stream is None:
            self._charge_for_ended_stream(stream_id)
            return
        try:
            if stream.phase == ENDED:
                raise _after_the_end()
            trailers = read_trailers(entries, self.config.max_header_list_size, self.config.max_header_fields)
            if not end_stream:
                raise StreamFault(ErrorCode.PROTOCOL_ERROR, "the server sent a trailer section that is not the end")
            if stream.content_left:
                raise _wrong_length(stream.content_left)
        except StreamFault as fault:
            self._fail_stream(stream, fault)
            return
        self._useful += 1
        self._end_receiving(stream)
        stream.listener.receive_trailers(trailers)

    def _receive_data(self, flags: int, stream_id: int, data: bytes | memoryview, start: int, end: int) -> None:
        """A DATA frame between `start` and `end` of `data`; flow control counts its padding (section 6.9)."""
        size = end - start
        self._receive_left -= size
        if self._receive_left * 2 < self.config.connection_window:
            self._refill_connection_window()
        stream = self._streams.get(stream_id)
        if stream is None:
            self._charge_for_ended_stream(stream_id, size)
            return
        stream.receive_left -= size
        if flags & frames.PADDED:
            start, end = frames.strip_padding(data, start, end, frames.PADDED)
            self.acknowledge(stream, size - (end - start))
        end_stream = flags & frames.END_STREAM != 0
        left = stream.content_left
        if left is not None:
            left = stream.content_left = left - (end - start)
        if stream.phase != EXPECTS_CONTENT or stream.receive_left < 0 or (left and (left < 0 or end_stream)):
            self._fail_stream(stream, _fault_of_data(stream))
            return
        if start < end:
            self._useful += 1
        elif not end_stream:
            self._charge()  # CVE-2019-9518: empty frames without end
            return
        if end_stream:
            self._end_receiving(stream)
        buffer = stream.buffer
        if buffer is None:
            stream.listener.receive_data(bytes(data[start:end]), end_stream)
            return
        begin = stream.filled
        stream.filled = begin + end - start
        buffer[begin : stream.filled] = data[start:end]
        self.acknowledge(stream, end - start)
        stream.listener.receive_data(b"", end_stream)

    def _end_receiving(self, stream: H2Stream) -> None:
        stream.phase = ENDED
        if stream.send_closed:
            del self._streams[stream.stream_id]


def _fault_of_data(stream: H2Stream) -> StreamFault:
    """Why content that came was not acceptable."""
    if stream.phase == ENDED:
        return _after_the_end()
    if stream.phase == EXPECTS_HEAD:
        return StreamFault(ErrorCode.PROTOCOL_ERROR, "the server sent content before the head of the response")
    if stream.receive_left < 0:
        return StreamFault(ErrorCode.FLOW_CONTROL_ERROR, "the server sent more content than the stream allows")
    return _wrong_length(stream.content_left or 0)


def _after_the_end() -> StreamFault:
    return StreamFault(ErrorCode.STREAM_CLOSED, "the server sent more after the end of the response")


def _wrong_length(left: int) -> StreamFault:
    if left < 0:
        what = "the content is longer than its Content-Length"
    else:
        what = f"the content ended {left} bytes before its Content-Length"
    return StreamFault(ErrorCode.PROTOCOL_ERROR, f"the server sent a malformed response: {what}")
