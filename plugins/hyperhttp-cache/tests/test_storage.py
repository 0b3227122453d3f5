import threading
from dataclasses import replace

import pytest

from hyperhttp_cache import Entry, MemoryStorage, SQLiteStorage

KEY = "http://example.com/"


def entry(number, content=b"abc"):
    return Entry(f"{number:032x}", "GET", {}, 200, "OK", "HTTP/1.1", ((b"X", b"1"),), content, 1.0, 2.0)


def ids(storage, key=KEY):
    return sorted(int(each.id, 16) for each in storage.get(key))


def test_entries_are_found_by_their_key(storage):
    storage.put(KEY, entry(1))
    storage.put(KEY, entry(2))
    storage.put("other", entry(3))

    assert ids(storage) == [1, 2]
    assert storage.get("other") == [entry(3)]
    assert storage.get("third") == []
    assert len(storage) == 3


def test_an_entry_is_renewed_by_its_id(storage):
    storage.put(KEY, entry(1))
    storage.put(KEY, replace(entry(1), content=b"new"))

    assert [each.content for each in storage.get(KEY)] == [b"new"]
    assert len(storage) == 1


def test_what_is_replaced_goes_in_the_same_step(storage):
    storage.put(KEY, entry(1))
    storage.put(KEY, entry(2))
    storage.put(KEY, entry(3), [entry(1).id, entry(9).id])

    assert ids(storage) == [2, 3]


def test_some_or_all_of_a_key_are_removed(storage):
    for number in (1, 2, 3):
        storage.put(KEY, entry(number))
    storage.put("other", entry(4))
    storage.remove(KEY, [entry(1).id, entry(4).id])
    assert ids(storage) == [2, 3]
    storage.remove(KEY)
    storage.remove("third")
    assert ids(storage) == []
    assert ids(storage, "other") == [4]
    storage.clear()
    assert len(storage) == 0


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_the_least_recently_used_go_first(kind, tmp_path, clock):
    room = entry(1, bytes(1000)).size * 3
    storage = MemoryStorage(room) if kind == "memory" else SQLiteStorage(tmp_path / "cache.db", room)
    for number in (1, 2, 3):
        storage.put(str(number), entry(number, bytes(1000)))
        clock.move(100)
    assert storage.get("1")
    storage.put("4", entry(4, bytes(1000)))

    assert [number for number in (1, 2, 3, 4) if storage.get(str(number))] == [1, 3, 4]
    storage.put("5", entry(5, bytes(room)))
    assert storage.get("5") == []
    storage.close()


def test_threads_use_one_storage(storage):
    failures = []

    def work(number):
        try:
            for turn in range(20):
                storage.put(str(turn), entry(number * 100 + turn))
                assert storage.get(str(turn))
                storage.remove(str(turn), [entry(number * 100 + turn).id])
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert len(storage) == 0
