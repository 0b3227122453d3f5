"""The incoming side of one HTTP/1.1 client connection: bytes in, head, content and end out.

Strategy: `receive_data` looks at its state and hands the bytes to one of four methods: head, content of known
length, chunked content, content until close. What it finds is told by calling the methods at the end of the
class, which a connection overrides; where a whole response came in one piece, that is a single call. A broken
message becomes one call of `response_failed`, after which the reader eats nothing more and calls nothing
more; the same holds for `stop_reading`, which may be called from inside any of those calls. Outside an
exchange every byte is a surplus byte: it belongs to no request, and whoever owns the connection must not use
it again (RFC 9112 section 9.2 and the response queue poisoning attacks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperhttp.exceptions import LocalProtocolError, RemoteProtocolError
from hyperhttp.protocol.http1.framing import CHUNKED, UNTIL_CLOSE, ChunkedDecoder, framing_of, take_until
from hyperhttp.protocol.http1.head import parse_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperhttp.protocol.events import Field, ResponseHead

__all__ = ["MAX_HEAD", "MAX_INTERIM", "ResponseReader"]

#: Bytes of one response head, the empty line at its end not counted. Servers limit what they send to 8 to 64
#: KiB; OkHttp accepts 256 KiB, Go 10 MiB.
MAX_HEAD: Final = 65536
#: Interim (1xx) responses before the final one; an endless row of them would hold a client (CVE-2021-3737).
MAX_INTERIM: Final = 64

_IDLE, _HEAD, _LENGTH, _CHUNKED, _UNTIL_CLOSE, _TUNNEL, _BROKEN = range(7)


class ResponseReader:
    """Reads the responses of one connection, one exchange at a time.

    Attributes:
        reusable: after the end of a response: the connection may serve another request.
        began: at least one byte of the current response has arrived.
    """

    __slots__ = (
        "_chunks",
        "_connect",
        "_head_only",
        "_interim",
        "_left",
        "_partial",
        "_state",
        "_switch",
        "began",
        "reusable",
    )

    def __init__(self) -> None:
        self._state = _IDLE
        self._partial = bytearray()  # the beginning of a head
        self._left = 0  # bytes of content of known length still to come
        self._chunks: ChunkedDecoder | None = None
        self._head_only = False
        self._connect = False
        self._switch: str | None = None
        self._interim = 0
        self.reusable = True
        self.began = False

    def expect_response(self, method: str, switch: str | None = None) -> None:
        """A request is about to be sent; its response may come.

        Args:
            method: the request's method; HEAD and CONNECT change where the content ends.
            switch: the value of the request's Upgrade field, when it has one: 101 is refused otherwise.

        Raises:
            LocalProtocolError: the response before is not complete, or the connection came to its end.
        """
        if self._state != _IDLE:
            msg = "a request on a connection that still reads a response, or reads no more"
            raise LocalProtocolError(msg)
        self._state = _HEAD
        self._head_only = method == "HEAD"
        self._connect = method == "CONNECT"
        self._switch = switch
        self._interim = 0
        self.began = False

    @property
    def is_idle(self) -> bool:
        """No response is being awaited or read."""
        return self._state == _IDLE

    def receive_data(self, data: bytes) -> None:
        """Eat bytes from the peer, in pieces of any size."""
        if not data:
            return
        state = self._state
        try:
            if state == _HEAD:
                self._receive_head(data)
            elif state == _LENGTH:
                self._receive_length(data)
            elif state == _CHUNKED and self._chunks is not None:
                self._pass_chunked(self._chunks, self._chunks.receive_data(data))
            elif state in (_UNTIL_CLOSE, _TUNNEL):
                self.content_received(data)
            elif state == _IDLE:
                self.stop_reading()
                self.surplus_received()
        except RemoteProtocolError as error:
            self._fail(error)

    def receive_eof(self) -> None:
        """The peer will send nothing more."""
        state = self._state
        self.stop_reading()
        if state in (_UNTIL_CLOSE, _TUNNEL):
            self.content_ended(())
            return
        if state == _HEAD:
            where = "in the middle of the response head" if self.began else "without sending a response"
        elif state == _LENGTH:
            where = f"{self._left} bytes before the end of the content"
        elif state == _CHUNKED:
            where = "in the middle of chunked content"
        else:
            return
        error = RemoteProtocolError(f"the server closed the connection {where}")
        error.retryable = True  # it said nothing wrong, it only left
        self.response_failed(error)

    @property
    def left(self) -> int:
        """Bytes still to come of content whose length is known; 0 otherwise."""
        return self._left if self._state == _LENGTH else 0

    def skip_content(self, size: int) -> None:
        """`size` bytes of content were taken past the reader; fewer than are `left`."""
        self._left -= size

    def finish_content(self) -> None:
        """All bytes that were `left` were taken past the reader; nothing happens where it was stopped."""
        if self._state == _LENGTH:
            self._state = _IDLE
            self.content_ended(())

    def stop_reading(self) -> None:
        """Nothing that may still arrive is wanted: the exchange was given up."""
        self._state = _BROKEN
        self.reusable = False
        self._partial.clear()
        self._chunks = None

    def _fail(self, error: RemoteProtocolError) -> None:
        if self._state != _BROKEN:
            self.stop_reading()
            self.response_failed(error)

    # -- heads -------------------------------------------------------------------------------------------------------

    def _receive_head(self, data: bytes) -> None:
        self.began = True
        start = 0
        while True:
            end = -1 if self._partial else data.find(b"\r\n\r\n", start, start + MAX_HEAD + 4)
            if end >= 0:
                head = parse_head(data[start:end])
                end += 4
            else:
                block, end = take_until(b"\r\n\r\n", self._partial, data, start, MAX_HEAD)
                if block is None:
                    self._check_beginning()
                    self.head_continues()
                    return
                head = parse_head(block)
            if head.status_code >= 200:
                break
            if not self._go_on_after(head, data, end):
                return
            start = end
        rest = data[end:]
        if self._connect and head.status_code < 300:
            self._open_tunnel(head, rest)  # section 6.3 item 2: whatever the fields say about content
            return
        length = head.content_length
        if length is None or self._head_only or head.status_code in (204, 304):
            length = framing_of(head, head_only=self._head_only)
        if length == len(rest):
            # The whole response in one piece: by far the most frequent case.
            self._state = _IDLE
            self.reusable = head.keep_alive
            self.response_received(head, rest)
            return
        if 0 <= length < len(rest):
            # Bytes beyond it answer no request: they retire the connection.
            self._state = _IDLE
            self.reusable = False
            self.response_received(head, rest[:length])
            return
        self._start_content(head, length, rest)

    def _check_beginning(self) -> None:
        """Whoever speaks another protocol need not end a head: say so at its first bytes."""
        beginning = bytes(self._partial[:7])
        if not b"HTTP/1.".startswith(beginning):
            msg = f"not an HTTP/1.1 response: {bytes(self._partial[:20])!r}"
            raise RemoteProtocolError(msg)

    def _go_on_after(self, head: ResponseHead, data: bytes, end: int) -> bool:
        """Pass on a 1xx response, which ends at `end`, and say whether another head follows."""
        if head.status_code == 101:
            self._check_switch(head)
            self._open_tunnel(head, data[end:])
            return False
        self._interim += 1
        if self._interim > MAX_INTERIM:
            msg = f"more than {MAX_INTERIM} interim responses"
            raise RemoteProtocolError(msg)
        self.interim_received(head)
        return self._state == _HEAD

    def _check_switch(self, head: ResponseHead) -> None:
        """Refuse a switch to a protocol that was not asked for (RFC 9110 section 7.8)."""
        asked = _protocols((self._switch or "").encode("latin-1", "replace"))
        named = _protocols(b",".join(head.values(b"upgrade")))
        if not named or not named <= asked:
            msg = "101 Switching Protocols to a protocol that was not asked for"
            raise RemoteProtocolError(msg)

    def _open_tunnel(self, head: ResponseHead, rest: bytes) -> None:
        self._state = _TUNNEL
        self.reusable = False
        self.head_received(head)
        if rest and self._state == _TUNNEL:
            self.content_received(rest)

    # -- content -----------------------------------------------------------------------------------------------------

    def _start_content(self, head: ResponseHead, length: int, rest: bytes) -> None:
        self.reusable = head.keep_alive
        if length == CHUNKED:
            self._start_chunked(head, rest)
            return
        if length == UNTIL_CLOSE:
            self._state = _UNTIL_CLOSE
            self.reusable = False
        else:
            self._state = _LENGTH
            self._left = length - len(rest)
        self.head_received(head)
        if rest and self._state != _BROKEN:
            self.content_received(rest)

    def _receive_length(self, data: bytes) -> None:
        left = self._left - len(data)
        if left > 0:
            self._left = left
            self.content_received(data)
            return
        if left < 0:
            self.reusable = False
            data = data[:left]
        self.content_received(data)
        if self._state == _LENGTH:
            self._state = _IDLE
            self.content_ended(())

    def _start_chunked(self, head: ResponseHead, rest: bytes) -> None:
        chunks = ChunkedDecoder()
        content = chunks.receive_data(rest)
        if chunks.ended and not chunks.trailers:
            self._state = _IDLE
            self.reusable = head.keep_alive and not chunks.surplus
            self.response_received(head, content)
            return
        self._state = _CHUNKED
        self._chunks = chunks
        self.head_received(head)
        self._pass_chunked(chunks, content)

    def _pass_chunked(self, chunks: ChunkedDecoder, content: bytes) -> None:
        if content and self._state == _CHUNKED:
            self.content_received(content)
        if self._state != _CHUNKED:
            return
        if chunks.error is not None:
            raise chunks.error
        if chunks.ended:
            self._state = _IDLE
            self._chunks = None
            if chunks.surplus:
                self.reusable = False
            self.content_ended(chunks.trailers)

    # -- what a connection overrides ---------------------------------------------------------------------------------

    def response_received(self, head: ResponseHead, content: bytes) -> None:
        """A whole response arrived in one piece; the reader is idle again."""

    def head_continues(self) -> None:
        """A part of a head arrived, and not its end."""

    def head_received(self, head: ResponseHead) -> None:
        """The head of a final response (or of 101, or of an opened tunnel); content follows."""

    def interim_received(self, head: ResponseHead) -> None:
        """A 1xx response; another head follows."""

    def content_received(self, data: bytes) -> None:
        """The next bytes of the content."""

    def content_ended(self, trailers: Sequence[Field]) -> None:
        """The content is complete; the reader is idle again, or broken where the close ended it."""

    def response_failed(self, error: RemoteProtocolError) -> None:
        """The message is broken or incomplete; nothing more will be read."""

    def surplus_received(self) -> None:
        """Bytes came that belong to no exchange."""


def _protocols(value: bytes) -> set[bytes]:
    """The protocol names in an Upgrade field; their case does not count (RFC 9110 section 7.8)."""
    return {name.strip(b" \t").lower() for name in value.split(b",")} - {b""}
