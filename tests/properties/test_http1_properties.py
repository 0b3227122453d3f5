"""For every response, valid or not: cutting changes nothing, and only `response_failed` complains."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from hyperhttp.exceptions import RemoteProtocolError
from hyperhttp.protocol.http1 import head as head_module
from hyperhttp.protocol.http1.head import parse_head
from hyperhttp.protocol.http1.reader import ResponseReader
from hyperhttp.protocol.http1.writer import LAST_CHUNK, write_chunk, write_fields

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hyperhttp.protocol.events import Field, ResponseHead

slowly = settings(deadline=None, max_examples=200, database=None)

Pair = tuple[bytes, bytes]


# -- what was read -------------------------------------------------------------------------------------------


class Recorder(ResponseReader):
    """What a reader said, in a form that does not depend on how the bytes were cut."""

    def __init__(self, method: str = "GET", switch: str | None = None):
        super().__init__()
        self.heads: list[tuple[Any, ...]] = []
        self.content = b""
        self.trailers: list[Pair] = []
        self.ends: list[str] = []
        self.expect_response(method, switch)

    def response_received(self, head: ResponseHead, content: bytes) -> None:
        self.head_received(head)
        self.content_received(content)
        self.content_ended(())

    def head_received(self, head: ResponseHead) -> None:
        assert not self.ends
        pairs = [tuple(field[:2]) for field in head.fields]
        self.heads.append((head.http_version, head.status_code, head.reason, pairs, head.content_length, head.chunked))

    interim_received = head_received

    def content_received(self, data: bytes) -> None:
        assert not self.ends
        self.content += data

    def content_ended(self, trailers: Sequence[Field]) -> None:
        assert not self.ends
        self.trailers = [(field[0], field[1]) for field in trailers]
        self.ends.append("ended")

    def response_failed(self, error: RemoteProtocolError) -> None:
        assert not self.ends
        assert type(error) is RemoteProtocolError
        assert 0 < len(str(error)) < 400
        self.ends.append("failed")

    def surplus_received(self) -> None:
        assert self.ends == ["ended"]

    def feed(self, pieces: Iterable[bytes]) -> Recorder:
        for piece in pieces:
            self.receive_data(piece)
        return self

    def outcome(self) -> tuple[Any, ...]:
        return [*self.heads], self.content, [*self.trailers], [*self.ends], self.reusable


def outcomes(data: bytes, method: str, cuts: Sequence[int]) -> list[tuple[Any, ...]]:
    """What is read before and after the end of the connection, fed in three ways."""
    bounds = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    ways = (
        [data],
        [data[start : start + 1] for start in range(len(data))],
        [data[start:end] for start, end in pairwise(bounds)],
    )
    found = []
    for pieces in ways:
        reader = Recorder(method).feed(pieces)
        open_ended = reader.outcome()
        reader.receive_eof()
        found.append((open_ended, reader.outcome()))
    return found


# -- responses -----------------------------------------------------------------------------------------------


tokens = st.text("!#$%&'*+-.^_`|~09azAZ", min_size=1, max_size=8).map(str.encode)
ordinary_names = tokens.map(lambda name: b"x-" + name)
values = st.binary(max_size=12).map(
    lambda value: bytes(byte for byte in value if byte >= 32 and byte != 127).strip(b" \t")
)
fields = st.lists(st.tuples(ordinary_names, values), max_size=4)
contents = st.binary(max_size=40)
statuses = st.integers(200, 999).filter(lambda status: status not in (204, 304))
cuts = st.lists(st.integers(0, 10_000), max_size=6)


@dataclass
class Written:
    """A response as it was meant, and its bytes."""

    interim: list[int]
    status: int
    reason: bytes
    fields: list[Pair]
    content: bytes
    trailers: list[Pair]
    data: bytes
    ends_by_close: bool


@st.composite
def responses(draw: st.DrawFn) -> Written:
    interim = draw(st.lists(st.integers(100, 199).filter(lambda status: status != 101), max_size=2))
    data = b"".join(b"HTTP/1.1 %d \r\n%s\r\n" % (status, write_fields(draw(fields))) for status in interim)
    status, reason, own = draw(statuses), draw(values), draw(fields)
    pieces = draw(st.lists(contents, max_size=4))
    content = b"".join(pieces)
    trailers: list[Pair] = []
    way = draw(st.sampled_from(["length", "chunked", "close"]))
    if way == "length":
        own.append((b"Content-Length", b"%d" % len(content)))
        body = content
    elif way == "chunked":
        own.append((b"Transfer-Encoding", b"chunked"))
        trailers = draw(fields)
        body = b"".join(map(write_chunk, pieces)) + LAST_CHUNK[:-2] + write_fields(trailers) + b"\r\n"
    else:
        body = content
    data += b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, reason, write_fields(own), body)
    return Written(interim, status, reason, own, content, trailers, data, way == "close")


@slowly
@given(responses(), cuts)
def test_what_was_written_is_read_back_however_it_is_cut(written, cuts):
    whole, dribbled, cut = outcomes(written.data, "GET", cuts)
    assert whole == dribbled == cut
    heads, content, trailers, ends, _ = whole[1]
    assert [head[1] for head in heads] == [*written.interim, written.status]
    assert heads[-1][2:4] == (written.reason.decode("latin-1"), written.fields)
    assert (content, trailers, ends) == (written.content, written.trailers, ["ended"])
    assert whole[0][3] == ([] if written.ends_by_close else ["ended"])
    assert whole[0][4] != written.ends_by_close


@slowly
@given(responses(), st.integers(0, 10_000), st.sampled_from([1, 2, 3]))
def test_a_response_cut_short_is_never_taken_for_whole(written, missing, size):
    if written.ends_by_close:
        return
    data = written.data[: missing % len(written.data)]
    reader = Recorder().feed(data[start : start + size] for start in range(0, len(data), size))
    reader.receive_eof()
    assert reader.ends == ["failed"]
    assert written.content.startswith(reader.content)


@slowly
@given(responses(), st.binary(min_size=1, max_size=20), cuts)
def test_surplus_bytes_are_never_content(written, surplus, cuts):
    if written.ends_by_close:
        return
    whole, dribbled, cut = outcomes(written.data + surplus, "GET", cuts)
    assert whole == dribbled == cut
    assert whole[0][1:] == (written.content, written.trailers, ["ended"], False)


# -- what no honest server sends -----------------------------------------------------------------------------


PARTS = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b" ",
    b"\t",
    b":",
    b";",
    b",",
    b"0",
    b"+",
    b"-",
    b"0x",
    b"\xb2",
    b"\xd9\xa2",
    b"\r\n\r\n",
    b"0\r\n\r\n",
    b"ffffffffffffffff\r\n",
    b"Content-Length: 3\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\n",
    b"Connection: close\r\n",
]
edits = st.lists(
    st.tuples(
        st.sampled_from(["replace", "insert", "delete", "repeat"]),
        st.integers(0, 10_000),
        st.integers(0, 12),
        st.sampled_from(PARTS) | st.binary(max_size=3),
    ),
    min_size=1,
    max_size=4,
)


def mutate(data: bytes, changes: Iterable[tuple[str, int, int, bytes]]) -> bytes:
    for kind, at, length, part in changes:
        at %= len(data) + 1
        before, inside, after = data[:at], data[at : at + length], data[at + length :]
        data = {
            "replace": before + part + after,
            "insert": before + part + inside + after,
            "delete": before + after,
            "repeat": before + inside * 2 + after,
        }[kind]
    return data


methods = st.sampled_from(["GET", "HEAD", "CONNECT"])


@slowly
@given(responses(), edits, methods, cuts)
@example(Written([], 200, b"", [], b"", [], b"HTTP/1.1 200 OK\r\nX: y\r\n\n", True), [], "GET", [])
def test_a_mutated_response_is_read_the_same_way_however_it_is_cut(written, changes, method, cuts):
    """The recorder fails on any other exception, on two ends, and on a word after the end."""
    whole, dribbled, cut = outcomes(mutate(written.data, changes), method, cuts)
    assert whole == dribbled == cut


@slowly
@given(st.lists(st.sampled_from(PARTS) | st.binary(max_size=6), max_size=12), methods, cuts)
def test_any_bytes_are_read_the_same_way_however_they_are_cut(parts, method, cuts):
    for start in (b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"):
        whole, dribbled, cut = outcomes(start + b"".join(parts), method, cuts)
        assert whole == dribbled == cut


# -- the memo ------------------------------------------------------------------------------------------------


LINES = [
    b"Server: x",
    b"server: x",
    b"Server:x",
    b"Content-Length: 5",
    b"content-length: 5",
    b"Content-Length: 05",
    b"Content-Length: 6",
    b"Content-Length: 5,5",
    b"Connection: close",
    b"Connection: keep-alive",
    b"Transfer-Encoding: chunked",
    b"Keep-Alive: timeout=5",
    b" folded",
    b"\tclose",
    b"Set-Cookie: a=b",
    b"Vary: a\0",
    b"Vary : a",
]


def meaning(block: bytes) -> Any:
    try:
        head = parse_head(block)
    except RemoteProtocolError as error:
        return str(error)
    return [getattr(head, name) for name in type(head).__slots__]


@slowly
@given(
    st.lists(st.lists(st.sampled_from(LINES), max_size=5), max_size=6),
    st.lists(st.sampled_from(LINES), max_size=6),
    st.sampled_from([b"HTTP/1.1 200 OK", b"HTTP/1.0 200 OK"]),
)
def test_a_head_means_the_same_whatever_came_before_it(earlier, lines, status):
    block = b"\r\n".join([status, *lines])
    head_module._heads.clear()
    head_module._lines.clear()
    alone = meaning(block)
    head_module._heads.clear()
    head_module._lines.clear()
    for others in earlier:
        meaning(b"\r\n".join([status, *others]))
    assert meaning(block) == alone
    assert meaning(block) == alone
