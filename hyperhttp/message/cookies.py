"""The cookie jar of a client (RFC 6265bis, Sections 5.6 to 5.8).

In come Set-Cookie values with the URL they came from; out comes the Cookie value for a URL. Cookies are kept
by domain, so a request looks at those of its own host and its parents only, and what was worked out for a
host is kept until the jar changes.

One jar may serve several threads, without a lock: dictionaries are changed one item at a time, readers go
over copies, and every change replaces the memo, so that nothing worked out from older cookies is kept.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import ItemsView, Iterable, Iterator, Mapping, MutableMapping, ValuesView
from copy import copy
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Self, TypeAlias

from hyperhttp.exceptions import InvalidURL
from hyperhttp.message.set_cookie import (
    Cookie,
    check_path,
    domain_matches,
    is_ip_address,
    is_secure,
    make_cookie,
    make_pair,
    next_number,
    parse_set_cookie,
    path_matches,
    restore_cookie,
    text_of,
    wire_of,
)
from hyperhttp.message.url import URL

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["Cookie", "CookieTypes", "Cookies", "to_header"]

CookieTypes: TypeAlias = "Cookies | Mapping[str, str] | Iterable[tuple[str, str]]"
"""What ``Cookies(...)`` and every ``cookies=`` option accept."""

# Section 6.1 asks for at least 50 and 3000; browsers keep 180. When a limit is passed some more are dropped,
# so that a flood does not sort for each cookie.
_MAX_PER_DOMAIN: Final = 180
_KEPT_PER_DOMAIN: Final = 150
_MAX_TOTAL: Final = 3000
_KEPT_TOTAL: Final = 2700

# A server that fills the jar must not make every later request too large for any server.
_MAX_LINE: Final = 16 * 1024

_MAX_PLANS: Final = 1024

_SAVED: Final = ("pair", "domain", "path", "host_only", "secure", "http_only", "same_site", "expires")
_created: Final = attrgetter("created")


class _Plan(NamedTuple):
    """What goes to a host, worked out; good until the jar changes or a cookie expires."""

    cookies: list[Cookie]
    line: str | None  # the value to send, when it is the same for every path
    until: float


class Cookies(MutableMapping[str, str]):
    """A cookie jar.

    As a mapping it goes from names to values. Iterating gives the name of every cookie. Where several have
    one name, looking it up gives the value that was set last; that is never an error.

    A cookie set without a domain goes to **every** host, as ``Client(cookies={"session": "abc"})`` asks for,
    unless the host has set one of the same name. Give a domain for anything secret.

    ``if jar`` costs next to nothing, and is false for an empty jar.

    Args:
        cookies: A mapping, pairs, or another jar, whose cookies are copied with all their attributes.

    Raises:
        LocalProtocolError: a name or value may not be sent.
    """

    __slots__ = ("_domains", "_plans", "_size")

    def __init__(self, cookies: CookieTypes | None = None) -> None:
        self._domains: dict[str, dict[tuple[str, str], Cookie]] = {}  # domain to path and name to cookie
        self._plans: dict[tuple[str, bool], _Plan] = {}
        self._size = 0  # about how many; counted again when it matters
        if cookies is not None:
            self.update(cookies)

    def set(  # the order other clients have
        self,
        name: str,
        value: str,
        domain: str = "",
        path: str = "/",
        secure: bool = False,
        http_only: bool = False,
        expires: float | datetime | None = None,
        same_site: str | None = None,
        *,
        host_only: bool = False,
    ) -> None:
        """Set a cookie.

        Args:
            name: Anything without control characters, ``=`` and ``;``.
            value: Anything without control characters and ``;``. What is not ASCII is sent as UTF-8.
            domain: Host it goes to, and the names below; empty for every host.
            path: Path it goes to, and everything below.
            secure: Send it over TLS only.
            http_only: Kept for you; nothing here depends on it.
            expires: Unix time in seconds, or a datetime; None for as long as the jar is there.
            same_site: Kept for you; nothing here depends on it.
            host_only: Send it to `domain` alone and not to the names below.

        Raises:
            InvalidURL: the domain is no host.
            LocalProtocolError: the name, the value or the path may not be sent, or is too long.
        """
        check_path(path)
        host = _host_of(domain) if domain else ""
        cookie = make_cookie(
            make_pair(name, value),
            domain=host,
            path=path,
            host_only=host_only or is_ip_address(host),
            secure=secure,
            http_only=http_only,
            same_site=same_site,
            expires=_seconds(expires),
        )
        self._store(cookie, time.time())

    def extract(self, url: URL | str, set_cookie_values: Iterable[bytes | str], now: float | None = None) -> None:
        """Keep what a response sets. What breaks a rule is ignored, as the standard wants it.

        Args:
            url: Where the response came from.
            set_cookie_values: Values of Set-Cookie. Bytes are kept exactly; text is taken for UTF-8.
            now: Unix time in seconds.
        """
        url = URL.parse_cached(url) if isinstance(url, str) else url
        now = time.time() if now is None else now
        covered: dict[str, list[Cookie]] = {}
        if not is_secure(url):  # looked for once: what comes in clear is not secure, so no more are added meanwhile
            for each in self._stored():
                if each.secure:
                    covered.setdefault(each.name, []).append(each)
        for value in set_cookie_values:
            wire = value.decode("latin-1") if isinstance(value, bytes) else wire_of(value)
            cookie = parse_set_cookie(wire, url, now)
            if cookie is not None and not any(_covers(cookie, each) for each in covered.get(cookie.name, ())):
                self._store(cookie, now)

    def header_for(self, url: URL | str, now: float | None = None, own: bytes | str | None = None) -> str | None:
        """The value of Cookie for a request, or None when there is nothing to send.

        Each character stands for one byte; ``Headers`` sends such text as it is.

        Args:
            url: Where the request goes.
            now: Unix time in seconds.
            own: A Cookie value the request has already. It comes first, and cookies of the jar with a name
                that is in it are left out.
        """
        line: str | None = None
        if self._domains:
            url = URL.parse_cached(url) if isinstance(url, str) else url
            plan = self._plan(url, time.time() if now is None else now)
            line = plan.line
            if line is None or own:
                line = _line(_choose(plan.cookies, url.path, _names_in(own) if own else frozenset()))
        if not own:
            return line or None
        given = own.decode("latin-1") if isinstance(own, bytes) else wire_of(own)
        return f"{given}; {line}" if line else given

    def get(self, name: str, default: Any = None, *, domain: str | None = None, path: str | None = None) -> Any:
        """The value set last for a name, or `default`; `domain` and `path` narrow the choice."""
        found = [cookie for cookie in self._live(domain, path) if cookie.name == name]
        return max(found, key=_created).value if found else default

    def all(self, *, domain: str | None = None, path: str | None = None) -> list[Cookie]:
        """All cookies with their attributes, in the order they were set, or those of a domain or path."""
        return sorted(self._live(domain, path), key=_created)

    def delete(self, name: str, domain: str | None = None, path: str | None = None) -> None:
        """Remove the cookies of a name; nothing happens when there are none."""
        for cookie in self._live(domain, path):
            if cookie.name == name:
                self._remove(cookie)

    def clear(self, domain: str | None = None, path: str | None = None) -> None:
        """Remove all cookies, or those of a domain or path."""
        if domain is None and path is None:
            self._domains = {}
            self._plans = {}
            self._size = 0
            return
        for cookie in self._live(domain, path):
            self._remove(cookie)

    def update(self, cookies: CookieTypes = (), /, **named: str) -> None:  # type: ignore[override]  # wider
        """Set cookies from a mapping, from pairs, or from another jar with all their attributes."""
        now = time.time()
        if isinstance(cookies, Cookies):
            for cookie in cookies.all():
                self._store(copy(cookie), now)
        else:
            for name, value in cookies.items() if isinstance(cookies, Mapping) else cookies:
                self.set(name, value)
        for name, value in named.items():
            self.set(name, value)

    def copy(self) -> Self:
        """A jar of its own with the same cookies."""
        return type(self)(self)

    __copy__ = copy

    def save(self, path: str | os.PathLike[str], *, session: bool = True) -> None:
        """Write the jar to a file as JSON that its owner alone can read, replacing a file that is there.

        Args:
            path: Where to.
            session: Include cookies that have no end of their own.

        Raises:
            OSError: it cannot be written.
        """
        import json
        from pathlib import Path

        cookies = [each for each in self.all() if session or each.expires is not None]
        entries = [{name: getattr(cookie, name) for name in _SAVED} for cookie in cookies]
        target = Path(path)
        draft = target.with_name(f".{target.name}.{os.urandom(8).hex()}")
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump({"version": 1, "cookies": entries}, file, indent=1)
            draft.replace(target)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """A jar from a file `save` wrote. The file is data: nothing in it is run, and each cookie is checked.

        Raises:
            OSError: it cannot be read.
            ValueError: it is not such a file.
        """
        import json
        from pathlib import Path

        jar = cls()
        now = time.time()
        try:
            saved = json.loads(Path(path).read_bytes())
            if saved["version"] != 1:
                raise ValueError("it has another version")
            for entry in saved["cookies"]:
                jar._store(restore_cookie(**entry), now)
        except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
            raise ValueError(f"{os.fspath(path)} is not a file of cookies: {error}") from error
        return jar

    def items(self) -> ItemsView[str, str]:
        """Name and value of every cookie."""
        return _Items(self)

    def values(self) -> ValuesView[str]:
        """The value of every cookie."""
        return _Values(self)

    def __getitem__(self, name: str) -> str:
        value: str | None = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    def __setitem__(self, name: str, value: str) -> None:
        self.set(name, value)

    def __delitem__(self, name: str) -> None:
        if name not in self:
            raise KeyError(name)
        self.delete(name)

    def __contains__(self, name: object) -> bool:
        return any(cookie.name == name for cookie in self._live())

    def __iter__(self) -> Iterator[str]:
        return iter([cookie.name for cookie in self.all()])

    def __len__(self) -> int:
        return len(self._live())

    def __bool__(self) -> bool:
        return bool(self._domains)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Cookies):
            return _facts(self) == _facts(other)
        return dict(self.items()) == dict(other) if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.all()}>"

    def _live(self, domain: str | None = None, path: str | None = None) -> list[Cookie]:
        """Cookies that have not expired, over copies that other threads do not change."""
        now = time.time()
        domains = self._domains
        buckets = list(domains.values()) if domain is None else [domains.get(_normal(domain), {})]
        cookies = [cookie for bucket in buckets for cookie in list(bucket.values())]
        return [each for each in cookies if not each.has_expired(now) and path in (None, each.path)]

    def _plan(self, url: URL, now: float) -> _Plan:
        plans = self._plans  # taken before the cookies are: a change meanwhile leaves ours behind
        key = (url.host, is_secure(url))
        plan = plans.get(key)
        if plan is None or plan.until <= now:
            if len(plans) >= _MAX_PLANS:
                plans.clear()
            plan = plans[key] = self._make_plan(*key, now)
        return plan

    def _make_plan(self, host: str, secure: bool, now: float) -> _Plan:
        """Section 5.8.3, all but the path."""
        found: list[Cookie] = []
        for domain in _domains_of(host):
            bucket = self._domains.get(domain)
            for cookie in list(bucket.values()) if bucket else ():
                fits = (secure or not cookie.secure) and (domain == host or not cookie.host_only)
                if fits and not cookie.has_expired(now):
                    found.append(cookie)
        found.sort(key=lambda cookie: (-len(cookie.path), cookie.created))
        until = min((cookie.expires for cookie in found if cookie.expires is not None), default=math.inf)
        same_everywhere = all(cookie.path == "/" for cookie in found)
        return _Plan(found, _line(_choose(found, "/")) if same_everywhere else None, until)

    def _store(self, cookie: Cookie, now: float) -> None:
        key = (cookie.path, cookie.name)
        if cookie.has_expired(now):
            old = self._domains.get(cookie.domain, {}).get(key)
            if old is not None:
                self._remove(old)
            return
        while True:
            bucket = self._domains.setdefault(cookie.domain, {})
            old = bucket.get(key)
            if old is not None:
                cookie.created = old.created
            bucket[key] = cookie
            if self._domains.get(cookie.domain) is bucket:
                break  # else another thread removed the bucket meanwhile
        self._size += old is None
        self._plans = {}
        if cookie.domain and len(bucket) > _MAX_PER_DOMAIN:
            self._evict(list(bucket.values()), _KEPT_PER_DOMAIN, now)
        if self._size > _MAX_TOTAL:
            # What the user set for every host is not a server's to displace.
            self._evict([each for each in self._stored() if each.domain], _KEPT_TOTAL, now)
            self._size = len(self._stored())

    def _stored(self) -> list[Cookie]:
        return [cookie for bucket in list(self._domains.values()) for cookie in list(bucket.values())]

    def _evict(self, cookies: list[Cookie], kept: int, now: float) -> None:
        """Drop what has expired, then what is not secure, then what was not used for long (Section 5.7)."""
        cookies.sort(key=lambda cookie: (not cookie.has_expired(now), cookie.secure, cookie.used))
        for cookie in cookies[: max(0, len(cookies) - kept)]:
            self._remove(cookie)

    def _remove(self, cookie: Cookie) -> None:
        bucket = self._domains.get(cookie.domain)
        if bucket is None:
            return
        if bucket.pop((cookie.path, cookie.name), None) is not None:
            self._size -= 1
        if not bucket:
            # Between the test and the removal another thread may have put a cookie in.
            for late in list((self._domains.pop(cookie.domain, None) or {}).values()):
                self._store(late, 0.0)
        self._plans = {}


class _Items(ItemsView[str, str]):
    """Pairs without looking up each name again."""

    _mapping: Cookies

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter([(cookie.name, cookie.value) for cookie in self._mapping.all()])


class _Values(ValuesView[str]):
    """Values without looking up each name again."""

    _mapping: Cookies

    def __iter__(self) -> Iterator[str]:
        return iter([cookie.value for cookie in self._mapping.all()])


def to_header(pairs: Iterable[tuple[str, str]]) -> str:
    """The value of Cookie for names and values: UTF-8, with a character for each byte.

    Raises:
        LocalProtocolError: one of them may not be sent, or is too long.
        TypeError: one of them is not str.
    """
    return "; ".join([make_pair(name, value) for name, value in pairs])


def _seconds(moment: Any) -> float | None:
    """Unix time of a moment."""
    if isinstance(moment, float | int | None):
        return moment
    from datetime import datetime  # who gives one has it

    return moment.timestamp() if isinstance(moment, datetime) else moment


def _domains_of(host: str) -> list[str]:
    """Domains whose cookies may go to a host: itself, the names above, and every host's."""
    if is_ip_address(host):
        return [host, ""]
    labels = host.split(".")
    return [".".join(labels[place:]) for place in range(len(labels))] + [""]


def _covers(cookie: Cookie, secure: Cookie) -> bool:
    """Whether a cookie that came in clear would hide a secure one of its name (Section 5.7, "leave secure alone")."""
    domain, other = cookie.domain, secure.domain
    return (domain_matches(other, domain) or domain_matches(domain, other)) and path_matches(cookie.path, secure.path)


def _choose(cookies: list[Cookie], path: str, names: frozenset[str] = frozenset()) -> list[Cookie]:
    """Those for a path without some names; what a host has set hides what is for every host."""
    chosen = [each for each in cookies if path_matches(path, each.path) and each.name not in names]
    for cookie in chosen:
        cookie.used = next_number()
    set_by_host = {cookie.name for cookie in chosen if cookie.domain}
    return [cookie for cookie in chosen if cookie.domain or cookie.name not in set_by_host]


def _line(cookies: list[Cookie]) -> str:
    line = "; ".join([cookie.pair for cookie in cookies])
    if len(line) <= _MAX_LINE:
        return line
    size = 0
    kept = [cookie.pair for cookie in cookies if (size := size + len(cookie.pair) + 2) <= _MAX_LINE]
    return "; ".join(kept)


def _names_in(line: bytes | str) -> frozenset[str]:
    wire = line.decode("latin-1") if isinstance(line, bytes) else wire_of(line)
    return frozenset(text_of(pair.partition("=")[0].strip()) for pair in wire.split(";"))


def _host_of(domain: str) -> str:
    """A domain as `URL.host` writes it."""
    name = domain.removeprefix(".").removeprefix("[").removesuffix("]")
    url = URL(f"http://[{name}]/" if ":" in name else f"http://{name}/")
    if url.target != "/" or url.userinfo or url.fragment:
        raise InvalidURL(f"the domain of a cookie is a host name or an address, not {domain[:80]!r}")
    return url.host


def _normal(domain: str) -> str:
    return domain.removeprefix(".").lower()


def _facts(jar: Cookies) -> set[tuple[Any, ...]]:
    return {tuple(getattr(cookie, name) for name in _SAVED) for cookie in jar.all()}
