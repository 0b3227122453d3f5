"""A server that goes wrong at a moment of its choice, and is healthy from when a test says so.

A fault is a function that is called with a `Line`: one connection, on one of the four wires (HTTP/1.1 and HTTP/2, in
clear and over TLS). It lets the exchange come to its moment and does there what it has to do:

    def closes(line):
        line.until("content")
        line.connection.close()
"""

from __future__ import annotations

import functools
import itertools
import socket
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from hyperhttp.network.addresses import Address
from hyperhttp.testing.http2 import frame
from hyperhttp.testing.tls import shared_authority
from tests.behaviour.http2.test_peer import DATA, END_HEADERS, HEADERS, Peer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hyperhttp.testing.scripted import ScriptedConnection, ScriptedServerFactory

HOST = "hostile.test"
LIVE, DEAD = "127.0.0.1", "127.0.0.9"
PACE = 0.02  # seconds between two bytes of what drips
LENGTH = 1000  # bytes of content that a head promises


class Wire(NamedTuple):
    """What is spoken, and in what."""

    http2: bool
    tls: bool

    def __str__(self) -> str:
        return ("http2" if self.http2 else "http1") + ("-tls" if self.tls else "")

    @property
    def version(self) -> str:
        """As a response says it."""
        return "HTTP/2" if self.http2 else "HTTP/1.1"


WIRES = tuple(Wire(http2, tls) for http2 in (False, True) for tls in (False, True))


@functools.cache
def server_context(*, http2: bool = False, name: str = HOST, is_expired: bool = False) -> ssl.SSLContext:
    """The context of a listener; making keys is slow, so each is made once."""
    alpn = ["h2"] if http2 else ["http/1.1"]
    return shared_authority().server_context(names=[name], alpn=alpn, is_expired=is_expired)


@functools.cache
def strange_context() -> ssl.SSLContext:
    """A certificate of an authority that nobody trusts."""
    from hyperhttp.testing.tls import Authority

    return Authority().server_context(names=[HOST])


@functools.cache
def old_context() -> ssl.SSLContext:
    """A listener that speaks no version of TLS that a client of today does."""
    context = shared_authority().server_context(names=[HOST])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA")  # a key exchange without forward secrecy, which no default list has
    return context


class Speech:
    """The pieces of a response as HTTP/1.1 sends them."""

    part_of_head = b"HTTP/1.1 200 OK\r\nContent-Le"
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LENGTH
    part_of_content = b"half of it"
    contradiction = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd"
    #: What is no HTTP, by moment; the content is chunked then.
    garbage = {
        "before the head": b"\x16\x03\x01 what is this\r\n\r\n",
        "in the head": b"ngth\0\xff: nonsense\r\n\r\n",
        "in the content": b"nonsense\r\n" * 4,
    }
    #: What never ends, by moment.
    drips = {
        "before the head": b"HTTP/1.1 103 Early Hints\r\n\r\n",
        "in the head": b"a",
        "in the content": b"a",
    }

    def __init__(self, connection: ScriptedConnection) -> None:
        self.connection = connection

    def hear(self) -> None:
        """The head of a request."""
        assert self.connection.read_until(b"\r\n\r\n")

    def begin_garbage(self) -> bytes:
        """A head whose content may turn out to be garbage."""
        return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"

    def short(self) -> bytes:
        """Less content than was announced, and no more."""
        return self.head + b"short"

    def long(self) -> bytes:
        """More content than was announced."""
        return b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more of it"

    def answer(self) -> None:
        """A whole response."""
        self.connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    def serve(self) -> None:
        """Be healthy."""
        while self.connection.read_request():
            self.answer()

    def take_slowly(self) -> None:
        """Take content in drops."""
        self.connection.recv(512)


class Speech2(Speech):
    """The same in frames of HTTP/2."""

    garbage = dict.fromkeys(Speech.garbage, b"\xff\xfe nonsense" * 1000)
    drips = {
        "before the head": frame(0xBE, 0, b"grease"),
        "in the head": b"\x00",
        "in the content": b"a",
    }

    def __init__(self, connection: ScriptedConnection) -> None:
        super().__init__(connection)
        self.peer = Peer(connection, 0, {})
        block = self.peer.encoder.encode([(":status", "200"), ("content-length", str(LENGTH))])
        self.head = frame(HEADERS, 1, block, flags=END_HEADERS)
        self.part_of_head = frame(HEADERS, 1, bytes(10_000), flags=END_HEADERS)[:12]
        self.part_of_content = frame(DATA, 1, bytes(800))[:50]
        self.contradiction = frame(
            HEADERS,
            1,
            self.peer.encoder.encode([(":status", "200"), ("content-length", "3"), ("content-length", "4")]),
            flags=END_HEADERS,
        )

    def hear(self) -> None:
        self.peer.request()

    def begin_garbage(self) -> bytes:
        return self.head + frame(DATA, 1, b"half")

    def short(self) -> bytes:
        return self.head + frame(DATA, 1, b"short", flags=1)

    def long(self) -> bytes:
        block = self.peer.encoder.encode([(":status", "200"), ("content-length", "2")])
        return frame(HEADERS, 1, block, flags=END_HEADERS) + frame(DATA, 1, b"ok and more of it", flags=1)

    def answer(self) -> None:
        self.peer.answer(self.peer.asked[-1].stream)

    def serve(self) -> None:
        while True:
            stream = self.peer.request().stream
            self.peer.whole(stream)
            self.peer.answer(stream)

    def take_slowly(self) -> None:
        self.peer.window(0, 16)
        self.peer.window(1, 16)
        self.connection.recv(512)


class Line:
    """One connection that something happens to.

    Attributes:
        connection: the server's end.
        speech: its protocol; there is none before TLS is agreed on.
        over: set when the test has seen enough.
        answered: set by the test when it has the answer.
        struck: set by the fault when it has happened, where the test waits for that.
    """

    speech: Speech

    def __init__(self, connection: ScriptedConnection, server: HostileServer) -> None:
        self.connection = connection
        # What is said to be sent has arrived, whatever of the last words is not acknowledged yet.
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.wire = server.wire
        self.over = server.healthy
        self.answered = server.answered
        self.struck = server.struck

    def agree(self) -> None:
        """TLS, where there is any, and the preface."""
        if self.wire.tls:
            self.connection.start_tls(server_context(http2=self.wire.http2))
        self.speech = (Speech2 if self.wire.http2 else Speech)(self.connection)

    def until(self, moment: str) -> None:
        """Behave up to this moment."""
        self.agree()
        self.speech.hear()
        if moment == "in the head":
            self.send(self.speech.part_of_head)
        elif moment == "in the content":
            self.send(self.speech.head + self.speech.part_of_content)
        elif moment == "idle":
            self.speech.answer()

    def send(self, data: bytes) -> None:
        """These bytes as they are."""
        self.connection.sendall(data)

    def drip(self, data: bytes) -> None:
        """These bytes again and again, one by one."""
        for byte in itertools.cycle(data):
            self.send(bytes([byte]))
            if self.over.wait(PACE):
                self.connection.reset()
                return

    def hold(self) -> None:
        """Neither read nor write until the test has seen enough."""
        self.over.wait(20)

    def close(self) -> None:
        """close_notify, where there is TLS, and FIN; what still comes is answered with a reset, as by most servers."""
        if isinstance(self.connection.sock, ssl.SSLSocket):
            self.connection.settimeout(0)
            try:
                self.connection.sock.unwrap()
            except (OSError, ValueError):
                pass  # it is sent; the answer is not waited for
        self.drop()

    def drop(self) -> None:
        """FIN without the close_notify of TLS."""
        self.connection.is_closed = True
        self.connection.sock.close()

    def half_close(self) -> None:
        """FIN, and listen on."""
        socket.socket.shutdown(self.connection.sock, socket.SHUT_WR)

    def flight(self) -> bytes:
        """What a TLS server answers to the ClientHello, without sending it."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = server_context(http2=self.wire.http2).wrap_bio(incoming, outgoing, server_side=True)
        while not outgoing.pending:
            incoming.write(self.connection.recv())
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
        return outgoing.read()


class Names:
    """A resolver that gives what the test has put there: addresses, an error, or a pause."""

    def __init__(self, face: Any) -> None:
        self._face = face
        self.hosts: list[str] = [LIVE]
        self.error: Exception | None = None
        self.pause = 0.0

    async def resolve(self, host: str, port: int) -> list[Address]:
        """The addresses as they are now."""
        if self.pause:
            await self._face.sleep(self.pause)
        if self.error is not None:
            raise self.error
        return [Address(socket.AF_INET6 if ":" in each else socket.AF_INET, each, port) for each in self.hosts]

    def recover(self) -> None:
        """Find the server from now on."""
        self.hosts, self.error, self.pause = [LIVE], None, 0.0


class HostileServer:
    """A server whose connections go wrong by `fault` until `recover` is called.

    Attributes:
        options: what a client of it needs.
        names: its resolver.
        wire: what it speaks.
        healthy, answered, struck: see `Line`, where the first is called `over`.
        raw: the scripted server.
    """

    def __init__(self, scripted: ScriptedServerFactory, face: Any, wire: Wire, fault: Callable[[Line], object]) -> None:
        self.wire = wire
        self._fault = fault
        self.healthy, self.answered, self.struck = threading.Event(), threading.Event(), threading.Event()
        self.names = Names(face)
        self.raw = scripted(self._play)
        self.port = self.raw.port
        self.url = f"{'https' if wire.tls else 'http'}://{HOST}:{self.port}/"
        self.options: dict[str, Any] = {"resolver": self.names, "max_connections": 1, "trust_env": False}
        self.options["http2"] = "prior-knowledge" if wire.http2 and not wire.tls else wire.http2
        if wire.tls:
            self.options["ssl_context"] = shared_authority().client_context()

    def _play(self, connection: ScriptedConnection, _: int) -> None:
        line = Line(connection, self)
        if self.healthy.is_set():
            line.agree()
            line.speech.serve()
        else:
            self._fault(line)

    def recover(self) -> None:
        """Be healthy from now on."""
        self.names.recover()
        self.healthy.set()


@contextmanager
def full_listener(host: str, port: int) -> Iterator[None]:
    """Nobody answers at this address: its queue of connections is full."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family, backlog=0) as listener:
        fillers = []
        try:
            while True:
                filler = socket.socket(family)
                fillers.append(filler)
                filler.settimeout(0.05)
                filler.connect(listener.getsockname()[:2])
        except TimeoutError:
            yield  # one had no answer any more, and no other will
        finally:
            for each in fillers:
                each.close()


def has_ipv6() -> bool:
    """Whether there is a loopback address of that kind."""
    try:
        with socket.create_server(("::1", 0), family=socket.AF_INET6):
            return True
    except OSError:
        return False
