"""Redirects: where they lead, what travels along, what stays behind (RFC 9110 section 15.4)."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.connection.stream import ContentStream
from hyperhttp.exceptions import RemoteProtocolError, StreamConsumed, TooManyRedirects
from hyperhttp.message.request import Request
from hyperhttp.message.response import Response
from hyperhttp.pipeline.redirects import follow_redirects, redirect_request
from tests.memory import MemoryNetwork, Source

SECRETS = {"Authorization": "s", "Proxy-Authorization": "s", "Cookie": "c=s", "X-Other": "o"}


def answer(location: str | None, status: int = 302, request: Request | None = None) -> Response:
    headers = {} if location is None else {"Location": location}
    return Response(status, headers=headers, request=request)


def following(
    location: str, status: int = 302, method: str = "GET", url: str = "http://a.example/x/y?q", **options: Any
) -> Request:
    downgrade = options.pop("downgrade", False)
    return redirect_request(answer(location, status, Request(method, url, **options)), downgrade=downgrade)


# -- the request that follows ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("http://b.example/z", "http://b.example/z"),
        ("/z", "http://a.example/z"),
        ("z", "http://a.example/x/z"),
        ("../z", "http://a.example/z"),
        ("?z", "http://a.example/x/y?z"),
        ("//b.example/z", "http://b.example/z"),
        ("https://a.example/z", "https://a.example/z"),
        ("/z%20%2f?a=%20", "http://a.example/z%20%2f?a=%20"),
        ("#part", "http://a.example/x/y?q#part"),
        (" /z ", "http://a.example/z"),
    ],
)
def test_location_is_resolved_against_the_url_of_the_request(location: str, url: str) -> None:
    assert str(following(location).url) == url


def test_the_fragment_is_kept_unless_the_location_has_its_own() -> None:
    assert following("/z", url="http://a.example/#old").url.fragment == "old"
    assert following("/z#new", url="http://a.example/#old").url.fragment == "new"


def test_credentials_are_not_taken_from_a_server() -> None:
    url = following("http://user:pw@b.example/").url
    assert (url.userinfo or None, url.host) == (None, "b.example")


@pytest.mark.parametrize(
    "location",
    [
        *["file:///etc/passwd", "ftp://a.example/", "javascript:alert(1)", "unix:/x", "data:,x"],
        *["http:///x", "http://", "http://[::1", "http://a b/", "http://a.example:99999/"],
    ],
)
def test_what_may_not_be_followed_is_an_error(location: str) -> None:
    with pytest.raises(RemoteProtocolError, match=r"redirect from http://a\.example"):
        following(location)


def test_a_location_with_a_line_break_is_an_error() -> None:
    response = answer("/x", request=Request("GET", "http://a.example/"))
    response.headers._fields[0] = (b"Location", b"/a\nb")
    response.headers._index = None
    with pytest.raises(RemoteProtocolError, match="invalid Location"):
        redirect_request(response)


def test_leaving_https_is_an_error_unless_asked_for() -> None:
    with pytest.raises(RemoteProtocolError, match="downgrade"):
        following("http://a.example/", url="https://a.example/")
    assert following("http://a.example/", url="https://a.example/", downgrade=True).url.scheme == "http"


@pytest.mark.parametrize(
    ("status", "method", "expected"),
    [
        (301, "GET", "GET"),
        (301, "POST", "GET"),
        (301, "PUT", "PUT"),
        (302, "POST", "GET"),
        (302, "DELETE", "DELETE"),
        (302, "HEAD", "HEAD"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (303, "HEAD", "HEAD"),
        (303, "GET", "GET"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
        (308, "get", "get"),
    ],
)
def test_the_method_that_follows(status: int, method: str, expected: str) -> None:
    assert following("/z", status, method).method == expected


def test_a_method_that_changes_leaves_the_content_and_all_that_speaks_of_it_behind() -> None:
    headers = {"Content-Type": "x/y", "Content-Encoding": "gzip", "Expect": "100-continue", "X-Other": "o"}
    request = following("/z", 303, "POST", content=b"body", headers=headers)
    assert request.content is None
    assert dict(request.headers.items()) == {"X-Other": "o"}


@pytest.mark.parametrize("status", [307, 308])
def test_a_method_that_stays_takes_the_content_along(status: int) -> None:
    request = following("/z", status, "POST", json={"a": 1})
    assert request.content is not None
    assert request.content.data == b'{"a":1}'
    assert request.headers["Content-Length"] == "7"
    assert request.headers["Content-Type"] == "application/json"


async def test_content_that_cannot_be_sent_twice_is_an_error() -> None:
    request = Request("POST", "http://a.example/", content=iter([b"x"]))
    assert request.content is not None
    request.content.rewind()
    await request.content.next_chunk(MemoryNetwork().call)
    with pytest.raises(StreamConsumed, match="cannot be sent twice"):
        redirect_request(answer("/z", 307, request))


@pytest.mark.parametrize("host", ["b.example", "sub.a.example", "a.example:81", "a.example.", "example"])
@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
def test_secrets_do_not_travel_to_another_origin_however_they_are_spelled(host: str, case: Any) -> None:
    request = following(f"http://{host}/", headers={case(name): value for name, value in SECRETS.items()})
    assert [name.lower() for name in request.headers] == ["x-other"]


def test_secrets_do_not_travel_to_another_scheme() -> None:
    assert [*following("https://a.example/", headers=SECRETS).headers] == ["X-Other"]


def test_credentials_travel_within_the_origin() -> None:
    request = following("http://A.EXAMPLE:80/z", headers=SECRETS)
    assert request.headers["Authorization"] == "s"
    assert "cookie" not in request.headers, "the jar decides about the next hop"


def test_host_follows_the_url() -> None:
    assert "host" not in following("http://b.example/", headers={"Host": "a.example"}).headers


def test_extensions_go_along_as_a_copy() -> None:
    request = Request("GET", "http://a.example/", extensions={"x": 1})
    next_request = redirect_request(answer("/z", request=request))
    assert next_request.extensions == {"x": 1}
    assert next_request.extensions is not request.extensions


# -- following ---------------------------------------------------------------------------------------------------


async def test_each_hop_is_kept_in_the_history(new_call: Any, stage: Any) -> None:
    hops = [answer("/1", 301), answer("http://b.example/2", 308), Response(200)]
    call, send = new_call(), stage(*hops)
    response = await follow_redirects(call, send)
    assert response is hops[2]
    assert list(response.history) == hops[:2]
    assert [seen[1] for seen in send.seen] == ["http://a.example/", "http://a.example/1", "http://b.example/2"]
    assert [route.host for route in send.routes] == ["a.example", "a.example", "b.example"]
    assert str(response.url) == "http://b.example/2"


@pytest.mark.parametrize("status", [200, 300, 304, 305, 306, 399])
async def test_other_statuses_are_not_followed(new_call: Any, stage: Any, status: int) -> None:
    send = stage(answer("/z", status))
    assert (await follow_redirects(new_call(), send)).status_code == status
    assert len(send.seen) == 1


async def test_without_location_it_is_the_answer(new_call: Any, stage: Any) -> None:
    assert (await follow_redirects(new_call(), stage(answer(None)))).status_code == 302


@pytest.mark.parametrize("limit", [1, 3])
async def test_there_are_no_more_hops_than_allowed(new_call: Any, stage: Any, limit: int) -> None:
    send = stage(answer("/again"))
    with pytest.raises(TooManyRedirects, match=f"more than {limit} redirects") as caught:
        await follow_redirects(new_call(max_redirects=limit), send)
    assert len(send.seen) == limit + 1
    assert caught.value.request is send.requests[-1]


async def test_secrets_left_behind_do_not_come_back_on_a_later_hop(new_call: Any, stage: Any) -> None:
    hops = [answer("http://b.example/"), answer("http://a.example/"), Response(200)]
    call, send = new_call(headers=SECRETS), stage(*hops)
    await follow_redirects(call, send)
    assert send.fields("Authorization") == ["s", None, None]
    assert send.fields("Proxy-Authorization") == ["s", None, None]


def carrying(length: int | None, content: bytes = b"") -> tuple[Any, Source]:
    response, source = answer("/z"), Source()
    if length is not None:
        response.headers["Content-Length"] = str(length)
    response._content = None
    stream: Any = ContentStream(source, length)
    response._stream = stream
    if content:
        stream.feed(content)
        stream.finish()
    return response, source


async def test_a_little_content_is_read_and_can_still_be_looked_at(new_call: Any, stage: Any) -> None:
    hop, source = carrying(4, b"text")
    response = await follow_redirects(new_call(), stage(hop, Response(200)))
    assert await response.history[0].aread() == b"text"
    assert source.calls == []


@pytest.mark.parametrize("length", [None, 65_537, 1 << 40])
async def test_much_content_is_dropped(new_call: Any, stage: Any, length: int | None) -> None:
    hop, source = carrying(length)
    await follow_redirects(new_call(), stage(hop, Response(200)))
    assert source.calls == ["abandon"]


@pytest.mark.parametrize("location", ["file:///x", "http://[", "http://a.example/"])
async def test_what_ends_in_an_error_leaves_nothing_open(new_call: Any, stage: Any, location: str) -> None:
    hop, source = carrying(100_000)
    hop.headers["Location"] = location
    with pytest.raises((RemoteProtocolError, TooManyRedirects)):
        await follow_redirects(new_call(max_redirects=0 if location.endswith("e/") else 5), stage(hop))
    assert source.calls == ["abandon"]


async def test_a_call_that_wants_its_content_gets_that_of_the_last_response_only(new_call: Any, stage: Any) -> None:
    hop, source = carrying(None)
    last, _ = carrying(2, b"ok")
    last.status_code = 200
    response = await follow_redirects(new_call(stream=False), stage(hop, last))
    assert response.content == b"ok"
    assert source.calls == ["abandon"]
