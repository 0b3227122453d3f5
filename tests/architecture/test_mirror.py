"""Where a module's tests are is known without looking: in the same place below ``tests``, and nowhere else."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

#: Modules without a test module of their own, and why.
WITHOUT_TESTS = {
    "hyperhttp/__init__.py": "re-exports only; tests/architecture/test_exports.py holds it",
    "hyperhttp/_version.py": "data",
    "hyperhttp/message/__init__.py": "empty",
    "hyperhttp/utils/__init__.py": "empty",
    "hyperhttp/testing/endpoints/__init__.py": "a list of the modules beside it, each of which has its tests",
}
#: Folders of tests whose subject is not one module.
WITHOUT_MODULES = ("architecture", "behaviour", "docs", "fuzz", "packaging", "properties", "typing")


def mirror_of(module: str) -> str:
    """The test module that belongs to a module of the core or of a plugin."""
    path = PurePosixPath(module)
    parts = path.parts
    base, inside = (("tests",), parts[1:]) if parts[0] == "hyperhttp" else ((*parts[:2], "tests"), parts[3:])
    if path.name == "__init__.py":
        # A package's own text is tested beside its modules; a plugin's is the plugin.
        name = inside[-2] if len(inside) > 1 else "plugin"
        return PurePosixPath(*base, *inside[:-1], f"test_{name}.py").as_posix()
    return PurePosixPath(*base, *inside[:-1], f"test_{path.stem.strip('_')}.py").as_posix()


def has_text(module: Any) -> bool:
    """Whether there is more in it than its docstring."""
    return len(module.tree.body) > 1


def test_each_module_has_its_test_module(modules: list[Any], root: Any) -> None:
    wanted = [each.path for each in modules if has_text(each) and each.path not in WITHOUT_TESTS]
    missing = [f"{path} wants {mirror_of(path)}" for path in wanted if not (root / mirror_of(path)).exists()]
    assert not missing, "\n".join(missing)


def test_each_test_module_has_its_module(modules: list[Any], root: Any) -> None:
    mirrors = {mirror_of(each.path) for each in modules}
    tests = [*root.glob("tests/**/test_*.py"), *root.glob("plugins/*/tests/**/test_*.py")]
    paths = [path.relative_to(root) for path in tests]
    stray = [
        path.as_posix()
        for path in paths
        if path.as_posix() not in mirrors
        and not (path.parts[0] == "tests" and path.parts[1] in WITHOUT_MODULES)
    ]
    assert not stray, f"tests of no module: {', '.join(sorted(stray))}"


def test_exceptions_from_the_rule_are_still_needed(modules: list[Any], root: Any) -> None:
    paths = {each.path for each in modules}
    stale = [path for path in WITHOUT_TESTS if path not in paths or (root / mirror_of(path)).exists()]
    assert not stale, f"remove from WITHOUT_TESTS: {', '.join(stale)}"
