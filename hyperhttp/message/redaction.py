"""What may be shown of a message: in logs, recordings and commands. Secrets are replaced, as far as they can be told."""

from __future__ import annotations

import re
from typing import Any, Final

from hyperhttp.exceptions import InvalidURL
from hyperhttp.message.headers import is_secret
from hyperhttp.message.query import redact_query
from hyperhttp.message.text import parse_content_type
from hyperhttp.message.url import URL

__all__ = ["HIDDEN", "shown_content", "shown_value"]

#: Stands for a secret.
HIDDEN: Final = "[secret]"

_PAIR_VALUE: Final = re.compile(r"=[^;]*")
_URL_FIELDS: Final = frozenset({"location", "content-location", "referer"})
_LARGEST_JSON: Final = 1024 * 1024


def shown_value(name: str, value: str) -> str:
    """A field value as it may be shown: of a cookie its name, of credentials their scheme, of a URL what is no secret."""
    lower = name.lower()
    if lower == "cookie":
        return _PAIR_VALUE.sub(f"={HIDDEN}", value)
    if lower == "set-cookie":
        return _PAIR_VALUE.sub(f"={HIDDEN}", value, count=1)
    if lower in ("authorization", "proxy-authorization"):
        scheme, blank, _ = value.partition(" ")
        return f"{scheme} {HIDDEN}" if blank else HIDDEN
    if lower in _URL_FIELDS:
        return _shown_url(value)
    return HIDDEN if is_secret(name) and value else value


def _shown_url(text: str) -> str:
    try:
        return URL(text).redacted
    except InvalidURL:
        return text


def shown_content(data: bytes, content_type: str) -> bytes:
    """Content as it may be shown: in forms and JSON, the values of names that usually carry secrets are replaced.

    What is no valid JSON although it says so, or too large to look at, is replaced as a whole.
    """
    kind = parse_content_type(content_type)[0]
    if kind == "application/x-www-form-urlencoded":
        return redact_query(data.decode("latin-1")).encode("latin-1")
    if kind != "application/json" and not kind.endswith("+json"):
        return data
    import json  # for those who show content

    try:
        value = json.loads(data if len(data) <= _LARGEST_JSON else b"")
        hidden = _without_secrets(value)
    except (ValueError, RecursionError):
        return HIDDEN.encode() if data else data
    return data if hidden == value else json.dumps(hidden, ensure_ascii=False, separators=(",", ":")).encode()


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: HIDDEN if is_secret(key) and each else _without_secrets(each) for key, each in value.items()}
    return [_without_secrets(each) for each in value] if isinstance(value, list) else value
