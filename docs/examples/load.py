"""A load generator: so many requests, so many at a time, and a histogram of how long they took.

What it shows:

- one client for all workers: its pool keeps the connections, and is no larger than there are workers;
- ``stream=False``, so that a request is over when its content is there;
- failures that are counted by kind, not raised: under load they are a result;
- quantiles and a histogram whose classes double, because latencies do not spread evenly.

Run it::

    python docs/examples/load.py --requests 2000 --workers 16        # an origin on this machine, in a process of its own
    python docs/examples/load.py --requests 100 https://example.com/

Each worker sends its next request when the last one is over, so a server that stalls gets less load, and what waits
outside is not in the numbers: read them as the latency at this concurrency, not at a given rate. Aim it only at
servers that are yours.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import hyperhttp
from hyperhttp import Client, Timeout

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_REQUESTS = 1_000_000
BAR = 40


@dataclass
class Results:
    """What was measured.

    Attributes:
        seconds: how long each request took, failures included.
        outcomes: how many ended with which status or kind of error.
        failures: how many were no success.
        elapsed: seconds from the first to the last.
    """

    seconds: list[float] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: int = 0
    elapsed: float = 0.0

    def quantile(self, share: float) -> float:
        """The time within which that share of the requests was over."""
        ordered = sorted(self.seconds)
        return ordered[min(int(len(ordered) * share), len(ordered) - 1)]

    def classes(self) -> Counter[int]:
        """Requests by class: class `n` holds those of less than 2**n, and at least half as many, microseconds."""
        return Counter(int(seconds * 1e6).bit_length() for seconds in self.seconds)


async def work(client: Client, url: str, numbers: Iterator[int], results: Results) -> None:
    """One worker: a request after the other, as long as there are numbers left."""
    for _ in numbers:
        began = time.perf_counter()
        try:
            response = await client.get(url, stream=False)
            outcome, is_success = str(response.status_code), response.is_success
        except hyperhttp.HyperHTTPError as error:
            outcome, is_success = error.kind, False
        results.seconds.append(time.perf_counter() - began)
        results.outcomes[outcome] += 1
        results.failures += not is_success


async def run(url: str, requests: int, workers: int) -> Results:
    """Send the requests; the workers share the count, so that all end at about the same moment."""
    results = Results()
    numbers = iter(range(requests))
    async with Client(max_connections=workers, timeout=Timeout(10.0, total=30.0)) as client:
        began = time.perf_counter()
        await asyncio.gather(*(work(client, url, numbers, results) for _ in range(workers)))
        results.elapsed = time.perf_counter() - began
    return results


def report(results: Results) -> Iterator[str]:
    """The lines of the result."""
    count = len(results.seconds)
    yield f"{count} requests in {results.elapsed:.2f} s, {count / results.elapsed:,.0f} a second"
    yield "outcomes: " + ", ".join(f"{name} x {number}" for name, number in results.outcomes.most_common())
    quantiles = (0.5, 0.9, 0.99, 0.999)
    yield ", ".join(f"p{share * 100:g} {results.quantile(share) * 1e3:.2f} ms" for share in quantiles)
    classes = results.classes()
    most = max(classes.values())
    for number in range(min(classes), max(classes) + 1):
        bar = "#" * -(-classes[number] * BAR // most)  # rounded up: one request is not nothing
        yield f"{'<':>3}{2**number / 1e3:>11.3f} ms {classes[number]:>8} {bar}"


@contextmanager
def local_origin() -> Iterator[str]:
    """The URL of an origin in a process of its own: in this one it would compete with the client it is there for."""
    command = [sys.executable, "-m", "hyperhttp.testing", "--no-tls"]
    with subprocess.Popen(  # noqa: S603 -- it is this interpreter
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            yield json.loads(process.stdout.readline())["url"] + "/bytes/100"
        finally:
            process.stdin.close()  # it ends with its input


def main() -> int:
    """Put load on what the command line names."""
    parser = argparse.ArgumentParser(description="A load generator.")
    parser.add_argument("url", nargs="?", help="what to ask for (100 bytes from an origin on this machine)")
    parser.add_argument("--requests", type=int, default=1000, help="how many in all")
    parser.add_argument("--workers", type=int, default=8, help="how many at the same time")
    arguments = parser.parse_args()
    if not 1 <= arguments.requests <= MOST_REQUESTS or arguments.workers < 1:
        parser.error(f"between 1 and {MOST_REQUESTS} requests, and at least one worker")
    if arguments.url:
        results = asyncio.run(run(arguments.url, arguments.requests, arguments.workers))
    else:
        with local_origin() as url:
            results = asyncio.run(run(url, arguments.requests, arguments.workers))
    print("\n".join(report(results)))
    return 1 if results.failures else 0


if __name__ == "__main__":
    sys.exit(main())
