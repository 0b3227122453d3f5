"""A second opinion from the `h11` package: what it reads in a response, and what it reads in our requests.

On valid messages both readers must say the same. On invalid ones they may differ only by the rules listed
here, and where both accept a message, they must read the same content in it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h11
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hyperhttp.protocol.http1.reader import ResponseReader
from hyperhttp.protocol.http1.writer import LAST_CHUNK, write_chunk, write_fields, write_request_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hyperhttp.exceptions import RemoteProtocolError
    from hyperhttp.protocol.events import Field, ResponseHead

VECTORS = Path(__file__).parents[1] / "vectors" / "http1"
slowly = settings(deadline=None, max_examples=200, database=None)

Pair = tuple[bytes, bytes]


def cases_of(name: str) -> list[dict[str, Any]]:
    return json.loads((VECTORS / f"{name}.json").read_text())["cases"]


@dataclass
class Reading:
    """What a reader got out of a response; names in lower case, since h11 gives them so."""

    interim: list[int] = field(default_factory=list)
    status: int = 0
    reason: bytes = b""
    fields: list[Pair] = field(default_factory=list)
    content: bytes = b""
    trailers: list[Pair] = field(default_factory=list)


class Ours(ResponseReader):
    def __init__(self, method: str):
        super().__init__()
        self.reading = Reading()
        self.complete = False
        self.expect_response(method)

    def response_received(self, head: ResponseHead, content: bytes) -> None:
        self.head_received(head)
        self.content_received(content)
        self.content_ended(())

    def head_received(self, head: ResponseHead) -> None:
        self.reading.status = head.status_code
        self.reading.reason = head.reason.encode("latin-1")
        self.reading.fields = [(line[0].lower(), line[1]) for line in head.fields]

    def interim_received(self, head: ResponseHead) -> None:
        self.reading.interim.append(head.status_code)

    def content_received(self, data: bytes) -> None:
        self.reading.content += data

    def content_ended(self, trailers: Sequence[Field]) -> None:
        self.reading.trailers = [(line[0].lower(), line[1]) for line in trailers]
        self.complete = True

    def response_failed(self, error: RemoteProtocolError) -> None:
        self.complete = False


def our_reading(data: bytes, method: str = "GET") -> Reading | None:
    """What we read, None where we refuse it."""
    reader = Ours(method)
    reader.receive_data(data)
    reader.receive_eof()
    return reader.reading if reader.complete else None


def h11_reading(data: bytes, method: str = "GET") -> Reading | None:
    """What h11 reads, None where it refuses."""
    connection = h11.Connection(h11.CLIENT)
    target = "h:1" if method == "CONNECT" else "/"
    connection.send(h11.Request(method=method, target=target, headers=[("Host", "h")]))
    connection.send(h11.EndOfMessage())
    reading = Reading()
    try:
        connection.receive_data(data)
        connection.receive_data(b"")
        while True:
            event = connection.next_event()
            if isinstance(event, h11.InformationalResponse):
                reading.interim.append(event.status_code)
            elif isinstance(event, h11.Response):
                reading.status, reading.reason = event.status_code, event.reason
                reading.fields = list(event.headers)
            elif isinstance(event, h11.Data):
                reading.content += event.data
            elif isinstance(event, h11.EndOfMessage):
                reading.trailers = list(event.headers)
                return reading
            elif event is h11.PAUSED or isinstance(event, h11.ConnectionClosed):
                return None
    except h11.RemoteProtocolError:
        return None


# -- valid responses -----------------------------------------------------------------------------------------

#: Valid responses that h11 does not read as we do, and why.
BEYOND_H11 = {
    "chunk extensions": "looser: RFC 9112 7.1.1 allows blanks (BWS) before the semicolon",
    "a length as a list of the same number": "the same, but h11 gives the field as '5'",
    "a length twice with the same number": "the same, but h11 gives one field",
    "chunked in capitals": "the same, but h11 gives the field in lower case",
    "a tunnel": "h11 gives the bytes of a tunnel aside",
    "a tunnel with framing that means nothing": "h11 gives the bytes of a tunnel aside",
    "a tunnel by HTTP/1.0": "h11 gives the bytes of a tunnel aside",
}
VALID = [case for case in cases_of("responses") if "switch" not in case]


@pytest.mark.parametrize("case", VALID, ids=lambda case: case["name"])
def test_h11_reads_the_same_in_a_valid_response(case):
    data = case["data"].encode("latin-1")
    same = our_reading(data, case["method"]) == h11_reading(data, case["method"])
    assert same == (case["name"] not in BEYOND_H11)


def test_the_list_of_valid_responses_beyond_h11_is_up_to_date():
    assert set(BEYOND_H11) <= {case["name"] for case in VALID}


names = st.text("abcXYZ-09", min_size=1, max_size=8).map(lambda name: b"x-" + name.encode())
values = st.binary(max_size=12).map(
    lambda value: bytes(byte for byte in value if byte >= 32 and byte != 127).strip(b" \t")
)
fields = st.lists(st.tuples(names, values), max_size=4)
statuses = st.integers(200, 999).filter(lambda status: status not in (204, 304))


@slowly
@given(statuses, values, fields, st.binary(max_size=50), st.booleans())
def test_h11_reads_the_same_in_any_response_of_known_length(status, reason, own, content, by_close):
    framing = [] if by_close else [(b"Content-Length", b"%d" % len(content))]
    data = b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, reason, write_fields([*own, *framing]), content)
    ours = our_reading(data)
    assert ours is not None
    assert ours.content == content
    assert ours == h11_reading(data)


extensions = st.sampled_from([b"", b";a", b";a=b", b';a="b c"', b";a;b"])
chunks = st.lists(st.tuples(st.binary(min_size=1, max_size=40), st.integers(0, 3), extensions), max_size=5)


@slowly
@given(chunks, extensions, fields)
def test_h11_reads_the_same_in_any_chunks(parts, last, trailers):
    data = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    for content, zeros, extension in parts:
        data += b"0" * zeros + b"%x%s\r\n%s\r\n" % (len(content), extension, content)
    data += b"0%s\r\n%s\r\n" % (last, write_fields(trailers))
    ours = our_reading(data)
    assert ours is not None
    assert ours.content == b"".join(content for content, _, _ in parts)
    assert ours == h11_reading(data)


# -- invalid responses ---------------------------------------------------------------------------------------

LONE_LF = "stricter: LF without CR ends no line; RFC 9112 2.2 lets others read it as one"
CONTROL = "stricter: controls other than HTAB are not in field-vchar, reason-phrase or chunk-ext (RFC 9110 5.5)"
BOTH_FRAMINGS = "stricter: Content-Length with Transfer-Encoding is refused, not repaired (RFC 9112 6.3 item 3)"
OLD_CODING = "stricter: Transfer-Encoding in HTTP/1.0 is faulty framing (RFC 9112 6.1)"
CHUNK_BLANK = "stricter: no blank follows a chunk size that has no extension (RFC 9112 7.1)"
CHUNK_DIGITS = "stricter: sixteen digits are enough for any chunk"
TRAILER_COUNT = "stricter: trailers are limited in number as the fields of a head are"
MAJOR = "stricter: another major version is another protocol (RFC 9110 2.5)"
BWS = "looser: blanks before the semicolon of a chunk extension are allowed (RFC 9112 7.1.1)"

#: Invalid responses that h11 accepts, and why we do not.
STRICTER_THAN_H11 = {
    "DEL in the reason phrase": CONTROL,
    "LF after the status line": LONE_LF,
    "LF after a field line": LONE_LF,
    "LF for the empty line": LONE_LF,
    "LF everywhere": LONE_LF,
    "LF LF after CRLF lines": LONE_LF,
    "LF at the end of a value": LONE_LF,
    "BEL in a value": CONTROL,
    "BEL at the end of a value": CONTROL,
    "ESC in a value": CONTROL,
    "ESC at the end of a value": CONTROL,
    "DEL in a value": CONTROL,
    "DEL at the end of a value": CONTROL,
    "US in a value": CONTROL,
    "US at the end of a value": CONTROL,
    "a length, then chunked": BOTH_FRAMINGS,
    "chunked, then a length": BOTH_FRAMINGS,
    "chunked with a length of nothing": BOTH_FRAMINGS,
    "chunked and a length in a response to HEAD": BOTH_FRAMINGS,
    "chunked and a length in 304": BOTH_FRAMINGS,
    "chunked and a length in an interim response": BOTH_FRAMINGS,
    "a folded chunked and a length": BOTH_FRAMINGS,
    "chunked in HTTP/1.0": OLD_CODING,
    "a chunk size with a space behind": CHUNK_BLANK,
    "a chunk size with a tab behind": CHUNK_BLANK,
    "a chunk size with seventeen digits": CHUNK_DIGITS,
    "CR in an extension": CONTROL,
    "NUL in an extension": CONTROL,
    "VT in an extension": CONTROL,
    "DEL in an extension": CONTROL,
    "a trailer with LF": LONE_LF,
    "a trailer with LF LF": LONE_LF,
    "a trailer with LF LF after a good line": LONE_LF,
    "a trailer with LF alone": LONE_LF,
    "more trailers than a head may have fields": TRAILER_COUNT,
}
CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
BROKEN = [case for case in cases_of("broken_heads") if "switch" not in case] + [
    {**case, "data": CHUNKED + case["data"]} for case in cases_of("broken_chunks")
]


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case["name"])
def test_h11_refuses_an_invalid_response_too_or_the_reason_is_known(case):
    data, method = case["data"].encode("latin-1"), case.get("method", "GET")
    assert our_reading(data, method) is None
    assert (h11_reading(data, method) is not None) == (case["name"] in STRICTER_THAN_H11)


def test_the_list_of_invalid_responses_that_h11_accepts_is_up_to_date():
    names = [case["name"] for case in BROKEN]
    assert set(STRICTER_THAN_H11) <= set(names)
    assert len(names) == len(set(names))


#: How to see in a mutated response why only one of the readers accepts it.
STRICTER_RULES = {
    LONE_LF: re.compile(rb"(?<!\r)\n"),
    CONTROL: re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r[^\n]"),
    OLD_CODING: re.compile(rb"HTTP/1\.0 .*Transfer-Encoding", re.DOTALL),
    MAJOR: re.compile(rb"HTTP/0"),
    CHUNK_BLANK: re.compile(rb"\n[0-9a-fA-F]+[ \t]+\r\n"),
}
LOOSER_RULES = {BWS: re.compile(rb"\n[0-9a-fA-F]+[ \t]+;")}

BASES = [
    b"HTTP/1.1 200 OK\r\nX: a b\r\nContent-Length: 3\r\n\r\nabc",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a\r\nab\r\n1\r\nc\r\n0\r\nT: u\r\n\r\n",
]
HOSTILE = [bytes([byte]) for byte in b'\0\n\r\t \x0b\x7f\x01\x80\xff0+-;:,x"#']


def mutants_of(base: bytes) -> set[bytes]:
    """Each way to replace, insert or delete one byte."""
    found = set()
    for at in range(len(base)):
        before, after = base[:at], base[at + 1 :]
        found.add(before + after)
        for byte in HOSTILE:
            found |= {before + byte + after, before + byte + base[at:]}
    return found - {base}


def test_one_wrong_byte_divides_the_readers_only_by_the_rules():
    used = set()
    unexplained = []
    for data in sorted(mutant for base in BASES for mutant in mutants_of(base)):
        ours, theirs = our_reading(data), h11_reading(data)
        if ours == theirs:
            continue
        rules = STRICTER_RULES if ours is None else LOOSER_RULES if theirs is None else {}
        reasons = {reason for reason, sign in rules.items() if sign.search(data)}
        used |= reasons
        if not reasons:
            unexplained.append((data, ours, theirs))
    assert unexplained == []
    assert used == {*STRICTER_RULES, *LOOSER_RULES}


# -- requests ------------------------------------------------------------------------------------------------


targets = st.text("/abc?=&%20.~-_", max_size=12).map(lambda path: b"/" + path.encode())
request_methods = st.sampled_from([b"GET", b"POST", b"PUT", b"M-SEARCH", b"q!#$%&'*+-.^_`|~"])


@slowly
@given(request_methods, targets, fields, st.none() | st.lists(st.binary(max_size=30), max_size=4))
def test_h11_reads_our_requests_as_we_mean_them(method, target, own, parts):
    lines = [(b"Host", b"h"), *own] + ([] if parts is None else [(b"Transfer-Encoding", b"chunked")])
    data = write_request_line(method, target) + write_fields(lines) + b"\r\n"
    if parts is not None:
        data += b"".join(map(write_chunk, parts)) + LAST_CHUNK
    connection = h11.Connection(h11.SERVER)
    connection.receive_data(data)
    request = connection.next_event()
    assert isinstance(request, h11.Request)
    assert (request.method, request.target) == (method, target)
    assert list(request.headers) == [(name.lower(), value) for name, value in lines]
    content = b""
    while isinstance(event := connection.next_event(), h11.Data):
        content += event.data
    assert isinstance(event, h11.EndOfMessage)
    assert content == b"".join(parts or [])
    assert connection.trailing_data == (b"", False)
