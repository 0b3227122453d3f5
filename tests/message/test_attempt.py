"""What is kept of an attempt that did not give the response."""

from __future__ import annotations

import pickle

import pytest

from hyperhttp import ReadError, Request, Response
from hyperhttp.message.attempt import Attempt, clear_traces

REQUEST = Request("GET", "https://u:hunter2@a.example/x")


def test_a_response_leaves_its_status_and_its_fields() -> None:
    attempt = Attempt.of("retry", REQUEST, Response(503, headers={"Retry-After": "1"}), 0.5)
    assert (attempt.cause, attempt.method, attempt.url, attempt.elapsed) == ("retry", "GET", REQUEST.url, 0.5)
    assert (attempt.status_code, attempt.error) == (503, None)
    assert attempt.headers is not None
    assert attempt.headers["Retry-After"] == "1"


def test_a_response_knows_better_what_was_sent() -> None:
    sent = Request("POST", "http://b.example/")
    attempt = Attempt.of("retry", REQUEST, Response(503, request=sent), 0.5)
    assert (attempt.method, attempt.url) == ("POST", sent.url)


def test_an_error_is_kept_without_the_frames_it_came_through() -> None:
    try:
        try:
            raise OSError("below")
        except OSError as cause:
            raise ReadError("above") from cause
    except ReadError as error:
        attempt = Attempt.of("replay", REQUEST, error, 0.1)
    assert isinstance(attempt.error, ReadError)
    assert attempt.error.__traceback__ is None
    assert attempt.error.__cause__ is not None
    assert attempt.error.__cause__.__traceback__ is None
    assert attempt.status_code is None


def test_the_exception_a_caller_is_busy_with_is_left_alone() -> None:
    with pytest.raises(ReadError) as caught:  # noqa: PT012
        try:
            raise KeyError("the caller's")
        except KeyError:
            raise ReadError("ours")  # noqa: B904 - as it comes when a call is made inside an except clause
    Attempt.of("retry", REQUEST, caught.value, 0.1)
    assert caught.value.__context__ is not None
    assert caught.value.__context__.__traceback__ is not None


def test_a_circle_of_causes_has_an_end() -> None:
    first, second = ValueError("1"), ValueError("2")
    first.__cause__, second.__cause__ = second, first
    with pytest.raises(ValueError, match="1"):
        raise first
    clear_traces(first)
    assert first.__traceback__ is None


def test_what_was_given_up_has_neither() -> None:
    attempt = Attempt.of("hedge", REQUEST, None, 0.2)
    assert (attempt.status_code, attempt.headers, attempt.error) == (None, None, None)


@pytest.mark.parametrize(
    ("outcome", "shown"),
    [(Response(503), "503, retry"), (ReadError("x"), "ReadError, retry"), (None, "given up, retry")],
)
def test_it_shows_what_came_and_no_secret(outcome: Response | Exception | None, shown: str) -> None:
    text = repr(Attempt.of("retry", REQUEST, outcome, 0.0))
    assert shown in text
    assert "hunter2" not in text


def test_it_can_be_pickled() -> None:
    for outcome in (Response(503, headers={"A": "b"}), ReadError("x"), None):
        attempt = Attempt.of("retry", REQUEST, outcome, 0.5)
        twin = pickle.loads(pickle.dumps(attempt))
        assert (twin.cause, twin.method, str(twin.url), twin.headers) == (
            "retry",
            "GET",
            str(attempt.url),
            attempt.headers,
        )
        assert type(twin.error) is type(attempt.error)
