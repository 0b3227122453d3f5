"""Response heads of HTTP/1.1: from bytes to status and fields."""

from __future__ import annotations

import io
from itertools import cycle

from timing import case

LINES = (
    b"HTTP/1.1 200 OK",
    b"Server: nginx/1.22.1",
    b"Date: Mon, 06 Jan 2025 10:00:%02d GMT",
    b"Content-Type: application/octet-stream",
    b"Content-Length: 200",
    b"Last-Modified: Mon, 06 Jan 2025 09:00:00 GMT",
    b"Connection: keep-alive",
    b'ETag: "677b9a10-%d"',
    b"Cache-Control: max-age=3600, public",
    b"Vary: Accept-Encoding",
    b"X-Request-Id: 4bf92f3577b34da6-%d",
    b"Accept-Ranges: bytes",
)
BODY = b"x" * 200
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
CHUNKED += (b"400\r\n" + b"y" * 1024 + b"\r\n") * 64 + b"0\r\n\r\n"


def head(number: int) -> bytes:
    """A head whose ETag and request id belong to one response only, as a real server's do."""
    block = b"\r\n".join(LINES)
    return block % (number % 60, number, number)


# The same response again and again, as in a load test, and responses of which two lines are always new.
SAME = head(0)
FRESH = [head(number) for number in range(8192)]


@case("head, the same again", "hyperhttp")
def same():
    from hyperhttp.protocol.http1.head import parse_head

    return lambda: parse_head(SAME)


@case("head, two lines new", "hyperhttp")
def fresh():
    from hyperhttp.protocol.http1.head import parse_head

    heads = cycle(FRESH)
    return lambda: parse_head(next(heads))


@case("response of 200 bytes in one read", "hyperhttp")
def response():
    from hyperhttp.protocol.http1.reader import ResponseReader

    reader, data = ResponseReader(), SAME + b"\r\n\r\n" + BODY

    def call():
        reader.expect_response("GET")
        reader.receive_data(data)

    return call


@case("response of 64 chunks, 1 KiB each", "hyperhttp")
def chunked():
    from hyperhttp.protocol.http1.reader import ResponseReader

    reader = ResponseReader()

    def call():
        reader.expect_response("GET")
        reader.receive_data(CHUNKED)

    return call


def h11_call(data):
    import h11

    def call():
        connection = h11.Connection(h11.CLIENT)
        connection.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
        connection.send(h11.EndOfMessage())
        connection.receive_data(data)
        while type(connection.next_event()) is not h11.EndOfMessage:
            pass

    return call


@case("response of 200 bytes in one read", "h11")
def h11_response():
    return h11_call(SAME + b"\r\n\r\n" + BODY)


@case("response of 64 chunks, 1 KiB each", "h11")
def h11_chunked():
    return h11_call(CHUNKED)


class Transport:
    """What aiohttp's parser tells about backpressure."""

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


def aiohttp_call(data):
    """aiohttp's parser in C, as its client sets it up; it asks for an event loop, which never runs."""
    import asyncio

    from aiohttp.base_protocol import BaseProtocol
    from aiohttp.http_parser import HttpResponseParser

    loop = asyncio.new_event_loop()
    protocol = BaseProtocol(loop)
    protocol.transport = Transport()
    parser = HttpResponseParser(protocol, loop, 2**16, response_with_body=True, read_until_eof=True)

    def call():
        messages, _, _ = parser.feed_data(data)
        return messages[0][0].headers

    return call


@case("response of 200 bytes in one read", "aiohttp (C)")
def aiohttp_response():
    return aiohttp_call(SAME + b"\r\n\r\n" + BODY)


@case("response of 64 chunks, 1 KiB each", "aiohttp (C)")
def aiohttp_chunked():
    return aiohttp_call(CHUNKED)


@case("head, the same again", "http.client")
def standard():
    import http.client

    lines = SAME.partition(b"\r\n")[2] + b"\r\n\r\n"
    return lambda: http.client.parse_headers(io.BytesIO(lines))
