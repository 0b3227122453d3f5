"""The ends of calls and attempts: each is told once, whichever way it comes."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from hyperhttp.exceptions import ReadError
from hyperhttp.message.reading import StreamGuard
from hyperhttp.message.response import Response
from hyperhttp.pipeline.hooks import run_hooks
from hyperhttp.pipeline.watching import Watch, tell_forgotten, watch_call
from hyperhttp.plugins.compiled import Listeners


class Body:
    """Content on its way, piece by piece; an exception among the pieces is raised."""

    trailers = ((b"X-Trailer", b"1"),)
    ended_at = 7.0

    def __init__(self, *pieces: bytes | BaseException) -> None:
        self.pieces = list(pieces)
        self.ended = False
        self.received = 0
        self.is_open = True
        self.closings = 0

    async def receive(self) -> bytes:
        if not self.pieces:
            self.ended, self.is_open = True, False
            return b""
        piece = self.pieces.pop(0)
        if isinstance(piece, BaseException):
            raise piece
        self.received += len(piece)
        return piece

    async def receive_all(self, limit: int | None = None) -> bytes:
        whole = b""
        while piece := await self.receive():
            whole += piece
        return whole

    def close(self) -> None:
        self.closings += 1
        self.is_open = False

    drop = close


class Ends(list[Any]):
    """What `finish` and `end` were told."""

    def __call__(self, request: Any, response: Any, error: Any) -> None:
        self.append((request, response, error))

    @property
    def errors(self) -> list[Any]:
        return [error for _, _, error in self]


def streaming(*pieces: bytes | BaseException) -> Response:
    response = Response(200)
    response._content = None
    response._stream = Body(*pieces)
    response._guard = StreamGuard(response._stream)
    return response


@pytest.fixture
def ends() -> Ends:
    return Ends()


@pytest.fixture
def attempt(ends: Ends, new_call: Any, stage: Any) -> Any:
    """Runs an attempt whose answer is given, and gives the response."""

    def run(answer: Any, **options: Any) -> Any:
        return run_hooks(new_call(listeners=Listeners(finish=(ends,)), **options), stage(answer))

    return run


async def test_a_response_in_hand_is_the_end_of_its_attempt(attempt: Any, ends: Ends) -> None:
    response = await attempt(Response(200, content=b"x"))
    assert ends == [(response.request, response, None)]


async def test_an_attempt_lasts_until_its_content_has_been_iterated_over(attempt: Any, ends: Ends) -> None:
    response = await attempt(streaming(b"ab", b"c"))
    pieces = []
    async for piece in response.aiter_bytes():
        pieces.append(piece)
        assert ends == []
    assert pieces == [b"ab", b"c"]
    assert ends == [(response.request, response, None)]
    await response.aclose()
    assert len(ends) == 1
    assert response.num_bytes_downloaded == 3


async def test_an_attempt_lasts_until_its_content_has_been_read(attempt: Any, ends: Ends) -> None:
    response = await attempt(streaming(b"ab", b"c"))
    assert ends == []
    assert await response.aread() == b"abc"
    assert ends.errors == [None]


async def test_what_is_given_up_is_over(attempt: Any, ends: Ends) -> None:
    response = await attempt(streaming(b"ab", b"c"))
    body = response._stream._stream
    await response.aclose()
    await response.aclose()
    assert ends.errors == [None]
    assert body.closings == 1


async def test_content_that_has_arrived_and_is_not_read_is_over_when_it_is_given_up(attempt: Any, ends: Ends) -> None:
    response = await attempt(streaming(b"ab"))
    response._stream._stream.is_open = False  # the connection is free again; nobody has taken the bytes
    assert ends == []
    await response.aclose()
    assert ends.errors == [None]


async def iterate(response: Response) -> list[bytes]:
    return [piece async for piece in response.aiter_bytes()]


@pytest.mark.parametrize("read", [Response.aread, iterate])
async def test_content_that_fails_is_an_end_with_an_error(attempt: Any, ends: Ends, read: Any) -> None:
    error = ReadError("broke off")
    response = await attempt(streaming(b"ab", error))
    with pytest.raises(ReadError):
        await read(response)
    await response.aclose()
    assert ends == [(response.request, response, error)]


async def test_reading_a_piece_that_was_cancelled_may_be_resumed(attempt: Any, ends: Ends) -> None:
    response = await attempt(streaming(b"ab", asyncio.CancelledError(), b"c"))
    taken = [await response.next_piece()]
    with pytest.raises(asyncio.CancelledError):
        await response.next_piece()
    assert ends == []
    taken += [await response.next_piece(), await response.next_piece()]
    assert taken == [b"ab", b"c", b""]
    assert ends.errors == [None]


async def test_reading_all_that_was_cancelled_is_an_end(attempt: Any, ends: Ends) -> None:
    response = await attempt(streaming(b"ab", asyncio.CancelledError()))
    with pytest.raises(asyncio.CancelledError):
        await response.aread()
    assert [type(error) for error in ends.errors] == [asyncio.CancelledError]


@pytest.mark.parametrize("error", [ReadError("x"), asyncio.CancelledError(), KeyboardInterrupt(), GeneratorExit()])
async def test_an_attempt_without_a_head_ends_with_what_was_raised(
    attempt: Any, ends: Ends, error: BaseException
) -> None:
    with pytest.raises(type(error)):
        await attempt(error)
    assert [(response, told) for _, response, told in ends] == [(None, error)]


async def test_a_request_hook_that_raises_is_the_end_of_an_attempt_that_was_never_sent(
    new_call: Any, stage: Any, ends: Ends
) -> None:
    def refuse(_: Any) -> None:
        raise PermissionError("no")

    with pytest.raises(PermissionError):
        await run_hooks(new_call(listeners=Listeners(request=(refuse,), finish=(ends,))), stage(Response(200)))
    assert [type(error) for error in ends.errors] == [PermissionError]


async def test_a_response_that_a_hook_replaces_ends_once_and_as_itself(new_call: Any, stage: Any, ends: Ends) -> None:
    first, second = streaming(b"ab"), Response(299)
    call = new_call(listeners=Listeners(finish=(ends,)), hooks={"response": [lambda _: second]})
    assert await run_hooks(call, stage(first)) is second
    assert [(response, error) for _, response, error in ends] == [(first, None)]


async def test_the_stream_says_what_the_one_below_says(attempt: Any, ends: Ends) -> None:
    response = await attempt(streaming(b"ab"))
    stream = response._stream
    assert (stream.ended, stream.received, stream.ended_at, stream.is_open) == (False, 0, 7.0, True)
    assert response.trailers["x-trailer"] == "1"
    await response.aread()
    assert (stream.ended, stream.received, stream.is_open) == (True, 2, False)


async def test_a_forgotten_response_is_told_with_the_next_attempt(new_call: Any, stage: Any, ends: Ends) -> None:
    listeners = Listeners(finish=(ends,))
    response = await run_hooks(new_call(listeners=listeners), stage(streaming(b"ab")))
    body = response._stream._stream
    del response
    assert body.closings == 1, "at once, without a collection"
    assert ends == [], "a finalizer must not call what may take a lock"
    await run_hooks(new_call(listeners=listeners), stage(Response(204)))
    assert [(response and response.status_code, error) for _, response, error in ends] == [(None, None), (204, None)]


async def test_a_forgotten_response_whose_content_had_arrived_is_told_too(
    new_call: Any, stage: Any, ends: Ends
) -> None:
    listeners = Listeners(finish=(ends,))
    response = await run_hooks(new_call(listeners=listeners), stage(streaming(b"ab")))
    body = response._stream._stream
    body.is_open = False
    del response
    tell_forgotten(listeners)
    assert body.closings == 0
    assert ends.errors == [None]


def test_an_end_is_told_once(ends: Ends) -> None:
    attempt = Watch(Listeners(finish=(ends,)), "request")  # type: ignore[arg-type]
    attempt.over(None)
    attempt.over(ReadError("late"))
    attempt.settle()
    assert ends == [("request", None, None)]
    assert attempt.is_over


async def test_a_listener_that_fails_harms_neither_the_others_nor_the_call(
    new_call: Any, stage: Any, ends: Ends, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("of the listener")

    listeners = Listeners(begin=(broken,), finish=(broken, ends), end=(broken, ends))
    call = new_call(listeners=listeners)
    answer = stage(Response(200))

    async def send(call: Any) -> Any:
        return await run_hooks(call, answer)

    with caplog.at_level(logging.ERROR, logger="hyperhttp"):
        response = await watch_call(call, send)
    assert ends == [(call.request, response, None)] * 2
    assert caplog.text.count("KeyError: 'of the listener'") == 3


async def test_a_call_begins_and_ends_once(new_call: Any, ends: Ends) -> None:
    begun: list[Any] = []
    call = new_call(listeners=Listeners(begin=(begun.append,), end=(ends,)))
    first = call.request

    response = Response(200)

    async def send_on(call: Any) -> Response:
        assert (begun, ends) == ([first], [])
        call.request = "another"  # a redirect's, say
        return response

    assert await watch_call(call, send_on) is response
    assert begun == [first]
    assert ends == [(first, response, None)]


@pytest.mark.parametrize("error", [ReadError("x"), asyncio.CancelledError()])
async def test_a_call_that_fails_ends_with_the_error(
    new_call: Any, stage: Any, ends: Ends, error: BaseException
) -> None:
    call = new_call(listeners=Listeners(end=(ends,)))
    with pytest.raises(type(error)):
        await watch_call(call, stage(error))
    assert ends == [(call.request, None, error)]
