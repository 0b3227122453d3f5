"""What every long run needs: the far side, the ways to it, and somebody who notes what goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import ssl
import subprocess
import sys
import threading
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from hyperhttp import Timeout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 5.0  # seconds until what was left behind must be gone


@dataclass(frozen=True, slots=True)
class Wire:
    """A way to the far side.

    Attributes:
        name: of the protocol and what is between.
        base: URL of the origin.
        narrow: URL of the one that takes three streams at a time.
        hole: URL of where nobody answers.
        options: of clients.
        multiplexed: whether one connection serves many.
    """

    name: str
    base: str
    narrow: str
    hole: str
    options: dict[str, Any]
    multiplexed: bool


class FarSide:
    """The servers' process; a context manager."""

    def __enter__(self) -> Self:
        command = [sys.executable, "-W", "ignore", "-m", "tests.endurance.far_side"]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stdout is not None
        self.places = json.loads(self._process.stdout.readline())
        self.context = ssl.create_default_context(cafile=self.places["ca"])
        return self

    def __exit__(self, *error: object) -> None:
        self._process.communicate(timeout=20)

    def wires(self) -> list[Wire]:
        """Every way there is."""
        places = self.places
        secure = {"ssl_context": self.context}
        tunnel = {**secure, "proxies": places["proxy"]}
        old, prior = {"http2": False}, {"http2": "prior-knowledge"}
        hole, safe_hole = f"http://localhost:{places['hole']}", f"https://localhost:{places['hole']}"
        url, slow, https = places["url"], places["slow_url"], places["https_url"]
        narrow, safe_narrow = places["narrow_url"], places["narrow_https_url"]
        return [
            Wire("h1", url, narrow, hole, old, False),
            Wire("h1 tls", slow, safe_narrow, safe_hole, old | secure, False),
            Wire("h1 tunnel", https, safe_narrow, safe_hole, old | tunnel, False),
            Wire("h2", url, narrow, hole, prior, True),
            Wire("h2 tls", slow, safe_narrow, safe_hole, secure, True),
            Wire("h2 tunnel", https, safe_narrow, safe_hole, tunnel, True),
        ]

    def straight_wires(self) -> dict[str, Wire]:
        """The ways without a proxy, by name, with nobody on them who holds pieces back."""
        straight = {"h1 tls": self.places["https_url"], "h2 tls": self.places["https_url"]}
        wires = [wire for wire in self.wires() if "tunnel" not in wire.name]
        return {wire.name: replace(wire, base=straight.get(wire.name, wire.base)) for wire in wires}


@dataclass
class Record:
    """What was done and what was found.

    Attributes:
        counts: how often what happened.
        findings: what must not happen, in words.
        figures: measured on the way.
    """

    counts: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)

    def find(self, what: str) -> None:
        """Something is wrong."""
        self.findings.append(what)

    def expect(self, holds: object, what: str) -> None:
        """Something is wrong unless this holds."""
        if not holds:
            self.find(what)

    def total(self, prefix: str) -> int:
        """The sum of all counts with that beginning."""
        return sum(number for name, number in self.counts.items() if name.startswith(prefix))


class Listener(logging.Handler):
    """Takes every warning that is logged for a finding."""

    def __init__(self, record: Record, what: str) -> None:
        super().__init__(logging.WARNING)
        self._record = record
        self._what = what

    def emit(self, record: logging.LogRecord) -> None:
        self._record.find(f"{self._what}: logged: {record.getMessage()}"[:2000])


@contextlib.contextmanager
def watched(record: Record, what: str) -> Iterator[None]:
    """Whatever is warned of, logged, or raised where nobody catches it, is a finding; so is what stays behind."""
    listener = Listener(record, what)
    gc.collect()
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    hooks = threading.excepthook, sys.unraisablehook
    threading.excepthook = lambda args: record.find(f"{what}: in {args.thread}: {args.exc_value!r}")
    sys.unraisablehook = lambda args: record.find(f"{what}: unraisable {args.exc_value!r} in {args.object!r}")
    logging.getLogger().addHandler(listener)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield
            gc.collect()
    finally:
        logging.getLogger().removeHandler(listener)
        threading.excepthook, sys.unraisablehook = hooks
    for warning in caught:
        record.find(f"{what}: warned: {warning.message}")
    eventually(lambda: not set(threading.enumerate()) - threads)
    record.expect(not set(threading.enumerate()) - threads, f"{what}: threads left: {threading.enumerate()}")
    eventually(lambda: open_descriptors() <= descriptors)
    left = open_descriptors() - descriptors
    record.expect(not left, f"{what}: descriptors left: {sorted(left)}")


def run(record: Record, what: str, work: Callable[[], Any]) -> None:
    """Run a coroutine in a loop of its own; tasks and errors that it leaves are findings."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda _, context: record.find(f"{what}: the loop was told: {context}"[:2000]))
        before = asyncio.all_tasks()
        await work()
        await settled(lambda: not asyncio.all_tasks() - before)
        record.expect(not asyncio.all_tasks() - before, f"{what}: tasks left: {asyncio.all_tasks() - before}")
        await asyncio.sleep(0.01)

    with watched(record, what):
        asyncio.run(main())


def open_descriptors() -> set[str]:
    """What this process has open, by number and kind; a number of another kind is another one."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(f"{entry.name}: {entry.readlink()}")
    return {each for each in found if "/proc/" not in each}


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def eventually(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for something that must come about; whether it did is for the caller to see."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.005)


async def settled(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """The same on a loop."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        await asyncio.sleep(0.005)


def told(error: BaseException) -> str:
    """An error and where it comes from."""
    frames = traceback.extract_tb(error.__traceback__)[-4:]
    where = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__}: {error} (at {where})"


# -- the books -------------------------------------------------------------------------------------------


def imbalances(client: Any) -> list[str]:
    """What the books of a client's pools say that is not so when nothing is going on."""
    found = []
    for pool in client._core.pools:
        total = sum(lane.total for lane in pool.lanes.values())
        kept = {each for lane in pool.lanes.values() for each in lane.idle}
        living = sum(not waiter.wait.done() for lane in pool.lanes.values() for waiter in lane.waiters)
        facts = {
            "in use": total - len(kept),
            "being opened": sum(lane.dialing for lane in pool.lanes.values()),
            "shared": sum(len(lane.shared) for lane in pool.lanes.values()),
            # A thread's connection that nobody reads from hears at its next use what the peer has to say first.
            "settling": sum(lane.settling not in (None, *lane.idle) for lane in pool.lanes.values()),
            "waiting": living,
            "waiting, by the books": pool._waiting - pool._dead,
            "more in all than in the lanes": pool._total - total,
            "more channels than connections": len(pool.network.channels) - total,
            "still watched": len(pool.network.watch.busy - kept),  # HTTP/2 is, as long as it is open
            "look-ups": len(getattr(pool.network, "_shared", ())),
            "beside": len(getattr(pool.network, "_beside", ())),
            "closed but kept": sum(each.channel.closed for each in kept),
        }
        found += [f"{name}: {number}" for name, number in facts.items() if number]
    return found


def limits_of(seconds: float) -> Timeout:
    """Limits that only something that hangs can reach."""
    return Timeout(seconds, total=seconds)


# -- full capacity ---------------------------------------------------------------------------------------


async def meet(client: Any, base: str, count: int, name: str) -> bool:
    """Whether so many requests can be under way at once: the far side answers none before all are there."""
    calls = [client.get(f"{base}/meet/{count}", headers={"X-Name": name}, timeout=limits_of(20)) for _ in range(count)]
    responses = await asyncio.gather(*calls, return_exceptions=True)
    contents = [each if isinstance(each, BaseException) else await each.aread() for each in responses]
    return contents == [b"all are here"] * count


def meet_blocking(client: Any, base: str, count: int, name: str) -> bool:
    """The same with threads."""
    contents: list[Any] = []

    def come() -> None:
        try:
            response = client.get(f"{base}/meet/{count}", headers={"X-Name": name}, timeout=limits_of(20))
            contents.append(response.read())
        except Exception as error:
            contents.append(error)

    in_threads([come] * count)
    return contents == [b"all are here"] * count


def in_threads(works: list[Callable[[], object]], seconds: float = 60.0) -> bool:
    """Run all at the same time, each in a thread; whether all ended in time."""
    threads = [threading.Thread(target=work, daemon=True) for work in works]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(deadline - time.monotonic(), 0.0))
    return not any(thread.is_alive() for thread in threads)
