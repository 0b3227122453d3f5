"""A budget lets so much through and no more, also where threads share it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from hyperhttp.errors.budget import RetryBudget


def take_all(budget: RetryBudget, now: float) -> int:
    """How many retries are allowed at one moment."""
    taken = 0
    while budget.withdraw(now):
        taken += 1
    return taken


def test_it_begins_full_and_ends_empty() -> None:
    budget = RetryBudget(ratio=0, per_second=0, capacity=3)
    assert budget.left == 3
    assert take_all(budget, 0.0) == 3
    assert take_all(budget, 1e9) == 0


def test_calls_earn_their_ratio() -> None:
    budget = RetryBudget(ratio=0.2, per_second=0, capacity=100)
    take_all(budget, 0.0)
    for _ in range(99):
        budget.deposit()
    assert take_all(budget, 0.0) == 19
    budget.deposit()
    budget.deposit()
    assert take_all(budget, 0.0) == 1


def test_a_ratio_above_one_earns_several() -> None:
    budget = RetryBudget(ratio=2.5, per_second=0, capacity=100)
    take_all(budget, 0.0)
    budget.deposit()
    budget.deposit()
    assert take_all(budget, 0.0) == 5


def test_what_is_beyond_the_capacity_is_lost() -> None:
    budget = RetryBudget(ratio=1, per_second=0, capacity=2)
    for _ in range(10):
        budget.deposit()
    assert take_all(budget, 0.0) == 2


def test_time_earns_a_little() -> None:
    budget = RetryBudget(ratio=0, per_second=10, capacity=100)
    assert take_all(budget, 0.0) == 100
    assert take_all(budget, 0.05) == 0
    assert take_all(budget, 0.125) == 1
    assert take_all(budget, 0.625) == 5
    assert take_all(budget, 0.5) == 0  # a clock that goes back earns nothing
    assert take_all(budget, 0.625) == 0


def test_time_nobody_used_is_not_saved_up() -> None:
    budget = RetryBudget(ratio=0, per_second=10, capacity=100)
    take_all(budget, 0.0)
    assert take_all(budget, 1000.0) == 10


def test_less_than_one_a_second_comes_as_well() -> None:
    budget = RetryBudget(ratio=0, per_second=0.1, capacity=1)
    take_all(budget, 0.0)
    assert take_all(budget, 9.0) == 0
    assert take_all(budget, 10.5) == 1
    assert take_all(budget, 11.0) == 0


def test_no_capacity_means_no_retries() -> None:
    budget = RetryBudget(capacity=0)
    budget.deposit()
    assert not budget.withdraw(0.0)
    assert not budget.withdraw(100.0)


def test_threads_share_it_without_getting_more() -> None:
    budget = RetryBudget(ratio=0.5, per_second=0, capacity=100)
    taken: list[int] = []
    start = threading.Barrier(8)

    def work() -> None:
        start.wait()
        mine = 0
        for _ in range(1000):
            budget.deposit()
            mine += budget.withdraw(0.0)
        taken.append(mine)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(taken) + budget.left <= 100 + 4000
    assert sum(taken) >= 4000


@pytest.mark.parametrize("name", ["ratio", "per_second", "capacity"])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), True, "many"])
def test_what_is_no_amount_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        RetryBudget(**{name: value})


def test_it_shows_what_is_left() -> None:
    assert repr(RetryBudget(capacity=7)) == "RetryBudget(ratio=0.2, per_second=10, capacity=7, left=7)"
