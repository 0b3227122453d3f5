"""The WebSocket echo, against the client of the websockets library."""

from __future__ import annotations

from typing import Any

import pytest
import websockets.exceptions
from websockets.sync.client import connect

from hyperhttp.testing.endpoints import websockets as endpoint


@pytest.fixture
def url(origin: Any) -> str:
    text: str = origin.url
    return text.replace("http", "ws") + "/ws/echo"


@pytest.mark.parametrize("message", ["", "hello", "h\u00e9", b"\x00\x01", "x" * 200_000, bytes(200_000)])
@pytest.mark.parametrize("compression", ["deflate", None])
def test_messages_come_back(url: str, message: Any, compression: Any) -> None:
    with connect(url, compression=compression) as socket:
        for _ in range(2):
            socket.send(message)
            assert socket.recv() == message


def test_parts_and_pings(url: str) -> None:
    with connect(url) as socket:
        socket.send(["a", "b", "c"])
        assert socket.recv() == "abc"
        assert socket.ping(b"x").wait(10)


@pytest.mark.parametrize(("query", "used"), [("", True), ("?compression=0", False)])
def test_compression_can_be_switched_off(url: str, query: str, used: bool) -> None:
    with connect(url + query) as socket:
        assert bool(socket.protocol.extensions) is used


def test_a_subprotocol_is_chosen(url: str) -> None:
    with connect(url + "?subprotocol=b", subprotocols=["a", "b"]) as socket:  # type: ignore[list-item]
        assert socket.subprotocol == "b"
    options: Any = {"subprotocols": ["a"]}
    with pytest.raises(websockets.exceptions.InvalidStatus) as caught, connect(url + "?subprotocol=c", **options):
        pass
    assert caught.value.response.status_code == 400


def test_it_closes_as_it_is_told(url: str) -> None:
    with connect(url) as socket:
        socket.send("close 4000 enough")
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            socket.recv()
        assert (socket.close_code, socket.close_reason) == (4000, "enough")


def test_the_close_frame_of_the_client_is_answered(url: str) -> None:
    with connect(url) as socket:
        socket.close(3000, "bye")
        assert socket.close_code == 3000


def test_a_client_that_breaks_the_protocol_hears_of_it(origin: Any, url: str) -> None:
    with connect(url) as socket:
        socket.socket.sendall(b"\x83\x80\0\0\0\0")
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            socket.recv()
        assert socket.close_code == 1002


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({}, 426),
        ({"Upgrade": "h2c", "Connection": "Upgrade"}, 426),
        ({"Upgrade": "websocket", "Connection": "Upgrade"}, 400),
        (
            {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "7", "Sec-WebSocket-Key": "x"},
            400,
        ),
    ],
)
def test_what_is_no_handshake_is_refused(fetch: Any, fields: dict[str, str], status: int) -> None:
    assert fetch("/ws/echo", headers=fields).status == status


def test_it_is_a_route_of_the_origin() -> None:
    assert [route.template for route in endpoint.routes] == ["/ws/echo"]
