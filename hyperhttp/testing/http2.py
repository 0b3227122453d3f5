"""HTTP/2 on the server's side (RFC 9113), through the independent ``h2`` package.

One task reads frames; each stream has a task that runs its endpoint. Flow control is honoured both ways:
content is acknowledged only when the endpoint has read it (so a slow endpoint stops the upload), and content
is sent only into windows the client has opened (so a slow client stops the endpoint).
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from hyperhttp.testing.exchange import Exchange, has_no_content, standard_fields
from hyperhttp.testing.messages import Field, Fields, ReceivedRequest, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hyperhttp.testing.site import Peer, Site

__all__ = ["HTTP2Connection", "frame"]

_PIECE = 64 * 1024
# How long a client may go on sending after the origin has sent its last byte.
_LINGER_SECONDS = 2.0
STREAM_WINDOW: Final = 1024 * 1024
CONNECTION_WINDOW: Final = 4 * 1024 * 1024

_DATA, _SETTINGS, _GOAWAY = 0x0, 0x4, 0x7
_NO_ERROR = 0x0
# Fields that belong to a connection and must not appear on a stream (RFC 9113 section 8.2.2).
_CONNECTION_FIELDS = frozenset({"connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"})


def frame(kind: int, stream_id: int, payload: bytes = b"", *, flags: int = 0) -> bytes:
    """A frame as it goes over the wire (RFC 9113 section 4.1), for what ``h2`` refuses to send."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream_id) + payload


class HTTP2Connection:
    """One connection that speaks HTTP/2."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, site: Site, peer: Peer) -> None:
        self.reader = reader
        self.writer = writer
        self.site = site
        self.peer = peer
        self.is_broken = False
        self.ended = asyncio.Event()
        self.streams: dict[int, HTTP2Exchange] = {}
        self.last_stream_id = 0
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self.h2 = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding=None))
        codes = h2.settings.SettingCodes
        self.h2.local_settings = h2.settings.Settings(
            client=False,
            initial_values={
                codes.MAX_CONCURRENT_STREAMS: site.max_streams,
                codes.INITIAL_WINDOW_SIZE: STREAM_WINDOW,
                codes.MAX_HEADER_LIST_SIZE: 256 * 1024,
            },
        )

    async def serve(self, first: bytes = b"") -> None:
        """Answer streams until the connection ends; ``first`` is what was read of the preface already."""
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(CONNECTION_WINDOW - 65535)
        self.flush()
        try:
            data = first or await self.reader.read(_PIECE)
            while data:
                self._receive(data)
                data = await self.reader.read(_PIECE)
        finally:
            self.ended.set()
            await self._end_streams()

    async def _end_streams(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _receive(self, data: bytes) -> None:
        if self.is_broken:
            return  # read only so that what was sent last is not lost in a reset
        try:
            events = self.h2.receive_data(data)
        except h2.exceptions.ProtocolError:
            self.site.counters.refused += 1
            self.close()  # h2 has put the GOAWAY into its buffer
            return
        for event in events:
            self._handle(event)
        self.flush()

    def _handle(self, event: h2.events.Event) -> None:
        if isinstance(event, h2.events.RequestReceived):
            self._open(event)
        elif isinstance(event, h2.events.DataReceived):
            self._take(event)
        elif isinstance(event, h2.events.TrailersReceived):
            if stream := self.streams.get(event.stream_id):
                stream.request.trailers.raw += _as_text(event.headers)
        elif isinstance(event, h2.events.StreamEnded):
            if stream := self.streams.get(event.stream_id):
                stream.end_of_content()
        elif isinstance(event, h2.events.StreamReset):
            if task := self._tasks.get(event.stream_id):
                task.cancel()
        elif isinstance(event, h2.events.WindowUpdated | h2.events.RemoteSettingsChanged):
            for stream in self.streams.values():
                stream.window_opened.set()

    def _open(self, event: h2.events.RequestReceived) -> None:
        pseudo: dict[str, str] = {}
        fields: list[Field] = []
        for name, value in _as_text(event.headers):
            if name.startswith(":"):
                pseudo[name] = value
            else:
                fields.append((name, value))
        if ":authority" in pseudo:
            fields = [("host", pseudo[":authority"]), *(f for f in fields if f[0] != "host")]
        target = pseudo.get(":path", pseudo.get(":authority", ""))
        stream_id = event.stream_id
        self.last_stream_id = stream_id
        request = self.site.receive(pseudo[":method"], target, "HTTP/2", Fields(fields), self.peer, stream_id=stream_id)
        exchange = HTTP2Exchange(self, request, stream_id)
        self.streams[stream_id] = exchange
        task = asyncio.get_running_loop().create_task(self._run(exchange, stream_id))
        self._tasks[stream_id] = task

    def _take(self, event: h2.events.DataReceived) -> None:
        stream = self.streams.get(event.stream_id)
        length = event.flow_controlled_length
        if stream is None:
            self.acknowledge(length, event.stream_id)
        else:
            stream.take(event.data, length)

    async def _run(self, exchange: HTTP2Exchange, stream_id: int) -> None:
        try:
            await self.site.answer(exchange)
        except OSError:
            pass  # the client reset the stream or left; there is nobody to tell
        finally:
            del self.streams[stream_id]
            del self._tasks[stream_id]
            exchange.let_go()
            self.flush()

    def acknowledge(self, length: int, stream_id: int) -> None:
        """Open the client's windows again by what was read."""
        if length:
            try:
                self.h2.acknowledge_received_data(length, stream_id)
            except h2.exceptions.H2Error:
                return  # the connection is over
            self.flush()

    def flush(self) -> None:
        """Hand what ``h2`` wants to send to the transport."""
        data = self.h2.data_to_send()
        if data and not self.is_broken and not self.writer.transport.is_closing():
            self.writer.write(data)

    def close(self) -> None:
        """Close once the buffer has gone out; in clear FIN goes first, and the rest is read for a moment."""
        self.flush()
        self.is_broken = True
        if self.writer.can_write_eof():
            self.writer.write_eof()
            asyncio.get_running_loop().call_later(_LINGER_SECONDS, self.writer.close)
        elif not self.writer.transport.is_closing():
            self.writer.close()  # closed twice, asyncio's TLS transport loses what `reset` needs of it

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.is_broken = True
        raw = self.writer.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


class HTTP2Exchange(Exchange):
    """A request and its reply on one stream."""

    # Settings of five bytes, where each has six: FRAME_SIZE_ERROR (RFC 9113 section 6.5).
    garbage = frame(_SETTINGS, 0, b"junk!") + b" this is not HTTP/2"
    # Content on a stream nobody opened: a connection error (section 5.1).
    leftover = frame(_DATA, 0x7FFFFFFD, b"poisoned", flags=0x1)
    # GOAWAY that leaves nothing out (section 6.8).
    idle_notice = frame(_GOAWAY, 0, struct.pack(">II", 0x7FFFFFFF, _NO_ERROR))

    def __init__(self, connection: HTTP2Connection, request: ReceivedRequest, stream_id: int) -> None:
        super().__init__(request, connection.site.notes)
        self.window_opened = asyncio.Event()
        self._connection = connection
        self._stream_id = stream_id
        self._chunks: deque[tuple[bytes, int]] = deque()
        self._arrived = asyncio.Event()
        self._is_received = False
        self._is_finished = False

    def take(self, data: bytes, length: int) -> None:
        """Keep content until the endpoint reads it; bounded by the windows we opened."""
        self._chunks.append((data, length))
        self._arrived.set()

    def end_of_content(self) -> None:
        """The client sent END_STREAM."""
        self._is_received = True
        self.request.is_complete = not self._chunks
        self._arrived.set()

    def let_go(self) -> None:
        """Give back what nobody will read, and tell the client to stop sending (RFC 9113 section 8.1)."""
        for _, length in self._chunks:
            self._connection.acknowledge(length, self._stream_id)
        self._chunks.clear()
        if self._is_finished and not self._is_received:
            try:
                self._connection.h2.reset_stream(self._stream_id, _NO_ERROR)
            except h2.exceptions.H2Error:
                pass  # it has been reset in the meantime

    async def read(self) -> bytes:
        """The next piece of content; acknowledged now that it is read."""
        if self.expects_continue and not self.head_sent and not self._is_received:
            self.was_continued = True
            await self.send_interim(100, ())
        while not self._chunks:
            if self._is_received:
                self.request.is_complete = True
                return b""
            self._arrived.clear()
            await self._arrived.wait()
        data, length = self._chunks.popleft()
        self.request.receive(data)
        self._connection.acknowledge(length, self._stream_id)
        return data or await self.read()

    async def send_interim(self, status: int, fields: Sequence[Field]) -> None:
        """Send a 1xx response."""
        self._send_headers([(":status", str(status)), *fields])
        await self._connection.writer.drain()

    async def send_head(self, reply: Reply, length: int | None) -> None:
        """Send the final field block, with END_STREAM when nothing follows."""
        self.head_sent = True
        given = {name.lower() for name, _ in reply.fields}
        fields = [(":status", str(reply.status))]
        fields += [(name.lower(), value) for name, value in reply.fields]
        fields += [(name.lower(), value) for name, value in standard_fields() if name.lower() not in given]
        if length is not None and reply.status != 204 and "content-length" not in given:
            fields.append(("content-length", str(length)))
        self._is_finished = length == 0 or has_no_content(self.request.method, reply.status)
        self._send_headers(fields, end_stream=self._is_finished)
        await self._connection.writer.drain()

    def _send_headers(self, fields: Sequence[Field], *, end_stream: bool = False) -> None:
        block = [
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in fields
            if name.lower() not in _CONNECTION_FIELDS
        ]
        with _as_connection_error():
            self._connection.h2.send_headers(self._stream_id, block, end_stream=end_stream)
        self._connection.flush()

    async def write(self, data: bytes) -> None:
        """Send content as the windows allow."""
        if self._is_finished:
            return
        rest = memoryview(data)
        connection = self._connection
        while rest:
            with _as_connection_error():
                room = connection.h2.local_flow_control_window(self._stream_id)
                size = max(min(room, connection.h2.max_outbound_frame_size, len(rest)), 0)
                if size:
                    connection.h2.send_data(self._stream_id, bytes(rest[:size]))
            if not size:
                self.window_opened.clear()
                await self.window_opened.wait()
            rest = rest[size:]
            connection.flush()
            await connection.writer.drain()

    async def finish(self, trailers: Sequence[Field] = ()) -> None:
        """Send END_STREAM, with trailers if there are any."""
        if self._is_finished:
            return
        self._is_finished = True
        if trailers:
            self._send_headers(trailers, end_stream=True)
        else:
            with _as_connection_error():
                self._connection.h2.end_stream(self._stream_id)
            self._connection.flush()
        await self._connection.writer.drain()

    async def send_raw(self, data: bytes) -> None:
        """Put bytes on the connection between two frames."""
        self._connection.flush()
        if not self._connection.is_broken:
            self._connection.writer.write(data)
        await self._connection.writer.drain()

    async def stall(self, seconds: float) -> None:
        """Wait for the client to reset the stream (which cancels this) or to leave."""
        self._is_finished = True
        try:
            async with asyncio.timeout(seconds):
                await self._connection.ended.wait()
        except TimeoutError:
            self._connection.reset()

    def close(self) -> None:
        """Close the connection, without GOAWAY."""
        self._is_finished = True
        self._connection.close()

    def reset(self) -> None:
        """Reset the connection."""
        self._is_finished = True
        self._connection.reset()

    def reset_stream(self, error_code: int) -> None:
        """Send RST_STREAM."""
        self._is_finished = True
        with _as_connection_error():
            self._connection.h2.reset_stream(self._stream_id, error_code)
        self._connection.flush()

    async def send_goaway(self, *, served: bool) -> None:
        """Send GOAWAY with NO_ERROR by hand: ``h2`` would end the connection with it."""
        last = self._connection.last_stream_id if served else max(self._stream_id - 2, 0)
        await self.send_raw(frame(_GOAWAY, 0, struct.pack(">II", last, _NO_ERROR)))


@contextmanager
def _as_connection_error() -> Iterator[None]:
    """What ``h2`` refuses because the stream is gone, as the error every endpoint knows."""
    try:
        yield
    except h2.exceptions.H2Error as error:
        raise ConnectionResetError(f"the stream is gone: {error!r}") from error


def _as_text(headers: Sequence[tuple[bytes, bytes]]) -> list[Field]:
    return [(bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in headers]
