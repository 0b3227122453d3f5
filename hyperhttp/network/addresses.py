"""Addresses, the order in which they are tried, and the race between them (RFC 8305), all pure.

What comes in is what a resolver found or what a URL spells out; what goes out is an order of attempts and
the moments at which they start. Nothing here opens a socket or reads a clock: the networks do, and follow
the plan. ``IPNetwork`` is the small common ground of ``AddressPolicy`` and ``NO_PROXY``.

RFC 8305 sections 4 (sorting) and 5 (connection attempts), RFC 4007 section 11 (zones).
"""

from __future__ import annotations

import math
import re
import socket
from typing import TYPE_CHECKING, Final, NamedTuple

from hyperhttp.exceptions import ConnectError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "MAX_ADDRESSES",
    "Address",
    "IPNetwork",
    "Race",
    "canonical_ip",
    "ip_number",
    "looks_numeric",
    "order_addresses",
    "parse_ip_literal",
]

MAX_ADDRESSES: Final = 32
"""Addresses of one host that are tried at most: a name server must not choose how many sockets we open."""

_IPV4_SHAPE: Final = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}", re.ASCII)
_IPV4_NUMBER: Final = re.compile(r"\d+|0x[0-9a-f]*", re.ASCII | re.IGNORECASE)
_MAPPED_PREFIX: Final = 0xFFFF  # the 96 bits before the IPv4 address in ::ffff:0:0/96 (RFC 4291 2.5.5.2)


class Address(NamedTuple):
    """Where a socket connects to.

    Attributes:
        family: ``socket.AF_INET`` or ``socket.AF_INET6``.
        host: The IP address as text, without brackets and zone.
        port: The port number.
        scope_id: Index of the interface an IPv6 link-local address belongs to, 0 for none (RFC 4007).
    """

    family: int
    host: str
    port: int
    scope_id: int = 0

    @property
    def sockaddr(self) -> tuple[str, int] | tuple[str, int, int, int]:
        """The form ``socket.connect`` takes."""
        if self.family == socket.AF_INET6:
            return self.host, self.port, 0, self.scope_id
        return self.host, self.port


class IPNetwork(NamedTuple):
    """A block of addresses such as ``10.0.0.0/8``, or a single one; IPv4-mapped IPv6 counts as IPv4.

    Attributes:
        version: 4 or 6.
        base: The first address, as a number.
        prefix: Number of leading bits that all addresses of the block share.
    """

    version: int
    base: int
    prefix: int

    @classmethod
    def parse(cls, text: str) -> IPNetwork | None:
        """The block written as address, address/prefix or, for IPv4, address/netmask; None if it is neither.

        Bits behind the prefix are dropped, so ``10.1.2.3/8`` is ``10.0.0.0/8``. Zones do not belong here.
        """
        address, slash, suffix = text.partition("/")
        number = ip_number(address)
        if number is None:
            return None
        version, value = number
        bits = 32 if version == 4 else 128
        prefix = _parse_prefix(suffix, version) if slash else bits
        if prefix is None:
            return None
        if version == 6 and value >> 32 == _MAPPED_PREFIX and prefix >= 96:
            version, value, prefix, bits = 4, value & 0xFFFFFFFF, prefix - 96, 32
        shift = bits - prefix
        return cls(version, value >> shift << shift, prefix)

    def contains(self, version: int, value: int) -> bool:
        """Whether the address, given as ``canonical_ip`` gives it, lies in this block."""
        shift = (32 if self.version == 4 else 128) - self.prefix
        return version == self.version and value >> shift == self.base >> shift

    def __str__(self) -> str:
        family, size = (socket.AF_INET, 4) if self.version == 4 else (socket.AF_INET6, 16)
        return f"{socket.inet_ntop(family, self.base.to_bytes(size, 'big'))}/{self.prefix}"


def ip_number(text: str) -> tuple[int, int] | None:
    """Version and number of an IP address as written, None if it is not one in strict notation."""
    try:
        if ":" in text:
            # Some systems' inet_pton would read a zone as part of the address.
            packed = b"" if "%" in text else socket.inet_pton(socket.AF_INET6, text)
        else:
            # Some systems' inet_pton would take leading zeros, or fewer than four parts.
            packed = socket.inet_pton(socket.AF_INET, text) if _IPV4_SHAPE.fullmatch(text) else b""
    except (OSError, ValueError):  # ValueError: characters outside ASCII, NUL
        return None
    return (4 if len(packed) == 4 else 6, int.from_bytes(packed, "big")) if packed else None


def canonical_ip(text: str) -> tuple[int, int] | None:
    """As ``ip_number``, with the IPv4-mapped form ``::ffff:192.0.2.1`` taken for the IPv4 address it is."""
    number = ip_number(text)
    if number is not None and number[0] == 6 and number[1] >> 32 == _MAPPED_PREFIX:
        return 4, number[1] & 0xFFFFFFFF
    return number


def parse_ip_literal(host: str, port: int = 0) -> Address | None:
    """The address a host spells out, None if the host is a name.

    Brackets around IPv6 are accepted, and a zone behind ``%``: the name of a network interface or its
    index. In a URL the percent sign is spelled ``%25`` (RFC 6874); that is undone before hosts get here.

    Raises:
        ConnectError: the zone names an interface this machine does not have.
    """
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    text, percent, zone = host.partition("%")
    number = ip_number(text)
    if number is None or (percent and number[0] == 4):
        return None
    if number[0] == 4:
        return Address(socket.AF_INET, text, port)
    return Address(socket.AF_INET6, text, port, _scope_id(host, zone, port) if percent else 0)


def looks_numeric(host: str) -> bool:
    """Whether the last label is a number, so that the host can only be meant as an IPv4 address.

    The rule of the URL standard ("ends in a number"). Names such as ``2130706433`` or ``0x7f.1`` must not
    reach the system's resolver, which reads them as 127.0.0.1 while others take them for names.
    """
    labels = host.rstrip(".").rsplit(".", 1)
    return _IPV4_NUMBER.fullmatch(labels[-1]) is not None


def order_addresses(addresses: Iterable[Address], prefer: int | None = socket.AF_INET6) -> list[Address]:
    """The order in which to try the addresses of a host (RFC 8305 section 4).

    Within a family the order stays as it came, which is the system's (RFC 6724). The families take turns,
    one address each (First Address Family Count 1), and an address listed twice is tried once. At most
    ``MAX_ADDRESSES`` are kept.

    Args:
        addresses: What the resolver found.
        prefer: The family to begin with; None begins with the family of the first address.
    """
    found = list(dict.fromkeys(addresses))
    first = prefer if prefer is not None or not found else found[0].family
    preferred = [address for address in found if address.family == first]
    others = [address for address in found if address.family != first]
    turns = min(len(preferred), len(others))
    order = [address for pair in zip(preferred, others, strict=False) for address in pair]
    return (order + preferred[turns:] + others[turns:])[:MAX_ADDRESSES]


class Race:
    """Which connection attempt starts when (RFC 8305 section 5).

    The plan of a race over ``count`` addresses, by index. Whoever runs it says ``start`` once, starts what
    ``due`` names, sleeps until ``next_start`` or until an attempt ends, and says ``failed`` for each that
    has come to nothing, which brings the next one forward. The first attempt that succeeds wins, and the
    runner closes the others. Times are seconds of any one clock.

    Args:
        count: Number of addresses.
        delay: Seconds between two attempts, the Connection Attempt Delay; 0 starts all at once.
    """

    __slots__ = ("_count", "_delay", "_next", "_pending", "_started")

    def __init__(self, count: int, delay: float = 0.25) -> None:
        if not delay >= 0:
            raise ValueError(f"the delay between connection attempts must not be negative: {delay}")
        self._count = count
        self._delay = delay
        self._started = 0
        self._pending: set[int] = set()
        self._next = math.inf

    def start(self, now: float) -> None:
        """Let the first attempt be due."""
        self._next = now

    def due(self, now: float) -> list[int]:
        """The attempts that start now; naming them counts as their start.

        A runner that comes late does not catch up: the delay counts from the last real start.
        """
        started: list[int] = []
        while self._started < self._count and self._next <= now:
            started.append(self._started)
            self._started += 1
            self._next = now + self._delay
        self._pending.update(started)
        return started

    def failed(self, index: int, now: float) -> None:
        """Note that an attempt has come to nothing: the next one need not wait any longer."""
        self._pending.discard(index)
        self._next = min(self._next, now)

    @property
    def next_start(self) -> float | None:
        """When the next attempt is due, None when every address has had its turn."""
        return self._next if self._started < self._count else None

    @property
    def pending(self) -> list[int]:
        """The attempts that have started and not failed, in the order of their start."""
        return sorted(self._pending)

    @property
    def is_lost(self) -> bool:
        """Whether every address has had its turn and failed."""
        return self._started >= self._count and not self._pending


def _parse_prefix(suffix: str, version: int) -> int | None:
    """The length behind the slash, given as a number or as an IPv4 netmask."""
    if suffix.isascii() and suffix.isdigit() and len(suffix) <= 3:
        prefix = int(suffix)
        return prefix if prefix <= (32 if version == 4 else 128) else None
    mask = ip_number(suffix) if version == 4 else None
    if mask is None or mask[0] != 4:
        return None
    host_bits = mask[1] ^ 0xFFFFFFFF
    return None if host_bits & (host_bits + 1) else 32 - host_bits.bit_length()


def _scope_id(host: str, zone: str, port: int) -> int:
    if zone.isascii() and zone.isdigit() and len(zone) <= 10:
        return int(zone)
    try:
        return socket.if_nametoindex(zone)
    except (OSError, ValueError) as exc:
        message = f"cannot connect to {host}: this machine has no network interface {zone!r}"
        raise ConnectError(message, host=host, port=port or None, phase="connect") from exc
