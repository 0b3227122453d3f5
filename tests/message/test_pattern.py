"""Patterns for origins: what they mean, and which is the more precise."""

from __future__ import annotations

import pytest

from hyperhttp.message.pattern import URLPattern
from hyperhttp.message.url import URL


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        ("https://", ("https", "", None)),
        ("all://*", ("all", "", None)),
        ("all://*:8443", ("all", "", 8443)),
        ("HTTP://API.Example.com/", ("http", "api.example.com", None)),
        ("all://*.Example.com", ("all", "*.example.com", None)),
        ("all://*example.com:80", ("all", "*example.com", 80)),
        ("http://[2001:DB8::1]:8080", ("http", "2001:db8::1", 8080)),
        ("http://münchen.example", ("http", "xn--mnchen-3ya.example", None)),
        ("memory+x://", ("memory+x", "", None)),
    ],
)
def test_a_pattern_has_a_scheme_and_perhaps_a_host_and_a_port(text: str, parsed: tuple[object, ...]) -> None:
    pattern = URLPattern.parse(text)
    assert tuple(pattern) == parsed
    assert URLPattern.parse(str(pattern)) == pattern


@pytest.mark.parametrize(
    "text",
    ["", "http", "example.com", "://x", "http://:80", "http://a/b", "http://a?b", "http://u@a", "all://a*b", "x://a:b"],
)
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no mount"):
        URLPattern.parse(text)


@pytest.mark.parametrize(
    ("text", "url", "matches"),
    [
        ("all://", "https://a.example/", True),
        ("https://", "http://a.example/", False),
        ("all://*.example", "http://a.example/", True),
        ("all://*.example", "http://a.b.example/", True),
        ("all://*.example", "http://example/", False),
        ("all://*example.com", "http://example.com/", True),
        ("all://*example.com", "http://www.example.com/", True),
        ("all://*example.com", "http://badexample.com/", False),
        ("http://a.example", "http://a.example:8080/", True),
        ("http://a.example:80", "http://a.example/", True),
        ("http://a.example:80", "http://a.example:8080/", False),
        ("all://*:8080", "http://b.example:8080/", True),
        ("http://[::1]", "http://[::1]:1/", True),
        ("http://a.example", "http://b.a.example/", False),
    ],
)
def test_a_pattern_means_what_it_says(text: str, url: str, matches: bool) -> None:
    parsed = URL(url)
    assert URLPattern.parse(text).matches(parsed.scheme, parsed.host, parsed.effective_port) is matches


def test_the_more_precise_comes_last() -> None:
    order = ["all://", "https://", "all://*:81", "all://*.example", "all://*.a.example", "http://*.a.example",
             "all://a.example", "http://a.example", "http://a.example:80"]  # fmt: skip
    patterns = [URLPattern.parse(text) for text in order]
    backwards = patterns[::-1]
    assert sorted(backwards, key=lambda pattern: pattern.precision) == patterns
