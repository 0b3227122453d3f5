"""HTTP/2: floods, bombs and dead ends."""

from __future__ import annotations

import asyncio
import struct
import time
import tracemalloc
from typing import TYPE_CHECKING, Any

import hpack
import pytest

import hyperhttp
from hyperhttp.testing.http2 import frame
from tests.behaviour.http2.test_peer import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    ENHANCE_YOUR_CALM,
    FRAME_SIZE,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW,
    MAX_STREAMS,
    PADDED,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    REFUSED_STREAM,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    Peer,
    Server,
    in_use,
    signal,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.testing.scripted import ScriptedServerFactory

MIB = 1024 * 1024
LONG = struct.Struct(">I")


async def assert_ended(face: Any, scripted: ScriptedServerFactory, script: Callable[[Peer], object]) -> Server:
    """The connection is ended in time, with a typed error, and another host is served."""
    other, server = Server(scripted, Peer.serve), Server(scripted, script)
    async with face.client(**server.options) as client:
        started = time.monotonic()
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.read(await client.post(server.url))
        assert time.monotonic() - started < 3
        assert await client.read(await client.get(other.url)) == b"ok"
        assert in_use(client) == 0
    await server.ended()
    return server


async def assert_flood_ends(
    face: Any, scripted: ScriptedServerFactory, data: bytes, *, in_content: bool = False
) -> None:
    """A flood of these frames is stopped, with the code that is meant for it."""
    stood = []

    def floods(peer: Peer) -> None:
        stream = peer.request().stream
        if in_content:
            peer.head(stream)
        stood.append(peer.flood(data, 8))
        peer.rest()

    server = await assert_ended(face, scripted, floods)
    assert stood[0] < 6 * MIB, "most of it is what the system buffers"
    assert [got.code for got in server.peers[0].heard if got.kind == GOAWAY] == [ENHANCE_YOUR_CALM]


async def test_cve_2019_9511_a_peer_that_reads_nothing_costs_neither_time_nor_memory(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    """Data dribble, and internal data buffering (CVE-2019-9517): the windows are open, the socket is not."""
    over = signal()

    def script(peer: Peer) -> None:
        peer.request()
        peer.window(0, 2**30)
        over.wait(5)

    server = Server(scripted, script, settings={INITIAL_WINDOW: 2**30})
    content = bytes(48 * MIB)
    async with face.client(**server.options) as client:
        tracemalloc.start()
        try:
            with pytest.raises(hyperhttp.WriteTimeout):
                await client.post(server.url, content=content, timeout=hyperhttp.Timeout(5, write=0.3))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            over.set()
    assert peak < 16 * MIB


async def test_cve_2019_9512_a_ping_flood_ends(face: Any, scripted: ScriptedServerFactory) -> None:
    await assert_flood_ends(face, scripted, frame(PING, 0, b"12345678"))


async def test_cve_2019_9513_a_priority_flood_ends(face: Any, scripted: ScriptedServerFactory) -> None:
    """And CVE-2026-10536: no tree of priorities is kept that could grow or loop."""
    await assert_flood_ends(face, scripted, frame(PRIORITY, 1, LONG.pack(1) + b"\xff"))


async def test_cve_2019_9514_a_reset_flood_ends(face: Any, scripted: ScriptedServerFactory) -> None:
    def floods(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        peer.request()
        stood.append(peer.flood(frame(RST_STREAM, 1, LONG.pack(8)), 8))
        peer.rest()

    stood: list[int] = []
    server = Server(scripted, floods)
    async with face.client(**server.options) as client:
        assert await client.read(await client.get(server.url)) == b"ok"
        with pytest.raises(hyperhttp.TransportError):
            await client.read(await client.post(server.url))
    await server.ended()
    assert stood[0] < 6 * MIB


async def test_cve_2019_9515_a_settings_flood_ends(face: Any, scripted: ScriptedServerFactory) -> None:
    await assert_flood_ends(face, scripted, frame(SETTINGS, 0, struct.pack(">HI", INITIAL_WINDOW, 1)))


async def test_cve_2019_9516_fields_without_names_are_refused(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        peer.frame(HEADERS, peer.request().stream, b"\x88" + b"\x00\x00\x00" * 5000, END_HEADERS | 1)
        peer.serve()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.get(server.url)
        assert await client.read(await client.get(server.url)) == b"ok"


@pytest.mark.parametrize(
    "data", [frame(DATA, 1), frame(DATA, 1, b"\x0f" + bytes(15), flags=PADDED)], ids=["empty", "padding"]
)
async def test_cve_2019_9518_a_flood_of_empty_frames_ends(
    face: Any, scripted: ScriptedServerFactory, data: bytes
) -> None:
    await assert_flood_ends(face, scripted, data, in_content=True)


@pytest.mark.parametrize("more", [b"", b"\x00\x01a\x01b" * 100], ids=["empty", "full"])
async def test_cve_2023_45288_a_continuation_flood_ends(
    face: Any, scripted: ScriptedServerFactory, more: bytes
) -> None:
    def floods(peer: Peer) -> None:
        stream = peer.request().stream
        peer.frame(HEADERS, stream, hpack.Encoder().encode([(":status", "200")]))
        stood.append(peer.flood(frame(CONTINUATION, stream, more), 8))
        peer.rest()

    stood: list[int] = []
    await assert_ended(face, scripted, floods)
    assert stood[0] < 6 * MIB


@pytest.mark.parametrize("size", [3900, 60])
async def test_cve_2016_6581_an_hpack_bomb_does_not_go_off(
    face: Any, scripted: ScriptedServerFactory, size: int
) -> None:
    """One entry of the table, and thousands of references of one byte each; also CVE-2022-41717."""

    def script(peer: Peer) -> None:
        stream = peer.request().stream
        block = b"\x88" + hpack.Encoder().encode([("b", "v" * size)], huffman=False) + b"\xbe" * 12_000
        peer.frame(HEADERS, stream, block, END_HEADERS)
        peer.serve()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        tracemalloc.start()
        try:
            with pytest.raises(hyperhttp.RemoteProtocolError):
                await client.get(server.url)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert await client.read(await client.get(server.url)) == b"ok"
    assert peak < 8 * MIB


@pytest.mark.parametrize("kind", ["huffman", "resizes", "integer"])
async def test_cve_2022_41723_hpack_takes_linear_time(face: Any, scripted: ScriptedServerFactory, kind: str) -> None:
    block = {
        "huffman": b"\x88\x00\x01x\xff" + b"\x80\x7d" + b"\x1f" * 16_127,
        "resizes": b"\x20\x3f\xe1\x1f" * 4000 + b"\x88",
        "integer": b"\xff" + b"\x80" * 16_000 + b"\x01",
    }[kind]

    def script(peer: Peer) -> None:
        peer.frame(HEADERS, peer.request().stream, block, END_HEADERS | 1)
        peer.serve()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        started = time.process_time()
        try:
            await client.get(server.url)
        except hyperhttp.RemoteProtocolError:
            pass
        assert time.process_time() - started < 1


@pytest.mark.parametrize(
    "fields", [[("x-large", "v" * 300_000)], [(f"x-{number}", "v" * 900) for number in range(400)]], ids=["one", "many"]
)
async def test_cve_2021_31525_a_list_of_fields_has_a_limit(
    face: Any, scripted: ScriptedServerFactory, fields: list[tuple[str, str]]
) -> None:
    """And CVE-2023-24534."""

    def script(peer: Peer) -> None:
        stream = peer.request().stream
        block = peer.encoder.encode([(":status", "200"), *fields], huffman=False)
        pieces = [block[at : at + 16_000] for at in range(0, len(block), 16_000)]
        peer.frame(HEADERS, stream, pieces[0])
        for number, piece in enumerate(pieces[1:], 2):
            peer.frame(CONTINUATION, stream, piece, END_HEADERS if number == len(pieces) else 0)
        peer.serve()

    server = Server(scripted, script, Peer.serve)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.get(server.url)
        assert await client.read(await client.get(server.url)) == b"ok"


@pytest.mark.parametrize("how", ["refused", "reset at once", "goaway"])
async def test_cve_2023_44487_a_server_that_gives_up_every_stream_is_not_asked_for_ever(
    face: Any, scripted: ScriptedServerFactory, how: str
) -> None:
    """Rapid reset, from the other side (CVE-2025-8671): who answers each request with a reset must not make us spin."""

    def script(peer: Peer) -> None:
        while True:
            stream = peer.request().stream
            if how == "goaway":
                peer.goaway(0)
                peer.connection.close()
                return
            peer.reset(stream, REFUSED_STREAM if how == "refused" else 8)

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        started = time.monotonic()
        with pytest.raises(hyperhttp.TransportError):
            await client.get(server.url)
        assert time.monotonic() - started < 3
    assert 1 <= len(server.asked) <= 20


@pytest.mark.parametrize("size", [0, 1, 16_383, 2**24])
async def test_cve_2026_33814_a_frame_size_that_cannot_be_ends_the_connection(
    face: Any, scripted: ScriptedServerFactory, size: int
) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.settings({FRAME_SIZE: size})
        peer.rest()

    await assert_ended(face, scripted, script)


async def test_cve_2022_27664_a_goaway_does_not_hang_whoever_closes(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream)
        peer.data(stream, b"half")
        peer.goaway(stream)
        peer.is_polite = False
        peer.connection.stall(10)

    server = Server(scripted, script)
    started = time.monotonic()
    async with face.client(**server.options) as client:
        response = await client.get(server.url, stream=True)
        assert response.status_code == 200
    assert time.monotonic() - started < 4


async def test_cve_2024_2398_a_push_is_refused(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.frame(PUSH_PROMISE, stream, LONG.pack(2) + b"\x82\x84\x87", END_HEADERS)
        peer.rest()

    server = await assert_ended(face, scripted, script)
    first = server.peers[0].heard[0]
    settings = dict(struct.iter_unpack(">HI", first.payload))
    assert (first.kind, settings.get(2)) == (SETTINGS, 0)


# -- dead ends -------------------------------------------------------------------------------------------------------


async def test_fewer_streams_than_are_open_are_no_dead_end(scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        asked = [peer.request().stream for _ in range(4)]
        peer.settings({MAX_STREAMS: 1})
        for stream in asked:
            peer.answer(stream)
        peer.serve()

    server = Server(scripted, script, settings={MAX_STREAMS: 4})
    async with hyperhttp.Client(**(server.options | {"max_connections": 1})) as client:

        async def ask() -> bytes:
            return await (await client.get(server.url)).aread()

        assert await asyncio.wait_for(asyncio.gather(*[ask() for _ in range(12)]), 10) == [b"ok"] * 12
    assert len(server.peers) == 1


async def test_a_window_that_opens_reaches_the_stream_it_is_for(scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        first, second = peer.request(), peer.request()
        peer.window(0, 200_000)
        for stream in (second.stream, first.stream):
            peer.window(stream, 100_000)  # and none for the other, which waits for its own
            assert len(peer.whole(stream, generous=False)) == 65_000
            peer.answer(stream)
        peer.rest()

    server = Server(scripted, script, settings={INITIAL_WINDOW: 10})
    async with hyperhttp.Client(**server.options) as client:
        asked = asyncio.gather(*[client.post(server.url, content=bytes(65_000)) for _ in range(2)])
        assert [response.status_code for response in await asyncio.wait_for(asked, 10)] == [200, 200]


async def test_a_negative_window_is_waited_out(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        while len(peer.content.get(stream, b"")) < 20_000:
            peer.read()
        peer.settled({INITIAL_WINDOW: 0})  # what was sent is more than is allowed now
        time.sleep(0.02)
        peer.window(stream, 20_000)
        peer.window(stream, 40_000)
        assert len(peer.whole(stream, generous=False)) == 50_000
        peer.answer(stream)
        peer.rest()

    server = Server(scripted, script, settings={INITIAL_WINDOW: 20_000})
    async with face.client(**server.options) as client:
        assert await client.read(await client.post(server.url, content=bytes(50_000))) == b"ok"


async def test_a_stream_that_nobody_reads_does_not_starve_the_others(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def script(peer: Peer) -> None:
        unread = peer.request().stream
        peer.head(unread)
        window = 65_535
        for got in peer.heard:
            if (got.kind, got.stream) == (SETTINGS, 0) and got.payload:
                window = dict(struct.iter_unpack(">HI", got.payload)).get(INITIAL_WINDOW, window)
        peer.data(unread, bytes(window))  # all that it may have
        while True:
            stream = peer.request().stream
            peer.head(stream)
            peer.data(stream, bytes(60_000), end=True)

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        unread = await client.get(server.url, stream=True)
        for _ in range(5):
            assert len(await client.read(await client.get(server.url))) == 60_000
        await client.aclose(unread)
    assert len(server.peers) == 1
    assert WINDOW_UPDATE in [got.kind for got in server.peers[0].heard]
