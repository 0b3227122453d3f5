"""Schemes by name, and the one that a challenge asks for."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from hyperhttp import Auth, BasicAuth, BearerAuth, DigestAuth, StreamConsumed
from hyperhttp.auth.named import AnyAuth, auth_by_name
from hyperhttp.message.request import Request
from hyperhttp.message.response import Response
from hyperhttp.plugins import compile_plugins, hookimpl

URL = "https://api.example.com/path"


class KeyAuth(Auth):
    def __init__(self, key: str) -> None:
        if key == "bad":
            raise ValueError("a key is needed")
        self.key = key

    def auth_flow(self, request: Request) -> Any:
        request.headers["X-Key"] = self.key
        yield request


class Key:
    @hookimpl
    def hyperhttp_register_auth_schemes(self, auth_schemes: Any) -> None:
        auth_schemes.add("Key", KeyAuth, answer=lambda challenge, key: KeyAuth(key), strength=20)
        auth_schemes.add("Silent", KeyAuth)
        auth_schemes.add("Picky", KeyAuth, answer=lambda challenge, key: None, strength=30)
        auth_schemes.add("Wrong", lambda credentials: object(), answer=lambda challenge, key: object(), strength=40)


CORE = compile_plugins([]).auth_schemes
SCHEMES = compile_plugins([Key()]).auth_schemes


def demand(*challenges: str) -> Response:
    return Response(401, [("WWW-Authenticate", challenge) for challenge in challenges])


def play(auth: Auth, *responses: Response, url: str = URL) -> list[Request]:
    """What a scheme sends, answered by these responses; after them the flow must be over."""
    flow = auth.auth_flow(Request("GET", url))
    sent = [next(flow)]
    for response in responses[:-1]:
        sent.append(flow.send(response))
    with pytest.raises(StopIteration):
        flow.send(responses[-1])
    return sent


# -- by name -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("basic alice:s3cret", BasicAuth),
        ("Basic alice:s3cret", BasicAuth),
        ("  BASIC   alice:s3cret", BasicAuth),
        ("bearer abc.def", BearerAuth),
        ("digest alice:s3cret", DigestAuth),
        ("any alice:s3cret", AnyAuth),
        ("key k-1", KeyAuth),
    ],
)
def test_a_text_names_a_scheme(text: str, kind: type) -> None:
    assert isinstance(auth_by_name(text, SCHEMES), kind)


def test_credentials_are_taken_as_they_are() -> None:
    (request,) = play(auth_by_name("basic alice: s3 cret ", CORE), Response(200))
    (expected,) = play(BasicAuth("alice", " s3 cret "), Response(200))
    assert request.headers["authorization"] == expected.headers["authorization"]


@pytest.mark.parametrize("text", ["hunter2", "hunter2 alice", "basic", "basic ", "any", " ", "", "hunter2:x y"])
def test_what_names_none_is_refused_with_the_names_and_without_the_text(text: str) -> None:
    with pytest.raises(ValueError, match=r"the names are any, basic, bearer, digest$") as caught:
        auth_by_name(text, CORE)
    assert "hunter2" not in str(caught.value)


def test_a_scheme_says_what_is_wrong_with_its_credentials() -> None:
    with pytest.raises(ValueError, match="a key is needed"):
        auth_by_name("key bad", SCHEMES)


def test_what_a_factory_makes_must_be_a_scheme() -> None:
    with pytest.raises(TypeError, match="'wrong' made a object, which has no auth_flow"):
        auth_by_name("wrong x", SCHEMES)
    with pytest.raises(TypeError, match="'wrong' made a object"):
        play(AnyAuth("x", SCHEMES), demand("Wrong"))


# -- by challenge ------------------------------------------------------------------------------------------------

DIGEST = 'Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256'


@pytest.mark.parametrize(
    ("credentials", "challenges", "answer"),
    [
        ("alice:s3cret", ["Basic realm=x"], "Basic YWxpY2U6czNjcmV0"),
        ("alice:s3cret", [f"Basic realm=x, {DIGEST}"], "Digest "),
        ("alice:s3cret", ["Basic realm=x", DIGEST], "Digest "),
        ("alice:s3cret", ["Bearer", "Basic realm=x"], "Basic YWxpY2U6czNjcmV0"),
        ("alice:s3cret", ['Digest realm="r", nonce="n", algorithm=ODD', "Basic"], "Basic YWxpY2U6czNjcmV0"),
        ("abc.def", ["Basic realm=x", "Bearer realm=x"], "Bearer abc.def"),
        ("abc.def", ["Basic realm=x", DIGEST], None),
        ("alice:s3cret", ["Negotiate", "Unknown a=b"], None),
        ("alice:s3cret", ["Picky", "Silent"], None),
        ("alice:s3cret", [""], None),
        ("alice:s3cret", [], None),
    ],
)
def test_the_strongest_scheme_that_can_answers(credentials: str, challenges: list[str], answer: str | None) -> None:
    auth = AnyAuth(credentials, SCHEMES)
    if answer is None:
        play(auth, demand(*challenges))
    else:
        _first, second = play(auth, demand(*challenges), Response(200))
        assert second.headers["authorization"].startswith(answer)
    assert "s3cret" not in repr(auth)


def test_a_scheme_that_signs_at_once_needs_no_second_challenge() -> None:
    _first, second = play(AnyAuth("k-1", SCHEMES), demand("Basic", "Key"), Response(200))
    assert second.headers["x-key"] == "k-1"


def test_without_a_challenge_nothing_is_sent() -> None:
    (request,) = play(AnyAuth("alice:s3cret", CORE), Response(200))
    assert "authorization" not in request.headers


def test_what_was_chosen_is_remembered_for_its_origin_alone() -> None:
    auth = AnyAuth("alice:s3cret", CORE)
    play(auth, demand("Basic"), Response(200))
    (request,) = play(auth, Response(200))
    assert request.headers["authorization"].startswith("Basic ")
    (request,) = play(auth, Response(200), url="https://other.example.com/")
    assert "authorization" not in request.headers
    for made in (copy.copy(auth), pickle.loads(pickle.dumps(AnyAuth("a:b", {})))):
        assert made._chosen == {}


def test_digest_is_answered_once_and_then_unasked() -> None:
    auth = AnyAuth("alice:s3cret", CORE)
    first, second = play(auth, demand(DIGEST), Response(200))
    (third,) = play(auth, Response(200))
    assert "authorization" not in first.headers
    assert "nc=00000001" in second.headers["authorization"]
    assert "nc=00000002" in third.headers["authorization"]


def test_credentials_that_are_refused_end_it_and_the_next_request_asks_anew() -> None:
    auth = AnyAuth("alice:s3cret", CORE)
    play(auth, demand("Basic"), demand("Basic"))
    play(auth, demand(DIGEST))
    first, second = play(auth, demand(DIGEST), Response(200))
    assert "authorization" not in first.headers
    assert second.headers["authorization"].startswith("Digest ")


def test_content_that_cannot_be_sent_again() -> None:
    auth = AnyAuth("alice:s3cret", CORE)
    request = Request("POST", URL, content=iter([b"x"]))
    flow = auth.auth_flow(request)
    next(flow)
    assert request.content is not None
    assert request.content.source is not None
    request.content.source.started = True
    with pytest.raises(StreamConsumed, match="cannot be sent twice"):
        flow.send(demand("Basic"))
    (request,) = play(auth, Response(200))
    assert request.headers["authorization"].startswith("Basic ")


def test_a_request_that_was_led_elsewhere_is_not_answered() -> None:
    flow = AnyAuth("alice:s3cret", CORE).auth_flow(Request("GET", URL))
    request = next(flow)
    request.url = request.url.copy_with(host="evil.example.com")
    with pytest.raises(StopIteration):
        flow.send(demand("Basic"))


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hyperhttp.auth.named._MAX_ORIGINS", 3)
    auth = AnyAuth("alice:s3cret", CORE)
    for number in range(6):
        play(auth, demand("Basic"), Response(200), url=f"https://h{number}.example.com/")
    assert list(auth._chosen) == [f"https://h{number}.example.com" for number in (3, 4, 5)]
