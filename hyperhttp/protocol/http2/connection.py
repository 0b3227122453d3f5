"""One HTTP/2 connection seen from the client (RFC 9113): bytes in, calls to listeners out.

The layers of the engine, each a module: `state` (what is shared), `sending` (requests), `control` and
`messages` (what to do about a received frame), and here the cutting of the byte stream into frames. There is
no socket, clock or lock: one caller at a time, and whoever owns the connection writes what `data_to_send`
gives after each round of calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperhttp.exceptions import LocalProtocolError
from hyperhttp.protocol.http2 import frames
from hyperhttp.protocol.http2.errors import ConnectionFault, ErrorCode, goaway_error, printable
from hyperhttp.protocol.http2.messages import MessageFrames
from hyperhttp.protocol.http2.settings import DEFAULT_WINDOW, H2Config

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.exceptions import HyperHTTPError
    from hyperhttp.protocol.http2.stream import ConnectionListener

__all__ = ["H2Connection"]

_HEADER_SIZE: Final = frames.FRAME_HEADER_SIZE


class _NobodyListens:
    def settings_changed(self) -> None:
        pass

    def goaway_received(self) -> None:
        pass

    def ping_acknowledged(self, data: bytes) -> None:
        pass


class H2Connection(MessageFrames):
    """A client's HTTP/2 connection without I/O.

    ::

        connection = H2Connection()
        connection.initiate()
        connection.open_stream(listener, b"GET", b"example.com", b"/", [(b"accept", b"*/*")], end_stream=True)
        transport.write(connection.data_to_send())
        connection.receive_data(transport.read())       # calls the listener

    Faults of the peer are never raised: a listener gets `receive_reset`, and after a connection error
    `closed` is true and GOAWAY waits in `data_to_send`. Methods raise `LocalProtocolError` for what the
    caller must not do.

    Attributes:
        config: our side, as given.
        peer: the other side's settings.
        closed: nothing more can be received or sent, except what `data_to_send` still holds.
        error: the connection error that closed it, or None.
        goaway: error code and debug data of the peer's last GOAWAY, or None.
        settings_acknowledged: the peer has acknowledged our SETTINGS.
        late: frames that came for streams which had ended early.
    """

    __slots__ = ()

    def __init__(self, config: H2Config | None = None, listener: ConnectionListener | None = None) -> None:
        super().__init__(config or H2Config(), listener or _NobodyListens())

    @property
    def open_streams(self) -> int:
        """How many streams have not ended on both sides."""
        return len(self._streams)

    @property
    def capacity(self) -> int:
        """How many more streams may be opened now; below zero when the peer has lowered its limit."""
        return 0 if self._refusal else self.peer.max_concurrent_streams - len(self._streams)

    @property
    def can_open(self) -> bool:
        """Whether a stream may be opened now."""
        return not self._refusal and len(self._streams) < self.peer.max_concurrent_streams

    @property
    def is_retired(self) -> bool:
        """Whether no stream may ever be opened again: closed, going away, or out of numbers."""
        return bool(self._refusal)

    @property
    def has_data_to_send(self) -> bool:
        """Whether `data_to_send` would give anything."""
        return bool(self._out)

    def initiate(self) -> None:
        """Begin: the client's preface, our settings, and the connection's window (section 3.4)."""
        self._out += [frames.PREFACE, frames.settings_frame(self.config.announced())]
        if self.config.connection_window > DEFAULT_WINDOW:
            self._out.append(frames.window_update_frame(0, self.config.connection_window - DEFAULT_WINDOW))

    def data_to_send(self) -> bytes:
        """All that has to be written, in one piece; it is not given twice."""
        data = b"".join(self._out)
        self._out.clear()
        self._replies = 0
        self._flushed_id = self._next_id
        return data

    def ping(self, data: bytes = b"liveness") -> None:
        """Ask the peer for a sign of life: `ConnectionListener.ping_acknowledged` gets the same bytes.

        Raises:
            LocalProtocolError: `data` is not eight bytes long.
        """
        if len(data) != 8:
            raise LocalProtocolError("a ping carries exactly eight bytes")
        self._out.append(frames.ping_frame(data))

    def renew_budget(self) -> None:
        """Forgive the control frames received so far.

        The engine has no clock and counts them against content only. Whoever has one may call this every ten
        seconds or so, and a connection that pings for days while a response is awaited will not be taken for
        a flood.
        """
        self._budget = self.config.control_budget

    @property
    def left_served(self) -> bool:
        """The peer is leaving, after it took at least one of our requests."""
        return self.goaway is not None and min(self._goaway_last_id, self._next_id - 2) > 0

    def close(self, code: int = ErrorCode.NO_ERROR) -> None:
        """Tell the peer that we are leaving (GOAWAY): no stream can be opened any more, open ones go on."""
        if not self.closed:
            self._refusal = self._refusal or "it is being closed"
            self._out.append(frames.goaway_frame(0, code))

    def connection_lost(self, make_error: Callable[[], HyperHTTPError]) -> None:
        """The transport has ended: every open stream hears of it.

        Args:
            make_error: makes an exception for one stream. If the peer had announced an error by GOAWAY, that
                is what the streams hear instead.
        """
        if self.closed:
            return
        if self.goaway is not None and self.goaway[0] != ErrorCode.NO_ERROR:
            code, debug_data = self.goaway
            self._end_all(lambda: goaway_error(code, debug_data))
        else:
            self._end_all(make_error)

    def receive_data(self, data: bytes | memoryview) -> None:
        """Take a chunk as it came from the transport, and call the listeners about all it completes.

        Only an incomplete frame at its end is kept. `data` itself is not kept: it may be a view of a buffer.
        """
        if self.closed:
            return
        try:
            start = self._complete_frame(data) if self._tail else 0
            end = self._receive_frames(data, start)
            if end < len(data) and not self.closed:
                self._tail += data[end:]
        except ConnectionFault as fault:
            if not self.closed:  # by a listener in the meantime
                self._fail_connection(fault)

    def _receive_frames(self, data: bytes | memoryview, pos: int) -> int:
        """Handle the complete frames in `data` from `pos` on; the position after the last of them."""
        size = len(data)
        last_header = size - _HEADER_SIZE
        largest = self.config.max_frame_size
        unpack = frames.FRAME_HEADER.unpack_from
        while pos <= last_header:
            word, flags, stream_id = unpack(data, pos)
            start = pos + _HEADER_SIZE
            end = start + (word >> 8)
            if word >> 8 > largest:
                raise self._frame_too_large(data, pos)
            if end > size:
                break
            frame_type = word & 0xFF
            stream_id &= frames.MAX_STREAM_ID
            if self._restricted:
                self._receive_only(frame_type, flags, stream_id, bytes(data[start:end]))
            elif frame_type == frames.DATA:
                self._receive_data(flags, stream_id, data, start, end)
            elif frame_type == frames.HEADERS:
                self._receive_headers(flags, stream_id, data, start, end)
            else:
                self._receive_control(frame_type, flags, stream_id, bytes(data[start:end]))
            pos = end
        return pos

    def _receive_only(self, frame_type: int, flags: int, stream_id: int, payload: bytes) -> None:
        """A frame at a point where only one type is allowed."""
        if self._continuation is not None:
            self._receive_continuation(self._continuation, frame_type, flags, stream_id, payload)
        elif frame_type != frames.SETTINGS or flags & frames.ACK:
            raise ConnectionFault(ErrorCode.PROTOCOL_ERROR, "the server did not begin with its settings")
        else:
            self._expects_settings = self._restricted = False
            self.peer.max_concurrent_streams = self.config.unannounced_streams
            self._receive_control(frame_type, flags, stream_id, payload)

    def _complete_frame(self, data: bytes | memoryview) -> int:
        """Complete the frame that the last chunk began, and handle it; the position after it in `data`.

        Only this frame is joined. Adding the whole chunk to the tail would copy a large download once more.
        """
        tail = self._tail
        pos = 0
        if len(tail) < _HEADER_SIZE:
            pos = min(_HEADER_SIZE - len(tail), len(data))
            tail += data[:pos]
            if len(tail) < _HEADER_SIZE:
                return pos
        size = _HEADER_SIZE + int.from_bytes(tail[:3], "big")
        if size - _HEADER_SIZE > self.config.max_frame_size:
            raise self._frame_too_large(memoryview(tail), 0)
        end = min(pos + size - len(tail), len(data))
        tail += data[pos:end]
        if len(tail) < size:
            return end
        self._tail = bytearray()
        self._receive_frames(memoryview(tail), 0)
        return end

    def _frame_too_large(self, data: bytes | memoryview, pos: int) -> ConnectionFault:
        if self._expects_settings:
            begins = printable(bytes(data[pos : pos + 40]))
            return ConnectionFault(
                ErrorCode.PROTOCOL_ERROR, f"the server does not speak HTTP/2: it began with {begins}"
            )
        return ConnectionFault(ErrorCode.FRAME_SIZE_ERROR, "the server sent a frame that is larger than allowed")
