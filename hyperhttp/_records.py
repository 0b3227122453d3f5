"""Values that are set once and compared by what they hold: as frozen dataclasses, at a hundredth of their price.

A frozen dataclass writes and compiles its methods when its module is imported, which takes a millisecond for each class and,
for the first, ten more and half a megabyte for the modules of the standard library that it brings. Every program that
imports hyperhttp would pay that. The functions of `dataclasses` take records all the same.
"""

from __future__ import annotations

from typing import Any, NoReturn, Self, dataclass_transform

__all__ = ["Record"]


class _OfDataclass:
    """What `dataclasses` looks for in a class, taken from a dataclass of the same fields when it is looked for."""

    def __set_name__(self, owner: type[Any], name: str) -> None:
        self._name = name

    def __get__(self, record: Record | None, owner: type[Record]) -> Any:
        import dataclasses  # hardly ever asked for
        import inspect

        init = owner.__init__
        names = init.__code__.co_varnames[1 : init.__code__.co_argcount]
        defaults = dict(zip(reversed(names), reversed(init.__defaults__ or ()), strict=False))
        annotations: dict[str, Any] = {}
        for each in reversed(owner.__mro__):
            annotations |= inspect.get_annotations(each)
        fields = [
            (name, annotations[name], dataclasses.field(default=defaults.get(name, dataclasses.MISSING)))
            for name in owner.__match_args__
        ]
        return getattr(dataclasses.make_dataclass(owner.__name__, fields, frozen=True), self._name)


@dataclass_transform(frozen_default=True)
class Record:
    """The base of records.

    A record names its fields by annotations, in their order, and by ``__slots__``; its ``__init__`` ends with `_fill`.
    """

    __slots__ = ()
    __match_args__: tuple[str, ...] = ()
    __dataclass_fields__ = _OfDataclass()
    __dataclass_params__ = _OfDataclass()

    def __init_subclass__(cls) -> None:
        if not cls.__match_args__:  # what derives from a record adds no fields
            cls.__match_args__ = tuple(cls.__annotations__)  # type: ignore[misc]  # mypy derives its own

    def _fill(self, *values: Any) -> None:
        """Set the fields, in their order."""
        for name, value in zip(self.__match_args__, values, strict=True):
            object.__setattr__(self, name, value)

    def _values(self) -> tuple[Any, ...]:
        """What it is compared by and shows: the values of all fields, or of the first."""
        return tuple([getattr(self, name) for name in self.__match_args__])

    def __eq__(self, other: object) -> bool:
        if other.__class__ is not self.__class__:
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(self._values())

    def __repr__(self) -> str:
        values = zip(self.__match_args__, self._values(), strict=False)
        return f"{type(self).__qualname__}({', '.join(f'{name}={value!r}' for name, value in values)})"

    def __setattr__(self, name: str, value: object) -> None:
        if name in self.__match_args__ or type(self).__base__ is Record:
            _refuse(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        if name in self.__match_args__ or type(self).__base__ is Record:
            _refuse(f"cannot delete field {name!r}")
        object.__delattr__(self, name)

    def __replace__(self, **changes: Any) -> Self:
        """A copy with some other values; checked as a new one is."""
        names = self.__match_args__
        if not changes.keys() <= set(names):
            msg = f"{type(self).__qualname__} has no field {min(changes.keys() - set(names))!r}"
            raise TypeError(msg)
        return type(self)(**{name: getattr(self, name) for name in names} | changes)

    def __getstate__(self) -> tuple[Any, ...]:
        return self._values()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._fill(*state)


def _refuse(message: str) -> NoReturn:
    from dataclasses import FrozenInstanceError  # what such a mistake is known by

    raise FrozenInstanceError(message)
