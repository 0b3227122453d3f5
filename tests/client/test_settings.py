"""The constructor's options: checked once, refused early, turned into what requests need."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from hyperhttp import Cookies, Timeout
from hyperhttp._version import __version__
from hyperhttp.client.settings import Settings, http2_of, redirects_of
from hyperhttp.exceptions import InvalidURL, LocalProtocolError


def settings(**options: Any) -> Settings:
    return Settings(options)  # type: ignore[arg-type]


def test_what_holds_when_nothing_is_said() -> None:
    made = settings()
    assert made.timeout == Timeout(30.0)
    assert made.headers["User-Agent"] == f"hyperhttp/{__version__}"
    assert made.headers["Accept"] == "*/*"
    assert "gzip" in made.headers["Accept-Encoding"]
    assert "connection" not in made.headers
    assert (made.auth, made.hooks, made.base_url, made.params) == (None, None, None, None)
    assert (made.http2, made.max_redirects, made.downgrade, made.trust_env) == (True, 0, False, True)
    limits = made.limits
    assert (limits.max_connections, limits.max_connections_per_host, limits.max_keepalive_connections) == (
        100,
        None,
        20,
    )
    assert (limits.keepalive_expiry, limits.max_connection_age, made.delay) == (120.0, None, 0.25)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"timeout": 5}, Timeout(5.0)),
        ({"timeout": None}, Timeout(None)),
        ({"timeout": Timeout(read=1.0)}, Timeout(read=1.0)),
        ({"connect_timeout": 2.0}, Timeout(30.0, connect=2.0)),
        ({"timeout": 5, "connect_timeout": 2.0}, Timeout(5.0, connect=2.0)),
    ],
)
def test_timeouts(options: Any, expected: Timeout) -> None:
    assert settings(**options).timeout == expected


@pytest.mark.parametrize(
    ("options", "agent"),
    [
        ({"headers": {"user-agent": "mine"}}, "mine"),
        ({"user_agent": "mine/1"}, "mine/1"),
        ({"user_agent": "wins", "headers": {"User-Agent": "loses"}}, "wins"),
    ],
)
def test_who_sends(options: Any, agent: str) -> None:
    assert settings(**options).headers.get_list("User-Agent") == [agent]


@pytest.mark.parametrize("options", [{"headers": {"X": "a\r\nb"}}, {"user_agent": "a\nb"}, {"headers": {"X Y": "a"}}])
def test_fields_that_cannot_be_sent_are_refused_at_once(options: Any) -> None:
    with pytest.raises(LocalProtocolError):
        settings(**options)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("http://a.example/v1", "http://a.example/v1/"),
        ("http://a.example/v1/", "http://a.example/v1/"),
    ],
)
def test_a_base_url_ends_with_a_slash(given: str, kept: str) -> None:
    assert str(settings(base_url=given).base_url) == kept


@pytest.mark.parametrize("url", ["/path", "a.example", "ftp://a.example/", "http://", "mailto:x"])
def test_a_base_url_needs_scheme_and_host(url: str) -> None:
    with pytest.raises(InvalidURL):
        settings(base_url=url)


def test_a_jar_is_used_as_it_is_and_a_mapping_makes_one() -> None:
    jar = Cookies()
    assert settings(cookies=jar).cookies is jar
    assert dict(settings(cookies={"a": "1"}).cookies) == {"a": "1"}


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("max_connections", 0),
        ("max_connections_per_host", -1),
        ("max_keepalive_connections", -1),
        ("keepalive_expiry", -1),
        ("max_connection_age", 0),
        ("max_redirects", -1),
        ("max_redirects", 1.5),
        ("max_redirects", True),
        ("happy_eyeballs_delay", -0.1),
        ("happy_eyeballs_delay", float("nan")),
        ("dns_ttl", "1"),
        ("max_response_size", -1),
        ("max_response_size", 1.0),
        ("max_decompression_ratio", -1),
        ("max_decompression_ratio", "high"),
        ("http2", "yes"),
        ("http2", 1),
        ("http2", None),
        ("follow_redirects", "yes"),
        ("follow_redirects", 1),
        ("timeout", -1),
        ("timeout", "5"),
        ("auth", "token"),
        ("auth", ("a", "b", "c")),
        ("verify", None),
        ("ssl_context", "ca.pem"),
        ("event_hooks", {"requests": []}),
        ("event_hooks", {"request": [1]}),
        ("cert", 5),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_at_once(option: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError), match=r"\w"):
        settings(**{option: value})


@pytest.mark.parametrize("options", [{"verify": False}, {"cert": "x.pem"}])
def test_a_context_and_what_would_make_one_exclude_each_other(options: Any) -> None:
    with pytest.raises(TypeError, match="not both"):
        settings(ssl_context=ssl.create_default_context(), **options)


def test_a_context_is_used_as_it_is() -> None:
    context = ssl.create_default_context()
    assert settings(ssl_context=context).tls is context


def test_a_missing_certificate_file_is_known_at_once() -> None:
    from hyperhttp.exceptions import TLSError

    for options in ({"verify": "/nowhere/ca.pem"}, {"cert": "/nowhere/cert.pem"}):
        with pytest.raises(TLSError, match="nowhere"):
            settings(**options)


# -- small readers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "result"), [(True, (7, False)), (False, (0, False)), ("downgrade", (7, True))])
def test_redirects(value: Any, result: Any) -> None:
    assert redirects_of(value, 7) == result


@pytest.mark.parametrize("value", [True, False, "prior-knowledge"])
def test_http2(value: Any) -> None:
    assert http2_of(value) == value


def test_what_holds_attempts_back_is_off_by_default() -> None:
    assert (settings().breaker, settings().limiter) == (None, None)
    assert settings(circuit_breaker_manager=None, rate_limit=None).limiter is None


def test_a_circuit_breaker_is_taken_as_it_is() -> None:
    from hyperhttp.errors.circuit_breaker import DomainCircuitBreakerManager

    breaker = DomainCircuitBreakerManager()
    assert settings(circuit_breaker_manager=breaker).breaker is breaker
    with pytest.raises(TypeError, match="circuit_breaker_manager"):
        settings(circuit_breaker_manager=True)


def test_a_rate_limit_becomes_a_limiter_of_the_clients_own() -> None:
    from hyperhttp.errors.rate_limit import RateLimit, RateLimiter

    limiter = RateLimiter(5)
    assert settings(rate_limit=limiter).limiter is limiter
    first, second = settings(rate_limit=RateLimit(5)).limiter, settings(rate_limit=5).limiter
    assert first is not None
    assert second is not None
    assert first is not second
    assert first.limit_for("h", 1) == second.limit_for("h", 1) == RateLimit(5)
    with pytest.raises(TypeError, match="rate limit"):
        settings(rate_limit="5/s")
