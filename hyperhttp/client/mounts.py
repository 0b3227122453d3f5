"""Transports of a client: those that plugins mount on URL schemes and hosts, and the one it was given for everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperhttp.network.base import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hyperhttp.message.url import URL

__all__ = ["Transports", "close_quietly"]


class Transports:
    """Finds the transport for a URL; each is made when it is first met.

    Args:
        mounts: of plugins, the most precise first.
        transport: the client's own, for every URL.
    """

    def __init__(self, mounts: Sequence[Any], transport: Any = None) -> None:
        if transport is not None and not (hasattr(transport, "send") and hasattr(transport, "close")):
            msg = f"transport= takes an object with send() and close(), not {type(transport).__name__}"
            raise TypeError(msg)
        self._mounts = tuple(mounts)
        self._own = transport
        self._made: dict[int, Any] = {}
        self._lock = new_lock()

    def __bool__(self) -> bool:
        return self._own is not None or bool(self._mounts)

    def find(self, url: URL) -> Any:
        """The transport for a URL, or None: the network."""
        if self._own is not None:
            return self._own
        for index, mount in enumerate(self._mounts):
            if mount.matches(url.scheme, url.host, url.effective_port):
                return self._transport_of(index)
        return None

    def serves(self, url: URL) -> bool:
        """Whether there is a transport for a URL; none is made for the answer."""
        return self._own is not None or any(
            mount.matches(url.scheme, url.host, url.effective_port) for mount in self._mounts
        )

    def _transport_of(self, index: int) -> Any:
        with self._lock:  # threads that meet it at the same time get the same one
            if index not in self._made:
                self._made[index] = self._mounts[index].factory()
            return self._made[index]

    def close(self) -> None:
        """Close what was made, and what the client was given."""
        made, self._made = self._made, {}
        for transport in (*made.values(), *([self._own] if self._own is not None else [])):
            close_quietly(transport.close)


def close_quietly(close: Callable[[], object]) -> None:
    """Call what closes something of a plugin's; where it fails, that is logged, and everything else is closed all the same."""
    try:
        close()
    except Exception:
        from logging import getLogger

        getLogger("hyperhttp").exception("closing failed")
