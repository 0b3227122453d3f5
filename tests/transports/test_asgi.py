"""What an application is told, and its life; the exchange over a client is told in tests/behaviour."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp.message.request import Request
from hyperhttp.network.base import NEVER
from hyperhttp.transports.asgi import ASGITransport
from tests.memory import MemoryNetwork

REQUEST = Request("GET", "https://a.example:8443/p%20q?x=%41", headers={"X-One": "1"})


class App:
    """Keeps its scope and says yes."""

    def __init__(self) -> None:
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] == "lifespan":
            raise NotImplementedError
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})


async def test_it_works_within_a_client() -> None:
    with pytest.raises(TypeError, match="pass it as transport= or in mounts="):
        await ASGITransport(App()).send(REQUEST)


async def test_the_scope_is_that_of_the_interface() -> None:
    app, network = App(), MemoryNetwork()
    response = await ASGITransport(app, client=None).send_over(REQUEST, network, NEVER)  # type: ignore[arg-type]
    assert response.status_code == 204
    (scope,) = app.scopes
    assert scope == {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": "/p q",
        "raw_path": b"/p%20q",
        "query_string": b"x=%41",
        "root_path": "",
        "headers": [(b"host", b"a.example:8443"), (b"x-one", b"1")],
        "server": ("a.example", 8443),
        "client": None,
        "extensions": {"http.response.trailers": {}},
    }


async def test_an_application_without_a_life_is_asked_about_it_once() -> None:
    app, network = App(), MemoryNetwork()
    transport = ASGITransport(app, lifespan="auto")
    for _ in range(2):
        await transport.send_over(REQUEST, network, NEVER)  # type: ignore[arg-type]
    assert [scope["type"] for scope in app.scopes] == ["lifespan", "http", "http"]
    assert app.scopes[1]["state"] == {}
    assert app.scopes[1]["state"] is not app.scopes[2]["state"]
    transport.close()
