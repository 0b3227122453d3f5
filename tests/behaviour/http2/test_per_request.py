"""`http2=` on a single request: what it changes, and what it leaves alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from tests.behaviour.http2.test_peer import HTTP_1_1_REQUIRED, Peer, Server, in_use

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory


@pytest.fixture
def h2_origin(hyperhttp_http2_origin: Origin) -> Any:
    """The HTTP/2 origin of the run, with nothing left of earlier tests."""
    hyperhttp_http2_origin.clear()
    yield hyperhttp_http2_origin
    hyperhttp_http2_origin.drop_connections()
    assert hyperhttp_http2_origin.errors == []


@pytest.mark.parametrize("own_context", [True, False])
async def test_one_request_without_http2_between_two_with(face: Any, h2_origin: Origin, own_context: bool) -> None:
    trust: dict[str, Any] = {"ssl_context": h2_origin.ssl_context()} if own_context else {"verify": h2_origin.ca_pem}
    url = h2_origin.https_url + "/get"
    async with face.client(timeout=5, **trust) as client:
        versions = []
        for options in ({}, {"http2": False}, {}, {"http2": True}, {"http2": False}):
            response = await client.get(url, **options)
            versions.append(response.http_version)
            await client.read(response)
        assert versions == ["HTTP/2", "HTTP/1.1", "HTTP/2", "HTTP/2", "HTTP/1.1"]
    assert len({request.connection_id for request in h2_origin.requests}) == 2, "one connection of each kind"


async def test_one_request_with_http2_on_a_client_without(face: Any, h2_origin: Origin) -> None:
    url = h2_origin.https_url + "/get"
    async with face.client(ssl_context=h2_origin.ssl_context(), http2=False, timeout=5) as client:
        assert (await client.get(url)).http_version == "HTTP/1.1"
        assert (await client.get(url, http2=True)).http_version == "HTTP/2"
        assert (await client.get(url)).http_version == "HTTP/1.1"


async def test_prior_knowledge_for_one_request(face: Any, h2_origin: Origin) -> None:
    async with face.client(timeout=5) as client:
        assert (await client.get(h2_origin.url + "/get")).http_version == "HTTP/1.1"
        assert (await client.get(h2_origin.url + "/get", http2="prior-knowledge")).http_version == "HTTP/2"
        assert (await client.get(h2_origin.url + "/get")).http_version == "HTTP/1.1"


async def test_both_kinds_at_the_same_time_do_not_get_in_each_others_way(face: Any, h2_origin: Origin) -> None:
    async with face.client(ssl_context=h2_origin.ssl_context(), timeout=5) as client:
        responses = await face.together(
            *[client.get(f"{h2_origin.https_url}/get?n={n}", http2=n % 2 == 0) for n in range(12)]
        )
        assert [response.http_version for response in responses] == ["HTTP/2", "HTTP/1.1"] * 6
        for number, response in enumerate(responses):
            assert (await client.json(response))["args"] == {"n": str(number)}
        assert in_use(client) == 0
    connections = {request.connection_id for request in h2_origin.requests if request.http_version == "HTTP/2"}
    assert len(connections) == 1


async def test_the_choice_holds_for_redirects(face: Any, h2_origin: Origin) -> None:
    async with face.client(ssl_context=h2_origin.ssl_context(), follow_redirects=True, timeout=5) as client:
        response = await client.get(h2_origin.https_url + "/redirect/2", http2=False)
        assert (response.status_code, response.http_version) == (200, "HTTP/1.1")
    assert {request.http_version for request in h2_origin.requests} == {"HTTP/1.1"}


async def test_prepared_requests_take_the_choice_when_they_are_sent(face: Any, h2_origin: Origin) -> None:
    async with face.client(ssl_context=h2_origin.ssl_context(), timeout=5) as client:
        request = client.raw.build_request("GET", h2_origin.https_url + "/get")
        assert (await client.send(request)).http_version == "HTTP/2"
        assert (await client.send(request, http2=False)).http_version == "HTTP/1.1"


@pytest.mark.parametrize("value", ["h2", "always", 3, None])
async def test_what_http2_does_not_take_is_refused(face: Any, value: Any) -> None:
    async with face.client() as client:
        with pytest.raises((TypeError, ValueError), match="http2"):
            await client.get("https://127.0.0.1:1/", http2=value)


async def test_a_server_that_wants_http1_for_a_request_gets_it(face: Any, h2_origin: Origin) -> None:
    """RFC 9113 section 7: HTTP_1_1_REQUIRED means that HTTP/1.1 has to be used instead."""
    async with face.client(ssl_context=h2_origin.ssl_context(), timeout=5) as client:
        response = await client.post(h2_origin.https_url + "/post?fault=http-1-1-required", content=b"once more")
        assert (response.status_code, response.http_version) == (200, "HTTP/1.1")
        assert (await client.json(response))["data"] == "once more"
        assert (await client.get(h2_origin.https_url + "/get")).http_version == "HTTP/2"


async def test_http1_is_spoken_where_it_is_asked_for_although_http2_was_known_before(
    face: Any, h2_origin: Origin
) -> None:
    """What is said about one request says nothing about the others."""
    async with face.client(http2="prior-knowledge", timeout=5) as client:
        response = await client.post(h2_origin.url + "/post?fault=http-1-1-required", content=b"once more")
        assert (response.status_code, response.http_version) == (200, "HTTP/1.1")
        assert (await client.json(response))["data"] == "once more"
        assert [attempt.cause for attempt in response.attempts] == ["replay"]
        response = await client.get(h2_origin.url + "/get")
        await client.read(response)
        assert (response.http_version, in_use(client)) == ("HTTP/2", 0)


async def test_where_http1_cannot_be_had_its_demand_is_a_typed_error(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def script(peer: Peer) -> None:
        if peer.index == 0:
            peer.begin({})
            peer.reset(peer.request().stream, HTTP_1_1_REQUIRED)
            peer.rest()

    server = Server(scripted, script, settings=None, tls=True)
    async with face.client(**server.options) as client:
        with pytest.raises(hyperhttp.TransportError) as caught:
            await client.get(server.url)
        assert caught.value.request is not None
        assert in_use(client) == 0
    assert len(server.peers) <= 2
