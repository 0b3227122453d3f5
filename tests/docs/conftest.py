"""The world in which the snippets of the documentation run: nothing outside the loopback interface.

`World` is a local origin with TLS and HTTP/2 that stands for every host the documentation names, a proxy that
stands for the proxy it names, and the files its uploads read. `World.localised` puts the local addresses in
the place of the documented ones; nothing else in a snippet changes.
"""

from __future__ import annotations

import re
import select
import socket
import socketserver
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from hyperhttp.testing import Exchange, Origin, Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The hosts that snippets may name; each stands for the local origin.
HOSTS = re.compile(
    r"(?:https|(?P<socket>wss))://(?:api\.example\.com|example\.com|example\.org|httpbin\.org)(?![\w.:-])"
)
#: The proxy that snippets may name, with or without credentials.
PROXY = re.compile(r"(?<=://)((?:[\w:]+@)?)proxy\.example\.com:3128")
#: Files that snippets read, and how large they are.
FILES = {"report.pdf": 4096, "me.png": 512, "big.bin": 3 * 1024 * 1024}


class World:
    """Where the names of the documentation lead.

    Attributes:
        origin: stands for all hosts.
        proxy: stands for the proxy.
    """

    def __init__(self, origin: Origin, proxy: LocalProxy) -> None:
        self.origin = origin
        self.proxy = proxy

    def localised(self, source: str) -> str:
        """A snippet with local addresses."""
        url = self.origin.https_url
        source = HOSTS.sub(lambda found: url.replace("https", "wss") if found["socket"] else url, source)
        return PROXY.sub(rf"\g<1>127.0.0.1:{self.proxy.port}", source)


@pytest.fixture(scope="session")
def documented_origin() -> Iterator[Origin]:
    """The origin for all snippets of the run."""
    with Origin(tls=True, http2=True) as origin:
        add_routes(origin)
        yield origin


@pytest.fixture
def world(documented_origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    """The local addresses, the trust in the origin's certificate, and a folder with the files."""
    documented_origin.clear()
    monkeypatch.setenv("SSL_CERT_FILE", documented_origin.ca_pem)
    monkeypatch.chdir(tmp_path)
    for name, size in FILES.items():
        Path(name).write_bytes(bytes(size))
    Path("ca.pem").write_bytes(Path(documented_origin.ca_pem).read_bytes())
    Path("client.pem").write_bytes(Path(documented_origin.client_cert).read_bytes())
    with running_proxy() as proxy:
        yield World(documented_origin, proxy)


def add_routes(origin: Origin) -> None:
    """What httpbin does not have: a small API, a page, a large file."""
    anything = origin.route

    @anything("/users", methods=("GET", "POST"))
    @anything("/users/{number}", methods=("GET", "PATCH", "PUT", "DELETE"))
    @anything("/search")
    @anything("/things")
    @anything("/data")
    @anything("/blob", methods=("PUT",))
    @anything("/v2/{rest*}", methods=("GET", "POST"))
    def item(exchange: Exchange) -> Reply:
        body = exchange.body.decode("latin-1").replace('"', "'")
        target = exchange.request.target
        text = f'{{"method": "{exchange.request.method}", "target": "{target}", "content": "{body}"}}'
        return Reply(200, [("Content-Type", "application/json")], text.encode())

    @anything("/protected")
    @anything("/me")
    def protected(exchange: Exchange) -> Reply:
        given = exchange.headers.get("authorization", "")
        return Reply(200 if given else 401, [("Content-Type", "text/plain")], given.partition(" ")[0].encode())

    @anything("/login", methods=("POST",))
    def login(exchange: Exchange) -> Reply:
        return Reply(204, [("Set-Cookie", "session=abc; Path=/; HttpOnly")])

    @anything("/profile")
    def profile(exchange: Exchange) -> Reply:
        return Reply(200, [("Content-Type", "text/plain")], exchange.headers.get("cookie", "").encode())

    @anything("/large.bin")
    def large(exchange: Exchange) -> Reply:
        return Reply(200, [("Content-Type", "application/octet-stream")], bytes(1_000_000))

    @anything("/log.txt")
    def log(exchange: Exchange) -> Reply:
        return Reply(200, [("Content-Type", "text/plain; charset=utf-8")], b"first\nsecond\nthird\n")


# -- a proxy -----------------------------------------------------------------------------------------------


class LocalProxy(socketserver.ThreadingTCPServer):
    """An HTTP proxy: tunnels for CONNECT, absolute-form for the rest.

    Attributes:
        heads: the request heads it has seen, as text.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Proxying)
        self.heads: list[str] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Proxying(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        server: Any = self.server
        data = b""
        while b"\r\n\r\n" not in data:
            more = self.request.recv(65536)
            if not more:
                return
            data += more
        head, _, rest = data.partition(b"\r\n\r\n")
        server.heads.append(head.decode("latin-1"))
        method, target, version = head.partition(b"\r\n")[0].split(b" ")
        authority, slash, path = target.removeprefix(b"http://").partition(b"/")
        host, _, port = authority.decode("ascii").rpartition(":")
        with socket.create_connection((host, int(port)), timeout=10) as upstream:
            if method == b"CONNECT":
                self.request.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            else:
                line = b" ".join((method, slash + path, version))
                upstream.sendall(line + b"\r\n" + head.partition(b"\r\n")[2] + b"\r\n\r\n" + rest)
            _carry(self.request, upstream)


def _carry(one: socket.socket, other: socket.socket) -> None:
    """Bytes from each to the other until one of them ends."""
    towards = {one: other, other: one}
    while True:
        for source in select.select(list(towards), [], [])[0]:
            try:
                data = source.recv(65536)
                towards[source].sendall(data)
            except OSError:
                return
            if not data:
                return


@contextmanager
def running_proxy() -> Iterator[LocalProxy]:
    """A proxy on a free port, in a thread."""
    with LocalProxy() as proxy:
        thread = threading.Thread(target=proxy.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
