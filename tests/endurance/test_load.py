"""Everything at once for some seconds, order in the queue, memory of large transfers: short forms of `tests.endurance`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.endurance import load
from tests.endurance.near_side import Record
from tests.endurance.transfers import BOMBS, measure

if TYPE_CHECKING:
    from tests.endurance.near_side import FarSide, Wire

SEED = 20
MEBIBYTES = 128  # far more than a transfer may need
BOMB_MEBIBYTES = 96
PLUGINS = {"br": "hyperhttp_brotli", "zstd": "hyperhttp_zstd"}


def test_mixed_load_is_answered_rightly_and_nothing_grows(record: Record, far_side: FarSide) -> None:
    load.load(record, far_side.wires(), 4, 1.5, SEED)
    assert record.total("calm") > 100
    assert record.total("stormy") > 100


def test_mixed_load_of_threads_is_answered_rightly(record: Record, far_side: FarSide) -> None:
    load.load_in_threads(record, far_side.wires(), 2.0, SEED)
    assert record.total("threads") > 50


def test_who_asks_first_is_served_first(record: Record, wire: Wire) -> None:
    load.queue_up(record, wire, 150, SEED)
    assert record.counts["queue: served in order"] > 100
    assert record.counts["queue: left"] > 5


@pytest.mark.slow
@pytest.mark.parametrize("face", ["asyncio", "blocking"])
@pytest.mark.parametrize("what", ["up", "down"])
@pytest.mark.parametrize("name", ["h1", "h1 tls", "h2", "h2 tls"])
def test_large_transfers_need_little_memory(record: Record, far_side: FarSide, name: str, what: str, face: str) -> None:
    measure(record, far_side, far_side.straight_wires()[name], face, what, MEBIBYTES)
    assert record.counts["transfers"] == 1


@pytest.mark.parametrize("face", ["asyncio", "blocking"])
@pytest.mark.parametrize("codings", BOMBS)
def test_bombs_need_little_memory(record: Record, far_side: FarSide, codings: str, face: str) -> None:
    """Where they are taken apart to the end, piece by piece, and where they are refused."""
    for name in PLUGINS.keys() & codings.split(","):
        pytest.importorskip(PLUGINS[name])
    wire = far_side.straight_wires()["h2 tls" if face == "asyncio" else "h1"]
    measure(record, far_side, wire, face, f"bomb {codings}", BOMB_MEBIBYTES)
    assert record.counts["transfers"] == 1


# -- the judges themselves -------------------------------------------------------------------------------


def look(memory: int = 0, objects: int = 0, descriptors: int = 3, tasks: int = 1) -> load.Look:
    return load.Look(memory * 1024 * 1024, objects, descriptors, tasks)


@pytest.mark.parametrize(
    ("last", "word"),
    [
        (look(memory=40), "memory"),
        (look(objects=10_000), "objects"),
        (look(descriptors=4), "descriptors"),
        (look(tasks=2), "tasks"),
    ],
)
def test_what_grows_is_found(last: load.Look, word: str) -> None:
    record = Record()
    load.compare(record, "this", [look(), look(), last])
    assert word in record.findings[0]
    assert len(record.findings) == 1


def test_a_transfer_that_needs_much_memory_is_found(far_side: FarSide) -> None:
    record = Record()
    measure(record, far_side, far_side.straight_wires()["h1"], "blocking", "hoard", BOMB_MEBIBYTES)
    assert len(record.findings) == 2
    assert all("needed" in finding for finding in record.findings)


def test_memory_that_grows_from_leg_to_leg_is_found() -> None:
    record = Record()
    load.compare(record, "this", [look(), look(), look(), look(memory=5), look(memory=10), look(memory=15)])
    assert "memory" in record.findings[0]


def test_what_stays_is_no_finding(record: Record) -> None:
    load.compare(record, "this", [look(memory=80, objects=50_000), look(), look(memory=1)])
    load.compare(record, "this", [look(), look(), look(), look(memory=15), look(memory=15), look(memory=15)])
