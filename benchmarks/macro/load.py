"""The loop every driver is put in: workers that take tickets from a shared iterator until none are left.

A run is: warm-up by the clock (connections, caches), the same again to learn the rate, then a fixed number
of requests measured without any clock in the loop, then a shorter part with a clock around each request.
Workers are tasks on one event loop, or threads. Every response counts only with status 200 and a body of
the right length.
"""

from __future__ import annotations

import asyncio
import threading
from array import array
from dataclasses import dataclass
from time import perf_counter, perf_counter_ns
from typing import TYPE_CHECKING, Any

from drivers import Driver, Target, Unexpected
from meter import Meter, memory, percentiles

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

Record = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """How long a run is."""

    #: Seconds of the measured part, from which the number of requests is worked out after the warm-up.
    seconds: float
    #: Seconds of each of the two warm-up parts.
    warmup: float
    #: Requests of the measured part, instead of `seconds`.
    requests: int | None
    #: Requests in the part that records latencies, as a share of the measured part; 0 leaves it out.
    latency: float

    def count(self, rate: float, concurrency: int) -> int:
        """Requests of the measured part, given the rate seen in the warm-up."""
        return self.requests or max(concurrency, int(rate * self.seconds))


async def run_tasks(driver_class: type[Driver], target: Target, plan: Plan, server: int) -> Record:
    """Measure an asynchronous driver with `target.concurrency` tasks."""
    drivers = instances(driver_class, target)
    before = memory("VmRSS")
    for driver in drivers:
        await driver.open()
    try:
        if driver_class.probes:
            check_protocol(await drivers[0].one(target.base + "/protocol"), target)
        workers = spread(drivers, target.concurrency)

        async def crowd(loop: Callable[..., Awaitable[int]], *arguments: object) -> int:
            tasks = (loop(one, target.url, target.size, *arguments) for one in workers)
            return sum(await asyncio.gather(*tasks))

        await crowd(timed, perf_counter() + plan.warmup)
        begun = perf_counter()
        done = await crowd(timed, begun + plan.warmup)
        count = plan.count(done / (perf_counter() - begun), target.concurrency)
        meter = Meter(server)
        meter.start()
        await crowd(counted, iter(range(count)))
        record = meter.stop(count, target.size) | memory_record(before)
        if samples := int(count * plan.latency):
            latencies = array("q", bytes(8 * samples))
            await crowd(recorded, iter(range(samples)), latencies)
            record["latency_us"] = percentiles(latencies)
        return record
    finally:
        for driver in drivers:
            await driver.close()


async def run_burst(driver_class: type[Driver], target: Target, plan: Plan, server: int) -> Record:
    """Start all requests at once, each a task, over fewer connections; what counts is the peak of memory."""
    driver = driver_class(target)
    before = memory("VmRSS")
    await driver.open()
    try:
        if driver.probes:
            check_protocol(await driver.one(target.base + "/protocol"), target)
        meter = Meter(server)
        meter.start()
        lengths = await asyncio.gather(*(driver.one(target.url) for _ in range(target.concurrency)))
        record = meter.stop(target.concurrency, target.size) | memory_record(before)
        if set(lengths) != {target.size}:
            raise Unexpected(f"bodies of {set(lengths)} bytes, not {target.size}")
        return record
    finally:
        await driver.close()


def run_threads(driver_class: type[Driver], target: Target, plan: Plan, server: int) -> Record:
    """Measure a blocking driver: one thread is this one, several are started."""
    drivers = instances(driver_class, target)
    before = memory("VmRSS")
    for driver in drivers:
        driver.open()
    try:
        if driver_class.probes:
            check_protocol(drivers[0].one(target.base + "/protocol"), target)
        crowd = Threads(spread(drivers, target.concurrency), target)
        crowd.run(timed_blocking, perf_counter() + plan.warmup)
        begun = perf_counter()
        done = crowd.run(timed_blocking, begun + plan.warmup)
        count = plan.count(done / (perf_counter() - begun), target.concurrency)
        meter = Meter(server)
        meter.start()
        crowd.run(counted_blocking, iter(range(count)))
        record = meter.stop(count, target.size) | memory_record(before)
        if samples := int(count * plan.latency):
            latencies = array("q", bytes(8 * samples))
            crowd.run(recorded_blocking, iter(range(samples)), latencies)
            record["latency_us"] = percentiles(latencies)
        return record
    finally:
        for driver in drivers:
            driver.close()


class Threads:
    """Runs one loop in as many threads as there are workers; an exception in any of them is raised here."""

    def __init__(self, workers: list[Callable[[str], int]], target: Target) -> None:
        self.workers = workers
        self.target = target

    def run(self, loop: Callable[..., int], *arguments: object) -> int:
        """The sum of what the loops return."""
        url, size = self.target.url, self.target.size
        if len(self.workers) == 1:
            return loop(self.workers[0], url, size, *arguments)
        results: list[int] = []
        failures: list[BaseException] = []

        def body(one: Callable[[str], int]) -> None:
            try:
                results.append(loop(one, url, size, *arguments))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=body, args=(one,), daemon=True) for one in self.workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return sum(results)


async def timed(one: Callable[[str], Awaitable[int]], url: str, size: int, deadline: float) -> int:
    """Loop until a moment, at least once."""
    done = 0
    while not done or perf_counter() < deadline:
        if await one(url) != size:
            raise Unexpected(f"a body that is not {size} bytes long")
        done += 1
    return done


async def counted(one: Callable[[str], Awaitable[int]], url: str, size: int, tickets: Iterator[int]) -> int:
    """Loop while there are tickets; nothing else happens here, for this is the measured loop."""
    for _ in tickets:
        if await one(url) != size:
            raise Unexpected(f"a body that is not {size} bytes long")
    return 0


async def recorded(
    one: Callable[[str], Awaitable[int]], url: str, size: int, tickets: Iterator[int], latencies: array[int]
) -> int:
    """The same with a clock around each request."""
    for ticket in tickets:
        begun = perf_counter_ns()
        length = await one(url)
        latencies[ticket] = perf_counter_ns() - begun
        if length != size:
            raise Unexpected(f"a body that is not {size} bytes long")
    return 0


def timed_blocking(one: Callable[[str], int], url: str, size: int, deadline: float) -> int:
    done = 0
    while not done or perf_counter() < deadline:
        if one(url) != size:
            raise Unexpected(f"a body that is not {size} bytes long")
        done += 1
    return done


def counted_blocking(one: Callable[[str], int], url: str, size: int, tickets: Iterator[int]) -> int:
    for _ in tickets:
        if one(url) != size:
            raise Unexpected(f"a body that is not {size} bytes long")
    return 0


def recorded_blocking(
    one: Callable[[str], int], url: str, size: int, tickets: Iterator[int], latencies: array[int]
) -> int:
    for ticket in tickets:
        begun = perf_counter_ns()
        length = one(url)
        latencies[ticket] = perf_counter_ns() - begun
        if length != size:
            raise Unexpected(f"a body that is not {size} bytes long")
    return 0


def instances(driver_class: type[Driver], target: Target) -> list[Driver]:
    """One driver for all workers, or one for each."""
    return [driver_class(target) for _ in range(target.concurrency if driver_class.per_worker else 1)]


def spread(drivers: list[Driver], concurrency: int) -> list[Callable[[str], Any]]:
    """The `one` of each worker."""
    return [drivers[index % len(drivers)].one for index in range(concurrency)]


def check_protocol(length: int, target: Target) -> None:
    """Insist on the protocol; the body of /protocol is as long as the major version is high."""
    spoken = {1: "HTTP/1", 2: "HTTP/2"}.get(length)
    wanted = "HTTP/2" if target.http2 else "HTTP/1"
    if spoken != wanted:
        raise Unexpected(f"spoke {spoken}, not {wanted}")


def memory_record(before: int) -> dict[str, int]:
    """Resident memory: with the library imported, now, and at its peak so far, in bytes."""
    return {"rss_before": before, "rss": memory("VmRSS"), "rss_peak": memory("VmHWM")}
