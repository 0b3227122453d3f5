from __future__ import annotations

from typing import Any

import pytest

from hyperhttp import Request
from hyperhttp.connection.overdue import (
    length_error,
    read_timeout,
    total_timeout,
    waits_for_continue,
    write_timeout,
)
from tests.memory import memory_lane


@pytest.mark.parametrize(
    ("error", "text", "facts"),
    [
        (
            total_timeout(memory_lane(), "response head", 1.5),
            "reached its total timeout 1.5 s",
            ("response head", None),
        ),
        (read_timeout(memory_lane(), "response head", 5.0), "sent nothing for 5 s", ("response head", 5.0)),
        (write_timeout(memory_lane(), 2.5), "took no bytes for 2.5 s", ("write", 2.5)),
        (length_error(memory_lane(), 7, more=True), "more bytes than its length says (7)", ("write", None)),
        (length_error(memory_lane(), 7, more=False), "fewer bytes than its length says (7)", ("write", None)),
    ],
)
def test_each_error_says_what_where_and_when(error: Any, text: str, facts: tuple[str, Any]) -> None:
    assert text in str(error)
    assert (error.phase, error.limit) == facts
    assert error.host == memory_lane().host
    assert error.port == memory_lane().port


@pytest.mark.parametrize(
    ("options", "waits"),
    [
        ({"content": b"x", "headers": {"Expect": "100-continue"}}, True),
        ({"content": b"x", "headers": {"expect": "100-Continue"}}, True),
        ({"content": iter([b"x"]), "headers": {"Expect": "100-continue"}}, True),
        ({"content": b"", "headers": {"Expect": "100-continue"}}, False),
        ({"headers": {"Expect": "100-continue"}}, False),
        ({"content": b"x", "headers": {"Expect": "something"}}, False),
        ({"content": b"x"}, False),
    ],
)
def test_only_content_that_was_asked_to_wait_waits(options: dict[str, Any], waits: bool) -> None:
    assert waits_for_continue(Request("POST", "http://a.example/", **options)) is waits
