from __future__ import annotations

import json
from pathlib import Path

import pytest

from hyperhttp.exceptions import RemoteProtocolError
from hyperhttp.protocol.events import (
    AUTHENTICATE,
    CONNECTION,
    CONTENT_ENCODING,
    CONTENT_LENGTH,
    INTERESTING,
    KEEP_ALIVE,
    SET_COOKIE,
    TRANSFER_ENCODING,
)
from hyperhttp.protocol.http1 import head as module
from hyperhttp.protocol.http1.head import MAX_FIELDS, parse_fields, parse_head

VECTORS = Path(__file__).parents[2] / "vectors" / "http1"
#: Without those whose first head is valid where another was asked for.
BROKEN = [
    case
    for case in json.loads((VECTORS / "broken_heads.json").read_text())["cases"]
    if not case["name"].startswith(("101 ", "an interim response", "content after"))
]
OK = b"HTTP/1.1 200 OK"


@pytest.fixture(autouse=True)
def empty_memo():
    module._heads.clear()
    module._lines.clear()
    module._statuses.clear()


def block(*lines: bytes) -> bytes:
    return b"\r\n".join((OK, *lines))


def facts(head):
    pairs = [field[:2] for field in head.fields]
    return (
        head.http_version,
        head.status_code,
        head.reason,
        pairs,
        head.flags,
        head.content_length,
        head.chunked,
        head.keep_alive,
    )


# -- status line ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "version", "code", "reason"),
    [
        (b"HTTP/1.1 200 OK", "HTTP/1.1", 200, "OK"),
        (b"HTTP/1.0 404 Not Found", "HTTP/1.0", 404, "Not Found"),
        (b"HTTP/1.1 204", "HTTP/1.1", 204, ""),
        (b"HTTP/1.1 204 ", "HTTP/1.1", 204, ""),
        (b"HTTP/1.9 999 \xe9", "HTTP/1.1", 999, "\xe9"),
    ],
)
def test_a_status_line_is_taken_apart_the_same_way_each_time(line, version, code, reason):
    for _ in range(2):
        head = parse_head(line)
        assert (head.http_version, head.status_code, head.reason, head.fields) == (version, code, reason, [])


# -- framing -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "length"),
    [
        ([b"Content-Length: 0"], 0),
        ([b"Content-Length: 0010"], 10),
        ([b"Content-Length: 2,2 ,\t2"], 2),
        ([b"Content-Length: 2", b"CONTENT-LENGTH: 2"], 2),
        ([b"Content-Length: 2, 2", b"Content-Length: 2"], 2),
        ([b"Content-Length: 9999999999999999999"], 9999999999999999999),
        ([b"X: 2"], None),
    ],
)
def test_a_content_length_is_the_number_it_says(lines, length):
    head = parse_head(block(*lines))
    assert head.content_length == length
    assert not head.chunked


@pytest.mark.parametrize(
    ("version", "values", "kept"),
    [
        (b"1.1", [], True),
        (b"1.1", [b"keep-alive"], True),
        (b"1.1", [b"close"], False),
        (b"1.1", [b"Foo,\tCLOSE "], False),
        (b"1.1", [b"close, keep-alive"], False),
        (b"1.1", [b"keep-alive", b"close"], False),
        (b"1.1", [b"close", b"keep-alive"], False),
        (b"1.1", [b"foo", b"bar"], True),
        (b"1.1", [b""], True),
        (b"1.1", [b"not-close"], True),
        (b"1.0", [], False),
        (b"1.0", [b"keep-alive"], True),
        (b"1.0", [b"foo", b"Keep-Alive"], True),
        (b"1.0", [b"foo", b"bar"], False),
        (b"1.0", [b"keep-alive", b"close"], False),
    ],
)
def test_persistence_follows_version_and_connection(version, values, kept):
    lines = [b"HTTP/" + version + b" 200 OK", *(b"Connection: " + value for value in values)]
    assert parse_head(b"\r\n".join(lines)).keep_alive is kept


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (b"timeout=5", 5),
        (b"timeout=5, max=100", 5),
        (b"max=100,Timeout = 60", 60),
        (b"timeout=60, timeout=5", 5),
        (b"timeout=0", 0),
        (b"timeout=x, timeout=7", 7),
        (b"max=100", None),
        (b"timeout", None),
        (b"timeout=-1", None),
        (b"timeout=\xb2", None),
        (b"timeout=9999999999", None),
        (b"", None),
    ],
)
def test_keep_alive_carries_its_timeout_and_changes_nothing(value, seconds):
    head = parse_head(block(b"Keep-Alive: " + value))
    assert head.flags == KEEP_ALIVE
    assert head.fields[0][3] == seconds
    assert head.keep_alive


def test_the_flags_tell_which_interesting_fields_there_are():
    head = parse_head(block(b"Set-Cookie: a", b"X: y", b"content-encoding: gzip", b"Proxy-Authenticate: Basic"))
    assert head.flags == SET_COOKIE | CONTENT_ENCODING | AUTHENTICATE


@pytest.mark.parametrize("name", sorted(INTERESTING))
def test_each_interesting_field_has_its_flag(name):
    value = {b"content-length": b"1", b"transfer-encoding": b"chunked"}.get(name, b"x")
    line = name.title() + b": " + value
    assert parse_head(block(line)).flags == INTERESTING[name]
    assert parse_head(block(line, b"Connection: x", b"Connection: y")).flags == INTERESTING[name] | CONNECTION


@pytest.mark.parametrize("others", [[], [b"Connection: a", b"Connection: b"]])
def test_chunked_is_known(others):
    head = parse_head(block(b"Transfer-Encoding: Chunked", *others))
    assert head.chunked
    assert head.content_length is None
    assert head.flags & TRANSFER_ENCODING


@pytest.mark.parametrize("repeat", [[], [b"Connection: a", b"Connection: b"]], ids=["plain", "with repeats"])
@pytest.mark.parametrize(
    "lines",
    [
        [b"Content-Length: 2", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: chunked", b"Content-Length: 2"],
        [b"Content-Length: 2", b"Content-Length: 3"],
        [b"Content-Length: 2", b"X: y", b"Content-Length: 2", b"Content-Length: 3"],
        [b"Transfer-Encoding: chunked", b"Transfer-Encoding: chunked"],
        [b"Transfer-Encoding: gzip, chunked"],
        [b"Content-Length: 2,3"],
    ],
)
def test_framing_with_two_readings_is_refused(lines, repeat):
    for _ in range(2):  # the second time, the memo knows the lines
        with pytest.raises(RemoteProtocolError):
            parse_head(block(*lines, *repeat))


@pytest.mark.parametrize("more", [[], [b"Connection: keep-alive", b"Connection: keep-alive"], [b"Content-Length: 2"]])
def test_transfer_encoding_in_http_1_0_is_refused(more):
    lines = [b"HTTP/1.0 200 OK", b"Transfer-Encoding: chunked", *more]
    with pytest.raises(RemoteProtocolError):
        parse_head(b"\r\n".join(lines))


# -- field lines ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lines", "pairs"),
    [
        ([b"X:y"], [(b"X", b"y")]),
        ([b"X: \t y z\t "], [(b"X", b"y z")]),
        ([b"X:"], [(b"X", b"")]),
        ([b"X: a", b" b", b"\tc"], [(b"X", b"a b c")]),
        ([b"X: a", b"   "], [(b"X", b"a")]),
        ([b"X:", b" a", b"Y:", b"\tb"], [(b"X", b"a"), (b"Y", b"b")]),
        ([b"X: a", b" Y: b"], [(b"X", b"a Y: b")]),
        ([], []),
    ],
)
def test_field_lines_become_pairs(lines, pairs):
    assert [field[:2] for field in parse_fields(lines)] == pairs
    assert [field[:2] for field in parse_head(block(*lines)).fields] == pairs


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b" ",
        b"\tx",
        b" X: y",
        b"X",
        b"X : y",
        b": y",
        b"X: \0",
        b"X: a\rb",
        b"X: a\nb",
        b"\xe9: x",
        b"X\n: y",
    ],
)
def test_what_is_not_a_field_line_is_refused(line):
    with pytest.raises(RemoteProtocolError):
        parse_fields([line])
    with pytest.raises(RemoteProtocolError):
        parse_head(block(line))


def test_a_fold_is_undone_before_the_line_above_is_understood():
    assert parse_head(block(b"Content-Length:", b" 7")).content_length == 7
    assert parse_head(block(b"Transfer-Encoding:", b"\tchunked")).chunked


def test_a_known_line_can_be_continued():
    assert parse_head(block(b"Server: a")).fields[0][1] == b"a"
    assert parse_head(block(b"Server: a", b" b")).fields[0][1] == b"a b"
    assert parse_head(block(b"Content-Length: 1")).content_length == 1
    with pytest.raises(RemoteProtocolError):
        parse_head(block(b"Content-Length: 1", b" 0"))


@pytest.mark.parametrize("name", [b"Server", b"X-Unknown"])
def test_there_is_a_limit_to_the_number_of_fields(name):
    lines = [name + b": y"] * MAX_FIELDS
    for _ in range(2):
        assert len(parse_head(block(*lines)).fields) == MAX_FIELDS
        with pytest.raises(RemoteProtocolError, match="limit"):
            parse_head(block(*lines, lines[0]))
    with pytest.raises(RemoteProtocolError, match="limit"):
        parse_fields([*lines, lines[0]])


def test_folds_count_as_fields():
    with pytest.raises(RemoteProtocolError, match="limit"):
        parse_head(block(b"X: y", *[b" z"] * MAX_FIELDS))


@pytest.mark.parametrize(
    "line",
    [b"Set-Cookie : id=hunter2", b"Authorization hunter2", b"X: hunter2\0", b"Content-Length\0: hunter2"],
)
def test_a_message_about_a_bad_line_tells_no_value(line):
    with pytest.raises(RemoteProtocolError) as caught:
        parse_head(block(line.replace(b"hunter2", b"x" * 32 + b"hunter2")))
    assert "hunter2" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_messages_stay_short_whatever_was_sent():
    lengths = [b"Content-Length: %d" % (10**18 + number) for number in range(MAX_FIELDS)]
    for lines in (
        lengths,
        [b"X" * 60000],
        [b"Transfer-Encoding: " + b"x" * 60000],
        [b"Content-Length: " + b"x" * 60000],
    ):
        with pytest.raises(RemoteProtocolError) as caught:
            parse_head(block(*lines))
        assert len(str(caught.value)) < 300


# -- the memo ------------------------------------------------------------------------------------------------


SECRET_NAMES = [
    b"Set-Cookie",
    b"Set-Cookie2",
    b"Authorization",
    b"Authentication-Info",
    b"Proxy-Authenticate",
    b"WWW-Authenticate",
    b"Location",
    b"Content-Location",
    b"Link",
    b"Refresh",
    b"X-Api-Key",
    b"X-Auth-Token",
    b"X-Amz-Security-Token",
    b"X-Csrf",
    b"X-Session",
    b"Sec-WebSocket-Accept",
    b"Content-Disposition",
    b"Content-Security-Policy",
    b"X-Whatever-They-Call-It",
    b"X-Request-Id",
]


@pytest.mark.parametrize("name", SECRET_NAMES)
@pytest.mark.parametrize("change", [bytes.lower, bytes.upper, bytes], ids=["lower", "upper", "as it is"])
def test_no_line_that_may_hold_a_secret_is_kept(name, change):
    head = parse_head(block(change(name) + b": hunter2", b"Server: x", b"Connection: a", b"Connection: b"))
    assert len(head.fields) == 4
    assert set(module._lines) == {b"Server: x", b"Connection: a", b"Connection: b"}


def test_no_kept_name_sounds_like_a_secret():
    words = (
        b"cookie",
        b"auth",
        b"token",
        b"secret",
        b"key",
        b"session",
        b"sign",
        b"pass",
        b"location",
        b"link",
    )
    assert not [name for name in module._PUBLIC if any(word in name for word in words)]


def test_kept_names_are_names_in_lower_case():
    assert all(
        name == name.lower() and parse_fields([name + b": "])
        for name in module._PUBLIC - {b"content-length", b"transfer-encoding"}
    )


def test_a_line_is_kept_with_all_it_means():
    first = parse_head(block(b"Content-Length: 5", b"Server: x")).fields
    second = parse_head(block(b"Content-Length: 5", b"Server: x")).fields
    assert [one is other for one, other in zip(first, second, strict=True)] == [True, True]
    assert second[0] == (b"Content-Length", b"5", CONTENT_LENGTH, 5)


def test_each_head_has_a_list_of_its_own():
    first = parse_head(block(b"Server: x"))
    first.fields.clear()
    assert parse_head(block(b"Server: x")).fields == [(b"Server", b"x", 0, None)]


def test_the_memo_is_bounded_in_lines():
    for number in range(module._MEMO_ENTRIES + 10):
        parse_head(block(b"ETag: %d" % number))
        assert len(module._lines) <= module._MEMO_ENTRIES
    assert b"ETag: %d" % number in module._lines


def test_a_head_of_known_public_lines_is_kept_as_a_whole():
    block = b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Length: 3"
    first, second = parse_head(block), parse_head(block)
    assert first is not second  # the first time taught the lines
    assert parse_head(block) is second
    assert (second.status_code, second.content_length, second.fields) == (200, 3, first.fields)


def test_a_head_with_a_line_that_may_be_secret_is_never_kept():
    block = b"HTTP/1.1 200 OK\r\nServer: x\r\nSet-Cookie: session=secret"
    for _ in range(3):
        parse_head(block)
    assert module._heads == {}


def test_a_head_with_repeated_framing_fields_is_looked_at_each_time():
    block = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 3"
    for _ in range(3):
        assert parse_head(block).content_length == 3
    assert module._heads == {}


def test_the_memo_of_heads_is_bounded_in_number_and_bytes():
    for number in range(2 * module._MEMO_HEADS):
        for _ in range(2):
            parse_head(b"HTTP/1.1 200 OK\r\nETag: %d" % number)
        assert len(module._heads) <= module._MEMO_HEADS
    module._heads.clear()
    block = b"HTTP/1.1 200 OK" + b"\r\nServer: x" * (module._MEMO_HEAD // 11 + 1)
    for _ in range(3):
        parse_head(block)
    assert module._heads == {}


def test_the_memo_is_bounded_in_bytes():
    parse_head(block(b"ETag: ".ljust(module._MEMO_LINE, b"x"), b"Server: ".ljust(module._MEMO_LINE + 1, b"x")))
    assert [line[:4] for line in module._lines] == [b"ETag"]


def test_the_memo_of_status_lines_is_bounded():
    for number in range(module._MEMO_STATUSES + 10):
        parse_head(b"HTTP/1.1 200 %d" % number)
        assert len(module._statuses) <= module._MEMO_STATUSES
    before = dict(module._statuses)
    parse_head(b"HTTP/1.1 200 " + b"x" * module._MEMO_LINE)
    assert module._statuses == before


@pytest.mark.parametrize(
    "line",
    [
        b"Server : x",
        b"Content-Length: +1",
        b"Transfer-Encoding: gzip",
        b"Server: \0",
        b" Server: x",
        b"Server",
        b"",
    ],
)
def test_nothing_invalid_is_kept(line):
    with pytest.raises(RemoteProtocolError):
        parse_head(block(line))
    assert module._lines == {}


def test_no_line_changes_the_meaning_of_another():
    """A hostile server fills the memo with near misses; an honest head means what it meant before."""
    honest = block(b"Content-Length: 5", b"Connection: close", b"Server: x", b"Vary: a")
    expected = facts(parse_head(honest))
    hostile = [
        [b"content-length: 6", b"connection: keep-alive", b"server: y"],
        [b"Content-Length:5", b"Content-Length: 5 ", b"Content-Length:\t5"],
        [b"Connection: closed", b"Connection: close,", b"Server:  x"],
        [b"Vary: a", b" b"],
        [b"Server: x", b"\tConnection: keep-alive"],
        [b"Transfer-Encoding: chunked"],
    ]
    for lines in hostile:
        parse_head(block(*lines))
        assert facts(parse_head(honest)) == expected
        module._lines.pop(b"Connection: close", None)


@pytest.mark.parametrize("case", BROKEN, ids=lambda case: case["name"])
def test_a_refused_head_is_refused_again(case):
    """Once from an empty memo, once from what the first time left in it."""
    section = case["data"].encode("latin-1").partition(b"\r\n\r\n")[0]
    for _ in range(2):
        with pytest.raises(RemoteProtocolError):
            parse_head(section)
