"""Reading ``multipart/form-data`` piece by piece (RFC 7578, RFC 2046 section 5.1).

Bytes go in with :meth:`MultipartReader.feed`, parts come out through a :class:`PartSink`; no part is ever
held whole, so an upload of any size can be checked in constant memory.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Protocol
from urllib.parse import unquote

from hyperhttp.testing.exchange import BadRequestError
from hyperhttp.testing.messages import Fields

__all__ = ["MultipartReader", "PartHead", "PartSink", "boundary_of", "parameters_of"]

MAX_PART_HEAD = 16 * 1024
_PARAMETER = re.compile(r';\s*([^\s=;]+)\s*=\s*("(?:[^"\\]|\\.)*"|[^;\s]*)')
_QUOTED_PAIR = re.compile(r"\\(.)")


def parameters_of(value: str) -> dict[str, str]:
    """The parameters of a field value such as Content-Disposition (RFC 9110 section 5.6.6, RFC 8187)."""
    found: dict[str, str] = {}
    for name, text in _PARAMETER.findall(value):
        plain = _QUOTED_PAIR.sub(r"\1", text[1:-1]) if text.startswith('"') else text
        found[name.lower()] = plain
    for name in [name for name in found if name.endswith("*")]:
        charset, _, rest = found.pop(name).partition("'")
        found[name[:-1]] = unquote(rest.partition("'")[2], charset or "utf-8")
    return found


def boundary_of(content_type: str) -> bytes:
    """The boundary a multipart content type names.

    Raises:
        BadRequestError: there is none, or it is not one RFC 2046 allows.
    """
    boundary = parameters_of(content_type).get("boundary", "")
    if not re.fullmatch(r"[0-9A-Za-z'()+_,\-./:=? ]{0,69}[0-9A-Za-z'()+_,\-./:=?]", boundary):
        raise BadRequestError(400, f"no usable boundary in {content_type!r}")
    return boundary.encode("ascii")


class PartHead:
    """The fields of a part.

    Attributes:
        headers: all its field lines.
        name: the form field's name.
        filename: None for a plain field.
        content_type: as sent, empty when there is none.
    """

    def __init__(self, headers: Fields) -> None:
        self.headers = headers
        parameters = parameters_of(headers.get("content-disposition", ""))
        self.name = _form_text(parameters.get("name", ""))
        filename = parameters.get("filename")
        self.filename = None if filename is None else _form_text(filename)
        self.content_type = headers.get("content-type", "")


def _form_text(value: str) -> str:
    """Undo what browsers do to names (WHATWG HTML, multipart/form-data encoding): UTF-8 and three escapes."""
    try:
        value = value.encode("latin-1").decode("utf-8")
    except UnicodeError:
        pass
    return value.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


class PartSink(Protocol):
    """What is told about the parts."""

    def begin(self, head: PartHead) -> None:
        """A part starts."""

    def data(self, data: bytes) -> None:
        """A piece of its content."""

    def end(self) -> None:
        """The part is over."""


class _State(Enum):
    PREAMBLE = 1
    AFTER_BOUNDARY = 2
    HEAD = 3
    CONTENT = 4
    EPILOGUE = 5


class MultipartReader:
    """Cuts a multipart content into parts."""

    def __init__(self, boundary: bytes, sink: PartSink) -> None:
        self._delimiter = b"\r\n--" + boundary
        self._sink = sink
        # A boundary in the very first line has no line break before it (RFC 2046 section 5.1.1).
        self._buffer = bytearray(b"\r\n")
        self._state = _State.PREAMBLE

    def feed(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            BadRequestError: they are not multipart.
        """
        self._buffer += data
        steps = {
            _State.PREAMBLE: self._in_content,
            _State.AFTER_BOUNDARY: self._after_boundary,
            _State.HEAD: self._in_head,
            _State.CONTENT: self._in_content,
            _State.EPILOGUE: self._in_epilogue,
        }
        while steps[self._state]():
            pass

    def finish(self) -> None:
        """No more bytes will come.

        Raises:
            BadRequestError: the last boundary is missing.
        """
        if self._state is not _State.EPILOGUE:
            raise BadRequestError(400, "multipart content ends before its last boundary")

    def _in_content(self) -> bool:
        """Pass content on up to the delimiter; keep back what may be the beginning of one."""
        is_part = self._state is _State.CONTENT
        at = self._buffer.find(self._delimiter)
        size = at if at >= 0 else max(len(self._buffer) - len(self._delimiter) + 1, 0)
        if size and is_part:
            self._sink.data(bytes(self._buffer[:size]))
        if at < 0:
            del self._buffer[:size]
            return False
        del self._buffer[: at + len(self._delimiter)]
        if is_part:
            self._sink.end()
        self._state = _State.AFTER_BOUNDARY
        return True

    def _after_boundary(self) -> bool:
        if self._buffer[:2] == b"--":
            self._state = _State.EPILOGUE
            return True
        at = self._buffer.find(b"\r\n")
        if at < 0 and len(self._buffer) < 256:
            return False
        if at < 0 or self._buffer[:at].strip(b" \t"):
            raise BadRequestError(400, "malformed multipart boundary")
        # The line break stays: it begins the empty line of a part without fields.
        del self._buffer[:at]
        self._state = _State.HEAD
        return True

    def _in_head(self) -> bool:
        at = self._buffer.find(b"\r\n\r\n")
        if at < 0:
            if len(self._buffer) > MAX_PART_HEAD:
                raise BadRequestError(400, "endless fields in a multipart part")
            return False
        lines = self._buffer[2:at].decode("latin-1").split("\r\n") if at else []
        pairs = (line.partition(":") for line in lines)
        self._sink.begin(PartHead(Fields((name, value.strip()) for name, _, value in pairs)))
        del self._buffer[: at + 4]
        self._state = _State.CONTENT
        return True

    def _in_epilogue(self) -> bool:
        self._buffer.clear()
        return False
