from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from typing import TYPE_CHECKING

import pytest

from hyperhttp.testing.tls import Authority, shared_authority

if TYPE_CHECKING:
    from pathlib import Path


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext, name: str = "localhost") -> str | None:
    """Do a handshake over a socket pair; what ALPN chose."""
    near, far = socket.socketpair()
    near.settimeout(10)
    far.settimeout(10)
    failures: list[Exception] = []

    def answer() -> None:
        try:
            with server.wrap_socket(far, server_side=True) as sock:
                sock.recv(1)
        except OSError as error:
            failures.append(error)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        with client.wrap_socket(near, server_hostname=name) as sock:
            sock.sendall(b"x")
            return sock.selected_alpn_protocol()
    finally:
        near.close()
        thread.join()
        far.close()


def test_there_is_one_authority_per_process() -> None:
    assert shared_authority() is shared_authority()


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_the_certificate_is_for_the_loopback_names(name: str) -> None:
    authority = shared_authority()
    server = authority.server_context(alpn=["h2", "http/1.1"])
    assert shake_hands(server, authority.client_context(alpn=["http/1.1"]), name) == "http/1.1"


def test_other_names_other_authorities_and_other_times_are_refused() -> None:
    authority = shared_authority()
    client = authority.client_context()
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(authority.server_context(), client, "example.org")
    with pytest.raises(ssl.SSLCertVerificationError, match="expired"):
        shake_hands(authority.server_context(is_expired=True), client)
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        shake_hands(Authority().server_context(), client)
    named = authority.server_context(names=["example.org"])
    assert shake_hands(named, client, "example.org") is None


def test_a_client_certificate_can_be_demanded(tmp_path: Path) -> None:
    authority = shared_authority()
    server = authority.server_context(verify_client=True)
    server.maximum_version = ssl.TLSVersion.TLSv1_2  # where the client hears of it during the handshake
    with pytest.raises(OSError, match=r"(?i)alert|reset|eof"):
        shake_hands(server, authority.client_context())
    client = authority.client_context()
    client.load_cert_chain(authority.write_client_certificate(tmp_path / "client.pem"))
    assert shake_hands(server, client) is None


def test_the_certificate_of_the_authority_can_be_trusted_from_a_file(tmp_path: Path) -> None:
    authority = shared_authority()
    path = authority.write_pem(tmp_path / "ca.pem")
    client = ssl.create_default_context(cafile=path)
    assert shake_hands(authority.server_context(), client) is None


def test_threads_that_ask_first_together_get_one_authority(monkeypatch: pytest.MonkeyPatch) -> None:
    import hyperhttp.testing.tls as module

    both, made = threading.Barrier(2), []

    class Slow:
        def __init__(self) -> None:
            made.append(self)
            with contextlib.suppress(threading.BrokenBarrierError):
                both.wait(0.2)  # nobody else makes one meanwhile

    monkeypatch.setattr(module, "Authority", Slow)
    monkeypatch.setattr(module, "_shared", [], raising=False)
    found: list[object] = []
    threads = [threading.Thread(target=lambda: found.append(shared_authority())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert len(found) == 2
    assert found[0] is found[1]
    assert made == found[:1]
