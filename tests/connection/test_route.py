"""Routes: which connections may serve which requests."""

from __future__ import annotations

import dataclasses
import pickle
from typing import Any

import pytest

from hyperhttp.connection.route import Route


def test_two_routes_with_the_same_values_are_two_routes() -> None:
    """The client keeps one for each set of values; comparing nine fields per request would cost."""
    first, second = Route("http", "example.com", 80), Route("http", "example.com", 80)
    assert first != second
    assert len({first, second}) == 2
    assert first in {first: 1}


@pytest.mark.parametrize(
    ("host", "port", "name"),
    [
        ("example.com", 80, "example.com:80"),
        ("192.0.2.1", 8080, "192.0.2.1:8080"),
        ("2001:db8::1", 443, "[2001:db8::1]:443"),
        ("fe80::1%eth0", 443, "[fe80::1%eth0]:443"),
    ],
)
def test_the_name_is_host_and_port(host: str, port: int, name: str) -> None:
    assert Route("https", host, port).name == name


def test_a_route_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Route("http", "example.com", 80).port = 81  # type: ignore[misc]


def test_without_more_it_is_direct_plain_and_http1() -> None:
    route = Route("http", "example.com", 80)
    assert (route.tls, route.proxy, route.tunnel, route.http2, route.uds, route.local_address) == (
        None,
        None,
        False,
        False,
        None,
        None,
    )
    assert pickle.loads(pickle.dumps(route)).name == route.name


def test_a_name_of_its_own_makes_another_way_that_is_found_again() -> None:
    tls: Any = object()
    route = Route("https", "a.example", 443, tls, http2=True)
    named = route.named("b.example")

    assert named is not route
    assert (named.tls_name, named.host, named.tls) == ("b.example", "a.example", tls)
    assert route.named("b.example") is named
    assert named.named("b.example") is named
    assert route.named("c.example") is not named
    assert named.without_http2().tls_name == "b.example"
    assert named.without_http2() is route.named("b.example").without_http2()


def test_names_are_remembered_up_to_a_bound() -> None:
    route = Route("https", "a.example", 443, object())  # type: ignore[arg-type]  # any context
    first = route.named("0.example")
    for number in range(1, 300):
        route.named(f"{number}.example")
    assert route.named("0.example") is not first


def test_without_tls_there_is_no_name() -> None:
    route = Route("http", "a.example", 80)
    assert route.named("b.example") is route
