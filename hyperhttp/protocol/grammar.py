"""Patterns of the HTTP grammar, each under the rule it implements.

All of them run in linear time: no pattern has two unbounded parts that can match the same bytes.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = [
    "CHUNK_LINE",
    "CONTENT_LENGTH",
    "CONTROL_IN_LINE",
    "FIELD_LINE",
    "FIELD_VALUE",
    "IDLE_TIMEOUT",
    "METHOD",
    "REQUEST_TARGET",
    "STATUS_LINE",
    "TOKEN",
    "WHOLE_CHUNK_LINE",
]

# RFC 9110 section 5.6.2: tchar = "!" / "#" / "$" / "%" / "&" / "'" / "*" / "+" / "-" / "." / "^" / "_" / "`"
#                               / "|" / "~" / DIGIT / ALPHA
_TCHAR: Final = rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]"
TOKEN: Final = re.compile(_TCHAR + rb"+")

# RFC 9110 section 9.1: method = token
METHOD: Final = TOKEN

# RFC 9110 section 5.5: field-vchar = VCHAR / obs-text, with SP and HTAB between; CR, LF, NUL and other CTLs
# are not allowed.
_FIELD_BYTE: Final = rb"[\t\x20-\x7e\x80-\xff]"
FIELD_VALUE: Final = re.compile(_FIELD_BYTE + rb"*")

# RFC 9112 section 5: field-line = field-name ":" OWS field-value OWS. No space before the colon, section 5.1.
FIELD_LINE: Final = re.compile(_TCHAR + rb"+:" + _FIELD_BYTE + rb"*")

# RFC 9112 section 4: status-line = HTTP-version SP status-code SP [ reason-phrase ]. The space before an
# absent reason phrase is forgotten by enough servers that every client accepts it.
STATUS_LINE: Final = re.compile(rb"HTTP/1\.([0-9]) ([1-9][0-9]{2})(?: (" + _FIELD_BYTE + rb"*))?")

# RFC 9110 section 8.6: Content-Length = 1*DIGIT. Nineteen digits are more than any body will ever have.
CONTENT_LENGTH: Final = re.compile(rb"[0-9]{1,19}")

# RFC 9112 appendix C.2.2 names Keep-Alive and leaves its parameters to others: a list of name=value, where
# "timeout" is the number of seconds the server keeps an idle connection. This is one item of that list.
IDLE_TIMEOUT: Final = re.compile(rb"[ \t]*timeout[ \t]*=[ \t]*([0-9]{1,9})[ \t]*", re.IGNORECASE)

# RFC 9112 section 7.1: chunk = chunk-size [ chunk-ext ] CRLF chunk-data CRLF. The extension is only skipped.
_CHUNK_SIZE: Final = rb"([0-9A-Fa-f]{1,16})"
CHUNK_LINE: Final = re.compile(_CHUNK_SIZE + rb"(?:[ \t]*;" + _FIELD_BYTE + rb"*)?")

# The chunk line nearly everybody sends, with its end: no extension.
WHOLE_CHUNK_LINE: Final = re.compile(_CHUNK_SIZE + rb"\r\n")

# RFC 9112 section 2.2: a line ends in CRLF. Neither half of it alone, nor NUL or another control, is part of
# a line, so a line that is still incomplete can be refused for them. A CR at the very end may yet be followed
# by its LF.
CONTROL_IN_LINE: Final = re.compile(rb"(?<!\r)\n|\r[^\n]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")

# RFC 9112 section 3.2: the request target holds no blank, no control character and no fragment (section 3.2.1
# and 3.2.2 have none); beyond ASCII, RFC 3986 has it encoded.
REQUEST_TARGET: Final = re.compile(rb"[\x21\x22\x24-\x7e]+")
