"""The name of a file that a server suggests (RFC 6266), of which nothing is believed but its last part."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING, Final

from hyperhttp.message.query import percent_decode
from hyperhttp.message.text import find_charset, parse_content_type

if TYPE_CHECKING:
    from hyperhttp.message.url import URL

__all__ = ["download_name"]

_NO_NAME: Final = "download"
#: Bytes: less than file systems take, so that there is room for the name of the temporary file.
_LONGEST: Final = 200
_SUFFIX: Final = re.compile(r"(?:\.[A-Za-z0-9]{1,10}){1,2}\Z")
#: What Windows allows in no name; a colon there also names a hidden stream.
_FORBIDDEN: Final = re.compile(r'[<>:"|?*]')
#: Categories of characters that are not seen: controls, formats, surrogates, unassigned, line separators.
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_DEVICE: Final = re.compile(r"(?:con(?:in\$|out\$)?|prn|aux|nul|(?:com|lpt)[0-9¹²³])(?: *\.|\Z)", re.IGNORECASE)


def download_name(url: URL, disposition: str | None = None) -> str:
    """The name for a download: what Content-Disposition suggests (RFC 6266), else the last part of the path.

    Either is a suggestion of a stranger. What is left of it is one plain name: no folder, not hidden, nothing
    that a shell takes for an option, nothing that a terminal obeys, nothing that names a device.

    Args:
        url: what was asked for.
        disposition: the value of Content-Disposition, if there was one.
    """
    suggestions = [*_suggested(disposition or ""), percent_decode(url.path)]
    return next(filter(None, map(_plain_name, suggestions)), _NO_NAME)


def _suggested(disposition: str) -> list[str]:
    """``filename*`` and ``filename``, in the order they count (RFC 6266 section 4.3)."""
    _, parameters = parse_content_type(disposition)
    names = []
    charset, _, rest = parameters.get("filename*", "").partition("'")
    encoding = find_charset(charset) if charset else None
    if encoding in ("utf-8", "iso8859-1"):  # the two of RFC 8187 section 3.2.1
        encoded = rest.partition("'")[2]
        raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), encoded.encode())
        names.append(raw.decode(encoding, "replace"))
    names.append(parameters.get("filename", ""))
    return names


def _plain_name(text: str) -> str:
    """What is left of a suggested name; empty where nothing is."""
    name = re.split(r"[/\\]", text)[-1]
    name = "".join(char for char in name if unicodedata.category(char) not in _UNSEEN)
    name = _FORBIDDEN.sub("_", name).lstrip(".-~ ").rstrip(". ")
    encoded = name.encode("utf-8", "ignore")
    if len(encoded) >= _LONGEST:
        found = _SUFFIX.search(name)
        suffix = found[0] if found else ""
        encoded = encoded[: _LONGEST - len(suffix) - 1]  # one is left for what may have to stand before it
        name = encoded.decode("utf-8", "ignore").rstrip(". ") + suffix
    return f"_{name}" if _DEVICE.match(name) else name
