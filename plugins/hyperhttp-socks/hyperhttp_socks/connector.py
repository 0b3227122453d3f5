"""What the client knows of a SOCKS scheme. Light: clients of everybody who has the plugin import it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from hyperhttp import URL

__all__ = ["SocksConnector"]


class SocksConnector:
    """Speaks to SOCKS proxies; one object serves all clients and keeps no state.

    Args:
        version: 4 or 5.
        resolves_locally: the target's name is resolved here, not by the proxy.

    Attributes:
        default_port: the port of a proxy whose URL names none (RFC 1928 section 3).
        tls: False: SOCKS has no encryption of its own.
        forwards: False: requests for ``http`` targets go through a tunnel as well.
        ipv4_only: the protocol carries no other addresses.
    """

    default_port = 1080
    tls = False
    forwards = False

    def __init__(self, *, version: int, resolves_locally: bool) -> None:
        self.version = version
        self.resolves_locally = resolves_locally
        self.ipv4_only = version == 4

    def handshake(self, proxy: URL, host: str, port: int) -> Generator[bytes, bytes, bytes]:
        """Speak to the proxy until the connection leads to the target.

        Args:
            proxy: the proxy's URL, with the credentials.
            host: the target's name or IP address, without brackets.
            port: the target's port.

        Raises:
            ProxyError: the proxy refused, or does not speak the protocol.
        """
        from hyperhttp_socks.handshake import connect_socks4, connect_socks5  # imports socksio

        return (connect_socks4 if self.version == 4 else connect_socks5)(proxy, host, port)

    def __repr__(self) -> str:
        return f"SocksConnector(version={self.version}, resolves_locally={self.resolves_locally})"
