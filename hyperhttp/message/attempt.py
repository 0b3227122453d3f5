"""What was sent before a response, and what came of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from hyperhttp._records import Record

if TYPE_CHECKING:
    from hyperhttp.message.headers import Headers
    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response
    from hyperhttp.message.url import URL

__all__ = ["Attempt", "Cause", "clear_traces"]

Cause: TypeAlias = Literal["retry", "replay", "authentication", "expectation", "hedge"]


class Attempt(Record):
    """A request that was sent for a call and did not give its response.

    Attributes:
        cause: why something was sent after it: a ``"retry"`` by the policy; a ``"replay"`` because the connection was
            dead; an ``"authentication"`` that answered its challenge; an ``"expectation"`` that nobody knew, left out; or
            a ``"hedge"`` that was faster.
        method: the request's.
        url: the request's.
        status_code: what came back, or None.
        headers: the header fields that came back, or None.
        error: what happened instead, or None.
        elapsed: seconds it took.
    """

    __slots__ = ("cause", "elapsed", "error", "headers", "method", "status_code", "url")

    cause: Cause
    method: str
    url: URL
    status_code: int | None
    headers: Headers | None
    error: BaseException | None
    elapsed: float

    def __init__(
        self,
        cause: Cause,
        method: str,
        url: URL,
        status_code: int | None = None,
        headers: Headers | None = None,
        error: BaseException | None = None,
        elapsed: float = 0.0,
    ) -> None:
        self._fill(cause, method, url, status_code, headers, error, elapsed)

    @classmethod
    def of(cls, cause: Cause, request: Request, outcome: Response | BaseException | None, elapsed: float) -> Attempt:
        """What is kept of a request and its outcome; None stands for a request that was given up."""
        if outcome is None:
            return cls(cause, request.method, request.url, elapsed=elapsed)
        if isinstance(outcome, BaseException):
            clear_traces(outcome)
            return cls(cause, request.method, request.url, error=outcome, elapsed=elapsed)
        sent = outcome._request or request
        return cls(cause, sent.method, sent.url, outcome.status_code, outcome.headers, None, elapsed)

    def __repr__(self) -> str:
        came = type(self.error).__name__ if self.error is not None else self.status_code or "given up"
        return f"<Attempt {self.method} {self.url.redacted}: {came}, {self.cause}>"


def clear_traces(error: BaseException) -> None:
    """Let go of the frames an error came through, and its causes: it is kept longer than they should be.

    Contexts are left alone: one of them may be an exception that the caller of all this is busy with.
    """
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        link.__traceback__ = None
        link = link.__cause__
