from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.protocol.http2.stream import HEAD_REQUEST, ORDINARY, TUNNEL, expected_content, semantics_of


@pytest.mark.parametrize(
    ("method", "status", "length", "expected"),
    [
        (b"GET", 200, 5, 5),
        (b"GET", 200, None, None),
        (b"GET", 204, None, 0),
        (b"GET", 204, 5, 0),
        (b"GET", 304, 5, 0),
        (b"HEAD", 200, 5, 0),
        (b"HEAD", 404, None, 0),
        (b"CONNECT", 200, 5, None),
        (b"CONNECT", 407, 5, 5),
    ],
)
def test_how_much_content_follows_a_head(method: bytes, status: int, length: int | None, expected: int | None) -> None:
    assert expected_content(semantics_of(method), status, length) == expected


def test_methods_that_change_what_content_means() -> None:
    assert semantics_of(b"HEAD") == HEAD_REQUEST
    assert semantics_of(b"CONNECT") == TUNNEL
    assert semantics_of(b"head") == ORDINARY  # methods are case-sensitive


def test_a_stream_says_where_it_stands(conversation: Any) -> None:
    stream, _ = conversation.request(upload=True)
    assert repr(stream) == "<H2Stream 1: waiting for a head, sending>"
    assert not stream.is_ended
    conversation.feed(conversation.headers(1, end=True))
    assert repr(stream) == "<H2Stream 1: ended, sending>"
    assert stream.is_ended
