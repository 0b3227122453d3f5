"""Endpoints that take content of any size in constant memory."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from hyperhttp.testing.endpoints.inspection import grouped
from hyperhttp.testing.endpoints.routing import Routes
from hyperhttp.testing.messages import Reply, Write, json_reply
from hyperhttp.testing.multipart import MultipartReader, PartHead, boundary_of

if TYPE_CHECKING:
    from hyperhttp.testing.exchange import Exchange

__all__ = ["routes"]

routes = Routes()
_UPLOADS = ("POST", "PUT", "PATCH")
# Plain form fields are shown as text up to this many bytes.
MAX_FIELD = 64 * 1024


class _Summary:
    """Sums up the parts of a form: plain fields as text, files by size and SHA-256."""

    def __init__(self) -> None:
        self.fields: list[tuple[str, str]] = []
        self.files: list[dict[str, Any]] = []
        self._head: PartHead | None = None
        self._start = bytearray()
        self._size = 0
        self._hash = hashlib.sha256()

    def begin(self, head: PartHead) -> None:
        self._head, self._size = head, 0
        self._start.clear()
        self._hash = hashlib.sha256()

    def data(self, data: bytes) -> None:
        self._hash.update(data)
        self._size += len(data)
        self._start += data[: max(MAX_FIELD - len(self._start), 0)]

    def end(self) -> None:
        head = self._head
        if head is None:
            return
        if head.filename is None:
            self.fields.append((head.name, self._start.decode("utf-8", "replace")))
            return
        entry = {"name": head.name, "filename": head.filename, "content_type": head.content_type}
        self.files.append(entry | {"size": self._size, "sha256": self._hash.hexdigest()})


@routes.add("/upload", methods=_UPLOADS, is_streaming=True)
async def upload(exchange: Exchange) -> Reply:
    """Takes multipart/form-data apart: plain fields as they are, files by size and SHA-256."""
    summary = _Summary()
    reader = MultipartReader(boundary_of(exchange.headers.get("content-type", "")), summary)
    while data := await exchange.read():
        reader.feed(data)
    reader.finish()
    answer = {"fields": grouped(summary.fields), "files": summary.files}
    return json_reply(answer | {"length": exchange.request.body_length})


@routes.add("/sha256", methods=_UPLOADS, is_streaming=True)
async def sha256(exchange: Exchange) -> Reply:
    """The length and SHA-256 of the content."""
    digest = hashlib.sha256()
    while data := await exchange.read():
        digest.update(data)
    return json_reply({"length": exchange.request.body_length, "sha256": digest.hexdigest()})


@routes.add("/echo", methods=_UPLOADS, is_streaming=True)
async def echo(exchange: Exchange) -> Reply:
    """Sends the content (up to 64 MiB) back with its Content-Type; ?stream=1 does while it arrives."""
    fields = [("Content-Type", exchange.headers.get("content-type", "application/octet-stream"))]
    if not exchange.arg("stream"):
        return Reply(200, fields, await exchange.read_all())
    length = exchange.headers.get("content-length", "")

    async def produce(write: Write) -> None:
        while data := await exchange.read():
            await write(data)

    return Reply(200, fields, produce, int(length) if length.isascii() and length.isdigit() else None)
