"""Takes the brotli coding off a stream of bytes (RFC 7932), a bounded piece at a time.

Encoded bytes go in as they arrive, decoded bytes come out, never more than asked for. Whatever a few bytes
inflate to, at most one piece of 32 KiB is decoded in advance; the decompressor keeps the rest encoded.
"""

from __future__ import annotations

from typing import Final

import brotli  # type: ignore[import-untyped]  # it has no type information

from hyperhttp.plugins import DecodingError

__all__ = ["BrotliDecoder"]

_PIECE: Final = 32_752
"""What one call is asked for. The decompressor rounds up to whole buffers, the first of which is this big."""


class BrotliDecoder:
    """Decodes one response. It fits `hyperhttp.plugins.Decoder`."""

    __slots__ = ("_decompressor", "_input", "_more", "_output", "_taken")

    def __init__(self) -> None:
        self._decompressor = brotli.Decompressor()
        self._input = b""  # not yet accepted by the decompressor
        self._output = b""  # decoded in advance; the first _taken bytes of it were given
        self._taken = 0
        self._more = False  # the decompressor may have output without new input

    @property
    def pending(self) -> bool:
        """Whether more output may be had without new input."""
        return self._more or bool(self._output) or bool(self._input)

    def decode(self, data: bytes, max_length: int) -> bytes:
        """Feed `data` and give at most `max_length` decoded bytes.

        Raises:
            DecodingError: the bytes are not brotli, or something follows the end of the stream.
        """
        if data:
            self._input = self._input + data if self._input else data
        pieces = []
        size = 0
        while size < max_length and self.pending:
            piece = self._take_output(max_length - size) if self._output else self._step(max_length - size)
            pieces.append(piece)
            size += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def finish(self) -> None:
        """Check that the stream was complete.

        Raises:
            DecodingError: it was not.
        """
        if not self._decompressor.is_finished():
            raise DecodingError("the brotli content ends early: the connection or the server cut it short")

    def _step(self, max_length: int) -> bytes:
        """One call of the decompressor; what it gives beyond `max_length` is kept."""
        decompressor = self._decompressor
        data = b""
        if self._input and decompressor.can_accept_more_data():
            data, self._input = self._input, b""
            if decompressor.is_finished():
                raise DecodingError("the brotli content goes on after its end")
        try:
            output: bytes = decompressor.process(data, output_buffer_limit=_PIECE)
        except brotli.error as error:
            # Bytes after the end, in one piece with it, are not told apart from corrupt ones.
            raise DecodingError("the content is not valid brotli, or goes on after its end") from error
        self._more = not decompressor.is_finished() and (
            len(output) >= _PIECE or not decompressor.can_accept_more_data()
        )
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
