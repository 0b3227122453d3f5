"""Header fields: an ordered, case-insensitive multi-mapping over raw field lines (RFC 9110, Section 5).

``Headers`` keeps the (name, value) pairs as bytes, in the order and case they came in; text is made when
somebody looks. ``check_field`` is the one place where a name and a value from a caller are validated and
turned into bytes, for HTTP/1.1, HTTP/2, multipart and WebSocket alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from typing import Any, Final, Self, TypeAlias, TypeVar, cast, overload

from hyperhttp.exceptions import LocalProtocolError

__all__ = ["HeaderTypes", "Headers", "check_field", "check_name", "check_value"]

HeaderTypes: TypeAlias = (
    "Headers | Mapping[str, str] | Mapping[bytes, bytes] | Iterable[tuple[str | bytes, str | bytes]]"
)
"""What ``Headers(...)`` and every ``headers=`` option accept."""

_T = TypeVar("_T")

# RFC 9110, Section 5.6.2: token.
_TOKEN: Final = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+").fullmatch
# RFC 9110, Section 5.5: field-value; obs-text (0x80 to 0xFF) is allowed because it is in use.
_FIELD_VALUE: Final = re.compile(rb"[\t\x20-\x7e\x80-\xff]*").fullmatch
_FORBIDDEN: Final = re.compile(rb"[^\t\x20-\x7e\x80-\xff]").search

_USERINFO: Final = re.compile(r"//[^/?#\s@]*@").sub

# Bounded memos: programs use the same few names all the time. When new ones never end, we start over.
_MEMO_ENTRIES: Final = 1024
_MEMO_NAME_LENGTH: Final = 64
_checked_names: dict[str, bytes] = {}
_lower_names: dict[bytes, str] = {}


class Headers(MutableMapping[str, str]):
    """Header fields of a request or response.

    Looking up a name ignores its case. ``headers[name]`` joins the values of repeated fields with a comma
    (RFC 9110, Section 5.3), except for ``Set-Cookie``, which cannot be joined: there it is the first value,
    and ``get_list`` gives all of them. Setting a name replaces all its fields; ``add`` keeps them.

    Values are decoded as UTF-8 where that is what they are, else as ISO-8859-1. Text is encoded as ISO-8859-1
    where possible, else as UTF-8.

    Args:
        init: A mapping, pairs, other headers, or ``None``.

    Raises:
        LocalProtocolError: A name is not a token, or a value holds a line break or another control character.
        TypeError: A name or a value is neither ``str`` nor ``bytes``.
    """

    __slots__ = ("_fields", "_index", "_version")

    _fields: list[Any]  # tuples of name, value and whatever a parser added behind
    _index: dict[str, int | list[int]] | None  # lower-case name to position or positions
    _version: int  # grows with every change

    def __init__(self, init: HeaderTypes | None = None) -> None:
        self._fields = [] if init is None else _checked_fields(init)
        self._index = None
        self._version = 0

    @classmethod
    def from_fields(cls, fields: list[Any]) -> Headers:
        """Headers over field lines a parser has validated: nothing is checked or copied.

        Args:
            fields: Tuples whose first two items are name and value as bytes. The list is owned from now on.
        """
        self = cls.__new__(cls)
        self._fields = fields
        self._index = None
        self._version = 0
        return self

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        """The field lines as bytes, in order."""
        return [(field[0], field[1]) for field in self._fields]

    def __getitem__(self, name: str) -> str:
        position = self._find(name)
        if position is None:
            raise KeyError(name)
        if isinstance(position, int):
            return _decode(self._fields[position][1])
        values = [_decode(self._fields[each][1]) for each in position]
        return values[0] if _lower(self._fields[position[0]][0]) == "set-cookie" else ", ".join(values)

    @overload
    def get(self, key: str, /) -> str | None: ...
    @overload
    def get(self, key: str, /, default: str) -> str: ...
    @overload
    def get(self, key: str, /, default: _T) -> str | _T: ...
    def get(self, key: str, /, default: Any = None) -> Any:
        """The value as ``headers[key]`` gives it, or ``default`` where there is none."""
        return default if self._find(key) is None else self[key]

    def get_list(self, name: str) -> list[str]:
        """All values of a name, one for each field line, in order."""
        position = self._find(name)
        if position is None:
            return []
        positions = [position] if isinstance(position, int) else position
        return [_decode(self._fields[each][1]) for each in positions]

    def multi_items(self) -> list[tuple[str, str]]:
        """All field lines as text, in order, repeated names repeated."""
        return [(field[0].decode("latin-1"), _decode(field[1])) for field in self._fields]

    def __iter__(self) -> Iterator[str]:
        for position in self._positions().values():
            first = position if isinstance(position, int) else position[0]
            yield self._fields[first][0].decode("latin-1")

    def __len__(self) -> int:
        return len(self._positions())

    def __bool__(self) -> bool:
        return bool(self._fields)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self._find(name) is not None

    def __setitem__(self, name: str, value: str) -> None:
        field = check_field(name, value)
        key = _lower(field[0])
        position = self._positions().get(key)
        if isinstance(position, list):
            self._replace({key}, [field], at=position[0])
        elif position is None:
            self._append(field)
        else:
            self._fields[position] = field
            self._version += 1

    def __delitem__(self, name: str) -> None:
        if self._find(name) is None:
            raise KeyError(name)
        self._replace({name.lower()}, [])

    def add(self, name: str, value: str) -> None:
        """Add a field line, keeping those that already have the name."""
        self._append(check_field(name, value))

    def setdefault(self, key: str, default: str = "") -> str:
        """The value of a name, after setting it to ``default`` where there was none."""
        if self._find(key) is None:
            self[key] = default
        return self[key]

    def update(self, other: HeaderTypes = (), /, **named: str) -> None:  # type: ignore[override]  # wider
        """Set names; all fields of a name that is given are replaced by all those given for it."""
        fields = _checked_fields(other)
        fields += [check_field(name, value) for name, value in named.items()]
        if fields:
            self._replace({_lower(field[0]) for field in fields}, fields)

    def clear(self) -> None:
        """Remove every field."""
        self._fields = []
        self._index = None
        self._version += 1

    def copy(self) -> Headers:
        """Headers of their own with the same fields."""
        return type(self).from_fields(self._fields.copy())

    __copy__ = copy

    def __or__(self, other: HeaderTypes) -> Headers:
        if not _is_header_type(other):
            return NotImplemented
        merged = self.copy()
        merged.update(other)
        return merged

    def __ror__(self, other: HeaderTypes) -> Headers:
        return Headers(other) | self if _is_header_type(other) else NotImplemented

    def __ior__(self, other: HeaderTypes) -> Self:
        if not _is_header_type(other):
            return NotImplemented
        self.update(other)
        return self

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Headers):
            if not _is_header_type(other):
                return NotImplemented
            try:
                other = Headers(cast("HeaderTypes", other))
            except (TypeError, ValueError):
                return False
        return self._values_by_name() == other._values_by_name()

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        from hyperhttp.message.secrecy import is_secret  # for those who look

        shown = [
            (name, "[secret]" if is_secret(name) else _USERINFO("//[secret]@", value))
            for name, value in self.multi_items()
        ]
        return f"{type(self).__name__}({shown!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self).from_fields, (self.raw,)

    def _find(self, name: str) -> int | list[int] | None:
        index = self._positions()
        position = index.get(name)
        if position is None and isinstance(name, str):
            position = index.get(name.lower())
        return position

    def _positions(self) -> dict[str, int | list[int]]:
        index = self._index
        if index is None:
            index = self._index = _index_of(self._fields)
        return index

    def _append(self, field: tuple[bytes, bytes]) -> None:
        if self._index is not None:
            _enter(self._index, _lower(field[0]), len(self._fields))
        self._fields.append(field)
        self._version += 1

    def _replace(self, names: set[str], fields: list[tuple[bytes, bytes]], at: int | None = None) -> None:
        """Remove every field with one of the names; put ``fields`` at the end, or where the first one was."""
        kept = [field for field in self._fields if _lower(field[0]) not in names]
        place = len(kept) if at is None else at
        self._fields = kept[:place] + fields + kept[place:]
        self._index = None
        self._version += 1

    def _values_by_name(self) -> dict[str, list[bytes]]:
        values: dict[str, list[bytes]] = {}
        for field in self._fields:
            values.setdefault(_lower(field[0]), []).append(field[1])
        return values


def check_field(name: str | bytes, value: str | bytes) -> tuple[bytes, bytes]:
    """Validate a field line and turn it into bytes (RFC 9110, Sections 5.1 and 5.5).

    Args:
        name: A token.
        value: Anything without control characters other than HTAB; blanks around it are removed.

    Raises:
        LocalProtocolError: The name or the value may not be sent. The message never shows the value.
        TypeError: One of them is neither ``str`` nor ``bytes``.
    """
    raw = _checked_names.get(name) if type(name) is str else None
    if raw is None:
        raw = check_name(name)
    return raw, check_value(raw, value)


def check_name(name: str | bytes) -> bytes:
    """Validate a field name and turn it into bytes; raises as :func:`check_field` does."""
    raw = _name_bytes(name)
    if _TOKEN(raw) is None:
        # Cut short: a whole request smuggled into a name is not worth a page in the log.
        message = f"invalid header name {raw[:80]!r}: only letters, digits and !#$%&'*+-.^_`|~ are allowed"
        raise LocalProtocolError(message)
    if type(name) is str and len(raw) <= _MEMO_NAME_LENGTH:
        if len(_checked_names) >= _MEMO_ENTRIES:
            _checked_names.clear()
        _checked_names[name] = raw
    return raw


def check_value(name: bytes, value: str | bytes) -> bytes:
    """Validate a field value and turn it into bytes; ``name`` is for messages only."""
    raw = value if isinstance(value, bytes) else _encode(name, value)
    if _FIELD_VALUE(raw) is None:
        raise LocalProtocolError(_forbidden_message(name, raw))
    return raw.strip(b" \t")


def _checked_fields(init: object) -> list[tuple[bytes, bytes]]:
    if isinstance(init, Headers):
        return init._fields.copy()  # validated when they came in
    if isinstance(init, str | bytes) or not isinstance(init, Iterable):
        message = f"headers must be a mapping or pairs of name and value, not {type(init).__name__}"
        raise TypeError(message)
    pairs: Iterable[Any] = init.items() if isinstance(init, Mapping) else init
    fields = []
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            message = f"headers must be pairs of name and value, not {type(pair).__name__}"
            raise TypeError(message)
        fields.append(check_field(pair[0], pair[1]))
    return fields


def _is_header_type(value: object) -> bool:
    return isinstance(value, Mapping | list | tuple)


def _index_of(fields: list[Any]) -> dict[str, int | list[int]]:
    index: dict[str, int | list[int]] = {}
    known_names = _lower_names.get
    for position, field in enumerate(fields):
        name = known_names(field[0]) or _lower(field[0])
        if name in index:
            _enter(index, name, position)
        else:
            index[name] = position
    return index


def _enter(index: dict[str, int | list[int]], name: str, position: int) -> None:
    known = index.get(name)
    if known is None:
        index[name] = position
    elif isinstance(known, int):
        index[name] = [known, position]
    else:
        known.append(position)


def _lower(name: bytes) -> str:
    known = _lower_names.get(name)
    if known is not None:
        return known
    lower = name.lower().decode("latin-1")
    if len(name) <= _MEMO_NAME_LENGTH:
        if len(_lower_names) >= _MEMO_ENTRIES:
            _lower_names.clear()
        _lower_names[name] = lower
    return lower


def _decode(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _name_bytes(name: object) -> bytes:
    if isinstance(name, str):
        return name.encode("utf-8", "surrogatepass")
    if isinstance(name, bytes):
        return name
    message = f"a header name must be str or bytes, not {type(name).__name__}"
    raise TypeError(message)


def _encode(name: bytes, value: object) -> bytes:
    if not isinstance(value, str):
        message = f"the value of header {_text(name)} must be str or bytes, not {type(value).__name__}"
        raise TypeError(message)
    try:
        return value.encode("latin-1")
    except UnicodeEncodeError:
        pass
    try:
        return value.encode()
    except UnicodeEncodeError:
        message = f"the value of header {_text(name)} holds a lone surrogate, which has no encoding"
        raise LocalProtocolError(message) from None


def _forbidden_message(name: bytes, raw: bytes) -> str:
    found = _FORBIDDEN(raw)
    place = 0 if found is None else found.start()
    return (
        f"the value of header {_text(name)} holds the control character 0x{raw[place]:02X} "
        f"at position {place}; line breaks and control characters may not be sent"
    )


def _text(name: bytes) -> str:
    return repr(name.decode("latin-1"))
