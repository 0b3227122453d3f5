"""``Expect: 100-continue``: content waits until the server wants it, but not for long (RFC 9110 section 10.1.1).

HTTP/2: tests/behaviour/http2/test_expect.py.
"""

from __future__ import annotations

import asyncio
import io
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import ReadTimeout, RemoteProtocolError, TotalTimeout
from hyperhttp.testing.scripted import Close, Expect, Reset

if TYPE_CHECKING:
    from hyperhttp.testing.scripted import ScriptedServerFactory

EXPECT = {"Expect": "100-continue"}
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REFUSED = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 7\r\n\r\ntoo big"
UNKNOWN = b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno"
KINDS = ("bytes", "many bytes", "pieces", "file", "chunked bytes")


def content_of(kind: str, face: Any) -> dict[str, Any]:
    many = b"x" * 400_000
    return {
        "bytes": {"content": b"content", "headers": EXPECT},
        "many bytes": {"content": many, "headers": EXPECT},
        "pieces": {"content": face.pieces(b"con", b"tent"), "headers": EXPECT},
        "file": {"content": io.BytesIO(many), "headers": EXPECT},
        "chunked bytes": {"content": b"content", "headers": EXPECT | {"Transfer-Encoding": "chunked"}},
    }[kind]


@pytest.fixture
def endless_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for nothing, waits until the test fails."""
    monkeypatch.setattr("hyperhttp.connection.http1.CONTINUE_PATIENCE", 60.0)


class Server:
    """Answers a head at once, and takes the content only after that.

    Attributes:
        heads: as they came.
        contents: what came after them; None where nothing did.
    """

    def __init__(self, scripted: ScriptedServerFactory, *answers: bytes) -> None:
        self.heads: list[bytes] = []
        self.contents: list[bytes | None] = []
        self._answers = list(answers)
        self.url = scripted(self.handle).url

    def handle(self, connection: Any, _: int) -> None:
        while not connection.is_closed and (head := connection.read_until(b"\r\n\r\n")):
            self.heads.append(head)
            answer = self._answers.pop(0) if self._answers else OK
            if answer:
                connection.sendall(answer)
            if answer and not answer.startswith(CONTINUE) and b"100-continue" in head:
                self.contents.append(self.rest(connection))
                return
            self.contents.append(self.content(head, connection))
            connection.sendall(OK)

    async def heard(self, count: int) -> list[bytes | None]:
        """What came after so many heads, once that is known."""
        while len(self.contents) < count:
            await asyncio.sleep(0.01)
        return self.contents

    def rest(self, connection: Any) -> bytes | None:
        """What still comes until the client closes."""
        data = b""
        with suppress(OSError):
            while piece := connection.recv():
                data += piece
        return data or None

    def content(self, head: bytes, connection: Any) -> bytes:
        if b"chunked" in head.lower():
            return connection.read_until(b"0\r\n\r\n")
        length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
        return connection.read_exactly(int(length[0].partition(b":")[2])) if length else b""


@pytest.mark.parametrize("kind", KINDS)
async def test_content_is_sent_when_the_server_says_continue(
    face: Any, scripted: ScriptedServerFactory, kind: str, endless_patience: None
) -> None:
    server = Server(scripted, CONTINUE, CONTINUE)
    async with face.client(timeout=20) as client:
        for _ in range(2):
            response = await client.post(server.url, **content_of(kind, face))
            assert response.status_code == 200
            assert await client.read(response) == b"ok"
        assert [each["total"] for each in client.raw.get_pool_stats().values()] == [1]
    assert all(b"Expect: 100-continue\r\n" in head for head in server.heads)
    assert all(await server.heard(2))


@pytest.mark.parametrize("kind", KINDS)
async def test_content_the_server_refuses_is_not_sent_and_the_connection_not_used_again(
    face: Any, scripted: ScriptedServerFactory, kind: str
) -> None:
    server = Server(scripted, REFUSED)
    async with face.client(timeout=20) as client:
        response = await client.post(server.url, **content_of(kind, face))
        assert response.status_code == 413
        assert await client.read(response) == b"too big"
        assert client.raw.get_pool_stats() == {}
        assert (await client.get(server.url)).status_code == 200
    assert None in await server.heard(2)


async def test_a_final_success_without_100_ends_the_request_too(face: Any, scripted: ScriptedServerFactory) -> None:
    server = Server(scripted, OK)
    async with face.client(timeout=20) as client:
        assert (await client.put(server.url, content=b"content", headers=EXPECT)).status_code == 200
        assert client.raw.get_pool_stats() == {}
    assert await server.heard(1) == [None]


async def test_to_hear_it_twice_does_no_harm(face: Any, scripted: ScriptedServerFactory) -> None:
    server = Server(scripted, CONTINUE * 2, CONTINUE)
    async with face.client(timeout=20) as client:
        for _ in range(2):
            response = await client.post(server.url, content=b"content", headers=EXPECT)
            assert await client.read(response) == b"ok"
        assert [each["total"] for each in client.raw.get_pool_stats().values()] == [1]
    assert await server.heard(2) == [b"content"] * 2


async def test_a_refusal_with_much_to_say_is_read_to_its_end(face: Any, scripted: ScriptedServerFactory) -> None:
    much = b"m" * 300_000
    server = Server(scripted, b"HTTP/1.1 413 No\r\nContent-Length: 300000\r\n\r\n" + much)
    async with face.client(timeout=20) as client:
        response = await client.post(server.url, content=b"content", headers=EXPECT)
        assert await client.read(response) == much
        assert client.raw.get_pool_stats() == {}


async def test_a_server_that_says_nothing_gets_the_content_after_a_second(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = Server(scripted, b"")
    async with face.client(timeout=20) as client:
        started = time.monotonic()
        response = await client.post(server.url, content=b"content", headers=EXPECT)
        assert response.status_code == 200
        assert 0.9 <= time.monotonic() - started < 15
        assert [each["total"] for each in client.raw.get_pool_stats().values()] == [1]
    assert await server.heard(1) == [b"content"]


async def test_other_interim_responses_do_not_let_the_content_go(
    face: Any, scripted: ScriptedServerFactory, endless_patience: None
) -> None:
    server = Server(
        scripted, b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n" + REFUSED
    )
    async with face.client(timeout=20) as client:
        response = await client.post(server.url, content=b"content", headers=EXPECT)
        assert response.status_code == 413
    assert await server.heard(1) == [None]


async def test_417_is_sent_again_without_the_field(face: Any, scripted: ScriptedServerFactory) -> None:
    server = Server(scripted, UNKNOWN, b"")
    async with face.client(timeout=20) as client:
        response = await client.post(server.url, content=face.pieces(b"con", b"tent"), headers=EXPECT)
        assert response.status_code == 200
        assert [attempt.status_code for attempt in response.attempts] == [417]
    heard = await server.heard(2)
    assert None in heard
    assert b"expect" not in server.heads[1].lower()
    assert any(content and b"tent" in content for content in heard)


async def test_417_is_answered_too_where_a_hook_expects_something(face: Any, scripted: ScriptedServerFactory) -> None:
    server = Server(scripted, UNKNOWN)
    hooks = {"request": [lambda request: request.headers.update(EXPECT)]}
    async with face.client(timeout=20, event_hooks=hooks) as client:
        response = await client.post(server.url, content=b"content")
        assert response.status_code == 200
        assert [attempt.cause for attempt in response.attempts] == ["expectation"]
    assert [b"Expect" in head for head in server.heads] == [True, False]


async def test_a_request_that_met_417_expects_as_much_when_it_is_sent_again(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = Server(scripted, UNKNOWN, b"", CONTINUE)
    request = hyperhttp.Request("POST", server.url, content=b"content", headers=EXPECT)
    async with face.client(timeout=20) as client:
        for _ in range(2):
            assert (await client.send(request)).status_code == 200
    assert [b"Expect" in head for head in server.heads] == [True, False, True]


async def test_417_for_content_that_was_sent_and_serves_once_is_the_answer(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    def handler(connection: Any, _: int) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.sendall(CONTINUE)
        connection.read_until(b"0\r\n\r\n")
        connection.sendall(UNKNOWN)

    async with face.client(timeout=20) as client:
        response = await client.post(scripted(handler).url, content=face.pieces(b"once"), headers=EXPECT)
        assert response.status_code == 417
        assert await client.read(response) == b"no"


async def test_the_field_is_not_sent_without_content(face: Any, scripted: ScriptedServerFactory) -> None:
    server = Server(scripted)
    async with face.client(headers=EXPECT, timeout=20) as client:
        await client.get(server.url)
        await client.post(server.url)
        await client.get(server.url, headers={"X-Other": "1"})
    assert not any(b"expect" in head.lower() for head in server.heads)


async def test_empty_content_waits_for_nothing(
    face: Any, scripted: ScriptedServerFactory, endless_patience: None
) -> None:
    server = Server(scripted, b"")
    async with face.client(timeout=20) as client:
        assert (await client.post(server.url, content=b"", headers=EXPECT)).status_code == 200


@pytest.mark.parametrize("step", [Close(), Reset(), b"nonsense\r\n\r\n"])
async def test_a_connection_that_breaks_while_the_content_waits_is_an_error(
    face: Any, scripted: ScriptedServerFactory, step: Any
) -> None:
    url = scripted.by_connection([[Expect(b"\r\n\r\n"), step]] * 2).url
    async with face.client(timeout=20) as client:
        with pytest.raises(hyperhttp.TransportError):
            await client.post(url, content=b"content", headers=EXPECT)
        assert client.raw.get_pool_stats() == {}


async def test_limits_count_while_the_content_waits_and_after(face: Any, scripted: ScriptedServerFactory) -> None:
    def silent(connection: Any, _: int) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.wait_for_eof(20)

    url = scripted(silent).url
    async with face.client(timeout=20) as client:
        with pytest.raises(TotalTimeout):
            await client.post(url, content=b"x", headers=EXPECT, timeout=hyperhttp.Timeout(20, total=0.2))
        with pytest.raises(ReadTimeout):
            await client.post(url, content=b"x", headers=EXPECT, timeout=0.1)
        assert client.raw.get_pool_stats() == {}


async def test_an_endless_row_of_interim_responses_ends(face: Any, scripted: ScriptedServerFactory) -> None:
    def handler(connection: Any, _: int) -> None:
        connection.read_until(b"\r\n\r\n")
        connection.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
        connection.wait_for_eof(5)

    async with face.client(timeout=20) as client:
        with pytest.raises(RemoteProtocolError, match="interim"):
            await client.post(scripted(handler).url, content=b"x", headers=EXPECT)


async def test_a_request_that_is_cancelled_while_its_content_waits_leaves_nothing(
    scripted: ScriptedServerFactory,
) -> None:
    arrived = threading.Event()

    def handler(connection: Any, _: int) -> None:
        connection.read_until(b"\r\n\r\n")
        arrived.set()
        connection.wait_for_eof(20)

    async with hyperhttp.Client() as client:
        task = asyncio.ensure_future(client.post(scripted(handler).url, content=b"x", headers=EXPECT))
        while not arrived.is_set():
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert client.get_pool_stats() == {}
