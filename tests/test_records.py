"""A record behaves as the frozen dataclass of the same fields would."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from hyperhttp._records import Record


class Point(Record):
    __slots__ = ("x", "y")

    x: int
    y: int | None

    def __init__(self, x: int, y: int | None = None) -> None:
        self._fill(x, y)


class Marked(Point):
    """A user's own, with a dict."""


@dataclasses.dataclass(frozen=True, slots=True)
class Twin:
    x: int
    y: int | None = None


@pytest.fixture(params=[Point, Twin])
def kind(request: pytest.FixtureRequest) -> Any:
    """The record, and what it has to be like."""
    return request.param


def test_it_is_compared_by_what_it_holds(kind: Any) -> None:
    assert kind(1, 2) == kind(1, y=2)
    assert kind(1, 2) != kind(1)
    assert kind(1) != (1, None)
    assert len({kind(1, 2), kind(1, 2), kind(2, 1)}) == 2


def test_another_class_with_the_same_values_is_not_the_same() -> None:
    assert Point(1) != Marked(1)


def test_it_shows_its_fields_in_their_order(kind: Any) -> None:
    assert repr(kind(1)) == f"{kind.__name__}(x=1, y=None)"


def test_it_cannot_be_changed(kind: Any) -> None:
    point = kind(1)
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'x'"):
        point.x = 2
    with pytest.raises(dataclasses.FrozenInstanceError, match="cannot delete field 'x'"):
        del point.x
    with pytest.raises((dataclasses.FrozenInstanceError, TypeError)):  # TypeError: a defect of slots in Python 3.11
        point.other = 2
    assert point == kind(1)


def test_it_has_no_dict(kind: Any) -> None:
    assert not hasattr(kind(1), "__dict__")


def test_what_derives_from_it_may_have_attributes_of_its_own() -> None:
    marked = Marked(1)
    marked.note = "mine"  # type: ignore[attr-defined]
    del marked.note  # type: ignore[attr-defined]
    with pytest.raises(dataclasses.FrozenInstanceError):
        marked.x = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del marked.x
    assert repr(marked) == "Marked(x=1, y=None)"


def test_it_is_copied_and_pickled(kind: Any) -> None:
    for twin in (copy.copy(kind(1, 2)), copy.deepcopy(kind(1, 2)), pickle.loads(pickle.dumps(kind(1, 2)))):
        assert twin == kind(1, 2)


def test_it_is_matched_by_position(kind: Any) -> None:
    assert kind.__match_args__ == ("x", "y")


def test_the_functions_of_dataclasses_take_it(kind: Any) -> None:
    point = kind(1)
    assert dataclasses.is_dataclass(point)
    assert dataclasses.asdict(point) == {"x": 1, "y": None}
    assert [(field.name, field.type, field.default) for field in dataclasses.fields(point)] == [
        ("x", "int", dataclasses.MISSING),
        ("y", "int | None", None),
    ]
    assert dataclasses.replace(point, y=3) == kind(1, 3)
    with pytest.raises(TypeError):
        dataclasses.replace(point, z=3)


def test_a_dataclass_may_derive_from_it(kind: Any) -> None:
    @dataclasses.dataclass(frozen=True)
    class Deeper(kind):  # type: ignore[misc]
        z: int = 0

    assert Deeper(1, 2, 3) == Deeper(1, 2, z=3)
    assert repr(Deeper(1)).endswith("Deeper(x=1, y=None, z=0)")


def test_a_copy_with_other_values_is_made_as_a_new_one_is() -> None:
    assert Point(1).__replace__(y=2) == Point(1, 2)
    with pytest.raises(TypeError, match="Point has no field 'z'"):
        Point(1).__replace__(z=3)


def test_every_field_wants_its_value() -> None:
    with pytest.raises(ValueError, match="zip"):
        Point.__new__(Point)._fill(1)
