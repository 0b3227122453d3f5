"""The date of a cookie's end, in all the ways that servers write it (RFC 6265bis, Section 5.1.1)."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

__all__ = ["parse_cookie_date"]

_DATE_DELIMITERS: Final = re.compile(r"[\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+").split
_TIME: Final = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])").match
_DAY: Final = re.compile(r"([0-9]{1,2})(?![0-9])").match
_YEAR: Final = re.compile(r"([0-9]{2,4})(?![0-9])").match
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def parse_cookie_date(text: str) -> float | None:
    """Unix time of a date in whatever order its parts come, or None (Section 5.1.1)."""
    found: dict[str, tuple[int, ...]] = {}
    for token in _DATE_DELIMITERS(text):
        if "time" not in found and (match := _TIME(token)):
            found["time"] = tuple(map(int, match.groups()))
        elif "day" not in found and (match := _DAY(token)):
            found["day"] = (int(match[1]),)
        elif "month" not in found and token[:3].lower() in _MONTHS:
            found["month"] = (_MONTHS.index(token[:3].lower()) + 1,)
        elif "year" not in found and (match := _YEAR(token)):
            year = int(match[1])
            found["year"] = (year + (1900 if 70 <= year <= 99 else 2000 if year <= 69 else 0),)
    if len(found) < 4 or found["year"][0] < 1601:
        return None
    try:
        hour, minute, second = found["time"]
        moment = datetime(found["year"][0], found["month"][0], found["day"][0], hour, minute, second, tzinfo=UTC)
        return moment.timestamp()
    except ValueError:
        return None
