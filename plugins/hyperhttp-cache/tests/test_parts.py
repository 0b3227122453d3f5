import pytest

import hyperhttp
from hyperhttp_cache import Entry
from hyperhttp_cache.parts import Part, is_for_part, part_of, whole_of

FIELDS = (
    (b"Date", b"Sun, 06 Nov 1994 08:49:38 GMT"),
    (b"Last-Modified", b"Sun, 06 Nov 1994 08:49:37 GMT"),
    (b"ETag", b'"v1"'),
    (b"Content-Length", b"10"),
    (b"Age", b"7"),
)
ENTRY = Entry("0" * 32, "GET", {}, 200, "OK", "HTTP/1.1", FIELDS, b"0123456789", 1.0, 2.0)


def asked(value, method="GET", **fields):
    headers = {"Range": value, **{name.replace("_", "-"): text for name, text in fields.items()}}
    return hyperhttp.Request(method, "http://a.test/", headers=headers)


@pytest.mark.parametrize(
    ("value", "part"),
    [
        ("bytes=0-3", (0, 3)),
        ("BYTES=0-0", (0, 0)),
        ("bytes=4-", (4, 9)),
        ("bytes=4-99", (4, 9)),
        ("bytes=-3", (7, 9)),
        ("bytes=-99", (0, 9)),
        ("bytes=9-9", (9, 9)),
        ("bytes=10-", None),
        ("bytes=5-4", None),
        ("bytes=-0", None),
        ("bytes=-", None),
        ("bytes=0-1,3-4", None),
        ("bytes=0-1x", None),
        ("bytes=\u0660-", None),
        ("lines=0-1", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_one_range_within_the_content_is_understood(value, part):
    assert part_of(ENTRY, asked(value)) == part


@pytest.mark.parametrize(
    ("value", "serves"),
    [
        ('"v1"', True),
        ('"v2"', False),
        ('W/"v1"', False),
        ("Sun, 06 Nov 1994 08:49:37 GMT", True),
        ("Sun, 06 Nov 1994 08:49:38 GMT", False),
        ("yesterday", False),
    ],
)
def test_if_range_must_name_what_is_stored_by_a_strong_validator(value, serves):
    assert (part_of(ENTRY, asked("bytes=0-1", If_Range=value)) is not None) is serves


def with_fields(*fields):
    return ENTRY.with_headers(fields, 1.0, 2.0)


def test_a_date_that_may_be_of_two_versions_is_no_strong_validator():
    same = b"Sun, 06 Nov 1994 08:49:37 GMT"
    request = asked("bytes=0-1", If_Range=same.decode())
    assert part_of(with_fields((b"Date", same), (b"Last-Modified", same)), request) is None
    assert part_of(with_fields((b"Last-Modified", same)), request) is None
    weak = asked("bytes=0-1", If_Range='"v1"')
    assert part_of(with_fields((b"ETag", b'W/"v1"')), weak) is None
    assert part_of(with_fields(), weak) is None


def test_what_only_the_origin_can_tell_is_left_to_it():
    assert part_of(with_fields((b"Content-Encoding", b"gzip")), asked("bytes=0-1")) is None
    assert part_of(ENTRY, asked("bytes=0-1", method="HEAD")) is None
    twice = asked("bytes=0-1")
    twice.headers = hyperhttp.Headers([("Range", "bytes=0-1"), ("Range", "bytes=2-3")])
    assert part_of(ENTRY, twice) is None
    missing = Entry("0" * 32, "GET", {}, 404, "Not Found", "HTTP/1.1", FIELDS, b"0123456789", 1.0, 2.0)
    assert part_of(missing, asked("bytes=0-1")) is None


def test_a_part_says_where_it_belongs():
    status, reason, headers, content = Part(2, 4).cut(ENTRY)
    assert (status, reason, content) == (206, "Partial Content", b"234")
    assert headers == [*FIELDS[:3], (b"Content-Range", b"bytes 2-4/10"), (b"Content-Length", b"3")]
    assert whole_of(ENTRY) == (200, "OK", [*FIELDS[:4]], b"0123456789")


@pytest.mark.parametrize(
    ("conditions", "is_one"),
    [
        (["range"], True),
        (["range", "if-range"], True),
        (["if-range"], False),
        (["range", "if-match"], False),
        (["if-none-match"], False),
    ],
)
def test_a_part_is_asked_for_by_range_and_if_range_alone(conditions, is_one):
    assert is_for_part(conditions) is is_one
