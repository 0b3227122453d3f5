from __future__ import annotations

import pytest

from hyperhttp.protocol import events
from hyperhttp.protocol.http2.errors import ErrorCode, StreamFault
from hyperhttp.protocol.http2.fields import (
    PUBLIC_BITS,
    Entry,
    is_sensitive,
    make_entry,
    read_head,
    read_trailers,
)

Lines = list[tuple[bytes, bytes]]
OK = (b":status", b"200")


def entries(lines: Lines) -> list[Entry]:
    return [make_entry(*line) for line in lines]


def fault(lines: Lines, **limits: int) -> StreamFault:
    with pytest.raises(StreamFault) as caught:
        read_head(entries(lines), limits.get("max_size", 65536), limits.get("max_fields", 100))
    return caught.value


def test_a_head_has_status_fields_bits_and_length() -> None:
    status, fields, bits, length = read_head(
        entries([OK, (b"content-length", b"17"), (b"set-cookie", b"a=b"), (b"x", b"")]), 65536, 100
    )
    assert status == 200
    assert [field[:2] for field in fields] == [
        (b"content-length", b"17"),
        (b"set-cookie", b"a=b"),
        (b"x", b""),
    ]
    assert bits & PUBLIC_BITS == events.CONTENT_LENGTH | events.SET_COOKIE
    assert length == 17


def test_without_content_length_the_length_is_unknown() -> None:
    assert read_head(entries([OK]), 65536, 100) == (200, [], 0, None)


def test_the_same_content_length_twice_is_one() -> None:
    assert read_head(entries([OK, (b"content-length", b"5"), (b"content-length", b"5")]), 65536, 100)[3] == 5


def test_blanks_around_a_value_are_taken_off_but_counted() -> None:
    assert make_entry(b"a", b" \tb ")[1:] == (b"b", 0, 1 + 4 + 32)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "no status code"),
        ([(b"a", b"b")], "no status code"),
        ([(b"a", b"b"), OK], "not in the first place"),
        ([OK, OK], "':status' is not allowed"),
        ([OK, (b":path", b"/")], "':path' is not allowed"),
        ([OK, (b":unheard-of", b"")], "':unheard-of' is not allowed"),
        ([(b":status", b"20")], "not valid"),
        ([(b":status", b"2000")], "not valid"),
        ([(b":status", b"+20")], "not valid"),
        ([(b":status", b"099")], "not valid"),
        ([(b":status", b"")], "not valid"),
        ([(b":status", b"101")], "101"),
        ([OK, (b"X-Upper", b"x")], "lower case"),
        ([OK, (b"", b"x")], "not valid"),
        ([OK, (b"a b", b"x")], "not valid"),
        ([OK, (b"a:b", b"x")], "not valid"),
        ([OK, (b"\xe9", b"x")], "not valid"),
        ([OK, (b"connection", b"close")], "does not belong"),
        ([OK, (b"keep-alive", b"5")], "does not belong"),
        ([OK, (b"proxy-connection", b"x")], "does not belong"),
        ([OK, (b"transfer-encoding", b"chunked")], "does not belong"),
        ([OK, (b"upgrade", b"h2c")], "does not belong"),
        ([OK, (b"a", b"x\r\nset-cookie: y")], "control character"),
        ([OK, (b"a", b"x\0")], "control character"),
        ([OK, (b"a", b"x\n")], "control character"),
        ([OK, (b"content-length", b"-1")], "not a number"),
        ([OK, (b"content-length", b"5, 5")], "not a number"),
        ([OK, (b"content-length", b"")], "not a number"),
        ([OK, (b"content-length", b"5"), (b"content-length", b"6")], "several values"),
    ],
)
def test_malformed_responses_are_stream_errors_that_say_why(lines: Lines, words: str) -> None:
    found = fault(lines)
    assert found.code == ErrorCode.PROTOCOL_ERROR
    assert words in found.message


def test_limits_on_size_and_number() -> None:
    lines = [OK, (b"a", b"x" * 60), (b"b", b"")]
    assert read_head(entries(lines), 93 + 33, 2)[0] == 200
    assert "too large" in fault(lines, max_size=93 + 32).message
    assert "too large" in fault(lines, max_fields=1).message


@pytest.mark.parametrize("lines", [[OK], [(b":path", b"/")], [(b"A", b"b")], [(b"connection", b"x")]])
def test_malformed_trailers_are_stream_errors(lines: Lines) -> None:
    with pytest.raises(StreamFault):
        read_trailers(entries(lines), 65536, 100)


def test_trailers_are_fields() -> None:
    assert [field[:2] for field in read_trailers(entries([(b"a", b"b")]), 65536, 100)] == [(b"a", b"b")]


@pytest.mark.parametrize("name", [b"cookie", b"set-cookie", b"authorization", b"x-api-key", b"x-access-token"])
def test_names_that_sound_like_secrets(name: bytes) -> None:
    assert is_sensitive(name)


@pytest.mark.parametrize("name", [b"date", b"server", b"etag", b"access-control-allow-credentials", b"accept"])
def test_names_that_do_not(name: bytes) -> None:
    assert not is_sensitive(name)
