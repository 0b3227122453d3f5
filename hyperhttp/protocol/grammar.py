"""Patterns of the HTTP grammar, each under the rule it implements.

All of them run in linear time: no pattern has two unbounded parts that can match the same bytes.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "CHUNK_LINE",
    "CONTENT_LENGTH",
    "FIELD_LINE",
    "FIELD_VALUE",
    "METHOD",
    "REQUEST_TARGET",
    "STATUS_LINE",
    "TOKEN",
]

# RFC 9110 section 5.6.2: tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`" / "|" / "~"
#                               / DIGIT / ALPHA
_TCHAR: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
TOKEN: Final = re.compile(_TCHAR + rb"+")

# RFC 9110 section 9.1: method = token
METHOD: Final = TOKEN

# RFC 9110 section 5.5: field-vchar = VCHAR / obs-text, with SP and HTAB between; CR, LF, NUL and other CTLs are not allowed.
_FIELD_BYTE: Final = rb"[\t\x20-\x7e\x80-\xff]"
FIELD_VALUE: Final = re.compile(_FIELD_BYTE + rb"*")

# RFC 9112 section 5: field-line = field-name ":" OWS field-value OWS. No space before the colon (section 5.1).
FIELD_LINE: Final = re.compile(_TCHAR + rb"+:" + _FIELD_BYTE + rb"*")

# RFC 9112 section 4: status-line = HTTP-version SP status-code SP [ reason-phrase ]. The space before an absent reason
# phrase is forgotten by enough servers that every client accepts it.
STATUS_LINE: Final = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: (" + _FIELD_BYTE + rb"*))?")

# RFC 9110 section 8.6: Content-Length = 1*DIGIT. Nineteen digits are more than any body will ever have.
CONTENT_LENGTH: Final = re.compile(rb"[0-9]{1,19}")

# RFC 9112 section 7.1: chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF; the extension is skipped, not understood.
CHUNK_LINE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;" + _FIELD_BYTE + rb"*)?")

# RFC 9112 section 3.2: the request target holds no blank and no control character; beyond ASCII, RFC 3986 has it encoded.
REQUEST_TARGET: Final = re.compile(rb"[\x21-\x7e]+")
