"""Cookies: what a jar takes from Set-Cookie, from the user and from a file, and where it sends it."""

from __future__ import annotations

import math

from hyperhttp import URL, Cookies, Headers, InvalidURL, LocalProtocolError
from hyperhttp.message import cookies as jars
from hyperhttp.message.cookie_date import parse_cookie_date
from hyperhttp.message.set_cookie import MAX_COOKIE_SIZE, parse_set_cookie, restore_cookie
from tests.fuzz.supply import Supply

__all__ = ["cookies"]

_NOW = 1_700_000_000.0
_ORIGINS = [
    URL(text)
    for text in (
        "https://www.a.example/dir/page", "http://www.a.example/", "https://a.example/x/y?z", "http://127.0.0.1/",
        "https://[::1]:8443/dir/", "https://b.co.uk/", "https://x.github.io/", "http://localhost/",
        "https://xn--bcher-kva.example/",
    )
]  # fmt: skip


def cookies(data: bytes) -> None:
    """Steps separated by ``|``: Set-Cookie from an origin, a name and a value from the user, or a date."""
    supply = Supply(data)
    jar = Cookies()
    while supply:
        kind = supply.byte()
        line = supply.line()
        if kind % 4 == 3:
            _set(jar, line)
        elif kind % 4 == 2:
            moment = parse_cookie_date(line.decode("latin-1"))
            assert moment is None or math.isfinite(moment)
        else:
            _extract(jar, _ORIGINS[kind // 4 % len(_ORIGINS)], line)
        for origin in _ORIGINS:
            _send(jar, origin)
    _check_bounds(jar)
    _save(jar)


def _extract(jar: Cookies, origin: URL, line: bytes) -> None:
    cookie = parse_set_cookie(line.decode("latin-1"), origin, _NOW)
    jar.extract(origin, [line], now=_NOW)
    if cookie is None:
        return
    assert cookie.domain == origin.host or origin.host.endswith(f".{cookie.domain}")
    assert cookie.domain not in {"example", "co.uk", "uk", "github.io", "com"}
    assert cookie.host_only or "." in cookie.domain
    assert cookie.path.startswith("/")
    assert len(cookie.pair) <= MAX_COOKIE_SIZE + 1
    assert not cookie.secure or origin.scheme == "https" or origin.host in {"localhost", "127.0.0.1"}
    assert cookie.expires is None or cookie.expires <= _NOW + 400 * 86400


def _set(jar: Cookies, line: bytes) -> None:
    name, _, value = line.decode("utf-8", "surrogateescape").partition("=")
    try:
        jar.set(name, value, domain="a.example")
    except (LocalProtocolError, InvalidURL):
        return
    assert jar.get(name, domain="a.example") == value or not f"{name}{value}".isprintable()


def _send(jar: Cookies, origin: URL) -> None:
    line = jar.header_for(origin, now=_NOW)
    if line is None:
        return
    assert 0 < len(line) <= jars._MAX_LINE
    # What is stored may be sent: no control characters, one byte per character.
    assert Headers([("Cookie", line)]).raw[0][1].strip() == line.encode("latin-1").strip()
    for cookie in jar.all():
        if cookie.secure and origin.scheme == "http" and origin.host not in {"localhost", "127.0.0.1"}:
            assert cookie.pair not in line.split("; ") or any(
                other.pair == cookie.pair and not other.secure for other in jar.all()
            )


def _check_bounds(jar: Cookies) -> None:
    assert len(jar._plans) <= jars._MAX_PLANS
    assert len(jar._stored()) <= jars._MAX_TOTAL
    assert all(len(bucket) <= jars._MAX_PER_DOMAIN for domain, bucket in jar._domains.items() if domain)
    assert all(jar._domains.values())
    assert Cookies(jar) == jar
    repr(jar)


def _save(jar: Cookies) -> None:
    """Each cookie survives being written down and read back."""
    for cookie in jar.all():
        saved = {name: getattr(cookie, name) for name in jars._SAVED}
        again = restore_cookie(**saved)
        assert {name: getattr(again, name) for name in jars._SAVED} == saved
