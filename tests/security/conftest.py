"""Both protocols, two origins, and names that lead to them: what the weaknesses of others are tried with."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import pytest

from hyperhttp.network.addresses import Address
from hyperhttp.testing.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(params=["HTTP/1.1", "HTTP/2"])
def protocol(request: pytest.FixtureRequest) -> str:
    """Both, one after the other."""
    name: str = request.param
    return name


@pytest.fixture
def make_client(face: Any, protocol: str) -> Callable[..., Any]:
    """Makes clients of the face that speak the protocol."""

    def make(**options: Any) -> Any:
        speaks = {"http2": "prior-knowledge" if protocol == "HTTP/2" else False}
        return face.client(**({"timeout": 10.0} | speaks | options))

    return make


@pytest.fixture
def here(hyperhttp_http2_origin: Origin) -> Iterator[Origin]:
    """An origin that speaks both protocols."""
    hyperhttp_http2_origin.clear()
    yield hyperhttp_http2_origin
    hyperhttp_http2_origin.drop_connections()
    assert hyperhttp_http2_origin.errors == []


@pytest.fixture(scope="session")
def second_origin() -> Iterator[Origin]:
    """One more of that kind, on another port."""
    with Origin(http2=True) as origin:
        yield origin


@pytest.fixture
def there(second_origin: Origin) -> Iterator[Origin]:
    """Another origin: the same host, another port."""
    second_origin.clear()
    yield second_origin
    second_origin.drop_connections()


class Names:
    """A resolver that finds every name, or those of a table, on the loopback interface."""

    def __init__(self, **table: str) -> None:
        self.table = table
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> list[Address]:
        """One address."""
        self.asked.append(host)
        found = self.table.get(host.partition(".")[0], "127.0.0.1")
        return [Address(socket.AF_INET6 if ":" in found else socket.AF_INET, found, port)]


@pytest.fixture
def names() -> Names:
    """Every name is this host."""
    return Names()


def leading(origin: Origin, url: str, status: int = 302) -> str:
    """A URL of the origin that redirects to `url`."""
    return f"{origin.url}/redirect-to?{urlencode({'url': url, 'status_code': status})}"
