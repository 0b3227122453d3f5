"""Patterns for origins: ``https://api.example.com``, ``all://*.example.com:8443``. One text for everything that is mounted."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from hyperhttp.exceptions import InvalidURL
from hyperhttp.message.host import parse_host

__all__ = ["URLPattern"]

_PATTERN: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*)://"
    r"(?:(?P<host>\[[0-9a-f:.]+\]|\*?[^\s*/?#@:\[\]]+|\*)(?::(?P<port>[0-9]{1,5}))?)?/?",
    re.IGNORECASE,
)


class URLPattern(NamedTuple):
    """Which origins are meant.

    Attributes:
        scheme: a URL scheme, or ``all``.
        host: a host; ``*.example.com`` for every host below one; ``*example.com`` for that one too; empty for any.
        port: the port, or None for any.
    """

    scheme: str
    host: str = ""
    port: int | None = None

    @classmethod
    def parse(cls, text: str) -> URLPattern:
        """The pattern of a text such as ``https://``, ``all://*.example.com`` or ``http://[::1]:8080``.

        Raises:
            ValueError: it is none.
        """
        parts = _PATTERN.fullmatch(str(text).strip())
        if parts is None:
            msg = f"{text!r} is no mount: scheme://[host[:port]] is needed, such as 'https://' or 'all://*.example.com'"
            raise ValueError(msg)
        port = int(parts["port"]) if parts["port"] else None
        return cls(parts["scheme"].lower(), _host(parts["host"]), port)

    def matches(self, scheme: str, host: str, port: int) -> bool:
        """Whether a URL with these components is meant. All are normalised as `URL` normalises them."""
        if self.scheme not in (scheme, "all") or self.port not in (port, None):
            return False
        own = self.host
        if own.startswith("*."):
            return host.endswith(own[1:])
        if own.startswith("*"):
            return host == own[1:] or host.endswith(f".{own[1:]}")
        return own in (host, "")

    @property
    def precision(self) -> tuple[int, int, bool, bool]:
        """Sorts patterns: an exact host after a wildcard, a longer one after a shorter, a port and a scheme after none."""
        exactness = 0 if not self.host else 1 if self.host.startswith("*") else 2
        return exactness, len(self.host.lstrip("*.")), self.port is not None, self.scheme != "all"

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host or ("" if self.port is None else "*")
        return f"{self.scheme}://{host}{'' if self.port is None else f':{self.port}'}"


def _host(text: str | None) -> str:
    text = (text or "").lower()
    if text in ("", "*"):
        return ""
    star = "*." if text.startswith("*.") else "*" if text.startswith("*") else ""
    try:
        return star + parse_host(text.removeprefix(star)).strip("[]")
    except InvalidURL:
        return text.strip("[]")
