"""Which addresses a client may connect to: the guard against SSRF and DNS rebinding.

The policy judges addresses, not names, and is asked after resolution and before connecting, on every hop:
what was checked is what is connected to. IPv6 forms that carry an IPv4 address are judged by that address
too (RFC 4291 2.5.5, RFC 6052, RFC 3056, RFC 4380, RFC 5214). The table of special blocks follows the IANA
special-purpose address registries (RFC 6890) rather than ``ipaddress``, whose answers differ between
Python releases.

Behind a proxy the proxy resolves the name of the origin, so the policy sees the proxy's address only.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Final

from hyperhttp._naming import peer_name
from hyperhttp.exceptions import AddressNotAllowed
from hyperhttp.network.addresses import Address, IPNetwork, canonical_ip

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["AddressPolicy"]

_SPECIAL: Final = (
    # Metadata services first: the reason should name them, not the block around them.
    (
        "cloud metadata",
        "169.254.169.254 169.254.170.2 100.100.100.200 192.0.0.192 168.63.129.16 fd00:ec2::254",
    ),
    ("unspecified", "0.0.0.0/8 ::"),
    ("loopback", "127.0.0.0/8 ::1"),
    ("private", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 fc00::/7 fec0::/10"),
    ("carrier-grade NAT", "100.64.0.0/10"),
    ("link-local", "169.254.0.0/16 fe80::/10"),
    ("multicast", "224.0.0.0/4 ff00::/8"),
    ("documentation", "192.0.2.0/24 198.51.100.0/24 203.0.113.0/24 2001:db8::/32 3fff::/20"),
    ("benchmarking", "198.18.0.0/15 2001:2::/48"),
    ("Teredo", "2001::/32"),  # tunnels of the transition, refused whatever they carry: no server lives there
    ("6to4", "192.88.99.0/24 2002::/16"),
    ("local NAT64", "64:ff9b:1::/48"),
    ("reserved", "192.0.0.0/24 240.0.0.0/4 2001::/23"),
)
_GLOBAL_UNICAST: Final = IPNetwork(6, 0x2000 << 112, 3)  # the only part of IPv6 given out so far
_NAT64: Final = 0x64FF9B << 64  # 64:ff9b::/96 without its last 32 bits (RFC 6052)
_NAT64_LOCAL: Final = 0x64FF9B0001  # 64:ff9b:1::/48 (RFC 8215)
_SIIT: Final = 0xFFFF0000  # ::ffff:0:0:0/96 (RFC 2765)
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})  # upper half of the interface identifier (RFC 5214)


class AddressPolicy:
    """Decides for each address whether a client may connect to it; immutable.

    In this order, the first rule that applies decides:

    1. an address in ``deny`` is refused, also when it is wrapped in an IPv6 form;
    2. an address in ``allow`` may be connected to;
    3. with ``public``, every address that is not public is refused and every other is fine;
    4. without ``public``, an address is refused if there is an ``allow`` list, else fine.

    Args:
        allow: Networks or addresses, such as ``"10.1.0.0/16"``. None is no list, an empty list allows
            nothing.
        deny: Networks or addresses.
        public: Whether only public addresses are fine, besides those of ``allow``.

    Raises:
        ValueError: an entry is neither an address nor a network.
    """

    __slots__ = ("_allow", "_deny", "_public")

    _allow: tuple[IPNetwork, ...] | None
    _deny: tuple[IPNetwork, ...]
    _public: bool

    def __init__(
        self,
        *,
        allow: Iterable[object] | str | None = None,
        deny: Iterable[object] | str = (),
        public: bool = False,
    ) -> None:
        object.__setattr__(self, "_allow", None if allow is None else _parse_all(allow))
        object.__setattr__(self, "_deny", _parse_all(deny))
        object.__setattr__(self, "_public", public)

    @classmethod
    def public_only(cls, *, allow: Iterable[object] | str = (), deny: Iterable[object] | str = ()) -> AddressPolicy:
        """Only addresses of the public Internet, and those of ``allow``.

        Refuses loopback, private, link-local, carrier-grade NAT, cloud metadata, multicast, unspecified,
        documentation and reserved addresses, and every IPv6 form of them.
        """
        return cls(allow=allow, deny=deny, public=True)

    def refusal(self, address: Address | str) -> str | None:
        """Why the address is refused, in a few words; None if it may be connected to."""
        text = address if isinstance(address, str) else address.host
        number = canonical_ip(text.partition("%")[0])
        if number is None:
            return "not an IP address"
        version, value = number
        carried = _embedded(value) if version == 6 else ()
        if self._denies(version, value) or any(self._denies(4, inner) for inner in carried):
            return "denied"
        if self._allows(version, value) or (_is_nat64(version, value) and self._allows(4, carried[0])):
            return None
        if self._public:
            return _not_public(version, value, carried)
        return None if self._allow is None else "not in the allowed networks"

    def check(self, address: Address | str, host: str | None = None) -> None:
        """Refuse an address the client may not connect to.

        Args:
            address: What is about to be connected to.
            host: The name that led there, for the message.

        Raises:
            AddressNotAllowed: the policy refuses the address.
        """
        reason = self.refusal(address)
        if reason is not None:
            raise _not_allowed([(address, reason)], host)

    def permitted(self, addresses: Iterable[Address], host: str | None = None) -> list[Address]:
        """The addresses that may be connected to, in their order.

        Raises:
            AddressNotAllowed: none may.
        """
        judged = [(address, self.refusal(address)) for address in addresses]
        fine = [address for address, reason in judged if reason is None]
        if judged and not fine:
            raise _not_allowed([(address, reason or "") for address, reason in judged], host)
        return fine

    def _denies(self, version: int, value: int) -> bool:
        return any(network.contains(version, value) for network in self._deny)

    def _allows(self, version: int, value: int) -> bool:
        return any(network.contains(version, value) for network in self._allow or ())

    def _state(self) -> tuple[tuple[IPNetwork, ...] | None, tuple[IPNetwork, ...], bool]:
        return self._allow, self._deny, self._public

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("AddressPolicy is immutable")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, self._state()

    def __eq__(self, other: object) -> bool:
        return self._state() == other._state() if isinstance(other, AddressPolicy) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._state())

    def __repr__(self) -> str:
        parts = [] if self._allow is None else [f"allow={[str(network) for network in self._allow]}"]
        if self._deny:
            parts.append(f"deny={[str(network) for network in self._deny]}")
        if self._public:
            parts.append("public=True")
        return f"AddressPolicy({', '.join(parts)})"


def _parse_all(entries: Iterable[object] | str) -> tuple[IPNetwork, ...]:
    """The networks of a list, or of one string: iterating over its letters is never what was meant."""
    networks = []
    for entry in [entries] if isinstance(entries, str) else entries:
        network = IPNetwork.parse(str(entry).strip())  # str: objects of `ipaddress` are welcome
        if network is None:
            raise ValueError(f"not an IP address or network: {str(entry)!r}")
        networks.append(network)
    return tuple(networks)


def _rebuild(
    allow: tuple[IPNetwork, ...] | None,
    deny: tuple[IPNetwork, ...],
    public: bool,
) -> AddressPolicy:
    return AddressPolicy(allow=allow, deny=deny, public=public)


def _not_allowed(judged: list[tuple[Address | str, str]], host: str | None) -> AddressNotAllowed:
    first = judged[0][0]
    port = None if isinstance(first, str) else first.port or None
    names = [address if isinstance(address, str) else address.host for address, _ in judged]
    refused = ", ".join(f"{name} ({reason})" for name, (_, reason) in zip(names[:4], judged, strict=False)) + (
        ", ..." if len(names) > 4 else ""
    )
    whose = "" if host is None or host == names[0] else f", the address of {peer_name(host, port)}"
    message = f"the address policy does not allow a connection to {refused}{whose}"
    return AddressNotAllowed(message, host=host or names[0], port=port, phase="connect")


def _not_public(version: int, value: int, carried: tuple[int, ...]) -> str | None:
    """Why an address is not one of the public Internet."""
    for reason, network in _special():
        if network.contains(version, value):
            return reason
    for inner in carried:
        reason_inside = _not_public(4, inner, ())
        if reason_inside is not None:
            return f"{reason_inside}, as an IPv4 address within IPv6"
    if version == 4 or _is_nat64(version, value) or _GLOBAL_UNICAST.contains(version, value):
        return None
    return "reserved"


def _is_nat64(version: int, value: int) -> bool:
    """Whether a translator turns the address into IPv4: on IPv6-only networks every IPv4 host is one."""
    return version == 6 and value >> 32 == _NAT64


def _embedded(value: int) -> tuple[int, ...]:
    """The IPv4 addresses that packets to an IPv6 address may end up at."""
    last = value & 0xFFFFFFFF
    upper = value >> 32
    if upper in {_NAT64, _SIIT} or (upper == 0 and last > 1):  # the last: IPv4-compatible, ::192.0.2.1
        return (last,)
    if value >> 80 == _NAT64_LOCAL:  # a /96, or the /48 itself, which leaves bits 64 to 71 out (RFC 6052 2.2)
        return last, (value >> 64 & 0xFFFF) << 16 | value >> 40 & 0xFFFF
    if value >> 112 == 0x2002:  # 6to4
        return (value >> 80 & 0xFFFFFFFF,)
    if value >> 96 == 0x20010000:  # Teredo: the server, and the client with its bits inverted
        return value >> 64 & 0xFFFFFFFF, last ^ 0xFFFFFFFF
    return (last,) if upper & 0xFFFFFFFF in _ISATAP else ()


@cache
def _special() -> tuple[tuple[str, IPNetwork], ...]:
    parsed = ((reason, IPNetwork.parse(text)) for reason, block in _SPECIAL for text in block.split())
    return tuple((reason, network) for reason, network in parsed if network is not None)
