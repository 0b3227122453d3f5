"""A hook is a promise to strangers: each one is tested, and explained with the signature they write."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import pytest

from hyperhttp.plugins import hookspecs

HOOKS = sorted(name for name in hookspecs.__all__ if name.startswith(hookspecs.HOOK_PREFIX))
PAGE = "docs/plugins/hooks.md"


def tried(source: str) -> set[str]:
    """The hooks that a test module implements, or says the effect of: ``{"hyperhttp_register_...": ...}``."""
    tree = ast.parse(source)
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    keys = [key for node in ast.walk(tree) if isinstance(node, ast.Dict) for key in node.keys]
    return (defined | {key.value for key in keys if isinstance(key, ast.Constant)}) & set(HOOKS)


def test_there_are_hooks() -> None:
    assert HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_gets_the_one_registry_it_is_named_after(hook: str) -> None:
    (argument,) = inspect.signature(getattr(hookspecs, hook)).parameters
    assert hook == f"{hookspecs.HOOK_PREFIX}{argument}"


def test_each_hook_has_a_test(root: Any) -> None:
    files = root.glob("tests/plugins/test_*.py")
    tested = set().union(*(tried(path.read_text(encoding="utf-8")) for path in files))
    missing = [hook for hook in HOOKS if hook not in tested]
    assert not missing, f"no test tries: {', '.join(missing)}"


def test_each_hook_has_a_heading_with_its_signature(root: Any) -> None:
    page = root / PAGE
    if not page.exists():
        pytest.skip(f"{PAGE} is not written yet")
    headings = [line for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
    for hook in HOOKS:
        (argument,) = inspect.signature(getattr(hookspecs, hook)).parameters
        signature = f"{hook}({argument})"
        assert any(signature in heading for heading in headings), f"{PAGE} has no heading for {signature}"
