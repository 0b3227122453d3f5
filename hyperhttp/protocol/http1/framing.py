"""Where the content of a response ends (RFC 9112 sections 6 and 7).

`framing_of` decides by the numbered list of section 6.3; `ChunkedDecoder` takes the chunked transfer coding apart.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperhttp.exceptions import RemoteProtocolError
from hyperhttp.protocol.grammar import CHUNK_LINE
from hyperhttp.protocol.http1.head import parse_fields

if TYPE_CHECKING:
    from hyperhttp.protocol.events import Field, ResponseHead

__all__ = ["CHUNKED", "UNTIL_CLOSE", "ChunkedDecoder", "framing_of"]

#: The content is chunked.
CHUNKED: Final = -1
#: The content ends when the connection closes.
UNTIL_CLOSE: Final = -2

_MAX_CHUNK_LINE: Final = 4096  # bytes of size and extension of one chunk; no use of extensions is known
_MAX_EXTENSIONS: Final = (
    65536  # bytes of extensions in one message: they are read, thrown away and never paid for
)
_MAX_TRAILER: Final = 16384  # bytes of the trailer section


def framing_of(head: ResponseHead, *, head_only: bool) -> int:
    """How the end of the content will be found (RFC 9112 section 6.3).

    Args:
        head: a final response's head; ambiguous framing was refused when it was parsed.
        head_only: the request's method was HEAD.

    Returns:
        The length in bytes, `CHUNKED` or `UNTIL_CLOSE`.
    """
    if head_only or head.status_code in (204, 304):  # item 1
        return 0
    if head.content_length is not None:  # item 6
        return head.content_length
    return CHUNKED if head.chunked else UNTIL_CLOSE  # items 4 and 8


class ChunkedDecoder:
    """The chunked transfer coding, fed in any pieces.

    `receive_data` returns the chunk data of a piece. When `ended` has become True, `surplus` holds what came after
    the end of the message and `trailers` the trailer fields.
    """

    __slots__ = ("_extensions", "_in_data", "_left", "_line", "_trailer", "ended", "surplus", "trailers")

    def __init__(self) -> None:
        self.ended = False
        self.surplus = b""
        self.trailers: list[Field] = []
        self._left = 0  # bytes of the current chunk still to come, its CRLF included
        self._in_data = False
        self._line = bytearray()  # an incomplete chunk line or trailer section
        self._trailer = False
        self._extensions = 0

    def receive_data(self, data: bytes) -> list[bytes]:
        """The pieces of content in `data`.

        Raises:
            RemoteProtocolError: the coding is broken or one of its limits is exceeded.
        """
        pieces: list[bytes] = []
        position = 0
        if self._line:
            position = self._complete_line(data)
        while position < len(data) and not self.ended:
            if self._in_data:
                position = self._take_chunk(data, position, pieces)
            elif self._trailer:
                position = self._take_trailer(data, position)
            else:
                position = self._take_line(data, position)
        if self.ended and position < len(data):
            self.surplus = data[position:]
        return pieces

    def _take_chunk(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        left = self._left
        available = len(data) - position
        content = min(left - 2, available)
        if content > 0:
            pieces.append(data[position : position + content])
            left -= content
            position += content
            available -= content
        # What follows the chunk data must be CRLF and nothing else: CVE-2025-43859 was a client that skipped two bytes.
        while left <= 2 and left and available:
            if data[position] != (13 if left == 2 else 10):
                msg = "chunk data is not followed by CRLF"
                raise RemoteProtocolError(msg)
            left -= 1
            position += 1
            available -= 1
        self._left = left
        self._in_data = left > 0
        return position

    def _take_line(self, data: bytes, position: int) -> int:
        end = data.find(b"\r\n", position)
        if end < 0:
            self._keep(data[position:], _MAX_CHUNK_LINE, "chunk line")
            return len(data)
        self._start_chunk(data[position:end])
        return end + 2

    def _start_chunk(self, line: bytes) -> None:
        match = CHUNK_LINE.fullmatch(line) if len(line) <= _MAX_CHUNK_LINE else None
        if match is None:
            msg = f"invalid chunk line {line[:64]!r}"
            raise RemoteProtocolError(msg)
        digits = match.group(1)
        self._extensions += len(line) - len(digits)
        if self._extensions > _MAX_EXTENSIONS:
            msg = f"more than {_MAX_EXTENSIONS} bytes of chunk extensions"
            raise RemoteProtocolError(msg)
        size = int(digits, 16)
        self._trailer = size == 0
        self._in_data = size > 0
        self._left = size + 2

    def _take_trailer(self, data: bytes, position: int) -> int:
        if data.startswith(b"\r\n", position):
            self.ended = True
            return position + 2
        end = data.find(b"\r\n\r\n", position)
        if end < 0 or end - position > _MAX_TRAILER:
            self._keep(data[position:], _MAX_TRAILER, "trailer section")
            return len(data)
        self.trailers = parse_fields(data[position:end].split(b"\r\n"))
        self.ended = True
        return end + 4

    def _complete_line(self, data: bytes) -> int:
        """Put the stored beginning of a line or trailer section together with its end; say how much of `data` it took."""
        line = self._line
        stored = len(line)
        mark = b"\r\n\r\n" if self._trailer else b"\r\n"
        limit = _MAX_TRAILER if self._trailer else _MAX_CHUNK_LINE
        line += data[: limit + 4]
        if self._trailer and line.startswith(b"\r\n"):
            end = 0
            mark = b"\r\n"
        else:
            end = line.find(mark, max(0, stored - 3))
        if end < 0:
            self._check_size(line, limit)
            return len(data)
        complete = bytes(line[: end + len(mark)])
        line.clear()
        if self._trailer:
            self._take_trailer(complete, 0)
        else:
            self._take_line(complete, 0)
        return len(complete) - stored

    def _keep(self, rest: bytes, limit: int, what: str) -> None:
        self._line += rest
        if len(self._line) > limit:
            msg = f"the {what} is longer than {limit} bytes"
            raise RemoteProtocolError(msg)
        self._refuse_bare_line_feed(self._line)

    def _check_size(self, line: bytearray, limit: int) -> None:
        if len(line) > limit:
            msg = f"the {'trailer section' if self._trailer else 'chunk line'} is longer than {limit} bytes"
            raise RemoteProtocolError(msg)
        self._refuse_bare_line_feed(line)

    @staticmethod
    def _refuse_bare_line_feed(line: bytearray) -> None:
        """A line that ends in LF alone would never end for us: say so now instead of waiting for the timeout."""
        at = line.find(b"\n")
        if at >= 0 and (at == 0 or line[at - 1] != 13):
            msg = "a line ends in LF without CR"
            raise RemoteProtocolError(msg)
