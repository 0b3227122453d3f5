"""The head of a response from its bytes (RFC 9112 sections 4 and 5).

A server repeats most of its field lines from response to response, so a line that was validated once is
looked up instead of parsed again: to HTTP/1.1 what the dynamic table is to HPACK. What a line means depends
on nothing but its own bytes, so no line can change the meaning of another. Only fields whose values are
public are kept, so no secret stays. A server under load sends the very same head for as long as its clock
shows the same second: a head all of whose lines were looked up is kept as a whole.
"""

from __future__ import annotations

from typing import Any, Final

from hyperhttp.exceptions import RemoteProtocolError
from hyperhttp.protocol.events import (
    CONNECTION,
    CONTENT_LENGTH,
    INTERESTING,
    KEEP_ALIVE,
    TRANSFER_ENCODING,
    Field,
    ResponseHead,
)
from hyperhttp.protocol.grammar import CONTENT_LENGTH as LENGTH_DIGITS
from hyperhttp.protocol.grammar import FIELD_LINE, IDLE_TIMEOUT, STATUS_LINE

__all__ = ["MAX_FIELDS", "parse_fields", "parse_head"]

#: Field lines in one head or trailer section. Browsers and servers draw the line at 100 to 200; a head with
#: more is an attack or a mistake.
MAX_FIELDS: Final = 256

_MEMO_STATUSES: Final = 256
_MEMO_ENTRIES: Final = 2048  # at most 1.2 MiB, when full of the longest lines; half of that with usual ones
_MEMO_LINE: Final = 200  # bytes; longer lines hardly ever repeat
_MEMO_HEADS: Final = 256
_MEMO_HEAD: Final = 1024  # bytes

#: Fields whose lines are kept. By their definition they hold no secret, and most servers repeat them; a name
#: that is not here may mean anything, and often it is the number of one request, which never comes again.
_PUBLIC: Final = frozenset(
    b"accept-ranges access-control-allow-credentials access-control-allow-headers "
    b"access-control-allow-methods access-control-allow-origin access-control-expose-headers "
    b"access-control-max-age age allow alt-svc cache-control cdn-cache-control cf-cache-status connection "
    b"content-encoding content-language content-length content-type cross-origin-embedder-policy "
    b"cross-origin-opener-policy cross-origin-resource-policy date etag expires keep-alive last-modified "
    b"origin-agent-cluster permissions-policy pragma proxy-connection referrer-policy retry-after server "
    b"status strict-transport-security timing-allow-origin trailer transfer-encoding upgrade vary via "
    b"x-amz-cf-pop x-aspnet-version x-cache x-cache-hits x-cache-status x-content-type-options "
    b"x-dns-prefetch-control x-download-options x-frame-options x-permitted-cross-domain-policies "
    b"x-powered-by x-proxy-cache x-ratelimit-limit x-robots-tag x-served-by x-ua-compatible "
    b"x-varnish-cache x-xss-protection".split()
)

_FRAMING: Final = CONTENT_LENGTH | TRANSFER_ENCODING | CONNECTION

_heads: dict[bytes, ResponseHead] = {}
_lines: dict[bytes, Field] = {}
_statuses: dict[bytes, tuple[str, int, str]] = {}


def parse_head(block: bytes) -> ResponseHead:
    """The head of one response.

    Args:
        block: everything before the empty line, without its CRLF CRLF.

    Returns:
        The head with its framing facts: content length, chunked, keep-alive. It may be shared: nobody changes it.

    Raises:
        RemoteProtocolError: the bytes are not a head by RFC 9112, or their framing can be read in two ways.
    """
    known = _heads.get(block)
    if known is not None:
        return known
    lines = block.split(b"\r\n")
    line = lines[0]
    version, code, reason = _statuses.get(line) or _parse_status_line(line)
    del lines[0]
    fields: list[Any] = list(map(_lines.get, lines))
    is_public = all(fields) and len(fields) <= MAX_FIELDS
    if not is_public:
        fields = parse_fields(lines)
    flags = 0
    length: int | None = None
    chunked = False
    keep_alive = version == "HTTP/1.1"
    for field in fields:
        flag = field[2]
        if flag:
            if flag & flags & _FRAMING:
                return _with_repeats(version, code, reason, fields)
            flags |= flag
            if flag == CONTENT_LENGTH:
                length = field[3]
            elif flag == CONNECTION and field[3] is not None:
                keep_alive = field[3]
            elif flag == TRANSFER_ENCODING:
                chunked = True
    if chunked:
        _check_chunked(version, length)
    head = ResponseHead(version, code, reason, fields, flags, length, chunked, keep_alive)
    if is_public and len(block) <= _MEMO_HEAD:
        if len(_heads) >= _MEMO_HEADS:
            _heads.clear()
        _heads[block] = head
    return head


def parse_fields(lines: list[bytes]) -> list[Field]:
    """Field lines of a head or of a trailer section, each (name, value, bit of `events`, fact).

    A line that begins with a blank continues the one before it; a client replaces that obsolete folding with
    a space (RFC 9112 section 5.2).

    Raises:
        RemoteProtocolError: a line is not a field line, the first continues nothing, or they are too many.
    """
    if len(lines) > MAX_FIELDS:
        msg = f"{len(lines)} field lines in one section; the limit is {MAX_FIELDS}"
        raise RemoteProtocolError(msg)
    # What begins with a blank sorts before "!", and so does nothing that is valid. Before any line is
    # understood: the value of the line above may be on the next.
    if lines and min(lines) < b"!":
        lines = _unfold(lines)
    known = _lines.get
    return [known(line) or _parse_line(line) for line in lines]


def _unfold(lines: list[bytes]) -> list[bytes]:
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
    unfolded.append(b" ".join(parts))
    return unfolded


def _parse_status_line(line: bytes) -> tuple[str, int, str]:
    match = STATUS_LINE.fullmatch(line)
    if match is None:
        msg = f"not an HTTP/1.1 status line: {line[:32]!r}"
        raise RemoteProtocolError(msg)
    minor, code, reason = match.groups(b"")
    status = ("HTTP/1.0" if minor == b"0" else "HTTP/1.1", int(code), reason.decode("latin-1"))
    if len(line) <= _MEMO_LINE:
        if len(_statuses) >= _MEMO_STATUSES:
            _statuses.clear()
        _statuses[line] = status
    return status


def _parse_line(line: bytes) -> Field:
    if FIELD_LINE.fullmatch(line) is None:
        # Only the beginning, and nothing behind a colon: it may be a credential, or content in a wrong place.
        msg = f"not a field line: {line.partition(b':')[0][:32]!r}"
        raise RemoteProtocolError(msg)
    name, _, value = line.partition(b":")
    value = value.strip(b" \t")
    lower = name.lower()
    flag = INTERESTING.get(lower, 0)
    field: Field = (name, value, flag, _fact(flag, value) if flag else None)
    if lower in _PUBLIC and len(line) <= _MEMO_LINE:
        if len(_lines) >= _MEMO_ENTRIES:
            _lines.clear()
        _lines[line] = field
    return field


def _fact(flag: int, value: bytes) -> int | bool | None:
    if flag == CONTENT_LENGTH:
        return _parse_length(value)
    if flag == CONNECTION:
        return _persistence(value)
    if flag == TRANSFER_ENCODING and value.lower() != b"chunked":
        # Others were not asked for with TE, so they may not be sent (RFC 9112 section 7.4).
        msg = f"unsupported Transfer-Encoding: {value[:64]!r}"
        raise RemoteProtocolError(msg)
    return _idle_timeout(value) if flag == KEEP_ALIVE else None


def _parse_length(value: bytes) -> int:
    """Content-Length, where a list of equal numbers counts as one (RFC 9112 section 6.3, item 5)."""
    items = [item.strip(b" \t") for item in value.split(b",")]
    if not all(map(LENGTH_DIGITS.fullmatch, items)) or len(lengths := set(map(int, items))) > 1:
        msg = f"invalid Content-Length: {value[:64]!r}"
        raise RemoteProtocolError(msg)
    return lengths.pop()


def _with_repeats(version: str, code: int, reason: str, fields: list[Field]) -> ResponseHead:
    """The head where Content-Length, Transfer-Encoding or Connection comes more than once."""
    flags = 0
    lengths: set[int] = set()
    codings = 0
    options: set[bool | None] = set()
    for field in fields:
        flag = field[2]
        flags |= flag
        if flag == CONTENT_LENGTH:
            lengths.add(field[3])
        elif flag == CONNECTION:
            options.add(field[3])
        elif flag == TRANSFER_ENCODING:
            codings += 1
    if len(lengths) > 1:
        msg = f"conflicting Content-Length fields: {sorted(lengths)[:4]}"
        raise RemoteProtocolError(msg)
    if codings > 1:
        msg = "more than one Transfer-Encoding field"
        raise RemoteProtocolError(msg)
    length = lengths.pop() if lengths else None
    if codings:
        _check_chunked(version, length)
    keep_alive = False not in options and (version == "HTTP/1.1" or True in options)
    return ResponseHead(version, code, reason, fields, flags, length, codings > 0, keep_alive)


def _check_chunked(version: str, length: int | None) -> None:
    if length is not None:
        # RFC 9112 section 6.3 item 3: likely an attempt at smuggling. Repairing it is how that starts.
        msg = "Content-Length together with Transfer-Encoding"
        raise RemoteProtocolError(msg)
    if version == "HTTP/1.0":
        # RFC 9112 section 6.1: an HTTP/1.0 hop between the server and us would not have known the field.
        msg = "Transfer-Encoding in an HTTP/1.0 response"
        raise RemoteProtocolError(msg)


def _persistence(value: bytes) -> bool | None:
    """What a Connection field says about persistence (RFC 9112 section 9.3): False, True or nothing."""
    tokens = {token.strip(b" \t").lower() for token in value.split(b",")}
    if b"close" in tokens:
        return False
    return True if b"keep-alive" in tokens else None


def _idle_timeout(value: bytes) -> int | None:
    """Seconds a Keep-Alive field promises to an idle connection: the least of them, or nothing."""
    found = [match[1] for match in map(IDLE_TIMEOUT.fullmatch, value.split(b",")) if match is not None]
    return min(map(int, found), default=None)
