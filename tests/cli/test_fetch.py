from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


def seen(result: Any) -> Any:
    """The origin's view of a request."""
    assert (result.code, result.err) == (0, "")
    return json.loads(result.out)


def test_a_url_is_fetched(run: Callable[..., Any], origin: Any) -> None:
    view = seen(run(f"{origin.url}/get?a=1"))
    assert view["args"] == {"a": "1"}
    assert origin.requests[-1].method == "GET"


def test_a_missing_scheme_is_filled_in_and_told(run: Callable[..., Any], origin: Any) -> None:
    result = run("-v", f"{origin.url.removeprefix('http://')}/get")
    assert result.code == 0
    assert result.err.startswith("* http:// is taken, as no scheme was given\n* GET to http://127.0.0.1:")


def test_methods_fields_parameters_and_cookies_are_sent(run: Callable[..., Any], origin: Any) -> None:
    arguments = ["-H", "X-A: 1", "-p", "q=a b", "-b", "sid=1", "PURGE", f"{origin.url}/anything"]
    run(*arguments)
    request = origin.requests[-1]
    assert (request.method, request.target) == ("PURGE", "/anything?q=a+b")
    assert (request.headers["x-a"], request.headers["cookie"]) == ("1", "sid=1")


def test_default_fields_can_be_left_out(run: Callable[..., Any], origin: Any) -> None:
    seen(run("-H", "Accept:", "-H", "user-agent:", f"{origin.url}/get"))
    assert "accept" not in origin.requests[-1].headers
    assert "user-agent" not in origin.requests[-1].headers


@pytest.mark.parametrize(
    ("arguments", "part", "value"),
    [
        (["-d", "a=1&b"], "data", "a=1&b"),
        (["-F", "a=1", "-F", "b=ü"], "form", {"a": "1", "b": "ü"}),
        (["-j", "a=1", "-j", "b:=2"], "json", {"a": "1", "b": 2}),
        (["-j", "[1.0]"], "json", [1.0]),
    ],
    ids=str,
)
def test_content_is_posted(
    run: Callable[..., Any], origin: Any, arguments: list[str], part: str, value: object
) -> None:
    assert seen(run(*arguments, f"{origin.url}/post"))[part] == value


def test_content_comes_from_files_and_stdin(run: Callable[..., Any], origin: Any, in_folder: Path) -> None:
    Path("x.txt").write_text("from a file")
    assert seen(run("-d", "@x.txt", f"{origin.url}/post"))["data"] == "from a file"
    assert seen(run("-d", "@-", f"{origin.url}/post", stdin=b"from stdin"))["data"] == "from stdin"
    assert seen(run("-j", "@-", f"{origin.url}/post", stdin=b"[1]"))["json"] == [1]
    view = seen(run("-F", "a=1", "-F", "f=@x.txt", "-F", "g=@-", f"{origin.url}/post", stdin=b"typed"))
    assert (view["form"], view["files"]) == ({"a": "1"}, {"f": "from a file", "g": "typed"})


def test_credentials_are_sent(run: Callable[..., Any], origin: Any) -> None:
    assert seen(run("-a", "me:pass:word", f"{origin.url}/basic-auth/me/pass:word"))["authenticated"] is True
    assert seen(run("--bearer", "abc", f"{origin.url}/bearer?token=abc"))["authenticated"] is True


def test_redirects_are_followed_only_when_asked_to(run: Callable[..., Any], origin: Any) -> None:
    assert run(f"{origin.url}/redirect/2").out == "see Location\n"
    assert seen(run("-L", f"{origin.url}/redirect/2"))["url"] == f"{origin.url}/get"


def test_too_many_redirects_have_their_code(run: Callable[..., Any], origin: Any) -> None:
    result = run("-L", "--max-redirects", "1", f"{origin.url}/redirect/2")
    assert (result.code, result.data) == (47, b"")


def test_cookies_are_kept_on_the_way(run: Callable[..., Any], origin: Any) -> None:
    view = seen(run("-L", "-b", "mine=1", f"{origin.url}/cookies/set?theirs=2"))
    assert view["cookies"] == {"mine": "1", "theirs": "2"}


def test_tls_trusts_whom_it_is_told_to(run: Callable[..., Any], origin: Any) -> None:
    url = f"{origin.https_url}/get"
    refused = run(url)
    assert refused.code == 60
    assert refused.err.endswith("; here: --cacert FILE, or -k to trust anybody\n")
    assert seen(run("--cacert", origin.ca_pem, url))["url"] == url
    assert seen(run("-k", url))["url"] == url
    assert run("--cacert", "/no/such/file", url).code == 60


def test_a_client_certificate_is_shown() -> None:
    from hyperhttp.cli import main
    from hyperhttp.testing import Origin

    with Origin(verify_client=True) as strict:
        trust = ["--cacert", strict.ca_pem, "-q", "-o", "/dev/null", f"{strict.https_url}/get"]
        assert main(["--cert", strict.client_cert, *trust]) == 0
        assert main(trust) != 0


def test_time_limits_have_their_code(run: Callable[..., Any], origin: Any) -> None:
    for option in ("-t", "--max-time"):
        result = run(option, "0.1", f"{origin.url}/delay/3")
        assert result.code == 28
        assert result.err.startswith("hyperhttp: ")


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["http://127.0.0.1:1/"], 7, "Connection refused"),
        (["http://a b/"], 3, "invalid host"),
        (["ftp://127.0.0.1/"], 3, "ftp://"),
        (["--proxy", "http://127.0.0.1:1", "http://example.invalid/"], 7, "127.0.0.1:1"),
        (["--proxy", "nonsense://x", "http://127.0.0.1/"], 7, "nonsense"),
        (["-H", "Bad Name: x", "http://127.0.0.1/"], 2, "header name"),
        (["-H", "X: a\r\nb", "http://127.0.0.1/"], 2, "control character"),
        (["-b", "a=b;c", "http://127.0.0.1/"], 2, "cookie"),
        (["--max-time", "1e-400", "http://127.0.0.1:1/"], 7, "refused"),
        (["--plugins", "no-such", "http://127.0.0.1/"], 1, "no plugin 'no-such' is installed"),
    ],
    ids=str,
)
def test_each_failure_is_a_line_and_a_code(
    run: Callable[..., Any], arguments: list[str], code: int, reason: str
) -> None:
    result = run(*arguments)
    assert (result.code, result.data) == (code, b"")
    assert result.err.startswith("hyperhttp: ")
    assert result.err.count("\n") == 1
    assert reason.lower() in result.err.lower()


def test_the_proxy_of_the_environment_can_be_passed_by(
    run: Callable[..., Any], origin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert run(f"{origin.url}/get").code == 7
    assert run("--no-proxy", f"{origin.url}/get").code == 0


def test_plugins_can_be_done_without(run: Callable[..., Any], origin: Any) -> None:
    seen(run("--no-plugins", f"{origin.url}/get"))
    assert origin.requests[-1].headers["accept-encoding"] == "gzip, deflate"


def test_http2_is_spoken_or_not(run: Callable[..., Any], hyperhttp_http2_origin: Any) -> None:
    origin = hyperhttp_http2_origin
    trust = ["-i", "--cacert", origin.ca_pem]
    assert run("--http1", *trust, f"{origin.https_url}/get").out.startswith("HTTP/1.1 200")
    version = origin.requests[-1].http_version
    assert version == "HTTP/1.1"
    out = run(*trust, f"{origin.https_url}/get").out
    assert out.startswith(f"{origin.requests[-1].http_version} 200")
    out = run("--http2", "-i", f"{origin.url}/get").out
    assert out.startswith(f"{origin.requests[-1].http_version} 200")


def test_verbose_tells_the_wire_on_stderr(run: Callable[..., Any], origin: Any) -> None:
    result = run("-v", "-a", "me:hush", f"{origin.url}/get")
    json.loads(result.out)
    lines = result.err.splitlines()
    assert "> GET /get HTTP/1.1" in lines
    assert "> Authorization: Basic [secret]" in lines
    assert "< HTTP/1.1 200 OK" in lines
    assert lines[-1].endswith(" in all")


def test_verbose_tells_what_was_sent_when_it_failed(run: Callable[..., Any], origin: Any) -> None:
    result = run("-v", "-t", "0.1", f"{origin.url}/delay/3")
    assert result.code == 28
    lines = result.err.splitlines()
    assert "> GET /delay/3" in lines
    assert lines[-1].startswith("hyperhttp: ")
