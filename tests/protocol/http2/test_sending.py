from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.exceptions import LocalProtocolError
from hyperhttp.protocol.http2.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

DATA, HEADERS, CONTINUATION = 0, 1, 9


def test_a_request_is_one_headers_frame(conversation: Any) -> None:
    stream, _ = conversation.request(flush=False, fields=[(b"Accept", b"*/*")])
    [(kind, flags, stream_id, block)] = conversation.sent()
    assert (kind, flags, stream_id) == (HEADERS, 0x5, 1)
    assert stream.stream_id == 1
    assert conversation.decoder.decode(block, raw=True)[-1] == (b"accept", b"*/*")


def test_streams_are_numbered_in_odd_steps(conversation: Any) -> None:
    assert [conversation.request()[0].stream_id for _ in range(3)] == [1, 3, 5]


def test_a_large_head_is_continued(conversation: Any) -> None:
    conversation.request(flush=False, fields=[(b"x-%d" % n, b"\x80" * 500) for n in range(100)])
    sent = conversation.sent()
    assert [frame[0] for frame in sent] == [HEADERS] + [CONTINUATION] * (len(sent) - 1)
    assert len(conversation.decoder.decode(b"".join(frame[3] for frame in sent), raw=True)) == 104


def test_content_is_cut_to_the_peers_frame_size(conversation: Any) -> None:
    stream, _ = conversation.request(b"POST", upload=True)
    assert conversation.connection.send_data(stream, bytes(40_000), end_stream=True) == 40_000
    sent = conversation.sent()
    assert [(frame[0], frame[1], len(frame[3])) for frame in sent] == [
        (DATA, 0, 16_384),
        (DATA, 0, 16_384),
        (DATA, 1, 7232),
    ]
    assert stream.send_closed


def test_a_larger_frame_size_is_used(converse: Callable[..., Any]) -> None:
    conversation = converse([(5, 60_000)])
    stream, _ = conversation.request(b"POST", upload=True)
    conversation.connection.send_data(stream, bytes(50_000))
    assert [len(frame[3]) for frame in conversation.sent()] == [50_000]


def test_views_of_memory_can_be_sent(conversation: Any) -> None:
    stream, _ = conversation.request(b"POST", upload=True)
    assert conversation.connection.send_data(stream, memoryview(b"abcdef")[2:]) == 4
    assert conversation.sent() == [(DATA, 0, 1, b"cdef")]


def test_an_empty_end_is_sent_whatever_the_windows_are(converse: Callable[..., Any]) -> None:
    conversation = converse([(4, 0)])
    stream, listener = conversation.request(b"POST", upload=True)
    assert conversation.connection.send_data(stream, b"abc") == 0
    conversation.connection.send_data(stream, b"", end_stream=True)
    assert conversation.sent() == [(DATA, 1, 1, b"")]
    conversation.feed(conversation.window_update(1, 10))
    assert listener.events == []


def test_nothing_is_sent_for_no_content(conversation: Any) -> None:
    stream, _ = conversation.request(b"POST", upload=True)
    assert conversation.connection.send_data(stream, b"") == 0
    assert conversation.sent() == []


class TestWindows:
    def test_a_stream_waits_for_its_own_window(self, converse: Callable[..., Any]) -> None:
        conversation = converse([(4, 10)])
        stream, listener = conversation.request(b"POST", upload=True)
        assert conversation.connection.send_data(stream, b"x" * 25, end_stream=True) == 10
        assert conversation.sent() == [(DATA, 0, 1, b"x" * 10)]
        assert listener.events == []
        conversation.feed(conversation.window_update(1, 15))
        assert listener.events == [("window",)]
        assert conversation.connection.send_data(stream, b"x" * 15, end_stream=True) == 15
        assert conversation.sent() == [(DATA, 1, 1, b"x" * 15)]

    def test_a_stream_waits_for_the_connections_window(self, converse: Callable[..., Any]) -> None:
        conversation = converse([(4, 100_000)])
        stream, listener = conversation.request(b"POST", upload=True)
        assert conversation.connection.send_data(stream, bytes(100_000)) == 65_535
        conversation.feed(conversation.window_update(1, 10))
        assert listener.events == []
        conversation.feed(conversation.window_update(0, 10))
        assert listener.events == [("window",)]
        assert conversation.connection.send_data(stream, bytes(100)) == 10

    def test_a_window_that_was_negative_opens_only_above_zero(self, converse: Callable[..., Any]) -> None:
        conversation = converse([(4, 100)])
        stream, listener = conversation.request(b"POST", upload=True)
        assert conversation.connection.send_data(stream, bytes(200)) == 100
        conversation.feed(conversation.settings([(4, 10)]))
        assert stream.send_window == -90
        assert conversation.connection.send_data(stream, bytes(100)) == 0
        conversation.feed(conversation.window_update(1, 90))
        assert (stream.send_window, listener.events) == (0, [])
        conversation.feed(conversation.window_update(1, 1))
        assert listener.events == [("window",)]
        assert conversation.connection.send_data(stream, bytes(100)) == 1

    def test_a_larger_initial_window_wakes_those_that_wait(self, converse: Callable[..., Any]) -> None:
        conversation = converse([(4, 0)])
        stream, listener = conversation.request(b"POST", upload=True)
        assert conversation.connection.send_data(stream, b"abc", end_stream=True) == 0
        conversation.feed(conversation.settings([(4, 3)]))
        assert listener.events == [("window",)]
        assert conversation.connection.send_data(stream, b"abc", end_stream=True) == 3

    def test_those_that_waited_longest_are_woken_first(self, converse: Callable[..., Any]) -> None:
        conversation = converse([(4, 100_000)])
        order: list[int] = []
        streams = []
        for _ in range(3):
            stream, listener = conversation.request(b"POST", upload=True)
            listener.window_opened = lambda stream=stream: (
                order.append(stream.stream_id),
                conversation.connection.send_data(stream, bytes(60)),
            )
            streams.append(stream)
        conversation.connection.send_data(streams[0], bytes(65_535))
        for stream in streams:
            assert conversation.connection.send_data(stream, bytes(60)) == 0
        conversation.feed(conversation.window_update(0, 100))
        assert order == [1, 3]  # the third finds nothing left
        conversation.feed(conversation.window_update(0, 100))
        assert order == [1, 3, 5, 3]

    def test_a_stream_with_a_closed_window_does_not_stop_its_siblings(self, converse: Callable[..., Any]) -> None:
        conversation = converse([(4, 40_000)])
        first, first_listener = conversation.request(b"POST", upload=True)
        second, second_listener = conversation.request(b"POST", upload=True)
        assert conversation.connection.send_data(first, bytes(50_000)) == 40_000
        assert conversation.connection.send_data(second, bytes(50_000)) == 25_535
        conversation.feed(conversation.window_update(0, 5))
        assert (first_listener.events, second_listener.events) == ([], [("window",)])


def test_trailers_end_a_request(conversation: Any) -> None:
    stream, _ = conversation.request(b"POST", upload=True)
    conversation.connection.send_data(stream, b"abc")
    conversation.connection.send_trailers(stream, [(b"Checksum", b"1")])
    data, (kind, flags, _, _) = conversation.sent()
    assert data[:2] == (DATA, 0)
    assert (kind, flags) == (HEADERS, 0x5)
    assert stream.send_closed
    conversation.connection.send_trailers(stream, [(b"again", b"1")])
    assert conversation.sent() == []


def test_sending_on_an_ended_stream_drops_the_content(conversation: Any) -> None:
    stream, _ = conversation.request(b"POST", upload=True)
    conversation.feed(conversation.rst_stream(1, ErrorCode.CANCEL))
    assert conversation.connection.send_data(stream, b"abc", end_stream=True) == 3
    assert conversation.sent() == []


class TestCapacity:
    def test_it_follows_the_peers_limit_up_and_down(self, converse: Callable[..., Any]) -> None:
        conversation = converse([(3, 2)])
        connection = conversation.connection
        conversation.request()
        assert (connection.capacity, connection.can_open, connection.open_streams) == (1, True, 1)
        conversation.request()
        assert (connection.capacity, connection.can_open) == (0, False)
        with pytest.raises(LocalProtocolError, match="no more at once"):
            conversation.request()
        conversation.feed(conversation.settings([(3, 1)]))
        assert connection.capacity == -1
        assert conversation.notices.events == ["settings"]
        conversation.feed(conversation.headers(1, end=True), conversation.headers(3, end=True))
        assert connection.capacity == 1
        conversation.feed(conversation.settings([(3, 50)]))
        assert connection.capacity == 50

    def test_before_the_settings_a_hundred_are_assumed(self, converse: Callable[..., Any]) -> None:
        assert converse(greet=False).connection.capacity == 100

    def test_a_server_that_names_no_limit_gets_more(self, conversation: Any) -> None:
        assert conversation.connection.capacity == 1000

    def test_a_stream_that_is_reset_makes_room_at_once(self, converse: Callable[..., Any]) -> None:
        conversation = converse([(3, 1)])
        stream, _ = conversation.request()
        conversation.connection.reset_stream(stream)
        assert conversation.connection.can_open

    def test_stream_numbers_run_out(self, conversation: Any) -> None:
        connection = conversation.connection
        connection._next_id = 2**31 - 3
        assert conversation.request()[0].stream_id == 2**31 - 3
        assert conversation.request()[0].stream_id == 2**31 - 1
        assert not connection.can_open
        assert connection.is_retired
        assert connection.capacity == 0
        with pytest.raises(LocalProtocolError, match="used up"):
            conversation.request()


def test_a_refused_field_opens_no_stream(conversation: Any) -> None:
    with pytest.raises(LocalProtocolError):
        conversation.request(fields=[(b"a", b"x\r\ny")])
    assert conversation.connection.open_streams == 0
    assert conversation.sent() == []
    assert conversation.request()[0].stream_id == 1


class TestConnect:
    def test_extended_connect_needs_the_servers_consent(self, conversation: Any) -> None:
        with pytest.raises(LocalProtocolError, match="8441"):
            conversation.request(b"CONNECT", protocol=b"websocket", upload=True)

    def test_extended_connect_carries_data_both_ways(self, converse: Callable[..., Any]) -> None:
        conversation = converse([(8, 1)])
        stream, listener = conversation.request(b"CONNECT", protocol=b"websocket", path=b"/chat", upload=True)
        conversation.feed(conversation.headers(1), conversation.data(1, b"hello"))
        conversation.connection.send_data(stream, b"world")
        assert conversation.sent() == [(DATA, 0, 1, b"world")]
        assert listener.events == [("head", 200, False), ("data", b"hello", False)]
