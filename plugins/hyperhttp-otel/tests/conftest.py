"""Both clients behind one set of awaits, and an SDK whose exporters keep what they get in memory."""

from __future__ import annotations

import socket
import threading
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import hyperhttp
from hyperhttp_otel import OpenTelemetry, process

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from opentelemetry.sdk.trace import ReadableSpan

    from hyperhttp.testing import Origin


class Telemetry:
    """What was exported."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self.reader])
        self.tracer = self.tracer_provider.get_tracer("tests")

    def plugin(self, **options: Any) -> OpenTelemetry:
        return OpenTelemetry(tracer_provider=self.tracer_provider, meter_provider=self.meter_provider, **options)

    @property
    def spans(self) -> list[ReadableSpan]:
        """Those that have ended, in that order."""
        return list(self.exporter.get_finished_spans())

    @property
    def span(self) -> ReadableSpan:
        """The only one."""
        (span,) = self.spans
        return span

    def metrics(self) -> dict[str, Any]:
        """By name."""
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics]
        return {metric.name: metric for scope in scopes for metric in scope.metrics}

    def points(self, name: str) -> list[Any]:
        """Data points of a metric."""
        metrics = self.metrics()
        return list(metrics[name].data.data_points) if name in metrics else []

    def shutdown(self) -> None:
        self.tracer_provider.shutdown()
        self.meter_provider.shutdown()


class Face:
    """A kind of client; everything is awaited, whichever it is."""

    def __init__(self, name: str) -> None:
        self.is_blocking = name == "blocking"

    def client(self, *plugins: Any, **options: Any) -> FaceClient:
        kind = hyperhttp.SyncClient if self.is_blocking else hyperhttp.Client
        return FaceClient(self.is_blocking, kind(plugins=list(plugins), trust_env=False, **options))


class FaceClient:
    def __init__(self, is_blocking: bool, raw: Any) -> None:
        self.is_blocking = is_blocking
        self.raw = raw

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await settle(self.raw.close())

    async def request(self, method: str, url: str, **options: Any) -> hyperhttp.Response:
        return await settle(self.raw.request(method, url, **options))

    async def get(self, url: str, **options: Any) -> hyperhttp.Response:
        return await self.request("GET", url, **options)

    async def send(self, request: hyperhttp.Request, **options: Any) -> hyperhttp.Response:
        return await settle(self.raw.send(request, **options))

    async def read(self, response: hyperhttp.Response) -> bytes:
        return response.read() if self.is_blocking else await response.aread()

    async def leave(self, response: hyperhttp.Response) -> None:
        await settle(response.close() if self.is_blocking else response.aclose())


async def settle(value: Any) -> Any:
    return await value if isawaitable(value) else value


@pytest.fixture(params=["asyncio", "blocking"])
def face(request: pytest.FixtureRequest) -> Face:
    return Face(request.param)


@pytest.fixture
def telemetry() -> Iterator[Telemetry]:
    telemetry = Telemetry()
    yield telemetry
    telemetry.shutdown()


@pytest.fixture
def origin(hyperhttp_origin: Origin) -> Origin:
    hyperhttp_origin.clear()
    return hyperhttp_origin


@pytest.fixture
def http2_origin(hyperhttp_http2_origin: Origin) -> Origin:
    hyperhttp_http2_origin.clear()
    return hyperhttp_http2_origin


@pytest.fixture
def closed_port() -> int:
    """One that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.fixture
def unix_server() -> Iterator[Any]:
    """Starts a server on a path that answers one request; gives the path."""
    threads: list[threading.Thread] = []

    def serve(listener: socket.socket, answer: bytes) -> None:
        with listener, listener.accept()[0] as connection:
            connection.recv(65536)
            connection.sendall(answer)

    def start(path: Any, answer: bytes = b"HTTP/1.1 204 No Content\r\n\r\n") -> str:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        listener.settimeout(10)
        threads.append(threading.Thread(target=serve, args=(listener, answer)))
        threads[-1].start()
        return str(path)

    yield start
    for thread in threads:
        thread.join(10)


@pytest.fixture(autouse=True)
def clean_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """No options of an earlier test, nor of whoever runs the tests."""
    for name in ("OTEL_SDK_DISABLED", "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", "HYPERHTTP_OTEL_OPT_IN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(process, "_state", process._State())
