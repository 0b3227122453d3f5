from __future__ import annotations

import hashlib
import time
from typing import Any

import pytest

from hyperhttp.testing.endpoints.responses import sendable_fields
from hyperhttp.testing.exchange import BadRequestError


@pytest.mark.parametrize("status", [200, 204, 304, 404, 418, 500, 599, 999])
def test_a_status_is_answered(fetch: Any, status: int) -> None:
    assert fetch(f"/status/{status}", method="POST").status == status


def test_statuses_that_need_a_field_have_it(fetch: Any) -> None:
    assert fetch("/status/302").headers["Location"] == "/redirect/1"
    assert fetch("/status/401").headers["WWW-Authenticate"].startswith("Basic")
    assert fetch("/status/407").headers["Proxy-Authenticate"].startswith("Basic")


def test_one_of_several_statuses_is_chosen_by_weight(fetch: Any) -> None:
    assert {fetch("/status/201:1,500:0").status for _ in range(10)} == {201}
    assert {fetch("/status/201,202").status for _ in range(40)} == {201, 202}


@pytest.mark.parametrize("codes", ["x", "100", "1000", "200,", "200:x"])
def test_what_is_no_final_status_is_refused(fetch: Any, codes: str) -> None:
    assert fetch(f"/status/{codes}").status == 400


def test_fields_of_the_query_are_sent(fetch: Any) -> None:
    answer = fetch("/response-headers?X-One=1&Set-Cookie=a%3D1&Set-Cookie=b%3D2&X-U=%C3%BC")
    assert answer.headers["X-One"] == "1"
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert answer.headers["X-U"].encode("latin-1").decode() == "ü"
    assert answer.json()["Set-Cookie"] == ["a=1", "b=2"]


@pytest.mark.parametrize(("name", "value"), [("X", "a\r\nY: b"), ("X Y", "a"), ("X", "a\0"), ("", "a")])
def test_fields_that_would_break_the_head_are_refused(name: str, value: str) -> None:
    with pytest.raises(BadRequestError, match="cannot be a field"):
        sendable_fields([(name, value)])


def test_a_delay_shows_the_request_after_it(fetch: Any) -> None:
    start = time.monotonic()
    assert fetch("/delay/0.1?x=1").json()["args"] == {"x": "1"}
    assert time.monotonic() - start >= 0.1
    assert fetch("/delay/x").status == 400


def test_early_hints_come_before_the_response(raw: Any) -> None:
    answer = raw(b"GET /early-hints?count=2 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    assert answer.data.count(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>") == 2
    assert b"HTTP/1.1 200 OK\r\n" in answer.data


def test_trailers_follow_the_content(raw: Any) -> None:
    answer = raw(b"GET /trailers?X-More=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
    checksum = hashlib.sha256(b"content with trailers\n").hexdigest().encode()
    assert b"Trailer: X-Checksum, X-More\r\n" in answer.head
    assert answer.body.endswith(b"0\r\nX-Checksum: " + checksum + b"\r\nX-More: 1\r\n\r\n")


def test_expect_tells_what_happened_or_refuses(fetch: Any, raw: Any) -> None:
    shown = fetch("/expect", method="POST", body="abc").json()
    assert (shown["expected"], shown["continued"], shown["length"]) == (False, False, 3)
    head = b"POST /expect?refuse=1 HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n"
    answer = raw(head)
    assert answer.head.startswith(b"HTTP/1.1 417 ")


def test_early_413_ends_the_connection(raw: Any, origin: Any) -> None:
    import threading

    before = threading.active_count()
    answer = raw(b"POST /early-413 HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc")
    assert answer.head.startswith(b"HTTP/1.1 413 ")
    assert b"Connection: close" in answer.head
    assert threading.active_count() == before
