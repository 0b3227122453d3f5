"""What the core itself registers, through the hooks that every plugin uses.

It is asked before all others, whatever selection a client makes, so a plugin that wants to replace an entry
finds it and says ``replace=True``. One function per hook; keep imports that a client may not need inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperhttp.auth.basic import BasicAuth
from hyperhttp.message.coding import DEFLATE, GZIP
from hyperhttp.plugins.hookspecs import hookimpl
from hyperhttp.plugins.interfaces import HYPERHTTP_PLUGIN_API

if TYPE_CHECKING:
    from hyperhttp.auth.bearer import BearerAuth
    from hyperhttp.auth.digest import DigestAuth
    from hyperhttp.plugins.interfaces import Challenge
    from hyperhttp.plugins.registry import (
        AuthSchemeRegistry,
        DecoderRegistry,
        ProxyRegistry,
        ResolverRegistry,
    )

__all__ = [
    "HYPERHTTP_PLUGIN_API",
    "hyperhttp_register_auth_schemes",
    "hyperhttp_register_decoders",
    "hyperhttp_register_proxies",
    "hyperhttp_register_resolvers",
]


@hookimpl
def hyperhttp_register_decoders(decoders: DecoderRegistry) -> None:
    """The codings gzip and deflate, from the standard library's zlib."""
    decoders.add(GZIP)
    decoders.add(DEFLATE)


@hookimpl
def hyperhttp_register_proxies(proxies: ProxyRegistry) -> None:
    """HTTP proxies, in the clear and over TLS."""
    from hyperhttp.connection.tunnel import HTTPProxyConnector

    proxies.add("http", HTTPProxyConnector(tls=False))
    proxies.add("https", HTTPProxyConnector(tls=True))


@hookimpl
def hyperhttp_register_resolvers(resolvers: ResolverRegistry) -> None:
    """The system's own name service."""
    from hyperhttp.network.resolver import SystemResolver

    resolvers.add("system", SystemResolver, default=True)


@hookimpl
def hyperhttp_register_auth_schemes(auth_schemes: AuthSchemeRegistry) -> None:
    """Basic, Bearer and Digest."""

    def basic(credentials: str) -> BasicAuth:
        username, _, password = credentials.partition(":")
        return BasicAuth(username, password)

    def bearer(credentials: str) -> BearerAuth:
        from hyperhttp.auth.bearer import BearerAuth

        return BearerAuth(credentials)

    def digest(credentials: str) -> DigestAuth:
        from hyperhttp.auth.digest import DigestAuth

        username, _, password = credentials.partition(":")
        return DigestAuth(username, password)

    def answer_basic(_challenge: Challenge, credentials: str) -> BasicAuth | None:
        return basic(credentials) if ":" in credentials else None

    def answer_bearer(_challenge: Challenge, credentials: str) -> BearerAuth | None:
        from hyperhttp.auth.bearer import is_token

        return bearer(credentials) if is_token(credentials) else None  # a password is no token

    def answer_digest(challenge: Challenge, credentials: str) -> DigestAuth | None:
        from hyperhttp.auth.digest import is_answerable

        return digest(credentials) if ":" in credentials and is_answerable(challenge.params) else None

    auth_schemes.add("basic", basic, answer=answer_basic, strength=0)
    auth_schemes.add("bearer", bearer, answer=answer_bearer, strength=5)
    auth_schemes.add("digest", digest, answer=answer_digest, strength=10)
