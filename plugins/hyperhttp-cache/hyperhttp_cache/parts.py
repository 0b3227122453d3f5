"""What a stored response is served as: whole, or the part that Range asks for (RFC 9110 sections 13.1.5, 14 and 15.3.7)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NamedTuple

from hyperhttp_cache.directives import date_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from hyperhttp import Request
    from hyperhttp_cache.entry import Entry

    Served = tuple[int, str, list[tuple[bytes, bytes]], bytes]

__all__ = ["Part", "is_for_part", "part_of", "whole_of"]

#: One range of bytes. Several of them, and other units, are left to the origin.
_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.IGNORECASE)


class Part(NamedTuple):
    """Bytes of a content.

    Attributes:
        first, last: their places, both included.
    """

    first: int
    last: int

    def cut(self, entry: Entry) -> Served:
        """Status, reason, fields without Age, and content of a response that carries the part."""
        content = entry.content[self.first : self.last + 1]
        told = b"bytes %d-%d/%d" % (self.first, self.last, len(entry.content))
        headers = [*_fields(entry, b"age", b"content-length", b"content-range"), (b"Content-Range", told)]
        return 206, "Partial Content", [*headers, (b"Content-Length", b"%d" % len(content))], content


def whole_of(entry: Entry) -> Served:
    """Status, reason, fields without Age, and content of the response as it was stored."""
    return entry.status_code, entry.reason, _fields(entry, b"age"), entry.content


def is_for_part(conditions: Collection[str]) -> bool:
    """Whether a request asks for a part, and nothing else that only the origin can tell."""
    return "range" in conditions and set(conditions) <= {"range", "if-range"}


def part_of(entry: Entry, request: Request) -> Part | None:
    """The part of a stored response that a request asks for; None where the origin has to say.

    It has to where there are several ranges or one outside the content, where If-Range names something else than what is
    stored, and where the content is coded: an origin may send parts without the coding.
    """
    values = request.headers.get_list("range")
    if request.method != "GET" or entry.status_code != 200 or len(values) != 1 or entry.values("content-encoding"):
        return None
    match = _RANGE.fullmatch(values[0].strip())
    if match is None or not _is_same(entry, request.headers.get_list("if-range")):
        return None
    begin, end = match.groups()
    size = len(entry.content)
    if begin:
        first, last = int(begin), min(int(end), size - 1) if end else size - 1
    else:
        first, last = size - min(int(end or "0"), size), size - 1
    return Part(first, last) if first <= last else None


def _is_same(entry: Entry, values: list[str]) -> bool:
    """Whether If-Range, where it is there, names what is stored by a strong validator."""
    if not values:
        return True
    wanted = values[0].strip()
    if len(values) > 1:
        return False
    if wanted.startswith('"'):
        return entry.values("etag") == [wanted]
    changed, made = date_of(entry.value("last-modified")), date_of(entry.value("date"))
    if entry.values("last-modified") != [wanted] or changed is None or made is None:
        return False
    return made - changed >= 1  # RFC 9110 section 8.8.2.2


def _fields(entry: Entry, *without: bytes) -> list[tuple[bytes, bytes]]:
    return [field for field in entry.headers if field[0].lower() not in without]
