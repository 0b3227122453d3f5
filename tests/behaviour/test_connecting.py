"""From a name to a connection: look-ups are shared and remembered, dead addresses are passed over."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Timeout
from hyperhttp.network.addresses import Address

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Table:
    """A resolver that gives the same addresses for every name."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts
        self.asked: list[tuple[str, int]] = []

    async def resolve(self, host: str, port: int) -> list[Address]:
        """The addresses, in order."""
        self.asked.append((host, port))
        return [Address(socket.AF_INET6 if ":" in each else socket.AF_INET, each, port) for each in self.hosts]


async def test_a_resolver_of_ones_own_is_asked(face: Any, origin: Origin) -> None:
    table = Table("127.0.0.1")
    async with face.client(resolver=table) as client:
        assert (await client.get(f"http://anything.example:{origin.port}/get")).status_code == 200
    assert table.asked == [("anything.example", origin.port)]
    assert origin.requests[0].headers["host"] == f"anything.example:{origin.port}"


async def test_an_address_is_not_looked_up(face: Any, origin: Origin) -> None:
    table = Table()
    async with face.client(resolver=table) as client:
        assert (await client.get(origin.url + "/get")).status_code == 200
    assert table.asked == []


async def test_a_refused_address_is_passed_over_at_once(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([OK])
    async with face.client(resolver=Table("127.0.0.9", "127.0.0.1"), happy_eyeballs_delay=5.0) as client:
        started = time.monotonic()
        assert (await client.get(f"http://two.example:{server.port}/")).status_code == 200
        assert time.monotonic() - started < 4


@pytest.mark.parametrize("delay", [0.0, 0.1])
async def test_a_silent_address_is_raced(face: Any, delay: float) -> None:
    silent = socket.create_server(("127.0.0.9", 0), backlog=0)
    port = silent.getsockname()[1]
    live = socket.create_server(("127.0.0.1", port))
    fillers = [socket.socket() for _ in range(8)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(("127.0.0.9", port))
    await asyncio.sleep(0.05)

    def serve() -> None:
        connection, _ = live.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(OK)
            connection.recv(1000)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        table = Table("127.0.0.9", "127.0.0.1")
        async with face.client(resolver=table, happy_eyeballs_delay=delay, timeout=3) as client:
            started = time.monotonic()
            assert await client.read(await client.get(f"http://two.example:{port}/")) == b"ok"
            assert delay * 0.9 <= time.monotonic() - started < delay + 2
    finally:
        thread.join(5)
        for each in (*fillers, silent, live):
            each.close()


async def test_when_every_address_fails_the_error_names_them(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([OK])
    server.close()
    async with face.client(resolver=Table("127.0.0.8", "127.0.0.9")) as client:
        with pytest.raises(hyperhttp.ConnectError, match=r"two\.example") as caught:
            await client.get(f"http://two.example:{server.port}/")
        assert "127.0.0.8" in str(caught.value)
        assert client.raw.get_pool_stats() == {}


async def test_a_name_without_addresses_is_a_dns_error(face: Any) -> None:
    async with face.client(timeout=5) as client:
        for _ in range(2):
            with pytest.raises(hyperhttp.DNSError, match=r"nowhere\.invalid") as caught:
                await client.get("http://nowhere.invalid/")
            assert caught.value.phase == "dns"
        assert client.raw.get_pool_stats() == {}


async def test_connect_bounds_the_lookup_too() -> None:
    class Slow:
        async def resolve(self, host: str, port: int) -> list[Address]:
            await asyncio.sleep(5)
            return []

    async with hyperhttp.Client(resolver=Slow(), timeout=Timeout(5, connect=0.1)) as client:
        started = time.monotonic()
        with pytest.raises(hyperhttp.ConnectTimeout):
            await client.get("http://slow.example/")
        assert time.monotonic() - started < 4
        assert client.get_pool_stats() == {}


async def test_localhost_works_on_both_families(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        assert (await client.get(f"http://localhost:{origin.port}/get")).status_code == 200


async def test_ipv6_literals_are_connected_to(face: Any, scripted: ScriptedServerFactory) -> None:
    try:
        server = scripted([OK], host="::1")
    except OSError:
        pytest.skip("no IPv6 here")
    async with face.client() as client:
        assert (await client.get(f"http://[::1]:{server.port}/")).status_code == 200
        assert list(client.raw.get_pool_stats()) == [f"[::1]:{server.port}"]
    assert f"Host: [::1]:{server.port}".encode() in server.requests[0]


@pytest.mark.skipif(not hasattr(socket, "AF_UNIX"), reason="needs Unix sockets")
async def test_a_unix_socket_stands_in_for_the_host(face: Any) -> None:
    with tempfile.TemporaryDirectory(prefix="hh") as folder:
        path = str(Path(folder) / "socket")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen()
        heads: list[bytes] = []

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                heads.append(connection.recv(10_000))
                connection.sendall(OK)
                connection.recv(100)

        thread = threading.Thread(target=serve)
        thread.start()
        async with face.client(uds=path, timeout=3) as client:
            assert await client.read(await client.get("http://docker/version")) == b"ok"
        thread.join(5)
        listener.close()
        assert b"GET /version HTTP/1.1\r\nHost: docker\r\n" in heads[0]
        async with face.client(uds=path, timeout=3) as client:
            with pytest.raises(hyperhttp.ConnectError, match="socket"):
                await client.get("http://docker/version")


async def test_the_local_address_may_be_chosen(face: Any, origin: Origin) -> None:
    async with face.client(local_address="127.0.0.7") as client:
        assert (await client.get(origin.url + "/get")).status_code == 200
    assert origin.requests[0].client == "127.0.0.7"


async def test_concurrent_calls_share_one_lookup(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    real = socket.getaddrinfo

    def counting(*args: Any, **kwargs: Any) -> Any:
        calls.append(args[0])
        time.sleep(0.02)
        return real(*args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", counting)
    async with hyperhttp.Client() as client:
        await asyncio.gather(*[client.get(f"http://localhost:{origin.port}/get") for _ in range(10)])
        await client.get(f"http://localhost:{origin.port}/get")
    assert len(calls) <= 1
