"""Forms as multipart/form-data (RFC 7578), streamed.

Names and file names are written as the HTML standard has it ("multipart/form-data encoding algorithm"), which
browsers follow and servers understand: UTF-8, with quotes and line breaks percent-encoded. The notation of
RFC 5987 (``filename*=``) is forbidden by RFC 7578, Section 4.2. Boundaries cannot be guessed, header blocks
are rendered once, and files are read while they are sent.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.exceptions import LocalProtocolError
from hyperhttp.message.forms import form_pairs, form_value
from hyperhttp.message.headers import Headers, HeaderTypes
from hyperhttp.message.sources import CHUNK_SIZE, Call, Chunks, Source, source_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

__all__ = ["MultipartEncoder", "MultipartFile"]

# Parts in memory up to this size share a chunk with the headers around them; larger ones are not copied.
_COPY_LIMIT: Final = 64 * 1024
_JOIN_LIMIT: Final = 1024 * 1024

# RFC 2046, Section 5.1.1.
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]").fullmatch
_NEEDS_QUOTES: Final = re.compile(r"[^0-9A-Za-z'+_\-.]").search
_ESCAPES: Final = {code: f"%{code:02X}" for code in (*range(0x20), ord('"'), 0x7F)}


class MultipartFile:
    """One part of a form, with everything about it said.

    Args:
        content: Anything `source_of` takes.
        path: The path of a file instead; it is opened while the form is sent.
        file: An open binary file instead.
        filename: Name told to the server; by default that of the path or file, none for content in memory.
        content_type: By default guessed from the file name, else application/octet-stream.
        size: Length in bytes where it cannot be known otherwise, as of an iterable. It is held to.
        headers: Further header fields of the part.

    Raises:
        TypeError: not exactly one of content, path and file was given.
    """

    __slots__ = ("content", "content_type", "filename", "headers", "size")

    def __init__(
        self,
        content: Any = None,
        *,
        path: str | os.PathLike[str] | None = None,
        file: Any = None,
        filename: str | None = None,
        content_type: str | None = None,
        size: int | None = None,
        headers: HeaderTypes | None = None,
    ) -> None:
        given = [each for each in (content, path, file) if each is not None]
        if len(given) != 1:
            raise TypeError("MultipartFile takes exactly one of content, path and file")
        self.content: Any = given[0] if path is None else Path(path)
        self.filename = filename
        self.content_type = content_type
        self.size = size
        self.headers = headers


class MultipartEncoder(Source):
    """The content of a form as multipart/form-data.

    ``MultipartEncoder([("user", "alice"), ("file", MultipartFile(path="big.bin"))])`` takes pairs of name and
    part; ``MultipartEncoder(fields={...}, files={...})`` takes fields and files apart, as a request's
    ``data=`` and ``files=`` do. A part is

    - a value of a form field: str, a number or bool; in `files`, a str alone is the path of a file;
    - bytes, bytearray or memoryview: a part without file name;
    - a path object or an open binary file, named after itself;
    - ``(filename, content)``, ``(filename, content, content_type)`` or ``(..., headers)``, where content is
      anything `source_of` takes, str being text, and filename may be None;
    - an iterable or asynchronous iterable of bytes, or a `MultipartFile`;
    - a list of any of these: several parts of the same name.

    Args:
        parts: Pairs of name and part, or a mapping.
        fields: Pairs or a mapping of form fields.
        files: Pairs or a mapping of files.
        boundary: A delimiter that occurs in no part; by default one that cannot be guessed.
        chunk_size: Bytes read from a file at a time.

    Attributes:
        boundary: The delimiter.
        content_type: The value of Content-Type.

    Raises:
        LocalProtocolError: a content type or header of a part, or the boundary, may not be sent.
        OSError: there is no file at a path.
        TypeError: something is neither of the above.
        ValueError: the chunk size is not positive.
    """

    __slots__ = ("_chunk_size", "_offset", "_place", "_segments", "boundary", "content_type")

    def __init__(
        self,
        parts: Any = None,
        *,
        fields: Any = None,
        files: Any = None,
        boundary: str | None = None,
        chunk_size: int = CHUNK_SIZE,
    ) -> None:
        if boundary is None:
            boundary = os.urandom(16).hex()
        elif _BOUNDARY(boundary) is None:
            raise LocalProtocolError(f"invalid multipart boundary {boundary[:80]!r} (RFC 2046, Section 5.1.1)")
        self.boundary = boundary
        quoted = f'"{boundary}"' if _NEEDS_QUOTES(boundary) else boundary
        self.content_type = f"multipart/form-data; boundary={quoted}"
        if chunk_size < 1:
            raise ValueError(f"chunk_size must be at least 1, not {chunk_size}")
        self._chunk_size = chunk_size
        self._place = self._offset = 0
        rendered = [_part(name, part, chunk_size) for name, part in form_pairs(parts, repeating=list)]
        rendered += [_field_part(name, value) for name, value in form_pairs(fields)]
        rendered += [_file_part(name, part, chunk_size) for name, part in form_pairs(files, repeating=list)]
        self._segments = _segments(rendered, boundary.encode())
        sources = [segment for segment in self._segments if isinstance(segment, Source)]
        lengths = [len(each) if isinstance(each, bytes) else each.length for each in self._segments]
        super().__init__(
            None if None in lengths else sum(length for length in lengths if length is not None),
            replayable=all(source.replayable for source in sources),
            needs_async=any(source.needs_async for source in sources),
        )

    @property
    def content_length(self) -> int | None:
        """Length of the whole form in bytes, or None when a part of unknown length is in it."""
        return self.length

    @property
    def data(self) -> bytes | None:
        """The whole form, when all of it is in memory and not large; else None."""
        parts = [segment for segment in self._segments if isinstance(segment, bytes)]
        if len(parts) < len(self._segments) or (self.length or 0) > _JOIN_LIMIT:
            return None
        return b"".join(parts)

    def iter_bytes(self) -> Chunks:
        """The form from its beginning, as an iterator and asynchronous iterator that reads where it is used.

        Raises:
            StreamConsumed: a part was sent already and serves once.
        """
        self.rewind()
        return Chunks(self)

    def __iter__(self) -> Iterator[bytes]:
        return self.iter_bytes()

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self.iter_bytes()

    async def _read(self, call: Call) -> bytes:
        while self._place < len(self._segments):
            segment = self._segments[self._place]
            if isinstance(segment, Source):
                chunk = await segment.next_chunk(call)
            else:
                chunk = segment[self._offset : self._offset + self._chunk_size]
                self._offset += len(chunk)
            if chunk:
                return chunk
            self._place += 1
            self._offset = 0
        return b""

    def _reset(self) -> None:
        for segment in self._segments:
            if isinstance(segment, Source):
                segment.rewind()
        self._place = self._offset = 0

    def _release(self) -> None:
        for segment in self._segments:
            if isinstance(segment, Source):
                segment.close()


def _part(name: str, part: Any, chunk_size: int) -> tuple[bytes, bytes | Source]:
    """Header and content of a part; a str is text."""
    is_field = isinstance(part, str | int | float)
    return _field_part(name, part) if is_field else _file_part(name, part, chunk_size)


def _field_part(name: str, value: Any) -> tuple[bytes, bytes | Source]:
    """Header and content of a form field: text, or bytes that are text."""
    return _head(name, "", None, None), source_of(form_value(value))


def _file_part(name: str, part: Any, chunk_size: int) -> tuple[bytes, bytes | Source]:
    """Header and content of a part; a str is a path."""
    if isinstance(part, str):
        part = MultipartFile(path=part)
    elif isinstance(part, tuple):
        if not 2 <= len(part) <= 4:
            raise TypeError("a part must be (filename, content), with content_type and headers behind if need be")
        filename, content, content_type, headers = (*part, None, None)[:4]
        part = MultipartFile(content, filename=filename or "", content_type=content_type, headers=headers)
    elif not isinstance(part, MultipartFile):
        part = MultipartFile(part)
    content = source_of(part.content, chunk_size)
    if part.size is not None:
        if isinstance(content, Source):
            content.length = part.size
        elif len(content) != part.size:
            raise LocalProtocolError(f"part {name!r} was said to have {part.size} bytes, but has {len(content)}")
    filename = _filename_of(part.content, name) if part.filename is None else part.filename
    content_type = part.content_type
    if content_type is None and (filename or not isinstance(part.content, str)):
        content_type = _guess_type(filename)
    return _head(name, filename, content_type, part.headers), content


def _filename_of(content: Any, name: str) -> str:
    if isinstance(content, str | bytes | bytearray | memoryview):
        return ""
    given = content if isinstance(content, os.PathLike) else getattr(content, "name", None)
    if isinstance(given, str | os.PathLike) and (filename := Path(os.fsdecode(given)).name):
        return filename
    return name  # servers take a part without a file name for a field, and keep it in memory


def _guess_type(filename: str) -> str:
    import mimetypes  # reads the system's tables when it is first used

    content_type, coding = mimetypes.guess_type("x" + Path(filename).suffix)
    if coding is not None:
        return "application/gzip" if coding == "gzip" else "application/octet-stream"
    return content_type or "application/octet-stream"


def _head(name: str, filename: str, content_type: str | None, headers: HeaderTypes | None) -> bytes:
    fields = Headers(headers)
    if "Content-Disposition" in fields:
        raise LocalProtocolError("Content-Disposition of a part follows from its name and filename")
    if content_type is not None:
        fields.setdefault("Content-Type", content_type)
    disposition = b'form-data; name="%b"' % _escape(name)
    if filename:
        disposition += b'; filename="%b"' % _escape(filename)
    lines = [(b"Content-Disposition", disposition), *fields.raw]
    return b"".join([b"%b: %b\r\n" % line for line in lines]) + b"\r\n"


def _escape(text: str) -> bytes:
    # File names that are no text keep their bytes (PEP 383).
    return text.translate(_ESCAPES).encode("utf-8", "surrogateescape")


def _segments(parts: list[tuple[bytes, bytes | Source]], boundary: bytes) -> list[bytes | Source]:
    """Everything in the order it is sent, small things joined."""
    segments: list[bytes | Source] = []
    buffer = bytearray()
    for head, content in parts:
        buffer += b"--%b\r\n%b" % (boundary, head)
        if isinstance(content, bytes) and len(content) <= _COPY_LIMIT:
            buffer += content
        else:
            segments += [bytes(buffer), content]
            buffer.clear()
        buffer += b"\r\n"
    return [*segments, bytes(buffer) + b"--%b--\r\n" % boundary]
