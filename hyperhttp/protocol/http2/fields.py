"""What a field may look like in HTTP/2, and what makes the head of a response (RFC 9113 section 8).

A field is checked once, when its entry is made: the verdict travels with it as bits, through the dynamic
table and the decoder's memos. Checking a whole block is then little more than an OR over its entries.
"""

from __future__ import annotations

import re
from typing import Final

from hyperhttp.protocol.events import CONTENT_LENGTH as HAS_CONTENT_LENGTH
from hyperhttp.protocol.events import INTERESTING
from hyperhttp.protocol.grammar import CONTENT_LENGTH, FIELD_VALUE, TOKEN
from hyperhttp.protocol.http2.errors import ErrorCode, StreamFault, printable

__all__ = [
    "CONNECTION_SPECIFIC",
    "ENTRY_OVERHEAD",
    "PUBLIC_BITS",
    "SENSITIVE",
    "Entry",
    "Head",
    "is_sensitive",
    "make_entry",
    "read_head",
    "read_trailers",
]

#: A field as the decoder keeps it: name, value, bits, size as RFC 7541 section 4.1 counts it.
Entry = tuple[bytes, bytes, int, int]

#: The head of a response: status code, fields, bits, Content-Length.
Head = tuple[int, list[Entry], int, "int | None"]

# Bits of an entry. The lower sixteen are those of `hyperhttp.protocol.events`.
PUBLIC_BITS: Final = 0xFFFF
_PSEUDO: Final = 1 << 16
_STATUS: Final = 1 << 17  # a pseudo-header field that is a valid :status
_MALFORMED: Final = 1 << 18
#: The value may be a secret: it is neither put into a memo nor, when we send it, into a dynamic table.
SENSITIVE: Final = 1 << 19

#: RFC 7541 section 4.1: what an entry counts beside its name and value.
ENTRY_OVERHEAD: Final = 32

#: Fields that speak about an HTTP/1.1 connection (RFC 9113 section 8.2.2): refused when received, not sent.
CONNECTION_SPECIFIC: Final = frozenset(
    {b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"}
)

_STATUS_CODE: Final = re.compile(rb"[1-9][0-9]{2}")
_SENSITIVE_NAME: Final = re.compile(
    rb"auth|cookie|token|secret|passw|credential|session|signature|api-?key|access-?key|location|digest"
)

_MAX_NAMES: Final = 1024
_name_bits: dict[bytes, int] = {}  # verdicts on names, for the process: names are no secrets


def is_sensitive(name: bytes) -> bool:
    """Whether the value of the field `name` (lower case) should be treated as a secret."""
    return _SENSITIVE_NAME.search(name) is not None and not name.startswith(b"access-control-")


def make_entry(name: bytes, value: bytes, bits: int = 0) -> Entry:
    """The entry of a received field, with the verdict on it.

    Blanks around a value are forbidden here (RFC 9113 section 8.2.1), yet so many servers send them that
    other clients had to accept them again; they carry no meaning and are taken off, as in HTTP/1.1.
    """
    size = len(name) + len(value) + ENTRY_OVERHEAD
    known = _name_bits.get(name)
    bits |= _classify(name) if known is None else known
    if bits & (_PSEUDO | HAS_CONTENT_LENGTH):
        bits |= _bits_of_special(name, value.strip(b" \t"))
    elif not FIELD_VALUE.fullmatch(value):
        bits |= _MALFORMED
    return (name, value.strip(b" \t"), bits, size)


def read_head(entries: list[Entry], max_size: int, max_fields: int) -> Head:
    """The head of a response from its decoded fields; `entries` loses its pseudo-header field.

    Raises:
        StreamFault: the message is malformed (RFC 9113 section 8.1.1) or larger than allowed.
    """
    if not entries or not entries[0][2] & _STATUS:
        raise _malformed(_fault_of_status(entries))
    status = int(entries.pop(0)[1])
    bits = _checked_bits(entries, max_size, max_fields)
    if status == 101:
        raise _malformed("101 (Switching Protocols) does not exist in HTTP/2")
    length = None
    if bits & HAS_CONTENT_LENGTH:
        values = [entry[1] for entry in entries if entry[2] & HAS_CONTENT_LENGTH]
        length = int(values[0])
        if len(values) > 1 and values.count(values[0]) != len(values):
            raise _malformed("it has several values of Content-Length")
    return (status, entries, bits, length)


def read_trailers(entries: list[Entry], max_size: int, max_fields: int) -> list[Entry]:
    """The trailer section from its decoded fields.

    Raises:
        StreamFault: it is malformed or larger than allowed.
    """
    _checked_bits(entries, max_size, max_fields)
    return entries


def _classify(name: bytes) -> int:
    """The bits every field of that name has; names that are not valid are not remembered."""
    if name[:1] == b":":
        return _PSEUDO
    if not TOKEN.fullmatch(name) or name != name.lower() or name in CONNECTION_SPECIFIC:
        return _MALFORMED
    bits = INTERESTING.get(name, 0) | (SENSITIVE if is_sensitive(name) else 0)
    if len(_name_bits) >= _MAX_NAMES:
        _name_bits.clear()
    _name_bits[name] = bits
    return bits


def _bits_of_special(name: bytes, value: bytes) -> int:
    """What the value adds to the bits of a pseudo-header field or Content-Length."""
    if name == b":status" and _STATUS_CODE.fullmatch(value):
        return _STATUS
    if name == b"content-length" and not CONTENT_LENGTH.fullmatch(value):
        return _MALFORMED
    return 0


def _checked_bits(entries: list[Entry], max_size: int, max_fields: int) -> int:
    bits = size = 0
    for entry in entries:
        bits |= entry[2]
        size += entry[3]
    if size > max_size or len(entries) > max_fields:
        raise StreamFault(
            ErrorCode.PROTOCOL_ERROR,
            f"the header fields of the response are too large ({len(entries)} fields, {size} bytes;"
            f" at most {max_fields} fields and {max_size} bytes are accepted)",
        )
    if bits & (_PSEUDO | _MALFORMED):
        raise _malformed(_first_fault(entries))
    return bits


def _first_fault(entries: list[Entry]) -> str:
    """What is wrong with the first field that is not as it should be, as a phrase."""
    name, value = next(entry[:2] for entry in entries if entry[2] & (_PSEUDO | _MALFORMED))
    shown = printable(name)
    if name[:1] == b":":
        return f"the pseudo-header field {shown} is not allowed there"
    if not TOKEN.fullmatch(name):
        return f"a field name is not valid: {shown}"
    if name != name.lower():
        return f"a field name is not in lower case: {shown}"
    if name in CONNECTION_SPECIFIC:
        return f"the field {shown} does not belong in HTTP/2"
    if name == b"content-length":
        return f"its Content-Length is not a number: {printable(value)}"
    return f"the value of the field {shown} holds a control character"


def _fault_of_status(entries: list[Entry]) -> str:
    for name, value, _, _ in entries:
        if name == b":status":
            return f"its status code is not valid or not in the first place: {printable(value)}"
    return "it has no status code"


def _malformed(what: str) -> StreamFault:
    return StreamFault(ErrorCode.PROTOCOL_ERROR, f"the server sent a malformed response: {what}")
