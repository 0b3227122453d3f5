from __future__ import annotations

import gzip
import http.client
import json
import socket
import ssl
import struct
import time
import zlib
from typing import Any

import h2.exceptions
import pytest

from hyperhttp.testing.exchange import BadRequestError
from hyperhttp.testing.faults import FAULTS, INTERIM_FLOOD, Fault, FaultPlan, describe_faults, inject
from hyperhttp.testing.http2 import frame
from hyperhttp.testing.messages import Reply

CLOSE = b"Host: origin.test\r\nConnection: close\r\n\r\n"
KEEP = b"Host: origin.test\r\n\r\n"


def ask(path: str, end: bytes = CLOSE) -> bytes:
    return b"GET %s HTTP/1.1\r\n" % path.encode() + end


def test_every_fault_is_described_for_the_list_and_named_for_a_url() -> None:
    for name, text in describe_faults().items():
        assert text.endswith("."), name
        assert name == name.lower()
        assert " " not in name


def test_unknown_faults_are_refused_with_the_list_of_known_ones() -> None:
    with pytest.raises(ValueError, match="close-before-response"):
        Fault("explode")
    with pytest.raises(ValueError, match="explode"):
        FaultPlan().add("explode")
    assert Fault("503").status == 503
    with pytest.raises(ValueError, match="unknown fault"):
        Fault("103")


# The plan.


def test_a_planned_fault_strikes_so_many_matching_requests(exchange: Any) -> None:
    plan = FaultPlan()
    plan.add("reset", path="/a", times=2)
    assert plan.take(exchange("/b")) is None
    assert [plan.take(exchange("/a?x=1")) for _ in range(3)] == [Fault("reset"), Fault("reset"), None]


def test_planned_faults_are_used_in_order_and_can_be_cleared(exchange: Any) -> None:
    plan = FaultPlan()
    plan.add("503", retry_after="1")
    plan.add("reset", times=None, method="post")
    assert plan.take(exchange()) == Fault("503", retry_after="1")
    assert plan.take(exchange()) is None
    for _ in range(10):
        assert plan.take(exchange(method="POST")) == Fault("reset")
    plan.clear()
    assert plan.take(exchange(method="POST")) is None


def test_a_fault_in_the_query_counts_by_target(exchange: Any) -> None:
    plan = FaultPlan()
    target = "/get?fault=reset&fault_times=2&fault_seconds=0.5"
    faults = [plan.take(exchange(target)) for _ in range(3)]
    assert faults == [Fault("reset", 0.5), Fault("reset", 0.5), None]
    assert plan.take(exchange(target + "&other=1")) == Fault("reset", 0.5)
    plan.clear()
    assert plan.take(exchange(target)) == Fault("reset", 0.5)


def test_an_unknown_fault_in_the_query_is_a_bad_request(exchange: Any) -> None:
    with pytest.raises(BadRequestError, match="unknown fault 'explode'"):
        FaultPlan().take(exchange("/get?fault=explode"))


# HTTP/1.1, as a raw socket sees it.


def test_close_before_response(raw: Any) -> None:
    answer = raw(ask("/get?fault=close-before-response", KEEP))
    assert (answer.data, answer.end) == (b"", "closed")


def test_reset(raw: Any) -> None:
    answer = raw(ask("/get?fault=reset", KEEP))
    assert (answer.data, answer.end) == (b"", "reset")


def test_reset_body(raw: Any) -> None:
    answer = raw(ask("/range/1000?fault=reset-body", KEEP))
    assert len(answer.body) == 500
    assert answer.end == "reset"


@pytest.mark.parametrize("name", ["truncate", "short-content"])
def test_truncate(raw: Any, name: str) -> None:
    answer = raw(ask(f"/range/1000?fault={name}", KEEP))
    assert b"Content-Length: 1000" in answer.head
    assert len(answer.body) == 500
    assert answer.end == "closed"


def test_truncate_leaves_chunked_content_without_its_last_chunk(raw: Any) -> None:
    answer = raw(ask("/stream-bytes/1000?fault=truncate", KEEP))
    assert b"Transfer-Encoding: chunked" in answer.head
    assert answer.body.startswith(b"1f4\r\n")
    assert not answer.body.endswith(b"0\r\n\r\n")


def test_truncate_of_a_reply_without_content_promises_some(raw: Any) -> None:
    answer = raw(ask("/status/200?fault=truncate", KEEP))
    promised = int(answer.head.partition(b"Content-Length: ")[2].split(b"\r\n")[0])
    assert 0 < len(answer.body) < promised


def test_cut_content_is_rightly_framed_and_wrongly_coded(fetch: Any) -> None:
    answer = fetch("/gzip?fault=cut-content")
    assert answer.status == 200
    with pytest.raises(EOFError):
        gzip.decompress(answer.body)


def test_corrupt_content_does_not_decode(fetch: Any) -> None:
    answer = fetch("/gzip?fault=corrupt")
    assert int(answer.headers["Content-Length"]) == len(answer.body)
    with pytest.raises((OSError, zlib.error)):
        gzip.decompress(answer.body)


def test_stall_head(raw: Any) -> None:
    answer = raw(ask("/get?fault=stall-head"), patience=0.3)
    assert (answer.data, answer.end) == (b"", "timeout")


def test_stall_body(raw: Any) -> None:
    answer = raw(ask("/range/100?fault=stall-body"), patience=0.3)
    assert len(answer.body) == 50
    assert answer.end == "timeout"


def test_a_stall_ends_after_its_time(raw: Any) -> None:
    start = time.monotonic()
    answer = raw(ask("/get?fault=stall-head&fault_seconds=0.1"))
    assert answer.end == "reset"
    assert 0.1 <= time.monotonic() - start < 5


def test_drip_sends_content_byte_by_byte(raw: Any) -> None:
    start = time.monotonic()
    answer = raw(ask("/base64/YWJjZGU?fault=drip&fault_seconds=0.05"))
    assert answer.body == b"abcde"
    assert time.monotonic() - start >= 0.25


def test_drip_of_chunked_content_makes_chunks_of_one_byte(raw: Any) -> None:
    answer = raw(ask("/stream-bytes/3?fault=drip&fault_seconds=0"))
    assert answer.body.count(b"1\r\n") == 3


def test_drip_head_is_as_slow_with_the_head(raw: Any) -> None:
    start = time.monotonic()
    answer = raw(ask("/base64/YQ?fault=drip-head&fault_seconds=0.001"))
    assert answer.data.endswith(b"\r\n\r\na")
    assert time.monotonic() - start >= len(answer.data) * 0.001


def test_garbage(raw: Any) -> None:
    answer = raw(ask("/get?fault=garbage", KEEP))
    assert not answer.data.startswith(b"HTTP/")
    assert answer.end == "closed"


def test_garbage_body_breaks_the_chunked_coding(raw: Any, origin: Any) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", origin.port, timeout=10)
    connection.request("GET", "/range/100?fault=garbage-body")
    response = connection.getresponse()
    with pytest.raises(http.client.IncompleteRead) as caught:
        response.read()
    assert len(caught.value.partial) == 50
    connection.close()


def test_close_idle_does_not_announce_the_close(raw: Any) -> None:
    answer = raw(ask("/base64/YQ?fault=close-idle", KEEP))
    assert b"onnection" not in answer.head
    assert answer.body == b"a"
    assert answer.end == "closed"


def test_extra_bytes_follow_a_proper_answer(raw: Any) -> None:
    answer = raw(ask("/base64/YQ?fault=extra-bytes", KEEP), patience=0.3)
    assert answer.body.startswith(b"aHTTP/1.1 200 OK\r\n")
    assert answer.body.endswith(b"poisoned")
    assert answer.end == "timeout"


def test_late_408_comes_on_the_idle_connection(raw: Any) -> None:
    answer = raw(ask("/base64/YQ?fault=late-408", KEEP))
    assert answer.body.startswith(b"aHTTP/1.1 408 Request Timeout\r\n")
    assert answer.end == "closed"


def test_interim_flood(raw: Any) -> None:
    answer = raw(ask("/base64/YQ?fault=interim-flood"))
    assert answer.data.count(b"HTTP/1.1 103 Early Hints\r\n") == INTERIM_FLOOD
    assert answer.data.endswith(b"\r\n\r\na")


def test_close_during_upload(raw: Any, origin: Any) -> None:
    head = b"POST /sha256?fault=close-during-upload HTTP/1.1\r\nContent-Length: 100000\r\n" + KEEP
    answer = raw(head + bytes(1000))
    assert (answer.data, answer.end) == (b"", "closed")
    assert origin.requests[-1].body_length == 1000


def test_a_status_as_a_fault_with_retry_after(fetch: Any) -> None:
    path = "/get?fault=503&fault_times=1&fault_retry_after=2"
    first = fetch(path)
    assert (first.status, first.headers["Retry-After"]) == (503, "2")
    assert fetch(path).status == 200


def test_faults_can_be_planned_on_the_origin(fetch: Any, origin: Any) -> None:
    origin.faults.add("500", path="/get")
    assert [fetch("/get").status for _ in range(2)] == [500, 200]


def test_stream_faults_have_a_meaning_without_streams(raw: Any) -> None:
    for name in ("reset-stream", "refused-stream", "enhance-your-calm"):
        assert raw(ask(f"/get?fault={name}", KEEP)).end == "reset"
    assert raw(ask("/range/100?fault=reset-stream-body", KEEP)).body == raw(ask("/range/50")).body
    assert raw(ask("/get?fault=goaway", KEEP)).data == b""
    assert raw(ask("/base64/YQ?fault=goaway-after", KEEP)).body == b"a"
    assert raw(ask("/base64/YQ?fault=http-1-1-required")).body == b"a"


@pytest.mark.parametrize(
    ("name", "content", "end"),
    [("truncate", 500, "closed"), ("close-before-response", 0, "closed"), ("reset", 0, "reset")],
)
def test_faults_with_tls(origin: Any, name: str, content: int, end: str) -> None:
    plain = socket.create_connection(("127.0.0.1", origin.https_port), timeout=10)
    context = origin.ssl_context()
    with context.wrap_socket(plain, server_hostname="localhost", suppress_ragged_eofs=False) as sock:
        sock.sendall(ask(f"/range/1000?fault={name}", KEEP))
        received = b""
        try:
            while data := sock.recv(65536):
                received += data
        except (ConnectionResetError, ssl.SSLEOFError):  # some OpenSSL report the reset as an early end
            assert end == "reset"
        else:
            assert end == "closed"
    assert len(received.partition(b"\r\n\r\n")[2]) == content


# HTTP/2.


@pytest.mark.parametrize(
    ("name", "code"),
    [("reset-stream", 0x2), ("refused-stream", 0x7), ("enhance-your-calm", 0xB), ("http-1-1-required", 0xD)],
)
def test_streams_are_reset_with_the_code_that_was_asked_for(h2_client: Any, name: str, code: int) -> None:
    answer = h2_client.get(f"/get?fault={name}")
    assert (answer.status, answer.reset) == (0, code)
    assert h2_client.get("/get").status == 200


def test_a_stream_is_reset_in_its_content(h2_client: Any) -> None:
    answer = h2_client.get("/range/1000?fault=reset-stream-body")
    assert (answer.status, len(answer.body), answer.reset) == (200, 500, 0x2)


def test_short_content_ends_the_stream_too_early(h2_client: Any) -> None:
    stream = h2_client.start("/range/1000?fault=short-content")
    with pytest.raises(Exception, match="Expected 1000 bytes, received 500"):
        h2_client.wait(stream)


def test_goaway_leaves_the_request_out(h2_client: Any) -> None:
    h2_client.get("/get")
    answer = h2_client.get("/get?fault=goaway")
    assert answer.status == 0
    assert h2_client.goaway.last_stream_id == 1
    assert h2_client.goaway.error_code == 0


def test_goaway_after_serves_the_request(h2c_client: Any) -> None:
    """Read by hand: h2 takes no more frames once it has seen a GOAWAY."""
    h2c_client.start("/base64/YWJj?fault=goaway-after")
    received = b""
    while not received.endswith(frame(0x0, 1, b"", flags=0x1)):
        received += h2c_client.sock.recv(65536)
    goaway = received.index(frame(0x7, 0, struct.pack(">II", 1, 0)))
    assert goaway < received.index(frame(0x0, 1, b"abc"))


@pytest.mark.parametrize(
    ("name", "end"), [("close-before-response", "closed"), ("reset", "reset"), ("truncate", "closed")]
)
def test_connection_faults_end_the_connection(h2c_client: Any, name: str, end: str) -> None:
    answer = h2c_client.get(f"/range/1000?fault={name}")
    assert not answer.ended
    assert h2c_client.closed == end


@pytest.mark.parametrize("name", ["garbage", "garbage-body", "extra-bytes"])
def test_garbage_is_not_http_2(h2c_client: Any, name: str) -> None:

    def talk() -> None:
        h2c_client.get(f"/range/1000?fault={name}")
        while h2c_client.pump():
            pass

    with pytest.raises(h2.exceptions.ProtocolError):
        talk()


def test_a_late_notice_is_a_goaway(h2c_client: Any) -> None:
    assert h2c_client.get("/get?fault=late-408").status == 200
    while h2c_client.pump():
        pass
    assert h2c_client.goaway is not None
    assert h2c_client.closed == "closed"


def test_stalls_end_when_the_client_resets_the_stream(h2_client: Any) -> None:
    stream = h2_client.start("/get?fault=stall-head")
    h2_client.h2.reset_stream(stream, 0x8)
    h2_client.flush()
    assert h2_client.get("/get").status == 200


def test_drip_and_interim_flood_on_streams(h2_client: Any) -> None:
    assert h2_client.get("/base64/YWJj?fault=drip&fault_seconds=0").body == b"abc"
    assert h2_client.get("/base64/YWJj?fault=drip-head&fault_seconds=0").body == b"abc"
    assert len(h2_client.get("/get?fault=interim-flood").interim) == INTERIM_FLOOD


async def test_every_fault_does_something_and_ends(exchange: Any) -> None:
    """In memory, where a fault that forgot to act or never ends would show."""
    plain = exchange("/")
    reply = Reply(200, [("Content-Type", "application/json")], json.dumps(list(range(20))).encode())
    await inject(plain, Reply(200, list(reply.fields), reply.body), Fault("close-idle"))
    proper = plain.sent[:-1]
    for name in FAULTS:
        one = exchange("/", method="POST", content=[b"a", b"b"])
        await inject(one, Reply(200, list(reply.fields), reply.body), Fault(name, 0.0))
        changed_speed = name == "drip-head" and one.pace == 0.0
        assert one.sent != proper or changed_speed or name == "http-1-1-required", name
