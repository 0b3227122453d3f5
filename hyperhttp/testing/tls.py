"""Certificates for tests, made by ``trustme``; imported only when TLS is asked for.

One certificate authority serves a whole process: making keys is the slow part of starting a TLS origin.
"""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from hyperhttp.utils.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

__all__ = ["LOCAL_NAMES", "Authority", "shared_authority"]

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")


class Authority:
    """A certificate authority that nobody trusts unless told to.

    Raises:
        ImportError: ``trustme`` is not installed.
    """

    def __init__(self) -> None:
        try:
            import trustme
        except ImportError as error:
            raise ImportError("TLS in hyperhttp.testing needs trustme: pip install 'hyperhttp[testing]'") from error
        self._ca = trustme.CA()

    @property
    def pem(self) -> bytes:
        """The authority's own certificate, in PEM."""
        return self._ca.cert_pem.bytes()

    def server_context(
        self,
        *,
        names: Sequence[str] = LOCAL_NAMES,
        alpn: Sequence[str] = (),
        is_expired: bool = False,
        verify_client: bool = False,
    ) -> ssl.SSLContext:
        """A context for a listener, with a certificate of its own.

        Args:
            names: host names and addresses the certificate is for.
            alpn: protocols offered, best first.
            is_expired: the certificate ended an hour ago.
            verify_client: demand a certificate of this authority from the client.
        """
        now = datetime.now(UTC)
        not_after = now - timedelta(hours=1) if is_expired else now + timedelta(days=7)
        certificate = self._ca.issue_cert(*names, not_before=now - timedelta(days=1), not_after=not_after)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        certificate.configure_cert(context)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if verify_client:
            context.load_verify_locations(cadata=self.pem.decode("ascii"))
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client_context(self, *, alpn: Sequence[str] = ()) -> ssl.SSLContext:
        """A context for a client that trusts this authority and no other."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=self.pem.decode("ascii"))
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context

    def write_pem(self, path: Path) -> Path:
        """Write the authority's certificate to a file."""
        path.write_bytes(self.pem)
        return path

    def write_client_certificate(self, path: Path) -> Path:
        """Write a client's private key and certificate to one file."""
        certificate = self._ca.issue_cert("client@example.org")
        path.write_bytes(certificate.private_key_and_cert_chain_pem.bytes())
        path.chmod(0o600)
        return path


_making = new_lock()
_shared: list[Authority] = []


def shared_authority() -> Authority:
    """The authority of this process: one, whichever threads ask for it first."""
    with _making:
        if not _shared:
            _shared.append(Authority())
        return _shared[0]
