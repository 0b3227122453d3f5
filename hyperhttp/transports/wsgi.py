"""Requests to a WSGI application in this process, on both faces (PEP 3333).

The application blocks: on asyncio it runs in a worker thread, piece by piece, in one and the same context. What a request
carries is collected before, in memory or on disk; the response is produced as it is read.
"""

from __future__ import annotations

import sys
from contextvars import copy_context
from typing import IO, TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes

from hyperhttp.exceptions import RemoteProtocolError
from hyperhttp.network.base import new_lock
from hyperhttp.transports.streams import PulledStream, host_field, new_response

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response
    from hyperhttp.network.base import Network

__all__ = ["WSGITransport"]

#: Bytes of a request's content kept in memory; more goes to a file.
_SPOOL: Final = 1_048_576


class WSGITransport:
    """Sends requests to a WSGI application.

    Args:
        app: the application.
        raise_app_exceptions: what it raises comes out of the call, or of reading the content; where False, it is
            answered with status 500, as a server would.
        script_name: where the application is mounted.
        remote_addr: the address that the application is told of its client.
        errors: where it writes its errors; ``sys.stderr`` by default.

    Example::

        with hyperhttp.SyncClient(transport=hyperhttp.WSGITransport(app), base_url="http://app") as client:
            response = client.get("/")
    """

    def __init__(
        self,
        app: Callable[..., Iterable[bytes]],
        *,
        raise_app_exceptions: bool = True,
        script_name: str = "",
        remote_addr: str = "127.0.0.1",
        errors: IO[str] | None = None,
    ) -> None:
        self.app = app
        self.raise_app_exceptions = raise_app_exceptions
        self.script_name = script_name
        self.remote_addr = remote_addr
        self.errors = errors

    async def send(self, request: Request) -> Response:
        """Needs to know on which network the client lives: clients call `send_over`."""
        msg = "a WSGITransport works within a client: pass it as transport= or in mounts="
        raise TypeError(msg)

    async def send_over(self, request: Request, network: Network, _total_at: float) -> Response:
        """The application's response, as soon as its head and its first content are there."""
        body, length = await _spool(request, network)
        run = Run(self, request, body)
        environ = self._environ(request, body, length)
        context = copy_context()  # what the application keeps in it is there for each piece of its answer
        try:
            await network.call(context.run, run.start, environ)
        except Exception:
            run.close()
            if self.raise_app_exceptions:
                raise
            fields = [(b"Content-Type", b"text/plain; charset=utf-8"), (b"Content-Length", b"21")]
            return new_response(request, 500, fields, b"Internal Server Error")
        except BaseException:
            run.close()
            raise
        status, fields = run.head

        async def pull() -> bytes | None:
            return await network.call(context.run, run.next_piece)

        code, _, reason = status.partition(" ")
        return new_response(request, int(code), fields, PulledStream(pull, run.close), reason=reason)

    def _environ(self, request: Request, body: IO[bytes], length: int) -> dict[str, Any]:
        url = request.url
        environ: dict[str, Any] = {
            "REQUEST_METHOD": request.method.upper(),
            "SCRIPT_NAME": self.script_name,
            "PATH_INFO": unquote_to_bytes(url.path or "/").decode("latin-1"),
            "QUERY_STRING": url.query or "",
            "SERVER_NAME": url.host,
            "SERVER_PORT": str(url.effective_port),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": self.remote_addr,
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": url.scheme,
            "wsgi.input": body,
            "wsgi.input_terminated": True,
            "wsgi.errors": self.errors or sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in host_field(request):
            key = name.decode("ascii").upper().replace("-", "_")
            if key not in ("CONTENT_TYPE", "CONTENT_LENGTH"):
                key = f"HTTP_{key}"
            text = value.decode("latin-1")
            separator = "; " if key == "HTTP_COOKIE" else ","
            environ[key] = f"{environ[key]}{separator}{text}" if key in environ else text
        if request._content is not None:
            environ["CONTENT_LENGTH"] = str(length)
        return environ

    def close(self) -> None:
        """There is nothing to free: each response closes what it holds."""


class Run:
    """One run of the application.

    Args:
        transport: whose application and settings.
        request: what is sent.
        body: its content.

    Attributes:
        head: status line and fields, once the application has given them.
    """

    def __init__(self, transport: WSGITransport, request: Request, body: IO[bytes]) -> None:
        self._transport = transport
        self._request = request
        self._body = body
        self._lock = new_lock()
        self._is_closing = False
        self._pieces: list[bytes] = []
        self._result: Iterable[bytes] = ()
        self._rest: Iterator[bytes] = iter(())
        self._is_complete = False
        self.head: tuple[str, list[tuple[bytes, bytes]]] = ("", [])

    def start(self, environ: dict[str, Any]) -> None:
        """Call the application, up to its first content."""
        try:
            with self._lock:
                self._result = self._transport.app(environ, self._start_response)
                self._rest = iter(self._result)
                while not self._pieces and not self._is_complete:
                    self._advance()
                if not self.head[0]:
                    msg = "the application sent no status"
                    raise RemoteProtocolError(msg, request=self._request)
        finally:
            self._close_if_asked()

    def next_piece(self) -> bytes | None:
        """The next bytes; None at the end."""
        try:
            with self._lock:
                if not self._pieces and not self._is_complete and not self._is_closing:
                    self._advance_or_fail()
                data = b"".join(self._pieces)
                self._pieces.clear()
                return None if self._is_complete and not data else data
        finally:
            self._close_if_asked()

    def _advance(self) -> None:
        try:
            self._pieces.append(bytes(next(self._rest)))
        except StopIteration:
            self._is_complete = True
        self._pieces = [piece for piece in self._pieces if piece]

    def _advance_or_fail(self) -> None:
        try:
            self._advance()
        except Exception as error:
            if self._transport.raise_app_exceptions:
                raise
            msg = "the application failed before its response was complete"
            raise RemoteProtocolError(msg, request=self._request) from error

    def _start_response(
        self, status: str, headers: Sequence[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], object]:
        if self.head[0] and exc_info is None:
            msg = "the application called start_response() twice"
            raise RuntimeError(msg)
        self.head = (status, [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers])
        return self._pieces.append

    def close(self) -> None:
        """Close what the application gave; from another thread, as soon as it has finished its present piece."""
        self._is_closing = True
        self._close_if_asked()

    def _close_if_asked(self) -> None:
        if not self._is_closing or not self._lock.acquire(blocking=False):  # type: ignore[attr-defined]  # a Lock
            return  # whoever has it looks again when done
        try:
            result, self._result = self._result, ()
            close = getattr(result, "close", None)
            if close is not None:
                close()
            self._body.close()
        finally:
            self._lock.release()  # type: ignore[attr-defined]  # a Lock


async def _spool(request: Request, network: Network) -> tuple[IO[bytes], int]:
    """The request's content in something to read it from, and its length."""
    from tempfile import SpooledTemporaryFile  # here and not above: only applications in this process need it

    body: Any = SpooledTemporaryFile(max_size=_SPOOL)  # noqa: SIM115 - the run closes it
    content = request._content
    length = 0
    try:
        if content is not None and content.data is not None:
            length = body.write(content.data)
        elif content is not None:
            content.rewind()
            while piece := await content.next_chunk(network.call):
                length += await network.call(body.write, piece)
    except BaseException:
        body.close()
        raise
    finally:
        if content is not None:
            content.close()
    body.seek(0)
    return body, length
