"""The plugin with options, and the decision whether a client is listened to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics, trace

from hyperhttp.plugins import HYPERHTTP_PLUGIN_API, hookimpl
from hyperhttp_otel.connections import ConnectionListener
from hyperhttp_otel.conventions import CONNECTION_DURATION, OPEN_CONNECTIONS
from hyperhttp_otel.listener import Listener
from hyperhttp_otel.process import Switch
from hyperhttp_otel.settings import Settings

if TYPE_CHECKING:
    from hyperhttp.plugins import EventHookRegistry

__all__ = ["OpenTelemetry", "listener_for"]

#: Where the API's own providers are defined, which record nothing.
_RECORDS_NOTHING: Final = ("opentelemetry.trace", "opentelemetry.metrics")


class OpenTelemetry:
    """The plugin with options, for ``Client(plugins=[OpenTelemetry(...)])``.

    A client that is given one is listened to from its first call on, also where providers are set up later.

    Args:
        tracer_provider: instead of the global one.
        meter_provider: instead of the global one.
        propagator: what writes the context into header fields, instead of the global one.
        call_spans: a span around each call, parent of the spans of its attempts.
        opt_in: names of metrics and attributes that the conventions leave to choice; ``*`` stands for any part.
        known_methods: methods recorded as they are, instead of those the conventions know.
        sensitive_query_keys: keys whose values ``url.full`` does not show, instead of those of the conventions.
        captured_request_headers: names of fields to record, as regular expressions.
        captured_response_headers: the same for responses.
        sanitized_headers: names of captured fields whose values are not shown, besides those of credentials.
        excluded_urls: regular expressions for URLs to leave alone.
        request_hook: called with the span and the request before it is sent.
        response_hook: called with the span, the request and the response.

    Raises:
        TypeError, ValueError: an option is unknown or wrong.
    """

    HYPERHTTP_PLUGIN_API = HYPERHTTP_PLUGIN_API
    __name__ = "otel"

    def __init__(self, **options: Any) -> None:
        self._settings = Settings.of(options)

    @hookimpl
    def hyperhttp_register_event_hooks(self, event_hooks: EventHookRegistry) -> None:
        """Listen to each client."""
        event_hooks.add("otel", lambda: listener_for(self._settings, Switch(), wanted=True))


def listener_for(settings: Settings, switch: Switch, *, wanted: bool) -> Listener | None:
    """A listener for one client.

    Args:
        settings: what to record.
        switch: turns it off later.
        wanted: somebody has asked for it, so that it waits for providers that are set up later.
    """
    tracers = settings.tracer_provider or trace.get_tracer_provider()
    meters = settings.meter_provider or metrics.get_meter_provider()
    if not wanted and not _records(tracers) and not _records(meters):
        return None
    counts_connections = settings.opt_in & {OPEN_CONNECTIONS, CONNECTION_DURATION}
    kind = ConnectionListener if counts_connections else Listener
    return kind(settings, switch, tracers, meters)


def _records(provider: object) -> bool:
    return not type(provider).__module__.startswith(_RECORDS_NOTHING)
