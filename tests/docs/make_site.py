"""Makes the site of the documentation: ``python tests/docs/make_site.py`` writes build/docs/site/index.html.

The pages are plain Markdown that is read in the repository as well. They are copied to build/docs/pages, with what
lies outside of docs/ and is linked (the READMEs of the plugins and of the benchmarks, the programs of docs/examples),
their links are led to the copies, and zensical builds the site strictly: a link or an anchor that leads nowhere is
an error. So is a page that nothing in the navigation leads to, and anything that a browser would fetch elsewhere.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
from html.parser import HTMLParser
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urldefrag

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "docs"
CONFIG = "docs/zensical.toml"

LINK = re.compile(r"(?P<before>\]\(|\b(?:src|srcset|href)=\")(?P<path>[^)#\s\"]+)(?P<after>[^)\s\"]*[)\"])")
FENCE = re.compile(r"^ *```")
COLOUR = re.compile(r"\x1b\[[\d;]*m")
#: Elements and attributes by which a page makes a browser fetch something.
FETCHED = {"script": "src", "link": "href", "img": "src", "source": "srcset", "iframe": "src", "video": "src"}
#: Relations of a `<link>` that fetch nothing.
HARMLESS = {"canonical", "next", "prev", "alternate"}


def sources(root: Path) -> dict[str, str]:
    """What belongs to the site: the path in the repository, and the path among the pages.

    Args:
        root: the repository.
    """
    places = {
        "README.md": "index.md",
        "benchmarks/README.md": "benchmarks.md",
        "benchmarks/results/README.md": "results.md",
    }
    for path in sorted(root.glob("docs/**/*")):
        inside = path.relative_to(root / "docs")
        if path.suffix in {".md", ".svg", ".css"} and path.name != "CHANGELOG.md":  # the template's is to be copied
            places[f"docs/{inside.as_posix()}"] = inside.as_posix()
    for path in sorted(root.glob("docs/examples/*.py")):
        places[f"docs/examples/{path.name}"] = f"examples/{path.stem}.md"
    for path in sorted(root.glob("plugins/*/README.md")):
        places[f"plugins/{path.parent.name}/README.md"] = f"plugins/{path.parent.name}.md"
    places["docs/index.md"] = "index.md"
    return {source: place for source, place in places.items() if (root / source).exists()}


def led(text: str, source: str, places: dict[str, str]) -> str:
    """A page with its links led to the copies; what is not copied is left, and found by the strict build."""
    here = PurePosixPath(places[source]).parent

    def lead(found: re.Match[str]) -> str:
        target = os.path.normpath(PurePosixPath(source).parent / unquote(found["path"]))
        place = places.get(target)
        path = os.path.relpath(place, here) if place else found["path"]
        return found["before"] + path + found["after"]

    lines, in_fence = [], False
    for line in text.splitlines(keepends=True):
        in_fence ^= bool(FENCE.match(line))
        lines.append(line if in_fence else LINK.sub(lead, line))
    return "".join(lines)


def as_page(program: Path) -> str:
    """A program as a page: its name, and its text."""
    return f"# {program.name}\n\n```python\n{program.read_text(encoding='utf-8')}```\n"


def copy_pages(root: Path, build: Path) -> list[str]:
    """Copy what belongs to the site, and return the pages' paths."""
    places = sources(root)
    for source, place in places.items():
        if source == "README.md":  # the site's own first page is docs/index.md
            continue
        target = build / "pages" / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.endswith(".py"):
            target.write_text(as_page(root / source), encoding="utf-8")
        elif source.endswith(".md"):
            target.write_text(led((root / source).read_text(encoding="utf-8"), source, places), encoding="utf-8")
        else:
            shutil.copyfile(root / source, target)
    shutil.copyfile(root / CONFIG, build / "zensical.toml")
    return sorted(set(places.values()))


def named(navigation: Any) -> set[str]:
    """The pages that a navigation leads to."""
    if isinstance(navigation, str):
        return {navigation}
    parts = navigation.values() if isinstance(navigation, dict) else navigation
    return {page for part in parts for page in named(part)}


class Page(HTMLParser):
    """What a page of the site leads to and fetches."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.fetched: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the attributes that lead somewhere."""
        given = dict(attrs)
        if name := given.get("id"):
            self.ids.add(name)
        if tag == "a" and (target := given.get("href")):
            self.targets.append(target)
        if (target := given.get(FETCHED.get(tag, ""))) and given.get("rel") not in HARMLESS:
            self.fetched.append(target)


def problems(site: Path) -> list[str]:
    """What is wrong with a site that has been built: dead ends, and what it would fetch from elsewhere."""
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in sorted(site.rglob("*.html"))}
    found = []
    for path, page in pages.items():
        if path.name == "404.html":  # its addresses begin at the root of a server
            continue
        where = path.relative_to(site).as_posix()
        found += [f"{where} fetches {url}" for url in page.fetched if re.match(r"(https?:)?//", url)]
        for target in [*page.targets, *page.fetched]:
            address, anchor = urldefrag(target)
            if re.match(r"[a-z]+:|//", address):
                continue
            reached = Path(os.path.normpath(path.parent / unquote(address))) if address else path
            reached = reached / "index.html" if reached.is_dir() else reached
            there = pages.get(reached)
            if not reached.exists() or (anchor and there and unquote(anchor) not in there.ids):
                found.append(f"{where} leads to {target}, which is not there")
    return found


def make(root: Path = ROOT, build: Path = BUILD) -> list[str]:
    """Build the site; what is returned is wrong with it."""
    shutil.rmtree(build, ignore_errors=True)
    build.mkdir(parents=True)
    pages = copy_pages(root, build)
    navigation = tomllib.loads((build / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]
    lost = {page for page in pages if page.endswith(".md") and not page.startswith("examples/")} - named(navigation)
    found = [f"{page} is not in the navigation" for page in sorted(lost)]
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "-f", str(build / "zensical.toml")]
    plain = os.environ | {"NO_COLOR": "1"}
    done = subprocess.run(command, cwd=build, capture_output=True, text=True, check=False, env=plain)
    if done.returncode:
        said = COLOUR.sub("", done.stdout + done.stderr)
        return [*found, said.partition("Traceback (most recent call last)")[0].strip()]
    return found + problems(build / "site")


def main() -> int:
    """Build the site, and say what is wrong."""
    found = make()
    print("\n".join(found) or f"{BUILD / 'site' / 'index.html'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
