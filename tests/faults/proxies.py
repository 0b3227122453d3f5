"""Proxies that go wrong at a moment of their choice; what they lead to is played at their own end of the tunnel.

A proxy that forwards is a server like another one, but for the request's target. A tunnel, by CONNECT or by SOCKS5, has
moments of its own, at which a fault of `tests.faults.cases` can happen as well:

    def closes(line):
        line.lead("tunnel", part=True)  # the first half of the answer to the wish for a tunnel
        line.close()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from tests.faults.hostile import HostileServer, Line, Wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from hyperhttp.testing.scripted import ScriptedConnection, ScriptedServerFactory

PROXY = "proxy.test"
OPENED = b"HTTP/1.1 200 Connection established\r\n\r\n"


class Way(NamedTuple):
    """A kind of proxy, and what is spoken through it."""

    kind: str
    wire: Wire

    def __str__(self) -> str:
        return f"{self.kind}-{self.wire}"

    @property
    def has_tunnel(self) -> bool:
        """Whether there is something to agree on before the server is spoken to."""
        return self.kind != "forward"


WAYS = (
    Way("forward", Wire(http2=False, tls=False)),
    Way("connect", Wire(http2=False, tls=True)),
    Way("connect", Wire(http2=True, tls=True)),
    Way("socks5h", Wire(http2=False, tls=False)),
    Way("socks5h", Wire(http2=True, tls=True)),
)


def hear_connect(connection: ScriptedConnection) -> None:
    """The head of a CONNECT."""
    assert connection.read_until(b"\r\n\r\n").startswith(b"CONNECT hostile.test:")


def hear_methods(connection: ScriptedConnection) -> None:
    """The ways to log in that a client offers (RFC 1928 section 3)."""
    assert connection.read_exactly(3) == b"\x05\x01\x00"


def hear_target(connection: ScriptedConnection) -> None:
    """Where the client wants to go, by name (section 4)."""
    assert connection.read_exactly(4) == b"\x05\x01\x00\x03"
    (size,) = connection.read_exactly(1)
    assert connection.read_exactly(size + 2)[:-2] == b"hostile.test"


#: What is heard and what is answered until there is a tunnel, by moment.
STEPS: dict[str, dict[str, tuple[Callable[[ScriptedConnection], None], bytes]]] = {
    "forward": {},
    "connect": {"tunnel": (hear_connect, OPENED)},
    "socks5h": {
        "greeting": (hear_methods, b"\x05\x00"),
        "tunnel": (hear_target, b"\x05\x00\x00\x01" + bytes(6)),
    },
}


class ProxyLine(Line):
    """One connection to a proxy."""

    def __init__(self, connection: ScriptedConnection, server: HostileProxy) -> None:
        super().__init__(connection, server)
        self.kind = server.kind

    def lead(self, until: str = "", *, part: bool = False) -> bytes:
        """Agree on a tunnel, up to the answer of this moment or the first half of it; gives what was not said of it."""
        for moment, (hear, answer) in STEPS[self.kind].items():
            hear(self.connection)
            if moment == until:
                said = answer[: len(answer) // 2] if part else b""
                if said:
                    self.send(said)
                return answer.removeprefix(said)
            self.send(answer)
        return b""


class HostileProxy(HostileServer):
    """A proxy whose connections go wrong by `fault` until `recover` is called, and the server behind it.

    Attributes:
        kind: of proxy.
    """

    def __init__(
        self, scripted: ScriptedServerFactory, face: Any, way: Way, fault: Callable[[ProxyLine], object]
    ) -> None:
        self.kind = way.kind
        super().__init__(scripted, face, way.wire, fault)  # type: ignore[arg-type]
        scheme = "socks5h" if way.kind == "socks5h" else "http"
        self.options["proxies"] = f"{scheme}://{PROXY}:{self.port}"

    def _play(self, connection: ScriptedConnection, _: int) -> None:
        line = ProxyLine(connection, self)
        if self.healthy.is_set():
            line.lead()
            line.agree()
            line.speech.serve()
        else:
            self._fault(line)
