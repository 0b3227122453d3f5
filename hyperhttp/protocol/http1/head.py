"""The head of a response from its bytes (RFC 9112 sections 4 and 5).

A server repeats most of its field lines from response to response, so a line that was validated once is looked up
instead of parsed again: to HTTP/1.1 what the dynamic table is to HPACK. Lines that may carry a secret are not kept.
"""

from __future__ import annotations

from typing import Final

from hyperhttp.exceptions import RemoteProtocolError
from hyperhttp.protocol.events import (
    CONNECTION,
    CONTENT_LENGTH,
    INTERESTING,
    TRANSFER_ENCODING,
    Field,
    ResponseHead,
)
from hyperhttp.protocol.grammar import CONTENT_LENGTH as LENGTH_DIGITS
from hyperhttp.protocol.grammar import FIELD_LINE, STATUS_LINE

__all__ = ["MAX_FIELDS", "parse_fields", "parse_head"]

#: Field lines in one head. Browsers and servers draw the line at 100 to 200; a head with more is an attack or a mistake.
MAX_FIELDS: Final = 256

_MEMO_ENTRIES: Final = 2048  # about 400 KiB when full of the longest lines
_MEMO_LINE: Final = 200  # bytes; longer lines hardly ever repeat
_SECRETS: Final = (
    b"cookie",
    b"auth",
    b"token",
    b"secret",
    b"key",
    b"session",
    b"signature",
    b"location",
    b"link",
)

_FRAMING: Final = CONTENT_LENGTH | TRANSFER_ENCODING | CONNECTION

_lines: dict[bytes, Field] = {}
_statuses: dict[bytes, tuple[str, int, str]] = {}


def parse_head(block: bytes) -> ResponseHead:
    """The head of one response.

    Args:
        block: everything before the empty line, without its CRLF CRLF.

    Returns:
        The head with its framing facts: content length, chunked, keep-alive.

    Raises:
        RemoteProtocolError: the bytes are not a head by RFC 9112, or their framing can be read in two ways.
    """
    lines = block.split(b"\r\n")
    line = lines[0]
    status = _statuses.get(line) or _parse_status_line(line)
    if len(lines) > MAX_FIELDS:
        msg = f"the response head has {len(lines) - 1} field lines; the limit is {MAX_FIELDS}"
        raise RemoteProtocolError(msg)
    del lines[0]
    known = _lines.get
    fields = (
        [known(line) or _parse_line(line) for line in lines]
        if b"\r\n " not in block and b"\r\n\t" not in block
        else parse_fields(lines)
    )
    flags = 0
    framing: list[Field] = []
    for field in fields:
        flag = field[2]
        if flag:
            flags |= flag
            if flag & _FRAMING:
                framing.append(field)
    version, code, reason = status
    if not framing:
        return ResponseHead(version, code, reason, fields, flags, None, False, version == "HTTP/1.1")  # noqa: FBT003
    if len(framing) == 1 and flags & CONTENT_LENGTH:
        return ResponseHead(version, code, reason, fields, flags, framing[0][3], False, version == "HTTP/1.1")  # noqa: FBT003
    return _with_framing(ResponseHead(version, code, reason, fields, flags), framing)


def parse_fields(lines: list[bytes]) -> list[Field]:
    """Field lines of a head or of a trailer section, each (name, value, flag, content length).

    A line that begins with a blank continues the one before it; a client replaces that obsolete folding with a space
    (RFC 9112 section 5.2).

    Raises:
        RemoteProtocolError: a line is not a field line, or the first one is a continuation.
    """
    unfolded: list[bytes] = []
    parts: list[bytes] = []
    for line in lines:
        if line[:1] in (b" ", b"\t"):
            if not parts:
                msg = "the first field line begins with a blank"
                raise RemoteProtocolError(msg)
            parts.append(line.strip(b" \t"))
            continue
        if parts:
            unfolded.append(b" ".join(parts))
        parts = [line]
    if parts:
        unfolded.append(b" ".join(parts))
    return [_parse_line(line) for line in unfolded]


def _parse_status_line(line: bytes) -> tuple[str, int, str]:
    match = STATUS_LINE.fullmatch(line)
    if match is None:
        msg = f"not an HTTP/1.1 status line: {line[:64]!r}"
        raise RemoteProtocolError(msg)
    minor, code, reason = match.groups(b"")
    status = ("HTTP/1.0" if minor == b"0" else "HTTP/1.1", int(code), reason.decode("latin-1"))
    if len(_statuses) >= 256:
        _statuses.clear()
    if len(line) <= _MEMO_LINE:
        _statuses[line] = status
    return status


def _parse_line(line: bytes) -> Field:
    if FIELD_LINE.fullmatch(line) is None:
        msg = f"not a field line: {line.partition(b':')[0][:64]!r}"
        raise RemoteProtocolError(msg)
    name, _, value = line.partition(b":")
    value = value.strip(b" \t")
    lower = name.lower()
    flag = INTERESTING.get(lower, 0)
    field: Field = (name, value, flag, _parse_length(value) if flag == CONTENT_LENGTH else None)
    if len(line) <= _MEMO_LINE and not any(secret in lower for secret in _SECRETS):
        if len(_lines) >= _MEMO_ENTRIES:
            _lines.clear()
        _lines[line] = field
    return field


def _parse_length(value: bytes) -> int:
    """Content-Length, where a list of equal values counts as one (RFC 9112 section 6.3, item 5)."""
    first, *others = [item.strip(b" \t") for item in value.split(b",")] if b"," in value else [value]
    if LENGTH_DIGITS.fullmatch(first) is None or any(other != first for other in others):
        msg = f"invalid Content-Length: {value[:64]!r}"
        raise RemoteProtocolError(msg)
    return int(first)


def _with_framing(head: ResponseHead, framing: list[Field]) -> ResponseHead:
    """Work out length, chunked and keep-alive where more than a lone Content-Length speaks of them."""
    lengths = {field[3] for field in framing if field[2] == CONTENT_LENGTH}
    codings = [field[1] for field in framing if field[2] == TRANSFER_ENCODING]
    if len(lengths) > 1:
        msg = f"conflicting Content-Length fields: {sorted(lengths)}"
        raise RemoteProtocolError(msg)
    if codings:
        if lengths:
            # RFC 9112 section 6.3 item 3 calls this a likely attempt at smuggling; repairing it is how that starts.
            msg = "Content-Length together with Transfer-Encoding"
            raise RemoteProtocolError(msg)
        if head.http_version == "HTTP/1.0":
            msg = "Transfer-Encoding in an HTTP/1.0 response"
            raise RemoteProtocolError(msg)
        if len(codings) > 1 or codings[0].lower() != b"chunked":
            msg = f"unsupported Transfer-Encoding: {b', '.join(codings)[:64]!r}"
            raise RemoteProtocolError(msg)
        head.chunked = True
    elif lengths:
        head.content_length = lengths.pop()
    options = [field[1] for field in framing if field[2] == CONNECTION]
    head.keep_alive = _keeps_alive(head.http_version, options)
    return head


def _keeps_alive(version: str, options: list[bytes]) -> bool:
    """Whether the connection persists after this response (RFC 9112 section 9.3)."""
    tokens = {token.strip(b" \t").lower() for value in options for token in value.split(b",")}
    if b"close" in tokens:
        return False
    return version == "HTTP/1.1" or b"keep-alive" in tokens
