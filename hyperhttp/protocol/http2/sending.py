"""The sending half of an HTTP/2 connection: requests and the windows of the peer (RFC 9113 5.2, 8.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperhttp.exceptions import LocalProtocolError
from hyperhttp.protocol.http2 import frames
from hyperhttp.protocol.http2.errors import NoStreamError
from hyperhttp.protocol.http2.state import ConnectionState
from hyperhttp.protocol.http2.stream import ENDED, H2Stream, semantics_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hyperhttp.protocol.events import Field
    from hyperhttp.protocol.http2.stream import StreamListener

__all__ = ["Sending"]


class Sending(ConnectionState):
    """What a request needs."""

    __slots__ = ()

    def open_stream(
        self,
        listener: StreamListener,
        method: bytes,
        authority: bytes,
        path: bytes,
        fields: Iterable[Field],
        *,
        end_stream: bool,
        scheme: bytes = b"https",
        protocol: bytes = b"",
    ) -> H2Stream:
        """Begin a request.

        Args:
            listener: hears the response.
            method: the method.
            authority: host and port as in a URL, without userinfo; it stands for Host.
            path: path and query, or ``b"*"``; empty for CONNECT without `protocol`.
            fields: the header fields; the first two items of each are name, in any case, and value. Host and
                the fields that belong to an HTTP/1.1 connection are left out.
            end_stream: no content follows.
            scheme: ``b"https"`` or ``b"http"``; empty for CONNECT without `protocol`.
            protocol: the ``:protocol`` of an extended CONNECT (RFC 8441), such as ``b"websocket"``.

        Raises:
            LocalProtocolError: a field must not be sent.
            NoStreamError: no stream may be opened (see `capacity`).
        """
        peer = self.peer
        if self._refusal or len(self._streams) >= peer.max_concurrent_streams:
            why = self._refusal or "the server takes no more at once"
            raise NoStreamError(f"no request can be started on this connection: {why}")
        if protocol and not peer.enable_connect_protocol:
            raise LocalProtocolError("the server does not offer extended CONNECT (RFC 8441)")
        block = self._encoder.encode_request(method, scheme, authority, path, fields, protocol=protocol)
        stream_id = self._next_id
        self._next_id = stream_id + 2
        if self._next_id > frames.MAX_STREAM_ID:
            self._refusal = "all its stream numbers are used up"
        stream = self._streams[stream_id] = H2Stream(
            stream_id, listener, peer.initial_window_size, self.config.stream_window, semantics_of(method)
        )
        stream.send_closed = end_stream
        self._out += frames.headers_frames(stream_id, block, peer.max_frame_size, end_stream=end_stream)
        return stream

    def send_data(self, stream: H2Stream, data: bytes | memoryview, *, end_stream: bool = False) -> int:
        """Send content, as much as both windows allow.

        When less than everything is taken, `StreamListener.window_opened` will be called once more is
        possible. When the peer wants no more of the request (`H2Stream.send_closed`), everything is taken and
        dropped, so that a plain loop comes to its end.

        Args:
            stream: a stream opened with ``end_stream=False``.
            data: content; it must not be changed before `data_to_send` was called.
            end_stream: the content ends with `data`; it does so once all of `data` was taken.

        Returns:
            How many bytes were taken.
        """
        size = len(data)
        if stream.send_closed:
            return size
        allowed = max(0, min(size, self._send_window, stream.send_window))  # windows may be negative
        self._blocked.pop(stream.stream_id, None)
        if allowed < size:
            self._blocked[stream.stream_id] = stream  # behind those that wait already
            end_stream = False
        if allowed or end_stream:
            self._write_data(stream.stream_id, data, allowed, end_stream)
            self._send_window -= allowed
            stream.send_window -= allowed
        if end_stream:
            self._end_sending(stream)
        return allowed

    def send_trailers(self, stream: H2Stream, fields: Iterable[Field]) -> None:
        """End a request with a trailer section (RFC 9113 section 8.1).

        Raises:
            LocalProtocolError: a field must not be sent.
        """
        if stream.send_closed:
            return
        block = self._encoder.encode_trailers(fields)
        self._out += frames.headers_frames(stream.stream_id, block, self.peer.max_frame_size, end_stream=True)
        self._end_sending(stream)

    def _write_data(self, stream_id: int, data: bytes | memoryview, size: int, end_stream: bool) -> None:
        """Queue DATA frames for the first `size` bytes of `data`; no window matters any more."""
        limit = self.peer.max_frame_size
        last_flags = frames.END_STREAM if end_stream else 0
        if size <= limit:
            self._out.append(frames.FRAME_HEADER.pack(size << 8 | frames.DATA, last_flags, stream_id))
            self._out.append(data if size == len(data) else memoryview(data)[:size])
            self._useful += 1
            return
        view = memoryview(data)
        for start in range(0, size, limit):
            piece = view[start : min(start + limit, size)]
            flags = last_flags if start + limit >= size else 0
            self._out.append(frames.FRAME_HEADER.pack(len(piece) << 8 | frames.DATA, flags, stream_id))
            self._out.append(piece)
            self._useful += 1

    def _end_sending(self, stream: H2Stream) -> None:
        stream.send_closed = True
        self._blocked.pop(stream.stream_id, None)
        if stream.phase == ENDED:
            del self._streams[stream.stream_id]

    def _open_send_window(self, stream: H2Stream) -> None:
        """Wake a stream that waits, if both windows are open now."""
        if stream.stream_id in self._blocked and stream.send_window > 0 and self._send_window > 0:
            del self._blocked[stream.stream_id]
            stream.listener.window_opened()

    def _open_send_windows(self) -> None:
        """Wake the streams that wait, the longest waiting first."""
        for stream in list(self._blocked.values()):
            if self._send_window <= 0:
                break
            self._open_send_window(stream)
