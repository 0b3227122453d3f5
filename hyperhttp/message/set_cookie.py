"""One cookie: from the value of Set-Cookie to a checked `Cookie` (RFC 6265bis, Sections 5.1 to 5.7).

Everything here takes time in proportion to its input. Text from the wire has a character for each byte, so
that values in any encoding go back to the server as they came.
"""

from __future__ import annotations

import itertools
import re
from typing import TYPE_CHECKING, Final

from hyperhttp.exceptions import LocalProtocolError

if TYPE_CHECKING:
    from hyperhttp.message.url import URL

__all__ = [
    "MAX_COOKIE_SIZE",
    "Cookie",
    "check_path",
    "domain_matches",
    "is_ip_address",
    "is_public_suffix",
    "is_secure",
    "make_cookie",
    "make_pair",
    "next_number",
    "parse_set_cookie",
    "path_matches",
    "restore_cookie",
    "text_of",
    "wire_of",
]

MAX_COOKIE_SIZE: Final = 4096
"""Bytes of name and value together (RFC 6265bis, Section 5.6)."""

_MAX_ATTRIBUTE_SIZE: Final = 1024
_MAX_AGE: Final = 400 * 24 * 3600.0  # Section 5.5

_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]").search
_NOT_IN_NAME: Final = re.compile(r"[\x00-\x1f\x7f=;]").search
_NOT_IN_VALUE: Final = re.compile(r"[\x00-\x1f\x7f;]").search
_NUMBER: Final = re.compile(r"-?[0-9]+").fullmatch
_IP_ADDRESS: Final = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}|[^:]*:.*").fullmatch

_SECURE_SCHEMES: Final = frozenset({"https", "wss"})
# What goes to this machine crosses no network; browsers and curl send secure cookies there too.
_LOCAL_HOSTS: Final = frozenset({"localhost", "127.0.0.1", "::1"})

# Without the list, these below a country's domain are taken for public, as they are in most countries.
_COMMON_SUFFIXES: Final = frozenset({"ac", "co", "com", "edu", "go", "gob", "gov", "mil", "ne", "net", "or", "org"})

next_number: Final = itertools.count(1).__next__
"""Orders making and use of cookies; unlike time it never stands still."""


class Cookie:
    """A cookie of a jar. Setting it again makes another.

    Attributes:
        name: As text.
        value: As text: UTF-8 where that is what the bytes are, else ISO-8859-1.
        domain: Host or parent domain it goes to; empty for every host.
        path: Path it goes to, and everything below.
        host_only: Whether it goes to `domain` alone and not to the names below.
        secure: Whether it is sent over TLS only.
        http_only: Whether scripts in a browser may not see it.
        same_site: What the server said about requests from other sites, in lower case.
        expires: Unix time of its end in seconds; None for the end of the session.
        pair: What is sent: name and value, a character for each byte.
        created: Its number in the order of making; replacing a cookie keeps it.
        used: Number of the last use, from the same row as `created`.
    """

    __slots__ = (
        "created",
        "domain",
        "expires",
        "host_only",
        "http_only",
        "name",
        "pair",
        "path",
        "same_site",
        "secure",
        "used",
        "value",
    )

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        name: str,
        value: str,
        domain: str,
        path: str,
        host_only: bool,
        secure: bool,
        http_only: bool,
        same_site: str | None,
        expires: float | None,
        pair: str,
        created: int,
        used: int,
    ) -> None:
        self.name = name
        self.value = value
        self.domain = domain
        self.path = path
        self.host_only = host_only
        self.secure = secure
        self.http_only = http_only
        self.same_site = same_site
        self.expires = expires
        self.pair = pair
        self.created = created
        self.used = used

    def has_expired(self, now: float) -> bool:
        """Whether it is over at a Unix time."""
        return self.expires is not None and self.expires <= now

    def __repr__(self) -> str:
        return f"<Cookie {self.name} for {self.domain or 'every host'}{self.path}>"


def make_cookie(
    pair: str,
    *,
    domain: str = "",
    path: str = "/",
    host_only: bool = False,
    secure: bool = False,
    http_only: bool = False,
    same_site: str | None = None,
    expires: float | None = None,
) -> Cookie:
    """A cookie from what is sent, ``name=value`` with a character for each byte, and its attributes."""
    name, equals, value = pair.partition("=")
    if not equals:
        name, value = "", pair
    number = next_number()
    return Cookie(
        text_of(name), text_of(value), domain, path, host_only, secure, http_only, same_site, expires, pair,
        number, number,
    )  # fmt: skip


def make_pair(name: str, value: str) -> str:
    """Name and value from the user as they are sent, in UTF-8 with a character for each byte.

    Raises:
        LocalProtocolError: one of them may not be sent, or they are too long.
        TypeError: one of them is not str.
    """
    if not all(isinstance(text, str) for text in (name, value)):
        raise TypeError(f"name and value of a cookie must be str: {name!r} is given {type(value).__name__}")
    if not name or name != name.strip() or _NOT_IN_NAME(name):
        raise LocalProtocolError(f"invalid cookie name {name[:80]!r}: it has blanks around it, controls, = or ;")
    if _NOT_IN_VALUE(value):
        raise LocalProtocolError(f"the value of cookie {name!r} has a control character or a ;")
    pair = f"{wire_of(name)}={wire_of(value)}"
    if len(pair) > MAX_COOKIE_SIZE + 1:
        message = f"cookie {name[:80]!r} is longer than {MAX_COOKIE_SIZE} bytes"
        raise LocalProtocolError(message, limit=MAX_COOKIE_SIZE)
    return pair


def check_path(path: str) -> None:
    """Refuse what cannot be the path of a cookie.

    Raises:
        LocalProtocolError: it is that.
    """
    if not path.startswith("/") or _NOT_IN_VALUE(path):
        raise LocalProtocolError(f"invalid cookie path {path[:80]!r}: it must begin with / and have no ; or controls")


def restore_cookie(
    *, pair: str, domain: str, path: str, same_site: str | None, expires: float | None, **flags: bool
) -> Cookie:
    """A cookie from a file, checked for everything a cookie from the wire is checked for.

    Raises:
        TypeError: an attribute is of another type.
        ValueError: an attribute is not as it should be.
    """
    if any(_CONTROL(text) or ";" in text for text in (pair, domain, path, same_site or "")):
        raise ValueError("a cookie has a control character or a ;")
    if not path.startswith("/") or not 0 < len(pair) <= MAX_COOKIE_SIZE + 1:
        raise ValueError("a cookie has no path, or is empty or too long")
    pair.encode("latin-1")
    if set(flags) != {"host_only", "secure", "http_only"} or not set(map(type, flags.values())) <= {bool}:
        raise TypeError("a cookie must say true or false to host_only, secure and http_only")
    until = None if expires is None else float(expires)
    return make_cookie(pair, domain=domain, path=path, same_site=same_site, expires=until, **flags)


def parse_set_cookie(wire: str, url: URL, now: float) -> Cookie | None:
    """The cookie a Set-Cookie value makes, or None when it is to be ignored.

    Args:
        wire: The value, a character for each byte.
        url: Where it came from.
        now: Unix time in seconds.
    """
    pair, _, rest = wire.partition(";")
    name, equals, value = pair.partition("=")
    name, value = (name.strip(" \t"), value.strip(" \t")) if equals else ("", pair.strip(" \t"))
    if _CONTROL(wire) or not 0 < len(name) + len(value) <= MAX_COOKIE_SIZE:
        return None
    said = _attributes(rest)
    place = _domain_of(said.get("domain", ""), url.host)
    if place is None:
        return None
    path = said.get("path", "")
    cookie = make_cookie(
        f"{name}={value}" if name else value,
        domain=place[0],
        host_only=place[1],
        path=path if path.startswith("/") else _default_path(url.path),
        secure="secure" in said,
        http_only="httponly" in said,
        same_site=said["samesite"].lower() if said.get("samesite") else None,
        expires=_expiry(said, now),
    )
    if cookie.secure and not is_secure(url):
        return None
    if not name:  # servers could not tell it from a cookie with such a name
        return None if value.lower().startswith(("__host-", "__secure-")) else cookie
    return cookie if _keeps_prefix_promise(name, cookie, said) else None


def _attributes(rest: str) -> dict[str, str]:
    """Attributes by name in lower case; the last that can be used of each name counts (Section 5.6)."""
    attributes: dict[str, str] = {}
    for part in rest.split(";"):
        name, _, value = part.partition("=")
        name, value = name.strip(" \t").lower(), value.strip(" \t")
        if len(value) > _MAX_ATTRIBUTE_SIZE:
            continue
        if name == "max-age" and not _NUMBER(value):
            continue
        if name == "expires" and _moment_of(value) is None:
            continue
        attributes[name] = value
    return attributes


def _expiry(said: dict[str, str], now: float) -> float | None:
    """Unix time of the end; Max-Age beats Expires, and nothing lasts longer than 400 days (Section 5.5)."""
    if "max-age" in said:
        seconds = float(said["max-age"])
        return now + min(seconds, _MAX_AGE) if seconds > 0 else 0.0
    moment = _moment_of(said["expires"]) if "expires" in said else None
    return None if moment is None else min(moment, now + _MAX_AGE)


def _moment_of(date: str) -> float | None:
    from hyperhttp.message.cookie_date import parse_cookie_date  # most cookies of most programs say no date

    return parse_cookie_date(date)


def _domain_of(domain: str, host: str) -> tuple[str, bool] | None:
    """Domain of a cookie and whether it is for that host alone; None when the cookie is to be ignored."""
    domain = domain.removeprefix(".").lower()
    if not domain:
        return host, True
    if not domain.isascii() or not domain_matches(host, domain):
        return None
    if is_ip_address(host):
        return host, True
    if is_public_suffix(domain):
        # The suffix itself may set cookies for itself; nobody may set them for all its customers.
        return (host, True) if domain == host else None
    return domain, False


def _default_path(path: str) -> str:
    """The directory of a path (Section 5.1.4)."""
    return path[: path.rfind("/")] or "/" if path.startswith("/") else "/"


def _keeps_prefix_promise(name: str, cookie: Cookie, said: dict[str, str]) -> bool:
    """Whether a name that begins with __Host- or __Secure- says the truth (Section 4.1.3)."""
    lower = name.lower()
    if lower.startswith("__host-"):
        return cookie.secure and cookie.host_only and not said.get("domain") and said.get("path") == "/"
    return cookie.secure or not lower.startswith("__secure-")


def domain_matches(host: str, domain: str) -> bool:
    """Whether a host is a domain or a name below it; an address is only itself (Section 5.1.3)."""
    return host == domain or (host.endswith(f".{domain}") and not is_ip_address(host))


def path_matches(path: str, cookie_path: str) -> bool:
    """Whether a path is that of a cookie or below it (Section 5.1.4)."""
    if not path.startswith(cookie_path):
        return False
    return len(path) == len(cookie_path) or cookie_path.endswith("/") or path[len(cookie_path)] == "/"


def is_ip_address(host: str) -> bool:
    """Whether a host is an address, as a `URL` writes it, and not a name."""
    return _IP_ADDRESS(host) is not None


def is_secure(url: URL) -> bool:
    """Whether a URL is one secure cookies may come from and go to."""
    return url.scheme in _SECURE_SCHEMES or url.host in _LOCAL_HOSTS


def text_of(wire: str) -> str:
    """Text of what has a character for each byte: UTF-8 where that is what it is, else as it is."""
    if wire.isascii():
        return wire
    try:
        return wire.encode("latin-1").decode()
    except UnicodeDecodeError:
        return wire


def wire_of(text: str) -> str:
    """UTF-8 with a character for each byte."""
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


def is_public_suffix(domain: str) -> bool:
    """Whether anybody can register names below a domain, as below ``com``, ``co.uk`` and ``github.io``.

    Asks the Public Suffix List that the package publicsuffixlist carries. For one domain only four of its
    lines matter: the domain itself, a wildcard below it or below its parent, and an exception. They are
    searched in the text, which takes less than a millisecond and is remembered; parsing it takes a hundred.
    """
    known = _suffixes.get(domain)
    if known is None:
        if len(_suffixes) >= _MAX_SUFFIXES:
            _suffixes.clear()
        known = _suffixes[domain] = _look_up_suffix(domain)
    return known


_MAX_SUFFIXES: Final = 1024
_suffixes: dict[str, bool] = {}
_suffix_list: bytes | None = None


def _look_up_suffix(domain: str) -> bool:
    label, dot, parent = domain.rstrip(".").partition(".")
    if not dot:
        return True
    lines = _suffix_lines()
    if not lines:
        return len(parent) == 2 and label in _COMMON_SUFFIXES
    name, above = _unicode_labels(f"{label}.{parent}"), _unicode_labels(parent)
    if b"\n%b\n" % name in lines or b"\n*.%b\n" % name in lines:
        return True
    return b"\n*.%b\n" % above in lines and b"\n!%b\n" % name not in lines


def _suffix_lines() -> bytes:
    """The lines of the list, each between line feeds; nothing when the package is not there."""
    global _suffix_list
    if _suffix_list is None:
        from importlib.util import find_spec
        from pathlib import Path

        spec = find_spec("publicsuffixlist")
        file = Path(spec.origin).with_name("public_suffix_list.dat") if spec and spec.origin else None
        _suffix_list = b"\n%b\n" % file.read_bytes() if file and file.is_file() else b""
    return _suffix_list


def _unicode_labels(domain: str) -> bytes:
    """The domain as the list writes it: UTF-8 instead of A-labels."""
    if "xn--" not in domain:
        return domain.encode()
    # The codec takes quadratic time, so only what can be a label gets there (RFC 1035, Section 2.3.4).
    labels = [
        label[4:].encode().decode("punycode", "replace") if label.startswith("xn--") and len(label) <= 63 else label
        for label in domain.split(".")
    ]
    return ".".join(labels).encode("utf-8", "replace")
