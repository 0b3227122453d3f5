"""ASGI applications in this process, on the client's own loop."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
from typing import Any

import pytest

import hyperhttp
from hyperhttp import ASGITransport, Client

pytestmark = pytest.mark.usefixtures("no_leaks")

URL = "http://app.example"


def client_for(app: Any, **options: Any) -> Client:
    """A client whose requests go to the application."""
    return Client(transport=ASGITransport(app, **options), base_url=URL)


async def start(send: Any, status: int = 200, *fields: tuple[bytes, bytes], **more: Any) -> None:
    await send({"type": "http.response.start", "status": status, "headers": fields, **more})


async def body(send: Any, data: bytes = b"", *, more: bool = False) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def read_all(receive: Any) -> bytes:
    data = b""
    while True:
        message = await receive()
        data += message.get("body", b"")
        if not message.get("more_body"):
            return data


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Tells what it was asked."""
    shown = {**scope, "headers": [[name.decode(), value.decode()] for name, value in scope["headers"]]}
    shown["body"] = (await read_all(receive)).decode()
    content = json.dumps(shown, default=repr).encode()
    await start(send, 200, (b"content-type", b"application/json"), (b"content-length", b"%d" % len(content)))
    await body(send, content)


async def test_an_application_is_asked_as_by_a_server() -> None:
    async with client_for(echo, root_path="/mounted", client=("192.0.2.7", 99)) as client:
        response = await client.post("/caf%C3%A9?a=b%20c", content=b"body", headers={"X-A": "1"})
        assert (response.status_code, response.reason, response.http_version) == (200, "OK", "HTTP/1.1")
        shown = await response.ajson()
    assert (shown["type"], shown["method"], shown["scheme"]) == ("http", "POST", "http")
    assert (shown["path"], shown["raw_path"]) == ("/café", repr(b"/caf%C3%A9"))
    assert (shown["query_string"], shown["root_path"]) == (repr(b"a=b%20c"), "/mounted")
    assert (shown["server"], shown["client"]) == (["app.example", 80], ["192.0.2.7", 99])
    assert (shown["http_version"], shown["body"]) == ("1.1", "body")
    assert shown["headers"][0] == ["host", "app.example"]
    assert ["x-a", "1"] in shown["headers"]
    assert "state" not in shown


async def test_it_is_told_the_version_of_http_and_so_is_the_caller() -> None:
    async with client_for(echo, http_version="2") as client:
        response = await client.get("/")
        assert (response.http_version, response.reason) == ("HTTP/2", "")
        assert (await response.ajson())["http_version"] == "2"
    with pytest.raises(ValueError, match=r"http_version= takes one of '1\.0', '1\.1', '2'"):
        ASGITransport(echo, http_version="3")


async def test_content_streams_both_ways_at_the_same_time() -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        while (message := await receive()).get("more_body"):
            await body(send, message["body"].upper(), more=True)
        await body(send)

    async def pieces() -> Any:
        yield b"one"
        assert await heard.get() == b"ONE"  # the answer to it is there before the rest is sent
        yield b"two"

    async with client_for(app) as client, client.stream("POST", "/", content=pieces()) as response:
        seen = []
        async for piece in response.aiter_bytes():
            seen.append(piece)
            heard.put_nowait(piece)
    assert seen == [b"ONE", b"TWO"]


async def test_an_application_that_never_ends_can_be_read_and_hears_when_nobody_does_any_more() -> None:
    ended = asyncio.Event()

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await read_all(receive)
        await start(send)
        try:
            while True:
                await body(send, b"tick", more=True)
                await asyncio.sleep(0)
        except OSError:
            assert (await receive())["type"] == "http.disconnect"
            ended.set()

    async with client_for(app) as client:
        async with client.stream("GET", "/") as response:
            async for piece in response.aiter_bytes():
                assert piece.startswith(b"tick")
                break
        await asyncio.wait_for(ended.wait(), 5)


async def test_an_application_is_not_far_ahead_of_its_reader() -> None:
    sent = 0

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        nonlocal sent
        await start(send)
        for number in range(100):
            await body(send, bytes(65_536), more=number < 99)
            sent += 1

    async with client_for(app) as client, client.stream("GET", "/") as response:
        for _ in range(50):
            await asyncio.sleep(0)
        assert 0 < sent < 10
        assert len(await response.aread()) == 6_553_600
        assert sent == 100


async def test_a_response_that_is_forgotten_ends_the_application() -> None:
    ended = asyncio.Event()

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await read_all(receive)
        await start(send)
        assert (await receive())["type"] == "http.disconnect"
        ended.set()

    async with client_for(app) as client:
        response = await client.get("/")
        del response
        gc.collect()
        await asyncio.wait_for(ended.wait(), 5)


async def test_what_it_does_after_its_answer_is_done_when_the_content_has_been_read() -> None:
    done = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await read_all(receive)
        await start(send)
        await body(send, b"content")
        await asyncio.sleep(0.01)
        assert (await receive())["type"] == "http.disconnect"
        done.append(True)

    async with client_for(app) as client:
        assert await (await client.get("/")).aread() == b"content"
        assert done == [True]
        await client.get("/")  # not read: it is done when the client is closed
    assert done == [True, True]


async def test_what_the_application_raises_comes_out() -> None:
    async def before(_scope: Any, _receive: Any, _send: Any) -> None:
        raise KeyError("before")

    async def during(_scope: Any, _receive: Any, send: Any) -> None:
        await start(send)
        await body(send, b"one", more=True)
        raise KeyError("during")

    async def after(_scope: Any, _receive: Any, send: Any) -> None:
        await start(send)
        await body(send, b"one")
        raise KeyError("after")

    async with client_for(before) as client:
        with pytest.raises(KeyError, match="before"):
            await client.get("/")
    for app, said in ((during, "during"), (after, "after")):
        async with client_for(app) as client:
            response = await client.get("/")
            with pytest.raises(KeyError, match=said):
                await response.aread()


async def test_or_is_answered_as_a_server_would() -> None:
    async def before(_scope: Any, _receive: Any, _send: Any) -> None:
        raise KeyError("before")

    async def during(_scope: Any, _receive: Any, send: Any) -> None:
        await start(send)
        raise KeyError("during")

    async def after(_scope: Any, _receive: Any, send: Any) -> None:
        await start(send)
        await body(send, b"whole")
        raise KeyError("after")

    async with client_for(before, raise_app_exceptions=False) as client:
        response = await client.get("/")
        assert (response.status_code, await response.atext()) == (500, "Internal Server Error")
    async with client_for(during, raise_app_exceptions=False) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="failed before its response was complete") as caught:
            await (await client.get("/")).aread()
        assert isinstance(caught.value.__cause__, KeyError)
    async with client_for(after, raise_app_exceptions=False) as client:
        assert await (await client.get("/")).aread() == b"whole"


async def test_an_application_that_says_too_little_is_an_error() -> None:
    async def nothing(_scope: Any, _receive: Any, _send: Any) -> None: ...

    async def half(_scope: Any, _receive: Any, send: Any) -> None:
        await start(send)
        await body(send, b"half", more=True)

    async def short(_scope: Any, _receive: Any, send: Any) -> None:
        await start(send, 200, (b"content-length", b"10"))
        await body(send, b"short")

    async with client_for(nothing) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="returned without sending a response"):
            await client.get("/")
    for app, said in ((half, "before its response was complete"), (short, "fewer bytes than Content-Length")):
        async with client_for(app) as client:
            with pytest.raises(hyperhttp.RemoteProtocolError, match=said):
                await (await client.get("/")).aread()


@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "http.response.body", "body": b""}],
        [{"type": "http.response.start", "status": 200}] * 2,
        [{"type": "http.response.trailers", "headers": []}],
        [{"type": "websocket.accept"}],
    ],
)
async def test_an_application_that_speaks_out_of_turn_is_told(messages: Any) -> None:
    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        for message in messages:
            await send(message)

    async with client_for(app) as client:
        with pytest.raises(RuntimeError, match="where that may not come"):
            await (await client.get("/")).aread()


async def test_trailers_come_after_the_content() -> None:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        assert "http.response.trailers" in scope["extensions"]
        await start(send, trailers=True)
        await body(send, b"content")
        await send({"type": "http.response.trailers", "headers": [(b"x-sum", b"1")]})

    async with client_for(app) as client:
        response = await client.get("/")
        await response.aread()
        assert response.trailers["x-sum"] == "1"


async def test_head_has_no_content() -> None:
    async with client_for(echo) as client:
        response = await client.head("/")
        assert int(response.headers["content-length"]) > 100
        assert await response.aread() == b""


async def test_a_call_that_is_over_takes_the_application_with_it() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def app(_scope: Any, _receive: Any, _send: Any) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with client_for(app) as client:
        with pytest.raises(hyperhttp.TotalTimeout):
            await client.get("/", timeout=hyperhttp.Timeout(total=0.02))
        await asyncio.wait_for(cancelled.wait(), 5)
        started.clear()
        cancelled.clear()
        call = asyncio.ensure_future(client.get("/"))
        await asyncio.wait_for(started.wait(), 5)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.wait_for(cancelled.wait(), 5)


async def test_reading_ends_with_the_total_timeout() -> None:
    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await read_all(receive)
        await start(send)
        await receive()

    async with client_for(app) as client:
        response = await client.get("/", timeout=hyperhttp.Timeout(total=0.5))
        with pytest.raises(hyperhttp.TotalTimeout, match="before the call's total timeout"):
            await response.aread()


class Living:
    """An application with a life of its own."""

    def __init__(self, *, fail: str = "") -> None:
        self.log: list[str] = []
        self.fail = fail

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await start(send)
            await body(send, scope["state"]["name"].encode())
            return
        assert (await receive())["type"] == "lifespan.startup"
        self.log.append("startup")
        if self.fail:
            await send({"type": "lifespan.startup.failed", "message": self.fail})
            return
        scope["state"]["name"] = "from the start"
        await send({"type": "lifespan.startup.complete"})
        assert (await receive())["type"] == "lifespan.shutdown"
        await asyncio.sleep(0.01)
        self.log.append("shutdown")
        await send({"type": "lifespan.shutdown.complete"})


async def test_it_is_started_once_and_shut_down_when_the_client_is_closed() -> None:
    app = Living()
    async with client_for(app, lifespan=True) as client:
        assert app.log == []
        responses = await asyncio.gather(*[client.get("/") for _ in range(3)])
        assert {await response.atext() for response in responses} == {"from the start"}
        assert app.log == ["startup"]
    assert app.log == ["startup", "shutdown"]


async def test_an_application_that_does_not_start_answers_nothing() -> None:
    async with client_for(Living(fail="no database"), lifespan=True) as client:
        for _ in range(2):
            with pytest.raises(hyperhttp.ConnectError, match="the application did not start: no database"):
                await client.get("/")


@pytest.mark.parametrize(("lifespan", "starts"), [("auto", True), (True, False)])
async def test_an_application_without_a_life_is_only_an_error_where_one_is_asked_for(
    lifespan: Any, starts: bool
) -> None:
    async def app(scope: Any, _receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            raise NotImplementedError(scope["type"])
        await start(send)
        await body(send)

    async with client_for(app, lifespan=lifespan) as client:
        if starts:
            assert (await client.get("/")).status_code == 200
        else:
            with pytest.raises(hyperhttp.ConnectError, match="NotImplementedError: lifespan"):
                await client.get("/")


async def test_a_shutdown_that_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await start(send)
            await body(send)
            return
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        raise KeyError("of the shutdown")

    with caplog.at_level(logging.ERROR, logger="hyperhttp"):
        async with client_for(app, lifespan=True) as client:
            await client.get("/")
    assert "of the shutdown" in caplog.text


def test_one_transport_serves_loops_one_after_the_other() -> None:
    app = Living()
    transport = ASGITransport(app, lifespan=True)

    async def use() -> str:
        async with Client(transport=transport, base_url=URL) as client:
            return await (await client.get("/")).atext()

    assert [asyncio.run(use()) for _ in range(2)] == ["from the start"] * 2
    assert app.log == ["startup", "shutdown"] * 2


def test_the_blocking_face_has_no_loop_for_it() -> None:
    client = hyperhttp.SyncClient(transport=ASGITransport(echo), base_url=URL)
    with client, pytest.raises(TypeError, match="use the asynchronous Client"):
        client.get("/")


async def test_a_framework_works_over_it_with_cookies_redirects_and_background_work() -> None:
    from starlette.applications import Starlette
    from starlette.background import BackgroundTask
    from starlette.responses import JSONResponse, RedirectResponse, StreamingResponse
    from starlette.routing import Route

    done: list[str] = []

    async def login(_request: Any) -> Any:
        response = RedirectResponse("/me", status_code=303)
        response.set_cookie("who", "ada")
        return response

    async def me(request: Any) -> Any:
        async def later() -> None:
            done.append("later")

        return JSONResponse({"who": request.cookies["who"]}, background=BackgroundTask(later))

    async def stream(request: Any) -> Any:
        async def pieces() -> Any:
            async for piece in request.stream():
                yield piece[::-1]

        return StreamingResponse(pieces())

    app = Starlette(
        routes=[Route("/login", login, methods=["POST"]), Route("/me", me), Route("/s", stream, methods=["POST"])]
    )
    async with Client(transport=ASGITransport(app), base_url=URL, follow_redirects=True) as client:
        assert await (await client.post("/login")).ajson() == {"who": "ada"}
        assert done == ["later"]
        assert await (await client.post("/s", content=iter([b"abc", b"def"]))).aread() == b"cbafed"
        assert (await client.get("/none")).status_code == 404
