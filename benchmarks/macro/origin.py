"""The server every client talks to: one nginx worker, pinned to one core, in a directory of its own.

Four listeners on loopback: plain HTTP/1.1, TLS that offers HTTP/1.1 only, TLS that offers HTTP/2, and one
for nginx's own counters. Static files of several sizes, kept open by nginx. Everything lives in a temporary
directory that is removed at the end; nothing of the system's nginx configuration is read.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Self

KIB = 1024
MIB = 1024 * KIB

SIZES = {"200B": 200, "10KiB": 10 * KIB, "1MiB": MIB, "64MiB": 64 * MIB, "512MiB": 512 * MIB}

# Below this, reading the file and writing head and body with one call is cheaper for nginx than corking the
# socket and calling sendfile.
SENDFILE_FROM = 4 * KIB

CONFIGURATION = """
worker_processes 1;
daemon off;
{user}
pid nginx.pid;
error_log error.log warn;
worker_rlimit_nofile 65536;
events {{ worker_connections 16384; multi_accept on; }}
http {{
    access_log off;
    default_type application/octet-stream;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    keepalive_timeout 1h; keepalive_requests 1000000000;
    http2_max_concurrent_streams 128; http2_chunk_size 16k;
    open_file_cache max=64 inactive=1h; open_file_cache_valid 1h; open_file_cache_min_uses 1;
    tcp_nodelay on; tcp_nopush on;
    ssl_certificate server.pem; ssl_certificate_key server.key;
    ssl_protocols TLSv1.2 TLSv1.3; ssl_session_cache shared:tls:4m;
    # As many bytes as the major version of the protocol: a driver that returns lengths can tell them apart.
    map $server_protocol $major {{ "HTTP/2.0" "22"; default "1"; }}
    server {{
        listen 127.0.0.1:{plain} backlog=4096;
        listen 127.0.0.1:{tls} ssl backlog=4096;
        {locations}
    }}
    server {{
        listen 127.0.0.1:{h2} ssl http2 backlog=4096;
        {locations}
    }}
    server {{
        listen 127.0.0.1:{status};
        location / {{ stub_status; }}
    }}
}}
"""

LOCATIONS = """
        root files;
        location /small/ { sendfile off; }
        location /large/ { sendfile on; }
        # The head at once and the rest of the body a second later: requests made together overlap, so that
        # each gets a connection of its own.
        location /slow/ { alias files/small/; limit_rate 300; }
        location = /protocol { return 200 $major; }
"""


@dataclass(frozen=True, slots=True)
class Counters:
    """What nginx has counted since it started (`stub_status`)."""

    accepted: int
    requests: int
    active: int


class Origin:
    """A running nginx; a context manager."""

    def __init__(self, core: int | None) -> None:
        self.core = core
        self.directory = Path(tempfile.mkdtemp(prefix="hyperhttp-origin-"))
        self.ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def cafile(self) -> str:
        """The certificate authority the TLS listeners' certificate was signed by."""
        return str(self.directory / "ca.pem")

    @property
    def worker(self) -> int:
        """Process id of the one worker."""
        master = self._process.pid
        children = Path(f"/proc/{master}/task/{master}/children").read_text().split()
        if len(children) != 1:
            msg = f"nginx has {len(children)} workers, not one"
            raise RuntimeError(msg)
        return int(children[0])

    def base(self, *, tls: bool, http2: bool) -> str:
        """Scheme and authority of the listener for a protocol."""
        scheme = "https" if tls else "http"
        name = "h2" if http2 else "tls" if tls else "plain"
        return f"{scheme}://127.0.0.1:{self.ports[name]}"

    def counters(self) -> Counters:
        """nginx's counters; asking costs one connection and one request, which are counted too."""
        url = f"http://127.0.0.1:{self.ports['status']}/"
        with urllib.request.urlopen(url, timeout=10) as response:
            text = response.read().decode()
        active = int(re.search(r"Active connections: (\d+)", text)[1])
        accepted, _, requests = map(int, re.search(r"(\d+) (\d+) (\d+)", text).groups())
        return Counters(accepted, requests, active)

    def __enter__(self) -> Self:
        try:
            self._write()
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop nginx and remove its directory."""
        if self._process is not None:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        shutil.rmtree(self.directory, ignore_errors=True)

    def _write(self) -> None:
        for name, size in SIZES.items():
            kind = "small" if size < SENDFILE_FROM else "large"
            path = self.directory / "files" / kind / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if size <= MIB:
                path.write_bytes(b"x" * size)
            else:  # sparse: takes no disk
                with path.open("wb") as file:
                    file.truncate(size)
        make_certificates(self.directory)
        self.ports = dict(zip(("plain", "tls", "h2", "status"), free_ports(4), strict=True))
        # As root, nginx would drop to a user that cannot read a private directory.
        user = "user root;" if os.geteuid() == 0 else ""
        text = CONFIGURATION.format(user=user, locations=LOCATIONS, **self.ports)
        (self.directory / "nginx.conf").write_text(text)

    def _start(self) -> None:
        command = ["nginx", "-p", str(self.directory), "-c", "nginx.conf", "-e", "error.log"]
        self._process = subprocess.Popen(command, preexec_fn=pinned(self.core), stdin=subprocess.DEVNULL)
        deadline = time.monotonic() + 10
        while True:
            if self._process.poll() is not None:
                log = self.directory / "error.log"
                msg = f"nginx stopped: {log.read_text() if log.exists() else 'no error log'}"
                raise RuntimeError(msg)
            with contextlib.suppress(OSError):
                self.counters()
                return
            if time.monotonic() > deadline:
                msg = "nginx does not answer after 10 s"
                raise RuntimeError(msg)
            time.sleep(0.02)


def path_of(body: str) -> str:
    """The path of the file of that name on the origin."""
    return f"/{'small' if SIZES[body] < SENDFILE_FROM else 'large'}/{body}"


def pinned(core: int | None):
    """A `preexec_fn` that binds the new process to one core; None leaves it alone."""
    if core is None:
        return None
    return lambda: os.sched_setaffinity(0, {core})


def make_certificates(directory: Path) -> None:
    """A certificate authority and a certificate for 127.0.0.1 signed by it, with the openssl command.

    Two certificates rather than a self-signed one, because rustls refuses an authority as a server.
    """
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30")
    authority = ("-subj", "/CN=benchmark authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign")
    server = ("-subj", "/CN=localhost", "-addext", "basicConstraints=critical,CA:FALSE")
    names = ("-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-addext", "extendedKeyUsage=serverAuth")
    signed = ("-CA", "ca.pem", "-CAkey", "ca.key")
    for arguments in (
        (*key, *authority, "-keyout", "ca.key", "-out", "ca.pem"),
        (*key, *server, *names, *signed, "-keyout", "server.key", "-out", "server.pem"),
    ):
        command = ["openssl", "req", "-x509", *arguments]
        subprocess.run(command, cwd=directory, check=True, capture_output=True)


def free_ports(count: int) -> list[int]:
    """Ports that were free a moment ago, on loopback."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def require(*programs: str) -> list[str]:
    """Those of the named programs that are not on the path."""
    return [program for program in programs if shutil.which(program) is None]
