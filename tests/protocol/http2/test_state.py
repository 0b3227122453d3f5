from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.exceptions import ReadError
from hyperhttp.protocol.http2 import H2Config
from hyperhttp.protocol.http2.errors import ErrorCode

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW_UPDATE = 8
PADDED = 0x8


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

    def test_what_was_on_its_way_is_ignored_and_more_than_the_window_ends_the_connection(
        self, converse: Callable[..., Any]
    ) -> None:
        conversation = converse(config=H2Config(stream_window=10_000))
        stream, _ = conversation.request()
        _, sibling = conversation.request()
        conversation.feed(conversation.headers(1), conversation.data(1, bytes(4000)))
        conversation.connection.acknowledge(stream, 4000)  # less than half: the peer has not heard of it
        conversation.connection.reset_stream(stream)
        conversation.feed(conversation.data(1, bytes(3000)), conversation.frame(0, PADDED, 1, b"\0" + bytes(2999)))
        assert not conversation.connection.closed
        conversation.feed(conversation.data(1, b"x"))
        assert conversation.goaway_code() == ErrorCode.FLOW_CONTROL_ERROR
        assert sibling.events == [("reset", ErrorCode.FLOW_CONTROL_ERROR, False)]

    def test_a_window_that_was_opened_may_be_used_up(self, converse: Callable[..., Any]) -> None:
        conversation = converse(config=H2Config(stream_window=10_000))
        stream, _ = conversation.request()
        conversation.feed(conversation.headers(1), conversation.data(1, bytes(6000)))
        conversation.connection.acknowledge(stream, 6000)
        conversation.connection.reset_stream(stream)
        conversation.feed(conversation.data(1, bytes(10_000)))
        assert not conversation.connection.closed
        conversation.feed(conversation.data(1, b"x"))
        assert conversation.connection.closed

    def test_who_has_overrun_the_window_may_not_do_so_for_ever(self, converse: Callable[..., Any]) -> None:
        conversation = converse(config=H2Config(stream_window=1000))
        conversation.request()
        conversation.feed(conversation.headers(1), conversation.data(1, bytes(1001)), conversation.data(1, bytes(1000)))
        assert not conversation.connection.closed
        conversation.feed(conversation.data(1, b"x"))
        assert conversation.connection.closed

    def test_a_stream_that_the_peer_has_reset_has_no_more_than_its_window_either(
        self, converse: Callable[..., Any]
    ) -> None:
        conversation = converse(config=H2Config(stream_window=1000))
        conversation.request()
        conversation.feed(conversation.rst_stream(1, 2), conversation.data(1, bytes(1000)))
        assert conversation.reset_codes() == [(1, ErrorCode.STREAM_CLOSED)]
        assert not conversation.connection.closed
        conversation.feed(conversation.data(1, b"x"))
        assert conversation.connection.closed

    def test_what_is_not_remembered_one_by_one_is_bounded_together(self, converse: Callable[..., Any]) -> None:
        conversation = converse([(3, 5000)], config=H2Config(stream_window=10))
        for _ in range(1003):
            conversation.connection.reset_stream(conversation.request(flush=False)[0])
        conversation.sent()
        conversation.feed(conversation.data(1, bytes(20)), conversation.data(3, bytes(10)))
        assert not conversation.connection.closed
        conversation.feed(conversation.data(5, b"x"))
        assert conversation.goaway_code() == ErrorCode.FLOW_CONTROL_ERROR

    def test_late_frames_are_counted_for_whoever_has_a_clock(self, conversation: Any) -> None:
        stream, _ = conversation.request()
        conversation.connection.reset_stream(stream)
        assert conversation.connection.late == 0
        conversation.feed(conversation.headers(1), conversation.data(1, b"x"))
        assert conversation.connection.late == 2

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


class TestBuffer:
    def test_the_rest_of_the_content_goes_where_it_stays(self, converse: Callable[..., Any]) -> None:
        conversation = converse(config=H2Config(stream_window=1100))
        stream, listener = conversation.request()
        conversation.feed(conversation.headers(1, [("content-length", "1000")]), conversation.data(1, b"a" * 100))
        place = bytearray(900)
        assert conversation.connection.receive_into(stream, memoryview(place))
        conversation.feed(conversation.data(1, b"b" * 500), conversation.data(1, b""))
        conversation.feed(conversation.frame(0, PADDED, 1, b"\x03" + b"c" * 400 + b"pad"))
        assert listener.events[1:] == [("data", b"a" * 100, False), ("data", b"", False), ("data", b"", False)]
        assert not stream.is_ended
        conversation.feed(conversation.data(1, b"", end=True))
        assert listener.events[-1] == ("data", b"", True)
        assert place == b"b" * 500 + b"c" * 400

    def test_the_window_opens_as_the_buffer_is_filled(self, converse: Callable[..., Any]) -> None:
        """Or a peer that pads could not send the end."""
        conversation = converse(config=H2Config(stream_window=1000))
        stream, _ = conversation.request()
        conversation.feed(conversation.headers(1, [("content-length", "1000")]))
        assert conversation.connection.receive_into(stream, memoryview(bytearray(1000)))
        conversation.feed(conversation.frame(0, PADDED, 1, b"\x09" + bytes(499)))
        assert conversation.sent() == [(WINDOW_UPDATE, 0, 1, (500).to_bytes(4, "big"))]

    @pytest.mark.parametrize("size", [899, 901])
    def test_it_must_be_as_long_as_what_is_left(self, conversation: Any, size: int) -> None:
        stream, _ = conversation.request()
        assert not conversation.connection.receive_into(stream, memoryview(bytearray(1000)))
        conversation.feed(conversation.headers(1, [("content-length", "1000")]), conversation.data(1, bytes(100)))
        assert not conversation.connection.receive_into(stream, memoryview(bytearray(size)))

    def test_there_is_none_where_the_length_is_not_known_or_nothing_can_come(self, conversation: Any) -> None:
        stream, _ = conversation.request()
        conversation.feed(conversation.headers(1))
        assert not conversation.connection.receive_into(stream, memoryview(b""))
        conversation.feed(conversation.data(1, b"", end=True))
        assert not conversation.connection.receive_into(stream, memoryview(b""))

    def test_there_is_none_for_more_than_the_window(self, converse: Callable[..., Any]) -> None:
        """Nothing opens the window meanwhile; and a length that is a lie costs no more than the window may."""
        conversation = converse(config=H2Config(stream_window=999))
        stream, _ = conversation.request()
        conversation.feed(conversation.headers(1, [("content-length", "1000")]))
        assert not conversation.connection.receive_into(stream, memoryview(bytearray(1000)))

    @pytest.mark.parametrize("end", ["longer", "shorter", "reset", "given up", "lost"])
    def test_nothing_is_written_to_it_after_the_stream_has_ended(self, conversation: Any, end: str) -> None:
        stream, listener = conversation.request()
        conversation.feed(conversation.headers(1, [("content-length", "10")]))
        place = bytearray(10)
        with memoryview(place) as view:
            assert conversation.connection.receive_into(stream, view)
            conversation.feed(conversation.data(1, b"half!"))
            if end == "given up":
                conversation.connection.reset_stream(stream)
            elif end == "lost":
                conversation.connection.connection_lost(ReadError)
            else:
                conversation.feed(
                    {
                        "longer": conversation.data(1, b"longer"),
                        "shorter": conversation.data(1, b"end", end=True),
                        "reset": conversation.rst_stream(1, 2),
                    }[end]
                )
        conversation.feed(conversation.data(1, b"late!"))  # writing to a view that was released would raise
        assert place == b"half!" + bytes(5)
        assert (listener.events[-1][0] == "reset") == (end != "given up")

    @pytest.mark.parametrize("seed", range(30))
    def test_it_makes_no_difference_how_frames_and_chunks_are_cut(
        self, converse: Callable[..., Any], seed: int
    ) -> None:
        chance = Random(seed)
        conversation = converse(config=H2Config(stream_window=60_000))
        content = {number: chance.randbytes(chance.randrange(1, 50_000)) for number in (1, 3, 5)}
        streams = {number: conversation.request()[0] for number in content}
        places: dict[int, bytearray] = {}
        wire = bytearray()
        for number, data in content.items():
            conversation.feed(conversation.headers(number, [("content-length", str(len(data)))]))
            places[number] = bytearray(len(data))
            assert conversation.connection.receive_into(streams[number], memoryview(places[number]))
        left = {number: memoryview(data) for number, data in content.items()}
        while left:
            number = chance.choice(list(left))
            size = chance.choice([1, 100, 16_000])
            piece, left[number] = left[number][:size], left[number][size:]
            end = not len(left[number])
            padding = chance.choice([0, 0, 7])
            payload = bytes([padding]) + bytes(piece) + bytes(padding) if padding else bytes(piece)
            wire += conversation.frame(0, (PADDED if padding else 0) | end, number, payload)
            if end:
                del left[number]
        view = memoryview(wire)
        while view:
            size = chance.choice([1, 9, 5000, 100_000])
            conversation.connection.receive_data(chance.choice([bytes, memoryview])(view[:size]))
            view = view[size:]
        assert places == content
        assert all(stream.is_ended for stream in streams.values())
