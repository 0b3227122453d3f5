"""Transports for httpx and its successor httpx2, from one code base: what is built on either runs on HyperHTTP.

    httpx.AsyncClient(transport=HyperTransport())
    httpx.Client(transport=SyncHyperTransport())

Neither package is imported here, and neither is needed for the other: a transport answers each request in the types of
the package that the request comes from.
"""

from __future__ import annotations

from hyperhttp_httpx.transport import HyperTransport, SyncHyperTransport

__all__ = ["HyperTransport", "SyncHyperTransport", "__version__"]

__version__ = "0.1.0"
