"""``Expect: 100-continue`` on HTTP/2: content waits for a word of the server, the connection for nobody."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from tests.behaviour.http2.test_peer import DATA, NO_ERROR, Peer, Server

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

pytestmark = pytest.mark.usefixtures("no_leaks")

EXPECT = {"Expect": "100-continue"}


def contents(peer: Peer, stream: int) -> list[bytes]:
    return [got.payload for got in peer.heard if got.kind == DATA and got.stream == stream]


@pytest.mark.parametrize("size", [7, 300_000])
async def test_content_is_sent_when_the_server_says_continue(
    face: Any, scripted: ScriptedServerFactory, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperhttp.connection.http2_exchange.CONTINUE_PATIENCE", 60.0)

    def answer(peer: Peer) -> None:
        stream = peer.request().stream
        peer.ping()  # what was sent with the head is here by now
        assert contents(peer, stream) == []
        peer.head(stream, 103)
        peer.window(stream, 1000)  # this is no word
        peer.ping()
        assert contents(peer, stream) == []
        peer.head(stream, 100)
        assert len(peer.whole(stream)) == size
        peer.answer(stream)
        peer.rest()

    server = Server(scripted, answer)
    async with face.client(**server.options | {"timeout": 50}) as client:
        response = await client.post(server.url, content=b"x" * size, headers=EXPECT)
        assert await client.read(response) == b"ok"
    assert server.peers[0].asked[0].fields["expect"] == "100-continue"


async def test_content_the_server_refuses_is_not_sent_and_the_connection_goes_on(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def answer(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream, 413)
        peer.data(stream, b"too big", end=True)
        peer.answer(peer.request().stream)
        assert contents(peer, stream) == []
        peer.rest()

    server = Server(scripted, answer)
    async with face.client(**server.options) as client:
        response = await client.post(server.url, content=face.pieces(b"a", b"b"), headers=EXPECT)
        assert response.status_code == 413
        assert await client.read(response) == b"too big"
        assert (await client.get(server.url)).status_code == 200
    assert server.resets == [(1, NO_ERROR)]
    assert len(server.peers) == 1


async def test_417_is_sent_again_without_the_field(face: Any, scripted: ScriptedServerFactory) -> None:
    def answer(peer: Peer) -> None:
        peer.answer(peer.request().stream, b"no", 417)
        stream = peer.request().stream
        assert peer.whole(stream) == b"content"
        peer.answer(stream)
        peer.rest()

    server = Server(scripted, answer)
    async with face.client(**server.options) as client:
        assert (await client.post(server.url, content=b"content", headers=EXPECT)).status_code == 200
    assert ["expect" in request.fields for request in server.peers[0].asked] == [True, False]


@pytest.mark.parametrize("content", [b"content", b"x" * 400_000])
async def test_a_server_that_says_nothing_gets_the_content_after_a_second(
    face: Any, hyperhttp_http2_origin: Origin, content: bytes
) -> None:
    async with face.client(http2="prior-knowledge", timeout=20) as client:
        started = time.monotonic()
        response = await client.post(hyperhttp_http2_origin.url + "/sha256", content=content, headers=EXPECT)
        assert (await client.json(response))["length"] == len(content)
        assert response.http_version == "HTTP/2"
        assert time.monotonic() - started < 15
