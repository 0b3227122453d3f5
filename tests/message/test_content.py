from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import decimal
import enum
import io
import json
import subprocess
import sys
import uuid
from collections import OrderedDict, namedtuple

import pytest

from hyperhttp.exceptions import LocalProtocolError, StreamConsumed
from hyperhttp.message.content import (
    Content,
    OrjsonCodec,
    StandardJsonCodec,
    default_json_codec,
    encode_content,
)
from hyperhttp.message.multipart import MultipartEncoder

FORM = (b"Content-Type", b"application/x-www-form-urlencoded")
JSON = (b"Content-Type", b"application/json")
TEXT = (b"Content-Type", b"text/plain; charset=utf-8")


async def call_here(function, *args):
    return function(*args)


async def read(content: Content) -> bytes:
    chunks = []
    while chunk := await content.next_chunk(call_here):
        chunks.append(chunk)
    return b"".join(chunks)


async def stream(*chunks):
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


def length(number: int) -> tuple[bytes, bytes]:
    return (b"Content-Length", b"%d" % number)


@pytest.mark.parametrize(
    ("options", "data", "fields"),
    [
        ({"content": b"abc"}, b"abc", [length(3)]),
        ({"content": b""}, b"", [length(0)]),
        ({"content": bytearray(b"abc")}, b"abc", [length(3)]),
        ({"content": memoryview(b"abc")}, b"abc", [length(3)]),
        ({"content": "é€"}, "é€".encode(), [TEXT, length(5)]),
        ({"content": ""}, b"", [TEXT, length(0)]),
        ({"content": [b"a", b"bc"]}, b"abc", [length(3)]),
        ({"content": io.BytesIO(b"abc")}, b"abc", [length(3)]),
        ({"data": b"abc"}, b"abc", [length(3)]),
        ({"data": "abc"}, b"abc", [TEXT, length(3)]),
        ({"data": [b"a", b"bc"]}, b"abc", [length(3)]),
        ({"data": {"user": "alice", "word": "s&cret"}}, b"user=alice&word=s%26cret", [FORM, length(24)]),
        ({"data": [("a", 1), ("a", 2)]}, b"a=1&a=2", [FORM, length(7)]),
        ({"json": {"n": "Zoë", "l": [2.5, None, True]}}, '{"n":"Zoë","l":[2.5,null,true]}'.encode(), None),
        ({"json": []}, b"[]", [JSON, length(2)]),
        ({"json": 0}, b"0", [JSON, length(1)]),
        ({"json": False}, b"false", [JSON, length(5)]),
    ],
)  # fmt: skip
def test_content_in_memory_is_one_bytes_object_with_its_fields(options, data, fields):
    content = encode_content(**options)
    assert content is not None
    assert content.data == data
    assert type(content.data) is bytes
    assert content.fields == (fields or [JSON, length(len(data))])
    assert content.length == len(data)
    assert (content.replayable, content.can_send, content.needs_async, content.started) == (
        True,
        True,
        False,
        False,
    )
    content.rewind()
    content.close()
    assert content.data == data


@pytest.mark.parametrize("options", [{}, {"data": {}}, {"data": []}, {"json": None}])
def test_no_content_is_none(options):
    assert encode_content(**options) is None


@pytest.mark.parametrize(
    "options",
    [
        {"content": b"", "json": 0},
        {"content": b"", "data": {}},
        {"data": {}, "json": {}},
        {"content": b"", "files": {}},
        {"json": {}, "files": {}},
        {"content": b"", "data": {}, "json": {}, "files": {}},
    ],
)
def test_two_contents_are_a_type_error(options):
    with pytest.raises(TypeError, match="one content"):
        encode_content(**options)


@pytest.mark.parametrize("fields", [{"a": {"b": 1}}, {"a": object()}, {1: "a"}, {"a": decimal.Decimal(1)}, [("a",)]])
def test_a_form_of_something_else_is_a_type_error(fields):
    with pytest.raises(TypeError):
        encode_content(data=fields)


async def test_streams_say_their_length_or_are_to_be_chunked(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    with path.open("rb") as file:
        file.seek(2)
        for value, expected in [(path, b"0123456789"), (file, b"23456789")]:
            for option in ("content", "data"):
                content = encode_content(**{option: value})
                assert content is not None
                assert content.data is None
                assert content.fields == [length(len(expected))]
                assert content.replayable
                assert await read(content) == expected
                content.rewind()
                assert await read(content) == expected
                content.close()
                file.seek(2)
    for value, needs_async in [(iter([b"ab", b"c"]), False), (stream(b"ab", b"c"), True)]:
        content = encode_content(content=value)
        assert content is not None
        assert (content.data, content.length, content.fields) == (None, None, [])
        assert content.needs_async is needs_async
        assert await read(content) == b"abc"


async def test_what_serves_once_can_be_sent_until_it_was_touched():
    content = encode_content(content=iter([b"a", b"b"]))
    assert content is not None
    content.close()
    content.rewind()
    assert (content.replayable, content.can_send, content.started) == (False, True, False)
    assert await content.next_chunk(call_here) == b"a"
    assert (content.can_send, content.started) == (False, True)
    content.close()
    with pytest.raises(StreamConsumed):
        content.rewind()


@pytest.mark.parametrize("value", [{"a": 1}, 1, object(), io.StringIO("x")])
def test_content_of_another_type_is_a_type_error(value):
    with pytest.raises(TypeError):
        encode_content(content=value)


def test_files_make_a_multipart_form_with_the_fields_of_data():
    content = encode_content(data={"user": "alice"}, files={"avatar": ("me.png", b"\x89PNG", "image/png")})
    assert content is not None
    assert content.data is not None
    (_, content_type), content_length = content.fields
    assert content_type.startswith(b"multipart/form-data; boundary=")
    assert content_length == length(len(content.data))
    assert content.data.count(content_type.partition(b"=")[2]) == 3
    assert b'name="user"\r\n\r\nalice\r\n' in content.data


@pytest.mark.parametrize("files", [{}, []])
def test_empty_files_still_make_a_multipart_form(files):
    content = encode_content(data={"a": "b"}, files=files)
    assert content is not None
    assert content.fields[0][1].startswith(b"multipart/form-data")


@pytest.mark.parametrize("wrap", [lambda encoder: encoder, lambda encoder: encoder.iter_bytes()])
async def test_an_encoder_brings_its_content_type_and_length(tmp_path, wrap):
    path = tmp_path / "big.bin"
    path.write_bytes(b"x" * 1000)
    encoder = MultipartEncoder([("user", "alice"), ("file", path)], boundary="b")
    content = encode_content(content=wrap(encoder))
    assert content is not None
    assert content.fields == [
        (b"Content-Type", b"multipart/form-data; boundary=b"),
        length(encoder.content_length),
    ]
    assert content.data is None
    assert len(await read(content)) == encoder.content_length


async def test_an_encoder_with_a_part_of_unknown_length_is_to_be_chunked():
    content = encode_content(content=MultipartEncoder([("a", stream(b"x"))], boundary="b"))
    assert content is not None
    assert content.fields == [(b"Content-Type", b"multipart/form-data; boundary=b")]
    assert content.length is None
    assert content.needs_async
    assert (await read(content)).endswith(b"\r\n\r\nx\r\n--b--\r\n")


def test_data_beside_files_must_be_fields():
    with pytest.raises(TypeError):
        encode_content(data=b"raw", files={"a": b""})


async def test_a_promise_of_length_that_is_broken_is_an_error(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"0123456789")
    content = encode_content(content=path)
    assert content is not None
    path.write_bytes(b"012")
    with pytest.raises(LocalProtocolError, match="10 bytes, but has 3"):
        await read(content)


def test_a_repr_says_how_much_and_not_what():
    assert repr(Content(b"secret")) == "<Content of 6 bytes>"
    assert repr(encode_content(content=iter([b"x"]))) == "<Content of unknown length>"


class Color(enum.Enum):
    RED = "red"


class Level(enum.IntEnum):
    LOW = 1


class Word(enum.StrEnum):
    YES = "yes"


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5
    _hidden: int = 3


Pair = namedtuple("Pair", "a b")  # noqa: PYI024  # the untyped kind too

CODECS = [pytest.param(StandardJsonCodec(), id="json"), pytest.param(OrjsonCodec(), id="orjson")]

BOTH_TAKE = [
    {"a": [1, 2.5, "x", None, True, False]},
    'Zoë € \u2028 \x7f "quoted" \\ \n',
    (1, (2,)),
    Pair(1, 2),
    OrderedDict(b=1, a=2),
    {2: "int", 2.5: "float", True: "bool", None: "none"},
    2**63, 2**64, -(2**63) - 1, 10**30,
    0.1, -0.0, 1e300,
    Color.RED, Level.LOW, Word.YES,
    Point(1), [Point(2)],
    dt.datetime(2026, 11, 21, 1, 2, 3, 4),  # noqa: DTZ001
    dt.datetime(2026, 11, 21, tzinfo=dt.UTC),
    dt.date(2026, 11, 21), dt.time(1, 2, 3),
    uuid.UUID(int=5),
]  # fmt: skip


@pytest.mark.parametrize("value", BOTH_TAKE, ids=repr)
def test_both_codecs_write_the_same_values(value):
    standard, fast = StandardJsonCodec().dumps(value), OrjsonCodec().dumps(value)
    assert json.loads(standard) == json.loads(fast)
    assert b", " not in standard
    assert standard.decode()  # UTF-8, unescaped


CIRCLE: list[object] = []
CIRCLE.append(CIRCLE)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("value", "error"),
    [
        (float("nan"), ValueError),
        ([None, {"a": float("inf")}], ValueError),
        ([float("-inf")], ValueError),
        ("\ud800", ValueError),
        (CIRCLE, ValueError),
        (object(), TypeError),
        (b"bytes", TypeError),
        ({1, 2}, TypeError),
        ({(1, 2): 3}, TypeError),
        (decimal.Decimal(1), TypeError),
        (Point, TypeError),
    ],
    ids=lambda value: repr(value).split(" at ")[0][:40],  # without addresses: each process of the run collects the same
)
def test_both_codecs_refuse_the_same_values(codec, value, error):
    with pytest.raises(error):
        codec.dumps(value)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": [1, 2.5, null, true, "\\u00e9"]}', {"a": [1, 2.5, None, True, "é"]}),
        (b" 1 ", 1),
        (b"18446744073709551615", 2**64 - 1),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b"\xef\xbb\xbf[1]", [1]),
        ('{"é": 1}'.encode("utf-16"), {"é": 1}),
        ('"é"'.encode("utf-32-be"), "é"),
        (b'"\\ud800"', "\ud800"),
    ],
)
def test_both_codecs_read_the_same_texts(codec, data, value):
    assert codec.loads(data) == value


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[NaN]",
        b"Infinity",
        b"[1,]",
        b"'a'",
        b'"\xff"',
        b"[" * 100_000,
        b"1 2",
        b'"a\x00"',
        b"\xff\xfe",
    ],
)
def test_both_codecs_raise_a_value_error_for_what_is_not_json(codec, data):
    with pytest.raises(ValueError):
        codec.loads(data)


def test_a_codec_of_ones_own_is_asked():
    class Codec:
        name = "mine"

        def dumps(self, obj):
            return b"<%d>" % obj

        def loads(self, data):
            return None

    content = encode_content(json=7, json_codec=Codec())
    assert content is not None
    assert content.data == b"<7>"
    assert content.fields == [JSON, length(3)]


def test_the_default_codec_is_orjson_where_it_is_installed_and_made_once():
    assert default_json_codec().name == "orjson"
    assert default_json_codec() is default_json_codec()


def test_without_orjson_the_standard_library_serves_and_neither_is_imported_early():
    script = (
        "import sys; sys.modules['orjson'] = None\n"
        "from hyperhttp.message import content\n"
        "assert 'mimetypes' not in sys.modules, 'mimetypes'\n"
        "assert 'json' not in sys.modules, 'json'\n"
        "print(content.default_json_codec().name, content.encode_content(json=[None]).data.decode())"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.stdout == "json [null]\n", done.stderr


async def test_a_reader_that_was_overtaken_closes_nothing(tmp_path):
    """One that was cancelled finds out late, when the content is being sent again already."""
    path = tmp_path / "content"
    path.write_bytes(b"content")
    content = encode_content(content=path)
    assert content is not None
    content.rewind()
    overtaken = content.turn
    assert await content.next_chunk(call_here) == b"content"
    content.rewind()
    content.close(overtaken)
    assert await content.next_chunk(call_here) == b"content"
    content.close(content.turn)
    with pytest.raises(StreamConsumed):
        await content.next_chunk(call_here)
