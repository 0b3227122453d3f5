from __future__ import annotations

import pytest

from hyperhttp.message.redaction import shown_content, shown_value

FORM = (
    b'--b\r\nContent-Disposition: form-data; name="user"\r\n\r\nme\r\n'
    b'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\npw\r\n'
    b'--b\r\nContent-Disposition: form-data; filename="password"; name="file"\r\n\r\ndata\r\n--b--\r\n'
)


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Accept", "*/*", "*/*"),
        ("Authorization", "Basic bWU6cHc=", "Basic [secret]"),
        ("authorization", "abc", "[secret]"),
        ("Proxy-Authorization", "Bearer abc", "Bearer [secret]"),
        ("Cookie", "a=1; b=2==", "a=[secret]; b=[secret]"),
        ("Set-Cookie", "sid=abc; Path=/; HttpOnly", "sid=[secret]; Path=/; HttpOnly"),
        ("Cookie", "abc; b=2", "[secret]; b=[secret]"),
        ("Cookie", "", ""),
        ("Set-Cookie", "abc; Path=/", "[secret]; Path=/"),
        ("Set-Cookie", "=abc; Path=/", "=[secret]; Path=/"),
        ("Location", "http://me:pw@[broken", "[secret]"),
        ("Location", "http://[broken?token=abc", "[secret]"),
        ("X-Api-Key", "abc", "[secret]"),
        ("X-Api-Key", "", ""),
        ("X-Auth-Token", "abc", "[secret]"),
        ("Location", "https://me:pw@example.com/x?token=abc&y=1", "https://[secret]@example.com/x?token=[secret]&y=1"),
        ("Location", "/x?y=1", "/x?y=1"),
        ("Location", "http://[broken", "http://[broken"),
    ],
)  # fmt: skip
def test_credentials_are_not_shown(name: str, value: str, shown: str) -> None:
    assert shown_value(name, value) == shown


@pytest.mark.parametrize(
    ("content_type", "data", "shown"),
    [
        ("application/json", b'{"user": "me", "password": "pw"}', b'{"user":"me","password":"[secret]"}'),
        (
            "application/json",
            b'{"a": [{"api_key": "x", "b": {"token": 5}}]}',
            b'{"a":[{"api_key":"[secret]","b":{"token":"[secret]"}}]}',
        ),
        ("application/json", b'{ "a" : 1 }', b'{ "a" : 1 }'),
        ("application/json", b'{"token": ""}', b'{"token": ""}'),
        ("application/problem+json; charset=utf-8", b'{"secret": 1}', b'{"secret":"[secret]"}'),
        ("application/json", b"password=x", b"[secret]"),
        ("application/json", b"[" * 100_000, b"[secret]"),
        ("application/json", b'{"a": "' + b"x" * 1_100_000 + b'"}', b"[secret]"),
        ("application/json", b"", b""),
        ("application/x-www-form-urlencoded", b"user=me&password=pw&token=", b"user=me&password=[secret]&token="),
        ("application/x-www-form-urlencoded", b"\xff=1", b"\xff=1"),
        ("text/plain", b"password=pw", b"password=pw"),
        ("text/json", b'{"password": "pw"}', b'{"password":"[secret]"}'),
        ("multipart/form-data; boundary=b", FORM, FORM.replace(b"pw", b"[secret]")),
        ("multipart/form-data; boundary=other", FORM, b"[secret]"),
        ("multipart/form-data", FORM, b"[secret]"),
        ("multipart/form-data; boundary=b", b"", b""),
        ("", b"anything", b"anything"),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_of_content_what_is_no_secret_is_shown(content_type: str, data: bytes, shown: bytes) -> None:
    assert shown_content(data, content_type) == shown
