"""Whether a failed attempt is followed by another, and when: decisions, without a clock or a wait of their own.

`RetryPolicy.decide` looks at a `RetryState` and at what came of an attempt; clock and randomness are handed to it. Who
acts on the decision is :mod:`hyperhttp.pipeline.retries`.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from hyperhttp.config import UNSET, UnsetType
from hyperhttp.errors.categories import ErrorCategory, categories_of, classify, classify_status
from hyperhttp.errors.rate_fields import read_quota
from hyperhttp.errors.retry_after import retry_after_of
from hyperhttp.exceptions import (
    ConnectError,
    ConnectTimeout,
    HyperHTTPError,
    PoolTimeout,
    TLSError,
    TotalTimeout,
)
from hyperhttp.message.request import IDEMPOTENT_METHODS
from hyperhttp.utils.backoff import Backoff, ExponentialBackoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from hyperhttp.errors.budget import RetryBudget
    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response

__all__ = ["Decision", "HedgePolicy", "RetryPolicy", "RetryState", "was_sent"]

#: Categories that are retried unless a policy names its own.
DEFAULT_CATEGORIES: Final = frozenset(
    {
        ErrorCategory.TRANSIENT,
        ErrorCategory.CONNECTION,
        ErrorCategory.TIMEOUT,
        ErrorCategory.SERVER,
        ErrorCategory.RATE_LIMIT,
    }
)
#: Statuses that may pass; of a category, only these are retried: a 501 stays a 501.
PASSING_STATUSES: Final = frozenset({408, 425, 429, 500, 502, 503, 504})

#: What fails before anything of a request is sent.
_UNSENT: Final = (ConnectError, ConnectTimeout, PoolTimeout)


@dataclass(frozen=True, slots=True)
class HedgePolicy:
    """Send a request again before the first one has failed, and take the answer that comes first.

    Only idempotent requests whose content is in memory are hedged, and each hedge costs as much of the budget as a
    retry. A `SyncClient` has one thread per call, so it refuses a policy with hedges.

    Attributes:
        delay: seconds without an answer before the next one is sent; best a little more than most answers take.
        max_hedges: requests sent besides the first.

    Raises:
        ValueError: `delay` is negative, or `max_hedges` is no positive number.
    """

    delay: float = 0.1
    max_hedges: int = 1

    def __post_init__(self) -> None:
        _check_seconds("delay", self.delay)
        _check_count("max_hedges", self.max_hedges, 1)


class Decision(NamedTuple):
    """What follows an attempt.

    Attributes:
        delay: seconds until the next attempt; None for no further one.
        reason: why there is none: ``"final"`` (nothing to retry), ``"exhausted"``, ``"content"`` (cannot be sent
            again), ``"method"`` (not idempotent, and it may have arrived), ``"retry_after"`` (longer than the policy
            waits), ``"deadline"`` or ``"budget"``.
        backoff: seconds the backoff strategy gave, whatever the response asked for.
    """

    delay: float | None
    reason: str = ""
    backoff: float = 0.0


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """What is retried, how often, and after how long.

    Whatever the policy says: content that cannot be sent again is not, and no wait ends after the call's total timeout.

    Attributes:
        max_retries: attempts after the first.
        retry_categories: categories of errors and statuses that are retried, by name; by default TRANSIENT,
            CONNECTION, TIMEOUT, SERVER and RATE_LIMIT. Of the statuses in them only those that may pass are
            (408, 425, 429, 500, 502, 503, 504).
        status_force_list: statuses that are retried whatever their category. Without `retry_categories` it is the whole
            list of statuses.
        backoff_strategy: gives the waits; by default `ExponentialBackoff()`.
        respect_retry_after: wait as long as the response asks for, instead.
        respect_rate_limit: where a 429 or 503 has no Retry-After but says by RateLimit or X-RateLimit fields that nothing is
            left of a quota, wait until that is reset; off by default.
        max_retry_after: a response that asks for more seconds than these is not retried.
        methods: methods that are retried although the server may have seen the request; by default the idempotent
            ones, and any with an Idempotency-Key field. A request that never left this side is always retried.
        retry_on_response: asked for each response; True or False decides, None leaves it to the rules above. The content
            has been read only where the call reads it (``stream=False``).
        retry_on_exception: the same for errors of any class, also those of mounted transports and of hooks; not for
            `HTTPStatusError`, by which a hook ends the call.
        budget: what retries are paid from; by default each client has one, None is without end.
        hedge: send a second request when the first takes long, or seconds for `HedgePolicy(seconds)`.

    Raises:
        TypeError, ValueError: a value is none that can be meant.
    """

    max_retries: int = 3
    _: KW_ONLY
    retry_categories: Iterable[str] | None = None
    status_force_list: Iterable[int] | None = None
    backoff_strategy: Backoff = field(default_factory=ExponentialBackoff)
    respect_retry_after: bool = True
    respect_rate_limit: bool = False
    max_retry_after: float = 120.0
    methods: Iterable[str] | None = None
    retry_on_response: Callable[[Response], bool | None] | None = None
    retry_on_exception: Callable[[Exception], bool | None] | None = None
    budget: RetryBudget | UnsetType | None = UNSET
    hedge: HedgePolicy | float | None = None

    def __post_init__(self) -> None:
        _check_count("max_retries", self.max_retries, 0)
        _check_seconds("max_retry_after", self.max_retry_after)
        self._put("retry_categories", None if self.retry_categories is None else categories_of(self.retry_categories))
        if self.status_force_list is not None:
            self._put("status_force_list", frozenset(map(_checked_status, self.status_force_list)))
        if self.methods is not None:
            self._put("methods", _checked_methods(self.methods))
        if not callable(getattr(self.backoff_strategy, "delay", None)):
            msg = f"backoff_strategy= takes an object with a method delay(), not {self.backoff_strategy!r}"
            raise TypeError(msg)
        for name in ("retry_on_response", "retry_on_exception"):
            if getattr(self, name) is not None and not callable(getattr(self, name)):
                msg = f"{name}= takes a function, not {getattr(self, name)!r}"
                raise TypeError(msg)
        if self.budget is not None and self.budget is not UNSET and not hasattr(self.budget, "withdraw"):
            msg = f"budget= takes a RetryBudget or None, not {self.budget!r}"
            raise TypeError(msg)
        if self.hedge is not None and not isinstance(self.hedge, HedgePolicy):
            self._put("hedge", HedgePolicy(self.hedge))

    def _put(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    # -- decisions ---------------------------------------------------------------------------------------------------

    def decide(
        self,
        state: RetryState,
        outcome: Response | Exception,
        *,
        now: float,
        random: Callable[[], float],
        wall: Callable[[], float],
    ) -> Decision:
        """Whether another attempt follows, and after how many seconds. It changes nothing.

        Args:
            state: the call so far.
            outcome: what came of the last attempt.
            now: the moment, on the clock of ``state.total_at``.
            random: gives numbers of [0, 1).
            wall: the time of day in seconds since 1970, for dates.
        """
        if not self.wants(outcome):
            return Decision(None, "final")
        if state.attempt > self.max_retries:
            return Decision(None, "exhausted")
        obstacle = self._obstacle(state, outcome)
        if obstacle:
            return Decision(None, obstacle)
        delay = backoff = max(float(self.backoff_strategy.delay(state.attempt, state.backoff, random)), 0.0)
        asked = None if isinstance(outcome, Exception) else self._asked_for(outcome, wall)
        if asked:
            if asked > self.max_retry_after:
                return Decision(None, "retry_after")
            delay = asked
        return Decision(None, "deadline") if now + delay >= state.total_at else Decision(delay, backoff=backoff)

    def _asked_for(self, response: Response, wall: Callable[[], float]) -> float | None:
        """Seconds that a response wants its sender to wait, as far as the policy listens to it."""
        asked = retry_after_of(response, wall) if self.respect_retry_after else None
        if asked is None and self.respect_rate_limit and response.status_code in (429, 503):
            quota = read_quota(response.headers, wall)
            asked = quota.reset if quota is not None and quota.remaining == 0 else None
        return asked

    def wants(self, outcome: Response | Exception) -> bool:
        """Whether this outcome is one to retry, all else aside."""
        if isinstance(outcome, Exception):
            if isinstance(outcome, TotalTimeout):
                return False
            said = self.retry_on_exception(outcome) if self.retry_on_exception is not None else None
            if said is not None:
                return bool(said)
            return isinstance(outcome, HyperHTTPError) and classify(outcome) in self.categories
        said = self.retry_on_response(outcome) if self.retry_on_response is not None else None
        return self._wants_status(outcome.status_code) if said is None else bool(said)

    @property
    def categories(self) -> frozenset[ErrorCategory]:
        """The categories that are retried."""
        given: Any = self.retry_categories  # a set by now
        return DEFAULT_CATEGORIES if given is None else given

    def _wants_status(self, status: int) -> bool:
        if self.status_force_list is not None:
            if status in self.status_force_list:
                return True
            if self.retry_categories is None:
                return False
        return status in PASSING_STATUSES and classify_status(status) in self.categories

    def _obstacle(self, state: RetryState, outcome: Response | Exception) -> str:
        """Why the request must not be sent again; empty where it may."""
        content = state.request._content
        if content is not None and not content.can_send:
            return "content"
        if isinstance(outcome, Exception) and not was_sent(outcome):
            return ""
        return "" if self.may_repeat(state.request) and self.may_repeat(state.sent) else "method"

    def may_repeat(self, request: Request) -> bool:
        """Whether the request may reach the server more than once."""
        if self.methods is not None:
            return request.method in self.methods
        return request.method in IDEMPOTENT_METHODS or "idempotency-key" in request.headers


class RetryState:
    """One call as its attempts go by. It changes with them: copy what has to last.

    Attributes:
        request: what the call sends.
        sent: what was sent last: `request`, or what an authentication scheme had to send in its place.
        attempt: the number of the present attempt, from 1.
        started_at: the moment the first one began, on the client's clock.
        now: the moment the last one ended.
        total_at: the moment at which the call has to be over.
        outcome: the last attempt's response or error.
        category: the category of that, None for success.
        delay: seconds until the next attempt.
        backoff: seconds the backoff strategy gave last; 0.0 before the first retry.
        reason: why no further attempt follows; see `Decision`.
    """

    __slots__ = (
        "attempt",
        "backoff",
        "category",
        "delay",
        "now",
        "outcome",
        "reason",
        "request",
        "sent",
        "started_at",
        "total_at",
    )

    def __init__(self, request: Request, *, started_at: float, total_at: float) -> None:
        self.request = request
        self.sent = request
        self.attempt = 1
        self.started_at = started_at
        self.now = started_at
        self.total_at = total_at
        self.outcome: Response | Exception | None = None
        self.category: ErrorCategory | None = None
        self.delay = 0.0
        self.backoff = 0.0
        self.reason = ""

    def note(self, outcome: Response | Exception, sent: Request, now: float) -> None:
        """An attempt has ended."""
        self.outcome = outcome
        self.category = classify(outcome)
        self.sent = sent
        self.now = now

    @property
    def retries(self) -> int:
        """Retries made so far."""
        return self.attempt - 1

    @property
    def elapsed(self) -> float:
        """Seconds from the beginning of the first attempt to the end of the last."""
        return self.now - self.started_at

    @property
    def response(self) -> Response | None:
        """The last attempt's response."""
        return None if isinstance(self.outcome, Exception) else self.outcome

    @property
    def exception(self) -> Exception | None:
        """The last attempt's error."""
        return self.outcome if isinstance(self.outcome, Exception) else None

    @property
    def host(self) -> str:
        """Where the request goes."""
        return self.sent.url.host

    @property
    def port(self) -> int | None:
        """Where the request goes."""
        return self.sent.url.effective_port

    def __repr__(self) -> str:
        came = self.outcome if not isinstance(self.outcome, Exception) else type(self.outcome).__name__
        return f"<RetryState {self.request.method} {self.request.url.redacted} attempt {self.attempt}: {came}>"


def was_sent(error: BaseException) -> bool:
    """Whether a server may have processed the request that failed so; False only where that is certain."""
    if isinstance(error, _UNSENT) or (isinstance(error, TLSError) and error.phase == "tls"):
        return False
    return not getattr(error, "unprocessed", False)


def _check_count(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        msg = f"{name}= takes a whole number of at least {least}, not {value!r}"
        raise ValueError(msg)


def _check_seconds(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not value >= 0:
        msg = f"{name}= takes a number of seconds that is not negative, not {value!r}"
        raise ValueError(msg)


def _checked_status(status: Any) -> int:
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 999:
        msg = f"status_force_list= takes final status codes such as 503, not {status!r}"
        raise ValueError(msg)
    return int(status)


def _checked_methods(methods: Any) -> frozenset[str]:
    if isinstance(methods, str):
        msg = f"methods= takes a list of methods, such as [{methods!r}], not one string"
        raise TypeError(msg)
    return frozenset(str(method).upper() for method in methods)
