"""A template for plugins of HyperHTTP: rename it, keep the hooks that are needed, throw away the others.

The module is imported with the first client of every application that has the plugin installed: what is heavy belongs
into another module, imported where it is used. Only `hyperhttp`, `hyperhttp.plugins` and `hyperhttp.errors` are public.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperhttp.plugins import Auth, EventListener, hookimpl

if TYPE_CHECKING:
    from collections.abc import Generator

    from hyperhttp import Request, Response
    from hyperhttp.plugins import AuthSchemeRegistry, EventHookRegistry

__all__ = [
    "HYPERHTTP_PLUGIN_API",
    "ExampleAuth",
    "hyperhttp_register_auth_schemes",
    "hyperhttp_register_event_hooks",
]

__version__ = "0.1.0"

HYPERHTTP_PLUGIN_API = 1  # the version of the plugin API this was written for


class ExampleAuth(Auth):
    """Signs each request with a key.

    Args:
        key: what the service has given.
    """

    def __init__(self, key: str) -> None:
        if not key:
            raise ValueError("the key is empty")
        self._key = key

    def auth_flow(self, request: Request) -> Generator[Request, Response, None]:
        """Yield the request, signed."""
        request.headers["Authorization"] = f"Example {self._key}"
        yield request


class Listener(EventListener):
    """Hears of what one client does."""

    def __init__(self) -> None:
        self.finished = 0

    def finish(self, request: Request, response: Response | None, error: BaseException | None) -> None:
        """An attempt is over."""
        self.finished += 1


@hookimpl
def hyperhttp_register_auth_schemes(auth_schemes: AuthSchemeRegistry) -> None:
    """Add a scheme by its name."""
    auth_schemes.add("example", ExampleAuth)


@hookimpl
def hyperhttp_register_event_hooks(event_hooks: EventHookRegistry) -> None:
    """Listen to each client; the factory is called once per client."""
    event_hooks.add("example", Listener)
