"""The servers of a case: they send what the case says, byte for byte, and write down what they are asked.

An answer is bytes, or a list of bytes and steps (`hyperhttp.testing.scripted`), or on HTTP/2 a function of
the peer and the stream. After an answer the next request is read, on the same connection where it is open.
"""

from __future__ import annotations

import ssl
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, Self

import http2
from case import AFTER, Case, Seen

from hyperhttp.testing.scripted import ScriptedServer
from hyperhttp.testing.scripts import ScriptedConnection, play
from hyperhttp.testing.tls import shared_authority

AFTER_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(AFTER), AFTER)
MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
PATIENCE = 60.0  # seconds a connection may wait for its client; the runner ends cases earlier


@dataclass(frozen=True, slots=True)
class Endless:
    """Send the same bytes until the client closes, or `limit` bytes are sent; then wait for the client."""

    piece: bytes
    limit: int = 256 * 1024 * 1024
    pause: float = 0.0

    def play(self, connection: ScriptedConnection) -> None:
        """Do it."""
        block = self.piece if self.pause else self.piece * max(1, 65536 // len(self.piece))
        sent = 0
        while sent < self.limit:
            connection.sendall(block)
            sent += len(block)
            if self.pause:
                connection.sleep(self.pause)
        connection.stall(PATIENCE)


@dataclass(frozen=True, slots=True)
class After:
    """Send these bytes when the answer has long been read, on what is then an idle connection."""

    data: bytes
    pause: float = 0.1

    def play(self, connection: ScriptedConnection) -> None:
        """Do it."""
        connection.sleep(self.pause)
        connection.sendall(self.data)


class Site:
    """The running servers of one case."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self.seen: list[Seen] = []
        self.spoke_http1 = False
        context = context_of(case.tls or ("good" if case.http2 else ""), http2=case.http2)
        self.first = ScriptedServer(self._handler("a", case.answers), tls=context or False, timeout=PATIENCE)
        self.second = ScriptedServer(self._handler("b", case.other), timeout=PATIENCE)

    def __enter__(self) -> Self:
        for answer in self.case.answers.values():
            if hasattr(answer, "prepare"):
                answer.prepare()
        self.first.start()
        if self.case.other:
            self.second.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.first.close()
        if self.case.other:
            self.second.close()
        if failures := self.first.errors + self.second.errors:
            raise failures[0]

    def url(self, text: str) -> str:
        """A URL of a step, with the servers' addresses in it."""
        first = "https://localhost" if self.case.tls or self.case.http2 else "http://127.0.0.1"
        text = text.replace("{a}", f"{first}:{self.first.port}")
        if not self.case.other:
            return text
        # Another host by name, and another port: another origin by every rule.
        authority = f"localhost:{self.second.port}"
        return text.replace("{b-authority}", authority).replace("{b}", f"http://{authority}")

    def _handler(self, server: str, answers: dict[str, Any]) -> Any:
        def handle(connection: ScriptedConnection, index: int) -> None:
            if self.case.tls == "silent":
                connection.stall(PATIENCE)
                return
            serve = self._serve_http2 if self.case.http2 else self._serve_http1
            serve(connection, server, index, answers)

        return handle

    def _serve_http1(self, connection: ScriptedConnection, server: str, index: int, answers: dict[str, Any]) -> None:
        if server == "a" and not index and self.case.opening is not None:
            connection.sendall(self.case.opening)
        if self.case.tls == "none":
            connection.recv()
            connection.sendall(MISSING)
            return
        while not connection.is_closed and (request := connection.read_request()):
            seen = seen_http1(server, index, request)
            self.seen.append(seen)
            answer = AFTER_ANSWER if seen.target.endswith("/after") else answers.get(seen.target, MISSING)
            play(self._localised(answer), connection)

    def _localised(self, answer: Any) -> Any:
        """The answer with addresses in it where it names a server."""
        if isinstance(answer, bytes):
            names = b"{a}" in answer or b"{b" in answer
            return self.url(answer.decode("latin-1")).encode("latin-1") if names else answer
        if isinstance(answer, list):
            return [self._localised(each) for each in answer]
        return answer

    def _serve_http2(self, connection: ScriptedConnection, server: str, index: int, answers: dict[str, Any]) -> None:
        try:
            peer = http2.Peer(connection, self.case.opening)
        except http2.NotHTTP2:
            self.spoke_http1 = True
            return
        while not connection.is_closed:
            stream, fields, size = peer.request()
            names = dict(fields)
            seen = Seen(server, index, names.get(":method", ""), names.get(":path", ""), fields, size)
            self.seen.append(seen)
            if seen.target.endswith("/after"):
                peer.respond(stream, AFTER)
            else:
                answers[seen.target](peer, stream)


def seen_http1(server: str, index: int, request: bytes) -> Seen:
    """A request by its bytes."""
    head, _, content = request.partition(b"\r\n\r\n")
    line, *lines = head.decode("latin-1").split("\r\n")
    method, _, rest = line.partition(" ")
    pairs = [each.partition(":") for each in lines]
    fields = [(name, value.strip()) for name, _, value in pairs]
    if content:
        fields.append((":content", content[:200].decode("latin-1")))
    return Seen(server, index, method, rest.rpartition(" ")[0], fields, len(head))


# -- certificates --------------------------------------------------------------------------------------------


@cache
def context_of(kind: str, *, http2: bool) -> ssl.SSLContext | None:
    """The TLS context of a server; None without TLS."""
    alpn = ["h2"] if http2 else []
    if kind in {"", "none", "silent"}:
        return None
    if kind == "self-signed":
        return self_signed()
    names = ("wrong.test",) if kind == "wrong-host" else ("localhost", "127.0.0.1")
    return shared_authority().server_context(names=names, alpn=alpn, is_expired=kind == "expired")


def self_signed() -> ssl.SSLContext:
    """A certificate for localhost that nobody vouches for."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    key_pem = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pair.pem"
        path.write_bytes(key_pem + certificate.public_bytes(pem))
        context.load_cert_chain(path)
    return context
