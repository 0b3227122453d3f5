"""``max_retries=`` as requests' own adapter takes it: urllib3's `Retry` is asked after each attempt, and waits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import requests.exceptions as theirs
import urllib3.exceptions as below
from urllib3.util import Retry

import hyperhttp

if TYPE_CHECKING:
    from requests import PreparedRequest

    from hyperhttp_requests.raw import RawResponse

__all__ = ["Attempts", "is_unknown_scheme", "retries_of"]

#: A response that is not the last one is read to its end up to this size, so that its connection serves again.
_SMALL_REST: Final = 65_536


def retries_of(value: Any) -> Retry:
    """What ``max_retries=`` means.

    Args:
        value: how often connecting may be tried again, before anything was sent; or a `Retry` of urllib3, whose ``redirect``
            is not looked at: requests follows redirects itself.

    Raises:
        TypeError: it is neither.
        ValueError: it is negative.
    """
    if isinstance(value, Retry):
        return value
    if not isinstance(value, int) or value is True:
        msg = f"max_retries= takes a number or a Retry of urllib3, not {value!r}"
        raise TypeError(msg)
    if value < 0:
        msg = f"max_retries= takes a number that is not negative, not {value}"
        raise ValueError(msg)
    return Retry(int(value), read=False, status=0, other=0, respect_retry_after_header=False)


class Attempts:
    """The attempts at one request.

    Args:
        retries: says what is tried again.
        request: of requests.
        proxied: it goes through a proxy.

    Attributes:
        retries: with what is left, and the history so far.
    """

    def __init__(self, retries: Retry, request: PreparedRequest, *, proxied: bool) -> None:
        self.retries = retries
        self._request = request
        self._proxied = proxied

    def go_on_after_error(self, error: hyperhttp.HyperHTTPError, *, can_send: bool) -> bool:
        """Whether there is another attempt after a failed one; the time until then is over.

        Args:
            error: what it failed with.
            can_send: the content can be sent once more.
        """
        known = _error_below(error, self._request.url or "", proxied=self._proxied)
        if known is None or not can_send:
            return False
        try:
            self.retries = self.retries.increment(self._request.method, self._request.path_url, error=known)
        except below.HTTPError:  # no more of this kind, or of any
            return False
        self.retries.sleep()
        return True

    def go_on_after(self, raw: RawResponse, *, can_send: bool) -> bool:
        """The same after a response, which is closed then.

        Raises:
            RetryError: the last attempt had such a status too, and the `Retry` wants that raised.
            InvalidHeader: the server names a time to wait until that is none.
        """
        method = self._request.method or "GET"
        if not can_send or not self.retries.is_retry(method, raw.status, "Retry-After" in raw.headers):
            return False
        try:
            self.retries = self.retries.increment(method, self._request.path_url, response=raw)
        except below.MaxRetryError as error:
            if not self.retries.raise_on_status:
                return False
            _put_away(raw)
            raise theirs.RetryError(error, request=self._request) from error
        _put_away(raw)
        try:
            self.retries.sleep(raw)
        except below.InvalidHeader as error:
            raise theirs.InvalidHeader(error, request=self._request) from error
        return True


def _put_away(raw: RawResponse) -> None:
    if raw.length_remaining is not None and raw.length_remaining <= _SMALL_REST:
        raw.drain_conn()
    raw.close()


def _error_below(error: hyperhttp.HyperHTTPError, url: str, *, proxied: bool) -> Exception | None:
    """What urllib3 would have raised, which decides how a `Retry` counts it; None for what it never tries again."""
    if isinstance(error, hyperhttp.RetryError) and isinstance(error.original_exception, hyperhttp.HyperHTTPError):
        error = error.original_exception
    said = str(error)
    conn: Any = error.host or url
    pool: Any = conn
    if isinstance(error, (hyperhttp.AddressNotAllowed, hyperhttp.PoolTimeout)) or is_unknown_scheme(error):
        return None
    if isinstance(error, hyperhttp.ProxyError):
        return below.ProxyError(said, error)
    if isinstance(error, hyperhttp.ConnectTimeout) or _is_connecting(error):
        return below.ConnectTimeoutError(said)
    if isinstance(error, hyperhttp.ConnectError):
        failed = below.NewConnectionError(conn, said)
        return below.ProxyError(said, failed) if proxied else failed
    if isinstance(error, hyperhttp.TimeoutException):
        return below.ReadTimeoutError(pool, url, said)
    if isinstance(error, hyperhttp.TLSError):
        return below.SSLError(error)
    if isinstance(error, (hyperhttp.ReadError, hyperhttp.WriteError, hyperhttp.RemoteProtocolError)):
        return below.ProtocolError(said, error)
    return None


def is_unknown_scheme(error: hyperhttp.HyperHTTPError) -> bool:
    """Whether it says that nobody speaks the scheme of a proxy."""
    return isinstance(error, hyperhttp.ProxyError) and error.phase == "connect" and error.host is None


def _is_connecting(error: hyperhttp.HyperHTTPError) -> bool:
    return isinstance(error, hyperhttp.TotalTimeout) and error.phase == "connect"
