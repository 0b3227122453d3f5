"""Everything at once for a while: mixed sizes, wires and faults; what comes back is right, and nothing grows.

Calm clients meet no faults: each of their calls must succeed. Stormy ones do: a call that asks for a fault may fail with
a typed error, and so may what shares an HTTP/2 connection with it or cannot be sent twice; nothing may be wrong or hang.
"""

from __future__ import annotations

import asyncio
import gc
import random
import time
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import hyperhttp
from hyperhttp import Client, SyncClient, Timeout
from hyperhttp.errors.retry import RetryPolicy
from hyperhttp.utils.backoff import ExponentialBackoff
from tests.endurance.jobs import Job, ask, ask_blocking
from tests.endurance.near_side import imbalances, in_threads, open_descriptors, resident, run, settled, told, watched

if TYPE_CHECKING:
    from tests.endurance.near_side import Record, Wire

FAULTS = (
    "close-during-upload", "close-before-response", "reset", "reset-body", "truncate", "short-content", "stall-head",
    "stall-body", "drip", "garbage", "garbage-body", "close-idle", "reset-stream", "reset-stream-body",
    "refused-stream", "enhance-your-calm", "http-1-1-required", "goaway", "goaway-after", "interim-flood",
)  # fmt: skip
#: Answered properly, whatever else they do: these calls must succeed.
HARMLESS = frozenset({"drip", "close-idle", "goaway-after", "http-1-1-required"})
SIZES = (0, 1, 100, 5000, 65_536, 70_000, 300_000, 1_000_000)
PATIENCE = 15.0  # seconds after which a call hangs
WORKERS = 24
STREAMS = 3  # that the narrow origin takes at a time
#: What may come and go between two looks.
LEEWAY_BYTES = 12 * 1024 * 1024
LEEWAY_OBJECTS = 3000


@dataclass
class Look:
    """What there was when nothing was going on."""

    memory: int
    objects: int
    descriptors: int
    tasks: int


def mixed_job(name: str, chance: random.Random) -> Job:
    """Any request."""
    job = Job(name, down=chance.choice(SIZES), options={"timeout": Timeout(10, total=PATIENCE)})
    job.reads = chance.choice(["whole", "whole", "pieces", "part"])
    if chance.random() < 0.4:
        job.method, job.up = chance.choice(["POST", "PUT"]), chance.choice(SIZES)
        job.pieces = chance.random() < 0.4
    if chance.random() < 0.3:
        job.plan["chunked"] = True
    if chance.random() < 0.2:
        job.plan["coding"] = True
    what = chance.randrange(12)
    if what == 0:
        job.plan["hops"] = chance.choice([1, 2])
        job.options["follow_redirects"] = True
    elif what == 1:
        job.plan["auth"] = True
        job.options["auth"] = hyperhttp.DigestAuth("user", "password")
    elif what == 2:
        job.plan["fail"] = 1
        job.options["retry"] = RetryPolicy(max_retries=2, backoff_strategy=ExponentialBackoff(base=0.005))
        job.method = "PUT" if job.method == "POST" else job.method
    elif what == 3:
        job.plan |= {"pause": 0.003, "gap": 0.001}
    if what in (0, 1, 2):
        job.pieces = False  # what is sent again must be there again
    return job


def stormy_job(name: str, wire: Wire, chance: random.Random) -> Job:
    """Any request, often with a fault."""
    job = mixed_job(name, chance)
    # What shares a connection with somebody else's fault, and what may not be sent twice, may fail too.
    job.may_fail = wire.multiplexed or job.method == "POST" or job.pieces
    job.may_give_up = job.may_fail  # the retries may be used up by others' faults
    if chance.random() < 0.4:
        fault = chance.choice(FAULTS)
        job.query = f"?fault={fault}"
        job.may_fail = job.may_fail or fault not in HARMLESS
        job.plan = {name: value for name, value in job.plan.items() if name in ("coding", "gap", "pause")}
        job.options = {"timeout": Timeout(10, read=0.2 if "stall" in fault else 10, total=PATIENCE)}
        job.down = max(job.down, 100)  # there must be something to break
        if fault == "drip":
            job.query += "&fault_seconds=0.0001"
            job.down = 100
    return job


def note(record: Record, client: str, job: Job, error: Exception | None) -> None:
    """Count what came of a job."""
    if error is None:
        record.counts[f"{client}: answered"] += 1
    elif job.may_fail and isinstance(error, hyperhttp.HyperHTTPError) and not isinstance(error, hyperhttp.TotalTimeout):
        record.counts[f"{client}: {type(error).__name__}"] += 1
        record.expect(str(error), f"{job.name}: an error without words: {error!r}")
    else:
        record.find(f"{client}: {job.method} {job.query} of {job.name}: {told(error)}")


class Fleet:
    """A calm and a stormy client for each wire."""

    def __init__(self, kind: type[Any], wires: list[Wire]) -> None:
        self.wires = wires
        options: dict[str, Any] = {"max_connections": 5, "keepalive_expiry": 0.5, "timeout": PATIENCE}
        self.calm = {wire.name: kind(**wire.options, **options) for wire in wires}
        self.stormy = {wire.name: kind(**wire.options, **options) for wire in wires}

    def pick(self, name: str, chance: random.Random) -> tuple[Wire, str, Any, Job]:
        """Somebody to ask, and what."""
        wire = chance.choice(self.wires)
        if chance.random() < 0.5:
            return wire, f"calm {wire.name}", self.calm[wire.name], mixed_job(name, chance)
        return wire, f"stormy {wire.name}", self.stormy[wire.name], stormy_job(name, wire, chance)

    @property
    def clients(self) -> list[Any]:
        """All of them."""
        return [*self.calm.values(), *self.stormy.values()]

    def imbalances(self) -> list[str]:
        """Of all books."""
        return [each for client in self.clients for each in imbalances(client)]


# -- asyncio ---------------------------------------------------------------------------------------------


def load(record: Record, wires: list[Wire], legs: int, seconds: float, seed: int) -> None:
    """So many legs of so many seconds; between them everybody rests, and what there is is counted."""
    run(record, f"load, seed {seed}", lambda: _load(record, wires, legs, seconds, seed))


async def _load(record: Record, wires: list[Wire], legs: int, seconds: float, seed: int) -> None:
    fleet = Fleet(Client, wires)
    looks: list[Look] = []
    for leg in range(legs):
        until = time.monotonic() + seconds
        works = [_work(record, fleet, f"{seed} {leg} {number}", until) for number in range(WORKERS)]
        await asyncio.gather(*works)
        await settled(lambda: not fleet.imbalances())
        record.expect(not fleet.imbalances(), f"load, seed {seed}, leg {leg}: books: {fleet.imbalances()}")
        looks.append(await _rest(fleet))
    await asyncio.gather(*[client.close() for client in fleet.clients])
    record.figures.append(f"load, seed {seed}: {sum(map(record.total, ('calm', 'stormy')))} calls so far; {looks[-1]}")
    compare(record, f"load, seed {seed}", looks)


async def _work(record: Record, fleet: Fleet, name: str, until: float) -> None:
    chance = random.Random(name)
    number = 0
    while time.monotonic() < until:
        number += 1
        wire, who, client, job = fleet.pick(f"{name} {number}", chance)
        error: Exception | None = None
        try:
            async with asyncio.timeout(2 * PATIENCE):
                await ask(client, wire.base, job)
        except Exception as caught:
            error = caught
        note(record, who, job, error)


async def _rest(fleet: Fleet) -> Look:
    """Wait until idle connections have expired, and look."""
    await settled(lambda: not any(client.get_pool_stats() for client in fleet.clients))
    await asyncio.sleep(0.05)
    gc.collect()
    return Look(resident(), len(gc.get_objects()), len(open_descriptors()), len(asyncio.all_tasks()))


def compare(record: Record, what: str, looks: list[Look]) -> None:
    """Nothing is more than after the first legs, which fill what is remembered."""
    counted = looks[len(looks) // 3 :]
    early, last = counted[0], counted[-1]
    grown = last.memory - early.memory
    # A leak grows from leg to leg; what comes once is the allocator, which keeps what a busier moment has needed.
    rises = sum(after.memory > before.memory for before, after in pairwise(counted))
    record.expect(
        grown <= (LEEWAY_BYTES if rises > 1 else 2 * LEEWAY_BYTES),
        f"{what}: memory grew by {grown // 1024} KiB: {looks}",
    )
    grown = last.objects - early.objects
    record.expect(grown <= LEEWAY_OBJECTS, f"{what}: there are {grown} more objects: {looks}")
    record.expect(last.descriptors <= early.descriptors, f"{what}: there are more descriptors: {looks}")
    record.expect(last.tasks <= early.tasks, f"{what}: there are more tasks: {looks}")


# -- threads ---------------------------------------------------------------------------------------------


def load_in_threads(record: Record, wires: list[Wire], seconds: float, seed: int) -> None:
    """The same with threads, once."""
    what = f"load in threads, seed {seed}"
    with watched(record, what):
        fleet = Fleet(SyncClient, wires)
        until = time.monotonic() + seconds

        def work(name: str) -> None:
            chance = random.Random(name)
            number = 0
            while time.monotonic() < until:
                number += 1
                wire, who, client, job = fleet.pick(f"{name} {number}", chance)
                error: Exception | None = None
                try:
                    ask_blocking(client, wire.base, job)
                except Exception as caught:
                    error = caught
                note(record, f"threads, {who}", job, error)

        works = [lambda name=f"threads {seed} {number}": work(name) for number in range(WORKERS)]
        ended = in_threads(works, seconds + 4 * PATIENCE)  # type: ignore[arg-type]
        record.expect(ended, f"{what}: threads hang")
        record.expect(not fleet.imbalances(), f"{what}: books: {fleet.imbalances()}")
        for client in fleet.clients:
            client.close()


# -- fairness --------------------------------------------------------------------------------------------


def queue_up(record: Record, wire: Wire, count: int, seed: int) -> None:
    """Whoever asks first is served first, whatever the others ask for, and however many leave the line."""
    what = f"queue, {wire.name}, seed {seed}"
    run(record, what, lambda: _queue_up(record, wire, count, random.Random(what), what))


async def _queue_up(record: Record, wire: Wire, count: int, chance: random.Random, what: str) -> None:
    arrived: list[str] = []

    def hear(response: Any) -> None:
        arrived.append((int(response.headers["x-number"]), response.headers["x-name"]))  # type: ignore[arg-type]

    # One at a time: one connection, which on HTTP/2 takes three streams; then the far side counts who comes.
    options = wire.options | {"max_connections": 1, "event_hooks": {"response": [hear]}}
    async with Client(**options) as client:
        await ask(client, wire.narrow, Job(f"{what} warm"))
        arrived.clear()
        tasks = []
        for number in range(count):
            job = Job(f"{what} {number}", down=chance.choice(SIZES[:5]), plan={"pause": chance.random() * 0.002})
            tasks.append(asyncio.ensure_future(ask(client, wire.narrow, job)))
            if chance.random() < 0.3:
                await asyncio.sleep(chance.random() * 0.001)
        left = [task for task in tasks[20:] if chance.random() < 0.2]
        for task in left:
            await asyncio.sleep(0)
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        wrong = [task.exception() for task in tasks if not task.cancelled() and task.exception()]
        record.expect(not wrong, f"{what}: {wrong[:1]}")
        served = [name for _, name in sorted(arrived)]
        numbers = [int(name.rpartition(" ")[2]) for name in served]
        right = sorted(numbers)
        # Who is served while it waits has its turn of the loop a moment later than who needs not wait for a free stream.
        leeway = STREAMS if wire.multiplexed else 0
        astray = [number for at, number in enumerate(numbers) if abs(right.index(number) - at) > leeway]
        record.expect(not astray, f"{what}: out of order: {astray} in {numbers}")
        record.counts["queue: served in order"] += len(served)
        record.counts["queue: left"] += sum(task.cancelled() for task in tasks)
        record.expect(not imbalances(client), f"{what}: books: {imbalances(client)}")
