"""Windows in both directions: nobody sends more than allowed, nobody waits for nothing (RFC 9113 section 5.2, 6.9)."""

from __future__ import annotations

import asyncio
import hashlib
import threading
import tracemalloc
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Timeout
from tests.behaviour.http2.test_peer import (
    DATA,
    END_STREAM,
    INITIAL_WINDOW,
    MAX_STREAMS,
    WINDOW_UPDATE,
    Peer,
    Server,
    eventually,
    in_use,
    opened,
    signal,
)

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

MIB = 1024 * 1024


@pytest.fixture
def h2_origin(hyperhttp_http2_origin: Origin) -> Any:
    """The HTTP/2 origin of the run, with nothing left of earlier tests."""
    hyperhttp_http2_origin.clear()
    yield hyperhttp_http2_origin
    hyperhttp_http2_origin.drop_connections()
    assert hyperhttp_http2_origin.errors == []


def content_of(size: int) -> bytes:
    """Content whose every part is different."""
    return b"".join(hashlib.sha256(b"%d" % at).digest() for at in range(size // 32 + 1))[:size]


# -- sending ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("window", "size"), [(1, 50), (10, 1000), (1000, 30_000), (70_000, 300_000)])
async def test_an_upload_fits_through_a_window_of_any_size(
    face: Any, scripted: ScriptedServerFactory, window: int, size: int, streamed: bool
) -> None:
    largest = []

    def script(peer: Peer) -> None:
        stream = peer.request().stream
        mine, common = window, 65_535
        while True:
            got = peer.read()
            if got.kind == DATA:
                mine -= len(got.payload)
                common -= len(got.payload)
                largest.append(len(got.payload))
                assert min(mine, common) >= 0, "more than a window allowed"
                if got.flags & END_STREAM:
                    break
                if not mine:
                    mine = window
                    peer.window(stream, window)
                if not common:
                    common = 65_535
                    peer.window(0, common)
        peer.answer(stream, hashlib.sha256(peer.content[stream]).hexdigest().encode())
        peer.rest()

    content = content_of(size)
    server = Server(scripted, first_settings_then(script), settings={INITIAL_WINDOW: window})
    async with face.client(**server.options) as client:
        await client.read(await client.get(server.url))
        third = size // 3
        body = face.pieces(content[:third], content[third:]) if streamed else content
        response = await client.post(server.url, content=body)
        assert await client.read(response) == hashlib.sha256(content).hexdigest().encode()
    assert max(largest) <= 16_384


async def test_no_window_at_first_is_waited_for(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.ping()
        assert stream not in peer.content or not peer.content[stream]
        peer.window(stream, 6)
        peer.whole(stream, generous=False)
        peer.answer(stream, bytes(peer.content[stream]))
        peer.rest()

    server = Server(scripted, first_settings_then(script), settings={INITIAL_WINDOW: 0})
    async with face.client(**server.options) as client:
        await client.read(await client.get(server.url))  # now the settings are known
        response = await client.post(server.url, content=b"upload")
        assert await client.read(response) == b"upload"


def first_settings_then(script: Any) -> Any:
    """A script whose first request is answered at once, so that its settings are known for the second."""

    def whole(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        script(peer)

    return whole


@pytest.mark.parametrize("size", [0, 1])
async def test_an_upload_of_nothing_needs_no_window(face: Any, scripted: ScriptedServerFactory, size: int) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        if size:
            peer.window(stream, size)
        peer.whole(stream, generous=False)
        peer.answer(stream)
        peer.rest()

    server = Server(scripted, first_settings_then(script), settings={INITIAL_WINDOW: 0})
    async with face.client(**server.options) as client:
        await client.read(await client.get(server.url))
        assert (await client.post(server.url, content=face.pieces(*[b"x"] * size))).status_code == 200


async def test_a_window_that_becomes_negative_is_waited_out(face: Any, scripted: ScriptedServerFactory) -> None:
    """RFC 9113 section 6.9.2: lowered SETTINGS_INITIAL_WINDOW_SIZE takes back what was already used."""
    content = content_of(120_000)

    def script(peer: Peer) -> None:
        stream = peer.request().stream
        while len(peer.content.get(stream, b"")) < 65_535:
            peer.read()
        peer.settings({INITIAL_WINDOW: 10})  # the window is now -65525
        peer.window(0, 1_000_000)
        peer.window(stream, 60_000)  # -5525
        peer.ping()
        assert len(peer.content[stream]) == 65_535, "nothing may be sent into a negative window"
        peer.window(stream, 5_525 + 1)  # 1
        while len(peer.content[stream]) < 65_536:
            peer.read()
        peer.ping()
        assert len(peer.content[stream]) == 65_536
        peer.settings({INITIAL_WINDOW: 200_000})
        peer.whole(stream, generous=False)
        peer.answer(stream, hashlib.sha256(peer.content[stream]).digest())
        peer.rest()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        response = await client.post(server.url, content=content)
        assert await client.read(response) == hashlib.sha256(content).digest()


async def test_raised_settings_open_the_windows_of_waiting_uploads(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        streams = [peer.request().stream for _ in range(4)]
        peer.ping()
        assert not any(peer.content.values())
        peer.settings({INITIAL_WINDOW: 1000})
        for stream in streams:
            assert peer.whole(stream, generous=False) == b"x" * 1000
            peer.answer(stream)
        peer.rest()

    server = Server(scripted, first_settings_then(script), settings={INITIAL_WINDOW: 0})
    async with face.client(**server.options) as client:
        await client.read(await client.get(server.url))
        responses = await face.together(*[client.post(server.url, content=b"x" * 1000) for _ in range(4)])
        assert [response.status_code for response in responses] == [200] * 4


async def test_concurrent_uploads_share_the_connections_window(face: Any, scripted: ScriptedServerFactory) -> None:
    """A WINDOW_UPDATE that one stream's wait hears is heard by all (FIELD: uploads that stalled each other)."""
    size = 100_000
    count = 5

    def script(peer: Peer) -> None:
        left = 65_535
        ended = 0
        while ended < count:
            got = peer.read()
            if got.kind == DATA:
                left -= len(got.payload)
                assert left >= 0
                ended += got.flags & END_STREAM
                if left < 30_000:
                    peer.window(0, 10_000)
                    left += 10_000
        for request in peer.asked:
            digest = hashlib.sha256(peer.content[request.stream]).hexdigest()
            peer.answer(request.stream, digest.encode())
        peer.rest()

    server = Server(scripted, script, settings={INITIAL_WINDOW: 1_000_000})
    async with face.client(**server.options) as client:
        contents = [content_of(size)[number:] for number in range(count)]
        responses = await face.together(*[client.post(server.url, content=content) for content in contents])
        for response, content in zip(responses, contents, strict=True):
            assert await client.read(response) == hashlib.sha256(content).hexdigest().encode()


async def test_an_upload_without_window_does_not_hold_up_its_siblings(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def script(peer: Peer) -> None:
        stuck = peer.request()
        peer.ping()
        for _ in range(5):
            request = peer.request()
            peer.window(request.stream, 100)
            peer.whole(request.stream, generous=False)
            peer.answer(request.stream)
        peer.window(stuck.stream, 1000)
        peer.whole(stuck.stream, generous=False)
        peer.answer(stuck.stream)
        peer.rest()

    server = Server(scripted, first_settings_then(script), settings={INITIAL_WINDOW: 0})
    async with face.client(**server.options) as client:
        await client.read(await client.get(server.url))
        stuck = face.start(client.post(server.url + "/stuck", content=b"s" * 1000))
        await eventually(lambda: "/stuck" in server.asked)
        for number in range(5):
            response = await client.post(f"{server.url}/{number}", content=b"y" * 100)
            assert response.status_code == 200
        assert (await asyncio.wait_for(stuck, 3)).status_code == 200


async def test_a_window_that_never_opens_is_a_write_timeout_for_this_request_only(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def script(peer: Peer) -> None:
        while True:
            request = peer.request()
            if request.path == "/fine":
                peer.answer(request.stream)

    server = Server(scripted, first_settings_then(script), settings={INITIAL_WINDOW: 0})
    async with face.client(**server.options) as client:
        await client.read(await client.get(server.url))
        with pytest.raises(hyperhttp.WriteTimeout) as caught:
            await client.post(server.url + "/stuck", content=b"s" * 1000, timeout=Timeout(5, write=0.1))
        assert (caught.value.limit, caught.value.phase) == (0.1, "write")
        assert await client.read(await client.get(server.url + "/fine")) == b"ok"
        await eventually(lambda: server.resets)
        assert (opened(client), in_use(client)) == (1, 0)
    assert server.resets == [(3, 8)]


async def test_a_slow_upload_is_not_taken_for_a_slow_answer(face: Any, scripted: ScriptedServerFactory) -> None:
    """The read timeout begins when the request is sent, whatever interim responses come before."""

    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream, 103, ("link", "</style.css>"))
        peer.whole(stream)
        peer.answer(stream)
        peer.rest()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        pieces = face.pieces(*[b"piece"] * 6, pause=0.06)
        response = await client.post(server.url, content=pieces, timeout=Timeout(5, read=0.15))
        assert response.status_code == 200


async def test_an_answer_that_begins_early_does_not_cut_the_upload(face: Any, scripted: ScriptedServerFactory) -> None:
    """Both directions of a stream are independent: a server may answer while it reads (section 8.1)."""

    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream)
        while not (peer.heard[-1].kind == DATA and peer.heard[-1].flags & END_STREAM):
            got = peer.read()
            if got.kind == DATA and got.payload:
                peer.data(stream, got.payload.upper())
        peer.data(stream, b"", end=True)
        peer.rest()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        pieces = face.pieces(*[b"piece%d " % number for number in range(6)], pause=0.02)
        response = await client.post(server.url, content=pieces, timeout=Timeout(2))
        assert await client.read(response) == b"PIECE0 PIECE1 PIECE2 PIECE3 PIECE4 PIECE5 "


async def test_20_megabytes_go_up_in_bounded_memory(face: Any, h2_origin: Origin) -> None:
    piece = content_of(64 * 1024)
    count = 320
    async with face.client(ssl_context=h2_origin.ssl_context(), timeout=20) as client:
        await client.read(await client.get(h2_origin.https_url + "/get"))
        tracemalloc.start()
        try:
            response = await client.post(h2_origin.https_url + "/sha256", content=face.pieces(*[piece] * count))
            answer = await client.json(response)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert answer == {"length": count * len(piece), "sha256": hashlib.sha256(piece * count).hexdigest()}
        assert opened(client) == 1
    assert peak < 12 * MIB, "the origin, in this process too, keeps some of it"


# -- receiving -------------------------------------------------------------------------------------------------


async def test_20_megabytes_come_down_in_bounded_memory(face: Any, h2_origin: Origin) -> None:
    size = 20 * MIB
    async with face.client(ssl_context=h2_origin.ssl_context(), timeout=20) as client:
        url = f"{h2_origin.https_url}/bytes/{size}"
        expected = (await client.json(await client.get(url + "/sha256?seed=7")))["sha256"]
        digest = hashlib.sha256()
        tracemalloc.start()
        try:
            async with client.stream("GET", url + "?seed=7") as response:
                async for piece in client.iter_bytes(response):
                    digest.update(piece)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert (digest.hexdigest(), response.num_bytes_downloaded) == (expected, size)
    assert peak < 12 * MIB


async def test_a_reader_that_does_not_read_stops_the_server(face: Any, scripted: ScriptedServerFactory) -> None:
    """Memory is bounded by the window, not by what the server would like to send."""
    sent = []
    counted = signal()

    def script(peer: Peer) -> None:
        stream = peer.request().stream
        window = int.from_bytes(
            {peer.heard[0].payload[at : at + 2]: peer.heard[0].payload[at + 2 : at + 6] for at in range(0, 24, 6)}[
                b"\0\4"
            ],
            "big",
        )
        peer.head(stream)
        peer.data(stream, bytes(window))
        peer.ping()
        sent.append(
            sum(int.from_bytes(got.payload, "big") for got in peer.heard if got[::2] == (WINDOW_UPDATE, stream))
        )
        counted.set()
        while not any(got[::2] == (WINDOW_UPDATE, stream) for got in peer.heard):
            peer.read()
        peer.data(stream, b"the end", end=True)
        peer.rest()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        response = await client.get(server.url, stream=True)
        if face.is_blocking:
            reader = face.start(client.read(response))
        else:
            await eventually(counted.is_set)
            reader = face.start(client.read(response))
        assert (await asyncio.wait_for(reader, 5)).endswith(b"the end")
    if not face.is_blocking:
        assert sent == [0], "no window was opened before anybody read"


@pytest.mark.parametrize("size", [100, 300_000, 5 * MIB])
async def test_a_response_nobody_reads_does_not_starve_the_connection(face: Any, h2_origin: Origin, size: int) -> None:
    async with face.client(ssl_context=h2_origin.ssl_context(), timeout=10) as client:
        url = h2_origin.https_url
        unread = [await client.get(f"{url}/bytes/{size}?seed={n}", stream=True) for n in range(4)]
        for number in range(4):
            response = await client.get(f"{url}/bytes/400000?seed=s{number}")
            assert len(await client.read(response)) == 400_000
        assert opened(client) == 1
        for response in reversed(unread):
            assert len(await client.read(response)) == size
        assert in_use(client) == 0


async def test_a_slow_reader_does_not_stall_its_siblings(face: Any, h2_origin: Origin) -> None:
    async def slow() -> int:
        size = 0
        async with client.stream("GET", f"{h2_origin.https_url}/bytes/{6 * MIB}") as response:
            async for piece in client.iter_bytes(response, MIB):
                size += len(piece)
                while not are_through.is_set():
                    await face.sleep(0.01)
        return size

    async def quick() -> list[int]:
        sizes = []
        for _ in range(10):
            sizes.append(len(await client.read(await client.get(h2_origin.https_url + "/bytes/200000"))))
        return sizes

    are_through = threading.Event()
    async with face.client(ssl_context=h2_origin.ssl_context(), timeout=Timeout(20)) as client:
        crawling = face.start(slow())
        await asyncio.sleep(0.02)
        try:
            assert await asyncio.wait_for(face.start(quick()), 20) == [200_000] * 10
            assert not crawling.done(), "the quick ones did not wait for the slow one"
        finally:
            are_through.set()
        assert await crawling == 6 * MIB
        assert opened(client) == 1


async def test_windows_are_opened_in_large_steps(face: Any, h2_origin: Origin, scripted: ScriptedServerFactory) -> None:
    size = 4 * MIB

    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream)
        left = 2 * MIB
        for at in range(0, size, 65_536):
            while left < 65_536:
                got = peer.read()
                if got.kind == WINDOW_UPDATE and got.stream:
                    left += int.from_bytes(got.payload, "big")
            left -= 65_536
            peer.data(stream, bytes(65_536), end=at + 65_536 == size)
        peer.rest()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        assert len(await client.read(await client.get(server.url))) == size
    await server.ended()
    updates = [got for got in server.peers[0].heard if got.kind == WINDOW_UPDATE]
    assert len(updates) <= 8


async def test_padding_counts_and_is_given_back(face: Any, scripted: ScriptedServerFactory) -> None:
    """RFC 9113 section 6.1: padding takes part in flow control, so it must come back without a reader."""

    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream)
        left = 2 * MIB
        for _ in range(15_000):
            while left < 257:
                got = peer.read()
                if got.kind == WINDOW_UPDATE and got.stream:
                    left += int.from_bytes(got.payload, "big")
            left -= 257
            peer.frame(DATA, stream, b"\xffx" + bytes(255), 0x8)
        peer.data(stream, b"", end=True)
        peer.rest()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        response = await client.get(server.url)
        assert await client.read(response) == b"x" * 15_000


async def test_more_than_the_window_allows_ends_the_stream_with_the_right_code(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream)
        peer.data(stream, bytes(3 * MIB))
        peer.serve()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        response = await client.get(server.url, stream=True)
        await client.read(await client.get(server.url))  # lets a blocking client hear of it
        with pytest.raises(hyperhttp.RemoteProtocolError, match="more content than the stream allows"):
            await client.read(response)
        assert opened(client) == 1
        await eventually(lambda: (1, 3) in server.resets)


@pytest.mark.parametrize("stream", [0, 1])
@pytest.mark.parametrize(("increment", "code"), [(0, 1), (2**31 - 1, 3)])
async def test_windows_that_are_opened_too_far_or_by_nothing_are_errors(
    face: Any, scripted: ScriptedServerFactory, stream: int, increment: int, code: int
) -> None:
    def script(peer: Peer) -> None:
        if peer.index:
            peer.serve()
        peer.request()
        peer.window(stream, increment)
        if stream:
            peer.serve()
        peer.rest()

    server = Server(scripted, script, settings={MAX_STREAMS: 10})
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="window"):
            await client.post(server.url, content=b"x")
        assert await client.read(await client.get(server.url)) == b"ok"
    await server.ended()
    if stream:
        assert (server.resets, len(server.peers)) == ([(1, code)], 1)
    else:
        assert [got.code for got in server.peers[0].heard if got.kind == 7] == [code]
