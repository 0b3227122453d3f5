"""Routes: which connections may serve which requests."""

from __future__ import annotations

import dataclasses
import pickle

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
