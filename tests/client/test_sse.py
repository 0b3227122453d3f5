"""How long a source waits, and when it stops; the rest is in tests/behaviour/test_sse.py."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp import (
    CircuitBreakerOpen,
    ClientClosed,
    ConnectError,
    HTTPStatusError,
    RateLimitExceeded,
    ReadError,
    Request,
    Response,
    RetryError,
    TLSError,
    TotalTimeout,
)
from hyperhttp.client.sse import EventSource
from hyperhttp.message.reading import ReadOptions

URL = "http://a.example/"
STREAM = {"Content-Type": "text/event-stream"}


class Core:
    """Answers from a list, and keeps what it was asked and how long was waited."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.asked: list[Request] = []
        self.waits: list[float] = []
        self.read = ReadOptions({}, None, None)
        self.network = self

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)

    def build_request(self, method: str, url: str, options: dict[str, Any]) -> Request:
        return Request(method, url, **options)

    async def send(self, pool: Any, request: Request, options: dict[str, Any]) -> Response:
        assert options["stream"] is True
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        status, content = answer if isinstance(answer, tuple) else (200, answer)
        return Response(status, STREAM, content, request=request)


def source(core: Core, **options: Any) -> EventSource:
    made: Any = core
    return EventSource(made, lambda: made, URL, options)


async def data_of(events: EventSource) -> list[str]:
    return [event.data async for event in events]


async def test_it_asks_for_the_rest_after_the_delay_the_server_wants() -> None:
    core = Core(b"retry: 250\nid: 1\ndata: a\n\n", b"data: b\n\nid: 2\n\n", (204, b""))
    events = source(core)
    assert await data_of(events) == ["a", "b"]
    assert core.waits == [0.25, 0.25]
    assert [request.headers.get("last-event-id") for request in core.asked] == [None, "1", "2"]
    assert core.asked[0].headers["accept"] == "text/event-stream"
    assert core.asked[0].headers["cache-control"] == "no-store"
    assert events.last_event_id == "2"


async def test_waits_grow_with_failures_in_a_row_and_an_event_ends_the_row() -> None:
    core = Core(
        b"data: a\n\n", ConnectError("x"), ConnectError("x"), (503, b""), b"data: b\n\n", ReadError("x"), (204, b"")
    )
    assert await data_of(source(core, retry_delay=1.0)) == ["a", "b"]
    assert core.waits == [1, 2, 4, 8, 1, 2]


@pytest.mark.parametrize(
    "error",
    [
        RetryError("x", original_exception=ConnectError("x"), attempts=3),
        CircuitBreakerOpen("x", host="a.example", remaining=1.0),
        RateLimitExceeded("x"),
        ReadError("x"),
    ],
)
async def test_what_a_policy_of_the_client_says_passes_too(error: Exception) -> None:
    assert await data_of(source(Core(b"data: a\n\n", error, b"data: b\n\n", (204, b"")))) == ["a", "b"]


async def test_waits_do_not_grow_for_ever() -> None:
    core = Core(b"data: a\n\n", *[ConnectError("x")] * 40, (204, b""))
    await data_of(source(core))
    assert max(core.waits) == 60


async def test_a_server_that_wants_a_long_delay_gets_a_day_at_most() -> None:
    core = Core(b"retry: 999999999999999\ndata: a\n\n", (204, b""))
    await data_of(source(core))
    assert core.waits == [86_400]


@pytest.mark.parametrize("error", [ConnectError("x"), ReadError("x"), TLSError("x")])
async def test_the_first_failure_is_raised(error: Exception) -> None:
    with pytest.raises(type(error)):
        await data_of(source(Core(error)))


@pytest.mark.parametrize(
    "error", [TLSError("x"), TotalTimeout("x"), ClientClosed(), RetryError("x", original_exception=TLSError("x"))]
)
async def test_what_does_not_get_better_is_raised_later_too(error: Exception) -> None:
    events = source(Core(b"data: a\n\n", error))
    with pytest.raises(type(error)):
        await data_of(events)
    assert [event async for event in events] == []


@pytest.mark.parametrize("status", [400, 404, 503])
async def test_a_refusal_at_the_beginning_is_raised(status: int) -> None:
    with pytest.raises(HTTPStatusError):
        await data_of(source(Core((status, b"no"))))


@pytest.mark.parametrize("status", [404, 302, 401, 205])
async def test_a_refusal_that_will_not_pass_is_raised(status: int) -> None:
    with pytest.raises(HTTPStatusError):
        await data_of(source(Core(b"data: a\n\n", (status, b"no"))))


async def test_so_many_failures_and_no_more() -> None:
    core = Core(b"data: a\n\n", *[ConnectError("x")] * 9)
    with pytest.raises(ConnectError):
        await data_of(source(core, max_failures=3))
    assert len(core.waits) == 3


async def test_without_reconnecting_the_end_is_the_end() -> None:
    core = Core(b"data: a\n\n")
    assert await data_of(source(core, reconnect=False)) == ["a"]
    assert await data_of(source(Core(b"data: a\n\n"), method="POST", content=b"x")) == ["a"]
    assert core.waits == []


async def test_it_goes_on_where_another_has_ended() -> None:
    core = Core((204, b""))
    await data_of(source(core, last_event_id="ü7", headers={"X-Own": "1"}))
    fields = dict(core.asked[0].headers.raw)
    assert fields[b"Last-Event-ID"] == "ü7".encode()
    assert fields[b"X-Own"] == b"1"


async def test_an_id_that_no_field_can_carry_is_kept_and_not_sent() -> None:
    core = Core(b"id: a\x01b\ndata: x\n\n", (204, b""))
    events = source(core)
    await data_of(events)
    assert events.last_event_id == "a\x01b"
    assert "last-event-id" not in core.asked[1].headers


async def test_after_closing_there_is_nothing() -> None:
    core = Core(b"data: a\n\ndata: b\n\n")
    async with source(core) as events:
        assert (await anext(events)).data == "a"
    assert [event async for event in events] == []


def test_unknown_options_are_refused() -> None:
    with pytest.raises(TypeError, match="last_event_id"):
        source(Core(), last_event="x")
    with pytest.raises(TypeError, match="stream"):
        source(Core(), stream=True)


def test_the_face_is_that_of_the_client() -> None:
    core = Core()
    with pytest.raises(RuntimeError, match="async for"):
        iter(source(core))
    core.read = ReadOptions({}, None, None, lambda work: work.send(None))
    with pytest.raises(RuntimeError, match="`for`"):
        aiter(source(core))
