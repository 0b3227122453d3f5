"""When a server wants to be asked again: the Retry-After field (RFC 9110 section 10.2.3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.message.headers import Headers
    from hyperhttp.message.response import Response

__all__ = ["parse_retry_after", "retry_after_of", "sent_at"]

#: Digits that are read; more would be longer than anybody waits.
_MAX_DIGITS = 10


def retry_after_of(response: Response, wall: Callable[[], float]) -> float | None:
    """Seconds that a response wants its sender to wait; None where it does not say, or not so that one understands.

    A date is compared with the response's own Date field: the clocks of two machines rarely agree.

    Args:
        response: with or without the field.
        wall: the time of day, seconds since 1970, for a response without a Date.
    """
    headers = response.headers
    value = headers.get("retry-after")
    return None if value is None else parse_retry_after(value, sent_at(headers, wall))


def sent_at(headers: Headers, wall: Callable[[], float]) -> float:
    """The moment of a response by its sender's clock (Date), else by this one's; seconds since 1970."""
    date = headers.get("date")
    moment = None if date is None else _parse_date(date)
    return wall() if moment is None else moment


def parse_retry_after(value: str, now: float) -> float | None:
    """Seconds from `now` on, never negative, for seconds or a date; None for anything else.

    Args:
        value: the field's.
        now: seconds since 1970.
    """
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= _MAX_DIGITS else float(10**_MAX_DIGITS)
    at = _parse_date(text)
    return None if at is None else max(at - now, 0.0)


def _parse_date(text: str) -> float | None:
    from datetime import UTC, datetime  # here and not above: few responses have the field
    from email.utils import parsedate_tz

    parts = parsedate_tz(text)
    if parts is None:
        return None
    try:
        return datetime(*parts[:6], tzinfo=UTC).timestamp() - (parts[9] or 0)
    except (ValueError, OverflowError):
        return None
