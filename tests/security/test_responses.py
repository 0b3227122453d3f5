"""Bytes that become another response, and responses that are less than they say."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.testing.http2 import frame
from hyperhttp.testing.scripted import Close, Drop, Expect, Stall
from tests.behaviour.http2.test_peer import DATA, END_HEADERS, HEADERS, Peer, Server, eventually

if TYPE_CHECKING:
    from hyperhttp.testing.scripted import ScriptedServerFactory

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
POISON = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def assert_refused(face: Any, scripted: ScriptedServerFactory, answer: bytes) -> None:
    """It is a typed error, and nothing of it answers the next request."""
    server = scripted([[answer, Stall(3)], OK])
    async with face.client(timeout=5) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.read(await client.get(server.url))
        assert client.raw.get_pool_stats() == {}
        assert await client.read(await client.get(server.url)) == b"ok"
    assert len(server.connections) == 2


FRAMINGS = {
    "CVE-2022-1705 another coding": b"Transfer-Encoding: xchunked\r\n\r\n" + b"2\r\nok\r\n0\r\n\r\n",
    "CVE-2022-1705 a coding with a vertical tab": b"Transfer-Encoding: \x0bchunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "chunked twice": b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "both": b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 2\r\nContent-Length: 40\r\n\r\nok",
    "CVE-2023-37276 a sign": b"Content-Length: +2\r\n\r\nok",
    "CVE-2023-47627 an underscore": b"Content-Length: 0_2\r\n\r\nok",
    "CVE-2025-69225 a digit of another script": b"Content-Length: \xd9\xa2\r\n\r\nok",
    "no number": b"Content-Length: \r\n\r\nok",
    "CVE-2019-16276 a blank before the colon": b"Content-Length : 2\r\n\r\nok",
    "CVE-2024-23829 a blank in the name": b"Content Length: 2\r\n\r\nok",
    "CVE-2023-47641 a bare CR": b"X: a\rContent-Length: 2\r\n\r\nok",
    "a line without a colon": b"X\r\nContent-Length: 2\r\n\r\nok",
    "a fold at the beginning": b" X: y\r\nContent-Length: 2\r\n\r\nok",
}


@pytest.mark.parametrize("framing", FRAMINGS)
async def test_cve_2024_23829_ambiguous_framing_is_refused(
    face: Any, scripted: ScriptedServerFactory, framing: str
) -> None:
    await assert_refused(face, scripted, b"HTTP/1.1 200 OK\r\n" + FRAMINGS[framing] + POISON)


CHUNKS = {
    "CVE-2025-43859 content without its end": b"2\r\nokXX0\r\n\r\n",
    "CVE-2025-22871 a bare LF after the size": b"2\nok\r\n0\r\n\r\n",
    "CVE-2025-22871 a bare LF after an extension": b"2;a=b\nok\r\n0\r\n\r\n",
    "CVE-2024-52304 a bare CR in an extension": b"2;a\rb\r\nok\r\n0\r\n\r\n",
    "CVE-2025-69224 a digit of another script": b"\xd9\xa2\r\nok\r\n0\r\n\r\n",
    "a sign": b"+2\r\nok\r\n0\r\n\r\n",
    "0x": b"0x2\r\nok\r\n0\r\n\r\n",
    "a blank before": b" 2\r\nok\r\n0\r\n\r\n",
    "no size": b"\r\nok\r\n0\r\n\r\n",
    "CVE-2025-53643 a trailer that is none": b"2\r\nok\r\n0\r\nno trailer\r\n\r\n",
    "a bare LF after a trailer": b"2\r\nok\r\n0\r\na: b\n\r\n\r\n",
}


@pytest.mark.parametrize("chunks", CHUNKS)
async def test_cve_2025_43859_chunks_end_as_the_standard_says(
    face: Any, scripted: ScriptedServerFactory, chunks: str
) -> None:
    await assert_refused(face, scripted, CHUNKED + CHUNKS[chunks] + POISON)


async def test_cve_2018_1000005_trailers_are_neither_content_nor_fields(
    face: Any, scripted: ScriptedServerFactory, protocol: str
) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream)
        peer.data(stream, b"ok")
        peer.trailers(stream, ("set-cookie", "evil=1"), ("content-length", "0"), ("x-end", "here"))
        peer.serve()

    trailers = b"Set-Cookie: evil=1\r\nContent-Length: 0\r\nX-End: here\r\n"
    http1 = scripted([CHUNKED + b"2\r\nok\r\n0\r\n" + trailers + b"\r\n", OK])
    server: Any = http1 if protocol == "HTTP/1.1" else Server(scripted, script)
    async with face.client(timeout=5, http2=False if protocol == "HTTP/1.1" else "prior-knowledge") as client:
        response = await client.get(server.url)
        assert await client.read(response) == b"ok"
        assert "x-end" not in response.headers
        assert "evil" not in client.raw.cookies
        assert await client.read(await client.get(server.url)) == b"ok"


@pytest.mark.parametrize("poison", [POISON, b"H", b"\r\n", b"HTTP/1.1 408 Request Timeout\r\n\r\n"])
@pytest.mark.parametrize("turns", [True, False])
async def test_cve_2026_6733_bytes_on_an_idle_connection_answer_nothing(
    face: Any, scripted: ScriptedServerFactory, poison: bytes, turns: bool
) -> None:
    def script(connection: Any, index: int) -> None:
        connection.read_request()
        connection.sendall(OK)
        if index == 0:
            read.wait(10)
            connection.sendall(poison)
            sent.set()
            connection.stall(5)

    read, sent = threading.Event(), threading.Event()
    server = scripted(script)
    async with face.client(timeout=5) as client:
        assert await client.read(await client.get(server.url)) == b"ok"
        read.set()
        if turns:
            await eventually(sent.is_set)
        else:
            sent.wait(5)  # the loop has no time to read it
        assert await client.read(await client.post(server.url, content=b"x")) == b"ok"
    assert len(server.connections) == 2


@pytest.mark.parametrize("size", [2, 70_000])
@pytest.mark.parametrize("tls", [False, True])
async def test_bytes_after_a_response_never_become_the_next_one(
    face: Any, scripted: ScriptedServerFactory, size: int, tls: bool
) -> None:
    """CVE-2026-16728 and its kin: once out of step, everybody gets the answer to somebody else."""
    first = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size
    server = scripted([first + POISON, OK, OK], tls=tls)
    async with face.client(timeout=5, ssl_context=server.ssl_context() if tls else None) as client:
        assert await client.read(await client.get(server.url)) == b"a" * size
        for _ in range(2):
            assert await client.read(await client.get(server.url)) == b"ok"


async def test_frames_after_a_response_never_become_the_next_one(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.answer(stream)
        peer.connection.sendall(
            frame(HEADERS, stream + 2, b"\x88", flags=END_HEADERS) + frame(DATA, stream + 2, b"poison", flags=1)
        )
        peer.rest()

    server = Server(scripted, script, Peer.serve)
    async with face.client(**server.options) as client:
        assert await client.read(await client.get(server.url)) == b"ok"
        await face.sleep(0.05)
        for _ in range(2):
            assert await client.read(await client.get(server.url)) == b"ok"


TRUNCATED = {
    "length": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
    "chunk": CHUNKED + b"a\r\nhalf",
    "between chunks": CHUNKED + b"4\r\nhalf\r\n",
    "last chunk without its end": CHUNKED + b"4\r\nhalf\r\n0\r\n",
    "coding": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n\x1f\x8b\x08\0\0\0\0\0\0\xff",
}


@pytest.mark.parametrize("kind", [*TRUNCATED, "until close without close_notify"])
async def test_truncated_content_is_never_passed_off_as_whole(
    face: Any, scripted: ScriptedServerFactory, kind: str
) -> None:
    tls = kind not in TRUNCATED
    answer = TRUNCATED.get(kind, b"HTTP/1.1 200 OK\r\n\r\nhalf of it")
    server = scripted([[answer, Drop() if tls else Close()]], tls=tls)
    async with face.client(timeout=5, ssl_context=server.ssl_context() if tls else None) as client:
        with pytest.raises((hyperhttp.TransportError, hyperhttp.DecodingError)):
            await client.read(await client.get(server.url))
        assert client.raw.get_pool_stats() == {} or kind == "coding"


@pytest.mark.parametrize("kind", ["short", "long", "closed", "reset"])
async def test_truncated_content_is_never_passed_off_as_whole_over_http2(
    face: Any, scripted: ScriptedServerFactory, kind: str
) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream, 200, ("content-length", "10"))
        peer.data(stream, b"half" if kind != "long" else b"more than ten", end=kind in ("short", "long"))
        if kind == "reset":
            peer.reset(stream, 0)
        if kind == "closed":
            peer.connection.close()
        else:
            peer.serve()

    server = Server(scripted, script, Peer.serve)
    async with face.client(**server.options) as client:
        with pytest.raises((hyperhttp.RemoteProtocolError, hyperhttp.ReadError)):
            await client.read(await client.get(server.url))
        assert await client.read(await client.get(server.url)) == b"ok"


async def test_cve_2021_22946_bytes_before_the_handshake_are_refused(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    """What somebody on the way writes before TLS begins must not be taken for what the origin says inside."""
    proxy = scripted.by_connection(
        [[Expect(b"\r\n\r\n"), b"HTTP/1.1 200 Connection Established\r\n\r\n" + POISON, Stall(3)]], repeat=True
    )
    async with face.client(proxies=proxy.url, timeout=5) as client:
        with pytest.raises((hyperhttp.ProxyError, hyperhttp.TLSError)):
            await client.get("https://origin.test/")
        assert client.raw.get_pool_stats() == {}


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\n" + b"\x1b[31msecret\x07" * 1000 + b"\r\n\r\n",
        b"\x1b]0;title\x07" * 1000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: " + b"\x9b31mx" * 1000 + b"\r\n\r\n",
        CHUNKED + b"\x1b[2J" * 500 + b"\r\n",
    ],
    ids=["line", "noise", "coding", "chunk"],
)
async def test_cve_2025_58189_an_error_shows_little_of_what_the_server_said(
    face: Any, scripted: ScriptedServerFactory, answer: bytes
) -> None:
    server = scripted([answer])
    async with face.client(timeout=5) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError) as caught:
            await client.read(await client.get(server.url))
    for text in (str(caught.value), repr(caught.value)):
        assert len(text) < 500
        assert text.isprintable()


async def test_cve_2024_24791_a_refusal_of_expected_content_leaves_no_connection_out_of_step(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def script(connection: Any, index: int) -> None:
        head = connection.read_until(b"\r\n\r\n")
        if b"100-continue" in head.lower():
            connection.sendall(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno")
            try:
                rest.append(connection.read_until(b"\r\n\r\n"))
            except (EOFError, OSError):
                rest.append(b"")
        else:
            connection.sendall(OK)

    rest: list[bytes] = []
    server = scripted(script)
    async with face.client(timeout=5) as client:
        response = await client.post(server.url, content=b"x" * 100, headers={"Expect": "100-continue"})
        assert (response.status_code, await client.read(response)) == (413, b"no")
        assert await client.read(await client.get(server.url)) == b"ok"
    await eventually(lambda: rest)
    assert rest == [b""], "neither content nor another request came on that connection"


@pytest.mark.parametrize("upgrade", [b"websocket", b"h2c", b"anything"])
async def test_cve_2026_69243_a_switch_that_nobody_asked_for_is_refused(
    face: Any, scripted: ScriptedServerFactory, upgrade: bytes
) -> None:
    head = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: " + upgrade + b"\r\n\r\n"
    await assert_refused(face, scripted, head + POISON)


@pytest.mark.parametrize("control", [b"\0", b"\r", b"\x01", b"\x0b", b"\x1f", b"\x7f"])
async def test_cve_2026_34520_controls_in_a_field_are_refused(
    face: Any, scripted: ScriptedServerFactory, protocol: str, control: bytes
) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        value = b"a" + control + b"b"
        block = b"\x88\x00\x01x" + bytes([len(value)]) + value
        peer.frame(HEADERS, stream, block, END_HEADERS | 1)
        peer.serve()

    if protocol == "HTTP/1.1":
        await assert_refused(face, scripted, b"HTTP/1.1 200 OK\r\nX: a" + control + b"b\r\nContent-Length: 2\r\n\r\nok")
        return
    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.get(server.url)
        assert await client.read(await client.get(server.url)) == b"ok"
