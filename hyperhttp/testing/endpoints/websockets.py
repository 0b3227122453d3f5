"""A WebSocket that echoes (RFC 6455), over HTTP/1.1. Needs ``wsproto``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperhttp.testing.endpoints.routing import Routes
from hyperhttp.testing.exchange import BadRequestError
from hyperhttp.testing.messages import Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from hyperhttp.testing.exchange import Exchange

__all__ = ["routes"]

routes = Routes()


@routes.add("/ws/echo")
def echo(exchange: Exchange) -> Reply:
    """Switches to a WebSocket that sends every message back; ``?subprotocol=`` chooses one, ``?compression=0`` none.

    The text ``close 4000 reason`` is answered by a Close frame with that code and reason.
    """
    try:
        import wsproto
    except ImportError as error:
        raise BadRequestError(501, "WebSockets need wsproto: pip install 'hyperhttp[testing]'") from error
    headers = exchange.headers
    if exchange.request.http_version != "HTTP/1.1" or "websocket" not in headers.tokens("upgrade"):
        raise BadRequestError(426, "a WebSocket handshake was expected", [("Upgrade", "websocket")])
    handshake = wsproto.WSConnection(wsproto.ConnectionType.SERVER)
    pairs = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.raw]
    try:
        handshake.initiate_upgrade_connection(pairs, exchange.request.target)
    except wsproto.utilities.RemoteProtocolError as error:
        raise BadRequestError(400, f"not a WebSocket handshake: {error}") from error
    return _accept(exchange, handshake)


def _accept(exchange: Exchange, handshake: Any) -> Reply:
    """The 101 that wsproto makes, and the conversation behind it."""
    from wsproto.events import AcceptConnection
    from wsproto.extensions import PerMessageDeflate

    extensions: list[Any] = [] if exchange.arg("compression") == "0" else [PerMessageDeflate()]
    try:
        head = handshake.send(AcceptConnection(subprotocol=exchange.arg("subprotocol") or None, extensions=extensions))
    except Exception as error:
        raise BadRequestError(400, f"not what was offered: {error}") from error
    lines = head.decode("latin-1").split("\r\n")[1:]
    fields = [(name, value.strip()) for name, colon, value in (line.partition(":") for line in lines) if colon]

    async def talk(_: Callable[[bytes], Awaitable[None]]) -> None:
        await converse(exchange, handshake)

    return Reply(101, fields, talk)


async def converse(exchange: Exchange, connection: Any) -> None:
    """Echo until one side has closed."""
    from wsproto.events import CloseConnection

    is_open = True
    while is_open and (data := await exchange.read_raw()):
        connection.receive_data(data)
        for event in connection.events():
            await exchange.send_raw(_answer(connection, event))
            is_open = not isinstance(event, CloseConnection)  # it has closed, or broken the protocol
    exchange.close()


def _answer(connection: Any, event: Any) -> bytes:
    """What is sent for one event."""
    from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
    from wsproto.utilities import LocalProtocolError

    answer: Any = None
    if isinstance(event, TextMessage) and event.message_finished and event.data.startswith("close "):
        code, _, reason = event.data.removeprefix("close ").partition(" ")
        answer = CloseConnection(code=int(code), reason=reason or None)
    elif isinstance(event, TextMessage):
        answer = TextMessage(data=event.data, message_finished=event.message_finished)
    elif isinstance(event, BytesMessage):
        answer = BytesMessage(data=bytes(event.data), message_finished=event.message_finished)
    elif isinstance(event, (CloseConnection, Ping)):
        answer = event.response()
    try:
        data: bytes = connection.send(answer) if answer is not None else b""
    except LocalProtocolError:
        return b""  # it is closing: what comes now is for nobody
    return data
