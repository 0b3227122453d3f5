"""What a protocol engine says about an incoming message.

One value serves both versions of HTTP: the head of a response (RFC 9110 section 6), with the few facts that
every response is asked about kept as bits, so that "does it carry cookies" costs one falsy test instead of a
search.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "ALT_SVC",
    "AUTHENTICATE",
    "CONNECTION",
    "CONTENT_ENCODING",
    "CONTENT_LENGTH",
    "INTERESTING",
    "KEEP_ALIVE",
    "LOCATION",
    "RETRY_AFTER",
    "SET_COOKIE",
    "TRAILER",
    "TRANSFER_ENCODING",
    "UPGRADE",
    "Field",
    "ResponseHead",
]

CONTENT_LENGTH: Final = 1
TRANSFER_ENCODING: Final = 2
CONNECTION: Final = 4
CONTENT_ENCODING: Final = 8
SET_COOKIE: Final = 16
UPGRADE: Final = 32
LOCATION: Final = 64
TRAILER: Final = 128
AUTHENTICATE: Final = 256
RETRY_AFTER: Final = 512
ALT_SVC: Final = 1024
KEEP_ALIVE: Final = 2048

#: Lower-case field name to its bit in `ResponseHead.flags`.
INTERESTING: Final[dict[bytes, int]] = {
    b"content-length": CONTENT_LENGTH,
    b"transfer-encoding": TRANSFER_ENCODING,
    b"connection": CONNECTION,
    b"content-encoding": CONTENT_ENCODING,
    b"set-cookie": SET_COOKIE,
    b"upgrade": UPGRADE,
    b"location": LOCATION,
    b"trailer": TRAILER,
    b"www-authenticate": AUTHENTICATE,
    b"proxy-authenticate": AUTHENTICATE,
    b"retry-after": RETRY_AFTER,
    b"alt-svc": ALT_SVC,
    b"keep-alive": KEEP_ALIVE,
}

#: A field as it came: name and value as bytes, then whatever the parser keeps beside them. HTTP/1.1 keeps the
#: bit of the name and a fact: the number in Content-Length, what Connection says about persistence, the
#: seconds in Keep-Alive.
Field = tuple[Any, ...]


class ResponseHead:
    """Status line and field lines of one response, interim or final.

    Attributes:
        http_version: ``"HTTP/1.0"``, ``"HTTP/1.1"`` or ``"HTTP/2"``.
        status_code: three digits, 100 to 999.
        reason: the reason phrase, empty where there is none (always on HTTP/2).
        fields: field lines in their order; the first two items of each are name and value as bytes.
        flags: the bits of this module for the fields that are present.
        content_length: bytes announced by Content-Length, or None.
        chunked: the content is framed by the chunked transfer coding (HTTP/1.1 only).
        keep_alive: the connection may serve another request afterwards (HTTP/1.1 only).
    """

    __slots__ = (
        "chunked",
        "content_length",
        "fields",
        "flags",
        "http_version",
        "keep_alive",
        "reason",
        "status_code",
    )

    def __init__(
        self,
        http_version: str,
        status_code: int,
        reason: str,
        fields: Sequence[Field],
        flags: int,
        content_length: int | None = None,
        chunked: bool = False,
        keep_alive: bool = True,
    ) -> None:
        self.http_version = http_version
        self.status_code = status_code
        self.reason = reason
        self.fields = fields
        self.flags = flags
        self.content_length = content_length
        self.chunked = chunked
        self.keep_alive = keep_alive

    def values(self, name: bytes) -> list[bytes]:
        """All values of the field called `name` (lower case), in their order."""
        return [field[1] for field in self.fields if field[0].lower() == name]

    def __repr__(self) -> str:
        return f"<ResponseHead {self.http_version} {self.status_code} {self.reason!r} {len(self.fields)} fields>"
