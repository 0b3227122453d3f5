"""What a pool tells those who listen to its connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.connection.base import Connection

__all__ = ["CLOSED", "OPENED", "REUSED", "ConnectionEvent", "tell"]

OPENED: Final = "opened"
REUSED: Final = "reused"
CLOSED: Final = "closed"


class ConnectionEvent(NamedTuple):
    """Something that happened to a connection.

    Attributes:
        kind: ``"opened"``, ``"reused"`` or ``"closed"``.
        host: of the origin.
        port: of the origin.
        http_version: ``"HTTP/1.1"`` or ``"HTTP/2"``.
    """

    kind: str
    host: str
    port: int
    http_version: str


def tell(listeners: tuple[Callable[[ConnectionEvent], None], ...], kind: str, connection: Connection) -> None:
    """Tell every listener; one that fails is logged and harms neither the others nor the connection."""
    event = ConnectionEvent(kind, connection.lane.host, connection.lane.port, connection.http_version)
    for listener in listeners:
        try:
            listener(event)
        except Exception:
            from logging import getLogger

            getLogger("hyperhttp").exception("a listener failed at %r", event)
