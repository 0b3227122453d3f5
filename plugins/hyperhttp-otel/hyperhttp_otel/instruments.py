"""The metrics of a client; None for those nobody asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hyperhttp_otel import conventions as names

if TYPE_CHECKING:
    from collections.abc import Collection

    from opentelemetry.metrics import Histogram, Meter, UpDownCounter

__all__ = ["Instruments"]


class Instruments:
    """Instruments of one meter.

    Args:
        meter: makes them.
        opt_in: names of the metrics wanted besides the duration of requests.
    """

    __slots__ = ("active", "connection_duration", "duration", "open_connections", "request_sizes", "response_sizes")

    def __init__(self, meter: Meter, opt_in: Collection[str]) -> None:
        self.duration: Histogram = meter.create_histogram(
            names.REQUEST_DURATION,
            "s",
            "Duration of HTTP client requests.",
            explicit_bucket_boundaries_advisory=names.REQUEST_BUCKETS,
        )
        self.request_sizes: Histogram | None = None
        if names.REQUEST_SIZES in opt_in:
            self.request_sizes = meter.create_histogram(
                names.REQUEST_SIZES, "By", "Size of HTTP client request bodies."
            )
        self.response_sizes: Histogram | None = None
        if names.RESPONSE_SIZES in opt_in:
            self.response_sizes = meter.create_histogram(
                names.RESPONSE_SIZES, "By", "Size of HTTP client response bodies."
            )
        self.active: UpDownCounter | None = None
        if names.ACTIVE_REQUESTS in opt_in:
            self.active = meter.create_up_down_counter(
                names.ACTIVE_REQUESTS, "{request}", "Number of active HTTP requests."
            )
        self.open_connections: UpDownCounter | None = None
        if names.OPEN_CONNECTIONS in opt_in:
            self.open_connections = meter.create_up_down_counter(
                names.OPEN_CONNECTIONS,
                "{connection}",
                "Number of outbound HTTP connections that are currently active or idle on the client.",
            )
        self.connection_duration: Histogram | None = None
        if names.CONNECTION_DURATION in opt_in:
            self.connection_duration = meter.create_histogram(
                names.CONNECTION_DURATION,
                "s",
                "The duration of the successfully established outbound HTTP connections.",
                explicit_bucket_boundaries_advisory=names.CONNECTION_BUCKETS,
            )
