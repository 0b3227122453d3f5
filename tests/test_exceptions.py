"""The exception tree: names, texts, attributes, and the way between processes."""

from __future__ import annotations

import copy
import inspect
import pickle
import threading

import pytest

from hyperhttp import errors, exceptions
from hyperhttp.exceptions import (
    CircuitBreakerOpen,
    ConnectTimeout,
    HTTPStatusError,
    HyperHTTPError,
    InvalidURL,
    LocalProtocolError,
    ReadTimeout,
    RetryError,
    TimeoutException,
    TransportError,
    WebSocketClosed,
)

ALL = [getattr(exceptions, name) for name in exceptions.__all__]
every_class = pytest.mark.parametrize("cls", ALL, ids=lambda cls: cls.__name__)


class Unpicklable:
    def __reduce__(self):
        raise RuntimeError("not me")


class UnloadableError(Exception):
    """Pickles, but cannot be made again: the constructor wants two arguments and gets one."""

    def __init__(self, first, second):
        super().__init__(first)


class CustomError(HyperHTTPError):
    def __init__(self, code):
        super().__init__(f"code {code}")
        self.code = code


def test_the_list_of_names_is_the_whole_module():
    defined = {
        name
        for name, value in vars(exceptions).items()
        if inspect.isclass(value) and value.__module__ == exceptions.__name__
    }
    assert defined == set(exceptions.__all__)


def test_the_tree_in_the_documentation_names_every_class_below_its_base():
    lines = [line for line in exceptions.__doc__.splitlines() if "──" in line]
    parents = ["HyperHTTPError"]
    drawn = {"HyperHTTPError"}
    for line in lines:
        before, _, after = line.partition("── ")
        depth = len(before) // 4
        name = after.split()[0]
        parents[depth:] = [name]
        cls = getattr(exceptions, name)
        assert cls.__mro__[1] is getattr(exceptions, parents[depth - 1])
        drawn.add(name)
    assert drawn == set(exceptions.__all__)


@every_class
def test_every_class_is_exported_by_errors_too(cls):
    assert getattr(errors, cls.__name__) is cls
    assert cls.__name__ in errors.__all__


@every_class
def test_every_class_derives_from_the_base(cls):
    assert issubclass(cls, HyperHTTPError)


def test_kinds_are_stable_words_and_differ():
    kinds = [cls.kind for cls in ALL]
    assert len(set(kinds)) == len(kinds)
    assert all(kind.replace("_", "").isalpha() and kind.islower() for kind in kinds)
    assert ReadTimeout.kind == "read_timeout"
    assert exceptions.DNSError.kind == "dns_error"


@every_class
def test_retryable_is_a_bool_on_class_and_instance(cls):
    assert isinstance(cls.retryable, bool)
    assert cls().retryable is cls.retryable


@pytest.mark.parametrize(
    ("name", "retryable"),
    [
        ("ConnectError", True),
        ("DNSError", True),
        ("ReadError", True),
        ("ReadTimeout", True),
        ("PoolTimeout", True),
        ("TotalTimeout", False),
        ("TLSError", False),
        ("LocalProtocolError", False),
        ("AddressNotAllowed", False),
        ("InvalidURL", False),
        ("CircuitBreakerOpen", False),
        ("DecodingError", False),
    ],
)
def test_retryable_says_whether_the_same_request_may_succeed(name, retryable):
    assert getattr(exceptions, name).retryable is retryable


def test_retryable_can_be_settled_for_one_error():
    error = TransportError("x")
    error.retryable = False
    assert pickle.loads(pickle.dumps(error)).retryable is False
    assert TransportError("x").retryable is True


@every_class
@pytest.mark.parametrize("args", [(), ("",)])
def test_the_text_is_never_empty(cls, args):
    assert len(str(cls(*args))) > 10
    assert cls.__name__ in repr(cls(*args))


@every_class
def test_the_message_is_the_text(cls):
    assert str(cls("what happened")) == "what happened"
    assert repr(cls("what happened")) == f"{cls.__name__}('what happened')"


def test_the_default_text_tells_what_is_known():
    error = ReadTimeout(host="example.com", port=443, phase="read", elapsed=5.0012, limit=5.0)
    assert str(error) == "the peer sent nothing in time (example.com:443, phase read, after 5.001 s, limit 5)"


@every_class
def test_the_text_survives_arguments_set_by_hand(cls):
    error = cls("first")
    error.args = ("first", "second")
    assert str(error) == "first"
    error.args = (13, "Permission denied")
    assert str(error) == "13"
    error.args = ()
    assert str(error) == cls.summary


@every_class
def test_attributes_that_are_not_given_are_none(cls):
    error = cls("x")
    for name in ("request", "port", "phase", "elapsed", "limit", "host"):
        assert getattr(error, name) is None


@every_class
def test_context_is_kept_as_attributes(cls):
    request = object()
    error = cls("x", request=request, host="h", port=80, phase="connect", elapsed=1.5, limit=2.0)
    found = (error.request, error.host, error.port, error.phase, error.elapsed, error.limit)
    assert found == (request, "h", 80, "connect", 1.5, 2.0)


def test_builtin_bases():
    with pytest.raises(TimeoutError):
        raise ConnectTimeout("slow")
    with pytest.raises(ValueError):
        raise InvalidURL("bad")
    with pytest.raises(ValueError):
        raise LocalProtocolError("bad")
    assert TimeoutException("x").errno is None


@every_class
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_every_class_pickles(cls, protocol):
    error = cls("what happened", host="h", port=1, phase="read", elapsed=0.5, limit=1.0, request={"url": "x"})
    again = pickle.loads(pickle.dumps(error, protocol))
    assert type(again) is cls
    assert str(again) == "what happened"
    assert again.args == error.args
    assert vars(again) == vars(error)


@pytest.mark.parametrize(
    "error",
    [
        RetryError("x", original_exception=ReadTimeout("slow", host="h"), attempts=3),
        CircuitBreakerOpen("x", host="h", remaining=4.5),
        WebSocketClosed("x", code=1001, reason="going away"),
        HTTPStatusError("x", response=["response"], request=["request"]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_own_attributes_travel(error):
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert {name: str(value) for name, value in vars(again).items()} == {
            name: str(value) for name, value in vars(error).items()
        }
    assert type(pickle.loads(pickle.dumps(error))) is type(error)


def test_a_nested_exception_keeps_its_attributes():
    error = RetryError("x", original_exception=ReadTimeout("slow", host="h", limit=2.0), attempts=2)
    inner = pickle.loads(pickle.dumps(error)).original_exception
    assert (type(inner), str(inner), inner.host, inner.limit) == (ReadTimeout, "slow", "h", 2.0)


@pytest.mark.parametrize("value", [threading.Lock(), lambda: None, Unpicklable(), UnloadableError("a", "b")])
def test_what_cannot_pickle_is_dropped_and_the_rest_arrives(value):
    error = HTTPStatusError("x", response=value, request="kept", host="h")
    again = pickle.loads(pickle.dumps(error))
    assert again.response is None
    assert (again.request, again.host, str(again)) == ("kept", "h", "x")


def test_a_message_that_is_an_object_travels_as_text():
    error = HyperHTTPError("x")
    error.args = (Unpicklable(),)
    assert "Unpicklable" in str(pickle.loads(pickle.dumps(error)))


def test_copying_keeps_even_what_cannot_pickle():
    lock = threading.Lock()
    error = ReadTimeout("x", request=lock)
    again = copy.copy(error)
    assert again is not error
    assert again.request is lock
    assert str(again) == "x"


def test_subclasses_with_their_own_signature_pickle():
    again = pickle.loads(pickle.dumps(CustomError(7)))
    assert (type(again), again.code, str(again)) == (CustomError, 7, "code 7")


def test_notes_travel():
    error = ReadTimeout("x")
    error.add_note("while downloading")
    assert pickle.loads(pickle.dumps(error)).__notes__ == ["while downloading"]


def test_a_deep_chain_pickles_in_time_that_grows_with_its_length_only():
    error = ReadTimeout("x")
    for _ in range(30):
        error = RetryError("again", original_exception=error, attempts=1)
    again = pickle.loads(pickle.dumps(error))
    depth = 0
    while isinstance(again, RetryError):
        again = again.original_exception
        depth += 1
    assert depth == 30
