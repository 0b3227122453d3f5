"""Where entries are kept: the interface of a storage, and one in memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection

    from hyperhttp_cache.entry import Entry

__all__ = ["MemoryStorage", "Storage"]


class Storage(Protocol):
    """Keeps entries by key. Threads may call it at the same time.

    Attributes:
        blocks: its methods wait for a disk or the like, so that they must not run on an event loop.
    """

    blocks: bool

    def get(self, key: str) -> list[Entry]:
        """The entries of a key, in any order."""
        ...

    def put(self, key: str, entry: Entry, replaced: Collection[str] = ()) -> None:
        """Add an entry, or renew the one of the same id; those in `replaced` go in the same step."""
        ...

    def remove(self, key: str, ids: Collection[str] | None = None) -> None:
        """Remove some entries of a key, or all of them."""
        ...

    def clear(self) -> None:
        """Remove everything."""
        ...

    def close(self) -> None:
        """Free what the storage holds."""
        ...


class MemoryStorage:
    """Entries in memory, the least recently used of which go first. Clients and threads may share one.

    Args:
        max_bytes: what all entries may take, about.
    """

    blocks = False

    def __init__(self, max_bytes: int = 64 * 1024 * 1024) -> None:
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._entries: OrderedDict[str, dict[str, Entry]] = OrderedDict()
        self._size = 0

    def __len__(self) -> int:
        return sum(map(len, self._entries.values()))

    def get(self, key: str) -> list[Entry]:
        """The entries of a key."""
        with self._lock:
            found = self._entries.get(key)
            if found is None:
                return []
            self._entries.move_to_end(key)
            return list(found.values())

    def put(self, key: str, entry: Entry, replaced: Collection[str] = ()) -> None:
        """Add or renew an entry; one that is too large for the whole storage is not kept."""
        with self._lock:
            self._drop(key, {*replaced, entry.id})
            if entry.size > self._max_bytes:
                return
            self._entries.setdefault(key, {})[entry.id] = entry
            self._entries.move_to_end(key)
            self._size += entry.size
            while self._size > self._max_bytes:
                oldest = next(iter(self._entries))
                self._drop(oldest, [next(iter(self._entries[oldest]))])

    def remove(self, key: str, ids: Collection[str] | None = None) -> None:
        """Remove some entries of a key, or all of them."""
        with self._lock:
            self._drop(key, tuple(self._entries.get(key, ())) if ids is None else ids)

    def clear(self) -> None:
        """Remove everything."""
        with self._lock:
            self._entries.clear()
            self._size = 0

    def close(self) -> None:
        """Nothing: memory is freed with the storage."""

    def _drop(self, key: str, ids: Collection[str]) -> None:
        found = self._entries.get(key)
        if found is None:
            return
        for name in ids:
            entry = found.pop(name, None)
            self._size -= entry.size if entry is not None else 0
        if not found:
            del self._entries[key]
