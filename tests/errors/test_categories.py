"""One classifier for everything that fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import hyperhttp
from hyperhttp import exceptions
from hyperhttp.errors.categories import ErrorCategory, categories_of, classify, classify_status
from hyperhttp.network.tls import tls_error
from hyperhttp.protocol.http2.errors import ErrorCode, goaway_error, remote_error, reset_error


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (hyperhttp.ConnectError(), "CONNECTION"),
        (hyperhttp.DNSError(), "CONNECTION"),
        (hyperhttp.ProxyError(), "CONNECTION"),
        (hyperhttp.AddressNotAllowed(), "CLIENT"),
        (hyperhttp.TLSError(), "TLS"),
        (hyperhttp.ReadError(), "TRANSIENT"),
        (hyperhttp.WriteError(), "TRANSIENT"),
        (hyperhttp.TransportError(), "TRANSIENT"),
        (hyperhttp.LocalProtocolError(), "CLIENT"),
        (hyperhttp.RemoteProtocolError(), "PROTOCOL"),
        (hyperhttp.DecodingError(), "PROTOCOL"),
        (hyperhttp.ConnectTimeout(), "TIMEOUT"),
        (hyperhttp.ReadTimeout(), "TIMEOUT"),
        (hyperhttp.WriteTimeout(), "TIMEOUT"),
        (hyperhttp.TotalTimeout(), "TIMEOUT"),
        (hyperhttp.PoolTimeout(), "CLIENT"),
        (hyperhttp.CircuitBreakerOpen(), "CLIENT"),
        (hyperhttp.TooManyRedirects(), "CLIENT"),
        (hyperhttp.InvalidURL(), "CLIENT"),
        (hyperhttp.StreamConsumed(), "CLIENT"),
        (hyperhttp.ClientClosed(), "CLIENT"),
        (hyperhttp.RetryError(original_exception=hyperhttp.ReadTimeout()), "TIMEOUT"),
        (hyperhttp.RetryError(), "CLIENT"),
        (hyperhttp.HTTPStatusError(response=hyperhttp.Response(503)), "SERVER"),
        (hyperhttp.HTTPStatusError(), "CLIENT"),
        (ConnectionRefusedError(), "CONNECTION"),
        (ConnectionResetError(), "TRANSIENT"),
        (TimeoutError(), "TIMEOUT"),
        (ValueError(), "CLIENT"),
        (asyncio.CancelledError(), "CLIENT"),
        (KeyboardInterrupt(), "CLIENT"),
    ],
)
def test_an_error_has_a_category(error: BaseException, category: str) -> None:
    assert classify(error) == category


@pytest.mark.parametrize(
    ("status", "category"),
    [
        (100, None), (200, None), (304, None), (400, "CLIENT"), (401, "CLIENT"), (404, "CLIENT"), (408, "TIMEOUT"),
        (421, "CLIENT"), (425, "TRANSIENT"), (429, "RATE_LIMIT"), (500, "SERVER"), (501, "SERVER"), (503, "SERVER"),
        (504, "SERVER"), (599, "SERVER"),
    ],
)  # fmt: skip
def test_a_response_has_the_category_of_its_status(status: int, category: str | None) -> None:
    assert classify(hyperhttp.Response(status)) == category
    assert classify_status(status) == category


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (reset_error(ErrorCode.REFUSED_STREAM), "TRANSIENT"),
        (reset_error(ErrorCode.CANCEL), "TRANSIENT"),
        (reset_error(ErrorCode.PROTOCOL_ERROR), "PROTOCOL"),
        (goaway_error(ErrorCode.NO_ERROR, b""), "TRANSIENT"),
        (goaway_error(ErrorCode.INADEQUATE_SECURITY, b""), "PROTOCOL"),
        (remote_error("a frame of no known kind", ErrorCode.NO_ERROR), "PROTOCOL"),
    ],
)
def test_a_peer_that_leaves_has_said_nothing_wrong(error: Exception, category: str) -> None:
    assert classify(error) == category


def test_a_handshake_that_is_broken_off_is_no_connection() -> None:
    assert classify(tls_error(ConnectionResetError(), "a.example")) == "CONNECTION"
    assert classify(tls_error(EOFError(), "a.example")) == "CONNECTION"
    assert classify(tls_error(OSError("odd"), "a.example")) == "TLS"


def test_a_proxy_that_will_say_no_again_is_the_clients_affair() -> None:
    error = hyperhttp.ProxyError("the proxy does not accept this user name and password")
    assert classify(error) == "CONNECTION"
    error.retryable = False
    assert classify(error) == "CLIENT"


def test_every_exception_of_the_library_has_a_category() -> None:
    classes: list[Any] = [getattr(exceptions, name) for name in exceptions.__all__]
    for error in classes:
        assert isinstance(classify(error()), ErrorCategory)


def test_a_category_is_its_name() -> None:
    assert ErrorCategory.TIMEOUT == "TIMEOUT"
    assert f"{ErrorCategory.RATE_LIMIT}" == "RATE_LIMIT"
    assert [*ErrorCategory] == [
        "TRANSIENT", "CONNECTION", "TIMEOUT", "SERVER", "RATE_LIMIT", "TLS", "PROTOCOL", "CLIENT",
    ]  # fmt: skip


def test_categories_are_found_by_name() -> None:
    assert categories_of(["timeout", "TLS", ErrorCategory.SERVER]) == {"TIMEOUT", "TLS", "SERVER"}
    assert categories_of(()) == frozenset()
    with pytest.raises(ValueError, match="no category 'TIMEOUTS'; there are: TRANSIENT"):
        categories_of(["TIMEOUTS"])
    with pytest.raises(TypeError, match=r"\['TIMEOUT'\]"):
        categories_of("TIMEOUT")
