from __future__ import annotations

from typing import Any

import pytest


def test_cache_answers_conditions_with_304(fetch: Any) -> None:
    first = fetch("/cache")
    assert first.status == 200
    assert first.json()["url"].endswith("/cache")
    for name, value in (("If-None-Match", first.headers["ETag"]), ("If-Modified-Since", "x")):
        answer = fetch("/cache", headers={name: value})
        assert (answer.status, answer.body) == (304, b"")


def test_cache_control(fetch: Any) -> None:
    assert fetch("/cache/60").headers["Cache-Control"] == "public, max-age=60"
    assert fetch("/cache/-1").status == 400


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"If-None-Match": '"other", W/"tag"'}, 304),
        ({"If-None-Match": "*"}, 304),
        ({"If-None-Match": '"other"'}, 200),
        ({"If-Match": '"other"'}, 412),
        ({"If-Match": '"tag"'}, 200),
        ({"If-Match": '"other"', "If-None-Match": '"other"'}, 200),
    ],
)
def test_entity_tags(fetch: Any, headers: dict[str, str], status: int) -> None:
    answer = fetch("/etag/tag", headers=headers)
    assert answer.status == status
    assert answer.headers["ETag"] == '"tag"'
