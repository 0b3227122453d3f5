from __future__ import annotations

import pytest

from hyperhttp.protocol import events
from hyperhttp.protocol.events import INTERESTING, ResponseHead


def test_each_interesting_field_has_a_bit_of_its_own():
    bits = sorted(set(INTERESTING.values()))
    assert bits == [1 << position for position in range(len(bits))]


def test_only_the_two_challenges_share_a_bit():
    shared = [name for name, bit in INTERESTING.items() if list(INTERESTING.values()).count(bit) > 1]
    assert shared == [b"www-authenticate", b"proxy-authenticate"]


def test_the_bits_fit_into_the_sixteen_that_http2_leaves_them():
    assert max(INTERESTING.values()) < 1 << 16


def test_the_numbers_of_the_bits_are_fixed():
    assert {name.decode(): bit for name, bit in INTERESTING.items()} == {
        "content-length": 1,
        "transfer-encoding": 2,
        "connection": 4,
        "content-encoding": 8,
        "set-cookie": 16,
        "upgrade": 32,
        "location": 64,
        "trailer": 128,
        "www-authenticate": 256,
        "proxy-authenticate": 256,
        "retry-after": 512,
        "alt-svc": 1024,
        "keep-alive": 2048,
    }


@pytest.mark.parametrize("name", sorted(INTERESTING))
def test_a_constant_is_named_after_its_field(name):
    constant = name.decode().removeprefix("www-").removeprefix("proxy-").replace("-", "_").upper()
    assert getattr(events, constant) == INTERESTING[name]


@pytest.mark.parametrize("name", sorted(INTERESTING))
def test_names_are_in_lower_case(name):
    assert name == name.lower()


def head(fields):
    return ResponseHead("HTTP/1.1", 200, "OK", fields, 0)


def test_values_come_in_their_order_whatever_the_case_of_their_name():
    fields = [(b"Set-Cookie", b"a=1"), (b"X", b"y"), (b"SET-COOKIE", b"b=2", 16, None)]
    assert head(fields).values(b"set-cookie") == [b"a=1", b"b=2"]


def test_a_field_that_is_not_there_has_no_values():
    assert head([(b"X", b"y")]).values(b"xy") == []


def test_a_head_that_says_nothing_about_framing_persists_without_length():
    plain = head([])
    assert (plain.content_length, plain.chunked, plain.keep_alive) == (None, False, True)


def test_the_representation_holds_no_value():
    assert repr(head([(b"Set-Cookie", b"secret")])) == "<ResponseHead HTTP/1.1 200 'OK' 1 fields>"


def test_a_head_takes_no_other_attributes():
    with pytest.raises(AttributeError):
        head([]).colour = "red"
