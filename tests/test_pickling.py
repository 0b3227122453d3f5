"""How exceptions travel between processes; `tests/test_exceptions.py` sends every class on its way."""

from __future__ import annotations

import pickle
from threading import Lock

from hyperhttp._pickling import pack, rebuild


class OwnError(Exception):
    def __init__(self, first: str, second: object) -> None:
        super().__init__(first)
        self.first = first
        self.second = second


def test_an_exception_is_made_again_without_its_constructor() -> None:
    again = rebuild(*pickle.loads(pickle.dumps(pack(OwnError("a", {"b": [1]})))))
    assert (type(again), again.args, again.first, again.second) == (OwnError, ("a",), "a", {"b": [1]})


def test_what_cannot_travel_is_left_out() -> None:
    again = rebuild(*pack(OwnError("a", Lock())))
    assert (again.first, again.second) == ("a", None)


def test_arguments_that_are_not_plain_travel_as_text() -> None:
    error = OwnError("a", None)
    error.args = (("not", "plain"),)
    assert rebuild(*pack(error)).args == ("('not', 'plain')",)
