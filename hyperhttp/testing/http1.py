"""HTTP/1.1 and HTTP/1.0 on the server's side (RFC 9112).

A :class:`HTTP1Connection` reads requests from a stream pair one after the other, so requests that were sent
ahead (pipelining, section 9.3.2) simply wait in the buffer. It is strict: what RFC 9112 lets a server refuse
is refused with 400, so that a client that frames its requests wrongly is found out.
"""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from typing import TYPE_CHECKING, Final

from hyperhttp.testing.exchange import (
    BadRequestError,
    Exchange,
    has_no_content,
    reason_of,
    respond,
    standard_fields,
)
from hyperhttp.testing.messages import Field, Fields, ReceivedRequest, Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperhttp.testing.site import Peer, Site

__all__ = ["MAX_HEAD_SIZE", "PREFACE_HEAD", "HTTP1Connection", "parse_request_head"]

# The first line of the HTTP/2 connection preface reads like a request head (RFC 9113 section 3.4).
PREFACE_HEAD: Final = b"PRI * HTTP/2.0\r\n\r\n"
MAX_HEAD_SIZE: Final = 256 * 1024
_PIECE = 64 * 1024
# What is left of a request's content is read up to this size to keep the connection, else it is closed.
_DRAIN = 1024 * 1024
# A close while the client still sends would reset the connection, and the reply with it (section 9.6).
_LINGER_SECONDS = 2.0

_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_CHUNK_SIZE = re.compile(rb"[0-9A-Fa-f]{1,15}\Z")


def parse_request_head(head: bytes) -> tuple[str, str, str, Fields]:
    """Method, target, version and fields of a request head, its empty line included.

    Raises:
        BadRequestError: it breaks RFC 9112 sections 3 and 5.
    """
    lines = head[:-4].decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not _TOKEN.match(parts[0]) or not parts[1] or _BAD_VALUE.search(parts[1]):
        raise BadRequestError(400, f"malformed request line {lines[0]!r}")
    method, target, version = parts
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequestError(505, f"version {version!r} is not spoken here")
    fields: list[Field] = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        value = value.strip(" \t")
        if not colon or not _TOKEN.match(name) or _BAD_VALUE.search(value):
            raise BadRequestError(400, f"malformed field line {line!r}")
        fields.append((name, value))
    headers = Fields(fields)
    if version == "HTTP/1.1" and len(headers.get_list("host")) != 1:
        raise BadRequestError(400, "HTTP/1.1 needs exactly one Host field (RFC 9112 section 3.2)")
    return method, target, version, headers


def content_length(headers: Fields, version: str) -> int | None:
    """Length of the content in bytes, None when it is chunked (RFC 9112 section 6.3).

    Raises:
        BadRequestError: the framing is ambiguous or unknown.
    """
    lengths = headers.get_list("content-length")
    codings = headers.tokens("transfer-encoding")
    if codings:
        if lengths:
            raise BadRequestError(400, "Content-Length together with Transfer-Encoding")
        if codings != ["chunked"] or version == "HTTP/1.0":
            raise BadRequestError(501, f"transfer coding {codings!r} is not known here")
        return None
    if not lengths:
        return 0
    if len(lengths) > 1 or not re.fullmatch("[0-9]{1,18}", lengths[0]):
        raise BadRequestError(400, f"malformed Content-Length {lengths!r}")
    return int(lengths[0])


class HTTP1Connection:
    """One connection that speaks HTTP/1.1."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, site: Site, peer: Peer) -> None:
        self.reader = reader
        self.writer = writer
        self.site = site
        self.peer = peer
        self.is_broken = False

    async def serve(self) -> bool:
        """Answer requests until the connection ends; True when the client turned to HTTP/2 instead."""
        head = await self._read_head()
        if head == PREFACE_HEAD and self.site.http2:
            return True
        self.site.counters.http1 += bool(head)
        while head and await self._serve_one(head):
            head = await self._read_head()
        return False

    async def _read_head(self) -> bytes:
        """The next head with its empty line, ``b""`` at the end of the stream.

        Empty lines before a request are skipped (RFC 9112 section 2.2).
        """
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
            while head[:2] == b"\r\n":
                head = head[2:]
                if len(head) < 4:
                    head += await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        except asyncio.LimitOverrunError:
            await self._refuse(BadRequestError(431, f"request head of more than {MAX_HEAD_SIZE} bytes"))
            return b""
        return head

    async def _serve_one(self, head: bytes) -> bool:
        try:
            method, target, version, headers = parse_request_head(head)
            length = content_length(headers, version)
        except BadRequestError as error:
            await self._refuse(error)
            return False
        request = self.site.receive(method, target, version, headers, self.peer)
        exchange = HTTP1Exchange(self, request, length)
        await self.site.answer(exchange)
        if self.is_broken:
            await self.linger()
            return False
        if exchange.keep_alive and await exchange.drain():
            return True
        if not request.is_complete:
            await self.linger()
        return False

    async def _refuse(self, error: BadRequestError) -> None:
        self.site.counters.refused += 1
        request = ReceivedRequest("GET", "/", "HTTP/1.1", Fields([("Connection", "close")]))
        exchange = HTTP1Exchange(self, request, 0)
        await respond(exchange, error.reply())
        await self.linger()

    async def linger(self) -> None:
        """Send no more, and throw away what still comes for a moment (RFC 9112 section 9.6)."""
        if self.writer.transport.is_closing():
            return
        if self.writer.can_write_eof():
            self.writer.write_eof()
        try:
            async with asyncio.timeout(_LINGER_SECONDS):
                while await self.reader.read(_PIECE):
                    pass
        except TimeoutError:
            pass

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.is_broken = True
        raw = self.writer.get_extra_info("socket")
        if raw is not None:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    def close(self) -> None:
        """Close once the buffer has gone out; in clear FIN goes first, and the rest is read (see linger)."""
        self.is_broken = True
        if not self.writer.can_write_eof() and not self.writer.transport.is_closing():
            self.writer.close()  # closed twice, asyncio's TLS transport loses what `reset` needs of it


class HTTP1Exchange(Exchange):
    """A request and its reply on HTTP/1.1."""

    garbage = b"\x16\x03\x01 this is not HTTP \x00\xff\r\n\r\n"
    leftover = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\npoisoned"
    idle_notice = b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    def __init__(self, connection: HTTP1Connection, request: ReceivedRequest, length: int | None) -> None:
        super().__init__(request, connection.site.notes)
        self._connection = connection
        self._reader = connection.reader
        self._writer = connection.writer
        self._is_chunked = length is None
        self._remaining = length or 0
        self._pending: list[bytes] = []
        self._sends_chunks = False
        self._sends_nothing = False
        options = request.headers.tokens("connection")
        is_current = request.http_version == "HTTP/1.1"
        self.keep_alive = "close" not in options and (is_current or "keep-alive" in options)
        request.is_complete = length == 0

    async def read(self) -> bytes:
        """The next piece of content (RFC 9112 section 6)."""
        if self.request.is_complete:
            return b""
        if self.expects_continue and not self.head_sent:
            self.was_continued = True
            await self.send_interim(100, ())
        try:
            data = await (self._read_chunked() if self._is_chunked else self._read_sized())
        except BadRequestError:
            self.keep_alive = False  # nobody knows where the next request would begin
            raise
        self.request.receive(data)
        return data

    async def _read_sized(self) -> bytes:
        data = await self._reader.read(min(self._remaining, _PIECE))
        if not data:
            raise ConnectionResetError("the client left in the middle of its content")
        self._remaining -= len(data)
        self.request.is_complete = not self._remaining
        return data

    async def _read_chunked(self) -> bytes:
        """The next bytes of the current chunk (section 7.1)."""
        if not self._remaining:
            line = (await self._reader.readuntil(b"\r\n"))[:-2]
            size = line.partition(b";")[0].rstrip(b" \t")
            if not _CHUNK_SIZE.match(size):
                raise BadRequestError(400, f"malformed chunk size {line[:80]!r}")
            self._remaining = int(size, 16)
            if not self._remaining:
                await self._read_trailers()
                return b""
        data = await self._reader.read(min(self._remaining, _PIECE))
        if not data:
            raise ConnectionResetError("the client left in the middle of a chunk")
        self._remaining -= len(data)
        if not self._remaining and await self._reader.readexactly(2) != b"\r\n":
            raise BadRequestError(400, "a chunk does not end with CRLF")
        return data

    async def _read_trailers(self) -> None:
        while line := (await self._reader.readuntil(b"\r\n"))[:-2]:
            name, _, value = line.decode("latin-1").partition(":")
            self.request.trailers.raw.append((name, value.strip()))
        self.request.is_complete = True

    async def send_interim(self, status: int, fields: Sequence[Field]) -> None:
        """Send a 1xx response, unless the client speaks HTTP/1.0 (RFC 9110 section 15.2)."""
        if self.request.http_version == "HTTP/1.1":
            self._writer.write(_render_head(status, reason_of(status), fields))
            await self._writer.drain()

    async def send_head(self, reply: Reply, length: int | None) -> None:
        """Send the status line and the fields; they leave together with the first content."""
        self.head_sent = True
        status = reply.status
        given = {name.lower() for name, _ in reply.fields}
        fields = [*reply.fields, *(f for f in standard_fields() if f[0].lower() not in given)]
        self._sends_nothing = has_no_content(self.request.method, status)
        if status >= 200 and status != 204 and not given & {"content-length", "transfer-encoding"}:
            self._frame(fields, length)
        if reply.close or (self.expects_continue and not self.request.is_complete):
            self.keep_alive = False
        if not self.keep_alive:
            fields.append(("Connection", "close"))
        elif self.request.http_version == "HTTP/1.0":
            fields.append(("Connection", "keep-alive"))
        reason = reason_of(status) if reply.reason is None else reply.reason
        self._pending.append(_render_head(status, reason, fields))

    def _frame(self, fields: list[Field], length: int | None) -> None:
        """Say how the end of the content will be found (RFC 9112 section 6.3)."""
        if length is not None:
            fields.append(("Content-Length", str(length)))
        elif self.request.http_version == "HTTP/1.1":
            fields.append(("Transfer-Encoding", "chunked"))
            self._sends_chunks = True
        else:
            self.keep_alive = False

    async def write(self, data: bytes) -> None:
        """Send content."""
        if not data or self._sends_nothing:
            return
        if self._sends_chunks:
            self._pending += (b"%x\r\n" % len(data), data, b"\r\n")
        else:
            self._pending.append(data)
        await self._flush()

    async def finish(self, trailers: Sequence[Field] = ()) -> None:
        """End the content, with a last chunk and trailers if it is chunked."""
        if self._sends_chunks and not self._sends_nothing:
            lines = "".join(f"{name}: {value}\r\n" for name, value in trailers)
            self._pending.append(b"0\r\n" + lines.encode("latin-1") + b"\r\n")
        await self._flush()

    async def _flush(self) -> None:
        if self._pending:
            data = b"".join(self._pending)
            self._pending.clear()
            await self._send_slowly(data) if self.pace else self._writer.write(data)
        await self._writer.drain()

    async def _send_slowly(self, data: bytes) -> None:
        for index in range(len(data)):
            self._writer.write(data[index : index + 1])
            await self._writer.drain()
            await asyncio.sleep(self.pace)

    async def send_raw(self, data: bytes) -> None:
        """Put bytes on the connection."""
        self._pending.append(data)
        await self._flush()

    async def read_raw(self) -> bytes:
        """The next bytes, after what was written has left."""
        await self._flush()
        return await self._reader.read(_PIECE)

    async def stall(self, seconds: float) -> None:
        """Wait for the client to leave."""
        await self._flush()
        try:
            async with asyncio.timeout(seconds):
                while await self._reader.read(_PIECE):
                    pass
        except TimeoutError:
            pass
        self._connection.reset()

    async def drain(self) -> bool:
        """Read what is left of the request; False when it is too much or too broken to go on."""
        size = 0
        try:
            while not self.request.is_complete and size <= _DRAIN:
                size += len(await self.read())
        except BadRequestError:
            return False
        return self.request.is_complete

    def close(self) -> None:
        """Close the connection after what was written."""
        if self._pending:
            self._writer.write(b"".join(self._pending))
            self._pending.clear()
        self._connection.close()

    def reset(self) -> None:
        """Reset the connection."""
        self._connection.reset()

    def reset_stream(self, error_code: int) -> None:
        """Reset the connection: it is this request's stream."""
        self._connection.reset()

    async def send_goaway(self, *, served: bool) -> None:
        """Nothing: HTTP/1.1 announces a close with ``Connection: close``, and these faults do not."""


def _render_head(status: int, reason: str, fields: Sequence[Field]) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"HTTP/1.1 {status} {reason}\r\n{lines}\r\n".encode("latin-1")
