from __future__ import annotations

import signal
import sys
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.plugins import compiled, manager

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], None]:
    """Lets a plugin bring the command ``greet``."""

    def install(function: Callable[[Sequence[str]], int]) -> None:
        real = manager.compile_plugins
        commands = {"greet": compiled.Command("greet", function, "say hello")}
        monkeypatch.setattr(manager, "compile_plugins", lambda plugins=None: replace(real(plugins), commands=commands))

    return install


def test_a_plugin_brings_a_command(run: Callable[..., Any], command: Callable[[Any], None]) -> None:
    def greet(arguments: Sequence[str]) -> int:
        print("hello", *arguments)
        return 7

    command(greet)
    result = run("greet", "you", "--there")
    assert (result.code, result.out) == (7, "hello you --there\n")


def test_commands_of_plugins_are_in_the_help(run: Callable[..., Any], command: Callable[[Any], None]) -> None:
    command(lambda arguments: 0)
    assert "  greet                 say hello\n" in run("--help").out


@pytest.mark.parametrize(
    ("code", "expected", "err"),
    [(None, 0, ""), (0, 0, ""), (5, 5, ""), ("it is over", 1, "hyperhttp: it is over\n")],
)
def test_a_command_may_exit(
    run: Callable[..., Any], command: Callable[[Any], None], code: object, expected: int, err: str
) -> None:
    def leave(arguments: Sequence[str]) -> int:
        sys.exit(code)  # type: ignore[arg-type]  # what argparse and others do

    command(leave)
    result = run("greet")
    assert (result.code, result.err) == (expected, err)


def test_a_command_that_fails_is_a_line(
    run: Callable[..., Any], command: Callable[[Any], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(arguments: Sequence[str]) -> int:
        raise KeyError("x\x1b[2J\n")

    command(fail)
    result = run("greet")
    assert result.code == 1
    assert result.err == "hyperhttp: unexpected KeyError: 'x\\x1b[2J\\n' (HYPERHTTP_DEBUG=1 shows where)\n"
    monkeypatch.setenv("HYPERHTTP_DEBUG", "1")
    with pytest.raises(KeyError):
        run("greet")


def test_a_word_that_is_no_command_is_a_host(run: Callable[..., Any], command: Callable[[Any], None]) -> None:
    command(lambda arguments: 9)
    result = run("greetings", "-v", "--proxy", "http://127.0.0.1:1")
    assert result.code == 7
    assert "https://greetings" in result.err


def test_no_plugins_means_no_commands_of_plugins(run: Callable[..., Any], command: Callable[[Any], None]) -> None:
    command(lambda arguments: 9)
    assert run("greet", "--no-plugins", "--proxy", "http://127.0.0.1:1").code == 7


@pytest.mark.parametrize(
    ("arguments", "usage"),
    [
        (["help"], "usage: hyperhttp [OPTIONS] [METHOD] URL"),
        (["help", "plugins"], "usage: hyperhttp plugins"),
        (["help", "demo"], "usage: hyperhttp demo"),
        (["demo", "--help"], "usage: hyperhttp demo"),
    ],
    ids=" ".join,
)
def test_help_is_a_command_too(run: Callable[..., Any], arguments: list[str], usage: str) -> None:
    result = run(*arguments)
    assert result.code == 0
    assert result.out.startswith(usage)


def test_nothing_at_all_is_a_wrong_use(run: Callable[..., Any]) -> None:
    result = run()
    assert result.code == 2
    assert result.err == "hyperhttp: a URL is missing; hyperhttp --help lists what there is\n"


def test_a_file_that_breaks_while_it_is_sent_is_named(run: Callable[..., Any], command: Callable[[Any], None]) -> None:
    def fail(arguments: Sequence[str]) -> int:
        raise PermissionError(13, "Permission denied", "secret.txt")

    command(fail)
    result = run("greet")
    assert (result.code, result.err) == (26, "hyperhttp: cannot read secret.txt: Permission denied\n")


# -- as a program of its own ------------------------------------------------------------------------------


def test_a_reader_that_goes_away_ends_it_in_silence(start: Callable[..., Any], origin: Any) -> None:
    with start(f"{origin.url}/bytes/20000000") as process:
        assert process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait(10.0) == 141


def test_an_interrupt_ends_it_with_a_line(start: Callable[..., Any], origin: Any) -> None:
    with start(f"{origin.url}/delay/10") as process:
        deadline = time.monotonic() + 10.0
        while not origin.requests and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.stderr.read() == b"hyperhttp: interrupted\n"
        assert process.wait(10.0) == 130


def test_an_interrupted_download_leaves_no_file(start: Callable[..., Any], origin: Any, in_folder: Any) -> None:
    with start("-O", f"{origin.url}/drip?numbytes=100&duration=10") as process:
        deadline = time.monotonic() + 10.0
        while not list(in_folder.iterdir()) and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        assert process.wait(10.0) == 130
    assert list(in_folder.iterdir()) == []


def test_there_is_no_traceback_unless_asked_for(start: Callable[..., Any]) -> None:
    with start("http://127.0.0.1:1/") as process:
        _, err = process.communicate()
    assert (process.returncode, err.count(b"\n"), b"Traceback" in err) == (7, 1, False)
    with start("http://127.0.0.1:1/", env={"HYPERHTTP_DEBUG": "1"}) as process:
        _, err = process.communicate()
    assert (process.returncode, b"Traceback" in err) == (1, True)


def test_an_error_has_colour_on_a_terminal(in_terminal: Callable[..., Any]) -> None:
    code, shown = in_terminal("http://127.0.0.1:1/")
    assert code == 7
    assert shown.startswith("\x1b[1;31mhyperhttp:\x1b[0m cannot connect to 127.0.0.1:1")
