from __future__ import annotations

import codecs
import io

import pytest

from hyperhttp.exceptions import DecodingError
from hyperhttp.message.text import (
    LineSplitter,
    TextDecoder,
    charset_of,
    decode_json_text,
    decode_text,
    find_charset,
    parse_content_type,
)


@pytest.mark.parametrize(
    ("value", "media_type", "parameters"),
    [
        ("text/html", "text/html", {}),
        ("Text/HTML; Charset=UTF-8", "text/html", {"charset": "UTF-8"}),
        ('text/html;charset="utf-8"', "text/html", {"charset": "utf-8"}),
        (r'a/b; x="semi; \"colon\" \\"; charset=ascii', "a/b", {"x": 'semi; "colon" \\', "charset": "ascii"}),
        ("a/b; charset=one; charset=two", "a/b", {"charset": "one"}),
        ("a/b;;; ; charset=x ;", "a/b", {"charset": "x"}),
        ("a/b; junk; =; charset=x", "a/b", {"charset": "x"}),
        ("a/b; charset", "a/b", {}),
        ("a/b; charset=", "a/b", {}),
        ('a/b; charset="utf-8', "a/b", {"charset": "utf-8"}),
        ('a/b; charset="a\\', "a/b", {"charset": "a"}),
        ("", "", {}),
        (";charset=x", "", {"charset": "x"}),
    ],
)
def test_content_type_is_read_by_its_grammar_and_junk_is_skipped(value, media_type, parameters):
    assert parse_content_type(value) == (media_type, parameters)


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        (None, "utf-8"),
        ("text/html", "utf-8"),
        ("text/html; charset=utf8", "utf-8"),
        ("text/html; charset='UTF-8'", "utf-8"),
        ("text/html; charset=ISO-8859-1", "iso8859-1"),
        ("text/html; charset=latin1", "iso8859-1"),
        ("text/html; charset=windows-1252", "cp1252"),
        ("text/html; charset=windows-874", "cp874"),
        ("text/html; charset=Shift_JIS", "shift_jis"),
        ("text/html; charset=x-sjis", "shift_jis"),
        ("text/html; charset=gb18030", "gb18030"),
        ("text/html; charset=UTF-16LE", "utf-16-le"),
        ("text/html; charset=bogus", "utf-8"),
        ('text/html; title="charset=latin1"', "utf-8"),
        ('text/html; charset="', "utf-8"),
    ],
)
def test_charset_comes_from_the_content_type_and_falls_back_to_utf_8(content_type, encoding):
    assert charset_of(content_type) == encoding


@pytest.mark.parametrize(
    "label",
    [
        "zip", "zlib_codec", "bz2", "hex", "base64", "rot13", "rot_13", "uu", "quopri", "idna", "punycode",
        "unicode_escape", "raw_unicode_escape", "unicode-escape", "utf-7", "u7", "charmap", "mbcs", "oem",
        "palmos", "undefined", "aliases", "encodings", "..utf_8", "utf_8/../x", "é", "", " ", "\0",
        "a" * 10_000,
    ],
)  # fmt: skip
def test_codecs_that_are_not_encodings_of_text_are_not_found(label):
    assert find_charset(label) is None


def test_every_encoding_that_can_be_found_decodes_any_bytes_without_raising():
    from hyperhttp.message.text import _TEXT_CODECS

    for name in _TEXT_CODECS:
        encoding = find_charset(name)
        assert encoding is not None, name
        assert codecs.lookup(encoding)._is_text_encoding
        assert isinstance(bytes(range(256)).decode(encoding, "replace"), str)
        decoder = TextDecoder(encoding)
        assert isinstance(decoder.decode(b"ab\xff\xfe\x80") + decoder.finish(), str)


def test_labels_nobody_knows_leave_nothing_behind():
    import encodings

    find_charset("utf-8")
    before = len(encodings._cache)
    assert all(find_charset(f"bogus-{number}") is None for number in range(100))
    assert len(encodings._cache) == before


@pytest.mark.parametrize("value", ["; a=" * 50_000, 'a/b; x="' + "\\" * 200_000, "a/b" + " ;" * 100_000, "," * 200_000])
def test_reading_a_hostile_content_type_does_not_take_quadratic_time(value):
    assert charset_of(f"{value}; charset", default="none") == "none"  # or the test's time limit passes


MARKED = [
    (codecs.BOM_UTF8 + "héllo €".encode(), "latin-1"),
    (codecs.BOM_UTF16_LE + "héllo €".encode("utf-16-le"), "utf-8"),
    (codecs.BOM_UTF16_BE + "héllo €".encode("utf-16-be"), "utf-8"),
    (codecs.BOM_UTF32_LE + "héllo €".encode("utf-32-le"), "utf-8"),
    (codecs.BOM_UTF32_BE + "héllo €".encode("utf-32-be"), "utf-8"),
    ("héllo €".encode(), "utf-8"),
    ("héllo €".encode("cp1252"), "cp1252"),
    ("héllo €".encode("utf-16-be"), "utf-16-be"),
    ("héllo €".encode("utf-16-le"), "utf-16"),
    ("héllo €".encode("utf-32-le"), "utf-32"),
    ("ÿx".encode("latin-1"), "latin-1"),
]


@pytest.mark.parametrize(("data", "encoding"), MARKED)
def test_a_byte_order_mark_decides_and_is_not_part_of_the_text(data, encoding):
    text = decode_text(data, encoding)
    assert "\ufeff" not in text
    assert text in ("héllo €", "ÿx")


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
@pytest.mark.parametrize(("data", "encoding"), MARKED)
def test_text_is_the_same_whatever_pieces_it_arrives_in(data, encoding, size):
    decoder = TextDecoder(encoding)
    pieces = [decoder.decode(data[start : start + size]) for start in range(0, len(data), size)]
    assert "".join(pieces) + decoder.finish() == decode_text(data, encoding)


@pytest.mark.parametrize("encoding", ["iso2022_jp", "iso2022_jp_2", "iso2022_jp_2004", "iso2022_jp_ext", "iso2022_kr"])
@pytest.mark.parametrize(
    "data", [b"\x1b$B$3$s\x1b(B.", b"\x1b$B$3\n$s\x1b(99999999999999999999\nx", b"\x1b&@\x1b$B", b"\x1b$(" * 9, b"\x1b"]
)
def test_an_escape_sequence_is_read_the_same_wherever_it_is_cut(data, encoding):
    """Python's decoder fails with "pending buffer overflow" where one without an end comes in pieces."""
    whole = TextDecoder(encoding)
    text = whole.decode(data) + whole.finish()
    for size in (1, 2, 3, 9, 11):
        decoder = TextDecoder(encoding)
        pieces = [decoder.decode(data[start : start + size]) for start in range(0, len(data), size)]
        assert "".join(pieces) + decoder.finish() == text


def test_strict_decoding_of_escape_sequences_is_strict():
    decoder = TextDecoder("iso2022_jp", "strict")
    assert decoder.decode(b"a") == "a"
    with pytest.raises(UnicodeDecodeError):
        decoder.decode(b"\xff")


def test_a_character_cut_off_at_the_end_is_replaced():
    decoder = TextDecoder("utf-8")
    assert decoder.decode("ab€".encode()[:-1]) == "ab"
    assert decoder.finish() == "\ufffd"


@pytest.mark.parametrize("data", [b"", b"\xef", b"\xef\xbb", b"\xff", b"\xfe"])
def test_what_looks_like_the_start_of_a_mark_and_is_all_there_is_is_text(data):
    decoder = TextDecoder("latin-1")
    assert decoder.decode(data) + decoder.finish() == data.decode("latin-1")


def test_text_is_given_at_once_when_it_cannot_be_a_mark():
    assert TextDecoder("utf-8").decode(b"a") == "a"


def test_an_unknown_encoding_chosen_by_the_user_is_an_error():
    with pytest.raises(LookupError):
        TextDecoder("bogus")
    with pytest.raises(LookupError):
        decode_text(b"a", "bogus")


@pytest.mark.parametrize("text", ['{"a": "é€"}', "[]", "1", '"é"', "null", ""])
@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"]
)
def test_json_is_found_in_every_unicode_encoding(text, encoding):
    assert decode_json_text(text.encode(encoding)) == text


def test_json_in_no_encoding_is_a_value_error():
    with pytest.raises(ValueError, match="utf-8"):
        decode_json_text(b'"\xff"')


LINES = "one\ntwo\r\nthree\rfour\n\nsix\r\r\neight\u2028nine\x0bten\x85eleven\r\n"


@pytest.mark.parametrize("text", [LINES, LINES + "rest", "", "\n", "\r", "\r\n", "\n\r", "a", "\r\r\n\n", "a\r\n\nb"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_lines_are_those_of_text_mode_whatever_pieces_they_arrive_in(text, size):
    splitter = LineSplitter()
    lines: list[str] = []
    for start in range(0, len(text), size):
        lines += splitter.split(text[start : start + size])
    lines += splitter.finish()
    expected = io.TextIOWrapper(io.BytesIO(text.encode()), encoding="utf-8", newline=None).readlines()
    assert lines == [line.removesuffix("\n") for line in expected]


def test_a_line_is_given_as_soon_as_its_end_is_there():
    splitter = LineSplitter()
    assert splitter.split("event: x\r") == ["event: x"]
    assert splitter.split("\n") == []
    assert splitter.split("\n") == [""]
    assert splitter.finish() == []


def test_a_line_in_very_many_pieces_does_not_take_quadratic_time():
    splitter = LineSplitter()
    for _ in range(300_000):  # joined each time, they would move 4 TB
        assert splitter.split("x" * 100) == []
    assert [len(line) for line in splitter.finish()] == [30_000_000]


@pytest.mark.parametrize("pieces", [["x" * 11], ["xxxxx", "xxxxxx"], ["xxxxx", "xxxxxx\n"]])
def test_a_line_longer_than_allowed_is_an_error(pieces):
    splitter = LineSplitter(max_length=10)
    with pytest.raises(DecodingError, match="10 characters") as caught:
        [splitter.split(piece) for piece in pieces]
    assert caught.value.limit == 10


@pytest.mark.parametrize(
    ("pieces", "given"),
    [
        (["a\nb\r\nc\rd\n\n" + "x" * 11], ["a", "b", "c", "d", ""]),
        (["a\n" + "x" * 11 + "\nb\n"], ["a"]),
        (["y" * 9, "y\na\r" + "x" * 11, "\nb\n"], ["y" * 10, "a"]),
        (["a\n" + "x" * 10, "x\nb\n"], ["a"]),
        (["x" * 11 + "\na\n"], []),
    ],
)
def test_the_lines_before_one_that_is_too_long_are_given(pieces, given):
    splitter = LineSplitter(max_length=10)
    lines: list[str] = []

    def split_all() -> None:
        for piece in pieces:
            lines.extend(splitter.split(piece))
        splitter.finish()

    with pytest.raises(DecodingError, match="10 characters"):
        split_all()
    assert lines == given
    for _ in range(2):
        with pytest.raises(DecodingError):  # nothing that came behind it is ever given
            splitter.split("b\n")
    with pytest.raises(DecodingError):
        splitter.finish()


def test_many_lines_together_may_be_longer_than_one_may_be():
    splitter = LineSplitter(max_length=10)
    assert splitter.split("x" * 10 + "\n" + "y" * 10 + "\r\n") == ["x" * 10, "y" * 10]
    assert splitter.split("z" * 10 + "\n" + "w" * 9) == ["z" * 10]
    assert splitter.split("w\n") == ["w" * 10]
