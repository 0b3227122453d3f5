"""Frames about a connection or a stream as such (RFC 9113 sections 6.3 to 6.9), from SETTINGS to GOAWAY.

Each handler takes flags, stream identifier and payload. All of them count against a budget, because all of
them can be sent without end.
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, Final

from hyperhttp.protocol.http2 import frames
from hyperhttp.protocol.http2.errors import ConnectionFault, ErrorCode, StreamFault, goaway_error, reset_error
from hyperhttp.protocol.http2.sending import Sending
from hyperhttp.protocol.http2.settings import HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE
from hyperhttp.protocol.http2.state import RESET_BY_PEER, RESET_BY_US
from hyperhttp.protocol.http2.stream import EXPECTS_HEAD

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.protocol.http2.stream import H2Stream

__all__ = ["ControlFrames"]

_LONG: Final = Struct(">L")
_SETTINGS_COST: Final = 10  # one can touch every stream


class ControlFrames(Sending):
    """What to do about each control frame."""

    __slots__ = ()

    def _receive_control(self, frame_type: int, flags: int, stream_id: int, payload: bytes) -> None:
        handler = _HANDLERS.get(frame_type)
        if handler is None:  # section 5.5: unknown types are ignored
            self._charge()
            return
        on_connection, size = _SHAPES[frame_type]
        if on_connection is not None and on_connection != (stream_id == 0):
            where = "the connection" if on_connection else "a stream"
            raise ConnectionFault(
                ErrorCode.PROTOCOL_ERROR, f"the server sent a frame that belongs to {where} elsewhere"
            )
        if size is not None and len(payload) != size:
            raise _wrong_size()
        handler(self, flags, stream_id, payload)

    def _receive_settings(self, flags: int, _stream_id: int, payload: bytes) -> None:
        self._charge(1 if flags & frames.ACK else _SETTINGS_COST)
        if flags & frames.ACK:
            if payload:
                raise _wrong_size()
            self.settings_acknowledged = True
            return
        window_before = self.peer.initial_window_size
        for identifier in self.peer.update(payload):
            if identifier == HEADER_TABLE_SIZE:
                self._encoder.set_table_size(self.peer.header_table_size)
            elif identifier == INITIAL_WINDOW_SIZE:
                self._shift_send_windows(self.peer.initial_window_size - window_before)
                window_before = self.peer.initial_window_size
        self._reply(frames.frame(frames.SETTINGS, frames.ACK, 0, b""))
        self._open_send_windows()
        self._listener.settings_changed()

    def _shift_send_windows(self, difference: int) -> None:
        """A new initial size changes the windows of open streams too, even below zero (section 6.9.2)."""
        if not difference:
            return  # a frame may name it thousands of times, and there may be thousands of streams
        for stream in self._streams.values():
            stream.send_window += difference
            if stream.send_window > frames.MAX_WINDOW:
                raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "the server opened a window too far")

    def _receive_ping(self, flags: int, _stream_id: int, payload: bytes) -> None:
        self._charge()
        if flags & frames.ACK:
            self._listener.ping_acknowledged(payload)
        else:
            self._reply(frames.ping_frame(payload, ack=True))

    def _receive_goaway(self, _flags: int, _stream_id: int, payload: bytes) -> None:
        self._charge()
        if len(payload) < 8:
            raise _wrong_size()
        last_id = _LONG.unpack_from(payload)[0] & frames.MAX_STREAM_ID
        code = _LONG.unpack_from(payload, 4)[0]
        debug_data = payload[8:]
        is_lower = self.goaway is None or last_id < self._goaway_last_id
        self.goaway = (code, debug_data)
        self._refusal = "the server is closing it"
        if is_lower:  # the number may only fall (section 6.8), and no stream is opened after the first of them
            self._goaway_last_id = last_id
            for stream in [stream for number, stream in self._streams.items() if number > last_id]:
                self._drop_and_tell(stream, RESET_BY_US, goaway_error(code, debug_data), True)
        self._listener.goaway_received()

    def _receive_rst_stream(self, _flags: int, stream_id: int, payload: bytes) -> None:
        self._charge()
        stream = self._known_stream(stream_id)
        if stream is None:
            return
        code = _LONG.unpack(payload)[0]
        unprocessed = code == ErrorCode.REFUSED_STREAM and stream.phase == EXPECTS_HEAD
        self._drop_and_tell(stream, RESET_BY_PEER, reset_error(code), unprocessed)

    def _receive_window_update(self, _flags: int, stream_id: int, payload: bytes) -> None:
        self._charge()
        increment = _LONG.unpack(payload)[0] & frames.MAX_WINDOW
        if stream_id:
            stream = self._known_stream(stream_id)
            if stream is not None:
                self._widen_stream(stream, increment)
            return
        was_shut = self._send_window <= 0
        self._send_window += increment
        if not increment:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the server opened a window by nothing")
        if self._send_window > frames.MAX_WINDOW:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "the server opened a window too far")
        if was_shut:  # else those that wait do so for windows of their own, and looking at each would be for nothing
            self._open_send_windows()

    def _widen_stream(self, stream: H2Stream, increment: int) -> None:
        stream.send_window += increment
        if not increment:
            fault = StreamFault(ErrorCode.PROTOCOL_ERROR, "the server opened a window by nothing")
        elif stream.send_window > frames.MAX_WINDOW:
            fault = StreamFault(ErrorCode.FLOW_CONTROL_ERROR, "the server opened a window too far")
        else:
            self._open_send_window(stream)
            return
        self._fail_stream(stream, fault)

    def _receive_priority(self, _flags: int, stream_id: int, payload: bytes) -> None:
        self._charge()
        if len(payload) == 5:
            return
        stream = self._streams.get(stream_id)  # section 6.3: an error of the stream, whatever its state
        fault = StreamFault(ErrorCode.FRAME_SIZE_ERROR, "the server sent a frame of a wrong size")
        if stream is None:
            self._reply(frames.rst_stream_frame(stream_id, fault.code))
        else:
            self._fail_stream(stream, fault)

    def _receive_push_promise(self, _flags: int, _stream_id: int, _payload: bytes) -> None:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the server pushed a response although that is switched off")

    def _receive_stray_continuation(self, _flags: int, _stream_id: int, _payload: bytes) -> None:
        raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the server continued a header block that it had not begun")

    def _known_stream(self, stream_id: int) -> H2Stream | None:
        """The open stream of that number, None for one that is over.

        Raises:
            ConnectionFault: no such stream has ever been opened (section 5.1, "idle").
        """
        if stream_id >= self._next_id or not stream_id & 1:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the server spoke about a request that was never made")
        return self._streams.get(stream_id)


def _wrong_size() -> ConnectionFault:
    return ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "the server sent a frame of a wrong size")


#: Where each type belongs (True: stream 0, False: another, None: its handler decides), and its exact size if
#: it has one.
_SHAPES: Final[dict[int, tuple[bool | None, int | None]]] = {
    frames.PRIORITY: (False, None),
    frames.RST_STREAM: (False, 4),
    frames.SETTINGS: (True, None),
    frames.PUSH_PROMISE: (None, None),
    frames.PING: (True, 8),
    frames.GOAWAY: (True, None),
    frames.WINDOW_UPDATE: (None, 4),
    frames.CONTINUATION: (None, None),
}
_HANDLERS: Final[dict[int, Callable[[ControlFrames, int, int, bytes], None]]] = {
    frames.PRIORITY: ControlFrames._receive_priority,
    frames.RST_STREAM: ControlFrames._receive_rst_stream,
    frames.SETTINGS: ControlFrames._receive_settings,
    frames.PUSH_PROMISE: ControlFrames._receive_push_promise,
    frames.PING: ControlFrames._receive_ping,
    frames.GOAWAY: ControlFrames._receive_goaway,
    frames.WINDOW_UPDATE: ControlFrames._receive_window_update,
    frames.CONTINUATION: ControlFrames._receive_stray_continuation,
}
