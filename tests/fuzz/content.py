"""Content: forms as multipart, event streams, content codings, text in lines."""

from __future__ import annotations

import gzip
import zlib
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from hyperhttp import DecodingError, LocalProtocolError, MultipartEncoder, MultipartFile
from hyperhttp.message.coding import DEFLATE, GZIP, CodingChain, ContentCoding
from hyperhttp.message.decoding import decode_all
from hyperhttp.message.sse import EventDecoder, ServerSentEvent
from hyperhttp.message.text import LineSplitter, TextDecoder
from tests.fuzz.supply import Supply, cut

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["coding", "lines", "multipart", "sse"]


# -- forms -------------------------------------------------------------------------------------------------------------


def multipart(data: bytes) -> None:
    """Parts of name, file name, type and content, separated by ``|``: each part keeps to its place."""
    supply = Supply(data)
    boundary = "fuzz-boundary"
    parts: list[tuple[str, Any]] = []
    names: list[tuple[str, str]] = []
    while supply and len(parts) < 20:
        kind = supply.byte() % 4
        name, filename, content_type, content = supply.text(), supply.text(), supply.text(), supply.line()
        if kind == 0:
            parts.append((name, content.decode("latin-1")))
            names.append((name, ""))
            continue
        headers = [("X-Part", content_type)] if kind == 3 else None
        part = MultipartFile(
            content, filename=filename, content_type=content_type if kind == 2 else None, headers=headers
        )
        parts.append((name, part))
        names.append((name, filename))
    try:
        encoder = MultipartEncoder(parts, boundary=boundary)
    except LocalProtocolError:
        return
    except UnicodeEncodeError as error:
        assert 0xD800 <= ord(error.object[error.start]) <= 0xDFFF  # a lone surrogate that stands for no byte  # noqa: PT017
        return
    whole = encoder.data
    assert whole is not None
    assert len(whole) == encoder.content_length
    assert b"".join(encoder) == whole
    if b"fuzz-boundary" not in data:
        _check_parts(whole, names)


def _check_parts(whole: bytes, names: list[tuple[str, str]]) -> None:
    pieces = whole.split(b"--fuzz-boundary")
    assert pieces[0] == b""
    assert pieces[-1] == b"--\r\n"
    assert len(pieces) == len(names) + 2
    for piece, (name, filename) in zip(pieces[1:-1], names, strict=True):
        head, blank, _ = piece.partition(b"\r\n\r\n")
        assert blank
        lines = head.removeprefix(b"\r\n").split(b"\r\n")
        assert not any(set(line) & set(b"\r\n\0") for line in lines)
        expected = b'form-data; name="%b"' % _escaped(name)
        if filename:
            expected += b'; filename="%b"' % _escaped(filename)
        assert lines[0] == b"Content-Disposition: " + expected
        assert lines[0].count(b'"') == (4 if filename else 2)
        assert all(line.startswith((b"Content-Type: ", b"X-Part: ")) for line in lines[1:])


def _escaped(text: str) -> bytes:
    data = text.encode("utf-8", "surrogateescape")
    return b"".join(b"%%%02X" % byte if byte < 32 or byte in (34, 127) else bytes([byte]) for byte in data)


# -- event streams -----------------------------------------------------------------------------------------------------


def sse(data: bytes) -> None:
    """A limit, a way to cut, and a stream: the events of the standard's grammar, however it is cut."""
    supply = Supply(data)
    limit = supply.choice([None, None, 1000, 60, 16])
    seed = supply.byte()
    stream = supply.rest()
    found = [_events(pieces, limit) for pieces in (cut(stream, 0), cut(stream, 1), cut(stream, seed))]
    assert found[0] == found[1], "cut into bytes, there are other events"
    assert found[0] == found[2], "cut into pieces, there are other events"
    if limit is None:
        assert found[0] == [*_plain_events(stream)]


def _events(pieces: list[bytes], limit: int | None) -> list[Any]:
    decoder = EventDecoder(limit=limit)
    events: list[Any] = []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
            is_small = limit is None or sum(map(len, decoder._data)) + len(decoder._line) <= limit
            assert is_small or decoder.error is not None
        decoder.feed(b"")
    except DecodingError as error:
        assert limit is not None
        events.append(str(error))
    return events


def _plain_events(stream: bytes) -> list[ServerSentEvent]:
    """The HTML standard's algorithm, word by word."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events = []
    data: list[str] = []
    kind = last_id = ""
    retry: int | None = None
    for raw in text.split(b"\n")[:-1]:
        line = raw.decode("utf-8", "replace")
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if not line:
            if data:
                events.append(ServerSentEvent("\n".join(data), kind or "message", last_id, retry))
            data, kind, retry = [], "", None
        elif name == "data":
            data.append(value)
        elif name == "event":
            kind = value
        elif name == "id" and "\0" not in value:
            last_id = value
        elif name == "retry" and value.isascii() and value.isdigit() and len(value) <= 18:
            retry = int(value)
    return events


# -- text --------------------------------------------------------------------------------------------------------------

_ENCODINGS = [
    "utf-8",
    "utf-16-le",
    "latin-1",
    "shift_jis",
    "gb18030",
    "iso2022_jp",
    "utf-32-be",
    "iso2022_kr",
    "hz",
    "euc_jis_2004",
]


def lines(data: bytes) -> None:
    """An encoding, a way to cut, and text: the same lines, however it is cut."""
    supply = Supply(data)
    encoding, seed = supply.choice(_ENCODINGS), supply.byte()
    content = supply.rest()
    found = [_lines(pieces, encoding) for pieces in (cut(content, 0), cut(content, 1), cut(content, seed))]
    assert found[0] == found[1] == found[2]


def _lines(pieces: list[bytes], encoding: str) -> list[str]:
    decoder, splitter = TextDecoder(encoding), LineSplitter()
    found = [line for piece in pieces for line in splitter.split(decoder.decode(piece))]
    return [*found, *splitter.split(decoder.finish()), *splitter.finish()]


# -- codings -----------------------------------------------------------------------------------------------------------

_MOST = 1 << 19
_PIECE = 256  # so that small content comes in pieces, too


def _bare_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


def _codings() -> list[tuple[list[ContentCoding], Callable[[bytes], bytes]]]:
    """Chains to take off, and what puts them on."""
    found: list[tuple[list[ContentCoding], Callable[[bytes], bytes]]] = [
        ([GZIP], lambda data: gzip.compress(data, mtime=0)),
        ([DEFLATE], zlib.compress),
        ([DEFLATE], _bare_deflate),
        ([DEFLATE, GZIP], lambda data: gzip.compress(zlib.compress(data), mtime=0)),
    ]
    if find_spec("hyperhttp_brotli") and find_spec("brotli"):
        import brotli

        from hyperhttp_brotli.coding import BrotliDecoder

        found.append(([ContentCoding("br", BrotliDecoder)], brotli.compress))
    if find_spec("hyperhttp_zstd") and find_spec("zstandard"):
        import zstandard

        from hyperhttp_zstd.coding import ZstdDecoder

        found.append(([ContentCoding("zstd", ZstdDecoder)], zstandard.ZstdCompressor(write_checksum=True).compress))
    return found


_CODINGS = _codings()


def coding(data: bytes) -> None:
    """A coding, whether to encode first and what to damage, a way to cut, and content: one result, in bounds."""
    supply = Supply(data)
    kind, damage, seed = supply.byte(), supply.byte(), supply.byte()
    codings, encode = _CODINGS[kind % len(_CODINGS)]
    content = supply.rest()
    encoded = encode(content) if kind & 0x80 else content
    if damage & 0x80:
        at = (damage & 0x7F) % (len(encoded) + 1)
        encoded = encoded[:at] + bytes([damage]) + encoded[at + 1 :]
    found = [_decoded(codings, pieces) for pieces in (cut(encoded, 0), cut(encoded, 1), cut(encoded, seed))]
    if None in found:
        return  # a bomb, which may be seen sooner or later
    assert found[0] == found[1] == found[2], "cut into pieces, it is other content"
    if kind & 0x80 and not damage & 0x80:
        assert found[0] == (content, True), "what was encoded is not decoded"
        cut_short = _decoded(codings, [encoded[:-1]])
        assert cut_short is None or not cut_short[1] or not encoded[:-1], "what was cut short passes as whole"
    _check_at_once(codings, encoded, found[0])


def _check_at_once(codings: list[ContentCoding], encoded: bytes, found: tuple[bytes, bool] | None) -> None:
    assert found is not None
    try:
        whole = decode_all(CodingChain(codings, piece_size=_PIECE), encoded, max_size=_MOST)
    except DecodingError as error:
        assert error.limit is not None or not found[1]  # noqa: PT017
    else:
        assert (whole, True) == found


def _decoded(codings: list[ContentCoding], pieces: list[bytes]) -> tuple[bytes, bool] | None:
    """The content as far as it can be decoded and whether that is all; None where it is too much."""
    chain = CodingChain(codings, piece_size=_PIECE)
    content = bytearray()
    try:
        for piece in pieces:
            for output in chain.decode(piece):
                assert 0 < len(output) <= _PIECE
                content += output
                if len(content) > _MOST:
                    return None
        chain.finish()
    except DecodingError as error:
        return None if error.limit is not None else (b"", False)
    return bytes(content), True
