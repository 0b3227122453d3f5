"""Requests that ask for another protocol, before anything is sent."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from hyperhttp.connection.route import Route
from hyperhttp.exceptions import LocalProtocolError
from hyperhttp.message.request import Request
from hyperhttp.pipeline.exchange import render_head
from hyperhttp.pipeline.upgrade import prepare_upgrade, upgrade_fields


class Connection:
    """What is asked of a multiplexed one."""

    multiplexed = True
    is_settled = True

    def __init__(self, *, offers: bool = True, room: bool = True) -> None:
        peer = type("Peer", (), {"enable_connect_protocol": offers})
        self.engine = type("Engine", (), {"peer": peer})
        self._room = room

    def has_room(self) -> bool:
        return self._room


class Call:
    """A call to a route, with connections that are open."""

    def __init__(self, request: Request, route: Route, *connections: Any) -> None:
        self.request = request
        self.route = route
        lane = type("Lane", (), {"shared": list(connections), "idle": []})
        self.pool = type("Pool", (), {"lanes": {route: lane} if connections else {}})


def asking(**options: Any) -> Request:
    options.setdefault("extensions", {"upgrade": "websocket"})
    return Request("GET", "http://example.com/", **options)


def prepared(request: Request, route: Route | None = None, *connections: Any) -> tuple[str, Route]:
    call: Any = Call(request, route or Route("http", "example.com", 80), *connections)
    return prepare_upgrade(call), call.route


def test_a_request_with_other_extensions_asks_for_nothing() -> None:
    assert prepared(asking(extensions={"mine": 1}))[0] == ""


def test_the_protocol_is_a_token() -> None:
    assert prepared(asking())[0] == "websocket"
    for name in ("a b", "", "h\u00e9", "a\r\nb", b"websocket", 1):
        if not name:
            continue
        with pytest.raises(LocalProtocolError, match="name of a protocol"):
            prepared(asking(extensions={"upgrade": name}))


def test_only_a_get_without_content_asks() -> None:
    with pytest.raises(LocalProtocolError, match="GET without content"):
        prepared(asking(content=b"x"))
    with pytest.raises(LocalProtocolError, match="GET without content"):
        prepared(Request("OPTIONS", "http://example.com/", extensions={"upgrade": "websocket"}))


def test_a_proxy_is_asked_for_a_tunnel() -> None:
    route = Route("http", "example.com", 80, proxy=object(), http2=False)
    assert prepared(asking(), route)[1].tunnel
    direct = Route("http", "example.com", 80)
    assert prepared(asking(), direct)[1] is direct


@pytest.mark.parametrize(
    ("http2", "connections", "stays"),
    [
        (True, (), False),
        (True, (Connection(),), True),
        (True, (Connection(offers=False),), False),
        (True, (Connection(room=False),), False),
        (True, (Connection(room=False), Connection()), True),
        ("prior-knowledge", (), True),
        (False, (), True),
    ],
)
def test_http2_if_it_is_open(http2: Any, connections: tuple[Any, ...], stays: bool) -> None:
    route = Route("https", "example.com", 443, http2=http2)
    chosen = prepared(asking(extensions={"upgrade": "websocket", "http2": "if-open"}), route, *connections)[1]
    assert (chosen is route) is stays
    assert stays or chosen.http2 is False


def test_http2_is_negotiated_where_nothing_else_is_said() -> None:
    route = Route("https", "example.com", 443, http2=True)
    assert prepared(asking(), route)[1] is route


def test_variants_of_a_route_are_always_the_same() -> None:
    """Or their connections would never be found again."""
    route = Route("https", "example.com", 443, proxy=object(), http2=True)
    assert route.without_http2() is route.without_http2()
    assert route.without_http2().without_http2() is route.without_http2()
    assert route.tunnelled() is route.tunnelled()
    assert route.tunnelled().tunnelled() is route.tunnelled()
    assert dataclasses.replace(route).tunnelled() is not route.tunnelled()


def test_the_fields_that_ask_replace_the_callers() -> None:
    given = [(b"Host", b"a"), (b"connection", b"close"), (b"UPGRADE", b"h2c")]
    assert upgrade_fields(asking(), given) == [(b"Host", b"a"), (b"Connection", b"Upgrade"), (b"Upgrade", b"websocket")]
    assert upgrade_fields(asking(extensions={"x": 1}), given) is given


def test_the_head_of_the_request_asks() -> None:
    head = render_head(asking(headers={"Connection": "close"}), Route("http", "example.com", 80))
    assert head == b"GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
