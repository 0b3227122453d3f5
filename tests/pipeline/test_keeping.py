"""Content that is copied while it is read: complete, or not at all."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.exceptions import DecodingError, ReadError
from hyperhttp.message.response import Response
from hyperhttp.pipeline.keeping import keep_content


class Stream:
    """Content in pieces, as a connection gives it."""

    ended_at = 3.0

    def __init__(self, *pieces: bytes | Exception) -> None:
        self.pieces = list(pieces)
        self.ended = False
        self.is_open = True
        self.received = 0
        self.trailers = ((b"X-Trailer", b"1"),)
        self.dropped = False

    async def receive(self) -> bytes:
        piece = self.pieces.pop(0) if self.pieces else b""
        if isinstance(piece, Exception):
            raise piece
        self.received += len(piece)
        self.ended = not piece
        return piece

    async def receive_all(self, limit: int | None = None) -> bytes:
        data = b""
        while piece := await self.receive():
            data += piece
            if limit is not None and len(data) > limit:
                raise DecodingError("too large")
        return data

    def close(self) -> None:
        self.is_open = False

    def drop(self) -> None:
        self.dropped = True


class Kept(list[bytes]):
    async def done(self, content: bytes) -> None:
        self.append(content)


def streamed(*pieces: bytes | Exception) -> tuple[Response, Stream]:
    response, stream = Response(200), Stream(*pieces)
    response._content = None
    response._stream = stream
    return response, stream


async def taken(response: Any) -> list[bytes]:
    return [piece async for piece in response.aiter_raw()]


async def test_content_in_hand_is_given_at_once() -> None:
    response, kept = Response(200), Kept()
    response._content, response._encoded = None, b"abc"
    await keep_content(response, 3, kept.done)
    assert kept == [b"abc"]
    assert await response.aread() == b"abc"


async def test_content_made_by_hand_is_given_unless_it_was_decoded() -> None:
    kept = Kept()
    await keep_content(Response(200, content=b"abc"), 3, kept.done)
    assert kept == [b"abc"]
    await keep_content(Response(200, {"Content-Encoding": "gzip"}, b"abc"), 3, kept.done)
    assert kept == [b"abc"]


async def test_content_on_its_way_is_given_when_all_of_it_has_been_read() -> None:
    response, _ = streamed(b"ab", b"c")
    kept = Kept()
    await keep_content(response, 3, kept.done)
    pieces = response.aiter_raw()
    assert [await anext(pieces), await anext(pieces)] == [b"ab", b"c"]
    assert kept == []
    assert [piece async for piece in pieces] == []
    assert kept == [b"abc"]


async def test_content_that_is_read_at_once_is_given_once() -> None:
    response, _ = streamed(b"ab", b"c")
    kept = Kept()
    await keep_content(response, 3, kept.done)
    assert await response.aread() == b"abc"
    assert kept == [b"abc"]


async def test_content_read_in_both_ways_is_given_whole() -> None:
    response, _ = streamed(b"ab", b"c", b"d")
    kept = Kept()
    await keep_content(response, 9, kept.done)
    stream: Any = response._stream
    assert await stream.receive() == b"ab"
    assert await stream.receive_all() == b"cd"
    assert await stream.receive() == b""
    assert kept == [b"abcd"]


async def test_content_larger_than_the_limit_is_read_and_not_kept() -> None:
    for response in (streamed(b"ab", b"cd")[0], streamed(b"abcd")[0]):
        kept = Kept()
        await keep_content(response, 3, kept.done)
        assert b"".join(await taken(response)) == b"abcd"
        assert kept == []
    response = Response(200)
    response._content, response._encoded = None, b"abcd"
    await keep_content(response, 3, kept.done)
    assert kept == []


async def test_content_that_breaks_off_is_not_kept() -> None:
    response, _ = streamed(b"ab", ReadError("broken"))
    kept = Kept()
    await keep_content(response, 9, kept.done)
    with pytest.raises(ReadError):
        await taken(response)
    assert kept == []


async def test_content_that_is_given_up_is_not_kept() -> None:
    response, stream = streamed(b"ab", b"c")
    kept = Kept()
    await keep_content(response, 9, kept.done)
    await anext(response.aiter_raw())
    await response.aclose()
    assert not stream.is_open
    watched: Any = response._stream
    await watched.receive_all()  # whatever comes after that
    assert kept == []


async def test_a_forgotten_response_frees_what_is_under_it() -> None:
    response, stream = streamed(b"ab")
    await keep_content(response, 9, Kept().done)
    watched: Any = response._stream
    watched.drop()
    assert stream.dropped


async def test_everything_else_is_that_of_the_stream() -> None:
    response, stream = streamed(b"ab")
    await keep_content(response, 9, Kept().done)
    watched: Any = response._stream
    assert (watched.ended, watched.is_open, watched.ended_at) == (False, True, 3.0)
    await taken(response)
    assert (watched.ended, watched.received, watched.trailers) == (True, 2, stream.trailers)


async def test_what_the_keeper_raises_comes_out_of_the_reading() -> None:
    async def fail(content: bytes) -> None:
        raise LookupError(content)

    response, _ = streamed(b"ab")
    await keep_content(response, 9, fail)
    with pytest.raises(LookupError):
        await response.aread()
