"""A request as its sender sees it: made, looked at, changed, and sent as it is then."""

from __future__ import annotations

import copy
import io
import pickle
from typing import Any

import pytest

from hyperhttp import URL, Cookies, Headers
from hyperhttp.exceptions import InvalidURL, LocalProtocolError
from hyperhttp.message.request import Request

HERE = "http://a.example/"


def test_method_url_and_fields() -> None:
    request = Request("GET", "http://a.example/x?y#z", headers={"X-One": "1"})
    assert (request.method, str(request.url), request.headers["x-one"]) == ("GET", "http://a.example/x?y#z", "1")
    assert (request.content, request.extensions) == (None, {})
    assert repr(request) == "<Request GET http://a.example/x?y#z>"


def test_the_method_is_sent_as_given() -> None:
    assert Request("get", HERE).method == "get"
    assert Request("M-SEARCH", HERE).method == "M-SEARCH"


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY"])
def test_idempotent_methods(method: str) -> None:
    assert Request(method, HERE).is_idempotent


@pytest.mark.parametrize("method", ["POST", "PATCH", "CONNECT", "get", "X"])
def test_other_methods_are_not(method: str) -> None:
    assert not Request(method, HERE).is_idempotent


@pytest.mark.parametrize("params", [{"a": "1", "b": ["2", "3"]}, [("a", "1"), ("b", "2"), ("b", "3")]])
def test_params_are_added_to_the_query(params: Any) -> None:
    assert Request("GET", "http://a.example/?z=0", params=params).url.query == "z=0&a=1&b=2&b=3"


@pytest.mark.parametrize("url", ["http://a b/", "http://[::1/", "http://a.example/\r\nX", "http://a.example:x/"])
def test_a_url_that_cannot_be_sent_is_refused(url: str) -> None:
    with pytest.raises(InvalidURL):
        Request("GET", url)


@pytest.mark.parametrize(
    "headers", [{"X": "a\r\nb"}, {"X": "a\0"}, {"X Y": "a"}, {"": "a"}, {"X:": "a"}, [(b"X\n", b"a")], {"X\r\nY": "a"}]
)
def test_fields_that_cannot_be_sent_are_refused(headers: Any) -> None:
    with pytest.raises(LocalProtocolError):
        Request("GET", HERE, headers=headers)


# -- content -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "length", "kind", "data"),
    [
        ({"content": b"ab"}, "2", None, b"ab"),
        ({"content": "é"}, "2", "text/plain; charset=utf-8", "é".encode()),
        ({"content": bytearray(b"ab")}, "2", None, b"ab"),
        ({"content": memoryview(b"ab")}, "2", None, b"ab"),
        ({"content": b""}, "0", None, b""),
        ({"data": {"a": "1", "b": ["2", "3"]}}, "11", "application/x-www-form-urlencoded", b"a=1&b=2&b=3"),
        ({"data": [("a", "ä b")]}, "10", "application/x-www-form-urlencoded", b"a=%C3%A4+b"),
        ({"data": b"raw"}, "3", None, b"raw"),
        ({"json": {"a": [1, None]}}, "14", "application/json", b'{"a":[1,null]}'),
    ],
)
def test_content_and_the_fields_that_follow_from_it(options: Any, length: str, kind: str | None, data: bytes) -> None:
    request = Request("POST", HERE, **options)
    assert request.content is not None
    assert bytes(request.content.data or b"") == data
    assert request.headers["Content-Length"] == length
    if kind is not None:
        assert request.headers["Content-Type"] == kind
    assert "transfer-encoding" not in request.headers


@pytest.mark.parametrize("content", [iter([b"a"]), (piece for piece in [b"a"])])
def test_content_of_unknown_length_is_chunked(content: Any) -> None:
    request = Request("POST", HERE, content=content)
    assert request.headers["Transfer-Encoding"] == "chunked"
    assert "content-length" not in request.headers


def test_a_length_the_caller_knows_is_used_for_streams() -> None:
    request = Request("POST", HERE, content=iter([b"abc"]), headers={"Content-Length": "3"})
    assert "transfer-encoding" not in request.headers


def test_a_file_is_measured() -> None:
    request = Request("PUT", HERE, content=io.BytesIO(b"12345"))
    assert request.headers["Content-Length"] == "5"


def test_fields_of_the_caller_stand_above_those_that_follow_from_the_content() -> None:
    request = Request("POST", HERE, json={}, headers={"content-type": "application/problem+json"})
    assert request.headers.get_list("Content-Type") == ["application/problem+json"]


@pytest.mark.parametrize(
    ("method", "length"), [("POST", "0"), ("PUT", "0"), ("PATCH", "0"), ("GET", None), ("DELETE", None)]
)
def test_methods_that_expect_content_say_that_there_is_none(method: str, length: str | None) -> None:
    assert Request(method, HERE).headers.get("content-length") == length


BODIES = {"content": b"x", "data": {"a": "b"}, "json": {}, "files": {"f": b"x"}}


@pytest.mark.parametrize(
    "names", [("content", "data"), ("content", "json"), ("content", "files"), ("data", "json"), ("json", "files")]
)
def test_two_bodies_are_refused(names: tuple[str, str]) -> None:
    with pytest.raises(TypeError):
        Request("POST", HERE, **{name: BODIES[name] for name in names})


def test_fields_and_files_are_one_form() -> None:
    request = Request("POST", HERE, data={"a": "b"}, files={"f": b"x"})
    assert request.headers["Content-Type"].startswith("multipart/form-data; boundary=")


# -- changes -------------------------------------------------------------------------------------------------------


def test_what_is_changed_is_what_is_sent() -> None:
    request = Request("GET", HERE)
    request.url = "http://b.example/new"  # type: ignore[assignment]
    assert isinstance(request.url, URL)
    request.headers["X"] = "1"
    request.headers = {"Y": "2"}  # type: ignore[assignment]
    assert isinstance(request.headers, Headers)
    assert [*request.headers] == ["Y"]
    request.method = "POST"
    request._start = 1.5  # type: ignore[attr-defined]
    assert request._start == 1.5  # type: ignore[attr-defined]


def test_a_url_that_changes_takes_its_host_field_along_but_not_one_set_on_purpose() -> None:
    implied = Request("GET", HERE, headers={"Host": "a.example"})
    implied.url = "http://b.example/"  # type: ignore[assignment]
    assert "host" not in implied.headers
    chosen = Request("GET", HERE, headers={"Host": "virtual.example"})
    chosen.url = "http://b.example/"  # type: ignore[assignment]
    assert chosen.headers["Host"] == "virtual.example"


def test_content_that_changes_changes_what_is_said_about_it() -> None:
    request = Request("POST", HERE, json={"a": 1}, headers={"X": "1"})
    request.content = b"plain"  # type: ignore[assignment]
    assert (request.headers["Content-Length"], request.headers.get("content-type")) == ("5", None)
    request.content = iter([b"x"])  # type: ignore[assignment]
    assert (request.headers["Transfer-Encoding"], request.headers.get("content-length")) == ("chunked", None)
    request.content = None
    assert [*request.headers] == ["X"]


def test_a_type_the_caller_chose_stays_with_new_content() -> None:
    request = Request("POST", HERE, content=b"a", headers={"Content-Type": "x/y"})
    request.content = b"bb"  # type: ignore[assignment]
    assert request.headers["Content-Type"] == "x/y"


def test_fields_that_are_only_needed_when_somebody_looks() -> None:
    fields = [(b"Host", b"a.example"), (b"X", b"1")]
    request = Request.lazy("GET", URL(HERE), fields)
    assert (request.headers["x"], request.content, request.extensions) == ("1", None, {})
    request.headers["X"] = "2"
    assert fields[1] == (b"X", b"1"), "many requests share these"


# -- cookies -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cookies", [{"a": "1", "b": "2"}, [("a", "1"), ("b", "2")], Cookies({"a": "1", "b": "2"})])
def test_cookies_of_the_request(cookies: Any) -> None:
    assert Request("GET", HERE, cookies=cookies).headers["Cookie"] == "a=1; b=2"


def test_cookies_are_added_to_a_field_of_the_caller() -> None:
    request = Request("GET", HERE, headers={"cookie": "own=0"}, cookies={"a": "1"})
    assert request.headers.get_list("Cookie") == ["own=0; a=1"]


def test_cookies_of_another_host_are_not_sent() -> None:
    jar = Cookies()
    jar.set("a", "1", domain="b.example")
    assert "cookie" not in Request("GET", HERE, cookies=jar).headers


@pytest.mark.parametrize("cookies", [{"a": "1\r\nX: y"}, {"a;b": "1"}, {"a": "1;2"}, {"a\0": "1"}])
def test_cookies_that_would_be_more_than_cookies_are_refused(cookies: Any) -> None:
    with pytest.raises(ValueError):
        Request("GET", HERE, cookies=cookies)


# -- copies --------------------------------------------------------------------------------------------------------


def test_extensions_are_the_requests_own() -> None:
    given = {"a": 1}
    request = Request("GET", HERE, extensions=given)
    request.extensions["b"] = 2
    assert given == {"a": 1}


def test_pickling_keeps_what_can_be_kept() -> None:
    request = Request("POST", "http://user:pw@a.example/", json={"a": 1}, headers={"X": "1"}, extensions={"e": 1})
    again = pickle.loads(pickle.dumps(request))
    assert (again.method, again.url, again.headers, again.extensions) == (
        "POST",
        request.url,
        request.headers,
        {"e": 1},
    )
    assert again.content.data == b'{"a":1}'
    stream = Request("POST", HERE, content=iter([b"x"]))
    assert pickle.loads(pickle.dumps(stream)).content is None


def test_a_copy_can_be_changed_alone() -> None:
    request = Request("GET", HERE, headers={"X": "1"})
    again = copy.copy(request)
    again.headers["X"] = "2"
    again.extensions["a"] = 1
    assert (request.headers["X"], request.extensions) == ("1", {})


def test_no_secret_is_shown() -> None:
    assert "hunter2" not in repr(Request("GET", "http://user:hunter2@a.example/"))
