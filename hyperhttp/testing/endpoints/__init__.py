"""The endpoints of the test origin: httpbin's, and what httpbin lacks for testing a client.

One module per subject, each with its own ``routes``. The shapes of the JSON are httpbin's.
"""

from __future__ import annotations

from hyperhttp.testing.endpoints import (
    authentication,
    caching,
    cookies,
    documents,
    inspection,
    payloads,
    redirects,
    responses,
    uploads,
    websockets,
)
from hyperhttp.testing.endpoints.routing import Endpoint, Route, Router, Routes

__all__ = ["Endpoint", "Route", "Router", "Routes", "default_router"]

_MODULES = (
    inspection,
    responses,
    redirects,
    cookies,
    authentication,
    documents,
    payloads,
    caching,
    uploads,
    websockets,
)


def default_router() -> Router:
    """A router with every endpoint there is."""
    return Router(route for module in _MODULES for route in module.routes)
