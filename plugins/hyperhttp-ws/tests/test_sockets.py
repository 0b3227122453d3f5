"""An open WebSocket as its user sees it, on both faces, against the server of the websockets library."""

import asyncio
import gc
import json
import warnings

import pytest
import websockets

import hyperhttp
from hyperhttp import WebSocket, WebSocketDecodeError


@pytest.mark.parametrize(
    "text", ["hello", "", "h\u00e9llo \U0001f600", "x" * 125, "x" * 126, "x" * 65536, "xyz" * 500_000]
)
async def test_text_comes_back(face, echo_url, text):
    async with face.connect(echo_url) as socket:
        await socket.send_text(text)
        assert await socket.recv_text() == text


@pytest.mark.parametrize("data", [b"", b"\x00\x01", bytes(range(256)) * 300, bytes(4_000_000)])
@pytest.mark.parametrize("extensions", [None, []], ids=["deflated", "plain"])
async def test_binary_comes_back(face, echo_url, data, extensions):
    async with face.connect(echo_url, extensions=extensions) as socket:
        await socket.send_bytes(data)
        assert await socket.recv_bytes() == data


@pytest.mark.parametrize("kind", [bytearray, memoryview])
async def test_bytes_may_be_any_buffer(face, echo_url, kind):
    async with face.connect(echo_url) as socket:
        await socket.send_bytes(kind(b"\x00\x01"))
        assert await socket.recv() == b"\x00\x01"


async def test_json_goes_and_comes(face, echo_url):
    async with face.connect(echo_url) as socket:
        await socket.send_json({"h\u00e9": [1, 2.5, None]})
        assert await socket.recv() == '{"h\u00e9":[1,2.5,null]}'
        await socket.send_bytes(b'{"a": 1}')
        assert await socket.recv_json() == {"a": 1}
        await socket.send_json({"a": 1}, dumps=lambda value: json.dumps(value).encode())
        assert await socket.recv_json(loads=lambda text: ("mine", text)) == ("mine", '{"a": 1}')


async def test_what_is_not_json_is_an_error_and_the_socket_stays_open(face, echo_url):
    async with face.connect(echo_url) as socket:
        for message in ("not json", "", b"\xff\xfe{"):
            await (socket.send_text(message) if isinstance(message, str) else socket.send_bytes(message))
            with pytest.raises(hyperhttp.WebSocketDecodeError, match="JSON"):
                await socket.recv_json()
        await socket.send_text("1")
        assert await socket.recv_json() == 1


async def test_the_other_type_is_an_error_and_the_socket_stays_open(face, echo_url):
    async with face.connect(echo_url) as socket:
        await socket.send_text("hello")
        with pytest.raises(hyperhttp.WebSocketMessageTypeError, match="5 characters"):
            await socket.recv_bytes()
        await socket.send_bytes(b"\x00")
        with pytest.raises(hyperhttp.WebSocketMessageTypeError, match="1 bytes"):
            await socket.recv_text()
        await socket.send_text("on")
        assert await socket.recv() == "on"


@pytest.mark.parametrize(("method", "value"), [("send_text", b"x"), ("send_bytes", "x"), ("send_bytes", [1])])
async def test_values_of_another_type_are_not_sent(face, echo_url, method, value):
    async with face.connect(echo_url) as socket:
        with pytest.raises(TypeError, match=method):
            await getattr(socket, method)(value)
        await socket.send_text("on")
        assert await socket.recv() == "on"


async def test_a_message_may_be_sent_in_parts(face, serve):
    def handler(connection):
        connection.send(json.dumps(list(connection.recv_streaming())))

    url = serve(handler, compression=None)
    async with face.connect(url) as socket:
        for part in ("one ", "two "):
            await socket.send_text(part, final=False)
        await socket.send_text("three")
        assert await socket.recv_json() == ["one ", "two ", "three"]


async def test_a_message_in_many_parts_comes_as_one(face, serve):
    url = serve(lambda connection: connection.send([f"part {number} " for number in range(200)]))
    async with face.connect(url) as socket:
        assert await socket.recv() == "".join(f"part {number} " for number in range(200))


async def test_iteration_ends_with_the_connection(face, serve):
    def handler(connection):
        for number in range(3):
            connection.send(str(number))

    async with face.connect(serve(handler)) as socket:
        assert [message async for message in socket] == ["0", "1", "2"]
        assert (socket.close_code, socket.is_closed) == (1000, True)


@pytest.mark.parametrize(("code", "ends"), [(1000, True), (1001, True), (4000, False), (1011, False)])
async def test_only_a_good_end_ends_an_iteration(face, serve, code, ends):
    async with face.connect(serve(lambda connection: connection.close(code, "why"))) as socket:
        if ends:
            assert [message async for message in socket] == []
        else:
            with pytest.raises(hyperhttp.WebSocketClosed) as caught:
                [message async for message in socket]
            assert (caught.value.code, caught.value.reason) == (code, "why")
        assert (socket.close_code, socket.close_reason) == (code, "why")


@pytest.mark.parametrize(("code", "reason"), [(1000, None), (1001, "leaving"), (3000, "x" * 123), (4999, "h\u00e9")])
async def test_the_server_hears_code_and_reason(face, serve, code, reason):
    heard = []

    def handler(connection):
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            connection.recv()
        heard.append((connection.close_code, connection.close_reason))

    url = serve(handler)
    async with face.connect(url) as socket:
        await socket.close(code, reason)
        assert (socket.close_code, socket.close_reason) == (code, reason or "")
        await socket.close()  # again: nothing
    for _ in range(200):
        if heard:
            break
        await asyncio.sleep(0.01)
    assert heard == [(code, reason or "")]


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (999, None),
        (1004, None),
        (1005, None),
        (1006, None),
        (1015, None),
        (2000, None),
        (5000, None),
        (1000, "x" * 124),
    ],
)
async def test_what_cannot_be_sent_in_a_close_frame_is_refused(face, echo_url, code, reason):
    async with face.connect(echo_url) as socket:
        with pytest.raises(ValueError):
            await socket.close(code, reason)
        await socket.send_text("on")
        assert await socket.recv() == "on"


async def test_after_the_end_everything_says_so(face, echo_url):
    async with face.connect(echo_url) as socket:
        await socket.close(4000, "enough")
        for call in (socket.recv, socket.recv_text, socket.recv_json, lambda: socket.send_text("x"), socket.ping):
            with pytest.raises(hyperhttp.WebSocketClosed, match="4000 'enough'") as caught:
                await call()
            assert (caught.value.code, caught.value.reason) == (4000, "enough")


async def test_a_block_that_fails_closes_with_1011(face, serve):
    codes = []

    def handler(connection):
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            connection.recv()
        codes.append(connection.close_code)

    url = serve(handler)
    with pytest.raises(LookupError):
        async with face.connect(url):
            raise LookupError
    for _ in range(200):
        if codes:
            break
        await asyncio.sleep(0.01)
    assert codes == [1011]


async def test_a_ping_gives_the_latency(face, echo_url):
    async with face.connect(echo_url) as socket:
        assert socket.latency is None
        await socket.ping(b"how far")
        await socket.send_text("x")
        await socket.recv()
        assert 0 < socket.latency < 10
        with pytest.raises(ValueError, match="125"):
            await socket.ping(bytes(126))


async def test_pings_of_the_server_are_answered(face, serve):
    def handler(connection):
        pong = connection.ping(b"there?")
        connection.send("pinged")
        assert pong.wait(10)
        connection.send("ponged")

    async with face.connect(serve(handler)) as socket:
        assert await socket.recv() == "pinged"
        assert await socket.recv() == "ponged"


async def test_what_there_is_to_know_about_it(face, echo_url):
    async with face.connect(echo_url) as socket:
        assert socket.response.status_code == 101
        assert socket.response.headers["upgrade"] == "websocket"
        assert str(socket.url) == echo_url.replace("ws", "http")
        assert socket.http_version == "HTTP/1.1"
        assert socket.subprotocol is None
        assert "open" in repr(socket.raw)
    assert "closed (1000)" in repr(socket.raw)


async def test_one_that_is_dropped_warns_and_closes(face, serve):
    ended = []

    def handler(connection):
        with pytest.raises(websockets.exceptions.ConnectionClosed):
            connection.recv()
        ended.append(connection.close_code)

    url = serve(handler)
    async with face.client() as client:
        socket = client.websocket(url)
        if not face.is_blocking:
            socket = await socket
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            del socket
            gc.collect()
        assert [each.category for each in caught] == [ResourceWarning]
        assert "unclosed" in str(caught[0].message)
        caught.clear()  # it holds what it was about
        for _ in range(200):
            if ended:
                break
            await asyncio.sleep(0.01)
        assert ended == [1006]
        assert client.get_pool_stats() == {}


async def test_one_that_is_closed_does_not_warn(face, echo_url):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        async with face.connect(echo_url) as socket:
            await socket.send_text("x")
        del socket
        gc.collect()


async def test_an_open_socket_of_the_asynchronous_client_needs_await(echo_url):
    from hyperhttp_ws.sockets import run

    async with WebSocket.connect(echo_url) as socket:
        work = socket.recv()
        with pytest.raises(RuntimeError, match="await"):
            run(work)


# -- the snippets of the sibling library's documentation, with its names as they are here ---------------------


async def test_the_quick_example(echo_url, capsys):
    async with WebSocket.connect(echo_url) as ws:
        await ws.send_text("hello")
        print("Text echo:", await ws.recv_text())

        await ws.send_bytes(b"\x00\x01")
        print("Binary echo:", await ws.recv_bytes())

        await ws.send_json({"ping": True})
        try:
            print("JSON echo:", await ws.recv_json())
        except WebSocketDecodeError:
            print("Peer did not return JSON.")
    assert capsys.readouterr().out == "Text echo: hello\nBinary echo: b'\\x00\\x01'\nJSON echo: {'ping': True}\n"


async def test_using_it_through_the_client(serve, capsys):
    def handler(connection):
        assert connection.request.path == "/chat"
        connection.send(connection.recv())

    async with hyperhttp.Client(base_url=serve(handler)) as client, await client.websocket("/chat") as ws:
        await ws.send_text("hi!")
        async for message in ws:
            print("Incoming:", message)
    assert capsys.readouterr().out == "Incoming: hi!\n"


async def test_error_handling(serve, capsys):
    from hyperhttp.errors import WebSocketHandshakeError

    def refuse(connection, request):
        return connection.respond(404, "not here\n")

    try:
        async with WebSocket.connect(serve(lambda connection: None, process_request=refuse)) as ws:
            await ws.recv()
    except WebSocketHandshakeError as exc:
        print("Server rejected upgrade:", exc)
    except WebSocketDecodeError as exc:
        print("Bad payload:", exc)
    out = capsys.readouterr().out
    assert out.startswith("Server rejected upgrade: localhost:")
    assert "refused the WebSocket handshake with 404 Not Found: b'not here\\n'" in out
