"""The Link header field (RFC 8288)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["parse_links"]

# link-value = "<" URI-Reference ">" *( OWS ";" OWS link-param ); each pattern below matches at one place only.
_TARGET = re.compile(r"\s*<([^>]*)>")
_PARAMETER = re.compile(r"\s*;\s*([^\s;,=]+)(?:\s*=\s*(?:\"((?:[^\"\\]|\\.)*)\"|([^\s;,\"]*)))?")


def parse_links(values: Iterable[str]) -> dict[str, dict[str, str]]:
    """Links by relation type, or by target where they name none.

    Args:
        values: Link field values.

    Returns:
        For each link its parameters and ``"url"``; what does not follow the grammar is left out.
    """
    links: dict[str, dict[str, str]] = {}
    for value in values:
        position = 0
        while target := _TARGET.match(value, position):
            position = target.end()
            link = {"url": target.group(1)}
            while parameter := _PARAMETER.match(value, position):
                position = parameter.end()
                name, quoted, plain = parameter.groups()
                text = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain or ""
                link.setdefault(name.lower(), text)
            for key in link.get("rel", "").split() or [link["url"]]:
                links.setdefault(key, link)
            comma = value.find(",", position)
            if comma < 0:
                break
            position = comma + 1
    return links
