from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.protocol import events
from hyperhttp.protocol.http2 import H2Config
from hyperhttp.protocol.http2.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

DATA, HEADERS, RST_STREAM, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 8, 9
END_STREAM, END_HEADERS, PADDED, HAS_PRIORITY = 0x1, 0x4, 0x8, 0x20


def test_a_small_response_makes_two_calls(conversation: Any) -> None:
    stream, listener = conversation.request()
    conversation.feed(conversation.headers(1, [("content-length", "5")]), conversation.data(1, b"hello", end=True))
    assert listener.events == [("head", 200, False), ("data", b"hello", True)]
    head = listener.head
    assert (head.http_version, head.reason, head.content_length) == ("HTTP/2", "", 5)
    assert head.flags == events.CONTENT_LENGTH
    assert [field[:2] for field in head.fields] == [(b"content-length", b"5")]
    assert conversation.connection.open_streams == 0
    assert stream.is_ended
    assert conversation.sent() == []


def test_each_response_owns_its_fields(conversation: Any) -> None:
    heads = []
    for stream_id in (1, 3):
        _, listener = conversation.request()
        conversation.feed(conversation.frame(HEADERS, 5, stream_id, b"\x88\x00\x01a\x01b"))
        listener.head.fields.append((b"added", b""))
        heads.append(listener.head)
    assert [[field[0] for field in head.fields] for head in heads] == [[b"a", b"added"]] * 2


def test_responses_are_told_apart_by_their_streams(conversation: Any) -> None:
    _, first = conversation.request()
    _, second = conversation.request()
    conversation.feed(
        conversation.headers(3),
        conversation.headers(1),
        conversation.data(1, b"one"),
        conversation.data(3, b"two", end=True),
        conversation.data(1, b"", end=True),
    )
    assert (first.body, second.body) == (b"one", b"two")


def test_a_response_without_content_ends_with_its_head(conversation: Any) -> None:
    _, listener = conversation.request()
    conversation.feed(conversation.headers(1, [("content-length", "0")], status=404, end=True))
    assert listener.events == [("head", 404, True)]


@pytest.mark.parametrize(("method", "status"), [(b"HEAD", 200), (b"GET", 304), (b"GET", 204)])
def test_a_length_without_content_is_right_where_there_is_none(conversation: Any, method: bytes, status: int) -> None:
    _, listener = conversation.request(method)
    conversation.feed(conversation.headers(1, [("content-length", "99")], status=status, end=True))
    assert listener.events == [("head", status, True)]
    _, listener = conversation.request(method)
    conversation.feed(conversation.headers(3, status=status), conversation.data(3, b"x", end=True))
    assert listener.events[-1] == ("reset", ErrorCode.PROTOCOL_ERROR, False)


def test_interim_responses_come_before_the_head(conversation: Any) -> None:
    _, listener = conversation.request()
    conversation.feed(
        conversation.headers(1, status=100),
        conversation.headers(1, status=103),
        conversation.headers(1, end=True),
    )
    assert listener.events == [("interim", 100), ("interim", 103), ("head", 200, True)]


def test_endless_interim_responses_end_the_stream(converse: Callable[..., Any]) -> None:
    conversation = converse(config=H2Config(max_interim_responses=3))
    _, listener = conversation.request()
    for _ in range(4):
        conversation.feed(conversation.headers(1, status=103))
    assert listener.events == [("interim", 103)] * 3 + [("reset", ErrorCode.ENHANCE_YOUR_CALM, False)]
    assert conversation.reset_codes() == [(1, ErrorCode.ENHANCE_YOUR_CALM)]


def test_trailers_end_a_response(conversation: Any) -> None:
    _, listener = conversation.request()
    conversation.feed(
        conversation.headers(1, [("content-length", "1")]),
        conversation.data(1, b"x"),
        conversation.headers(1, [("checksum", "7")], status=None, end=True),
    )
    assert listener.events[1:] == [("data", b"x", False), ("trailers", [(b"checksum", b"7")])]
    assert conversation.connection.open_streams == 0


def padded(conversation: Any, kind: int, flags: int, payload: bytes, padding: int) -> Any:
    return conversation.frame(kind, flags | PADDED, 1, bytes((padding,)) + payload + bytes(padding))


def test_padding_is_taken_off_and_given_back_to_the_window(converse: Callable[..., Any]) -> None:
    conversation = converse(config=H2Config(stream_window=400))
    stream, listener = conversation.request()
    conversation.feed(
        padded(conversation, HEADERS, END_HEADERS, b"\x88", 9), padded(conversation, DATA, 0, b"hello", 250)
    )
    assert listener.events == [("head", 200, False), ("data", b"hello", False)]
    assert conversation.sent() == [(WINDOW_UPDATE, 0, 1, (251).to_bytes(4, "big"))]
    assert stream.receive_left == 395


def test_priority_in_a_head_is_skipped(conversation: Any) -> None:
    _, listener = conversation.request()
    payload = b"\x80\0\0\x05\x10" + b"\x88"
    conversation.feed(conversation.frame(HEADERS, END_STREAM | END_HEADERS | HAS_PRIORITY, 1, payload))
    assert listener.events == [("head", 200, True)]


class TestContinuation:
    def test_a_block_may_come_in_pieces(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.feed(
            conversation.frame(HEADERS, END_STREAM, 1, b"\x88\x00\x01"),
            conversation.frame(CONTINUATION, 0, 1, b""),
            conversation.frame(CONTINUATION, END_HEADERS, 1, b"a\x01b"),
        )
        assert listener.events == [("head", 200, True)]
        assert [field[:2] for field in listener.head.fields] == [(b"a", b"b")]

    @pytest.mark.parametrize(
        ("kind", "stream_id"),
        [(DATA, 1), (HEADERS, 1), (CONTINUATION, 3), (6, 0), (0x77, 0), (RST_STREAM, 1)],
    )
    def test_nothing_may_come_between_them(self, conversation: Any, kind: int, stream_id: int) -> None:
        _, listener = conversation.request()
        conversation.feed(
            conversation.frame(HEADERS, 0, 1, b"\x88"),
            conversation.frame(kind, END_HEADERS, stream_id, bytes(8)),
        )
        assert conversation.goaway_code() == ErrorCode.PROTOCOL_ERROR
        assert listener.events == [("reset", ErrorCode.PROTOCOL_ERROR, False)]

    @pytest.mark.parametrize("size", [0, 1, 1000])
    def test_an_endless_block_ends_the_connection(self, converse: Callable[..., Any], size: int) -> None:
        """CVE-2023-45288 and its kin: nothing is delivered, so nobody else would ever stop it."""
        conversation = converse(config=H2Config(max_header_list_size=16_384))
        conversation.request()
        conversation.feed(conversation.frame(HEADERS, 0, 1, b"\x88"))
        conversation.feed(*[conversation.frame(CONTINUATION, 0, 1, bytes(size))] * 15)
        assert not conversation.connection.closed
        conversation.feed(*[conversation.frame(CONTINUATION, 0, 1, bytes(size))] * 5)
        assert conversation.goaway_code() == ErrorCode.ENHANCE_YOUR_CALM
        assert conversation.connection._continuation is None


class TestMalformedMessages:
    """They are errors of one stream: RST_STREAM, and its listener hears why. The siblings never notice."""

    @pytest.mark.parametrize(
        ("fields", "status"),
        [
            ([("X-Upper", "x")], 200),
            ([("connection", "close")], 200),
            ([("transfer-encoding", "chunked")], 200),
            ([("a", "x\r\ny")], 200),
            ([(":path", "/")], 200),
            ([(":status", "200")], 200),
            ([("content-length", "x")], 200),
            ([("content-length", "1"), ("content-length", "2")], 200),
            ([], 101),
            ([], 99),
            ([("a", "b")], None),
        ],
    )
    def test_a_malformed_head(self, conversation: Any, fields: list[tuple[str, str]], status: int | None) -> None:
        _, listener = conversation.request()
        _, sibling = conversation.request()
        conversation.feed(conversation.headers(1, fields, status=status), conversation.headers(3, end=True))
        assert listener.events == [("reset", ErrorCode.PROTOCOL_ERROR, False)]
        assert "malformed" in str(listener.errors[0])
        assert sibling.events == [("head", 200, True)]
        assert conversation.reset_codes() == [(1, ErrorCode.PROTOCOL_ERROR)]

    def test_header_fields_over_the_limit(self, converse: Callable[..., Any]) -> None:
        conversation = converse(config=H2Config(max_header_list_size=16_384))
        _, listener = conversation.request()
        _, sibling = conversation.request()
        conversation.feed(
            conversation.headers(1, [("a", "x" * 9000), ("b", "x" * 9000)]), conversation.headers(3, end=True)
        )
        assert "too large" in str(listener.errors[0])
        assert sibling.events == [("head", 200, True)]

    def test_an_interim_response_that_ends_the_stream(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.feed(conversation.headers(1, status=103, end=True))
        assert listener.events == [("reset", ErrorCode.PROTOCOL_ERROR, False)]

    def test_content_before_the_head(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.feed(conversation.data(1, b"x"))
        assert listener.events == [("reset", ErrorCode.PROTOCOL_ERROR, False)]

    def test_trailers_that_are_not_the_end(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.feed(conversation.headers(1), conversation.headers(1, [("a", "b")], status=None))
        assert listener.events[1:] == [("reset", ErrorCode.PROTOCOL_ERROR, False)]

    def test_trailers_with_a_status(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.feed(conversation.headers(1), conversation.headers(1, end=True))
        assert listener.events[1:] == [("reset", ErrorCode.PROTOCOL_ERROR, False)]

    def test_content_shorter_than_its_length(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.feed(conversation.headers(1, [("content-length", "5")]), conversation.data(1, b"four", end=True))
        assert listener.events[1:] == [("reset", ErrorCode.PROTOCOL_ERROR, False)]
        assert "1 bytes before" in str(listener.errors[0])

    def test_content_longer_than_its_length(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.feed(conversation.headers(1, [("content-length", "5")]), conversation.data(1, b"sixsix"))
        assert listener.events[1:] == [("reset", ErrorCode.PROTOCOL_ERROR, False)]
        assert "longer" in str(listener.errors[0])

    def test_a_length_and_no_content_at_all(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.feed(conversation.headers(1, [("content-length", "5")], end=True))
        assert listener.events == [("reset", ErrorCode.PROTOCOL_ERROR, False)]

    def test_trailers_before_the_whole_content(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.feed(
            conversation.headers(1, [("content-length", "5")]), conversation.headers(1, status=None, end=True)
        )
        assert listener.events[1:] == [("reset", ErrorCode.PROTOCOL_ERROR, False)]


class TestEndedStreams:
    def test_frames_for_a_stream_never_opened_end_the_connection(self, conversation: Any) -> None:
        for stream_id in (0, 1, 2):
            for kind in (DATA, HEADERS):
                conversation = type(conversation)()
                conversation.feed(conversation.frame(kind, END_HEADERS, stream_id, b"\x88"))
                assert conversation.goaway_code() == ErrorCode.PROTOCOL_ERROR

    @pytest.mark.parametrize("kind", [DATA, HEADERS])
    def test_frames_after_the_end_of_a_response_end_the_connection(self, conversation: Any, kind: int) -> None:
        _, listener = conversation.request()
        conversation.feed(conversation.headers(1, end=True), conversation.frame(kind, END_HEADERS, 1, b"\x88"))
        assert conversation.goaway_code() == ErrorCode.STREAM_CLOSED
        assert listener.events == [("head", 200, True)]

    @pytest.mark.parametrize("kind", [DATA, HEADERS])
    def test_frames_after_the_end_stop_an_upload(self, conversation: Any, kind: int) -> None:
        stream, listener = conversation.request(upload=True)
        conversation.feed(conversation.headers(1, end=True), conversation.frame(kind, END_HEADERS, 1, b"\x88"))
        assert conversation.reset_codes() == [(1, ErrorCode.STREAM_CLOSED)]
        assert listener.events == [("head", 200, True), ("window",)]
        assert stream.send_closed

    @pytest.mark.parametrize("kind", [DATA, HEADERS])
    def test_frames_after_the_peers_own_reset_are_answered_once(self, conversation: Any, kind: int) -> None:
        conversation.request()
        frame = conversation.frame(kind, END_HEADERS, 1, b"\x88")
        conversation.feed(conversation.rst_stream(1, 8), frame, frame)
        assert conversation.reset_codes() == [(1, ErrorCode.STREAM_CLOSED)]

    def test_a_head_of_a_reset_stream_still_fills_the_table(self, conversation: Any) -> None:
        stream, _ = conversation.request()
        _, listener = conversation.request()
        conversation.connection.reset_stream(stream)
        conversation.feed(conversation.headers(1, [("x-a", "1")]), conversation.headers(3, [("x-a", "1")], end=True))
        assert [field[:2] for field in listener.head.fields] == [(b"x-a", b"1")]

    def test_very_old_resets_are_forgotten_in_favour_of_the_peer(self, conversation: Any) -> None:
        for _ in range(1500):
            stream, _ = conversation.request(flush=False)
            conversation.connection.reset_stream(stream)
        conversation.sent()
        assert len(conversation.connection._resets) == 1000
        conversation.feed(conversation.data(1, b"x"), conversation.data(2999, b"x"))
        assert conversation.sent() == []


def test_a_block_that_cannot_be_decoded_ends_the_connection(conversation: Any) -> None:
    _, listener = conversation.request()
    conversation.feed(conversation.frame(HEADERS, END_HEADERS, 1, b"\x80"))
    assert conversation.goaway_code() == ErrorCode.COMPRESSION_ERROR
    assert listener.events == [("reset", ErrorCode.COMPRESSION_ERROR, False)]


def test_a_tunnel_has_no_length(conversation: Any) -> None:
    _, listener = conversation.request(b"CONNECT", authority=b"example.com:443", path=b"", scheme=b"", upload=True)
    conversation.feed(conversation.headers(1, [("content-length", "1")]), conversation.data(1, b"many bytes"))
    assert listener.body == b"many bytes"
