"""Which transport serves a URL, when it is made, and that each is closed once."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from hyperhttp.client.mounts import Transports, close_quietly
from hyperhttp.message.url import URL
from hyperhttp.plugins.compiled import Mount


class Transport:
    """Sends nothing; counts how often it was closed."""

    def __init__(self, log: list[Any] | None = None) -> None:
        self.closings = 0
        self.log = log

    async def send(self, request: Any) -> Any:
        raise NotImplementedError

    def close(self) -> None:
        self.closings += 1
        if self.log is not None:
            self.log.append(self)


class Factory:
    """Makes transports and keeps them."""

    def __init__(self, pause: float = 0.0) -> None:
        self.made: list[Transport] = []
        self.pause = pause

    def __call__(self) -> Transport:
        time.sleep(self.pause)
        self.made.append(Transport())
        return self.made[-1]


def mount(pattern: str, factory: Any) -> Mount:
    scheme, _, rest = pattern.partition("://")
    host, _, port = rest.partition(":")
    return Mount(scheme, host, int(port) if port else None, factory)


def test_without_transports_everything_goes_over_the_network() -> None:
    transports = Transports([])
    assert not transports
    assert transports.find(URL("http://a.example/")) is None
    transports.close()


def test_the_clients_own_serves_every_url_whatever_is_mounted() -> None:
    own, factory = Transport(), Factory()
    transports = Transports([mount("http://a.example", factory)], own)
    assert transports
    for url in ("http://a.example/", "https://b.example/", "coffee://pot/"):
        assert transports.find(URL(url)) is own
    assert factory.made == []


@pytest.mark.parametrize(
    ("pattern", "url", "found"),
    [
        ("coffee://", "coffee://pot/", True),
        ("coffee://", "http://pot/", False),
        ("http://a.example", "http://a.example/x?y=z", True),
        ("http://a.example", "http://A.EXAMPLE/", True),
        ("http://a.example", "http://a.example:80/", True),
        ("http://a.example", "http://a.example:81/", True),
        ("http://a.example", "https://a.example/", False),
        ("http://a.example", "http://b.a.example/", False),
        ("http://a.example:80", "http://a.example/", True),
        ("https://a.example:443", "https://a.example/", True),
        ("http://a.example:80", "http://a.example:8080/", False),
        ("all://*.example", "https://a.example:8443/", True),
        ("all://*.example", "https://example/", False),
        ("all://", "ftp://anything/", True),
    ],
)
def test_a_mount_is_found_by_what_a_url_means(pattern: str, url: str, found: bool) -> None:
    factory = Factory()
    transport = Transports([mount(pattern, factory)]).find(URL(url))
    assert (transport is not None) is found
    assert factory.made == ([transport] if found else [])


def test_the_first_mount_that_matches_is_the_one() -> None:
    first, second = Factory(), Factory()
    transports = Transports([mount("http://a.example", first), mount("http://", second)])
    assert transports.find(URL("http://a.example/")) is first.made[0]
    assert transports.find(URL("http://b.example/")) is second.made[0]


def test_a_transport_is_made_when_it_is_first_met_and_once() -> None:
    factory = Factory()
    transports = Transports([mount("http://", factory)])
    assert transports
    assert factory.made == []
    found = {transports.find(URL(f"http://{name}.example/")) for name in "abc"}
    assert found == set(factory.made)
    assert len(found) == 1


def test_two_mounts_of_one_factory_have_a_transport_each() -> None:
    factory = Factory()
    transports = Transports([mount("http://a.example", factory), mount("http://b.example", factory)])
    assert transports.find(URL("http://a.example/")) is not transports.find(URL("http://b.example/"))


def test_two_clients_have_a_transport_each() -> None:
    factory = Factory()
    mounts = [mount("http://", factory)]
    url = URL("http://a.example/")
    assert Transports(mounts).find(url) is not Transports(mounts).find(url)


def test_threads_that_meet_it_at_the_same_time_get_the_same_one() -> None:
    factory = Factory(pause=0.02)
    transports = Transports([mount("http://", factory)])
    found: list[Any] = []
    threads = [
        threading.Thread(target=lambda: found.append(transports.find(URL("http://a.example/")))) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(found) == 4
    assert len(factory.made) == 1, "the others would never be closed"


def test_closing_closes_what_was_made_and_what_was_given_once_each() -> None:
    met, unmet, own = Factory(), Factory(), Transport()
    transports = Transports([mount("http://", met), mount("https://", unmet)])
    transports.find(URL("http://a.example/"))
    transports.close()
    transports.close()
    assert [transport.closings for transport in met.made] == [1]
    assert unmet.made == []
    given = Transports([], own)
    given.close()
    assert own.closings == 1


def test_one_that_fails_to_close_is_logged_and_does_not_keep_the_others_open(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(Transport):
        def close(self) -> None:
            raise OSError("of the transport")

    rest = Factory()
    transports = Transports([mount("http://a.example", Broken), mount("http://b.example", rest)])
    for name in "ab":
        transports.find(URL(f"http://{name}.example/"))
    transports.close()
    assert [transport.closings for transport in rest.made] == [1]
    assert [(record.name, record.levelname) for record in caplog.records] == [("hyperhttp", "ERROR")]
    assert "OSError: of the transport" in caplog.text


def test_what_closes_in_order_is_not_spoken_of(caplog: pytest.LogCaptureFixture) -> None:
    closed: list[int] = []
    close_quietly(lambda: closed.append(1))
    assert (closed, caplog.records) == ([1], [])


@pytest.mark.parametrize("given", ["http://proxy", object(), Transport.send, type("Half", (), {"send": None})()])
def test_what_is_no_transport_is_refused(given: Any) -> None:
    with pytest.raises(TypeError, match=r"transport= takes an object with send\(\) and close\(\), not "):
        Transports([], given)


def test_the_clients_own_mounts_come_first_and_none_is_the_network() -> None:
    own, other, factory = Transport(), Transport(), Factory()
    mounted = {"http://": own, "http://a.example": None, "https://": other}
    transports = Transports([mount("http://b.example", factory)], None, mounted)
    assert transports
    assert transports.find(URL("http://a.example/")) is None
    assert transports.find(URL("http://b.example/")) is own
    assert transports.find(URL("https://a.example/")) is other
    assert transports.find(URL("memory://a/")) is None
    assert (transports.serves(URL("http://a.example/")), transports.serves(URL("http://c.example/"))) == (False, True)
    assert factory.made == []


def test_it_explains_itself_without_making_anything() -> None:
    own, factory = Transport(), Factory()
    transports = Transports([mount("http://b.example", factory)], None, {"https://": own})
    assert transports.explain(URL("https://a/")) == (own, "mounts['https://']")
    assert transports.explain(URL("http://b.example/")) == (factory, "the mount http://b.example of a plugin")
    assert transports.explain(URL("http://c.example/")).transport is None
    assert factory.made == []
    transports.find(URL("http://b.example/"))
    assert transports.explain(URL("http://b.example/")).transport is factory.made[0]
    assert Transports([], own).explain(URL("http://c/")) == (own, "transport=")


def test_one_that_is_mounted_twice_is_closed_once() -> None:
    own = Transport()
    Transports([], own, {"http://": own, "https://": own}).close()
    assert own.closings == 1
