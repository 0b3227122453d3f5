"""One timer for everybody: it stands at the soonest moment, and looks at all who are busy."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from hyperhttp.network import aio_watch
from hyperhttp.network.aio_watch import AioWatch, Guard
from hyperhttp.network.base import NEVER


class Clock:
    """Stands for the module `time`."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Handle:
    def __init__(self, at: float, callback: Any) -> None:
        self.at = at
        self.callback = callback
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class HandLoop:
    """The part of a loop that a watch uses; time passes when the test says so."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.handles: list[Handle] = []

    def call_later(self, delay: float, callback: Any) -> Handle:
        self.handles.append(Handle(self.clock.now + delay, callback))
        return self.handles[-1]

    def waiting(self) -> list[float]:
        """Seconds from now until each timer that is still set."""
        return [round(handle.at - self.clock.now, 6) for handle in self.handles if not handle.is_cancelled]

    def run(self, until: float) -> None:
        """Let time pass, and timers with it."""
        while due := [handle for handle in self.handles if not handle.is_cancelled and handle.at <= until]:
            first = min(due, key=lambda handle: handle.at)
            self.handles.remove(first)
            self.clock.now = max(first.at, self.clock.now)
            first.callback()
        self.clock.now = until


class Watched:
    """Somebody with a deadline."""

    def __init__(self, at: float) -> None:
        self.at = at
        self.looks: list[float] = []

    def check(self, now: float) -> float:
        self.looks.append(now)
        return self.at if now < self.at else NEVER

    def abort(self, error: Exception | None = None) -> None:
        raise NotImplementedError


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(aio_watch, "time", clock)
    return clock


@pytest.fixture
def loop(clock: Clock) -> HandLoop:
    return HandLoop(clock)


@pytest.fixture
def watch(loop: HandLoop) -> AioWatch:
    return AioWatch(loop)  # type: ignore[arg-type]


def test_a_new_watch_owns_no_timer(watch: AioWatch, loop: HandLoop) -> None:
    assert (watch.when, watch.busy, loop.handles) == (NEVER, set(), [])


def test_it_looks_at_the_moment_it_was_armed_for(watch: AioWatch, loop: HandLoop) -> None:
    somebody = Watched(1002.0)
    watch.busy.add(somebody)
    watch.arm(1002.0)
    assert (watch.when, loop.waiting()) == (1002.0, [2.0])
    loop.run(1001.9)
    assert somebody.looks == []
    loop.run(1002.0)
    assert somebody.looks == [1002.0]
    assert (watch.when, loop.waiting()) == (NEVER, [])


def test_armed_for_a_sooner_moment_it_has_still_one_timer(watch: AioWatch, loop: HandLoop) -> None:
    late, soon = Watched(1005.0), Watched(1001.0)
    watch.busy.update((late, soon))
    watch.arm(1005.0)
    watch.arm(1001.0)
    assert (watch.when, loop.waiting()) == (1001.0, [1.0])
    loop.run(1001.0)
    assert (soon.looks, late.looks) == ([1001.0], [1001.0])
    assert (watch.when, loop.waiting()) == (1005.0, [4.0]), "and now it waits for the later one"
    loop.run(1005.0)
    assert late.looks == [1001.0, 1005.0]
    assert loop.waiting() == []


def test_deadlines_close_together_share_one_look(watch: AioWatch, loop: HandLoop) -> None:
    watch.arm(1000.001)
    assert loop.waiting() == [0.005]
    somebody = [Watched(1000.0 + number / 1000) for number in range(1, 6)]
    watch.busy.update(somebody)
    loop.run(1000.01)
    assert [each.looks for each in somebody] == [[1000.005]] * 5


@pytest.mark.parametrize("moment", [1000.0, 999.0, 0.0])
def test_a_moment_that_has_passed_is_looked_at_in_a_moment(watch: AioWatch, loop: HandLoop, moment: float) -> None:
    somebody = Watched(moment)
    watch.busy.add(somebody)
    watch.arm(moment)
    assert loop.waiting() == [0.005]
    loop.run(1000.005)
    assert somebody.looks == [1000.005]
    assert loop.waiting() == []


def test_disarmed_it_owns_no_timer_and_can_be_armed_again(watch: AioWatch, loop: HandLoop) -> None:
    watch.arm(1002.0)
    watch.disarm()
    watch.disarm()
    assert (watch.when, loop.waiting()) == (NEVER, [])
    loop.run(1003.0)
    watch.arm(1004.0)
    assert (watch.when, loop.waiting()) == (1004.0, [1.0])


def test_who_is_not_busy_any_more_is_not_looked_at(watch: AioWatch, loop: HandLoop) -> None:
    somebody = Watched(1001.0)
    watch.busy.add(somebody)
    watch.arm(1001.0)
    watch.busy.discard(somebody)
    loop.run(1002.0)
    assert (somebody.looks, watch.when, loop.waiting()) == ([], NEVER, [])


def test_nobody_with_a_deadline_means_no_timer(watch: AioWatch, loop: HandLoop) -> None:
    watch.busy.add(Watched(NEVER))
    watch.arm(1001.0)
    loop.run(1001.0)
    assert (watch.when, loop.waiting()) == (NEVER, [])


def test_the_soonest_of_all_is_waited_for_next(watch: AioWatch, loop: HandLoop) -> None:
    watch.busy.update(Watched(1001.0 + number) for number in (7, 3, 5))
    watch.arm(1001.0)
    loop.run(1001.0)
    assert (watch.when, loop.waiting()) == (1004.0, [3.0])


def test_somebody_may_come_or_go_during_the_look(watch: AioWatch, loop: HandLoop) -> None:
    newcomer = Watched(1003.0)

    class Changing(Watched):
        def check(self, now: float) -> float:
            watch.busy.discard(self)
            watch.busy.add(newcomer)
            if newcomer.at < watch.when:
                watch.arm(newcomer.at)
            return super().check(now)

    watch.busy.add(Changing(1001.0))
    watch.arm(1001.0)
    loop.run(1001.0)
    assert (watch.when, loop.waiting()) == (1003.0, [2.0]), "one timer, and for the newcomer"
    loop.run(1003.0)
    assert newcomer.looks == [1003.0]


def test_a_thousand_who_are_busy_have_one_timer(watch: AioWatch, loop: HandLoop) -> None:
    for number in range(1000):
        somebody = Watched(1030.0 + number)
        watch.busy.add(somebody)
        if somebody.at < watch.when:
            watch.arm(somebody.at)
    assert len(loop.handles) == 1


# -- guards ------------------------------------------------------------------------------------------------------


async def guarded(watch: AioWatch, deadline: float) -> tuple[Guard, asyncio.Future[Any]]:
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    guard = Guard(watch, future, deadline, lambda: TimeoutError("too long"))
    watch.busy.add(guard)
    future.add_done_callback(guard.done)
    return guard, future


async def test_a_guard_says_when_to_look_again(watch: AioWatch) -> None:
    guard, future = await guarded(watch, 1002.0)
    assert guard.check(1001.0) == 1002.0
    assert not future.done()


async def test_a_guard_fails_its_wait_when_the_deadline_has_passed(watch: AioWatch) -> None:
    guard, future = await guarded(watch, 1002.0)
    assert guard.check(1002.0) == NEVER
    with pytest.raises(TimeoutError, match="too long"):
        await future
    await asyncio.sleep(0)
    assert watch.busy == set()


@pytest.mark.parametrize("way", ["set_result", "cancel"])
async def test_a_guard_leaves_a_wait_that_is_over_alone(watch: AioWatch, way: str) -> None:
    guard, future = await guarded(watch, 1002.0)
    future.set_result("given") if way == "set_result" else future.cancel()
    assert guard.check(1005.0) == NEVER
    guard.abort(ValueError("closing"))
    assert future.cancelled() or future.result() == "given"
    await asyncio.sleep(0)
    assert watch.busy == set(), "nothing to guard any more"


@pytest.mark.parametrize(("error", "kind"), [(ValueError("closing"), ValueError), (None, TimeoutError)])
async def test_a_guard_that_is_aborted_fails_its_wait(
    watch: AioWatch, error: Exception | None, kind: type[Exception]
) -> None:
    guard, future = await guarded(watch, NEVER)
    guard.abort(error)
    with pytest.raises(kind):
        await future


# -- a real loop -------------------------------------------------------------------------------------------------


async def test_on_a_real_loop_deadlines_pass_in_order_and_nothing_is_left() -> None:
    watch = AioWatch(asyncio.get_running_loop())
    started = time.monotonic()
    waits = []
    for seconds in (0.06, 0.02, 0.04):
        _, future = await guarded(watch, started + seconds)
        waits.append(future)
        if started + seconds < watch.when:
            watch.arm(started + seconds)
    passed: list[int] = []
    for number, future in enumerate(waits):
        future.add_done_callback(lambda _, number=number: passed.append(number))
    results = await asyncio.gather(*waits, return_exceptions=True)
    assert [type(result) for result in results] == [TimeoutError] * 3
    assert passed == [1, 2, 0]
    assert 0.055 < time.monotonic() - started < 1
    assert (watch.when, watch.busy) == (NEVER, set())
