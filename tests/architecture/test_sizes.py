"""How long a module and a function may be, and how deep a function may nest: what fits into a head."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

MODULE_LINES = 500
BODY_LINES = 50
NESTING = 3
#: Modules that are tables; their length says nothing.
TABLES: frozenset[str] = frozenset()

Function = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (
    ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.TryStar, ast.Match,
)  # fmt: skip
SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def functions_of(tree: ast.Module) -> Iterator[Function]:
    return (node for node in ast.walk(tree) if isinstance(node, Function))


def body_lines(function: Function) -> int:
    """Lines from the first statement after the docstring to the end."""
    first = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    return (function.end_lineno or 0) - first[0].lineno + 1 if first else 0


def nesting(node: ast.AST, depth: int = 0) -> int:
    """The most blocks around a statement; ``elif`` counts with its ``if``, inner functions do not count."""
    deepest = depth
    for name, value in ast.iter_fields(node):
        children = value if isinstance(value, list) else [value]
        is_elif = (
            isinstance(node, ast.If) and name == "orelse" and len(children) == 1 and isinstance(children[0], ast.If)
        )
        for child in children:
            if isinstance(child, ast.AST) and not isinstance(child, SCOPES):
                inner = depth + isinstance(child, BLOCKS) - is_elif
                deepest = max(deepest, nesting(child, inner))
    return deepest


def test_no_module_is_longer_than_a_thought(modules: list[Any]) -> None:
    lengths = {each.path: len(each.source.splitlines()) for each in modules if each.path not in TABLES}
    long = [f"{path}: {lines} lines" for path, lines in lengths.items() if lines > MODULE_LINES]
    assert not long, "\n".join(long)


def test_no_function_is_longer_than_a_screen(modules: list[Any]) -> None:
    long = [
        f"{each.path}:{function.lineno} {function.name}: {body_lines(function)} lines"
        for each in modules
        for function in functions_of(each.tree)
        if body_lines(function) > BODY_LINES
    ]
    assert not long, "\n".join(long)


def test_no_function_nests_deeper_than_one_can_follow(modules: list[Any]) -> None:
    deep = [
        f"{each.path}:{function.lineno} {function.name}: {nesting(function)} deep"
        for each in modules
        for function in functions_of(each.tree)
        if nesting(function) > NESTING
    ]
    assert not deep, "\n".join(deep)
