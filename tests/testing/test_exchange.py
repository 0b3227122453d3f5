from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.testing import exchange as exchange_module
from hyperhttp.testing.exchange import (
    BadRequestError,
    has_no_content,
    reason_of,
    respond,
    standard_fields,
)
from hyperhttp.testing.messages import Reply, Write


async def test_a_reply_goes_out_in_the_order_of_the_standard(exchange: Any) -> None:
    one = exchange()
    reply = Reply(200, body=b"content", interim=[(103, []), (103, [])], trailers=[("X", "y")])
    await respond(one, reply)
    assert one.sent == [
        ("interim", 103),
        ("interim", 103),
        ("head", 200, None),
        b"content",
        ("end", [("X", "y")]),
    ]


async def test_content_that_is_written_has_the_length_it_declares(exchange: Any) -> None:
    async def produce(write: Write) -> None:
        await write(b"ab")
        await write(b"c")

    one = exchange()
    await respond(one, Reply(body=produce, length=3))
    assert one.sent == [("head", 200, 3), b"ab", b"c", ("end", [])]


async def test_nothing_is_produced_for_head(exchange: Any) -> None:
    async def produce(write: Write) -> None:
        raise AssertionError("HEAD has no content")

    one = exchange(method="HEAD")
    await respond(one, Reply(body=produce, length=3))
    assert one.sent == [("head", 200, 3), ("end", [])]


def test_query_parameters_are_found_the_last_one_wins(exchange: Any) -> None:
    one = exchange("/?n=1&n=2.5&bad=x&huge=1e9&less=-3")
    assert one.arg("n") == "2.5"
    assert one.arg("none", "default") == "default"
    assert one.number("n", 0.0, most=10) == 2.5
    assert one.number("none", 7.0, most=10) == 7.0
    assert one.number("huge", 0.0, most=10) == 10
    assert one.number("less", 5.0, most=10) == 0.0
    with pytest.raises(BadRequestError, match="must be a number"):
        one.number("bad", 0.0, most=10)


async def test_the_whole_content_is_read_up_to_a_limit(exchange: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    one = exchange(content=[b"ab", b"cd"])
    assert await one.read_all() == b"abcd" == one.body
    monkeypatch.setattr(exchange_module, "MAX_BUFFERED_BODY", 3)
    with pytest.raises(BadRequestError) as caught:
        await exchange(content=[b"ab", b"cd"]).read_all()
    assert caught.value.status == 413


def test_only_an_unanswered_expectation_counts(exchange: Any) -> None:
    one = exchange(headers=[("Expect", "100-Continue")])
    assert one.expects_continue
    one.was_continued = True
    assert not one.expects_continue
    assert not exchange().expects_continue


@pytest.mark.parametrize(
    ("method", "status", "is_empty"),
    [("HEAD", 200, True), ("GET", 204, True), ("GET", 304, True), ("GET", 103, True), ("GET", 200, False)],
)
def test_responses_without_content(method: str, status: int, is_empty: bool) -> None:
    assert has_no_content(method, status) is is_empty


def test_a_refused_request_says_why() -> None:
    reply = BadRequestError(405, "not that way", [("Allow", "GET")]).reply()
    assert (reply.status, reply.body) == (405, b"not that way\n")
    assert ("Allow", "GET") in reply.fields


def test_reason_phrases() -> None:
    assert [reason_of(status) for status in (200, 103, 418, 599)] == ["OK", "Early Hints", "I'm a Teapot", ""]


def test_every_response_says_when_and_who() -> None:
    names = dict(standard_fields())
    assert names["Server"] == "hyperhttp-testing"
    assert names["Date"].endswith("GMT")
