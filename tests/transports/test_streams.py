"""Content that is asked for piece by piece, and responses made of it."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.exceptions import DecodingError, ReadError, RemoteProtocolError
from hyperhttp.message.request import Request
from hyperhttp.transports.streams import PulledStream, host_field, new_response, read_content, reason_of

REQUEST = Request("GET", "http://a.example/")


def stream(*pieces: Any, log: list[str] | None = None) -> PulledStream:
    rest = list(pieces)

    async def pull() -> bytes | None:
        piece = rest.pop(0) if rest else None
        if isinstance(piece, Exception):
            raise piece
        return piece

    return PulledStream(pull, None if log is None else lambda: log.append("closed"))


async def test_pieces_come_until_there_are_none() -> None:
    log: list[str] = []
    made = stream(b"one", b"", b"two", log=log)
    assert (made.is_open, made.ended, made.ended_at) == (True, False, 0.0)
    assert [await made.receive() for _ in range(2)] == [b"one", b"two"]
    assert log == []
    assert [await made.receive() for _ in range(2)] == [b"", b""]
    assert (made.is_open, made.ended, made.received) == (False, True, 6)
    assert made.ended_at > 0
    assert log == ["closed"]


async def test_what_breaks_off_is_closed() -> None:
    log: list[str] = []
    made = stream(b"one", KeyError("cut"), log=log)
    await made.receive()
    with pytest.raises(KeyError):
        await made.receive()
    assert log == ["closed"]
    with pytest.raises(ReadError, match="closed before its content was read"):
        await made.receive()


async def test_all_of_it_is_read_up_to_a_limit() -> None:
    assert await stream(b"one", b"two").receive_all(6) == b"onetwo"
    log: list[str] = []
    with pytest.raises(DecodingError, match=r"max_response_size \(5 bytes\)"):
        await stream(b"one", b"two", log=log).receive_all(5)
    assert log == ["closed"]


@pytest.mark.parametrize(("length", "said"), [(2, r"more bytes .* \(3 of 2\)"), (9, r"fewer bytes .* \(3 of 9\)")])
async def test_another_length_than_announced_is_an_error(length: int, said: str) -> None:
    made = stream(b"one")
    made.length = length
    with pytest.raises(RemoteProtocolError, match=said):
        await made.receive_all()


async def test_closing_closes_once_and_a_forgotten_one_is_closed_where_that_is_safe() -> None:
    log: list[str] = []
    made = stream(b"one", log=log)
    made.close()
    made.drop()
    assert log == ["closed"]
    later: list[Any] = []
    safe = PulledStream(made._pull, lambda: log.append("safely"), later.append)
    safe.drop()
    assert log == ["closed"]
    later[0]()
    assert log == ["closed", "safely"]


async def test_a_response_knows_its_length_and_whether_it_is_coded() -> None:
    content = stream(b"abc")
    response = new_response(REQUEST, 200, [(b"content-length", b"3"), (b"content-encoding", b"gzip")], content)
    assert (response.reason, response._coded, content.length) == ("OK", True, 3)
    assert response._stream is content
    assert new_response(REQUEST, 299, [], b"").reason == ""
    assert new_response(REQUEST, 200, [], b"", http_version="HTTP/2").reason == ""
    assert new_response(REQUEST, 200, [], b"", reason="Fine").reason == "Fine"


@pytest.mark.parametrize(("method", "status"), [("HEAD", 200), ("GET", 204), ("GET", 304)])
async def test_where_no_content_may_be_it_is_left_out(method: str, status: int) -> None:
    request = Request(method, "http://a.example/")
    assert new_response(request, status, [], b"abc")._encoded == b""
    content = stream(b"abc")
    response = new_response(request, status, [(b"content-length", b"3")], content)
    assert await content.receive_all() == b""
    assert response.headers["content-length"] == "3"


def test_host_is_among_the_fields() -> None:
    assert host_field(REQUEST) == [(b"Host", b"a.example")]
    own = Request("GET", "http://a.example/", headers={"Host": "other"})
    assert host_field(own) == [(b"Host", b"other")]


async def call(function: Any, *arguments: Any) -> Any:
    return function(*arguments)


async def test_what_a_request_carries_is_read_into_memory() -> None:
    assert await read_content(REQUEST, call) == b""
    assert await read_content(Request("POST", "http://a/", content=b"abc"), call) == b"abc"
    streamed = Request("POST", "http://a/", content=iter([b"a", b"b"]))
    assert await read_content(streamed, call) == b"ab"


async def test_more_or_less_than_it_says_is_an_error() -> None:
    request = Request("POST", "http://a/", content=iter([b"abc"]))
    assert request._content is not None
    request._content.length = 2
    with pytest.raises(RemoteProtocolError, match="has 3 bytes and its length says 2"):
        await read_content(request, call)


def test_a_status_has_its_usual_phrase() -> None:
    assert (reason_of(404), reason_of(599)) == ("Not Found", "")
