"""Server-sent events: from one response, and through reconnections."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import DecodingError, HTTPStatusError, ReadError, RemoteProtocolError

if TYPE_CHECKING:
    from hyperhttp.testing.origin import Origin
    from hyperhttp.testing.scripted import ScriptedServerFactory

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
OPEN = HEAD + b"\r\n"  # until it closes
GONE = b"HTTP/1.1 204 No Content\r\n\r\n"


# -- one response ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("http2", [False, "prior-knowledge"])
async def test_a_response_gives_its_events(face: Any, hyperhttp_http2_origin: Origin, http2: Any) -> None:
    async with (
        face.client(http2=http2) as client,
        client.stream("GET", hyperhttp_http2_origin.url + "/sse?count=50") as response,
    ):
        events = [event async for event in client.iter_sse(response)]
    assert [event.json()["id"] for event in events] == list(range(50))
    assert {event.event for event in events} == {"ping"}
    assert events[-1].id == "49"


async def test_a_response_that_was_read_gives_them_too(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/sse?count=3")
        await client.read(response)
        assert len([event async for event in client.iter_sse(response)]) == 3


async def test_an_event_is_there_when_it_arrives(face: Any, scripted: ScriptedServerFactory) -> None:
    go_on = threading.Event()

    def handler(connection: Any, _: int) -> None:
        connection.read_request()
        connection.sendall(HEAD + b"Transfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n")
        assert go_on.wait(20)
        connection.sendall(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n")

    async with face.client() as client, client.stream("GET", scripted(handler).url) as response:
        events = client.iter_sse(response)
        assert (await anext(events)).data == "1"
        go_on.set()
        assert [event.data async for event in events] == ["2"]


async def test_coded_events_are_decoded(face: Any, scripted: ScriptedServerFactory) -> None:
    import gzip

    content = gzip.compress(b"data: x\n\n")
    fields = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(content)
    async with face.client() as client:
        response = await client.get(scripted([HEAD + fields + content]).url)
        assert [event.data async for event in client.iter_sse(response)] == ["x"]


async def test_a_response_of_another_type_is_refused(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/json")
        with pytest.raises(RemoteProtocolError, match="application/json"):
            client.iter_sse(response)


async def test_an_endless_event_is_an_error_and_frees_its_connection(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def handler(connection: Any, _: int) -> None:
        connection.read_request()
        connection.sendall(OPEN)
        try:
            while True:
                connection.sendall(b"data: " + b"x" * 65_536 + b"\n")
        except OSError:
            pass

    url = scripted(handler).url
    async with face.client() as client:
        for limit in ({}, {"max_event_size": 100_000}):
            response = await client.get(url, stream=True)
            with pytest.raises(DecodingError, match="max_event_size"):
                await anext(client.iter_sse(response, **limit))
        with pytest.raises(DecodingError, match="max_event_size"):
            async with client.sse(url) as events:
                await anext(aiter(events))
        assert client.raw.get_pool_stats() == {}


async def test_a_method_of_the_other_face_says_so(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/sse?count=1", stream=True)
        with pytest.raises(RuntimeError, match="iter_sse"):
            response.aiter_sse() if face.is_blocking else response.iter_sse()
        await client.aclose(response)


# -- a source --------------------------------------------------------------------------------------------


class Numbers:
    """Sends numbered events, goes on after the last one a client has seen, and breaks off again and again."""

    def __init__(self, scripted: ScriptedServerFactory, count: int, *, each: int, broken: bool) -> None:
        self.count = count
        self.asked: list[bytes] = []
        self._each = each
        self._broken = broken
        self.url = scripted(self.handle).url

    def handle(self, connection: Any, index: int) -> None:
        request = connection.read_request()
        self.asked.append(request)
        found = re.search(rb"Last-Event-ID: ([0-9]+)\r\n", request)
        start = int(found[1]) + 1 if found else 0
        if start >= self.count:
            connection.sendall(GONE)
            return
        numbers = range(start, min(start + self._each, self.count))
        events = b"".join(b"id: %d\r\ndata: %d\r\n\r\n" % (number, number) for number in numbers)
        framing = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" if self._broken else b"Content-Length: %d\r\n\r\n"
        connection.sendall(HEAD + framing % len(b"retry: 1\n" + events) + b"retry: 1\n" + events)
        connection.close()


@pytest.mark.parametrize("broken", [False, True])
async def test_numbers_come_without_loss_through_reconnections(
    face: Any, scripted: ScriptedServerFactory, broken: bool
) -> None:
    server = Numbers(scripted, 100, each=7, broken=broken)
    async with face.client() as client, client.sse(server.url) as events:
        assert [int(event.data) async for event in events] == list(range(100))
        assert events.raw.last_event_id == "99"
    assert len(server.asked) == 16
    assert b"Last-Event-ID" not in server.asked[0]
    assert b"Accept: text/event-stream\r\n" in server.asked[0]
    assert b"Cache-Control: no-store\r\n" in server.asked[0]


async def test_a_source_goes_on_where_another_one_was(face: Any, scripted: ScriptedServerFactory) -> None:
    server = Numbers(scripted, 20, each=5, broken=False)
    async with face.client() as client, client.sse(server.url, last_event_id="14") as events:
        assert [event.data async for event in events] == ["15", "16", "17", "18", "19"]


async def test_204_is_the_end(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([GONE])
    async with face.client() as client, client.sse(server.url) as events:
        assert [event async for event in events] == []
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi", RemoteProtocolError, "text/html"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", RemoteProtocolError, "without a type"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\nnone", HTTPStatusError, "404"),
        (b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\n\r\nbusy", HTTPStatusError, "503"),
        (b"HTTP/1.1 302 Found\r\nLocation: /x\r\nContent-Length: 0\r\n\r\n", HTTPStatusError, "follow_redirects"),
        (b"nonsense\r\n\r\n", RemoteProtocolError, "not an HTTP"),
    ],
)  # fmt: skip
async def test_anything_but_a_stream_is_a_clear_error(
    face: Any, scripted: ScriptedServerFactory, answer: bytes, error: Any, said: str
) -> None:
    server = scripted([answer])
    async with face.client() as client:
        with pytest.raises(error, match=said):
            async with client.sse(server.url) as events:
                await anext(aiter(events))
        assert not any(each["in_use"] for each in client.raw.get_pool_stats().values())


async def test_a_server_that_is_away_for_a_while_is_asked_until_it_is_back(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    busy = b"HTTP/1.1 503 Busy\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
    first = HEAD + b"Connection: close\r\nContent-Length: 19\r\n\r\nretry: 1\ndata: a\n\n\n"
    server = scripted([first, busy, busy, first, GONE])
    async with face.client() as client, client.sse(server.url) as events:
        assert [event.data async for event in events] == ["a", "a"]


async def test_a_silent_stream_is_opened_anew(face: Any, scripted: ScriptedServerFactory) -> None:
    def handler(connection: Any, index: int) -> None:
        connection.read_request()
        if index:
            connection.sendall(GONE)
            return
        connection.sendall(OPEN + b"retry: 1\nid: 5\ndata: a\n\n")
        connection.wait_for_eof(20)

    server = scripted(handler)
    async with face.client() as client, client.sse(server.url, timeout=hyperhttp.Timeout(20, read=2.0)) as events:
        assert [event.data async for event in events] == ["a"]
    assert b"Last-Event-ID: 5\r\n" in server.requests[1]


async def test_without_reconnecting_a_break_is_an_error(face: Any, scripted: ScriptedServerFactory) -> None:
    def handler(connection: Any, _: int) -> None:
        connection.read_request()
        connection.sendall(HEAD + b"Content-Length: 100\r\n\r\ndata: a\n\n")
        connection.close()

    url = scripted(handler).url
    async with face.client() as client, client.sse(url, reconnect=False) as events:
        iterator = aiter(events)
        assert (await anext(iterator)).data == "a"
        with pytest.raises((ReadError, RemoteProtocolError)):
            await anext(iterator)


async def test_a_post_is_sent_once_with_its_content(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([HEAD + b"Content-Length: 9\r\n\r\ndata: a\n\n"])
    async with face.client() as client, client.sse(server.url, method="POST", json={"a": 1}) as events:
        assert [event.data async for event in events] == ["a"]
    (request,) = server.requests
    assert request.startswith(b"POST ")
    assert request.endswith(b'\r\n\r\n{"a":1}')


async def test_leaving_frees_the_connection(face: Any, scripted: ScriptedServerFactory) -> None:
    ended = threading.Event()

    def handler(connection: Any, _: int) -> None:
        connection.read_request()
        connection.sendall(OPEN + b"data: a\n\n")
        if connection.wait_for_eof(20):
            ended.set()

    async with face.client() as client:
        async with client.sse(scripted(handler).url) as events:
            assert (await anext(aiter(events))).data == "a"
        assert client.raw.get_pool_stats() == {}
        assert await asyncio.to_thread(ended.wait, 10)


async def test_waiting_for_an_event_can_be_given_up_and_taken_up_again(scripted: ScriptedServerFactory) -> None:
    go_on = threading.Event()

    def handler(connection: Any, _: int) -> None:
        connection.read_request()
        connection.sendall(OPEN + b"data: a\n\n")
        go_on.wait(20)
        connection.sendall(b"data: b\n\n")
        connection.wait_for_eof(20)

    async with hyperhttp.Client() as client, client.sse(scripted(handler).url) as events:
        assert (await anext(events)).data == "a"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(events), 0.05)
        go_on.set()
        assert (await anext(events)).data == "b"


async def test_a_source_of_the_other_face_says_so(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        source = client.raw.sse(origin.url)
        with pytest.raises(RuntimeError, match="use `"):
            aiter(source) if face.is_blocking else iter(source)


async def test_waiting_between_connections_does_not_hold_the_loop(scripted: ScriptedServerFactory) -> None:
    server = scripted([HEAD + b"Content-Length: 21\r\n\r\nretry: 300\ndata: a\n\n\n", GONE])
    async with hyperhttp.Client() as client, client.sse(server.url) as events:
        task = asyncio.ensure_future(collect(events))
        started = time.monotonic()
        turns = 0
        while not task.done():
            await asyncio.sleep(0.01)
            turns += 1
        assert await task == ["a"]
    assert time.monotonic() - started >= 0.29
    assert turns > 3


async def collect(events: Any) -> list[str]:
    return [event.data async for event in events]


async def test_a_source_that_is_closed_while_it_connects_stays_closed(scripted: ScriptedServerFactory) -> None:
    asked, go_on, left = threading.Event(), threading.Event(), threading.Event()

    def handler(connection: Any, _: int) -> None:
        connection.read_request()
        asked.set()
        assert go_on.wait(20)
        connection.sendall(OPEN)
        if not connection.recv(1):
            left.set()

    async with hyperhttp.Client(timeout=20) as client:
        source = client.sse(scripted(handler).url)
        waiting = asyncio.create_task(anext(source, None))
        assert await asyncio.to_thread(asked.wait, 20)
        await source.aclose()
        go_on.set()
        assert await asyncio.wait_for(waiting, 20) is None
        assert await asyncio.to_thread(left.wait, 20)
