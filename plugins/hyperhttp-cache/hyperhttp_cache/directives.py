"""Cache-Control as a mapping (RFC 9111 section 5.2), and dates (RFC 9110 section 5.6.7)."""

from __future__ import annotations

import re
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["date_of", "directives_of", "seconds_of"]

_DIRECTIVE: Final = re.compile(r"""([!#$%&'*+.^_`|~0-9A-Za-z-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,;"]*)))?""")

#: More seconds than this mean for ever (RFC 9111 section 1.2.2).
_FOREVER: Final = 2**31


def directives_of(values: Iterable[str]) -> dict[str, str]:
    """Directives in lower case with their arguments, which are empty where there are none; the first of each counts."""
    found: dict[str, str] = {}
    for match in _DIRECTIVE.finditer(", ".join(values)):
        name, quoted, plain = match.groups()
        found.setdefault(name.lower(), quoted if quoted is not None else plain or "")
    return found


def seconds_of(directives: dict[str, str], name: str) -> int | None:
    """The seconds a directive names; None where it is missing or names none."""
    text = directives.get(name, "")
    if not (text.isascii() and text.isdigit()):
        return None
    digits = text.lstrip("0")
    return min(int(digits or "0"), _FOREVER) if len(digits) < 20 else _FOREVER


def date_of(text: str | None) -> float | None:
    """The moment of an HTTP date; None for anything else."""
    if not text:
        return None
    try:
        moment = parsedate_to_datetime(text)
        # The form of asctime() names no zone, and means UTC as all of them do.
        return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError, TypeError):
        return None
