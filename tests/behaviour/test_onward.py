"""A transport in front of the network, over real sockets, on both faces."""

from __future__ import annotations

from typing import Any

import pytest

from hyperhttp import TotalTimeout


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
    from hyperhttp import Timeout

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
