from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.protocol.http2 import H2Config
from hyperhttp.protocol.http2.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
ACK = 1


class TestSettings:
    def test_they_are_acknowledged_each_time(self, conversation: Any) -> None:
        conversation.feed(conversation.settings([(3, 5)]), conversation.settings([]))
        assert conversation.sent() == [(SETTINGS, ACK, 0, b"")] * 2
        assert conversation.notices.events == ["settings", "settings"]

    def test_an_acknowledgement_is_noted(self, converse: Callable[..., Any]) -> None:
        conversation = converse(greet=False)
        conversation.feed(conversation.settings([]))
        assert not conversation.connection.settings_acknowledged
        conversation.feed(conversation.frame(SETTINGS, ACK, 0))
        assert conversation.connection.settings_acknowledged

    def test_a_smaller_header_table_is_announced_in_the_next_request(self, conversation: Any) -> None:
        conversation.request()
        conversation.feed(conversation.settings([(1, 0)]))
        conversation.sent()
        conversation.request(flush=False)
        assert conversation.sent()[0][3][0] == 0x20

    def test_a_window_that_grows_too_far_ends_the_connection(self, conversation: Any) -> None:
        conversation.request(upload=True)
        conversation.feed(conversation.window_update(1, 2**31 - 1 - 65_535), conversation.settings([(4, 65_536)]))
        assert conversation.goaway_code() == ErrorCode.FLOW_CONTROL_ERROR

    def test_extended_connect_is_recorded(self, conversation: Any) -> None:
        assert not conversation.connection.peer.enable_connect_protocol
        conversation.feed(conversation.settings([(8, 1)]))
        assert conversation.connection.peer.enable_connect_protocol


class TestPing:
    def test_it_is_answered_with_the_same_bytes(self, conversation: Any) -> None:
        conversation.feed(conversation.frame(PING, 0, 0, b"12345678"))
        assert conversation.sent() == [(PING, ACK, 0, b"12345678")]

    def test_an_answer_is_reported(self, conversation: Any) -> None:
        conversation.feed(conversation.frame(PING, ACK, 0, b"12345678"))
        assert conversation.sent() == []
        assert conversation.notices.events == [("pong", b"12345678")]


class TestGoaway:
    def test_streams_above_the_last_number_may_be_sent_again(self, conversation: Any) -> None:
        listeners = [conversation.request()[1] for _ in range(3)]
        conversation.feed(conversation.goaway(3))
        assert [listener.events for listener in listeners] == [[], [], [("reset", 0, True)]]
        assert conversation.notices.events == ["goaway"]
        assert not conversation.connection.can_open
        assert conversation.connection.is_retired
        assert not conversation.connection.closed

    def test_streams_below_it_finish(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.feed(conversation.goaway(1), conversation.headers(1), conversation.data(1, b"x", end=True))
        assert listener.events == [("head", 200, False), ("data", b"x", True)]
        assert conversation.connection.open_streams == 0

    def test_a_graceful_close_comes_in_two_steps(self, conversation: Any) -> None:
        listeners = [conversation.request()[1] for _ in range(2)]
        conversation.feed(conversation.goaway(2**31 - 1))
        assert [listener.events for listener in listeners] == [[], []]
        conversation.feed(conversation.goaway(1))
        assert [listener.events for listener in listeners] == [[], [("reset", 0, True)]]

    def test_the_number_cannot_rise_again(self, conversation: Any) -> None:
        listeners = [conversation.request()[1] for _ in range(2)]
        conversation.feed(conversation.goaway(1), conversation.goaway(7))
        assert [len(listener.events) for listener in listeners] == [0, 1]

    def test_its_code_and_words_are_kept(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.feed(conversation.goaway(0, 11, b"too many pings"))
        assert conversation.connection.goaway == (11, b"too many pings")
        assert listener.events == [("reset", 11, True)]
        assert "too many pings" in str(listener.errors[0])
        assert "ENHANCE_YOUR_CALM" in str(listener.errors[0])

    def test_frames_for_streams_it_gave_up_are_ignored(self, conversation: Any) -> None:
        conversation.request()
        conversation.feed(conversation.goaway(0), conversation.headers(1), conversation.data(1, b"x", end=True))
        assert conversation.goaway_code() is None

    def test_a_response_that_is_complete_stands(self, conversation: Any) -> None:
        stream, listener = conversation.request(upload=True)
        conversation.feed(conversation.headers(1, end=True), conversation.goaway(0))
        assert listener.events == [("head", 200, True), ("window",)]
        assert stream.send_closed


class TestReset:
    def test_a_refused_stream_may_be_sent_again(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.feed(conversation.rst_stream(1, ErrorCode.REFUSED_STREAM))
        assert listener.events == [("reset", ErrorCode.REFUSED_STREAM, True)]
        assert conversation.connection.open_streams == 0

    @pytest.mark.parametrize("code", [0, 1, 2, 5, 8, 11, 12, 13, 0x1234])
    def test_no_other_code_promises_that(self, conversation: Any, code: int) -> None:
        _, listener = conversation.request()
        conversation.feed(conversation.rst_stream(1, code))
        assert listener.events == [("reset", code, False)]

    def test_a_refusal_after_the_head_promises_nothing(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.feed(conversation.headers(1), conversation.rst_stream(1, ErrorCode.REFUSED_STREAM))
        assert listener.events[-1] == ("reset", ErrorCode.REFUSED_STREAM, False)

    def test_an_early_response_stands_and_the_upload_is_told_to_stop(self, conversation: Any) -> None:
        stream, listener = conversation.request(b"POST", upload=True)
        conversation.feed(
            conversation.headers(1, status=413),
            conversation.data(1, b"no", end=True),
            conversation.rst_stream(1, ErrorCode.NO_ERROR),
        )
        assert listener.events == [("head", 413, False), ("data", b"no", True), ("window",)]
        assert stream.send_closed
        assert conversation.connection.send_data(stream, b"more") == 4
        assert conversation.sent() == []

    def test_the_siblings_go_on(self, conversation: Any) -> None:
        conversation.request()
        _, listener = conversation.request()
        conversation.feed(conversation.rst_stream(1, 2), conversation.headers(3, end=True))
        assert listener.events == [("head", 200, True)]

    def test_after_the_end_of_a_stream_it_means_nothing(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.feed(conversation.headers(1, end=True), conversation.rst_stream(1, 0))
        assert listener.events == [("head", 200, True)]
        assert conversation.goaway_code() is None


class TestWindowUpdate:
    def test_by_nothing_it_is_an_error_of_the_stream(self, conversation: Any) -> None:
        _, listener = conversation.request(upload=True)
        conversation.feed(conversation.window_update(1, 0))
        assert conversation.reset_codes() == [(1, ErrorCode.PROTOCOL_ERROR)]
        assert listener.events == [("reset", ErrorCode.PROTOCOL_ERROR, False)]

    def test_too_far_it_is_an_error_of_the_stream(self, conversation: Any) -> None:
        conversation.request(upload=True)
        conversation.feed(conversation.window_update(1, 2**31 - 1))
        assert conversation.reset_codes() == [(1, ErrorCode.FLOW_CONTROL_ERROR)]

    def test_by_nothing_it_is_an_error_of_the_connection(self, conversation: Any) -> None:
        conversation.feed(conversation.window_update(0, 0))
        assert conversation.goaway_code() == ErrorCode.PROTOCOL_ERROR

    def test_too_far_it_is_an_error_of_the_connection(self, conversation: Any) -> None:
        conversation.feed(conversation.window_update(0, 2**31 - 1))
        assert conversation.goaway_code() == ErrorCode.FLOW_CONTROL_ERROR

    def test_exactly_to_the_limit_is_allowed(self, conversation: Any) -> None:
        conversation.feed(conversation.window_update(0, 2**31 - 1 - 65_535))
        assert conversation.goaway_code() is None

    def test_for_an_ended_stream_it_means_nothing(self, conversation: Any) -> None:
        conversation.request()
        conversation.feed(conversation.headers(1, end=True), conversation.window_update(1, 0))
        assert conversation.goaway_code() is None


class TestPriority:
    def test_it_is_ignored_on_any_stream(self, conversation: Any) -> None:
        conversation.feed(conversation.frame(PRIORITY, 0, 77, bytes(5)))
        assert conversation.sent() == []

    def test_a_wrong_size_is_an_error_of_the_stream(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.feed(conversation.frame(PRIORITY, 0, 1, bytes(4)), conversation.frame(PRIORITY, 0, 9, b""))
        assert conversation.reset_codes() == [
            (1, ErrorCode.FRAME_SIZE_ERROR),
            (9, ErrorCode.FRAME_SIZE_ERROR),
        ]
        assert listener.events == [("reset", ErrorCode.FRAME_SIZE_ERROR, False)]


def test_frames_of_unknown_types_are_ignored(conversation: Any) -> None:
    _, listener = conversation.request()
    unknown = [conversation.frame(kind, 0xFF, number, b"?") for kind in (0xA, 0xC, 0x10, 0xFF) for number in (0, 1, 9)]
    conversation.feed(*unknown, conversation.headers(1, end=True))
    assert conversation.sent() == []
    assert listener.events == [("head", 200, True)]


@pytest.mark.parametrize(
    ("kind", "flags", "stream_id", "payload", "code"),
    [
        (SETTINGS, 0, 1, b"", ErrorCode.PROTOCOL_ERROR),
        (SETTINGS, 0, 0, b"123", ErrorCode.FRAME_SIZE_ERROR),
        (SETTINGS, ACK, 0, bytes(6), ErrorCode.FRAME_SIZE_ERROR),
        (SETTINGS, 0, 0, b"\0\x02\0\0\0\x01", ErrorCode.PROTOCOL_ERROR),
        (SETTINGS, 0, 0, b"\0\x05\0\0\0\0", ErrorCode.PROTOCOL_ERROR),
        (PING, 0, 1, bytes(8), ErrorCode.PROTOCOL_ERROR),
        (PING, 0, 0, bytes(7), ErrorCode.FRAME_SIZE_ERROR),
        (GOAWAY, 0, 1, bytes(8), ErrorCode.PROTOCOL_ERROR),
        (GOAWAY, 0, 0, bytes(7), ErrorCode.FRAME_SIZE_ERROR),
        (WINDOW_UPDATE, 0, 0, bytes(3), ErrorCode.FRAME_SIZE_ERROR),
        (WINDOW_UPDATE, 0, 9, bytes(4), ErrorCode.PROTOCOL_ERROR),
        (WINDOW_UPDATE, 0, 2, bytes(4), ErrorCode.PROTOCOL_ERROR),
        (RST_STREAM, 0, 0, bytes(4), ErrorCode.PROTOCOL_ERROR),
        (RST_STREAM, 0, 1, bytes(5), ErrorCode.FRAME_SIZE_ERROR),
        (RST_STREAM, 0, 9, bytes(4), ErrorCode.PROTOCOL_ERROR),
        (PRIORITY, 0, 0, bytes(5), ErrorCode.PROTOCOL_ERROR),
        (PUSH_PROMISE, 4, 1, struct.pack(">I", 2) + b"\x82", ErrorCode.PROTOCOL_ERROR),
        (CONTINUATION, 4, 1, b"\x88", ErrorCode.PROTOCOL_ERROR),
    ],
)
def test_malformed_frames_end_the_connection(
    conversation: Any, kind: int, flags: int, stream_id: int, payload: bytes, code: ErrorCode
) -> None:
    _, listener = conversation.request()
    conversation.feed(conversation.frame(kind, flags, stream_id, payload))
    assert conversation.goaway_code() == code
    assert listener.events == [("reset", code, False)]
    assert conversation.connection.closed
    assert not conversation.connection.can_open


class TestFloods:
    """Frames without content are taken in proportion to those with content, whatever their type."""

    @pytest.mark.parametrize(
        ("name", "frame"),
        [
            ("PING answers", (PING, ACK, 0, bytes(8))),
            ("PRIORITY", (PRIORITY, 0, 1, bytes(5))),
            ("WINDOW_UPDATE", (WINDOW_UPDATE, 0, 0, b"\0\0\0\x01")),
            ("WINDOW_UPDATE of an ended stream", (WINDOW_UPDATE, 0, 1, b"\0\0\0\x01")),
            ("RST_STREAM of an ended stream", (RST_STREAM, 0, 1, bytes(4))),
            ("SETTINGS acknowledgements", (SETTINGS, ACK, 0, b"")),
            ("GOAWAY", (GOAWAY, 0, 0, b"\x7f\xff\xff\xff\0\0\0\0")),
            ("unknown", (0x77, 0, 0, b"")),
            ("empty DATA", (DATA, 0, 3, b"")),
            ("DATA of a reset stream", (DATA, 0, 5, b"x")),
        ],
    )
    def test_they_end_the_connection(
        self, converse: Callable[..., Any], name: str, frame: tuple[int, int, int, bytes]
    ) -> None:
        conversation = converse(config=H2Config(control_budget=100))
        conversation.request()
        conversation.request()
        stream, _ = conversation.request()
        conversation.feed(conversation.headers(1, end=True), conversation.headers(3))
        conversation.connection.reset_stream(stream)
        conversation.feed(*[conversation.frame(*frame)] * 60)
        assert not conversation.connection.closed
        conversation.feed(*[conversation.frame(*frame)] * 60)
        assert conversation.goaway_code() == ErrorCode.ENHANCE_YOUR_CALM

    @pytest.mark.parametrize("frame", [(PING, 0, 0, bytes(8)), (SETTINGS, 0, 0, b"")])
    def test_answers_do_not_pile_up(self, converse: Callable[..., Any], frame: tuple[int, int, int, bytes]) -> None:
        conversation = converse(config=H2Config(max_replies=10))
        for _ in range(5):
            conversation.feed(*[conversation.frame(*frame)] * 10)
            assert len(conversation.sent()) == 10
        conversation.feed(*[conversation.frame(*frame)] * 11)
        assert conversation.goaway_code() == ErrorCode.ENHANCE_YOUR_CALM

    def test_content_makes_up_for_them(self, converse: Callable[..., Any]) -> None:
        conversation = converse(config=H2Config(control_budget=20))
        conversation.request()
        conversation.feed(conversation.headers(1))
        for _ in range(50):
            pings = [conversation.frame(PING, 0, 0, bytes(8))] * 8
            conversation.feed(conversation.data(1, b"x"), *pings)
            conversation.sent()
        assert not conversation.connection.closed

    def test_content_we_send_makes_up_for_them(self, converse: Callable[..., Any]) -> None:
        """A server answers each piece of an upload with WINDOW_UPDATE and has nothing else to say."""
        conversation = converse(config=H2Config(control_budget=20))
        stream, _ = conversation.request(b"POST", upload=True)
        for _ in range(100):
            assert conversation.connection.send_data(stream, b"x" * 100) == 100
            conversation.feed(conversation.window_update(0, 100), conversation.window_update(1, 100))
        assert not conversation.connection.closed

    def test_whoever_has_a_clock_may_forgive_them(self, converse: Callable[..., Any]) -> None:
        conversation = converse(config=H2Config(control_budget=20))
        for _ in range(10):
            conversation.connection.renew_budget()
            conversation.feed(*[conversation.frame(PING, ACK, 0, bytes(8))] * 20)
        assert not conversation.connection.closed

    def test_credit_is_not_saved_up_without_end(self, converse: Callable[..., Any]) -> None:
        conversation = converse(config=H2Config(control_budget=20))
        conversation.request()
        conversation.feed(conversation.headers(1), *[conversation.data(1, b"x")] * 1000)
        conversation.feed(*[conversation.frame(PING, ACK, 0, bytes(8))] * 21)
        assert conversation.connection.closed
