"""Where circuits are kept: the protocol of a store, and the one that keeps them in memory.

A store compares and swaps: a decision is made on the circuit that was read, and counts only if that is still the one that is
kept; otherwise it is made again. So a store of several processes needs no lock that outlives one statement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol, TypeAlias

from hyperhttp._pickling import refuse_copies
from hyperhttp.errors.circuit import CLOSED
from hyperhttp.utils.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hyperhttp.errors.circuit import Circuit

__all__ = ["MAX_HOSTS", "CircuitStore", "Key", "MemoryCircuitStore"]

#: Hosts whose circuits are kept where nothing else is said.
MAX_HOSTS: Final = 1024

Key: TypeAlias = tuple[str, int]
"""Host and port."""


class CircuitStore(Protocol):
    """Keeps circuits. Its methods are called by many threads, on event loops too, and must not wait for long.

    What one of them raises is logged, and the request it was asked for goes its way: a store that fails stops nobody.
    Moments in circuits are seconds of this process's monotonic clock; a store that outlives the process translates them.
    """

    def load(self, key: Key) -> Circuit | None:
        """The circuit of a host and port, or None where nothing is known. Asked before each request."""
        ...

    def replace(self, key: Key, old: Circuit | None, new: Circuit) -> bool:
        """Put `new` in the place of `old`, which `load` gave; False, and nothing done, where it is not there any more."""
        ...

    def items(self) -> Iterable[tuple[Key, Circuit]]:
        """All that is kept."""
        ...


class MemoryCircuitStore:
    """Circuits of one process. Reading takes no lock; a host that never failed is not even in it.

    Args:
        max_hosts: hosts kept at most. Beyond that, those that were well for the longest time are forgotten first.

    Raises:
        ValueError: `max_hosts` is less than one.
    """

    __getstate__ = refuse_copies

    def __init__(self, max_hosts: int = MAX_HOSTS) -> None:
        if max_hosts < 1:
            msg = f"max_hosts= takes a number of hosts, at least one, not {max_hosts!r}"
            raise ValueError(msg)
        self._max_hosts = max_hosts
        self._circuits: dict[Key, Circuit] = {}
        self._lock = new_lock()

    def load(self, key: Key) -> Circuit | None:
        """The circuit of a host and port."""
        return self._circuits.get(key)

    def replace(self, key: Key, old: Circuit | None, new: Circuit) -> bool:
        """Put `new` in the place of `old`."""
        with self._lock:
            circuits = self._circuits
            if circuits.get(key) is not old:
                return False
            if old is None and len(circuits) >= self._max_hosts:
                self._forget()
            circuits[key] = new
            return True

    def items(self) -> list[tuple[Key, Circuit]]:
        """All that is kept."""
        with self._lock:
            return list(self._circuits.items())

    def _forget(self) -> None:
        """Make room for an eighth, so that sorting is rare. An open circuit is forgotten last."""
        circuits = self._circuits
        by_age = sorted(circuits, key=lambda key: (circuits[key].state != CLOSED, circuits[key].since))
        for key in by_age[: max(1, self._max_hosts // 8)]:
            del circuits[key]
