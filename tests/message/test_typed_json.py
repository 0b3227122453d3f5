"""JSON into values of a type: by msgspec, by pydantic, by a codec of one's own."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from typing import Any, TypedDict

import msgspec
import pydantic
import pytest

from hyperhttp.message.typed_json import load_as, name_of


class Struct(msgspec.Struct):
    id: int
    name: str = "none"


class Model(pydantic.BaseModel):
    id: int
    name: str = "none"


@dataclass
class Plain:
    id: int
    name: str = "none"


@dataclass
class Holder:
    model: Model


class Typed(TypedDict):
    id: int


TEXT = b'{"id": 7, "name": "Ada"}'


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Struct, Struct(7, "Ada")),
        (Model, Model(id=7, name="Ada")),
        (Plain, Plain(7, "Ada")),
        (Typed, {"id": 7}),
        (dict[str, Any], {"id": 7, "name": "Ada"}),
        (Struct | None, Struct(7, "Ada")),
    ],
)
def test_a_value_is_of_the_type_that_was_named(kind: Any, value: Any) -> None:
    made = load_as(TEXT, kind)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize("kind", [Struct, Model, Plain])
def test_so_are_those_in_a_list(kind: Any) -> None:
    assert load_as(b"[" + TEXT + b"]", list[kind]) == [kind(id=7, name="Ada")]


def test_a_model_within_something_else_is_made_too() -> None:
    assert load_as(b'{"model": {"id": 1}}', Holder) == Holder(Model(id=1))
    with pytest.raises(ValueError, match=r"not JSON of Holder: (.|\n)*\$\.model"):
        load_as(b'{"model": {"id": "one"}}', Holder)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-32-be"])
@pytest.mark.parametrize("kind", [Struct, Model])
def test_old_encodings_are_understood(encoding: str, kind: Any) -> None:
    assert load_as('{"id": 1, "name": "é"}'.encode(encoding), kind) == kind(id=1, name="é")


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Struct, r"the content is not JSON of Struct: Expected `int`, got `str` - at `\$\.id`"),
        (Model, r"the content is not JSON of Model: 1 validation error"),
        (Plain, r"the content is not JSON of Plain: "),
        (list[Struct], r"the content is not JSON of list\[.*Struct\]: Expected `array`, got `object`"),
    ],
)
def test_something_else_is_an_error_that_says_what_and_where(kind: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        load_as(b'{"id": "seven"}', kind)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("kind", [Struct, Model])
@pytest.mark.parametrize("text", [b"", b"{", b"<html>"])
def test_what_is_no_json_is_the_same_error(kind: Any, text: bytes) -> None:
    with pytest.raises(ValueError, match="is not JSON of"):
        load_as(text, kind)


def test_a_codec_of_ones_own_comes_first() -> None:
    assert load_as(TEXT, Struct, lambda data, kind: (data, kind)) == (TEXT, Struct)


def test_a_type_nobody_can_make_is_an_error() -> None:
    class Odd:
        def __init__(self, *, _secret: object) -> None: ...

    with pytest.raises(TypeError, match=r"json\(\) cannot make .*Odd"):
        load_as(TEXT, Odd)


@pytest.mark.parametrize(("missing", "kind"), [("msgspec", Plain), ("pydantic", Plain), ("pydantic", Struct)])
def test_one_of_the_packages_is_enough(missing: str, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert load_as(TEXT, kind) == kind(id=7, name="Ada")


def test_without_any_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "msgspec", None)
    monkeypatch.setitem(sys.modules, "pydantic", None)
    with pytest.raises(TypeError, match="install msgspec or pydantic"):
        load_as(TEXT, Plain)


def test_nothing_is_imported_that_is_not_used() -> None:
    code = (
        "import sys, hyperhttp; r = hyperhttp.Response(content=b'[1]'); r.json();"
        "assert not {'msgspec', 'pydantic'} & set(sys.modules);"
        "assert r.json(list[int]) == [1]; assert 'pydantic' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_a_type_is_named_as_it_is_written() -> None:
    assert (name_of(Struct), name_of(list[int]), name_of(int | None)) == ("Struct", "list[int]", "int | None")
