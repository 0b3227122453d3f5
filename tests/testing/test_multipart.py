from __future__ import annotations

import pytest

from hyperhttp.testing.exchange import BadRequestError
from hyperhttp.testing.messages import Fields
from hyperhttp.testing.multipart import MAX_PART_HEAD, MultipartReader, PartHead, boundary_of, parameters_of


class Parts:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.parts: list[tuple[str, str | None, bytes]] = []
        self.head: PartHead | None = None
        self.content = b""

    def begin(self, head: PartHead) -> None:
        assert self.head is None
        self.head, self.content = head, b""

    def data(self, data: bytes) -> None:
        self.content += data

    def end(self) -> None:
        assert self.head is not None
        self.parts.append((self.head.name, self.head.filename, self.content))
        self.head = None


FORM = (
    b"preamble, ignored\r\n--sep\r\n"
    b'Content-Disposition: form-data; name="field"\r\n\r\nvalue\r\n'
    b"--sep \t\r\n"
    b'content-disposition: form-data; name="file"; filename="a \\"b\\".bin"\r\n'
    b"Content-Type: application/octet-stream\r\n\r\n\r\n--se\r\n--sep?\r\n-\x00\xff\r\n"
    b"--sep\r\n"
    b'Content-Disposition: form-data; name="empty"\r\n\r\n\r\n'
    b"--sep\r\n\r\nno fields\r\n"
    b"--sep--\r\nepilogue, ignored --sep\r\n"
)
PARTS = [
    ("field", None, b"value"),
    ("file", 'a "b".bin', b"\r\n--se"),
    ("empty", None, b""),
    ("", None, b"no fields"),
]


def read(data: bytes, size: int, boundary: bytes = b"sep") -> Parts:
    sink = Parts()
    reader = MultipartReader(boundary, sink)
    for at in range(0, len(data), size):
        reader.feed(data[at : at + size])
    reader.finish()
    return sink


@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 64, 10_000])
def test_parts_are_the_same_however_the_bytes_arrive(size: int) -> None:
    form = FORM.replace(b"\r\n--sep?\r\n-\x00\xff", b"")
    assert read(form, size).parts == PARTS


@pytest.mark.parametrize("size", [1, 4, 10_000])
def test_a_line_that_only_begins_like_a_boundary_is_refused(size: int) -> None:
    """RFC 2046 section 5.1.1: the delimiter must not appear in the content, not even as a prefix."""
    with pytest.raises(BadRequestError, match="malformed multipart boundary"):
        read(FORM, size)


def test_content_is_passed_on_before_the_part_is_over() -> None:
    sink = Parts()
    reader = MultipartReader(b"sep", sink)
    reader.feed(b"--sep\r\n\r\n" + bytes(100_000))
    assert len(sink.content) > 99_000


@pytest.mark.parametrize(
    "data", [b"", b"--sep\r\n", b"--sep\r\n\r\ncontent", b"--sep\r\n\r\ncontent\r\n--sep", b"--other--"]
)
def test_content_that_ends_too_early_is_refused(data: bytes) -> None:
    with pytest.raises(BadRequestError, match="before its last boundary"):
        read(data, 100)


def test_endless_part_fields_are_refused() -> None:
    with pytest.raises(BadRequestError, match="endless"):
        read(b"--sep\r\nX: " + b"a" * (MAX_PART_HEAD + 10), 1000)
    with pytest.raises(BadRequestError, match="boundary"):
        read(b"--sep" + b" " * 1000, 100)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ('form-data; name="a"; filename=b.txt', {"name": "a", "filename": "b.txt"}),
        (r'form-data; NAME="a\"b\\c;d"', {"name": r"a\"b\c;d".replace(r"\"", '"')}),
        ("form-data; filename=x; filename*=UTF-8''%e2%82%ac.txt", {"filename": "€.txt"}),
        ("text/plain", {}),
    ],
)
def test_parameters(value: str, expected: dict[str, str]) -> None:
    assert parameters_of(value) == expected


def test_names_may_be_utf_8_and_escaped_as_browsers_do() -> None:
    value = 'form-data; name="%22quoted%22%0D%0A"; filename="ü.txt"'.encode().decode("latin-1")
    head = PartHead(Fields([("Content-Disposition", value)]))
    assert head.name == '"quoted"\r\n'
    assert head.filename == "ü.txt"


def test_the_boundary_comes_from_the_content_type() -> None:
    assert boundary_of('multipart/form-data; boundary="a b"') == b"a b"
    assert boundary_of("multipart/form-data; charset=utf-8; boundary=----x") == b"----x"


@pytest.mark.parametrize(
    "value",
    [
        "",
        "multipart/form-data",
        'x; boundary=""',
        "x; boundary=é",
        'x; boundary="end "',
        "x; boundary=" + "a" * 71,
    ],
)
def test_an_unusable_boundary_is_refused(value: str) -> None:
    with pytest.raises(BadRequestError, match="boundary"):
        boundary_of(value)
