"""Where a module's tests are is known without looking: in the same place below ``tests``, and only there."""

from __future__ import annotations

import ast
from pathlib import PurePosixPath
from typing import Any

#: Modules without a test module of their own, and why.
WITHOUT_TESTS = {"hyperhttp/_version.py": "data"}
#: Folders of tests whose subject is not one module.
WITHOUT_MODULES = (
    "architecture", "behaviour", "docs", "endurance", "faults", "fuzz", "packaging", "properties", "security", "typing",
)  # fmt: skip


def mirror_of(module: str) -> str:
    """The test module that belongs to a module of the core or of a plugin."""
    path = PurePosixPath(module)
    parts = path.parts
    base, inside = (("tests",), parts[1:]) if parts[0] == "hyperhttp" else ((*parts[:2], "tests"), parts[3:])
    is_plugin = parts[0] == "plugins" and inside == ("__init__.py",)
    name = "plugin" if is_plugin else path.stem.strip("_")  # __init__ is test_init
    return PurePosixPath(*base, *inside[:-1], f"test_{name}.py").as_posix()


def has_content(module: Any) -> bool:
    """Whether there is something to test: a package that only gives out names is held by test_exports.py."""
    if not module.path.endswith("__init__.py"):
        return True
    defined = [
        node for node in module.tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    return any(node.name not in ("__getattr__", "__dir__") for node in defined)


def test_each_module_has_its_test_module(modules: list[Any], root: Any) -> None:
    wanted = [each.path for each in modules if has_content(each) and each.path not in WITHOUT_TESTS]
    missing = [f"{path} wants {mirror_of(path)}" for path in wanted if not (root / mirror_of(path)).exists()]
    assert not missing, "\n".join(missing)


def test_each_test_module_has_its_module(modules: list[Any], root: Any) -> None:
    mirrors = {mirror_of(each.path) for each in modules}
    tests = [*root.glob("tests/**/test_*.py"), *root.glob("plugins/*/tests/**/test_*.py")]
    paths = [path.relative_to(root) for path in tests]
    stray = [
        path.as_posix()
        for path in paths
        if path.as_posix() not in mirrors and not (path.parts[0] == "tests" and path.parts[1] in WITHOUT_MODULES)
    ]
    assert not stray, f"tests of no module: {', '.join(sorted(stray))}"


def test_exceptions_from_the_rule_are_still_needed(modules: list[Any], root: Any) -> None:
    paths = {each.path for each in modules}
    stale = [path for path in WITHOUT_TESTS if path not in paths or (root / mirror_of(path)).exists()]
    assert not stale, f"remove from WITHOUT_TESTS: {', '.join(stale)}"
