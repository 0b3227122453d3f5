"""What is public is said in one place per module, and a change of what users may type is seen in review.

After such a change: ``python tests/architecture/test_exports.py`` writes public_api.txt anew.
"""

from __future__ import annotations

import ast
import importlib
import inspect
from pathlib import Path
from typing import Any

import hyperhttp
import hyperhttp.errors
import hyperhttp.exceptions
from hyperhttp.client.options import ClientOptions, RequestOptions

PUBLIC_API = Path(__file__).with_name("public_api.txt")
#: Imported by packaging tools and by the package itself; one name.
WITHOUT_ALL = {"hyperhttp._version"}


def exported(module: Any) -> list[str] | None:
    """The names in ``__all__``, or None without one."""
    for node in module.tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return [element.value for element in node.value.elts]
    return None


def place(name: str) -> tuple[int, str]:
    """Constants, then classes, then the rest; as ruff sorts them."""
    return (0 if name.isupper() and len(name) > 1 else 1 if name[0].isupper() else 2), name


def test_each_module_says_what_is_public_in_order(modules: list[Any]) -> None:
    silent, unsorted = [], []
    for each in modules:
        names = exported(each)
        defines = any(isinstance(node, ast.FunctionDef | ast.ClassDef) for node in each.tree.body)
        if names is None and defines and each.name not in WITHOUT_ALL:
            silent.append(each.path)
        if names is not None and names != sorted(set(names), key=place):
            unsorted.append(each.path)
    assert not silent, f"without __all__: {', '.join(silent)}"
    assert not unsorted, f"__all__ is not sorted: {', '.join(unsorted)}"


def test_what_a_module_says_is_public_exists(modules: list[Any]) -> None:
    missing = [
        f"{each.name}.{name}"
        for each in modules
        for name in exported(each) or ()
        if not hasattr(importlib.import_module(each.name), name)
    ]
    assert not missing, ", ".join(missing)


def test_what_others_import_is_public(modules: list[Any]) -> None:
    known = {each.name: exported(each) for each in modules}
    wrong = set()
    for each in modules:
        for node in ast.walk(each.tree):
            if isinstance(node, ast.ImportFrom) and known.get(node.module or "") is not None:
                names = {alias.name for alias in node.names} - set(known[node.module or ""] or ())
                wrong |= {f"{node.module}.{name}" for name in names if f"{node.module}.{name}" not in known}
    assert not wrong, f"imported elsewhere, but not in __all__: {', '.join(sorted(wrong))}"


def test_every_error_is_at_the_top_and_in_errors() -> None:
    classes = {name for name in hyperhttp.exceptions.__all__ if name[0].isupper()}
    assert classes <= set(hyperhttp.__all__)
    assert classes <= set(hyperhttp.errors.__all__)


def test_the_public_api_is_the_one_that_was_reviewed() -> None:
    assert describe() == PUBLIC_API.read_text(encoding="utf-8"), f"changed? see {Path(__file__).name}"


# -- the text --------------------------------------------------------------------------------------------


def describe() -> str:
    """Every public name with its signature, the members of classes, and the options of calls."""
    lines = ["# What users of hyperhttp may type. Written by test_exports.py; a change here is a change for them."]
    for name in sorted(hyperhttp.__all__):
        lines += ["", *describe_value(name, getattr(hyperhttp, name))]
    for options in (ClientOptions, RequestOptions):
        fields = inspect.get_annotations(options).items()
        lines += ["", f"{options.__name__}", *(f"    {name}: {plain(kind)}" for name, kind in fields)]
    return "\n".join(lines) + "\n"


def describe_value(name: str, value: Any) -> list[str]:
    if inspect.isclass(value):
        known = [base for base in value.__bases__ if base is not object and "._" not in base.__module__]
        bases = ", ".join(base.__name__ for base in known)
        members = {**inspect.get_annotations(value), **vars(value)}
        public = sorted(member for member in members if not member.startswith("_"))
        head = f"class {name}({bases})" if bases else f"class {name}"
        init = [f"    {signature('__init__', value.__init__)}"] if "__init__" in vars(value) else []
        return [head, *init, *(f"    {describe_member(value, member)}" for member in public)]
    return [f"def {signature(name, value)}" if callable(value) else name]


def describe_member(owner: type, name: str) -> str:
    """A member as one would read it in a stub."""
    raw = vars(owner).get(name)
    if isinstance(raw, property):
        returns = inspect.get_annotations(raw.fget).get("return", "Any") if raw.fget else "Any"
        return f"{name}: {plain(returns)}{'' if raw.fset else '  (read only)'}"
    if isinstance(raw, classmethod | staticmethod):
        return f"@{type(raw).__name__} {signature(name, raw.__func__)}"
    if inspect.isfunction(raw):
        return f"{'async ' if inspect.iscoroutinefunction(raw) else ''}{signature(name, raw)}"
    kind = inspect.get_annotations(owner).get(name)
    return f"{name}: {plain(kind)}" if kind is not None else name


class Text:
    """An annotation that shows itself without quotes."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return self.text


def signature(name: str, function: Any) -> str:
    """A function's name and signature, without what the call itself passes."""
    given = inspect.signature(function)
    parameters = [
        each.replace(annotation=Text(each.annotation)) if isinstance(each.annotation, str) else each
        for each in given.parameters.values()
        if each.name not in ("self", "cls")
    ]
    returns = given.return_annotation
    shown = given.replace(
        parameters=parameters, return_annotation=Text(returns) if isinstance(returns, str) else returns
    )
    return f"{name}{shown}"


def plain(annotation: Any) -> str:
    text = getattr(annotation, "__forward_arg__", annotation)
    return text if isinstance(text, str) else getattr(text, "__name__", repr(text))


if __name__ == "__main__":
    PUBLIC_API.write_text(describe(), encoding="utf-8")
