"""Listeners that join and leave a client that is there already."""

from __future__ import annotations

import gc
from typing import Any

import pytest

import hyperhttp
from hyperhttp.exceptions import PluginError
from hyperhttp.plugins import EventListener, hookimpl


class Spy(EventListener):
    """Writes down the paths that begin and end, and the kinds of connections' events."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def request(self, request: Any) -> None:
        self.told.append(request.url.path)

    def finish(self, request: Any, response: Any, error: Any) -> None:
        self.told.append(f"{request.url.path} over")

    def connection(self, event: Any) -> None:
        self.told.append(event.kind)

    def close(self) -> None:
        self.told.append("goodbye")


class Plugin:
    def __init__(self, listener: Any) -> None:
        self.listener = listener

    @hookimpl
    def hyperhttp_register_event_hooks(self, event_hooks: Any) -> None:
        event_hooks.add(f"spy-{id(self)}", lambda: self.listener)


async def test_a_listener_hears_what_begins_between_joining_and_leaving(face: Any, origin: Any) -> None:
    spy = Spy()
    async with face.client(plugins=[]) as client:
        await client.get(f"{origin.url}/anything/before", stream=False)
        client.raw.add_listener(spy)
        client.raw.add_listener(spy)
        assert client.raw.listeners == (spy,)
        await client.get(f"{origin.url}/anything/between", stream=False)
        client.raw.remove_listener(spy)
        client.raw.remove_listener(spy)
        assert client.raw.listeners == ()
        await client.get(f"{origin.url}/anything/after", stream=False)
    assert spy.told == ["reused", "/anything/between", "/anything/between over"] or spy.told == [
        "/anything/between",
        "reused",
        "/anything/between over",
    ]


async def test_a_client_is_plain_again_when_its_last_listener_has_left(face: Any) -> None:
    spy = Spy()
    async with face.client(plugins=[]) as client:
        core = client.raw._core
        assert core._plain
        client.raw.add_listener(spy)
        assert not core._plain
        client.raw.remove_listener(spy)
        assert core._plain


async def test_a_listener_of_a_plugin_can_leave_and_the_others_stay(face: Any, origin: Any) -> None:
    spies = [Spy(), Spy(), Spy()]
    async with face.client(plugins=[Plugin(spies[0]), Plugin(spies[1])]) as client:
        client.raw.add_listener(spies[2])
        assert client.raw.listeners == tuple(spies)
        client.raw.remove_listener(spies[0])
        await client.get(f"{origin.url}/get", stream=False)
    assert spies[0].told == []
    assert spies[1].told == spies[2].told
    assert spies[1].told[-1] == "goodbye"


async def test_who_leaves_hears_the_end_of_what_has_begun(face: Any, origin: Any) -> None:
    spy = Spy()
    async with face.client(plugins=[]) as client:
        client.raw.add_listener(spy)
        response = await client.get(f"{origin.url}/bytes/1000000", stream=True)
        client.raw.remove_listener(spy)
        await client.read(response)
    assert [told for told in spy.told if "bytes" in told] == ["/bytes/1000000", "/bytes/1000000 over"]


async def test_a_response_that_was_forgotten_is_told_of_whoever_has_joined_since(face: Any, origin: Any) -> None:
    first, second = Spy(), Spy()
    async with face.client(plugins=[]) as client:
        client.raw.add_listener(first)
        await client.get(f"{origin.url}/bytes/1000000", stream=True)
        client.raw.add_listener(second)
        gc.collect()
        await client.get(f"{origin.url}/get", stream=False)
    assert "/bytes/1000000 over" in first.told
    assert "/bytes/1000000 over" not in second.told, "it has not heard of its beginning"


def test_two_clients_do_not_share_what_was_forgotten() -> None:
    with hyperhttp.SyncClient(plugins=[]) as one, hyperhttp.SyncClient(plugins=[]) as other:
        one.add_listener(Spy())
        other.add_listener(Spy())
        assert one._core._listeners.forgotten is not other._core._listeners.forgotten


class Waits(EventListener):
    async def finish(self, *_: Any) -> None: ...  # type: ignore[override]


@pytest.mark.parametrize(("listener", "said"), [(object(), "none of the methods"), (Waits(), "plain function")])
async def test_what_cannot_listen_is_refused(face: Any, listener: Any, said: str) -> None:
    async with face.client(plugins=[]) as client:
        with pytest.raises(PluginError, match=said):
            client.raw.add_listener(listener)
        assert client.raw.listeners == ()
