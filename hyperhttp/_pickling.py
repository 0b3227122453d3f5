"""How exceptions travel between processes: attribute by attribute, so that one that cannot does not stop the others.

And what to say of objects that cannot travel at all.
"""

from __future__ import annotations

from typing import Any, NoReturn, TypeVar

__all__ = ["pack", "rebuild", "refuse_copies"]

ErrorT = TypeVar("ErrorT", bound=BaseException)

_PLAIN_TYPES = frozenset({bool, bytes, float, int, str, type(None)})


def pack(error: BaseException) -> tuple[Any, ...]:
    """What `rebuild` makes the exception from."""
    plain, packed = _split_state(error.__dict__)
    args = tuple(arg if type(arg) in _PLAIN_TYPES else str(arg) for arg in error.args)
    return type(error), args, plain, packed


def rebuild(cls: type[ErrorT], args: tuple[Any, ...], plain: dict[str, Any], packed: dict[str, bytes]) -> ErrorT:
    """Make an exception without its ``__init__``, whose signature a subclass may have changed."""
    import pickle  # exceptions hardly ever travel

    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(plain)
    for name, value in packed.items():
        try:
            error.__dict__[name] = pickle.loads(value)  # noqa: S301 - part of a pickle already being loaded
        except Exception:  # noqa: BLE001, S112 - what cannot be restored must not hide the error
            continue
    return error


def _split_state(state: dict[str, Any]) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Separate plain values from objects, which travel one by one: what cannot be pickled is left out."""
    import pickle

    plain: dict[str, Any] = {}
    packed: dict[str, bytes] = {}
    for name, value in state.items():
        plain[name] = value if type(value) in _PLAIN_TYPES else None
        if plain[name] is value:
            continue
        try:
            packed[name] = pickle.dumps(value)
        except Exception:  # noqa: BLE001, S112 - pickling calls foreign code, which may raise anything
            continue
    return plain, packed


def refuse_copies(shared: object) -> NoReturn:
    """The ``__getstate__`` of what many use at once: half of a copy would be the original's.

    Raises:
        TypeError: always.
    """
    msg = f"{type(shared).__name__} can be neither copied nor pickled: share it between threads, or make another one"
    raise TypeError(msg)
