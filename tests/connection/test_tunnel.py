"""Through a proxy: what is said to it, what is believed of what it says."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from hyperhttp.auth.proxy_digest import ProxyCredentials
from hyperhttp.connection.tunnel import HTTPProxyConnector, pass_through
from hyperhttp.errors.categories import classify
from hyperhttp.exceptions import ProxyError
from hyperhttp.message.url import URL
from tests.memory import MemoryChannel, turns

PROXY = URL("http://proxy.example:3128")
PROXY_AT: dict[str, Any] = {"host": "proxy.example", "port": 3128}


def handshake(proxy: URL = PROXY, host: str = "example.com", port: int = 443) -> Any:
    return HTTPProxyConnector(tls=False).handshake(proxy, host, port)


def answer(*pieces: bytes) -> bytes:
    """Play the answer of a proxy; gives the bytes that came behind it."""
    work = handshake()
    next(work)
    try:
        for piece in pieces:
            work.send(piece)
    except StopIteration as stop:
        rest: bytes = stop.value
        return rest
    raise AssertionError("the handshake did not end")


@pytest.mark.parametrize(("tls", "port"), [(False, 80), (True, 443)])
def test_the_kinds_of_proxy_and_their_ports(tls: bool, port: int) -> None:
    connector = HTTPProxyConnector(tls=tls)
    assert (connector.tls, connector.default_port) == (tls, port)
    assert connector.forwards
    assert not connector.resolves_locally


@pytest.mark.parametrize(
    ("host", "authority"),
    [("example.com", b"example.com:443"), ("2001:db8::1", b"[2001:db8::1]:443"), ("fe80::1%eth0", b"[fe80::1]:443")],
)
def test_connect_names_host_and_port_and_nothing_else(host: str, authority: bytes) -> None:
    said = next(handshake(host=host))
    assert said == b"CONNECT %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (authority, authority)


def test_credentials_of_the_proxy_are_sent_to_it_decoded() -> None:
    said = next(handshake(URL("http://us%40er:p%3Ass@proxy.example")))
    assert b"\r\nProxy-Authorization: Basic dXNAZXI6cDpzcw==\r\n" in said  # us@er:p:ss


@pytest.mark.parametrize(
    ("status", "retryable"),
    [(403, False), (407, False), (404, False), (302, False), (408, True), (429, True), (502, True)],
)
def test_a_refusal_that_will_be_the_same_next_time_is_not_tried_again(status: int, retryable: bool) -> None:
    work = handshake()
    next(work)
    with pytest.raises(ProxyError) as caught:
        work.send(b"HTTP/1.1 %d No\r\nContent-Length: 0\r\n\r\n" % status)
    assert caught.value.retryable == retryable
    assert classify(caught.value) == ("CONNECTION" if retryable else "CLIENT")


def test_a_signer_says_what_is_sent_and_hears_what_is_asked_for() -> None:
    credentials = ProxyCredentials("alice", "s3cret", b"Basic x")
    signer = credentials.begin()
    connector = HTTPProxyConnector(tls=False)
    assert connector.answers_challenges
    work = connector.handshake(PROXY, "example.com", 443, signer)
    assert b"\r\nProxy-Authorization: Basic x\r\n" in next(work)
    asks = b'Proxy-Authenticate: Digest realm="r", nonce="n", qop="auth"\r\nContent-Length: 0\r\n\r\n'
    with pytest.raises(ProxyError, match="407"):
        work.send(b"HTTP/1.1 407 No\r\n" + asks)
    assert signer.sends_again
    work = connector.handshake(PROXY, "example.com", 443, signer)
    assert b'\r\nProxy-Authorization: Digest username="alice"' in next(work)
    with pytest.raises(ProxyError, match="407"):
        work.send(b"HTTP/1.1 407 No\r\n" + asks)
    assert not signer.sends_again


@pytest.mark.parametrize("host", ["exa mple", "a\r\nX: y", "a\0b"])
def test_what_would_break_the_request_line_is_refused(host: str) -> None:
    with pytest.raises((ProxyError, ValueError)):
        next(handshake(host=host))


@pytest.mark.parametrize(
    "pieces",
    [
        [b"HTTP/1.1 200 OK\r\n\r\n"],
        [b"HTTP/1.0 200 Connection established\r\nVia: x\r\n\r\n"],
        [b"HTTP/1.1 299 Whatever\r\nContent-Length: 5\r\n\r\n"],
        [b"HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"],
        [bytes([byte]) for byte in b"HTTP/1.1 200 OK\r\n\r\n"],
    ],
)
def test_any_2xx_opens_the_tunnel_whatever_its_fields_say_about_content(pieces: list[bytes]) -> None:
    assert answer(*pieces) == b""


def test_bytes_behind_the_answer_are_given_back() -> None:
    assert answer(b"HTTP/1.1 200 OK\r\n\r\nextra") == b"extra"


@pytest.mark.parametrize(
    "status", [b"407 Proxy Authentication Required", b"403 Forbidden", b"502 Bad Gateway", b"302 x"]
)
def test_a_refusal_is_a_proxy_error_with_status_and_target(status: bytes) -> None:
    work = handshake()
    next(work)
    with pytest.raises(
        ProxyError, match=r"proxy\.example:3128 refused the tunnel to example\.com:443: \d\d\d"
    ) as caught:
        work.send(b"HTTP/1.1 " + status + b"\r\nContent-Length: 2\r\n\r\nno")
    assert status.split()[0].decode() in str(caught.value)
    assert (caught.value.host, caught.value.port, caught.value.phase) == ("proxy.example", 3128, "tunnel")


@pytest.mark.parametrize(
    "data", [b"", b"SSH-2.0-x\r\n", b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n", b"x" * 70_000]
)
def test_whatever_is_no_answer_is_a_proxy_error_with_its_cause(data: bytes) -> None:
    work = handshake()
    next(work)
    with pytest.raises(ProxyError, match="broke off the tunnel to") as caught:
        work.send(data)
    assert caught.value.__cause__ is not None


def test_no_secret_is_shown_in_the_error() -> None:
    work = handshake(URL("http://user:hunter2@proxy.example"))
    next(work)
    with pytest.raises(ProxyError) as caught:
        work.send(b"HTTP/1.1 407 No\r\n\r\n")
    assert "hunter2" not in f"{caught.value}{caught.value!r}{caught.value.__cause__}"


# -- over a channel ----------------------------------------------------------------------------------------------


async def test_a_handshake_is_played_to_its_end() -> None:
    channel = MemoryChannel()

    def talk() -> Any:
        assert (yield b"one") == b"1"
        assert (yield b"") == b"more"
        assert (yield b"two") == b"2"
        return b""

    playing = asyncio.ensure_future(pass_through(channel, talk(), **PROXY_AT))
    for said in (b"1", b"more", b"2"):
        await turns()
        channel.feed(said)
    await playing
    assert channel.written == [b"one", b"two"]
    assert not channel.closed


async def test_bytes_that_belong_to_nobody_are_refused() -> None:
    channel = MemoryChannel()
    playing = asyncio.ensure_future(pass_through(channel, handshake(), **PROXY_AT))
    await turns()
    channel.feed(b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 poison\r\n\r\n")
    with pytest.raises(ProxyError, match=r"proxy.example:3128 sent bytes .* belong to nobody") as caught:
        await playing
    assert (caught.value.host, caught.value.port, caught.value.phase) == ("proxy.example", 3128, "tunnel")


@pytest.mark.parametrize("end", ["eof", "lost"])
async def test_a_proxy_that_leaves_is_a_proxy_error(end: str) -> None:
    channel = MemoryChannel()
    playing = asyncio.ensure_future(pass_through(channel, handshake(), **PROXY_AT))
    await turns()
    channel.eof() if end == "eof" else channel.lose(ConnectionResetError())
    with pytest.raises(ProxyError, match="broke off"):
        await playing


async def test_a_proxy_that_talks_without_end_is_cut_off() -> None:
    channel = MemoryChannel()

    def talk() -> Any:
        data = yield b"hello"
        while data:
            data = yield b""
        raise ProxyError("it left")

    playing = asyncio.ensure_future(pass_through(channel, talk(), **PROXY_AT))
    await turns()
    for _ in range(20):
        channel.feed(b"x" * 65_536)
        await turns()
    with pytest.raises(ProxyError, match="it left"):
        await playing
    assert channel.aborted


async def test_a_handshake_that_fails_is_closed() -> None:
    closed: list[bool] = []

    def talk() -> Any:
        try:
            yield b"x"
        finally:
            closed.append(True)

    channel = MemoryChannel()
    playing = asyncio.ensure_future(pass_through(channel, talk(), **PROXY_AT))
    await turns()
    playing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await playing
    assert closed == [True]


async def test_the_ear_knows_the_deadline_where_no_loop_does() -> None:
    channel = MemoryChannel()
    now = time.monotonic()
    playing = asyncio.ensure_future(pass_through(channel, handshake(), now + 5, **PROXY_AT))
    await turns()
    ear = channel.receiver
    assert 4 < ear.remaining() <= 5
    assert 4 < ear.write_limit() <= 5
    ear.check(now + 5)
    with pytest.raises(TimeoutError):
        await playing
