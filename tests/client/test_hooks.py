"""Which event hooks there are, and whose."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.client.hooks import EVENTS, PLAIN_EVENTS, hooks_of, hooks_of_call, merge_hooks


async def waits(*_event: Any) -> None: ...


def test_hooks_are_lists_of_their_own() -> None:
    functions = [print]
    made = hooks_of({"request": functions, "response": print})
    assert made is not None
    assert set(made) == EVENTS
    assert (made["request"], made["response"], made["retry"]) == ([print], [print], [])
    assert made["request"] is not functions
    assert hooks_of(None) is None
    assert hooks_of({}) == {event: [] for event in EVENTS}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"requests": []}, "did you mean 'request'"),
        ({"error": [1]}, "holds 1, which cannot be called"),
        ({"connect": [waits]}, "plain functions"),
        ({"close": waits}, "plain functions"),
        ({"done": [print, waits]}, "plain functions: a response may be over"),
    ],
)
def test_what_is_no_hook_is_refused(given: Any, said: str) -> None:
    with pytest.raises(TypeError, match=said):
        hooks_of(given)


def test_async_hooks_may_be_where_something_waits_for_them() -> None:
    made = hooks_of(dict.fromkeys(EVENTS - PLAIN_EVENTS.keys(), waits))
    assert made is not None
    assert made["error"] == [waits]


def test_a_call_has_no_hooks_for_the_end_of_a_connection() -> None:
    assert hooks_of_call({"connect": print}) == {**{event: [] for event in EVENTS}, "connect": [print]}
    assert hooks_of_call(None) is None
    with pytest.raises(TypeError, match="set it on the client"):
        hooks_of_call({"close": print})


def test_the_clients_hooks_come_first() -> None:
    first, then = hooks_of({"error": print}), hooks_of({"error": repr, "retry": str})
    merged = merge_hooks(first, then)
    assert merged is not None
    assert (merged["error"], merged["retry"], merged["request"]) == ([print, repr], [str], [])
    assert merge_hooks(first, None) is first, "so that changes of a live client's hooks count"
    assert merge_hooks(None, then) is then
    assert merge_hooks(None, None) is None
