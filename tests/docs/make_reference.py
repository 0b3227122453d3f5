"""Writes docs/reference.md: the public names, with signatures from public_api.txt and texts from docstrings.

``python tests/docs/make_reference.py`` writes it anew; ``test_reference.py`` fails where it is not up to date.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

import hyperhttp

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "reference.md"
NAMES = ROOT / "tests" / "architecture" / "public_api.txt"

HEAD = """# Reference

The names that `import hyperhttp` gives, with their signatures and docstrings. Written by `tests/docs/make_reference.py`;
edit the docstrings, not this page. Exceptions have [a page of their own](errors.md); the options of a request are on the
page [basic usage](basic.md#requests).
"""

SECTION = re.compile(r"^(Args|Attributes|Raises|Returns|Yields):$")
NAME = re.compile(r"(?:async |@classmethod |@staticmethod )*(?P<name>\w+)")


def markdown(text: str) -> list[str]:
    """A docstring in Google style as Markdown: its sections become lists."""
    lines: list[str] = []
    in_section = False
    for line in text.replace("``", "`").splitlines():
        if SECTION.match(line):
            lines += [f"**{line[:-1]}**", ""]
            in_section = True
        elif in_section and re.match(r" {4}\S", line):
            lines.append(f"- {line.strip()}")
        elif in_section and line.startswith(" "):
            lines.append(f"  {line.strip()}")
        else:
            in_section = in_section and not line
            lines.append(re.sub(r"::$", ":", line))
    return lines


def doc_of(value: Any) -> str:
    """The docstring of a class, a function or a property; nothing for plain values."""
    if not (inspect.isroutine(value) or isinstance(value, type | property)):
        return ""
    return inspect.getdoc(value) or ""


def member(owner: Any, line: str) -> list[str]:
    """One method or attribute: its signature, and the first paragraph about it."""
    found = NAME.match(line)
    name = found["name"] if found else line
    about = "" if name == "__init__" else doc_of(getattr(owner, name, None))
    first = " ".join(about.replace("``", "`").partition("\n\n")[0].split())
    return [f"- `{line}`" + (f"  \n  {first}" if first else "")]


def entry(block: list[str]) -> list[str]:
    """One public name with its members."""
    title, *members = block
    name = re.split(r"[(:]", title.removeprefix("class ").removeprefix("def ").removeprefix("async "))[0].strip()
    value = getattr(hyperhttp, name)
    if isinstance(value, type) and issubclass(value, BaseException):
        return []
    lines = [f"## {name}", "", f"`{title}`", ""]
    lines += markdown(doc_of(value))
    if members:
        lines += ["", "**Members**", "", *[line for each in members for line in member(value, each.strip())]]
    return [*lines, ""]


def reference() -> str:
    """The whole page."""
    text = NAMES.read_text(encoding="utf-8")
    blocks: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith("    ") and blocks:
            blocks[-1].append(line)
        elif line and not line.startswith("#"):
            blocks.append([line])
    known = [block for block in blocks if re.match(r"(class |def |\w+\()", block[0])]
    lines = [HEAD, *[line for block in known for line in entry(block)]]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(reference(), encoding="utf-8")
