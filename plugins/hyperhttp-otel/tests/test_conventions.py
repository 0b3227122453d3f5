"""The names are those of the conventions, and a request is described by their rules."""

from __future__ import annotations

import pytest
from opentelemetry.semconv import schemas
from opentelemetry.semconv._incubating.attributes import (
    error_attributes,
    http_attributes,
    network_attributes,
    server_attributes,
    url_attributes,
    user_agent_attributes,
)
from opentelemetry.semconv._incubating.metrics import http_metrics

import hyperhttp
from hyperhttp import URL, Request
from hyperhttp_otel import conventions as names

ATTRIBUTES = {
    value
    for module in (
        error_attributes, http_attributes, network_attributes, server_attributes, url_attributes, user_agent_attributes,
    )
    for value in vars(module).values()
    if isinstance(value, str)
}  # fmt: skip
METRICS = {value for name, value in vars(http_metrics).items() if name.startswith("HTTP_CLIENT_")}
NAMES = {value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}


def test_every_name_is_one_of_the_conventions() -> None:
    templates = {names.REQUEST_HEADER.rstrip("."), names.RESPONSE_HEADER.rstrip(".")}
    others = {names.SCHEMA_URL, names.OTHER, names.REQUEST_HEADER, names.RESPONSE_HEADER}
    assert others == NAMES - ATTRIBUTES - METRICS
    assert templates <= ATTRIBUTES
    assert names.OPT_IN <= ATTRIBUTES | METRICS


def test_every_metric_of_the_conventions_for_clients_is_there() -> None:
    assert METRICS <= NAMES


def test_the_known_methods_are_those_of_the_conventions() -> None:
    values = {member.value for member in http_attributes.HttpRequestMethodValues}
    assert values == names.KNOWN_METHODS | {names.OTHER}


def test_the_schema_is_one_that_was_published() -> None:
    assert names.SCHEMA_URL in {schema.value for schema in schemas.Schemas}


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://a.example/path?color=blue#part", "https://a.example/path?color=blue#part"),
        ("https://a.example:8443/", "https://a.example:8443/"),
        ("https://user:secret@a.example/@x", "https://REDACTED:REDACTED@a.example/@x"),
        ("https://user@a.example/", "https://REDACTED:REDACTED@a.example/"),
        ("https://a.example/?color=blue&sig=abc", "https://a.example/?color=blue&sig=REDACTED"),
        ("https://a.example/?sig=a%3D%26b&sig=c#d", "https://a.example/?sig=REDACTED&sig=REDACTED#d"),
        ("https://a.example/?s%69g=abc", "https://a.example/?s%69g=REDACTED"),
        ("https://a.example/?sig", "https://a.example/?sig"),
        ("https://a.example/?SIG=abc&signature=d", "https://a.example/?SIG=abc&signature=d"),
        ("https://a.example/sig=abc", "https://a.example/sig=abc"),
    ],
)
def test_the_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    assert names.full_url(URL(url), names.SENSITIVE_QUERY_KEYS) == shown


@pytest.mark.parametrize(
    "key",
    [
        "AWSAccessKeyId", "Signature", "sig", "X-Goog-Signature", "X-Amz-Signature", "X-Amz-Credential",
        "X-Amz-Security-Token",
    ],
)  # fmt: skip
def test_the_seven_keys_are_not_shown(key: str) -> None:
    url = URL(f"https://a.example/?a=1&{key}=secret&b=2")
    shown = names.full_url(url, names.SENSITIVE_QUERY_KEYS)
    assert shown == f"https://a.example/?a=1&{key}=REDACTED&b=2"
    assert len(names.SENSITIVE_QUERY_KEYS) == 7


@pytest.mark.parametrize(
    ("url", "host", "server"),
    [
        ("http://a.example/", None, ("a.example", 80)),
        ("https://a.example/", None, ("a.example", 443)),
        ("https://a.example:8443/", "a.example:8443", ("a.example", 8443)),
        ("https://127.0.0.1:8443/", "b.example", ("b.example", 443)),
        ("http://127.0.0.1/", "b.example:81", ("b.example", 81)),
        ("http://[::1]:8080/", None, ("::1", 8080)),
        ("http://127.0.0.1:8080/", "[::1]:81", ("::1", 81)),
        ("http://a.example:8080/", "no host at all", ("a.example", 8080)),
    ],
)
def test_the_server_is_the_one_the_request_names(url: str, host: str | None, server: tuple[str, int]) -> None:
    assert names.server_of(Request("GET", url, headers={"Host": host} if host else None)) == server


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (hyperhttp.ReadTimeout("x"), "read_timeout"),
        (hyperhttp.DNSError("x"), hyperhttp.DNSError.kind),
        (ZeroDivisionError(), "ZeroDivisionError"),
        (type("URLError", (Exception,), {"__module__": "some.package"})(), "some.package.URLError"),
    ],
)
def test_an_error_has_a_stable_word(error: Exception, kind: str) -> None:
    assert names.error_type(error) == kind


@pytest.mark.parametrize(("given", "version"), [("HTTP/1.0", "1.0"), ("HTTP/1.1", "1.1"), ("HTTP/2", "2")])
def test_the_version_is_a_number(given: str, version: str) -> None:
    assert names.version_of(given) == version
