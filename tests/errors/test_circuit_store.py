"""Circuits in memory."""

from __future__ import annotations

import threading

import pytest

from hyperhttp.errors.circuit import CLOSED, HALF_OPEN, NEW, OPEN, Circuit
from hyperhttp.errors.circuit_store import MemoryCircuitStore

HOST = ("a.example", 443)


def test_a_host_that_nothing_happened_to_is_not_kept() -> None:
    store = MemoryCircuitStore()
    assert store.load(HOST) is None
    assert store.items() == []


def test_what_was_read_is_replaced_and_nothing_else() -> None:
    store = MemoryCircuitStore()
    first, second = Circuit(failures=1), Circuit(failures=2)
    assert store.replace(HOST, None, first)
    assert not store.replace(HOST, None, second), "somebody else was first"
    assert not store.replace(HOST, second, first)
    assert store.load(HOST) is first
    assert store.replace(HOST, first, second)
    assert store.items() == [(HOST, second)]


def test_equal_is_not_the_same() -> None:
    store = MemoryCircuitStore()
    store.replace(HOST, None, Circuit(failures=1))
    assert not store.replace(HOST, Circuit(failures=1), NEW), "it may have changed and come back in between"


def test_of_many_threads_that_replace_the_same_circuit_one_wins() -> None:
    store = MemoryCircuitStore()
    barrier = threading.Barrier(8)
    wins: list[bool] = []

    def count() -> None:
        barrier.wait()
        for _ in range(200):
            while True:
                old = store.load(HOST)
                if store.replace(HOST, old, Circuit(failures=1 if old is None else old.failures + 1)):
                    break
            wins.append(True)

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    circuit = store.load(HOST)
    assert circuit is not None
    assert circuit.failures == len(wins) == 1600


def test_hosts_that_were_well_for_the_longest_time_are_forgotten_first() -> None:
    store = MemoryCircuitStore(max_hosts=3)
    for host, circuit in (
        ("open", Circuit(OPEN, since=1.0)),
        ("new", Circuit(CLOSED, since=9.0)),
        ("old", Circuit(CLOSED, since=2.0)),
        ("next", Circuit(HALF_OPEN, since=3.0)),
    ):
        store.replace((host, 80), None, circuit)
    assert {key[0] for key, _ in store.items()} == {"open", "new", "next"}


def test_there_is_never_room_for_more_hosts_than_allowed() -> None:
    store = MemoryCircuitStore(max_hosts=16)
    for number in range(100):
        assert store.replace((f"h{number}", 80), None, Circuit(OPEN, since=float(number)))
        assert len(store.items()) <= 16
    assert ("h99", 80) in dict(store.items())


def test_a_store_without_room_is_refused() -> None:
    with pytest.raises(ValueError, match="max_hosts"):
        MemoryCircuitStore(0)
