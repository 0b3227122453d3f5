"""What a server may say instead of an answer: GOAWAY, RST_STREAM and their codes (RFC 9113 sections 6.4, 6.8, 7)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from tests.behaviour.http2.test_peer import (
    CANCEL,
    ENHANCE_YOUR_CALM,
    INTERNAL_ERROR,
    NO_ERROR,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    Peer,
    Server,
    eventually,
    in_use,
    opened,
    signal,
)

if TYPE_CHECKING:
    from hyperhttp.testing.scripted import ScriptedServerFactory

pytestmark = pytest.mark.usefixtures("no_leaks")

MAX_ID = 2**31 - 1


# -- GOAWAY ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", [False, True])
async def test_what_is_in_flight_when_the_server_leaves_finishes(
    face: Any, scripted: ScriptedServerFactory, tls: bool
) -> None:
    def leaves(peer: Peer) -> None:
        streams = [peer.request().stream for _ in range(3)]
        peer.head(streams[0])
        peer.goaway(streams[-1])
        for stream in streams[1:]:
            peer.head(stream)
        for stream in streams:
            peer.data(stream, b"finished", end=True)
        peer.rest()

    server = Server(scripted, leaves, Peer.serve, tls=tls)
    async with face.client(**server.options) as client:
        responses = await face.together(*[client.get(f"{server.url}/{n}", stream=False) for n in range(3)])
        assert [response.content for response in responses] == [b"finished"] * 3
        assert await client.read(await client.get(server.url)) == b"ok"
        assert in_use(client) == 0
    assert [len(peer.asked) for peer in server.peers] == [3, 1]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_requests_above_the_last_one_are_sent_again_elsewhere_whatever_their_method(
    face: Any, scripted: ScriptedServerFactory, method: str
) -> None:
    count = 4

    def leaves(peer: Peer) -> None:
        requests = [peer.request() for _ in range(count)]
        peer.goaway(requests[1].stream)
        for request in requests[:2]:
            peer.answer(request.stream, b"old")
        peer.rest()

    def takes_over(peer: Peer) -> None:
        while True:
            request = peer.request()
            peer.whole(request.stream)
            peer.answer(request.stream, b"new")

    server = Server(scripted, leaves, takes_over)
    content = {"content": b"once and only once"} if method == "POST" else {}
    async with face.client(**server.options) as client:
        responses = await face.together(
            *[client.request(method, f"{server.url}/{n}", stream=False, **content) for n in range(count)]
        )
        assert sorted(response.content for response in responses) == [b"new", b"new", b"old", b"old"]
    assert sorted(server.asked) == sorted([f"/{n}" for n in range(count)] + [r.path for r in server.peers[0].asked[2:]])
    if method == "POST":
        assert list(map(bytes, server.peers[1].content.values())) == [b"once and only once"] * 2


async def test_a_server_that_leaves_twice_first_in_general_then_for_real(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    """RFC 9113 section 6.8: 2^31-1 first, then the true number, which may only fall."""

    def leaves(peer: Peer) -> None:
        requests = [peer.request() for _ in range(3)]
        peer.goaway(MAX_ID)
        peer.ping()
        peer.goaway(requests[1].stream)
        peer.goaway(requests[2].stream)  # taken back? no
        for request in requests[:2]:
            peer.answer(request.stream, b"old")
        peer.rest()

    server = Server(scripted, leaves, lambda peer: peer.serve(b"new"))
    async with face.client(**server.options) as client:
        responses = await face.together(*[client.post(f"{server.url}/{n}", stream=False) for n in range(3)])
        assert sorted(response.content for response in responses) == [b"new", b"old", b"old"]


async def test_a_goaway_on_an_idle_connection_costs_the_next_request_nothing(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    said = signal()

    def leaves(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        peer.goaway(1)
        said.set()
        if peer.index == 0:
            peer.rest()

    server = Server(scripted, leaves, Peer.serve)
    async with face.client(**server.options) as client:
        await client.read(await client.get(server.url + "/first"))
        await eventually(said.is_set)
        await face.sleep(0.02)
        response = await client.post(server.url + "/second", content=b"not lost")
        assert await client.read(response) == b"ok"
    assert [[request.path for request in peer.asked] for peer in server.peers] == [["/first"], ["/second"]]


async def test_a_goaway_on_an_idle_connection_ends_it(scripted: ScriptedServerFactory) -> None:
    def leaves(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        peer.goaway(1)
        peer.rest()

    server = Server(scripted, leaves)
    async with hyperhttp.Client(**server.options) as client:
        await (await client.get(server.url)).aread()
        await eventually(lambda: client.get_pool_stats() == {})
        await server.ended()


async def test_a_goaway_with_an_error_fails_what_it_leaves_out_with_its_code(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def leaves(peer: Peer) -> None:
        first = peer.request()
        peer.goaway(first.stream, ENHANCE_YOUR_CALM, b"too_many_pings")
        peer.connection.close()

    server = Server(scripted, leaves)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match=r"ENHANCE_YOUR_CALM.*too_many_pings") as caught:
            await client.post(server.url, content=b"x")
        assert caught.value.request is not None
        assert client.raw.get_pool_stats() == {}


@pytest.mark.parametrize("served", [1, 3])
async def test_servers_that_leave_after_every_few_requests_lose_none(
    face: Any, scripted: ScriptedServerFactory, served: int
) -> None:
    def leaves(peer: Peer) -> None:
        for number in range(served):
            request = peer.request()
            if number == served - 1:
                peer.goaway(request.stream)
            peer.answer(request.stream, request.path.encode())
        peer.rest()

    server = Server(scripted, leaves)

    async def work(number: int) -> None:
        for turn in range(5):
            path = f"/{number}/{turn}"
            response = await client.post(server.url + path)
            assert await client.read(response) == path.encode()

    async with face.client(**server.options) as client:
        await face.together(*[work(number) for number in range(4)])
        assert in_use(client) == 0
    answered = [request.path for peer in server.peers for request in peer.asked[:served]]
    assert sorted(answered) == sorted({f"/{number}/{turn}" for number in range(4) for turn in range(5)})


async def test_a_server_that_never_processes_anything_is_given_up(face: Any, scripted: ScriptedServerFactory) -> None:
    def leaves(peer: Peer) -> None:
        peer.request()
        peer.goaway(0)
        peer.rest()

    server = Server(scripted, leaves)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="did not process"):
            await client.get(server.url)
        assert client.raw.get_pool_stats() == {}
    assert 2 <= len(server.peers) <= 10


async def test_a_storm_of_goaways_is_no_storm_of_connections(face: Any, scripted: ScriptedServerFactory) -> None:
    def leaves(peer: Peer) -> None:
        peer.request()
        for _ in range(50):
            peer.goaway(0)
        peer.rest()

    server = Server(scripted, leaves)
    async with face.client(**server.options) as client:
        tasks = [face.start(client.get(f"{server.url}/{n}")) for n in range(5)]
        errors = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        for error in errors:
            assert isinstance(error, hyperhttp.TransportError)
            assert not isinstance(error, hyperhttp.LocalProtocolError), "it is not the caller's fault"
        assert in_use(client) == 0
    assert len(server.peers) <= 30


# -- RST_STREAM ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_refused_request_is_sent_again_whatever_its_method(
    face: Any, scripted: ScriptedServerFactory, method: str
) -> None:
    def script(peer: Peer) -> None:
        peer.reset(peer.request().stream, REFUSED_STREAM)
        peer.reset(peer.request().stream, REFUSED_STREAM)
        request = peer.request()
        assert peer.whole(request.stream) == (b"again" if method == "POST" else b"")
        peer.answer(request.stream)
        peer.rest()

    server = Server(scripted, script)
    content = {"content": b"again"} if method == "POST" else {}
    async with face.client(**server.options) as client:
        response = await client.request(method, server.url, **content)
        assert await client.read(response) == b"ok"
        assert opened(client) == 1
    assert len(server.asked) == 3


async def test_a_server_that_always_refuses_is_given_up_after_some_tries(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def script(peer: Peer) -> None:
        while True:
            peer.reset(peer.request().stream, REFUSED_STREAM)

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="REFUSED_STREAM") as caught:
            await client.get(server.url)
        assert caught.value.request is not None
        assert in_use(client) == 0
    assert 2 <= len(server.asked) <= 10


async def test_a_refused_upload_that_cannot_be_repeated_is_an_error(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.whole(stream)
        peer.reset(stream, REFUSED_STREAM)
        peer.serve()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="REFUSED_STREAM"):
            await client.post(server.url, content=face.pieces(b"only ", b"once"))
        assert await client.read(await client.get(server.url)) == b"ok"
    assert len(server.peers) == 1


async def test_refused_after_the_answer_began_is_not_sent_again(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream)
        peer.data(stream, b"half")
        peer.reset(stream, REFUSED_STREAM)
        peer.serve()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.read(await client.get(server.url))
    assert len(server.asked) == 1


@pytest.mark.parametrize("code", [NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, CANCEL, ENHANCE_YOUR_CALM, 0xC, 0x1234])
@pytest.mark.parametrize("after_head", [False, True])
async def test_other_codes_are_typed_errors_that_do_not_hurt_siblings(
    face: Any, scripted: ScriptedServerFactory, code: int, after_head: bool
) -> None:
    def script(peer: Peer) -> None:
        asked = [peer.request() for _ in range(3)]
        bad = next(request for request in asked if request.path == "/bad").stream
        if after_head:
            peer.head(bad, 200, ("content-length", "100"))
            peer.data(bad, b"half")
        peer.reset(bad, code)
        for request in asked:
            if request.stream != bad:
                peer.answer(request.stream, request.path.encode())
        peer.serve()

    async def bad() -> tuple[int, str]:
        with pytest.raises(hyperhttp.RemoteProtocolError) as caught:
            await client.read(await client.get(server.url + "/bad"))
        return caught.value.error_code, str(caught.value)

    async def good(path: str) -> bytes:
        return await client.read(await client.get(server.url + path))

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        (error_code, text), one, two = await face.together(bad(), good("/one"), good("/two"))
        assert (one, two) == (b"/one", b"/two")
        assert error_code == code
        assert "the server ended the request" in text
        assert await good("/three") == b"ok"
        assert (opened(client), in_use(client)) == (1, 0)
    assert len(server.asked) == 4, "nothing was sent twice"


async def test_the_error_of_a_reset_says_which_request_which_host_and_why(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def script(peer: Peer) -> None:
        peer.reset(peer.request().stream, INTERNAL_ERROR)
        peer.rest()

    server = Server(scripted, script)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="INTERNAL_ERROR") as caught:
            await client.get(server.url + "/path")
    error = caught.value
    assert (error.host, error.port) == ("127.0.0.1", server.raw.port)
    assert error.request is not None
    assert error.request.url.path == "/path"


# -- the connection dies -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["close", "drop", "reset"])
@pytest.mark.parametrize("tls", [False, True])
async def test_a_connection_that_dies_gives_each_stream_an_error_or_a_resend(
    face: Any, scripted: ScriptedServerFactory, end: str, tls: bool
) -> None:
    def dies(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        asked = [peer.request() for _ in range(4)]
        for request in asked:
            if request.path == "/begun":
                peer.head(request.stream, 200, ("content-length", "10"))
                peer.data(request.stream, b"half")
        if end == "reset":
            peer.ping()
        getattr(peer.connection, end)()

    errors = {}

    async def ask(method: str, path: str) -> Any:
        try:
            return await client.read(await client.request(method, server.url + path))
        except hyperhttp.TransportError as error:
            errors[path] = error

    server = Server(scripted, dies, Peer.serve, tls=tls)
    async with face.client(**server.options) as client:
        await client.read(await client.get(server.url))
        work = [ask("GET", "/safe"), ask("PUT", "/safe"), ask("POST", "/unsafe"), ask("GET", "/begun")]
        results = await asyncio.wait_for(face.together(*work), 5)
        assert results == [b"ok", b"ok", None, None], "the safe ones were sent again on a fresh connection"
        for path in ("/unsafe", "/begun"):
            assert errors[path].request is not None
            assert errors[path].request.url.path == path
            assert str(errors[path])
        assert in_use(client) == 0
    assert server.asked.count("/unsafe") == 1
    assert server.asked.count("/begun") == 1


async def test_a_fresh_connection_that_dies_is_an_error_at_once(face: Any, scripted: ScriptedServerFactory) -> None:
    def dies(peer: Peer) -> None:
        peer.request()

    server = Server(scripted, dies)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.TransportError) as caught:
            await client.get(server.url)
        assert caught.value.request is not None
        assert client.raw.get_pool_stats() == {}
    assert len(server.peers) == 1


@pytest.mark.parametrize("announced", [True, False])
async def test_truncated_content_is_never_a_short_success(
    face: Any, scripted: ScriptedServerFactory, announced: bool
) -> None:
    def dies(peer: Peer) -> None:
        stream = peer.request().stream
        peer.head(stream, 200, *[("content-length", "1000")] * announced)
        peer.data(stream, b"x" * 500)
        peer.ping()

    server = Server(scripted, dies)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.TransportError):
            await client.read(await client.get(server.url))
        assert client.raw.get_pool_stats() == {}


async def test_an_idle_connection_that_was_closed_is_never_used(face: Any, scripted: ScriptedServerFactory) -> None:
    over = signal()

    def closes(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        peer.connection.close()
        over.set()

    server = Server(scripted, closes, Peer.serve, tls=True)
    async with face.client(**server.options) as client:
        await client.read(await client.get(server.url))
        await eventually(over.is_set)
        await face.sleep(0.02)
        assert await client.read(await client.post(server.url, content=b"x")) == b"ok"
    assert [len(peer.asked) for peer in server.peers] == [1, 1]
