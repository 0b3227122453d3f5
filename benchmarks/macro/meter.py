"""What is read before and after the measured part of a run, in the client's own process."""

from __future__ import annotations

import math
import resource
import time
from pathlib import Path
from statistics import fmean

NANOSECONDS = 1_000_000_000


class Meter:
    """Wall clock, CPU time of this process (all threads), CPU time of the server's worker.

    Args:
        server: process id of the server's worker.
    """

    def __init__(self, server: int) -> None:
        self.server = server

    def start(self) -> None:
        """Begin the measured part."""
        self._server = cpu_time_of(self.server)
        self._usage = resource.getrusage(resource.RUSAGE_SELF)
        self._clock = time.perf_counter_ns()

    def stop(self, requests: int, size: int) -> dict[str, float]:
        """End the measured part.

        Args:
            requests: how many were answered since `start`.
            size: bytes of one body.

        Returns:
            Totals in seconds, and figures per request in microseconds.
        """
        wall = (time.perf_counter_ns() - self._clock) / NANOSECONDS
        usage = resource.getrusage(resource.RUSAGE_SELF)
        server = cpu_time_of(self.server) - self._server
        before = self._usage
        cpu = usage.ru_utime - before.ru_utime + usage.ru_stime - before.ru_stime
        switches = usage.ru_nivcsw - before.ru_nivcsw
        return figures(requests, size, wall=wall, cpu=cpu, server=server) | {"involuntary_switches": switches}


def figures(requests: int, size: int, *, wall: float, cpu: float, server: float) -> dict[str, float]:
    """The record of one measured part; the times are in seconds."""
    return {
        "requests": requests,
        "wall_s": wall,
        "cpu_s": cpu,
        "server_cpu_s": server,
        "throughput": requests / wall,
        "megabytes_per_s": requests * size / wall / 1e6,
        "cpu_us": cpu / requests * 1e6,
        "server_cpu_us": server / requests * 1e6,
        "client_busy": cpu / wall,
        "server_busy": server / wall,
    }


def cpu_time_of(process: int) -> float:
    """Seconds a process has spent on a CPU, to the nanosecond; 0 where the kernel does not say."""
    try:
        return int(Path(f"/proc/{process}/schedstat").read_text().split()[0]) / NANOSECONDS
    except OSError:
        return 0.0


def memory(field: str) -> int:
    """A line of /proc/self/status in bytes: VmRSS (now) or VmHWM (peak).

    Not `ru_maxrss`, which a new process inherits from the one that started it.
    """
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name == field:
            return int(rest.split()[0]) * 1024
    msg = f"no {field} in /proc/self/status"
    raise LookupError(msg)


def percentiles(nanoseconds: list[int]) -> dict[str, float]:
    """The distribution of a list of durations, in microseconds, by the nearest-rank method."""
    ordered = sorted(nanoseconds)
    count = len(ordered)
    ranks = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99, "p99_9": 0.999}
    named = {name: ordered[math.ceil(share * count) - 1] / 1000 for name, share in ranks.items()}
    return named | {"max": ordered[-1] / 1000, "mean": fmean(ordered) / 1000, "samples": count}
