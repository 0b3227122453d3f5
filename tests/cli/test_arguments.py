from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.cli.arguments import CommandParser, parse_options
from hyperhttp.cli.exits import CODES, CommandError

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "http://127.0.0.1/"


def test_a_url_is_enough() -> None:
    options = parse_options([URL])
    assert (options.url, options.method, options.timeout, options.plugins) == (URL, None, 30.0, None)
    assert (options.verify, options.follow, options.pretty) == (True, False, None)


@pytest.mark.parametrize(
    "arguments",
    [["PUT", URL], ["put", URL], ["-X", "PUT", URL], [URL, "--method=put"], ["put", "-v", URL]],
    ids=" ".join,
)
def test_the_method_is_an_option_or_a_word_before_the_url(arguments: list[str]) -> None:
    options = parse_options(arguments)
    assert (options.method, options.url) == ("PUT", URL)


def test_an_unknown_method_keeps_its_case() -> None:
    assert parse_options(["Purge", URL]).method == "Purge"


def test_options_stand_before_between_and_behind() -> None:
    options = parse_options(["-i", "POST", "-d", "x", URL, "-L"])
    assert (options.method, options.data, options.include, options.follow) == ("POST", "x", True, True)


def test_what_may_be_repeated_is_kept_in_order() -> None:
    arguments = ["-p", "a=1", "-p", "a=2", "-F", "f=", "-b", "c=d=e", "-H", "A: 1", "-H", "a:2"]
    options = parse_options([*arguments, URL])
    assert options.param == [("a", "1"), ("a", "2")]
    assert options.form == [("f", "")]
    assert options.cookie == [("c", "d=e")]
    assert options.header == [("A", "1"), ("a", "2")]
    assert parse_options([URL]).param == []


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("Name: value", ("Name", "value")),
        ("Name:value:more", ("Name", "value:more")),
        ("Name:", ("Name", None)),
        ("Name;", ("Name", "")),
    ],
)
def test_a_field_may_be_set_left_out_or_empty(text: str, field: tuple[str, str | None]) -> None:
    assert parse_options(["-H", text, URL]).header == [field]


@pytest.mark.parametrize(("text", "seconds"), [("0", None), ("0.5", 0.5), ("3", 3.0)])
def test_no_seconds_are_no_limit(text: str, seconds: float | None) -> None:
    options = parse_options(["-t", text, "--max-time", text, "--connect-timeout", text, URL])
    assert (options.timeout, options.max_time, options.connect_timeout) == (seconds,) * 3


def test_plugins_are_chosen_by_name() -> None:
    assert parse_options(["--plugins", "zstd, brotli,", URL]).plugins == ["zstd", "brotli"]
    assert parse_options(["--no-plugins", URL]).plugins == []


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ([], "a URL is missing"),
        (["-v"], "a URL is missing"),
        (["GET", URL, URL], "one METHOD and one URL"),
        (["GET", "-X", "PUT", URL], "the method is given twice"),
        (["G T", URL], "is no method"),
        (["-X", "", URL], "is no method"),
        (["--verbos", URL], "unrecognized arguments: --verbos"),
        (["-X"], "expected one argument"),
        (["-H", "no colon", URL], "is not 'Name: value'"),
        (["-H", ": value", URL], "is not 'Name: value'"),
        (["-p", "name", URL], "is not name=value"),
        (["-p", "=value", URL], "is not name=value"),
        (["-t", "soon", URL], "is no number of seconds"),
        (["-t", "-1", URL], "is no number of seconds"),
        (["-t", "inf", URL], "is no number of seconds"),
        (["-t", "nan", URL], "is no number of seconds"),
        (["--max-redirects", "-1", URL], "is no number"),
        (["-d", "a", "-d", "b", URL], "-d is given twice"),
        (["-d", "a", "-j", "{}", URL], "one content"),
        (["-F", "a=b", "-j", "{}", URL], "one content"),
        (["-a", "a:b", "--bearer", "c", URL], "either -a or --bearer"),
        (["-o", "x", "-O", URL], "either -o or -O"),
        (["--key", "x", URL], "--key needs --cert"),
        (["--http1", "--http2", URL], "either --http1 or --http2"),
    ],
    ids=str,
)
def test_what_makes_no_sense_is_refused_in_a_line(arguments: list[str], reason: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse_options(arguments)
    assert caught.value.code == 2
    assert reason in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hyperhttp --help" in str(caught.value)


def test_a_parser_names_its_own_help() -> None:
    with pytest.raises(CommandError, match="hyperhttp demo --help lists what there is"):
        CommandParser(prog="hyperhttp demo").parse_args(["--no"])


def test_the_version_is_shown_among_other_options(run: Callable[..., Any]) -> None:
    result = run("-v", "--version", URL)
    assert (result.code, result.out) == (0, f"hyperhttp {hyperhttp.__version__}\n")


def test_help_lists_options_commands_exit_codes_and_variables(run: Callable[..., Any]) -> None:
    result = run("--help")
    assert (result.code, result.err) == (0, "")
    for text in ("-X, --method METHOD", "--json-pretty", "demo", "plugins", "NO_COLOR", "HYPERHTTP_DEBUG"):
        assert text in result.out
    for code, meaning in CODES.items():
        assert f"{code:>3}  {meaning}\n" in result.out


def test_help_fits_into_eighty_columns(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    lines = run("--help").out.splitlines()
    assert [line for line in lines if len(line) > 80] == []


def test_help_is_there_even_when_a_plugin_is_broken(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    from hyperhttp.plugins import manager

    def compile_plugins() -> None:
        raise manager.PluginError("plugin 'sad' could not be loaded")

    monkeypatch.setattr(manager, "compile_plugins", compile_plugins)
    result = run("-h")
    assert result.code == 0
    assert "commands of plugins are missing: plugin 'sad' could not be loaded" in result.out
