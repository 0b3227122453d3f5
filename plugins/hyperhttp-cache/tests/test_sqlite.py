import os
import sqlite3
import sys

import pytest

from hyperhttp_cache import Entry, SQLiteStorage

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


def test_a_file_of_another_layout_is_begun_anew(tmp_path):
    connection = sqlite3.connect(tmp_path / "cache.db")
    connection.execute("CREATE TABLE entries (old)")
    connection.execute("PRAGMA user_version = 999")
    connection.commit()
    connection.close()

    with SQLiteStorage(tmp_path / "cache.db") as storage:
        storage.put("key", ENTRY)
        assert len(storage) == 1


def test_a_file_that_is_no_database_is_an_error_and_leaves_nothing_open(tmp_path):
    (tmp_path / "cache.db").write_bytes(b"no database at all" * 100)
    storage = SQLiteStorage(tmp_path / "cache.db")

    with pytest.raises(sqlite3.DatabaseError):
        storage.get("key")
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
