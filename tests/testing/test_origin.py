from __future__ import annotations

import asyncio
import http.client
import json
import socket
import ssl
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from hyperhttp.testing.messages import Reply
from hyperhttp.testing.origin import Origin, running


def test_an_origin_serves_inside_its_with_block_and_leaves_nothing() -> None:
    threads = threading.active_count()
    with Origin() as origin:
        with urllib.request.urlopen(origin.url + "/get?x=1") as response:
            assert json.load(response)["args"] == {"x": "1"}
        assert origin.url == f"http://127.0.0.1:{origin.port}"
        assert threading.active_count() == threads + 1
        port = origin.port
    assert threading.active_count() == threads
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=5)


async def test_an_origin_can_be_used_in_async_with() -> None:
    async with Origin(tls=True) as origin:
        reader, writer = await asyncio.open_connection(
            "localhost", origin.https_port, ssl=origin.ssl_context(), family=socket.AF_INET
        )
        writer.write(b"GET /ip HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).endswith(b'"127.0.0.1"\n}\n')
        writer.close()
        await writer.wait_closed()


def test_an_origin_can_be_started_again() -> None:
    origin = Origin()
    for _ in range(2):
        with origin:
            assert urllib.request.urlopen(origin.url + "/status/200").read() == b"200 OK"
    with pytest.raises(RuntimeError, match="not running"):
        origin.url  # noqa: B018
    origin.stop()


def test_starting_twice_is_an_error_and_stopping_twice_is_not() -> None:
    origin = Origin().start()
    try:
        with pytest.raises(RuntimeError, match="already running"):
            origin.start()
    finally:
        origin.stop()
    origin.stop()


def test_a_port_that_is_taken_is_an_error_and_leaves_no_thread() -> None:
    threads = threading.active_count()
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        Origin(port=taken.getsockname()[1]).start()
    assert threading.active_count() == threads


def test_starting_is_quick() -> None:
    best = 1.0
    for _ in range(3):
        start = time.perf_counter()
        with Origin():
            best = min(best, time.perf_counter() - start)
    assert best < 0.3


def test_tls_is_started_when_it_is_first_asked_for() -> None:
    with Origin() as origin:
        assert not origin.is_tls_open
        url = origin.https_url
        assert url == f"https://localhost:{origin.https_port}"
        assert origin.is_tls_open
        assert origin.https_url == url
        context = ssl.create_default_context(cafile=origin.ca_pem)
        with urllib.request.urlopen(url + "/get", context=context) as response:
            assert json.load(response)["url"] == url + "/get"
        folder = Path(origin.ca_pem)
        assert folder.exists()
        assert origin.connections.tls == 1
    assert not folder.exists()


def test_a_client_certificate_can_be_demanded() -> None:
    with Origin(verify_client=True) as origin:
        context = origin.ssl_context()
        context.load_cert_chain(origin.client_cert)
        with urllib.request.urlopen(origin.https_url + "/ip", context=context) as response:
            assert response.status == 200
        with pytest.raises(OSError):
            urllib.request.urlopen(origin.https_url + "/ip", context=origin.ssl_context())


def test_requests_are_recorded_as_they_were_sent(origin: Origin, fetch: Any) -> None:
    fetch("/anything/a%20b?q=1", method="PATCH", body=b"content", headers={"x-MiXeD": "Value"})
    request = origin.requests[-1]
    assert (request.method, request.target, request.http_version) == (
        "PATCH",
        "/anything/a%20b?q=1",
        "HTTP/1.1",
    )
    assert ("x-MiXeD", "Value") in request.headers.raw
    assert request.body == b"content"
    assert request.is_complete
    assert request.connection_id > 0
    origin.clear()
    assert origin.requests == []


def test_recording_is_bounded() -> None:
    with Origin(record_requests=2, record_body=3) as origin:
        for number in range(4):
            data = b"abcdef" + str(number).encode()
            urllib.request.urlopen(origin.url + "/sha256", data=data).read()
        assert [request.body for request in origin.requests] == [b"abc", b"abc"]
        assert [request.body_length for request in origin.requests] == [7, 7]


def test_connections_are_counted(origin: Origin) -> None:
    before = origin.connections.opened
    connections = [http.client.HTTPConnection("127.0.0.1", origin.port, timeout=10) for _ in range(3)]
    for connection in connections:
        connection.request("GET", "/ip")
        connection.getresponse().read()
    assert origin.connections.opened == before + 3
    assert origin.connections.peak >= 3
    for connection in connections:
        connection.close()


def test_endpoints_of_your_own_come_before_those_there_are(origin: Origin) -> None:
    with Origin() as own:

        @own.route("/hello/{name}", methods=("GET", "POST"))
        async def hello(exchange: Any) -> Reply:
            await asyncio.sleep(0)
            return Reply(200, [], f"hello {exchange.parameters['name']} {exchange.body.decode()}".encode())

        @own.route("/get")
        def get(exchange: Any) -> Reply:
            return Reply(201)

        answer = urllib.request.urlopen(own.url + "/hello/w%C3%B6rld", data=b"again").read()
        assert answer.decode() == "hello wörld again"
        assert urllib.request.urlopen(own.url + "/get").status == 201
    assert urllib.request.urlopen(origin.url + "/get").status == 200


def test_what_an_endpoint_raises_is_shown_and_kept() -> None:
    with Origin() as origin:

        @origin.route("/broken")
        def broken(exchange: Any) -> Reply:
            raise LookupError("why")

        @origin.route("/broken-later")
        def broken_later(exchange: Any) -> Reply:
            async def produce(write: Any) -> None:
                await write(b"some")
                raise LookupError("later")

            return Reply(body=produce)

        connection = http.client.HTTPConnection("127.0.0.1", origin.port, timeout=10)
        connection.request("GET", "/broken")
        response = connection.getresponse()
        assert response.status == 500
        assert b"LookupError: why" in response.read()
        connection.request("GET", "/broken-later")
        with pytest.raises(http.client.IncompleteRead):
            connection.getresponse().read()
        connection.close()
        assert [str(error) for error in origin.errors] == ["why", "later"]


def test_running_offers_what_is_installed() -> None:
    with running() as origin:
        assert origin.is_tls_open
        assert origin.http2
    with running(tls=False, http2=False, host="127.0.0.2") as origin:
        assert not origin.is_tls_open
        assert not origin.http2
        assert origin.url.startswith("http://127.0.0.2:")
    with pytest.raises(ValueError, match="example"), running(host="example.org"):
        pass


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match="needs h2"):
        Origin(http2=True)
    with running() as origin:
        assert not origin.http2
        assert not origin.is_tls_open


def test_many_clients_at_once() -> None:
    async def one(port: int, number: int) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(5):
            writer.write(b"GET /bytes/%d HTTP/1.1\r\nHost: a\r\n\r\n" % number)
            head = await reader.readuntil(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 200 ")
            await reader.readexactly(number)
        writer.close()
        await writer.wait_closed()
        return head

    async def all_of_them(port: int) -> None:
        await asyncio.gather(*(one(port, number) for number in range(100)))

    with Origin() as origin:
        asyncio.run(all_of_them(origin.port))
        assert origin.connections.requests == 500
        assert origin.connections.opened == 100
