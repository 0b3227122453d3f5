"""Other people's proxies on loopback ports, started when a test asks for them and gone with the run.

Files of theirs are in a folder that everybody may read, because those that are started as root change to users of
their own.
"""

from __future__ import annotations

import selectors
import shutil
import socket
import ssl
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import trustme

from hyperhttp.testing import Origin
from tests.behaviour.http2.counterparts.conftest import free_ports, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hyperhttp.testing.scripted import ScriptedConnection

USER, PASSWORD = "alice", "s3cret"
CREDENTIALS = f"{USER}:{PASSWORD}"
#: The password as ``openssl passwd -apr1`` writes it.
HASHED = "$apr1$saltsalt$64vPg1.FPS6FtcYJ7Ti1V."


class ProxyServer(NamedTuple):
    """A proxy that runs.

    Attributes:
        ports: its ports by name.
        folder: where its logs are.
    """

    ports: dict[str, int]
    folder: Path

    def url(self, name: str = "open", credentials: str = "", scheme: str = "http") -> str:
        """The URL of one of its ports."""
        at = f"{credentials}@" if credentials else ""
        host = "localhost" if scheme == "https" else "127.0.0.1"
        return f"{scheme}://{at}{host}:{self.ports[name]}"


@pytest.fixture(scope="session")
def public_folder() -> Iterator[Callable[[str], Path]]:
    """Makes folders that every user may write to."""
    made = []

    def make(name: str) -> Path:
        folder = Path(tempfile.mkdtemp(prefix=f"hyperhttp-{name}-"))
        folder.chmod(0o777)
        made.append(folder)
        return folder

    yield make
    for folder in made:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def proxy_authority() -> trustme.CA:
    """Who vouches for proxies; not for origins."""
    return trustme.CA()


SQUID = """
http_port 127.0.0.1:{ports[open]} name=open
http_port 127.0.0.1:{ports[basic]} name=basic
http_port 127.0.0.1:{ports[digest]} name=digest
http_port 127.0.0.1:{ports[either]} name=either
https_port 127.0.0.1:{ports[tls]} name=tls tls-cert={folder}/chain.pem tls-key={folder}/key.pem
https_port 127.0.0.1:{ports[tls_basic]} name=tls_basic tls-cert={folder}/chain.pem tls-key={folder}/key.pem
pid_filename {folder}/squid.pid
access_log stdio:{folder}/access.log
cache_log {folder}/cache.log
coredump_dir {folder}
cache deny all
cache_mem 4 MB
server_persistent_connections off
pinger_enable off
netdb_filename none
shutdown_lifetime 0 seconds
visible_hostname squid.test
auth_param digest program {helpers}/digest_file_auth {folder}/digest
auth_param digest children 1 startup=0
auth_param digest realm squid
auth_param basic program {helpers}/basic_ncsa_auth {folder}/basic
auth_param basic children 1 startup=0
auth_param basic realm squid
acl open_port myportname open tls
acl basic_port myportname basic tls_basic
acl digest_port myportname digest
acl either_port myportname either
auth_schemes basic basic_port
auth_schemes digest digest_port
auth_schemes digest,basic either_port
acl known proxy_auth REQUIRED
acl forbidden dstdomain forbidden.test
http_access deny forbidden
http_access allow open_port
http_access allow known
http_access deny all
"""


@pytest.fixture(scope="session")
def squid(public_folder: Callable[[str], Path], proxy_authority: trustme.CA) -> Iterator[ProxyServer]:
    """squid with a port for everybody, one for each way to ask for credentials, and TLS."""
    program = shutil.which("squid")
    assert program is not None
    folder = public_folder("squid")
    names = ("open", "basic", "digest", "either", "tls", "tls_basic")
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    issued = proxy_authority.issue_cert("localhost")
    (folder / "chain.pem").write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    (folder / "key.pem").chmod(0o644)  # squid reads it as a user of its own
    (folder / "digest").write_text(f"{CREDENTIALS}\n")
    (folder / "basic").write_text(f"{USER}:{HASHED}\n")
    config = folder / "squid.conf"
    config.write_text(SQUID.format(ports=ports, folder=folder, helpers="/usr/lib/squid"))
    with running([program, "-N", "-f", str(config)], folder, list(ports.values())):
        yield ProxyServer(ports, folder)


TINYPROXY = """
Listen 127.0.0.1
Port {port}
Timeout 30
LogFile "{folder}/tinyproxy.log"
PidFile "{folder}/tinyproxy.pid"
MaxClients 50
{more}
"""


@pytest.fixture(scope="session")
def tinyproxy(public_folder: Callable[[str], Path]) -> Iterator[ProxyServer]:
    """tinyproxy, one for everybody and one that asks for credentials."""
    program = shutil.which("tinyproxy")
    assert program is not None
    ports = dict(zip(("open", "basic"), free_ports(2), strict=True))
    folders = {name: public_folder(f"tinyproxy-{name}") for name in ports}
    for name, folder in folders.items():
        more = f"BasicAuth {USER} {PASSWORD}" if name == "basic" else ""
        (folder / "tinyproxy.conf").write_text(TINYPROXY.format(port=ports[name], folder=folder, more=more))
    commands = {name: [program, "-d", "-c", str(folder / "tinyproxy.conf")] for name, folder in folders.items()}
    with (
        running(commands["open"], folders["open"], [ports["open"]]),
        running(commands["basic"], folders["basic"], [ports["basic"]]),
    ):
        yield ProxyServer(ports, folders["open"])


@pytest.fixture(scope="session")
def microsocks(public_folder: Callable[[str], Path]) -> Iterator[ProxyServer]:
    """microsocks, a SOCKS5 server: one for everybody and one that asks for credentials."""
    program = shutil.which("microsocks")
    assert program is not None
    ports = dict(zip(("open", "login"), free_ports(2), strict=True))
    folder, other = public_folder("microsocks"), public_folder("microsocks-login")
    command = [program, "-i", "127.0.0.1", "-p"]
    with (
        running([*command, str(ports["open"])], folder, [ports["open"]]),
        running([*command, str(ports["login"]), "-u", USER, "-P", PASSWORD], other, [ports["login"]]),
    ):
        yield ProxyServer(ports, folder)


DANTE = """
logoutput: {folder}/dante.log
internal: 127.0.0.1 port = {port}
external: 127.0.0.1
clientmethod: none
socksmethod: none
client pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
socks block {{ from: 0.0.0.0/0 to: 127.0.0.1/32 port = 9 }}
socks pass {{ from: 0.0.0.0/0 to: 0.0.0.0/0 }}
"""


@pytest.fixture(scope="session")
def dante(public_folder: Callable[[str], Path]) -> Iterator[ProxyServer]:
    """The SOCKS server of Dante, which speaks version 4 too."""
    program = shutil.which("danted")
    assert program is not None
    folder = public_folder("dante")
    (port,) = free_ports(1)
    (folder / "danted.conf").write_text(DANTE.format(port=port, folder=folder))
    with running([program, "-f", str(folder / "danted.conf")], folder, [port]):
        yield ProxyServer({"open": port}, folder)


# -- targets -----------------------------------------------------------------------------------------------------


@pytest.fixture
def target(hyperhttp_http2_origin: Origin) -> Iterator[Origin]:
    """An origin that speaks HTTP/1.1 and, with TLS, HTTP/2."""
    hyperhttp_http2_origin.clear()
    yield hyperhttp_http2_origin
    assert hyperhttp_http2_origin.errors == []


@pytest.fixture
def trust(target: Origin, proxy_authority: trustme.CA, tmp_path: Path) -> dict[str, Any]:
    """What a client needs to trust the target and the proxies."""
    both = tmp_path / "both.pem"
    both.write_bytes(Path(target.ca_pem).read_bytes() + proxy_authority.cert_pem.bytes())
    return {"verify": str(both), "timeout": 20.0}


@pytest.fixture(scope="session")
def other_target() -> Iterator[Origin]:
    """A second origin."""
    with Origin() as origin:
        yield origin


# -- a look at the wire ------------------------------------------------------------------------------------------


def tap(port: int) -> Callable[[ScriptedConnection, int], None]:
    """A handler for a scripted server that passes bytes on to a proxy; what came stays in ``received``."""
    return lambda connection, _: relay(connection, "127.0.0.1", port)


def relay(connection: ScriptedConnection, host: str, port: int, greeting: bytes = b"") -> None:
    """Pass bytes on in both directions until one side closes; the greeting comes when there is a connection."""
    with socket.create_connection((host, port), timeout=10) as other, selectors.DefaultSelector() as both:
        if greeting:
            connection.sendall(greeting)
        both.register(connection.sock, selectors.EVENT_READ, (connection.recv, other.sendall))
        both.register(other, selectors.EVENT_READ, (lambda: other.recv(65536), connection.sendall))
        while True:
            for key, _events in both.select(10):
                receive, send = key.data
                data = receive()
                while isinstance(key.fileobj, ssl.SSLSocket) and key.fileobj.pending():
                    data += receive()  # what TLS holds back does not show on the socket
                if not data:
                    return
                send(data)


def heads(connection: ScriptedConnection) -> list[str]:
    """The request heads a tap has seen on one connection, as far as they are text."""
    found = []
    for piece in bytes(connection.received).split(b"\r\n\r\n"):
        line = piece.partition(b"\r\n")[0]
        if line.endswith(b" HTTP/1.1"):
            found.append(piece.decode("ascii").lower())
    return found
