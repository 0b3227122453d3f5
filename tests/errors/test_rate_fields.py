"""What servers say about their limits, in three generations of a draft."""

from __future__ import annotations

import time

import pytest

from hyperhttp import Headers
from hyperhttp.errors.rate_fields import Quota, read_quota

DEFAULT = '"default";r=50;t=30'


@pytest.mark.parametrize(
    ("fields", "quota"),
    [
        ({}, None),
        ({"RateLimit": DEFAULT}, Quota(50, 30.0)),
        ({"RateLimit": DEFAULT, "RateLimit-Policy": '"default";q=100;w=60'}, Quota(50, 30.0, 100, 60.0)),
        ({"RateLimit": "default; r=50; t=30 ; pk=:YWJj:"}, Quota(50, 30.0)),
        ({"RateLimit": '"a";r=0', "RateLimit-Policy": '"a";q=5;w=10'}, Quota(0, 10.0, 5, 10.0)),
        ({"RateLimit": '"a";r=50;t=30, "b";r=3;t=2'}, Quota(3, 2.0)),
        ({"RateLimit": '"a";r=3;t=1, "b";r=3;t=20'}, Quota(3, 20.0)),
        ({"RateLimit": '"a,;\\"b";r=1;t=2'}, Quota(1, 2.0)),
        ({"RateLimit": '"c";r=1;t=9', "RateLimit-Policy": '"c";q=65535;qu="content-bytes"'}, None),
        ({"RateLimit": '"c";r=1;t=9', "RateLimit-Policy": '"c";q=7;w=3;qu="requests"'}, Quota(1, 9.0, 7, 3.0)),
        ({"RateLimit-Policy": '"min";q=100;w=60, "hour";q=1000;w=3600'}, Quota(size=1000, window=3600.0)),
        ({"RateLimit-Policy": "100;w=60"}, Quota(size=100, window=60.0)),
        ({"RateLimit-Policy": '"a";q=100'}, None),
        ({"RateLimit-Policy": '"a";q=0;w=60'}, None),
        ({"RateLimit": "limit=100, remaining=50, reset=30"}, Quota(50, 30.0, 100)),
        ({"RateLimit": "remaining=50, reset=30", "RateLimit-Policy": "100;w=60"}, Quota(50, 30.0, 100, 60.0)),
        (
            {"RateLimit-Limit": "10, 10;w=1, 100;w=60", "RateLimit-Remaining": "0", "RateLimit-Reset": "7"},
            Quota(0, 7.0, 10),
        ),
        ({"RateLimit-Remaining": "3", "RateLimit-Reset": "7"}, Quota(3, 7.0)),
        ({"RateLimit-Limit": "10", "RateLimit-Remaining": "0"}, None),
        ({"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"}, Quota(0, 30.0, 60)),
        ({"X-Rate-Limit-Remaining": "2", "X-Rate-Limit-Reset": "7"}, Quota(2, 7.0)),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "999999999"}, Quota(0, 999999999.0)),
        ({"X-RateLimit-Remaining": "0"}, None),
        ({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "2030-01-01T00:00:00Z"}, None),
        ({"X-RateLimit-Remaining": "-1", "X-RateLimit-Reset": "30"}, None),
        ({"RateLimit": DEFAULT, "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"}, Quota(50, 30.0)),
    ],
    ids=repr,
)
def test_what_the_fields_say(fields: dict[str, str], quota: Quota | None) -> None:
    assert read_quota(Headers(fields)) == quota


@pytest.mark.parametrize("reset", ["1893456060", "1893456060000"])
def test_a_reset_that_is_a_moment_is_compared_with_the_senders_clock(reset: str) -> None:
    fields = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset, "Date": "Tue, 01 Jan 2030 00:00:00 GMT"}
    assert read_quota(Headers(fields)) == Quota(0, 60.0)
    del fields["Date"]
    assert read_quota(Headers(fields), lambda: 1893456050.0) == Quota(0, 10.0)
    assert read_quota(Headers(fields), lambda: 1893456999.0) == Quota(0, 0.0), "a moment that is over"


def test_a_field_may_come_in_several_lines() -> None:
    headers = Headers([("RateLimit", '"a";r=50;t=30'), ("RateLimit", '"b";r=3;t=2')])
    assert read_quota(headers) == Quota(3, 2.0)


@pytest.mark.parametrize(
    "value",
    ["", " ", ",;;,", '"', '"a', '"a";r', '"a";r=;t=1', '"a";r=-1;t=2', '"a";r=1.5;t=2', '"a";r=1', '"a";r=١;t=2',
     f'"a";r={"9" * 40};t=2', "limit=, remaining=x, reset=1", "=;=;=", '"\\'],
)  # fmt: skip
def test_what_cannot_be_understood_is_not_guessed(value: str) -> None:
    headers = Headers({"RateLimit-Remaining": value.strip()})
    headers["RateLimit"] = value.strip()
    headers["RateLimit-Policy"] = value.strip()
    assert read_quota(headers) is None


@pytest.mark.parametrize("piece", ['"', ",", ";", '"\\', 'a"', '"a";r=1;', "=", '"a",'])
def test_a_hostile_field_takes_no_time(piece: str) -> None:
    headers = Headers({"RateLimit": piece * 10_000, "RateLimit-Policy": piece * 10_000})
    began = time.process_time()
    read_quota(headers)
    assert time.process_time() - began < 1.0
