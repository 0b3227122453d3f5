"""Calls cut short at random moments leave nothing behind: the short form of `tests.endurance`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.endurance.cancellations import KINDS, cancel, close_under, time_out

if TYPE_CHECKING:
    from tests.endurance.near_side import Record, Wire

SEED = 20
CANCELLED = 50  # of each kind over each of six wires
TIMED_OUT = 24
CLOSED = 5


@pytest.mark.parametrize("kind", KINDS)
def test_cancelled_calls_leave_nothing_behind(record: Record, wire: Wire, kind: str) -> None:
    cancel(record, wire, kind, CANCELLED, SEED)
    assert record.counts[f"{kind}: cancelled"] > CANCELLED // 4
    assert record.counts[f"{kind}: answered"] > 0 or kind == "connect"


@pytest.mark.parametrize("kind", KINDS)
def test_calls_of_threads_that_run_out_of_time_leave_nothing_behind(record: Record, wire: Wire, kind: str) -> None:
    time_out(record, wire, kind, TIMED_OUT, SEED)
    timed_out = record.counts[f"{kind}: timed out"]
    assert timed_out + record.counts[f"{kind}: answered"] == TIMED_OUT
    assert timed_out == TIMED_OUT or kind != "connect"


def test_clients_that_are_closed_under_threads_leave_nothing_behind(record: Record, wire: Wire) -> None:
    close_under(record, wire, CLOSED, SEED)
    assert record.counts["close: closed"] == CLOSED
    assert record.counts["close: ClientClosed"] > 0
