from __future__ import annotations

import gzip
from typing import Any

import pytest

from hyperhttp import Response
from hyperhttp.message.coding import GZIP
from hyperhttp.message.reading import ReadOptions, StreamGuard, hurry
from hyperhttp.plugins.recording import record_content


class Pieces:
    """Content on its way."""

    ended_at = 1.0
    trailers = ()

    def __init__(self, *pieces: bytes) -> None:
        self.pieces = list(pieces)
        self.closed = False
        self.received = 0
        self.until: float | None = None

    def hurry(self, until: float) -> None:
        self.until = until

    @property
    def ended(self) -> bool:
        return not self.pieces

    @property
    def is_open(self) -> bool:
        return not self.ended and not self.closed

    async def receive(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    async def receive_all(self, limit: int | None = None) -> bytes:
        pieces, self.pieces = self.pieces, []
        return b"".join(pieces)

    def close(self) -> None:
        self.closed = True

    drop = close


def streamed(*pieces: bytes, coded: bool = False) -> tuple[Response, Pieces]:
    response = Response(200, {"Content-Encoding": "gzip"} if coded else {})
    stream: Any = Pieces(*pieces)
    response._content = None
    response._coded = coded
    response._stream = stream
    response._guard = StreamGuard(stream)
    response._options = ReadOptions({"gzip": GZIP}, None, None)
    return response, stream


async def test_what_is_read_in_pieces_is_kept() -> None:
    response, _ = streamed(b"one", b"two")
    recording = record_content(response, 100)
    assert [piece async for piece in response.aiter_bytes()] == [b"one", b"two"]
    assert recording.decoded() == b"onetwo"


async def test_what_is_read_at_once_is_kept() -> None:
    response, _ = streamed(b"one", b"two")
    recording = record_content(response, 100)
    assert await response.aread() == b"onetwo"
    assert recording.decoded() == b"onetwo"


def test_a_limit_for_the_rest_goes_past_the_recording() -> None:
    response, stream = streamed(b"one")
    record_content(response, 100)
    hurry(response._stream, 5.0)  # type: ignore[arg-type]  # it is there
    assert stream.until == 5.0


async def test_what_is_coded_is_decoded() -> None:
    response, _ = streamed(gzip.compress(b"hello"), coded=True)
    recording = record_content(response, 100)
    assert await response.aread() == b"hello"
    assert recording.decoded() == b"hello"


async def test_what_is_corrupt_is_not_shown() -> None:
    response, _ = streamed(b"no gzip", coded=True)
    recording = record_content(response, 100)
    async for _piece in response.aiter_raw():
        pass
    assert recording.decoded() is None


async def test_of_what_is_too_large_nothing_is_kept() -> None:
    response, _ = streamed(b"one", b"two", b"three")
    recording = record_content(response, 5)
    await response.aread()
    assert recording.decoded() is None
    assert recording._pieces is None


async def test_what_was_given_up_is_not_whole() -> None:
    response, stream = streamed(b"one", b"two")
    recording = record_content(response, 100)
    await anext(response.aiter_bytes())
    await response.aclose()
    assert stream.closed
    assert recording.decoded() is None


def test_a_forgotten_response_frees_its_connection() -> None:
    response, stream = streamed(b"one")
    recording = record_content(response, 100)
    del response
    assert stream.closed
    assert recording.decoded() is None


def test_the_stream_looks_as_it_did() -> None:
    response, stream = streamed(b"one")
    record_content(response, 100)
    watched: Any = response._stream
    assert watched is not stream
    for name in ("ended", "ended_at", "received", "trailers", "is_open"):
        assert getattr(watched, name) == getattr(stream, name)
    watched.drop()
    assert stream.closed


@pytest.mark.parametrize("content", [b"", b"hello"])
def test_content_in_hand_is_kept_at_once(content: bytes) -> None:
    assert record_content(Response(200, content=content), 100).decoded() == content
