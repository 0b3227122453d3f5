"""Circuits in a SQLite file, so that the processes of one machine share them: the workers of a web server, for instance.

    manager = DomainCircuitBreakerManager(store=SQLiteCircuitStore("/run/my-service/circuits.db"))

Each look is one statement on a file in the system's cache: some ten microseconds, before and after every request.
The file belongs on a local disk, because SQLite's locks do not hold on network file systems; it holds nothing worth keeping.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from hyperhttp._pickling import refuse_copies
from hyperhttp.errors.circuit import Circuit
from hyperhttp.errors.circuit_store import MAX_HOSTS
from hyperhttp.utils.locks import new_lock

if TYPE_CHECKING:
    from typing import Self

    from hyperhttp.errors.circuit_store import Key

__all__ = ["SQLiteCircuitStore"]

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS circuits (
    host TEXT NOT NULL, port INTEGER NOT NULL, state TEXT NOT NULL, failures INTEGER NOT NULL, successes INTEGER NOT NULL,
    since REAL NOT NULL, turn INTEGER NOT NULL, probe_at REAL, version INTEGER NOT NULL, PRIMARY KEY (host, port)
) WITHOUT ROWID
"""
_LOAD: Final = "SELECT * FROM circuits WHERE host = ? AND port = ?"
_ITEMS: Final = "SELECT * FROM circuits"
_INSERT: Final = "INSERT OR IGNORE INTO circuits VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)"
_UPDATE: Final = """
UPDATE circuits SET state = ?, failures = ?, successes = ?, since = ?, turn = ?, probe_at = ?, version = version + 1
WHERE host = ? AND port = ? AND version = ?
"""
#: Those that were well for the longest time go first; an open circuit goes last.
_FORGET: Final = """
DELETE FROM circuits WHERE (host, port) IN (
    SELECT host, port FROM circuits WHERE host <> ? OR port <> ? ORDER BY state <> 'closed', since
    LIMIT max(0, (SELECT count(*) FROM circuits) - ?)
)
"""

#: Connections made before a fork. A child process may neither use nor close them, so they are kept from being collected.
_inherited: list[sqlite3.Connection] = []


class SQLiteCircuitStore:
    """Circuits that processes share; see `hyperhttp.errors.circuit_store.CircuitStore`.

    May be made before a fork and used after it. What another process brings about is seen by the next request; observers hear
    of it in that process only. The file keeps moments of the wall clock, which outlives a restart.

    Args:
        path: the file; made where it is missing, but not its folder.
        max_hosts: hosts kept at most.
        timeout: seconds a statement waits for another process that is writing. Where that is not enough, the request goes its
            way as if nothing were known, and it is logged.

    Raises:
        ValueError: `max_hosts` is less than one.
        sqlite3.Error: the file cannot be opened, or is something else.
    """

    __getstate__ = refuse_copies

    def __init__(self, path: str | os.PathLike[str], *, max_hosts: int = MAX_HOSTS, timeout: float = 0.25) -> None:
        if max_hosts < 1:
            msg = f"max_hosts= takes a number of hosts, at least one, not {max_hosts!r}"
            raise ValueError(msg)
        self._path = os.fspath(path)
        self._max_hosts = max_hosts
        self._timeout = timeout
        self._lock = new_lock()
        self._process = 0
        self._connection: sqlite3.Connection | None = None
        self._run(_LOAD, ("", 0))

    def load(self, key: Key) -> Circuit | None:
        """The circuit of a host and port."""
        rows = self._run(_LOAD, key)[0]
        return _circuit(rows[0][2:]) if rows else None

    def replace(self, key: Key, old: Circuit | None, new: Circuit) -> bool:
        """Put `new` in the place of `old`, unless another thread or process was there before."""
        shift = _shift()
        probe_at = None if new.probe_at is None else new.probe_at + shift
        values = (new.state, new.failures, new.successes, new.since + shift, new.turn, probe_at)
        if old is not None:
            return self._run(_UPDATE, (*values, *key, old.version))[1] == 1
        if self._run(_INSERT, (*key, *values))[1] != 1:
            return False
        self._run(_FORGET, (*key, self._max_hosts))
        return True

    def items(self) -> list[tuple[Key, Circuit]]:
        """All that is kept."""
        return [((row[0], row[1]), _circuit(row[2:])) for row in self._run(_ITEMS, ())[0]]

    def close(self) -> None:
        """Close the file; the next use opens it again."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._process == os.getpid():
            connection.close()
        else:
            _inherited.append(connection)

    def _run(self, statement: str, values: tuple[Any, ...]) -> tuple[list[Any], int]:
        """Rows, and how many were changed."""
        if self._process != os.getpid():
            self.close()
        with self._lock:  # SQLite would serialise the threads itself; this keeps statement and result together
            if self._connection is None:
                self._connection = self._open()
                self._process = os.getpid()
            cursor = self._connection.execute(statement, values)
            return cursor.fetchall(), cursor.rowcount

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=self._timeout, isolation_level=None, check_same_thread=False, cached_statements=16
        )
        try:
            with suppress(sqlite3.OperationalError):  # locked: another process is about to do the same
                connection.execute("PRAGMA journal_mode = WAL").fetchall()  # readers do not wait for a writer
            connection.execute("PRAGMA synchronous = OFF").fetchall()  # nobody needs it after a power cut
            connection.execute(_SCHEMA)
        except BaseException:
            connection.close()
            raise
        return connection

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        if getattr(self, "_connection", None) is not None:
            self.close()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._path!r})"


def _shift() -> float:
    """What makes a moment of the monotonic clock one of the wall clock."""
    return time.time() - time.monotonic()


def _circuit(row: tuple[Any, ...]) -> Circuit:
    state, failures, successes, since, turn, probe_at, version = row
    shift = _shift()
    return Circuit(
        state, failures, successes, since - shift, turn, None if probe_at is None else probe_at - shift, version
    )
