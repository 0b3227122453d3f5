"""TLS contexts against real handshakes on loopback, and failures in words."""

from __future__ import annotations

import contextlib
import pickle
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from hyperhttp.exceptions import TLSError
from hyperhttp.network import tls
from hyperhttp.network.tls import TLSOptions, cached_context, describe_trust, server_name, ssl_context, tls_error
from hyperhttp.utils import locks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PATIENCE = 10.0  # seconds; no test waits that long unless it is about to fail
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No contexts of other tests, no trust from the machine's environment."""
    tls._contexts.clear()
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def ca() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(ca: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    ca.cert_pem.write_to_path(path)
    return str(path)


@pytest.fixture(scope="module")
def server_context(ca: trustme.CA) -> ssl.SSLContext:
    return context_of(ca.issue_cert("localhost", "127.0.0.1"))


def context_of(cert: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cert.configure_cert(context)
    return context


@contextlib.contextmanager
def serving(handle: Callable[[socket.socket], None]) -> Iterator[int]:
    """A server on loopback that gives each connection to `handle` and swallows what becomes of it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.settimeout(PATIENCE)
                with connection, contextlib.suppress(OSError):
                    handle(connection)

        thread = threading.Thread(target=accept)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join(PATIENCE)


def tls_server(context: ssl.SSLContext) -> contextlib.AbstractContextManager[int]:
    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.sendall((secured.selected_alpn_protocol() or "none").encode())

    return serving(handle)


def handshake(context: ssl.SSLContext, port: int, name: str = "localhost") -> str:
    """What the server says after the handshake."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as sock,
        context.wrap_socket(sock, server_hostname=name) as secured,
    ):
        return secured.recv(100).decode()


def explained(context: ssl.SSLContext, port: int, name: str = "localhost") -> str:
    """The explanation of a handshake that fails."""
    with pytest.raises(OSError) as caught:
        handshake(context, port, name)
    error = tls_error(caught.value, name, port)
    assert isinstance(error, TLSError)
    assert (error.host, error.port, error.phase) == (name, port, "tls")
    assert f"{name}:{port}" in str(error)
    return str(error)


# -- options ------------------------------------------------------------------------------------


def test_options_are_values(tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    options = TLSOptions(verify=path, cert=(path, str(path), "secret"))
    assert options.verify == str(path)
    assert options == TLSOptions(verify=str(path), cert=(str(path), path, "secret"))
    assert hash(options) == hash(pickle.loads(pickle.dumps(options)))
    assert TLSOptions() != TLSOptions(verify=False)
    assert TLSOptions() != TLSOptions(trust_env=False)
    with pytest.raises(AttributeError):
        options.verify = True  # type: ignore[misc]


def test_the_password_of_a_key_is_never_shown() -> None:
    assert repr(TLSOptions(cert=("c.pem", "k.pem", "s3cret"))) == (
        "TLSOptions(verify=True, cert=('c.pem', 'k.pem', '[secret]'), trust_env=True)"
    )
    with pytest.raises(TypeError) as caught:
        TLSOptions(cert=("c.pem", "k.pem", "s3cret", "more"))  # type: ignore[arg-type]
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "error", "reason"),
    [
        ({"verify": None}, TypeError, "verify must be True, False or a path, not NoneType"),
        ({"verify": 1}, TypeError, "not int"),
        ({"verify": 0}, TypeError, "not int"),
        ({"verify": b"ca.pem"}, TypeError, "not bytes"),
        ({"verify": ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)}, TypeError, "pass a context as ssl_context="),
        ({"verify": ""}, ValueError, "empty path"),
        ({"verify": "a\0b"}, ValueError, "NUL"),
        ({"cert": ""}, ValueError, "empty path"),
        ({"cert": 1}, TypeError, "cert must be a path"),
        ({"cert": ("c.pem",)}, TypeError, "cert must be a path"),
        ({"cert": ("c.pem", None)}, TypeError, "by path, not by NoneType"),
        ({"cert": ("c.pem", "k.pem", 5)}, TypeError, "cert must be a path"),
    ],
)
def test_options_of_the_wrong_kind_are_refused(options: dict[str, Any], error: type[Exception], reason: str) -> None:
    with pytest.raises(error, match=reason):
        TLSOptions(**options)


def test_a_missing_file_is_found_when_asked_for(tmp_path: Path, ca_file: str) -> None:
    TLSOptions().check_files()
    TLSOptions(verify=ca_file).check_files()
    with pytest.raises(TLSError, match=r"verify: .*nowhere\.pem: there is no such file") as caught:
        TLSOptions(verify=tmp_path / "nowhere.pem").check_files()
    assert caught.value.phase == "tls"
    with pytest.raises(TLSError, match=r"cert: .*key\.pem"):
        TLSOptions(cert=(ca_file, tmp_path / "key.pem")).check_files()


def test_a_missing_file_of_the_environment_is_named_with_its_variable(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "nowhere.pem"))
    with pytest.raises(TLSError, match=r"SSL_CERT_FILE=.*nowhere\.pem"):
        TLSOptions().check_files()
    with pytest.raises(TLSError, match=r"SSL_CERT_FILE=.*nowhere\.pem"):
        ssl_context(TLSOptions())
    TLSOptions(trust_env=False).check_files()


# -- trust --------------------------------------------------------------------------------------


def test_a_ca_file_is_trusted_and_the_protocol_negotiated(
    server_context: ssl.SSLContext, ca: trustme.CA, ca_file: str
) -> None:
    both = context_of(ca.issue_cert("localhost"))
    both.set_alpn_protocols(["h2", "http/1.1"])
    options = TLSOptions(verify=ca_file)
    with tls_server(both) as port:
        assert handshake(ssl_context(options, ("h2", "http/1.1")), port) == "h2"
        assert handshake(ssl_context(options, ("http/1.1",)), port) == "http/1.1"
        assert handshake(ssl_context(options), port) == "none"
    with tls_server(server_context) as port:
        assert handshake(ssl_context(options, ("h2", "http/1.1")), port) == "none"
        assert handshake(ssl_context(options), port, "127.0.0.1") == "none"


def test_certifi_is_the_default_and_does_not_know_a_private_authority(server_context: ssl.SSLContext) -> None:
    context = ssl_context(TLSOptions())
    assert context.cert_store_stats()["x509_ca"] > 50
    with tls_server(server_context) as port:
        assert "authority that is not trusted here" in explained(context, port)


def test_a_named_authority_replaces_the_default_ones(ca_file: str) -> None:
    assert ssl_context(TLSOptions(verify=ca_file)).cert_store_stats()["x509_ca"] == 1


def test_the_environment_names_authorities(
    monkeypatch: pytest.MonkeyPatch, server_context: ssl.SSLContext, ca_file: str
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    with tls_server(server_context) as port:
        assert handshake(ssl_context(TLSOptions()), port) == "none"
        assert "not trusted here" in explained(ssl_context(TLSOptions(trust_env=False)), port)
    assert ssl_context(TLSOptions()).cert_store_stats()["x509_ca"] == 1


def test_an_explicit_path_beats_the_environment(
    monkeypatch: pytest.MonkeyPatch, server_context: ssl.SSLContext, ca_file: str, tmp_path: Path
) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(other)
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    with tls_server(server_context) as port:
        assert handshake(ssl_context(TLSOptions(verify=ca_file)), port) == "none"
        assert "not trusted here" in explained(ssl_context(TLSOptions()), port)


def test_without_verification_anybody_is_trusted(server_context: ssl.SSLContext) -> None:
    context = ssl_context(TLSOptions(verify=False))
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)
    with tls_server(server_context) as port:
        assert handshake(context, port, "somebody.else") == "none"


@pytest.mark.needs("openssl")
def test_a_hashed_directory_is_trusted(
    monkeypatch: pytest.MonkeyPatch, server_context: ssl.SSLContext, ca_file: str, tmp_path: Path
) -> None:
    shutil.copy(ca_file, tmp_path / "ca.pem")
    subprocess.run(["openssl", "rehash", str(tmp_path)], check=True, timeout=PATIENCE, capture_output=True)
    monkeypatch.setenv("SSL_CERT_DIR", f"{tmp_path}-missing:{tmp_path}")
    with tls_server(server_context) as port:
        assert handshake(ssl_context(TLSOptions(verify=tmp_path)), port) == "none"
        assert handshake(ssl_context(TLSOptions()), port) == "none"


def test_a_directory_without_hashes_says_what_to_do(tmp_path: Path, ca_file: str) -> None:
    shutil.copy(ca_file, tmp_path / "ca.pem")
    with pytest.raises(TLSError, match="openssl rehash"):
        ssl_context(TLSOptions(verify=tmp_path))


def test_a_search_path_without_any_directory_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere/a:/nowhere/b")
    with pytest.raises(TLSError, match="SSL_CERT_DIR=/nowhere/a"):
        TLSOptions().check_files()


@pytest.mark.parametrize(
    ("content", "reason"),
    [("", "no certificate"), ("not a certificate", "no certificate"), (None, "No such file")],
)
def test_a_useless_ca_file_is_named(tmp_path: Path, content: str | None, reason: str) -> None:
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    with pytest.raises(TLSError, match=rf"verify: .*ca\.pem: .*{reason}") as caught:
        ssl_context(TLSOptions(verify=path))
    assert caught.value.__cause__ is not None


def test_contexts_are_strict_where_that_breaks_nobody(ca_file: str) -> None:
    default, private = ssl_context(TLSOptions()), ssl_context(TLSOptions(verify=ca_file))
    for context in (default, private):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
        assert context.hostname_checks_common_name is False
        assert context.check_hostname is True
        assert context.verify_mode == ssl.CERT_REQUIRED
        assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert default.verify_flags & ssl.VERIFY_X509_STRICT
    assert not private.verify_flags & ssl.VERIFY_X509_STRICT


# -- client certificates ------------------------------------------------------------------------


@pytest.fixture
def demanding(ca: trustme.CA) -> ssl.SSLContext:
    """A server that wants a client certificate."""
    context = context_of(ca.issue_cert("localhost"))
    ca.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


class ClientFiles:
    """A client certificate in every form it may be given."""

    def __init__(self, ca: trustme.CA, folder: Path) -> None:
        leaf = ca.issue_cert("client@example.com")
        self.both, self.chain, self.key, self.locked = (
            str(folder / name) for name in ("both.pem", "chain.pem", "key.pem", "locked.pem")
        )
        leaf.private_key_and_cert_chain_pem.write_to_path(self.both)
        leaf.cert_chain_pems[0].write_to_path(self.chain)
        leaf.private_key_pem.write_to_path(self.key)
        key = load_pem_private_key(leaf.private_key_pem.bytes(), None)
        Path(self.locked).write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"s3cret"))
        )


@pytest.fixture
def client_files(ca: trustme.CA, tmp_path: Path) -> ClientFiles:
    return ClientFiles(ca, tmp_path)


def test_a_client_certificate_is_shown_in_every_form(
    demanding: ssl.SSLContext, ca_file: str, client_files: ClientFiles
) -> None:
    files = client_files
    forms: list[Any] = [
        files.both,
        Path(files.both),
        (files.chain, files.key),
        [files.chain, files.key],
        (files.chain, files.key, None),
        (files.chain, files.locked, "s3cret"),
        (files.chain, files.locked, b"s3cret"),
    ]
    with tls_server(demanding) as port:
        for form in forms:
            assert handshake(ssl_context(TLSOptions(verify=ca_file, cert=form)), port) == "none"


def test_a_missing_client_certificate_is_explained(demanding: ssl.SSLContext, ca_file: str) -> None:
    with tls_server(demanding) as port:
        assert "wants a client certificate; pass cert=" in explained(ssl_context(TLSOptions(verify=ca_file)), port)


def test_a_client_certificate_of_a_stranger_is_explained(
    demanding: ssl.SSLContext, ca_file: str, tmp_path: Path
) -> None:
    files = ClientFiles(trustme.CA(), tmp_path)
    with tls_server(demanding) as port:
        text = explained(ssl_context(TLSOptions(verify=ca_file, cert=files.both)), port)
    assert "does not trust the issuer of the client certificate" in text


def test_an_encrypted_key_without_password_does_not_ask_on_the_terminal(client_files: ClientFiles) -> None:
    with pytest.raises(TLSError, match=r"locked\.pem: the key is encrypted; pass \(certificate, key, password\)"):
        ssl_context(TLSOptions(cert=(client_files.chain, client_files.locked)))


def test_a_wrong_password_is_an_error_that_does_not_show_it(client_files: ClientFiles) -> None:
    with pytest.raises(TLSError, match=r"locked\.pem: ") as caught:
        ssl_context(TLSOptions(cert=(client_files.chain, client_files.locked, "hunter2")))
    assert "hunter2" not in str(caught.value)


def test_a_key_of_another_certificate_is_named(ca: trustme.CA, client_files: ClientFiles, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    ca.issue_cert("other@example.com").private_key_pem.write_to_path(other)
    with pytest.raises(TLSError, match=r"chain\.pem, .*other\.pem: the key does not belong to the certificate"):
        ssl_context(TLSOptions(cert=(client_files.chain, other)))


def test_a_client_certificate_without_key_is_named(client_files: ClientFiles) -> None:
    with pytest.raises(TLSError, match=r"cert: .*chain\.pem: "):
        ssl_context(TLSOptions(cert=client_files.chain))


def test_a_missing_client_certificate_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TLSError, match=r"cert: .*nowhere\.pem: No such file"):
        ssl_context(TLSOptions(cert=tmp_path / "nowhere.pem"))


# -- one context per process --------------------------------------------------------------------


def test_equal_options_share_a_context(ca_file: str) -> None:
    assert cached_context(TLSOptions(verify=ca_file), ("h2",)) is None
    context = ssl_context(TLSOptions(verify=ca_file), ("h2",))
    assert ssl_context(TLSOptions(verify=Path(ca_file)), ("h2",)) is context
    assert cached_context(TLSOptions(verify=ca_file), ("h2",)) is context


def test_different_options_never_share_a_context(ca_file: str, client_files: ClientFiles) -> None:
    options = [
        TLSOptions(),
        TLSOptions(verify=False),
        TLSOptions(verify=ca_file),
        TLSOptions(trust_env=False),
        TLSOptions(cert=client_files.both),
        TLSOptions(verify=False, cert=client_files.both),
    ]
    contexts = [ssl_context(option, alpn) for option in options for alpn in ((), ("http/1.1",))]
    assert len({id(context) for context in contexts}) == len(contexts)
    for option in options:
        expected = ssl.CERT_NONE if option.verify is False else ssl.CERT_REQUIRED
        assert ssl_context(option).verify_mode == expected


def test_the_environment_is_part_of_what_is_shared(monkeypatch: pytest.MonkeyPatch, ca_file: str) -> None:
    before = ssl_context(TLSOptions())
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    assert ssl_context(TLSOptions()) is not before
    monkeypatch.delenv("SSL_CERT_FILE")
    assert ssl_context(TLSOptions()) is before


def test_a_replaced_file_makes_a_new_context(server_context: ssl.SSLContext, ca_file: str, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(path)
    options = TLSOptions(verify=path)
    old = ssl_context(options)
    replacement = tmp_path / "new.pem"
    shutil.copy(ca_file, replacement)
    replacement.replace(path)
    assert cached_context(options) is None
    assert ssl_context(options) is not old
    assert ssl_context(options) is cached_context(options)
    assert len(tls._contexts) == 1
    with tls_server(server_context) as port:
        assert handshake(ssl_context(options), port) == "none"


def test_a_file_that_is_taken_away_does_not_take_the_context_with_it(ca_file: str, tmp_path: Path) -> None:
    path = tmp_path / "ca.pem"
    shutil.copy(ca_file, path)
    context = ssl_context(TLSOptions(verify=path))
    path.unlink()
    assert ssl_context(TLSOptions(verify=path)) is context


def test_the_number_of_contexts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "_MAX_CONTEXTS", 3)
    options = TLSOptions(verify=False)
    first = ssl_context(options, ("p0",))
    for number in range(1, 5):
        ssl_context(options, (f"p{number}",))
        assert ssl_context(options, ("p0",)) is first  # used all the time, so it stays
    assert len(tls._contexts) == 3
    assert cached_context(options, ("p1",)) is None


def test_a_burst_of_threads_makes_one_context(monkeypatch: pytest.MonkeyPatch) -> None:
    build, made = tls._build, []

    def slow_build(key: Any) -> ssl.SSLContext:
        time.sleep(0.05)
        made.append(key)
        return build(key)

    monkeypatch.setattr(tls, "_build", slow_build)
    contexts: list[ssl.SSLContext] = []
    threads = [
        threading.Thread(target=lambda: contexts.append(ssl_context(TLSOptions(verify=False)))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert len(made) == 1
    assert len({id(context) for context in contexts}) == 1
    assert len(contexts) == 8


def test_a_child_process_does_not_wait_for_a_thread_of_its_parent() -> None:
    tls._building.acquire()
    locks._after_fork()
    assert ssl_context(TLSOptions(verify=False)).verify_mode == ssl.CERT_NONE


# -- key log ------------------------------------------------------------------------------------


def test_the_key_log_is_written_where_the_environment_says(
    monkeypatch: pytest.MonkeyPatch, server_context: ssl.SSLContext, ca_file: str, tmp_path: Path
) -> None:
    log = tmp_path / "keys.log"
    monkeypatch.setenv("SSLKEYLOGFILE", str(log))
    with tls_server(server_context) as port:
        handshake(ssl_context(TLSOptions(verify=ca_file, trust_env=False)), port)
        assert not log.exists()
        handshake(ssl_context(TLSOptions(verify=ca_file)), port)
    assert "TRAFFIC_SECRET" in log.read_text()
    tls._contexts.clear()  # closes the file


def test_a_key_log_that_cannot_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "no" / "folder"))
    with pytest.raises(TLSError, match=r"SSLKEYLOGFILE=.*folder: No such file"):
        ssl_context(TLSOptions(verify=False))


# -- failures in words --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("not_before", "not_after", "reason"),
    [
        (LONG_AGO, LONG_AGO + timedelta(days=1), "has expired"),
        (datetime.now(UTC) + timedelta(days=2), None, "is not valid yet; is the clock"),
    ],
)
def test_a_certificate_out_of_its_time_is_explained(
    ca: trustme.CA, ca_file: str, not_before: datetime, not_after: datetime | None, reason: str
) -> None:
    cert = ca.issue_cert("localhost", not_before=not_before, not_after=not_after)
    with tls_server(context_of(cert)) as port:
        assert reason in explained(ssl_context(TLSOptions(verify=ca_file)), port)


def test_a_certificate_for_another_name_is_explained(server_context: ssl.SSLContext, ca_file: str) -> None:
    context = ssl_context(TLSOptions(verify=ca_file))
    with tls_server(server_context) as port:
        assert "not for 'intern.example'" in explained(context, port, "intern.example")
        assert "not for '127.0.0.2'" in explained(context, port, "127.0.0.2")


def test_a_self_signed_certificate_is_explained(ca: trustme.CA, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = tmp_path / "self.pem"
    path.write_bytes(ca.cert_pem.bytes() + ca.private_key_pem.bytes())
    context.load_cert_chain(path)
    with tls_server(context) as port:
        text = explained(ssl_context(TLSOptions()), port)
    assert "is self-signed" in text
    assert "verify=" in text
    assert "ssl_context=" in text


def test_a_chain_to_an_unknown_root_is_explained(ca: trustme.CA, tmp_path: Path) -> None:
    leaf = ca.issue_cert("localhost")
    path = tmp_path / "chain.pem"
    path.write_bytes(leaf.private_key_and_cert_chain_pem.bytes() + ca.cert_pem.bytes())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with tls_server(context) as port:
        assert "self-signed root that is not trusted" in explained(ssl_context(TLSOptions()), port)


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", b"\0" * 64])
def test_a_server_that_does_not_speak_tls_is_explained(answer: bytes) -> None:
    def handle(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(answer)
        connection.recv(4096)

    with serving(handle) as port:
        text = explained(ssl_context(TLSOptions(verify=False)), port)
    assert "does not speak TLS on this port; is it an http:// server?" in text


def close(connection: socket.socket) -> None:
    connection.recv(4096)


def reset(connection: socket.socket) -> None:
    connection.recv(1)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.parametrize("handle", [close, reset])
def test_a_server_that_hangs_up_is_explained(handle: Callable[[socket.socket], None]) -> None:
    with serving(handle) as port:
        text = explained(ssl_context(TLSOptions(verify=False)), port)
    assert "closed the connection during the TLS handshake" in text


def test_a_server_with_old_versions_only_is_explained(ca: trustme.CA, ca_file: str) -> None:
    context = context_of(ca.issue_cert("localhost"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")
    with tls_server(context) as port:
        assert "refuses the TLS versions offered" in explained(ssl_context(TLSOptions(verify=ca_file)), port)


def failure(reason: str | None, text: str = "") -> ssl.SSLError:
    error = ssl.SSLError(1, text)
    error.reason = reason  # type: ignore[assignment]
    return error


@pytest.mark.parametrize("reason", sorted(tls._REASONS))
def test_a_known_reason_is_a_sentence_and_keeps_openssls_name(reason: str) -> None:
    text = str(tls_error(failure(reason), "example.com", 443))
    assert text.startswith("the TLS handshake with example.com:443 failed: the server ")
    assert text.endswith(f"(OpenSSL: {reason})")


def test_an_unknown_reason_is_given_as_it_is() -> None:
    assert str(tls_error(failure("ODD_THING_HAPPENED"), "example.com", 443)) == (
        "the TLS handshake with example.com:443 failed: odd thing happened"
    )
    assert "went wrong" in str(tls_error(failure(None, "it went wrong"), "example.com", 443))


@pytest.mark.parametrize("code", sorted(tls._CERTIFICATE_ERRORS))
def test_a_known_fault_of_a_certificate_is_a_sentence(code: int) -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, "what OpenSSL says"
    text = str(tls_error(error, "example.com", 443))
    assert text.startswith("the certificate of example.com:443 ")
    assert text.endswith("(OpenSSL: what OpenSSL says)")


def test_an_unknown_fault_of_a_certificate_is_given_as_it_is() -> None:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = 999, "something new"
    assert str(tls_error(error, "example.com")) == ("the certificate of example.com was not accepted: something new")


@pytest.mark.parametrize(
    ("exc", "expected", "passes"),
    [
        (EOFError(), "closed the connection", True),
        (ConnectionAbortedError(103, "aborted"), "closed the connection", True),
        (ssl.SSLZeroReturnError(6, "closed"), "closed the connection", True),
        (OSError(113, "No route to host"), "failed: No route to host", False),
        (ValueError("odd"), "failed: odd", False),
        (ValueError(), "failed: ValueError", False),
    ],
)
def test_other_failures_are_explained_too(exc: Exception, expected: str, passes: bool) -> None:
    error = tls_error(exc, "::1", 0, phase="read")
    assert expected in str(error)
    assert "::1" in str(error)
    assert (error.port, error.phase) == (None, "read")
    assert error.retryable is passes  # a server that leaves has not said what it minds


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("example.com", "example.com"),
        ("example.com.", "example.com"),
        ("::1", "::1"),
        ("[::1]", "::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("192.0.2.1", "192.0.2.1"),
    ],
)
def test_the_name_to_verify_has_no_dot_bracket_or_zone(host: str, expected: str) -> None:
    assert server_name(host) == expected


# -- the system's store ----------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform in ("darwin", "win32"), reason="the system itself decides there")
def test_the_system_is_trusted_where_it_is_asked_for_and_nobody_else(monkeypatch, ca_file):
    monkeypatch.setenv("SSL_CERT_FILE", ca_file)
    context = ssl_context(TLSOptions("system"))
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context is ssl_context(TLSOptions("system"))
    own = ssl.PEM_cert_to_DER_cert(Path(ca_file).read_text())
    assert own not in context.get_ca_certs(binary_form=True), "an explicit argument beats the environment"


def test_a_system_without_a_store_is_an_error(monkeypatch):
    monkeypatch.setattr("hyperhttp.network.tls.usual_stores", tuple)
    monkeypatch.setattr("hyperhttp.network.tls.asks_the_system", bool)
    with pytest.raises(TLSError, match="no trust store in a usual place"):
        ssl_context(TLSOptions("system"))


def test_where_the_system_decides_no_roots_are_loaded(monkeypatch):
    monkeypatch.setattr("hyperhttp.network.tls.asks_the_system", lambda: True)
    context = ssl_context(TLSOptions("system"), ("h2",))
    assert type(context).__module__.startswith("truststore")
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (TLSOptions(), ("the roots of certifi", "the default")),
        (TLSOptions(verify=False), ("anybody: no certificate is verified", "verify=False")),
        (TLSOptions("system"), ("the system's trust store", "verify='system'")),
        (TLSOptions("/a/ca.pem", cert="/a/client.pem"), ("/a/ca.pem", "verify=")),
    ],
)
def test_whom_options_trust_can_be_told(options, told):
    assert describe_trust(options) == told


def test_what_the_environment_names_is_told_with_its_name(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "/a/ca.pem")
    monkeypatch.setenv("SSL_CERT_DIR", "/nowhere")
    assert describe_trust(TLSOptions()) == ("/a/ca.pem, /nowhere", "SSL_CERT_FILE and SSL_CERT_DIR")
    assert describe_trust(TLSOptions(trust_env=False)) == ("the roots of certifi", "the default")
