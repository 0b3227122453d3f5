"""Our exceptions in the words of requests, and those of its layer below for what goes wrong while content is read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import requests.exceptions as theirs
import urllib3.exceptions as below

import hyperhttp

if TYPE_CHECKING:
    from requests import PreparedRequest

__all__ = ["below_from", "requests_from"]

#: The nearest base class decides. A pool that stays full is, as in requests, a failure to connect that may be repeated.
_TABLE: Final[dict[type[Exception], type[theirs.RequestException]]] = {
    hyperhttp.ConnectTimeout: theirs.ConnectTimeout,
    hyperhttp.PoolTimeout: theirs.ConnectTimeout,
    hyperhttp.ReadTimeout: theirs.ReadTimeout,
    hyperhttp.TimeoutException: theirs.Timeout,
    hyperhttp.TLSError: theirs.SSLError,
    hyperhttp.ProxyError: theirs.ProxyError,
    hyperhttp.LocalProtocolError: theirs.InvalidHeader,
    hyperhttp.InvalidURL: theirs.InvalidURL,
    hyperhttp.DecodingError: theirs.ContentDecodingError,
    hyperhttp.CircuitBreakerOpen: theirs.ConnectionError,
    hyperhttp.TransportError: theirs.ConnectionError,
    hyperhttp.HyperHTTPError: theirs.RequestException,
}


def requests_from(
    error: hyperhttp.HyperHTTPError, request: PreparedRequest, *, proxied: bool = False
) -> theirs.RequestException:
    """The exception of requests for one of ours; the last failure stands for all attempts of a retried request.

    Args:
        error: ours; the argument of theirs.
        request: what was sent.
        proxied: it went through a proxy, so that a failure to connect is the proxy's.
    """
    if isinstance(error, hyperhttp.RetryError) and isinstance(error.original_exception, hyperhttp.HyperHTTPError):
        return requests_from(error.original_exception, request, proxied=proxied)
    kind = next(_TABLE[base] for base in type(error).__mro__ if base in _TABLE)
    if proxied and isinstance(error, hyperhttp.ConnectError):
        kind = theirs.ProxyError
    return kind(error, request=request)


def below_from(error: hyperhttp.HyperHTTPError, url: str) -> Exception:
    """The exception of urllib3 for a failure while content is read, which requests takes for its own."""
    if isinstance(error, hyperhttp.TimeoutException):
        pool: Any = type(error).__name__  # what its text begins with
        return below.ReadTimeoutError(pool, url, str(error))
    if isinstance(error, hyperhttp.TLSError):
        return below.SSLError(error)
    return below.ProtocolError(f"Connection broken: {error}", error)
