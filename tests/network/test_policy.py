"""Which addresses may be connected to."""

from __future__ import annotations

import ipaddress
import pickle
import socket

import pytest

from hyperhttp.exceptions import AddressNotAllowed, ConnectError
from hyperhttp.network.addresses import Address
from hyperhttp.network.policy import AddressPolicy

PUBLIC = AddressPolicy.public_only()


@pytest.mark.parametrize(
    "address",
    [
        "1.1.1.1",
        "93.184.215.14",
        "172.15.255.255",
        "172.32.0.1",
        "100.63.255.255",
        "100.128.0.0",
        "192.0.1.1",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450::1",
        "::ffff:1.1.1.1",
        "64:ff9b::1.1.1.1",
        "2001:4860:4860::8888",
        "3ffe::1",
    ],
)
def test_public_only_lets_public_addresses_pass(address: str) -> None:
    PUBLIC.check(address)
    assert PUBLIC.refusal(address) is None


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("127.0.0.1", "loopback"),
        ("127.255.255.254", "loopback"),
        ("::1", "loopback"),
        ("10.0.0.1", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("192.168.1.1", "private"),
        ("fc00::1", "private"),
        ("fdff::1", "private"),
        ("fec0::1", "private"),
        ("100.64.0.0", "carrier-grade NAT"),
        ("100.127.255.255", "carrier-grade NAT"),
        ("169.254.0.1", "link-local"),
        ("fe80::1", "link-local"),
        ("fe80::1%1", "link-local"),
        ("febf::1", "link-local"),
        ("169.254.169.254", "cloud metadata"),
        ("169.254.170.2", "cloud metadata"),
        ("fd00:ec2::254", "cloud metadata"),
        ("100.100.100.200", "cloud metadata"),
        ("168.63.129.16", "cloud metadata"),
        ("192.0.0.192", "cloud metadata"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.255", "multicast"),
        ("ff02::1", "multicast"),
        ("0.0.0.0", "unspecified"),
        ("0.1.2.3", "unspecified"),
        ("::", "unspecified"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("192.0.0.8", "reserved"),
        ("4000::1", "reserved"),
        ("100::1", "reserved"),
        ("5f00::1", "reserved"),
        ("2001:10::1", "reserved"),
        ("192.0.2.1", "documentation"),
        ("198.51.100.1", "documentation"),
        ("203.0.113.1", "documentation"),
        ("2001:db8::1", "documentation"),
        ("3fff::1", "documentation"),
        ("198.18.0.1", "benchmarking"),
        ("198.19.255.255", "benchmarking"),
        ("2001:2::1", "benchmarking"),
        ("::ffff:127.0.0.1", "loopback"),
        ("::ffff:7f00:1", "loopback"),
        ("::ffff:169.254.169.254", "cloud metadata"),
        ("2002:7f00:1::", "6to4"),
        ("2002:808:808::1", "6to4"),
        ("192.88.99.1", "6to4"),
        ("2001:0:1::1", "Teredo"),
        ("64:ff9b::10.0.0.1", "private, as an IPv4 address within IPv6"),
        ("64:ff9b::169.254.169.254", "cloud metadata, as an IPv4 address within IPv6"),
        ("64:ff9b:1::1.1.1.1", "local NAT64"),
        ("::10.0.0.1", "private, as an IPv4 address within IPv6"),
        ("::1.1.1.1", "reserved"),
        ("::ffff:0:127.0.0.1", "loopback, as an IPv4 address within IPv6"),
        ("2606:4700::5efe:10.0.0.1", "private, as an IPv4 address within IPv6"),
        ("2606:4700::200:5efe:127.0.0.1", "loopback, as an IPv4 address within IPv6"),
        ("example.com", "not an IP address"),
        ("2130706433", "not an IP address"),
        ("127.1", "not an IP address"),
    ],
)
def test_public_only_refuses_and_says_why(address: str, reason: str) -> None:
    assert PUBLIC.refusal(address) == reason
    with pytest.raises(AddressNotAllowed):
        PUBLIC.check(address)


@pytest.mark.parametrize(
    "address",
    [
        "10.1.2.3",
        "::ffff:10.1.2.3",
        "64:ff9b::10.1.2.3",
        "64:ff9b:1::10.1.2.3",
        "64:ff9b:1:a01:2:300::",
        "2002:a01:203::1",
        "::10.1.2.3",
        "2001:0:a01:203::1",
        "2001:0:101:101:0:0:f5fe:fdfc",
        "2606:4700::5efe:10.1.2.3",
        "::ffff:0:10.1.2.3",
    ],
)
def test_a_denied_network_is_denied_in_every_form(address: str) -> None:
    policy = AddressPolicy(deny=["10.0.0.0/8"])
    assert policy.refusal(address) == "denied"


def test_denying_some_lets_the_others_pass() -> None:
    policy = AddressPolicy(deny=["10.0.0.0/8"])
    assert policy.refusal("127.0.0.1") is None
    assert policy.refusal("::1") is None


def test_an_allow_list_alone_refuses_everything_else() -> None:
    policy = AddressPolicy(allow=["127.0.0.0/8", "::1"])
    assert policy.refusal("127.0.0.1") is None
    assert policy.refusal("::1") is None
    assert policy.refusal("::ffff:127.0.0.1") is None
    assert policy.refusal("64:ff9b::127.0.0.1") is None
    assert policy.refusal("1.1.1.1") == "not in the allowed networks"
    assert policy.refusal("::127.0.0.1") == "not in the allowed networks"


def test_an_empty_allow_list_allows_nothing() -> None:
    assert AddressPolicy(allow=[]).refusal("1.1.1.1") == "not in the allowed networks"


def test_allowed_networks_extend_the_public_ones() -> None:
    policy = AddressPolicy.public_only(allow=["10.1.0.0/16"])
    assert policy.refusal("10.1.2.3") is None
    assert policy.refusal("10.2.2.3") == "private"
    assert policy.refusal("1.1.1.1") is None


def test_deny_goes_before_allow() -> None:
    policy = AddressPolicy.public_only(allow=["10.0.0.0/8"], deny=["10.0.0.1", "1.1.1.0/24"])
    assert policy.refusal("10.0.0.1") == "denied"
    assert policy.refusal("1.1.1.1") == "denied"
    assert policy.refusal("10.0.0.2") is None


def test_a_policy_without_rules_lets_everything_pass() -> None:
    assert AddressPolicy().refusal("169.254.169.254") is None


def test_the_error_names_host_address_and_reason() -> None:
    address = Address(socket.AF_INET, "10.0.0.5", 443)
    with pytest.raises(AddressNotAllowed) as caught:
        PUBLIC.check(address, "intern.example")
    assert isinstance(caught.value, ConnectError)
    assert str(caught.value) == (
        "the address policy does not allow a connection to 10.0.0.5 (private), the address of intern.example:443"
    )
    assert (caught.value.host, caught.value.port, caught.value.phase) == ("intern.example", 443, "connect")


def test_the_error_for_a_bare_address_does_not_repeat_it() -> None:
    with pytest.raises(AddressNotAllowed, match=r"connection to 127\.0\.0\.1 \(loopback\)$") as caught:
        PUBLIC.check("127.0.0.1", "127.0.0.1")
    assert caught.value.host == "127.0.0.1"


def test_only_permitted_addresses_remain() -> None:
    fine = Address(socket.AF_INET, "1.1.1.1", 443)
    rebound = Address(socket.AF_INET, "127.0.0.1", 443)
    assert PUBLIC.permitted([rebound, fine], "example.com") == [fine]


def test_no_permitted_address_is_an_error_that_lists_them() -> None:
    refused = [Address(socket.AF_INET, f"10.0.0.{n}", 443) for n in range(6)]
    with pytest.raises(
        AddressNotAllowed, match=r"10\.0\.0\.0 \(private\), .*10\.0\.0\.3 \(private\), \.\.\."
    ) as caught:
        PUBLIC.permitted(refused, "example.com")
    assert "10.0.0.4" not in str(caught.value)


def test_no_address_at_all_is_not_the_policys_business() -> None:
    assert PUBLIC.permitted([]) == []


def test_one_string_and_objects_of_ipaddress_are_understood() -> None:
    assert AddressPolicy(deny="10.0.0.0/8") == AddressPolicy(deny=[ipaddress.ip_network("10.0.0.0/8")])


@pytest.mark.parametrize("entry", ["intern.example", "10.0.0.0/99", "", "10"])
def test_an_entry_that_is_no_network_is_refused(entry: str) -> None:
    with pytest.raises(ValueError, match="not an IP address or network"):
        AddressPolicy(deny=[entry])


def test_a_policy_is_a_value() -> None:
    policy = AddressPolicy.public_only(allow=["10.1.0.0/16"], deny=["::1"])
    assert pickle.loads(pickle.dumps(policy)) == policy
    assert hash(policy) == hash(AddressPolicy(public=True, allow=["10.1.0.0/16"], deny=["::1"]))
    assert policy != AddressPolicy.public_only()
    assert policy != "policy"
    assert repr(policy) == "AddressPolicy(allow=['10.1.0.0/16'], deny=['::1/128'], public=True)"
    assert repr(AddressPolicy()) == "AddressPolicy()"
    with pytest.raises(AttributeError):
        policy._public = False  # type: ignore[misc]
