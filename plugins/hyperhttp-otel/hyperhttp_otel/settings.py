"""What is recorded, and of which requests: options of `OpenTelemetry`, and the environment where an option is not given."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from hyperhttp_otel.conventions import KNOWN_METHODS, OPT_IN, SENSITIVE_QUERY_KEYS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from hyperhttp import Headers, Request, Response

__all__ = ["HeaderCapture", "Settings"]

#: Fields that are credentials: their values are not shown, even where somebody captures all.
SECRET_HEADERS: Final = (
    "authorization", "proxy-authorization", "cookie", "set-cookie", "x-api-key", "x-auth-token", "x-csrf-token",
)  # fmt: skip
REDACTED: Final = "[REDACTED]"

_HEADERS: Final = "OTEL_INSTRUMENTATION_HTTP_CAPTURE_HEADERS_"


@dataclass(frozen=True, slots=True)
class Settings:
    """Options, checked and ready to be asked.

    Attributes:
        tracer_provider, meter_provider, propagator: instead of the global ones.
        call_spans: whether each call has a span around those of its attempts.
        opt_in: names of further metrics and attributes.
        known_methods: methods that are recorded as they are.
        sensitive_query: keys whose values are not shown.
        request_headers, response_headers: fields to record.
        excluded: URLs to leave alone.
        request_hook: called with the span and the request.
        response_hook: called with the span, the request and the response.
    """

    tracer_provider: Any = None
    meter_provider: Any = None
    propagator: Any = None
    call_spans: bool = False
    opt_in: frozenset[str] = frozenset()
    known_methods: frozenset[str] = KNOWN_METHODS
    sensitive_query: frozenset[str] = SENSITIVE_QUERY_KEYS
    request_headers: HeaderCapture | None = None
    response_headers: HeaderCapture | None = None
    excluded: re.Pattern[str] | None = None
    request_hook: Callable[[Any, Request], None] | None = None
    response_hook: Callable[[Any, Request, Response], None] | None = None

    @classmethod
    def of(cls, options: Mapping[str, Any], environ: Mapping[str, str] | None = None) -> Settings:
        """From the options of `OpenTelemetry`; what is missing or None is looked for in the environment.

        Raises:
            TypeError: an option is unknown.
            ValueError: a value is none that is known.
        """
        unknown = set(options) - _OPTIONS
        if unknown:
            msg = f"unknown options for OpenTelemetry: {', '.join(sorted(unknown))}"
            raise TypeError(msg)
        given = _Given(options, os.environ if environ is None else environ)
        sanitized = given.names("sanitized_headers", f"{_HEADERS}SANITIZE_FIELDS")
        call_spans = given.options.get("call_spans")
        if call_spans is None:
            call_spans = given.environ.get("HYPERHTTP_OTEL_CALL_SPANS", "").lower() in ("1", "true")
        methods = given.names("known_methods", "OTEL_INSTRUMENTATION_HTTP_KNOWN_METHODS")
        query = given.names("sensitive_query_keys")
        return cls(
            tracer_provider=given.options.get("tracer_provider"),
            meter_provider=given.options.get("meter_provider"),
            propagator=given.options.get("propagator"),
            call_spans=bool(call_spans),
            opt_in=_opted_in(given.names("opt_in", "HYPERHTTP_OTEL_OPT_IN") or ()),
            known_methods=KNOWN_METHODS if methods is None else frozenset(methods),
            sensitive_query=SENSITIVE_QUERY_KEYS if query is None else frozenset(query),
            request_headers=HeaderCapture.of(
                given.names("captured_request_headers", f"{_HEADERS}CLIENT_REQUEST"), sanitized
            ),
            response_headers=HeaderCapture.of(
                given.names("captured_response_headers", f"{_HEADERS}CLIENT_RESPONSE"), sanitized
            ),
            excluded=_excluded(given),
            request_hook=given.options.get("request_hook"),
            response_hook=given.options.get("response_hook"),
        )


_OPTIONS: Final = frozenset(
    {
        "tracer_provider", "meter_provider", "propagator", "call_spans", "opt_in", "known_methods",
        "sensitive_query_keys", "captured_request_headers", "captured_response_headers", "sanitized_headers",
        "excluded_urls", "request_hook", "response_hook",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Given:
    """Options, and the variables that stand in for them."""

    options: Mapping[str, Any]
    environ: Mapping[str, str]

    def names(self, option: str, *variables: str) -> tuple[str, ...] | None:
        """A list of names: of the option, else of the first variable that is set; None where nothing is."""
        value: str | Iterable[str] | None = self.options.get(option)
        for variable in variables:
            if value is None:
                value = self.environ.get(variable)
        if value is None:
            return None
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return tuple(value)


class HeaderCapture:
    """Which header fields are recorded, and which of those without their values.

    Args:
        names: regular expressions for whole names, whatever the case.
        sanitized: the same, for values that are not to be seen, on top of those of credentials.
    """

    __slots__ = ("_names", "_secret")

    def __init__(self, names: Iterable[str], sanitized: Iterable[str] = ()) -> None:
        self._names = _any_of(names)
        self._secret = _any_of((*SECRET_HEADERS, *sanitized))

    @classmethod
    def of(cls, names: tuple[str, ...] | None, sanitized: tuple[str, ...] | None) -> HeaderCapture | None:
        """None where no field is to be recorded."""
        return cls(names, sanitized or ()) if names else None

    def attributes(self, prefix: str, headers: Headers) -> dict[str, list[str]]:
        """Values by attribute: the prefix and the name in lower case."""
        found: dict[str, list[str]] = {}
        for name, value in headers.multi_items():
            if self._names.fullmatch(name):
                shown = REDACTED if self._secret.fullmatch(name) else value
                found.setdefault(f"{prefix}{name.lower()}", []).append(shown)
        return found


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns), re.IGNORECASE)


def _opted_in(patterns: Iterable[str]) -> frozenset[str]:
    """The names that are meant; ``*`` stands for any part of one."""
    chosen: set[str] = set()
    for pattern in patterns:
        names = {name for name in OPT_IN if fnmatchcase(name, pattern)}
        if not names:
            msg = f"opt_in: {pattern!r} is none of {', '.join(sorted(OPT_IN))}"
            raise ValueError(msg)
        chosen |= names
    return frozenset(chosen)


def _excluded(given: _Given) -> re.Pattern[str] | None:
    patterns = given.names("excluded_urls", "OTEL_PYTHON_HYPERHTTP_EXCLUDED_URLS", "OTEL_PYTHON_EXCLUDED_URLS")
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns)) if patterns else None
