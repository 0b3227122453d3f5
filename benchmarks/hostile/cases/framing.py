"""HTTP/1.1: where a response ends (RFC 9112 sections 6 and 7), and what belongs to which response."""

from __future__ import annotations

from case import Case, Judge, connection_given_up, content, every, never, refused, refused_or, tolerated
from server import Endless

from hyperhttp.testing.scripts import Close, Reset

LENGTHS = "HTTP/1.1: lengths"
CHUNKS = "HTTP/1.1: chunks"


def length(name: str, fields: bytes, rule: str, does: str, judge: Judge = refused, body: bytes = b"hello") -> Case:
    """A head with these fields, content, and the end of the connection."""
    answer = [b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n\r\n" + body, Close()]
    return Case(name, LENGTHS, rule, does, {"/": answer}, judge)


def chunk(name: str, body: bytes, rule: str, does: str, judge: Judge = refused) -> Case:
    """Chunked content, and the end of the connection."""
    answer = [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body, Close()]
    return Case(name, CHUNKS, rule, does, {"/": answer}, judge)


INVALID = "RFC 9112 6.3, item 5"
SIZES = "RFC 9112 7.1"
END = b"\r\nhello\r\n0\r\n\r\n"

CASES = (
    length("length-truncated", b"Content-Length: 10", "RFC 9112 8", "says 10 bytes, sends 5, closes"),
    Case(
        "length-reset", LENGTHS, "RFC 9112 8", "says 10 bytes, sends 5, resets the connection",
        {"/": [b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello", Reset()]}, refused,
    ),
    length(
        "length-and-chunked", b"Content-Length: 6\r\nTransfer-Encoding: chunked", "RFC 9112 6.3, item 3",
        "Content-Length beside Transfer-Encoding: an error, or the chunks", refused_or(b"A"), b"1\r\nA\r\n0\r\n\r\n",
    ),
    length("lengths-differ", b"Content-Length: 5\r\nContent-Length: 7", INVALID, "two lengths", body=b"hello, "),
    length("lengths-in-a-list", b"Content-Length: 5, 7", INVALID, "two lengths in one line", body=b"hello, "),
    length(
        "lengths-equal", b"Content-Length: 5, 5", INVALID, "the same length twice: an error, or that length",
        refused_or(b"hello"), b"hello, world",
    ),
    length("length-plus", b"Content-Length: +5", INVALID, "a length with a sign", body=b"hello, world"),
    length("length-negative", b"Content-Length: -5", INVALID, "a negative length"),
    length("length-hexadecimal", b"Content-Length: 0x5", INVALID, "a length in hexadecimal"),
    length("length-underscore", b"Content-Length: 0_5", INVALID, "a length that Python's int() takes"),
    length(
        "length-other-digits", b"Content-Length: " + "٥".encode(), INVALID,
        "a length in Arabic digits (aiohttp CVE-2025-69224)",
    ),
    length("length-empty", b"Content-Length: ", INVALID, "an empty length"),
    length("length-two-words", b"Content-Length: 5 5", INVALID, "a length with a blank in it"),
    length("length-huge", b"Content-Length: " + b"9" * 30, INVALID, "a length of 30 digits, 5 bytes, closes"),
    length(
        "length-terabyte", b"Content-Length: 1099511627776", "Memory (CPython CVE-2025-13836)",
        "says a terabyte, sends 5 bytes, closes",
    ),
    length(
        "coding-unknown", b"Transfer-Encoding: xchunked", "RFC 9112 6.3, item 4 (Go CVE-2022-1705)",
        "a transfer coding that only looks like chunked: an error, or all bytes until the end",
        refused_or(b"5" + END), b"5" + END,
    ),
    Case(
        "chunked-in-http-1.0", LENGTHS, "RFC 9112 6.1",
        "HTTP/1.0 with Transfer-Encoding and keep-alive: an error, or the chunks and a connection given up",
        {"/": b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n5" + END},
        every(refused_or(b"hello"), connection_given_up),
    ),
    chunk("chunks-truncated", b"a\r\nhello", "RFC 9112 8", "closes in the middle of a chunk"),
    chunk("chunks-without-end", b"5\r\nhello\r\n", "RFC 9112 8", "closes before the last chunk"),
    chunk("chunk-size-overflow", b"10000000000000005" + END, SIZES, "a size of 2^64 + 5"),
    chunk("chunk-size-junk", b"5g" + END, SIZES, "letters after the size"),
    chunk("chunk-size-plus", b"+5" + END, SIZES, "a size with a sign"),
    chunk("chunk-size-negative", b"-5" + END, SIZES, "a negative size"),
    chunk("chunk-size-prefix", b"0x5" + END, SIZES, "a size that begins with 0x"),
    chunk("chunk-size-underscore", b"0_5" + END, SIZES, "a size that Python's int() takes"),
    chunk("chunk-size-empty", END, SIZES, "no size"),
    chunk(
        "chunk-size-blank", b"5 " + END, SIZES, "a blank after the size: an error, or the content",
        refused_or(b"hello"),
    ),
    chunk(
        "chunk-bare-lf", b"5\nhello\n0\n\n", f"{SIZES} (Go CVE-2025-22871)", "chunk lines that end in LF alone",
    ),
    chunk(
        "chunk-without-crlf", b"5\r\nhelloXX0\r\n\r\n", f"{SIZES} (h11 CVE-2025-43859)",
        "two other bytes where CRLF ends a chunk",
    ),
    chunk(
        "chunk-extension-lf", b"5;a\nb" + END, f"{SIZES}.1 (aiohttp CVE-2024-52304)", "LF in a chunk extension",
    ),
    Case(
        "chunk-extension-endless", CHUNKS, "Endless input (CPython CVE-2021-3737 and kin)",
        "a chunk extension without end",
        {"/": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;", Endless(b"a")]}, refused,
    ),
    Case(
        "trailers-endless", CHUNKS, "Endless input (aiohttp CVE-2026-22815)", "trailer fields without end",
        {"/": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n", Endless(b"X-A: b\r\n")]},
        refused,
    ),
    Case(
        "trailer-line-endless", CHUNKS, "Endless input", "one trailer line without end",
        {"/": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: ", Endless(b"a")]},
        refused,
    ),
    Case(
        "trailer-without-end", CHUNKS, "RFC 9112 8", "closes inside the trailer section",
        {"/": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n", Close()]}, refused,
    ),
)  # fmt: skip

# -- whose bytes are they ------------------------------------------------------------------------------------

SMUGGLED = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nsmuggled"
ORDER = "HTTP/1.1: whose bytes"
QUEUE = "Response queue poisoning (undici CVE-2026-6733)"


def surplus(name: str, head: bytes, rule: str, does: str, judge: Judge, **options: object) -> Case:
    """A head after which nothing may follow, and a whole response all the same."""
    return Case(name, ORDER, rule, does, {"/": head + b"\r\n\r\n" + SMUGGLED}, judge, **options)  # type: ignore[arg-type]


def ordered() -> tuple[Case, ...]:
    """Bytes where none may be."""
    from case import Step
    from server import After

    pause = Step(sleep=1.0)
    first = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"
    no_content = refused_or(b"", status=204)
    return (
        surplus("204-with-content", b"HTTP/1.1 204 No Content\r\nContent-Length: 44", "RFC 9112 6.3, item 1",
                "content after 204: none of it may be delivered, to this request or the next",
                every(no_content, never(b"smuggled"))),
        surplus("304-with-content", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 44", "RFC 9112 6.3, item 1",
                "content after 304", every(refused_or(b"", status=304), never(b"smuggled"))),
        surplus("head-with-content", b"HTTP/1.1 200 OK\r\nContent-Length: 44", "RFC 9112 6.3, item 1",
                "content after the answer to HEAD", every(refused_or(b""), never(b"smuggled")),
                steps=(Step("HEAD"),)),
        surplus("101-unasked", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x", "RFC 9110 7.8",
                "switches protocols unasked; what follows is no HTTP", never(b"smuggled")),
        Case("leftover-at-once", ORDER, QUEUE, "a second response right behind the first",
             {"/": first + SMUGGLED}, every(refused_or(b"hello"), never(b"smuggled"))),
        Case("leftover-later", ORDER, QUEUE, "a response on the idle connection, unasked",
             {"/": [first, After(SMUGGLED)]}, every(content(b"hello"), never(b"smuggled")), steps=(Step(), pause)),
        Case("leftover-crlf", ORDER, "RFC 9112 2.2", "CRLF behind the first response, then a response on the idle connection",
             {"/": [first + b"\r\n", After(SMUGGLED)]}, every(refused_or(b"hello"), never(b"smuggled")),
             steps=(Step(), pause)),
        Case("408-when-idle", ORDER, "RFC 9110 15.5.9", "408 (Request Timeout) on the idle connection, then closes",
             {"/": [first, After(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"), Close()]},
             content(b"hello"), steps=(Step(), pause)),
        Case("answer-before-request", ORDER, QUEUE,
             "answers before it is asked, so that each answer belongs to the request before: the second one must not notice",
             {"/": first}, every(tolerated, never_after(b"hello")), steps=(Step(), pause), opening=SMUGGLED),
        Case("leftover-after-chunks", ORDER, QUEUE, "a second response right behind the last chunk",
             {"/": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n" + SMUGGLED},
             every(refused_or(b"hello"), never(b"smuggled"))),
    )  # fmt: skip


def never_after(body: bytes) -> Judge:
    """The follow-up must not get this."""
    text = body.decode()
    return lambda facts: f"the next request got {text!r}" if text in facts.steps[-1].get("body", "") else None


CASES += ordered()
