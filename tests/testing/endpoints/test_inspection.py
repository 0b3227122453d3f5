from __future__ import annotations

import json
import uuid
from typing import Any

import pytest

from hyperhttp.testing.endpoints.inspection import grouped


def test_values_of_the_same_name_become_a_list() -> None:
    assert grouped([("a", 1), ("b", 2), ("a", 3)]) == {"a": [1, 3], "b": 2}


def test_get_has_the_shape_of_httpbin(fetch: Any, origin: Any) -> None:
    shown = fetch("/get?a=1&b=2&b=3", headers={"x-low-case": "v"}).json()
    assert set(shown) == {"args", "headers", "origin", "url"}
    assert shown["args"] == {"a": "1", "b": ["2", "3"]}
    assert shown["headers"]["X-Low-Case"] == "v"
    assert shown["origin"] == "127.0.0.1"
    assert shown["url"] == origin.url + "/get?a=1&b=2&b=3"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_methods_with_content_have_the_shape_of_httpbin(fetch: Any, method: str) -> None:
    body = json.dumps({"k": ["v", 1]})
    shown = fetch(f"/{method.lower()}", method=method, body=body, headers={"Content-Type": "application/json"}).json()
    assert set(shown) == {"args", "data", "files", "form", "headers", "json", "origin", "url"}
    assert shown["json"] == {"k": ["v", 1]}
    assert shown["data"] == body
    assert (shown["form"], shown["files"]) == ({}, {})


def test_a_form_is_taken_apart(fetch: Any) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
    shown = fetch("/post", method="POST", body="a=1&b=%C3%BC&b=+&c=", headers=headers).json()
    assert shown["form"] == {"a": "1", "b": ["ü", " "], "c": ""}
    assert (shown["data"], shown["json"]) == ("", None)


def test_multipart_is_taken_apart(fetch: Any) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="field"\r\n\r\nvalue\r\n'
        b'--x\r\nContent-Disposition: form-data; name="text"; filename="t.txt"\r\n\r\nplain\r\n'
        b'--x\r\nContent-Disposition: form-data; name="bin"; filename="b"\r\n'
        b"Content-Type: image/png\r\n\r\n\xff\xfe\r\n--x--\r\n"
    )
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    shown = fetch("/post", method="POST", body=body, headers=headers).json()
    assert shown["form"] == {"field": "value"}
    assert shown["files"] == {"text": "plain", "bin": "data:image/png;base64,//4="}


def test_broken_multipart_is_a_bad_request(fetch: Any) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    assert fetch("/post", method="POST", body=b"--y--", headers=headers).status == 400


def test_content_that_is_not_text_is_shown_as_a_data_url(fetch: Any) -> None:
    shown = fetch("/post", method="POST", body=b"\xff\xfe").json()
    assert shown["data"] == "data:application/octet-stream;base64,//4="


def test_anything_takes_any_method_and_path(fetch: Any) -> None:
    shown = fetch("/anything/some/path?x=1", method="PATCH", body="b").json()
    assert (shown["method"], shown["data"], shown["args"]) == ("PATCH", "b", {"x": "1"})
    assert shown["url"].endswith("/anything/some/path?x=1")
    assert fetch("/anything").json()["method"] == "GET"


def test_small_views(fetch: Any) -> None:
    assert fetch("/headers", headers={"A": "1"}).json()["headers"]["A"] == "1"
    assert fetch("/ip").json() == {"origin": "127.0.0.1"}
    assert fetch("/user-agent", headers={"User-Agent": "me/1"}).json() == {"user-agent": "me/1"}
    assert fetch("/user-agent").json() == {"user-agent": None}
    assert uuid.UUID(fetch("/uuid").json()["uuid"]).version == 4


def test_base64(fetch: Any) -> None:
    assert fetch("/base64/SGVsbG8td29ybGQ").body == b"Hello-world"
    assert fetch("/base64/a").status == 400
