"""The system's own trust store, for ``verify="system"``.

On Windows and macOS the system itself decides, through the package ``truststore``: its stores cannot be read as files
without losing what an administrator has switched off. Elsewhere the store is files: those OpenSSL was built to look at, or
the bundle that a distribution keeps; they are loaded once, and again when they change.
"""

from __future__ import annotations

import re
import sys
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.exceptions import TLSError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from ssl import SSLContext

__all__ = ["SYSTEM", "asks_the_system", "is_hashed_name", "new_native_context", "system_stores", "usual_stores"]

#: What `verify` says for the system's store.
SYSTEM: Final = "system"
#: Where distributions keep their bundle, the most frequent first.
_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Alpine, Gentoo
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",  # Fedora, RHEL
    "/etc/pki/tls/cert.pem",  # older RHEL
    "/etc/ssl/ca-bundle.pem",  # SUSE
    "/etc/ssl/cert.pem",  # Alpine, BSD, Arch
)
_NATIVE: Final = ("darwin", "win32")


def asks_the_system(platform: str = sys.platform) -> bool:
    """Whether the system decides by itself, so that there are no files to load."""
    return platform in _NATIVE


@cache
def usual_stores() -> tuple[str, ...]:
    """The files and directories of this system's store; looked for once per process."""
    import ssl  # whoever asks is about to need it

    return tuple(system_stores(ssl.get_default_verify_paths()))


def system_stores(paths: Any, bundles: Iterable[str] = _BUNDLES) -> list[str]:
    """The files and directories of the system's store: those of OpenSSL where they hold anything, else a bundle.

    Args:
        paths: `ssl.DefaultVerifyPaths`; what the environment says is not looked at.
        bundles: where else to look.
    """
    from pathlib import Path

    found = []
    if Path(paths.openssl_cafile).is_file():
        found.append(paths.openssl_cafile)
    elif _holds_certificates(paths.openssl_capath):
        found.append(paths.openssl_capath)
    return found or [bundle for bundle in bundles if Path(bundle).is_file()][:1]


def new_native_context() -> SSLContext:
    """A context whose peers the system verifies.

    Raises:
        TLSError: the package that asks it is not installed.
    """
    import ssl

    try:
        import truststore
    except ImportError as error:
        msg = "verify='system' needs the package truststore on this system: pip install 'hyperhttp[system-trust]'"
        raise TLSError(msg, phase="tls") from error
    return truststore.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def is_hashed_name(name: str) -> bool:
    """Whether a file is called as ``openssl rehash`` calls certificates."""
    return re.fullmatch(r"[0-9a-f]{8}\.r?\d+", name) is not None


def _holds_certificates(directory: str) -> bool:
    from pathlib import Path

    path = Path(directory)
    return path.is_dir() and any(is_hashed_name(each.name) for each in path.iterdir())
