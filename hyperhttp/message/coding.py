"""Content codings and the chain that takes them off (RFC 9110, Section 8.4).

In come the values of Content-Encoding and the encoded content as it arrives; out come pieces of decoded
content, each of a bounded size. However far a few bytes inflate, nothing is inflated before it is asked for,
and a limit on the ratio ends what only ever grows. gzip (RFC 1952) and deflate (RFC 1950, RFC 1951) are here;
other codings come from plugins, in the same shape.
"""

from __future__ import annotations

import re
import zlib
from typing import TYPE_CHECKING, Final, Protocol

from hyperhttp._records import Record
from hyperhttp.exceptions import DecodingError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

__all__ = [
    "DEFLATE",
    "GZIP",
    "CodingChain",
    "ContentCoding",
    "Decoder",
    "accept_encoding",
    "coding_table",
]

MAX_CODINGS: Final = 5
"""Codings in one Content-Encoding. Nobody needs two; each may multiply the size by a thousand."""

MAX_RATIO: Final = 250.0
"""Default limit of decoded to encoded size. Text reaches 20, logs of one repeated line 200; deflate 1032."""

RATIO_FLOOR: Final = 1024 * 1024
"""Bytes that may be decoded whatever the ratio: a megabyte of blanks harms nobody."""

PIECE_SIZE: Final = 128 * 1024
"""Most bytes of decoded content handed out, or held by one coding, at a time."""

# The inflater copies what it leaves unread, so it is fed in slices, or the work would grow with the square.
_SLICE: Final = 64 * 1024
_FIRST_SLICE: Final = 1024
_CHECKSUM_SIZE: Final = 4
_NOT_ZERO: Final = re.compile(rb"[^\0]").search


class Decoder(Protocol):
    """Takes one content coding off a stream of bytes."""

    @property
    def pending(self) -> bool:
        """Whether more output may be had without new input."""
        ...

    def decode(self, data: bytes, max_length: int) -> bytes:
        """Feed `data` and give the next decoded bytes; ``b""`` goes on with what was held back.

        Args:
            data: Encoded bytes. New ones are fed only when nothing is pending.
            max_length: Most bytes to give back, at least 1. No more than this may be decoded in advance.

        Raises:
            DecodingError: the bytes do not follow the coding.
        """
        ...

    def finish(self) -> None:
        """Say that the input has ended; called only when there was input and nothing is pending.

        Raises:
            DecodingError: the encoded stream is incomplete.
        """
        ...


class ContentCoding(Record):
    """A content coding by name.

    Attributes:
        name: The content-coding in lower case.
        decoder: Makes a `Decoder` for one response.
        aliases: Other names it goes by.
        accept: Whether Accept-Encoding offers it.
    """

    __slots__ = ("accept", "aliases", "decoder", "name")

    name: str
    decoder: Callable[[], Decoder]
    aliases: tuple[str, ...]
    accept: bool

    def __init__(
        self, name: str, decoder: Callable[[], Decoder], aliases: tuple[str, ...] = (), accept: bool = True
    ) -> None:
        self._fill(name, decoder, aliases, accept)


class _Inflating:
    """What gzip and deflate share: input held back, and an inflater fed in slices."""

    __slots__ = ("_data", "_full", "_inflater", "_position", "_slice")

    coding = ""

    def __init__(self) -> None:
        self._inflater: zlib._Decompress | None = None
        self._data = b""
        self._position = 0  # how much of _data was read
        self._full = False  # the last call gave all it was allowed to, so there may be more
        self._slice = 0  # most bytes to read at once; 0 is as many as are wanted back

    @property
    def pending(self) -> bool:
        """Whether more output may be had without new input."""
        return self._full or bool(self._data)

    def decode(self, data: bytes, max_length: int) -> bytes:
        """Feed `data` and give at most `max_length` decoded bytes.

        Raises:
            DecodingError: the bytes do not follow the coding, or a checksum is wrong.
        """
        if max_length < 1:
            raise ValueError("max_length must be at least 1")  # zlib takes 0 for "without limit"
        if data:
            self._data = self._data[self._position :] + data if self._data else data
            self._position = 0
        output = self._step(max_length)
        if len(output) == max_length or not (self._data or self._full):
            return output
        pieces = [output]
        room = max_length - len(output)
        while room > 0 and self.pending:
            output = self._step(room)
            pieces.append(output)
            room -= len(output)
        return b"".join(pieces)

    def _step(self, max_length: int) -> bytes:
        """What one slice of the input gives, at most `max_length` bytes."""
        inflater = self._inflater or self._begin()
        if inflater is None:
            return b""
        data = self._data
        start = self._position
        size = self._slice or max(_SLICE, max_length)
        chunk = memoryview(data)[start : start + size] if start or len(data) > size else data
        try:
            output = inflater.decompress(chunk, max_length)
        except zlib.error as error:
            raise DecodingError(f"the content is not valid {self.coding}: {error}") from error
        self._position = start + len(chunk)
        if inflater.eof:
            self._position -= len(inflater.unused_data)
            self._inflater = None
            self._full = False
            self._end()
        else:
            self._position -= len(inflater.unconsumed_tail)
            self._full = len(output) == max_length
            self._slice = min(2 * self._slice, _SLICE)
        if self._position == len(data):
            self._drop_input()
        return output

    def _begin(self) -> zlib._Decompress | None:
        """An inflater for what starts here; None when there is nothing, or too little to tell."""
        raise NotImplementedError

    def _end(self) -> None:
        """Called when the inflater has met the end of its stream."""
        raise NotImplementedError

    def _drop_input(self) -> None:
        self._data = b""
        self._position = 0


class GzipDecoder(_Inflating):
    """The gzip coding: any number of members, each checked by CRC-32 and length (RFC 1952, Section 2.2).

    Zero bytes after a member are padding; anything else there that is not a member is an error.
    """

    __slots__ = ("_members",)

    coding = "gzip"

    def __init__(self) -> None:
        super().__init__()
        self._members = 0  # complete ones

    def finish(self) -> None:
        """Check that the last member is complete.

        Raises:
            DecodingError: it is not.
        """
        if self._inflater is not None or not self._members:
            raise DecodingError("the gzip content ends early: it was cut short on its way")

    def _begin(self) -> zlib._Decompress | None:
        if self._members:
            next_byte = _NOT_ZERO(self._data, self._position)
            if next_byte is None:
                self._drop_input()
                return None
            self._position = next_byte.start()
            # The inflater copies what follows the end of a member, and members may be tiny: begin small.
            self._slice = _FIRST_SLICE
        self._inflater = zlib.decompressobj(zlib.MAX_WBITS | 16) if self._data else None
        return self._inflater

    def _end(self) -> None:
        self._members += 1


class DeflateDecoder(_Inflating):
    """The deflate coding: the zlib format, or bare deflate as some send it (RFC 9110, Section 8.4.1.2)."""

    __slots__ = ("_ended", "_prefix", "_trailer")

    coding = "deflate"

    def __init__(self) -> None:
        super().__init__()
        self._prefix = b""  # the first byte, when it came alone
        self._trailer = 0  # bytes that may still follow the end
        self._ended = False

    def finish(self) -> None:
        """Check that the stream is complete.

        Raises:
            DecodingError: it is not.
        """
        if not self._ended:
            raise DecodingError("the deflate content ends early: it was cut short on its way")

    def _begin(self) -> zlib._Decompress | None:
        if self._ended:
            self._trailer -= len(self._data) - self._position
            if self._trailer < 0:
                raise DecodingError("the content is not valid deflate: bytes follow its end")
            self._drop_input()
            return None
        data = self._prefix + self._data
        if len(data) < 2:
            self._prefix = data
            self._drop_input()
            return None
        self._data = data
        bare = not _is_zlib_header(data)
        # Some servers write bare deflate followed by the checksum of the zlib format (curl allows it too).
        self._trailer = _CHECKSUM_SIZE if bare else 0
        self._inflater = zlib.decompressobj(-zlib.MAX_WBITS if bare else zlib.MAX_WBITS)
        return self._inflater

    def _end(self) -> None:
        self._ended = True


GZIP: Final = ContentCoding("gzip", GzipDecoder, aliases=("x-gzip",))
"""The gzip coding; x-gzip is the same (RFC 9110, Section 8.4.1.3)."""

DEFLATE: Final = ContentCoding("deflate", DeflateDecoder)
"""The deflate coding, with and without the zlib format around it."""


class CodingChain:
    """Takes the codings of one response off, the last applied first.

    Args:
        codings: In the order they were applied, which is the order Content-Encoding lists them in.
        max_ratio: Most bytes any coding may decode to for each byte received; None for no limit.
        ratio_floor: Bytes any coding may decode to whatever the ratio.
        piece_size: Most bytes of one piece.
    """

    __slots__ = ("_codings", "_decoders", "_input", "_made", "_max_ratio", "_piece_size", "_ratio_floor", "_received")

    def __init__(
        self,
        codings: Sequence[ContentCoding],
        *,
        max_ratio: float | None = MAX_RATIO,
        ratio_floor: int = RATIO_FLOOR,
        piece_size: int = PIECE_SIZE,
    ) -> None:
        self._codings = codings
        self._decoders = [coding.decoder() for coding in reversed(codings)]
        self._made = [0] * len(codings)  # bytes out of each decoder
        self._input: bytes = b""
        self._received = 0
        self._max_ratio = max_ratio
        self._ratio_floor = ratio_floor
        self._piece_size = piece_size

    @classmethod
    def for_response(
        cls,
        encodings: Sequence[str],
        codings: Mapping[str, ContentCoding],
        *,
        max_ratio: float | None = MAX_RATIO,
        ratio_floor: int = RATIO_FLOOR,
        piece_size: int = PIECE_SIZE,
    ) -> CodingChain | None:
        """The chain for the values of Content-Encoding, or None when nothing is to be taken off.

        A coding nobody registered leaves the content as it came, all of it: half decoded serves nobody.

        Args:
            encodings: The field's values, one for each field line; each may be a list.
            codings: What is registered, by name.
            max_ratio: As for the class.
            ratio_floor: As for the class.
            piece_size: As for the class.

        Raises:
            DecodingError: more than `MAX_CODINGS` codings are listed.
        """
        coding = codings.get(encodings[0]) if len(encodings) == 1 else None
        if coding is not None:  # nearly every time
            return cls((coding,), max_ratio=max_ratio, ratio_floor=ratio_floor, piece_size=piece_size)
        names = [name for value in encodings for part in value.split(",") if (name := part.strip(" \t").lower())]
        if len(names) > MAX_CODINGS:
            message = f"Content-Encoding lists {len(names)} codings; at most {MAX_CODINGS} are decoded"
            raise DecodingError(message, limit=MAX_CODINGS)
        applied = [_find(codings, name) for name in names if name != "identity"]
        known = [coding for coding in applied if coding is not None]
        if not known or len(known) < len(applied):
            return None
        return cls(known, max_ratio=max_ratio, ratio_floor=ratio_floor, piece_size=piece_size)

    def again(self) -> CodingChain:
        """A chain like this one that nothing was fed to."""
        return CodingChain(
            self._codings, max_ratio=self._max_ratio, ratio_floor=self._ratio_floor, piece_size=self._piece_size
        )

    def decode(self, data: bytes) -> Iterator[bytes]:
        """Feed `data` and give what can be decoded now, piece by piece, each made when it is asked for.

        Pieces that were not taken come first in the next call.

        Raises:
            DecodingError: while iterating, when the content does not follow its coding or passes the ratio.
        """
        self._received += len(data)
        self._input = self._input + data if self._input else data
        return _Pieces(self)

    def finish(self) -> None:
        """Say that the content has ended. Content without a single byte is complete (RFC 9110, Section 8.6).

        Raises:
            DecodingError: the encoded content ends early, or pieces of it were left untaken.
        """
        if not self._received:
            return
        if self._input or any(decoder.pending for decoder in self._decoders):
            raise DecodingError("the content was not decoded to its end")
        for place, decoder in enumerate(self._decoders):
            if place == 0 or self._made[place - 1]:
                decoder.finish()

    def _pull(self, place: int, max_length: int) -> bytes:
        """The next output of a decoder, fed from the one before it; ``b""`` when more has to be received."""
        decoder = self._decoders[place]
        while True:
            if decoder.pending:
                output = decoder.decode(b"", max_length)
                if not output and decoder.pending:
                    raise DecodingError("the content decoder makes no progress")
            else:
                data = self._take_input() if place == 0 else self._pull(place - 1, self._piece_size)
                if not data:
                    return b""
                output = decoder.decode(data, max_length)
            if output:
                self._count(place, len(output))
                return output

    def _take_input(self) -> bytes:
        data = self._input
        self._input = b""
        return data

    def _count(self, place: int, size: int) -> None:
        # Every coding is counted: an inner one that turns gigabytes into nothing costs the time all the same.
        self._made[place] += size
        allowance = self._allowance()
        if allowance is not None and self._made[place] > allowance:
            message = (
                f"the content decodes to more than {self._max_ratio:g} times the {self._received} bytes "
                "received: it looks like a decompression bomb"
            )
            raise DecodingError(message, limit=self._max_ratio)

    def _allowance(self) -> int | None:
        """Bytes that may be decoded from what was received so far."""
        if self._max_ratio is None:
            return None
        return max(self._ratio_floor, int(self._max_ratio * self._received))


class _Pieces:
    """Iterator over what a chain can decode from the input it has."""

    __slots__ = ("_chain",)

    def __init__(self, chain: CodingChain) -> None:
        self._chain = chain

    def __iter__(self) -> _Pieces:
        return self

    def __next__(self) -> bytes:
        chain = self._chain
        piece = chain._pull(len(chain._decoders) - 1, chain._piece_size)
        if not piece:
            raise StopIteration
        return piece


def accept_encoding(codings: Mapping[str, ContentCoding]) -> str:
    """The value of Accept-Encoding: every coding that wants to be offered, in the order of registration."""
    names = dict.fromkeys(coding.name for coding in codings.values() if coding.accept)
    return ", ".join(names) or "identity"


def coding_table(codings: Iterable[ContentCoding]) -> dict[str, ContentCoding]:
    """Codings by name and alias, in lower case; a later one replaces an earlier one of the same name."""
    table: dict[str, ContentCoding] = {}
    for coding in codings:
        for name in (coding.name, *coding.aliases):
            table[name.lower()] = coding
    return table


def _find(codings: Mapping[str, ContentCoding], name: str) -> ContentCoding | None:
    coding = codings.get(name)
    if coding is not None:
        return coding
    return next((each for each in codings.values() if name in each.aliases), None)


def _is_zlib_header(data: bytes) -> bool:
    """Whether the first two bytes are CMF and FLG of RFC 1950, Section 2.2.

    Bare deflate that begins like this would be a stored block whose padding is not zero, which nobody writes.
    """
    return data[0] & 0x0F == 8 and data[0] >> 4 <= 7 and (data[0] << 8 | data[1]) % 31 == 0
