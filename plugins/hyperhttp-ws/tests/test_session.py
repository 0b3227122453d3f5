"""What happens to an open WebSocket: keep-alive, ends of every kind, faults, back-pressure, cancellation, threads."""

import asyncio
import contextlib
import gc
import struct
import threading
import time
import tracemalloc
import zlib

import pytest
import websockets
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

import hyperhttp
from hyperhttp.testing import Origin
from hyperhttp_ws.framing import Framing
from hyperhttp_ws.session import KeepAlive, Session

from .test_framing import BINARY, CLOSE, PING, TEXT, frame

DEFLATE = b"Sec-WebSocket-Extensions: permessage-deflate\r\n"


class Peer:
    """The server's side of a raw connection, which remembers what the client sent."""

    def __init__(self, connection):
        self.connection = connection
        self.protocol = Connection(ConnectionType.SERVER)
        self.events = []

    def next(self, kind):
        """The next event of a kind; None where the client has gone."""
        while True:
            while self.events:
                event = self.events.pop(0)
                if isinstance(event, kind):
                    return event
            data = self.connection.recv(65536)
            if not data:
                return None
            self.protocol.receive_data(data)
            self.events += self.protocol.events()


async def until(condition, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        await asyncio.sleep(0.005)


async def until_it_fails(call, pause=0.0):
    """What a call fails with, repeated until it does."""
    for _ in range(1000):
        try:
            await call()
        except hyperhttp.HyperHTTPError as error:
            return error
        await asyncio.sleep(pause)
    raise AssertionError("it does not fail")


# -- faults of the peer ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "error", "code"),
    [
        pytest.param(frame(TEXT, b"\xff"), hyperhttp.WebSocketDecodeError, 1007, id="invalid UTF-8"),
        pytest.param(frame(TEXT, b"a", masked=True), hyperhttp.WebSocketProtocolError, 1002, id="masked"),
        pytest.param(frame(TEXT, b"a", rsv=4), hyperhttp.WebSocketProtocolError, 1002, id="reserved bit"),
        pytest.param(frame(PING, bytes(126)), hyperhttp.WebSocketProtocolError, 1002, id="oversized ping"),
        pytest.param(frame(0x3, b""), hyperhttp.WebSocketProtocolError, 1002, id="reserved opcode"),
        pytest.param(frame(CLOSE, b"\x03"), hyperhttp.WebSocketProtocolError, 1002, id="half a code"),
        pytest.param(b"\x82\x7f" + struct.pack("!Q", 2**40), hyperhttp.WebSocketClosed, 1009, id="too large"),
    ],
)
async def test_a_fault_is_an_error_once_and_the_end_afterwards(face, raw, data, error, code):
    heard = []

    def converse(connection):
        connection.sendall(frame(TEXT, b"before") + data + frame(TEXT, b"after"))
        heard.append(Peer(connection).next(CloseConnection))

    async with face.client() as client:
        async with face.connect(raw(converse), client) as socket:
            assert await socket.recv() == "before"
            with pytest.raises(error):
                await socket.recv()
            with pytest.raises(hyperhttp.WebSocketClosed) as caught:
                await socket.recv()
            assert caught.value.code == code
            with pytest.raises(hyperhttp.WebSocketClosed):
                await socket.send_text("x")
        assert client.get_pool_stats() == {}
    await until(lambda: heard)
    assert heard[0].code == code


async def test_a_message_above_the_limit_closes_with_1009(face, serve):
    codes = []

    def handler(connection):
        connection.send("x" * 1000)
        connection.send("x" * 1001)
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            connection.recv()
        codes.append(connection.close_code)

    async with face.connect(serve(handler, compression=None), max_message_size=1000) as socket:
        assert len(await socket.recv()) == 1000
        with pytest.raises(hyperhttp.WebSocketClosed, match="max_message_size") as caught:
            await socket.recv()
        assert caught.value.code == 1009
    await until(lambda: codes == [1009])


async def test_a_bomb_is_stopped_before_it_is_inflated(face, raw):
    compressor = zlib.compressobj(9, wbits=-15)
    bomb = b"".join(compressor.compress(bytes(1 << 20)) for _ in range(40)) + compressor.flush(zlib.Z_SYNC_FLUSH)
    assert len(bomb) < 60_000

    def converse(connection):
        connection.sendall(frame(BINARY, bomb[:-4], rsv=4))
        Peer(connection).next(CloseConnection)

    async with face.connect(raw(converse, fields=DEFLATE), max_message_size=1 << 20) as socket:
        tracemalloc.start()
        try:
            with pytest.raises(hyperhttp.WebSocketClosed, match="max_message_size") as caught:
                await socket.recv()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert caught.value.code == 1009
    assert peak < 16 << 20  # not 40 MiB


async def test_what_cannot_be_inflated_is_a_decoding_error(face, raw):
    def converse(connection):
        connection.sendall(frame(BINARY, b"\xff\xff\xff", rsv=4))
        Peer(connection).next(CloseConnection)

    async with face.connect(raw(converse, fields=DEFLATE)) as socket:
        with pytest.raises(hyperhttp.WebSocketDecodeError, match="inflated"):
            await socket.recv()


# -- ends ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", [1000, 1001, 3000, 4999])
@pytest.mark.parametrize("reason", ["", "h\u00e9"])
async def test_code_and_reason_of_the_server_are_told(face, serve, code, reason):
    async with face.connect(serve(lambda connection: connection.close(code, reason))) as socket:
        with pytest.raises(hyperhttp.WebSocketClosed) as caught:
            await socket.recv()
        assert (caught.value.code, caught.value.reason) == (code, reason)


async def test_messages_before_the_end_are_received(face, raw):
    def converse(connection):
        connection.sendall(frame(TEXT, b"1") + frame(TEXT, b"2") + frame(CLOSE, struct.pack("!H", 1000)))
        Peer(connection).next(CloseConnection)

    async with face.connect(raw(converse)) as socket:
        assert await socket.recv() == "1"
        assert await socket.recv() == "2"
        with pytest.raises(hyperhttp.WebSocketClosed):
            await socket.recv()


async def test_the_servers_close_frame_is_answered(face, raw):
    heard = []

    def converse(connection):
        connection.sendall(frame(CLOSE, struct.pack("!H", 4001) + b"bye"))
        heard.append(Peer(connection).next(CloseConnection))

    async with face.connect(raw(converse)) as socket:
        with pytest.raises(hyperhttp.WebSocketClosed):
            await socket.recv()
        await until(lambda: heard)
    assert heard[0].code == 4001


@pytest.mark.parametrize("partial", [b"", frame(TEXT, b"half a message")[:5]])
async def test_a_server_that_drops_the_connection_is_1006(face, raw, partial):
    async with face.client() as client:
        async with face.connect(raw(lambda connection: connection.sendall(partial)), client) as socket:
            with pytest.raises(hyperhttp.WebSocketClosed) as caught:
                await socket.recv()
            assert (caught.value.code, caught.value.reason) == (1006, "")
            with pytest.raises(hyperhttp.WebSocketClosed):
                await socket.send_text("x")
        assert client.get_pool_stats() == {}


async def test_a_reset_is_1006_with_its_cause(face):
    with Origin() as origin:
        async with face.connect(origin.url.replace("http", "ws") + "/ws/echo") as socket:
            await socket.send_text("x")
            await socket.recv()
            origin.drop_connections(reset=True)
            with pytest.raises(hyperhttp.WebSocketClosed) as caught:
                await socket.recv()
            assert caught.value.code == 1006
            assert isinstance(caught.value.__cause__, hyperhttp.TransportError)


async def test_who_only_sends_hears_how_it_ended(face, serve):
    closing = threading.Event()

    def handler(connection):
        connection.recv()
        connection.close(4321, "enough")
        closing.set()

    async with face.connect(serve(handler, close_timeout=0.1)) as socket:
        await socket.send_text("x")
        await until(closing.is_set)
        ended = await until_it_fails(lambda: socket.send_text("x"), pause=0.001)
        assert isinstance(ended, hyperhttp.WebSocketClosed)
        assert ended.code == 4321


async def test_a_peer_that_does_not_agree_to_close_is_left(face, raw):
    release = threading.Event()
    url = raw(lambda connection: release.wait(20))
    async with face.client() as client:
        async with face.connect(url, client, close_timeout=0.1) as socket:
            started = time.monotonic()
            await socket.close()
            assert time.monotonic() - started < 5
            assert socket.close_code == 1006
        assert client.get_pool_stats() == {}
    release.set()


async def test_closing_does_not_drown_in_what_still_comes(face, raw):
    def converse(connection):
        peer = Peer(connection)
        for _ in range(100):
            connection.sendall(frame(BINARY, bytes(50_000)))
        close = peer.next(CloseConnection)
        connection.sendall(frame(CLOSE, struct.pack("!H", close.code)))

    async with face.connect(raw(converse)) as socket:
        await socket.close(1001)
        assert socket.close_code == 1001


async def test_abort_frees_the_connection_at_once(face, echo_url):
    async with face.client() as client, face.connect(echo_url, client) as socket:
        value = socket.raw.abort()
        if not face.is_blocking:
            await value
        assert socket.close_code == 1006
        assert client.get_pool_stats() == {}


# -- keep-alive ------------------------------------------------------------------------------------------------------


async def test_a_silent_peer_that_answers_pings_is_kept(face, raw):
    pings = []

    def converse(connection):
        peer = Peer(connection)
        for _ in range(3):
            ping = peer.next(Ping)
            pings.append(ping)
            connection.sendall(frame(0xA, bytes(ping.payload)))
        connection.sendall(frame(TEXT, b"at last"))
        peer.next(CloseConnection)

    async with face.connect(raw(converse), ping_interval=0.05, ping_timeout=10, close_timeout=0.1) as socket:
        assert await socket.recv() == "at last"
    assert len(pings) == 3


async def test_a_half_open_connection_is_found_out(face, raw):
    release = threading.Event()
    url = raw(lambda connection: release.wait(20))
    async with face.client() as client:
        async with face.connect(url, client, ping_interval=0.05, ping_timeout=0.1) as socket:
            with pytest.raises(hyperhttp.WebSocketClosed, match=r"0\.1 s after a ping") as caught:
                await socket.recv()
            assert caught.value.code == 1006
        assert client.get_pool_stats() == {}
    release.set()


async def test_any_sign_of_life_counts(face, raw):
    def converse(connection):
        peer = Peer(connection)
        peer.next(Ping)
        connection.sendall(frame(PING, b"mine"))  # instead of a pong
        assert isinstance(peer.next((Pong, Ping)), (Pong, Ping))
        connection.sendall(frame(TEXT, b"x"))
        peer.next(CloseConnection)

    async with face.connect(raw(converse), ping_interval=0.1, ping_timeout=10, close_timeout=0.1) as socket:
        assert await socket.recv() == "x"


async def test_pings_can_be_switched_off(face, raw):
    heard = []

    def converse(connection):
        peer = Peer(connection)
        heard.append(peer.next((Ping, TextMessage)))
        connection.sendall(frame(TEXT, b"x"))
        peer.next(CloseConnection)

    async with face.connect(raw(converse), ping_interval=None, close_timeout=0.1) as socket:
        with pytest.raises(hyperhttp.ReadTimeout):
            await socket.recv(timeout=0.2)
        await socket.send_text("now")
        assert await socket.recv() == "x"
    assert isinstance(heard[0], TextMessage)


async def test_a_flood_of_pings_costs_few_pongs(face, raw):
    """Each answer would be kept while the peer reads none; only the last ping of what has come is answered."""
    pongs = []

    def converse(connection):
        connection.sendall(frame(PING, bytes(100)) * 5000 + frame(TEXT, b"still there"))
        peer = Peer(connection)
        while isinstance(event := peer.next((Pong, TextMessage)), Pong):
            pongs.append(event)
        connection.sendall(frame(TEXT, b"done"))
        peer.next(CloseConnection)

    async with face.connect(raw(converse), close_timeout=0.1) as socket:
        assert await socket.recv() == "still there"
        await socket.send_text("seen")
        assert await socket.recv() == "done"
    assert 0 < len(pongs) < 1000


class EarlyStream:
    """A stream whose waits end a moment too early, as those of real clocks do."""

    http_version = "HTTP/1.1"
    congested = at_eof = is_closed = False

    def __init__(self):
        self.limits = []
        self.written = b""

    async def receive(self, timeout):
        self.limits.append(timeout)
        raise hyperhttp.ReadTimeout

    def write(self, data):
        self.written += data

    def close(self):
        self.is_closed = True

    abort = close


def session_on(stream, interval, timeout):
    return Session(
        stream,
        Framing(),
        name="peer",
        keep_alive=KeepAlive(interval, timeout),
        write_timeout=None,
        close_timeout=None,
    )


async def test_a_wait_that_ends_early_for_its_caller_says_nothing_of_the_peer():
    session = session_on(EarlyStream(), 1000.0, 2000.0)
    session._keep_alive.ask()
    with pytest.raises(hyperhttp.ReadTimeout, match="no message"):
        await session.receive(500.0)
    assert session.close_code is None
    assert session.stream.written == b""
    assert 499 < session.stream.limits[0] <= 500


async def test_a_wait_that_ends_early_for_a_ping_sends_it():
    session = session_on(EarlyStream(), 100.0, 200.0)
    with pytest.raises(hyperhttp.WebSocketClosed, match="200 s after a ping"):
        await session.receive()
    assert len(session.stream.limits) == 2
    assert session.stream.written[0] == 0x89
    assert session.stream.is_closed


async def test_empty_frames_without_end_are_a_fault(face, raw):
    def converse(connection):
        connection.sendall(frame(TEXT, b"a", fin=False) + frame(0, fin=False) * 1001)
        assert Peer(connection).next(CloseConnection).code == 1008

    async with face.connect(raw(converse)) as socket:
        with pytest.raises(hyperhttp.WebSocketProtocolError, match="1000 frames without content"):
            await socket.recv()
        assert socket.close_code == 1008


# -- limits of time, back-pressure -----------------------------------------------------------------------------------


async def test_a_time_limit_that_passes_costs_nothing(face, serve):
    release = threading.Event()

    def parts():
        yield "a"
        release.wait(10)
        yield "b"

    def handler(connection):
        connection.send(parts())

    async with face.connect(serve(handler)) as socket:
        for _ in range(3):
            with pytest.raises(hyperhttp.ReadTimeout, match="no message from localhost"):
                await socket.recv(timeout=0.05)
        release.set()
        assert await socket.recv(timeout=10) == "ab"


async def test_a_slow_reader_makes_the_peer_wait(face, serve):
    sent = []

    def handler(connection):
        try:
            for _ in range(200):
                connection.send(bytes(1 << 20))
                sent.append(1)
        except websockets.exceptions.ConnectionClosed:
            pass

    async with face.connect(serve(handler, compression=None), max_message_size=2 << 20, close_timeout=0.1) as socket:
        assert len(await socket.recv()) == 1 << 20
        tracemalloc.start()
        try:
            await asyncio.sleep(0.5)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert len(sent) < 100  # the rest waits in the server
        assert peak < 24 << 20, peak  # the server's own next message is counted too
        assert len(await socket.recv()) == 1 << 20
        await settle_abort(face, socket)


async def settle_abort(face, socket):
    value = socket.raw.abort()
    if not face.is_blocking:
        await value


async def test_a_peer_that_reads_nothing_stops_the_sender(face, raw):
    release = threading.Event()
    url = raw(lambda connection: release.wait(30))
    async with face.connect(url, timeout=hyperhttp.Timeout(write=0.2), extensions=[], close_timeout=0.1) as socket:
        assert isinstance(await until_it_fails(lambda: socket.send_bytes(bytes(1 << 20))), hyperhttp.WriteTimeout)
        release.set()
        await settle_abort(face, socket)


async def test_a_server_that_reads_late_gets_everything(face, raw):
    received = []

    def converse(connection):
        time.sleep(0.2)
        peer = Peer(connection)
        peer.protocol = Connection(ConnectionType.SERVER)
        total = 0
        while total < 20 << 20:
            total += len(peer.next(BytesMessage).data)
        received.append(total)
        connection.sendall(frame(TEXT, b"done"))
        peer.next(CloseConnection)

    async with face.connect(raw(converse), extensions=[], close_timeout=0.1) as socket:
        for _ in range(20):
            await socket.send_bytes(bytes(1 << 20))
        assert await socket.recv() == "done"
    assert received == [20 << 20]


# -- more than one at a time -----------------------------------------------------------------------------------------


async def test_only_one_receives_at_a_time(face, echo_url):
    async with face.connect(echo_url) as socket:
        first = face.start(receive(socket.raw, face))
        await until(lambda: socket.raw._session._receiving)
        with pytest.raises(RuntimeError, match="one task, or thread, receives"):
            await socket.recv()
        await socket.send_text("for the first")
        assert await first == "for the first"


async def receive(raw, face):
    return raw.recv() if face.is_blocking else await raw.recv()


async def test_one_receives_while_others_send(face, echo_url):
    async with face.connect(echo_url) as socket:
        raw = socket.raw

        async def send(name):
            for number in range(30):
                data = f"{name}:{number}:" + "x" * 20_000
                if face.is_blocking:
                    raw.send_text(data)
                else:
                    await raw.send_text(data)

        async def collect():
            received = []
            for _ in range(120):
                received.append(raw.recv() if face.is_blocking else await raw.recv())
            return received

        collecting = face.start(collect())
        await asyncio.gather(*(face.start(send(name)) for name in range(4)))
        received = await collecting
    for name in range(4):
        own = [message.split(":")[1] for message in received if message.startswith(f"{name}:")]
        assert own == [str(number) for number in range(30)]


async def test_closing_ends_the_wait_of_another(face, echo_url):
    async with face.connect(echo_url) as socket:
        waiting = face.start(receive(socket.raw, face))
        await until(lambda: socket.raw._session._receiving)
        await asyncio.sleep(0.02)
        await socket.close(1001, "leaving")
        with pytest.raises(hyperhttp.WebSocketClosed) as caught:
            await waiting
        assert caught.value.code == 1001


async def test_messages_sent_over_http2_while_another_receives(face, hypercorn_server):
    async with face.client(http2="prior-knowledge") as client, face.connect(hypercorn_server.clear, client) as socket:
        raw = socket.raw

        async def collect():
            return [raw.recv() if face.is_blocking else await raw.recv() for _ in range(50)]

        collecting = face.start(collect())
        for number in range(50):
            await socket.send_bytes(bytes([number]) * 100_000)
        assert [message[0] for message in await collecting] == list(range(50))


async def test_a_sender_that_waits_hears_of_the_end(face, raw):
    release = threading.Event()
    url = raw(lambda connection: release.wait(30))

    async def flood(socket):
        for _ in range(200):
            if face.is_blocking:
                socket.send_bytes(bytes(1 << 20))
            else:
                await socket.send_bytes(bytes(1 << 20))

    async with face.connect(url, extensions=[], close_timeout=0.1) as socket:
        sending = face.start(flood(socket.raw))
        await until(lambda: socket.raw._session.stream.congested)
        await socket.close()
        with pytest.raises(hyperhttp.WebSocketClosed):
            await sending
    release.set()


# -- cancellation ------------------------------------------------------------------------------------------------------


async def test_a_cancelled_wait_loses_nothing(serve):
    release = threading.Event()

    def handler(connection):
        connection.send(["half ", "a message"])
        release.wait(10)
        connection.send("second")

    async with hyperhttp.WebSocket.connect(serve(handler)) as socket:
        received = []
        for _ in range(200):
            try:
                received.append(await asyncio.wait_for(socket.recv(), 0.001))
                release.set()
            except TimeoutError:
                pass
            if len(received) == 2:
                break
        assert received == ["half a message", "second"]


async def test_cancelled_senders_leave_whole_frames(raw):
    release = threading.Event()
    sizes = []

    def converse(connection):
        release.wait(20)
        peer = Peer(connection)
        while (event := peer.next((BytesMessage, CloseConnection))) is not None:
            if isinstance(event, CloseConnection):
                connection.sendall(frame(CLOSE, struct.pack("!H", 1000)))
                return
            sizes.append((len(event.data), event.message_finished))

    async with hyperhttp.WebSocket.connect(raw(converse), extensions=[]) as socket:
        tasks = [asyncio.ensure_future(socket.send_bytes(bytes(4 << 20))) for _ in range(5)]
        await asyncio.sleep(0.1)
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert any(isinstance(result, asyncio.CancelledError) for result in results)
        release.set()
        await socket.send_bytes(b"x")
    assert sum(size for size, _ in sizes) == 5 * (4 << 20) + 1
    assert sum(finished for _, finished in sizes) == 6


async def test_a_cancelled_close_frees_the_connection(raw):
    release = threading.Event()
    url = raw(lambda connection: release.wait(20))
    async with hyperhttp.Client() as client:
        socket = await client.websocket(url)
        task = asyncio.ensure_future(socket.close())
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.get_pool_stats() == {}
        assert socket.close_code == 1006
    release.set()


async def test_a_cancelled_block_does_not_wait_for_the_peer(raw):
    release = threading.Event()
    url = raw(lambda connection: release.wait(20))
    async with hyperhttp.Client() as client:

        async def work():
            async with client.websocket(url) as socket:
                await socket.recv()

        task = asyncio.ensure_future(work())
        await until(lambda: client.get_pool_stats())
        await asyncio.sleep(0.05)
        started = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - started < 5
        assert client.get_pool_stats() == {}
    release.set()


async def test_cancelling_anywhere_leaves_nothing(echo_url):
    async with hyperhttp.Client() as client:

        async def work():
            async with client.websocket(echo_url) as socket:
                for _ in range(5):
                    await socket.send_text("x" * 100_000)
                    await socket.recv()
                await socket.close()

        for delay in range(40):
            task = asyncio.ensure_future(work())
            for _ in range(delay):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        await until(lambda: client.get_pool_stats() == {})
        async with client.websocket(echo_url) as socket:
            await socket.send_text("on")
            assert await socket.recv() == "on"


# -- the echo of the local origin -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("compression", [0, 1])
async def test_the_echo_of_the_local_origin(face, hyperhttp_origin, compression):
    url = hyperhttp_origin.url.replace("http", "ws") + f"/ws/echo?compression={compression}&subprotocol=chat"
    async with face.connect(url, subprotocols=["chat"]) as socket:
        assert socket.subprotocol == "chat"
        await socket.send_text("hello", final=False)
        await socket.send_text(" world")
        assert await socket.recv() == "hello world"
        for large in (bytes(100_000), bytes(range(250)) * 2800, "\u4e16" * 300_000):
            await (socket.send_text if isinstance(large, str) else socket.send_bytes)(large)
            assert await socket.recv() == large
        await socket.send_text("close 4000 enough")
        with pytest.raises(hyperhttp.WebSocketClosed) as caught:
            await socket.recv()
        assert (caught.value.code, caught.value.reason) == (4000, "enough")
    assert hyperhttp_origin.errors == []


async def test_sockets_leave_nothing_behind(face, echo_url):
    def count():
        gc.collect()
        # Some types of other packages have a descriptor where the name of the module is expected.
        return sum(str(type(each).__module__).startswith(("hyperhttp", "wsproto")) for each in gc.get_objects())

    async def talk(times):
        for _ in range(times):
            async with face.connect(echo_url, client) as socket:
                await socket.send_text("x")
                await socket.recv()
                with pytest.raises(hyperhttp.ReadTimeout):
                    await socket.recv(timeout=0.001)

    async with face.client() as client:
        await talk(5)
        await asyncio.sleep(0.01)
        before = count()
        await talk(40)
        await asyncio.sleep(0.01)
        assert count() - before < 40
        assert client.get_pool_stats() == {}


# -- peers that never stop -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["messages", "pings"])
async def test_a_peer_that_never_stops_cannot_keep_anybody_beyond_his_time(face, raw, what):
    piece = {
        "messages": frame(BINARY, b"x" * 60_000),
        "pings": frame(PING, b"x" * 100) * 500,
    }[what]

    def talk(connection):
        with contextlib.suppress(OSError):
            while True:
                connection.sendall(piece)

    async with face.connect(raw(talk), close_timeout=0.3, ping_interval=None) as socket:
        began = time.monotonic()
        if what != "messages":
            with pytest.raises(hyperhttp.ReadTimeout):
                await socket.recv(timeout=0.3)
        await socket.close()
        assert time.monotonic() - began < 20
    assert socket.close_code == 1006
