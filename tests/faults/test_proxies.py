"""Faults of proxies, and of servers behind them, at every moment, on both faces.

The proxies forward, or give a tunnel by CONNECT or SOCKS5. As in the matrix of servers, each outcome is one typed error
in time, which says whose fault it is as far as that can be known; nothing is left of it; and when the proxy is healthy
again, the same client, which may have one connection, is served.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from tests.behaviour.http2.test_peer import eventually
from tests.conftest import leftovers
from tests.faults.cases import CASES, CONNECT_TIMEOUT, PACE, SHORT, Case, Errors, half_closes, prepare, resets, stalls
from tests.faults.hostile import DEAD, HOST, Line
from tests.faults.outcomes import PROMPT, UPLOAD, check_error, check_pool, nothing_more_than, outcome
from tests.faults.proxies import PROXY, WAYS, HostileProxy, ProxyLine, Way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hyperhttp.testing.scripted import ScriptedServerFactory

pytest.importorskip("hyperhttp_socks")

REFUSED: Errors = (hyperhttp.ProxyError,)
TUNNELS = tuple(way for way in WAYS if way.has_tunnel)


def garbles(line: Line) -> None:
    """What is neither an answer of HTTP nor of SOCKS, nor the end of one."""
    line.send(b"220 mail.example ESMTP, and a good day to you\r\n\r\n" * 500)
    line.connection.stall(20)


ENDS: dict[str, tuple[Callable[[Line], object], Errors, dict[str, float]]] = {
    "close": (Line.close, REFUSED, {}),
    "reset": (resets, REFUSED, {}),
    "half-close": (half_closes, REFUSED, {}),
    "stall": (stalls, CONNECT_TIMEOUT, {"connect": SHORT}),
    "garbage": (garbles, REFUSED, {}),
}


# -- up to the tunnel ------------------------------------------------------------------------------------------------


def connect_cases() -> Iterator[tuple[Case, tuple[Way, ...]]]:
    """The proxy's name and address."""
    short = {"connect": SHORT}
    yield Case("connect", "refused", errors=(hyperhttp.ConnectError,), addresses=(DEAD,)), WAYS
    yield Case("connect", "unanswered", errors=CONNECT_TIMEOUT, limits=short, addresses=(DEAD,), silent=DEAD), WAYS
    yield Case("connect", "dead name server", errors=(hyperhttp.DNSError,), addresses=("error",)), WAYS
    yield Case("connect", "slow name server", errors=CONNECT_TIMEOUT, limits=short, addresses=("pause",)), WAYS


def leading(moment: str, part: bool, action: Callable[[Line], object]) -> Callable[[Any], None]:
    """Lead up to the moment, then do it."""

    def play(line: ProxyLine) -> None:
        line.lead(moment, part=part)
        action(line)

    return play


def tunnel_cases() -> Iterator[tuple[Case, tuple[Way, ...]]]:
    """Accepted, the greeting of SOCKS, and the wish for a tunnel."""
    socks = tuple(way for way in WAYS if way.kind == "socks5h")
    for fault, (action, errors, limits) in ENDS.items():
        # What goes at once may go before it is seen that there was a connection.
        yield Case("accepted", fault, action, (*errors, hyperhttp.ConnectError), limits), TUNNELS
        for moment, ways in (("greeting", socks), ("tunnel", TUNNELS)):
            yield Case(moment, fault, leading(moment, False, action), errors, limits), ways
            yield Case(f"answer to the {moment}", fault, leading(moment, True, action), errors, limits), ways
    yield Case("tunnel", "drip", opens_slowly, CONNECT_TIMEOUT, {"connect": SHORT}), TUNNELS
    yield Case("tunnel", "refusal", refuses, REFUSED), TUNNELS
    yield Case("tunnel", "more than the answer", says_too_much, REFUSED), TUNNELS


def opens_slowly(line: ProxyLine) -> None:
    for byte in line.lead("tunnel"):
        line.send(bytes([byte]))
        if line.over.wait(4 * PACE):
            return


def refuses(line: ProxyLine) -> None:
    line.lead("tunnel")
    line.send(b"\x05\x04" if line.kind == "socks5h" else b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno")
    line.connection.stall(20)


def says_too_much(line: ProxyLine) -> None:
    line.send(line.lead("tunnel") + b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\npoisoned")
    line.connection.stall(20)


# -- through it ------------------------------------------------------------------------------------------------------


def behind(play: Callable[[Line], object]) -> Callable[[Any], None]:
    """The fault of a server, once it is led to."""

    def through(line: ProxyLine) -> None:
        line.lead()
        play(line)

    return through


def server_cases() -> Iterator[tuple[Case, tuple[Way, ...]]]:
    """What happens to a server happens behind a proxy, too: the tunnel drops, stalls, or carries nonsense."""
    moments = {"handshake after the hello", "before the head", "in the head", "in the content", "upload", "idle"}
    left_out = {"drop", "lies about the length", "less than announced", "more than announced"}
    for case in CASES:
        if case.moment in moments and case.fault not in left_out:
            yield replace(case, play=behind(case.play)), tuple(way for way in WAYS if way.wire in case.wires)
        elif case.moment == "accepted":
            # Where there is no tunnel, the proxy is spoken to as a server is.
            yield case, tuple(way for way in WAYS if not way.has_tunnel)


ALL = [*connect_cases(), *tunnel_cases(), *server_cases()]
MATRIX = [pytest.param(case, way, id=f"{case}-{way}") for case, ways in ALL for way in ways]


@pytest.mark.parametrize(("case", "way"), MATRIX)
async def test_every_fault_of_a_proxy_is_a_typed_error_in_time_and_leaves_nothing(
    face: Any, scripted: ScriptedServerFactory, case: Case, way: Way
) -> None:
    server = HostileProxy(scripted, face, way, case.play)
    method, content = ("POST", UPLOAD) if case.moment == "upload" else ("GET", None)
    with ExitStack() as stack:
        prepare(case, server, stack)
        before = leftovers()
        async with face.client(**server.options) as client:
            result = await outcome(client, method, server.url, content, **case.limits_on(way.wire))
            if case.errors:
                check_error(result, case, (HOST, PROXY))
                check_pool(client, case, way.wire)
            else:
                assert result == b"ok"
            if case.moment == "idle":
                server.answered.set()
                await eventually(server.struck.is_set, PROMPT)
            server.recover()
            if case.fault == "drip":
                await eventually(server.raw.connections[0].over.is_set, PROMPT)
            if case.errors and not case.may_stay(way.wire):
                await nothing_more_than(before)
            assert await outcome(client, "POST", server.url, b"content") == b"ok"
            if case.moment != "accepted":
                assert len(server.raw.connections) <= 2
        await nothing_more_than(before)


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_many_faults_of_a_proxy_in_a_row_cost_no_place_in_the_pool(
    face: Any, scripted: ScriptedServerFactory, way: Way
) -> None:
    endings = ("close", "reset", "half-close", "garbage")
    moments = ("accepted", "greeting", "tunnel", "handshake after the hello", "before the head", "in the content")
    plays = [case.play for case, ways in ALL if way in ways and case.fault in endings and case.moment.endswith(moments)]
    left = iter(plays)
    server = HostileProxy(scripted, face, way, lambda line: next(left, resets)(line))
    before = leftovers()
    async with face.client(**server.options) as client:
        for _ in range(len(plays)):
            result = await outcome(client, "GET", server.url, None)
            assert result == b"ok" or isinstance(result, hyperhttp.TransportError)
        server.recover()
        assert await outcome(client, "POST", server.url, b"content") == b"ok"
    await nothing_more_than(before)


def test_the_matrix_of_proxies_has_every_moment_and_every_kind_of_fault() -> None:
    found: dict[str, set[str]] = {}
    for case, ways in ALL:
        for way in ways:
            found.setdefault(f"{way.kind} {case.moment}", set()).add(case.fault)
    through = ["before the head", "in the head", "in the content", "upload"]
    moments = {
        "forward": ["accepted", *through],
        "connect": ["accepted", "tunnel", "answer to the tunnel", "handshake after the hello", *through],
        "socks5h": [
            "accepted", "greeting", "answer to the greeting", "tunnel", "answer to the tunnel", "handshake after the hello",
            *through,
        ],
    }  # fmt: skip
    for kind, names in moments.items():
        for moment in names:
            assert found[f"{kind} {moment}"] >= {"close", "reset", "half-close", "stall", "garbage"}, (kind, moment)
        assert found[f"{kind} connect"] >= {"refused", "unanswered"}
        assert found[f"{kind} idle"] >= {"close", "reset", "half-close", "garbage"}
    assert len({(str(case), way) for case, ways in ALL for way in ways}) == len(MATRIX)
