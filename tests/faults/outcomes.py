"""What must come of a fault: one typed error in time, and nothing that is left of it."""

from __future__ import annotations

import asyncio
import pickle
import time
from typing import TYPE_CHECKING, Any

import hyperhttp
from hyperhttp import Timeout
from tests.conftest import leftovers
from tests.faults.hostile import HOST

if TYPE_CHECKING:
    from tests.faults.cases import Case
    from tests.faults.hostile import Wire

AMPLE = 15.0  # seconds: limits that must not matter
PROMPT = 5.0  # seconds within which every outcome must have come, on however slow a machine
UPLOAD = bytes(16 * 1024 * 1024)  # more than the system buffers


async def outcome(client: Any, method: str, url: str, content: bytes | None, **limits: float) -> Any:
    """The content, or the error, and that in time."""
    limit = Timeout(**({"connect": AMPLE, "read": AMPLE, "write": AMPLE, "pool": AMPLE, "total": AMPLE} | limits))
    started = time.monotonic()
    try:
        response = await client.request(method, url, content=content, timeout=limit)
        return await client.read(response)
    except hyperhttp.HyperHTTPError as error:
        return error
    finally:
        assert time.monotonic() - started < PROMPT


def check_error(error: Any, case: Case, hosts: tuple[str, ...] = (HOST,)) -> None:
    """It is of the right kind and says what one has to know, be it about the server or the proxy before it."""
    assert isinstance(error, case.errors), repr(error)
    assert error.request is not None
    assert error.request.url.host == HOST
    assert error.host in hosts
    assert error.host in str(error)
    assert error.phase or not isinstance(error, hyperhttp.TimeoutException)
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))


def check_pool(client: Any, case: Case, wire: Wire) -> None:
    """Nothing is in it, or nothing that is in use."""
    if case.may_stay(wire):
        assert sum(row["in_use"] for row in client.raw.get_pool_stats().values()) == 0
    else:
        assert client.raw.get_pool_stats() == {}


async def nothing_more_than(before: set[object]) -> None:
    """No task, thread or connected socket is left, without help of the garbage collector."""
    deadline = time.monotonic() + PROMPT
    while (left := leftovers() - before) and time.monotonic() < deadline:
        await asyncio.sleep(0.001)
    assert not left, f"left behind: {left}"
