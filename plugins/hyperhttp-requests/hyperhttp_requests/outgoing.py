"""A prepared request of requests as a request of ours, and its timeout and proxy as options."""

from __future__ import annotations

import io
import os
from functools import partial
from typing import TYPE_CHECKING, Any

from requests.exceptions import InvalidProxyURL
from requests.utils import prepend_scheme_if_needed, select_proxy
from urllib3.util import SKIP_HEADER, Timeout

import hyperhttp

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from requests import PreparedRequest

__all__ = ["check_files", "proxy_of", "request_from", "timeout_of"]


def request_from(request: PreparedRequest) -> hyperhttp.Request:
    """Our request: the same method, URL, fields and content.

    Raises:
        HyperHTTPError: it cannot be sent.
    """
    fields = [(name, value) for name, value in request.headers.items() if value != SKIP_HEADER]
    body: Any = request.body
    if isinstance(body, str):
        body = body.encode()
    if isinstance(body, bytes) and not body and "Transfer-Encoding" not in request.headers:
        body = None
    elif isinstance(body, io.TextIOBase):
        body = _Pieces(iter(partial(body.read, 65536), ""))
    elif body is not None and not isinstance(body, (bytes, bytearray)) and not hasattr(body, "read"):
        body = _Pieces(iter(body))
    return hyperhttp.Request(request.method or "GET", request.url or "", headers=fields, content=body)


class _Pieces:
    """Pieces of content as bytes; requests takes text as well. They are given once."""

    def __init__(self, pieces: Iterator[Any]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        piece = next(self._pieces)
        return piece.encode() if isinstance(piece, str) else piece


def timeout_of(given: Any) -> hyperhttp.Timeout:
    """The limits for what requests takes: seconds for connecting and for reading, a pair of both, or urllib3's `Timeout`.

    Raises:
        ValueError: it is none of these.
    """
    total = None
    if isinstance(given, Timeout):
        given = given.clone()
        total = _seconds(given.total)
        given.start_connect()
        connect, read = _seconds(given.connect_timeout), _seconds(given.read_timeout)
    elif isinstance(given, tuple):
        if len(given) != 2:
            msg = (
                f"Invalid timeout {given}. Pass a (connect, read) timeout tuple, "
                "or a single float to set both timeouts to the same value."
            )
            raise ValueError(msg)
        connect, read = given
    else:
        connect = read = given
    try:
        return hyperhttp.Timeout(connect=connect, read=read, write=read, total=total)
    except TypeError as error:
        msg = f"Timeout value was {given!r}, but it must be an int, float or None."
        raise ValueError(msg) from error


def check_files(verify: Any, cert: Any) -> None:
    """Look for the files of certificates that a request names, as requests does.

    Raises:
        OSError: there is none.
    """
    if isinstance(verify, (str, os.PathLike)) and not os.path.exists(verify):  # noqa: PTH110 - a path as it was given
        msg = f"Could not find a suitable TLS CA certificate bundle, invalid path: {verify}"
        raise OSError(msg)
    paths = cert if isinstance(cert, tuple) else (cert,)
    for what, path in zip(("certificate", "key"), paths, strict=False):
        if path is not None and not os.path.exists(path):  # noqa: PTH110 - the same
            msg = f"Could not find the TLS {what} file, invalid path: {path}"
            raise OSError(msg)


def _seconds(value: Any) -> float | None:
    """A limit of urllib3's, whose default is a marker and means none here."""
    return float(value) if isinstance(value, (int, float)) and not hasattr(value, "token") else None


def proxy_of(request: PreparedRequest, proxies: dict[str, str] | None) -> str | None:
    """The proxy for a request, as requests chooses it.

    Raises:
        InvalidProxyURL: its URL has no host.
    """
    proxy = select_proxy(request.url or "", proxies)
    if not proxy:
        return None
    proxy = prepend_scheme_if_needed(proxy, "http")
    try:
        url = hyperhttp.URL(proxy)
    except hyperhttp.InvalidURL as error:
        msg = "Please check proxy URL. It is malformed and could be missing the host."
        raise InvalidProxyURL(msg, request=request) from error
    if not url.host:
        msg = "Please check proxy URL. It is malformed and could be missing the host."
        raise InvalidProxyURL(msg, request=request)
    return proxy
