"""Calls cut short at random moments, in each of the things a call does, over each wire; on both faces."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from typing import TYPE_CHECKING, Any

import hyperhttp
from hyperhttp import Client, SyncClient, Timeout
from hyperhttp.errors.retry import RetryPolicy
from hyperhttp.utils.backoff import ExponentialBackoff
from tests.endurance.jobs import Job, ask, ask_blocking
from tests.endurance.near_side import (
    eventually,
    imbalances,
    in_threads,
    limits_of,
    meet,
    meet_blocking,
    run,
    settled,
    told,
    watched,
)

if TYPE_CHECKING:
    from tests.endurance.near_side import Record, Wire

#: What a call is doing when it is cut short.
KINDS = ("connect", "handshake", "upload", "head", "body", "queue", "retry", "auth", "redirect")
AT_ONCE = 25
CONNECTIONS = 6
STREAMS = 40
SPARED = 0.2  # this part of the calls is left alone, and must succeed
MOST_TURNS = 60


def job_of(kind: str, name: str, chance: random.Random) -> Job:
    """A request that spends its time in the right place."""
    job = Job(name, down=chance.choice([0, 100, 5000]), options={"timeout": limits_of(30)})
    if kind == "upload":
        job.method, job.up = "POST", chance.choice([70_000, 400_000, 1_500_000])
        job.pieces = chance.random() < 0.5
        job.plan["linger"] = chance.random() * 0.01
    elif kind == "head":
        job.plan["pause"] = chance.random() * 0.02
    elif kind == "body":
        job.down = chance.choice([70_000, 300_000, 1_000_000])
        job.plan |= {"gap": chance.choice([0, 0.001]), "chunked": chance.random() < 0.5}
        job.reads = chance.choice(["whole", "pieces", "part"])
    elif kind == "queue":
        job.plan["pause"] = chance.random() * 0.002
    elif kind == "retry":
        job.plan["fail"] = chance.choice([1, 2])
        job.options["retry"] = RetryPolicy(max_retries=3, backoff_strategy=ExponentialBackoff(base=0.01))
    elif kind == "auth":
        job.plan["auth"] = True
        job.options["auth"] = hyperhttp.DigestAuth("user", "password")
        job.method, job.up = chance.choice([("GET", 0), ("POST", 20_000)])
    elif kind == "redirect":
        job.plan["hops"] = chance.choice([1, 3])
        job.options["follow_redirects"] = True
        job.method, job.up = chance.choice([("GET", 0), ("POST", 20_000)])
    return job


def client_options(kind: str, wire: Wire) -> dict[str, Any]:
    """What a client for this kind is made with."""
    connections = 1 if kind == "queue" else CONNECTIONS
    keep = 0 if kind == "handshake" else 20  # each call opens a connection
    return wire.options | {"max_connections": connections, "max_keepalive_connections": keep, "timeout": limits_of(30)}


def base_of(kind: str, wire: Wire) -> str:
    """Where these calls go."""
    return {"connect": wire.hole, "queue": wire.narrow}.get(kind, wire.base)


# -- asyncio ---------------------------------------------------------------------------------------------


def cancel(record: Record, wire: Wire, kind: str, count: int, seed: int) -> None:
    """Start so many calls, some at a time, and cancel most of them at random moments."""
    what = f"{kind}, {wire.name}, seed {seed}"
    run(record, what, lambda: _cancel(record, wire, kind, count, random.Random(f"{what}"), what))


async def _cancel(record: Record, wire: Wire, kind: str, count: int, chance: random.Random, what: str) -> None:
    async with Client(**client_options(kind, wire)) as client:
        if chance.random() < 0.5 and kind not in ("connect", "handshake"):
            await ask(client, base_of(kind, wire), Job(f"{what} warm"))
        for batch in range(0, count, AT_ONCE):
            jobs = [job_of(kind, f"{what} {number}", chance) for number in range(batch, min(batch + AT_ONCE, count))]
            await asyncio.gather(*[_cut_short(record, client, base_of(kind, wire), kind, job, chance) for job in jobs])
        await settled(lambda: not imbalances(client))
        record.expect(not imbalances(client), f"{what}: books: {imbalances(client)}")
        number = client_options(kind, wire)["max_connections"]
        if wire.multiplexed:
            number = 3 if kind == "queue" else STREAMS
        base = wire.narrow if kind == "queue" else wire.base
        record.expect(await meet(client, base, number, what), f"{what}: not at full capacity afterwards")
        opened = sum(counts["total"] for counts in client.get_pool_stats().values())
        record.expect(opened <= CONNECTIONS, f"{what}: {opened} connections")
        await settled(lambda: not imbalances(client))
        record.expect(not imbalances(client), f"{what}: books afterwards: {imbalances(client)}")


async def _cut_short(record: Record, client: Any, base: str, kind: str, job: Job, chance: random.Random) -> None:
    spared = kind != "connect" and chance.random() < SPARED
    turns, pause = chance.randrange(MOST_TURNS), chance.random() * chance.choice([0.005, 0.02, 0.05])
    by_turns = chance.random() < 0.5
    task = asyncio.ensure_future(ask(client, base, job))
    if by_turns and not spared:
        for _ in range(turns):
            await asyncio.sleep(0)
    elif not spared:
        await asyncio.sleep(pause)
    if not spared:
        task.cancel()
    (result,) = await asyncio.gather(task, return_exceptions=True)
    if isinstance(result, asyncio.CancelledError) and not spared:
        record.counts[f"{kind}: cancelled"] += 1
    elif result is None:
        record.counts[f"{kind}: answered"] += 1
    else:
        record.find(f"{job.name}: {told(result)}")


# -- threads ---------------------------------------------------------------------------------------------


def time_out(record: Record, wire: Wire, kind: str, count: int, seed: int) -> None:
    """Let so many calls in threads run into total timeouts at random moments."""
    what = f"{kind}, {wire.name}, threads, seed {seed}"
    chance = random.Random(what)
    jobs = [job_of(kind, f"{what} {number}", chance) for number in range(count)]
    with watched(record, what), SyncClient(**client_options(kind, wire)) as client:
        threads = 8
        shares = [jobs[at::threads] for at in range(threads)]
        seeds = [chance.random() for _ in shares]

        def work(share: list[Job], seed: float) -> None:
            own = random.Random(seed)
            for job in share:
                _time_out(record, client, base_of(kind, wire), kind, job, own)

        works = [lambda share=share, seed=seed: work(share, seed) for share, seed in zip(shares, seeds, strict=True)]
        record.expect(in_threads(works), f"{what}: threads hang")  # type: ignore[arg-type]
        record.expect(not imbalances(client), f"{what}: books: {imbalances(client)}")
        number = 3 if kind == "queue" and wire.multiplexed else client_options(kind, wire)["max_connections"]
        base = wire.narrow if kind == "queue" else wire.base
        record.expect(meet_blocking(client, base, number, what), f"{what}: not at full capacity afterwards")
        record.expect(not imbalances(client), f"{what}: books afterwards: {imbalances(client)}")


def _time_out(record: Record, client: Any, base: str, kind: str, job: Job, chance: random.Random) -> None:
    spared = kind != "connect" and chance.random() < SPARED
    if not spared:
        job.may_give_up = kind == "retry"
        job.options["timeout"] = Timeout(30, total=0.0005 + chance.random() * chance.choice([0.005, 0.02, 0.05]))
    started = time.monotonic()
    try:
        ask_blocking(client, base, job)
    except hyperhttp.TotalTimeout as error:
        late = time.monotonic() - started - job.options["timeout"].total
        record.expect(not spared, f"{job.name}: {error}")
        record.expect(late < 2, f"{job.name}: {late:.2f} s too late: {error}")
        record.counts[f"{kind}: timed out"] += 1
    except Exception as error:
        record.find(f"{job.name}: {told(error)}")
    else:
        record.counts[f"{kind}: answered"] += 1


def close_under(record: Record, wire: Wire, count: int, seed: int) -> None:
    """Close clients under the threads that use them, so many times."""
    what = f"close, {wire.name}, seed {seed}"
    chance = random.Random(what)
    for number in range(count):
        with watched(record, what):
            _close_under(record, wire, f"{what} {number}", chance)


def _close_under(record: Record, wire: Wire, what: str, chance: random.Random) -> None:
    client = SyncClient(**wire.options, max_connections=chance.choice([1, 3, None]), timeout=limits_of(30))
    kinds = [kind for kind in KINDS if kind != "queue"]
    ready = threading.Semaphore(0)

    def work(number: int) -> None:
        own = random.Random(f"{what} {number}")
        for step in range(1000):
            kind = own.choice(kinds)
            ready.release()
            try:
                ask_blocking(client, base_of(kind, wire), job_of(kind, f"{what} {number} {step}", own))
            except hyperhttp.HyperHTTPError as error:
                record.counts[f"close: {type(error).__name__}"] += 1
                record.expect(client.is_closed, f"{what}: before it was closed: {told(error)}")
                record.expect(str(error), f"{what}: an error without words: {error!r}")
                return
            except Exception as error:
                record.find(f"{what}: {told(error)}")
                return

    threads = [threading.Thread(target=work, args=(number,), daemon=True) for number in range(8)]
    for thread in threads:
        thread.start()
    for _ in threads:
        ready.acquire(timeout=5)
    time.sleep(chance.random() * 0.06)
    started = time.monotonic()
    client.close()
    record.expect(time.monotonic() - started < 2, f"{what}: closing took {time.monotonic() - started:.1f} s")
    eventually(lambda: not any(thread.is_alive() for thread in threads))
    alive = sum(thread.is_alive() for thread in threads)
    record.expect(not alive, f"{what}: {alive} threads do not hear that the client was closed")
    record.expect(client.get_pool_stats() == {}, f"{what}: {client.get_pool_stats()}")
    record.counts["close: closed"] += 1
