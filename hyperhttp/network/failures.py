"""Addresses that took a connection and then failed: for a while they are tried after the others.

A race of addresses (RFC 8305) finds those that take no connection. One that takes it and then says nothing, or breaks
off, wins each race; so a name of which half the addresses are in this state would fail again and again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperhttp.network.addresses import Address

__all__ = ["AddressFailures"]

#: Seconds that a failure is remembered.
MEMORY: Final = 30.0
#: Addresses that are remembered at most.
MAX_ADDRESSES: Final = 1024


class AddressFailures:
    """When which address failed last; safe to share between threads, each step of which is one of a dict's.

    Attributes:
        moments: the last failure by address and port.
    """

    __slots__ = ("moments",)

    def __init__(self) -> None:
        self.moments: dict[tuple[str, int], float] = {}

    def note(self, address: str, port: int, now: float) -> None:
        """A connection to this address has failed before it served anything."""
        if len(self.moments) >= MAX_ADDRESSES:
            self.moments.clear()
        self.moments[address, port] = now

    def order(self, addresses: Sequence[Address], now: float) -> Sequence[Address]:
        """The same addresses, those that failed lately behind the others, the latest failure last."""
        moments = self.moments
        if not moments or len(addresses) < 2:
            return addresses
        since = now - MEMORY
        return sorted(addresses, key=lambda each: max(moments.get((each.host, each.port), since), since))
