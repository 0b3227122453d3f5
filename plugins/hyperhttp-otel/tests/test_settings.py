"""Options, and the variables that stand in for them."""

from __future__ import annotations

import pytest

from hyperhttp import Headers
from hyperhttp_otel.conventions import ACTIVE_REQUESTS, KNOWN_METHODS, OPT_IN, SENSITIVE_QUERY_KEYS, URL_SCHEME
from hyperhttp_otel.settings import HeaderCapture, Settings


def settings(environ: dict[str, str] | None = None, **options: object) -> Settings:
    return Settings.of(options, environ or {})


def test_nothing_given_is_the_conventions_word() -> None:
    plain = settings()
    assert plain == Settings()
    assert (plain.known_methods, plain.sensitive_query) == (KNOWN_METHODS, SENSITIVE_QUERY_KEYS)
    assert not plain.call_spans
    assert not plain.opt_in


def test_an_unknown_option_is_an_error() -> None:
    with pytest.raises(TypeError, match="unknown options for OpenTelemetry: propagators"):
        settings(propagators=None)


def test_choices_are_names_or_patterns() -> None:
    assert settings(opt_in=[ACTIVE_REQUESTS, URL_SCHEME]).opt_in == {ACTIVE_REQUESTS, URL_SCHEME}
    assert settings(opt_in="*").opt_in == OPT_IN
    assert settings(opt_in="http.client.*").opt_in == {name for name in OPT_IN if name.startswith("http.client.")}
    assert settings({"HYPERHTTP_OTEL_OPT_IN": f"{URL_SCHEME}, {ACTIVE_REQUESTS}"}).opt_in == {
        URL_SCHEME,
        ACTIVE_REQUESTS,
    }


def test_a_choice_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"'http\.server\.\*' is none of http\.client\.active_requests, "):
        settings(opt_in=["http.server.*"])


@pytest.mark.parametrize(
    ("environ", "options", "wanted"),
    [
        ({}, {}, False),
        ({"HYPERHTTP_OTEL_CALL_SPANS": "true"}, {}, True),
        ({"HYPERHTTP_OTEL_CALL_SPANS": "1"}, {"call_spans": False}, False),
        ({"HYPERHTTP_OTEL_CALL_SPANS": "no"}, {}, False),
        ({}, {"call_spans": True}, True),
    ],
)
def test_spans_of_calls_are_asked_for(environ: dict[str, str], options: dict[str, bool], wanted: bool) -> None:
    assert settings(environ, **options).call_spans is wanted


def test_the_known_methods_are_replaced_as_a_whole() -> None:
    environ = {"OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS": "GET, BREW"}
    assert settings(environ).known_methods == {"GET", "BREW"}
    assert settings(environ, known_methods=["PUT"]).known_methods == {"PUT"}
    assert settings(known_methods=[]).known_methods == frozenset()


def test_the_sensitive_keys_are_replaced_as_a_whole() -> None:
    assert settings(sensitive_query_keys=["token"]).sensitive_query == {"token"}


@pytest.mark.parametrize(
    ("environ", "url", "excluded"),
    [
        ({"OTEL_PYTHON_HYPERHTTP_EXCLUDED_URLS": "health, /ping$"}, "http://a.example/ping", True),
        ({"OTEL_PYTHON_EXCLUDED_URLS": "health"}, "http://a.example/healthz", True),
        ({"OTEL_PYTHON_EXCLUDED_URLS": "health"}, "http://a.example/get", False),
        (
            {"OTEL_PYTHON_HYPERHTTP_EXCLUDED_URLS": "ping", "OTEL_PYTHON_EXCLUDED_URLS": "health"},
            "http://a.example/health",
            False,
        ),
    ],
)
def test_urls_are_left_alone(environ: dict[str, str], url: str, excluded: bool) -> None:
    pattern = settings(environ).excluded
    assert pattern is not None
    assert bool(pattern.search(url)) is excluded
    assert settings().excluded is None


HEADERS = Headers([("Content-Type", "text/plain"), ("X-Tag", "a"), ("x-tag", "b"), ("Authorization", "Basic x")])


def test_captured_fields_are_lists_by_their_names_in_lower_case() -> None:
    capture = HeaderCapture(["content-type", "X-TAG"])
    assert capture.attributes("http.request.header.", HEADERS) == {
        "http.request.header.content-type": ["text/plain"],
        "http.request.header.x-tag": ["a", "b"],
    }


def test_credentials_are_never_shown() -> None:
    shown = HeaderCapture([".*"]).attributes("h.", HEADERS)
    assert shown["h.authorization"] == ["[REDACTED]"]
    assert shown["h.x-tag"] == ["a", "b"]


def test_names_are_whole_names() -> None:
    assert HeaderCapture(["x-.*", "content"]).attributes("h.", HEADERS) == {"h.x-tag": ["a", "b"]}


def test_fields_to_capture_come_from_the_usual_variables() -> None:
    given = settings(
        {
            "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_REQUEST": "content-type,x-.*",
            "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_CLIENT_RESPONSE": "x-tag",
            "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_SANITIZE_FIELDS": "x-t.*",
        }
    )
    assert given.request_headers is not None
    assert given.response_headers is not None
    assert given.request_headers.attributes("", HEADERS) == {
        "content-type": ["text/plain"],
        "x-tag": ["[REDACTED]", "[REDACTED]"],
    }
    assert given.response_headers.attributes("", HEADERS) == {"x-tag": ["[REDACTED]", "[REDACTED]"]}
    assert settings().request_headers is None
