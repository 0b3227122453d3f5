"""A trace of OpenTelemetry, printed as a tree: what one call of the program sent, and how long each part took.

What it shows:

- the plugin given to one client, with a provider of its own;
- a span for each request on the wire: the redirect, the attempt that failed, the retry, and the calls around them;
- the caller's span as their parent, and its trace in the ``traceparent`` field that the server gets.

Run it::

    pip install 'hyperhttp[otel]' opentelemetry-sdk
    python docs/examples/tracing.py
    python docs/examples/tracing.py --json       # the spans as the SDK's console exporter would show them
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from hyperhttp import Client
from hyperhttp.testing import Origin
from hyperhttp_otel import OpenTelemetry

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import SpanContext

SHOWN = {"http.response.status_code": "status", "http.request.resend_count": "resent", "error.type": "error"}


async def order(url: str, provider: TracerProvider) -> None:
    """The program that is traced: it follows a redirect, and asks a service that fails once."""
    telemetry = OpenTelemetry(tracer_provider=provider, call_spans=True)
    tracer = provider.get_tracer("example")
    async with Client(base_url=url, plugins=[telemetry], follow_redirects=True, retry=1) as client:
        with tracer.start_as_current_span("order"):
            await client.get("/redirect/1", stream=False)
            with tracer.start_as_current_span("pay"):
                await client.get("/get?fault=503&fault_times=1", stream=False)


def tree(spans: Sequence[ReadableSpan], parent: int | None = None, depth: int = 0) -> Iterator[str]:
    """The lines of a trace: each span below its parent, in the order in which they began."""
    for span in sorted(spans, key=lambda span: span.start_time or 0):
        if (span.parent.span_id if span.parent else None) == parent:
            yield "  " * depth + described(span)
            yield from tree(spans, context_of(span).span_id, depth + 1)


def context_of(span: ReadableSpan) -> SpanContext:
    """The numbers of a span and of its trace, which every span has once it has begun."""
    context = span.get_span_context()
    assert context is not None
    return context


def described(span: ReadableSpan) -> str:
    """One span in one line."""
    milliseconds = ((span.end_time or 0) - (span.start_time or 0)) / 1e6
    attributes = span.attributes or {}
    facts = [f"{label}={attributes[name]!s}" for name, label in SHOWN.items() if name in attributes]
    return " ".join([span.name, span.kind.name, f"{milliseconds:.1f} ms", *facts])


def main() -> int:
    """Trace one order, and print what was recorded."""
    parser = argparse.ArgumentParser(description="A trace of a few requests.")
    parser.add_argument("--json", action="store_true", help="print the spans as JSON")
    arguments = parser.parse_args()
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    with Origin() as origin:
        asyncio.run(order(origin.url, provider))
        received = [request.headers["traceparent"].split("-")[1] for request in origin.requests]
    spans = exporter.get_finished_spans()
    print("\n".join(span.to_json() for span in spans) if arguments.json else "\n".join(tree(spans)))
    trace = format(context_of(spans[0]).trace_id, "032x")
    print(f"the server got {len(received)} requests, {received.count(trace)} of them of this trace", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
