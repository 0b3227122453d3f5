"""What a request's extensions say about the way it is sent, as far as it can be said without sending it."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.exceptions import LocalProtocolError
from hyperhttp.message.extensions import forwarded_target, http2_path, redirected, request_target, tls_name
from hyperhttp.message.request import Request

URL = "https://app.example/path?query"


def request(method: str = "GET", **extensions: Any) -> Request:
    return Request(method, URL, extensions=extensions)


@pytest.mark.parametrize(
    ("given", "target"),
    [
        (None, "/path?query"),
        ("/a b".replace(" ", "%20"), "/a%20b"),
        (b"/%7Eas?it=is", "/%7Eas?it=is"),
        ("*", "*"),
        ("http://other.example/", "http://other.example/"),
        ('/"<>`{}|^\\', '/"<>`{}|^\\'),
    ],
)
def test_the_target_is_taken_as_it_is_given(given: Any, target: str) -> None:
    assert request_target(request(target=given)) == target


@pytest.mark.parametrize(
    "given", ["", b"", "/a b", "/a\r\nHost: evil", "/a\n", "/#x", "/ä", "/ä".encode(), b"/\x00", 7]
)
@pytest.mark.parametrize("form", [request_target, http2_path, forwarded_target])
def test_what_is_no_target_is_refused(form: Any, given: Any) -> None:
    with pytest.raises(LocalProtocolError, match="'target'"):
        form(request(target=given))


@pytest.mark.parametrize(
    ("method", "given", "path"),
    [("GET", None, "/path?query"), ("GET", "/x", "/x"), ("OPTIONS", "*", "*"), ("GET", "//x", "//x")],
)
def test_http2_takes_paths_and_the_asterisk(method: str, given: Any, path: str) -> None:
    assert http2_path(request(method, target=given)) == path


@pytest.mark.parametrize(("method", "given"), [("GET", "*"), ("GET", "http://x/"), ("OPTIONS", "x"), ("GET", "?x")])
@pytest.mark.parametrize("form", [http2_path, forwarded_target])
def test_where_a_target_is_a_path_it_is_no_other(form: Any, method: str, given: str) -> None:
    with pytest.raises(LocalProtocolError, match="begins with a slash"):
        form(request(method, target=given))


def test_a_forwarded_asterisk_is_an_empty_path() -> None:
    assert forwarded_target(request("OPTIONS", target="*")) == ""
    assert forwarded_target(request(target="/x")) == "/x"
    assert forwarded_target(request()) == "/path?query"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        (None, None),
        ("Other.Example", "other.example"),
        ("other.example.", "other.example."),
        ("bücher.example", "xn--bcher-kva.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("::1", "::1"),
    ],
)
def test_the_name_is_a_host(given: Any, name: str | None) -> None:
    assert tls_name(request(sni_hostname=given)) == name


@pytest.mark.parametrize("given", ["", "a b", "a/b", "a\r\nb", "user@a", "a:443", b"a.example", 7, "a\0"])
def test_what_is_no_host_is_refused(given: Any) -> None:
    with pytest.raises(LocalProtocolError, match="'sni_hostname'"):
        tls_name(request(sni_hostname=given))


def test_a_redirect_takes_neither_along_to_another_host() -> None:
    given = {"target": "/x", "sni_hostname": "other.example", "mine": 1}
    assert redirected(given, same_host=True) == {"sni_hostname": "other.example", "mine": 1}
    assert redirected(given, same_host=False) == {"mine": 1}
    assert given["target"] == "/x"
