"""What ``retry=`` and ``telemetry=`` mean, of a client and of a call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperhttp.config import UNSET
from hyperhttp.errors.budget import RetryBudget
from hyperhttp.errors.retry import RetryPolicy
from hyperhttp.pipeline.retries import Retries

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hyperhttp.errors.telemetry import ErrorTelemetry

__all__ = ["Retrying"]

_NEVER = RetryPolicy(0, budget=None)


class Retrying:
    """A client's settings for retries, and what a call makes of them.

    Args:
        options: the constructor's: `retry` or `retry_policy`, and `telemetry`.
        blocking: there is one thread per call, so that nothing can be hedged.

    Attributes:
        default: what calls are retried with that do not say otherwise; None for nothing.

    Raises:
        TypeError: both spellings were given, or a value is none of those that can be meant.
    """

    def __init__(self, options: Mapping[str, Any], *, blocking: bool) -> None:
        if options.get("retry") is not None and options.get("retry_policy") is not None:
            msg = "retry= and retry_policy= are two names of one option: give one of them"
            raise TypeError(msg)
        telemetry = options.get("telemetry")
        if telemetry is not None and not callable(getattr(telemetry, "record_attempt", None)):
            msg = f"telemetry= takes an ErrorTelemetry, not {type(telemetry).__name__}"
            raise TypeError(msg)
        self._blocking = blocking
        self._telemetry: ErrorTelemetry | None = telemetry
        self._budget = RetryBudget()
        self._policy: RetryPolicy | None = None
        given = options.get("retry_policy") if options.get("retry") is None else options["retry"]
        self.default = self.of(given)
        self._policy = None if self.default is None else self.default.policy

    def of(self, value: Any) -> Retries | None:
        """What a call is retried with that was given `value`.

        Args:
            value: a policy; a number of retries; True for the client's policy, or the default one; False or None for no
                retries.

        Raises:
            TypeError: it is none of these, or a policy with hedges on a blocking client.
        """
        policy = self._policy_of(value)
        if policy is _NEVER and self._telemetry is None:
            return None
        if policy.hedge is not None and self._blocking:
            msg = "hedged requests need an event loop to run two at a time: use the asynchronous Client, or leave out hedge="
            raise TypeError(msg)
        budget: Any = self._budget if policy.budget is UNSET else policy.budget
        return Retries(policy, budget, self._telemetry)

    def _policy_of(self, value: Any) -> RetryPolicy:
        if value is None or value is False:
            return _NEVER
        if value is True:
            return self._policy or RetryPolicy()
        if isinstance(value, int):
            return RetryPolicy(value)
        if not isinstance(value, RetryPolicy):
            msg = f"retry= takes a RetryPolicy, a number of retries, True or False, not {type(value).__name__}"
            raise TypeError(msg)
        return value
