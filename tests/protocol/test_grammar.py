"""The patterns against the grammar of the RFCs, byte by byte."""

from __future__ import annotations

import string

import pytest

from hyperhttp.protocol import grammar

ALL_BYTES = [bytes([value]) for value in range(256)]
TCHAR = (string.ascii_letters + string.digits + "!#$%&'*+-.^_`|~").encode()
FIELD_BYTES = bytes([9, *range(0x20, 0x7F), *range(0x80, 0x100)])
HEX = string.hexdigits.encode()


@pytest.mark.parametrize(
    ("pattern", "allowed"),
    [
        (grammar.TOKEN, TCHAR),
        (grammar.METHOD, TCHAR),
        (grammar.FIELD_VALUE, FIELD_BYTES),
        (grammar.CONTENT_LENGTH, b"0123456789"),
        (grammar.CHUNK_LINE, HEX),
        (grammar.REQUEST_TARGET, bytes(set(range(0x21, 0x7F)) - {ord("#")})),
    ],
    ids=["token", "method", "field-value", "content-length", "chunk-size", "request-target"],
)
def test_each_byte_is_allowed_or_not_as_the_grammar_says(pattern, allowed):
    accepted = b"".join(byte for byte in ALL_BYTES if pattern.fullmatch(byte))
    assert accepted == bytes(sorted(allowed))


@pytest.mark.parametrize("pattern", [grammar.TOKEN, grammar.CONTENT_LENGTH, grammar.CHUNK_LINE, grammar.REQUEST_TARGET])
def test_what_needs_at_least_one_byte_is_not_empty(pattern):
    assert not pattern.fullmatch(b"")


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n", b"\0"])
@pytest.mark.parametrize(
    ("pattern", "good"),
    [
        (grammar.TOKEN, b"GET"),
        (grammar.FIELD_VALUE, b"value"),
        (grammar.FIELD_LINE, b"Name: value"),
        (grammar.STATUS_LINE, b"HTTP/1.1 200 OK"),
        (grammar.CONTENT_LENGTH, b"12"),
        (grammar.CHUNK_LINE, b"1f;x"),
        (grammar.REQUEST_TARGET, b"/path"),
    ],
)
def test_nothing_ends_in_a_line_break(pattern, good, end):
    assert pattern.fullmatch(good)
    assert not pattern.fullmatch(good + end)


@pytest.mark.parametrize("byte", ALL_BYTES)
def test_a_field_line_takes_the_same_bytes_as_a_field_value(byte):
    assert bool(grammar.FIELD_LINE.fullmatch(b"X:" + byte)) == (byte in FIELD_BYTES)


@pytest.mark.parametrize("byte", ALL_BYTES)
def test_a_field_line_takes_the_same_name_as_a_token(byte):
    assert bool(grammar.FIELD_LINE.fullmatch(b"X" + byte + b"Y: z")) == (byte in TCHAR + b":")


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (b"HTTP/1.1 200 OK", (b"1", b"200", b"OK")),
        (b"HTTP/1.0 404 ", (b"0", b"404", b"")),
        (b"HTTP/1.1 999", (b"1", b"999", None)),
        (b"HTTP/1.1 200 a  b\t\xe9", (b"1", b"200", b"a  b\t\xe9")),
    ],
)
def test_a_status_line_has_three_parts(line, parts):
    assert grammar.STATUS_LINE.fullmatch(line).groups() == parts


@pytest.mark.parametrize(
    ("line", "size"),
    [
        (b"0", b"0"),
        (b"1aF", b"1aF"),
        (b"5;", b"5"),
        (b"5 \t;a=b", b"5"),
        (b"5;a;b", b"5"),
        (b"f" * 16, b"f" * 16),
    ],
)
def test_a_chunk_line_gives_its_size(line, size):
    assert grammar.CHUNK_LINE.fullmatch(line)[1] == size


@pytest.mark.parametrize("line", [b"f" * 17, b"5 ", b" 5", b"5 x;", b";", b"0x5", b"-5", b"+5", b"5\t"])
def test_a_chunk_line_is_nothing_else(line):
    assert not grammar.CHUNK_LINE.fullmatch(line)


@pytest.mark.parametrize(
    ("data", "matches"),
    [
        (b"5\r\nhello", True),
        (b"5;\r\n", False),
        (b"5\n", False),
        (b"5\r", False),
        (b"5\r\r\n", False),
        (b"\r\n", False),
        (b"0" * 17 + b"\r\n", False),
    ],
)
def test_a_whole_chunk_line_is_a_size_and_its_end(data, matches):
    assert bool(grammar.WHOLE_CHUNK_LINE.match(data)) == matches


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"a\r\nb\tc \xff", False),
        (b"a\r", False),
        (b"\r\n\r\n", False),
        (b"a\nb", True),
        (b"\n", True),
        (b"a\r\n\n", True),
        (b"a\rb", True),
        (b"a\r\r\n", True),
        *((b"a" + byte, True) for byte in ALL_BYTES if (byte < b" " and byte not in b"\t\r") or byte == b"\x7f"),
    ],
)
def test_an_incomplete_line_shows_what_it_may_not_hold(data, found):
    assert bool(grammar.CONTROL_IN_LINE.search(data)) == found


def test_the_search_for_controls_sees_what_stands_before_its_start():
    assert not grammar.CONTROL_IN_LINE.search(b"a\r\nb", 2)
    assert grammar.CONTROL_IN_LINE.search(b"a\n\nb", 2)


@pytest.mark.parametrize(
    ("item", "seconds"),
    [
        (b"timeout=5", b"5"),
        (b" TimeOut = 60 ", b"60"),
        (b"timeout=", None),
        (b"timeout=-5", None),
        (b"timeout=5s", None),
        (b"max-timeout=5", None),
        (b"timeout=" + b"9" * 10, None),
    ],
)
def test_the_idle_timeout_is_a_number_of_seconds(item, seconds):
    match = grammar.IDLE_TIMEOUT.fullmatch(item)
    assert (match and match[1]) == seconds
