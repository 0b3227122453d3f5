"""The static table of HPACK (RFC 7541 Appendix A)."""

from __future__ import annotations

from typing import Final

__all__ = ["STATIC_NAMES", "STATIC_PAIRS", "STATIC_TABLE"]

_VALUES: Final = (
    (b":authority", b""), (b":method", b"GET"), (b":method", b"POST"), (b":path", b"/"),
    (b":path", b"/index.html"), (b":scheme", b"http"), (b":scheme", b"https"), (b":status", b"200"),
    (b":status", b"204"), (b":status", b"206"), (b":status", b"304"), (b":status", b"400"),
    (b":status", b"404"), (b":status", b"500"), (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
)  # fmt: skip
_NAMES: Final = (
    "accept-language accept-ranges accept access-control-allow-origin age allow authorization"
    " cache-control content-disposition content-encoding content-language content-length content-location "
    "content-range content-type cookie date etag expect expires from host if-match if-modified-since"
    " if-none-match if-range if-unmodified-since last-modified link location max-forwards proxy-authenticate "
    "proxy-authorization range referer refresh retry-after server set-cookie strict-transport-security "
    "transfer-encoding user-agent vary via www-authenticate"
)

#: Entries 1 to 61 in their order, as (name, value).
STATIC_TABLE: Final[tuple[tuple[bytes, bytes], ...]] = (
    *_VALUES,
    *((name.encode(), b"") for name in _NAMES.split()),
)

#: Entry to its index.
STATIC_PAIRS: Final = {entry: index for index, entry in enumerate(STATIC_TABLE, 1)}

#: Name to the lowest index that has it.
STATIC_NAMES: Final = {name: index for index, (name, _) in reversed(list(enumerate(STATIC_TABLE, 1)))}
