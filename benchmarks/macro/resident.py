"""Memory scenarios: what an idle connection costs, and the peak while a large body is read."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
from pathlib import Path

from drivers import Driver, Target, Unexpected
from load import Plan, Record, check_protocol, memory_record
from meter import Meter, memory


async def idle(driver_class: type[Driver], target: Target, plan: Plan, server: int) -> Record:
    """Bytes of resident memory for each connection that is open and does nothing.

    As many requests as connections are made at once for a body the origin sends slowly, so that each needs
    a connection of its own; then everything is released that can be.
    """
    driver = driver_class(target)
    await driver.open()
    try:
        if driver.probes:  # loads what is loaded late
            check_protocol(await driver.one(target.base + "/protocol"), target)
        settle()
        before = memory("VmRSS")
        lengths = await asyncio.gather(*(driver.one(target.url) for _ in range(target.concurrency)))
        if set(lengths) != {target.size}:
            raise Unexpected(f"bodies of {set(lengths)} bytes, not {target.size}")
        del lengths
        await asyncio.sleep(0.1)
        settle()
        after = memory("VmRSS")
        record = memory_record(before)
        found = open_connections()
        if found < target.connections * 0.9:
            raise Unexpected(f"{found} connections are open, not {target.connections}")
        return record | {"idle_bytes": (after - before) / found, "idle_connections": found}
    finally:
        await driver.close()


async def download(driver_class: type[Driver], target: Target, plan: Plan, server: int) -> Record:
    """One large body, read piece by piece: speed, and how far memory grows beyond what one request takes."""
    driver = driver_class(target)
    await driver.open()
    try:
        if driver.probes:
            check_protocol(await driver.one(target.base + "/protocol"), target)
        before = memory("VmRSS")
        meter = Meter(server)
        meter.start()
        length = await driver.stream(target.url)
        return downloaded(meter, length, target, before)
    finally:
        await driver.close()


def download_blocking(driver_class: type[Driver], target: Target, plan: Plan, server: int) -> Record:
    """The same with a blocking driver."""
    driver = driver_class(target)
    driver.open()
    try:
        if driver.probes:
            check_protocol(driver.one(target.base + "/protocol"), target)
        before = memory("VmRSS")
        meter = Meter(server)
        meter.start()
        length = driver.stream(target.url)
        return downloaded(meter, length, target, before)
    finally:
        driver.close()


def downloaded(meter: Meter, length: int, target: Target, before: int) -> Record:
    """The record of a download."""
    record = meter.stop(1, target.size) | memory_record(before)
    if length != target.size:
        raise Unexpected(f"a body of {length} bytes, not {target.size}")
    return record | {"grown_bytes": record["rss_peak"] - before}


def open_connections() -> int:
    """TCP connections this process has open."""
    links = (str(entry.readlink()) for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink())
    sockets = {link[8:-1] for link in links if link.startswith("socket:")}
    rows = Path("/proc/self/net/tcp").read_text().splitlines()[1:]
    established = (row.split() for row in rows)
    return sum(1 for row in established if row[3] == "01" and row[9] in sockets)


def settle() -> None:
    """Give back what is not used: cycles to the allocator, free pages to the system (glibc only)."""
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
