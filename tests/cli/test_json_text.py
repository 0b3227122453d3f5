from __future__ import annotations

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hyperhttp.cli.json_text import is_json, pretty
from hyperhttp.cli.style import Style

PLAIN = Style(io.StringIO())
INDENTED = """{
  "a": [
    1,
    {
      "b": null
    }
  ],
  "c": {},
  "d": [],
  "e": "x, y: {z}"
}"""


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("media_type", "expected"),
    [
        ("application/json", True),
        ("application/problem+json", True),
        ("application/x-ndjson", False),
        ("text/html", False),
        ("", False),
    ],
)
def test_json_is_known_by_its_media_type(media_type: str, expected: bool) -> None:
    assert is_json(media_type) is expected


def test_objects_and_arrays_are_indented() -> None:
    text = '{"a":[1,{"b":null}],"c":{},"d":[],"e":"x, y: {z}"}'
    assert pretty(text, PLAIN) == INDENTED


@pytest.mark.parametrize("text", ["1", "-0.5e+3", '"a\\"b"', "true", "null", "{}", "[]"])
def test_what_has_no_inside_stays_as_it_is(text: str) -> None:
    assert pretty(f"  {text}\n", PLAIN) == text


@pytest.mark.parametrize(
    "text",
    ["1.00000000000000000000001", "123456789012345678901234567890", "1e400", '"\\u00e9\\/"'],
)
def test_values_keep_their_digits_and_escapes(text: str) -> None:
    assert pretty(f"[{text}]", PLAIN) == f"[\n  {text}\n]"


def test_double_names_stay() -> None:
    assert pretty('{"a":1,"a":2}', PLAIN) == '{\n  "a": 1,\n  "a": 2\n}'


@pytest.mark.parametrize("text", ["", "{", "{'a': 1}", "[1,]", "1 2", '{"a":1}\n{"a":2}', "[" * 100_000])
def test_what_is_not_one_json_text_is_none(text: str) -> None:
    assert pretty(text, PLAIN) is None


def test_names_and_values_have_colours_of_their_own() -> None:
    style = Style(Terminal(), {"TERM": "xterm"})
    shown = pretty('{"a":"b","c":1,"d":null}', style)
    assert shown is not None
    for painted in (
        '\x1b[34;1m"a"\x1b[0m: ',
        '\x1b[32m"b"\x1b[0m,',
        "\x1b[36m1\x1b[0m",
        "\x1b[33mnull\x1b[0m",
    ):
        assert painted in shown


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(values)
def test_the_value_does_not_change(value: object) -> None:
    shown = pretty(json.dumps(value), PLAIN)
    assert shown is not None
    assert json.loads(shown) == value
    assert shown == json.dumps(value, indent=2)
