"""A response as its receiver sees it: what it says, and content that is read when it is wanted."""

from __future__ import annotations

import asyncio
import gzip
import pickle
from typing import Any

import pytest

from hyperhttp.connection.stream import ContentStream
from hyperhttp.exceptions import (
    DecodingError,
    HTTPStatusError,
    ReadError,
    ResponseNotRead,
    StreamClosed,
    StreamConsumed,
)
from hyperhttp.message.coding import DEFLATE, GZIP
from hyperhttp.message.reading import ReadOptions
from hyperhttp.message.request import Request
from hyperhttp.message.response import Response
from tests.memory import Source

CODINGS = {"gzip": GZIP, "deflate": DEFLATE}


def drive(coroutine: Any) -> Any:
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("it waited")


def received(
    *pieces: bytes,
    blocking: bool = False,
    in_hand: bool = False,
    ended: bool = True,
    limit: int | None = None,
    **headers: str,
) -> Any:
    """A response as a client makes it, its content in hand or in a stream that has these pieces."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    response: Any = Response(200, headers=fields, request=Request("GET", "http://a.example/"))
    response._content = None
    response._coded = "content-encoding" in response.headers
    response._options = ReadOptions(CODINGS, limit, None, drive if blocking else None)
    if in_hand:
        response._encoded = b"".join(pieces)
        return response
    response.source = Source()
    stream: Any = ContentStream(response.source)
    response._stream = stream
    for piece in pieces:
        stream.feed(piece)
    if ended:
        stream.finish([(b"X-Sum", b"7")])
    return response


async def collect(pieces: Any) -> list[Any]:
    return [piece async for piece in pieces]


# -- what it says --------------------------------------------------------------------------------------------------


def test_made_by_hand() -> None:
    request = Request("GET", "http://a.example/x")
    response = Response(status_code=404, headers={"X-A": "b"}, content=b"no", reason="Not Found", request=request)
    assert (response.status_code, response.reason, response.content, response.text) == (404, "Not Found", b"no", "no")
    assert (response.headers["x-a"], response.request, response.url) == ("b", request, request.url)
    assert (response.history, response.elapsed, response.http_version) == ((), 0.0, "HTTP/1.1")
    assert repr(response) == "<Response [404 Not Found]>"


def test_made_by_hand_with_less() -> None:
    response = Response(content="tëxt")
    assert (response.status_code, response.content, response.text) == (200, "tëxt".encode(), "tëxt")
    with pytest.raises(RuntimeError, match="request="):
        _ = response.url


@pytest.mark.parametrize(
    ("status", "names"),
    [
        (100, {"is_informational"}),
        (200, {"is_success"}),
        (299, {"is_success"}),
        (301, {"is_redirect"}),
        (304, set()),
        (399, set()),
        (400, {"is_client_error", "is_error"}),
        (500, {"is_server_error", "is_error"}),
        (599, {"is_server_error", "is_error"}),
        (600, set()),
    ],
)
def test_classes_of_status_codes(status: int, names: set[str]) -> None:
    response = Response(status, headers={"Location": "/"})
    every = ["is_informational", "is_success", "is_redirect", "is_client_error", "is_server_error", "is_error"]
    assert {name for name in every if getattr(response, name)} == names


def test_a_redirect_says_where_to() -> None:
    assert not Response(302).is_redirect


@pytest.mark.parametrize("status", [200, 204, 302, 304, 101])
def test_a_status_that_is_no_error_gives_the_response_itself(status: int) -> None:
    response = Response(status)
    assert response.raise_for_status() is response


@pytest.mark.parametrize("status", [400, 404, 500, 599])
def test_an_error_status_raises_with_request_and_response(status: int) -> None:
    request = Request("PUT", "http://user:hunter2@a.example/x")
    response = Response(status, reason="Bad", content=b"because", request=request)
    with pytest.raises(HTTPStatusError, match=f"{status} Bad for PUT") as caught:
        response.raise_for_status()
    assert (caught.value.request, caught.value.response) == (request, response)
    assert "because" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert pickle.loads(pickle.dumps(caught.value)).response.status_code == status


def test_an_error_status_of_an_unread_response_raises_too() -> None:
    response = received(b"x")
    response.status_code = 500
    with pytest.raises(HTTPStatusError):
        response.raise_for_status()


def test_cookies_it_sets() -> None:
    headers = [("Set-Cookie", "a=1"), ("Set-Cookie", "b=2; Domain=other.example"), ("set-cookie", "c=3; Path=/")]
    response = Response(200, headers=headers, request=Request("GET", "http://a.example/"))
    assert dict(response.cookies) == {"a": "1", "c": "3"}
    assert response.cookies is response.cookies


def test_links() -> None:
    headers = [("Link", "<2>; rel=next"), ("Link", "<9>; rel=last")]
    assert {name: link["url"] for name, link in Response(200, headers=headers).links.items()} == {
        "next": "2",
        "last": "9",
    }


def test_anything_may_be_hung_on_it() -> None:
    response = Response()
    response.mine = 1
    response.extensions["theirs"] = 2
    assert (response.mine, response.extensions) == (1, {"theirs": 2})


@pytest.mark.parametrize(
    ("headers", "content", "text"),
    [
        ({}, "é".encode(), "é"),
        ({"Content-Type": "text/plain; charset=latin-1"}, b"\xe9", "é"),
        ({"Content-Type": 'text/html; charset="UTF-16"'}, "é".encode("utf-16"), "é"),
        ({}, b"\xff", "\ufffd"),
    ],
)
def test_text_by_charset(headers: dict[str, str], content: bytes, text: str) -> None:
    assert Response(200, headers=headers, content=content).text == text


def test_the_charset_can_be_overruled_before_and_after_the_text_was_read() -> None:
    response = Response(200, content=b"\xe9")
    assert response.text == "\ufffd"
    response.encoding = "latin-1"
    assert (response.text, response.encoding) == ("é", "latin-1")


def test_json() -> None:
    assert Response(content=b'{"a": [1, "\xc3\xa9"]}').json() == {"a": [1, "é"]}
    with pytest.raises(ValueError):
        Response(content=b"no").json()


def test_no_secret_is_shown_and_what_was_read_survives_pickling() -> None:
    response = received(b"t\xe9xt", in_hand=True, content_type="text/plain; charset=latin-1")
    asyncio.run(response.aread())
    again = pickle.loads(pickle.dumps(response))
    assert (again.status_code, again.content, again.text, again.request.method) == (200, b"t\xe9xt", "téxt", "GET")
    with pytest.raises(ResponseNotRead):
        pickle.dumps(received(b"x"))


def test_redirects_that_were_not_read_do_not_keep_a_response_from_being_pickled() -> None:
    in_hand, given_up = received(b"go on", in_hand=True), received(b"x")
    broken = received(gzip.compress(b"x")[:-1], in_hand=True, content_encoding="gzip")
    coded = received(gzip.compress(b"coded"), in_hand=True, content_encoding="gzip")
    given_up.give_up()
    last = Response(200, content="there")
    last.history = [in_hand, broken, given_up, received(b"x"), Response(302, content="read"), coded]
    again = pickle.loads(pickle.dumps(last))
    assert again.content == b"there"
    assert [each.status_code for each in again.history] == [each.status_code for each in last.history]
    assert (again.history[0].content, again.history[4].content) == (b"go on", b"read")
    assert again.history[5].content == b"coded", "codings do not travel, what they hide does"
    for lost in again.history[1:4]:
        with pytest.raises(StreamClosed):
            asyncio.run(lost.aread())
    assert asyncio.run(in_hand.aread()) == b"go on", "the original is as it was"


def test_a_response_that_was_given_up_is_pickled_as_such() -> None:
    response = received(b"x")
    response.give_up()
    with pytest.raises(StreamClosed):
        asyncio.run(pickle.loads(pickle.dumps(response)).aread())


# -- reading -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_hand", [True, False])
@pytest.mark.parametrize("coded", [True, False])
async def test_reading_gives_and_keeps_the_content(in_hand: bool, coded: bool) -> None:
    content = b'{"a": 1}'
    sent = gzip.compress(content) if coded else content
    headers = {"content_encoding": "gzip"} if coded else {}
    response = received(sent[:5], sent[5:], in_hand=in_hand, **headers)
    for what in ("content", "text", "json"):
        with pytest.raises(ResponseNotRead, match=r"await response\.aread"):
            getattr(response, what)() if what == "json" else getattr(response, what)
    assert await response.aread() == content
    assert await response.aread() is response.content
    assert (await response.atext(), await response.ajson(), response.json()) == (content.decode(), {"a": 1}, {"a": 1})
    assert response.num_bytes_downloaded == len(sent), "before decoding"
    assert await collect(response.aiter_bytes()) == [content], "as often as one likes"
    assert await collect(response.aiter_bytes(3)) == [content[:3], content[3:6], content[6:]]


@pytest.mark.parametrize("in_hand", [True, False])
def test_reading_on_the_blocking_face(in_hand: bool) -> None:
    response = received(b"ab", b"cd", blocking=True, in_hand=in_hand)
    with pytest.raises(ResponseNotRead, match=r"`response\.read"):
        _ = response.content
    assert response.read() == b"abcd"
    assert list(response.iter_bytes()) == [b"abcd"]


@pytest.mark.parametrize("in_hand", [True, False])
@pytest.mark.parametrize("name", ["aiter_bytes", "aiter_raw", "aiter_text", "aiter_lines"])
async def test_iterating_consumes(in_hand: bool, name: str) -> None:
    response = received(b"ab\n", b"cd", in_hand=in_hand)
    pieces = await collect(getattr(response, name)())
    joined = b"".join(pieces) if isinstance(pieces[0], bytes) else "".join(pieces)
    assert joined in (b"ab\ncd", "ab\ncd", "abcd")
    assert response.num_bytes_downloaded == 5
    for again in (response.aread(), collect(response.aiter_bytes())):
        with pytest.raises(StreamConsumed):
            await again
    with pytest.raises(StreamConsumed):
        _ = response.content


async def test_an_iterator_that_was_never_begun_consumes_nothing() -> None:
    response = received(b"abcd")
    response.aiter_bytes()
    assert await response.aread() == b"abcd"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
async def test_pieces_of_one_size(size: int) -> None:
    content = bytes(range(20))
    for options in ({}, {"content_encoding": "gzip"}):
        sent = gzip.compress(content) if options else content
        response = received(*[sent[at : at + 3] for at in range(0, len(sent), 3)], **options)
        pieces = await collect(response.aiter_bytes(size))
        assert b"".join(pieces) == content
        assert {len(piece) for piece in pieces[:-1]} <= {size}
    response = received("äöü".encode()[:3], "äöü".encode()[3:])
    assert "".join(await collect(response.aiter_text(2))) == "äöü"


@pytest.mark.parametrize("size", [0, -1])
@pytest.mark.parametrize("name", ["aiter_bytes", "aiter_raw", "aiter_text"])
def test_a_size_below_one_is_refused(size: int, name: str) -> None:
    with pytest.raises(ValueError, match="chunk_size"):
        getattr(received(b""), name)(size)


async def test_raw_is_as_it_was_sent() -> None:
    sent = gzip.compress(b"text")
    response = received(sent, content_encoding="gzip")
    assert b"".join(await collect(response.aiter_raw())) == sent
    again = received(sent, content_encoding="gzip")
    await again.aread()
    with pytest.raises(StreamConsumed):
        await collect(again.aiter_raw())  # what was sent is not kept


async def test_lines() -> None:
    response = received(b"one\r", b"\ntwo\n\nthr", b"ee")
    assert await collect(response.aiter_lines()) == ["one", "two", "", "three"]


def test_iterating_on_the_blocking_face() -> None:
    assert list(received(b"ab", b"cd", blocking=True).iter_bytes(3)) == [b"abc", b"d"]
    assert list(received(b"a\nb", blocking=True).iter_lines()) == ["a", "b"]
    assert list(received(b"ab", blocking=True).iter_raw()) == [b"ab"]
    assert "".join(received("é".encode(), blocking=True).iter_text()) == "é"


async def test_empty_content_has_no_pieces() -> None:
    for in_hand in (True, False):
        assert await collect(received(in_hand=in_hand).aiter_bytes()) == []
        assert await collect(received(in_hand=in_hand).aiter_lines()) == []
        assert await received(in_hand=in_hand).aread() == b""


# -- what is wrong ---------------------------------------------------------------------------------------------------


async def test_truncated_coded_content_is_an_error() -> None:
    sent = gzip.compress(b"text" * 100)[:-4]
    with pytest.raises(DecodingError):
        await received(sent, content_encoding="gzip").aread()
    with pytest.raises(DecodingError):
        await collect(received(sent, content_encoding="gzip").aiter_bytes())


async def test_a_decoding_error_names_host_and_request_and_gives_the_connection_up() -> None:
    response = received(b"this is no gzip", ended=False, content_encoding="gzip")
    with pytest.raises(DecodingError, match=r"a\.example") as caught:
        await collect(response.aiter_bytes())
    assert caught.value.request is response.request
    assert not response._stream.is_open, "nothing good can come any more"
    with pytest.raises(DecodingError, match=r"a\.example"):
        await received(b"this is no gzip", content_encoding="gzip").aread()


async def test_a_broken_connection_is_an_error_after_what_came() -> None:
    response = received(b"half", ended=False)
    response._stream.fail(ReadError("broke"))
    pieces = response.aiter_bytes()
    assert await anext(pieces) == b"half"
    with pytest.raises(ReadError):
        await anext(pieces)
    unread = received(b"half", ended=False)
    unread._stream.fail(ReadError("broke"))
    with pytest.raises(ReadError):
        await unread.aread()


@pytest.mark.parametrize("in_hand", [True, False])
@pytest.mark.parametrize("coded", [True, False])
async def test_more_than_may_be_kept_is_refused_but_may_be_streamed(in_hand: bool, coded: bool) -> None:
    content = b"x" * 1000
    sent, headers = (gzip.compress(content), {"content_encoding": "gzip"}) if coded else (content, {})
    with pytest.raises(DecodingError, match=r"more than the 999 bytes|max_response_size"):
        await received(sent, in_hand=in_hand, limit=999, **headers).aread()
    assert await received(sent, in_hand=in_hand, limit=1000, **headers).aread() == content
    assert b"".join(await collect(received(sent, in_hand=in_hand, limit=10, **headers).aiter_bytes())) == content


# -- giving up -------------------------------------------------------------------------------------------------------


async def test_leaving_early_frees_the_connection() -> None:
    response = received(b"ab", ended=False)
    async with response:
        async for _ in response.aiter_bytes():
            break
    assert response.source.calls == ["abandon"]
    with pytest.raises((StreamClosed, StreamConsumed)):
        await response.aread()


@pytest.mark.parametrize("in_hand", [True, False])
async def test_a_response_closed_before_it_was_read_says_so(in_hand: bool) -> None:
    response = received(b"ab", in_hand=in_hand)
    await response.aclose()
    await response.aclose()
    with pytest.raises(StreamClosed, match="closed before"):
        await response.aread()
    with pytest.raises(StreamClosed):
        await collect(response.aiter_bytes())
    with pytest.raises(StreamClosed):
        _ = response.content


async def test_what_was_read_stays_after_closing() -> None:
    response = received(b"ab")
    await response.aread()
    await response.aclose()
    assert (response.content, await response.aread()) == (b"ab", b"ab")


async def test_trailers_are_there_after_the_end() -> None:
    response = received(b"ab", ended=False)
    assert len(response.trailers) == 0
    response._stream.finish([(b"X-Sum", b"7")])
    await response.aread()
    assert response.trailers["x-sum"] == "7"


# -- the wrong face --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["read", "iter_bytes", "iter_raw", "iter_text", "iter_lines", "close", "__exit__"])
def test_blocking_methods_of_an_async_response_say_what_to_call(name: str) -> None:
    response = received(b"ab", ended=False)
    with pytest.raises(RuntimeError, match="comes from Client: call"):
        getattr(response, name)(*[None] * 3 if name == "__exit__" else ())


@pytest.mark.parametrize(
    "name", ["aread", "atext", "ajson", "aiter_bytes", "aiter_raw", "aiter_text", "aiter_lines", "aclose"]
)
async def test_async_methods_of_a_blocking_response_say_what_to_call(name: str) -> None:
    response = received(b"ab", blocking=True, ended=False)

    async def use() -> None:
        result = getattr(response, name)()
        if asyncio.iscoroutine(result):
            await result

    with pytest.raises(RuntimeError, match="comes from SyncClient: call"):
        await use()


async def test_one_made_by_hand_serves_both_faces() -> None:
    response = Response(content=b"a\nb")
    assert await response.aread() == response.read() == b"a\nb"
    assert await collect(response.aiter_lines()) == list(response.iter_lines()) == ["a", "b"]
    with response:
        pass
    async with response:
        pass


# -- what came before, and how long it took (CONTRACT: attempts, timing) ------------------------------------------------
