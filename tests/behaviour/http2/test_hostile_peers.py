"""Servers that mean harm or do not know better: bounded in memory and time, typed, and other hosts go on (RISKS)."""

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
    ACK,
    COMPRESSION_ERROR,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    ENHANCE_YOUR_CALM,
    FLOW_CONTROL_ERROR,
    FRAME_SIZE_ERROR,
    GOAWAY,
    HEADERS,
    INITIAL_WINDOW,
    MAX_STREAMS,
    PADDED,
    PING,
    PRIORITY,
    PROTOCOL_ERROR,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    STREAM_CLOSED,
    WINDOW_UPDATE,
    Peer,
    Server,
    eventually,
    in_use,
    opened,
    signal,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.testing.scripted import ScriptedServerFactory

MIB = 1024 * 1024
LONG = struct.Struct(">I")


def setting(identifier: int, value: int) -> bytes:
    """One parameter of a SETTINGS frame."""
    return struct.pack(">HI", identifier, value)


# -- floods ----------------------------------------------------------------------------------------------------

FLOODS: dict[str, bytes] = {
    "ping": frame(PING, 0, b"12345678"),
    "ping acknowledgements": frame(PING, 0, b"12345678", flags=ACK),
    "settings": frame(SETTINGS, 0),
    "settings with a window": frame(SETTINGS, 0, setting(INITIAL_WINDOW, 1)),
    "settings acknowledgements": frame(SETTINGS, 0, flags=ACK),
    "resets of the past": frame(RST_STREAM, 1, LONG.pack(8)),
    "empty content": frame(DATA, 3),
    "padding only": frame(DATA, 3, b"\x0f" + bytes(15), flags=PADDED),
    "window updates": frame(WINDOW_UPDATE, 3, LONG.pack(1)),
    "window updates of the connection": frame(WINDOW_UPDATE, 0, LONG.pack(1)),
    "window updates of the past": frame(WINDOW_UPDATE, 1, LONG.pack(1)),
    "priorities": frame(PRIORITY, 3, bytes(5)),
    "unknown frames": frame(0xBE, 3, b"what is this"),
    "goaway": frame(GOAWAY, 0, LONG.pack(0x7FFFFFFF) + LONG.pack(0)),
    "content of the past": frame(DATA, 1, b"x"),
}
KINDS_OF_CONTENT = ("empty content", "padding only")


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("kind", FLOODS)
async def test_a_flood_ends_the_connection_and_nothing_else(
    face: Any, scripted: ScriptedServerFactory, kind: str
) -> None:
    stood = []

    def floods(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        stream = peer.request().stream
        if kind in KINDS_OF_CONTENT:
            peer.head(stream)
        stood.append(peer.flood(FLOODS[kind], 8))
        peer.rest()

    other = Server(scripted, Peer.serve)
    server = Server(scripted, floods)
    async with face.client(**server.options) as client:
        await client.read(await client.get(server.url))
        started = time.monotonic()
        with pytest.raises(hyperhttp.TransportError) as caught:
            await client.read(await client.post(server.url))
        assert time.monotonic() - started < 2
        assert isinstance(caught.value, hyperhttp.RemoteProtocolError)
        assert caught.value.request is not None
        assert await client.read(await client.get(other.url)) == b"ok"
        assert server.url.removeprefix("http://") not in client.raw.get_pool_stats()
    await server.ended()
    assert stood[0] < 6 * MIB, "most of it is what the system buffers"
    codes = [got.code for got in server.peers[0].heard if got.kind == GOAWAY]
    assert codes in ([ENHANCE_YOUR_CALM], [STREAM_CLOSED]), "and STREAM_CLOSED is right for what comes after the end"
    if kind != "content of the past":
        assert codes == [ENHANCE_YOUR_CALM]


@pytest.mark.usefixtures("no_leaks")
@pytest.mark.parametrize("kind", ["ping", "settings"])
async def test_a_flood_while_nothing_is_asked_ends_the_connection(scripted: ScriptedServerFactory, kind: str) -> None:
    def floods(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        peer.flood(FLOODS[kind], 8)
        peer.rest()

    server = Server(scripted, floods)
    async with hyperhttp.Client(**server.options) as client:
        await (await client.get(server.url)).aread()
        await eventually(lambda: client.get_pool_stats() == {})
        await server.ended()
    assert [got.code for got in server.peers[0].heard if got.kind == GOAWAY] == [ENHANCE_YOUR_CALM]


async def test_pings_now_and_then_are_no_flood(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        while True:
            stream = peer.request().stream
            for _ in range(50):
                peer.ping()
            peer.answer(stream)

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        for _ in range(10):
            assert await client.read(await client.get(server.url)) == b"ok"
    assert len(server.peers) == 1


async def test_a_continuation_without_end_ends_the_connection(face: Any, scripted: ScriptedServerFactory) -> None:
    """CVE-2023-45288 and CVE-2024-27316."""

    def floods(peer: Peer) -> None:
        stream = peer.request().stream
        peer.frame(HEADERS, stream, hpack.Encoder().encode([(":status", "200")]))
        peer.flood(frame(CONTINUATION, stream, b"\x00\x01a\x01b" * 100), 8)
        peer.rest()

    await assert_refused(face, scripted, floods, ENHANCE_YOUR_CALM)


async def test_empty_continuations_without_end_end_the_connection(face: Any, scripted: ScriptedServerFactory) -> None:
    def floods(peer: Peer) -> None:
        stream = peer.request().stream
        peer.frame(HEADERS, stream, hpack.Encoder().encode([(":status", "200")]))
        peer.flood(frame(CONTINUATION, stream), 8)
        peer.rest()

    await assert_refused(face, scripted, floods, ENHANCE_YOUR_CALM)


async def test_field_sections_in_small_continuations_are_fine(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        block = peer.encoder.encode([(":status", "200"), ("x-long", "v" * 40)])
        peer.frame(HEADERS, stream, block[:1])
        for at in range(1, len(block)):
            peer.frame(CONTINUATION, stream, block[at : at + 1], END_HEADERS if at == len(block) - 1 else 0)
        peer.data(stream, b"ok", end=True)
        peer.rest()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        response = await client.get(server.url)
        assert response.headers["x-long"] == "v" * 40
        assert await client.read(response) == b"ok"


async def assert_refused(
    face: Any, scripted: ScriptedServerFactory, script: Callable[[Peer], object], code: int
) -> None:
    """The connection ends with this code, its request with a typed error, and another host goes on."""
    other = Server(scripted, Peer.serve)
    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        started = time.monotonic()
        with pytest.raises(hyperhttp.RemoteProtocolError) as caught:
            await client.read(await client.post(server.url))
        assert time.monotonic() - started < 2
        assert caught.value.request is not None
        assert caught.value.error_code == code
        assert await client.read(await client.get(other.url)) == b"ok"
        assert server.url.removeprefix("http://") not in client.raw.get_pool_stats()
    await server.ended()
    assert [got.code for got in server.peers[0].heard if got.kind == GOAWAY] == [code]


# -- field sections --------------------------------------------------------------------------------------------


async def test_an_hpack_bomb_does_not_go_off(face: Any, scripted: ScriptedServerFactory) -> None:
    """CVE-2016-6581: one large table entry, then thousands of references of one byte each."""

    def script(peer: Peer) -> None:
        stream = peer.request().stream
        value = b"b" * 3900
        entry = b"\x40\x01b\x7f" + bytes([(len(value) - 127) & 0x7F | 0x80, (len(value) - 127) >> 7]) + value
        block = b"\x88" + entry + b"\xbe" * 16_000
        peer.frame(HEADERS, stream, block[:16_000])
        peer.frame(CONTINUATION, stream, block[16_000:], END_HEADERS)
        peer.serve()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        tracemalloc.start()
        try:
            with pytest.raises(hyperhttp.RemoteProtocolError, match=r"too large|without end") as caught:
                await client.get(server.url)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert caught.value.request is not None
        assert await client.read(await client.get(server.url)) == b"ok"
    assert peak < 8 * MIB


@pytest.mark.parametrize(
    "fields",
    [
        [("x-large", "v" * 70_000)],
        [(f"x-{number}", "v" * 1000) for number in range(80)],
        [(f"x-{number}", "") for number in range(2000)],
    ],
    ids=["one value", "all together", "their number"],
)
@pytest.mark.parametrize("trailers", [False, True])
async def test_field_sections_over_the_limit_are_refused(
    face: Any, scripted: ScriptedServerFactory, fields: list[tuple[str, str]], trailers: bool
) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        if trailers:
            peer.head(stream)
            peer.data(stream, b"content")
            block = peer.encoder.encode(fields, huffman=False)
        else:
            block = peer.encoder.encode([(":status", "200"), *fields], huffman=False)
        pieces = [block[at : at + 16_000] for at in range(0, len(block), 16_000)]
        flags = END_STREAM if trailers else 0
        peer.frame(HEADERS, stream, pieces[0], flags | (END_HEADERS if len(pieces) == 1 else 0))
        for number, piece in enumerate(pieces[1:], 2):
            peer.frame(CONTINUATION, stream, piece, END_HEADERS if number == len(pieces) else 0)
        peer.serve()

    server = Server(scripted, script, Peer.serve)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match=r"too large|without end") as caught:
            await client.read(await client.get(server.url))
        assert caught.value.request is not None
        assert await client.read(await client.get(server.url)) == b"ok"
        assert in_use(client) == 0


async def test_empty_names_and_a_flood_of_them_are_refused(face: Any, scripted: ScriptedServerFactory) -> None:
    """CVE-2019-9516: zero-length headers."""

    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.frame(HEADERS, stream, b"\x88" + b"\x00\x00\x00" * 5000, END_HEADERS | END_STREAM)
        peer.serve()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.get(server.url)
        assert await client.read(await client.get(server.url)) == b"ok"


@pytest.mark.parametrize("fault", ["table", "huffman", "integer", "resize"])
async def test_field_sections_that_cannot_be_decoded_end_the_connection(
    face: Any, scripted: ScriptedServerFactory, fault: str
) -> None:
    block = {
        "table": b"\x88\xff\x7f",
        "huffman": b"\x88\x00\x81\xff\x81\xff",
        "integer": b"\x88\xff" + b"\xff" * 30 + b"\x01",
        "resize": b"\x3f\xff\xff\x7f\x88",
    }[fault]

    def script(peer: Peer) -> None:
        peer.frame(HEADERS, peer.request().stream, block, END_HEADERS | END_STREAM)
        peer.rest()

    await assert_refused(face, scripted, script, COMPRESSION_ERROR)


MALFORMED: dict[str, list[tuple[str, str]]] = {
    "no status": [("x-field", "value")],
    "two status codes": [(":status", "200"), (":status", "200")],
    "a status that is none": [(":status", "2OO")],
    "a late status": [("x-field", "value"), (":status", "200")],
    "a request's field": [(":status", "200"), (":path", "/")],
    "an upper-case name": [(":status", "200"), ("X-Upper", "value")],
    "a name with a blank": [(":status", "200"), ("x y", "value")],
    "a line feed": [(":status", "200"), ("x-field", "a\nset-cookie: b")],
    "a carriage return": [(":status", "200"), ("x-field", "a\rb")],
    "a nul": [(":status", "200"), ("x-field", "a\0b")],
    "a connection field": [(":status", "200"), ("connection", "close")],
    "a transfer coding": [(":status", "200"), ("transfer-encoding", "chunked")],
    "an upgrade": [(":status", "200"), ("upgrade", "h2c")],
    "two lengths": [(":status", "200"), ("content-length", "2"), ("content-length", "3")],
    "a length that is none": [(":status", "200"), ("content-length", "+2")],
    "a switch of protocols": [(":status", "101")],
}


@pytest.mark.parametrize("fault", MALFORMED)
async def test_a_malformed_response_ends_its_stream_only(
    face: Any, scripted: ScriptedServerFactory, fault: str
) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.frame(HEADERS, stream, peer.encoder.encode(MALFORMED[fault]), END_HEADERS | END_STREAM)
        peer.serve()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="malformed") as caught:
            await client.get(server.url)
        assert caught.value.request is not None
        assert await client.read(await client.get(server.url)) == b"ok"
        assert opened(client) == 1
    assert server.resets == [(1, PROTOCOL_ERROR)]


@pytest.mark.parametrize(("length", "sent"), [(10, 5), (5, 10), (0, 1), (1, 0)])
async def test_content_that_is_not_as_long_as_it_says_is_an_error(
    face: Any, scripted: ScriptedServerFactory, length: int, sent: int
) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream, 200, ("content-length", str(length)))
        peer.data(stream, b"x" * sent, end=True)
        peer.serve()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="Content-Length"):
            await client.read(await client.get(server.url))
        assert await client.read(await client.get(server.url)) == b"ok"
        assert opened(client) == 1
    assert server.resets == [(1, PROTOCOL_ERROR)]


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_content_where_none_may_be_is_an_error(
    face: Any, scripted: ScriptedServerFactory, method: str, status: int
) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream, status)
        peer.data(stream, b"content", end=True)
        peer.serve()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.read(await client.request(method, server.url))
        assert await client.read(await client.get(server.url)) == b"ok"
    assert server.resets == [(1, PROTOCOL_ERROR)]


async def test_interim_responses_without_end_are_refused(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        for _ in range(1000):
            peer.head(stream, 103, ("link", "</style.css>"))
        peer.serve()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="interim"):
            await client.get(server.url)
        assert await client.read(await client.get(server.url)) == b"ok"
        assert opened(client) == 1
    assert server.resets == [(1, ENHANCE_YOUR_CALM)]


# -- frames that must not be -------------------------------------------------------------------------------------

FAULTS: dict[str, tuple[bytes, int]] = {
    "settings of a wrong size": (frame(SETTINGS, 0, b"12345"), FRAME_SIZE_ERROR),
    "settings on a stream": (frame(SETTINGS, 1), PROTOCOL_ERROR),
    "an acknowledgement with content": (frame(SETTINGS, 0, setting(1, 1), flags=ACK), FRAME_SIZE_ERROR),
    "push switched on": (frame(SETTINGS, 0, setting(2, 1)), PROTOCOL_ERROR),
    "a window beyond the limit": (frame(SETTINGS, 0, setting(INITIAL_WINDOW, 2**31)), FLOW_CONTROL_ERROR),
    "frames of no size": (frame(SETTINGS, 0, setting(5, 0)), PROTOCOL_ERROR),
    "a ping of a wrong size": (frame(PING, 0, b"1234567"), FRAME_SIZE_ERROR),
    "a ping on a stream": (frame(PING, 1, b"12345678"), PROTOCOL_ERROR),
    "a short goaway": (frame(GOAWAY, 0, b"1234"), FRAME_SIZE_ERROR),
    "goaway on a stream": (frame(GOAWAY, 1, bytes(8)), PROTOCOL_ERROR),
    "a short reset": (frame(RST_STREAM, 1, b"12"), FRAME_SIZE_ERROR),
    "a reset of the connection": (frame(RST_STREAM, 0, bytes(4)), PROTOCOL_ERROR),
    "a reset of the future": (frame(RST_STREAM, 99, bytes(4)), PROTOCOL_ERROR),
    "content of the connection": (frame(DATA, 0, b"x"), PROTOCOL_ERROR),
    "content of the future": (frame(DATA, 99, b"x"), PROTOCOL_ERROR),
    "a response to nothing": (frame(HEADERS, 99, b"\x88", flags=END_HEADERS), PROTOCOL_ERROR),
    "a response from nowhere": (frame(HEADERS, 0, b"\x88", flags=END_HEADERS), PROTOCOL_ERROR),
    "an even stream": (frame(HEADERS, 2, b"\x88", flags=END_HEADERS), PROTOCOL_ERROR),
    "a push": (frame(PUSH_PROMISE, 1, LONG.pack(2) + b"\x82\x84\x87", flags=END_HEADERS), PROTOCOL_ERROR),
    "a continuation of nothing": (frame(CONTINUATION, 1, b"\x88", flags=END_HEADERS), PROTOCOL_ERROR),
    "an interrupted section": (frame(HEADERS, 1, b"\x88") + frame(PING, 0, bytes(8)), PROTOCOL_ERROR),
    "a section continued elsewhere": (
        frame(HEADERS, 1, b"\x88") + frame(CONTINUATION, 3, b"", flags=END_HEADERS),
        PROTOCOL_ERROR,
    ),
    "more padding than frame": (frame(HEADERS, 1, b"\x09\x88", flags=END_HEADERS | PADDED), PROTOCOL_ERROR),
    "more padding than content": (
        frame(HEADERS, 1, b"\x88", flags=END_HEADERS) + frame(DATA, 1, b"\xffx", flags=PADDED),
        PROTOCOL_ERROR,
    ),
    "a window of the future": (frame(WINDOW_UPDATE, 99, LONG.pack(1)), PROTOCOL_ERROR),
    "a window of a wrong size": (frame(WINDOW_UPDATE, 0, b"1"), FRAME_SIZE_ERROR),
    "a frame too large": (frame(DATA, 1, b"x" * 16_385), FRAME_SIZE_ERROR),
    "an enormous frame": (b"\xff\xff\xff\x00\x00\x00\x00\x00\x01" + b"x" * 100, FRAME_SIZE_ERROR),
    "HTTP/1.1": (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", FRAME_SIZE_ERROR),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_fault_of_the_connection_ends_it_with_the_right_code(
    face: Any, scripted: ScriptedServerFactory, fault: str
) -> None:
    data, code = FAULTS[fault]

    def script(peer: Peer) -> None:
        peer.request()
        peer.connection.sendall(data)
        peer.rest()

    await assert_refused(face, scripted, script, code)


async def test_a_server_that_does_not_begin_with_settings_is_refused(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def script(peer: Peer) -> None:
        peer.connection.read_exactly(24)
        peer.answer(peer.request().stream)
        peer.rest()

    server = Server(scripted, script, settings=None)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="settings"):
            await client.get(server.url)
    await server.ended()
    assert [got.code for got in server.peers[0].heard if got.kind == GOAWAY] == [PROTOCOL_ERROR]


async def test_unknown_frames_settings_and_flags_are_ignored(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.frame(0xEE, 0, b"unknown", 0xFF)
        peer.frame(0xEE, stream, b"unknown")
        peer.frame(0xEE, 98, b"unknown")
        peer.settings({0xFFFF: 5, 0x9: 1, MAX_STREAMS: 100})
        peer.frame(PRIORITY, stream, bytes(5))
        peer.frame(PRIORITY, 98, bytes(5))
        block = peer.encoder.encode([(":status", "200")])
        peer.frame(HEADERS, stream, b"\x03" + bytes(5) + block + b"pad", END_HEADERS | PADDED | 0x20 | 0xC2)
        peer.frame(DATA, stream, b"\x02okXX", END_STREAM | PADDED | 0xF4)
        peer.rest()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        assert await client.read(await client.get(server.url)) == b"ok"


async def test_content_before_the_head_and_after_the_end_are_faults_of_the_stream(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def script(peer: Peer) -> None:
        peer.data(peer.request().stream, b"too early")
        peer.serve()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="before the head"):
            await client.get(server.url)
        assert await client.read(await client.get(server.url)) == b"ok"
    assert server.resets == [(1, PROTOCOL_ERROR)]


async def test_content_after_the_end_never_becomes_part_of_another_response(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.answer(stream)
        peer.data(stream, b"poison", end=True)
        peer.rest()

    server = Server(scripted, script, Peer.serve)
    async with face.client(**server.options) as client:
        assert await client.read(await client.get(server.url)) == b"ok"
        await face.sleep(0.02)
        assert await client.read(await client.get(server.url)) == b"ok"
    assert len(server.peers) == 2
    assert [got.code for got in server.peers[0].heard if got.kind == GOAWAY] == [STREAM_CLOSED]


# -- slowness ----------------------------------------------------------------------------------------------------


async def test_bytes_that_come_one_by_one_are_understood(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        data = frame(HEADERS, stream, peer.encoder.encode([(":status", "200")]), flags=END_HEADERS)
        data += frame(DATA, stream, b"content", flags=END_STREAM)
        for at in range(len(data)):
            peer.connection.sendall(data[at : at + 1])
        peer.rest()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        assert await client.read(await client.get(server.url)) == b"content"


async def test_a_frame_that_never_ends_is_a_read_timeout(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        peer.request()
        peer.connection.sendall(frame(HEADERS, 1, b"\x88" * 100, flags=END_HEADERS)[:20])
        peer.rest()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.ReadTimeout):
            await client.get(server.url, timeout=hyperhttp.Timeout(5, read=0.1))


async def test_a_peer_that_reads_nothing_is_a_write_timeout(face: Any, scripted: ScriptedServerFactory) -> None:
    """Data dribble and its kin (CVE-2019-9511, 9517): the windows are wide open, the socket is not."""
    over = signal()

    def script(peer: Peer) -> None:
        peer.request()
        peer.window(0, 2**30)
        over.wait(5)

    server = Server(scripted, script, settings={INITIAL_WINDOW: 2**30})
    async with face.client(**server.options) as client:
        started = time.monotonic()
        try:
            with pytest.raises(hyperhttp.WriteTimeout):
                await client.post(server.url, content=bytes(48 * MIB), timeout=hyperhttp.Timeout(3, write=0.3))
        finally:
            over.set()
        assert time.monotonic() - started < 2


async def test_one_hostile_connection_does_not_slow_others_down(scripted: ScriptedServerFactory) -> None:
    def floods(peer: Peer) -> None:
        peer.request()
        peer.flood(FLOODS["ping"], 8)

    async def attacked() -> None:
        with pytest.raises(hyperhttp.TransportError):
            await (await client.post(hostile.url)).aread()

    async def fine() -> None:
        for _ in range(10):
            assert await (await client.get(other.url)).aread() == b"ok"

    hostile = Server(scripted, floods)
    other = Server(scripted, Peer.serve)
    async with hyperhttp.Client(**other.options) as client:
        await asyncio.wait_for(asyncio.gather(*[attacked() for _ in range(4)], *[fine() for _ in range(4)]), 5)
