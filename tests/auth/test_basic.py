"""Basic (RFC 7617)."""

from __future__ import annotations

from base64 import b64decode
from typing import Any

import pytest

from hyperhttp import BasicAuth
from hyperhttp.message.request import Request


def value(*credentials: Any) -> str:
    request = Request("GET", "http://example.com/")
    next(BasicAuth(*credentials).auth_flow(request))
    field: str = request.headers["Authorization"]
    return field


def test_the_example_of_the_standard() -> None:
    assert value("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="


@pytest.mark.parametrize(
    ("user", "password", "octets"),
    [
        ("test", "123£", b"test:123\xc2\xa3"),  # RFC 7617 section 2.1
        ("", "", b":"),
        ("user", "", b"user:"),
        ("user", "a:b:c", b"user:a:b:c"),
        (b"us\xe9r", b"p\xffw", b"us\xe9r:p\xffw"),
    ],
)
def test_octets(user: Any, password: Any, octets: bytes) -> None:
    assert b64decode(value(user, password).removeprefix("Basic ")) == octets


@pytest.mark.parametrize("user", ["a:b", b"a:b", ":"])
def test_a_colon_would_end_the_user_name(user: Any) -> None:
    with pytest.raises(ValueError, match="colon"):
        BasicAuth(user, "x")


@pytest.mark.parametrize("bad", ["a\0b", "a\r\nb", "a\x7fb", "\x1f"])
@pytest.mark.parametrize("place", [0, 1])
def test_control_characters_are_refused(bad: str, place: int) -> None:
    credentials = ["user", "password"]
    credentials[place] = bad
    with pytest.raises(ValueError, match="control characters") as caught:
        BasicAuth(*credentials)
    assert bad not in str(caught.value)


def test_what_the_caller_wrote_into_the_field_is_replaced() -> None:
    request = Request("GET", "http://example.com/", headers={"authorization": "Other"})
    next(BasicAuth("u", "p").auth_flow(request))
    assert request.headers.get_list("Authorization") == ["Basic dTpw"]


def test_one_object_signs_many_requests_and_asks_once_each() -> None:
    auth = BasicAuth("u", "p")
    for _ in range(3):
        flow = auth.auth_flow(Request("GET", "http://example.com/"))
        next(flow)
        assert next(flow, None) is None


def test_no_secret_is_shown() -> None:
    shown = f"{BasicAuth('user', 'hunter2')!r}{BasicAuth('user', 'hunter2')}"
    assert "hunter2" not in shown
    assert "dXNlcjpodW50ZXIy" not in shown
