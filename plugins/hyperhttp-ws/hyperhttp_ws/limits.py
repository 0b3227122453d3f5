"""Limits on messages that wsproto has none for; an extension, since it asks extensions about each frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, Opcode, RsvBits

if TYPE_CHECKING:
    from wsproto.frame_protocol import FrameDecoder, FrameProtocol

__all__ = ["MAX_EMPTY_FRAMES", "MessageLimits"]

#: Frames without content that a message may have besides its last one: they cost time and never end.
MAX_EMPTY_FRAMES: Final = 1000

_NO_BITS: Final = RsvBits(False, False, False)


class MessageLimits(Extension):
    """Refuses a message by the headers of its frames, before its payload is there. It is never offered to a server.

    Args:
        max_size: bytes of payload a message may have; what it inflates to is for whoever inflates it.

    Attributes:
        refusal: what was wrong with a message, or None.
    """

    name = "hyperhttp-message-limits"

    def __init__(self, max_size: int) -> None:
        self.refusal: str | None = None
        self._max_size = max_size
        self._size = 0
        self._empty = 0
        self._is_empty = False

    def enabled(self) -> bool:
        """Always."""
        return True

    def offer(self) -> bool:
        """Never."""
        return False

    def frame_inbound_header(
        self, proto: FrameDecoder | FrameProtocol, opcode: Opcode, rsv: RsvBits, payload_length: int
    ) -> CloseReason | RsvBits:
        """A frame begins."""
        self._is_empty = not payload_length
        if opcode.iscontrol():
            return _NO_BITS
        if opcode is not Opcode.CONTINUATION:
            self._size = self._empty = 0
        self._size += payload_length
        if self._size > self._max_size:
            self.refusal = f"a message is larger than max_message_size ({self._max_size} bytes)"
            return CloseReason.MESSAGE_TOO_BIG
        return _NO_BITS

    def frame_inbound_complete(self, proto: FrameDecoder | FrameProtocol, fin: bool) -> bytes | CloseReason | None:
        """A frame ends; with `fin` its message does, or it is a control frame."""
        if self._is_empty and not fin:
            self._empty += 1
            if self._empty > MAX_EMPTY_FRAMES:
                self.refusal = f"a message has more than {MAX_EMPTY_FRAMES} frames without content"
                return CloseReason.POLICY_VIOLATION
        return None
