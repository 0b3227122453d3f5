"""Requests that a proxy forwards: signed for it, and sent again when it asks for other credentials."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest

from hyperhttp import DigestAuth, Proxy
from hyperhttp.exceptions import StreamConsumed
from hyperhttp.message.request import Request
from hyperhttp.message.response import Response
from hyperhttp.pipeline.forwarding import answer_proxy

ASKS = [("Proxy-Authenticate", 'Digest realm="r", nonce="n", qop="auth"')]
DIGEST = Proxy("http://proxy.corp", auth=DigestAuth("alice", "s3cret"))
PAIR = Proxy("http://proxy.corp", auth=("alice", "s3cret"))


class Heads:
    """Stands for the exchange: keeps the heads it is given, answers from a list."""

    def __init__(self, *answers: Response) -> None:
        self.answers = list(answers)
        self.heads: list[bytes | None] = []

    async def __call__(self, call: Any) -> Response:
        self.heads.append(call.head)
        answer = self.answers.pop(0)
        answer._request = call.request
        return answer

    @property
    def given(self) -> list[str | None]:
        """The scheme of each Proxy-Authorization that was not left to the exchange."""
        found = [re.search(rb"\r\nProxy-Authorization: (\w+)", head or b"") for head in self.heads]
        return [each[1].decode() if each else None for each in found]


def through(call: Any, proxy: Proxy | None, *, tunnel: bool = False) -> Any:
    call.route = replace(call.route, proxy=proxy, tunnel=tunnel)
    call.find_transport = None
    return call


@pytest.mark.parametrize("proxy", [None, Proxy("http://proxy.corp"), DIGEST, PAIR])
async def test_what_is_no_matter_of_credentials_passes_as_it_is(new_call: Any, proxy: Any) -> None:
    tunnel = proxy is not None and proxy.credentials is not None
    stage = Heads(Response(407, ASKS))
    response = await answer_proxy(through(new_call(), proxy, tunnel=tunnel), stage)
    assert (response.status_code, stage.heads) == (407, [None])


async def test_what_a_transport_serves_passes_as_it_is(new_call: Any) -> None:
    call = through(new_call(), DIGEST)
    call.find_transport = lambda url: object()
    stage = Heads(Response(407, ASKS))
    assert (await answer_proxy(call, stage)).status_code == 407
    assert stage.heads == [None]


@pytest.mark.parametrize("make", [lambda: Proxy("http://p", auth=DigestAuth("a", "b")), lambda: Proxy("http://a:b@p")])
async def test_a_challenge_is_answered_and_remembered(new_call: Any, make: Any) -> None:
    proxy, stage = make(), Heads(Response(407, ASKS), Response(200), Response(200))
    call = through(new_call(), proxy)
    assert (await answer_proxy(call, stage)).status_code == 200
    assert [(each.cause, each.status_code) for each in call.attempts] == [("authentication", 407)]
    await answer_proxy(through(new_call(), proxy), stage)
    assert stage.given == [None, "Digest", "Digest"]
    assert stage.heads[0] is None, "what is not signed is left to the exchange"


async def test_a_refusal_is_the_answer(new_call: Any) -> None:
    stage = Heads(Response(407, ASKS), Response(407, ASKS))
    proxy = Proxy("http://p", auth=DigestAuth("a", "wrong"))
    assert (await answer_proxy(through(new_call(), proxy), stage)).status_code == 407
    assert len(stage.heads) == 2


async def test_content_that_cannot_be_sent_again(new_call: Any) -> None:
    call = through(new_call(), Proxy("http://p", auth=DigestAuth("a", "b")))
    call.request = Request("POST", "http://example.com/", content=iter([b"x"]))
    call.request.content.source.started = True  # type: ignore[union-attr]
    with pytest.raises(StreamConsumed, match="the proxy http://p:80 asks for credentials"):
        await answer_proxy(call, Heads(Response(407, ASKS)))
