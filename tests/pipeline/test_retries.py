"""The stage that sends again: what it does with a policy's decisions, on a clock that only moves when it sleeps."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

import hyperhttp
from hyperhttp import BasicAuth, Response
from hyperhttp.connection.stream import ContentStream
from hyperhttp.errors.budget import RetryBudget
from hyperhttp.errors.retry import RetryPolicy
from hyperhttp.errors.telemetry import ErrorTelemetry
from hyperhttp.pipeline.retries import Retries, send_with_retries
from hyperhttp.plugins.compiled import Listeners
from hyperhttp.utils.backoff import ExponentialBackoff
from tests.memory import Source

STEADY = ExponentialBackoff(base=1.0, factor=1.0, jitter=False)


class Diary(ErrorTelemetry):
    """Writes down what it is told, as it is at that moment."""

    def __init__(self) -> None:
        self.entries: list[tuple[int, str, str, str]] = []

    def record_attempt(self, retry_state: Any, outcome: Any) -> None:
        self.entries.append((retry_state.attempt, outcome, retry_state.category or "", retry_state.reason))


def retries(*given: Any, telemetry: Any = None, **options: Any) -> Retries:
    policy = RetryPolicy(*given, **{"backoff_strategy": STEADY, "budget": None} | options)
    budget: Any = policy.budget
    return Retries(policy, budget, telemetry)


def streaming(status: int, *pieces: bytes, length: int, rest: Any = None) -> tuple[Response, Any]:
    """A response whose content is still on its way; `rest` is called when somebody waits for it, and gives its end."""
    source: Any = Source()
    response = Response(status, headers={"Content-Length": str(length)})
    response._content = None
    stream: Any = ContentStream(source, length)
    response._stream = stream
    for piece in pieces:
        stream.feed(piece)

    async def arrive() -> None:
        stream.feed(rest())
        stream.finish()

    if rest is not None:
        source.wait_for_content = arrive
    return response, source


async def test_a_response_to_keep_is_given_at_once(new_call: Any, stage: Any) -> None:
    call, send, answer = new_call(retry=retries()), stage(Response(200)), None
    answer = await send_with_retries(call, send)
    assert (answer.status_code, len(send.seen), call.pool.network.time) == (200, 1, 1000.0)
    assert call.attempts == ()


async def test_what_failed_is_sent_again_after_the_wait(new_call: Any, stage: Any) -> None:
    call, send = new_call(retry=retries()), stage(Response(503), hyperhttp.ReadError("gone"), Response(200))
    answer = await send_with_retries(call, send)
    assert answer.status_code == 200
    assert call.pool.network.time == 1002.0
    assert [(each.cause, each.status_code, type(each.error)) for each in call.attempts] == [
        ("retry", 503, type(None)),
        ("retry", None, hyperhttp.ReadError),
    ]


async def test_the_first_failure_comes_out_as_it_is(new_call: Any, stage: Any) -> None:
    error = hyperhttp.ReadTimeout("late")
    with pytest.raises(hyperhttp.ReadTimeout) as caught:
        await send_with_retries(new_call("POST", retry=retries()), stage(error))
    assert caught.value is error
    with pytest.raises(hyperhttp.ReadTimeout):
        await send_with_retries(new_call(retry=retries(0)), stage(hyperhttp.ReadTimeout("late")))


async def test_after_a_retry_the_failure_says_how_often(new_call: Any, stage: Any) -> None:
    errors = [hyperhttp.ReadError("one"), hyperhttp.ConnectError("two"), hyperhttp.ReadTimeout("three")]
    with pytest.raises(hyperhttp.RetryError) as caught:
        await send_with_retries(new_call(url="http://u:hunter2@a.example/", retry=retries(2)), stage(*errors))
    failure = caught.value
    assert failure.original_exception is failure.__cause__ is errors[2]
    assert failure.attempts == 3
    assert [type(each.error) for each in failure.history] == [hyperhttp.ReadError, hyperhttp.ConnectError]
    assert (failure.host, failure.elapsed) == ("a.example", 2.0)
    assert "3 times in 2 s" in str(failure)
    assert "three" in str(failure)
    assert "hunter2" not in str(failure)


async def test_a_failure_that_is_not_retried_after_a_retry_is_wrapped_as_well(new_call: Any, stage: Any) -> None:
    with pytest.raises(hyperhttp.RetryError) as caught:
        await send_with_retries(new_call(retry=retries()), stage(Response(503), hyperhttp.TLSError("expired")))
    assert isinstance(caught.value.original_exception, hyperhttp.TLSError)
    assert caught.value.attempts == 2


@pytest.mark.parametrize(
    "error",
    [
        hyperhttp.TotalTimeout("over"),
        hyperhttp.CircuitBreakerOpen("open"),
        hyperhttp.PoolTimeout("full"),
        hyperhttp.ClientClosed("closed"),
        ValueError("a hook's"),
    ],
)
async def test_what_is_not_the_servers_speaks_for_itself(new_call: Any, stage: Any, error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        await send_with_retries(new_call(retry=retries()), stage(Response(503), error))
    assert caught.value is error


async def test_what_a_predicate_wants_is_wrapped_whatever_it_is(new_call: Any, stage: Any) -> None:
    policy = retries(1, retry_on_exception=lambda error: isinstance(error, KeyError))
    with pytest.raises(hyperhttp.RetryError) as caught:
        await send_with_retries(new_call(retry=policy), stage(KeyError("odd"), KeyError("odd again")))
    assert isinstance(caught.value.original_exception, KeyError)


async def test_a_status_that_outlives_its_retries_is_the_response(new_call: Any, stage: Any) -> None:
    call, send = new_call(retry=retries(2)), stage(Response(503), Response(502), Response(500))
    assert (await send_with_retries(call, send)).status_code == 500
    assert len(send.seen) == 3


async def test_an_error_of_a_hooks_own_request_is_not_retried(new_call: Any, stage: Any) -> None:
    nested = hyperhttp.ReadTimeout("of another call", request=hyperhttp.Request("GET", "http://b.example/"))
    send = stage(nested)
    with pytest.raises(hyperhttp.ReadTimeout):
        await send_with_retries(new_call(retry=retries(), hooks={}), send)
    assert len(send.seen) == 1
    shared = hyperhttp.DNSError("of all who asked", request=hyperhttp.Request("GET", "http://a.example/other"))
    assert (await send_with_retries(new_call(retry=retries(), hooks={}), stage(shared, Response(200)))).is_success


async def test_raise_for_status_in_a_hook_ends_the_call(new_call: Any, stage: Any) -> None:
    send = stage(hyperhttp.HTTPStatusError("503", response=Response(503)))
    with pytest.raises(hyperhttp.HTTPStatusError):
        await send_with_retries(new_call(retry=retries()), send)
    assert len(send.seen) == 1


# -- the deadline and the budget -----------------------------------------------------------------------------


async def test_no_sleep_reaches_the_deadline(new_call: Any, stage: Any) -> None:
    call, send = new_call(retry=retries(9)), stage(Response(503))
    call.total_at = 1002.5
    assert (await send_with_retries(call, send)).status_code == 503
    assert (len(send.seen), call.pool.network.time) == (3, 1002.0)


async def test_an_error_without_time_for_another_try_says_so(new_call: Any, stage: Any) -> None:
    call = new_call(retry=retries(9))
    call.total_at = 1001.5
    with pytest.raises(hyperhttp.RetryError, match="the total timeout leaves no time for another"):
        await send_with_retries(call, stage(hyperhttp.ReadError("x")))
    assert call.pool.network.time == 1001.0


async def test_time_spent_on_the_rest_of_a_response_is_part_of_the_wait(new_call: Any, stage: Any) -> None:
    call = new_call(retry=retries())
    network = call.pool.network

    def late() -> bytes:
        network.time += 0.75
        return b"no"

    response, _ = streaming(503, length=2, rest=late)
    assert (await send_with_retries(call, stage(response, Response(200)))).status_code == 200
    assert network.time == 1001.0


async def test_an_empty_budget_ends_the_retries_of_all_calls(new_call: Any, stage: Any) -> None:
    budget = RetryBudget(ratio=0, per_second=0, capacity=3)
    together = retries(9, budget=budget)
    send = stage(hyperhttp.ReadError("x"))
    with pytest.raises(hyperhttp.RetryError, match="budget is spent"):
        await send_with_retries(new_call(retry=together), send)
    with pytest.raises(hyperhttp.ReadError):
        await send_with_retries(new_call(retry=together), send)
    assert len(send.seen) == 5


async def test_each_call_pays_in(new_call: Any, stage: Any) -> None:
    budget = RetryBudget(ratio=0.5, per_second=0, capacity=1)
    budget.withdraw(0.0)
    for _ in range(2):
        await send_with_retries(new_call(retry=retries(budget=budget)), stage(Response(200)))
    assert budget.left == 1


# -- what is left behind -------------------------------------------------------------------------------------


async def test_a_small_rest_is_read_so_that_the_connection_serves_again(new_call: Any, stage: Any) -> None:
    response, source = streaming(503, b"n", length=2, rest=lambda: b"o")
    await send_with_retries(new_call(retry=retries()), stage(response, Response(200)))
    assert "abandon" not in source.calls
    assert response._stream is not None
    assert response._stream.received == 2


async def test_a_large_rest_is_given_up(new_call: Any, stage: Any) -> None:
    response, source = streaming(503, b"no", length=100_000)
    await send_with_retries(new_call(retry=retries()), stage(response, Response(200)))
    assert source.calls == ["abandon"]


async def test_a_rest_that_fails_is_no_failure_of_the_call(new_call: Any, stage: Any) -> None:
    def broke() -> bytes:
        raise hyperhttp.ReadError("broke")

    response, source = streaming(503, length=2, rest=broke)
    assert (await send_with_retries(new_call(retry=retries()), stage(response, Response(200)))).status_code == 200
    assert source.calls == ["abandon"]


async def test_telemetry_that_fails_leaves_no_response_open(new_call: Any, stage: Any) -> None:
    class Broken(ErrorTelemetry):
        def record_attempt(self, retry_state: Any, outcome: Any) -> None:
            raise LookupError(outcome)

    for status, outcome in ((200, "success"), (503, "retry")):
        response, source = streaming(status, length=2)
        with pytest.raises(LookupError, match=outcome):
            await send_with_retries(new_call(retry=retries(telemetry=Broken())), stage(response))
        assert source.calls == ["abandon"]


async def test_an_error_holds_nothing_that_holds_it(new_call: Any) -> None:
    traces: list[Any] = []

    class Marked(hyperhttp.ReadError):
        def __init__(self) -> None:
            super().__init__("x")
            traces.append(weakref.ref(self))

    async def send(call: Any) -> Any:
        raise Marked

    gc.disable()
    try:
        for attempts in (0, 1):
            with pytest.raises(hyperhttp.HyperHTTPError):
                await send_with_retries(new_call(retry=retries(attempts)), send)
        assert [trace() for trace in traces] == [None, None, None]
    finally:
        gc.enable()


# -- each attempt is a fresh one -----------------------------------------------------------------------------


async def test_what_hooks_did_to_a_request_is_not_done_twice(new_call: Any, stage: Any) -> None:
    send = stage(Response(503), Response(503), Response(200))

    async def hooked(call: Any) -> Response:
        call.request.headers.add("X-Attempt", "once")
        call.request.url = call.request.url.copy_with(path=call.request.url.path + "x")
        return await send(call)

    call = new_call(retry=retries(), hooks={})
    first = call.request
    await send_with_retries(call, hooked)
    assert [seen[1] for seen in send.seen] == ["http://a.example/x"] * 3
    assert send.fields("X-Attempt") == ["once"] * 3
    assert send.requests[0] is first


async def test_the_route_and_the_head_are_made_anew(new_call: Any, stage: Any) -> None:
    call, send = new_call(retry=retries()), stage(Response(503), Response(200))
    call.head = b"rendered"

    async def detour(call: Any) -> Response:
        answer = await send(call)
        call.route = None
        return answer

    await send_with_retries(call, detour)
    assert send.routes[0] is send.routes[1]
    assert call.head is None


async def test_the_scheme_signs_each_attempt(new_call: Any, stage: Any) -> None:
    from hyperhttp.pipeline.authentication import authenticate

    send = stage(Response(503), Response(200))
    call = new_call(retry=retries(), auth=BasicAuth("u", "p"))
    await send_with_retries(call, lambda call: authenticate(call, send))
    assert send.fields("Authorization") == ["Basic dTpw"] * 2


# -- content that belongs to the call ------------------------------------------------------------------------


async def test_content_that_breaks_is_a_failed_attempt_where_the_call_reads_it(new_call: Any, stage: Any) -> None:
    broken, _ = streaming(200, b"half", length=8)
    broken._stream.fail(hyperhttp.ReadError("broke"))  # type: ignore[union-attr]
    call = new_call(retry=retries(), reads=True)
    assert (await send_with_retries(call, stage(broken, Response(204)))).status_code == 204
    broken, _ = streaming(200, b"half", length=8)
    broken._stream.fail(hyperhttp.ReadError("broke"))  # type: ignore[union-attr]
    assert await send_with_retries(new_call(retry=retries()), stage(broken)) is broken


async def test_a_redirects_content_is_left_to_whoever_follows_it(new_call: Any, stage: Any) -> None:
    response, source = streaming(302, length=10)
    response.headers["Location"] = "/next"
    assert await send_with_retries(new_call(retry=retries(), reads=True), stage(response)) is response
    assert source.calls == []


# -- who is told ---------------------------------------------------------------------------------------------


async def test_telemetry_hears_of_every_attempt(new_call: Any, stage: Any) -> None:
    diary = Diary()
    send = stage(Response(503), hyperhttp.ReadError("x"), Response(200))
    await send_with_retries(new_call(retry=retries(telemetry=diary)), send)
    assert diary.entries == [
        (1, "retry", "SERVER", ""),
        (2, "retry", "TRANSIENT", ""),
        (3, "success", "", "final"),
    ]


@pytest.mark.parametrize(
    ("outcome", "policy", "entry"),
    [
        (Response(404), retries(), (1, "success", "CLIENT", "final")),
        (Response(501), retries(), (1, "fail", "SERVER", "final")),
        (Response(503), retries(0), (1, "fail", "SERVER", "exhausted")),
        (Response(302), retries(), (1, "success", "", "final")),
    ],
)
async def test_telemetry_hears_how_it_ended(
    new_call: Any, stage: Any, outcome: Response, policy: Retries, entry: Any
) -> None:
    policy.telemetry = diary = Diary()
    await send_with_retries(new_call(retry=policy), stage(outcome))
    assert diary.entries == [entry]


async def test_telemetry_hears_of_the_last_error(new_call: Any, stage: Any) -> None:
    diary = Diary()
    with pytest.raises(hyperhttp.RetryError):
        await send_with_retries(new_call(retry=retries(1, telemetry=diary)), stage(hyperhttp.ReadError("x")))
    assert diary.entries == [(1, "retry", "TRANSIENT", ""), (2, "fail", "TRANSIENT", "exhausted")]


async def test_hooks_and_listeners_hear_before_the_wait(new_call: Any, stage: Any) -> None:
    heard: list[Any] = []
    call = new_call(
        retry=retries(),
        hooks={"retry": [lambda *event: heard.append(("hook", *event))]},
        listeners=Listeners(retry=(lambda *event: heard.append(("listener", *event)),)),
    )
    cause = Response(503)
    await send_with_retries(call, stage(cause, Response(200)))
    assert [(who, attempt, delay, why) for who, _, attempt, delay, why in heard] == [
        ("hook", 1, 1.0, cause),
        ("listener", 1, 1.0, cause),
    ]


async def test_a_hook_that_fails_ends_the_call(new_call: Any, stage: Any) -> None:
    def hook(*event: Any) -> None:
        raise LookupError

    response, source = streaming(503, length=2)
    with pytest.raises(LookupError):
        await send_with_retries(new_call(retry=retries(), hooks={"retry": [hook]}), stage(response))
    assert source.calls == ["abandon"]
