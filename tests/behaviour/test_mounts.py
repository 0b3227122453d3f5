"""Transports by URL pattern: the most specific decides, None is the network, what a caller says beats plugins."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import MockTransport
from hyperhttp.plugins import hookimpl

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin


def named(name: str) -> MockTransport:
    """Answers every request with its name."""
    return MockTransport([(None, name)])


async def answers(client: Any, *urls: str) -> list[str]:
    return [await client.text(await client.get(url)) for url in urls]


async def test_the_most_specific_pattern_decides_whatever_the_order(face: Any) -> None:
    mounts = {
        "all://": named("everything"),
        "https://": named("https"),
        "all://*.example.com": named("below"),
        "https://api.example.com": named("host"),
        "https://api.example.com:8443": named("port"),
    }
    urls = {
        "http://other.test/": "everything",
        "https://other.test/": "https",
        "http://api.example.com/": "below",
        "https://www.example.com/": "below",
        "https://example.com/": "https",
        "https://api.example.com/": "host",
        "https://api.example.com:8443/": "port",
    }
    for order in (mounts, dict(reversed(mounts.items()))):
        async with face.client(mounts=order) as client:
            assert await answers(client, *urls) == list(urls.values())


async def test_none_is_the_network_even_beside_a_transport(face: Any, origin: Origin) -> None:
    async with face.client(mounts={origin.url: None}, transport=named("mock")) as client:
        assert (await client.json(await client.get(origin.url + "/get")))["url"] == origin.url + "/get"
        assert await answers(client, "http://example.com/") == ["mock"]


async def test_what_is_mounted_nowhere_goes_over_the_network(face: Any, origin: Origin) -> None:
    async with face.client(mounts={"all://*.example.com": named("mock")}) as client:
        assert (await client.get(origin.url + "/get")).status_code == 200
        assert await answers(client, "http://a.example.com/") == ["mock"]


async def test_mounts_stand_before_the_transport_for_everything(face: Any) -> None:
    async with face.client(transport=named("all"), mounts={"https://": named("secure")}) as client:
        assert await answers(client, "http://a.test/", "https://a.test/") == ["all", "secure"]


async def test_a_mounted_scheme_can_be_requested(face: Any) -> None:
    async with face.client(mounts={"memory://": named("memory")}) as client:
        assert await answers(client, "memory://anything/path") == ["memory"]
        with pytest.raises(hyperhttp.InvalidURL, match="no transport for other://"):
            await client.get("other://anything/")


async def test_a_redirect_crosses_from_one_mount_to_another(face: Any, origin: Origin) -> None:
    mock = MockTransport()
    mock.get("http://start.test/", status_code=302, headers={"Location": origin.url + "/get"})
    async with face.client(mounts={"all://start.test": mock}, follow_redirects=True) as client:
        response = await client.get("http://start.test/")
        assert response.url == origin.url + "/get"
        assert response.history[0].timing.connect == 0
        assert response.timing.connect > 0


class Plugin:
    """Mounts a transport and says when it is closed."""

    @hookimpl
    def hyperhttp_register_transports(self, transports: Any) -> None:
        transports.add("all://*.test", lambda: named("plugin"))


async def test_what_the_caller_says_beats_plugins(face: Any, origin: Origin) -> None:
    plugins = [Plugin()]
    async with face.client(plugins=plugins) as client:
        assert await answers(client, "http://a.test/") == ["plugin"]
    async with face.client(plugins=plugins, mounts={"all://": named("caller")}) as client:
        assert await answers(client, "http://a.test/") == ["caller"]
    async with face.client(plugins=plugins, mounts={"https://": named("caller")}) as client:
        assert await answers(client, "http://a.test/", "https://a.test/") == ["plugin", "caller"]


class Closing:
    """A transport of one's own."""

    def __init__(self) -> None:
        self.closings = 0

    async def send(self, request: hyperhttp.Request) -> hyperhttp.Response:
        return hyperhttp.Response(200, request=request)

    def close(self) -> None:
        self.closings += 1


async def test_each_transport_is_closed_once(face: Any) -> None:
    first, second = Closing(), Closing()
    async with face.client(mounts={"http://": first, "https://": first, "all://a": second}) as client:
        assert (await client.get("http://x.test/")).status_code == 200
    assert (first.closings, second.closings) == (1, 1)


@pytest.mark.parametrize(
    ("mounts", "error", "said"),
    [
        ({"https": None}, ValueError, "is no mount"),
        ({"https://": object()}, TypeError, r"mounts\['https://'\] takes an object with send\(\) and close\(\)"),
    ],
)
def test_what_cannot_be_mounted_is_refused(face: Any, mounts: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        face.client(mounts=mounts)
