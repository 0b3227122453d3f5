"""Content as text: which charset, decoding piece by piece, lines (RFC 9110, 8.3; RFC 8259, 8.1).

A server chooses the charset, so only encodings of text are looked up, from a fixed list: Python's codecs also
include compression (``zip``), escapes (``unicode_escape``) and some that take quadratic time (``idna``,
``punycode``), and looking up a name that does not exist costs memory for ever. A byte order mark decides over
a header field (Encoding Standard, Section 6).
"""

from __future__ import annotations

import codecs
import re
from encodings.aliases import aliases
from typing import Final, NoReturn

from hyperhttp.exceptions import DecodingError

__all__ = [
    "DEFAULT_CHARSET",
    "MAX_LINE_LENGTH",
    "LineSplitter",
    "TextDecoder",
    "charset_of",
    "decode_json_text",
    "decode_text",
    "find_charset",
    "parse_content_type",
]

DEFAULT_CHARSET: Final = "utf-8"

MAX_LINE_LENGTH: Final = 64 * 1024 * 1024
"""Characters a line may have before `LineSplitter` gives up on an endless one."""

_LINE_END: Final = re.compile(r"\r\n?|\n")

# RFC 9110, Section 5.6.6: parameters; what does not follow it is skipped up to the next semicolon. Nothing
# behind a repetition can fail, so nothing is tried twice.
_PARAMETER: Final = re.compile(
    r""";[ \t]*(?:([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=(?:"((?:[^"\\]|\\.)*)|([^\s;"]+)))?[^;]*""", re.DOTALL
).match
_QUOTED_PAIR: Final = re.compile(r"\\(.)", re.DOTALL).sub
_LONGEST_LABEL: Final = 40

# Encodings of the Encoding Standard, and the single-byte and East Asian ones Python knows besides. UTF-7 is
# not here: what is harmless in it is markup in others.
_TEXT_CODECS: Final = frozenset(
    re.findall(
        r"\w+",
        """
        ascii utf_8 utf_8_sig utf_16 utf_16_be utf_16_le utf_32 utf_32_be utf_32_le latin_1
        iso8859_2 iso8859_3 iso8859_4 iso8859_5 iso8859_6 iso8859_7 iso8859_8 iso8859_9 iso8859_10 iso8859_11
        iso8859_13 iso8859_14 iso8859_15 iso8859_16 koi8_r koi8_t koi8_u kz1048 ptcp154 tis_620 hp_roman8
        cp037 cp273 cp424 cp437 cp500 cp720 cp737 cp775 cp850 cp852 cp855 cp856 cp857 cp858 cp860 cp861 cp862
        cp863 cp864 cp865 cp866 cp869 cp874 cp875 cp932 cp949 cp950 cp1006 cp1026 cp1125 cp1140
        cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258
        mac_cyrillic mac_greek mac_iceland mac_latin2 mac_roman mac_turkish
        big5 big5hkscs gb2312 gbk gb18030 hz euc_jp euc_jis_2004 euc_jisx0213 euc_kr johab
        shift_jis shift_jis_2004 shift_jisx0213
        iso2022_jp iso2022_jp_1 iso2022_jp_2 iso2022_jp_2004 iso2022_jp_3 iso2022_jp_ext iso2022_kr
        """,
    )
)

# Labels servers use that Python has no alias for.
_MORE_ALIASES: Final = {
    "dos_874": "cp874",
    "unicode": "utf_16",
    "unicode_1_1_utf_8": "utf_8",
    "utf8mb4": "utf_8",
    "windows_31j": "cp932",
    "windows_874": "cp874",
    "x_cp1250": "cp1250",
    "x_cp1251": "cp1251",
    "x_cp1252": "cp1252",
    "x_euc_jp": "euc_jp",
    "x_gbk": "gbk",
    "x_mac_cyrillic": "mac_cyrillic",
    "x_mac_roman": "mac_roman",
    "x_sjis": "shift_jis",
}

# Longest first: the mark of UTF-32 begins with that of UTF-16.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LONGEST_MARK: Final = 4
# What these are without a mark (Encoding Standard, Section 4.2); Python's own decoders would refuse.
_UNMARKED: Final = {"utf-16": "utf-16-le", "utf-32": "utf-32-le"}
_MARK_STARTS: Final = frozenset({0x00, 0xEF, 0xFE, 0xFF})


def parse_content_type(value: str) -> tuple[str, dict[str, str]]:
    """Media type and parameters of a Content-Type, names in lower case, quoted strings resolved.

    The first of two parameters with one name counts; what does not follow the grammar is left out.
    """
    media_type, _, _ = value.partition(";")
    place = len(media_type)
    parameters: dict[str, str] = {}
    while match := _PARAMETER(value, place):
        place = match.end()
        name, quoted, token = match.groups()
        if name is not None:
            parameters.setdefault(name.lower(), token or _QUOTED_PAIR(r"\1", quoted or ""))
    return media_type.strip(" \t").lower(), parameters


def charset_of(content_type: str | None, default: str = DEFAULT_CHARSET) -> str:
    """The encoding a Content-Type names, or `default` when it names none that is known."""
    if content_type is None or "charset" not in content_type.lower():
        return default
    label = parse_content_type(content_type)[1].get("charset")
    return (find_charset(label) if label is not None else None) or default


def find_charset(label: str) -> str | None:
    """The name of Python's codec for a charset label, or None when it is no known encoding of text."""
    label = label.strip(" \t'\"")
    if len(label) > _LONGEST_LABEL or not label.isascii():
        return None
    name = re.sub(r"[^0-9a-z]+", "_", label.lower())
    name = _MORE_ALIASES.get(name) or aliases.get(name, name)
    if name not in _TEXT_CODECS:
        return None
    encoding = codecs.lookup(name).name
    return _UNMARKED.get(encoding, encoding)


def decode_text(data: bytes, encoding: str = DEFAULT_CHARSET, errors: str = "replace") -> str:
    """Content as text; a byte order mark decides over `encoding` and is not part of the text.

    Raises:
        LookupError: there is no such encoding.
    """
    marked = _marked_encoding(data) if data and data[0] in _MARK_STARTS else None
    return data.decode(marked or _UNMARKED.get(encoding, encoding), errors)


def decode_json_text(data: bytes) -> str:
    """A JSON text as str: UTF-8, or UTF-16 or UTF-32 as old senders write it (RFC 4627, Section 3).

    Raises:
        UnicodeDecodeError: the bytes are not valid in the encoding.
    """
    encoding = _marked_encoding(data)
    if encoding is None:
        # The first two characters of a JSON text are ASCII, so zero bytes show the width and the order.
        zeros = tuple(byte == 0 for byte in data[:4])
        encoding = _WIDTHS.get(zeros) or _WIDTHS.get(zeros[:2], DEFAULT_CHARSET)
    return data.decode(encoding)


_WIDTHS: Final = {
    (True, True, True, False): "utf-32-be",
    (False, True, True, True): "utf-32-le",
    (True, False): "utf-16-be",
    (False, True): "utf-16-le",
}


class TextDecoder:
    """Decodes text that arrives in pieces.

    Args:
        encoding: The name of a codec, from `charset_of` or the user.
        errors: What to do about bytes that are not text, as for ``bytes.decode``.

    Raises:
        LookupError: there is no such encoding.
    """

    __slots__ = ("_decoder", "_errors", "_held")

    def __init__(self, encoding: str = DEFAULT_CHARSET, errors: str = "replace") -> None:
        self._errors = errors
        name = codecs.lookup(encoding).name
        decoder = codecs.getincrementaldecoder(_UNMARKED.get(name, name))(errors)
        self._decoder = _WithEscapes(decoder) if name.startswith("iso2022") else decoder
        self._held: bytes | None = b""  # the first bytes, while they may be a byte order mark

    def decode(self, data: bytes) -> str:
        """The text that is complete with `data`; a character cut in two is held back."""
        if self._held is None:
            return self._decoder.decode(data)
        return self._begin(self._held + data, is_last=False)

    def finish(self) -> str:
        """What is left at the end: nothing, or what an incomplete character is replaced by."""
        if self._held is None:
            return self._decoder.decode(b"", True)
        return self._begin(self._held, is_last=True)

    def _begin(self, data: bytes, *, is_last: bool) -> str:
        if not is_last and len(data) < _LONGEST_MARK and _may_be_mark(data):
            self._held = data
            return ""
        encoding = _marked_encoding(data)
        if encoding is not None:
            self._decoder = codecs.getincrementaldecoder(encoding)(self._errors)
        self._held = None
        return self._decoder.decode(data, is_last)


class _WithEscapes:
    """A decoder of ISO-2022 that survives escape sequences which the network cuts.

    Python's own wants up to sixteen bytes of one that has no end, yet keeps only eight, and fails beyond that. So the
    bytes that were too many are held until there are more of them, which are then enough.
    """

    __slots__ = ("_decoder", "_held")

    def __init__(self, decoder: codecs.IncrementalDecoder) -> None:
        self._decoder = decoder
        self._held = b""

    def decode(self, data: bytes, final: bool = False) -> str:
        """As for any incremental decoder."""
        data = self._held + data
        state = self._decoder.getstate()
        try:
            text = self._decoder.decode(data, final)
        except UnicodeDecodeError:
            raise  # these bytes are wrong, and the caller asked to be told
        except UnicodeError:
            self._decoder.setstate(state)
            self._held = data
            return ""
        self._held = b""
        return text


class LineSplitter:
    r"""Splits text that arrives in pieces into lines, at ``\n``, ``\r\n`` and ``\r`` and nowhere else.

    These are the universal newlines of Python's text mode; ``str.splitlines`` would split at others too.
    Lines come without their ends. A lone ``\r`` at the end of a piece ends its line at once; the ``\n`` that
    may follow is then skipped.

    Args:
        max_length: Characters a line may have, None for no limit.

    Attributes:
        too_long: A line was longer than that: those before it were given, and only an error comes after them.
    """

    __slots__ = ("_after_return", "_held", "_length", "_max_length", "too_long")

    def __init__(self, max_length: int | None = MAX_LINE_LENGTH) -> None:
        self._max_length = max_length
        self._held: list[str] = []  # pieces of the line that has no end yet; joined once
        self._length = 0
        self._after_return = False
        self.too_long = False

    def split(self, text: str) -> list[str]:
        """The lines that are complete with `text`; those before one that is longer than `max_length` come first.

        Raises:
            DecodingError: a line is longer than `max_length`, and no line before it is left to give.
        """
        if self.too_long:
            self.fail()
        if self._after_return and text:
            text = text[1:] if text[0] == "\n" else text
            self._after_return = False
        if not text:
            return []
        if self._max_length is not None and self._length + len(text) > self._max_length:
            text = self._cut(text, self._max_length)
        if "\r" in text:
            self._after_return = text[-1] == "\r"
            text = text.replace("\r\n", "\n").replace("\r", "\n")
        lines = text.split("\n")
        rest = lines.pop()
        if lines and self._held:
            lines[0] = "".join([*self._held, lines[0]])
            self._held = []
            self._length = 0
        if rest:
            self._held.append(rest)
            self._length += len(rest)
        return lines

    def finish(self) -> list[str]:
        """The last line, when it has no end.

        Raises:
            DecodingError: a line is longer than `max_length`.
        """
        if self.too_long:
            self.fail()
        rest = "".join(self._held)
        self._held = []
        self._length = 0
        return [rest] if rest else []

    def fail(self) -> NoReturn:
        """Tell of the line that is longer than allowed.

        Raises:
            DecodingError: always.
        """
        self._held = []
        message = f"a line has more than the {self._max_length} characters allowed; read text or bytes instead"
        raise DecodingError(message, limit=self._max_length)

    def _cut(self, text: str, limit: int) -> str:
        """What comes before the first line of `text` that is too long; all of it where none is."""
        length = self._length
        start = 0
        for end in _LINE_END.finditer(text):
            if length + end.start() - start > limit:
                break
            start = end.end()
            length = 0
        else:
            if length + len(text) - start <= limit:
                return text
        self.too_long = True
        if not start:
            self.fail()
        return text[:start]


def _marked_encoding(data: bytes) -> str | None:
    """The encoding a byte order mark says, where there is one."""
    return next((encoding for mark, encoding in _MARKS if data.startswith(mark)), None)


def _may_be_mark(data: bytes) -> bool:
    return any(mark.startswith(data) for mark, _ in _MARKS)
