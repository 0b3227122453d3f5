"""Metrics of connections: how many are open, busy or idle, and how long each lasted."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING, Any, Final

from hyperhttp_otel import conventions as names
from hyperhttp_otel.listener import Listener, is_suppressed

if TYPE_CHECKING:
    from hyperhttp.plugins import ConnectionEvent

__all__ = ["ConnectionListener"]

_ACTIVE: Final = "active"
_IDLE: Final = "idle"


class _Open:
    """An open connection: its attributes, and what it was counted as last."""

    __slots__ = ("attributes", "opened_at", "state")

    def __init__(self, attributes: dict[str, Any]) -> None:
        self.attributes = attributes
        self.opened_at = perf_counter()
        self.state = ""


class ConnectionListener(Listener):
    """A listener that counts connections too."""

    __slots__ = ("_open",)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._open: dict[int, _Open] = {}

    def connection(self, event: ConnectionEvent) -> None:
        """Opened, taken from the pool again, or closed."""
        if event.kind == "opened":
            if is_suppressed() or not self.switch.on:
                return  # an exporter's: what it opens is not the application's
            self._open[event.id] = _Open(
                {
                    names.SERVER_ADDRESS: event.host,
                    names.SERVER_PORT: event.port,
                    names.PROTOCOL_VERSION: names.version_of(event.http_version),
                }
            )
        if event.kind != "closed":
            self._count(event, _ACTIVE)
            return
        self._count(event, "")
        known = self._open.pop(event.id, None)
        if known is not None and self.instruments.connection_duration is not None:
            self.instruments.connection_duration.record(perf_counter() - known.opened_at, known.attributes)

    def idle(self, event: ConnectionEvent) -> None:
        """Nothing to do any more."""
        self._count(event, _IDLE)

    def leave(self) -> None:
        """What is open is not counted any more."""
        known, self._open = self._open, {}
        for each in known.values():
            self._move(each, "")

    def _count(self, event: ConnectionEvent, state: str) -> None:
        """Move a connection from one count to another; an empty state is none."""
        known = self._open.get(event.id)
        if known is not None:
            self._move(known, state)

    def _move(self, known: _Open, state: str) -> None:
        counter = self.instruments.open_connections
        if counter is None or known.state == state:
            return
        if known.state:
            counter.add(-1, {**known.attributes, names.CONNECTION_STATE: known.state})
        if state:
            counter.add(1, {**known.attributes, names.CONNECTION_STATE: state})
        known.state = state
