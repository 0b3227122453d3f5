"""Takes the zstd coding off a stream of bytes (RFC 8878, RFC 9659), a bounded piece at a time.

Encoded bytes go in as they arrive, decoded bytes come out, never more than asked for. The decompressor of
``zstandard`` has no limit on what one call gives, so this module reads the frames' structure (RFC 8878 3.1)
and feeds it one block at a time: a block decodes to 128 KiB at most, and that is all that is ever decoded in
advance, whatever a few bytes inflate to. Knowing the structure also tells a complete frame from one that was
cut short, and steps over skippable frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import zstandard

from hyperhttp.plugins import DecodingError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["MAX_WINDOW", "ZstdDecoder"]

MAX_WINDOW: Final = 8 * 1024 * 1024
"""Bytes of history a frame may ask for: what RFC 9659 allows the coding on the web."""

_MAGIC_NUMBER: Final = 0xFD2FB528
_SKIPPABLE_MAGIC: Final = 0x184D2A50  # and the fifteen after it
_MAGIC_SIZE: Final = 4
_BLOCK_HEADER_SIZE: Final = 3
_CHECKSUM_SIZE: Final = 4
_DICTIONARY_ID_SIZES: Final = (0, 1, 2, 4)
_CONTENT_SIZE_SIZES: Final = (0, 2, 4, 8)
_RLE_BLOCK: Final = 1


class ZstdDecoder:
    """Decodes one response: any number of frames. It fits `hyperhttp.plugins.Decoder`.

    Between headers, `_body` bytes are passed on as they come. A header is collected in `_head` until it is
    `_wanted` bytes long; then `_read` handles it and says what follows.
    """

    __slots__ = (
        "_body",
        "_checksum",
        "_decompressor",
        "_frame",
        "_head",
        "_input",
        "_output",
        "_position",
        "_read",
        "_taken",
        "_wanted",
    )

    def __init__(self) -> None:
        self._decompressor = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
        self._frame: zstandard.ZstdDecompressionObj | None = None  # None before a frame and in skippable ones
        self._checksum = False
        self._input = b""  # the first _position bytes of it were read
        self._position = 0
        self._output = b""  # decoded in advance; the first _taken bytes of it were given
        self._taken = 0
        self._body = 0
        self._head = b""
        self._wanted = _MAGIC_SIZE
        self._read: Callable[[ZstdDecoder, bytes], bytes] = ZstdDecoder._read_magic

    @property
    def pending(self) -> bool:
        """Whether more output may be had without new input."""
        return bool(self._output) or bool(self._input)

    def decode(self, data: bytes, max_length: int) -> bytes:
        """Feed `data` and give at most `max_length` decoded bytes.

        Raises:
            DecodingError: the bytes are not zstd, a checksum is wrong, or a frame needs more memory or
                another dictionary than the coding allows.
        """
        if data:
            self._input = self._input[self._position :] + data if self._input else data
            self._position = 0
        pieces = []
        size = 0
        while size < max_length and self.pending:
            piece = self._take_output(max_length - size) if self._output else self._step(max_length - size)
            if piece:
                pieces.append(piece)
                size += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def finish(self) -> None:
        """Check that the last frame was complete.

        Raises:
            DecodingError: it was not.
        """
        if self._body or self._head or self._read is not ZstdDecoder._read_magic:
            raise DecodingError("the zstd content ends early: the connection or the server cut it short")

    def _step(self, max_length: int) -> bytes:
        """Read on to the end of a header or a block; what that gives beyond `max_length` is kept."""
        start = self._position
        wanted = self._body or self._wanted - len(self._head)
        chunk = memoryview(self._input)[start : start + wanted]
        self._position = start + len(chunk)
        if self._position == len(self._input):
            self._input = b""
            self._position = 0
        if self._body:
            self._body -= len(chunk)
            output = self._inflate(chunk)
        else:
            output = self._collect(chunk)
        if len(output) <= max_length:
            return output
        self._output = output
        return self._take_output(max_length)

    def _take_output(self, max_length: int) -> bytes:
        start = self._taken
        piece = self._output[start : start + max_length]
        self._taken = start + len(piece)
        if self._taken == len(self._output):
            self._output = b""
            self._taken = 0
        return piece

    def _collect(self, chunk: memoryview) -> bytes:
        """Add to the header; when it is complete, handle it."""
        head = self._head + chunk
        if len(head) < self._wanted:
            self._head = head
            return b""
        self._head = b""
        return self._read(self, head)

    def _expect(self, read: Callable[[ZstdDecoder, bytes], bytes], wanted: int) -> None:
        self._read = read
        self._wanted = wanted

    def _inflate(self, data: bytes | memoryview) -> bytes:
        """Feed the frame's decompressor; skippable frames have none."""
        if self._frame is None:
            return b""
        try:
            return self._frame.decompress(data)
        except zstandard.ZstdError as error:
            reason = str(error).removeprefix("zstd decompressor error: ")
            raise DecodingError(f"the content is not valid zstd: {reason}") from error

    def _read_magic(self, head: bytes) -> bytes:
        magic = int.from_bytes(head, "little")
        if magic == _MAGIC_NUMBER:
            self._frame = self._decompressor.decompressobj()
            self._expect(ZstdDecoder._read_descriptor, 1)
            return self._inflate(head)
        if magic & ~0xF == _SKIPPABLE_MAGIC:
            self._frame = None
            self._expect(ZstdDecoder._read_skippable_size, 4)
            return b""
        raise DecodingError("the content is not valid zstd: no frame begins where one must")

    def _read_descriptor(self, head: bytes) -> bytes:
        """The Frame_Header_Descriptor (RFC 8878 3.1.1.1.1), which tells how long the header is."""
        descriptor = head[0]
        single_segment = bool(descriptor & 0x20)
        self._checksum = bool(descriptor & 0x04)
        size = 0 if single_segment else 1  # Window_Descriptor
        size += _DICTIONARY_ID_SIZES[descriptor & 0x03]
        size += _CONTENT_SIZE_SIZES[descriptor >> 6] or single_segment
        self._expect(ZstdDecoder._read_frame_header, size)
        return self._inflate(head)

    def _read_frame_header(self, head: bytes) -> bytes:
        self._expect(ZstdDecoder._read_block_header, _BLOCK_HEADER_SIZE)
        return self._inflate(head)

    def _read_block_header(self, head: bytes) -> bytes:
        """Last_Block, Block_Type and Block_Size (RFC 8878 3.1.1.2); the decompressor checks their values."""
        value = int.from_bytes(head, "little")
        is_last = value & 1
        block_type = value >> 1 & 3
        self._body = 1 if block_type == _RLE_BLOCK else value >> 3
        if is_last and self._checksum:
            self._expect(ZstdDecoder._read_checksum, _CHECKSUM_SIZE)
        elif is_last:
            self._expect(ZstdDecoder._read_magic, _MAGIC_SIZE)
        return self._inflate(head)

    def _read_checksum(self, head: bytes) -> bytes:
        self._expect(ZstdDecoder._read_magic, _MAGIC_SIZE)
        return self._inflate(head)

    def _read_skippable_size(self, head: bytes) -> bytes:
        self._body = int.from_bytes(head, "little")
        self._expect(ZstdDecoder._read_magic, _MAGIC_SIZE)
        return b""
