"""What ``opentelemetry-instrument`` does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import hyperhttp_otel
from hyperhttp_otel import HyperHTTPInstrumentor

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def instrumentor() -> Iterator[HyperHTTPInstrumentor]:
    instrumentor = HyperHTTPInstrumentor()
    yield instrumentor
    if instrumentor.is_instrumented_by_opentelemetry:
        instrumentor.uninstrument()


async def test_it_gives_options_to_all_clients(face: Any, telemetry: Any, origin: Any, instrumentor: Any) -> None:
    instrumentor.instrument(
        tracer_provider=telemetry.tracer_provider, meter_provider=telemetry.meter_provider, call_spans=True
    )
    async with face.client(hyperhttp_otel) as client:
        await client.get(f"{origin.url}/get")
        assert [span.name for span in telemetry.spans] == ["GET", "call GET"]
        instrumentor.uninstrument()
        await client.get(f"{origin.url}/get")
    assert len(telemetry.spans) == 2


def test_the_client_it_instruments_is_installed(instrumentor: Any) -> None:
    assert instrumentor.instrumentation_dependencies() == ("hyperhttp >= 0.1, < 1",)
    assert instrumentor._check_dependency_conflicts() is None


PROGRAM = """
import sys, hyperhttp
with hyperhttp.SyncClient(plugins=["otel"]) as client:
    client.get(sys.argv[1] + "/get")
if "hyperhttp_otel.instrumentor" in sys.modules:
    print("instrumented")
"""


def test_a_program_needs_no_change(origin: Any) -> None:
    command = Path(sys.executable).with_name("opentelemetry-instrument")
    environment = os.environ | {
        "OTEL_PYTHON_TRACER_PROVIDER": "sdk_tracer_provider",
        "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "",
    }
    done = subprocess.run(
        [command, sys.executable, "-c", PROGRAM, origin.url],
        env=environment, check=False, timeout=60, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "instrumented\n"), done.stderr
    assert origin.requests[-1].headers["traceparent"].startswith("00-")
