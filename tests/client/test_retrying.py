"""What ``retry=`` and ``telemetry=`` mean."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.client.retrying import Retrying
from hyperhttp.errors.budget import RetryBudget
from hyperhttp.errors.retry import RetryPolicy
from hyperhttp.errors.telemetry import ErrorTelemetry


def retrying(*, blocking: bool = False, **options: Any) -> Retrying:
    return Retrying(options, blocking=blocking)


def test_nothing_asked_for_is_nothing() -> None:
    assert retrying().default is None
    assert retrying(retry=False).default is None
    assert retrying().of(False) is None
    assert retrying().of(None) is None


@pytest.mark.parametrize("name", ["retry", "retry_policy"])
@pytest.mark.parametrize(("value", "number"), [(RetryPolicy(7), 7), (2, 2), (True, 3), (0, 0)])
def test_a_policy_a_number_or_true(name: str, value: Any, number: int) -> None:
    default = retrying(**{name: value}).default
    assert default is not None
    assert default.policy.max_retries == number
    assert default.telemetry is None


def test_a_call_may_have_its_own_and_shares_the_budget() -> None:
    client = retrying(retry=RetryPolicy(7))
    own, again = client.of(1), client.of(True)
    assert own is not None
    assert again is not None
    assert client.default is not None
    assert (own.policy.max_retries, again.policy.max_retries) == (1, 7)
    assert own.budget is again.budget is client.default.budget
    assert isinstance(own.budget, RetryBudget)
    assert client.of(False) is None


def test_a_policys_budget_goes_before_the_clients() -> None:
    budget = RetryBudget(capacity=1)
    for given in (budget, None):
        default = retrying(retry=RetryPolicy(budget=given)).default
        assert default is not None
        assert default.budget is given


def test_two_clients_have_two_budgets() -> None:
    first, second = retrying(retry=1).default, retrying(retry=1).default
    assert first is not None
    assert second is not None
    assert first.budget is not second.budget


def test_telemetry_is_told_of_calls_that_are_not_retried() -> None:
    telemetry = ErrorTelemetry()
    for client in (retrying(telemetry=telemetry), retrying(telemetry=telemetry, retry=False)):
        assert client.default is not None
        assert (client.default.policy.max_retries, client.default.telemetry) == (0, telemetry)
        assert client.default.budget is None
    off = retrying(telemetry=telemetry, retry=5).of(False)
    assert off is not None
    assert (off.policy.max_retries, off.telemetry) == (0, telemetry)


@pytest.mark.parametrize(
    "options",
    [
        {"retry": 1, "retry_policy": 1},
        {"retry": "3"},
        {"retry": 1.5},
        {"retry_policy": [503]},
        {"telemetry": print},
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match=r"retry=|telemetry="):
        retrying(**options)


def test_the_two_names_may_both_be_there_as_long_as_one_says_nothing() -> None:
    default = retrying(retry=None, retry_policy=2).default
    assert default is not None
    assert default.policy.max_retries == 2


def test_a_negative_number_is_refused() -> None:
    with pytest.raises(ValueError, match="max_retries"):
        retrying(retry=-1)


def test_a_blocking_client_cannot_hedge() -> None:
    policy = RetryPolicy(hedge=0.1)
    assert retrying(retry=policy).default is not None
    with pytest.raises(TypeError, match="need an event loop"):
        retrying(retry=policy, blocking=True)
    with pytest.raises(TypeError, match="need an event loop"):
        retrying(blocking=True).of(policy)
