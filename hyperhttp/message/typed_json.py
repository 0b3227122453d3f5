"""JSON into values of a type one names: ``response.json(User)``.

A client's codec does it where it can. Otherwise models of pydantic go through pydantic and everything else, structs,
dataclasses, TypedDicts, lists of them, through msgspec, or through pydantic where that is what is installed. Neither is
imported before it is needed, and neither is needed for `response.json()`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn, get_args

from hyperhttp.message.text import decode_json_text

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["load_as"]

_HINT: Final = "give the client a codec with loads_as(data, kind)"


def load_as(data: bytes, kind: Any, own: Callable[[bytes, Any], Any] | None = None) -> Any:
    """The value of a JSON text as a `kind`.

    Args:
        data: the text, in UTF-8, UTF-16 or UTF-32.
        kind: a type: a struct, a model, a dataclass, a TypedDict, a container of them, a union.
        own: of the client's codec.

    Raises:
        ValueError: it is not JSON, or JSON of something else.
        TypeError: nothing that is installed makes such values.
    """
    if own is not None:
        return own(data, kind)
    text = data if data[:4].isascii() and 0 not in data[:4] else decode_json_text(data)
    if _is_pydantic(kind):
        return _by_pydantic(text, kind)
    try:
        import msgspec
    except ImportError:
        return _by_pydantic(text, kind)
    try:
        return msgspec.json.decode(text, type=kind, dec_hook=_make)
    except msgspec.DecodeError as error:  # ValidationError is one
        _refuse(kind, error)
    except (TypeError, NotImplementedError) as error:
        msg = f"json() cannot make {name_of(kind)}: {error}"
        raise TypeError(msg) from error


def _make(kind: Any, value: Any) -> Any:
    """A part that msgspec does not know: a model of pydantic, perhaps."""
    validate = getattr(kind, "model_validate", None)
    if validate is None:
        msg = f"msgspec does not know {name_of(kind)}; {_HINT}"
        raise NotImplementedError(msg)
    return validate(value)


def _by_pydantic(text: bytes | str, kind: Any) -> Any:
    try:
        import pydantic
    except ImportError as error:
        msg = f"json() cannot make {name_of(kind)}: install msgspec or pydantic, or {_HINT}"
        raise TypeError(msg) from error
    try:
        validate = getattr(kind, "model_validate_json", None) or pydantic.TypeAdapter(kind).validate_json
    except pydantic.PydanticSchemaGenerationError as error:
        msg = f"json() cannot make {name_of(kind)}: {error.message}"
        raise TypeError(msg) from error
    try:
        return validate(text)
    except pydantic.ValidationError as error:
        _refuse(kind, error)


def _is_pydantic(kind: Any) -> bool:
    """Whether it is a model, or holds one where that can be seen."""
    return hasattr(kind, "__pydantic_core_schema__") or any(_is_pydantic(each) for each in get_args(kind))


def _refuse(kind: Any, error: Exception) -> NoReturn:
    msg = f"the content is not JSON of {name_of(kind)}: {error}"
    raise ValueError(msg) from error


def name_of(kind: Any) -> str:
    """A type as one writes it."""
    return kind.__qualname__ if isinstance(kind, type) and not get_args(kind) else str(kind)
