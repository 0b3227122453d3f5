"""Which proxy serves a URL: the ``proxies=`` argument, the environment, and ``NO_PROXY``.

The client's settings go in once; the question is asked per origin, and the answer remembered. An explicit
``proxies=`` leaves the environment out altogether, ``NO_PROXY`` included. ``explain`` says which rule
decided.

``NO_PROXY`` entries, separated by commas or blanks: ``api.internal`` matches that host and nothing else,
``.corp`` and ``*.corp`` match every name below ``corp`` but not ``corp`` itself, ``10.0.0.0/8``,
``fd00::/8`` and single addresses match hosts written as addresses, ``host.local:8080`` and ``[::1]:8080``
match one port, and ``*`` matches everything. Names and addresses never match each other. An entry that
cannot be understood is left out with a warning.

RFC 9110 section 7.6 (proxies), RFC 4632 and 4291 (prefixes).
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, NamedTuple

from hyperhttp.exceptions import InvalidURL, ProxyError
from hyperhttp.message.host import parse_host, without_zone
from hyperhttp.network.addresses import IPNetwork, canonical_ip
from hyperhttp.pool.proxy import DEFAULT_SCHEMES, Proxy, ProxyTypes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hyperhttp.message.url import URL

__all__ = ["DEFAULT_SCHEMES", "HostPattern", "Proxy", "ProxyDecision", "ProxyMap", "ProxyTypes"]

_MAX_REMEMBERED: Final = 1024  # origins whose proxy is remembered
_TARGETS: Final = frozenset({"all", "http", "https", "ws", "wss"})
_PLAIN: Final = {"ws": "http", "wss": "https"}
# Compiled when they are needed: most programs have no proxies.
_KEY: Final = r"(?as)([a-z]+)(?:://(.*))?"
_PATTERN_NAME: Final = r"[^\s/@?#\\:\[\]*%,]+"
_BRACKETED: Final = r"(?a)\[([^\]%]+)(?:%[^\]]*)?\](/\d+)?(?::(\d+))?"

_warned: set[str] = set()


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
        bracketed = re.fullmatch(_BRACKETED, text)
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

    __slots__ = ("_fallback", "_memo", "_rules", "has_credentials", "is_direct")

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
        self.has_credentials: bool = any(
            rule.decision.proxy is not None and rule.decision.proxy.credentials is not None for rule in self._rules
        )
        """Whether there are credentials for one of the proxies."""

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
    match = re.fullmatch(_KEY, key.strip().lower()) if isinstance(key, str) else None
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
    if not re.fullmatch(_PATTERN_NAME, name):
        return None
    try:
        name = parse_host(name).removesuffix(".")  # A-labels; refuses odd spellings of IPv4
    except InvalidURL:
        return None
    if canonical_ip(name) is not None:  # ".10.0.0.1"
        return None
    return HostPattern(suffix=f".{name}") if is_suffix else HostPattern(name=name)
