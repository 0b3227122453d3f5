from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperhttp.protocol.http2 import H2Config
from hyperhttp.protocol.http2.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_UPDATE = 8


class TestReset:
    def test_it_tells_the_peer_and_leaves_the_siblings_alone(self, conversation: Any) -> None:
        stream, listener = conversation.request()
        _, sibling = conversation.request()
        conversation.connection.reset_stream(stream)
        assert conversation.reset_codes() == [(1, ErrorCode.CANCEL)]
        conversation.feed(
            conversation.headers(1),
            conversation.data(1, b"late", end=True),
            conversation.headers(3, end=True),
        )
        assert listener.events == []
        assert sibling.events == [("head", 200, True)]

    def test_twice_is_once(self, conversation: Any) -> None:
        stream, _ = conversation.request()
        conversation.connection.reset_stream(stream, ErrorCode.NO_ERROR)
        conversation.connection.reset_stream(stream)
        assert conversation.reset_codes() == [(1, ErrorCode.NO_ERROR)]

    def test_after_the_end_it_does_nothing(self, conversation: Any) -> None:
        stream, _ = conversation.request()
        conversation.feed(conversation.headers(1, end=True))
        conversation.connection.reset_stream(stream)
        assert conversation.sent() == []

    def test_a_stream_that_waits_for_a_window_is_not_woken_any_more(self, converse: Callable[..., Any]) -> None:
        conversation = converse([(4, 0)])
        stream, listener = conversation.request(upload=True)
        conversation.connection.send_data(stream, b"x")
        conversation.connection.reset_stream(stream)
        conversation.feed(conversation.settings([(4, 10)]))
        assert listener.events == []

    def test_a_listener_may_reset_its_stream_while_it_listens(self, conversation: Any) -> None:
        stream, listener = conversation.request()
        listener.receive_head = lambda head, end_stream: conversation.connection.reset_stream(stream)
        conversation.feed(conversation.headers(1), conversation.data(1, b"x", end=True))
        assert listener.events == []
        assert conversation.reset_codes() == [(1, ErrorCode.CANCEL)]


class TestReceiveWindows:
    def test_the_streams_window_opens_as_its_reader_consumes(self, converse: Callable[..., Any]) -> None:
        conversation = converse(config=H2Config(stream_window=1000))
        stream, _ = conversation.request()
        conversation.feed(conversation.headers(1), conversation.data(1, bytes(1000)))
        assert conversation.sent() == []
        conversation.connection.acknowledge(stream, 499)
        assert conversation.sent() == []
        conversation.connection.acknowledge(stream, 1)
        assert conversation.sent() == [(WINDOW_UPDATE, 0, 1, (500).to_bytes(4, "big"))]
        conversation.feed(conversation.data(1, bytes(500), end=True))
        conversation.connection.acknowledge(stream, 1000)
        assert conversation.sent() == []  # nothing more can come

    def test_a_server_that_overruns_the_streams_window_loses_the_stream(self, converse: Callable[..., Any]) -> None:
        conversation = converse(config=H2Config(stream_window=1000))
        _, listener = conversation.request()
        conversation.feed(conversation.headers(1), conversation.data(1, bytes(1001)))
        assert listener.events[1:] == [("reset", ErrorCode.FLOW_CONTROL_ERROR, False)]

    def test_the_connections_window_opens_on_arrival(self, converse: Callable[..., Any]) -> None:
        """A response nobody reads must not hold up the others."""
        conversation = converse(config=H2Config(connection_window=65_535))
        conversation.request()
        conversation.feed(conversation.headers(1), *[conversation.data(1, bytes(10_000))] * 3)
        assert conversation.sent() == []
        conversation.feed(conversation.data(1, bytes(10_000)))
        assert conversation.sent() == [(WINDOW_UPDATE, 0, 0, (40_000).to_bytes(4, "big"))]

    def test_content_of_a_reset_stream_counts_for_the_connection(self, converse: Callable[..., Any]) -> None:
        conversation = converse(config=H2Config(connection_window=65_535))
        stream, listener = conversation.request()
        conversation.feed(conversation.headers(1))
        conversation.connection.reset_stream(stream)
        conversation.sent()
        conversation.feed(*[conversation.data(1, bytes(10_000))] * 4)
        assert conversation.sent() == [(WINDOW_UPDATE, 0, 0, (40_000).to_bytes(4, "big"))]
        assert listener.events == [("head", 200, False)]

    def test_a_server_that_overruns_the_connections_window_loses_it(self, conversation: Any) -> None:
        conversation.request()
        conversation.connection._receive_left = 10
        conversation.feed(conversation.headers(1), conversation.data(1, bytes(11)))
        assert conversation.goaway_code() == ErrorCode.FLOW_CONTROL_ERROR
