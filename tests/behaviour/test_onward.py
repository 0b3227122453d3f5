"""A transport in front of the network, over real sockets, on both faces."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

import hyperhttp
from hyperhttp import Timeout, TotalTimeout


class Gate:
    """Marks requests, and keeps what responses carry."""

    def __init__(self) -> None:
        self.kept: list[bytes] = []
        self.closings = 0

    async def send(self, request: Any) -> Any:
        raise RuntimeError("send_onward is called instead")

    async def send_onward(self, request: Any, onward: Any) -> Any:
        if request.url.path == "/made":
            return onward.response(200, [(b"Content-Length", b"3")], b"abc")
        request.headers["X-Gate"] = "open"
        response = await onward.send(request)

        async def done(content: bytes) -> None:
            self.kept.append(await onward.call(bytes.upper, content))

        await onward.keep(response, 1_000_000, done)
        return response

    def close(self) -> None:
        self.closings += 1


async def test_requests_pass_it_and_it_keeps_what_they_bring(face: Any, origin: Any) -> None:
    gate = Gate()
    async with face.client(transport=gate) as client:
        seen = await client.json(await client.get(f"{origin.url}/headers"))
        assert seen["headers"]["X-Gate"] == "open"
        response = await client.get(f"{origin.url}/stream-bytes/500000", stream=True)
        content = b"".join([piece async for piece in client.iter_bytes(response)])
        assert gate.kept[1:] == [content.upper()]
        assert await client.read(await client.get("http://nowhere.test/made")) == b"abc"
    assert gate.closings == 1


async def test_redirects_and_cookies_are_the_clients(face: Any, origin: Any) -> None:
    async with face.client(transport=Gate(), follow_redirects=True) as client:
        got = await client.json(await client.get(f"{origin.url}/cookies/set?a=1"))
        assert got["cookies"] == {"a": "1"}


async def test_what_is_given_up_is_not_kept_and_frees_the_connection(face: Any, origin: Any) -> None:
    gate = Gate()
    async with face.client(transport=gate, max_connections=1) as client:
        for _ in range(2):
            await client.aclose(await client.get(f"{origin.url}/stream-bytes/5000000", stream=True))
        await client.read(await client.get(f"{origin.url}/bytes/3"))
    assert [len(content) for content in gate.kept] == [3]


async def test_the_total_timeout_holds(face: Any, origin: Any) -> None:
    async with face.client(transport=Gate()) as client:
        with pytest.raises(TotalTimeout):
            await client.get(f"{origin.url}/delay/9", timeout=Timeout(total=0.1))


async def test_what_was_sent_behind_it_counts_among_the_attempts(face: Any, scripted: Any) -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    busy = b"HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"

    def handle(connection: Any, index: int) -> None:
        for answer in ([ok, b""], [busy, b""], [ok])[index]:
            connection.read_request()
            connection.sendall(answer)
        connection.close()  # the second request of a connection is not answered

    server = scripted(handle)
    async with face.client(transport=Gate(), retry=1) as client:
        await client.get(server.url)
        response = await client.get(server.url)
        assert response.status_code == 200
        assert [each.cause for each in response.attempts] == ["replay", "retry", "replay"]


class Beside(Gate):
    """Answers by itself, and asks the network beside that."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Any] = []
        self.over = asyncio.Event()

    async def send_onward(self, request: Any, onward: Any) -> Any:
        async def ask(own: Any) -> None:
            try:
                response = await own.send(request)
                self.seen.append((response.status_code, own is onward, await response.aread()))
            except BaseException as error:
                self.seen.append(type(error))
                raise
            finally:
                self.over.set()

        runs = [onward.start("key", ask) for _ in range(3)]
        return onward.response(200, [(b"Content-Length", b"0")], reason=str(runs))


async def test_something_goes_on_when_the_call_has_been_answered(origin: Any) -> None:
    gate = Beside()
    async with hyperhttp.Client(transport=gate) as client:
        for _ in range(2):
            gate.over.clear()
            response = await client.get(f"{origin.url}/bytes/3?seed=1", timeout=Timeout(total=30.0))
            assert response.reason == "[True, True, True]"
            assert response.attempts == ()
            await gate.over.wait()
            await asyncio.sleep(0)
        assert gate.seen == [(200, False, gate.seen[0][2])] * 2  # once a call, as all had the same key
    assert len(asyncio.all_tasks()) == 1


async def test_its_limits_begin_when_it_does(origin: Any) -> None:
    gate = Beside()
    async with hyperhttp.Client(transport=gate) as client:
        await client.get(f"{origin.url}/delay/9", timeout=Timeout(total=0.05))
        await gate.over.wait()
    assert gate.seen == [TotalTimeout]


async def test_closing_the_client_ends_it(origin: Any) -> None:
    gate = Beside()
    client = hyperhttp.Client(transport=gate)
    await client.get(f"{origin.url}/delay/9")
    while not origin.requests:
        await asyncio.sleep(0.002)
    await client.close()
    assert len(gate.seen) == len(asyncio.all_tasks()) == 1


def test_nothing_runs_beside_a_blocking_call(origin: Any) -> None:
    gate = Beside()
    with hyperhttp.SyncClient(transport=gate) as client:
        assert client.get(f"{origin.url}/bytes/3").reason == "[False, False, False]"
    assert (gate.seen, origin.requests) == ([], [])
