"""Faults of servers and of the network, at every moment of an exchange, on both faces, over four wires.

The wires are HTTP/1.1 and HTTP/2, in clear and over TLS. Whatever goes wrong and whenever: the outcome is one typed
error that says who, in which phase and about which request, and it comes in time; nothing is left of it, neither in
the pool nor of tasks, threads and descriptors; and when the server is healthy again, the same client, which may have
one connection, is served.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from tests.behaviour.http2.test_peer import eventually
from tests.conftest import leftovers
from tests.faults.cases import CASES, PATIENT, READ_TIMEOUT, Case, afterwards, prepare, resets, stalls
from tests.faults.hostile import WIRES, HostileServer, Line, Wire
from tests.faults.outcomes import PROMPT, UPLOAD, check_error, check_pool, nothing_more_than, outcome

if TYPE_CHECKING:
    from hyperhttp.testing.scripted import ScriptedServerFactory

MATRIX = [pytest.param(case, wire, id=f"{case}-{wire}") for case in CASES for wire in case.wires]


@pytest.mark.parametrize(("case", "wire"), MATRIX)
async def test_every_fault_is_a_typed_error_in_time_and_leaves_nothing(
    face: Any, scripted: ScriptedServerFactory, case: Case, wire: Wire
) -> None:
    server = HostileServer(scripted, face, wire, case.play)
    method, content = ("POST", UPLOAD) if case.moment == "upload" else ("GET", None)
    with ExitStack() as stack:
        prepare(case, server, stack)
        before = leftovers()
        async with face.client(**server.options) as client:
            result = await outcome(client, method, server.url, content, **case.limits_on(wire))
            if case.errors:
                check_error(result, case)
                check_pool(client, case, wire)
            else:
                assert result == b"ok"
                assert not server.struck.is_set() or case.moment == "idle"
            if case.moment == "idle":
                server.answered.set()
                await eventually(server.struck.is_set, PROMPT)
            server.recover()
            if case.fault == "drip":
                await eventually(server.raw.connections[0].over.is_set, PROMPT)
            if case.errors and not case.may_stay(wire):
                await nothing_more_than(before)
            # A request that could not be sent again: what is wrong with the connection has to be known before.
            assert await outcome(client, "POST", server.url, b"content") == b"ok"
            if case.moment != "accepted":  # which is asked again a few times: what it does comes before any request
                assert len(server.raw.connections) <= 2
        await nothing_more_than(before)


@pytest.mark.parametrize("wire", WIRES, ids=str)
async def test_a_server_that_is_gone_without_a_word_is_not_asked_twice(
    face: Any, scripted: ScriptedServerFactory, wire: Wire
) -> None:
    """Half-open: its end of an idle connection is no more, and nothing says so until a request is not answered."""
    server = HostileServer(scripted, face, wire, afterwards(stalls))
    before = leftovers()
    async with face.client(**server.options) as client:
        assert await outcome(client, "GET", server.url, None) == b"ok"
        server.answered.set()
        error = await outcome(client, "GET", server.url, None, read=PATIENT)
        check_error(error, Case("idle", "stall", errors=READ_TIMEOUT))
        assert client.raw.get_pool_stats() == {}
        server.recover()
        assert await outcome(client, "POST", server.url, b"content") == b"ok"
        assert len(server.raw.connections) == 2
    await nothing_more_than(before)


@pytest.mark.parametrize("wire", WIRES, ids=str)
async def test_many_faults_in_a_row_cost_no_place_in_the_pool(
    face: Any, scripted: ScriptedServerFactory, wire: Wire
) -> None:
    plays = [
        Line.close,
        resets,
        *(case.play for case in CASES if case.fault in ("close", "reset", "garbage", "half-close")),
    ]
    left = iter(plays)
    server = HostileServer(scripted, face, wire, lambda line: next(left, stalls)(line))
    before = leftovers()
    async with face.client(**server.options) as client:
        for _ in range(20):
            result = await outcome(client, "GET", server.url, None)
            assert result == b"ok" or isinstance(result, hyperhttp.TransportError)
        server.recover()
        assert await outcome(client, "POST", server.url, b"content") == b"ok"
    await nothing_more_than(before)


def test_the_matrix_has_every_moment_and_every_kind_of_fault() -> None:
    moments = {
        case.moment.partition(" at ")[0].partition(" after ")[0].removesuffix(" in the answer") for case in CASES
    }
    assert moments == {
        "connect", "accepted", "handshake", "before the head", "in the head", "in the content", "upload", "idle",
    }  # fmt: skip
    for moment in ("handshake at once", "before the head", "in the head", "in the content", "upload"):
        faults = {case.fault for case in CASES if case.moment == moment}
        assert faults >= {"close", "reset", "half-close", "stall", "garbage"}, moment
    assert len({(str(case), wire) for case in CASES for wire in case.wires}) == len(MATRIX)
