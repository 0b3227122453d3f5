"""The source as the rules see it: every module of the core and of the plugins, parsed once."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Module:
    """One source file.

    Attributes:
        path: relative to the repository, with slashes.
        name: as it is imported.
        source: its text.
        tree: its syntax tree.
    """

    path: str
    name: str
    source: str
    tree: ast.Module

    @property
    def is_core(self) -> bool:
        """Part of what a request passes through: not a plugin, the command line, or a server for tests."""
        parts = self.name.split(".")
        return parts[0] == "hyperhttp" and parts[1:2] not in (["testing"], ["cli"])


def parse(path: Path, base: Path) -> Module:
    """The module of a file below `base`, which is what is on the import path."""
    source = path.read_text(encoding="utf-8")
    parts = path.relative_to(base).with_suffix("").parts
    name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Module(path.relative_to(ROOT).as_posix(), name, source, ast.parse(source))


@pytest.fixture(scope="session")
def root() -> Path:
    """Where the repository is."""
    return ROOT


@pytest.fixture(scope="session")
def modules() -> list[Module]:
    """All modules that are installed at users: the core's, then each plugin's."""
    found = [parse(path, ROOT) for path in sorted(ROOT.glob("hyperhttp/**/*.py"))]
    for plugin in sorted(ROOT.glob("plugins/*/")):
        found += [parse(path, plugin) for path in sorted(plugin.glob("hyperhttp_*/**/*.py"))]
    return found
