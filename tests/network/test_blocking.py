"""Blocking sockets: each wait reads until it is over, every limit holds, and threads hand over what they wait for."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.client.drive import drive
from hyperhttp.exceptions import ClientClosed, ConnectError, ConnectTimeout, PoolTimeout, ReadError, WriteTimeout
from hyperhttp.network.addresses import Address
from hyperhttp.network.base import NEVER
from hyperhttp.network.blocking import BlockingNetwork, _wrap
from hyperhttp.testing.scripted import Close, Expect, Reset, Sleep, Stall

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Ear:
    """A receiver whose waits a test ends by what it hears."""

    def __init__(self, channel: Any, limit: float | None = 5.0) -> None:
        self.channel = channel
        self.data = bytearray()
        self.events: list[Any] = []
        self.limit = limit
        self.wait: Any = None
        self.enough = 1
        self.answered = False
        channel.attach(self)

    def hear(self, enough: int = 1) -> bytes:
        """Wait for so many bytes, or for an end."""
        self.enough = enough
        self.wait = self.channel.new_wait()
        if len(self.data) < enough:
            next(self.wait.__await__(), None)
        data, self.data = bytes(self.data), bytearray()
        return data

    def _end(self, *event: Any) -> None:
        self.events.append(event)
        if self.wait is not None and not self.wait.done():
            self.wait.set_result(None)

    def receive_data(self, data: bytes) -> None:
        self.data += data
        if len(self.data) >= self.enough and self.wait is not None and not self.wait.done():
            self.wait.set_result(None)

    def buffer_grew(self, size: int) -> None:
        self.events.append(("grew", size))

    def buffer_filled(self, *, more: bool) -> None:
        self._end("filled")

    def receive_eof(self) -> None:
        self._end("eof")

    def connection_lost(self, error: Exception | None) -> None:
        self._end("lost", type(error))

    def remaining(self) -> float | None:
        return self.limit

    def write_limit(self) -> float | None:
        return self.limit

    def has_answer(self) -> bool:
        return self.answered or bool(self.data)

    def check(self, now: float) -> float:
        self._end("overdue")
        return NEVER


@pytest.fixture
def network() -> Iterator[BlockingNetwork]:
    network = BlockingNetwork()
    yield network
    drive(network.close())
    assert network.channels == set()


def at(port: int, host: str = "127.0.0.1") -> Address:
    return Address(socket.AF_INET, host, port)


def connect(network: BlockingNetwork, *addresses: Address, limit: float | None = 5.0, **options: Any) -> Any:
    options = {"name": f"localhost:{addresses[0].port}", "delay": 0.25, **options}
    channel = drive(network.connect(addresses, **options))
    return channel, Ear(channel, limit)


def dead_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@pytest.fixture(params=[False, True], ids=["plain", "tls"])
def tls(request: pytest.FixtureRequest) -> bool:
    value: bool = request.param
    return value


def options_for(server: Any, tls: bool) -> dict[str, Any]:
    return {"tls": server.ssl_context(), "server_name": "localhost"} if tls else {}


# -- channels ----------------------------------------------------------------------------------------------------


def test_bytes_go_both_ways(network: BlockingNetwork, scripted: Any, tls: bool) -> None:
    server = scripted.by_connection([[Expect(b"ping"), b"pong"]], tls=tls)
    channel, ear = connect(network, at(server.port), **options_for(server, tls))
    channel.write(b"ping")
    assert ear.hear(4) == b"pong"
    assert ear.hear() == b""
    assert ear.events == [("eof",)]


def test_a_wait_goes_on_over_many_pieces(network: BlockingNetwork, scripted: Any, tls: bool) -> None:
    server = scripted.by_connection([[b"a", Sleep(0.02), b"b", Sleep(0.02), b"c", Stall(5)]], tls=tls)
    _, ear = connect(network, at(server.port), **options_for(server, tls))
    assert ear.hear(3) == b"abc"


def test_a_wait_ends_at_its_limit(network: BlockingNetwork, scripted: Any, tls: bool) -> None:
    server = scripted.by_connection([Stall(5)], tls=tls)
    _, ear = connect(network, at(server.port), limit=0.1, **options_for(server, tls))
    started = time.monotonic()
    ear.hear()
    assert ear.events == [("overdue",)]
    assert 0.09 < time.monotonic() - started < 2


def test_a_limit_that_changes_between_two_waits_is_the_one_that_counts(
    network: BlockingNetwork, scripted: Any, tls: bool
) -> None:
    server = scripted.by_connection([[b"a", Sleep(0.15), b"b", Stall(5)]], tls=tls)
    _, ear = connect(network, at(server.port), limit=0.05, **options_for(server, tls))
    assert ear.hear() == b"a"
    ear.limit = None
    assert ear.hear() == b"b"
    ear.limit = 0.05
    ear.hear()
    assert ear.events == [("overdue",)]


def test_a_reset_is_told_with_its_error(network: BlockingNetwork, scripted: Any) -> None:
    server = scripted.by_connection([[Expect(b"go"), Reset()]])
    channel, ear = connect(network, at(server.port))
    channel.write(b"go")
    ear.hear()
    assert ear.events[0][0] in ("lost", "eof")
    assert ear.events != [("lost", ConnectionResetError)] or channel.closed


def test_content_goes_straight_into_a_buffer(network: BlockingNetwork, scripted: Any, tls: bool) -> None:
    server = scripted.by_connection([[b"a" * 70_000, Sleep(0.02), b"b" * 70_000 + b"more", Stall(5)]], tls=tls)
    channel, ear = connect(network, at(server.port), **options_for(server, tls))
    buffer = bytearray(140_000)
    assert channel.receive_into(memoryview(buffer))
    ear.hear(200_000)
    assert buffer == b"a" * 70_000 + b"b" * 70_000
    assert ear.events[-1] == ("filled",)
    assert ear.hear() == b"more"


def test_an_end_while_a_buffer_is_filled_is_told(network: BlockingNetwork, scripted: Any) -> None:
    server = scripted.by_connection([[b"a" * 1000, Close()]])
    channel, ear = connect(network, at(server.port))
    channel.receive_into(memoryview(bytearray(5000)))
    ear.hear(10_000)
    assert ear.events[-1] == ("eof",)


def until(condition: Callable[[], Any]) -> None:
    """Wait for what the peer does."""
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline, "it does not come true"
        time.sleep(0.002)


def test_an_idle_channel_is_alive_until_something_comes(network: BlockingNetwork, scripted: Any, tls: bool) -> None:
    server = scripted.by_connection([[Expect(b"go"), b"surplus", Stall(5)]], tls=tls)
    channel, ear = connect(network, at(server.port), **options_for(server, tls))
    assert channel.is_alive()
    assert channel.is_alive(), "tickets of TLS are no surplus"
    channel.write(b"go")
    until(lambda: not channel.is_alive())
    assert ear.events == []


def test_an_idle_channel_that_the_peer_closed_is_not_alive(network: BlockingNetwork, scripted: Any, tls: bool) -> None:
    server = scripted.by_connection([Close()], tls=tls)
    channel, _ = connect(network, at(server.port), **options_for(server, tls))
    until(lambda: not channel.is_alive())


# -- writing -----------------------------------------------------------------------------------------------------


def test_everything_arrives_however_large(network: BlockingNetwork, scripted: Any, tls: bool) -> None:
    server = scripted(lambda connection, _: connection.wait_for_eof(5), tls=tls)
    channel, _ = connect(network, at(server.port), **options_for(server, tls))
    channel.write(b"x" * 3_000_000)
    channel.write(memoryview(b"y" * 10))
    deadline = time.monotonic() + 5
    while not server.connections or len(server.connections[0].received) < 3_000_010:
        assert time.monotonic() < deadline
        time.sleep(0.005)
    assert server.connections[0].received == b"x" * 3_000_000 + b"y" * 10


@pytest.mark.parametrize("size", [16_384, 3_000_000])
def test_a_peer_that_does_not_read_ends_in_a_write_timeout(
    network: BlockingNetwork, scripted: Any, tls: bool, size: int
) -> None:
    gate = threading.Event()
    server = scripted(lambda connection, _: gate.wait(3), tls=tls)
    channel, _ = connect(network, at(server.port), limit=0.1, **options_for(server, tls))
    started = time.monotonic()

    def write() -> None:
        for _ in range(2000):
            channel.write(b"x" * size)

    try:
        with pytest.raises(WriteTimeout, match=r"took no bytes for 0\.1 s"):
            write()
        assert time.monotonic() - started < 2
    finally:
        gate.set()
        channel.close()


def test_an_answer_that_comes_while_writing_is_heard(network: BlockingNetwork, scripted: Any, tls: bool) -> None:
    def handle(connection: Any, index: int) -> None:
        connection.sendall(b"too much")
        time.sleep(0.05)
        connection.wait_for_eof(5)

    server = scripted(handle, tls=tls)
    channel, ear = connect(network, at(server.port), **options_for(server, tls))
    channel.write(b"x" * 20_000_000)  # more than the system takes for a peer that does not read
    assert bytes(ear.data) == b"too much"


def test_an_answer_before_a_refusal_is_heard_although_writing_fails(network: BlockingNetwork, scripted: Any) -> None:
    def handle(connection: Any, index: int) -> None:
        connection.sendall(b"go away")
        connection.recv(1)
        connection.sock.close()  # with bytes unread: a reset follows the answer

    channel, ear = connect(network, at(scripted(handle).port))
    for _ in range(200):
        channel.write(b"x" * 10_000)
        time.sleep(0.03)
        if ear.answered or ear.data or ear.events:
            break
    assert (bytes(ear.data), ear.events) == (b"go away", [])


def test_listening_hears_what_has_come_and_does_not_wait(network: BlockingNetwork, scripted: Any, tls: bool) -> None:
    go_on = threading.Event()

    def handle(connection: Any, _: int) -> None:
        go_on.wait(10)
        connection.sendall(b"early")
        connection.stall(5)

    server = scripted(handle, tls=tls)
    channel, ear = connect(network, at(server.port), **options_for(server, tls))
    channel.listen()  # else it would wait until the limit, which is an error
    assert bytes(ear.data) == b""
    go_on.set()
    deadline = time.monotonic() + 5
    while not ear.data:
        assert time.monotonic() < deadline
        time.sleep(0.005)
        channel.listen()
    assert bytes(ear.data) == b"early"


# -- connecting --------------------------------------------------------------------------------------------------


def test_addresses_are_raced(network: BlockingNetwork, scripted: Any) -> None:
    server = scripted.by_connection([[b"hello", Stall(5)]])
    started = time.monotonic()
    channel, ear = connect(network, at(dead_port()), at(server.port), delay=5.0)
    assert time.monotonic() - started < 1
    assert ear.hear(5) == b"hello", "the winner blocks again"
    assert channel.peer == "127.0.0.1"


@pytest.mark.parametrize("count", [1, 2])
def test_when_none_answers_the_error_names_host_addresses_and_reason(network: BlockingNetwork, count: int) -> None:
    port = dead_port()
    with pytest.raises(ConnectError, match=rf"localhost:{port} \(127\.0\.0\.1.*Connection refused") as caught:
        connect(network, *[at(port)] * count)
    assert (caught.value.port, caught.value.phase) == (port, "connect")
    assert isinstance(caught.value.__cause__, OSError) or count == 2


def test_a_local_address_is_bound(network: BlockingNetwork, scripted: Any) -> None:
    server = scripted.by_connection([Stall(5)])
    channel, _ = connect(network, at(server.port), local_address="127.0.0.3")
    assert channel._sock.getsockname()[0] == "127.0.0.3"


def test_the_deadline_holds_for_everything_that_is_opened_within_it(network: BlockingNetwork, scripted: Any) -> None:
    server = scripted.by_connection([Stall(5)])
    options = options_for(scripted([], tls=True), tls=True)
    started = time.monotonic()
    work = network.connect([at(server.port)], name="localhost:1", delay=0.25, **options)
    with pytest.raises(ConnectTimeout):
        drive(network.within(started + 0.1, work, lambda: ConnectTimeout("over")))
    assert time.monotonic() - started < 1
    assert network.channels == set()
    work = network.connect([at(server.port)], name="localhost:1", delay=0.25)
    with pytest.raises(ConnectTimeout):
        drive(network.within(time.monotonic() - 1, work, lambda: ConnectTimeout("over")))
    connect(network, at(server.port))  # and ends with it


def over(name: str) -> Any:
    return lambda: ConnectTimeout(name)


@pytest.mark.parametrize("inner", [5.0, NEVER])
def test_a_deadline_within_another_does_not_put_that_off(network: BlockingNetwork, scripted: Any, inner: float) -> None:
    server = scripted.by_connection([Stall(5)])
    options = options_for(scripted([], tls=True), tls=True)

    async def work() -> Any:
        opening = network.connect([at(server.port)], name="localhost:1", delay=0.25, **options)
        return await network.within(time.monotonic() + inner, opening, over("inner"))

    started = time.monotonic()
    with pytest.raises(ConnectTimeout, match="outer"):
        drive(network.within(started + 0.1, work(), over("outer")))
    assert time.monotonic() - started < 2


def test_after_a_deadline_within_another_that_one_holds_again(network: BlockingNetwork, scripted: Any) -> None:
    server = scripted.by_connection([Stall(5), Stall(5)])
    options = options_for(scripted([], tls=True), tls=True)
    heard: list[str] = []

    async def work() -> Any:
        opening = network.connect([at(server.port)], name="localhost:1", delay=0.25, **options)
        try:
            await network.within(time.monotonic() + 0.05, opening, over("inner"))
        except ConnectTimeout as error:
            heard.append(str(error))
        return await network.connect([at(server.port)], name="localhost:1", delay=0.25, **options)

    started = time.monotonic()
    with pytest.raises(ConnectTimeout, match="outer"):
        drive(network.within(started + 0.2, work(), over("outer")))
    assert heard == ["inner"]
    assert time.monotonic() - started < 2
    connect(network, at(scripted([Stall(0)]).port))  # and none is left


def test_deadlines_are_of_their_threads(network: BlockingNetwork, scripted: Any) -> None:
    entered, done = threading.Event(), threading.Event()

    async def hold() -> None:
        entered.set()
        done.wait(10)

    thread = threading.Thread(target=lambda: drive(network.within(time.monotonic() - 1, hold(), over("theirs"))))
    thread.start()
    entered.wait(10)
    connect(network, at(scripted([Stall(0)]).port))
    done.set()
    thread.join(10)


def test_a_unix_socket(network: BlockingNetwork, tmp_path: Any) -> None:
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        ear = Ear(drive(network.connect_unix(path, tls=None, server_name=None)))
        other, _ = server.accept()
        other.sendall(b"hi")
        assert ear.hear(2) == b"hi"
        other.close()
    with pytest.raises(ConnectError, match="cannot connect to"):
        drive(network.connect_unix(path + "-not", tls=None, server_name=None))


# -- closing -----------------------------------------------------------------------------------------------------


def test_closing_in_one_thread_ends_the_wait_of_another(network: BlockingNetwork, scripted: Any, tls: bool) -> None:
    server = scripted.by_connection([Stall(5)], tls=tls)
    channel, ear = connect(network, at(server.port), limit=4.0, **options_for(server, tls))
    thread = threading.Thread(target=lambda: ear.hear())
    thread.start()
    time.sleep(0.05)
    started = time.monotonic()
    channel.close()
    channel.close()
    thread.join(5)
    assert time.monotonic() - started < 1
    assert ear.events


def test_a_wait_on_a_channel_nobody_listens_to_is_an_error(network: BlockingNetwork, scripted: Any) -> None:
    server = scripted.by_connection([Stall(5)])
    channel = drive(network.connect([at(server.port)], name="x:1", delay=0.25))
    with pytest.raises(ReadError):
        next(channel.new_wait().__await__())


# -- waits between threads ----------------------------------------------------------------------------------------


def test_one_thread_wakes_another(network: BlockingNetwork) -> None:
    wait = network.new_wait(NEVER, PoolTimeout)
    threading.Timer(0.02, wait.set_result, ["given"]).start()
    assert drive(_await(wait)) == "given"
    assert wait.done()
    failing = network.new_wait(NEVER, PoolTimeout)
    threading.Timer(0.02, failing.set_exception, [ValueError("x")]).start()
    with pytest.raises(ValueError, match="x"):
        drive(_await(failing))


async def _await(wait: Any) -> Any:
    return await wait


def test_a_wait_ends_at_its_deadline(network: BlockingNetwork) -> None:
    wait = network.new_wait(time.monotonic() + 0.02, lambda: PoolTimeout("too late"))
    with pytest.raises(PoolTimeout, match="too late"):
        drive(_await(wait))


def test_a_wait_that_was_given_something_still_tells_what_after_it_was_awaited(network: BlockingNetwork) -> None:
    """Ctrl-C may come between the wake-up and the return: what was given must not be lost."""
    wait: Any = network.new_wait(NEVER, PoolTimeout)
    assert not wait.cancelled()
    wait.set_result("connection")
    assert drive(_await(wait)) == "connection"
    assert (wait.cancelled(), wait.exception(), wait.result()) == (False, None, "connection")


def test_a_wait_that_was_given_up_was_given_nothing(network: BlockingNetwork) -> None:
    wait: Any = network.new_wait(NEVER, PoolTimeout)
    assert wait.cancel()
    assert not wait.cancel()
    assert wait.done()
    assert wait.cancelled()


def test_there_is_no_timer_and_no_other_thread(network: BlockingNetwork) -> None:
    before = threading.active_count()
    network.later(time.monotonic(), lambda: pytest.fail("called back"))
    assert drive(network.call(threading.get_ident)) == threading.get_ident()
    assert drive(network.share("key", lambda: network.call(int, "7"))) == 7
    assert threading.active_count() == before
    assert network.watch.when < time.monotonic(), "nobody ever has to arm it"


def test_sleeping_takes_its_time() -> None:
    network = BlockingNetwork()
    started = network.now()
    drive(network.sleep(0.01))
    assert network.now() - started >= 0.009


def test_a_reset_before_the_handshake_leaves_no_descriptor() -> None:
    """``wrap_socket`` looks for what came before, meets the reset, and forgets to close what it has made by then."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sock = socket.create_connection(listener.getsockname())
        peer, _ = listener.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
    descriptor = sock.fileno()
    with pytest.raises(OSError, match=r"reset|not connected") as caught:
        _wrap(sock, ssl.create_default_context(), "localhost")
    assert caught.value.__traceback__ is not None, "whose frames would keep it"
    sock.close()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_the_first_of_several_runs_is_the_only_one() -> None:
    network, begun = BlockingNetwork(), []

    async def run(number: int) -> int:
        begun.append(number)
        return number

    assert drive(network.first(run, 0.0, lambda late: None)) == 0
    assert begun == [0]
    with pytest.raises(RuntimeError, match="nothing to run"):
        drive(network.first(lambda number: None, 0.0, lambda late: None))


def test_nothing_runs_beside_where_there_is_no_loop() -> None:
    closed: list[bool] = []

    async def work() -> None:
        closed.append(True)

    with pytest.raises(TypeError, match="use the asynchronous Client"):
        BlockingNetwork().start(work(), 1.0)
    assert closed == []


def test_a_callback_is_called_at_once_where_there_is_no_later() -> None:
    called: list[bool] = []
    BlockingNetwork().call_safely(lambda: called.append(True))
    assert called == [True]


def test_what_a_garbage_collector_drops_in_the_middle_of_something_waits_until_that_is_done() -> None:
    network, called = BlockingNetwork(), []
    ours, theirs = socket.socketpair()
    channel = network.shared(ours, "peer")
    with theirs:
        for lock in (network.new_lock(), channel.lock):
            with lock:
                channel.call_safely(lambda: called.append(True))
                assert called == [], "it would find the books half written, or wait for a lock that waits for this one"
            network.catch_up()
            assert called == [True]
            called.clear()
        channel.call_safely(lambda: called.append(True))
        assert called == [True]
        channel.close()


# -- closed by another thread --------------------------------------------------------------------------------------


def full_port() -> tuple[int, list[socket.socket]]:
    """A port where connections begin and do not come about."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=0)
    plugs = []
    for _ in range(4):
        plug = socket.socket()
        plug.setblocking(False)
        plug.connect_ex(listener.getsockname())
        plugs.append(plug)
    return listener.getsockname()[1], [listener, *plugs]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a connection that is being made cannot be shut down")
@pytest.mark.parametrize("addresses", [1, 2])
@pytest.mark.parametrize("phase", ["connect", "handshake"])
def test_closing_ends_what_another_thread_is_opening(scripted: Any, phase: str, addresses: int) -> None:
    network = BlockingNetwork()
    port, sockets = full_port()
    if phase == "handshake":
        port = scripted.by_connection([[Stall(20)]] * 2).port
    context = ssl.create_default_context()
    there = [Address(socket.AF_INET, "127.0.0.1", port)] * addresses
    errors: list[BaseException] = []

    def work() -> None:
        opening = network.connect(there, name=f"127.0.0.1:{port}", delay=0.01, tls=context)
        try:
            drive(network.within(time.monotonic() + 20, opening, TimeoutError))
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    time.sleep(0.1)
    drive(network.close())
    thread.join(5)
    assert not thread.is_alive()
    assert [type(error) for error in errors] == [ClientClosed]
    assert not network.channels
    for each in sockets:
        each.close()


def test_closing_wakes_who_sleeps() -> None:
    network = BlockingNetwork()
    thread = threading.Thread(target=lambda: drive(network.sleep(30)), daemon=True)
    thread.start()
    time.sleep(0.02)
    drive(network.close())
    thread.join(5)
    assert not thread.is_alive()


def test_nothing_is_opened_after_the_end() -> None:
    network = BlockingNetwork()
    drive(network.close())
    there = [Address(socket.AF_INET, "127.0.0.1", 9)]
    with pytest.raises(ClientClosed):
        drive(network.connect(there, name="127.0.0.1:9", delay=0.01))
