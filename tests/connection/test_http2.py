"""A connection that many exchanges share: what one of them does is no other's business."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from hyperhttp.config import Timeout
from hyperhttp.connection.base import GONE, IN_USE, NEW
from hyperhttp.connection.overdue import UnansweredError
from hyperhttp.connection.stream import ContentStream
from hyperhttp.exceptions import ClientClosed, ReadError, RemoteProtocolError
from hyperhttp.protocol.http2 import ErrorCode
from tests.memory import turns

GOAWAY, PING = 7, 6
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE = 3, 4


async def test_the_preface_is_the_first_that_is_said(converse: Any) -> None:
    talk = converse(None)
    assert talk.channel.sent.startswith(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert (talk.connection.place, len(talk.released)) == (NEW, 0)


async def test_many_requests_of_one_turn_are_one_write(h2: Any) -> None:
    h2.channel.written.clear()
    exchanges = [asyncio.ensure_future(h2.exchange().run(_request())) for _ in range(20)]
    await turns(4)
    assert len(h2.channel.written) == 1
    for number, each in enumerate(exchanges):
        h2.head(2 * number + 1, end=True)
        assert (await each)[0].status_code == 200
    assert (h2.released.ended, h2.connection.exchanges) == (20, set())


def _request() -> Any:
    from hyperhttp.message.request import Request

    return Request("GET", "https://example.com/")


async def test_each_answer_finds_its_request_in_whatever_order(h2: Any) -> None:
    asked = {2 * number + 1: await h2.ask() for number in range(10)}
    for stream in reversed(asked):
        h2.head(stream)
    for stream in (5, 1, 9, 3, 19, 7, 11, 13, 17, 15):
        h2.data(stream, str(stream).encode(), end=True)
    for stream, task in asked.items():
        head, content, _ = await task
        if isinstance(content, ContentStream):
            content = await content.receive_all()
        assert (head.status_code, content) == (200, str(stream).encode())


async def test_the_place_is_free_the_moment_the_last_byte_arrives(h2: Any) -> None:
    task = await h2.ask()
    h2.head(1)
    assert h2.released.ended == 0
    h2.data(1, b"all", end=True)
    assert h2.released.ended == 1, "before its caller has run"
    assert (await task)[1] == b"all"


async def test_a_reset_stream_ends_one_exchange_and_no_other(h2: Any) -> None:
    first, second = await h2.ask(), await h2.ask()
    h2.reset(1, ErrorCode.INTERNAL_ERROR)
    with pytest.raises(RemoteProtocolError, match="INTERNAL_ERROR") as caught:
        await first
    assert caught.value.host == "example.com"
    h2.head(3, end=True)
    assert (await second)[0].status_code == 200
    assert h2.connection.reusable


async def test_a_refused_stream_may_be_sent_again(h2: Any) -> None:
    task = await h2.ask("POST", content=b"x")
    h2.reset(1, ErrorCode.REFUSED_STREAM)
    with pytest.raises(UnansweredError) as caught:
        await task
    assert caught.value.surely_unprocessed
    assert h2.connection.reusable


async def test_goaway_lets_the_processed_finish_and_says_which_were_not(h2: Any) -> None:
    tasks = [await h2.ask() for _ in range(3)]
    h2.goaway(3)
    assert not h2.connection.reusable
    assert not h2.connection.has_room()
    assert h2.released.connections, "the pool has heard"
    with pytest.raises(UnansweredError) as caught:
        await tasks[2]
    assert caught.value.surely_unprocessed
    for number in range(2):
        h2.head(2 * number + 1, end=True)
        assert (await tasks[number])[0].status_code == 200


async def test_a_request_on_a_connection_that_goes_away_was_surely_not_processed(h2: Any) -> None:
    h2.goaway(0)
    with pytest.raises(UnansweredError) as caught:
        await (await h2.ask())
    assert caught.value.surely_unprocessed
    assert (h2.released.ended, h2.connection.exchanges) == (1, set())


@pytest.mark.parametrize("end", ["eof", "lost", "broken", "protocol"])
async def test_a_connection_that_dies_tells_each_exchange_with_an_error_of_its_own(h2: Any, end: str) -> None:
    waiting = [await h2.ask() for _ in range(3)]
    h2.head(1)
    stream = (await waiting.pop(0))[1]
    cause = ConnectionResetError(104, "reset by peer")
    ends: dict[str, Any] = {
        "eof": h2.channel.eof,
        "lost": h2.channel.lose,
        "broken": lambda: h2.channel.lose(cause),
        "protocol": lambda: h2.frame(PING, 0, 5, b"8 bytes!"),
    }
    ends[end]()
    errors: list[BaseException] = []
    for task in waiting:
        with pytest.raises(UnansweredError) as caught:
            await asyncio.wait_for(task, 1)
        assert not caught.value.surely_unprocessed
        errors.append(caught.value.error)
    with pytest.raises((ReadError, RemoteProtocolError)) as broken:
        await stream.receive()
    errors.append(broken.value)
    assert len({id(error) for error in errors}) == 3
    assert all(error.host == "example.com" and str(error) for error in errors)
    assert end != "broken" or all(error.__cause__ is cause for error in errors)
    assert (h2.released.ended, h2.channel.closed, h2.network.watch.busy) == (3, True, set())


async def test_a_fault_of_the_peer_is_answered_with_goaway(h2: Any) -> None:
    await h2.ask()
    h2.heard()
    h2.frame(PING, 0, 5, b"8 bytes!")
    codes = [int.from_bytes(frame[3][4:8], "big") for frame in h2.heard() if frame[0] == GOAWAY]
    assert codes == [ErrorCode.PROTOCOL_ERROR]
    assert h2.channel.closed
    for exchange in h2.connection.exchanges:
        exchange.cancel()


async def test_room_follows_the_limit_of_the_peer(h2: Any) -> None:
    h2.connection.place = IN_USE
    before = len(h2.released)
    h2.settings({MAX_CONCURRENT_STREAMS: 2})
    assert len(h2.released) == before + 1, "the pool hears of each change"
    await h2.ask()
    assert h2.connection.has_room()
    await h2.ask()
    assert not h2.connection.has_room()
    h2.settings({MAX_CONCURRENT_STREAMS: 3})
    assert h2.connection.has_room()
    h2.settings({MAX_CONCURRENT_STREAMS: 1})
    assert not h2.connection.has_room()
    h2.connection.abort(ClientClosed())


async def test_a_place_taken_before_the_limit_fell_was_surely_not_used(h2: Any) -> None:
    h2.settings({MAX_CONCURRENT_STREAMS: 1})
    await h2.ask()
    with pytest.raises(UnansweredError) as caught:
        await (await h2.ask())
    assert caught.value.surely_unprocessed
    h2.connection.abort()


# -- life -----------------------------------------------------------------------------------------------------


async def test_a_silent_peer_is_asked_for_a_sign_of_life_and_given_up_without_one(h2: Any) -> None:
    task = await h2.ask()
    now = h2.connection.read_at
    assert h2.connection.check(now + 14) == now + 15
    assert h2.connection.check(now + 15) == now + 30
    assert [frame[0] for frame in h2.heard()][-1] == PING
    h2.connection.check(now + 29)
    assert not h2.channel.closed
    h2.connection.check(now + 30)
    assert h2.channel.closed
    with pytest.raises(UnansweredError, match="stopped answering"):
        await task


async def test_any_byte_is_a_sign_of_life(h2: Any) -> None:
    task = await h2.ask()
    now = h2.connection.read_at
    h2.connection.check(now + 15)
    h2.frame(PING, 1, 0, b"liveness")
    h2.connection.check(now + 31)
    assert not h2.channel.closed
    task.cancel()


async def test_pings_are_answered(h2: Any) -> None:
    h2.frame(PING, 0, 0, b"abcdefgh")
    assert (PING, 1, 0, b"abcdefgh") in h2.heard()


async def test_a_connection_idle_for_long_is_asked_with_the_next_request(h2: Any) -> None:
    h2.connection.read_at -= 20
    task = await h2.ask()
    assert PING in [frame[0] for frame in h2.heard()]
    h2.head(1, end=True)
    await task


async def test_an_idle_connection_is_asked_now_and_then(h2: Any) -> None:
    """Middleboxes forget silent connections, and a peer that is gone should be known before the next request."""
    now = h2.connection.read_at
    assert h2.connection.check(now + 44) == now + 45
    assert h2.heard() == []
    h2.connection.check(now + 45)
    assert [frame[0] for frame in h2.heard()] == [PING]
    h2.connection.check(now + 60)
    assert h2.channel.closed
    assert h2.network.watch.busy == set()


async def test_closing_says_goodbye(h2: Any) -> None:
    h2.connection.close()
    assert [frame[0] for frame in h2.heard()] == [GOAWAY]
    assert h2.channel.closed
    assert not h2.connection.reusable


async def test_aborting_ends_every_exchange_once(h2: Any) -> None:
    tasks = [await h2.ask() for _ in range(3)]
    h2.connection.abort(ClientClosed())
    h2.connection.place = GONE
    h2.connection.abort(ClientClosed())
    for task in tasks:
        with pytest.raises(UnansweredError) as caught:
            await task
        assert isinstance(caught.value.error, ClientClosed)
    assert h2.released.ended == 3


class Clock:
    """What the connection takes for the time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, now: float) -> None:
        self.now = now
        monkeypatch.setattr("hyperhttp.connection.http2._now", lambda: self.now)

    def __call__(self) -> float:
        return self.now


async def left_early(h2: Any, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A conversation in which one response was left early, and the time."""
    clock = Clock(monkeypatch, h2.connection.read_at)
    task = await h2.ask()
    h2.head(1)
    (await task)[1].close()
    await turns()
    h2.heard()
    return clock


def pings(h2: Any) -> list[bytes]:
    return [frame[3] for frame in h2.heard() if frame[0] == PING]


async def test_a_peer_that_goes_on_with_what_was_left_has_to_show_that_it_reads(
    h2: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = await left_early(h2, monkeypatch)
    other = await h2.ask()
    h2.heard()
    begin = clock.now
    for second in range(15):
        clock.now = begin + second
        h2.data(1, b"more")
        h2.connection.check(clock.now)
    assert pings(h2) == [], "it was on its way"
    for second in range(15, 45):
        clock.now = begin + second
        h2.data(1, b"more")
        h2.connection.check(clock.now)
        assert not h2.channel.closed
    assert len(pings(h2)) == 1
    clock.now = begin + 45
    h2.data(1, b"more")
    assert h2.network.watch.when <= clock.now
    h2.connection.check(clock.now)
    assert h2.channel.closed
    with pytest.raises(UnansweredError, match="does not read"):
        await other


async def test_a_peer_that_reads_may_take_its_time_with_what_was_left(h2: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = await left_early(h2, monkeypatch)
    asked = 0
    for _ in range(200):
        clock.now += 1
        h2.data(1, b"more")
        h2.connection.check(clock.now)
        for data in pings(h2):
            asked += 1
            h2.frame(PING, 1, 0, data)
    assert not h2.channel.closed
    assert 10 <= asked <= 14, "no more often than it may matter"


async def test_a_peer_that_goes_on_beyond_the_window_loses_the_connection_at_once(h2: Any) -> None:
    task, other = await h2.ask(), await h2.ask()
    h2.head(1)
    (await task)[1].close()
    h2.data(1, bytes(h2.connection.engine.config.stream_window))
    assert h2.connection.reusable
    h2.data(1, b"x")
    assert h2.channel.closed
    with pytest.raises(UnansweredError) as caught:
        await other
    assert getattr(caught.value.error, "error_code", None) == ErrorCode.FLOW_CONTROL_ERROR


async def test_a_peer_that_takes_nothing_any_more_gets_no_goodbye(h2: Any) -> None:
    """A channel that closes in order keeps what was not taken, for as long as the peer likes."""
    h2.channel.write_paused = True
    h2.frame(PING, 0, 5, b"8 bytes!")
    assert (h2.channel.closed, h2.channel.aborted) == (True, True)


# -- windows --------------------------------------------------------------------------------------------------


async def test_one_slow_reader_does_not_hold_its_siblings(h2: Any) -> None:
    slow, quick = await h2.ask(), await h2.ask()
    h2.head(1)
    stream = (await slow)[1]
    window = h2.connection.engine.config.stream_window
    h2.data(1, b"x" * window)
    h2.head(3)
    h2.data(3, b"y" * 100_000, end=True)
    answer = (await quick)[1]
    assert await answer.receive_all() == b"y" * 100_000
    assert stream.received == window
    stream.close()


async def test_content_that_waited_before_it_was_read_opens_the_window_again(h2: Any) -> None:
    task = await h2.ask()
    h2.head(1)
    stream = (await task)[1]
    window = h2.connection.engine.config.stream_window
    h2.data(1, b"x" * (window - 100))
    await turns()
    h2.heard()
    reading = asyncio.ensure_future(stream.receive_all())
    await turns(4)
    updates = [frame for frame in h2.heard() if frame[0] == 8 and frame[2] == 1]
    assert updates, "all of it was taken: without more room the server never goes on"
    h2.data(1, b"y" * 200, end=True)
    assert len(await asyncio.wait_for(reading, 1)) == window + 100


async def test_reading_piece_by_piece_opens_the_window(h2: Any) -> None:
    task = await h2.ask()
    h2.head(1)
    stream = (await task)[1]
    window = h2.connection.engine.config.stream_window
    for _ in range(4):
        h2.data(1, b"x" * (window // 2))
        total = 0
        while total < window // 2:
            total += len(await stream.receive())
        await turns()
    h2.data(1, b"", end=True)
    assert await stream.receive() == b""
    assert stream.received == 2 * window


async def test_time_passes_for_busy_connections_only(h2: Any) -> None:
    task = await h2.ask(timeout=Timeout(None, read=1000.0))
    assert h2.network.watch.when <= time.monotonic() + 15.1
    task.cancel()
    await turns()
    assert h2.network.watch.busy <= {h2.connection}
