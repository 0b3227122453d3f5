"""Timeouts, limits and the sentinel for options that were not given."""

from __future__ import annotations

import copy
import math
import pickle

import pytest

from hyperhttp.config import UNSET, Limits, Timeout, Unset

PHASES = ("connect", "read", "write", "pool")
NAMES = (*PHASES, "total")


def values(timeout):
    return tuple(getattr(timeout, name) for name in NAMES)


def test_one_number_sets_the_four_phases_and_not_the_total():
    assert values(Timeout(5.0)) == (5.0, 5.0, 5.0, 5.0, None)


@pytest.mark.parametrize("timeout", [Timeout(), Timeout(None), Timeout.of(None), Timeout(math.inf)])
def test_no_number_means_no_limit(timeout):
    assert values(timeout) == (None,) * 5


def test_one_phase_leaves_the_others_without_limit():
    assert values(Timeout(connect=5)) == (5.0, None, None, None, None)


def test_the_documented_form():
    assert values(Timeout(connect=5.0, read=30.0, write=30.0, pool=2.0)) == (5.0, 30.0, 30.0, 2.0, None)


def test_a_phase_overrides_the_number():
    assert values(Timeout(5, read=None, total=60)) == (5.0, None, 5.0, 5.0, 60.0)


def test_another_timeout_is_a_starting_point():
    base = Timeout(5.0, total=60.0)
    assert values(Timeout(base, read=1.0)) == (5.0, 1.0, 5.0, 5.0, 60.0)
    assert values(Timeout(base, total=None)) == (5.0, 5.0, 5.0, 5.0, None)


def test_of_turns_what_users_type_into_a_timeout():
    given = Timeout(3.0)
    assert Timeout.of(given) is given
    assert Timeout.of(3) == given
    assert Timeout.of(3) is Timeout.of(3)


def test_of_does_not_take_true_for_one():
    assert Timeout.of(1) == Timeout(1.0)
    with pytest.raises(TypeError):
        Timeout.of(True)


@pytest.mark.parametrize("value", ["5", [3.0], (1, 2), {"read": 5}])
def test_of_says_what_is_wrong_with_other_types(value):
    with pytest.raises(TypeError, match=f"timeout must be a number of seconds or None, not {type(value).__name__}"):
        Timeout.of(value)


@pytest.mark.parametrize("name", ["timeout", *NAMES])
@pytest.mark.parametrize("value", ["5", b"5", True, (1, 2), [3], 1j])
def test_what_is_not_a_number_is_refused_by_name(name, value):
    with pytest.raises(TypeError, match=f"{name} must be a number"):
        Timeout(**{name: value})


@pytest.mark.parametrize("name", ["timeout", *NAMES])
@pytest.mark.parametrize("value", [0, 0.0, -1, -0.5, math.nan, -math.inf])
def test_numbers_that_are_no_duration_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=f"{name} must be more than 0"):
        Timeout(**{name: value})


def test_an_unknown_phase_is_refused():
    with pytest.raises(TypeError):
        Timeout(raed=5)


def test_timeouts_are_values():
    assert Timeout(5.0) == Timeout(connect=5, read=5, write=5, pool=5)
    assert hash(Timeout(5.0)) == hash(Timeout(5))
    assert Timeout(5.0) != Timeout(5.0, total=5.0)
    assert Timeout(5.0) != 5.0
    with pytest.raises(AttributeError):
        Timeout(5.0).read = 1.0


@pytest.mark.parametrize(
    ("timeout", "text"),
    [
        (Timeout(), "Timeout()"),
        (Timeout(5), "Timeout(5.0)"),
        (Timeout(5, total=9), "Timeout(5.0, total=9.0)"),
        (Timeout(connect=1, total=9), "Timeout(connect=1.0, total=9.0)"),
        (Timeout(5, read=None), "Timeout(connect=5.0, write=5.0, pool=5.0)"),
    ],
)
def test_repr_can_be_typed_back(timeout, text):
    assert repr(timeout) == text
    assert eval(text) == timeout


@pytest.mark.parametrize("value", [Timeout(5, total=9), Limits(max_connections=3), UNSET])
def test_configuration_pickles_and_copies(value):
    assert pickle.loads(pickle.dumps(value)) == value
    assert copy.copy(value) == value
    assert copy.deepcopy(value) == value


def test_unset_is_one_falsy_object():
    assert not UNSET
    assert (repr(UNSET), str(UNSET)) == ("UNSET", "UNSET")
    assert copy.deepcopy(UNSET) is UNSET
    assert pickle.loads(pickle.dumps(UNSET)) is UNSET
    assert list(Unset) == [UNSET]


def test_limits_have_the_documented_defaults():
    limits = Limits()
    assert limits.max_connections == 100
    assert limits.max_connections_per_host is None
    assert limits.max_keepalive_connections == 20
    assert limits.keepalive_expiry == 120.0
    assert limits.max_connection_age is None


def test_every_limit_can_be_removed():
    limits = Limits(None, None, None, None, None)
    assert limits.max_connections is None
    assert limits.keepalive_expiry is None


def test_nothing_need_be_kept_alive():
    assert Limits(max_keepalive_connections=0, keepalive_expiry=0) == Limits(
        max_keepalive_connections=0, keepalive_expiry=0.0
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_connections", 0),
        ("max_connections", -1),
        ("max_connections_per_host", 0),
        ("max_keepalive_connections", -1),
        ("keepalive_expiry", -1),
        ("max_connection_age", 0),
    ],
)
def test_limits_out_of_range_are_refused_by_name(name, value):
    with pytest.raises(ValueError, match=name):
        Limits(**{name: value})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_connections", 1.5),
        ("max_connections", True),
        ("max_connections_per_host", "3"),
        ("max_keepalive_connections", b"3"),
        ("keepalive_expiry", "3"),
        ("keepalive_expiry", False),
        ("max_connection_age", True),
    ],
)
def test_limits_of_the_wrong_type_are_refused_by_name(name, value):
    with pytest.raises(TypeError, match=name):
        Limits(**{name: value})


def test_limits_are_values():
    assert Limits() == Limits()
    assert hash(Limits()) == hash(Limits())
    with pytest.raises(AttributeError):
        Limits().max_connections = 1
