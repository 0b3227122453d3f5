"""Where a client may be sent: checked after resolution and before connecting, on every hop."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import AddressPolicy
from hyperhttp.network.addresses import Address

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory


class Names:
    """A resolver with a table; a list of lists answers differently each time."""

    def __init__(self, **names: list[str]) -> None:
        self.names = names
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int) -> list[Address]:
        """The addresses of the table."""
        self.asked.append(host)
        hosts = self.names[host.partition(".")[0]]
        return [Address(socket.AF_INET6 if ":" in each else socket.AF_INET, each, port) for each in hosts]


FORBIDDEN = [
    "127.0.0.1", "127.8.8.8", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
    "::1", "::", "fe80::1", "fc00::1", "fd00:ec2::254", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1",
    "2002:7f00:1::", "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "::127.0.0.1",
]  # fmt: skip


@pytest.mark.parametrize("address", FORBIDDEN)
async def test_a_name_that_leads_inside_is_refused(face: Any, address: str) -> None:
    names = Names(evil=[address])
    async with face.client(address_policy=AddressPolicy.public_only(), resolver=names) as client:
        with pytest.raises(hyperhttp.AddressNotAllowed) as caught:
            await client.get("http://evil.example/")
        assert caught.value.request is not None
        assert client.raw.get_pool_stats() == {}


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.1", "0x7f.1", "0177.0.0.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]", "127.0.0.1.",
        "[::ffff:7f00:1]", "１２７.0.0.1", "127。0。0。1", "[0:0:0:0:0:0:0:1]", "0",
    ],
)  # fmt: skip
async def test_no_spelling_of_an_address_gets_around_the_policy(face: Any, origin: Origin, host: str) -> None:
    before = origin.connections.opened
    async with face.client(address_policy=AddressPolicy.public_only(), timeout=2) as client:
        with pytest.raises((hyperhttp.AddressNotAllowed, hyperhttp.InvalidURL)):
            await client.get(f"http://{host}:{origin.port}/get")
    assert origin.connections.opened == before


async def test_a_redirect_inside_is_refused(face: Any, scripted: ScriptedServerFactory) -> None:
    secret = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret"])
    location = f"http://127.0.0.2:{secret.port}/".encode()
    outside = scripted([b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"])
    policy = AddressPolicy.public_only(allow=["127.0.0.1/32"])
    async with face.client(address_policy=policy, follow_redirects=True) as client:
        with pytest.raises(hyperhttp.AddressNotAllowed):
            await client.get(outside.url)
    assert secret.connections == []


async def test_a_name_is_checked_at_every_connection(face: Any, origin: Origin) -> None:
    names = Names(rebound=["127.0.0.1"])
    policy = AddressPolicy.public_only(allow=["127.0.0.1/32"])
    async with face.client(address_policy=policy, resolver=names, max_keepalive_connections=0) as client:
        url = f"http://rebound.example:{origin.port}/get"
        assert (await client.get(url)).status_code == 200
        names.names["rebound"] = ["10.0.0.1"]
        with pytest.raises(hyperhttp.AddressNotAllowed):
            await client.get(url)


async def test_only_the_permitted_addresses_of_a_name_are_used(face: Any, origin: Origin) -> None:
    names = Names(both=["10.0.0.1", "127.0.0.1"])
    policy = AddressPolicy.public_only(allow=["127.0.0.1/32"])
    async with face.client(address_policy=policy, resolver=names, timeout=2) as client:
        assert (await client.get(f"http://both.example:{origin.port}/get")).status_code == 200


async def test_without_a_policy_everything_is_allowed(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        assert (await client.get(origin.url + "/get")).status_code == 200
