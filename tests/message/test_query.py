"""Names and values of a query, encoded as HTML forms are, and read back."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import urllib.parse
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperhttp.exceptions import InvalidURL
from hyperhttp.message.query import (
    encode_params,
    encode_query,
    parse_params,
    percent_decode,
    percent_encode,
    redact_query,
)

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("params", "query"),
    [
        ({}, ""),
        ([], ""),
        ("", ""),
        ({"a": "1", "b": "2"}, "a=1&b=2"),
        ([("a", "1"), ("a", "2")], "a=1&a=2"),
        ((("a", "1"), ["b", "2"]), "a=1&b=2"),
        (iter([("a", "1")]), "a=1"),
        ({"a": ["1", "2"], "b": ("3",), "c": []}, "a=1&a=2&b=3"),
        ({"a": None, "b": ["1", None, "2"]}, "b=1&b=2"),
        ({"a": True, "b": False}, "a=true&b=false"),
        ({"a": 1, "b": -2.5, "c": 0, "d": 1e20}, "a=1&b=-2.5&c=0&d=1e%2B20"),
        ({"a": Colour.RED, "b": Level.HIGH}, "a=red&b=3"),
        ({"a": b"caf\xc3\xa9", b"b": "x"}, "a=caf%C3%A9&b=x"),
        ({1: "x", 2.5: "y"}, "1=x&2.5=y"),
        ({"a": ""}, "a="),
        ({"": "x"}, "=x"),
    ],
)
def test_parameters_become_a_query(params, query):
    assert encode_params(params) == query


@pytest.mark.parametrize(
    ("value", "encoded"),
    [
        ("a b", "a+b"),
        ("a+b", "a%2Bb"),
        ("a&b=c", "a%26b%3Dc"),
        ("100%", "100%25"),
        ("%20", "%2520"),  # a parameter is plain text: what looks encoded is data
        ("é", "%C3%A9"),
        ("日本", "%E6%97%A5%E6%9C%AC"),
        ("😀", "%F0%9F%98%80"),
        ("a/b?c#d", "a%2Fb%3Fc%23d"),
        ("-._~", "-._~"),
        ("*!'()", "%2A%21%27%28%29"),
        ("a\r\nb", "a%0D%0Ab"),
        ("a\x00", "a%00"),
        ("[x]", "%5Bx%5D"),
        ("a;b,c:d@e$", "a%3Bb%2Cc%3Ad%40e%24"),
        ('"<>\\^`{|}', "%22%3C%3E%5C%5E%60%7B%7C%7D"),
    ],
)
def test_names_and_values_are_encoded_as_forms_are(value, encoded):
    assert encode_params({"k": value}) == f"k={encoded}"
    assert encode_params({value: "v"}) == f"{encoded}=v"


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("a=1&b=2", "a=1&b=2"),
        ("?a=1", "a=1"),
        ("a=%20+x", "a=%20+x"),
        ("a=b c", "a=b%20c"),
        ("a=1#b", "a=1%23b"),
        ("a=é", "a=%C3%A9"),
    ],
)
def test_a_string_is_a_query_already(text, query):
    assert encode_params(text) == query


@pytest.mark.parametrize(
    "value",
    [
        {"x": 1},
        {1, 2},
        object(),
        1j,
        [[1]],
        bytearray(b"a"),
        uuid.UUID(int=1),
        decimal.Decimal(1),
        dt.date(2026, 1, 1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_without_an_obvious_text_are_refused_by_name(value):
    with pytest.raises(TypeError, match=r"'when' cannot be of type \w+; convert it with str"):
        encode_params({"when": value})


@pytest.mark.parametrize("params", [{None: "x"}, {("a",): "x"}])
def test_names_without_an_obvious_text_are_refused(params):
    with pytest.raises(TypeError, match="cannot be of type"):
        encode_params(params)


@pytest.mark.parametrize("params", [["ab"], [("a",)], [("a", "b", "c")], [5], b"a=1"])
def test_what_is_not_pairs_is_refused(params):
    with pytest.raises(TypeError, match="pairs of name and value"):
        encode_params(params)


@pytest.mark.parametrize("params", [{"k": "\ud800"}, {"\ud800": "v"}, {"k": b"\xff"}, "k=\ud800"])
def test_text_without_an_encoding_is_refused(params):
    with pytest.raises(InvalidURL, match="cannot be encoded"):
        encode_params(params)


@pytest.mark.parametrize(
    ("query", "params"),
    [
        ("", []),
        ("a=1&b=2&a=3", [("a", "1"), ("b", "2"), ("a", "3")]),
        ("a=b+c%2B&d", [("a", "b c+"), ("d", "")]),
        ("a=1=2&&=x&", [("a", "1=2"), ("", "x")]),
        ("a=%zz%C3%A9%ff", [("a", "%zzé\ufffd")]),
        ("a;b=1", [("a;b", "1")]),
    ],
)
def test_queries_are_read_as_forms_are(query, params):
    assert parse_params(query) == params


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("a=1&b=2", "a=1&b=2"),
        ("access_token=abc&a=1", "access_token=[secret]&a=1"),
        ("X-Amz-Signature=abc&X-Amz-Date=1", "X-Amz-Signature=[secret]&X-Amz-Date=1"),
        (
            "X-Amz-Credential=abc&X-Amz-Security-Token=x",
            "X-Amz-Credential=[secret]&X-Amz-Security-Token=[secret]",
        ),
        ("sig=abc&signal=1", "sig=[secret]&signal=1"),
        ("API_KEY=abc&apikey=x&password=y", "API_KEY=[secret]&apikey=[secret]&password=[secret]"),
        ("client_secret=a=b", "client_secret=[secret]"),
        ("token&token=", "token&token="),
    ],
)
def test_secrets_of_a_query_are_hidden_in_logs(query, shown):
    assert redact_query(query) == shown


@pytest.mark.parametrize(
    ("text", "encoded"), [("a b", "a%20b"), ("a:@/b", "a%3A%40%2Fb"), ("%41", "%2541"), ("-._~", "-._~")]
)
def test_percent_encode_leaves_the_unreserved_only(text, encoded):
    assert percent_encode(text) == encoded
    assert percent_decode(encoded) == text


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(texts, texts.filter(bool)), max_size=5))
def test_what_is_encoded_is_read_back(params):
    query = encode_params(params)
    assert parse_params(query) == params
    assert urllib.parse.parse_qsl(query, keep_blank_values=True) == params
    assert query == urllib.parse.urlencode(params)
    assert encode_query(query) == query


@settings(max_examples=200, deadline=None)
@given(texts)
def test_encoding_twice_is_encoding_once(text):
    once = encode_query(text)
    assert encode_query(once) == once
    assert once.isascii()
