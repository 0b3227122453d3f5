"""Which proxy serves a URL: the ``proxies=`` argument, the environment, and ``NO_PROXY``.

The client's settings go in once; the question is asked per origin, and the answer remembered. An explicit
``proxies=`` leaves the environment out altogether, ``NO_PROXY`` included. ``explain`` says which rule
decided.

``NO_PROXY`` entries, separated by commas or blanks: ``api.internal`` matches that host and nothing else,
``.corp`` and ``*.corp`` match every name below ``corp`` but not ``corp`` itself, ``10.0.0.0/8``,
``fd00::/8`` and single addresses match hosts written as addresses, ``host.local:8080`` and ``[::1]:8080``
match one port, and ``*`` matches everything. Names and addresses never match each other. An entry that
cannot be understood is left out with a warning.

RFC 9110 section 7.6 and 11.7 (proxies, their credentials), RFC 7617 (Basic), RFC 4632 and 4291 (prefixes).
"""

from __future__ import annotations

import os
import re
import warnings
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple, TypeAlias

from hyperhttp.exceptions import InvalidURL, ProxyError, peer_name
from hyperhttp.message.host import bracketed, parse_host, without_zone
from hyperhttp.message.url import URL
from hyperhttp.network.addresses import IPNetwork, canonical_ip

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["DEFAULT_SCHEMES", "HostPattern", "Proxy", "ProxyDecision", "ProxyMap", "ProxyTypes"]

DEFAULT_SCHEMES: Final[Mapping[str, int]] = {"http": 80, "https": 443}
"""Schemes of proxies the core speaks to, and their default ports; plugins add theirs."""

_MAX_REMEMBERED: Final = 1024  # origins whose proxy is remembered
_TARGETS: Final = frozenset({"all", "http", "https", "ws", "wss"})
_PLAIN: Final = {"ws": "http", "wss": "https"}
_KEY: Final = re.compile(r"([a-z]+)(?:://(.*))?", re.ASCII | re.DOTALL)
_PATTERN_NAME: Final = re.compile(r"[^\s/@?#\\:\[\]*%,]+")
_BRACKETED: Final = re.compile(r"\[([^\]%]+)(?:%[^\]]*)?\](/\d+)?(?::(\d+))?", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

_warned: set[str] = set()


@dataclass(frozen=True, slots=True, repr=False)
class Proxy:
    """A proxy and the credentials for it, which no ``repr`` or ``str`` shows.

    Attributes:
        scheme: ``http``, ``https``, or a scheme of a plugin, in lower case.
        host: Name or IP address, without brackets.
        port: The port.
        username: User name, percent-decoded; None when the URL has no credentials.
        password: Password, percent-decoded.
        authorization: Value of the Proxy-Authorization field (Basic, UTF-8), None without credentials.
        identity: Stands for proxy and credentials in the keys of pools; holds no secret. Good within this
            process only.
    """

    scheme: str
    host: str
    port: int
    username: str | None = None
    password: str | None = None
    authorization: bytes | None = field(init=False, compare=False)
    identity: str = field(init=False, compare=False)

    def __post_init__(self) -> None:
        authorization = None
        identity = str(self)
        if self.username is not None:
            pair = f"{self.username}:{self.password or ''}".encode()
            authorization = b"Basic " + b64encode(pair)
            identity += "#" + _fingerprint(pair)
        object.__setattr__(self, "authorization", authorization)
        object.__setattr__(self, "identity", identity)

    @classmethod
    def parse(cls, value: ProxyTypes, schemes: Mapping[str, int] = DEFAULT_SCHEMES) -> Proxy:
        """The proxy a URL names; ``host:port`` alone means an http proxy.

        Args:
            value: The URL. Path and query are not looked at.
            schemes: Schemes that can be spoken, and their default ports.

        Raises:
            InvalidURL: the URL cannot be understood. The message does not show it, as it may hold a password.
            ProxyError: no installed plugin speaks the scheme.
            TypeError: the value is not a URL.
        """
        if isinstance(value, Proxy):
            return value
        if not isinstance(value, (str, URL)):
            raise TypeError(f"a proxy must be a URL, not {type(value).__name__}")
        url = _parse_url(str(value).strip())
        if url.scheme not in schemes:
            raise _unknown_scheme(url.scheme)
        username, password = _credentials(url.userinfo)
        port = schemes[url.scheme] if url.port is None else url.port
        return cls(url.scheme, url.host, port, username, password)

    @property
    def url(self) -> URL:
        """The URL with the credentials, for the connectors of plugins. Do not log its ``str``."""
        url = URL(f"{self.scheme}://{bracketed(self.host)}:{self.port}")
        if self.username is None:
            return url
        return url.copy_with(username=self.username, password=self.password)

    def __str__(self) -> str:
        return f"{self.scheme}://{peer_name(self.host, self.port)}"

    def __repr__(self) -> str:
        secret = "" if self.username is None else ", credentials=[secret]"
        return f"Proxy({str(self)!r}{secret})"


ProxyTypes: TypeAlias = "str | URL | Proxy"


class ProxyDecision(NamedTuple):
    """Which proxy serves an origin, and why.

    Attributes:
        proxy: The proxy, None for a direct connection.
        rule: The setting that decided, such as ``HTTPS_PROXY`` or ``NO_PROXY: .corp``.
        error: Why the setting cannot be followed; None if it can.
    """

    proxy: Proxy | None
    rule: str
    error: str | None = None


class HostPattern(NamedTuple):
    """Hosts an entry of ``NO_PROXY`` or a key of ``proxies=`` is about; all fields None: every host.

    Attributes:
        name: The host's name, exactly.
        suffix: What the host's name ends with, the leading dot included.
        network: The block the host's address lies in.
        port: The only port that is meant.
    """

    name: str | None = None
    suffix: str | None = None
    network: IPNetwork | None = None
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> HostPattern | None:
        """The pattern in the notation of ``NO_PROXY``, None if it is none."""
        text = text.strip().lower()
        bracketed = _BRACKETED.fullmatch(text)
        if bracketed is not None:
            address, prefix, port_text = bracketed.groups()
            network = IPNetwork.parse(address + (prefix or "")) if ":" in address else None
            return _with_port(cls(network=network), port_text) if network is not None else None
        network = IPNetwork.parse(without_zone(text))
        if network is not None:
            return cls(network=network)
        host, _, port_text = text.partition(":")
        return _with_port(_parse_host(host), port_text if ":" in text else None)

    def matches(self, host: str, ip: tuple[int, int] | None, port: int) -> bool:
        """Whether a host is meant.

        Args:
            host: Its name in lower case, without a trailing dot.
            ip: Its address, as ``canonical_ip`` gives it, if it is written as one.
            port: The port.
        """
        if self.port is not None and self.port != port:
            return False
        if self.network is not None:
            return ip is not None and self.network.contains(*ip)
        if self.name is None and self.suffix is None:
            return True
        if ip is not None:
            return False  # an address is no name, whatever its zone spells (CVE-2025-22870)
        return host == self.name or (self.suffix is not None and host.endswith(self.suffix))

    @property
    def precedence(self) -> tuple[int, int]:
        """Sorts a pattern before those that mean more hosts."""
        if self.name is not None:
            rank, size = 0, 0
        elif self.network is not None:
            rank, size = 1, -self.network.prefix
        elif self.suffix is not None:
            rank, size = 2, -len(self.suffix)
        else:
            rank, size = 3, 0
        return rank * 2 + (self.port is None), size


class _Rule(NamedTuple):
    """One setting: which targets it is about, and what it says about them."""

    scheme: str  # of the target; "all" for every one
    pattern: HostPattern
    decision: ProxyDecision


class ProxyMap:
    """Finds the proxy for a URL; immutable but for what it remembers, safe to share between threads.

    The environment is read once, here. ``HTTP_PROXY`` in upper case is ignored where ``REQUEST_METHOD`` is
    set, as under CGI the client of the server chooses it (httpoxy). A variable in lower case hides the one in
    upper case, an empty one counts as unset. What a variable says wrong is an error when it is used, not
    before.

    Args:
        proxies: A URL for everything; or a mapping whose keys are ``http``, ``https``, ``all``, or one of
            them with a host as in ``https://api.corp:8443`` or ``all://*.corp``, and whose values are URLs or
            None for a direct connection. The most specific key decides: host before scheme before ``all``.
            None asks the environment.
        trust_env: Whether the environment may be asked.
        schemes: Schemes of proxies that can be spoken, and their default ports.
        environ: The environment; ``os.environ`` by default.

    Raises:
        InvalidURL: a URL in ``proxies`` cannot be understood.
        ProxyError: no installed plugin speaks the scheme of a URL in ``proxies``.
        TypeError: ``proxies`` is of another type.
        ValueError: a key of ``proxies`` is none of those above.
    """

    __slots__ = ("_fallback", "_memo", "_rules", "is_direct")

    def __init__(
        self,
        proxies: ProxyTypes | Mapping[str, ProxyTypes | None] | None = None,
        *,
        trust_env: bool = True,
        schemes: Mapping[str, int] = DEFAULT_SCHEMES,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        if proxies is not None:
            self._rules = _explicit_rules(proxies, schemes)
            self._fallback = ProxyDecision(None, "proxies= has no entry for this URL")
        elif trust_env:
            self._rules = _environment_rules(_system_environment() if environ is None else environ, schemes)
            self._fallback = ProxyDecision(None, "no proxy is configured")
        else:
            self._rules = []
            self._fallback = ProxyDecision(None, "no proxies=, and trust_env=False")
        self._memo: dict[str, ProxyDecision] = {}
        self.is_direct: bool = not self._rules
        """Whether no URL has a proxy, so that nobody need be asked."""

    def for_url(self, url: URL) -> Proxy | None:
        """The proxy for requests to the URL's origin, None for a direct connection.

        Raises:
            ProxyError: the setting that decides is wrong, or names a scheme no installed plugin speaks.
        """
        if self.is_direct:
            return None
        decision = self.explain(url)
        if decision.error is not None:
            raise ProxyError(decision.error, host=url.host, port=url.effective_port, phase="connect")
        return decision.proxy

    def explain(self, url: URL) -> ProxyDecision:
        """The proxy for the URL's origin and the setting that decided; never raises."""
        origin = url.origin
        decision = self._memo.get(origin)
        if decision is None:
            decision = self._decide(url)
            if len(self._memo) >= _MAX_REMEMBERED:
                self._memo.clear()
            self._memo[origin] = decision
        return decision

    def _decide(self, url: URL) -> ProxyDecision:
        schemes = {"all", url.scheme, _PLAIN.get(url.scheme, url.scheme)}
        host = url.host.lower().removesuffix(".")
        ip = canonical_ip(without_zone(host))
        port = url.effective_port
        for rule in self._rules:
            if rule.scheme in schemes and rule.pattern.matches(host, ip, port):
                return rule.decision
        return self._fallback

    def __repr__(self) -> str:
        rules = ", ".join(f"{decision.rule} -> {decision.proxy or 'direct'}" for _, _, decision in self._rules)
        return f"ProxyMap({rules})"


# -- rules ---------------------------------------------------------------------------------------


def _explicit_rules(proxies: ProxyTypes | Mapping[str, ProxyTypes | None], schemes: Mapping[str, int]) -> list[_Rule]:
    """The rules of the argument, the most specific first."""
    if not isinstance(proxies, Mapping):
        return [_Rule("all", HostPattern(), ProxyDecision(Proxy.parse(proxies, schemes), "proxies="))]
    rules = []
    for key, value in proxies.items():
        scheme, pattern = _parse_key(key)
        proxy = None if value is None else Proxy.parse(value, schemes)
        rules.append(_Rule(scheme, pattern, ProxyDecision(proxy, f"proxies[{key!r}]")))
    rules.sort(key=lambda rule: (rule.pattern.precedence, rule.scheme == "all", rule.scheme in _PLAIN.values()))
    return rules


def _parse_key(key: object) -> tuple[str, HostPattern]:
    match = _KEY.fullmatch(key.strip().lower()) if isinstance(key, str) else None
    if match is not None and match[1] in _TARGETS:
        pattern = HostPattern.parse(match[2]) if match[2] else HostPattern()
        if pattern is not None:
            return match[1], pattern
    raise ValueError(
        f"not a key of proxies=: {key!r}; use 'http', 'https', 'all', or one of them with a host, "
        "such as 'https://api.corp'"
    )


def _system_environment() -> Mapping[str, str]:
    # On Windows os.environ finds HTTP_PROXY under http_proxy; a copy has the names as they are.
    return dict(os.environ) if os.name == "nt" else os.environ


def _environment_rules(environ: Mapping[str, str], schemes: Mapping[str, int]) -> list[_Rule]:
    """The rules of the environment: the exceptions, then each scheme, then the rest."""
    found = []
    for scheme in ("http", "https", "all"):
        name, value = _variable(environ, f"{scheme}_proxy")
        if value:
            found.append(_Rule(scheme, HostPattern(), _from_variable(name, value, schemes)))
    if not found:
        return []  # NO_PROXY has nothing to except from
    name, value = _variable(environ, "no_proxy")
    exceptions = [_Rule("all", pattern, ProxyDecision(None, f"{name}: {entry}")) for entry, pattern in _no_proxy(value)]
    return exceptions + found


def _variable(environ: Mapping[str, str], name: str) -> tuple[str, str]:
    """The variable's name as it is spelled in the environment, and its value."""
    if name in environ:
        return name, environ[name].strip()
    if name == "http_proxy" and "REQUEST_METHOD" in environ:
        return name, ""
    return name.upper(), environ.get(name.upper(), "").strip()


def _from_variable(name: str, value: str, schemes: Mapping[str, int]) -> ProxyDecision:
    try:
        return ProxyDecision(Proxy.parse(value, schemes), name)
    except (InvalidURL, ProxyError) as exc:
        return ProxyDecision(None, name, f"the environment variable {name} cannot be followed: {exc}")


def _no_proxy(value: str) -> Iterable[tuple[str, HostPattern]]:
    for entry in re.split(r"[,\s]+", value):
        pattern = HostPattern.parse(entry) if entry else None
        if pattern is not None:
            yield entry, pattern
        elif entry and entry not in _warned:
            if len(_warned) < _MAX_REMEMBERED:
                _warned.add(entry)
            warnings.warn(f"NO_PROXY: the entry {entry!r} cannot be understood and is left out", stacklevel=4)


# -- parts of patterns and URLs ------------------------------------------------------------------


def _with_port(pattern: HostPattern | None, port_text: str | None) -> HostPattern | None:
    if pattern is None or port_text is None:
        return pattern
    port = _port_number(port_text)
    return None if port is None else pattern._replace(port=port)


def _port_number(text: str) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) <= 5):
        return None
    return int(text) if 0 < int(text) <= 65535 else None


def _parse_host(host: str) -> HostPattern | None:
    if host == "*":
        return HostPattern()
    network = IPNetwork.parse(host)  # again: only now is the port gone
    if network is not None:
        return HostPattern(network=network)
    is_suffix = host.startswith((".", "*."))
    name = host.removeprefix("*").removeprefix(".") if is_suffix else host
    if not _PATTERN_NAME.fullmatch(name):
        return None
    try:
        name = parse_host(name).removesuffix(".")  # A-labels; refuses odd spellings of IPv4
    except InvalidURL:
        return None
    if canonical_ip(name) is not None:  # ".10.0.0.1"
        return None
    return HostPattern(suffix=f".{name}") if is_suffix else HostPattern(name=name)


def _parse_url(text: str) -> URL:
    """The URL of a proxy; no scheme means http.

    Raises:
        InvalidURL: it cannot be understood. Where there may be a password, the message shows nothing of it.
    """
    try:
        url = URL(text if "://" in text else f"http://{text}")
    except InvalidURL as exc:
        if "@" in text:
            raise InvalidURL(
                "the proxy URL is not valid; '@', ':', '/', '?' and '#' in the user name or password "
                "must be percent-encoded"
            ) from None
        raise InvalidURL(f"the proxy URL is not valid: {exc}") from exc
    if not url.host:
        raise InvalidURL("the proxy URL has no host")
    if "@" in url.path + url.query + url.fragment:
        # http://user:pa/ss@proxy: the host would be "user", and hear the rest.
        raise InvalidURL("the proxy URL has an '@' after the host; percent-encode '/', '?' and '#' before it")
    return url


def _credentials(userinfo: str) -> tuple[str | None, str | None]:
    """User name and password, percent-decoded (RFC 3986 section 3.2.1).

    Raises:
        InvalidURL: one of them cannot be sent as Basic (RFC 7617 section 2).
    """
    if not userinfo:
        return None, None
    from urllib.parse import unquote

    name, _, secret = userinfo.partition(":")
    try:
        username, password = unquote(name, errors="strict"), unquote(secret, errors="strict")
    except UnicodeDecodeError:
        raise InvalidURL("the credentials in the proxy URL are not UTF-8") from None
    if ":" in username or _CONTROL.search(username + password):
        raise InvalidURL("the credentials in the proxy URL hold a control character, or the name holds a ':'")
    return username, password


def _unknown_scheme(scheme: str) -> ProxyError:
    if scheme.startswith("socks"):
        return ProxyError(f"{scheme}:// proxies need the SOCKS plugin: pip install 'hyperhttp[socks]'", phase="connect")
    return ProxyError(f"cannot speak to proxies of the scheme {scheme!r}; use http or https", phase="connect")


def _fingerprint(secret: bytes) -> str:
    from hashlib import blake2b  # only proxies with credentials need it

    return blake2b(secret, key=_fingerprint_key, digest_size=12).hexdigest()


_fingerprint_key: Final = os.urandom(16)
