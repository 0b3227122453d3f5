"""permessage-deflate (RFC 7692) that never inflates more than is wanted.

It is an extension as wsproto knows them, which is asked about each frame's header and payload.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any, Final

from wsproto.extensions import PerMessageDeflate as _PerMessageDeflate
from wsproto.frame_protocol import CloseReason, Opcode, RsvBits

if TYPE_CHECKING:
    from wsproto.frame_protocol import FrameDecoder, FrameProtocol

__all__ = ["PerMessageDeflate"]

_TAIL: Final = b"\x00\x00\xff\xff"
"""What a sender cuts off the end of each message (RFC 7692 section 7.2.1)."""
_RSV1: Final = RsvBits(True, False, False)


class PerMessageDeflate(_PerMessageDeflate):
    """The extension as a client offers it; takes the arguments of wsproto's.

    Args:
        client_no_context_takeover: each message sent is deflated on its own.
        client_max_window_bits: size of the window for what is sent, 9 to 15; None lets the server choose.
        server_no_context_takeover: ask the server to deflate each message on its own.
        server_max_window_bits: size of the window asked of the server, 9 to 15.

    Attributes:
        limit: bytes a message may inflate to.
    """

    limit = 16 * 1024 * 1024

    def __init__(
        self,
        client_no_context_takeover: bool = False,
        client_max_window_bits: int | None = None,
        server_no_context_takeover: bool = False,
        server_max_window_bits: int | None = None,
    ) -> None:
        super().__init__(
            client_no_context_takeover, client_max_window_bits, server_no_context_takeover, server_max_window_bits
        )
        self._asked = (client_max_window_bits, server_max_window_bits)
        self._is_control = False
        self._is_deflated = False
        self._inflated = 0
        self._inflater: Any = None

    @classmethod
    def bounded(cls, extension: _PerMessageDeflate) -> PerMessageDeflate:
        """The same offer as one of wsproto's own, which inflates without a limit."""
        if isinstance(extension, cls):
            return extension
        return cls(
            extension.client_no_context_takeover,
            extension.client_max_window_bits,
            extension.server_no_context_takeover,
            extension.server_max_window_bits,
        )

    def offer(self) -> str:
        """The parameters as they stand in Sec-WebSocket-Extensions."""
        client, server = self._asked
        parameters = ["client_max_window_bits" if client is None else f"client_max_window_bits={client}"]
        if server is not None:
            parameters.append(f"server_max_window_bits={server}")
        if self.client_no_context_takeover:
            parameters.append("client_no_context_takeover")
        if self.server_no_context_takeover:
            parameters.append("server_no_context_takeover")
        return "; ".join(parameters)

    def finalize(self, offer: str) -> None:
        """Take over what the server has chosen.

        Raises:
            ValueError: it chose something that was not offered, or that cannot be.
        """
        seen = set()
        for parameter in offer.split(";")[1:]:
            name, _, value = (part.strip() for part in parameter.partition("="))
            if name in seen:
                msg = f"{name!r} is there twice"
                raise ValueError(msg)
            seen.add(name)
            self._choose(name, value.strip('"'))
        self._enabled = True

    def _choose(self, name: str, value: str) -> None:
        client, server = self._asked
        if name == "client_no_context_takeover" and not value:
            self.client_no_context_takeover = True
        elif name == "server_no_context_takeover" and not value:
            self.server_no_context_takeover = True
        elif name == "client_max_window_bits" and value.isdigit() and int(value) <= (client or 15):
            self.client_max_window_bits = int(value)
        elif name == "server_max_window_bits" and value.isdigit() and 8 <= int(value) <= (server or 15):
            self._server_max_window_bits = max(int(value), 9)  # a larger window inflates what a smaller one deflated
        else:
            msg = f"{name}={value}" if value else name
            raise ValueError(msg)

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        """A frame begins: RSV1 says that its message is deflated, and only the first frame of a message may say so."""
        self._is_control = opcode.iscontrol()
        if rsv.rsv1 and (self._is_control or opcode is Opcode.CONTINUATION):
            return CloseReason.PROTOCOL_ERROR
        if not self._is_control and opcode is not Opcode.CONTINUATION:
            self._is_deflated = rsv.rsv1
            self._inflated = 0
        return _RSV1

    def frame_inbound_payload_data(self, proto: FrameDecoder | FrameProtocol, data: bytes) -> bytes | CloseReason:
        """A part of a frame's payload."""
        if self._is_control or not self._is_deflated:
            return data
        return self._inflate(data)

    def frame_inbound_complete(self, proto: FrameDecoder | FrameProtocol, fin: bool) -> bytes | CloseReason | None:
        """A frame ends; with `fin` its message does, unless it is a control frame."""
        if self._is_control or not fin or not self._is_deflated:
            return None
        rest = self._inflate(_TAIL)
        if self.server_no_context_takeover or (self._inflater is not None and self._inflater.eof):
            self._inflater = None
        return rest

    def _inflate(self, data: bytes) -> bytes | CloseReason:
        if self._inflater is None:
            self._inflater = zlib.decompressobj(-self.server_max_window_bits)
        try:
            inflated: bytes = self._inflater.decompress(data, self.limit - self._inflated + 1)
        except zlib.error:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        self._inflated += len(inflated)
        return CloseReason.MESSAGE_TOO_BIG if self._inflated > self.limit else inflated
