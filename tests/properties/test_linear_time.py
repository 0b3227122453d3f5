"""No input takes quadratic time: twice as much of it makes at most twice the work, for every parser.

Work is what Python does, counted and not timed: lines run and functions called, those written in C too. What one such
call copies or searches is not seen by that, so ``python -m tests.properties.test_linear_time`` measures the same
cases with much more input by the processor's clock. It is for people: clocks are not for CI.
"""

from __future__ import annotations

import contextlib
import gzip
import itertools
import sys
import time
import zlib
from typing import TYPE_CHECKING, Any, Final

import pytest

from hyperhttp import URL, Cookies, Headers, HyperHTTPError, MultipartEncoder, Response
from hyperhttp.auth.challenge import parse_challenges, parse_parameters
from hyperhttp.auth.digest import DigestAuth
from hyperhttp.errors.rate_fields import read_quota
from hyperhttp.errors.retry_after import parse_retry_after
from hyperhttp.message.coding import DEFLATE, GZIP, CodingChain
from hyperhttp.message.cookie_date import parse_cookie_date
from hyperhttp.message.disposition import download_name
from hyperhttp.message.links import parse_links
from hyperhttp.message.query import parse_params
from hyperhttp.message.sse import EventDecoder
from hyperhttp.message.text import LineSplitter, TextDecoder, parse_content_type
from hyperhttp.protocol.http1 import head as head_module
from hyperhttp.protocol.http1.reader import ResponseReader
from hyperhttp.protocol.http2 import H2Config, H2Connection, huffman
from hyperhttp.protocol.http2.errors import ConnectionFault
from hyperhttp.protocol.http2.frames import frame
from hyperhttp.protocol.http2.hpack_decoder import Decoder
from hyperhttp.protocol.http2.hpack_encoder import Encoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from types import FrameType

#: Twice the input may take a little more than twice the work: containers grow in steps.
MOST: Final = 2.3
#: By name: what makes the work for input of a size (only the work is counted), and the smallest size.
CASES: dict[str, tuple[Callable[[int], Callable[[], object]], int]] = {}


def case(size: int = 200, *, name: str = "") -> Any:
    """Add a case. `size` is the smallest of the three that are compared; limits of the parsers lie above the largest."""

    def add(make: Any) -> Any:
        CASES[name or make.__name__.replace("_", " ")] = (make, size)
        return make

    return add


def over(run: Callable[[Any], object], make: Callable[[int], Any], size: int, name: str) -> None:
    """A case in which a function gets one argument of the size."""

    def prepare(n: int) -> Callable[[], object]:
        value = make(n)
        return lambda: run(value)

    CASES[name] = (prepare, size)


def counted(work: Callable[[], object]) -> int:
    """Lines that run and functions that are called while `work` does its work."""
    count = 0

    def trace(frame: FrameType, event: str, argument: object) -> Any:
        nonlocal count
        count += 1
        return trace

    def profile(frame: FrameType, event: str, argument: object) -> None:
        nonlocal count
        count += event == "c_call"

    before = sys.gettrace(), sys.getprofile()
    sys.setprofile(profile)
    sys.settrace(trace)
    try:
        quietly(work)
    finally:
        sys.settrace(before[0])
        sys.setprofile(before[1])
    return count


def quietly(work: Callable[[], object]) -> None:
    """Refusing the input is an answer too."""
    try:
        work()
    except (HyperHTTPError, ConnectionFault):
        pass


def bytewise(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


# -- HTTP/1.1 ----------------------------------------------------------------------------------------------------------


def read(pieces: Iterable[bytes]) -> None:
    head_module._heads.clear()
    head_module._lines.clear()
    reader = ResponseReader()
    reader.expect_response("GET")
    for piece in pieces:
        reader.receive_data(piece)
    reader.receive_eof()


START = b"HTTP/1.1 200 OK\r\n"
CHUNKED = START + b"Transfer-Encoding: chunked\r\n\r\n"


def response(make: Callable[[int], bytes], size: int, name: str, *, dribbled: bool = True) -> None:
    """A response, whole and byte by byte."""
    over(read, lambda n: [make(n)], size, f"http1: {name}")
    if dribbled:
        over(read, lambda n: bytewise(make(n)), max(15, size // 4), f"http1: {name}, byte by byte")


response(lambda n: START + b"".join(b"X-%d: %d\r\n" % (at, at) for at in range(n)) + b"\r\n", 60, "many fields")
response(lambda n: START + b"Vary: a\r\n" * n + b"\r\n", 60, "one field many times")
response(lambda n: START + b"X: y\r\n" + b" folded\r\n" * n + b"\r\n", 60, "many folds")
response(lambda n: START + b"X: " + b"y" * n + b"\r\n\r\n", 2000, "a long value")
response(lambda n: START + b"X: y" + b" \t" * n + b"\r\n\r\n", 1000, "many blanks")
response(lambda n: START + b"Content-Length: " + b"5," * n + b"5\r\n\r\nabcde", 1000, "a long list of lengths")
response(lambda n: START + b"Connection: " + b"a, " * n + b"close\r\n\r\n", 1000, "many options")
response(lambda n: START + b"Keep-Alive: " + b"timeout=5, " * n + b"\r\n\r\n", 1000, "many promises")
response(lambda n: START + b"Content-Length: 5\r\n" * n + b"\r\nabcde", 60, "many equal lengths")
response(lambda n: b"HTTP/1.1 200 " + b"x" * n + b"\r\n\r\n", 2000, "a long reason")
response(lambda n: START + b"\x0b" * n + b"\r\n\r\n", 2000, "garbage")
response(lambda n: b"HTTP/1.1 103 \r\nLink: <x>\r\n\r\n" * n + START + b"\r\n", 15, "interim responses")
response(lambda n: CHUNKED + b"1\r\na\r\n" * n + b"0\r\n\r\n", 500, "chunks of one byte")
response(lambda n: CHUNKED + b"1;x\r\na\r\n" * n + b"0\r\n\r\n", 500, "chunks of one byte with extensions")
response(lambda n: CHUNKED + b"1;" + b"x" * n + b"\r\na\r\n0\r\n\r\n", 900, "a long extension")
response(lambda n: CHUNKED + b"0\r\n" + b"X: y\r\n" * n + b"\r\n", 60, "trailers")
response(lambda n: CHUNKED + b"%x\r\n%b\r\n0\r\n\r\n" % (n, b"a" * n), 2000, "one chunk")
response(lambda n: START + b"Content-Length: %d\r\n\r\n%b" % (n, b"a" * n), 2000, "content of a length")
response(lambda n: START + b"Content-Length: 1\r\n\r\n" + b"a" * n, 2000, "surplus")


# -- HTTP/2 ------------------------------------------------------------------------------------------------------------


class Quiet:
    """A listener that hears and does nothing."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_: None


def engine(streams: int, **options: Any) -> H2Connection:
    """A connection with requests that wait for their responses, and content to send without a window."""
    client = H2Connection(H2Config(control_budget=1 << 30, max_replies=1 << 30, assumed_streams=1 << 20, **options))
    client.initiate()
    client.receive_data(frame(4, 0, 0, b"\0\x03\x00\x0f\xff\xff\0\x04\0\0\0\0"))
    for _ in range(streams):
        stream = client.open_stream(Quiet(), b"POST", b"a.example", b"/", [], end_stream=False)
        client.send_data(stream, b"content")
    return client


def frames(
    make: Callable[[int], bytes], size: int, name: str, *, streams: Any = 1, dribbled: bool = True, **options: Any
) -> None:
    """What a server sends, whole and byte by byte; `streams` may grow with the size."""

    def prepare(n: int, cut: Callable[[bytes], list[bytes]]) -> Callable[[], None]:
        client = engine(streams(n) if callable(streams) else streams, **options)
        pieces = cut(make(n))

        def work() -> None:
            for piece in pieces:
                client.receive_data(piece)
            assert client.error is None, client.error

        return work

    CASES[f"http2: {name}"] = (lambda n: prepare(n, lambda data: [data]), size)
    if dribbled:
        CASES[f"http2: {name}, byte by byte"] = (lambda n: prepare(n, bytewise), size // 4)


HEAD = frame(1, 4, 1, b"\x88")
LARGE: Any = {"max_header_list_size": 1 << 21, "max_header_fields": 1 << 16, "header_table_size": 1 << 16}
frames(lambda n: HEAD + frame(0, 0, 1, b"a") * n, 200, "content in frames of one byte")
frames(lambda n: HEAD + frame(0, 0, 1, b"a" * n), 2000, "content in one frame")
frames(lambda n: HEAD + frame(0, 0, 1, b"") * n, 200, "content in empty frames")
frames(lambda n: HEAD + frame(0, 8, 1, b"\x05a\0\0\0\0\0") * n, 200, "padding")
frames(
    lambda n: frame(1, 0, 1, b"\x88") + frame(9, 0, 1, b"\x90") * n + frame(9, 4, 1, b""), 200, "continuation", **LARGE
)
frames(
    lambda n: frame(1, 0, 1, b"\x88") + frame(9, 0, 1, b"") * n + frame(9, 4, 1, b""),
    200,
    "empty continuation",
    **LARGE,
)
frames(lambda n: frame(1, 4, 1, b"\x08\x03103") * n, 200, "interim responses", max_interim_responses=1 << 20)
frames(lambda n: frame(6, 0, 0, b"12345678") * n, 200, "pings")
frames(lambda n: frame(4, 0, 0, b"\0\x04\0\0\0\0" * n), 200, "one setting many times", streams=50, dribbled=False)
frames(lambda n: frame(4, 0, 0, b"\0\x04\0\0\0\0" * n), 50, "one setting many times with many streams", streams=lambda n: n,
       dribbled=False)  # fmt: skip
frames(lambda n: frame(8, 0, 0, b"\0\0\0\x01") * n, 50, "the connection's window with many streams", streams=lambda n: n,
       dribbled=False)  # fmt: skip
frames(lambda n: frame(8, 0, 1, b"\0\0\0\x01") * n, 200, "the window of a stream")
frames(lambda n: frame(7, 0, 0, b"\xff\xff\xff\xff\0\0\0\0") * n, 50, "goaway with many streams", streams=lambda n: n,
       dribbled=False)  # fmt: skip
frames(lambda n: b"".join(frame(3, 0, 2 * at + 1, b"\0\0\0\0") for at in range(n)), 100, "resets", streams=lambda n: n)
frames(lambda n: b"".join(frame(1, 5, 2 * at + 1, b"\x88") for at in range(n)), 100, "responses", streams=lambda n: n)
frames(lambda n: frame(0x42, 0, 0, b"x") * n, 200, "unknown frames")

DECODERS = {
    "references": lambda n: b"\x88" * n,
    "literals": lambda n: b"".join(b"\0\x04%04x\x01y" % at for at in range(n)),
    "the same literal": lambda n: b"\0\x04abcd\x01y" * n,
    "insertions": lambda n: b"".join(b"@\x04%04x\x01y" % at for at in range(n)),
    "insertions and references": lambda n: b"".join(b"@\x04%04x\x01y\xbe" % at for at in range(n)),
    "long values": lambda n: b"\0\x01x" + _string(b"y" * n),
    "compressed values": lambda n: b"\0\x01x" + _string(huffman.encode(b"y~\0" * n), 0x80),
    "evictions": lambda n: b"@\x01x" + _string(b"y" * 4000) + b"".join(b"@\x04%04x\x01y" % at for at in range(n)) * 2,
    "table sizes": lambda n: b"\x20\x3f\xe1\x1f" * n,
    "an endless integer": lambda n: b"\xff" + b"\x80" * n,
}


def _string(data: bytes, bits: int = 0) -> bytes:
    length = len(data) - 127
    return bytes((bits | 127, length & 127 | 128, length >> 7 & 127 | 128, length >> 14)) + data


def _decode(table: int) -> Callable[[bytes], object]:
    return lambda block: Decoder(table).decode(block)


for _name, _make in DECODERS.items():
    over(_decode(4096), _make, 600, f"hpack: {_name}")  # more than the decoder remembers
    over(_decode(1 << 20), lambda n, make=_make: b"\x3f\xe1\xff\x3f" + make(n), 600, f"hpack: {_name} in a large table")


def encode(fields: list[tuple[bytes, bytes]]) -> None:
    encoder = Encoder()
    for _ in range(3):
        encoder.encode_request(b"GET", b"https", b"a.example", b"/", fields)


over(encode, lambda n: [(b"x-%d" % at, b"y") for at in range(n)], 300, "hpack: many names sent")
over(encode, lambda n: [(b"x", b"y%d" % at) for at in range(n)], 300, "hpack: many values sent")
over(encode, lambda n: [(b"x", b"y" * n), (b"z", b"\xff" * n)], 2000, "hpack: long values sent")


# -- URL ---------------------------------------------------------------------------------------------------------------

URLS = {
    "dots": lambda n: "http://a.example" + "/a/.." * n,
    "dots up": lambda n: "http://a.example" + "/.." * n,
    "single dots": lambda n: "http://a.example" + "/." * n,
    "segments, then dots": lambda n: "http://a.example" + "/a" * n + "/.." * n,
    "encoded dots": lambda n: "http://a.example" + "/%2e%2e" * n,
    "escapes": lambda n: "http://a.example/" + "%41" * n,
    "broken escapes": lambda n: "http://a.example/" + "%" * n,
    "blanks": lambda n: "http://a.example/" + "a b" * n,
    "characters": lambda n: "http://a.example/" + "é" * n + "?" + "日" * n,
    "a long query": lambda n: "http://a.example/?" + "a=b&" * n,
    "many ats": lambda n: "http://" + "@" * n + "a.example/",
    "a long user": lambda n: "http://" + "u:" * n + "@a.example/",
    "a user of characters": lambda n: "http://" + "é" * n + "@a.example/",
    "labels": lambda n: "http://" + "a." * n + "example/",
    "labels of an unknown scheme": lambda n: "x://" + "a.%41" * n + "/",
    "colons": lambda n: "http://a.example" + ":" * n,
    "digits": lambda n: "http://a.example:" + "0" * n + "80/",
    "a scheme": lambda n: "a" * n + "://b",
    "no scheme": lambda n: "a" * n,
    "slashes": lambda n: "http://a.example" + "/" * n,
    "question marks": lambda n: "http://a.example/" + "?" * n + "#" * n,
    "blanks around": lambda n: " \0" * n + "http://a.example/" + "\n " * n,
}


def use_url(text: str) -> None:
    url = URL(text)
    assert url == URL(str(url))
    assert hash(url) == hash(URL(str(url)))
    assert url.redacted in repr(url)
    assert isinstance(url.params, list)
    url.join("../../x/./y?z")
    url.join(url.path)
    url.copy_with(path=url.path, query=url.query)
    url.merge_params({"a": "b"})


for _name, _text in URLS.items():
    over(use_url, _text, 500, f"url: {_name}")
over(URL, lambda n: "http://" + "é." * n + "example/", 30, "url: international labels")
over(URL, lambda n: "http://" + "é" * n + "/", 60, "url: an international label")
over(parse_params, lambda n: "a=%41&" * n, 500, "url: parameters")
over(
    lambda params: URL("http://a.example", params=params),
    lambda n: {str(at): "é b" for at in range(n)},
    300,
    "url: params=",
)


# -- fields ------------------------------------------------------------------------------------------------------------


def use_headers(pairs: list[tuple[str, str]]) -> None:
    headers = Headers(pairs)
    for name, _ in pairs:
        assert name in headers
    assert headers == Headers(pairs)
    assert len(headers.multi_items()) == len(pairs)
    assert len(list(headers)) == len(headers)
    assert repr(headers) != repr(headers.copy() | {"other": "y"})
    headers.update(pairs)
    assert headers.get(pairs[0][0]) == headers[pairs[0][0]]


over(use_headers, lambda n: [(f"X-{at}", "y") for at in range(n)], 200, "headers: many names")
over(use_headers, lambda n: [("X", "y")] * n, 200, "headers: one name many times")
over(use_headers, lambda n: [("X" * n, "y" * n)], 2000, "headers: a long name and value")
over(use_headers, lambda n: [("X", "//a" * n + "@")], 2000, "headers: many slashes")

CHALLENGES = {
    "challenges": lambda n: "Basic realm=a, " * n,
    "schemes": lambda n: "A, " * n,
    "parameters": lambda n: "Digest " + "a=b, " * n,
    "empty elements": lambda n: "Digest " + "," * n,
    "blanks": lambda n: "Digest" + " " * n + "x",
    "blanks and commas": lambda n: "a=" + " ," * n,
    "open quotes": lambda n: 'Digest a="' + ', a="' * n,
    "backslashes": lambda n: 'Digest a="' + "\\" * n,
    "quoted pairs": lambda n: 'Digest a="' + '\\"' * n + '"',
    "quotes": lambda n: '"' * n,
    "equals signs": lambda n: "A " + "=" * n,
    "a long token": lambda n: "a" * n + " " + "b" * n,
    "malformed elements": lambda n: "a b c, " * n,
    "malformed quotes": lambda n: 'a="b"c, ' * n,
}
for _name, _text in CHALLENGES.items():
    over(lambda text: (parse_challenges([text]), parse_parameters([text])), _text, 500, f"challenges: {_name}")
over(parse_challenges, lambda n: ["a=b"] * n, 500, "challenges: lines")


@case(100, name="challenges: a long domain")
def domain(n: int) -> Callable[[], None]:
    from hyperhttp import Request

    value = f'Digest realm="a", nonce="b", qop=auth, domain="{"/a/.. " * n}"'

    def work() -> None:
        flow = DigestAuth("user", "password").auth_flow(Request("GET", "http://a.example/"))
        flow.send(None)
        with contextlib.suppress(StopIteration):  # a field that is too long is not looked at
            flow.send(Response(401, {"WWW-Authenticate": value}))

    return work


LINKS = {
    "links": lambda n: "<a>; rel=b, " * n,
    "relations": lambda n: '<a>; rel="' + "b " * n + '"',
    "parameters": lambda n: "<a>" + "; b=c" * n,
    "commas": lambda n: "<a>" + "," * n,
    "brackets": lambda n: "<" * n,
    "links without an end": lambda n: "<a>, " * n + "<" * n,
    "blanks": lambda n: "<a>" + " " * n + ";" + " " * n,
    "open quotes": lambda n: '<a>; b="c, ' * n,
    "backslashes": lambda n: '<a>; b="' + "\\" * n,
    "semicolons": lambda n: "<a>" + ";" * n,
}
for _name, _text in LINKS.items():
    over(lambda text: parse_links([text]), _text, 500, f"links: {_name}")

TYPES = {
    "parameters": lambda n: "a/b" + "; c=d" * n,
    "distinct parameters": lambda n: "a/b" + "".join(f"; c{at}=d" for at in range(n)),
    "semicolons": lambda n: "a/b" + ";" * n,
    "open quotes": lambda n: "a/b" + '; c="' * n,
    "backslashes": lambda n: 'a/b; c="' + "\\" * n,
    "tokens": lambda n: "a/b;" + "c" * n,
    "blanks": lambda n: "a/b;" + " " * n + "c",
}
for _name, _text in TYPES.items():
    over(parse_content_type, _text, 500, f"content type: {_name}")
over(
    lambda text: download_name(URL("http://a.example/"), text),
    lambda n: "a; filename=" + "../" * n,
    500,
    "file name: folders",
)
over(
    lambda text: download_name(URL("http://a.example/"), text),
    lambda n: "a; filename=x" + ".a" * n,
    500,
    "file name: dots",
)
over(lambda text: download_name(URL("http://a.example/"), text), lambda n: "a; filename*=utf-8''" + "%e2%82" * n, 500,
     "file name: escapes")  # fmt: skip
over(lambda text: parse_retry_after(text, 0.0), lambda n: "1 " * n, 500, "retry-after: words")
over(lambda text: parse_retry_after(text, 0.0), lambda n: "9" * n, 500, "retry-after: digits")
over(lambda text: parse_retry_after(text, 0.0), lambda n: "1 Jan " + "-" * n + " 0:0", 500, "retry-after: dashes")
over(lambda text: read_quota(Headers({"RateLimit": text, "RateLimit-Policy": text})), lambda n: '"a";r=1;t=1,' * n, 40,
     "ratelimit: members")  # fmt: skip
over(lambda text: read_quota(Headers({"RateLimit": text})), lambda n: "a" + ";r=1" * n, 100, "ratelimit: parameters")


# -- cookies -----------------------------------------------------------------------------------------------------------

COOKIES = {
    "attributes": lambda n: b"a=b" + b"; c=d" * n,
    "dates": lambda n: b"a=b" + b"; Expires=1 Jan 2030 0:0:0" * n,
    "a date": lambda n: b"a=b; Expires=" + b"1 " * n,
    "semicolons": lambda n: b"a=b" + b";" * n,
    "blanks": lambda n: b"a" + b" " * n + b"=" + b" " * n + b"b",
    "a long path": lambda n: b"a=b; Path=" + b"/a" * n,
    "a long domain": lambda n: b"a=b; Domain=" + b".a" * n + b".example",
}
for _name, _line in COOKIES.items():
    over(lambda line: Cookies().extract("http://www.a.example/", [line], 0.0), _line, 300, f"cookies: {_name}")
over(parse_cookie_date, lambda n: "1:" * n, 500, "cookies: times")
over(parse_cookie_date, lambda n: "," * n, 500, "cookies: commas")


def jar_case(name: str, url: str, lines: Callable[[int], list[bytes]], size: int = 40) -> None:
    """Set-Cookie lines in a response, and the request after it."""

    def fill(values: list[bytes]) -> None:
        jar = Cookies()
        jar.extract(
            "https://www.a.example/", [b"s%d=t; Secure; Domain=a.example" % at for at in range(len(values))], 0.0
        )
        jar.extract(url, values, 0.0)
        jar.header_for(url, 0.0)
        assert Cookies(jar) == jar

    over(fill, lines, size, f"cookies: {name}")


jar_case("many", "https://b.a.example/", lambda n: [b"a%d=b" % at for at in range(n)])
jar_case("many in clear", "http://b.a.example/", lambda n: [b"a%d=b" % at for at in range(n)])
jar_case("many in clear for names that are secure", "http://b.a.example/", lambda n: [b"s%d=b" % at for at in range(n)])
jar_case("many paths", "http://b.a.example/", lambda n: [b"a=b; Path=%b" % (b"/" * at) for at in range(n)])
jar_case("one many times", "http://b.a.example/", lambda n: [b"a=b"] * n)
jar_case("more than a domain may have", "https://b.a.example/", lambda n: [b"a%d=b" % at for at in range(n)], 400)


@case(100, name="cookies: of the request's own")
def own(n: int) -> Callable[[], object]:
    jar = Cookies({f"a{at}": "b" for at in range(n)})
    line = "; ".join(f"c{at}=d" for at in range(n))
    return lambda: jar.header_for("http://a.example/", 0.0, line)


# -- content -----------------------------------------------------------------------------------------------------------


def stream(make: Callable[[int], bytes], name: str, size: int = 300) -> None:
    def feed(pieces: list[bytes]) -> None:
        decoder = EventDecoder()
        for piece in pieces:
            decoder.feed(piece)

    over(feed, lambda n: [make(n)], size, f"sse: {name}")
    over(feed, lambda n: bytewise(make(n)), size // 4, f"sse: {name}, byte by byte")


stream(lambda n: b"data: x\n\n" * n, "events")
stream(lambda n: b"data: x\n" * n + b"\n", "lines of one event")
stream(lambda n: b"data: " + b"x" * n + b"\n\n", "a long line", 2000)
stream(lambda n: b"\r" * n, "returns", 1000)
stream(lambda n: b"\r\n" * n, "empty lines", 1000)
stream(lambda n: b"id: 1\nevent: a\nretry: 1\n:\n" * n, "fields of no event")
stream(lambda n: b":" * n, "a long comment", 2000)


def lines(pieces: list[bytes], encoding: str = "utf-8") -> None:
    decoder, splitter = TextDecoder(encoding), LineSplitter()
    for piece in pieces:
        splitter.split(decoder.decode(piece))
    splitter.finish()


over(lines, lambda n: bytewise(b"a" * n), 1000, "lines: one, byte by byte")
over(lines, lambda n: bytewise(b"\r\n" * n), 1000, "lines: empty, byte by byte")
over(lines, lambda n: [b"a\r\n" * n], 1000, "lines: many")
over(lambda pieces: lines(pieces, "iso2022_jp"), lambda n: bytewise(b"\x1b" * n), 1000, "lines: escapes, byte by byte")
over(
    lambda response: list(response.iter_text(3)),
    lambda n: Response(200, content=b"a" * n),
    2000,
    "text: pieces of three",
)
over(
    lambda response: list(response.iter_bytes(3)),
    lambda n: Response(200, content=b"a" * n),
    2000,
    "bytes: pieces of three",
)
over(lambda response: list(response.iter_lines()), lambda n: Response(200, content=b"a\n" * n), 1000, "text: lines")


def decode(pieces: list[bytes], coding: Any = GZIP, piece_size: int = 1000) -> None:
    chain = CodingChain([coding], piece_size=piece_size, max_ratio=None)
    for piece in pieces:
        for _ in chain.decode(piece):
            pass
    chain.finish()


MEMBER = gzip.compress(b"", mtime=0)
NOISE = bytes(at * at // 7 % 251 for at in range(1 << 16))
over(decode, lambda n: [MEMBER * n], 200, "gzip: empty members")
over(decode, lambda n: bytewise(MEMBER * n), 30, "gzip: empty members, byte by byte")
over(decode, lambda n: [MEMBER + b"\0" * n], 1000, "gzip: padding")
over(decode, lambda n: bytewise(MEMBER + b"\0" * n), 1000, "gzip: padding, byte by byte")
over(decode, lambda n: [gzip.compress(b"a" * 1000 * n, mtime=0)], 200, "gzip: much of little")
over(decode, lambda n: bytewise(gzip.compress((NOISE * (n // 60_000 + 1))[:n], mtime=0)), 2000, "gzip: byte by byte")
over(lambda pieces: decode(pieces, DEFLATE), lambda n: [zlib.compress(b"a" * 1000 * n)], 200, "deflate: much of little")
over(lambda pieces: decode(pieces, DEFLATE, 1), lambda n: [zlib.compress((NOISE * (n // 60_000 + 1))[:n])], 1000,
     "deflate: given byte by byte")  # fmt: skip


def form(pairs: list[tuple[str, str]]) -> None:
    for _ in MultipartEncoder(pairs, boundary="b"):
        pass


over(form, lambda n: [("name", "value")] * n, 200, "multipart: parts")
over(form, lambda n: [('"\r\n' * n, "x")], 1000, "multipart: a name")
over(form, lambda n: [("name", "x" * n)], 1000, "multipart: a value")


# -- the test ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", CASES)
def test_twice_the_input_is_at_most_twice_the_work(name: str) -> None:
    make, size = CASES[name]
    quietly(make(size))  # what is done once in a process, such as imports and memos
    once, twice, four_times = (counted(make(size * factor)) for factor in (1, 2, 4))
    assert twice <= MOST * once, f"{once} steps, then {twice}"
    assert four_times <= MOST * twice, f"{once} steps, then {twice}, then {four_times}"


def test_quadratic_work_is_seen() -> None:
    def pairs(n: int) -> Callable[[], object]:
        return lambda: [first for first in range(n) for second in range(first)]

    assert counted(pairs(200)) > MOST * counted(pairs(100))


def measure(largest: float = 0.1) -> None:
    """Print by the clock how the time of each case grows: with twice the input, until it is long enough to be measured."""
    for name, (make, size) in CASES.items():
        times: list[float] = []
        for factor in itertools.accumulate(itertools.repeat(2, 14), lambda value, by: value * by, initial=1):
            try:
                work = make(size * factor)
                start = time.process_time()
                quietly(work)
            except (AssertionError, ValueError):
                break  # a limit of the parser, or of the format
            times.append(time.process_time() - start)
            if times[-1] > largest:
                break
        growth = times[-1] / times[-2] if len(times) > 1 and times[-2] > 0.01 else 0.0
        print(
            f"{name}: {times[-1]:.3f} s for {size * 2 ** (len(times) - 1)}{f', x{growth:.1f}' if growth else ''}",
            flush=True,
        )


if __name__ == "__main__":
    measure()
