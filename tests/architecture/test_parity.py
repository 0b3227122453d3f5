"""`Client` and `SyncClient` differ in ``await`` and in nothing else; so do a response's twin methods."""

from __future__ import annotations

import inspect
import re
from typing import Any

import pytest

import hyperhttp
from hyperhttp import Client, Response, SyncClient
from hyperhttp.client import aio, blocking

#: The same method under the name that asyncio users look for.
ASYNCIO_ONLY = {"aclose"}
#: Reading and converting in one word; without ``await``, the property or method already is one.
WITHOUT_TWIN = {"atext", "ajson"}
#: What gives something to enter or to await on asyncio, and the thing itself on the other face.
OPENING = {"websocket"}
#: What is awaited on asyncio, and blocks on the other.
WAITING = {"close", "delete", "download", "get", "head", "options", "patch", "post", "put", "request", "send"}


def public(owner: type) -> dict[str, Any]:
    return {name: value for name, value in vars(owner).items() if not name.startswith("_")}


def without_await(annotation: Any) -> str:
    """An annotation as the blocking face would have it."""
    text = str(annotation)
    text = re.sub(r"^(?:Coroutine\[Any, Any, (.*)\]|Awaitable\[(.*)\])$", lambda found: found[1] or found[2], text)
    return text.replace("AsyncIterator[", "Iterator[")


def shape(value: Any) -> object:
    """What must be the same on both faces: parameters, defaults, annotations; for a property, its type."""
    if isinstance(value, property):
        types = [inspect.get_annotations(each) for each in (value.fget, value.fset) if each is not None]
        return [sorted((name, without_await(kind)) for name, kind in each.items()) for each in types]
    signature = inspect.signature(value)
    return [*map(str, signature.parameters.values()), without_await(signature.return_annotation)]


def test_both_clients_have_the_same_methods_and_properties() -> None:
    assert set(public(Client)) - ASYNCIO_ONLY == set(public(SyncClient))


def test_both_clients_are_made_with_the_same_options() -> None:
    assert shape(Client.__init__) == shape(SyncClient.__init__)


@pytest.mark.parametrize("name", sorted(public(SyncClient)))
def test_a_method_is_the_same_on_both_clients(name: str) -> None:
    shapes: list[Any] = [shape(public(owner)[name]) for owner in (Client, SyncClient)]
    if name in OPENING:
        shapes = [each[:-1] for each in shapes]
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("name", sorted(public(SyncClient)))
def test_a_method_waits_on_asyncio_exactly_where_it_blocks(name: str) -> None:
    value = public(Client)[name]
    returns = "" if isinstance(value, property) else str(inspect.signature(value).return_annotation)
    waits = inspect.iscoroutinefunction(value) or returns.startswith(("Coroutine[", "Awaitable["))
    assert waits == (name in WAITING)


def test_contexts_of_a_stream_give_the_same() -> None:
    entering = aio.StreamContext.__aenter__, blocking.StreamContext.__enter__
    leaving = aio.StreamContext.__aexit__, blocking.StreamContext.__exit__
    assert shape(entering[0]) == shape(entering[1])
    assert shape(leaving[0]) == shape(leaving[1])


@pytest.mark.parametrize("name", sorted(set(blocking.__all__) - {"SyncClient"}))
def test_a_call_without_a_client_takes_what_the_method_takes(name: str) -> None:
    method = shape(getattr(SyncClient, name))
    assert isinstance(method, list)
    assert shape(getattr(hyperhttp, name)) == method[1:]  # the method's first is self


@pytest.mark.parametrize("name", sorted(each for each in public(Response) if re.match(r"a(iter_|read|close)", each)))
def test_a_response_is_read_the_same_way_on_both_faces(name: str) -> None:
    assert shape(getattr(Response, name)) == shape(getattr(Response, name[1:]))


def test_every_way_to_read_a_response_has_its_twin() -> None:
    names = set(public(Response))
    asynchronous = {name for name in names if name.startswith("a")} - {"attempts"}  # an "a" like any other
    assert {name[1:] for name in asynchronous - WITHOUT_TWIN} <= names
    assert {f"a{name}" for name in names if name.startswith(("iter_", "read"))} <= asynchronous
