"""The archive's form; what is in it after real requests is in tests/behaviour/test_har.py."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp import ConnectError, HarRecorder, Request, Response

if TYPE_CHECKING:
    from pathlib import Path


def play(recorder: HarRecorder, request: Request, *outcome: Any) -> None:
    """One attempt: with a response, an error, or both."""
    response = next((each for each in outcome if isinstance(each, Response)), None)
    error = next((each for each in outcome if isinstance(each, BaseException)), None)
    recorder.request(request)
    if response is not None:
        response._request = request
        recorder.response(response)
    recorder.finish(request, response, error)


def entry_of(request: Request, *outcome: Any, **options: Any) -> dict[str, Any]:
    recorder = HarRecorder(**options)
    play(recorder, request, *outcome)
    (entry,) = recorder.to_dict()["log"]["entries"]
    return entry


def test_an_archive_without_entries_is_one() -> None:
    log = HarRecorder().to_dict()["log"]
    assert (log["version"], log["creator"]["name"], log["entries"]) == ("1.2", "hyperhttp", [])


def test_an_entry_has_all_the_format_wants() -> None:
    entry = entry_of(
        Request("GET", "http://a.example/?a=1&b=%C3%A4"), Response(200, {"Content-Type": "text/plain"}, "hi")
    )
    assert set(entry) == {"startedDateTime", "time", "request", "response", "cache", "timings"}
    assert datetime.fromisoformat(entry["startedDateTime"]).tzinfo is not None
    request, response = entry["request"], entry["response"]
    common = {"httpVersion", "cookies", "headers", "headersSize", "bodySize"}
    assert set(request) == common | {"method", "url", "queryString"}
    assert set(response) == common | {"status", "statusText", "content", "redirectURL"}
    assert request["queryString"] == [{"name": "a", "value": "1"}, {"name": "b", "value": "ä"}]
    assert set(entry["timings"]) == {"blocked", "dns", "connect", "ssl", "send", "wait", "receive"}
    assert "text" not in response["content"]
    json.dumps(entry)


def test_secrets_are_left_out_unless_they_are_asked_for() -> None:
    def attempt() -> tuple[Request, Response]:
        request = Request(
            "POST",
            "http://me:hunter2@a.example/?token=hunter2",
            headers={"Authorization": "Bearer hunter2", "X-Api-Key": "hunter2", "Cookie": "a=hunter2; b=hunter2"},
            data={"password": "hunter2", "user": "me"},
        )
        fields = [
            ("Set-Cookie", "s=hunter2; Path=/"),
            ("Location", "/x?token=hunter2"),
            ("Content-Type", "application/json"),
        ]
        return request, Response(200, fields, b'{"token": "hunter2"}')

    shown = json.dumps(entry_of(*attempt(), content=True))
    assert "hunter2" not in shown
    assert '"name": "a", "value": "[secret]"' in shown
    assert json.dumps(entry_of(*attempt(), content=True, secrets=True)).count("hunter2") >= 12


def test_content_is_kept_where_it_is_asked_for() -> None:
    request = Request("POST", "http://a.example/", json={"a": 1})
    entry = entry_of(request, Response(200, {"Content-Type": "image/png"}, b"\x89PNG\0"), content=True)
    assert entry["request"]["postData"] == {"mimeType": "application/json", "text": '{"a":1}'}
    content = entry["response"]["content"]
    assert (content["text"], content["encoding"], content["size"]) == ("iVBORwA=", "base64", 5)


@pytest.mark.parametrize("content", [b"x" * 101, iter([b"x"])])
def test_content_that_is_large_or_elsewhere_is_not_kept(content: Any) -> None:
    request = Request("POST", "http://a.example/", content=content)
    entry = entry_of(request, Response(200, content=b"y" * 101), content=True, max_content_size=100)
    assert entry["request"]["postData"]["text"] == ""
    assert "text" not in entry["response"]["content"]


def test_an_attempt_without_a_response_says_why() -> None:
    entry = entry_of(Request("GET", "http://a.example/"), ConnectError("no way there"))
    assert entry["response"]["status"] == 0
    assert entry["_error"] == "ConnectError: no way there"
    assert entry["timings"]["connect"] == -1


def test_attempts_of_one_request_are_entries_of_their_own() -> None:
    recorder = HarRecorder()
    request = Request("GET", "http://a.example/")
    play(recorder, request, ConnectError("x"))
    play(recorder, request, Response(200))
    assert [entry["response"]["status"] for entry in recorder.to_dict()["log"]["entries"]] == [0, 200]
    assert len(recorder) == 2
    recorder.clear()
    assert len(recorder) == 0
    assert recorder._open == {}


def test_so_many_attempts_are_kept_and_no_more() -> None:
    recorder = HarRecorder(max_entries=2)
    for number in range(5):
        play(recorder, Request("GET", f"http://a.example/{number}"), Response(200))
    urls = [entry["request"]["url"] for entry in recorder.to_dict()["log"]["entries"]]
    assert urls == ["http://a.example/3", "http://a.example/4"]


def test_an_archive_is_a_file(tmp_path: Path) -> None:
    recorder = HarRecorder()
    play(recorder, Request("GET", "http://a.example/ü"), Response(200))
    recorder.save(tmp_path / "x.har")
    assert json.loads((tmp_path / "x.har").read_text(encoding="utf-8")) == json.loads(recorder.to_json())


def test_what_it_keeps_is_neither_request_nor_response() -> None:
    import weakref

    recorder = HarRecorder(content=True)
    request, response = Request("GET", "http://a.example/"), Response(200, content=b"x")
    play(recorder, request, response)
    alive = weakref.ref(request), weakref.ref(response)
    del request, response
    assert alive[0]() is None
    assert alive[1]() is None
