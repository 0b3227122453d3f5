"""Frames and messages (RFC 6455 sections 5 to 7) without I/O: bytes in, messages out, and the bytes of what is sent.

wsproto reads and writes the frames. Messages are taken out one by one: what comes behind a message stays packed until it is
asked for, so a few bytes never become many messages in memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, TypeAlias

from wsproto.connection import Connection, ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage
from wsproto.frame_protocol import CloseReason

from hyperhttp import WebSocketMessageTypeError
from hyperhttp_ws.deflate import PerMessageDeflate
from hyperhttp_ws.limits import MessageLimits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from wsproto.events import Event, Message
    from wsproto.extensions import Extension

__all__ = ["Framing", "MessageData"]

MessageData: TypeAlias = "str | bytes"

_MAX_CONTROL: Final = 125
#: Bytes that wsproto takes apart at once: it copies them several times, and the copies of few bytes cost little memory.
_PIECE: Final = 32_768
#: Bytes, or characters, of a message in one frame, where no extension wants to see the whole; for the same reason.
_FRAME: Final = 262_144
#: Parts of a message that are put together at once: small ones would take many times their size.
_PARTS: Final = 1024


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
        self._limits = MessageLimits(max_size)
        self._connection = Connection(ConnectionType.CLIENT, [*extensions, self._limits])
        self._is_extended = any(extension.enabled() for extension in extensions)
        self._data = b""  # what has come
        self._at = 0  # what is before it was given to wsproto
        self._parts: list[Any] = []  # all of one type, which wsproto checks
        self._blocks: list[Any] = []  # parts that were put together
        self._sending: type[Message[Any]] | None = None  # the type of a message whose end was not sent yet
        self.max_size = max_size
        self.pong: bytes | None = None
        self.pongs: list[bytes] = []
        self.peer_close: tuple[int, str] | None = None
        self.fault: tuple[int, str] | None = None

    # -- receiving ---------------------------------------------------------------------------------------------------

    def receive_data(self, data: bytes) -> None:
        """Take bytes from the peer; `pull` makes messages of them."""
        if not self._has_ended():
            self._data = self._data[self._at :] + data if self._at < len(self._data) else data
            self._at = 0

    def pull(self) -> MessageData | None:
        """The next complete message; None where more bytes are needed, or none will come."""
        while not self._has_ended():
            for event in self._connection.events():
                message = self._take(event)
                if message is not None:
                    return message
            if self._at >= len(self._data):
                break
            self._feed()
        return None

    def _has_ended(self) -> bool:
        return self.peer_close is not None or self.fault is not None

    def _feed(self) -> None:
        start, self._at = self._at, self._at + _PIECE
        self._connection.receive_data(self._data[start : self._at])
        if self._at >= len(self._data):
            self._data, self._at = b"", 0

    def _take(self, event: Event) -> MessageData | None:
        if isinstance(event, (TextMessage, BytesMessage)):
            return self._add(event)
        if isinstance(event, Ping):
            self.pong = bytes(event.payload)  # only the last one has to be answered (section 5.5.3)
        elif isinstance(event, Pong):
            self.pongs = [*self.pongs[-15:], bytes(event.payload)]
        elif isinstance(event, CloseConnection):
            self._end(int(event.code), event.reason or "")
        return None

    def _add(self, event: TextMessage | BytesMessage) -> MessageData | None:
        """A part of a message; the message where it is the last one."""
        nothing: MessageData = "" if isinstance(event, TextMessage) else b""
        if event.data:
            self._parts.append(event.data)
        if event.message_finished:
            parts, self._parts, self._blocks = [*self._blocks, *self._parts], [], []
            message: MessageData = nothing.join(parts)
            return message
        if len(self._parts) >= _PARTS:
            self._blocks.append(nothing.join(self._parts))
            self._parts = []
        return None

    def _end(self, code: int, reason: str) -> None:
        if self._connection.state in (ConnectionState.CLOSED, ConnectionState.REMOTE_CLOSING):
            self.peer_close = code, reason
        else:  # wsproto tells of broken frames as of a Close frame, but its state is the one before
            self.fault = code, self._describe(code, reason)
        self._data, self._at = b"", 0  # nothing of what has come will be used
        self._parts, self._blocks = [], []

    def _describe(self, code: int, reason: str) -> str:
        if self._limits.refusal is not None:
            return self._limits.refusal
        if code == 1009:
            return f"a message is larger than max_message_size ({self.max_size} bytes)"
        if code == 1007 and reason == "error in extension":
            return "a deflated message cannot be inflated"
        return reason

    # -- sending -----------------------------------------------------------------------------------------------------

    def message(self, data: MessageData, *, final: bool) -> Iterator[bytes]:
        """The bytes of a message, or of a part of it, piece by piece; all of them have to be sent.

        Raises:
            WebSocketMessageTypeError: it goes on with a message of the other type.
            UnicodeEncodeError: a text is none that UTF-8 can express. Nothing of it may be sent.
        """
        kind: type[Message[Any]] = TextMessage if isinstance(data, str) else BytesMessage
        if self._sending is not None and kind is not self._sending:
            msg = f"the message that was begun as {_name(self._sending)} goes on as {_name(kind)}"
            raise WebSocketMessageTypeError(msg)
        if len(data) <= _FRAME or self._is_extended:
            pieces = iter((self._connection.send(kind(data=data, message_finished=final)),))
        else:
            if isinstance(data, str) and not data.isascii():
                data.encode()  # raises before a part of it was sent
            pieces = self._in_frames(kind, data, final=final)
        self._sending = None if final else kind
        return pieces

    def _in_frames(self, kind: type[Message[Any]], data: MessageData, *, final: bool) -> Iterator[bytes]:
        last = len(data) - _FRAME
        for start in range(0, len(data), _FRAME):
            part = data[start : start + _FRAME]
            yield self._connection.send(kind(data=part, message_finished=final and start >= last))

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
        """The bytes of a Close frame; none where one was sent already. One of 1005 has no code, as that code says."""
        if self._connection.state not in (ConnectionState.OPEN, ConnectionState.REMOTE_CLOSING):
            return b""
        if code == CloseReason.NO_STATUS_RCVD:
            return self._connection.send(CloseConnection(code=CloseReason.NO_STATUS_RCVD))
        return self._connection.send(CloseConnection(code=code, reason=reason or None))


def _name(kind: type[Message[Any]]) -> str:
    return "text" if kind is TextMessage else "binary"
