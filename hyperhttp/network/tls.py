"""TLS settings, the contexts made from them, and what a failed handshake means in words.

``TLSOptions`` say whom to trust and as whom to appear; ``ssl_context`` turns them into an ``SSLContext``.
Loading a bundle of roots takes tens of milliseconds and a megabyte, so contexts are made lazily, once per
process, and shared by all clients with equal options. ``tls_error`` explains a failure.

RFC 8446 and 5246 (TLS), 7301 (ALPN), 9525 (identities: the common name is not looked at). ``ssl`` is imported
where it is needed, since importing hyperhttp should not pay for it.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, TypeAlias

from hyperhttp._naming import peer_name
from hyperhttp._records import Record
from hyperhttp.exceptions import TLSError
from hyperhttp.network.trust import SYSTEM, asks_the_system, is_hashed_name, new_native_context, usual_stores
from hyperhttp.utils.locks import new_lock

if TYPE_CHECKING:
    from collections.abc import Mapping
    from ssl import SSLContext

__all__ = [
    "CertTypes",
    "PathName",
    "TLSOptions",
    "cached_context",
    "describe_trust",
    "server_name",
    "ssl_context",
    "tls_error",
]

PathName: TypeAlias = "str | os.PathLike[str]"
CertTypes: TypeAlias = "PathName | tuple[PathName, PathName] | tuple[PathName, PathName, str | bytes | None]"

_MAX_CONTEXTS: Final = 64  # per process; each holds about a megabyte when it carries a bundle of roots
_VARIABLES: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR", "SSLKEYLOGFILE")


class TLSOptions(Record):
    """Whom a client trusts and as whom it appears; immutable and hashable.

    Making one reads no file: ``check_files`` does, and so does the first use.

    Attributes:
        verify: True trusts the roots of certifi (or of ``SSL_CERT_FILE`` and ``SSL_CERT_DIR``), a path
            trusts the certificates in that file or hashed directory and no others, ``"system"`` trusts what the
            system trusts, False trusts anybody.
        cert: Client certificate: the path of a PEM file that holds certificate and key, or
            ``(certificate, key)``, or ``(certificate, key, password)``.
        trust_env: Whether environment variables are looked at. ``SSLKEYLOGFILE`` is one of them.

    Raises:
        TypeError: a value has the wrong type.
        ValueError: a path is empty.
    """

    __slots__ = ("cert", "trust_env", "verify")

    verify: bool | PathName
    cert: CertTypes | None
    trust_env: bool

    def __init__(self, verify: bool | PathName = True, cert: CertTypes | None = None, trust_env: bool = True) -> None:
        self._fill(_checked_verify(verify), _checked_cert(cert), bool(trust_env))

    def __repr__(self) -> str:
        cert = self.cert
        if isinstance(cert, tuple) and len(cert) == 3:
            cert = (cert[0], cert[1], "[secret]")
        return f"TLSOptions(verify={self.verify!r}, cert={cert!r}, trust_env={self.trust_env!r})"

    def check_files(self) -> None:
        """Fail now rather than at the first handshake when a named file is missing.

        Costs a few microseconds, so that making a client can afford it.

        Raises:
            TLSError: a file or directory does not exist or may not be read; the message names it.
        """
        from pathlib import Path  # those whose client is made without more need none

        for setting, path in _sources(self, os.environ):
            if not os.access(path, os.R_OK):
                why = "it may not be read" if Path(path).exists() else "there is no such file or directory"
                _fail(setting, path, why, None)


class _Source(NamedTuple):
    """A file a context is made from, and the setting that names it."""

    setting: str
    path: str


class _Key(NamedTuple):
    """What makes two contexts the same, but for the state of the files."""

    options: TLSOptions
    alpn: tuple[str, ...]
    sources: tuple[_Source, ...]
    keylog: str


_FileState: TypeAlias = "tuple[int, int, int, int]"


class _Made(NamedTuple):
    """A context, and the state its files were in when it was made."""

    context: SSLContext
    states: tuple[_FileState | None, ...]


_contexts: OrderedDict[_Key, _Made] = OrderedDict()
_building = new_lock()


def ssl_context(options: TLSOptions, alpn: tuple[str, ...] = ()) -> SSLContext:
    """The context for the options, made at the first use and shared from then on.

    May take tens of milliseconds when there is none yet: ask ``cached_context`` first, and call this in a
    worker thread where there is an event loop. A context is made anew when one of its files has changed, so
    new connections see rotated certificates; it lives on when a file is taken away. Treat it as read-only:
    others use it too.

    Args:
        options: Whom to trust and as whom to appear.
        alpn: Protocols to offer, in order of preference (RFC 7301); none offers none.

    Raises:
        TLSError: a file is missing, may not be read, or does not hold what it should; the message names it.
    """
    key = _key(options, alpn)
    context = _look_up(key)
    if context is not None:
        return context
    with _building:  # a burst of threads makes one context, not one each
        context = _look_up(key)
        if context is None:
            states = _states(key.sources)  # before reading: a file that changes meanwhile is read again
            context = _build(key)
            _contexts[key] = _Made(context, states)
            while len(_contexts) > _MAX_CONTEXTS:
                _contexts.popitem(last=False)
    return context


def cached_context(options: TLSOptions, alpn: tuple[str, ...] = ()) -> SSLContext | None:
    """The context ``ssl_context`` would give if it need not be made, else None; takes microseconds."""
    return _look_up(_key(options, alpn))


def server_name(host: str) -> str:
    """The name to ask for and to verify: without the trailing dot, brackets or zone (RFC 6066 section 3)."""
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    return host.partition("%")[0] if ":" in host else host.removesuffix(".")


def tls_error(exc: BaseException, host: str, port: int | None = None, *, phase: str = "tls") -> TLSError:
    """The error to raise for what a handshake raised, or for a TLS alert met later.

    Args:
        exc: What ``ssl``, the socket or the event loop raised; becomes the cause when raised ``from`` it.
        host: The peer as the user knows it.
        port: Its port; None or 0 if unknown.
        phase: What was being done.
    """
    import ssl  # whoever has a TLS failure has it loaded already

    peer = peer_name(host, port or None)
    has_left = isinstance(exc, (ssl.SSLEOFError, ssl.SSLZeroReturnError, EOFError, ConnectionError))
    if isinstance(exc, ssl.SSLCertVerificationError):
        message = _explain_certificate(exc, peer)
    elif has_left:
        message = (
            f"{peer} closed the connection during the TLS handshake; "
            "it may not speak TLS, or may refuse this client or host name"
        )
    elif isinstance(exc, ssl.SSLError):
        message = _explain_reason(exc, peer)
    else:
        said = getattr(exc, "strerror", None) or str(exc) or type(exc).__name__
        message = f"the TLS handshake with {peer} failed: {said}"
    error = TLSError(message, host=host, port=port or None, phase=phase)
    error.retryable = has_left  # it did not say what it minds; a server that is starting or stopping does the same
    return error


# -- options ---------------------------------------------------------------------------------------


def _checked_verify(verify: object) -> bool | str:
    if isinstance(verify, bool):
        return verify
    if isinstance(verify, (str, os.PathLike)):
        return _checked_path(verify, "verify")
    hint = "; pass a context as ssl_context=" if type(verify).__name__ == "SSLContext" else ""
    raise TypeError(f"verify must be True, False or a path, not {type(verify).__name__}{hint}")


def _checked_cert(cert: object) -> str | tuple[str, str] | tuple[str, str, str | bytes | None] | None:
    if cert is None:
        return None
    if isinstance(cert, (str, os.PathLike)):
        return _checked_path(cert, "cert")
    if isinstance(cert, (tuple, list)) and len(cert) in {2, 3}:
        chain, key = _checked_path(cert[0], "cert"), _checked_path(cert[1], "cert")
        if len(cert) == 2:
            return chain, key
        if cert[2] is None or isinstance(cert[2], (str, bytes)):
            return chain, key, cert[2]
    # The value is not shown: it may hold the password.
    raise TypeError("cert must be a path, (certificate, key) or (certificate, key, password)")


def _checked_path(path: object, setting: str) -> str:
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{setting} must name files by path, not by {type(path).__name__}")
    text = os.fspath(path)
    if not isinstance(text, str):
        raise TypeError(f"{setting} must name files by text, not by bytes")
    if not text or "\0" in text:
        raise ValueError(f"{setting} holds an empty path, or one with a NUL")
    return text


def describe_trust(options: TLSOptions) -> tuple[str, str]:
    """Whom the options trust, and the setting that says so."""
    if options.verify is False:
        return "anybody: no certificate is verified", "verify=False"
    if options.verify == SYSTEM:
        return "the system's trust store", "verify='system'"
    named = [source for source in _sources(options, os.environ) if source.setting != "cert"]
    if not named:
        return "the roots of certifi", "the default"
    settings = dict.fromkeys("verify=" if setting == "verify" else setting for setting, _ in named)
    return ", ".join(source.path for source in named), " and ".join(settings)


# -- the key of a context --------------------------------------------------------------------------


def _key(options: TLSOptions, alpn: tuple[str, ...]) -> _Key:
    environ = os.environ
    keylog = environ.get("SSLKEYLOGFILE", "") if options.trust_env else ""
    return _Key(options, tuple(alpn), _sources(options, environ), keylog)


def _sources(options: TLSOptions, environ: Mapping[str, str]) -> tuple[_Source, ...]:
    """The files the options and the environment name. An explicit path leaves the environment out."""
    sources: list[_Source] = []
    if options.verify == SYSTEM:
        if not asks_the_system():
            sources += [_Source(SYSTEM, path) for path in usual_stores()]
    elif isinstance(options.verify, str):
        sources.append(_Source("verify", options.verify))
    elif options.verify and options.trust_env:
        if file := environ.get("SSL_CERT_FILE"):
            sources.append(_Source("SSL_CERT_FILE", file))
        if directories := environ.get("SSL_CERT_DIR"):
            sources += [_Source("SSL_CERT_DIR", path) for path in _search_path(directories)]
    if options.cert is not None:
        paths = options.cert[:2] if isinstance(options.cert, tuple) else (options.cert,)
        sources += [_Source("cert", os.fspath(path)) for path in paths]
    return tuple(sources)


def _search_path(directories: str) -> list[str]:
    """The parts of a search path that exist; all of them if none does, for the message."""
    from pathlib import Path

    paths = [path for path in directories.split(os.pathsep) if path]
    return [path for path in paths if Path(path).is_dir()] or paths


def _states(sources: tuple[_Source, ...]) -> tuple[_FileState | None, ...]:
    """Device, inode, size and time of each file, None where it cannot be seen."""
    states: list[_FileState | None] = []
    for source in sources:
        try:
            status = os.stat(source.path)  # noqa: PTH116 - a Path would cost more than the look-up
        except OSError:
            states.append(None)
        else:
            states.append((status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(states)


def _look_up(key: _Key) -> SSLContext | None:
    made = _contexts.get(key)
    if made is None:
        return None
    if key.sources:
        states = _states(key.sources)
        # A file that was taken away does no harm: what it held is in the context.
        if states != made.states and None not in states:
            return None
    try:
        _contexts.move_to_end(key)
    except KeyError:  # pushed out by another thread just now
        pass
    return made.context


# -- making a context ------------------------------------------------------------------------------


def _build(key: _Key) -> SSLContext:
    import ssl

    options = key.options
    native = options.verify == SYSTEM and asks_the_system()
    context = new_native_context() if native else ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
    context.hostname_checks_common_name = False  # RFC 9525 section 2
    if options.verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif not native:
        _load_trust(context, key.sources, system=options.verify == SYSTEM)
    if options.cert is not None:
        _load_identity(context, options.cert)
    if key.alpn:
        context.set_alpn_protocols(list(key.alpn))
    if key.keylog:
        try:
            context.keylog_filename = key.keylog
        except OSError as exc:
            _fail("SSLKEYLOGFILE", key.keylog, exc.strerror or str(exc), exc)
    return context


def _load_trust(context: SSLContext, sources: tuple[_Source, ...], *, system: bool) -> None:
    """Load the roots that were named, or those of certifi: never both."""
    import ssl

    # A bundle may hold an intermediate alone, whose holder wants just that trusted.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    named = [source for source in sources if source.setting != "cert"]
    for source in named:
        _load_roots(context, source)
    if system and not named:
        raise TLSError("verify='system': this system has no trust store in a usual place", phase="tls")
    if not named:
        import certifi

        # RFC 5280 to the letter, as Python 3.13 does by default. Public authorities keep to it; private
        # ones often lack an extension, so what the user names is not held to that.
        context.verify_flags |= ssl.VERIFY_X509_STRICT
        _load_roots(context, _Source("certifi", certifi.where()))


def _load_roots(context: SSLContext, source: _Source) -> None:
    from pathlib import Path

    setting, path = source
    try:
        if not Path(path).is_dir():
            context.load_verify_locations(cafile=path)
            return
        if setting == "verify" and not any(is_hashed_name(name) for name in os.listdir(path)):  # noqa: PTH208 - names are wanted
            _fail(setting, path, "it holds no hashed certificates; run `openssl rehash` on it", None)
        context.load_verify_locations(capath=path)
    except OSError as exc:  # SSLError is one
        _fail(setting, path, _said(exc) or "it holds no certificate in PEM form", exc)


def _load_identity(context: SSLContext, cert: CertTypes) -> None:
    """Load the client's own certificate and key."""
    parts = cert if isinstance(cert, tuple) else (cert,)
    chain = os.fspath(parts[0])
    key = os.fspath(parts[1]) if len(parts) > 1 else None
    password = parts[2] if len(parts) == 3 else None

    def ask() -> str | bytes:
        """Stands in for OpenSSL's own prompt, which would block on the terminal."""
        if password is None:
            _fail("cert", key or chain, "the key is encrypted; pass (certificate, key, password)", None)
        return password

    try:
        context.load_cert_chain(chain, key, ask)
    except OSError as exc:
        files = chain if key is None else f"{chain}, {key}"
        said = _said(exc) or "certificate, key and password do not fit together, or are not in PEM form"
        _fail("cert", files, said, exc)
    # TLS 1.3 servers that protect only some resources ask after the handshake (RFC 8446 4.6.2).
    context.post_handshake_auth = True


def _fail(setting: str, path: str, why: str, cause: BaseException | None) -> NoReturn:
    label = f"{setting}=" if setting.isupper() else f"{setting}: "
    raise TLSError(f"cannot use the TLS file {label}{path}: {why}", phase="tls") from cause


def _said(exc: OSError) -> str:
    """The system's words or OpenSSL's reason; empty where OpenSSL gives none that helps."""
    reason: str | None = getattr(exc, "reason", None)
    if reason is None:
        return "" if hasattr(exc, "library") else exc.strerror or str(exc)
    return _REASONS_OF_FILES.get(reason, reason.replace("_", " ").lower())


_REASONS_OF_FILES: Final = {
    "BAD_DECRYPT": "the password is wrong",
    "KEY_VALUES_MISMATCH": "the key does not belong to the certificate",
    "NO_CERTIFICATE_OR_CRL_FOUND": "it holds no certificate in PEM form",
    "NO_START_LINE": "it holds no certificate or key in PEM form",
}


# -- explaining failures ---------------------------------------------------------------------------

_TRUST_HINT: Final = 'to trust its issuer pass verify="/path/to/ca.pem" or ssl_context='

# X509_V_ERR_* of OpenSSL's x509_vfy.h; the codes are part of its interface and do not change.
_CERTIFICATE_ERRORS: Final = {
    9: "is not valid yet; is the clock of this machine right?",
    10: "has expired; the server needs a new one, unless the clock of this machine is wrong",
    18: f"is self-signed; {_TRUST_HINT}",
    19: f"leads to a self-signed root that is not trusted here; {_TRUST_HINT}",
    20: f"was issued by an authority that is not trusted here, or the server leaves out an "
    f"intermediate certificate; {_TRUST_HINT}",
    23: "has been revoked",
    66: "has a key that is too small",
    67: "was issued with a key that is too small",
    68: "is signed with a digest that is too weak",
}
_CERTIFICATE_ERRORS[2] = _CERTIFICATE_ERRORS[21] = _CERTIFICATE_ERRORS[20]
_NAME_MISMATCHES: Final = frozenset({62, 63, 64})  # host name, e-mail address, IP address

_NOT_TLS: Final = "does not speak TLS on this port; is it an http:// server?"
_REASONS: Final = {
    "WRONG_VERSION_NUMBER": _NOT_TLS,
    "HTTP_REQUEST": _NOT_TLS,
    "HTTPS_PROXY_REQUEST": _NOT_TLS,
    "PACKET_LENGTH_TOO_LONG": _NOT_TLS,
    "RECORD_LAYER_FAILURE": _NOT_TLS,
    "BAD_RECORD_TYPE": _NOT_TLS,
    "UNKNOWN_PROTOCOL": _NOT_TLS,
    "UNEXPECTED_EOF_WHILE_READING": "closed the connection in the middle of the TLS handshake",
    "UNSUPPORTED_PROTOCOL": "speaks only TLS versions older than 1.2, which are not safe (RFC 8996)",
    "UNSAFE_LEGACY_RENEGOTIATION_DISABLED": "needs unsafe legacy renegotiation (RFC 5746), which is off",
    "DH_KEY_TOO_SMALL": "offers a Diffie-Hellman key that is too small to be safe",
    "TLSV1_ALERT_PROTOCOL_VERSION": "refuses the TLS versions offered (1.2 and 1.3)",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "refuses the handshake: no cipher or version in common, or it wants "
    "a client certificate (cert=)",
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": "wants stronger ciphers than those offered",
    "TLSV1_UNRECOGNIZED_NAME": "does not know the host name it was asked for (SNI)",
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": "speaks none of the protocols offered (ALPN)",
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "wants a client certificate; pass cert=",
    "SSLV3_ALERT_BAD_CERTIFICATE": "does not accept the client certificate",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "does not accept this kind of client certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "says the client certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "says the client certificate has been revoked",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "does not accept the client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "does not trust the issuer of the client certificate (cert=)",
    "TLSV1_ALERT_ACCESS_DENIED": "denies access to this client certificate",
}


def _explain_certificate(exc: BaseException, peer: str) -> str:
    code: int = getattr(exc, "verify_code", 0)
    said: str = getattr(exc, "verify_message", "") or "it was not accepted"
    if code in _NAME_MISMATCHES:  # `ssl` says "..., certificate is not valid for 'the name it was asked for'."
        return (
            f"the certificate of {peer} is valid, but not for {said.rpartition(' for ')[2].rstrip('.')}: the server answers "
            "for another name, or the URL names it by an address or alias its certificate does not list"
        )
    explained = _CERTIFICATE_ERRORS.get(code)
    if explained is None:
        return f"the certificate of {peer} was not accepted: {said}"
    return f"the certificate of {peer} {explained} (OpenSSL: {said})"


def _explain_reason(exc: BaseException, peer: str) -> str:
    reason: str | None = getattr(exc, "reason", None)
    if reason is None:
        return f"the TLS handshake with {peer} failed: {str(exc) or 'no reason given'}"
    explained = _REASONS.get(reason)
    if explained is not None:
        return f"the TLS handshake with {peer} failed: the server {explained} (OpenSSL: {reason})"
    return f"the TLS handshake with {peer} failed: {reason.replace('_', ' ').lower()}"
