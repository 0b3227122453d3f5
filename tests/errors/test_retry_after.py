"""Retry-After in both forms, and what is none."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp import Response
from hyperhttp.errors.retry_after import parse_retry_after, retry_after_of

NOON = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("9" * 5000, 1e10),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("Tuesday, 14-Nov-23 22:13:50 GMT", 30.0),
        ("Tue Nov 14 22:13:50 2023", 30.0),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 0.0),
        ("Tue, 14 Nov 2023 23:13:50 +0100", 30.0),
        ("", None),
        ("-1", None),
        ("1.5", None),
        ("soon", None),
        ("٣", None),
        ("Tue, 99 Nov 2023 99:99:99 GMT", None),
        ("Tue, 14 Nov 99999999 22:13:50 GMT", None),
        ("Tue, 00 Xxx 2023", None),
    ],
)
def test_seconds_and_dates_are_understood_and_nothing_else(value: str, seconds: float | None) -> None:
    assert parse_retry_after(value, NOON) == seconds


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "3"}, 3.0),
        ({"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT"}, 30.0),
        # A server whose clock is an hour ahead means ten seconds, not an hour and ten seconds.
        ({"Retry-After": "Tue, 14 Nov 2023 23:13:30 GMT", "Date": "Tue, 14 Nov 2023 23:13:20 GMT"}, 10.0),
        ({"Retry-After": "Tue, 14 Nov 2023 22:13:50 GMT", "Date": "yesterday"}, 30.0),
    ],
)
def test_a_date_is_compared_with_the_servers_own_clock(fields: dict[str, str], seconds: float | None) -> None:
    response: Any = Response(503, headers=fields)
    assert retry_after_of(response, lambda: NOON) == seconds
