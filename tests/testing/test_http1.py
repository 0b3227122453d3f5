from __future__ import annotations

import hashlib
import http.client
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.testing.exchange import BadRequestError
from hyperhttp.testing.http1 import MAX_HEAD_SIZE, content_length, parse_request_head
from hyperhttp.testing.messages import Fields

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin

HOST = b"Host: origin.test\r\n"
CLOSE = b"Connection: close\r\n"


def test_a_request_head_is_parsed() -> None:
    method, target, version, headers = parse_request_head(b"OPTIONS * HTTP/1.0\r\nX-A:  spaced \t\r\nX-B:\r\n\r\n")
    assert (method, target, version) == ("OPTIONS", "*", "HTTP/1.0")
    assert headers.raw == [("X-A", "spaced"), ("X-B", "")]


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400),
        (b"GET / HTTP/3\r\nHost: a\r\n\r\n", 505),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n folded\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\nY: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", 400),
    ],
)
def test_a_malformed_head_is_refused(head: bytes, status: int) -> None:
    with pytest.raises(BadRequestError) as caught:
        parse_request_head(head)
    assert caught.value.status == status


@pytest.mark.parametrize(
    ("fields", "version", "length"),
    [
        ([], "HTTP/1.1", 0),
        ([("Content-Length", "12")], "HTTP/1.1", 12),
        ([("Transfer-Encoding", "Chunked")], "HTTP/1.1", None),
    ],
)
def test_the_length_of_content(fields: list[tuple[str, str]], version: str, length: int | None) -> None:
    assert content_length(Fields(fields), version) == length


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ([("Content-Length", "1"), ("Transfer-Encoding", "chunked")], 400),
        ([("Content-Length", "1"), ("Content-Length", "1")], 400),
        ([("Content-Length", "+1")], 400),
        ([("Content-Length", "1,1")], 400),
        ([("Transfer-Encoding", "gzip, chunked")], 501),
        ([("Transfer-Encoding", "chunked, chunked")], 501),
    ],
)
def test_ambiguous_framing_is_refused(fields: list[tuple[str, str]], status: int) -> None:
    with pytest.raises(BadRequestError) as caught:
        content_length(Fields(fields), "HTTP/1.1")
    assert caught.value.status == status


def test_a_refused_request_gets_its_status_and_a_close(raw: Any, origin: Origin) -> None:
    before = origin.connections.refused
    answer = raw(b"GET / HTTP/1.1\r\n\r\n")
    assert answer.head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"\r\nConnection: close" in answer.head
    assert origin.connections.refused == before + 1


def test_a_connection_is_kept_for_many_requests(origin: Origin) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", origin.port, timeout=10)
    try:
        for number in range(20):
            connection.request("POST", f"/post?n={number}", body=b"x" * number)
            response = connection.getresponse()
            assert response.status == 200
            response.read()
    finally:
        connection.close()
    assert len({request.connection_id for request in origin.requests}) == 1
    assert [len(request.body) for request in origin.requests] == list(range(20))


def test_requests_sent_ahead_are_answered_in_order(raw: Any) -> None:
    ahead = b"".join(b"GET /base64/%s HTTP/1.1\r\n%s\r\n" % (text, HOST) for text in (b"YQ", b"Yg", b"Yw"))
    answer = raw(ahead + b"GET /base64/ZA HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")
    bodies = [part.partition(b"\r\n\r\n")[2] for part in answer.data.split(b"HTTP/1.1 200 OK\r\n")[1:]]
    assert bodies == [b"a", b"b", b"c", b"d"]
    assert answer.end == "closed"


def test_empty_lines_before_a_request_are_skipped(raw: Any) -> None:
    answer = raw(b"\r\n\r\n\r\nGET /status/200 HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")
    assert answer.head.startswith(b"HTTP/1.1 200")


def test_http_1_0_closes_unless_asked_not_to(raw: Any) -> None:
    answer = raw(b"GET /base64/YQ HTTP/1.0\r\n\r\n")
    assert answer.end == "closed"
    assert answer.body == b"a"
    kept = raw(b"GET /base64/YQ HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /base64/Yg HTTP/1.0\r\n\r\n")
    assert b"Connection: keep-alive" in kept.head
    assert kept.data.endswith(b"\r\n\r\nb")


def test_http_1_0_gets_content_of_unknown_length_until_the_close(raw: Any) -> None:
    answer = raw(b"GET /stream-bytes/1000?seed=1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    assert b"Transfer-Encoding" not in answer.head
    assert len(answer.body) == 1000
    assert answer.end == "closed"


def test_chunked_content_is_read_with_extensions_and_trailers(raw: Any, origin: Origin) -> None:
    chunks = b"3;ext=1\r\nabc\r\n0A\r\n0123456789\r\n0\r\nX-Sum: 13\r\n\r\n"
    answer = raw(b"POST /sha256 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HOST + CLOSE + b"\r\n" + chunks)
    assert hashlib.sha256(b"abc0123456789").hexdigest().encode() in answer.body
    request = origin.requests[-1]
    assert request.body == b"abc0123456789"
    assert request.trailers["x-sum"] == "13"
    assert request.is_complete


@pytest.mark.parametrize("chunks", [b"zz\r\nabc", b"3\r\nabcd\r\n", b"-1\r\n", b"\r\n"])
def test_broken_chunks_are_refused(raw: Any, chunks: bytes) -> None:
    answer = raw(b"POST /sha256 HTTP/1.1\r\nTransfer-Encoding: chunked\r\n" + HOST + b"\r\n" + chunks)
    assert answer.head.startswith(b"HTTP/1.1 400")


def test_content_of_unknown_length_is_chunked(raw: Any) -> None:
    answer = raw(b"GET /stream-bytes/5?chunk_size=2&seed=1 HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")
    assert b"Transfer-Encoding: chunked" in answer.head
    assert [answer.body[at : at + 3] for at in (0, 7)] == [b"2\r\n", b"2\r\n"]
    assert answer.body.endswith(b"\r\n0\r\n\r\n")


def test_head_has_the_length_but_no_content(raw: Any) -> None:
    answer = raw(b"HEAD /bytes/500 HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")
    assert b"Content-Length: 500" in answer.head
    assert answer.body == b""


@pytest.mark.parametrize("status", [204, 304])
def test_responses_that_cannot_have_content_keep_the_connection(raw: Any, status: int) -> None:
    ahead = b"GET /status/%d HTTP/1.1\r\n%s\r\n" % (status, HOST)
    answer = raw(ahead + b"GET /base64/YQ HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")
    assert answer.body.startswith(b"HTTP/1.1 200 OK")


def test_100_continue_comes_before_content_is_read(origin: Origin) -> None:
    with socket.create_connection(("127.0.0.1", origin.port), timeout=10) as sock:
        sock.sendall(b"POST /expect HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n" + HOST + b"\r\n")
        assert sock.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"hello")
        answer = sock.recv(10000)
    assert b'"continued": true' in answer
    assert b'"length": 5' in answer


def test_an_early_answer_arrives_although_the_client_still_sends(origin: Origin) -> None:
    with socket.create_connection(("127.0.0.1", origin.port), timeout=10) as sock:
        sock.sendall(b"POST /early-413 HTTP/1.1\r\nContent-Length: 100000000\r\n" + HOST + b"\r\n")
        sock.sendall(bytes(300_000))
        received = sock.recv(65536)
        assert received.startswith(b"HTTP/1.1 413 ")
        assert b"\r\nConnection: close\r\n" in received
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(65536):
            pass
    assert not origin.requests[-1].is_complete


def test_content_the_endpoint_did_not_want_is_read_and_the_connection_kept(origin: Origin, raw: Any) -> None:
    first = b"POST /nowhere HTTP/1.1\r\nContent-Length: 5\r\n" + HOST + b"\r\nhello"
    answer = raw(first + b"GET /base64/YQ HTTP/1.1\r\n" + HOST + CLOSE + b"\r\n")
    assert answer.head.startswith(b"HTTP/1.1 404")
    assert answer.data.endswith(b"\r\n\r\na")


def test_too_large_a_head_is_answered_with_431(raw: Any) -> None:
    answer = raw(b"GET / HTTP/1.1\r\nX: " + b"a" * (MAX_HEAD_SIZE + 70_000))
    assert answer.head.startswith(b"HTTP/1.1 431")


def test_a_client_that_leaves_in_the_middle_is_no_error(origin: Origin) -> None:
    for data in (b"GET /get HT", b"POST /sha256 HTTP/1.1\r\nContent-Length: 9\r\n" + HOST + b"\r\nabc"):
        with socket.create_connection(("127.0.0.1", origin.port), timeout=10) as sock:
            sock.sendall(data)
    deadline = time.monotonic() + 5
    while origin.connections.open and time.monotonic() < deadline:
        time.sleep(0.01)
    assert origin.connections.open == 0


def test_a_client_that_does_not_read_stops_the_origin(origin: Origin) -> None:
    """Backpressure: the endpoint waits, it does not fill the memory."""
    written = 0

    @origin.route("/endless")
    def endless(exchange: Any) -> Any:
        from hyperhttp.testing.messages import Reply

        async def produce(write: Any) -> None:
            nonlocal written
            for _ in range(1024):
                await write(bytes(64 * 1024))
                written += 64 * 1024

        return Reply(body=produce)

    with socket.create_connection(("127.0.0.1", origin.port), timeout=10) as sock:
        sock.sendall(b"GET /endless HTTP/1.1\r\n" + HOST + b"\r\n")
        last = -1
        while written != last:
            last = written
            time.sleep(0.2)
        assert 0 < written < 32 * 1024 * 1024
