"""An HTTP/2 connection that threads share: the same code, under the lock of its channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperhttp.connection.http2 import HTTP2Connection

if TYPE_CHECKING:
    from hyperhttp.connection.http2_exchange import HTTP2Exchange
    from hyperhttp.message.request import Request
    from hyperhttp.network.base import Wait
    from hyperhttp.protocol.http2 import H2Stream

__all__ = ["SharedHTTP2Connection"]


class SharedHTTP2Connection(HTTP2Connection):
    """See `HTTP2Connection`; what callers do is atomic here, what the channel tells comes under its lock anyway."""

    def __init__(self, *arguments: Any) -> None:
        self.lock = arguments[0].lock
        with self.lock:
            super().__init__(*arguments)

    def open(self, exchange: HTTP2Exchange, request: Request, *, end_stream: bool, protocol: str = "") -> H2Stream:
        """Begin a request; without content it is written at once, with content it goes in one write with its beginning."""
        with self.lock:
            try:
                exchange.stream = stream = super().open(exchange, request, end_stream=end_stream, protocol=protocol)
                if end_stream:
                    self.flush()
            except BaseException as error:
                self._end_if_interrupted(error)
                raise
            return stream

    def result_of(self, exchange: HTTP2Exchange) -> Any:
        """What an exchange has come to, with no other thread changing it meanwhile."""
        with self.lock:
            return exchange.result()

    def new_wait(self, exchange: HTTP2Exchange) -> Wait:
        """Something one thread waits for."""
        wait: Wait = self.channel.new_shared_wait(exchange)
        return wait

    def send_data(self, stream: H2Stream, data: bytes | memoryview, *, end_stream: bool) -> int:
        """Send content, as much as the windows allow."""
        with self.lock:
            try:
                return super().send_data(stream, data, end_stream=end_stream)
            except BaseException as error:
                self._end_if_interrupted(error)
                raise

    def acknowledge(self, stream: H2Stream, size: int) -> None:
        """The reader took `size` bytes of content."""
        with self.lock:
            super().acknowledge(stream, size)

    def reset(self, stream: H2Stream, *, answered: bool = False) -> None:
        """End a stream early."""
        with self.lock:
            super().reset(stream, answered=answered)

    def done(self, exchange: HTTP2Exchange) -> None:
        """An exchange is over."""
        with self.lock:
            try:
                super().done(exchange)
            except BaseException as error:
                self._end_if_interrupted(error)  # its place may not have been given back
                raise

    def flush_soon(self) -> None:
        """There is no later: write, unless it was written with what another thread had to say."""
        if not self._out:
            return
        with self.lock:
            try:
                self.flush()
            except BaseException as error:
                self._end_if_interrupted(error)
                raise

    def _end_if_interrupted(self, error: BaseException) -> None:
        """Half a frame, or a table of fields that the peer does not share, would spoil what others send."""
        if not isinstance(error, Exception):
            self.channel.interrupted()  # type: ignore[attr-defined]  # of channels that threads share

    def abort(self, error: Exception | None = None) -> None:
        """Close at once; every exchange hears of it."""
        with self.lock:
            super().abort(error)

    def close(self) -> None:
        """Close; with a goodbye, unless another thread is busy with the connection, whose lock the pool must not wait for."""
        if self.lock._is_owned():
            super().close()
            return
        try:
            if self.lock.acquire(blocking=False):
                super().close()
            else:
                self.channel.close()
        finally:
            if self.lock._is_owned():  # not asked whether it was taken: Ctrl-C may have come just then
                self.lock.release()
