"""A request as a command: what curl then sends is what the client sends."""

from __future__ import annotations

import shlex
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp import MultipartEncoder, Request, SyncClient

if TYPE_CHECKING:
    from pathlib import Path

    from hyperhttp.testing.scripted import ScriptedServerFactory

OK = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"
END = b"\r\n\r\n"
URL = "http://a.example/path?q=1"


def words(request: Request, **options: Any) -> list[str]:
    return shlex.split(request.as_curl(**options))


def test_a_plain_request_is_a_short_command() -> None:
    request = Request("GET", URL, headers={"User-Agent": "me", "Accept": "*/*"})
    assert request.as_curl() == "curl --header 'User-Agent: me' --header 'Accept: */*' 'http://a.example/path?q=1'"


def test_what_curl_adds_unasked_is_taken_away() -> None:
    assert words(Request("GET", URL)) == ["curl", "--header", "User-Agent:", "--header", "Accept:", URL]
    assert "Content-Type:" in words(Request("POST", URL, content=b"x"))


@pytest.mark.parametrize(
    ("method", "content", "said"),
    [
        ("GET", None, []),
        ("HEAD", None, ["--head"]),
        ("POST", None, ["--request", "POST"]),
        ("DELETE", None, ["--request", "DELETE"]),
        ("POST", b"x", []),
        ("PUT", b"x", ["--request", "PUT"]),
        ("GET", b"x", ["--request", "GET"]),
    ],
)
def test_the_method_is_named_where_curl_would_take_another(method: str, content: Any, said: list[str]) -> None:
    found = words(Request(method, URL, content=content))
    assert [word for word in found if word in ("--head", "--request", method)] == said


def test_secrets_are_left_out_unless_they_are_asked_for() -> None:
    request = Request(
        "POST",
        "http://user:hunter2@a.example/?token=hunter2&a=1",
        headers={"Authorization": "Bearer hunter2", "X-Api-Key": "hunter2", "Cookie": "a=hunter2"},
        json={"user": "me", "password": "hunter2"},
    )
    shown = request.as_curl()
    assert "hunter2" not in shown
    assert shown.count("[secret]") == 6
    assert "--globoff" in shown  # brackets mean something to curl
    assert request.as_curl(secrets=True).count("hunter2") == 6


@pytest.mark.parametrize(
    "text", ["'; rm -rf / #", "$(reboot)", "`id`", 'a"b', "a\\b", "!x", "new\nline", "ü", "@file", ""]
)
def test_nothing_leaves_its_quotes(text: str) -> None:
    request = Request("POST", URL, content=text)
    found = words(request)
    assert found[found.index("--data-raw") + 1] == text


def test_a_field_without_a_value_is_one() -> None:
    assert "X-Empty;" in words(Request("GET", URL, headers={"X-Empty": ""}))


def test_content_that_is_not_here_is_read_from_standard_input(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    for content in (tmp_path / "x", b"x" * 100_000, iter([b"x"])):
        found = words(Request("POST", URL, content=content))
        assert found[-3:-1] == ["--data-binary", "@-"]


REQUESTS: dict[str, dict[str, Any]] = {
    "get": {"method": "GET"},
    "fields": {"method": "GET", "headers": [("X-Two", "a"), ("X-Two", "b"), ("X-Empty", ""), ("X-Q", 'it\'s; "q"')]},
    "brackets": {"method": "GET", "params": {"a[]": "{1,2}"}},
    "own host": {"method": "GET", "headers": {"Host": "other.example"}},
    "head": {"method": "HEAD"},
    "delete": {"method": "DELETE"},
    "nothing": {"method": "POST"},
    "text": {"method": "POST", "content": "tëxt 'quoted'\n@$`!"},
    "at": {"method": "POST", "content": "@/etc/passwd"},
    "json": {"method": "PUT", "json": {"a": [1, None, "ä"]}},
    "form": {"method": "POST", "data": {"a": "1", "b": "& ="}},
    "binary": {"method": "POST", "content": bytes(range(256))},
    "empty": {"method": "POST", "content": b""},
    "multipart": {"method": "POST", "content": MultipartEncoder(files={"f": ("a.bin", b"\0\xff")}, boundary="b")},
    "secrets": {"method": "GET", "headers": {"Authorization": "Bearer x"}, "cookies": {"a": "b"}},
    "large": {"method": "POST", "content": b"x" * 2_000_000},
    "large chunked": {"method": "POST", "content": b"x" * 10, "headers": {"Transfer-Encoding": "chunked"}},
}


@pytest.mark.needs("curl")
@pytest.mark.parametrize("name", REQUESTS)
def test_curl_sends_the_same_bytes(scripted: ScriptedServerFactory, name: str) -> None:
    options = dict(REQUESTS[name])
    server = scripted([OK] * 2)
    with SyncClient() as client:
        request = client.build_request(options.pop("method"), f"{server.url}/p", **options)
        command = request.as_curl(secrets=True)
        data = request.content.data if request.content is not None else None
        client.send(request)
    large = data if data is not None and len(data) > 65_536 else None
    command = command.replace("curl ", "curl --silent --show-error --noproxy '*' ", 1).replace(" --compressed", "")
    result = subprocess.run(["sh", "-c", command], input=large, capture_output=True, timeout=30, check=False)
    assert result.returncode == 0, result.stderr
    own, curls = server.requests
    (own_head, _, own_content), (curls_head, _, curls_content) = own.partition(END), curls.partition(END)
    assert lines_of(own_head) == lines_of(curls_head)
    assert own_content == curls_content


def lines_of(head: bytes) -> list[bytes]:
    """The lines without their order, which curl has its own of."""
    return sorted(line.strip().lower() for line in head.split(b"\r\n"))


def test_secrets_in_a_multipart_form_are_not_shown() -> None:
    request = Request(
        "POST", "http://example.com/", files={"file": b"data"}, data={"password": "hunter2", "user": "me"}
    )
    assert "hunter2" not in request.as_curl()
    assert "hunter2" in request.as_curl(secrets=True)
