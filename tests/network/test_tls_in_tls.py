"""TLS inside TLS, against a real server of two layers on loopback."""

from __future__ import annotations

import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest
import trustme

from hyperhttp.network.tls_in_tls import InnerTLS

if TYPE_CHECKING:
    from collections.abc import Iterator


def contexts() -> tuple[ssl.SSLContext, ssl.SSLContext]:
    authority = trustme.CA()
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(server)
    server.set_alpn_protocols(["http/1.1"])
    client = ssl.create_default_context()
    authority.configure_trust(client)
    client.set_alpn_protocols(["http/1.1"])
    return server, client


class InnerServer(InnerTLS):
    """The same two layers from the other side."""

    def __init__(self, outer: ssl.SSLSocket, context: ssl.SSLContext) -> None:
        self._outer = outer
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._inner = context.wrap_bio(self._incoming, self._outgoing, server_side=True)


def echo(listener: socket.socket, context: ssl.SSLContext) -> None:
    """Accept one connection of two layers and send back what comes, until its end."""
    raw, _ = listener.accept()
    raw.settimeout(10)
    with context.wrap_socket(raw, server_side=True) as outer:
        inner = InnerServer(outer, context)
        try:
            inner.do_handshake()
            while data := inner.recv(65536):
                rest = memoryview(data)
                while rest:
                    rest = rest[inner.send(rest) :]
        except (OSError, ssl.SSLError):
            return


@pytest.fixture
def outer_and_context() -> Iterator[tuple[ssl.SSLSocket, ssl.SSLContext]]:
    server, client = contexts()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=echo, args=(listener, server))
        thread.start()
        raw = socket.create_connection(listener.getsockname(), timeout=10)
        with client.wrap_socket(raw, server_hostname="localhost") as outer:
            yield outer, client
        thread.join(10)
        assert not thread.is_alive()


def connected(outer: ssl.SSLSocket, context: ssl.SSLContext) -> InnerTLS:
    inner = InnerTLS(outer, context, "localhost")
    inner.do_handshake()
    return inner


def test_bytes_pass_through_both_layers(outer_and_context: tuple[ssl.SSLSocket, ssl.SSLContext]) -> None:
    inner = connected(*outer_and_context)
    sent = bytes(range(256)) * 400
    rest = memoryview(sent)
    while rest:
        rest = rest[inner.send(rest[:20000]) :]
    received = bytearray()
    while len(received) < len(sent):
        received += inner.recv(65536)
    assert received == sent


def test_bytes_can_be_received_into_a_buffer(outer_and_context: tuple[ssl.SSLSocket, ssl.SSLContext]) -> None:
    inner = connected(*outer_and_context)
    inner.send(b"four")
    buffer = bytearray(10)
    assert inner.recv_into(memoryview(buffer)) == 4
    assert buffer[:4] == b"four"


def test_the_inner_layer_negotiates_and_verifies_on_its_own(
    outer_and_context: tuple[ssl.SSLSocket, ssl.SSLContext],
) -> None:
    outer, context = outer_and_context
    assert connected(outer, context).selected_alpn_protocol() == "http/1.1"


def test_an_untrusted_origin_is_refused_although_the_proxy_is_trusted(
    outer_and_context: tuple[ssl.SSLSocket, ssl.SSLContext],
) -> None:
    outer, _ = outer_and_context
    inner = InnerTLS(outer, ssl.create_default_context(), "localhost")
    with pytest.raises(ssl.SSLCertVerificationError):
        inner.do_handshake()


def test_without_waiting_a_read_says_that_nothing_is_there(
    outer_and_context: tuple[ssl.SSLSocket, ssl.SSLContext],
) -> None:
    inner = connected(*outer_and_context)
    inner.send(b"x")
    assert inner.recv(10) == b"x"
    inner.settimeout(0)
    with pytest.raises((BlockingIOError, ssl.SSLWantReadError)):
        inner.recv(10)
    assert inner.pending() == 0
    inner.settimeout(10)


def test_a_shutdown_below_both_layers_ends_the_connection(
    outer_and_context: tuple[ssl.SSLSocket, ssl.SSLContext],
) -> None:
    inner = connected(*outer_and_context)
    assert inner.fileno() >= 0
    inner.shutdown(socket.SHUT_RDWR)
    try:
        rest = inner.recv(10)
    except OSError:  # SSLError is one
        rest = b""
    assert rest == b""
    inner.close()
    assert inner.fileno() == -1
