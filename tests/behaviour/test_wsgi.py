"""WSGI applications in this process, on both faces."""

from __future__ import annotations

import io
import json
import threading
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any
from wsgiref.validate import validator

import pytest

import hyperhttp
from hyperhttp import WSGITransport

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("no_leaks")

URL = "http://app.example"


def echo(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """Tells what it was asked."""
    shown = {key: value for key, value in environ.items() if isinstance(value, str)}
    shown["body"] = environ["wsgi.input"].read().decode()
    content = json.dumps(shown).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(content)))])
    return [content]


async def test_an_application_is_asked_as_by_a_server(face: Any) -> None:
    transport = WSGITransport(echo, script_name="/mounted", remote_addr="192.0.2.7")
    async with face.client(transport=transport, base_url=URL) as client:
        response = await client.post("/caf%C3%A9?a=b%20c", content=b"body", headers=[("X-A", "1"), ("X-A", "2")])
        assert (response.status_code, response.reason) == (200, "OK")
        shown = await client.json(response)
    assert shown["REQUEST_METHOD"] == "POST"
    assert shown["PATH_INFO"].encode("latin-1").decode() == "/café"
    assert (shown["SCRIPT_NAME"], shown["QUERY_STRING"]) == ("/mounted", "a=b%20c")
    assert (shown["SERVER_NAME"], shown["SERVER_PORT"]) == ("app.example", "80")
    assert (shown["CONTENT_LENGTH"], shown["body"]) == ("4", "body")
    assert (shown["HTTP_HOST"], shown["HTTP_X_A"], shown["REMOTE_ADDR"]) == ("app.example", "1,2", "192.0.2.7")


async def test_the_interface_is_kept_to_the_letter(face: Any) -> None:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"valid"]

    async with face.client(transport=WSGITransport(validator(app)), base_url=URL) as client:
        assert await client.text(await client.get("/")) == "valid"
        assert await client.text(await client.post("/", content=b"x")) == "valid"


async def test_streamed_content_arrives_whole(face: Any) -> None:
    async with face.client(transport=WSGITransport(echo), base_url=URL) as client:
        shown = await client.json(await client.post("/", content=face.pieces(b"one", b"two")))
        assert (shown["body"], shown["CONTENT_LENGTH"]) == ("onetwo", "6")


class Answer:
    """What an application returns: pieces, and a note of what became of it."""

    def __init__(self, pieces: list[Any]) -> None:
        self.pieces = pieces
        self.given = 0
        self.closings = 0
        self.threads: set[int] = set()

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            self.given += 1
            self.threads.add(threading.get_ident())
            if isinstance(piece, Exception):
                raise piece
            yield piece

    def close(self) -> None:
        self.closings += 1


def app_with(answer: Answer, *fields: tuple[str, str]) -> Any:
    def app(_environ: Any, start_response: Any) -> Answer:
        start_response("200 OK", list(fields))
        return answer

    return app


async def test_content_is_produced_as_it_is_read(face: Any) -> None:
    answer = Answer([b"", b"one", b"two", b"three"])
    async with face.client(transport=WSGITransport(app_with(answer)), base_url=URL) as client:
        async with client.stream("GET", "/") as response:
            assert answer.given == 2
            pieces = [piece async for piece in client.iter_bytes(response)]
        assert pieces == [b"one", b"two", b"three"]
        assert answer.closings == 1
    assert (threading.get_ident() in answer.threads) is face.is_blocking


async def test_an_answer_that_is_given_up_is_closed(face: Any) -> None:
    answer = Answer([b"one", b"two"])
    async with face.client(transport=WSGITransport(app_with(answer)), base_url=URL) as client:
        async with client.stream("GET", "/"):
            pass
        assert (answer.given, answer.closings) == (1, 1)


async def test_each_piece_is_made_in_the_same_context(face: Any) -> None:
    number: ContextVar[int] = ContextVar("number")

    def app(_environ: Any, start_response: Any) -> Iterator[bytes]:
        number.set(7)
        start_response("200 OK", [])
        yield b"first "
        yield str(number.get()).encode()

    async with face.client(transport=WSGITransport(app), base_url=URL) as client:
        assert await client.text(await client.get("/")) == "first 7"


async def test_what_the_application_raises_comes_out(face: Any) -> None:
    def broken(_environ: Any, _start_response: Any) -> Any:
        raise KeyError("of the app")

    async with face.client(transport=WSGITransport(broken), base_url=URL) as client:
        with pytest.raises(KeyError, match="of the app"):
            await client.get("/")
    late = Answer([b"one", KeyError("late")])
    async with face.client(transport=WSGITransport(app_with(late)), base_url=URL) as client:
        with pytest.raises(KeyError, match="late"):
            await client.read(await client.get("/", stream=True))
    assert late.closings == 1


async def test_or_is_answered_as_a_server_would(face: Any) -> None:
    def broken(_environ: Any, _start_response: Any) -> Any:
        raise KeyError("of the app")

    options = {"transport": WSGITransport(broken, raise_app_exceptions=False), "base_url": URL}
    async with face.client(**options) as client:
        response = await client.get("/")
        assert (response.status_code, await client.text(response)) == (500, "Internal Server Error")
    late = WSGITransport(app_with(Answer([b"one", KeyError("late")])), raise_app_exceptions=False)
    async with face.client(transport=late, base_url=URL) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="failed before its response was complete"):
            await client.read(await client.get("/", stream=True))


async def test_content_other_than_announced_is_an_error(face: Any) -> None:
    app = app_with(Answer([b"four", b"more"]), ("Content-Length", "4"))
    async with face.client(transport=WSGITransport(app), base_url=URL) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="more bytes than Content-Length says"):
            await client.read(await client.get("/", stream=True))


async def test_head_has_no_content_and_closes_the_answer(face: Any) -> None:
    answer = Answer([b"four"])
    async with face.client(transport=WSGITransport(app_with(answer, ("Content-Length", "4"))), base_url=URL) as client:
        response = await client.head("/")
        assert await client.read(response) == b""
        assert response.headers["content-length"] == "4"
    assert answer.closings == 1


async def test_content_may_be_written_and_the_status_changed_before_it(face: Any) -> None:
    errors = io.StringIO()

    def app(environ: Any, start_response: Any) -> list[bytes]:
        environ["wsgi.errors"].write("noted")
        start_response("200 OK", [])
        try:
            raise KeyError
        except KeyError:
            import sys

            write = start_response("503 Busy", [("Retry-After", "1")], sys.exc_info())
        write(b"written ")
        return [b"returned"]

    async with face.client(transport=WSGITransport(app, errors=errors), base_url=URL) as client:
        response = await client.get("/")
        assert (response.status_code, response.reason) == (503, "Busy")
        assert await client.text(response) == "written returned"
    assert errors.getvalue() == "noted"


async def test_cookies_and_redirects_work_over_it(face: Any) -> None:
    def app(environ: Any, start_response: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/login":
            start_response("303 See Other", [("Location", "/"), ("Set-Cookie", "who=ada; Path=/")])
            return []
        start_response("200 OK", [])
        return [environ.get("HTTP_COOKIE", "").encode()]

    async with face.client(transport=WSGITransport(app), base_url=URL, follow_redirects=True) as client:
        assert await client.text(await client.post("/login")) == "who=ada"


async def test_an_application_without_a_status_is_an_error(face: Any) -> None:
    async with face.client(transport=WSGITransport(lambda _e, _s: []), base_url=URL) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="sent no status"):
            await client.get("/")
