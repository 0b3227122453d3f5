"""Addresses, their order, and the race between them."""

from __future__ import annotations

import socket

import pytest

from hyperhttp.exceptions import ConnectError
from hyperhttp.network.addresses import (
    MAX_ADDRESSES,
    Address,
    IPNetwork,
    Race,
    canonical_ip,
    ip_number,
    looks_numeric,
    order_addresses,
    parse_ip_literal,
)

V4 = socket.AF_INET
V6 = socket.AF_INET6


def four(last: int) -> Address:
    return Address(V4, f"192.0.2.{last}", 443)


def six(last: int) -> Address:
    return Address(V6, f"2001:db8::{last}", 443)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("192.0.2.1", Address(V4, "192.0.2.1", 80)),
        ("::1", Address(V6, "::1", 80)),
        ("[2001:db8::1]", Address(V6, "2001:db8::1", 80)),
        ("::ffff:192.0.2.1", Address(V6, "::ffff:192.0.2.1", 80)),
        ("fe80::1%7", Address(V6, "fe80::1", 80, 7)),
        ("[fe80::1%25]", Address(V6, "fe80::1", 80, 25)),
    ],
)
def test_an_ip_literal_is_an_address(host: str, expected: Address) -> None:
    assert parse_ip_literal(host, 80) == expected


@pytest.mark.parametrize(
    "host",
    [
        "example.com",
        "localhost",
        "",
        "1",
        "1.2.3",
        "1.2.3.4.5",
        "256.1.1.1",
        "0177.0.0.1",
        "0x7f.0.0.1",
        "127.1",
        "2130706433",
        "192.0.2.1%eth0",
        "1.2.3.4 ",
        "::1::",
        ":::",
        "12345::",
        "fe80::1/64",
        "١.2.3.4",
        "::1\0",
    ],
)
def test_what_is_not_strictly_an_address_is_no_ip_literal(host: str) -> None:
    assert parse_ip_literal(host) is None


def test_a_zone_by_name_becomes_the_index_of_the_interface() -> None:
    index, name = socket.if_nameindex()[0]
    assert parse_ip_literal(f"fe80::1%{name}", 80) == Address(V6, "fe80::1", 80, index)


def test_an_unknown_zone_is_an_error_that_names_it() -> None:
    with pytest.raises(ConnectError, match="no network interface 'nowhere0'") as caught:
        parse_ip_literal("fe80::1%nowhere0", 80)
    assert caught.value.host == "fe80::1%nowhere0"
    assert caught.value.phase == "connect"


def test_a_socket_takes_the_sockaddr_of_each_family() -> None:
    assert Address(V4, "127.0.0.1", 80).sockaddr == ("127.0.0.1", 80)
    assert Address(V6, "fe80::1", 80, 3).sockaddr == ("fe80::1", 80, 0, 3)


@pytest.mark.parametrize(
    ("host", "numeric"),
    [
        ("2130706433", True),
        ("0x7f.1", True),
        ("127.1", True),
        ("1.2.3.4", True),
        ("foo.0x", True),
        ("foo.09.", True),
        ("example.com", False),
        ("1.example", False),
        ("0x7g", False),
        ("deadbeef", False),
        ("", False),
    ],
)
def test_a_host_that_ends_in_a_number_is_no_name(host: str, numeric: bool) -> None:
    assert looks_numeric(host) is numeric


# -- networks -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("10.1.2.3/8", "10.0.0.0/8"),
        ("10.1.2.3", "10.1.2.3/32"),
        ("10.0.0.0/255.0.0.0", "10.0.0.0/8"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("fd00::1/8", "fd00::/8"),
        ("::1", "::1/128"),
        ("::/0", "::/0"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::ffff:10.1.2.3", "10.1.2.3/32"),
    ],
)
def test_a_network_is_parsed_and_shown_in_its_shortest_form(text: str, expected: str) -> None:
    network = IPNetwork.parse(text)
    assert network is not None
    assert str(network) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/+8",
        "10.0.0.0/٨",
        "10.0.0/8",
        "::/129",
        "corp",
        "10.0.0.0/255.0.255.0",
        "10.0.0.0/ff::",
        "fd00::/255.0.0.0",
        "10.0.0.0/8/8",
        "fe80::1%eth0",
        "10.0.0.0/0008",
    ],
)
def test_what_is_no_network_is_refused(text: str) -> None:
    assert IPNetwork.parse(text) is None


@pytest.mark.parametrize(
    ("network", "address", "inside"),
    [
        ("10.0.0.0/8", "10.255.255.255", True),
        ("10.0.0.0/8", "11.0.0.0", False),
        ("10.0.0.0/8", "::ffff:10.0.0.1", True),
        ("10.0.0.0/8", "::a00:1", False),
        ("0.0.0.0/0", "203.0.113.9", True),
        ("0.0.0.0/0", "::1", False),
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.6", False),
        ("2001:db8::/32", "2001:db8:ffff::1", True),
        ("2001:db8::/32", "2001:db9::", False),
    ],
)
def test_a_network_contains_its_addresses_and_no_others(network: str, address: str, inside: bool) -> None:
    parsed, number = IPNetwork.parse(network), canonical_ip(address)
    assert parsed is not None
    assert number is not None
    assert parsed.contains(*number) is inside


def test_only_the_canonical_form_turns_mapped_addresses_into_ipv4() -> None:
    assert ip_number("::ffff:10.0.0.1") == (6, 0xFFFF0A000001)
    assert canonical_ip("::ffff:10.0.0.1") == (4, 0x0A000001)
    assert canonical_ip("2001:db8::1") == ip_number("2001:db8::1")
    assert canonical_ip("corp") is None


# -- order (RFC 8305 section 4) -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "prefer", "expected"),
    [
        ([], V6, []),
        ([four(1)], V6, [four(1)]),
        ([four(1), four(2), six(1), six(2)], V6, [six(1), four(1), six(2), four(2)]),
        ([six(1), six(2), six(3), four(1)], V6, [six(1), four(1), six(2), six(3)]),
        ([six(1), four(1), four(2), four(3)], V6, [six(1), four(1), four(2), four(3)]),
        ([six(1), six(2), four(1)], V4, [four(1), six(1), six(2)]),
        ([four(1), six(1), four(2)], None, [four(1), six(1), four(2)]),
        ([six(1), four(1)], None, [six(1), four(1)]),
        ([], None, []),
        ([six(1), six(1), four(1), four(1)], V6, [six(1), four(1)]),
    ],
)
def test_the_families_take_turns(found: list[Address], prefer: int | None, expected: list[Address]) -> None:
    assert order_addresses(found, prefer) == expected


def test_a_name_server_does_not_choose_how_many_addresses_are_tried() -> None:
    order = order_addresses([six(n) for n in range(500)] + [four(1)])
    assert len(order) == MAX_ADDRESSES
    assert order[:2] == [six(0), four(1)]


# -- race (RFC 8305 section 5) ------------------------------------------------------------------


def test_attempts_start_one_delay_apart() -> None:
    race = Race(3, 0.25)
    race.start(10.0)
    assert race.next_start == 10.0
    assert race.due(10.0) == [0]
    assert race.next_start == 10.25
    assert race.due(10.2) == []
    assert race.due(10.25) == [1]
    assert race.due(10.5) == [2]
    assert race.next_start is None
    assert race.due(99.0) == []


def test_nothing_is_due_before_the_race_has_started() -> None:
    assert Race(2).due(1e9) == []


def test_a_failure_brings_the_next_attempt_forward() -> None:
    race = Race(3, 0.25)
    race.start(0.0)
    assert race.due(0.0) == [0]
    race.failed(0, 0.01)
    assert race.next_start == 0.01
    assert race.due(0.01) == [1]
    assert race.next_start == pytest.approx(0.26)


def test_the_failure_of_an_earlier_attempt_counts_as_well() -> None:
    race = Race(3, 0.25)
    race.start(0.0)
    race.due(0.0)
    race.due(0.25)
    race.failed(0, 0.3)
    assert race.due(0.3) == [2]
    assert race.pending == [1, 2]


def test_a_failure_never_postpones_what_is_overdue() -> None:
    race = Race(2, 0.25)
    race.start(0.0)
    race.due(0.0)
    race.failed(0, 5.0)
    assert race.next_start == 0.25


def test_without_a_delay_all_attempts_start_at_once() -> None:
    race = Race(4, 0)
    race.start(1.0)
    assert race.due(1.0) == [0, 1, 2, 3]
    assert race.next_start is None


def test_a_runner_that_comes_late_does_not_start_several_at_once() -> None:
    race = Race(5, 0.25)
    race.start(0.0)
    assert race.due(3.0) == [0]
    assert race.next_start == 3.25


def test_a_race_is_lost_when_every_attempt_has_failed() -> None:
    race = Race(2, 0.25)
    race.start(0.0)
    race.due(0.0)
    race.failed(0, 0.1)
    assert not race.is_lost
    race.due(0.1)
    assert not race.is_lost
    race.failed(1, 0.2)
    assert race.is_lost
    assert race.pending == []


def test_a_race_without_addresses_is_lost_from_the_beginning() -> None:
    race = Race(0, 0.25)
    race.start(0.0)
    assert race.due(0.0) == []
    assert race.is_lost


@pytest.mark.parametrize("delay", [-0.1, float("nan")])
def test_a_negative_delay_is_refused(delay: float) -> None:
    with pytest.raises(ValueError, match="must not be negative"):
        Race(2, delay)
