"""Where the content of a response ends (RFC 9112 sections 6 and 7).

`framing_of` decides by the numbered list of section 6.3; `ChunkedDecoder` takes the chunked transfer coding
apart; `take_until` puts a head, a chunk line or a trailer section together from the pieces it came in.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperhttp.exceptions import RemoteProtocolError
from hyperhttp.protocol.grammar import CHUNK_LINE, CONTROL_IN_LINE, WHOLE_CHUNK_LINE
from hyperhttp.protocol.http1.head import parse_fields

if TYPE_CHECKING:
    from hyperhttp.protocol.events import Field, ResponseHead

__all__ = [
    "CHUNKED",
    "MAX_CHUNK_LINE",
    "MAX_EXTENSIONS",
    "MAX_TRAILER",
    "UNTIL_CLOSE",
    "ChunkedDecoder",
    "framing_of",
    "take_until",
]

#: The content is chunked.
CHUNKED: Final = -1
#: The content ends when the connection closes.
UNTIL_CLOSE: Final = -2

#: Bytes of size and extension of one chunk; no use of extensions is known.
MAX_CHUNK_LINE: Final = 4096
#: Bytes of extensions in one message: they are read and thrown away, so a peer could send them for ever
#: (CVE-2023-39326).
MAX_EXTENSIONS: Final = 65536
#: Bytes of the trailer section, its last CRLF not counted.
MAX_TRAILER: Final = 16384

_LINE, _DATA, _DATA_END, _TRAILER = range(4)


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


def take_until(mark: bytes, partial: bytearray, data: bytes, position: int, limit: int) -> tuple[bytes | None, int]:
    """The bytes before `mark`, whatever pieces they come in.

    Each byte is looked at a fixed number of times, however small the pieces are.

    Args:
        mark: what ends the element: one CRLF, or two.
        partial: the beginning that came earlier; it grows here, and is empty when the element is complete.
        data: the piece that has just come.
        position: where the element, or the rest of it, begins in `data`.
        limit: the most bytes there may be before the mark.

    Returns:
        The element and the position behind its mark; None and the end of `data` while the mark is missing.

    Raises:
        RemoteProtocolError: the limit is exceeded, or what is there can no longer become valid.
    """
    window = position + limit + len(mark)
    if not partial:
        end = data.find(mark, position, window)
        if end >= 0:
            return data[position:end], end + len(mark)
    stored = len(partial)
    searched = max(0, stored - len(mark) + 1)
    partial += data[position:window]
    end = partial.find(mark, searched)
    if end > limit or (end < 0 and len(partial) - len(mark) >= limit):
        kind = "head or trailer section" if len(mark) > 2 else "chunk line"
        msg = f"a {kind} is longer than {limit} bytes"
        raise RemoteProtocolError(msg)
    if end < 0:
        # RFC 9112 section 2.2 lets a recipient take a lone LF for a line's end; two readings of one message
        # are what smuggling needs. Said now: for us the line would never end, and the caller would wait.
        if CONTROL_IN_LINE.search(partial, searched):
            msg = "a line holds a control character, or does not end in CRLF"
            raise RemoteProtocolError(msg)
        return None, len(data)
    element = bytes(partial[:end])
    partial.clear()
    return element, position + end + len(mark) - stored


class ChunkedDecoder:
    """The chunked transfer coding, fed in any pieces.

    Attributes:
        ended: the message is complete.
        surplus: what came after the end of the message.
        trailers: the trailer fields.
        error: the coding is broken or one of its limits is exceeded. It is told here, not raised, so
            that content before it is delivered: how the network cut the bytes must not decide what comes out.
    """

    __slots__ = ("_extensions", "_left", "_partial", "_step", "ended", "error", "surplus", "trailers")

    def __init__(self) -> None:
        self.ended = False
        self.surplus = b""
        self.trailers: list[Field] = []
        self.error: RemoteProtocolError | None = None
        self._step = _LINE
        self._left = 0  # bytes of the current chunk still to come
        self._partial = (
            bytearray()
        )  # the beginning of a chunk line, of the CRLF after a chunk, or of the trailer section
        self._extensions = 0

    def receive_data(self, data: bytes) -> bytes:
        """The content in `data`; all its chunks in one, so that tiny chunks do not make many calls."""
        if self.ended or self.error is not None:
            return b""
        pieces: list[bytes] = []
        try:
            position = self._decode(data, pieces)
        except RemoteProtocolError as error:
            self.error = error
            self._partial.clear()
        else:
            if position < len(data):
                self.surplus = data[position:]
        return b"".join(pieces)

    def _decode(self, data: bytes, pieces: list[bytes]) -> int:
        position = 0
        while position < len(data) and not self.ended:
            step = self._step
            if step == _DATA:
                position = self._take_data(data, position, pieces)
            elif step == _DATA_END:
                position = self._take_data_end(data, position)
            elif step == _TRAILER:
                position = self._take_trailer(data, position)
            elif self._partial:
                position = self._take_line(data, position)
            else:
                position = self._take_whole_chunks(data, position, pieces)
        return position

    def _take_whole_chunks(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        """Chunks that lie in `data` completely and have no extension: nearly all, and no calls for them.

        The first one that is not like that goes the long way; so does everything invalid.
        """
        line = WHOLE_CHUNK_LINE.match(data, position)
        while line is not None:
            start = line.end()
            end = start + int(line[1], 16)
            if end == start or not data.startswith(b"\r\n", end):
                break
            pieces.append(data[start:end])
            position = end + 2
            line = WHOLE_CHUNK_LINE.match(data, position)
        if data.startswith(b"0\r\n\r\n", position):
            self.ended = True
            return position + 5
        return self._take_line(data, position) if position < len(data) else position

    def _take_line(self, data: bytes, position: int) -> int:
        line, position = take_until(b"\r\n", self._partial, data, position, MAX_CHUNK_LINE)
        if line is not None:
            self._start_chunk(line)
        return position

    def _start_chunk(self, line: bytes) -> None:
        match = CHUNK_LINE.fullmatch(line)
        if match is None:
            msg = f"invalid chunk line {line[:20]!r}"
            raise RemoteProtocolError(msg)
        digits = match[1]
        self._extensions += len(line) - len(digits)
        if self._extensions > MAX_EXTENSIONS:
            msg = f"more than {MAX_EXTENSIONS} bytes of chunk extensions"
            raise RemoteProtocolError(msg)
        self._left = int(digits, 16)
        if self._left:
            self._step = _DATA
        else:
            self._step = _TRAILER
            self._partial += b"\r\n"  # with the end of this line, an empty trailer section ends like any other

    def _take_data(self, data: bytes, position: int, pieces: list[bytes]) -> int:
        piece = data[position : position + self._left]
        pieces.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._step = _DATA_END
        return position + len(piece)

    def _take_data_end(self, data: bytes, position: int) -> int:
        """CRLF and nothing else: CVE-2025-43859 was a client that skipped any two bytes."""
        partial = self._partial
        missing = 2 - len(partial)
        partial += data[position : position + missing]
        if not b"\r\n".startswith(partial):
            msg = "chunk data is not followed by CRLF"
            raise RemoteProtocolError(msg)
        if len(partial) == 2:
            partial.clear()
            self._step = _LINE
        return min(position + missing, len(data))

    def _take_trailer(self, data: bytes, position: int) -> int:
        block, position = take_until(b"\r\n\r\n", self._partial, data, position, MAX_TRAILER + 2)
        if block is not None:
            self.trailers = parse_fields(block.split(b"\r\n")[1:])
            self.ended = True
        return position
