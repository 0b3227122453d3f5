"""The blocking face: the same calls without a loop, a thread or an ``await``."""

from __future__ import annotations

import gc
import threading
import warnings
from typing import Any

import pytest

import hyperhttp
from hyperhttp import SyncClient
from hyperhttp.client import blocking as module
from hyperhttp.exceptions import ClientClosed, ConnectError, InvalidURL
from hyperhttp.testing.scripted import Stall

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
VERBS = ["get", "head", "options", "delete", "post", "put", "patch"]


def test_no_thread_and_no_loop_is_started(origin: Any) -> None:
    before = threading.active_count()
    with SyncClient() as client:
        assert client.get(f"{origin.url}/get").status_code == 200
        assert threading.active_count() <= before + 1, "the origin's own thread for this connection"
        assert not [thread for thread in threading.enumerate() if "hyperhttp_" in thread.name]


@pytest.mark.parametrize("method", VERBS)
def test_a_verb_is_its_method(origin: Any, method: str) -> None:
    with SyncClient() as client:
        response = getattr(client, method)(f"{origin.url}/anything")
        assert (response.status_code, response.request.method) == (200, method.upper())


@pytest.mark.parametrize("method", VERBS)
def test_one_shot_calls(scripted: Any, method: str) -> None:
    server = scripted([OK if method != "head" else OK[:-2]])
    response = getattr(hyperhttp, method)(server.url, headers={"X-A": "1"})
    assert (response.status_code, response.request.method) == (200, method.upper())
    assert response.content == (b"" if method == "head" else b"ok")
    assert b"X-A: 1" in server.requests[0]
    assert server.wait_closed(2), "nothing stays open"


def test_a_one_shot_request_and_a_one_shot_stream(scripted: Any) -> None:
    server = scripted([OK] * 2)
    assert module.request("QUERY", server.url).content == b"ok"
    with module.stream("GET", server.url) as response:
        assert list(response.iter_bytes()) == [b"ok"]
    assert server.wait_closed(2)


def test_a_one_shot_stream_that_cannot_begin_leaves_nothing_open() -> None:
    context = module.stream("GET", "http://127.0.0.1:1/")
    with pytest.raises(ConnectError):
        context.__enter__()


def test_the_content_is_read_unless_it_is_to_be_streamed(scripted: Any) -> None:
    server = scripted([OK] * 2)
    with SyncClient() as client:
        assert client.get(server.url).content == b"ok"
        response = client.get(server.url, stream=True)
        assert response._content is None
        assert response.read() == b"ok"


def test_a_streamed_response_is_closed_with_its_block(scripted: Any) -> None:
    server = scripted([[b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\nsome", Stall(5)]])
    with SyncClient() as client:
        with client.stream("GET", server.url) as response:
            assert next(response.iter_bytes()) == b"some"
        assert client.get_pool_stats() == {}


def test_a_request_that_was_built_is_sent(origin: Any) -> None:
    with SyncClient() as client:
        request = client.build_request("POST", f"{origin.url}/anything", json={"a": 1})
        assert client.send(request).json()["json"] == {"a": 1}


def test_settings_can_be_looked_at_and_changed(origin: Any) -> None:
    with SyncClient(timeout=5.0, base_url=origin.url) as client:
        client.headers["X-New"] = "1"
        client.cookies.set("a", "1", domain="127.0.0.1")
        client.auth = ("u", "p")
        client.timeout = 3.0
        client.event_hooks["request"].append(lambda request: request.headers.update({"X-Hook": "1"}))
        sent = {name.lower(): value for name, value in client.get("/headers").json()["headers"].items()}
        assert client.timeout.read == 3.0
        assert client.auth is not None
        assert client.base_url is not None
    assert (sent["x-new"], sent["cookie"], sent["authorization"], sent["x-hook"]) == ("1", "a=1", "Basic dTpw", "1")


@pytest.mark.parametrize("kind", ["content", "hook", "auth"])
def test_something_asynchronous_is_a_clear_error(origin: Any, kind: str) -> None:
    import asyncio

    async def pieces() -> Any:
        yield b"x"

    async def hook(_: Any) -> None:
        await asyncio.sleep(0.001)

    class Auth(hyperhttp.Auth):
        async def auth_flow(self, request: Any) -> Any:  # type: ignore[override]
            yield request

    options: Any = {
        "content": {"content": pieces()},
        "hook": {"event_hooks": {"request": hook}},
        "auth": {"auth": Auth()},
    }
    with SyncClient() as client:
        with pytest.raises((TypeError, RuntimeError), match=r"SyncClient|plain"):
            client.post(f"{origin.url}/post", **options[kind])
        assert client.get(f"{origin.url}/get").status_code == 200


# -- life ----------------------------------------------------------------------------------------------------------------


def test_a_closed_client_says_so(origin: Any) -> None:
    client = SyncClient()
    client.get(f"{origin.url}/get")
    client.close()
    client.close()
    assert client.is_closed
    assert repr(client).endswith("closed>")
    with pytest.raises(ClientClosed):
        client.get(origin.url)
    with pytest.raises(ClientClosed):
        client.send(client.build_request("GET", origin.url))
    with pytest.raises(ClientClosed):
        client.__enter__()


def test_a_client_that_is_dropped_unclosed_warns_and_closes(scripted: Any) -> None:
    server = scripted([OK])

    def leave() -> None:
        SyncClient().get(server.url)
        gc.collect()

    with pytest.warns(ResourceWarning, match=r"unclosed <hyperhttp\.SyncClient"):
        leave()
    assert server.wait_closed(2)


def test_a_client_that_did_nothing_or_kept_nothing_may_be_dropped(scripted: Any) -> None:
    server = scripted([OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SyncClient()
        SyncClient().get(server.url)
        gc.collect()


def test_threads_share_a_client(origin: Any) -> None:
    wrong: list[Any] = []
    with SyncClient(max_connections=3) as client:

        def work(number: int) -> None:
            try:
                for turn in range(10):
                    value = f"{number}-{turn}"
                    answer = client.get(f"{origin.url}/get", params={"v": value}).json()
                    if answer["args"]["v"] != value:
                        wrong.append((value, answer))
            except BaseException as error:
                wrong.append(error)

        threads = [threading.Thread(target=work, args=[number]) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        (counts,) = client.get_pool_stats().values()
    assert wrong == []
    assert (counts["in_use"], counts["total"] <= 3) == (0, True)


def test_the_first_use_by_many_threads_makes_one_pool(origin: Any) -> None:
    client = SyncClient()
    gate = threading.Barrier(8)

    def work() -> None:
        gate.wait(5)
        client.get(f"{origin.url}/get")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert len(client._core.pools) == 1
    client.close()


def test_what_cannot_be_sent_is_refused_before_anything_is(scripted: Any) -> None:
    server = scripted([])
    with SyncClient() as client:
        with pytest.raises(InvalidURL):
            client.get("/relative")
        with pytest.raises(ValueError, match="header"):
            client.get(server.url, headers={"X": "a\r\nb"})
        with pytest.raises(TypeError):
            client.post(server.url, content=b"x", json={})
    assert server.connections == []
