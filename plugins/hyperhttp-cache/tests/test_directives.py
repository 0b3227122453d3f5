import time

import pytest

from hyperhttp_cache.directives import date_of, directives_of, seconds_of


@pytest.fixture
def far_away():
    """This machine is in another time zone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", "EST5")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], {}),
        (["no-store"], {"no-store": ""}),
        (["Max-Age=3, NO-CACHE"], {"max-age": "3", "no-cache": ""}),
        (["max-age=3", "public"], {"max-age": "3", "public": ""}),
        (['private="a, b", max-age="5"'], {"private": "a, b", "max-age": "5"}),
        (["max-age=1, max-age=2"], {"max-age": "1"}),
        ([" , ,max-age = 7"], {"max-age": "7"}),
        (["max-stale=, x"], {"max-stale": "", "x": ""}),
    ],
)
def test_directives_are_read(values, expected):
    assert directives_of(values) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("max-age=5", 5), ("max-age=0", 0), ("max-age", None), ("max-age=-1", None), ("max-age=1.5", None), ("x=5", None)],
)
def test_seconds_are_whole_numbers(text, expected):
    assert seconds_of(directives_of([text]), "max-age") == expected


def test_more_seconds_than_can_be_counted_are_for_ever():
    assert seconds_of({"max-age": "1" + "0" * 5000}, "max-age") == 2**31
    assert seconds_of({"max-age": "0" * 5000 + "7"}, "max-age") == 7


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Thu, 01 Jan 1970 00:00:10 GMT", 10.0),
        ("Thursday, 01-Jan-70 00:00:10 GMT", 10.0),
        ("Thu Jan  1 00:00:10 1970", 10.0),
        ("Thu, 01 Jan 1970 00:00:10 -0000", 10.0),
        ("0", None),
        ("", None),
        (None, None),
        ("Thu, 99 Foo 99999 00:00:10 GMT", None),
    ],
)
def test_dates_are_read_wherever_this_machine_is(text, expected, far_away):
    assert date_of(text) == expected
