from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hyperhttp.exceptions import RemoteProtocolError
from hyperhttp.protocol.events import ResponseHead
from hyperhttp.protocol.http1 import framing as module
from hyperhttp.protocol.http1.framing import (
    CHUNKED,
    MAX_CHUNK_LINE,
    MAX_EXTENSIONS,
    MAX_TRAILER,
    UNTIL_CLOSE,
    ChunkedDecoder,
    framing_of,
    take_until,
)

VECTORS = Path(__file__).parents[2] / "vectors" / "http1"
BROKEN = json.loads((VECTORS / "broken_chunks.json").read_text())["cases"]
VALID = [
    (case["name"], case["data"].partition("\r\n\r\n")[2].encode("latin-1"), case)
    for case in json.loads((VECTORS / "responses.json").read_text())["cases"]
    if case["ends"] == "chunks"
]


def pieces_of(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def decode(data: bytes, size: int = sys.maxsize) -> tuple[bytes, ChunkedDecoder]:
    decoder = ChunkedDecoder()
    content = b"".join(decoder.receive_data(piece) for piece in pieces_of(data, min(size, len(data) or 1)))
    return content, decoder


# -- where content ends --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "length", "chunked", "head_only", "framing"),
    [
        (200, 5, False, False, 5),
        (200, 0, False, False, 0),
        (200, None, True, False, CHUNKED),
        (200, None, False, False, UNTIL_CLOSE),
        (404, 5, False, False, 5),
        (205, 5, False, False, 5),
        (200, 5, False, True, 0),
        (200, None, True, True, 0),
        (200, None, False, True, 0),
        (204, 5, False, False, 0),
        (204, None, True, False, 0),
        (204, None, False, False, 0),
        (304, 5, False, False, 0),
        (304, None, True, False, 0),
        (304, None, False, False, 0),
    ],
)
def test_framing_follows_the_list_of_section_6_3(status, length, chunked, head_only, framing):
    head = ResponseHead("HTTP/1.1", status, "", [], 0, length, chunked)
    assert framing_of(head, head_only=head_only) == framing


# -- chunks --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [sys.maxsize, 1, 2, 3, 7])
@pytest.mark.parametrize(("name", "data", "case"), VALID, ids=[name for name, _, _ in VALID])
def test_valid_chunks_are_decoded_however_they_are_cut(name, data, case, size):
    content, decoder = decode(data, size)
    assert content == case["content"].encode("latin-1")
    assert [[name.decode(), value.decode()] for name, value, *_ in decoder.trailers] == case["trailers"]
    assert (decoder.ended, decoder.error, decoder.surplus) == (True, None, b"")


@pytest.mark.parametrize("size", [sys.maxsize, 1, 2, 3, 7])
@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case["name"])
def test_broken_chunks_are_refused_however_they_are_cut(case, size):
    data = case["data"].encode("latin-1")
    content, decoder = decode(data, size)
    assert isinstance(decoder.error, RemoteProtocolError)
    assert not decoder.ended
    assert content == decode(data)[0]


@pytest.mark.parametrize("size", [sys.maxsize, 1])
def test_content_before_an_error_is_given_out(size):
    content, decoder = decode(b"2\r\nhi\r\n1\r\n!\r\nbroken\r\n", size)
    assert content == b"hi!"
    assert str(decoder.error) == "invalid chunk line b'broken'"


@pytest.mark.parametrize("data", [b"x\r\n", b"1\r\nabc", b"0\r\nx\r\n\r\n", b"2\n"])
def test_after_an_error_nothing_is_decoded(data):
    _, decoder = decode(data)
    error = decoder.error
    assert error is not None
    assert decoder.receive_data(b"1\r\na\r\n0\r\n\r\n") == b""
    assert decoder.error is error
    assert not decoder.ended


@pytest.mark.parametrize("trailer", [b"", b"X: y\r\n"])
def test_what_follows_the_end_is_surplus_and_no_content(trailer):
    content, decoder = decode(b"1\r\na\r\n0\r\n" + trailer + b"\r\n1\r\nb\r\n0\r\n\r\n")
    assert content == b"a"
    assert decoder.surplus == b"1\r\nb\r\n0\r\n\r\n"
    assert decoder.receive_data(b"1\r\nc\r\n") == b""


@pytest.mark.parametrize("end", range(len(b"2\r\nhi\r\n0;x\r\nX: y\r\n\r\n")))
def test_the_end_is_seen_at_the_last_byte_and_not_before(end):
    data = b"2\r\nhi\r\n0;x\r\nX: y\r\n\r\n"
    for size in (sys.maxsize, 1):
        _, decoder = decode(data[:end], size)
        assert not decoder.ended
        assert decoder.error is None
        decoder.receive_data(data[end:])
        assert decoder.ended


@pytest.mark.parametrize("digits", [b"ffffffffffffffff", b"FFFFFFFFFFFFFFF0", b"8000000000000000"])
@pytest.mark.parametrize("end", [b"\r\n", b";x\r\n"])
def test_a_huge_chunk_takes_no_memory_in_advance(digits, end):
    content, decoder = decode(digits + end + b"abc")
    assert content == b"abc"
    assert decoder.receive_data(b"def") == b"def"
    assert decoder.error is None
    assert not decoder.ended


# -- limits --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [sys.maxsize, 1, 1000])
@pytest.mark.parametrize(("excess", "refused"), [(0, False), (1, True)])
def test_a_chunk_line_has_a_limit(size, excess, refused):
    line = b"1;".ljust(MAX_CHUNK_LINE + excess, b"x")
    _, decoder = decode(line + b"\r\na\r\n0\r\n\r\n", size)
    assert (decoder.error is not None) == refused
    assert decoder.ended != refused


@pytest.mark.parametrize("size", [sys.maxsize, 1, 1000])
@pytest.mark.parametrize(("excess", "refused"), [(0, False), (1, True)])
def test_a_trailer_section_has_a_limit(size, excess, refused):
    section = b"X: ".ljust(MAX_TRAILER + excess, b"x") + b"\r\n"
    _, decoder = decode(b"0\r\n" + section + b"\r\n", size)
    assert (decoder.error is not None) == refused
    assert decoder.ended != refused


@pytest.mark.parametrize("size", [sys.maxsize, 1000])
@pytest.mark.parametrize(("excess", "refused"), [(0, False), (1, True)])
def test_all_extensions_together_have_a_limit(size, excess, refused):
    extension = b";".ljust(1024, b"x")
    chunks = b"1" + extension + b"\r\na\r\n"
    last = b"0" + b";" * excess + b"\r\n\r\n"
    _, decoder = decode(chunks * (MAX_EXTENSIONS // 1024) + last, size)
    assert (decoder.error is not None) == refused
    assert decoder.ended != refused


@pytest.mark.parametrize("start", [b"", b"1\r\na\r\n", b"0\r\n", b"0\r\nX: y\r\n"])
def test_an_endless_line_is_refused_at_its_limit(start):
    _, decoder = decode(start + b"0;" if not start.startswith(b"0") else start + b"X: ")
    for _ in range(MAX_TRAILER // 100 + 2):
        decoder.receive_data(b"x" * 100)
    assert "longer than" in str(decoder.error)
    assert not decoder._partial


@pytest.mark.parametrize(
    "data",
    [
        b"5\n",
        b"5;a\n",
        b"5\rx",
        b"0\r\n\n",
        b"0\r\nX: y\n",
        b"0\r\nX: y\r\nZ: z\n",
        b"0\r\nX: y\r\n\n",
        b"5;\0",
        b"0\r\nX\0",
    ],
)
def test_a_line_that_can_no_longer_end_well_is_refused_at_once(data):
    for size in (sys.maxsize, 1):
        assert decode(data, size)[1].error is not None


def test_messages_show_only_the_beginning_of_a_chunk_line():
    _, decoder = decode(b"x" * 100 + b"hunter2\r\n")
    assert "hunter2" not in str(decoder.error)


# -- putting together ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mark", [b"\r\n", b"\r\n\r\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 100])
@pytest.mark.parametrize("element", [b"", b"a", b"abcdefgh"])
def test_an_element_is_put_together_from_any_pieces(mark, size, element):
    data = b"skip" + element + mark + b"rest"
    partial = bytearray()
    first = data[: 4 + size]
    found, position = take_until(mark, partial, first, 4, 10)
    taken = 4 + size
    while found is None:
        assert position == len(first)
        first = data[taken : taken + size]
        taken += size
        found, position = take_until(mark, partial, first, 0, 10)
    assert found == element
    assert not partial
    assert first[position:] + data[taken:] == b"rest"


@pytest.mark.parametrize("mark", [b"\r\n", b"\r\n\r\n"])
@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_the_limit_is_the_same_for_all_pieces(mark, size):
    def take(length: int) -> bytes | None:
        partial = bytearray()
        found = None
        for piece in pieces_of(b"x" * length + mark, size):
            found, _ = take_until(mark, partial, piece, 0, 20)
        return found

    assert take(20) == b"x" * 20
    with pytest.raises(RemoteProtocolError, match="longer than 20 bytes"):
        take(21)


# -- work ----------------------------------------------------------------------------------------------------
# Counted in bytes looked at or copied and in calls, never in time.


class Meter:
    def __init__(self):
        self.work = 0


class CountedBuffer(bytearray):
    """A buffer that counts the bytes its methods touch."""

    meter: Meter

    def find(self, mark, start=0):
        self.meter.work += len(self) - start + 1
        return super().find(mark, start)

    def __getitem__(self, key):
        result = super().__getitem__(key)
        self.meter.work += len(result) if isinstance(key, slice) else 1
        return result

    def __iadd__(self, other):
        self.meter.work += len(other)
        return super().__iadd__(other)


class CountedBytes(bytes):
    meter: Meter

    def find(self, mark, start, end):
        found = super().find(mark, start, end)
        self.meter.work += (min(end, len(self)) if found < 0 else found) - start + 1
        return found

    def __getitem__(self, key):
        result = super().__getitem__(key)
        self.meter.work += len(result) if isinstance(key, slice) else 1
        return result


class CountedPattern:
    def __init__(self, pattern, meter):
        self.pattern, self.meter = pattern, meter

    def search(self, buffer, start):
        self.meter.work += len(buffer) - start
        return self.pattern.search(buffer, start)


@pytest.fixture
def meter(monkeypatch):
    meter = Meter()
    monkeypatch.setattr(module, "CONTROL_IN_LINE", CountedPattern(module.CONTROL_IN_LINE, meter))
    monkeypatch.setattr(CountedBuffer, "meter", meter, raising=False)
    monkeypatch.setattr(CountedBytes, "meter", meter, raising=False)
    return meter


@pytest.mark.parametrize(
    ("data", "per_byte"),
    [
        (b"1;" + b"x" * (MAX_CHUNK_LINE - 2) + b"\r\n", 16),
        (b"0\r\nX: " + b"x" * (MAX_TRAILER - 5) + b"\r\n", 16),
        (b"0\r\n" + b"X: " + b"x" * 61 + b"\r\n", 16),
    ],
    ids=["chunk line", "long trailer", "short trailer"],
)
def test_a_dribbled_line_costs_the_same_for_each_byte(meter, data, per_byte):
    decoder = ChunkedDecoder()
    decoder._partial = CountedBuffer()
    for piece in pieces_of(data, 1):
        decoder.receive_data(CountedBytes(piece))
    assert decoder.error is None
    assert meter.work <= per_byte * len(data)


@pytest.mark.parametrize(
    ("chunk", "count"),
    [(b"1\r\na\r\n", 4000), (b"1;\r\na\r\n", 4000), (b"001 ;xyz\r\na\r\n", 4000)],
    ids=["plain", "empty extension", "extension"],
)
@pytest.mark.parametrize("size", [sys.maxsize, 4096, 1])
def test_tiny_chunks_cost_the_same_for_each_byte(meter, chunk, count, size):
    """Each chunk line used to be able to make us copy all that came behind it."""
    data = chunk * count + b"0\r\n\r\n"
    decoder = ChunkedDecoder()
    decoder._partial = CountedBuffer()
    content = [decoder.receive_data(CountedBytes(piece)) for piece in pieces_of(data, min(size, len(data)))]
    assert decoder.ended
    assert b"".join(content) == b"a" * count
    assert meter.work <= 16 * len(data)


@pytest.mark.parametrize(("start", "limit"), [(b"1;", MAX_CHUNK_LINE), (b"0\r\nX: ", MAX_TRAILER)])
def test_of_a_huge_piece_no_more_than_a_line_is_looked_at(meter, start, limit):
    decoder = ChunkedDecoder()
    decoder._partial = CountedBuffer()
    decoder.receive_data(CountedBytes(start))
    decoder.receive_data(CountedBytes(b"x" * 1_000_000))
    assert decoder.error is not None
    assert meter.work <= 5 * limit


def calls_of(function, *args) -> int:
    calls = 0

    def count(frame, event, arg):
        nonlocal calls
        calls += event in ("call", "c_call")

    sys.setprofile(count)
    try:
        function(*args)
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("chunk", [b"1\r\na\r\n", b"1;\r\na\r\n"], ids=["plain", "extension"])
def test_twice_the_chunks_are_twice_the_calls_at_most(chunk):
    few = calls_of(ChunkedDecoder().receive_data, chunk * 1000)
    many = calls_of(ChunkedDecoder().receive_data, chunk * 2000)
    assert many <= 2 * few
    assert few <= 1000 * 30


def test_plain_chunks_need_no_python_call_each():
    decoder = ChunkedDecoder()
    frames = 0

    def count(frame, event, arg):
        nonlocal frames
        frames += event == "call"

    data = b"1\r\na\r\n" * 1000 + b"0\r\n\r\n"
    sys.setprofile(count)
    try:
        decoder.receive_data(data)
    finally:
        sys.setprofile(None)
    assert decoder.ended
    assert frames == 3


def test_one_piece_of_data_is_one_piece_of_content():
    decoder = ChunkedDecoder()
    assert decoder.receive_data(b"1\r\na\r\n2\r\nbc\r\n3\r\nde") == b"abcde"
    assert decoder.receive_data(b"f") == b"f"
    assert decoder.receive_data(b"\r\n") == b""
