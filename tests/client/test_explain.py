"""The parts of an explanation; what it says of a client is told in tests/behaviour."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from hyperhttp.client.core import ClientCore
from hyperhttp.client.explain import Decision, Explanation, explain


def told(url: str = "https://a.example/", options: dict[str, Any] | None = None, **settings: Any) -> Explanation:
    return explain(ClientCore({"plugins": [], **settings}, stream=False), url, options or {})  # type: ignore[typeddict-item]


def test_a_decision_reads_as_what_and_why() -> None:
    assert str(Decision("x", "y=")) == "x  (y=)"
    assert str(Decision(None, "y=")) == "none  (y=)"
    assert str(Decision(0, "y=")) == "0  (y=)"


def test_each_attribute_has_a_line() -> None:
    explanation = told()
    assert [line.split()[0] for line in str(explanation).splitlines()] == [each.name for each in fields(Explanation)]


@pytest.mark.parametrize(
    ("url", "settings", "pool"),
    [
        ("http://a.example/", {}, "http://a.example:80, HTTP/1.1"),
        ("http://[::1]:8080/", {}, "http://[::1]:8080, HTTP/1.1"),
        ("https://a.example/", {"http2": False}, "https://a.example:443, TLS as above, HTTP/1.1"),
        ("http://a.example/", {"http2": "prior-knowledge"}, "http://a.example:80, HTTP/2"),
    ],
)
def test_the_key_of_the_pool_says_what_is_spoken(url: str, settings: Any, pool: str) -> None:
    assert told(url, **settings).pool == pool


def test_asking_sends_nothing_and_consumes_nothing() -> None:
    pieces = iter([b"a", b"b"])
    told(options={"content": pieces})
    assert list(pieces) == [b"a", b"b"]
