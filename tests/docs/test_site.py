"""The site is made strictly: what leads nowhere, is left out, or would be fetched elsewhere is found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs import make_site

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = """
[project]
site_name = "Sample"
docs_dir = "pages"
site_dir = "site"
use_directory_urls = false
nav = [{ "Home" = "index.md" }, { "More" = [{ "Other" = "other.md" }, { "One" = "plugins/one.md" }] }]

[project.theme]
font = false

[project.validation]
invalid_links = true
invalid_link_anchors = true
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small repository with pages of each kind."""
    write(tmp_path, "README.md", "# Readme\n")
    write(tmp_path, "docs/zensical.toml", CONFIG)
    write(tmp_path, "docs/index.md", "# Home\n\n[Other](other.md#a-part), [program](examples/walk.py).\n")
    write(
        tmp_path,
        "docs/other.md",
        "# Other\n\n## A part\n\n[Plugin](../plugins/one/README.md), [start](../README.md).\n",
    )
    write(tmp_path, "docs/examples/walk.py", "print('walk')\n")
    write(tmp_path, "plugins/one/README.md", "# One\n\n[Back](../../docs/other.md)\n")
    return tmp_path


def write(root: Path, path: str, text: str) -> None:
    target = root / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


def made(root: Path) -> list[str]:
    return make_site.make(root, root / "build" / "docs")


def test_a_site_is_made_of_pages_programs_and_readmes(root: Path) -> None:
    assert made(root) == []
    site = root / "build" / "docs" / "site"
    assert 'href="other.html#a-part"' in (site / "index.html").read_text(encoding="utf-8")
    assert "plugins/one.html" in (site / "other.html").read_text(encoding="utf-8")
    assert "walk" in (site / "examples" / "walk.html").read_text(encoding="utf-8")


def test_a_strict_build_tells_what_leads_nowhere(root: Path) -> None:
    write(
        root,
        "docs/other.md",
        "# Other\n\n## B part\n\n[x](missing.md), ![x](missing.svg), [x](../hyperhttp/client.py)\n",
    )
    (told,) = made(root)
    assert all(target in told for target in ("missing.md", "missing.svg", "hyperhttp/client.py", "other.md#a-part"))


def test_what_the_build_lets_pass_is_told_as_well(root: Path) -> None:
    write(root, "docs/lost.md", "# Lost\n")
    write(root, "docs/other.md", '# Other\n\n## A part\n\n<script src="https://cdn.example.com/x.js"></script>\n')
    gone = '"Other" = "other.md" }, { "Gone" = "gone.md"'
    write(root, "docs/zensical.toml", CONFIG.replace('"Other" = "other.md"', gone).replace("font = false", ""))
    told = made(root)
    assert told[0] == "lost.md is not in the navigation"
    assert "index.html leads to ./gone.md, which is not there" in told
    assert "other.html fetches https://cdn.example.com/x.js" in told
    assert any("fonts." in each for each in told), "the theme's fonts come from elsewhere"


def test_links_in_programs_of_a_page_are_left_alone() -> None:
    places = {"docs/a.md": "a.md", "plugins/b/README.md": "plugins/b.md"}
    text = "[b](../plugins/b/README.md#c)\n```md\n[b](../plugins/b/README.md)\n```\n[d](https://example.com/a.md)\n"
    wanted = "[b](plugins/b.md#c)\n```md\n[b](../plugins/b/README.md)\n```\n[d](https://example.com/a.md)\n"
    assert make_site.led(text, "docs/a.md", places) == wanted
