"""What is said of an attempt, from the little that is measured."""

from __future__ import annotations

import pytest

from hyperhttp.message.timing import ConnectionInfo, Timing, work_out

INFO = ConnectionInfo(1, "192.0.2.1", dns=0.1, connect=0.2, tls=0.4)


def test_without_a_network_there_is_only_the_wait() -> None:
    assert work_out(None, None, 1.5, 0.0) == Timing(wait=1.5)


def test_an_idle_connection_costs_nothing() -> None:
    assert work_out(INFO, None, 1.5, 0.5) == Timing(wait=1.5, receive=0.5, reused=True)


def test_a_connection_opened_for_the_attempt_is_paid_by_it() -> None:
    timing = work_out(INFO, (0.05, True, 0.5), 1.5, 0.25)
    assert timing == Timing(queue=0.05, dns=0.1, connect=0.2, tls=0.4, send=0.5, wait=1.0, receive=0.25)
    assert timing.total == pytest.approx(2.5)


def test_a_connection_that_another_one_opened_was_only_waited_for() -> None:
    assert work_out(INFO, (0.7, False, 0.0), 1.5, 0.0) == Timing(queue=0.7, wait=1.5, reused=True)
