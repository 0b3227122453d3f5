"""How long each part of opening a connection took."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

from hyperhttp.message.timing import ConnectionInfo

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.connection.route import Route
    from hyperhttp.network.base import Channel

__all__ = ["Laps"]

_numbers: Final = count(1)


class Laps:
    """A stopwatch: each lap belongs to the part of the work that has just ended.

    Args:
        now: the clock.

    Attributes:
        dns: seconds of looking up names.
        connect: seconds of connecting.
        tls: seconds of handshakes.
    """

    __slots__ = ("_now", "_since", "connect", "dns", "tls")

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._since = now()
        self.dns = self.connect = self.tls = 0.0

    def lap(self, part: str, until: float | None = None) -> None:
        """Add the time since the last lap to a part.

        Args:
            part: ``"dns"``, ``"connect"`` or ``"tls"``.
            until: the moment it ended, where that is not now.
        """
        now = max(until or self._now(), self._since)
        setattr(self, part, getattr(self, part) + now - self._since)
        self._since = now

    def describe(self, channel: Channel, route: Route) -> ConnectionInfo:
        """What is known of the connection that was opened."""
        return ConnectionInfo(
            next(_numbers),
            channel.peer,
            None if route.proxy is None else str(route.proxy),
            channel.tls_version,
            channel.alpn,
            self.dns,
            self.connect,
            self.tls,
        )
