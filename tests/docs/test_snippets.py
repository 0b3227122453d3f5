"""The documentation is true: its snippets run, its links lead somewhere, its list of hooks is complete.

Each page is one program. Its fenced ``python`` blocks run in their order, in one namespace, on one event loop;
``await``, ``async for`` and ``async with`` may stand at the top level. The hosts and the proxy that a snippet
names are replaced by local ones (``conftest.py``), and nothing else. A comment behind a ``print(...)`` is what
it prints, to the letter; one that ends in ``...`` is how that begins. A block that cannot run has a line
``<!-- no-run: reason -->`` above it.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
import shlex
import sys
import textwrap
from dataclasses import dataclass, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

from hyperhttp import exceptions
from hyperhttp.cli.arguments import parse_options
from hyperhttp.plugins import hookspecs

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/hyperhttp-*/README.md"))
    if path.exists()
)
#: Pages that must be there, whatever else is.
EXPECTED = {
    "README.md", "docs/index.md", "docs/quickstart.md", "docs/basic.md", "docs/advanced.md", "docs/limits.md",
    "docs/errors.md", "docs/changelog.md",
    "docs/authentication.md", "docs/proxies.md", "docs/contributing.md", "docs/plugins/hooks.md",
    "docs/plugins/opentelemetry.md", "docs/plugins/tutorial.md", "docs/design/architecture.md",
    "docs/design/concurrency.md",
    "docs/design/decisions.md",
}  # fmt: skip

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>\w*) *$")
NO_RUN = re.compile(r"<!-- no-run: (?P<reason>\S.*) -->")
PRINTED = re.compile(r"^\s*print\(.*\)  # (?P<text>.+)$")
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *$", re.MULTILINE)


def read(page: str) -> str:
    path = ROOT / page
    return path.read_text(encoding="utf-8") if path.exists() else ""


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        line: number of its first line on the page, from 1.
        source: its text.
        reason: why it is not run; empty for one that is.
    """

    line: int
    source: str
    reason: str = ""


def blocks_of(text: str, language: str = "python") -> list[Block]:
    """The blocks of one language on a page."""
    lines = text.splitlines()
    blocks: list[Block] = []
    start: int | None = None
    is_wanted = False
    for number, line in enumerate(lines):
        fence = FENCE.match(line)
        if fence is None:
            continue
        if start is None:
            start, is_wanted = number, fence["language"] == language
            continue
        if is_wanted:
            above = NO_RUN.search(lines[start - 1]) if start else None
            source = textwrap.dedent("\n".join(lines[start + 1 : number])) + "\n"
            blocks.append(Block(start + 2, source, above["reason"] if above else ""))
        start = None
    assert start is None, f"the fence in line {start} is not closed"
    return blocks


class Program:
    """A page that is run block by block.

    Args:
        page: its path, for tracebacks.
    """

    def __init__(self, page: str) -> None:
        self._page = page
        self._printed: dict[int, list[str]] = {}
        self._namespace: dict[str, Any] = {"__name__": "__snippets__", "print": self._print}

    def run(self, block: Block, runner: asyncio.Runner) -> None:
        """Run a block, and hold it to what it says it prints."""
        source = "\n" * (block.line - 1) + block.source  # so that line numbers are those of the page
        code = compile(source, self._page, "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        result = eval(code, self._namespace)
        if code.co_flags & inspect.CO_COROUTINE:
            runner.run(result)
        for number, line in enumerate(block.source.splitlines(), block.line):
            if stated := PRINTED.match(line):
                self._compare(number, stated["text"])

    def _print(self, *values: object, sep: str = " ", **_: object) -> None:
        line = sys._getframe(1).f_lineno
        self._printed.setdefault(line, []).append(sep.join(map(str, values)))

    def _compare(self, line: int, stated: str) -> None:
        printed = self._printed.get(line, [])
        assert printed, f"{self._page}:{line} printed nothing"
        for text in printed:
            if stated.endswith("..."):
                assert text.startswith(stated[:-3]), f"{self._page}:{line}"
            else:
                assert text == stated, f"{self._page}:{line}"


def anchors_of(text: str) -> set[str]:
    """The anchors of a page's headings, as they are made on the usual sites for repositories."""
    plain = [re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading) for heading in HEADING.findall(text)]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in plain}


def without_blocks(text: str) -> str:
    """A page without what is in fences."""
    return re.sub(r"^( *)```.*?^\1```", "", text, flags=re.MULTILINE | re.DOTALL)


def test_the_pages_are_there() -> None:
    assert set(PAGES) >= EXPECTED


@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of(read(page))])
def test_the_snippets_of_a_page_run_and_print_what_they_say(page: str, world: Any) -> None:
    program = Program(page)
    blocks = [block for block in blocks_of(world.localised(read(page))) if not block.reason]
    assert blocks, "a page of snippets none of which runs"
    with asyncio.Runner() as runner:
        for block in blocks:
            program.run(block, runner)


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    broken = []
    for target in LINK.findall(without_blocks(read(page))):
        path, _, anchor = unquote(target).partition("#")
        if re.match(r"[a-z]+:", path):
            continue  # another site
        found = (ROOT / page).parent / path if path else ROOT / page
        if not found.exists() or (anchor and anchor not in anchors_of(found.read_text(encoding="utf-8"))):
            broken.append(target)
    assert not broken, f"{page}: {', '.join(broken)}"


@pytest.mark.parametrize("page", PAGES)
def test_snippets_name_no_host_that_is_not_local_here(page: str, world: Any) -> None:
    """A snippet that met the real network would pass or fail by the weather."""
    for block in blocks_of(world.localised(read(page))):
        hosts = set(re.findall(r"\bhttps?://(?:[\w:]+@)?([\w.-]+)", block.source))
        assert hosts <= {"localhost", "127.0.0.1", "app.test"} or block.reason, f"{page}:{block.line}: {hosts}"


def test_every_hook_has_a_heading_with_its_exact_signature() -> None:
    headings = HEADING.findall(read("docs/plugins/hooks.md"))
    hooks = {name for name in hookspecs.__all__ if name.startswith(hookspecs.HOOK_PREFIX)}
    arguments = {hook: ", ".join(inspect.signature(getattr(hookspecs, hook)).parameters) for hook in hooks}
    wanted = {f"`{hook}({arguments[hook]})`" for hook in hooks}
    assert {heading for heading in headings if hookspecs.HOOK_PREFIX in heading} == wanted


def command_lines() -> list[str]:
    """What pages say can be typed after ``hyperhttp``, without the built-in commands."""
    lines = [line for page in PAGES for block in blocks_of(read(page), "sh") for line in block.source.splitlines()]
    typed = [line.removeprefix("hyperhttp ") for line in lines if line.startswith("hyperhttp ")]
    return [line for line in typed if line.split()[0] not in ("demo", "plugins")]


@pytest.mark.parametrize("line", command_lines())
def test_a_command_line_is_understood(line: str) -> None:
    assert parse_options(shlex.split(line, comments=True)).url


LIMIT = re.compile(r"^\| .+? \| (?P<amount>[^|]+?) \| `(?P<name>\w+(?:\.\w+)+)` \|", re.MULTILINE)
UNITS = {"": 1, "s": 1, "KiB": 1024, "MiB": 1024**2, "GiB": 1024**3}


def amount_of(text: str) -> float | None:
    """A limit as the page writes it: ``none``, ``100``, ``15 s``, ``64 KiB``."""
    if text == "none":
        return None
    number, _, unit = text.partition(" ")
    return float(number) * UNITS[unit]


def constant(name: str) -> Any:
    """What a dotted name below ``hyperhttp`` stands for; of a dataclass's field, its default."""
    parts = name.split(".")
    at = next(index for index, part in enumerate(parts) if not part.islower() or part.startswith("_"))
    value: Any = import_module(".".join(["hyperhttp", *parts[:at]]))
    for part in parts[at:]:
        if isinstance(value, type) and is_dataclass(value):
            value = next(field.default for field in fields(value) if field.name == part)
        else:
            value = getattr(value, part)
    return value


@pytest.mark.parametrize(("amount", "name"), LIMIT.findall(read("docs/limits.md")))
def test_a_limit_is_what_the_page_says(amount: str, name: str) -> None:
    """Whoever moves or changes a limit changes docs/limits.md with it."""
    assert constant(name) == amount_of(amount)


def test_the_page_of_limits_names_them() -> None:
    assert len(LIMIT.findall(read("docs/limits.md"))) > 50


def test_the_page_of_errors_has_every_exception_with_its_facts() -> None:
    rows = dict(re.findall(r"^\| [· ]*`(\w+)` \| (`\w+` \| \w+) \|", read("docs/errors.md"), re.MULTILINE))
    classes: dict[str, Any] = {name: getattr(exceptions, name) for name in exceptions.__all__}
    for name, error in classes.items():
        if not isinstance(error, type):
            continue
        assert rows.pop(name) == f"`{error.kind}` | {'yes' if error.retryable else 'no'}", name
    assert not rows


# -- the checks themselves -----------------------------------------------------------------------------------


def run_source(source: str) -> None:
    program = Program("page.md")
    with asyncio.Runner() as runner:
        for block in blocks_of(source):
            if not block.reason:
                program.run(block, runner)


def fenced(*lines: str) -> str:
    return "\n".join(["```python", *lines, "```", ""])


@pytest.mark.parametrize(
    "source",
    [
        fenced("print(1 + 1)  # 2"),
        fenced("import asyncio", "await asyncio.sleep(0)", "print('a', 'b')  # a b"),
        fenced("x = 1") + fenced("def show():", "    print(x)  # 1", "show()"),
        fenced("print('a long sentence')  # a long..."),
        "<!-- no-run: needs a printer -->\n" + fenced("raise RuntimeError"),
        fenced("import asyncio", "async def main(): pass", "asyncio.run(main())"),
    ],
)
def test_a_true_page_passes(source: str) -> None:
    run_source(source)


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (fenced("print(1 + 1)  # 3"), AssertionError),
        (fenced("if False:", "    print(1)  # 1"), AssertionError),
        (fenced("raise LookupError"), LookupError),
        (fenced("import asyncio", "await asyncio.sleep(0)", "raise LookupError"), LookupError),
        ("```python\nx = 1\n", AssertionError),
        ("<!-- no-run: -->\n" + fenced("raise LookupError"), LookupError),
    ],
)
def test_a_false_page_fails(source: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        run_source(source)


def test_links_and_anchors_are_found() -> None:
    assert LINK.findall("[a](b.md) ![c](d.png) [e](#f-g)") == ["b.md", "#f-g"]
    assert anchors_of("# One\n## `two_three(four)`\n### Five, six") == {"one", "two_threefour", "five-six"}
