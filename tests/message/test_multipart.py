from __future__ import annotations

import asyncio
import email.parser
import email.policy
import io
import re
import tracemalloc

import pytest

from hyperhttp.exceptions import LocalProtocolError, StreamConsumed
from hyperhttp.message.multipart import MultipartEncoder, MultipartFile

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


async def call_here(function, *args):
    return function(*args)


async def stream(*chunks):
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk


class AsyncBytes:
    def __init__(self, data: bytes) -> None:
        self._file = io.BytesIO(data)

    async def read(self, size: int) -> bytes:
        return self._file.read(size)


def parts_of(encoder: MultipartEncoder, body: bytes | None = None):
    """Name, file name, content type and content of each part, by the standard library's parser."""
    body = b"".join(encoder) if body is None else body
    head = b"Content-Type: " + encoder.content_type.encode() + b"\r\n\r\n"
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    assert not message.defects
    return [
        (
            part.get_param("name", header="content-disposition"),
            part.get_filename(),
            part["content-type"] and str(part["content-type"]),
            part.get_payload(decode=True),
        )
        for part in message.iter_parts()
    ]


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "report.pdf"
    file.write_bytes(PNG)
    return file


def test_fields_and_files_make_one_form(path):
    encoder = MultipartEncoder(
        fields={"user": "alice", "note": "quarterly report"},
        files={"avatar": ("me.png", PNG, "image/png"), "report": path},
    )
    body = b"".join(encoder.iter_bytes())
    assert encoder.content_type == f"multipart/form-data; boundary={encoder.boundary}"
    assert encoder.content_length == len(body)
    assert parts_of(encoder, body) == [
        ("user", None, None, b"alice"),
        ("note", None, None, b"quarterly report"),
        ("avatar", "me.png", "image/png", PNG),
        ("report", "report.pdf", "application/pdf", PNG),
    ]


def test_the_bytes_are_exactly_these():
    encoder = MultipartEncoder([("a", "1"), ("b", ("f.txt", b"two"))], boundary="xyz")
    assert b"".join(encoder) == (
        b'--xyz\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        b'--xyz\r\nContent-Disposition: form-data; name="b"; filename="f.txt"\r\n'
        b"Content-Type: text/plain\r\n\r\ntwo\r\n--xyz--\r\n"
    )


BINARY = "application/octet-stream"

SHAPES = {
    "bytes": (lambda path: PNG, None, BINARY, True),
    "bytearray": (lambda path: bytearray(PNG), None, BINARY, True),
    "memoryview": (lambda path: memoryview(PNG), None, BINARY, True),
    "path": (lambda path: path, "report.pdf", "application/pdf", True),
    "path as str": (str, "report.pdf", "application/pdf", True),
    "open file": (lambda path: path.open("rb"), "report.pdf", "application/pdf", True),
    "memory file": (lambda path: io.BytesIO(PNG), "part", BINARY, True),
    "two": (lambda path: ("me.png", PNG), "me.png", "image/png", True),
    "three": (lambda path: ("me.png", PNG, "image/x-mine"), "me.png", "image/x-mine", True),
    "four": (lambda path: ("me.png", PNG, "image/x-mine", {"X-A": "b"}), "me.png", "image/x-mine", True),
    "two with a path": (lambda path: ("other.bin", path), "other.bin", BINARY, True),
    "two with a file": (lambda path: ("x.tar.gz", path.open("rb")), "x.tar.gz", "application/gzip", True),
    "two without a name": (lambda path: (None, PNG), None, BINARY, True),
    "two with a view": (lambda path: ("a", memoryview(PNG)), "a", BINARY, True),
    "part with a path": (lambda path: MultipartFile(path=str(path)), "report.pdf", "application/pdf", True),
    "part with a path object": (lambda path: MultipartFile(path), "report.pdf", "application/pdf", True),
    "part with a file": (
        lambda path: MultipartFile(file=path.open("rb"), content_type="a/b"), "report.pdf", "a/b", True,
    ),
    "part with content": (lambda path: MultipartFile(PNG, filename="a.html"), "a.html", "text/html", True),
    "part without a name": (lambda path: MultipartFile(path=path, filename=""), None, BINARY, True),
    "generator": (lambda path: (PNG[at : at + 9] for at in range(0, len(PNG), 9)), "part", BINARY, False),
    "two with a generator": (lambda path: ("a.xyzzy", iter([PNG])), "a.xyzzy", BINARY, False),
    "sized generator": (lambda path: MultipartFile(iter([PNG]), size=len(PNG)), "part", BINARY, True),
}  # fmt: skip
ASYNC_SHAPES = {
    "async iterable": (lambda path: stream(PNG[:9], b"", PNG[9:]), "part", BINARY, False),
    "two with an async iterable": (lambda path: ("a.txt", stream(PNG)), "a.txt", "text/plain", False),
    "part with an async iterable": (lambda path: MultipartFile(stream(PNG)), "part", BINARY, False),
    "sized async iterable": (lambda path: MultipartFile(stream(PNG), size=len(PNG)), "part", BINARY, True),
    "async file": (lambda path: ("a.txt", AsyncBytes(PNG)), "a.txt", "text/plain", False),
}


@pytest.mark.parametrize(
    ("shape", "as_files"),
    # In pairs a str is text: only files= takes it for a path.
    [(shape, True) for shape in [*SHAPES, *ASYNC_SHAPES]]
    + [(shape, False) for shape in [*SHAPES, *ASYNC_SHAPES] if shape != "path as str"],
)
async def test_every_shape_of_a_part(shape, as_files, path):
    make, filename, content_type, has_length = {**SHAPES, **ASYNC_SHAPES}[shape]
    given = make(path)
    pairs = [("before", "x"), ("part", given), ("after", "y")]
    encoder = MultipartEncoder(fields=pairs[:1], files=pairs[1:2]) if as_files else MultipartEncoder(pairs)
    assert encoder.needs_async is (shape in ASYNC_SHAPES)
    body = b"".join([chunk async for chunk in encoder])
    assert encoder.content_length == (len(body) if has_length else None)
    assert parts_of(encoder, body)[1] == ("part", filename, content_type, PNG)
    assert len(parts_of(encoder, body)) == (2 if as_files else 3)
    if hasattr(given, "close"):
        given.close()
    for item in given if isinstance(given, tuple) else [getattr(given, "content", None)]:
        if hasattr(item, "close"):
            item.close()


def test_text_in_a_tuple_is_text_and_never_a_path(path):
    encoder = MultipartEncoder(files={"a": ("meta.json", '{"é": 1}'), "b": (None, "plain"), "c": ("x", str(path))})
    assert parts_of(encoder) == [
        ("a", "meta.json", "application/json", '{"é": 1}'.encode()),
        ("b", None, None, b"plain"),
        ("c", "x", BINARY, str(path).encode()),
    ]


def test_a_list_is_several_parts_of_one_name(path):
    encoder = MultipartEncoder(fields={"tag": ["a", "b"], "n": (1, 2)}, files={"f": [path, ("x.png", PNG), b"z"]})
    assert [part[:2] for part in parts_of(encoder)] == [
        ("tag", None), ("tag", None), ("n", None), ("n", None), ("f", "report.pdf"), ("f", "x.png"),
        ("f", None),
    ]  # fmt: skip


def test_fields_may_be_numbers_booleans_and_nothing():
    encoder = MultipartEncoder([("i", 1), ("f", 1.5), ("t", True), ("n", None)], fields={"b": b"\xff", "no": None})
    assert [(name, content) for name, _, _, content in parts_of(encoder)] == [
        ("i", b"1"), ("f", b"1.5"), ("t", b"true"), ("b", b"\xff"),
    ]  # fmt: skip
    assert parts_of(encoder)[-1][2] is None


def test_a_form_without_parts_is_its_end():
    encoder = MultipartEncoder([])
    assert encoder.data == b"--%b--\r\n" % encoder.boundary.encode()
    assert encoder.content_length == len(encoder.data)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('a"b', b"a%22b"),
        ("a\r\nContent-Type: x", b"a%0D%0AContent-Type: x"),
        ("a\0b\x7f\x1f", b"a%00b%7F%1F"),
        ("naïve €.txt", "naïve €.txt".encode()),
        ("back\\slash", b"back\\slash"),
        ("100%", b"100%"),
        ("dir/file", b"dir/file"),
        ("\udcff.bin", b"\xff.bin"),
    ],
)
def test_names_are_escaped_as_the_html_standard_has_it(text, written):
    body = b"".join(MultipartEncoder([(text, (text, b""))], boundary="b"))
    expected = b'--b\r\nContent-Disposition: form-data; name="%b"; filename="%b"\r\nContent-Type: ' % (
        written,
        written,
    )
    assert body.startswith(expected)
    assert body.count(b"\r\n") == 6


@pytest.mark.parametrize("bad", ["text/plain\r\nX: y", "text/plain\n", "a/b\0", "a\rb"])
def test_what_would_begin_another_header_is_refused(bad):
    with pytest.raises(LocalProtocolError):
        MultipartEncoder(files={"f": ("a", b"", bad)})
    with pytest.raises(LocalProtocolError):
        MultipartEncoder(files={"f": MultipartFile(b"", content_type=bad)})
    with pytest.raises(LocalProtocolError):
        MultipartEncoder(files={"f": ("a", b"", None, {"X": bad + "\r\n\r\n"})})
    with pytest.raises(LocalProtocolError):
        MultipartEncoder(files={"f": ("a", b"", None, {bad: "x"})})


def test_further_headers_are_written_and_the_disposition_is_not_theirs():
    encoder = MultipartEncoder(files={"f": ("a.png", b"", None, {"X-Id": "7", "content-type": "a/b"})}, boundary="b")
    assert b'filename="a.png"\r\nX-Id: 7\r\ncontent-type: a/b\r\n\r\n' in b"".join(encoder)
    with pytest.raises(LocalProtocolError, match="Content-Disposition"):
        MultipartEncoder(files={"f": ("a", b"", None, {"content-disposition": "x"})})


def test_a_content_type_is_guessed_by_the_extension_alone():
    encoder = MultipartEncoder(files={"f": ("data:text/evil,x.png", b"")})
    assert parts_of(encoder)[0][2] == "image/png"


def test_boundaries_cannot_be_guessed():
    boundaries = {MultipartEncoder([]).boundary for _ in range(50)}
    assert len(boundaries) == 50
    assert all(re.fullmatch("[0-9a-f]{32}", boundary) for boundary in boundaries)


def test_a_boundary_of_ones_own_is_checked_and_quoted_where_needed():
    assert MultipartEncoder([], boundary="a b:c").content_type == 'multipart/form-data; boundary="a b:c"'
    for bad in ("", "a ", "a\r\nb", 'a"b', "é", "a" * 71, "a;b"):
        with pytest.raises(LocalProtocolError, match="boundary"):
            MultipartEncoder([], boundary=bad)


def test_a_form_in_memory_is_there_at_once_and_a_large_one_is_not_copied():
    assert MultipartEncoder([("a", "b")]).data is not None
    large = bytes(3 * 1024 * 1024)
    encoder = MultipartEncoder([("a", large)], chunk_size=1024 * 1024)
    assert encoder.data is None
    assert max(map(len, encoder)) == 1024 * 1024
    assert sum(map(len, encoder)) == encoder.content_length


@pytest.mark.parametrize("size", [0, -1])
def test_a_chunk_has_bytes(size):
    with pytest.raises(ValueError, match="chunk_size"):
        MultipartEncoder([("a", "b")], chunk_size=size)


def test_files_are_never_data_at_once(path):
    assert MultipartEncoder([("a", path)]).data is None


def test_memory_stays_at_a_chunk_whatever_the_size(tmp_path):
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(64 * 1024 * 1024)
    encoder = MultipartEncoder([("file", MultipartFile(path=large))], chunk_size=256 * 1024)
    tracemalloc.start()
    try:
        total = sum(map(len, encoder))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert total == encoder.content_length
    assert peak < 2 * 1024 * 1024


def test_a_form_can_be_sent_again_when_all_its_parts_can(path):
    encoder = MultipartEncoder([("a", path), ("b", PNG), ("c", "text")])
    assert encoder.replayable
    assert list(encoder) == list(encoder)
    once = MultipartEncoder([("a", path), ("b", iter([PNG]))])
    assert not once.replayable
    assert b"".join(once)
    with pytest.raises(StreamConsumed):
        once.iter_bytes()


async def test_a_form_left_half_way_starts_from_the_beginning(path):
    encoder = MultipartEncoder([("a", path), ("b", path)], chunk_size=50)
    whole = b"".join(encoder)
    encoder.rewind()
    for _ in range(5):
        await encoder.next_chunk(call_here)
    encoder.close()
    encoder.rewind()
    assert b"".join([chunk async for chunk in encoder]) == whole


def test_a_form_with_asynchronous_parts_says_how_to_iterate():
    encoder = MultipartEncoder([("a", stream(b"x"))])
    with pytest.raises(TypeError, match="async for"):
        next(iter(encoder))


@pytest.mark.parametrize(("size", "match"), [(4, "5 or more"), (6, "has 5")])
async def test_a_size_that_is_wrong_is_an_error(size, match):
    encoder = MultipartEncoder([("a", MultipartFile(stream(b"12345"), size=size))])
    with pytest.raises(LocalProtocolError, match=match):
        [chunk async for chunk in encoder]
    with pytest.raises(LocalProtocolError, match="has 5"):
        MultipartEncoder([("a", MultipartFile(b"12345", size=size))])


@pytest.mark.parametrize(
    "arguments", [{}, {"content": b"", "path": "x"}, {"path": "x", "file": io.BytesIO()}, {"content": None}]
)
def test_a_part_takes_exactly_one_content(arguments):
    with pytest.raises(TypeError, match="exactly one"):
        MultipartFile(**arguments)


@pytest.mark.parametrize(
    "files",
    [
        {"f": ("a",)}, {"f": ("a", b"", None, None, None)}, {"f": 1}, {"f": {"a": 1}}, {1: b""}, "text",
        [b"x"], [("name", "a.txt", b"x")], {"f": ("a", {"b": 1})}, {"f": io.StringIO("x")},
    ],
)  # fmt: skip
def test_what_is_no_part_is_a_type_error(files):
    with pytest.raises(TypeError):
        MultipartEncoder(files=files)


def test_a_part_without_its_file_is_an_error_at_once(tmp_path):
    with pytest.raises(FileNotFoundError):
        MultipartEncoder(files={"f": str(tmp_path / "nothing")})
