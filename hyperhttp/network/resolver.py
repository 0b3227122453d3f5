"""From host names to addresses: the system's resolver, and a cache with bounded lifetime in front of it.

A resolver is any object with ``async def resolve(host, port)``; plugins bring their own. IP literals and
``localhost`` names never reach it through ``SystemResolver``: the first need no lookup, the second must not
get one (RFC 6761 section 6.3). The cache keeps what was found and what was not found, asks once for all who
want the same name at the same time, and holds nothing for longer than its lifetime says, since the system's
interface does not tell the lifetime of a record.
"""

from __future__ import annotations

import socket
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol, cast

from hyperhttp._naming import peer_name
from hyperhttp.exceptions import DNSError
from hyperhttp.network.addresses import Address, looks_numeric, parse_ip_literal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperhttp.network.base import Network

__all__ = [
    "DEFAULT_MAX_ENTRIES",
    "DEFAULT_NEGATIVE_TTL",
    "DEFAULT_TTL",
    "CachingResolver",
    "Resolver",
    "SystemResolver",
    "lookup_failed",
    "no_address",
]

DEFAULT_TTL: Final = 60.0
DEFAULT_NEGATIVE_TTL: Final = 5.0
"""Seconds a name stays unknown: long enough to spare a name server a retry storm, short enough for a
service that is just coming up."""
DEFAULT_MAX_ENTRIES: Final = 1024

_MAX_NAME: Final = 253  # octets of a name in text form, without the trailing dot (RFC 1035 2.3.4)
_TEMPORARY: Final = frozenset(
    getattr(socket, name) for name in ("EAI_AGAIN", "EAI_FAIL", "EAI_MEMORY", "EAI_SYSTEM") if hasattr(socket, name)
)


class Resolver(Protocol):
    """Finds the addresses of a host."""

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """The addresses of the host, at least one, in the order they should be tried.

        Args:
            host: A host name in ASCII form, or an IP address without brackets.
            port: The port that is going to be connected to; it becomes part of each address.

        Raises:
            DNSError: the name has no address, or nobody could be asked.
        """
        ...


class SystemResolver:
    """Asks the operating system: hosts file, DNS and whatever else it is configured to ask.

    Args:
        network: Runs the blocking lookup, in a worker thread on asyncio.
    """

    def __init__(self, network: Network) -> None:
        self._network = network

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """See ``Resolver.resolve``; IP literals, with or without a zone, and localhost need no lookup."""
        literal = parse_ip_literal(host, port)
        if literal is not None:
            return (literal,)
        if _is_localhost(host):
            return _loopback(port)
        return await self._network.call(_lookup, host, port)


class _Entry(NamedTuple):
    """What is known about a name until ``expires``: its addresses, or why it has none."""

    expires: float
    addresses: tuple[Address, ...]
    error: DNSError | None


class CachingResolver:
    """Remembers what another resolver said, for a bounded time and a bounded number of names.

    Threads may share it: the table only sees single operations, each of them atomic. A lookup that several
    callers want at once is made once, and goes on for the others when one of them is cancelled.

    Args:
        resolver: Who is asked.
        network: Clock and single flight.
        ttl: Seconds addresses are kept; 0 keeps none, though lookups at the same time are still shared.
        negative_ttl: Seconds "this name has no address" is kept. Failures that may pass, such as a name
            server that does not answer, are never kept.
        max_entries: Number of names kept; the one unused for longest goes first.
    """

    def __init__(
        self,
        resolver: Resolver,
        network: Network,
        *,
        ttl: float = DEFAULT_TTL,
        negative_ttl: float = DEFAULT_NEGATIVE_TTL,
        max_entries: int = DEFAULT_MAX_ENTRIES,
    ) -> None:
        if not (ttl >= 0 and negative_ttl >= 0):
            raise ValueError("the lifetimes of cached addresses must not be negative")
        if max_entries < 1:
            raise ValueError("max_entries must be at least 1")
        self._resolver = resolver
        self._network = network
        self._ttl = ttl
        self._negative_ttl = negative_ttl
        self._max_entries = max_entries
        self._entries: OrderedDict[tuple[str, int], _Entry] = OrderedDict()

    async def resolve(self, host: str, port: int) -> Sequence[Address]:
        """See ``Resolver.resolve``; the answer may be as old as the lifetime allows."""
        key = (host.lower(), port)
        entry = self._look_up(key)
        if entry is None:
            # id(self): several clients may share a network, and need not share a resolver.
            entry = await self._network.share(("dns", id(self), *key), lambda: self._ask(key))
        if entry.error is not None:
            raise _again(entry.error)
        return entry.addresses

    def invalidate(self, host: str, port: int | None = None) -> None:
        """Forget a host, for one port or for all, because none of its addresses could be connected to."""
        name = host.lower()
        keys = [key for key in list(self._entries) if key[0] == name] if port is None else [(name, port)]
        for key in keys:
            self._entries.pop(key, None)

    def clear(self) -> None:
        """Forget everything, as after a change of the network."""
        self._entries.clear()

    def _look_up(self, key: tuple[str, int]) -> _Entry | None:
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires <= self._network.now():
            self._entries.pop(key, None)
            return None
        try:
            self._entries.move_to_end(key)
        except KeyError:  # another thread dropped it just now; what it said still holds
            pass
        return entry

    async def _ask(self, key: tuple[str, int]) -> _Entry:
        """One lookup and its entry; an error is an answer here, so that all who wait share it."""
        host, port = key
        addresses: tuple[Address, ...] = ()
        error: DNSError | None = None
        try:
            addresses = tuple(await self._resolver.resolve(host, port))
        except DNSError as exc:
            error = exc
        if not addresses and error is None:
            error = no_address(host, port)
        ttl = self._ttl if error is None else self._negative_ttl
        kept = error
        if error is not None and error.retryable:
            ttl = 0.0
        elif error is not None:
            kept = _again(error)  # without the traceback, whose frames would live as long as the entry
        if ttl > 0:
            self._store(key, _Entry(self._network.now() + ttl, addresses, kept))
        return _Entry(0.0, addresses, error)

    def _store(self, key: tuple[str, int], entry: _Entry) -> None:
        self._entries[key] = entry
        self._entries.move_to_end(key)
        while len(self._entries) > self._max_entries:
            try:
                self._entries.popitem(last=False)
            except KeyError:  # emptied by another thread
                return


def _is_localhost(host: str) -> bool:
    name = host.lower().removesuffix(".")
    return name == "localhost" or name.endswith(".localhost")


def _loopback(port: int) -> tuple[Address, ...]:
    ipv4 = Address(socket.AF_INET, "127.0.0.1", port)
    return (Address(socket.AF_INET6, "::1", port), ipv4) if socket.has_ipv6 else (ipv4,)


def _lookup(host: str, port: int) -> tuple[Address, ...]:
    """Ask the system, blocking.

    Raises:
        DNSError: always that, whatever the system raised.
    """
    try:
        # Bytes, because str would go through Python's old IDNA codec, which is slow and of IDNA 2003.
        name = host.encode("ascii")
    except UnicodeEncodeError as exc:
        raise _refused(host, port, "it is not in ASCII form (A-labels, RFC 5890)") from exc
    if not name or b"\0" in name or len(name.removesuffix(b".")) > _MAX_NAME:
        raise _refused(host, port, "it is empty, too long or holds a NUL")
    if looks_numeric(host):
        raise _refused(host, port, "it is neither a name nor an IPv4 address in dotted form")
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    except OSError as exc:
        raise lookup_failed(host, port, exc) from exc
    addresses = tuple(_from_system(family, sockaddr) for family, _, _, _, sockaddr in found if _usable(family))
    if not addresses:
        raise no_address(host, port)
    return tuple(dict.fromkeys(addresses))


def _usable(family: int) -> bool:
    return family == socket.AF_INET or (family == socket.AF_INET6 and socket.has_ipv6)


def _from_system(family: int, sockaddr: tuple[object, ...]) -> Address:
    scope_id = int(str(sockaddr[3])) if len(sockaddr) == 4 else 0
    text = str(sockaddr[0]).partition("%")[0]  # the zone is in scope_id already
    return Address(family, text, int(str(sockaddr[1])), scope_id)


def lookup_failed(host: str, port: int, exc: OSError) -> DNSError:
    """The error for what went wrong while a name was looked up."""
    said = exc.strerror or str(exc)
    temporary = not isinstance(exc, socket.gaierror) or exc.errno in _TEMPORARY
    hint = "; no name server may be reachable" if temporary else ""
    message = f"cannot resolve the host name of {peer_name(host, port)}: the system says {said!r}{hint}"
    error = DNSError(message, host=host, port=port, phase="dns")
    error.retryable = temporary
    return error


def no_address(host: str, port: int) -> DNSError:
    """The error for a name that leads nowhere."""
    message = f"cannot resolve the host name of {peer_name(host, port)}: it has no address"
    error = DNSError(message, host=host, port=port, phase="dns")
    error.retryable = False
    return error


def _refused(host: str, port: int, why: str) -> DNSError:
    error = DNSError(f"cannot resolve {host!r}: {why}", host=host, port=port, phase="dns")
    error.retryable = False
    return error


def _again(error: DNSError) -> DNSError:
    """A copy to raise: a kept exception must not collect the tracebacks and requests of all its users."""
    copy = cast("DNSError", error.__copy__())
    copy.request = None
    copy.__cause__ = error.__cause__
    return copy
