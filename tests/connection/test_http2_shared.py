"""The same conversation, whatever is called taking the channel's lock first: threads share it."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import hpack
import pytest

from hyperhttp.client.drive import drive
from hyperhttp.config import Timeout
from hyperhttp.connection.http2_exchange import HTTP2Exchange
from hyperhttp.connection.http2_shared import SharedHTTP2Connection
from hyperhttp.exceptions import ClientClosed, ReadTimeout
from hyperhttp.message.request import Request
from hyperhttp.network.base import NEVER
from hyperhttp.network.blocking import BlockingNetwork
from hyperhttp.network.sharing import SharedWait
from tests.memory import MemoryChannel, MemoryNetwork, Releases, memory_lane

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
PATIENCE = 5.0


class Lock:
    """A reentrant lock that says how often it is held, and can be taken by `somebody`."""

    def __init__(self) -> None:
        self.depth = 0
        self.taken = 0
        self.is_elsewhere = False

    def acquire(self, blocking: bool = True) -> bool:
        if self.is_elsewhere:
            assert not blocking, "this would wait for another thread"
            return False
        self.depth += 1
        self.taken += 1
        return True

    def release(self) -> None:
        self.depth -= 1

    def _is_owned(self) -> bool:
        return self.depth > 0

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *error: object) -> None:
        self.release()


class GuardedChannel(MemoryChannel):
    """A channel that must not be touched without its lock."""

    def __init__(self) -> None:
        super().__init__("h2")
        self.lock = Lock()
        self.waits: list[Any] = []

    def write(self, data: Any) -> None:
        assert self.lock.depth or self.lock.is_elsewhere, "written without the lock"
        super().write(data)

    def soon(self, callback: Any) -> None:
        raise AssertionError("there is no later on a blocking client")

    def new_shared_wait(self, patient: Any) -> Any:
        self.waits.append(patient)
        return object()


def frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def frames(data: bytes) -> list[tuple[int, int]]:
    """Type and stream of each frame."""
    data, found = data.removeprefix(PREFACE), []
    while data:
        size = int.from_bytes(data[:3], "big")
        found.append((data[3], int.from_bytes(data[5:9], "big")))
        data = data[9 + size :]
    return found


class Talk:
    """A connection over a guarded channel, its settings exchanged."""

    def __init__(self) -> None:
        self.channel = GuardedChannel()
        self.released = Releases()
        lane = memory_lane(scheme="https")
        self.connection = SharedHTTP2Connection(self.channel, MemoryNetwork(), lane, self.released)
        with self.channel.lock:
            self.channel.feed(frame(SETTINGS, 0, 0) + frame(SETTINGS, 1, 0))
        self.channel.written.clear()

    def exchange(self) -> HTTP2Exchange:
        self.connection.in_use += 1
        return HTTP2Exchange(self.connection, Timeout(None), NEVER, 0.0)

    def open(self, *, end_stream: bool = True) -> Any:
        exchange = self.exchange()
        request = Request("GET", "https://example.com/")
        stream = self.connection.open(exchange, request, end_stream=end_stream)
        return exchange, stream


@pytest.fixture
def talk() -> Iterator[Talk]:
    talk = Talk()
    yield talk
    assert talk.channel.lock.depth == 0


def test_beginning_takes_the_lock(talk: Talk) -> None:
    assert talk.connection.lock is talk.channel.lock
    assert talk.channel.lock.taken > 0
    assert talk.connection.is_settled


def test_a_request_has_its_stream_before_anybody_may_answer_it(talk: Talk) -> None:
    exchange, stream = talk.open()
    assert exchange.stream is stream
    talk.connection.flush_soon()
    assert frames(talk.channel.sent) == [(HEADERS, 1)], "there is no later: it was written at once"


@pytest.mark.parametrize(
    ("work", "kinds"),
    [
        (lambda talk, stream: talk.connection.send_data(stream, b"content", end_stream=False), [HEADERS, DATA]),
        (lambda talk, stream: talk.connection.reset(stream), [HEADERS, RST_STREAM]),
        (lambda talk, stream: talk.connection.reset(stream, answered=True), [HEADERS, RST_STREAM]),
        (lambda talk, stream: talk.connection.flush_soon(), [HEADERS]),
        (lambda talk, stream: talk.connection.abort(ClientClosed()), [HEADERS]),
        (lambda talk, stream: talk.connection.close(), [HEADERS, GOAWAY]),
    ],
    ids=["send_data", "reset", "answered", "flush_soon", "abort", "close"],
)
def test_whatever_is_written_is_written_under_the_lock(talk: Talk, work: Any, kinds: list[int]) -> None:
    _, stream = talk.open(end_stream=False)
    work(talk, stream)
    assert [kind for kind, _ in frames(talk.channel.sent)] == kinds


def test_an_exchange_that_is_over_gives_its_place_back_once(talk: Talk) -> None:
    exchange, _ = talk.open()
    talk.connection.done(exchange)
    talk.connection.done(exchange)
    assert (talk.released.ended, talk.connection.exchanges) == (1, set())


def test_a_wait_is_one_of_a_thread_with_the_limits_of_its_exchange(talk: Talk) -> None:
    exchange = talk.exchange()
    talk.connection.new_wait(exchange)
    assert talk.channel.waits == [exchange]


def test_aborting_tells_every_exchange(talk: Talk) -> None:
    exchanges = [talk.open()[0] for _ in range(3)]
    talk.connection.abort(ClientClosed())
    assert all(exchange.over for exchange in exchanges)
    assert talk.channel.closed
    assert talk.released.ended == 3


def test_closing_says_goodbye(talk: Talk) -> None:
    talk.connection.close()
    assert frames(talk.channel.sent) == [(GOAWAY, 0)]
    assert talk.channel.closed


def test_closing_does_not_wait_for_a_thread_that_is_busy_with_the_connection(talk: Talk) -> None:
    talk.channel.lock.is_elsewhere = True
    talk.connection.close()
    assert talk.channel.closed
    assert talk.channel.written == [], "what that thread is writing must not be broken into"


# -- with threads ------------------------------------------------------------------------------------------------


class Server(threading.Thread):
    """Answers each stream with its path as content, except those in `silent`."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__(daemon=True)
        self.sock = sock
        self.silent: set[str] = set()
        self.resets: list[int] = []
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self._serve()
        except OSError:
            pass  # the client has gone, as it may
        except BaseException as error:
            self.error = error

    def _serve(self) -> None:
        decoder, encoder = hpack.Decoder(), hpack.Encoder()
        data = bytearray()
        self.sock.sendall(frame(SETTINGS, 0, 0))
        seen_preface = False
        while piece := self.sock.recv(65_536):
            data += piece
            if not seen_preface:
                if len(data) < len(PREFACE):
                    continue
                del data[: len(PREFACE)]
                seen_preface = True
            while len(data) >= 9 and len(data) >= 9 + (size := int.from_bytes(data[:3], "big")):
                kind, flags, stream = data[3], data[4], int.from_bytes(data[5:9], "big")
                payload = bytes(data[9 : 9 + size])
                del data[: 9 + size]
                if kind == SETTINGS and not flags & 1:
                    self.sock.sendall(frame(SETTINGS, 1, 0))
                elif kind == RST_STREAM:
                    self.resets.append(stream)
                elif kind == HEADERS:
                    path = dict(decoder.decode(payload))[":path"]
                    if path not in self.silent:
                        block = encoder.encode([(":status", "200")])
                        self.sock.sendall(frame(HEADERS, 4, stream, block) + frame(DATA, 1, stream, path.encode()))


class House:
    """A shared connection to a server in a thread."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        self.network = BlockingNetwork()
        self.server = Server(theirs)
        self.released = Releases()
        channel = self.network.shared(ours, "peer")
        self.connection = SharedHTTP2Connection(channel, self.network, memory_lane(scheme="https"), self.released)

    def get(self, path: str, timeout: Timeout) -> bytes:
        with self.connection.lock:
            self.connection.in_use += 1
        exchange = HTTP2Exchange(self.connection, timeout, NEVER, self.network.now())
        _, content, _ = drive(exchange.run(Request("GET", f"https://example.com{path}")))
        if isinstance(content, bytes):
            return content
        data: bytes = drive(content.receive_all())
        return data

    def close(self) -> None:
        self.connection.close()
        self.server.join(PATIENCE)
        self.server.sock.close()
        assert not self.server.is_alive()
        assert self.server.error is None


@pytest.fixture
def home() -> Iterator[House]:
    home = House()
    yield home
    home.close()


def in_threads(count: int, work: Any) -> list[Any]:
    """What each thread gave, or raised."""
    results: list[Any] = [None] * count

    def run(number: int) -> None:
        try:
            results[number] = work(number)
        except BaseException as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert not any(thread.is_alive() for thread in threads), "a thread was forgotten"
    return results


def test_each_thread_gets_the_answer_to_its_own_request(home: House) -> None:
    def work(number: int) -> list[bytes]:
        return [home.get(f"/{number}/{turn}", Timeout(PATIENCE)) for turn in range(10)]

    answers = in_threads(12, work)
    assert answers == [[f"/{number}/{turn}".encode() for turn in range(10)] for number in range(12)]
    assert home.connection.exchanges == set()
    assert home.released.ended == 120


def test_a_request_that_is_never_answered_fails_alone(home: House) -> None:
    home.server.silent.add("/3")

    def work(number: int) -> bytes:
        return home.get(f"/{number}", Timeout(0.1 if number == 3 else PATIENCE))

    answers = in_threads(8, work)
    assert isinstance(answers[3], ReadTimeout) or isinstance(answers[3].__cause__, ReadTimeout)
    assert [answer for number, answer in enumerate(answers) if number != 3] == [
        f"/{number}".encode() for number in range(8) if number != 3
    ]
    assert home.get("/after", Timeout(PATIENCE)) == b"/after", "the connection goes on"
    assert len(home.server.resets) == 1


def test_aborting_wakes_every_thread(home: House) -> None:
    home.server.silent.update(f"/{number}" for number in range(6))
    timer = threading.Timer(0.05, lambda: home.connection.abort(ClientClosed()))
    timer.start()
    answers = in_threads(6, lambda number: home.get(f"/{number}", Timeout(None)))
    timer.join(PATIENCE)
    assert all(isinstance(answer, Exception) for answer in answers)
    assert home.released.ended == 6


def test_the_end_of_the_connection_wakes_every_thread(home: House) -> None:
    home.server.silent.update(f"/{number}" for number in range(6))
    timer = threading.Timer(0.05, lambda: home.server.sock.shutdown(socket.SHUT_RDWR))
    timer.start()
    answers = in_threads(6, lambda number: home.get(f"/{number}", Timeout(None)))
    timer.join(PATIENCE)
    assert all(isinstance(answer, Exception) for answer in answers)
    assert not home.connection.reusable


def test_waits_of_this_connection_are_shared_ones(home: House) -> None:
    exchange = HTTP2Exchange(home.connection, Timeout(None), NEVER, 0.0)
    assert isinstance(home.connection.new_wait(exchange), SharedWait)


@pytest.mark.parametrize(
    ("name", "work"),
    [
        ("open_stream", lambda home: home.get("/a", Timeout(5))),
        ("send_data", lambda home: home.connection.send_data(None, b"content", end_stream=True)),
        ("data_to_send", lambda home: home.get("/a", Timeout(5))),
    ],
)
def test_an_interrupt_while_the_engine_writes_ends_the_connection(
    home: House, monkeypatch: pytest.MonkeyPatch, name: str, work: Any
) -> None:
    """Or what other threads send next would follow half a frame, or refer to a table that the peer does not have."""

    def interrupt(*_: Any, **__: Any) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(type(home.connection.engine), name, interrupt)
    with pytest.raises(KeyboardInterrupt):
        work(home)
    assert home.connection.lost
    assert home.connection.exchanges == set()
