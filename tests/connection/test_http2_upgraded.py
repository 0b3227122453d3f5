"""Extended CONNECT (RFC 8441) against a server played by hand: settings, refusals, windows, ends."""

from __future__ import annotations

import asyncio
import struct
from typing import Any

import pytest

from hyperhttp.config import Timeout
from hyperhttp.connection.http2_upgraded import open_stream
from hyperhttp.connection.overdue import UnansweredError
from hyperhttp.connection.upgraded import Upgraded
from hyperhttp.exceptions import ReadError, ReadTimeout, RemoteProtocolError, WriteError, WriteTimeout
from hyperhttp.message.request import Request
from hyperhttp.network.base import NEVER
from tests.memory import turns

DATA, HEADERS, RST_STREAM, WINDOW_UPDATE = 0, 1, 3, 8
MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, ENABLE_CONNECT_PROTOCOL = 3, 4, 8
NO_ERROR, CANCEL = 0, 8
OFFERED = {ENABLE_CONNECT_PROTOCOL: 1}
HEADERS_SENT = {
    "Sec-WebSocket-Key": "AAAA",
    "Sec-WebSocket-Version": "13",
    "Host": "example.com",
    "Connection": "Upgrade",
}


async def ask(talk: Any, timeout: Timeout = Timeout(None)) -> asyncio.Task[Any]:  # noqa: B008 - it does not change
    talk.connection.in_use += 1
    request = Request("GET", "https://example.com/chat", headers=HEADERS_SENT, extensions={"upgrade": "websocket"})
    now = talk.connection.read_at
    task = asyncio.ensure_future(open_stream(talk.connection, request, "websocket", timeout, NEVER, now))
    await turns(4)
    return task


async def accepted(converse: Any, settings: dict[int, int] | None = None) -> tuple[Any, Upgraded]:
    """A conversation with a stream that was accepted."""
    talk = converse({**OFFERED, **(settings or {})})
    task = await ask(talk)
    talk.head(1, 200)
    _, stream, _ = await task
    talk.heard()
    return talk, stream


def sent(talk: Any) -> bytes:
    """The content that has come since."""
    return b"".join(frame[3] for frame in talk.heard() if frame[0] == DATA)


async def test_the_request_is_an_extended_connect(converse: Any) -> None:
    talk = converse(OFFERED)
    task = await ask(talk)
    (head,) = [frame for frame in talk.heard() if frame[0] == HEADERS]
    assert not head[1] & 1  # the stream stays open
    fields = dict(talk.decoder.decode(head[3]))
    assert fields[":method"] == "CONNECT"
    assert fields[":protocol"] == "websocket"
    assert (fields[":scheme"], fields[":path"], fields[":authority"]) == ("https", "/chat", "example.com")
    assert fields["sec-websocket-version"] == "13"
    assert not {"sec-websocket-key", "connection", "upgrade", "host"} & set(fields)
    talk.head(1, 200, ("sec-websocket-protocol", "chat"))
    answer, stream, _ = await task
    assert answer.status_code == 200
    assert isinstance(stream, Upgraded)
    assert stream.http_version == "HTTP/2"
    stream.close()


async def test_bytes_go_both_ways(converse: Any) -> None:
    talk, stream = await accepted(converse)
    await stream.send(b"hello")
    await turns()
    assert sent(talk) == b"hello"
    talk.data(1, b"wor")
    talk.data(1, b"ld")
    assert await stream.receive() == b"world"
    stream.close()


async def test_what_came_before_anybody_looked_is_not_lost(converse: Any) -> None:
    talk = converse(OFFERED)
    task = await ask(talk)
    talk.head(1, 200)
    talk.data(1, b"first")
    talk.data(1, b"second")
    _, stream, _ = await task
    assert await stream.receive() == b"firstsecond"
    stream.close()


async def test_an_accepted_stream_may_have_ended_already(converse: Any) -> None:
    talk = converse(OFFERED)
    task = await ask(talk)
    talk.head(1, 200)
    talk.data(1, b"last", end=True)
    _, stream, _ = await task
    assert await stream.receive() == b"last"
    assert await stream.receive() == b""
    assert stream.at_eof


@pytest.mark.parametrize("status", [301, 403, 500])
async def test_a_refusal_is_a_response_with_content(converse: Any, status: int) -> None:
    talk = converse(OFFERED)
    task = await ask(talk)
    talk.head(1, status)
    talk.data(1, b"no", end=True)
    head, content, _ = await task
    assert head.status_code == status
    assert content == b"no" or await content.receive_all() == b"no"
    assert talk.released.ended == 1


@pytest.mark.parametrize("settings", [{}, {ENABLE_CONNECT_PROTOCOL: 0}])
async def test_a_server_that_does_not_offer_it_is_asked_over_http11(converse: Any, settings: dict[int, int]) -> None:
    talk = converse(settings)
    task = await ask(talk)
    with pytest.raises(UnansweredError) as caught:
        await task
    assert caught.value.needs_http1
    assert caught.value.surely_unprocessed
    assert talk.released.ended == 1
    assert not [frame for frame in talk.heard() if frame[0] == HEADERS]


async def test_the_settings_are_waited_for(converse: Any) -> None:
    talk = converse(None)
    task = await ask(talk)
    assert not task.done()
    assert not [frame for frame in talk.heard() if frame[0] == HEADERS]
    talk.settings(OFFERED)
    await turns()
    assert [frame for frame in talk.heard() if frame[0] == HEADERS]
    talk.head(1, 200)
    _, stream, _ = await task
    assert talk.connection.writable == []
    stream.close()


async def test_the_wait_for_settings_has_a_limit(converse: Any) -> None:
    talk = converse(None)
    task = await ask(talk, Timeout(read=5.0))
    talk.network.watch.look(talk.connection.read_at + 6)
    with pytest.raises(ReadTimeout):
        await task
    assert talk.released.ended == 1


async def test_a_connection_that_ends_before_its_settings_leaves_the_request_unprocessed(converse: Any) -> None:
    talk = converse(None)
    task = await ask(talk)
    talk.channel.lose(ConnectionResetError("gone"))
    with pytest.raises(UnansweredError) as caught:
        await task
    assert caught.value.surely_unprocessed
    assert not caught.value.was_sent


async def test_a_cancelled_handshake_resets_its_stream(converse: Any) -> None:
    talk = converse(OFFERED)
    task = await ask(talk)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await turns()
    assert talk.resets() == [(1, CANCEL)]
    assert talk.released.ended == 1


async def test_sending_waits_for_the_peers_window_and_keeps_the_order(converse: Any) -> None:
    talk, stream = await accepted(converse, {INITIAL_WINDOW_SIZE: 10})
    sending = asyncio.ensure_future(stream.send(b"0123456789abcdef"))
    await turns()
    assert sent(talk) == b"0123456789"
    assert not sending.done()
    assert stream.congested
    stream.write(b"XYZ")
    talk.window(1, 4)
    await turns()
    assert sent(talk) == b"abcd"
    assert not sending.done()
    talk.window(1, 100)
    await sending
    await turns()
    assert sent(talk) == b"efXYZ"
    assert not stream.congested
    stream.close()


async def test_sending_has_a_limit_and_can_be_cancelled(converse: Any) -> None:
    talk, stream = await accepted(converse, {INITIAL_WINDOW_SIZE: 4})
    sending = asyncio.ensure_future(stream.send(b"01234567", 5.0))
    await turns()
    talk.network.watch.look(talk.connection.read_at + 60_000)
    with pytest.raises(WriteTimeout):
        await sending
    cancelled = asyncio.ensure_future(stream.send(b"89"))
    await turns()
    cancelled.cancel()
    await asyncio.gather(cancelled, return_exceptions=True)
    talk.window(1, 100)
    await turns()
    assert sent(talk) == b"0123456789"  # everything that was handed over, in order
    stream.close()


async def test_a_full_transport_makes_senders_wait(converse: Any) -> None:
    talk, stream = await accepted(converse)
    talk.channel.write_paused = True
    sending = asyncio.ensure_future(stream.send(b"x"))
    await turns()
    assert not sending.done()
    talk.channel.resume_writing()
    await sending
    assert talk.connection.writable == []
    stream.close()


async def test_a_window_that_opens_into_a_full_transport_is_half_the_way(converse: Any) -> None:
    talk, stream = await accepted(converse, {INITIAL_WINDOW_SIZE: 1})
    sending = asyncio.ensure_future(stream.send(b"hello"))
    await turns()
    talk.channel.write_paused = True
    talk.window(1, 100)
    await turns()
    assert sent(talk) == b"hello"
    assert not sending.done()
    talk.channel.resume_writing()
    await sending
    assert talk.connection.writable == []
    stream.close()


async def test_the_peers_window_is_opened_as_the_reader_takes(converse: Any) -> None:
    talk, stream = await accepted(converse)
    window = talk.connection.engine.config.stream_window
    for _ in range(window // 16_384):
        talk.data(1, bytes(16_384))
    await turns()
    assert not [frame for frame in talk.heard() if frame[0] == WINDOW_UPDATE and frame[2] == 1]
    assert len(await stream.receive()) == window
    await turns()
    (update,) = [frame for frame in talk.heard() if frame[0] == WINDOW_UPDATE and frame[2] == 1]
    assert struct.unpack(">I", update[3])[0] == window
    stream.close()


async def test_closing_where_the_peer_has_not_ended(converse: Any) -> None:
    talk, stream = await accepted(converse)
    stream.write(b"bye")
    stream.close()
    stream.close()
    await turns()
    frames = [(frame[0], frame[1], frame[3]) for frame in talk.heard() if frame[2] == 1]
    assert frames == [(DATA, 0, b"bye"), (DATA, 1, b""), (RST_STREAM, 0, struct.pack(">I", CANCEL))]
    assert talk.released.ended == 1
    with pytest.raises(WriteError, match="closed"):
        stream.write(b"late")


async def test_closing_where_the_peer_has_ended(converse: Any) -> None:
    talk, stream = await accepted(converse)
    talk.data(1, b"last", end=True)
    await stream.send(b"still")  # our side is open
    await turns()
    assert sent(talk) == b"still"
    assert await stream.receive() == b"last"
    assert await stream.receive() == b""
    stream.close()
    await turns()
    assert talk.resets() == [(1, NO_ERROR)]
    assert talk.released.ended == 1


async def test_aborting_resets_the_stream(converse: Any) -> None:
    talk, stream = await accepted(converse, {INITIAL_WINDOW_SIZE: 1})
    stream.write(b"never sent")
    stream.abort()
    await turns()
    assert talk.resets() == [(1, CANCEL)]
    assert talk.released.ended == 1
    assert stream.is_closed


async def test_closing_with_bytes_the_windows_do_not_take_gives_them_up(converse: Any) -> None:
    talk, stream = await accepted(converse, {INITIAL_WINDOW_SIZE: 1})
    stream.write(b"never sent")
    stream.close()
    await turns()
    assert talk.resets() == [(1, CANCEL)]


async def test_a_reset_is_an_error_after_what_came(converse: Any) -> None:
    talk, stream = await accepted(converse)
    talk.data(1, b"data")
    talk.reset(1, CANCEL)
    assert await stream.receive() == b"data"
    with pytest.raises(RemoteProtocolError) as caught:
        await stream.receive()
    assert caught.value.host == "example.com"
    with pytest.raises(RemoteProtocolError):
        await stream.send(b"x")
    assert talk.released.ended == 1


@pytest.mark.parametrize("waiting", ["receive", "drain"])
async def test_a_lost_connection_wakes_whoever_waits(converse: Any, waiting: str) -> None:
    talk, stream = await accepted(converse, {INITIAL_WINDOW_SIZE: 1})
    stream.write(b"more than the window")
    task = asyncio.ensure_future(getattr(stream, waiting)())
    await turns()
    assert not task.done()
    talk.channel.lose(ConnectionResetError("gone"))
    with pytest.raises(ReadError, match="gone"):
        await task


async def test_the_handshakes_limits_end_with_it(converse: Any) -> None:
    talk = converse(OFFERED)
    task = await ask(talk, Timeout(read=5.0))
    talk.head(1, 200)
    _, stream, _ = await task
    talk.network.watch.look(talk.connection.read_at + 10)
    talk.data(1, b"late")
    assert await stream.receive() == b"late"
    stream.close()


async def test_other_streams_go_on_when_it_ends(converse: Any) -> None:
    talk, stream = await accepted(converse)
    other = await talk.ask()
    stream.abort()
    talk.head(3, 204, end=True)
    head, _, _ = await other
    assert head.status_code == 204


async def test_a_goodbye_leaves_it_alone(converse: Any) -> None:
    talk, stream = await accepted(converse)
    talk.goaway(1)
    talk.data(1, b"still here")
    assert await stream.receive() == b"still here"
    await stream.send(b"me too")
    await turns()
    assert sent(talk) == b"me too"
    stream.close()
