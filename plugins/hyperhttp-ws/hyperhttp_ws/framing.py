"""Frames and messages (RFC 6455 sections 5 to 7) without I/O: bytes in, messages out, and the bytes of what is sent.

Messages are taken out one by one: what comes behind a message stays packed until it is asked for, so a few bytes never
become many messages in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from hyperhttp import WebSocketMessageTypeError
from hyperhttp_ws.deflate import PerMessageDeflate, SizeLimit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wsproto.events import Event, Message
    from wsproto.extensions import Extension

__all__ = ["Framing", "MessageData"]

MessageData: TypeAlias = "str | bytes"

_MAX_CONTROL: Final = 125


class Framing:
    """One WebSocket after its handshake.

    Args:
        extensions: those that both sides agreed on.
        max_size: bytes a message may have, inflated.

    Attributes:
        pong: the payload of the last ping that is not answered yet, or None.
        pongs: payloads of the pongs that came, since they were last looked at.
        peer_close: code and reason of the peer's Close frame, or None.
        fault: code to close with and what was wrong, where the peer broke the protocol; or None.
    """

    def __init__(self, extensions: Sequence[Extension] = (), max_size: int = PerMessageDeflate.limit) -> None:
        for extension in extensions:
            if isinstance(extension, PerMessageDeflate):
                extension.limit = max_size
        self._connection = Connection(ConnectionType.CLIENT, [*extensions, SizeLimit(max_size)])
        self._parts: list[str] | list[bytes] = []
        self._sending: type[Message[Any]] | None = None  # the type of a message whose end was not sent yet
        self.max_size = max_size
        self.pong: bytes | None = None
        self.pongs: list[bytes] = []
        self.peer_close: tuple[int, str] | None = None
        self.fault: tuple[int, str] | None = None

    # -- receiving ---------------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the peer; `pull` makes messages of them."""
        if self.peer_close is None and self.fault is None:
            self._connection.receive_data(data)

    def pull(self) -> MessageData | None:
        """The next complete message; None where more bytes are needed, or none will come."""
        if self.peer_close is not None or self.fault is not None:
            return None
        for event in self._connection.events():
            message = self._take(event)
            if message is not None:
                return message
        return None

    def _take(self, event: Event) -> MessageData | None:
        if isinstance(event, (TextMessage, BytesMessage)):
            if event.data:
                self._parts.append(event.data)  # type: ignore[arg-type]  # all of one type, which wsproto checks
            return self._join(event) if event.message_finished else None
        if isinstance(event, Ping):
            self.pong = bytes(event.payload)  # only the last one has to be answered (section 5.5.3)
        elif isinstance(event, Pong):
            self.pongs = [*self.pongs[-15:], bytes(event.payload)]
        elif isinstance(event, CloseConnection):
            self._end(int(event.code), event.reason or "")
        return None

    def _join(self, event: TextMessage | BytesMessage) -> MessageData:
        parts, self._parts = self._parts, []
        if isinstance(event, TextMessage):
            return "".join(parts)  # type: ignore[arg-type]
        return b"".join(parts)  # type: ignore[arg-type]

    def _end(self, code: int, reason: str) -> None:
        if self._connection.state in (ConnectionState.CLOSED, ConnectionState.REMOTE_CLOSING):
            self.peer_close = code, reason
        else:  # wsproto tells of broken frames as of a Close frame, but its state is the one before
            self.fault = code, self._describe(code, reason)

    def _describe(self, code: int, reason: str) -> str:
        if code == 1009:
            return f"a message is larger than max_message_size ({self.max_size} bytes)"
        if code == 1007 and reason == "error in extension":
            return "a deflated message cannot be inflated"
        return reason

    # -- sending -----------------------------------------------------------------------------------------------------

    def message(self, data: MessageData, *, final: bool) -> bytes:
        """The bytes of a message, or of a part of it.

        Raises:
            WebSocketMessageTypeError: it goes on with a message of the other type.
        """
        kind: type[Message[Any]] = TextMessage if isinstance(data, str) else BytesMessage
        if self._sending is not None and kind is not self._sending:
            msg = f"the message that was begun as {_name(self._sending)} goes on as {_name(kind)}"
            raise WebSocketMessageTypeError(msg)
        self._sending = None if final else kind
        return self._connection.send(kind(data=data, message_finished=final))

    def ping(self, payload: bytes) -> bytes:
        """The bytes of a Ping frame.

        Raises:
            ValueError: the payload is longer than a control frame's may be.
        """
        if len(payload) > _MAX_CONTROL:
            msg = f"a ping carries at most {_MAX_CONTROL} bytes, not {len(payload)}"
            raise ValueError(msg)
        return self._connection.send(Ping(payload=payload))

    def answer_ping(self) -> bytes:
        """The bytes of the Pong frame that is due; none where none is."""
        payload, self.pong = self.pong, None
        if payload is None or self._connection.state is not ConnectionState.OPEN:
            return b""
        return self._connection.send(Pong(payload=payload))

    def close(self, code: int, reason: str = "") -> bytes:
        """The bytes of a Close frame; none where one was sent already."""
        if self._connection.state not in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            return b""
        return self._connection.send(CloseConnection(code=code, reason=reason or None))


def _name(kind: type[Message[Any]]) -> str:
    return "text" if kind is TextMessage else "binary"
