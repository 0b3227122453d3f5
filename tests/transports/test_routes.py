"""Which requests a mocked answer is for."""

from __future__ import annotations

import re
from typing import Any

import pytest

from hyperhttp.message.request import Request
from hyperhttp.message.response import Response
from hyperhttp.transports.routes import MockCall, MockRoute, StreamedReply, as_reply, recorded


def request(url: str = "http://a.example/x?p=1&q=2", method: str = "GET", **options: Any) -> Request:
    return Request(method, url, **options)


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        (None, True),
        ("http://a.example/x", True),
        ("http://a.example", False),
        ("http://a.example/*", True),
        ("https://a.example/x", False),
        ("all://a.example/x", True),
        ("*://*/x", True),
        ("http://*.example/x", True),
        ("http://a.example:80/x", True),
        ("http://a.example:81/x", False),
        ("/x", True),
        ("x", True),
        ("/y", False),
        ("*", True),
        ("/x?q=2", True),
        ("/x?q=3", False),
        ("?q=2&p=1", True),
        (re.compile(r"/x\?p=\d"), True),
        (re.compile("^/x"), False),
        (lambda seen: seen.method == "GET", True),
        (lambda seen: seen.method == "PUT", False),
    ],
)
def test_a_pattern_is_a_url_a_path_an_expression_or_a_function(pattern: Any, matches: bool) -> None:
    assert MockRoute(None, pattern).matches(request()) is matches


@pytest.mark.parametrize(
    ("options", "matches"),
    [
        ({"method": "GET"}, True),
        ({"method": "POST"}, False),
        ({"method": ["POST", "GET"]}, True),
        ({"params": {"q": 2}}, True),
        ({"params": {"q": "3"}}, False),
        ({"headers": {"x-a": "1"}}, True),
        ({"headers": {"X-A": "2"}}, False),
        ({"headers": {"X-B": "1"}}, False),
    ],
)
def test_method_parameters_and_fields_count_too(options: Any, matches: bool) -> None:
    assert MockRoute(**options).matches(request(headers={"X-A": "1"})) is matches


def test_a_route_is_used_up_after_so_many_times() -> None:
    route = MockRoute(times=1)
    assert route.matches(request())
    route.calls.append(MockCall(request()))
    assert (route.called, route.call_count, route.matches(request())) == (True, 1, False)


def test_replies_follow_each_other_and_the_last_one_stays() -> None:
    route = MockRoute(reply=[1, 2])
    given = []
    for _ in range(3):
        given.append(route.next_reply())
        route.calls.append(MockCall(request()))
    assert given == [1, 2, 2]


def test_a_route_shows_what_it_is_for() -> None:
    assert repr(MockRoute(["PUT", "GET"], "/x")) == "<MockRoute GET|PUT /x called 0x>"
    assert repr(MockRoute()) == "<MockRoute ANY * called 0x>"


@pytest.mark.parametrize(
    ("options", "content", "kind"),
    [
        ({"json": {"a": [1]}}, b'{"a":[1]}', "application/json"),
        ({"text": "é"}, "é".encode(), "text/plain; charset=utf-8"),
        ({"html": "<p>"}, b"<p>", "text/html; charset=utf-8"),
        ({"content": b"x"}, b"x", None),
        ({}, b"", None),
        ({"text": "x", "headers": {"content-type": "own"}}, b"x", "own"),
    ],
)
def test_an_answer_has_the_content_and_the_type_that_were_said(options: Any, content: bytes, kind: str | None) -> None:
    reply = as_reply(status_code=201, **options)
    response = reply(request())
    assert (response.status_code, response.content, response.headers.get("content-type")) == (201, content, kind)
    assert reply(request()) is not response


def test_content_that_is_an_iterable_comes_piece_by_piece() -> None:
    pieces = [b"a", b"b"]
    reply = as_reply(content=pieces)(request())
    assert isinstance(reply, StreamedReply)
    assert reply.source is pieces


def test_what_is_recorded_does_not_change_with_the_request() -> None:
    sent = request(method="POST", content=iter([b"a"]))
    twin = recorded(sent, [(b"X-A", b"1")], b"a")
    sent.headers["X-B"] = "2"
    assert dict(twin.headers.items()) == {"X-A": "1"}
    call = MockCall(twin, Response(204))
    assert call.content == b"a"
    assert repr(call) == "<MockCall <Request POST http://a.example/x?p=1&q=2> <Response [204]>>"
    assert MockCall(request()).content == b""
    assert MockCall(recorded(request(content=b"x"), [], b"[1]")).json() == [1]
