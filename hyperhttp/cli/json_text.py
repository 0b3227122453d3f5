"""JSON as a person reads it: indented, in colours, and otherwise untouched.

The text is laid out anew piece by piece, not loaded and dumped: numbers keep their digits, objects their
double names and strings their escapes (RFC 8259).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperhttp.cli.style import Style

__all__ = ["is_json", "pretty"]

_WORD: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_INDENT: Final = "  "


def is_json(media_type: str) -> bool:
    """Whether content of this type is one JSON text."""
    return media_type == "application/json" or media_type.endswith("+json")


def pretty(text: str, style: Style) -> str | None:
    """The JSON text on several lines, without a line end; None where it is not JSON."""
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return None
    return "".join(_layout(_WORD.findall(text), style))


def _layout(words: list[str], style: Style) -> Iterator[str]:
    depth = 0
    for place, word in enumerate(words):
        following = words[place + 1] if place + 1 < len(words) else ""
        if word in "{[":
            yield word
            if following not in "}]":
                depth += 1
                yield _line(depth)
        elif word in "}]":
            if words[place - 1] not in "{[":
                depth -= 1
                yield _line(depth)
            yield word
        elif word == ",":
            yield word + _line(depth)
        elif word == ":":
            yield ": "
        else:
            yield _value(word, style, is_name=following == ":")


def _line(depth: int) -> str:
    return "\n" + _INDENT * depth


def _value(word: str, style: Style, *, is_name: bool) -> str:
    if is_name:
        return style.paint(word, "blue", "bold")
    if word[0] == '"':
        return style.paint(word, "green")
    return style.paint(word, "yellow" if word in ("true", "false", "null") else "cyan")
