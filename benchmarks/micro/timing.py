"""How a piece of code is timed: many calls per sample, several samples, the least and the median of them."""

from __future__ import annotations

import gc
from dataclasses import dataclass
from statistics import median
from time import perf_counter_ns
from timeit import Timer
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Case:
    """One piece of code: what it does (`group`), whose code it is (`name`), and how to get it ready."""

    group: str
    name: str
    #: Imports what is needed and returns a callable without arguments.
    prepare: Callable[[], Callable[[], Any]]
    #: Things done by one call, where one call is too short to be timed.
    operations: int = 1


CASES: list[Case] = []


def case(group: str, name: str, operations: int = 1) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
    """Registers a function that prepares a case."""

    def register(prepare: Callable[[], Any]) -> Callable[[], Any]:
        CASES.append(Case(group, name, prepare, operations))
        return prepare

    return register


def time(each: Case, samples: int, sample_ns: int) -> dict[str, float]:
    """Nanoseconds for one operation: the least, which moves little from run to run, and the median.

    Args:
        samples: how many samples are taken.
        sample_ns: how long one sample should take.
    """
    call = each.prepare()
    timer = Timer(call, timer=perf_counter_ns)
    number = 1
    while (taken := timer.timeit(number)) < sample_ns // 4:
        number *= 2
    number = max(1, int(number * sample_ns / taken))
    gc.collect()
    values = sorted(timer.timeit(number) / number / each.operations for _ in range(samples))
    return {"ns_min": values[0], "ns_median": median(values), "samples": samples, "calls": number}
