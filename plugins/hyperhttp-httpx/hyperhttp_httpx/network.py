"""The ``network_stream`` extension of a response: what is known of its connection, and the bytes behind a 101.

WebSockets over httpx read and write there, and look for the exceptions of httpcore or httpcore2, whichever belongs to the
peer.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import hyperhttp

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["AsyncStream", "SyncStream", "protocol_asked_for"]


def protocol_asked_for(request: Any) -> str | None:
    """The protocol a request of the peer's wants to change to (RFC 9110 section 7.8), None for none."""
    fields = [value for name, value in request.headers.multi_items() if name.lower() == "upgrade"]
    connection = request.headers.get("connection", "").lower()
    is_asked = len(fields) == 1 and "upgrade" in {option.strip() for option in connection.split(",")}
    return fields[0] if is_asked and request.method == "GET" else None


class _Stream:
    """What both faces share.

    Args:
        response: what it belongs to.
        peer: the name of the peer's package.
    """

    def __init__(self, response: hyperhttp.Response, peer: str) -> None:
        self._response = response
        self._upgraded: Any = response.extensions.get("upgraded")
        self._peer = peer
        self._held = b""

    def get_extra_info(self, info: str) -> Any:
        """``"server_addr"``: where it is connected to; None for anything else."""
        connection = self._response.connection
        if info != "server_addr" or connection is None:
            return None
        return connection.peer, self._response.url.effective_port

    async def _read(self, max_bytes: int, timeout: float | None) -> bytes:
        if not self._held:
            self._held = await self._stream().receive(timeout)
        data, self._held = self._held[:max_bytes], self._held[max_bytes:]
        return data

    async def _write(self, buffer: bytes, timeout: float | None) -> None:
        await self._stream().send(bytes(buffer), timeout)

    def _stream(self) -> Any:
        if self._upgraded is None:
            raise RuntimeError("the server did not change the protocol: read the response instead of its connection")
        return self._upgraded

    def _abandon(self) -> None:
        if self._upgraded is not None:
            self._upgraded.close()

    def _translate(self, error: hyperhttp.HyperHTTPError, fallback: str) -> Exception:
        """The exception of the peer's lower half; where that is not loaded, our own."""
        core = sys.modules.get(self._peer.replace("httpx", "httpcore"))  # who looks for its exceptions has loaded it
        names = [base.__name__ for base in type(error).__mro__ if base.__name__.startswith(("Read", "Write"))]
        kind = getattr(core, names[0] if names else fallback, None)
        return error if kind is None else kind(str(error))


class AsyncStream(_Stream):
    """A connection on asyncio."""

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """The next bytes, `max_bytes` at most; empty at the end."""
        try:
            return await self._read(max_bytes, timeout)
        except hyperhttp.HyperHTTPError as error:
            raise self._translate(error, "ReadError") from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes."""
        try:
            await self._write(buffer, timeout)
        except hyperhttp.HyperHTTPError as error:
            raise self._translate(error, "WriteError") from error

    async def aclose(self) -> None:
        """Close the connection, if its protocol was changed; otherwise the response does that."""
        self._abandon()


class SyncStream(_Stream):
    """A connection on blocking sockets; one thread may read while another writes."""

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """The next bytes, `max_bytes` at most; empty at the end."""
        try:
            data: bytes = _run(self._read(max_bytes, timeout))
        except hyperhttp.HyperHTTPError as error:
            raise self._translate(error, "ReadError") from error
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send bytes."""
        try:
            _run(self._write(buffer, timeout))
        except hyperhttp.HyperHTTPError as error:
            raise self._translate(error, "WriteError") from error

    def close(self) -> None:
        """Close the connection, if its protocol was changed; otherwise the response does that."""
        self._abandon()


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """Run what never suspends on blocking sockets."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    work.close()
    raise RuntimeError("a blocking stream has waited for an event loop")
