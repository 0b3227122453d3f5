from __future__ import annotations

import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

from hyperhttp.testing.scripts import (
    Close,
    Drop,
    Expect,
    ReadRequest,
    Reset,
    ScriptedConnection,
    Send,
    Sleep,
    Stall,
    play,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Pair:
    """A client's socket, and the scripted end of the same connection."""

    client: socket.socket
    scripted: ScriptedConnection
    requests: list[bytes]
    stopping: threading.Event


@pytest.fixture
def pair() -> Iterator[Pair]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname(), timeout=5)
        accepted, _ = listener.accept()
    requests: list[bytes] = []
    stopping = threading.Event()
    made = Pair(client, ScriptedConnection(accepted, 0, stopping, requests, 2.0), requests, stopping)
    yield made
    client.close()
    stopping.set()
    made.scripted.close()


def test_a_request_is_read_with_content_of_a_known_length(pair: Pair) -> None:
    first = b"POST / HTTP/1.1\r\ncontent-LENGTH: 5\r\n\r\nhello"
    pair.client.sendall(first + b"GET /next HTTP/1.1\r\n\r\n")
    assert pair.scripted.read_request() == first
    assert pair.scripted.read_request() == b"GET /next HTTP/1.1\r\n\r\n"
    assert len(pair.requests) == 2
    pair.client.close()
    assert pair.scripted.read_request() == b""


def test_a_request_is_read_with_chunked_content(pair: Pair) -> None:
    head = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    request = head + b"3;x=y\r\nabc\r\n1\r\nd\r\n0\r\nTrailer: 1\r\n\r\n"
    pair.client.sendall(request + b"rest")
    assert pair.scripted.read_request() == request
    assert pair.scripted.recv(10) == b"rest"


def test_a_request_that_expects_continue_is_read_without_its_content(pair: Pair) -> None:
    head = b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    pair.client.sendall(head)
    assert pair.scripted.read_request() == head


def test_a_request_that_breaks_off_is_an_error(pair: Pair) -> None:
    pair.client.sendall(b"POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\nhel")
    pair.client.shutdown(socket.SHUT_WR)
    with pytest.raises(EOFError, match="3 of 5"):
        pair.scripted.read_request()
    assert pair.requests == []


def test_waiting_for_the_client_is_bounded(pair: Pair) -> None:
    pair.scripted.settimeout(0.05)
    with pytest.raises(TimeoutError):
        pair.scripted.read_request()


def test_reading_until_leaves_the_rest(pair: Pair) -> None:
    pair.client.sendall(b"one two three")
    assert pair.scripted.read_until(b"two") == b"one two"
    assert pair.scripted.read_exactly(3) == b" th"
    assert pair.scripted.recv() == b"ree"
    assert pair.scripted.received == b"one two three"
    pair.client.close()
    with pytest.raises(EOFError, match="never"):
        pair.scripted.read_until(b"never")


def test_a_script_plays_its_steps_until_the_connection_is_closed(pair: Pair) -> None:
    pair.client.sendall(b"GET / HTTP/1.1\r\n\r\nmagic!")
    pair.client.shutdown(socket.SHUT_WR)
    start = time.monotonic()
    play([ReadRequest(), Expect(b"!"), b"a", Send(b"bcd"), Sleep(0.05), Close(), b"not sent"], pair.scripted)
    assert time.monotonic() - start >= 0.05
    assert pair.client.recv(100) == b"abcd"
    assert pair.client.recv(100) == b""
    assert pair.scripted.is_closed
    play(b"not sent", pair.scripted)


def test_bytes_can_be_sent_in_pieces(pair: Pair) -> None:
    start = time.monotonic()
    play(Send(b"abcde", piece=2, pause=0.02), pair.scripted)
    assert time.monotonic() - start >= 0.06
    assert pair.client.recv(100) == b"abcde"


def test_a_close_does_not_destroy_what_was_sent_before(pair: Pair) -> None:
    """The client still sends: closing at once would reset the connection."""
    pair.client.sendall(bytes(100_000))

    def send_more() -> None:
        time.sleep(0.05)
        pair.client.sendall(b"more")
        pair.client.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send_more)
    sender.start()
    play([b"answer", Close()], pair.scripted)
    sender.join()
    assert pair.client.recv(100) == b"answer"
    assert pair.client.recv(100) == b""


def test_drop_is_a_plain_end(pair: Pair) -> None:
    pair.client.shutdown(socket.SHUT_WR)
    play(Drop(), pair.scripted)
    assert pair.client.recv(100) == b""


def test_reset_is_a_reset(pair: Pair) -> None:
    play(Reset(), pair.scripted)
    with pytest.raises(ConnectionResetError):
        pair.client.recv(100)


def test_a_stall_ends_with_its_time_in_a_reset(pair: Pair) -> None:
    play(Stall(0.05), pair.scripted)
    with pytest.raises(ConnectionResetError):
        pair.client.recv(100)


def test_a_stall_ends_when_the_client_leaves(pair: Pair) -> None:
    pair.client.sendall(b"ignored")
    pair.client.close()
    start = time.monotonic()
    play(Stall(30), pair.scripted)
    assert time.monotonic() - start < 5


def test_the_end_of_the_server_ends_waits(pair: Pair) -> None:
    pair.stopping.set()
    start = time.monotonic()
    play([Sleep(30), Stall(30)], pair.scripted)
    assert time.monotonic() - start < 5


def test_one_can_wait_for_the_client_to_close(pair: Pair) -> None:
    assert not pair.scripted.wait_for_eof(0.05)
    pair.client.close()
    assert pair.scripted.wait_for_eof(5)
