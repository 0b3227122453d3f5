from __future__ import annotations

import array

import pytest

from hyperhttp.exceptions import LocalProtocolError
from hyperhttp.protocol.http1.framing import ChunkedDecoder
from hyperhttp.protocol.http1.head import parse_fields
from hyperhttp.protocol.http1.writer import (
    LAST_CHUNK,
    check_method,
    write_chunk,
    write_fields,
    write_request_line,
)

ALL_BYTES = [bytes([value]) for value in range(256)]
TCHAR = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


@pytest.mark.parametrize(
    ("method", "target", "line"),
    [
        (b"GET", b"/", b"GET / HTTP/1.1\r\n"),
        (b"POST", b"/a%20b?c=d&e", b"POST /a%20b?c=d&e HTTP/1.1\r\n"),
        (b"OPTIONS", b"*", b"OPTIONS * HTTP/1.1\r\n"),
        (b"CONNECT", b"[::1]:443", b"CONNECT [::1]:443 HTTP/1.1\r\n"),
        (b"M-SEARCH", b"http://h/p", b"M-SEARCH http://h/p HTTP/1.1\r\n"),
        (b"get", b"/", b"get / HTTP/1.1\r\n"),
    ],
)
def test_a_request_line_has_three_parts(method, target, line):
    assert write_request_line(method, target) == line


@pytest.mark.parametrize("byte", ALL_BYTES)
def test_a_method_is_a_token(byte):
    if byte in TCHAR:
        assert write_request_line(b"GE" + byte, b"/") == b"GE" + byte + b" / HTTP/1.1\r\n"
        assert check_method("GE" + byte.decode()) == b"GE" + byte
        return
    with pytest.raises(LocalProtocolError):
        write_request_line(b"GE" + byte, b"/")
    with pytest.raises(LocalProtocolError):
        check_method("GE" + byte.decode("latin-1"))


@pytest.mark.parametrize("method", ["", "GET ", " GET", "GE T", "GET\n", "GET\r\nX: y", "GÉT", "\u0130", "G\udc80T"])
def test_what_is_no_method_is_refused(method):
    with pytest.raises(LocalProtocolError, match="invalid method"):
        check_method(method)


@pytest.mark.parametrize("byte", ALL_BYTES)
def test_a_target_holds_no_blank_no_control_no_fragment_and_nothing_beyond_ascii(byte):
    if b"!" <= byte <= b"~" and byte != b"#":
        assert write_request_line(b"GET", b"/" + byte) == b"GET /" + byte + b" HTTP/1.1\r\n"
    else:
        with pytest.raises(LocalProtocolError, match="invalid request target"):
            write_request_line(b"GET", b"/" + byte)


@pytest.mark.parametrize(
    "target",
    [b"", b" ", b"/ HTTP/1.1\r\nX: y", b"/a b", b"/\n", b"/\r\n", b"/a\tb", b"/a#b", b"/\xc3\xa9", b"/\0"],
)
def test_what_is_no_target_is_refused(target):
    with pytest.raises(LocalProtocolError):
        write_request_line(b"GET", target)


def test_field_lines_are_written_in_their_order_and_case():
    fields = [(b"Host", b"h"), (b"x-EMPTY", b""), (b"Host", b"a b\t\xe9", 16, "more")]
    assert write_fields(fields) == b"Host: h\r\nx-EMPTY: \r\nHost: a b\t\xe9\r\n"


def test_no_field_lines_are_nothing():
    assert write_fields([]) == b""


@pytest.mark.parametrize("byte", ALL_BYTES)
def test_each_byte_of_a_field_is_checked(byte):
    for name, value, good in (
        (b"X" + byte, b"y", byte in TCHAR),
        (b"X", b"y" + byte + b"z", byte == b"\t" or (byte >= b" " and byte != b"\x7f")),
    ):
        if good:
            assert write_fields([(name, value)]) == name + b": " + value + b"\r\n"
        else:
            with pytest.raises(LocalProtocolError):
                write_fields([(b"Host", b"h"), (name, value)])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"", b"y"),
        (b"X: y\r\nZ", b"y"),
        (b"X:", b"y"),
        (b"X ", b"y"),
        (b"X\n", b"y"),
        (b"X", b"y\r\nZ: z"),
        (b"X", b"y\r\n\r\nGET / HTTP/1.1"),
        (b"X", b"y\n"),
        (b"X", b"\r"),
        (b"X", b"y\r\n z"),
    ],
)
def test_a_field_cannot_become_another_field_or_request(name, value):
    with pytest.raises(LocalProtocolError):
        write_fields([(name, value)])


def test_a_message_about_a_bad_value_tells_its_name_only():
    with pytest.raises(LocalProtocolError, match="Authorization") as caught:
        write_fields([(b"Authorization", b"Bearer hunter2\r\n")])
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("fields", [[(b"Host", b"h")], [(b"A", b""), (b"B", b"c: d"), (b"a", b"\xff")]])
def test_written_fields_are_read_back(fields):
    lines = write_fields(fields).split(b"\r\n")
    assert [field[:2] for field in parse_fields(lines[:-1])] == fields


@pytest.mark.parametrize(
    ("data", "chunk"),
    [
        (b"a", b"1\r\na\r\n"),
        (b"x" * 255, b"ff\r\n" + b"x" * 255 + b"\r\n"),
        (b"\r\n0\r\n\r\n", b"7\r\n\r\n0\r\n\r\n\r\n"),
        (bytearray(b"abc"), b"3\r\nabc\r\n"),
        (memoryview(b"abcdef")[1:3], b"2\r\nbc\r\n"),
        (memoryview(b"abcdef")[::2], b"3\r\nace\r\n"),
        (memoryview(array.array("H", [0x6161, 0x6262])), b"4\r\naabb\r\n"),
    ],
)
def test_a_chunk_says_how_many_bytes_it_has(data, chunk):
    assert write_chunk(data) == chunk


@pytest.mark.parametrize("data", [b"", bytearray(), memoryview(b"")])
def test_no_data_is_no_chunk_since_an_empty_one_would_end_the_content(data):
    assert write_chunk(data) == b""


@pytest.mark.parametrize("data", [5, "text", None])
def test_only_bytes_make_a_chunk(data):
    with pytest.raises(TypeError):
        write_chunk(data)


def test_written_chunks_are_read_back():
    parts = [b"a", b"", b"\r\n", b"0\r\n\r\n", b"x" * 70000]
    decoder = ChunkedDecoder()
    assert decoder.receive_data(b"".join(map(write_chunk, parts)) + LAST_CHUNK) == b"".join(parts)
    assert decoder.ended
    assert decoder.surplus == b""
