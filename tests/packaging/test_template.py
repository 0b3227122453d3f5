"""The template for plugins is a whole package whose own tests pass, whatever it is renamed to."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "docs" / "plugins" / "template"
FILES = {
    "CHANGELOG.md", "LICENSE", "README.md", "hyperhttp_example/__init__.py", "hyperhttp_example/py.typed",
    "pyproject.toml", "tests/test_example.py",
}  # fmt: skip


def files_of(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def copy(tmp_path):
    """The template as somebody takes it, for a plugin of another name."""
    folder = tmp_path / "hyperhttp-renamed"
    shutil.copytree(TEMPLATE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for path in sorted(folder.rglob("*"), reverse=True):
        if path.is_file():
            path.write_text(path.read_text().replace("example", "renamed").replace("Example", "Renamed"))
        path.rename(path.with_name(path.name.replace("example", "renamed")))
    return folder


def test_the_template_is_a_whole_package():
    assert {name for name in files_of(TEMPLATE) if "__pycache__" not in name} == FILES


def test_its_own_tests_pass_under_another_name(copy):
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("HYPERHTTP_", "PYTEST"))}
    environ |= {"PYTHONPATH": os.pathsep.join([str(copy), str(ROOT)]), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=copy, env=environ, timeout=50, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 passed" in done.stdout
    assert files_of(copy) == {name.replace("example", "renamed") for name in FILES}
