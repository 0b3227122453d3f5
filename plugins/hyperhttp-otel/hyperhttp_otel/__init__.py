"""OpenTelemetry for HyperHTTP: a span for each attempt, the caller's context in its header fields, and metrics.

Installed, it serves every client that is made while an OpenTelemetry SDK is set up; where there is none, a client never
hears of it. `OpenTelemetry` is the same with options, for the ``plugins=`` of one client; `HyperHTTPInstrumentor` is
what ``opentelemetry-instrument`` finds, and sets options for all clients. `instrument_client` is for a client that is
there already.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from hyperhttp.plugins import hookimpl

if TYPE_CHECKING:
    from hyperhttp.plugins import EventHookRegistry
    from hyperhttp_otel.clients import instrument_client, uninstrument_client
    from hyperhttp_otel.instrumentor import HyperHTTPInstrumentor
    from hyperhttp_otel.plugin import OpenTelemetry

__all__ = [
    "HYPERHTTP_PLUGIN_API",
    "HyperHTTPInstrumentor",
    "OpenTelemetry",
    "__version__",
    "hyperhttp_register_event_hooks",
    "instrument_client",
    "uninstrument_client",
]

__version__ = "0.1.0"

HYPERHTTP_PLUGIN_API = 1

_MODULE_OF: Final = {
    "HyperHTTPInstrumentor": "instrumentor",
    "OpenTelemetry": "plugin",
    "instrument_client": "clients",
    "uninstrument_client": "clients",
}


@hookimpl
def hyperhttp_register_event_hooks(event_hooks: EventHookRegistry) -> None:
    """Listen to each client, if there is anything to record when it is made."""
    from hyperhttp_otel import process

    event_hooks.add("otel", process.new_listener)


def __getattr__(name: str) -> Any:
    """The public names, each from its module on first use: OpenTelemetry is imported by those who use it."""
    if name not in _MODULE_OF:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
