"""asyncio: sockets, channels, one timer for all, and nothing left when it closes."""

from __future__ import annotations

import asyncio
import platform
import socket
import subprocess
import sys
import threading
import time
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.exceptions import ConnectError
from hyperhttp.network.addresses import Address
from hyperhttp.network.aio import AioNetwork
from hyperhttp.network.base import NEVER
from hyperhttp.testing.scripted import Close, Expect, ReadRequest, Reset, Sleep, Stall

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Ear:
    """A receiver that writes down what it is told."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.events: list[Any] = []
        self.changed = asyncio.Event()

    def _tell(self, *event: Any) -> None:
        self.events.append(event)
        self.changed.set()

    def receive_data(self, data: bytes) -> None:
        self.data += data
        self.changed.set()

    def buffer_grew(self, size: int) -> None:
        self._tell("grew", size)

    def buffer_filled(self, *, more: bool) -> None:
        self._tell("filled", more)

    def receive_eof(self) -> None:
        self._tell("eof")

    def connection_lost(self, error: Exception | None) -> None:
        self._tell("lost", type(error))

    def write_resumed(self) -> None:
        self._tell("resumed")

    def has_answer(self) -> bool:
        return False

    def names(self) -> list[str]:
        return [event[0] for event in self.events]

    async def until(self, condition: Any) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.changed.clear()
                await self.changed.wait()


@pytest.fixture
async def network() -> AsyncIterator[AioNetwork]:
    network = AioNetwork(asyncio.get_running_loop())
    yield network
    await network.close()
    await asyncio.sleep(0)
    assert network.channels == set()
    assert network.watch.when == NEVER


def at(port: int, host: str = "127.0.0.1") -> Address:
    return Address(socket.AF_INET6 if ":" in host else socket.AF_INET, host, port)


async def connect(network: AioNetwork, *addresses: Address, **options: Any) -> Any:
    options = {"name": f"localhost:{addresses[0].port}", "delay": 0.25, **options}
    channel = await network.connect(addresses, **options)
    ear = Ear()
    channel.attach(ear)  # type: ignore[arg-type]
    return channel, ear


# -- channels ----------------------------------------------------------------------------------------------------


async def test_what_runs_in_a_worker_sees_the_callers_context(network: AioNetwork) -> None:
    variable: ContextVar[str] = ContextVar("variable")
    variable.set("the caller's")

    def work() -> tuple[str, int]:
        seen = variable.get("nothing")
        variable.set("the worker's")
        return seen, threading.get_ident()

    seen, thread = await network.call(work)
    assert (seen, thread == threading.get_ident(), variable.get()) == ("the caller's", False, "the caller's")


async def test_bytes_go_both_ways(network: AioNetwork, scripted: Any) -> None:
    server = scripted.by_connection([[Expect(b"ping"), b"pong"]])
    channel, ear = await connect(network, at(server.port))
    assert (channel.peer, channel.alpn, channel.closed) == ("127.0.0.1", None, False)
    channel.write(b"ping")
    await ear.until(lambda: "lost" in ear.names())
    assert (bytes(ear.data), ear.events) == (b"pong", [("eof",), ("lost", type(None))])
    assert channel.closed


async def test_what_came_before_somebody_listened_is_delivered(network: AioNetwork, scripted: Any) -> None:
    server = scripted.by_connection([[b"early", Stall()]])
    channel = await network.connect([at(server.port)], name="x:1", delay=0.25)
    await asyncio.sleep(0.05)
    ear = Ear()
    channel.attach(ear)  # type: ignore[arg-type]
    assert bytes(ear.data) == b"early"


async def test_an_end_that_came_before_somebody_listened_is_told(network: AioNetwork, scripted: Any) -> None:
    server = scripted.by_connection([Close()])
    channel = await network.connect([at(server.port)], name="x:1", delay=0.25)
    while not channel.closed:
        await asyncio.sleep(0.005)
    ear = Ear()
    channel.attach(ear)  # type: ignore[arg-type]
    assert "lost" in ear.names()
    assert not channel.is_alive()


async def test_a_reset_is_told_with_its_error(network: AioNetwork, scripted: Any) -> None:
    server = scripted.by_connection([[Expect(b"go"), Reset()]])
    channel, ear = await connect(network, at(server.port))
    channel.write(b"go")
    await ear.until(lambda: "lost" in ear.names())
    assert ("lost", ConnectionResetError) in ear.events


async def test_a_paused_channel_leaves_the_bytes_in_the_socket(network: AioNetwork, scripted: Any) -> None:
    server = scripted.by_connection([[b"x" * 10_000, Stall()]])
    channel, ear = await connect(network, at(server.port))
    channel.pause_reading()
    channel.pause_reading()
    await asyncio.sleep(0.05)
    assert not ear.data
    channel.resume_reading()
    await ear.until(lambda: len(ear.data) == 10_000)


async def test_a_peer_that_does_not_read_pauses_writing(network: AioNetwork, scripted: Any) -> None:
    gate = threading.Event()

    def handle(connection: Any, index: int) -> None:
        gate.wait(5)
        connection.wait_for_eof(5)

    server = scripted(handle)
    channel, ear = await connect(network, at(server.port))
    while not channel.write_paused:
        channel.write(b"x" * 1_000_000)
    gate.set()
    await ear.until(lambda: "resumed" in ear.names())
    assert not channel.write_paused


async def test_content_goes_straight_into_a_buffer(network: AioNetwork, scripted: Any) -> None:
    server = scripted.by_connection([[b"a" * 100_000, Sleep(0.03), b"b" * 100_000, Stall()]])
    channel, ear = await connect(network, at(server.port))
    buffer = bytearray(200_000)
    assert channel.receive_into(memoryview(buffer))
    await ear.until(lambda: "filled" in ear.names())
    assert buffer == b"a" * 100_000 + b"b" * 100_000
    assert ear.events[-1] == ("filled", False)
    assert not ear.data


async def test_what_follows_a_full_buffer_is_seen_and_comes_by_the_usual_way(
    network: AioNetwork, scripted: Any
) -> None:
    server = scripted.by_connection([[b"a" * 100_000 + b"more", Stall()]])
    channel, ear = await connect(network, at(server.port))
    channel.pause_reading()
    await asyncio.sleep(0.05)  # all of it is in the socket
    buffer = bytearray(100_000)
    channel.receive_into(memoryview(buffer))
    channel.resume_reading()
    await ear.until(lambda: bytes(ear.data) == b"more")
    assert ("filled", True) in ear.events


async def test_an_end_while_a_buffer_is_filled_is_told(network: AioNetwork, scripted: Any) -> None:
    server = scripted.by_connection([[b"a" * 1000, Close()]])
    channel, ear = await connect(network, at(server.port))
    buffer = bytearray(5000)
    channel.receive_into(memoryview(buffer))
    await ear.until(lambda: "lost" in ear.names())
    assert ear.names()[-2:] == ["eof", "lost"]


async def test_an_idle_channel_is_alive_until_something_comes(network: AioNetwork, scripted: Any) -> None:
    server = scripted.by_connection([[Expect(b"go"), b"surplus", Stall()]])
    channel, ear = await connect(network, at(server.port))
    assert channel.is_alive()
    channel.write(b"go")
    time.sleep(0.05)  # the program keeps the loop from reading
    assert not channel.is_alive()
    await ear.until(lambda: ear.data)


async def test_tls(network: AioNetwork, scripted: Any) -> None:
    server = scripted.by_connection([[Expect(b"ping"), b"pong"]], tls=True, alpn=["h2"])
    context = server.ssl_context(alpn=["h2", "http/1.1"])
    channel, ear = await connect(network, at(server.port), tls=context, server_name="localhost")
    assert channel.alpn == "h2"
    assert not channel.receive_into(memoryview(bytearray(5))), "TLS has to be undone on the way"
    channel.write(b"ping")
    await ear.until(lambda: ear.data)
    assert bytes(ear.data) == b"pong"


@pytest.mark.parametrize("way", ["close", "abort"])
async def test_closing_twice_is_closing_once(network: AioNetwork, scripted: Any, way: str) -> None:
    server = scripted.by_connection([Stall(5)])
    channel, _ = await connect(network, at(server.port))
    for _ in range(2):
        getattr(channel, way)()
        assert channel.closed
        assert not channel.is_alive()
    await asyncio.sleep(0.01)
    assert network.channels == set()
    assert server.wait_closed()


async def test_bytes_written_before_closing_arrive(network: AioNetwork, scripted: Any) -> None:
    server = scripted(lambda connection, _: connection.wait_for_eof(5))
    channel, _ = await connect(network, at(server.port))
    channel.write(b"x" * 3_000_000)
    channel.close()
    async with asyncio.timeout(5):
        while not server.connections or not server.connections[0].over.is_set():
            await asyncio.sleep(0.005)
    assert len(server.connections[0].received) == 3_000_000


# -- connecting --------------------------------------------------------------------------------------------------


async def test_addresses_are_raced_and_the_first_that_answers_wins(network: AioNetwork, scripted: Any) -> None:
    server = scripted.by_connection([Stall(5)])
    dead = socket.create_server(("127.0.0.1", 0))
    port = dead.getsockname()[1]
    dead.close()
    started = time.monotonic()
    channel, _ = await connect(network, at(port), at(server.port), delay=5.0)
    assert channel.peer == "127.0.0.1"
    assert time.monotonic() - started < 1, "a refusal brings the next attempt forward"
    assert not [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


@pytest.mark.parametrize("count", [1, 2])
async def test_when_none_answers_the_error_names_host_addresses_and_reason(network: AioNetwork, count: int) -> None:
    dead = socket.create_server(("127.0.0.1", 0))
    port = dead.getsockname()[1]
    dead.close()
    with pytest.raises(ConnectError, match=rf"localhost:{port} .*127\.0\.0\.1") as caught:
        await connect(network, *[at(port)] * count)
    assert caught.value.port == port
    assert caught.value.phase == "connect"


async def test_a_local_address_is_bound(network: AioNetwork, scripted: Any) -> None:
    server = scripted.by_connection([Stall(5)])
    channel, _ = await connect(network, at(server.port), local_address="127.0.0.3")
    assert channel._sock.getsockname()[0] == "127.0.0.3"


async def test_a_unix_socket(network: AioNetwork, tmp_path: Any) -> None:
    path = str(tmp_path / "s")

    async def greet(_: Any, writer: Any) -> None:
        writer.write(b"hello")
        writer.close()
        await writer.wait_closed()

    server = await asyncio.start_unix_server(greet, path)
    channel = await network.connect_unix(path, tls=None, server_name=None)
    ear = Ear()
    channel.attach(ear)  # type: ignore[arg-type]
    await ear.until(lambda: bytes(ear.data) == b"hello")
    await ear.until(lambda: "lost" in ear.names())
    server.close()
    await server.wait_closed()
    with pytest.raises(ConnectError, match="cannot connect to"):
        await network.connect_unix(path + "-not", tls=None, server_name=None)


# -- time, threads, sharing ---------------------------------------------------------------------------------------


class Watched:
    def __init__(self, *moments: float) -> None:
        self.moments = list(moments)
        self.looks: list[float] = []

    def check(self, now: float) -> float:
        self.looks.append(now)
        return self.moments.pop(0) if self.moments else NEVER


async def test_one_timer_serves_everybody_who_is_busy(network: AioNetwork) -> None:
    watch, now = network.watch, time.monotonic()
    first, second = Watched(now + 0.04), Watched(NEVER)
    watch.busy |= {first, second}  # type: ignore[arg-type]
    watch.arm(now + 0.02)
    await asyncio.sleep(0.1)
    assert [len(first.looks), len(second.looks)] == [2, 2]
    assert first.looks[0] >= now + 0.019
    assert watch.when == NEVER
    watch.busy.clear()


async def test_a_wait_with_a_deadline_fails_when_it_passes_and_leaves_nothing(network: AioNetwork) -> None:
    with pytest.raises(ConnectError, match="too late"):
        await network.new_wait(time.monotonic() + 0.01, lambda: ConnectError("too late"))
    wait = network.new_wait(time.monotonic() + 60, ConnectError)
    wait.set_result(1)
    assert await wait == 1
    await asyncio.sleep(0)
    assert network.watch.busy == set()


@pytest.mark.parametrize("inner", [5.0, NEVER])
async def test_a_deadline_within_another_does_not_put_that_off(network: AioNetwork, inner: float) -> None:
    now = time.monotonic()
    work = network.within(now + inner, asyncio.sleep(5), lambda: ConnectError("inner"))
    with pytest.raises(ConnectError, match="outer"):
        await network.within(now + 0.02, work, lambda: ConnectError("outer"))


async def test_after_a_deadline_within_another_that_one_holds_again(network: AioNetwork) -> None:
    heard: list[str] = []

    async def work() -> None:
        try:
            await network.within(time.monotonic() + 0.01, asyncio.sleep(5), lambda: ConnectError("inner"))
        except ConnectError as error:
            heard.append(str(error))
        await asyncio.sleep(5)

    with pytest.raises(ConnectError, match="outer"):
        await network.within(time.monotonic() + 0.05, work(), lambda: ConnectError("outer"))
    assert heard == ["inner"]


async def test_deadlines_are_of_their_tasks(network: AioNetwork) -> None:
    async def wait(seconds: float) -> str:
        work = network.within(NEVER, asyncio.sleep(0.05, "done"), lambda: ConnectError("inner"))
        return await network.within(time.monotonic() + seconds, work, lambda: ConnectError(f"after {seconds}"))

    first, second, third = await asyncio.gather(wait(0.01), wait(30.0), wait(0.02), return_exceptions=True)
    assert (str(first), second, str(third)) == ("after 0.01", "done", "after 0.02")


async def test_within_ends_the_work_at_the_deadline(network: AioNetwork) -> None:
    with pytest.raises(ConnectError, match="over"):
        await network.within(time.monotonic() + 0.01, asyncio.sleep(5), lambda: ConnectError("over"))
    assert await network.within(NEVER, asyncio.sleep(0, "done"), ConnectError) == "done"
    with pytest.raises(TimeoutError, match="its own"):
        await network.within(time.monotonic() + 5, _raise(TimeoutError("its own")), ConnectError)


async def _raise(error: Exception) -> None:
    raise error


async def test_blocking_calls_run_in_a_thread(network: AioNetwork) -> None:
    assert await network.call(threading.get_ident) != threading.get_ident()
    with pytest.raises(ValueError, match="inside"):
        await network.call(int, "inside")


async def test_one_run_serves_all_who_ask_and_outlives_who_gives_up(network: AioNetwork) -> None:
    runs: list[int] = []
    gate = asyncio.Event()

    async def work() -> int:
        runs.append(1)
        await gate.wait()
        return 7

    asking = [asyncio.ensure_future(network.share("key", work)) for _ in range(3)]
    await asyncio.sleep(0)
    asking[0].cancel()
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*asking[1:]) == [7, 7]
    assert await network.share("key", work) == 7
    assert len(runs) == 2


async def test_a_shared_run_that_fails_fails_for_all_and_nobody_complains(network: AioNetwork) -> None:
    asking = [asyncio.ensure_future(network.share("key", lambda: _raise(ValueError("x")))) for _ in range(2)]
    results = await asyncio.gather(*asking, return_exceptions=True)
    assert [str(result) for result in results] == ["x", "x"]


async def test_callbacks_of_later_run_at_their_moment_unless_it_is_closed(network: AioNetwork) -> None:
    ran: list[str] = []
    end = time.monotonic() + 0.6
    network.later(time.monotonic() + 0.01, lambda: ran.append("in time"))
    network.later(end, lambda: ran.append("too late"))
    await asyncio.sleep(0.03)
    await network.close()
    await asyncio.sleep(end - time.monotonic() + 0.02)
    assert ran == ["in time"]


async def test_sending_goes_on_until_it_ends_or_the_answer_is_there(network: AioNetwork, scripted: Any) -> None:
    server = scripted.by_connection([[ReadRequest(), Stall(5)]])
    channel, _ = await connect(network, at(server.port))
    closed: list[bool] = []

    async def endless() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            closed.append(True)

    answer = channel.new_wait()
    asyncio.get_running_loop().call_later(0.01, answer.set_result, None)
    await channel.send_while(endless(), answer)
    await asyncio.sleep(0.005)
    assert closed == [True]
    with pytest.raises(ValueError, match="source"):
        await channel.send_while(_raise(ValueError("source")), channel.new_wait())
    sending = asyncio.ensure_future(channel.send_while(endless(), channel.new_wait()))
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending


async def test_closing_returns_when_every_transport_is_gone(network: AioNetwork, scripted: Any) -> None:
    server = scripted(lambda connection, _: connection.wait_for_eof(5), tls=True)
    context = server.ssl_context()
    for _ in range(3):
        await connect(network, at(server.port), tls=context, server_name="localhost")
    assert len(network.channels) == 3
    started = time.monotonic()
    await network.close()
    assert network.channels == set()
    assert time.monotonic() - started < 0.9


def test_what_a_dead_loop_left_is_dropped_without_it(scripted: Any) -> None:
    server = scripted(lambda connection, _: connection.wait_for_eof(5))
    kept: list[AioNetwork] = []

    async def leave() -> None:
        network = AioNetwork(asyncio.get_running_loop())
        await connect(network, at(server.port))
        kept.append(network)

    asyncio.run(leave())
    kept[0].forget()
    assert kept[0].channels == set()
    assert server.wait_closed(2)


async def test_the_first_result_is_taken_and_the_others_are_cancelled(network: AioNetwork) -> None:
    begun: list[int] = []
    cancelled: list[int] = []

    async def run(number: int) -> int:
        begun.append(number)
        try:
            await asyncio.sleep(0 if number == 2 else 30)
        except asyncio.CancelledError:
            cancelled.append(number)
            raise
        return number

    assert await network.first(run, 0.001, begun.append) == 2
    await asyncio.sleep(0)
    assert (begun, sorted(cancelled)) == ([0, 1, 2], [0, 1])


async def test_a_result_that_comes_too_late_is_discarded(network: AioNetwork) -> None:
    late: list[int] = []
    gate = asyncio.Event()

    async def run(number: int) -> int:
        if number:
            gate.set()
        else:
            await gate.wait()
        return number

    winner = await network.first(lambda number: run(number) if number < 2 else None, 0.001, late.append)
    await asyncio.sleep(0)
    assert [*late, winner] in ([], [1, 0], [0, 1], [1])


async def test_runs_that_ignore_their_cancellation_are_discarded(network: AioNetwork) -> None:
    late: list[int] = []

    async def run(number: int) -> int:
        try:
            await asyncio.sleep(0 if number else 30)
        except asyncio.CancelledError:
            pass
        return number

    assert await network.first(run, 0.001, late.append) == 1
    await asyncio.sleep(0.001)
    assert late == [0]


async def test_a_run_that_fails_is_out_and_the_last_failure_comes_out(network: AioNetwork) -> None:
    gate = asyncio.Event()

    async def run(number: int) -> int:
        if not number:
            await gate.wait()
            raise ConnectError("first")
        gate.set()
        await asyncio.sleep(0.005)
        raise ConnectError("second")

    with pytest.raises(ConnectError, match="second"):
        await network.first(lambda number: run(number) if number < 2 else None, 0.001, lambda late: None)

    async def cancelled(number: int) -> int:
        raise asyncio.CancelledError

    with pytest.raises(asyncio.CancelledError):
        await network.first(cancelled, 1.0, lambda late: None)


async def test_sleeping_takes_its_time(network: AioNetwork) -> None:
    started = network.now()
    await network.sleep(0.01)
    assert network.now() - started >= 0.009


# -- what runs beside ---------------------------------------------------------------------------------


async def test_what_runs_beside_is_waited_for_when_the_network_is_closed() -> None:
    network = AioNetwork(asyncio.get_running_loop())
    ended: list[str] = []

    async def work(name: str, event: asyncio.Event) -> None:
        try:
            await event.wait()
            ended.append(name)
        except asyncio.CancelledError:
            ended.append(f"{name} cancelled")
            raise

    soon, never = asyncio.Event(), asyncio.Event()
    network.start(work("soon", soon), 10.0)
    network.start(work("never", never), 0.01)
    asyncio.get_running_loop().call_later(0.02, soon.set)
    await network.close()
    assert sorted(ended) == ["never cancelled", "soon"]


async def test_what_has_ended_is_not_waited_for() -> None:
    network = AioNetwork(asyncio.get_running_loop())

    async def work() -> None: ...

    await network.start(work(), 10.0)  # type: ignore[misc]  # a task
    assert network._beside == {}
    await network.close()


async def test_a_callback_may_come_from_another_thread() -> None:
    network = AioNetwork(asyncio.get_running_loop())
    called = asyncio.Event()
    await asyncio.to_thread(network.call_safely, called.set)
    await asyncio.wait_for(called.wait(), 5)
    await network.close()


def test_a_callback_for_a_closed_loop_is_dropped() -> None:
    loop = asyncio.new_event_loop()
    network = AioNetwork(loop)
    loop.close()
    network.call_safely(lambda: None)


COUNT_FAULTS = """
import asyncio, os, resource, socket, threading
import hyperhttp

ANSWER = b"HTTP/1.1 200 OK\\r\\nContent-Length: 100000\\r\\n\\r\\n" + bytes(100_000)
server = socket.create_server(("127.0.0.1", 0), backlog=64)

def serve(connection):
    while connection.recv(65536):
        connection.sendall(ANSWER)

def accept():
    while True:
        threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()

async def main():
    url = f"http://127.0.0.1:{server.getsockname()[1]}/"
    async with hyperhttp.Client() as client:
        async def some(number):
            for _ in range(number):
                await (await client.get(url)).aread()
        await asyncio.gather(*[some(20) for _ in range(16)])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        await asyncio.gather(*[some(50) for _ in range(16)])
        print((resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / 800)

child = os.fork()  # in a process of its own: the faults of this one are the client's
if child == 0:
    accept()
try:
    asyncio.run(main())
finally:
    os.kill(child, 9)
    os.waitpid(child, 0)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="how glibc gives memory back")
def test_memory_that_was_read_into_is_read_into_again() -> None:
    """Tens of page faults for each response where it goes back to the kernel in between."""
    done = subprocess.run([sys.executable, "-c", COUNT_FAULTS], capture_output=True, text=True, check=True, timeout=50)
    assert float(done.stdout) < 5
