"""Responses of HTTP/1.1, read whole and in pieces: the same is read, and there is one end."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from hyperhttp.exceptions import LocalProtocolError, RemoteProtocolError
from hyperhttp.protocol.http1 import head as heads
from hyperhttp.protocol.http1.framing import MAX_CHUNK_LINE, MAX_TRAILER
from hyperhttp.protocol.http1.head import parse_fields
from hyperhttp.protocol.http1.reader import MAX_HEAD, MAX_INTERIM, ResponseReader
from hyperhttp.protocol.http1.writer import write_fields, write_request_line
from tests.fuzz.supply import Supply, cut

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperhttp.protocol.events import Field, ResponseHead

__all__ = ["http1", "http1_writer"]

_METHODS = ["GET", "HEAD", "CONNECT"]
_CHUNK = re.compile(rb"([0-9A-Fa-f]+)[ \t]*(?:;[^\r\n]*)?\r\n")


class _Recorder(ResponseReader):
    """What a reader says, in a form that does not depend on how the bytes were cut."""

    def __init__(self, method: str, switch: str | None) -> None:
        super().__init__()
        self.heads: list[tuple[Any, ...]] = []
        self.content = bytearray()
        self.trailers: list[tuple[bytes, bytes]] = []
        self.ends: list[str] = []
        self.expect_response(method, switch)

    def response_received(self, head: ResponseHead, content: bytes) -> None:
        self.head_received(head)
        self.content_received(content)
        self.content_ended(())

    def head_received(self, head: ResponseHead) -> None:
        assert not self.ends, "a head after the end"
        pairs = [(field[0], field[1]) for field in head.fields]
        for name, value in pairs:
            assert not set(name + value) & set(b"\r\n\0"), "a line break in a field"
        _check_framing([(name.lower(), value) for name, value in pairs])
        self.heads.append((head.http_version, head.status_code, head.reason, pairs, head.content_length, head.chunked))

    interim_received = head_received

    def content_received(self, data: bytes) -> None:
        assert not self.ends, "content after the end"
        self.content += data

    def content_ended(self, trailers: Sequence[Field]) -> None:
        assert not self.ends, "two ends"
        self.trailers = [(field[0], field[1]) for field in trailers]
        self.ends.append("ended")

    def response_failed(self, error: RemoteProtocolError) -> None:
        assert not self.ends, "a failure after the end"
        assert type(error) is RemoteProtocolError
        assert 0 < len(str(error)) < 400
        self.ends.append("failed")

    def surplus_received(self) -> None:
        assert self.ends == ["ended"], "surplus before the end"

    def outcome(self) -> tuple[Any, ...]:
        return self.heads[:], bytes(self.content), self.trailers, self.ends[:], self.reusable

    def check_bounds(self) -> None:
        assert len(self._partial) <= MAX_HEAD + 4
        assert self._interim <= MAX_INTERIM + 1
        if self._chunks is not None:
            assert len(self._chunks._partial) <= max(MAX_CHUNK_LINE, MAX_TRAILER) + 6


def _check_framing(pairs: list[tuple[bytes, bytes]]) -> None:
    """Nobody else could find another end of the content."""
    lengths = {int(item) for name, value in pairs if name == b"content-length" for item in value.split(b",")}
    codings = [value.lower() for name, value in pairs if name == b"transfer-encoding"]
    assert len(lengths) + len(codings) <= 1, "framing that can be read in two ways"
    assert codings in ([], [b"chunked"])


def _read(response: bytes, seed: int, method: str, switch: str | None) -> list[Any]:
    reader = _Recorder(method, switch)
    for piece in cut(response, seed):
        reader.receive_data(piece)
        reader.check_bounds()
    before = reader.outcome()
    reader.receive_eof()
    after = reader.outcome()
    assert len(after[3]) == 1, "not one end"
    if reader.ends == ["ended"]:
        assert reader.content == _plain_content(response, reader, method), "not the content that was sent"
    reader.receive_data(b"HTTP/1.1 200 OK\r\n\r\n")
    assert reader.outcome()[:4] == after[:4], "something was read after the end"
    return [before, after]


def _plain_content(response: bytes, reader: _Recorder, method: str) -> bytes | None:
    """The content in its plainest reading of RFC 9112, section 6; None where it has no end."""
    _, status, _, _, length, is_chunked = reader.heads[-1]
    body = response
    for _ in reader.heads:
        body = body.partition(b"\r\n\r\n")[2]
    if status == 101 or (method == "CONNECT" and status < 300):
        return body
    if method == "HEAD" or status in (204, 304):
        return b""
    if not is_chunked:
        return body if length is None else body[:length] if len(body) >= length else None
    content = b""
    while match := _CHUNK.match(body):
        size, body = int(match[1], 16), body[match.end() :]
        if not size:
            return content
        if body[size : size + 2] != b"\r\n":
            return None
        content += body[:size]
        body = body[size + 2 :]
    return None


def http1(data: bytes) -> None:
    """A response: method, a way to cut, and its bytes."""
    supply = Supply(data)
    kind = supply.byte()
    method = _METHODS[kind % 3]
    switch = "websocket, h2c" if kind & 4 else None
    seed = supply.byte()
    response = supply.rest()
    whole = _read(response, 0, method, switch)
    heads._heads.clear()
    heads._lines.clear()
    heads._statuses.clear()
    bytewise = _read(response, 1, method, switch)
    pieces = _read(response, seed, method, switch)
    assert whole == bytewise, "cut into bytes, it is another response"
    assert whole == pieces, "cut into pieces, it is another response"
    assert len(heads._heads) <= heads._MEMO_HEADS
    assert len(heads._lines) <= heads._MEMO_ENTRIES
    assert len(heads._statuses) <= heads._MEMO_STATUSES


def http1_writer(data: bytes) -> None:
    """Method, target, and fields, separated by ``|``: what is written is one request, and what was meant."""
    supply = Supply(data)
    method, target = supply.line(), supply.line()
    fields = []
    while supply:
        name, _, value = supply.line().partition(b":")
        fields.append((name, value))
    try:
        line = write_request_line(method, target)
        block = write_fields(fields)
    except LocalProtocolError:
        return
    assert line.count(b"\r\n") == line.count(b"\n") == 1
    assert line.split(b" ") == [method, target, b"HTTP/1.1\r\n"]
    assert block.count(b"\n") == block.count(b"\r") == len(fields)
    if 0 < len(fields) <= heads.MAX_FIELDS:
        try:
            read = parse_fields(block.split(b"\r\n")[:-1])
        except RemoteProtocolError:
            # Framing that makes no sense: the value is the caller's. Nothing else that is written may not be read.
            assert any(name.lower() in (b"content-length", b"transfer-encoding") for name, _ in fields)
            return
        assert [(field[0], field[1]) for field in read] == [(name, value.strip(b" \t")) for name, value in fields]
