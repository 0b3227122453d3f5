"""What may be shown of a message: in logs, recordings and commands. Secrets are replaced, as far as they can be told."""

from __future__ import annotations

import re
from typing import Any, Final

from hyperhttp.exceptions import InvalidURL
from hyperhttp.message.query import redact_query
from hyperhttp.message.secrecy import is_secret
from hyperhttp.message.text import parse_content_type
from hyperhttp.message.url import URL

__all__ = ["HIDDEN", "shown_content", "shown_value"]

#: Stands for a secret.
HIDDEN: Final = "[secret]"

_PART_NAME: Final = re.compile(rb"""[; \t]name="?([^";\r\n]*)""", re.IGNORECASE)
_URL_FIELDS: Final = frozenset({"location", "content-location", "referer"})
_LARGEST_JSON: Final = 1024 * 1024


def shown_value(name: str, value: str) -> str:
    """A field value as it may be shown: of a cookie its name, of credentials their scheme, of a URL what is no secret."""
    lower = name.lower()
    if lower == "cookie":
        return ";".join(map(_shown_pair, value.split(";")))
    if lower == "set-cookie":
        pair, semicolon, attributes = value.partition(";")
        return f"{_shown_pair(pair)}{semicolon}{attributes}"
    if lower in ("authorization", "proxy-authorization"):
        scheme, blank, _ = value.partition(" ")
        return f"{scheme} {HIDDEN}" if blank else HIDDEN
    if lower in _URL_FIELDS:
        return _shown_url(value)
    return HIDDEN if is_secret(name) and value else value


def _shown_pair(pair: str) -> str:
    """A cookie; one without a name is all value (RFC 6265bis section 5.6)."""
    name, equals, _ = pair.partition("=")
    if equals:
        return f"{name}={HIDDEN}"
    return pair.replace(pair.strip(), HIDDEN) if pair.strip() else pair


def _shown_url(text: str) -> str:
    try:
        return URL(text).redacted
    except InvalidURL:
        return HIDDEN if set(text) & set("@=") else text  # nobody can tell which part of it is what


def shown_content(data: bytes, content_type: str) -> bytes:
    """Content as it may be shown: in forms and JSON, the values of names that usually carry secrets are replaced.

    What is no valid JSON or multipart form although it says so, or too large to look at, is replaced as a whole.
    """
    kind, parameters = parse_content_type(content_type)
    if kind == "application/x-www-form-urlencoded":
        return redact_query(data.decode("latin-1")).encode("latin-1")
    if kind == "multipart/form-data":
        return _shown_parts(data, parameters.get("boundary", ""))
    if kind not in ("application/json", "text/json") and not kind.endswith("+json"):
        return data
    import json  # for those who show content

    try:
        value = json.loads(data if len(data) <= _LARGEST_JSON else b"")
        hidden = _without_secrets(value)
    except (ValueError, RecursionError):
        return HIDDEN.encode() if data else data
    return data if hidden == value else json.dumps(hidden, ensure_ascii=False, separators=(",", ":")).encode()


def _shown_parts(data: bytes, boundary: str) -> bytes:
    """A multipart form (RFC 7578), the contents of parts with such names replaced."""
    delimiter = b"--" + boundary.encode("latin-1", "replace")
    if not boundary or not data.startswith(delimiter):
        return HIDDEN.encode() if data else data
    return delimiter.join(map(_shown_part, data.split(delimiter)))


def _shown_part(part: bytes) -> bytes:
    head, empty_line, content = part.partition(b"\r\n\r\n")
    name = _PART_NAME.search(head)
    if not content or name is None or not is_secret(name[1].decode("utf-8", "replace")):
        return part
    return head + empty_line + HIDDEN.encode() + b"\r\n"


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: HIDDEN if is_secret(key) and each else _without_secrets(each) for key, each in value.items()}
    return [_without_secrets(each) for each in value] if isinstance(value, list) else value
