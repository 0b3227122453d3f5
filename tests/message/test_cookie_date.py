from __future__ import annotations

import datetime as dt

import pytest

from hyperhttp.message.cookie_date import parse_cookie_date


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("Wed, 09 Jun 2021 10:18:14 GMT", (2021, 6, 9, 10, 18, 14)),
        ("Wednesday, 09-Jun-21 10:18:14 GMT", (2021, 6, 9, 10, 18, 14)),
        ("Wed Jun  9 10:18:14 2021", (2021, 6, 9, 10, 18, 14)),
        ("9 june 2021 1:2:3", (2021, 6, 9, 1, 2, 3)),
        ("2021 jun 09 10:18:14", (2021, 6, 9, 10, 18, 14)),
        ("10:18:14 09 Jun 69", (2069, 6, 9, 10, 18, 14)),
        ("10:18:14 09 Jun 70", (1970, 6, 9, 10, 18, 14)),
        ("10:18:14junk 09th JUNE 2021y", (2021, 6, 9, 10, 18, 14)),
        ("Mon, 29 Feb 2024 00:00:00 GMT", (2024, 2, 29, 0, 0, 0)),
        ("Thu, 01 Jan 1601 00:00:00 GMT", (1601, 1, 1, 0, 0, 0)),
        ("Fri, 31 Dec 9999 23:59:59 GMT", (9999, 12, 31, 23, 59, 59)),
    ],
)
def test_dates_are_read_in_any_order(text, moment):
    assert parse_cookie_date(text) == dt.datetime(*moment, tzinfo=dt.UTC).timestamp()


@pytest.mark.parametrize(
    "text",
    [
        "", "0", "tomorrow", "Wed, 09 Jun 2021", "10:18:14 Jun 2021", "09 2021 10:18:14", "09 Jun 10:18:14",
        "31 Feb 2021 10:18:14", "29 Feb 2023 00:00:00", "00 Jun 2021 10:18:14", "32 Jun 2021 10:18:14",
        "09 Jun 1600 10:18:14", "09 Jun 2021 24:00:00", "09 Jun 2021 10:60:00", "09 Jun 2021 10:18:60",
        "09 Jun 12021 10:18:14", "010 Jun 2021 10:18:14", "09 Jun 2021 10:18:140", "٠٩ Jun 2021 10:18:14",
    ],
)  # fmt: skip
def test_what_is_no_date_is_none(text):
    assert parse_cookie_date(text) is None
