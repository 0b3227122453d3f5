"""What a pool tells those who listen to its connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hyperhttp.connection.base import Connection

__all__ = ["CLOSED", "HOOKS", "LEFT_IDLE", "OPENED", "REUSED", "ConnectionEvent", "refuse_waiting", "tell"]

OPENED: Final = "opened"
REUSED: Final = "reused"
CLOSED: Final = "closed"
LEFT_IDLE: Final = "idle"

#: Names of event hooks, by what happened.
HOOKS: Final = {OPENED: "connect", CLOSED: "close"}


class ConnectionEvent(NamedTuple):
    """Something that happened to a connection.

    Attributes:
        kind: ``"opened"``, ``"reused"``, ``"idle"`` or ``"closed"``.
        host: of the origin.
        port: of the origin.
        http_version: ``"HTTP/1.1"`` or ``"HTTP/2"``.
        id: a number no other connection of this process has.
        peer: the address it was connected to: the proxy's where there is one; the path of a Unix socket.
        proxy: the proxy's URL without credentials, or None.
        tls_version: such as ``"TLSv1.3"``; None without TLS.
        alpn: the protocol chosen in the handshake; None without a choice.
        dns: seconds of looking up the name.
        connect: seconds until the peer took the connection, a proxy's own handshake included.
        tls: seconds of TLS handshakes.
        uses: requests that were begun on it before this moment.
    """

    kind: str
    host: str
    port: int
    http_version: str
    id: int = 0
    peer: str = ""
    proxy: str | None = None
    tls_version: str | None = None
    alpn: str | None = None
    dns: float = 0.0
    connect: float = 0.0
    tls: float = 0.0
    uses: int = 0


def tell(
    listeners: Sequence[Callable[[ConnectionEvent], Any]],
    kind: str,
    connection: Connection,
    hooks: Mapping[str, Sequence[Callable[[ConnectionEvent], Any]]] | None = None,
) -> None:
    """Tell every listener; one that fails is logged and harms neither the others nor the connection.

    Args:
        listeners: told in any case.
        kind: what happened.
        connection: to what.
        hooks: event hooks, of which those for `kind` are told first.
    """
    if hooks is not None:
        listeners = (*hooks.get(HOOKS.get(kind, ""), ()), *listeners)
    if not listeners:
        return
    event = describe(kind, connection)
    for listener in listeners:
        try:
            refuse_waiting(listener(event))
        except Exception:
            from logging import getLogger

            getLogger("hyperhttp").exception("a listener failed at %r", event)


def describe(kind: str, connection: Connection) -> ConnectionEvent:
    """The event."""
    lane, info = connection.lane, connection.info
    if info is None:
        return ConnectionEvent(kind, lane.host, lane.port, connection.http_version, uses=connection.uses)
    return ConnectionEvent(
        kind,
        lane.host,
        lane.port,
        connection.http_version,
        info.id,
        info.peer,
        info.proxy,
        info.tls_version,
        info.alpn,
        info.dns,
        info.connect,
        info.tls,
        connection.uses,
    )


def refuse_waiting(result: Any) -> None:
    """Connections open and close, and responses are over, where nothing waits for a listener.

    Raises:
        TypeError: that is what it wants.
    """
    if hasattr(result, "__await__"):
        close = getattr(result, "close", None)
        if close is not None:
            close()  # or Python would complain of a coroutine that was never awaited
        msg = "hooks and listeners for what may happen where nothing waits must be plain functions, not async ones"
        raise TypeError(msg)
