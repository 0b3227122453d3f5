"""``python -m tests.endurance --minutes 10 --seed 1``: attack the client for that long, and say what was found.

Run from the root of the repository. The same seed asks for the same things and cuts them short after the same number of
turns of the loop, or after the same time: how busy the machine is makes a difference only to the latter. The exit code
is 1 where there is a finding.
"""

from __future__ import annotations

import argparse
import random
import resource
import sys
import time
from typing import TYPE_CHECKING

from tests.endurance.cancellations import KINDS, cancel, close_under, time_out
from tests.endurance.load import load, load_in_threads, queue_up
from tests.endurance.near_side import FarSide, Record, open_descriptors, resident
from tests.endurance.transfers import BOMBS, measure

if TYPE_CHECKING:
    from collections.abc import Callable

#: What one round does, by name: over each wire, and over all of them.
LOAD_SECONDS, LEGS = 4.0, 6
CANCELLED, TIMED_OUT, CLOSED, QUEUED = 100, 40, 10, 400


def main() -> int:
    """Run until the time is over; 1 if there was a finding."""
    arguments = parse()
    record = Record()
    print(f"seed {arguments.seed}", flush=True)
    deadline = time.monotonic() + arguments.minutes * 60
    rounds = 0
    with FarSide() as far:
        if not arguments.skip_transfers:
            transfers(record, far, arguments.mebibytes)
        while time.monotonic() < deadline:
            run_round(record, far, arguments.seed * 1000 + rounds, deadline)
            rounds += 1
            print(f"round {rounds}: {len(record.findings)} findings; {resources()}", flush=True)
    report(record, arguments.seed, rounds)
    return 1 if record.findings else 0


def parse() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.endurance", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5.0, help="how long (5); what has begun comes to its end")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000), help="what to repeat")
    parser.add_argument("--mebibytes", type=int, default=1024, help="size of the large transfers (1024)")
    parser.add_argument("--skip-transfers", action="store_true", help="no large transfers")
    return parser.parse_args()


def run_round(record: Record, far: FarSide, seed: int, deadline: float) -> None:
    """All there is, in random order."""
    works: list[Callable[[], None]] = []
    for wire in far.wires():
        works.append(lambda wire=wire: close_under(record, wire, CLOSED, seed))  # type: ignore[misc]
        works.append(lambda wire=wire: queue_up(record, wire, QUEUED, seed))  # type: ignore[misc]
        for kind in KINDS:
            works.append(lambda wire=wire, kind=kind: cancel(record, wire, kind, CANCELLED, seed))  # type: ignore[misc]
            works.append(lambda wire=wire, kind=kind: time_out(record, wire, kind, TIMED_OUT, seed))  # type: ignore[misc]
    works.append(lambda: load(record, far.wires(), LEGS, LOAD_SECONDS, seed))
    works.append(lambda: load_in_threads(record, far.wires(), 2 * LOAD_SECONDS, seed))
    random.Random(seed).shuffle(works)
    for work in works:
        if time.monotonic() < deadline:
            found = len(record.findings)
            work()
            for finding in record.findings[found:]:
                print(f"FINDING {finding[:500]}", flush=True)


def transfers(record: Record, far: FarSide, mebibytes: int) -> None:
    """So much up and down over each wire, and as much out of each bomb over one."""
    wires = far.straight_wires()
    works = [(wire, what) for wire in wires.values() for what in ("up", "down")]
    works += [(wires["h2 tls"], f"bomb {codings}") for codings in BOMBS]
    for wire, what in works:
        for face in ("asyncio", "blocking"):
            found, started = len(record.findings), time.monotonic()
            measure(record, far, wire, face, what, mebibytes)
            figure = f"FINDING {record.findings[-1][:500]}" if record.findings[found:] else record.figures[-1]
            print(f"{figure}; {time.monotonic() - started:.0f} s", flush=True)


def resources() -> str:
    """What this process has."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = used.ru_utime + used.ru_stime
    return f"{resident() // 1024} KiB, {len(open_descriptors())} descriptors, {seconds:.0f} s of processor time"


def report(record: Record, seed: int, rounds: int) -> None:
    """Say what was done."""
    print(f"\nseed {seed}, {rounds} rounds, {resources()}")
    for name, number in sorted(record.counts.items()):
        print(f"{number:8} {name}")
    for figure in record.figures:
        print(figure)
    print(f"{len(record.findings)} findings")
    for finding in record.findings:
        print(f"- {finding}")


if __name__ == "__main__":
    sys.exit(main())
