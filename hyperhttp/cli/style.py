"""What text looks like: colours where a person looks at a terminal, and figures a person can read.

Colours are ANSI escapes, written only to a terminal that takes them, and never where ``NO_COLOR`` is set.
What comes from a server is cleaned first: it must not move the cursor or turn text around.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, Final, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Style", "duration", "printable", "size"]

# C0 and C1 controls but tab; marks that change the direction of text.
_UNPRINTABLE: Final = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_UNITS: Final = ("kB", "MB", "GB", "TB")
_COLOURS: Final = {"bold": 1, "dim": 2, "red": 31, "green": 32, "yellow": 33, "blue": 34, "cyan": 36}
_SIGNS: Final = {"✓": "ok", "✗": "FAILED", "–": "-", "→": "->", "·": "-", "…": "...", "━": "#", "─": "."}


class Style:
    """How to write to one stream.

    Args:
        stream: where the text goes.
        environ: where ``NO_COLOR`` and ``TERM`` are looked up; the process's by default.

    Attributes:
        is_terminal: a person looks at it.
        is_smart: the cursor can be moved back to the start of the line.
        has_colour: colours may be used.
        has_signs: it takes more than ASCII.
    """

    def __init__(self, stream: TextIO, environ: Mapping[str, str] | None = None) -> None:
        environ = os.environ if environ is None else environ
        self.is_terminal = stream.isatty()
        self.is_smart = self.is_terminal and environ.get("TERM") != "dumb"
        self.has_colour = self.is_smart and not environ.get("NO_COLOR")
        self.has_signs = _takes_signs(stream)

    def paint(self, text: str, *colours: str) -> str:
        """The text in colours: ``bold``, ``dim``, ``red``, ``green``, ``yellow``, ``blue``, ``cyan``."""
        if not self.has_colour or not text:
            return text
        codes = ";".join(str(_COLOURS[colour]) for colour in colours)
        return f"\x1b[{codes}m{text}\x1b[0m"

    def sign(self, sign: str) -> str:
        """A sign such as a tick, or what stands for it where only ASCII can be written."""
        return sign if self.has_signs else _SIGNS[sign]

    def plain(self, text: str) -> str:
        """Text with its signs replaced where only ASCII can be written."""
        if self.has_signs:
            return text
        for sign, instead in _SIGNS.items():
            text = text.replace(sign, instead)
        return text


def printable(text: str) -> str:
    """Text of somebody else's on one line, with control characters shown instead of obeyed."""
    return _UNPRINTABLE.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def size(count: float) -> str:
    """A number of bytes: ``512 B``, ``1.5 kB``, ``23.0 MB``."""
    if count < 999.95:
        return f"{count:.0f} B"
    step = 0
    while count >= 999.95 and step < len(_UNITS):
        count /= 1000
        step += 1
    return f"{count:.1f} {_UNITS[step - 1]}"


def duration(seconds: float) -> str:
    """A time: ``0.4 ms``, ``35 ms``, ``1.25 s``, ``2:05``, ``1:02:05``."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.2f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _takes_signs(stream: TextIO) -> bool:
    try:
        "".join(_SIGNS).encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
