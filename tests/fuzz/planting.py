"""Small deliberate defects, put into the running code and taken out again."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
import textwrap
from functools import cached_property
from types import FunctionType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pytest

__all__ = ["plant", "remembered"]


def plant(monkeypatch: pytest.MonkeyPatch, place: str, right: str, wrong: str) -> None:
    """Put `wrong` where `right` stands, in the source of a function or in a pattern or table.

    Whoever has a reference to a function runs the changed code; whoever has imported a pattern by name has the other one.

    Args:
        monkeypatch: undoes it.
        place: ``"module:name"`` or ``"module:Class.name"``, below ``hyperhttp``.
        right: what must stand there exactly once.
        wrong: what takes its place.
    """
    module_name, _, path = place.partition(":")
    module = importlib.import_module(f"hyperhttp.{module_name}")
    found: Any = module
    for name in path.split("."):
        found = inspect.getattr_static(found, name)
    if isinstance(found, FunctionType | property | staticmethod | classmethod | cached_property):
        function = _function_of(found)
        monkeypatch.setattr(function, "__code__", _changed(function, right, wrong).__code__)
        return
    matcher = getattr(found, "__name__", "")  # a bound method of a pattern, such as fullmatch
    pattern = found.__self__ if matcher else found
    changed = _pattern(pattern, right, wrong)
    for owner in _modules():
        for name, value in list(vars(owner).items()):
            if value is found:
                monkeypatch.setattr(owner, name, getattr(changed, matcher) if matcher else changed)


def _pattern(pattern: Any, right: str, wrong: str) -> re.Pattern[Any]:
    is_bytes = isinstance(pattern.pattern, bytes)
    text = pattern.pattern.decode("latin-1") if is_bytes else pattern.pattern
    assert text.count(right) == 1, f"{right!r} stands {text.count(right)} times in {text!r}: choose another defect"
    text = text.replace(right, wrong)
    flags = pattern.flags & ~re.UNICODE
    return re.compile(text.encode("latin-1") if is_bytes else text, flags)


def _function_of(found: Any) -> FunctionType:
    function = getattr(found, "fget", None) or getattr(found, "func", None) or getattr(found, "__func__", found)
    assert isinstance(function, FunctionType)
    return function


def _changed(function: FunctionType, right: str, wrong: str) -> FunctionType:
    source = textwrap.dedent(inspect.getsource(function))
    assert source.count(right) == 1, f"{right!r} stands {source.count(right)} times in this: choose another\n{source}"
    code = "from __future__ import annotations\n" + source.replace(right, wrong)
    namespace = dict(function.__globals__)
    exec(compile(code, inspect.getsourcefile(function) or "", "exec"), namespace)
    return _function_of(namespace[function.__name__])


def _modules() -> list[Any]:
    return [module for name, module in list(sys.modules.items()) if name.partition(".")[0] == "hyperhttp"]


def remembered() -> Callable[[], None]:
    """Note all memos of the library as they are; the function that comes back puts that back."""
    notes = list(_memos())

    def restore() -> None:
        for memo, content in notes:
            memo.clear()
            memo.update(content)
        for module in _modules():
            for value in list(vars(module).values()):
                if hasattr(value, "cache_clear"):
                    value.cache_clear()

    return restore


def _memos() -> Iterator[tuple[dict[Any, Any], dict[Any, Any]]]:
    for module in _modules():
        for name, value in list(vars(module).items()):
            if name.startswith("_") and name.islower() and type(value) is dict and not name.startswith("__"):
                yield value, dict(value)
