"""h2load (C, nghttp2): what one HTTP/2 connection can carry from one core. A program, not a Python client."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from meter import cpu_time_of, figures, percentiles

from drivers import Driver, Target, Unexpected

if TYPE_CHECKING:
    from load import Plan, Record

# 16 MiB windows: the default of 64 KiB would measure WINDOW_UPDATE frames.
WINDOWS = ("-w", "24", "-W", "24")


class Async(Driver):
    pass


Blocking = Async


def measure(target: Target, plan: Plan, server: int) -> Record:
    """One connection, as many streams as the scenario has requests under way."""
    wall, _, _ = run(target, max(target.concurrency * 4, 256))
    rate = max(target.concurrency * 4, 256) / wall
    run(target, max(1, int(rate * plan.warmup)))
    count = plan.count(rate, target.concurrency)
    server_before = cpu_time_of(server)
    wall, cpu, peak = run(target, count)
    server_cpu = cpu_time_of(server) - server_before
    record = figures(count, target.size, wall=wall, cpu=cpu, server=server_cpu) | {
        "rss_peak": peak,
        "connections": 1,
    }
    if samples := int(count * plan.latency):
        with tempfile.TemporaryDirectory() as directory:
            log = Path(directory) / "log"
            run(target, samples, f"--log-file={log}")
            microseconds = [int(line.split("\t")[2]) for line in log.read_text().splitlines()]
        record["latency_us"] = percentiles([each * 1000 for each in microseconds])
    return record


def run(target: Target, count: int, *options: str) -> tuple[float, float, int]:
    """Wall time as h2load reports it, CPU time and peak memory of the whole process."""
    streams = str(min(target.concurrency, count))
    command = [
        "h2load",
        "-n",
        str(count),
        "-c",
        "1",
        "-m",
        streams,
        "-t",
        "1",
        *WINDOWS,
        *options,
        target.url,
    ]
    begun = perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    output = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode or f"{count} succeeded" not in output or "protocol: h2" not in output:
        raise Unexpected(f"h2load: {output[-600:]}")
    found = re.search(r"finished in ([\d.]+)(us|ms|s),", output)
    units = {"us": 1e-6, "ms": 1e-3, "s": 1.0}
    wall = float(found[1]) * units[found[2]] if found else perf_counter() - begun
    return wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024


def versions() -> dict[str, str]:
    """h2load's own version line."""
    text = subprocess.run(["h2load", "--version"], check=True, capture_output=True, text=True).stdout
    return {"h2load": text.split()[1]}
