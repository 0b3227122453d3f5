"""``--verbose``: what goes over the wire, told on stderr while it happens.

``>`` is what is sent, ``<`` what is received, ``*`` what else is known. Credentials are never shown: of a
cookie its name, of an Authorization field its scheme, of a query what carries no secret.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TextIO

from hyperhttp.cli.style import Style, duration, printable, size
from hyperhttp.message.query import redact_query
from hyperhttp.message.redaction import shown_value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response
    from hyperhttp.message.url import URL

__all__ = ["Wire"]


class Wire:
    """Tells the exchanges of one client; `request` and `response` are its event hooks.

    Args:
        stream: where it tells.
        clock: gives seconds.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.perf_counter) -> None:
        self._stream = stream
        self._style = Style(stream)
        self._clock = clock
        self._started = clock()
        self._pending: Request | None = None

    def remark(self, text: str) -> None:
        """Tell something that is not on the wire."""
        self._tell("*", self._style.paint(printable(text), "dim"))

    def request(self, request: Request) -> None:
        """A request is about to be sent. Its head is told with the answer, which shows the protocol."""
        self._flush()
        self._pending = request
        self.remark(f"{request.method} to {request.url.origin}")

    def response(self, response: Response) -> None:
        """A response head has arrived."""
        self._flush(response.http_version)
        status = f"{response.status_code} {printable(response.reason)}".rstrip()
        self._tell("<", self._style.paint(f"{response.http_version} {status}", "bold"))
        for name, value in response.headers.multi_items():
            self._field("<", name, value)
        self.remark(f"head after {duration(response.elapsed)}")

    def content(self, response: Response) -> None:
        """The content has been dealt with."""
        for name, value in response.trailers.multi_items():
            self._field("<", name, value)
        self.remark(f"content: {size(response.num_bytes_downloaded)} received")

    def close(self, connections: Mapping[str, Mapping[str, int]]) -> None:
        """It is over, well or not.

        Args:
            connections: what is in the pool, by host and port.
        """
        self._flush()
        for peer, counts in connections.items():
            states = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items())
            self.remark(f"connections to {peer}: {states}")
        self.remark(f"{duration(self._clock() - self._started)} in all")

    def _flush(self, version: str = "") -> None:
        """Tell the head of the request that waits for its answer; without one its protocol is not known."""
        request, self._pending = self._pending, None
        if request is None:
            return
        line = f"{request.method} {_target(request.url)} {version}".rstrip()
        self._tell(">", self._style.paint(printable(line), "bold"))
        authority = ":authority" if version == "HTTP/2" else "Host"
        if "host" not in request.headers:
            self._field(">", authority, request.url.host_header)
        for name, value in request.headers.multi_items():
            self._field(">", authority if name.lower() == "host" else name, value)
        if request.content is not None:
            length = request.content.length
            self.remark(f"content: {'of unknown length' if length is None else size(length)}")

    def _field(self, mark: str, name: str, value: str) -> None:
        shown = printable(shown_value(name, value))
        self._tell(mark, f"{self._style.paint(printable(name), 'cyan')}: {shown}")

    def _tell(self, mark: str, text: str) -> None:
        print(self._style.paint(mark, "dim"), text, file=self._stream, flush=True)


def _target(url: URL) -> str:
    return f"{url.path}?{redact_query(url.query)}" if url.query else url.target
