"""How an exchange fails, whichever version of HTTP it is in, and how long content waits for a word."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from hyperhttp.exceptions import ReadTimeout, TotalTimeout, WriteError, WriteTimeout

if TYPE_CHECKING:
    from hyperhttp.exceptions import HyperHTTPError
    from hyperhttp.message.request import Request

__all__ = [
    "CONTINUE_PATIENCE",
    "UnansweredError",
    "length_error",
    "locate",
    "read_timeout",
    "total_timeout",
    "waits_for_continue",
    "write_timeout",
]

#: Seconds that content waits for 100 (Continue): many servers do not know the expectation (RFC 9110 section 10.1.1).
CONTINUE_PATIENCE: Final = 1.0


class UnansweredError(Exception):
    """An exchange failed before any of its response: it may be sent again.

    Attributes:
        error: what to raise if it is not.
        surely_unprocessed: the peer said, or could not but have left, the request untouched.
        was_sent: it left this side.
        needs_http1: the peer wants this request over HTTP/1.1 (RFC 9113 section 7).
        others_served: the peer took other requests of this connection, so asking again leads somewhere.
    """

    def __init__(
        self,
        error: HyperHTTPError,
        *,
        surely_unprocessed: bool,
        was_sent: bool = True,
        needs_http1: bool = False,
        others_served: bool = False,
    ) -> None:
        super().__init__(str(error))
        self.others_served = others_served
        self.was_sent = was_sent
        self.needs_http1 = needs_http1
        self.error = error
        self.surely_unprocessed = surely_unprocessed


def waits_for_continue(request: Request) -> bool:
    """Whether the content is held back until the server says that it wants it."""
    content = request._content
    expected = request.headers.get("expect")
    return expected is not None and expected.lower() == "100-continue" and content is not None and content.length != 0


def locate(error: HyperHTTPError, lane: Any) -> None:
    """Say in an error of the protocol's engine, which knows bytes alone, who it is about."""
    error.host, error.port = lane.host, lane.port
    if lane.name not in str(error):
        error.args = (f"{lane.name}: {error}",)


def total_timeout(lane: Any, phase: str, elapsed: float) -> TotalTimeout:
    """The call's own limit has passed, `elapsed` seconds after the request was sent."""
    when = f"{elapsed:.3g} s after the request was sent, while waiting for the {phase}"
    msg = f"the call to {lane.name} reached its total timeout {when}"
    return TotalTimeout(msg, host=lane.host, port=lane.port, phase=phase, elapsed=elapsed)


def read_timeout(lane: Any, phase: str, limit: float) -> ReadTimeout:
    """The peer was silent for too long."""
    msg = f"{lane.name} sent nothing for {limit:g} s while waiting for the {phase}"
    return ReadTimeout(msg, host=lane.host, port=lane.port, phase=phase, limit=limit)


def write_timeout(lane: Any, limit: float) -> WriteTimeout:
    """The peer has taken nothing for too long."""
    msg = f"{lane.name} took no bytes for {limit:g} s"
    return WriteTimeout(msg, host=lane.host, port=lane.port, phase="write", limit=limit)


def length_error(lane: Any, length: int, *, more: bool) -> WriteError:
    """The content has more or fewer bytes than were announced."""
    msg = f"the request content has {'more' if more else 'fewer'} bytes than its length says ({length})"
    return WriteError(msg, host=lane.host, port=lane.port, phase="write")
