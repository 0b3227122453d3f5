"""What listeners are told of the ends of attempts and calls, and of connections at rest, over real sockets."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.plugins import EventListener, hookimpl
from hyperhttp.testing import Close

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin


class Spy(EventListener):
    """A plugin and its listener, which writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    @hookimpl
    def hyperhttp_register_event_hooks(self, event_hooks: Any) -> None:
        event_hooks.add("spy", lambda: self)

    def begin(self, request: Any) -> None:
        self.told.append(("begin", request.url.path))

    def request(self, request: Any) -> None:
        self.told.append(("request", request.url.path))

    def response(self, response: Any) -> None:
        self.told.append(("response", response.status_code))

    def finish(self, request: Any, response: Any, error: Any) -> None:
        size = None if response is None else response.num_bytes_downloaded
        self.told.append(("finish", request.url.path, size, type(error)))

    def end(self, request: Any, response: Any, error: Any) -> None:
        self.told.append(("end", request.url.path, response and response.status_code, type(error)))

    def idle(self, event: Any) -> None:
        self.told.append((event.kind, event.port))


NONE = type(None)


async def test_a_call_with_a_redirect_is_told_from_its_begin_to_its_end(face: Any, origin: Origin) -> None:
    spy = Spy()
    async with face.client(plugins=[spy], follow_redirects=True) as client:
        response = await client.get(origin.url + "/redirect/1")
        size = len(await client.read(response))
    first = response.history[0].num_bytes_downloaded
    told = [event for event in spy.told if event[0] != "idle"]
    assert told == [
        ("begin", "/redirect/1"),
        ("request", "/redirect/1"),
        ("response", 302),
        ("finish", "/redirect/1", first, NONE),
        ("request", "/get"),
        ("response", 200),
        ("finish", "/get", size, NONE),
        ("end", "/redirect/1", 200, NONE),
    ]
    assert spy.told.count(("idle", origin.port)) == 2


@pytest.mark.parametrize("read", [True, False])
async def test_an_attempt_is_over_with_its_content_read_or_left(face: Any, origin: Origin, read: bool) -> None:
    spy = Spy()
    async with face.client(plugins=[spy]) as client:
        async with client.stream("GET", origin.url + "/bytes/1000000") as response:
            assert spy.told[-1] == ("end", "/bytes/1000000", 200, NONE)
            if read:
                await client.read(response)
        kind, path, size, error = spy.told[-2] if spy.told[-1][0] == "idle" else spy.told[-1]
        assert (kind, path, error) == ("finish", "/bytes/1000000", NONE)
        assert (size == 1000000) is read
    assert [event[0] for event in spy.told].count("finish") == 1


@pytest.mark.parametrize("stream", [True, False])
async def test_the_head_is_told_before_the_content_is_read(face: Any, scripted: Any, stream: bool) -> None:
    told = threading.Event()

    class Early(Spy):
        def response(self, response: Any) -> None:
            super().response(response)
            told.set()

    def serve(connection: Any, _: int) -> None:
        connection.read_request()
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab")
        seen.append(told.wait(10))
        connection.sendall(b"cd")

    spy, seen = Early(), []
    server = scripted(serve)
    bodies: list[bytes] = []
    hook = {} if stream else {"event_hooks": {"response": [lambda response: bodies.append(response.content)]}}
    async with face.client(plugins=[spy], **hook) as client:
        response = await client.get(server.url, stream=stream)
        assert await client.read(response) == b"abcd"
    assert seen == [True]
    assert bodies == ([] if stream else [b"abcd"]), "hooks of the caller see what the call reads"


async def test_content_that_breaks_off_in_the_call_fails_its_attempt(face: Any, scripted: Any) -> None:
    class Errors(Spy):
        def error(self, request: Any, error: Exception) -> None:
            self.told.append(("error", type(error)))

    spy = Errors()
    server = scripted([b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"])
    async with face.client(plugins=[spy]) as client:
        with pytest.raises(hyperhttp.TransportError) as caught:
            await client.get(server.url, stream=False)
    kind = type(caught.value)
    assert spy.told == [
        ("begin", "/"),
        ("request", "/"),
        ("response", 200),
        ("finish", "/", 3, kind),
        ("error", kind),
        ("end", "/", None, kind),
    ]


async def test_a_cancelled_call_is_told_as_cancelled(scripted: Any) -> None:
    arrived = threading.Event()

    def serve(connection: Any, _: int) -> None:
        connection.read_request()
        arrived.set()
        connection.wait_for_eof(10)

    spy, server = Spy(), scripted(serve)
    async with hyperhttp.Client(plugins=[spy]) as client:
        task = asyncio.ensure_future(client.get(server.url))
        await asyncio.to_thread(arrived.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert spy.told == [
        ("begin", "/"),
        ("request", "/"),
        ("finish", "/", None, asyncio.CancelledError),
        ("end", "/", None, asyncio.CancelledError),
    ]


async def test_a_forgotten_response_frees_its_connection_and_is_told_later(face: Any, origin: Origin) -> None:
    spy = Spy()
    async with face.client(plugins=[spy], max_connections=1, timeout=10) as client:
        await client.get(origin.url + "/bytes/1000000", stream=True)
        assert "finish" not in [event[0] for event in spy.told]
        await client.read(await client.get(origin.url + "/get"))
    finished = [event for event in spy.told if event[0] == "finish"]
    assert [event[1] for event in finished] == ["/bytes/1000000", "/get"]


async def test_a_forgotten_response_is_told_when_the_client_is_closed(face: Any, origin: Origin) -> None:
    spy = Spy()
    async with face.client(plugins=[spy]) as client:
        await client.get(origin.url + "/bytes/1000000", stream=True)
    assert [event for event in spy.told if event[0] == "finish"] == [("finish", "/bytes/1000000", None, NONE)]


async def test_on_http2_a_connection_is_at_rest_when_nobody_uses_it(hyperhttp_http2_origin: Origin) -> None:
    spy = Spy()
    origin = hyperhttp_http2_origin
    async with hyperhttp.Client(plugins=[spy], verify=origin.ca_pem) as client:
        responses = await asyncio.gather(*[client.get(origin.https_url + "/bytes/4000000") for _ in range(3)])
        assert "idle" not in [event[0] for event in spy.told]
        await asyncio.gather(*[response.aread() for response in responses])
        assert spy.told.count(("idle", origin.https_port)) == 1
    assert [event[0] for event in spy.told].count("finish") == 3


class Lost(EventListener):
    """Writes down which requests had a connection and no head, and changes what is sent again."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    @hookimpl
    def hyperhttp_register_event_hooks(self, event_hooks: Any) -> None:
        event_hooks.add("lost", lambda: self)

    def unanswered(self, request: Any, connection: Any, error: Any, again: bool) -> None:
        self.told.append((request.url.path, connection and connection.peer, type(error), again))
        request.headers["X-Times"] = str(len(self.told))


FINE = b"HTTP/1.1 204 No Content\r\n\r\n"


async def test_a_request_that_met_a_dead_connection_is_told_and_may_be_changed(
    face: Any, hyperhttp_scripted_server: Any
) -> None:
    server = hyperhttp_scripted_server([FINE, [Close()], FINE])
    lost = Lost()
    async with face.client(plugins=[lost]) as client:
        await client.get(server.url)
        response = await client.get(f"{server.url}/b", headers={"X-Times": "0"})
    assert response.status_code == 204
    assert lost.told == [("/b", "127.0.0.1", hyperhttp.RemoteProtocolError, True)]
    assert [b"X-Times: 0\r\n" in request for request in server.requests] == [False, True, False]
    assert b"X-Times: 1\r\n" in server.requests[2]


async def test_a_request_that_fails_for_good_is_told(face: Any, hyperhttp_scripted_server: Any) -> None:
    server = hyperhttp_scripted_server([[Close()]])
    lost = Lost()
    async with face.client(plugins=[lost]) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.get(server.url)
    assert lost.told == [("/", "127.0.0.1", hyperhttp.RemoteProtocolError, False)]


async def test_what_has_no_connection_is_not_told_as_unanswered(face: Any, origin: Origin) -> None:
    lost = Lost()
    async with face.client(plugins=[lost]) as client:
        with pytest.raises(hyperhttp.InvalidURL):
            await client.get("/relative")
        await client.get(origin.url + "/status/500")
    assert lost.told == []


async def test_a_request_that_is_cancelled_is_told_where_it_had_a_connection(hyperhttp_scripted_server: Any) -> None:
    arrived = threading.Event()

    def serve(connection: Any, _: int) -> None:
        connection.read_request()
        arrived.set()
        connection.wait_for_eof(10)

    server = hyperhttp_scripted_server(serve)
    lost = Lost()
    async with hyperhttp.Client(plugins=[lost]) as client:
        task = asyncio.ensure_future(client.get(server.url))
        assert await asyncio.to_thread(arrived.wait, 10)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert lost.told == [("/", "127.0.0.1", asyncio.CancelledError, False)]


async def test_an_error_of_a_listener_that_is_told_is_logged_and_the_request_sent_again(
    face: Any, hyperhttp_scripted_server: Any, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(Lost):
        def unanswered(self, *_: Any) -> None:
            raise ZeroDivisionError

    server = hyperhttp_scripted_server([FINE, [Close()], FINE])
    async with face.client(plugins=[Broken()]) as client:
        await client.get(server.url)
        assert (await client.get(server.url)).status_code == 204
    assert "a listener failed" in caplog.text
