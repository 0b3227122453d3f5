"""Hosts: one spelling for each, and a refusal where two readers might disagree."""

from __future__ import annotations

import ipaddress
import random
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperhttp.exceptions import InvalidURL
from hyperhttp.message.host import (
    bracketed,
    is_ip_address,
    is_ipv4_address,
    parse_host,
    parse_opaque_host,
    without_zone,
)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.com", "example.com"),
        ("localhost", "localhost"),
        ("example.com.", "example.com."),
        ("my_service", "my_service"),
        ("_dmarc.example.com", "_dmarc.example.com"),
        ("r3---sn-x.example.com", "r3---sn-x.example.com"),
        ("-a.example.com", "-a.example.com"),
        ("1.example", "1.example"),
        ("1and1.com", "1and1.com"),
        ("0x7f.example", "0x7f.example"),
        ("a" * 63 + ".com", "a" * 63 + ".com"),
        (".".join(["a" * 49] * 5), ".".join(["a" * 49] * 5)),
    ],
)
def test_names(text, host):
    assert parse_host(text) == host


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("faß.de", "xn--fa-hia.de"),  # IDNA 2003 made this fass.de
        ("βόλος.com", "xn--nxasmm1c.com"),  # the final sigma stays one
        ("例え.テスト", "xn--r8jz45g.xn--zckzah"),
        ("例え。テスト", "xn--r8jz45g.xn--zckzah"),
        ("ｅｘａｍｐｌｅ.com", "example.com"),
        ("b%C3%BCcher.example", "xn--bcher-kva.example"),
        ("bu\u0308cher.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.bücher.example", "xn--bcher-kva.xn--bcher-kva.example"),
    ],
)
def test_internationalised_names_become_alabels(text, host):
    assert parse_host(text) == host


@pytest.mark.parametrize("host", ["xn--bcher-kva.example", "XN--BCHER-KVA.example", "xn--i-7iq.ws", "xn--fa-hia.de"])
def test_sound_alabels_are_kept(host):
    assert parse_host(host) == host.lower()


@pytest.mark.parametrize(
    "label",
    [
        "xn--",
        "xn--example-",  # CVE-2026-39821: another name for "example" to some
        "xn--a-",
        "xn--localhost-",
        "xn--a",  # a control character
        "xn--bcher-kva-",
        "xn--99999999",
        "xn--BCHER-KVB\u00e9",
        "xn--a-ecp",
        "xn--ab-1u3n",  # a full-width solidus
        "xn--dca",  # a capital letter
        "xn--ab-l13a",  # a blank
    ],
)
def test_alabels_that_encode_nothing_are_refused(label):
    for host in (label, f"{label}.example", f"www.{label}"):
        with pytest.raises(InvalidURL):
            parse_host(host)


@pytest.mark.parametrize(
    "text",
    [
        "a／b.example",  # full-width solidus
        "a＠b.example",
        "a：80",
        "a＃b.example",
        "a？b.example",
        "a＼b.example",
        "℀.example",  # "a/c" under NFKC (CVE-2019-9636)
        "℆.example",
        "example.com⒈",
        "a\u2024b\u2048c",
        "☃.example",
        "\u200d.example",
        "a..é",
        "é" * 64 + ".example",
        "a_é.example",
        "\u0300a.example",
        "é\u0085.example",
        "é .example",
        "é%2Fb.example",
    ],
)
def test_text_that_turns_into_something_else_is_refused(text):
    with pytest.raises(InvalidURL):
        parse_host(text)


@pytest.mark.parametrize("text", ["1２7.0.0.1", "１２７.0.0.1", "127。0。0。1", "①27.0.0.1", "٣.٣.٣.٣", "0x７f.1"])
def test_other_scripts_do_not_make_addresses(text):
    with pytest.raises(InvalidURL):
        parse_host(text)


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0", "255.255.255.255", "1.20.30.249"])
def test_ipv4_addresses(address):
    assert parse_host(address) == address
    assert is_ipv4_address(address)
    assert is_ip_address(address)


@pytest.mark.parametrize(
    "text",
    [
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0X7F.0.0.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.01",
        "127.0.0.1.",
        "256.0.0.1",
        "1.2.3.4.5",
        "1.2.3.",
        "0",
        "0x",
        "example.0x",
        "example.1",
        "example.09",
        "1.2.3.4.0x5.",
        "-1.2.3.4",
        "999999999999999999999999",
    ],
)
def test_numeric_hosts_are_addresses_or_nothing(text):
    with pytest.raises(InvalidURL, match="four decimal numbers"):
        parse_host(text)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("[::1]", "::1"),
        ("[::]", "::"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("[2001:DB8::00A]", "2001:db8::a"),
        ("[2001:db8:0:0:1:0:0:1]", "2001:db8::1:0:0:1"),
        ("[2001:db8:0:1:1:1:1:1]", "2001:db8:0:1:1:1:1:1"),
        ("[0:0:1:0:0:0:0:0]", "0:0:1::"),
        ("[10:0:0:2:3:4:5:6]", "10::2:3:4:5:6"),
        ("[1:2:3:4:5:6:7:8]", "1:2:3:4:5:6:7:8"),
        ("[::ffff:127.0.0.1]", "::ffff:7f00:1"),
        ("[fe80::1%25eth0]", "fe80::1%eth0"),
        ("[fe80::1%eth0]", "fe80::1%eth0"),
        ("[FE80::1%25En_0.1~-]", "fe80::1%En_0.1~-"),
        ("[fe80::1%2525]", "fe80::1%25"),
    ],
)
def test_ipv6_addresses(text, host):
    assert parse_host(text) == host
    assert parse_opaque_host(text) == host
    assert is_ip_address(host)
    assert not is_ipv4_address(host)
    assert parse_host(bracketed(host)) == host


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "]",
        "[]",
        "[::1",
        "::1]",
        "[::1]]",
        "[[::1]]",
        "[::1]a",
        "a[::1]",
        "[1]",
        "[1:2]",
        "[:::]",
        "[::1::2]",
        "[12345::]",
        "[g::]",
        "[::1.2.3]",
        "[::1.2.3.256]",
        "[::01.2.3.4]",
        "[1.2.3.4]",
        "[v1.fe80]",
        "[example.com]",
        "[::1/64]",
        "[ ::1]",
        "[::1 ]",
        "[::１]",
        "[fe80::1%]",
        "[fe80::1%25]",
        "[fe80::1%25a/b]",
        "[fe80::1%25a%41]",
        "[fe80::1%é]",
        "[fe80::1%a b]",
        "[%25eth0]",
        "[" + "0" * 2000 + "::1]",
        "[" + ":" * 2000 + "]",
    ],
)
def test_malformed_brackets_are_refused(text):
    with pytest.raises(InvalidURL):
        parse_host(text)
    with pytest.raises(InvalidURL):
        parse_opaque_host(text)


@pytest.mark.parametrize("character", [*map(chr, range(33)), *"\x7f!\"#$%&'()*+,/:;<=>?@[\\]^`{|}~"])
@pytest.mark.parametrize("place", ["{}", "a{}", "{}a", "a{}b.example"])
def test_other_characters_are_refused(character, place):
    with pytest.raises(InvalidURL):
        parse_host(place.format(character))


@pytest.mark.parametrize(
    "text",
    [
        "ex%61mple.com",
        "example%2Ecom",
        "a%2fb",
        "a%00b",
        "%",
        "a%",
        "a%g0",
        "é%41",
        "%ff.example",
        "%C3.example",
    ],
)
def test_percent_encoding_in_names_is_for_text_outside_ascii(text):
    with pytest.raises(InvalidURL, match="percent-encoding"):
        parse_host(text)


@pytest.mark.parametrize(
    "text", ["", ".", "..", ".a", "a..b", "a...", "a" * 64, "a." * 127 + "aa", "a" * 100_000, "é" * 100_000]
)
def test_names_are_as_long_as_dns_allows(text):
    with pytest.raises(InvalidURL) as info:
        parse_host(text)
    assert len(str(info.value)) < 300


@pytest.mark.parametrize(
    ("host", "shown", "outside"),
    [
        ("example.com", "example.com", "example.com"),
        ("::1", "[::1]", "::1"),
        ("fe80::1%eth0", "[fe80::1%25eth0]", "fe80::1"),
        ("", "", ""),
        ("a%41b", "a%41b", "a%41b"),
    ],
)
def test_hosts_in_urls_and_on_the_wire(host, shown, outside):
    assert bracketed(host) == shown
    assert without_zone(host) == outside


@pytest.mark.parametrize("host", ["example.com", "1.2.3.4.example", "127.0.0.1.", "0x7f.1", "", "127.0.0.1\n"])
def test_names_are_not_addresses(host):
    assert not is_ip_address(host)


@pytest.mark.parametrize("text", ["", "ABC", "a%2Fb", "a!$&'()*+,;=b", "%2Fvar%2Frun%2Fdocker.sock"])
def test_hosts_of_other_schemes_are_kept(text):
    assert parse_opaque_host(text) == text


@pytest.mark.parametrize("text", ["a b", "a/b", "a:b", "a@b", "é", "a%zz", "a\\b", "a|b", "a\nb", "a\n"])
def test_hosts_of_other_schemes_follow_the_grammar(text):
    with pytest.raises(InvalidURL):
        parse_opaque_host(text)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**128 - 1), st.integers(0, 2**128 - 1))
def test_ipv6_text_means_the_address_it_came_from(value, mask):
    address = ipaddress.IPv6Address(value & mask)  # masks make runs of zeros
    host = parse_host(f"[{address.exploded}]")
    assert ipaddress.IPv6Address(host) == address
    assert parse_host(f"[{host}]") == host
    assert host == host.lower()
    assert len(host) <= len(str(address)) or "." in str(address)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=12))
def test_any_host_is_refused_or_safe_and_stable(text):
    try:
        host = parse_host(text)
    except InvalidURL:
        return
    assert host.isascii()
    assert set(host) <= set(string.ascii_lowercase + string.digits + "-._:" + (string.ascii_letters + "%~"))
    assert parse_host(bracketed(host)) == host


def test_hostile_lengths_take_no_noticeable_time():
    """Each of these finishes at once, or this test runs into its time limit."""
    digits = random.Random(5)
    for _ in range(2000):
        for text in (
            "1" * 1000,
            "0x" + "f" * 1000,
            "xn--" + digits.choice("abc") * 900,
            "é%C3" * 200,
            "a-" * 500,
        ):
            with pytest.raises(InvalidURL):
                parse_host(text)
