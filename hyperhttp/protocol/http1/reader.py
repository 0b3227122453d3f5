"""The incoming side of one HTTP/1.1 client connection: bytes in, head, content and end out.

Strategy: `receive_data` looks at its state and hands the bytes to one of four methods: head, content of known length,
chunked content, content until close. What it finds is told by calling the methods at the end of the class, which a
connection overrides; where a whole response came in one piece, that is a single call. A broken message becomes one call
of `response_failed`, after which the reader eats nothing more. Outside an exchange every byte is a surplus byte: it belongs to no request,
and whoever owns the connection must not use it again (RFC 9112 section 9.2 and the response queue poisoning attacks).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperhttp.exceptions import RemoteProtocolError
from hyperhttp.protocol.http1.framing import CHUNKED, UNTIL_CLOSE, ChunkedDecoder, framing_of
from hyperhttp.protocol.http1.head import parse_head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperhttp.protocol.events import Field, ResponseHead

__all__ = ["MAX_HEAD", "MAX_INTERIM", "ResponseReader"]

#: Bytes of one response head. Servers limit what they send to 8 to 64 KiB; OkHttp accepts 256 KiB, Go 10 MiB.
MAX_HEAD: Final = 65536
#: Interim (1xx) responses before the final one; an endless row of them holds a client for ever (CVE-2021-3737).
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
        self._partial = bytearray()
        self._left = 0
        self._chunks: ChunkedDecoder | None = None
        self._head_only = False
        self._switch: str | None = None
        self._interim = 0
        self.reusable = True
        self.began = False

    def expect_response(self, method: str, switch: str | None = None) -> None:
        """A request is about to be sent; its response may come.

        Args:
            method: the request's method; HEAD and CONNECT change where the content ends.
            switch: the protocol named in the request's Upgrade field, when it has one: 101 is refused otherwise.
        """
        self._state = _HEAD
        self._head_only = method == "HEAD"
        self._switch = "tunnel" if method == "CONNECT" else switch
        self._interim = 0
        self.began = False

    @property
    def is_idle(self) -> bool:
        """No response is being awaited or read."""
        return self._state == _IDLE

    def receive_data(self, data: bytes) -> None:
        """Eat bytes from the peer, in pieces of any size."""
        state = self._state
        try:
            if state == _HEAD:
                self._receive_head(data)
            elif state == _LENGTH:
                self._receive_length(data)
            elif state == _CHUNKED:
                self._receive_chunked(data)
            elif state == _UNTIL_CLOSE or state == _TUNNEL:  # noqa: PLR1714 - a set membership costs more here
                self.content_received(data)
            elif state == _IDLE:
                self._fail_idle()
        except RemoteProtocolError as error:
            self._fail(error)

    def receive_eof(self) -> None:
        """The peer will send nothing more."""
        state, self._state = self._state, _BROKEN
        self.reusable = False
        if state in (_UNTIL_CLOSE, _TUNNEL):
            self.content_ended(())
        elif state == _HEAD:
            what = (
                "in the middle of the response head"
                if self._partial or self.began
                else "without sending a response"
            )
            self.response_failed(RemoteProtocolError(f"the server closed the connection {what}"))
        elif state == _LENGTH:
            msg = f"the server closed the connection {self._left} bytes before the end of the content"
            self.response_failed(RemoteProtocolError(msg))
        elif state == _CHUNKED:
            self.response_failed(
                RemoteProtocolError("the server closed the connection in the middle of chunked content")
            )

    @property
    def left(self) -> int:
        """Bytes still to come of content whose length is known; 0 otherwise."""
        return self._left if self._state == _LENGTH else 0

    def skip_content(self, size: int) -> None:
        """`size` bytes of content were taken past the reader; fewer than are `left`."""
        self._left -= size

    def finish_content(self) -> None:
        """All bytes that were `left` were taken past the reader."""
        self._state = _IDLE
        self._left = 0
        self.content_ended(())

    def stop_reading(self) -> None:
        """Nothing that may still arrive is wanted: the exchange was given up."""
        self._state = _BROKEN
        self.reusable = False

    # -- the states ---------------------------------------------------------------------------------------------------

    def _receive_head(self, data: bytes) -> None:
        self.began = True
        if self._partial:
            data = self._complete_head(data)
            if not data:
                return
        end = data.find(b"\r\n\r\n")
        if end < 0:
            self._keep_partial(data)
            return
        if end > MAX_HEAD:
            msg = f"the response head is longer than {MAX_HEAD} bytes"
            raise RemoteProtocolError(msg)
        head = parse_head(data[:end])
        if head.status_code < 200 or self._switch is not None:
            self._receive_special(head, data[end + 4 :])
            return
        length = framing_of(head, head_only=self._head_only)
        end += 4
        if length == len(data) - end and length >= 0:
            # The whole response in one piece: by far the most frequent case.
            self._state = _IDLE
            self.reusable = head.keep_alive
            self.response_received(head, data[end:])
            return
        self._start_content(head, length, data[end:])

    def _start_content(self, head: ResponseHead, length: int, rest: bytes) -> None:
        self.reusable = head.keep_alive
        if 0 <= length <= len(rest):
            # Bytes beyond the content answer no request: they retire the connection.
            self.reusable = False
            self._state = _IDLE
            self.response_received(head, rest[:length])
            return
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
        if rest:
            self.content_received(rest)

    def _start_chunked(self, head: ResponseHead, rest: bytes) -> None:
        chunks = ChunkedDecoder()
        pieces = chunks.receive_data(rest)
        if chunks.ended and not chunks.trailers:
            self._state = _IDLE
            self.reusable = head.keep_alive and not chunks.surplus
            self.response_received(head, b"".join(pieces))
            return
        self._state = _CHUNKED
        self._chunks = chunks
        self.head_received(head)
        for piece in pieces:
            self.content_received(piece)
        if chunks.ended:
            self._end_chunked(chunks)

    def _receive_length(self, data: bytes) -> None:
        left = self._left - len(data)
        if left > 0:
            self._left = left
            self.content_received(data)
            return
        self._state = _IDLE
        if left < 0:
            self.reusable = False
            data = data[:left]
        self._left = 0
        self.content_received(data)
        self.content_ended(())

    def _receive_chunked(self, data: bytes) -> None:
        chunks = self._chunks
        if chunks is None:
            return
        for piece in chunks.receive_data(data):
            self.content_received(piece)
        if chunks.ended:
            self._end_chunked(chunks)

    def _end_chunked(self, chunks: ChunkedDecoder) -> None:
        self._chunks = None
        self._state = _IDLE
        if chunks.surplus:
            self.reusable = False
        self.content_ended(chunks.trailers)

    def _receive_special(self, head: ResponseHead, rest: bytes) -> None:
        """Interim responses, 101 and the answer to CONNECT."""
        status = head.status_code
        connected = self._switch == "tunnel" and 200 <= status < 300
        if connected or (status == 101 and self._switch not in (None, "tunnel")):
            self._state = _TUNNEL
            self.reusable = False
            self.head_received(head)
            if rest:
                self.content_received(rest)
        elif status == 101:
            msg = "101 Switching Protocols although no upgrade was asked for"
            raise RemoteProtocolError(msg)
        elif status < 200:
            self._interim += 1
            if self._interim > MAX_INTERIM:
                msg = f"more than {MAX_INTERIM} interim responses"
                raise RemoteProtocolError(msg)
            self.interim_received(head)
            if rest:
                self._receive_head(rest)
        else:
            self._switch = None
            self._receive_head_again(head, rest)

    def _receive_head_again(self, head: ResponseHead, rest: bytes) -> None:
        """A final response that declines the upgrade or the tunnel is an ordinary one."""
        length = framing_of(head, head_only=self._head_only)
        if length == len(rest) and length >= 0:
            self._state = _IDLE
            self.reusable = head.keep_alive
            self.response_received(head, rest)
        else:
            self._start_content(head, length, rest)

    # -- incomplete heads ---------------------------------------------------------------------------------------------

    def _complete_head(self, data: bytes) -> bytes:
        """The stored beginning with `data`, once the head is complete; empty before that."""
        partial = self._partial
        searched = max(0, len(partial) - 3)
        partial += data
        end = partial.find(b"\r\n\r\n", searched)
        if end < 0:
            self._check_partial(searched)
            return b""
        whole = bytes(partial)
        partial.clear()
        return whole

    def _keep_partial(self, data: bytes) -> None:
        self._partial += data
        self._check_partial(0)

    def _check_partial(self, searched: int) -> None:
        partial = self._partial
        if len(partial) > MAX_HEAD:
            msg = f"the response head is longer than {MAX_HEAD} bytes"
            raise RemoteProtocolError(msg)
        if partial[:5] != b"HTTP/"[: len(partial)]:
            msg = f"not an HTTP/1.1 response: {bytes(partial[:32])!r}"
            raise RemoteProtocolError(msg)
        at = partial.find(b"\n", searched)
        if at >= 0 and partial[at - 1] != 13:
            # RFC 9112 section 2.2 lets a recipient accept a lone LF; two readers of one head is what smuggling needs.
            msg = "a line of the response head ends in LF without CR"
            raise RemoteProtocolError(msg)

    # -- failures -----------------------------------------------------------------------------------------------------

    def _fail(self, error: RemoteProtocolError) -> None:
        self._state = _BROKEN
        self.reusable = False
        self._partial.clear()
        self.response_failed(error)

    def _fail_idle(self) -> None:
        self._state = _BROKEN
        self.reusable = False
        self.surplus_received()

    # -- what a connection overrides ------------------------------------------------------------------------------------

    def response_received(self, head: ResponseHead, content: bytes) -> None:
        """A whole response arrived in one piece; the reader is idle again."""

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
