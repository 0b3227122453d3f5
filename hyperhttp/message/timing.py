"""Where the time of a request went, and the connection it went over.

Both are put together from moments that are measured anyway, when somebody looks.
"""

from __future__ import annotations

from hyperhttp._records import Record

__all__ = ["ConnectionInfo", "Timing", "work_out"]


class ConnectionInfo(Record):
    """What is known of a connection since it was opened.

    Attributes:
        id: A number no other connection of this process has.
        peer: The address it was connected to: the proxy's where there is one; the path of a Unix socket.
        proxy: The proxy's URL without credentials, or None.
        tls_version: Such as ``"TLSv1.3"``; None without TLS.
        alpn: The protocol chosen in the handshake; None without a choice.
        dns: Seconds of looking up the name.
        connect: Seconds until the peer took the connection, a proxy's own handshake included.
        tls: Seconds of TLS handshakes, that with an ``https`` proxy included.
    """

    __slots__ = ("alpn", "connect", "dns", "id", "peer", "proxy", "tls", "tls_version")

    id: int
    peer: str
    proxy: str | None
    tls_version: str | None
    alpn: str | None
    dns: float
    connect: float
    tls: float

    def __init__(
        self,
        id: int,  # noqa: A002 - the attribute's name
        peer: str,
        proxy: str | None = None,
        tls_version: str | None = None,
        alpn: str | None = None,
        dns: float = 0.0,
        connect: float = 0.0,
        tls: float = 0.0,
    ) -> None:
        self._fill(id, peer, proxy, tls_version, alpn, dns, connect, tls)


class Timing(Record):
    """Seconds of one attempt: that which the response answers, without earlier attempts and redirects.

    Attributes:
        queue: Waiting for a connection: for a free place, or for somebody else's handshake.
        dns: Looking up the name.
        connect: Until the peer took the connection, a proxy's own handshake included.
        tls: TLS handshakes.
        send: Sending the request; 0 where it left in one write.
        wait: From the request sent to the response's head.
        receive: From the head to the last byte of the content; 0 where both came together, or until it is there.
        reused: The connection was there already; then `dns`, `connect` and `tls` are 0.
    """

    __slots__ = ("connect", "dns", "queue", "receive", "reused", "send", "tls", "wait")

    queue: float
    dns: float
    connect: float
    tls: float
    send: float
    wait: float
    receive: float
    reused: bool

    def __init__(
        self,
        queue: float = 0.0,
        dns: float = 0.0,
        connect: float = 0.0,
        tls: float = 0.0,
        send: float = 0.0,
        wait: float = 0.0,
        receive: float = 0.0,
        reused: bool = False,
    ) -> None:
        self._fill(queue, dns, connect, tls, send, wait, receive, reused)

    @property
    def total(self) -> float:
        """All phases together."""
        return self.queue + self.dns + self.connect + self.tls + self.send + self.wait + self.receive


def work_out(
    info: ConnectionInfo | None, phases: tuple[float, bool, float] | None, elapsed: float, receive: float
) -> Timing:
    """The timing of an attempt.

    Args:
        info: of the connection; None where there was none.
        phases: seconds of waiting for a connection, whether one was opened, seconds of sending; None where an idle
            connection was taken and the request left in one write.
        elapsed: seconds from the request's start to the response's head.
        receive: seconds from there to the last byte.
    """
    queue, opened, send = phases or (0.0, False, 0.0)
    if info is None or not opened:
        return Timing(queue=queue, send=send, wait=elapsed - send, receive=receive, reused=info is not None)
    return Timing(queue, info.dns, info.connect, info.tls, send, elapsed - send, receive)
