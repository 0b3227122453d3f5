"""The assembly of the stages: each call walks those it needs, and no other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

import hyperhttp.pipeline as pipeline
from hyperhttp.auth.basic import BasicAuth


def call(**given: Any) -> Any:
    plain = {"hooks": None, "listeners": None, "jar": None, "auth": None, "max_redirects": 0, "find_transport": None}
    return SimpleNamespace(**(plain | given))


def stages_of(made: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the stages a call walks, outermost first."""
    walked: list[str] = []

    def stage(name: str) -> Any:
        async def walk(call: Any, send: Any = None) -> str:
            walked.append(name)
            return await send(call) if send is not None else "sent"

        return walk

    for name in ("follow_redirects", "authenticate", "carry_cookies", "run_hooks", "exchange", "deliver"):
        monkeypatch.setattr(pipeline, name, stage(name))
    with pytest.raises(StopIteration) as ended:
        pipeline.send(made).send(None)
    assert ended.value.value == "sent"
    return walked


def test_a_plain_call_walks_the_exchange_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    assert stages_of(call(), monkeypatch) == ["exchange"]


@pytest.mark.parametrize(
    ("given", "stage"),
    [
        ({"max_redirects": 3}, "follow_redirects"),
        ({"auth": BasicAuth("a", "b")}, "authenticate"),
        ({"jar": object()}, "carry_cookies"),
        ({"hooks": {}}, "run_hooks"),
        ({"listeners": object()}, "run_hooks"),
    ],
)
def test_a_stage_is_walked_when_it_has_something_to_do(
    given: dict[str, Any], stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stages_of(call(**given), monkeypatch) == [stage, "exchange"]


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
