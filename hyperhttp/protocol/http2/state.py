"""What the parts of an HTTP/2 connection share: windows, streams, settings, the frames waiting to be written.

Flow control (RFC 9113 section 5.2) on the receiving side is split in two. The connection's window is refilled
on arrival, so it never holds one stream back because of another; a stream's window is refilled when its
reader has consumed, which is what bounds memory. Both go up in steps of half a window, so that one
WINDOW_UPDATE answers for hundreds of kilobytes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperhttp.protocol.http2.errors import ConnectionFault, ErrorCode, remote_error
from hyperhttp.protocol.http2.frames import goaway_frame, rst_stream_frame, window_update_frame
from hyperhttp.protocol.http2.hpack_decoder import Decoder, HeadReader
from hyperhttp.protocol.http2.hpack_encoder import Encoder
from hyperhttp.protocol.http2.settings import DEFAULT_WINDOW, PeerSettings
from hyperhttp.protocol.http2.stream import ENDED, EXPECTS_CONTENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.exceptions import HyperHTTPError
    from hyperhttp.protocol.http2.errors import StreamFault
    from hyperhttp.protocol.http2.settings import H2Config
    from hyperhttp.protocol.http2.stream import ConnectionListener, H2Stream

__all__ = ["RESET_BY_PEER", "RESET_BY_US", "ConnectionState", "UnfinishedBlock"]

# Who ended a stream early; frames for it may still be on their way.
RESET_BY_US: Final = 1
RESET_BY_PEER: Final = 2
#: Streams ended early that are told apart from others; older ones are treated as if we had reset them.
_REMEMBERED_RESETS: Final = 1000

#: A header block that waits for CONTINUATION: its stream, its END_STREAM flag, the fragments so far and their size.
UnfinishedBlock = tuple[int, bool, list[bytes], int]

#: How many frames without content one frame with content makes up for.
_CREDIT: Final = 8


class ConnectionState:
    """Shared state and the few steps every part needs. See `H2Connection` for the whole."""

    __slots__ = (
        "_blocked",
        "_budget",
        "_continuation",
        "_decoder",
        "_encoder",
        "_expects_settings",
        "_flushed_id",
        "_forgotten_left",
        "_forgotten_reset",
        "_goaway_last_id",
        "_heads",
        "_listener",
        "_next_id",
        "_out",
        "_receive_left",
        "_refusal",
        "_replies",
        "_resets",
        "_restricted",
        "_send_window",
        "_streams",
        "_tail",
        "_useful",
        "closed",
        "config",
        "error",
        "goaway",
        "late",
        "peer",
        "settings_acknowledged",
    )

    def __init__(self, config: H2Config, listener: ConnectionListener) -> None:
        self.config = config
        self.peer = PeerSettings(config.assumed_streams)
        self.closed = False
        self.error: HyperHTTPError | None = None
        self.goaway: tuple[int, bytes] | None = None
        self.settings_acknowledged = False
        self.late = 0
        self._listener = listener
        self._streams: dict[int, H2Stream] = {}
        self._next_id = 1
        self._flushed_id = 1  # requests from this number on have not left the engine
        self._refusal = ""  # why no stream may be opened any more
        self._goaway_last_id = 0
        # Stream ended early to who ended it and the bytes of content that may still come for it, the oldest first.
        self._resets: dict[int, tuple[int, int]] = {}
        self._forgotten_reset = 0  # the highest number that fell out of it
        self._forgotten_left = 0  # what may still come for all that fell out of it
        self._out: list[bytes | memoryview] = []
        self._send_window = DEFAULT_WINDOW
        self._receive_left = config.connection_window
        self._blocked: dict[int, H2Stream] = {}  # streams with content to send and no window, in their order
        self._encoder = Encoder()
        self._decoder = Decoder(config.header_table_size)
        self._heads = HeadReader(self._decoder, config.max_header_list_size, config.max_header_fields)
        self._tail = bytearray()  # the beginning of a frame whose rest has not come; it may come byte by byte
        self._expects_settings = True
        self._restricted = True  # only one type of frame is allowed next: settings, or a continuation
        self._continuation: UnfinishedBlock | None = None
        self._budget = config.control_budget
        self._useful = 0  # frames with content since the budget was looked at
        self._replies = 0  # answers not yet written

    def acknowledge(self, stream: H2Stream, size: int) -> None:
        """The reader of `stream` has consumed `size` bytes of content: the peer may send as many more."""
        if stream.phase == ENDED:
            return
        stream.consumed += size
        if stream.consumed * 2 >= self.config.stream_window:
            self._out.append(window_update_frame(stream.stream_id, stream.consumed))
            stream.receive_left += stream.consumed
            stream.consumed = 0

    def receive_into(self, stream: H2Stream, view: memoryview) -> bool:
        """Let the rest of a response's content go straight into `view`, acknowledged as it comes.

        `view` is written to until the stream has ended, one way or another.

        Returns:
            False where it is not as long as what is left, or where the peer may not send that much as things are: a
            length is only a claim, and memory for content is bounded by windows.
        """
        if stream.phase != EXPECTS_CONTENT or stream.content_left != len(view) or stream.receive_left < len(view):
            return False
        stream.buffer = view
        return True

    def reset_stream(self, stream: H2Stream, code: int = ErrorCode.CANCEL) -> None:
        """End a stream early; its listener hears nothing more. Nothing happens if it has ended already."""
        if self._streams.get(stream.stream_id) is stream:
            self._out.append(rst_stream_frame(stream.stream_id, code))
            self._drop(stream, RESET_BY_US)

    def _drop(self, stream: H2Stream, by: int) -> None:
        """Forget a stream that ended early, except that it did."""
        stream.phase = ENDED
        stream.send_closed = True
        stream.buffer = None
        del self._streams[stream.stream_id]
        self._blocked.pop(stream.stream_id, None)
        left = stream.receive_left
        # Who has overrun a window has one of their own in mind, and sends on until they hear of it.
        self._resets[stream.stream_id] = (by, left if left >= 0 else self.config.stream_window)
        if len(self._resets) > _REMEMBERED_RESETS:
            oldest = next(iter(self._resets))
            self._forgotten_left += self._resets.pop(oldest)[1]
            self._forgotten_reset = max(self._forgotten_reset, oldest)

    def _drop_and_tell(self, stream: H2Stream, by: int, error: HyperHTTPError, unprocessed: bool) -> None:
        """End a stream early, from the listener's point of view too.

        A response that is complete stands (section 8.1): what ends then is the rest of the request.
        """
        complete = stream.phase == ENDED
        self._drop(stream, by)
        if complete:
            stream.listener.window_opened()
        else:
            stream.listener.receive_reset(error, unprocessed)

    def _fail_stream(self, stream: H2Stream, fault: StreamFault) -> None:
        """Answer a stream error (RFC 9113 section 5.4.2)."""
        self._reply(rst_stream_frame(stream.stream_id, fault.code))
        self._drop_and_tell(stream, RESET_BY_US, remote_error(fault.message, fault.code), False)

    def _fail_connection(self, fault: ConnectionFault) -> None:
        """Answer a connection error (RFC 9113 section 5.4.1): GOAWAY, and every stream hears of it."""
        self._out.append(goaway_frame(0, fault.code))
        self.error = remote_error(fault.message, fault.code)
        self._end_all(lambda: remote_error(fault.message, fault.code))

    def _end_all(self, make_error: Callable[[], HyperHTTPError]) -> None:
        self.closed = True
        self._refusal = self._refusal or "the connection is closed"
        self._tail = bytearray()
        self._continuation = None
        streams = list(self._streams.values())
        self._streams.clear()
        self._blocked.clear()
        for stream in streams:
            stream.send_closed = True
            if stream.phase == ENDED:
                stream.listener.window_opened()  # the response is complete; only the upload has to stop
                continue
            stream.phase = ENDED
            stream.listener.receive_reset(make_error(), stream.stream_id >= self._flushed_id)

    def _refill_connection_window(self) -> None:
        if self._receive_left < 0:
            raise ConnectionFault(
                ErrorCode.FLOW_CONTROL_ERROR, "the server sent more content than the connection allows"
            )
        increment = self.config.connection_window - self._receive_left
        self._out.append(window_update_frame(0, increment))
        self._receive_left += increment

    def _reply(self, frame: bytes) -> None:
        """Queue an answer the peer provoked; it must not be able to pile them up (CVE-2019-9512, ...)."""
        self._replies += 1
        if self._replies > self.config.max_replies:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "the server provokes answers and does not read them")
        self._out.append(frame)

    def _charge(self, cost: int = 1) -> None:
        """Count a frame that carries nothing against the budget (CVE-2019-9512 to 9518 and others).

        There is no clock in here, so what is bounded is the proportion of such frames to those with content.
        """
        self._budget = min(self.config.control_budget, self._budget + self._useful * _CREDIT) - cost
        self._useful = 0
        if self._budget < 0:
            raise ConnectionFault(ErrorCode.ENHANCE_YOUR_CALM, "the server sends too many frames that carry no content")

    def _charge_for_ended_stream(self, stream_id: int, size: int = 0) -> None:
        """Treat a HEADERS frame, or a DATA frame of `size` bytes, for a stream that is not open (RFC 9113 section 5.1).

        What was on its way when a stream ended early is within its window, which is not opened any more. A peer that
        sends more than that obeys no windows, or has never read that it should stop.
        """
        if stream_id >= self._next_id or not stream_id & 1:
            raise ConnectionFault(
                ErrorCode.PROTOCOL_ERROR, "the server sent a response to a request that was never made"
            )
        by, left = self._resets.get(stream_id, (0, self._forgotten_left))
        if not by and stream_id > self._forgotten_reset:
            raise ConnectionFault(ErrorCode.STREAM_CLOSED, "the server sent more after the end of a response")
        left -= size
        if left < 0:
            raise ConnectionFault(ErrorCode.FLOW_CONTROL_ERROR, "the server goes on with a response that nobody wants")
        if by == RESET_BY_PEER:
            self._reply(rst_stream_frame(stream_id, ErrorCode.STREAM_CLOSED))
        if by:
            self._resets[stream_id] = (RESET_BY_US, left)
        else:
            self._forgotten_left = left
        self.late += 1
        self._charge()
