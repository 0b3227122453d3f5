"""A channel on asyncio, beyond what `test_aio` says: its beginning, its end, and what happens at odd moments."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.exceptions import ConnectError, TLSError
from hyperhttp.network import aio_channel
from hyperhttp.network.aio import AioNetwork
from hyperhttp.network.aio_channel import AioChannel, OfferGate
from hyperhttp.testing import scripts
from hyperhttp.testing.scripted import Close, Drop, Expect, Stall
from hyperhttp.testing.tls import shared_authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

PATIENCE = 5.0


class Ear:
    """A receiver that writes down what it is told."""

    def __init__(self, channel: AioChannel | None = None) -> None:
        self.pieces: list[bytes] = []
        self.events: list[Any] = []
        if channel is not None:
            channel.attach(self)  # type: ignore[arg-type]

    @property
    def data(self) -> bytes:
        return b"".join(self.pieces)

    def receive_data(self, data: bytes) -> None:
        self.pieces.append(bytes(data))

    def buffer_grew(self, size: int) -> None:
        self.events.append(("grew", size))

    def buffer_filled(self, *, more: bool) -> None:
        self.events.append(("filled", more))

    def receive_eof(self) -> None:
        self.events.append("eof")

    def connection_lost(self, error: Exception | None) -> None:
        self.events.append(("lost", type(error)))

    def write_resumed(self) -> None:
        self.events.append("resumed")


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():
            await asyncio.sleep(0.001)


@pytest.fixture
async def network() -> AsyncIterator[AioNetwork]:
    network = AioNetwork(asyncio.get_running_loop())
    yield network
    await network.close()
    assert network.channels == set()


@pytest.fixture
async def pair(network: AioNetwork) -> AsyncIterator[tuple[AioChannel, socket.socket]]:
    """A connected channel, and the other end."""
    ours, peer = socket.socketpair()
    ours.setblocking(False)
    with peer:
        peer.settimeout(PATIENCE)
        yield await wrap(network, ours), peer


async def wrap(network: AioNetwork, sock: socket.socket) -> AioChannel:
    channel = AioChannel(network, sock, "peer")
    await network.loop.create_connection(lambda: channel, sock=sock)
    return channel


async def secured(network: AioNetwork, server: Any, **options: Any) -> AioChannel:
    sock = socket.create_connection(("127.0.0.1", server.port))
    sock.setblocking(False)
    channel = await wrap(network, sock)
    await channel.start_tls(server.ssl_context(), "localhost", f"localhost:{server.port}", **options)
    return channel


# -- before it is connected --------------------------------------------------------------------------------------


async def test_a_channel_that_is_not_connected_can_do_nothing(network: AioNetwork) -> None:
    channel = AioChannel(network, None, "peer")
    assert (channel.is_connected, channel.alpn, channel.peer) == (False, None, "peer")
    assert (channel.closed, channel.write_paused, channel.is_alive()) == (False, False, False)
    with pytest.raises(ConnectError, match="not connected"):
        channel.write(b"x")
    assert not channel.receive_into(memoryview(bytearray(1)))
    channel.pause_reading()
    channel.resume_reading()
    channel.close()
    channel.abort()
    with pytest.raises(ConnectError, match="closed"):
        await channel.start_tls(ssl.create_default_context(), "localhost", "localhost:1")


async def test_one_loop_shares_a_channel_as_it_is(pair: Any) -> None:
    channel, _ = pair
    assert channel.share() is channel
    assert channel.lock is None
    assert isinstance(channel.new_shared_wait(None), asyncio.Future)
    assert isinstance(channel.new_wait(), asyncio.Future)


# -- reading -----------------------------------------------------------------------------------------------------


async def test_what_came_early_is_delivered_first_and_in_order(pair: Any) -> None:
    channel, peer = pair
    for piece in (b"one ", b"two "):
        peer.sendall(piece)
        await asyncio.sleep(0.01)
    ear = Ear()
    peer.sendall(b"three")
    channel.attach(ear)
    assert ear.data == b"one two "
    await until(lambda: len(ear.data) == 13)
    assert ear.data == b"one two three"


async def test_another_receiver_takes_over(pair: Any) -> None:
    channel, peer = pair
    first = Ear(channel)
    peer.sendall(b"first")
    await until(lambda: first.data)
    second = Ear(channel)
    peer.sendall(b"second")
    await until(lambda: second.data)
    assert (first.data, second.data) == (b"first", b"second")


async def test_nobody_hears_what_comes_after_closing(pair: Any) -> None:
    channel, peer = pair
    ear = Ear(channel)
    peer.sendall(b"late")
    channel.close()
    await asyncio.sleep(0.01)
    assert (ear.pieces, ear.events) == ([], [])


async def test_a_buffer_needs_a_receiver(pair: Any) -> None:
    channel, _ = pair
    assert not channel.receive_into(memoryview(bytearray(1)))


async def test_a_buffer_is_filled_piece_by_piece(pair: Any) -> None:
    channel, peer = pair
    ear, buffer = Ear(channel), bytearray(10)
    assert channel.receive_into(memoryview(buffer))
    for piece in (b"abc", b"defg", b"hijKLM"):
        peer.sendall(piece)
        await asyncio.sleep(0.01)
    await until(lambda: ear.data)
    assert bytes(buffer) == b"abcdefghij"
    assert ear.events == [("grew", 3), ("grew", 4), ("filled", True)]
    assert ear.data == b"KLM", "what follows comes by the usual way"


async def test_a_receiver_hears_of_room_while_its_buffer_is_filled(pair: Any) -> None:
    channel, peer = pair
    ear, buffer = Ear(channel), bytearray(10)
    channel.receive_into(memoryview(buffer))
    while not channel.write_paused:
        channel.write(b"x" * 100_000)
    peer.setblocking(False)

    def drained() -> bool:
        with contextlib.suppress(BlockingIOError):
            while peer.recv(1 << 20):
                pass
        return not channel.write_paused

    await until(drained)
    assert ear.events == ["resumed"]
    peer.sendall(b"0123456789")
    await until(lambda: len(ear.events) == 2)
    assert bytes(buffer) == b"0123456789"


class Looker(Ear):
    """Keeps nothing of what it is given, so that it may be a view."""

    takes_views = True

    def __init__(self, channel: AioChannel) -> None:
        self.kinds: set[type] = set()
        super().__init__(channel)

    def receive_data(self, data: Any) -> None:
        self.kinds.add(type(data))
        super().receive_data(data)


async def test_who_keeps_nothing_is_given_views_of_one_buffer(network: AioNetwork, pair: Any) -> None:
    channel, peer = pair
    ear = Looker(channel)
    content = os.urandom(1_000_000)
    sending = asyncio.get_running_loop().run_in_executor(None, peer.sendall, content)
    await until(lambda: len(ear.data) == len(content))
    await sending
    assert ear.data == content
    channel.write(b"back")
    assert peer.recv(10) == b"back"
    peer.close()
    await until(lambda: "eof" in ear.events)


async def test_views_come_over_tls_too(network: AioNetwork, scripted: Any) -> None:
    content = os.urandom(3_000_000)
    channel = await secured(network, scripted([content, Stall()], tls=True))
    ear = Looker(channel)
    channel.write(b"GET / HTTP/1.1\r\n\r\n")
    await until(lambda: len(ear.data) >= len(content))
    assert ear.data == content
    assert memoryview in ear.kinds
    channel.abort()


async def test_two_that_look_at_once_do_not_see_each_others_bytes(network: AioNetwork) -> None:
    ears, peers = [], []
    for _ in range(4):
        ours, peer = socket.socketpair()
        ours.setblocking(False)
        peers.append(peer)
        ears.append(Looker(await wrap(network, ours)))
    content = [bytes([number]) * 2_000_000 for number in range(4)]
    loop = asyncio.get_running_loop()
    sending = [loop.run_in_executor(None, peer.sendall, data) for peer, data in zip(peers, content, strict=True)]
    await asyncio.gather(*sending)
    await until(lambda: sum(len(ear.data) for ear in ears) == 8_000_000)
    assert [ear.data for ear in ears] == content
    for peer in peers:
        peer.close()


async def test_closing_while_another_looks_leaves_its_bytes_alone(network: AioNetwork, pair: Any) -> None:
    """Closing TLS reads what is left; it must not be read into what is being looked at."""
    channel, peer = pair
    Looker(channel)
    transport = channel._transport
    assert transport.get_protocol() is not channel
    peer.sendall(b"x")
    channel.close()
    assert transport.get_protocol() is channel


async def test_a_receiver_that_looks_hears_of_room(pair: Any) -> None:
    channel, peer = pair
    ear = Looker(channel)
    channel.write(b"x" * 4_000_000)
    assert channel.write_paused
    loop = asyncio.get_running_loop()
    reading = loop.run_in_executor(None, lambda: [peer.recv(65_536) for _ in range(200)])
    await until(lambda: "resumed" in ear.events)
    channel.abort()
    await reading


async def test_what_a_peer_does_not_read_is_dropped_a_while_after_closing(
    network: AioNetwork, pair: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio_channel, "_LINGER", 0.05)
    channel, _ = pair
    Ear(channel)
    channel.write(b"x" * 8_000_000)
    channel.close()
    assert channel in network.channels
    await until(lambda: channel not in network.channels)


async def test_what_is_waiting_in_the_socket_is_no_silence(pair: Any) -> None:
    channel, peer = pair
    Ear(channel)
    assert channel.is_alive()
    peer.sendall(b"x")
    assert not channel.is_alive()


async def test_an_end_that_the_loop_has_not_seen_yet_is_seen(pair: Any) -> None:
    channel, peer = pair
    Ear(channel)
    peer.close()
    assert not channel.is_alive()


# -- the end -----------------------------------------------------------------------------------------------------


async def test_an_answer_is_read_although_a_write_has_failed(pair: Any) -> None:
    """A server that refuses an upload answers and closes; the loop may notice by writing first."""
    channel, peer = pair
    ear = Ear(channel)
    channel.pause_reading()
    peer.sendall(b"the answer")
    peer.close()
    channel.write(b"x")
    await until(lambda: ear.events)
    assert ear.data == b"the answer"
    assert ear.events == [("lost", BrokenPipeError)]
    assert channel.closed


async def test_the_end_is_told_once_to_who_listens(pair: Any) -> None:
    channel, peer = pair
    ear = Ear(channel)
    peer.close()
    await until(lambda: channel.closed)
    await asyncio.sleep(0.01)
    assert ear.events == ["eof", ("lost", type(None))]
    channel.close()
    channel.abort()
    assert ear.events == ["eof", ("lost", type(None))]


async def test_aborting_tells_and_sends_nothing_more(pair: Any) -> None:
    channel, peer = pair
    ear = Ear(channel)
    channel.write(b"x" * 5_000_000)
    channel.abort()
    assert channel.closed
    await until(lambda: ear.events)
    assert ear.events == [("lost", type(None))]
    size = 0
    while piece := peer.recv(1 << 20):
        size += len(piece)
    assert size < 5_000_000


async def test_waiting_for_the_end_of_what_is_gone_returns_at_once(pair: Any) -> None:
    channel, _ = pair
    channel.abort()
    await asyncio.sleep(0.01)
    await asyncio.wait_for(channel.wait_closed(), PATIENCE)


async def test_a_peer_that_reads_nothing_does_not_hold_up_the_end(
    pair: Any, network: AioNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(aio_channel, "_CLOSE_GRACE", 0.05)
    channel, _ = pair
    channel.write(b"x" * 5_000_000)
    channel.close()
    started = time.monotonic()
    await channel.wait_closed()
    assert 0.04 < time.monotonic() - started < 1
    assert network.channels == set()


async def test_detached_the_descriptor_is_closed_without_the_loop(pair: Any, network: AioNetwork) -> None:
    channel, peer = pair
    ear = Ear(channel)
    descriptor = channel._sock.fileno()
    channel.detach()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
    assert peer.recv(1) == b""
    assert (channel.closed, channel.is_alive(), ear.events) == (True, False, [])
    network.channels.discard(channel)
    channel.detach()


# -- TLS ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("end", "told"), [(Close(), ("lost", type(None))), (Drop(), ("lost", ConnectionResetError))])
async def test_the_end_of_tls_is_an_error_without_a_closing_alert(
    network: AioNetwork, scripted: Any, monkeypatch: pytest.MonkeyPatch, end: Any, told: Any
) -> None:
    monkeypatch.setattr(scripts, "_UNWRAP_SECONDS", 0.02)
    server = scripted.by_connection([[Expect(b"go"), b"content", end]], tls=True)
    ear = Ear(channel := await secured(network, server))
    channel.write(b"go")
    await until(lambda: channel.closed)
    assert ear.data == b"content"
    assert next(event for event in ear.events if event != "eof") == told


async def test_a_handshake_that_fails_leaves_nothing(network: AioNetwork, scripted: Any) -> None:
    server = scripted.by_connection([Stall()])
    server.connections.clear()
    sock = socket.create_connection(("127.0.0.1", server.port))
    sock.setblocking(False)
    channel = await wrap(network, sock)
    stranger = shared_authority().client_context()
    task = asyncio.ensure_future(channel.start_tls(stranger, "localhost", "localhost:1"))
    await until(lambda: server.connections)
    server.connections[0].sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    with pytest.raises(TLSError) as caught:
        await task
    assert (caught.value.host, caught.value.port) == ("localhost", 1)
    assert channel.closed
    assert network.channels == set()


async def test_a_handshake_that_is_cancelled_leaves_nothing(network: AioNetwork, scripted: Any) -> None:
    server = scripted.by_connection([Stall()])
    sock = socket.create_connection(("127.0.0.1", server.port))
    sock.setblocking(False)
    channel = await wrap(network, sock)
    task = asyncio.ensure_future(channel.start_tls(shared_authority().client_context(), "localhost", "localhost:1"))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert channel.closed
    assert network.channels == set()


async def test_bytes_before_tls_do_not_reach_who_listens_after_it(network: AioNetwork, scripted: Any) -> None:
    """What was said in clear is no answer to what is asked in secret (the STARTTLS injection)."""
    server = scripted.by_connection([[b"in secret", Stall()]], tls=True)
    ear = Ear(await secured(network, server))
    await until(lambda: ear.data)
    assert ear.data == b"in secret"


async def test_the_offer_decides_what_is_spoken(network: AioNetwork, scripted: Any) -> None:
    server = scripted.by_connection([Stall()] * 2, tls=True, alpn=["h2", "http/1.1"])
    context = server.ssl_context()

    async def choose(*offer: str) -> str | None:
        sock = socket.create_connection(("127.0.0.1", server.port))
        sock.setblocking(False)
        channel = await wrap(network, sock)
        await channel.start_tls(context, "localhost", "localhost:1", offer)
        return channel.alpn

    assert await asyncio.gather(choose("h2", "http/1.1"), choose("http/1.1")) == ["h2", "http/1.1"]


# -- handshakes with one context ---------------------------------------------------------------------------------


class Context:
    """What a gate does to a context."""

    def __init__(self) -> None:
        self.offers: list[list[str]] = []

    def set_alpn_protocols(self, protocols: list[str]) -> None:
        self.offers.append(protocols)


async def entered(gate: OfferGate, context: Any, *offer: str) -> asyncio.Task[None]:
    task = asyncio.ensure_future(gate.enter(context, offer))
    await asyncio.sleep(0)
    return task


async def test_the_same_offer_goes_on_together_another_waits() -> None:
    gate, context = OfferGate(), Context()
    first, second = await entered(gate, context, "h2"), await entered(gate, context, "h2")
    other = await entered(gate, context, "http/1.1")
    assert [first.done(), second.done(), other.done()] == [True, True, False]
    assert context.offers[-1] == ["h2"]
    gate.leave(context)
    await asyncio.sleep(0.001)
    assert not other.done(), "one is still on its way"
    gate.leave(context)
    await other
    assert context.offers[-1] == ["http/1.1"]
    gate.leave(context)


async def test_contexts_do_not_wait_for_each_other() -> None:
    gate, one, two = OfferGate(), Context(), Context()
    assert (await entered(gate, one, "h2")).done()
    assert (await entered(gate, two, "http/1.1")).done()


async def test_of_those_who_wait_each_gets_its_turn() -> None:
    gate, context = OfferGate(), Context()
    await entered(gate, context, "h2")
    waiting = [await entered(gate, context, offer) for offer in ("a", "b", "a", "c")]
    for _ in range(6):
        gate.leave(context) if gate._running else None
        await asyncio.sleep(0.001)
    assert all(task.done() for task in waiting)


async def test_who_gives_up_while_waiting_holds_up_nobody() -> None:
    gate, context = OfferGate(), Context()
    await entered(gate, context, "h2")
    gone, stays = await entered(gate, context, "a"), await entered(gate, context, "b")
    gone.cancel()
    await asyncio.sleep(0)
    gate.leave(context)
    await asyncio.wait_for(stays, PATIENCE)
    assert context.offers == [["h2"], ["b"]]


# -- callbacks and tasks -----------------------------------------------------------------------------------------


async def test_called_from_another_thread_it_runs_in_the_loops(pair: Any) -> None:
    channel, _ = pair
    ran: list[int] = []
    thread = threading.Thread(target=channel.call_safely, args=(lambda: ran.append(threading.get_ident()),))
    thread.start()
    thread.join(PATIENCE)
    await until(lambda: ran)
    assert ran == [threading.get_ident()]


def test_nobody_minds_a_call_when_the_loop_is_closed() -> None:
    async def make() -> AioChannel:
        return AioChannel(AioNetwork(asyncio.get_running_loop()), None, "peer")

    channel = asyncio.run(make())
    channel.call_safely(lambda: pytest.fail("ran"))


async def test_what_is_called_soon_runs_at_the_end_of_the_turn(pair: Any) -> None:
    channel, _ = pair
    ran: list[int] = []
    channel.soon(lambda: ran.append(1))
    assert ran == []
    await asyncio.sleep(0)
    assert ran == [1]


async def test_what_sending_raises_comes_out(pair: Any) -> None:
    channel, _ = pair

    async def broken() -> None:
        raise KeyError("of the sender")

    with pytest.raises(KeyError):
        await channel.send_while(broken(), channel.new_wait())


async def test_sending_ends_when_whoever_waits_for_it_is_cancelled(pair: Any) -> None:
    channel, _ = pair
    ended: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("sending")

    task = asyncio.ensure_future(channel.send_while(endless(), channel.new_wait()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await asyncio.sleep(0)
    assert ended == ["sending"]


async def test_what_sending_raises_after_the_answer_is_of_no_interest(pair: Any) -> None:
    channel, _ = pair
    complaints: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))
    until_set = channel.new_wait()

    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise ValueError("in the middle of it") from None

    asyncio.get_running_loop().call_later(0.01, until_set.set_result, None)
    await channel.send_while(stubborn(), until_set)
    await asyncio.sleep(0.01)
    assert complaints == []


async def test_content_goes_no_further_when_the_stream_has_broken(pair: Any, caplog: Any) -> None:
    """asyncio tells of it in the next turn; until then it would log each further write."""
    channel, peer = pair
    Ear(channel)
    peer.close()
    for _ in range(1000):
        channel.listen()
        if channel.write_paused:
            break
        channel.write(b"x" * 65_536)
    assert channel.write_paused
    assert caplog.messages == []
    await until(lambda: channel.closed)
