"""Events beyond request and response: failures, retries, redirects, connections; from hooks and from listeners."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.pipeline.hooks import tell_retry
from hyperhttp.plugins import EventListener, hookimpl

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin

REFUSED = "http://127.0.0.1:1/"  # nobody listens there


async def test_an_attempt_without_a_response_is_an_error_event(face: Any, origin: Origin) -> None:
    seen: list[Any] = []

    def note(request: Any, error: Exception) -> None:
        seen.append((str(request.url), error))

    async with face.client(event_hooks={"error": note}) as client:
        with pytest.raises(hyperhttp.ConnectError) as caught:
            await client.get(REFUSED)
        await client.get(origin.url + "/status/500")
    assert seen == [(REFUSED, caught.value)]


async def test_async_hooks_serve_the_asyncio_face(origin: Origin) -> None:
    seen: list[str] = []

    async def error(_request: Any, error: Exception) -> None:
        seen.append(type(error).__name__)

    async def redirect(response: Any, request: Any) -> None:
        seen.append(f"{response.status_code} {request.url.path}")

    hooks = {"error": [error], "redirect": [redirect]}
    async with hyperhttp.Client(event_hooks=hooks, follow_redirects=True) as client:
        await client.get(origin.url + "/redirect/2")
        with pytest.raises(hyperhttp.ConnectError):
            await client.get(REFUSED)
    assert seen == ["302 /relative-redirect/1", "302 /get", "ConnectError"]


async def test_what_an_error_hook_raises_comes_out_with_the_error_as_its_context(face: Any) -> None:
    def refuse(_request: Any, _error: Exception) -> None:
        raise KeyError("of the hook")

    async with face.client() as client:
        with pytest.raises(KeyError) as caught:
            await client.get(REFUSED, event_hooks={"error": refuse})
    assert isinstance(caught.value.__context__, hyperhttp.ConnectError)


async def test_each_redirect_is_told_with_its_response_and_the_next_request(face: Any, origin: Origin) -> None:
    seen: list[Any] = []

    def note(response: Any, request: Any) -> None:
        seen.append((response.status_code, response.url.path, request.url.path))
        request.headers["X-Hop"] = str(len(seen))

    async with face.client(follow_redirects=True) as client:
        await client.get(origin.url + "/redirect/2", event_hooks={"redirect": [note]})
        await client.get(origin.url + "/redirect/1", follow_redirects=False)
    assert seen == [(302, "/redirect/2", "/relative-redirect/1"), (302, "/relative-redirect/1", "/get")]
    assert [request.headers.get("x-hop") for request in origin.requests] == [None, "1", "2", None]


async def test_a_redirect_hook_that_raises_ends_the_call(face: Any, origin: Origin) -> None:
    def refuse(_response: Any, request: Any) -> None:
        raise PermissionError(request.url.path)

    async with face.client(follow_redirects=True, event_hooks={"redirect": refuse}) as client:
        with pytest.raises(PermissionError, match="/get"):
            await client.get(origin.url + "/redirect/1")
        assert all(counts["in_use"] == 0 for counts in client.raw.get_pool_stats().values())
    assert len(origin.requests) == 1


@pytest.mark.parametrize("http2", [False, True])
async def test_connections_are_told_as_they_open_and_close(
    face: Any, hyperhttp_http2_origin: Origin, http2: bool
) -> None:
    origin = hyperhttp_http2_origin
    opened: list[Any] = []
    closed: list[Any] = []
    hooks = {"connect": [opened.append], "close": [closed.append]}
    async with face.client(event_hooks=hooks, ssl_context=origin.ssl_context(), http2=http2) as client:
        for _ in range(2):
            response = await client.get(origin.https_url + "/get")
            await client.read(response)
        assert closed == []
    (event,) = opened
    assert (event.kind, event.host, event.port) == ("opened", "localhost", origin.https_port)
    assert event.http_version == response.http_version
    assert (event.tls_version, event.alpn) == ("TLSv1.3", "h2" if http2 else "http/1.1")
    assert event.peer in ("127.0.0.1", "::1")
    assert event.connect > 0
    assert event.tls > 0
    assert (event.proxy, event.uses) == (None, 0)
    (end,) = closed
    assert end == event._replace(kind="closed", uses=2)


async def test_the_proxy_of_a_connection_is_told_without_its_password(face: Any, scripted: Any) -> None:
    proxy = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"])
    opened: list[Any] = []
    url = f"http://user:secret@127.0.0.1:{proxy.port}"
    async with face.client(event_hooks={"connect": opened.append}, proxies=url) as client:
        await client.get("http://example.com/")
    assert [(event.host, event.proxy, event.peer) for event in opened] == [("example.com", proxy.url, "127.0.0.1")]


async def test_a_call_hears_of_the_connection_that_was_opened_for_it(face: Any, origin: Origin) -> None:
    everything: list[Any] = []
    own: list[Any] = []
    async with face.client(event_hooks={"connect": everything.append}) as client:
        for _ in range(2):
            await client.get(origin.url + "/get", event_hooks={"connect": own.append})
    assert len(everything) == 1
    assert own == everything


async def test_the_hooks_of_a_live_client_may_be_changed(face: Any, origin: Origin) -> None:
    seen: list[Any] = []
    async with face.client() as client:
        await client.get(origin.url + "/get")
        client.raw.event_hooks["connect"].append(seen.append)
        client.raw.event_hooks["close"].append(seen.append)
        client.raw.event_hooks["redirect"].append(lambda *event: seen.append(event))
        await client.get(origin.url + "/get", headers={"Connection": "close"})
        assert [event.kind for event in seen] == ["closed"]
        await client.get(origin.url + "/redirect/1", follow_redirects=True)
        assert [event.kind for event in seen[:2]] == ["closed", "opened"]
        assert len(seen) == 3
        client.raw.event_hooks["redirect"].pop()
        await client.get(origin.url + "/redirect/1", follow_redirects=True)
        assert len(seen) == 3


async def test_a_connection_hook_that_fails_is_logged_and_harms_nobody(
    face: Any, origin: Origin, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(_event: Any) -> None:
        raise KeyError("of the hook")

    with caplog.at_level(logging.ERROR, logger="hyperhttp"):
        async with face.client(event_hooks={"connect": broken}) as client:
            assert (await client.get(origin.url + "/get", event_hooks={"connect": broken})).status_code == 200
    assert [record.name for record in caplog.records] == ["hyperhttp", "hyperhttp"]
    assert "of the hook" in caplog.text


async def test_an_async_connection_hook_that_came_in_later_is_logged(
    face: Any, origin: Origin, caplog: pytest.LogCaptureFixture
) -> None:
    async def waits(_event: Any) -> None: ...

    async with face.client() as client:
        client.raw.event_hooks["connect"].append(waits)
        assert (await client.get(origin.url + "/get")).status_code == 200
    assert "must be plain functions" in caplog.text


@pytest.mark.parametrize("event", ["connect", "close", "done"])
async def test_async_hooks_are_refused_where_nothing_waits(face: Any, event: str) -> None:
    async def waits(_event: Any) -> None: ...

    with pytest.raises(TypeError, match=f"event_hooks.'{event}'. takes plain functions"):
        face.client(event_hooks={event: [waits]})


async def test_a_request_cannot_ask_for_the_end_of_a_connection(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        with pytest.raises(TypeError, match="set it on the client"):
            await client.get(origin.url + "/get", event_hooks={"close": print})
    assert origin.requests == []


# -- done ----------------------------------------------------------------------------------------------------


class Ends:
    """Writes down what `done` hooks are told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def __call__(self, request: Any, response: Any, error: Any) -> None:
        size = None if response is None else response.num_bytes_downloaded
        self.told.append((request.url.path, size, None if error is None else type(error)))


@pytest.mark.parametrize("per_request", [False, True])
async def test_a_response_is_done_when_its_content_is_read(face: Any, origin: Origin, per_request: bool) -> None:
    ends = Ends()
    hooks = {"done": ends}
    size = 1_000_000
    async with face.client(**({} if per_request else {"event_hooks": hooks})) as client:
        own = {"event_hooks": hooks} if per_request else {}
        await client.read(await client.get(f"{origin.url}/bytes/{size}", stream=False, **own))
        assert ends.told == [(f"/bytes/{size}", size, None)]
        ends.told.clear()
        response = await client.get(f"{origin.url}/bytes/{size}", stream=True, **own)
        pieces = client.iter_bytes(response)
        await anext(pieces)
        assert ends.told == [], "most of it is still on its way"
        async for _ in pieces:
            pass
        assert ends.told == [(f"/bytes/{size}", size, None)]
        await client.aclose(response)
    assert len(ends.told) == 1, "and once"


async def test_a_response_is_done_when_it_is_given_up(face: Any, origin: Origin) -> None:
    ends = Ends()
    async with face.client(event_hooks={"done": [ends]}) as client:
        async with client.stream("GET", origin.url + "/bytes/5000000") as response:
            assert ends.told == []
        assert len(ends.told) == 1
        assert response.num_bytes_downloaded < 5_000_000


async def test_a_response_that_is_forgotten_is_done_with_the_next_attempt(face: Any, origin: Origin) -> None:
    ends = Ends()
    async with face.client(event_hooks={"done": [ends]}, max_connections=1, timeout=10) as client:
        await client.get(origin.url + "/bytes/1000000", stream=True)
        assert ends.told == []
        await client.read(await client.get(origin.url + "/get"))
        assert [each[:1] for each in ends.told] == [("/bytes/1000000",), ("/get",)]
        await client.get(origin.url + "/bytes/1000001", stream=True)
    assert ends.told[2:] == [("/bytes/1000001", None, None)]


async def test_clients_are_told_of_their_own_only(face: Any, origin: Origin) -> None:
    ends, others = Ends(), Ends()
    async with face.client(event_hooks={"done": [ends]}) as client, face.client(event_hooks={"done": others}) as other:
        await client.get(origin.url + "/bytes/1000000", stream=True)
        await client.read(await other.get(origin.url + "/get"))
        assert ends.told == []
        assert others.told[0][0] == "/get"
    assert len(ends.told) == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_an_attempt_that_fails_is_done_with_its_error(face: Any, scripted: Any, stream: bool) -> None:
    ends = Ends()
    server = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"])
    async with face.client(event_hooks={"done": [ends]}) as client:
        with pytest.raises(hyperhttp.ConnectError):
            await client.get(REFUSED)
        with pytest.raises(hyperhttp.TransportError) as caught:
            await client.read(await client.get(server.url, stream=stream))
    size = 3 if stream else None
    assert ends.told == [("/", None, hyperhttp.ConnectError), ("/", size, type(caught.value))]


async def test_each_attempt_is_done_once(face: Any, origin: Origin) -> None:
    ends = Ends()
    async with face.client(event_hooks={"done": [ends]}, follow_redirects=True, retry=1) as client:
        await client.read(await client.get(origin.url + "/redirect/1"))
        await client.read(await client.get(origin.url + "/get?fault=503&fault_times=1&n=done"))
    assert [each[0] for each in ends.told] == ["/redirect/1", "/get", "/get", "/get"]


async def test_a_call_that_is_cancelled_is_done(scripted: Any) -> None:
    ends, arrived = Ends(), threading.Event()

    def serve(connection: Any, _: int) -> None:
        connection.read_request()
        arrived.set()
        connection.wait_for_eof(10)

    server = scripted(serve)
    async with hyperhttp.Client(event_hooks={"done": [ends]}) as client:
        task = asyncio.ensure_future(client.get(server.url))
        await asyncio.to_thread(arrived.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert ends.told == [("/", None, asyncio.CancelledError)]


async def test_done_hooks_of_a_live_client_may_be_changed(face: Any, origin: Origin) -> None:
    ends = Ends()
    async with face.client() as client:
        client.raw.event_hooks["done"].append(ends)
        await client.read(await client.get(origin.url + "/get"))
        client.raw.event_hooks["done"].pop()
        await client.read(await client.get(origin.url + "/get"))
    assert len(ends.told) == 1


async def test_a_done_hook_that_fails_is_logged_and_harms_nobody(
    face: Any, origin: Origin, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> None:
        raise KeyError("of the hook")

    async def waits(*_: Any) -> None: ...

    ends = Ends()
    with caplog.at_level(logging.ERROR, logger="hyperhttp"):
        async with face.client(event_hooks={"done": [broken]}) as client:
            client.raw.event_hooks["done"] += [waits, ends]
            await client.read(await client.get(origin.url + "/get"))
    assert len(caplog.records) == 2
    assert "of the hook" in caplog.text
    assert "must be plain functions" in caplog.text
    assert len(ends.told) == 1


# -- what is refused -----------------------------------------------------------------------------------------


async def test_a_misspelt_event_names_the_nearest(face: Any) -> None:
    with pytest.raises(TypeError, match="did you mean 'redirect'"):
        face.client(event_hooks={"redirects": print})


class Heard(EventListener):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[Any] = []

    def error(self, request: Any, error: Exception) -> None:
        self.events.append(("error", type(error).__name__))

    def retry(self, request: Any, attempt: int, delay: float, cause: Any) -> None:
        self.events.append(("retry", attempt, delay))

    def redirect(self, response: Any, request: Any) -> None:
        self.events.append(("redirect", request.url.path))

    def connection(self, event: Any) -> None:
        self.events.append((event.kind, event.uses, event.peer, event.connect > 0))

    def close(self) -> None:
        self.events.append("end")


class Plugin:
    """Brings one listener."""

    def __init__(self) -> None:
        self.listener = Heard()

    @hookimpl
    def hyperhttp_register_event_hooks(self, event_hooks: Any) -> None:
        event_hooks.add("heard", lambda: self.listener)


async def test_listeners_of_plugins_hear_the_same(face: Any, origin: Origin) -> None:
    plugin = Plugin()
    async with face.client(plugins=[plugin], follow_redirects=True) as client:
        await client.get(origin.url + "/redirect/1")
        with pytest.raises(hyperhttp.ConnectError):
            await client.get(REFUSED)
    assert plugin.listener.events == [
        ("opened", 0, "127.0.0.1", True),
        ("redirect", "/get"),
        ("reused", 1, "127.0.0.1", True),
        ("error", "ConnectError"),
        ("closed", 2, "127.0.0.1", True),
        "end",
    ]


class FakeCall:
    """As much of a call as telling needs."""

    def __init__(self, hooks: Any, listeners: Any) -> None:
        self.hooks = hooks
        self.listeners = listeners


async def test_hooks_and_listeners_hear_of_a_retry() -> None:
    heard, seen = Heard(), []

    async def note(*event: Any) -> None:
        seen.append(event)

    class Listeners:
        retry = (heard.retry,)

    request, cause = hyperhttp.Request("GET", "http://a.example/"), hyperhttp.ReadTimeout("slow")
    call: Any = FakeCall({"retry": [note]}, Listeners())
    await tell_retry(call, request, 1, 0.5, cause)
    assert seen == [(request, 1, 0.5, cause)]
    assert heard.events == [("retry", 1, 0.5)]
    quiet: Any = FakeCall(None, None)
    await tell_retry(quiet, request, 1, 0.5, cause)
