"""Credentials: where they come from, which of them wins, and that they stay secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Auth, BasicAuth, BearerAuth
from hyperhttp.testing.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from hyperhttp import Request, Response


@pytest.fixture(scope="module")
def tokens() -> Iterator[Origin]:
    """Another origin, which hands out tokens."""
    with Origin() as origin:
        yield origin


async def test_a_scheme_may_fetch_its_token_from_another_origin(face: Any, origin: Origin, tokens: Origin) -> None:
    class TokenAuth(Auth):
        requires_response_body = True

        def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
            response = yield hyperhttp.Request("POST", tokens.url + "/post", data={"client_secret": "hunter2"})
            request.headers["Authorization"] = f"Bearer {response.json()['form']['client_secret']}"
            yield request

    tokens.clear()
    async with face.client(auth=TokenAuth(), timeout=3) as client:
        for _ in range(2):
            shown = await client.json(await client.get(origin.url + "/bearer"))
            assert shown["token"] == "hunter2"
    assert [request.path for request in tokens.requests] == ["/post"] * 2
    assert [request.path for request in origin.requests] == ["/bearer"] * 2
    assert tokens.requests[0].headers["host"] == f"127.0.0.1:{tokens.port}"
    assert "authorization" not in tokens.requests[0].headers


async def test_a_scheme_may_send_the_request_somewhere_else(face: Any, origin: Origin, tokens: Origin) -> None:
    class Elsewhere(Auth):
        def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
            request.url = tokens.url + "/get"
            yield request

    tokens.clear()
    async with face.client(auth=Elsewhere(), timeout=3) as client:
        await client.get(origin.url + "/get")
    assert origin.requests == []
    assert tokens.requests[0].headers["host"] == f"127.0.0.1:{tokens.port}"


async def test_a_pair_is_basic_authentication(face: Any, origin: Origin) -> None:
    async with face.client(auth=("alice", "s3cret")) as client:
        response = await client.get(origin.url + "/basic-auth/alice/s3cret")
        assert (await client.json(response))["authenticated"] is True


@pytest.mark.parametrize("password", ["s3cret", "with:colon", "ünïcödé", "日本", ""])
async def test_basic_carries_any_password(face: Any, origin: Origin, password: str) -> None:
    from base64 import b64decode

    async with face.client() as client:
        await client.get(origin.url + "/get", auth=BasicAuth("alice", password))
    sent = origin.requests[0].headers["authorization"].removeprefix("Basic ")
    assert b64decode(sent).decode() == f"alice:{password}"


async def test_bearer_sends_its_token(face: Any, origin: Origin) -> None:
    async with face.client(auth=BearerAuth("abc.def.ghi")) as client:
        response = await client.get(origin.url + "/bearer")
        assert (await client.json(response))["token"] == "abc.def.ghi"


async def test_auth_of_a_call_wins_and_none_switches_it_off(face: Any, origin: Origin) -> None:
    async with face.client(auth=BearerAuth("client")) as client:
        await client.get(origin.url + "/get")
        await client.get(origin.url + "/get", auth=BearerAuth("call"))
        await client.get(origin.url + "/get", auth=None)
    sent = [request.headers.get("authorization") for request in origin.requests]
    assert sent == ["Bearer client", "Bearer call", None]


async def test_an_explicit_field_wins_over_the_client(face: Any, origin: Origin) -> None:
    async with face.client(auth=("a", "b")) as client:
        await client.get(origin.url + "/get", headers={"authorization": "mine"})
        await client.get(origin.url.replace("//", "//u:p@") + "/get", headers={"Authorization": "mine"})
    assert [request.headers.get_list("authorization") for request in origin.requests] == [["mine"], ["mine"]]


async def test_credentials_in_the_url_are_used_and_decoded(face: Any, origin: Origin) -> None:
    url = origin.url.replace("//", "//alice:p%40ss%3Aword@")
    async with face.client() as client:
        for _ in range(2):
            response = await client.get(url + "/basic-auth/alice/p%40ss%3Aword")
            assert response.status_code == 200
    for request in origin.requests:
        assert "alice" not in request.headers["host"]
        assert request.target.startswith("/basic-auth")


async def test_credentials_of_one_url_are_not_used_for_the_next(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        await client.get(origin.url.replace("//", "//alice:secret@") + "/get")
        await client.get(origin.url + "/get")
    assert "authorization" not in origin.requests[1].headers


@pytest.mark.parametrize("field", ["secret\r\nEvil: yes", "secret\n", "a\0b"])
async def test_a_token_with_controls_is_refused(face: Any, origin: Origin, field: str) -> None:
    async with face.client() as client:
        with pytest.raises(ValueError):
            await client.get(origin.url + "/get", auth=BearerAuth(field))
    assert origin.requests == []


def test_no_scheme_shows_its_secret() -> None:
    for auth in (BasicAuth("alice", "hunter2"), BearerAuth("hunter2")):
        assert "hunter2" not in repr(auth)
        assert "hunter2" not in str(auth)


class KeyAuth(Auth):
    """A scheme of one step, as the documentation shows it."""

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        request.headers["X-API-Key"] = "key"
        yield request


class ChallengeAuth(Auth):
    """A scheme that answers a challenge."""

    requires_response = True

    def __init__(self, *, read: bool = False) -> None:
        self.requires_response_body = read
        self.seen: list[Any] = []

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        response = yield request
        self.seen.append(response.content if self.requires_response_body else response.status_code)
        if response.status_code == 401:
            request.headers["Authorization"] = "Bearer answered"
            response = yield request
            self.seen.append(response.status_code)


async def test_a_scheme_of_ones_own_signs_requests(face: Any, origin: Origin) -> None:
    async with face.client(auth=KeyAuth()) as client:
        await client.get(origin.url + "/get")
    assert origin.requests[0].headers["x-api-key"] == "key"


@pytest.mark.parametrize("read", [False, True])
async def test_a_scheme_of_ones_own_answers_a_challenge(face: Any, origin: Origin, read: bool) -> None:
    auth = ChallengeAuth(read=read)
    async with face.client(auth=auth) as client:
        response = await client.get(origin.url + "/bearer")
        assert response.status_code == 200
        assert (await client.json(response))["token"] == "answered"
    assert [request.headers.get("authorization") for request in origin.requests] == [None, "Bearer answered"]
    assert len({request.connection_id for request in origin.requests}) == 1
    assert auth.seen[0] != b"" if read else auth.seen == [401, 200]


async def test_a_challenge_is_answered_with_the_content_again(face: Any, origin: Origin) -> None:
    async with face.client(auth=ChallengeAuth()) as client:
        response = await client.post(origin.url + "/bearer", content=b"again")
        assert response.status_code == 200
    assert [bytes(request.body) for request in origin.requests] == [b"again", b"again"]


async def test_content_that_cannot_be_sent_again_is_an_error_at_the_challenge(face: Any, origin: Origin) -> None:
    async with face.client(auth=ChallengeAuth()) as client:
        with pytest.raises(hyperhttp.StreamConsumed):
            await client.post(origin.url + "/bearer", content=face.pieces(b"once"))
        assert all(counts["in_use"] == 0 for counts in client.raw.get_pool_stats().values())


async def test_a_scheme_that_wants_the_content_gets_it(face: Any, origin: Origin) -> None:
    class BodyAuth(Auth):
        requires_request_body = True

        def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
            assert request.content is not None
            request.headers["X-Size"] = str(len(request.content.data or b""))
            yield request

    async with face.client(auth=BodyAuth()) as client:
        await client.post(origin.url + "/post", content=face.pieces(b"12345", b"67890"))
        await client.post(origin.url + "/post", content=b"123")
    assert [request.headers["x-size"] for request in origin.requests] == ["10", "3"]
    assert bytes(origin.requests[0].body) == b"1234567890"


async def test_a_scheme_that_fails_surfaces_its_error_and_frees_the_connection(face: Any, origin: Origin) -> None:
    class Broken(Auth):
        def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
            yield request
            raise KeyError("mine")

    async with face.client(auth=Broken(), max_connections=1, timeout=10) as client:
        for _ in range(3):
            with pytest.raises(KeyError, match="mine"):
                await client.get(origin.url + "/bytes/100000")
        assert all(counts["in_use"] == 0 for counts in client.raw.get_pool_stats().values())


async def test_hooks_see_each_round_of_a_challenge(face: Any, origin: Origin) -> None:
    seen = []
    hooks = {"response": [lambda response: seen.append(response.status_code)]}
    async with face.client(auth=ChallengeAuth(), event_hooks=hooks) as client:
        await client.get(origin.url + "/bearer")
    assert seen == [401, 200]
