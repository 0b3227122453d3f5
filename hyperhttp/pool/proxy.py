"""One proxy: where it is, and the credentials for it.

RFC 9110 section 11.7 (credentials for proxies), RFC 7617 (Basic), RFC 7616 (Digest).
"""

from __future__ import annotations

import os
from binascii import b2a_base64
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from hyperhttp._records import Record
from hyperhttp.exceptions import InvalidURL, ProxyError
from hyperhttp.message.host import bracketed
from hyperhttp.message.url import URL

if TYPE_CHECKING:
    from collections.abc import Mapping

    from hyperhttp.auth.digest import DigestAuth
    from hyperhttp.auth.proxy_digest import ProxyCredentials

__all__ = ["DEFAULT_SCHEMES", "Proxy", "ProxyTypes"]

DEFAULT_SCHEMES: Final[Mapping[str, int]] = {"http": 80, "https": 443}
"""Schemes of proxies the core speaks to, and their default ports; plugins add theirs."""


class Proxy(Record):
    """A proxy and the credentials for it, which no ``repr`` or ``str`` shows.

    The credentials of the URL are sent unasked, as Basic, and answer a proxy that asks for Digest instead. With
    ``auth=DigestAuth(user, password)`` the password itself is never sent, and nothing before the proxy has asked.

    Args:
        url: ``http://proxy.corp:3128``; without a scheme it is ``http``. Path and query are not looked at.
        auth: credentials apart from the URL: ``(user, password)`` for the same as in the URL, or a `DigestAuth`.

    Attributes:
        scheme: ``http``, ``https``, or a scheme of a plugin, in lower case.
        host: Name or IP address, without brackets.
        port: The port; 0 for the default port of a scheme that only the client's plugins know.
        username: User name, percent-decoded; None when there are no credentials for Basic.
        password: Password, percent-decoded.
        auth: The scheme that was given for the credentials.
        authorization: Value of the Proxy-Authorization field (Basic, UTF-8), None without credentials.
        credentials: What signs requests to the proxy, None without credentials.
        identity: Stands for proxy and credentials in the keys of pools; holds no secret. Good within this
            process only.

    Raises:
        InvalidURL: the URL cannot be understood. The message does not show it, as it may hold a password.
        TypeError: the value is not a URL, or `auth` is neither a pair nor a `DigestAuth`.
        ValueError: credentials are given twice.
    """

    __slots__ = (
        "auth",
        "authorization",
        "credentials",
        "host",
        "identity",
        "password",
        "port",
        "scheme",
        "username",
    )

    scheme: str
    host: str
    port: int
    username: str | None
    password: str | None
    auth: DigestAuth | None
    authorization: bytes | None
    credentials: ProxyCredentials | None
    identity: str

    def __init__(self, url: str | URL, *, auth: DigestAuth | tuple[str, str] | None = None) -> None:
        if not isinstance(url, (str, URL)):
            raise TypeError(f"a proxy must be a URL, not {type(url).__name__}")
        parsed = _parse_url(str(url).strip())
        pair = _credentials(parsed.userinfo)
        digest: DigestAuth | None = None
        if auth is not None:
            if pair is not None:
                raise ValueError("credentials for the proxy are given twice: in its URL and as auth=")
            if isinstance(auth, tuple) and len(auth) == 2:
                pair = _checked(*auth)
            elif hasattr(auth, "lend_to"):
                digest = auth
            else:
                raise TypeError(f"auth= of a proxy takes (user, password) or DigestAuth, not {type(auth).__name__}")
        port = DEFAULT_SCHEMES.get(parsed.scheme, 0) if parsed.port is None else parsed.port
        self._set(parsed.scheme, parsed.host, port, pair, digest)

    def _set(self, scheme: str, host: str, port: int, pair: tuple[str, str] | None, digest: DigestAuth | None) -> None:
        authorization, credentials, identity = None, None, _text(scheme, host, port)
        if pair is not None or digest is not None:
            from hyperhttp.auth.proxy_digest import ProxyCredentials  # only proxies with credentials need it
        if pair is not None:
            octets = ":".join(pair).encode()
            authorization = b"Basic " + b2a_base64(octets, newline=False)
            credentials = ProxyCredentials(*pair, authorization)
            identity += "#" + _fingerprint(octets)
        elif digest is not None:
            credentials = digest.lend_to(ProxyCredentials)
            identity += f"#{id(digest)}"
        username, password = pair or (None, None)
        self._fill(scheme, host, port, username, password, digest, authorization, credentials, identity)

    def _values(self) -> tuple[Any, ...]:
        return self.scheme, self.host, self.port, self.username, self.password, self.auth  # the others follow from them

    @classmethod
    def parse(cls, value: ProxyTypes, schemes: Mapping[str, int] = DEFAULT_SCHEMES) -> Proxy:
        """The proxy a value stands for, if it can be spoken to; ``host:port`` alone means an http proxy.

        Args:
            value: A URL, or a proxy.
            schemes: Schemes that can be spoken, and their default ports.

        Raises:
            InvalidURL: the URL cannot be understood. The message does not show it, as it may hold a password.
            ProxyError: no installed plugin speaks the scheme.
            TypeError: the value is not a URL.
        """
        proxy = value if isinstance(value, Proxy) else cls(value)
        if proxy.scheme not in schemes:
            raise _unknown_scheme(proxy.scheme)
        if proxy.port:
            return proxy
        pair = None if proxy.username is None else (proxy.username, proxy.password or "")
        complete = object.__new__(cls)
        complete._set(proxy.scheme, proxy.host, schemes[proxy.scheme], pair, proxy.auth)
        return complete

    @property
    def url(self) -> URL:
        """The URL with the credentials, for the connectors of plugins. Do not log its ``str``."""
        url = URL(f"{self.scheme}://{bracketed(self.host)}:{self.port}")
        if self.username is None:
            return url
        return url.copy_with(username=self.username, password=self.password)

    def __str__(self) -> str:
        return _text(self.scheme, self.host, self.port)

    def __repr__(self) -> str:
        secret = "" if self.credentials is None else ", credentials=[secret]"
        return f"Proxy({str(self)!r}{secret})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Proxy._restore, (self.scheme, self.host, self.port, self.username, self.password, self.auth)

    @classmethod
    def _restore(cls, scheme: str, host: str, port: int, username: Any, password: Any, auth: Any) -> Proxy:
        proxy = object.__new__(cls)
        proxy._set(scheme, host, port, None if username is None else (username, password), auth)
        return proxy


def _text(scheme: str, host: str, port: int) -> str:
    return f"{scheme}://{bracketed(host)}:{port}"


ProxyTypes: TypeAlias = "str | URL | Proxy"


def _parse_url(text: str) -> URL:
    """The URL of a proxy; no scheme means http.

    Raises:
        InvalidURL: it cannot be understood. Where there may be a password, the message shows nothing of it.
    """
    try:
        url = URL(text if "://" in text else f"http://{text}")
    except InvalidURL as exc:
        if "@" in text:
            raise InvalidURL(
                "the proxy URL is not valid; '@', ':', '/', '?' and '#' in the user name or password "
                "must be percent-encoded"
            ) from None
        raise InvalidURL(f"the proxy URL is not valid: {exc}") from exc
    if not url.host:
        raise InvalidURL("the proxy URL has no host")
    if "@" in url.path + url.query + url.fragment:
        # http://user:pa/ss@proxy: the host would be "user", and hear the rest.
        raise InvalidURL("the proxy URL has an '@' after the host; percent-encode '/', '?' and '#' before it")
    return url


def _credentials(userinfo: str) -> tuple[str, str] | None:
    """User name and password, percent-decoded (RFC 3986 section 3.2.1).

    Raises:
        InvalidURL: one of them cannot be sent as Basic (RFC 7617 section 2).
    """
    if not userinfo:
        return None
    from urllib.parse import unquote

    name, _, secret = userinfo.partition(":")
    try:
        return _checked(unquote(name, errors="strict"), unquote(secret, errors="strict"))
    except UnicodeDecodeError:
        raise InvalidURL("the credentials in the proxy URL are not UTF-8") from None


def _checked(username: str, password: str) -> tuple[str, str]:
    if ":" in username or any(char < " " or char == "\x7f" for char in username + password):
        raise InvalidURL("the credentials for the proxy hold a control character, or the name holds a ':'")
    return username, password


def _unknown_scheme(scheme: str) -> ProxyError:
    if scheme.startswith("socks"):
        msg = f"{scheme}:// proxies need the SOCKS plugin: pip install 'hyperhttp[socks]'"
    else:
        msg = f"cannot speak to proxies of the scheme {scheme!r}; use http or https"
    error = ProxyError(msg, phase="connect")
    error.retryable = False
    return error


def _fingerprint(secret: bytes) -> str:
    from hashlib import blake2b  # only proxies with credentials need it

    return blake2b(secret, key=_fingerprint_key, digest_size=12).hexdigest()


_fingerprint_key: Final = os.urandom(16)
