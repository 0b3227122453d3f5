import os
import pickle
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

import hyperhttp
from hyperhttp_cache import Entry, ForeignDatabaseError, SQLiteStorage

ENTRY = Entry("0" * 32, "GET", {"accept": "d"}, 200, "OK", "HTTP/2", ((b"X", b"\xe9"),), b"abc", 1.0, 2.0)


def test_entries_are_there_at_the_next_start(tmp_path):
    with SQLiteStorage(tmp_path / "cache.db") as storage:
        storage.put("key", ENTRY)
    with SQLiteStorage(tmp_path / "cache.db") as storage:
        assert storage.get("key") == [ENTRY]


def test_nothing_is_opened_before_it_is_needed(tmp_path):
    storage = SQLiteStorage(tmp_path / "cache.db")
    storage.close()

    assert not (tmp_path / "cache.db").exists()


def test_a_closed_storage_opens_again(tmp_path):
    storage = SQLiteStorage(tmp_path / "cache.db")
    storage.put("key", ENTRY)
    storage.close()
    storage.close()

    assert storage.get("key") == [ENTRY]
    storage.close()


def test_two_storages_share_a_file(tmp_path):
    with SQLiteStorage(tmp_path / "cache.db") as one, SQLiteStorage(tmp_path / "cache.db") as two:
        one.put("key", ENTRY)
        assert two.get("key") == [ENTRY]
        two.clear()
        assert one.get("key") == []


def made(path, *statements):
    """A database of somebody's own, and its bytes."""
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()
    return path.read_bytes()


def test_a_cache_of_another_layout_is_begun_anew(tmp_path):
    with SQLiteStorage(tmp_path / "cache.db") as storage:
        storage.put("key", ENTRY)
    made(
        tmp_path / "cache.db",
        "DROP TABLE entries",
        "CREATE TABLE entries (old)",
        "CREATE TABLE mine (kept)",
        "PRAGMA user_version = 999",
    )

    with SQLiteStorage(tmp_path / "cache.db") as storage:
        assert storage.get("key") == []
        storage.put("key", ENTRY)
        assert len(storage) == 1
    made(tmp_path / "cache.db", "INSERT INTO mine VALUES (1)")


@pytest.mark.parametrize(
    "statements",
    [
        ["CREATE TABLE entries (mine)", "INSERT INTO entries VALUES (1)"],
        ["CREATE TABLE entries (mine)", "PRAGMA user_version = 999"],
        ["CREATE TABLE other (mine)"],
        ["CREATE TABLE other (mine)", "PRAGMA user_version = 1"],
        ["PRAGMA user_version = 7"],
        ["PRAGMA application_id = 7"],
        ["CREATE TABLE entries (mine)", "PRAGMA application_id = 7", "PRAGMA user_version = 1"],
    ],
)
def test_a_database_of_something_else_is_refused_and_left_as_it_is(tmp_path, statements):
    before = made(tmp_path / "mine.db", *statements)
    storage = SQLiteStorage(tmp_path / "mine.db")

    for attempt in (lambda: storage.get("key"), lambda: storage.put("key", ENTRY), storage.clear, lambda: len(storage)):
        with pytest.raises(ForeignDatabaseError, match=r"mine\.db is a database of something else") as caught:
            attempt()
    storage.close()

    assert isinstance(caught.value, hyperhttp.HyperHTTPError)
    assert pickle.loads(pickle.dumps(caught.value)).kind == "foreign_database"
    assert (tmp_path / "mine.db").read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["mine.db"]


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "cache.db").write_bytes(b"no database at all" * 100)
    storage = SQLiteStorage(tmp_path / "cache.db")

    with pytest.raises(ForeignDatabaseError, match="no database"):
        storage.get("key")
    storage.close()
    assert (tmp_path / "cache.db").read_bytes() == b"no database at all" * 100


def test_an_empty_file_becomes_a_cache(tmp_path):
    (tmp_path / "cache.db").touch()
    with SQLiteStorage(tmp_path / "cache.db") as storage:
        storage.put("key", ENTRY)
        assert storage.get("key") == [ENTRY]


def test_storages_that_make_the_same_file_at_once_get_along(tmp_path):
    storages = [SQLiteStorage(tmp_path / "cache.db") for _ in range(8)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda storage: storage.put("key", ENTRY), storages))
    assert [storage.get("key") for storage in storages] == [[ENTRY]] * 8
    for storage in storages:
        storage.close()


@pytest.mark.skipif(not hasattr(os, "fork") or sys.platform == "darwin", reason="needs fork")
def test_a_child_process_opens_the_file_for_itself(tmp_path):
    with SQLiteStorage(tmp_path / "cache.db") as storage:
        storage.put("key", ENTRY)
        before = storage._connection
        storage._process = -1  # as it looks in a child
        assert storage.get("key") == [ENTRY]
        assert storage._connection is not before
        before.close()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_a_new_file_is_its_owners(tmp_path):
    with SQLiteStorage(tmp_path / "cache.db") as storage:
        storage.put("key", ENTRY)
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert set(modes.values()) == {0o600}
    (tmp_path / "shared.db").touch(0o644)
    (tmp_path / "shared.db").chmod(0o644)
    with SQLiteStorage(tmp_path / "shared.db") as storage:
        storage.put("key", ENTRY)
    assert (tmp_path / "shared.db").stat().st_mode & 0o777 == 0o644
