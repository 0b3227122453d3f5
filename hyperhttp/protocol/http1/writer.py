"""Request line, field lines and chunks to bytes (RFC 9112 sections 3, 5 and 7.1).

This is the last place before the wire, so everything is validated here, wherever it was validated before: a
line break that slips through would begin another field or another request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hyperhttp.exceptions import LocalProtocolError
from hyperhttp.protocol.grammar import FIELD_VALUE, METHOD, REQUEST_TARGET, TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["LAST_CHUNK", "check_method", "write_chunk", "write_fields", "write_request_line"]

#: The chunk of size zero and the end of an empty trailer section (RFC 9112 section 7.1).
LAST_CHUNK: Final = b"0\r\n\r\n"


def check_method(method: str) -> bytes:
    """The method as bytes.

    Raises:
        LocalProtocolError: it is not a token (RFC 9110 section 9.1).
    """
    try:
        data = method.encode("ascii")
    except UnicodeEncodeError:
        data = b""
    if METHOD.fullmatch(data) is None:
        msg = f"invalid method {method[:64]!r}: a method is a token of letters, digits and !#$%&'*+-.^_`|~"
        raise LocalProtocolError(msg)
    return data


def write_request_line(method: bytes, target: bytes) -> bytes:
    """The request line with its CRLF (RFC 9112 section 3).

    Raises:
        LocalProtocolError: the method is no token, or the target is empty or holds a blank, a control
            character, a fragment or something beyond ASCII.
    """
    if METHOD.fullmatch(method) is None:
        msg = f"invalid method {method[:64]!r}"
        raise LocalProtocolError(msg)
    if REQUEST_TARGET.fullmatch(target) is None:
        msg = f"invalid request target {target[:64]!r}"
        raise LocalProtocolError(msg)
    return b"%s %s HTTP/1.1\r\n" % (method, target)


def write_fields(fields: Iterable[tuple[bytes, ...]]) -> bytes:
    """Field lines, each with its CRLF, without the empty line that ends a head.

    Raises:
        LocalProtocolError: a name is no token, or a value holds a line break or another control character.
    """
    lines: list[bytes] = []
    for field in fields:
        name, value = field[0], field[1]
        if TOKEN.fullmatch(name) is None:
            msg = f"invalid field name {name[:64]!r}"
            raise LocalProtocolError(msg)
        if FIELD_VALUE.fullmatch(value) is None:
            # Without the value: it may be a credential.
            msg = f"the value of the field {name[:64]!r} holds a line break or another control character"
            raise LocalProtocolError(msg)
        lines.append(b"%s: %s\r\n" % (name, value))
    return b"".join(lines)


def write_chunk(data: bytes | bytearray | memoryview) -> bytes:
    """One chunk of a chunked body; nothing for no data, since a chunk of size zero would end the body."""
    if not isinstance(data, bytes):
        data = memoryview(data).tobytes()  # the length of a view counts items, and those need not be bytes
    return b"%x\r\n%b\r\n" % (len(data), data) if data else b""
