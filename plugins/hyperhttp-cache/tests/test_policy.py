"""The rules, section by section, on requests and responses made by hand."""

import uuid
from dataclasses import replace
from email.utils import formatdate

import pytest

from hyperhttp import Request, Response
from hyperhttp_cache import Entry
from hyperhttp_cache.policy import Policy, request_directives

NOW = 1_700_000_000.0


@pytest.fixture(autouse=True)
def standing_clock(monkeypatch):
    """hishel looks at the clock by itself."""
    monkeypatch.setattr("time.time", lambda: NOW)


def policy(**options):
    return Policy(**{"shared": True, "stale_if_error": 0.0, **options})


def request(cache_control=None, method="GET", **headers):
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if cache_control is not None:
        fields["Cache-Control"] = cache_control
    return Request(method, "http://example.com/", headers=fields)


def entry(cache_control="max-age=60", age=0.0, **headers):
    """A stored response that was made and received so many seconds ago."""
    fields = {"Date": formatdate(NOW - age, usegmt=True), "Cache-Control": cache_control, **headers}
    raw = tuple((name.replace("_", "-").encode(), value.encode()) for name, value in fields.items() if value)
    return Entry(uuid.uuid4().hex, "GET", {}, 200, "OK", "HTTP/1.1", raw, b"abc", NOW - age, NOW - age)


# -- freshness (4.2) ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "usable"),
    [
        (entry("max-age=60", 50), True),
        (entry("max-age=60", 70), False),
        (entry("max-age=60", 0, Age="70"), False),
        (entry("s-maxage=60, max-age=10", 50), True),
        (entry("", 50, Expires=formatdate(NOW + 10, usegmt=True)), True),
        (entry("", 50, Expires=formatdate(NOW - 10, usegmt=True)), False),
        (entry("", 0, Expires="0"), False),
        (entry("max-age=60", 50, Expires="0"), True),
        (entry("", 50, Last_Modified=formatdate(NOW - 10_000, usegmt=True)), True),
        (entry("", 5000, Last_Modified=formatdate(NOW - 10_000, usegmt=True)), False),
        (entry("no-cache, max-age=60", 0), False),
        (entry("", 0), False),
    ],
)
def test_what_is_fresh_is_used(stored, usable):
    assert (policy().usable(request(), [stored], NOW) is not None) == usable


def test_a_private_cache_does_not_look_at_s_maxage():
    assert policy(shared=False).usable(request(), [entry("s-maxage=60", 10)], NOW) is None


def test_of_several_the_most_recent_is_used():
    old, new = entry(age=30), entry(age=10)

    assert policy().usable(request(), [old, new], NOW) is new
    assert policy().usable(request(), [new, old], NOW) is new


# -- directives of requests (5.2.1) -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "stored", "usable"),
    [
        ("no-cache", entry(age=0), False),
        ("max-age=20", entry(age=10), True),
        ("max-age=20", entry(age=30), False),
        ("max-age=0", entry(age=0), False),
        ("min-fresh=20", entry("max-age=60", 30), True),
        ("min-fresh=40", entry("max-age=60", 30), False),
        ("max-stale", entry("max-age=60", 5000), True),
        ("max-stale=20", entry("max-age=60", 70), True),
        ("max-stale=20", entry("max-age=60", 90), False),
        ("max-stale=20", entry("max-age=0", 10), True),
        ("max-stale=20", entry("max-age=0", 30), False),
        ("max-stale", entry("", 30, ETag='"a"'), True),
        ("max-stale=20, max-age=50", entry("max-age=60", 70), False),
        ("max-stale", entry("max-age=60, must-revalidate", 70), False),
        ("max-stale", entry("max-age=60, no-cache", 70), False),
        ("max-stale", entry("max-age=60, proxy-revalidate", 70), False),
        ("max-stale", entry("s-maxage=60", 70), False),
    ],
)
def test_a_request_may_ask_for_more_or_for_less(asked, stored, usable):
    assert (policy().usable(request(asked), [stored], NOW) is not None) == usable


def test_what_binds_shared_caches_does_not_bind_a_private_one():
    stored = entry("max-age=60, proxy-revalidate", 70)

    assert policy(shared=False).usable(request("max-stale"), [stored], NOW) is stored


def test_pragma_counts_where_there_is_no_cache_control():
    assert request_directives(request(Pragma="no-cache")) == {"no-cache": ""}
    assert request_directives(request("max-age=3", Pragma="no-cache")) == {"max-age": "3"}
    assert request_directives(request()) == {}


# -- what failed (RFC 5861) -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "stored", "default", "usable"),
    [
        ("", entry("max-age=60, stale-if-error=20", 70), 0.0, True),
        ("", entry("max-age=60, stale-if-error=20", 90), 0.0, False),
        ("stale-if-error=50", entry("max-age=60", 90), 0.0, True),
        ("", entry("max-age=60", 90), 50.0, True),
        ("", entry("max-age=60", 90), 0.0, False),
        ("", entry("max-age=60, stale-if-error=0", 90), 50.0, False),
        ("", entry("max-age=60, must-revalidate, stale-if-error=99", 90), 0.0, False),
        ("no-cache", entry("max-age=60, stale-if-error=99", 90), 0.0, False),
        ("", entry("max-age=0", 0), 0.0, False),
    ],
)
def test_what_is_stale_may_stand_for_what_failed(asked, stored, default, usable):
    chosen = policy(stale_if_error=default).usable_after_failure(request(asked), [stored], NOW)

    assert (chosen is not None) == usable


# -- storing (3) ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "status", "fields", "storable"),
    [
        (request(), 200, {"Cache-Control": "max-age=60"}, True),
        (request(), 200, {"ETag": '"a"'}, True),
        (request(), 200, {"Last-Modified": formatdate(NOW, usegmt=True)}, True),
        (request(), 200, {"Expires": formatdate(NOW + 10, usegmt=True)}, True),
        (request(), 200, {}, False),
        (request(), 404, {"Cache-Control": "max-age=60"}, True),
        (request(), 302, {"Cache-Control": "max-age=60"}, True),
        (request(), 302, {"ETag": '"a"'}, False),
        (request(), 206, {"Cache-Control": "max-age=60"}, False),
        (request(), 304, {"Cache-Control": "max-age=60"}, False),
        (request(), 101, {"Cache-Control": "max-age=60"}, False),
        (request(), 200, {"Cache-Control": "max-age=60, no-store"}, False),
        (request("no-store"), 200, {"Cache-Control": "max-age=60"}, False),
        (request(), 200, {"Cache-Control": "max-age=60, private"}, False),
        (request(Authorization="x"), 200, {"Cache-Control": "max-age=60"}, False),
        (request(Authorization="x"), 200, {"Cache-Control": "max-age=60, public"}, True),
        (request(Authorization="x"), 200, {"Cache-Control": "s-maxage=60"}, True),
        (request(method="HEAD"), 200, {"Cache-Control": "max-age=60"}, True),
        (request(), 200, {"Cache-Control": "max-age=60", "Vary": "*"}, False),
    ],
)
def test_what_may_be_stored_is(asked, status, fields, storable):
    response = Response(status, fields, request=asked)

    assert (policy().storable(asked, response, NOW, NOW) is not None) == storable


def test_a_private_cache_stores_what_is_private():
    response = Response(200, {"Cache-Control": "max-age=60, private"})

    assert policy(shared=False).storable(request(Authorization="x"), response, NOW, NOW) is not None


def test_fields_of_the_connection_are_not_stored_and_the_others_keep_their_spelling():
    fields = [
        ("X-b", "1"), ("x-A", "2"), ("X-b", "3"), ("Connection", "close"), ("Transfer-Encoding", "chunked"),
        ("Cache-Control", 'max-age=60, no-cache="X-Secret"'), ("X-Secret", "s"),
    ]  # fmt: skip
    stored = policy().storable(request(), Response(200, fields), NOW - 2, NOW)

    assert stored.headers == tuple((name.encode(), value.encode()) for name, value in [*fields[:3], fields[5]])
    assert (stored.requested_at, stored.received_at, stored.content) == (NOW - 2, NOW, b"")


# -- confirming (4.3) -------------------------------------------------------------------------------------------


def test_what_is_stored_makes_a_request_conditional():
    modified = formatdate(NOW - 100, usegmt=True)

    assert policy().conditions([entry(ETag='"a"', Last_Modified=modified)]) == {
        "if-none-match": '"a"', "if-modified-since": modified,
    }  # fmt: skip
    assert policy().conditions([entry()]) == {}


def test_a_confirmed_response_has_new_fields_and_its_old_content():
    stored = entry("max-age=1", 100, ETag='"a"', Content_Type="text/plain", X_Old="1")
    fields = {"Date": formatdate(NOW, usegmt=True), "Cache-Control": "max-age=99", "ETag": '"a"', "Content-Type": "no"}
    found = policy().confirm([stored], Response(304, fields), NOW - 1, NOW)

    assert found.outdated == ()
    assert (found.entry.id, found.entry.content) == (stored.id, b"abc")
    assert found.entry.value("cache-control") == "max-age=99"
    assert found.entry.value("content-type") == "text/plain"
    assert (b"X-Old", b"1") in found.entry.headers
    assert policy().usable(request(), [found.entry], NOW) is found.entry


def test_a_new_response_takes_the_place_of_what_is_stored():
    stored = entry(age=100, ETag='"a"')
    found = policy().confirm([stored], Response(200), NOW, NOW)

    assert (found.entry, found.outdated, found.again) == (None, (stored.id,), False)


@pytest.mark.parametrize("status", [404, 500])
def test_other_answers_leave_what_is_stored(status):
    found = policy().confirm([entry(age=100, ETag='"a"')], Response(status), NOW, NOW)

    assert (found.entry, found.outdated, found.again) == (None, (), False)


def test_a_confirmation_of_something_else_means_to_ask_again():
    stored = entry(age=100, ETag='"a"')
    found = policy().confirm([stored], Response(304, {"ETag": '"b"'}), NOW, NOW)

    assert (found.entry, found.outdated, found.again) == (None, (stored.id,), True)


def test_of_several_the_one_that_is_named_is_confirmed():
    old, new = entry(age=200, ETag='"a"'), entry(age=100, ETag='"b"')
    found = policy().confirm([old, new], Response(304, {"ETag": '"a"'}), NOW, NOW)

    assert found.entry.id == old.id
    assert found.outdated == (new.id,)


# -- invalidating (4.4) -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "status", "expected"),
    [
        ("POST", 200, True), ("PUT", 204, True), ("DELETE", 302, True), ("PATCH", 200, True), ("UNHEARD-OF", 200, True),
        ("POST", 404, False), ("POST", 500, False), ("OPTIONS", 200, False), ("GET", 200, False),
    ],
)  # fmt: skip
def test_methods_that_change_things_make_what_is_stored_outdated(method, status, expected):
    assert policy().invalidates(request(method=method), Response(status)) == expected


def test_entries_are_not_changed():
    stored = entry(age=10, Age="5")
    before = replace(stored)
    policy().usable(request(), [stored], NOW)

    assert stored == before
