"""The event stream's grammar (HTML standard, section 9.2.6); many cases are those of the web platform tests."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperhttp import DecodingError, RemoteProtocolError, Request, Response
from hyperhttp.message.pieces import drive_ready
from hyperhttp.message.sse import EventDecoder, Events, ServerSentEvent, check_type

M = ServerSentEvent


def decode(data: bytes, **options: Any) -> list[ServerSentEvent]:
    return EventDecoder(**options).feed(data)


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: x\n\n", [M("x")]),
        (b"data:x\n\n", [M("x")]),
        (b"data:  x\n\n", [M(" x")]),
        (b"data:\tx\n\n", [M("\tx")]),
        (b"data: x", []),
        (b"data: x\n", []),
        (b"data: x\n\ndata: y", [M("x")]),
        (b"data: x\r\rdata: y\r\n\r\ndata: z\n\n", [M("x"), M("y"), M("z")]),
        (b"data: x\r\ndata: y\n\r\n", [M("x\ny")]),
        # the three examples of the standard
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [M("YHOO\n+2\n10")]),
        (b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
         [M("first event", id="1"), M("second event"), M(" third event")]),
        (b"data\n\ndata\ndata\n\ndata:", [M(""), M("\n")]),
        (b"data:test\n\ndata: test\n\n", [M("test"), M("test")]),
        # fields
        (b"event: add\ndata: 1\n\ndata: 2\n\n", [M("1", "add"), M("2")]),
        (b"event:\ndata: 1\n\n", [M("1")]),
        (b"event: add\n\ndata: 1\n\n", [M("1")]),
        (b"event: a\nevent: b\ndata: 1\n\n", [M("1", "b")]),
        (b"id: 1\n\ndata: x\n\n", [M("x", id="1")]),
        (b"id: 1\ndata: x\n\nid\ndata: y\n\n", [M("x", id="1"), M("y")]),
        (b"id: 1\ndata: x\n\nid: 2\x003\ndata: y\n\n", [M("x", id="1"), M("y", id="1")]),
        (b"id: \xe2\x80\xa6\ndata: x\n\n", [M("x", id="\u2026")]),
        (b"retry: 1000\ndata: x\n\ndata: y\n\n", [M("x", retry=1000), M("y")]),
        (b"retry: 1000 \ndata: x\n\n", [M("x")]),
        (b"retry: -1\nretry: +1\nretry: 1e3\nretry:\nretry: 0x1\ndata: x\n\n", [M("x")]),
        ("retry: \u0661\ndata: x\n\n".encode(), [M("x")]),
        (b"retry: 00\ndata: x\n\n", [M("x", retry=0)]),
        (b"retry: " + b"9" * 5000 + b"\ndata: x\n\n", [M("x")]),
        (b"Data: x\n data: x\ndatax: x\nunknown\n\n", []),
        (b"data: a: b\n\n", [M("a: b")]),
        (b"::\n:data: x\n\n", []),
        # characters
        (b"\xef\xbb\xbfdata: x\n\n", [M("x")]),
        (b"\xef\xbb\xbf\xef\xbb\xbfdata: x\n\ndata: y\n\n", [M("y")]),
        (b"data: x\n\n\xef\xbb\xbfdata: y\n\n", [M("x")]),
        (b"data: \xff\n\n", [M("\ufffd")]),
        (b"data: \xe2\x80\n\n", [M("\ufffd")]),
        (b"data: a\x00b\n\n", [M("a\x00b")]),
        ("data: a\u2028b\x0bc\x0cd\x85\n\n".encode(), [M("a\u2028b\x0bc\x0cd\x85")]),
        (b"", []),
        (b"\n\n\r\r\r\n", []),
    ],
)  # fmt: skip
def test_a_stream_is_read_as_the_standard_says(stream: bytes, events: list[ServerSentEvent]) -> None:
    assert decode(stream) == events
    decoder = EventDecoder()
    assert [event for at in range(len(stream)) for event in decoder.feed(stream[at : at + 1])] == events


@given(st.binary(max_size=60) | st.text("\r\n: adtie\0", max_size=60).map(str.encode), st.integers(1, 9))
def test_pieces_make_no_difference(stream: bytes, size: int) -> None:
    decoder = EventDecoder()
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [event for piece in pieces for event in decoder.feed(piece)] == decode(stream)


def test_an_event_is_out_with_its_last_byte() -> None:
    decoder = EventDecoder()
    assert decoder.feed(b"data: x\r\r") == [M("x")]
    assert decoder.feed(b"\ndata: y\r\n\r") == [M("y")]
    assert decoder.feed(b"\n\n") == []


def test_ids_and_delays_go_on_over_events_and_streams() -> None:
    decoder = EventDecoder("7")
    assert decoder.feed(b"data: x\n\n") == [M("x", id="7")]
    decoder.feed(b"id: 8\nretry: 5\n")
    assert decoder.last_id == "7"  # not before the event is complete
    decoder.feed(b"\n")
    assert (decoder.last_id, decoder.retry) == ("8", 5)


@pytest.mark.parametrize(
    "stream", [b"data: " + b"x" * 200, b"data: x\n" * 20, b"x" * 101, b":" * 101, b"id: " + b"1" * 100]
)
def test_an_event_that_grows_too_large_is_an_error(stream: bytes) -> None:
    decoder = EventDecoder(limit=100)

    def feed() -> None:
        for at in range(0, len(stream), 10):
            decoder.feed(stream[at : at + 10])

    with pytest.raises(DecodingError, match="max_event_size") as caught:
        feed()
    assert caught.value.limit == 100


def test_the_limit_is_that_of_one_event_and_comments_cost_nothing() -> None:
    decoder = EventDecoder(limit=100)
    for _ in range(50):
        assert decoder.feed(b"data: " + b"x" * 80 + b"\n\n")
        decoder.feed(b": still there\n")
    assert EventDecoder(limit=None).feed(b"data: " + b"x" * 2_000_000 + b"\n\n")


def test_data_may_be_json() -> None:
    assert M('{"a": [1]}').json() == {"a": [1]}
    with pytest.raises(ValueError):
        M("no").json()


def response_of(content: bytes, content_type: str | None = "text/event-stream; charset=utf-8") -> Response:
    headers = {} if content_type is None else {"Content-Type": content_type}
    return Response(200, headers, content, request=Request("GET", "http://user:hunter2@a.example/events"))


def test_a_response_gives_its_events() -> None:
    events = Events(response_of(b"data: x\n\nid: 5\ndata: y\n\nretry: 7\n"), None)
    assert list(events) == [M("x"), M("y", id="5")]
    assert (events.decoder.last_id, events.decoder.retry) == ("5", 7)


async def test_events_are_read_asynchronously_too() -> None:
    assert [event async for event in Events(response_of(b"data: x\n\ndata: y\n\n"), None)] == [M("x"), M("y")]


@pytest.mark.parametrize("size", [1, 7, 100])
def test_what_is_complete_before_an_event_that_is_too_large_is_given_however_it_is_cut(size: int) -> None:
    stream = b"data: x\n\ndata: y\n\n" + b"data: " + b"z" * 20 + b"\n\ndata: late\n\n"
    decoder = EventDecoder(limit=16)
    events: list[ServerSentEvent] = []

    def feed() -> None:
        for at in range(0, len(stream) + size, size):
            events.extend(decoder.feed(stream[at : at + size]))

    with pytest.raises(DecodingError, match="max_event_size"):
        feed()
    assert events == [M("x"), M("y")]
    with pytest.raises(DecodingError):
        decoder.feed(b"\n\ndata: w\n\n")


def test_the_events_before_one_that_is_too_large_come_first() -> None:
    events = Events(response_of(b"data: x\n\ndata: 12345678901234567890\n\n"), 16)
    assert next(events) == M("x")
    with pytest.raises(DecodingError, match=r"a\.example"):
        next(events)


def test_an_error_says_where_it_comes_from() -> None:
    with pytest.raises(DecodingError, match=r"a\.example") as caught:
        drive_ready(Events(response_of(b"data: 12345678\n\n"), 5)._advance())
    assert caught.value.request is not None


@pytest.mark.parametrize("content_type", ["text/html", "application/json", "text/event-streams", "", None])
def test_another_type_is_refused(content_type: str | None) -> None:
    with pytest.raises(RemoteProtocolError, match="text/event-stream") as caught:
        check_type(response_of(b"", content_type))
    assert "hunter2" not in str(caught.value)
    assert caught.value.host == "a.example"


def test_the_type_is_read_without_case_or_parameters() -> None:
    check_type(response_of(b"", "Text/Event-Stream;charset=x"))
    assert list(Response(200, {"Content-Type": "text/event-stream"}, b"data: x\n\n").iter_sse()) == [M("x")]
