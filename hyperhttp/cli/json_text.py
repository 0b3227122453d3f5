"""JSON as a person reads it: indented, in colours, and otherwise untouched.

The text is laid out anew token by token, not loaded and dumped: numbers keep their digits, objects their double
names and strings their escapes (RFC 8259).
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperhttp.cli.style import Style

__all__ = ["is_json", "pretty"]

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
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
    return "".join(_layout(_TOKEN.findall(text), style))


def _layout(tokens: list[str], style: Style) -> Iterator[str]:
    depth = 0
    for place, token in enumerate(tokens):
        following = tokens[place + 1] if place + 1 < len(tokens) else ""
        if token in "{[":
            yield token
            if following not in "}]":
                depth += 1
                yield _line(depth)
        elif token in "}]":
            if tokens[place - 1] not in "{[":
                depth -= 1
                yield _line(depth)
            yield token
        elif token == ",":
            yield token + _line(depth)
        elif token == ":":
            yield ": "
        else:
            yield _value(token, style, is_name=following == ":")


def _line(depth: int) -> str:
    return "\n" + _INDENT * depth


def _value(token: str, style: Style, *, is_name: bool) -> str:
    if is_name:
        return style.paint(token, "blue", "bold")
    if token[0] == '"':
        return style.paint(token, "green")
    return style.paint(token, "yellow" if token in ("true", "false", "null") else "cyan")
