"""One call with everything that was decided for it."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.pipeline.call import Call


def test_a_call_holds_what_it_was_made_with(new_call: Any) -> None:
    call = new_call("GET", "http://a.example/x")
    assert call.request.method == "GET"
    assert call.route is call.find_route(call.request.url)
    assert (call.head, call.origin, call.stream) == (None, "http://a.example", True)


def test_a_call_takes_nothing_else(new_call: Any) -> None:
    with pytest.raises(AttributeError):
        new_call().anything = 1
    assert not hasattr(new_call(), "__dict__"), "one is made per request"


def test_what_only_some_calls_need_is_not_set_for_all() -> None:
    assert {"auth", "hooks", "find_route", "max_redirects"} <= set(Call.__slots__)
