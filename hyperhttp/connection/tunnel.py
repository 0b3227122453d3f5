"""Through a proxy to the target: CONNECT (RFC 9110 section 9.3.6), and whatever handshake a plugin brings.

A connector is a protocol without I/O: a generator that yields bytes to send and is given the bytes received. `pass_through`
plays it over a channel; `HTTPProxyConnector` is the core's own.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from hyperhttp.exceptions import ProxyError
from hyperhttp.network.base import NEVER, fail
from hyperhttp.protocol.http1.reader import ResponseReader
from hyperhttp.protocol.http1.writer import write_fields, write_request_line

if TYPE_CHECKING:
    from collections.abc import Generator

    from hyperhttp.auth.proxy_digest import ProxySigner
    from hyperhttp.exceptions import RemoteProtocolError
    from hyperhttp.message.url import URL
    from hyperhttp.network.base import Channel, Wait
    from hyperhttp.protocol.events import ResponseHead

__all__ = ["HTTPProxyConnector", "pass_through"]

_MAX_HANDSHAKE: Final = 262_144  # bytes a proxy may say before the tunnel is open


class HTTPProxyConnector:
    """Speaks to an HTTP proxy.

    Attributes:
        default_port: where its URL names none.
        tls: the connection to the proxy itself is TLS.
        resolves_locally: False: names are left to the proxy.
        forwards: True: requests for ``http`` targets go to the proxy in absolute-form.
        answers_challenges: True: the handshake takes what signs it.
    """

    resolves_locally = False
    forwards = True
    answers_challenges = True

    def __init__(self, *, tls: bool) -> None:
        self.tls = tls
        self.default_port = 443 if tls else 80

    def handshake(
        self, proxy: URL, host: str, port: int, signer: ProxySigner | None = None
    ) -> Generator[bytes, bytes, bytes]:
        """Ask for a tunnel to `host` and `port`.

        Args:
            proxy: its URL.
            host: of the target.
            port: of the target.
            signer: the credentials for the proxy; without it, those of the URL are sent as Basic. After a challenge that
                it can answer it says so, and the tunnel is to be asked for on another connection.

        Raises:
            ProxyError: the proxy refused it or gave no answer.
        """
        host = host.partition("%")[0]  # the zone of an address is this host's alone (RFC 6874 section 1)
        authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        target = authority.encode("ascii")
        fields = [(b"Host", target)]
        authorization = signer.authorization("CONNECT", authority) if signer is not None else _basic(proxy)
        if authorization is not None:
            fields.append((b"Proxy-Authorization", authorization))
        answer = _Answer()
        answer.expect_response("CONNECT")
        data = yield write_request_line(b"CONNECT", target) + write_fields(fields) + b"\r\n"
        while answer.head is None:
            if data:
                answer.receive_data(data)
            else:
                answer.receive_eof()
            if answer.error is not None:
                msg = (
                    f"the proxy {proxy.host}:{proxy.effective_port} broke off the tunnel to {authority}: {answer.error}"
                )
                raise ProxyError(msg, host=proxy.host, port=proxy.effective_port, phase="tunnel") from answer.error
            if answer.head is None:
                data = yield b""
        head = answer.head
        if not 200 <= head.status_code < 300:
            if head.status_code == 407 and signer is not None:
                signer.heed(head.fields, can_sign=True)
            said = f"{head.status_code} {head.reason}".rstrip()
            msg = f"the proxy {proxy.host}:{proxy.effective_port} refused the tunnel to {authority}: {said}"
            error = ProxyError(msg, host=proxy.host, port=proxy.effective_port, phase="tunnel")
            error.retryable = head.status_code >= 500 or head.status_code in (408, 429)
            raise error
        if signer is not None:
            signer.accept(head.fields)
        return b"".join(answer.rest)


def _basic(proxy: URL) -> bytes | None:
    if not proxy.userinfo:
        return None
    from base64 import b64encode

    return b"Basic " + b64encode(f"{proxy.username}:{proxy.password}".encode())


class _Answer(ResponseReader):
    """The answer to CONNECT."""

    __slots__ = ("error", "head", "rest")

    def __init__(self) -> None:
        super().__init__()
        self.head: ResponseHead | None = None
        self.error: RemoteProtocolError | None = None
        self.rest: list[bytes] = []

    def head_received(self, head: ResponseHead) -> None:
        self.head = head

    def response_received(self, head: ResponseHead, content: bytes) -> None:
        self.head = head

    def content_received(self, data: bytes) -> None:
        self.rest.append(data)

    def response_failed(self, error: RemoteProtocolError) -> None:
        self.error = error


async def pass_through(
    channel: Channel, handshake: Generator[bytes, bytes, bytes], deadline: float = NEVER, *, host: str, port: int
) -> None:
    """Play a handshake over a channel until it says that the tunnel is open.

    Args:
        channel: connected to the proxy.
        handshake: a connector's.
        deadline: the moment to give up.
        host: of the proxy, for messages.
        port: of the proxy, for messages.

    Raises:
        ProxyError: it failed, or the proxy spoke out of turn.
    """
    ear = _Ear(channel, deadline)
    channel.attach(ear)
    try:
        data = next(handshake)
        while True:
            if data:
                channel.write(data)
            data = handshake.send(await ear.hear())
    except StopIteration as stop:
        if stop.value or ear.heard:
            # The target cannot have spoken yet: TLS starts with the client, and so does HTTP.
            msg = f"the proxy {host}:{port} sent bytes after the handshake that belong to nobody"
            raise ProxyError(msg, host=host, port=port, phase="tunnel") from None
    finally:
        handshake.close()


class _Ear:
    """Receives what the proxy says during the handshake."""

    def __init__(self, channel: Channel, deadline: float) -> None:
        self._channel = channel
        self._deadline = deadline
        self._wait: Wait | None = None
        self._total = 0
        self.heard = bytearray()
        self._ended = False

    async def hear(self) -> bytes:
        """The next bytes; empty when the proxy has closed."""
        if not self.heard and not self._ended:
            self._wait = self._channel.new_wait()
            await self._wait
        data = bytes(self.heard)
        self.heard.clear()
        return data

    def _wake(self) -> None:
        wait, self._wait = self._wait, None
        if wait is not None and not wait.done():
            wait.set_result(None)

    def receive_data(self, data: bytes) -> None:
        """Bytes from the proxy."""
        self._total += len(data)
        if self._total > _MAX_HANDSHAKE:
            self.abort()
            return
        self.heard += data
        self._wake()

    def buffer_grew(self, size: int) -> None:
        """A handshake asks for no buffer."""

    def buffer_filled(self, *, more: bool) -> None:
        """A handshake asks for no buffer."""

    def receive_eof(self) -> None:
        """The proxy closed."""
        self._ended = True
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        """The channel is gone."""
        self.receive_eof()

    def write_resumed(self) -> None:
        """A handshake never fills the write buffer."""

    def remaining(self) -> float | None:
        """Seconds until the deadline of the whole dial."""
        return None if self._deadline == NEVER else max(self._deadline - time.monotonic(), 0.0)

    write_limit = remaining

    def has_answer(self) -> bool:
        """A handshake is never longer than what the system takes at once."""
        return bool(self.heard)

    def check(self, now: float) -> float:
        """Where there is no loop to end the wait, this does."""
        if now >= self._deadline:
            wait, self._wait = self._wait, None
            fail(wait, TimeoutError())
        return self._deadline

    def abort(self, error: Exception | None = None) -> None:
        """Stop at once."""
        self._channel.abort()
        self.receive_eof()
