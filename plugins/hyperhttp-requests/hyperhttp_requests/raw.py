"""The response under a response of requests: urllib3's own class, reading from a response of ours.

Everything that is done with ``response.raw`` works because it is the real thing: decoding, `read`, `read1`, `stream`, `tell`.
"""

from __future__ import annotations

from http.client import HTTPMessage, responses
from typing import TYPE_CHECKING, Any, Final

from urllib3 import HTTPHeaderDict, HTTPResponse

import hyperhttp
from hyperhttp_requests.errors import below_from

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

__all__ = ["RawResponse"]

_VERSIONS: Final = {"HTTP/1.0": 10, "HTTP/1.1": 11, "HTTP/2": 20}


class RawResponse(HTTPResponse):
    """A response as urllib3 gives it to requests, its content still on its way.

    Args:
        response: ours, unread.
        done: called once, when the content has been read, or is given up.
    """

    def __init__(self, response: hyperhttp.Response, done: Callable[[], None] | None = None) -> None:
        headers = HTTPHeaderDict()
        message = HTTPMessage()
        for name, value in response.headers.raw:
            headers.add(name.decode("latin-1"), value.decode("latin-1"))
            message.add_header(name.decode("latin-1"), value.decode("latin-1"))
        content = _Content(response, done)
        original: Any = _Original(message, content)
        body: Any = content
        reason = response.reason
        if not reason and response.http_version == "HTTP/2":  # which has none
            reason = responses.get(response.status_code, "")
        super().__init__(
            body=body,
            headers=headers,
            status=response.status_code,
            version=_VERSIONS.get(response.http_version, 0),
            version_string=response.http_version,
            reason=reason,
            preload_content=False,
            decode_content=False,
            original_response=original,
            msg=message,
            request_method=response.request.method,
            request_url=str(response.url),
        )

    def __del__(self) -> None:
        """Not to close, as files do: ours frees its connection where it is forgotten, at a moment when that is safe."""

    def stream(self, amt: int | None = 65536, decode_content: bool | None = None) -> Generator[bytes]:
        """The content in pieces: of the size asked for where its length is known, else as they arrive, up to that size."""
        if amt is not None and self.length_remaining is not None:
            yield from super().stream(amt, decode_content)
        elif amt != 0:
            while data := self.read1(amt, decode_content):
                yield data


class _Content:
    """The content of a response as a file that is read once."""

    def __init__(self, response: hyperhttp.Response, done: Callable[[], None] | None) -> None:
        self._response = response
        self._done = done
        self._pieces = response.iter_raw()
        self._held = b""
        self._at = 0
        self._ended = False
        self.closed = False

    def isclosed(self) -> bool:
        """Whether everything was read, or given up."""
        return self.closed

    def read(self, amt: int | None = None) -> bytes:
        """Exactly `amt` bytes, or what is left of them."""
        pieces = []
        left = amt
        while left is None or left > 0:
            piece = self.read1(left)
            if not piece:
                break
            pieces.append(piece)
            left = None if left is None else left - len(piece)
        return b"".join(pieces)

    def read1(self, amt: int | None = None) -> bytes:
        """What is there, or comes next, up to `amt` bytes; empty at the end."""
        if amt == 0 or self.closed:
            return b""
        if self._at == len(self._held):
            self._held, self._at = self._next(), 0
        at = self._at
        self._at = len(self._held) if amt is None or amt < 0 else min(at + amt, len(self._held))
        data = self._held[at : self._at]
        if not data:
            self.close()
        return data

    def _next(self) -> bytes:
        try:
            return next(self._pieces, b"")
        except hyperhttp.HyperHTTPError as error:
            self.close()
            raise below_from(error, self._response.url.redacted) from error

    def close(self) -> None:
        """Give up what was not read; the connection is free again."""
        self.closed = True
        self._held, self._at = b"", 0
        self._response.close()
        done, self._done = self._done, None
        if done is not None:
            done()


class _Original:
    """What stands for the response of ``http.client``: the jar of requests reads its `msg`."""

    def __init__(self, msg: HTTPMessage, content: _Content) -> None:
        self.msg = msg
        self._content = content

    def isclosed(self) -> bool:
        """Whether everything was read, or given up."""
        return self._content.closed

    def close(self) -> None:
        """Give up what was not read."""
        self._content.close()
