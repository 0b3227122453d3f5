from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

import hyperhttp
from hyperhttp.cli.arguments import parse_options
from hyperhttp.cli.exits import CommandError
from hyperhttp.cli.outgoing import client_options, method_of, request_options, target_of

LOCAL = "http://127.0.0.1/"


@pytest.mark.parametrize(
    ("text", "url", "assumed"),
    [
        ("https://example.com/x", "https://example.com/x", ""),
        ("HTTP://example.com/x", "HTTP://example.com/x", ""),
        ("example.com", "https://example.com", "https"),
        ("example.com:8443/x?y=1#z", "https://example.com:8443/x?y=1#z", "https"),
        ("//example.com/x", "https://example.com/x", "https"),
        ("localhost", "http://localhost", "http"),
        ("LocalHost:8000/x", "http://LocalHost:8000/x", "http"),
        ("app.localhost:8000", "http://app.localhost:8000", "http"),
        ("127.0.0.1:80", "http://127.0.0.1:80", "http"),
        ("127.1.2.3/x", "http://127.1.2.3/x", "http"),
        ("[::1]:8000", "http://[::1]:8000", "http"),
        (":8000/items", "http://localhost:8000/items", "http"),
        ("localhost.example.com", "https://localhost.example.com", "https"),
        ("127.0.0.1.example.com", "https://127.0.0.1.example.com", "https"),
        ("  example.com ", "https://example.com", "https"),
    ],
)
def test_a_missing_scheme_is_filled_in(text: str, url: str, assumed: str) -> None:
    target, scheme = target_of(text)
    assert (target, scheme) == (hyperhttp.URL(url), assumed)


@pytest.mark.parametrize("text", ["", "http://", "a b.example", "example.com:port", "http://a\nb/"])
def test_what_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(hyperhttp.InvalidURL):
        target_of(text)


@pytest.mark.parametrize(
    ("arguments", "method"),
    [
        ([], "GET"),
        (["-I"], "HEAD"),
        (["-d", ""], "POST"),
        (["-F", "a=b"], "POST"),
        (["-j", "{}"], "POST"),
        (["-X", "PUT", "-j", "{}"], "PUT"),
        (["-X", "GET", "-I"], "GET"),
    ],
)
def test_content_makes_a_post(arguments: list[str], method: str) -> None:
    assert method_of(parse_options([*arguments, LOCAL])) == method


def settings(*arguments: str, url: str = LOCAL) -> dict[str, object]:
    options = parse_options([*arguments, url])
    return dict(client_options(options, target_of(url)[0]))


def test_a_plain_request_has_plain_settings() -> None:
    assert settings() == {
        "timeout": hyperhttp.Timeout(30.0),
        "follow_redirects": False,
        "max_redirects": 20,
        "http2": True,
        "plugins": None,
    }


@pytest.mark.parametrize(
    ("arguments", "name", "value"),
    [
        (["-t", "2", "--max-time", "9"], "timeout", hyperhttp.Timeout(2.0, total=9.0)),
        (["-t", "0"], "timeout", hyperhttp.Timeout(None)),
        (["--connect-timeout", "3"], "connect_timeout", 3.0),
        (["-L"], "follow_redirects", True),
        (["-O"], "follow_redirects", True),
        (["--max-redirects", "3"], "max_redirects", 3),
        (["--http1"], "http2", False),
        (["--http2"], "http2", "prior-knowledge"),
        (["-a", "me:pass:word"], "auth", ("me", "pass:word")),
        (["--proxy", "http://proxy:8080"], "proxies", "http://proxy:8080"),
        (["-k"], "verify", False),
        (["--cacert", "ca.pem"], "verify", "ca.pem"),
        (["-k", "--cacert", "ca.pem"], "verify", False),
        (["--cert", "me.pem"], "cert", "me.pem"),
        (["--cert", "me.pem", "--key", "key.pem"], "cert", ("me.pem", "key.pem")),
        (["--no-plugins"], "plugins", []),
    ],
    ids=str,
)
def test_options_become_settings(arguments: list[str], name: str, value: object) -> None:
    assert settings(*arguments)[name] == value


def test_http2_over_tls_is_negotiated() -> None:
    assert settings("--http2", url="https://example.com")["http2"] is True


def test_a_token_is_a_bearer() -> None:
    assert isinstance(settings("--bearer", "abc")["auth"], hyperhttp.BearerAuth)


def test_a_password_is_asked_for_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", lambda prompt: f"answer to {prompt}")
    assert settings("-a", "me")["auth"] == ("me", "answer to password of me: ")


def test_a_password_is_not_asked_for_where_nobody_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    with pytest.raises(CommandError, match="USER:PASSWORD"):
        settings("-a", "me")


def test_cookies_go_to_this_host_only() -> None:
    jar = settings("-b", "a=1", "-b", "b=2", url="http://example.com/")["cookies"]
    assert isinstance(jar, hyperhttp.Cookies)
    assert jar.header_for(hyperhttp.URL("http://example.com/x")) == "a=1; b=2"
    assert jar.header_for(hyperhttp.URL("http://www.example.com/x")) is None
    assert jar.header_for(hyperhttp.URL("http://example.org/")) is None


def test_cookies_go_to_an_address_too() -> None:
    jar = settings("-b", "a=1", url="http://127.0.0.1:8000/")["cookies"]
    assert isinstance(jar, hyperhttp.Cookies)
    assert jar.header_for(hyperhttp.URL("http://127.0.0.1:8000/")) == "a=1"


# -- content ----------------------------------------------------------------------------------------------


def request(*arguments: str) -> hyperhttp.Request:
    """What is sent, as far as the arguments say."""
    with hyperhttp.SyncClient() as client:
        return client.build_request("POST", LOCAL, **request_options(parse_options([*arguments, LOCAL])))


def data_of(made: hyperhttp.Request) -> bytes | None:
    return made.content.data if made.content is not None else None


def test_parameters_and_fields_are_added() -> None:
    made = request("-p", "a=1", "-p", "a=b c", "-H", "X-A: 1", "-H", "X-A: 2", "-H", "X-Empty;")
    assert made.url.query == "a=1&a=b+c"
    assert made.headers.get_list("x-a") == ["1", "2"]
    assert made.headers["x-empty"] == ""
    assert made.content is None


def test_raw_content_is_sent_as_it_is() -> None:
    made = request("-d", "a=1&b=ü")
    assert data_of(made) == "a=1&b=ü".encode()
    assert made.headers["content-type"] == "text/plain; charset=utf-8"


def test_raw_content_comes_from_a_file_with_its_type(in_folder: Path) -> None:
    Path("x.png").write_bytes(b"\x89PNG")
    made = request("-d", "@x.png")
    assert (made.headers["content-type"], made.headers["content-length"]) == ("image/png", "4")


def test_a_content_type_that_was_given_is_kept(in_folder: Path) -> None:
    Path("x.png").write_bytes(b"\x89PNG")
    assert request("-d", "@x.png", "-H", "content-type: a/b").headers.get_list("content-type") == ["a/b"]
    assert request("-j", "{}", "-H", "content-type: a/b").headers.get_list("content-type") == ["a/b"]


def test_raw_content_comes_from_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"hello")))
    assert request_options(parse_options(["-d", "@-", LOCAL]))["content"] is sys.stdin.buffer


@pytest.mark.parametrize("option", [["-d", "@{}"], ["-F", "f=@{}"], ["-j", "@{}"]], ids=str)
@pytest.mark.parametrize(("name", "reason"), [("missing", "no such file"), (".", "it is a folder")])
def test_a_file_that_cannot_be_read_is_told_at_once(in_folder: Path, option: list[str], name: str, reason: str) -> None:
    with pytest.raises(CommandError, match=f"cannot read {name}: {reason}") as caught:
        request(*(part.format(name) for part in option))
    assert caught.value.code == 26


def test_a_form_is_encoded() -> None:
    made = request("-F", "a=1", "-F", "a=2 3", "-F", "b=ü")
    assert data_of(made) == b"a=1&a=2+3&b=%C3%BC"
    assert made.headers["content-type"] == "application/x-www-form-urlencoded"


def test_a_form_with_a_file_is_multipart(in_folder: Path) -> None:
    Path("notes.txt").write_text("some notes")
    made = request("-F", "a=1", "-F", "f=@notes.txt")
    assert made.headers["content-type"].startswith("multipart/form-data; boundary=")
    assert made.content is not None
    assert made.content.length == int(made.headers["content-length"])


@pytest.mark.parametrize("text", ['{"a": 1.10, "a": 2}', "[1,2]", '"a=b"', "1e400", "null", '{"a": "b=c"}'])
def test_a_json_text_is_sent_as_it_was_typed(text: str) -> None:
    made = request("-j", text)
    assert data_of(made) == text.encode()
    assert made.headers["content-type"] == "application/json"


def test_json_pairs_are_text_or_json() -> None:
    made = request("-j", "name=tea", "-j", "n:=3", "-j", 'deep:={"a":[true]}', "-j", "empty=", "-j", "eq=a:=b")
    assert data_of(made) == b'{"name":"tea","n":3,"deep":{"a":[true]},"empty":"","eq":"a:=b"}'
    assert made.headers["content-type"] == "application/json"


def test_one_json_pair_is_an_object() -> None:
    assert data_of(request("-j", "a=1")) == b'{"a":"1"}'
    assert data_of(request("-j", "a:=1")) == b'{"a":1}'


def test_json_comes_from_a_file(in_folder: Path) -> None:
    Path("x").write_text("[1]")
    made = request("-j", "@x")
    assert (made.headers["content-type"], made.headers["content-length"]) == ("application/json", "3")


@pytest.mark.parametrize(
    "arguments",
    [
        ["-j", "{"],
        ["-j", '{"a"=1}'],
        ["-j", "word"],
        ["-j", "a:=word"],
        ["-j", "a=1", "-j", "{}"],
        ["-j", "=1"],
        ["-j", "a:b=1"],
    ],
    ids=str,
)
def test_what_is_neither_json_nor_a_pair_is_refused(arguments: list[str]) -> None:
    with pytest.raises(CommandError, match="JSON"):
        request(*arguments)
