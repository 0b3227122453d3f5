"""What kind of failure an error or a response is: one classifier for retries, circuit breakers and telemetry.

A category answers two questions at once: who is at fault, and whether the same request may fare better later. Statuses
are those of RFC 9110 section 15, 425 is RFC 8470's and 429 is RFC 6585's.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from hyperhttp.exceptions import (
    AddressNotAllowed,
    ConnectError,
    DecodingError,
    HTTPStatusError,
    LocalProtocolError,
    PoolTimeout,
    ProtocolError,
    ProxyError,
    RetryError,
    TimeoutException,
    TLSError,
    TransportError,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hyperhttp.message.response import Response

__all__ = ["ErrorCategory", "categories_of", "classify", "classify_status"]


class ErrorCategory(StrEnum):
    """The kinds of failure. Each equals its name, so that ``"TIMEOUT"`` may be written for `TIMEOUT`."""

    #: The connection broke in the middle of an exchange, or the server said "not yet" (425).
    TRANSIENT = "TRANSIENT"
    #: No connection: refused, unreachable, unresolvable, broken off in the handshake, or the proxy failed.
    CONNECTION = "CONNECTION"
    #: A limit of `Timeout` passed, or the server gave up waiting (408).
    TIMEOUT = "TIMEOUT"
    #: The server failed (5xx).
    SERVER = "SERVER"
    #: The server wants fewer requests (429).
    RATE_LIMIT = "RATE_LIMIT"
    #: The handshake failed, or the certificate was not accepted.
    TLS = "TLS"
    #: The peer does not follow the protocol, or its content cannot be decoded.
    PROTOCOL = "PROTOCOL"
    #: The request itself, or the program around it: sending it again changes nothing, and the server is well.
    CLIENT = "CLIENT"


#: By exception, the first that fits. What fits none is the caller's: a hook's exception, cancellation, an open breaker.
_BY_ERROR: Final[tuple[tuple[type[BaseException], ErrorCategory], ...]] = (
    (PoolTimeout, ErrorCategory.CLIENT),  # there are too many calls here; no server has been asked
    (TimeoutException, ErrorCategory.TIMEOUT),
    (AddressNotAllowed, ErrorCategory.CLIENT),
    (ConnectError, ErrorCategory.CONNECTION),
    (TLSError, ErrorCategory.TLS),
    (LocalProtocolError, ErrorCategory.CLIENT),
    (ProtocolError, ErrorCategory.PROTOCOL),
    (DecodingError, ErrorCategory.PROTOCOL),
    (TransportError, ErrorCategory.TRANSIENT),
    # What transports of other people raise.
    (TimeoutError, ErrorCategory.TIMEOUT),
    (ConnectionRefusedError, ErrorCategory.CONNECTION),
    (ConnectionError, ErrorCategory.TRANSIENT),
)

_BY_STATUS: Final = {
    408: ErrorCategory.TIMEOUT,
    425: ErrorCategory.TRANSIENT,
    429: ErrorCategory.RATE_LIMIT,
}


def classify(outcome: Response | BaseException) -> ErrorCategory | None:
    """The category of an error or a response.

    Args:
        outcome: an exception, or a response. An `HTTPStatusError` is what its response is, a `RetryError` what the
            last attempt failed with.

    Returns:
        The category; None for a response that is no error.
    """
    if not isinstance(outcome, BaseException):
        return classify_status(outcome.status_code)
    if isinstance(outcome, HTTPStatusError) and outcome.response is not None:
        return classify_status(outcome.response.status_code)
    if isinstance(outcome, RetryError) and outcome.original_exception is not None:
        return classify(outcome.original_exception)
    if isinstance(outcome, ProtocolError) and outcome.retryable:
        return ErrorCategory.TRANSIENT  # nothing wrong was said: the peer left, or ended the request with good reason
    if isinstance(outcome, TLSError) and outcome.retryable:
        return ErrorCategory.CONNECTION  # the peer broke off the handshake without saying why
    if isinstance(outcome, ProxyError) and not outcome.retryable:
        return ErrorCategory.CLIENT  # it minds the credentials or the target, and will the next time
    for kind, category in _BY_ERROR:
        if isinstance(outcome, kind):
            return category
    return ErrorCategory.CLIENT


def classify_status(status_code: int) -> ErrorCategory | None:
    """The category of a status code; None below 400."""
    if status_code < 400:
        return None
    if status_code >= 500:
        return ErrorCategory.SERVER
    return _BY_STATUS.get(status_code, ErrorCategory.CLIENT)


def categories_of(names: Iterable[str]) -> frozenset[ErrorCategory]:
    """Categories by name, in upper or lower case.

    Raises:
        TypeError: `names` is one string.
        ValueError: there is no category of that name.
    """
    if isinstance(names, str):
        msg = f"categories are a list of names, such as [{names!r}], not one string"
        raise TypeError(msg)
    return frozenset(_category(name) for name in names)


def _category(name: str) -> ErrorCategory:
    try:
        return ErrorCategory(str(name).upper())
    except ValueError as error:
        msg = f"there is no category {name!r}; there are: {', '.join(ErrorCategory)}"
        raise ValueError(msg) from error
