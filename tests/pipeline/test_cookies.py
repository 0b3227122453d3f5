"""Cookies from the jar to the request."""

from __future__ import annotations

from typing import Any

from hyperhttp.message.response import Response
from hyperhttp.pipeline.cookies import carry_cookies


async def test_what_the_jar_holds_for_the_url_is_sent(new_call: Any, stage: Any, jar: Any) -> None:
    jar.set("a", "1", domain="a.example")
    jar.set("b", "2", domain="b.example")
    send = stage(Response(200))
    await carry_cookies(new_call(jar=jar), send)
    assert send.fields("Cookie") == ["a=1"]


async def test_an_empty_jar_leaves_the_request_alone(new_call: Any, stage: Any, jar: Any) -> None:
    call = new_call(jar=jar)
    call.head = b"rendered"
    send = stage(Response(200))
    await carry_cookies(call, send)
    assert (send.fields("Cookie"), call.head) == ([None], b"rendered")


async def test_a_cookie_makes_the_head_be_written_anew(new_call: Any, stage: Any, jar: Any) -> None:
    jar.set("a", "1", domain="a.example")
    call = new_call(jar=jar)
    call.head = b"rendered"
    await carry_cookies(call, stage(Response(200)))
    assert call.head is None


async def test_cookies_of_the_request_stand_above_those_of_the_jar(new_call: Any, stage: Any, jar: Any) -> None:
    jar.set("a", "jar", domain="a.example")
    jar.set("b", "jar", domain="a.example")
    send = stage(Response(200))
    await carry_cookies(new_call(jar=jar, cookies={"a": "own"}), send)
    (line,) = send.fields("Cookie")
    assert sorted(line.split("; ")) == ["a=own", "b=jar"]


async def test_a_request_sent_twice_carries_each_cookie_once(new_call: Any, stage: Any, jar: Any) -> None:
    """An authentication flow yields the same request again."""
    jar.set("a", "1", domain="a.example")
    call, send = new_call(jar=jar), stage(Response(200))
    await carry_cookies(call, send)
    await carry_cookies(call, send)
    assert send.fields("Cookie") == ["a=1", "a=1"]


async def test_a_cookie_that_changed_in_between_is_sent_in_its_new_form(new_call: Any, stage: Any, jar: Any) -> None:
    """A challenge may set the session cookie that the answer to it has to carry."""
    jar.set("session", "old", domain="a.example")
    call, send = new_call(jar=jar, cookies={"own": "x"}), stage(Response(200))
    await carry_cookies(call, send)
    jar.set("session", "new", domain="a.example")
    await carry_cookies(call, send)
    assert sorted(send.fields("Cookie")[1].split("; ")) == ["own=x", "session=new"]


async def test_a_cookie_deleted_in_between_is_not_sent_again(new_call: Any, stage: Any, jar: Any) -> None:
    jar.set("session", "old", domain="a.example")
    call, send = new_call(jar=jar), stage(Response(200))
    await carry_cookies(call, send)
    jar.clear()
    await carry_cookies(call, send)
    assert send.fields("Cookie") == ["session=old", None]
