"""Waits grow, stay below their cap, and differ from client to client."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.utils.backoff import DecorrelatedJitterBackoff, ExponentialBackoff


def low() -> float:
    return 0.0


def high() -> float:
    return 0.999999


def test_without_jitter_each_wait_is_a_multiple_of_the_last() -> None:
    backoff = ExponentialBackoff(base=0.1, factor=2.0, max_backoff=1.0, jitter=False)
    waits = [backoff.delay(retry, 0.0, high) for retry in range(1, 7)]
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])


def test_jitter_takes_from_the_second_half() -> None:
    backoff = ExponentialBackoff(base=0.4, factor=1.0)
    assert backoff.delay(1, 0.0, low) == pytest.approx(0.2)
    assert backoff.delay(1, 0.0, high) == pytest.approx(0.4, rel=1e-5)


def test_no_number_of_retries_is_too_large() -> None:
    assert ExponentialBackoff(jitter=False).delay(100_000, 0.0, low) == 30.0


def test_decorrelated_waits_lie_between_base_and_three_times_the_last() -> None:
    backoff = DecorrelatedJitterBackoff(base=0.1, max_backoff=10.0)
    assert backoff.delay(1, 0.0, low) == pytest.approx(0.1)
    assert backoff.delay(1, 0.0, high) == pytest.approx(0.3, rel=1e-5)
    assert backoff.delay(2, 2.0, high) == pytest.approx(6.0, rel=1e-5)
    assert backoff.delay(3, 6.0, high) == 10.0


def test_a_cap_below_the_base_holds_as_well() -> None:
    assert DecorrelatedJitterBackoff(base=5.0, max_backoff=1.0).delay(1, 0.0, high) == 1.0
    assert ExponentialBackoff(base=5.0, max_backoff=1.0, jitter=False).delay(1, 0.0, high) == 1.0


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (ExponentialBackoff, {"base": -0.1}),
        (ExponentialBackoff, {"factor": 0.5}),
        (ExponentialBackoff, {"max_backoff": float("inf")}),
        (ExponentialBackoff, {"base": True}),
        (ExponentialBackoff, {"base": "0.1"}),
        (DecorrelatedJitterBackoff, {"base": float("nan")}),
        (DecorrelatedJitterBackoff, {"max_backoff": -1}),
    ],
)
def test_what_is_no_wait_is_refused(kind: Any, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        kind(**options)
