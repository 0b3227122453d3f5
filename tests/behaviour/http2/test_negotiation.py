"""Which protocol is spoken: by ALPN, by prior knowledge, by what the caller said (RFC 9113 section 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.testing.scripted import Expect
from tests.behaviour.http2.test_peer import Peer, Server, opened

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def h2_origin(hyperhttp_http2_origin: Origin) -> Any:
    """The HTTP/2 origin of the run, with nothing left of earlier tests."""
    hyperhttp_http2_origin.clear()
    yield hyperhttp_http2_origin
    hyperhttp_http2_origin.drop_connections()
    assert hyperhttp_http2_origin.errors == []


async def test_alpn_chooses_http2_without_being_asked(face: Any, h2_origin: Origin) -> None:
    async with face.client(ssl_context=h2_origin.ssl_context(), timeout=5) as client:
        response = await client.get(h2_origin.https_url + "/get")
        assert (response.status_code, response.http_version) == (200, "HTTP/2")
        assert (await client.json(response))["url"].endswith("/get")
    assert h2_origin.requests[0].http_version == "HTTP/2"


async def test_a_context_of_the_library_negotiates_http2_too(face: Any, h2_origin: Origin) -> None:
    async with face.client(verify=h2_origin.ca_pem, timeout=5) as client:
        assert (await client.get(h2_origin.https_url + "/get")).http_version == "HTTP/2"


async def test_a_server_without_http2_is_spoken_to_in_http1_silently(face: Any, origin: Origin) -> None:
    async with face.client(ssl_context=origin.ssl_context(), timeout=5) as client:
        responses = await face.together(*[client.get(f"{origin.https_url}/bytes/100?seed={n}") for n in range(8)])
        assert {response.http_version for response in responses} == {"HTTP/1.1"}
        assert [len(await client.read(response)) for response in responses] == [100] * 8


async def test_a_server_without_alpn_is_spoken_to_in_http1_silently(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([OK], tls=True)
    async with face.client(ssl_context=server.ssl_context(), timeout=5) as client:
        response = await client.get(server.url)
        assert (response.http_version, await client.read(response)) == ("HTTP/1.1", b"ok")


async def test_prior_knowledge_speaks_http2_in_clear(face: Any, h2_origin: Origin) -> None:
    async with face.client(http2="prior-knowledge", timeout=5) as client:
        response = await client.get(h2_origin.url + "/get")
        assert response.http_version == "HTTP/2"
        assert (await client.json(response))["headers"]["Host"] == h2_origin.url.removeprefix("http://")
    assert [request.scheme for request in h2_origin.requests] == ["http"]


async def test_in_clear_http1_is_spoken_unless_told_otherwise(face: Any, h2_origin: Origin) -> None:
    async with face.client(timeout=5) as client:
        assert (await client.get(h2_origin.url + "/get")).http_version == "HTTP/1.1"
        assert (await client.get(h2_origin.url + "/get", http2=True)).http_version == "HTTP/1.1"


async def test_prior_knowledge_of_a_server_that_speaks_http1_is_an_error_that_says_so(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    refusal = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"
    server = scripted.by_connection([[Expect(b"\r\n\r\n"), refusal]])
    async with face.client(http2="prior-knowledge", timeout=5) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match=r"does not speak HTTP/2.*HTTP/1\.1 400"):
            await client.get(server.url)
        assert client.raw.get_pool_stats() == {}


async def test_a_server_that_speaks_first_and_not_http2_is_an_error_that_says_so(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted.by_connection([[b"220 mail.example ESMTP, and a good day to you\r\n"]], repeat=True)
    async with face.client(http2="prior-knowledge", timeout=5) as client:
        for _ in range(5):
            with pytest.raises(hyperhttp.RemoteProtocolError, match=r"does not speak HTTP/2.*220 mail"):
                await client.get(server.url)
        assert client.raw.get_pool_stats() == {}


async def test_prior_knowledge_over_tls_offers_nothing_else(face: Any, h2_origin: Origin, origin: Origin) -> None:
    async with face.client(http2="prior-knowledge", verify=h2_origin.ca_pem, timeout=5) as client:
        assert (await client.get(h2_origin.https_url + "/get")).http_version == "HTTP/2"
        with pytest.raises(hyperhttp.TransportError):
            await client.get(origin.https_url + "/get")


async def test_a_client_can_do_without_http2(face: Any, h2_origin: Origin) -> None:
    async with face.client(ssl_context=h2_origin.ssl_context(), http2=False, timeout=5) as client:
        assert (await client.get(h2_origin.https_url + "/get")).http_version == "HTTP/1.1"


async def test_the_request_is_what_rfc_9113_says(face: Any, scripted: ScriptedServerFactory) -> None:
    """Section 8.2.1, 8.2.2, 8.3.1: lower case, pseudo-header fields first, nothing of a connection."""
    server = Server(scripted, Peer.serve, tls=True)
    sent = {"X-Upper": "Case", "TE": "trailers", "Connection": "keep-alive, x-hop", "Keep-Alive": "5"}
    async with face.client(**server.options) as client:
        response = await client.get(server.url + "/p%20th?q=%C3%A4#fragment", headers=sent)
        assert response.status_code == 200
    fields = server.peers[0].asked[0].fields
    assert list(fields)[:4] == [*dict.fromkeys(name for name in fields if name.startswith(":"))]
    assert fields[":path"] == "/p%20th?q=%C3%A4"
    assert (fields[":scheme"], fields[":method"]) == ("https", "GET")
    assert fields[":authority"] == server.url.removeprefix("https://")
    assert (fields["x-upper"], fields["te"]) == ("Case", "trailers")
    assert all(name == name.lower() for name in fields)
    assert not {"host", "connection", "keep-alive", "transfer-encoding", "upgrade"} & set(fields)


async def test_a_host_field_of_the_callers_becomes_the_authority(face: Any, scripted: ScriptedServerFactory) -> None:
    server = Server(scripted, Peer.serve)
    async with face.client(**server.options) as client:
        await client.get(server.url, headers={"Host": "virtual.example:81"})
    fields = server.peers[0].asked[0].fields
    assert (fields[":authority"], "host" in fields) == ("virtual.example:81", False)


@pytest.mark.parametrize(
    ("name", "value"), [("X-Bad", "a\r\nb: c"), ("X-Bad", "a\0b"), ("Bad Name", "x"), (":path", "/evil")]
)
async def test_what_a_field_may_not_carry_is_refused_before_anything_is_sent(
    face: Any, scripted: ScriptedServerFactory, name: str, value: str
) -> None:
    server = Server(scripted, Peer.serve)
    async with face.client(**server.options) as client:
        await client.get(server.url + "/first")
        with pytest.raises(hyperhttp.LocalProtocolError):
            await client.get(server.url + "/second", headers={name: value})
        assert (await client.get(server.url + "/third")).status_code == 200
    assert server.asked == ["/first", "/third"]


async def test_settings_are_announced_and_acknowledged_and_pushes_are_refused(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def script(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        peer.rest()

    server = Server(scripted, script, settings={3: 50, 0xF0F0: 1, 4: 70_000})
    async with face.client(**server.options) as client:
        assert (await client.get(server.url)).status_code == 200
    await server.ended()
    heard = server.peers[0].heard
    assert heard[0].kind == 4
    announced = {heard[0].payload[at : at + 2]: heard[0].payload[at + 2 : at + 6] for at in range(0, 24, 6)}
    assert announced[b"\0\2"] == b"\0\0\0\0", "ENABLE_PUSH"
    assert [frame.flags for frame in heard if frame.kind == 4] == [0, 1]


async def test_a_client_closes_with_goaway(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        peer.answer(peer.request().stream)
        peer.rest()

    server = Server(scripted, script, tls=True)
    async with face.client(**server.options) as client:
        await client.read(await client.get(server.url))
        assert opened(client) == 1
    await server.ended()
    assert [(frame.kind, frame.code) for frame in server.peers[0].heard if frame.kind == 7] == [(7, 0)]


async def test_the_pool_counts_streams(face: Any, scripted: ScriptedServerFactory) -> None:
    def script(peer: Peer) -> None:
        first = peer.request()
        peer.head(first.stream)
        second = peer.request()
        peer.answer(second.stream)
        peer.data(first.stream, b"later", end=True)
        peer.rest()

    server = Server(scripted, script)
    name = server.url.removeprefix("http://")
    async with face.client(**server.options) as client:
        held = await client.get(server.url, stream=True)
        assert client.raw.get_pool_stats() == {name: {"idle": 0, "in_use": 1, "total": 1, "streams": 1}}
        await client.read(await client.get(server.url))
        assert await client.read(held) == b"later"
        assert client.raw.get_pool_stats() == {name: {"idle": 1, "in_use": 0, "total": 1, "streams": 0}}
