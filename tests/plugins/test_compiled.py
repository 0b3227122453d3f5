import types

import pytest

from hyperhttp.exceptions import PluginError
from hyperhttp.plugins.compiled import EVENTS, Listeners, Mount
from hyperhttp.plugins.interfaces import EventListener
from hyperhttp.plugins.registry import Registries


def compiled_with(*factories):
    registries = Registries()
    registries.event_hooks.open_for("plugin 'spy' (spy 1.0)")
    for number, factory in enumerate(factories):
        registries.event_hooks.add(f"listener-{number}", factory)
    return registries.compile([])


class Requests(EventListener):
    def request(self, request):
        return None


class Waiting(EventListener):
    async def request(self, request):
        return None

    def close(self):
        return None


def test_without_listeners_every_client_gets_empty_ones_of_its_own():
    compiled = compiled_with()

    assert compiled.create_listeners().forgotten is not compiled.create_listeners().forgotten
    assert all(getattr(compiled.create_listeners(), event) == () for event in EVENTS)


def test_there_is_a_field_for_each_event():
    assert Listeners.__match_args__ == (*EVENTS, "objects", "forgotten")


@pytest.mark.parametrize("event", EVENTS)
def test_calls_are_followed_where_somebody_listens_to_more_than_connections(event):
    heard = Listeners(**{event: (print,)})

    assert heard.follow_calls is (event not in ("connection", "idle", "close"))


def test_methods_that_were_not_overridden_are_left_out():
    listeners = compiled_with(Requests).create_listeners()

    assert len(listeners.request) == 1
    assert all(getattr(listeners, event) == () for event in EVENTS if event != "request")


def test_a_listener_need_not_be_a_subclass():
    seen = []
    listener = types.SimpleNamespace(connection=seen.append, unrelated=1)

    (connection,) = compiled_with(lambda: listener).create_listeners().connection
    connection("event")

    assert seen == ["event"]


def test_a_listener_is_heard_for_each_event_it_has_a_method_for():
    listeners = compiled_with(Requests, Waiting).create_listeners()

    assert len(listeners.request) == 2
    assert [method.__name__ for method in listeners.close] == ["close"]


@pytest.mark.parametrize("event", ["begin", "finish", "end", "connection", "idle", "close"])
def test_a_method_that_waits_where_nothing_may_is_an_error(event):
    async def method(*arguments):
        return None

    listener = types.SimpleNamespace(**{event: method})

    with pytest.raises(PluginError, match=rf"by plugin 'spy' \(spy 1.0\): {event}\(\) must be a plain function"):
        compiled_with(lambda: listener).create_listeners()


def test_each_client_gets_its_own_listener():
    made = []

    def factory():
        made.append(Requests())
        return made[-1]

    compiled = compiled_with(factory)
    first = compiled.create_listeners()
    second = compiled.create_listeners()

    assert [first.request[0].__self__, second.request[0].__self__] == made


def test_listeners_are_called_in_the_order_of_adding():
    listeners = compiled_with(Waiting, Requests).create_listeners()

    assert [type(method.__self__) for method in listeners.request] == [Waiting, Requests]


@pytest.mark.parametrize("listener", [object(), EventListener(), types.SimpleNamespace(request="no")])
def test_a_listener_that_listens_to_nothing_is_an_error(listener):
    with pytest.raises(PluginError, match=r"event listener 'listener-0' by plugin 'spy' \(spy 1.0\) has none of"):
        compiled_with(lambda: listener).create_listeners()


def test_a_factory_may_sit_a_client_out():
    listeners = compiled_with(lambda: None, Requests).create_listeners()

    assert [type(method.__self__) for method in listeners.request] == [Requests]


def test_a_factory_that_fails_is_an_error_with_its_cause():
    with pytest.raises(PluginError, match="could not be made: ZeroDivisionError") as caught:
        compiled_with(lambda: 1 / 0).create_listeners()

    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.parametrize(
    ("mount", "url", "matches"),
    [
        (("x", "", None), ("x", "a.test", 80), True),
        (("x", "", None), ("y", "a.test", 80), False),
        (("all", "", None), ("y", "a.test", 80), True),
        (("all", "a.test", None), ("y", "a.test", 80), True),
        (("all", "a.test", None), ("y", "b.a.test", 80), False),
        (("all", "*.a.test", None), ("y", "b.a.test", 80), True),
        (("all", "*.a.test", None), ("y", "c.b.a.test", 80), True),
        (("all", "*.a.test", None), ("y", "a.test", 80), False),
        (("all", "*.a.test", None), ("y", "ba.test", 80), False),
        (("x", "::1", 80), ("x", "::1", 80), True),
        (("x", "::1", 80), ("x", "::1", 81), False),
    ],
)
def test_a_mount_matches_by_scheme_host_and_port(mount, url, matches):
    assert Mount(*mount, factory=print).matches(*url) is matches


def test_one_more_listener_is_told_last_and_one_less_leaves_the_others():
    first, second = Requests(), Requests()
    both = Listeners().joined_by(first).joined_by(second)

    assert [method.__self__ for method in both.request] == [first, second]
    assert both.objects == (first, second)
    left = both.without(first)
    assert [method.__self__ for method in left.request] == [second]
    assert left.objects == (second,)
    assert left.forgotten is both.forgotten
    assert both.without(Requests()) == both
    assert not left.without(second).follow_calls


def test_a_listener_without_methods_cannot_join():
    with pytest.raises(PluginError, match="the listener has none of the methods begin"):
        Listeners().joined_by(object())
