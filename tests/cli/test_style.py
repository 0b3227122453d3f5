from __future__ import annotations

import io

import pytest

from hyperhttp.cli.style import Style, duration, printable, size


class Terminal(io.TextIOWrapper):
    def __init__(self, encoding: str = "utf-8") -> None:
        super().__init__(io.BytesIO(), encoding=encoding)

    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_colours() -> None:
    style = Style(Terminal(), {"TERM": "xterm"})
    assert (style.is_terminal, style.is_smart) == (True, True)
    assert style.paint("x", "bold", "red") == "\x1b[1;31mx\x1b[0m"
    assert style.paint("", "red") == ""


@pytest.mark.parametrize(("environ", "is_smart"), [({"NO_COLOR": "1"}, True), ({"TERM": "dumb"}, False)], ids=str)
def test_a_terminal_that_wants_none_gets_no_colours(environ: dict[str, str], is_smart: bool) -> None:
    style = Style(Terminal(), environ)
    assert (style.is_terminal, style.is_smart, style.has_colour) == (True, is_smart, False)
    assert style.paint("x", "red") == "x"


def test_an_empty_no_color_is_as_good_as_none() -> None:
    assert Style(Terminal(), {"NO_COLOR": ""}).has_colour


def test_what_is_no_terminal_gets_no_colours() -> None:
    style = Style(io.StringIO(), {"TERM": "xterm"})
    assert (style.is_terminal, style.is_smart, style.has_colour) == (False, False, False)


def test_signs_are_spelt_out_where_only_ascii_can_be_written() -> None:
    rich, poor = Style(Terminal(), {}), Style(Terminal("ascii"), {})
    assert (rich.sign("✓"), poor.sign("✓")) == ("✓", "ok")
    assert rich.plain("1 → 2") == "1 → 2"
    assert poor.plain("1 → 2 · …") == "1 -> 2 - ..."


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ümläut, 日本", "plain text, ümläut, 日本"),
        ("a\tb", "a\tb"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\r\nb", "a\\x0d\\x0ab"),
        ("\x9b31m", "\\x9b31m"),
        ("abc\u202etxt.exe", "abc\\x202etxt.exe"),
        ("\x7f\x00", "\\x7f\\x00"),
    ],
)
def test_control_characters_are_shown_and_not_obeyed(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (1550, "1.6 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (23_000_000, "23.0 MB"),
        (5e9, "5.0 GB"),
        (7.25e15, "7250.0 TB"),
    ],
)
def test_sizes_have_the_unit_that_fits(count: float, text: str) -> None:
    assert size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.0 ms"),
        (0.0004, "0.4 ms"),
        (0.0354, "35 ms"),
        (0.9996, "1.00 s"),
        (1.25, "1.25 s"),
        (59.9, "59.90 s"),
        (125, "2:05"),
        (3725, "1:02:05"),
    ],
)
def test_times_have_the_unit_that_fits(seconds: float, text: str) -> None:
    assert duration(seconds) == text
