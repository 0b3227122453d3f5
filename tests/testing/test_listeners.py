from __future__ import annotations

import asyncio
import socket
import time
from typing import Any

import pytest

from hyperhttp.testing.listeners import Listeners
from hyperhttp.testing.origin import Origin
from hyperhttp.testing.site import Site


def has_ipv6() -> bool:
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False


async def test_listeners_count_what_comes_and_goes() -> None:
    site = Site(http2=False, record_requests=10, record_body=10)
    listeners = Listeners(site)
    port = listeners.open("127.0.0.1", 0, None)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /ip HTTP/1.1\r\nHost: a\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
    counters = site.counters
    assert (counters.opened, counters.open, counters.peak, counters.http1, counters.tls) == (1, 1, 1, 1, 0)
    await listeners.close()
    assert counters.open == 0
    assert await reader.read() == b'{\n  "origin": "127.0.0.1"\n}\n'
    writer.close()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


def test_a_failed_handshake_is_counted_and_forgotten(origin: Origin) -> None:
    before = origin.connections.failed_handshakes
    with socket.create_connection(("127.0.0.1", origin.https_port), timeout=10) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while sock.recv(1000):
            pass
    deadline = time.monotonic() + 5
    while origin.connections.failed_handshakes == before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert origin.connections.failed_handshakes == before + 1
    assert origin.connections.open == 0


def test_an_origin_ends_while_handshakes_and_requests_are_under_way() -> None:
    """Warnings are errors here: an unclosed socket or transport would fail the test."""
    with Origin(tls=True) as origin:
        waiting = [socket.create_connection(("127.0.0.1", origin.https_port)) for _ in range(3)]
        waiting += [socket.create_connection(("127.0.0.1", origin.port)) for _ in range(3)]
        waiting[-1].sendall(b"GET /delay/10 HTTP/1.1\r\nHost: a\r\n\r\n")
        waiting[-2].sendall(b"POST /sha256 HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n")
        deadline = time.monotonic() + 5
        while origin.connections.open < 6 and time.monotonic() < deadline:
            time.sleep(0.01)
        start = time.monotonic()
    assert time.monotonic() - start < 2
    assert origin.connections.open == 0
    for sock in waiting:
        sock.close()


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 loopback here")
def test_the_tls_listener_is_on_both_loopback_addresses(origin: Origin) -> None:
    context = origin.ssl_context()
    for address in ("127.0.0.1", "::1"):
        plain = socket.create_connection((address, origin.https_port), timeout=10)
        with context.wrap_socket(plain, server_hostname=address) as sock:
            sock.sendall(b"GET /ip HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            received = b""
            while data := sock.recv(1000):
                received += data
        assert address.encode() in received


@pytest.mark.parametrize(("reset", "end"), [(False, b""), (True, ConnectionResetError)])
def test_connections_can_be_dropped(origin: Origin, reset: bool, end: Any) -> None:
    with socket.create_connection(("127.0.0.1", origin.port), timeout=10) as sock:
        sock.sendall(b"GET /status/204 HTTP/1.1\r\nHost: a\r\n\r\n")
        assert sock.recv(1000).startswith(b"HTTP/1.1 204")
        origin.drop_connections(reset=reset)
        if reset:
            with pytest.raises(end):
                sock.recv(1)
        else:
            assert sock.recv(1) == end
