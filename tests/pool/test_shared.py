"""The pool that threads share: the same books, and nothing lost between threads."""

from __future__ import annotations

import contextlib
import random
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.client.drive import drive
from hyperhttp.config import Limits
from hyperhttp.connection.base import GONE, IDLE, IN_USE
from hyperhttp.connection.route import Route
from hyperhttp.exceptions import ClientClosed, ConnectError, HyperHTTPError, PoolTimeout
from hyperhttp.network.base import NEVER
from hyperhttp.network.blocking import BlockingNetwork
from hyperhttp.network.failures import AddressFailures
from hyperhttp.pool.shared import SharedPool
from tests.memory import StubConnection

if TYPE_CHECKING:
    from collections.abc import Iterator

TLS: Any = object()
A = Route("http", "a.example", 80)
B = Route("http", "b.example", 80)
C = Route("https", "c.example", 443, tls=TLS, http2=True)


class Dialer:
    """Opens connections in the calling thread, after a moment, or fails."""

    def __init__(self, *, delay: float = 0.0, multiplexed: bool = False, failing: float = 0.0) -> None:
        self.failures = AddressFailures()
        self.delay = delay
        self.multiplexed = multiplexed
        self.failing = failing
        self.opened: list[StubConnection] = []
        self.open_now = 0
        self.most = 0
        self.lock = threading.Lock()

    async def dial(self, lane: Any, release: Any, deadline: float, total_at: float) -> StubConnection:
        if self.delay:
            time.sleep(self.delay)
        if random.random() < self.failing:
            raise ConnectError("refused")
        connection = StubConnection(lane, release, multiplexed=self.multiplexed, now=time.monotonic())
        with self.lock:
            self.opened.append(connection)
            alive = sum(each.place != GONE for each in self.opened)
            self.most = max(self.most, alive)
        return connection


def make(dialer: Dialer | None = None, **limits: Any) -> Any:
    return SharedPool(BlockingNetwork(), dialer or Dialer(), Limits(**limits))


def get(pool: Any, route: Route, timeout: float | None = 5.0) -> StubConnection:
    lane = pool.lane(route)
    connection = pool.take(lane, time.monotonic())
    if connection is None:
        connection = drive(pool.acquire(lane, timeout, None, NEVER))
    assert connection.lane.route is route
    taken: StubConnection = connection
    return taken


def run(*works: Any) -> list[BaseException]:
    """Run them in threads of their own; what they raised."""
    errors: list[BaseException] = []

    def guarded(work: Any) -> None:
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=[work], daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert not [thread for thread in threads if thread.is_alive()], "a thread waits for ever"
    return errors


@pytest.fixture(autouse=True)
def eager_threads() -> Iterator[None]:
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def check_books(pool: Any, connections: list[StubConnection]) -> None:
    """Nothing is in use, and the counts say so."""
    alive = [each for each in connections if each.place != GONE]
    assert all(each.place == IDLE for each in alive)
    assert all(each.closings == (each.place == GONE) for each in connections)
    assert all(each.in_use == 0 for each in connections if each.multiplexed and each.place != GONE)
    assert pool._total == len(alive) == sum(len(lane.idle) for lane in pool.lanes.values())
    for lane in pool.lanes.values():
        assert (lane.total, lane.dialing, len(lane.shared)) == (len(lane.idle), 0, 0)
    drive(pool.close())
    assert pool._total == 0


# -- one thread ------------------------------------------------------------------------------------------------------


def test_a_connection_given_back_is_taken_again() -> None:
    pool = make()
    connection = get(pool, A)
    connection.finish()
    assert connection.place == IDLE
    assert get(pool, A) is connection
    assert connection.place == IN_USE


def test_a_dead_idle_connection_is_not_taken() -> None:
    pool = make()
    connection = get(pool, A)
    connection.finish()
    connection.channel.alive = False
    assert get(pool, A) is not connection
    assert (connection.place, connection.closings, pool._total) == (GONE, 1, 1)


def test_room_on_a_shared_connection_is_taken() -> None:
    pool = make(Dialer(multiplexed=True))
    first = get(pool, C)
    assert get(pool, C) is first
    assert (first.in_use, pool.stats()["c.example:443"]) == (2, {"idle": 0, "in_use": 1, "total": 1, "streams": 2})
    first.finish()
    first.finish()
    assert get(pool, C) is first
    assert first.in_use == 1


def test_expired_connections_go_when_the_pool_is_used() -> None:
    pool = make(keepalive_expiry=0.01)
    connection = get(pool, A)
    connection.finish()
    time.sleep(0.02)
    pool._next_sweep = 0.0
    get(pool, B).finish()
    assert connection.place == GONE


def test_a_full_pool_ends_in_a_pool_timeout() -> None:
    pool = make(max_connections=1)
    get(pool, A)
    with pytest.raises(PoolTimeout, match=r"a\.example:80 within"):
        get(pool, A, timeout=0.01)
    with pytest.raises(PoolTimeout):
        get(pool, B, timeout=0.01)
    assert set(pool.lanes) == {A}


# -- many threads ----------------------------------------------------------------------------------------------------


def test_waiting_threads_are_served_in_their_order() -> None:
    pool = make(max_connections=1)
    held = get(pool, A)
    served: list[int] = []

    def ask(number: int) -> None:
        connection = get(pool, A)
        served.append(number)
        connection.finish()

    threads = []
    for number in range(8):
        threads.append(threading.Thread(target=ask, args=[number]))
        threads[-1].start()
        while len(pool.lane(A).waiters) <= number:
            time.sleep(0.001)
    held.finish()
    for thread in threads:
        thread.join(5)
    assert served == list(range(8))


@pytest.mark.parametrize("limits", [{}, {"max_connections": 3}, {"max_connections_per_host": 2}])
def test_threads_lose_nothing_and_mix_nothing_up(limits: dict[str, int]) -> None:
    dialer = Dialer()
    pool = make(dialer, **limits)
    holders: dict[int, int] = {}
    clashes: list[str] = []

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(60):
            connection = get(pool, chance.choice([A, B]))
            me = threading.get_ident()
            if holders.setdefault(id(connection), me) != me:
                clashes.append("two threads have one connection")
            if chance.random() < 0.3:
                time.sleep(0)
            del holders[id(connection)]
            if chance.random() < 0.1:
                connection.retired = True
            connection.read_at = time.monotonic()
            connection.finish()

    assert run(*[lambda seed=seed: work(seed) for seed in range(8)]) == []
    assert clashes == []
    assert dialer.most <= limits.get("max_connections", 1000)
    check_books(pool, dialer.opened)


def test_connections_that_die_while_threads_wait_cost_nobody_his_turn() -> None:
    """A server that closes after each response without saying so: nobody may spin, nobody may starve."""
    dialer = Dialer()
    pool = make(dialer, max_connections=1)
    started = time.process_time()

    def work() -> None:
        for _ in range(10):
            connection = get(pool, A)
            connection.channel.alive = False
            connection.read_at = time.monotonic()
            connection.finish()

    assert run(*[work] * 6) == []
    assert len(dialer.opened) == 60
    assert time.process_time() - started < 3
    pool.sweep()
    assert pool._total <= 1
    assert pool.stats().get("a.example:80", {"total": 0})["total"] == pool._total


def test_failing_dials_and_timeouts_leave_the_books_right() -> None:
    dialer = Dialer(failing=0.4)
    pool = make(dialer, max_connections=2)

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(40):
            try:
                connection = get(pool, chance.choice([A, B]), chance.choice([0.0005, 5.0]))
            except (ConnectError, PoolTimeout):
                continue
            time.sleep(chance.choice([0, 0.0005]))
            connection.read_at = time.monotonic()
            connection.finish()

    assert run(*[lambda seed=seed: work(seed) for seed in range(8)]) == []
    check_books(pool, dialer.opened)


def test_many_threads_share_few_connections() -> None:
    dialer = Dialer(multiplexed=True, delay=0.002)
    pool = make(dialer)

    def work(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(40):
            connection = get(pool, C)
            if chance.random() < 0.05:
                connection.change(retired=True)
            connection.read_at = time.monotonic()
            connection.finish()

    assert run(*[lambda seed=seed: work(seed) for seed in range(8)]) == []
    check_books(pool, dialer.opened)


def test_a_burst_of_threads_to_an_unknown_host_makes_one_handshake() -> None:
    dialer = Dialer(multiplexed=True, delay=0.02)
    pool = make(dialer)
    gate = threading.Barrier(16)
    taken: list[StubConnection] = []

    def work() -> None:
        gate.wait(5)
        taken.append(get(pool, C))

    assert run(*[work] * 16) == []
    assert len(dialer.opened) == 1
    assert taken[0].in_use == 16


def test_closing_wakes_every_thread_that_waits() -> None:
    pool = make(max_connections=1)
    get(pool, A)
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            get(pool, A)
        except HyperHTTPError as error:
            errors.append(error)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    while len(pool.lane(A).waiters) < 4:
        time.sleep(0.001)
    drive(pool.close())
    for thread in threads:
        thread.join(5)
    assert [type(error) for error in errors] == [ClientClosed] * 4


def test_the_lock_is_not_held_while_a_connection_is_opened() -> None:
    gate = threading.Event()

    class Slow(Dialer):
        async def dial(self, lane: Any, release: Any, deadline: float, total_at: float) -> StubConnection:
            if lane.route is A:
                gate.wait(5)
            return await super().dial(lane, release, deadline, total_at)

    pool = make(Slow())
    thread = threading.Thread(target=lambda: get(pool, A).finish())
    thread.start()
    get(pool, B).finish()
    assert pool.stats()["b.example:80"]["idle"] == 1
    gate.set()
    thread.join(5)


def test_a_connection_that_hears_of_settings_while_it_is_looked_at_is_taken_once() -> None:
    """Looking at an idle HTTP/2 connection reads what has come, and settings are told to the pool."""
    pool = make(Dialer(multiplexed=True))
    connection = get(pool, C)
    connection.finish()
    assert connection.place == IDLE
    connection.channel.is_alive = lambda: connection.change(capacity=50) or True
    assert get(pool, C) is connection
    lane = pool.lane(C)
    assert (connection.place, lane.idle, lane.shared) == (IN_USE, [], [connection])
    connection.finish()
    assert (connection.place, lane.shared) == (IDLE, [])


def test_who_came_while_a_full_connection_was_looked_at_opens_another_one() -> None:
    pool = make(Dialer(multiplexed=True))
    connection = get(pool, C)
    connection.finish()
    connection.capacity = 1
    others: list[StubConnection] = []
    waiter = threading.Thread(target=lambda: others.append(get(pool, C)), daemon=True)

    def look() -> bool:
        waiter.start()
        deadline = time.monotonic() + 5
        while not pool._waiting and time.monotonic() < deadline:
            time.sleep(0.001)
        return True

    connection.channel.is_alive = look
    assert get(pool, C) is connection
    waiter.join(5)
    (other,) = others
    assert other is not connection
    for each in (connection, other):
        each.finish()
    check_books(pool, pool.dialer.opened)


def test_a_burst_to_a_dead_host_of_which_nothing_is_known_does_not_dial_one_after_the_other() -> None:
    together = threading.Barrier(3)

    class Dead(Dialer):
        dials = 0

        async def dial(self, lane: Any, release: Any, deadline: float, total_at: float) -> StubConnection:
            with self.lock:
                self.dials += 1
                is_first = self.dials == 1
            if is_first:
                while len(lane.waiters) < 3:
                    time.sleep(0.001)
            else:
                together.wait(5)
            raise ConnectError("nobody there")

    pool = make(Dead())
    errors = run(*[lambda: get(pool, C)] * 4)
    assert [type(error) for error in errors] == [ConnectError] * 4
    assert pool._total == 0


def test_what_had_to_wait_is_done_before_anybody_stands_in_line() -> None:
    pool = make(max_connections=1)
    held = get(pool, A)
    with pool._lock:
        pool.network.call_safely(held.finish)  # a response was dropped just then
    assert held.place == IN_USE
    assert get(pool, A, timeout=0.01) is held


# -- Ctrl-C ----------------------------------------------------------------------------------------------------------


class Interrupted:
    """A lock at whose taking or giving back Ctrl-C comes, once."""

    def __init__(self, lock: Any, *, entering: bool, after: int = 0) -> None:
        self.lock = lock
        self.entering = entering
        self.after = after

    def _strike(self, entering: bool) -> None:
        if self.entering == entering:
            self.after -= 1
            if self.after == -1:
                raise KeyboardInterrupt

    def __enter__(self) -> None:
        self._strike(True)
        self.lock.__enter__()

    def __exit__(self, *error: object) -> None:
        self.lock.__exit__(*error)
        self._strike(False)


@pytest.mark.parametrize("entering", [True, False])
@pytest.mark.parametrize("after", range(4))
@pytest.mark.parametrize("route", [A, C])
def test_an_interrupted_taking_loses_no_place(route: Route, after: int, entering: bool) -> None:
    dialer = Dialer(multiplexed=route is C)
    pool = make(dialer, max_connections=1)
    get(pool, route).finish()
    lock, pool._lock = pool._lock, Interrupted(pool._lock, entering=entering, after=after)
    lane = pool.lanes[route]
    taken = None
    with contextlib.suppress(KeyboardInterrupt):
        taken = pool.take(lane, time.monotonic())
    pool._lock = lock
    if taken is not None:
        taken.finish()
    get(pool, route, timeout=0.01).finish()
    check_books(pool, dialer.opened)


@pytest.mark.parametrize("entering", [True, False])
@pytest.mark.parametrize("after", range(3))
@pytest.mark.parametrize("retired", [True, False])
def test_an_interrupted_giving_back_loses_no_place(retired: bool, after: int, entering: bool) -> None:
    dialer = Dialer()
    pool = make(dialer, max_connections=1)
    connection = get(pool, A)
    connection.retired = retired
    lock, pool._lock = pool._lock, Interrupted(pool._lock, entering=entering, after=after)
    with contextlib.suppress(KeyboardInterrupt):
        connection.finish()
    pool._lock = lock
    get(pool, A, timeout=0.01).finish()
    check_books(pool, dialer.opened)


def test_an_interrupted_handing_over_leaves_the_waiter_in_line() -> None:
    dialer = Dialer()
    pool = make(dialer, max_connections=1)
    connection = get(pool, A)
    served: list[StubConnection] = []
    thread = threading.Thread(target=lambda: served.append(get(pool, A)))
    thread.start()
    lane = pool.lane(A)
    while not lane.waiters:
        time.sleep(0.001)
    wait = lane.waiters[0].wait

    class Struck:
        """The waiter's wait, that cannot be set for the first time."""

        def __getattr__(self, name: str) -> Any:
            if name == "set_result":
                waiter.wait = wait
                raise KeyboardInterrupt
            return getattr(wait, name)

    waiter = lane.waiters[0]
    waiter.wait = Struck()
    with pytest.raises(KeyboardInterrupt):
        connection.finish()
    thread.join(5)
    assert len(served) == 1
    served[0].finish()
    check_books(pool, dialer.opened)


@pytest.mark.parametrize("entering", [True, False])
@pytest.mark.parametrize("after", range(8))
@pytest.mark.parametrize("full", [True, False])
def test_an_interrupted_asking_loses_no_place(full: bool, after: int, entering: bool) -> None:
    """Whether it was about to open a connection or to stand in line."""
    dialer = Dialer()
    pool = make(dialer, max_connections=1)
    held = get(pool, A) if full else None
    lane = pool.lane(A)
    lock, pool._lock = pool._lock, Interrupted(pool._lock, entering=entering, after=after)
    taken = None
    with contextlib.suppress(KeyboardInterrupt, PoolTimeout):
        taken = drive(pool.acquire(lane, 0.001, None, NEVER))
    pool._lock = lock
    for connection in (held, taken):
        if connection is not None:
            connection.finish()
    get(pool, A, timeout=0.01).finish()
    check_books(pool, dialer.opened)
