"""The grammar of challenges and parameters, whatever a server makes of it."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hyperhttp.auth.challenge import (
    MAX_CHALLENGES,
    MAX_LENGTH,
    MAX_PARAMETERS,
    Challenge,
    parse_challenges,
    parse_parameters,
)


def parsed(*values: str) -> list[tuple[Any, ...]]:
    """Scheme, token68 and parameters of each challenge, short to write down."""
    return [
        (each.scheme, each.token68) if each.token68 is not None else (each.scheme, dict(each.params))
        for each in parse_challenges(values)
    ]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('Basic realm="simple"', [("basic", {"realm": "simple"})]),
        ("BASIC REALM=simple", [("basic", {"realm": "simple"})]),
        ('Basic realm = "blanks"\t, charset\t=\tUTF-8', [("basic", {"realm": "blanks", "charset": "UTF-8"})]),
        ("Negotiate", [("negotiate", {})]),
        ("Negotiate YII/abc+d~._-==", [("negotiate", "YII/abc+d~._-==")]),
        ("NTLM TlRMTVNTUAAB", [("ntlm", "TlRMTVNTUAAB")]),
        ("Scheme a=", [("scheme", "a=")]),
        ("Scheme a=b", [("scheme", {"a": "b"})]),
        ('Scheme a=""', [("scheme", {"a": ""})]),
        ("Scheme   a=b", [("scheme", {"a": "b"})]),
        ("Scheme\ta=b", [("scheme", {"a": "b"})]),
        ("Scheme , a=b", [("scheme", {"a": "b"})]),
        (",, Scheme a=b,, ,c=d ,", [("scheme", {"a": "b", "c": "d"})]),
        ("", []),
        (" , ,", []),
    ],
)
def test_one_challenge_is_read(value: str, expected: list[Any]) -> None:
    assert parsed(value) == expected


def test_the_example_of_rfc_9110_is_two_challenges() -> None:
    value = 'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""'
    assert parsed(value) == [
        ("basic", {"realm": "simple"}),
        ("newauth", {"realm": "apps", "type": "1", "title": 'Login to "apps"'}),
    ]


@pytest.mark.parametrize(
    "value",
    [
        'Negotiate, NTLM abc=, Digest realm="a, b", nonce=n, Basic',
        'Negotiate , NTLM abc= ,Digest nonce=n,realm="a, b" , Basic ',
    ],
)
def test_several_challenges_share_a_field(value: str) -> None:
    assert parsed(value) == [
        ("negotiate", {}),
        ("ntlm", "abc="),
        ("digest", {"realm": "a, b", "nonce": "n"}),
        ("basic", {}),
    ]


def test_several_fields_are_one_list() -> None:
    assert parsed("Negotiate", 'Basic realm="a"') == [("negotiate", {}), ("basic", {"realm": "a"})]
    assert parsed('Digest realm="a"', "nonce=n, Basic realm=b") == [
        ("digest", {"realm": "a", "nonce": "n"}),
        ("basic", {"realm": "b"}),
    ]


@pytest.mark.parametrize(
    ("quoted", "text"),
    [
        (r'"a\"b"', 'a"b'),
        (r'"a\\"', "a\\"),
        (r'"\a\b"', "ab"),
        ('"a=b, c"', "a=b, c"),
        ('"tab\there"', "tab\there"),
        ('"ünï 日本"', "ünï 日本"),
        ('"\\ü"', "ü"),
    ],
)
def test_quoted_strings_are_unquoted(quoted: str, text: str) -> None:
    assert parsed(f"S a={quoted}, b=c") == [("s", {"a": text, "b": "c"})]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('Digest realm="a" nonce="b", qop=auth', [("digest", {"qop": "auth"})]),
        ('Digest realm="a", nonce=b c, qop=auth', [("digest", {"realm": "a", "qop": "auth"})]),
        ('Digest realm="a", nonce="b"c, qop=auth', [("digest", {"realm": "a", "qop": "auth"})]),
        ('Digest realm="a", nonce=, qop=auth', [("digest", {"realm": "a", "qop": "auth"})]),
        ('Digest realm="a", nonce=b==, qop=auth', [("digest", {"realm": "a", "qop": "auth"})]),
        ('Digest realm="a", nonce="never ends, qop=auth', [("digest", {"realm": "a"})]),
        ('Digest realm="a", nonce="never ends\\', [("digest", {"realm": "a"})]),
        ('Digest realm="a", nonce = "never ends', [("digest", {"realm": "a"})]),
        ('Digest realm="a\x01", nonce="\x7f", x="\\\x00", qop=auth', [("digest", {"qop": "auth"})]),
        ('Digest "text", realm="a"', [("digest", {"realm": "a"})]),
        ("Digest =, realm=a", []),
        ('realm="whose?"', []),
        ("Negotiate abc, realm=a", [("negotiate", "abc")]),
        ("Negotiate a=b=c, Basic realm=a", [("negotiate", {}), ("basic", {"realm": "a"})]),
        ("Näme realm=a, Basic realm=b", [("basic", {"realm": "b"})]),
        ('"Basic", Basic realm=b', [("basic", {"realm": "b"})]),
    ],
)
def test_what_is_malformed_is_left_out(value: str, expected: list[Any]) -> None:
    assert parsed(value) == expected


def test_parameters_of_a_malformed_challenge_go_to_no_other() -> None:
    assert parsed('Digest realm="a", N@me realm="b", nonce="b"') == [("digest", {"realm": "a"})]


def test_commas_in_malformed_quotes_do_not_end_them() -> None:
    assert parsed('Digest realm="a, Basic realm=b"x, nonce=n') == [("digest", {"nonce": "n"})]


def test_the_first_of_several_parameters_with_one_name_counts() -> None:
    assert parsed("Digest nonce=a, NONCE=b") == [("digest", {"nonce": "a"})]


def test_there_are_at_most_so_many_challenges_and_parameters() -> None:
    assert len(parse_challenges(["Basic realm=a, " * 100])) == MAX_CHALLENGES
    [challenge] = parse_challenges(["Digest " + ", ".join(f"p{n}={n}" for n in range(100))])
    assert len(challenge.params) == MAX_PARAMETERS
    assert len(parse_parameters([", ".join(f"p{n}={n}" for n in range(100))])) == MAX_PARAMETERS


def test_a_field_that_is_too_long_is_not_cut_but_left_out() -> None:
    fitting = "Negotiate " + "a" * (MAX_LENGTH - len("Negotiate "))
    assert [len(each.token68 or "") for each in parse_challenges([fitting])] == [MAX_LENGTH - 10]
    assert parsed(fitting + "a") == []
    assert parsed("Basic realm=a", fitting) == [("basic", {"realm": "a"})]


@pytest.mark.parametrize(
    "piece",
    [
        'a="', 'a="x, ', 'a=" ', "a ", '"', "\\", 'a="\\', ",", "a,", "a=b,", "a b ", "a=", "x @", "= ", " ", "\t=", "a\t",
        'a="\x01', "a=b ", '",', '\\",',
    ],
)  # fmt: skip
def test_no_text_takes_more_than_linear_time(piece: str) -> None:
    text = "Digest " + piece * ((MAX_LENGTH - 7) // len(piece))
    started = time.process_time()
    parse_challenges([text])
    parse_parameters([text])
    assert time.process_time() - started < 0.5  # some 20 ms; what is quadratic takes seconds


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (['nextnonce="a b", qop=auth, nc=00000001'], {"nextnonce": "a b", "qop": "auth", "nc": "00000001"}),
        (["NextNonce=a", "nextnonce=b, rspauth=c"], {"nextnonce": "a", "rspauth": "c"}),
        (['a=1, nextnonce="open'], {"a": "1"}),
        (["Digest nextnonce=a, b=c"], {"b": "c"}),
        ([], {}),
    ],
)
def test_parameters_without_a_scheme_are_read(values: list[str], expected: dict[str, str]) -> None:
    assert parse_parameters(values) == expected


def test_a_challenge_is_a_value() -> None:
    assert Challenge("basic", params={"realm": "a"}) == Challenge("basic", None, {"realm": "a"})
    assert Challenge("negotiate", "abc").params == {}
