"""Where the time of a request went: measured by phases, on every wire, and told of the connection it went over."""

from __future__ import annotations

import pickle
import socket
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp import Response
from hyperhttp.network.addresses import Address

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperhttp.testing.origin import Origin

PAUSE = 0.05  # seconds that something takes at least


class SlowNames:
    """A resolver that takes its time; every name is this machine's."""

    def __init__(self, face: Any) -> None:
        self.face = face

    async def resolve(self, host: str, port: int) -> list[Address]:
        if self.face.is_blocking:
            time.sleep(PAUSE)
        else:
            await self.face.sleep(PAUSE)
        return [Address(socket.AF_INET, "127.0.0.1", port)]


class Tunnels:
    """A proxy that takes a while to open a tunnel."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://user:secret@127.0.0.1:{self._listener.getsockname()[1]}"
        self.sockets: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += client.recv(65536)
            host, _, port = head.split()[1].decode().rpartition(":")
            time.sleep(PAUSE)
            origin = socket.create_connection((host, int(port)))
            self.sockets += [client, origin]
            client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            for source, target in ((client, origin), (origin, client)):
                self._threads.append(threading.Thread(target=self._pump, args=(source, target)))
                self._threads[-1].start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self.sockets:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join()
        for each in self.sockets:
            each.close()


@pytest.fixture
def tunnels() -> Iterator[Tunnels]:
    proxy = Tunnels()
    yield proxy
    proxy.close()


@pytest.fixture(params=["http", "tls", "http2"])
def wire(request: pytest.FixtureRequest, hyperhttp_http2_origin: Origin) -> Any:
    """URL and options of each wire."""
    hyperhttp_http2_origin.clear()
    if request.param == "http":
        return hyperhttp_http2_origin.url, {}
    options = {"ssl_context": hyperhttp_http2_origin.ssl_context(), "http2": request.param == "http2"}
    return hyperhttp_http2_origin.https_url, options


async def test_the_first_request_pays_for_the_connection_and_the_second_does_not(face: Any, wire: Any) -> None:
    url, options = wire
    async with face.client(**options) as client:
        first = await client.get(url + "/get")
        await client.read(first)
        second = await client.get(url + "/get")
        await client.read(second)
    assert not first.timing.reused
    assert first.timing.connect > 0
    assert (first.timing.tls > 0) is url.startswith("https")
    assert second.timing.reused
    assert (second.timing.queue, second.timing.dns, second.timing.connect, second.timing.tls) == (0, 0, 0, 0)
    for response in (first, second):
        assert response.timing.wait + response.timing.send == pytest.approx(response.elapsed)
        assert response.timing.total >= response.elapsed


async def test_looking_up_a_name_takes_its_own_time(face: Any, origin: Origin) -> None:
    url = origin.url.replace("127.0.0.1", "names.example")
    async with face.client(resolver=SlowNames(face)) as client:
        timing = (await client.get(url + "/get")).timing
        assert timing.dns >= PAUSE
        assert timing.total >= timing.dns + timing.wait
        assert (await client.get(url + "/get")).timing.dns == 0


async def test_an_address_is_not_looked_up(face: Any, origin: Origin) -> None:
    async with face.client(resolver=SlowNames(face)) as client:
        assert (await client.get(origin.url + "/get")).timing.dns == 0


async def test_the_wait_for_the_answer_and_for_the_rest_of_it(face: Any, wire: Any) -> None:
    url, options = wire
    async with face.client(**options) as client:
        slow = await client.get(f"{url}/delay/{PAUSE}")
        assert slow.timing.wait >= PAUSE
        dripping = await client.get(f"{url}/drip?numbytes=3&duration={3 * PAUSE}", stream=True)
        assert dripping.timing.receive == 0
        await client.read(dripping)
        assert dripping.timing.receive >= PAUSE
        timing = dripping.timing
        assert timing.total >= timing.wait + timing.receive


async def test_sending_content_takes_its_own_time(face: Any, wire: Any) -> None:
    url, options = wire
    async with face.client(**options) as client:
        response = await client.post(url + "/sha256", content=face.pieces(b"one", b"two", pause=PAUSE))
        timing = response.timing
        assert timing.send >= 2 * PAUSE
        assert timing.wait == pytest.approx(response.elapsed - timing.send)
        assert (await client.get(url + "/get")).timing.send == 0


async def test_waiting_in_line_is_neither_connecting_nor_the_servers_time(face: Any, origin: Origin) -> None:
    async with face.client(max_connections=1) as client:

        async def call() -> Response:
            response = await client.get(f"{origin.url}/delay/{4 * PAUSE}")
            await client.read(response)
            return response

        timings = sorted([response.timing for response in await face.together(call(), call())], key=lambda t: t.queue)
    assert timings[0].connect > 0
    assert not timings[0].reused
    assert timings[1].queue >= PAUSE
    assert timings[1].connect == 0
    assert timings[1].reused


async def test_the_handshake_of_a_proxy_counts_as_connecting(
    face: Any, hyperhttp_http2_origin: Origin, tunnels: Tunnels
) -> None:
    origin = hyperhttp_http2_origin
    async with face.client(proxies=tunnels.url, ssl_context=origin.ssl_context()) as client:
        response = await client.get(origin.https_url + "/get")
        await client.read(response)
        assert response.timing.connect >= PAUSE
        assert response.timing.tls > 0
        assert response.connection.proxy == tunnels.url.replace("user:secret@", "")
        again = await client.get(origin.https_url + "/get")
        assert again.timing.reused
        assert again.connection == response.connection


async def test_a_response_says_which_connection_it_came_over(face: Any, wire: Any) -> None:
    url, options = wire
    async with face.client(**options) as client:
        first = await client.get(url + "/get")
        second = await client.get(url + "/get")
    known = first.connection
    assert known == second.connection
    assert known.peer in ("127.0.0.1", "::1")
    assert known.proxy is None
    assert known.tls_version == ("TLSv1.3" if url.startswith("https") else None)
    assert known.alpn == ({True: "h2", False: "http/1.1"}[options["http2"]] if options else None)
    assert (known.connect, known.tls) == (first.timing.connect, first.timing.tls)


async def test_each_hop_of_a_redirect_has_times_of_its_own(face: Any, origin: Origin) -> None:
    async with face.client(follow_redirects=True) as client:
        response = await client.get(origin.url + "/redirect/1")
    assert response.timing.reused
    assert not response.history[0].timing.reused


async def test_a_request_that_met_a_closed_connection_waited_for_another_one(face: Any, scripted: Any) -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    server = scripted.by_connection([[hyperhttp.testing.ReadRequest(), ok], [hyperhttp.testing.ReadRequest(), ok]])
    async with face.client() as client:
        await client.read(await client.get(server.url))
        server.wait_closed()
        timing = (await client.get(server.url)).timing
    assert not timing.reused
    assert timing.connect > 0


async def test_a_response_made_by_hand_took_no_time() -> None:
    response = Response(200)
    assert response.timing == hyperhttp.Timing()
    assert response.connection is None
    with pytest.raises(AttributeError):
        response.timing.wait = 1.0  # type: ignore[misc]  # that is the point


async def test_the_times_survive_pickling(face: Any, origin: Origin) -> None:
    async with face.client() as client:
        response = await client.get(origin.url + "/stream-bytes/100000")
        await client.read(response)
        twin = pickle.loads(pickle.dumps(response))
    assert twin.timing == response.timing
    assert twin.connection == response.connection
