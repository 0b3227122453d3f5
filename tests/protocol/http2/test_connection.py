from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.exceptions import LocalProtocolError, ReadError
from hyperhttp.protocol.http2 import H2Config, H2Connection
from hyperhttp.protocol.http2.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

DATA, HEADERS, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 4, 6, 7, 8


def test_it_begins_with_preface_settings_and_window() -> None:
    connection = H2Connection(H2Config(stream_window=1 << 20, connection_window=1 << 24))
    assert not connection.has_data_to_send
    connection.initiate()
    assert connection.has_data_to_send
    data = connection.data_to_send()
    assert data.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x18\x04\0\0\0\0\0\0\x02\0\0\0\0\0\x04\0\x10\0\0")
    assert data.endswith(b"\0\0\x04\x08\0\0\0\0\0" + ((1 << 24) - 65_535).to_bytes(4, "big"))
    assert connection.data_to_send() == b""


def test_a_request_may_be_sent_before_the_servers_settings(converse: Callable[..., Any]) -> None:
    conversation = converse(greet=False)
    _, listener = conversation.request(flush=False)
    assert [frame[0] for frame in conversation.sent()] == [SETTINGS, WINDOW_UPDATE, HEADERS]
    conversation.feed(conversation.settings([]), conversation.headers(1, end=True))
    assert listener.events == [("head", 200, True)]


@pytest.mark.parametrize(("kind", "flags"), [(PING, 0), (HEADERS, 4), (DATA, 0), (SETTINGS, 1), (0x77, 0)])
def test_a_server_has_to_begin_with_its_settings(converse: Callable[..., Any], kind: int, flags: int) -> None:
    conversation = converse(greet=False)
    conversation.feed(conversation.frame(kind, flags, 0, bytes(0 if kind == SETTINGS else 8)))
    assert conversation.goaway_code() == ErrorCode.PROTOCOL_ERROR


def test_a_server_that_speaks_http1_is_recognised(converse: Callable[..., Any]) -> None:
    conversation = converse(greet=False)
    _, listener = conversation.request()
    conversation.feed(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    assert "does not speak HTTP/2" in str(listener.errors[0])
    assert "400 Bad Request" in str(conversation.connection.error)


def whole_conversation(conversation: Any) -> list[Any]:
    listeners = [conversation.request(upload=number == 1)[1] for number in range(3)]
    data = b"".join(
        [
            conversation.headers(1, [("content-length", "6")]),
            conversation.data(1, b"abc"),
            conversation.frame(PING, 0, 0, b"12345678"),
            conversation.headers(3, status=103),
            conversation.headers(3, [("x-y", "z")]),
            conversation.data(1, b"def", end=True),
            conversation.data(3, bytes(5000)),
            conversation.headers(3, [("t", "u")], status=None, end=True),
            conversation.rst_stream(5, 2),
        ]
    )
    return [listeners, data]


def joined(events: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [(*event[:2], *event[2:]) for event in events]


@pytest.mark.parametrize("size", [1, 2, 3, 8, 9, 10, 13, 100, 4096])
def test_fed_in_pieces_is_fed_whole(converse: Callable[..., Any], size: int) -> None:
    whole, pieces = converse(), converse()
    expected, data = whole_conversation(whole)
    whole.feed(data)
    found, data = whole_conversation(pieces)
    for start in range(0, len(data), size):
        pieces.feed(data[start : start + size])
    assert [listener.events for listener in found] == [listener.events for listener in expected]
    assert pieces.sent() == whole.sent()


def test_a_view_of_a_buffer_may_be_overwritten_afterwards(converse: Callable[..., Any]) -> None:
    whole, viewed = converse(), converse()
    expected, data = whole_conversation(whole)
    whole.feed(data)
    found, data = whole_conversation(viewed)
    buffer = bytearray(64)
    for start in range(0, len(data), 64):
        piece = data[start : start + 64]
        buffer[: len(piece)] = piece
        viewed.connection.receive_data(memoryview(buffer)[: len(piece)])
        buffer[:] = b"\xee" * 64
    assert [listener.events for listener in found] == [listener.events for listener in expected]


def test_only_an_incomplete_frame_is_kept(conversation: Any) -> None:
    conversation.request()
    conversation.feed(
        conversation.headers(1), conversation.data(1, bytes(10_000)), conversation.data(1, bytes(90))[:50]
    )
    assert len(conversation.connection._tail) == 50


@pytest.mark.parametrize("cut", [3, 9, 12])
def test_a_frame_that_is_too_large_is_not_waited_for(conversation: Any, cut: int) -> None:
    _, listener = conversation.request()
    frame = conversation.frame(DATA, 0, 1, bytes(16_385))
    conversation.feed(frame[:cut])
    conversation.feed(frame[cut:20])
    assert conversation.goaway_code() == ErrorCode.FRAME_SIZE_ERROR
    assert listener.events == [("reset", ErrorCode.FRAME_SIZE_ERROR, False)]
    assert conversation.connection._tail == b""


def test_the_reserved_bit_of_a_stream_number_is_ignored(conversation: Any) -> None:
    _, listener = conversation.request()
    conversation.feed(conversation.frame(HEADERS, 5, 0x80000001, b"\x88"))
    assert listener.events == [("head", 200, True)]


def test_a_ping_carries_eight_bytes(conversation: Any) -> None:
    conversation.connection.ping()
    conversation.connection.ping(b"12345678")
    assert [frame[3] for frame in conversation.sent()] == [b"liveness", b"12345678"]
    with pytest.raises(LocalProtocolError):
        conversation.connection.ping(b"short")


class TestClose:
    def test_open_streams_go_on_and_no_new_one_begins(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.connection.close()
        assert conversation.goaway_code() == ErrorCode.NO_ERROR
        assert not conversation.connection.can_open
        conversation.feed(conversation.headers(1, end=True))
        assert listener.events == [("head", 200, True)]

    def test_a_closed_connection_says_nothing_more(self, conversation: Any) -> None:
        conversation.connection.connection_lost(ReadError)
        conversation.connection.close()
        conversation.connection.receive_data(conversation.frame(PING, 0, 0, bytes(8)))
        assert conversation.sent() == []


class TestConnectionLost:
    def test_every_stream_gets_an_error_of_its_own(self, conversation: Any) -> None:
        listeners = [conversation.request()[1] for _ in range(2)]
        conversation.connection.connection_lost(lambda: ReadError("gone"))
        assert [listener.events for listener in listeners] == [[("reset", None, False)]] * 2
        assert listeners[0].errors[0] is not listeners[1].errors[0]
        assert conversation.connection.closed
        assert conversation.connection.open_streams == 0

    def test_what_never_left_may_be_sent_again(self, conversation: Any) -> None:
        _, sent = conversation.request()
        _, waiting = conversation.request(flush=False)
        conversation.connection.connection_lost(ReadError)
        assert (sent.events, waiting.events) == ([("reset", None, False)], [("reset", None, True)])

    def test_an_error_the_server_announced_is_the_better_reason(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.feed(conversation.goaway(1, 11, b"calm down"))
        conversation.connection.connection_lost(ReadError)
        assert listener.events == [("reset", 11, False)]
        assert "calm down" in str(listener.errors[0])

    def test_a_complete_response_stands(self, conversation: Any) -> None:
        stream, listener = conversation.request(upload=True)
        conversation.feed(conversation.headers(1, end=True))
        conversation.connection.connection_lost(ReadError)
        assert listener.events == [("head", 200, True), ("window",)]
        assert stream.send_closed

    def test_twice_is_once(self, conversation: Any) -> None:
        _, listener = conversation.request()
        conversation.connection.connection_lost(ReadError)
        conversation.connection.connection_lost(ReadError)
        assert len(listener.events) == 1

    def test_a_listener_may_end_the_connection_while_it_listens(self, conversation: Any) -> None:
        _, first = conversation.request()
        _, second = conversation.request()
        first.receive_head = lambda head, end_stream: conversation.connection.connection_lost(ReadError)
        conversation.feed(conversation.headers(1), conversation.headers(3, end=True), b"\0\0")
        assert second.events == [("reset", None, False)]
        assert conversation.connection.error is None
        assert conversation.sent() == []


def test_nothing_more_is_heard_after_a_connection_error(conversation: Any) -> None:
    _, listener = conversation.request()
    conversation.feed(conversation.window_update(0, 0), conversation.headers(1, end=True))
    conversation.feed(conversation.headers(1, end=True))
    assert listener.events == [("reset", ErrorCode.PROTOCOL_ERROR, False)]
    assert conversation.connection.error.error_code == ErrorCode.PROTOCOL_ERROR
    with contextlib.suppress(LocalProtocolError):
        conversation.request()
    assert [frame[0] for frame in conversation.sent()] in ([], [GOAWAY])


def test_a_connection_needs_no_listener() -> None:
    connection = H2Connection()
    connection.initiate()
    connection.receive_data(b"\0\0\0\x04\0\0\0\0\0" + b"\0\0\x08\x06\x01\0\0\0\0" + bytes(8))
    connection.receive_data(b"\0\0\x08\x07\0\0\0\0\0" + bytes(8))
    assert connection.goaway == (0, b"")
    assert not connection.closed
