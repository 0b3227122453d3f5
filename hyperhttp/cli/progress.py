"""A progress bar: one line that is drawn again and again while something arrives."""

from __future__ import annotations

import shutil
import time
from typing import TYPE_CHECKING, Final, TextIO

from hyperhttp.cli.style import Style, duration, size

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Progress"]

_INTERVAL: Final = 0.1  # seconds between two drawings
_PATIENCE: Final = 0.3  # what is over sooner needs no bar
_SMOOTHING: Final = 0.2  # weight of the latest interval in the rate
_WIDEST: Final = 40


class Progress:
    """Shows how much has arrived, how fast, and how long it will take.

    Args:
        stream: where it is drawn; nothing is where that is no terminal.
        total: bytes there will be, or None.
        clock: gives seconds.
        columns: width of the terminal; asked for by default.
    """

    def __init__(
        self,
        stream: TextIO,
        total: int | None,
        *,
        clock: Callable[[], float] = time.monotonic,
        columns: int | None = None,
    ) -> None:
        self._stream = stream
        self._style = Style(stream)
        self._total = total
        self._clock = clock
        self._columns = columns
        self._started = clock()
        self._drawn_at = self._started + _PATIENCE - _INTERVAL
        self._rate_at, self._rate_done, self._rate = self._started, 0, 0.0
        self._is_drawn = False

    def update(self, done: int) -> None:
        """Say how many bytes have arrived; draws when it is time to."""
        now = self._clock()
        if not self._style.is_smart or now - self._drawn_at < _INTERVAL:
            return
        self._drawn_at = now
        self._measure(done, now)
        self._stream.write(f"\r{self.line(done)}\x1b[K")
        self._stream.flush()
        self._is_drawn = True

    def close(self) -> None:
        """Take the line away."""
        if self._is_drawn:
            self._stream.write("\r\x1b[K")
            self._stream.flush()
            self._is_drawn = False

    def line(self, done: int) -> str:
        """The line as it looks with `done` bytes."""
        total = self._total
        if total is None or total <= 0:
            elapsed = duration(max(self._clock() - self._started, 0.0))
            return f"{size(done)}  {size(self._rate)}/s  {elapsed}"
        share = min(done / total, 1.0)
        left = _clock((total - done) / self._rate) if self._rate > 0 else "-"
        facts = f"{size(done)} of {size(total)}  {size(self._rate)}/s  ETA {left}"
        room = min(self._width() - len(facts) - 9, _WIDEST)
        bar = f"{self._bar(share, room)} " if room >= 10 else ""
        return f"{bar}{share:>4.0%}  {facts}"

    def _bar(self, share: float, room: int) -> str:
        filled = round(share * room)
        style = self._style
        done, left = style.sign("━") * filled, style.sign("─") * (room - filled)
        return style.paint(done, "green") + style.paint(left, "dim")

    def _measure(self, done: int, now: float) -> None:
        """Follow the rate: the latest interval counts a fifth, so that it neither jumps nor lags."""
        passed = now - self._rate_at
        if passed <= 0:
            return
        latest = (done - self._rate_done) / passed
        self._rate = latest if self._rate == 0 else self._rate + _SMOOTHING * (latest - self._rate)
        self._rate_at, self._rate_done = now, done

    def _width(self) -> int:
        return shutil.get_terminal_size().columns if self._columns is None else self._columns


def _clock(seconds: float) -> str:
    """Time left: ``0:07``, ``2:05:00``."""
    minutes, rest = divmod(round(max(seconds, 0.0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
