"""SOCKS proxies for HyperHTTP, as a plugin: install it to use ``socks5://`` and its relatives in proxy URLs.

SOCKS4 and SOCKS4a have no RFC; SOCKS5 is RFC 1928, its user name and password RFC 1929. The package ``socksio`` is
imported with the first connection through such a proxy, not before.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

from hyperhttp.plugins import hookimpl
from hyperhttp_socks.connector import SocksConnector

if TYPE_CHECKING:
    from hyperhttp.plugins import ProxyRegistry

__all__ = ["HYPERHTTP_PLUGIN_API", "SocksConnector", "__version__", "hyperhttp_register_proxies"]

__version__ = "0.1.0"

HYPERHTTP_PLUGIN_API = 1


@hookimpl
def hyperhttp_register_proxies(proxies: ProxyRegistry) -> None:
    """Add the four schemes. A broken installation shows here, not with the first request through a proxy."""
    if find_spec("socksio") is None:
        raise ModuleNotFoundError("No module named 'socksio'", name="socksio")
    proxies.add("socks4", SocksConnector(version=4, resolves_locally=True))
    proxies.add("socks4a", SocksConnector(version=4, resolves_locally=False))
    proxies.add("socks5", SocksConnector(version=5, resolves_locally=True))
    proxies.add("socks5h", SocksConnector(version=5, resolves_locally=False))
