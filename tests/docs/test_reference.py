"""docs/reference.md is what the docstrings say, and has every public name."""

from __future__ import annotations

import re

import hyperhttp
from tests.docs.make_reference import PAGE, markdown, reference


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: python tests/docs/make_reference.py"


def test_every_public_name_that_is_no_exception_has_an_entry() -> None:
    exceptions = {
        name
        for name in hyperhttp.__all__
        if isinstance(value := getattr(hyperhttp, name), type) and issubclass(value, BaseException)
    }
    entries = set(re.findall(r"^## (\w+)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE))
    assert entries == set(hyperhttp.__all__) - exceptions - {"__version__"}


def test_sections_of_docstrings_become_lists() -> None:
    text = "What.\n\nArgs:\n    one: ``1``,\n        or more.\n\nMore."
    assert markdown(text) == ["What.", "", "**Args**", "", "- one: `1`,", "  or more.", "", "More."]
