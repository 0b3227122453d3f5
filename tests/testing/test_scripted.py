from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import threading
import time
from typing import Any

import pytest

from hyperhttp.testing.scripted import (
    Close,
    Drop,
    Expect,
    Reset,
    ScriptedConnection,
    ScriptedServer,
    ScriptedServerFactory,
    Send,
    Sleep,
    Stall,
)

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def connect(server: ScriptedServer) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", server.port, timeout=5)


def get(connection: http.client.HTTPConnection, path: str = "/") -> tuple[int, bytes]:
    connection.request("GET", path)
    response = connection.getresponse()
    return response.status, response.read()


def test_each_item_answers_one_request_and_the_last_one_closes() -> None:
    with ScriptedServer([OK, b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"]) as server:
        connection = connect(server)
        assert get(connection, "/a") == (200, b"ok")
        connection.request("POST", "/b", body=b"content")
        assert connection.getresponse().status == 404
        assert connection.sock is not None
        assert connection.sock.recv(1) == b""
        connection.close()
    assert [request.split()[1] for request in server.requests] == [b"/a", b"/b"]
    assert server.requests[1].endswith(b"\r\n\r\ncontent")
    assert len(server.connections) == 1
    assert bytes(server.connections[0].received) == b"".join(server.requests)


def test_items_are_used_up_over_all_connections() -> None:
    with ScriptedServer([[OK, Close()], b"HTTP/1.1 204 No Content\r\n\r\n"]) as server:
        first = connect(server)
        assert get(first) == (200, b"ok")
        first.close()
        second = connect(server)
        assert get(second) == (204, b"")
        second.close()
    assert [connection.index for connection in server.connections] == [0, 1]


def test_a_script_can_repeat() -> None:
    with ScriptedServer([OK], repeat=True) as server:
        connection = connect(server)
        assert [get(connection) for _ in range(5)] == [(200, b"ok")] * 5
        connection.close()


def test_requests_after_the_last_item_find_a_closed_connection() -> None:
    with ScriptedServer([OK]) as server:
        connection = connect(server)
        get(connection)
        connection.close()
        with pytest.raises(http.client.RemoteDisconnected):
            get(connection)
        connection.close()


def test_a_lie_about_the_length_is_seen_as_one() -> None:
    with ScriptedServer([b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"]) as server:
        connection = connect(server)
        with pytest.raises(http.client.IncompleteRead):
            get(connection)
        connection.close()


def test_a_connection_can_follow_a_script_that_speaks_first() -> None:
    scripts = [[b"220 hello\r\n", Expect(b"\r\n"), Send(b"bye", piece=1)], [Expect(b"x"), Reset()]]
    with ScriptedServer.by_connection(scripts) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
            assert sock.recv(100) == b"220 hello\r\n"
            sock.sendall(b"quit\r\n")
            received = b""
            while data := sock.recv(100):
                received += data
            assert received == b"bye"
        connected = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        connected.sendall(b"x")
        with connected as sock, pytest.raises(ConnectionResetError):
            sock.recv(1)
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
            assert sock.recv(1) == b""


def test_a_handler_gets_the_connection_and_its_number() -> None:
    def handler(connection: ScriptedConnection, index: int) -> None:
        data = connection.recv(100)
        connection.sendall(b"%d:%s" % (index, data))

    with ScriptedServer(handler) as server:
        for index in range(3):
            with socket.create_connection((server.host, server.port), timeout=5) as sock:
                sock.sendall(b"hi")
                assert sock.recv(100) == b"%d:hi" % index


def test_what_a_handler_asserts_fails_the_test() -> None:
    def handler(connection: ScriptedConnection, index: int) -> None:
        assert connection.read_request().startswith(b"POST"), "not a POST"

    def visit() -> None:
        with ScriptedServer(handler) as server:
            connection = connect(server)
            with pytest.raises(http.client.RemoteDisconnected):
                get(connection)
            connection.close()

    with pytest.raises(AssertionError, match="not a POST"):
        visit()


def test_an_error_of_the_test_is_not_covered_by_one_of_the_handler() -> None:
    def handler(connection: ScriptedConnection, index: int) -> None:
        raise AssertionError("the handler's")

    def visit() -> None:
        with ScriptedServer(handler) as server:
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
                sock.recv(1)
            raise LookupError("the test's")

    with pytest.raises(LookupError, match="the test's"):
        visit()


def test_a_client_that_leaves_is_noted_and_no_error() -> None:
    with ScriptedServer([OK]) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
            sock.sendall(b"GET / HTT")
        deadline = time.monotonic() + 5
        while not server.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        assert server.wait_closed()
    assert isinstance(server.connections[0].error, EOFError)
    assert server.errors == []


def test_the_end_of_the_server_does_not_wait_for_stalls() -> None:
    threads = threading.active_count()
    start = time.monotonic()
    with ScriptedServer([[b"HTTP/1.1 200", Stall()]]) as server:
        stalled = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        stalled.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert stalled.recv(100) == b"HTTP/1.1 200"
        idle = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        assert not server.wait_closed(0.1)
    assert time.monotonic() - start < 5
    assert threading.active_count() == threads
    stalled.close()
    idle.close()


def test_the_port_stays_known_and_refuses_after_the_end() -> None:
    server = ScriptedServer()
    with pytest.raises(RuntimeError, match="never started"):
        server.port  # noqa: B018
    with server:
        pass
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port), timeout=5)


def test_misuse_is_said_clearly() -> None:
    with pytest.raises(TypeError, match="list of answers"):
        ScriptedServer(b"HTTP/1.1 200 OK\r\n\r\n")
    with ScriptedServer() as server, pytest.raises(RuntimeError, match="already running"):
        server.start()


def test_tls_with_the_test_authority() -> None:
    with ScriptedServer([OK], tls=True, alpn=["http/1.1"]) as server:
        assert server.url == f"https://localhost:{server.port}"
        context = ssl.create_default_context(cafile=server.ca_pem)
        connection = http.client.HTTPSConnection("localhost", server.port, timeout=5, context=context)
        assert get(connection) == (200, b"ok")
        connection.close()


@pytest.mark.parametrize(("last", "is_announced"), [(Close(), True), (Drop(), False)])
def test_the_end_of_tls_is_announced_or_not(last: Any, is_announced: bool) -> None:
    with ScriptedServer([[OK, last]], tls=True) as server:
        plain = socket.create_connection(("127.0.0.1", server.port), timeout=5)
        context = server.ssl_context()
        with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            assert sock.recv(1000) == OK
            if is_announced:
                assert sock.recv(1) == b""
            else:
                with pytest.raises(ssl.SSLEOFError):
                    sock.recv(1)


def test_a_failed_handshake_is_noted() -> None:
    with ScriptedServer([OK], tls=True) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
            while sock.recv(100):
                pass
        assert server.wait_closed()
    assert isinstance(server.connections[0].error, ssl.SSLError)


async def test_it_serves_a_test_on_the_event_loop() -> None:
    async with ScriptedServer([[b"HTTP/1.1 200 OK\r\n", Sleep(0.05), b"\r\n"]]) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() == b"HTTP/1.1 200 OK\r\n\r\n"
        writer.close()
        await writer.wait_closed()


def test_a_factory_closes_its_servers_and_raises_what_their_handlers_did() -> None:
    def handler(connection: Any, index: int) -> None:
        raise LookupError("why")

    factory = ScriptedServerFactory()
    first = factory([OK])
    second = factory.by_connection([b"hello"])
    third = factory(handler)
    for server in (second, third):
        with socket.create_connection(("127.0.0.1", server.port), timeout=5) as sock:
            while sock.recv(100):
                pass
    with pytest.raises(LookupError, match="why"):
        factory.close()
    for server in (first, second, third):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", server.port), timeout=5)
