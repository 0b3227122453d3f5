"""Transports of a client: those mounted on URL schemes and hosts, by its caller or by plugins, and one for everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from hyperhttp.network.base import new_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hyperhttp.message.pattern import URLPattern
    from hyperhttp.message.url import URL

__all__ = ["Transports", "close_quietly"]


class Choice(NamedTuple):
    """What serves a URL, and which setting says so.

    Attributes:
        transport: the transport; None for the network.
        rule: the setting.
    """

    transport: Any
    rule: str


class Transports:
    """Finds the transport for a URL; those of plugins are made when they are first met.

    Args:
        mounts: of plugins, the most precise first.
        transport: the client's own, for every URL that `own` says nothing of.
        own: the client's own by pattern; None is the network.

    Raises:
        TypeError: something given is no transport.
        ValueError: a pattern is none.
    """

    def __init__(self, mounts: Sequence[Any], transport: Any = None, own: Mapping[str, Any] | None = None) -> None:
        self._own_mounts = _own_mounts(own or {})
        if transport is not None:
            _check(transport, "transport=")
        self._mounts = tuple(mounts)
        self._own = transport
        self._made: dict[int, Any] = {}
        self._lock = new_lock()

    def __bool__(self) -> bool:
        return self._own is not None or bool(self._mounts) or bool(self._own_mounts)

    def find(self, url: URL) -> Any:
        """The transport for a URL, or None: the network."""
        found = self._find_own(url)
        if found is not None:
            return found.transport
        index = self._index(url)
        return None if index is None else self._transport_of(index)

    def explain(self, url: URL) -> Choice:
        """What serves a URL, and why; no transport is made for the answer."""
        found = self._find_own(url)
        if found is not None:
            return found
        index = self._index(url)
        if index is None:
            return Choice(None, "no transport is mounted for this URL")
        mount = self._mounts[index]
        return Choice(self._made.get(index, mount.factory), f"the mount {mount.pattern} of a plugin")

    def serves(self, url: URL) -> bool:
        """Whether there is a transport for a URL; none is made for the answer."""
        found = self._find_own(url)
        return found.transport is not None if found is not None else self._index(url) is not None

    def _find_own(self, url: URL) -> Choice | None:
        """By the client's own settings: the most precise pattern, then the transport for everything."""
        for pattern, transport, rule in self._own_mounts:
            if pattern.matches(url.scheme, url.host, url.effective_port):
                return Choice(transport, rule)
        return None if self._own is None else Choice(self._own, "transport=")

    def _index(self, url: URL) -> int | None:
        for index, mount in enumerate(self._mounts):
            if mount.matches(url.scheme, url.host, url.effective_port):
                return index
        return None

    def _transport_of(self, index: int) -> Any:
        with self._lock:  # threads that meet it at the same time get the same one
            if index not in self._made:
                self._made[index] = self._mounts[index].factory()
            return self._made[index]

    def close(self) -> None:
        """Close what was made, and what the client was given; each once, however often it is mounted."""
        made, self._made = self._made, {}
        given = [transport for _, transport, _ in self._own_mounts] + [self._own]
        for transport in {id(each): each for each in (*made.values(), *given) if each is not None}.values():
            close_quietly(transport.close)


def _own_mounts(given: Mapping[str, Any]) -> list[tuple[URLPattern, Any, str]]:
    """The mounts of ``mounts=``, the most precise first."""
    if not given:
        return []
    from hyperhttp.message.pattern import URLPattern  # for those who mount something

    found = []
    for text, transport in given.items():
        if transport is not None:
            _check(transport, f"mounts[{text!r}]")
        found.append((URLPattern.parse(text), transport, f"mounts[{text!r}]"))
    return sorted(found, key=lambda mount: mount[0].precision, reverse=True)


def _check(transport: Any, where: str) -> None:
    if not (hasattr(transport, "send") and hasattr(transport, "close")):
        msg = f"{where} takes an object with send() and close(), not {type(transport).__name__}"
        raise TypeError(msg)


def close_quietly(close: Callable[[], object]) -> None:
    """Call what closes something of a plugin's; where it fails, that is logged, and everything else is closed all the same."""
    try:
        close()
    except Exception:
        from logging import getLogger

        getLogger("hyperhttp").exception("closing failed")
