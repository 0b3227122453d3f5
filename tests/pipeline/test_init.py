"""The assembly of the stages: each call walks those it needs, and no other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import hyperhttp.pipeline as pipeline
from hyperhttp.auth.basic import BasicAuth
from hyperhttp.pipeline import breaking, expecting, forwarding, pacing, retries
from hyperhttp.plugins.compiled import Listeners


def call(**given: Any) -> Any:
    plain = {"hooks": None, "listeners": None, "jar": None, "auth": None, "max_redirects": 0, "find_transport": None}
    off = {"proxied": False, "retry": None, "breaker": None, "limiter": None, "request": SimpleNamespace(_content=None)}
    return SimpleNamespace(**(plain | off | given))


def stages_of(made: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the stages a call walks, outermost first."""
    walked: list[str] = []

    def stage(name: str) -> Any:
        async def walk(call: Any, send: Any = None) -> str:
            walked.append(name)
            return await send(call) if send is not None else "sent"

        return walk

    stages = ("watch_call", "follow_redirects", "authenticate", "carry_cookies", "run_hooks", "exchange", "deliver")
    for name in stages:
        monkeypatch.setattr(pipeline, name, stage(name))
    monkeypatch.setattr(breaking, "guard", stage("guard"))
    monkeypatch.setattr(pacing, "pace", stage("pace"))
    monkeypatch.setattr(retries, "send_with_retries", stage("send_with_retries"))
    monkeypatch.setattr(expecting, "expect_continue", stage("expect_continue"))
    with pytest.raises(StopIteration) as ended:
        pipeline.send(made).send(None)
    assert ended.value.value == "sent"
    return walked


def test_content_with_an_expectation_is_looked_after(monkeypatch: pytest.MonkeyPatch) -> None:
    request = SimpleNamespace(_content=object(), headers={"expect": "100-continue"})
    assert stages_of(call(request=request), monkeypatch) == ["expect_continue", "exchange"]
    assert stages_of(call(request=request, hooks={}), monkeypatch) == ["run_hooks", "exchange"], (
        "hooks may yet change it"
    )
    request.headers.clear()
    assert stages_of(call(request=request), monkeypatch) == ["exchange"]


def test_a_plain_call_walks_the_exchange_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stages_of(call(), monkeypatch) == ["exchange"]


@pytest.mark.parametrize(
    ("given", "stage"),
    [
        ({"max_redirects": 3}, "follow_redirects"),
        ({"auth": BasicAuth("a", "b")}, "authenticate"),
        ({"jar": object()}, "carry_cookies"),
        ({"hooks": {}}, "run_hooks"),
        ({"listeners": Listeners(request=(print,))}, "run_hooks"),
    ],
)
def test_a_stage_is_walked_when_it_has_something_to_do(
    given: dict[str, Any], stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stages_of(call(**given), monkeypatch) == [stage, "exchange"]


@pytest.mark.parametrize("event", ["begin", "end"])
def test_a_call_is_watched_when_somebody_listens_to_its_begin_or_end(
    event: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = call(listeners=Listeners(**{event: (print,)}), max_redirects=1)
    assert stages_of(made, monkeypatch) == ["watch_call", "follow_redirects", "run_hooks", "exchange"]


def test_proxies_that_want_credentials_are_answered_next_to_the_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    async def answer_proxy(call: Any, send: Any) -> str:
        return f"signed and {await send(call)}"

    monkeypatch.setattr(forwarding, "answer_proxy", answer_proxy)
    monkeypatch.setattr(pipeline, "exchange", lambda call: ready())
    with pytest.raises(StopIteration) as ended:
        pipeline.send(call(proxied=True)).send(None)
    assert ended.value.value == "signed and sent"


async def ready() -> str:
    return "sent"


def test_mounted_transports_take_the_place_of_the_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stages_of(call(find_transport=lambda _url: None), monkeypatch) == ["deliver"]


def test_all_stages_come_in_the_order_of_the_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = call(max_redirects=1, auth=BasicAuth("a", "b"), jar=object(), hooks={}, find_transport=lambda _: None)
    assert stages_of(everything, monkeypatch) == [
        "follow_redirects",
        "authenticate",
        "carry_cookies",
        "run_hooks",
        "deliver",
    ]


def test_retries_stand_inside_redirects_and_outside_authentication(monkeypatch: pytest.MonkeyPatch) -> None:
    made = call(auth=BasicAuth("a", "b"), retry=object(), max_redirects=1)
    assert stages_of(made, monkeypatch) == ["follow_redirects", "send_with_retries", "authenticate", "exchange"]


def test_attempts_are_held_back_inside_authentication_and_outside_cookies(monkeypatch: pytest.MonkeyPatch) -> None:
    made = call(auth=BasicAuth("a", "b"), jar=object(), limiter=object(), breaker=object())
    assert stages_of(made, monkeypatch) == ["authenticate", "pace", "guard", "carry_cookies", "exchange"]
    assert stages_of(call(limiter=object()), monkeypatch) == ["pace", "exchange"]
    assert stages_of(call(breaker=object()), monkeypatch) == ["guard", "exchange"]
