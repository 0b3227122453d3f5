"""Error codes of HTTP/2 (RFC 9113 section 7) in plain words, and the faults the engine finds itself.

Inside the engine a fault is raised where it is seen and caught in one place: a `StreamFault` ends one stream
with RST_STREAM, a `ConnectionFault` ends the connection with GOAWAY. What leaves the engine is an
`HTTP2Error`, which is a `RemoteProtocolError` that also carries the error code.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from hyperhttp.exceptions import LocalProtocolError, RemoteProtocolError

__all__ = [
    "ConnectionFault",
    "ErrorCode",
    "HTTP2Error",
    "NoStreamError",
    "StreamFault",
    "code_name",
    "goaway_error",
    "printable",
    "remote_error",
    "reset_error",
]


class ErrorCode(IntEnum):
    """Reasons for RST_STREAM and GOAWAY (RFC 9113 section 7)."""

    NO_ERROR = 0x0
    PROTOCOL_ERROR = 0x1
    INTERNAL_ERROR = 0x2
    FLOW_CONTROL_ERROR = 0x3
    SETTINGS_TIMEOUT = 0x4
    STREAM_CLOSED = 0x5
    FRAME_SIZE_ERROR = 0x6
    REFUSED_STREAM = 0x7
    CANCEL = 0x8
    COMPRESSION_ERROR = 0x9
    CONNECT_ERROR = 0xA
    ENHANCE_YOUR_CALM = 0xB
    INADEQUATE_SECURITY = 0xC
    HTTP_1_1_REQUIRED = 0xD


#: What a peer tells us by each code, worded so that it completes "the server ended the request: ...".
_MEANINGS: Final[dict[int, str]] = {
    ErrorCode.NO_ERROR: "it needs no more of it",
    ErrorCode.PROTOCOL_ERROR: "it saw a violation of the protocol",
    ErrorCode.INTERNAL_ERROR: "it had an internal error",
    ErrorCode.FLOW_CONTROL_ERROR: "it saw more data than it had allowed",
    ErrorCode.SETTINGS_TIMEOUT: "its settings were not acknowledged in time",
    ErrorCode.STREAM_CLOSED: "it had already finished with it",
    ErrorCode.FRAME_SIZE_ERROR: "it saw a frame of a wrong size",
    ErrorCode.REFUSED_STREAM: "it refused it before doing any work",
    ErrorCode.CANCEL: "it cancelled it",
    ErrorCode.COMPRESSION_ERROR: "it could not decode the compressed header fields",
    ErrorCode.CONNECT_ERROR: "the connection behind a CONNECT request failed",
    ErrorCode.ENHANCE_YOUR_CALM: "it found the load excessive",
    ErrorCode.INADEQUATE_SECURITY: "it wants better transport security",
    ErrorCode.HTTP_1_1_REQUIRED: "it wants HTTP/1.1 for it",
}


#: Codes by which a peer ends a request for reasons that may pass.
_PASSING: Final = frozenset(
    {
        ErrorCode.NO_ERROR,
        ErrorCode.INTERNAL_ERROR,
        ErrorCode.REFUSED_STREAM,
        ErrorCode.CANCEL,
        ErrorCode.ENHANCE_YOUR_CALM,
    }
)


class HTTP2Error(RemoteProtocolError):
    """The peer violated HTTP/2, or ended a request or the connection by an error code.

    Attributes:
        error_code: the HTTP/2 error code, ours or the peer's; codes the RFC does not name are kept as they
            came.
    """

    error_code: int = ErrorCode.NO_ERROR


class NoStreamError(LocalProtocolError):
    """No stream may be opened on this connection, now or ever; nothing is wrong with the request."""


class ConnectionFault(Exception):  # noqa: N818 - never leaves the engine
    """The peer broke a rule of the connection as a whole: it ends with GOAWAY.

    Attributes:
        code: error code to send.
        message: what happened, as a sentence about the server.
    """

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class StreamFault(Exception):  # noqa: N818 - never leaves the engine
    """The peer broke a rule of one stream: it ends with RST_STREAM, its siblings go on.

    Attributes:
        code: error code to send.
        message: what happened, as a sentence about the server.
    """

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def code_name(code: int) -> str:
    """Name of an error code as the RFC writes it, or its number: ``REFUSED_STREAM``, ``0x1f``."""
    try:
        return ErrorCode(code).name
    except ValueError:
        return f"{code:#x}"


def remote_error(message: str, code: int) -> HTTP2Error:
    """The exception for a fault of the peer's."""
    error = HTTP2Error(message)
    error.error_code = int(code)
    return error


def reset_error(code: int) -> HTTP2Error:
    """The exception for a request the peer ended with RST_STREAM."""
    meaning = _MEANINGS.get(code, "it gave no known reason")
    return _ended(f"the server ended the request before its response was complete: {meaning} ({code_name(code)})", code)


def goaway_error(code: int, debug_data: bytes) -> HTTP2Error:
    """The exception for a request that a closing server will not process (GOAWAY, RFC 9113 section 6.8)."""
    said = f", saying {printable(debug_data)}" if debug_data else ""
    if code == ErrorCode.NO_ERROR:
        return _ended(f"the server is closing the connection and did not process the request{said}", code)
    meaning = _MEANINGS.get(code, "it gave no known reason")
    return _ended(f"the server is closing the connection: {meaning} ({code_name(code)}){said}", code)


def _ended(message: str, code: int) -> HTTP2Error:
    error = remote_error(message, code)
    error.retryable = code in _PASSING
    return error


def printable(data: bytes, limit: int = 80) -> str:
    """Bytes of a peer's, short and harmless enough for a message."""
    return ascii(data[:limit].decode("latin-1")) + ("..." if len(data) > limit else "")
