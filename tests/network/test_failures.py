"""Addresses that failed lately are tried last."""

from __future__ import annotations

import socket

from hyperhttp.network.addresses import Address
from hyperhttp.network.failures import MAX_ADDRESSES, MEMORY, AddressFailures

ADDRESSES = [Address(socket.AF_INET, f"192.0.2.{number}", 80) for number in (1, 2, 3)]


def order(failures: AddressFailures, now: float = 0.0) -> list[str]:
    return [each.host[-1] for each in failures.order(ADDRESSES, now)]


def test_without_failures_the_order_is_the_resolvers() -> None:
    assert AddressFailures().order(ADDRESSES, 0.0) is ADDRESSES


def test_the_latest_failure_is_the_last_to_be_tried() -> None:
    failures = AddressFailures()
    failures.note("192.0.2.1", 80, 1.0)
    assert order(failures, 2.0) == ["2", "3", "1"]
    failures.note("192.0.2.2", 80, 2.0)
    assert order(failures, 3.0) == ["3", "1", "2"]
    failures.note("192.0.2.1", 80, 3.0)
    assert order(failures, 3.0) == ["3", "2", "1"]


def test_a_failure_is_forgotten_after_a_while() -> None:
    failures = AddressFailures()
    failures.note("192.0.2.1", 80, 1.0)
    assert order(failures, 0.9 + MEMORY) == ["2", "3", "1"]
    assert order(failures, 1.1 + MEMORY) == ["1", "2", "3"]


def test_another_port_is_another_matter() -> None:
    failures = AddressFailures()
    failures.note("192.0.2.1", 81, 1.0)
    assert order(failures, 1.0) == ["1", "2", "3"]


def test_the_memory_has_an_end() -> None:
    failures = AddressFailures()
    for port in range(MAX_ADDRESSES * 3):
        failures.note("192.0.2.1", port, 1.0)
    assert len(failures.moments) <= MAX_ADDRESSES
