"""Each verb sends its method and what belongs to it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin

VERBS = ["get", "head", "options", "delete", "post", "put", "patch"]


@pytest.mark.parametrize("verb", VERBS)
async def test_a_verb_sends_its_method(face: Any, origin: Origin, verb: str) -> None:
    async with face.client() as client:
        response = await getattr(client, verb)(origin.url + "/anything")
        assert response.status_code == 200
        assert response.is_success
        assert response.request.method == verb.upper()
        assert response.http_version == "HTTP/1.1"
        assert bool(await client.read(response)) == (verb != "head")
    assert origin.requests[0].method == verb.upper()


@pytest.mark.parametrize("verb", VERBS)
def test_a_one_shot_call_sends_its_method(origin: Origin, verb: str) -> None:
    response = getattr(hyperhttp, verb)(origin.url + "/anything", headers={"X-A": "b"})
    assert response.status_code == 200
    assert len(response.content) >= 0
    (request,) = origin.requests
    assert request.method == verb.upper()
    assert request.headers["x-a"] == "b"


def test_a_one_shot_stream_is_a_context_manager(origin: Origin) -> None:
    with hyperhttp.stream("GET", origin.url + "/bytes/1000") as response:
        assert sum(map(len, response.iter_bytes())) == 1000
    assert hyperhttp.request("GET", origin.url + "/get").json()["url"] == origin.url + "/get"


@pytest.mark.parametrize("method", ["QUERY", "TRACE", "PROPFIND", "get", "Get", "M-SEARCH", "x!#$%&'*+-.^_`|~"])
async def test_any_token_is_a_method_and_sent_as_it_is(face: Any, origin: Origin, method: str) -> None:
    async with face.client() as client:
        await client.request(method, origin.url + "/anything")
    assert origin.requests[0].method == method


@pytest.mark.parametrize(
    ("verb", "length"), [("post", "0"), ("put", "0"), ("patch", "0"), ("get", None), ("delete", None)]
)
async def test_methods_that_give_meaning_to_content_say_when_there_is_none(
    face: Any, origin: Origin, verb: str, length: str | None
) -> None:
    async with face.client(cookies={"a": "b"}) as client:
        await getattr(client, verb)(origin.url + "/anything")
        client.raw.cookies.clear()
        await getattr(client, verb)(origin.url + "/anything")
    for request in origin.requests:
        assert request.headers.get("content-length") == length
        assert "transfer-encoding" not in request.headers


@pytest.mark.parametrize("verb", ["get", "delete", "options"])
async def test_content_goes_with_any_method_that_is_given_some(face: Any, origin: Origin, verb: str) -> None:
    async with face.client() as client:
        response = await client.request(verb.upper(), origin.url + "/anything", content=b"body")
        assert (await client.json(response))["data"] == "body"


@pytest.mark.parametrize(
    ("status", "flags"),
    [
        (200, {"is_success"}), (204, {"is_success"}), (302, {"is_redirect"}), (304, set()),
        (404, {"is_client_error", "is_error"}), (503, {"is_server_error", "is_error"}), (418, {"is_client_error", "is_error"}),
    ],
)  # fmt: skip
async def test_a_response_knows_its_kind(face: Any, origin: Origin, status: int, flags: set[str]) -> None:
    async with face.client() as client:
        response = await client.get(f"{origin.url}/status/{status}")
        names = {"is_informational", "is_success", "is_redirect", "is_client_error", "is_server_error", "is_error"}
        assert {name for name in names if getattr(response, name)} == flags
        if "is_error" in flags:
            with pytest.raises(hyperhttp.HTTPStatusError, match=str(status)) as caught:
                response.raise_for_status()
            assert caught.value.response is response
            assert caught.value.request is response.request
            assert origin.url in str(caught.value)
        else:
            assert response.raise_for_status() is response


async def test_elapsed_is_the_time_until_the_head(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/delay/0.1")
        assert 0.09 < response.elapsed < 5
        response = await client.get(origin.url + "/drip?numbytes=3&duration=1")
        assert response.elapsed < 0.9


@pytest.mark.parametrize("verb", VERBS)
async def test_a_url_that_was_seen_before_is_requested_again(face: Any, origin: Origin, verb: str) -> None:
    async with face.client() as client:
        for _ in range(3):
            await getattr(client, verb)(origin.url + "/anything?a=b")
        client.raw.headers["X-New"] = "yes"
        await getattr(client, verb)(origin.url + "/anything?a=b")
    assert len({request.target for request in origin.requests}) == 1
    assert [request.headers.get("x-new") for request in origin.requests] == [None] * 3 + ["yes"]
