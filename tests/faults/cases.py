"""What goes wrong, when, and what must come of it: faults as functions of a `Line`, and the table of all."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import hyperhttp
from tests.faults.hostile import (
    DEAD,
    LIVE,
    PACE,
    WIRES,
    Line,
    Wire,
    full_listener,
    has_ipv6,
    old_context,
    server_context,
    strange_context,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack

    from tests.faults.hostile import HostileServer

SHORT = 0.1  # seconds: the limit that a silent or slow server runs into
PATIENT = 0.3  # seconds: the same where half of it must be enough for something

Errors = tuple[type[Exception], ...]
Play = "Callable[[Line], object]"

BROKEN: Errors = (hyperhttp.ReadError, hyperhttp.RemoteProtocolError)
#: A connection that breaks while it is written to may be noticed by either direction.
BROKEN_UPLOAD: Errors = (*BROKEN, hyperhttp.WriteError)
GARBAGE: Errors = (hyperhttp.RemoteProtocolError,)
TLS: Errors = (hyperhttp.TLSError,)
#: A peer that leaves in the handshake may have been no TLS server, or none that was listening.
LEFT: Errors = (hyperhttp.TLSError, hyperhttp.ConnectError)
CONNECT_TIMEOUT: Errors = (hyperhttp.ConnectTimeout,)
READ_TIMEOUT: Errors = (hyperhttp.ReadTimeout,)
WRITE_TIMEOUT: Errors = (hyperhttp.WriteTimeout,)
TOTAL_TIMEOUT: Errors = (hyperhttp.TotalTimeout,)


@dataclass(frozen=True)
class Case:
    """One fault at one moment.

    Attributes:
        moment, fault: what it is called.
        play: what the server does.
        errors: what may come of it; empty where nothing may.
        limits: limits of the request that are short.
        wires: where it makes sense.
        addresses: where the name of the server leads as long as it is not healthy.
        silent: an address of these where nobody answers.
    """

    moment: str
    fault: str
    play: Callable[[Line], object] = Line.hold
    errors: Errors = ()
    limits: dict[str, float] = field(default_factory=dict)
    wires: tuple[Wire, ...] = WIRES
    addresses: tuple[str, ...] = (LIVE,)
    silent: str = ""

    def may_stay(self, wire: Wire) -> bool:
        """One stream among others has come to nothing, and the server is alive, for it goes on speaking."""
        return wire.http2 and (self.fault == "drip" or "announced" in self.fault or "lies" in self.fault)

    def limits_on(self, wire: Wire) -> dict[str, float]:
        """The short limits; on HTTP/2 there is a ping in the middle of a wait, which takes some time on a busy machine."""
        return {
            name: PATIENT if wire.http2 and name in ("read", "write") else limit for name, limit in self.limits.items()
        }

    def __str__(self) -> str:
        return f"{self.moment}-{self.fault}".replace(" ", "_")


# -- what servers do -------------------------------------------------------------------------------------------------


def resets(line: Line) -> None:
    line.connection.reset()


def half_closes(line: Line) -> None:
    line.half_close()
    line.connection.stall(20)


def stalls(line: Line) -> None:
    line.hold()


#: What can happen to a connection at any moment, what comes of it, and the limit that ends it.
ENDS: dict[str, tuple[Callable[[Line], None], Errors, dict[str, float]]] = {
    "close": (Line.close, BROKEN, {}),
    "drop": (Line.drop, BROKEN, {}),
    "reset": (resets, BROKEN, {}),
    "half-close": (half_closes, BROKEN, {}),
    "stall": (stalls, READ_TIMEOUT, {"read": SHORT}),
}
CLEAR = tuple(wire for wire in WIRES if not wire.tls)
SECURE = tuple(wire for wire in WIRES if wire.tls)


def at(moment: str, action: Callable[[Line], object]) -> Callable[[Line], None]:
    """Come to the moment, then do it."""

    def play(line: Line) -> None:
        line.until(moment)
        action(line)

    return play


def says(moment: str, kind: str) -> Callable[[Line], None]:
    """Come to the moment, send what is wrong there, and listen on."""

    def play(line: Line) -> None:
        line.until("before the head" if kind == "lies" or moment == "in the content" else moment)
        speech = line.speech
        if kind == "lies":
            line.send(speech.contradiction if moment == "in the head" else speech.long())
            end(line)
            return
        line.send((speech.begin_garbage() if moment == "in the content" else b"") + speech.garbage[moment])
        line.connection.stall(20)

    return play


def end(line: Line) -> None:
    """After one wrong response: a stream is no connection."""
    line.speech.serve() if line.wire.http2 else line.close()


def promises_more(line: Line) -> None:
    line.until("before the head")
    line.send(line.speech.short())
    end(line)


def drips(moment: str) -> Callable[[Line], None]:
    def play(line: Line) -> None:
        line.until(moment)
        line.drip(line.speech.drips[moment])

    return play


def response_cases() -> Iterator[Case]:
    """Before the head, in it, and in the content."""
    for moment in ("before the head", "in the head", "in the content"):
        for fault, (action, errors, limits) in ENDS.items():
            wires = SECURE if fault == "drop" else WIRES
            yield Case(moment, fault, at(moment, action), errors, limits, wires)
        yield Case(moment, "garbage", says(moment, "garbage"), GARBAGE)
        yield Case(moment, "drip", drips(moment), TOTAL_TIMEOUT, {"total": SHORT})
    yield Case("in the head", "lies about the length", says("in the head", "lies"), GARBAGE)
    yield Case("in the content", "less than announced", promises_more, BROKEN)
    http1 = tuple(wire for wire in WIRES if not wire.http2)
    http2 = tuple(wire for wire in WIRES if wire.http2)
    more = says("in the content", "lies")
    yield Case("in the content", "more than announced", more, GARBAGE, wires=http2)
    yield Case("in the content", "more than announced", more, wires=http1)  # what is too much is nobody's


# -- before there is a connection ------------------------------------------------------------------------------------


def connect_cases() -> Iterator[Case]:
    """Names and addresses."""
    refused = (hyperhttp.ConnectError,)
    short = {"connect": SHORT}
    yield Case("connect", "refused", errors=refused, addresses=(DEAD,))
    yield Case("connect", "unanswered", errors=CONNECT_TIMEOUT, limits=short, addresses=(DEAD,), silent=DEAD)
    yield Case("connect", "no addresses", errors=(hyperhttp.DNSError,), addresses=())
    yield Case("connect", "dead name server", errors=(hyperhttp.DNSError,), addresses=("error",))
    yield Case("connect", "slow name server", errors=CONNECT_TIMEOUT, limits=short, addresses=("pause",))
    yield Case("connect", "one address unanswered", healthy, addresses=(DEAD, LIVE), silent=DEAD)
    if has_ipv6():
        yield Case("connect", "refused by both families", errors=refused, addresses=("::1", DEAD))
        yield Case("connect", "IPv6 refused", healthy, addresses=("::1", LIVE))
        yield Case("connect", "IPv6 unanswered", healthy, addresses=("::1", LIVE), silent="::1")
        yield Case(
            "connect", "nothing but IPv6, unanswered", stalls, CONNECT_TIMEOUT, short, addresses=("::1",), silent="::1"
        )


def healthy(line: Line) -> None:
    line.agree()
    line.speech.serve()


def garbles(line: Line) -> None:
    line.send(b"220 mail.example ESMTP, and a good day to you\r\n" * 500)
    line.connection.stall(20)


def accept_cases() -> Iterator[Case]:
    """In clear: accepted, and then at once."""
    broken = (*BROKEN_UPLOAD, hyperhttp.ConnectError)
    yield Case("accepted", "close", Line.close, broken, wires=CLEAR)
    yield Case("accepted", "reset", resets, broken, wires=CLEAR)
    yield Case("accepted", "half-close", half_closes, broken, wires=CLEAR)
    yield Case("accepted", "stall", stalls, READ_TIMEOUT, {"read": SHORT}, CLEAR)
    yield Case("accepted", "garbage", garbles, GARBAGE, wires=CLEAR)


# -- the handshake of TLS --------------------------------------------------------------------------------------------


def in_handshake(where: str, action: Callable[[Line], object]) -> Callable[[Line], None]:
    """Do it before the ClientHello is read, after it, or in the middle of the answer."""

    def play(line: Line) -> None:
        if where != "at once":
            flight = line.flight()
            if where == "in the answer":
                line.send(flight[: len(flight) // 2])
        action(line)

    return play


def answers_slowly(line: Line) -> None:
    for byte in line.flight():
        line.send(bytes([byte]))
        if line.over.wait(PACE):
            return


def shows(context: Callable[[], Any]) -> Callable[[Line], None]:
    """Another TLS server than the one that was meant."""

    def play(line: Line) -> None:
        line.connection.start_tls(context())
        line.connection.stall(20)

    return play


def handshake_cases() -> Iterator[Case]:
    """TLS that does not come about."""
    for where in ("at once", "after the hello", "in the answer"):
        for fault, action in (("close", Line.close), ("reset", resets), ("half-close", half_closes)):
            yield Case(f"handshake {where}", fault, in_handshake(where, action), LEFT, wires=SECURE)
        stall = in_handshake(where, stalls)
        yield Case(f"handshake {where}", "stall", stall, CONNECT_TIMEOUT, {"connect": SHORT}, SECURE)
        yield Case(f"handshake {where}", "garbage", in_handshake(where, garbles), TLS, wires=SECURE)
    yield Case("handshake", "drip", answers_slowly, CONNECT_TIMEOUT, {"connect": SHORT}, SECURE)
    wrong = {
        "another name": lambda: server_context(name="other.test"),
        "expired": lambda: server_context(is_expired=True),
        "unknown authority": strange_context,
        "no common cipher": old_context,
    }
    for fault, context in wrong.items():
        yield Case("handshake", fault, shows(context), TLS, wires=SECURE)


# -- content of requests, and afterwards -----------------------------------------------------------------------------


def takes_some(action: Callable[[Line], object]) -> Callable[[Line], None]:
    """Take the first piece of an upload, then do it."""

    def play(line: Line) -> None:
        line.until("before the head")
        line.connection.recv(1000)
        action(line)

    return play


def takes_slowly(line: Line) -> None:
    line.connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.until("before the head")
    while not line.over.wait(PACE):
        line.speech.take_slowly()
    line.connection.reset()  # what is still on its way through the small window would be waited for


def upload_cases() -> Iterator[Case]:
    """While the request's content is sent."""
    for fault, (action, _, limits) in ENDS.items():
        if fault == "stall":
            yield Case("upload", fault, takes_some(stalls), WRITE_TIMEOUT, {"write": SHORT})
        else:
            wires = SECURE if fault == "drop" else WIRES
            yield Case("upload", fault, takes_some(action), BROKEN_UPLOAD, limits, wires)
    garbage = takes_some(lambda line: (line.send(line.speech.garbage["before the head"]), line.connection.stall(20)))
    yield Case("upload", "garbage", garbage, GARBAGE)
    yield Case("upload", "drip", takes_slowly, TOTAL_TIMEOUT, {"total": SHORT})


def afterwards(action: Callable[[Line], object]) -> Callable[[Line], None]:
    """Answer, then do it and say so."""

    def play(line: Line) -> None:
        line.until("idle")
        line.answered.wait(20)  # a reset would overtake the answer
        action(line)
        line.struck.set()
        if not line.connection.is_closed:
            line.connection.stall(20)

    return play


def idle_cases() -> Iterator[Case]:
    """On a connection that is kept: not one of these is seen by the next request."""
    yield Case("idle", "close", afterwards(Line.close))
    yield Case("idle", "drop", afterwards(Line.drop), wires=SECURE)
    yield Case("idle", "reset", afterwards(resets))
    yield Case("idle", "half-close", afterwards(Line.half_close))
    yield Case("idle", "garbage", afterwards(lambda line: line.send(line.speech.garbage["before the head"])))


CASES = (*connect_cases(), *accept_cases(), *handshake_cases(), *response_cases(), *upload_cases(), *idle_cases())


def prepare(case: Case, server: HostileServer, stack: ExitStack) -> None:
    """Let the name of the server, or of the proxy before it, lead where the case says."""
    if case.silent:
        stack.enter_context(full_listener(case.silent, server.port))
    if case.addresses == ("error",):
        server.names.error = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    elif case.addresses == ("pause",):
        server.names.pause = 2 * SHORT
    else:
        server.names.hosts = list(case.addresses)
