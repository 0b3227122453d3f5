"""One run of an application; its place behind a client's pipeline is told in tests/behaviour."""

from __future__ import annotations

import io
from typing import Any

import pytest

from hyperhttp.message.request import Request
from hyperhttp.network.base import NEVER
from hyperhttp.transports.wsgi import Run, WSGITransport
from tests.memory import MemoryNetwork

REQUEST = Request("POST", "https://a.example/p%20q?x=%41", headers={"X-One": "1"}, content=b"abc")


class Answer:
    """Closes a run, as another thread may, while a piece is being made."""

    def __init__(self) -> None:
        self.run: Any = None
        self.closings = 0

    def __iter__(self) -> Any:
        yield b"one"
        self.run.close()
        assert self.closings == 0, "a generator that runs cannot be closed"
        yield b"two"

    def close(self) -> None:
        self.closings += 1


async def test_it_works_within_a_client() -> None:
    with pytest.raises(TypeError, match="pass it as transport= or in mounts="):
        await WSGITransport(lambda _e, _s: []).send(REQUEST)


async def test_the_environment_is_that_of_the_interface() -> None:
    seen: list[dict[str, Any]] = []

    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        seen.append({**environ, "body": environ["wsgi.input"].read()})
        start_response("204 No Content", [])
        return []

    network: Any = MemoryNetwork()
    await WSGITransport(app).send_over(REQUEST, network, NEVER)
    (environ,) = seen
    assert {key: value for key, value in environ.items() if key.isupper() or key == "body"} == {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/p q",
        "QUERY_STRING": "x=%41",
        "SERVER_NAME": "a.example",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_HOST": "a.example",
        "HTTP_X_ONE": "1",
        "CONTENT_LENGTH": "3",
        "body": b"abc",
    }
    assert (environ["wsgi.version"], environ["wsgi.url_scheme"]) == ((1, 0), "https")


def test_an_answer_that_is_closed_while_it_makes_a_piece_is_closed_after_it() -> None:
    answer = Answer()

    def app(_environ: Any, start_response: Any) -> Answer:
        start_response("200 OK", [])
        return answer

    answer.run = run = Run(WSGITransport(app), REQUEST, io.BytesIO())
    run.start({})
    assert (run.next_piece(), answer.closings) == (b"one", 0)
    assert (run.next_piece(), answer.closings) == (b"two", 1)
    run.close()
    assert answer.closings == 1


def test_two_statuses_without_an_error_between_them_are_one_too_many() -> None:
    def app(_environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        start_response("200 OK", [])
        return []

    with pytest.raises(RuntimeError, match="twice"):
        Run(WSGITransport(app), REQUEST, io.BytesIO()).start({})
