"""Threads on one socket: one of them reads for all, nobody sleeps through what is theirs, nothing stays behind."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.client.drive import drive
from hyperhttp.exceptions import ReadError, ReadTimeout
from hyperhttp.network.base import NEVER
from hyperhttp.network.blocking import BlockingNetwork
from hyperhttp.network.sharing import SharedChannel, SharedWait
from hyperhttp.testing.tls import shared_authority

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterator

PATIENCE = 5.0  # seconds; nothing waits that long unless the test is about to fail


class Patient:
    """Somebody with a limit of their own, whose wait fails when it has passed."""

    def __init__(self, limit: float | None = PATIENCE) -> None:
        self.at = NEVER if limit is None else time.monotonic() + limit
        self.wait: Any = None

    def remaining(self) -> float | None:
        return None if self.at == NEVER else max(self.at - time.monotonic(), 0.0)

    def check(self, now: float) -> float:
        if now < self.at:
            return self.at
        if self.wait is not None and not self.wait.done():
            self.wait.set_exception(ReadTimeout("overdue"))
        return NEVER

    def abort(self, error: Exception | None = None) -> None:
        raise NotImplementedError


class Hub:
    """A receiver that gives each letter to who waits for it; threads that hear are written down."""

    def __init__(self, channel: SharedChannel) -> None:
        self.channel = channel
        self.early: dict[str, int] = {}
        self.waits: dict[str, SharedWait] = {}
        self.readers: list[int] = []
        self.events: list[Any] = []
        self.received = 0
        channel.attach(self)  # type: ignore[arg-type]

    def check(self, now: float) -> float:
        return float("inf")

    def remaining(self) -> float | None:
        return None

    def receive_data(self, data: bytes) -> None:
        self.readers.append(threading.get_ident())
        self.received += len(data)
        for letter in data.decode("ascii"):
            wait = self.waits.pop(letter, None)
            if wait is None:
                self.early[letter] = self.early.get(letter, 0) + 1
            else:
                wait.set_result(letter)

    def receive_eof(self) -> None:
        self._end("eof")

    def connection_lost(self, error: Exception | None) -> None:
        self._end("lost")

    def _end(self, event: str) -> None:
        self.events.append(event)
        waits, self.waits = self.waits, {}
        for wait in waits.values():
            wait.set_exception(ReadError(event))

    def write_resumed(self) -> None:
        self.events.append("resumed")

    def hear(self, letter: str, limit: float | None = PATIENCE) -> str:
        """Wait for a letter in the calling thread."""
        patient = Patient(limit)
        with self.channel.lock:
            wait = patient.wait = self.channel.new_shared_wait(patient)  # type: ignore[arg-type]
            if self.early.get(letter):
                self.early[letter] -= 1
                wait.set_result(letter)
            else:
                self.waits[letter] = wait

        async def waiting() -> Any:
            return await wait

        result: str = drive(waiting())
        return result


class Worker(threading.Thread):
    """A thread whose result, or error, is asked for with `get`."""

    def __init__(self, work: Callable[[], Any]) -> None:
        super().__init__(daemon=True)
        self._work = work
        self.value: Any = None
        self.error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            self.value = self._work()
        except BaseException as error:
            self.error = error

    def get(self) -> Any:
        self.join(PATIENCE)
        assert not self.is_alive(), "a thread was forgotten"
        if self.error is not None:
            raise self.error
        return self.value


def is_read(channel: SharedChannel) -> bool:
    """Whether some thread reads for all."""
    return repr(channel._reading).startswith("<locked")


def until(condition: Callable[[], Any]) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.001)


def drain(peer: socket.socket, size: int) -> bytes:
    """So many bytes from the other end."""
    peer.settimeout(PATIENCE)
    data = bytearray()
    while len(data) < size and (piece := peer.recv(1 << 20)):
        data += piece
    return bytes(data)


@pytest.fixture
def pair() -> Iterator[tuple[Hub, socket.socket]]:
    """A shared channel with its receiver, and the other end."""
    ours, peer = socket.socketpair()
    network = BlockingNetwork()
    channel = network.shared(ours, "peer")
    with peer:
        yield Hub(channel), peer
        channel.close()
    assert network.channels == set()


@pytest.fixture
def tls_pair() -> Iterator[tuple[Hub, ssl.SSLSocket]]:
    """The same over TLS."""
    ours, theirs = socket.socketpair()
    network = BlockingNetwork()
    accepting, context = shared_authority().server_context(), shared_authority().client_context()
    server = Worker(lambda: accepting.wrap_socket(theirs, server_side=True))
    channel = network.shared(network.secure(ours, context, "localhost", "localhost:1"), "peer")
    with server.get() as peer:
        yield Hub(channel), peer
        channel.close()


# -- waits -------------------------------------------------------------------------------------------------------


def test_a_wait_has_the_value_it_was_given_before_anybody_waited(pair: Any) -> None:
    hub, _ = pair
    wait = hub.channel.new_shared_wait(Patient())
    assert not wait.done()
    wait.set_result("early")
    assert wait.done()
    assert wait.exception() is None

    async def waiting() -> Any:
        return await wait

    assert drive(waiting()) == "early"


def test_a_wait_raises_what_it_failed_with(pair: Any) -> None:
    hub, _ = pair
    wait, error = hub.channel.new_shared_wait(Patient()), ReadError("gone")
    wait.set_exception(error)
    assert (wait.done(), wait.exception()) == (True, error)

    async def waiting() -> Any:
        return await wait

    with pytest.raises(ReadError, match="gone"):
        drive(waiting())


def test_a_wait_is_given_up_once(pair: Any) -> None:
    hub, _ = pair
    wait = hub.channel.new_shared_wait(Patient())
    assert [wait.cancel(), wait.cancel(), wait.done()] == [True, False, True]


def test_a_bell_rung_twice_rings_once(pair: Any) -> None:
    hub, _ = pair
    wait = hub.channel.new_shared_wait(Patient())
    wait.hang_bell()
    wait.ring()
    wait.ring()
    assert wait.sleep(0)
    assert not wait.sleep(0)
    assert not wait.done()


def test_the_lock_may_be_taken_again_by_the_thread_that_has_it(pair: Any) -> None:
    hub, _ = pair
    with hub.channel.lock, hub.channel.lock:
        assert hub.channel.is_alive()


# -- reading -----------------------------------------------------------------------------------------------------


def test_one_thread_reads_for_all(pair: Any) -> None:
    hub, peer = pair
    workers = {letter: Worker(lambda letter=letter: hub.hear(letter)) for letter in "abcdefgh"}
    until(lambda: len(hub.waits) == 8)
    peer.sendall(b"abcdefgh")
    assert {letter: worker.get() for letter, worker in workers.items()} == {letter: letter for letter in "abcdefgh"}
    assert len(set(hub.readers)) == 1


@pytest.mark.parametrize("order", ["abcd", "dcba", "bdac"])
def test_whoever_stops_reading_hands_over_to_another(pair: Any, order: str) -> None:
    hub, peer = pair
    workers = {}
    for letter in "abcd":
        workers[letter] = Worker(lambda letter=letter: hub.hear(letter))
        until(lambda letter=letter: letter in hub.waits)
    for letter in order:
        peer.sendall(letter.encode())
        assert workers[letter].get() == letter
    assert not is_read(hub.channel)
    assert not hub.channel._waiting


def test_a_thread_that_comes_when_nobody_reads_reads_itself(pair: Any) -> None:
    hub, peer = pair
    for letter in "abc":
        peer.sendall(letter.encode())
        assert hub.hear(letter) == letter
    assert set(hub.readers) == {threading.get_ident()}


def test_all_that_has_come_is_taken_at_once(pair: Any) -> None:
    hub, peer = pair
    peer.sendall(b"x" * 100_000 + b"a")
    assert hub.hear("a") == "a"
    assert hub.received == 100_001


def test_a_turn_to_read_that_comes_too_late_for_its_thread_goes_to_the_next(pair: Any) -> None:
    """Between being chosen as the next reader and waking up, a thread may get what it waits for."""
    hub, peer = pair
    channel = hub.channel

    class Lucky(SharedWait):
        __slots__ = ()

        def ring(self) -> None:
            self.is_done = True  # as if somebody had given it its value at this moment
            super().ring()

    lucky = Lucky(channel, Patient())
    assert channel._reading.acquire(blocking=False)  # this thread reads
    first = Worker(lambda: channel.wait_for(lucky))
    until(lambda: lucky in channel._waiting)
    second = Worker(lambda: hub.hear("b", 0.3))
    until(lambda: len(channel._waiting) == 2)
    channel._waiting = Ordered(channel._waiting, lucky)
    channel._pass_on(channel.new_shared_wait(Patient()))
    first.get()
    peer.sendall(b"b")
    assert second.get() == "b"


class Ordered(set[Any]):
    """A set that begins with one of its members."""

    def __init__(self, members: Any, first: Any) -> None:
        super().__init__(members)
        self._first = first

    def __iter__(self) -> Iterator[Any]:
        return iter(sorted(set.__iter__(self), key=lambda member: member is not self._first))


def test_64_threads_get_what_is_theirs(pair: Any) -> None:
    hub, peer = pair
    letters = [chr(number) for number in range(33, 97)]
    workers = [Worker(lambda letter=letter: [hub.hear(letter) for _ in range(5)]) for letter in letters]
    for _ in range(5):
        for letter in letters:
            peer.sendall(letter.encode())
    assert [worker.get() for worker in workers] == [[letter] * 5 for letter in letters]
    assert not is_read(hub.channel)
    assert not hub.channel._waiting


# -- limits ------------------------------------------------------------------------------------------------------


def test_the_limit_of_who_reads_ends_its_wait_and_no_others(pair: Any) -> None:
    hub, peer = pair
    impatient = Worker(lambda: hub.hear("a", 0.05))
    until(lambda: is_read(hub.channel))
    patient = Worker(lambda: hub.hear("b"))
    with pytest.raises(ReadTimeout):
        impatient.get()
    peer.sendall(b"b")
    assert patient.get() == "b"


def test_the_limit_of_who_sleeps_ends_its_wait_and_no_others(pair: Any) -> None:
    hub, peer = pair
    patient = Worker(lambda: hub.hear("a", None))
    until(lambda: is_read(hub.channel))
    started = time.monotonic()
    with pytest.raises(ReadTimeout):
        hub.hear("b", 0.05)
    assert 0.04 < time.monotonic() - started < 1
    peer.sendall(b"a")
    assert patient.get() == "a"


def test_bytes_for_others_do_not_prolong_a_wait(pair: Any) -> None:
    hub, peer = pair
    over = threading.Event()

    def chatter() -> None:
        with contextlib.suppress(OSError):
            while not over.wait(0.005):
                peer.sendall(b"z")

    worker = Worker(chatter)
    started = time.monotonic()
    with pytest.raises(ReadTimeout):
        hub.hear("a", 0.1)
    assert time.monotonic() - started < 1
    over.set()
    worker.get()


# -- the end -----------------------------------------------------------------------------------------------------


def test_the_peers_end_is_told_and_wakes_all(pair: Any) -> None:
    hub, peer = pair
    workers = [Worker(lambda letter=letter: hub.hear(letter)) for letter in "abc"]
    until(lambda: len(hub.waits) == 3)
    peer.close()
    for worker in workers:
        with pytest.raises(ReadError, match="eof"):
            worker.get()
    assert hub.events[0] == "eof"


def test_a_broken_socket_is_told_and_wakes_all(scripted: Any) -> None:
    from hyperhttp.testing.scripted import Expect, Reset

    server = scripted.by_connection([[Expect(b"go"), Reset()]])
    network = BlockingNetwork()
    sock = socket.create_connection(("127.0.0.1", server.port))
    hub = Hub(network.shared(sock, "peer"))
    workers = [Worker(lambda letter=letter: hub.hear(letter)) for letter in "abc"]
    until(lambda: len(hub.waits) == 3)
    with hub.channel.lock:
        hub.channel.write(b"go")
    for worker in workers:
        with pytest.raises(ReadError):
            worker.get()
    assert hub.channel.closed
    hub.channel.close()


@pytest.mark.parametrize("limit", [PATIENCE, None])
def test_closing_wakes_all_who_wait(pair: Any, limit: float | None) -> None:
    hub, _ = pair
    workers = [Worker(lambda letter=letter: hub.hear(letter, limit)) for letter in "abc"]
    until(lambda: len(hub.waits) == 3 and len(hub.channel._waiting) == 2)
    used = time.process_time()
    started = time.monotonic()
    try:
        hub.channel.close()
        for worker in workers:
            worker.join(PATIENCE / 5)
        assert not any(worker.is_alive() for worker in workers), "they wait for what will never come"
        for worker in workers:
            with pytest.raises(ReadError):
                worker.get()
        assert time.monotonic() - started < PATIENCE - 1
        assert time.process_time() - used < 0.2, "nobody turns round in circles"
    finally:
        with hub.channel.lock:
            hub._end("the test is over")


def test_closing_wakes_who_waits_for_room(pair: Any) -> None:
    hub, _ = pair
    with hub.channel.lock:
        hub.channel.write(b"x" * 3_000_000)
    worker = Worker(lambda: hub.hear("a"))
    until(lambda: is_read(hub.channel))
    time.sleep(0.02)
    try:
        hub.channel.close()
        worker.join(PATIENCE)
        assert not worker.is_alive(), "it waits for room in what is closed"
        with pytest.raises(ReadError):
            worker.get()
    finally:
        with hub.channel.lock:
            hub._end("the test is over")


def test_a_wait_that_begins_after_the_end_fails_at_once(pair: Any) -> None:
    hub, _ = pair
    hub.channel.close()
    hub.channel.close()
    started = time.monotonic()
    with pytest.raises(ReadError, match="peer was closed"):
        hub.hear("a", None)
    assert time.monotonic() - started < 1


# -- writing -----------------------------------------------------------------------------------------------------


def test_what_the_system_takes_goes_at_once(pair: Any) -> None:
    hub, peer = pair
    with hub.channel.lock:
        for data in (b"bytes ", bytearray(b"bytearray "), memoryview(b"memoryview")):
            hub.channel.write(data)
    assert drain(peer, 26) == b"bytes bytearray memoryview"
    assert not hub.channel.write_paused


def test_what_is_left_over_goes_when_there_is_room_and_in_order(pair: Any) -> None:
    hub, peer = pair
    content = bytes(range(256)) * 12_000
    with hub.channel.lock:
        hub.channel.write(content)
        hub.channel.write(b"the end")
        assert hub.channel.write_paused
    worker = Worker(lambda: hub.hear("a"))
    assert drain(peer, len(content) + 7) == content + b"the end"
    peer.sendall(b"a")
    assert worker.get() == "a"
    assert hub.events == ["resumed"]
    assert not hub.channel.write_paused


def test_answers_are_heard_while_there_is_no_room(pair: Any) -> None:
    hub, peer = pair
    with hub.channel.lock:
        hub.channel.write(b"x" * 3_000_000)
    worker = Worker(lambda: hub.hear("a"))
    peer.sendall(b"a")
    assert worker.get() == "a"


def test_the_limit_of_who_waits_for_room_holds(pair: Any) -> None:
    hub, _ = pair
    with hub.channel.lock:
        hub.channel.write(b"x" * 3_000_000)
    started = time.monotonic()
    with pytest.raises(ReadTimeout):
        hub.hear("a", 0.05)
    assert time.monotonic() - started < 1


def test_an_answer_that_another_hears_wakes_who_reads(pair: Any) -> None:
    """Whoever waits for room must not take what the reading thread sleeps for."""
    hub, peer = pair
    reader = Worker(lambda: hub.hear("a", 1.0))
    until(lambda: is_read(hub.channel))
    with hub.channel.lock:
        hub.channel.write(b"x" * 3_000_000)
    writer = Worker(lambda: hub.hear("b", 1.0))
    time.sleep(0.02)
    peer.sendall(b"a")
    assert reader.get() == "a"
    drain(peer, 3_000_000)
    peer.sendall(b"b")
    assert writer.get() == "b"


def test_what_a_thread_left_over_goes_although_it_waits_for_nothing(pair: Any) -> None:
    """A reset or an open window is written by threads that go away; somebody else waits for what it brings."""
    hub, peer = pair
    reader = Worker(lambda: hub.hear("a", 1.0))
    until(lambda: is_read(hub.channel))
    with hub.channel.lock:
        hub.channel.write(b"x" * 3_000_000)
    peer.settimeout(0.2)
    received = 0
    with contextlib.suppress(TimeoutError):
        while received < 3_000_000:
            received += len(peer.recv(1 << 20))
    peer.sendall(b"a")
    assert reader.get() == "a"
    assert received == 3_000_000


def test_threads_that_write_at_once_do_not_mix_their_bytes(pair: Any) -> None:
    hub, peer = pair

    def work(letter: str) -> str:
        for _ in range(20):
            with hub.channel.lock:
                hub.channel.write(letter.encode() * 10_000)
        return hub.hear(letter)

    workers = {letter: Worker(lambda letter=letter: work(letter)) for letter in "abcd"}
    data = drain(peer, 4 * 20 * 10_000)
    peer.sendall(b"abcd")
    assert [worker.get() for worker in workers.values()] == ["a", "b", "c", "d"]
    blocks = [data[at : at + 10_000] for at in range(0, len(data), 10_000)]
    assert all(len(set(block)) == 1 for block in blocks)
    assert sorted(block[:1] for block in blocks) == [letter.encode() for letter in "abcd" for _ in range(20)]


def test_a_paused_channel_leaves_what_comes_in_the_socket(pair: Any) -> None:
    hub, peer = pair
    hub.channel.pause_reading()
    peer.sendall(b"abc")
    assert hub.channel.is_alive()
    assert hub.received == 0
    with hub.channel.lock:
        hub.channel.resume_reading()
    assert hub.received == 3


def test_a_paused_channel_still_sends_what_was_left_over(pair: Any) -> None:
    """What has come and is not wanted must neither be taken nor keep the thread busy."""
    hub, peer = pair
    hub.channel.pause_reading()
    peer.sendall(b"a")
    with hub.channel.lock:
        hub.channel.write(bytes(8 << 20))
        assert hub.channel.write_paused
    waiting = Worker(lambda: hub.hear("b", 10))
    taken = drain(peer, 8 << 20)
    assert len(taken) == 8 << 20
    until(lambda: "resumed" in hub.events)
    assert hub.received == 0
    with hub.channel.lock:
        hub.channel.resume_reading()
    peer.sendall(b"b")
    assert waiting.get() == "b"


def test_without_a_high_water_mark_every_byte_left_over_makes_senders_wait(pair: Any) -> None:
    hub, peer = pair
    hub.channel.high_water = 0
    size = 0
    with hub.channel.lock:
        while not hub.channel.write_paused:
            hub.channel.write(bytes(1000))
            size += 1000
    waiting = Worker(lambda: hub.hear("b", 10))
    assert len(drain(peer, size)) == size
    until(lambda: "resumed" in hub.events)
    assert not hub.channel.write_paused
    peer.sendall(b"b")
    assert waiting.get() == "b"


def test_what_the_peer_said_before_it_closed_is_heard_although_writing_fails(pair: Any) -> None:
    hub, peer = pair
    peer.sendall(b"abc")
    peer.close()
    with hub.channel.lock:
        hub.channel.write(b"into the void")
        hub.channel.write(b"again")
    assert hub.received == 3
    assert hub.events == ["lost"]


def test_a_write_that_fails_is_told_and_raises_nothing(pair: Any) -> None:
    hub, peer = pair
    peer.close()
    with hub.channel.lock:
        hub.channel.write(b"into the void")
        hub.channel.write(b"again")
    assert hub.events == ["lost"]
    assert hub.channel.closed


# -- TLS ---------------------------------------------------------------------------------------------------------


def test_tls_leaves_nothing_inside_when_the_next_wait_begins(tls_pair: Any) -> None:
    hub, peer = tls_pair
    peer.sendall(b"a" + b"x" * 60_000 + b"b")
    assert hub.hear("a", 1.0) == "a"
    assert hub.hear("b", 1.0) == "b"


def test_threads_share_tls(tls_pair: Any) -> None:
    hub, peer = tls_pair

    def work(letter: str) -> list[str]:
        heard = []
        for _ in range(20):
            with hub.channel.lock:
                hub.channel.write(letter.encode() * 1_000)
            heard.append(hub.hear(letter))
        return heard

    def echo() -> None:
        for _ in range(4 * 20):
            got = b""
            while len(got) < 1_000:
                got += peer.recv(1_000 - len(got))
            peer.sendall(got[:1])

    server = Worker(echo)
    workers = {letter: Worker(lambda letter=letter: work(letter)) for letter in "abcd"}
    assert {letter: worker.get() for letter, worker in workers.items()} == {letter: [letter] * 20 for letter in "abcd"}
    server.get()


def test_left_over_bytes_go_through_tls_too(tls_pair: Any) -> None:
    hub, peer = tls_pair
    content = bytes(range(256)) * 12_000
    with hub.channel.lock:
        hub.channel.write(content)
    worker = Worker(lambda: hub.hear("a"))
    assert drain(peer, len(content)) == content
    peer.sendall(b"a")
    assert worker.get() == "a"


# -- liveness ----------------------------------------------------------------------------------------------------


def test_an_idle_channel_hears_what_has_come_and_is_alive(pair: Any) -> None:
    hub, peer = pair
    assert hub.channel.is_alive()
    peer.sendall(b"settings")
    assert hub.channel.is_alive()
    assert hub.received == 8


def test_an_idle_channel_that_the_peer_closed_says_so(pair: Any) -> None:
    hub, peer = pair
    peer.close()
    hub.channel.is_alive()
    assert hub.events == ["eof"], "the connection hears of it, and says whether it can be used"


def test_a_closed_channel_is_not_alive(pair: Any) -> None:
    hub, _ = pair
    hub.channel.close()
    assert not hub.channel.is_alive()


def test_asking_whether_it_is_alive_does_not_wait_for_who_reads(pair: Any) -> None:
    hub, _ = pair
    locked, done = threading.Event(), threading.Event()

    def hold() -> None:
        with hub.channel.lock:
            locked.set()
            done.wait(PATIENCE)

    worker = Worker(hold)
    locked.wait(PATIENCE)
    started = time.monotonic()
    assert hub.channel.is_alive()
    assert time.monotonic() - started < PATIENCE - 1
    done.set()
    worker.get()


def test_who_waits_on_a_closed_channel_with_bytes_left_over_does_not_spin(pair: Any) -> None:
    hub, _ = pair
    hub.channel.close()
    hub.channel._outgoing += b"left over"
    with pytest.raises(ReadError, match="was closed"):
        Worker(lambda: hub.hear("a", None)).get()


def test_who_reads_for_all_stops_when_its_own_wait_is_over(pair: Any) -> None:
    """Or a small answer would come as late as the download that another thread has begun."""
    hub, peer = pair
    peer.sendall(b"a" + b"x" * 130_000)
    assert hub.hear("a") == "a"
    assert hub.received <= 65_536
    assert hub.channel.is_alive()  # the rest is for whoever comes next
    assert hub.received == 130_001


def test_an_interrupt_between_taking_the_turn_and_reading_leaves_the_turn_to_others(
    pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, peer = pair
    with monkeypatch.context() as patch:
        patch.setattr(SharedChannel, "_read_for", lambda *_: interrupt())
        with pytest.raises(KeyboardInterrupt):
            hub.hear("a")
    worker = Worker(lambda: hub.hear("b"))
    peer.sendall(b"b")
    assert worker.get() == "b"


def test_an_interrupt_of_whose_turn_it_is_wakes_the_next(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hub, peer = pair
    assert hub.channel._reading.acquire(blocking=False)
    worker = Worker(lambda: hub.hear("b"))
    until(lambda: hub.channel._waiting)
    hub.channel._reading.release()  # the turn went to a thread that is interrupted before it takes it
    with monkeypatch.context() as patch:
        patch.setattr(SharedChannel, "_drain", lambda *_: interrupt())
        hub.channel._outgoing += b"x"
        with pytest.raises(KeyboardInterrupt):
            hub.hear("a")
    hub.channel._outgoing.clear()
    peer.sendall(b"b")
    assert worker.get() == "b"


def interrupt() -> None:
    raise KeyboardInterrupt


def test_an_interrupt_in_the_middle_of_a_message_ends_the_connection(
    pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes next would be taken for something else, by the threads that go on."""
    hub, peer = pair
    peer.sendall(b"a")
    with monkeypatch.context() as patch:
        patch.setattr(Hub, "receive_data", lambda *_: interrupt())
        with pytest.raises(KeyboardInterrupt):
            hub.hear("a")
    assert hub.channel.closed
    assert hub.events == ["lost"]


# -- alone on the socket -----------------------------------------------------------------------------------------


def test_a_thread_alone_touches_nothing_that_wakes_others(pair: Any) -> None:
    hub, peer = pair
    nudges, hub.channel._nudge = hub.channel._nudge, (None, None)  # whoever touched them would fail
    patient = Patient()
    for letter in "abc":
        wait = hub.waits[letter] = hub.channel.new_shared_wait(patient)
        with hub.channel.lock:
            hub.channel.write(b"go")
        peer.sendall(letter.encode())
        hub.channel.wait_for(wait)
        assert (wait._bell, wait.is_done) == (None, True)
        assert hub.channel.is_alive()
    assert drain(peer, 6) == b"gogogo"
    assert not hub.channel._users
    hub.channel._nudge = nudges


def test_a_wait_that_is_set_while_its_bell_is_hung_does_not_sleep(pair: Any) -> None:
    hub, _ = pair
    channel = hub.channel
    assert channel._reading.acquire(blocking=False)  # this thread reads

    class Unlucky(SharedWait):
        __slots__ = ()

        def hang_bell(self) -> None:
            self.set_result("just before there was a bell")
            super().hang_bell()

    wait = Unlucky(channel, Patient(None))
    Worker(lambda: channel.wait_for(wait)).get()
    channel._reading.release()


def test_a_limit_that_has_passed_is_noticed_although_others_are_heard_all_the_time(pair: Any) -> None:
    """Or a server that never stops sending to others would stretch every limit."""
    hub, peer = pair
    over = threading.Event()
    hub.receive_data = lambda data: peer.sendall(data)  # type: ignore[method-assign]  # there is always something to hear
    peer.sendall(b"z")
    guard = threading.Timer(PATIENCE, lambda: (over.set(), peer.close()))
    guard.start()
    started = time.monotonic()
    with pytest.raises(ReadTimeout):
        hub.hear("a", 0.05)
    guard.cancel()
    assert not over.is_set()
    assert time.monotonic() - started < 2


def test_what_came_in_two_pieces_is_heard_without_another_wait_of_its_own(tls_pair: Any) -> None:
    hub, peer = tls_pair
    peer.sendall(b"x")
    peer.sendall(b"y" * 20_000)
    peer.sendall(b"a")
    assert hub.hear("a", 1.0) == "a"
    assert hub.received == 20_002


# -- the descriptor ----------------------------------------------------------------------------------------------


class Gate:
    """Stands in for a call of the socket, and lets the test decide when it goes on."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call
        self.inside, self.go = threading.Event(), threading.Event()

    def __call__(self, *arguments: Any) -> Any:
        self.inside.set()
        assert self.go.wait(PATIENCE)
        return self.call(*arguments)


def test_closing_leaves_the_descriptor_to_the_thread_that_is_inside_recv(pair: Any) -> None:
    """Or its number would be another connection's by the time the call is made."""
    hub, peer = pair
    channel = hub.channel
    gate = channel._recv = Gate(channel._recv)
    descriptor = channel._sock.fileno()
    reader = Worker(lambda: hub.hear("a"))
    peer.sendall(b"z")
    assert gate.inside.wait(PATIENCE)
    channel.close()
    assert channel.closed
    assert channel._sock.fileno() == descriptor
    assert drain(peer, 1) == b"", "the peer has heard of the end all the same"
    assert channel in channel._network.channels
    gate.go.set()
    with pytest.raises(ReadError):
        reader.get()
    assert channel._sock.fileno() == -1
    assert [end.fileno() for end in channel._nudge] == [-1, -1]
    assert channel._network.channels == set()


def test_closing_leaves_the_descriptor_to_the_thread_that_is_inside_send(pair: Any, monkeypatch: Any) -> None:
    hub, _ = pair
    channel = hub.channel
    gate = Gate(channel._sock.send)
    channel._sock = Wrapped(channel._sock, send=gate)

    def work() -> None:
        with channel.lock:
            channel.write(b"bytes")

    writer = Worker(work)
    assert gate.inside.wait(PATIENCE)
    channel.close()
    assert channel._sock.fileno() >= 0
    gate.go.set()
    writer.get()
    assert channel._sock.fileno() == -1
    assert not channel._users


class Wrapped:
    """A socket some of whose methods are others."""

    def __init__(self, sock: Any, **methods: Any) -> None:
        self._sock = sock
        self.__dict__.update(methods)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)


def test_closing_leaves_the_descriptor_to_the_thread_that_looks_whether_it_is_alive(pair: Any) -> None:
    hub, peer = pair
    channel = hub.channel
    gate = channel._recv = Gate(channel._recv)
    peer.sendall(b"z")
    looker = Worker(channel.is_alive)
    assert gate.inside.wait(PATIENCE)
    assert channel.is_alive(), "nobody waits for who looks"
    channel.close()
    assert channel._sock.fileno() >= 0
    gate.go.set()
    assert looker.get() is False
    assert channel._sock.fileno() == -1


def test_a_thread_that_closes_what_it_is_reading_leaves_no_descriptor(pair: Any) -> None:
    hub, peer = pair
    hub.receive_data = lambda _: hub.channel.close()  # type: ignore[method-assign]
    peer.sendall(b"z")
    with pytest.raises(ReadError):
        hub.hear("a")
    assert hub.channel._sock.fileno() == -1
    assert hub.channel._network.channels == set()


def test_what_is_written_after_the_end_goes_nowhere(pair: Any) -> None:
    hub, peer = pair
    hub.channel.close()
    with hub.channel.lock:
        hub.channel.write(b"too late")
    assert drain(peer, 1) == b""
    assert not hub.channel._outgoing


def test_threads_that_wait_while_others_close_never_meet_another_connections_descriptor() -> None:
    """A number that is free again is given to the next socket at once: nobody may still be using it."""
    network = BlockingNetwork()
    over, wrong = threading.Event(), []

    def tenant() -> None:
        """Sockets that take every descriptor that becomes free: nothing is ever read from or sent to them by others."""
        while not over.is_set():
            left, right = socket.socketpair()
            left.setblocking(False)
            right.send(b"mine")
            time.sleep(0)
            try:
                if left.recv(16) != b"mine":
                    wrong.append("bytes of others")
            except BlockingIOError:
                wrong.append("read by others")
            left.close()
            right.close()

    tenants = [Worker(tenant) for _ in range(2)]
    for _ in range(150):
        ours, peer = socket.socketpair()
        hub = Hub(network.shared(ours, "peer"))
        readers = [Worker(lambda hub=hub, letter=letter: hub.hear(letter)) for letter in "ab"]
        peer.send(b"zzz")
        hub.channel.close()
        for reader in readers:
            with pytest.raises(ReadError):
                reader.get()
        peer.close()
        assert "z" not in hub.waits
    over.set()
    for each in tenants:
        each.get()
    assert wrong == []
    assert network.channels == set()


def test_an_interrupt_while_looking_gives_the_lock_back(pair: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    hub, peer = pair
    peer.sendall(b"z")
    with monkeypatch.context() as patch:
        patch.setattr(SharedChannel, "_receive", lambda *_: interrupt())
        with pytest.raises(KeyboardInterrupt):
            hub.channel.is_alive()
    assert not hub.channel.guard._is_owned()
    assert not hub.channel._users


def test_an_interrupt_while_reading_leaves_no_mark_that_would_keep_the_descriptor_open(
    pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub, _ = pair
    with monkeypatch.context() as patch:
        patch.setattr(SharedChannel, "_pass_on", lambda *_: interrupt())
        with pytest.raises(KeyboardInterrupt):
            hub.hear("a", 0.01)
    assert not hub.channel._users
    assert not is_read(hub.channel)
    hub.channel.close()
    assert hub.channel._sock.fileno() == -1
