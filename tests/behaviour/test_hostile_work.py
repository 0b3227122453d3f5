"""No input makes a client work much longer than its size deserves."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperhttp.testing.scripted import ScriptedServerFactory

SIZE = 60_000  # bytes: what a response head may hold


@contextmanager
def quickly(seconds: float = 0.5) -> Iterator[None]:
    """The block takes a fraction of what quadratic work over its input would."""
    started = time.process_time()
    yield
    assert time.process_time() - started < seconds


FIELDS = {
    "cookie of semicolons": b"Set-Cookie: a=b" + b";" * SIZE,
    "cookie of attributes": b"Set-Cookie: a=b" + b"; x=y" * (SIZE // 5),
    "cookie of blanks": b"Set-Cookie: a=" + b" " * SIZE + b"b",
    "cookie of quotes": b'Set-Cookie: a="' + b'\\"' * (SIZE // 2),
    "cookie date": b"Set-Cookie: a=b; Expires=" + b"1" * SIZE,
    "cookie date of colons": b"Set-Cookie: a=b; Expires=" + b"1:" * (SIZE // 2),
    "cookie domain of dots": b"Set-Cookie: a=b; Domain=" + b"a." * (SIZE // 2),
    "many cookies": b"\r\n".join([b"Set-Cookie: c%d=v" % number for number in range(200)]),
    "content type of semicolons": b"Content-Type: text/plain" + b";" * SIZE,
    "content type of quotes": b'Content-Type: text/plain; charset="' + b"\\" * SIZE,
    "content type of parameters": b"Content-Type: text/plain" + b"; charse=x" * (SIZE // 10),
    "link of commas": b"Link: " + b"," * SIZE,
    "link of brackets": b"Link: " + b"<" * SIZE,
    "link of targets": b"Link: " + b"<a>;rel=b," * (SIZE // 10),
    "link of semicolons": b"Link: <a>" + b";" * SIZE,
    "link of quotes": b'Link: <a>; rel="' + b'\\"' * (SIZE // 2),
    "location of at signs": b"Location: http://" + b"@" * SIZE,
    "location of dots": b"Location: " + b"../" * (SIZE // 3),
    "location of slashes": b"Location: " + b"/" * SIZE,
    "location of percents": b"Location: /" + b"%" * SIZE,
    "location of brackets": b"Location: http://[" + b":" * SIZE + b"]/",
    "location beyond ascii": b"Location: http://" + "ü".encode() * (SIZE // 2) + b"/",
    "location in punycode": b"Location: http://xn--" + b"a" * SIZE + b"/",
    "location of labels": b"Location: http://" + b"a." * (SIZE // 2) + b"/",
    "codings": b"Content-Encoding: " + b"gzip," * (SIZE // 5),
    "keep alive": b"Keep-Alive: " + b"timeout=" * (SIZE // 8),
    "connection": b"Connection: " + b"a," * (SIZE // 2),
    "vary with blanks": b"Vary: a" + b" \t" * (SIZE // 2) + b"b",
    "short fields": b"\r\n".join([b"a: b"] * 250),
}


@pytest.mark.parametrize("name", FIELDS)
async def test_a_response_head_takes_linear_time(face: Any, scripted: ScriptedServerFactory, name: str) -> None:
    head = b"HTTP/1.1 302 Found\r\n" + FIELDS[name] + b"\r\nContent-Length: 2\r\n\r\nok"
    server = scripted([head, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
    async with face.client(follow_redirects=True, timeout=3) as client:
        with quickly():
            try:
                response = await client.get(server.url)
                await client.text(response)
                assert len(response.links) >= 0
                assert len(response.cookies) >= 0
                await client.get(server.url)
            except hyperhttp.HyperHTTPError:
                pass


async def test_a_head_that_comes_byte_by_byte_takes_linear_time(face: Any, scripted: ScriptedServerFactory) -> None:
    def handler(connection: Any, _: int) -> None:
        connection.read_request()
        connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        for _ in range(3000):
            connection.sendall(b"a" * 20)
        connection.sendall(b"\r\nContent-Length: 2\r\n\r\nok")

    server = scripted(handler)
    async with face.client(timeout=5) as client:
        with quickly(1.0):
            assert await client.read(await client.get(server.url)) == b"ok"


async def test_many_small_chunks_take_linear_time(face: Any, scripted: ScriptedServerFactory) -> None:
    chunks = b"1\r\na\r\n" * 100_000
    server = scripted([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"])
    async with face.client(timeout=5) as client:
        with quickly(2.0):
            assert len(await client.read(await client.get(server.url))) == 100_000


@pytest.mark.parametrize(
    "url",
    [
        "http://" + "@" * 200_000, "http://" + "a@" * 100_000 + "h/", "http://h/" + "%" * 200_000, "http://h/" + "../" * 100_000,
        "http://h/?" + "a&" * 100_000, "http://" + "ü" * 100_000 + "/", "http://xn--" + "a" * 100_000 + "/",
        "http://[" + ":" * 200_000,
        "http://" + "1." * 100_000 + "1/", "http://h:" + "1" * 200_000 + "/", "http://h/#" + "#" * 200_000, "a" * 200_000 + "://h/",
        "http://h/" + " " * 200_000 + "x", "\\" * 200_000, "http:" + "/" * 200_000 + "h", "http://u:" + ":" * 200_000 + "@h/",
    ],
    ids=range(16),
)  # fmt: skip
def test_a_url_takes_linear_time(url: str) -> None:
    with quickly(1.0):
        try:
            parsed = hyperhttp.URL(url)
            assert len(str(parsed) + parsed.redacted + parsed.target) > 0
            parsed.join("../x")
        except hyperhttp.InvalidURL:
            pass


def test_lines_without_an_end_take_linear_time(scripted: ScriptedServerFactory) -> None:
    content = b"a" * 2_000_000
    server = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content])
    with hyperhttp.SyncClient() as client, client.stream("GET", server.url) as response, quickly(1.0):
        assert sum(len(line) for line in response.iter_lines()) == len(content)
