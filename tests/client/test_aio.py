"""The asynchronous face: one client, any number of loops, and nothing left when it closes."""

from __future__ import annotations

import asyncio
import gc
import threading
import warnings
from typing import Any

import pytest

from hyperhttp import Client, SyncClient
from hyperhttp.exceptions import ClientClosed, ConnectError, InvalidURL, StreamClosed
from hyperhttp.testing.scripted import Stall

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def test_making_one_needs_no_loop_and_starts_nothing() -> None:
    before = threading.active_count()
    client = Client(base_url="http://user:hunter2@a.example/v1")
    assert threading.active_count() == before
    assert client.get_pool_stats() == {}
    assert (client.is_closed, str(client.base_url.host)) == (False, "a.example")  # type: ignore[union-attr]
    assert "hunter2" not in repr(client)
    asyncio.run(client.close())
    assert repr(client).endswith("closed>")


@pytest.mark.parametrize("method", ["get", "head", "options", "delete", "post", "put", "patch"])
async def test_a_verb_is_its_method(origin: Any, method: str) -> None:
    async with Client() as client:
        response = await getattr(client, method)(f"{origin.url}/anything")
        assert (response.status_code, response.request.method) == (200, method.upper())


async def test_any_method_can_be_sent(scripted: Any) -> None:
    server = scripted([OK])
    async with Client() as client:
        await client.request("M-SEARCH", server.url)
    assert server.requests[0].startswith(b"M-SEARCH / HTTP/1.1\r\n")


async def test_the_content_is_lazy_unless_asked_for(scripted: Any) -> None:
    server = scripted([OK] * 2)
    async with Client() as client:
        response = await client.get(server.url)
        assert response._content is None
        assert await response.aread() == b"ok"
        assert (await client.get(server.url, stream=False)).content == b"ok"


async def test_a_request_that_was_built_is_sent(origin: Any) -> None:
    async with Client(headers={"X-A": "1"}) as client:
        request = client.build_request("POST", f"{origin.url}/anything", json={"a": 1})
        answer = await (await client.send(request)).ajson()
    assert answer["json"] == {"a": 1}


async def test_a_streamed_response_is_closed_with_its_block(scripted: Any) -> None:
    server = scripted([[b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\nsome", Stall(5)]])
    async with Client() as client:
        async with client.stream("GET", server.url) as response:
            assert await anext(response.aiter_bytes()) == b"some"
        assert client.get_pool_stats() == {}
        with pytest.raises(Exception, match=r"closed|iterated"):
            await response.aread()


async def test_what_was_not_read_is_given_up_with_the_client(scripted: Any) -> None:
    server = scripted([[b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\nsome", Stall(5)]])
    async with Client() as client:
        response = await client.get(server.url)
    with pytest.raises((ClientClosed, StreamClosed)):
        await response.aread()


async def test_settings_can_be_looked_at_and_changed(origin: Any) -> None:
    async with Client(timeout=5.0) as client:
        client.headers["X-New"] = "1"
        client.cookies.set("a", "1", domain="127.0.0.1")
        client.auth = ("u", "p")
        client.timeout = 3.0
        client.event_hooks["request"].append(lambda request: request.headers.update({"X-Hook": "1"}))
        sent = (await (await client.get(f"{origin.url}/headers")).ajson())["headers"]
        assert client.timeout.read == 3.0
        assert client.auth is not None
    sent = {name.lower(): value for name, value in sent.items()}
    assert (sent["x-new"], sent["cookie"], sent["authorization"], sent["x-hook"]) == ("1", "a=1", "Basic dTpw", "1")


# -- life ----------------------------------------------------------------------------------------------------------------


async def test_a_closed_client_says_so(origin: Any) -> None:
    client = Client()
    await client.get(f"{origin.url}/get")
    await client.aclose()
    await client.close()
    assert client.is_closed
    for use in (
        lambda: client.get(origin.url),
        client.__aenter__,
        lambda: client.send(client.build_request("GET", origin.url)),
    ):
        with pytest.raises(ClientClosed):
            await use()
    with pytest.raises(ClientClosed):
        client.__enter__()


async def test_closing_ends_the_calls_that_are_under_way(scripted: Any) -> None:
    server = scripted([Stall(5)] * 3)
    client = Client()
    calls = [asyncio.ensure_future(client.get(server.url)) for _ in range(3)]
    await asyncio.sleep(0.05)
    await client.close()
    for call in calls:
        with pytest.raises(ClientClosed):
            await call
    assert server.wait_closed(2)


def test_each_loop_has_its_own_connections(origin: Any) -> None:
    client = Client()
    statuses: list[int] = []

    async def ask() -> None:
        for _ in range(2):
            response = await client.get(f"{origin.url}/get")
            await response.aread()
            statuses.append(response.status_code)

    for _ in range(3):
        asyncio.run(ask())
    assert statuses == [200] * 6
    assert len(client._core.pools) == 1, "those of dead loops are dropped"
    asyncio.run(client.close())


def test_two_loops_at_the_same_time(origin: Any) -> None:
    client = Client()
    errors: list[BaseException] = []

    async def ask() -> None:
        for _ in range(20):
            await (await client.get(f"{origin.url}/get")).aread()

    def work() -> None:
        try:
            asyncio.run(ask())
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []
    asyncio.run(client.close())


def test_a_client_that_is_dropped_unclosed_warns_and_closes(scripted: Any) -> None:
    server = scripted([OK])

    async def leave() -> None:
        client = Client()
        await client.get(server.url)
        del client
        gc.collect()

    with pytest.warns(ResourceWarning, match=r"unclosed <hyperhttp\.Client"):
        asyncio.run(leave())
    assert server.wait_closed(2)


def test_a_client_that_did_nothing_may_be_dropped() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Client()
        gc.collect()


def test_with_gives_the_blocking_face_with_the_same_settings(origin: Any) -> None:
    client = Client(headers={"X-A": "1"}, base_url=origin.url)
    with client as blocking:
        assert isinstance(blocking, SyncClient)
        assert blocking.get("/headers").json()["headers"]["X-A"] == "1"
    assert blocking.is_closed
    assert not client.is_closed


async def test_with_works_inside_a_running_loop(origin: Any) -> None:
    with Client() as blocking:
        assert blocking.get(f"{origin.url}/get").status_code == 200


async def test_what_cannot_be_sent_is_refused_before_anything_is(scripted: Any) -> None:
    server = scripted([])
    async with Client() as client:
        with pytest.raises(InvalidURL):
            await client.get("/relative")
        with pytest.raises(ValueError, match="header"):
            await client.get(server.url, headers={"X": "a\r\nb"})
        with pytest.raises(TypeError):
            await client.post(server.url, content=b"x", json={})
    assert server.connections == []


async def test_a_failure_names_host_and_request() -> None:
    async with Client() as client:
        with pytest.raises(ConnectError, match=r"127\.0\.0\.1:1") as caught:
            await client.get("http://127.0.0.1:1/x")
    assert str(caught.value.request.url) == "http://127.0.0.1:1/x"


async def test_a_burst_shares_its_connections(origin: Any) -> None:
    async with Client(max_connections=4) as client:
        responses = await asyncio.gather(*[client.get(f"{origin.url}/get", stream=False) for _ in range(40)])
        assert {response.status_code for response in responses} == {200}
        (counts,) = client.get_pool_stats().values()
    assert counts["in_use"] == 0
    assert counts["total"] <= 4
