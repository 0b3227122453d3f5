from __future__ import annotations

import io

import pytest

from hyperhttp.cli.progress import Progress


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")


def bar(total: int | None, columns: int = 80) -> tuple[Progress, Terminal, Clock]:
    stream, clock = Terminal(), Clock()
    return Progress(stream, total, clock=clock, columns=columns), stream, clock


def last_line(stream: Terminal) -> str:
    return stream.getvalue().split("\r")[-1].removesuffix("\x1b[K")


def test_a_bar_shows_share_size_rate_and_time_left() -> None:
    progress, stream, clock = bar(10_000_000)
    clock.now += 1.0
    progress.update(2_500_000)
    line = last_line(stream)
    assert line.startswith("━" * 8 + "─" * 24)
    assert line.endswith("  25%  2.5 MB of 10.0 MB  2.5 MB/s  ETA 0:03")
    assert len(line) <= 79


def test_without_a_total_there_is_no_bar() -> None:
    progress, stream, clock = bar(None)
    clock.now += 2.0
    progress.update(3_000_000)
    assert last_line(stream) == "3.0 MB  1.5 MB/s  2.00 s"


def test_the_rate_follows_smoothly() -> None:
    progress, stream, clock = bar(None)
    for done in (1_000_000, 2_000_000, 2_000_000):
        clock.now += 1.0
        progress.update(done)
    assert "800.0 kB/s" in last_line(stream)


def test_a_stop_at_the_beginning_has_no_time_left() -> None:
    progress, stream, clock = bar(1000)
    clock.now += 1.0
    progress.update(0)
    assert last_line(stream).endswith("0.0 B/s  ETA -") or last_line(stream).endswith("0 B/s  ETA -")


def test_hours_are_shown() -> None:
    progress, stream, clock = bar(36_000_000_000)
    clock.now += 1.0
    progress.update(5_000_000)
    assert last_line(stream).endswith("ETA 1:59:59")


def test_more_than_announced_is_not_more_than_all() -> None:
    progress, stream, clock = bar(1000)
    clock.now += 1.0
    progress.update(2000)
    assert "100%" in last_line(stream)
    assert last_line(stream).endswith("ETA 0:00")


def test_a_narrow_terminal_gets_no_bar() -> None:
    progress, stream, clock = bar(1_000_000, columns=50)
    clock.now += 1.0
    progress.update(500_000)
    assert last_line(stream).startswith(" 50%  ")


def test_what_is_over_at_once_is_not_drawn() -> None:
    progress, stream, clock = bar(1000)
    clock.now += 0.2
    progress.update(1000)
    progress.close()
    assert stream.getvalue() == ""


def test_it_is_not_drawn_more_often_than_one_can_see() -> None:
    progress, stream, clock = bar(1000)
    for done in range(100):
        clock.now += 0.01
        progress.update(done)
    assert 5 <= stream.getvalue().count("\r") <= 8


def test_the_line_is_taken_away() -> None:
    progress, stream, clock = bar(1000)
    clock.now += 1.0
    progress.update(500)
    progress.close()
    progress.close()
    assert stream.getvalue().endswith("\r\x1b[K")
    assert stream.getvalue().count("\r") == 2


def test_nothing_is_drawn_where_nobody_looks() -> None:
    stream, clock = io.StringIO(), Clock()
    progress = Progress(stream, 1000, clock=clock)
    clock.now += 5.0
    progress.update(500)
    progress.close()
    assert stream.getvalue() == ""


def test_a_dumb_terminal_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    progress, stream, clock = bar(1000)
    clock.now += 5.0
    progress.update(500)
    assert stream.getvalue() == ""
