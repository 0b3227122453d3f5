"""What keeps one text correct on an event loop and on blocking sockets: rules that a syntax tree shows."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WAITING = (ast.Await, ast.AsyncFor, ast.AsyncWith)
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
#: What belongs to loops, threads and sockets.
NETWORKING = frozenset(
    {"asyncio", "concurrent", "multiprocessing", "queue", "select", "selectors", "socket", "threading"}
)


def walk(nodes: Iterable[ast.AST], *, into_functions: bool = False) -> Iterator[ast.AST]:
    """These and all below them, without what only a type checker reads and without inner functions."""
    for node in nodes:
        yield node
        is_typing = isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        if not is_typing and (into_functions or not isinstance(node, FUNCTIONS)):
            yield from walk(ast.iter_child_nodes(node), into_functions=into_functions)


def waits(nodes: Iterable[ast.AST]) -> list[int]:
    """Lines that wait: on a loop, or on blocking sockets by driving a coroutine."""
    return [
        node.lineno
        for node in walk(nodes)
        if isinstance(node, WAITING)
        or (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "drive")
    ]


def is_guard(item: ast.withitem) -> bool:
    return any(word in ast.unparse(item.context_expr).lower() for word in ("lock", "guard", "mutex"))


def catches_everything(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or "BaseException" in ast.unparse(handler.type)


def imported(node: ast.AST) -> list[str]:
    """The top-level packages that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    return [(node.module or "").partition(".")[0]] if isinstance(node, ast.ImportFrom) else []


def core(modules: list[Any]) -> list[tuple[str, ast.AST]]:
    """Every node of the core, with the path of its module."""
    return [(each.path, node) for each in modules if each.is_core for node in ast.walk(each.tree)]


def test_nobody_waits_while_holding_a_lock(modules: list[Any]) -> None:
    blocks = [(path, node) for path, node in core(modules) if isinstance(node, ast.With)]
    held = [(path, node) for path, node in blocks if any(map(is_guard, node.items))]
    assert held, "no lock was found: is the rule blind?"
    wrong = [f"{path}:{line}" for path, node in held for line in waits(node.body)]
    assert not wrong, f"waits under a lock: {', '.join(wrong)}"


def test_cleaning_up_does_not_wait(modules: list[Any]) -> None:
    cleaning = [(path, node.finalbody) for path, node in core(modules) if isinstance(node, ast.Try)]
    cleaning += [
        (path, node.body)
        for path, node in core(modules)
        if isinstance(node, ast.ExceptHandler) and catches_everything(node)
    ]
    wrong = [f"{path}:{line}" for path, body in cleaning for line in waits(body)]
    assert not wrong, f"waits while cleaning up: {', '.join(wrong)}"


def test_the_core_has_no_asynchronous_generators(modules: list[Any]) -> None:
    functions = [(path, node) for path, node in core(modules) if isinstance(node, ast.AsyncFunctionDef)]
    wrong = [
        f"{path}:{node.lineno} {node.name}"
        for path, node in functions
        if any(isinstance(inner, ast.Yield) for inner in walk(node.body))
    ]
    assert not wrong, f"asynchronous generators, whose end nobody controls: {', '.join(wrong)}"


def test_loops_threads_and_sockets_stay_in_network(modules: list[Any]) -> None:
    outside = [each for each in modules if each.is_core and not each.name.startswith("hyperhttp.network")]
    wrong = [
        f"{each.path}:{node.lineno} {name}"
        for each in outside
        for node in walk(each.tree.body, into_functions=True)
        for name in imported(node)
        if name in NETWORKING
    ]
    assert not wrong, f"imported outside network: {', '.join(wrong)}"
