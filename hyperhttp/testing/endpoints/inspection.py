"""Endpoints that show a client its own request.

The views follow httpbin: ``args``, ``data``, ``files``, ``form``, ``headers``, ``json``, ``method``,
``origin``, ``url``. Field names are in Title-Case as there; ``origin.requests`` has them as they were sent.
"""

from __future__ import annotations

import base64
import binascii
import json
import uuid
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from hyperhttp.testing.endpoints.routing import ALL_METHODS, Routes
from hyperhttp.testing.exchange import BadRequestError, Exchange
from hyperhttp.testing.messages import Reply, json_reply
from hyperhttp.testing.multipart import MultipartReader, PartHead, boundary_of

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["grouped", "routes", "shown_headers", "view"]

routes = Routes()


def grouped(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Pairs as httpbin shows them: a single value as it is, several as a list."""
    table: dict[str, list[Any]] = {}
    for name, value in pairs:
        table.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in table.items()}


def shown_headers(exchange: Exchange) -> dict[str, str]:
    """The request's fields with names in Title-Case, lines of the same name joined."""
    table: dict[str, list[str]] = {}
    for name, value in exchange.headers.raw:
        table.setdefault(name.title(), []).append(value)
    return {name: ",".join(values) for name, values in table.items()}


def view(exchange: Exchange, *names: str) -> dict[str, Any]:
    """The named parts of httpbin's view of a request."""
    parts: dict[str, Any] = {}
    if "data" in names:
        parts = _content_view(exchange)
    if "args" in names:
        parts["args"] = grouped(exchange.args)
    if "headers" in names:
        parts["headers"] = shown_headers(exchange)
    if "origin" in names:
        parts["origin"] = exchange.request.client
    if "url" in names:
        parts["url"] = exchange.request.url
    if "method" in names:
        parts["method"] = exchange.request.method
    return parts


def _content_view(exchange: Exchange) -> dict[str, Any]:
    parts: dict[str, Any] = {"data": "", "files": {}, "form": {}, "json": None}
    content_type = exchange.headers.get("content-type", "")
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "application/x-www-form-urlencoded":
        pairs = parse_qsl(exchange.body.decode("utf-8", "replace"), keep_blank_values=True)
        parts["form"] = grouped(pairs)
    elif kind == "multipart/form-data":
        sink = _WholeParts()
        reader = MultipartReader(boundary_of(content_type), sink)
        reader.feed(exchange.body)
        reader.finish()
        parts["form"], parts["files"] = grouped(sink.fields), grouped(sink.files)
    else:
        parts["data"] = _shown(exchange.body, kind)
        parts["json"] = _json_or_none(exchange.body)
    return parts


def _shown(data: bytes, kind: str) -> str:
    """Content as text, or as a ``data:`` URL when it is not UTF-8."""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return f"data:{kind or 'application/octet-stream'};base64,{base64.b64encode(data).decode()}"


def _json_or_none(data: bytes) -> Any:
    try:
        return json.loads(data)
    except ValueError:
        return None


class _WholeParts:
    """Keeps the parts of a form in memory."""

    def __init__(self) -> None:
        self.fields: list[tuple[str, str]] = []
        self.files: list[tuple[str, str]] = []
        self._head: PartHead | None = None
        self._pieces: list[bytes] = []

    def begin(self, head: PartHead) -> None:
        self._head, self._pieces = head, []

    def data(self, data: bytes) -> None:
        self._pieces.append(data)

    def end(self) -> None:
        if self._head is None:
            return
        target = self.fields if self._head.filename is None else self.files
        target.append((self._head.name, _shown(b"".join(self._pieces), self._head.content_type)))


@routes.add("/get")
def get(exchange: Exchange) -> Reply:
    """Shows a GET request."""
    return json_reply(view(exchange, "args", "headers", "origin", "url"))


def _with_content(exchange: Exchange) -> Reply:
    """Shows a request with content, taken apart."""
    return json_reply(view(exchange, "args", "data", "headers", "origin", "url"))


for _method in ("POST", "PUT", "PATCH", "DELETE"):
    routes.add(f"/{_method.lower()}", methods=(_method,))(_with_content)


@routes.add("/anything", "/anything/{rest*}", methods=(*ALL_METHODS, "OPTIONS", "TRACE", "QUERY"))
def anything(exchange: Exchange) -> Reply:
    """Shows any request, whatever its method and path."""
    return json_reply(view(exchange, "args", "data", "headers", "method", "origin", "url"))


@routes.add("/headers")
def headers(exchange: Exchange) -> Reply:
    """Shows the request's header fields."""
    return json_reply({"headers": shown_headers(exchange)})


@routes.add("/ip")
def ip(exchange: Exchange) -> Reply:
    """Shows the client's address."""
    return json_reply({"origin": exchange.request.client})


@routes.add("/user-agent")
def user_agent(exchange: Exchange) -> Reply:
    """Shows the User-Agent field."""
    return json_reply({"user-agent": exchange.headers.get("user-agent")})


@routes.add("/uuid")
def random_uuid(exchange: Exchange) -> Reply:
    """A new UUID each time."""
    return json_reply({"uuid": str(uuid.uuid4())})


@routes.add("/base64/{value}")
def base64_value(exchange: Exchange) -> Reply:
    """Decodes base64url text from the path."""
    value = exchange.parameters["value"]
    try:
        content = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except (binascii.Error, ValueError):
        raise BadRequestError(400, f"{value!r} is not base64url") from None
    return Reply(200, [("Content-Type", "text/html; charset=utf-8")], content)
