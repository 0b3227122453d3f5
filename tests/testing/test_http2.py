from __future__ import annotations

import asyncio
import contextlib
import hashlib
import socket
import struct
import threading
from typing import Any

import pytest

from hyperhttp.testing.http2 import CONNECTION_WINDOW, STREAM_WINDOW, frame
from hyperhttp.testing.messages import Reply
from hyperhttp.testing.origin import Origin

CLIENT_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"


def test_a_frame_is_a_length_a_type_flags_a_stream_and_a_payload() -> None:
    assert frame(0x7, 5, b"abc", flags=0x1) == b"\x00\x00\x03\x07\x01\x00\x00\x00\x05abc"


def test_a_get_over_tls(h2_client: Any, http2_origin: Any) -> None:
    answer = h2_client.get("/get?a=1", headers={"x-test": "yes"})
    assert answer.status == 200
    shown = answer.json()
    assert shown["args"] == {"a": "1"}
    assert shown["headers"]["X-Test"] == "yes"
    assert shown["url"] == "https://origin.test/get?a=1"
    request = http2_origin.requests[-1]
    assert (request.http_version, request.stream_id, request.scheme) == ("HTTP/2", 1, "https")
    assert not set(answer.headers) & {"connection", "transfer-encoding"}


def test_prior_knowledge_in_clear(h2c_client: Any, http2_origin: Any) -> None:
    answer = h2c_client.get("/get")
    assert answer.status == 200
    assert http2_origin.requests[-1].scheme == "http"


def test_http_1_1_is_spoken_on_the_same_ports(http2_origin: Any) -> None:
    import http.client

    context = http2_origin.ssl_context(alpn=["http/1.1"])
    for connection in (
        http.client.HTTPConnection("127.0.0.1", http2_origin.port, timeout=10),
        http.client.HTTPSConnection("localhost", http2_origin.https_port, timeout=10, context=context),
    ):
        connection.request("GET", "/get")
        response = connection.getresponse()
        assert (response.status, response.version) == (200, 11)
        response.read()
        connection.close()


def test_many_streams_are_answered_side_by_side(h2_client: Any, http2_origin: Any) -> None:
    slow = h2_client.start("/delay/0.3")
    quick = [h2_client.start(f"/base64/{text}") for text in ("YQ", "Yg", "Yw")]
    assert [bytes(h2_client.wait(stream).body) for stream in quick] == [b"a", b"b", b"c"]
    assert not h2_client.streams[slow].ended
    assert h2_client.wait(slow).status == 200
    assert len({request.connection_id for request in http2_origin.requests}) == 1


def test_a_large_download_respects_the_windows_of_the_client(h2_client: Any) -> None:
    """The client's windows are 65,535 bytes, far less than the content."""
    answer = h2_client.get("/bytes/3000000?seed=7")
    expected = h2_client.get("/bytes/3000000/sha256?seed=7").json()["sha256"]
    assert hashlib.sha256(answer.body).hexdigest() == expected
    assert answer.headers["content-length"] == "3000000"


def test_nothing_is_sent_beyond_a_shut_window(h2_client: Any) -> None:
    h2_client.acknowledge = False
    stream = h2_client.start("/bytes/200000")
    h2_client.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        h2_client.wait(stream)
    assert len(h2_client.streams[stream].body) == 65535


def test_a_large_upload_is_taken_in(h2_client: Any) -> None:
    content = bytes(range(256)) * 20_000
    stream = h2_client.start("/sha256", method="POST", end=False)
    h2_client.send(stream, content)
    answer = h2_client.wait(stream).json()
    assert answer == {"length": len(content), "sha256": hashlib.sha256(content).hexdigest()}


def test_an_upload_nobody_reads_is_stopped_by_the_window(h2_client: Any, http2_origin: Any) -> None:
    """Content is acknowledged when the endpoint has read it, not when it arrives."""
    may_read = threading.Event()

    @http2_origin.route("/slow-reader", methods=("POST",), is_streaming=True)
    async def slow_reader(exchange: Any) -> Reply:
        while not may_read.is_set():
            await asyncio.sleep(0.01)
        await exchange.read_all()
        return Reply(body=str(len(exchange.body)).encode())

    stream = h2_client.start("/slow-reader", method="POST", end=False)
    sent = 0
    while room := h2_client.h2.local_flow_control_window(stream):
        size = min(room, h2_client.h2.max_outbound_frame_size)
        h2_client.h2.send_data(stream, bytes(size))
        h2_client.flush()
        sent += size
        if sent == 65535:  # until the origin's settings have come
            h2_client.pump()
    assert sent == STREAM_WINDOW < CONNECTION_WINDOW
    h2_client.sock.settimeout(0.3)
    with pytest.raises(TimeoutError):
        h2_client.wait(stream)
    may_read.set()
    h2_client.sock.settimeout(10)
    h2_client.send(stream, b"rest")
    assert h2_client.wait(stream).body == str(STREAM_WINDOW + 4).encode()


def test_head_ends_with_its_fields(h2_client: Any) -> None:
    answer = h2_client.get("/bytes/100", method="HEAD")
    assert answer.headers["content-length"] == "100"
    assert answer.ended
    assert answer.body == b""


def test_trailers_go_both_ways(h2_client: Any, http2_origin: Any) -> None:
    assert "x-checksum" in h2_client.get("/trailers").trailers
    stream = h2_client.start("/sha256", method="POST", end=False)
    h2_client.send(stream, b"abc", end=False)
    h2_client.h2.send_headers(stream, [("x-sum", "3")], end_stream=True)
    h2_client.flush()
    assert h2_client.wait(stream).status == 200
    assert http2_origin.requests[-1].trailers["x-sum"] == "3"


def test_interim_responses(h2_client: Any) -> None:
    answer = h2_client.get("/early-hints?count=2")
    assert (answer.interim, answer.status) == ([103, 103], 200)


def test_100_continue_comes_before_content_is_read(h2_client: Any) -> None:
    stream = h2_client.start("/expect", method="POST", headers={"expect": "100-continue"}, end=False)
    while not h2_client.streams[stream].interim:
        assert h2_client.pump()
    h2_client.send(stream, b"hello")
    assert h2_client.wait(stream).json()["continued"] is True


def test_an_early_answer_tells_the_client_to_stop_sending(h2_client: Any) -> None:
    """RFC 9113 section 8.1: END_STREAM, then RST_STREAM with NO_ERROR."""
    stream = h2_client.start("/early-413", method="POST", end=False)
    answer = h2_client.streams[stream]
    while answer.reset is None:
        assert h2_client.pump()
    assert (answer.status, answer.ended, answer.reset) == (413, True, 0)
    assert h2_client.get("/get").status == 200


def test_a_reset_by_the_client_ends_the_endpoint_and_nothing_else(h2_client: Any, http2_origin: Any) -> None:
    ended = threading.Event()

    @http2_origin.route("/wait-for-reset")
    async def wait_for_reset(exchange: Any) -> Reply:
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()
        return Reply()

    stream = h2_client.start("/wait-for-reset")
    assert h2_client.get("/get").status == 200
    h2_client.h2.reset_stream(stream, 0x8)
    h2_client.flush()
    assert ended.wait(5)
    assert h2_client.get("/get").status == 200


def test_content_of_a_reset_stream_is_given_back_to_the_connection(h2_client: Any) -> None:
    """Else a few cancelled uploads would shut the connection's window for good."""
    for _ in range(8):
        stream = h2_client.start("/early-413", method="POST", end=False)
        answer = h2_client.streams[stream]
        while answer.reset is None:
            if room := min(h2_client.h2.local_flow_control_window(stream), 16384):
                h2_client.h2.send_data(stream, bytes(room))
                h2_client.flush()
            h2_client.pump()
    content = bytes(CONNECTION_WINDOW + 100_000)
    stream = h2_client.start("/sha256", method="POST", end=False)
    h2_client.send(stream, content)
    assert h2_client.wait(stream).json()["length"] == len(content)


def test_an_endpoint_that_fails_is_answered_with_500(h2_client: Any, http2_origin: Any) -> None:
    @http2_origin.route("/broken")
    def broken(exchange: Any) -> Reply:
        raise LookupError("what the endpoint said")

    answer = h2_client.get("/broken")
    assert answer.status == 500
    assert b"what the endpoint said" in answer.body
    assert [type(error) for error in http2_origin.errors] == [LookupError]
    http2_origin.errors.clear()


def test_a_broken_frame_ends_the_connection_with_goaway(h2c_client: Any, http2_origin: Any) -> None:
    before = http2_origin.connections.refused
    h2c_client.sock.sendall(frame(0x0, 1, b"data on an idle stream"))
    while h2c_client.pump():
        pass
    assert h2c_client.goaway is not None
    assert h2c_client.goaway.error_code == 0x1
    assert http2_origin.connections.refused == before + 1


def test_an_origin_without_http2_refuses_prior_knowledge(origin: Any, raw: Any) -> None:
    answer = raw(CLIENT_PREFACE + frame(0x4, 0))
    assert answer.head.startswith(b"HTTP/1.1 505")


def test_a_ping_is_answered(http2_origin: Any) -> None:
    with socket.create_connection(("127.0.0.1", http2_origin.port), timeout=10) as sock:
        sock.sendall(CLIENT_PREFACE + frame(0x4, 0) + frame(0x6, 0, struct.pack(">Q", 42)))
        received = b""
        while frame(0x6, 0, struct.pack(">Q", 42), flags=0x1) not in received:
            data = sock.recv(1000)
            assert data
            received += data


def test_the_number_of_streams_a_client_may_open_is_announced() -> None:
    with (
        Origin(http2=True, max_streams=3) as origin,
        socket.create_connection(("127.0.0.1", origin.port), timeout=10) as sock,
    ):
        sock.sendall(CLIENT_PREFACE + frame(0x4, 0))
        received = b""
        while struct.pack(">HI", 0x3, 3) not in received:
            data = sock.recv(1000)
            assert data
            received += data


def test_a_connection_may_be_closed_by_several_streams_and_then_reset(h2_client: Any, http2_origin: Any) -> None:
    """As faults on streams side by side do it; asyncio's TLS transport forgets itself when it is closed twice."""

    @http2_origin.route("/gone")
    async def gone(exchange: Any) -> Reply:
        exchange.close()
        exchange.close()
        exchange.reset()
        return Reply(204)

    h2_client.start("/gone")
    h2_client.sock.settimeout(10)
    with contextlib.suppress(OSError):
        while h2_client.sock.recv(65536):
            pass
    assert http2_origin.errors == []
