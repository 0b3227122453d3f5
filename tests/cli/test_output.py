from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.cli.exits import CommandError
from hyperhttp.cli.output import Screen, looks_binary

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize(
    ("data", "content_type", "expected"),
    [
        (b"", "", False),
        (b"plain", "", False),
        ("ümläut".encode(), "application/octet-stream", False),
        ("ümläut".encode("latin-1"), "text/plain", False),
        ("ümläut and more".encode("latin-1"), "application/x-thing", True),
        ("ümläut".encode("latin-1"), "application/x-thing; charset=latin-1", False),
        (b"\x89PNG\r\n\x1a\n\0\0", "image/png", True),
        (b"a\0b", "text/plain", True),
        ("text".encode("utf-16"), "text/plain; charset=utf-16", False),
        (b"\xff\xfe\xfd\xfc\xfb and so on", "", True),
        (b"cut in two: \xe2\x82", "", False),
        (b"\x1b[31mred\x1b[0m", "", False),
        (b"{\xff}", "application/json; charset=utf-8", False),
        (b"x" * 4095 + "€".encode(), "", False),
    ],
)
def test_binary_content_is_known_by_its_first_bytes(data: bytes, content_type: str, expected: bool) -> None:
    assert looks_binary(data, content_type) is expected


# -- to a pipe --------------------------------------------------------------------------------------------


def test_content_goes_out_as_it_is(run: Callable[..., Any], origin: Any) -> None:
    result = run(f"{origin.url}/bytes/100000?seed=1")
    with hyperhttp.SyncClient() as client:
        assert result.data == client.get(f"{origin.url}/bytes/100000?seed=1").content
    assert (result.code, result.err) == (0, "")


def test_coded_content_is_decoded(run: Callable[..., Any], origin: Any) -> None:
    assert json.loads(run(f"{origin.url}/gzip").out)["gzipped"] is True


def test_json_is_left_alone_unless_asked_for(run: Callable[..., Any], origin: Any) -> None:
    url = f"{origin.url}/response-headers?a=1"
    with hyperhttp.SyncClient() as client:
        plain = client.get(url).text
    assert run(url).out == plain
    formatted = run("--json-pretty", url).out
    assert json.loads(formatted) == json.loads(plain)
    assert '\n  "a": "1"' in formatted


@pytest.mark.parametrize("path", ["/stream/3", "/html", "/encoding/utf-8"])
def test_what_is_not_one_json_text_is_never_formatted(run: Callable[..., Any], origin: Any, path: str) -> None:
    assert run("--json-pretty", f"{origin.url}{path}").data == run(f"{origin.url}{path}").data


def test_json_that_is_too_long_to_be_formatted_goes_out_as_it_comes(
    run: Callable[..., Any], origin: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hyperhttp.cli.output._MAX_PRETTY", 10)
    assert run("--json-pretty", f"{origin.url}/json").data == run(f"{origin.url}/json").data


def test_json_in_another_encoding_is_not_lost(run: Callable[..., Any], origin: Any) -> None:
    @origin.route("/latin-json")
    def latin(exchange: Any) -> Any:
        from hyperhttp.testing import Reply

        return Reply(200, [("Content-Type", "application/json")], '"ü"'.encode("latin-1"))

    assert run("--json-pretty", f"{origin.url}/latin-json").out == '"\ufffd"'


def test_half_of_a_json_text_is_shown_before_the_error(run: Callable[..., Any], origin: Any) -> None:
    result = run("--json-pretty", f"{origin.url}/json?fault=truncate")
    assert result.code == 56
    assert result.out.lstrip().startswith("{")
    assert result.err.startswith("hyperhttp: ")


def test_the_head_is_shown_before_the_content(run: Callable[..., Any], origin: Any) -> None:
    head, _, content = run("-i", f"{origin.url}/response-headers?X-A=b").out.partition("\n\n")
    lines = head.splitlines()
    assert lines[0] == "HTTP/1.1 200 OK"
    assert "X-A: b" in lines
    assert json.loads(content) == {"X-A": "b"}


def test_the_heads_of_redirects_are_shown_too(run: Callable[..., Any], origin: Any) -> None:
    out = run("-i", "-L", f"{origin.url}/redirect/2").out
    assert [line for line in out.splitlines() if line.startswith("HTTP/")] == [
        "HTTP/1.1 302 Found",
        "HTTP/1.1 302 Found",
        "HTTP/1.1 200 OK",
    ]


@pytest.mark.parametrize("arguments", [["-I"], ["-I", "-X", "GET"]], ids=str)
def test_the_head_alone_is_shown(run: Callable[..., Any], origin: Any, arguments: list[str]) -> None:
    result = run(*arguments, f"{origin.url}/html")
    assert result.out.startswith("HTTP/1.1 200 OK\n")
    assert result.out.endswith("\n\n")
    assert "lighthouse" not in result.out
    assert origin.requests[-1].method == ("GET" if "GET" in arguments else "HEAD")


def test_an_error_has_its_content_and_no_exit_code(run: Callable[..., Any], origin: Any) -> None:
    result = run(f"{origin.url}/status/404")
    assert (result.code, result.out, result.err) == (0, "404 Not Found", "")


@pytest.mark.parametrize("status", [404, 503])
def test_an_error_fails_when_asked_to(run: Callable[..., Any], origin: Any, status: int) -> None:
    result = run("-f", f"{origin.url}/status/{status}")
    assert (result.code, result.data) == (22, b"")
    assert result.err.startswith(f"hyperhttp: the server answered {status} ")
    assert result.err.count("\n") == 1


def test_what_is_no_error_does_not_fail(run: Callable[..., Any], origin: Any) -> None:
    assert run("-f", f"{origin.url}/redirect/1").code == 0


def test_memory_stays_the_same_whatever_the_size(origin: Any) -> None:
    def peak(size: int) -> int:
        """Kilobytes."""
        text = (
            "import resource, sys; from hyperhttp.cli import main;"
            f"code = main([{origin.url!r} + '/bytes/{size}', '-o', '-']);"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr); sys.exit(code)"
        )
        command = [sys.executable, "-c", text]
        done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
        return int(done.stderr)

    assert peak(48 * 1024 * 1024) - peak(1024 * 1024) < 8 * 1024


def test_a_stdout_that_takes_nothing_is_told(start: Callable[..., Any], origin: Any) -> None:
    with Path("/dev/full").open("wb") as full, start(f"{origin.url}/bytes/100000", stdout=full) as process:
        _, err = process.communicate()
    assert process.returncode == 23
    assert err == b"hyperhttp: cannot write to stdout: No space left on device\n"


# -- to a file --------------------------------------------------------------------------------------------


def test_content_goes_into_a_file(run: Callable[..., Any], origin: Any, in_folder: Path) -> None:
    result = run("-o", "x.bin", f"{origin.url}/bytes/5000?seed=1")
    assert (result.code, result.data, result.err) == (0, b"", "")
    assert (in_folder / "x.bin").stat().st_size == 5000
    assert [path.name for path in in_folder.iterdir()] == ["x.bin"]


def test_a_named_file_is_replaced(run: Callable[..., Any], origin: Any, in_folder: Path) -> None:
    (in_folder / "x").write_text("old")
    assert run("-o", "x", f"{origin.url}/bytes/10").code == 0
    assert (in_folder / "x").stat().st_size == 10


def test_a_minus_is_stdout(run: Callable[..., Any], origin: Any, in_folder: Path) -> None:
    assert len(run("-o", "-", f"{origin.url}/bytes/10").data) == 10
    assert list(in_folder.iterdir()) == []


def test_a_download_names_itself(run: Callable[..., Any], origin: Any, in_folder: Path) -> None:
    result = run("-O", f"{origin.url}/bytes/3000")
    assert (result.code, result.data) == (0, b"")
    assert result.err.startswith("hyperhttp: saved 3000 (3.0 kB in ")
    assert (in_folder / "3000").stat().st_size == 3000


def test_a_quiet_download_says_nothing(run: Callable[..., Any], origin: Any, in_folder: Path) -> None:
    assert run("-q", "-O", f"{origin.url}/bytes/3000").err == ""


def test_a_server_suggests_a_name_and_no_more(run: Callable[..., Any], origin: Any, in_folder: Path) -> None:
    disposition = 'attachment; filename="../../.evil.sh"'
    result = run("-O", f"{origin.url}/response-headers", "-p", f"Content-Disposition={disposition}")
    assert result.code == 0
    assert [path.name for path in in_folder.iterdir()] == ["evil.sh"]


def test_the_name_is_that_of_the_url_that_was_typed(run: Callable[..., Any], origin: Any, in_folder: Path) -> None:
    result = run("-O", f"{origin.url}/redirect/1")
    assert result.code == 0
    assert [path.name for path in in_folder.iterdir()] == ["1"]


def test_a_download_overwrites_only_by_force(run: Callable[..., Any], origin: Any, in_folder: Path) -> None:
    (in_folder / "10").write_text("old")
    result = run("-O", f"{origin.url}/bytes/10")
    assert (result.code, result.err) == (
        23,
        "hyperhttp: cannot write 10: the file exists; --force overwrites it\n",
    )
    assert (in_folder / "10").read_text() == "old"
    assert run("-O", "--force", f"{origin.url}/bytes/10").code == 0
    assert (in_folder / "10").stat().st_size == 10


@pytest.mark.parametrize("option", [["-O"], ["-o", "x"]], ids=str)
@pytest.mark.parametrize("fault", ["truncate", "reset-body"])
def test_half_a_download_leaves_no_file(
    run: Callable[..., Any], origin: Any, in_folder: Path, option: list[str], fault: str
) -> None:
    result = run(*option, f"{origin.url}/bytes/100000?fault={fault}")
    assert result.code == 56
    assert list(in_folder.iterdir()) == []


def test_an_error_page_is_no_download(run: Callable[..., Any], origin: Any, in_folder: Path) -> None:
    result = run("-O", f"{origin.url}/status/404")
    assert (result.code, list(in_folder.iterdir())) == (22, [])


# -- to a terminal ----------------------------------------------------------------------------------------


def test_a_terminal_gets_formatted_json_in_colours(in_terminal: Callable[..., Any], origin: Any) -> None:
    code, shown = in_terminal(f"{origin.url}/response-headers?a=1")
    assert code == 0
    assert '  \x1b[34;1m"a"\x1b[0m: \x1b[32m"1"\x1b[0m\n' in shown


def test_no_color_is_respected(in_terminal: Callable[..., Any], origin: Any) -> None:
    code, shown = in_terminal("-i", f"{origin.url}/response-headers?a=1", NO_COLOR="1")
    assert code == 0
    assert shown.startswith("HTTP/1.1 200 OK\n")
    assert "\x1b" not in shown
    assert '\n{\n  "a": "1"\n}\n' in shown


def test_json_is_left_alone_on_a_terminal_too_when_asked_to(in_terminal: Callable[..., Any], origin: Any) -> None:
    @origin.route("/compact")
    def compact(exchange: Any) -> Any:
        from hyperhttp.testing import Reply

        return Reply(200, [("Content-Type", "application/json")], b'{"a":1}')

    assert in_terminal("--no-json-pretty", f"{origin.url}/compact") == (0, '{"a":1}\n')


def test_the_head_has_colours_on_a_terminal(in_terminal: Callable[..., Any], origin: Any) -> None:
    _, shown = in_terminal("-I", f"{origin.url}/status/404")
    assert "\x1b[1;31m404 Not Found\x1b[0m" in shown
    assert "\x1b[36mContent-Type\x1b[0m: text/plain" in shown


def test_binary_content_is_not_shown_on_a_terminal(in_terminal: Callable[..., Any], origin: Any) -> None:
    code, shown = in_terminal(f"{origin.url}/image/png")
    assert code == 0
    assert shown.startswith("hyperhttp: ")
    assert "of image/png not shown on a terminal: -o FILE saves it" in shown
    assert "PNG" not in shown


def test_binary_content_is_shown_when_asked_for(in_terminal: Callable[..., Any], origin: Any) -> None:
    _, shown = in_terminal("-o", "-", f"{origin.url}/range/100")
    assert shown.startswith("abcdefgh")


def test_text_in_another_charset_is_readable_on_a_terminal(in_terminal: Callable[..., Any], origin: Any) -> None:
    _, shown = in_terminal(f"{origin.url}/encoding/iso-8859-1", PYTHONIOENCODING="utf-8")
    assert "Füße, Größe, Äpfel" in shown
    assert shown.endswith("\n")


def test_a_download_shows_its_progress_on_a_terminal(
    in_terminal: Callable[..., Any], origin: Any, in_folder: Path
) -> None:
    code, shown = in_terminal("-O", f"{origin.url}/drip?numbytes=12&duration=1.2", NO_COLOR="1")
    assert code == 0
    assert "%  " in shown
    assert " of 12 B  " in shown
    assert "ETA 0:0" in shown
    assert "\r\x1b[Khyperhttp: saved drip (12 B in " in shown
    assert (in_folder / "drip").read_bytes() == b"*" * 12


def test_content_for_a_file_behind_stdout_shows_its_progress(
    start: Callable[..., Any], origin: Any, in_folder: Path
) -> None:
    import os
    import pty

    master, slave = pty.openpty()
    with Path("x").open("wb") as file:
        process = start(f"{origin.url}/drip?numbytes=8&duration=0.8", stdout=file, stderr=slave)
        os.close(slave)
        with process:
            assert process.wait(10.0) == 0
    assert b"ETA" in os.read(master, 10_000)
    os.close(master)
    assert (in_folder / "x").read_bytes() == b"*" * 8


# -- the screen -------------------------------------------------------------------------------------------


class Stream(io.TextIOWrapper):
    def __init__(self, error: OSError | None = None) -> None:
        super().__init__(io.BytesIO(), encoding="ascii")
        self.error = error

    @property
    def buffer(self) -> Any:  # type: ignore[override]
        if self.error is not None:
            raise self.error
        return super().buffer


def test_what_the_encoding_lacks_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Stream()
    monkeypatch.setattr(sys, "stdout", stream)
    Screen().write_text("aü")
    assert stream.buffer.getvalue() == b"a?"


def test_a_reader_that_went_away_is_no_failure_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Stream(BrokenPipeError(32, "Broken pipe")))
    with pytest.raises(BrokenPipeError):
        Screen().write(b"x")


def test_a_failure_to_write_has_a_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", Stream(OSError(5, "Input/output error")))
    with pytest.raises(CommandError, match="cannot write to stdout: Input/output error") as caught:
        Screen().write(b"x")
    assert caught.value.code == 23


def test_remarks_are_cleaned_and_quiet_ones_are_not_made(capsys: pytest.CaptureFixture[str]) -> None:
    Screen(quiet=True).remark("a")
    Screen().remark("b\x1b[2J")
    assert capsys.readouterr().err == "hyperhttp: b\\x1b[2J\n"
