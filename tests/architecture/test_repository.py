"""What is in the repository, and what must never be: checked on the files git would commit."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest

TOP_LEVEL = {"pyproject.toml", "README.md", "LICENSE", "hyperhttp", "plugins", "tests", "benchmarks", "docs"}
PLUGIN_FILES = {"pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"}
#: Never committed, and ignored so that nobody does so by accident.
NEVER = {"uv.lock"}
#: Hosts of package registries; users of a registry configure it, the repository does not name it.
REGISTRIES = re.compile(r"(?:files\.pythonhosted|test\.pypi|pypi|registry\.npmjs|index\.crates)\.(?:org|io)\b")
#: Folders of the machine that something was written on.
MACHINES = re.compile(r"(?<![\w.:/~-])/(?:home|root|work|Users|private)/[\w.-]+")


@pytest.fixture(scope="module")
def files(root: Any) -> list[str]:
    """Paths of what is committed or would be."""
    if shutil.which("git") is None or not (root / ".git").exists():
        pytest.skip("not a clone")
    git = ["git", "-c", "safe.directory=*"]
    command = [*git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True, timeout=30).stdout
    return sorted(path for path in set(listed.split("\0")) if path and (root / path).is_file())


def test_the_top_level_holds_the_fixed_names_and_dot_files(files: list[str]) -> None:
    top = {path.partition("/")[0] for path in files}
    assert {name for name in top if not name.startswith(".")} <= TOP_LEVEL


def test_no_lock_file_is_committed(files: list[str], root: Any) -> None:
    assert not [path for path in files if path.rpartition("/")[2] in NEVER]
    assert set((root / ".gitignore").read_text().split()) >= NEVER


def test_no_file_names_a_registry_or_somebodys_machine(files: list[str], root: Any) -> None:
    found = []
    for path in files:
        text = (root / path).read_bytes().decode("utf-8", "replace")
        for number, line in enumerate(text.splitlines(), 1):
            if REGISTRIES.search(line) or MACHINES.search(line):
                found.append(f"{path}:{number}: {line.strip()[:100]}")
    assert not found, "\n".join(found)


def test_every_plugin_package_has_the_same_files(files: list[str]) -> None:
    plugins = {path.split("/")[1] for path in files if path.startswith("plugins/")}
    assert plugins
    for name in plugins:
        inside = {path.removeprefix(f"plugins/{name}/") for path in files if path.startswith(f"plugins/{name}/")}
        package = name.replace("-", "_")
        assert name.startswith("hyperhttp-")
        assert inside >= PLUGIN_FILES | {f"{package}/__init__.py", f"{package}/py.typed"}, name
        assert any(re.fullmatch(r"tests/test_\w+\.py", path) for path in inside), name
        assert {path.partition("/")[0] for path in inside} == PLUGIN_FILES | {package, "tests"}, name


def test_every_license_is_the_same(files: list[str], root: Any) -> None:
    texts = {(root / path).read_text() for path in files if path.rpartition("/")[2] == "LICENSE"}
    assert len(texts) == 1
    assert texts.pop().startswith("MIT License")
