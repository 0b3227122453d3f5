"""The host of a URL: one spelling for each host, and a refusal for what two readers might read differently.

RFC 3986, Section 3.2.2 (host), RFC 5952 (text form of IPv6), RFC 5890 to 5895 (internationalised names), and
the host parser of the WHATWG URL standard, which browsers follow. In come the characters between ``//`` (or
``@``) and the port; out comes ASCII text in lower case: a DNS name with A-labels, a dotted IPv4 address, or
an IPv6 address without brackets, perhaps with a zone (``fe80::1%eth0``).

Stricter than browsers, on purpose:

- Numeric hosts other than four plain decimal numbers (``0x7f.1``, ``0177.0.0.1``, ``2130706433``,
  ``127.1``) are refused. Browsers take them for 127.0.0.1, DNS libraries for names, filters for neither.
- Percent-encoding is only understood for text outside ASCII: ``%2F`` or ``%2E`` in a host has no honest use.
- Names that are not valid IDNA 2008 are refused when given as text; as A-labels they need only be sound.
"""

from __future__ import annotations

import re
from typing import Final

from hyperhttp.exceptions import InvalidURL

__all__ = ["bracketed", "is_ip_address", "is_ipv4_address", "parse_host", "parse_opaque_host", "without_zone"]

# RFC 1035, Section 2.3.4. A text longer than _LONGEST_TEXT cannot end up as short as that.
_LONGEST_NAME: Final = 253
_LONGEST_LABEL: Final = 63
_LONGEST_TEXT: Final = 1024

# Letters, digits, hyphen, and the underscore, which DNS allows and container networks use.
_DNS_NAME: Final = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.?", re.ASCII).fullmatch
_OCTET: Final = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4: Final = re.compile(rf"{_OCTET}(?:\.{_OCTET}){{3}}").fullmatch
# WHATWG URL, "ends in a number": such a host is an address or nothing, never a name.
_ENDS_IN_NUMBER: Final = re.compile(r"(?:^|\.)(?:[0-9]+|0x[0-9a-f]*)\.?$").search
_ZONE: Final = re.compile(r"[A-Za-z0-9._~-]+").fullmatch
_ZERO_RUN: Final = re.compile(r"\b0(?::0)+\b").finditer
# Controls, surrogates, blanks and line ends: no name has them.
_UNSOUND_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp", "Zs"})
_OPAQUE: Final = r"(?:[A-Za-z0-9._~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*"


def parse_host(text: str) -> str:
    """The one spelling of a host.

    Args:
        text: Host as it stands in a URL, with brackets around IPv6.

    Raises:
        InvalidURL: The host is empty, malformed, or open to two readings.
    """
    if not text:
        raise InvalidURL("the URL has no host")
    if len(text) > _LONGEST_TEXT:
        raise InvalidURL(f"the host of the URL is too long ({len(text)} characters)")
    if text[0] == "[":
        return _ipv6(text)
    name = text.lower() if text.isascii() and "%" not in text else _idna(text)
    if _DNS_NAME(name) is None:
        raise InvalidURL(f"invalid host {text!r} in the URL")
    if _ENDS_IN_NUMBER(name):
        return _ipv4(text)
    _check_labels(name)
    return name


def parse_opaque_host(text: str) -> str:
    """The host of a scheme without DNS names, kept as it is (RFC 3986, reg-name), or an IPv6 address."""
    if text.startswith("["):
        return _ipv6(text)
    if re.fullmatch(_OPAQUE, text) is None:
        raise InvalidURL(f"invalid host {text[:80]!r} in the URL")
    return text


def bracketed(host: str) -> str:
    """The host as it stands in a URL: IPv6 in brackets, the zone with ``%25`` (RFC 6874)."""
    return f"[{host.replace('%', '%25')}]" if ":" in host else host


def without_zone(host: str) -> str:
    """The host as peers may see it: a zone means something on this machine only (RFC 6874, Section 4)."""
    return host.partition("%")[0] if ":" in host else host


def is_ipv4_address(host: str) -> bool:
    """Whether a parsed host is an IPv4 address."""
    return _IPV4(host) is not None


def is_ip_address(host: str) -> bool:
    """Whether a parsed host is an IPv4 or IPv6 address rather than a name."""
    return ":" in host or _IPV4(host) is not None


def _ipv4(text: str) -> str:
    # On the text as given: digits from other scripts and the like must not turn into an address on the way.
    if _IPV4(text) is None:
        raise InvalidURL(
            f"invalid host {text!r} in the URL: an IPv4 address is written as four decimal numbers, such as 127.0.0.1"
        )
    return text


def _ipv6(text: str) -> str:
    import ipaddress  # only here: most programs never meet an IPv6 literal

    if text[-1] != "]" or len(text) > _LONGEST_TEXT:
        raise InvalidURL(f"invalid host {text[:80]!r} in the URL: the bracket is not closed")
    literal, percent, zone = text[1:-1].partition("%")
    # RFC 6874 writes the percent sign as %25; a bare one is what people copy from `ip addr`.
    zone = zone.removeprefix("25")
    if percent and _ZONE(zone) is None:
        raise InvalidURL(f"invalid zone in the host {text!r} of the URL")
    try:
        value = int(ipaddress.IPv6Address(literal))
    except ValueError:
        raise InvalidURL(f"invalid IPv6 address {text!r} in the URL") from None
    address = _compress(value)
    return f"{address}%{zone}" if percent else address


def _compress(value: int) -> str:
    """Text form of RFC 5952, Section 4; the standard library's differs between Python versions."""
    groups = ":".join(f"{value >> shift & 0xFFFF:x}" for shift in range(112, -16, -16))
    longest = max(_ZERO_RUN(groups), key=lambda run: run.end() - run.start(), default=None)
    if longest is None:
        return groups
    return f"{groups[: longest.start()].rstrip(':')}::{groups[longest.end() :].lstrip(':')}"


def _idna(text: str) -> str:
    """Turn a name with characters outside ASCII into A-labels (IDNA 2008 after the mapping of UTS 46)."""
    import idna  # only here: its tables take longer to load than most requests

    name = _decoded(text)
    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except UnicodeError as error:
        raise InvalidURL(f"invalid host {text!r} in the URL: {error}") from None


def _decoded(text: str) -> str:
    """Resolve percent-encoded UTF-8; percent-encoded ASCII is refused: one reader's data, another's dot."""
    if "%" not in text:
        return text
    latin = re.sub(r"%([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)) if int(match[1], 16) > 127 else "%", text)
    try:
        name = latin.encode("latin-1").decode() if text.isascii() else ""
    except UnicodeDecodeError:
        name = ""
    if not name or "%" in name:
        raise InvalidURL(f"invalid host {text!r} in the URL: percent-encoding is for text outside ASCII")
    return name


def _check_labels(name: str) -> None:
    stem = name.removesuffix(".")
    labels = stem.split(".")
    if len(stem) > _LONGEST_NAME or max(map(len, labels)) > _LONGEST_LABEL:
        raise InvalidURL(f"invalid host {name[:80]!r}... in the URL: the name or a part of it is too long")
    for label in labels:
        if label.startswith("xn--") and not _is_sound_alabel(label):
            raise InvalidURL(f"invalid host {name!r} in the URL: {label!r} is not the encoding of a name")


def _is_sound_alabel(label: str) -> bool:
    """Whether an A-label stands for one name only.

    Some decoders take ``xn--example-`` for ``example`` (CVE-2026-39821); it is not the encoding of anything.
    The code points are not checked against IDNA 2008: names with symbols are registered and in use.
    """
    import unicodedata

    encoded = label[4:].encode("ascii")
    try:
        decoded = encoded.decode("punycode")
        if decoded.isascii() or decoded.encode("punycode") != encoded:
            return False
    except (UnicodeError, OverflowError):
        return False
    if any(unicodedata.category(character) in _UNSOUND_CATEGORIES for character in decoded):
        return False
    return unicodedata.normalize("NFKC", decoded.lower()) == decoded
