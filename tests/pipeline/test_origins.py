"""What flows and hooks have set for one origin is known, and taken back for another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hyperhttp.message.content import Content
from hyperhttp.pipeline.origins import leave_origin, note_changes, note_content, with_content_of, without_changes

if TYPE_CHECKING:
    from hyperhttp.message.cookies import Cookies

MINE = [(b"X-One", b"mine"), (b"x-one", b"mine too"), (b"X-Two", b"mine")]


def test_nothing_is_written_down_where_nothing_was_changed(new_call: Any) -> None:
    call = new_call()
    note_changes(call, MINE, [*MINE])
    assert call.changed is None


def test_what_the_caller_gave_is_known_however_often_it_is_changed(new_call: Any) -> None:
    call = new_call()
    signed = [(b"X-ONE", b"flow"), (b"X-Three", b"flow")]
    note_changes(call, MINE, signed)
    first = call.changed
    note_changes(call, signed, [(b"X-One", b"hook"), (b"X-Four", b"hook")])
    assert call.changed == {b"x-one": MINE[:2], b"x-two": MINE[2:], b"x-three": [], b"x-four": []}
    assert b"x-four" not in first, "a copy of the call keeps its own"


def test_fields_about_the_content_the_url_and_the_jar_are_no_changes(new_call: Any) -> None:
    call = new_call()
    after = [(b"Host", b"b"), (b"Content-Length", b"1"), (b"Content-Type", b"x"), (b"Cookie", b"a=b")]
    note_changes(call, [], after, jar=True)
    assert call.changed == {}
    note_changes(call, [], after)
    assert call.changed == {b"cookie": []}


def test_without_changes_is_what_the_caller_gave() -> None:
    changed = {b"x-one": MINE[:2], b"x-three": [], b"x-removed": [(b"X-Removed", b"mine")]}
    now = [(b"X-Three", b"flow"), (b"X-Two", b"mine"), (b"X-One", b"flow")]
    assert without_changes(now, changed) == [MINE[2], *MINE[:2]]


def test_the_callers_content_is_known_however_often_it_is_replaced(new_call: Any) -> None:
    call = new_call("POST", content=b"mine", headers={"Content-Type": "text/mine", "X-One": "mine"})
    content, fields = call.request._content, call.request.headers.raw
    note_content(call, content, fields)
    assert call.replaced is None
    for text in (b"flow", b"hook"):
        before, call.request._content = call.request._content, Content(text)
        note_content(call, before, [] if text == b"hook" else fields)
    mine = [(b"Content-Type", b"text/mine"), (b"Content-Length", b"4")]
    assert call.replaced == (content, mine)
    now = [(b"Content-Length", b"99"), (b"X-Two", b"hook"), (b"Content-Encoding", b"gzip")]
    assert with_content_of(call.replaced, now) == [(b"X-Two", b"hook"), *mine]


def test_a_request_that_leaves_its_origin_loses_what_was_made_for_it(new_call: Any, jar: Cookies) -> None:
    call = new_call(url="http://a.example/", headers={"Cookie": "own=1"}, jar=jar)
    jar.set("at", "b", domain="b.example")
    request = call.request
    mine = request.headers.raw
    request.headers.update({"X-Key": "flow", "X-Kept": "flow", "Cookie": "flow=1"})
    note_changes(call, mine, request.headers.raw)
    before = request.headers.raw
    request.url = "http://b.example/"
    request.headers["X-Kept"] = "hook"
    leave_origin(call, request, before)
    assert dict(request.headers.items()) == {"X-Kept": "hook", "Cookie": "own=1; at=b"}


def test_a_cookie_that_the_hook_has_set_stays(new_call: Any, jar: Cookies) -> None:
    call = new_call(url="http://a.example/", jar=jar)
    jar.set("at", "b", domain="b.example")
    call.request.url = "http://b.example/"
    call.request.headers["Cookie"] = "hook=1"
    leave_origin(call, call.request, [])
    assert call.request.headers["cookie"] == "hook=1"
