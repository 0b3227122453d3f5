import pytest

from hyperhttp import Headers, Request
from hyperhttp_cache.entry import Entry, key_of, selecting_fields

NOON = 1_000_000_000.0


def entry(*fields, requested_at=NOON, received_at=NOON, content=b"abc", selecting=None):
    raw = tuple((name.encode(), value.encode()) for name, value in fields)
    return Entry("0" * 32, "GET", selecting or {}, 200, "OK", "HTTP/1.1", raw, content, requested_at, received_at)


def request(url="http://example.com/", **headers):
    return Request("GET", url, headers={name.replace("_", "-"): value for name, value in headers.items()})


def test_a_key_has_neither_credentials_nor_fragment():
    assert key_of(request("http://u:p@example.com/a?b#c")) == "http://example.com/a?b"
    assert key_of(request("https://example.com:444/")) != key_of(request("https://example.com/"))


@pytest.mark.parametrize(
    ("fields", "received_at", "expected"),
    [
        ([], NOON, 10),
        ([("Date", "Sun, 09 Sep 2001 01:46:40 GMT")], NOON, 10),
        ([("Date", "Sun, 09 Sep 2001 01:46:10 GMT")], NOON, 40),
        ([("Date", "Sun, 09 Sep 2001 01:50:00 GMT")], NOON, 10),
        ([("Age", "60")], NOON, 70),
        ([("Age", "60")], NOON + 5, 70),  # 5 s on the way in, and 5 s less in here
        ([("Age", "10"), ("Date", "Sun, 09 Sep 2001 01:46:10 GMT")], NOON, 40),
        ([("Age", "nonsense")], NOON, 10),
    ],
)
def test_age_is_counted_from_the_origin(fields, received_at, expected):
    assert entry(*fields, received_at=received_at).age(NOON + 10) == expected


def test_the_fields_that_select_are_those_of_vary_and_authorization():
    headers = Headers({"Vary": "Accept, accept-language"})
    chosen = selecting_fields(request(accept="a", Authorization="secret"), headers)

    assert chosen.keys() == {"accept", "accept-language", "authorization"}
    assert chosen["accept-language"] == ""
    assert "secret" not in str(chosen)
    assert selecting_fields(request(), Headers({"Vary": "a, *"})) is None
    assert "accept-encoding" in selecting_fields(request(), Headers({"Content-Encoding": "gzip"}))


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        ({"accept": "a, b"}, {"accept": "a,b"}, True),
        ({"accept": "a"}, {"accept": "b"}, False),
        ({"accept": "a"}, {}, False),
        ({}, {"accept": ""}, False),
        ({}, {}, True),
        ({"Authorization": "one"}, {"Authorization": "two"}, False),
        ({"x": "1"}, {"x": "2"}, True),
    ],
)
def test_a_request_is_served_by_what_fields_like_its_own_selected(first, second, same):
    selecting = selecting_fields(request(**first), Headers({"Vary": "Accept"}))

    assert entry(selecting=selecting).serves(request(**second)) == same


def test_another_method_is_not_served():
    assert not entry().serves(Request("HEAD", "http://example.com/"))


def test_an_entry_survives_being_written_down():
    first = entry(("X", "é"), ("x", "2"), selecting={"accept": "d"})
    second = Entry.from_facts(first.id, first.facts(), first.content)

    assert second == first
    assert second.values("x") == ["Ã©", "2"]
    assert second.size > 500
