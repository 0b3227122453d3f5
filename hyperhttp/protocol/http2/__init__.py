"""HTTP/2 (RFC 9113) and HPACK (RFC 7541) without I/O, the client's side."""

from __future__ import annotations

from hyperhttp.protocol.http2.connection import H2Connection
from hyperhttp.protocol.http2.errors import ErrorCode, HTTP2Error, NoStreamError
from hyperhttp.protocol.http2.settings import H2Config
from hyperhttp.protocol.http2.stream import ConnectionListener, H2Stream, StreamListener

__all__ = [
    "ConnectionListener",
    "ErrorCode",
    "H2Config",
    "H2Connection",
    "H2Stream",
    "HTTP2Error",
    "NoStreamError",
    "StreamListener",
]
