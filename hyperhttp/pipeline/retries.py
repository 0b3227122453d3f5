"""Send again what failed, as far as the policy wants it, the budget pays for it and the deadline leaves time for it.

The stage stands inside redirects: each hop is retried on its own, and the total timeout bounds them together. It stands
outside authentication and hooks: every attempt is signed afresh (a Digest nonce counts up), and every hook hears of it.
What it decides is decided in :mod:`hyperhttp.errors.retry`; here is who waits and who cleans up.
"""

from __future__ import annotations

from copy import copy
from random import random
from time import time
from typing import TYPE_CHECKING

from hyperhttp.errors.categories import ErrorCategory
from hyperhttp.errors.retry import Decision, RetryPolicy, RetryState
from hyperhttp.exceptions import HTTPStatusError, HyperHTTPError, RetryError, TotalTimeout
from hyperhttp.message.attempt import Attempt
from hyperhttp.message.reading import hurry
from hyperhttp.pipeline.authentication import load_content
from hyperhttp.pipeline.exchange import load
from hyperhttp.pipeline.hedging import can_hedge, send_hedged
from hyperhttp.pipeline.hooks import tell_retry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from hyperhttp.errors.budget import RetryBudget
    from hyperhttp.errors.telemetry import ErrorTelemetry, Outcome
    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response
    from hyperhttp.pipeline.call import Call

__all__ = ["Retries", "send_with_retries"]

#: The rest of a dropped response up to this size is read, so that its connection serves again.
_SMALL_REST = 65_536
#: Seconds it may take to come where the next attempt would be made sooner.
_PATIENCE = 0.25

_WHY = {
    "content": "; its content cannot be sent again",
    "method": "; it is not idempotent and may have been processed",
    "deadline": "; the total timeout leaves no time for another",
    "budget": "; the retry budget is spent",
}


class Retries:
    """What a call is retried with.

    Attributes:
        policy: decides.
        budget: pays; None for without end.
        telemetry: is told; None for nobody.
    """

    __slots__ = ("budget", "policy", "telemetry")

    def __init__(self, policy: RetryPolicy, budget: RetryBudget | None, telemetry: ErrorTelemetry | None) -> None:
        self.policy = policy
        self.budget = budget
        self.telemetry = telemetry

    def decide(self, state: RetryState, outcome: Response | Exception, now: float) -> Decision:
        """What follows an attempt; what may be paid for is paid."""
        decision = self.policy.decide(state, outcome, now=now, random=random, wall=time)
        if decision.delay is not None and not self.pay(now):
            return Decision(None, "budget")
        return decision

    def pay(self, now: float) -> bool:
        """Whether the budget had something left for one more attempt."""
        return self.budget is None or self.budget.withdraw(now)

    def record(self, state: RetryState, outcome: Outcome) -> None:
        """Tell the telemetry of an attempt."""
        if self.telemetry is not None:
            self.telemetry.record_attempt(state, outcome)


async def send_with_retries(call: Call, send: Callable[[Call], Awaitable[Response]]) -> Response:
    """Send until there is a response to keep, or no reason or no way to send again.

    Raises:
        RetryError: the request was retried and the last attempt failed.
        HyperHTTPError: the first attempt failed and was not retried.
    """
    retries: Retries = call.retry
    clock = call.pool.network.now
    if retries.budget is not None:
        retries.budget.deposit()
    await load_content(call)  # before the copy that each attempt begins from
    pristine = _pristine(call)
    state = RetryState(call.request, started_at=clock(), total_at=call.total_at)
    while True:
        began = clock()
        outcome = await _attempt(call, send, retries)
        now = clock()
        state.note(outcome, call.request, now)
        try:
            decision = retries.decide(state, outcome, now)
            state.reason = decision.reason
            if decision.delay is None:
                return _finish(call, state, retries)
            state.delay, state.backoff = decision.delay, decision.backoff
            retries.record(state, "retry")
            await tell_retry(call, state.request, state.attempt, decision.delay, outcome)
        except BaseException:
            _give_up(outcome)
            state.outcome = None  # an error holds its frames: they must not hold the error
            del outcome
            raise
        call.attempts += (Attempt.of("retry", call.request, outcome, now - began),)
        await _drop(outcome, now + max(decision.delay, _PATIENCE))
        await call.pool.network.sleep(max(now + decision.delay - clock(), 0.0))
        _renew(call, state, pristine)


async def _attempt(call: Call, send: Callable[[Call], Awaitable[Response]], retries: Retries) -> Response | Exception:
    """What comes of one attempt; content that the call reads anyway belongs to it."""

    async def once(call: Call) -> Response:
        response = await send(call)
        if call.reads and call.stream and not response.is_redirect:
            await load(response)
        return response

    try:
        if retries.policy.hedge is not None and can_hedge(call, retries.policy):
            return await send_hedged(call, once, retries.policy, retries.pay)
        return await once(call)
    except Exception as error:
        if _is_foreign(error, call):
            raise
        return error


def _is_foreign(error: Exception, call: Call) -> bool:
    """Whether a hook raised it: by raise_for_status(), or about a request of its own to somebody else."""
    if isinstance(error, HTTPStatusError):
        return True
    if not isinstance(error, HyperHTTPError) or (call.hooks is None and call.listeners is None):
        return False
    return error.request is not None and error.request.url.origin != call.request.url.origin


def _finish(call: Call, state: RetryState, retries: Retries) -> Response:
    """Give the last outcome to the caller."""
    outcome = state.outcome
    failed = isinstance(outcome, Exception) or state.category not in (None, ErrorCategory.CLIENT)
    retries.record(state, "fail" if failed else "success")
    if not isinstance(outcome, Exception):
        return outcome  # type: ignore[return-value]  # an attempt came to something
    try:
        if state.attempt == 1 or not _is_about_retries(outcome, state, retries.policy):
            raise outcome
        raise _retry_error(outcome, call, state) from outcome
    finally:
        del outcome


def _is_about_retries(error: Exception, state: RetryState, policy: RetryPolicy) -> bool:
    """The failure of an attempt; a deadline, a refusal of this side or a mistake of the caller's speaks for itself."""
    if isinstance(error, TotalTimeout):
        return False
    return state.category is not ErrorCategory.CLIENT or policy.wants(error)


def _retry_error(error: Exception, call: Call, state: RetryState) -> RetryError:
    url = state.request.url
    why = _WHY.get(state.reason, "")
    msg = (
        f"{state.request.method} {url.redacted} failed {state.attempt} times in {state.elapsed:.3g} s{why}; "
        f"the last time: {str(error) or type(error).__name__}"
    )
    failure = RetryError(
        msg,
        original_exception=error,
        attempts=state.attempt,
        request=call.request,
        host=url.host,
        port=url.effective_port,
        phase="retry",
        elapsed=state.elapsed,
    )
    failure.history = call.attempts
    return failure


# -- between two attempts --------------------------------------------------------------------------------------------


def _pristine(call: Call) -> Request | None:
    """A copy to begin again from, where stages change the request while they send it."""
    if call.hooks is None and call.listeners is None and call.auth is None:
        return None
    return copy(call.request)


def _renew(call: Call, state: RetryState, pristine: Request | None) -> None:
    """Make the call ready for its next attempt."""
    call.request = state.request if pristine is None else copy(pristine)
    call.route = call.find_route(call.request.url)
    call.head = None
    call.now = call.pool.network.now()
    state.request = call.request
    state.attempt += 1
    state.delay = 0.0


def _give_up(outcome: Any) -> None:
    if not isinstance(outcome, BaseException):
        outcome.give_up()


async def _drop(outcome: Response | Exception, until: float) -> None:
    """Free the connection of a response that nobody will see, and keep it where that costs little and no time."""
    if isinstance(outcome, Exception):
        return
    stream = outcome._stream
    length = outcome.headers.get("content-length", "")
    try:
        if stream is not None and stream.is_open and length.isdigit() and int(length) <= _SMALL_REST:
            hurry(stream, until)
            await stream.receive_all(_SMALL_REST)
    except HyperHTTPError:
        pass  # it was not worth more than the try
    finally:
        outcome.give_up()
