"""Entries in a file, by SQLite of the standard library: shared by processes, and there again at the next start."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hyperhttp import HyperHTTPError
from hyperhttp_cache.entry import Entry

if TYPE_CHECKING:
    from collections.abc import Collection
    from types import TracebackType
    from typing import Self

__all__ = ["ForeignDatabaseError", "SQLiteStorage"]

#: What says that a file is a cache of this package ("HHca"): nothing in any other file is ever changed.
_APPLICATION: Final = 0x48486361
#: The layout of the tables; caches with another one are begun anew.
_LAYOUT: Final = 1

_TABLES: Final = (
    """CREATE TABLE IF NOT EXISTS entries (
        id TEXT PRIMARY KEY, key TEXT NOT NULL, size INTEGER NOT NULL, used_at REAL NOT NULL,
        facts TEXT NOT NULL, content BLOB NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS entries_by_key ON entries (key)",
    "CREATE INDEX IF NOT EXISTS entries_by_use ON entries (used_at)",
)

#: Seconds another process may hold the file.
_PATIENCE: Final = 10.0
#: Seconds after which it is noted again that an entry was used: reading should rarely write.
_GRANULE: Final = 60.0


class ForeignDatabaseError(HyperHTTPError):
    """The file given to `SQLiteStorage` is no cache, but something else; nothing in it was changed."""

    kind = "foreign_database"
    summary = "the file is a database of something else"


class SQLiteStorage:
    """Entries in a file, the least recently used of which go first. Clients, threads and processes may share one.

    The file is opened when it is first needed; one that is made then may be read by its owner alone. It holds what servers
    sent; of requests it holds URLs, and digests. A database of something else is refused with `ForeignDatabaseError`,
    which also the request raises for which it was opened.

    Args:
        path: the file; its folder must exist.
        max_bytes: what all entries may take, about.
    """

    blocks = True

    def __init__(self, path: str | os.PathLike[str], max_bytes: int = 1024 * 1024 * 1024) -> None:
        self._path = Path(path)
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._process = 0

    def __len__(self) -> int:
        with self._lock:
            count: int = self._open().execute("SELECT count(*) FROM entries").fetchone()[0]
            return count

    def get(self, key: str) -> list[Entry]:
        """The entries of a key."""
        with self._lock, self._open() as connection:
            rows = connection.execute(
                "SELECT id, facts, content, used_at FROM entries WHERE key = ?", (key,)
            ).fetchall()
            now = time.time()
            if any(now - used_at > _GRANULE for *_, used_at in rows):
                connection.execute("UPDATE entries SET used_at = ? WHERE key = ?", (now, key))
        return [Entry.from_facts(name, json.loads(facts), content) for name, facts, content, _ in rows]

    def put(self, key: str, entry: Entry, replaced: Collection[str] = ()) -> None:
        """Add or renew an entry; one that is too large for the whole storage is not kept."""
        facts = json.dumps(entry.facts())
        with self._lock, self._open() as connection:
            _delete(connection, key, replaced)
            connection.execute(
                "INSERT OR REPLACE INTO entries VALUES (?, ?, ?, ?, ?, ?)",
                (entry.id, key, entry.size, time.time(), facts, entry.content),
            )
            self._shrink(connection)

    def remove(self, key: str, ids: Collection[str] | None = None) -> None:
        """Remove some entries of a key, or all of them."""
        with self._lock, self._open() as connection:
            if ids is None:
                connection.execute("DELETE FROM entries WHERE key = ?", (key,))
            else:
                _delete(connection, key, ids)

    def clear(self) -> None:
        """Remove everything."""
        with self._lock, self._open() as connection:
            connection.execute("DELETE FROM entries")

    def close(self) -> None:
        """Close the file; it is opened again if it is needed again."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None and self._process == os.getpid():
                connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> sqlite3.Connection:
        """The connection of this process: SQLite's must not cross a fork."""
        if self._connection is None or self._process != os.getpid():
            self._connection = _connect(self._path)
            self._process = os.getpid()
        return self._connection

    def _shrink(self, connection: sqlite3.Connection) -> None:
        (size,) = connection.execute("SELECT coalesce(sum(size), 0) FROM entries").fetchone()
        if size <= self._max_bytes:
            return
        gone = []
        for name, part in connection.execute("SELECT id, size FROM entries ORDER BY used_at"):
            gone.append((name,))
            size -= part
            if size <= self._max_bytes:
                break
        connection.executemany("DELETE FROM entries WHERE id = ?", gone)


def _connect(path: Path) -> sqlite3.Connection:
    with suppress(FileExistsError):  # what servers have sent is for its owner, and SQLite's own files are like this one
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    connection = sqlite3.connect(path, timeout=_PATIENCE, check_same_thread=False, isolation_level=None)
    try:
        connection.execute("BEGIN")  # all that is looked at belongs together
        _check(connection, path)  # before anything is changed
        connection.rollback()
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            _check(connection, path)  # nor has anybody else taken the file meanwhile
            _lay_out(connection)
        connection.isolation_level = "DEFERRED"  # from now on each change is a transaction
    except BaseException:
        connection.close()
        raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that is neither a cache nor empty.

    Raises:
        ForeignDatabaseError: it is somebody else's.
    """
    try:
        marks = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")]
        if marks[0] == _APPLICATION:
            return
        if not any(marks) and connection.execute("SELECT 1 FROM sqlite_master").fetchone() is None:
            return
    except sqlite3.DatabaseError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_NOTADB:
            raise
        msg = f"{path} is no database: it was left as it is"
        raise ForeignDatabaseError(msg) from error
    msg = f"{path} is a database of something else, not a cache of hyperhttp-cache: it was left as it is"
    raise ForeignDatabaseError(msg)


def _lay_out(connection: sqlite3.Connection) -> None:
    """Make the tables of a new cache, or of one with another layout."""
    (layout,) = connection.execute("PRAGMA user_version").fetchone()
    if layout != _LAYOUT:
        connection.execute("DROP TABLE IF EXISTS entries")
    for statement in _TABLES:
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {_APPLICATION}")
    connection.execute(f"PRAGMA user_version = {_LAYOUT}")


def _delete(connection: sqlite3.Connection, key: str, ids: Collection[str]) -> None:
    connection.executemany("DELETE FROM entries WHERE key = ? AND id = ?", [(key, name) for name in ids])
