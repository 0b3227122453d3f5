"""Record what a client sends and receives as an HTTP Archive (HAR 1.2), which browsers and other tools show.

A `HarRecorder` is a plugin: ``Client(plugins=[recorder])``. It writes one entry for each attempt, redirects, retries and rounds
of authentication included. Secrets are left out, and so is content, unless that is asked for.
"""

from __future__ import annotations

import base64
import json
import time
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hyperhttp._version import __version__
from hyperhttp.message.headers import Headers
from hyperhttp.message.query import parse_params
from hyperhttp.message.redaction import HIDDEN, shown_content, shown_value
from hyperhttp.message.text import charset_of, decode_text
from hyperhttp.plugins.hookspecs import hookimpl
from hyperhttp.plugins.interfaces import EventListener
from hyperhttp.plugins.recording import Recording, record_content

if TYPE_CHECKING:
    import os

    from hyperhttp.message.request import Request
    from hyperhttp.message.response import Response
    from hyperhttp.message.timing import ConnectionInfo, Timing

__all__ = ["HarRecorder"]

_NOT_KNOWN: Final = -1  # what the format says where there is no number


class HarRecorder(EventListener):
    """Keeps the attempts of the clients it is given to, and shows them as HAR 1.2.

    Args:
        content: keep the content of requests, as far as it is in memory, and of responses, as far as it is read.
        max_content_size: bytes of one content that are kept; larger content is left out.
        secrets: leave credentials, cookies and the like in.
        max_entries: attempts that are kept, the latest of all; None for no limit.
    """

    def __init__(
        self,
        *,
        content: bool = False,
        max_content_size: int = 1024 * 1024,
        secrets: bool = False,
        max_entries: int | None = 10_000,
    ) -> None:
        self._limit = max_content_size if content else None
        self._secrets = secrets
        self._entries: deque[_Entry] = deque(maxlen=max_entries)
        self._open: dict[int, list[_Entry]] = {}

    @hookimpl
    def hyperhttp_register_event_hooks(self, event_hooks: Any) -> None:
        """Listen to every client that has this plugin."""
        event_hooks.add("har", lambda: self)

    def __len__(self) -> int:
        """How many attempts are kept."""
        return len(self._entries)

    # -- what happens ------------------------------------------------------------------------------------------------

    def request(self, request: Request) -> None:
        """An attempt begins."""
        entry = _Entry(request, self._limit)
        self._entries.append(entry)
        self._open.setdefault(id(request), []).append(entry)

    def response(self, response: Response) -> None:
        """The head is there."""
        entries = self._open.get(id(response._request))
        if entries:
            entries[-1].receive(response)

    def finish(self, request: Request, response: Response | None, error: BaseException | None) -> None:
        """An attempt is over."""
        entries = self._open.get(id(request), [])
        if entries:
            entries.pop().finish(response, error)
        if not entries:
            self._open.pop(id(request), None)

    # -- what there is -----------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Forget all attempts."""
        self._entries.clear()

    def to_dict(self) -> dict[str, Any]:
        """The archive, as values for JSON."""
        entries = [entry.to_dict(secrets=self._secrets) for entry in tuple(self._entries)]
        return {"log": {"version": "1.2", "creator": {"name": "hyperhttp", "version": __version__}, "entries": entries}}

    def to_json(self) -> str:
        """The archive, as JSON."""
        return json.dumps(self.to_dict(), ensure_ascii=False, indent=2)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the archive to a file; it blocks."""
        Path(path).write_text(self.to_json(), encoding="utf-8")


class _Entry:
    """One attempt. It keeps facts and neither request nor response: what is forgotten must go."""

    def __init__(self, request: Request, limit: int | None) -> None:
        self._started = time.time()
        self._clock = time.monotonic()
        self._took = 0.0
        self._method = request.method
        self._url = request.url
        self._headers = request.headers.copy()
        self._limit = limit
        content = request.content
        self._has_body = content is not None
        self._body_size = 0 if content is None else _NOT_KNOWN if content.length is None else content.length
        data = None if content is None or limit is None else content.data
        self._body = data if data is not None and len(data) <= (limit or 0) else None
        self._status = 0
        self._reason = self._version = ""
        self._answer = Headers()
        self._connection: ConnectionInfo | None = None
        self._timing: Timing | None = None
        self._received = _NOT_KNOWN
        self._recording: Recording | None = None
        self._error = ""

    def receive(self, response: Response) -> None:
        """The head is there."""
        self._headers = response.request.headers.copy()  # as it was sent
        self._status = response.status_code
        self._reason = response.reason
        self._version = response.http_version
        self._answer = response.headers.copy()
        self._connection = response.connection
        self._timing = response.timing
        if self._limit is not None:
            self._recording = record_content(response, self._limit)

    def finish(self, response: Response | None, error: BaseException | None) -> None:
        """It is over."""
        self._took = time.monotonic() - self._clock
        if response is not None:
            self._timing = response.timing
            self._received = response.num_bytes_downloaded
        if error is not None:
            self._error = f"{type(error).__name__}: {error}"

    def to_dict(self, *, secrets: bool) -> dict[str, Any]:
        """As the format has it."""
        timings = self._timings()
        entry: dict[str, Any] = {
            "startedDateTime": datetime.fromtimestamp(self._started, UTC).isoformat(timespec="milliseconds"),
            "time": round(sum(value for name, value in timings.items() if value > 0 and name != "ssl"), 3),
            "request": self._request_dict(secrets=secrets),
            "response": self._response_dict(secrets=secrets),
            "cache": {},
            "timings": timings,
        }
        connection = self._connection
        if connection is not None:
            entry["connection"] = str(connection.id)
            if connection.proxy is None and not connection.peer.startswith("/"):
                entry["serverIPAddress"] = connection.peer
        if self._error:
            entry["_error"] = self._error
        return entry

    def _timings(self) -> dict[str, float]:
        """Milliseconds; a handshake of TLS counts in `connect` too, as the format wants it."""
        timing = self._timing
        if timing is None:
            wait = round(self._took * 1000, 3)
            return {"blocked": -1, "dns": -1, "connect": -1, "ssl": -1, "send": 0, "wait": wait, "receive": 0}
        opened = not timing.reused and self._connection is not None
        figures = {
            "blocked": timing.queue,
            "dns": timing.dns if opened else None,
            "connect": timing.connect + timing.tls if opened else None,
            "ssl": timing.tls if opened and timing.tls else None,
            "send": timing.send,
            "wait": timing.wait,
            "receive": timing.receive,
        }
        return {name: _NOT_KNOWN if value is None else round(value * 1000, 3) for name, value in figures.items()}

    def _request_dict(self, *, secrets: bool) -> dict[str, Any]:
        url = str(self._url) if secrets else self._url.redacted
        headers = self._headers
        kind = headers.get("content-type", "")
        query = parse_params(url.partition("#")[0].partition("?")[2])
        found: dict[str, Any] = {
            "method": self._method,
            "url": url,
            "httpVersion": self._version or "unknown",
            "cookies": _cookies(headers.get("cookie", "").split(";"), secrets=secrets),
            "headers": _fields(headers, secrets=secrets),
            "queryString": [{"name": name, "value": value} for name, value in query],
            "headersSize": _NOT_KNOWN,
            "bodySize": self._body_size,
        }
        if self._has_body and self._limit is not None:
            found["postData"] = {"mimeType": kind, **_request_text(self._body, kind, secrets=secrets)}
        return found

    def _response_dict(self, *, secrets: bool) -> dict[str, Any]:
        headers = self._answer
        location = headers.get("location", "")
        return {
            "status": self._status,
            "statusText": self._reason,
            "httpVersion": self._version or "unknown",
            "cookies": _cookies([each.partition(";")[0] for each in headers.get_list("set-cookie")], secrets=secrets),
            "headers": _fields(headers, secrets=secrets),
            "content": self._content_dict(secrets=secrets),
            "redirectURL": location if secrets else shown_value("location", location),
            "headersSize": _NOT_KNOWN,
            "bodySize": self._received,
        }

    def _content_dict(self, *, secrets: bool) -> dict[str, Any]:
        kind = self._answer.get("content-type", "")
        size = max(self._received, 0)
        found: dict[str, Any] = {"size": size, "mimeType": kind or "x-unknown"}
        data = None if self._recording is None else self._recording.decoded()
        if data is None:
            return found
        found["size"] = len(data)
        if len(data) != size:
            found["compression"] = len(data) - size
        return found | _text(data if secrets else shown_content(data, kind), kind)


def _fields(headers: Headers, *, secrets: bool) -> list[dict[str, str]]:
    items = headers.multi_items()
    return [{"name": name, "value": value if secrets else shown_value(name, value)} for name, value in items]


def _cookies(pairs: list[str], *, secrets: bool) -> list[dict[str, str]]:
    found = []
    for pair in pairs:
        name, equals, value = pair.strip().partition("=")
        if equals:
            found.append({"name": name, "value": value if secrets else HIDDEN})
    return found


def _request_text(data: bytes | None, kind: str, *, secrets: bool) -> dict[str, Any]:
    if data is None:
        return {"text": "", "comment": "the content was not in memory, or too large"}
    text = _text(data if secrets else shown_content(data, kind), kind)
    if "encoding" in text:  # the format has no such member here
        text["comment"] = text.pop("encoding")
    return text


def _text(data: bytes, kind: str) -> dict[str, str]:
    """Text as it is, anything else in Base64."""
    text = decode_text(data, charset_of(kind))
    if "\ufffd" in text or "\0" in text:
        return {"text": base64.b64encode(data).decode("ascii"), "encoding": "base64"}
    return {"text": text}
