"""A socket in the calling thread, beyond what `test_blocking` says: limits of writes, early answers, ends, liveness."""

from __future__ import annotations

import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.client.drive import drive
from hyperhttp.exceptions import ReadError, TLSError, WriteError, WriteTimeout
from hyperhttp.network import blocking_channel
from hyperhttp.network.base import NEVER
from hyperhttp.network.blocking import BlockingNetwork
from hyperhttp.network.blocking_channel import BlockingChannel
from hyperhttp.network.sharing import SharedChannel
from hyperhttp.testing.tls import shared_authority

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

PATIENCE = 5.0
MUCH = 3_000_000  # bytes; more than any pair of sockets takes at once


class Ear:
    """A receiver whose wait ends with so many bytes, or with anything else that happens."""

    def __init__(self, channel: BlockingChannel, limit: float | None = PATIENCE) -> None:
        self.channel = channel
        self.data = bytearray()
        self.events: list[Any] = []
        self.limit = limit
        self.wait: Any = None
        self.enough = 1
        self.answers = True  # bytes are an answer to what is being sent
        self.ends_waits = True
        channel.attach(self)  # type: ignore[arg-type]

    def hear(self, enough: int = 1) -> bytes:
        self.enough = enough
        self.wait = self.channel.new_wait()
        if len(self.data) < enough:
            wait_for(self.wait)
        data, self.data = bytes(self.data), bytearray()
        return data

    def _end(self, *event: Any) -> None:
        self.events.append(event)
        if self.ends_waits and self.wait is not None and not self.wait.done():
            self.wait.set_result(None)

    def receive_data(self, data: bytes) -> None:
        self.data += data
        if len(self.data) >= self.enough and self.wait is not None and not self.wait.done():
            self.wait.set_result(None)

    def buffer_grew(self, size: int) -> None:
        self.events.append(("grew", size))

    def buffer_filled(self, *, more: bool) -> None:
        self._end("filled", more)

    def receive_eof(self) -> None:
        self._end("eof")

    def connection_lost(self, error: Exception | None) -> None:
        self._end("lost", type(error))

    def write_resumed(self) -> None:
        raise NotImplementedError

    def remaining(self) -> float | None:
        return self.limit

    def write_limit(self) -> float | None:
        return self.limit

    def has_answer(self) -> bool:
        return self.answers and bool(self.data)

    def check(self, now: float) -> float:
        self._end("overdue")
        return NEVER

    def abort(self, error: Exception | None = None) -> None:
        raise NotImplementedError


def wait_for(wait: Any) -> Any:
    """What a wait gives, in this thread."""

    async def waiting() -> Any:
        return await wait

    return drive(waiting())


class Peer(threading.Thread):
    """What the other end does, in a thread; its error is raised by `join`."""

    def __init__(self, work: Any) -> None:
        super().__init__(daemon=True)
        self._work = work
        self._error: BaseException | None = None
        self.value: Any = None
        self.start()

    def run(self) -> None:
        try:
            self.value = self._work()
        except BaseException as error:
            self._error = error

    def get(self) -> Any:
        self.join(PATIENCE)
        assert not self.is_alive()
        if self._error is not None:
            raise self._error
        return self.value


def drain(peer: socket.socket, size: int) -> int:
    """Read so many bytes, or until the end."""
    left = size
    while left and (piece := peer.recv(min(left, 1 << 20))):
        left -= len(piece)
    return size - left


@pytest.fixture
def network() -> Iterator[BlockingNetwork]:
    network = BlockingNetwork()
    yield network
    drive(network.close())
    assert network.channels == set()


@pytest.fixture
def pair(network: BlockingNetwork) -> Iterator[tuple[BlockingChannel, socket.socket]]:
    ours, peer = socket.socketpair()
    with peer:
        peer.settimeout(PATIENCE)
        yield BlockingChannel(network, ours, "peer"), peer


@pytest.fixture
def tls_pair(network: BlockingNetwork) -> Iterator[tuple[BlockingChannel, ssl.SSLSocket]]:
    yield from handshaken(network, shared_authority().server_context(alpn=["h2"]))


def handshaken(network: BlockingNetwork, accepting: ssl.SSLContext) -> Iterator[tuple[BlockingChannel, ssl.SSLSocket]]:
    ours, theirs = socket.socketpair()
    context = shared_authority().client_context(alpn=["h2"])
    server = Peer(lambda: accepting.wrap_socket(theirs, server_side=True))
    channel = BlockingChannel(network, ours, "peer")
    drive(channel.start_tls(context, "localhost", "localhost:1"))
    with server.get() as peer:
        peer.settimeout(PATIENCE)
        yield channel, peer


# -- waits -------------------------------------------------------------------------------------------------------


def test_a_wait_that_was_set_reads_nothing(pair: Any) -> None:
    channel, peer = pair
    ear = Ear(channel)
    peer.sendall(b"data")
    wait = channel.new_wait()
    assert not wait.done()
    wait.set_result("given")
    assert (wait.done(), wait_for(wait), wait.exception()) == (True, "given", None)
    assert not ear.data


def test_a_wait_raises_what_it_failed_with(pair: Any) -> None:
    channel, _ = pair
    wait, error = channel.new_wait(), ReadError("gone")
    wait.set_exception(error)
    assert (wait.done(), wait.exception()) == (True, error)
    with pytest.raises(ReadError, match="gone"):
        wait_for(wait)


def test_a_wait_is_given_up_once(pair: Any) -> None:
    channel, _ = pair
    wait = channel.new_wait()
    assert [wait.cancel(), wait.cancel(), wait.done()] == [True, False, True]


def test_a_channel_nobody_listens_to_cannot_be_waited_on(pair: Any) -> None:
    channel, _ = pair
    with pytest.raises(ReadError, match="not in use"):
        wait_for(channel.new_wait())


@pytest.mark.parametrize("end", ["eof", "reset"])
def test_a_wait_that_the_receiver_forgets_at_the_end_fails(network: BlockingNetwork, scripted: Any, end: str) -> None:
    from hyperhttp.testing.scripted import Close, Expect, Reset

    server = scripted.by_connection([[Expect(b"go"), Close() if end == "eof" else Reset()]])
    channel = BlockingChannel(network, socket.create_connection(("127.0.0.1", server.port)), "peer")
    ear = Ear(channel)
    ear.ends_waits = False
    channel.write(b"go")
    with pytest.raises(ReadError, match="closed"):
        ear.hear()
    assert ear.events == [("eof",) if end == "eof" else ("lost", ConnectionResetError)]


@pytest.mark.parametrize("limit", [None, PATIENCE])
def test_a_wait_that_begins_when_another_thread_has_closed_the_channel_fails(pair: Any, limit: float | None) -> None:
    channel, _ = pair
    ear = Ear(channel, limit)
    channel.close()
    ear.hear()
    assert ear.events == [("lost", OSError)]


# -- limits of reads ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", [True, False])
@pytest.mark.parametrize("limit", [0.05, 0.0])
def test_a_limit_holds_whoever_keeps_it(
    network: BlockingNetwork, monkeypatch: pytest.MonkeyPatch, kernel: bool, limit: float
) -> None:
    monkeypatch.setattr(blocking_channel, "_KERNEL_TIMEOUTS", kernel)
    ours, peer = socket.socketpair()
    with peer:
        ear = Ear(BlockingChannel(network, ours, "peer"), limit)
        started = time.monotonic()
        ear.hear()
        assert limit - 0.01 <= time.monotonic() - started < limit + 2
        assert ear.events == [("overdue",)]
        ear.limit = None
        peer.sendall(b"later")
        assert ear.hear(5) == b"later"


def test_a_receiver_that_has_more_patience_than_it_said_is_asked_again(pair: Any) -> None:
    channel, _ = pair
    ear = Ear(channel, 0.01)
    asked: list[float] = []

    def check(now: float) -> float:
        asked.append(now)
        if len(asked) == 3:
            ear.wait.set_result(None)
        return NEVER

    ear.check = check  # type: ignore[method-assign]
    ear.hear()
    assert len(asked) == 3


# -- into a buffer -----------------------------------------------------------------------------------------------


def test_a_buffer_is_filled_piece_by_piece_with_every_limit_in_force(pair: Any) -> None:
    channel, peer = pair
    ear, buffer = Ear(channel), bytearray(6)
    assert channel.receive_into(memoryview(buffer))
    peer.sendall(b"abc")
    ear.limit = 0.02
    ear.hear(10)
    assert ear.events == [("grew", 3), ("overdue",)]
    peer.sendall(b"defGHI")
    ear.hear(10)
    assert bytes(buffer) == b"abcdef"
    assert ear.events[2:] == [("filled", False)]
    assert ear.hear() == b"GHI", "what follows comes by the usual way"


def test_an_end_while_a_buffer_is_filled_is_told(pair: Any) -> None:
    channel, peer = pair
    ear = Ear(channel)
    channel.receive_into(memoryview(bytearray(6)))
    peer.sendall(b"abc")
    peer.close()
    ear.hear(10)
    assert ear.events == [("grew", 3), ("eof",)]


def test_a_buffer_is_filled_through_tls_too(tls_pair: Any) -> None:
    channel, peer = tls_pair
    ear, buffer = Ear(channel), bytearray(50_000)
    channel.receive_into(memoryview(buffer))
    peer.sendall(b"x" * 50_000 + b"more")
    ear.hear(100_000)
    assert bytes(buffer) == b"x" * 50_000
    assert ear.hear(4) == b"more"


# -- limits of writes --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
@pytest.mark.parametrize("size", [10, 40_000, MUCH])
def test_all_that_is_written_arrives(pair: Any, kind: Any, size: int) -> None:
    channel, peer = pair
    Ear(channel)
    reading = Peer(lambda: drain(peer, size))
    channel.write(kind(b"x" * size))
    assert reading.get() == size


@pytest.mark.parametrize("size", [10, MUCH])
def test_a_peer_that_takes_nothing_is_a_write_timeout(pair: Any, size: int) -> None:
    channel, _ = pair
    peer_takes_nothing(channel)
    ear = Ear(channel, 0.05)
    started = time.monotonic()
    with pytest.raises(WriteTimeout, match=r"took no bytes for 0\.05 s") as caught:
        channel.write(b"x" * size)
    assert 0.04 < time.monotonic() - started < 1
    assert (caught.value.limit, caught.value.phase) == (0.05, "write")
    assert ear.events == [("overdue",)], "the receiver may have a better word for it, such as the call's total"


def peer_takes_nothing(channel: BlockingChannel) -> None:
    """Fill the buffers of both ends."""
    channel._sock.setblocking(False)
    try:
        while True:
            channel._sock.send(b"x" * 100_000)
    except BlockingIOError:
        channel._sock.setblocking(True)


def test_the_limit_is_for_each_wait_and_not_for_the_whole(pair: Any) -> None:
    channel, peer = pair
    Ear(channel, 0.1)

    def slowly() -> int:
        taken = 0
        while taken < 1_000_000:
            time.sleep(0.02)
            taken += len(peer.recv(200_000))
        return taken

    reading = Peer(slowly)
    channel.write(b"x" * 1_000_000)
    assert reading.get() == 1_000_000


def test_without_a_limit_a_write_waits_as_long_as_it_takes(pair: Any) -> None:
    channel, peer = pair
    Ear(channel, None)
    timer = threading.Timer(0.1, lambda: drain(peer, MUCH))
    timer.start()
    channel.write(b"x" * MUCH)
    timer.join(PATIENCE)


def test_a_write_through_tls_has_its_limit_too(tls_pair: Any) -> None:
    channel, _ = tls_pair
    Ear(channel, 0.05)
    with pytest.raises(WriteTimeout):
        channel.write(b"x" * MUCH)


def test_waits_go_on_as_before_after_a_long_write(pair: Any) -> None:
    channel, peer = pair
    ear = Ear(channel, 0.1)
    reading = Peer(lambda: drain(peer, MUCH))
    channel.write(b"x" * MUCH)
    reading.get()
    peer.sendall(b"answer")
    assert ear.hear(6) == b"answer"
    ear.hear()
    assert ear.events == [("overdue",)]


# -- early answers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fixture", ["pair", "tls_pair"])
def test_an_answer_is_heard_while_content_is_still_being_sent(fixture: str, request: Any) -> None:
    channel, peer = request.getfixturevalue(fixture)
    ear = Ear(channel)

    def answer() -> int:
        drain(peer, 100_000)
        peer.sendall(b"no, thanks")
        while not ear.data:
            time.sleep(0.001)
        return drain(peer, MUCH - 100_000)

    reading = Peer(answer)
    channel.write(b"x" * MUCH)
    assert bytes(ear.data) == b"no, thanks"
    assert reading.get() == MUCH - 100_000, "whoever writes decides whether the rest is sent"


def test_a_peer_that_has_answered_and_takes_no_more_is_no_error(pair: Any) -> None:
    channel, peer = pair
    ear = Ear(channel, 0.05)
    peer.sendall(b"no, thanks")
    channel.write(b"x" * MUCH)
    assert bytes(ear.data) == b"no, thanks"


@pytest.mark.parametrize("size", [10, MUCH])
def test_a_peer_that_has_answered_and_gone_is_no_error(pair: Any, size: int) -> None:
    channel, peer = pair
    ear = Ear(channel)
    peer.sendall(b"no, thanks")
    peer.close()
    channel.write(b"x" * size)
    assert bytes(ear.data) == b"no, thanks"
    assert ear.events == []


@pytest.mark.parametrize("size", [10, MUCH])
def test_a_peer_that_has_gone_without_an_answer_is_told(pair: Any, size: int) -> None:
    channel, peer = pair
    ear = Ear(channel)
    peer.close()
    channel.write(b"x" * size)
    assert ear.events == [("lost", BrokenPipeError)]


def test_a_peer_that_has_gone_before_anybody_listens_is_an_error(pair: Any) -> None:
    channel, peer = pair
    peer.close()
    with pytest.raises(WriteError, match="the connection to peer broke") as caught:
        channel.write(b"x")
    assert isinstance(caught.value.__cause__, OSError)


def test_a_peer_that_will_say_nothing_more_may_still_listen(pair: Any) -> None:
    channel, peer = pair
    Ear(channel)
    peer.shutdown(socket.SHUT_WR)
    reading = Peer(lambda: drain(peer, MUCH))
    channel.write(b"x" * MUCH)
    assert reading.get() == MUCH


def test_listening_hears_what_has_come_and_does_not_wait(pair: Any) -> None:
    channel, peer = pair
    ear = Ear(channel)
    channel.listen()
    assert not ear.data
    peer.sendall(b"early")
    channel.listen()
    assert bytes(ear.data) == b"early"
    ear.data.clear()
    peer.sendall(b"later")
    assert ear.hear(5) == b"later"


def test_listening_through_tls_takes_what_tls_says_to_itself_for_nothing(tls_pair: Any) -> None:
    channel, peer = tls_pair
    ear = Ear(channel)
    channel.listen()
    channel.listen()
    assert (ear.data, ear.events) == (b"", [])
    peer.sendall(b"early")
    channel.listen()
    channel.listen()
    assert bytes(ear.data) == b"early"


def test_nothing_is_heard_on_a_closed_channel(pair: Any) -> None:
    channel, peer = pair
    ear = Ear(channel)
    peer.sendall(b"late")
    channel.close()
    channel.listen()
    assert (ear.data, ear.events) == (b"", [])


# -- liveness ----------------------------------------------------------------------------------------------------


def test_an_idle_channel_is_alive_as_often_as_it_is_asked(pair: Any) -> None:
    channel, _ = pair
    assert [channel.is_alive() for _ in range(3)] == [True] * 3


@pytest.mark.parametrize("event", ["bytes", "end", "closed", "forgotten"])
def test_it_is_not_once_anything_has_happened(pair: Any, network: BlockingNetwork, event: str) -> None:
    channel, peer = pair
    {
        "bytes": lambda: peer.sendall(b"x"),
        "end": peer.close,
        "closed": channel.close,
        "forgotten": network.forget,
    }[event]()
    assert not channel.is_alive()
    assert not channel.is_alive()


@pytest.mark.parametrize("tickets", [0, 1, 2, 5])
def test_session_tickets_are_no_reason_to_give_a_connection_up(network: BlockingNetwork, tickets: int) -> None:
    accepting = shared_authority().server_context()
    accepting.num_tickets = tickets
    for channel, peer in handshaken(network, accepting):
        ear = Ear(channel, 1.0)
        assert [channel.is_alive() for _ in range(tickets + 2)] == [True] * (tickets + 2)
        channel.write(b"request")
        assert peer.recv(100) == b"request"
        peer.sendall(b"response")
        assert ear.hear(8) == b"response", "waits and their limits are as they were"
        ear.limit = 0.02
        ear.hear()
        assert ear.events == [("overdue",)]
        assert channel.is_alive()


def test_bytes_behind_the_tickets_are_noticed(tls_pair: Any) -> None:
    channel, peer = tls_pair
    peer.sendall(b"surplus")
    assert not channel.is_alive()


def test_bytes_that_tls_has_undone_already_are_noticed(tls_pair: Any) -> None:
    channel, peer = tls_pair
    peer.sendall(b"one record, read in two")
    ear = Ear(channel)
    assert channel._sock.recv(3) == b"one"
    assert not channel.is_alive()
    assert not ear.data


@pytest.mark.parametrize("way", ["closing alert", "reset"])
def test_the_end_of_tls_is_noticed(tls_pair: Any, way: str) -> None:
    channel, peer = tls_pair
    if way == "closing alert":
        closing = Peer(peer.unwrap)
        time.sleep(0.02)
        assert not channel.is_alive()
        channel.close()
        closing.join(PATIENCE)
    else:
        peer.close()
        assert not channel.is_alive()


# -- sharing, closing, TLS ---------------------------------------------------------------------------------------


def test_shared_it_is_another_channel_over_the_same_socket(pair: Any, network: BlockingNetwork) -> None:
    channel, peer = pair
    assert channel.lock is None
    with pytest.raises(NotImplementedError):
        channel.new_shared_wait(None)
    shared = channel.share()
    assert isinstance(shared, SharedChannel)
    assert network.channels == {shared}
    with shared.lock:
        shared.write(b"over the same socket")
    assert peer.recv(100) == b"over the same socket"


def test_shared_it_keeps_what_was_negotiated(tls_pair: Any) -> None:
    channel, _ = tls_pair
    assert (channel.alpn, channel.share().alpn) == ("h2", "h2")


def test_there_is_no_loop_so_callbacks_run_at_once(pair: Any) -> None:
    channel, _ = pair
    ran: list[int] = []
    channel.soon(lambda: ran.append(1))
    channel.call_safely(lambda: ran.append(2))
    channel.pause_reading()
    channel.resume_reading()
    assert ran == [1, 2]


@pytest.mark.parametrize("way", ["close", "abort"])
def test_closing_twice_is_closing_once(pair: Any, network: BlockingNetwork, way: str) -> None:
    channel, peer = pair
    ear = Ear(channel)
    getattr(channel, way)()
    getattr(channel, way)()
    assert (channel.closed, network.channels, ear.events) == (True, set(), [])
    assert peer.recv(1) == b""


def test_closing_wakes_a_thread_that_waits(pair: Any) -> None:
    channel, _ = pair
    ear = Ear(channel, None)
    waiting = Peer(ear.hear)
    time.sleep(0.02)
    channel.close()
    assert waiting.get() == b""
    assert ear.events[0] in (("eof",), ("lost", OSError))


def test_forgotten_the_peer_hears_nothing_of_it(pair: Any, network: BlockingNetwork) -> None:
    """After a fork: the parent goes on with the connection."""
    channel, peer = pair
    with socket.socket(fileno=os.dup(channel._sock.fileno())) as parents:
        network.forget()
        assert (channel.closed, network.channels) == (True, set())
        peer.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.recv(1)
        parents.sendall(b"still here")
        assert peer.recv(100) == b"still here"


def test_a_handshake_that_fails_leaves_nothing(pair: Any, network: BlockingNetwork) -> None:
    channel, peer = pair
    peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(TLSError) as caught:
        drive(channel.start_tls(shared_authority().client_context(), "localhost", "localhost:1"))
    assert (caught.value.host, caught.value.port) == ("localhost", 1)
    assert network.channels == set()
    channel.close()
    assert channel.closed


def test_tls_over_a_channel_that_was_used_in_clear(network: BlockingNetwork) -> None:
    ours, theirs = socket.socketpair()
    accepting, context = shared_authority().server_context(), shared_authority().client_context()
    channel = BlockingChannel(network, ours, "peer")
    ear = Ear(channel, 1.0)

    def proxy() -> bytes:
        theirs.recv(100)
        theirs.sendall(b"go on")
        with accepting.wrap_socket(theirs, server_side=True) as sock:
            data: bytes = sock.recv(100)
            sock.sendall(b"in secret")
        return data

    server = Peer(proxy)
    channel.write(b"CONNECT")
    assert ear.hear(5) == b"go on"
    drive(channel.start_tls(context, "localhost", "localhost:1"))
    assert network.channels == {channel}
    channel.write(b"request")
    assert ear.hear(9) == b"in secret"
    assert server.get() == b"request"


def test_sending_runs_to_its_end_and_what_it_raises_comes_out(pair: Any) -> None:
    channel, _ = pair
    ran: list[int] = []

    async def sending() -> None:
        ran.append(1)
        raise KeyError("of the sender")

    with pytest.raises(KeyError):
        drive(channel.send_while(sending(), channel.new_wait()))
    assert ran == [1]
