"""TLS inside TLS on a blocking socket: to an origin, through a tunnel of a proxy that is itself reached over TLS.

The standard library wraps a socket in TLS once; the second layer runs over memory buffers here. The object offers as much of
the interface of a socket as channels use.
"""

from __future__ import annotations

import select
import socket
import ssl
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["InnerTLS"]

_CHUNK: Final = 16_384
#: Seconds the outer connection may take to accept bytes that the inner layer has encrypted already.
_FLUSH_LIMIT: Final = 30.0


class InnerTLS:
    """A TLS connection inside another one.

    Args:
        outer: the TLS socket to the proxy, with the tunnel open.
        context: authenticates the origin.
        server_name: the origin's name.
    """

    def __init__(self, outer: ssl.SSLSocket, context: ssl.SSLContext, server_name: str) -> None:
        self._outer = outer
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._inner = context.wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)

    def do_handshake(self) -> None:
        """Handshake with the origin."""
        self._run(self._inner.do_handshake)

    def selected_alpn_protocol(self) -> str | None:
        """What ALPN chose."""
        return self._inner.selected_alpn_protocol()

    def version(self) -> str | None:
        """Such as ``"TLSv1.3"``."""
        return self._inner.version()

    def recv(self, size: int, _flags: int = 0) -> bytes:
        """Decrypted bytes; empty at the end."""
        data: bytes = self._run(self._inner.read, size)
        return data

    def recv_into(self, buffer: memoryview) -> int:
        """Decrypted bytes into a buffer; their number."""
        count: int = self._run(self._inner.read, len(buffer), buffer)
        return count

    def send(self, data: bytes | memoryview, _flags: int = 0) -> int:
        """Encrypt and send bytes; their number."""
        count: int = self._run(self._inner.write, data)
        return count

    def pending(self) -> int:
        """Bytes that can be had without waiting for the peer."""
        return self._inner.pending() + self._incoming.pending + self._outer.pending()

    def settimeout(self, seconds: float | None) -> None:
        """Limit of each wait of the outer socket."""
        self._outer.settimeout(seconds)

    def fileno(self) -> int:
        """The descriptor below both layers."""
        return self._outer.fileno()

    def shutdown(self, how: int) -> None:
        """End the connection below both layers."""
        socket.socket.shutdown(self._outer, how)

    def close(self) -> None:
        """Close the socket."""
        self._outer.close()

    def _run(self, operation: Callable[..., Any], *arguments: Any) -> Any:
        while True:
            try:
                result = operation(*arguments)
            except ssl.SSLWantReadError:
                self._flush()
                self._feed()
                continue
            except BaseException:
                self._flush()
                raise
            self._flush()
            return result

    def _feed(self) -> None:
        data = self._outer.recv(_CHUNK)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def _flush(self) -> None:
        """Send what the inner layer has encrypted: half a record must not stay behind."""
        data = memoryview(self._outgoing.read())
        while data:
            try:
                data = data[self._outer.send(data) :]
            except (ssl.SSLWantWriteError, ssl.SSLWantReadError):
                poll = select.poll()
                poll.register(self._outer, select.POLLOUT)
                if not poll.poll(_FLUSH_LIMIT * 1000):
                    raise TimeoutError from None
