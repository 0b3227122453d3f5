from __future__ import annotations

from typing import Any


def test_the_cookies_of_a_request_are_shown(fetch: Any) -> None:
    shown = fetch("/cookies", headers={"Cookie": 'a=1; b="two"; c=x=y'}).json()
    assert shown == {"cookies": {"a": "1", "b": "two", "c": "x=y"}}
    assert fetch("/cookies").json() == {"cookies": {}}


def test_cookies_are_set_from_the_query(fetch: Any) -> None:
    answer = fetch("/cookies/set?a=1&b=2")
    assert (answer.status, answer.headers["Location"]) == (302, "/cookies")
    assert answer.headers.get_all("Set-Cookie") == ["a=1; Path=/", "b=2; Path=/"]


def test_one_cookie_is_set_with_attributes(fetch: Any) -> None:
    answer = fetch("/cookies/set/name/va%3Dlue?Path=/x&Secure=&SameSite=Lax")
    assert answer.headers.get_all("Set-Cookie") == ["name=va=lue; Path=/x; Secure; SameSite=Lax"]


def test_cookies_are_deleted(fetch: Any) -> None:
    answer = fetch("/cookies/delete?a&b=")
    cookies = answer.headers.get_all("Set-Cookie")
    assert [cookie.partition(";")[0] for cookie in cookies] == ["a=", "b="]
    assert all("Max-Age=0" in cookie for cookie in cookies)


def test_a_cookie_that_would_break_the_head_is_refused(fetch: Any) -> None:
    assert fetch("/cookies/set?a=1%0d%0aX:y").status == 400
