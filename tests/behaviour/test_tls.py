"""TLS: nobody is trusted by accident, and each kind of trust has its own connections."""

from __future__ import annotations

import asyncio
import gc
import shutil
import ssl
import subprocess
import time
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp
from hyperhttp.network.aio import AioChannel
from hyperhttp.network.blocking import BlockingChannel
from hyperhttp.testing.origin import Origin
from hyperhttp.testing.scripted import Drop, ReadRequest, Stall

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hyperhttp.testing.scripted import ScriptedServerFactory


@pytest.fixture(scope="module")
def mutual() -> Iterator[Origin]:
    """An origin that wants a client certificate."""
    with Origin(tls=True, verify_client=True) as origin:
        yield origin


async def test_an_unknown_authority_is_refused(face: Any, origin: Origin) -> None:
    before = len(origin.requests)
    async with face.client() as client:
        with pytest.raises(hyperhttp.TLSError, match="localhost") as caught:
            await client.get(origin.https_url + "/get")
        assert caught.value.request is not None
        assert not caught.value.retryable
        assert client.raw.get_pool_stats() == {}
    assert len(origin.requests) == before


@pytest.mark.parametrize("how", ["verify", "ssl_context", "verify=False", "environment"])
async def test_the_ways_to_trust(face: Any, origin: Origin, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if how == "environment":
        monkeypatch.setenv("SSL_CERT_FILE", origin.ca_pem)
    options: dict[str, Any] = {
        "verify": {"verify": origin.ca_pem},
        "ssl_context": {"ssl_context": origin.ssl_context()},
        "verify=False": {"verify": False},
        "environment": {},
    }[how]
    async with face.client(**options) as client:
        response = await client.get(origin.https_url + "/get")
        assert (await client.json(response))["url"].startswith("https://localhost:")


@pytest.mark.needs("openssl")
async def test_the_environment_may_name_a_directory_of_authorities(
    face: Any, origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    shutil.copy(origin.ca_pem, tmp_path / "ca.pem")
    subprocess.run(["openssl", "rehash", str(tmp_path)], check=True, timeout=30, capture_output=True)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    async with face.client() as client:
        assert (await client.get(origin.https_url + "/get")).status_code == 200
    async with face.client(trust_env=False) as client:
        with pytest.raises(hyperhttp.TLSError):
            await client.get(origin.https_url + "/get")


async def test_the_systems_authorities_may_be_asked_for(
    face: Any, origin: Origin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", origin.ca_pem)  # which an explicit argument beats
    async with face.client(verify="system") as client:
        with pytest.raises(hyperhttp.TLSError, match="not trusted"):
            await client.get(origin.https_url + "/get")
    monkeypatch.setattr("hyperhttp.network.tls.usual_stores", lambda: (origin.ca_pem,))
    async with face.client(verify="system") as client:
        assert (await client.get(origin.https_url + "/get")).status_code == 200


async def test_an_explicit_authority_beats_the_environment(
    face: Any, origin: Origin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import certifi

    monkeypatch.setenv("SSL_CERT_FILE", origin.ca_pem)
    async with face.client(verify=certifi.where()) as client:
        with pytest.raises(hyperhttp.TLSError):
            await client.get(origin.https_url + "/get")
    async with face.client(trust_env=False) as client:
        with pytest.raises(hyperhttp.TLSError):
            await client.get(origin.https_url + "/get")


async def test_the_name_is_checked(face: Any, origin: Origin) -> None:
    class Everywhere:
        async def resolve(self, host: str, port: int) -> Any:
            import socket

            from hyperhttp.network.addresses import Address

            return [Address(socket.AF_INET, "127.0.0.1", port)]

    async with face.client(ssl_context=origin.ssl_context(), resolver=Everywhere()) as client:
        with pytest.raises(hyperhttp.TLSError, match=r"other\.example"):
            await client.get(f"https://other.example:{origin.https_port}/get")
        assert (await client.get(f"https://localhost:{origin.https_port}/get")).status_code == 200
        assert (await client.get(f"https://127.0.0.1:{origin.https_port}/get")).status_code == 200


async def test_a_client_certificate_is_shown(face: Any, mutual: Origin) -> None:
    async with face.client(verify=mutual.ca_pem, cert=mutual.client_cert) as client:
        assert (await client.get(mutual.https_url + "/get")).status_code == 200
    async with face.client(verify=mutual.ca_pem) as client:
        with pytest.raises(hyperhttp.TransportError):
            await client.read(await client.get(mutual.https_url + "/get"))


async def test_clear_text_where_tls_is_expected_is_a_tls_error(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted.by_connection([[b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"]])
    async with face.client(verify=False, timeout=3) as client:
        with pytest.raises(hyperhttp.TLSError) as caught:
            await client.get(f"https://127.0.0.1:{server.port}/")
        assert str(server.port) in str(caught.value)
        assert client.raw.get_pool_stats() == {}


async def test_a_peer_that_leaves_during_the_handshake_is_a_tls_error(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted.by_connection([[b""]])
    async with face.client(verify=False, timeout=3) as client:
        with pytest.raises((hyperhttp.TLSError, hyperhttp.ConnectError)):
            await client.get(f"https://127.0.0.1:{server.port}/")
        assert client.raw.get_pool_stats() == {}


@pytest.mark.parametrize("how", ["refused", "given up", "clear text"])
async def test_failed_handshakes_hold_no_memory(
    face: Any, origin: Origin, scripted: ScriptedServerFactory, how: str
) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    clear = scripted.by_connection([[Stall(3)] if how == "given up" else [answer]], repeat=True)
    url = origin.https_url if how == "refused" else f"https://127.0.0.1:{clear.port}"
    kinds = (AioChannel, BlockingChannel, ssl.SSLObject, ssl.SSLSocket)

    async def fail() -> None:
        with pytest.raises(hyperhttp.TransportError):
            await client.get(url, timeout=0.03 if how == "given up" else 3)

    async with face.client(verify=how == "refused") as client:
        await fail()
        before = sum(isinstance(thing, kinds) for thing in gc.get_objects())
        for _ in range(12):
            await fail()
        deadline = time.monotonic() + 5
        while (after := sum(isinstance(thing, kinds) for thing in gc.get_objects())) - before >= 8:
            assert time.monotonic() < deadline, f"{after - before} channels more"
            await asyncio.sleep(0.01)
            gc.collect()
        started = time.monotonic()
    assert time.monotonic() - started < 2


async def test_content_until_close_without_close_notify_is_truncated(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    server = scripted([[b"HTTP/1.1 200 OK\r\n\r\nhalf of the con", Drop()]], tls=True)
    async with face.client(ssl_context=server.ssl_context(), timeout=3) as client:
        with pytest.raises(hyperhttp.TransportError):
            await client.read(await client.get(server.url))


async def test_content_until_close_with_close_notify_is_whole(face: Any, scripted: ScriptedServerFactory) -> None:
    server = scripted([[b"HTTP/1.1 200 OK\r\n\r\nthe whole content"]], tls=True)
    async with face.client(ssl_context=server.ssl_context(), timeout=3) as client:
        assert await client.read(await client.get(server.url)) == b"the whole content"


async def test_a_connection_cut_in_the_middle_is_an_error(face: Any, scripted: ScriptedServerFactory) -> None:
    script = [ReadRequest(), b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf", Drop()]
    server = scripted.by_connection([script], tls=True)
    async with face.client(ssl_context=server.ssl_context(), timeout=3) as client:
        with pytest.raises(hyperhttp.TransportError):
            await client.read(await client.get(server.url))


async def test_bytes_after_a_response_never_become_the_next_one_over_tls(
    face: Any, scripted: ScriptedServerFactory
) -> None:
    ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
    poison = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"
    for size in (2, 400_000):
        first = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size + b"a" * size
        server = scripted([first + poison, ok, ok], tls=True)
        async with face.client(ssl_context=server.ssl_context(), timeout=3) as client:
            assert len(await client.read(await client.get(server.url))) == size
            assert await client.read(await client.get(server.url)) == b"ok"


async def test_large_content_passes_both_ways(face: Any, origin: Origin) -> None:
    content = bytes(range(256)) * 8000
    async with face.client(ssl_context=origin.ssl_context(), timeout=10) as client:
        assert await client.read(await client.post(origin.https_url + "/echo", content=content)) == content
        streamed = face.pieces(*[content[at : at + 50_000] for at in range(0, len(content), 50_000)])
        assert await client.read(await client.post(origin.https_url + "/echo", content=streamed)) == content


async def test_a_tls_connection_is_used_again(face: Any, origin: Origin) -> None:
    async with face.client(ssl_context=origin.ssl_context()) as client:
        for _ in range(4):
            await client.read(await client.get(origin.https_url + "/get"))
            await face.sleep(0.01)  # session tickets arrive after the handshake and are no surplus bytes
    assert len({request.connection_id for request in origin.requests}) == 1


async def test_http_1_1_is_what_alpn_offers_without_http2(face: Any, origin: Origin) -> None:
    context = origin.ssl_context()
    async with face.client(ssl_context=context, http2=False) as client:
        assert (await client.get(origin.https_url + "/get")).http_version == "HTTP/1.1"


async def test_an_old_protocol_version_is_refused(face: Any, scripted: ScriptedServerFactory) -> None:
    from hyperhttp.testing.tls import shared_authority

    context = shared_authority().server_context()
    try:
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
    except (ValueError, ssl.SSLError, DeprecationWarning):
        pytest.skip("this OpenSSL has no TLS 1.1")
    server = scripted([b""], tls=context)
    async with face.client(verify=False, timeout=3) as client:
        with pytest.raises(hyperhttp.TLSError):
            await client.get(server.url)
