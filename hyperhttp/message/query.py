"""Names and values of a query or a form, encoded as HTML forms are (application/x-www-form-urlencoded).

A blank becomes ``+``; everything but the unreserved characters of RFC 3986, Section 2.3, is percent-encoded.
That is what ``params=`` does in the widely used clients, and what signed requests are computed over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, TypeAlias

from hyperhttp.exceptions import InvalidURL

__all__ = [
    "ParamTypes",
    "encode_params",
    "encode_query",
    "parse_params",
    "percent_decode",
    "percent_encode",
    "percent_encoder",
    "redact_query",
]

_Value: TypeAlias = str | bytes | int | float | None  # bool is an int
ParamTypes: TypeAlias = "Mapping[str, Any] | Iterable[tuple[str, _Value | list[_Value] | tuple[_Value, ...]]] | str"
"""What ``params=`` accepts: a mapping, pairs, or a query string."""

_ESCAPES: Final = re.compile(r"(?:%[0-9A-Fa-f]{2})+").sub
_NOT_FORM: Final = re.compile(r"[^A-Za-z0-9._~ -]+").sub


def percent_encode(text: str) -> str:
    """Text with everything encoded that is not unreserved, for a place where nothing else is safe."""
    return _NOT_FORM(_percent_encode, text).replace(" ", "%20")


def percent_encoder(allowed: str) -> Callable[[str], str]:
    """A function that percent-encodes all but unreserved and allowed characters and existing escapes."""
    replace = re.compile(rf"%(?![0-9A-Fa-f]{{2}})|[^%A-Za-z0-9._~{allowed}-]+").sub
    return lambda text: replace(_percent_encode, text)


def percent_decode(text: str) -> str:
    """Text with percent-encoded UTF-8 resolved; what is not UTF-8 becomes U+FFFD."""
    if "%" not in text:
        return text
    return _ESCAPES(lambda match: bytes.fromhex(match[0].replace("%", "")).decode(errors="replace"), text)


def _percent_encode(match: re.Match[str]) -> str:
    """RFC 3986, Section 2.1, over UTF-8."""
    return "".join(f"%{byte:02X}" for byte in match[0].encode())


encode_query: Final = percent_encoder("!$&'()*+,;=:@/?")
"""Percent-encode what a query may not hold (RFC 3986, Section 3.4)."""


def encode_params(params: ParamTypes) -> str:
    """Parameters as a query.

    A list or tuple repeats its name, ``None`` is left out, booleans are ``true`` and ``false``. A string is a
    query already: only what a query may not hold is encoded.

    Raises:
        InvalidURL: Text has no encoding in UTF-8.
        TypeError: A name or value is none of ``str``, ``bytes``, ``int``, ``float``, ``bool`` and ``None``.
    """
    if isinstance(params, str):
        return _encode_text("query", params.removeprefix("?"), encode_query)
    pairs: Iterable[Any] = params.items() if isinstance(params, Mapping) else params
    fields: list[str] = []
    for pair in pairs:
        if not isinstance(pair, tuple | list) or len(pair) != 2:
            message = f"parameters must be pairs of name and value, not {type(pair).__name__}"
            raise TypeError(message)
        name, value = pair
        quoted = _encode_text(name, _text(name, name), _form_quote)
        values = value if isinstance(value, list | tuple) else (value,)
        texts = [_text(name, each) for each in values if each is not None]
        fields += [f"{quoted}={_encode_text(name, text, _form_quote)}" for text in texts]
    return "&".join(fields)


def parse_params(query: str) -> list[tuple[str, str]]:
    """Names and values of a query, decoded, in order."""
    fields = [field.partition("=") for field in query.replace("+", " ").split("&") if field]
    return [(percent_decode(name), percent_decode(value)) for name, _, value in fields]


def redact_query(query: str) -> str:
    """A query for logs: the values of names that usually carry secrets are replaced."""
    from hyperhttp.message.secrecy import is_secret  # for those who show URLs

    fields = (field.partition("=") for field in query.split("&"))
    return "&".join(
        f"{name}=[secret]" if value and is_secret(name) else name + equals + value for name, equals, value in fields
    )


def _form_quote(text: str) -> str:
    return _NOT_FORM(_percent_encode, text).replace(" ", "+")


def _encode_text(name: object, text: str, encode: Callable[[str], str]) -> str:
    try:
        return encode(text)
    except UnicodeError:
        raise InvalidURL(f"the parameter {name!r} cannot be encoded as UTF-8") from None


def _text(name: object, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, bytes):
        return value.decode(errors="surrogateescape")  # which _encode_text then refuses
    message = f"the parameter {name!r} cannot be of type {type(value).__name__}; convert it with str()"
    raise TypeError(message)
