"""Requests that ask for another protocol: ``extensions={"upgrade": "websocket"}``.

On HTTP/1.1 they carry Upgrade and Connection (RFC 9110 section 7.8), on HTTP/2 they become an extended CONNECT
(RFC 8441). Where the server agrees, the response's ``extensions["upgraded"]`` is the stream.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperhttp.exceptions import LocalProtocolError
from hyperhttp.protocol.grammar import TOKEN

if TYPE_CHECKING:
    from hyperhttp.connection.route import Route
    from hyperhttp.message.request import Request
    from hyperhttp.pipeline.call import PlainCall
    from hyperhttp.pool.pool import ConnectionPool

__all__ = ["prepare_upgrade", "switch_protocols", "upgrade_fields"]


def prepare_upgrade(call: PlainCall) -> str:
    """The protocol a call asks for, its route made fit for that; empty for none.

    Raises:
        LocalProtocolError: the request cannot ask for it.
    """
    request = call.request
    extensions = request.extensions
    protocol = extensions.get("upgrade")
    if not protocol:
        return ""
    if not isinstance(protocol, str) or not protocol.isascii() or TOKEN.fullmatch(protocol.encode()) is None:
        msg = f"extensions['upgrade'] is the name of a protocol, such as 'websocket', not {protocol!r}"
        raise LocalProtocolError(msg)
    if request._content is not None or request.method != "GET":
        msg = "a request that asks for another protocol is a GET without content"
        raise LocalProtocolError(msg)
    route = call.route.tunnelled()  # a proxy that forwards requests keeps Upgrade to itself
    if route.http2 is True and extensions.get("http2") == "if-open" and not _offers_connect(call.pool, route):
        route = route.without_http2()
    call.route = route
    return protocol


def upgrade_fields(request: Request, fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The fields of a request, with those that ask for the protocol in HTTP/1.1."""
    protocol = request.extensions.get("upgrade")
    if not protocol:
        return fields
    kept = [field for field in fields if field[0].lower() not in (b"connection", b"upgrade")]
    return [*kept, (b"Connection", b"Upgrade"), (b"Upgrade", protocol.encode("ascii"))]


async def switch_protocols(connection: Any, call: PlainCall, data: bytes, protocol: str) -> tuple[Any, Any, float]:
    """Send the request; the head of its answer, its content or an `Upgraded`, and the moment it came."""
    if connection.multiplexed:
        # Here and below: what few programs need.
        from hyperhttp.connection.http2_upgraded import open_stream

        return await open_stream(connection, call.request, protocol, call.timeout, call.total_at, call.now)
    from hyperhttp.connection.upgraded import HTTP1Upgrade, Upgraded

    connection.owner = call
    head, content, at = await connection.send("GET", data, call.timeout, call.total_at, call.now, protocol)
    if head.status_code == 101:
        content = Upgraded(HTTP1Upgrade(connection, call.pool.network, content))
    return head, content, at


def _offers_connect(pool: ConnectionPool, route: Route) -> bool:
    """Whether a connection is open that takes an extended CONNECT at once."""
    lane = pool.lanes.get(route)
    connections: list[Any] = [] if lane is None else [*lane.shared, *lane.idle]
    return any(
        each.multiplexed and each.is_settled and each.engine.peer.enable_connect_protocol and each.has_room()
        for each in connections
    )
