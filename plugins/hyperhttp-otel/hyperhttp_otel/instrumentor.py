"""What ``opentelemetry-instrument`` finds; needs the package ``opentelemetry-instrumentation``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined]

from hyperhttp_otel import clients, process

if TYPE_CHECKING:
    from collections.abc import Collection

    from hyperhttp import Client, SyncClient

__all__ = ["HyperHTTPInstrumentor"]


class HyperHTTPInstrumentor(BaseInstrumentor):  # type: ignore[misc]  # the package says that it is not typed
    """Sets options for all clients that are made from then on, and can turn everything off.

    ``instrument(**options)`` takes the options of `OpenTelemetry`. Clients made afterwards are listened to whether
    providers are set up by then or later; clients made before keep what they have.
    """

    @staticmethod
    def instrument_client(client: Client | SyncClient, **options: Any) -> None:
        """Record one client that is there already; see `hyperhttp_otel.instrument_client`."""
        clients.instrument_client(client, **options)

    @staticmethod
    def uninstrument_client(client: Client | SyncClient) -> None:
        """Record one client no more; see `hyperhttp_otel.uninstrument_client`."""
        clients.uninstrument_client(client)

    def instrumentation_dependencies(self) -> Collection[str]:
        """What is instrumented."""
        return ("hyperhttp >= 0.1, < 1",)

    def _instrument(self, **options: Any) -> None:
        process.instrument(options)

    def _uninstrument(self, **_: Any) -> None:
        process.uninstrument()
