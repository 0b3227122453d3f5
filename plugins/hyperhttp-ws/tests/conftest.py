"""Real servers in threads of their own, and both faces of a WebSocket behind one set of awaitable methods."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
from contextlib import asynccontextmanager, contextmanager
from inspect import isawaitable
from urllib.parse import parse_qs, urlsplit

import hypercorn.asyncio
import hypercorn.config
import pytest
import trustme
import websockets.sync.server

import hyperhttp


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


# -- faces -------------------------------------------------------------------------------------------------


async def settle(value):
    return await value if isawaitable(value) else value


class FaceSocket:
    """A WebSocket whose methods are awaited on both faces; `raw` is the real one."""

    def __init__(self, raw):
        self.raw = raw

    def __getattr__(self, name):
        value = getattr(self.raw, name)
        if not callable(value):
            return value

        async def call(*arguments, **options):
            return await settle(value(*arguments, **options))

        return call

    def __aiter__(self):
        return self

    async def __anext__(self):
        if hasattr(self.raw, "__anext__"):
            return await self.raw.__anext__()
        try:
            return next(self.raw)
        except StopIteration:
            raise StopAsyncIteration from None


class Face:
    """One of the two ways to use the library."""

    def __init__(self, name):
        self.name = name
        self.is_blocking = name == "blocking"

    @asynccontextmanager
    async def client(self, **options):
        if self.is_blocking:
            with hyperhttp.SyncClient(**options) as client:
                yield client
        else:
            async with hyperhttp.Client(**options) as client:
                yield client

    @asynccontextmanager
    async def connect(self, url, client=None, **options):
        connector = hyperhttp.WebSocket.connect(url, **options) if client is None else client.websocket(url, **options)
        if self.is_blocking:
            with connector as socket:
                yield FaceSocket(socket)
        else:
            async with connector as socket:
                yield FaceSocket(socket)

    def start(self, work):
        """Begin beside the test: in a task, or in a thread."""
        return asyncio.ensure_future(asyncio.to_thread(run_ready, work) if self.is_blocking else work)


def run_ready(work):
    """Run a coroutine of the blocking face, which never suspends."""
    try:
        work.send(None)
    except StopIteration as stop:
        return stop.value
    work.close()
    raise RuntimeError("it waited for something else than the face")


@pytest.fixture(params=["asyncio", "blocking"])
def face(request):
    return Face(request.param)


# -- the websockets library ----------------------------------------------------------------------------------


@contextmanager
def serving(handler, **options):
    """A server of the websockets library; gives its URL."""
    options.setdefault("max_size", None)
    with websockets.sync.server.serve(handler, "127.0.0.1", 0, **options) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        scheme = "wss" if "ssl" in options else "ws"
        try:
            yield f"{scheme}://localhost:{server.socket.getsockname()[1]}"
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def serve():
    """Starts servers that run until the test is over."""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda handler, **options: stack.enter_context(serving(handler, **options))


def echo(connection):
    """Sends back what comes."""
    try:
        for message in connection:
            connection.send(message)
    except websockets.exceptions.ConnectionClosed:
        pass


@pytest.fixture(scope="session")
def echo_url():
    """A server of the websockets library that echoes, with compression where it is offered."""
    with serving(echo) as url:
        yield url


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture(scope="session")
def ca_pem(authority, tmp_path_factory):
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


# -- raw bytes -------------------------------------------------------------------------------------------------


@pytest.fixture
def raw(hyperhttp_scripted_server):
    """Starts a server that shakes hands properly and then does what a function says with the connection."""
    import base64
    import hashlib

    def start(converse, *, fields=b""):
        def script(connection, index):
            request = connection.read_request()
            lines = bytes(getattr(request, "head", request)).split(b"\r\n")
            key = next(line.split(b":")[1].strip() for line in lines if line.lower().startswith(b"sec-websocket-key"))
            accept = base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())
            connection.sendall(
                b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                b"Sec-WebSocket-Accept: " + accept + b"\r\n" + fields + b"\r\n"
            )
            converse(connection)

        return hyperhttp_scripted_server(script).url.replace("http", "ws")

    return start


# -- hypercorn ---------------------------------------------------------------------------------------------------


async def application(scope, receive, send):
    """Echo, and by path what else a server may do."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
        await send({"type": "http.response.body", "body": b"ok"})
        return
    if scope["type"] != "websocket":
        return
    await receive()  # websocket.connect
    query = parse_qs(scope["query_string"].decode())
    path = urlsplit(scope["path"]).path
    if path == "/refuse":
        await send({"type": "websocket.close"})
        return
    chosen = query.get("subprotocol", [None])[0]
    await send({"type": "websocket.accept", "subprotocol": chosen, "headers": [(b"x-test", b"yes")]})
    if path == "/headers":
        pairs = {name.decode(): value.decode() for name, value in scope["headers"]}
        text = json.dumps({"headers": pairs, "version": scope["http_version"]})
        await send({"type": "websocket.send", "text": text})
    if path == "/close":
        await send({"type": "websocket.close", "code": int(query["code"][0]), "reason": query.get("reason", [""])[0]})
        return
    while (event := await receive())["type"] == "websocket.receive":
        if event.get("text") is not None:
            await send({"type": "websocket.send", "text": event["text"]})
        else:
            await send({"type": "websocket.send", "bytes": event["bytes"]})


class Hypercorn:
    """Where it listens: `clear` for HTTP/1.1 and HTTP/2 by prior knowledge, `secure` for both by ALPN."""

    def __init__(self, clear, secure):
        self.clear = f"ws://127.0.0.1:{clear}"
        self.secure = f"wss://localhost:{secure}"


@pytest.fixture(scope="session")
def hypercorn_server(authority, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hypercorn")
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(str(folder / "key.pem"))
    (folder / "chain.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    ports = [listener.getsockname()[1] for listener in listeners]
    config = hypercorn.config.Config()
    config.bind = [f"fd://{listeners[1].detach()}"]
    config.insecure_bind = [f"fd://{listeners[0].detach()}"]
    config.certfile, config.keyfile = str(folder / "chain.pem"), str(folder / "key.pem")
    config.graceful_timeout = 0.5
    config.websocket_max_message_size = 64 * 1024 * 1024
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    started = threading.Event()

    async def run():
        started.set()
        await hypercorn.asyncio.serve(application, config, shutdown_trigger=stop.wait)

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    started.wait()
    yield Hypercorn(*ports)
    loop.call_soon_threadsafe(stop.set)
    thread.join()
    loop.close()
