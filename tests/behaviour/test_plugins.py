"""What plugins add to a client takes part in its requests, on both faces, and costs nothing where there is none."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy
import pytest

import hyperhttp
from hyperhttp import Response, SyncClient, Timeout
from hyperhttp.plugins import DIRECT, Address, ContentCoding, EventListener, PluginError, hookimpl
from hyperhttp.plugins import manager as plugin_manager

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hyperhttp.testing.origin import Origin

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
PLAIN = "gzip, deflate"  # what the core decodes by itself


class Plugin:
    """A plugin, filled by the function it is given; one subclass per hook."""

    def __init__(self, fill: Callable[[Any], None]) -> None:
        self.fill = fill
        self.asked = 0

    def ask(self, registry: Any) -> None:
        self.asked += 1
        self.fill(registry)


class Decoders(Plugin):
    @hookimpl
    def hyperhttp_register_decoders(self, decoders: Any) -> None:
        self.ask(decoders)


class Listeners(Plugin):
    @hookimpl
    def hyperhttp_register_event_hooks(self, event_hooks: Any) -> None:
        self.ask(event_hooks)


class Transports(Plugin):
    @hookimpl
    def hyperhttp_register_transports(self, transports: Any) -> None:
        self.ask(transports)


class Proxies(Plugin):
    @hookimpl
    def hyperhttp_register_proxies(self, proxies: Any) -> None:
        self.ask(proxies)


class Resolvers(Plugin):
    @hookimpl
    def hyperhttp_register_resolvers(self, resolvers: Any) -> None:
        self.ask(resolvers)


class JsonCodecs(Plugin):
    @hookimpl
    def hyperhttp_register_json_codecs(self, json_codecs: Any) -> None:
        self.ask(json_codecs)


def listening(*listeners: Any) -> Listeners:
    """A plugin with these listeners."""

    def fill(registry: Any) -> None:
        for number, listener in enumerate(listeners):
            registry.add(f"listener-{number}", lambda listener=listener: listener)

    return Listeners(fill)


# -- decoders ----------------------------------------------------------------------------------------------------


class SwapDecoder:
    """Upper case becomes lower case and the reverse."""

    def __init__(self) -> None:
        self.held = b""

    @property
    def pending(self) -> bool:
        return bool(self.held)

    def decode(self, data: bytes, max_length: int) -> bytes:
        data = self.held + data
        data, self.held = data[:max_length], data[max_length:]
        return data.swapcase()

    def finish(self) -> None:
        pass


SWAP = Decoders(lambda decoders: decoders.add(ContentCoding("swap", SwapDecoder, aliases=("x-swap",))))


@pytest.mark.parametrize("name", ["swap", "X-Swap"])
async def test_a_decoder_decodes_and_is_offered(face: Any, scripted: Any, name: str) -> None:
    content = b"hELLO" * 1000
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {name}\r\nContent-Length: {len(content)}\r\n\r\n".encode()
    server = scripted([head + content], repeat=True)
    async with face.client(plugins=[SWAP]) as client:
        assert await client.read(await client.get(server.url)) == b"Hello" * 1000
        async with client.stream("GET", server.url) as response:
            assert b"".join([piece async for piece in client.iter_bytes(response, 7)]) == b"Hello" * 1000
        async with client.stream("GET", server.url) as response:
            assert b"".join([piece async for piece in client.iter_raw(response)]) == content
    assert f"\r\nAccept-Encoding: {PLAIN}, swap\r\n".encode() in server.requests[0]


# -- event listeners ---------------------------------------------------------------------------------------------


class Spy(EventListener):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def request(self, request: Any) -> None:
        self.told.append(("request", request.url.path))

    def response(self, response: Any) -> None:
        self.told.append(("response", response.status_code))

    def error(self, request: Any, error: Exception) -> None:
        self.told.append(("error", request.url.path, type(error)))

    def redirect(self, response: Any, request: Any) -> None:
        self.told.append(("redirect", response.url.path, request.url.path))

    def connection(self, event: Any) -> None:
        self.told.append((event.kind, event.host, event.port, event.http_version))

    def close(self) -> None:
        self.told.append(("close",))


async def test_each_event_is_told_once_and_in_order(face: Any, origin: Origin) -> None:
    spy, where = Spy(), ("127.0.0.1", origin.port, "HTTP/1.1")
    async with face.client(plugins=[listening(spy)], follow_redirects=True) as client:
        assert spy.told == []
        await client.read(await client.get(origin.url + "/redirect/1"))
    await client.close()
    assert spy.told == [
        ("request", "/redirect/1"),
        ("opened", *where),
        ("response", 302),
        ("redirect", "/redirect/1", "/get"),
        ("request", "/get"),
        ("reused", *where),
        ("response", 200),
        ("closed", *where),
        ("close",),
    ], "after close nothing will follow"


async def test_a_listener_for_one_event_hears_of_no_other(face: Any, origin: Origin) -> None:
    class Connections:
        def __init__(self) -> None:
            self.told: list[str] = []

        def connection(self, event: Any) -> None:
            self.told.append(event.kind)

    listener = Connections()
    async with face.client(plugins=[listening(listener)]) as client:
        for _ in range(3):
            await client.read(await client.get(origin.url + "/get"))
        await client.read(await client.get(origin.url + "/get", headers={"Connection": "close"}))
    assert listener.told == ["opened", "reused", "reused", "reused", "closed"]


async def test_an_attempt_without_a_response_is_an_error_event(face: Any, scripted: Any) -> None:
    spy, server = Spy(), scripted([b"this is not HTTP\r\n\r\n"])
    with socket.create_server(("127.0.0.1", 0)) as closed:
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}"
    async with face.client(plugins=[listening(spy)]) as client:
        with pytest.raises(hyperhttp.ConnectError):
            await client.get(dead + "/a")
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.get(server.url + "/b")
    told = [event for event in spy.told if event[0] in ("request", "response", "error")]
    assert told == [
        ("request", "/a"),
        ("error", "/a", hyperhttp.ConnectError),
        ("request", "/b"),
        ("error", "/b", hyperhttp.RemoteProtocolError),
    ]


async def test_a_listener_may_put_another_response_in_its_place(face: Any, origin: Origin) -> None:
    class Replacing:
        def response(self, response: Any) -> Response:
            return Response(299, content=b"mine")

    spy = Spy()
    async with face.client(plugins=[listening(Replacing(), spy)], max_connections=1, timeout=10) as client:
        for _ in range(3):
            response = await client.get(origin.url + "/bytes/1000000")
            assert (response.status_code, await client.read(response)) == (299, b"mine")
            assert str(response.url) == origin.url + "/bytes/1000000"
        assert all(row["in_use"] == 0 for row in client.raw.get_pool_stats().values())
    assert ("response", 299) in spy.told
    assert ("response", 200) not in spy.told


async def test_a_listener_may_change_what_is_sent(face: Any, origin: Origin) -> None:
    class Signing:
        def request(self, request: Any) -> None:
            request.headers["X-Signed"] = request.url.path

    async with face.client(plugins=[listening(Signing())]) as client:
        await client.get(origin.url + "/get")
    assert origin.requests[-1].headers["x-signed"] == "/get"


class Waiting:
    """A listener whose methods are asynchronous, and wait where told to."""

    def __init__(self, seconds: float | None) -> None:
        self.seconds = seconds
        self.told: list[str] = []

    async def _hear(self, event: str) -> None:
        if self.seconds is not None:
            await asyncio.sleep(self.seconds)
        self.told.append(event)

    async def request(self, request: Any) -> None:
        await self._hear("request")

    async def response(self, response: Any) -> None:
        await self._hear("response")

    async def redirect(self, response: Any, request: Any) -> None:
        await self._hear("redirect")

    async def error(self, request: Any, error: Exception) -> None:
        await self._hear("error")


async def test_asynchronous_listeners_are_awaited(face: Any, origin: Origin, scripted: Any) -> None:
    listener = Waiting(None if face.is_blocking else 0.001)
    server = scripted([b"this is not HTTP\r\n\r\n"])
    async with face.client(plugins=[listening(listener)], follow_redirects=True) as client:
        await client.get(origin.url + "/redirect/1")
        with pytest.raises(hyperhttp.RemoteProtocolError):
            await client.get(server.url)
    assert listener.told == ["request", "response", "redirect", "request", "response", "request", "error"]


@pytest.mark.parametrize("event", ["request", "response", "redirect"])
@pytest.mark.parametrize("seconds", [0, 0.001])
def test_a_listener_that_really_waits_is_refused_clearly_by_a_blocking_client(
    hyperhttp_origin: Origin, event: str, seconds: float
) -> None:
    waiting = Waiting(seconds)
    listener = type("Listener", (), {event: staticmethod(getattr(waiting, event))})()
    with SyncClient(plugins=[listening(listener)], follow_redirects=True) as client:
        with pytest.raises(RuntimeError, match="SyncClient"):
            client.get(hyperhttp_origin.url + "/redirect/1")
        assert all(row["in_use"] == 0 for row in client.get_pool_stats().values())


async def test_a_blocking_client_refuses_it_beside_a_running_loop_too(origin: Origin) -> None:
    with SyncClient(plugins=[listening(Waiting(0.001))]) as client, pytest.raises(RuntimeError, match="SyncClient"):
        client.get(origin.url + "/get")


async def test_a_plain_method_may_return_something_to_await(origin: Origin) -> None:
    told: list[str] = []

    class Delegating:
        def response(self, response: Any) -> Any:
            return self._later(response)

        async def _later(self, response: Any) -> Response:
            await asyncio.sleep(0)
            told.append("awaited")
            return Response(299, content=b"mine")

    async with hyperhttp.Client(plugins=[listening(Delegating())]) as client:
        response = await client.get(origin.url + "/get")
    assert (told, response.status_code) == (["awaited"], 299)


async def test_each_client_has_a_listener_of_its_own_and_asks_its_plugin_once(face: Any, origin: Origin) -> None:
    made: list[Spy] = []

    def factory() -> Spy:
        made.append(Spy())
        return made[-1]

    plugin = Listeners(lambda event_hooks: event_hooks.add("spy", factory))
    async with face.client(plugins=[plugin]) as client, face.client(plugins=[plugin]) as other:
        assert plugin.asked == 2
        for _ in range(3):
            await client.get(origin.url + "/get")
        await other.get(origin.url + "/get")
    assert (plugin.asked, len(made)) == (2, 2)
    assert [len([event for event in spy.told if event[0] == "request"]) for spy in made] == [3, 1]


async def test_a_listener_that_fails_to_close_leaves_no_connection_open(face: Any, scripted: Any) -> None:
    class Broken:
        def close(self) -> None:
            raise KeyError("of the listener")

    def serve(connection: Any, _: int) -> None:
        connection.read_request()
        connection.sendall(OK)
        closed.append(connection.wait_for_eof(0.2))

    closed: list[bool] = []
    server = scripted(serve)
    client = face.client(plugins=[listening(Broken())])
    await client.read(await client.get(server.url))
    await client.close()
    server.wait_closed(1)
    assert closed == [True]


# -- transports --------------------------------------------------------------------------------------------------


class Kitchen:
    """A transport that serves what its paths say."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.closings = 0

    async def send(self, request: Any) -> Response:
        self.requests.append(request)
        path, query = request.url.path, request.url.query or ""
        if path == "/to":
            return Response(302, {"Location": query})
        if path == "/cookie":
            return Response(200, [("Set-Cookie", "one=1; Path=/"), ("Set-Cookie", "two=2; Path=/")])
        if path == "/secret" and "authorization" not in request.headers:
            return Response(401, {"WWW-Authenticate": "Basic"})
        if path == "/wait":
            await asyncio.sleep(9)
        if path == "/broken":
            raise hyperhttp.ReadError("the pot broke")
        shown = {"path": path, "headers": {name.lower(): value for name, value in request.headers.items()}}
        return Response(200, {"Content-Type": "application/json"}, json.dumps(shown))

    def close(self) -> None:
        self.closings += 1


@pytest.fixture
def kitchen() -> Kitchen:
    return Kitchen()


@pytest.fixture
def mounted(kitchen: Kitchen) -> Transports:
    """Mounted on a scheme, on hosts and on a port."""

    def fill(transports: Any) -> None:
        for pattern in ("coffee://", "all://*.pot.test", "http://127.0.0.1:1"):
            transports.add(pattern, lambda: kitchen)

    return Transports(fill)


@pytest.mark.parametrize(
    "url",
    [
        "coffee://pot/brew",
        "coffee://pot:99/brew?sugar=2",
        "http://a.pot.test/",
        "https://b.pot.test:8443/",
        "http://127.0.0.1:1/",
    ],
)
async def test_a_transport_serves_its_scheme_and_its_hosts(face: Any, mounted: Any, kitchen: Kitchen, url: str) -> None:
    async with face.client(plugins=[mounted]) as client:
        response = await client.get(url)
        assert (response.status_code, str(response.url)) == (200, str(response.request.url))
        assert (await client.json(response))["path"] == response.url.path
        assert response.elapsed > 0
        assert client.raw.get_pool_stats() == {}
    assert [str(request.url) for request in kitchen.requests] == [str(response.url)]


async def test_other_urls_go_over_the_network(face: Any, mounted: Any, kitchen: Kitchen, origin: Origin) -> None:
    async with face.client(plugins=[mounted]) as client:
        assert (await client.get(origin.url + "/get")).status_code == 200
        with pytest.raises(hyperhttp.InvalidURL, match="no transport for tea:// URLs"):
            await client.get("tea://pot/")
    assert kitchen.requests == []


async def test_the_clients_options_take_part(face: Any, mounted: Any, kitchen: Kitchen) -> None:
    seen: list[Any] = []
    hooks = {"request": [lambda request: seen.append(request.method)], "response": [lambda _: seen.append("response")]}
    async with face.client(plugins=[mounted], headers={"X-One": "1"}, params={"p": "q"}, event_hooks=hooks) as client:
        response = await client.post("coffee://pot/", json={"a": 1}, auth=("user", "secret"))
    sent = kitchen.requests[0]
    assert (sent.url.query, sent.headers["x-one"]) == ("p=q", "1")
    assert sent.headers["authorization"].startswith("Basic ")
    assert sent.headers["content-type"] == "application/json"
    assert response.request is sent
    assert seen == ["POST", "response"]


async def test_listeners_hear_of_what_a_transport_does(face: Any, mounted: Any) -> None:
    spy = Spy()
    async with face.client(plugins=[mounted, listening(spy)]) as client:
        await client.get("coffee://pot/good")
        with pytest.raises(hyperhttp.ReadError) as caught:
            await client.get("coffee://pot/broken")
    assert str(caught.value.request.url) == "coffee://pot/broken"
    assert spy.told[:-1] == [
        ("request", "/good"),
        ("response", 200),
        ("request", "/broken"),
        ("error", "/broken", hyperhttp.ReadError),
    ]


async def test_cookies_of_a_transport_are_kept_and_sent_again(face: Any, mounted: Any) -> None:
    async with face.client(plugins=[mounted]) as client:
        await client.get("http://a.pot.test/cookie")
        assert dict(client.raw.cookies.items()) == {"one": "1", "two": "2"}
        shown = await client.json(await client.get("http://a.pot.test/"))
        assert shown["headers"]["cookie"] == "one=1; two=2"
        shown = await client.json(await client.get("http://b.pot.test/"))
        assert "cookie" not in shown["headers"]


async def test_redirects_lead_from_the_network_to_a_transport_and_back(
    face: Any, mounted: Any, kitchen: Kitchen, origin: Origin
) -> None:
    async with face.client(plugins=[mounted], follow_redirects=True) as client:
        response = await client.get(origin.url + "/redirect-to?url=http://a.pot.test/inside")
        assert (await client.json(response))["path"] == "/inside"
        assert [each.status_code for each in response.history] == [302]
        response = await client.get(f"http://a.pot.test/to?{origin.url}/get")
        assert response.status_code == 200
        assert str(response.url) == origin.url + "/get"
        assert len(kitchen.requests) == 2


@pytest.mark.parametrize("location", ["/inside", "coffee://pot/inside", "//pot/inside"])
async def test_redirects_within_a_scheme_of_a_plugin_are_followed(face: Any, mounted: Any, location: str) -> None:
    async with face.client(plugins=[mounted], follow_redirects=True) as client:
        response = await client.get(f"coffee://pot/to?{location}")
        assert (response.status_code, str(response.url)) == (200, "coffee://pot/inside")


async def test_a_server_leads_to_no_scheme_of_a_plugin(
    face: Any, mounted: Any, kitchen: Kitchen, origin: Origin
) -> None:
    """Such a scheme may stand for files or for what is internal: a stranger's redirect does not open it."""
    async with face.client(plugins=[mounted], follow_redirects=True) as client:
        with pytest.raises(hyperhttp.RemoteProtocolError, match="'coffee', which is not followed"):
            await client.get(origin.url + "/redirect-to?url=coffee://pot/inside")
    assert kitchen.requests == []


async def test_credentials_do_not_travel_to_a_transport_of_another_origin(
    face: Any, mounted: Any, kitchen: Kitchen, origin: Origin
) -> None:
    async with face.client(plugins=[mounted], follow_redirects=True, auth=("user", "secret")) as client:
        await client.get(origin.url + "/redirect-to?url=http://a.pot.test/")
    assert "authorization" not in kitchen.requests[0].headers


async def test_responses_of_a_transport_can_be_streamed(face: Any, mounted: Any) -> None:
    async with face.client(plugins=[mounted]) as client:
        async with client.stream("GET", "coffee://pot/streamed") as response:
            content = b"".join([piece async for piece in client.iter_bytes(response, 3)])
        assert json.loads(content)["path"] == "/streamed"
        response = await client.get("coffee://pot/lines", stream=True)
        assert len([line async for line in client.iter_lines(response)]) == 1
        response = await client.get("coffee://pot/whole", stream=False)
        assert response.json()["path"] == "/whole"


async def test_a_transport_is_made_when_it_is_met_and_closed_once(face: Any, origin: Origin) -> None:
    made: list[Kitchen] = []

    def factory() -> Kitchen:
        made.append(Kitchen())
        return made[-1]

    plugin = Transports(lambda transports: transports.add("coffee://", factory))
    async with face.client(plugins=[plugin]) as client:
        await client.get(origin.url + "/get")
        assert made == []
        for _ in range(3):
            await client.get("coffee://pot/")
        assert [kitchen.closings for kitchen in made] == [0]
    await client.close()
    assert [kitchen.closings for kitchen in made] == [1]
    with pytest.raises(hyperhttp.ClientClosed):
        await client.get("coffee://pot/")
    assert len(made) == 1


async def test_a_clients_own_transport_takes_every_request(face: Any, kitchen: Kitchen, mounted: Any) -> None:
    async with face.client(transport=kitchen, plugins=[mounted], base_url="http://example.com/api") as client:
        assert (await client.json(await client.get("/x")))["path"] == "/api/x"
        assert (await client.get("https://example.org/")).status_code == 200
        assert (await client.get("coffee://pot/")).status_code == 200
        await client.close()
    assert len(kitchen.requests) == 3
    assert kitchen.closings == 1


async def test_a_challenge_is_answered_through_a_transport(face: Any, kitchen: Kitchen) -> None:
    class Answering(hyperhttp.Auth):
        def auth_flow(self, request: Any) -> Any:
            response = yield request
            if response.status_code == 401:
                request.headers["Authorization"] = "Basic answered"
                yield request

    async with face.client(transport=kitchen, auth=Answering()) as client:
        response = await client.get("http://example.com/secret")
    assert response.status_code == 200
    assert len(kitchen.requests) == 2


def test_a_transport_that_really_waits_is_refused_clearly_by_a_blocking_client(kitchen: Kitchen) -> None:
    with SyncClient(transport=kitchen) as client, pytest.raises(RuntimeError, match="SyncClient"):
        client.get("http://example.com/wait")


async def test_the_total_timeout_bounds_a_transport_too(kitchen: Kitchen) -> None:
    async with hyperhttp.Client(transport=kitchen, timeout=Timeout(None, total=0.05)) as client:
        started = time.monotonic()
        with pytest.raises(hyperhttp.TotalTimeout):
            await client.get("http://example.com/wait")
        assert time.monotonic() - started < 5


# -- proxies -----------------------------------------------------------------------------------------------------


class Selector:
    """Answers from a function, and keeps what it was asked."""

    def __init__(self, choose: Callable[[Any], str | None]) -> None:
        self.choose = choose
        self.asked: list[str] = []

    def select(self, url: Any) -> str | None:
        self.asked.append(str(url))
        return self.choose(url)


def selecting(*selectors: Selector) -> Proxies:
    def fill(proxies: Any) -> None:
        for number, selector in enumerate(selectors):
            proxies.add_selector(f"selector-{number}", lambda selector=selector: selector)

    return Proxies(fill)


@pytest.fixture
def proxy(scripted: Any) -> Any:
    """Answers whatever it is asked for."""
    return scripted([OK], repeat=True)


async def test_a_selector_chooses_the_proxy(face: Any, proxy: Any, origin: Origin) -> None:
    selector = Selector(lambda url: proxy.url if url.host == "example.com" else None)
    async with face.client(plugins=[selecting(selector)]) as client:
        assert await client.read(await client.get("http://example.com/path?q=1")) == b"ok"
        assert (await client.get(origin.url + "/get")).status_code == 200
    assert [request.split(b"\r\n")[0] for request in proxy.requests] == [b"GET http://example.com/path?q=1 HTTP/1.1"]
    assert selector.asked == ["http://example.com/path?q=1", origin.url + "/get"]


async def test_direct_asks_nobody_else(face: Any, proxy: Any, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", proxy.url)
    second = Selector(lambda _: proxy.url)
    async with face.client(plugins=[selecting(Selector(lambda _: DIRECT), second)]) as client:
        assert (await client.get(origin.url + "/get")).status_code == 200
    assert (proxy.requests, second.asked) == ([], [])


async def test_no_opinion_falls_through_to_the_next_and_to_the_environment(
    face: Any, proxy: Any, scripted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = scripted([OK], repeat=True)
    monkeypatch.setenv("http_proxy", proxy.url)
    second = Selector(lambda url: other.url if url.host == "b.example" else None)
    async with face.client(plugins=[selecting(Selector(lambda _: None), second)]) as client:
        await client.get("http://a.example/")
        await client.get("http://b.example/")
    assert [request.split()[1] for request in proxy.requests] == [b"http://a.example/"]
    assert [request.split()[1] for request in other.requests] == [b"http://b.example/"]


@pytest.mark.parametrize("where", ["client", "call"])
async def test_a_proxy_that_is_named_beats_a_selector(face: Any, proxy: Any, scripted: Any, where: str) -> None:
    chosen = scripted([OK], repeat=True)
    selector = Selector(lambda _: chosen.url)
    options: Any = {"proxies": proxy.url} if where == "client" else {}
    call: Any = {"proxy": proxy.url} if where == "call" else {}
    async with face.client(plugins=[selecting(selector)], **options) as client:
        assert await client.read(await client.get("http://example.com/", **call)) == b"ok"
    assert (len(proxy.requests), chosen.requests, selector.asked) == (1, [], [])


async def test_no_proxy_for_a_call_beats_a_selector(face: Any, proxy: Any, origin: Origin) -> None:
    async with face.client(plugins=[selecting(Selector(lambda _: proxy.url))]) as client:
        assert (await client.get(origin.url + "/get", proxy=None)).status_code == 200
    assert proxy.requests == []


@pytest.mark.parametrize("options", [{}, {"headers": {"X-One": "1"}}, {"event_hooks": {"request": [lambda _: None]}}])
async def test_a_selector_is_asked_once_for_each_request(face: Any, scripted: Any, options: Any) -> None:
    """A rotation must turn with every request, and by one."""
    proxies = [scripted([OK], repeat=True) for _ in range(2)]
    selector = Selector(lambda _: proxies[(len(selector.asked) - 1) % 2].url)
    async with face.client(plugins=[selecting(selector)]) as client:
        for _ in range(4):
            await client.get("http://example.com/", **options)
    assert [len(proxy.requests) for proxy in proxies] == [2, 2]
    assert len(selector.asked) == 4


async def test_a_selector_is_asked_for_each_hop(face: Any, scripted: Any, proxy: Any) -> None:
    moved = b"HTTP/1.1 302 Found\r\nLocation: http://b.example/\r\nContent-Length: 0\r\n\r\n"
    first = scripted([moved], repeat=True)
    selector = Selector(lambda url: first.url if url.host == "a.example" else proxy.url)
    async with face.client(plugins=[selecting(selector)], follow_redirects=True) as client:
        assert await client.read(await client.get("http://a.example/")) == b"ok"
    assert selector.asked == ["http://a.example/", "http://b.example/"]


# -- resolvers and JSON ------------------------------------------------------------------------------------------


class Hosts:
    """Every name is this machine."""

    def __init__(self, network: Any) -> None:
        self.network = network
        self.asked: list[str] = []
        made.append(self)

    async def resolve(self, host: str, port: int) -> list[Address]:
        self.asked.append(host)
        return await self.network.call(lambda: [Address(socket.AF_INET, "127.0.0.1", port)])


made: list[Hosts] = []


@pytest.mark.parametrize("default", [False, True])
async def test_a_resolver_finds_addresses_by_name_or_unasked(face: Any, origin: Origin, default: bool) -> None:
    made.clear()
    plugin = Resolvers(lambda resolvers: resolvers.add("hosts", Hosts, default=default))
    options = {} if default else {"resolver": "hosts"}
    async with face.client(plugins=[plugin], **options) as client:
        for _ in range(2):
            response = await client.get(f"http://nowhere.test:{origin.port}/get")
            assert response.status_code == 200
        assert [resolver.asked for resolver in made] == [["nowhere.test"]]
    assert origin.requests[-1].headers["host"] == f"nowhere.test:{origin.port}"


async def test_a_resolver_that_is_not_the_default_is_not_used_unasked(face: Any, origin: Origin) -> None:
    made.clear()
    plugin = Resolvers(lambda resolvers: resolvers.add("hosts", Hosts))
    async with face.client(plugins=[plugin]) as client:
        await client.get(origin.url + "/get")
    assert made == []


async def test_an_unknown_resolver_is_refused_with_the_names_there_are(face: Any, origin: Origin) -> None:
    plugin = Resolvers(lambda resolvers: resolvers.add("hosts", Hosts))
    with pytest.raises(ValueError, match=r"no resolver 'hots'; there are: system, hosts"):
        async with face.client(plugins=[plugin], resolver="hots") as client:
            await client.get(origin.url + "/get")


class Envelope:
    """A codec that nobody mistakes for another."""

    name = "envelope"

    def dumps(self, obj: Any) -> bytes:
        return json.dumps({"sent": obj}).encode()

    def loads(self, data: bytes) -> Any:
        return {"received": json.loads(data)}


async def test_a_json_codec_writes_what_is_sent_and_reads_what_comes(face: Any, origin: Origin) -> None:
    plugin = JsonCodecs(lambda json_codecs: json_codecs.add(Envelope(), default=True))
    async with face.client(plugins=[plugin]) as client:
        shown = await client.json(await client.post(origin.url + "/anything", json=[1]))
        assert shown["received"]["json"] == {"sent": [1]}
        request = client.raw.build_request("POST", origin.url + "/anything", json=[2])
        assert (await client.json(await client.send(request)))["received"]["json"] == {"sent": [2]}


async def test_a_json_codec_that_is_not_the_default_is_not_used(face: Any, origin: Origin) -> None:
    plugin = JsonCodecs(lambda json_codecs: json_codecs.add(Envelope()))
    async with face.client(plugins=[plugin]) as client:
        assert (await client.json(await client.post(origin.url + "/anything", json=[1])))["json"] == [1]


# -- which plugins -----------------------------------------------------------------------------------------------


async def offered(face: Any, **options: Any) -> str:
    """What a client offers in Accept-Encoding, which shows the plugins it has."""
    async with face.client(**options) as client:
        value: str = client.raw.headers["accept-encoding"]
    return value


async def test_no_plugins_means_none(face: Any, origin: Origin) -> None:
    async with face.client(plugins=[]) as client:
        await client.get(origin.url + "/get")
    assert origin.requests[-1].headers["accept-encoding"] == PLAIN


@pytest.mark.parametrize(
    ("environment", "plugins", "codings"),
    [
        ({}, None, ", br, zstd"),
        ({"HYPERHTTP_PLUGINS": ""}, None, ""),
        ({"HYPERHTTP_PLUGINS": "brotli"}, None, ", br"),
        ({"HYPERHTTP_PLUGINS": "hyperhttp-zstd, unknown"}, None, ", zstd"),
        ({"HYPERHTTP_DISABLE_PLUGINS": "brotli"}, None, ", zstd"),
        ({"HYPERHTTP_DISABLE_PLUGINS": "brotli,zstd"}, None, ""),
        ({"HYPERHTTP_PLUGINS": "brotli,zstd", "HYPERHTTP_DISABLE_PLUGINS": "zstd"}, None, ", br"),
        ({"HYPERHTTP_PLUGINS": ""}, ["brotli"], ", br"),
        ({"HYPERHTTP_DISABLE_PLUGINS": "zstd"}, ["zstd"], ", zstd"),
        ({"HYPERHTTP_PLUGINS": "zstd"}, [], ""),
    ],
)
async def test_the_environment_chooses_unless_the_client_does(
    face: Any, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], plugins: Any, codings: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert await offered(face, plugins=plugins) == PLAIN + codings


async def test_names_and_objects_may_be_mixed(face: Any) -> None:
    assert await offered(face, plugins=["zstd", SWAP]) == PLAIN + ", zstd, swap"


async def test_a_plugin_that_is_not_installed_is_named(face: Any) -> None:
    with pytest.raises(PluginError, match="no plugin 'brolti' is installed"):
        face.client(plugins=["brolti"])


async def test_a_plugin_whose_hook_fails_is_named_with_its_cause(face: Any) -> None:
    class Clumsy:
        @hookimpl
        def hyperhttp_register_decoders(self, decoders: Any) -> None:
            raise ZeroDivisionError("in the hook")

    with pytest.raises(PluginError, match=r"plugin 'Clumsy' .*hyperhttp_register_decoders.*in the hook") as caught:
        face.client(plugins=[Clumsy()])
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.fixture
def broken_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A distribution whose plugin cannot be imported."""
    info = tmp_path / "hyperhttp_shaky-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: hyperhttp-shaky\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text("[hyperhttp]\nshaky = hyperhttp_shaky_plugin\n")
    (tmp_path / "hyperhttp_shaky_plugin.py").write_text("import a_module_that_is_not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    plugin_manager._PROCESS.forget()
    yield
    plugin_manager._PROCESS.forget()


async def test_an_installed_plugin_that_fails_to_load_says_how_to_switch_it_off(
    face: Any, broken_installed: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(PluginError) as caught:
        face.client()
    message = str(caught.value)
    assert "plugin 'shaky' (hyperhttp-shaky 2.5)" in message
    assert "a_module_that_is_not_there" in message
    assert "HYPERHTTP_DISABLE_PLUGINS=shaky" in message
    assert await offered(face, plugins=[]) == PLAIN, "whoever takes none is not disturbed"
    monkeypatch.setenv("HYPERHTTP_DISABLE_PLUGINS", "shaky")
    assert await offered(face) == PLAIN + ", br, zstd"


# -- what it costs -----------------------------------------------------------------------------------------------


def calls_into_pluggy(log: list[str]) -> Callable[[Any, str, Any], None]:
    source = f"{Path(pluggy.__file__).parent}/"

    def profile(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(source):
            log.append(frame.f_code.co_qualname)

    return profile


async def test_nothing_of_pluggy_is_called_for_a_request(
    face: Any, origin: Origin, mounted: Any, kitchen: Kitchen
) -> None:
    spy, codec = Spy(), JsonCodecs(lambda json_codecs: json_codecs.add(Envelope(), default=True))
    plugins = [SWAP, listening(spy), mounted, selecting(Selector(lambda _: None)), codec]
    making: list[str] = []
    requesting: list[str] = []
    before = sys.getprofile()
    try:
        sys.setprofile(calls_into_pluggy(making))
        client = face.client(plugins=plugins, follow_redirects=True)
        sys.setprofile(calls_into_pluggy(requesting))
        async with client:
            for _ in range(2):
                await client.read(await client.get(origin.url + "/redirect/1"))
                await client.json(await client.post(origin.url + "/anything", json=[1]))
                await client.get("coffee://pot/")
    finally:
        sys.setprofile(before)
    assert making, "the measure is worth something"
    assert requesting == []
    assert len(kitchen.requests) == 2
