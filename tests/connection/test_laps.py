"""Every moment of opening a connection belongs to one part."""

from __future__ import annotations

from typing import Any

from hyperhttp.connection.laps import Laps
from hyperhttp.connection.route import Route
from hyperhttp.message.url import URL
from hyperhttp.pool.proxies import Proxy
from tests.memory import MemoryChannel


class Clock:
    def __init__(self) -> None:
        self.time = 100.0

    def __call__(self) -> float:
        return self.time


def test_the_parts_add_up_to_the_whole() -> None:
    clock = Clock()
    laps = Laps(clock)
    for part, seconds in (("dns", 1.0), ("connect", 2.0), ("tls", 4.0), ("connect", 8.0)):
        clock.time += seconds
        laps.lap(part)
    assert (laps.dns, laps.connect, laps.tls) == (1.0, 10.0, 4.0)


def test_a_part_may_have_ended_before_it_is_told() -> None:
    clock = Clock()
    laps = Laps(clock)
    clock.time += 5.0
    laps.lap("connect", 102.0)
    laps.lap("tls")
    assert (laps.connect, laps.tls) == (2.0, 3.0)
    laps.lap("connect", 90.0)
    assert laps.connect == 2.0


def test_a_connection_is_described_by_its_channel_and_its_route() -> None:
    channel: Any = MemoryChannel("h2")
    proxy = Proxy.parse(URL("http://user:secret@proxy.example:3128"))
    laps = Laps(Clock())
    first = laps.describe(channel, Route("https", "a.example", 443, proxy=proxy))
    assert (first.peer, first.proxy, first.alpn) == ("192.0.2.1", "http://proxy.example:3128", "h2")
    assert first.tls_version == "TLSv1.3"
    second = laps.describe(channel, Route("https", "a.example", 443))
    assert second.proxy is None
    assert second.id != first.id
