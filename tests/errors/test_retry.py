"""What a policy decides, with clock, randomness and time of day in the hands of the test."""

from __future__ import annotations

import io
from typing import Any

import pytest

import hyperhttp
from hyperhttp import Request, Response
from hyperhttp.errors.budget import RetryBudget
from hyperhttp.errors.retry import Decision, HedgePolicy, RetryPolicy, RetryState, was_sent
from hyperhttp.network.base import NEVER
from hyperhttp.utils.backoff import DecorrelatedJitterBackoff, ExponentialBackoff

STEADY = ExponentialBackoff(base=1.0, jitter=False)


def decide(
    policy: RetryPolicy,
    outcome: Any,
    *,
    method: str = "GET",
    attempt: int = 1,
    now: float = 0.0,
    total_at: float = NEVER,
    **options: Any,
) -> Decision:
    """What the policy says after an attempt of a call."""
    request = Request(method, "http://a.example/", **options)
    state = RetryState(request, started_at=0.0, total_at=total_at)
    state.attempt = attempt
    state.note(outcome, request, now)
    return policy.decide(state, outcome, now=now, random=lambda: 0.5, wall=lambda: 1_700_000_000.0)


def reason(*given: Any, **options: Any) -> str:
    return decide(*given, **options).reason


# -- which outcomes ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_statuses_that_may_pass_are_retried(status: int) -> None:
    assert decide(RetryPolicy(backoff_strategy=STEADY), Response(status)) == Decision(1.0, backoff=1.0)


@pytest.mark.parametrize("status", [200, 204, 301, 304, 400, 401, 403, 404, 421, 501, 505, 511])
def test_other_statuses_are_not(status: int) -> None:
    assert decide(RetryPolicy(), Response(status)) == Decision(None, "final")


@pytest.mark.parametrize(
    "error",
    [
        hyperhttp.ConnectError(),
        hyperhttp.DNSError(),
        hyperhttp.ReadError(),
        hyperhttp.ReadTimeout(),
        hyperhttp.WriteError(),
    ],
)
def test_errors_that_may_pass_are_retried(error: Exception) -> None:
    assert decide(RetryPolicy(backoff_strategy=STEADY), error).delay == 1.0


@pytest.mark.parametrize(
    "error",
    [
        hyperhttp.TLSError(),
        hyperhttp.RemoteProtocolError(),
        hyperhttp.LocalProtocolError(),
        hyperhttp.DecodingError(),
        hyperhttp.PoolTimeout(),
        hyperhttp.CircuitBreakerOpen(),
        hyperhttp.AddressNotAllowed(),
        ConnectionResetError(),
        ValueError(),
    ],
)
def test_other_errors_are_not(error: Exception) -> None:
    assert reason(RetryPolicy(), error) == "final"


def test_the_total_timeout_is_never_retried() -> None:
    policy = RetryPolicy(retry_categories=["TIMEOUT"], retry_on_exception=lambda error: True)
    assert reason(policy, hyperhttp.TotalTimeout()) == "final"


def test_categories_choose_errors_and_statuses() -> None:
    policy = RetryPolicy(retry_categories=["TLS", "server"])
    assert decide(policy, hyperhttp.TLSError()).delay is not None
    assert decide(policy, Response(503)).delay is not None
    assert reason(policy, Response(429)) == "final"
    assert reason(policy, hyperhttp.ReadTimeout()) == "final"


def test_a_list_of_statuses_is_the_whole_list() -> None:
    policy = RetryPolicy(status_force_list=[404, 503])
    assert decide(policy, Response(404)).delay is not None
    assert decide(policy, Response(503)).delay is not None
    assert reason(policy, Response(500)) == "final"
    assert decide(policy, hyperhttp.ReadTimeout()).delay is not None


def test_a_list_adds_to_the_categories_that_were_chosen() -> None:
    policy = RetryPolicy(retry_categories=["SERVER"], status_force_list=[409])
    assert decide(policy, Response(409)).delay is not None
    assert decide(policy, Response(502)).delay is not None
    assert reason(policy, Response(429)) == "final"


def test_an_empty_list_is_a_list() -> None:
    assert reason(RetryPolicy(status_force_list=[]), Response(503)) == "final"
    assert reason(RetryPolicy(retry_categories=[]), Response(503)) == "final"
    assert reason(RetryPolicy(retry_categories=[]), hyperhttp.ConnectError()) == "final"


def test_a_predicate_on_responses_decides_or_leaves_it() -> None:
    said = {200: True, 503: False, 500: None}
    policy = RetryPolicy(retry_on_response=lambda response: said.get(response.status_code))
    assert decide(policy, Response(200)).delay is not None
    assert reason(policy, Response(503)) == "final"
    assert decide(policy, Response(500)).delay is not None
    assert reason(policy, Response(404)) == "final"


def test_a_predicate_on_errors_decides_or_leaves_it() -> None:
    policy = RetryPolicy(retry_on_exception=lambda error: isinstance(error, KeyError) or None)
    assert decide(policy, KeyError()).delay is not None
    assert reason(policy, ValueError()) == "final"
    assert decide(policy, hyperhttp.ReadError()).delay is not None


# -- how often -----------------------------------------------------------------------------------------------


def test_it_ends_after_the_last_retry() -> None:
    policy = RetryPolicy(2)
    assert decide(policy, Response(503), attempt=2).delay is not None
    assert reason(policy, Response(503), attempt=3) == "exhausted"
    assert reason(RetryPolicy(0), Response(503)) == "exhausted"


# -- what is safe --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY"])
def test_idempotent_methods_are_repeated(method: str) -> None:
    assert decide(RetryPolicy(), hyperhttp.ReadError(), method=method).delay is not None


@pytest.mark.parametrize("method", ["POST", "PATCH", "LOCK", "get"])
@pytest.mark.parametrize("outcome", [hyperhttp.ReadError(), hyperhttp.ReadTimeout(), Response(503)])
def test_others_are_not_once_they_may_have_arrived(method: str, outcome: Any) -> None:
    assert reason(RetryPolicy(), outcome, method=method) == "method"


@pytest.mark.parametrize(
    "error", [hyperhttp.ConnectError(), hyperhttp.DNSError(), hyperhttp.ConnectTimeout(), hyperhttp.ProxyError()]
)
def test_what_never_left_is_repeated_whatever_its_method(error: Exception) -> None:
    assert decide(RetryPolicy(), error, method="POST").delay is not None


def test_what_the_server_refused_is_repeated_whatever_its_method() -> None:
    error = hyperhttp.ReadError()
    error.unprocessed = True
    assert decide(RetryPolicy(), error, method="POST").delay is not None


def test_a_handshake_that_failed_has_sent_nothing() -> None:
    assert not was_sent(hyperhttp.TLSError(phase="tls"))
    assert was_sent(hyperhttp.TLSError(phase="read"))
    assert was_sent(ValueError())
    assert not was_sent(hyperhttp.PoolTimeout())


def test_an_idempotency_key_makes_a_post_repeatable() -> None:
    key = {"Idempotency-Key": '"8e03978e"'}
    assert decide(RetryPolicy(), Response(503), method="POST", headers=key).delay is not None
    assert reason(RetryPolicy(methods=["GET"]), Response(503), method="POST", headers=key) == "method"


def test_a_policy_may_name_the_methods() -> None:
    policy = RetryPolicy(methods=["post"])
    assert decide(policy, Response(503), method="POST").delay is not None
    assert reason(policy, Response(503), method="GET") == "method"


def test_what_a_scheme_sent_in_between_counts_as_well() -> None:
    call, token = Request("GET", "http://a.example/"), Request("POST", "http://a.example/token")
    state = RetryState(call, started_at=0.0, total_at=NEVER)
    error = hyperhttp.ReadTimeout()
    state.note(error, token, 1.0)
    assert RetryPolicy().decide(state, error, now=1.0, random=lambda: 0.0, wall=lambda: 0.0).reason == "method"


def test_content_that_cannot_be_sent_again_is_not() -> None:
    request = Request("PUT", "http://a.example/", content=iter([b"once"]))
    assert request._content is not None
    request._content.source.started = True  # type: ignore[union-attr]
    state = RetryState(request, started_at=0.0, total_at=NEVER)
    outcome = Response(503)
    state.note(outcome, request, 0.0)
    policy = RetryPolicy(retry_on_response=lambda response: True)
    assert policy.decide(state, outcome, now=0.0, random=lambda: 0.0, wall=lambda: 0.0).reason == "content"


@pytest.mark.parametrize("content", [b"bytes", io.BytesIO(b"file")])
def test_content_that_can_be_is(content: Any) -> None:
    assert decide(RetryPolicy(), Response(503), method="PUT", content=content).delay is not None


# -- after how long ------------------------------------------------------------------------------------------


def test_waits_follow_the_strategy() -> None:
    policy = RetryPolicy(5, backoff_strategy=STEADY)
    assert [decide(policy, Response(503), attempt=attempt).delay for attempt in (1, 2, 3)] == [1.0, 2.0, 4.0]


def test_a_strategy_knows_its_last_wait() -> None:
    request = Request("GET", "http://a.example/")
    state = RetryState(request, started_at=0.0, total_at=NEVER)
    state.backoff = 2.0
    outcome = Response(503, headers={"Retry-After": "9"})
    state.note(outcome, request, 0.0)
    policy = RetryPolicy(backoff_strategy=DecorrelatedJitterBackoff(base=1.0))
    decision = policy.decide(state, outcome, now=0.0, random=lambda: 0.5, wall=lambda: 0.0)
    assert decision == Decision(9.0, "", 3.5)


def test_a_strategy_of_ones_own_has_one_method() -> None:
    class Late:
        def delay(self, retry: int, previous: float, random: Any) -> float:
            return 100.0 * retry if retry > 1 else -5.0

    policy = RetryPolicy(backoff_strategy=Late())
    assert decide(policy, Response(503)).delay == 0.0
    assert decide(policy, Response(503), attempt=2).delay == 200.0


@pytest.mark.parametrize(
    ("value", "delay"),
    [
        ("7", 7.0),
        ("Tue, 14 Nov 2023 22:13:50 GMT", 30.0),
        ("0", 1.0),
        ("Tue, 14 Nov 2023 22:13:00 GMT", 1.0),
        ("?", 1.0),
    ],
)
def test_the_servers_wish_goes_before_the_strategy(value: str, delay: float) -> None:
    policy = RetryPolicy(backoff_strategy=STEADY)
    for status in (429, 503):
        assert decide(policy, Response(status, headers={"Retry-After": value})).delay == delay


def test_the_servers_wish_may_be_ignored() -> None:
    policy = RetryPolicy(backoff_strategy=STEADY, respect_retry_after=False)
    assert decide(policy, Response(503, headers={"Retry-After": "7"})).delay == 1.0


def test_a_wish_beyond_the_cap_ends_it() -> None:
    policy = RetryPolicy(max_retry_after=10)
    assert decide(policy, Response(503, headers={"Retry-After": "10"})).delay == 10.0
    assert reason(policy, Response(503, headers={"Retry-After": "11"})) == "retry_after"


SPENT = {"X-RateLimit-Limit": "60", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"}


@pytest.mark.parametrize(
    ("status", "fields", "delay"),
    [
        (429, SPENT, 9.0),
        (503, {"RateLimit": '"a";r=0;t=9'}, 9.0),
        (429, {"RateLimit": '"a";r=5;t=9'}, 1.0),
        (429, {"RateLimit": '"a";r=0;t=0'}, 1.0),
        (502, SPENT, 1.0),
        (429, {**SPENT, "Retry-After": "7"}, 7.0),
        (429, {**SPENT, "X-RateLimit-Reset": "1700000005"}, 5.0),
    ],
)
def test_the_end_of_a_quota_is_waited_for_where_the_policy_says_so(
    status: int, fields: dict[str, str], delay: float
) -> None:
    policy = RetryPolicy(backoff_strategy=STEADY, respect_rate_limit=True)
    assert decide(policy, Response(status, headers=fields)).delay == delay
    unasked = RetryPolicy(backoff_strategy=STEADY)
    assert decide(unasked, Response(status, headers=fields)).delay == (7.0 if "Retry-After" in fields else 1.0)


@pytest.mark.parametrize("reset", ["121", "999999999", "999999999999", "999999999999999"])
def test_a_quota_that_ends_beyond_the_cap_ends_it(reset: str) -> None:
    policy = RetryPolicy(respect_rate_limit=True)
    assert reason(policy, Response(429, headers={**SPENT, "X-RateLimit-Reset": reset})) == "retry_after"


def test_no_wait_ends_at_the_deadline_or_after_it() -> None:
    policy = RetryPolicy(backoff_strategy=STEADY)
    assert decide(policy, Response(503), now=3.0, total_at=4.1).delay == 1.0
    assert reason(policy, Response(503), now=3.0, total_at=4.0) == "deadline"
    wish = Response(503, headers={"Retry-After": "60"})
    assert reason(policy, wish, now=3.0, total_at=30.0) == "deadline"


# -- making one ----------------------------------------------------------------------------------------------


def test_a_policy_keeps_what_it_was_given() -> None:
    policy = RetryPolicy(
        max_retries=5,
        retry_categories=["TRANSIENT", "TIMEOUT", "SERVER"],
        status_force_list=[429, 500],
        backoff_strategy=ExponentialBackoff(base=0.1, factor=2.0, max_backoff=30.0, jitter=True),
        respect_retry_after=True,
        budget=None,
        hedge=0.25,
    )
    assert policy.max_retries == 5
    assert policy.categories == {"TRANSIENT", "TIMEOUT", "SERVER"}
    assert policy.status_force_list == {429, 500}
    assert policy.budget is None
    assert policy.hedge == HedgePolicy(delay=0.25, max_hedges=1)
    with pytest.raises(AttributeError):
        policy.max_retries = 6  # type: ignore[misc]


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"max_retries": -1}, ValueError),
        ({"max_retries": 1.5}, ValueError),
        ({"max_retries": True}, ValueError),
        ({"retry_categories": ["SERVERS"]}, ValueError),
        ({"retry_categories": "SERVER"}, TypeError),
        ({"status_force_list": [99]}, ValueError),
        ({"status_force_list": [103]}, ValueError),
        ({"status_force_list": ["503"]}, ValueError),
        ({"backoff_strategy": 0.5}, TypeError),
        ({"max_retry_after": -1}, ValueError),
        ({"max_retry_after": float("nan")}, ValueError),
        ({"methods": "GET"}, TypeError),
        ({"retry_on_response": True}, TypeError),
        ({"retry_on_exception": [OSError]}, TypeError),
        ({"budget": 5}, TypeError),
        ({"hedge": -0.1}, ValueError),
        ({"hedge": True}, ValueError),
    ],
)
def test_what_cannot_be_meant_is_refused(options: dict[str, Any], error: type[Exception]) -> None:
    named = next(iter(options)).replace("hedge", "delay").replace("retry_categories", "categor")
    with pytest.raises(error, match=named):
        RetryPolicy(**options)


def test_a_policy_refuses_names_it_does_not_know() -> None:
    with pytest.raises(TypeError, match="max_attempts"):
        RetryPolicy(max_attempts=3)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="max_hedges"):
        HedgePolicy(0.1, 0)


def test_a_budget_may_be_shared() -> None:
    budget = RetryBudget()
    assert RetryPolicy(budget=budget).budget is budget


def test_a_state_says_what_it_is_about() -> None:
    request = Request("GET", "https://u:hunter2@a.example/")
    state = RetryState(request, started_at=10.0, total_at=NEVER)
    error = hyperhttp.ReadTimeout("late")
    state.note(error, request, 12.5)
    assert (state.host, state.port, state.retries, state.elapsed) == ("a.example", 443, 0, 2.5)
    assert (state.exception, state.response, state.category) == (error, None, "TIMEOUT")
    assert "ReadTimeout" in repr(state)
    assert "hunter2" not in repr(state)
    response = Response(200)
    state.note(response, request, 13.0)
    assert (state.exception, state.response, state.category) == (None, response, None)
