"""HTTP/1.1: status lines, fields and their limits (RFC 9112 sections 2 to 5)."""

from __future__ import annotations

from case import Case, Facts, Judge, every, refused, refused_or
from server import Endless

from hyperhttp.testing.scripts import Close

SECTION = "HTTP/1.1: heads"
LINE = "RFC 9112 4"
ENDLESS = "Endless input (curl CVE-2023-38039 and kin)"
OK = b"HTTP/1.1 200 OK\r\n"
LENGTH = b"Content-Length: 5\r\n"
REST = b"\r\nhello, world"


def head(name: str, data: bytes, rule: str, does: str, judge: Judge = refused) -> Case:
    """These bytes, and the end of the connection."""
    return Case(name, SECTION, rule, does, {"/": [data, Close()]}, judge)


def endless(name: str, data: bytes, piece: bytes, rule: str, does: str, limit: int = 1 << 28) -> Case:
    """These bytes, and then others without end."""
    return Case(name, SECTION, rule, does, {"/": [data, Endless(piece, limit)]}, refused)


def clean(facts: Facts) -> str | None:
    """No field that is delivered has a CR, LF or NUL in it."""
    fields = facts.hostile.get("headers", ())
    bad = [name for name, value in fields if set(name + value) & {"\r", "\n", "\0"}]
    return f"delivered {bad[0]} with a control character" if bad else None


def no_field(name: str) -> Judge:
    """A field that is not there must not be delivered."""

    def judge(facts: Facts) -> str | None:
        found = [value for key, value in facts.hostile.get("headers", ()) if key.lower() == name]
        return f"delivered {name}: {found[0]}" if found else None

    return judge


VALUES = "RFC 9110 5.5"

CASES = (
    head("version-unknown", b"HTTP/x.1 200 OK\r\n" + LENGTH + REST, "RFC 9112 2.3", "a version that is none"),
    head("version-missing", b"200 OK\r\n" + LENGTH + REST, LINE, "a status line without version"),
    head("http-0.9", b"hello, world", LINE, "content without a head"),
    head("status-letters", b"HTTP/1.1 2x0 OK\r\n" + LENGTH + REST, LINE, "a status that is no number"),
    head("status-two-digits", b"HTTP/1.1 20 OK\r\n" + LENGTH + REST, LINE, "a status of two digits"),
    head("status-five-digits", b"HTTP/1.1 20000 OK\r\n" + LENGTH + REST, LINE, "a status of five digits"),
    head("status-plus", b"HTTP/1.1 +20 OK\r\n" + LENGTH + REST, LINE, "a status that Python's int() takes"),
    head("status-underscore", b"HTTP/1.1 2_0 OK\r\n" + LENGTH + REST, LINE, "another one"),
    head("head-truncated", OK + b"Content-Le", "RFC 9112 8", "closes in the middle of the head"),
    head("head-without-end", OK + LENGTH, "RFC 9112 8", "closes before the empty line"),
    head(
        "fold-with-length", OK + b"X-A: b\r\n Content-Length: 0\r\n" + LENGTH + REST, "RFC 9112 5.2",
        "a length in a folded line: it is part of the field before, or an error", refused_or(b"hello"),
    ),
    head(
        "fold-at-first", OK + b" Content-Length: 0\r\n" + LENGTH + REST, "RFC 9112 2.2",
        "a line that begins with a blank before the first field: left out, or an error", refused_or(b"hello"),
    ),
    head(
        "value-with-nul", OK + b"X-A: a\0b\r\n" + LENGTH + REST, VALUES,
        "NUL in a value: a blank instead, or an error", every(refused_or(b"hello"), clean),
    ),
    head(
        "value-with-cr", OK + b"X-A: a\rX-B: c\r\n" + LENGTH + REST, VALUES,
        "CR in a value: a blank instead, or an error", every(refused_or(b"hello"), clean, no_field("x-b")),
    ),
    head(
        "blank-before-colon", OK + b"Content-Length : 0\r\n" + LENGTH + REST, "RFC 9112 5.1 (Go CVE-2019-16276)",
        "a blank before the colon of a length: not a length, or an error", refused_or(b"hello"),
    ),
    head(
        "line-without-colon", OK + b"nonsense\r\n" + LENGTH + REST, "RFC 9112 5",
        "a line without colon before the length: left out, or an error", refused_or(b"hello"),
    ),
    head(
        "name-empty", OK + b": nonsense\r\n" + LENGTH + REST, "RFC 9112 5",
        "a field without name before the length: left out, or an error", refused_or(b"hello"),
    ),
    head(
        "name-with-nul", OK + b"Content-Length\0: 0\r\n" + LENGTH + REST, "RFC 9110 5.1",
        "NUL in a name: not a length, or an error", refused_or(b"hello"),
    ),
    endless("status-line-endless", b"HTTP/1.1 200 ", b"O", ENDLESS, "a reason without end"),
    endless("field-endless", OK + b"X-A: ", b"a", ENDLESS, "a field without end"),
    endless("fields-endless", OK, b"X-Name: value\r\n", ENDLESS, "fields without end"),
    endless("cookies-endless", OK, b"Set-Cookie: name=value\r\n", "Endless input (curl CVE-2022-32205)",
            "Set-Cookie fields without end"),
    endless("interim-endless", b"", b"HTTP/1.1 100 Continue\r\n\r\n", "Endless input (CPython CVE-2021-3737)",
            "interim responses without end"),
    endless("interim-fields-endless", b"HTTP/1.1 103 Early Hints\r\n", b"Link: </a>; rel=preload\r\n", ENDLESS,
            "an interim response with fields without end"),
    endless("empty-lines-endless", b"", b"\r\n", ENDLESS, "empty lines without end where a response should be"),
)  # fmt: skip
