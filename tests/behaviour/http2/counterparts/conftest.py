"""Other people's HTTP/2 servers on loopback ports, started for a module and gone with it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from random import SystemRandom
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import trustme

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hyperhttp.testing.origin import Origin

PATIENCE = 20.0  # seconds for a server to start or to stop


class Counterpart(NamedTuple):
    """A server that runs.

    Attributes:
        url: where it is, with TLS, without a slash at the end.
        options: what a client needs to trust it.
        folder: where it finds what it serves, and leaves its logs.
        others: further ports of it by name, as URLs.
    """

    url: str
    options: dict[str, Any]
    folder: Path
    others: dict[str, str]


class Certificates(NamedTuple):
    """Files for a server and a context for its client."""

    chain: Path
    key: Path
    context: ssl.SSLContext


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """A certificate for localhost by an authority of this run."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = trustme.CA()
    issued = authority.issue_cert("localhost", "127.0.0.1")
    chain, key = folder / "chain.pem", folder / "key.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    authority.configure_trust(context)
    return Certificates(chain, key, context)


def free_ports(count: int) -> list[int]:
    """Loopback ports nobody listens on, and nobody is given: below those that the system chooses from.

    One of the latter would be free only until another process, of which tests have several, asks for any port at all.
    """
    chosen = Path("/proc/sys/net/ipv4/ip_local_port_range")
    end = int(chosen.read_text().split()[0]) if chosen.exists() else 32_768
    chance = SystemRandom()  # those who ask at the same time shall not find the same one
    found: list[int] = []
    while len(found) < count:
        port = chance.randrange(10_000, end) if end > 12_000 else 0
        with suppress(OSError), socket.create_server(("127.0.0.1", port)) as listener:
            found.append(listener.getsockname()[1])
    return found


@contextmanager
def running(command: list[str], folder: Path, ports: list[int], **environment: str) -> Iterator[None]:
    """Run a server until the block is left; it has answered on its ports before the block begins."""
    log = folder / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=os.environ | environment,
            start_new_session=True,
        )
    try:
        for port in ports:
            wait_for(port, server, log)
        yield
    finally:
        stop(server)


def wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    """Return when somebody listens on the port."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{server.args!r} does not run: {log.read_text(errors='replace')[-2000:]}") from None
            time.sleep(0.02)
        else:
            return


def stop(server: subprocess.Popen[bytes]) -> None:
    """End a server and its workers, and reap it."""
    if server.poll() is None:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)  # a session of its own: nobody else is in it
    server.wait(PATIENCE)


NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    client_max_body_size 0;
    ssl_certificate {chain};
    ssl_certificate_key {key};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_request_buffering off;
    proxy_buffering off;
    server {{
        listen 127.0.0.1:{ports[0]} ssl http2;
        location / {{ proxy_pass {origin}; }}
        location /files/ {{ root {folder}; }}
        location /sha256/small {{ client_max_body_size 1k; proxy_request_buffering on; proxy_pass {origin}/sha256; }}
    }}
    server {{
        listen 127.0.0.1:{ports[1]} ssl http2;
        keepalive_requests 5;
        location / {{ proxy_pass {origin}; }}
    }}
    server {{
        listen 127.0.0.1:{ports[2]} ssl http2;
        http2_max_concurrent_streams 2;
        location / {{ proxy_pass {origin}; }}
    }}
    server {{
        listen 127.0.0.1:{ports[3]} ssl;
        location / {{ proxy_pass {origin}; }}
    }}
    server {{
        listen 127.0.0.1:{ports[4]} ssl http2;
        keepalive_timeout 1s;
        location / {{ proxy_pass {origin}; }}
    }}
}}
"""


@pytest.fixture(scope="module")
def nginx(
    tmp_path_factory: pytest.TempPathFactory, certificates: Certificates, hyperhttp_origin: Origin
) -> Iterator[Counterpart]:
    """nginx before the origin of the run."""
    program = shutil.which("nginx")
    assert program is not None
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "files").mkdir()
    (folder / "files" / "large").write_bytes(bytes(range(256)) * 4096 * 20)
    ports = free_ports(5)
    config = folder / "nginx.conf"
    config.write_text(
        NGINX.format(
            folder=folder, chain=certificates.chain, key=certificates.key, origin=hyperhttp_origin.url, ports=ports
        )
    )
    names = ("main", "few requests", "few streams", "http1", "short-lived")
    urls = dict(zip(names, (f"https://localhost:{port}" for port in ports), strict=True))
    with running([program, "-p", str(folder), "-c", str(config), "-e", str(folder / "error.log")], folder, ports):
        yield Counterpart(urls["main"], {"ssl_context": certificates.context, "timeout": 10.0}, folder, urls)


@pytest.fixture(scope="module")
def nghttpd(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Counterpart]:
    """The server of nghttp2: files, uploads sent back as they come, few streams at a time."""
    program = shutil.which("nghttpd")
    assert program is not None
    folder = tmp_path_factory.mktemp("nghttpd")
    (folder / "index.html").write_bytes(b"<p>index</p>")
    (folder / "large").write_bytes(bytes(range(256)) * 4096 * 20)
    for number in range(20):
        (folder / f"file{number}").write_bytes(f"file {number} ".encode() * (number * 100 + 1))
    ports = free_ports(2)
    command = [program, "--address=127.0.0.1", f"--htdocs={folder}", "--max-concurrent-streams=10"]
    files = [str(certificates.key), str(certificates.chain)]
    urls = {"main": f"https://localhost:{ports[0]}", "early": f"https://localhost:{ports[1]}"}
    early = folder / "early"
    early.mkdir()
    with (
        running([*command, "--echo-upload", "--trailer=x-trailer: end", str(ports[0]), *files], folder, ports[:1]),
        running([*command, "--early-response", str(ports[1]), *files], early, ports[1:]),
    ):
        yield Counterpart(urls["main"], {"ssl_context": certificates.context, "timeout": 10.0}, folder, urls)


APPLICATION = """
import asyncio
import hashlib


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    path, query = scope["path"], scope["query_string"].decode()
    async def head(status=200, fields=()):
        await send({"type": "http.response.start", "status": status, "headers": list(fields)})
    async def body(data=b"", more=False):
        await send({"type": "http.response.body", "body": data, "more_body": more})
    async def content():
        while True:
            event = await receive()
            if event["type"] == "http.disconnect":
                return
            if event.get("body"):
                yield event["body"]
            if not event.get("more_body"):
                return
    if path == "/sha256":
        digest = hashlib.sha256()
        async for piece in content():
            digest.update(piece)
        await head()
        await body(digest.hexdigest().encode())
    elif path == "/echo":
        await head()
        async for piece in content():
            await body(piece, True)
        await body()
    elif path == "/bytes":
        await head()
        piece = bytes(range(256)) * 64
        for _ in range(int(query)):
            await body(piece, True)
        await body()
    elif path == "/delay":
        await asyncio.sleep(float(query))
        await head()
        await body(query.encode())
    elif path == "/fail":
        raise RuntimeError("on purpose")
    elif path == "/endless":
        await head()
        while True:
            await body(b"x" * 1000, True)
            await asyncio.sleep(0.005)
    else:
        await head(200, [(b"x-method", scope["method"].encode()), (b"x-version", scope["http_version"].encode())])
        await body(path.encode())
"""


@pytest.fixture(scope="module")
def hypercorn(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Counterpart]:
    """Hypercorn, which speaks HTTP/2 through `h2`, with an application of its own."""
    folder = tmp_path_factory.mktemp("hypercorn")
    (folder / "application.py").write_text(APPLICATION)
    (folder / "few.toml").write_text("h2_max_concurrent_streams = 2\n")
    ports = free_ports(3)
    urls = {
        "main": f"https://localhost:{ports[0]}",
        "clear": f"http://127.0.0.1:{ports[1]}",
        "few streams": f"https://localhost:{ports[2]}",
    }
    command = [sys.executable, "-m", "hypercorn", "--graceful-timeout", "1", "application:app"]
    tls = ["--certfile", str(certificates.chain), "--keyfile", str(certificates.key)]
    few = folder / "few"
    few.mkdir()
    both = ["--bind", f"127.0.0.1:{ports[0]}", "--insecure-bind", f"127.0.0.1:{ports[1]}", *tls]
    alone = ["--config", str(folder / "few.toml"), "--bind", f"127.0.0.1:{ports[2]}", *tls]
    with (
        running([*command, *both], folder, ports[:2], PYTHONPATH=str(folder)),
        running([*command, *alone], few, ports[2:], PYTHONPATH=str(folder)),
    ):
        yield Counterpart(urls["main"], {"ssl_context": certificates.context, "timeout": 10.0}, folder, urls)
