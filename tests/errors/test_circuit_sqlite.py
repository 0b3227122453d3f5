"""Circuits in a file, which real processes share."""

from __future__ import annotations

import gc
import logging
import os
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import hyperhttp
from hyperhttp import CircuitBreakerOpen, ConnectError, Response
from hyperhttp.errors.circuit import CLOSED, OPEN, Circuit
from hyperhttp.errors.circuit_breaker import DomainCircuitBreakerManager
from hyperhttp.errors.circuit_sqlite import SQLiteCircuitStore

HOST = ("a.example", 443)
ROOT = Path(hyperhttp.__file__).parents[1]

#: Reads commands, one per line, and answers each with a line.
PROCESS = """
import sys, time
from hyperhttp import CircuitBreakerOpen, ConnectError, Response
from hyperhttp.errors.circuit_breaker import DomainCircuitBreakerManager
from hyperhttp.errors.circuit_sqlite import SQLiteCircuitStore

manager = DomainCircuitBreakerManager(3, float(sys.argv[2]), 1, store=SQLiteCircuitStore(sys.argv[1], timeout=10))
tickets = []
print("ready", flush=True)
for line in sys.stdin:
    command = line.strip()
    try:
        if command == "admit":
            tickets.append(manager.admit("a.example", 443, time.monotonic()))
        elif command != "state":
            outcome = ConnectError("refused") if command == "fail" else Response(200)
            manager.record(tickets.pop(), outcome, time.monotonic())
        print(manager.state("a.example"), flush=True)
    except CircuitBreakerOpen:
        print("refused", flush=True)
"""


class Process:
    """A process of its own with a manager on a shared file."""

    def __init__(self, path: Path, recovery: float) -> None:
        environ = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.child = subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(path), str(recovery)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ,
        )  # fmt: skip

    def ask(self, command: str) -> str:
        self.say(command)
        return self.hear()

    def say(self, command: str) -> None:
        assert self.child.stdin is not None
        self.child.stdin.write(f"{command}\n")
        self.child.stdin.flush()

    def hear(self) -> str:
        assert self.child.stdout is not None
        return self.child.stdout.readline().strip()

    def end(self) -> None:
        self.child.kill()
        self.child.communicate()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "circuits.db"


@pytest.fixture
def processes(path: Path) -> Any:
    """Starts processes at the same moment, on the same file."""
    started: list[Process] = []

    def start(count: int, recovery: float = 60.0) -> list[Process]:
        started.extend(Process(path, recovery) for _ in range(count))
        assert [process.hear() for process in started] == ["ready"] * count
        return started

    yield start
    for process in started:
        process.end()


# -- one process -----------------------------------------------------------------------------------------


def test_what_was_read_is_replaced_and_nothing_else(path: Path) -> None:
    with SQLiteCircuitStore(path) as store:
        assert store.load(HOST) is None
        assert store.replace(HOST, None, Circuit(failures=1))
        assert not store.replace(HOST, None, Circuit(failures=5)), "somebody else was first"
        old = store.load(HOST)
        assert old is not None
        assert store.replace(HOST, old, old._replace(failures=2))
        assert not store.replace(HOST, old, old._replace(failures=9)), "its version has passed"
        ((key, kept),) = store.items()
        assert (key, kept.failures, kept.version) == (HOST, 2, 2)


def test_moments_come_back_as_they_were(path: Path) -> None:
    now = time.monotonic()
    with SQLiteCircuitStore(path) as store:
        store.replace(HOST, None, Circuit("half_open", 3, 1, now - 5.0, 7, now))
        kept = store.load(HOST)
    assert kept is not None
    assert kept[:3] == ("half_open", 3, 1)
    assert kept.since == pytest.approx(now - 5.0, abs=0.05)
    assert kept.probe_at == pytest.approx(now, abs=0.05)
    assert kept.turn == 7


def test_a_file_outlives_its_store(path: Path) -> None:
    first = SQLiteCircuitStore(path)
    first.replace(HOST, None, Circuit(OPEN, failures=3, since=time.monotonic()))
    first.close()
    first.close()
    assert first.load(HOST) is not None, "it is opened again when it is needed"
    first.close()
    with SQLiteCircuitStore(str(path)) as second:
        assert second.load(HOST) is not None
        assert repr(second) == f"SQLiteCircuitStore({str(path)!r})"


def test_a_store_that_nobody_holds_closes_its_file(path: Path) -> None:
    store = SQLiteCircuitStore(path)
    connection: Any = store._connection
    del store
    gc.collect()
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_hosts_that_were_well_for_the_longest_time_are_forgotten_first(path: Path) -> None:
    now = time.monotonic()
    with SQLiteCircuitStore(path, max_hosts=2) as store:
        store.replace(("open", 1), None, Circuit(OPEN, since=now - 9))
        store.replace(("old", 1), None, Circuit(CLOSED, since=now - 5))
        store.replace(("new", 1), None, Circuit(CLOSED, since=now))
        assert {key for key, _ in store.items()} == {("open", 1), ("new", 1)}
        store.replace(("newest", 1), None, Circuit(CLOSED, since=now - 7))
        assert {key for key, _ in store.items()} == {("open", 1), ("newest", 1)}, (
            "the one that was just put there stays"
        )


def test_threads_share_a_store(path: Path) -> None:
    store = SQLiteCircuitStore(path)
    manager = DomainCircuitBreakerManager(1000, store=store)

    def fail() -> None:
        for _ in range(20):
            manager.record(manager.admit(*HOST, 1.0), ConnectError("refused"), 1.0)

    threads = [threading.Thread(target=fail) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert manager.snapshot()["a.example:443"].failures == 100
    store.close()


def test_a_store_without_room_or_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="max_hosts"):
        SQLiteCircuitStore(tmp_path / "a.db", max_hosts=0)
    with pytest.raises(sqlite3.Error):
        SQLiteCircuitStore(tmp_path / "missing" / "a.db")
    (tmp_path / "text").write_text("this is no database" * 100)
    with pytest.raises(sqlite3.Error):
        SQLiteCircuitStore(tmp_path / "text")


def test_a_file_that_breaks_stops_no_request(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = SQLiteCircuitStore(path)
    manager = DomainCircuitBreakerManager(1, store=store)
    manager.record(manager.admit(*HOST, 1.0), ConnectError("refused"), 1.0)
    with pytest.raises(CircuitBreakerOpen):
        manager.admit(*HOST, 1.0)
    other = sqlite3.connect(path)
    other.execute("DROP TABLE circuits")
    other.close()
    with caplog.at_level(logging.ERROR, "hyperhttp"):
        manager.record(manager.admit(*HOST, 1.0), Response(200), 1.0)
    assert "the store of circuits failed at a.example:443" in caplog.text
    store.close()


def test_a_file_that_another_process_keeps_locked_stops_no_request(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = SQLiteCircuitStore(path, timeout=0.01)
    manager = DomainCircuitBreakerManager(1, store=store)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with caplog.at_level(logging.ERROR, "hyperhttp"):
        manager.record(manager.admit(*HOST, 1.0), ConnectError("refused"), 1.0)
    assert "locked" in caplog.text
    assert manager.state(*HOST) == CLOSED
    other.execute("ROLLBACK")
    other.close()
    store.close()


# -- several ---------------------------------------------------------------------------------------------


def test_failures_of_two_processes_add_up(processes: Any) -> None:
    first, second = processes(2)
    for process in (first, second):
        assert process.ask("admit") == "closed"
        assert process.ask("fail") == "closed"
    assert first.ask("admit") == "closed"
    assert second.ask("admit") == "closed"
    assert first.ask("fail") == "open"
    assert second.ask("fail") == "open", "it began before the circuit opened: it counts no more"
    assert [process.ask("admit") for process in (first, second)] == ["refused", "refused"]


def test_one_probe_passes_whichever_process_asks(processes: Any) -> None:
    crowd = processes(4, recovery=0.05)
    for _ in range(3):
        crowd[0].ask("admit")
    assert [crowd[0].ask("fail") for _ in range(3)] == ["closed", "closed", "open"]
    time.sleep(0.06)
    for process in crowd:
        process.say("admit")
    answers = [process.hear() for process in crowd]
    assert sorted(answers) == ["half_open", "refused", "refused", "refused"]
    assert crowd[answers.index("half_open")].ask("ok") == "closed"
    assert [process.ask("state") for process in crowd] == ["closed"] * 4
    assert [process.ask("admit") for process in crowd] == ["closed"] * 4


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_store_made_before_a_fork_serves_both_sides(path: Path) -> None:
    store = SQLiteCircuitStore(path)
    manager = DomainCircuitBreakerManager(2, store=store)
    manager.record(manager.admit(*HOST, 1.0), ConnectError("refused"), 1.0)
    child = os.fork()
    if not child:
        manager.record(manager.admit(*HOST, 1.0), ConnectError("refused"), 1.0)
        os._exit(0 if manager.state(*HOST) == OPEN else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert manager.state(*HOST) == OPEN
    store.close()
