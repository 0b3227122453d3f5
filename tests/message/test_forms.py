from __future__ import annotations

from urllib.parse import parse_qsl

import pytest

from hyperhttp.message.forms import encode_form, form_pairs, form_value


@pytest.mark.parametrize(
    ("fields", "encoded"),
    [
        ({"a": "b"}, b"a=b"),
        ({"a b": "c d"}, b"a+b=c+d"),
        ({"é": "€"}, b"%C3%A9=%E2%82%AC"),
        ({"a": b"\xff\x00 "}, b"a=%FF%00+"),
        ({"i": -1, "f": 1.5, "t": True, "f2": False}, b"i=-1&f=1.5&t=true&f2=false"),
        ({"n": None, "e": ""}, b"e="),
        ({"l": ["1", 2, None], "t": (3,), "none": []}, b"l=1&l=2&t=3"),
        ([("b", "1"), ("a", "2"), ("b", "3")], b"b=1&a=2&b=3"),
        (((("x", "a&b=c;d%"),)), b"x=a%26b%3Dc%3Bd%25"),
        ({"safe": "-._~"}, b"safe=-._~"),
    ],
)
def test_forms_are_encoded_as_html_does_it(fields, encoded):
    assert encode_form(fields) == encoded
    pairs = [(name, value) for name, value in parse_qsl(encoded.decode(), keep_blank_values=True, errors="replace")]
    assert len(pairs) == encoded.count(b"=")


def test_pairs_come_from_mappings_and_pairs_with_lists_spread_and_nothing_left_out():
    assert form_pairs({"a": 1, "b": [2, None, 3], "c": None}) == [("a", 1), ("b", 2), ("b", 3)]
    assert form_pairs([("a", 1), ["a", (2, 3)]]) == [("a", 1), ("a", 2), ("a", 3)]
    assert form_pairs([("a", (2, 3))], repeating=list) == [("a", (2, 3))]
    assert form_pairs(None) == []


@pytest.mark.parametrize("value", [{"a": 1}, [1], object(), None, {1}])
def test_a_value_without_text_of_its_own_is_a_type_error(value):
    with pytest.raises(TypeError):
        form_value(value)
